"""The benchmark runs: one table with a row for each peer that is installed, the others named, and all of it as JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from benchmarks.document import SHOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.xdist_group("benchmarks")  # at the same time as itself it would measure itself

_FOLDER: Final = Path(__file__).parents[1] / "benchmarks"
_PROGRAMS: Final = {
    "openssl cms": "openssl",
    "gpgsm": "gpgsm",
    "NSS cmsutil": "cmsutil",
    "Bouncy Castle (Java)": "javac",
}


def _run(script: str, values: Path, *arguments: str, **environment: str) -> tuple[str, dict[str, Any]]:
    command = (sys.executable, str(_FOLDER / script), *arguments, "--json", str(values))
    surroundings = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=surroundings)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(values.read_text())


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """Run ``--quick`` once; return what it printed, and its values."""
    return _run("run.py", tmp_path_factory.mktemp("benchmarks") / "values.json", "--quick")


def _table(text: str, head: str) -> list[list[str]]:
    """Return the cells of the table that begins with a line, without the rule under it."""
    lines = text[text.index(head) :].splitlines()
    rows = lines[: next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in [rows[0], *rows[2:]]]


def _peers(values: Mapping[str, Any], words: str) -> set[str | None]:
    return {row["peer"] for row in values["rows"] if words in row["work"]}


@pytest.mark.parametrize("operation", ["encrypt", "decrypt"])
def test_every_peer_is_in_the_table_or_named_as_left_out(measured: tuple[str, dict[str, Any]], operation: str) -> None:
    """A program that is installed has a row for a process of its own; one that is not has a line that says so."""
    text, values = measured
    there = _peers(values, f"a process: {operation} 10 KB: RSA-2048, AES-128-CBC")
    for name, program in _PROGRAMS.items():
        assert (name in there) != (name in values["left_out"]), name
        if not shutil.which(program):
            assert f"- left out: {name} (" in text


def test_the_peer_in_c_is_in_the_table_or_named_as_left_out(measured: tuple[str, dict[str, Any]]) -> None:
    """Where it cannot be compiled, a line says why."""
    text, values = measured
    there = "libcrypto (C)" in _peers(values, "encrypt 10 KB, 1 recipient: P-256")
    assert there != ("- left out: libcrypto (C) (cc " in text)


def test_peers_that_are_not_installed_are_named(tmp_path: Path) -> None:
    """With nothing on the PATH the run succeeds, with our rows, and names every program with the reason."""
    empty = tmp_path / "bin"
    empty.mkdir()
    only = ("--only", "process", "--only", "recipients")
    text, values = _run(
        "run.py", tmp_path / "values.json", "--quick", *only, PATH=str(empty), SMIME_SESSION_CMSBENCH=""
    )
    assert set(values["left_out"]) == {*_PROGRAMS, "libcrypto (C)"}
    assert "- left out: gpgsm (gpgsm and gpg-agent and gpgconf not found on the PATH)" in text
    assert _peers(values, "a process") == {"Python, click and cryptography alone", "cryptography, a script", None}


def test_every_row_is_complete(measured: tuple[str, dict[str, Any]]) -> None:
    """Our value is positive; a peer's comes with it and a ratio; a target or bound comes with a verdict."""
    for row in measured[1]["rows"]:
        assert row["ours"] > 0, row
        assert (row["peer"] is None) == (row["theirs"] is None) == (row["ratio"] is None), row
        assert (row["met"] is None) == (row["target"] is None and row["bound"] is None), row
        assert len(row["rounds"]) == 1


def test_the_kinds_of_key_without_a_peer_have_a_bound(measured: tuple[str, dict[str, Any]]) -> None:
    """What no peer can do is judged by itself."""
    bounds = {row["work"]: row["bound"] for row in measured[1]["rows"] if row["unit"] == "recipients/s"}
    assert len(bounds) == 2
    assert set(bounds.values()) == {15_000}


