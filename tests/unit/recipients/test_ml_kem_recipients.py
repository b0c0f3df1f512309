"""Key encapsulation: what is wrapped is unwrapped, and what is not for us or was altered tells nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

from smime_session import MODERN, decrypt, encrypt, inspect
from smime_session.algorithms import (
    AES_128_CBC,
    AES_128_WRAP,
    AES_192_GCM,
    HKDF_OIDS,
    KEM_RECIPIENT_OID,
    KEY_WRAPS,
    ML_KEM_768,
    ML_KEM_1024,
    Kem,
    KeyWrap,
)
from smime_session.certificates.public_key import PublicKey
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, WrappedKey
from smime_session.errors import (
    DecryptionError,
    MalformedError,
    NoMatchError,
    UnsupportedAlgorithmError,
)
from smime_session.keys.software import private_key
from smime_session.recipients import kem
from smime_session.recipients.from_certificates import recipient_for
from smime_session.recipients.kem import EncapsulationIdentity, EncapsulationRecipient, KemRecipientInfo
from smime_session.recipients.registry import is_selective, kind_for, legacy_algorithm, summarize
from smime_session.session_key import Proof, SessionKey
from tests.support.encapsulating import ALICE, BOB, BOTH, CAROL, MAIL, TODAY, Person, wrapped_for
from tests.support.refusing import refusal

if TYPE_CHECKING:
    from smime_session.algorithms import HashName
    from tests.conftest import Person as RsaPerson

EXAMPLE = Path(__file__).parent / "rfc9936-appendix-c.pem"


@pytest.fixture
def key() -> SessionKey:
    """A session key of 32 bytes."""
    return SessionKey(bytearray(range(32)))


# --- both ways


@BOTH
@pytest.mark.parametrize("by_key", [False, True], ids=["issuer and serial", "key identifier"])
@pytest.mark.parametrize("bare", [False, True], ids=["certificate", "bare key"])
@pytest.mark.parametrize("size", [16, 24, 32])
def test_what_is_wrapped_is_unwrapped(person: Person, size: int, *, by_key: bool, bare: bool) -> None:
    """A session key comes back whatever the recipient's name and the identity."""
    key = SessionKey.generate(size)
    recipient = EncapsulationRecipient(
        PublicKey.of(person.key.public_key()), person.by_key if by_key else person.by_serial
    )
    identity = EncapsulationIdentity(private_key(person.key), None if bare else person.certificate)
    wrapped = recipient.wrap(key)
    assert (wrapped.version, wrapped.key_size) == (0, size)
    assert identity.matching([wrapped]) == [wrapped]
    with identity.unwrap([wrapped]) as unwrapped:
        assert unwrapped == key


@BOTH
@pytest.mark.parametrize("size", [16, 24, 32])
def test_what_is_wrapped_is_what_the_standards_say(person: Person, size: int) -> None:
    """HKDF with SHA-256, AES-256 key wrap whatever is wrapped, no user keying material, and nothing left over."""
    wrapped = EncapsulationRecipient(PublicKey.of(person.key.public_key()), person.by_serial).wrap(
        SessionKey(bytearray(size))
    )
    info = kem.decode(wrapped)
    assert kem.encode(info).encoded == wrapped.encoded
    assert (info.kem, info.hash, info.wrap.key_size) == (person.mechanism, "SHA-256", 32)
    assert info.user_keying_material is None
    secret = person.key.decapsulate(info.ciphertext)
    wrapping_key = HKDF(hashes.SHA256(), 32, None, kem.other_info(info)).derive(secret)
    assert aes_key_unwrap(wrapping_key, info.encrypted_key) == bytes(size)


def test_every_wrap_has_a_secret_of_its_own(key: SessionKey) -> None:
    """No shared secret is used twice (RFC 9629, 7): what differs is the ciphertext and what follows from it."""
    recipient = EncapsulationRecipient(PublicKey.of(ALICE.key.public_key()), ALICE.by_serial)
    one, other = (kem.decode(recipient.wrap(key)) for _ in range(2))
    assert one.ciphertext != other.ciphertext
    assert one.encrypted_key != other.encrypted_key
    assert one._replace(ciphertext=b"", encrypted_key=b"") == other._replace(ciphertext=b"", encrypted_key=b"")


