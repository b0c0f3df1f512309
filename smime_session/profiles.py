"""What encrypting chooses, what decrypting accepts, and the limits that a user may meet, by name.

A :class:`Profile` is chosen whole (:data:`AUTO`, :data:`MODERN`, :data:`COMPAT`, :data:`PQ`) and adjusted with
:func:`dataclasses.replace`; whatever weakens it has ``insecure`` in its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from smime_session.algorithms import (
    AES_256_CBC,
    AES_256_GCM,
    RSAES_OAEP_SHA256,
    RSAES_PKCS1_V1_5,
    ContentEncryption,
    KeyTransport,
)

MAX_HEADER_SIZE: Final = 16 << 20  # octets before the sealed content: read before anything in it can be trusted
MAX_TRAILER_SIZE: Final = 1 << 20  # octets after it: attributes and tag; real ones are a few hundred
MAX_RECIPIENTS: Final = 20_000  # a large mailing list, written and read; each costs an identifier comparison
MAX_DEPTH: Final = 32  # nesting of one CMS object; real ones stay under 12
MAX_MAIL_HEADER_SIZE: Final = 1 << 20  # octets of RFC 5322 header; large providers stop at 256 KB
MAX_TRIALS: Final = 256  # wrapped keys tried for one message; see below for what each costs
MIN_RSA_BITS: Final = 2048  # RFC 8551, 4.2
MAX_RSA_BITS: Final = 8192  # larger keys serve only to keep a processor busy
MIN_TAG_SIZE: Final = 12  # octets of GCM tag accepted: RFC 5084, 3.2 allows 12 to 16
PBKDF2_ITERATIONS: Final = 600_000  # written: OWASP's advice of 2023 for HMAC-SHA-256, a tenth of a second
MIN_PBKDF2_ITERATIONS: Final = 1_000  # RFC 8018, 4.2; enough only for a password that is as random as a key
MAX_PBKDF2_ITERATIONS: Final = (
    10_000_000  # for one message, all passwords together: 1.7 seconds; 16 as they are written
)
MAX_ENCRYPTED_KEY_SIZE: Final = 4096  # octets of one wrapped key: RSA-8192 makes 1,024
MAX_ORIGINATOR_CERTIFICATES: Final = 32  # in a message whose sender names one: a chain or two; each is loaded
MAX_ORIGINATOR_CERTIFICATE_SIZE: Final = 64 << 10  # octets of one; real ones have 2,000, post-quantum ones 50,000

# A private key without its certificate tries whatever may be for it, and the author of a message chooses how much
# that is. One trial is a private-key operation (0.2 ms with RSA-2048, 1.2 ms with RSA-4096, 22 ms with RSA-8192, less
# than 1 ms with any curve) and one pass of the cipher over the content: MAX_TRIALS are seconds of work with the
# slowest key there is, or with 25 MB of content. A trial of a password costs hundreds of times as much, and so
# passwords are limited by their iterations too.

Identifier = Literal["issuer-serial", "key-identifier"]
"""How a recipient is named in the envelope (RFC 5652, 6.2.1)."""


_GUARDS: Final = ("insecure_expired", "insecure_key_usage", "insecure_extended_key_usage", "insecure_key_size")


def _check_switches(choices: Profile | Policy, *names: str) -> None:
    for name in names:
        switch = getattr(choices, name)
        if not isinstance(switch, bool):
            raise TypeError(f"{name} is True or False, not {switch!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What encrypting chooses.

    Attributes:
        name: the name on the command line.
        content: the content-encryption algorithm; None for the best that every recipient is known to read: AES-256-GCM,
            or else AES-256-CBC, which every mail program reads.
        rsa: how the session key is wrapped for an RSA key; None for RSAES-OAEP where the certificate announces it
            (RFC 4262), or else RSAES-PKCS1-v1_5.
        identifier: how a recipient is named in the envelope (RFC 5652, 6.2.1).
        share_ephemeral: make one ephemeral key per message and curve, and use it for all recipients on that
            curve, instead of one for each.
        derived_content_key: derive the content key from the session key and the algorithm's identifier, which
            keeps anybody from exchanging the algorithm (RFC 9709); older readers cannot open it.
        encapsulation: whether keys of ML-KEM may be used; older readers do not know them.
        post_quantum_only: refuse every recipient without a key of ML-KEM, those with a password or a shared
            key too: one key that a quantum computer breaks gives the message away to those who record it today.
        insecure_expired: accept a certificate outside its validity period.
        insecure_key_usage: accept a certificate whose key usage does not allow encrypting keys, and a certificate
            authority's.
        insecure_extended_key_usage: accept one whose extended key usage does not allow mail.
        insecure_key_size: accept an RSA key under 2048 bits (1024 at least).
    """

    name: str
    content: ContentEncryption | None
    rsa: KeyTransport | None
    identifier: Identifier = "issuer-serial"
    share_ephemeral: bool = True
    derived_content_key: bool = False
    encapsulation: bool = True
    post_quantum_only: bool = False
    insecure_expired: bool = False
    insecure_key_usage: bool = False
    insecure_extended_key_usage: bool = False
    insecure_key_size: bool = False

    def __post_init__(self) -> None:
        """Check what a misspelt or mistaken choice would change in silence.

        Raises:
            TypeError: a choice is none that there is.
        """
        if not isinstance(self.content, ContentEncryption | None):
            raise TypeError(
                f"content is an algorithm like AES_256_GCM, not an object of type {type(self.content).__name__}"
            )
        if not isinstance(self.rsa, KeyTransport | None):
            raise TypeError(
                f"rsa is an algorithm like RSAES_OAEP_SHA256, not an object of type {type(self.rsa).__name__}"
            )
        if self.identifier not in get_args(Identifier):
            raise TypeError(f"identifier is {' or '.join(map(repr, get_args(Identifier)))}, not {self.identifier!r}")
        _check_switches(self, "share_ephemeral", "derived_content_key", "encapsulation", "post_quantum_only", *_GUARDS)