def test_the_text_is_one_table_and_where_the_time_goes(measured: tuple[str, dict[str, Any]]) -> None:
    """Standard output is Markdown: a line for each row of the values, every one as wide as the head."""
    text, values = measured
    head, *rows = _table(text, "| work |")
    assert head == ["work", "peer", "peer's", "ours", "ratio"]
    assert [row[:2] for row in rows] == [[row["work"], row["peer"] or "-"] for row in values["rows"]]
    assert {len(row) for row in rows} == {len(head)}
    stages = _table(text, "| stage |")
    names = ["read", "parse", "wrap", "seal", "base64", "write", "the rest", "all, CPU time"]
    assert [row[0] for row in stages[1:]] == names


def test_the_shares_of_the_stages_are_a_whole(measured: tuple[str, dict[str, Any]]) -> None:
    """Each profile took time, and its stages share all of it."""
    assert [profile["work"] for profile in measured[1]["profiles"]] == [
        *("encrypt 10 KB", "decrypt 10 KB", "encrypt 4 MB", "decrypt 4 MB"),
    ]
    for profile in measured[1]["profiles"]:
        assert profile["seconds"] > 0
        assert sum(profile["shares"].values()) == pytest.approx(1)


def test_the_table_goes_into_the_page(measured: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    """The rows that the page shows stand between the marks; what stands around them is kept."""
    text, values = measured
    page, results = tmp_path / "performance.md", tmp_path / "results.json"
    page.write_text("before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n")
    results.write_text(json.dumps(values))
    command = (sys.executable, str(_FOLDER / "document.py"), "--page", str(page), "--results", str(results))
    subprocess.run(command, check=True, timeout=60)
    written = page.read_text()
    assert written.startswith("before\n<!-- results -->\n\n- Python: ")
    assert written.endswith("\n<!-- end of results -->\nafter\n")
    shown = {row["work"] for row in values["rows"]} & SHOWN
    assert shown
    assert {row[0] for row in _table(written, "| work |")[1:]} == shown
    assert set(written.splitlines()) - set(text.splitlines()) == {
        "before",
        "after",
        "<!-- results -->",
        "<!-- end of results -->",
    }


def test_growth_is_measured_in_three_dimensions(tmp_path: Path) -> None:
    """Recipients, mails and sizes each have a series of ours with memory, and a line of slopes for each series."""
    text, values = _run("growth.py", tmp_path / "growth.json", "--quick")
    own = [series for series in values["series"] if series["ours"] and series["points"][0]["memory"]]
    assert [series["dimension"] for series in own] == ["recipients", "mails", *(["octets of a mail"] * 2)]
    for series in own:
        assert [point["amount"] for point in series["points"]] == sorted(point["amount"] for point in series["points"])
        assert all(point["seconds"] > 0 and point["memory"] > 0 for point in series["points"])
    _, *rows = _table(text, "| what grows |")
    assert [row[:2] for row in rows] == [[one["dimension"], one["label"]] for one in values["series"]]


def test_batch_is_measured_in_all_ways(tmp_path: Path) -> None:
    """Each way takes time, and the steps of a mail are all that it costs."""
    text, values = _run("batch.py", tmp_path / "batch.json", "--mails", "40", "--sampled", "4", "--rounds", "1")
    (ways,) = values["rounds"]
    wanted = 9 if shutil.which("openssl") and shutil.which("xargs") else 7
    assert len(ways) == wanted
    assert all(each["clock"] > 0 and each["processors"] > 0 for each in ways.values())
    assert [row[0] for row in _table(text, "| 40 mails ")[1:]] == list(ways)
    split = values["split"]
    assert sum(split["steps"].values()) == pytest.approx(split["seconds"])
    assert all(split["steps"][step] > 0 for step in ("read", "write", "sync and rename", "journal"))
    assert [row[0] for row in _table(text, "| a mail,")[1:]] == [*split["steps"], "all"]
