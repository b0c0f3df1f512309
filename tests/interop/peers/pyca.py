"""The ``pkcs7`` module of cryptography, which our own library stands on but whose CMS code it does not use."""

# ruff: noqa: D102  # the methods are described where Peer declares them

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.algorithms import AES128, AES256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from smime_session.algorithms import AES_128_CBC, AES_256_CBC
from tests.interop.peers.base import Peer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.interop.keypair import Keypair
    from tests.interop.spec import Spec

CIPHERS: Final[dict[str, type[AES128 | AES256]]] = {AES_128_CBC.oid: AES128, AES_256_CBC.oid: AES256}
ENCODINGS: Final = {"der": Encoding.DER, "pem": Encoding.PEM, "mail": Encoding.SMIME}
OPENERS: Final = {
    "der": pkcs7.pkcs7_decrypt_der,
    "pem": pkcs7.pkcs7_decrypt_pem,
    "mail": pkcs7.pkcs7_decrypt_smime,
}


class Pyca(Peer):
    """Writes and reads AES-128-CBC and AES-256-CBC with RSAES-PKCS1-v1_5, issuer and serial number, in DER.

    It reads PEM only under the older label ``PKCS7``, which it also writes.
    """

    name = "cryptography"

    def needs(self) -> Sequence[Path | str]:
        return []

    def can_write(self, spec: Spec) -> bool:
        ordinary = spec.transport.hash is None and spec.identifier == "issuer-serial"
        return spec.content.oid in CIPHERS and ordinary and not spec.stream

    def can_read(self, spec: Spec) -> bool:
        return spec.form != "pem" and self.can_write(spec)

    def encrypt(self, content: bytes, recipients: Sequence[Keypair], spec: Spec) -> bytes:
        builder = pkcs7.PKCS7EnvelopeBuilder().set_data(content)
        builder = builder.set_content_encryption_algorithm(CIPHERS[spec.content.oid])
        for keypair in recipients:
            builder = builder.add_recipient(keypair.certificate)
        return builder.encrypt(ENCODINGS[spec.form], [pkcs7.PKCS7Options.Binary])

    def decrypt(self, envelope: bytes, keypair: Keypair, spec: Spec) -> bytes:
        assert isinstance(keypair.private_key, rsa.RSAPrivateKey)
        return OPENERS[spec.form](envelope, keypair.certificate, keypair.private_key, [])
