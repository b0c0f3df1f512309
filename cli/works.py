"""What the subcommands of ``batch`` do to each message."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import smime_session
from smime_session import MessageError
from smime_session.certificates.names import mailbox_of
from smime_session.mail.entity import read_head, split_head
from smime_session.operations.addressees import addressee_for, refuse_unreachable

from .addressing import Rejoined
from .console import to_json
from .lookup import Lookup, sources_in
from .verdicts import described

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cryptography import x509

    from smime_session import (
        CertificateSource,
        Identity,
        Password,
        Policy,
        PresharedKey,
        Profile,
        Recipient,
        TrustAnchors,
    )
    from smime_session.batch import Item
    from smime_session.operations.addressees import Addressee

    from .addressing import Addressing


def secrets_of(work: object) -> list[Password | PresharedKey]:
    """Return the passwords and shared keys that work is done with."""
    added = getattr(work, "choices", {}).get("add", ())
    found = [*getattr(work, "recipients", ()), *getattr(work, "identities", ()), *added]
    return [each for each in found if isinstance(each, smime_session.Password | smime_session.PresharedKey)]


SMALL: Final = 4 << 20
"""Bytes of a message up to which it is worked on in memory; a larger one streams."""


def read_start(source: BinaryIO) -> tuple[bytes | None, BinaryIO]:
    """Return a message as bytes if it is small; and as a stream that has all of it."""
    data = source.read(SMALL + 1)
    if len(data) <= SMALL:
        return data, io.BytesIO(data)
    if source.seekable():
        source.seek(0)
        return None, source
    return None, cast("BinaryIO", Rejoined(data, source))


@dataclass
class ByAddress:
    """Recipients by address, each certificate chosen and prepared once.

    Attributes:
        addressing: what the options say.
        profile: what may be used.
        trust: whom to trust, or None.
        listed: the addresses of each message by its name; None where the header tells them.
    """

    addressing: Addressing
    profile: Profile
    trust: TrustAnchors | None
    listed: Mapping[str, Sequence[str]] | None = None
    _sources: list[CertificateSource] = field(init=False)
    _known: dict[tuple[str, str], tuple[Addressee, list[Recipient]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Open the folders and files of certificates."""
        self._sources = sources_in(self.addressing.stores)

    def __reduce__(self) -> tuple[object, ...]:
        """Open them again elsewhere: their paths travel."""
        stores = tuple(map(os.path.abspath, self.addressing.stores))
        return ByAddress, (self.addressing._replace(stores=stores), self.profile, self.trust, self.listed)

    def find(self, addresses: Iterable[str]) -> list[Recipient]:
        """Return the recipients for addresses.

        Raises:
            RecipientError: an address has no certificate that can be used; it names every one.
        """
        found = [self._look_up(address) for address in addresses]
        refuse_unreachable(addressee for addressee, _ in found)
        return [recipient for _, prepared in found for recipient in prepared]

    def _look_up(self, address: str) -> tuple[Addressee, list[Recipient]]:
        key = mailbox_of(address)
        if key not in self._known:
            chosen = addressee_for(
                address, self._sources, profile=self.profile, every=self.addressing.every, trust=self.trust
            )
            prepared = [smime_session.recipient_for(each, profile=self.profile) for each in chosen.certificates]
            self._known[key] = chosen, prepared
        return self._known[key]

    def of(self, item: Item, source: BinaryIO) -> list[Recipient]:
        """Return the recipients of a message; of its bytes, the beginning is read.

        Raises:
            RecipientError: an address has no certificate that can be used.
            MessageError: it has blind recipients, or is in no row of the list.
        """
        if self.listed is not None:
            if item.name not in self.listed:
                raise MessageError("the list of recipients does not name it")
            return self.find(self.listed[item.name])
        raw, _ = read_head(lambda: source.read(_BLOCK))
        fields = split_head(raw).fields
        visible, blind = Lookup(self.addressing, fields, self.profile, self.trust).addresses()
        seen = {mailbox_of(address) for address in visible}
        if any(mailbox_of(address) not in seen for address in blind):
            raise MessageError("it has blind recipients (Bcc): encrypt -o FOLDER makes a message of its own for each")
        return self.find(visible)


_BLOCK: Final = 1 << 16  # bytes read at a time


