"""From private keys to identities: what decrypts, made of what was loaded or of what a token offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smime_session.arguments import octets_in, passphrase_octets
from smime_session.errors import CredentialError
from smime_session.keys.load import load_private_keys
from smime_session.recipients.registry import kind_for

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from smime_session.certificates.certificate import AnyCertificate
    from smime_session.certificates.public_key import PublicKey
    from smime_session.keys.private_key import PrivateKey
    from smime_session.recipients.registry import Identity


def load_identities(
    data: bytes | str | os.PathLike[str],
    passphrase: bytes | str | None = None,
    *,
    ignore_certificates: bool = False,
) -> list[Identity]:
    """Return an identity for each private key in a file and each certificate there that belongs to it.

    A key without a certificate is an identity too, and one that cannot decrypt hides no other. A passphrase that is
    not needed is ignored.

    Args:
        data: PEM, DER or PKCS#12 as bytes; PEM as text; or a path (:class:`pathlib.Path`) of a file that holds one.
        passphrase: unlocks private keys and PKCS#12, as text or in UTF-8; None if there is none.
        ignore_certificates: make identities of the keys alone, which are tried on every recipient: for a message
            to a certificate that is not at hand any more, or not in the file.

    Raises:
        PassphraseError: a private key is locked and the passphrase is missing or wrong.
        CredentialError: there is no private key, and the error says what there is instead; or it is
            broken or of a kind that is not supported.
        OSError: the file cannot be read.
        TypeError: an argument is of a kind that is not accepted.
    """
    passphrase = passphrase_octets(passphrase)
    keys = [each for each in load_private_keys(octets_in(data), passphrase) if not each.private_key.only_signs]
    if not keys:
        raise CredentialError("this private key cannot decrypt mail: it is only for signing (RSASSA-PSS)")
    identities: list[Identity] = []
    problems: list[CredentialError] = []
    for key in keys:
        try:
            own: Iterable[AnyCertificate | None] = () if ignore_certificates else key.certificates
            identities += [identity_for(key.private_key, each, key.beside) for each in own or (None,)]
        except CredentialError as error:
            problems.append(error)
    if not identities:
        raise problems[0]
    return identities


def identity_for(
    private_key: PrivateKey, certificate: AnyCertificate | None = None, others: Sequence[AnyCertificate] = ()
) -> Identity:
    """Make an identity from a private key and, if it is at hand, its certificate.

    Args:
        private_key: the key, wherever it is.
        certificate: what names its owner; without one, the key is tried on every recipient.
        others: certificates among which that of a sender may be whose key is needed too (RFC 5652, 6.2.2).

    Raises:
        CredentialError: this kind of key decrypts no mail, or is not supported.
    """
    kind = kind_for(private_key.public_key)
    if kind is None:
        raise _unusable(private_key.public_key)
    return kind.identity(private_key, certificate, others)


def _unusable(public_key: PublicKey) -> CredentialError:
    if public_key.only_signs:
        return CredentialError(f"this kind of key cannot decrypt mail: {public_key.kind}")
    return CredentialError(f"this kind of key is not supported: {public_key.kind}")
