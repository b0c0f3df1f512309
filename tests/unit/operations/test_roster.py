"""What rewrapping does to the readers as a whole: algorithms that the others know, and what it costs to let one in."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from smime_session import (
    AUTO,
    COMPAT,
    MODERN,
    PQ,
    Profile,
    RecipientError,
    Rewrapped,
    decrypt,
    inspect,
    rewrap,
    rewrap_stream,
)
from smime_session.algorithms import (
    AES_128_CBC,
    AES_128_GCM,
    AES_256_CBC,
    AES_256_GCM,
    CHACHA20_POLY1305,
    DES_EDE3_CBC,
    RC2_CBC,
    ContentEncryption,
)
from smime_session.cms import content_algorithm
from smime_session.cms.values import AlgorithmIdentifier, ContentParameters
from smime_session.operations.rewrap import profile_like
from tests.support.readers import (
    EC,
    ML_KEM,
    OTHER_EC,
    PASSWORD,
    RSA,
    SHARED,
    X25519,
    Reader,
    new_reader,
    prepared_for,
    sealed_for,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from smime_session import Recipient

AGREED: Final = "key agreement"


def _rewrapped(message: bytes, reader: Reader, **choices: Any) -> tuple[bytes, Rewrapped]:  # noqa: ANN401  # as rewrap_stream's
    target = io.BytesIO()
    done = rewrap_stream(io.BytesIO(message), target, reader.identities, **choices)
    return target.getvalue(), done


def _algorithms(message: bytes) -> dict[str, str | None]:
    return {each.summary.technique: each.summary.algorithm for each in inspect(message).recipients}


OLD_RSA: Final = new_reader("old", "rsa2048", announce=False)
"""Somebody of whose programs nothing is known."""


# --- the profile that is like the message ------------------------------------------------------


def _identifier(algorithm: ContentEncryption, *, derived: bool = False) -> AlgorithmIdentifier:
    parameters = ContentParameters(algorithm, bytes(algorithm.nonce_size), algorithm.tag_size)
    return content_algorithm.encode(content_algorithm.with_derived_key(parameters) if derived else parameters)


@pytest.mark.parametrize("derived", [False, True])
@pytest.mark.parametrize(
    ("algorithm", "profile"),
    [(AES_128_CBC, AUTO), (DES_EDE3_CBC, AUTO), (AES_128_GCM, MODERN), (CHACHA20_POLY1305, MODERN)],
    ids=lambda each: each.name,
)
def test_a_profile_is_like_the_content(algorithm: ContentEncryption, profile: Profile, *, derived: bool) -> None:
    """CBC looks at its readers, all else is for those of modern; a derived content key is one again."""
    assert profile_like(_identifier(algorithm, derived=derived)) == replace(profile, derived_content_key=derived)


@pytest.mark.parametrize(
    "unknown",
    [AlgorithmIdentifier("1.2.3", None), AlgorithmIdentifier(RC2_CBC.oid, b"\x04\x00")],
    ids=["oid", "broken"],
)
def test_what_is_not_understood_says_nothing(unknown: AlgorithmIdentifier) -> None:
    """Content that cannot be opened here stands in nobody's way who removes a reader."""
    assert profile_like(unknown) == MODERN


def test_newcomers_get_what_the_others_have() -> None:
    """Without a profile an RSA key is wrapped for as the message's readers know it; with one, as that says."""
    old, new = sealed_for(EC, profile=COMPAT), sealed_for(EC)
    expected = [(old, None, "v1_5"), (new, None, "OAEP"), (old, MODERN, "OAEP"), (new, COMPAT, "v1_5")]
    for message, profile, name in expected:
        wider = rewrap(message, EC.identities, add=[OLD_RSA.recipient], profile=profile)
        algorithm = _algorithms(wider)["key transport"]
        assert algorithm is not None
        assert name in algorithm


