"""Options that several subcommands share, and the error of options that do not go together."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from smime_session import DEFAULT, PROFILES, algorithms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Literal

    from smime_session import Profile

    from .files import Output

    Limit = Literal["max_recipients", "max_trials", "max_password_iterations"]


PATH: Final = click.Path(readable=False)
"""A path that is taken as it is: who opens it says what is wrong with it."""


class MisuseError(click.UsageError):
    """The options contradict each other, or do not suit the place where the command runs.

    Attributes:
        hint: what to do instead, or None to point at the help.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, click.get_current_context(silent=True))
        self.hint = hint


def message_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``MESSAGE``: a path, or ``-`` for standard input, which is also its default.

    Standard input may then be named for nothing else: its second reader would find it empty.
    """

    @functools.wraps(function)
    def checked(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # whatever click passes
        _refuse_sharing_input(click.get_current_context().params)
        return function(*arguments, **options)

    return click.argument("message", metavar="[MESSAGE]", type=PATH, default="-")(checked)


def output_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--output``; None without it."""
    return click.option(
        "-o",
        "--output",
        metavar="OUT",
        type=PATH,
        help="Write to this file, not to standard output.",
    )(function)


def stores_option(*, required: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--certs``, given any number of times; the function gets ``stores``."""
    return click.option(
        "--certs",
        "stores",
        metavar="FOLDER",
        type=PATH,
        multiple=True,
        required=required,
        help="A folder of certificates, or a file with many, to find recipients in by address; repeat it for more.",
    )


def quiet_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--quiet``."""
    return click.option("-q", "--quiet", is_flag=True, help="Say nothing unless it fails.")(function)


def session_key_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--session-key``, given any number of times."""
    return click.option(
        "--session-key",
        "session_keys",
        metavar="FILE",
        type=PATH,
        multiple=True,
        help="The saved session key of this message.",
    )(function)


def passphrase_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says where passphrases are, each given any number of times (:meth:`Passphrases.among` takes them)."""
    from_file = click.option(
        "--passphrase-file",
        "passphrase_files",
        metavar="FILE",
        type=PATH,
        multiple=True,
        help="Read a passphrase of private keys from a file; repeat it for more.",
    )
    from_environment = click.option(
        "--passphrase-env",
        "passphrase_envs",
        metavar="NAME",
        multiple=True,
        help="Take one from an environment variable; repeat it for more.",
    )
    from_keyring = click.option(
        "--passphrase-keyring",
        "passphrase_keyrings",
        metavar="ENTRY",
        multiple=True,
        help="Take one from the entry SERVICE/NAME of the system's key ring; repeat it for more.",
    )
    return from_file(from_environment(from_keyring(function)))


def refuse_to_replace(output: Output, option: str, paths: Iterable[str]) -> None:
    """Refuse an output that is one of the credential files: a slip of the hand would cost a private key.

    Raises:
        MisuseError: it is.
    """
    for path in paths:
        if output.would_replace(path):
            raise MisuseError(f"-o would replace {path}, which {option} reads", "choose another file to write")


_LIMITS: Final[dict[Limit, str]] = {
    "max_recipients": "Read a message with up to N recipients.",
    "max_trials": "Try up to N of its encrypted keys if it is not clear which one is for the private key.",
    "max_password_iterations": "Spend up to N iterations of PBKDF2 on trying passwords; 6 million take a second.",
}


def limit_options(*names: Limit) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add what lifts limits of reading; the function gets those that are given as one argument, ``limits``.

    They are fields of a policy. A header may grow with the number of recipients in it.

    Args:
        names: the limits, as the policy calls them.
    """

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def collect(*arguments: object, **options: Any) -> object:  # noqa: ANN401  # whatever click passes
            limits: dict[str, Any] = {name: value for name in names if (value := options.pop(name)) is not None}
            if count := limits.get("max_recipients"):
                grown = count * DEFAULT.max_header_size // DEFAULT.max_recipients
                limits["max_header_size"] = max(DEFAULT.max_header_size, grown)
            return function(*arguments, limits=limits, **options)

        for name in reversed(names):
            option = f"--{name.replace('_', '-')}"
            click.option(option, metavar="N", type=click.IntRange(min=1), help=_LIMITS[name])(collect)
        return collect

    return add


GUARD_OPTIONS: Final = {
    "--insecure-expired": "Accept certificates outside their validity period.",
    "--insecure-key-usage": "Accept certificates that are not for encrypting keys.",
    "--insecure-extended-key-usage": "Accept certificates that are not for mail.",
    "--insecure-key-size": "Accept RSA keys under 2048 bits.",
}


def guard_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what lifts each of the checks of a certificate."""
    for option, words in reversed(GUARD_OPTIONS.items()):
        function = click.option(option, is_flag=True, help=words)(function)
    return function


CIPHERS: Final = (
    "aes128-gcm",
    "aes192-gcm",
    "aes256-gcm",
    "chacha20-poly1305",
    "aes128-cbc",
    "aes192-cbc",
    "aes256-cbc",
)
RSA_ALGORITHMS: Final = ("oaep-sha1", "oaep-sha256", "oaep-sha384", "oaep-sha512", "pkcs1-v1_5")


def algorithm_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the choices that a profile makes and that can be made one by one."""
    for option in (
        click.option(
            "--identifier",
            metavar="NAME",
            type=click.Choice(["issuer-serial", "key-identifier"]),
            help="Name recipients this way: issuer-serial or key-identifier.",
        ),
        click.option(
            "--rsa",
            metavar="NAME",
            type=click.Choice(RSA_ALGORITHMS),
            help=f"RSA padding: {', '.join(RSA_ALGORITHMS)}.",
        ),
        click.option(
            "--derive-content-key",
            "derived_content_key",
            is_flag=True,
            help="Bind the content key to its algorithm (RFC 9709); older readers cannot open it.",
        ),
        click.option(
            "--cipher",
            metavar="NAME",
            type=click.Choice(CIPHERS),
            help=f"Content encryption: {', '.join(CIPHERS)}.",
        ),
    ):
        function = option(function)
    return function


def chosen_profile(profile: str, **choices: Any) -> Profile:  # noqa: ANN401  # as changed_profile has them
    """Return the profile of that name with every choice that was made on its own."""
    return changed_profile(PROFILES[profile], **choices)


def changed_profile(
    profile: Profile, cipher: str | None = None, rsa: str | None = None, identifier: str | None = None, **switches: bool
) -> Profile:
    """Return a profile with every choice that was made on its own."""
    changes: dict[str, Any] = {name: True for name, on in switches.items() if on}
    if cipher:
        changes["content"] = getattr(algorithms, cipher.replace("aes", "aes_").replace("-", "_").upper())
    if rsa:
        changes["rsa"] = getattr(algorithms, f"RSAES_{rsa.replace('-', '_').upper()}")
    if identifier:
        changes["identifier"] = identifier
    return replace(profile, **changes)


_NO_INPUTS: Final = (
    "output",
    "passphrase_envs",
    "passphrase_keyrings",
    "smtp_password_keyring",
    "shared_key_ids",
    "password_envs",
    "add_shared_key_ids",
    "add_password_envs",
)


def _refuse_sharing_input(options: Mapping[str, object]) -> None:
    named = [value for name, value in options.items() if name not in _NO_INPUTS]
    if sum(value.count("-") if isinstance(value, tuple) else value == "-" for value in named) > 1:
        raise MisuseError("standard input is named for more than one thing", "put one of them into a file")
