"""Read a certificate as most are, without an object for each of its values (RFC 5280, 4.1).

Encrypting for the certificates of a large company, or one mail for one certificate, takes little of them. That is
taken here straight from the bytes of a certificate that is *plain*: version 3, DER, an RSA or NIST key, names and
extensions of the usual kinds. Every byte before the signature's value is checked on the way, nothing is skipped.
Whatever is not plain, for better or worse, is None here, and left to the cryptography library.

Two ideas make this fast, 7 times in bulk, and it saves one mail 24 ms that the library's certificates take to load.
DER leaves no choice of how to write a length, so a header is *compared* with what it must be. And what an issuer
writes into all its certificates is read once and remembered by its bytes.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.algorithms import EC_PUBLIC_KEY_OID, P_256, P_384, P_521, RSAES_PKCS1_V1_5_OID
from smime_session.certificates.extensions import use_of
from smime_session.certificates.facts import Facts
from smime_session.certificates.public_key import RSA, PublicKey
from smime_session.cms import asn1

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smime_session.certificates.facts import Use

_EXPONENT: Final = 65537
_MAX_SERIAL_SIZE: Final = 20  # bytes: RFC 5280, 4.1.2.2
_KEY_IDENTIFIER_SIZE: Final = 20  # bytes: RFC 5280, 4.2.1.2, as SHA-1 makes them; others are rare
_MAX_NAME_SIZE: Final = 1024  # bytes; real ones have 100, and issuers' are remembered
_MAX_EXTENSIONS_SIZE: Final = 4096  # bytes; real ones have a few hundred, and are remembered
_LONG_FORM: Final = 0x80  # lengths under this take one byte (X.690, 8.1.3.4)

_BIT_STRING: Final = 0x03
_UTF8_STRING: Final = 0x0C
_PRINTABLE_STRING: Final = 0x13
_IA5_STRING: Final = 0x16
_EXTENSIONS: Final = 0xA3
_RFC822_NAME: Final = 0x81


class _NotPlainError(Exception):
    """A certificate is left to the library."""


def read(der: bytes) -> Facts | None:
    """Read a certificate; None if it is not plain, or is none at all."""
    try:
        return _certificate(der)
    except (_NotPlainError, IndexError):  # the latter where it ends before a length, or before what that announces
        return None


def _certificate(der: bytes) -> Facts:
    header = _header_of(asn1.SEQUENCE, len(der))
    signed = len(header)
    at, end = _bounds(der, signed)
    if not der.startswith(header) or der[signed] != asn1.SEQUENCE or not der.startswith(_VERSION_3_AND_INTEGER, at):
        raise _NotPlainError
    at += len(_VERSION_3_AND_INTEGER)
    begin = at + 1 + der[at]
    serial_number = _serial_number(der[at + 1 : begin])
    algorithm = der[begin : begin + 2 + der[begin + 1]]
    _, at = _bounds(der, begin + len(algorithm))
    issuer = _issuer_after(algorithm, der[begin + len(algorithm) : at])
    if not der.startswith(_VALIDITY, at) or not der.startswith(_UTC_TIME, at + 16) or der[at + 31] != _UTC_TIME[0]:
        raise _NotPlainError
    not_before, not_after = _time(der[at + 4 : at + 16]), _time(der[at + 19 : at + 31])
    at = _after_name(der, at + 32)
    key = _key_at(der, at)
    stop = at + key.size
    public_key = PublicKey(key.kind, key.bits, der[at:stop], None if key.bits else der[at + len(key.header) - 1 : stop])
    key_identifier, use = _extensions(der, at + key.size, end)
    _check_signature(der, end, algorithm)
    return Facts(issuer, serial_number, not_before, not_after, key.algorithm, public_key, key_identifier, use)


# --- headers ---------------------------------------------------------------------------------------


def _header(tag: int, size: int) -> bytes:
    """Return the identifier and length of a value with ``size`` bytes of contents."""
    return bytes((tag,)) + asn1.length(size)


@lru_cache(maxsize=4096)  # certificates of one issuer have few sizes
def _header_of(tag: int, whole: int) -> bytes:
    """Return the identifier and length of a value that takes ``whole`` bytes together with them."""
    for width in range(2, 6):
        header = _header(tag, whole - width) if whole >= width else b""
        if len(header) == width:
            return header
    raise IndexError  # no value has so many bytes: 130, for one


def _bounds(der: bytes, at: int) -> tuple[int, int]:
    """Return where the contents of the value at ``at`` begin, and where they end, perhaps beyond the certificate."""
    size = der[at + 1]
    if size < _LONG_FORM:
        return at + 2, at + 2 + size
    if size == 0x82 and der[at + 2]:  # noqa: PLR2004  # a length of two bytes, the usual one
        return at + 4, at + 4 + (der[at + 2] << 8 | der[at + 3])
    if size == 0x81 and der[at + 2] >= _LONG_FORM:  # noqa: PLR2004  # a length of one byte
        return at + 3, at + 3 + der[at + 2]
    raise IndexError


_VERSION_3_AND_INTEGER: Final = asn1.encode(0xA0, asn1.integer(2)) + bytes((asn1.INTEGER,))


def _serial_number(contents: bytes) -> int:
    """Return the value of an INTEGER that is positive, short enough and as short as it goes."""
    first = contents[0]
    if len(contents) > _MAX_SERIAL_SIZE or first >= _LONG_FORM or (first == 0 and contents[1] < _LONG_FORM):
        raise _NotPlainError
    return int.from_bytes(contents, "big")


# --- what an issuer writes into all its certificates -----------------------------------------------

_SIGNED_WITH: Final = frozenset(
    asn1.encode(asn1.SEQUENCE, asn1.object_identifier(oid), parameters)
    for oid, parameters in (
        ("1.2.840.113549.1.1.5", asn1.NULL),  # RSA with SHA-1, -256, -384, -512 (RFC 4055, 5)
        ("1.2.840.113549.1.1.11", asn1.NULL),
        ("1.2.840.113549.1.1.12", asn1.NULL),
        ("1.2.840.113549.1.1.13", asn1.NULL),
        ("1.2.840.10045.4.3.2", b""),  # ECDSA with SHA-256, -384, -512 (RFC 5758, 3.2)
        ("1.2.840.10045.4.3.3", b""),
        ("1.2.840.10045.4.3.4", b""),
        ("1.3.101.112", b""),  # Ed25519 (RFC 8410, 3)
    )
)


@lru_cache(maxsize=512)  # as many issuers can have their certificates in any order
def _issuer_after(algorithm: bytes, issuer: bytes) -> bytes:
    """Check how a certificate is signed and by whom, and return the latter, each time the same object."""
    if algorithm not in _SIGNED_WITH or _after_name(issuer, 0) != len(issuer):
        raise _NotPlainError
    return issuer


def _check_signature(der: bytes, at: int, algorithm: bytes) -> None:
    """Check that there is nothing left but the same algorithm again and a BIT STRING of whole bytes."""
    signature = at + len(algorithm)
    header = _header_of(_BIT_STRING, len(der) - signature)
    if not der.startswith(algorithm, at) or not der.startswith(header, signature) or der[signature + len(header)]:
        raise _NotPlainError


# --- names -----------------------------------------------------------------------------------------

_PRINTABLE: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?"  # X.680, 41.4


@cache
def _attribute_header(oid: bytes, size: int) -> bytes:
    """Return what stands before an attribute's value: it is alone in its SET, which has ``size`` bytes of contents."""
    if not len(oid) + 2 < size < _LONG_FORM:
        raise _NotPlainError
    return _header(asn1.SET, size) + _header(asn1.SEQUENCE, size - 2) + oid


