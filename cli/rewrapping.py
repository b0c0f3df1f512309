"""What ``rewrap`` and ``batch rewrap`` share: the options that say who comes and who goes, and what they stand for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from smime_session import PROFILES, Policy

from .options import (
    GUARD_OPTIONS,
    PATH,
    MisuseError,
    algorithm_options,
    changed_profile,
    guard_options,
    limit_options,
    quiet_option,
)
from .private_keys import identity_option
from .readers import Openers, Readers
from .shared_secrets import added_secret_options, shared_secret_options
from .trust import trust_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from smime_session import Profile

    from .private_keys import PrivateKeys
    from .shared_secrets import SharedSecrets
    from .trust import Trust


_CHOICES: Final = (
    *("profile", "identifier", "rsa", "derived_content_key", "cipher"),
    *(option[2:].replace("-", "_") for option in GUARD_OPTIONS),
)


class Rewrapping(NamedTuple):
    """Who comes and who goes, and how, as the options say.

    Attributes:
        openers: who reads messages now.
        readers: who comes, and who goes.
        trust: whose certificates are trusted.
        reseal: whether the content is encrypted anew.
        policy: what is accepted.
        quiet: whether nothing is said.
        choices: what changes the profile.
    """

    openers: Openers
    readers: Readers
    trust: Trust
    reseal: bool
    policy: Policy
    quiet: bool
    choices: Mapping[str, Any]

    def check(self) -> None:
        """Check that the options go together.

        Raises:
            MisuseError: they do not.
        """
        self.readers.check(identified=bool(self.openers), reseal=self.reseal)
        _check_algorithms(reseal=self.reseal, **self.choices)

    def files(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield each option with the files that it reads."""
        for option, path in (*self.openers.files(), *self.readers.files()):
            yield option, [path]
        yield from self.trust.files()

    def load(self) -> tuple[dict[str, Any], list[str]]:
        """Load who comes by certificate, and who goes.

        Returns:
            What :func:`~smime_session.rewrap` takes, and a sentence about each certificate that was left out.

        Raises:
            SmimeError: something cannot be loaded, or will not do.
            OSError: a file cannot be read.
        """
        profile, identities = _profile(**self.choices), self.openers.identities
        newcomers, left_out = self.readers.newcomers(profile, identities.passphrases(), self.trust.load())
        choices = {
            "add": newcomers,
            "remove": self.readers.selectors(),
            "certificates": self.readers.book(identities.paths),
            "reseal": self.reseal,
            "profile": profile,
            "policy": self.policy,
        }
        return choices, left_out


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


def rewrapping_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say who comes and who goes; the function gets them as one argument, ``rewrapping``."""

    @functools.wraps(function)
    def collect(  # noqa: PLR0913  # an argument for each kind of option
        *arguments: object,
        identities: PrivateKeys,
        added: tuple[str, ...],
        removed: tuple[str, ...],
        replaced: tuple[tuple[str, str], ...],
        certificates: tuple[str, ...],
        secrets: SharedSecrets,
        added_secrets: SharedSecrets,
        trust: Trust,
        reseal: bool,
        insecure_legacy: bool,
        require_authenticated: bool,
        limits: dict[str, Any],
        quiet: bool,
        session_keys: tuple[str, ...] = (),
        **options: Any,  # noqa: ANN401  # whatever click passes
    ) -> object:
        choices = {name: options.pop(name) for name in _CHOICES}
        coming, leaving = (*added, *(new for _, new in replaced)), (*removed, *(old for old, _ in replaced))
        rewrapping = Rewrapping(
            Openers(identities, session_keys, secrets),
            Readers(coming, added_secrets, leaving, certificates),
            trust,
            reseal,
            Policy(insecure_legacy=insecure_legacy, require_authenticated=require_authenticated, **limits),
            quiet,
            choices,
        )
        return function(*arguments, rewrapping=rewrapping, **options)

    added: Callable[..., Any] = collect
    for option in reversed(
        (
            identity_option,
            shared_secret_options,
            click.option(
                "-r",
                "--recipient",
                "added",
                metavar="CERT",
                type=PATH,
                multiple=True,
                help="Add the recipients in this file, or an address.",
            ),
            added_secret_options,
            click.option(
                "--remove",
                "removed",
                metavar="WHO",
                multiple=True,
                help="Remove a recipient: a certificate file, a mail address, a serial number, a key identifier, or"
                " the word password.",
            ),
            click.option(
                "--replace",
                "replaced",
                metavar="OLD NEW",
                nargs=2,
                multiple=True,
                help="Remove OLD, and add the recipients in file NEW.",
            ),
            click.option(
                "--certificates",
                metavar="FILE",
                type=PATH,
                multiple=True,
                help="Look up mail addresses in this file, too.",
            ),
            click.option(
                "--reseal",
                is_flag=True,
                help="Encrypt the content anew, for new recipients only.",
            ),
            click.option(
                "--profile",
                type=click.Choice(["auto", "modern", "compat", "pq"]),
                help="Algorithms other than those that suit the message.",
            ),
            algorithm_options,
            guard_options,
            trust_options,
            click.option("--insecure-legacy", is_flag=True, help="Open broken algorithms (3DES, RC2 with 128 bits)."),
            click.option("--require-authenticated", is_flag=True, help="Refuse content that could have been altered."),
            limit_options("max_recipients", "max_trials", "max_password_iterations"),
            quiet_option,
        )
    ):
        added = option(added)
    return added