@BOTH
@pytest.mark.parametrize("hash_name", ["SHA-256", "SHA-384", "SHA-512"])
@pytest.mark.parametrize("wrap", KEY_WRAPS.values(), ids=lambda wrap: wrap.name)
@pytest.mark.parametrize("ukm", [None, b"", b"from a gateway", b"x" * 4096], ids=["no ukm", "empty", "ukm", "long ukm"])
def test_what_other_programs_choose_is_read(
    person: Person, hash_name: HashName, wrap: KeyWrap, ukm: bytes | None
) -> None:
    """Every HKDF and key wrap, whatever the session key's size, with and without user keying material."""
    material = os.urandom(32)
    wrapped = wrapped_for(person, material, hash_name, wrap, ukm)
    assert EncapsulationIdentity(private_key(person.key), person.certificate).unwrap([wrapped]) == SessionKey(
        bytearray(material)
    )


def test_the_example_of_the_standard() -> None:
    """Shared secret, key-encryption key, session key and content are those of RFC 9936, Appendix C."""
    secret = bytes.fromhex("7df12d412ae299a24fde6d7c3bb8e3194c80ad3c733dcf2775e09fe8bedb86d8")
    info = KemRecipientInfo(ALICE.by_key, ML_KEM_768, b"", "SHA-256", AES_128_WRAP, b"")
    assert kem.other_info(info) == bytes.fromhex("3010300b0609608648016503040105020110")
    wrapped = bytes.fromhex("c050e4392f9c14dd0ac2220203f317d701f94f9dd92778f5")
    with kem._key_encryption_key(secret, "SHA-256", kem.other_info(info), 16) as wrapping_key:
        assert wrapping_key.material.hex() == "cf453a3e2bae0a78701b8206c185a008"
        material = aes_key_unwrap(wrapping_key.material, wrapped)
    assert material.hex() == "c5153005588269a0a59f3c01943fdd56"
    decrypted = decrypt(EXAMPLE.read_bytes(), [SessionKey(bytearray(material))])
    assert decrypted.message == b"Hello, world!"
    assert decrypted.authenticated


def test_the_example_of_the_standard_is_inspected() -> None:
    """ML-KEM-512, which is not supported, is named, and counts as post-quantum all the same."""
    found = inspect(EXAMPLE.read_bytes())
    (recipient,) = found.recipients
    assert recipient.summary.algorithm == "ML-KEM-512"
    assert recipient.summary.key_identifier == "599788c37aed400ee405d1b2a3366ab17d824a51"
    assert recipient.summary.problem is not None
    assert "ML-KEM-512 (2.16.840.1.101.3.4.4.1) is not supported" in recipient.summary.problem
    assert found.post_quantum


# --- whom it is for


def test_the_first_that_is_for_us_is_unwrapped(alice: RsaPerson, key: SessionKey) -> None:
    """Others' recipient infos are passed over, whatever their technique and kind; of our own the first counts."""
    other_kind = WrappedKey(asn1.encode(kem.TAG, asn1.object_identifier("1.2.3.4"), asn1.NULL), 0, 32)
    rsa = recipient_for(alice.certificate, profile=TODAY["modern"])
    ours = [wrapped_for(ALICE, bytes(key.material)), wrapped_for(ALICE, os.urandom(32), recipient=ALICE.by_serial)]
    others = [other_kind, rsa.wrap(key), wrapped_for(BOB, os.urandom(32)), wrapped_for(CAROL, os.urandom(32))]
    identity = EncapsulationIdentity(private_key(ALICE.key), ALICE.certificate)
    assert identity.matching([*others, *ours]) == ours
    assert identity.unwrap([*others, *ours]) == key


@pytest.mark.parametrize("bare", [False, True], ids=["certificate", "bare key"])
def test_what_is_for_others_does_not_match(*, bare: bool) -> None:
    """Nothing for us is an error that names us by public facts."""
    identity = EncapsulationIdentity(private_key(ALICE.key), None if bare else ALICE.certificate)
    wrapped = [wrapped_for(BOB, bytes(32)), wrapped_for(BOB, bytes(32), recipient=BOB.by_serial)]
    wrapped += [] if bare else [wrapped_for(CAROL, bytes(32)), wrapped_for(CAROL, bytes(32), recipient=CAROL.by_serial)]
    assert identity.matching(wrapped) == []
    with pytest.raises(NoMatchError, match="given: ML-KEM-768 private key"):
        identity.unwrap(wrapped)


def test_a_bare_key_tries_what_has_its_algorithm() -> None:
    """Without a certificate nobody's name is ruled out, but another KEM is, known here or not."""
    identity = EncapsulationIdentity(private_key(ALICE.key))
    possible = wrapped_for(CAROL, bytes(32), recipient=CAROL.by_serial)
    foreign = kem.encode(kem.decode(possible)._replace(kem=Kem("RSA-KEM", "1.0.18033.2.2.4", 256)))
    assert identity.matching([possible, wrapped_for(BOB, bytes(32), recipient=BOB.by_serial), foreign]) == [possible]
    assert identity.unwrap([possible]) != SessionKey(bytearray(32))


