"""Passwords: the standards' examples, round trips, decoys, and work that is refused."""

from __future__ import annotations

import copy
import hashlib
import os
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session import COMPAT, MODERN, Password, Policy, PresharedKey, Profile, SessionKey, decrypt, encrypt, inspect
from smime_session.algorithms import (
    AES_128_CBC,
    AES_192_CBC,
    AES_256_CBC,
    DES_EDE3_CBC,
    PASSWORD_CIPHERS,
    PRF_OIDS,
)
from smime_session.cms import asn1, codec
from smime_session.cms.pbkdf2 import Pbkdf2
from smime_session.cms.values import AlgorithmIdentifier, WrappedKey
from smime_session.errors import CredentialError, DecryptionError, MalformedError, NoMatchError, PolicyError
from smime_session.keys.passwords import block_context, derive
from smime_session.profiles import MAX_PBKDF2_ITERATIONS, PBKDF2_ITERATIONS
from smime_session.recipients import password
from smime_session.recipients.password import PasswordRecipientInfo
from smime_session.recipients.registry import legacy_algorithm, summarize
from tests.support.passwords import QUICK, quick
from tests.support.passwords import wrapped as wrapped_info
from tests.support.refusing import refusal

if TYPE_CHECKING:
    from smime_session.algorithms import ContentEncryption, HashName

MAIL: Final = b"Subject: Friday\r\n\r\nAt eight?\r\n"
CIPHERS: Final = tuple(PASSWORD_CIPHERS.values())


@dataclass(frozen=True)
class Example:
    """One of the two examples in RFC 3211, section 3; octets in hexadecimal digits."""

    password: bytes
    iterations: int
    derived: str
    kek: str
    vector: str
    session_key: str
    padding: str
    encrypted: str

    @property
    def info(self) -> PasswordRecipientInfo:
        """The recipient info."""
        derivation = Pbkdf2(bytes.fromhex("1234567878563412"), self.iterations, "SHA-1")
        encrypted, vector = bytes.fromhex(self.encrypted), bytes.fromhex(self.vector)
        return PasswordRecipientInfo(derivation, DES_EDE3_CBC, vector, encrypted)


EXAMPLES: Final = (
    Example(
        password=b"password",
        iterations=5,
        derived="d1daa78615f287e6",
        kek="d1daa78615f287e6" * 3,  # DES is Triple DES with one key three times
        vector="efe598ef21b33d6d",
        session_key="8c627c897323a2f8",
        padding="c436f541",
        encrypted="b81b2565ee373ca6dedca26a178b0c10",
    ),
    Example(
        password=b"All n-entities must communicate with other n-entities via n-1 entiteeheehees",
        iterations=500,
        derived="6a8970bf68c92caea84a8df28510858607126380cc47ab2d",
        kek="6a8970bf68c92caea84a8df28510858607126380cc47ab2d",
        vector="baf1ca7931213c4e",
        session_key="8c637d887223a2f965b566eb014b0fa5d52300a3f7ea40fffc577203c71baf3b",
        padding="fa060a45",
        encrypted="c03c514abdb9e2c5aac038572b5e24553876b377aafb82eca5a9d73f8ab143d9ec74e6cad7db260c",
    ),
)
examples = pytest.mark.parametrize("example", EXAMPLES, ids=["des", "triple-des"])


def _key(octets: bytes) -> SessionKey:
    return SessionKey(bytearray(octets))


@examples
def test_examples_of_rfc_3211_derive(example: Example) -> None:
    """The standard's passwords become its keys."""
    size = len(example.derived) // 2
    assert derive(bytearray(example.password), example.info.derivation, size).material.hex() == example.derived