_COMMON_NAME: Final = asn1.object_identifier("2.5.4.3")
_EMAIL_ADDRESS: Final = asn1.object_identifier("1.2.840.113549.1.9.1")
_DOMAIN_COMPONENT: Final = asn1.object_identifier("0.9.2342.19200300.100.1.25")
_X520: Final = _COMMON_NAME[:-1]  # its last byte tells X.520's attributes apart


def _after_name(der: bytes, at: int) -> int:
    """Return where a Name ends that consists of attributes of usual kinds, one in each part (RFC 5280, 4.1.2.4)."""
    start = at
    at, end = _bounds(der, start)
    plain_letters = der[start:end].isascii()
    while at < end:
        size = der[at + 1]
        stop = at + 2 + size
        if der.startswith(_attribute_header(_X520, size), at) and der[at + 8] < _LONG_FORM:
            value = at + 9
        elif der.startswith(_attribute_header(_EMAIL_ADDRESS, size), at):
            value = at + 4 + len(_EMAIL_ADDRESS)
        elif der.startswith(_attribute_header(_DOMAIN_COMPONENT, size), at):
            value = at + 4 + len(_DOMAIN_COMPONENT)
        else:
            raise _NotPlainError
        if der[value + 1] != stop - value - 2:
            raise _NotPlainError
        if not (plain_letters and der[value] == _UTF8_STRING) and not _is_text(der[value], der[value + 2 : stop]):
            raise _NotPlainError
        at = stop
    if at != end or der[start] != asn1.SEQUENCE or end - start > _MAX_NAME_SIZE:
        raise _NotPlainError
    return end