def test_a_bare_key_is_not_kept_from_its_own_by_another_s(key: SessionKey) -> None:
    """What is broken beyond its algorithm in somebody else's recipient info is none of our business."""
    broken = kem.encode(kem.decode(wrapped_for(BOB, bytes(32)))._replace(ciphertext=b""))
    ours = wrapped_for(ALICE, bytes(key.material))
    assert EncapsulationIdentity(private_key(ALICE.key)).unwrap([broken, ours]) == key


# --- what depends on the private key tells nothing


def _broken(wrapped: WrappedKey, **changes: bytes) -> WrappedKey:
    info = kem.decode(wrapped)._replace(**changes)  # type: ignore[arg-type]  # octets only
    return wrapped._replace(encoded=kem.encode(info).encoded)


@BOTH
@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("field", ["ciphertext", "encrypted_key"])
def test_what_does_not_open_is_a_decoy(person: Person, size: int, field: str) -> None:
    """Octets that were changed give a key of the right size that is another one, and the same each time."""
    wrapped = wrapped_for(person, bytes(size))
    octets = bytearray(getattr(kem.decode(wrapped), field))
    octets[0] ^= 1
    broken = _broken(wrapped, **{field: bytes(octets)})
    identity = EncapsulationIdentity(private_key(person.key), person.certificate)
    decoys = [identity.unwrap([broken]) for _ in range(2)]
    assert [len(decoy) for decoy in decoys] == [size, size]
    assert decoys[0] == decoys[1] != SessionKey(bytearray(size))
    assert decoys[0].proof is Proof.REFUTED
    assert SessionKey(bytearray(size)) not in decoys


def test_another_user_keying_material_is_another_key() -> None:
    """What the key-encryption key is bound to cannot be exchanged."""
    wrapped = wrapped_for(ALICE, bytes(32), ukm=b"one")
    identity = EncapsulationIdentity(private_key(ALICE.key))
    assert identity.unwrap([wrapped]) == SessionKey(bytearray(32))
    assert identity.unwrap([_broken(wrapped, user_keying_material=b"other")]) != SessionKey(bytearray(32))


@pytest.mark.parametrize("wrapped_size", [16, 24, 40])
def test_a_session_key_of_the_wrong_size_is_a_decoy(wrapped_size: int) -> None:
    """A key that opens but does not fit the content counts as one that does not open."""
    wrapped = wrapped_for(ALICE, bytes(wrapped_size), wrap=KEY_WRAPS["2.16.840.1.101.3.4.1.45"])._replace(key_size=32)
    decoy = EncapsulationIdentity(private_key(ALICE.key)).unwrap([wrapped])
    assert len(decoy) == 32
    assert decoy != SessionKey(bytearray(32))


@pytest.mark.parametrize("content", [AES_128_CBC, AES_192_GCM, MODERN.content], ids=lambda content: content.name)
def test_a_damaged_message_has_one_error(alice: RsaPerson, content: object) -> None:
    """Where it was damaged makes no difference: the words are those of any failure."""
    profile = replace(TODAY["modern"], content=content)  # type: ignore[arg-type]  # a parameter of many kinds
    stranger = EncapsulationIdentity(private_key(CAROL.key), ALICE.certificate)
    error = refusal(
        lambda: encrypt(MAIL, [ALICE.certificate, alice.certificate], profile=profile), stranger, b"At eight?"
    )
    assert str(error) == str(DecryptionError())