AUTO: Final = Profile(name="auto", content=None, rsa=None, share_ephemeral=False)
"""Mail that its readers see: what they are known to read decides."""

MODERN: Final = Profile(name="modern", content=AES_256_GCM, rsa=RSAES_OAEP_SHA256)
"""S/MIME 4.0 readers: authenticated content (RFC 8551, 2.7.1.2) and RSAES-OAEP."""

COMPAT: Final = Profile(
    name="compat",
    content=AES_256_CBC,
    rsa=RSAES_PKCS1_V1_5,
    encapsulation=False,
    share_ephemeral=False,  # gpgsm finds the first recipient alone of those that share one
)
"""Readers before S/MIME 4.0: content that is not authenticated, and RSAES-PKCS1-v1_5."""

PQ: Final = Profile(
    name="pq", content=AES_256_GCM, rsa=RSAES_OAEP_SHA256, derived_content_key=True, post_quantum_only=True
)
"""Mail that is recorded today to be read by a quantum computer: ML-KEM keys alone (RFC 9936), RFC 9709."""

PROFILES: Final = {profile.name: profile for profile in (AUTO, MODERN, COMPAT, PQ)}
"""The profiles by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What decrypting accepts.

    Attributes:
        require_authenticated: refuse content whose algorithm does not authenticate it (CBC).
        insecure_legacy: open what is sealed or wrapped with algorithms that are broken by now.
        max_header_size: octets of CMS before the sealed content.
        max_recipients: recipients of one message.
        max_trials: wrapped keys tried for one message; each costs a private-key operation and a pass over the content.
        max_password_iterations: iterations of PBKDF2 for one message; its author chooses how many a password takes, and
            every password counts for every wrapped key that it is tried on.
    """

    require_authenticated: bool = False
    insecure_legacy: bool = False
    max_header_size: int = MAX_HEADER_SIZE
    max_recipients: int = MAX_RECIPIENTS
    max_trials: int = MAX_TRIALS
    max_password_iterations: int = MAX_PBKDF2_ITERATIONS

    def __post_init__(self) -> None:
        """Check what would be taken for something else: ``"no"`` is true.

        Raises:
            TypeError: a switch is neither True nor False, or a limit is no number.
        """
        _check_switches(self, "require_authenticated", "insecure_legacy")
        for name in ("max_header_size", "max_recipients", "max_trials", "max_password_iterations"):
            limit = getattr(self, name)
            if not isinstance(limit, int) or isinstance(limit, bool):
                raise TypeError(f"{name} is a whole number, not {limit!r}")


DEFAULT: Final = Policy()
"""What mail in the field needs, within limits no honest message meets."""
