"""ML-KEM private keys: the forms of RFC 9935 that the library underneath does not load by itself."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from smime_session.algorithms import KEMS, ML_KEM_768, ML_KEM_OIDS, name_of
from smime_session.cms import codec, tlv
from smime_session.errors import CredentialError, MalformedError, MessageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM1024PrivateKey

    PrivateKey = MLKEM768PrivateKey | MLKEM1024PrivateKey

_SEED: Final = 0x80
_SEED_SIZE: Final = 64  # octets: d and z (FIPS 203, 7.1)
_HALF_SEED: Final = 32
_MATRIX_SEED: Final = 32  # octets that end a public key, after its polynomials


def load(pkcs8: bytes) -> PrivateKey | None:
    """Return the ML-KEM key of a private key file in DER; None if it is locked, broken or another kind of key.

    A key is a seed, what the seed expands to, or both (RFC 9935, 6). The seed is all that is needed;
    where both are there, they must belong together.

    Raises:
        CredentialError: it is an ML-KEM key that cannot be used.
    """
    try:
        oid, encoded = _algorithm_and_key(pkcs8)
    except MessageError:
        return None
    if oid not in ML_KEM_OIDS:
        return None
    name = name_of(oid)
    if oid not in KEMS:
        usable = " and ".join(kem.name for kem in KEMS.values())
        raise CredentialError(f"{name} keys are not supported: {usable} are")
    try:
        seed, expanded = _seed_and_expanded(tlv.parse(encoded))
    except MessageError as error:
        raise CredentialError(f"the {name} private key is broken") from error
    if seed is None:
        raise CredentialError(f"the {name} private key lacks its seed: export it again with the seed")
    if len(seed) != _SEED_SIZE:
        raise CredentialError(f"the {name} private key is broken: its seed has {len(seed)} octets")
    key = _from_seed(oid, seed)
    if expanded is not None and not _belongs(expanded, key, seed):
        raise CredentialError(f"the {name} private key is broken: its seed and its expanded key contradict each other")
    return key


def _algorithm_and_key(pkcs8: bytes) -> tuple[str, bytes]:
    """Return the algorithm and the key of a PrivateKeyInfo (RFC 5958, 2), or nothing of anything else."""
    parts = tlv.parse(pkcs8).children()
    if [part.tag for part in parts[:3]] != [tlv.INTEGER, tlv.SEQUENCE, tlv.OCTET_STRING]:
        return "", b""
    return codec.algorithm_identifier_from(parts[1]).oid, parts[2].contents


def _seed_and_expanded(key: tlv.Element) -> tuple[bytes | None, bytes | None]:
    """Return what an ML-KEM-PrivateKey holds.

    RFC 9935, 6 has, of 64 octets and of as many as the key has::

        CHOICE { seed [0] OCTET STRING, expandedKey OCTET STRING,
                 both SEQUENCE { seed OCTET STRING, expandedKey OCTET STRING } }
    """
    if key.tag == tlv.SEQUENCE:
        children = key.children()
        if len(children) != 2:  # noqa: PLR2004  # seed and expanded key
            raise MalformedError("an ML-KEM private key is malformed")
        return children[0].octets(), children[1].octets()
    if key.tag == _SEED:
        return key.contents, None
    return None, key.octets()


def _from_seed(oid: str, seed: bytes) -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM1024PrivateKey

    kind = MLKEM768PrivateKey if oid == ML_KEM_768.oid else MLKEM1024PrivateKey
    return kind.from_seed_bytes(seed)


def _belongs(expanded: bytes, key: PrivateKey, seed: bytes) -> bool:
    """Tell whether an expanded key is of this seed (RFC 9935, 8).

    It ends with the public key, that key's hash and the second half of the seed (FIPS 203, 7.1).
    What stands before, the secret polynomials, is as long as the public ones and never used here.
    """
    public = key.public_key().public_bytes_raw()
    end = public + hashlib.sha3_256(public).digest() + seed[_HALF_SEED:]
    polynomials = len(public) - _MATRIX_SEED
    return len(expanded) == polynomials + len(end) and expanded.endswith(end)
