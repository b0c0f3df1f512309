"""One failure, with every kind of key, seen from outside: error, exit status and output are the same."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from smime_session import DecryptionError, Password, PresharedKey, SessionKey, decrypt, export_session_key, rewrap
from smime_session.algorithms import AES_256_WRAP, ENVELOPED_DATA, RSAES_OAEP_SHA256, RSAES_PKCS1_V1_5
from smime_session.keys.software import private_key
from smime_session.recipients.kem import EncapsulationIdentity
from tests.hostile.forge import KEY, TEXT, Forgery, recipient_info
from tests.hostile.test_one_failure import WORDS
from tests.hostile.test_vectors import command
from tests.support import agreeing, encapsulating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from smime_session import Identity
    from tests.conftest import Person

NEW: Final = PresharedKey(bytes(32), b"new")
SHARED: Final = PresharedKey(bytes(range(32)), b"ours")
PASSWORD: Final = "correct horse"  # noqa: S105  # of the tests


class Kind(NamedTuple):
    """A kind of key.

    Attributes:
        wrap: makes a recipient info of a session key.
        identity: who reads it.
        options: the same for the command.
    """

    wrap: Callable[[bytes], bytes]
    identity: Identity
    options: tuple[str, ...]


def _kinds(alice: Person) -> dict[str, Kind]:
    with_file = ("-i", "reader.key")
    kem, curve = encapsulating.ALICE, agreeing.person()
    password = Password(PASSWORD, iterations=1000)
    return {
        "RSAES-PKCS1-v1_5": Kind(lambda key: recipient_info(alice, RSAES_PKCS1_V1_5, key), alice.identity, with_file),
        "RSAES-OAEP": Kind(lambda key: recipient_info(alice, RSAES_OAEP_SHA256, key), alice.identity, with_file),
        "ECDH": Kind(lambda key: agreeing.sealed(curve, key).encoded, curve.identity, with_file),
        "ML-KEM": Kind(
            lambda key: encapsulating.wrapped_for(kem, key, wrap=AES_256_WRAP).encoded,
            EncapsulationIdentity(private_key(kem.key), kem.certificate),
            with_file,
        ),
        "password": Kind(
            lambda key: password.wrap(SessionKey(bytearray(key))).encoded, password, ("--password-file", "password")
        ),
        "shared key": Kind(
            lambda key: SHARED.wrap(SessionKey(bytearray(key))).encoded,
            SHARED,
            ("--shared-key", "shared", "--shared-key-id", "ours"),
        ),
    }


KINDS: Final = ("RSAES-PKCS1-v1_5", "RSAES-OAEP", "ECDH", "ML-KEM", "password", "shared key")


def _failures(kind: Kind) -> Iterator[Forgery]:
    """Yield messages that do not open, each because of something that only a private key tells."""
    honest = kind.wrap(KEY)
    for key in (os.urandom(32), KEY[:16], KEY[:24], bytes(32)):
        yield Forgery(kind.wrap(key))
    for at in (1, 9, 16, 17, 24):
        yield Forgery(honest[:-at] + bytes((honest[-at] ^ 1,)) + honest[len(honest) - at + 1 :])
    whole = Forgery(honest)
    yield replace(whole, ciphertext=b"\0" + whole.ciphertext[1:])
    yield replace(whole, ciphertext=whole.ciphertext[:-1])
    yield replace(whole, ciphertext=b"")
    yield replace(whole, trailer=whole.trailer[:-1] + bytes((whole.trailer[-1] ^ 1,)))


@pytest.mark.parametrize("name", KINDS)
def test_the_library_tells_one_failure(alice: Person, name: str) -> None:
    """Whatever fails, all that can be seen of the error is the same, for each operation that needs the key."""
    kind = _kinds(alice)[name]
    assert decrypt(Forgery(kind.wrap(KEY)).encoded, [kind.identity]).message == TEXT
    seen = set()
    for forgery in _failures(kind):
        message = forgery.encoded
        for operation in (
            lambda message: decrypt(message, [kind.identity]),
            lambda message: rewrap(message, [kind.identity], add=[NEW]),
            lambda message: export_session_key(message, [kind.identity]),
        ):
            with pytest.raises(DecryptionError) as caught:
                operation(message)
            error = caught.value
            assert type(error) is DecryptionError
            assert error.__cause__ is None
            assert error.__context__ is None or error.__suppress_context__
            seen.add((str(error), error.addressed_to, error.identities, error.unproven))
    assert {words for words, *_ in seen} == {WORDS}
    assert len(seen) == 1


@pytest.mark.parametrize("name", KINDS)
def test_the_command_tells_one_failure(
    alice: Person, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status, standard output and standard error are the same, octet for octet."""
    kind = _kinds(alice)[name]
    monkeypatch.chdir(tmp_path)
    person: Any = {"ECDH": agreeing.person(), "ML-KEM": encapsulating.ALICE}.get(name, alice)
    pem = person.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "reader.key").write_bytes(pem + person.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "shared").write_bytes(bytes(range(32)))
    (tmp_path / "message").write_bytes(Forgery(kind.wrap(KEY)).encoded)
    assert command("decrypt", *kind.options, "message")[:2] == (0, TEXT)
    for subcommand in ("decrypt", "session-key"):
        seen = set()
        for forgery in _failures(kind):
            (tmp_path / "message").write_bytes(forgery.encoded)
            seen.add(command(subcommand, *kind.options, "message", "-o", "out"))
            assert not (tmp_path / "out").exists()
        ((status, out, error),) = seen
        assert (status, out) == (1, b"")
        assert WORDS in error


@pytest.mark.parametrize("name", [name for name in KINDS if name != "RSAES-PKCS1-v1_5"])
def test_without_a_tag_a_wrong_key_is_the_same_failure(alice: Person, name: str) -> None:
    """With CBC, a key that is checked when it is unwrapped fails as a wrong tag does, whatever the padding says."""
    from tests.hostile.test_one_failure import _forgery

    kind = _kinds(alice)[name]
    honest = kind.wrap(KEY)
    for _ in range(50):
        info = honest[:-8] + os.urandom(8)
        forgery = _forgery(info, "cbc", os.urandom(16))
        assert forgery.content_type == ENVELOPED_DATA
        with pytest.raises(DecryptionError) as caught:
            decrypt(forgery.encoded, [kind.identity])
        assert str(caught.value) == WORDS
