"""Verifying: each word is said where it is due, and nothing that a signature does not cover passes for signed."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from smime_session import (
    LimitError,
    MessageError,
    NotSignedError,
    Policy,
    SignatureAlgorithm,
    TrustAnchors,
    Verification,
    encrypt,
    sign,
    verify,
    verify_stream,
)
from smime_session.cms import asn1
from smime_session.cms.signed_attributes import CertificateHash
from smime_session.operations.signed_layers import MAX_LAYERS
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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session import Signer
    from smime_session.operations.signatures import Word

CONTENT = b"Content-Type: text/plain\r\n\r\nAt eight?\r\n"
PGP = (
    b'From: a\nContent-Type: multipart/signed; protocol="application/pgp-signature"; boundary=a\n\n'
    b"--a\n\nx\n--a\nContent-Type: application/pgp-signature\n\nx\n--a--\n"
)
ROOT = issued(signing_key("P-256", "root"), "Root", authority=True)


def _issued(kind: str = "P-256", owner: str = "alice", **choices: object) -> Signer:
    """Return who signs with a certificate of the root's."""
    key = signing_key(kind, owner)
    choices.setdefault("addresses", [f"{owner}@example.org"])
    own = issued(key, owner.title(), issuer=("Root", signing_key("P-256", "root")), **choices)  # type: ignore[arg-type]
    return signer(
        kind,
        owner,
        certificate=own,
        insecure_expired=True,
        insecure_key_usage=True,
        insecure_extended_key_usage=True,
        insecure_address=True,
    )


def _trust(*roots: x509.Certificate) -> TrustAnchors:
    return TrustAnchors(roots or [ROOT])


