"""What Thunderbird shows to the reader of a mail, of what we write and of what others write."""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage
from email.utils import localtime
from fcntl import LOCK_EX, flock
from typing import TYPE_CHECKING, Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, load_pem_private_key, pkcs12

import smime_session
from smime_session.submission import Server, Submission
from tests.interop import messages, ours
from tests.interop.keypair import PASSPHRASE, certify, make_keypair_of
from tests.interop.messages import MESSAGES, Message
from tests.interop.peers.base import program, run
from tests.interop.peers.everyone import OPENSSL, require
from tests.interop.peers.postfix import LOGIN, PASSWORD, postfix
from tests.interop.peers.thunderbird import PROGRAMS, Seen, Thunderbird, running
from tests.interop.spec import ALGORITHMS, COMPAT, ODD_OAEP, WEAK, Spec
from tests.support.mail_server import mail_server, make_authorities
from tests.support.signing import issued, signer, signing_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography import x509

    from smime_session import Profile
    from smime_session.mail.header_policy import HeaderPolicy
    from tests.interop.keypair import Keypair
    from tests.interop.peers.base import Peer

FOR_PEOPLE: Final = (smime_session.AUTO,)
"""The profiles whose mails are there to be read with a mail program."""

SHOWN: Final = Seen("Grüße", "greetings", lock="ok")
REFUSED: Final = Seen("Thunderbird cannot decrypt this message", "greetings", lock="notok")
NOTHING: Final = Seen("", "greetings")
"""An empty window, without a lock or a word."""

NOT_SHOWN: Final = {
    **dict.fromkeys(("modern", "aes-128-gcm", "aes-256-gcm", "chacha20", "derived-gcm"), NOTHING),
    **dict.fromkeys(("derived-cbc", "beside-mlkem768", "beside-password"), REFUSED),
}
"""What it shows of the messages whose text it does not show."""

CURVES: Final = {"p256": SHOWN, "p384": SHOWN, "p521": SHOWN, "brainpoolp256r1": REFUSED}
"""What it shows of messages for a key on a curve."""


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Keypair]:
    """A reader for each curve."""
    return {key_type: make_keypair_of(key_type, tmp_path_factory.mktemp(key_type)) for key_type in CURVES}


