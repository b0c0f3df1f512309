"""The threat model names tests: each is there, and has tests in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "threat-model.md"
SECTIONS: Final = dict(
    re.findall(r"^## (.+?)\n(.+?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
)


@pytest.mark.parametrize("attacker", SECTIONS)
def test_each_attacker_has_promises_tests_and_limits(attacker: str) -> None:
    """For each of the table something is promised, shown, and not promised."""
    assert f"| {attacker[0].lower()}{attacker[1:]} |" in PAGE.read_text(encoding="utf-8")
    assert "*Not promised:*" in SECTIONS[attacker]
    named = re.findall(r"`((?:tests|benchmarks)/[^`]+\.py)`", SECTIONS[attacker])
    assert named
    for path in named:
        assert (ROOT / path).is_file(), path
        assert path.startswith("benchmarks/") or "def test_" in (ROOT / path).read_text(encoding="utf-8"), path


def test_the_table_has_no_other_attacker() -> None:
    """Each row of the table has its section."""
    table = re.findall(r"^\| ([^|-][^|]*) \| .* \| .* \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {each[0].upper() + each[1:] for each in table[1:]} == SECTIONS.keys()


def test_security_leads_there() -> None:
    """Who reads the promises finds who they are made against."""
    assert "(docs/threat-model.md)" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")
