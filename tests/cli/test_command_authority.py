"""``identity`` with a CA of one's own: what it issues and revokes; requests to others, and what they export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from cli.root import run

if TYPE_CHECKING:
    from pathlib import Path

MAIL: Final = "To: bob@example.org\nSubject: Friday\nMIME-Version: 1.0\nContent-Type: text/plain\n\nAt eight?\n"


def _run(*arguments: str) -> tuple[int, str, str]:
    with CliRunner().isolation() as streams:
        status = run(arguments)
        return status, streams[0].getvalue().decode(), streams[1].getvalue().decode()


def _identity(*arguments: str) -> tuple[int, str]:
    status, _, words = _run("identity", *arguments)
    return status, words


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a CA, a certificate that it issued, and a mail."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letter.eml").write_text(MAIL)
    assert _identity("new-ca", "Example CA", "--type", "p256")[0] == 0
    assert _identity("new", "bob@example.org", "--type", "p256", "--ca-key", "ca.key", "-o", "bob")[0] == 0
    return tmp_path


def test_who_has_a_certificate_of_the_ca_gets_a_mail(folder: Path) -> None:
    """The files are there, the key is secret, and nothing is overwritten."""
    assert (folder / "ca.key").stat().st_mode & 0o077 == 0
    assert not (folder / "bob.issuer.pem").exists()
    assert _run("encrypt", "--ca", "ca.pem", "-r", "bob.pem", "letter.eml", "-o", "out.eml") == (0, "", "")
    assert _run("decrypt", "-i", "bob.key", "out.eml")[:2] == (0, MAIL)
    before = (folder / "ca.key").read_bytes()
    status, words = _identity("new-ca", "Another", "--type", "p256")
    assert (status, words.startswith("Error: ca.key: file exists\n")) == (1, True)
    assert (folder / "ca.key").read_bytes() == before


def test_who_was_revoked_gets_none(folder: Path) -> None:
    """The list is made, grows, and is made anew without a certificate."""
    assert _identity("revoke", "--ca-key", "ca.key", "--crl", "ca.crl")[0] == 0
    arguments = ("encrypt", "--ca", "ca.pem", "--crl", "ca.crl", "-r", "bob.pem", "letter.eml", "-o", "out.eml")
    assert _run(*arguments)[0] == 0
    status, words = _identity("revoke", "bob.pem", "--ca-key", "ca.key", "--crl", "ca.crl", "--days", "9")
    assert (status, words.startswith("Wrote ca.crl: 1 revoked, valid until ")) == (0, True)
    status, _, words = _run(*arguments)
    assert (status, " was revoked on " in words) == (1, True)
    assert _identity("revoke", "--ca-key", "ca.key", "--crl", "ca.crl")[1].startswith("Wrote ca.crl: 1 revoked, ")
    crl = x509.load_pem_x509_crl((folder / "ca.crl").read_bytes())
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value == x509.CRLNumber(3)


def test_what_the_ca_did_not_issue_is_not_revoked(folder: Path) -> None:
    """The list stays as it was, and no key is replaced by it."""
    assert _identity("new", "eve@example.org", "--type", "p256", "-o", "eve")[0] == 0
    assert _identity("revoke", "--ca-key", "ca.key", "--crl", "ca.crl")[0] == 0
    before = (folder / "ca.crl").read_bytes()
    status, words = _identity("revoke", "eve.pem", "--ca-key", "ca.key", "--crl", "ca.crl")
    assert status == 1
    assert "did not issue the certificate of eve@example.org" in words
    assert (folder / "ca.crl").read_bytes() == before
    status, words = _identity("revoke", "bob.pem", "--ca-key", "ca.key", "--crl", "ca.key")
    assert (status, words.startswith("Error: -o would replace ca.key, which --ca-key reads")) == (2, True)
    assert b"PRIVATE KEY" in (folder / "ca.key").read_bytes()


def test_a_locked_ca_has_a_passphrase_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is another one than that of the new key; the certificate may lie beside."""
    monkeypatch.setenv("CA", "open sesame")
    monkeypatch.setenv("OWN", "another")
    assert _identity("new-ca", "CA", "--type", "p256", "-o", "locked", "--passphrase-env", "CA")[0] == 0
    text = (folder / "locked.key").read_text()
    (folder / "alone.key").write_text(text[: text.index("-----BEGIN CERTIFICATE")])
    arguments = ("new", "dana@example.org", "--type", "p256", "--ca-key")
    status, words = _identity(*arguments, "alone.key", "--ca-passphrase-env", "CA")
    assert (status, words) == (1, "Error: alone.key: there is no certificate with the private key of the authority\n")
    given = ("--ca", "locked.pem", "--ca-passphrase-env", "CA", "--passphrase-env", "OWN")
    assert _identity(*arguments, "alone.key", *given, "-o", "dana")[0] == 0
    assert load_pem_private_key((folder / "dana.key").read_bytes(), b"another")
    assert _run("encrypt", "--ca", "locked.pem", "-r", "dana.pem", "letter.eml", "-o", "out.eml")[0] == 0
    (folder / "secret").write_text("wrong\n")
    status, words = _identity(*arguments, "locked.key", "--ca-passphrase-file", "secret", "-o", "erin")
    assert (status, words) == (1, "Error: locked.key: the passphrase does not unlock the private key\n")
    assert not (folder / "erin.key").exists()


