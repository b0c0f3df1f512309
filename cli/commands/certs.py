"""``smime-session certs``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click
from cryptography.hazmat.primitives.serialization import Encoding

import smime_session
from smime_session.certificates.files import Kind, read
from smime_session.certificates.names import describe
from smime_session.certificates.quiet import quietly
from smime_session.certificates.trust import issuers_in
from smime_session.operations.harvest import Harvest, harvest

from ..console import emit, say, to_json
from ..credentials import load_file
from ..files import Output
from ..lookup import choose, report
from ..options import PATH, MisuseError, chosen_profile, guard_options, stores_option
from ..parsing import Command
from ..recipients import SOON_DAYS
from ..trust import trust_options

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cryptography import x509

    from smime_session.certificates.announcements import Announcement
    from smime_session.operations.addressees import Addressee

    from ..trust import Trust


def _json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Write JSON.")(function)


@click.group("certs", no_args_is_help=False)
def command() -> None:
    """Find certificates by mail address, and keep a folder of them."""


@command.command("find", cls=Command, epilog="smime-session certs find bob@example.com --certs certificates")
@click.argument("address")
@stores_option(required=True)
@click.option("--all-certs", "every", is_flag=True, help="Choose all that can be used, not only the best.")
@click.option(
    "-o", "--output", metavar="OUT", type=PATH, help="Write the certificates that were chosen to a file (PEM)."
)
@guard_options
@trust_options
@_json_option
def find(  # noqa: PLR0913  # an argument for each option
    address: str,
    stores: tuple[str, ...],
    output: str | None,
    *,
    trust: Trust,
    every: bool,
    as_json: bool,
    **guards: bool,
) -> None:
    """Show which certificate is chosen for ADDRESS, and what speaks against the others."""
    destination = Output(output)
    aside = output is not None and destination.is_standard
    if aside and as_json:
        raise MisuseError("both the certificates and JSON would go to standard output", "-o FILE writes them to a file")
    (addressee,) = choose([address], stores, chosen_profile("auto", **guards), every=every, trust=trust.load())
    if output is not None and addressee.certificates:
        _write(destination, addressee)
    report([addressee], as_json=as_json, aside=aside)
    if not addressee.certificates:
        click.get_current_context().exit(1)


def _write(destination: Output, addressee: Addressee) -> None:
    with destination.open() as target:
        for certificate in addressee.certificates:
            target.write(certificate.public_bytes(Encoding.PEM))


@command.command("list", cls=Command, epilog="smime-session certs list certificates")
@click.argument("folder", type=PATH)
@_json_option
def list_(folder: str, *, as_json: bool) -> None:
    """Show what the certificate files in FOLDER hold."""
    files = list(smime_session.CertificateStore(folder).files())
    if as_json:
        found = [
            {"file": name, "certificates": [_described(each) for each in certificates], "problem": problem}
            for name, certificates, problem in files
        ]
        emit(to_json(found).split("\n"))
        return
    lines: list[str] = []
    for name, certificates, problem in files:
        described = [_described(each) for each in certificates]
        lines += [f"{name}: {each['name']}, valid until {each['valid_until']}" for each in described]
        lines += [f"{name}: {problem}"] if problem else []
    emit(lines)


@quietly()
def _described(certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "name": describe(certificate),
        "addresses": smime_session.addresses_of(certificate),
        "serial_number": f"{certificate.serial_number:#x}",
        "valid_until": f"{certificate.not_valid_after_utc:%Y-%m-%d}",
    }


@command.command("add", cls=Command, epilog="smime-session certs add certificates alice.pem carol.pem")
@click.argument("folder", type=PATH)
@click.argument("files", metavar="FILE...", type=PATH, nargs=-1, required=True)
def add(folder: str, files: tuple[str, ...]) -> None:
    """Add the certificates in each FILE to FOLDER, once each.

    FILE holds certificates (PEM, DER, PKCS#7) or is a signed mail, of which the signer's are taken, and what the
    signer's program reads: the signature must hold, and the mail be from an address in the certificate.
    """
    store = smime_session.CertificateStore(folder)
    certificates: list[x509.Certificate] = []
    announced: dict[x509.Certificate, Announcement] = {}
    for path in files:
        found = load_file(path, _certificates_or_mail)
        certificates += found.certificates
        announced |= found.announced
    for name in store.add(certificates, announced):
        say(f"Wrote {folder}/{name}")


def _certificates_or_mail(data: bytes) -> Harvest:
    """Load the certificates in a file, or those that came with a signed mail.

    Raises:
        CredentialError: there are none.
    """
    if [piece.kind for piece in read(data)] != [Kind.MAIL]:
        return Harvest(smime_session.load_certificates(data), {})
    return harvest(data)


@command.command("check", cls=Command, epilog="smime-session certs check certificates")
@click.argument("folder", type=PATH)
@click.option(
    "--days",
    metavar="N",
    type=click.IntRange(min=0),
    default=SOON_DAYS,
    show_default=True,
    help="Name what expires within N days.",
)
@trust_options
def check(folder: str, days: int, *, trust: Trust) -> None:
    """Name the certificates in FOLDER that have expired or soon will; exit status 1 if one has.

    With --ca, those that are not trusted, or were revoked, are named too, and lead to the same exit status. Issuers
    are looked for in FOLDER.
    """
    now = datetime.now(UTC)
    files, anchors = list(smime_session.CertificateStore(folder).files()), trust.load()
    issuers = issuers_in(each for file in files for each in file.certificates) if anchors else []
    bad, soon, problems = [], [], []
    for file in files:
        for certificate in file.certificates:
            verdict = anchors.check(certificate, issuers, now) if anchors else None
            if certificate.not_valid_after_utc < now:
                bad.append(_sentence(file.name, certificate, _expiry("expired on", certificate)))
            elif verdict and not verdict.trusted:
                bad.append(_sentence(file.name, certificate, verdict.reason))
            elif certificate.not_valid_after_utc < now + timedelta(days=days):
                soon.append(_sentence(file.name, certificate, _expiry("expires on", certificate)))
        problems += [f"{file.name}: {file.problem}"] if file.problem else []
    emit([*bad, *soon, *problems])
    if bad:
        click.get_current_context().exit(1)


def _sentence(name: str, certificate: x509.Certificate, what: str) -> str:
    return f"{name}: certificate of {describe(certificate)} {what}"


def _expiry(what: str, certificate: x509.Certificate) -> str:
    return f"{what} {certificate.not_valid_after_utc:%Y-%m-%d}"
