"""KeyAgreeRecipientInfo to octets and back: golden octets, asn1crypto's reading, and fields that are refused."""

from __future__ import annotations

import pytest
from asn1crypto import cms, x509
from hypothesis import given
from hypothesis import strategies as st

from smime_session.algorithms import (
    AES_128_WRAP,
    AES_256_WRAP,
    CURVES,
    EC_PUBLIC_KEY_OID,
    KEY_AGREEMENTS,
    KEY_WRAPS,
    P_256,
    P_384,
    TRIPLE_DES_WRAP,
    X448,
    X25519,
    Curve,
    KeyAgreement,
    KeyWrap,
)
from smime_session.cms import asn1, codec
from smime_session.cms.values import (
    AlgorithmIdentifier,
    IssuerAndSerialNumber,
    RecipientIdentifier,
    SubjectKeyIdentifier,
    WrappedKey,
)
from smime_session.errors import LimitError, MalformedError, MessageError, UnsupportedAlgorithmError
from smime_session.profiles import MAX_ENCRYPTED_KEY_SIZE, MAX_RECIPIENTS
from smime_session.recipients import ecdh_encoding as encoding
from smime_session.recipients.ecdh_encoding import OriginatorKey

NAME = x509.Name.build({"common_name": "Alice"})
BY_SERIAL = IssuerAndSerialNumber(NAME.dump(), 7)
BY_KEY = SubjectKeyIdentifier(bytes(range(20)))
POINT = b"\x04" + bytes(64)
WRAPPED = bytes(range(24))

VERSION = bytes.fromhex("020103")
ORIGINATOR = bytes.fromhex("a012 a110 3009 06072a8648ce3d0201 0303 000405")
ECDH_SHA256 = codec.algorithm_identifier(AlgorithmIdentifier(P_256.agreement.oid, encoding.key_info(AES_128_WRAP)))
MEMBER = encoding.recipient_encrypted_key(encoding.recipient_identifier(BY_KEY), WRAPPED)
MEMBERS = asn1.encode(asn1.SEQUENCE, MEMBER)


def info(*fields: bytes) -> WrappedKey:
    """Return a KeyAgreeRecipientInfo of encoded fields."""
    return WrappedKey(asn1.encode(0xA1, *fields), 3, 16)


def written(curve: Curve, wrap: KeyWrap, *recipients: RecipientIdentifier) -> WrappedKey:
    """Return what is written for these recipients."""
    members = [
        encoding.recipient_encrypted_key(encoding.recipient_identifier(recipient), WRAPPED) for recipient in recipients
    ]
    return encoding.encode(curve, POINT, wrap, members, wrap.key_size)


def test_two_recipients_on_p_256_are_golden() -> None:
    """The curve is left to the recipients' keys, and the key wrap has no parameters (RFC 5753, 7.1.2 and 7.1.5)."""
    wrapped = encoding.encode(
        P_256,
        b"\x04\x05",
        AES_128_WRAP,
        [
            encoding.recipient_encrypted_key(encoding.recipient_identifier(each), b"\xab")
            for each in (BY_SERIAL, BY_KEY)
        ],
        16,
    )
    assert (wrapped.version, wrapped.key_size) == (3, 16)
    assert wrapped.encoded == bytes.fromhex(
        "a169"
        "020103"  # version
        "a012 a110 3009 06072a8648ce3d0201 0303 000405"  # originator: originatorKey
        "3015 06062b8104010b01 300b 0609608648016503040105"  # keyEncryptionAlgorithm
        "3039"  # recipientEncryptedKeys
        "301a 3015 3010 310e 300c 0603550403 0c05 416c696365 020107 0401 ab"  # rid: CN=Alice, 7
        "301b a016 0414 000102030405060708090a0b0c0d0e0f10111213 0401 ab"  # rid: rKeyId
    )


