"""Targets that read mail: its head, its parts, its protected fields, its encodings."""

from __future__ import annotations

import binascii
import io
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from smime_session import Signer, TrustAnchors, decrypt, encrypt, sign, sign_stream, verify
from smime_session.errors import MalformedError
from smime_session.mail.addresses import addresses_in
from smime_session.mail.blocks import Lookahead
from smime_session.mail.detection import open_message
from smime_session.mail.entity import read_head, split_head
from smime_session.mail.fields import Field, parse_fields, parse_fields_leniently, parse_media_type, parse_parameters
from smime_session.mail.line_endings import canonical
from smime_session.mail.parts import Part, find_parts
from smime_session.mail.payload import payload_of
from smime_session.mail.protection import joined, protect, restore
from smime_session.mail.repairs import Repairs
from smime_session.mail.reunion import Reunion, reunite
from smime_session.mail.safe import safe_entity
from smime_session.mail.transfer import Base64Decoder, QuotedPrintableDecoder, decode_lines, encode_base64
from smime_session.mail.uuencode import UuDecoder, begins_like_uuencode
from tests.fuzz import seeds
from tests.fuzz.cms_targets import blocks_of, least, outcome
from tests.fuzz.harness import Target
from tests.support.signing import signer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smime_session.mail.header_policy import HeaderPolicy

_POLICIES: Final[tuple[HeaderPolicy, ...]] = ("hcp_no_confidentiality", "hcp_baseline", "hcp_shy", "none")
_LINES: Final = re.compile(rb"(?:\r\n)+")
_WHOLE: Final = 1 << 20


def _policy(data: bytes) -> HeaderPolicy:
    """Return one of the policies, always the same for the same octets."""
    return _POLICIES[crc32(data) & 3]


def heads(data: bytes) -> None:
    """The mail splitter: a head is the same when its fields are put together, and in blocks of any size."""
    whole = outcome(lambda: _head_and_rest(data, _WHOLE))
    assert outcome(lambda: _head_and_rest(data, least(data))) == whole
    head, _ = _head_and_rest(data, _WHOLE)
    for field in parse_fields_leniently(head):
        _ = field.value
        parse_media_type(field.value)
        parse_parameters(field.value)
    split = split_head(head)
    assert joined(parse_fields(joined(split.fields))) == joined(split.fields)
    assert b"\nbcc:" not in b"\n" + split.outer.lower()
    assert all(name not in split.hidden for name, _ in split.content_fields)
    _ = split.removed, split.content_type, split.parameters, split.composite, split.binary
    payload_of(split, _policy(data))


def _head_and_rest(data: bytes, size: int) -> tuple[bytes, bytes]:
    next_block = blocks_of(data, size)
    head, rest = read_head(next_block)
    return head, bytes(rest) + b"".join(iter(next_block, b""))


def parts(data: bytes) -> None:
    """The multipart walker: parts lie in each other and in their order, and blocks of any size give the same."""
    found = outcome(lambda: _parts(data, _WHOLE))
    assert outcome(lambda: _parts(data, least(data))) == found
    assert outcome(lambda: _parts(data, 1021)) == found
    known: dict[str, Part] = {}
    for part in find_parts(blocks_of(data, _WHOLE)):
        assert 0 <= part.begin <= part.body <= part.end <= len(data), part
        if part.number != "0":
            outer = known[part.number.rpartition(".")[0] or "0"]
            assert outer.body <= part.begin, (outer, part)
            assert part.end <= outer.end, (outer, part)
        known[part.number] = part
        _ = part.is_declared, part.parameters, part.transfer_encoding


def _parts(data: bytes, size: int) -> list[tuple[object, ...]]:
    found = find_parts(blocks_of(data, size))
    return [(each.number, each.begin, each.body, each.end, each.closed, joined(each.fields)) for each in found]


def protection(data: bytes) -> None:
    """Header protection: fields that are hidden or not come back as they were, and none becomes two."""
    head = split_head(data if data.endswith(b"\n") else data + b"\r\n")
    fields = head.fields
    made = protect(fields, _policy(data) if _policy(data) != "none" else "hcp_shy", eol=head.eol)
    outside = joined(made.outer)
    assert not outside or _same(parse_fields(outside), made.outer)
    assert _same(parse_fields(joined(made.inner)), made.inner)
    found = restore(made.outer, made.inner)
    if found is not None:
        assert found.altered == ()
        assert [each for each in map(_plain, found.fields) if each] == [each for each in map(_plain, fields) if each]


