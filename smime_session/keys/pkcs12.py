"""PKCS#12: private keys and certificates in one file, mostly locked and under a MAC (RFC 7292).

asn1crypto takes the file apart, so that each key and each certificate is looked at by itself: one that cannot be used
hides no other. Whether a passphrase is right, the MAC says.
"""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from asn1crypto.algos import HmacAlgorithm, KdfAlgorithm
from asn1crypto.core import ObjectIdentifier, OctetString, Sequence
from asn1crypto.pkcs12 import AuthenticatedSafe, Pfx, SafeContents
from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

from smime_session.algorithms import DATA, DES_EDE3_CBC, HASH_OIDS, PBMAC1_OID
from smime_session.certificates.certificate import Certificate
from smime_session.cms import asn1
from smime_session.errors import CredentialError, LimitError, MalformedError, MessageError, UnsupportedAlgorithmError
from smime_session.keys import locks, pkcs8, software
from smime_session.keys.pkcs12_keys import derive_pkcs12
from smime_session.keys.private_key import UnsupportedLockError, UnusableKeyError, not_unlocked
from smime_session.memory import lent
from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smime_session.keys.software import SoftwareKey

    Found = SoftwareKey | UnusableKeyError | Certificate | CredentialError

MAX_SIZE: Final = 4 << 20  # bytes: a thousand keys with certificates; millions of small values take many seconds
_MAX_PARTS: Final = 4096  # of an OCTET STRING, in each of which programs put a thousand bytes

_SEQUENCE: Final = bytes((asn1.SEQUENCE,))
_KEY_PURPOSE: Final = 1  # RFC 7292, B.3: what is derived is a key
_VECTOR_PURPOSE: Final = 2  # an initialisation vector
_MAC_PURPOSE: Final = 3  # the key of a MAC
_MAC_WORK: Final = 3  # iterations of PBKDF2 that take as long as one of a MAC's, which Python counts
_MAC_HASHES: Final = frozenset(
    {
        *("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512_224", "sha512_256"),
        *("sha3_224", "sha3_256", "sha3_384", "sha3_512"),
    }
)
"""Hash functions of MACs, by the names that both asn1crypto and hashlib have for them."""


class _CertBag(Sequence):  # type: ignore[misc]  # untyped
    """RFC 7292, 4.2.3; asn1crypto's own looks into the certificate, which may be broken."""

    _fields = [("kind", ObjectIdentifier), ("value", OctetString, {"explicit": 0})]  # noqa: RUF012  # it completes it


class _Attempt(NamedTuple):
    """A passphrase that may be the right one.

    Attributes:
        text: it.
        big: the same as a BMPString that ends with a NUL (RFC 7292, B.1), or without the NUL if it is empty.
        proven: whether the MAC of the file has said that it is right.
        budget: what locks inside of others are paid from.
    """

    text: bytes
    big: bytes
    proven: bool
    budget: locks.Budget


class _Bag(NamedTuple):
    """A SafeBag, or a part of the AuthenticatedSafe that is locked as a whole (RFC 7292, 4.1 and 4.2).

    Attributes:
        kind: what is in it: a private key, a certificate, or SafeContents.
        octets: that, or its ciphertext.
        lock: how it is locked, or None.
        part: itself as a part of an AuthenticatedSafe.
    """

    kind: Literal["key", "certificate", "contents"]
    octets: bytes
    lock: locks.Lock | None = None
    part: bytes = b""


class _WrongPassphraseError(Exception):
    """The passphrase that is tried is not that of the file."""