def test_the_originator_on_x25519_is_golden() -> None:
    """A key on X25519 has an algorithm of its own, without parameters, and HKDF (RFC 8410, 3; RFC 8418, 3.2)."""
    wrapped = encoding.encode(X25519, b"\x04\x05", AES_256_WRAP, [], 32)
    assert wrapped.encoded == bytes.fromhex(
        "a131 020103"
        "a00e a10c 3005 06032b656e 0303 000405"
        "301a 060b2a864886f70d0109100313 300b 060960864801650304012d"
        "3000"
    )


@pytest.mark.parametrize("wrap", KEY_WRAPS.values(), ids=lambda wrap: wrap.name)
@pytest.mark.parametrize("curve", CURVES.values(), ids=lambda curve: curve.name)
@pytest.mark.parametrize("recipients", [(BY_SERIAL,), (BY_KEY,), (BY_KEY, BY_SERIAL, BY_KEY)], ids=len)
def test_infos_are_what_asn1crypto_reads(
    curve: Curve, wrap: KeyWrap, recipients: tuple[RecipientIdentifier, ...]
) -> None:
    """Another reader finds every field where RFC 5652, 6.2.2 has it."""
    parsed = cms.RecipientInfo.load(written(curve, wrap, *recipients).encoded, strict=True).chosen
    originator = parsed["originator"].chosen
    assert parsed["version"].native == "v3"
    assert originator["algorithm"]["algorithm"].dotted == (EC_PUBLIC_KEY_OID if curve.is_parameter else curve.oid)
    assert originator["public_key"].contents == b"\x00" + POINT
    assert parsed["ukm"].native is None
    assert parsed["key_encryption_algorithm"]["algorithm"].dotted == curve.agreement.oid
    members = parsed["recipient_encrypted_keys"]
    assert [member["encrypted_key"].native for member in members] == [WRAPPED] * len(recipients)
    names = ["r_key_id" if each is BY_KEY else "issuer_and_serial_number" for each in recipients]
    assert [member["rid"].name for member in members] == names


@pytest.mark.parametrize("wrap", KEY_WRAPS.values(), ids=lambda wrap: wrap.name)
@pytest.mark.parametrize("curve", CURVES.values(), ids=lambda curve: curve.name)
def test_what_is_written_is_read(curve: Curve, wrap: KeyWrap) -> None:
    """Every curve and key wrap comes back, and with it the encoding that the derivation takes in."""
    decoded = encoding.decode(written(curve, wrap, BY_SERIAL, BY_KEY))
    assert decoded.originator == OriginatorKey(None if curve.is_parameter else curve, POINT)
    assert (decoded.algorithm, decoded.wrap, decoded.user_keying_material) == (curve.agreement, wrap, None)
    assert decoded.key_info == codec.algorithm_identifier(AlgorithmIdentifier(wrap.oid))
    assert [member.recipient for member in decoded.encrypted_keys] == [BY_SERIAL, BY_KEY]


@given(st.binary(max_size=70), st.sampled_from((*KEY_WRAPS.values(), TRIPLE_DES_WRAP)))
def test_shared_info_is_as_its_rfc_has_it(ukm: bytes, wrap: KeyWrap) -> None:
    """The key wrap, the sender's material and the size in bits are tied to the derived key (RFC 5753, 7.2)."""
    encoded = encoding.shared_info(encoding.key_info(wrap), ukm, wrap.key_size * 8)
    first, second, third = asn1.parse(encoded).children()
    assert codec.algorithm_identifier_from(first).oid == wrap.oid
    assert (second.tag, second.children()[0].octets()) == (0xA0, ukm)
    assert (third.tag, third.children()[0].octets()) == (0xA2, (wrap.key_size * 8).to_bytes(4, "big"))


def test_shared_info_without_material_is_golden() -> None:
    """An absent field is left out: this is what AES-256 key wrap gives."""
    encoded = encoding.shared_info(encoding.key_info(AES_256_WRAP), None, 256)
    assert encoded == bytes.fromhex("3015 300b 060960864801650304012d a206 0404 00000100")


