"""Opening: which of several keys wins, what is tried, what is wiped, and what is refused beforehand."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from smime_session import COMPAT, MODERN, PresharedKey, encrypt, encrypt_stream
from smime_session.algorithms import AES_256_GCM, AUTH_ENVELOPED_DATA, DATA
from smime_session.cms.values import AlgorithmIdentifier, EnvelopeHeader
from smime_session.errors import DecryptionError, LimitError, NoMatchError, SmimeError
from smime_session.mail.reunion import begins_like_entity
from smime_session.operations.candidates import Candidate, Candidates
from smime_session.operations.opening import begin, open_content, open_whole_content
from smime_session.profiles import DEFAULT, Policy
from smime_session.recipients.from_certificates import recipient_for
from smime_session.session_key import Proof, SessionKey
from smime_session.streams.sources import Replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session import Profile
    from smime_session.cms.values import WrappedKey
    from tests.conftest import Person

READER = PresharedKey(bytes(range(32)), b"reader")
MAIL = b"Subject: x\r\nContent-Type: text/plain\r\n\r\nAt eight?\r\n"


def header_of(*wrapped: WrappedKey) -> EnvelopeHeader:
    """Return what stands before the content of a message for some recipients."""
    return EnvelopeHeader(AUTH_ENVELOPED_DATA, 0, wrapped, DATA, AlgorithmIdentifier(AES_256_GCM.oid))


def judged(message: bytes, *keys: SessionKey, strict: bool = False) -> SessionKey:
    """Return the key that is taken for the one that opened a message."""
    with Replay(message) as replay:
        candidates = [Candidate(key, None) for key in keys]
        return open_content(begin(replay, DEFAULT), candidates, strict=strict).candidate.key


def opens_to_noise(message: bytes, key: SessionKey) -> bool:
    """Tell whether a key leaves a sound padding, as one wrong key in 256 does, and nothing that begins like a mail."""
    with Replay(message) as replay:
        try:
            _, content = open_whole_content(begin(replay, DEFAULT).reader, [Candidate(key, None)])
        except DecryptionError:
            return False
    return not begins_like_entity(content)


def key_of(message: bytes) -> SessionKey:
    """Return the key of a message."""
    with Replay(message) as replay:
        return READER.unwrap(begin(replay, DEFAULT).reader.header.wrapped_keys)


def right_and_wrong(message: bytes) -> tuple[SessionKey, SessionKey]:
    """Return the key of a message in CBC mode, and another one that seems to open it, as noise."""
    right = key_of(message)
    keys = (SessionKey(bytearray(number.to_bytes(32))) for number in range(100_000))
    return right, next(key for key in keys if opens_to_noise(message, key))


def test_what_begins_like_a_mail_wins() -> None:
    """Of two keys that both seem to open, the one whose plaintext begins like an entity is taken."""
    message = encrypt(MAIL, [READER], profile=COMPAT)
    right, wrong = right_and_wrong(message)
    for proof in (Proof.NONE, Proof.NAMED, Proof.CHECKED):
        right.proof = wrong.proof = proof
        assert judged(message, right, wrong) is right
        assert judged(message, wrong, right) is right


@pytest.mark.parametrize(("better", "worse"), [(Proof.CHECKED, Proof.NAMED), (Proof.NAMED, Proof.NONE)])
def test_the_better_proof_wins_first(better: Proof, worse: Proof) -> None:
    """A key with a better proof goes before one whose plaintext looks better."""
    message = encrypt(MAIL, [READER], profile=COMPAT)
    right, wrong = right_and_wrong(message)
    right.proof, wrong.proof = worse, better
    assert judged(message, right, wrong) is wrong
    assert judged(message, wrong, right) is wrong


@pytest.mark.parametrize("profile", [COMPAT, MODERN], ids=lambda profile: profile.name)
def test_a_decoy_opens_nothing(profile: Profile) -> None:
    """However well its padding fits, and even if it is the right key: whoever unwrapped it knows that it is not."""
    message = encrypt(MAIL, [READER], profile=profile)
    right = key_of(message)
    right.proof = Proof.REFUTED
    with pytest.raises(DecryptionError):
        judged(message, right)
    assert judged(message, right, other := key_of(message)) is other


@pytest.mark.parametrize("content", [b"no mail at all", b"\nnor this"])
def test_what_cannot_be_decided_is_not(content: bytes) -> None:
    """Of two keys that both seem to open, none is taken if nothing tells which is right."""
    target = io.BytesIO()
    encrypt_stream(io.BytesIO(content), target, [READER], profile=COMPAT, form="der")
    message = target.getvalue()
    right, wrong = right_and_wrong(message)
    right.proof = wrong.proof = Proof.NAMED
    for keys in ((right, wrong), (wrong, right)):
        with pytest.raises(DecryptionError):
            judged(message, *keys)
    assert judged(message, right) is right
    again = SessionKey(bytearray(right.material), proof=Proof.NAMED)
    assert judged(message, again, right) is again


def test_a_key_that_is_passed_on_is_certain() -> None:
    """Where the key itself is wanted, it needs a proof of its own: what the plaintext looks like is not enough."""
    message = encrypt(MAIL, [READER], profile=COMPAT)
    right, wrong = right_and_wrong(message)
    right.proof = wrong.proof = Proof.NONE
    assert judged(message, right, wrong) is right
    for keys in ((right, wrong), (wrong, right), (right,)):
        with pytest.raises(DecryptionError):
            judged(message, *keys, strict=True)
    right.proof = wrong.proof = Proof.NAMED
    with pytest.raises(DecryptionError):
        judged(message, right, wrong, strict=True)
    assert judged(message, right, strict=True) is right
    right.proof = Proof.CHECKED
    assert judged(message, wrong, right, strict=True) is right


def test_a_tag_proves_the_key() -> None:
    """What opened authenticated content is certain, however it was unwrapped."""
    message = encrypt(MAIL, [READER], profile=MODERN)
    right = key_of(message)
    right.proof = Proof.NONE
    assert judged(message, right, SessionKey(bytearray(32)), strict=True) is right


class Failing:
    """An identity that cannot answer."""

    def unwrap(self, _wrapped: Sequence[WrappedKey]) -> SessionKey:
        """Fail."""
        raise SmimeError("out of order")


class Keeping:
    """An identity that remembers the key it gave."""

    def __init__(self) -> None:
        self.given = SessionKey.generate(32)

    def unwrap(self, _wrapped: Sequence[WrappedKey]) -> SessionKey:
        """Give a key."""
        return self.given


def test_keys_are_wiped_when_a_later_identity_fails() -> None:
    """What was unwrapped before an exception does not stay in memory."""
    first = Keeping()
    material = first.given.material
    with pytest.raises(SmimeError, match="out of order"):
        Candidates(header_of(), [first, Failing()], DEFAULT)
    assert material == bytes(32)
    assert not len(first.given)


class Stranger:
    """An identity to which nothing is addressed."""

    def unwrap(self, _wrapped: Sequence[WrappedKey]) -> SessionKey:
        """Say so."""
        raise NoMatchError


def test_an_identity_that_is_not_addressed_hides_no_other() -> None:
    """One that cannot tell beforehand is passed over when it says so."""
    keeping = Keeping()
    with Candidates(header_of(), [Stranger(), keeping, Stranger()], DEFAULT) as candidates:
        assert [candidate.key for candidate in candidates.all] == [keeping.given]
    with pytest.raises(NoMatchError):
        Candidates(header_of(), [Stranger()], DEFAULT)


def test_too_many_trials_of_a_bare_key_say_what_helps(alice: Person) -> None:
    """A key without its certificate has to try everything; with it, it need not."""
    recipient = recipient_for(alice.certificate, profile=replace(MODERN, insecure_expired=True))
    with SessionKey.generate(32) as key:
        wrapped = [recipient.wrap(key) for _ in range(3)]
    words = "the number of wrapped keys to try{} exceeds the limit of 2"
    with pytest.raises(LimitError) as bare:
        Candidates(header_of(*wrapped), [alice.bare], Policy(max_trials=2))
    assert str(bare.value) == words.format(" (fewer if you give the certificate with the private key)")
    with pytest.raises(LimitError) as named:
        Candidates(header_of(*wrapped), [alice.identity], Policy(max_trials=2))
    assert str(named.value) == words.format("")


@pytest.mark.parametrize("of_what", ["certificate", "octets"])
def test_what_is_no_identity_is_told(alice: Person, of_what: str) -> None:
    """A certificate or octets in the place of an identity are the caller's mistake, told in a sentence."""
    wrong = {"certificate": alice.certificate, "octets": b"-----BEGIN"}[of_what]
    with pytest.raises(TypeError, match=r"^an identity is one of those that load_identities\(\) returns, or "):
        Candidates(header_of(), [wrong], DEFAULT)  # type: ignore[list-item]
