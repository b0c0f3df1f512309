"""KEMRecipientInfo to octets and back: golden octets, the example of RFC 9936, and what hostile senders write."""

from __future__ import annotations

from binascii import a2b_base64
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.algorithms import (
    AES_128_WRAP,
    AES_192_WRAP,
    AES_256_WRAP,
    HKDF_OIDS,
    KEM_RECIPIENT_OID,
    ML_KEM_768,
    ML_KEM_1024,
    Kem,
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
from smime_session.recipients import kem
from smime_session.recipients.kem import KemRecipientInfo

if TYPE_CHECKING:
    from smime_session.algorithms import HashName

BY_KEY = SubjectKeyIdentifier(bytes.fromhex("599788c37aed400ee405d1b2a3366ab17d824a51"))
BY_SERIAL = IssuerAndSerialNumber(bytes.fromhex("300d310b300906035504030c026361"), 0x1A2B)
INFO = KemRecipientInfo(BY_KEY, ML_KEM_768, bytes(1088), "SHA-256", AES_256_WRAP, bytes(40))
ENCODED = kem.encode(INFO)


def example() -> WrappedKey:
    """Return the one recipient info of the message in RFC 9936, Appendix C."""
    pem = (Path(__file__).parent / "rfc9936-appendix-c.pem").read_bytes()
    message = asn1.parse(a2b_base64(b"".join(pem.splitlines()[1:-1])))
    infos = message.children()[1].children()[0].children()[1]
    (wrapped,) = codec.recipient_infos(infos, 16, 1)
    return wrapped


# --- writing


def test_encoding_is_golden() -> None:
    """Version 0, every algorithm without parameters, no user keying material (RFC 9629, 3; RFC 9936, 2.1)."""
    assert ENCODED.version == 0
    assert ENCODED.encoded == bytes.fromhex(
        "a48204c4 060b2a864886f70d010910 0d03 308204b3 020100"
        " 8014599788c37aed400ee405d1b2a3366ab17d824a51"
        " 300b0609608648016503040402"
        " 04820440" + "00" * 1088 + " 300d060b2a864886f70d010910031c"
        " 020120"
        " 300b060960864801650304012d"
        " 0428" + "00" * 40
    )


def test_other_info_is_golden() -> None:
    """What the key-encryption key is bound to is what RFC 9936, Appendix C prints; user keying material joins it."""
    small = KemRecipientInfo(BY_KEY, ML_KEM_768, b"", "SHA-256", AES_128_WRAP, b"")
    assert kem.other_info(small) == bytes.fromhex("3010300b0609608648016503040105020110")
    more = KemRecipientInfo(BY_KEY, ML_KEM_768, b"", "SHA-256", AES_256_WRAP, b"", b"\x01\x02")
    assert kem.other_info(more) == bytes.fromhex("3016300b060960864801650304012d020120a00404020102")


# --- reading


def test_the_example_of_the_standard() -> None:
    """Every field of the example is found where it says; ML-KEM-512 itself is not supported."""
    found = kem.fields(example())
    assert found.recipient == BY_KEY
    assert found.kem == AlgorithmIdentifier("2.16.840.1.101.3.4.4.1")
    assert (len(found.ciphertext), found.ciphertext[:4].hex()) == (768, "3ea40fc6")
    assert found.kdf == AlgorithmIdentifier(HKDF_OIDS["SHA-256"])
    assert (found.key_size, found.user_keying_material) == (16, None)
    assert found.wrap == AlgorithmIdentifier(AES_128_WRAP.oid)
    assert found.encrypted_key.hex() == "c050e4392f9c14dd0ac2220203f317d701f94f9dd92778f5"
    with pytest.raises(UnsupportedAlgorithmError, match=r"mechanism ML-KEM-512 \(2\.16\.840\.1\.101\.3\.4\.4\.1\)"):
        kem.decode(example())


@pytest.mark.parametrize("recipient", [BY_KEY, BY_SERIAL], ids=["key identifier", "issuer and serial"])
@pytest.mark.parametrize("mechanism", [ML_KEM_768, ML_KEM_1024], ids=lambda each: each.name)
@pytest.mark.parametrize("hash_name", ["SHA-256", "SHA-384", "SHA-512"])
@pytest.mark.parametrize("wrap", [AES_128_WRAP, AES_192_WRAP, AES_256_WRAP], ids=lambda each: each.name)
@pytest.mark.parametrize("material", [None, b"", b"material"])
def test_what_is_encoded_is_decoded(
    recipient: RecipientIdentifier, mechanism: Kem, hash_name: HashName, wrap: KeyWrap, material: bytes | None
) -> None:
    """Both names of a recipient, every KEM, KDF and key wrap, with and without user keying material."""
    ciphertext, encrypted = b"c" * mechanism.ciphertext_size, b"e" * (wrap.key_size + 8)
    info = KemRecipientInfo(recipient, mechanism, ciphertext, hash_name, wrap, encrypted, material)
    assert kem.decode(kem.encode(info)) == info


def test_ber_is_read() -> None:
    """Indefinite lengths and OCTET STRINGs in pieces mean the same."""
    kind, value = asn1.parse(ENCODED.encoded).children()
    parts = [child.encoded for child in value]
    parts[3] = b"\x24\x80" + asn1.encode(0x04, bytes(1000)) + asn1.encode(0x04, bytes(88)) + b"\x00\x00"
    parts[7] = asn1.encode(0x24, asn1.encode(0x04, bytes(32)), asn1.encode(0x04, bytes(8)))
    encoded = b"\xa4\x80" + kind.encoded + b"\x30\x80" + b"".join(parts) + b"\x00" * 4
    assert kem.decode(WrappedKey(encoded, 0, 32)) == INFO


# --- what hostile senders write


def altered(**changes: bytes) -> WrappedKey:
    """Return :data:`ENCODED` with some of its fields' encodings replaced; an empty one is left out."""
    names = ("version", "recipient", "kem", "ciphertext", "kdf", "key_size", "wrap", "encrypted_key")
    kind, value = asn1.parse(ENCODED.encoded).children()
    fields = dict(zip(names, (child.encoded for child in value), strict=True))
    ordered = [changes.get(name, fields[name]) for name in names]
    ordered.insert(6, changes.get("material", b""))
    outer = changes.get("kind", kind.encoded)
    return WrappedKey(
        asn1.encode(kem.TAG, outer, asn1.encode(asn1.SEQUENCE, *ordered), changes.get("more", b"")), 0, 32
    )


def algorithm(oid: str, parameters: bytes | None = None) -> bytes:
    """Encode an AlgorithmIdentifier."""
    return codec.algorithm_identifier(AlgorithmIdentifier(oid, parameters))


def octets(size: int) -> bytes:
    """Encode an OCTET STRING of zeros."""
    return asn1.encode(asn1.OCTET_STRING, bytes(size))


def test_altering_nothing_is_harmless() -> None:
    """What the cases below start from is sound."""
    assert altered() == WrappedKey(ENCODED.encoded, 0, 32)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"version": asn1.integer(1)}, "a KEMRecipientInfo is malformed"),
        ({"version": b""}, "a KEMRecipientInfo is malformed"),
        ({"more": asn1.NULL}, "an OtherRecipientInfo is malformed"),
        ({"kind": asn1.object_identifier("1.2.3.4")}, "an OtherRecipientInfo is no KEMRecipientInfo"),
        ({"kind": asn1.integer(3)}, "the tag 0x06 was expected"),
        ({"recipient": octets(20)}, "the tag 0xa0 was expected"),
        ({"kem": algorithm(ML_KEM_768.oid, asn1.NULL)}, "mechanism ML-KEM-768 has parameters"),
        ({"kem": algorithm(ML_KEM_768.oid, octets(4))}, "mechanism ML-KEM-768 has parameters"),
        ({"kem": algorithm(ML_KEM_1024.oid)}, "the ciphertext of ML-KEM-1024 has 1088 bytes"),
        ({"kdf": algorithm(HKDF_OIDS["SHA-256"], asn1.NULL)}, "has parameters"),
        ({"wrap": algorithm(AES_256_WRAP.oid, asn1.NULL)}, "AES-256 key wrap has parameters"),
        ({"ciphertext": octets(0)}, "the ciphertext of ML-KEM-768 has 0 bytes"),
        ({"ciphertext": octets(1087)}, "the ciphertext of ML-KEM-768 has 1087 bytes"),
        ({"ciphertext": octets(1 << 20)}, "the ciphertext of ML-KEM-768 has 1048576 bytes"),
        ({"key_size": asn1.integer(16)}, "announced is not that of AES-256 key wrap"),
        ({"key_size": asn1.integer(0)}, "announced is not that of AES-256 key wrap"),
        ({"key_size": asn1.integer(-32)}, "announced is not that of AES-256 key wrap"),
        ({"key_size": asn1.integer(1 << 2000)}, "announced is not that of AES-256 key wrap"),
        ({"key_size": octets(1)}, "the tag 0x02 was expected"),
        ({"wrap": algorithm(AES_128_WRAP.oid)}, "announced is not that of AES-128 key wrap"),
        ({"encrypted_key": octets(0)}, "an encrypted key of 0 bytes is none that AES-256 key wrap makes"),
        ({"encrypted_key": octets(16)}, "an encrypted key of 16 bytes"),
        ({"encrypted_key": octets(39)}, "an encrypted key of 39 bytes"),
        ({"material": octets(8)}, "the tag 0xa0 was expected"),
        ({"material": asn1.encode(0xA0)}, "the user keying material is malformed"),
        ({"material": asn1.encode(0xA0, octets(1), octets(1))}, "the user keying material is malformed"),
        ({"material": asn1.encode(0xA0, asn1.NULL)}, "the tag 0x24 was expected"),
        ({"material": asn1.encode(0xA0, octets(1)) * 2}, "a KEMRecipientInfo is malformed"),
    ],
)
def test_what_contradicts_the_standard_is_malformed(changes: dict[str, bytes], problem: str) -> None:
    """A field that is not as its RFC has it is never guessed around."""
    with pytest.raises(MalformedError, match=problem):
        kem.decode(altered(**changes))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"kem": algorithm("1.0.18033.2.2.4")}, r"^the key encapsulation mechanism RSA-KEM \(1\.0\.18033\.2\.2\.4\)"),
        ({"kem": algorithm("2.16.840.1.101.3.4.4.1")}, "mechanism ML-KEM-512"),
        ({"kdf": algorithm("1.3.133.16.840.9.44.1.2")}, r"^the key-derivation function KDF3 \(1\.3\.133"),
        ({"wrap": algorithm("1.2.840.113549.1.9.16.3.6")}, "^the key-wrap algorithm Triple-DES key wrap"),
    ],
)
def test_what_is_not_spoken_is_named(changes: dict[str, bytes], problem: str) -> None:
    """An algorithm that is not supported is told apart from a broken message."""
    with pytest.raises(UnsupportedAlgorithmError, match=problem):
        kem.decode(altered(**changes))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"encrypted_key": octets(4104)}, "the size of an encrypted key exceeds the limit of 4,096"),
        ({"encrypted_key": octets(1 << 20)}, "the size of an encrypted key exceeds the limit of 4,096"),
        ({"material": asn1.encode(0xA0, octets(4097))}, "the size of the user keying material exceeds the limit"),
    ],
)
def test_what_is_too_large_is_refused(changes: dict[str, bytes], problem: str) -> None:
    """Sizes are bounded before anything is computed with them."""
    with pytest.raises(LimitError, match=problem):
        kem.decode(altered(**changes))


