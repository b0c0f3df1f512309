"""Encrypting: one message, one key.

A new session key is drawn, wrapped for every recipient, used to seal the content once, and wiped.
Either every recipient can be used or nothing is encrypted at all.
"""

from __future__ import annotations

import io
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NamedTuple

from smime_session.cms import codec
from smime_session.cms.structures import EnvelopeTrailer
from smime_session.content import seal, sealed_size
from smime_session.credentials.fitness import recipients_for
from smime_session.mail.blocks import Lookahead
from smime_session.mail.charset import CharsetFinder, charset_of, charset_of_beginning
from smime_session.mail.entity import MailHead, envelope_fields, read_head, require_mail, split_head
from smime_session.mail.line_endings import Canonicaliser, canonical
from smime_session.mail.objects import M, check_readable, check_writable, like, octets_of
from smime_session.mail.pem import PemWriter
from smime_session.mail.transfer import Base64Writer, encode_base64
from smime_session.profiles import MODERN, Profile
from smime_session.sealing import SMIME_TYPES, SealingWriter, prepare
from smime_session.session_key import SessionKey
from smime_session.sources import Outlet, Replay, is_seekable
from smime_session.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cryptography import x509

    from smime_session.mail.blocks import Block, NextBlock
    from smime_session.mail.charset import Charset
    from smime_session.recipients import Recipient

Form = Literal["mail", "der", "pem"]

_FORMS: Final[tuple[Form, ...]] = ("mail", "der", "pem")


class Sealed(Value):
    """What encrypting did.

    Attributes:
        content_encryption: the content-encryption algorithm's name.
        recipients: how many recipients the session key was wrapped for.
        encoding: ``DER``, or ``BER`` where the input's size was not known beforehand.
        removed_fields: header fields that were taken out of the mail (``Bcc``), as it spelt them.
        already_encrypted: whether the mail says that it was encrypted before, with S/MIME or PGP/MIME; it
            is encrypted twice then, and who opens it finds an encrypted mail.
    """

    content_encryption: str
    recipients: int
    encoding: Literal["DER", "BER"]
    removed_fields: tuple[str, ...]
    already_encrypted: bool = False


def encrypt(message: M, recipients: Iterable[Recipient | x509.Certificate], *, profile: Profile = MODERN) -> M:
    """Encrypt a mail that is in memory.

    ``Content-*`` fields and the body are sealed; the other fields stay readable outside, byte for
    byte, except ``Bcc``, which is removed.

    Args:
        message: the mail; as bytes, or octets in another buffer, with line endings of either kind.
        recipients: certificates, which are checked, or prepared recipients.
        profile: the algorithms, and what is asked of a certificate.

    Returns:
        The encrypted mail, as the type that was given, ready to be sent.

    Raises:
        RecipientError: a recipient cannot be used, or there is none; every one is named.
        NotMailError: the message does not begin with a mail header, or it is not clear where that ends.
        MessageError: the message object has a binary part, which only bytes can carry.
        LimitError: there are more recipients than reading accepts.
        TypeError: an argument is of a kind that is not accepted.
    """
    ready = recipients_for(recipients, profile=profile)
    raw = octets_of(message)
    raw_head, body = read_head(io.BytesIO(raw).read)
    head = _outgoing_head(raw_head, lambda: charset_of(body))
    content = b"".join((head.inner, body if head.binary else canonical(bytes(body))))
    with SessionKey.generate(profile.content.key_size) as key:
        header, parameters = prepare(key, ready, profile)
        ciphertext, tag = seal(parameters, key, content)
    trailer = EnvelopeTrailer(bytes(tag))
    end = codec.envelope_end(trailer, authenticated=profile.content.authenticated, indefinite=False)
    start = codec.envelope_start(header, len(ciphertext), len(end))
    fields = envelope_fields(SMIME_TYPES[header.content_type], head.eol)
    text = encode_base64((start, ciphertext, end), eol=head.eol)
    return like(message, b"".join((head.outer, fields, text)))


