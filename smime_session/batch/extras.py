"""Packages that only some runs take, and that an extra of this one brings."""

from __future__ import annotations

import importlib
from typing import Any

from smime_session import BatchError


def extra(module: str, name: str, what: str) -> Any:  # noqa: ANN401  # a module
    """Return a module of a package that may be absent.

    Args:
        module: the module.
        name: the extra that brings it.
        what: what takes it, to begin a sentence with.

    Raises:
        BatchError: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise BatchError(f"{what} needs the package {package}: pip install 'smime-session[{name}]'") from None
