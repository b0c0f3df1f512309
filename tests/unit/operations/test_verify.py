"""Verifying: each word is said where it is due, and nothing that a signature does not cover passes for signed."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from smime_session import (
    MessageError,
    NotSignedError,
    Policy,
    SignatureAlgorithm,
    TrustAnchors,
    Verification,
    sign,
    verify,
    verify_stream,
)
from smime_session.cms import asn1
from smime_session.cms.signed_attributes import CertificateHash
from tests.support.signing import (
    KEYS,
    LETTER,
    clear_mail,
    issued,
    name,
    opaque_mail,
    signed_object,
    signer,
    signer_info,
    signing_key,
)
from tests.support.verifying import ROOT, issued_signer, trusting, verdicts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session import Signer
    from smime_session.operations.signatures import Word

CONTENT = b"Content-Type: text/plain\r\n\r\nAt eight?\r\n"
PGP = (
    b'From: a\nContent-Type: multipart/signed; protocol="application/pgp-signature"; boundary=a\n\n'
    b"--a\n\nx\n--a\nContent-Type: application/pgp-signature\n\nx\n--a--\n"
)


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
@pytest.mark.parametrize("kind", KEYS)
def test_what_is_signed_is_verified(kind: str, eol: bytes, *, opaque: bool) -> None:
    """A mail that was signed here is trusted with its root, and only what was signed is given out."""
    who = issued_signer(kind)
    found = verify(sign(LETTER.replace(b"\n", eol), who, opaque=opaque), trust=trusting())
    (signature,) = found.signatures
    assert (signature.verdict, found.accepted, found.unsigned_parts) == ("trusted", True, ())
    assert found.content == CONTENT.replace(b"plain", b"plain; charset=us-ascii")
    assert (signature.addresses, signature.from_matches, signature.sender_matches) == (
        ("alice@example.org",),
        True,
        None,
    )
    assert (signature.certificate, signature.chain) == (who.certificate, (who.certificate, ROOT))
    assert (signature.opaque, signature.part, signature.algorithm) == (opaque, "0", who.how.name)
    assert signature.signing_time
    assert datetime.now(UTC) - signature.signing_time < timedelta(minutes=5)
    assert signature.holds
    assert signature.reason.startswith("the certificate has a chain to the trusted root Root")


def _crl(certificate: x509.Certificate) -> x509.CertificateRevocationList:
    now = datetime.now(UTC)
    revoked = x509.RevokedCertificateBuilder(certificate.serial_number, now - timedelta(hours=1)).build()
    builder = x509.CertificateRevocationListBuilder(name("Root"), now - timedelta(hours=1), now + timedelta(days=1))
    return builder.add_revoked_certificate(revoked).sign(signing_key("P-256", "root"), hashes.SHA256())


@pytest.mark.parametrize("opaque", [False, True])
def test_each_word(*, opaque: bool) -> None:
    """Trusted, untrusted, expired, revoked, mismatch and broken are told apart, with a reason each."""
    who, late, other = issued_signer(), issued_signer(days=(-9, -1)), issued_signer(addresses=["bob@example.org"])
    cases: list[tuple[Signer, TrustAnchors | None, Word, str]] = [
        (who, trusting(), "trusted", "has a chain"),
        (who, None, "untrusted", "no root was given that could vouch for its signer"),
        (
            who,
            trusting(issued(signing_key("P-256", "eve"), "Eve", authority=True)),
            "untrusted",
            "has an issuer that is",
        ),
        (late, trusting(), "expired", "the certificate expired on"),
        (who, TrustAnchors([ROOT], crls=[_crl(who.certificate)]), "revoked", "revoked"),
        (
            other,
            trusting(),
            "mismatch",
            "the mail is from alice@example.org, and the certificate is for bob@example.org",
        ),
        (other, None, "mismatch", "and no root was given"),
        (issued_signer(usage=["key_encipherment"]), trusting(), "untrusted", "lacks digitalSignature"),
        (
            issued_signer(purposes=[x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1")]),
            trusting(),
            "untrusted",
            "lacks emailProtec",
        ),
    ]
    for author, trust, word, reason in cases:
        found = verify(sign(LETTER, author, opaque=opaque), trust=trust)
        (signature,) = found.signatures
        assert signature.verdict == word, signature.reason
        assert reason in signature.reason
        assert (found.accepted, found.content is not None) == (word == "trusted", word == "trusted")
        assert signature.holds


def test_a_clear_mail_that_was_changed_is_broken() -> None:
    """The reason tells that it was changed."""
    (signature,) = verify(sign(LETTER, issued_signer()).replace(b"eight", b"seven"), trust=trusting()).signatures
    assert (signature.verdict, signature.holds) == ("broken", False)
    assert signature.reason == "is not one of this content: it was changed"
    assert signature.from_matches


@pytest.mark.parametrize("kind", ["RSA", "P-256", "Ed25519", "ML-DSA-44"])
def test_each_flipped_byte_is_refused(kind: str) -> None:
    """No byte of content, attributes or signature can be another one."""
    who = issued_signer(kind)
    algorithm = who.how
    digest = algorithm.hash or "SHA-512"
    info = signer_info(
        who,
        CONTENT,
        digest=digest,
        algorithm=algorithm,
        changes={"signing_time": datetime.now(UTC), "certificates": ()},
    )
    octets = signed_object(CONTENT, [info], [who.certificate])
    assert verdicts(octets) == ["trusted"]
    begin = octets.index(info.attributes[4:])
    places = [*range(octets.index(CONTENT), octets.index(CONTENT) + len(CONTENT))]
    places += range(begin, begin + len(info.attributes) - 4)
    signature = octets.index(info.signature)
    places += range(signature, len(octets), max(1, len(info.signature) // 300))
    for place in places:
        for bit in (0x01, 0x80):
            changed = bytearray(octets)
            changed[place] ^= bit
            try:
                assert verdicts(bytes(changed)) == ["broken"], (place, bit)
            except MessageError:
                continue


# --- what proves nothing -----------------------------------------------------------------------


def test_no_signer_is_no_signature() -> None:
    """An object of certificates, or of content without a signature, is not signed."""
    who = issued_signer()
    for content in (None, CONTENT):
        octets = signed_object(content, [], [who.certificate])
        for mail in (octets, opaque_mail(octets), *([] if content else [clear_mail(CONTENT, octets)])):
            with pytest.raises(NotSignedError):
                verify(mail, trust=trusting())


def test_every_signature_counts() -> None:
    """One that is good makes no other one good: two hash functions, two signers, one of them broken."""
    alice, bob = issued_signer("RSA"), issued_signer("RSA", "bob", addresses=["alice@example.org"])
    infos = [signer_info(alice, CONTENT), signer_info(alice, CONTENT, digest="SHA-512"), signer_info(bob, CONTENT)]
    both = [alice.certificate, bob.certificate]
    for mail in (
        opaque_mail(signed_object(CONTENT, infos, both)),
        clear_mail(CONTENT, signed_object(None, infos, both)),
    ):
        assert verdicts(mail) == ["trusted"] * 3
    for place in range(3):
        changed = [*infos]
        changed[place] = changed[place]._replace(signature=bytes(256))
        mail = clear_mail(CONTENT, signed_object(None, changed, both))
        assert sorted(verdicts(mail)) == ["broken", "trusted", "trusted"]


def test_old_hash_functions_are_broken() -> None:
    """SHA-1 and MD5 prove nothing, unless that is asked for."""
    who = issued_signer("RSA")
    for digest in ("SHA-1", "MD5"):
        mail = clear_mail(CONTENT, signed_object(None, [signer_info(who, CONTENT, digest=digest)], [who.certificate]))
        found = verify(mail, trust=trusting())
        assert found.signatures[0].reason == f"is made with {digest}, with which others can sign in its signer's place"
        assert verdicts(mail) == ["broken"]
        assert verdicts(mail, policy=Policy(insecure_legacy=True)) == ["trusted"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"content_type": "1.2.840.113549.1.7.3"}, "is one of another type of content"),
        ({"message_digest": bytes(32)}, "is not one of this content: it was changed"),
        ({"certificates": (CertificateHash("SHA-256", bytes(32)),)}, "is meant for another certificate"),
    ],
)
def test_attributes_that_do_not_fit(changes: dict[str, object], reason: str) -> None:
    """What is signed is compared with what is there."""
    who = issued_signer("RSA")
    octets = signed_object(CONTENT, [signer_info(who, CONTENT, changes=changes)], [who.certificate])
    (signature,) = verify(octets, trust=trusting()).signatures
    assert (signature.verdict, signature.reason) == ("broken", reason)


def test_without_attributes() -> None:
    """Content may be signed directly, but not what could be the attributes of another signature."""
    who = issued_signer("RSA")
    assert verdicts(signed_object(CONTENT, [signer_info(who, CONTENT, bare=True)], [who.certificate])) == ["trusted"]
    honest = signer_info(who, CONTENT)
    forged = honest._replace(attributes=b"")
    (signature,) = verify(signed_object(honest.attributes, [forged], [who.certificate]), trust=trusting()).signatures
    assert signature.reason == "covers what may be the attributes of another signature"
    other = signed_object(CONTENT, [signer_info(who, CONTENT, bare=True)], [who.certificate], kind="1.2.3")
    assert verify(other, trust=trusting()).signatures[0].reason == "does not cover the type of the content"
    edwards = issued_signer("Ed25519")
    bare = signer_info(edwards, CONTENT, digest="SHA-512", algorithm=SignatureAlgorithm("EdDSA"), bare=True)
    (signature,) = verify(signed_object(CONTENT, [bare], [edwards.certificate]), trust=trusting()).signatures
    assert signature.reason == "cannot be checked: EdDSA without signed attributes is not supported"


def test_attributes_in_another_order_are_accepted() -> None:
    """Some programs write attributes in another order than they sign them in; their DER is what counts."""
    who = issued_signer("RSA")
    info = signer_info(who, CONTENT, changes={"signing_time": datetime.now(UTC)})
    members = [each.encoded for each in asn1.parse(info.attributes)]
    shuffled = info._replace(attributes=asn1.encode(asn1.SET, *reversed(members)))
    assert shuffled != info
    assert verdicts(signed_object(CONTENT, [shuffled], [who.certificate])) == ["trusted"]


def test_a_signer_without_certificate_is_broken_unless_it_is_given() -> None:
    """The certificate may be left out, and given by the caller."""
    who = issued_signer("RSA")
    octets = signed_object(CONTENT, [signer_info(who, CONTENT)], [])
    (signature,) = verify(octets, trust=trusting()).signatures
    assert signature.reason == "cannot be checked: its signer's certificate is not in the message"
    assert signature.signer == f"serial {who.certificate.serial_number:#x} of CN=Root"
    assert verify(octets, trust=trusting(), certificates=[who.certificate]).accepted


def test_unknown_algorithms_are_broken() -> None:
    """What cannot be checked proves nothing, and says so."""
    who = issued_signer("RSA")
    info = signer_info(who, CONTENT)
    for changed, words in (
        (info._replace(digest=info.digest._replace(oid="1.2.840.113549.2.4")), "MD4"),
        (info._replace(algorithm=info.algorithm._replace(oid="1.2.840.10040.4.3")), "the signature algorithm"),
        (info._replace(attributes=b"\x31\x02\x30\x00"), "a signed attribute is malformed"),
    ):
        (signature,) = verify(signed_object(CONTENT, [changed], [who.certificate]), trust=trusting()).signatures
        assert signature.verdict == "broken"
        assert words in signature.reason


def test_a_hash_function_must_be_announced() -> None:
    """What comes before the content says how it is hashed; a signer info with another function proves nothing."""
    who = issued_signer("RSA")
    octets = signed_object(CONTENT, [signer_info(who, CONTENT)], [who.certificate])
    announced = b"\x31\x0d\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"
    assert announced in octets
    (signature,) = verify(octets.replace(announced, announced[:-1] + b"\x03", 1), trust=trusting()).signatures
    assert signature.reason == "is made with SHA-256, of which the message says nothing beforehand"


# --- what is around it -------------------------------------------------------------------------


def test_content_inside_a_detached_signature_is_refused() -> None:
    """Programs that took it for what was signed showed the text beside it."""
    who = issued_signer("RSA")
    octets = signed_object(CONTENT, [signer_info(who, CONTENT)], [who.certificate])
    (signature,) = verify(clear_mail(b"Content-Type: text/plain\r\n\r\nPay!\r\n", octets), trust=trusting()).signatures
    assert (signature.verdict, signature.reason) == ("broken", "has a content of its own inside")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"\n--b--", b"\n--b\n\nmore\n--b--", "is one of 3 parts and not of two, of which the first is signed"),
        (b"--b\nContent-Type: text", b"--b\n\nmore\n--b\nContent-Type: text", "is one of 3 parts and not of two"),
        (b"application/pkcs7-signature\n", b"text/plain\n", "does not stand in the second part"),
    ],
)
def test_another_shape_proves_nothing(old: bytes, new: bytes, reason: str) -> None:
    """A multipart/signed has two parts, of which the first is signed."""
    who = issued_signer("RSA")
    mail = clear_mail(CONTENT, signed_object(None, [signer_info(who, CONTENT)], [who.certificate]))
    assert verdicts(mail) == ["trusted"]
    (signature,) = verify(mail.replace(old, new), trust=trusting()).signatures
    assert signature.verdict == "broken"
    assert reason in signature.reason


# --- the ways in and out -----------------------------------------------------------------------


class Pipe(io.BytesIO):
    """A source that cannot seek."""

    def seekable(self) -> bool:
        """Say so."""
        return False

    def seek(self, *_: object) -> int:
        """Refuse to."""
        raise io.UnsupportedOperation


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("kind", [io.BytesIO, Pipe])
def test_streams(kind: type[io.BytesIO], *, opaque: bool) -> None:
    """From a file and from a pipe, what was signed comes out if it is accepted, and nothing else ever does."""
    body = b"line of text\n" * 50_000
    mail = sign(LETTER.replace(b"At eight?\n", body), issued_signer(), opaque=opaque)
    target = io.BytesIO()
    found = verify_stream(kind(mail), target, trust=trusting())
    assert found == Verification(found.signatures, (), accepted=True, released=True)
    assert target.getvalue() == b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + body.replace(b"\n", b"\r\n")
    for untrusted in (kind(mail), kind(mail.replace(b"From: Alice <alice", b"From: Alice <mallory"))):
        target = io.BytesIO()
        assert not verify_stream(untrusted, target).released
        assert target.getvalue() == b""
    assert verify_stream(kind(mail), target, accept={"untrusted"}).released
    assert not verify_stream(kind(mail), trust=trusting()).released


@pytest.mark.parametrize("start", [b"", b"\x30\x80", b"\x30\x80\x06\x03\x2a\x03\x04"])
def test_what_is_not_signed_is_not_read_to_its_end(start: bytes) -> None:
    """Noise is refused by its beginning, though it goes on for ever."""

    class Endless(io.RawIOBase):
        served = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            assert size > 0
            octets = (start if not self.served else b"").ljust(size, b"\0")
            self.served += size
            return octets

    source = Endless()
    with pytest.raises(MessageError):
        verify_stream(source)  # type: ignore[arg-type]  # it has what is needed of a binary file
    assert source.served < 4 << 20


def test_message_objects_are_verified(recwarn: pytest.WarningsRecorder) -> None:
    """A message object gives one back, of what was signed."""
    from email import message_from_bytes, policy  # what this test alone is about

    message = message_from_bytes(sign(LETTER, issued_signer()), policy=policy.SMTP)
    found = verify(message, trust=trusting())
    assert found.content is not None
    assert found.content.get_content() == "At eight?\n"
    assert not recwarn


@pytest.mark.parametrize(
    "arguments",
    [{"trust": object()}, {"certificates": [object()]}, {"certificates": 1}, {"policy": object()}, {"at": 1}],
)
def test_other_objects_are_refused(arguments: dict[str, object]) -> None:
    """What is of another kind is a mistake of the caller's."""
    with pytest.raises(TypeError):
        verify(sign(LETTER, issued_signer()), **arguments)  # type: ignore[arg-type]


def test_capabilities_and_preference_are_told() -> None:
    """What the signer reads, and the certificate that others are to encrypt for, come out of a signature that holds."""
    encryption = issued(signing_key("RSA", "bob"), usage=["key_encipherment"])
    who = signer("P-256", certificate=issued_signer().certificate, encryption_certificate=encryption)
    (signature,) = verify(sign(LETTER, who)).signatures
    assert signature.encryption_certificate == encryption
    assert signature.capabilities
    broken: Sequence[object] = verify(sign(LETTER, who).replace(b"eight", b"seven")).signatures
    assert getattr(broken[0], "encryption_certificate") is None  # noqa: B009  # of any kind