def _is_text(tag: int, letters: bytes) -> bool:
    """Tell whether these are the contents of a string of a usual type."""
    if tag == _PRINTABLE_STRING:
        return not letters.translate(None, _PRINTABLE)
    if letters.isascii():
        return tag in (_UTF8_STRING, _IA5_STRING)
    try:
        return tag == _UTF8_STRING and bool(letters.decode())
    except UnicodeDecodeError:
        return False


# --- validity --------------------------------------------------------------------------------------

_VALIDITY: Final = b"\x30\x1e\x17\x0d"
_UTC_TIME: Final = b"Z\x17\x0d"
_LAST_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Of each month; the leap day is left to the library."""
_DAYS: Final = frozenset(
    b"%02d%02d" % (month, day) for month, last in enumerate(_LAST_DAYS, 1) for day in range(1, last + 1)
)
_SIX: Final = ord("6")


def _time(digits: bytes) -> str:
    """Check a time of the form that RFC 5280, 4.1.2.5.1 wants before 2050, of this century, and give it its century."""
    if (
        not digits.isdigit()
        or digits[2:6] not in _DAYS
        or digits >= b"5"
        or digits[6:8] >= b"24"
        or digits[8] >= _SIX
        or digits[10] >= _SIX
    ):
        raise _NotPlainError
    return "20" + digits.decode("ascii")


# --- public keys -----------------------------------------------------------------------------------


class _Key(NamedTuple):
    header: bytes  # what stands before the number that is each key's own, an RSA key's modulus or a point
    first: int  # the least first byte of that number
    end: bytes  # what stands behind it
    size: int  # of the whole SubjectPublicKeyInfo in bytes
    kind: str
    bits: int
    algorithm: str


def _usual_keys() -> Iterator[_Key]:
    """Yield RSA keys (RFC 3279, 2.3.1), and EC keys with a point that is not compressed (RFC 5480, 2)."""
    end = asn1.integer(_EXPONENT)
    for bits in (2048, 3072, 4096):
        numbers = asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.INTEGER, bytes(1 + bits // 8)), end)
        info = _info(numbers, asn1.object_identifier(RSAES_PKCS1_V1_5_OID), asn1.NULL)
        header = info[: -len(end) - bits // 8]
        yield _Key(header, 0x80, end, len(info), RSA, bits, RSAES_PKCS1_V1_5_OID)
    for curve, width in ((P_256, 32), (P_384, 48), (P_521, 66)):
        info = _info(bytes(1 + 2 * width), *map(asn1.object_identifier, (EC_PUBLIC_KEY_OID, curve.oid)))
        yield _Key(info[: -1 - 2 * width] + b"\x04", 0, b"", len(info), curve.name, 0, EC_PUBLIC_KEY_OID)


def _info(key: bytes, *algorithm: bytes) -> bytes:
    return asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SEQUENCE, *algorithm), asn1.encode(_BIT_STRING, b"\x00", key))


_KEYS: Final = tuple(_usual_keys())


def _key_at(der: bytes, at: int) -> _Key:
    """Return the kind of the key that begins there."""
    for key in _KEYS:
        if der.startswith(key.header, at):
            if der[at + len(key.header)] < key.first or not der.startswith(key.end, at + key.size - len(key.end)):
                break
            return key
    raise _NotPlainError


# --- extensions ------------------------------------------------------------------------------------

_SUBJECT_KEY_IDENTIFIER: Final = asn1.object_identifier("2.5.29.14")
_SUBJECT_ALTERNATIVE_NAME: Final = asn1.object_identifier("2.5.29.17")
_IDENTIFIER_HEADER: Final = asn1.encode(
    asn1.SEQUENCE,
    _SUBJECT_KEY_IDENTIFIER,
    asn1.encode(asn1.OCTET_STRING, asn1.encode(asn1.OCTET_STRING, bytes(_KEY_IDENTIFIER_SIZE))),
)[:-_KEY_IDENTIFIER_SIZE]


@cache
def _address_header(size: int) -> bytes:
    """Return what stands before the mail address in an extension that holds nothing else, of ``size`` bytes in all."""
    inner = size - 2 - len(_SUBJECT_ALTERNATIVE_NAME)
    if inner < 6 or size - 2 >= _LONG_FORM:  # noqa: PLR2004  # three headers of two bytes
        raise _NotPlainError
    headers = ((asn1.OCTET_STRING, inner - 2), (asn1.SEQUENCE, inner - 4), (_RFC822_NAME, inner - 6))
    return b"".join(
        (_header(asn1.SEQUENCE, size - 2), _SUBJECT_ALTERNATIVE_NAME, *(_header(*header) for header in headers))
    )


@lru_cache(maxsize=4096)  # certificates of one issuer have few sizes
def _extensions_header(whole: int) -> bytes:
    """Return what stands before the first extension, when all of them take ``whole`` bytes together with it."""
    outer = _header_of(_EXTENSIONS, whole)
    return outer + _header_of(asn1.SEQUENCE, whole - len(outer))


def _extensions(der: bytes, at: int, end: int) -> tuple[bytes | None, Use]:
    """Return the key identifier, if there is one, and what the rest says.

    The two extensions that are each certificate's own are cut out. The pieces around them are the same in all
    certificates of an issuer; each piece must consist of whole extensions, which proves the cuts to be right.
    """
    header = _extensions_header(end - at)
    if not der.startswith(header, at) or end - at > _MAX_EXTENSIONS_SIZE:
        raise _NotPlainError
    at += len(header)
    key_identifier = None
    identifier = identifier_end = address = address_end = end
    if (found := der.find(_IDENTIFIER_HEADER, at, end)) >= 0:
        identifier, identifier_end = found, found + len(_IDENTIFIER_HEADER) + _KEY_IDENTIFIER_SIZE
        key_identifier = der[identifier_end - _KEY_IDENTIFIER_SIZE : identifier_end]
    if (found := der.find(_SUBJECT_ALTERNATIVE_NAME, at, end)) >= 0:
        address, address_end = found - 2, found + der[found - 1]
        if address < at:
            raise _NotPlainError
        header = _address_header(address_end - address)
        if not der.startswith(header, address) or not der[address + len(header) : address_end].isascii():
            raise _NotPlainError
    if identifier_end <= address <= address_end <= end:
        use = use_of(der[at:identifier], der[identifier_end:address], der[address_end:end])
    elif address_end <= identifier <= identifier_end <= end:
        use = use_of(der[at:address], der[address_end:identifier], der[identifier_end:end])
    else:
        use = None
    if use is None:
        raise _NotPlainError
    return key_identifier, use
