"""What can go wrong, as one tree of exceptions.

::

    SmimeError
    ├── CredentialError                 a certificate or private key file that cannot be used
    │   └── PassphraseError             the passphrase that unlocks it is missing or wrong
    ├── RecipientError                  encrypting was refused: every unusable recipient, with its reasons
    │   └── UnknownAddressError         a mail address is in no certificate that is at hand
    ├── SignerError                     signing was refused: the certificate is not for it, with its reasons
    ├── MessageError                    the input cannot be read or written as a message
    │   ├── NotMailError                it is not a mail at all
    │   ├── NotEnvelopeError            it is a message, but not an encrypted one
    │   ├── AlreadyEncryptedError       it is to be encrypted, but is encrypted already
    │   ├── NotSignedError              it is a message, but not a signed one
    │   ├── MalformedError              it is cut off or breaks its own encoding
    │   ├── UnsupportedAlgorithmError   it names an algorithm that is not supported
    │   ├── PolicyError                 it can be read, but the policy forbids it
    │   └── LimitError                  it exceeds a named limit
    ├── NoMatchError                    it is addressed to none of the identities
    ├── OtherMessageError               the session key that was saved belongs to another message
    ├── BatchError                      a run over many messages cannot begin, go on or be resumed
    ├── SubmissionError                 a mail could not be handed to its server, or not for all
    └── DecryptionError                 it did not open: the one failure of all that depends on a private key

Each message is a lower-case sentence without a full stop that names the thing; the facts in it
are attributes too. Nothing here ever carries a key, a passphrase or plaintext.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence


class SmimeError(Exception):
    """The root: everything this package raises on purpose. It survives pickling, as between processes."""

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[SmimeError], args: tuple[object, ...], facts: dict[str, object]) -> SmimeError:
    """Make an error again that was pickled or copied: its sentence is complete, and not made a second time."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


class CredentialError(SmimeError):
    """A certificate or private key cannot be loaded or used."""


class PassphraseError(CredentialError):
    """A private key is locked and its passphrase is missing or wrong.

    Attributes:
        missing: True if none was given, False if the given one is wrong.
    """

    def __init__(self, message: str, *, missing: bool) -> None:
        super().__init__(message)
        self.missing = missing


class RecipientError(SmimeError):
    """Encrypting was refused because recipients cannot be used; nothing was encrypted for anybody.

    Attributes:
        refused: one sentence for each unusable recipient, empty if there were no recipients at all.
    """

    def __init__(self, refused: Sequence[str]) -> None:
        super().__init__("; ".join(refused) or "no recipient was given")
        self.refused = tuple(refused)


class UnknownAddressError(RecipientError):
    """A mail address is in no certificate that is at hand, so it names no recipient."""


class BatchError(SmimeError):
    """A run over many messages cannot begin, go on or be resumed; what it made so far is kept."""


class SignerError(SmimeError):
    """Signing was refused because of the signer's certificate; nothing was signed.

    Attributes:
        reasons: what is against it, each following on "the certificate".
        option: the one field of :class:`~smime_session.operations.signer.Signer` that would allow it, or None if no
            single one would.
    """

    def __init__(self, who: str, reasons: Sequence[str], *, option: str | None = None) -> None:
        super().__init__(f"certificate of {who} {', and '.join(reasons)}")
        self.reasons = tuple(reasons)
        self.option = option


class MessageError(SmimeError):
    """The input cannot be read or written as a message."""


class NotMailError(MessageError):
    """The input does not begin with a mail header."""


class NotEnvelopeError(MessageError):
    """The input is not encrypted the S/MIME way.

    Attributes:
        found: what it is instead, in a few words (``signed-data``, ``a PGP message``).
        kind: what there is a way on from: ``mbox``, ``tnef``, ``outlook``, ``archive`` or ``utf-16``; else None.
    """

    def __init__(self, found: str, kind: str | None = None) -> None:
        super().__init__(f"the message is not an S/MIME envelope: it is {found}")
        self.found = found
        self.kind = kind


class AlreadyEncryptedError(MessageError):
    """A mail that is to be encrypted is encrypted already; who opens it would find an encrypted mail.

    Attributes:
        scheme: how it is encrypted: ``S/MIME``, ``PGP/MIME``, or ``multipart/encrypted`` in another way.
    """

    def __init__(self, scheme: str) -> None:
        super().__init__(f"the mail is encrypted already ({scheme})")
        self.scheme = scheme