def load(data: bytes, passphrase: bytes | None) -> list[Found]:
    """Return what is in a PKCS#12 file.

    Args:
        data: the file, in DER or BER.
        passphrase: text in UTF-8, or None for a file that is locked with the empty one, or not at all.

    Raises:
        PassphraseError: the passphrase is missing or wrong.
        UnsupportedLockError: it has a lock or a MAC that is not supported.
        CredentialError: it is broken, or takes too much work to unlock.
    """
    try:
        budget = locks.Budget()
        content, mac_data = _content_and_mac(data)
        with locks.reading():
            bags = [bag for part in _parsed(AuthenticatedSafe, content) for bag in _bags_in(part, budget)]
            fits = _mac_from(mac_data, content, budget)
        for text, big in _spellings(passphrase):
            attempt = _Attempt(text, big, fits is not None, budget)
            with suppress(_WrongPassphraseError):
                if fits is None or fits(attempt):
                    return [each for bag in bags for each in _opened(bag, attempt)]
    except UnsupportedAlgorithmError as error:
        raise UnsupportedLockError("the PKCS#12 file", "PKCS#12", error.name or error.oid) from error
    except LimitError as error:
        raise CredentialError(f"the PKCS#12 file cannot be unlocked: {error}") from error
    except MessageError as error:
        raise CredentialError("the PKCS#12 file is broken") from error
    raise not_unlocked(missing=not passphrase)


