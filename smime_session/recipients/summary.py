"""What a recipient info says in public: for inspection, and for errors that explain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smime_session.cms import codec
from smime_session.cms.values import IssuerAndSerialNumber
from smime_session.text import excerpt

if TYPE_CHECKING:
    from smime_session.cms.values import RecipientIdentifier


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientSummary:
    """The public fields of one recipient.

    Attributes:
        technique: the kind of recipient, as the registry calls it: ``key transport``, ``key agreement``, ...
        issuer: the issuer's name, for a recipient named by issuer and serial number.
        serial_number: the serial number, hexadecimal.
        key_identifier: the key identifier, hexadecimal, for a recipient named by it.
        algorithm: how the session key is wrapped, by name; the object identifier if it has no name here.
        algorithm_oid: the same, dotted.
        parameters: what the algorithm is given, by name.
        encrypted_key_size: bytes of wrapped key.
        problem: why it could not be read, or used whatever the key; or None.
        post_quantum: whether it withstands a quantum computer.
    """

    technique: str = ""
    issuer: str | None = None
    serial_number: str | None = None
    key_identifier: str | None = None
    algorithm: str | None = None
    algorithm_oid: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    encrypted_key_size: int | None = None
    problem: str | None = None
    post_quantum: bool = False

    @property
    def name(self) -> str:
        """The recipient in a few words."""
        if self.serial_number is not None:
            return f"serial {excerpt(self.serial_number)} of {excerpt(self.issuer or '')}"
        if self.key_identifier is not None:
            return f"key identifier {excerpt(self.key_identifier)}"
        return f"a {self.technique} recipient" if self.technique != "other" else "a recipient of another kind"

    @property
    def is_named(self) -> bool:
        """Whether the recipient info says which of all recipients of its kind it is for."""
        return self.serial_number is not None or self.key_identifier is not None

    @property
    def description(self) -> str:
        """The same with the technique."""
        return f"{self.name} ({self.technique})" if self.is_named else self.name


def identifier_fields(recipient: RecipientIdentifier) -> dict[str, Any]:
    """Return the fields of a summary that name a recipient."""
    if isinstance(recipient, IssuerAndSerialNumber):
        return {"issuer": codec.name_text(recipient.issuer), "serial_number": f"{recipient.serial_number:#x}"}
    return {"key_identifier": recipient.value.hex()}
