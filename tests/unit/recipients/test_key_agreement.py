"""Key agreement: what is wrapped is unwrapped, and what is not for us or was altered tells nothing."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from dataclasses import replace
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from hypothesis import given
from hypothesis import strategies as st

from smime_session import COMPAT, MODERN, PQ, decrypt, encrypt, inspect, load_identities, new_identity
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
    X448,
    X25519,
    Curve,
    HashName,
    KeyAgreement,
    KeyWrap,
)
from smime_session.cms import codec, key_agree, tlv
from smime_session.cms.structures import (
    AlgorithmIdentifier,
    IssuerAndSerialNumber,
    OriginatorKey,
    RecipientIdentifier,
    SubjectKeyIdentifier,
    WrappedKey,
)
from smime_session.credentials.fitness import reasons_against, recipients_for
from smime_session.credentials.names import issuer_of
from smime_session.errors import CredentialError, MalformedError, MessageError, NoMatchError, PolicyError
from smime_session.profiles import DEFAULT
from smime_session.recipients import (
    MOST_NAMED,
    MOST_TOGETHER,
    curves,
    each,
    key_agreement,
    legacy_algorithm,
    names_of,
    summarize,
    technique_for,
    wrap_all,
)
from smime_session.recipients.key_agreement import KeyAgreementIdentity, KeyAgreementRecipient
from smime_session.recipients.key_derivation import derive
from smime_session.recipients.key_wrap import unwrap
from smime_session.recipients.naming import key_identifier
from smime_session.session_key import SessionKey
from tests.unit.credentials.making import certificate, key_usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from smime_session import Profile

MAIL: Final = b"From: dave@example.org\r\nSubject: greetings\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
INSECURE_LEGACY: Final = replace(DEFAULT, insecure_legacy=True)
HASHES: Final[dict[HashName, Callable[[], hashes.HashAlgorithm]]] = {
    "SHA-1": hashes.SHA1,
    "SHA-224": hashes.SHA224,
    "SHA-256": hashes.SHA256,
    "SHA-384": hashes.SHA384,
    "SHA-512": hashes.SHA512,
}


class Person(NamedTuple):
    """Somebody who can read."""

    key: curves.PrivateKey
    certificate: x509.Certificate

    @property
    def identity(self) -> KeyAgreementIdentity:
        """The identity of the key with its certificate."""
        return KeyAgreementIdentity(self.key, self.certificate)

    @property
    def bare(self) -> KeyAgreementIdentity:
        """The identity of the key alone."""
        return KeyAgreementIdentity(self.key)

    @property
    def by_serial(self) -> IssuerAndSerialNumber:
        """Its name by issuer and serial number."""
        return IssuerAndSerialNumber(issuer_of(self.certificate), self.certificate.serial_number)

    @property
    def by_key(self) -> SubjectKeyIdentifier:
        """Its name by key identifier."""
        return SubjectKeyIdentifier(key_identifier(self.key.public_key()))

    def recipient(self, *, share: bool = True) -> KeyAgreementRecipient:
        """Whom to wrap for."""
        return KeyAgreementRecipient(self.key.public_key(), self.by_serial, share_ephemeral=share)


def person(name: str = "alice", curve: Curve = P_256) -> Person:
    """Return somebody with a key on a curve, always the same in one test run."""
    return _person(name, curve)


@cache
def _person(name: str, curve: Curve) -> Person:
    key = curves.generate(curve)
    serial = int.from_bytes(hashlib.sha256(f"{name} {curve.name}".encode()).digest()[:8], "big")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    made = certificate(
        f"{name}@example.org",
        public_key=key.public_key(),
        serial=serial,
        extensions=[(identifier, False), (key_usage("key_agreement"), True)],
    )
    return Person(key, made)


def sealed(  # every field that a sender fills in
    reader: Person,
    material: bytes,
    *,
    algorithm: KeyAgreement = ECDH_SHA256,
    wrap: KeyWrap = AES_256_WRAP,
    ukm: bytes | None = None,
    recipient: RecipientIdentifier | None = None,
    sender: curves.PrivateKey | None = None,
    originator: bytes | None = None,
    encrypted: bytes | None = None,
    point: bytes | None = None,
    key_info: bytes | None = None,
) -> WrappedKey:
    """Write a recipient info the long way, with the library's key derivations."""
    curve = curves.curve_of(reader.key)
    assert curve is not None
    sender = sender or curves.generate(curve)
    key_info = key_info or key_agree.key_info(wrap)
    if originator is None:
        kind = AlgorithmIdentifier("1.2.840.10045.2.1" if curve.is_parameter else curve.oid)
        octets = curves.point_of(sender.public_key()) if point is None else point
        originator = tlv.encode(0xA1, codec.algorithm_identifier(kind), tlv.encode(3, b"\0", octets))
    if encrypted is None:
        secret = curves.agree(sender, reader.key.public_key()).material
        info = key_agree.shared_info(key_info, ukm, wrap.key_size * 8)
        digest = HASHES[algorithm.hash]()
        derivation = (
            HKDF(digest, wrap.key_size, ukm, info) if algorithm.kdf == "HKDF" else X963KDF(digest, wrap.key_size, info)
        )
        key = derivation.derive(secret)
        encrypted = triple_des_wrap(key, material) if wrap == TRIPLE_DES_WRAP else aes_key_wrap(key, material)
    rid = key_agree.recipient_identifier(recipient or reader.by_serial)
    fields = [
        tlv.integer(3),
        tlv.encode(0xA0, originator),
        b"" if ukm is None else tlv.encode(0xA1, tlv.encode(tlv.OCTET_STRING, ukm)),
        codec.algorithm_identifier(AlgorithmIdentifier(algorithm.oid, key_info)),
        tlv.encode(tlv.SEQUENCE, key_agree.recipient_encrypted_key(rid, encrypted)),
    ]
    return WrappedKey(tlv.encode(0xA1, *fields), 3, len(material))