def encrypt_stream(
    source: BinaryIO,
    target: BinaryIO,
    recipients: Iterable[Recipient | x509.Certificate],
    *,
    profile: Profile = MODERN,
    form: Form = "mail",
) -> Sealed:
    """Encrypt a message of any size in flat memory.

    A large one is read and written in threads beside the work: ``source`` and ``target`` are used by one
    of them at a time, and by none any more when this returns or raises.

    Args:
        source: a mail; for the other forms, any octets, which are sealed as they are. If it can seek,
            the envelope is DER; otherwise, as from a pipe, it is indefinite-length BER.
        target: where the result goes; after an exception it has no complete message.
        recipients: certificates, which are checked, or prepared recipients.
        profile: the algorithms, and what is asked of a certificate.
        form: ``mail`` for a whole mail; ``der`` or ``pem`` for a bare CMS object.

    Raises:
        RecipientError: a recipient cannot be used, or there is none; every one is named.
        NotMailError: a mail was expected and the input is none.
        MalformedError: the input changed while it was read.
        LimitError: it is more than the algorithm can seal, or for more recipients than reading accepts.
        TypeError: an argument is of a kind that is not accepted.
    """
    if form not in _FORMS:
        raise TypeError(f"form is {' or '.join(map(repr, _FORMS))}, not {form!r}")
    check_readable(source)
    check_writable(target)
    ready = recipients_for(recipients, profile=profile)
    with ExitStack() as on_end:
        content = (_mail_content if form == "mail" else _plain_content)(source, on_end)
        out = on_end.enter_context(Outlet(target))
        key = on_end.enter_context(SessionKey.generate(profile.content.key_size))
        header, parameters = prepare(key, ready, profile)
        if form == "mail" and content.head:
            out.write(content.head.outer + envelope_fields(SMIME_TYPES[header.content_type], content.head.eol))
            armour: Base64Writer | None = Base64Writer(out, eol=content.head.eol)
        else:
            armour = PemWriter(out) if form == "pem" else None
        size = None if content.size is None else sealed_size(parameters.algorithm, content.size)
        with SealingWriter(armour or out, header, parameters, key, size) as writer:
            for block in content.blocks:
                writer.write(block)
            writer.finish()
        if armour:
            armour.finish()
        out.flush()
    return Sealed(
        content_encryption=profile.content.name,
        recipients=len(ready),
        encoding="BER" if content.size is None else "DER",
        removed_fields=content.head.removed if content.head else (),
        already_encrypted=content.head is not None and content.head.encrypted,
    )


class _Content(NamedTuple):
    """What is sealed: its blocks, its size if it is known, and the head of the mail it comes from."""

    blocks: Iterable[Block]
    size: int | None
    head: MailHead | None = None


def _plain_content(source: BinaryIO, on_end: ExitStack) -> _Content:
    size = _size_left(source)
    blocks = Lookahead(on_end.enter_context(Replay(source, replayable=False)).read_block)
    if size == 0 and blocks.peek(1):  # a file that is made as it is read
        size = None
    return _Content(iter(blocks, b""), size)


def _size_left(source: BinaryIO) -> int | None:
    """Return how many octets ``source`` says are left of it, or None if it cannot tell."""
    if not is_seekable(source):
        return None
    begin = source.tell()
    try:
        end = source.seek(0, os.SEEK_END)
    except OSError:
        return None
    source.seek(begin)
    return max(0, end - begin)


def _mail_content(source: BinaryIO, on_end: ExitStack) -> _Content:
    """Split a mail; where it can be read twice, the first time measures what line endings will add."""
    if not is_seekable(source):
        head, blocks = _split(on_end.enter_context(Replay(source, replayable=False)))
        return _Content(_canonical_blocks(head, blocks, convert=not head.binary), None, head)
    begin = source.tell()
    with Replay(source, replayable=False) as first:
        head, blocks = _split(first)
        line_endings, charset = Canonicaliser(), CharsetFinder()
        size = bare = 0
        while block := blocks():
            size += len(block)
            bare += 0 if head.binary else line_endings.count(block)
            if not head.described:
                charset.look(block)
    source.seek(begin)
    head, blocks = _split(on_end.enter_context(Replay(source, replayable=False)), lambda _: charset.name())
    return _Content(_canonical_blocks(head, blocks, convert=bare > 0), len(head.inner) + size + bare, head)


def _split(
    replay: Replay, find_charset: Callable[[Lookahead], Charset] = charset_of_beginning
) -> tuple[MailHead, NextBlock]:
    raw_head, body = read_head(replay.read_block)
    blocks = Lookahead(replay.read_block, body)
    return _outgoing_head(raw_head, lambda: find_charset(blocks)), blocks


def _outgoing_head(raw_head: bytes, find_charset: Callable[[], Charset]) -> MailHead:
    head = split_head(raw_head, find_charset)
    require_mail(raw_head, head)
    return head


def _canonical_blocks(head: MailHead, body: NextBlock, *, convert: bool) -> Iterator[Block]:
    line_endings = Canonicaliser()
    yield head.inner
    while block := body():
        yield line_endings.convert(block) if convert else block
