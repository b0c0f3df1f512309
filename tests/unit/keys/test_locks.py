"""Locks: what opens them, and that whatever somebody wrote into their parameters costs no more than a limit."""

from __future__ import annotations

import time
from functools import partial
from typing import Final

import pytest
from asn1crypto.algos import EncryptionAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from smime_session import load_identities
from smime_session.algorithms import (
    AES_128_CBC,
    AES_256_CBC,
    DATA,
    DES_EDE3_CBC,
    HASH_OIDS,
    PBES2_OID,
    PBKDF2_OID,
    PBMAC1_OID,
    PRF_OIDS,
    SCRYPT_OID,
)
from smime_session.cms import asn1
from smime_session.cms.pbkdf2 import Pbkdf2
from smime_session.errors import (
    CredentialError,
    LimitError,
    MalformedError,
    MessageError,
    PassphraseError,
    UnsupportedAlgorithmError,
)
from smime_session.inspection.listing import list_credentials
from smime_session.keys import locks
from smime_session.keys.locks import MAX_WORK, PKCS8, PKCS12, Budget, Lock, lock_from
from smime_session.keys.passwords import derive
from tests.support.locking import SALT, algorithm, bag, content_info, lock, octet_string, pkcs12, plain_part, sequence
from tests.support.making import der, rsa_key

VECTOR: Final = bytes(range(16))
KEY_DERIVATION: Final = Pbkdf2(SALT, 1, "SHA-256")
LOCK: Final = Lock("AES", AES_128_CBC, VECTOR, partial(derive, derivation=KEY_DERIVATION, size=16))
AES: Final = algorithm(AES_128_CBC.oid, octet_string(VECTOR))


def sealed(padded: bytes) -> bytes:
    """Encrypt what is padded already, rightly or not."""
    with LOCK.key(bytearray(b"pw")) as key:
        encryptor = Cipher(algorithms.AES(key.material), modes.CBC(VECTOR)).encryptor()
    return encryptor.update(padded) + encryptor.finalize()


def pbkdf2(iterations: int = 1, *more: bytes) -> bytes:
    """Encode PBKDF2."""
    return algorithm(PBKDF2_OID, sequence(octet_string(SALT), asn1.integer(iterations), *more))


def scrypt(n: int = 2, r: int = 1, p: int = 1) -> bytes:
    """Encode scrypt."""
    return algorithm(SCRYPT_OID, sequence(octet_string(SALT), *map(asn1.integer, (n, r, p))))


def pbes2(derivation: bytes, cipher: bytes = AES) -> bytes:
    """Encode PBES2."""
    return algorithm(PBES2_OID, sequence(derivation, cipher))


def pbes1(oid: str, iterations: int = 1) -> bytes:
    """Encode an older scheme."""
    return algorithm(oid, sequence(octet_string(bytes(8)), asn1.integer(iterations)))


def read(scheme: bytes) -> Lock:
    """Read an encoded lock as that of a private key."""
    with locks.reading():
        return lock_from(EncryptionAlgorithm.load(scheme, strict=True), PKCS8, Budget())


# --- opening


@given(st.binary(max_size=64))
def test_what_was_locked_is_unlocked(secret: bytes) -> None:
    """Of every size, an exact number of blocks among them."""
    scheme, octets = lock(secret, b"pw")
    opened = read(scheme).open(octets, b"pw")
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
    with pytest.raises(MalformedError, match=f"makes no ciphertext of {size} bytes"):
        LOCK.open(bytes(size), b"pw")


# --- reading


@pytest.mark.parametrize("size", [0, 8, 15, 17])
def test_a_vector_has_the_size_of_a_block(size: int) -> None:
    """An initialisation vector of another size reaches no cipher."""
    with pytest.raises(MalformedError, match="vector of AES-128-CBC is broken"):
        read(pbes2(pbkdf2(), algorithm(AES_128_CBC.oid, octet_string(bytes(size)))))


