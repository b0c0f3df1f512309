"""Readers with keys of every kind, and messages for them that can be taken apart."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import smime_session
from smime_session import (
    MODERN,
    DecryptionError,
    Identity,
    NoMatchError,
    Password,
    PresharedKey,
    Profile,
    Recipient,
    decrypt,
)
from smime_session.algorithms import AES_256_CBC, AES_256_GCM
from smime_session.cms import asn1, codec, content_algorithm
from smime_session.cms.envelope import EnvelopeReader
from smime_session.cms.values import ContentParameters, EnvelopeHeader, EnvelopeTrailer
from smime_session.content import SLACK, sealed_size, sealer
from smime_session.mail.detection import open_message
from smime_session.recipients.registry import wrap_all

if TYPE_CHECKING:
    from cryptography import x509

MAIL: Final = b"From: a@example.org\r\nSubject: hello\r\nX-Odd:  kept \r\n\r\nGood morning\r\n"
KINDS: Final = {"rsa": "rsa3072", "ec": "p256", "other-ec": "p256", "x25519": "x25519", "ml-kem": "mlkem768"}
QUICK: Final = 1000  # iterations of PBKDF2, for tests


@dataclass(frozen=True)
class Reader:
    """Somebody who can be addressed and can read."""

    name: str
    recipient: Recipient | x509.Certificate
    identities: list[Identity] = field(repr=False)

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate, of those who have one."""
        assert not hasattr(self.recipient, "wrap")
        return self.recipient


def new_reader(name: str, kind: str, *, announce: bool = True) -> Reader:
    """Make somebody with a new key, whose certificate announces what is read here or does not."""
    made = smime_session.new_identity(f"{name}@example.org", key_type=kind, announce=announce)
    certificate = smime_session.load_certificates(made.certificate_pem)[0]
    return Reader(name, certificate, smime_session.load_identities(made.private_key_pem + made.certificate_pem))


def _readers() -> dict[str, Reader]:
    people = {name: new_reader(name, kind) for name, kind in KINDS.items()}
    password = Password("correct horse", iterations=QUICK)
    shared = PresharedKey(bytes(range(32)), b"ours")
    return {
        **people,
        "password": Reader("password", password, [password]),
        "shared": Reader("shared", shared, [shared]),
    }


READERS: Final = _readers()
RSA, EC, OTHER_EC, X25519, ML_KEM, PASSWORD, SHARED = READERS.values()


@dataclass(frozen=True)
class Sealed:
    """What must not change in a message, and what may."""

    header: EnvelopeHeader
    ciphertext: bytes
    trailer: EnvelopeTrailer
    indefinite: bool
    constructed: bool

    @property
    def unchanging(self) -> tuple[object, ...]:
        """Everything but the recipients and the version."""
        header = self.header
        outside = (header.content_type, header.inner_content_type, header.content_encryption, header.originator_info)
        return (*outside, self.ciphertext, self.trailer)

    @property
    def wrapped(self) -> set[bytes]:
        """The recipient infos."""
        return {wrapped.encoded for wrapped in self.header.wrapped_keys}


def parts_of(message: bytes) -> Sealed:
    """Take a message apart."""
    incoming = open_message(io.BytesIO(message).read)
    reader = EnvelopeReader(incoming.next_block, smime_session.DEFAULT)
    ciphertext = b"".join(bytes(piece) for piece in reader.ciphertext())
    trailer = reader.trailer()
    return Sealed(reader.header, ciphertext, trailer, reader.indefinite, reader.constructed)


def sealed_for(
    *readers: Reader, form: str = "mail", profile: Profile = MODERN, content: bytes = MAIL, pipe: bool = False
) -> bytes:
    """Return a message for some readers, in a form."""
    source, target = (Pipe if pipe else io.BytesIO)(content), io.BytesIO()
    recipients = [reader.recipient for reader in readers]
    smime_session.encrypt_stream(source, target, recipients, profile=profile, form=form)  # type: ignore[arg-type]
    return target.getvalue()


class Pipe(io.BytesIO):
    """A source that cannot seek."""

    def seekable(self) -> bool:
        """Say so."""
        return False

    def seek(self, *_: object) -> int:
        """Refuse."""
        raise io.UnsupportedOperation("seek")

    def tell(self) -> int:
        """Refuse."""
        raise io.UnsupportedOperation("tell")


def opens(message: bytes, reader: Reader) -> bool:
    """Tell whether a reader opens a message."""
    try:
        decrypt(message, reader.identities)
    except (NoMatchError, DecryptionError):
        return False
    return True


def _attributes(tag: int, *values: bytes) -> bytes:
    oid = asn1.object_identifier("1.2.840.113549.1.9.25.3")
    members = [
        asn1.encode(asn1.SEQUENCE, oid, asn1.encode(asn1.SET, asn1.encode(asn1.OCTET_STRING, each))) for each in values
    ]
    return asn1.encode(tag, *sorted(members))


def with_attributes(
    *recipients: Recipient, authenticated: bool, originator: bytes | None = None, definite: bool = True
) -> bytes:
    """Make an envelope with attributes of both kinds, and perhaps originator information."""
    algorithm = AES_256_GCM if authenticated else AES_256_CBC
    parameters = ContentParameters(algorithm, os.urandom(algorithm.nonce_size), algorithm.tag_size)
    covered = _attributes(asn1.SET, b"covered", b"too") if authenticated else b""
    with smime_session.SessionKey.generate(32) as key:
        wrapped = wrap_all(recipients, key)
        stream = sealer(parameters, key, covered)
        buffer = memoryview(bytearray(len(MAIL) + SLACK))
        size = stream.update_into(MAIL, buffer)
        last, tag = stream.finish()
    ciphertext = bytes(buffer[:size]) + last
    assert len(ciphertext) == sealed_size(algorithm, len(MAIL))
    content_type = (
        smime_session.algorithms.AUTH_ENVELOPED_DATA if authenticated else smime_session.algorithms.ENVELOPED_DATA
    )
    encryption = content_algorithm.encode(parameters)
    header = EnvelopeHeader(content_type, 0, wrapped, smime_session.algorithms.DATA, encryption, originator)
    trailer = EnvelopeTrailer(tag, covered, _attributes(0xA2 if authenticated else 0xA1, b"uncovered"))
    end = codec.envelope_end(trailer, authenticated=authenticated, indefinite=not definite)
    if definite:
        return codec.envelope_start(header, len(ciphertext), len(end)) + ciphertext + end
    return codec.envelope_start(header, None, 0) + asn1.encode(asn1.OCTET_STRING, ciphertext) + end


def prepared_for(*readers: Reader) -> list[Recipient]:
    """Return the recipients that some readers are, ready to wrap for."""
    return [
        reader.recipient if hasattr(reader.recipient, "wrap") else smime_session.recipient_for(reader.certificate)
        for reader in readers
    ]