def test_a_triple_des_wrap_has_null_parameters() -> None:
    """So it stands in ECC-CMS-SharedInfo too (RFC 5753, 7.2)."""
    assert encoding.key_info(TRIPLE_DES_WRAP) == bytes.fromhex("300f 060b2a864886f70d0109100306 0500")


# --- several recipients ------------------------------------------------------------------------


@given(st.lists(st.sampled_from((BY_SERIAL, BY_KEY)), min_size=1, max_size=5))
def test_splitting_gives_each_recipient_one(recipients: list[RecipientIdentifier]) -> None:
    """Each part reads like the whole, with one encrypted key."""
    whole = written(P_384, AES_256_WRAP, *recipients)
    parts = list(encoding.split(whole))
    decoded = [encoding.decode(part) for part in parts]
    assert [each.encrypted_keys[0].recipient for each in decoded] == recipients
    assert {each.originator for each in decoded} == {encoding.decode(whole).originator}
    assert all(part.key_size == whole.key_size and part.version == whole.version for part in parts)


def test_splitting_one_recipient_changes_nothing() -> None:
    """What has one recipient stays the very same octets."""
    whole = written(P_256, AES_128_WRAP, BY_KEY)
    assert list(encoding.split(whole)) == [whole]


def test_as_many_recipients_as_allowed_are_read() -> None:
    """The limit of whoever walks the envelope is the one there is; nothing more is counted than it takes."""
    many = info(VERSION, ORIGINATOR, ECDH_SHA256, asn1.encode(asn1.SEQUENCE, MEMBER * (MAX_RECIPIENTS + 1)))
    assert len(encoding.fields(many).encrypted_keys) == MAX_RECIPIENTS + 1
    infos = asn1.parse(asn1.encode(asn1.SET, many.encoded))
    assert codec.recipient_infos(infos, 16, MAX_RECIPIENTS + 1) == (many,)
    with pytest.raises(LimitError, match="the number of recipients exceeds the limit of 20,000"):
        codec.recipient_infos(infos, 16, MAX_RECIPIENTS)
    endless = info(
        VERSION, ORIGINATOR, ECDH_SHA256, asn1.encode(asn1.SEQUENCE, MEMBER * (MAX_RECIPIENTS + 1) + b"\x30")
    )
    with pytest.raises(LimitError, match="the number of recipients exceeds the limit of 20,000"):
        codec.recipient_infos(asn1.parse(asn1.encode(asn1.SET, endless.encoded)), 16, MAX_RECIPIENTS)


def test_what_many_recipients_share_is_small() -> None:
    """Each part repeats it: a large one would turn a message into many times its size."""
    ukm = asn1.encode(0xA1, asn1.encode(asn1.OCTET_STRING, bytes(4096)))
    with pytest.raises(LimitError, match="without its encrypted keys"):
        list(encoding.split(info(VERSION, ORIGINATOR, ukm, ECDH_SHA256, asn1.encode(asn1.SEQUENCE, MEMBER * 2))))


# --- what others write -------------------------------------------------------------------------

DATE = "180f 32303236303330313132303030305a"
OTHER = "300b 0609608648016503040105"


@pytest.mark.parametrize("hint", ["", DATE, OTHER, DATE + OTHER], ids=["alone", "date", "other", "both"])
def test_hints_beside_a_key_identifier_are_read_over(hint: str) -> None:
    """A RecipientKeyIdentifier may say more, which is not needed (RFC 5652, 6.2.2)."""
    rid = asn1.encode(0xA0, asn1.encode(asn1.OCTET_STRING, BY_KEY.value), bytes.fromhex(hint))
    member = encoding.recipient_encrypted_key(rid, WRAPPED)
    found = encoding.fields(info(VERSION, ORIGINATOR, ECDH_SHA256, asn1.encode(asn1.SEQUENCE, member)))
    assert found.encrypted_keys[0].recipient == BY_KEY


