"""What callers hand in, checked at the border: what is of another kind is a :exc:`TypeError` in a sentence.

Without that, much of it would be taken in silence for something else: a number for so many zero octets, a text
for its letters, a word for true.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from smime_session.errors import CredentialError
from smime_session.profiles import Policy, Profile

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_FILE_SIZE: Final = 1 << 28  # bytes of a file of certificates or keys: 100,000 certificates have 200 million
_PEM: Final = "-----BEGIN "


def wrong_kind(wanted: str, found: object) -> TypeError:
    """Return the error of an argument that is of another kind than it should be.

    Args:
        wanted: what it should be, as a sentence.
        found: what it is.
    """
    return TypeError(f"{wanted}, not an object of type {type(found).__name__}")


def check_octets(value: object, what: str) -> None:
    """Check that these are octets in a buffer.

    Args:
        value: the argument.
        what: what it is called, with its article.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, bytes | bytearray | memoryview):
        raise wrong_kind(f"{what} is bytes", value)


def octets_in(source: bytes | str | os.PathLike[str], what: str = "what a file holds") -> bytes:
    """Return what is to be read: the octets themselves, PEM as text, or what a file holds.

    A path is an object of :mod:`pathlib`, and text is never one: ``"bob.pem"`` is a mistake, and told as one.

    Args:
        source: octets in a buffer, text, or a path.
        what: what it is called, for errors.

    Raises:
        CredentialError: the text is not PEM, or the file is too large.
        OSError: the file cannot be read.
        TypeError: it is something else.
    """
    if isinstance(source, str):
        if _PEM not in source:
            raise CredentialError("this text is not PEM; the path of a file is a pathlib.Path")
        return source.encode()
    if isinstance(source, os.PathLike):
        with open(source, "rb") as file:  # noqa: PTH123  # whatever path it is
            data = file.read(MAX_FILE_SIZE + 1)
        if len(data) > MAX_FILE_SIZE:
            raise CredentialError(f"{os.fspath(source)}: a file of more than {MAX_FILE_SIZE:,} bytes is too large")
        return data
    check_octets(source, what)
    return bytes(source)


def passphrase_octets(passphrase: bytes | str | None) -> bytes | None:
    """Return a passphrase as octets: text in UTF-8, as all that lock keys take it.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(passphrase, str):
        return passphrase.encode("utf-8", "surrogateescape")
    check_passphrase(passphrase)
    return passphrase


def check_passphrase(passphrase: object) -> None:
    """Check that this is a passphrase, or none.

    Raises:
        TypeError: it is something else, such as text, which would have to be encoded one way or another.
    """
    if passphrase is not None:
        check_octets(passphrase, "a passphrase")


def check_text(value: object, what: str) -> None:
    """Check that this is text.

    Args:
        value: the argument.
        what: what it is called, with its article.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, str):
        raise wrong_kind(f"{what} is text", value)


def check_profile(profile: object) -> None:
    """Check that this is a profile.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(profile, Profile):
        raise wrong_kind("a profile is AUTO, MODERN, COMPAT, PQ or made from one of them", profile)


def check_policy(policy: object) -> None:
    """Check that this is a policy.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(policy, Policy):
        raise wrong_kind("a policy is DEFAULT or made with Policy()", policy)


def check_identities(identities: Iterable[object]) -> None:
    """Check that each of these is an identity.

    Raises:
        TypeError: one is something else.
    """
    for identity in identities:
        if not hasattr(identity, "unwrap"):
            wanted = "one of those that load_identities() returns, or an object with a method unwrap"
            raise wrong_kind(f"an identity is {wanted}", identity)


def check_certificate(certificate: object) -> None:
    """Check that this is a certificate.

    Raises:
        TypeError: it is something else.
    """
    if not _is_certificate(certificate):
        raise wrong_kind("a certificate is one that load_certificates() returns", certificate)


def check_recipient(recipient: object) -> None:
    """Check that this is a certificate or a recipient.

    Raises:
        TypeError: it is something else.
    """
    if not is_recipient(recipient):
        wanted = "a certificate, what recipient_for() returns, or an object with a method wrap"
        raise wrong_kind(f"a recipient is {wanted}", recipient)


def check_trust(trust: object) -> None:
    """Check that this says whom to trust, or that nothing does.

    Raises:
        TypeError: it is something else, such as the roots themselves.
    """
    if trust is not None and not hasattr(trust, "check"):
        raise wrong_kind("what is trusted is a TrustAnchors", trust)


def check_several(several: object, what: str) -> None:
    """Check that something can be gone through that is neither text nor octets.

    Args:
        several: the argument.
        what: what it holds, in the plural.

    Raises:
        TypeError: it is one thing, and not several.
    """
    if isinstance(several, str | bytes | bytearray) or not hasattr(several, "__iter__"):
        raise wrong_kind(f"{what} are given in a list, even if there is one", several)


def is_recipient(value: object) -> bool:
    """Tell whether this is one recipient, or one certificate, and not several."""
    return hasattr(value, "wrap") or _is_certificate(value)


def moment(at: datetime | None) -> datetime:
    """Return the moment at which certificates must be valid: ``at``, or now.

    Raises:
        TypeError: it is no moment, for want of a time zone.
    """
    if at is None:
        return datetime.now(UTC)
    if not isinstance(at, datetime):
        raise wrong_kind("a moment is a datetime with a time zone", at)
    if at.utcoffset() is None:
        raise TypeError(f"a moment needs a time zone, and {at:%Y-%m-%d %H:%M:%S} has none")
    return at


def _is_certificate(value: object) -> bool:
    x509 = sys.modules.get("cryptography.x509")  # before it is loaded, which takes 20 ms, nothing is of its kinds
    return x509 is not None and isinstance(value, x509.Certificate)
