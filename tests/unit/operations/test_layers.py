"""S/MIME objects in the parts of a mail, and in one another: each opens in its place, and the rest stays as it was."""

from __future__ import annotations

import io
import zlib
from base64 import encodebytes
from dataclasses import replace
from email import message_from_bytes
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session import (
    COMPAT,
    MODERN,
    DecryptionError,
    LimitError,
    NoMatchError,
    NotEnvelopeError,
    OpenedPart,
    Password,
    Policy,
    PolicyError,
    PresharedKey,
    decrypt,
    decrypt_stream,
    encrypt,
    inspect,
)
from smime_session.algorithms import COMPRESSED_DATA, DATA, SIGNED_DATA, ZLIB
from smime_session.cms import asn1
from smime_session.cms.compressed import compressed_data
from smime_session.operations import layers, waiting
from tests.support.readers import PASSWORD, SHARED, Pipe, sealed_for

if TYPE_CHECKING:
    from collections.abc import Callable

ENTITY: Final = b"Content-Type: text/plain; charset=utf-8\r\n\r\nAt eight: 4711\r\n"
OTHER: Final = b"Content-Type: text/html\r\n\r\n<p>4712</p>\r\n"
STRANGER: Final = PresharedKey(bytes(32), b"a stranger")
HEAD: Final = b"From: a@example.org\r\nSubject: Friday\r\nMIME-Version: 1.0\r\n"
FOOTER: Final = b"Content-Type: text/plain\r\n\r\n_______\r\nA list's footer \r\n"


def part_of(octets: bytes, kind: str = "enveloped-data", encoding: str = "base64") -> bytes:
    """Return an S/MIME entity that holds a CMS object."""
    head = f"Content-Type: application/pkcs7-mime; smime-type={kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    body = octets if encoding == "binary" else encodebytes(octets).replace(b"\n", b"\r\n")
    return head.encode() + body


def enveloped(entity: bytes, *readers: object, encoding: str = "base64") -> bytes:
    """Return an entity that holds another one, encrypted."""
    octets = sealed_for(*(readers or (SHARED,)), form="der", content=entity)  # type: ignore[arg-type]
    return part_of(octets, encoding=encoding)


def signed(entity: bytes | None) -> bytes:
    """Return an opaque entity that holds another one, with no signature that would have to be verified."""
    content = b"" if entity is None else asn1.encode(0xA0, asn1.encode(0x04, entity))
    inner = asn1.encode(0x30, asn1.object_identifier(DATA), content)
    value = asn1.encode(0x30, asn1.integer(1), asn1.encode(0x31), inner, asn1.encode(0x31))
    return part_of(asn1.encode(0x30, asn1.object_identifier(SIGNED_DATA), asn1.encode(0xA0, value)), "signed-data")


def compressed(entity: bytes) -> bytes:
    """Return an entity that holds another one, compressed."""
    return part_of(compressed_data(zlib.compress(entity)), "compressed-data")


def clear_signed(entity: bytes) -> bytes:
    """Return a multipart/signed."""
    kind = b'multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256'
    signature = b"Content-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nMIIB\r\n"
    return multipart(entity, signature, kind=kind, boundary=b"signed")


def multipart(*entities: bytes, kind: bytes = b"multipart/mixed", boundary: bytes = b"mixed") -> bytes:
    """Return a multipart."""
    head = b"Content-Type: " + kind + b"; boundary=" + boundary + b"\r\n\r\n"
    parts = b"".join(b"--" + boundary + b"\r\n" + entity + b"\r\n" for entity in entities)
    return b"".join((head, b"This is a preamble.\r\n", parts, b"--", boundary, b"--\r\nAn epilogue.\r\n"))


def forwarded(mail: bytes) -> bytes:
    """Return a mail as an attachment."""
    return b"Content-Type: message/rfc822\r\n\r\n" + mail


def told(found: tuple[OpenedPart, ...]) -> list[tuple[str, str, bool]]:
    """Return what is told of each part."""
    return [(part.number, part.kind, part.opened) for part in found]


AUTH: Final = "auth-enveloped-data"


# --- parts


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


# --- layers


WRAPPED: Final = {
    "enveloped": (enveloped, AUTH, True),
    "signed": (signed, "signed-data", True),
    "compressed": (compressed, "compressed-data", True),
}


@pytest.mark.parametrize("form", ["mail", "part"])
@pytest.mark.parametrize("order", ["eses", "ese", "sese", "ece", "ecse", "ee", "cces", "e" * 8])
def test_layers_are_opened(order: str, form: str) -> None:
    """Encrypted, signed, compressed, one in another: all that can be opened is, and what is signed last is left."""
    names = {"e": "enveloped", "s": "signed", "c": "compressed"}
    entity = ENTITY
    for letter in reversed(order):
        entity = WRAPPED[names[letter]][0](entity)  # type: ignore[operator]
    innermost = signed(ENTITY) if order.endswith("s") else ENTITY
    mail = HEAD + (multipart(FOOTER, entity) if form == "part" else entity)
    opened = decrypt(mail, SHARED.identities)
    expected = HEAD + (multipart(FOOTER, innermost) if form == "part" else innermost)
    assert opened.message == expected
    kinds = [WRAPPED[names[letter]][1] for letter in order]
    outermost = form == "mail" and order[0] == "e"  # which is told by the attributes of the whole
    assert [part.kind for part in opened.parts] == kinds[outermost:]
    for part in opened.parts:
        assert (part.problem is not None) == (part.kind == "signed-data")
    assert all(part.opened for part in opened.parts[: -1 if order.endswith("s") else None])


