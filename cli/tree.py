"""An inspection as text: the dictionary that ``--json`` prints, drawn as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LABELS: Final = {
    "ciphertext_size": "size",
    "oid": "object identifier",
    "inner_content_type": "type",
    "key_id": "key identifier",
    "mgf": "mask generation",
}
"""What a key is called where its own words would not say it."""

TITLES: Final = {"content": "algorithm", "recipients": "technique"}
"""Which value of a branch stands beside its name instead of among its leaves."""

UNITS: Final = {"_size": "octets", "_bits": "bits"}
"""What numbers count, by the end of their key."""


def render(inspection: Mapping[str, object]) -> list[str]:
    """Return the lines of a tree, its root the content type; what is absent or empty is left out."""
    rest = dict(inspection)
    title = rest.pop("content_type", None)
    return [str(title or "message"), *_branches(rest)]


def _branches(mapping: Mapping[str, object]) -> Iterator[str]:
    nodes = [node for key, value in mapping.items() for node in _nodes(key, value)]
    for number, (text, children) in enumerate(nodes, 1):
        last = number == len(nodes)
        yield f"{'└─' if last else '├─'} {text}"
        for line in _branches(children):
            yield f"{'  ' if last else '│ '} {line}"


def _nodes(key: str, value: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield what one entry becomes: nothing, a leaf, a branch, or a branch for each of its items."""
    match value:
        case dict():
            yield _branch(_label(key), key, value)
        case [dict(), *_]:
            for number, item in enumerate(value, 1):
                yield _branch(f"{_label(key).removesuffix('s')} {item.get('index', number)}", key, item)
        case [_, *_]:
            for item in value:
                yield f"{_label(key)}: {_text(key, item)}", {}
        case None | "" | [] | ():
            pass
        case _:
            yield f"{_label(key)}: {_text(key, value)}", {}


def _branch(label: str, key: str, value: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
    rest = {name: item for name, item in value.items() if name != "index"}
    title = rest.pop(TITLES.get(key, ""), None)
    return (f"{label}: {title}" if title else label), rest


def _label(key: str) -> str:
    return LABELS.get(key, key.replace("_", " "))


def _text(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        unit = next((unit for end, unit in UNITS.items() if key.endswith(end)), None)
        return f"{value:,} {unit}" if unit else str(value)
    return str(value)
