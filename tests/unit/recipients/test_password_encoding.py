"""PasswordRecipientInfo: exact octets, those printed in RFC 3211, and what is refused."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session import algorithms
from smime_session.algorithms import AES_256_CBC, DES_EDE3_CBC, PASSWORD_CIPHERS, PRF_OIDS, ContentEncryption, HashName
from smime_session.cms import asn1, codec
from smime_session.cms.pbkdf2 import MAX_SALT_SIZE, Pbkdf2
from smime_session.cms.values import AlgorithmIdentifier, WrappedKey
from smime_session.errors import LimitError, MalformedError, MessageError, UnsupportedAlgorithmError
from smime_session.profiles import MAX_PBKDF2_ITERATIONS
from smime_session.recipients import password
from smime_session.recipients.password import PasswordRecipientInfo

GOLDEN: Final = bytes.fromhex(
    "a38197 020100"  # [3], version 0
    "a032 06092a864886f70d01050c 3025"  # PBKDF2
    "0410000102030405060708090a0b0c0d0e0f"  # salt
    "02030927c0"  # iterations
    "300c06082a864886f70d02090500"  # HMAC-SHA-256
    "302c 060b2a864886f70d0109100309"  # PWRI-KEK
    "301d 060960864801650304012a 0410101112131415161718191a1b1c1d1e1f"  # AES-256-CBC
    "0430000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
)
INFO: Final = PasswordRecipientInfo(
    Pbkdf2(bytes(range(16)), 600_000, "SHA-256"), AES_256_CBC, bytes(range(16, 32)), bytes(range(48))
)
RFC_3211: Final = bytes.fromhex(  # section 3, the second example; its outermost length is misprinted there
    "a36f 020100"
    "a01b 06092a864886f70d01050c 300e 04081234567878563412 020201f4"
    "3023 060b2a864886f70d0109100309 3014 06082a864886f70d0307 0408baf1ca7931213c4e"
    "0428 c03c514abdb9e2c5aac038572b5e24553876b377aafb82eca5a9d73f8ab143d9ec74e6cad7db260c"
)


def _parameters(*fields: bytes) -> bytes:
    """Encode PBKDF2-params of anything."""
    return asn1.encode(asn1.SEQUENCE, *fields)


SALT: Final = asn1.encode(asn1.OCTET_STRING, bytes(8))
COUNT: Final = asn1.integer(1000)
CIPHER: Final = codec.algorithm_identifier(
    AlgorithmIdentifier(AES_256_CBC.oid, asn1.encode(asn1.OCTET_STRING, bytes(16)))
)
WRAP: Final = AlgorithmIdentifier(algorithms.PWRI_KEK_OID, CIPHER)


def _info(
    derivation: bytes | None = _parameters(SALT, COUNT),
    wrap: AlgorithmIdentifier = WRAP,
    encrypted_key: bytes = bytes(48),
    derivation_oid: str = algorithms.PBKDF2_OID,
) -> WrappedKey:
    """Encode a PasswordRecipientInfo of anything."""
    key = asn1.encode(asn1.OCTET_STRING, encrypted_key)
    implicit = asn1.encode(0xA0, asn1.object_identifier(derivation_oid), derivation or b"")
    encoded = asn1.encode(password.TAG, asn1.integer(0), implicit, codec.algorithm_identifier(wrap), key)
    return WrappedKey(encoded, 0, 32)


def _prf(oid: str, parameters: bytes | None = asn1.NULL) -> bytes:
    return codec.algorithm_identifier(AlgorithmIdentifier(oid, parameters))


def test_golden_octets() -> None:
    """What is written is exactly this, in version 0."""
    wrapped = password.encode(INFO)
    assert wrapped.encoded == GOLDEN
    assert wrapped.version == 0


def test_golden_octets_are_read() -> None:
    """The same octets are read as the same values."""
    assert password.decode(WrappedKey(GOLDEN, 0, 32)) == INFO


def test_example_of_rfc_3211() -> None:
    """The example of the standard is read, and written again as it was."""
    info = password.decode(WrappedKey(RFC_3211, 0, 32))
    assert info.derivation == Pbkdf2(bytes.fromhex("1234567878563412"), 500, "SHA-1")
    assert (info.cipher, info.vector.hex(), len(info.encrypted_key)) == (DES_EDE3_CBC, "baf1ca7931213c4e", 40)
    assert password.encode(info).encoded == RFC_3211


@pytest.mark.parametrize("prf", PRF_OIDS)
@pytest.mark.parametrize("cipher", PASSWORD_CIPHERS.values(), ids=lambda cipher: cipher.name)
def test_round_trip(prf: HashName, cipher: ContentEncryption) -> None:
    """Every hash function comes back with every cipher."""
    info = INFO._replace(derivation=Pbkdf2(b"salt", 1, prf), cipher=cipher, vector=bytes(cipher.nonce_size))
    assert password.decode(password.encode(info)) == info


@given(st.integers(1, MAX_PBKDF2_ITERATIONS), st.binary(max_size=MAX_SALT_SIZE))
def test_numbers_and_salts(iterations: int, salt: bytes) -> None:
    """Every count of iterations and every salt within the limits come back."""
    info = INFO._replace(derivation=Pbkdf2(salt, iterations, "SHA-512"))
    assert password.decode(password.encode(info)) == info


@pytest.mark.parametrize("size", range(32, 273, 16))
def test_sizes_of_encrypted_key(size: int) -> None:
    """From two blocks to what the largest key fills, whole blocks are read."""
    assert len(password.decode(_info(encrypted_key=bytes(size))).encrypted_key) == size


@pytest.mark.parametrize("size", [0, 1, 15, 16, 31, 33, 47, 271, 273, 288, 1 << 20])
def test_impossible_size(size: int) -> None:
    """An encrypted key that PWRI-KEK never makes is malformed before anything is derived."""
    with pytest.raises(MalformedError, match=f"no encrypted key of {size} bytes"):
        password.decode(_info(encrypted_key=bytes(size)))


@pytest.mark.parametrize(
    ("fields", "prf"),
    [
        ((SALT, COUNT), "SHA-1"),
        ((SALT, COUNT, asn1.integer(32)), "SHA-1"),
        ((SALT, COUNT, _prf("1.2.840.113549.2.7")), "SHA-1"),
        ((SALT, COUNT, asn1.integer(32), _prf("1.2.840.113549.2.11")), "SHA-512"),
        ((SALT, COUNT, _prf("1.3.6.1.5.5.8.1.2", None)), "SHA-1"),
        ((SALT, COUNT, _prf("1.2.840.113549.2.8", None)), "SHA-224"),
    ],
    ids=["least", "size", "default-written", "both", "ipsec-name", "no-null"],
)
def test_optional_parameters(fields: tuple[bytes, ...], prf: HashName) -> None:
    """The key's size and the hash function may each be left out; SHA-1 is then meant."""
    assert password.decode(_info(_parameters(*fields))).derivation == Pbkdf2(bytes(8), 1000, prf)


