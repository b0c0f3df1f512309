"""What content and session keys are encrypted with, where that depends on who reads."""

from __future__ import annotations

import io
import pickle
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from cryptography import x509

from smime_session import (
    AES_128_GCM,
    AUTO,
    COMPAT,
    MODERN,
    PQ,
    Profile,
    RecipientError,
    decrypt,
    encrypt,
    encrypt_stream,
    inspect,
    new_identity,
    recipient_for,
    rewrap_stream,
)
from smime_session.algorithms import (
    AES_256_CBC,
    AES_256_GCM,
    CHACHA20_POLY1305,
    OAEP,
    RSAES_OAEP_SHA1,
    RSAES_OAEP_SHA256,
    RSAES_OAEP_SHA384,
    RSAES_OAEP_SHA512,
    RSAES_PKCS1_V1_5,
    KeyTransport,
)
from smime_session.certificates import library, plain
from smime_session.cms import asn1, capabilities
from smime_session.cms.capabilities import SMIME_CAPABILITIES_OID
from smime_session.cms.key_transport import algorithm_identifier, announced_transport
from smime_session.cms.values import AlgorithmIdentifier
from smime_session.operations.sealing import choose
from tests.support.making import NOW, certificate, der
from tests.support.readers import EC, MAIL, ML_KEM, PASSWORD, RSA, SHARED, Reader

if TYPE_CHECKING:
    from smime_session import Recipient
    from smime_session.cms.values import WrappedKey
    from smime_session.session_key import SessionKey

GCM: Final = frozenset({AES_256_GCM.oid})
AUTO_CBC: Final = replace(AUTO, content=AES_256_CBC)
OTHERS: Final = frozenset({AES_128_GCM.oid, CHACHA20_POLY1305.oid, AES_256_CBC.oid})


class Fake:
    """A recipient that can be wrapped for, and nothing else."""

    def __init__(self, inner: Recipient) -> None:
        self._inner = inner

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Hand it on."""
        return self._inner.wrap(key)


class Named(Fake):
    """One that is known to read something, and has a name."""

    def __init__(self, name: str, reads: frozenset[str]) -> None:
        super().__init__(SHARED.recipient)  # type: ignore[arg-type]  # a shared key is one
        self.reads = reads
        self._name = name

    def __str__(self) -> str:
        return self._name


def announcing(*announced: AlgorithmIdentifier | bytes, critical: bool = False, **others: Any) -> x509.Certificate:  # noqa: ANN401  # as they are made
    """Make a certificate that announces what its owner's programs read, encoded or not."""
    encoded = b"".join(each for each in announced if isinstance(each, bytes))
    encoded = encoded or capabilities.encode(each for each in announced if isinstance(each, AlgorithmIdentifier))
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(SMIME_CAPABILITIES_OID), encoded)
    return certificate(extensions=[(extension, critical)], **others)


def algorithms_of(message: bytes) -> tuple[str, list[str | None]]:
    """Return how the content is encrypted, and the session key for each recipient."""
    found = inspect(message)
    return found.content.algorithm, [each.summary.algorithm for each in found.recipients]


# --- one function ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "reads", "content"),
    [
        (AUTO, [GCM], AES_256_GCM),
        (AUTO, [GCM, GCM | OTHERS], AES_256_GCM),
        (AUTO, [frozenset()], AES_256_CBC),
        (AUTO, [OTHERS], AES_256_CBC),
        (AUTO, [GCM, GCM, frozenset()], AES_256_CBC),
        (replace(AUTO, content=AES_128_GCM), [frozenset()], AES_128_GCM),
        (replace(AUTO, content=AES_256_GCM), [frozenset()], AES_256_GCM),
        (replace(AUTO, content=AES_256_CBC), [GCM], AES_256_CBC),
        (replace(AUTO, rsa=RSAES_OAEP_SHA512), [frozenset()], AES_256_CBC),
        (replace(COMPAT, content=None), [GCM], AES_256_GCM),
        (MODERN, [frozenset()], AES_256_GCM),
        (COMPAT, [GCM], AES_256_CBC),
        (PQ, [frozenset()], AES_256_GCM),
    ],
)
def test_the_readers_decide_where_the_profile_does_not(
    profile: Profile, reads: list[frozenset[str]], content: object
) -> None:
    """Everyone must be known to read AES-256-GCM, or it is AES-256-CBC; what was chosen by name stays."""
    choice = choose(profile, [Named("any", each) for each in reads])
    assert choice.content == content
    assert choice.by_readers == (profile.content is None)


