"""Key agreement: what is wrapped is unwrapped by those whom it names, and by nobody else."""

from __future__ import annotations

import os
from operator import attrgetter
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from hypothesis import given
from hypothesis import strategies as st

from smime_session import COMPAT, MODERN
from smime_session.algorithms import (
    AES_128_WRAP,
    AES_192_WRAP,
    AES_256_WRAP,
    CURVES,
    ECDH_HKDF_SHA256,
    ECDH_SHA256,
    KEY_AGREEMENTS,
    KEY_WRAPS,
    P_256,
    P_384,
    TRIPLE_DES_WRAP,
    X25519,
    Curve,
    KeyAgreement,
    KeyWrap,
)
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, RecipientIdentifier, WrappedKey
from smime_session.errors import MalformedError, MessageError, NoMatchError
from smime_session.key_derivation import derive
from smime_session.keys.software import private_key
from smime_session.recipients import curves, ecdh_encoding
from smime_session.recipients.ecdh import KeyAgreementIdentity
from smime_session.recipients.ecdh_encoding import OriginatorKey
from smime_session.recipients.from_certificates import recipients_for
from smime_session.recipients.registry import MOST_NAMED, MOST_TOGETHER, each, names_of, summarize, wrap_all
from smime_session.session_key import SessionKey
from tests.support.agreeing import HASHES, Person, person, sealed

if TYPE_CHECKING:
    from collections.abc import Callable

    from smime_session import Profile

# --- key derivation ----------------------------------------------------------------------------

TWO_KDFS = [each for each in KEY_AGREEMENTS.values() if not each.cofactor]


@given(st.sampled_from(TWO_KDFS), st.binary(min_size=1, max_size=70), st.binary(max_size=90), st.integers(1, 200))
def test_derivations_are_the_library_s(algorithm: KeyAgreement, secret: bytes, info: bytes, size: int) -> None:
    """Every hash and both functions give what another implementation gives, whatever the size."""
    digest = HASHES[algorithm.hash]()
    other = HKDF(digest, size, None, info) if algorithm.kdf == "HKDF" else X963KDF(digest, size, info)
    assert derive(algorithm, secret, info, b"", size).material == other.derive(secret)


