"""The ``smime-session`` command.

========================  ============================================================
``root``                  the command itself: finds a subcommand, runs it, reports failure
``commands``              one file for each subcommand: options in, one library call, words out
``options``               options that several subcommands share
``settings``              what options are if the command line says nothing: a file and the environment
``parsing``               how arguments are parsed, and which of them are refused
``credentials``           certificates and saved session keys, from files to objects
``passphrases``           what unlocks: from files, the environment, or typed
``recipients``            what ``-r`` names
``private_keys``          ``-i`` and what unlocks it
``encrypting``            what encrypt and send share: recipients, algorithms, and encrypting with them
``submitting``            the submission server, and handing mails to it
``batching``              what the subcommands of batch share: options, and the run
``works``                 what they do to each message
``sendmail_words``        the command line of sendmail; ``sysexits``: its exit statuses
``rewrapping``            what rewrap and batch rewrap share: who comes, who goes
``listed``                whom the messages of a batch are for, from a list
``shared_secrets``        passwords and shared keys, likewise
``readers``               the options of ``rewrap`` that say whom to add and whom to remove
``files``, ``streams``    what is read and written, and how a file is replaced
``interruption``          what a signal leaves behind: nothing
``screen``                what of it a terminal may show
``progress``              how far long work has come
``tree``, ``summary``     what was found out as text
``help``, ``manual``      the help of a subcommand, and manual pages made of it
``console``               every word to people
``failures``              every exception as an exit status, a sentence and a hint
========================  ============================================================
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final, NoReturn

_GARBAGE_THRESHOLD: Final = 100_000
"""New objects between two searches for garbage: loading makes 35,000, and every one of them stays.

This buys 7 % of the processor time of encrypting one mail.
"""


def main() -> NoReturn:
    """Run the command with the arguments of the process, and exit."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while modules load ends the process without a traceback
    gc.set_threshold(_GARBAGE_THRESHOLD)
    from .root import run  # loads all the rest, which Ctrl-C may end from here on

    _end(run(sys.argv[1:]))


def _end(status: int) -> NoReturn:
    """End the process as :func:`sys.exit` does, but let the system take its memory back all at once.

    Taking thousands of modules and functions apart one by one takes a sixth of the processor time of encrypting
    one mail. What is to be wiped has been by now, files are closed, and what others registered for the end is done.
    """
    atexit._run_exitfuncs()  # noqa: SLF001  # the interpreter's own call at this point
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):  # full, or closed: the interpreter has its own words and status for this
        sys.exit(status)
    os._exit(status)
