"""CMS structures to octets and back: golden octets, and what asn1crypto makes of the same values."""

from __future__ import annotations

import pytest
from asn1crypto import algos, cms, core, x509
from hypothesis import given
from hypothesis import strategies as st

from smime_session.algorithms import (
    AES_128_CBC,
    AES_256_CBC,
    AES_256_GCM,
    AUTH_ENVELOPED_DATA,
    CONTENT_ENCRYPTION,
    DATA,
    ENVELOPED_DATA,
    RC2_CBC,
    SHA1_OID,
    ContentEncryption,
)
from smime_session.cms import asn1, codec, content_algorithm
from smime_session.cms.revision import version_for
from smime_session.cms.values import (
    AlgorithmIdentifier,
    ContentParameters,
    EnvelopeHeader,
    EnvelopeTrailer,
    IssuerAndSerialNumber,
    SubjectKeyIdentifier,
    WrappedKey,
)
from smime_session.errors import LimitError, MalformedError, UnsupportedAlgorithmError

NAME = x509.Name.build({"country_name": "DE", "common_name": "Alice"})
NONCE = bytes(range(12))
VECTOR = bytes(range(16))
GCM = ContentParameters(AES_256_GCM, NONCE, 16)
CBC = ContentParameters(AES_128_CBC, VECTOR, 0)
# KeyTransRecipientInfos of four octets of "encrypted key", cut down to what the envelope looks at
BY_SERIAL = WrappedKey(bytes.fromhex("3003020100"), 0, 32)
BY_KEY = WrappedKey(bytes.fromhex("3003020102"), 2, 32)


def _gcm(nonce: bytes, *tag_size: int, oid: str = AES_256_GCM.oid) -> AlgorithmIdentifier:
    sizes = b"".join(map(asn1.integer, tag_size))
    return AlgorithmIdentifier(oid, asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.OCTET_STRING, nonce), sizes))


# --- algorithm identifiers


def test_gcm_parameters_are_golden() -> None:
    """The tag's size is written out, because its default is 12 (RFC 5084, 3.2)."""
    assert codec.algorithm_identifier(content_algorithm.encode(GCM)) == bytes.fromhex(
        "301e 060960864801650304012e 3011 040c000102030405060708090a0b 020110"
    )


def test_cbc_parameters_are_what_asn1crypto_writes() -> None:
    """CBC's parameter is its initialisation vector (RFC 3565, 4.1)."""
    theirs = cms.EncryptionAlgorithm({"algorithm": "aes128_cbc", "parameters": VECTOR})
    assert codec.algorithm_identifier(content_algorithm.encode(CBC)) == theirs.dump()


WRITTEN = tuple(algorithm for algorithm in CONTENT_ENCRYPTION.values() if not algorithm.legacy)


@pytest.mark.parametrize("algorithm", WRITTEN, ids=lambda algorithm: algorithm.name)
def test_content_parameters_round_trip(algorithm: ContentEncryption) -> None:
    """What is written about the content is read back, with a derived key and without."""
    parameters = ContentParameters(algorithm, bytes(algorithm.nonce_size), algorithm.tag_size)
    for each in (parameters, content_algorithm.with_derived_key(parameters)):
        assert content_algorithm.parameters_from(content_algorithm.encode(each)) == each


def test_a_derived_key_is_golden() -> None:
    """Around the content's algorithm stands that of the derivation, whose information is the inner one (RFC 9709)."""
    derived = content_algorithm.with_derived_key(GCM)
    inner = codec.algorithm_identifier(content_algorithm.encode(GCM))
    assert derived.derivation_info == inner
    assert codec.algorithm_identifier(content_algorithm.encode(derived)) == bytes.fromhex(
        "302d 060b2a864886f70d010910031f 301e 060960864801650304012e 3011 040c000102030405060708090a0b 020110"
    )


def test_a_derivation_shows_the_algorithm_inside() -> None:
    """What limits and policies see is the inner algorithm, in DER for the derivation, and never another derivation."""
    hkdf = "1.2.840.113549.1.9.16.3.31"
    ber = bytes.fromhex("3080 0609608648016503040102 0410000102030405060708090a0b0c0d0e0f 0000")
    found = content_algorithm.parameters_from(AlgorithmIdentifier(hkdf, ber))
    assert (found.algorithm, found.nonce) == (AES_128_CBC, VECTOR)
    assert found.derivation_info == codec.algorithm_identifier(content_algorithm.encode(CBC))
    twice = codec.algorithm_identifier(content_algorithm.encode(content_algorithm.with_derived_key(GCM)))
    with pytest.raises(UnsupportedAlgorithmError):
        content_algorithm.parameters_from(AlgorithmIdentifier(hkdf, twice))
    for parameters in (None, b"\x05\x00", b"\x30\x00"):
        with pytest.raises(MalformedError):
            content_algorithm.parameters_from(AlgorithmIdentifier(hkdf, parameters))


