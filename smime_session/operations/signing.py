"""One signature in the making: content is hashed as it passes, and signed when all of it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from smime_session.algorithms import DATA
from smime_session.certificates.names import issuer_of
from smime_session.certificates.signatures import new_digest
from smime_session.cms import capabilities, signed_attributes
from smime_session.cms.signature_algorithm import digest_identifier, encode
from smime_session.cms.signed import SignedTrailer, SignerInfo
from smime_session.cms.signed_attributes import CertificateHash, SignedAttributes
from smime_session.cms.values import IssuerAndSerialNumber
from smime_session.operations.signer import content_digest

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from smime_session.mail.blocks import Block
    from smime_session.operations.signer import Signer


class Signing:
    """Hashes content and signs it.

    Args:
        signer: who signs; checked already.
        at: when.

    Attributes:
        hash: the name of the hash function.
        digest: its AlgorithmIdentifier.

    Raises:
        CredentialError: keys of this kind do not sign.
    """

    def __init__(self, signer: Signer, at: datetime) -> None:
        self._signer = signer
        self._at = at
        self._algorithm = signer.how
        self.hash = content_digest(self._algorithm, signer.private_key.public_key)
        self.digest = digest_identifier(self.hash)
        self._hashed = new_digest(self.hash)

    def update(self, block: Block) -> None:
        """Hash the next octets of the content."""
        self._hashed.update(block)

    def finish(self) -> SignedTrailer:
        """Sign what was hashed.

        Raises:
            CredentialError: the key does not sign so.
        """
        signer, certificate = self._signer, self._signer.certificate
        der = certificate.public_bytes(Encoding.DER)
        fingerprint = new_digest("SHA-256")
        fingerprint.update(der)
        beside = signer.encryption_certificate
        attributes = signed_attributes.encode(
            SignedAttributes(
                content_type=DATA,
                message_digest=self._hashed.finalize(),
                signing_time=self._at,
                certificates=(CertificateHash("SHA-256", fingerprint.finalize()),),
                capabilities=capabilities.CONTENT,
                encryption_key=None if beside is None else _named(beside),
            )
        )
        info = SignerInfo(
            _named(certificate),
            self.digest,
            attributes,
            encode(self._algorithm, signer.private_key.public_key.algorithm),
            signer.private_key.sign(attributes, self._algorithm),
        )
        others = [*signer.chain, *([beside] if beside is not None else [])]
        certificates = dict.fromkeys([der, *(each.public_bytes(Encoding.DER) for each in others)])
        return SignedTrailer(tuple(certificates), (), (info,))


def _named(certificate: x509.Certificate) -> IssuerAndSerialNumber:
    return IssuerAndSerialNumber(issuer_of(certificate), certificate.serial_number)
