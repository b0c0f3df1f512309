"""``smime-session encrypt``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import click

import smime_session

from ..addressing import LIST_NAME, addressing_options, expiring_soon, head_of
from ..console import about_locked_out, note, to_json
from ..credentials import recipients_in
from ..files import SHARED, Output, new_files, reading
from ..options import (
    PATH,
    MisuseError,
    algorithm_options,
    chosen_profile,
    guard_options,
    message_argument,
    output_option,
    passphrase_options,
    quiet_option,
    refuse_to_replace,
)
from ..parsing import Command
from ..passphrases import given_passphrases
from ..progress import progress
from ..recipients import Named
from ..shared_secrets import shared_secret_options
from ..trust import trust_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, BinaryIO

    from cryptography import x509

    from smime_session import Profile, Recipient, Sealed
    from smime_session.mail.header_policy import HeaderPolicy
    from smime_session.operations.addressees import Envelope
    from smime_session.operations.encrypt import Form

    from ..addressing import Addressing
    from ..shared_secrets import SharedSecrets
    from ..streams import Source
    from ..trust import Trust


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
}


_EXAMPLES: Final = (
    "smime-session encrypt -r bob.pem letter.eml -o letter.enc.eml\n"
    "smime-session encrypt --certs certificates letter.eml -o sent.eml"
)


@click.command("encrypt", cls=Command, epilog=_EXAMPLES)
@message_argument
@click.option("-r", "--recipient", "certificates", metavar="CERT", type=PATH, multiple=True, help=_HELP["-r"])
@addressing_options
@click.option("--self", "own", metavar="CERT", type=PATH, multiple=True, help=_HELP["--self"])
@passphrase_options
@shared_secret_options
@output_option
@click.option(
    "--profile",
    type=click.Choice(["auto", "modern", "compat", "pq"]),
    show_default="auto for a mail, modern for other formats",
    help="Algorithms that all recipients are known to read, or for S/MIME 4.0 readers, for older ones, or for"
    " post-quantum keys only.",
)
@click.option("--hide-subject", is_flag=True, help=_HELP["--hide-subject"])
@click.option("--headers", type=click.Choice(_POLICIES), help=_HELP["--headers"])
@click.option(
    "--format",
    "form",
    type=click.Choice(["mail", "der", "pem"]),
    default="mail",
    show_default=True,
    help="A whole mail, or any file as a bare CMS object.",
)
@click.option("--sign-with", metavar="IDENTITY", type=PATH, help=_HELP["--sign-with"])
@click.option("--triple", is_flag=True, help=_HELP["--triple"])
@click.option("--again", is_flag=True, help=_HELP["--again"])
@click.option("--compress", is_flag=True, help=_HELP["--compress"])
@click.option("--strip-dkim", is_flag=True, help=_HELP["--strip-dkim"])
@algorithm_options
@guard_options
@click.option("--insecure-address", is_flag=True, help=_HELP["--insecure-address"])
@trust_options
@click.option("-v", "--verbose", is_flag=True, help=_HELP["-v"])
@quiet_option
def command(  # noqa: PLR0913  # an argument for each kind of option
    *,
    message: str,
    certificates: tuple[str, ...],
    own: tuple[str, ...],
    passphrase_files: tuple[str, ...],
    passphrase_envs: tuple[str, ...],
    output: str | None,
    form: Form,
    addressing: Addressing,
    secrets: SharedSecrets,
    trust: Trust,
    hide_subject: bool,
    headers: HeaderPolicy | None,
    profile: str | None,
    sign_with: str | None,
    triple: bool,
    insecure_address: bool,
    again: bool,
    compress: bool,
    strip_dkim: bool,
    verbose: bool,
    quiet: bool,
    **choices: Any,  # noqa: ANN401  # they go to the profile
) -> None:
    """Encrypt a message for recipients.

    MESSAGE is a path, or - for standard input. A new random session key encrypts it once, and is itself
    encrypted with each recipient's key. If one recipient cannot be used, the message is not encrypted at all.
    A password or a shared key makes everyone who has it a recipient too.

    The header fields of a mail stay readable outside; a copy inside tells the reader if they were changed.

    With --certs, recipients are found by the addresses in To, Cc and Bcc. If there is a Bcc, -o names a folder: it
    gets a message for all in To and Cc, one for each in Bcc, and a list of who gets which.

    With --sign-with, the mail is signed before it is encrypted: only its recipients see by whom.

    With --ca, the certificate of each recipient must have a chain to one of ROOTS; without it, chains are not checked.
    """
    destination, named = Output(output), Named.by(certificates)
    addressing = addressing.with_named(named)
    files = {"-r": named.files, "--self": own, "--certs": addressing.stores, **dict(trust.files())}
    files["--sign-with"] = (sign_with,) if sign_with else ()
    _check(destination, form, files, addressing, secrets)
    treatment: dict[str, Any] = {
        "headers": _header_policy(headers, hide_subject=hide_subject),
        "again": again,
        "compress": compress,
        "strip_dkim": strip_dkim,
    }
    given: dict[str, object] = {"--headers": headers, "--hide-subject": hide_subject}
    given |= {"--sign-with": sign_with, "--again": again, "--compress": compress, "--strip-dkim": strip_dkim}
    if form != "mail" and (option := next(filter(given.get, given), None)):
        raise MisuseError(f"{option} is about mails, and does not go with --format {form}")

    if not sign_with and (option := "--triple" if triple else "--insecure-address" if insecure_address else None):
        raise MisuseError(f"{option} is about a signature", "--sign-with IDENTITY says who signs")

    chosen = chosen_profile(profile or ("auto" if form == "mail" else "modern"), **choices)
    anchors, passphrases = trust.load(), given_passphrases(passphrase_files, passphrase_envs)
    recipients, left_out = recipients_in((*named.files, *own), chosen, passphrases, anchors)
    with reading(message) as source:  # before a password is asked for
        fields, stream = head_of(source) if addressing.stores and form == "mail" else ((), source.stream)
        if addressing.dry_run:
            if not addressing.report(fields, chosen, anchors):
                click.get_current_context().exit(1)
            return
        divided = addressing.envelopes(fields, chosen, anchors)
        left_out += expiring_soon(divided)
        if sign_with:
            from ..signers import SignerFile, lifted_guards  # most mails are not signed

            lifted = lifted_guards({**choices, "insecure_address": insecure_address})
            treatment["signer"] = SignerFile(sign_with, passphrase_files, passphrase_envs, None, None, lifted).load()
            treatment["triple"] = triple
        recipients += secrets.load(new=True)
        work = _Work(source, stream, chosen, treatment, form, quiet=quiet)
        if addressing.stores and destination.is_folder:
            sealed = work.encrypt_each(divided, recipients, cast("str", output))
        else:
            found = [certificate for each in divided for certificate in each.certificates]
            if any(each.blind for each in divided):
                raise MisuseError("the mail has blind recipients (Bcc)", "-o FOLDER writes a message for each of them")
            sealed = [work.encrypt_to(destination, [*found, *recipients])]
    if not quiet:
        checked = [_CHECKED if trust else _UNCHECKED] if named.files or own or addressing.stores else []
        _tell(sealed, left_out, checked if verbose else (), verbose=verbose)


def _check(
    destination: Output,
    form: Form,
    files: Mapping[str, Sequence[str]],
    addressing: Addressing,
    secrets: SharedSecrets,
) -> None:
    """Check that the options go together and that no file is lost.

    Raises:
        MisuseError: they do not, or one would be.
    """
    addressing.check()
    if form == "der" and destination.refuses_binary and not addressing.dry_run:
        raise MisuseError(
            "DER is binary and standard output is a terminal",
            "-o FILE writes it to a file, -o - writes it to the terminal anyway",
        )
    if not files["-r"] and not secrets and not addressing.stores:
        words = "-r CERT, --certs FOLDER, --password or --shared-key FILE says who can read it"
        raise MisuseError("no recipient was given", words)
    for option, paths in files.items():
        refuse_to_replace(destination, option, paths)
    for option, path in secrets.files():
        refuse_to_replace(destination, option, [path])


def _header_policy(headers: HeaderPolicy | None, *, hide_subject: bool) -> HeaderPolicy:
    """Return what is shown outside of header fields.

    Raises:
        MisuseError: the options do not go together.
    """
    if headers and hide_subject:
        raise MisuseError("--hide-subject and --headers exclude each other", "--hide-subject is --headers hcp_baseline")
    return headers or ("hcp_baseline" if hide_subject else "hcp_no_confidentiality")


class _Work(NamedTuple):
    """A message that is to be encrypted, for one envelope or for several."""

    source: Source
    stream: BinaryIO
    profile: Profile
    treatment: dict[str, Any]
    form: Form
    quiet: bool

    def encrypt_to(self, destination: Output, recipients: Sequence[Recipient | x509.Certificate]) -> Sealed:
        """Encrypt it to where a command writes."""
        with progress("encrypting", self.source, destination, quiet=self.quiet), destination.open() as target:
            return smime_session.encrypt_stream(
                self.stream,
                target,
                recipients,
                profile=self.profile,
                form=self.form,
                transactional=destination.transactional,
                **self.treatment,
            )

    def encrypt_each(self, divided: Sequence[Envelope], others: Sequence[Recipient], folder: str) -> list[Sealed]:
        """Write a message for each envelope into a folder, and the list of who gets which: all of it or nothing.

        Raises:
            MisuseError: there are several, and the mail can be read only once.
        """
        begin = self.stream.tell() if self.stream.seekable() else None
        if begin is None and len(divided) > 1:
            raise MisuseError("the mail has blind recipients and comes from a pipe", "give it as a file")
        done = []
        names = [f"{number}.eml" for number in range(1, len(divided) + 1)]
        with new_files(*((f"{folder}/{name}", SHARED) for name in (*names, LIST_NAME))) as (*targets, list_file):
            for each, target in zip(divided, targets, strict=True):
                if begin is not None:
                    self.stream.seek(begin)
                recipients: list[Recipient | x509.Certificate] = [*each.certificates, *(() if each.blind else others)]
                sealed = smime_session.encrypt_stream(
                    self.stream, target, recipients, profile=self.profile, **self.treatment
                )
                done.append(replace(sealed, removed_fields=()))  # who was in Bcc has a message of their own
            found = [{"file": name, "recipients": each.recipients} for name, each in zip(names, divided, strict=True)]
            list_file.write(to_json(found).encode() + b"\n")
        return done


def _tell(sealed: Iterable[Sealed], left_out: Iterable[str], checked: Iterable[str], *, verbose: bool) -> None:
    """Say what there is to know about what was encrypted, each thing once."""
    sentences = [*left_out, *(sentence for each in sealed for sentence in _about(each, verbose=verbose)), *checked]
    for sentence in dict.fromkeys(sentences):
        note(sentence)


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
