"""Wrong keys on content that nothing authenticates: none opens it, though one padding in 256 fits."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from smime_session import (
    COMPAT,
    MODERN,
    DecryptionError,
    OtherMessageError,
    Password,
    PresharedKey,
    SessionKey,
    decrypt,
    export_session_key,
    rewrap,
)
from smime_session.algorithms import (
    AES_192_CBC,
    AES_256_CBC,
    BRAINPOOL_P256R1,
    ENVELOPED_DATA,
    P_256,
    RSAES_OAEP_SHA256,
    RSAES_PKCS1_V1_5,
    TRIPLE_DES_WRAP,
    X448,
    X25519,
    Curve,
    KeyTransport,
)
from smime_session.certificates.public_key import PublicKey
from smime_session.cms import asn1
from smime_session.cms.values import SubjectKeyIdentifier, WrappedKey
from smime_session.keys.software import private_key
from smime_session.profiles import Policy
from smime_session.recipients import curves
from smime_session.recipients.ecdh import KeyAgreementIdentity
from smime_session.recipients.kem import EncapsulationIdentity
from smime_session.recipients.rsa import KeyTransportRecipient
from tests.hostile.forge import KEY, TEXT, Forgery, recipient_info
from tests.support import agreeing, encapsulating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smime_session import Identity
    from tests.conftest import Person

    Wrong = Iterator[tuple[bytes, Identity]]
    """Recipient infos that hold the key, each with an identity that cannot unwrap it and has to try."""

MANY: Final = int(os.environ.get("SMIME_SESSION_WRONG_KEYS", "2000"))
"""Wrong keys of each of ten kinds: the padding fits for eight of 2,000."""
VECTOR: Final = bytes(16)
LEGACY: Final = Policy(insecure_legacy=True)
NEWCOMER: Final = PresharedKey(bytes(32), b"newcomer")
QUICK: Final = 1000  # iterations


def _passwords(_: Person, __: Person) -> Wrong:
    info = Password("the right one", iterations=QUICK).wrap(SessionKey(bytearray(KEY))).encoded
    return ((info, Password(f"wrong {number}")) for number in count())


def _shared_keys(_: Person, __: Person) -> Wrong:
    info = PresharedKey(bytes(32), b"ours").wrap(SessionKey(bytearray(KEY))).encoded
    return ((info, PresharedKey(os.urandom(32), b"ours")) for _ in count())


def _on(curve: Curve) -> Callable[[Person, Person], Wrong]:
    def wrong(_: Person, __: Person) -> Wrong:
        info = agreeing.sealed(agreeing.person(curve=curve), KEY, algorithm=curve.agreement).encoded
        return ((info, KeyAgreementIdentity(private_key(curves.generate(curve)))) for _ in count())

    return wrong


def _triple_des(_: Person, __: Person) -> Wrong:
    info = agreeing.sealed(agreeing.person(), KEY[:24], wrap=TRIPLE_DES_WRAP).encoded
    return ((info, KeyAgreementIdentity(private_key(curves.generate(P_256)))) for _ in count())


def _encapsulated(_: Person, __: Person) -> Wrong:
    info = encapsulating.wrapped_for(encapsulating.ALICE, KEY).encoded
    return ((info, EncapsulationIdentity(private_key(MLKEM768PrivateKey.generate()))) for _ in count())


def _oaep(alice: Person, bob: Person) -> Wrong:
    return ((recipient_info(alice, RSAES_OAEP_SHA256), bob.bare) for _ in count())


def _altered_oaep(alice: Person, _: Person) -> Wrong:
    honest = recipient_info(alice, RSAES_OAEP_SHA256)
    return ((honest[:-16] + os.urandom(16), alice.identity) for _ in count())


CHECKED: Final = {
    "password": _passwords,
    "shared key": _shared_keys,
    **{curve.name: _on(curve) for curve in (P_256, BRAINPOOL_P256R1, X25519, X448)},
    "Triple-DES key wrap": _triple_des,
    "ML-KEM": _encapsulated,
    "RSAES-OAEP": _oaep,
    "altered RSAES-OAEP": _altered_oaep,
}
"""Unwrapping that checks what comes out, and tells wrong keys by that."""


def _message(infos: bytes, size: int = 32) -> bytes:
    """Return a message in CBC mode, under as many bytes of the key as there are in the recipient infos."""
    missing = 16 - len(TEXT) % 16
    cipher = Cipher(algorithms.AES(KEY[:size]), modes.CBC(VECTOR)).encryptor()
    ciphertext = cipher.update(TEXT + bytes((missing,)) * missing)
    parameters = asn1.encode(asn1.OCTET_STRING, VECTOR)
    algorithm = AES_256_CBC if size == AES_256_CBC.key_size else AES_192_CBC
    return Forgery(infos, algorithm.oid, parameters, ciphertext, b"", ENVELOPED_DATA).encoded


def _padding_fits(message: bytes, key: SessionKey) -> bool:
    """Tell whether a key seems to open a message, whose last block stands at its end."""
    cipher = Cipher(algorithms.AES(key.material), modes.CBC(message[-32:-16])).decryptor()
    block = cipher.update(message[-16:])
    return 1 <= block[-1] <= 16 and block.endswith(bytes((block[-1],)) * block[-1])


def _operations(message: bytes, identity: Identity) -> list[Callable[[], object]]:
    """Return all that needs the key itself."""
    return [
        lambda: export_session_key(message, [identity], policy=LEGACY),
        lambda: rewrap(message, [identity], add=[NEWCOMER], policy=LEGACY),
        lambda: rewrap(message, [identity], add=[NEWCOMER], reseal=True, profile=COMPAT, policy=LEGACY),
        lambda: rewrap(message, [identity], add=[NEWCOMER], reseal=True, profile=MODERN, policy=LEGACY),
    ]


@pytest.mark.parametrize("kind", CHECKED)
def test_no_wrong_key_opens(alice: Person, bob: Person, kind: str) -> None:
    """Of 2,000 wrong keys none opens, none is passed on and none is saved, also where the decoy's padding fits."""
    size = 24 if kind == "Triple-DES key wrap" else 32
    tried = fitting = 0
    wrong = CHECKED[kind](alice, bob)
    while tried < MANY or not fitting:
        infos, identity = next(wrong)
        tried += 1
        message = _message(infos, size)
        with pytest.raises(DecryptionError):
            decrypt(message, [identity], policy=LEGACY)
        if _padding_fits(message, identity.unwrap([WrappedKey(infos, 0, size)])):
            fitting += 1
            for operation in _operations(message, identity):
                with pytest.raises(DecryptionError):
                    operation()


