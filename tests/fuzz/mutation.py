"""Mutations of what is fuzzed: of octets as they are, of one value of a structure, of one line of a text.

A structural mutation keeps all else well-formed: the lengths of whatever encloses a changed value are mended, and
base64 is taken apart and put together again. The same seed of :class:`random.Random` gives the same mutation.
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from smime_session.cms import asn1

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    Change = Callable[[bytes, Random], bytes]

Shape = Literal["octets", "values", "text"]

MOST: Final = 4 << 10  # octets of an input: more than most seeds have
_DEEPER: Final = 0.75  # how often a value is entered that can be
_SIZES: Final = (0, 1, 2, 7, 8, 15, 16, 17, 127, 128, 255, 256, 1000)
_NUMBERS: Final = (0, 1, -1, 127, 128, 255, 256, 65535, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 63, 1 << 64, 1 << 2048)
_TAGS: Final = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x1F, 0x24, 0x30, 0x31, *range(0x80, 0x85))
_CONTEXT: Final = (0xA0, 0xA1, 0xA2, 0xA3, 0xA4)
_INDEFINITE: Final = 0x80
_HELD: Final = (0x03, 0x04, 0x80)  # BIT STRING, OCTET STRING and [0], which may hold values too
_BASE64: Final = re.compile(rb"(?:[A-Za-z0-9+/]{20,}\r?\n?)+[A-Za-z0-9+/]*={0,2}")
_LINES: Final = (
    *(b"Content-Type: multipart/mixed; boundary=a", b'Content-Type: multipart/signed; boundary="a"; micalg=sha-256'),
    *(b"Content-Type: message/rfc822", b"Content-Type: text/html; charset=utf-8; hp-legacy-display=1"),
    *(b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data", b"Content-Type: text/plain; hp=cipher"),
    *(b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable", b"MIME-Version: 1.0"),
    *(b"Content-Transfer-Encoding: binary", b"Content-Transfer-Encoding: x-uuencode", b"HP-Outer: Subject: [...]"),
    *(b"Subject: =?utf-8?q?=C3=BC?=", b"Subject: [...]", b"From: a <a@example.org>", b"To: b@example.org,", b"Bcc: c"),
    *(b"Content-Length: 10", b"--a", b"--a--", b"From a Thu Jan  1 00:00:00 1970", b">From b", b" folded", b"", b"."),
    *(b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----", b"-----BEGIN PKCS7-----", b"begin 644 a", b"`"),
    *(b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED", b"DEK-Info: AES-128-CBC,00", b"end"),
)
_WORDS: Final = (
    *(b"=", b"=\r\n", b"=3D", b";", b'"', b"\\", b"(", b")", b"<", b">", b",", b":", b"@", b"[", b"]", b"{", b"}"),
    *(b"\0", b"\r", b"\n", b"\r\n", b"\r\r\n", b"\t", b"\xff", b"\xef\xbb\xbf", b"\xc3\xbc", b"'''", b'"""', b"--"),
    *(b"=?utf-8?b?w7w=?=", b"=?x?q?=?=", b"boundary*0=", b"boundary*=utf-8''a", b"1e999", b"nan", b"\\u0000", b"null"),
)
_ENDINGS: Final = (b"\n", b"\r\n", b"\r", b"\r\r\n", b"")


def mutate(data: bytes, random: Random, shape: Shape, others: Sequence[bytes] = ()) -> bytes:
    """Return ``data`` with one to four mutations, most of them such as fit its shape.

    Args:
        data: octets.
        random: tells which.
        shape: what the octets are.
        others: of which a piece may be taken.
    """
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        chance = random.random()
        if chance < 0.03 and others:
            data = _spliced(data, random.choice(others), random)
        elif chance < 0.25 or shape == "octets":
            data = change_octets(data, random)
        else:
            data = change_values(data, random) if shape == "values" else change_text(data, random)
    return data[:MOST]


# --- octets ------------------------------------------------------------------------------------


