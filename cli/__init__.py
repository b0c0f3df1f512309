"""The ``smime-session`` command.

========================  ============================================================
``root``                  the command itself: finds a subcommand, runs it, reports failure
``encrypt``, ``decrypt``  one file for each subcommand: options in, one library call,
``inspect``, ``rewrap``,  words out
``session_key``,
``identity``
``options``               options that several subcommands share
``credentials``           certificates, private keys and passphrases, from files to objects
``files``                 what is read and written, and how a file is replaced
``progress``              how far long work has come
``tree``                  what was found out as text
``console``               every word to people
``failures``              every exception as an exit status, a sentence and a hint
========================  ============================================================
"""

from __future__ import annotations

from typing import NoReturn


def main() -> NoReturn:
    """Run the command with the arguments of the process, and exit."""
    import signal
    import sys

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while modules load ends the process without a traceback
    from .root import run

    sys.exit(run(sys.argv[1:]))
