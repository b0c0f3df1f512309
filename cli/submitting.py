"""The submission server: the options that name it and how to log in, and handing mails to it."""

from __future__ import annotations

import functools
import shlex
import time
from math import isnan
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args

import click

from smime_session import SubmissionError
from smime_session.submission import Delivery, FromCommand, Notify, Security, Server, Submission

from .console import emit, note, to_json
from .options import PATH, MisuseError
from .passphrases import ask, given_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import BinaryIO

_HELP: Final = {
    "--smtp": "The submission server: HOST, HOST:PORT or [IPV6]:PORT; port 587 if none is given.",
    "--security": "TLS that is asked for, TLS from the start, or none, which is for this machine alone.",
    "--user": "Log in as this user.",
    "--smtp-password-file": "Read the user's password from a file; without any it is asked for.",
    "--smtp-password-env": "Take it from an environment variable.",
    "--smtp-password-keyring": "Take it from the entry SERVICE/NAME of the system's key ring.",
    "--smtp-token-command": "Log in by XOAUTH2 with the token that this command writes.",
    "--smtp-ca": "Trust servers whose certificates have a chain to those in this file, in place of the system's.",
    "--insecure-smtp-certificate": "Accept any certificate of the server.",
    "--insecure-smtp-name": "Accept a server's certificate that is for another name.",
    "--from": "The address for reports of failure, in place of that in Sender or From.",
    "--notify": "When to get a report, if the server offers that; repeat it for more.",
    "--attempts": "How often to try what the server refuses for now.",
    "--pause": "Seconds before the second attempt; twice as many before the next.",
    "--timeout": "Seconds to wait for each answer of the server.",
}


class ServerOptions(NamedTuple):
    """What the options say of the submission server.

    Attributes:
        smtp: host and port, or None.
        security: how the connection is protected, or None.
        user: whom to log in as, or None.
        smtp_password_file: the file with the password, or None.
        smtp_password_env: the environment variable with it, or None.
        smtp_password_keyring: the entry of the key ring with it, or None.
        smtp_token_command: the command that writes a token, or None.
        smtp_ca: the file of roots, or None.
        insecure_smtp_certificate: whether any certificate is accepted.
        insecure_smtp_name: whether one for another name is.
        sender: the address for reports, or None.
        notify: when to get one.
        attempts: how often to try.
        pause: seconds before the second attempt.
        timeout: seconds to wait for each answer.
    """

    smtp: str | None
    security: Security | None
    user: str | None
    smtp_password_file: str | None
    smtp_password_env: str | None
    smtp_password_keyring: str | None
    smtp_token_command: str | None
    smtp_ca: str | None
    insecure_smtp_certificate: bool
    insecure_smtp_name: bool
    sender: str | None
    notify: tuple[Notify, ...]
    attempts: int
    pause: float
    timeout: float

    def check(self) -> None:
        """Check that the options go together.

        Raises:
            MisuseError: they do not.
        """
        if self.smtp is None:
            raise MisuseError("no server was given", "--smtp HOST says where the mail is handed in")
        secrets = {
            "--smtp-password-file": self.smtp_password_file,
            "--smtp-password-env": self.smtp_password_env,
            "--smtp-password-keyring": self.smtp_password_keyring,
            "--smtp-token-command": self.smtp_token_command,
        }
        given = [option for option, value in secrets.items() if value is not None]
        if len(given) > 1:
            raise MisuseError(f"{given[0]} and {given[1]} exclude each other")
        if given and self.user is None:
            raise MisuseError(f"{given[0]} is about a login", "--user NAME says whose")
        if "never" in self.notify and len(set(self.notify)) > 1:
            raise MisuseError("--notify never excludes the others")
        self._server(None if self.user is None else {"password": ""})

    def load(self) -> Server:
        """Return the server with what logs in; a password that is given by no option is asked for.

        Raises:
            MisuseError: there is no terminal to ask on, or no such environment variable.
            CredentialError: the password is no text, or too long.
            OSError: a file cannot be read.
        """
        if self.user is None:
            return self._server(None)
        if self.smtp_token_command is not None:
            return self._server({"token": FromCommand(tuple(_words(self.smtp_token_command)))})
        entry = self.smtp_password_keyring
        secret = given_secret("password", self.smtp_password_file, self.smtp_password_env, entry)
        if secret is None and (secret := ask(f"Password of {self.user} at {self.smtp}: ")) is None:
            hint = "--smtp-password-file or --smtp-password-env gives it where there is no terminal"
            raise MisuseError("there is no terminal to ask for a password", hint)
        try:
            return self._server({"password": secret.decode()})
        except UnicodeDecodeError:
            raise MisuseError(f"the password of {self.user} is not UTF-8") from None

    def _server(self, login: dict[str, Any] | None) -> Server:
        try:
            host, port = Server.parse(self.smtp or "")
            return Server(
                host,
                port,
                self.security,
                self.user,
                ca_file=self.smtp_ca,
                insecure_certificate=self.insecure_smtp_certificate,
                insecure_name=self.insecure_smtp_name,
                timeout=self.timeout,
                **(login or {}),
            )
        except SubmissionError as error:
            raise MisuseError(str(error)) from None

    def submission(self, server: Server, *, quiet: bool) -> Submission:
        """Return what mails are sent with; unless ``quiet``, it is said when it waits."""

        def wait(seconds: float) -> None:
            if not quiet:
                note(f"not all is handed in yet; trying again in {seconds:g} seconds")
            time.sleep(seconds)

        return Submission(server, attempts=self.attempts, pause=self.pause, notify=self.notify, wait=wait)


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words:
        raise MisuseError(f"{command!r} is no command")
    return words