def test_hkdf_is_as_its_rfc_has_it() -> None:
    """RFC 5869, A.1."""
    salt, info = bytes(range(13)), bytes(range(0xF0, 0xFA))
    assert derive(ECDH_HKDF_SHA256, b"\x0b" * 22, info, salt, 42).material == bytes.fromhex(
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


def test_x9_63_is_as_nist_has_it() -> None:
    """The first of NIST's vectors for SHA-256."""
    secret = bytes.fromhex("96c05619d56c328ab95fe84b18264b08725b85e33fd34f08")
    assert derive(ECDH_SHA256, secret, b"", b"", 16).material == bytes.fromhex("443024c3dae66b95e6f5670601558f71")


# --- there and back ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("curve", CURVES.values(), ids=lambda curve: curve.name)
def test_what_is_wrapped_is_unwrapped(curve: Curve, size: int) -> None:
    """Every curve with every size of session key, with a certificate and without."""
    alice = person(curve=curve)
    key = SessionKey.generate(size)
    wrapped = alice.recipient().wrap(key)
    assert wrapped.key_size == size
    assert alice.identity.unwrap([wrapped]) == key
    assert alice.bare.unwrap([wrapped]) == key


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("curve", CURVES.values(), ids=lambda curve: curve.name)
def test_what_we_wrap_others_unwrap(curve: Curve, size: int) -> None:
    """The key wrap is as large as the session key, and the derivation the one of the curve (RFC 8551, 2.3)."""
    alice = person(curve=curve)
    key = SessionKey.generate(size)
    info = ecdh_encoding.decode(alice.recipient().wrap(key))
    assert info.algorithm == curve.agreement
    assert info.wrap.key_size == size
    assert isinstance(info.originator, OriginatorKey)
    secret = private_key(alice.key).exchange(info.originator.point)
    shared = ecdh_encoding.shared_info(ecdh_encoding.key_info(info.wrap), None, size * 8)
    digest = HASHES[curve.agreement.hash]()
    other = HKDF(digest, size, None, shared) if curve.agreement.kdf == "HKDF" else X963KDF(digest, size, shared)
    assert aes_key_wrap(other.derive(secret), key.material) == info.encrypted_keys[0].encrypted_key


@pytest.mark.parametrize("ukm", [None, b"", b"keying material"], ids=["no ukm", "empty ukm", "ukm"])
@pytest.mark.parametrize("wrap", [*KEY_WRAPS.values(), TRIPLE_DES_WRAP], ids=lambda wrap: wrap.name)
@pytest.mark.parametrize("algorithm", KEY_AGREEMENTS.values(), ids=lambda algorithm: algorithm.name)
@pytest.mark.parametrize("curve", [P_256, X25519], ids=lambda curve: curve.name)
def test_every_agreement_is_read(curve: Curve, algorithm: KeyAgreement, wrap: KeyWrap, ukm: bytes | None) -> None:
    """Each derivation with each key wrap, with the sender's material and without."""
    material = os.urandom(24)
    wrapped = sealed(person(curve=curve), material, algorithm=algorithm, wrap=wrap, ukm=ukm)
    assert person(curve=curve).identity.unwrap([wrapped]) == SessionKey(bytearray(material))


@pytest.mark.parametrize("wrap", [AES_128_WRAP, AES_192_WRAP, AES_256_WRAP], ids=lambda wrap: wrap.name)
@pytest.mark.parametrize("size", [16, 24, 32])
def test_a_wrap_of_another_size_is_read(wrap: KeyWrap, size: int) -> None:
    """The key wrap and the content need not be of one strength (RFC 8551, 2.3 binds who writes)."""
    material = os.urandom(size)
    assert person().identity.unwrap([sealed(person(), material, wrap=wrap)]) == SessionKey(bytearray(material))


def test_null_parameters_are_derived_with_as_they_stand() -> None:
    """A sender who writes NULL for an AES key wrap derives with NULL."""
    info = codec.algorithm_identifier(AlgorithmIdentifier(AES_256_WRAP.oid, asn1.NULL))
    wrapped = sealed(person(), bytes(32), key_info=info)
    assert person().identity.unwrap([wrapped]) == SessionKey(bytearray(32))


def test_hkdf_without_salt_is_read() -> None:
    """Bouncy Castle 1.86 gives HKDF no salt where RFC 8418, 2.2 wants the sender's material."""
    alice, sender = person(curve=X25519), x25519.X25519PrivateKey.generate()
    shared = ecdh_encoding.shared_info(ecdh_encoding.key_info(AES_256_WRAP), b"material", 256)
    secret = private_key(sender).exchange(curves.point_of(alice.key))
    key = HKDF(hashes.SHA256(), 32, None, shared).derive(secret)
    wrapped = sealed(
        alice,
        bytes(32),
        algorithm=ECDH_HKDF_SHA256,
        ukm=b"material",
        sender=sender,
        encrypted=aes_key_wrap(key, bytes(32)),
    )
    assert alice.identity.unwrap([wrapped]) == SessionKey(bytearray(32))


@pytest.mark.parametrize("curve", [P_256, P_384], ids=lambda curve: curve.name)
def test_a_compressed_point_is_read(curve: Curve) -> None:
    """Reading one is optional (RFC 5753, 7.2) and costs nothing."""
    sender = ec.generate_private_key(ec.SECP256R1() if curve == P_256 else ec.SECP384R1())
    numbers = sender.public_key().public_numbers()
    size = (curve == P_256 and 32) or 48
    point = bytes([2 + numbers.y % 2]) + numbers.x.to_bytes(size, "big")
    wrapped = sealed(person(curve=curve), bytes(32), sender=sender, point=point)
    assert person(curve=curve).identity.unwrap([wrapped]) == SessionKey(bytearray(32))


@pytest.mark.parametrize(
    "named", [attrgetter("by_serial"), attrgetter("by_key")], ids=["issuer and serial number", "key identifier"]
)
@pytest.mark.parametrize("at_hand", [True, False])
def test_a_sender_who_names_a_certificate(named: Callable[[Person], RecipientIdentifier], *, at_hand: bool) -> None:
    """The certificate is looked for among those that came with the key; without it the error says which."""
    alice, bob = person(), person("bob")
    originator = codec.recipient_identifier(named(bob))
    wrapped = sealed(alice, bytes(32), sender=bob.key, originator=originator)
    others = [person("carol", P_384).certificate, alice.certificate, bob.certificate]
    identity = KeyAgreementIdentity(private_key(alice.key), alice.certificate, others if at_hand else others[:2])
    assert identity.matching([wrapped]) == [wrapped]
    if at_hand:
        assert identity.unwrap([wrapped]) == SessionKey(bytearray(32))
    else:
        with pytest.raises(MessageError, match="the certificate of the originator is not at hand"):
            identity.unwrap([wrapped])


# --- sharing one new key -----------------------------------------------------------------------


def test_recipients_on_one_curve_share_a_new_key() -> None:
    """One recipient info for each curve; what each recipient gets is encrypted with a key of its own."""
    people = [person(name, curve) for curve in (P_256, X25519) for name in ("alice", "bob", "carol")]
    key = SessionKey.generate(32)
    wrapped = wrap_all([each.recipient() for each in people], key)
    assert [len(ecdh_encoding.decode(info).encrypted_keys) for info in wrapped] == [3, 3]
    assert len({member.encrypted_key for info in wrapped for member in ecdh_encoding.decode(info).encrypted_keys}) == 6
    for reader in people:
        assert reader.identity.unwrap(wrapped) == key


def test_not_sharing_makes_a_new_key_for_each() -> None:
    """One recipient info for each recipient, no public key twice."""
    wrapped = wrap_all([person(name).recipient(share=False) for name in ("alice", "bob")], SessionKey.generate(32))
    assert len({ecdh_encoding.decode(info).originator for info in wrapped}) == 2


def test_each_message_has_a_new_key() -> None:
    """What is shared within one message is never used for the next (RFC 8418, 2)."""
    key = SessionKey.generate(32)
    infos = [ecdh_encoding.decode(wrap_all([person().recipient()], key)[0]) for _ in range(2)]
    assert infos[0].originator != infos[1].originator


@pytest.mark.parametrize("profile", [MODERN, COMPAT], ids=lambda profile: profile.name)
def test_a_profile_says_whether_keys_are_shared(profile: Profile) -> None:
    """``modern`` does, ``compat`` does not, because gpgsm finds the first recipient alone."""
    assert MODERN.share_ephemeral
    assert not COMPAT.share_ephemeral
    assert profile in (MODERN, COMPAT)
    certificates = [person(name).certificate for name in ("alice", "bob")]
    ready = recipients_for(certificates, profile=profile, at=certificates[0].not_valid_before_utc)
    assert len(wrap_all(ready, SessionKey.generate(32))) == (1 if profile is MODERN else 2)


@pytest.mark.parametrize("count", [1, MOST_TOGETHER - 1, MOST_TOGETHER, MOST_TOGETHER + 1, 2 * MOST_TOGETHER])
def test_one_recipient_info_stays_moderate(count: int) -> None:
    """Thousands of recipients are spread over several."""
    wrapped = wrap_all([person(curve=X25519).recipient()] * count, SessionKey.generate(32))
    assert [len(each(info)) for info in wrapped][:-1] == [MOST_TOGETHER] * ((count - 1) // MOST_TOGETHER)
    assert sum(len(each(info)) for info in wrapped) == count


def test_a_match_is_the_part_that_is_ours() -> None:
    """Of a shared recipient info, what is for one certificate is told apart."""
    people = [person(name) for name in ("alice", "bob", "carol")]
    (wrapped,) = wrap_all([each.recipient() for each in people], SessionKey.generate(32))
    for reader in people:
        (match,) = reader.identity.matching([wrapped])
        (summary,) = summarize(match)
        assert summary.serial_number == f"{reader.certificate.serial_number:#x}"


def test_one_recipient_info_matches_once() -> None:
    """Thousands of parts with one name, which no sender writes, cost no more memory than one."""
    key = SessionKey.generate(32)
    wrapped = wrap_all([person().recipient()] * MOST_TOGETHER, key)
    (match,) = person().identity.matching(wrapped)
    assert len(match.encoded) < 300
    assert person().identity.unwrap(wrapped) == key


def test_a_bare_key_finds_its_part() -> None:
    """Among names that it cannot tell apart, the checksum of the key wrap tells."""
    people = [person(name) for name in ("alice", "bob", "carol")]
    key = SessionKey.generate(32)
    wrapped = wrap_all([each.recipient() for each in people], key)
    for reader in people:
        assert reader.bare.matching(wrapped) == list(wrapped)
        assert reader.bare.unwrap(wrapped) == key


def test_others_broken_parts_are_no_concern_of_ours() -> None:
    """An encrypted key that is malformed stops the one it is for."""
    whole = ecdh_encoding.encode(
        P_256,
        curves.point_of(person("eve").key),
        AES_256_WRAP,
        [
            ecdh_encoding.recipient_encrypted_key(ecdh_encoding.recipient_identifier(person(name).by_key), bytes(size))
            for name, size in (("alice", 40), ("bob", 41))
        ],
        32,
    )
    assert len(person().identity.unwrap([whole])) == 32
    with pytest.raises(MalformedError, match="41 bytes"):
        person("bob").identity.unwrap([whole])


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bare", [False, True], ids=["certificate", "bare key"])
@pytest.mark.parametrize(
    "named", [attrgetter("by_serial"), attrgetter("by_key")], ids=["issuer and serial number", "key identifier"]
)
def test_both_names_are_answered_to(named: Callable[[Person], RecipientIdentifier], *, bare: bool) -> None:
    """By issuer and serial number or by key identifier, with a certificate or without."""
    alice = person()
    wrapped = sealed(alice, bytes(32), recipient=named(alice))
    identity = alice.bare if bare else alice.identity
    assert identity.unwrap([wrapped]) == SessionKey(bytearray(32))


@pytest.mark.parametrize("bare", [False, True], ids=["certificate", "bare key"])
def test_what_is_for_others_does_not_match(*, bare: bool) -> None:
    """Nothing for us is an error that names us by public facts."""
    identity = person().bare if bare else person().identity
    wrapped = [
        *(
            []
            if bare
            else [sealed(person("bob"), bytes(32)), sealed(person("bob"), bytes(32), recipient=person("bob").by_key)]
        ),
        sealed(person("bob", P_384), bytes(32)),
        sealed(person("bob", X25519), bytes(32)),
        WrappedKey(b"\x30\x00", 0, 32),
    ]
    assert identity.matching(wrapped) == []
    with pytest.raises(NoMatchError, match="P-256 private key"):
        identity.unwrap(wrapped)


def test_descriptions_say_whose_key_it_is() -> None:
    """The curve, and the owner or the key identifier; the key itself is nowhere."""
    alice = person(curve=X25519)
    assert (
        str(alice.identity) == f"X25519 private key of alice@example.org (serial {alice.certificate.serial_number:#x})"
    )
    assert str(person().bare).startswith("P-256 private key without a certificate, key identifier ")
    assert repr(alice.identity) == f"<KeyAgreementIdentity: {alice.identity}>"


def test_first_recipients_are_named_and_the_rest_counted() -> None:
    """Those of a shared recipient info count one by one."""
    wrapped = wrap_all([person(str(number)).recipient() for number in range(12)], SessionKey.generate(32))
    named = names_of(wrapped)
    assert len(named) == MOST_NAMED + 1
    assert named[-1] == "and 2 more"


def test_a_broken_recipient_info_stays_whole() -> None:
    """What cannot be taken apart is described as broken."""
    broken = WrappedKey(b"\xa1\x00", 0, 32)
    assert each(broken) == (broken,)
    assert summarize(broken)[0].problem == "a KeyAgreeRecipientInfo is malformed"
