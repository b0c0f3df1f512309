"""Signing: a mail that everybody can read, and whose author and wording everybody can check.

A clear signature (multipart/signed) travels beside the mail, which programs without S/MIME show too; relays that
re-wrap lines or re-encode parts would break it, so the mail is made safe from that first. An opaque one holds the mail
inside.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Final

from smime_session.arguments import moment, wrong_kind
from smime_session.cms.signed import detached, signed_end, signed_start
from smime_session.mail.blocks import Lookahead
from smime_session.mail.charset import CharsetFinder, charset_of
from smime_session.mail.entity import read_head, require_mail, split_head
from smime_session.mail.fields import find_body
from smime_session.mail.line_endings import CRLF, LF, Canonicaliser, LineFeeds, canonical, with_line_feeds
from smime_session.mail.objects import M, check_readable, check_writable, like, octets_of
from smime_session.mail.protection import joined
from smime_session.mail.safe import rewritten, safe_entity, survey_entity
from smime_session.mail.transfer import Base64Writer, encode_base64
from smime_session.operations.signer import Signer
from smime_session.operations.signing import OPAQUE_FIELDS, Signing
from smime_session.profiles import MAX_MAIL_HEADER_SIZE
from smime_session.streams.outlets import Outlet
from smime_session.streams.sources import LARGE, Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from smime_session.algorithms import DigestName
    from smime_session.mail.blocks import Block, NextBlock
    from smime_session.mail.charset import Charset
    from smime_session.mail.entity import MailHead

MICALG: Final[dict[DigestName, str]] = {
    "MD5": "md5",
    "SHA-1": "sha-1",
    "SHA-224": "sha-224",
    "SHA-256": "sha-256",
    "SHA-384": "sha-384",
    "SHA-512": "sha-512",
    "SHAKE256": "shake256",
}
"""What multipart/signed calls hash functions (RFC 8551, 3.5.3.2)."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What signing did.

    Attributes:
        algorithm: the name of the signature algorithm.
        opaque: whether the mail is inside the signature.
        made_safe: whether parts of the mail were encoded, so that they arrive as they were signed.
    """

    algorithm: str
    opaque: bool
    made_safe: bool


def sign(message: M, signer: Signer, *, opaque: bool = False, at: datetime | None = None) -> M:
    """Sign a mail that is in memory.

    Header fields stay as they are; those that describe the body are signed with it.

    Args:
        message: the mail; as bytes, or octets in another buffer, with line endings of either kind.
        signer: who signs.
        opaque: put the mail inside the signature: every relay lets it through unchanged, but only programs with S/MIME
            show it.
        at: the signing time that is claimed, with its time zone; now if not given.

    Returns:
        The signed mail, as the type that was given, ready to be sent.

    Raises:
        SignerError: the signer's certificate must not sign this mail.
        CredentialError: the private key does not sign so.
        NotMailError: the message does not begin with a mail header, or it is not clear where that ends.
        MessageError: a part would not arrive as it is, and cannot be encoded; or the message object cannot be written.
        TypeError: an argument is of a kind that is not accepted.
    """
    _check_signer(signer)
    mail = octets_of(message)
    begin = find_body(mail)
    if 0 < begin <= MAX_MAIL_HEADER_SIZE and len(mail) <= LARGE:
        return like(message, _signed(mail[:begin], mail[begin:], signer, opaque=opaque, at=moment(at)))
    with BytesIO() as target:
        _sign(mail, target, signer, opaque=opaque, at=at)
        return like(message, target.getvalue())


def _check_signer(signer: object) -> None:
    if not isinstance(signer, Signer):
        raise wrong_kind("a signer is what load_signer() returns, or a Signer", signer)


def _signed(raw_head: bytes, body: bytes, signer: Signer, *, opaque: bool, at: datetime) -> bytes:
    """Sign a mail that is in memory, in one straight way."""
    head = split_head(raw_head, lambda: charset_of(body), hidden=())
    require_mail(raw_head, head)
    signer.check_mail(head.fields, at)
    signing = Signing(signer, at)
    fields = joined(head.content_fields) + CRLF
    if opaque:
        content = fields + (body if head.binary else canonical(body, composite=head.composite))
        signing.update(content)
        end = signed_end(signing.finish())
        octets = b"".join((signed_start(signing.digest, len(content), len(end)), content, end))
        return b"".join((head.outer, head.eol.join(OPAQUE_FIELDS), encode_base64(octets, eol=head.eol)))
    content = safe_entity(fields + body)
    signing.update(content)
    before, after = _around(head, signing.hash)
    text = content if head.eol == CRLF else with_line_feeds(content)
    return b"".join((before, text, after(detached(signing.digest, signing.finish()))))


def sign_stream(
    source: BinaryIO, target: BinaryIO, signer: Signer, *, opaque: bool = False, at: datetime | None = None
) -> Signed:
    """Sign a mail of any size in flat memory.

    It is read several times; what comes from a pipe is kept meanwhile, in memory or in a private file.

    Args:
        source: the mail.
        target: where the signed mail goes; after an exception it has no complete one.
        signer: who signs.
        opaque: as for :func:`sign`.
        at: as for :func:`sign`.

    Raises:
        SignerError: the signer's certificate must not sign this mail.
        CredentialError: the private key does not sign so.
        NotMailError: the input is no mail, or it is not clear where its header ends.
        MessageError: a part would not arrive as it is, and cannot be encoded.
        MalformedError: the input changed while it was read.
        TypeError: an argument is of a kind that is not accepted.
    """
    check_readable(source)
    check_writable(target)
    return _sign(source, target, signer, opaque=opaque, at=at)


def _sign(source: bytes | BinaryIO, target: BinaryIO, signer: Signer, *, opaque: bool, at: datetime | None) -> Signed:
    _check_signer(signer)
    at = moment(at)
    with Replay(source) as replay:
        raw_head, body = read_head(replay.read_block)
        head = split_head(raw_head, lambda: _charset_of(Lookahead(replay.read_block, body)), hidden=())
        require_mail(raw_head, head)
        signer.check_mail(head.fields, at)
        entity = _Entity(replay, head)
        signing = Signing(signer, at)
        with Outlet(target) as out:
            made_safe = _write_opaque(out, entity, signing) if opaque else _write_clear(out, entity, signing)
            out.flush()
    return Signed(signer.how.name, opaque, made_safe)


def _charset_of(body: NextBlock) -> Charset:
    finder = CharsetFinder()
    for block in iter(body, b""):
        finder.look(block)
    return finder.name()


class _Entity:
    """What of a mail is signed: the fields that describe its body, and the body. It is read as often as needed."""

    def __init__(self, replay: Replay, head: MailHead) -> None:
        self._replay = replay
        self.head = head

    def again(self) -> NextBlock:
        """Return the blocks from the first byte, line endings as the mail has them."""
        self._replay.rewind()
        _, body = read_head(self._replay.read_block)
        start = joined(self.head.content_fields) + CRLF
        return iter(self._blocks(start, Lookahead(self._replay.read_block, body))).__next__

    @staticmethod
    def _blocks(start: bytes, body: NextBlock) -> Iterator[Block]:
        yield start
        yield from iter(body, b"")
        while True:
            yield b""

    def canonical(self) -> Iterator[Block]:
        """Yield the blocks in canonical form (RFC 8551, 3.1.1)."""
        line_endings = Canonicaliser(composite=self.head.composite)
        for number, block in enumerate(iter(self.again(), b"")):
            yield block if self.head.binary and number else line_endings.convert(block)


def _write_clear(out: Outlet, entity: _Entity, signing: Signing) -> bool:
    """Write a mail with its signature beside it; return whether it was made safe for that."""
    pieces = survey_entity(entity.again)
    blocks: Iterable[Block] = entity.canonical() if pieces is None else rewritten(entity.again(), pieces)
    before, after = _around(entity.head, signing.hash)
    out.write(before)
    line_feeds = LineFeeds() if entity.head.eol == LF else None
    for block in blocks:
        signing.update(block)
        out.write(line_feeds.convert(block) if line_feeds else block)
    if line_feeds:
        out.write(line_feeds.finish())
    out.write(after(detached(signing.digest, signing.finish())))
    return pieces is not None


def _around(head: MailHead, digest: DigestName) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Return what stands before clear-signed text, and what makes of its signature all that stands behind it."""
    boundary = b"=-" + os.urandom(16).hex().encode("ascii")

    def after(signature: bytes) -> bytes:
        between, end = (b"", b"--" + boundary, *_SIGNATURE_FIELDS), (b"", b"--" + boundary + b"--", b"")
        return b"".join((head.eol.join(between), encode_base64(signature, eol=head.eol), head.eol.join(end)))

    return head.outer + head.eol.join(_clear_fields(MICALG[digest], boundary)), after


def _clear_fields(micalg: str, boundary: bytes) -> Sequence[bytes]:
    """Return the ``Content-Type`` of a clear-signed mail and what begins its first part (RFC 8551, 3.5.3)."""
    return (
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";',
        b" micalg=" + micalg.encode("ascii") + b'; boundary="' + boundary + b'"',
        b"",
        b"--" + boundary,
        b"",
    )


_SIGNATURE_FIELDS: Final = (
    b'Content-Type: application/pkcs7-signature; name="smime.p7s"',
    b"Content-Transfer-Encoding: base64",
    b'Content-Disposition: attachment; filename="smime.p7s"',
    b"",
    b"",
)


def _write_opaque(out: Outlet, entity: _Entity, signing: Signing) -> bool:
    """Write a signature with the mail inside: read once to be hashed, and once more to be written."""
    size = 0
    for block in entity.canonical():
        signing.update(block)
        size += len(block)
    end = signed_end(signing.finish())
    out.write(entity.head.outer + entity.head.eol.join(OPAQUE_FIELDS))
    armour = Base64Writer(out, eol=entity.head.eol)
    armour.write(signed_start(signing.digest, size, len(end)))
    for block in entity.canonical():
        armour.write(block)
    armour.write(end)
    armour.finish()
    return False