@pytest.mark.parametrize("hint", [OTHER + DATE, DATE + DATE, OTHER + OTHER, "0500", DATE + "0400"])
def test_anything_else_beside_a_key_identifier_is_refused(hint: str) -> None:
    """A date and another attribute may follow it, in this order and once each."""
    rid = asn1.encode(0xA0, asn1.encode(asn1.OCTET_STRING, BY_KEY.value), bytes.fromhex(hint))
    member = encoding.recipient_encrypted_key(rid, WRAPPED)
    with pytest.raises(MalformedError, match="a RecipientKeyIdentifier is malformed"):
        encoding.fields(info(VERSION, ORIGINATOR, ECDH_SHA256, asn1.encode(asn1.SEQUENCE, member)))


@pytest.mark.parametrize("algorithm", KEY_AGREEMENTS.values(), ids=lambda algorithm: algorithm.name)
@pytest.mark.parametrize("wrap", [*KEY_WRAPS.values(), TRIPLE_DES_WRAP], ids=lambda wrap: wrap.name)
@pytest.mark.parametrize("parameters", [None, asn1.NULL], ids=["absent", "NULL"])
def test_every_agreement_is_read_with_every_wrap(
    algorithm: KeyAgreement, wrap: KeyWrap, parameters: bytes | None
) -> None:
    """The key wrap's encoding is kept as it stands, parameters or none: the sender derived with it."""
    encoded = codec.algorithm_identifier(AlgorithmIdentifier(wrap.oid, parameters))
    identifier = AlgorithmIdentifier(algorithm.oid, encoded)
    assert encoding.algorithms_from(identifier) == (algorithm, wrap, encoded)


def test_an_indefinite_key_wrap_is_derived_with_as_der() -> None:
    """ECC-CMS-SharedInfo is DER whatever the message is (RFC 5753, 7.2)."""
    encoded = b"\x30\x80" + asn1.object_identifier(AES_128_WRAP.oid) + asn1.END_OF_CONTENTS
    _, _, found = encoding.algorithms_from(AlgorithmIdentifier(P_256.agreement.oid, encoded))
    assert found == encoding.key_info(AES_128_WRAP)


@pytest.mark.parametrize("parameters", ["", "0500", "06082a8648ce3d030107"], ids=["absent", "NULL", "named"])
def test_parameters_of_an_ec_originator(parameters: str) -> None:
    """Absent, NULL as in the RFC before, or the curve by name (RFC 5753, 3.1.1)."""
    curve = P_256 if parameters.startswith("06") else None
    assert encoding.originator_from(originator(EC_PUBLIC_KEY_OID, parameters)) == OriginatorKey(curve, b"\x04\x05")


def originator(oid: str, parameters: str = "", point: str = "0303 000405") -> asn1.Element:
    """Return an originatorKey."""
    algorithm = codec.algorithm_identifier(AlgorithmIdentifier(oid, bytes.fromhex(parameters) or None))
    return asn1.parse(asn1.encode(0xA1, algorithm, bytes.fromhex(point)))


@pytest.mark.parametrize("identifier", [BY_SERIAL, BY_KEY], ids=["issuer and serial number", "key identifier"])
def test_an_originator_may_be_named(identifier: RecipientIdentifier) -> None:
    """A sender may name a certificate instead of giving a key (RFC 5652, 6.2.2)."""
    named = asn1.encode(0xA0, codec.recipient_identifier(identifier))
    assert encoding.decode(info(VERSION, named, ECDH_SHA256, MEMBERS)).originator == identifier


