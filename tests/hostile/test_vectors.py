"""Every vector of ``tests/vectors/hostile`` through every way of reading: the right error, and nothing left behind."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding

import smime_session
from cli.root import run
from smime_session import (
    DecryptionError,
    MessageError,
    NoMatchError,
    Password,
    PresharedKey,
    SmimeError,
    TrustAnchors,
    decrypt,
    decrypt_stream,
    export_session_key,
    inspect,
    load_identities,
    rewrap,
    rewrap_stream,
    verify,
    verify_stream,
)
from tests.hostile.forge import TEXT, WriteOnly
from tests.vectors.hostile import envelopes, make, seeds
from tests.vectors.hostile.vector import TOLD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Operation = Callable[[bytes, WriteOnly], Any]

pytestmark = pytest.mark.timeout(120)

MANIFEST: Final[dict[str, dict[str, str]]] = json.loads((make.HERE / "manifest.json").read_text())
MESSAGES: Final = [each for each in MANIFEST if each.startswith(("envelopes/", "mails/"))]
PLAINTEXTS: Final = (b"secret text", b"At eight")
READERS: Final = [
    *load_identities((make.HERE / make.KEYS).read_bytes()),
    Password(envelopes.PASSWORD),
    envelopes.SHARED,
]
NEW: Final = PresharedKey(bytes(32), b"new")
TRUST: Final = TrustAnchors([seeds.alice()])
REFUSED: Final = "refused"


def octets(name: str) -> bytes:
    """Return what is in a vector."""
    return (make.HERE / name).read_bytes()


def test_the_files_are_what_the_script_makes() -> None:
    """Each is made again, octet for octet, and none is there that is not made."""
    made = make.files()
    there = {
        str(path.relative_to(make.HERE)) for path in make.HERE.rglob("*") if path.is_file() and path.suffix != ".py"
    }
    assert {each for each in there if not each.endswith(".pyc")} == made.keys()
    assert [name for name, data in made.items() if octets(name) != data] == []
    assert sum(map(len, made.values())) < 2_000_000


def _verified(data: bytes, target: WriteOnly) -> str:
    found = verify(data, trust=TRUST)
    again = verify_stream(io.BytesIO(data), target, trust=TRUST)
    assert again.accepted == found.accepted
    assert again.released == target.touched == (found.content is not None)
    return TOLD if found.accepted else REFUSED


def _decrypted(data: bytes, target: WriteOnly) -> str:
    whole = decrypt(data, READERS).message
    decrypt_stream(io.BytesIO(data), target, READERS)
    assert target.getvalue() == whole
    return TOLD


def _rewrapped(data: bytes, target: WriteOnly) -> str:
    whole = rewrap(data, READERS, add=[NEW])
    assert decrypt(whole, [NEW, *READERS]).message == decrypt(data, READERS).message
    rewrap_stream(io.BytesIO(data), target, READERS, add=[NEW])
    return TOLD


def _inspected(data: bytes, _: WriteOnly) -> str:
    assert inspect(data, READERS).to_dict()
    assert inspect(io.BytesIO(data)).to_dict()
    return TOLD


def _exported(data: bytes, _: WriteOnly) -> str:
    assert decrypt(data, [export_session_key(data, READERS)]).message
    return TOLD


OPERATIONS: Final[dict[str, Callable[[bytes, WriteOnly], str]]] = {
    "decrypt": _decrypted,
    "inspect": _inspected,
    "verify": _verified,
    "rewrap": _rewrapped,
    "session-key": _exported,
}
STREAMS: Final[dict[str, Callable[[bytes, WriteOnly], Any]]] = {
    "decrypt": lambda data, target: decrypt_stream(io.BytesIO(data), target, READERS),
    "inspect": lambda data, _: inspect(io.BytesIO(data), READERS),
    "verify": lambda data, target: verify_stream(io.BytesIO(data), target, trust=TRUST),
    "rewrap": lambda data, target: rewrap_stream(io.BytesIO(data), target, READERS, add=[NEW]),
    "session-key": lambda data, _: export_session_key(io.BytesIO(data), READERS),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_ends_as_it_must(name: str) -> None:
    """In memory and as a stream, each operation ends in the class that the manifest says, and releases nothing."""
    assert MANIFEST[name].keys() == OPERATIONS.keys()
    for operation, expected in MANIFEST[name].items():
        target = WriteOnly()
        if expected in (TOLD, REFUSED):
            assert OPERATIONS[operation](octets(name), target) == expected, operation
            continue
        kind = getattr(smime_session, expected)
        with pytest.raises(SmimeError) as caught:
            OPERATIONS[operation](octets(name), target)
        assert type(caught.value) is kind, operation
        with pytest.raises(kind) as streamed:
            STREAMS[operation](octets(name), target)
        assert str(streamed.value) == str(caught.value)
        assert not target.touched
        assert not any(text in str(caught.value).encode() for text in PLAINTEXTS)


@pytest.mark.parametrize("operation", ["verify", "rewrap", "session-key", "inspect", "decrypt"])
def test_every_octet_that_is_missing_or_altered(operation: str) -> None:
    """Cut at every octet and with a bit flipped in each, an honest message gives out nothing that it did not hold."""
    whole = octets("envelopes/honest.der")
    for at in range(len(whole)):
        target = WriteOnly()
        with pytest.raises(MessageError):
            STREAMS[operation](whole[:at], target)
        assert not target.touched
        altered = whole[:at] + bytes((whole[at] ^ 1 << at % 8,)) + whole[at + 1 :]
        with suppress(MessageError, NoMatchError, DecryptionError):
            STREAMS[operation](altered, target)
            assert operation != "decrypt" or target.getvalue() == TEXT


@pytest.mark.parametrize("name", [name for name in MESSAGES if MANIFEST[name]["decrypt"] == TOLD])
def test_what_is_opened_has_no_field_that_was_smuggled_in(name: str) -> None:
    """However a hidden subject or an outer field is broken or encoded, it stays one field."""
    head, _, _ = decrypt(octets(name), READERS).message.replace(b"\r\n", b"\n").partition(b"\n\n")
    assert not [line for line in head.split(b"\n") if line.lower().startswith(b"bcc")]


@pytest.mark.parametrize(
    ("name", "altered"), [("lies", "subject"), ("names-another-sender", "from"), ("with-line-breaks", "subject")]
)
def test_outer_fields_that_lie_are_told(name: str, altered: str) -> None:
    """What HP-Outer says was sent, and is not what arrived, is named."""
    found = decrypt(octets(f"mails/hp-outer-{name}.eml"), READERS).altered_headers
    assert altered in [each.lower() for each in found]
    assert decrypt(octets("mails/hp-outer-honest.eml"), READERS).altered_headers == ()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that commands need."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "alice.key").write_bytes(octets(make.KEYS))
    (folder / "alice.pem").write_bytes(seeds.alice().public_bytes(Encoding.PEM))
    (folder / "shared").write_bytes(bytes(range(32)))
    (folder / "new").write_bytes(bytes(32))
    (folder / "password").write_text(envelopes.PASSWORD)
    (folder / "tmp").mkdir()
    return folder


@pytest.fixture
def here(bench: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same as the current folder, with a folder for temporary files that stays empty."""
    monkeypatch.chdir(bench)
    monkeypatch.setenv("TMPDIR", str(bench / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = sorted(bench.rglob("*"))
    yield bench
    assert sorted(bench.rglob("*")) == before


KEYS: Final = (
    *("-i", "alice.key", "--password-file", "password"),
    *("--shared-key", "shared", "--shared-key-id", "hostile"),
)
COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "decrypt": ("decrypt", *KEYS),
    "inspect": ("inspect", "-i", "alice.key"),
    "verify": ("verify", "--ca", "alice.pem"),
    "rewrap": ("rewrap", *KEYS, "--add-shared-key", "new", "--add-shared-key-id", "new"),
    "session-key": ("session-key", *KEYS),
}


WRITTEN_IN_VAIN: Final = {"rewrap", "session-key"}
"""What ends as ``decrypt`` does where that fails: tried with one kind of input and output alone."""


def command(*arguments: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
    """Run the command; return its status, standard output and standard error."""
    with CliRunner().isolation(stdin) as streams:
        status = run(list(arguments))
        return status, streams[0].getvalue(), streams[1].getvalue().decode()


@pytest.mark.parametrize("name", MESSAGES)
def test_commands_end_as_they_must(here: Path, name: str) -> None:
    """From a file to standard output and from a pipe to a file: the status tells, and nothing appears otherwise."""
    data = octets(name)
    for operation, expected in MANIFEST[name].items():
        arguments = COMMANDS[operation]
        status, out, error = command(*arguments, str(make.HERE / name))
        assert status == (0 if expected == TOLD else 1), (operation, error)
        assert not set(error) & {"\x1b", "\0", "\r"}
        if operation == "inspect":
            assert not set(out) & set(b"\x1b\0\r")
            continue
        if expected != TOLD:
            assert not any(text in out + error.encode() for text in PLAINTEXTS)
            assert expected == REFUSED or (out == b"" and error.startswith("Error: "))
        if operation in WRITTEN_IN_VAIN and expected != TOLD:
            continue
        status, _, error = command(*arguments, "-o", "out", stdin=data)
        assert status == (0 if expected == TOLD else 1), (operation, error)
        assert (here / "out").exists() == (expected == TOLD), operation
        (here / "out").unlink(missing_ok=True)
