"""Settings: values of options that are typed once, from a file and from environment variables.

What the command line says beats the environment, which beats the settings, which beat what an option is by itself.
Nothing is opened, and no parser of the format loaded, unless there is a file.
"""
# ruff: noqa: PTH111, PTH118, PTH120  # pathlib is slow to load for what it gives

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

VARIABLE: Final = "SMIME_SESSION_CONFIG"
_PREFIX: Final = "SMIME_SESSION_"
_MAX_SIZE: Final = 1_000_000  # bytes of a file of settings
_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH

NAMES: Final = (
    *("certs", "all-certs", "self", "ca", "crl", "ocsp", "identity"),
    *("passphrase-file", "passphrase-env", "passphrase-keyring"),
    *("ignore-certificates", "sign-with", "triple", "profile", "cipher", "derive-content-key", "rsa", "identifier"),
    *("headers", "hide-subject", "compress", "strip-dkim", "signature", "hash", "opaque", "announce"),
    *("smtp", "security", "user", "smtp-password-file", "smtp-password-env", "smtp-password-keyring"),
    *("smtp-token-command", "smtp-ca"),
    *("from", "notify", "attempts", "pause", "timeout", "require-authenticated", "quiet", "verbose"),
    *("max-recipients", "max-trials", "max-password-iterations", "insecure-legacy", "insecure-untrusted"),
    *("insecure-expired", "insecure-key-usage", "insecure-extended-key-usage", "insecure-key-size"),
    *("insecure-address", "insecure-smtp-certificate", "insecure-smtp-name"),
)
"""Options that can stand in settings: those that say how work is done, not what is worked on."""

SENDMAIL_NAMES: Final = ("program", "domain", "without-certificate")
"""What is in the table of ``sendmail`` alone."""

TABLES: Final = (
    "encrypt",
    "send",
    "sendmail",
    "decrypt",
    "sign",
    "verify",
    "inspect",
    "rewrap",
    "session-key",
    "certs",
)
"""Commands with settings; each has a table for what counts for it alone."""

_GROUPS: Final = ("certs",)  # whose commands have not all the same options
_ALGORITHMS: Final = ("cipher", "derive-content-key", "rsa", "identifier")
_UNLOCKING: Final = ("passphrase-file", "passphrase-env", "passphrase-keyring")
_NOT_SHARED: Final = {"rewrap": ("profile", *_ALGORITHMS), "inspect": ("identity", *_UNLOCKING)}
"""What a command takes from its own table alone: a message that gets other readers stays as it is."""

_PASSWORDS: Final = ("smtp-password-file", "smtp-password-env", "smtp-password-keyring", "smtp-token-command")
_OF_A_SERVER: Final = (
    *("security", "user", "smtp-ca", "insecure-smtp-certificate", "insecure-smtp-name"),
    *_PASSWORDS,
)
_RIVALS: Final[Mapping[str, tuple[str, ...]]] = {
    "smtp": (*_OF_A_SERVER, "program"),
    "user": _PASSWORDS,
    **dict.fromkeys(_PASSWORDS, _PASSWORDS),
    "identity": _UNLOCKING,
    "sign-with": _UNLOCKING,
    **dict.fromkeys(_UNLOCKING, _UNLOCKING),
    "headers": ("hide-subject",),
    "hide-subject": ("headers",),
    "profile": _ALGORITHMS,
}
"""What is given closer to the command line puts these others of the settings out of force, too.

A login is for the server that it was written down for, and for no other.
"""
_MAIL_ALONE: Final = ("headers", "hide-subject", "compress", "strip-dkim")
_SECRETS: Final = ("password", "password-file", "password-env", "shared-key")