def test_newcomers_who_read_more_get_that() -> None:
    """A certificate that announces RSAES-OAEP gets that in an old message too, and sealed anew AES-GCM."""
    old = sealed_for(OLD_RSA, profile=COMPAT)
    assert _algorithms(rewrap(old, OLD_RSA.identities, add=[RSA.recipient], remove=[OLD_RSA.certificate])) == {
        "key transport": "RSAES-OAEP with SHA-256"
    }
    resealed, done = _rewrapped(old, OLD_RSA, add=[RSA.recipient], reseal=True)
    assert (done.content_encryption, decrypt(resealed, RSA.identities).authenticated) == ("AES-256-GCM", True)


def test_newcomers_to_an_old_message_share_no_recipient_info() -> None:
    """Readers of compat find only the first of those in one recipient info, so each newcomer gets one."""
    add = [EC.recipient, OTHER_EC.recipient]
    for profile, places in ((COMPAT, [1, 2, 3]), (MODERN, [1, 2, 2])):
        wider = rewrap(sealed_for(RSA, profile=profile), RSA.identities, add=add)
        assert [each.index for each in inspect(wider).recipients] == places


def test_newcomers_whom_old_readers_do_not_know_are_let_in() -> None:
    """ML-KEM in a message with CBC is let in as when it is encrypted, unless the profile is compat."""
    message = sealed_for(RSA, profile=COMPAT)
    with pytest.raises(RecipientError, match=r"the readers of profile compat do not know \(ML-KEM-768\)"):
        rewrap(message, RSA.identities, add=[ML_KEM.recipient], profile=COMPAT)
    wider = rewrap(message, RSA.identities, add=[ML_KEM.recipient])
    assert decrypt(wider, ML_KEM.identities).message == decrypt(message, RSA.identities).message


@pytest.mark.parametrize(
    ("profile", "content"),
    [
        (COMPAT, AES_256_CBC),
        (replace(COMPAT, content=AES_128_CBC), AES_256_CBC),
        (MODERN, AES_256_GCM),
        (replace(MODERN, content=CHACHA20_POLY1305), AES_256_GCM),
        (replace(COMPAT, derived_content_key=True), AES_256_CBC),
        (replace(MODERN, derived_content_key=True), AES_256_GCM),
    ],
)
def test_a_resealed_message_is_for_the_same_readers(profile: Profile, content: ContentEncryption) -> None:
    """Without a profile the new content is of the old one's kind, and bound to its algorithm if that was."""
    message = sealed_for(OLD_RSA, EC, profile=profile)
    resealed, done = _rewrapped(message, OLD_RSA, add=[OLD_RSA.recipient, EC.recipient], reseal=True)
    after = inspect(resealed)
    assert (done.content_encryption, after.content.algorithm) == (content.name, content.name)
    assert (after.content.key_derivation is not None) == profile.derived_content_key
    assert _algorithms(resealed)["key transport"] == _algorithms(message)["key transport"]
    assert decrypt(resealed, EC.identities).message == decrypt(message, OLD_RSA.identities).message


def test_a_profile_may_be_made_of_that_one() -> None:
    """A function gets the profile that is like the message, and gives the one that is taken."""
    seen: list[Profile] = []

    def by_key_identifier(like: Profile) -> Profile:
        seen.append(like)
        return replace(like, identifier="key-identifier")

    for profile in (COMPAT, MODERN):
        wider = rewrap(sealed_for(RSA, profile=profile), RSA.identities, add=[EC.recipient], profile=by_key_identifier)
        assert [bool(each.summary.key_identifier) for each in inspect(wider).recipients] == [False, True]
    assert seen == [AUTO, MODERN]


@pytest.mark.parametrize("reseal", [False, True])
@pytest.mark.parametrize("wrong", ["modern", lambda _: "modern"], ids=["name", "function"])
def test_a_profile_is_no_name(wrong: Any, *, reseal: bool) -> None:  # noqa: ANN401  # what is wrong has any type
    """The name of a profile is for the command line, also where a function returns it."""
    with pytest.raises(TypeError, match="a profile is AUTO, MODERN, COMPAT, PQ or made from one of them"):
        rewrap(sealed_for(RSA), RSA.identities, add=[EC.recipient], profile=wrong, reseal=reseal)


