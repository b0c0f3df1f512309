"""``--ca`` and what says which certificates were revoked: whom to trust, as one argument of a command."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import click

import smime_session

from .options import PATH, MisuseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from smime_session import TrustAnchors


class Trust(NamedTuple):
    """Whom to trust.

    Attributes:
        roots: files and folders of certificates.
        crls: files of revocation lists.
        ocsp: whether the issuers of certificates are asked.
    """

    roots: tuple[str, ...]
    crls: tuple[str, ...]
    ocsp: bool

    def __bool__(self) -> bool:
        """Tell whether chains are checked."""
        return bool(self.roots)

    def check(self) -> None:
        """Check that the options go together.

        Raises:
            MisuseError: they do not.
        """
        if not self.roots and (self.crls or self.ocsp):
            option = "--crl" if self.crls else "--ocsp"
            raise MisuseError(f"{option} is about certificates of trusted issuers", "--ca ROOTS says which are trusted")

    def files(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each option with the files that it reads."""
        yield "--ca", self.roots
        yield "--crl", self.crls

    def load(self) -> TrustAnchors | None:
        """Load all; None if nothing says whom to trust.

        Raises:
            CredentialError: a file holds no certificate, or no revocation list.
            OSError: a file cannot be read.
        """
        if not self.roots:
            return None
        return smime_session.TrustAnchors.load(
            *self.roots, crls=self.crls, responder=smime_session.OcspClient() if self.ocsp else None
        )


def signer_trust_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the same for signers, as one argument too."""
    return trust_options(function, "Trust signers with a chain to those in this file or folder; repeat it for more.")


def trust_options(
    function: Callable[..., Any],
    words: str = "Accept only certificates with a chain to these.",
) -> Callable[..., Any]:
    """Add ``--ca``, ``--crl`` and ``--ocsp``; the function gets them as one argument, ``trust``."""

    @functools.wraps(function)
    def collect(
        *arguments: object,
        roots: tuple[str, ...],
        crls: tuple[str, ...],
        ocsp: bool,
        **options: Any,  # noqa: ANN401  # whatever click passes
    ) -> object:
        trust = Trust(roots, crls, ocsp)
        trust.check()
        return function(*arguments, trust=trust, **options)

    click.option(
        "--ocsp",
        is_flag=True,
        help="Ask the issuers of certificates over the network whether they were revoked; they learn of it.",
    )(collect)
    click.option(
        "--crl",
        "crls",
        metavar="FILE",
        type=PATH,
        multiple=True,
        help="A file of revocation lists; repeat it for more.",
    )(collect)
    click.option(
        "--ca",
        "roots",
        metavar="ROOTS",
        type=PATH,
        multiple=True,
        help=words,
    )(collect)
    return collect
