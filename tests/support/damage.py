"""What servers, lists, gateways and programs do to a mail on its way, each as a function of the mail."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

Damage = "Callable[[bytes], bytes]"

FOLLOWED: Final = "something follows the CMS object, which was left out"
PADDING: Final = "the padding of the base64 text is missing or broken"
FOOTER: Final = b"_______________________________________________\r\nusers mailing list\r\nlists.example.org/users\r\n"

_BASE64_FIELD: Final = re.compile(rb"(content-transfer-encoding:[ \t]*)base64", re.IGNORECASE)


def divide(mail: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the head, the body and the line ending of a mail, which is taken for what it looks like."""
    eol = b"\r\n" if b"\r\n\r\n" in mail else b"\n"
    head, _, body = mail.partition(eol * 2)
    return head + eol, body, eol


def body_of(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return the damage that changes the body."""

    def changed(mail: bytes) -> bytes:
        head, body, eol = divide(mail)
        return head + eol + change(body)

    return changed


def head_of(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return the damage that changes the head, which has its line endings and no blank line."""

    def changed(mail: bytes) -> bytes:
        head, body, eol = divide(mail)
        return change(head) + eol + body

    return changed


def with_after(text: bytes) -> Callable[[bytes], bytes]:
    """Return the damage that leaves ``text`` after the last line of base64."""
    return body_of(lambda body: body.rstrip(b"\r\n") + b"\r\n" + text)


def encoded_as(name: bytes, encode: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return the damage that makes another transfer encoding of the body, and names it ``name``."""

    def changed(mail: bytes) -> bytes:
        head, body, eol = divide(mail)
        return _BASE64_FIELD.sub(rb"\g<1>" + name, head) + eol + encode(base64.b64decode(body))

    return changed


def uuencoded(octets: bytes) -> bytes:
    """Return octets as ``uuencode`` writes them."""
    lines = [binascii.b2a_uu(octets[at : at + 45]).rstrip(b"\n") for at in range(0, len(octets), 45)]
    return b"\r\n".join((b"begin 644 smime.p7m", *lines, b"`", b"end", b""))


def quoted(octets: bytes) -> bytes:
    """Return octets in quoted-printable."""
    return binascii.b2a_qp(octets, istext=False)


def unpadded(body: bytes) -> bytes:
    """Return base64 without its padding; there is always some, or a test that says so has nothing to show."""
    return body.rstrip(b"=\r\n") + b"\r\n"


def folded(body: bytes) -> bytes:
    """Return base64 in long lines that a server folded with an exclamation mark."""
    text = b"".join(body.split())
    return b"!\r\n ".join(text[at : at + 400] for at in range(0, len(text), 400)) + b"\r\n"


AFTER: Final = {
    "footer": FOOTER,
    "footer after a blank line": b"\r\n" + FOOTER,
    "footer of letters": b"Abonnieren\r\nSie\r\ndie\r\nListe\r\n",
    "signature": b"-- \r\nBob\r\n",
    "boundary": b"--b1_f00--\r\n",
    "base64": base64.encodebytes(b"a second text, which another program put there"),
    "dot": b".\r\n",
    "parenthesis": b")\r\n",
    "zeros": b"\0\0\0\0",
    "control-Z": b"\x1a",
    "octets": b"\xff\xfe\x80\r\n",
}
"""What stands after base64 that came a long way."""

BODIES: Final[dict[str, tuple[Callable[[bytes], bytes], str]]] = {
    **{name: (with_after(text), FOLLOWED) for name, text in AFTER.items()},
    "no padding": (body_of(unpadded), PADDING),
    "no padding, footer": (body_of(lambda body: unpadded(body) + FOOTER), FOLLOWED),
    "padding in quoted-printable": (body_of(lambda body: unpadded(body).strip() + b"=3D=3D\r\n"), PADDING),
    "folded": (body_of(folded), "the base64 text holds the character !, which was passed over"),
    "quoted": (
        body_of(lambda body: b"".join(b"> " + line for line in body.splitlines(keepends=True))),
        "the base64 text holds the character >, which was passed over",
    ),
    "soft line breaks": (
        body_of(lambda body: b"=\r\n".join(re.findall(rb".{1,75}", b"".join(body.split())))),
        "the base64 text holds an equals sign, which was passed over",
    ),
    "text before": (
        body_of(lambda body: b"CAUTION: this mail came from outside.\r\n\r\n" + body),
        "something stands before the CMS object, which was left out",
    ),
}
"""Bodies of base64 that are damaged: how, and what is told of it."""

ENCODINGS: Final[dict[str, Callable[[bytes], bytes]]] = {
    f"{what} under {label.decode()}": encoded_as(label, encode)
    for label in (b"base64", b"quoted-printable", b"x-uuencode", b"7bit", b"8bit", b"binary", b"x-unknown")
    for what, encode in {
        "base64": base64.encodebytes,
        "quoted-printable": quoted,
        "quoted base64": lambda octets: base64.encodebytes(octets).replace(b"=", b"=3D"),
        "uuencode": uuencoded,
        "binary": bytes,
    }.items()
}
"""Transfer encodings under the names of others."""
