"""What ``inspect`` says in words: three answers, and of all details those that say something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smime_session import Inspection

_MOST_NAMED: Final = 3  # recipients; the rest are counted, and stand below
_FOR_EXPERTS: Final = frozenset(
    {"algorithm_oid", "encoding", "encrypted_key_size", "nonce_size", "tag_size", "type", "version"}
)
_IF_UNUSUAL: Final = frozenset(
    {"authenticated_attributes_size", "constructed", "has_originator_info", "unauthenticated_attributes_size"}
)


def answers(found: Inspection) -> list[str]:
    """Return three lines: who can read a message, whether it is protected against changes, and what opens it."""
    return [
        f"Who can read it: {_readers(found)}",
        f"Protected against changes: {_protection(found)}",
        f"What opens it: {_programs(found)}",
    ]


def _readers(found: Inspection) -> str:
    own = _once(name for recipient in found.recipients for name in recipient.opened_by)
    named = [recipient.certificate or recipient.summary.name for recipient in found.recipients]
    if own:
        others = len([recipient for recipient in found.recipients if not recipient.opened_by])
        return f"you, with the {'; the '.join(own)}" + (f", and {_counted(others, 'other')}" if others else "")
    shown = "; ".join(named[:_MOST_NAMED]) or "no recipient is named"
    return shown + (f"; and {_counted(len(named) - _MOST_NAMED, 'other')}" if len(named) > _MOST_NAMED else "")


def _protection(found: Inspection) -> str:
    algorithm = found.content.algorithm
    if found.authenticated:
        return f"yes, what was changed on the way does not open ({algorithm})"
    return f"no, it could be changed on the way without notice ({algorithm})"


def _programs(found: Inspection) -> str:
    by_answer = {answer: [note.name for note in found.clients if note.opens == answer] for answer in ("yes", "no")}
    said = [", ".join(by_answer["yes"]) or "no mail program is known to"]
    if by_answer["no"]:
        said.append(f"not {', '.join(by_answer['no'])}")
    untested = [note.name for note in found.clients if note.opens == "unknown"]
    if untested:
        said.append(f"untested with {', '.join(untested)}")
    return "; ".join(said)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def details(found: dict[str, Any], *, verbose: bool) -> dict[str, Any]:
    """Return what is shown of an inspection: without ``verbose`` nothing that only experts ask for.

    Programs of which the same is known stand together, so that no reason is told twice.
    """
    shown = {key: value for key, value in found.items() if verbose or not _is_left_out(key, value)}
    for key, value in shown.items():
        if isinstance(value, dict):
            shown[key] = details(value, verbose=verbose)
        elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
            shown[key] = _together(value) if key == "clients" else [details(each, verbose=verbose) for each in value]
    return shown


def _is_left_out(key: str, value: object) -> bool:
    return key in _FOR_EXPERTS or (key in _IF_UNUSUAL and not value)


def _together(clients: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    names: dict[tuple[str, str], list[str]] = {}
    for client in clients:
        names.setdefault((client["opens"], client["reason"]), []).append(client["name"])
    return [{"name": ", ".join(those), "opens": opens, "reason": why} for (opens, why), those in names.items()]
