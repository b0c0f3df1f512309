"""``smime-session verify``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

import smime_session
from smime_session import Policy

from ..console import emit, say, to_json
from ..credentials import certificates_in
from ..files import Output, reading
from ..options import PATH, MisuseError, message_argument, output_option, refuse_to_replace
from ..parsing import Command
from ..progress import progress
from ..tree import render
from ..trust import signer_trust_options
from ..verdicts import described

if TYPE_CHECKING:
    from smime_session import Verification
    from smime_session.operations.signatures import Word

    from ..trust import Trust

_HELP = {
    "certificates": "A file with the certificates of signers who left theirs out; repeat it for more.",
    "untrusted": "Accept signers for whom no trusted root vouches.",
    "legacy": "Accept signatures with SHA-1 and MD5, which others can forge.",
}


@click.command("verify", cls=Command, epilog="smime-session verify --ca alice.pem signed.eml")
@message_argument
@signer_trust_options
@click.option("--certificates", metavar="FILE", type=PATH, multiple=True, help=_HELP["certificates"])
@output_option
@click.option("--insecure-untrusted", is_flag=True, help=_HELP["untrusted"])
@click.option("--insecure-legacy", is_flag=True, help=_HELP["legacy"])
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Write nothing but what was signed: the exit status tells.")
def command(  # noqa: PLR0913  # an argument for each option
    message: str,
    certificates: tuple[str, ...],
    *,
    trust: Trust,
    output: str | None,
    insecure_untrusted: bool,
    insecure_legacy: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Tell who signed a mail, and whether that holds.

    MESSAGE is a path, or - for standard input. For each signature there is one word: trusted; untrusted (no root that
    was given with --ca vouches for the signer); expired; revoked; mismatch (the mail is from another address); or
    broken. The exit status is 0 if all are trusted and cover the whole mail. Then -o writes what was signed, and
    nothing else.
    """
    destination = Output(output)
    if as_json and destination.is_standard and output is not None:
        raise MisuseError("both the message and JSON would go to standard output", "-o FILE writes what was signed")
    for option, paths in (*trust.files(), ("--certificates", certificates)):
        refuse_to_replace(destination, option, paths)

    roots, known = trust.load(), certificates_in(certificates)
    accept: tuple[Word, ...] = ("trusted", "untrusted") if insecure_untrusted else ("trusted",)
    with (
        reading(message) as source,
        progress("verifying", source, destination if output else None, quiet=quiet),
        destination.open() if output is not None else nullcontext() as target,
    ):
        found = smime_session.verify_stream(
            source.stream,
            target,
            trust=roots,
            certificates=known,
            policy=Policy(insecure_legacy=insecure_legacy),
            accept=accept,
        )
        if target is not None and found.accepted and not found.released:
            raise MisuseError("several parts are signed, each for itself", "without -o, each is named")
        if not quiet:
            _report(found, as_json=as_json, aside=output is not None and destination.is_standard)
        if not found.accepted:
            click.get_current_context().exit(1)


def _report(found: Verification, *, as_json: bool, aside: bool) -> None:
    report = {"signatures": described(found.signatures), "unsigned_parts": list(found.unsigned_parts)}
    if as_json:
        emit(to_json({"accepted": found.accepted, **report}).split("\n"))
        return
    lines = render("accepted" if found.accepted else "not accepted", report)
    if aside:
        for line in lines:
            say(line)
    else:
        emit(lines)