class SettingsError(click.UsageError):
    """The settings cannot be used.

    Attributes:
        hint: what to do instead, or None to point at the help.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, click.get_current_context(silent=True))
        self.hint = hint


class Value(NamedTuple):
    """What holds for an option.

    Attributes:
        name: the option's long name, without dashes.
        value: its value, as the option takes it.
        source: the file or the environment variable that it comes from.
    """

    name: str
    value: Any
    source: str


class Settings:
    """What a file of settings says, read when it is first asked for.

    Args:
        path: the file that is to be read; None for the one of the environment, or else of the usual place if it is
            there; empty for none.
    """

    def __init__(self, path: str | None = None) -> None:
        self._given = path
        self._tables: dict[str, dict[str, Any]] | None = None

    @property
    def path(self) -> str:
        """The file; empty if there is none."""
        if self._given is not None:
            return self._given
        named = os.environ.get(VARIABLE)
        if named is None:
            usual = usual_place()
            self._given = usual if os.path.lexists(usual) else ""
        else:
            self._given = named
        return self._given

    def for_command(self, name: str, options: Iterable[click.Option]) -> Iterator[Value]:
        """Yield what holds for the options of a command, if the command line says nothing else.

        Raises:
            SettingsError: the file cannot be used, or a value is not what the option takes.
        """
        by_name = {max(each.opts, key=len)[2:]: each for each in options}
        own, shared = self.tables.get(name, {}), self.tables.get("", {})
        unknown = sorted(own.keys() - by_name.keys())
        if unknown and name not in _GROUPS:
            raise SettingsError(f"{self.path}: {name} has no {unknown[0]}")
        for each, option in by_name.items():
            if each not in NAMES and each not in SENDMAIL_NAMES:
                continue
            variable = f"{_PREFIX}{each.upper().replace('-', '_')}"
            if each in NAMES and (text := os.environ.get(variable)):
                yield Value(each, _checked(option, _from_text(option, text), variable), f"${variable}")
            elif each in own:
                yield self._value(each, own[each], option)
            elif each in shared and each not in _NOT_SHARED.get(name, ()):
                yield self._value(each, shared[each], option)

    def _value(self, name: str, value: object, option: click.Option) -> Value:
        found = _checked(option, _as_taken(option, value, self.path), self.path)
        if isinstance(option.type, click.Path):
            folder = os.path.dirname(os.path.abspath(self.path))  # noqa: PTH100  # as above

            def place(each: str) -> str:
                return os.path.join(folder, os.path.expanduser(each))

            found = [place(each) for each in found] if isinstance(found, list) else place(found)
        return Value(name, found, self.path)

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """The values by table; the one without a name is for all commands.

        Raises:
            SettingsError: the file cannot be used, or there is something in it that has no meaning.
        """
        if self._tables is None:
            self._tables = _sorted_out(_parsed(self.path), self.path) if self.path else {}
        return self._tables


def usual_place() -> str:
    """Return where the settings are if nothing says where."""
    if sys.platform == "win32":
        base = os.environ.get("APPDATA") or os.path.expanduser(r"~\AppData\Roaming")
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or ""
        if not os.path.isabs(base):  # noqa: PTH117  # the XDG Base Directory Specification: ignored then
            base = os.path.expanduser("~/.config")
    return os.path.join(base, "smime-session", "config.toml")


def _parsed(path: str) -> dict[str, Any]:
    data = _read(path)
    import tomllib  # where there are settings: 4 ms

    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "it is no text that can be read"
        raise SettingsError(f"{path}: not TOML: {said[:1].lower()}{said[1:]}", "--no-config works without it") from None


def _read(path: str) -> bytes:
    """Read a file of settings that can be trusted to be the user's.

    Raises:
        SettingsError: it is no regular file, is too large, or others can write it.
        OSError: it cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116  # opening a device can do something
        raise SettingsError(f"{path}: settings are no regular file")
    with open(os.open(path, flags), "rb") as stream:  # noqa: PTH123  # a descriptor
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise SettingsError(f"{path}: settings are no regular file")
        if os.name == "posix":
            if status.st_mode & _BY_OTHERS:
                raise SettingsError(f"{path}: others can write these settings", f"chmod go-w {path} forbids it")
            if status.st_uid not in {0, os.geteuid()}:
                raise SettingsError(f"{path}: these settings belong to another user", "--no-config works without them")
        try:
            data = stream.read(_MAX_SIZE + 1)
        except OSError as error:
            raise SettingsError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    if len(data) > _MAX_SIZE:
        raise SettingsError(f"{path}: settings of more than {_MAX_SIZE:,} bytes are too large")
    return data


def _sorted_out(found: Mapping[str, Any], path: str) -> dict[str, dict[str, Any]]:
    tables: dict[str, dict[str, Any]] = {"": {}}
    for key, value in found.items():
        if isinstance(value, dict):
            if key not in TABLES:
                raise _unknown(key, TABLES, path, "no command with settings")
            names = (*NAMES, *SENDMAIL_NAMES) if key == "sendmail" else NAMES
            tables[key] = _named(value, names, f"{path}: [{key}]")
        else:
            tables[""] |= _named({key: value}, NAMES, path, tables[""])
    return tables


