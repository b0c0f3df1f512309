"""What a credential file holds, told from its octets and never from its name."""

from __future__ import annotations

import os
import re
from binascii import Error, a2b_base64
from codecs import getincrementaldecoder
from enum import StrEnum
from typing import Final, NamedTuple

from pybase64 import b64decode

from smime_session.algorithms import AUTH_ENVELOPED_DATA, ENVELOPED_DATA, SIGNED_DATA
from smime_session.arguments import check_octets
from smime_session.cms import asn1
from smime_session.errors import CredentialError, MessageError


class Kind(StrEnum):
    """What a piece of a file is, in the words of our errors."""

    CERTIFICATE = "a certificate"
    PKCS7 = "a PKCS#7 file"
    PRIVATE_KEY = "a private key"
    PKCS12 = "a PKCS#12 file"
    PUBLIC_KEY = "a public key"
    REQUEST = "a certificate request"
    REVOCATION_LIST = "a revocation list"
    PARAMETERS = "a set of key parameters"
    ENCRYPTED = "an encrypted message"
    PGP = "PGP data"
    SSH = "an SSH key"
    MAIL = "a mail"
    TEXT = "text"
    UNKNOWN = "data of an unknown kind"


class Piece(NamedTuple):
    """One thing in a file.

    Attributes:
        kind: what it is.
        octets: its DER, or the whole PEM block of a private key, whose headers may say how it is locked.
        complete: False if its PEM block has no end.
    """

    kind: Kind
    octets: bytes
    complete: bool = True

    def __repr__(self) -> str:
        """Show nothing of the octets, which may be a private key."""
        return f"{type(self).__name__}(kind={self.kind!r}, complete={self.complete!r})"


_PEM: Final = re.compile(
    rb"^[ \t]*-----BEGIN (?P<label>[!-,.-~ ]+)-----\s"
    rb"(?P<body>(?>[^-]*(?:-(?!----(?:BEGIN |END (?P=label)-----))[^-]*)*))"  # up to what may end it
    rb"(?P<end>-----END (?P=label)-----|(?=-----BEGIN )|\Z)",
    re.MULTILINE,
)
MAX_PIECES: Final = 200_000  # PEM blocks of one file: twice as many as a large company has certificates
_SHOWN: Final = 1 << 16  # bytes that show whether a file is text
_SEQUENCE: Final = bytes((asn1.SEQUENCE,))
_MAIL: Final = re.compile(rb"From |[!-9;-~]+:[ \t]")

_BEGINNINGS: Final = {"PGP ": Kind.PGP, "OPENSSH ": Kind.SSH, "SSH2 ": Kind.SSH}
_ENDINGS: Final = {
    "PRIVATE KEY": Kind.PRIVATE_KEY,
    "PUBLIC KEY": Kind.PUBLIC_KEY,
    "CERTIFICATE": Kind.CERTIFICATE,
    "CERTIFICATE REQUEST": Kind.REQUEST,
    "CRL": Kind.REVOCATION_LIST,
    "PARAMETERS": Kind.PARAMETERS,
    "PKCS12": Kind.PKCS12,
}
_CONTENT_INFO: Final = {
    SIGNED_DATA: Kind.PKCS7,
    ENVELOPED_DATA: Kind.ENCRYPTED,
    AUTH_ENVELOPED_DATA: Kind.ENCRYPTED,
}


def read_limited(path: str | os.PathLike[str], limit: int, what: str) -> bytes:
    """Read a whole file, or nothing of one that is too large.

    Raises:
        CredentialError: it has more than ``limit`` bytes; ``what`` says what it cannot be then.
        OSError: it cannot be read.
    """
    with open(path, "rb") as source:  # noqa: PTH123  # pathlib is slow to load for what it gives
        too_large = os.fstat(source.fileno()).st_size > limit
        data = b"" if too_large else source.read(limit + 1)
    if too_large or len(data) > limit:
        raise CredentialError(f"{path}: a file of more than {limit:,} bytes is too large for {what}")
    return data


def read(data: bytes) -> list[Piece]:
    """Return what a file holds: each PEM block, or the one thing that it is.

    Raises:
        CredentialError: it is empty, or DER that is cut off, or has more than :data:`MAX_PIECES` PEM blocks.
        TypeError: it was not read as octets.
    """
    check_octets(data, "what a file holds")
    data = bytes(data)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # a shell's redirection on Windows writes UTF-16
        data = data.decode("utf-16", errors="replace").encode()
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data or data.isspace():
        raise CredentialError("the file is empty")
    if data.count(b"-----BEGIN ") > MAX_PIECES:
        raise CredentialError(f"the file has more than {MAX_PIECES:,} PEM blocks")
    if pieces := [_pem_piece(match) for match in _PEM.finditer(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))]:
        return pieces
    if kind := _text_kind(data):
        return [Piece(kind, data)]
    if data[0] != asn1.SEQUENCE:
        return [Piece(Kind.UNKNOWN, data)]
    try:
        element = asn1.Element(data)
        return [Piece(_der_kind(element), element.encoded if data[element.end :].isspace() else data)]
    except MessageError as error:
        raise CredentialError("the file is cut off or broken") from error