def test_indefinite_lengths_are_read() -> None:
    """The BER of a streaming writer is read, the implicit tag's too."""
    derivation = b"\xa0\x80" + GOLDEN[8:58] + b"\x00\x00"
    ber = b"\xa3\x80" + GOLDEN[3:6] + derivation + GOLDEN[58:] + b"\x00\x00"
    assert password.decode(WrappedKey(ber, 0, 32)) == INFO


@pytest.mark.parametrize("count", [MAX_PBKDF2_ITERATIONS + 1, 1 << 31, 1 << 64, 1 << 2000])
def test_too_many_iterations(count: int) -> None:
    """A count that would keep the processor busy is refused before any work."""
    with pytest.raises(LimitError) as caught:
        password.decode(_info(_parameters(SALT, asn1.integer(count))))
    assert caught.value.limit == MAX_PBKDF2_ITERATIONS


@pytest.mark.parametrize("count", [0, -1, -(1 << 31)])
def test_no_iterations(count: int) -> None:
    """A count under one is malformed."""
    with pytest.raises(MalformedError, match="iterations"):
        password.decode(_info(_parameters(SALT, asn1.integer(count))))


@pytest.mark.parametrize(
    "derivation",
    [
        pytest.param(None, id="absent"),
        pytest.param(asn1.NULL, id="null"),
        pytest.param(_parameters(), id="empty"),
        pytest.param(_parameters(SALT), id="no-count"),
        pytest.param(_parameters(COUNT), id="no-salt"),
        pytest.param(_parameters(SALT, asn1.encode(asn1.INTEGER)), id="empty-count"),
        pytest.param(_parameters(asn1.encode(asn1.SEQUENCE), COUNT), id="salt-source"),
        pytest.param(_parameters(asn1.encode(asn1.OCTET_STRING, bytes(1025)), COUNT), id="endless-salt"),
        pytest.param(_parameters(SALT, COUNT, asn1.integer(16)), id="size-of-another-cipher"),
        pytest.param(_parameters(SALT, COUNT, asn1.integer(0)), id="size-zero"),
        pytest.param(_parameters(SALT, COUNT, asn1.integer(-32)), id="size-negative"),
        pytest.param(_parameters(SALT, COUNT, asn1.integer(1 << 64)), id="size-endless"),
        pytest.param(_parameters(SALT, COUNT, _prf("1.2.840.113549.2.9"), asn1.integer(32)), id="wrong-order"),
        pytest.param(_parameters(SALT, COUNT, asn1.integer(32), asn1.NULL), id="null-hash"),
        pytest.param(_parameters(SALT, COUNT, _prf("1.2.840.113549.2.9", asn1.integer(1))), id="hash-parameters"),
    ],
)
def test_broken_parameters_of_pbkdf2(derivation: bytes | None) -> None:
    """Parameters that are short, absent, oversized or out of order are malformed."""
    with pytest.raises(MalformedError):
        password.decode(_info(derivation))


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param(None, id="absent"),
        pytest.param(asn1.NULL, id="null"),
        pytest.param(codec.algorithm_identifier(AlgorithmIdentifier(AES_256_CBC.oid)), id="no-vector"),
        pytest.param(codec.algorithm_identifier(AlgorithmIdentifier(AES_256_CBC.oid, asn1.NULL)), id="null-vector"),
        *(
            pytest.param(
                codec.algorithm_identifier(
                    AlgorithmIdentifier(AES_256_CBC.oid, asn1.encode(asn1.OCTET_STRING, bytes(size)))
                ),
                id=f"vector-{size}",
            )
            for size in (0, 8, 15, 17, 1 << 16)
        ),
    ],
)
def test_broken_parameters_of_the_wrap(parameters: bytes | None) -> None:
    """A cipher that is absent, or whose vector is, or has another size, is malformed."""
    with pytest.raises(MalformedError):
        password.decode(_info(wrap=AlgorithmIdentifier(algorithms.PWRI_KEK_OID, parameters)))


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(asn1.encode(password.TAG), id="empty"),
        pytest.param(asn1.encode(password.TAG, asn1.integer(0)), id="version-alone"),
        pytest.param(GOLDEN[:-1], id="cut-off"),
        pytest.param(GOLDEN + b"\x00", id="trailing"),
        pytest.param(b"\xa2" + GOLDEN[1:], id="another-technique"),
        pytest.param(GOLDEN[:6] + b"\x30" + GOLDEN[7:], id="derivation-without-its-tag"),
        pytest.param(asn1.encode(password.TAG, GOLDEN[3:], asn1.NULL), id="something-after"),
    ],
)
def test_broken_structure(encoded: bytes) -> None:
    """What is not a PasswordRecipientInfo is malformed."""
    with pytest.raises(MalformedError):
        password.decode(WrappedKey(encoded, 0, 32))


