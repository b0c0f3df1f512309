"""PKCS#8: what stands around a private key, unlocked or locked (RFC 5958)."""

from __future__ import annotations

from smime_session.cms import asn1, codec
from smime_session.errors import MessageError


def algorithm_and_key(octets: bytes) -> tuple[str, bytes] | None:
    """Return the algorithm and the key of a PrivateKeyInfo (RFC 5958, 2), or None of anything else."""
    try:
        parts = asn1.parse(octets).children()
        if [part.tag for part in parts[:3]] != [asn1.INTEGER, asn1.SEQUENCE, asn1.OCTET_STRING]:
            return None
        return codec.algorithm_identifier_from(parts[1]).oid, parts[2].contents
    except MessageError:
        return None


def scheme_and_ciphertext(octets: bytes) -> tuple[asn1.Element, bytes] | None:
    """Return how an EncryptedPrivateKeyInfo (RFC 5958, 3) is locked, and what; None of anything else."""
    try:
        parts = asn1.parse(octets).children()
        if [part.tag for part in parts] != [asn1.SEQUENCE, asn1.OCTET_STRING]:
            return None
        return parts[0], parts[1].contents
    except MessageError:
        return None
