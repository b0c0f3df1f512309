"""What ``openssl ocsp`` answers as a responder, on the loopback interface."""

from __future__ import annotations

import re
import socket
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from smime_session import OcspClient, TrustAnchors
from tests.interop.peers.everyone import require
from tests.support.chains import Authority, Period, root
from tests.support.making import DAY, key_usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


NOW = datetime.now(UTC)
VALID: Period = {"start": NOW - 30 * DAY, "end": NOW + 30 * DAY}
OCSP_SIGNING = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)


def _at(address: str) -> tuple[x509.ExtensionType, bool]:
    """Return the extension that names a responder."""
    place = x509.UniformResourceIdentifier(address)
    return x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)]), False


class Office(NamedTuple):
    """An authority with its responder.

    Attributes:
        ca: the authority.
        good: a certificate that the responder calls good.
        revoked: one that it calls revoked.
        unknown: one that it does not know.
    """

    ca: Authority
    good: x509.Certificate
    revoked: x509.Certificate
    unknown: x509.Certificate

    def verdict(self, certificate: x509.Certificate, at: datetime | None = None) -> tuple[str, str]:
        """Check a certificate against the authority, with a question to the responder."""
        return TrustAnchors([self.ca.certificate], responder=OcspClient()).check(certificate, at=at)[:2]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _index(office: Office) -> str:
    """Return what OpenSSL's responder looks into."""
    end, revoked = (f"{moment:%y%m%d%H%M%SZ}" for moment in (VALID["end"], NOW - DAY))
    lines = (("V", end, "", office.good), ("R", end, revoked, office.revoked))
    return "".join(
        f"{status}\t{end}\t{when}\t{_serial(certificate)}\tunknown\t/CN=Alice\n"
        for status, end, when, certificate in lines
    )


def _serial(certificate: x509.Certificate) -> str:
    """Return a serial number as hexadecimal digits for whole octets."""
    number = certificate.serial_number
    return number.to_bytes(number.bit_length() // 8 + 1, "big").lstrip(b"\0").hex().upper()


@contextmanager
def _responder(
    folder: Path, signer: Authority | None = None, *, ca: Authority | None = None, options: Sequence[str] = ()
) -> Iterator[Office]:
    """Start a responder."""
    require("openssl")
    ca = ca or root(extensions=[(key_usage("key_cert_sign", "crl_sign"), True)], **VALID)
    signer, port = signer or ca, _free_port()
    office = Office(ca, *(ca.issue(extensions=[_at(f"http://127.0.0.1:{port}/status")], **VALID) for _ in range(3)))
    for name, octets in (
        ("ca.pem", ca.certificate.public_bytes(Encoding.PEM)),
        ("signer.pem", signer.certificate.public_bytes(Encoding.PEM)),
        ("signer.key", signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),
        ("index.txt", _index(office).encode()),
    ):
        (folder / name).write_bytes(octets)
    command = ["openssl", "ocsp", "-port", str(port), "-index", "index.txt", "-CA", "ca.pem"]
    command += ["-rsigner", "signer.pem", "-rkey", "signer.key", *options]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        assert any(re.match("ACCEPT ", line) for line in process.stdout)  # it listens from now on
        yield office
    finally:
        process.kill()
        process.communicate()


def _appointed(ca: Authority, *extensions: tuple[x509.ExtensionType, bool]) -> Authority:
    """Return one to whom an authority gave a certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(ca.issue(None, key=key.public_key(), extensions=extensions, **VALID), key)


def test_good_revoked_and_unknown(tmp_path: Path) -> None:
    """The three answers that there are, signed by the issuer itself."""
    with _responder(tmp_path, options=("-nmin", "5")) as office:
        assert office.verdict(office.good)[0] == "trusted"
        assert office.verdict(office.revoked) == ("revoked", f"was revoked on {NOW - DAY:%Y-%m-%d}")
        assert office.verdict(office.unknown) == (
            "untrusted",
            "may have been revoked: the OCSP responder does not know it",
        )


def test_a_stale_answer_does_not_count(tmp_path: Path) -> None:
    """An answer for five minutes says nothing of the next hour, nor of yesterday."""
    with _responder(tmp_path, options=("-nmin", "5")) as office:
        word, reason = office.verdict(office.good, datetime.now(UTC) + timedelta(hours=1))
        assert word == "untrusted"
        assert reason.startswith("may have been revoked: the OCSP answer is stale: it ended on ")
        word, reason = office.verdict(office.good, NOW - DAY)
        assert word == "untrusted"
        assert reason.startswith("may have been revoked: the OCSP answer begins on ")


def test_an_answer_without_an_end(tmp_path: Path) -> None:
    """It counts for an hour."""
    with _responder(tmp_path) as office:
        assert office.verdict(office.good)[0] == "trusted"
        assert office.verdict(office.good, datetime.now(UTC) + timedelta(minutes=50))[0] == "trusted"
        assert office.verdict(office.good, datetime.now(UTC) + timedelta(hours=2))[0] == "untrusted"


def test_one_whom_the_issuer_appointed(tmp_path: Path) -> None:
    """Its certificate is for signing answers, and the issuer's own."""
    ca = root(extensions=[(key_usage("key_cert_sign"), True)], **VALID)
    with _responder(tmp_path, _appointed(ca, OCSP_SIGNING), ca=ca, options=("-nmin", "5")) as office:
        assert office.verdict(office.good)[0] == "trusted"
        assert office.verdict(office.revoked)[0] == "revoked"


@pytest.mark.parametrize("which", ["without a purpose", "of another authority", "expired", "not good"])
def test_one_whom_the_issuer_did_not_appoint(tmp_path: Path, which: str) -> None:
    """A user of the same authority, one of another authority, one whose time is over; or a signature that is wrong."""
    ca = root(**VALID)
    signer, options = ca, ["-nmin", "5"]
    if which == "without a purpose":
        signer = _appointed(ca)
    elif which == "of another authority":
        signer = _appointed(root(**VALID), OCSP_SIGNING)
    elif which == "expired":
        key = ec.generate_private_key(ec.SECP256R1())
        expired = ca.issue(None, key=key.public_key(), extensions=[OCSP_SIGNING], start=NOW - 9 * DAY, end=NOW - DAY)
        signer = Authority(expired, key)
    else:
        options.append("-badsig")
    with _responder(tmp_path, signer, ca=ca, options=options) as office:
        assert office.verdict(office.good) == (
            "untrusted",
            "may have been revoked: the OCSP answer is not signed by the issuer or one whom it appointed",
        )


def test_a_digest_that_is_too_weak(tmp_path: Path) -> None:
    """SHA-1 signs nothing any more; it may name the certificate."""
    with _responder(tmp_path, options=("-nmin", "5", "-rmd", "sha1")) as office:
        assert office.verdict(office.good)[0] == "untrusted"
    with _responder(tmp_path, options=("-nmin", "5", "-rmd", "sha512")) as office:
        assert office.verdict(office.good)[0] == "trusted"
