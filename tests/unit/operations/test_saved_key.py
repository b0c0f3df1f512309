"""A saved session key: it opens its one message, and whatever is wrong with it is said."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import pickle
import traceback
from binascii import b2a_base64
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session import (
    COMPAT,
    MODERN,
    PQ,
    CredentialError,
    DecryptionError,
    Identity,
    NoMatchError,
    OtherMessageError,
    Policy,
    PolicyError,
    PresharedKey,
    SavedSessionKey,
    SessionKey,
    decrypt,
    decrypt_stream,
    encrypt,
    encrypt_stream,
    export_session_key,
    load_session_key,
)
from smime_session.algorithms import AES_128_CBC, AES_128_GCM, AES_192_GCM, AES_256_GCM, CHACHA20_POLY1305
from smime_session.operations import opening, saved_key
from smime_session.session_key import Proof

if TYPE_CHECKING:
    from collections.abc import Callable

    from smime_session import Profile

MAIL = b"Subject: Friday\r\n\r\nAt eight?\r\n"
READER = PresharedKey(bytes(range(32)), b"ours")
PROFILES = {
    "AES-256-GCM": MODERN,
    "AES-256-CBC": COMPAT,
    "derived": replace(PQ, post_quantum_only=False),
    **{each.name: replace(MODERN, content=each) for each in (AES_128_GCM, AES_192_GCM, CHACHA20_POLY1305, AES_128_CBC)},
}

KEY = b"0123456789abcdef0123456789ABCDEF"
FINGERPRINT = bytes(range(32))
FILE = b"""{
  "format": "smime-session-key",
  "version": 1,
  "algorithm": "AES-256-GCM",
  "algorithm_oid": "2.16.840.1.101.3.4.1.46",
  "key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlBQkNERUY=",
  "message_sha256": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
}
"""


def sealed(profile: Profile = MODERN, mail: bytes = MAIL) -> bytes:
    """Return a message for the reader."""
    return encrypt(mail, [READER], profile=profile)


def saved(message: bytes) -> SavedSessionKey:
    """Return a message's session key as it comes back from its file."""
    return load_session_key(export_session_key(message, [READER]).to_json())


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_it_opens_its_message(profile: Profile) -> None:
    """Whatever seals the content, no other identity is needed."""
    message = sealed(profile)
    opened = decrypt(message, [saved(message)])
    assert opened.message == decrypt(message, [READER]).message
    assert opened.recipient == "a session key that was given"