def certificates_alone(data: bytes) -> list[bytes] | None:
    """Return the DER of each certificate in a file that is a certificate, or PEM with nothing but certificates.

    The usual file is read in a tenth of the time that :func:`read` takes; None if it is another, or broken.
    """
    if data[:1] == _SEQUENCE:
        return [data]
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    first, *parts = data.split(b"-----")
    begins, bodies, ends, texts = (parts[at::4] for at in range(4))
    if set(begins) != {b"BEGIN CERTIFICATE"} or set(ends) != {b"END CERTIFICATE"} or len(parts) % 4:
        return None
    before = {body[:1] for body in bodies} | {text[-1:] for text in texts[:-1]} | {first[-1:] or b"\n"}
    if before != {b"\n"}:  # each block has lines of its own
        return None
    try:
        return [b64decode(body.replace(b"\n", b""), validate=True) for body in bodies]
    except ValueError:
        return None


def der_of(piece: Piece) -> bytes:
    """Return the DER of a piece; empty if its PEM block holds anything beside it, such as how it is locked."""
    match = _PEM.match(piece.octets)
    return _decoded(match["body"]) if match else piece.octets


def _pem_piece(match: re.Match[bytes]) -> Piece:
    kind = _labelled(match["label"].decode("ascii"))
    complete = bool(match["end"])
    if kind is Kind.PRIVATE_KEY:
        return Piece(kind, match[0].strip(), complete)
    return _labelled_piece(
        kind, _decoded(match["body"]), complete=complete, trusted=match["label"].startswith(b"TRUSTED")
    )


def certificate_piece(octets: bytes) -> Piece:
    """Return what a PEM block with the label of a certificate holds."""
    return _labelled_piece(Kind.CERTIFICATE, octets)


def _labelled_piece(kind: Kind | None, octets: bytes, *, complete: bool = True, trusted: bool = False) -> Piece:
    try:
        element = asn1.Element(octets)
        if kind is Kind.CERTIFICATE and not trusted and _begins_with_sequence(element):
            return Piece(kind, octets, complete)
        found = _der_kind(element)
    except MessageError:
        return Piece(kind or Kind.UNKNOWN, octets, complete)
    if kind is None or found is Kind.PKCS7:  # some programs write PKCS#7 as a CERTIFICATE
        kind = found
    if trusted:  # OpenSSL appends its trust settings
        octets = element.encoded
    return Piece(kind, octets, complete)


def _begins_with_sequence(element: asn1.Element) -> bool:
    """Tell whether it cannot be PKCS#7, which begins with an object identifier: this saves looking at all of it."""
    first = element.first_child()
    return first is not None and first.tag == asn1.SEQUENCE


def _labelled(label: str) -> Kind | None:
    for beginning, kind in _BEGINNINGS.items():
        if label.startswith(beginning):
            return kind
    for ending, kind in _ENDINGS.items():
        if label.endswith(ending):
            return kind
    return None


def _decoded(body: bytes) -> bytes:
    """Return the octets of a PEM block; none if its base64 is broken, which no decoder then accepts."""
    try:
        return a2b_base64(b"".join(body.split()), strict_mode=True)
    except Error:
        return b""


def _text_kind(data: bytes) -> Kind | None:
    if data.startswith((b"ssh-", b"ecdsa-")):
        return Kind.SSH
    try:
        text = getincrementaldecoder("utf-8")().decode(data[:_SHOWN])  # whose end may be within a character
    except UnicodeDecodeError:
        return Kind.MAIL if _MAIL.match(data) else None
    if not all(character.isprintable() or character.isspace() for character in text):
        return None
    return Kind.MAIL if _MAIL.match(data.lstrip()) else Kind.TEXT


def _der_kind(element: asn1.Element) -> Kind:
    """Tell what a DER value is from the tags of its parts.

    Raises:
        MessageError: it breaks its own encoding.
    """
    parts = element.children() if element.constructed else []
    match [part.tag for part in parts]:
        case [asn1.SEQUENCE, asn1.SEQUENCE, 0x03]:
            return _signed_kind(parts[0])
        case [asn1.OBJECT_IDENTIFIER, 0xA0]:
            return _CONTENT_INFO.get(parts[0].object_identifier(), Kind.UNKNOWN)
        case (
            [asn1.INTEGER, asn1.SEQUENCE, asn1.OCTET_STRING, *_]  # PKCS#8
            | [asn1.SEQUENCE, asn1.OCTET_STRING]  # PKCS#8, encrypted
            | [asn1.INTEGER, asn1.OCTET_STRING, *_]  # SEC 1
            | [asn1.INTEGER, asn1.INTEGER, asn1.INTEGER, *_]  # PKCS#1
        ):
            return Kind.PRIVATE_KEY
        case [asn1.INTEGER, asn1.SEQUENCE] | [asn1.INTEGER, asn1.SEQUENCE, asn1.SEQUENCE]:
            return Kind.PKCS12
        case [asn1.SEQUENCE, 0x03] | [asn1.INTEGER, asn1.INTEGER]:
            return Kind.PUBLIC_KEY
    return Kind.UNKNOWN


def _signed_kind(to_be_signed: asn1.Element) -> Kind:
    """Tell certificates, requests (RFC 2986, 4.1) and revocation lists (RFC 5280, 5.1) apart."""
    match [part.tag for part in to_be_signed.children()]:
        case [asn1.INTEGER, asn1.SEQUENCE, asn1.SEQUENCE, 0xA0]:
            return Kind.REQUEST
        case [asn1.INTEGER, asn1.SEQUENCE, asn1.SEQUENCE, 0x17 | 0x18, *_] | [asn1.SEQUENCE, asn1.SEQUENCE, *_]:
            return Kind.REVOCATION_LIST
    return Kind.CERTIFICATE