@examples
def test_examples_of_rfc_3211_encrypt(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard's session keys are encrypted as it prints them, given its padding."""
    padding = bytes.fromhex(example.padding)
    monkeypatch.setattr(os, "urandom", padding.rjust)
    key, kek = _key(bytes.fromhex(example.session_key)), _key(bytes.fromhex(example.kek))
    assert password.encrypt_key(key, kek, DES_EDE3_CBC, example.info.vector).hex() == example.encrypted


@examples
def test_examples_of_rfc_3211_decrypt(example: Example) -> None:
    """What the standard prints is decrypted to its session keys."""
    size = len(example.session_key) // 2
    opened = password.decrypt_key(example.info, _key(bytes.fromhex(example.kek)), size)
    assert opened.material.hex() == example.session_key


def test_example_of_rfc_3211_through_the_identity() -> None:
    """A password alone opens the standard's example with Triple DES."""
    example = EXAMPLES[1]
    assert Password(example.password).unwrap([wrapped_info(example.info)]).material.hex() == example.session_key
    assert legacy_algorithm(wrapped_info(example.info)) == "DES-EDE3-CBC"


@pytest.mark.parametrize(
    ("word", "salt", "iterations", "prf", "derived"),
    [
        (b"password", b"salt", 1, "SHA-1", "0c60c80f961f0e71f3a9b524af6012062fe037a6"),  # RFC 6070
        (b"password", b"salt", 4096, "SHA-1", "4b007901b765489abead49d926f721d065a429c1"),
        (b"pass\0word", b"sa\0lt", 4096, "SHA-1", "56fa6aa75548099dcc37d7f03425e0c3"),
        (  # RFC 7914, 11
            b"passwd",
            b"salt",
            1,
            "SHA-256",
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef31",
        ),
    ],
)
def test_published_keys(word: bytes, salt: bytes, iterations: int, prf: HashName, derived: str) -> None:
    """PBKDF2 makes the keys that others published."""
    size = len(derived) // 2
    assert derive(bytearray(word), Pbkdf2(salt, iterations, prf), size).material.hex() == derived


@pytest.mark.parametrize("prf", PRF_OIDS)
@given(word=st.binary(min_size=1), salt=st.binary(), size=st.sampled_from([16, 24, 32]))
def test_derivation_is_python_s(prf: HashName, word: bytes, salt: bytes, size: int) -> None:
    """For every hash function the key is the one that Python's own library makes."""
    theirs = hashlib.pbkdf2_hmac(prf.replace("-", "").lower(), word, salt, 3, size)
    assert derive(bytearray(word), Pbkdf2(salt, 3, prf), size).material == theirs


@pytest.mark.parametrize("cipher", CIPHERS, ids=lambda cipher: cipher.name)
@given(key=st.binary(min_size=3, max_size=255))
def test_every_key_size(cipher: ContentEncryption, key: bytes) -> None:
    """A session key of any size that fits its count comes back; what carries it is whole blocks, two at least."""
    kek, vector = SessionKey.generate(cipher.key_size), os.urandom(cipher.nonce_size)
    encrypted = password.encrypt_key(_key(key), kek, cipher, vector)
    assert len(encrypted) == max(2, -(-(4 + len(key)) // cipher.block_size)) * cipher.block_size
    info = PasswordRecipientInfo(QUICK, cipher, vector, encrypted)
    assert password.decrypt_key(info, kek, len(key)).material == key


@given(key=st.binary(min_size=16, max_size=32), word=st.binary(min_size=1), other=st.binary(min_size=1))
def test_wrong_password_gives_a_decoy(key: bytes, word: bytes, other: bytes) -> None:
    """A wrong password gives no error but another key of the right size, the same one each time."""
    wrapped = quick(word, _key(key))
    opened = [Password(other).unwrap([wrapped]) for _ in range(2)]
    assert opened[0] == opened[1]
    assert len(opened[0]) == len(key)
    if hashlib.sha256(word.rstrip(b"\0")).digest() != hashlib.sha256(other.rstrip(b"\0")).digest():  # HMAC pads with 0
        assert opened[0].material != key


@pytest.mark.parametrize("at", range(48))
def test_any_octet_changed_gives_a_decoy(at: int) -> None:
    """Every octet of the encrypted key counts, wherever it stands."""
    key = SessionKey.generate(32)
    info = password.decode(quick(b"word", key))
    changed = bytearray(info.encrypted_key)
    changed[at] ^= 1
    opened = Password(b"word").unwrap([wrapped_info(info._replace(encrypted_key=bytes(changed)))])
    assert len(opened) == 32
    assert opened != key


@pytest.mark.parametrize("size", [0, 3, 31, 33, 44, 45, 200, 255])
def test_another_count_gives_a_decoy(size: int) -> None:
    """A count that is not the size of the content's key, even one beyond the blocks, becomes a key that is."""
    kek, vector = derive(bytearray(b"word"), QUICK, 32), bytes(16)
    plain = bytes((size,)) + bytes.fromhex("fffefd") + bytes(range(32)) + bytes(12)
    context = block_context(kek, AES_256_CBC, vector, decrypt=False)
    info = PasswordRecipientInfo(QUICK, AES_256_CBC, vector, context.update(context.update(plain)))
    opened = Password(b"word").unwrap([wrapped_info(info)])
    assert len(opened) == 32
    assert opened.material != bytes(range(32))


@pytest.mark.parametrize("profile", [MODERN, COMPAT], ids=lambda profile: profile.name)
def test_mail(profile: Profile) -> None:
    """A mail is read with the same password, and with no other."""
    sealed = encrypt(MAIL, [Password("gr\u00fc\u00dfe")], profile=profile)
    opened = decrypt(sealed, [Password("gru\u0308\u00dfe")])
    assert opened.message.endswith(b"At eight?\r\n")
    assert opened.key_management == "PWRI-KEK with AES-256-CBC"
    assert opened.recipient == "a password recipient"
    error = refusal(
        lambda: encrypt(MAIL, [Password("gr\u00fc\u00dfe")], profile=profile), Password("grusse"), b"At eight?"
    )
    assert str(error) == str(DecryptionError())


def test_one_of_several_passwords() -> None:
    """Of several recipients with passwords the right one is found, since none says whose it is."""
    words = ["first", "second", "third"]
    sealed = encrypt(MAIL, [PresharedKey(bytes(32), b"ours"), *(Password(word) for word in words)])
    for word in words:
        assert decrypt(sealed, [Password(word)]).message.endswith(b"At eight?\r\n")


def test_octets_are_taken_as_they_are() -> None:
    """Octets are no text: neither brought into a form nor asked to be UTF-8."""
    key = SessionKey.generate(32)
    for word in (b"\xff\xfe", "gru\u0308\u00dfe".encode()):
        assert Password(word).unwrap([quick(word, key)]) == key
    assert Password("gru\u0308\u00dfe").unwrap([quick("gr\u00fc\u00dfe".encode(), key)]) == key


def test_what_is_written() -> None:
    """A message has a salt and a vector of its own, today's iterations and HMAC-SHA-256."""
    word = Password("correct horse")
    with SessionKey.generate(32) as key:
        first, second = (password.decode(word.wrap(key)) for _ in range(2))
    assert (first.derivation.iterations, first.derivation.prf) == (600_000, "SHA-256")
    assert (len(first.derivation.salt), first.cipher) == (16, AES_256_CBC)
    assert first.derivation.salt != second.derivation.salt
    assert first.vector != second.vector


def test_more_iterations() -> None:
    """The iterations can be chosen, and are written."""
    with SessionKey.generate(32) as key:
        wrapped = Password("correct horse", iterations=2_000_000).wrap(key)
    assert password.decode(wrapped).derivation.iterations == 2_000_000
    assert wrapped.version == 0


@pytest.mark.parametrize("iterations", [-1, 0, 1, 999, MAX_PBKDF2_ITERATIONS + 1])
def test_iterations_out_of_bounds(iterations: int) -> None:
    """Iterations that protect nothing, or that nobody would open, are refused."""
    with pytest.raises(CredentialError, match="1,000 to 10,000,000 iterations"):
        Password("correct horse", iterations=iterations)


@pytest.mark.parametrize("nothing", ["", b"", bytearray()])
def test_empty_password(nothing: str | bytes | bytearray) -> None:
    """A password of nothing is refused."""
    with pytest.raises(CredentialError, match="empty"):
        Password(nothing)


def test_text_that_is_none() -> None:
    """Half of a surrogate pair has no encoding."""
    with pytest.raises(CredentialError, match="surrogate"):
        Password("\udcff")


def test_one_that_cannot_be_used_hides_no_other() -> None:
    """A broken recipient info is passed over if there is another, and is the error if there is none."""
    key = SessionKey.generate(32)
    broken, good = WrappedKey(asn1.encode(password.TAG, asn1.integer(0)), 0, 32), quick(b"word", key)
    assert Password("word").matching([broken, good]) == [good]
    assert Password("word").unwrap([broken, good]) == key
    with pytest.raises(MalformedError):
        Password("word").matching([broken])
    (summary,) = summarize(broken)
    assert (summary.technique, summary.problem) == ("password", "a PasswordRecipientInfo is malformed")


def test_not_addressed() -> None:
    """A message without a password is not for any."""
    with SessionKey.generate(32) as key:
        wrapped = PresharedKey(bytes(32), b"ours").wrap(key)
    with pytest.raises(NoMatchError, match="given: a password"):
        Password("word").unwrap([wrapped])


def test_triple_des_is_asked_for_by_name() -> None:
    """A session key under Triple DES is opened with ``insecure_legacy`` only."""
    key = SessionKey.generate(32)
    wrapped = quick(b"word", key, DES_EDE3_CBC)
    sealed = encrypt(MAIL, [_Fixed(wrapped)])
    with pytest.raises(PolicyError, match="DES-EDE3-CBC") as caught:
        decrypt(sealed, [Password("word")])
    assert caught.value.option == "insecure_legacy"
    with pytest.raises(DecryptionError):  # the session key is another's, but it was tried
        decrypt(sealed, [Password("word")], policy=Policy(insecure_legacy=True))


class _Fixed:
    """A recipient whose recipient info was made elsewhere."""

    def __init__(self, wrapped: WrappedKey) -> None:
        self._wrapped = wrapped

    def wrap(self, _key: SessionKey) -> WrappedKey:
        """Return it."""
        return self._wrapped


@pytest.mark.parametrize("cipher", [AES_128_CBC, AES_192_CBC, AES_256_CBC], ids=lambda cipher: cipher.name)
def test_every_aes_is_read(cipher: ContentEncryption) -> None:
    """Each size of AES underneath is read and is not legacy."""
    key = SessionKey.generate(32)
    wrapped = quick(b"word", key, cipher)
    assert Password("word").unwrap([wrapped]) == key
    assert legacy_algorithm(wrapped) is None


def test_summary() -> None:
    """The summary tells the algorithms and the work, and whom it could be for."""
    found = inspect(encrypt(MAIL, [Password("word")]), [Password("another")])
    (recipient,) = found.recipients
    assert recipient.summary.name == "a password recipient"
    assert recipient.summary.algorithm == "PWRI-KEK with AES-256-CBC"
    assert recipient.summary.parameters == {
        "derivation": "PBKDF2",
        "prf": "HMAC-SHA-256",
        "iterations": str(PBKDF2_ITERATIONS),
        "wrap": "AES-256-CBC",
    }
    assert recipient.summary.encrypted_key_size == 48
    assert (recipient.opened_by, recipient.may_be_opened_by) == ((), ("a password",))


def test_summary_of_what_is_not_spoken() -> None:
    """The summary tells as much as can be told, and the problem."""
    info = AlgorithmIdentifier("1.2.3")
    encoded = asn1.parse(quick(b"word", _key(bytes(32))).encoded).children()
    odd = [each.encoded for each in encoded[:2]] + [codec.algorithm_identifier(info), encoded[3].encoded]
    (found,) = summarize(WrappedKey(asn1.encode(password.TAG, *odd), 0, 32))
    assert (found.technique, found.algorithm, found.algorithm_oid) == ("password", "1.2.3", "1.2.3")
    assert (found.parameters, found.encrypted_key_size) == ({}, encoded[3].end - encoded[3].start - 2)
    assert found.problem == "the key-encryption algorithm (1.2.3) is not supported"


def test_password_is_not_shown() -> None:
    """Its words tell nothing of it, not even its length."""
    assert (repr(Password("word")), str(Password("word"))) == ("<Password>", "a password")


def test_no_pickle_and_no_copy() -> None:
    """It leaves the process in no way that nobody asked for."""
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            leave(Password("word"))


def test_key_encryption_key_is_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made of the password is overwritten when the session key is wrapped or unwrapped."""
    made: list[bytearray] = []

    def spy(*arguments: object) -> SessionKey:
        kek = derive(*arguments)  # type: ignore[arg-type]
        made.append(kek.material)
        return kek

    monkeypatch.setattr("smime_session.recipients.password.derive", spy)
    with SessionKey.generate(32) as key:
        wrapped = Password("word", iterations=1000).wrap(key)
        Password("word").unwrap([wrapped])
    assert made == [bytearray(32), bytearray(32)]