def test_the_largest_that_is_allowed_is_read() -> None:
    """The limits themselves are allowed."""
    wrapped = altered(encrypted_key=octets(4096), material=asn1.encode(0xA0, octets(4096)))
    assert len(kem.decode(wrapped).encrypted_key) == 4096


@given(st.integers(0, len(ENCODED.encoded) - 1), st.integers(1, 255))
def test_damage_is_an_error_of_ours_or_another_value(position: int, difference: int) -> None:
    """Whatever octet changes, nothing but an error of ours comes out, or fields of legal sizes."""
    damaged = bytearray(ENCODED.encoded)
    damaged[position] ^= difference
    try:
        info = kem.decode(WrappedKey(bytes(damaged), 0, 32))
    except MessageError:
        return
    assert len(info.ciphertext) == info.kem.ciphertext_size


@given(st.integers(0, len(ENCODED.encoded) - 1))
def test_what_is_cut_off_is_malformed(size: int) -> None:
    """A recipient info that ends too early is malformed wherever it ends."""
    with pytest.raises(MalformedError):
        kem.decode(WrappedKey(ENCODED.encoded[:size], 0, 32))


def test_kinds_of_other_recipients() -> None:
    """An OtherRecipientInfo of any kind says which it is."""
    other = asn1.encode(kem.TAG, asn1.object_identifier("1.2.3.4"), asn1.NULL)
    assert codec.other_recipient_info(ENCODED.encoded)[0] == KEM_RECIPIENT_OID
    assert codec.other_recipient_info(other)[0] == "1.2.3.4"
