"""Interoperability: which mail programs can be expected to open an envelope, from the rules of ``clients``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.algorithms import CONTENT_ENCRYPTION
from smime_session.inspection.clients import CLIENTS, ContentTraits, KeyTraits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from smime_session.inspection.clients import Answer, Client, Rule, TraitsT
    from smime_session.inspection.inspected import InspectedContent, InspectedRecipient

_RANKS: Final[dict[Answer, int]] = {"no": 0, "unknown": 1, "yes": 2}


@dataclass(frozen=True, slots=True)
class ClientNote:
    """Whether a family of mail programs opens an envelope, for whoever has the key.

    Attributes:
        name: the programs.
        opens: ``yes`` if at least one recipient can read it there, ``no``, or ``unknown``: nobody has shown it.
        reason: why, in words.
    """

    name: str
    opens: Answer
    reason: str


def notes_for(content: InspectedContent, recipients: Sequence[InspectedRecipient]) -> tuple[ClientNote, ...]:
    """Say of each family of mail programs whether it opens an envelope."""
    sealed = _content_traits(content, recipients)
    wrapped = Counter(_key_traits(recipients))  # thousands of recipients mostly have the same few
    return tuple(_note(client, sealed, wrapped) for client in CLIENTS)


def _note(client: Client, sealed: ContentTraits, wrapped: Counter[KeyTraits]) -> ClientNote:
    """Judge the content, then the recipients; of these the one who fares best decides."""
    content = _verdict(client.content, sealed, sealed.name)
    if content.opens == "no":
        return ClientNote(client.name, *content)
    keys = {traits: _verdict(client.keys, traits, _described(traits)) for traits in wrapped}
    if not keys:
        return ClientNote(client.name, "no", "the message has no recipients")
    best = max((key.opens for key in keys.values()), key=_RANKS.__getitem__)
    answer = min(content.opens, best, key=_RANKS.__getitem__)
    reasons = dict.fromkeys(verdict.reason for verdict in (content, *keys.values()) if verdict.opens == answer)
    others = dict.fromkeys(key.reason for key in keys.values() if key.opens != "yes")
    if answer == "yes" and others:
        count = sum(wrapped[traits] for traits, key in keys.items() if key.opens == "yes")
        reasons[f"for {count:,} of {wrapped.total():,} recipients only: {', '.join(others)}"] = None
    return ClientNote(client.name, answer, "; ".join(reasons))


class _Verdict(NamedTuple):
    opens: Answer
    reason: str


def _verdict(rules: Iterable[Rule[TraitsT]], traits: TraitsT, described: str) -> _Verdict:
    for rule in rules:
        if rule.applies(traits):
            return _Verdict(rule.opens, rule.reason)
    return _Verdict("unknown", f"nobody has shown that it opens {described}")


def _content_traits(content: InspectedContent, recipients: Iterable[InspectedRecipient]) -> ContentTraits:
    algorithm = CONTENT_ENCRYPTION.get(content.algorithm_oid)
    return ContentTraits(
        name=content.algorithm,
        cipher=algorithm.cipher if algorithm else None,
        mode=algorithm.mode if algorithm else None,
        key_bits=content.key_bits,
        tag_size=content.tag_size,
        derived=content.key_derivation is not None,
        techniques=frozenset(recipient.summary.technique for recipient in recipients),
    )


def _key_traits(recipients: Iterable[InspectedRecipient]) -> Iterator[KeyTraits]:
    previous = 0
    for recipient in recipients:
        summary = recipient.summary
        yield KeyTraits(
            name=summary.algorithm or f"a {summary.technique} recipient",
            oid=summary.algorithm_oid,
            technique=summary.technique,
            curve=summary.parameters.get("curve"),
            by_key_identifier=summary.technique != "pre-shared key" and summary.key_identifier is not None,
            follows=recipient.index == previous,
            broken=summary.problem is not None,
        )
        previous = recipient.index


def _described(traits: KeyTraits) -> str:
    curve = f" on {traits.curve}" if traits.curve else ""
    named = ", named by key identifier" if traits.by_key_identifier else ""
    return f"{traits.name}{curve}{named}"
