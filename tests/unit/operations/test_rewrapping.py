"""Rewrapping: exactly those who were added and not removed read a message, on proof of who may add them."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

import smime_session
from smime_session import (
    COMPAT,
    MODERN,
    PQ,
    DecryptionError,
    MalformedError,
    NoMatchError,
    NotEnvelopeError,
    Policy,
    PolicyError,
    PresharedKey,
    Profile,
    RecipientError,
    decrypt,
    inspect,
    rewrap,
    rewrap_stream,
)
from smime_session.algorithms import DES_EDE3_CBC
from smime_session.cms import asn1, codec, content_algorithm
from smime_session.cms.values import ContentParameters, EnvelopeHeader
from smime_session.content import SLACK, sealer
from smime_session.operations.roster import Roster
from smime_session.recipients.registry import wrap_all
from smime_session.recipients.rsa import KeyTransRecipientInfo, encode
from tests.support.readers import (
    EC,
    MAIL,
    ML_KEM,
    OTHER_EC,
    READERS,
    RSA,
    SHARED,
    X25519,
    Reader,
    new_reader,
    opens,
    parts_of,
    prepared_for,
    sealed_for,
)

if TYPE_CHECKING:
    from smime_session.cms.values import WrappedKey

# --- adding and removing -----------------------------------------------------------------------


@pytest.mark.parametrize("profile", [MODERN, COMPAT], ids=lambda profile: profile.name)
@pytest.mark.parametrize("opener", READERS.values(), ids=READERS)
def test_every_technique_lets_every_other_in(opener: Reader, profile: Profile) -> None:
    """Whoever reads a message, with any kind of key, can add readers with keys of every other kind."""
    profile = replace(profile, encapsulation=True)
    message = sealed_for(opener, profile=profile)
    others = [reader for reader in READERS.values() if reader is not opener]
    wider = rewrap(message, opener.identities, add=[reader.recipient for reader in others], profile=profile)
    before, after = parts_of(message), parts_of(wider)
    assert after.unchanging == before.unchanging
    assert before.wrapped < after.wrapped
    assert all(opens(wider, reader) for reader in READERS.values())
    assert decrypt(wider, others[0].identities).message == decrypt(message, opener.identities).message


@pytest.mark.parametrize("leaving", READERS.values(), ids=READERS)
def test_one_of_all_kinds_is_removed_without_a_key(leaving: Reader) -> None:
    """Taking out a reader needs no identity; everybody else still reads, from unchanged recipient infos."""
    message = sealed_for(*READERS.values())
    who = {"password": "password", "shared": b"ours".hex()}.get(leaving.name) or leaving.certificate
    narrower = rewrap(message, remove=[who])
    before, after = parts_of(message), parts_of(narrower)
    assert after.unchanging == before.unchanging
    assert [name for name, reader in READERS.items() if not opens(narrower, reader)] == [leaving.name]
    if leaving not in (EC, OTHER_EC):
        assert after.wrapped < before.wrapped


def test_one_of_those_who_share_a_recipient_info_is_removed() -> None:
    """Of a recipient info for several, what all share and the parts of those who stay are kept octet for octet."""
    message = sealed_for(RSA, EC, OTHER_EC)
    (shared,) = [one for one in parts_of(message).header.wrapped_keys if one.encoded[0] == 0xA1]
    narrower = rewrap(message, remove=[EC.certificate])
    (alone,) = [one for one in parts_of(narrower).header.wrapped_keys if one.encoded[0] == 0xA1]
    *fields, members = asn1.parse(shared.encoded).children()
    *kept, (member,) = (asn1.parse(alone.encoded).children()[:-1], asn1.parse(alone.encoded).children()[-1].children())
    assert [each.encoded for each in kept[0]] == [each.encoded for each in fields]
    assert member.encoded in {each.encoded for each in members}
    assert opens(narrower, OTHER_EC)
    assert not opens(narrower, EC)


def test_somebody_is_replaced() -> None:
    """Naming somebody for removal and somebody else for adding replaces them, even the only one there is."""
    message = sealed_for(RSA)
    replaced = rewrap(message, RSA.identities, add=[EC.recipient], remove=[RSA.certificate])
    assert opens(replaced, EC)
    assert not opens(replaced, RSA)


def test_whoever_is_there_is_not_added_again() -> None:
    """A certificate or shared key that is addressed already stays as it was, however it is named, and is reported."""
    message = sealed_for(RSA, SHARED, profile=replace(MODERN, identifier="key-identifier"))
    target = io.BytesIO()
    done = rewrap_stream(io.BytesIO(message), target, RSA.identities, add=[RSA.recipient, SHARED.recipient])
    assert parts_of(target.getvalue()).wrapped == parts_of(message).wrapped
    assert (done.kept, done.added, len(done.present)) == (2, 0, 2)


def test_whoever_is_named_twice_is_added_once() -> None:
    """The same person as a certificate and as a prepared recipient gets one recipient info."""
    prepared = smime_session.recipient_for(X25519.certificate)
    wider = rewrap(sealed_for(RSA), RSA.identities, add=[X25519.recipient, prepared, X25519.recipient])
    assert len(inspect(wider).recipients) == 2
    assert opens(wider, X25519)


def test_a_key_is_wrapped_anew_when_asked_for() -> None:
    """Removing and adding one person at once gives them a new recipient info."""
    message = sealed_for(RSA, EC)
    again = rewrap(message, EC.identities, add=[RSA.recipient], remove=[RSA.certificate])
    assert opens(again, RSA)
    assert len(parts_of(again).wrapped & parts_of(message).wrapped) == 1


def test_what_was_done_is_told() -> None:
    """The outcome counts and names who stayed, came and went."""
    target = io.BytesIO()
    message = sealed_for(RSA, EC, SHARED, form="der")
    done = rewrap_stream(io.BytesIO(message), target, RSA.identities, add=[X25519.recipient], remove=[EC.certificate])
    assert (done.kept, done.added, done.present, done.resealed) == (2, 1, (), False)
    assert [f"{EC.certificate.serial_number:#x}" in name for name in done.removed] == [True]
    assert (done.form, done.encoding, done.content_encryption) == ("der", "DER", "AES-256-GCM")


NAMES: Final = sorted(READERS)
STEPS: Final = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "replace", "reseal"]), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    max_size=6,
)


def _selector(name: str) -> str | x509.Certificate:
    return {"password": "password", "shared": b"ours".hex()}.get(name) or READERS[name].certificate


@settings(max_examples=40)
@given(
    steps=STEPS,
    start=st.sets(st.sampled_from(NAMES), min_size=1, max_size=3),
    profile=st.sampled_from([MODERN, COMPAT]),
)
def test_exactly_the_current_readers_open_it(
    steps: list[tuple[str, str, str]], start: set[str], profile: Profile
) -> None:
    """After any sequence of adding, removing, replacing and resealing, exactly the current readers open the message."""
    profile = replace(profile, encapsulation=True)
    message = sealed_for(*(READERS[name] for name in sorted(start)), profile=profile)
    current = set(start)
    for step, one, other in steps:
        identities = READERS[min(current)].identities
        if step == "add" and one not in current:
            message = rewrap(message, identities, add=[READERS[one].recipient], profile=profile)
            current.add(one)
        elif step == "remove" and one in current and len(current) > 1:
            message = rewrap(message, remove=[_selector(one)])
            current.remove(one)
        elif step == "replace" and one in current and other not in current:
            message = rewrap(
                message, identities, add=[READERS[other].recipient], remove=[_selector(one)], profile=profile
            )
            current = current - {one} | {other}
        elif step == "reseal":
            current = {one, other}
            everybody = [READERS[name].recipient for name in sorted(current)]
            message = rewrap(message, identities, add=everybody, reseal=True, profile=profile)
    assert {name for name in NAMES if opens(message, READERS[name])} == current
    assert decrypt(message, READERS[min(current)].identities).message.endswith(b"Good morning\r\n")


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["issuer-serial", "key-identifier"])
@pytest.mark.parametrize("how", ["certificate", "certificates", "address", "number"])
def test_who_is_found(name: str, how: str) -> None:
    """A recipient is found by certificate, address, and serial number or key identifier, whichever the message has."""
    message = sealed_for(RSA, EC, profile=replace(MODERN, identifier=name))  # type: ignore[arg-type]
    certificate = EC.certificate
    summary = next(each.summary for each in inspect(message).recipients if each.summary.technique == "key agreement")
    selectors: dict[str, str | x509.Certificate | tuple[x509.Certificate, ...]] = {
        "certificate": certificate,
        "certificates": (OTHER_EC.certificate, certificate),
        "address": "EC@example.org",
        "number": summary.serial_number or summary.key_identifier or "",
    }
    narrower = rewrap(message, remove=[selectors[how]], certificates=[RSA.certificate, certificate])
    assert (opens(narrower, RSA), opens(narrower, EC)) == (True, False)


def test_a_number_may_be_written_either_way() -> None:
    """A serial number is taken decimal or hexadecimal, a key identifier with colons or after 0x too."""
    message = sealed_for(RSA, SHARED)
    for who in (str(RSA.certificate.serial_number), f"{RSA.certificate.serial_number:#X}"):
        assert not opens(rewrap(message, remove=[who]), RSA)
    for who in ("6f:75:72:73", "0x6f757273", "6F757273"):
        assert not opens(rewrap(message, remove=[who]), SHARED)


@pytest.mark.parametrize("who", ["0x1", "12345", "abcd", "nobody", "password", "", "0x", "-1", "1" * 300])
def test_a_name_that_matches_nobody_is_refused(who: str) -> None:
    """The error names who was looked for and lists who is there."""
    with pytest.raises(RecipientError, match="is not a recipient: the message is addressed to serial 0x") as caught:
        rewrap(sealed_for(RSA), remove=[who])
    assert str(caught.value).startswith(who)


def test_every_wrong_name_is_told() -> None:
    """Several names that match nobody are refused together."""
    with pytest.raises(RecipientError) as caught:
        rewrap(sealed_for(RSA), remove=["0x1", EC.certificate, "ec@example.org", ()])
    assert len(caught.value.refused) == 4
    assert "ec@example.org is in none of the given certificates" in str(caught.value)


def test_a_certificate_whose_key_cannot_be_read_names_nobody() -> None:
    """A point that is not on its curve is told as such, by the name of the certificate."""
    der = EC.certificate.public_bytes(Encoding.DER)
    point = EC.certificate.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    broken = x509.load_der_x509_certificate(der.replace(point, point[:-1] + bytes((point[-1] ^ 1,))))
    words = r"^certificate of ec@example.org \(serial 0x[0-9a-f]+\) has a public key that cannot be read$"
    with pytest.raises(RecipientError, match=words):
        rewrap(sealed_for(RSA, EC), remove=[broken])


def test_one_serial_number_of_two_issuers_is_refused() -> None:
    """A serial number that two issuers have given names neither of them."""

    class Named:
        def __init__(self, issuer: str) -> None:
            name = asn1.encode(0x0C, issuer.encode())
            pair = asn1.encode(asn1.SEQUENCE, asn1.object_identifier("2.5.4.3"), name)
            self._issuer = asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SET, pair))

        def wrap(self, key: smime_session.SessionKey) -> WrappedKey:
            del key
            named = smime_session.cms.values.IssuerAndSerialNumber(self._issuer, 5)
            info = KeyTransRecipientInfo(named, smime_session.algorithms.RSAES_OAEP_SHA256, bytes(256))
            return encode(info)

    message = rewrap(sealed_for(RSA), RSA.identities, add=[Named("One"), Named("Two"), Named("One")])
    assert len(inspect(message).recipients) == 3
    with pytest.raises(
        RecipientError, match=r"5 names several recipients: serial 0x5 of CN=One \(.*\); serial 0x5 of CN=Two"
    ):
        rewrap(message, remove=["5"])


def test_nobody_left_is_refused() -> None:
    """The last recipient stays, unless somebody comes instead."""
    with pytest.raises(RecipientError, match="no recipient would be left without serial"):
        rewrap(sealed_for(RSA, EC), remove=[RSA.certificate, EC.certificate])


def test_nothing_to_do_is_refused() -> None:
    """Neither adding nor removing anybody is a mistake."""
    with pytest.raises(RecipientError, match="no recipient to add and none to remove"):
        rewrap(sealed_for(RSA), RSA.identities)


def test_roster_of_a_broken_recipient_info_has_no_name() -> None:
    """What cannot be read is somebody without a name, who stays."""
    broken = smime_session.cms.values.WrappedKey(b"\x30\x03\x02\x01\x00", 0, 32)
    roster = Roster([broken])
    assert [member.identifier for member in roster.members] == [None]
    assert roster.without([]) == (broken,)


def test_many_recipients() -> None:
    """Each of two thousand recipients is found by its name."""
    keys = [PresharedKey(bytes(32), f"key {number}".encode()) for number in range(2000)]
    message = rewrap(sealed_for(RSA), RSA.identities, add=keys)
    narrower = rewrap(message, remove=[b"key 1234".hex()])
    assert len(inspect(narrower).recipients) == 2000


# --- proof -------------------------------------------------------------------------------------


def test_adding_needs_somebody_who_reads() -> None:
    """Without an identity that the message is addressed to, no recipient is added."""
    for identities in ((), EC.identities):
        with pytest.raises(NoMatchError):
            rewrap(sealed_for(RSA), identities, add=[X25519.recipient])


@pytest.mark.parametrize("reseal", [False, True])
def test_an_altered_message_is_not_passed_on(reseal: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """A session key that does not open the whole content is wrapped for nobody, and nothing is written."""
    message = bytearray(sealed_for(RSA, form="der", content=os.urandom(200_000)))
    message[-20] ^= 1
    target = io.BytesIO()
    with pytest.raises(DecryptionError):
        rewrap_stream(io.BytesIO(message), target, RSA.identities, add=[EC.recipient], reseal=reseal)
    assert target.getvalue() == b""


def test_another_session_key_is_not_passed_on() -> None:
    """A session key that belongs to another message is refused."""
    with smime_session.SessionKey.generate(32) as key, pytest.raises(DecryptionError):
        rewrap(sealed_for(RSA), [key], add=[EC.recipient])


def test_a_session_key_serves_as_an_identity() -> None:
    """Whoever holds the session key can add readers without any private key."""
    message = sealed_for(RSA)
    with RSA.identities[0].unwrap(parts_of(message).header.wrapped_keys) as key:
        assert opens(rewrap(message, [key], add=[EC.recipient]), EC)


def test_a_message_that_is_cut_off_is_not_rewrapped() -> None:
    """Removing needs no key, but a whole message."""
    message = sealed_for(RSA, EC, form="der")
    for size in (len(message) - 1, len(message) // 2):
        with pytest.raises(MalformedError):
            rewrap(message[:size], remove=[EC.certificate])
    with pytest.raises(NotEnvelopeError):
        rewrap(MAIL, remove=[EC.certificate])


def test_weak_content_is_passed_on_when_asked_for() -> None:
    """Nobody is added to a message that is sealed with a broken cipher, without permission; removing is free."""
    message = _weak(RSA, SHARED)
    with pytest.raises(PolicyError, match="weak"):
        rewrap(message, RSA.identities, add=[EC.recipient])
    policy_ = Policy(insecure_legacy=True)
    wider = rewrap(message, RSA.identities, add=[EC.recipient], policy=policy_)
    assert decrypt(wider, EC.identities, policy=policy_).message == MAIL
    assert len(inspect(rewrap(message, remove=[RSA.certificate])).recipients) == 1


def test_weak_content_is_resealed_with_what_is_not() -> None:
    """Without a profile, what a broken cipher sealed gets one that is not broken, and that its readers know."""
    policy_ = Policy(insecure_legacy=True)
    old = new_reader("old", "p256", announce=False)
    for reader, content in ((EC, "AES-256-GCM"), (old, "AES-256-CBC")):
        sealed = rewrap(_weak(RSA), RSA.identities, add=[reader.recipient], reseal=True, policy=policy_)
        found = decrypt(sealed, reader.identities)
        assert (found.message, found.content_encryption) == (MAIL, content)


def _weak(*readers: Reader) -> bytes:
    parameters = ContentParameters(DES_EDE3_CBC, os.urandom(8), 0)
    with smime_session.SessionKey.generate(24) as key:
        wrapped = wrap_all(prepared_for(*readers), key)
        stream = sealer(parameters, key)
        buffer = memoryview(bytearray(len(MAIL) + SLACK))
        size = stream.update_into(MAIL, buffer)
        ciphertext = bytes(buffer[:size]) + stream.finish()[0]
    encryption = content_algorithm.encode(parameters)
    header = EnvelopeHeader(
        smime_session.algorithms.ENVELOPED_DATA, 2, wrapped, smime_session.algorithms.DATA, encryption
    )
    return codec.envelope_start(header, len(ciphertext), 0) + ciphertext


def test_a_post_quantum_profile_admits_nobody_else() -> None:
    """With profile pq a newcomer without ML-KEM is refused: a certificate, a prepared recipient, a shared key."""
    message = sealed_for(ML_KEM, profile=PQ)
    for newcomer in (EC.recipient, *prepared_for(EC), SHARED.recipient):
        with pytest.raises(RecipientError, match=r"has no post-quantum (public )?key .*, which profile pq requires"):
            rewrap(message, ML_KEM.identities, add=[newcomer], profile=PQ)
