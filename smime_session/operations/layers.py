"""What is encrypted inside a mail: S/MIME objects in its parts, and in one another.

Lists, gateways and mail programs put an encrypted mail into a part of another one, or sign and encrypt several times.
Each object is opened in its place, and everything around it stays byte for byte. A part stays a part: what was
encrypted never becomes one text with what stood around it, which an attacker may have written (EFAIL).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.algorithms import COMPRESSED_DATA, CONTENT_TYPES, SIGNED_DATA
from smime_session.cms.encapsulated import MAX_EXPANDED_SIZE, encapsulated
from smime_session.errors import LimitError, MessageError, NotEnvelopeError, SmimeError
from smime_session.mail.blocks import Lookahead
from smime_session.mail.fields import find_body, parse_fields_leniently
from smime_session.mail.line_endings import CRLF, with_line_feeds
from smime_session.mail.parts import find_parts
from smime_session.mail.reunion import in_place, reunite
from smime_session.mail.signed_parts import clear_signed
from smime_session.operations.candidates import Candidates
from smime_session.operations.opening import envelope_reader, open_whole_content
from smime_session.operations.places import TRANSFER_ENCODING, Place, find_place, places_in
from smime_session.profiles import MAX_MAIL_HEADER_SIZE
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session.certificates.trust import TrustAnchors
    from smime_session.cms.values import WrappedKey
    from smime_session.mail.fields import Field
    from smime_session.mail.parts import Part
    from smime_session.mail.repairs import Repairs
    from smime_session.operations.signatures import Signature
    from smime_session.operations.signed_layers import Judge
    from smime_session.profiles import Policy
    from smime_session.recipients.registry import Identity

MAX_LAYERS: Final = 8  # of objects in one another; signed, encrypted and signed again are three
MAX_OBJECTS: Final = 32  # in one mail: each costs private-key operations; a digest of encrypted mails has a dozen

_SPENT: Final = frozenset({"max_trials", "max_password_iterations"})


@dataclass(frozen=True, slots=True)
class OpenedPart:
    """What became of one S/MIME object that stands in a part of a mail, or in another one.

    Attributes:
        number: where it is: ``0`` is the mail itself, ``2.1`` the first part of its second part. What stands in an
            object follows a slash: ``2/0`` is the object that is all of what was in part 2, ``2/1`` its first part.
        kind: ``enveloped-data``, ``auth-enveloped-data``, ``signed-data``, ``multipart/signed`` or ``compressed-data``;
            ``unknown`` if it could not be read.
        opened: whether its content stands in its place now.
        problem: why it was not opened, or what was not proven of it; None if there is nothing to say.
        authenticated: of what was decrypted, whether it is proven unaltered since it was encrypted; else None.
    """

    number: str
    kind: str
    opened: bool
    problem: str | None = None
    authenticated: bool | None = None


class FirstOpened(NamedTuple):
    """The outermost envelope that opened.

    Attributes:
        content_encryption: the content-encryption algorithm's name.
        wrapped_key: the recipient info that opened; None if a session key was given.
    """

    content_encryption: str
    wrapped_key: WrappedKey | None


def may_hold_objects(beginning: bytes) -> bool:
    """Tell by the head of a mail or an entity whether there may be S/MIME objects in it; most have none."""
    head = beginning[: find_body(beginning) or MAX_MAIL_HEADER_SIZE].lower()
    return b"multipart/" in head or b"pkcs7-" in head or b"message/" in head or b".p7m" in head


def mentions_objects(entity: bytes) -> bool:
    """Tell whether an entity that is in memory may have S/MIME objects in it; nothing is parsed.

    They say so in the heads of their parts, which stand in clear; a forwarded mail may be encoded.
    """
    return may_hold_objects(entity) and mention_objects(entity)


def mention_objects(octets: bytes) -> bool:
    """Tell whether bytes name what S/MIME objects are called in the head of a part."""
    lower = octets.lower()
    return b"pkcs7-" in lower or b".p7m" in lower or b"message/rfc822" in lower


class Layers:
    """Opens the S/MIME objects in mails, and remembers what became of them.

    Args:
        identities: who may read them.
        policy: what is accepted; its limits of work hold for all objects of a mail together.
        trust: the roots that are trusted, for signatures; without one, nothing is.

    Attributes:
        parts: what became of each object.
        signatures: the signatures that were found, each judged where it was, before anything in it was opened.
        altered: names of header fields that were changed outside.
        first: the outermost envelope that opened, or None.
        repairs: what was damaged around objects in parts and read all the same.
        failure: why the first that did not open did not, or None.
    """

    def __init__(self, identities: Sequence[Identity], policy: Policy, trust: TrustAnchors | None = None) -> None:
        self._trust = trust
        self.signatures: list[Signature] = []
        self.parts: list[OpenedPart] = []
        self.altered: dict[str, None] = {}
        self.first: FirstOpened | None = None
        self.failure: SmimeError | None = None
        self.repairs: dict[str, None] = {}
        self.identities = identities
        self.policy = policy
        self._spent = False
        self._left = MAX_OBJECTS
        self._room = MAX_EXPANDED_SIZE

    def open(
        self,
        mail: bytes,
        prefix: str = "",
        *,
        depth: int = 0,
        is_mail: bool = True,
        fields: Sequence[Field] | None = None,
    ) -> bytes | None:
        """Return a mail, or an entity, with everything opened in it that can be; None if nothing can.

        Args:
            mail: all of it.
            prefix: what the numbers of its parts begin with.
            depth: how many objects it is in.
            is_mail: whether it is a mail, whose header fields stand outside of an object that is its body.
            fields: the head of the mail that it is in, if it is none.

        Raises:
            LimitError: it has too many parts, or they are nested too deeply.
        """
        parts = find_parts(iter((mail, b"")).__next__)
        self._judge_clear(mail, parts, prefix, fields)
        pieces: list[bytes] = []
        end = 0
        for place in places_in(mail, parts, prefix, depth=depth, is_mail=is_mail, fields=fields):
            if place.part.begin < end:
                continue
            before = len(self.parts), self.first
            entity = self._open_part(place)
            if entity is None:
                continue
            if place.breaks_out(entity):
                del self.parts[before[0] :]
                self.first = before[1]
                self._tell(place, "unknown", "what is in it holds a boundary of the mail around it")
                continue
            pieces += mail[end : place.part.begin], entity
            end = place.part.end
        return b"".join((*pieces, mail[end:])) if pieces else None

    def _judge_clear(self, mail: bytes, parts: Sequence[Part], prefix: str, fields: Sequence[Field] | None) -> None:
        """Judge the signatures that stand beside parts, while what they are of is as it was."""
        for index, part in enumerate(parts):
            signed = clear_signed(index, parts, fields)
            if signed is None:
                continue
            number = prefix + part.number
            if not self._left:
                problem = f"its signature was not checked: the mail has more than {MAX_OBJECTS} objects"
                self.parts.append(OpenedPart(number, "multipart/signed", opened=False, problem=problem))
                continue
            self._left -= 1
            found = self._judge.clear(mail, signed, number)
            self.signatures += found
            self.parts.append(_about_signatures(number, "multipart/signed", found, opened=False))

    @cached_property
    def _judge(self) -> Judge:
        from smime_session.operations.signed_layers import Judge  # most mails have no signature: 30 ms

        return Judge(self._trust, self.policy)

    def open_inside(self, mail: bytes) -> bytes:
        """Return a mail that was opened, with everything opened in it that can be; limits are told, not raised."""
        try:
            return self.open(mail, "0/", depth=1) or mail
        except LimitError as error:
            self.parts.append(OpenedPart("0/0", "unknown", opened=False, problem=str(error)))
            return mail

    def open_alone(self, mail: bytes, number: str) -> bytes | None:
        """Return what is in one part of a mail, opened, without the rest; None if it does not open.

        Raises:
            NotEnvelopeError: there is no such part.
            LimitError: as for :meth:`open`.
        """
        place = find_place(mail, number)
        if place is None:
            raise NotEnvelopeError(f"a mail without a part {excerpt(number)}")
        return self._open_part(place, always=True)

    def _open_part(self, place: Place, *, always: bool = False) -> bytes | None:
        """Return what stands in the place of a part that has no others; None to leave it."""
        if place.is_encoded_mail:
            return self._open_encoded_mail(place)
        if not (always or place.part.is_declared):
            return None
        if place.depth >= MAX_LAYERS or not self._left:
            limit = f"more than {MAX_OBJECTS} objects" if not self._left else f"more than {MAX_LAYERS} layers"
            self._tell(place, "unknown", f"the mail has {limit}")
            return None
        self._left -= 1
        try:
            incoming = place.incoming()
            octets = b"".join(iter(incoming.next_block, b""))
            return self._open_object(place, octets, incoming.repairs)
        except SmimeError as error:
            if not isinstance(error, NotEnvelopeError):  # which says what the part is, and not the mail
                self.failure = self.failure or error
            self._tell(place, "unknown", str(error))
            return None

    def _open_encoded_mail(self, place: Place) -> bytes | None:
        """Open a mail that is attached in base64 or quoted-printable, as none may be (RFC 2046, 5.2.1)."""
        if place.depth >= MAX_LAYERS:
            return None
        try:
            inside = place.decoded_mail()
            if not mentions_objects(inside):
                return None
            if not self._left:
                self._tell(place, "unknown", f"the mail has more than {MAX_OBJECTS} objects")
                return None
            self._left -= 1
            opened = self.open(inside, f"{place.number}/", depth=place.depth + 1)
        except MessageError as error:
            self._tell(place, "unknown", str(error))
            return None
        if opened is None:
            return None
        fields = b"".join([raw for name, raw in place.part.fields if name != TRANSFER_ENCODING])
        head = b"".join((fields, b"Content-Transfer-Encoding: 8bit", place.eol, place.eol))
        return head + (opened if place.eol == CRLF else with_line_feeds(opened, composite=True))

    def _open_object(self, place: Place, octets: bytes, repairs: Repairs) -> bytes | None:
        try:
            reader = envelope_reader(Lookahead(bytes, octets), self.policy)
        except NotEnvelopeError:
            return self._open_readable(place, octets)
        kind = CONTENT_TYPES[reader.header.content_type]
        try:
            with Candidates(reader.header, self.identities, self.policy) as candidates:
                self.spend(candidates)
                winner, content = open_whole_content(reader, candidates.all)
        except SmimeError as error:
            self.failure = self.failure or error
            self._tell(place, kind, self._words(error))
            return None
        self.repairs |= dict.fromkeys(repairs.told(reader.end, followed=reader.followed))
        algorithm = reader.parameters.algorithm
        self.first = self.first or FirstOpened(algorithm.name, winner.wrapped)
        self.parts.append(OpenedPart(place.number, kind, opened=True, authenticated=algorithm.authenticated))
        entity = self._reunited(place, content)
        return self._open_deeper(place, entity) or entity

    def _open_readable(self, place: Place, octets: bytes) -> bytes | None:
        """Expand what is compressed; take what is encrypted out of what is signed, and leave all else that is."""
        content_type, content = encapsulated(octets, self._room)
        kind, at, altered = CONTENT_TYPES[content_type], len(self.parts), dict(self.altered)
        if content_type == COMPRESSED_DATA and content is not None:
            self.parts.append(OpenedPart(place.number, kind, opened=True))
            self._room -= len(content)
            expanded = self._reunited(place, content)
            return self._open_deeper(place, expanded) or expanded
        found: Sequence[Signature] = ()
        if content_type == SIGNED_DATA:
            found = self._judge.object(octets, place.number, place.fields)
            self.signatures += found
        reunited = None if content is None else self._reunited(place, content)
        entity = None if reunited is None else self._open_deeper(place, reunited)
        self.parts.insert(at, _about_signatures(place.number, kind, found, opened=entity is not None))
        if entity is None and reunited is not None and place.is_mail and place.depth and all(e.holds for e in found):
            entity = _with_fields_of(reunited, place)
        if entity is None:
            self.altered = altered
        return entity

    def _open_deeper(self, place: Place, entity: bytes) -> bytes | None:
        if not mentions_objects(entity):
            return None
        try:
            fields = None if place.is_mail else place.fields
            return self.open(entity, f"{place.number}/", depth=place.depth + 1, is_mail=place.is_mail, fields=fields)
        except LimitError as error:
            self._tell(place, "unknown", str(error))
            return None

    def _reunited(self, place: Place, content: bytes) -> bytes:
        """Return what stands in the place of an object with some content."""
        if not place.is_mail:
            return in_place(content, place.eol)
        mail, altered = reunite(place.mail_head, content)
        self.altered |= dict.fromkeys(altered)
        return mail

    def spend(self, candidates: Candidates) -> None:
        """Take what trying some candidates cost off the limits of work."""
        policy = self.policy
        self._spent = True
        self.policy = replace(
            policy,
            max_trials=policy.max_trials - len(candidates.all),
            max_password_iterations=policy.max_password_iterations - candidates.iterations,
        )

    def _words(self, error: SmimeError) -> str:
        """Return what is wrong; of a limit that others have used up, that it is for all of them together."""
        if isinstance(error, LimitError) and error.option in _SPENT and self._spent:
            return f"all objects of the mail together take more work than {error.option} allows"
        return str(error)

    def _tell(self, place: Place, kind: str, problem: str) -> None:
        self.parts.append(OpenedPart(place.number, kind, opened=False, problem=problem))


def _with_fields_of(mail: bytes, place: Place) -> bytes | None:
    """Return what is signed and stays whole, under the header fields that are protected inside of it (RFC 9788).

    Args:
        mail: what is signed, with these fields.
        place: where the signed object is.

    Returns:
        None if the fields outside are the same.
    """
    inside = [field for field in parse_fields_leniently(mail[: find_body(mail)]) if not _describes(field)]
    outside = [field for field in parse_fields_leniently(place.head) if not _describes(field)]
    if not inside or [each.value for each in inside] == [each.value for each in outside]:
        return None
    describing = [field for field in parse_fields_leniently(place.head) if _describes(field)]
    head = b"".join([raw for _, raw in (*inside, *describing)])
    return b"".join((head, place.eol, place.body))


def _describes(field: Field) -> bool:
    return field.name.startswith("content-")


def _about_signatures(number: str, kind: str, found: Sequence[Signature], *, opened: bool) -> OpenedPart:
    problems = [f"its signature is {each.verdict}" for each in found if each.verdict != "trusted"]
    problem = "; ".join(dict.fromkeys(problems)) if found else "it has no signature"
    return OpenedPart(number, kind, opened=opened, problem=problem or None)