def test_no_other_key_of_a_message_passes_for_its_own(alice: Person) -> None:
    """A bare session key has nothing that would prove it: one in 256 seems to open, and is reported as no proof."""
    message = _message(recipient_info(alice))
    seeming = 0
    for _ in range(MANY):
        with suppress(DecryptionError):
            found = decrypt(message, [SessionKey(bytearray(os.urandom(32)))])
            assert not found.authenticated
            assert found.message != TEXT
            seeming += 1
    assert seeming < MANY // 64
    saved = export_session_key(message, [alice.identity])
    assert decrypt(message, [saved]).message == TEXT
    with pytest.raises(OtherMessageError):
        decrypt(Forgery(recipient_info(alice)).encoded, [saved])


def test_a_wrong_key_without_a_certificate_is_never_passed_on(alice: Person, bob: Person) -> None:
    """With RSAES-PKCS1-v1_5 nothing tells a wrong key: it may seem to open, and goes no further."""
    noise = None
    while noise is None:
        message = _message(recipient_info(alice, RSAES_PKCS1_V1_5))
        with suppress(DecryptionError):
            noise = decrypt(message, [bob.bare])
    assert not noise.authenticated
    assert noise.message != TEXT
    for identity in (bob.bare, alice.bare):  # the right one looks the same
        for operation in _operations(message, identity):
            with pytest.raises(DecryptionError):
                operation()


@pytest.mark.parametrize("algorithm", [RSAES_PKCS1_V1_5, RSAES_OAEP_SHA256], ids=lambda each: each.name)
def test_the_name_tells_the_right_key(alice: Person, algorithm: KeyTransport) -> None:
    """A recipient info that names the private key, by its certificate or by its own identifier, proves it."""
    key = SessionKey(bytearray(KEY))
    public_key = PublicKey.of(alice.key.public_key())
    by_key = KeyTransportRecipient(public_key, SubjectKeyIdentifier(public_key.key_identifier), algorithm)
    for infos, identity in (
        (recipient_info(alice, algorithm), alice.identity),
        (by_key.wrap(key).encoded, alice.identity),
        (by_key.wrap(key).encoded, alice.bare),
    ):
        message = _message(infos)
        assert decrypt(message, [identity]).message == TEXT
        for operation in _operations(message, identity):
            assert operation()


@pytest.mark.parametrize("chosen", ["another key", "a longer key", "no padding", "zeros"])
def test_what_an_attacker_chooses_tells_nothing(alice: Person, chosen: str) -> None:
    """However RSAES-PKCS1-v1_5 is broken, content seems to open as often: once in 256 times."""
    for _ in range(20 * 256):
        with suppress(DecryptionError):
            assert not decrypt(_message(_chosen(alice, chosen)), [alice.identity]).authenticated
            return
    pytest.fail("it never opens, which tells the padding")


def _chosen(person: Person, chosen: str) -> bytes:
    if chosen == "another key":
        return recipient_info(person, RSAES_PKCS1_V1_5, os.urandom(32))
    if chosen == "a longer key":
        return recipient_info(person, RSAES_PKCS1_V1_5, os.urandom(40))
    honest = recipient_info(person, RSAES_PKCS1_V1_5)
    return honest[:-256] + (
        os.urandom(255).rjust(256, b"\0") if chosen == "no padding" else os.urandom(8).rjust(256, b"\0")
    )
