"""What a certificate or private key file holds, told without using any of it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cryptography.hazmat.primitives import hashes

from smime_session.algorithms import name_of
from smime_session.arguments import check_passphrase, moment
from smime_session.certificates.certificate import Certificate
from smime_session.certificates.files import Kind, Piece, read
from smime_session.certificates.load import certificates_in
from smime_session.certificates.names import addresses_of, subject_of
from smime_session.certificates.quiet import quietly
from smime_session.cms import codec
from smime_session.errors import CredentialError, PassphraseError
from smime_session.keys.load import found_in
from smime_session.keys.private_key import UnsupportedLockError, UnusableKeyError
from smime_session.keys.software import SoftwareKey
from smime_session.profiles import PROFILES
from smime_session.recipients.from_certificates import reasons_against
from smime_session.recipients.registry import kind_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cryptography import x509

    from smime_session.certificates.public_key import PublicKey
    from smime_session.keys.load import Found

_LABELLED: Final = re.compile(rb"-----BEGIN ([A-Z]+) PRIVATE KEY-----")
"""What older files tell of a key that is locked; ``ENCRYPTED`` tells nothing."""
_BROKEN: Final = "a broken certificate"
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
    certificates = list(map(Certificate.of, certificates_in(pieces)))
    keys: list[_Key] = []
    others = [str(piece.kind) for piece in pieces if piece.kind not in _LISTED]
    for piece in pieces:
        try:
            found, locked = _found(piece, passphrase)
        except PassphraseError:
            if passphrase:
                raise
            if piece.kind is Kind.PKCS12:
                others.append(_LOCKED_FILE)
            else:
                keys.append(_Key(None, locked=True, name=_label(piece)))
            continue
        keys += [_key(each, locked=locked) for each in found if isinstance(each, SoftwareKey | UnusableKeyError)]
        certificates += [each for each in found if isinstance(each, Certificate)]
        others += [_BROKEN for each in found if type(each) is CredentialError]
    if not keys and not certificates and _LOCKED_FILE not in others:
        raise CredentialError(f"this is {pieces[0].kind}, neither a certificate nor a private key")
    numbers: dict[PublicKey | None, list[int]] = {}
    for number, certificate in enumerate(certificates, 1):
        numbers.setdefault(certificate.public_key, []).append(number)
    owners = {key.found.public_key for key in keys if key.found}
    unknown = None if any(key.found is None and None in (key.name, key.use) for key in keys) else False
    return Listing(
        private_keys=tuple(_listed_key(key, numbers) for key in keys),
        certificates=tuple(
            _listed_certificate(each, moment(at), has_private_key=each.public_key in owners or unknown)
            for each in certificates
        ),
        others=tuple(others),
    )


class _Key(NamedTuple):
    """A private key that was unlocked, or as much as is known of one that was not, or is not usable."""

    found: SoftwareKey | None
    locked: bool
    name: str | None = None
    use: str | None = None


def _found(piece: Piece, passphrase: bytes | None) -> tuple[list[Found], bool]:
    """Return the private keys in a piece and what is beside them, and whether the passphrase was needed."""
    try:
        return found_in(piece, None), False
    except PassphraseError:
        if not passphrase:
            raise
        return found_in(piece, passphrase), True


def _label(piece: Piece) -> str | None:
    match = _LABELLED.match(piece.octets)
    return match[1].decode("ascii") if match and match[1] != b"ENCRYPTED" else None


def _key(found: SoftwareKey | UnusableKeyError, *, locked: bool) -> _Key:
    if isinstance(found, UnusableKeyError):
        return _Key(None, locked or isinstance(found, UnsupportedLockError), found.name, found.use)
    return _Key(found, locked, found.public_key.name, _use_of(found))


def _listed_key(key: _Key, numbers: Mapping[PublicKey | None, Sequence[int]]) -> ListedPrivateKey:
    if key.found is None:
        return ListedPrivateKey(key.name, key.locked, key.use)
    public_key = key.found.public_key
    matching = tuple(numbers.get(public_key, ()))
    return ListedPrivateKey(key.name, key.locked, key.use, public_key.key_identifier.hex(), matching)


def _use_of(key: SoftwareKey) -> str:
    """Say what a private key does, or why it does nothing here."""
    if kind_for(key.public_key) and not key.only_signs:
        return "opens messages"
    return "only signs" if key.only_signs or key.public_key.only_signs else "is not supported"


def _listed_certificate(certificate: Certificate, at: datetime, *, has_private_key: bool | None) -> ListedCertificate:
    whole, public_key, oid = certificate.whole, certificate.public_key, certificate.facts.algorithm
    identifier = certificate.key_identifier or (public_key.key_identifier if public_key else None)
    start, end = whole.not_valid_before_utc, whole.not_valid_after_utc
    return ListedCertificate(
        key=public_key.name if public_key else name_of(oid) or oid,
        addresses=tuple(addresses_of(whole)),
        subject=codec.name_text(subject_of(whole)),
        issuer=codec.name_text(certificate.facts.issuer),
        serial_number=f"{certificate.facts.serial_number:#x}",
        not_before=start,
        not_after=end,
        valid=start <= at <= end,
        key_identifier=identifier.hex() if identifier else None,
        fingerprint=whole.fingerprint(hashes.SHA256()).hex(":").upper(),
        has_private_key=has_private_key,
        profiles=tuple(_fitness(whole, name, at) for name in PROFILES),
    )


def _fitness(certificate: x509.Certificate, name: str, at: datetime) -> Fitness:
    reasons = tuple(reasons_against(certificate, profile=PROFILES[name], at=at))
    return Fitness(name, not reasons, reasons)
