"""S/MIME objects in the parts of a mail: each opens in its place, and the rest stays as it was; they are listed."""

from __future__ import annotations

import io
from base64 import encodebytes
from email import message_from_bytes

import pytest

from smime_session import (
    COMPAT,
    MODERN,
    DecryptionError,
    NoMatchError,
    NotEnvelopeError,
    OpenedPart,
    Policy,
    PolicyError,
    PresharedKey,
    decrypt,
    decrypt_stream,
    encrypt,
    inspect,
)
from tests.support.layers import (
    AUTH,
    ENTITY,
    FOOTER,
    HEAD,
    OTHER,
    clear_signed,
    compressed,
    enveloped,
    forwarded,
    multipart,
    part_of,
    signed,
    told,
)
from tests.support.readers import PASSWORD, SHARED, Pipe, sealed_for


@pytest.mark.parametrize("eol", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
@pytest.mark.parametrize("encoding", ["base64", "binary"])
@pytest.mark.parametrize("kind", [b"multipart/mixed", b"multipart/related", b"multipart/encrypted"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_part_is_opened_in_its_place(place: int, kind: bytes, encoding: str, eol: bytes) -> None:
    """The entity stands where the object stood, and every other byte is as it was."""
    around = [FOOTER, OTHER]
    around.insert(place, b"@@@")
    frame = HEAD + multipart(*around, kind=kind)
    sealed = enveloped(ENTITY, encoding=encoding)
    before, after = (each.replace(b"\r\n", eol) for each in frame.split(b"@@@"))
    head, blank, body = sealed.partition(b"\r\n\r\n")
    part = (head + blank).replace(b"\r\n", eol) + (body if encoding == "binary" else body.replace(b"\r\n", eol))
    opened = decrypt(before + part + after, SHARED.identities)
    assert opened.message == before + ENTITY.replace(b"\r\n", eol) + after
    assert opened.parts == (OpenedPart(str(place + 1), AUTH, opened=True, authenticated=True),)
    assert (opened.authenticated, opened.content_encryption, opened.form) == (True, "AES-256-GCM", "mail")
    assert opened.key_management == "AES-256 key wrap"


def test_streams_do_the_same() -> None:
    """A file, a pipe, and a target that throws nothing away."""
    mail = HEAD + multipart(OTHER * 5000, enveloped(ENTITY), FOOTER)
    expected = decrypt(mail, SHARED.identities)
    for source in (io.BytesIO(mail), Pipe(mail)):
        for transactional in (False, True):
            source.seek(0) if source.seekable() else source.__init__(mail)  # type: ignore[misc]
            target = io.BytesIO()
            found = decrypt_stream(source, target, SHARED.identities, transactional=transactional)
            assert target.getvalue() == expected.message
            assert found.parts == expected.parts


def test_an_object_under_another_name_is_found() -> None:
    """By the name of its file, folded, after 64 KB, or in a multipart without a boundary."""
    octets = encodebytes(sealed_for(SHARED, form="der", content=ENTITY)).replace(b"\n", b"\r\n")
    for head in (
        b'Content-Type: application/octet-stream; name="smime.p7m"\r\n',
        b"Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=SMIME.P7M\r\n",
        b"Content-Type:\r\n application/x-pkcs7-mime; name=a\r\n",
    ):
        part = head + b"Content-Transfer-Encoding: base64\r\n\r\n" + octets
        mail = HEAD + multipart(b"Content-Type: text/html\r\n\r\n" + b"<p>x</p>\r\n" * 10_000, part)
        assert b"At eight: 4711" in decrypt(mail, SHARED.identities).message
    bare = b'Content-Type: multipart/mixed\r\nContent-Disposition: attachment; filename="smime.p7m"\r\n'
    mail = HEAD + bare + b"Content-Transfer-Encoding: base64\r\n\r\n" + octets
    assert b"At eight: 4711" in decrypt(mail, SHARED.identities).message


@pytest.mark.parametrize("encoding", [None, "base64", "quoted-printable"])
def test_a_forwarded_mail_is_opened(encoding: str | None) -> None:
    """It keeps its header fields; one that is encoded, as none may be, is readable afterwards."""
    inner = encrypt(HEAD + ENTITY, [SHARED.recipient], profile=MODERN)
    if encoding is None:
        mail = HEAD + multipart(FOOTER, forwarded(inner))
        number = "2.1"
    else:
        text = inner.replace(b"=", b"=3D") if encoding == "quoted-printable" else encodebytes(inner)
        head = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n"
        mail, number = HEAD + multipart(FOOTER, head + text), "2/0"
    opened = decrypt(mail, SHARED.identities)
    assert told(opened.parts) == [(number, AUTH, True)]
    inside = next(each for each in message_from_bytes(opened.message).walk() if "4711" in str(each.get_payload()))
    assert inside["Subject"] == "Friday"
    assert FOOTER in opened.message


def test_several_parts_are_opened() -> None:
    """Each for itself; who cannot read one reads the others, and is told why."""
    alien = enveloped(ENTITY, PASSWORD)
    mail = HEAD + multipart(enveloped(ENTITY), alien, multipart(FOOTER, enveloped(OTHER), boundary=b"inner"))
    opened = decrypt(mail, SHARED.identities)
    assert told(opened.parts) == [("1", AUTH, True), ("2", AUTH, False), ("3.2", AUTH, True)]
    assert (opened.parts[1].problem or "").startswith("no given identity can open the message: it is addressed to")
    assert opened.message == HEAD + multipart(ENTITY, alien, multipart(FOOTER, OTHER, boundary=b"inner"))


def test_what_opens_nowhere_is_an_error() -> None:
    """It is that of the first object, and nothing is written."""
    for mail, error in (
        (HEAD + multipart(FOOTER, enveloped(ENTITY, PASSWORD)), NoMatchError),
        (HEAD + multipart(FOOTER, OTHER), NotEnvelopeError),
        (HEAD + clear_signed(ENTITY), NotEnvelopeError),
        (HEAD + signed(ENTITY), NotEnvelopeError),
        (HEAD + compressed(ENTITY), NotEnvelopeError),
    ):
        target = io.BytesIO()
        with pytest.raises(error):
            decrypt_stream(io.BytesIO(mail), target, SHARED.identities)
        assert not target.getvalue()
    wrong = HEAD + multipart(FOOTER, enveloped(ENTITY))
    with pytest.raises(DecryptionError):
        decrypt(wrong, [PresharedKey(bytes(32), b"ours")])


def test_a_policy_holds_for_parts() -> None:
    """What it refuses of a mail it refuses of a part."""
    part = part_of(sealed_for(SHARED, form="der", profile=COMPAT, content=ENTITY))
    mail = HEAD + multipart(FOOTER, part)
    assert not decrypt(mail, SHARED.identities).authenticated
    with pytest.raises(PolicyError):
        decrypt(mail, SHARED.identities, policy=Policy(require_authenticated=True))


def test_one_part_alone() -> None:
    """It is written without the rest; a number that is none, or of something else, is told."""
    mail = HEAD + multipart(FOOTER, enveloped(ENTITY), enveloped(OTHER))
    assert decrypt(mail, SHARED.identities, part="2").message == ENTITY
    assert told(decrypt(mail, SHARED.identities, part="3").parts) == [("3", AUTH, True)]
    target = io.BytesIO()
    decrypt_stream(Pipe(mail), target, SHARED.identities, part="3")
    assert target.getvalue() == OTHER
    for number in ("1", "4", "", "2.1", "x" * 500):
        with pytest.raises(NotEnvelopeError if number != "1" else Exception) as refused:
            decrypt(mail, SHARED.identities, part=number)
        assert len(str(refused.value)) < 300


@pytest.mark.parametrize("marker", [b"--mixed", b"--mixed--", b"--outer and more"])
def test_parts_stay_parts(marker: bytes) -> None:
    """What was encrypted and holds a boundary of the mail is not put in, because it would become several parts."""
    sealed = enveloped(ENTITY + marker + b"\r\nContent-Type: text/html\r\n\r\n<img src=\r\n")
    mail = HEAD + multipart(FOOTER, multipart(sealed, enveloped(OTHER)), boundary=b"outer")
    opened = decrypt(mail, SHARED.identities)
    assert told(opened.parts) == [("2.1", "unknown", False), ("2.2", AUTH, True)]
    assert opened.parts[0].problem == "what is in it holds a boundary of the mail around it"
    assert opened.message == HEAD + multipart(FOOTER, multipart(sealed, OTHER), boundary=b"outer")
    assert marker in decrypt(mail, SHARED.identities, part="2.1").message


def test_bare_text_is_text() -> None:
    """What is no entity gets a blank line before it, so that it is the body of its part."""
    opened = decrypt(HEAD + multipart(enveloped(b"bare: text\r\n")), SHARED.identities)
    assert opened.message == HEAD + multipart(b"\r\nbare: text\r\n")


def test_inspecting_lists_the_parts() -> None:
    """All that have no others, with the object that is in them; what can be read is looked into."""
    sealed = enveloped(ENTITY)
    mail = HEAD + multipart(
        FOOTER, multipart(signed(sealed), OTHER, boundary=b"in"), clear_signed(enveloped(OTHER, PASSWORD))
    )
    found = inspect(mail)
    assert [(part.number, part.content_type, part.object) for part in found.parts] == [
        ("1", "text/plain", None),
        ("2.1", "application/pkcs7-mime", "signed-data"),
        ("2.1/0", "application/pkcs7-mime", AUTH),
        ("2.2", "text/html", None),
        ("3.1", "application/pkcs7-mime", AUTH),
        ("3.2", "application/pkcs7-signature", None),
    ]
    assert (found.content_type, found.form, found.transfer_encoding) == (AUTH, "mail", "base64")
    assert found.recipients[0].summary.technique == "pre-shared key"
    assert inspect(Pipe(mail), part="3.1").recipients[0].summary.technique == "password"
    assert decrypt(mail, SHARED.identities, part="2.1/0").message == ENTITY
    assert found.to_dict()["parts"][0] == {"number": "1", "content_type": "text/plain", "object": None}
    assert inspect(encrypt(HEAD + ENTITY, [SHARED.recipient])).parts == ()


def test_inspecting_tells_what_is_broken() -> None:
    """A part that says that it is an object and is none; a mail in which no envelope is."""
    broken = part_of(b"0123456789abcdef")
    found = inspect(HEAD + multipart(broken, enveloped(ENTITY)))
    assert found.parts[0].object
    assert found.parts[0].object not in {AUTH, "enveloped-data"}
    for mail in (HEAD + multipart(broken, FOOTER), HEAD + signed(ENTITY), HEAD + ENTITY):
        with pytest.raises(NotEnvelopeError):
            inspect(mail)
    for number in ("1", "9", "0/0"):
        with pytest.raises(NotEnvelopeError):
            inspect(HEAD + multipart(FOOTER, enveloped(ENTITY)), part=number)
