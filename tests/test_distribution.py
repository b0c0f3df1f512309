"""What is published: a wheel and a source distribution, the same for the same tree; and what tests install."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parents[1]
KEPT: Final = ("smime_session", "cli", ".ci", "benchmarks", "docs", "samples", "tests")
LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "*.py[cod]")
BUILD: Final = (
    "import sys; sys.path.insert(0, '.'); import build_backend as b; print(b.{0}(sys.argv[1]), file=sys.stderr)"
)
REQUIREMENTS: Final = sorted([*ROOT.glob("tests/requirements*.txt"), ROOT / ".ci" / "requirements.txt"])


class Made(NamedTuple):
    """A tree, and what was built of it."""

    tree: Path
    sdist: Path
    wheel: Path


def _build(what: str, tree: Path, target: Path, umask: int, moment: int) -> Path:
    """Build as a tool without isolation does."""
    target.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("SOURCE_DATE_EPOCH", None)
    done = subprocess.run(
        [sys.executable, "-c", BUILD.format(f"build_{what}"), str(target)],
        cwd=tree,
        env=environment | ({"SOURCE_DATE_EPOCH": str(moment)} if moment else {}),
        umask=umask,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target / done.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Build from a copy of the tree, in which an earlier build left a module that is gone."""
    here = tmp_path_factory.mktemp("first")
    tree = here / "tree"
    for name in KEPT:
        shutil.copytree(ROOT / name, tree / name, ignore=LEFT_OUT)
    for path in (*ROOT.glob("*.md"), *(ROOT / each for each in ("LICENSE", "MANIFEST.in", "pyproject.toml"))):
        shutil.copy2(path, tree)
    for name in ("build_backend.py", ".gitattributes", ".gitignore"):
        shutil.copy2(ROOT / name, tree)
    (tree / "build" / "lib" / "smime_session").mkdir(parents=True)
    (tree / "build" / "lib" / "smime_session" / "gone.py").write_text("")
    (tree / "notes.txt").write_text("not for others")
    return Made(tree, *(_build(what, tree, here, 0o022, 1_700_000_000) for what in ("sdist", "wheel")))


@pytest.fixture(scope="module")
def second(first: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Build again, later, with another umask, from what the first source distribution holds."""
    here = tmp_path_factory.mktemp("second")
    subprocess.run(["tar", "xzf", first.sdist], cwd=here, check=True)
    tree = here / first.sdist.name.removesuffix(".tar.gz")
    for path in tree.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return Made(tree, *(_build(what, tree, here, 0o077, 1_700_000_000) for what in ("sdist", "wheel")))


def test_the_same_tree_makes_the_same_archives(first: Made, second: Made) -> None:
    """Two wheels are the same octets, and two source distributions, whatever the umask, the clock and the folder."""
    assert first.wheel.read_bytes() == second.wheel.read_bytes()
    assert first.sdist.read_bytes() == second.sdist.read_bytes()


def test_without_a_date_they_are_of_one_day(first: Made) -> None:
    """Nobody needs to set SOURCE_DATE_EPOCH; who does, decides what the archive says."""
    days = {entry.date_time for entry in zipfile.ZipFile(first.wheel).infolist()}
    assert days == {(2023, 11, 14, 22, 13, 20)}
    other = _build("wheel", first.tree, first.tree.parent / "other", 0o022, 0)
    assert {entry.date_time for entry in zipfile.ZipFile(other).infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_wheel_holds_the_packages_and_nothing_else(first: Made) -> None:
    """Every module of both packages, the mark that they are typed, the licence, and what describes a wheel."""
    modules = {f"smime_session/{path}" for path in _modules(first.tree / "smime_session")}
    modules |= {f"smime_session_cli/{path}" for path in _modules(first.tree / "cli")}
    with zipfile.ZipFile(first.wheel) as wheel:
        names = wheel.namelist()
        (about,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
        described = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE")
        assert sorted(names) == sorted([*modules, "smime_session/py.typed", *(f"{about}/{each}" for each in described)])
        assert {entry.external_attr >> 16 for entry in wheel.infolist()} == {0o100644}
        assert wheel.read(f"{about}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert b"Root-Is-Purelib: true" in wheel.read(f"{about}/WHEEL")


def _modules(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*.py")]


def test_the_source_distribution_holds_the_tree_and_nothing_else(first: Made) -> None:
    """All that the repository has, so that it can be tested and built again; no note and no built file beside it."""
    tree = {path.relative_to(first.tree).as_posix() for path in first.tree.rglob("*") if path.is_file()}
    tree = {name for name in tree if not name.startswith(("build/", "smime_session.egg-info/"))} - {"notes.txt"}
    with tarfile.open(first.sdist) as packed:
        members = packed.getmembers()
    top = first.sdist.name.removesuffix(".tar.gz")
    names = {each.name.removeprefix(f"{top}/") for each in members if each.isfile()}
    made = {name for name in names if name.startswith("smime_session.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    assert names - made == tree
    assert {(each.uid, each.gid, each.uname, each.gname, each.mtime) for each in members} == {
        (0, 0, "", "", 1_700_000_000)
    }
    assert {each.name.removeprefix(f"{top}/") for each in members if each.isfile() and each.mode == 0o755} == {
        path.relative_to(first.tree).as_posix()
        for path in first.tree.rglob("*")
        if path.is_file() and os.access(path, os.X_OK) and path.stat().st_mode & 0o100
    }


def test_the_repository_holds_what_is_distributed(first: Made) -> None:
    """What is distributed is what git has; where there is no git, as in a source distribution, that cannot be asked."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode or not (ROOT / ".git").exists():
        pytest.skip("this is no git repository")
    ours = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    with tarfile.open(first.sdist) as packed:
        names = {each.name.partition("/")[2] for each in packed if each.isfile()}
    assert ours - names == set()


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_are_pinned_with_hashes(path: Path) -> None:
    """Each package has one version and the hashes of its files, and no registry is named."""
    text = path.read_text(encoding="utf-8")
    assert _unpinned(text.replace("\\\n", "").splitlines()) == []
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted-host|@ (git|file)", _without_words(text))


def test_no_two_test_modules_have_one_name() -> None:
    """Pytest tells modules outside of packages by their names alone, and a run of all of them would stop."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def _without_words(text: str) -> str:
    return re.sub(r"#.*", "", text)


def _unpinned(lines: Sequence[str]) -> list[str]:
    pinned = re.compile(r"[a-z0-9.\-\[\]]+==[\w.]+(\s*;[^#]*?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*(#.*)?")
    return [line for line in lines if line.strip() and not line.startswith(("#", " ")) and not pinned.fullmatch(line)]


def test_what_is_not_pinned_would_be_found() -> None:
    """The check knows versions without hashes, and ranges."""
    digest = f" --hash=sha256:{64 * 'a'}"
    assert _unpinned([f"click==8.1{digest}{digest}", "", "# words", f"a==1 ; os_name == 'nt'{digest}"]) == []
    assert len(_unpinned(["click==8.1", f"click>=8.1{digest}", "click", f"click==8.1{digest[:-1]}"])) == 4