@pytest.mark.parametrize(
    ("profile", "readers", "reason"),
    [
        (MODERN, ["a", "b"], "the profile says so"),
        (AUTO, ["a!", "b!"], "every recipient is known to read AES-256-GCM"),
        (AUTO, ["a!", "b"], "not known to read AES-256-GCM: b"),
        (AUTO, ["a", "b", "c!", "d"], "not known to read AES-256-GCM: a, b, d"),
        (AUTO, list("abcdefgh"), "not known to read AES-256-GCM: a, b, c, 5 more"),
        (AUTO, [*"abc", *"x" * 2000], "not known to read AES-256-GCM: a, b, c, 2,000 more"),
    ],
)
def test_the_reason_names_a_few(profile: Profile, readers: list[str], reason: str) -> None:
    """Who is not known to read what is best is named, as far as that fits in a sentence."""
    people = [Named(name, GCM if name.endswith("!") else frozenset()) for name in readers]
    assert choose(profile, people).reason == reason


def test_a_recipient_without_a_name_is_named_by_its_type() -> None:
    """No object's address in memory is shown, and no secret."""
    fake = Fake(SHARED.recipient)  # type: ignore[arg-type]  # a shared key is one
    assert choose(AUTO, [fake]).reason == "not known to read AES-256-GCM: a recipient of type Fake"
    assert choose(AUTO, [PASSWORD.recipient]).reason.endswith(": a password")  # type: ignore[list-item]  # it is one
    named = recipient_for(certificate(serial=0xABC), at=NOW)
    assert choose(AUTO, [named]).reason.endswith(": serial 0xabc of CN=Alice")


def test_what_was_chosen_keeps_nothing_of_a_key() -> None:
    """It can be stored and copied, though a password cannot, and says the same afterwards."""
    recipients = [PASSWORD.recipient, SHARED.recipient, certificate_of_today()]
    sealed = encrypt_stream(io.BytesIO(MAIL), io.BytesIO(), recipients)
    assert asdict(sealed)["content_encryption"] == "AES-256-CBC"
    again = pickle.loads(pickle.dumps(sealed))  # noqa: S301  # our own
    assert (again, again.reason) == (sealed, sealed.reason)
    assert ": a password, pre-shared key of 256 bits, identifier 6f757273, serial 0x1a2b of CN=Alice" in sealed.reason


# --- what certificates announce ----------------------------------------------------------------


@pytest.mark.parametrize("identifier", ["issuer-serial", "key-identifier"])
@pytest.mark.parametrize(
    ("announced", "content", "transport"),
    [
        (capabilities.CONTENT, AES_256_GCM, RSAES_PKCS1_V1_5),
        ((AlgorithmIdentifier(AES_256_GCM.oid, asn1.NULL),), AES_256_GCM, RSAES_PKCS1_V1_5),
        ((AlgorithmIdentifier(AES_128_GCM.oid),), AES_256_CBC, RSAES_PKCS1_V1_5),
        ((algorithm_identifier(RSAES_OAEP_SHA256),), AES_256_CBC, RSAES_OAEP_SHA256),
        ((algorithm_identifier(RSAES_OAEP_SHA1),), AES_256_CBC, RSAES_OAEP_SHA1),
        ((*capabilities.CONTENT, *map(algorithm_identifier, OAEP)), AES_256_GCM, RSAES_OAEP_SHA256),
        ((algorithm_identifier(RSAES_PKCS1_V1_5),), AES_256_CBC, RSAES_PKCS1_V1_5),
        ((b"\x04\x00",), AES_256_CBC, RSAES_PKCS1_V1_5),
        ((b"\x30\x02\x30\x00",), AES_256_CBC, RSAES_PKCS1_V1_5),
        ((b"\x30\x00",), AES_256_CBC, RSAES_PKCS1_V1_5),
        (capabilities.CONTENT[:1] * (capabilities.MAX_CAPABILITIES + 1), AES_256_CBC, RSAES_PKCS1_V1_5),
        (capabilities.CONTENT[:1] * capabilities.MAX_CAPABILITIES, AES_256_GCM, RSAES_PKCS1_V1_5),
    ],
)
def test_a_certificate_announces_what_is_read(
    announced: tuple[AlgorithmIdentifier | bytes, ...],
    content: object,
    transport: KeyTransport,
    identifier: Any,  # noqa: ANN401  # one of two words
) -> None:
    """The content is encrypted with what it announces, and so is the session key, whichever way it is read."""
    identity = x509.SubjectKeyIdentifier(bytes(20))
    extension = x509.UnrecognizedExtension(
        x509.ObjectIdentifier(SMIME_CAPABILITIES_OID),
        announced[0] if isinstance(announced[0], bytes) else capabilities.encode(announced),  # type: ignore[arg-type]  # no bytes then
    )
    reader = certificate(extensions=[(identity, False), (extension, False)])
    facts = plain.read(der(reader))
    assert facts is not None
    assert facts.use == library.facts_of(reader).use
    profile = replace(AUTO, identifier=identifier)
    recipient = recipient_for(reader, profile=profile, at=NOW)
    assert choose(profile, [recipient]).content == content
    assert algorithms_of(encrypt(MAIL, [recipient], profile=profile))[1] == [transport.name]
    fixed = recipient_for(reader, profile=replace(profile, rsa=RSAES_OAEP_SHA384), at=NOW)
    assert algorithms_of(encrypt(MAIL, [fixed], profile=profile))[1] == [RSAES_OAEP_SHA384.name]


