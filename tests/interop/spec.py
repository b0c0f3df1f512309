"""What an envelope is like, in the words that every peer understands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from smime_session.algorithms import (
    AES_128_CBC,
    AES_128_GCM,
    AES_192_CBC,
    AES_192_GCM,
    AES_256_CBC,
    AES_256_GCM,
    CHACHA20_POLY1305,
    DES_EDE3_CBC,
    RC2_CBC,
    RSAES_OAEP_SHA1,
    RSAES_OAEP_SHA256,
    RSAES_OAEP_SHA384,
    RSAES_OAEP_SHA512,
    RSAES_PKCS1_V1_5,
    ContentEncryption,
    KeyTransport,
)


@dataclass(frozen=True, slots=True)
class Spec:
    """One way to write an envelope.

    Attributes:
        content: the content-encryption algorithm.
        transport: how the session key is encrypted for an RSA key.
        identifier: how a recipient is named.
        form: a bare CMS object (``der`` whether or not it is DER), PEM around it, or a mail.
        stream: indefinite lengths, as whoever does not know the content's size must write them.
    """

    content: ContentEncryption = AES_256_GCM
    transport: KeyTransport = RSAES_OAEP_SHA256
    identifier: Literal["issuer-serial", "key-identifier"] = "issuer-serial"
    form: Literal["der", "pem", "mail"] = "der"
    stream: bool = False

    def __str__(self) -> str:
        """Name it as a test id, without what is ordinary."""
        parts = [self.content.name, self.transport.name.replace(" with ", "-").replace(", ", "-").replace(" ", "-")]
        parts += [f"label-{self.transport.label.hex()}"] if self.transport.label else []
        parts += [self.identifier] if self.identifier != "issuer-serial" else []
        return "_".join([*parts, self.form, *(["stream"] if self.stream else [])])


AES: Final = (AES_128_GCM, AES_192_GCM, AES_256_GCM, AES_128_CBC, AES_192_CBC, AES_256_CBC)
LEGACY: Final = (DES_EDE3_CBC, RC2_CBC)
TRANSPORTS: Final = (
    RSAES_PKCS1_V1_5,
    RSAES_OAEP_SHA1,
    RSAES_OAEP_SHA256,
    RSAES_OAEP_SHA384,
    RSAES_OAEP_SHA512,
)

MODERN: Final = Spec()
COMPAT: Final = Spec(AES_256_CBC, RSAES_PKCS1_V1_5)
CLASSIC: Final = Spec(AES_128_CBC, RSAES_PKCS1_V1_5)

ALGORITHMS: Final = tuple(Spec(content, transport) for content in AES for transport in TRANSPORTS)
"""AES in each mode and size with every key transport."""

CHACHA20: Final = tuple(Spec(CHACHA20_POLY1305, stream=stream) for stream in (False, True))

WEAK: Final = tuple(Spec(content, RSAES_PKCS1_V1_5, stream=stream) for content in LEGACY for stream in (False, True))
"""What older programs sent, which nobody should write any more."""

ODD_OAEP: Final = (
    Spec(transport=KeyTransport("SHA-256", "SHA-1")),
    Spec(transport=KeyTransport("SHA-1", "SHA-256")),
    Spec(transport=KeyTransport("SHA-512", "SHA-384", b"\x00label")),
)
"""RSAES-OAEP with two hash functions, which some programs default to, and with a label."""

SHAPES: Final = tuple(
    Spec(base.content, base.transport, identifier, form, stream)
    for base in (MODERN, COMPAT)
    for identifier in ("issuer-serial", "key-identifier")
    for form in ("der", "pem", "mail")
    for stream in (False, True)
)
"""Every identifier, form and kind of length, with the two profiles' algorithms."""
