"""Finding the CMS object in an input of any form."""

from __future__ import annotations

import base64
import csv
from typing import TYPE_CHECKING

import pytest

from smime_session.errors import MalformedError, NotEnvelopeError, NotMailError
from smime_session.mail.detection import Incoming, open_message
from smime_session.mail.transfer import encode_base64
from smime_session.streams.sources import Replay
from tests.support.pem_text import encode_pem

if TYPE_CHECKING:
    from pathlib import Path

CMS = b"\x30\x82\x01\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03" + bytes(range(256)) * 400
INDEFINITE = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03" + b"\n\r" * 100
CERTIFICATE = b"\x30\x82\x01\x00\x30\x82\x01\x00"
PICTURE = b"Content-Type: image/png\nContent-Transfer-Encoding: base64\n"
NEITHER = "this is neither a mail nor a CMS object"
SEVERAL = "a mail of several parts (multipart/{}), one of which is an S/MIME object: give that part alone"
PGP = "a PGP message (multipart/encrypted)"
DECLARED = b"From: a\r\nContent-Type: application/pkcs7-mime; smime-type=Enveloped-Data\r\n"


def open_bytes(data: bytes) -> Incoming:
    return open_message(Replay(data).read_block)


def octets(incoming: Incoming) -> bytes:
    return b"".join(iter(incoming.next_block, b""))


def found(data: bytes) -> str:
    with pytest.raises(NotEnvelopeError) as refused:
        open_bytes(data)
    return refused.value.found


@pytest.mark.parametrize("cms", [CMS, INDEFINITE])
def test_every_form_is_recognised(cms: bytes) -> None:
    """DER, BER, PEM, base64 and mail lead to the same octets."""
    for form, data in {
        "der": cms,
        "pem": encode_pem((cms,)),
        "base64": encode_base64(cms),
        "mail": DECLARED + b"Content-Transfer-Encoding: base64\r\n\r\n" + encode_base64(cms),
    }.items():
        incoming = open_bytes(data)
        assert incoming.form == form
        assert octets(incoming) == cms
        assert (incoming.head is not None) == (form == "mail")


@pytest.mark.parametrize("encoding", [b"base64", b"BASE64 (yes)", b"7bit", b"binary", b"x-unknown", b""])
def test_a_base64_body_needs_no_correct_header(encoding: bytes) -> None:
    """Text that is base64 of a CMS object is decoded whatever the encoding field says."""
    field = b"Content-Transfer-Encoding: " + encoding + b"\r\n" if encoding else b""
    assert octets(open_bytes(DECLARED + field + b"\r\n" + encode_base64(CMS))) == CMS


@pytest.mark.parametrize("encoding", [b"base64", b"7bit", b"8bit", b"binary"])
def test_a_binary_body_needs_no_correct_header(encoding: bytes) -> None:
    """Octets that are a CMS object are taken as they stand."""
    mail = DECLARED + b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + CMS
    assert octets(open_bytes(mail)) == CMS


def test_a_quoted_printable_body_is_decoded() -> None:
    """Even CMS octets or base64 text in quoted-printable are found."""
    mail = DECLARED + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    quoted = b"".join(b"=%02X" % octet + b"=\r\n" * (at % 20 == 19) for at, octet in enumerate(CMS))
    assert octets(open_bytes(mail + quoted)) == CMS
    assert octets(open_bytes(mail + encode_base64(CMS).replace(b"=", b"=3D"))) == CMS


@pytest.mark.parametrize(
    "media_type", [b"APPLICATION/X-PKCS7-MIME", b"application/octet-stream", b"text/plain", b"broken"]
)
def test_the_object_decides_and_not_the_media_type(media_type: bytes) -> None:
    """A body that is a CMS object is one under any name."""
    mail = b"From: a\r\nContent-Type: " + media_type + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    assert octets(open_bytes(mail + encode_base64(CMS))) == CMS


def test_short_lines_of_base64_are_decoded_where_announced() -> None:
    """What is too short to be recognised is still decoded by its encoding field."""
    mail = DECLARED + b"Content-Transfer-Encoding: base64\r\n\r\n" + encode_base64(CMS, 4, b"\n")
    assert octets(open_bytes(mail)) == CMS