@dataclass(frozen=True)
class EncryptWork:
    """Encrypts.

    Attributes:
        profile: the algorithms.
        recipients: who reads every message.
        by_address: who reads one, or None.
        treatment: what is done to it, as :func:`~smime_session.encrypt_stream` takes it.
    """

    profile: Profile
    recipients: Sequence[Recipient]
    by_address: ByAddress | None
    treatment: Mapping[str, Any]

    def __call__(self, item: Item, source: BinaryIO, target: BinaryIO) -> None:
        """Encrypt a message."""
        data, stream = read_start(source)
        recipients = list(self.recipients)
        if self.by_address is not None:
            if stream.seekable():
                recipients += self.by_address.of(item, stream)
                stream.seek(0)
            else:  # large, and unpacked on the way
                with item.content.open() as again:
                    recipients += self.by_address.of(item, again)
        if data is not None:
            target.write(smime_session.encrypt(data, recipients, profile=self.profile, **self.treatment))
            return
        smime_session.encrypt_stream(
            stream,
            target,
            recipients,
            profile=self.profile,
            form="mail",
            transactional=target.seekable(),
            **self.treatment,
        )


@dataclass(frozen=True)
class DecryptWork:
    """Decrypts.

    Attributes:
        identities: who can read.
        policy: what is accepted.
        trust: whom to trust of those who signed, or None.
    """

    identities: Sequence[Identity]
    policy: Policy
    trust: TrustAnchors | None

    def __call__(self, item: Item, source: BinaryIO, target: BinaryIO) -> None:
        """Decrypt a message."""
        del item
        data, stream = read_start(source)
        if data is not None:
            found = smime_session.decrypt(data, self.identities, policy=self.policy, trust=self.trust)
            target.write(found.message)
            return
        smime_session.decrypt_stream(
            stream, target, self.identities, policy=self.policy, trust=self.trust, transactional=target.seekable()
        )


@dataclass(frozen=True)
class RewrapWork:
    """Gives messages other recipients.

    Attributes:
        identities: who can read them now.
        choices: what changes, as :func:`~smime_session.rewrap` takes it.
    """

    identities: Sequence[Identity]
    choices: Mapping[str, Any]

    def __call__(self, item: Item, source: BinaryIO, target: BinaryIO) -> None:
        """Rewrap a message."""
        del item
        data, stream = read_start(source)
        if data is not None:
            target.write(smime_session.rewrap(data, self.identities, **self.choices))
            return
        smime_session.rewrap_stream(stream, target, self.identities, transactional=target.seekable(), **self.choices)


@dataclass(frozen=True)
class SessionKeyWork:
    """Saves the session key of each message.

    Attributes:
        identities: who can read.
        policy: what is accepted.
    """

    identities: Sequence[Identity]
    policy: Policy

    def __call__(self, item: Item, source: BinaryIO, target: BinaryIO) -> None:
        """Save the session key of a message, all of which is checked first."""
        del item
        _, stream = read_start(source)
        with smime_session.export_session_key(stream, self.identities, policy=self.policy) as saved:
            target.write(saved.to_json())


@dataclass(frozen=True)
class InspectWork:
    """Tells how messages are encrypted, as JSON.

    Attributes:
        identities: private keys to be recognised.
        certificates: certificates to be recognised.
        policy: what is accepted.
    """

    identities: Sequence[Identity]
    certificates: Sequence[x509.Certificate]
    policy: Policy

    def __call__(self, item: Item, source: BinaryIO, target: BinaryIO) -> None:
        """Inspect a message."""
        del item
        _, stream = read_start(source)
        found = smime_session.inspect(stream, self.identities, self.certificates, policy=self.policy)
        target.write(to_json(found.to_dict()).encode() + b"\n")


@dataclass(frozen=True)
class VerifyWork:
    """Tells who signed messages, as JSON.

    Attributes:
        choices: what is accepted, as :func:`~smime_session.verify_stream` takes it.
    """

    choices: Mapping[str, Any]

    def __call__(self, item: Item, source: BinaryIO, target: BinaryIO) -> None:
        """Verify a message.

        Raises:
            MessageError: a signature does not hold.
        """
        del item
        _, stream = read_start(source)
        found = smime_session.verify_stream(stream, None, **self.choices)
        if not found.accepted:
            verdicts = dict.fromkeys(str(each.verdict) for each in found.signatures if each.verdict != "trusted")
            raise MessageError(f"it is not accepted: {', '.join(verdicts) or 'not all of it is signed'}")
        report = {"signatures": described(found.signatures), "unsigned_parts": list(found.unsigned_parts)}
        target.write(to_json(report).encode() + b"\n")
