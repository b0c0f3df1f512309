"""Interoperability: which mail programs can be expected to open an envelope, from the rules of ``clients``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.algorithms import CONTENT_ENCRYPTION
from smime_session.inspection.clients import CLIENTS, ContentTraits
from smime_session.recipients.client_rules import KeyTraits
from smime_session.recipients.registry import client_rules, is_for_certificates

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from smime_session.algorithms import ContentEncryption
    from smime_session.inspection.clients import Client
    from smime_session.inspection.inspected import InspectedContent, InspectedRecipient
    from smime_session.recipients.client_rules import Answer, KeyRule

_RANKS: Final[dict[Answer, int]] = {"no": 0, "unknown": 1, "yes": 2}


@dataclass(frozen=True, slots=True)
class ClientNote:
    """Whether a family of mail programs opens an envelope, for a reader who has the key.

    Attributes:
        name: the programs.
        opens: ``yes`` if at least one recipient can read it there, ``no``, or ``unknown``: it is untested.
        reason: why, in words.
    """

    name: str
    opens: Answer
    reason: str


def notes_for(content: InspectedContent, recipients: Sequence[InspectedRecipient]) -> tuple[ClientNote, ...]:
    """Say of each family of mail programs whether it opens an envelope."""
    sealed = _content_traits(content)
    wrapped = Counter(_key_traits(recipients))  # thousands of recipients mostly have the same few
    rules = {kind: client_rules(kind) for kind in {traits.kind for traits in wrapped}}
    return tuple(_note(client, sealed, wrapped, rules) for client in CLIENTS)


def refusing_for_kinds(kinds: Collection[str], algorithm: ContentEncryption, *, derived: bool) -> tuple[str, ...]:
    """Return the mail programs that show a message to none of its recipients, because of the kind of one of them.

    Args:
        kinds: the kinds of its recipients, by their names in the registry.
        algorithm: how its content is encrypted; programs that do not open that are not returned.
        derived: whether the content key is derived from the session key (RFC 9709).
    """
    sealed = ContentTraits(
        algorithm.name, algorithm.cipher, algorithm.mode, algorithm.key_size * 8, algorithm.tag_size, derived
    )
    rules = [client_rules(kind) for kind in kinds]
    return tuple(
        client.name
        for client in CLIENTS
        if client.strictness
        and len({client.name in of_kind for of_kind in rules}) > 1
        and next((rule.opens for rule in client.content if rule.applies(sealed)), "no") != "no"
    )


def _note(
    client: Client,
    sealed: ContentTraits,
    wrapped: Counter[KeyTraits],
    rules: Mapping[str, Mapping[str, Sequence[KeyRule]]],
) -> ClientNote:
    """Look at the content, then at the recipients; of these the one who fares best decides."""
    if client.strictness and any(client.name not in of_kind for of_kind in rules.values()):
        return ClientNote(client.name, "no", client.strictness)
    content = next((_Verdict(rule.opens, rule.reason) for rule in client.content if rule.applies(sealed)), None)
    content = content or _untried(sealed.name)
    if content.opens == "no":
        return ClientNote(client.name, *content)
    keys = {traits: _of_key(traits, (*client.keys, *rules[traits.kind].get(client.name, ()))) for traits in wrapped}
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


def _of_key(traits: KeyTraits, rules: Iterable[KeyRule]) -> _Verdict:
    if traits.broken:
        return _Verdict("unknown", "a recipient cannot be read here")
    found = (_Verdict(rule.opens, rule.reason) for rule in rules if rule.applies(traits))
    return next(found, _untried(_described(traits)))


def _untried(described: str) -> _Verdict:
    return _Verdict("unknown", f"{described} is untested")


def _content_traits(content: InspectedContent) -> ContentTraits:
    algorithm = CONTENT_ENCRYPTION.get(content.algorithm_oid)
    return ContentTraits(
        name=content.algorithm,
        cipher=algorithm.cipher if algorithm else None,
        mode=algorithm.mode if algorithm else None,
        key_bits=content.key_bits,
        tag_size=content.tag_size,
        derived=content.key_derivation is not None,
    )


def _key_traits(recipients: Iterable[InspectedRecipient]) -> Iterator[KeyTraits]:
    previous = 0
    for recipient in recipients:
        summary = recipient.summary
        yield KeyTraits(
            name=summary.algorithm or f"a {summary.technique} recipient",
            oid=summary.algorithm_oid,
            kind=summary.technique,
            curve=summary.parameters.get("curve"),
            by_key_identifier=summary.key_identifier is not None and is_for_certificates(summary.technique),
            follows=recipient.index == previous,
            broken=summary.problem is not None,
        )
        previous = recipient.index


def _described(traits: KeyTraits) -> str:
    curve = f" on {traits.curve}" if traits.curve else ""
    named = " named by key identifier" if traits.by_key_identifier else ""
    return f"{traits.name}{curve}{named}"