class NotSignedError(MessageError):
    """The input is not signed the S/MIME way.

    Attributes:
        found: what it is instead, in a few words.
    """

    def __init__(self, found: str) -> None:
        super().__init__(f"the message is not signed with S/MIME: it is {found}")
        self.found = found


class MalformedError(MessageError):
    """The input is cut off, or its encoding contradicts itself.

    Attributes:
        offset: octets into the CMS object where it was noticed, or None where that says nothing.
    """

    def __init__(self, problem: str, offset: int | None = None) -> None:
        super().__init__(problem if offset is None else f"{problem} (at byte {offset} of the CMS object)")
        self.offset = offset


class UnsupportedAlgorithmError(MessageError):
    """The message names an algorithm that this package does not speak.

    Attributes:
        oid: its object identifier, dotted.
        name: its usual name, or None if it is not known here.
    """

    def __init__(self, role: str, oid: str, name: str | None = None) -> None:
        super().__init__(f"the {role} {name + ' ' if name else ''}({excerpt(oid)}) is not supported")
        self.oid = oid
        self.name = name


class PolicyError(MessageError):
    """The message can be read but the policy forbids it.

    Attributes:
        option: the name of the :class:`~smime_session.profiles.Policy` field that would allow it.
    """

    def __init__(self, message: str, *, option: str) -> None:
        super().__init__(message)
        self.option = option


class LimitError(MessageError):
    """The message exceeds a limit that is checked before memory or time is spent.

    Attributes:
        limit: the limit's value.
        option: the name of the :class:`~smime_session.profiles.Policy` field that sets it, or None if none does.
    """

    def __init__(self, what: str, limit: int, unit: str = "", *, option: str | None = None) -> None:
        super().__init__(f"{what} exceeds the limit of {limit:,} {unit}".rstrip())
        self.limit = limit
        self.option = option


class NoMatchError(SmimeError):
    """The message is addressed to none of the identities; made of public fields only.

    Attributes:
        addressed_to: to whom it is addressed, a description each.
        identities: what the given identities are, a description each.
        closest: which of them comes closest to being addressed and what is different, or None if none is close.
    """

    def __init__(
        self, addressed_to: Sequence[str] = (), identities: Sequence[str] = (), closest: str | None = None
    ) -> None:
        to = "; ".join(addressed_to) or "no recipient"
        given = "; ".join(identities) or "none"
        sentence = f"no given identity can open the message: it is addressed to {to}; given: {given}"
        super().__init__(f"{sentence}; closest: {closest}" if closest else sentence)
        self.addressed_to = tuple(addressed_to)
        self.identities = tuple(identities)
        self.closest = closest


class OtherMessageError(SmimeError):
    """The saved session key that was given belongs to another message, as its fingerprint tells."""

    def __init__(self) -> None:
        super().__init__("the session key belongs to another message, or this one was altered")


class SubmissionError(SmimeError):
    """A mail cannot be handed to a submission server, or not to all of its recipients.

    Attributes:
        temporary: whether it may work later.
        option: the one field of :class:`~smime_session.submission.Server` that would allow it, or None if none does.
    """

    def __init__(self, message: str, *, temporary: bool = False, option: str | None = None) -> None:
        super().__init__(message)
        self.temporary = temporary
        self.option = option


class DecryptionError(SmimeError):
    """The message did not open.

    A wrong key, a damaged wrapped key, a changed body and a wrong tag all end here, with the
    same words, so that an answer tells an attacker nothing (RFC 3218).

    Attributes:
        addressed_to: to whom it is addressed, a description each, made of public fields only.
        identities: what the given identities are, a description each.
        unproven: whether the key itself was wanted, to be passed on or saved, and nothing would prove one of those
            that were tried, like that of an RSA key without its certificate; a matter of public fields too.
    """

    def __init__(self, *, unproven: bool = False) -> None:
        super().__init__("the message could not be decrypted: the key does not fit or the message was altered")
        self.addressed_to: tuple[str, ...] = ()
        self.identities: tuple[str, ...] = ()
        self.unproven = unproven
