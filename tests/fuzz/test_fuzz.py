"""Every fuzz target for a short, fixed count; :mod:`tests.fuzz.run` runs them for hours."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from smime_session.cms import asn1
from tests.fuzz import run, seeds
from tests.fuzz.harness import Target, TooMuchError, execute, loop
from tests.fuzz.mutation import Shape, change_text, change_values, mutate, values_in
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from pathlib import Path

COUNT: Final = 400  # executions of each target: about half a second
HAS_WHEEL: Final = sys.platform == "linux" and platform.machine() == "x86_64" and sys.version_info < (3, 14)
GUIDED: Final = 3000  # of all together, led by coverage


def _random(seed: int) -> Random:
    return Random(seed)  # noqa: S311  # to be the same each time


@pytest.mark.parametrize("name", TARGETS)
def test_only_errors_of_ours_come_out(name: str) -> None:
    """Whatever a message, a key or a file is made of, reading it ends, soon, and in an error of this library."""
    loop(name, TARGETS[name], COUNT)


def test_coverage_leads_further(tmp_path: Path) -> None:
    """The same with atheris: all targets in one process, and nothing is found."""
    if importlib.util.find_spec("atheris") is None:
        if os.environ.get("CI") == "true" and HAS_WHEEL:
            pytest.fail("atheris is not installed, which .ci/requirements.txt has")
        pytest.skip("atheris is not installed")
    (report,) = run.run([run.EVERY], tmp_path, 0, GUIDED, more=["--seed", "1"])
    assert [path.read_text(errors="replace") for path in report.findings] == []
    assert report.executions >= GUIDED


@pytest.mark.parametrize("seed", range(50))
def test_one_value_is_changed_and_the_lengths_around_it_fit(seed: int) -> None:
    """A structural mutation of an envelope is mostly still one value from end to end; the same seed gives the same."""
    octets = seeds.envelopes_made()[0]
    made = change_values(octets, _random(seed))
    assert made == change_values(octets, _random(seed))
    if len(values_in(made)) == 1:
        assert asn1.parse(made).encoded == made


@pytest.mark.parametrize("shape", ["octets", "values", "text"])
def test_mutations_change_something(shape: Shape) -> None:
    """Most mutations differ from the seed and from each other, those of nothing too."""
    random = _random(1)
    for data in (b"", b"\x30\x80\x00\x00", seeds.PARTS, seeds.envelopes_made()[0]):
        made = {mutate(data, random, shape, [seeds.LETTER]) for _ in range(200)}
        assert len(made) > 20
    assert sum(len(values_in(change_values(seeds.envelopes_made()[0], random))) == 1 for _ in range(100)) > 70


def test_base64_in_a_mail_is_changed_inside() -> None:
    """One value of the envelope in a mail is changed, and the mail around it stays."""
    mail = seeds.encrypted_mails()[0]
    head, _, body = mail.partition(b"\r\n\r\n")
    made = {change_text(mail, _random(number)) for number in range(200)}
    assert sum(each.startswith(head + b"\r\n\r\n") and each != mail for each in made) > 20
    assert body


def _grows(data: bytes) -> None:
    bytearray(len(data) << 20).find(b"x")


def test_an_input_that_takes_too_much_is_a_finding() -> None:
    """A target that wastes memory is told, and one that raises something else is, with its octets."""
    wasteful = Target(_grows, lambda: [bytes(400)], "octets")
    with pytest.raises(TooMuchError, match="400 bytes took"):
        execute(wasteful, bytes(400))
    broken = Target(lambda data: print(data[7]), lambda: [b"\xab"], "octets")  # noqa: T201  # fails before
    with pytest.raises(AssertionError, match=r"^broken with ab: IndexError"):
        loop("broken", broken, 0)


def test_the_script_tells_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Executions for each target and for all, in words; the corpus is not to be in the tree."""
    assert run.main(["--corpus", str(tmp_path), "--runs", "20", "--plain", "session-keys"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1].split()[0] == "all"
    assert int(out.split()[1]) >= 20
    with pytest.raises(SystemExit):
        run.main(["--corpus", str(run.TREE / "tests"), "--runs", "1"])
    with pytest.raises(SystemExit):
        run.main(["--corpus", str(tmp_path)])
    assert "outside of the tree" in capsys.readouterr().err
