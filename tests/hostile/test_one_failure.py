"""One failure: whatever depends on a private key fails with the same class and the same words."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from smime_session import COMPAT, DecryptionError, PolicyError, SessionKey, decrypt
from smime_session.algorithms import AES_256_CBC, ENVELOPED_DATA, RSAES_OAEP_SHA256, RSAES_PKCS1_V1_5, KeyTransport
from smime_session.cms import asn1
from smime_session.keys.software import private_key
from smime_session.profiles import Policy
from smime_session.recipients.rsa import KeyTransportIdentity
from tests.hostile.forge import KEY, TEXT, Forgery, assert_refused, recipient_info

if TYPE_CHECKING:
    from smime_session import Identity
    from tests.conftest import Person

WORDS = "the message could not be decrypted: the key does not fit or the message was altered"
ALGORITHMS = pytest.mark.parametrize("algorithm", [RSAES_PKCS1_V1_5, RSAES_OAEP_SHA256], ids=lambda each: each.name)
CONTENTS = pytest.mark.parametrize("mode", ["gcm", "cbc"])


def _forgery(infos: bytes, mode: str, vector: bytes = bytes(16)) -> Forgery:
    if mode == "gcm":
        return Forgery(infos)
    missing = 16 - len(TEXT) % 16
    cipher = Cipher(algorithms.AES(KEY), modes.CBC(vector)).encryptor()
    ciphertext = cipher.update(TEXT + bytes((missing,)) * missing)
    return _cbc(infos, ciphertext, vector)


def _cbc(infos: bytes, ciphertext: bytes, vector: bytes = bytes(16)) -> Forgery:
    parameters = asn1.encode(asn1.OCTET_STRING, vector)
    return Forgery(infos, AES_256_CBC.oid, parameters, ciphertext, b"", ENVELOPED_DATA)


def _refused(forgery: Forgery, person: Person) -> None:
    assert assert_refused(forgery.encoded, [person.identity], DecryptionError) == WORDS


def _cbc_refused(forgery: Forgery, person: Person) -> None:
    """The same for content that opens by chance with one wrong key in 256: then what comes out is not proven."""
    try:
        found = decrypt(forgery.encoded, [person.identity])
    except DecryptionError as error:
        assert str(error) == WORDS  # noqa: PT017  # one of two outcomes
    else:
        assert not found.authenticated
        assert found.message != TEXT


def _text_comes_out(infos: bytes, mode: str, identity: Identity) -> bool:
    """Tell whether the right key wins over wrong ones.

    With CBC, one wrong key in 256 opens too, and under one vector in 256 its noise begins with a blank
    line, as a mail may: then another vector decides.
    """
    vectors = [bytes((number,)) * 16 for number in range(4 if mode == "cbc" else 1)]
    return any(decrypt(_forgery(infos, mode, vector).encoded, [identity]).message == TEXT for vector in vectors)


@CONTENTS
def test_honest_content_opens(alice: Person, mode: str) -> None:
    """What the following tests forge opens as long as nothing is wrong with it."""
    assert decrypt(_forgery(recipient_info(alice), mode).encoded, [alice.identity]).message == TEXT


def test_the_one_failure_names_who_could_read(alice: Person, bob: Person) -> None:
    """Public fields are told, and the same whatever failed: a wrong key, or an altered text."""
    sealed = _forgery(recipient_info(alice), "gcm")
    altered = replace(sealed, ciphertext=bytes(len(sealed.ciphertext)))
    for forgery, identity in ((sealed, KeyTransportIdentity(private_key(bob.key), None)), (altered, alice.identity)):
        with pytest.raises(DecryptionError) as caught:
            decrypt(forgery.encoded, [identity])
        (named,) = caught.value.addressed_to
        assert f"{alice.certificate.serial_number:#x}" in named
        assert caught.value.identities == (str(identity),)


@ALGORITHMS
@CONTENTS
def test_a_wrong_key_is_the_one_failure(alice: Person, algorithm: KeyTransport, mode: str) -> None:
    """Another session key, one of another size, and a wrapped key that is none fail alike."""
    check = _refused if mode == "gcm" else _cbc_refused
    honest = recipient_info(alice, algorithm)
    for info in (
        recipient_info(alice, algorithm, os.urandom(32)),
        recipient_info(alice, algorithm, KEY[:16]),
        recipient_info(alice, algorithm, KEY + b"x"),
        recipient_info(alice, algorithm, b""),
        honest[:-1] + bytes((honest[-1] ^ 1,)),
        honest[:-256] + bytes(256),
        honest[:-256] + b"\xff" * 256,
    ):
        check(_forgery(info, mode), alice)


def test_a_wrong_tag_is_the_one_failure(alice: Person) -> None:
    """An altered tag, an altered text and a text that was cut down fail alike."""
    honest = Forgery(recipient_info(alice))
    for altered in (
        replace(honest, trailer=honest.trailer[:-1] + b"\x00"),
        replace(honest, ciphertext=honest.ciphertext[:-1]),
        replace(honest, ciphertext=b""),
        replace(honest, ciphertext=b"\x00" + honest.ciphertext[1:]),
    ):
        _refused(altered, alice)


def test_wrong_padding_is_the_one_failure(alice: Person) -> None:
    """Every way in which CBC's padding can be wrong fails alike, and like a wrong tag."""
    encryptor = Cipher(algorithms.AES(KEY), modes.CBC(bytes(16))).encryptor()
    for ending in (b"\x00", b"\x11", b"\xff", b"\x01\x02", b"\x02\x03\x03", b"\x00" * 16):
        encryptor = Cipher(algorithms.AES(KEY), modes.CBC(bytes(16))).encryptor()
        _refused(_cbc(recipient_info(alice), encryptor.update((bytes(32) + ending)[-32:])), alice)
    for size in (0, 1, 15, 17, 31):
        _refused(_cbc(recipient_info(alice), bytes(size)), alice)


