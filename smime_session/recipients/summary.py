"""What a recipient info says in public: for inspection, and for errors that explain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from smime_session.algorithms import name_of
from smime_session.cms import codec, tlv
from smime_session.cms.structures import (
    AlgorithmIdentifier,
    IssuerAndSerialNumber,
    RecipientIdentifier,
    SubjectKeyIdentifier,
)
from smime_session.errors import MessageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session.cms.structures import WrappedKey

MOST_NAMED: Final = 10  # recipients named in one sentence; the rest are counted


@dataclass(frozen=True, slots=True)
class RecipientSummary:
    """The public fields of one recipient info.

    Attributes:
        technique: ``key transport``, ``key agreement``, ...
        issuer: the issuer's name, for a recipient named by issuer and serial number.
        serial_number: the serial number, hexadecimal.
        key_identifier: the subject key identifier, hexadecimal, for a recipient named by it.
        algorithm: how the session key is wrapped, by name; the object identifier if it has no name here.
        algorithm_oid: the same, dotted.
        parameters: what the algorithm is given, by name.
        encrypted_key_size: octets of wrapped key.
        problem: why the rest could not be read, or None.
    """

    technique: str
    issuer: str | None = None
    serial_number: str | None = None
    key_identifier: str | None = None
    algorithm: str | None = None
    algorithm_oid: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    encrypted_key_size: int | None = None
    problem: str | None = None

    @property
    def name(self) -> str:
        """The recipient in a few words."""
        if self.serial_number is not None:
            return f"serial {self.serial_number} of {self.issuer}"
        if self.key_identifier is not None:
            return f"key identifier {self.key_identifier}"
        return f"a {self.technique} recipient"


def summarize(wrapped: WrappedKey) -> RecipientSummary:
    """Describe a recipient info; one that is broken is described as far as it goes."""
    technique = codec.TECHNIQUES.get(wrapped.encoded[0], "unknown")
    if wrapped.encoded[0] != tlv.SEQUENCE:
        return RecipientSummary(technique)
    try:
        recipient, algorithm, encrypted_key = codec.key_trans_fields(wrapped)
    except MessageError as error:
        return RecipientSummary(technique, problem=str(error))
    issuer, serial, key_identifier = _identifier(recipient)
    name, parameters, problem = _key_transport(algorithm)
    return RecipientSummary(
        technique=technique,
        issuer=issuer,
        serial_number=serial,
        key_identifier=key_identifier,
        algorithm=name,
        algorithm_oid=algorithm.oid,
        parameters=parameters,
        encrypted_key_size=len(encrypted_key),
        problem=problem,
    )


def name_all(wrapped: Sequence[WrappedKey]) -> list[str]:
    """Name the first recipients and count the rest."""
    named = [summarize(key).name for key in wrapped[:MOST_NAMED]]
    if len(wrapped) > MOST_NAMED:
        named.append(f"and {len(wrapped) - MOST_NAMED:,} more")
    return named


def _identifier(recipient: RecipientIdentifier) -> tuple[str | None, str | None, str | None]:
    if isinstance(recipient, IssuerAndSerialNumber):
        return codec.name_text(recipient.issuer), f"{recipient.serial_number:#x}", None
    if isinstance(recipient, SubjectKeyIdentifier):
        return None, None, recipient.value.hex()
    return None, None, None


def _key_transport(identifier: AlgorithmIdentifier) -> tuple[str, dict[str, str], str | None]:
    """Return the algorithm's name, its parameters in words, and what is wrong with them."""
    try:
        algorithm = codec.key_transport_from(identifier)
    except MessageError as error:
        return name_of(identifier.oid) or identifier.oid, {}, str(error)
    if algorithm.hash is None or algorithm.mgf_hash is None:
        return algorithm.name, {}, None
    parameters = {"hash": algorithm.hash, "mgf": f"MGF1 with {algorithm.mgf_hash}"}
    if algorithm.label:
        parameters["label"] = algorithm.label.hex()
    return algorithm.name, parameters, None
