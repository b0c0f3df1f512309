"""RSA key transport: what is wrapped is unwrapped, and what is not for us or was altered tells nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from smime_session.algorithms import (
    OAEP,
    RSAES_OAEP_SHA1,
    RSAES_OAEP_SHA256,
    RSAES_PKCS1_V1_5,
    RSAES_PKCS1_V1_5_OID,
    KeyTransport,
)
from smime_session.certificates.names import issuer_of
from smime_session.certificates.public_key import PublicKey
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, IssuerAndSerialNumber, SubjectKeyIdentifier, WrappedKey
from smime_session.errors import (
    CredentialError,
    LimitError,
    MalformedError,
    NoMatchError,
    RecipientError,
    SmimeError,
    UnsupportedAlgorithmError,
)
from smime_session.keys.software import private_key
from smime_session.profiles import COMPAT, MODERN
from smime_session.recipients import rsa as key_transport
from smime_session.recipients.registry import is_selective, kind_for, legacy_algorithm, summarize
from smime_session.recipients.rsa import KeyTransportIdentity, KeyTransportRecipient
from smime_session.session_key import Proof, SessionKey

if TYPE_CHECKING:
    from tests.conftest import Person

LABELLED = KeyTransport("SHA-256", "SHA-1", b"a label")
PADDINGS = pytest.mark.parametrize("algorithm", [RSAES_PKCS1_V1_5, *OAEP, LABELLED], ids=lambda each: each.name)
ONE_OF_EACH = pytest.mark.parametrize("algorithm", [RSAES_PKCS1_V1_5, RSAES_OAEP_SHA256], ids=lambda each: each.name)


def _by_serial(person: Person) -> IssuerAndSerialNumber:
    return IssuerAndSerialNumber(issuer_of(person.certificate), person.certificate.serial_number)


def _by_key(person: Person) -> SubjectKeyIdentifier:
    return SubjectKeyIdentifier(PublicKey.of(person.key.public_key()).key_identifier)


def _wrapped(
    person: Person, key: SessionKey, algorithm: KeyTransport = RSAES_OAEP_SHA256, *, by_key: bool = False
) -> WrappedKey:
    identifier = _by_key(person) if by_key else _by_serial(person)
    return KeyTransportRecipient(PublicKey.of(person.key.public_key()), identifier, algorithm).wrap(key)


@pytest.fixture
def key() -> SessionKey:
    """A session key of 32 octets."""
    return SessionKey(bytearray(range(32)))


# --- both ways


@PADDINGS
@pytest.mark.parametrize("by_key", [False, True], ids=["issuer and serial", "key identifier"])
@pytest.mark.parametrize("bare", [False, True], ids=["certificate", "bare key"])
@pytest.mark.parametrize("size", [16, 24, 32])
def test_what_is_wrapped_is_unwrapped(
    alice: Person, algorithm: KeyTransport, size: int, *, by_key: bool, bare: bool
) -> None:
    """A session key comes back whatever the padding, the recipient's name and the identity."""
    key = SessionKey.generate(size)
    wrapped = _wrapped(alice, key, algorithm, by_key=by_key)
    identity = alice.bare if bare else alice.identity
    assert wrapped.version == (2 if by_key else 0)
    assert wrapped.key_size == size
    assert identity.matching([wrapped]) == [wrapped]
    with identity.unwrap([wrapped]) as unwrapped:
        assert unwrapped == key
        assert unwrapped.material is not key.material


@PADDINGS
def test_what_is_wrapped_is_what_the_library_decrypts(alice: Person, key: SessionKey, algorithm: KeyTransport) -> None:
    """The encrypted key is plain RSA with the padding that the recipient info names."""
    info = key_transport.decode(_wrapped(alice, key, algorithm))
    assert info.algorithm == algorithm
    assert info.recipient == _by_serial(alice)
    how: padding.AsymmetricPadding = padding.PKCS1v15()
    if algorithm.hash:
        digest, mgf = (getattr(hashes, name.replace("-", ""))() for name in (algorithm.hash, algorithm.mgf_hash or ""))
        how = padding.OAEP(padding.MGF1(mgf), digest, algorithm.label or None)
    assert alice.key.decrypt(info.encrypted_key, how) == bytes(key.material)


@ONE_OF_EACH
def test_wrapping_twice_gives_other_octets(alice: Person, key: SessionKey, algorithm: KeyTransport) -> None:
    """The padding is random, so that nobody sees that two messages have one key."""
    recipient = KeyTransportRecipient(PublicKey.of(alice.key.public_key()), _by_serial(alice), algorithm)
    assert recipient.wrap(key).encoded != recipient.wrap(key).encoded


