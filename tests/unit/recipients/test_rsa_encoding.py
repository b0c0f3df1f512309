"""KeyTransRecipientInfo to octets and back: golden octets, asn1crypto's reading, and parameters that are refused."""

from __future__ import annotations

import itertools

import pytest
from asn1crypto import algos, cms, core, x509
from hypothesis import given
from hypothesis import strategies as st

from smime_session.algorithms import (
    HASHES,
    OAEP,
    RSAES_OAEP_OID,
    RSAES_OAEP_SHA1,
    RSAES_OAEP_SHA256,
    RSAES_PKCS1_V1_5,
    RSAES_PKCS1_V1_5_OID,
    HashName,
    KeyTransport,
)
from smime_session.cms import asn1, codec, key_transport
from smime_session.cms.values import (
    AlgorithmIdentifier,
    IssuerAndSerialNumber,
    RecipientIdentifier,
    SubjectKeyIdentifier,
    WrappedKey,
)
from smime_session.errors import LimitError, MalformedError, UnsupportedAlgorithmError
from smime_session.profiles import MAX_ENCRYPTED_KEY_SIZE
from smime_session.recipients import rsa
from smime_session.recipients.rsa import KeyTransRecipientInfo

NAME = x509.Name.build({"common_name": "Alice"})
BY_SERIAL = IssuerAndSerialNumber(NAME.dump(), 7)
BY_KEY = SubjectKeyIdentifier(bytes(range(20)))
SHA256 = "300d 0609608648016503040201 0500"
MGF1_SHA256 = f"301a 06092a864886f70d010108 {SHA256}"
LABEL = "300f 06092a864886f70d010109 0402 6869"


def _oaep(parameters: str | None) -> AlgorithmIdentifier:
    return AlgorithmIdentifier(RSAES_OAEP_OID, None if parameters is None else bytes.fromhex(parameters))


def test_a_recipient_named_by_serial_number_is_golden() -> None:
    """Issuer and serial number make version 0 (RFC 5652, 6.2.1)."""
    wrapped = rsa.encode(KeyTransRecipientInfo(BY_SERIAL, RSAES_PKCS1_V1_5, b"\xab\xcd"))
    assert wrapped.version == 0
    assert wrapped.encoded == bytes.fromhex(
        "302d"
        "020100"  # version
        "3015 3010 310e 300c 0603550403 0c05 416c696365 020107"  # rid: CN=Alice, 7
        "300d 06092a864886f70d010101 0500"  # keyEncryptionAlgorithm
        "0402 abcd"
    )


def test_a_recipient_named_by_key_is_golden() -> None:
    """A key identifier makes version 2 (RFC 5652, 6.2.1)."""
    wrapped = rsa.encode(KeyTransRecipientInfo(BY_KEY, RSAES_OAEP_SHA256, b"\xab\xcd"))
    assert wrapped.version == 2
    assert wrapped.encoded == bytes.fromhex(
        "305b"
        "020102"  # version
        "8014 000102030405060708090a0b0c0d0e0f10111213"  # rid
        "303c 06092a864886f70d010107 302f"  # keyEncryptionAlgorithm
        f"a00f {SHA256} a11c {MGF1_SHA256}"
        "0402 abcd"
    )


@given(
    st.sampled_from((BY_SERIAL, BY_KEY)),
    st.sampled_from((RSAES_PKCS1_V1_5, *OAEP, KeyTransport("SHA-256", "SHA-1", b"label"))),
    st.binary(max_size=300),
)
def test_infos_are_what_asn1crypto_reads(
    recipient: RecipientIdentifier, algorithm: KeyTransport, encrypted_key: bytes
) -> None:
    """A recipient info is DER to asn1crypto, which reads the same values, and so do we."""
    info = KeyTransRecipientInfo(recipient, algorithm, encrypted_key)
    wrapped = rsa.encode(info)
    theirs = cms.KeyTransRecipientInfo.load(wrapped.encoded, strict=True)
    assert theirs["version"].native == f"v{wrapped.version}"
    assert theirs["encrypted_key"].native == encrypted_key
    assert theirs["key_encryption_algorithm"]["algorithm"].dotted == algorithm.oid
    if isinstance(recipient, SubjectKeyIdentifier):
        assert theirs["rid"].native == recipient.value
    else:
        assert theirs["rid"].chosen["issuer"] == NAME
        assert theirs["rid"].chosen["serial_number"].native == recipient.serial_number
    assert theirs.copy().dump(force=True) == wrapped.encoded
    assert rsa.decode(wrapped) == info