def _spellings(passphrase: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    """Yield the passphrase, if it is text without NUL, and as a BMPString; then the empty one, which has two."""
    with suppress(UnicodeDecodeError):
        if passphrase and b"\0" not in passphrase:
            yield passphrase, passphrase.decode().encode("utf-16-be") + b"\0\0"
    yield b"", b"\0\0"
    yield b"", b""


# --- the file ------------------------------------------------------------------------------------


def _content_and_mac(data: bytes) -> tuple[bytes, Any]:
    """Return the AuthenticatedSafe of a PFX, encoded, and its MacData (RFC 7292, 4)."""
    if len(data) > MAX_SIZE:
        raise LimitError("its size", MAX_SIZE, "bytes")
    with locks.reading():
        pfx = _parsed(Pfx, data)
        if pfx["version"].native == "v3" and pfx["auth_safe"]["content_type"].dotted == DATA:
            return pfx["auth_safe"]["content"].native, pfx["mac_data"]
    raise MalformedError("this is no PKCS#12, or it is signed")


def _parsed(kind: Any, octets: bytes) -> Any:  # noqa: ANN401  # untyped
    """Read a value as one of asn1crypto's kinds, which know no BER but indefinite lengths."""
    return kind.load(_definite(asn1.parse(octets)), strict=True)


def _definite(element: asn1.Element) -> bytes:
    """Encode a value with definite lengths, and every OCTET STRING in one part."""
    if element.tag == asn1.OCTET_STRING | asn1.CONSTRUCTED:
        return asn1.encode(asn1.OCTET_STRING, element.octets(most=_MAX_PARTS))
    if not element.constructed:
        return element.encoded
    children = list(element)
    made = [_definite(child) for child in children]
    if [child.tag for child in children] == [asn1.OBJECT_IDENTIFIER, asn1.SEQUENCE, 0xA0]:  # RFC 5652, 6.1
        made[-1] = asn1.encode(0x80, children[-1].octets(0x80, _MAX_PARTS))
    return asn1.encode(element.tag, *made)


def _bags_in(part: Any, budget: locks.Budget) -> Iterator[_Bag]:  # noqa: ANN401  # untyped
    encoded = part.dump()  # a moment later it would be put together from its fields, which takes long
    match part["content_type"].native:
        case "data":
            yield from _bags(part["content"].native, budget)
        case "encrypted_data":  # RFC 5652, 8
            info = part["content"]["encrypted_content_info"]
            lock = locks.lock_from(info["content_encryption_algorithm"], locks.PKCS12, budget)
            yield _Bag("contents", info["encrypted_content"].native or b"", lock, encoded)
        case _:
            raise MalformedError("a part of the PKCS#12 is not locked with a passphrase")


def _bags(contents: bytes, budget: locks.Budget) -> Iterator[_Bag]:
    """Yield what is in SafeContents; revocation lists, secrets and certificates of other kinds are of no use here."""
    for bag in _parsed(SafeContents, contents):
        encoded, value = bag.dump(), bag["bag_value"]
        match bag["bag_id"].native:
            case "key_bag":
                yield _Bag("key", value.untag().dump())
            case "pkcs8_shrouded_key_bag":
                lock = locks.lock_from(value["encryption_algorithm"], locks.PKCS12, budget)
                part = _data(asn1.encode(asn1.SEQUENCE, encoded))
                yield _Bag("key", value["encrypted_data"].native, lock, part)
            case "cert_bag" if value["cert_id"].native == "x509":
                yield _Bag("certificate", _CertBag.load(value.untag().dump(), strict=True)["value"].native)
            case "safe_contents":
                yield from _bags(value.untag().dump(), budget)


def _opened(bag: _Bag, attempt: _Attempt) -> Iterator[Found]:
    """Yield the private keys and certificates in a bag, and what is wrong with others."""
    if bag.lock is None:
        yield from _unlocked(bag.kind, bag.octets, attempt)
    elif bag.lock.cipher is None:
        yield from _opened_by_library(bag, attempt) or _opened_here(bag, bag.lock, attempt)
    elif (opened := bag.lock.open(bag.octets, attempt.text)) is None:
        yield _refusal(bag, attempt)
    else:
        with opened, lent(opened.material) as octets:
            if not attempt.proven and not octets.startswith(_SEQUENCE):  # one wrong passphrase in 256 leaves a padding
                raise _WrongPassphraseError
            yield from _unlocked(bag.kind, octets, attempt)


def _opened_here(bag: _Bag, lock: locks.Lock, attempt: _Attempt) -> Iterator[Found]:
    """Open a bag that the library does not open, if that is possible: perhaps only something in it cannot be used.

    Raises:
        LimitError: that would take too much work.
    """
    if not lock.salt:
        yield _refusal(bag, attempt)
        return
    attempt.budget.spend(_MAC_WORK * lock.iterations * 3)  # two rounds for the key, one for the vector
    derived = partial(derive_pkcs12, passphrase=attempt.big, salt=lock.salt, iterations=lock.iterations, name="sha1")
    with derived(_VECTOR_PURPOSE, size=DES_EDE3_CBC.nonce_size) as vector:
        opened = locks.Lock(
            lock.name,
            DES_EDE3_CBC,
            bytes(vector.material),
            lambda _: derived(_KEY_PURPOSE, size=DES_EDE3_CBC.key_size),
        )
    yield from _opened(bag._replace(lock=opened), attempt)


def _refusal(bag: _Bag, attempt: _Attempt) -> CredentialError:
    """Return what to say of a bag that the passphrase of the file does not open.

    Raises:
        _WrongPassphraseError: it may not be the passphrase of the file.
    """
    if not attempt.proven or bag.lock is None:
        raise _WrongPassphraseError
    what = "the private key" if bag.kind == "key" else "a part"
    if bag.lock.cipher is None:
        problem = f"locked with {bag.lock.name}, and broken, of an unsupported kind, or under another passphrase"
        sentence = f"{what} in the PKCS#12 file is {problem}"
        use = f"not usable: {problem}"
        return UnusableKeyError(sentence, name=None, use=use) if bag.kind == "key" else CredentialError(sentence)
    name = f"{bag.lock.name} and perhaps another passphrase"
    error = UnsupportedLockError(f"{what} in the PKCS#12 file", "PKCS#12", name)
    return error if bag.kind == "key" else CredentialError(str(error))


def _unlocked(kind: str, octets: bytes, attempt: _Attempt) -> Iterator[Found]:
    if kind == "contents":
        with locks.reading():
            bags = list(_bags(octets, attempt.budget))
        for bag in bags:
            yield from _opened(bag, attempt)
        return
    try:
        yield pkcs8.key_from(octets) if kind == "key" else Certificate.load(octets)
    except ValueError:
        yield CredentialError("the PKCS#12 file holds a broken certificate")
    except UnusableKeyError as error:
        yield error
    except CredentialError as error:
        yield UnusableKeyError(str(error), name=None, use=f"not usable: {error}")


def _opened_by_library(bag: _Bag, attempt: _Attempt) -> list[Found]:
    """Have the library open a bag as if it were a file, under a MAC of ours; return nothing if it does not open."""
    safe, salt = asn1.encode(asn1.SEQUENCE, bag.part), asn1.encode(asn1.OCTET_STRING, bytes(8))
    algorithm = asn1.encode(asn1.SEQUENCE, asn1.object_identifier(HASH_OIDS["SHA-256"]), asn1.NULL)
    with mac_key(attempt.big, bytes(8), 1, "sha256") as key:
        digest = asn1.encode(asn1.OCTET_STRING, hmac.digest(key.material, safe, "sha256"))
    mac_data = asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SEQUENCE, algorithm, digest), salt)
    pfx = asn1.encode(asn1.SEQUENCE, asn1.integer(3), _data(safe), mac_data)
    try:
        key_found, certificate, others = load_key_and_certificates(pfx, attempt.text or None)
        found: list[Found] = [software.private_key(key_found)] if key_found else []
    except (ValueError, UnsupportedAlgorithm, InternalError, x509.InvalidVersion):
        return []
    except UnusableKeyError as error:
        return [error]
    return [*found, *map(Certificate.of, [certificate, *others] if certificate else others)]


