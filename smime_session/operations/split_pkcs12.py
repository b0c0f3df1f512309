"""Split a PKCS#12 file, as browsers and Windows export one, into private keys and certificates in PEM."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from smime_session.arguments import check_octets, check_passphrase
from smime_session.certificates.certificate import Certificate
from smime_session.certificates.files import Kind, read
from smime_session.certificates.names import addresses_of, key_of
from smime_session.certificates.public_key import PublicKey
from smime_session.certificates.quiet import quietly
from smime_session.errors import CredentialError
from smime_session.keys import pkcs12
from smime_session.keys.software import SoftwareKey
from smime_session.operations.issuing import check_choices, private_key_pem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509


@dataclass(frozen=True, slots=True)
class SplitPkcs12:
    """What :func:`split_pkcs12` finds.

    Attributes:
        private_keys_pem: the private keys as PKCS#8 in PEM, each with the certificates that belong to it.
        certificates_pem: the certificates that belong to a private key, in PEM.
        issuers_pem: all others, such as those of issuers, in PEM; empty if there are none.
        certificates: those that belong to a private key.
        addresses: the mail addresses in them.
    """

    private_keys_pem: bytes = field(repr=False)
    certificates_pem: bytes
    issuers_pem: bytes
    certificates: tuple[x509.Certificate, ...]
    addresses: tuple[str, ...]


@quietly()
def split_pkcs12(data: bytes, passphrase: bytes | None = None, *, lock: bytes | None = None) -> SplitPkcs12:
    """Split a PKCS#12 file (RFC 7292) into what other programs take.

    Args:
        data: the file.
        passphrase: that of the file, as text in UTF-8; None for one that is locked with the empty one, or not at all.
        lock: the passphrase that locks each private key anew; None leaves them unlocked.

    Raises:
        PassphraseError: the passphrase is missing or wrong.
        CredentialError: it is another kind of file; or it holds no private key that can be used, or one without its
            certificate.
        TypeError: an argument is of a kind that is not accepted.
    """
    check_octets(data, "what a file holds")
    check_passphrase(passphrase)
    check_passphrase(lock)
    check_choices(1, lock)
    pieces = read(data)
    if [piece.kind for piece in pieces] != [Kind.PKCS12]:
        raise CredentialError(f"this is {pieces[0].kind}, not a PKCS#12 file")
    found = pkcs12.load(pieces[0].octets, passphrase)
    if refused := next((each for each in found if isinstance(each, CredentialError)), None):
        raise refused
    certificates = [each.whole for each in dict.fromkeys(found) if isinstance(each, Certificate)]
    by_key: dict[PublicKey, list[x509.Certificate]] = {}
    for certificate in certificates:
        by_key.setdefault(PublicKey.from_info(key_of(certificate)), []).append(certificate)
    keys = {each.public_key: each for each in found if isinstance(each, SoftwareKey)}
    if not keys:
        raise CredentialError("the PKCS#12 file holds no private key")
    if not all(by_key.get(key) for key in keys):
        raise CredentialError("the PKCS#12 file holds a private key without its certificate")
    own = [certificate for key in keys for certificate in by_key[key]]
    return SplitPkcs12(
        private_keys_pem=b"".join(
            private_key_pem(key.loaded, lock) + _pem(by_key[public]) for public, key in keys.items()
        ),
        certificates_pem=_pem(own),
        issuers_pem=_pem(each for each in certificates if each not in own),
        certificates=tuple(own),
        addresses=tuple(dict.fromkeys(address for each in own for address in addresses_of(each))),
    )


def _pem(certificates: Iterable[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