def test_the_first_that_is_for_us_is_unwrapped(alice: Person, bob: Person, key: SessionKey) -> None:
    """Others' recipient infos are passed over, whatever their technique; of our own the first counts."""
    ours = [_wrapped(alice, key), _wrapped(alice, SessionKey.generate(32), by_key=True)]
    others = [WrappedKey(b"\xa4\x00", 0, 32), _wrapped(bob, SessionKey.generate(32))]
    assert alice.identity.matching([*others, *ours]) == ours
    assert alice.identity.unwrap([*others, *ours]) == key


@pytest.mark.parametrize("by_key", [False, True], ids=["issuer and serial", "key identifier"])
def test_what_is_for_others_does_not_match(alice: Person, bob: Person, key: SessionKey, *, by_key: bool) -> None:
    """Nothing for us is an error that names us by public facts."""
    wrapped = [_wrapped(bob, key, by_key=by_key)]
    assert alice.identity.matching(wrapped) == []
    with pytest.raises(NoMatchError, match="given: RSA-2048 private key of Alice"):
        alice.identity.unwrap(wrapped)


def test_a_bare_key_tries_what_has_its_size(alice: Person, key: SessionKey) -> None:
    """Without a certificate no name is ruled out, but an encrypted key of another size is."""
    for name in (IssuerAndSerialNumber(b"\x30\x00", 1), SubjectKeyIdentifier(b"as the issuer likes")):
        for size, matches in ((255, False), (256, True), (257, False)):
            wrapped = key_transport.encode(key_transport.KeyTransRecipientInfo(name, RSAES_PKCS1_V1_5, bytes(size)))
            assert bool(alice.bare.matching([wrapped])) == matches
    assert alice.bare.unwrap([_wrapped(alice, key)]) == key


def test_a_bare_key_says_which_it_is(alice: Person) -> None:
    """A key without a certificate is told by the identifier that it would usually have."""
    with pytest.raises(NoMatchError, match=r"without a certificate, key identifier [0-9a-f]{40}$"):
        alice.bare.unwrap([])


# --- one failure


@PADDINGS
@pytest.mark.parametrize("size", [16, 24, 32])
def test_an_altered_key_gives_a_decoy(alice: Person, algorithm: KeyTransport, size: int) -> None:
    """A wrapped key that was altered gives a key of the right size that is another one, and no exception (RFC 3218)."""
    key = SessionKey.generate(size)
    wrapped = _wrapped(alice, key, algorithm)
    for at in (-1, -128, -256):
        encoded = bytearray(wrapped.encoded)
        encoded[at] ^= 1
        decoy = alice.identity.unwrap([wrapped._replace(encoded=bytes(encoded))])
        assert len(decoy) == size
        assert decoy != key


@ONE_OF_EACH
@pytest.mark.parametrize(
    "encrypted_key", [b"", b"\x00", bytes(255), bytes(256), b"\xff" * 256, bytes(257), bytes(4096)]
)
def test_garbage_gives_a_decoy(alice: Person, algorithm: KeyTransport, encrypted_key: bytes) -> None:
    """What no RSA key ever made, of whatever size, is not told apart from what was altered."""
    info = key_transport.KeyTransRecipientInfo(_by_serial(alice), algorithm, encrypted_key)
    decoy = alice.identity.unwrap([key_transport.encode(info)._replace(key_size=32)])
    assert len(decoy) == 32
    assert decoy != SessionKey(bytearray(32))


@ONE_OF_EACH
def test_a_key_for_somebody_else_gives_a_decoy(
    alice: Person, bob: Person, key: SessionKey, algorithm: KeyTransport
) -> None:
    """A key wrapped with another RSA key under our name is not told apart either."""
    recipient = KeyTransportRecipient(PublicKey.of(bob.key.public_key()), _by_serial(alice), algorithm)
    decoy = alice.identity.unwrap([recipient.wrap(key)])
    assert len(decoy) == 32
    assert decoy != key


@ONE_OF_EACH
@pytest.mark.parametrize("size", [0, 1, 5, 31, 33, 64, 100])
def test_a_key_of_another_size_gives_a_decoy(alice: Person, algorithm: KeyTransport, size: int) -> None:
    """A wrapped key that is not as long as the content's algorithm wants is not told apart either."""
    wrapped = _wrapped(alice, SessionKey(bytearray(size)), algorithm)._replace(key_size=32)
    assert len(alice.identity.unwrap([wrapped])) == 32


