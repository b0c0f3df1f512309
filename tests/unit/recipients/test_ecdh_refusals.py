"""Key agreement: what was altered tells nothing, and what is wrong in public is refused by name."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from smime_session import MODERN, PQ
from smime_session.algorithms import AES_256_WRAP, CURVES, P_256, P_384, TRIPLE_DES_WRAP, X448, X25519, Curve, KeyWrap
from smime_session.certificates.public_key import PublicKey
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier
from smime_session.errors import CredentialError, MalformedError
from smime_session.keys.software import private_key
from smime_session.recipients import curves, ecdh
from smime_session.recipients.ecdh import KeyAgreementIdentity, KeyAgreementRecipient
from smime_session.recipients.from_certificates import reasons_against
from smime_session.recipients.identities import identity_for
from smime_session.recipients.key_wrap import unwrap
from smime_session.recipients.registry import kind_for
from smime_session.session_key import Proof, SessionKey
from tests.support.agreeing import person, sealed, triple_des_wrap
from tests.support.making import certificate

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


@pytest.mark.parametrize("wrap", [AES_256_WRAP, TRIPLE_DES_WRAP], ids=lambda wrap: wrap.name)
def test_only_what_a_wrap_proved_is_checked(wrap: KeyWrap) -> None:
    """Both key wraps hold a checksum; a decoy is no key."""
    for encrypted in (None, b"\x55" * 40):
        info = sealed(person(), bytes(24), wrap=wrap, encrypted=encrypted)
        assert person().identity.unwrap([info]).proof is (Proof.REFUTED if encrypted else Proof.CHECKED)


@pytest.mark.parametrize("size", [16, 24, 40])
def test_a_key_of_another_size_becomes_a_decoy(size: int) -> None:
    """What opens but is no key of the content's algorithm is not told apart either."""
    wrapped = sealed(person(), bytes(size))._replace(key_size=32)
    found = person().identity.unwrap([wrapped])
    assert len(found) == 32
    assert bytes(found.material) != bytes(32)


def test_a_wrong_private_key_gets_a_decoy() -> None:
    """Somebody with our certificate and another key fails later, as everybody does."""
    impostor = KeyAgreementIdentity(private_key(person("eve").key), person().certificate)
    assert len(impostor.unwrap([sealed(person(), bytes(32))])) == 32


@given(st.integers(0, 39), st.integers(1, 255))
def test_no_altered_octet_is_noticed_here(at: int, flip: int) -> None:
    """Every octet of the encrypted key counts, and none is told from another."""
    info = sealed(person(), bytes(32))
    altered = bytearray(info.encoded)
    altered[len(altered) - 40 + at] ^= flip
    found = person().identity.unwrap([info._replace(encoded=bytes(altered))])
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
    """With our name on it, it is malformed; a bare key takes it for another person's."""
    other = X25519 if curve == P_256 else P_256
    kind = AlgorithmIdentifier("1.2.840.10045.2.1" if other.is_parameter else other.oid)
    point = curves.point_of(curves.generate(other))
    originator = asn1.encode(0xA1, codec.algorithm_identifier(kind), asn1.encode(3, b"\0", point))
    wrapped = sealed(person(curve=curve), bytes(32), encrypted=bytes(40), originator=originator)
    with pytest.raises(MalformedError, match=f"not (one )?on {curve.name}"):
        person(curve=curve).identity.unwrap([wrapped])
    assert person(curve=curve).bare.matching([wrapped]) == []


def test_a_named_curve_must_be_the_recipient_s() -> None:
    """RFC 5753, 7.1.2; a P-384 key cannot be meant for a P-256 one."""
    kind = AlgorithmIdentifier("1.2.840.10045.2.1", asn1.object_identifier(P_384.oid))
    originator = asn1.encode(0xA1, codec.algorithm_identifier(kind), asn1.encode(3, b"\0\4", bytes(64)))
    with pytest.raises(MalformedError, match="not on P-256"):
        person().identity.unwrap([sealed(person(), bytes(32), encrypted=bytes(40), originator=originator)])


def test_a_static_key_on_another_curve_is_refused() -> None:
    """A named sender's certificate may hold any key."""
    carol = person("carol", P_384)
    originator = codec.recipient_identifier(carol.by_serial)
    wrapped = sealed(person(), bytes(32), encrypted=bytes(40), originator=originator)
    identity = KeyAgreementIdentity(private_key(person().key), person().certificate, [carol.certificate])
    with pytest.raises(MalformedError, match="not on P-256"):
        identity.unwrap([wrapped])


# --- whom to encrypt for -----------------------------------------------------------------------


@pytest.mark.parametrize(("curve", "point"), LOW_ORDER, ids=str)
def test_low_order_keys_are_unfit(curve: Curve, point: bytes) -> None:
    """A certificate with such a key would give everybody the session key."""
    info = codec.algorithm_identifier(AlgorithmIdentifier(curve.oid)) + asn1.encode(0x03, b"\0", point)
    key = PublicKey.from_info(asn1.encode(asn1.SEQUENCE, info))
    assert ecdh.KIND.unfit(key, MODERN) == f"has an {curve.name} key that agrees on no secret with any other"
    with pytest.raises(MalformedError):
        KeyAgreementRecipient(key, person().by_key).wrap(SessionKey.generate(32))


def test_unknown_curves_are_unfit() -> None:
    """They are named in a refusal, for encrypting and for decrypting."""
    key = ec.generate_private_key(ec.SECP256K1())
    made = certificate(public_key=key.public_key())
    assert "has a kind of key that is not supported: secp256k1" in reasons_against(made)
    with pytest.raises(CredentialError, match="this kind of key is not supported: secp256k1"):
        identity_for(private_key(key))


def test_post_quantum_readers_get_no_curves() -> None:
    """A profile that wants post-quantum keys alone refuses these."""
    reason = "has no post-quantum key (P-256), which profile pq requires"
    assert reason in reasons_against(person().certificate, profile=PQ)


def test_key_usage_must_allow_agreement() -> None:
    """A key that only signs is refused (RFC 5652, 6.2.2)."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = certificate(public_key=key.public_key(), usage="digital_signature")
    assert "is not for encrypting keys: its key usage lacks keyAgreement" in reasons_against(made)


@pytest.mark.parametrize("curve", CURVES.values(), ids=lambda curve: curve.name)
def test_keys_on_every_curve_make_recipients(curve: Curve) -> None:
    """They are of this kind, and any profile may use them."""
    key = PublicKey.of(curves.generate(curve).public_key())
    assert kind_for(key) is ecdh.KIND
    assert ecdh.KIND.unfit(key, MODERN) is None
