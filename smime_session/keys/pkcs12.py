"""PKCS#12 that holds an ML-KEM key, which the cryptography library does not load (RFC 7292).

Such files are new: what is read is what programs write that know ML-KEM, keys and certificates in the clear
or locked with PBES2, under a MAC of either kind or none. The locks of older files are refused by name.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from smime_session.algorithms import DATA, HASHES, PBMAC1_OID, PRFS, HashName, name_of
from smime_session.cms import asn1, codec, pbkdf2
from smime_session.errors import CredentialError, LimitError, MalformedError, MessageError, UnsupportedAlgorithmError
from smime_session.keys import ml_kem, pbes2
from smime_session.keys.passwords import derive
from smime_session.memory import erase, lent
from smime_session.profiles import MAX_PBKDF2_ITERATIONS
from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography import x509

    from smime_session.cms.pbkdf2 import Pbkdf2
    from smime_session.cms.values import AlgorithmIdentifier
    from smime_session.keys.ml_kem import PrivateKey

_ENCRYPTED_DATA: Final = "1.2.840.113549.1.7.6"
_KEY_BAG: Final = "1.2.840.113549.1.12.10.1.1"
_SHROUDED_KEY_BAG: Final = "1.2.840.113549.1.12.10.1.2"
_CERTIFICATE_BAG: Final = "1.2.840.113549.1.12.10.1.3"
_X509: Final = "1.2.840.113549.1.9.22.1"

_EXPLICIT: Final = 0xA0
_IMPLICIT: Final = 0x80
_MAX_PARTS: Final = 4096  # of a constructed OCTET STRING with much in it; programs put a thousand octets into each
_VERSION: Final = 3  # RFC 7292, 4
_MAC_PURPOSE: Final = 3  # RFC 7292, B.3: the derived key is for a MAC
_SIZES: Final[dict[HashName, int]] = {"SHA-1": 20, "SHA-224": 28, "SHA-256": 32, "SHA-384": 48, "SHA-512": 64}
"""Octets of each hash."""


class _WrongPassphraseError(Exception):
    """The passphrase does not fit."""


def load(data: bytes, passphrase: bytes | None) -> tuple[PrivateKey, list[x509.Certificate]] | None:
    """Return the ML-KEM key in a PKCS#12 file and the certificates; None if the passphrase does not fit.

    Args:
        data: the file, in DER or BER.
        passphrase: text in UTF-8, or None for a file that is locked with the empty one, or not at all.

    Raises:
        CredentialError: it is broken, its lock is not supported, or its key cannot be used.
    """
    try:
        return _load(data, passphrase or b"")
    except _WrongPassphraseError:
        return None
    except UnsupportedAlgorithmError as error:
        lock = f"an ML-KEM key locked with {error.name or error.oid}, which is not supported"
        raise CredentialError(f"the PKCS#12 file is broken, or holds {lock}: export it again with AES") from error
    except MessageError as error:
        raise CredentialError("the PKCS#12 file is broken") from error


def check_work(data: bytes) -> None:
    """Check that a file's MAC takes no longer than any honest one, before anybody begins with it.

    Raises:
        CredentialError: it does.
    """
    try:
        _, mac = _content_and_mac(data)
        if mac is not None:
            _mac_fields(mac)
    except LimitError as error:
        raise CredentialError(f"the PKCS#12 file cannot be unlocked: {error}") from error
    except MessageError:  # whatever is wrong, who loads it says so
        return


def _load(data: bytes, passphrase: bytes) -> tuple[PrivateKey, list[x509.Certificate]]:
    content, mac = _content_and_mac(data)
    if mac is not None and not _is_authentic(content, mac, passphrase):
        raise _WrongPassphraseError
    key: PrivateKey | None = None
    certificates: list[x509.Certificate] = []
    for part in asn1.parse(content).expect(asn1.SEQUENCE):
        with _safe_contents(part, passphrase) as contents, lent(contents.material) as octets:
            for bag in asn1.parse(octets).expect(asn1.SEQUENCE):
                kind, value = _bag(bag)
                if kind == _CERTIFICATE_BAG:
                    certificates += _certificates_in(value)
                elif key is None:
                    key = _key_in(kind, value, passphrase)
    if key is None:
        raise MalformedError("there is no ML-KEM key")
    return key, certificates


# --- the file ------------------------------------------------------------------------------------


def _content_and_mac(data: bytes) -> tuple[bytes, asn1.Element | None]:
    """Return the AuthenticatedSafe of a PFX, encoded, and its MacData, if it has any (RFC 7292, 4)."""
    version, content, *mac = _fields(asn1.parse(data), 2, 3)
    kind, value = _typed(content)
    if version.integer() != _VERSION or kind != DATA:
        raise MalformedError("this is no PKCS#12, or it is signed")
    return value.octets(most=_MAX_PARTS), mac[0] if mac else None


def _safe_contents(part: asn1.Element, passphrase: bytes) -> SessionKey:
    """Return the SafeContents in a part of the AuthenticatedSafe, unlocked, to be wiped (RFC 7292, 4.1)."""
    kind, value = _typed(part)
    if kind == DATA:
        return SessionKey(bytearray(value.octets(most=_MAX_PARTS)))
    if kind != _ENCRYPTED_DATA:
        raise MalformedError("a part of the PKCS#12 is not locked with a passphrase")
    _, content = _fields(value, 2, 3)  # RFC 5652, 8
    _, scheme, ciphertext = _fields(content, 3, 3)
    return _unlocked(scheme, ciphertext.octets(_IMPLICIT, _MAX_PARTS), passphrase)


def _bag(element: asn1.Element) -> tuple[str, asn1.Element]:
    """Return the kind of a SafeBag and its value, without its attributes (RFC 7292, 4.2)."""
    kind, value, *_ = _fields(element, 2, 3)
    return kind.object_identifier(), _explicit(value)


def _certificates_in(bag: asn1.Element) -> Iterator[x509.Certificate]:
    """Yield the certificate in a CertBag if it is one of X.509 (RFC 7292, 4.2.3).

    Raises:
        CredentialError: it is broken.
    """
    from cryptography import x509

    kind, value = _typed(bag)
    if kind == _X509:
        try:
            yield x509.load_der_x509_certificate(value.octets())
        except (ValueError, x509.InvalidVersion) as error:
            raise CredentialError("the PKCS#12 file holds a broken certificate") from error


def _key_in(kind: str, value: asn1.Element, passphrase: bytes) -> PrivateKey | None:
    """Return the key in a bag if it is one of ML-KEM (RFC 7292, 4.2.1 and 4.2.2)."""
    if kind == _KEY_BAG:
        return ml_kem.load(value.encoded)
    if kind != _SHROUDED_KEY_BAG:
        return None
    scheme, ciphertext = _fields(value, 2, 2)
    with _unlocked(scheme, ciphertext.octets(), passphrase) as opened, lent(opened.material) as octets:
        return ml_kem.load(octets)


def _unlocked(scheme: asn1.Element, octets: bytes, passphrase: bytes) -> SessionKey:
    if (opened := pbes2.lock_from(scheme).open(octets, passphrase)) is None:
        raise _WrongPassphraseError
    return opened


# --- its MAC -------------------------------------------------------------------------------------


def _is_authentic(content: bytes, mac_data: asn1.Element, passphrase: bytes) -> bool:
    """Tell whether the MAC is one that the passphrase makes."""
    algorithm, expected, salt, iterations = _mac_fields(mac_data)
    if algorithm.oid == PBMAC1_OID:
        return _fits_pbmac1(content, algorithm, expected, passphrase)
    name = HASHES.get(algorithm.oid)
    if name is None:
        raise UnsupportedAlgorithmError("hash function of a MAC", algorithm.oid, name_of(algorithm.oid))
    text = passphrase.decode().encode("utf-16-be") + b"\0\0"  # a BMPString that ends with a NUL (RFC 7292, B.1)
    candidates = (text,) if passphrase else (text, b"")  # programs differ in what the empty passphrase is
    return any(_fits_mac(content, name, expected, mac_key(each, salt, iterations, name)) for each in candidates)


def _mac_fields(mac_data: asn1.Element) -> tuple[AlgorithmIdentifier, bytes, bytes, int]:
    """Return the algorithm of a MacData, its MAC, salt and iterations (RFC 7292, 4)."""
    info, salt, *iterations = _fields(mac_data, 2, 3)
    algorithm, mac = _fields(info, 2, 2)
    count = iterations[0].integer() if iterations else 1
    if count < 1:
        raise MalformedError(f"a MAC cannot have {count} iterations")
    if count > MAX_PBKDF2_ITERATIONS:
        raise LimitError("the number of its MAC's iterations", MAX_PBKDF2_ITERATIONS)
    identifier = codec.algorithm_identifier_from(algorithm)
    if identifier.oid == PBMAC1_OID:  # which has iterations of its own
        _pbmac1_from(identifier)
    return identifier, mac.octets(), salt.octets(), count


def mac_key(passphrase: bytes, salt: bytes, iterations: int, name: HashName) -> SessionKey:
    """Make the key of a MAC (RFC 7292, B.2), to be wiped like a session key.

    It is as long as a hash, so that the first round of the standard is the last.

    Args:
        passphrase: the passphrase as a BMPString.
        salt: what makes this key another than the next.
        iterations: how often the hash function is applied.
        name: which one.
    """
    import hashlib

    hashed = getattr(hashlib, name.replace("-", "").lower())
    block_size: int = hashed().block_size
    start = b"".join(
        (bytes((_MAC_PURPOSE,)) * block_size, _repeated(salt, block_size), _repeated(passphrase, block_size))
    )
    made: bytes = hashed(start).digest()
    erase(start)
    for _ in range(iterations - 1):
        made = hashed(made).digest()
    return SessionKey.adopt(made)


def _repeated(octets: bytes, block_size: int) -> bytes:
    """Return ``octets`` over and over until they fill blocks; none fill none."""
    size = -(-len(octets) // block_size) * block_size
    return (octets * (size // max(len(octets), 1) + 1))[:size]


def _fits_mac(content: bytes, name: HashName, expected: bytes, key: SessionKey) -> bool:
    with key:
        made = hmac.digest(key.material, content, name.replace("-", "").lower())
    return hmac.compare_digest(made, expected)


def _fits_pbmac1(content: bytes, algorithm: AlgorithmIdentifier, expected: bytes, passphrase: bytes) -> bool:
    derivation, name, size = _pbmac1_from(algorithm)
    with SessionKey(bytearray(passphrase)) as secret:
        return _fits_mac(content, name, expected, derive(secret.material, derivation, size))


def _pbmac1_from(algorithm: AlgorithmIdentifier) -> tuple[Pbkdf2, HashName, int]:
    """Return how PBMAC1 makes its key, with which hash function it goes on, and the key's size (RFC 9579, 4)."""
    derivation, scheme = pbes2.algorithms_in(algorithm)
    name = PRFS.get(scheme.oid)
    if name is None:
        raise UnsupportedAlgorithmError("MAC of PBMAC1", scheme.oid, name_of(scheme.oid))
    size = _SIZES[name]
    return pbkdf2.pbkdf2_from(derivation, size, f"HMAC-{name}"), name, size


# --- values --------------------------------------------------------------------------------------


def _fields(element: asn1.Element, least: int, most: int) -> list[asn1.Element]:
    """Return the values in a SEQUENCE that has so many."""
    children = element.expect(asn1.SEQUENCE).children()
    if not least <= len(children) <= most:
        raise MalformedError("a value of PKCS#12 does not hold as many others as it should")
    return children


def _typed(element: asn1.Element) -> tuple[str, asn1.Element]:
    """Return the type and the value of a ContentInfo (RFC 5652, 3), or of a CertBag, which is built alike."""
    kind, value = _fields(element, 2, 2)
    return kind.object_identifier(), _explicit(value)


def _explicit(element: asn1.Element) -> asn1.Element:
    children = element.expect(_EXPLICIT).children()
    if len(children) != 1:
        raise MalformedError("a value of PKCS#12 is not tagged as it should be")
    return children[0]