class _Seconds(click.FloatRange):
    """A time in seconds, which a range alone would let ``nan`` be."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401  # as click has it
        """Convert a value; refuse what is no number."""
        found = super().convert(value, param, ctx)
        if isnan(found):
            self.fail(f"{value} is no number of seconds", param, ctx)
        return found


def server_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for the submission server; the function gets them as one argument, ``server``."""

    @functools.wraps(function)
    def collect(*arguments: object, **options: Any) -> object:  # noqa: ANN401  # whatever click passes
        server = ServerOptions(*(options.pop(name) for name in ServerOptions._fields))
        return function(*arguments, server=server, **options)

    seconds = _Seconds(min=0, max=86_400)
    more = _Seconds(min=0, min_open=True, max=86_400)
    kinds: dict[str, dict[str, Any]] = {
        "--smtp": {"metavar": "HOST:PORT"},
        "--security": {"type": click.Choice(get_args(Security))},
        "--user": {"metavar": "NAME"},
        "--smtp-password-file": {"metavar": "FILE", "type": PATH},
        "--smtp-password-env": {"metavar": "NAME"},
        "--smtp-password-keyring": {"metavar": "ENTRY"},
        "--smtp-token-command": {"metavar": "COMMAND"},
        "--smtp-ca": {"metavar": "FILE", "type": PATH},
        "--insecure-smtp-certificate": {"is_flag": True},
        "--insecure-smtp-name": {"is_flag": True},
        "--from": {"metavar": "ADDRESS"},
        "--notify": {"type": click.Choice(get_args(Notify)), "multiple": True},
        "--attempts": {"metavar": "N", "type": click.IntRange(min=1), "default": 3, "show_default": True},
        "--pause": {"metavar": "SECONDS", "type": seconds, "default": 10.0, "show_default": True},
        "--timeout": {"metavar": "SECONDS", "type": more, "default": 120.0, "show_default": True},
    }
    for option, name in reversed([*zip(kinds, ServerOptions._fields, strict=True)]):
        click.option(option, name, help=_HELP[option], **kinds[option])(collect)
    return collect


class Letter(NamedTuple):
    """A mail that is ready to be sent.

    Attributes:
        content: the mail.
        recipients: the addresses that get it.
    """

    content: BinaryIO
    recipients: tuple[str, ...]


def send_all(submission: Submission, sender: str, letters: Sequence[Letter], found: list[Delivery]) -> None:
    """Send each mail, and note in ``found`` what became of it; what ends it early leaves none out.

    Raises:
        InterruptedBySignal: a signal came; ``found`` tells by then what is known.
    """
    left = list(letters)
    try:
        while left:
            found += submission.send(left[0].content, sender=sender, recipients=left[0].recipients)
            left.pop(0)
    except BaseException:
        known = {each.address: each for each in submission.known}
        for number, letter in enumerate(left):
            for each in letter.recipients:
                found.append(_never_begun(each) if number else known.get(each) or _broken_off(each))
        raise


def _broken_off(address: str) -> Delivery:
    return Delivery(address, "unknown", "it was interrupted while the mail was being sent")


def _never_begun(address: str) -> Delivery:
    return Delivery(address, "unsent", "it was interrupted before the mail was sent")


def report(deliveries: Iterable[Delivery], *, as_json: bool, quiet: bool) -> None:
    """Write what became of the mail for each recipient; if ``quiet``, for those alone who did not get it."""
    shown = [each for each in deliveries if not (quiet and each.accepted)]
    if as_json:
        found = [
            {
                "address": each.address,
                "outcome": each.outcome,
                "code": each.code,
                "reason": each.reason,
                "attempts": each.attempts,
            }
            for each in shown
        ]
        emit(to_json(found).split("\n"))
    elif shown:
        emit([f"{each.address}: {each.outcome}: {each.reason}" for each in shown])