@pytest.mark.parametrize("label", [b"", b"hi"])
@pytest.mark.parametrize(("digest", "mgf"), list(itertools.product(HASHES.values(), repeat=2)))
def test_oaep_parameters_are_what_asn1crypto_writes(digest: HashName, mgf: HashName, label: bytes) -> None:
    """Parameters leave their defaults out, as DER wants, and are read back as they were (RFC 4055, 4.1)."""
    names = [name.lower().replace("-", "") for name in (digest, mgf)]
    theirs = algos.RSAESOAEPParams(
        {
            "hash_algorithm": {"algorithm": names[0], "parameters": core.Null()},
            "mask_gen_algorithm": {
                "algorithm": "mgf1",
                "parameters": {"algorithm": names[1], "parameters": core.Null()},
            },
            "p_source_algorithm": {"algorithm": "p_specified", "parameters": label},
        }
    )
    algorithm = KeyTransport(digest, mgf, label)
    ours = key_transport.algorithm_identifier(algorithm)
    assert ours == AlgorithmIdentifier(RSAES_OAEP_OID, theirs.dump())
    assert key_transport.algorithm_from(ours) == algorithm


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("3000", RSAES_OAEP_SHA1),
        ("300b a009 3007 06052b0e03021a", RSAES_OAEP_SHA1),  # a default, written out
        (f"302d a00d 300b 0609608648016503040201 a11c {MGF1_SHA256}", RSAES_OAEP_SHA256),  # no NULL
        (f"3080 a080 {SHA256} 0000 a180 {MGF1_SHA256} 0000 0000", RSAES_OAEP_SHA256),  # indefinite lengths
        (f"3013 a211 {LABEL}", KeyTransport("SHA-1", "SHA-1", b"hi")),
        (f"3011 a00f {SHA256}", KeyTransport("SHA-256", "SHA-1")),
        (f"301e a11c {MGF1_SHA256}", KeyTransport("SHA-1", "SHA-256")),
    ],
)
def test_oaep_parameters_of_others(parameters: str, expected: KeyTransport) -> None:
    """Defaults that are written out, NULLs that are left out and indefinite lengths are read."""
    assert key_transport.algorithm_from(_oaep(parameters)) == expected


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        "",
        "0500",  # NULL
        "30",
        "04023000",
        "3000 00",  # something follows
        "3000 3000",
        "3002 0500",
        "3002 a000",
        "3003 020105",
        f"3011 a30f {SHA256}",  # no such field
        f"3022 a00f {SHA256} a00f {SHA256}",  # twice
        f"302f a11c {MGF1_SHA256} a00f {SHA256}",  # in the wrong order
        f"3020 a01e {SHA256} {SHA256}",
        "3013 a011 300f 0609608648016503040201 0402 6869",  # a hash function with parameters
        "300f a10d 300b 06092a864886f70d010108",  # MGF1 without a hash function
        "3011 a10f 300d 06092a864886f70d010108 0500",
        "3011 a20f 300d 06092a864886f70d010109 0500",  # a label that is none
    ],
)
def test_broken_oaep_parameters_are_malformed(parameters: str | None) -> None:
    """Parameters that are absent, NULL, garbage or followed by something are refused and never guessed around."""
    with pytest.raises(MalformedError):
        key_transport.algorithm_from(_oaep(parameters))


