"""What every peer that is a program offers: the commands that encrypt and decrypt a file."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from benchmarks.fixtures import Group
    from benchmarks.measuring import Command
    from benchmarks.suites import Suite


class Program(ABC):
    """A program that encrypts and decrypts files.

    Attributes:
        name: in tables.
        suites: the names of the content encryptions it has; None stands for all.
        form: what it wants to decrypt: a mail, or a bare CMS object.
    """

    name: ClassVar[str]
    suites: ClassVar[tuple[str, ...] | None] = None
    form: ClassVar[Literal["mail", "der"]] = "mail"

    @abstractmethod
    def absent(self) -> str | None:
        """Say why it cannot be run, if it cannot."""

    def start(self, group: Group, folder: Path, ends: ExitStack) -> None:  # noqa: B027  # most have nothing to do
        """Get ready for the first recipient of ``group``, in an empty folder; what must be ended goes to ``ends``."""

    @abstractmethod
    def encrypt(self, suite: Suite, mail: Path, out: Path, certificates: Sequence[Path]) -> Command:
        """Return the command that encrypts ``mail``."""

    @abstractmethod
    def decrypt(self, suite: Suite, sealed: Path, out: Path, key_file: Path) -> Command:
        """Return the command that decrypts ``sealed``."""

    def has(self, suite: Suite) -> bool:
        """Tell whether it can do this one."""
        return self.suites is None or suite.name in self.suites


def not_found(*programs: str) -> str | None:
    """Name the programs that are not on the PATH, if any."""
    missing = [program for program in programs if not shutil.which(program)]
    return f"{' and '.join(missing)} not found on the PATH" if missing else None
