"""Sealing a message: its session key wrapped for everybody, its content sealed once, piece by piece.

For every operation that makes a new envelope.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, Self

from smime_session.algorithms import AUTH_ENVELOPED_DATA, DATA, ENVELOPED_DATA
from smime_session.cms import codec
from smime_session.cms.envelope import EnvelopeWriter, Target, trailer_size
from smime_session.cms.structures import ContentParameters, EnvelopeHeader, EnvelopeTrailer
from smime_session.content import SLACK, sealer
from smime_session.errors import UnsupportedAlgorithmError
from smime_session.recipients import refuse_classical, wrap_all
from smime_session.sources import BLOCK_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session.mail.blocks import Block
    from smime_session.profiles import Profile
    from smime_session.recipients import Recipient
    from smime_session.session_key import SessionKey

SMIME_TYPES: Final[dict[str, Literal["authEnveloped-data", "enveloped-data"]]] = {
    AUTH_ENVELOPED_DATA: "authEnveloped-data",
    ENVELOPED_DATA: "enveloped-data",
}
"""What a mail calls the content types."""


def prepare(
    key: SessionKey, recipients: Sequence[Recipient], profile: Profile
) -> tuple[EnvelopeHeader, ContentParameters]:
    """Wrap the session key for everybody and draw the message's nonce.

    Raises:
        UnsupportedAlgorithmError: the profile's content encryption is broken by now: it is only read.
        RecipientError: a prepared recipient is not one that the profile allows.
    """
    algorithm = profile.content
    if algorithm.legacy:
        raise UnsupportedAlgorithmError("writing of content with", algorithm.oid, algorithm.name)
    wrapped = wrap_all(recipients, key)
    refuse_classical(wrapped, profile)
    parameters = ContentParameters(algorithm, os.urandom(algorithm.nonce_size), algorithm.tag_size)
    if profile.derived_content_key:
        parameters = codec.with_derived_key(parameters)
    header = EnvelopeHeader(
        content_type=AUTH_ENVELOPED_DATA if algorithm.authenticated else ENVELOPED_DATA,
        version=codec.envelope_version(wrapped, authenticated=algorithm.authenticated),
        wrapped_keys=wrapped,
        inner_content_type=DATA,
        content_encryption=codec.content_encryption(parameters),
    )
    return header, parameters


class SealingWriter:
    """Seals content that comes in pieces, and writes the envelope around it.

    Nothing is complete before :meth:`finish`.

    Args:
        target: where the envelope goes.
        header: what stands before the content.
        parameters: how to seal.
        key: the session key; the caller wipes it.
        size: octets of ciphertext, or None if they are not known beforehand.
        trailer: the attributes that stand after the content; its tag does not count.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what an envelope is made of
        self,
        target: Target,
        header: EnvelopeHeader,
        parameters: ContentParameters,
        key: SessionKey,
        size: int | None,
        trailer: EnvelopeTrailer = EnvelopeTrailer(),  # noqa: B008  # a value
    ) -> None:
        self._trailer = trailer
        announced = replace(trailer, tag=bytes(parameters.tag_size))
        authenticated = parameters.algorithm.authenticated
        self._writer = EnvelopeWriter(target, header, size, trailer_size(announced, authenticated=authenticated))
        self._stream = sealer(parameters, key, trailer.authenticated_attributes)
        self._buffer = memoryview(bytearray(BLOCK_SIZE + SLACK))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        """Drop the key schedule, which an exception that somebody keeps would keep too; nothing is finished by that."""
        self._stream.close()

    def write(self, content: Block) -> None:
        """Seal the next octets.

        Raises:
            LimitError: they are more than the algorithm can seal.
            MalformedError: they are more than was announced.
        """
        for at in range(0, len(content), BLOCK_SIZE):
            written = self._stream.update_into(memoryview(content)[at : at + BLOCK_SIZE], self._buffer)
            self._writer.write(self._buffer[:written])

    def finish(self) -> None:
        """Write the last octets and the tag; the envelope is complete then.

        Raises:
            MalformedError: there is less content than was announced.
        """
        last, tag = self._stream.finish()
        self._writer.write(last)
        self._writer.finish(replace(self._trailer, tag=tag))
