"""``smime-session rewrap``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

import click

import smime_session
from smime_session import PROFILES, Policy

from ..console import about_locked_out, note
from ..files import Output, reading
from ..options import (
    PATH,
    MisuseError,
    algorithm_options,
    changed_profile,
    guard_options,
    limit_options,
    message_argument,
    output_option,
    quiet_option,
    refuse_to_replace,
    session_key_option,
)
from ..parsing import Command
from ..private_keys import identity_option
from ..progress import progress
from ..readers import Openers, Readers
from ..screen import text_only
from ..shared_secrets import added_secret_options, shared_secret_options
from ..trust import trust_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from smime_session import Profile, Rewrapped

    from ..private_keys import PrivateKeys
    from ..shared_secrets import SharedSecrets
    from ..trust import Trust


_EXAMPLES: Final = (
    "smime-session rewrap -i bob.key -r carol.pem letter.enc.eml -o wider.eml\n"
    "smime-session rewrap --remove carol.pem wider.eml -o narrower.eml"
)


@click.command("rewrap", cls=Command, epilog=_EXAMPLES)
@message_argument
@identity_option
@shared_secret_options
@session_key_option
@click.option(
    "-r",
    "--recipient",
    "added",
    metavar="CERT",
    type=PATH,
    multiple=True,
    help="Add the recipients in this file, or an address.",
)
@added_secret_options
@click.option(
    "--remove",
    "removed",
    metavar="WHO",
    multiple=True,
    help="Remove a recipient: a certificate file, a mail address, a serial number, a key identifier, or the word"
    " password.",
)
@click.option(
    "--replace",
    "replaced",
    metavar="OLD NEW",
    nargs=2,
    multiple=True,
    help="Remove OLD, and add the recipients in file NEW.",
)
@click.option(
    "--certificates",
    metavar="FILE",
    type=PATH,
    multiple=True,
    help="Look up mail addresses in this file, too.",
)
@click.option(
    "--reseal",
    is_flag=True,
    help="Encrypt the content anew, for new recipients only.",
)
@output_option
@click.option(
    "--profile",
    type=click.Choice(["auto", "modern", "compat", "pq"]),
    help="Algorithms other than those that suit the message.",
)
@algorithm_options
@guard_options
@trust_options
@click.option("--insecure-legacy", is_flag=True, help="Open broken algorithms (3DES, RC2 with 128 bits).")
@click.option("--require-authenticated", is_flag=True, help="Refuse content that could have been altered.")
@limit_options("max_recipients", "max_trials", "max_password_iterations")
@quiet_option
def command(  # noqa: PLR0913  # an argument for each kind of option
    *,
    message: str,
    identities: PrivateKeys,
    session_keys: tuple[str, ...],
    added: tuple[str, ...],
    removed: tuple[str, ...],
    replaced: tuple[tuple[str, str], ...],
    certificates: tuple[str, ...],
    output: str | None,
    secrets: SharedSecrets,
    added_secrets: SharedSecrets,
    trust: Trust,
    reseal: bool,
    insecure_legacy: bool,
    require_authenticated: bool,
    limits: dict[str, Any],
    quiet: bool,
    **choices: Any,  # noqa: ANN401  # they go to the profile
) -> None:
    """Give a message other recipients.

    Adding one needs a key that reads the message, removing one needs none. The encrypted content stays as it is, byte
    for byte. A removed recipient may have kept the message and its key: --reseal gives it a new one, and needs the
    certificate, password or shared key of every recipient.
    """
    destination = Output(output)
    coming, leaving = (*added, *(new for _, new in replaced)), (*removed, *(old for old, _ in replaced))
    openers = Openers(identities, session_keys, secrets)
    readers = Readers(coming, added_secrets, leaving, certificates)
    readers.check(identified=bool(openers), reseal=reseal)
    _check_algorithms(reseal=reseal, **choices)
    for option, path in (*openers.files(), *readers.files()):
        refuse_to_replace(destination, option, [path])
    for option, paths in trust.files():
        refuse_to_replace(destination, option, paths)

    profile = _profile(**choices)
    newcomers, left_out = readers.newcomers(profile, identities.passphrases(), trust.load())
    selectors, book = readers.selectors(), readers.book(identities.paths)
    with reading(message) as source:  # before a passphrase is asked for
        keys, new_secrets = openers.load(), added_secrets.load(new=True)
        with (
            progress("rewrapping", source, destination, quiet=quiet),
            destination.open() as target,
            text_only(target) if destination.refuses_binary else nullcontext(target) as sink,
        ):
            done = smime_session.rewrap_stream(
                source.stream,
                sink,
                keys,
                add=[*newcomers, *new_secrets],
                remove=selectors,
                certificates=book,
                reseal=reseal,
                profile=profile,
                policy=Policy(insecure_legacy=insecure_legacy, require_authenticated=require_authenticated, **limits),
                transactional=destination.transactional or destination.refuses_binary,
            )
    if not quiet:
        _tell(done, left_out)


def _check_algorithms(
    *, reseal: bool, cipher: str | None = None, derived_content_key: bool = False, **_others: object
) -> None:
    """Refuse choices for the content where it stays as it is.

    Raises:
        MisuseError: there are some.
    """
    for option, given in (("--cipher", cipher), ("--derive-content-key", derived_content_key)):
        if given and not reseal:
            raise MisuseError(f"{option} goes with --reseal", "without --reseal the content stays as it is")


def _profile(profile: str | None = None, **choices: Any) -> Callable[[Profile], Profile]:  # noqa: ANN401  # of many types
    """Return what changes the profile that is like the message as the options say."""

    def choose(like: Profile) -> Profile:
        return changed_profile(PROFILES[profile] if profile else like, **choices)

    return choose


def _tell(done: Rewrapped, left_out: Iterable[str]) -> None:
    """Say what came of it that the options do not say."""

    def names(those: Sequence[str]) -> str:
        return "; ".join(those)

    for sentence in left_out:
        note(sentence)
    for repair in done.repairs:
        note(repair)
    if done.present:
        note(f"already a recipient, and left as it was: {names(done.present)}")
    if done.weakened_by:
        note(f"the message was post-quantum and is no longer, because of {names(done.weakened_by)}")
    if done.locked_out:
        note(about_locked_out(done.locked_out))
    if done.resealed and not done.authenticated:
        note("the content was not authenticated before: it could have been altered, and was re-encrypted as it was")
    if done.removed and done.resealed:
        note(f"no longer a recipient: {names(done.removed)}; a removed recipient may have kept the old message")
    elif done.removed:
        note(
            "removing is not revoking: a removed recipient may have kept the key; --reseal gives the message a new one"
        )
