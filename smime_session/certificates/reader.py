"""Read a certificate as most are, without an object for each of its values (RFC 5280, 4.1).

Encrypting for the certificates of a large company, or one mail for one certificate, takes little of
them: issuer, serial number, validity, public key, and what the key is for. That is taken here straight from
the octets of a certificate that is *plain*: version 3, DER, an RSA or NIST key, names and extensions of the
usual kinds. Every octet before the signature's value is checked on the way, nothing is skipped. Whatever is
not plain, for better or worse, is None here, and left to the cryptography library, which says what is wrong.

Two ideas make this fast. DER leaves no choice of how to write a length, so a header is *compared* with what it
must be. And what an issuer writes into all its certificates is judged once and remembered by its octets.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.algorithms import EC_PUBLIC_KEY_OID, P_256, P_384, P_521, RSAES_PKCS1_V1_5_OID
from smime_session.certificates.extensions import SUBJECT_ALTERNATIVE_NAME, SUBJECT_KEY_IDENTIFIER, Use, use_of
from smime_session.cms import asn1

if TYPE_CHECKING:
    from smime_session.algorithms import Curve

RSA: Final = "RSA"
"""The kind of an RSA key; that of an EC key is the name of its curve."""
EXPONENT: Final = 65537
"""The public exponent of every RSA key that is plain."""

_MAX_SERIAL_SIZE: Final = 20  # octets: RFC 5280, 4.1.2.2
_KEY_IDENTIFIER_SIZE: Final = 20  # octets: RFC 5280, 4.2.1.2, as SHA-1 makes them; others are rare
_MAX_NAME_SIZE: Final = 1024  # octets; real ones have 100, and issuers' are remembered
_MAX_EXTENSIONS_SIZE: Final = 4096  # octets; real ones have a few hundred, and are remembered
_LONG_FORM: Final = 0x80  # lengths under this take one octet (X.690, 8.1.3.4)

_BIT_STRING: Final = 0x03
_UTF8_STRING: Final = 0x0C
_PRINTABLE_STRING: Final = 0x13
_IA5_STRING: Final = 0x16
_EXTENSIONS: Final = 0xA3
_RFC822_NAME: Final = 0x81


class PlainCertificate(NamedTuple):
    """What a sender, and the owner of the private key, need of a certificate.

    Attributes:
        issuer: the issuer's Name, encoded.
        serial_number: the serial number, an encoded INTEGER.
        not_before: when it begins to be valid, in the letters of UTCTime; all are of this century.
        not_after: when it ends.
        kind: the kind of public key: ``RSA``, ``P-256``, ``P-384``, ``P-521``.
        material: an RSA key's modulus, of as many bits as it has octets times eight, its exponent is
            :data:`EXPONENT`; or an EC key's point, not compressed. Neither number is looked at here.
        public_key: the SubjectPublicKeyInfo.
        key_identifier: the subject key identifier that it states, or None.
        use: what the key is for.
    """

    issuer: bytes
    serial_number: bytes
    not_before: bytes
    not_after: bytes
    kind: str
    material: bytes
    public_key: bytes
    key_identifier: bytes | None
    use: Use

    @property
    def identifier(self) -> bytes:
        """How an envelope names it: an encoded IssuerAndSerialNumber (RFC 5652, 10.2.4)."""
        return asn1.encode(asn1.SEQUENCE, self.issuer, self.serial_number)


class _NotPlainError(Exception):
    """A certificate is left to the library."""


def read(octets: bytes) -> PlainCertificate | None:
    """Read a certificate; None if it is not plain, or is none at all."""
    try:
        return _certificate(octets)
    except (_NotPlainError, IndexError):  # the latter where it ends before a length, or before what that announces
        return None


def _certificate(der: bytes) -> PlainCertificate:
    header = _header_of(asn1.SEQUENCE, len(der))
    signed = len(header)
    at, end = _bounds(der, signed)
    if not der.startswith(header) or der[signed] != asn1.SEQUENCE or not der.startswith(_VERSION_3_AND_INTEGER, at):
        raise _NotPlainError
    at += len(_VERSION_3_AND_INTEGER)
    begin = at + 1 + der[at]
    serial_number = der[at - 1 : begin]
    _check_serial_number(serial_number)
    algorithm = der[begin : begin + 2 + der[begin + 1]]
    _, at = _bounds(der, begin + len(algorithm))
    issuer = _issuer_after(algorithm, der[begin + len(algorithm) : at])
    times = _match_validity(der, at)
    if times is None:
        raise _NotPlainError
    at = _after_name(der, times.end())
    key = _match_key(der, at)
    if key is None or key.lastindex is None:
        raise _NotPlainError
    key_identifier, use = _extensions(der, key.end(), end)
    _check_signature(der, end, algorithm)
    not_before, not_after = times.groups()
    kind, material = _KINDS[key.lastindex], key[key.lastindex]
    return PlainCertificate(issuer, serial_number, not_before, not_after, kind, material, key[0], key_identifier, use)


# --- headers ---------------------------------------------------------------------------------------


def _header(tag: int, size: int) -> bytes:
    """Return the identifier and length of a value with ``size`` octets of contents."""
    return bytes((tag,)) + asn1.length(size)


@lru_cache(maxsize=4096)  # certificates of one issuer have few sizes
def _header_of(tag: int, whole: int) -> bytes:
    """Return the identifier and length of a value that takes ``whole`` octets together with them."""
    for width in range(2, 6):
        header = _header(tag, whole - width) if whole >= width else b""
        if len(header) == width:
            return header
    raise IndexError  # no value has so many octets: 130, for one


def _bounds(der: bytes, at: int) -> tuple[int, int]:
    """Return where the contents of the value at ``at`` begin, and where they end, perhaps beyond the certificate."""
    size = der[at + 1]
    if size < _LONG_FORM:
        return at + 2, at + 2 + size
    if size == 0x82 and der[at + 2]:  # noqa: PLR2004  # a length of two octets, the usual one
        return at + 4, at + 4 + (der[at + 2] << 8 | der[at + 3])
    if size == 0x81 and der[at + 2] >= _LONG_FORM:  # noqa: PLR2004  # a length of one octet
        return at + 3, at + 3 + der[at + 2]
    raise IndexError


_VERSION_3_AND_INTEGER: Final = asn1.encode(0xA0, asn1.integer(2)) + bytes((asn1.INTEGER,))


def _check_serial_number(integer: bytes) -> None:
    """Check that an INTEGER, of which the length is sound, is positive, short enough and as short as it goes."""
    size, first = len(integer) - 2, integer[2]
    if not 1 <= size <= _MAX_SERIAL_SIZE or first >= _LONG_FORM or (first == 0 and integer[3] < _LONG_FORM):
        raise _NotPlainError


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
    """Check that there is nothing left but the same algorithm again and a BIT STRING of whole octets."""
    signature = at + len(algorithm)
    header = _header_of(_BIT_STRING, len(der) - signature)
    if not der.startswith(algorithm, at) or not der.startswith(header, signature) or der[signature + len(header)]:
        raise _NotPlainError


# --- names -----------------------------------------------------------------------------------------

_PRINTABLE: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?"  # X.680, 41.4


@cache
def _attribute_header(oid: bytes, size: int) -> bytes:
    """Return what stands before an attribute's value: it is alone in its SET, which has ``size`` octets of contents."""
    if not len(oid) + 2 < size < _LONG_FORM:
        raise _NotPlainError
    return _header(asn1.SET, size) + _header(asn1.SEQUENCE, size - 2) + oid