@PADDINGS
def test_decoys_stay_the_same(alice: Person, key: SessionKey, algorithm: KeyTransport) -> None:
    """A message sent twice fails twice with one decoy, as it would with a real key; another message has another."""
    wrapped = _wrapped(alice, key, algorithm)
    altered = [wrapped._replace(encoded=wrapped.encoded[:-1] + bytes((wrapped.encoded[-1] ^ bit,))) for bit in (1, 2)]
    first, again = (alice.identity.unwrap(altered[:1]) for _ in range(2))
    assert first == again
    assert alice.identity.unwrap(altered[1:]) != first


@PADDINGS
def test_a_decoy_is_known_to_its_private_key_alone(
    alice: Person, bob: Person, key: SessionKey, algorithm: KeyTransport
) -> None:
    """Another key makes another of the same octets, or whoever writes a message could tell one beforehand."""
    altered = _wrapped(alice, key, algorithm).encoded[:-1] + b"\x00"
    info = _wrapped(alice, key, algorithm)._replace(encoded=altered)
    decoys = [KeyTransportIdentity(private_key(person.key)).unwrap([info]) for person in (alice, bob)]
    assert decoys[0] != decoys[1]
    assert KeyTransportIdentity(private_key(alice.key)).unwrap([info]) == decoys[0]


@PADDINGS
def test_only_what_oaep_proved_is_checked(alice: Person, key: SessionKey, algorithm: KeyTransport) -> None:
    """RSAES-OAEP tells a decoy; with RSAES-PKCS1-v1_5 nothing does, and only the name says whose key it is."""
    wrapped = _wrapped(alice, key, algorithm)
    altered = wrapped._replace(encoded=wrapped.encoded[:-1] + bytes((wrapped.encoded[-1] ^ 1,)))
    another_size = wrapped._replace(key_size=24)
    for identity, unchecked in ((alice.identity, Proof.NAMED), (alice.bare, Proof.NONE)):
        proofs = [identity.unwrap([each]).proof for each in (wrapped, altered, another_size)]
        assert proofs == ([unchecked] * 3 if algorithm.hash is None else [Proof.CHECKED, Proof.REFUTED, Proof.REFUTED])


def test_decoys_are_not_what_the_library_returned(alice: Person) -> None:
    """A decoy reveals nothing of what the implicit rejection returned, nor a cut-down key of another size."""
    wrapped = _wrapped(alice, SessionKey(bytearray(range(33))), RSAES_PKCS1_V1_5)._replace(key_size=32)
    assert alice.identity.unwrap([wrapped]).material != bytes(range(32))


# --- what is public may be told


def test_others_algorithms_are_their_own_matter(alice: Person, bob: Person, key: SessionKey) -> None:
    """A recipient info for somebody else is passed over, even if its algorithm is unknown and it holds our number."""
    theirs = key_transport.fields(_wrapped(bob, key))[0]
    assert isinstance(theirs, IssuerAndSerialNumber)
    number = asn1.integer_octets(alice.certificate.serial_number)  # what tells most others apart is not enough here
    other = asn1.encode(
        asn1.SEQUENCE,
        asn1.integer(0),
        asn1.encode(asn1.SEQUENCE, theirs.issuer, asn1.integer(theirs.serial_number)),
        asn1.encode(asn1.SEQUENCE, asn1.object_identifier("1.2.3.4"), asn1.encode(asn1.OCTET_STRING, number)),
        asn1.encode(asn1.OCTET_STRING, bytes(256)),
    )
    wrapped = [WrappedKey(other, 0, 32), _wrapped(alice, key)]
    assert alice.identity.matching(wrapped) == wrapped[1:]
    assert alice.identity.unwrap(wrapped) == key


def test_our_unknown_algorithm_is_named(alice: Person, key: SessionKey) -> None:
    """A key that was wrapped for us in a way that is not supported is told by name."""
    oaep = asn1.object_identifier("1.2.840.113549.1.1.7")
    encoded = _wrapped(alice, key).encoded.replace(oaep, asn1.object_identifier("1.2.840.113549.1.1.9"))
    with pytest.raises(UnsupportedAlgorithmError, match=r"1\.2\.840\.113549\.1\.1\.9"):
        alice.identity.unwrap([WrappedKey(encoded, 0, 32)])