def _data(octets: bytes) -> bytes:
    """Encode a ContentInfo with data (RFC 5652, 3 and 4)."""
    content = asn1.encode(0xA0, asn1.encode(asn1.OCTET_STRING, octets))
    return asn1.encode(asn1.SEQUENCE, asn1.object_identifier(DATA), content)


# --- its MAC -------------------------------------------------------------------------------------


class _Pbmac1Params(Sequence):  # type: ignore[misc]  # untyped
    """RFC 8018, A.5."""

    _fields = [("derivation", KdfAlgorithm), ("scheme", HmacAlgorithm)]  # noqa: RUF012  # asn1crypto completes it


def _mac_from(
    mac_data: Any,  # noqa: ANN401  # untyped
    content: bytes,
    budget: locks.Budget,
) -> Callable[[_Attempt], bool] | None:
    """Return what tells whether a passphrase makes the MAC of a file's content (RFC 7292, 4), if it has one."""
    if not mac_data.native:
        return None
    algorithm, expected = mac_data["mac"]["digest_algorithm"], mac_data["mac"]["digest"].native
    parameters = None
    if algorithm["algorithm"].dotted == PBMAC1_OID:  # RFC 9579, 4
        parameters = _Pbmac1Params.load(algorithm["parameters"].dump(), strict=True)
        algorithm = parameters["scheme"]
    name = algorithm["algorithm"].native
    if name not in _MAC_HASHES:
        raise UnsupportedAlgorithmError("MAC", algorithm["algorithm"].dotted, locks.name_in(algorithm))
    if parameters is not None:
        derive = locks.derivation_from(parameters["derivation"], hashlib.new(name).digest_size, "PBMAC1", budget)
    else:
        salt, iterations = mac_data["mac_salt"].native, mac_data["iterations"].native
        budget.spend(_MAC_WORK * iterations)

    def fits(attempt: _Attempt) -> bool:
        with (
            SessionKey(bytearray(attempt.text)) as text,
            derive(text.material) if parameters is not None else mac_key(attempt.big, salt, iterations, name) as key,
        ):
            return hmac.compare_digest(hmac.digest(key.material, content, name), expected)

    return fits


def mac_key(passphrase: bytes, salt: bytes, iterations: int, name: str) -> SessionKey:
    """Make the key of a MAC, to be wiped like a session key: as long as a hash.

    Args:
        passphrase: the passphrase as a BMPString.
        salt: what makes this key another than the next.
        iterations: how often the hash function is applied.
        name: which one, as hashlib has it.
    """
    return derive_pkcs12(_MAC_PURPOSE, passphrase, salt, iterations, name, hashlib.new(name).digest_size)