def test_a_pem_body_is_opened() -> None:
    """Somebody pasted PEM into a mail."""
    assert octets(open_bytes(b"From: a\n\n" + encode_pem((CMS,)))) == CMS


@pytest.mark.parametrize("lead", [b"\xef\xbb\xbf", b"\r\n\n", b"\xef\xbb\xbf\n"])
def test_what_editors_put_first_is_skipped(lead: bytes) -> None:
    """A byte order mark and blank lines hide nothing, and are no part of the head."""
    mail = DECLARED + b"\r\n" + encode_base64(CMS)
    for data in (mail, encode_pem((CMS,)), encode_base64(CMS)):
        assert octets(open_bytes(lead + data)) == CMS
    assert open_bytes(lead + mail).raw_head == DECLARED + b"\r\n"


def test_text_before_pem_is_skipped() -> None:
    """Programs write a description before the BEGIN line (RFC 7468, 5.2)."""
    incoming = open_bytes(b"subject=/CN=a\nissuer=/CN=b\n" + encode_pem((CMS,), label="PKCS7"))
    assert (incoming.form, octets(incoming)) == ("pem", CMS)


def test_the_facts_of_the_head_are_there() -> None:
    """The head is kept whole, blind copies too, and tells what the mail says of its body."""
    incoming = open_bytes(b"Bcc: b\r\n" + DECLARED + b"\r\n" + encode_base64(CMS))
    assert incoming.raw_head == b"Bcc: b\r\n" + DECLARED + b"\r\n"
    assert incoming.smime_type == "enveloped-data"
    assert incoming.head is not None
    assert incoming.head.outer == b"Bcc: b\r\nFrom: a\r\nMIME-Version: 1.0\r\n"


@pytest.mark.parametrize(
    ("fields", "body", "expected"),
    [
        (b"", b"hello", "a mail that is not encrypted (text/plain)"),
        (b"Content-Type: text/html\n", b"0 days left", "a mail that is not encrypted (text/html)"),
        (PICTURE, b"iVBORw0KGgo=", "a mail that is not encrypted (image/png)"),
        (PICTURE, b"!!!", "a mail that is not encrypted (image/png)"),
        (b"Content-Type: multipart/signed; boundary=x\n", b"--x", "a signed message (multipart/signed)"),
        (b"Content-Type: multipart/encrypted; protocol=application/pgp-encrypted\n", b"--x", PGP),
        (
            b"Content-Type: multipart/encrypted\n",
            b"--x",
            "a mail that is not encrypted as a whole (multipart/encrypted)",
        ),
        (
            b"Content-Type: multipart/encrypted\n",
            b"--x\nContent-Type:\n application/x-pkcs7-mime\n",
            SEVERAL.format("encrypted"),
        ),
        (
            b"Content-Type: multipart/signed; boundary=x\n",
            b"--x\nContent-Type: application/octet-stream; name=smime.p7m\n",
            SEVERAL.format("signed"),
        ),
        (b"Content-Type: message/rfc822\n", b"To: x\n", "a mail that is not encrypted as a whole (message/rfc822)"),
        (b"", b"hello\n-----BEGIN PGP MESSAGE-----\n\nx", "a PGP message (text/plain)"),
        (b"", b"-----BEGIN PGP MESSAGE-----\n\nx", "PGP text (PGP MESSAGE)"),
        (b"Content-Type: multipart/mixed\n", b"--x", "a mail that is not encrypted as a whole (multipart/mixed)"),
        (
            b"Content-Type: multipart/mixed\n",
            b"--x\ncontent-type: application/PKCS7-mime\n\nMIA",
            "a mail of several parts (multipart/mixed), one of which is an S/MIME object: give that part alone",
        ),
        (
            b"Content-Type: application/pkcs7-mime\n",
            b"hello",
            "a mail whose body is no CMS object (application/pkcs7-mime)",
        ),
        (
            b"Content-Type: application/x-y\nContent-Disposition: attachment; filename*=''smime%2Ep7m\n",
            b"hello",
            "a mail whose body is no CMS object (application/x-y)",
        ),
        (
            b"Content-Type: application/x-pkcs12\nContent-Transfer-Encoding: base64\n",
            encode_base64(b"\x30\x82\x01\x00\x02\x01\x03" + bytes(99)),
            "a PKCS#12 file",
        ),
    ],
)
def test_a_mail_that_is_no_envelope_is_described(fields: bytes, body: bytes, expected: str) -> None:
    """The error says what the mail is instead."""
    assert found(b"Subject: x\n" + fields + b"\n" + body) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "a PEM file that holds CERTIFICATE"),
        (b"Bag Attributes\n-----BEGIN PRIVATE KEY-----\nMIIB\n", "a PEM file that holds PRIVATE KEY"),
        (b"-----BEGIN PGP MESSAGE-----\n\n", "PGP text (PGP MESSAGE)"),
        (b"\x30\x82\x01\x00\x02\x01\x03\x30", "a PKCS#12 file"),
        (b"\x30\x82\x01\x00\x02\x01\x00\x30", "a private key"),
        (CERTIFICATE, "a certificate or an encrypted private key"),
        ("Subject: x\n\nbody".encode("utf-16"), "text in UTF-16"),
        ("Subject: x\n\nbody".encode("utf-16-be").join((b"\xfe\xff", b"")), "text in UTF-16"),
        (b"\x78\x9f\x3e\x22\x01\x00", "a TNEF file (winmail.dat)"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "an Outlook message file (.msg)"),
        (b"PK\x03\x04\x14\x00", "a ZIP archive"),
        (b"\x1f\x8b\x08\x00", "a file compressed with gzip"),
        (b"%PDF-1.7\n", "a PDF file"),
        (base64.b64encode(CERTIFICATE + bytes(99)), "a certificate or an encrypted private key"),
    ],
)
def test_a_file_that_is_something_else_is_described(data: bytes, expected: str) -> None:
    """Whoever mixes up his files is told what this one holds."""
    assert found(data) == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the input is empty"),
        (b"\r\n", f"{NEITHER}: line 1 is not a header field"),
        (b"just text\n\nmore", f"{NEITHER}: line 1 is not a header field"),
        (b"\xff\xd8\xff" * 100_000, f"{NEITHER}: line 1 is not a header field"),
        (b"\0\n\n\nSubject: x\n\n", f"{NEITHER}: line 1 is not a header field"),
    ],
)
def test_what_is_nothing_of_all_is_no_mail(data: bytes, words: str) -> None:
    """The error names the line."""
    with pytest.raises(NotMailError) as refused:
        open_bytes(data)
    assert str(refused.value) == words