def test_rc2_is_read_with_its_long_key_only() -> None:
    """RC2's parameters name its effective key size in a code, of which 58 is 128 bits (RFC 3370, 5.2)."""
    theirs = cms.EncryptionAlgorithm(
        {"algorithm": "rc2", "parameters": {"rc2_parameter_version": 58, "iv": bytes(range(8))}}
    )
    found = content_algorithm.parameters_from(codec.algorithm_identifier_from(asn1.parse(theirs.dump())))
    assert (found.algorithm, found.nonce) == (RC2_CBC, bytes(range(8)))
    for version in (160, 120, 256, 0):
        parameters = asn1.encode(asn1.SEQUENCE, asn1.integer(version), b"\x04\x08" + bytes(8))
        with pytest.raises(UnsupportedAlgorithmError, match="RC2-CBC with a short key"):
            content_algorithm.parameters_from(AlgorithmIdentifier(RC2_CBC.oid, parameters))
    for broken in (b"\x04\x08" + bytes(8), asn1.encode(asn1.SEQUENCE, b"\x04\x08" + bytes(8))):
        with pytest.raises(MalformedError):
            content_algorithm.parameters_from(AlgorithmIdentifier(RC2_CBC.oid, broken))


@pytest.mark.parametrize("size", [8, 11, 12, 13, 16, 64, 128])
def test_nonces_of_other_sizes_are_read(size: int) -> None:
    """GCM takes other nonces than the twelve octets that are recommended."""
    assert content_algorithm.parameters_from(_gcm(bytes(size), 16)).nonce == bytes(size)


@pytest.mark.parametrize("size", [0, 1, 7, 129, 65536])
def test_nonces_that_no_cipher_takes_are_malformed(size: int) -> None:
    """A nonce is measured before a cipher sees it."""
    with pytest.raises(MalformedError, match=f"the nonce of AES-256-GCM has {size} bytes"):
        content_algorithm.parameters_from(_gcm(bytes(size), 16))


@pytest.mark.parametrize("size", [12, 13, 14, 15, 16])
def test_tag_sizes_of_the_standard_are_read(size: int) -> None:
    """A tag has 12 to 16 octets (RFC 5084, 3.2)."""
    assert content_algorithm.parameters_from(_gcm(NONCE, size)).tag_size == size


def test_an_absent_tag_size_is_the_default() -> None:
    """Where the tag's size is left out, it is 12 (RFC 5084, 3.2)."""
    assert content_algorithm.parameters_from(_gcm(NONCE)).tag_size == 12


@pytest.mark.parametrize("size", [-16, -1, 0, 1, 4, 8, 11, 17, 32, 1 << 64])
def test_other_tag_sizes_are_malformed(size: int) -> None:
    """A tag that is too short to prove anything, or longer than any, is refused by its announcement."""
    with pytest.raises(MalformedError, match=f"a tag of {size} bytes is not allowed"):
        content_algorithm.parameters_from(_gcm(NONCE, size))


@pytest.mark.parametrize(
    ("oid", "parameters"),
    [
        (AES_256_GCM.oid, None),
        (AES_256_GCM.oid, "0500"),
        (AES_256_GCM.oid, "3000"),
        (AES_256_GCM.oid, "040c" + "00" * 12),
        (AES_256_GCM.oid, "3011 020110 040c" + "00" * 12),
        (AES_256_GCM.oid, "3014 040c" + "00" * 12 + "020110" * 2),
        (AES_256_CBC.oid, None),
        (AES_256_CBC.oid, "0500"),
        (AES_256_CBC.oid, "040f" + "00" * 15),
        (AES_256_CBC.oid, "0411" + "00" * 17),
        (AES_256_CBC.oid, "0410" + "00" * 16 + "00"),
        (AES_256_CBC.oid, "0410" + "00" * 15),
        (AES_256_CBC.oid, "3012 0410" + "00" * 16),
    ],
)
def test_other_parameters_are_malformed(oid: str, parameters: str | None) -> None:
    """Parameters are as their RFC has them or refused; nothing is guessed."""
    with pytest.raises(MalformedError):
        content_algorithm.parameters_from(
            AlgorithmIdentifier(oid, None if parameters is None else bytes.fromhex(parameters))
        )