def triple_des_wrap(key: bytes, material: bytes) -> bytes:
    """Wrap as RFC 3217, 3.1 says."""

    def encrypted(vector: bytes, data: bytes) -> bytes:
        encryptor = Cipher(TripleDES(key), CBC(vector)).encryptor()
        return encryptor.update(data) + encryptor.finalize()

    vector = os.urandom(8)
    checked = material + hashlib.sha1(material, usedforsecurity=False).digest()[:8]
    return encrypted(bytes.fromhex("4adda22c79e82105"), (vector + encrypted(vector, checked))[::-1])


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
    info = key_agree.decode(alice.recipient().wrap(key))
    assert info.algorithm == curve.agreement
    assert info.wrap.key_size == size
    assert isinstance(info.originator, OriginatorKey)
    secret = curves.agree(alice.key, curves.public_key_from(curve, info.originator.octets)).material
    shared = key_agree.shared_info(key_agree.key_info(info.wrap), None, size * 8)
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
    info = codec.algorithm_identifier(AlgorithmIdentifier(AES_256_WRAP.oid, tlv.NULL))
    wrapped = sealed(person(), bytes(32), key_info=info)
    assert person().identity.unwrap([wrapped]) == SessionKey(bytearray(32))


def test_hkdf_without_salt_is_read() -> None:
    """Bouncy Castle 1.86 gives HKDF no salt where RFC 8418, 2.2 wants the sender's material."""
    alice, sender = person(curve=X25519), x25519.X25519PrivateKey.generate()
    shared = key_agree.shared_info(key_agree.key_info(AES_256_WRAP), b"material", 256)
    key = HKDF(hashes.SHA256(), 32, None, shared).derive(curves.agree(sender, alice.key.public_key()).material)
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
    identity = key_agreement.identity(alice.key, alice.certificate, others if at_hand else others[:2])
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
    assert [len(key_agree.decode(info).encrypted_keys) for info in wrapped] == [3, 3]
    assert len({member.encrypted_key for info in wrapped for member in key_agree.decode(info).encrypted_keys}) == 6
    for reader in people:
        assert reader.identity.unwrap(wrapped) == key