@pytest.mark.parametrize("way", [io.BytesIO, Pipe])
def test_layers_open_in_streams(way: type[io.BytesIO]) -> None:
    """What waits in memory is written once, opened."""
    mail = encrypt(HEAD + clear_signed(enveloped(ENTITY)), [SHARED.recipient])
    expected = decrypt(mail, SHARED.identities)
    assert b"At eight: 4711" in expected.message
    for transactional in (False, True):
        target = io.BytesIO()
        found = decrypt_stream(way(mail), target, SHARED.identities, transactional=transactional)
        assert (target.getvalue(), found.parts) == (expected.message, expected.parts)


def test_what_is_signed_stays_whole() -> None:
    """Byte for byte, so that its signature can be verified; that it was not is told."""
    inside = clear_signed(ENTITY)
    opened = decrypt(encrypt(HEAD + inside, [SHARED.recipient]), SHARED.identities)
    assert opened.message == HEAD + inside
    problem = "its signature was not verified"
    assert opened.parts == (OpenedPart("0/0", "multipart/signed", opened=False, problem=problem),)
    opened = decrypt(HEAD + clear_signed(enveloped(ENTITY)), SHARED.identities)
    assert opened.message == HEAD + clear_signed(ENTITY)
    assert told(opened.parts) == [("1", AUTH, True), ("0", "multipart/signed", False)]


def test_a_usual_mail_has_no_parts_to_tell() -> None:
    """One envelope around text, or around a multipart without any object."""
    for inside in (ENTITY, multipart(FOOTER, OTHER), multipart(FOOTER, forwarded(HEAD + ENTITY))):
        opened = decrypt(encrypt(HEAD + inside, [SHARED.recipient]), SHARED.identities)
        assert opened.message == HEAD + inside
        assert opened.parts == ()


def test_a_mail_that_is_too_large_to_wait_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written as it is, and what is said of it is what to do."""
    inside = HEAD + multipart(OTHER * 100, enveloped(ENTITY))
    mail, target = encrypt(inside, [SHARED.recipient]), io.BytesIO()
    monkeypatch.setattr(waiting, "MAX_WAITING", len(inside) - 1)
    found = decrypt_stream(io.BytesIO(mail), target, SHARED.identities)
    assert target.getvalue() == inside
    assert found.parts[0].problem == (
        f"the mail is larger than {len(inside) - 1:,} bytes: what was written has to be decrypted again"
    )
    assert b"At eight: 4711" in decrypt(target.getvalue(), SHARED.identities).message


# --- inspecting


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


# --- limits


def test_compressed_content_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its growth and its size: the mail is left as it is, and that is told."""
    for flood, words in (
        (bytes(3 << 20), "the growth of the compressed content exceeds the limit of 200 times its size"),
    ):
        mail = encrypt(HEAD + compressed(ENTITY + flood), [SHARED.recipient])
        opened = decrypt(mail, SHARED.identities)
        assert [(part.opened, part.problem) for part in opened.parts] == [(False, words)]
        assert b"smime-type=compressed-data" in opened.message
    monkeypatch.setattr("smime_session.cms.encapsulated.MAX_EXPANDED_SIZE", 1000)
    opened = decrypt(encrypt(HEAD + compressed(ENTITY * 50), [SHARED.recipient]), SHARED.identities)
    assert opened.parts[0].problem == "the size of the compressed content exceeds the limit of 1,000 bytes"


@pytest.mark.parametrize("damage", ["cut", "broken", "algorithm"])
def test_compressed_content_that_is_broken_is_told(damage: str) -> None:
    """It is left where it is."""
    stream = bytearray(zlib.compress(ENTITY * 10))
    octets = compressed_data(bytes(stream[:-6] if damage == "cut" else stream[:4] + b"\xff\xff" + stream[6:]))
    if damage == "algorithm":
        octets = octets.replace(asn1.object_identifier(ZLIB), asn1.object_identifier("1.2.840.113549.1.9.16.3.9"))
    mail = encrypt(HEAD + part_of(octets, "compressed-data"), [SHARED.recipient])
    opened = decrypt(mail, SHARED.identities)
    words = {"cut": "is cut off", "broken": "is broken", "algorithm": "is not supported"}[damage]
    assert words in (opened.parts[0].problem or "")
    assert asn1.object_identifier(COMPRESSED_DATA) in octets