def test_unknown_algorithms_are_named() -> None:
    """An algorithm that is not spoken is named by its usual name and its object identifier."""
    with pytest.raises(UnsupportedAlgorithmError, match=r"algorithm RC4 \(1.2.840.113549.3.4\) is not") as caught:
        content_algorithm.parameters_from(AlgorithmIdentifier("1.2.840.113549.3.4"))
    assert (caught.value.oid, caught.value.name) == ("1.2.840.113549.3.4", "RC4")


@pytest.mark.parametrize("parameters", [None, b"\x05\x00", b"\x30\x03\x02\x01\x05"])
def test_algorithm_identifiers_round_trip(parameters: bytes | None) -> None:
    """An AlgorithmIdentifier keeps its parameters' octets, and tells NULL from absent ones."""
    identifier = AlgorithmIdentifier("1.2.3", parameters)
    encoded = codec.algorithm_identifier(identifier)
    assert codec.algorithm_identifier_from(asn1.parse(encoded)) == identifier


@pytest.mark.parametrize("encoded", ["3000", "30020500", "300806012a0500050000", "0500"])
def test_other_algorithm_identifiers_are_malformed(encoded: str) -> None:
    """An AlgorithmIdentifier is an object identifier and at most one value."""
    with pytest.raises(MalformedError):
        codec.algorithm_identifier_from(asn1.parse(bytes.fromhex(encoded)))


def test_hash_identifiers_are_what_asn1crypto_writes() -> None:
    """A hash function has NULL parameters when written, NULL or none when read (RFC 4055, 2.1)."""
    theirs = algos.DigestAlgorithm({"algorithm": "sha256", "parameters": core.Null()})
    assert codec.hash_identifier("SHA-256") == theirs.dump()
    for parameters in (None, asn1.NULL):
        assert codec.hash_from(AlgorithmIdentifier(SHA1_OID, parameters), "hash function") == "SHA-1"
    with pytest.raises(MalformedError, match="the parameters of SHA-1 are malformed"):
        codec.hash_from(AlgorithmIdentifier(SHA1_OID, b"\x04\x00"), "hash function")
    with pytest.raises(UnsupportedAlgorithmError, match=r"the hash function of OAEP \(1.2.3\) is not supported"):
        codec.hash_from(AlgorithmIdentifier("1.2.3"), "hash function of OAEP")


# --- recipient infos


@pytest.mark.parametrize("serial", [1, 127, 128, 1 << 159, -5])
def test_issuer_and_serial_number_is_what_asn1crypto_writes(serial: int) -> None:
    """A recipient named by issuer and serial number is encoded as asn1crypto does, and read back."""
    theirs = cms.IssuerAndSerialNumber({"issuer": NAME, "serial_number": serial})
    identifier = IssuerAndSerialNumber(NAME.dump(), serial)
    assert codec.recipient_identifier(identifier) == theirs.dump()
    assert codec.recipient_identifier_from(asn1.parse(theirs.dump())) == identifier


def test_key_identifier_is_what_asn1crypto_writes() -> None:
    """A recipient named by its key identifier is encoded as asn1crypto does, and read back."""
    theirs = cms.RecipientIdentifier("subject_key_identifier", bytes(range(20)))
    identifier = SubjectKeyIdentifier(bytes(range(20)))
    assert codec.recipient_identifier(identifier) == theirs.dump()
    assert codec.recipient_identifier_from(asn1.parse(theirs.dump())) == identifier
    in_pieces = bytes.fromhex("a0800401000401010000")
    assert codec.recipient_identifier_from(asn1.parse(in_pieces)) == SubjectKeyIdentifier(b"\x00\x01")


@pytest.mark.parametrize("encoded", ["3000", "30023000", "300630000201013000", "0500", "81020001"])
def test_other_recipient_identifiers_are_malformed(encoded: str) -> None:
    """A recipient has one of two kinds of names, each complete."""
    with pytest.raises(MalformedError):
        codec.recipient_identifier_from(asn1.Element(bytes.fromhex(encoded)))