_COMMON_NAME: Final = asn1.object_identifier("2.5.4.3")
_EMAIL_ADDRESS: Final = asn1.object_identifier("1.2.840.113549.1.9.1")
_DOMAIN_COMPONENT: Final = asn1.object_identifier("0.9.2342.19200300.100.1.25")
_X520: Final = _COMMON_NAME[:-1]  # its last octet tells X.520's attributes apart


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

_DAY: Final = (  # of every year: the leap day is left to the library
    rb"(?:(?:0[1-9]|1[0-2])(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])(?:29|30)|(?:0[13578]|1[02])31)"
)
_TIME: Final = rb"\x17\x0d([0-4][0-9]" + _DAY + rb"(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]Z)"
_match_validity: Final = re.compile(rb"\x30\x1e" + _TIME + _TIME).match
"""Two times in the form that RFC 5280, 4.1.2.5.1 wants before 2050, of this century."""


# --- public keys -----------------------------------------------------------------------------------

_RSA_BITS: Final = (2048, 3072, 4096)
_CURVES: Final = ((P_256, 32), (P_384, 48), (P_521, 66))


def _key_pattern(algorithm: bytes, before: bytes, size: int, material: bytes, after: bytes = b"") -> bytes:
    """Return the pattern of a SubjectPublicKeyInfo with so many octets of ``material``, which is a pattern itself."""
    key = _header(_BIT_STRING, 1 + len(before) + size + len(after)) + b"\x00" + before
    header = _header(asn1.SEQUENCE, len(algorithm) + len(key) + size + len(after))
    return re.escape(header + algorithm + key) + b"(" + material + b")" + re.escape(after)