def _named(
    table: Mapping[str, Any], names: Sequence[str], where: str, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return values by their names, which may have ``_`` for ``-``."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("_", "-")
        if name not in names:
            raise _unknown(key, names, where, "no setting")
        if name in found or name in (before or {}):
            raise SettingsError(f"{where}: {name} is given twice")
        found[name] = value
    return found


def _unknown(key: str, names: Sequence[str], path: str, what: str) -> SettingsError:
    from difflib import get_close_matches  # for a mistake alone

    if key.replace("_", "-") in {"password", "passphrase", "smtp-password", "smtp-token", "token"}:
        return SettingsError(
            f"{path}: {key} is a secret, and does not stand in settings", "a file or a variable holds it"
        )
    near = get_close_matches(key.replace("_", "-"), names, 1, 0.5)
    return SettingsError(f"{path}: {key} is {what}", f"the nearest one is {near[0]}" if near else None)


def _from_text(option: click.Option, text: str) -> Any:  # noqa: ANN401  # whatever the option takes
    if option.is_flag:
        return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(text.lower(), text)
    return text.split(os.pathsep) if option.multiple else text


def _as_taken(option: click.Option, value: object, where: str) -> Any:  # noqa: ANN401  # the same
    """Return a value of the file as the option takes it."""
    name = max(option.opts, key=len)[2:]
    if option.multiple:
        value = value if isinstance(value, list) else [value]
    elif isinstance(value, list) and name == "identity" and value:
        value = value[0]  # who signs is one, and who reads may be several
    whole = isinstance(option.type, click.types.IntParamType)
    numeric = whole or isinstance(option.type, click.types.FloatParamType)
    kinds = (bool,) if option.is_flag else (int,) if whole else (int, float) if numeric else (str,)
    parts = value if option.multiple and isinstance(value, list) else [value]
    if any(not isinstance(each, kinds) or (isinstance(each, bool) and not option.is_flag) for each in parts):
        means = "true or false" if option.is_flag else "a whole number" if whole else "a number" if numeric else "text"
        raise SettingsError(f"{where}: {name} is {means}{', or a list of it' if option.multiple else ''}")
    if any(isinstance(each, str) and (not each or "\0" in each) for each in parts):
        raise SettingsError(f"{where}: {name} is empty, or has a NUL in it")
    return value


def _checked(option: click.Option, value: Any, where: str) -> Any:  # noqa: ANN401  # the same
    try:
        for each in value if isinstance(value, list) else [value]:
            option.type.convert(each, option, None)
    except click.BadParameter as error:
        name = max(option.opts, key=len)[2:]
        raise SettingsError(f"{where}: {name}: {error.message.rstrip('.')}") from None
    return value


class InForce(NamedTuple):
    """What of the settings holds for one call of a command.

    Attributes:
        defaults: the values by the names of parameters, as click takes them.
        insecure: what of them accepts something that is refused otherwise.
    """

    defaults: dict[str, Any]
    insecure: tuple[Value, ...]


def in_force(settings: Settings, command: str, options: Sequence[click.Option], given: Mapping[str, object]) -> InForce:
    """Return what holds besides what the command line gives.

    Args:
        settings: the settings.
        command: the command's name.
        options: its options.
        given: what the command line gives, by long names without dashes.
    """
    values = [each for each in settings.for_command(command, options) if each.name not in given]
    nearer = [*given, *(each.name for each in values if each.source.startswith("$"))]
    out = {rival for name in nearer for rival in _RIVALS.get(name, ())} - {*nearer}
    if command in {"encrypt", "send"} and _names_readers(command, given):
        out.add("certs")
    if given.get("format", "mail") != "mail":
        out |= {*_MAIL_ALONE, *(() if given.get("to") else ("certs",))}
    left = [each for each in values if each.name not in out]
    parameters = {max(each.opts, key=len)[2:]: each.name or "" for each in options}
    insecure = tuple(each for each in left if _weakens(each))
    return InForce({parameters[each.name]: each.value for each in left}, insecure)


def _weakens(value: Value) -> bool:
    return bool(value.value) and (value.name.startswith("insecure-") or str(value.value).startswith("insecure-"))


def _names_readers(command: str, given: Mapping[str, object]) -> bool:
    """Tell whether the command line says by itself who reads, so that no address is looked up."""
    named: Any = given.get("recipient") or ()
    if given.get("to") or any("@" in each and not os.path.exists(each) for each in named):  # noqa: PTH110  # as above
        return False
    secret = any(given.get(each) for each in _SECRETS)
    return secret or (command == "encrypt" and bool(named))