def test_layers_are_limited() -> None:
    """Beyond the limit the rest stays encrypted, and that is told."""
    entity = ENTITY
    for _ in range(layers.MAX_LAYERS + 2):
        entity = enveloped(entity)
    opened = decrypt(HEAD + entity, SHARED.identities)
    assert opened.parts[-1].problem == f"the mail has more than {layers.MAX_LAYERS} layers"
    assert b"pkcs7-mime" in opened.message
    assert b"At eight: 4711" in decrypt(opened.message, SHARED.identities).message


def test_objects_are_limited() -> None:
    """A mail of many parts costs no more than its limit."""
    sealed = enveloped(ENTITY)
    opened = decrypt(HEAD + multipart(*[sealed] * (layers.MAX_OBJECTS + 2)), SHARED.identities)
    assert sum(part.opened for part in opened.parts) == layers.MAX_OBJECTS
    assert opened.message.count(b"At eight: 4711") == layers.MAX_OBJECTS
    assert opened.parts[-1].problem == f"the mail has more than {layers.MAX_OBJECTS} objects"


def test_the_work_of_all_parts_together_is_limited() -> None:
    """Passwords are tried no more often than for one message."""
    mail = HEAD + multipart(*[enveloped(ENTITY, PASSWORD)] * 3)
    opened = decrypt(mail, PASSWORD.identities, policy=Policy(max_password_iterations=2_000))
    assert [part.opened for part in opened.parts] == [True, True, False]
    assert "max_password_iterations" in (opened.parts[2].problem or "")
    opened = decrypt(mail, [Password("wrong"), *PASSWORD.identities], policy=Policy(max_trials=4))
    assert [part.opened for part in opened.parts] == [True, True, False]
    inside = encrypt(HEAD + enveloped(ENTITY, PASSWORD), [PASSWORD.recipient], again=True)
    opened = decrypt(inside, PASSWORD.identities, policy=Policy(max_password_iterations=1_999))
    assert [part.opened for part in opened.parts] == [False]


def test_a_mail_of_parts_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits in memory, which is limited; one that cannot hold an object is not read to its end."""
    monkeypatch.setattr(waiting, "MAX_TAKEN_APART", 1000)
    with pytest.raises(LimitError, match="the size of a mail of several parts exceeds the limit of 1,000 bytes"):
        decrypt(HEAD + multipart(OTHER * 100, enveloped(ENTITY)), SHARED.identities)
    with pytest.raises(NotEnvelopeError):
        decrypt(HEAD + OTHER * 100, SHARED.identities)


def test_parts_without_end_are_refused() -> None:
    """What holds too many parts is not taken apart."""
    with pytest.raises(LimitError, match="the number of parts"):
        decrypt(HEAD + multipart(*[b"\r\n"] * 1001), SHARED.identities)
    inside = HEAD + multipart(enveloped(ENTITY), *[b"\r\n"] * 1001)
    opened = decrypt(encrypt(inside, [SHARED.recipient]), SHARED.identities)
    assert "the number of parts" in (opened.parts[0].problem or "")
    assert opened.message == inside


# --- anything


@st.composite
def _trees(draw: st.DrawFn, depth: int = 3) -> bytes:
    kind = draw(
        st.sampled_from(("text", "html", "enveloped", "alien", "signed", "clear", "compressed", "mixed", "mail"))
    )
    if depth == 0 or kind in {"text", "html"}:
        return ENTITY if kind != "html" else OTHER
    inside = _trees(depth - 1)
    if kind == "mixed":
        return multipart(*draw(st.lists(inside, min_size=1, max_size=3)), boundary=f"b{depth}".encode())
    around: dict[str, Callable[[bytes], bytes]] = {
        "enveloped": enveloped,
        "alien": lambda entity: enveloped(entity, PASSWORD),
        "signed": signed,
        "clear": clear_signed,
        "compressed": compressed,
        "mail": lambda entity: forwarded(HEAD + entity),
    }
    return around[kind](draw(inside))


@given(_trees(), st.booleans())
def test_whatever_is_in_a_mail_both_ways_say_the_same(entity: bytes, sealed: bool) -> None:  # noqa: FBT001  # drawn
    """From memory and as a stream, and who opens the result once more finds nothing left to open."""
    mail = HEAD + entity
    if sealed:
        mail = encrypt(mail, [SHARED.recipient], profile=replace(MODERN), again=True)

    def in_memory(mail: bytes) -> object:
        opened = decrypt(mail, SHARED.identities)
        return opened.message, opened.parts

    def as_stream(mail: bytes) -> object:
        target = io.BytesIO()
        found = decrypt_stream(Pipe(mail), target, SHARED.identities)
        return target.getvalue(), found.parts

    def outcome(call: Callable[[bytes], object], mail: bytes) -> object:
        try:
            return call(mail)
        except (NotEnvelopeError, NoMatchError) as error:
            return str(error)

    found = outcome(in_memory, mail)
    assert outcome(as_stream, mail) == found
    if isinstance(found, tuple):
        assert isinstance(outcome(in_memory, found[0]), str)