def _rsa_pattern(bits: int) -> bytes:
    """Return the pattern of an RSA key whose modulus has exactly so many bits (RFC 3279, 2.3.1)."""
    size, exponent = bits // 8, asn1.integer(EXPONENT)
    modulus = _header(asn1.INTEGER, 1 + size) + b"\x00"
    before = _header(asn1.SEQUENCE, len(modulus) + size + len(exponent)) + modulus
    algorithm = asn1.encode(asn1.SEQUENCE, asn1.object_identifier(RSAES_PKCS1_V1_5_OID), asn1.NULL)
    return _key_pattern(algorithm, before, size, rb"[\x80-\xff].{%d}" % (size - 1), exponent)


def _ec_pattern(curve: Curve, width: int) -> bytes:
    """Return the pattern of an EC key with a point that is not compressed (RFC 5480, 2)."""
    size = 1 + 2 * width
    oids = map(asn1.object_identifier, (EC_PUBLIC_KEY_OID, curve.oid))
    return _key_pattern(asn1.encode(asn1.SEQUENCE, *oids), b"", size, rb"\x04.{%d}" % (size - 1))


_KINDS: Final = ("", *(RSA for _ in _RSA_BITS), *(curve.name for curve, _ in _CURVES))
"""Kinds of key by their group in the pattern."""
_match_key: Final = re.compile(
    b"|".join((*map(_rsa_pattern, _RSA_BITS), *(_ec_pattern(*curve) for curve in _CURVES))), re.DOTALL
).match


# --- extensions ------------------------------------------------------------------------------------

_IDENTIFIER_HEADER: Final = asn1.encode(
    asn1.SEQUENCE,
    SUBJECT_KEY_IDENTIFIER,
    asn1.encode(asn1.OCTET_STRING, asn1.encode(asn1.OCTET_STRING, bytes(_KEY_IDENTIFIER_SIZE))),
)[:-_KEY_IDENTIFIER_SIZE]


@cache
def _address_header(size: int) -> bytes:
    """Return what stands before the mail address in an extension that holds nothing else, of ``size`` octets in all."""
    inner = size - 2 - len(SUBJECT_ALTERNATIVE_NAME)
    if inner < 6 or size - 2 >= _LONG_FORM:  # noqa: PLR2004  # three headers of two octets
        raise _NotPlainError
    headers = ((asn1.OCTET_STRING, inner - 2), (asn1.SEQUENCE, inner - 4), (_RFC822_NAME, inner - 6))
    return b"".join(
        (_header(asn1.SEQUENCE, size - 2), SUBJECT_ALTERNATIVE_NAME, *(_header(*header) for header in headers))
    )


@lru_cache(maxsize=4096)  # certificates of one issuer have few sizes
def _extensions_header(whole: int) -> bytes:
    """Return what stands before the first extension, when all of them take ``whole`` octets together with it."""
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
    if (found := der.find(SUBJECT_ALTERNATIVE_NAME, at, end)) >= 0:
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
