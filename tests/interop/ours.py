"""Our side of the table: the library, driven by the same specs as the peers."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import smime_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.interop.keypair import Keypair
    from tests.interop.spec import Spec

ENTITY: Final = b"Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
"""What is sealed: a MIME entity, which bare CMS objects carry as well as anything else."""
FIELDS: Final = b"From: dave@example.org\r\nTo: alice@example.org\r\nSubject: greetings\r\nMIME-Version: 1.0\r\n"
"""What makes a mail of it."""
SIZES: Final = (1, 16, 100_000, 1 << 20)
"""Octets of content: the smallest, one block, many read-ahead buffers, and more than waits in memory."""


class Pipe(io.BytesIO):
    """A source that cannot seek, so that its size is not known beforehand."""

    def seekable(self) -> bool:
        """Answer no, as a pipe does."""
        return False

    def seek(self, *_where: int) -> int:
        """Fail as a pipe does."""
        raise io.UnsupportedOperation("seek")

    def tell(self) -> int:
        """Fail as a pipe does."""
        raise io.UnsupportedOperation("tell")


def profile_of(spec: Spec) -> smime_session.Profile:
    """Return the profile that writes what ``spec`` says."""
    return replace(smime_session.MODERN, content=spec.content, rsa=spec.transport, identifier=spec.identifier)


def encrypt(content: bytes, recipients: Sequence[Keypair], spec: Spec) -> bytes:
    """Return our envelope around ``content``, which is a MIME entity where the form is a mail."""
    octets = FIELDS + content if spec.form == "mail" else content
    source = Pipe(octets) if spec.stream else io.BytesIO(octets)
    target = io.BytesIO()
    certificates = [keypair.certificate for keypair in recipients]
    sealed = smime_session.encrypt_stream(source, target, certificates, profile=profile_of(spec), form=spec.form)
    assert sealed.encoding == ("BER" if spec.stream else "DER")
    return target.getvalue()


def decrypt(
    envelope: bytes, keypair: Keypair, policy: smime_session.Policy = smime_session.DEFAULT
) -> tuple[bytes, smime_session.Opened]:
    """Return what we find in a peer's envelope, and what is known about it."""
    target = io.BytesIO()
    opened = smime_session.decrypt_stream(io.BytesIO(envelope), target, identities_of(keypair), policy=policy)
    return target.getvalue(), opened


def identities_of(keypair: Keypair) -> list[smime_session.Identity]:
    """Load a keypair the way a user does."""
    return smime_session.load_identities(keypair.key_file.read_bytes() + keypair.certificate_file.read_bytes())


def body_of(entity: bytes) -> bytes:
    """Return what follows the header fields."""
    return entity.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