@pytest.fixture(scope="module")
def thunderbird(
    tmp_path_factory: pytest.TempPathFactory, alice: Keypair, readers: dict[str, Keypair]
) -> Iterator[Thunderbird]:
    """Thunderbird, which has Alice's key and those of the readers on curves; one at a time, for it is large."""
    require(*PROGRAMS)
    shared = tmp_path_factory.getbasetemp().parent  # among all workers of pytest-xdist
    with (shared / "thunderbird.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        with running(tmp_path_factory.mktemp("thunderbird")) as started:
            for keypair in (alice, *readers.values()):
                assert started.takes_key(keypair.pkcs12_file, PASSPHRASE)
            yield started


def assert_noted(mail: bytes, seen: Seen) -> None:
    """Check that the note on Thunderbird says what it showed."""
    assert messages.opens("Thunderbird", mail) == ("yes" if seen == SHOWN else "no")


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_message(thunderbird: Thunderbird, alice: Keypair, message: Message) -> None:
    """Content with a tag is an empty window, and one recipient by password or ML-KEM locks out the others."""
    mail = messages.encrypt(message, alice, form="mail")
    seen = thunderbird.open(mail)
    assert seen == NOT_SHOWN.get(message.name, SHOWN)
    assert_noted(mail, seen)


def test_sent_through_a_mail_server(thunderbird: Thunderbird, alice: Keypair, tmp_path: Path) -> None:
    """What was handed in at Postfix, and handed on by it, is shown."""
    sealed = smime_session.encrypt(ours.FIELDS + ours.ENTITY, alice.certificate)
    authorities = make_authorities(tmp_path)
    with mail_server() as (sink, port), postfix(authorities.server_pem("localhost"), port) as submission_port:
        server = Server(
            "localhost", submission_port, user=LOGIN, password=PASSWORD, ca_file=authorities.roots, timeout=60
        )
        with Submission(server) as submission:
            (delivery,) = submission.send(sealed, sender="dave@example.org", recipients=["alice@example.org"])
        assert delivery.accepted
        (arrived,) = sink.arrived(1)
    assert thunderbird.open(arrived.content) == SHOWN


def test_compressed(thunderbird: Thunderbird, alice: Keypair) -> None:
    """It decrypts a compressed mail, and shows an attachment in place of what it cannot unpack."""
    mail = ours.FIELDS + ours.ENTITY
    packed = smime_session.encrypt(mail, [alice.certificate], profile=smime_session.COMPAT, compress=True)
    assert thunderbird.open(packed) == replace(SHOWN, text="", attachments=("smime.p7z",))


@pytest.mark.parametrize("spec", [spec for spec in (*ALGORITHMS, *ODD_OAEP) if spec.content == COMPAT.content], ids=str)
def test_key_transport(thunderbird: Thunderbird, alice: Keypair, spec: Spec) -> None:
    """Every padding of RSA is known, with any hash function."""
    assert thunderbird.open(ours.encrypt(ours.ENTITY, [alice], replace(spec, form="mail"))) == SHOWN


@pytest.mark.parametrize("identifier", ["issuer-serial", "key-identifier"])
@pytest.mark.parametrize("key_type", CURVES)
def test_curve(thunderbird: Thunderbird, readers: dict[str, Keypair], key_type: str, identifier: str) -> None:
    """Keys are agreed on on NIST curves, however the recipient is named."""
    profile = replace(smime_session.COMPAT, identifier=identifier)  # type: ignore[arg-type]  # one of two words
    mail = messages.encrypt(Message("curve", profile), readers[key_type], form="mail")
    seen = thunderbird.open(mail)
    assert seen == CURVES[key_type]
    assert_noted(mail, seen)


@pytest.mark.parametrize("shared", [True, False])
def test_second_of_two_on_a_curve(thunderbird: Thunderbird, readers: dict[str, Keypair], *, shared: bool) -> None:
    """The second recipient on a curve finds its key, whether or not the two share an ephemeral key."""
    profile = replace(smime_session.COMPAT, share_ephemeral=shared)
    mail = messages.encrypt(Message("two", profile, "p256"), readers["p256"], form="mail")
    assert thunderbird.open(mail) == SHOWN


@pytest.mark.parametrize("key_type", ["x25519", "x448"])
def test_keys_that_it_does_not_take(thunderbird: Thunderbird, key_type: str, tmp_path: Path) -> None:
    """A key on X25519 or X448 cannot be imported, so its owner cannot read here."""
    reader = make_keypair_of(key_type, tmp_path)
    files = ("-inkey", reader.key_file, "-in", reader.certificate_file, "-out", reader.pkcs12_file)
    run([program("openssl", "system"), "pkcs12", "-export", *files, "-passout", f"pass:{PASSPHRASE.decode()}"])
    assert not thunderbird.takes_key(reader.pkcs12_file, PASSPHRASE)
    assert messages.opens("Thunderbird", messages.encrypt(Message("curve", smime_session.COMPAT), reader)) == "no"


def test_a_certificate_of_a_small_authority(thunderbird: Thunderbird, tmp_path: Path) -> None:
    """A key whose certificate a CA of one's own issued is taken with its chain, and opens what is sent to it."""
    ca = smime_session.new_authority("Example CA", key_type="p256")
    made = smime_session.new_identity("erin@example.org", key_type="rsa2048", issuer=ca.issuer, announce=False)
    key = load_pem_private_key(made.private_key_pem, None)
    assert isinstance(key, RSAPrivateKey)
    locked = BestAvailableEncryption(PASSPHRASE)
    file = tmp_path / "erin.p12"
    file.write_bytes(pkcs12.serialize_key_and_certificates(b"erin", key, made.certificate, [ca.certificate], locked))
    assert thunderbird.takes_key(file, PASSPHRASE)
    mail = smime_session.encrypt(ours.FIELDS + ours.ENTITY, [made.certificate], profile=smime_session.COMPAT)
    assert thunderbird.open(mail) == SHOWN


def _letter() -> EmailMessage:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "dave@example.org", "alice@example.org", "greetings"
    return letter


def _letter_with_text() -> EmailMessage:
    letter = _letter()
    letter.set_content("Grüße")
    return letter


def _alternatives() -> EmailMessage:
    letter = _letter()
    letter.set_content("Grüße")
    letter.add_alternative("<html><body><p>Grüße <b>aus <i>Bönen</i></b></p></body></html>", subtype="html")
    return letter


def _attachments() -> EmailMessage:
    letter = _alternatives()
    letter.add_attachment(bytes(range(256)), "application", "octet-stream", filename="Übersicht 2026.bin")
    letter.add_attachment(b"%PDF-1.4", "application", "pdf", filename="名簿.pdf")
    return letter


def _forwarded() -> EmailMessage:
    letter = _letter()
    letter.set_content("Grüße")
    letter.add_attachment(_alternatives())
    return letter


FORWARDED: Final = "\n".join(
    (
        *("Grüße", "ForwardedMessage.eml"),
        *("Subject: greetings", "From: dave@example.org", "To: alice@example.org", "Grüße aus Bönen"),
    )
)
LETTERS: Final = {
    "alternatives": (_alternatives(), replace(SHOWN, text="Grüße aus Bönen")),
    "attachments": (
        _attachments(),
        replace(SHOWN, text="Grüße aus Bönen", attachments=("Übersicht 2026.bin", "名簿.pdf")),
    ),
    "forwarded": (_forwarded(), replace(SHOWN, text=FORWARDED, attachments=("ForwardedMessage.eml",))),
}
"""Mails in several parts, and what they look like."""


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("name", LETTERS)
@pytest.mark.parametrize("profile", FOR_PEOPLE, ids=lambda profile: profile.name)
def test_letter(thunderbird: Thunderbird, alice: Keypair, profile: Profile, name: str, ending: str) -> None:
    """HTML, attachments with their names, and a mail in a mail arrive, with either kind of line ending."""
    letter, seen = LETTERS[name]
    mail = letter.as_bytes(policy=letter.policy.clone(linesep=ending))
    assert thunderbird.open(smime_session.encrypt(mail, [alice.certificate], profile=profile)) == seen


@pytest.mark.parametrize("profile", FOR_PEOPLE, ids=lambda profile: profile.name)
def test_large(thunderbird: Thunderbird, alice: Keypair, profile: Profile) -> None:
    """A mail of 10 MB arrives whole."""
    text = "\n".join(f"{line} Grüße" for line in range(650_000))
    mail = ours.FIELDS + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.replace("\n", "\r\n").encode()
    assert len(mail) > 10_000_000
    seen = thunderbird.open(smime_session.encrypt(mail, [alice.certificate], profile=profile))
    assert seen.text == text
    assert seen.lock == "ok"


@pytest.mark.parametrize("profile", FOR_PEOPLE, ids=lambda profile: profile.name)
def test_last_of_a_hundred(thunderbird: Thunderbird, keypairs: tuple[Keypair, ...], profile: Profile) -> None:
    """The last of a hundred recipients reads as well as the first."""
    alice, bob, _ = keypairs
    others = [certify(f"reader{number}", bob.private_key, announce=number % 2 > 0) for number in range(99)]  # type: ignore[arg-type]  # an RSA key
    mail = smime_session.encrypt(ours.FIELDS + ours.ENTITY, [*others, alice.certificate], profile=profile)
    assert thunderbird.open(mail) == SHOWN


@pytest.mark.parametrize("profile", FOR_PEOPLE, ids=lambda profile: profile.name)
def test_signature_inside(thunderbird: Thunderbird, alice: Keypair, profile: Profile) -> None:
    """A signature inside is seen; that of a stranger is no good one."""
    key = ("-signer", alice.certificate_file, "-inkey", alice.key_file)
    signed = run([program("openssl", "system"), "cms", "-sign", *key], ours.ENTITY)
    mail = smime_session.encrypt(ours.FIELDS + signed, [alice.certificate], profile=profile)
    assert thunderbird.open(mail) == replace(SHOWN, seal="mismatch")


@pytest.mark.parametrize("name", ["plain", "alternatives", "attachments"])
@pytest.mark.parametrize("headers", ["hcp_baseline", "hcp_shy"])
def test_hidden_subject(thunderbird: Thunderbird, alice: Keypair, name: str, headers: HeaderPolicy) -> None:
    """It does not restore the subject, and shows the line in the text that has it."""
    letter, seen = (_letter_with_text(), SHOWN) if name == "plain" else LETTERS[name]
    mail = smime_session.encrypt(letter.as_bytes(), [alice.certificate], headers=headers)
    assert thunderbird.open(mail) == replace(seen, text=f"Subject: greetings\n{seen.text}", subject="[...]")


def test_mail_among_our_own(thunderbird: Thunderbird, alice: Keypair, tmp_path: Path) -> None:
    """Who announces what is read here should not read with it: it uses the key, and shows an empty window.

    Beside another recipient, of whom nothing is known, the same key reads, with RSAES-OAEP.
    """
    ours_alone = make_keypair_of("rsa3072", tmp_path)
    assert thunderbird.takes_key(ours_alone.pkcs12_file, PASSPHRASE)
    mail = smime_session.encrypt(ours.FIELDS + ours.ENTITY, [ours_alone.certificate])
    assert smime_session.inspect(mail).content.algorithm == "AES-256-GCM"
    seen = thunderbird.open(mail)
    assert seen == NOTHING
    assert_noted(mail, seen)
    stranger = certify("stranger", alice.private_key)  # type: ignore[arg-type]  # an RSA key
    mail = smime_session.encrypt(ours.FIELDS + ours.ENTITY, [stranger, ours_alone.certificate])
    assert smime_session.inspect(mail).content.algorithm == "AES-256-CBC"
    (_, own) = smime_session.inspect(mail).recipients
    assert own.summary.algorithm == "RSAES-OAEP with SHA-256"
    seen = thunderbird.open(mail)
    assert seen == SHOWN
    assert_noted(mail, seen)


@pytest.mark.parametrize("spec", WEAK, ids=str)
@pytest.mark.parametrize("peer", [OPENSSL], indirect=True, ids=str)
def test_what_older_programs_sent(thunderbird: Thunderbird, alice: Keypair, peer: Peer, spec: Spec) -> None:
    """3DES and RC2, as another program writes them, are shown."""
    mail = ours.FIELDS + peer.encrypt(ours.ENTITY, [alice], replace(spec, form="mail"))
    seen = thunderbird.open(mail)
    assert seen == SHOWN
    assert_noted(mail, seen)


def test_mail_for_others(thunderbird: Thunderbird, keypairs: tuple[Keypair, ...]) -> None:
    """Without the key it says that it cannot decrypt."""
    mail = smime_session.encrypt(ours.FIELDS + ours.ENTITY, [keypairs[1].certificate], profile=smime_session.COMPAT)
    assert thunderbird.open(mail) == REFUSED


SIGNED: Final = Seen("Grüße", "greetings", seal="ok")


@pytest.fixture(scope="module")
def root(thunderbird: Thunderbird) -> x509.Certificate:
    """A root that Thunderbird trusts."""
    made = issued(signing_key("RSA", "root"), "Root", authority=True)
    thunderbird.trusts(made.public_bytes(Encoding.DER))
    return made


def _signer(kind: str, **choices: Any) -> smime_session.Signer:  # noqa: ANN401  # as Signer has them
    issuer = ("Root", signing_key("RSA", "root"))
    return signer(kind, certificate=issued(signing_key(kind), issuer=issuer), **choices)


def _to_sign() -> bytes:
    """Return a mail of today: of one without Date, or with another one than the signing time, it shows no seal."""
    mail = EmailMessage()
    mail["Date"] = localtime()
    mail["From"], mail["To"], mail["Subject"] = "alice@example.org", "bob@example.org", "greetings"
    mail.set_content("Grüße")
    return bytes(mail)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521"])
def test_it_seals_what_we_sign(thunderbird: Thunderbird, kind: str, *, opaque: bool) -> None:
    """A reader sees the seal of a mail that was signed, and that of one that was changed is broken."""
    assert thunderbird.open(smime_session.sign(_to_sign(), _signer(kind), opaque=opaque)) == SIGNED
    other = _to_sign().replace(b"alice@", b"mallory@")
    forged = smime_session.sign(other, _signer(kind, insecure_address=True), opaque=opaque)
    assert thunderbird.open(forged).seal != "ok"


@pytest.mark.usefixtures("root")
def test_it_seals_pss_and_no_changed_mail(thunderbird: Thunderbird) -> None:
    """RSASSA-PSS is read; of a mail that was changed the seal is broken."""
    pss = smime_session.SignatureAlgorithm("RSASSA-PSS", "SHA-256")
    mail = smime_session.sign(_to_sign().replace("Grüße".encode(), b"Hello"), _signer("RSA", algorithm=pss))
    assert thunderbird.open(mail).seal == "ok"
    assert thunderbird.open(mail.replace(b"SGVsbG8", b"SGVsbG9").replace(b"Hello", b"Hallo")).seal != "ok"


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("triple", [False, True])
def test_it_seals_what_we_sign_and_encrypt(thunderbird: Thunderbird, alice: Keypair, *, triple: bool) -> None:
    """Signed inside encrypted, and signed once more, there are a lock and a seal."""
    mail = smime_session.encrypt(_to_sign(), [alice.certificate], signer=_signer("RSA"), triple=triple)
    assert thunderbird.open(mail) == replace(SIGNED, lock="ok")