def test_an_envelope_without_body_is_malformed() -> None:
    """A mail that announces a CMS object and ends there was cut off."""
    with pytest.raises(MalformedError, match="the body of the mail is empty"):
        open_bytes(DECLARED + b"\r\n")


def test_a_damaged_body_of_a_declared_envelope_is_malformed() -> None:
    """Damage is called damage where the mail says what it holds."""
    with pytest.raises(MalformedError, match="the BEGIN line of the PEM text is broken"):
        open_bytes(DECLARED + b"Content-Transfer-Encoding: base64\r\n\r\n-----BEGIN \x1b\r\nAA\r\n")
    with pytest.raises(NotEnvelopeError, match="whose body is no CMS object"):
        open_bytes(DECLARED + b"Content-Transfer-Encoding: base64\r\n\r\nMIIB\x1bAA\r\n")


@pytest.mark.parametrize("data", [CMS, encode_pem((CMS,)), DECLARED + b"\r\n" + encode_base64(CMS)])
@pytest.mark.parametrize("step", [1, 7, 4096])
def test_the_first_read_may_be_short(data: bytes, step: int) -> None:
    """A pipe that delivers little at a time is recognised all the same."""
    pieces = iter([data[at : at + step] for at in range(0, len(data), step)])
    assert octets(open_message(lambda: next(pieces, b""))) == CMS


SEVERAL_PARTS = "mozilla+releases-comm-central/orig/multipart-alternative.eml"


def test_mails_of_other_programs_open(corpus: Path) -> None:
    """Every mail, PEM and base64 file that others made decodes to the CMS object that is known to be in it."""
    with (corpus / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row["mail"]]
    wrong = []
    for row in rows:
        data = (corpus / row["mail"]).read_bytes()
        if row["mail"] == SEVERAL_PARTS:
            assert "one of which is an S/MIME object" in found(data)
        elif octets(open_bytes(data)) != (corpus / row["path"]).read_bytes():
            wrong.append(row["mail"])
    assert rows
    assert wrong == []