def test_a_broken_info_is_malformed(alice: Person, key: SessionKey) -> None:
    """A recipient info that breaks its own encoding says so: that depends on no private key."""
    encoded = _wrapped(alice, key).encoded
    with pytest.raises(MalformedError):
        alice.identity.unwrap([WrappedKey(encoded[:-1], 0, 32)])


@given(st.data())
def test_what_is_usual_is_read_as_all_else_is(alice: Person, data: st.DataObject) -> None:
    """What stands before an encrypted key is read once for many messages: nothing that is damaged passes for it."""
    algorithm = data.draw(st.sampled_from((RSAES_PKCS1_V1_5, RSAES_OAEP_SHA256)))
    octets = bytearray(_wrapped(alice, SessionKey(bytearray(32)), algorithm, by_key=data.draw(st.booleans())).encoded)
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(1, len(octets) - 256 + 8))
        octets[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    identity = data.draw(st.sampled_from((alice.identity, alice.bare)))

    def outcome() -> object:
        try:
            return identity.unwrap([WrappedKey(bytes(octets), 0, 32)]).material
        except SmimeError as error:
            return type(error), str(error)

    found = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_transport, "_MAX_USUAL", 0)
        assert outcome() == found


def test_a_huge_encrypted_key_is_limited(alice: Person) -> None:
    """A megabyte of encrypted key costs nothing but its reading."""
    info = key_transport.KeyTransRecipientInfo(_by_serial(alice), RSAES_OAEP_SHA256, bytes(1 << 20))
    with pytest.raises(LimitError):
        alice.identity.unwrap([key_transport.encode(info)])


# --- credentials


def test_the_numbers_may_come_in_either_order(alice: Person, key: SessionKey) -> None:
    """A key whose primes are swapped, as some programs write them, is sound."""
    sound = alice.key.private_numbers()
    p, q = sorted((sound.p, sound.q))
    numbers = rsa.RSAPrivateNumbers(
        p, q, sound.d, sound.d % (p - 1), sound.d % (q - 1), rsa.rsa_crt_iqmp(p, q), sound.public_numbers
    )
    assert KeyTransportIdentity(private_key(numbers.private_key())).unwrap([_wrapped(alice, key)]) == key


def test_the_kind_of_rsa_keys(alice: Person, key: SessionKey) -> None:
    """An RSA key finds its kind, which makes recipients as the profile says and identities that open them."""
    public_key = PublicKey.of(alice.key.public_key())
    kind = kind_for(public_key)
    assert kind is key_transport.KIND
    identity = kind.identity(private_key(alice.key), alice.certificate)
    assert is_selective(identity)
    for profile in (MODERN, COMPAT):
        wrapped = kind.recipient(public_key, _by_serial(alice), profile).wrap(key)
        assert key_transport.decode(wrapped).algorithm == profile.rsa
        assert identity.unwrap([wrapped]) == key
        assert legacy_algorithm(wrapped) is None


@pytest.mark.parametrize(
    ("bits", "insecure", "reason"),
    [
        (1023, True, "has an RSA key of 1023 bits, under 1024"),
        (1024, False, "has an RSA key of 1024 bits, under 2048"),
        (1024, True, None),
        (2047, False, "has an RSA key of 2047 bits, under 2048"),
        (2048, False, None),
        (8192, False, None),
        (8193, False, "has an RSA key of 8193 bits, over 8192"),
        (8193, True, "has an RSA key of 8193 bits, over 8192"),
    ],
)
def test_the_size_of_a_key_makes_it_fit(bits: int, *, insecure: bool, reason: str | None) -> None:
    """RSA keys have 2048 to 8192 bits (RFC 8551, 4.2), and 1024 for whoever writes that it is insecure."""
    public_key = _public_key((1 << bits - 1) + 1, 65537)
    assert key_transport.KIND.unfit(public_key, replace(MODERN, insecure_key_size=insecure)) == reason


def _public_key(modulus: int, exponent: int) -> PublicKey:
    numbers = asn1.encode(asn1.SEQUENCE, *(asn1.encode(2, asn1.integer_octets(each)) for each in (modulus, exponent)))
    algorithm = codec.algorithm_identifier(AlgorithmIdentifier(RSAES_PKCS1_V1_5_OID, asn1.NULL))
    return PublicKey.from_info(asn1.encode(asn1.SEQUENCE, algorithm, asn1.encode(3, b"\0", numbers)))


