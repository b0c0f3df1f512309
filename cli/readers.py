"""Who reads a message and who is to: the options of ``rewrap`` that name people, as values."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from smime_session import MODERN, CredentialError
from smime_session.operations.addressees import refuse_unreachable

from .credentials import certificates_in, newcomers_in, recipients_in, session_keys_in
from .lookup import choose
from .options import MisuseError
from .recipients import Named, looks_like_a_file, refuse_lookup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cryptography import x509

    from smime_session import Identity, Profile, TrustAnchors

    from .private_keys import PrivateKeys
    from .shared_secrets import SharedSecrets


class Openers(NamedTuple):
    """Who reads the message now.

    Attributes:
        identities: private keys.
        session_keys: files with saved session keys.
        secrets: passwords and shared keys.
    """

    identities: PrivateKeys
    session_keys: tuple[str, ...]
    secrets: SharedSecrets

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.identities or self.session_keys or self.secrets)

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield each file with the option that names it."""
        yield from (("-i", path) for path in self.identities.paths)
        yield from (("--session-key", path) for path in self.session_keys)
        yield from self.secrets.files()

    def load(self, *, named: bool = False) -> list[Identity]:
        """Load all of them; what is to be typed is asked for.

        Args:
            named: unlock now what does not say by itself whose it is.
        """
        return [*self.identities.load(named=named), *session_keys_in(self.session_keys), *self.secrets.load(new=False)]


class Readers(NamedTuple):
    """Who comes and who goes, as the options say.

    Attributes:
        coming: the files with the certificates of those who come.
        secrets: the passwords and shared keys of others who come.
        leaving: the names of those who go.
        certificates: the files where mail addresses are looked up.
    """

    coming: tuple[str, ...]
    secrets: SharedSecrets
    leaving: tuple[str, ...]
    certificates: tuple[str, ...]

    def check(self, *, identified: bool, reseal: bool) -> None:
        """Check that the options go together.

        Raises:
            MisuseError: they do not.
        """
        wanted = bool(self.coming or self.secrets)
        if reseal and not wanted:
            raise MisuseError(
                "--reseal needs the recipients of the new message",
                "-r CERT, --add-password and --add-shared-key FILE name all of them",
            )
        if not wanted and not self.leaving:
            raise MisuseError(
                "no recipient to add or to remove was given",
                "-r CERT, --add-password or --add-shared-key FILE adds one, --remove WHO removes one",
            )
        if wanted and not identified:
            raise MisuseError(
                "no identity was given",
                "adding a recipient needs one that can read the message: -i IDENTITY, --password or --shared-key FILE",
            )
        if not self.certificates:
            refuse_lookup(Named.by(self.coming).addresses, "--certificates FILE")

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield each file with the option that names it."""
        yield from (("-r or --replace", path) for path in self.coming)
        yield from (("--remove or --replace", who) for who in self.leaving if _is_file(who))
        yield from (("--certificates", path) for path in self.certificates)
        yield from self.secrets.files()

    def newcomers(
        self, profile: Callable[[Profile], Profile], passphrases: Sequence[bytes], trust: TrustAnchors | None = None
    ) -> tuple[list[x509.Certificate], list[str]]:
        """Load the certificates of those who come, and refuse those that will not do whatever the message is.

        Args:
            profile: makes the profile of one that is like the message.
            passphrases: those of PKCS#12 files.
            trust: checks the chain of each certificate; without it, none is checked.

        Returns:
            The certificates, and a sentence about each one that was left out.

        Raises:
            MisuseError: chains are to be checked of what is in no file.
            RefusedError: some will not do; each is named with its file.
            RecipientError: an address has no certificate that can be used.
            CredentialError: a file holds no certificate.
            OSError: a file cannot be read.
        """
        like, named = profile(MODERN), Named.by(self.coming)
        files = (*named.files, *named.folders)  # a folder is an error of the system here
        recipients_in(filter(_is_file, files), like, passphrases, trust)
        certificates, left_out = newcomers_in(files, like, passphrases, trust)
        if trust and not all(map(_is_file, files)):
            raise MisuseError("with --ca, the certificates of recipients are in files", "put them into a file")
        if named.addresses:
            found = choose(named.addresses, self.certificates, like, trust=trust)
            refuse_unreachable(found)
            certificates += [certificate for each in found for certificate in each.certificates]
        return certificates, left_out

    def selectors(self) -> list[str | tuple[x509.Certificate, ...]]:
        """Return those who go, a file as its certificates.

        Raises:
            CredentialError: a file holds no certificate.
            OSError: there is no such file, or it cannot be read.
        """
        for who in self.leaving:
            if looks_like_a_file(who) and not _is_file(who):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), who)
        return [tuple(certificates_in([who])) if _is_file(who) else who for who in self.leaving]

    def book(self, identities: Iterable[str]) -> list[x509.Certificate]:
        """Return the certificates in which mail addresses are looked up, those beside the private keys among them."""
        return [*certificates_in(self.certificates), *_certificates_beside(identities)] if self.leaving else []


def _is_file(name: str) -> bool:
    """Tell whether this is the name of a file that can be read more than once."""
    return name != "-" and os.path.isfile(name)  # noqa: PTH113  # pathlib is slow to load


def _certificates_beside(paths: Iterable[str]) -> list[x509.Certificate]:
    """Return the certificates that lie open beside the private keys in the files."""
    found: list[x509.Certificate] = []
    for path in filter(_is_file, paths):
        try:
            found += certificates_in([path])
        except CredentialError:
            continue  # a key alone, or locked together with its certificate
    return found
