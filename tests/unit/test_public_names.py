"""The public names of the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import smime_session


def test_every_public_name_is_there() -> None:
    """Each name of ``__all__`` can be imported, and no other is offered."""
    for name in smime_session.__all__:
        assert getattr(smime_session, name) is not None
    assert dir(smime_session) == sorted(smime_session.__all__)


def test_public_names_are_sorted() -> None:
    """``__all__`` is in plain string order."""
    assert smime_session.__all__ == sorted(smime_session.__all__)


def test_type_checkers_see_what_is_imported_at_run_time() -> None:
    """The names are declared for type checkers with the modules that they are taken from."""
    tree = ast.parse(Path(smime_session.__file__).read_text())
    declared = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert declared == {name: f"smime_session.{module}" for name, module in smime_session._HOMES.items()}
    assert {*declared, "__version__"} == set(smime_session.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """What is not public is not found."""
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = smime_session.nothing  # type: ignore[attr-defined]
