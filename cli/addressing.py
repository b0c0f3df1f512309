"""Recipients by mail address: from what options name to certificates, and the report about them."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, cast

import click

from smime_session.certificates.certificate import Certificate
from smime_session.mail.entity import read_head, split_head

from .options import MisuseError, stores_option
from .recipients import expiring, refuse_lookup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from smime_session import Profile, TrustAnchors
    from smime_session.mail.fields import Field
    from smime_session.operations.addressees import Envelope

    from .lookup import Lookup
    from .recipients import Named
    from .streams import Source

LIST_NAME: Final = "envelopes.json"
"""The file beside the messages in a folder that says to whom each is to be sent."""


class Addressing(NamedTuple):
    """Who reads a message, by address.

    Attributes:
        stores: folders and files of certificates.
        to: addresses that take the place of those in the header.
        no_header_recipients: whether the header counts for nothing.
        every: whether all certificates of an address are taken that can be used.
        dry_run: whether only the report is wanted.
        as_json: whether that is JSON.
        more: further addresses, which are looked up too.
    """

    stores: tuple[str, ...]
    to: tuple[str, ...]
    no_header_recipients: bool
    every: bool
    dry_run: bool
    as_json: bool
    more: tuple[str, ...] = ()

    def with_named(self, named: Named) -> Addressing:
        """Return the same with the addresses and the folders that ``-r`` names."""
        return self._replace(stores=(*self.stores, *named.folders), more=named.addresses)

    def check(self) -> None:
        """Check that the options go together.

        Raises:
            MisuseError: they do not.
        """
        given = {
            "--to": self.to,
            "--no-header-recipients": self.no_header_recipients,
            "--all-certs": self.every,
            "--dry-run": self.dry_run,
        }
        for option, value in given.items():
            if value and not self.stores:
                raise MisuseError(f"{option} is about recipients by address", "--certs FOLDER says where to find them")
        if not self.stores:
            refuse_lookup(self.more, "--certs FOLDER")

    def envelopes(self, fields: Sequence[Field], profile: Profile, trust: TrustAnchors | None = None) -> list[Envelope]:
        """Divide a mail into one message for all who may see each other and one for each blind recipient.

        Raises:
            RecipientError: an address has no certificate that can be used; it names every one.
            MessageError: an address field holds what is no address.
        """
        return self._lookup(fields, profile, trust).envelopes() if self.stores else []

    def report(self, fields: Sequence[Field], profile: Profile, trust: TrustAnchors | None, *, alone: bool) -> bool:
        """Write the report; tell whether all have a certificate.

        Args:
            fields: the mail's header fields.
            profile: what may be used.
            trust: whom to trust, or None.
            alone: whether there are no other recipients.

        Raises:
            RecipientError: the mail is for none.
        """
        return self._lookup(fields, profile, trust).report(alone=alone)

    def _lookup(self, fields: Sequence[Field], profile: Profile, trust: TrustAnchors | None) -> Lookup:
        from .lookup import Lookup  # loads cryptography.x509, for recipients by address alone: 30 ms

        return Lookup(self, fields, profile, trust)


def addressing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for recipients by address; the function gets them unchecked as one argument, ``addressing``."""

    @functools.wraps(function)
    def collect(*arguments: object, **options: Any) -> object:  # noqa: ANN401  # whatever click passes
        addressing = Addressing(*(options.pop(name) for name in Addressing._fields[:-1]))
        return function(*arguments, addressing=addressing, **options)

    options: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
        click.option("--json", "as_json", is_flag=True, help="Write the report as JSON."),
        click.option("--dry-run", is_flag=True, help="Only say which certificate is chosen for each address."),
        click.option("--all-certs", "every", is_flag=True, help="Take all usable certificates of an address."),
        click.option("--no-header-recipients", is_flag=True, help="Do not read addresses from the mail."),
        click.option("--to", metavar="ADDRESS", multiple=True, help="Take this address in place of those in the mail."),
        stores_option(),
    )
    added: Callable[..., Any] = collect
    for option in options:
        added = option(added)
    return added


def expiring_soon(divided: Iterable[Envelope]) -> list[str]:
    """Return a sentence about each certificate of the envelopes that soon is valid no more."""
    found = [certificate for each in divided for certificate in each.certificates]
    if not found:
        return []
    return expiring(dict.fromkeys(map(Certificate.of, found)))


def head_of(source: Source) -> tuple[Sequence[Field], BinaryIO]:
    """Return the header fields of a mail, and a stream that has all of the mail.

    Raises:
        NotMailError: it does not begin with a mail header.
    """
    if source.stream.seekable():
        begin = source.stream.tell()
        raw, _ = read_head(lambda: source.read(_BLOCK))
        source.seek(begin)
        return split_head(raw).fields, source.stream
    raw, rest = read_head(lambda: source.read(_BLOCK))
    return split_head(raw).fields, cast("BinaryIO", Rejoined(raw + rest, source))


_BLOCK: Final = 1 << 16  # bytes read at a time


class Rejoined(io.RawIOBase):
    """What was read of a pipe already, and the rest of it."""

    def __init__(self, start: bytes, source: Source | BinaryIO) -> None:
        super().__init__()
        self._start = start
        self._source = source

    def read(self, size: int = -1) -> bytes:
        """Read what was read before, then on."""
        if self._start:
            taken, self._start = (self._start, b"") if size < 0 else (self._start[:size], self._start[size:])
            return taken if size >= 0 else taken + self._source.read()
        return self._source.read(size)
