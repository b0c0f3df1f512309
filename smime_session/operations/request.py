"""Ask a certificate authority for a certificate: a private key, and a request for its public key (PKCS#10)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from smime_session.arguments import check_passphrase
from smime_session.errors import CredentialError
from smime_session.operations.issuing import check_choices, digest_for, general_name, key_usage, named, private_key_pem
from smime_session.operations.new_identity import KEY_TYPES, parse_address

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

REQUEST_KEY_TYPES: Final = tuple(name for name, kind in KEY_TYPES.items() if kind.signs)
"""Types of key for which a certificate can be requested: a request is signed with the key itself."""


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What :func:`new_request` makes.

    Attributes:
        address: the mail address.
        private_key_pem: the private key as PKCS#8 in PEM, encrypted if a passphrase was given.
        request_pem: the request in PEM.
        request: the same.
    """

    address: str
    private_key_pem: bytes = field(repr=False)
    request_pem: bytes
    request: x509.CertificateSigningRequest


def new_request(address: str, *, key_type: str = "rsa3072", passphrase: bytes | None = None) -> NewRequest:
    """Make a private key and a request for its certificate (RFC 2986), which asks for what S/MIME needs (RFC 8550).

    Args:
        address: the mail address, nothing around it.
        key_type: a key of :data:`REQUEST_KEY_TYPES`.
        passphrase: locks the private key; None leaves it unlocked.

    Raises:
        CredentialError: an argument cannot be used.
        TypeError: an argument is of a kind that is not accepted.
    """
    check_passphrase(passphrase)
    local, domain = parse_address(address)
    if key_type not in REQUEST_KEY_TYPES:
        known = "signs no request" if key_type in KEY_TYPES else "is not known"
        raise CredentialError(f"the key type {key_type!r} {known}: choose one of {', '.join(REQUEST_KEY_TYPES)}")
    check_choices(1, passphrase)
    kind = KEY_TYPES[key_type]
    key = cast("CertificateIssuerPrivateKeyTypes", kind.generate())
    request = (
        x509.CertificateSigningRequestBuilder(named(f"{local}@{domain}"))
        .add_extension(x509.SubjectAlternativeName([general_name(local, domain)]), critical=False)
        .add_extension(key_usage(kind.key_usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .sign(key, digest_for(key))
    )
    return NewRequest(address, private_key_pem(key, passphrase), request.public_bytes(Encoding.PEM), request)