@pytest.mark.parametrize("other", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("profile", [MODERN, COMPAT], ids=lambda profile: profile.name)
def test_it_opens_no_other(profile: Profile, other: Profile) -> None:
    """Another message is refused in clear words, also one that is sealed with another algorithm."""
    key = saved(sealed(profile))
    with pytest.raises(OtherMessageError, match="the session key belongs to another message"):
        decrypt(sealed(other), [key])


def test_a_file_that_names_another_algorithm_opens_nothing() -> None:
    """What the file says of the content is no decoration: it has to be so."""
    message = sealed()
    text = export_session_key(message, [READER]).to_json()
    other = text.replace(b"AES-256-GCM", b"AES-256-CBC").replace(b"3.4.1.46", b"3.4.1.42")
    assert decrypt(message, [load_session_key(text)]).message
    with pytest.raises(OtherMessageError):
        decrypt(message, [load_session_key(other)])


@pytest.mark.parametrize("size", [10, 2 << 20])
def test_it_is_told_beside_others_that_do_not_open(size: int) -> None:
    """A key of another message is named as the likeliest mistake, whoever else was tried, and in whichever order."""
    target, stranger = io.BytesIO(), PresharedKey(bytes(32), b"ours")
    encrypt_stream(io.BytesIO(bytes(size)), target, [READER], form="der")
    key = saved(sealed())
    several: list[list[Identity]] = [[key, stranger], [stranger, key]]
    for identities in several:
        with pytest.raises(OtherMessageError):
            decrypt_stream(io.BytesIO(target.getvalue()), io.BytesIO(), identities)


def test_a_new_vector_makes_another_message() -> None:
    """In CBC mode a changed vector changes the first block unnoticed, but not with a saved key."""
    target = io.BytesIO()
    encrypt_stream(io.BytesIO(MAIL), target, [READER], profile=COMPAT, form="der")
    message = target.getvalue()
    key = saved(message)
    at = len(message) - 32 - 2 - 1  # the ciphertext has two blocks, and two octets of tag and length
    altered = message[:at] + bytes((message[at] ^ 1,)) + message[at + 1 :]
    assert decrypt(altered, [READER]).message != MAIL
    with pytest.raises(OtherMessageError):
        decrypt(altered, [key])


def test_an_altered_block_of_a_large_message_makes_another() -> None:
    """In CBC mode that is noticed by nothing else."""
    target = io.BytesIO()
    encrypt_stream(io.BytesIO(bytes(2 << 20)), target, [READER], profile=COMPAT, form="der")
    message = bytearray(target.getvalue())
    key = saved(bytes(message))
    message[1 << 20] ^= 1
    decrypt_stream(io.BytesIO(message), io.BytesIO(), [READER])
    target = io.BytesIO()
    with pytest.raises(OtherMessageError):
        decrypt_stream(io.BytesIO(message), target, [key])
    assert not target.getvalue()


def test_an_altered_tag_is_noticed_as_ever() -> None:
    """The fingerprint does not cover the tag, which is checked with the key itself."""
    target = io.BytesIO()
    encrypt_stream(io.BytesIO(MAIL), target, [READER], form="der")
    message = target.getvalue()
    with pytest.raises(DecryptionError):
        decrypt(message[:-1] + bytes((message[-1] ^ 1,)), [saved(message)])


def test_the_key_of_another_message_is_passed_over() -> None:
    """Among several identities one that fits is enough, whatever their order."""
    message, other = sealed(COMPAT), saved(sealed(COMPAT))
    several: list[list[Identity]] = [[other, READER], [READER, other], [other, saved(message)]]
    for identities in several:
        assert decrypt(message, identities).message.endswith(b"\r\n\r\nAt eight?\r\n")


@given(st.sampled_from([0, 1, 65535, 65536, 65537, 131072, 1 << 20, (1 << 20) + 1]), st.sampled_from([MODERN, COMPAT]))
def test_any_size(size: int, profile: Profile) -> None:
    """Content of any size has one fingerprint, however it is read and written."""
    target = io.BytesIO()
    encrypt_stream(io.BytesIO(bytes(size)), target, [READER], profile=profile, form="der")
    message, content = target.getvalue(), io.BytesIO()
    with saved(message) as key:
        decrypt_stream(io.BytesIO(message), content, [key])
        assert key.fingerprint == export_session_key(io.BytesIO(message), [key]).fingerprint
    assert content.getvalue() == bytes(size)


@pytest.mark.parametrize("profile", [MODERN, COMPAT], ids=lambda profile: profile.name)
def test_it_opens_a_large_message_beside_others(profile: Profile) -> None:
    """Among identities that do not, and that need no fingerprint, it is the one."""
    target = io.BytesIO()
    text = bytes((2 << 20) + 5)
    encrypt_stream(io.BytesIO(text), target, [READER], profile=profile, form="der")
    message, stranger = target.getvalue(), PresharedKey(bytes(32), b"ours")
    several: list[list[Identity]] = [
        [stranger, saved(message)],
        [saved(message), stranger],
        [READER, saved(sealed(profile))],
    ]
    for identities in several:
        content = io.BytesIO()
        decrypt_stream(io.BytesIO(message), content, identities)
        assert content.getvalue() == text


def test_only_a_saved_key_costs_a_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not computed for anybody else."""
    message = sealed()
    monkeypatch.delattr(opening, "_digest")
    assert decrypt(message, [READER]).authenticated
    assert decrypt_stream(io.BytesIO(message), io.BytesIO(), [READER]).authenticated


def test_every_kind_of_message() -> None:
    """A message object, its octets and a file of them give the same key."""
    message = sealed()
    parsed = message_from_bytes(message, policy=default)
    files = {export_session_key(each, [READER]).to_json() for each in (message, parsed, io.BytesIO(message))}
    assert len(files) == 1


def test_the_fingerprint_is_what_the_documentation_says() -> None:
    """SHA-256 over the encoded algorithm and the ciphertext, both as they stand in the message."""
    target = io.BytesIO()
    encrypt_stream(io.BytesIO(MAIL), target, [READER], form="der")
    message = target.getvalue()
    start = message.rindex(bytes.fromhex("301e060960864801650304012e"))
    algorithm, rest = message[start : start + 32], message[start + 32 :]
    assert rest[:2] == bytes((0x80, len(MAIL)))
    ciphertext = rest[2 : 2 + len(MAIL)]
    assert saved(message).fingerprint == hashlib.sha256(algorithm + ciphertext).digest()


def test_nobody_else_can_export() -> None:
    """Who cannot read a message cannot save its key."""
    stranger = PresharedKey(bytes(32), b"ours")
    with pytest.raises(DecryptionError):
        export_session_key(sealed(), [stranger])
    with pytest.raises(NoMatchError):
        export_session_key(sealed(), [PresharedKey(bytes(32), b"theirs")])
    with pytest.raises(PolicyError):
        export_session_key(sealed(COMPAT), [READER], policy=Policy(require_authenticated=True))


@pytest.fixture
def key() -> SavedSessionKey:
    """A key that is easily recognised."""
    return SavedSessionKey(SessionKey(bytearray(KEY)), AES_256_GCM, FINGERPRINT)


def test_the_file_is_as_documented(key: SavedSessionKey) -> None:
    """The very octets, which read back as the same key."""
    assert key.to_json() == FILE
    again = load_session_key(FILE)
    assert (again.algorithm, again.fingerprint) == (AES_256_GCM, FINGERPRINT)
    assert again.unwrap(()).material == KEY
    assert again.unwrap(()).proof is Proof.CHECKED
    assert again.unwrap(()).message.endswith(FINGERPRINT)


def test_what_is_written_leaves_one_copy(key: SavedSessionKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of the key by itself is overwritten once it stands in the file."""
    encoded: list[bytes] = []

    def encode(octets: bytearray, *, newline: bool) -> bytes:
        encoded.append(b2a_base64(octets, newline=newline))
        return encoded[-1]

    monkeypatch.setattr(saved_key, "b2a_base64", encode)
    assert key.to_json() == FILE
    assert [len(each) for each in encoded] == [44]
    assert not any(encoded[0])


@pytest.mark.parametrize("show", [str, repr, "{}".format])
def test_nothing_shows_the_key(show: Callable[[object], str], key: SavedSessionKey) -> None:
    """It is shown by its size, its algorithm and its message."""
    assert show(key) in {"a saved session key of 256 bits", "<SavedSessionKey: AES-256-GCM, message 0001020304050607>"}


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_no_second_copy_comes_into_being(duplicate: Callable[[object], object], key: SavedSessionKey) -> None:
    """It can be neither pickled nor copied."""
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        duplicate(key)


def test_wiping() -> None:
    """After its block the buffer holds zeros, and the key is good for nothing."""
    buffer = bytearray(KEY)
    with SavedSessionKey(SessionKey(buffer), AES_256_GCM, FINGERPRINT) as key:
        pass
    assert buffer == bytes(32)
    for use in (key.to_json, lambda: key.unwrap(())):
        with pytest.raises(CredentialError, match="the saved session key was wiped"):
            use()


def _changed(**changes: object) -> bytes:
    return json.dumps({**json.loads(FILE), **changes}).encode()


NOT_ONE = "the file holds no saved session key"
VERSION = "in a version of the format that is not supported: only version 1 is"
FIELDS = "does not have the fields format, version, .*, each once and no others"
ALGORITHM = "names a content-encryption algorithm that is not known here"
NOT_A_KEY = "is not 32 bytes in base64, as AES-256-GCM takes"
NOT_A_FINGERPRINT = "the fingerprint of the message is not 64 hexadecimal digits"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", NOT_ONE),
        (b"null", NOT_ONE),
        (b"[]", NOT_ONE),
        (b'[["format", "smime-session-key"]]', NOT_ONE),
        (b"-----BEGIN PRIVATE KEY-----", NOT_ONE),
        (b"[" * 4096, NOT_ONE),
        (FILE + b" " * 4096, NOT_ONE),
        (FILE + FILE, NOT_ONE),
        (FILE[:-3], NOT_ONE),
        (b"\xef\xbb\xbf" + FILE, NOT_ONE),
        (FILE.decode().encode("utf-16"), NOT_ONE),
        (_changed(format="smime-session-keys"), NOT_ONE),
        (_changed(version=2), VERSION),
        (_changed(version="1"), VERSION),
        (_changed(version=True), VERSION),
        (_changed(version=1.0), VERSION),
        (_changed(comment="mine"), FIELDS),
        (FILE.replace(b'"key"', b'"Key"'), FIELDS),
        (FILE.replace(b'"version": 1,', b'"version": 1, "version": 1,'), FIELDS),
        (FILE.replace(b'"key": "', b'"key": "AA==", "key": "'), FIELDS),
        (_changed(algorithm="AES-256-CBC"), ALGORITHM),
        (_changed(algorithm_oid="1.2.3"), ALGORITHM),
        (_changed(algorithm_oid=None), ALGORITHM),
        (_changed(key="MDEy"), NOT_A_KEY),
        (_changed(key=KEY.decode()), NOT_A_KEY),
        (_changed(key=" MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlBQkNERUY="), NOT_A_KEY),
        (_changed(key="MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlBQkNERUZ="), NOT_A_KEY),
        (_changed(key="\u00e9"), NOT_A_KEY),
        (_changed(key=None), NOT_A_KEY),
        (_changed(key=["A"]), NOT_A_KEY),
        (_changed(message_sha256="00"), NOT_A_FINGERPRINT),
        (_changed(message_sha256="g" * 64), NOT_A_FINGERPRINT),
        (_changed(message_sha256="A" * 64), NOT_A_FINGERPRINT),
        (_changed(message_sha256=7), NOT_A_FINGERPRINT),
    ],
)
def test_what_is_not_as_documented_is_refused(data: bytes, words: str) -> None:
    """Each file that differs is refused with what is wrong, and nothing shows what was in it."""
    with pytest.raises(CredentialError, match=words) as caught:
        load_session_key(data)
    assert caught.value.__context__ is None
    frame = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack[-1]
    assert frame.name == "load_session_key"
    assert frame.locals is not None
    assert "data" not in frame.locals


@given(
    st.dictionaries(
        st.sampled_from(list(json.loads(FILE))), st.none() | st.integers() | st.text() | st.lists(st.none())
    )
)
def test_no_file_escapes(changes: dict[str, Any]) -> None:
    """Whatever else stands in a file, there is the one kind of error."""
    data = _changed(**changes)
    if data == _changed():
        assert load_session_key(data).to_json() == FILE
    else:
        with pytest.raises(CredentialError):
            load_session_key(data)


@given(st.binary(max_size=64))
def test_no_octets_escape(data: bytes) -> None:
    """Any octets at all are refused in the same way."""
    with pytest.raises(CredentialError, match=NOT_ONE):
        load_session_key(data)