def test_options_about_a_ca_go_together(folder: Path) -> None:
    """A certificate without a key says nothing, and a CA has one passphrase."""
    assert folder
    status, words = _identity("new", "dana@example.org", "--ca", "ca.pem")
    assert (status, words) == (2, "Error: --ca is about the issuer\nHint: --ca-key FILE gives its private key\n")
    both = ("--ca-passphrase-file", "secret", "--ca-passphrase-env", "CA")
    status, words = _identity("new", "dana@example.org", "--ca-key", "ca.key", *both)
    assert (status, words.startswith("Error: more than one passphrase is given for the issuer's private key")) == (
        2,
        True,
    )
    status, words = _identity("revoke", "bob.pem", "--crl", "ca.crl")
    assert (status, "--ca-key" in words) == (2, True)


def test_a_request_and_its_key(folder: Path) -> None:
    """Both files are there or none is; a key that signs nothing is refused."""
    status, words = _identity("request", "dana@example.org", "--type", "p256", "-o", "dana")
    assert (status, words) == (
        0,
        "Wrote dana.key: the private key, not locked\nWrote dana.csr: the request for a certificate\n",
    )
    request = x509.load_pem_x509_csr((folder / "dana.csr").read_bytes())
    assert request.public_key() == load_pem_private_key((folder / "dana.key").read_bytes(), None).public_key()
    assert (folder / "dana.key").stat().st_mode & 0o077 == 0
    assert _identity("request", "erin@example.org", "--type", "x25519")[0] == 2
    assert _identity("request", "erin", "--type", "p256")[0] == 2
    assert _identity("request", "dana@example.org", "--type", "p256", "-o", "dana")[0] == 1


@pytest.mark.parametrize("options", [(), ("--unlocked",)])
def test_what_a_browser_exports_is_split(
    folder: Path, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key keeps the passphrase of the file unless that is asked for; issuers go into a file of their own."""
    monkeypatch.setenv("P12", "open sesame")
    key = load_pem_private_key((folder / "bob.key").read_bytes(), None)
    certificate, issuer = (
        x509.load_pem_x509_certificate((folder / name).read_bytes()) for name in ("bob.pem", "ca.pem")
    )
    locked = BestAvailableEncryption(b"open sesame")
    (folder / "export.p12").write_bytes(
        pkcs12.serialize_key_and_certificates(b"bob", key, certificate, [issuer], locked)  # type: ignore[arg-type]  # a key that it takes
    )
    status, listing, words = _run("identity", "import", "export.p12", "--passphrase-env", "P12", *options)
    assert status == 0
    assert words.splitlines()[::3] == [
        f"Wrote bob@example.org.key: the private key, {'not locked' if options else 'locked with the passphrase'}",
        "Wrote bob@example.org.issuer.pem: the certificates of issuers",
    ]
    assert "private key 1: P-256" in listing
    assert "subject: CN=Example CA" in listing
    assert (folder / "bob@example.org.pem").read_bytes() == (folder / "bob.pem").read_bytes()
    assert (folder / "bob@example.org.issuer.pem").read_bytes() == (folder / "ca.pem").read_bytes()
    assert _run("encrypt", "-r", "bob.pem", "letter.eml", "-o", "out.eml")[0] == 0
    unlocking = () if options else ("--passphrase-env", "P12")
    assert _run("decrypt", "-i", "bob@example.org.key", *unlocking, "out.eml")[:2] == (0, MAIL)
    assert _run("identity", "import", "export.p12", "--passphrase-env", "P12")[0] == 1
    assert _run("identity", "import", "bob.pem")[2] == "Error: bob.pem: this is a certificate, not a PKCS#12 file\n"
