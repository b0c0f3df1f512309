"""Unlocking with PBES2, whatever somebody wrote into its parameters."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from smime_session.algorithms import AES_128_CBC, PBES2_OID, PBKDF2_OID
from smime_session.cms import asn1
from smime_session.cms.pbkdf2 import Pbkdf2
from smime_session.errors import MalformedError, MessageError, UnsupportedAlgorithmError
from smime_session.keys.passwords import derive
from smime_session.keys.pbes2 import Lock, lock_from
from tests.support.locking import SALT, algorithm, lock, octet_string, sequence

VECTOR = bytes(range(16))
LOCK = Lock(Pbkdf2(SALT, 1, "SHA-256"), AES_128_CBC, VECTOR)
DERIVATION = algorithm(PBKDF2_OID, sequence(octet_string(SALT), asn1.integer(1)))
ENCRYPTION = algorithm(AES_128_CBC.oid, octet_string(VECTOR))


def sealed(padded: bytes) -> bytes:
    """Encrypt what is padded already, rightly or not."""
    with derive(bytearray(b"pw"), LOCK.derivation, 16) as key:
        encryptor = Cipher(algorithms.AES(key.material), modes.CBC(VECTOR)).encryptor()
    return encryptor.update(padded) + encryptor.finalize()


@given(st.binary(max_size=64))
def test_what_was_locked_is_unlocked(secret: bytes) -> None:
    """Of every size, an exact number of blocks among them."""
    scheme, octets = lock(secret, b"pw")
    opened = lock_from(asn1.parse(scheme)).open(octets, b"pw")
    assert opened is not None
    assert opened.material == secret


@pytest.mark.parametrize("count", [1, 2, 15, 16])
def test_every_padding_is_taken_off(count: int) -> None:
    """A padding has one to sixteen octets."""
    opened = LOCK.open(sealed(bytes(range(32 - count)) + bytes((count,)) * count), b"pw")
    assert opened is not None
    assert opened.material == bytes(range(32 - count))


@pytest.mark.parametrize(
    "padded",
    [
        bytes(16),
        b"\x11" * 32,
        b"\xff" * 32,
        bytes(14) + b"\x01\x02",
        b"\x0f" + b"\x10" * 15,
        bytes(13) + b"\x03\x04\x03",
    ],
    ids=["none", "a block and one", "more than there is", "another before", "one short", "one between"],
)
def test_what_is_no_padding_is_a_wrong_passphrase(padded: bytes) -> None:
    """All octets of a padding are looked at."""
    assert LOCK.open(sealed(padded), b"pw") is None


@pytest.mark.parametrize("size", [0, 1, 15, 17, 31])
def test_a_ciphertext_is_made_of_blocks(size: int) -> None:
    """Anything else was cut off."""
    with pytest.raises(MalformedError, match=f"makes no ciphertext of {size} octets"):
        LOCK.open(bytes(size), b"pw")


@pytest.mark.parametrize("size", [0, 8, 15, 17])
def test_a_vector_has_the_size_of_a_block(size: int) -> None:
    """An initialisation vector of another size reaches no cipher."""
    scheme = algorithm(PBES2_OID, sequence(DERIVATION, algorithm(AES_128_CBC.oid, octet_string(bytes(size)))))
    with pytest.raises(MalformedError, match=f"vector of AES-128-CBC has {size} octets"):
        lock_from(asn1.parse(scheme))


@pytest.mark.parametrize(
    "scheme",
    [
        algorithm(PBES2_OID),
        algorithm(PBES2_OID, asn1.NULL),
        algorithm(PBES2_OID, sequence(DERIVATION)),
        algorithm(PBES2_OID, sequence(DERIVATION, ENCRYPTION, ENCRYPTION)),
        algorithm(PBES2_OID, sequence(DERIVATION, algorithm(AES_128_CBC.oid))),
        algorithm(PBES2_OID, sequence(DERIVATION, algorithm(AES_128_CBC.oid, asn1.NULL))),
        algorithm(PBES2_OID, sequence(algorithm(PBKDF2_OID), ENCRYPTION)),
        asn1.NULL,
    ],
)
def test_broken_parameters_are_refused(scheme: bytes) -> None:
    """Nothing is guessed around."""
    with pytest.raises(MalformedError):
        lock_from(asn1.parse(scheme))


@pytest.mark.parametrize(
    ("scheme", "problem"),
    [
        (algorithm("1.2.840.113549.1.12.1.6"), "encryption scheme PBE with SHA-1 and RC2 of 40 bits"),
        (algorithm(PBES2_OID, sequence(DERIVATION, algorithm("1.2.840.113549.3.7"))), "cipher of PBES2 DES-EDE3-CBC"),
        (algorithm(PBES2_OID, sequence(algorithm("1.3.6.1.4.1.11591.4.11"), ENCRYPTION)), "key derivation scrypt"),
    ],
)
def test_what_is_not_spoken_is_named(scheme: bytes, problem: str) -> None:
    """Another lock is told apart from a broken one."""
    with pytest.raises(UnsupportedAlgorithmError, match=f"^the {problem} "):
        lock_from(asn1.parse(scheme))


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_damaged_lock_is_read_or_refused(position: int, difference: int) -> None:
    """No damage leads to any other error."""
    octets = bytearray(lock(b"secret", b"pw")[0])
    octets[position % len(octets)] ^= difference
    try:
        found = lock_from(asn1.parse(bytes(octets)))
    except MessageError:
        return
    assert found.cipher.key_size in (16, 24, 32)
    assert len(found.vector) == 16
