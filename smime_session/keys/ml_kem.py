"""ML-KEM private keys: the forms of RFC 9935 that the library underneath does not load by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM1024PrivateKey

from smime_session.algorithms import KEMS, ML_KEM_768, name_of
from smime_session.cms import asn1
from smime_session.errors import CredentialError, MalformedError, MessageError
from smime_session.keys.private_key import UnusableKeyError
from smime_session.memory import erase

if TYPE_CHECKING:
    PrivateKey = MLKEM768PrivateKey | MLKEM1024PrivateKey

_SEED: Final = 0x80
_SEED_SIZE: Final = 64  # octets: d and z (FIPS 203, 7.1)
_HALF_SEED: Final = 32
_MATRIX_SEED: Final = 32  # octets that end a public key, after its polynomials


def key_from(oid: str, encoded: bytes) -> PrivateKey:
    """Return the key of an ML-KEM-PrivateKey, whose encoding is overwritten.

    A key is a seed, what the seed expands to, or both (RFC 9935, 6). The seed is all that is needed;
    where both are there, they must belong together.

    Raises:
        UnusableKeyError: it is an ML-KEM key that is not supported, or lacks its seed.
        CredentialError: it is broken.
    """
    name = name_of(oid) or oid
    try:
        if oid not in KEMS:
            usable = " and ".join(kem.name for kem in KEMS.values())
            words = f"{name} keys are not supported: {usable} are"
            raise UnusableKeyError(words, name=name, use="is not supported")
        return _load(oid, encoded, name)
    except MessageError as error:
        raise CredentialError(f"the {name} private key is broken") from error
    finally:
        erase(encoded)


def _load(oid: str, encoded: bytes, name: str) -> PrivateKey:
    """Make a key of an ML-KEM-PrivateKey; what is taken out of it on the way is overwritten.

    Raises:
        MessageError: it is malformed.
        CredentialError: it cannot be used.
    """
    seed, expanded = _seed_and_expanded(asn1.parse(encoded))
    try:
        if seed is None:
            words = f"the {name} private key lacks its seed: export it again with the seed"
            raise UnusableKeyError(words, name=name, use="not usable: lacks its seed")
        if len(seed) != _SEED_SIZE:
            raise CredentialError(f"the {name} private key is broken: its seed has {len(seed)} bytes")
        key = _from_seed(oid, seed)
        if expanded is not None and not _belongs(expanded, key, seed):
            what = "its seed and its expanded key contradict each other"
            raise CredentialError(f"the {name} private key is broken: {what}")
        return key
    finally:
        erase(seed or b"")
        erase(expanded or b"")


def _seed_and_expanded(key: asn1.Element) -> tuple[bytes | None, bytes | None]:
    """Return what an ML-KEM-PrivateKey holds.

    RFC 9935, 6 has, of 64 octets and of as many as the key has::

        CHOICE { seed [0] OCTET STRING, expandedKey OCTET STRING,
                 both SEQUENCE { seed OCTET STRING, expandedKey OCTET STRING } }
    """
    if key.tag == asn1.SEQUENCE:
        children = key.children()
        if len(children) != 2:  # noqa: PLR2004  # seed and expanded key
            raise MalformedError("an ML-KEM private key is malformed")
        return children[0].octets(), children[1].octets()
    if key.tag == _SEED:
        return key.contents, None
    return None, key.octets()


def _from_seed(oid: str, seed: bytes) -> PrivateKey:
    kind = MLKEM768PrivateKey if oid == ML_KEM_768.oid else MLKEM1024PrivateKey
    return kind.from_seed_bytes(seed)


def _belongs(expanded: bytes, key: PrivateKey, seed: bytes) -> bool:
    """Tell whether an expanded key is of this seed (RFC 9935, 8).

    It ends with the public key, that key's hash and the second half of the seed (FIPS 203, 7.1).
    What stands before, the secret polynomials, is as long as the public ones and never used here.
    """
    public = key.public_key().public_bytes_raw()
    digest = hashes.Hash(hashes.SHA3_256())  # hashlib would load a second OpenSSL
    digest.update(public)
    end = b"".join((public, digest.finalize(), memoryview(seed)[_HALF_SEED:]))
    polynomials = len(public) - _MATRIX_SEED
    try:
        return len(expanded) == polynomials + len(end) and expanded.endswith(end)
    finally:
        erase(end)