@CONTENTS
@pytest.mark.parametrize("size", [0, 1, 16, 24, 33])
def test_a_saved_key_that_does_not_fit_is_the_one_failure(alice: Person, mode: str, size: int) -> None:
    """A session key of another message, whatever its size, fails as any wrong key does, and hides no right one."""
    forgery = _forgery(recipient_info(alice), mode)
    saved = SessionKey(bytearray(size))
    assert assert_refused(forgery.encoded, [saved], DecryptionError) == WORDS
    assert decrypt(forgery.encoded, [saved, alice.identity]).message == TEXT
    assert decrypt(forgery.encoded, [SessionKey(bytearray(KEY))]).message == TEXT


@ALGORITHMS
@CONTENTS
def test_the_second_recipient_info_is_no_oracle(alice: Person, bob: Person, algorithm: KeyTransport, mode: str) -> None:
    """Where two recipient infos stand, one of them chosen by an attacker, the outcome tells nothing about it."""
    honest = recipient_info(alice, algorithm)
    guesses = [
        honest[:-256] + os.urandom(255).rjust(256, b"\x00"),
        honest[:-256] + bytes(256),
        recipient_info(alice, algorithm, os.urandom(32)),
        recipient_info(alice, algorithm, os.urandom(16)),
        recipient_info(bob, algorithm),
    ]
    for guess in guesses:
        for infos in (honest + guess, guess + honest):
            assert _text_comes_out(infos, mode, alice.identity)
            assert _text_comes_out(infos, mode, alice.bare)
    for first in guesses[:4]:
        for second in guesses[:4]:
            (_refused if mode == "gcm" else _cbc_refused)(_forgery(first + second, mode), alice)


def test_unauthenticated_content_can_be_refused(alice: Person) -> None:
    """Who wants proof says so, and gets none of what has none."""
    forgery = _forgery(recipient_info(alice), "cbc")
    assert COMPAT.content == AES_256_CBC
    assert not decrypt(forgery.encoded, [alice.identity]).authenticated
    with pytest.raises(PolicyError) as caught:
        decrypt(forgery.encoded, [alice.identity], policy=Policy(require_authenticated=True))
    assert caught.value.option == "require_authenticated"
    authenticated = _forgery(recipient_info(alice), "gcm").encoded
    assert decrypt(authenticated, [alice.identity], policy=Policy(require_authenticated=True)).message == TEXT
