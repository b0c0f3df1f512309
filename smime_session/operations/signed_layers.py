"""The signed layers of a message: each signed part is found, read and judged, and so is what is signed inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smime_session.arguments import moment
from smime_session.certificates.signatures import new_digest
from smime_session.cms.signature_algorithm import digest_from
from smime_session.cms.signed import SignedReader
from smime_session.errors import LimitError, MessageError, NotEnvelopeError, NotSignedError, UnsupportedAlgorithmError
from smime_session.mail.blocks import Cursor, Lookahead
from smime_session.mail.detection import BEFORE, open_message
from smime_session.mail.entity import is_composite
from smime_session.mail.fields import begins_like_mail, find_body, parse_fields_leniently
from smime_session.mail.line_endings import Canonicaliser
from smime_session.mail.parts import find_parts
from smime_session.mail.signed_parts import is_signed, signed_parts
from smime_session.mail.transfer import Base64Decoder, QuotedPrintableDecoder
from smime_session.operations.signatures import Checks, Covered, judged, no_signature
from smime_session.streams.sources import LARGE, Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cryptography.hazmat.primitives import hashes

    from smime_session.algorithms import DigestName
    from smime_session.certificates.trust import TrustAnchors
    from smime_session.cms.signed import SignedTrailer
    from smime_session.cms.values import AlgorithmIdentifier
    from smime_session.mail.blocks import Block, NextBlock
    from smime_session.mail.detection import Incoming
    from smime_session.mail.fields import Field
    from smime_session.mail.parts import Part
    from smime_session.mail.signed_parts import SignedPart
    from smime_session.operations.signatures import Signature
    from smime_session.profiles import Policy

MAX_LAYERS: Final = 4  # signatures around signatures; a signed mail that a list signs again has two
MAX_SIGNED_PARTS: Final = 32  # of one mail; a digest of signed mails has a dozen
MAX_SIGNATURE_SIZE: Final = 24 << 20  # bytes of the part with a detached signature, as base64 has them
_SHOWN: Final = 64 << 10  # octets of content that are looked at


class Layer:
    """One signed part: its signatures, and what they cover, which can be read again.

    Args:
        content: yields what is signed.
        signatures: the signatures, those of layers inside included.
        unsigned: what stands around it, where it is a whole message.
    """

    def __init__(
        self, content: Callable[[], Iterator[Block]], signatures: Sequence[Signature], unsigned: Sequence[str] = ()
    ) -> None:
        self.content = content
        self.signatures = signatures
        self.unsigned = unsigned


class Judge:
    """Judges single signatures in a mail that holds other things too.

    Args:
        trust: the roots that are trusted; None if there are none.
        policy: what is accepted.
    """

    def __init__(self, trust: TrustAnchors | None, policy: Policy) -> None:
        self._checks = Checks(trust, getattr(trust, "roots", ()), moment(None), policy)

    def clear(self, mail: bytes, signed: SignedPart, number: str) -> list[Signature]:
        """Judge the signatures beside a part of a mail, and nothing inside it; none if it has none.

        Args:
            mail: the mail.
            signed: the part.
            number: what the part is called.
        """
        with Replay(mail) as replay:
            reader = _Inner(self._checks, deep=False)
            return _judged_or_broken(lambda: reader.clear(replay, signed, number, signed.fields), number, opaque=False)

    def object(self, octets: bytes, number: str, fields: Sequence[Field] | None) -> list[Signature]:
        """Judge the signatures of a CMS object with its content inside, likewise."""
        with Replay(octets) as replay:
            reader = _Inner(self._checks, deep=False)
            return _judged_or_broken(
                lambda: reader.read(lambda: replay.read_block, replay, number, fields), number, opaque=True
            )


def _judged_or_broken(read: Callable[[], Layer], number: str, *, opaque: bool) -> list[Signature]:
    try:
        return list(read().signatures)
    except NotSignedError:
        return []
    except MessageError as error:
        nothing = Covered(number, opaque=opaque, content_type="", hashes={}, start=b"", fields=None)
        return [no_signature(nothing, f"cannot be checked: {error}")]


def layers_of(
    replay: Replay, checks: Checks, *, depth: int = 0, fields: Sequence[Field] | None = None, prefix: str = ""
) -> tuple[list[Layer], list[str]]:
    """Return the signed parts of a message, and what is not signed.

    Args:
        replay: the message at its beginning.
        checks: what signatures are held against.
        depth: how many signatures it is in.
        fields: the head of the mail that it is in; None if it is one itself.
        prefix: what the numbers of parts begin with.

    Raises:
        NotSignedError: nothing is signed.
    """
    if depth >= MAX_LAYERS:
        raise LimitError("the number of signatures around each other", MAX_LAYERS)
    start = Lookahead(replay.read_block)
    inner = _Inner(checks, depth, fields, prefix)
    if not begins_like_mail(start.peek(_SHOWN)):
        SignedReader(_opened(start).next_block)  # what is none is refused before all of it is read
        return [inner.bare(replay)], []
    parts = find_parts(start)
    signed, unsigned = signed_parts(parts)
    if len(parts) == 1 and parts[0].content_type != "multipart/signed":  # whatever its head says: gateways change that
        layer = inner.whole(replay, parts[0])
        return [layer], list(layer.unsigned)
    if len(signed) > MAX_SIGNED_PARTS:
        raise LimitError("the number of signed parts of the mail", MAX_SIGNED_PARTS)
    layers: list[Layer] = []
    for each in signed:
        try:
            layers.append(inner.layer(replay, each))
        except NotSignedError:
            if _smime_type_of(each.part) == "signed-data" or each.part.content_type == "multipart/signed":
                raise
            unsigned.append(f"part {each.part.number} ({each.part.content_type})")
    if not layers:
        raise NotSignedError(f"a mail without a signature ({parts[0].content_type})")
    return layers, unsigned


def _smime_type_of(part: Part) -> str:
    return part.parameters.get("smime-type", "").lower()


class _Inner:
    """Reads signed parts.

    Args:
        checks: what signatures are held against.
        depth: how many signatures they are in.
        fields: the head of the mail that they are in; None to take each part's own.
        prefix: what their numbers begin with.
        deep: whether what is signed is looked into, which may be signed itself.
    """

    def __init__(
        self,
        checks: Checks,
        depth: int = 0,
        fields: Sequence[Field] | None = None,
        prefix: str = "",
        *,
        deep: bool = True,
    ) -> None:
        self._deep = deep
        self._checks = checks
        self._depth = depth
        self._fields = fields
        self._prefix = prefix

    def layer(self, replay: Replay, signed: SignedPart) -> Layer:
        """Read a signed part of a mail."""
        fields = self._fields or signed.fields
        if signed.part.content_type == "multipart/signed":
            return self.clear(replay, signed, self._prefix + signed.part.number, fields)
        return self.read(lambda: _decoded(replay, signed.part), replay, self._prefix + signed.part.number, fields)

    def bare(self, replay: Replay) -> Layer:
        """Read a CMS object that no mail is around."""
        return self.read(lambda: _opened(replay.read_block).next_block, replay, f"{self._prefix}0", self._fields)

    def whole(self, replay: Replay, part: Part) -> Layer:
        """Read a mail whose body is a CMS object, in whatever form."""
        last: list[Incoming] = []

        def again() -> NextBlock:
            last[:] = [_opened(replay.read_block)]
            return last[0].next_block

        layer = self.read(again, replay, self._prefix + part.number, self._fields or part.fields)
        text = part.content_type.startswith("text/")  # which others show as it is
        around = ["what stands around the CMS object"] if text or BEFORE in last[0].repairs.notes else []
        return Layer(layer.content, layer.signatures, around)

    def read(
        self, again: Callable[[], NextBlock], replay: Replay, number: str, fields: Sequence[Field] | None
    ) -> Layer:
        """Read an object with its content inside; ``again`` returns its octets from the first."""
        replay.rewind()
        reader = SignedReader(again())
        hashed = _Hashed(reader.digests)
        kept = _Kept()
        for block in reader.content():
            hashed.update(block)
            kept.keep(block)
        trailer = reader.trailer()

        def content() -> Iterator[Block]:
            replay.rewind()
            yield from SignedReader(again()).content()

        covered = Covered(
            part=number,
            opaque=True,
            content_type=reader.content_type,
            hashes=hashed.finish(),
            start=kept.start,
            fields=fields,
        )
        if not reader.attached:
            if not trailer.signers:
                raise NotSignedError("a CMS object with certificates and no signature")
            return Layer(content, [no_signature(covered, "stands alone: what it is one of is elsewhere")])
        return Layer(content, [*self._judged(trailer, covered), *self._inside(kept, covered)])

    def clear(self, replay: Replay, signed: SignedPart, number: str, fields: Sequence[Field] | None) -> Layer:
        """Read a part with its signature beside it."""
        content, signature = signed.content, signed.signature
        covered = Covered(number, opaque=False, content_type="", hashes={}, start=b"", fields=fields)
        if content is None or signature is None:
            return Layer(lambda: iter(()), [no_signature(covered, signed.problem)])
        if signature.end - signature.body > MAX_SIGNATURE_SIZE:
            raise LimitError("the size of the signature", MAX_SIGNATURE_SIZE, "bytes")
        reader = SignedReader(_decoded(replay, signature))
        if reader.attached:  # programs that take it for what was signed show another text than it covers
            return Layer(lambda: iter(()), [no_signature(covered, "has a content of its own inside")])
        trailer = reader.trailer()
        hashed = _Hashed([each.digest for each in trailer.signers])
        kept = _Kept()

        def canonical() -> Iterator[Block]:
            return _canonical(replay, content)

        for block in canonical():
            hashed.update(block)
            kept.keep(block)
        covered = covered._replace(content_type=reader.content_type, hashes=hashed.finish(), start=kept.start)
        return Layer(canonical, [*self._judged(trailer, covered), *self._inside(kept, covered)])

    def _judged(self, trailer: SignedTrailer, covered: Covered) -> list[Signature]:
        """Judge the signatures of an object.

        Raises:
            NotSignedError: it has none.
        """
        if not trailer.signers:
            raise NotSignedError("a CMS object without any signature")
        return judged(trailer, covered, self._checks)

    def _inside(self, kept: _Kept, covered: Covered) -> list[Signature]:
        """Judge the signatures inside what is signed, if that is signed itself.

        Raises:
            LimitError: they are too many, one inside the other, or it is too large.
        """
        begin = find_body(kept.start)
        if not self._deep or not begin or not is_signed(parse_fields_leniently(kept.start[:begin])):
            return []
        if not kept.complete:
            raise LimitError("the size of what is signed more than once", LARGE, "bytes")
        with Replay(kept.octets) as replay:
            try:
                layers, _ = layers_of(
                    replay,
                    self._checks,
                    depth=self._depth + 1,
                    fields=covered.fields,
                    prefix=f"{covered.part}/",
                )
            except NotSignedError:  # it is another CMS object: encrypted, perhaps
                return []
        return [each for layer in layers for each in layer.signatures]


class _Kept:
    """Keeps content as long as it is not large: it may be signed itself."""

    def __init__(self) -> None:
        self._octets = bytearray()
        self.complete = True

    def keep(self, block: Block) -> None:
        """Keep the next ``block``."""
        if self.complete and len(self._octets) + len(block) <= LARGE:
            self._octets += block
        elif self.complete:
            self.complete = False
            del self._octets[_SHOWN:]

    @property
    def start(self) -> bytes:
        """The beginning."""
        return bytes(self._octets[:_SHOWN])

    @property
    def octets(self) -> bytes:
        """All of it, if it is complete."""
        return bytes(self._octets)


class _Hashed:
    """Hashes content with each function that its signatures use, as far as they are supported."""

    def __init__(self, identifiers: Iterable[AlgorithmIdentifier]) -> None:
        self._digests: dict[DigestName, hashes.Hash] = {}
        for identifier in identifiers:
            try:
                name = digest_from(identifier)
            except UnsupportedAlgorithmError:  # told where it is used
                continue
            if name not in self._digests:
                self._digests[name] = new_digest(name)

    def update(self, block: Block) -> None:
        """Hash the next ``block``."""
        for digest in self._digests.values():
            digest.update(block)

    def finish(self) -> dict[DigestName, bytes]:
        """Return the hashes."""
        return {name: digest.finalize() for name, digest in self._digests.items()}


def _opened(next_block: NextBlock) -> Incoming:
    """Return the CMS object that a message is.

    Raises:
        NotSignedError: it is something else.
    """
    try:
        return open_message(next_block)
    except NotEnvelopeError as error:
        raise NotSignedError(error.found.replace("that is not encrypted", "without a signature")) from error


def _range(replay: Replay, begin: int, end: int) -> Iterator[Block]:
    replay.rewind()
    cursor = Cursor(replay.read_block)
    cursor.skip(begin)
    yield from cursor.take(end - begin)


def _decoded(replay: Replay, part: Part) -> NextBlock:
    """Return the blocks of the CMS object that a part is."""
    blocks = _range(replay, part.body, part.end)

    def raw() -> Block:
        return next(blocks, b"")

    if part.transfer_encoding == "base64":
        return Base64Decoder(raw)
    if part.transfer_encoding == "quoted-printable":
        return QuotedPrintableDecoder(raw)
    return raw


def _canonical(replay: Replay, part: Part) -> Iterator[Block]:
    """Yield a part with its head as it was signed, with CRLF line endings."""
    line_endings = Canonicaliser(composite=is_composite(part.fields))
    binary = part.transfer_encoding == "binary"
    for block in _range(replay, part.begin, part.body):
        yield line_endings.convert(block)
    for block in _range(replay, part.body, part.end):
        yield block if binary else line_endings.convert(block)