def test_not_sharing_makes_a_new_key_for_each() -> None:
    """One recipient info for each recipient, no public key twice."""
    wrapped = wrap_all([person(name).recipient(share=False) for name in ("alice", "bob")], SessionKey.generate(32))
    assert len({key_agree.decode(info).originator for info in wrapped}) == 2


def test_each_message_has_a_new_key() -> None:
    """What is shared within one message is never used for the next (RFC 8418, 2)."""
    key = SessionKey.generate(32)
    infos = [key_agree.decode(wrap_all([person().recipient()], key)[0]) for _ in range(2)]
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
    whole = key_agree.encode(
        P_256,
        curves.point_of(person("eve").key.public_key()),
        AES_256_WRAP,
        [
            key_agree.recipient_encrypted_key(key_agree.recipient_identifier(person(name).by_key), bytes(size))
            for name, size in (("alice", 40), ("bob", 41))
        ],
        32,
    )
    assert len(person().identity.unwrap([whole])) == 32
    with pytest.raises(MalformedError, match="41 octets"):
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


# --- what tells nothing ------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [AES_256_WRAP, TRIPLE_DES_WRAP], ids=lambda wrap: wrap.name)
@pytest.mark.parametrize("bare", [False, True], ids=["certificate", "bare key"])
def test_an_altered_key_becomes_a_decoy(wrap: KeyWrap, *, bare: bool) -> None:
    """It has the right size, stays the same for the same message, and differs from another's."""
    identity = person().bare if bare else person().identity
    size = 24 if wrap == TRIPLE_DES_WRAP else 32
    wrapped = sealed(person(), bytes(size), wrap=wrap, encrypted=b"\x55" * 40)
    decoys = [identity.unwrap([wrapped]) for _ in range(2)]
    other = identity.unwrap([sealed(person(), bytes(size), wrap=wrap, encrypted=b"\xaa" * 40)])
    assert [len(decoy) for decoy in (*decoys, other)] == [size] * 3
    assert decoys[0] == decoys[1]
    assert other not in decoys


@pytest.mark.parametrize("size", [16, 24, 40])
def test_a_key_of_another_size_becomes_a_decoy(size: int) -> None:
    """What opens but is no key of the content's algorithm is not told apart either."""
    wrapped = replace(sealed(person(), bytes(size)), key_size=32)
    found = person().identity.unwrap([wrapped])
    assert len(found) == 32
    assert bytes(found.material) != bytes(32)


def test_a_wrong_private_key_gets_a_decoy() -> None:
    """Somebody with our certificate and another key fails later, as everybody does."""
    impostor = KeyAgreementIdentity(person("eve").key, person().certificate)
    assert len(impostor.unwrap([sealed(person(), bytes(32))])) == 32


@given(st.integers(0, 39), st.integers(1, 255))
def test_no_altered_octet_is_noticed_here(at: int, flip: int) -> None:
    """Every octet of the encrypted key counts, and none is told from another."""
    info = sealed(person(), bytes(32))
    altered = bytearray(info.encoded)
    altered[len(altered) - 40 + at] ^= flip
    found = person().identity.unwrap([replace(info, encoded=bytes(altered))])
    assert len(found) == 32
    assert bytes(found.material) != bytes(32)


def test_triple_des_unwraps_with_its_own_key_alone() -> None:
    """Any other is noticed by the checksum."""
    key, material = bytearray(os.urandom(24)), bytearray(os.urandom(24))
    wrapped = triple_des_wrap(bytes(key), bytes(material))
    assert unwrap(TRIPLE_DES_WRAP, key, wrapped, len(material)) == SessionKey(material)
    assert unwrap(TRIPLE_DES_WRAP, bytearray(os.urandom(24)), wrapped, len(material)) is None


# --- what is refused by public fields ----------------------------------------------------------