class _Untouchable:
    """In the place of a private key: whoever uses it fails the test."""

    def decapsulate(self, _ciphertext: bytes) -> bytes:
        """Fail."""
        pytest.fail("the private key was used")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"ciphertext": b"c" * 1087}, MalformedError),
        ({"encrypted_key": b"e" * 39}, MalformedError),
        ({"encrypted_key": b""}, MalformedError),
        ({"kem": ML_KEM_1024, "ciphertext": b"c" * 1568}, MalformedError),
        (
            {"kem": Kem("ML-KEM-512", "2.16.840.1.101.3.4.4.1", 768), "ciphertext": b"c" * 768},
            UnsupportedAlgorithmError,
        ),
        ({"wrap": KeyWrap("Triple-DES", "1.2.840.113549.1.9.16.3.6", 24)}, UnsupportedAlgorithmError),
    ],
)
def test_public_faults_are_named_before_the_private_key_is_used(
    changes: dict[str, object], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What everybody can see to be wrong is said, and no private key takes part."""
    info = kem.decode(wrapped_for(ALICE, bytes(32)))._replace(**changes)  # type: ignore[arg-type]  # fields of all kinds
    identity = EncapsulationIdentity(private_key(ALICE.key), ALICE.certificate)
    monkeypatch.setattr(identity, "_private_key", _Untouchable())
    with pytest.raises(error):
        identity.matching([kem.encode(info)])
    with pytest.raises(error):
        identity.unwrap([kem.encode(info)])


def test_parameters_that_are_not_absent_name_their_algorithm() -> None:
    """What stands where nothing may stand is malformed, whoever it is for."""
    octets = codec.algorithm_identifier(AlgorithmIdentifier(HKDF_OIDS["SHA-256"]))
    with_null = codec.algorithm_identifier(AlgorithmIdentifier(HKDF_OIDS["SHA-256"], asn1.NULL))
    kind, value = asn1.parse(wrapped_for(ALICE, bytes(32)).encoded).children()
    changed = asn1.encode(asn1.SEQUENCE, value.contents.replace(octets, with_null))
    wrapped = WrappedKey(asn1.encode(kem.TAG, kind.encoded, changed), 0, 32)
    with pytest.raises(MalformedError, match=r"the key-derivation function .* has parameters"):
        EncapsulationIdentity(private_key(ALICE.key), ALICE.certificate).unwrap([wrapped])


def test_an_identity_says_who_it_is_and_keeps_its_secret() -> None:
    """Whoever logs an identity logs no key."""
    identity = EncapsulationIdentity(private_key(ALICE.key), ALICE.certificate)
    assert str(identity) == "ML-KEM-768 private key of alice@example.org (serial 0xa11ce)"
    assert repr(identity) == f"<EncapsulationIdentity: {identity}>"
    assert ALICE.by_key.value.hex() in str(EncapsulationIdentity(private_key(ALICE.key)))


# --- as a kind


@BOTH
def test_the_kind_of_ml_kem_keys(person: Person) -> None:
    """ML-KEM keys find their kind."""
    assert kind_for(PublicKey.of(person.key.public_key())) is kem.KIND
    assert is_selective(kem.KIND.identity(private_key(person.key), None))


def test_a_summary_names_everything() -> None:
    """A recipient is described with its mechanism and what follows it."""
    wrapped = wrapped_for(BOB, bytes(16), "SHA-384", ukm=b"material", recipient=BOB.by_serial)
    (summary,) = summarize(wrapped)
    assert (summary.technique, summary.algorithm, summary.problem) == ("key encapsulation", "ML-KEM-1024", None)
    assert summary.parameters == {"kdf": "HKDF-SHA-384", "wrap": "AES-128 key wrap", "ukm": "8 bytes"}
    assert (summary.serial_number, summary.encrypted_key_size) == ("0xb0b", 24)
    assert summary.post_quantum
    assert legacy_algorithm(wrapped) is None


def test_a_summary_of_what_is_not_spoken() -> None:
    """Unknown algorithms are shown by their object identifiers, with the problem that they are."""
    info = kem.decode(wrapped_for(ALICE, bytes(32)))
    foreign = kem.encode(info._replace(kem=Kem("RSA-KEM", "1.0.18033.2.2.4", 256), wrap=KeyWrap("?", "1.2.3.4", 32)))
    (summary,) = summarize(foreign)
    assert (summary.algorithm, summary.parameters["wrap"]) == ("RSA-KEM", "1.2.3.4")
    assert summary.problem == "the key encapsulation mechanism RSA-KEM (1.0.18033.2.2.4) is not supported"
    assert not summary.post_quantum


def test_a_summary_of_another_kind_of_recipient() -> None:
    """An OtherRecipientInfo that is no KEMRecipientInfo is shown by its kind, and nobody's."""
    wrapped = WrappedKey(asn1.encode(kem.TAG, asn1.object_identifier("1.2.3.4"), asn1.NULL), 0, 32)
    (summary,) = summarize(wrapped)
    assert (summary.technique, summary.algorithm_oid, summary.post_quantum) == ("other", "1.2.3.4", False)
    assert EncapsulationIdentity(private_key(ALICE.key)).matching([wrapped]) == []


def test_a_summary_of_a_broken_one() -> None:
    """What is broken is described as far as it goes."""
    broken = WrappedKey(asn1.encode(kem.TAG, asn1.object_identifier(KEM_RECIPIENT_OID), asn1.NULL), 0, 32)
    (summary,) = summarize(broken)
    assert summary.problem == "the tag 0x30 was expected, not 0x05"