def _printed(last: str) -> str:
    """Return a capability as RFC 3560, 5 prints it, by the last octet of its hash function's object identifier."""
    digest = f"300D060960864801650304020{last}0500"
    return f"303806092A864886F70D010107302B{digest}301A06092A864886F70D010108{digest}"


@pytest.mark.parametrize(
    ("algorithm", "printed"),
    [  # RFC 3560, 5: the whole capability
        (RSAES_OAEP_SHA1, "300D06092A864886F70D0101073000"),
        (
            RSAES_OAEP_SHA256,
            _printed("1"),
        ),
        (
            RSAES_OAEP_SHA384,
            _printed("2"),
        ),
        (
            RSAES_OAEP_SHA512,
            _printed("3"),
        ),
    ],
)
def test_oaep_is_announced_as_the_rfc_prints_it(algorithm: KeyTransport, printed: str) -> None:
    """The octets in RFC 3560 lack the tags that its ASN.1 has; both are understood."""
    found = capabilities.decode(asn1.encode(asn1.SEQUENCE, bytes.fromhex(printed)))
    assert announced_transport(found) == algorithm
    assert announced_transport((algorithm_identifier(algorithm),)) == algorithm


def test_oaep_with_parameters_that_are_not_written_is_not_announced() -> None:
    """Without parameters, or with a hash function of its own for the mask, nothing usable is announced."""
    odd = algorithm_identifier(KeyTransport("SHA-256", "SHA-1"))
    absent = AlgorithmIdentifier(odd.oid)
    assert announced_transport((odd, absent)) == RSAES_PKCS1_V1_5
    assert announced_transport((odd, absent, algorithm_identifier(RSAES_OAEP_SHA512))) == RSAES_OAEP_SHA512


def test_a_critical_announcement_is_still_refused() -> None:
    """RFC 4262, 2 wants it never to be critical; what is critical and not part of RFC 5280 is refused as before."""
    with pytest.raises(RecipientError, match="critical extension"):
        recipient_for(announcing(*capabilities.CONTENT, critical=True), at=NOW)


@pytest.mark.parametrize(
    ("key_type", "content"),
    [
        ("rsa2048", AES_256_CBC),
        ("p256", AES_256_CBC),
        ("brainpoolp256r1", AES_256_CBC),
        ("x25519", AES_256_GCM),
        ("x448", AES_256_GCM),
        ("mlkem768", AES_256_GCM),
        ("mlkem1024", AES_256_GCM),
    ],
)
def test_some_keys_say_what_their_owners_read(key_type: str, content: object) -> None:
    """X25519, X448 and ML-KEM are younger than AES-GCM in CMS; a certificate's own word goes before that."""
    key = x509.load_pem_x509_certificate(new_identity("a@example.org", key_type=key_type).certificate_pem).public_key()
    silent = certificate(public_key=key)
    assert choose(AUTO, [recipient_for(silent, at=NOW)]).content == content
    for announced, expected in ((AES_256_GCM, AES_256_GCM), (AES_256_CBC, AES_256_CBC)):
        says = announcing(AlgorithmIdentifier(announced.oid), public_key=key)
        assert choose(AUTO, [recipient_for(says, at=NOW)]).content == expected


# --- what is encrypted -------------------------------------------------------------------------


def test_a_fake_recipient_is_enough() -> None:
    """Of a recipient that has nothing but ``wrap`` nothing is known, and the mail opens."""
    fake = Fake(SHARED.recipient)  # type: ignore[arg-type]  # a shared key is one
    message = encrypt(MAIL, [fake])
    assert algorithms_of(message)[0] == "AES-256-CBC"
    assert (
        decrypt(message, SHARED.identities).message
        == decrypt(encrypt(MAIL, [SHARED.recipient]), SHARED.identities).message
    )


