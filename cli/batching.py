"""What the subcommands of ``batch`` share: where messages come from and go, the run, and what is told of it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import stat
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import click

from smime_session import BatchError
from smime_session.batch import (
    ARCHIVE_FORMS,
    ArchiveTarget,
    FolderSource,
    FolderTarget,
    Journal,
    MaildirSource,
    MaildirTarget,
    MboxSource,
    MboxTarget,
    PathsSource,
    Shard,
    TarSource,
    UrlSource,
    UrlTarget,
    ZipSource,
    check_url,
    is_maildir,
    is_tar,
    is_url,
    local_path,
    run,
)

from .clustering import CLUSTER_OPTIONS, cluster_options
from .console import say, say_wrapped
from .files import SHARED
from .metering import Meter
from .options import PATH, MisuseError
from .shared_secrets import marks
from .streams import standard_stream
from .works import secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from smime_session.batch import ArchiveForm, MboxForm, Source, Tally, Target, Work

    from .clustering import Elsewhere

    _Type = click.ParamType[Shard]
else:
    _Type = click.ParamType  # which takes no subscript in click 8.1

_MOST_REASONS: Final = 20
_FILES: Final = ("mbox", *ARCHIVE_FORMS)
_BLOCK: Final = 1 << 20
_NO_SETTINGS: Final = frozenset(
    {"source", "jobs", "report", "retry_failed", "quiet", "verbose", "shard", *CLUSTER_OPTIONS}
)
"""What may change between a run and its resumption."""
_SECRETS: Final = frozenset(
    {"passphrase_files", "passphrase_keyrings"}.union(
        *(
            {f"{prefix}password", f"{prefix}password_files", f"{prefix}password_envs", f"{prefix}shared_keys"}
            for prefix in ("", "add_")
        )
    )
)
"""What names secrets. Wherever they come from, marks tell whether they are the same; a key is, whatever unlocks it."""
_HELP: Final = {
    "--in-place": "Put each result into the place of its message; there is no TARGET then.",
    "--target-form": "What TARGET is; if not given, what its name ends in (.mbox, .zip, .tar, .tar.gz, .tar.zst), or"
    " a folder, or the Maildir that is there.",
    "--mbox-form": "How an mbox that is read keeps lines that begin with From.",
    "--jobs": "Work with N processes; as many as there are processors if not given.",
    "--shard": "Work on share I of N only, for schedulers that start a process on each machine.",
    "--retry-failed": "Try again what failed in earlier runs.",
    "--report": "Write a line of JSON for each message to this file.",
}


_SOURCES: Final[dict[str, type[FolderSource | MaildirSource | ZipSource | TarSource]]] = {
    "folder": FolderSource,
    "maildir": MaildirSource,
    "zip": ZipSource,
    "tar": TarSource,
}


class _ShardType(_Type):
    name = "I/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard:  # noqa: ANN401  # whatever click passes
        number, _, count = str(value).partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            self.fail(f"{value} is not a share: 2/8 is the second of eight", param, ctx)
        return Shard(int(number), int(count))


class Batch(NamedTuple):
    """A run, as the options say.

    Attributes:
        source: where messages come from.
        target: where they go; None if they stay in place.
        in_place: whether they do.
        target_form: what the target is: folder, maildir, mbox or an archive; None for what its name says.
        mbox_form: how an mbox that is read quotes its lines.
        jobs: how many processes; None for as many as there are processors.
        shard: the share that is worked on, or None for all.
        retry_failed: whether what failed is tried again.
        report: the file for a line about each message, or None.
        elsewhere: the cluster that does the work, and where the journal is.
    """

    source: str
    target: str | None
    in_place: bool
    target_form: str | None
    mbox_form: MboxForm
    jobs: int | None
    shard: Shard | None
    retry_failed: bool
    report: str | None
    elsewhere: Elsewhere

    def check(self) -> None:
        """Check that the options go together.

        Raises:
            MisuseError: they do not.
        """
        if self.in_place and self.target is not None:
            raise MisuseError("--in-place and a target exclude each other")
        if not self.in_place and self.target is None:
            raise MisuseError("no target was given", "--in-place puts results into the place of the messages")
        if self.in_place and self.target_form:
            raise MisuseError("--target-form is about a target, and --in-place has none")
        if self.target is not None and _is_inside(self.target, self.source):
            raise MisuseError(f"{self.target} is inside of {self.source}, and would be worked on too")
        for path in (self.source, self.target or ""):
            if is_url(path):
                check_url(path)
            if path.startswith("memory://"):
                raise MisuseError("memory:// is seen by one process alone", "the library can use it with threads")
        if self.elsewhere.address and self.in_place:
            raise MisuseError("--in-place is for this machine alone, without --cluster")
        if self.in_place and is_url(self.source):
            raise MisuseError("--in-place goes with a folder or a Maildir")

    def opened(self) -> Source:
        """Return where messages come from.

        Raises:
            MisuseError: there is nothing of a kind that is known.
        """
        kind = self.kind()
        if self.in_place and kind not in ("folder", "maildir"):
            raise MisuseError("--in-place goes with a folder or a Maildir")
        if kind == "paths":
            lines = standard_stream("stdin").read().split(b"\n")
            return PathsSource(tuple(os.fsdecode(line) for line in lines if line), os.getcwd())  # noqa: PTH109
        if kind == "url":
            return UrlSource(self.source)
        if kind == "tar" and self.elsewhere.address:
            raise MisuseError("a tar is read from its start, and not by the workers of a cluster", "unpack it first")
        if kind == "mbox":
            return MboxSource(os.path.abspath(self.source), self.mbox_form)  # noqa: PTH100  # workers may be elsewhere
        return _SOURCES[kind](os.path.abspath(self.source))  # noqa: PTH100

    def kind(self) -> str:
        """Return what the source is: paths, url, folder, maildir, zip, tar or mbox.

        Raises:
            MisuseError: it is nothing of these.
        """
        if self.source == "-":
            return "paths"
        if is_url(self.source):
            return "url"
        if os.path.isdir(self.source):  # noqa: PTH112  # as elsewhere here
            return "maildir" if is_maildir(self.source) else "folder"
        nothing = f"{self.source} is no folder, Maildir, mbox, zip or tar"
        if not stat.S_ISREG(os.stat(self.source).st_mode):  # noqa: PTH116  # as above; a device may never end
            raise MisuseError(nothing)
        with Path(self.source).open("rb") as file:
            start = file.read(5)
        if not start or start == b"From ":
            return "mbox"
        if zipfile.is_zipfile(self.source):
            return "zip"
        if is_tar(self.source):
            return "tar"
        raise MisuseError(nothing)

    def _target(self, permissions: int, suffix: str) -> Target:
        """Return where what is made goes.

        Raises:
            MisuseError: it does not go with the other options.
        """
        share = f"-{self.shard}" if self.shard else ""
        path = self.source if self.in_place else str(self.target)
        form = self._target_form(path)
        if suffix and form != "folder":
            raise MisuseError(
                "a file for each message goes to a folder", "TARGET is a folder, and --target-form is left out"
            )
        if form != "folder" and (is_url(path) or self.elsewhere.address):
            raise MisuseError("with --cluster, and by URL, TARGET is a folder", "--target-form is left out")
        if is_url(path):
            return UrlTarget(path, suffix)
        if form == "maildir":
            return MaildirTarget(path, self.in_place, permissions & ~0o077, share)
        if form != "folder" and self.shard:
            raise MisuseError("--shard goes with a folder or a Maildir", "an mbox or an archive has one writer")
        if form == "mbox":
            return MboxTarget(path, permissions)
        if form != "folder":
            return ArchiveTarget(path, cast("ArchiveForm", form), permissions)
        if self.elsewhere.address:
            path = os.path.abspath(path)  # noqa: PTH100  # workers are in other folders
        return FolderTarget(path, self.in_place, permissions, suffix, share)

    def _target_form(self, path: str) -> str:
        if self.target_form:
            return self.target_form
        if self.kind() == "maildir" and self.in_place:
            return "maildir"
        if is_maildir(path):
            return "maildir"
        forms = {f".{form}": form for form in _FILES} | {".tgz": "tar.gz"}
        found = (form for ending, form in forms.items() if path.lower().endswith(ending) and not os.path.isdir(path))  # noqa: PTH112
        return next(found, "folder")

    def carry_out(  # noqa: PLR0913  # what differs between the subcommands
        self,
        verb: str,
        source: Source,
        prepare: Callable[[], Work],
        *,
        permissions: int = SHARED,
        suffix: str = "",
        reads: bool = False,
        quiet: bool = False,
    ) -> None:
        """Work on all messages, and tell what became of them.

        Args:
            verb: what is done to them (``encrypted``).
            source: where they come from.
            prepare: loads what is needed, once nothing speaks against the run.
            permissions: those of new files, less the umask.
            suffix: what is added to the names of files.
            reads: whether private keys are used to read, and so may travel to a cluster.
            quiet: whether to tell of failures alone.

        Raises:
            BatchError: a message failed, or the run cannot begin or go on.
            SmimeError: something cannot be loaded.
            OSError: the source cannot be read, or the report not be written.
        """
        share = f"-{self.shard}" if self.shard else ""
        target = self._target(permissions, suffix)
        folder = self.elsewhere.journal_of(target.path, share)
        settings = _settings() | self.elsewhere.settings(target.path)
        work = prepare()
        with contextlib.ExitStack() as stack:
            crew = self.elsewhere.crew(
                work, self.jobs, stack, reads=reads, fresh=is_url(self.source) or is_url(target.path)
            )
            journal = stack.enter_context(Journal(folder))
            settings |= marks(secrets_of(work), journal.settings())
            journal.begin(settings, anew=self.in_place)
            meter = Meter(verb, source, self.shard, quiet=quiet)
            try:
                tally = run(
                    source,
                    target,
                    work,
                    journal,
                    jobs=crew.jobs,
                    executor=crew.executor,
                    prepare=crew.prepare,
                    shard=self.shard,
                    retry_failed=self.retry_failed,
                    on_progress=meter.advance,
                )
            finally:
                meter.erase()
                if not journal.fact("begun"):
                    journal.remove()
                elif self.report:
                    _write_report(self.report, journal)
            _conclude(verb, tally, journal, quiet=quiet)


def _is_inside(path: str, folder: str) -> bool:
    if is_url(path) or is_url(folder):
        return path.startswith(f"{folder.rstrip('/')}/")
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


def _settings() -> dict[str, str]:
    """Return what the options say, by their names, without secrets; files with what is in them.

    Raises:
        OSError: a file cannot be read.
    """
    context = click.get_current_context()
    source = context.params["source"]
    found = {"subcommand": context.info_name or ""}
    found["SOURCE"] = "standard input" if source == "-" else source if is_url(source) else os.path.realpath(source)
    for each in context.command.params:
        value = context.params.get(each.name or "")
        if each.name in _NO_SETTINGS | _SECRETS or each.name == "target" or value in (None, (), False):
            continue
        values = value if isinstance(value, tuple) else (value,)
        files = each.type is PATH
        shown = [f"{one} ({_digest(one)})" if files and Path(one).is_file() else str(one) for one in values]
        found[max(each.opts, key=len)] = ", ".join(shown)
    return found


def _digest(path: str) -> str:
    with Path(path).open("rb") as file:
        return f"SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"


def _write_report(path: str, journal: Journal) -> None:
    """Write a line for each message that the journal knows."""
    with Path(path).open("w", encoding="utf-8") as file:
        for entry in journal.entries():
            told: dict[str, object] = {"name": entry.name, "state": entry.state}
            if entry.state == "failed":
                told["reason"] = entry.reason
            else:
                told |= {"place": entry.place, "size": entry.size, "sha256": entry.digest.hex()}
            if entry.origin:
                told["origin"] = entry.origin
            file.write(json.dumps(told) + "\n")


def _conclude(verb: str, tally: Tally, journal: Journal, *, quiet: bool) -> None:
    """Say what became of all, and of how many for which reason.

    Raises:
        BatchError: a message failed.
    """
    counts = journal.counts()
    failed = counts.get("failed", 0)
    if not quiet:
        before = f", {tally.skipped:,} left as earlier runs had them" if tally.skipped else ""
        say(f"{tally.done:,} {verb}, {tally.failed:,} failed{before}")
    if not failed:
        return
    reasons = journal.reasons()
    for reason, count in reasons[:_MOST_REASONS]:
        say_wrapped(f"{count:,} failed: {reason}")
    if len(reasons) > _MOST_REASONS:
        say_wrapped(f"and {len(reasons) - _MOST_REASONS:,} other reasons")
    raise BatchError(f"{failed:,} of {sum(counts.values()):,} messages failed")


def _at(path: str) -> str:
    """Return a path or URL; one of a file becomes a path."""
    return local_path(path) or path if is_url(path) else path


def batch_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what the subcommands share; the function gets it as one argument, ``batch``."""

    @functools.wraps(function)
    def collect(*arguments: object, **options: Any) -> object:  # noqa: ANN401  # whatever click passes
        batch = Batch(**{name: options.pop(name) for name in Batch._fields})
        batch = batch._replace(source=_at(batch.source), target=batch.target and _at(batch.target))
        batch.check()
        return function(*arguments, batch=batch, **options)

    added = cluster_options(collect)
    for option in (
        click.option("--report", metavar="FILE", type=click.Path(), help=_HELP["--report"]),
        click.option("--retry-failed", is_flag=True, help=_HELP["--retry-failed"]),
        click.option("--shard", metavar="I/N", type=_ShardType(), help=_HELP["--shard"]),
        click.option("--jobs", metavar="N", type=click.IntRange(1, 1024), help=_HELP["--jobs"]),
        click.option(
            "--mbox-form",
            type=click.Choice(["mboxrd", "mboxo", "mboxcl2"]),
            default="mboxrd",
            show_default=True,
            help=_HELP["--mbox-form"],
        ),
        click.option("--target-form", type=click.Choice(["folder", "maildir", *_FILES]), help=_HELP["--target-form"]),
        click.option("--in-place", is_flag=True, help=_HELP["--in-place"]),
        click.argument("target", metavar="[TARGET]", type=PATH, required=False),
        click.argument("source", metavar="SOURCE", type=PATH),
    ):
        added = option(added)
    return added
