"""The floors: a module imports only from those below its own.

The table is the one of the design: each module, or all modules of a folder, stands on a floor. Modules
of one folder that share a floor may import each other, as long as they do it in no circle.
"""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
LIBRARY: Final = "smime_session"
COMMAND: Final = "cli"

FLOORS: Final = {
    "smime_session.algorithms": 0,
    "smime_session.errors": 0,
    "smime_session.memory": 0,
    "smime_session.text": 0,
    "smime_session.version": 0,
    "smime_session.profiles": 1,
    "smime_session.session_key": 1,
    "smime_session.streams": 1,
    "smime_session.arguments": 2,
    "smime_session.key_derivation": 2,
    "smime_session.cms": 3,
    "smime_session.content": 3,
    "smime_session.certificates": 4,
    "smime_session.mail": 4,
    "smime_session.keys": 5,
    "smime_session.recipients": 6,
    "smime_session.inspection": 7,
    "smime_session.operations": 8,
    "smime_session.smtp": 9,
    "smime_session": 10,
    "smime_session.aio": 11,
    "smime_session.batch": 11,
    "smime_session.contrib": 11,
    "smime_session.submission": 11,
    "cli": 12,
    "cli.commands": 13,
}
"""The floor of a module, or of all modules of a folder that have no row of their own."""

ALONE: Final = {"smime_session"}
"""Rows that stand for one module and not for those in its folder: a new module wants a row."""

DOORS: Final = {
    "asn1crypto": {"smime_session.cms.codec", *(f"smime_session.keys.{name}" for name in ("locks", "pkcs8", "pkcs12"))},
    "click": {COMMAND},
}
"""Dependencies that only these modules, or those of these folders, may import."""


MOST_INSIDE: Final = 40  # imports inside functions
REASON: Final = re.compile(r"#\s*(?!noqa|type:)[^#]*\w{3,}")
"""A comment that says something."""

HIDDEN: Final = {
    "smime_session.certificates.plain": "smime_session.certificates.certificate",
    "smime_session.certificates.extensions": "smime_session.certificates.plain",
}
"""Modules that only one other knows: how a certificate is read quickly is no matter of those that use it."""


GUESTS: Final = ("smime_session.aio", "smime_session.batch", "smime_session.contrib", "smime_session.submission")
"""Rooms that stand on the library's public names alone, as a program of its users does."""


class Import(NamedTuple):
    """One import of one module.

    Attributes:
        importer: who imports.
        imported: what, as a module's dotted name.
        typing: whether only type checkers see it.
        line: where.
    """

    importer: str
    imported: str
    typing: bool
    line: int

    def __str__(self) -> str:
        return f"{self.importer} imports {self.imported} in line {self.line}"


def _modules() -> dict[str, Path]:
    paths = [path for folder in (LIBRARY, COMMAND) for path in sorted((ROOT / folder).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


MODULES: Final = _modules()


def _floor(module: str) -> int | None:
    row = module
    while row not in FLOORS or (row in ALONE and row != module):
        row, dot, _ = row.rpartition(".")
        if not dot:
            return None
    return FLOORS[row]


def _folder(module: str) -> str:
    """Return the package of a module; an ``__init__`` is in its own."""
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _statements(node: ast.AST, *, typing: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Yield every import in a module, inside functions too, and whether only type checkers see it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, typing
        elif _is_type_checking(child):
            yield from _statements(child, typing=True)
        else:
            yield from _statements(child, typing=typing)


def _imported(importer: str, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Yield the modules that a statement imports; a name inside a module counts as the module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        package = _folder(importer).split(".")
        base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
    for alias in node.names:
        yield name if (name := f"{base}.{alias.name}") in MODULES else base


def _imports() -> list[Import]:
    return [
        Import(importer, imported.replace("smime_session_cli", COMMAND), typing, node.lineno)
        for importer, path in MODULES.items()
        for node, typing in _statements(ast.parse(path.read_bytes(), str(path)))
        for imported in _imported(importer, node)
    ]


IMPORTS: Final = _imports()
INTERNAL: Final = [each for each in IMPORTS if each.imported in MODULES]


def _allowed(each: Import) -> bool:
    above, below = _floor(each.importer), _floor(each.imported)
    if above is None or below is None:
        return False
    if above != below:
        return above > below
    return each.typing or _folder(each.importer) == _folder(each.imported)


def test_every_module_has_a_floor() -> None:
    """A new module is placed, by a row of its own or in a folder that has one."""
    assert [module for module in MODULES if _floor(module) is None] == []


def test_every_internal_import_is_known() -> None:
    """The imports that are checked are all of them: none names a module that does not exist."""
    own = [each for each in IMPORTS if each.imported.partition(".")[0] in (LIBRARY, COMMAND)]
    assert len(INTERNAL) > 100
    assert [str(each) for each in own if each.imported not in MODULES] == []


def test_imports_go_down() -> None:
    """A module imports from floors below its own, or from its neighbours; types may come from its own floor."""
    assert [str(each) for each in INTERNAL if not _allowed(each)] == []


def test_imports_go_in_no_circle() -> None:
    """No module needs itself, however far around."""
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for each in INTERNAL:
        if not each.typing:
            graph[each.importer].add(each.imported)
    # A package that picks among its own modules when asked is not part of what they are built on.
    for package in MODULES:
        graph[package] -= {module for module in graph[package] if _folder(module) == package == _folder(package)}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


@pytest.mark.parametrize("dependency", DOORS)
def test_a_dependency_stops_at_its_door(dependency: str) -> None:
    """The untyped ASN.1 library has one importer, and the command's library is none of the library's."""
    importers = {each.importer for each in IMPORTS if each.imported.partition(".")[0] == dependency}
    assert importers
    doors = DOORS[dependency]
    assert {
        importer for importer in importers if importer not in doors and importer.partition(".")[0] not in doors
    } == set()


@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_hidden_module_has_one_importer(hidden: str) -> None:
    """What is behind a door is reached through it alone."""
    assert {each.importer for each in INTERNAL if each.imported == hidden} == {HIDDEN[hidden]}


@pytest.mark.parametrize("guest", GUESTS)
def test_a_guest_uses_public_names_alone(guest: str) -> None:
    """What is built beside the library imports the package itself, and no module inside it."""
    own = [each for each in INTERNAL if f"{each.importer}.".startswith(f"{guest}.")]
    assert own
    inside = [each for each in own if each.imported != LIBRARY and not f"{each.imported}.".startswith(f"{guest}.")]
    assert [str(each) for each in inside] == []


def _inside_functions(node: ast.AST, *, inside: bool = False) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that are carried out when a function is called."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            if inside:
                yield child
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _inside_functions(child, inside=inside or function)


def test_imports_stand_at_the_top() -> None:
    """One stands inside a function only where start-up needs it, and says why: on its line, or on the one above."""
    found: list[str] = []
    without_reason: list[str] = []
    for module, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in _inside_functions(ast.parse(text)):
            found.append(place := f"{module}, line {node.lineno}: {ast.unparse(node)}")
            own = "\n".join(lines[node.lineno - 1 : node.end_lineno])
            above = lines[node.lineno - 2].strip()
            if not (REASON.search(own) or (above.startswith("#") and REASON.match(above))):
                without_reason.append(place)
    assert without_reason == []
    assert len(found) < MOST_INSIDE, "\n".join(found)


def test_the_library_does_not_know_its_command() -> None:
    """Nothing under the library imports the command."""
    assert [
        str(each) for each in IMPORTS if each.importer.startswith(LIBRARY) and each.imported.startswith(COMMAND)
    ] == []