@pytest.mark.parametrize("reader", [PASSWORD, SHARED], ids=lambda reader: reader.name)
def test_a_secret_says_nothing_about_its_readers(reader: Reader) -> None:
    """Gpgsm opens passwords and no AES-GCM: alone or beside others, nothing is known of who has the secret."""
    assert algorithms_of(encrypt(MAIL, [reader.recipient]))[0] == "AES-256-CBC"
    assert algorithms_of(encrypt(MAIL, [reader.recipient], profile=MODERN))[0] == "AES-256-GCM"


@pytest.mark.parametrize(
    ("form", "profile", "content"),
    [
        ("mail", None, "AES-256-CBC"),
        ("der", None, "AES-256-GCM"),
        ("pem", None, "AES-256-GCM"),
        ("mail", MODERN, "AES-256-GCM"),
        ("der", AUTO, "AES-256-CBC"),
    ],
)
def test_mail_is_for_people_and_all_else_for_programs(form: Any, profile: Profile | None, content: str) -> None:  # noqa: ANN401  # a word
    """Without a profile, a mail looks at its readers, and a bare CMS object does not."""
    target = io.BytesIO()
    sealed = encrypt_stream(io.BytesIO(MAIL), target, [certificate_of_today()], profile=profile, form=form)
    assert sealed.content_encryption == content == inspect(target.getvalue()).content.algorithm
    assert sealed.authenticated == (content == "AES-256-GCM")
    wanted = "the profile says so" if content == "AES-256-GCM" else "not known to read AES-256-GCM: serial 0x"
    assert sealed.reason.startswith(wanted)


def certificate_of_today() -> x509.Certificate:
    """Make a certificate that announces nothing."""
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC)
    return certificate(start=now - timedelta(days=1), end=now + timedelta(days=1))


def test_a_recipient_prepared_once_serves_every_choice() -> None:
    """It is prepared without knowing who else will read."""
    first = recipient_for(ML_KEM.certificate)
    second = recipient_for(certificate_of_today())
    assert algorithms_of(encrypt(MAIL, [first])) == ("AES-256-GCM", ["ML-KEM-768"])
    assert algorithms_of(encrypt(MAIL, [first, second])) == ("AES-256-CBC", ["RSAES-PKCS1-v1_5", "ML-KEM-768"])


# --- who is locked out -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readers", "profile", "locked_out"),
    [
        ([RSA], COMPAT, ()),
        ([RSA, EC], COMPAT, ()),
        ([RSA, PASSWORD], COMPAT, ("Thunderbird",)),
        ([EC, SHARED], COMPAT, ()),  # it passes over what it cannot be given
        ([RSA, ML_KEM], AUTO_CBC, ("Thunderbird",)),
        ([RSA, PASSWORD], MODERN, ()),
        ([PASSWORD, SHARED], COMPAT, ()),
        ([PASSWORD], COMPAT, ()),
    ],
)
def test_programs_that_refuse_for_one_recipient(
    readers: list[Reader], profile: Profile, locked_out: tuple[str, ...]
) -> None:
    """A recipient whom a program does not know locks out the others there, unless the content does so already."""
    target = io.BytesIO()
    sealed = encrypt_stream(io.BytesIO(MAIL), target, [reader.recipient for reader in readers], profile=profile)
    assert sealed.locked_out == locked_out
    notes = {note.name: note for note in inspect(target.getvalue()).clients}
    assert all(notes[name].opens == "no" for name in locked_out)


def test_rewrapping_tells_whom_a_newcomer_locks_out() -> None:
    """Only where that is new: not if it was so before, and not once the newcomer is gone."""

    def done(message: bytes, **choices: Any) -> tuple[bytes, tuple[str, ...]]:  # noqa: ANN401  # as they are
        target = io.BytesIO()
        found = rewrap_stream(io.BytesIO(message), target, RSA.identities, **choices)
        return target.getvalue(), found.locked_out

    plain = encrypt(MAIL, [RSA.recipient], profile=COMPAT)
    assert done(plain, add=[EC.recipient])[1] == ()
    wider, locked_out = done(plain, add=[PASSWORD.recipient])
    assert locked_out == ("Thunderbird",)
    assert done(wider, add=[EC.recipient])[1] == ()
    assert done(wider, remove=["password"])[1] == ()
    assert done(plain, add=[RSA.recipient, ML_KEM.recipient], reseal=True, profile=AUTO_CBC)[1] == ("Thunderbird",)
    derived = replace(AUTO_CBC, derived_content_key=True)
    assert done(plain, add=[RSA.recipient, ML_KEM.recipient], reseal=True, profile=derived)[1] == ()
