"""What ``encrypt`` and ``send`` share: the options that say how a message is encrypted and for whom, and doing it."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import click

import smime_session

from .addressing import Addressing, addressing_options, expiring_soon, head_of
from .console import about_locked_out, note
from .credentials import recipients_in
from .files import reading
from .options import (
    GUARD_OPTIONS,
    PATH,
    MisuseError,
    algorithm_options,
    chosen_profile,
    guard_options,
    passphrase_options,
    quiet_option,
)
from .passphrases import Passphrases
from .recipients import Named
from .shared_secrets import shared_secret_options
from .signers import SignerFile, lifted_guards
from .trust import trust_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, BinaryIO

    from cryptography import x509

    from smime_session import Profile, Recipient, Sealed, TrustAnchors
    from smime_session.mail.fields import Field
    from smime_session.mail.header_policy import HeaderPolicy
    from smime_session.operations.addressees import Envelope
    from smime_session.operations.encrypt import Form

    from .shared_secrets import SharedSecrets
    from .streams import Source
    from .trust import Trust


_POLICIES: Final = ["hcp_no_confidentiality", "hcp_baseline", "hcp_shy", "none"]
_CHECKED: Final = "each certificate has a chain to a trusted root"
_UNCHECKED: Final = "the certificates were not checked against trusted roots: --ca ROOTS says which are trusted"
_BLIND: Final = ("bcc", "resent-bcc")
_HELP: Final = {
    "-r": "A file with the certificate of a recipient, or of several; a mail address, to be looked up in --certs; or a"
    " folder to look in. Repeat it for more.",
    "-v": "Say which algorithm encrypts the content, and why; and whether certificates were checked against roots.",
    "--self": "A file with your own certificate, so that your copy stays readable.",
    "--hide-subject": "Show [...] outside in place of the subject, and no keywords; recipients get them.",
    "--again": "Encrypt once more a mail that is encrypted already.",
    "--compress": "Compress the mail first; few programs open it, and its size tells more of it.",
    "--strip-dkim": "Remove DKIM-Signature, which would be wrong outside.",
    "--sign-with": "Sign the mail inside with this private key and its certificate (PEM or PKCS#12).",
    "--triple": "Sign the encrypted mail once more, so that it can be told from outside who sent it.",
    "--insecure-address": "Sign mail from an address that the certificate of --sign-with does not have.",
    "--headers": "What is shown outside of header fields, by RFC 9788; with none, they are not protected inside.",
    "--profile": "Algorithms that all recipients are known to read, or for S/MIME 4.0 readers, for older ones, or for"
    " post-quantum keys only.",
}
_CHOICES: Final = (
    *("identifier", "rsa", "derived_content_key", "cipher"),
    *(option[2:].replace("-", "_") for option in GUARD_OPTIONS),
)


class Encrypting(NamedTuple):
    """How a message is encrypted and for whom, as the options say.

    Attributes:
        named: what ``-r`` names.
        own: files with the sender's certificate.
        unlocking: where passphrases of private keys are.
        addressing: who reads it by address.
        secrets: who reads it by password or shared key.
        trust: whose certificates are trusted.
        profile: the name of the profile, or None.
        hide_subject: whether the subject is hidden outside.
        headers: what is shown of header fields outside, or None.
        sign_with: the file of the private key that signs inside, or None.
        triple: whether it signs outside as well.
        insecure_address: whether it may sign for another address.
        again: whether an encrypted mail is encrypted once more.
        compress: whether it is compressed.
        strip_dkim: whether a DKIM signature is removed.
        verbose: whether it is said what was chosen.
        quiet: whether nothing is said.
        choices: what changes the profile.
    """

    named: Named
    own: tuple[str, ...]
    unlocking: Passphrases
    addressing: Addressing
    secrets: SharedSecrets
    trust: Trust
    profile: str | None
    hide_subject: bool
    headers: HeaderPolicy | None
    sign_with: str | None
    triple: bool
    insecure_address: bool
    again: bool
    compress: bool
    strip_dkim: bool
    verbose: bool
    quiet: bool
    choices: Mapping[str, Any]

    def files(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield each option with the files that it reads."""
        yield "-r", self.named.files
        yield "--self", self.own
        yield "--certs", self.addressing.stores
        yield from self.trust.files()
        yield "--sign-with", (self.sign_with,) if self.sign_with else ()
        for option, path in self.secrets.files():
            yield option, (path,)

    def check(self, form: Form) -> None:
        """Check that the options go together.

        Raises:
            MisuseError: they do not.
        """
        if self.headers and self.hide_subject:
            hint = "--hide-subject is --headers hcp_baseline"
            raise MisuseError("--hide-subject and --headers exclude each other", hint)
        given: dict[str, object] = {"--headers": self.headers, "--hide-subject": self.hide_subject}
        given |= {"--sign-with": self.sign_with, "--again": self.again, "--compress": self.compress}
        given |= {"--strip-dkim": self.strip_dkim}
        if form != "mail" and (option := next(filter(given.get, given), None)):
            raise MisuseError(f"{option} is about mails, and does not go with --format {form}")
        signing = {"--triple": self.triple, "--insecure-address": self.insecure_address}
        if not self.sign_with and (option := next(filter(signing.get, signing), None)):
            raise MisuseError(f"{option} is about a signature", "--sign-with IDENTITY says who signs")

    def loaded(self, form: Form) -> tuple[Profile, TrustAnchors | None, list[Recipient], list[str]]:
        """Return the algorithms, whom to trust, who reads it, and a sentence about each certificate not used.

        Raises:
            SmimeError: something cannot be loaded.
            OSError: a file cannot be read.
        """
        profile = chosen_profile(self.profile or ("auto" if form == "mail" else "modern"), **self.choices)
        anchors, passphrases = self.trust.load(), self.unlocking.read()
        return profile, anchors, *recipients_in((*self.named.files, *self.own), profile, passphrases, anchors)

    @contextlib.contextmanager
    def begun(self, message: str, form: Form = "mail", *, head: bool = False) -> Iterator[Begun]:
        """Load what encrypting needs and open the message, before a password is asked for.

        Args:
            message: its path, or ``-``.
            form: what is made of it.
            head: whether its header fields are wanted in any case.

        Raises:
            SmimeError: something cannot be loaded, or the message is no mail.
            OSError: a file cannot be read.
        """
        profile, anchors, recipients, left_out = self.loaded(form)
        with reading(message) as source:
            wanted = form == "mail" and (head or bool(self.addressing.stores))
            fields, stream = head_of(source) if wanted else ((), source.stream)
            yield Begun(source, stream, fields, profile, anchors, recipients, left_out)

    def reported(self, begun: Begun) -> bool:
        """Write the report that ``--dry-run`` asks for; tell whether that is all there is to do."""
        if not self.addressing.dry_run:
            return False
        alone = not (begun.recipients or self.secrets)
        if not self.addressing.report(begun.fields, begun.profile, begun.anchors, alone=alone):
            click.get_current_context().exit(1)
        return True

    def work(self, begun: Begun, divided: Sequence[Envelope]) -> Work:
        """Return what is to be done: who signs is loaded, and passwords are asked for.

        Raises:
            SmimeError: a key cannot be loaded, or a password cannot be used.
            OSError: a file cannot be read.
        """
        treatment = self.treatment()
        left_out = [*begun.left_out, *expiring_soon(divided)]
        others = [*begun.recipients, *self.secrets.load(new=True)]
        return Work(begun.source, begun.stream, begun.profile, treatment, others, left_out, divided)

    def treatment(self) -> dict[str, Any]:
        """Return what is done to a mail, as :func:`~smime_session.encrypt_stream` takes it; who signs is loaded.

        Raises:
            SmimeError: the key cannot be loaded.
            OSError: a file cannot be read.
        """
        treatment: dict[str, Any] = {
            "headers": self.headers or ("hcp_baseline" if self.hide_subject else "hcp_no_confidentiality"),
            "again": self.again,
            "compress": self.compress,
            "strip_dkim": self.strip_dkim,
        }
        if self.sign_with:
            lifted = lifted_guards({**self.choices, "insecure_address": self.insecure_address})
            treatment["signer"] = SignerFile(self.sign_with, self.unlocking, None, None, lifted).load()
            treatment["triple"] = self.triple
        return treatment

    def tell(self, work: Work, sealed: Iterable[Sealed]) -> None:
        """Say what there is to know about what was encrypted, each thing once."""
        if self.quiet:
            return
        sentences = [*work.left_out, *(each for made in sealed for each in _about(made, verbose=self.verbose))]
        if self.verbose and (self.named.files or self.own or self.addressing.stores):
            sentences.append(_CHECKED if self.trust else _UNCHECKED)
        for sentence in dict.fromkeys(sentences):
            note(sentence)


