"""What was found out, as text: the dictionary that ``--json`` prints, drawn as a tree."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Node = tuple[str, Mapping[str, object]]

LABELS: Final = {
    "post_quantum": "post-quantum",
    "notes": "note",
    "repairs": "damaged",
    "closest": "closest identity",
    "clients": "opens with",
    "profiles": "usable with",
    "fingerprint": "SHA-256 fingerprint",
    "not_before": "valid from",
    "not_after": "valid until",
    "valid": "valid now",
    "has_private_key": "private key in this file",
    "addresses": "address",
    "others": "also here",
    "from_matches": "matches From",
    "sender_matches": "matches Sender",
    "signing_time": "claimed time",
    "unsigned_parts": "not signed",
    "algorithm_oid": "object identifier",
    "key_bits": "key size",
    "ciphertext_size": "size",
    "has_originator_info": "originator info",
    "authenticated_attributes_size": "authenticated attributes",
    "unauthenticated_attributes_size": "unauthenticated attributes",
}
"""What a key is called where its own words would not say it."""

TITLES: Final = {
    "content": "algorithm",
    "recipients": "technique",
    "certificates": "key",
    "private_keys": "key",
    "signatures": "verdict",
}
"""Which value of a branch stands beside its name instead of among its leaves."""

VERDICTS: Final = {
    "clients": ("opens", "reason"),
    "parts": ("content_type", "object"),
    "profiles": ("usable", "reasons"),
}
"""Lists whose items stand in one line each: a name, what is found of it, and why."""

UNITS: Final = {"_size": "bytes", "_bits": "bits"}
"""What numbers count, by the end of their key."""


_INDENT: Final = 3  # columns of the lines that are drawn at each level


def render(title: str, found: Mapping[str, object], width: int | None = None) -> list[str]:
    """Return the lines of a tree with a title for its root; what is absent or empty is left out.

    Args:
        title: the root.
        found: what hangs from it.
        width: columns after which a line goes on in the next, between two words; None for lines of any length.
    """
    return [title, *_branches(found, width)]


def _branches(mapping: Mapping[str, object], width: int | None) -> Iterator[str]:
    nodes = [node for key, value in mapping.items() for node in _nodes(key, value)]
    left = None if width is None else width - _INDENT
    for number, (text, children) in enumerate(nodes, 1):
        last = number == len(nodes)
        before = f"{'  ' if last else '│ '} "
        first, *more = wrapped(text, left, "│ " if children else "  ")
        yield f"{'└─' if last else '├─'} {first}"
        for line in (*more, *_branches(children, left)):
            yield f"{before}{line}"


def wrapped(text: str, width: int | None, indent: str = "") -> list[str]:
    """Return a text as lines of at most so many columns, if its words are no longer; ``indent`` begins all but one."""
    if width is None or len(text) <= width:
        return [text]
    return wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _nodes(key: str, value: object) -> Iterator[Node]:
    """Yield what one entry becomes: nothing, a leaf, a branch, or one of these for each of its items."""
    label = LABELS.get(key, key.replace("_", " "))
    if value in (None, "", [], (), {}):
        return
    match value:
        case dict():
            yield _branch(label, value, TITLES.get(key))
        case [*items] if key in VERDICTS:
            yield label, dict(_verdict(item, *VERDICTS[key]) for item in cast("Sequence[Mapping[str, object]]", items))
        case [*items]:
            for number, item in enumerate(items, 1):
                if isinstance(item, dict):
                    yield _branch(f"{label.removesuffix('s')} {number}", item, TITLES.get(key))
                else:
                    yield f"{label}: {item}", {}
        case _:
            yield f"{label}: {_text(key, value)}", {}


def _verdict(item: Mapping[str, object], answer_key: str, reason_key: str) -> tuple[str, str]:
    answer, why = _text(answer_key, item[answer_key]), item[reason_key] or ""
    reasons = why if isinstance(why, str) else ", and ".join(cast("Sequence[str]", why))
    return str(item["name"] if "name" in item else item["number"]), f"{answer}, {reasons}" if reasons else answer


def _branch(label: str, value: Mapping[str, object], title_key: str | None) -> Node:
    rest = {key: item for key, item in value.items() if key not in {"index", title_key}}
    title = value.get(title_key) if title_key else None
    return (f"{label}: {title}" if title else label), rest


def _text(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        unit = next((unit for end, unit in UNITS.items() if key.endswith(end)), None)
        return f"{value:,} {unit}" if unit else str(value)
    return str(value)
