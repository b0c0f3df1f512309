"""``smime-session batch``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from smime_session import Policy

from ..batching import batch_options
from ..console import note
from ..credentials import certificates_in
from ..encrypting import encrypting_options
from ..files import PRIVATE
from ..listed import read_list
from ..options import PATH, MisuseError, limit_options, quiet_option
from ..parsing import Command
from ..private_keys import identity_option
from ..rewrapping import rewrapping_options
from ..shared_secrets import shared_secret_options
from ..trust import signer_trust_options
from ..works import ByAddress, DecryptWork, EncryptWork, InspectWork, RewrapWork, SessionKeyWork, VerifyWork

if TYPE_CHECKING:
    from smime_session.batch import Work

    from ..batching import Batch
    from ..encrypting import Encrypting
    from ..private_keys import PrivateKeys
    from ..rewrapping import Rewrapping
    from ..shared_secrets import SharedSecrets
    from ..trust import Trust


@click.group("batch", no_args_is_help=False)
def command() -> None:
    """Work on many messages at once, and go on where a run was cut short.

    SOURCE is a folder of .eml files with its subfolders, a Maildir, an mbox, a zip or tar of .eml files, or - for a
    list of paths on standard input. TARGET is a folder, a Maildir, an mbox (NAME.mbox) or an archive (NAME.zip, .tar,
    .tar.gz, .tar.zst), and new. Both can be folders in an object store, s3://BUCKET/FOLDER.

    Several processes work at a time. What became of each message is kept in a journal beside TARGET: a run that was
    interrupted or killed goes on with the same command line, and each message ends in TARGET exactly once. One that
    fails is told at the end, with the reason; the others go on, and the exit status is 1.
    """


@command.command("encrypt", cls=Command, epilog="smime-session batch encrypt --certs certificates mails encrypted")
@batch_options
@click.option(
    "--recipients",
    "listed",
    metavar="FILE",
    type=PATH,
    help="A CSV file that says whom each message is for: its name, then addresses.",
)
@encrypting_options
def encrypt(batch: Batch, listed: str | None, encrypting: Encrypting) -> None:
    """Encrypt every mail of SOURCE into TARGET.

    The options say for whom and how, as for encrypt. With --certs, each mail is for the addresses in its header, or for
    those that --recipients lists; every row of the list is checked before the first mail is encrypted.
    """
    addressing = encrypting.addressing
    addressing.check()
    for option, given in (("--dry-run", addressing.dry_run), ("--json", addressing.as_json)):
        if given:
            raise MisuseError(f"{option} is about one mail", "leave it out; --report FILE tells of each message")
    if not encrypting.named.files and not encrypting.secrets and not addressing.stores:
        words = "-r CERT, --certs FOLDER, --password or --shared-key FILE says who can read it"
        raise MisuseError("no recipient was given", words)
    if listed and not addressing.stores:
        raise MisuseError("--recipients names addresses", "--certs FOLDER has their certificates")
    if listed and (addressing.to or addressing.more or addressing.no_header_recipients):
        raise MisuseError("--recipients says for each message whom it is for", "leave out the other addresses")
    encrypting.check("mail")
    source = batch.opened()

    def prepare() -> Work:
        profile, anchors, recipients, left_out = encrypting.loaded("mail")
        for sentence in () if encrypting.quiet else left_out:
            note(sentence)
        by_address = ByAddress(addressing, profile, anchors) if addressing.stores else None
        if listed and by_address:
            by_address.listed = read_list(listed, (item.name for item in source.items()), by_address)
        everyone = [*recipients, *encrypting.secrets.load(new=True)]
        return EncryptWork(profile, everyone, by_address, encrypting.treatment())

    batch.carry_out("encrypted", source, prepare, quiet=encrypting.quiet)


@command.command("decrypt", cls=Command, epilog="smime-session batch decrypt -i bob.key encrypted opened")
@batch_options
@identity_option
@shared_secret_options
@click.option("--insecure-legacy", is_flag=True, help="Open broken algorithms (3DES, RC2 with 128 bits).")
@signer_trust_options
@click.option("--require-authenticated", is_flag=True, help="Refuse content that could have been altered.")
@limit_options("max_recipients", "max_trials", "max_password_iterations")
@quiet_option
def decrypt(  # noqa: PLR0913  # an argument for each kind of option
    batch: Batch,
    identities: PrivateKeys,
    *,
    secrets: SharedSecrets,
    trust: Trust,
    insecure_legacy: bool,
    require_authenticated: bool,
    limits: dict[str, Any],
    quiet: bool,
) -> None:
    """Decrypt every message of SOURCE into TARGET.

    The options say with which keys, as for decrypt. Keys are unlocked once, before the work begins.
    """
    _require_keys(identities, secrets)

    def prepare() -> Work:
        keys = [*identities.load(named=True), *secrets.load(new=False)]
        policy = Policy(require_authenticated=require_authenticated, insecure_legacy=insecure_legacy, **limits)
        return DecryptWork(keys, policy, trust.load())

    batch.carry_out("decrypted", batch.opened(), prepare, permissions=PRIVATE, reads=True, quiet=quiet)


@command.command("rewrap", cls=Command, epilog="smime-session batch rewrap -i bob.key -r carol.pem encrypted wider")
@batch_options
@rewrapping_options
def rewrap(batch: Batch, rewrapping: Rewrapping) -> None:
    """Give every message of SOURCE other recipients.

    The options say whom to add and whom to remove, as for rewrap; --reseal encrypts the content anew.
    """
    rewrapping.check()

    def prepare() -> Work:
        choices, left_out = rewrapping.load()
        for sentence in () if rewrapping.quiet else left_out:
            note(sentence)
        keys, new_secrets = rewrapping.openers.load(named=True), rewrapping.readers.secrets.load(new=True)
        return RewrapWork(keys, {**choices, "add": [*choices["add"], *new_secrets]})

    batch.carry_out("rewrapped", batch.opened(), prepare, reads=True, quiet=rewrapping.quiet)


@command.command("session-key", cls=Command, epilog="smime-session batch session-key -i bob.key encrypted keys")
@batch_options
@identity_option
@shared_secret_options
@click.option("--insecure-legacy", is_flag=True, help="Open broken algorithms (3DES, RC2 with 128 bits).")
@limit_options("max_recipients", "max_trials", "max_password_iterations")
@quiet_option
def session_key(  # noqa: PLR0913  # an argument for each kind of option
    batch: Batch,
    identities: PrivateKeys,
    *,
    secrets: SharedSecrets,
    insecure_legacy: bool,
    limits: dict[str, Any],
    quiet: bool,
) -> None:
    """Save the session key of every message of SOURCE.

    TARGET is a folder that gets a file for each, NAME.key, which opens this message and no other, without a private
    key: see decrypt --session-key. All of a message is checked first. The files are readable by their owner only; guard
    them like the messages.
    """
    _refuse_in_place(batch)
    _require_keys(identities, secrets)

    def prepare() -> Work:
        keys = [*identities.load(named=True), *secrets.load(new=False)]
        return SessionKeyWork(keys, Policy(insecure_legacy=insecure_legacy, **limits))

    batch.carry_out("saved", batch.opened(), prepare, permissions=PRIVATE, suffix=".key", reads=True, quiet=quiet)


@command.command("inspect", cls=Command, epilog="smime-session batch inspect encrypted reports")
@batch_options
@identity_option
@click.option(
    "-r", "--recipient", "certificates", metavar="CERT", type=PATH, multiple=True, help="Certificates to look for."
)
@limit_options("max_recipients")
@quiet_option
def inspect(
    batch: Batch,
    identities: PrivateKeys,
    certificates: tuple[str, ...],
    *,
    limits: dict[str, Any],
    quiet: bool,
) -> None:
    """Tell how every message of SOURCE is encrypted, and for whom.

    TARGET is a folder that gets a JSON file for each, as inspect --json writes it. Nothing is decrypted.
    """
    _refuse_in_place(batch)

    def prepare() -> Work:
        known = certificates_in(certificates, identities.passphrases())
        return InspectWork(identities.load(named=True), known, Policy(**limits))

    batch.carry_out("inspected", batch.opened(), prepare, suffix=".json", quiet=quiet)


@command.command("verify", cls=Command, epilog="smime-session batch verify --insecure-untrusted signed verdicts")
@batch_options
@signer_trust_options
@click.option("--certificates", metavar="FILE", type=PATH, multiple=True, help="Certificates of signers.")
@click.option("--insecure-untrusted", is_flag=True, help="Accept signers for whom no trusted root vouches.")
@click.option("--insecure-legacy", is_flag=True, help="Accept signatures with SHA-1 and MD5, which others can forge.")
@quiet_option
def verify(  # noqa: PLR0913  # an argument for each option
    batch: Batch,
    certificates: tuple[str, ...],
    *,
    trust: Trust,
    insecure_untrusted: bool,
    insecure_legacy: bool,
    quiet: bool,
) -> None:
    """Tell who signed every message of SOURCE, and whether that holds.

    TARGET is a folder that gets a JSON file for each that is accepted; the others fail with the verdict as reason.
    """
    _refuse_in_place(batch)

    def prepare() -> Work:
        return VerifyWork(
            {
                "trust": trust.load(),
                "certificates": certificates_in(certificates),
                "policy": Policy(insecure_legacy=insecure_legacy),
                "accept": ("trusted", "untrusted") if insecure_untrusted else ("trusted",),
            }
        )

    batch.carry_out("accepted", batch.opened(), prepare, suffix=".json", quiet=quiet)


def _require_keys(identities: PrivateKeys, secrets: SharedSecrets) -> None:
    if not identities and not secrets:
        raise MisuseError("no identity was given", "-i IDENTITY, --password or --shared-key FILE gives one")


def _refuse_in_place(batch: Batch) -> None:
    if batch.in_place:
        raise MisuseError("--in-place would put other things into the place of messages", "TARGET is a folder for them")
