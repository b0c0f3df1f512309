"""Signing a mail: what is signed, what stays outside, and what the attributes say."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from smime_session import NotMailError, SignatureAlgorithm, Signed, SignerError, sign, sign_stream
from smime_session.algorithms import RSAES_OAEP_OID
from smime_session.certificates.names import issuer_of
from smime_session.certificates.signatures import is_signed_by, new_digest
from smime_session.cms import signed_attributes
from smime_session.cms.capabilities import CONTENT
from smime_session.cms.signature_algorithm import decode, digest_from
from smime_session.cms.signed import SignedReader
from smime_session.cms.values import IssuerAndSerialNumber
from smime_session.operations.sign import MICALG
from tests.support.chunks import blocks
from tests.support.signing import KEYS, LETTER, issued, signer, signing_key

if TYPE_CHECKING:
    from email.message import EmailMessage

    from smime_session import Signer
    from smime_session.cms.signed_attributes import SignedAttributes

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTENT_INSIDE = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nAt eight?\r\n"


def _clear(mail: bytes) -> tuple[bytes, bytes]:
    """Return the signed octets and the signature of a clear-signed mail, taken apart by hand."""
    head, _, body = mail.partition(b"\n\n" if b"\r\n" not in mail else b"\r\n\r\n")
    boundary = b"--" + head.partition(b'boundary="')[2].partition(b'"')[0]
    _, content, signature, rest = body.replace(b"\r\n", b"\n").split(boundary)
    assert rest == b"--\n"
    part: EmailMessage = message_from_bytes(signature.lstrip(b"\n"), policy=policy.SMTP)
    assert part.get_content_type() == "application/pkcs7-signature"
    assert part.get_filename() == "smime.p7s"
    return content[1:-1].replace(b"\n", b"\r\n"), bytes(part.get_payload(decode=True))


def _checked(content: bytes, encoded: bytes, who: Signer) -> SignedAttributes:
    """Check a signature with what the library below offers; return what it covers besides."""
    reader = SignedReader(blocks(encoded, 100))
    inside = b"".join(map(bytes, reader.content()))
    assert inside == (content if reader.attached else b"")
    trailer = reader.trailer()
    (info,) = trailer.signers
    digest = digest_from(info.digest)
    assert reader.digests == (info.digest,)
    attributes = signed_attributes.decode(info.attributes)
    hashed = new_digest(digest)
    hashed.update(content)
    assert attributes.message_digest == hashed.finalize()
    key = who.private_key.public_key
    assert is_signed_by(key, info.signature, info.attributes, decode(info.algorithm, digest))
    assert info.identifier == IssuerAndSerialNumber(issuer_of(who.certificate), who.certificate.serial_number)
    fingerprint = new_digest("SHA-256")
    fingerprint.update(who.certificate.public_bytes(Encoding.DER))
    assert [each.value for each in attributes.certificates] == [fingerprint.finalize()]
    assert attributes.capabilities
    assert attributes.capabilities[: len(CONTENT)] == CONTENT
    others = {each.public_bytes(Encoding.DER) for each in (who.certificate, *who.chain)}
    if who.encryption_certificate:
        others.add(who.encryption_certificate.public_bytes(Encoding.DER))
    assert set(trailer.certificates) == others
    return attributes


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
@pytest.mark.parametrize("kind", KEYS)
def test_clear(kind: str, eol: bytes) -> None:
    """A clear signature stands beside the mail, whose fields stay, in the mail's own line endings."""
    who = signer(kind)
    made = sign(LETTER.replace(b"\n", eol), who)
    head = LETTER.partition(b"\n\n")[0].replace(b"\n", eol)
    assert made.startswith(head + eol + b"MIME-Version: 1.0" + eol + b"Content-Type: multipart/signed; ")
    assert made.count(b"\n") == made.count(eol)
    content, signature = _clear(made)
    assert content == CONTENT_INSIDE[:-2] + b"\r\n"
    _checked(content, signature, who)
    reader = SignedReader(blocks(signature, 100))
    micalg = MICALG[digest_from(reader.digests[0])].encode()
    assert eol + b" micalg=" + micalg + b"; boundary=" in made


@pytest.mark.parametrize("kind", KEYS)
def test_opaque(kind: str) -> None:
    """An opaque one has the mail inside, in canonical form, and is DER."""
    who = signer(kind)
    message: EmailMessage = message_from_bytes(sign(LETTER, who, opaque=True), policy=policy.SMTP)
    assert message.get_content_type() == "application/pkcs7-mime"
    assert message["content-type"].params["smime-type"] == "signed-data"
    assert (message["from"], message["subject"]) == ("Alice <alice@example.org>", "Friday")
    _checked(CONTENT_INSIDE, bytes(message.get_payload(decode=True)), who)