def change_octets(data: bytes, random: Random) -> bytes:  # noqa: PLR0911  # a mutation each
    """Return ``data`` with some of its octets changed, taken out, repeated or put in."""
    at = random.randrange(len(data) + 1)
    size = random.choice((1, 1, 1, 2, 3, 4, 8, random.randrange(1, 64)))
    end = at + size
    match random.randrange(8):
        case 0 if at < len(data):
            return data[:at] + bytes((data[at] ^ 1 << random.randrange(8),)) + data[at + 1 :]
        case 1:
            return data[:at] + random.randbytes(size) + data[end:]
        case 2:
            return data[:at] + data[end:]
        case 3:
            return data[:at] + data[at:end] * random.choice((2, 3, 16)) + data[end:]
        case 4:
            return data[:at] + random.choice(_WORDS) + data[at:]
        case 5:
            return data[:at]
        case 6 if at < len(data):
            return data[:at] + bytes((random.choice((0, 1, 0x7F, 0x80, 0x81, 0x84, 0x88, 0xFF)),)) + data[at + 1 :]
        case _:
            other = random.randrange(len(data) + 1)
            return data[:at] + data[other : other + size] + data[at:]


def _spliced(data: bytes, other: bytes, random: Random) -> bytes:
    at, place = random.randrange(len(data) + 1), random.randrange(len(other) + 1)
    size = random.randrange(1, 512)
    return data[:at] + other[place : place + size] + data[at + random.choice((0, size)) :]


# --- values of ASN.1 ---------------------------------------------------------------------------


class _Value(NamedTuple):
    """One value, as far as can be told without knowing what it means."""

    tag: int
    contents: bytes
    indefinite: bool = False

    @property
    def encoded(self) -> bytes:
        """The value with lengths as they must be."""
        if self.indefinite:
            return bytes((self.tag, _INDEFINITE)) + self.contents + asn1.END_OF_CONTENTS
        return asn1.encode(self.tag, self.contents)


def values_in(data: bytes) -> list[_Value]:
    """Return the values that fill ``data``; none if it is not filled by any."""
    found: list[_Value] = []
    at, end = 0, len(data)
    while at < end:
        try:
            tag, size, body = asn1.header(data, at, end)
            if body > end:
                return []
            stop = body + size if size is not None else asn1.Element(data, at).end - len(asn1.END_OF_CONTENTS)
        except Exception:  # noqa: BLE001  # whatever the reader has against it
            return []
        if stop > end:
            return []
        found.append(_Value(tag, data[body:stop], size is None))
        at = stop if size is not None else stop + len(asn1.END_OF_CONTENTS)
    return found


def change_values(data: bytes, random: Random) -> bytes:
    """Return values with one of them changed, wherever it stands, and the lengths around it mended.

    What is text or no value at all is changed as such.
    """
    if not data:
        return random.choice((b"\x30\x00", b"\x30\x80\x00\x00", b"\x04\x01a"))
    values = values_in(data)
    if not values:
        return change_text(data, random) if data[:1].isalpha() or data[:1] == b"-" else change_octets(data, random)
    return _join(_one_changed(values, random))


def _join(values: Sequence[_Value | bytes]) -> bytes:
    return b"".join([each if isinstance(each, bytes) else each.encoded for each in values])


