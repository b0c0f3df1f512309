"""What some of the supported Pythons do not do right is not used."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = [path for folder in ("smime_session", "cli") for path in sorted((ROOT / folder).rglob("*.py"))]
_POSSESSIVE: Final = re.compile(rb"(?<!\\)[*+?}]\+|(?<=\\\\)[*+?}]\+")


def _constants(path: Path) -> Iterator[bytes]:
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            yield node.value if isinstance(node.value, bytes) else node.value.encode()


def _is_pattern(text: bytes) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_pattern_has_a_possessive_quantifier(path: Path) -> None:
    """Python before 3.11.5 matches them wrongly; an atomic group does the same right (CPython issue 106052)."""
    assert [text for text in _constants(path) if _is_pattern(text) and _POSSESSIVE.search(text)] == []


def test_a_possessive_quantifier_would_be_found() -> None:
    """The search knows them, and tells them from characters that stand for themselves."""
    for pattern in (rb"a*+", rb"(?:ab)++", rb"[+]?+", rb"a{2,3}+", rb"\\++"):
        assert _POSSESSIVE.search(pattern), pattern
    for pattern in (rb"a*\+", rb"[a+]+", rb"(?>a*)", rb"\++"):
        assert not _POSSESSIVE.search(pattern), pattern
