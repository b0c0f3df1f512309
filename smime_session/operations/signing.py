"""One signature in the making: content is hashed as it passes, and signed when all of it has."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding

from smime_session.algorithms import CEK_HKDF_SHA256_OID, DATA
from smime_session.arguments import moment
from smime_session.certificates.certificate import Certificate
from smime_session.certificates.names import issuer_of
from smime_session.certificates.public_key import RSA
from smime_session.certificates.signatures import new_digest
from smime_session.cms import asn1, capabilities, signed_attributes
from smime_session.cms.signature_algorithm import digest_identifier, encode
from smime_session.cms.signed import CONTENT_END, INDEFINITE_END, SignedTrailer, SignerInfo, signed_end, signed_start
from smime_session.cms.signed_attributes import CertificateHash, SignedAttributes
from smime_session.cms.values import AlgorithmIdentifier, IssuerAndSerialNumber
from smime_session.mail.line_endings import CRLF
from smime_session.mail.transfer import base64_blocks, encode_base64
from smime_session.operations.signer import content_digest
from smime_session.recipients.registry import key_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from cryptography import x509

    from smime_session.mail.blocks import Block
    from smime_session.operations.signer import Signer


OPAQUE_FIELDS: Final = (
    b"Content-Type: application/pkcs7-mime; smime-type=signed-data;",
    b' name="smime.p7m"',
    b"Content-Transfer-Encoding: base64",
    b'Content-Disposition: attachment; filename="smime.p7m"',
    b"",
    b"",
)
"""The ``Content-*`` fields of an opaque signature, and the blank line (RFC 8551, 3.5.2)."""


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
        signer = self._signer
        fixed = _fixed(signer.certificate, signer.encryption_certificate, signer.chain, announce=signer.announce)
        said = SignedAttributes(DATA, self._hashed.finalize(), self._at)
        attributes = signed_attributes.encode(said, fixed.attributes)
        info = SignerInfo(
            fixed.name,
            self.digest,
            attributes,
            encode(self._algorithm, signer.private_key.public_key.algorithm),
            signer.private_key.sign(attributes, self._algorithm),
        )
        return SignedTrailer(fixed.certificates, (), (info,))


class _Fixed(NamedTuple):
    """What is the same in all signatures of a signer.

    Attributes:
        name: how they name the certificate.
        attributes: the attributes about it, encoded.
        certificates: those that go along, in DER.
    """

    name: IssuerAndSerialNumber
    attributes: tuple[bytes, ...]
    certificates: tuple[bytes, ...]


@lru_cache(maxsize=64)
def _fixed(
    certificate: x509.Certificate,
    beside: x509.Certificate | None,
    chain: tuple[x509.Certificate, ...],
    *,
    announce: bool,
) -> _Fixed:
    der = certificate.public_bytes(Encoding.DER)
    fingerprint = new_digest("SHA-256")
    fingerprint.update(der)
    about = SignedAttributes(
        certificates=(CertificateHash("SHA-256", fingerprint.finalize()),),
        capabilities=_announced(beside or certificate) if announce else None,
        encryption_key=None if beside is None else _named(beside),
    )
    others = [each.public_bytes(Encoding.DER) for each in (*chain, *(() if beside is None else (beside,)))]
    return _Fixed(_named(certificate), signed_attributes.encoded(about), tuple(dict.fromkeys([der, *others])))


def _announced(certificate: x509.Certificate) -> tuple[AlgorithmIdentifier, ...]:
    """Return what is read here of what is encrypted for a certificate (RFC 8551, 2.5.2; RFC 9709, 5)."""
    key = Certificate.of(certificate).public_key
    name = "" if key is None else "rsa3072" if key.kind == RSA else key.kind.replace("-", "").lower()
    kind = key_types().get(name)
    derived = AlgorithmIdentifier(CEK_HKDF_SHA256_OID)
    return (*capabilities.CONTENT, derived, *(kind.capabilities if kind else ()))


def _named(certificate: x509.Certificate) -> IssuerAndSerialNumber:
    return IssuerAndSerialNumber(issuer_of(certificate), certificate.serial_number)


def signed_entity(entity: bytes, signer: Signer) -> bytes:
    """Return a MIME entity that holds ``entity`` signed, in DER.

    Raises:
        CredentialError: the key does not sign so.
    """
    signing = Signing(signer, moment(None))
    signing.update(entity)
    end = signed_end(signing.finish())
    signed = b"".join((signed_start(signing.digest, len(entity), len(end)), entity, end))
    return CRLF.join(OPAQUE_FIELDS) + encode_base64(signed)


def signed_entity_blocks(entity: Iterable[Block], signer: Signer) -> Iterator[Block]:
    """Yield an entity that holds one of unknown size signed, in BER.

    Raises:
        CredentialError: the key does not sign so.
    """
    yield CRLF.join(OPAQUE_FIELDS)
    yield from filter(None, base64_blocks(_signed_blocks(entity, Signing(signer, moment(None)))))


def _signed_blocks(entity: Iterable[Block], signing: Signing) -> Iterator[Block]:
    yield signed_start(signing.digest, None, 0)
    for block in entity:
        if block:
            signing.update(block)
            yield asn1.begin(asn1.OCTET_STRING, len(block))
            yield block
    yield CONTENT_END + signed_end(signing.finish()) + INDEFINITE_END