def _one_changed(values: list[_Value], random: Random) -> list[_Value | bytes]:  # noqa: C901, PLR0911  # the same
    """Return values of which one is changed, or one inside one."""
    at = random.randrange(len(values))
    value = values[at]
    before, after = values[:at], values[at + 1 :]
    if random.random() < _DEEPER and (inner := _inside(value)) is not None:
        kept, found = inner
        contents = kept + _join(_one_changed(found, random))
        return [*before, value._replace(contents=contents), *after]
    match random.randrange(11):
        case 0:
            return [*before, value._replace(tag=random.choice((*_TAGS, *_CONTEXT))), *after]
        case 1:
            lying = asn1.length(
                random.choice((*_SIZES, len(value.contents) + random.choice((-1, 1)), 1 << 32)) % (1 << 33)
            )
            return [*before, bytes((value.tag,)) + lying + value.contents, *after]
        case 2:
            return [*before, value, *[value] * random.choice((1, 1, 1, 2, 70)), *after]
        case 3:
            return [*before, *after]
        case 4:
            other = random.randrange(len(values))
            swapped: list[_Value | bytes] = [*values]
            swapped[at], swapped[other] = swapped[other], swapped[at]
            return swapped
        case 5:
            return [*before, value._replace(tag=value.tag | asn1.CONSTRUCTED, indefinite=not value.indefinite), *after]
        case 6:
            return [*before, _Value(random.choice((0x30, 0x31, 0x24, *_CONTEXT)), value.encoded), *after]
        case 7:
            return [*before, value._replace(contents=random.randbytes(random.choice(_SIZES))), *after]
        case 8 if value.tag == asn1.INTEGER:
            return [*before, asn1.encode(asn1.INTEGER, asn1.integer_octets(random.choice(_NUMBERS))), *after]
        case 9 if len(value.contents) > 1:
            half = random.randrange(1, len(value.contents))
            parts = [asn1.encode(asn1.OCTET_STRING, each) for each in (value.contents[:half], value.contents[half:])]
            return [*before, _Value(value.tag | asn1.CONSTRUCTED, b"".join(parts), random.random() < 0.5), *after]
        case _:
            return [*before, value._replace(contents=change_octets(value.contents, random)), *after]


def _inside(value: _Value) -> tuple[bytes, list[_Value]] | None:
    """Return the values that one is made of or holds, and what stands before them; None if there are none."""
    if value.tag & asn1.CONSTRUCTED:
        found = values_in(value.contents)
        return (b"", found) if found else None
    if value.tag in _HELD and len(value.contents) > 2:
        kept = value.contents[:1] if value.tag == 0x03 else b""
        found = values_in(value.contents[len(kept) :])
        return (kept, found) if found else None
    return None


# --- lines of text -----------------------------------------------------------------------------


def change_text(data: bytes, random: Random) -> bytes:  # noqa: C901  # the same
    """Return a text with one line or one word of it changed, or one value in its base64."""
    if random.random() < 0.3 and (blocks := list(_BASE64.finditer(data))):
        block = random.choice(blocks)
        return data[: block.start()] + _change_base64(block[0], random) + data[block.end() :]
    lines = data.splitlines(keepends=True) or [b""]
    at = random.randrange(len(lines))
    line = lines[at]
    text = line.rstrip(b"\r\n")
    ending = line[len(text) :]
    match random.randrange(10):
        case 0:
            lines[at] = random.choice(_LINES) + (ending or b"\n")
        case 1:
            lines.insert(at, random.choice(_LINES) + (ending or b"\n"))
        case 2:
            del lines[at]
        case 3:
            lines[at:at] = [line] * random.choice((1, 2, 40))
        case 4:
            other = random.randrange(len(lines))
            lines[at], lines[other] = lines[other], line
        case 5:
            lines[at] = text + random.choice(_ENDINGS)
        case 6:
            place = random.randrange(len(text) + 1)
            lines[at] = text[:place] + random.choice((b"\r\n ", b"\n\t", b"\n")) + text[place:] + ending
        case 7:
            place = random.randrange(len(text) + 1)
            lines[at] = text[:place] + random.choice(_WORDS) + text[place:] + ending
        case 8:
            name, separator, value = text.partition(random.choice((b":", b"=", b",")))
            halves = (value, name) if random.random() < 0.3 else (change_octets(name, random), value)
            lines[at] = halves[0] + separator + (halves[1] or random.choice(_WORDS)) + ending
        case _:
            lines[at] = change_octets(line, random)
    return b"".join(lines)


def _change_base64(text: bytes, random: Random) -> bytes:
    try:
        octets = binascii.a2b_base64(text)
    except binascii.Error:
        return change_octets(text, random)
    encoded = binascii.b2a_base64(change_values(octets, random), newline=False)
    ending = b"\r\n" if b"\r\n" in text else b"\n"
    return ending.join(encoded[at : at + 64] for at in range(0, len(encoded), 64)) + (
        ending if text[-1:] == b"\n" else b""
    )
