"""Entities in parts of a mail and in one another, as lists, gateways and mail programs make them."""

from __future__ import annotations

import zlib
from base64 import encodebytes
from typing import TYPE_CHECKING, Final

from smime_session.algorithms import DATA, SIGNED_DATA
from smime_session.cms import asn1
from smime_session.cms.compressed import compressed_data
from tests.support.readers import SHARED, sealed_for

if TYPE_CHECKING:
    from smime_session import OpenedPart

ENTITY: Final = b"Content-Type: text/plain; charset=utf-8\r\n\r\nAt eight: 4711\r\n"
OTHER: Final = b"Content-Type: text/html\r\n\r\n<p>4712</p>\r\n"
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