OFF_CURVE = b"\x04" + (1).to_bytes(32, "big") * 2
LOW_ORDER = [
    (X25519, bytes(32)),
    (X25519, (1).to_bytes(32, "little")),
    (X25519, bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")),
    (X25519, bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")),
    (X25519, (2**255 - 20).to_bytes(32, "little")),
    (X25519, (2**255 - 19).to_bytes(32, "little")),
    (X25519, (2**255 - 18).to_bytes(32, "little")),
    (X448, bytes(56)),
    (X448, (1).to_bytes(56, "little")),
    (X448, (2**448 - 2**224 - 2).to_bytes(56, "little")),
]


@pytest.mark.parametrize(
    ("curve", "point", "words"),
    [
        (P_256, OFF_CURVE, "no point on P-256"),
        (P_256, b"", "no point on P-256"),
        (P_256, b"\x00", "no point on P-256"),
        (P_256, b"\x04" + bytes(63), "no point on P-256"),
        (P_256, b"\x06" + bytes(64), "no point on P-256"),
        (P_384, b"\x04" + bytes(64), "no point on P-384"),
        (X25519, bytes(31), "no point on X25519"),
        (X25519, bytes(33), "no point on X25519"),
        (X448, bytes(32), "no point on X448"),
        *((curve, point, "agrees on no secret") for curve, point in LOW_ORDER),
    ],
    ids=str,
)
def test_points_that_are_refused(curve: Curve, point: bytes, words: str) -> None:
    """Off the curve, of a wrong size or of low order: it depends on the public point alone, and so says the error."""
    wrapped = sealed(person(curve=curve), bytes(32), encrypted=bytes(40), point=point)
    with pytest.raises(MalformedError, match=words):
        person(curve=curve).identity.unwrap([wrapped])


@pytest.mark.parametrize("curve", [P_256, X25519], ids=lambda curve: curve.name)
def test_a_key_on_another_curve_is_refused(curve: Curve) -> None:
    """With our name on it, it is malformed; a bare key takes it for somebody else's."""
    other = X25519 if curve == P_256 else P_256
    kind = AlgorithmIdentifier("1.2.840.10045.2.1" if other.is_parameter else other.oid)
    point = curves.point_of(curves.generate(other).public_key())
    originator = tlv.encode(0xA1, codec.algorithm_identifier(kind), tlv.encode(3, b"\0", point))
    wrapped = sealed(person(curve=curve), bytes(32), encrypted=bytes(40), originator=originator)
    with pytest.raises(MalformedError, match=f"not (one )?on {curve.name}"):
        person(curve=curve).identity.unwrap([wrapped])
    assert person(curve=curve).bare.matching([wrapped]) == []


def test_a_named_curve_must_be_the_recipient_s() -> None:
    """RFC 5753, 7.1.2; a P-384 key cannot be meant for a P-256 one."""
    kind = AlgorithmIdentifier("1.2.840.10045.2.1", tlv.object_identifier(P_384.oid))
    originator = tlv.encode(0xA1, codec.algorithm_identifier(kind), tlv.encode(3, b"\0\4", bytes(64)))
    with pytest.raises(MalformedError, match="not on P-256"):
        person().identity.unwrap([sealed(person(), bytes(32), encrypted=bytes(40), originator=originator)])


def test_a_static_key_on_another_curve_is_refused() -> None:
    """A named sender's certificate may hold any key."""
    carol = person("carol", P_384)
    originator = codec.recipient_identifier(carol.by_serial)
    wrapped = sealed(person(), bytes(32), encrypted=bytes(40), originator=originator)
    identity = KeyAgreementIdentity(person().key, person().certificate, [carol.certificate])
    with pytest.raises(MalformedError, match="not on P-256"):
        identity.unwrap([wrapped])


# --- whom to encrypt for -----------------------------------------------------------------------


@pytest.mark.parametrize(("curve", "point"), LOW_ORDER, ids=str)
def test_low_order_keys_are_unfit(curve: Curve, point: bytes) -> None:
    """A certificate with such a key would give everybody the session key."""
    key = curves.public_key_from(curve, point)
    assert key_agreement.unfit(key, MODERN) == f"has an {curve.name} key that agrees on no secret with any other"
    with pytest.raises(MalformedError):
        KeyAgreementRecipient(key, person().by_key).wrap(SessionKey.generate(32))


def test_unknown_curves_are_unfit() -> None:
    """They are named in a refusal, for encrypting and for decrypting."""
    key = ec.generate_private_key(ec.SECP256K1())
    made = certificate(public_key=key.public_key())
    assert "has an EC key on a curve that is not supported: secp256k1" in reasons_against(made)
    with pytest.raises(CredentialError, match="secp256k1"):
        key_agreement.identity(key, None)


def test_post_quantum_readers_get_no_curves() -> None:
    """A profile that wants post-quantum keys alone refuses these."""
    reason = key_agreement.unfit(person().key.public_key(), PQ)
    assert reason == "has no post-quantum key (P-256), which profile pq requires"


def test_key_usage_must_allow_agreement() -> None:
    """A key that only signs is refused (RFC 5652, 6.2.2)."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = certificate(public_key=key.public_key(), usage="digital_signature")
    assert "is not for encrypting keys: its key usage lacks keyAgreement" in reasons_against(made)


@pytest.mark.parametrize(
    "key", [curves.generate(curve) for curve in CURVES.values()], ids=lambda key: type(key).__name__
)
def test_the_technique_of_these_keys(key: curves.PrivateKey) -> None:
    """They belong here and fit."""
    assert technique_for(key.public_key()) is key_agreement
    assert key_agreement.unfit(key.public_key(), MODERN) is None


@pytest.mark.parametrize("thing", [None, b"key"])
def test_other_things_are_no_keys(thing: object) -> None:
    """The error says what was wanted."""
    assert not key_agreement.accepts(thing)
    with pytest.raises(CredentialError, match="private key is not an EC, X25519 or X448 key"):
        key_agreement.identity(thing, None)
    with pytest.raises(CredentialError, match="public key is not an EC, X25519 or X448 key"):
        key_agreement.recipient(thing, person().by_key, MODERN)


# --- what is said of it ------------------------------------------------------------------------


def test_a_summary_holds_every_public_field() -> None:
    """One for each recipient, with the algorithm, key wrap, sizes, and the curve that the sender's point lies on."""
    (wrapped,) = wrap_all([person(name).recipient() for name in ("alice", "bob")], SessionKey.generate(32))
    first, second = summarize(wrapped)
    assert (first.technique, first.algorithm, first.algorithm_oid) == (
        "key agreement",
        ECDH_SHA256.name,
        ECDH_SHA256.oid,
    )
    assert first.parameters == {"wrap": "AES-256 key wrap", "curve": "P-256"}
    assert first.encrypted_key_size == 40
    assert first.problem is None
    assert second.serial_number == f"{person('bob').certificate.serial_number:#x}"


@pytest.mark.parametrize(
    "curve", [curve for curve in CURVES.values() if curve.is_parameter], ids=lambda curve: curve.name
)
def test_a_point_tells_its_curve(curve: Curve) -> None:
    """A point lies on one of the curves that are spoken here; what is no point lies on none."""
    point = curves.point_of(curves.generate(curve).public_key())
    assert curves.curve_through(point) == curve
    assert curves.curve_through(point[:-1] + bytes((point[-1] ^ 1,))) is None
    assert curves.curve_through(b"") is None


def test_a_summary_of_a_named_sender() -> None:
    """Who agreed, and that there is material of theirs."""
    originator = codec.recipient_identifier(person("bob").by_key)
    (summary,) = summarize(sealed(person(), bytes(32), sender=person("bob").key, originator=originator, ukm=b"12345"))
    assert summary.parameters["originator"] == f"key identifier {person('bob').by_key.value.hex()}"
    assert summary.parameters["ukm"] == "5 octets"


def test_a_summary_of_a_curve() -> None:
    """X25519 names itself."""
    assert summarize(person(curve=X25519).recipient().wrap(SessionKey.generate(16)))[0].parameters["curve"] == "X25519"


def test_a_summary_of_an_unknown_algorithm() -> None:
    """What is not spoken here is the problem, and the recipients are named all the same."""
    unknown = KeyAgreement("1.2.840.113549.1.9.16.3.5", "SHA-1")
    (summary,) = summarize(sealed(person(), bytes(32), algorithm=unknown))
    assert summary.algorithm == "ephemeral-static Diffie-Hellman"
    assert "is not supported" in str(summary.problem)
    assert summary.serial_number is not None


def test_triple_des_is_legacy() -> None:
    """It is named for the policy that decides; AES is not."""
    assert legacy_algorithm(sealed(person(), bytes(24), wrap=TRIPLE_DES_WRAP)) == "Triple-DES key wrap"
    assert legacy_algorithm(sealed(person(), bytes(24))) is None


# --- whole mails -------------------------------------------------------------------------------

KEY_TYPES = ["p256", "p384", "p521", "brainpoolp256r1", "brainpoolp384r1", "brainpoolp512r1", "x25519", "x448"]


@pytest.mark.parametrize("profile", [MODERN, COMPAT], ids=lambda profile: profile.name)
@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_new_identities_read_their_mail(key_type: str, profile: Profile) -> None:
    """A key and certificate that were just made work together, and what cannot sign has an issuer."""
    made = new_identity("alice@example.org", key_type=key_type)
    assert (made.issuer_certificate_pem is not None) == key_type.startswith("x")
    mail = encrypt(MAIL, [made.certificate], profile=profile)
    decrypted = decrypt(mail, load_identities(made.private_key_pem + made.certificate_pem))
    assert decrypted.message.endswith(b"hello\r\n")
    assert decrypted.key_management.startswith("ECDH with ")
    assert decrypt(mail, load_identities(made.private_key_pem)).message == decrypted.message


def test_a_file_may_hold_the_sender_s_certificate() -> None:
    """Certificates beside the key are senders' too."""
    alice, bob = (new_identity(f"{name}@example.org", key_type="p256") for name in ("alice", "bob"))
    (identity,) = load_identities(alice.private_key_pem + alice.certificate_pem + bob.certificate_pem)
    alice_as, bob_as = (Person(_private_key(made.private_key_pem), made.certificate) for made in (alice, bob))
    originator = codec.recipient_identifier(bob_as.by_key)
    wrapped = sealed(alice_as, bytes(32), sender=bob_as.key, originator=originator)
    assert identity.unwrap([wrapped]) == SessionKey(bytearray(32))


def _private_key(pem: bytes) -> curves.PrivateKey:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey | x448.X448PrivateKey)
    return key


def _corpus_rows(corpus: Path) -> list[dict[str, str]]:
    with io.StringIO((corpus / "MANIFEST.tsv").read_text()) as manifest:
        rows = csv.DictReader(manifest, delimiter="\t")
        return [row for row in rows if "kari:" in row["keymgmt_alg"] and row["key"]]


def test_envelopes_of_the_corpus_open(corpus: Path) -> None:
    """Everything that other programs agreed on keys for, Triple-DES only when asked for by name."""
    rows = _corpus_rows(corpus)
    assert len(rows) > 10
    for row in rows:
        envelope = (corpus / row["path"]).read_bytes()
        identities = load_identities((corpus / row["key"]).read_bytes())
        opened = decrypt(envelope, identities, policy=INSECURE_LEGACY)
        assert hashlib.sha256(opened.message).hexdigest() == row["plaintext_sha256"], row["path"]
        if "3des-wrap" in row["keymgmt_alg"]:
            with pytest.raises(PolicyError, match=r"Triple-DES|DES-EDE3"):
                decrypt(envelope, identities)


def test_malformed_envelopes_of_the_corpus_are_described(corpus: Path) -> None:
    """Two that crashed another program are described, their problem with them."""
    for name in ("dh-malformed.der.36eb37ba.der", "ecdh-malformed.der.443d0d56.der"):
        envelope = (corpus / "apt+openssl-3.0.20/malformed" / name).read_bytes()
        (found,) = inspect(envelope).recipients
        assert found.summary.technique == "key agreement"
        assert found.summary.problem
