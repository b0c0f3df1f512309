"""``--cluster`` and ``--journal``: a run whose work is done elsewhere, and what is known of it here."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from smime_session import BatchError
from smime_session.batch import (
    Cluster,
    Credentials,
    TravellingWork,
    forks,
    fresh_processes,
    is_url,
    journal_beside,
    processes,
)

from .options import PATH, MisuseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from contextlib import ExitStack

    from smime_session.batch import Preparation, Work

CLUSTER_OPTIONS: Final = ("cluster", "cluster_ca", "cluster_cert", "cluster_key", "journal")
_HELP: Final = {
    "--cluster": "Let a Dask cluster do the work; this is the address of its scheduler, tls://HOST:8786.",
    "--cluster-ca": "The certificate of the authority of the cluster (PEM), for tls://.",
    "--cluster-cert": "The certificate for this member of the cluster (PEM), for tls://.",
    "--cluster-key": "Its private key (PEM, without a passphrase), for tls://.",
    "--journal": "Keep the journal in this folder; if not given, beside TARGET, or here if that is a URL.",
}
_MOST_OF_NAME: Final = 200  # characters


class Crew(NamedTuple):
    """Who works.

    Attributes:
        executor: makes workers.
        prepare: the work on its way to them; None if they inherit it.
        jobs: how many there are; None for as many as there are processors.
    """

    executor: Callable[[int], Executor]
    prepare: Preparation | None
    jobs: int | None


class Elsewhere(NamedTuple):
    """What of a run is not on this machine, or not beside the target.

    Attributes:
        address: the scheduler of a cluster, or None.
        authority: the file with the certificate of its authority, or None.
        certificate: the file with the certificate for it, or None.
        key: the file with the private key of that, or None.
        journal: the folder of the journal, or None.
    """

    address: str | None
    authority: str | None
    certificate: str | None
    key: str | None
    journal: str | None

    def check(self) -> None:
        """Check that the options go together.

        Raises:
            MisuseError: they do not.
        """
        given = [each for each in (self.authority, self.certificate, self.key) if each]
        if given and not self.address:
            raise MisuseError(
                "--cluster-ca, --cluster-cert and --cluster-key are about a cluster", "--cluster names it"
            )
        if given and None in (self.authority, self.certificate, self.key):
            raise MisuseError("TLS to a cluster takes all of --cluster-ca, --cluster-cert and --cluster-key")

    def _credentials(self) -> Credentials | None:
        if self.authority and self.certificate and self.key:
            return Credentials(self.authority, self.certificate, self.key)
        return None

    def crew(self, work: Work, jobs: int | None, stack: ExitStack, *, reads: bool, fresh: bool) -> Crew:
        """Return who works: processes that inherit, processes that do not, or a cluster.

        Args:
            work: what is done.
            jobs: how many are wanted.
            stack: ends what is begun.
            reads: whether private keys are used to read.
            fresh: whether processes inherit nothing, as connections do not survive that.

        Raises:
            BatchError: the cluster cannot be reached, or private keys may not travel there.
        """
        if self.address is None:
            if forks() and not fresh:
                return Crew(processes, None, jobs)
            return Crew(fresh_processes, TravellingWork(work, private_keys=True).released(), jobs)
        cluster = stack.enter_context(Cluster(self.address, self._credentials()))
        travelling = TravellingWork(work, private_keys=reads)
        cluster.check(travelling)
        return Crew(cluster, travelling, jobs or cluster.threads)

    def journal_of(self, target: str, share: str) -> Path:
        """Return the folder of the journal.

        Raises:
            BatchError: it has other things in it, or there is no folder that it could be in.
        """
        if self.journal is None and not is_url(target):
            folder, what = journal_beside(target, share), "target"
        else:
            here = re.sub(r"[^A-Za-z0-9.-]+", "-", target)[-_MOST_OF_NAME:]
            folder, what = Path(self.journal) if self.journal else journal_beside(here, share), "journal"
            if folder.is_dir() and any(not _is_ours(name) for name in os.listdir(folder)):  # noqa: PTH208
                raise BatchError(f"{folder} is no folder for a journal: there are other files in it")
        if not (parent := Path(os.path.realpath(folder)).parent).is_dir():
            raise BatchError(f"there is no folder {parent} for the {what}")
        return folder

    def settings(self, target: str) -> dict[str, str]:
        """Return what the journal is to know of the target, if its place does not say it."""
        if is_url(target):
            return {"TARGET": target}
        return {"TARGET": os.path.realpath(target)} if self.journal else {}


def _is_ours(name: str) -> bool:
    return name == "lock" or name.startswith("journal.sqlite")


def cluster_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the function gets them as one argument, ``elsewhere``."""

    @functools.wraps(function)
    def collect(*arguments: object, **options: Any) -> object:  # noqa: ANN401  # whatever click passes
        elsewhere = Elsewhere(*(options.pop(name) for name in CLUSTER_OPTIONS))
        elsewhere.check()
        return function(*arguments, elsewhere=elsewhere, **options)

    added: Callable[..., Any] = collect
    for option, kind, metavar in (
        ("--journal", PATH, "FOLDER"),
        ("--cluster-key", PATH, "FILE"),
        ("--cluster-cert", PATH, "FILE"),
        ("--cluster-ca", PATH, "FILE"),
        ("--cluster", str, "ADDRESS"),
    ):
        added = click.option(option, metavar=metavar, type=kind, help=_HELP[option])(added)
    return added
