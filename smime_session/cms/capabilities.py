"""What a reader's program can open, announced by its owner (RFC 8551, 2.5.2; in certificates RFC 4262)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from smime_session.algorithms import (
    AES_128_CBC,
    AES_128_GCM,
    AES_192_CBC,
    AES_192_GCM,
    AES_256_CBC,
    AES_256_GCM,
    CHACHA20_POLY1305,
)
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier
from smime_session.errors import LimitError, MessageError

if TYPE_CHECKING:
    from collections.abc import Iterable

SMIME_CAPABILITIES_OID: Final = "1.2.840.113549.1.9.15"
MAX_CAPABILITIES: Final = 256  # in one list; programs write ten


def encode(capabilities: Iterable[AlgorithmIdentifier]) -> bytes:
    """Encode SMIMECapabilities, in the order of preference.

    RFC 4262, 3 has::

        SMIMECapabilities ::= SEQUENCE OF SMIMECapability
        SMIMECapability ::= SEQUENCE { capabilityID OBJECT IDENTIFIER, parameters ANY DEFINED BY capabilityID OPTIONAL }
    """
    return asn1.encode(asn1.SEQUENCE, *map(codec.algorithm_identifier, capabilities))


def decode(encoded: bytes) -> tuple[AlgorithmIdentifier, ...]:
    """Decode SMIMECapabilities; each looks like an AlgorithmIdentifier.

    Raises:
        MalformedError: they are none.
        LimitError: there are too many.
    """
    found: list[AlgorithmIdentifier] = []
    for capability in asn1.parse(encoded).expect(asn1.SEQUENCE):
        found.append(codec.algorithm_identifier_from(capability))
        if len(found) > MAX_CAPABILITIES:
            raise LimitError("the number of S/MIME capabilities", MAX_CAPABILITIES)
    return tuple(found)


@lru_cache(maxsize=512)  # the certificates of one issuer mostly announce the same
def announced(encoded: bytes) -> tuple[AlgorithmIdentifier, ...]:
    """Decode SMIMECapabilities in a certificate; what is broken announces nothing."""
    try:
        return decode(encoded)
    except MessageError:
        return ()


CONTENT: Final = tuple(
    AlgorithmIdentifier(algorithm.oid)
    for algorithm in (
        *(AES_256_GCM, AES_192_GCM, AES_128_GCM, CHACHA20_POLY1305),
        *(AES_256_CBC, AES_192_CBC, AES_128_CBC),
    )
)
"""How content may be encrypted that this package reads, the best first."""
