"""Encrypting: one message, one key.

A new session key is drawn, wrapped for every recipient, used to seal the content once, and wiped.
Either every recipient can be used or nothing is encrypted at all.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

from smime_session.arguments import wrong_kind
from smime_session.cms import codec
from smime_session.cms.values import EnvelopeTrailer
from smime_session.content import seal, sealed_size
from smime_session.mail.charset import charset_of
from smime_session.mail.compression import compressed_entity
from smime_session.mail.entity import envelope_fields
from smime_session.mail.fields import find_body
from smime_session.mail.header_policy import DEFAULT_HEADERS, check_headers
from smime_session.mail.line_endings import canonical
from smime_session.mail.objects import M, check_readable, check_writable, like, octets_of
from smime_session.mail.payload import payload_of
from smime_session.mail.pem import PemWriter
from smime_session.mail.transfer import Base64Writer, encode_base64
from smime_session.operations.outgoing import (
    MeasureFirstError,
    Treatment,
    canonical_content,
    mail_content,
    outgoing_head,
    plain_content,
)
from smime_session.operations.sealing import SMIME_TYPES, SealingWriter, choose, envelope_header, locked_out
from smime_session.profiles import AUTO, MAX_MAIL_HEADER_SIZE, MODERN, Profile
from smime_session.recipients.from_certificates import recipients_for
from smime_session.session_key import SessionKey
from smime_session.streams.outlets import Outlet, Whole
from smime_session.streams.sources import LARGE, is_seekable, private_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cryptography import x509

    from smime_session.certificates.trust import TrustAnchors
    from smime_session.mail.header_policy import HeaderPolicy
    from smime_session.operations.outgoing import Content
    from smime_session.operations.sealing import Choice
    from smime_session.operations.signer import Signer
    from smime_session.recipients.registry import Recipient

Form = Literal["mail", "der", "pem"]

_FORMS: Final[tuple[Form, ...]] = ("mail", "der", "pem")


@dataclass(frozen=True, slots=True)
class Sealed:
    """What encrypting did.

    Attributes:
        content_encryption: the content-encryption algorithm's name.
        recipients: how many recipients the session key was wrapped for.
        encoding: ``DER``, or ``BER`` where the input's size was not known beforehand.
        removed_fields: header fields that were taken out of the mail (``Bcc``, ``Lines``), as it spelt them.
        already_encrypted: whether the mail was encrypted before, with S/MIME or PGP/MIME; it is encrypted twice
            then, and most programs that open it show an encrypted mail.
        choice: how the content is encrypted, with the ``reason``.
        locked_out: the mail programs that show the message to none of its recipients because one of them is of a kind
            that these programs do not know (``Thunderbird``), and would show it to the others without.
    """

    content_encryption: str
    recipients: int
    encoding: Literal["DER", "BER"]
    removed_fields: tuple[str, ...]
    already_encrypted: bool
    choice: Choice = field(repr=False)
    locked_out: tuple[str, ...] = ()

    @property
    def authenticated(self) -> bool:
        """Whether the content is authenticated; what is not (CBC) can be altered on the way."""
        return self.choice.content.authenticated

    @property
    def reason(self) -> str:
        """Why the content is encrypted as it is: a clause that names a few recipients at most."""
        return self.choice.reason


def encrypt(  # noqa: PLR0913  # most leave most of them as they are
    message: M,
    recipients: Recipient | x509.Certificate | Iterable[Recipient | x509.Certificate],
    *,
    profile: Profile = AUTO,
    headers: HeaderPolicy = DEFAULT_HEADERS,
    again: bool = False,
    compress: bool = False,
    strip_dkim: bool = False,
    trust: TrustAnchors | None = None,
    signer: Signer | None = None,
    triple: bool = False,
) -> M:
    """Encrypt a mail that is in memory.

    The body and all header fields are sealed; the fields that do not describe the body stay outside as well, byte for
    byte, unless ``headers`` hides some. ``Bcc``, ``Resent-Bcc`` and ``Lines`` are removed.

    Args:
        message: the mail; as bytes, or octets in another buffer, with line endings of either kind.
        recipients: certificates, which are checked, or prepared recipients; or one of them.
        profile: the algorithms, and what is asked of a certificate.
        headers: which header fields are readable outside, as a policy of RFC 9788; ``none`` seals none.
        again: whether to encrypt once more what is encrypted already, with S/MIME or PGP/MIME.
        compress: whether to compress what is sealed (RFC 3274). Few programs open it, and the size outside tells
            more of what is inside: who can put text into the mail can guess at what else it holds.
        strip_dkim: whether to remove ``DKIM-Signature``, which signs a body that is another one afterwards.
        trust: checks the chain of each certificate, without which nothing is encrypted; a recipient that is prepared
            already was checked, or not, when it was. Without it, no chain is checked.
        signer: who signs the mail inside the envelope; None if it is not signed.
        triple: whether the signer signs the encrypted mail once more (RFC 2634, 1.1), so that it can be told who sent
            it without opening it.

    Returns:
        The encrypted mail, as the type that was given, ready to be sent.

    Raises:
        RecipientError: a recipient cannot be used, or there is none; every one is named.
        SignerError: the signer's certificate must not sign this mail.
        NotMailError: the message does not begin with a mail header, or it is not clear where that ends.
        AlreadyEncryptedError: the mail is encrypted already, and ``again`` is not set.
        MessageError: the message object cannot be written unchanged, but bytes can; or fields are to be hidden of a
            mail that is signed or encrypted already.
        LimitError: there are more recipients than reading accepts.
        TypeError: an argument is of a kind that is not accepted.
    """
    check_headers(headers)
    _check_signer(signer, triple=triple)
    treatment = Treatment(headers, again=again, compress=compress, strip_dkim=strip_dkim, signer=signer)
    ready = recipients_for(recipients, profile=profile, trust=trust)
    encrypted = _encrypt_whole(octets_of(message), ready, profile, treatment)
    if signer is not None and triple:
        with BytesIO(encrypted) as source, BytesIO() as target:
            _sign_outside(source, target, signer)
            encrypted = target.getvalue()
    return like(message, encrypted)


def _check_signer(signer: Signer | None, *, triple: bool) -> None:
    """Check who signs.

    Raises:
        TypeError: it is something else, or missing.
    """
    if signer is not None and not hasattr(signer, "check_mail"):
        raise wrong_kind("a signer is what load_signer() returns, or a Signer", signer)
    if triple and signer is None:
        raise TypeError("triple needs a signer, who signs inside and outside")


def _encrypt_whole(mail: bytes, ready: Sequence[Recipient], profile: Profile, treatment: Treatment) -> bytes:
    """Encrypt a mail that is in memory."""
    begin = find_body(mail)
    if not 0 < begin <= MAX_MAIL_HEADER_SIZE or len(mail) > LARGE:
        return _encrypt_unusual(mail, ready, profile, treatment)
    raw_head, body = mail[:begin], mail[begin:]
    head = outgoing_head(raw_head, treatment, lambda size: body[:size], lambda: charset_of(body))
    payload = payload_of(head, treatment.headers)
    inside = body if head.binary else canonical(body, composite=head.composite)
    content = b"".join(payload.blocks((inside,)))
    if treatment.signer is not None:
        from smime_session.operations.signing import signed_entity  # most mails are not signed: 25 ms

        content = signed_entity(content, treatment.signer)
    if treatment.compress:
        content = compressed_entity(content)
    algorithm = choose(profile, ready).content
    with SessionKey.generate(algorithm.key_size) as key:
        header, parameters = envelope_header(key, ready, profile, algorithm)
        ciphertext, tag = seal(parameters, key, content)
    envelope = codec.envelope(header, ciphertext, EnvelopeTrailer(tag))
    fields = envelope_fields(SMIME_TYPES[header.content_type], head.eol)
    return b"".join((payload.outer, fields, encode_base64(envelope, eol=head.eol)))


def _encrypt_unusual(mail: bytes, ready: Sequence[Recipient], profile: Profile, treatment: Treatment) -> bytes:
    """Encrypt a mail that is in memory and large, or has a head without an end, or with one that is far away."""
    with BytesIO() as target:
        encrypt_stream(BytesIO(mail), target, ready, profile=profile, transactional=True, **treatment._asdict())
        return target.getvalue()


def encrypt_stream(  # noqa: PLR0913  # most leave most of them as they are
    source: BinaryIO,
    target: BinaryIO,
    recipients: Recipient | x509.Certificate | Iterable[Recipient | x509.Certificate],
    *,
    profile: Profile | None = None,
    headers: HeaderPolicy = DEFAULT_HEADERS,
    form: Form = "mail",
    transactional: bool = False,
    again: bool = False,
    compress: bool = False,
    strip_dkim: bool = False,
    trust: TrustAnchors | None = None,
    signer: Signer | None = None,
    triple: bool = False,
) -> Sealed:
    """Encrypt a message of any size in flat memory.

    A large one is read and written in threads beside the work: ``source`` and ``target`` are used by one
    of them at a time, and by none any more when this returns or raises.

    Args:
        source: a mail; for the other forms, any octets, which are sealed as they are. If it can seek,
            the envelope is DER; otherwise, as from a pipe, it is indefinite-length BER.
        target: where the result goes; after an exception it has no complete message.
        recipients: certificates, which are checked, or prepared recipients; or one of them.
        profile: the algorithms, and what is asked of a certificate; None is
            :data:`~smime_session.profiles.AUTO` for a mail and :data:`~smime_session.profiles.MODERN` for the other
            forms, which are for programs.
        headers: which header fields of a mail are readable outside, as a policy of RFC 9788; ``none`` seals none.
        form: ``mail`` for a whole mail; ``der`` or ``pem`` for a bare CMS object.
        transactional: the caller's promise that ``target`` can seek and truncate, and that what was
            written to it is thrown away if an exception is raised. A mail whose lines all end with CRLF is
            then read once instead of twice.
        again: of a mail, as for :func:`encrypt`.
        compress: of a mail, as for :func:`encrypt`; its envelope is BER then, because its size is not known beforehand.
        strip_dkim: of a mail, as for :func:`encrypt`.
        trust: as for :func:`encrypt`.
        signer: of a mail, as for :func:`encrypt`; its envelope is BER then, as with ``compress``.
        triple: as for :func:`encrypt`; what is encrypted is kept in a private file until it is signed.

    Raises:
        RecipientError: a recipient cannot be used, or there is none; every one is named.
        SignerError: the signer's certificate must not sign this mail.
        NotMailError: a mail was expected and the input is none.
        AlreadyEncryptedError: the mail is encrypted already, and ``again`` is not set.
        MessageError: fields are to be hidden of a mail that is signed or encrypted already.
        MalformedError: the input changed while it was read.
        LimitError: it is more than the algorithm can seal, or for more recipients than reading accepts.
        TypeError: an argument is of a kind that is not accepted.
    """
    if form not in _FORMS:
        raise TypeError(f"form is {' or '.join(map(repr, _FORMS))}, not {form!r}")
    check_headers(headers)
    if compress and form != "mail":
        raise TypeError("compress is for a mail: readers expect a compressed MIME entity inside the envelope")
    if signer is not None and form != "mail":
        raise TypeError("a signer is for a mail: readers expect a signed MIME entity inside the envelope")
    _check_signer(signer, triple=triple)
    check_readable(source)
    check_writable(target)
    if profile is None:
        profile = AUTO if form == "mail" else MODERN
    ready = recipients_for(recipients, profile=profile, trust=trust)
    if form != "mail":
        return _encrypt(plain_content, source, target, ready, profile, form)
    treatment = Treatment(headers, again=again, compress=compress, strip_dkim=strip_dkim, signer=signer)
    if signer is None or not triple:
        return _encrypt_mail(source, target, ready, profile, treatment, transactional=transactional)
    with private_file()[0] as encrypted:  # which may lie on a disk: it is
        sealed = _encrypt_mail(source, encrypted, ready, profile, treatment, transactional=True)
        encrypted.seek(0)
        _sign_outside(encrypted, target, signer)
    return sealed


def _sign_outside(encrypted: BinaryIO, target: BinaryIO, signer: Signer) -> None:
    from smime_session.operations.sign import sign_stream  # most mails are not signed: 30 ms

    sign_stream(encrypted, target, signer)


def _encrypt_mail(  # noqa: PLR0913  # what encrypting takes
    source: BinaryIO,
    target: BinaryIO,
    ready: Sequence[Recipient],
    profile: Profile,
    treatment: Treatment,
    *,
    transactional: bool,
) -> Sealed:
    canonical_mail, mail = (partial(each, treatment=treatment) for each in (canonical_content, mail_content))
    if transactional and is_seekable(source):
        begin, start = source.tell(), target.tell()
        with suppress(MeasureFirstError):
            return _encrypt(canonical_mail, source, target, ready, profile, "mail")
        source.seek(begin)
        target.seek(start)
        target.truncate()
    return _encrypt(mail, source, target, ready, profile, "mail")


def _encrypt(  # noqa: PLR0913, PLR0917  # what encrypting takes
    find_content: Callable[[BinaryIO, ExitStack], Content],
    source: BinaryIO,
    target: BinaryIO,
    ready: Sequence[Recipient],
    profile: Profile,
    form: Form,
) -> Sealed:
    """Encrypt what ``find_content`` finds in the source, with a new session key."""
    with ExitStack() as on_end:
        content = find_content(source, on_end)
        choice = choose(profile, ready)
        key = on_end.enter_context(SessionKey.generate(choice.content.key_size))
        header, parameters = envelope_header(key, ready, profile, choice.content)
        whole = Whole(target)
        if content.head and content.payload:
            whole.write(content.payload.outer + envelope_fields(SMIME_TYPES[header.content_type], content.head.eol))
            armour: Base64Writer | None = Base64Writer(whole, eol=content.head.eol)
        else:
            armour = PemWriter(whole) if form == "pem" else None
        out = on_end.enter_context(Outlet(target, armour))
        size = None if content.size is None else sealed_size(parameters.algorithm, content.size)
        with SealingWriter(out, header, parameters, key, size) as writer:
            for block in content.blocks:
                writer.write(block)
            writer.finish()
        out.flush()
        if armour:
            armour.finish()
    return Sealed(
        content_encryption=choice.content.name,
        recipients=len(ready),
        encoding="BER" if content.size is None else "DER",
        removed_fields=content.head.removed if content.head else (),
        already_encrypted=content.head is not None and bool(content.head.scheme),
        choice=choice,
        locked_out=locked_out(header),
    )