@pytest.mark.parametrize(
    "scheme",
    [
        algorithm(PBES2_OID),
        algorithm(PBES2_OID, asn1.NULL),
        algorithm(PBES2_OID, sequence(pbkdf2())),
        pbes2(pbkdf2(), algorithm(AES_128_CBC.oid)),
        pbes2(pbkdf2(), algorithm(AES_128_CBC.oid, asn1.NULL)),
        pbes2(pbkdf2(1, asn1.integer(32))),
        pbes2(algorithm(PBKDF2_OID)),
        pbes2(algorithm(SCRYPT_OID)),
        *(pbes2(pbkdf2(iterations)) for iterations in (0, -1)),
        *(pbes2(scrypt(*numbers)) for numbers in ((0,), (1,), (-2,), (3,), (2, 0), (2, -1), (2, 1, 0), (2, 1, -1))),
        pbes1("1.2.840.113549.1.12.1.3", 0),
        algorithm("1.2.840.113549.1.12.1.3"),
        asn1.NULL,
        b"",
    ],
)
def test_broken_parameters_are_refused(scheme: bytes) -> None:
    """Nothing is guessed around."""
    with pytest.raises(MalformedError):
        read(scheme)


@pytest.mark.parametrize(
    ("scheme", "problem"),
    [
        (pbes1("1.2.840.113549.1.5.10"), "lock PBE with SHA-1 and DES"),
        (pbes2(pbkdf2(), algorithm("1.2.410.200004.1.4", octet_string(VECTOR))), "cipher SEED-CBC"),
        (pbes2(pbkdf2(), algorithm("1.3.6.1.4.1.3029.1.2")), "cipher Blowfish-CBC"),
        (pbes2(pbkdf2(), algorithm("1.2.840.113549.3.2")), "cipher RC2-CBC"),
        (pbes2(pbkdf2(1, algorithm("1.2.840.113549.2.12", asn1.NULL))), "function of PBKDF2 HMAC-SHA-512/224"),
        (pbes2(algorithm("1.2.3.4"), AES), "key derivation"),
        (algorithm("1.2.3.4"), r"lock 1\.2\.3\.4"),
    ],
)
def test_what_is_not_supported_is_named(scheme: bytes, problem: str) -> None:
    """Another lock is told apart from a broken one."""
    with pytest.raises(UnsupportedAlgorithmError, match=f"{problem} "):
        read(scheme)


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_damaged_lock_is_read_or_refused(position: int, difference: int) -> None:
    """No damage leads to any other error."""
    octets = bytearray(lock(b"secret", b"pw")[0])
    octets[position % len(octets)] ^= difference
    try:
        found = read(bytes(octets))
    except MessageError:
        return
    assert found.cipher is not None
    assert len(found.vector) == found.cipher.nonce_size


# --- how much work

MANY: Final = st.integers(MAX_WORK + 1, 1 << 40)
CIPHERS: Final = st.sampled_from(
    [
        AES,
        algorithm(AES_256_CBC.oid, octet_string(VECTOR)),
        algorithm(DES_EDE3_CBC.oid, octet_string(VECTOR[:8])),
    ]
)
FOREIGN_CIPHERS: Final = st.sampled_from(sorted(PKCS12)).map(lambda oid: algorithm(oid, octet_string(VECTOR)))
DEMANDING: Final = st.one_of(
    st.builds(pbes1, st.sampled_from(sorted(PKCS8)), MANY),
    st.builds(lambda iterations, cipher: pbes2(pbkdf2(iterations), cipher), MANY, CIPHERS),
    st.builds(
        lambda n, r, p, cipher: pbes2(scrypt(1 << n, r, p), cipher),
        *(st.integers(24, 60), st.integers(1, 1 << 20), st.integers(1, 1 << 20), CIPHERS),  # at least two gigabytes
    ),
    st.builds(lambda p, cipher: pbes2(scrypt(1 << 10, 8, p), cipher), st.integers(1 << 10, 1 << 40), CIPHERS),
)
"""Locks whose opening takes more work or memory than any honest one."""
FOREIGN: Final = st.one_of(
    st.builds(pbes1, st.sampled_from([oid for oid in sorted(PKCS12) if oid.startswith("1.2.840.113549.1.")]), MANY),
    st.builds(lambda iterations, cipher: pbes2(pbkdf2(iterations), cipher), MANY, FOREIGN_CIPHERS),
)
"""The same with what only PKCS#12 may have."""


