"""``smime-session inspect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

import smime_session
from smime_session import Policy

from ..console import columns, emit, to_json
from ..credentials import certificates_in
from ..files import reading
from ..options import PATH, limit_options, message_argument
from ..parsing import Command
from ..private_keys import identity_option
from ..progress import progress
from ..shared_secrets import shared_secret_options
from ..summary import answers, details
from ..tree import render, wrapped

if TYPE_CHECKING:
    from typing import Any

    from ..private_keys import PrivateKeys
    from ..shared_secrets import SharedSecrets


_EXAMPLES: Final = "smime-session inspect letter.enc.eml\nsmime-session inspect -i bob.key -r alice.pem letter.enc.eml"


@click.command("inspect", cls=Command, epilog=_EXAMPLES)
@message_argument
@identity_option
@shared_secret_options
@click.option(
    "-r",
    "--recipient",
    "certificates",
    metavar="CERT",
    type=PATH,
    multiple=True,
    help="A file with certificates, to see which recipients they belong to; repeat it for more.",
)
@click.option("--part", metavar="N", help="Tell of this part of a mail, not of the first that is encrypted.")
@limit_options("max_recipients")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Show object identifiers, versions and sizes too.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show how far long work has come.")
def command(  # noqa: PLR0913  # an argument for each option
    message: str,
    identities: PrivateKeys,
    certificates: tuple[str, ...],
    *,
    secrets: SharedSecrets,
    part: str | None,
    limits: dict[str, Any],
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Show how a message is encrypted, for whom, and what opens it.

    MESSAGE is a path, or - for standard input. Nothing is decrypted. With -i it also says which recipient
    a private key belongs to, or what comes closest, and likewise with a shared key. A message does not tell
    one password from another.
    """
    with reading(message) as source:  # before a passphrase is asked for
        keys = [*identities.load(named=True), *secrets.load(new=False)]
        known = certificates_in(certificates, identities.passphrases())
        with progress("inspecting", source, quiet=quiet):
            found = smime_session.inspect(source.stream, keys, known, policy=Policy(**limits), part=part)
    if as_json:
        emit(to_json(found.to_dict()).split("\n"))
        return
    width = columns("stdout")
    tree = details(found.to_dict(), verbose=verbose)
    said = [line for answer in answers(found) for line in wrapped(answer, width, "  ")]
    emit([*said, "", *render(tree.pop("content_type"), tree, width)])
