"""Verifying: who signed a mail, whether that is who it says it is from, and what of it they signed.

A signature proves that a key signed these bytes. Whose key it is, its certificate says; that this can be
believed, a root says that the caller trusts; and that the mail is theirs, the comparison with From. All of that must
hold, and for every signature: one that does not is never made good by another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Final, Generic

from smime_session.arguments import check_certificate, check_policy, check_several, check_trust, moment
from smime_session.mail.line_endings import with_line_feeds
from smime_session.mail.objects import M, check_readable, check_writable, like, octets_of
from smime_session.operations.signatures import Checks, Signature
from smime_session.operations.signed_layers import layers_of
from smime_session.profiles import DEFAULT
from smime_session.streams.outlets import Outlet
from smime_session.streams.sources import Replay

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from cryptography import x509

    from smime_session.certificates.trust import TrustAnchors
    from smime_session.operations.signatures import Word
    from smime_session.profiles import Policy

_TRUSTED: Final[frozenset[Word]] = frozenset({"trusted"})


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found out about the signatures of a message.

    Attributes:
        signatures: every signature, the outer ones first; at least one.
        unsigned_parts: what no signature covers, a few words each; empty where the whole mail is signed. The header
            fields of a mail are never covered, but those that describe its body.
        accepted: whether every signature has a verdict that was asked for, and nothing is unsigned.
        released: whether what was signed was written or returned: it was accepted, and is one part.
    """

    signatures: tuple[Signature, ...]
    unsigned_parts: tuple[str, ...]
    accepted: bool
    released: bool


@dataclass(frozen=True, slots=True)
class Verified(Verification, Generic[M]):
    """A message with what was found out about its signatures.

    Attributes:
        content: what was signed, and nothing else, as the type that was given; None unless it was released.
    """

    content: M | None = field(repr=False)


def verify(  # noqa: PLR0913  # most leave most of them as they are
    message: M,
    *,
    trust: TrustAnchors | None = None,
    certificates: Iterable[x509.Certificate] = (),
    at: datetime | None = None,
    policy: Policy = DEFAULT,
    accept: Collection[Word] = _TRUSTED,
) -> Verified[M]:
    """Verify the signatures of a message that is in memory.

    Args:
        message: a mail, or (as bytes, or octets in another buffer) a bare CMS object in DER, BER, PEM or base64.
        trust: the roots that are trusted; without one, nothing is.
        certificates: those of signers whose certificate is not in the message; roots need not be given again.
        at: the moment at which certificates must be valid, with its time zone; now if not given.
        policy: what is accepted; ``insecure_legacy`` accepts SHA-1 and MD5.
        accept: the verdicts with which the content is returned.

    Raises:
        NotSignedError: it is not signed, or has no signer.
        MessageError: it is broken.
        TypeError: an argument is of a kind that is not accepted.
    """
    checks = _checks(trust, certificates, at, policy)
    with BytesIO() as target:
        found = _verify(octets_of(message), target, checks, accept)
        octets = target.getvalue()
    if not isinstance(message, bytes | bytearray | memoryview):  # message objects have line feeds inside
        octets = with_line_feeds(octets, composite=True)
    content = like(message, octets) if found.released else None
    return Verified(found.signatures, found.unsigned_parts, found.accepted, found.released, content)


def verify_stream(  # noqa: PLR0913  # most leave most of them as they are
    source: BinaryIO,
    target: BinaryIO | None = None,
    *,
    trust: TrustAnchors | None = None,
    certificates: Iterable[x509.Certificate] = (),
    at: datetime | None = None,
    policy: Policy = DEFAULT,
    accept: Collection[Word] = _TRUSTED,
) -> Verification:
    """Verify the signatures of a message of any size in flat memory.

    It is read several times; what comes from a pipe is kept meanwhile, in memory or in a private file.

    Args:
        source: a mail, or a bare CMS object in DER, BER, PEM or base64.
        target: where what was signed goes, and nothing else, if it is accepted and one part.
        trust: as for :func:`verify`, like the other arguments.
        certificates: likewise.
        at: likewise.
        policy: likewise.
        accept: the verdicts with which the content is written.

    Raises:
        NotSignedError: it is not signed, or has no signer.
        MessageError: it is broken, or changed while it was read.
        TypeError: an argument is of a kind that is not accepted.
    """
    check_readable(source)
    if target is not None:
        check_writable(target)
    return _verify(source, target, _checks(trust, certificates, at, policy), accept)


def _checks(
    trust: TrustAnchors | None, certificates: Iterable[x509.Certificate], at: datetime | None, policy: Policy
) -> Checks:
    check_policy(policy)
    check_several(certificates, "certificates")
    known = tuple(certificates)
    for each in known:
        check_certificate(each)
    check_trust(trust)
    return Checks(trust, (*known, *getattr(trust, "roots", ())), moment(at), policy)


def _verify(
    source: bytes | BinaryIO, target: BinaryIO | None, checks: Checks, accept: Collection[Word]
) -> Verification:
    with Replay(source) as replay:
        layers, unsigned = layers_of(replay, checks)
        signatures = tuple(each for layer in layers for each in layer.signatures)
        accepted = not unsigned and all(each.verdict in accept for each in signatures)
        released = target is not None and accepted and len(layers) == 1
        if target is not None and released:
            with Outlet(target) as out:
                for block in layers[0].content():
                    out.write(block)
                out.flush()
    return Verification(signatures, tuple(unsigned), accepted, released)


def signatures_in(mail: bytes, checks: Checks, *, depth: int = 0) -> tuple[list[Signature], list[str]]:
    """Return the signatures of a mail that is in memory, and what they do not cover.

    Raises:
        NotSignedError: it is not signed.
        MessageError: it is broken.
    """
    with Replay(mail) as replay:
        layers, unsigned = layers_of(replay, checks, depth=depth)
        return [each for layer in layers for each in layer.signatures], unsigned
