"""Work on its way to processes that inherit nothing: certificates, and private keys only by an act of its own.

Identities refuse to be pickled by mistake. :class:`TravellingWork` is the one place where private keys, passwords and
shared keys become bytes that leave the process, opened, without the passphrases that unlocked them.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from smime_session import BatchError, Password, PresharedKey, SavedSessionKey, __version__

if TYPE_CHECKING:
    from typing import Self

    from smime_session.batch.worker import Work


_SECRETS: Final = (Password, PresharedKey, SavedSessionKey)


class TravellingWork:
    """The work on messages with all that it needs, for workers that inherit nothing: a :class:`Preparation`.

    It can be pickled. If it holds private keys, that takes :meth:`released`, which those call who know that the way is
    a safe one. Neither its ``repr`` nor an error of it has anything of what it holds.

    Args:
        work: what is done to messages.
        private_keys: whether there may be private keys, passwords or shared keys in it, as for what reads.

    Raises:
        BatchError: there are such and they may not travel, or there is what cannot travel.
        CredentialError: a private key stays locked.
    """

    def __init__(self, work: Work, *, private_keys: bool = False) -> None:
        stream = io.BytesIO()
        pickler = _Pickler(stream, protocol=5)
        try:
            pickler.dump(work)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise BatchError(f"the work cannot be sent to other processes ({type(error).__name__})") from None
        if pickler.secrets and not private_keys:
            raise BatchError("private keys, passwords and shared keys travel to other processes only for what reads")
        self._state = stream.getvalue()
        self._version = __version__
        self._holds, self._released = pickler.secrets, False

    @property
    def holds_private_keys(self) -> bool:
        """Whether there are private keys, passwords or shared keys in it."""
        return self._holds

    def released(self) -> Self:
        """Return the same, which may be pickled: for a pipe on this machine, or for a way that is encrypted."""
        same = object.__new__(type(self))
        same.__dict__.update(self.__dict__, _released=True)
        return same

    def __call__(self) -> Work:
        """Unpack the work.

        Raises:
            BatchError: it was packed by another version.
        """
        if self._version != __version__:
            raise BatchError(f"a worker has smime-session {__version__}, and the run {self._version}")
        return cast("Work", pickle.loads(self._state))  # noqa: S301  # who sends it may run anything here anyway

    def __getstate__(self) -> dict[str, Any]:
        """Hand out what travels.

        Raises:
            BatchError: it holds private keys, and was not released.
        """
        if self._holds and not self._released:
            raise BatchError("private keys are not pickled before they were released")
        return self.__dict__

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{' with private keys' if self._holds else ''}>"


class _Pickler(pickle.Pickler):
    """Pickles what the cryptography library has loaded, and notes whether there are secrets in it.

    What loads it again are functions of this module: those of the library cannot be named everywhere.
    """

    secrets = False

    def reducer_override(self, value: Any) -> Any:  # noqa: ANN401, PLR0911  # any object comes; one way for each kind
        """Return how an object is made again; for most, pickle knows."""
        if isinstance(value, _SECRETS):
            self.secrets = True
            return object.__reduce_ex__(value, 4)
        if isinstance(value, x509.Certificate):
            return _certificate, (value.public_bytes(Encoding.DER),)
        if isinstance(value, x509.CertificateRevocationList):
            return _crl, (value.public_bytes(Encoding.DER),)
        if not type(value).__module__.startswith("cryptography."):
            return NotImplemented
        if hasattr(value, "private_bytes"):
            self.secrets = True
            return _private, (value.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),)
        if hasattr(value, "public_bytes"):
            return _public, (value.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),)
        return NotImplemented


def _certificate(data: bytes) -> object:
    return x509.load_der_x509_certificate(data)


def _crl(data: bytes) -> object:
    return x509.load_der_x509_crl(data)


def _public(data: bytes) -> object:
    return load_der_public_key(data)


def _private(data: bytes) -> object:
    return load_der_private_key(data, None, unsafe_skip_rsa_key_validation=True)  # it was checked when it was loaded