def test_user_keying_material_is_read() -> None:
    """Readers must take it (RFC 5652, 6.2.2)."""
    ukm = asn1.encode(0xA1, asn1.encode(asn1.OCTET_STRING, b"material"))
    found = encoding.decode(info(VERSION, ORIGINATOR, ukm, ECDH_SHA256, MEMBERS))
    assert found.user_keying_material == b"material"


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (VERSION, ORIGINATOR, ECDH_SHA256),
        (VERSION, ORIGINATOR, MEMBERS, ECDH_SHA256),
        (ORIGINATOR, ECDH_SHA256, MEMBERS, b""),
        (VERSION, ORIGINATOR, b"\xa1\x00", ECDH_SHA256, MEMBERS),
        (VERSION, b"\xa0\x00", ECDH_SHA256, MEMBERS),
        (VERSION, ORIGINATOR + ORIGINATOR, ECDH_SHA256, MEMBERS),
        (VERSION, ORIGINATOR, ECDH_SHA256, MEMBERS, asn1.NULL),
        (VERSION, ORIGINATOR, ECDH_SHA256, asn1.encode(asn1.SEQUENCE, b"\x30\x00")),
        (VERSION, ORIGINATOR, ECDH_SHA256, asn1.encode(asn1.SEQUENCE, MEMBER, b"\x04\x00")),
        (VERSION, ORIGINATOR, ECDH_SHA256, asn1.encode(asn1.SEQUENCE, b"\x30\x04\xa0\x00\x04\x00")),
        (VERSION, ORIGINATOR, ECDH_SHA256, asn1.encode(asn1.SEQUENCE, b"\x30\x08\xa0\x04\x04\x00\x05\x00\x04\x00")),
        (VERSION, ORIGINATOR, ECDH_SHA256, asn1.encode(asn1.SEQUENCE, b"\x30\x04\x80\x00\x04\x00")),
    ],
)
def test_broken_fields_are_refused(fields: tuple[bytes, ...]) -> None:
    """A field that is missing, doubled, out of place or of another kind is malformed."""
    with pytest.raises(MalformedError):
        encoding.decode(info(*fields))


@pytest.mark.parametrize(
    ("element", "error", "words"),
    [
        (originator(EC_PUBLIC_KEY_OID, "3000"), MalformedError, "tag"),
        (originator(EC_PUBLIC_KEY_OID, "06052b8104000a"), UnsupportedAlgorithmError, "elliptic curve .*1.3.132.0.10"),
        (originator(EC_PUBLIC_KEY_OID, "06032b656e"), UnsupportedAlgorithmError, "elliptic curve"),
        (originator(X25519.oid, "0500"), MalformedError, "parameters of the originator's X25519 key"),
        (originator(X448.oid, "06032b656f"), MalformedError, "parameters of the originator's X448 key"),
        (originator(P_256.oid), UnsupportedAlgorithmError, "kind of the originator's key"),
        (originator("1.2.840.10046.2.1"), UnsupportedAlgorithmError, "1.2.840.10046.2.1"),
        (originator(EC_PUBLIC_KEY_OID, point="0303 010405"), MalformedError, "public key is malformed"),
        (originator(EC_PUBLIC_KEY_OID, point="0300"), MalformedError, "public key is malformed"),
        (originator(EC_PUBLIC_KEY_OID, point="0403 000405"), MalformedError, "tag"),
        (originator(EC_PUBLIC_KEY_OID, point="0303 000405 0500"), MalformedError, "public key is malformed"),
        (asn1.parse(asn1.NULL), MalformedError, "tag"),
    ],
)
def test_originators_that_are_refused(element: asn1.Element, error: type[MessageError], words: str) -> None:
    """A key of another kind, or on another curve, is named; one that is broken is malformed."""
    with pytest.raises(error, match=words):
        encoding.originator_from(element)


WRAP = encoding.key_info(AES_128_WRAP)