class Begun(NamedTuple):
    """A message that is open, and what was loaded to encrypt it.

    Attributes:
        source: the message.
        stream: all of it.
        fields: its header fields, if they are wanted.
        profile: the algorithms.
        anchors: whom to trust, or None.
        recipients: who reads it whatever its header says.
        left_out: sentences about certificates that are not used.
    """

    source: Source
    stream: BinaryIO
    fields: Sequence[Field]
    profile: Profile
    anchors: TrustAnchors | None
    recipients: Sequence[Recipient]
    left_out: Sequence[str]


class Work(NamedTuple):
    """A message that is to be encrypted, for one envelope or for several.

    Attributes:
        source: the message.
        stream: all of it.
        profile: the algorithms.
        treatment: what is done to it, as :func:`~smime_session.encrypt_stream` takes it.
        others: who reads it besides those in the envelopes; blind recipients get one without them.
        left_out: sentences about certificates that are not used, or not much longer.
        divided: the envelopes.
    """

    source: Source
    stream: BinaryIO
    profile: Profile
    treatment: dict[str, Any]
    others: Sequence[Recipient]
    left_out: Sequence[str]
    divided: Sequence[Envelope]

    def encrypt_each(self, targets: Iterable[BinaryIO]) -> list[Sealed]:
        """Write a message for each envelope.

        Raises:
            MisuseError: there are several, and the mail can be read only once.
            SmimeError: it cannot be encrypted.
        """
        begin = self.stream.tell() if self.stream.seekable() else None
        if begin is None and len(self.divided) > 1:
            raise MisuseError("the mail has blind recipients and comes from a pipe", "give it as a file")
        done = []
        for each, target in zip(self.divided, targets, strict=True):
            if begin is not None:
                self.stream.seek(begin)
            recipients: list[Recipient | x509.Certificate] = [
                *each.readers(self.profile),
                *(() if each.blind else self.others),
            ]
            sealed = smime_session.encrypt_stream(
                self.stream, target, recipients, profile=self.profile, **self.treatment
            )
            done.append(replace(sealed, removed_fields=()))  # who was in Bcc has a message of their own
        return done