@pytest.mark.parametrize(("exponent", "even"), [(65537, True), (3, True), (65539, True)])
def test_a_broken_public_key_is_unfit(exponent: int, *, even: bool) -> None:
    """A modulus that is even is no RSA key's; the library may take it for one."""
    assert key_transport.KIND.unfit(_public_key((1 << 2047) + (not even), exponent), MODERN) == "has a broken RSA key"


@pytest.mark.parametrize("exponent", [1, 2, 65536])
def test_a_broken_exponent_is_unfit(exponent: int) -> None:
    """An exponent that is even or under 3 is none, whether or not the library loads such a key."""
    try:
        reason = key_transport.KIND.unfit(_public_key((1 << 2047) + 1, exponent), MODERN)
    except CredentialError as error:
        reason = str(error)
    assert reason in {"has a broken RSA key", "the public key is broken, or of a kind that is not supported"}


def test_a_small_exponent_is_fit() -> None:
    """3 is the least that there is, and old keys have it."""
    public_key = PublicKey.of(rsa.generate_private_key(3, 2048).public_key())
    assert key_transport.KIND.unfit(public_key, MODERN) is None


def test_a_key_that_cannot_encrypt_is_refused_by_name(key: SessionKey) -> None:
    """What the library refuses only when it encrypts is an unusable recipient, whoever prepared it."""
    even = rsa.RSAPublicNumbers(65537, 1 << 2047).public_key()
    recipient = KeyTransportRecipient(PublicKey.of(even), SubjectKeyIdentifier(b"us"), RSAES_OAEP_SHA256)
    with pytest.raises(RecipientError) as caught:
        recipient.wrap(key)
    words = "has an RSA key that RSAES-OAEP with SHA-256 cannot use: it is broken or too small"
    assert caught.value.refused == (f"key identifier 7573 {words}",)


# --- words


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_an_identity_shows_public_facts(alice: Person, show: type[str]) -> None:
    """An identity is shown by its size and its owner, and none of its private numbers."""
    numbers = alice.key.private_numbers()
    for identity, words in ((alice.identity, "RSA-2048 private key of Alice"), (alice.bare, "without a certificate")):
        text = show(identity)
        assert words in text
        for secret in (numbers.p, numbers.q, numbers.d):
            assert str(secret) not in text
            assert f"{secret:x}" not in text


def test_a_recipient_info_is_summarised(alice: Person, key: SessionKey) -> None:
    """The public fields of a recipient info are told by name."""
    (by_serial,) = summarize(_wrapped(alice, key, LABELLED))
    assert by_serial.technique == "key transport"
    assert by_serial.issuer == "CN=Alice"
    assert by_serial.serial_number == f"{alice.certificate.serial_number:#x}"
    assert by_serial.key_identifier is None
    assert by_serial.algorithm == "RSAES-OAEP with SHA-256, MGF1 with SHA-1"
    assert by_serial.algorithm_oid == "1.2.840.113549.1.1.7"
    assert by_serial.parameters == {"hash": "SHA-256", "mgf": "MGF1 with SHA-1", "label": b"a label".hex()}
    assert by_serial.encrypted_key_size == 256
    assert by_serial.problem is None
    assert by_serial.name == f"serial {alice.certificate.serial_number:#x} of CN=Alice"
    (by_key,) = summarize(_wrapped(alice, key, RSAES_PKCS1_V1_5, by_key=True))
    assert by_key.name == f"key identifier {PublicKey.of(alice.key.public_key()).key_identifier.hex()}"
    assert (by_key.issuer, by_key.serial_number, by_key.parameters) == (None, None, {})


def test_what_is_wrong_with_a_recipient_info_is_summarised(alice: Person, key: SessionKey) -> None:
    """Of a recipient info whose algorithm cannot be used the rest is told, with the problem."""
    hashed = asn1.object_identifier("2.16.840.1.101.3.4.2.1")
    encoded = _wrapped(alice, key).encoded.replace(hashed, asn1.object_identifier("2.16.840.1.101.3.4.2.9"))
    (summary,) = summarize(WrappedKey(encoded, 0, 32))
    assert summary.algorithm == "RSAES-OAEP"
    assert summary.issuer == "CN=Alice"
    assert "the hash function of RSAES-OAEP" in (summary.problem or "")


def test_oaep_with_sha1_is_summarised(alice: Person, key: SessionKey) -> None:
    """Parameters that are defaults, and so not written, are told all the same."""
    (summary,) = summarize(_wrapped(alice, key, RSAES_OAEP_SHA1))
    assert summary.parameters == {"hash": "SHA-1", "mgf": "MGF1 with SHA-1"}