# --- post-quantum readers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (RSA, r"serial 0x[0-9a-f]+ of CN=rsa@example.org has no post-quantum key"),
        (EC, r"serial 0x[0-9a-f]+ of CN=ec@example.org has no post-quantum key"),
        (PASSWORD, "a password recipient has no post-quantum public key"),
        (SHARED, "key identifier 6f757273 has no post-quantum public key"),
    ],
    ids=lambda each: each.name if isinstance(each, Reader) else "",
)
def test_whoever_stays_is_held_to_a_post_quantum_profile(kept: Reader, words: str) -> None:
    """With profile pq a reader who stays and has no ML-KEM key is refused by name, and nothing is written."""
    message = sealed_for(kept, X25519)
    target = io.BytesIO()
    for choices in ({"add": [ML_KEM.recipient]}, {"remove": [X25519.certificate]}):
        with pytest.raises(RecipientError, match=words):
            rewrap_stream(io.BytesIO(message), target, kept.identities, profile=PQ, **choices)
    assert target.getvalue() == b""


def test_everybody_who_is_in_the_way_is_named() -> None:
    """Those who stay and those who come are refused together."""
    with pytest.raises(RecipientError) as caught:
        rewrap(sealed_for(RSA, EC), RSA.identities, add=[X25519.recipient], profile=PQ)
    assert [sum(name in one for one in caught.value.refused) for name in ("CN=rsa@", "CN=ec@", "x25519@")] == [1, 1, 1]


def test_a_message_becomes_post_quantum() -> None:
    """Who has no post-quantum public key may be replaced under profile pq, by those who do."""
    leaving = [RSA.certificate, EC.certificate]
    changed = rewrap(sealed_for(RSA, EC), RSA.identities, add=[ML_KEM.recipient], remove=leaving, profile=PQ)
    assert inspect(changed).post_quantum
    assert decrypt(changed, ML_KEM.identities).authenticated


@pytest.mark.parametrize("reseal", [False, True])
@pytest.mark.parametrize(
    ("before", "coming", "classical"),
    [
        ([ML_KEM], [RSA, EC], ["CN=rsa@example.org", "CN=ec@example.org"]),
        ([ML_KEM, SHARED], [PASSWORD, OTHER_EC], ["CN=other-ec@example.org"]),
        ([ML_KEM], [PASSWORD, SHARED], []),
        ([ML_KEM, RSA], [EC], []),
    ],
)
def test_it_is_told_by_whom_a_message_is_weakened(
    before: Sequence[Reader], coming: Sequence[Reader], classical: Sequence[str], *, reseal: bool
) -> None:
    """A message that was post-quantum and is no longer names the newcomers who cost it that."""
    add: list[Recipient | x509.Certificate] = [reader.recipient for reader in coming]
    add += [ML_KEM.recipient] if reseal else []
    message = sealed_for(*before)
    changed, done = _rewrapped(message, ML_KEM, add=add, reseal=reseal)
    assert (inspect(message).post_quantum and not inspect(changed).post_quantum) == bool(done.weakened_by)
    assert len(done.weakened_by) == len(classical)
    assert all(any(name in one for one in done.weakened_by) for name in classical)


def test_whoever_is_there_weakens_nothing() -> None:
    """Removing somebody, or naming who is a reader already, makes no message weaker than it was."""
    message = sealed_for(ML_KEM, SHARED)
    assert _rewrapped(message, ML_KEM, add=[ML_KEM.recipient])[1].weakened_by == ()
    assert _rewrapped(message, ML_KEM, remove=["6f757273"])[1].weakened_by == ()


def test_a_recipient_that_passes_for_nothing_is_refused_in_time() -> None:
    """Prepared recipients are held to profile pq once they have wrapped, before anything is written."""
    target = io.BytesIO()
    with pytest.raises(RecipientError, match="has no post-quantum key"):
        rewrap_stream(io.BytesIO(sealed_for(ML_KEM)), target, ML_KEM.identities, add=prepared_for(EC), profile=PQ)
    assert target.getvalue() == b""
