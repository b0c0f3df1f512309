"""What a certificate or private key file holds, told without using any of it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from smime_session.algorithms import KEMS, name_of
from smime_session.arguments import check_passphrase, moment
from smime_session.certificates.files import Kind, Piece, read
from smime_session.certificates.load import certificates_in, public_key_in
from smime_session.certificates.names import addresses_of, issuer_of, subject_of
from smime_session.certificates.public_key import PublicKey
from smime_session.certificates.quiet import quietly
from smime_session.cms import codec
from smime_session.errors import CredentialError, PassphraseError
from smime_session.keys.load import is_only_for_signing, load_key, load_pkcs12
from smime_session.keys.private_key import UnusableKeyError
from smime_session.profiles import PROFILES
from smime_session.recipients.curves import curve_of
from smime_session.recipients.fitness import kind_of_key, only_signs, reasons_against
from smime_session.recipients.naming import key_identifier, stated_key_identifier
from smime_session.recipients.registry import technique_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from cryptography import x509

    from smime_session.keys.private_key import PrivateKey

_LABELLED: Final = re.compile(rb"-----BEGIN ([A-Z]+) PRIVATE KEY-----")
"""What older files tell of a key that is locked; ``ENCRYPTED`` tells nothing."""
_ONLY_SIGNS: Final = "only signs"
_LOCKED_FILE: Final = "a locked PKCS#12 file, which tells nothing without its passphrase"
_LISTED: Final = {Kind.CERTIFICATE, Kind.PKCS7, Kind.PRIVATE_KEY, Kind.PKCS12}


@dataclass(frozen=True, slots=True)
class Fitness:
    """Whether a profile may encrypt for a certificate.

    Attributes:
        name: the profile.
        usable: whether it may.
        reasons: why it must not, each following on "the certificate".
    """

    name: str
    usable: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListedCertificate:
    """A certificate in a file.

    Attributes:
        key: kind and size of its public key: ``RSA-3072``, ``P-256``, ``ML-KEM-768``.
        addresses: its mail addresses.
        subject: whose it is.
        issuer: who issued it, as inspecting a message names it.
        serial_number: hexadecimal, likewise.
        not_before: when it begins to be valid.
        not_after: when it ends.
        valid: whether it is valid at the moment of asking.
        key_identifier: what it states, or else what is usual (RFC 5280, 4.2.1.2, method 1); hexadecimal.
        fingerprint: SHA-256 of the whole certificate.
        has_private_key: whether its private key is in the file too; None if a key there stays locked, and may be it.
        profiles: which profiles may encrypt for it.
    """

    key: str
    addresses: tuple[str, ...]
    subject: str
    issuer: str
    serial_number: str
    not_before: datetime
    not_after: datetime
    valid: bool
    key_identifier: str | None
    fingerprint: str
    has_private_key: bool | None
    profiles: tuple[Fitness, ...]


@dataclass(frozen=True, slots=True)
class ListedPrivateKey:
    """A private key in a file; nothing secret of it.

    Attributes:
        key: its kind and size; of one that stays locked as much as its file tells, or None.
        locked: whether a passphrase locks it in the file.
        use: what it does, or why it does nothing here; None if it stays locked.
        key_identifier: the usual one (RFC 5280, 4.2.1.2, method 1), hexadecimal; None if it stays locked or is not
            usable.
        matching_certificates: the certificates in the file that belong to it, counted from 1.
    """

    key: str | None
    locked: bool
    use: str | None = None
    key_identifier: str | None = None
    matching_certificates: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """What a file holds.

    Attributes:
        private_keys: its private keys, in their order.
        certificates: its certificates, those of PKCS#12 last.
        others: what else there is, in a few words each.
    """

    private_keys: tuple[ListedPrivateKey, ...]
    certificates: tuple[ListedCertificate, ...]
    others: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain values for JSON; its keys are the attributes' names and stay."""
        found = asdict(self)
        for certificate in found["certificates"]:
            for bound in ("not_before", "not_after"):
                certificate[bound] = f"{certificate[bound]:%Y-%m-%dT%H:%M:%SZ}"
        return found


@quietly()
def list_credentials(data: bytes, passphrase: bytes | None = None, *, at: datetime | None = None) -> Listing:
    """Tell what a certificate or private key file holds.

    Args:
        data: PEM, DER, PKCS#7 or PKCS#12.
        passphrase: unlocks private keys and PKCS#12. What is locked without one is listed as locked.
        at: the moment at which certificates should be valid, with its time zone; now if not given.

    Raises:
        PassphraseError: the passphrase is wrong.
        CredentialError: there is neither a certificate nor a private key, or one is broken.
    """
    check_passphrase(passphrase)
    pieces = read(data)
    certificates = certificates_in(pieces)
    keys: list[_Key] = []
    others: list[str] = []
    for piece in pieces:
        if piece.kind in {Kind.PRIVATE_KEY, Kind.PKCS12}:
            try:
                key, enclosed = _unlocked(piece, passphrase)
            except _LockedFileError:
                others.append(_LOCKED_FILE)
                continue
            keys += [key] if key else []
            certificates += enclosed
        elif piece.kind not in _LISTED:
            others.append(str(piece.kind))
    if not keys and not certificates and _LOCKED_FILE not in others:
        raise CredentialError(f"this is {pieces[0].kind}, neither a certificate nor a private key")
    return Listing(
        private_keys=tuple(_listed_key(key, certificates) for key in keys),
        certificates=tuple(_listed_certificate(each, keys, moment(at)) for each in certificates),
        others=tuple(others),
    )


