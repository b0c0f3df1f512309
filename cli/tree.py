"""An inspection as text: the dictionary that ``--json`` prints, drawn as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Node = tuple[str, Mapping[str, object]]

LABELS: Final = {
    "post_quantum": "post-quantum",
    "notes": "note",
    "algorithm_oid": "object identifier",
    "ciphertext_size": "size",
    "has_originator_info": "originator info",
    "authenticated_attributes_size": "authenticated attributes",
    "unauthenticated_attributes_size": "unauthenticated attributes",
}
"""What a key is called where its own words would not say it."""

TITLES: Final = {"content": "algorithm", "recipients": "technique"}
"""Which value of a branch stands beside its name instead of among its leaves."""

UNITS: Final = {"_size": "octets", "_bits": "bits"}
"""What numbers count, by the end of their key."""


def render(inspection: Mapping[str, object]) -> list[str]:
    """Return the lines of a tree, its root the content type; what is absent or empty is left out."""
    rest = dict(inspection)
    title = rest.pop("content_type", "message")
    return [str(title), *_branches(rest)]


def _branches(mapping: Mapping[str, object]) -> Iterator[str]:
    nodes = [node for key, value in mapping.items() for node in _nodes(key, value)]
    for number, (text, children) in enumerate(nodes, 1):
        last = number == len(nodes)
        yield f"{'└─' if last else '├─'} {text}"
        for line in _branches(children):
            yield f"{'  ' if last else '│ '} {line}"


def _nodes(key: str, value: object) -> Iterator[Node]:
    """Yield what one entry becomes: nothing, a leaf, a branch, or one of these for each of its items."""
    label = LABELS.get(key, key.replace("_", " "))
    if value in (None, "", [], (), {}):
        return
    match value:
        case dict():
            yield _branch(label, value, TITLES.get(key))
        case [*items]:
            for number, item in enumerate(items, 1):
                if isinstance(item, dict):
                    yield _branch(f"{label.removesuffix('s')} {number}", item, TITLES.get(key))
                else:
                    yield f"{label}: {item}", {}
        case _:
            yield f"{label}: {_text(key, value)}", {}


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
