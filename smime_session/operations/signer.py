"""Who signs: a private key with its certificate, checked before anything is signed with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from smime_session.algorithms import RSASSA_PSS_OID, SignatureAlgorithm
from smime_session.arguments import check_certificate, moment, octets_in, passphrase_octets, wrong_kind
from smime_session.certificates.library import public_key_in
from smime_session.certificates.names import (
    addresses_of,
    describe,
    extension_among,
    extensions_of,
    issuer_of,
    same_mailbox,
    subject_of,
)
from smime_session.certificates.public_key import RSA, PublicKey
from smime_session.certificates.quiet import quietly
from smime_session.errors import CredentialError, RecipientError, SignerError
from smime_session.keys.load import load_private_keys
from smime_session.mail.addresses import addresses_in
from smime_session.profiles import MIN_RSA_BITS
from smime_session.recipients.from_certificates import recipient_for
from smime_session.text import excerpt

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from smime_session.algorithms import DigestName
    from smime_session.keys.load import LoadedKey
    from smime_session.keys.private_key import PrivateKey
    from smime_session.mail.fields import Field

MAX_CHAIN: Final = 8  # issuers that go with a signature: chains of mail have one to three

_BY_CURVE: Final[dict[str, DigestName]] = {
    "P-384": "SHA-384",
    "brainpoolP384r1": "SHA-384",
    "P-521": "SHA-512",
    "brainpoolP512r1": "SHA-512",
}
"""The hash function that is as strong as a curve (RFC 5753, 7.1.5), where it is not SHA-256."""

Reason = tuple[str, str]
"""What would lift an objection, and the objection, following on "the certificate"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signs.

    Attributes:
        private_key: the key, in memory or in a token.
        certificate: its certificate.
        chain: the certificates of its issuers, which travel with the signature; a root is left out.
        encryption_certificate: the certificate that others are to encrypt for, where that is another one.
        algorithm: how to sign; None chooses by the key: RSASSA-PKCS1-v1_5 with SHA-256, which all programs read,
            RSASSA-PSS for a key that is for it alone, ECDSA with a hash as strong as the curve, EdDSA, ML-DSA.
        announce: whether to say with each signature what this package reads (RFC 8551, 2.5.2), which senders then
            choose; who reads with another mail program announces nothing.
        insecure_expired: sign outside the certificate's validity.
        insecure_key_usage: sign although its key usage does not allow it.
        insecure_extended_key_usage: sign although it is not for mail.
        insecure_key_size: sign with an RSA key under 2048 bits.
        insecure_address: sign mail from an address that is not in it.
    """

    private_key: PrivateKey = field(repr=False)
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()
    encryption_certificate: x509.Certificate | None = None
    algorithm: SignatureAlgorithm | None = None
    announce: bool = True
    insecure_expired: bool = False
    insecure_key_usage: bool = False
    insecure_extended_key_usage: bool = False
    insecure_key_size: bool = False
    insecure_address: bool = False

    def __post_init__(self) -> None:
        """Check that key and certificate belong together.

        Raises:
            CredentialError: they do not, or the key cannot sign.
            TypeError: an argument is of a kind that is not accepted.
        """
        if not hasattr(self.private_key, "sign"):
            raise wrong_kind("a private key is an object with a method sign", self.private_key)
        for certificate in (self.certificate, *self.chain):
            check_certificate(certificate)
        if self.algorithm is not None and not isinstance(self.algorithm, SignatureAlgorithm):
            raise wrong_kind("an algorithm is a SignatureAlgorithm", self.algorithm)
        found = public_key_in(self.certificate)
        if found is None or PublicKey.of(found) != self.private_key.public_key:
            raise CredentialError(f"the private key does not belong to the certificate of {describe(self.certificate)}")

    @property
    def how(self) -> SignatureAlgorithm:
        """How it signs.

        Raises:
            CredentialError: keys of this kind do not sign.
        """
        return self.algorithm or default_algorithm(self.private_key.public_key, self.certificate)

    def check_mail(self, fields: Sequence[Field], at: datetime | None = None) -> None:
        """Refuse to sign a mail whose readers would not accept it.

        Args:
            fields: its header fields.
            at: the moment of signing, with its time zone; now if not given.

        Raises:
            SignerError: something is against it.
            MessageError: something in From is no address.
        """
        authors = (addresses_in(raw.partition(b":")[2], "From") for name, raw in fields if name == "from")
        self.check([address for each in authors for address in each], at)

    def check(self, senders: Iterable[str] = (), at: datetime | None = None) -> None:
        """Refuse to sign what readers would not accept.

        Args:
            senders: the addresses in From.
            at: the moment of signing, with its time zone; now if not given.

        Raises:
            SignerError: something is against it.
        """
        found = [*_outside_validity(self.certificate, moment(at)), *objections(self.certificate)]
        own = _addresses_of(self.certificate)
        for sender in senders:
            if not any(same_mailbox(sender, each) for each in own):
                others = ", ".join(map(excerpt, own)) or "none"
                found.append(("insecure_address", f"is not for {excerpt(sender)}, who sends the mail: it has {others}"))
        left = [(option, reason) for option, reason in found if not getattr(self, option, False)]
        if left:
            options = {option for option, _ in left}
            sole = options.pop() if len(options) == 1 else ""
            reasons = [reason for _, reason in left]
            raise SignerError(describe(self.certificate), reasons, option=sole or None)


def default_algorithm(key: PublicKey, certificate: x509.Certificate | None = None) -> SignatureAlgorithm:
    """Return how a key signs where nothing is said.

    Raises:
        CredentialError: keys of its kind do not sign.
    """
    if key.kind == RSA:
        only_pss = certificate is not None and certificate.public_key_algorithm_oid.dotted_string == RSASSA_PSS_OID
        return SignatureAlgorithm("RSASSA-PSS" if only_pss else "RSASSA-PKCS1-v1_5", "SHA-256")
    if key.kind in {"Ed25519", "Ed448"}:
        return SignatureAlgorithm("EdDSA")
    if key.kind.startswith("MLDSA"):
        return SignatureAlgorithm("ML-DSA")
    if key.kind in {"P-256", "brainpoolP256r1", *_BY_CURVE}:
        return SignatureAlgorithm("ECDSA", _BY_CURVE.get(key.kind, "SHA-256"))
    raise CredentialError(f"this kind of key cannot sign mail: {key.kind}")


def content_digest(algorithm: SignatureAlgorithm, key: PublicKey) -> DigestName:
    """Return the hash function for the content of what a key signs (RFC 8419, 3.1; RFC 9882, 3.3)."""
    return algorithm.hash or ("SHAKE256" if key.kind == "Ed448" else "SHA-512")


def _outside_validity(certificate: x509.Certificate, at: datetime) -> Iterator[Reason]:
    if at < certificate.not_valid_before_utc:
        yield "insecure_expired", f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    if at > certificate.not_valid_after_utc:
        yield "insecure_expired", f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}"


@lru_cache(maxsize=64)  # who signs, and who writes, does so more than once
@quietly()
def objections(certificate: x509.Certificate) -> tuple[Reason, ...]:
    """Say why a certificate must not sign mail, whenever and for whomever; nothing if it may (RFC 8550, 4.4).

    One that does not say what it is for is for anything.
    """
    return tuple(_objections(certificate))


_addresses_of: Final = lru_cache(maxsize=64)(addresses_of)  # likewise


def _objections(certificate: x509.Certificate) -> Iterator[Reason]:
    found = public_key_in(certificate)
    if found is None:
        yield "", "has a public key that cannot be read"
        return
    key = PublicKey.of(found)
    try:
        default_algorithm(key)
    except CredentialError:
        yield "", f"has a kind of key that cannot sign mail: {key.kind}"
    if key.kind == RSA and key.bits < MIN_RSA_BITS:
        yield "insecure_key_size", f"has an RSA key of {key.bits} bits, less than {MIN_RSA_BITS}"
    extensions = extensions_of(certificate)
    if extensions is None:
        yield "", "has an extension that cannot be read"
        return
    usage = extension_among(extensions, x509.KeyUsage)
    if usage is not None and not (usage.digital_signature or usage.content_commitment):
        yield "insecure_key_usage", "is not for signing: its key usage lacks digitalSignature"
    purposes = extension_among(extensions, x509.ExtendedKeyUsage)
    mail = {ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if purposes is not None and mail.isdisjoint(purposes):
        yield "insecure_extended_key_usage", "is not for mail: its extended key usage lacks emailProtection"


def load_signer(
    data: bytes | str | os.PathLike[str], passphrase: bytes | str | None = None, *, at: datetime | None = None
) -> Signer:
    """Return who signs with a file: a private key in it with its certificate, and the certificates of its issuers.

    Of several key pairs, the one whose certificate is for signing is taken; of several such, the newest. Where its
    certificate is not for encryption and that of another key pair in the file is, others are told to encrypt for that.

    Args:
        data: PEM, DER or PKCS#12 as bytes; PEM as text; or a path (:class:`pathlib.Path`) of a file that holds one.
        passphrase: unlocks private keys and PKCS#12, as text or in UTF-8; None if there is none.
        at: the moment at which the certificate must be valid, with its time zone; now if not given.

    Raises:
        PassphraseError: a private key is locked and the passphrase is missing or wrong.
        CredentialError: no private key in it has a certificate beside it, or none that can sign.
        TypeError: an argument is of a kind that is not accepted.
    """
    at = moment(at)
    keys = load_private_keys(octets_in(data), passphrase_octets(passphrase))
    pairs = [(key, certificate.whole) for key in keys for certificate in key.certificates]
    if not pairs:
        raise CredentialError("the private key has no certificate beside it, without which it cannot sign mail")
    key, certificate = max(pairs, key=lambda pair: _preference(pair[1], at))
    beside = [each.whole for each in key.beside]
    return Signer(
        private_key=key.private_key,
        certificate=certificate,
        chain=chain_of(certificate, beside),
        encryption_certificate=_for_encryption(certificate, pairs, at),
    )


def _preference(certificate: x509.Certificate, at: datetime) -> tuple[bool, bool, datetime]:
    current = not any(_outside_validity(certificate, at))
    return not objections(certificate), current, certificate.not_valid_before_utc


def _for_encryption(
    certificate: x509.Certificate, pairs: Sequence[tuple[LoadedKey, x509.Certificate]], at: datetime
) -> x509.Certificate | None:
    """Return the certificate to encrypt for, if the one that signs is not for that and another is."""
    if _may_encrypt(certificate, at):
        return None
    own = addresses_of(certificate)
    fit = [
        each
        for _, each in pairs
        if any(same_mailbox(one, other) for one in own for other in addresses_of(each)) and _may_encrypt(each, at)
    ]
    return max(fit, key=lambda each: each.not_valid_before_utc, default=None)


def _may_encrypt(certificate: x509.Certificate, at: datetime) -> bool:
    try:
        recipient_for(certificate, at=at)
    except RecipientError:
        return False
    return True


@quietly()
def chain_of(certificate: x509.Certificate, others: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Return the issuers of a certificate among others, the nearest first, without a root."""
    found: list[x509.Certificate] = []
    current = certificate
    while len(found) < MAX_CHAIN:
        name = issuer_of(current)
        issuer = next((each for each in others if subject_of(each) == name and _issued(each, current)), None)
        if issuer is None or issuer in found or issuer_of(issuer) == subject_of(issuer):
            break
        found.append(issuer)
        current = issuer
    return tuple(found)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