def _same(found: Sequence[Field], expected: Sequence[Field]) -> bool:
    """Tell whether fields are others but for line endings, one by one."""
    return [(each.name, joined([each])) for each in found] == [(each.name, joined([each])) for each in expected]


def _plain(field: Field) -> bytes:
    """Return a field as it stands; nothing for those that protection itself owns or leaves out."""
    if field.name in {"hp-outer", "mime-version", "bcc", "resent-bcc", "lines"} or field.name.startswith("content-"):
        return b""
    return field.raw.rstrip(b"\r\n")


def protected_mails(data: bytes) -> None:
    """A mail that is encrypted and decrypted is the same mail, but for what must not come back."""
    mail, policy = data, _policy(data)
    for _ in range(2):  # what is left out or added is so the first time, or once its own words on protection are gone
        opened = decrypt(encrypt(mail, [seeds.SHARED], headers=policy), [seeds.SHARED])
        assert opened.altered_headers == ()
        mail = opened.message
    again = decrypt(encrypt(mail, [seeds.SHARED], headers=policy), [seeds.SHARED]).message
    assert again.translate(None, b"\r") == mail.translate(None, b"\r")  # each way turns CR CR LF into CR LF


def payloads(data: bytes) -> None:
    """What an opened envelope holds, whatever it says of itself, is put into the mail, in pieces of any size alike."""
    outer, _, inner = data.partition(b"\r\n\r\n\r\n")
    head = split_head(outer + b"\r\n\r\n", hidden=(), lenient=True)
    found = reunite(head, inner)
    for size in (least(inner), 50):
        target = io.BytesIO()
        writer = Reunion(head, target)
        for piece in iter(blocks_of(inner, size), b""):
            writer.write(piece)
        writer.finish()
        assert (target.getvalue(), writer.altered_headers) == found


@cache
def _signer() -> tuple[Signer, TrustAnchors]:
    who = signer("Ed25519")
    return who, TrustAnchors([who.certificate])


def signing(data: bytes) -> None:
    """A mail that is signed, in memory or as a stream, verifies, all of it, whatever is in it."""
    who, trust = _signer()
    opaque = bool(crc32(data) & 1)
    whole, target = outcome(lambda: sign(data, who, opaque=opaque)), io.BytesIO()
    streamed = outcome(lambda: sign_stream(io.BytesIO(data), target, who, opaque=opaque))
    if not isinstance(whole, bytes):
        assert streamed == whole
        return
    for made in (whole, target.getvalue()):
        found = verify(made, trust=trust, accept={"trusted", "mismatch"})
        assert found.accepted, (made, found)
        assert found.content is not None


def addresses(data: bytes) -> None:
    """Address fields: what is found is found again where it stands alone, with nothing in it that begins a field."""
    found = addresses_in(data, "To")
    assert addresses_in(", ".join(found).encode(), "To") == found
    assert all(each.isprintable() or not each.isascii() for each in found)


def safe(data: bytes) -> None:
    """An entity made safe to be signed: it has CRLF alone, and making it safe again changes nothing."""
    made = safe_entity(data)
    assert _LINES.sub(b"\n", safe_entity(made)) == _LINES.sub(b"\n", made)  # a part without a body gets its blank line
    assert canonical(made) == made or b"binary" in made.lower()


# --- encodings ---------------------------------------------------------------------------------


def _decoded(decoder: Callable[..., Any], data: bytes, size: int, *, mending: bool) -> tuple[object, ...]:
    repairs = Repairs() if mending else None
    octets = b"".join(iter(decoder(blocks_of(data, size), repairs), b""))
    return octets, repairs.told(len(octets), followed=False) if repairs else ()


def base64(data: bytes) -> None:
    """Base64, strict and mended: the same in blocks of any size, and the same when it is written again."""
    strict = outcome(lambda: _decoded(Base64Decoder, data, _WHOLE, mending=False))
    in_blocks = outcome(lambda: _decoded(Base64Decoder, data, least(data) + 4, mending=False))
    assert in_blocks[0] == strict[0]
    mended = _decoded(Base64Decoder, data, _WHOLE, mending=True)
    assert _decoded(Base64Decoder, data, least(data), mending=True)[0] == mended[0]
    lines = decode_lines(data)
    if isinstance(strict[0], bytes):
        assert mended[0] == strict[0] == binascii.a2b_base64(data)
        assert lines in (None, strict[0])
        text = encode_base64(strict[0])
        assert _decoded(Base64Decoder, text, 77, mending=False)[0] == strict[0]
    else:
        assert lines is None