def _words(mail: bytes, trust: TrustAnchors | None = None, *, policy: Policy | None = None) -> list[str]:
    found = verify(mail, trust=trust or _trust(), policy=policy or Policy())
    assert found.accepted is (all(each.verdict == "trusted" for each in found.signatures) and not found.unsigned_parts)
    assert (found.content is not None) is found.released
    return [each.verdict for each in found.signatures]


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
@pytest.mark.parametrize("kind", KEYS)
def test_what_is_signed_is_verified(kind: str, eol: bytes, *, opaque: bool) -> None:
    """A mail that was signed here is trusted with its root, and only what was signed is given out."""
    who = _issued(kind)
    found = verify(sign(LETTER.replace(b"\n", eol), who, opaque=opaque), trust=_trust())
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
    who, late, other = _issued(), _issued(days=(-9, -1)), _issued(addresses=["bob@example.org"])
    cases: list[tuple[Signer, TrustAnchors | None, Word, str]] = [
        (who, _trust(), "trusted", "has a chain"),
        (who, None, "untrusted", "no root was given that could vouch for its signer"),
        (who, _trust(issued(signing_key("P-256", "eve"), "Eve", authority=True)), "untrusted", "has an issuer that is"),
        (late, _trust(), "expired", "the certificate expired on"),
        (who, TrustAnchors([ROOT], crls=[_crl(who.certificate)]), "revoked", "revoked"),
        (
            other,
            _trust(),
            "mismatch",
            "the mail is from alice@example.org, and the certificate is for bob@example.org",
        ),
        (other, None, "mismatch", "and no root was given"),
        (_issued(usage=["key_encipherment"]), _trust(), "untrusted", "lacks digitalSignature"),
        (_issued(purposes=[x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1")]), _trust(), "untrusted", "lacks emailProtec"),
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
    (signature,) = verify(sign(LETTER, _issued()).replace(b"eight", b"seven"), trust=_trust()).signatures
    assert (signature.verdict, signature.holds) == ("broken", False)
    assert signature.reason == "is not one of this content: it was changed"
    assert signature.from_matches


@pytest.mark.parametrize("kind", ["RSA", "P-256", "Ed25519", "ML-DSA-44"])
def test_each_flipped_byte_is_refused(kind: str) -> None:
    """No byte of content, attributes or signature can be another one."""
    who = _issued(kind)
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
    assert _words(octets) == ["trusted"]
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
                assert _words(bytes(changed)) == ["broken"], (place, bit)
            except MessageError:
                continue


# --- what proves nothing -----------------------------------------------------------------------


def test_no_signer_is_no_signature() -> None:
    """An object of certificates, or of content without a signature, is not signed."""
    who = _issued()
    for content in (None, CONTENT):
        octets = signed_object(content, [], [who.certificate])
        for mail in (octets, opaque_mail(octets), *([] if content else [clear_mail(CONTENT, octets)])):
            with pytest.raises(NotSignedError):
                verify(mail, trust=_trust())


def test_every_signature_counts() -> None:
    """One that is good makes no other one good: two hash functions, two signers, one of them broken."""
    alice, bob = _issued("RSA"), _issued("RSA", "bob", addresses=["alice@example.org"])
    infos = [signer_info(alice, CONTENT), signer_info(alice, CONTENT, digest="SHA-512"), signer_info(bob, CONTENT)]
    both = [alice.certificate, bob.certificate]
    for mail in (
        opaque_mail(signed_object(CONTENT, infos, both)),
        clear_mail(CONTENT, signed_object(None, infos, both)),
    ):
        assert _words(mail) == ["trusted"] * 3
    for place in range(3):
        changed = [*infos]
        changed[place] = changed[place]._replace(signature=bytes(256))
        mail = clear_mail(CONTENT, signed_object(None, changed, both))
        assert sorted(_words(mail)) == ["broken", "trusted", "trusted"]


def test_old_hash_functions_are_broken() -> None:
    """SHA-1 and MD5 prove nothing, unless that is asked for."""
    who = _issued("RSA")
    for digest in ("SHA-1", "MD5"):
        mail = clear_mail(CONTENT, signed_object(None, [signer_info(who, CONTENT, digest=digest)], [who.certificate]))
        found = verify(mail, trust=_trust())
        assert found.signatures[0].reason == f"is made with {digest}, with which others can sign in its signer's place"
        assert _words(mail) == ["broken"]
        assert _words(mail, policy=Policy(insecure_legacy=True)) == ["trusted"]


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
    who = _issued("RSA")
    octets = signed_object(CONTENT, [signer_info(who, CONTENT, changes=changes)], [who.certificate])
    (signature,) = verify(octets, trust=_trust()).signatures
    assert (signature.verdict, signature.reason) == ("broken", reason)


def test_without_attributes() -> None:
    """Content may be signed directly, but not what could be the attributes of another signature."""
    who = _issued("RSA")
    assert _words(signed_object(CONTENT, [signer_info(who, CONTENT, bare=True)], [who.certificate])) == ["trusted"]
    honest = signer_info(who, CONTENT)
    forged = honest._replace(attributes=b"")
    (signature,) = verify(signed_object(honest.attributes, [forged], [who.certificate]), trust=_trust()).signatures
    assert signature.reason == "covers what may be the attributes of another signature"
    other = signed_object(CONTENT, [signer_info(who, CONTENT, bare=True)], [who.certificate], kind="1.2.3")
    assert verify(other, trust=_trust()).signatures[0].reason == "does not cover the type of the content"
    edwards = _issued("Ed25519")
    bare = signer_info(edwards, CONTENT, digest="SHA-512", algorithm=SignatureAlgorithm("EdDSA"), bare=True)
    (signature,) = verify(signed_object(CONTENT, [bare], [edwards.certificate]), trust=_trust()).signatures
    assert signature.reason == "cannot be checked: EdDSA without signed attributes is not supported"


def test_attributes_in_another_order_are_accepted() -> None:
    """Some programs write attributes in another order than they sign them in; their DER is what counts."""
    who = _issued("RSA")
    info = signer_info(who, CONTENT, changes={"signing_time": datetime.now(UTC)})
    members = [each.encoded for each in asn1.parse(info.attributes)]
    shuffled = info._replace(attributes=asn1.encode(asn1.SET, *reversed(members)))
    assert shuffled != info
    assert _words(signed_object(CONTENT, [shuffled], [who.certificate])) == ["trusted"]


def test_a_signer_without_certificate_is_broken_unless_it_is_given() -> None:
    """The certificate may be left out, and given by the caller."""
    who = _issued("RSA")
    octets = signed_object(CONTENT, [signer_info(who, CONTENT)], [])
    (signature,) = verify(octets, trust=_trust()).signatures
    assert signature.reason == "cannot be checked: its signer's certificate is not in the message"
    assert signature.signer == f"serial {who.certificate.serial_number:#x} of CN=Root"
    assert verify(octets, trust=_trust(), certificates=[who.certificate]).accepted


def test_unknown_algorithms_are_broken() -> None:
    """What cannot be checked proves nothing, and says so."""
    who = _issued("RSA")
    info = signer_info(who, CONTENT)
    for changed, words in (
        (info._replace(digest=info.digest._replace(oid="1.2.840.113549.2.4")), "MD4"),
        (info._replace(algorithm=info.algorithm._replace(oid="1.2.840.10040.4.3")), "the signature algorithm"),
        (info._replace(attributes=b"\x31\x02\x30\x00"), "a signed attribute is malformed"),
    ):
        (signature,) = verify(signed_object(CONTENT, [changed], [who.certificate]), trust=_trust()).signatures
        assert signature.verdict == "broken"
        assert words in signature.reason


def test_a_hash_function_must_be_announced() -> None:
    """What comes before the content says how it is hashed; a signer info with another function proves nothing."""
    who = _issued("RSA")
    octets = signed_object(CONTENT, [signer_info(who, CONTENT)], [who.certificate])
    announced = b"\x31\x0d\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"
    assert announced in octets
    (signature,) = verify(octets.replace(announced, announced[:-1] + b"\x03", 1), trust=_trust()).signatures
    assert signature.reason == "is made with SHA-256, of which the message says nothing beforehand"


# --- what is around it -------------------------------------------------------------------------


def test_content_inside_a_detached_signature_is_refused() -> None:
    """Programs that took it for what was signed showed the text beside it."""
    who = _issued("RSA")
    octets = signed_object(CONTENT, [signer_info(who, CONTENT)], [who.certificate])
    (signature,) = verify(clear_mail(b"Content-Type: text/plain\r\n\r\nPay!\r\n", octets), trust=_trust()).signatures
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
    who = _issued("RSA")
    mail = clear_mail(CONTENT, signed_object(None, [signer_info(who, CONTENT)], [who.certificate]))
    assert _words(mail) == ["trusted"]
    (signature,) = verify(mail.replace(old, new), trust=_trust()).signatures
    assert signature.verdict == "broken"
    assert reason in signature.reason


def test_parts_around_are_named() -> None:
    """A list's footer, and whatever an attacker puts around a signed part, is named, and the mail is not accepted."""
    inner = sign(LETTER, _issued()).partition(b"MIME-Version: 1.0\n")[2]
    for before, after, unsigned in (
        (b"", b"--a\n\nfooter\n", ("part 2 (text/plain)",)),
        (b"--a\nContent-Type: text/html\n\n<p>pay!<!--\n", b"", ("part 1 (text/html)",)),
    ):
        mail = b"From: alice@example.org\nContent-Type: multipart/mixed; boundary=a\n\n"
        found = verify(mail + before + b"--a\n" + inner + b"\n" + after + b"--a--\n", trust=_trust())
        assert [each.verdict for each in found.signatures] == ["trusted"]
        assert (found.unsigned_parts, found.accepted, found.content) == (unsigned, False, None)


def test_text_around_an_object_is_named() -> None:
    """A mail that is text, with a signed object in PEM in it, shows more than was signed."""
    who = _issued("RSA")
    octets = signed_object(CONTENT, [signer_info(who, CONTENT)], [who.certificate])
    body = opaque_mail(octets).partition(b"\n\n")[2]
    pem = b"-----BEGIN PKCS7-----\n" + body + b"-----END PKCS7-----\n"
    for text in (b"Pay!\n\n" + pem, pem):
        found = verify(b"From: alice@example.org\n\n" + text, trust=_trust())
        assert (found.unsigned_parts, found.accepted) == (("what stands around the CMS object",), False)
    assert verify(pem, trust=_trust()).accepted


def test_two_signed_parts_are_told_apart() -> None:
    """Each is verified for itself; there is no one content to give out."""
    one = sign(LETTER, _issued()).partition(b"MIME-Version: 1.0\n")[2]
    mail = b"From: alice@example.org\nContent-Type: multipart/mixed; boundary=a\n\n--a\n%s\n--a\n%s\n--a--\n" % (
        one,
        one,
    )
    found = verify(mail, trust=_trust())
    assert [each.part for each in found.signatures] == ["1", "2"]
    assert (found.accepted, found.released, found.content) == (True, False, None)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_a_signature_around_another(*, first: bool, second: bool) -> None:
    """Both are told, the outer one first; a broken inner one is not made good by the outer one."""
    alice, bob = _issued(), _issued("RSA", "bob")
    inner = sign(LETTER, alice, opaque=first)
    if not first:
        broken = inner.replace(b"eight", b"seven")
        (_, signature) = verify(sign(broken, alice, opaque=second), trust=_trust()).signatures
        assert (signature.verdict, signature.part) == ("broken", "0/0")
    found = verify(sign(inner, alice, opaque=second), trust=_trust())
    assert [(each.verdict, each.part) for each in found.signatures] == [("trusted", "0"), ("trusted", "0/0")]
    assert found.accepted
    assert found.content
    assert verify(b"From: alice@example.org\n" + found.content, trust=_trust()).accepted
    outer = verify(sign(inner, bob, opaque=second), trust=_trust())
    assert [each.verdict for each in outer.signatures] == ["mismatch", "trusted"]


def test_layers_are_limited() -> None:
    """No mail has so many signatures around each other."""
    mail, who = LETTER, _issued()
    for _ in range(MAX_LAYERS):
        mail = sign(mail, who, opaque=True)
    assert len(verify(mail, trust=_trust()).signatures) == MAX_LAYERS
    with pytest.raises(LimitError, match="the number of signatures around each other"):
        verify(sign(mail, who, opaque=True), trust=_trust())


def test_a_forwarded_mail_has_its_own_author() -> None:
    """The signature of a mail that is attached is compared with that mail's From."""
    attached = sign(LETTER, _issued())
    mail = (
        b"From: bob@example.org\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\nsee\n"
        b"--a\nContent-Type: message/rfc822\n\n%s\n--a--\n"
    ) % attached
    found = verify(mail, trust=_trust())
    assert [(each.part, each.verdict) for each in found.signatures] == [("2.1", "trusted")]
    assert found.unsigned_parts == ("part 1 (text/plain)", "the mail around part 2.1")


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"From: Alice <ALICE@example.org>\n", "trusted"),
        (b'From: "ceo@example.org" <alice@example.org>\n', "trusted"),
        (b"From: alice@example.org\nFrom: ceo@example.org\n", "mismatch"),
        (b"From: alice@example.org, ceo@example.org\n", "mismatch"),
        (b"From: ceo@example.org\nSender: alice@example.org\n", "mismatch"),
        (b"From: alice@example.org\nSender: list@example.org\n", "trusted"),
        (b"From: ceo@example.org (alice@example.org)\n", "mismatch"),
        (b"From: =?utf-8?q?alice=40example=2Eorg?= <ceo@example.org>\n", "mismatch"),
        (b"From: alice\n", "mismatch"),
        (b"From:\n", "mismatch"),
        (b"From: <ceo@example.org> <alice@example.org>\n", "mismatch"),
        (b"From: <ceo@example.org:alice@example.org>\n", "mismatch"),
        (b"Subject: no author\n", "trusted"),
    ],
)
def test_from_is_held_against_the_certificate(head: bytes, word: str) -> None:
    """Every address in every From must be the signer's; a name that looks like one is none."""
    who = _issued("RSA")
    octets = signed_object(CONTENT, [signer_info(who, CONTENT)], [who.certificate])
    for mail in (
        opaque_mail(octets, head),
        clear_mail(CONTENT, signed_object(None, [signer_info(who, CONTENT)], [who.certificate]), head),
    ):
        (signature,) = verify(mail, trust=_trust()).signatures
        assert signature.verdict == word
        assert signature.from_matches is (None if b"From" not in head else word == "trusted")
        assert signature.sender_matches is (None if b"Sender" not in head else b"Sender: alice" in head)


@pytest.mark.parametrize(
    ("mail", "found"),
    [
        (LETTER, "a mail without a signature (text/plain)"),
        (b"From: a\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n--a--\n", "a mail without a signature"),
        (PGP, "a mail without a signature (multipart/signed)"),
        (encrypt(LETTER, [issued(signing_key("RSA"))]), "enveloped-data"),
    ],
)
def test_what_is_not_signed_is_named(mail: bytes, found: str) -> None:
    """A mail without a signature says what it is."""
    with pytest.raises(NotSignedError) as caught:
        verify(mail)
    assert found in caught.value.found


def test_a_signature_alone_is_one_of_nothing() -> None:
    """A detached signature without what it is one of proves nothing."""
    who = _issued("RSA")
    (signature,) = verify(signed_object(None, [signer_info(who, CONTENT)], [who.certificate])).signatures
    assert (signature.verdict, signature.reason) == ("broken", "stands alone: what it is one of is elsewhere")


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
    mail = sign(LETTER.replace(b"At eight?\n", body), _issued(), opaque=opaque)
    target = io.BytesIO()
    found = verify_stream(kind(mail), target, trust=_trust())
    assert found == Verification(found.signatures, (), accepted=True, released=True)
    assert target.getvalue() == b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + body.replace(b"\n", b"\r\n")
    for untrusted in (kind(mail), kind(mail.replace(b"From: Alice <alice", b"From: Alice <mallory"))):
        target = io.BytesIO()
        assert not verify_stream(untrusted, target).released
        assert target.getvalue() == b""
    assert verify_stream(kind(mail), target, accept={"untrusted"}).released
    assert not verify_stream(kind(mail), trust=_trust()).released


def test_message_objects_are_verified(recwarn: pytest.WarningsRecorder) -> None:
    """A message object gives one back, of what was signed."""
    from email import message_from_bytes, policy  # what this test alone is about

    message = message_from_bytes(sign(LETTER, _issued()), policy=policy.SMTP)
    found = verify(message, trust=_trust())
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
        verify(sign(LETTER, _issued()), **arguments)  # type: ignore[arg-type]


def test_capabilities_and_preference_are_told() -> None:
    """What the signer reads, and the certificate that others are to encrypt for, come out of a signature that holds."""
    encryption = issued(signing_key("RSA", "bob"), usage=["key_encipherment"])
    who = signer("P-256", certificate=_issued().certificate, encryption_certificate=encryption)
    (signature,) = verify(sign(LETTER, who)).signatures
    assert signature.encryption_certificate == encryption
    assert signature.capabilities
    broken: Sequence[object] = verify(sign(LETTER, who).replace(b"eight", b"seven")).signatures
    assert getattr(broken[0], "encryption_certificate") is None  # noqa: B009  # of any kind