def test_recipient_infos_keep_their_octets_and_order() -> None:
    """Every recipient info comes out as it stands, in its order, with its version, whatever its technique."""
    infos = [bytes.fromhex(info) for info in ("3003020102", "a103020103", "a4800000", "3003020100", "a300")]
    found = codec.recipient_infos(asn1.parse(asn1.encode(asn1.SET, b"".join(infos))), 32, 10)
    assert [wrapped.version for wrapped in found] == [2, 3, 0, 0, 0]
    assert [wrapped.key_size for wrapped in found] == [32] * 5
    assert b"".join(wrapped.encoded for wrapped in found) == b"".join(infos)


def test_recipient_infos_are_limited_as_they_come() -> None:
    """One recipient too many is noticed there, before what follows it is looked at."""
    broken_after = asn1.parse(asn1.encode(asn1.SET, b"\x30\x00" * 6, b"\x30\x7f"))
    with pytest.raises(LimitError, match="the number of recipients exceeds the limit of 5"):
        codec.recipient_infos(broken_after, 32, 5)


def test_those_who_share_a_recipient_info_are_counted_each() -> None:
    """Of key agreement, one recipient info holds many recipients, and a broken one counts as one."""
    members = asn1.encode(asn1.SEQUENCE, b"\x30\x00" * 3)
    three, broken = asn1.encode(0xA1, b"\x02\x01\x03", members), b"\xa1\x04\x30\x02\x05\x01"
    infos = asn1.parse(asn1.encode(asn1.SET, three, broken, BY_KEY.encoded))
    assert len(codec.recipient_infos(infos, 32, 5)) == 3
    with pytest.raises(LimitError, match="the number of recipients exceeds the limit of 4"):
        codec.recipient_infos(infos, 32, 4)


def test_recipient_infos_have_the_tags_of_the_standard() -> None:
    """RecipientInfo is a CHOICE whose alternatives asn1crypto numbers in the same way."""
    ours = {
        "kari": codec.KEY_AGREEMENT_TAG,
        "kekri": codec.KEK_TAG,
        "pwri": codec.PASSWORD_TAG,
        "ori": codec.OTHER_TAG,
    }
    assert codec.KEY_TRANSPORT_TAG == asn1.SEQUENCE
    theirs = {
        name: number for name, _, options in cms.RecipientInfo._alternatives[1:] if (number := options["implicit"])
    }
    assert ours == {name: 0xA0 | number for name, number in theirs.items()}


# --- the envelope


@pytest.mark.parametrize(
    ("infos", "version"),
    [
        ([BY_SERIAL], 0),
        ([BY_SERIAL, BY_SERIAL], 0),
        ([BY_KEY], 2),
        ([BY_SERIAL, BY_KEY], 2),
        ([WrappedKey(b"\xa1\x03\x02\x01\x03", 3, 32)], 2),
        ([WrappedKey(b"\xa2\x03\x02\x01\x04", 4, 32)], 2),
        ([BY_SERIAL, WrappedKey(b"\xa3\x03\x02\x01\x00", 0, 32)], 3),
        ([WrappedKey(b"\xa4\x00", 0, 32), BY_KEY], 3),
    ],
)
def test_the_version_follows_the_recipients(infos: list[WrappedKey], version: int) -> None:
    """EnvelopedData's version is computed as RFC 5652, 6.1 does; AuthEnvelopedData's is 0 (RFC 5083, 2.1)."""
    assert version_for(infos, authenticated=False) == version
    assert version_for(infos, authenticated=True) == 0


def _header(parameters: ContentParameters, *infos: WrappedKey) -> EnvelopeHeader:
    authenticated = parameters.algorithm.authenticated
    return EnvelopeHeader(
        AUTH_ENVELOPED_DATA if authenticated else ENVELOPED_DATA,
        version_for(infos, authenticated=authenticated),
        infos,
        DATA,
        content_algorithm.encode(parameters),
    )


def test_an_authenticated_envelope_is_golden() -> None:
    """A definite-length AuthEnvelopedData is these octets (RFC 5083, 2.1)."""
    start = codec.envelope_start(_header(GCM, BY_SERIAL), 3, 18)
    end = codec.envelope_end(EnvelopeTrailer(bytes(16)), authenticated=True, indefinite=False)
    assert start + b"abc" + end == bytes.fromhex(
        "305f"
        "060b2a864886f70d0109100117"  # id-ct-authEnvelopedData
        "a050 304e"
        "020100"  # version
        "3105 3003020100"  # recipientInfos
        "3030"
        "06092a864886f70d010701"  # id-data
        "301e 060960864801650304012e 3011 040c000102030405060708090a0b 020110"
        "8003 616263"
        "0410 00000000000000000000000000000000"
    )