def test_key_that_is_no_password_s() -> None:
    """Without a key derivation the key comes from elsewhere, and the error says so."""
    encoded = asn1.encode(password.TAG, GOLDEN[3:6], GOLDEN[58:])
    with pytest.raises(MalformedError, match="does not say how its key is made"):
        password.decode(WrappedKey(encoded, 0, 32))


@pytest.mark.parametrize(
    ("wrapped", "words"),
    [
        (_info(derivation_oid="1.3.6.1.4.1.11591.4.11"), "key derivation scrypt"),
        (_info(_parameters(SALT, COUNT, _prf("1.2.840.113549.2.13"))), "pseudorandom function of PBKDF2"),
        (_info(wrap=AlgorithmIdentifier("1.2.840.113549.1.9.16.3.6", asn1.NULL)), "Triple-DES key wrap"),
        (
            _info(
                wrap=AlgorithmIdentifier(
                    algorithms.PWRI_KEK_OID, codec.algorithm_identifier(AlgorithmIdentifier("1.3.14.3.2.7"))
                )
            ),
            "cipher of PWRI-KEK DES-CBC",
        ),
    ],
    ids=["derivation", "hash", "wrap", "cipher"],
)
def test_unknown_algorithm(wrapped: WrappedKey, words: str) -> None:
    """An algorithm that is not supported is named with its part."""
    with pytest.raises(UnsupportedAlgorithmError, match=words):
        password.decode(wrapped)


@given(st.integers(0, len(GOLDEN) - 1), st.integers(0, 255))
def test_any_octet_changed(at: int, octet: int) -> None:
    """Whatever one octet is changed to, reading gives values or an error of ours."""
    try:
        info = password.decode(WrappedKey(GOLDEN[:at] + bytes((octet,)) + GOLDEN[at + 1 :], 0, 32))
    except MessageError:
        return
    assert 1 <= info.derivation.iterations <= MAX_PBKDF2_ITERATIONS
    assert len(info.vector) == info.cipher.nonce_size
    assert len(info.encrypted_key) % info.cipher.block_size == 0