@pytest.mark.parametrize("opaque", [False, True])
def test_signing_time_and_preference(opaque: bool) -> None:  # noqa: FBT001  # a parameter
    """The time is the one that was asked for; a certificate for encryption is named and goes along."""
    encryption = issued(signing_key("RSA", "bob"), usage=["key_encipherment"])
    who = signer("P-256", encryption_certificate=encryption, insecure_expired=True)
    made = sign(LETTER, who, opaque=opaque, at=AT)
    if opaque:
        message: EmailMessage = message_from_bytes(made, policy=policy.SMTP)
        content, encoded = CONTENT_INSIDE, bytes(message.get_payload(decode=True))
    else:
        content, encoded = _clear(made)
    attributes = _checked(content, encoded, who)
    assert attributes.signing_time == AT
    assert attributes.encryption_key == IssuerAndSerialNumber(issuer_of(encryption), encryption.serial_number)


@pytest.mark.parametrize("scheme", ["RSASSA-PKCS1-v1_5", "RSASSA-PSS"])
@pytest.mark.parametrize("digest", ["SHA-256", "SHA-384", "SHA-512"])
def test_an_rsa_key_signs_as_it_is_told(scheme: str, digest: str) -> None:
    """PSS and PKCS#1, with each hash function."""
    who = signer(algorithm=SignatureAlgorithm(scheme, digest))  # type: ignore[arg-type]  # those above
    source, target = io.BytesIO(LETTER), io.BytesIO()
    assert sign_stream(source, target, who) == Signed(f"{scheme} with {digest}", opaque=False, made_safe=False)
    _checked(*_clear(target.getvalue()), who)


@pytest.mark.parametrize("opaque", [False, True])
def test_a_mail_object_is_signed_as_one(opaque: bool) -> None:  # noqa: FBT001  # a parameter
    """A message object comes back as one, and writing it again changes nothing that is signed."""
    message: EmailMessage = message_from_bytes(
        LETTER.replace(b"eight", "\N{LATIN SMALL LETTER A WITH DIAERESIS}".encode() * 90), policy=policy.SMTP
    )
    who = signer()
    made = sign(message, who, opaque=opaque)
    assert type(made) is type(message)
    if not opaque:
        _checked(*_clear(made.as_bytes()), who)
        _checked(*_clear(made.as_bytes(policy=policy.default)), who)


class Pipe(io.BytesIO):
    """A source that cannot seek."""

    def seekable(self) -> bool:
        """Say so."""
        return False

    def seek(self, *_: object) -> int:
        """Refuse to."""
        raise io.UnsupportedOperation


@pytest.mark.parametrize("opaque", [False, True])
def test_streams(opaque: bool) -> None:  # noqa: FBT001  # a parameter
    """A pipe and a file are signed alike, whether they are large or not, and whatever is encoded in them."""
    who = signer("Ed25519")  # which signs the same in the same way
    for body in (b"At eight?\n", b"line\n" * 40_000, b"gr\xc3\xbcn\n" * 40_000):
        mail = LETTER.replace(b"At eight?\n", body)
        made = []
        for source in (io.BytesIO(mail), Pipe(mail)):
            target = io.BytesIO()
            sign_stream(source, target, who, opaque=opaque, at=datetime.now(UTC).replace(microsecond=0))
            made.append(target.getvalue())
        if not opaque:
            assert _clear(made[0])[0] == _clear(made[1])[0]
            _checked(*_clear(made[0]), who)
        assert len(made[0]) == len(made[1])


def test_what_is_announced() -> None:
    """What is read here is announced, with what the key reads that others are to encrypt for; or nothing is."""
    rsa, edwards = signer("RSA"), signer("Ed25519")
    for who, oaep in ((rsa, True), (edwards, False), (replace(edwards, encryption_certificate=rsa.certificate), True)):
        announced = _checked(*_clear(sign(LETTER, who)), who).capabilities or ()
        assert (RSAES_OAEP_OID in [each.oid for each in announced]) is oaep
    reader = SignedReader(blocks(_clear(sign(LETTER, replace(rsa, announce=False)))[1], 100))
    (info,) = reader.trailer().signers
    assert signed_attributes.decode(info.attributes).capabilities is None


def test_nothing_is_signed_for_others() -> None:
    """A mail from another address is refused, and so is one of several authors of whom one is another."""
    who = signer()
    for sender in (b"Bob <bob@example.org>", b"alice@example.org, bob@example.org"):
        with pytest.raises(SignerError, match=r"is not for bob@example\.org") as caught:
            sign(LETTER.replace(b"Alice <alice@example.org>", sender), who)
        assert caught.value.option == "insecure_address"
    sign(LETTER.replace(b"Alice <alice@example.org>", b'"bob@example.org" <ALICE@example.org>'), who)


def test_what_is_no_mail_is_not_signed() -> None:
    """Neither octets nor other objects are."""
    with pytest.raises(NotMailError):
        sign(b"no mail", signer())
    with pytest.raises(TypeError, match=r"a signer is what load_signer\(\) returns"):
        sign(LETTER, object())  # type: ignore[arg-type]


def test_blind_copies_stay() -> None:
    """The sender's server still has to read Bcc: signing hides nothing."""
    assert sign(b"Bcc: carol@example.org\n" + LETTER, signer()).startswith(b"Bcc: carol@example.org\n")