@pytest.mark.parametrize(
    ("parameters", "role"),
    [
        ("300e a00c 300a 06082a864886f70d0205", "hash function of RSAES-OAEP"),  # MD5
        ("3015 a113 3011 06092a864886f70d010108 3004 0602 2a03", "hash function of RSAES-OAEP"),
        ("3008 a106 3004 0602 2a03", "mask generation function of RSAES-OAEP"),
        ("3008 a206 3004 0602 2a03", "label source of RSAES-OAEP"),
    ],
)
def test_unknown_parts_of_oaep_are_named(parameters: str, role: str) -> None:
    """A part of RSAES-OAEP that is not spoken is named by its role."""
    with pytest.raises(UnsupportedAlgorithmError, match=f"the {role} .*is not supported"):
        key_transport.algorithm_from(_oaep(parameters))


@pytest.mark.parametrize("parameters", [None, asn1.NULL])
def test_v1_5_has_null_or_no_parameters(parameters: bytes | None) -> None:
    """RSAES-PKCS1-v1_5 has NULL (RFC 3370, 4.2.1), which some leave out."""
    assert key_transport.algorithm_from(AlgorithmIdentifier(RSAES_PKCS1_V1_5_OID, parameters)) == RSAES_PKCS1_V1_5


@pytest.mark.parametrize("parameters", [b"", b"\x05\x01\x00", b"\x30\x00", b"\x05\x00\x00"])
def test_other_v1_5_parameters_are_malformed(parameters: bytes) -> None:
    """RSAES-PKCS1-v1_5 has no other parameters."""
    with pytest.raises(MalformedError):
        key_transport.algorithm_from(AlgorithmIdentifier(RSAES_PKCS1_V1_5_OID, parameters))


def test_unknown_algorithms_are_named() -> None:
    """An algorithm that does not belong to RSA is named."""
    with pytest.raises(UnsupportedAlgorithmError, match=r"the key-encryption algorithm SHA-256 \(2.16"):
        key_transport.algorithm_from(AlgorithmIdentifier("2.16.840.1.101.3.4.2.1", None))


def test_a_large_encrypted_key_is_limited() -> None:
    """An encrypted key larger than any RSA key makes it is refused, however it is written; it may still be shown."""
    for size, fits in ((MAX_ENCRYPTED_KEY_SIZE, True), (MAX_ENCRYPTED_KEY_SIZE + 1, False), (1 << 20, False)):
        wrapped = rsa.encode(KeyTransRecipientInfo(BY_KEY, RSAES_PKCS1_V1_5, bytes(size)))
        assert len(rsa.fields(wrapped)[2]) == size
        if fits:
            assert len(rsa.decode(wrapped).encrypted_key) == size
        else:
            with pytest.raises(LimitError, match="the size of an encrypted key exceeds the limit of 4,096"):
                rsa.decode(wrapped)


def test_an_encrypted_key_in_pieces_is_joined() -> None:
    """BER allows an encrypted key to come in pieces (X.690, 8.7)."""
    rid = codec.recipient_identifier(BY_KEY)
    algorithm = codec.algorithm_identifier(key_transport.algorithm_identifier(RSAES_PKCS1_V1_5))
    encoded = asn1.encode(asn1.SEQUENCE, b"\x02\x01\x02", rid, algorithm, bytes.fromhex("2480 0401ab 2403 0401cd 0000"))
    assert rsa.decode(WrappedKey(encoded, 2, 32)).encrypted_key == b"\xab\xcd"


@pytest.mark.parametrize(
    "encoded", ["", "3000", "3003020100", "a100", "300c 020100 8000 3003 06012a 0400 0500", "30ff"]
)
def test_broken_infos_are_malformed(encoded: str) -> None:
    """A KeyTransRecipientInfo has exactly four parts."""
    with pytest.raises(MalformedError):
        rsa.decode(WrappedKey(bytes.fromhex(encoded), 0, 32))