def _about(sealed: Sealed, *, verbose: bool) -> Iterator[str]:
    if verbose:
        means = "authenticated" if sealed.authenticated else "not authenticated, and can be altered on the way"
        yield f"the content is encrypted with {sealed.content_encryption} ({means}): {sealed.reason}"
    if sealed.locked_out:
        yield about_locked_out(sealed.locked_out)
    if blind := dict.fromkeys(name for name in sealed.removed_fields if name.lower() in _BLIND):
        yield f"{' and '.join(blind)} was removed: every recipient could have read it"
    if sealed.already_encrypted:
        yield "the mail was encrypted already: most programs that decrypt it show an encrypted mail"


def encrypting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a message is encrypted and for whom; the function gets ``encrypting``."""

    @functools.wraps(function)
    def collect(*arguments: object, **options: Any) -> object:  # noqa: ANN401  # whatever click passes
        choices = {name: options.pop(name) for name in _CHOICES}
        named = Named.by(options.pop("certificates"))
        addressing: Addressing = options.pop("addressing").with_named(named)
        unlocking = Passphrases.among(options)
        values = {name: options.pop(name) for name in Encrypting._fields if name in options}
        encrypting = Encrypting(named=named, unlocking=unlocking, addressing=addressing, choices=choices, **values)
        return function(*arguments, encrypting=encrypting, **options)

    added: Callable[..., Any] = collect
    for option in (
        quiet_option,
        click.option("-v", "--verbose", is_flag=True, help=_HELP["-v"]),
        trust_options,
        click.option("--insecure-address", is_flag=True, help=_HELP["--insecure-address"]),
        guard_options,
        algorithm_options,
        click.option("--strip-dkim", is_flag=True, help=_HELP["--strip-dkim"]),
        click.option("--compress", is_flag=True, help=_HELP["--compress"]),
        click.option("--again", is_flag=True, help=_HELP["--again"]),
        click.option("--triple", is_flag=True, help=_HELP["--triple"]),
        click.option("--sign-with", metavar="IDENTITY", type=PATH, help=_HELP["--sign-with"]),
        click.option("--headers", type=click.Choice(_POLICIES), help=_HELP["--headers"]),
        click.option("--hide-subject", is_flag=True, help=_HELP["--hide-subject"]),
        click.option(
            "--profile",
            type=click.Choice(["auto", "modern", "compat", "pq"]),
            show_default="auto for a mail, modern for other formats",
            help=_HELP["--profile"],
        ),
        shared_secret_options,
        passphrase_options,
        click.option("--self", "own", metavar="CERT", type=PATH, multiple=True, help=_HELP["--self"]),
        addressing_options,
        click.option("-r", "--recipient", "certificates", metavar="CERT", type=PATH, multiple=True, help=_HELP["-r"]),
    ):
        added = option(added)
    return added