def refused_at_once(data: bytes, *, at_most: float = 2) -> None:
    """Check that a file is refused for its work, whatever the passphrase and before it is asked for."""
    begun = time.process_time()
    for passphrase in (None, b"pw"):
        with pytest.raises(CredentialError, match=r"cannot be unlocked: the .* exceeds the limit of [0-9,]+") as caught:
            load_identities(data, passphrase)
        assert not isinstance(caught.value, PassphraseError)
        with pytest.raises(CredentialError, match="exceeds the limit of"):
            list_credentials(data, passphrase)
    assert time.process_time() - begun < at_most  # a hundred times what it takes, and a hundredth of the work


@given(DEMANDING)
def test_a_private_key_demands_no_work_without_end(scheme: bytes) -> None:
    """Whatever locks it, with PBES1, PBKDF2 or scrypt: iterations and memory are limited."""
    refused_at_once(sequence(scheme, octet_string(bytes(64))))


@given(st.one_of(DEMANDING, FOREIGN), st.sampled_from([b"old", b"new", None]), st.booleans())
def test_pkcs12_demands_no_work_without_end(scheme: bytes, mac: bytes | None, within: bool) -> None:  # noqa: FBT001
    """Nor does a key or a part in PKCS#12, with a MAC of either kind and without."""
    if within:
        part = plain_part(bag(2, sequence(scheme, octet_string(bytes(64)))))
    else:
        content = sequence(asn1.object_identifier(DATA), scheme, asn1.encode(0x80, bytes(64)))
        part = content_info("1.2.840.113549.1.7.6", sequence(asn1.integer(0), content))
    refused_at_once(pkcs12([part], mac, b"pw"))


@given(MANY, st.sampled_from(sorted(HASH_OIDS.values())))
def test_a_mac_demands_no_work_without_end(iterations: int, digest: str) -> None:
    """The key of a MAC is made with a limited number of iterations, and that of PBMAC1."""
    hmac_with = algorithm(PRF_OIDS["SHA-256"], asn1.NULL)
    new = algorithm(PBMAC1_OID, sequence(pbkdf2(iterations, asn1.integer(32), hmac_with), hmac_with))
    for scheme, count in ((algorithm(digest), iterations), (new, 1)):
        mac_data = sequence(sequence(scheme, octet_string(bytes(32))), octet_string(SALT), asn1.integer(count))
        content = content_info(DATA, octet_string(sequence(plain_part(bag(1, der(rsa_key()))))))
        refused_at_once(sequence(asn1.integer(3), content, mac_data))


@given(st.integers(2, 50))
@settings(max_examples=20)
def test_many_locks_demand_no_more_work_together(count: int) -> None:
    """Each within the limit, all together beyond it: the sum counts, of what is locked twice too."""
    each = sequence(pbes2(pbkdf2(MAX_WORK // count + 1)), octet_string(bytes(64)))
    inner = plain_part(*(bag(2, each) for _ in range(count)))
    refused_at_once(pkcs12([inner], b"old", b"pw"))


def test_locks_within_a_lock_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is only seen once a part is open is paid from the same budget, and not begun."""
    monkeypatch.setattr(locks, "MAX_WORK", 50)
    scheme, content = lock(
        sequence(*(bag(2, sequence(pbes2(pbkdf2(30)), octet_string(bytes(64)))) for _ in "ab")), b"pw"
    )
    info = sequence(asn1.object_identifier(DATA), scheme, asn1.encode(0x80, content))
    data = pkcs12([content_info("1.2.840.113549.1.7.6", sequence(asn1.integer(0), info))], b"old", b"pw")
    with pytest.raises(CredentialError, match="the number of iterations exceeds the limit of 50"):
        load_identities(data, b"pw")


@pytest.mark.parametrize(("work", "problem"), [(0, MalformedError), (-1, MalformedError), (MAX_WORK + 1, LimitError)])
def test_a_budget_is_spent_before_the_work(work: int, problem: type[MessageError]) -> None:
    """What is left is what counts."""
    budget = Budget()
    budget.spend(MAX_WORK - 1)
    budget.spend(1)
    with pytest.raises(LimitError):
        budget.spend(1)
    with pytest.raises(problem):
        Budget().spend(work)