def quoted_printable(data: bytes) -> None:
    """Quoted-printable: the same in blocks of any size; written again by the standard library, it is the same."""
    found = outcome(lambda: _decoded(QuotedPrintableDecoder, data, _WHOLE, mending=False))
    assert outcome(lambda: _decoded(QuotedPrintableDecoder, data, least(data), mending=False))[0] == found[0]
    if isinstance(found[0], bytes):
        text = binascii.b2a_qp(found[0], istext=False)
        assert _decoded(QuotedPrintableDecoder, text, least(text), mending=False)[0] == found[0]
    _decoded(QuotedPrintableDecoder, data, least(data), mending=True)


def uuencode(data: bytes) -> None:
    """Uuencode: the same in blocks of any size."""
    if not begins_like_uuencode(data):
        data = b"begin 644 a\n" + data

    def read(size: int) -> bytes:
        return b"".join(iter(UuDecoder(Lookahead(blocks_of(data, size)), 1 << 14), b""))

    found = outcome(lambda: read(_WHOLE))
    assert outcome(lambda: read(least(data))) == found


def arrival(data: bytes) -> None:
    """Whatever arrives: the object in it, and how it came, are the same in blocks of any size."""

    def read(size: int) -> tuple[object, ...]:
        incoming = open_message(blocks_of(data, size))
        octets = b"".join(iter(lambda: bytes(incoming.next_block()), b""))
        return incoming.form, octets, incoming.head, incoming.raw_head

    found = outcome(lambda: read(_WHOLE))
    assert outcome(lambda: read(least(data)))[:2] == found[:2] or found[0] == MalformedError.__name__
    assert outcome(lambda: read(100))[:2] == found[:2] or found[0] == MalformedError.__name__


def _texts() -> list[bytes]:
    octets = [seeds.LETTER, bytes(range(256)), b"", b"a"]
    return [
        *map(encode_base64, octets),
        *(encode_base64(each, 64, b"\n") for each in octets),
        b"AAAA\nAA==\n",
        b"AA AA",
    ]


def _payloads() -> list[bytes]:
    inner = [re.sub(rb"\r?\n", b"\r\n", each) for each in seeds.mails_made()]
    told = b'HP-Outer: Subject: [...]\r\nHP-Outer: From: a@example.org\r\nContent-Type: text/plain; hp="cipher"\r\n'
    outer = b"From: a@example.org\r\nSubject: [...]\r\nReceived: by b\r\nX-New: c\r\n\r\n\r\n"
    return [
        outer + each
        for each in (*inner, told + seeds.LETTER, b"Content-Type: message/rfc822\r\n\r\n" + told + b"\r\nx")
    ]


_ADDRESSES: Final = (
    b'"Bob, B." <b@example.org>, c@example.org (a (nested) comment), group: d@example.org, <e@[192.0.2.1]>;',
    b'"a b"@example.org, <@x.example,@y:z@example.org>, a."b".c @ d . e, =?utf-8?q?=2C?= <f@xn--bcher-kva.example>',
    'jörg@bücher.example, "\\""@example.org'.encode(),
)

TARGETS: Final = {
    "heads": Target(heads, lambda: [*seeds.mails_made(), *seeds.vectors("rfc9788/*.eml")], "text"),
    "parts": Target(parts, lambda: [*seeds.mails_made(), *seeds.vectors("hostile/mails/*.eml")], "text"),
    "protection": Target(protection, lambda: [each.partition(b"\r\n\r\n")[0] for each in seeds.mails_made()], "text"),
    "protected-mails": Target(protected_mails, seeds.mails_made, "text"),
    "payloads": Target(payloads, _payloads, "text"),
    "signing": Target(signing, seeds.mails_made, "text"),
    "addresses": Target(addresses, lambda: [*_ADDRESSES], "octets"),
    "safe": Target(safe, seeds.mails_made, "text"),
    "base64": Target(base64, _texts, "text"),
    "quoted-printable": Target(
        quoted_printable, lambda: [seeds.LETTER, b"=41=\r\n=3D \n", b"a=\n", b"a= \r\nb"], "text"
    ),
    "uuencode": Target(uuencode, lambda: [each for each in seeds.arrived() if each[:5] == b"begin"], "text"),
    "arrival": Target(arrival, lambda: [*seeds.arrived(), *seeds.encrypted_mails()], "text"),
}