def test_an_enveloped_data_is_golden_without_lengths() -> None:
    """An indefinite-length EnvelopedData is these octets; its ciphertext comes as OCTET STRINGs (RFC 5652, 6.1)."""
    start = codec.envelope_start(_header(CBC, BY_KEY), None, 0)
    end = codec.envelope_end(EnvelopeTrailer(), authenticated=False, indefinite=True)
    assert start + b"\x04\x03abc" + end == bytes.fromhex(
        "3080"
        "06092a864886f70d010703"  # id-envelopedData
        "a080 3080"
        "020102"  # version
        "3105 3003020102"  # recipientInfos
        "3080"
        "06092a864886f70d010701"  # id-data
        "301d 0609608648016503040102 0410000102030405060708090a0b0c0d0e0f"
        "a080 0403 616263 0000"
        "0000"
        "0000 0000 0000"
    )


def test_recipient_infos_are_sorted() -> None:
    """DER wants a SET OF in the order of its octets (X.690, 11.6)."""
    start = codec.envelope_start(_header(CBC, BY_KEY, BY_SERIAL), 3, 0)
    assert BY_SERIAL.encoded + BY_KEY.encoded in start


@given(
    st.sampled_from((GCM, CBC)),
    st.sampled_from((0, 1, 15, 16, 17, 127, 128, 129, 255, 256, 257, 65535, 65536, 65537)),
    st.booleans(),
    st.binary(max_size=300),
)
def test_envelopes_are_what_asn1crypto_reads(
    parameters: ContentParameters, size: int, indefinite: bool, originator: bytes  # noqa: FBT001  # drawn by hypothesis
) -> None:  # fmt: skip
    """An envelope around a ciphertext of any size holds the same values to asn1crypto; a definite one is DER to it."""
    authenticated = parameters.algorithm.authenticated
    info = cms.KeyTransRecipientInfo(
        {
            "version": "v0",
            "rid": cms.IssuerAndSerialNumber({"issuer": NAME, "serial_number": 7}),
            "key_encryption_algorithm": {"algorithm": "rsaes_pkcs1v15", "parameters": core.Null()},
            "encrypted_key": originator,
        }
    ).dump()
    header = _header(parameters, WrappedKey(info, 0, 32))
    trailer = EnvelopeTrailer(bytes(parameters.tag_size), b"", b"")
    end = codec.envelope_end(trailer, authenticated=authenticated, indefinite=indefinite)
    start = codec.envelope_start(header, None if indefinite else size, len(end))
    ciphertext = asn1.encode(asn1.OCTET_STRING, bytes(size)) if indefinite else bytes(size)
    outer = cms.ContentInfo.load(start + ciphertext + end, strict=True)
    kind = "authenticated_enveloped_data" if authenticated else "enveloped_data"
    assert outer["content_type"].native == kind
    inner = outer["content"]
    assert inner["version"].native == "v0"
    assert [info.dump() for info in inner["recipient_infos"]] == [info]
    sealed = inner["auth_encrypted_content_info" if authenticated else "encrypted_content_info"]
    assert sealed["content_type"].native == "data"
    assert sealed["encrypted_content"].native == bytes(size)
    assert sealed["content_encryption_algorithm"]["algorithm"].dotted == parameters.algorithm.oid
    if authenticated:
        assert inner["mac"].native == bytes(16)
    if not indefinite:
        assert asn1.parse(start + ciphertext + end).definite() == start + ciphertext + end


def test_attributes_are_retagged_and_sorted_for_the_tag() -> None:
    """What the tag covers is the DER of the attributes as a SET OF, however they were written (RFC 5083, 2.2)."""
    written = bytes.fromhex("a180 3080 06012b 3100 0000 308105 06012a 3100 0000")
    expected = bytes.fromhex("310e 3005 06012a 3100 3005 06012b 3100")
    assert codec.attributes_for_tag(asn1.parse(written)) == expected


def test_attributes_return_to_their_tag() -> None:
    """Authenticated attributes are written under their own tag, before the tag's octets; the others after them."""
    trailer = EnvelopeTrailer(b"tag", bytes.fromhex("3107300506012a3100"), bytes.fromhex("a207300506012b3100"))
    assert codec.envelope_end(trailer, authenticated=True, indefinite=False) == bytes.fromhex(
        "a107300506012a3100 0403746167 a207300506012b3100"
    )
