"""Other programs that the tests of credentials talk to."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def require_program(name: str) -> str:
    """Return the path of a program; a test that needs a missing one is skipped, and fails where CI runs."""
    if path := shutil.which(name):
        return path
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed")
    pytest.skip(f"{name} is not installed")


@pytest.fixture
def openssl(tmp_path: Path) -> Callable[..., bytes]:
    """Return a function that runs ``openssl`` in ``tmp_path`` and returns its output; arguments are split at spaces."""
    program = require_program("openssl")

    def run(arguments: str, stdin: bytes = b"") -> bytes:
        command = [program, *arguments.split()]
        done = subprocess.run(command, input=stdin, cwd=tmp_path, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return run
