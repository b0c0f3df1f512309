"""The benchmark runs: every table comes out, with a row for each peer that is installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.xdist_group("benchmarks")  # at the same time as itself it would measure itself

_SCRIPT: Final = Path(__file__).parents[1] / "benchmarks" / "run.py"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """Run ``--quick`` once; return its tables as text and as values."""
    path = tmp_path_factory.mktemp("benchmarks") / "values.json"
    command = (sys.executable, _SCRIPT, "--quick", "--json", path)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(path.read_text())


def _row_peers(table: dict[str, Any]) -> set[str]:
    return {row["peer"] for row in table["rows"]}


def _in_process(title: str) -> set[str]:
    peers = {"smime-session"}
    if "Encrypt" in title:
        peers.add("smime-session, from certificates")
    if "AES-128-CBC, RSAES" in title:
        peers |= {"cryptography", "cryptography, DER only"} if "Encrypt" in title else {"cryptography"}
    if os.environ.get("SMIME_SESSION_CMSBENCH") and re.search("RSA-2048|P-256|recipients", title):
        peers.add("libcrypto (C)")
    return peers


def _commands(title: str) -> set[str]:
    peers = {"smime-session"} | ({"cryptography, a script"} if "CBC" in title else set())
    return peers | ({"openssl cms"} if shutil.which("openssl") else set())


def _stages(title: str) -> set[str]:
    return {"read and split", "wrap", "seal", "base64", "whole"} | ({"write"} if " MB " in title else set())


_EXPECTED: Final[dict[str, Callable[[str], set[str]]]] = {
    "encrypt": _in_process,
    "decrypt": _in_process,
    "recipients": _in_process,
    "command": _commands,
    "large": _commands,
    "stages": _stages,
}


def test_every_kind_of_table_has_its_peers(measured: tuple[str, dict[str, Any]]) -> None:
    """Each kind of table comes out, and its rows are those of the peers that are installed."""
    tables = measured[1]["tables"]
    assert {table["name"] for table in tables} == set(_EXPECTED)
    for table in tables:
        assert _row_peers(table) == _EXPECTED[table["name"]](table["title"]), table["title"]


def test_every_value_is_positive_and_the_reference_is_its_own_equal(measured: tuple[str, dict[str, Any]]) -> None:
    """Every cell holds a measured value, and the peer that others are compared with has the ratio one."""
    for table in measured[1]["tables"]:
        for row in table["rows"]:
            assert row["median"] > 0, row
            assert row["peer"] != table["reference"] or row["ratio"] == pytest.approx(1)


def test_the_text_holds_every_table(measured: tuple[str, dict[str, Any]]) -> None:
    """Standard output is Markdown with the title and the rows of each table, every row as wide as its head."""
    text, values = measured
    sections = {section.partition("\n")[0]: section for section in text.split("### ")[1:]}
    assert list(sections) == [table["title"] for table in values["tables"]]
    for table in values["tables"]:
        rows = [line for line in sections[table["title"]].splitlines() if line.startswith("|")]
        assert {row.split(" | ")[0].removeprefix("| ") for row in rows[2:]} == _row_peers(table)
        assert len({row.count("|") for row in rows}) == 1
