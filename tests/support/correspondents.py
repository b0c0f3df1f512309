"""People whom tests write to: a store of their certificates, and their keys to see who can read what arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from smime_session import NoMatchError, decrypt, load_identities

if TYPE_CHECKING:
    from smime_session import CertificateStore


class Correspondents(NamedTuple):
    """People whom tests write to.

    Attributes:
        store: their certificates.
        keys: by the name of each, a private key with its certificate.
    """

    store: CertificateStore
    keys: dict[str, bytes]

    def opened(self, mail: bytes, name: str) -> bytes:
        """Decrypt a mail as one of them."""
        return decrypt(mail, load_identities(self.keys[name])).message

    def readers(self, mail: bytes) -> list[str]:
        """Return who of them can read a mail."""
        return [name for name in self.keys if self._can_read(mail, name)]

    def _can_read(self, mail: bytes, name: str) -> bool:
        try:
            self.opened(mail, name)
        except NoMatchError:
            return False
        return True