@pytest.mark.parametrize(
    ("oid", "parameters", "error", "words"),
    [
        ("1.2.840.113549.1.9.16.3.5", WRAP, UnsupportedAlgorithmError, "ephemeral-static Diffie-Hellman"),
        ("1.3.132.1.15.1", WRAP, UnsupportedAlgorithmError, "1.3.132.1.15.1"),
        (P_256.agreement.oid, None, MalformedError, "absent"),
        (P_256.agreement.oid, asn1.NULL, MalformedError, "tag"),
        (P_256.agreement.oid, b"\x30\x00", MalformedError, "AlgorithmIdentifier"),
        (
            P_256.agreement.oid,
            bytes.fromhex("300d 060b2a864886f70d0109100307"),
            UnsupportedAlgorithmError,
            "RC2 key wrap",
        ),
        (P_256.agreement.oid, bytes.fromhex("300d 0609608648016503040105 0400"), MalformedError, "AES-128 key wrap"),
        (P_256.agreement.oid, WRAP + b"\x00", MalformedError, "follows"),
    ],
)
def test_algorithms_that_are_refused(oid: str, parameters: bytes | None, error: type[MessageError], words: str) -> None:
    """What is not supported is named; parameters that are wrong are never guessed around."""
    with pytest.raises(error, match=words):
        encoding.algorithms_from(AlgorithmIdentifier(oid, parameters))


def sized(wrap: KeyWrap, size: int) -> WrappedKey:
    """Return an info whose encrypted key has ``size`` octets."""
    algorithm = codec.algorithm_identifier(AlgorithmIdentifier(P_256.agreement.oid, encoding.key_info(wrap)))
    member = encoding.recipient_encrypted_key(encoding.recipient_identifier(BY_KEY), bytes(size))
    return info(VERSION, ORIGINATOR, algorithm, asn1.encode(asn1.SEQUENCE, member))


@given(st.integers(0, MAX_ENCRYPTED_KEY_SIZE), st.sampled_from(tuple(KEY_WRAPS.values())))
def test_sizes_of_what_aes_wraps(size: int, wrap: KeyWrap) -> None:
    """Three blocks of eight octets at least, and whole ones (RFC 3394, 2.2.1)."""
    if size >= 24 and size % 8 == 0:
        assert len(encoding.decode(sized(wrap, size)).encrypted_keys[0].encrypted_key) == size
    else:
        with pytest.raises(MalformedError, match=f"{size} bytes is none that {wrap.name} makes"):
            encoding.decode(sized(wrap, size))


@pytest.mark.parametrize("size", [0, 32, 39, 40, 41, 48])
def test_sizes_of_what_triple_des_wraps(size: int) -> None:
    """Always 40 octets (RFC 3217, 3.1)."""
    if size == 40:
        assert encoding.decode(sized(TRIPLE_DES_WRAP, size)).wrap == TRIPLE_DES_WRAP
    else:
        with pytest.raises(MalformedError, match="Triple-DES key wrap"):
            encoding.decode(sized(TRIPLE_DES_WRAP, size))


@pytest.mark.parametrize("size", [MAX_ENCRYPTED_KEY_SIZE + 8, 1 << 20])
def test_a_huge_encrypted_key_exceeds_a_limit(size: int) -> None:
    """Its size is looked at before anything else is."""
    with pytest.raises(LimitError, match="encrypted key"):
        encoding.decode(sized(AES_256_WRAP, size))


@given(st.binary(max_size=200))
def test_noise_is_refused_by_our_own_errors(noise: bytes) -> None:
    """No other exception comes out, whatever goes in."""
    with pytest.raises(MessageError):
        encoding.decode(WrappedKey(noise, 3, 32))


@given(st.integers(0, 200), st.integers(0, 255))
def test_an_altered_octet_is_read_or_refused(at: int, octet: int) -> None:
    """An info with one octet altered gives another info or one of our own errors."""
    encoded = bytearray(written(P_256, AES_128_WRAP, BY_SERIAL, BY_KEY).encoded)
    encoded[at % len(encoded)] = octet
    try:
        found = encoding.decode(WrappedKey(bytes(encoded), 3, 16))
    except MessageError:
        return
    assert found.encrypted_keys is not None