class _LockedFileError(Exception):
    """Nothing can be told of what is in a file: not even whether there is a private key."""


@dataclass(frozen=True, slots=True)
class _Key:
    """A private key that was unlocked, or as much as is known of one that was not, or is not usable."""

    found: PrivateKey | None
    locked: bool
    label: str | None = None
    use: str | None = None

    def belongs_to(self, certificate: x509.Certificate) -> bool:
        """Tell whether a certificate is of this key; False if it stays locked."""
        public_key = public_key_in(certificate)
        if self.found is None or public_key is None:
            return False
        return self.found.public_key == PublicKey.of(public_key)


def _unlocked(piece: Piece, passphrase: bytes | None) -> tuple[_Key | None, Sequence[x509.Certificate]]:
    """Return the private key in a piece and the certificates beside it; a PKCS#12 file need not have a key."""
    try:
        return _load(piece, None, locked=False)
    except PassphraseError:
        if passphrase:
            return _load(piece, passphrase, locked=True)
        if piece.kind is Kind.PKCS12:
            raise _LockedFileError from None
        match = _LABELLED.match(piece.octets)
        label = match[1].decode("ascii") if match and match[1] != b"ENCRYPTED" else None
        return _Key(None, locked=True, label=label), ()


def _load(piece: Piece, passphrase: bytes | None, *, locked: bool) -> tuple[_Key | None, Sequence[x509.Certificate]]:
    try:
        if piece.kind is Kind.PKCS12:
            key, enclosed = load_pkcs12(piece.octets, passphrase)
            return _Key(key, locked) if key else None, enclosed
        use = _ONLY_SIGNS if is_only_for_signing(piece) else None
        return _Key(load_key(piece, passphrase), locked, use=use), ()
    except UnusableKeyError as error:
        return _Key(None, locked, label=error.name, use=error.use), ()


def _listed_key(key: _Key, certificates: Iterable[x509.Certificate]) -> ListedPrivateKey:
    if key.found is None:
        return ListedPrivateKey(key.label, key.locked, key.use)
    public_key = key.found.public_key.loaded()
    return ListedPrivateKey(
        key=name_of_key(public_key),
        locked=key.locked,
        use=key.use or _use_of(key.found),
        key_identifier=key_identifier(public_key).hex(),
        matching_certificates=tuple(number for number, each in enumerate(certificates, 1) if key.belongs_to(each)),
    )


def _use_of(key: PrivateKey) -> str:
    """Say what a private key does, or why it does nothing here."""
    public_key = key.public_key.loaded()
    technique = technique_for(public_key)
    if technique is None:
        return _ONLY_SIGNS if only_signs(kind_of_key(public_key)) else "is not supported"
    try:
        technique.identity(key, None)
    except CredentialError as error:
        return f"not usable: {error}"
    return "opens messages"


def _listed_certificate(certificate: x509.Certificate, keys: Iterable[_Key], at: datetime) -> ListedCertificate:
    from cryptography.hazmat.primitives import hashes

    public_key = public_key_in(certificate)
    oid = certificate.public_key_algorithm_oid.dotted_string
    identifier = stated_key_identifier(certificate) or (key_identifier(public_key) if public_key else None)
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return ListedCertificate(
        key=name_of_key(public_key) if public_key else name_of(oid) or oid,
        addresses=tuple(addresses_of(certificate)),
        subject=codec.name_text(subject_of(certificate)),
        issuer=codec.name_text(issuer_of(certificate)),
        serial_number=f"{certificate.serial_number:#x}",
        not_before=start,
        not_after=end,
        valid=start <= at <= end,
        key_identifier=identifier.hex() if identifier else None,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        has_private_key=_has_private_key(certificate, keys),
        profiles=tuple(_fitness(certificate, name, at) for name in PROFILES),
    )


def _has_private_key(certificate: x509.Certificate, keys: Iterable[_Key]) -> bool | None:
    if any(key.belongs_to(certificate) for key in keys):
        return True
    return None if any(key.found is None and key.use is None for key in keys) else False


def _fitness(certificate: x509.Certificate, name: str, at: datetime) -> Fitness:
    reasons = tuple(reasons_against(certificate, profile=PROFILES[name], at=at))
    return Fitness(name, not reasons, reasons)


def name_of_key(public_key: object) -> str:
    """Name the kind and size of a public key: ``RSA-3072``, ``P-256``, ``X25519``, ``ML-KEM-768``."""
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    kind = kind_of_key(public_key)
    if isinstance(public_key, rsa.RSAPublicKey | dsa.DSAPublicKey):
        return f"{kind}-{public_key.key_size}"
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        curve = curve_of(public_key)
        return curve.name if curve else public_key.curve.name
    return next((kem.name for kem in KEMS.values() if kem.name.replace("-", "") == kind), kind)
