"""Which parts of a mail are signed, by which other part, and which are not (RFC 1847, 2.1; RFC 8551, 3.5).

Only what a signature covers is its signer's. So every part beside a signed one is named, and a multipart/signed of
another shape than the standard's proves nothing: programs that overlooked that showed what an attacker had added.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.mail.entity import CMS_TYPES
from smime_session.mail.fields import find_value, parse_media_type, parse_parameters
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session.mail.fields import Field
    from smime_session.mail.parts import Part

SIGNATURE_TYPES: Final = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature"})
_OTHER_OBJECTS: Final = frozenset({"enveloped-data", "authenveloped-data", "compressed-data", "certs-only"})
_PAIR: Final = 2  # parts of a multipart/signed: what is signed, and the signature


class SignedPart(NamedTuple):
    """A part of a mail that is signed, or says so.

    Attributes:
        part: the part.
        signature: the part with the CMS object; None if there is none.
        content: what is signed, if it stands beside the signature; None if it is inside.
        fields: the head of the mail that it belongs to.
        problem: why its shape proves nothing, whatever the signature says; empty if it is sound.
    """

    part: Part
    signature: Part | None
    content: Part | None
    fields: tuple[Field, ...]
    problem: str = ""


def clear_signed(place: int, parts: Sequence[Part], fields: Sequence[Field] | None = None) -> SignedPart | None:
    """Return a part that is a multipart/signed, as something signed; None if it is another part, or signed with PGP.

    Args:
        place: which of the parts.
        parts: all parts of a mail, or of an entity.
        fields: the head of the mail that the entity is in.
    """
    signed = _clear(place, parts) if parts[place].content_type == "multipart/signed" else None
    if signed is None or fields is None or signed.fields is not parts[0].fields:
        return signed
    return signed._replace(fields=tuple(fields))


def signed_parts(parts: Sequence[Part]) -> tuple[list[SignedPart], list[str]]:
    """Find the signed parts of a mail, but not those inside others.

    Args:
        parts: all parts, as :func:`~smime_session.mail.parts.find_parts` returns them.

    Returns:
        The signed parts, and what is not signed, a few words each; nothing of a mail that has no signed part.
    """
    found: list[SignedPart] = []
    unsigned: list[Part] = []
    for place, part in enumerate(parts):
        if found and part.is_inside(found[-1].part):
            continue
        signed = _signed(place, parts)
        if signed is not None:
            found.append(signed)
        elif place + 1 == len(parts) or not parts[place + 1].is_inside(part):
            unsigned.append(part)
    others = [f"part {part.number} ({excerpt(part.content_type)})" for part in unsigned if part.number != "0"]
    others += [f"the mail around part {each.part.number}" for each in found if each.fields is not parts[0].fields]
    return found, others if found else []


def is_signed(fields: Sequence[Field]) -> bool:
    """Tell whether the fields of an entity say that it is signed, or may be."""
    value = find_value(fields, "content-type")
    kind = parse_media_type(value)
    return kind == "multipart/signed" or (kind in CMS_TYPES and _smime_type(value) not in _OTHER_OBJECTS)


def _smime_type(value: str) -> str:
    return parse_parameters(value).get("smime-type", "").lower()


def _signed(place: int, parts: Sequence[Part]) -> SignedPart | None:
    part = parts[place]
    if part.content_type == "multipart/signed":
        return _clear(place, parts)
    if part.content_type not in CMS_TYPES or _smime_type(find_value(part.fields, "content-type")) in _OTHER_OBJECTS:
        return None
    return SignedPart(part, part, None, _mail_of(place, parts))


def _clear(place: int, parts: Sequence[Part]) -> SignedPart | None:
    children = _children(place, parts)
    signature = next((child for child in reversed(children) if child.content_type in SIGNATURE_TYPES), None)
    part = parts[place]
    if signature is None and part.parameters.get("protocol", "").lower() not in SIGNATURE_TYPES:
        return None  # it is signed in another way, with PGP perhaps
    problem = ""
    if len(children) != _PAIR:
        problem = f"is one of {len(children)} parts and not of two, of which the first is signed"
    elif children[1] is not signature:
        problem = "does not stand in the second part"
    elif not children[0].closed:
        problem = "is one of a part that is cut off"
    content = children[0] if children and not problem else None
    return SignedPart(part, signature, content, _mail_of(place, parts), problem)


def _children(place: int, parts: Sequence[Part]) -> list[Part]:
    """Return the parts directly inside another."""
    found: list[Part] = []
    for part in parts[place + 1 :]:
        if not part.is_inside(parts[place]):
            break
        if not found or not part.is_inside(found[-1]):
            found.append(part)
    return found


def _mail_of(place: int, parts: Sequence[Part]) -> tuple[Field, ...]:
    """Return the head of the mail that a part belongs to: one that was forwarded as it is has its own."""
    head = parts[0].fields
    for outer, inner in pairwise(parts[: place + 1]):
        holds = outer.begin <= parts[place].begin and parts[place].end <= outer.end and inner.begin == outer.body
        if holds and outer.content_type == "message/rfc822":  # parsed of few: there may be many, with long heads
            head = inner.fields
    return head
