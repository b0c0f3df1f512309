"""Each sample program and mail does what the README says of it."""

from __future__ import annotations

import email
import email.policy
import ipaddress
import os
import shutil
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from smime_session import decrypt, encrypt, load_certificates, load_identities, new_identity
from tests.support.making import key_usage

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGIN_WORD = "open sesame"
SAMPLES = Path(__file__).parents[2] / "samples"


def run(program: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a sample program."""
    command = [sys.executable, str(SAMPLES / program), *map(str, arguments)]
    surroundings = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=surroundings)


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with identities of bob and carol, made by the sample."""
    folder = tmp_path_factory.mktemp("identities")
    result = run("make_identities.py", folder, "bob@example.com", "carol@example.com")
    assert result.returncode == 0, result.stderr
    return folder


class Mailbox:
    """An SMTP server's handler that keeps what it is sent."""

    def __init__(self) -> None:
        self.received: list[tuple[list[str], bytes]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: ANN401, N802  # its interface
        """Accept a mail."""
        self.received.append((envelope.rcpt_tos, envelope.content))
        return "250 OK"


class Server(Controller):
    """Listens on a socket that has its port already, so that nobody takes it meanwhile.

    Args:
        mailbox: takes the mails.
        listening: the socket.
        implicit: the context with which TLS begins at once.
        options: those of the server: TLS on request, login.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        listening: socket.socket,
        implicit: ssl.SSLContext | None = None,
        **options: Any,  # noqa: ANN401  # as its base has them
    ) -> None:
        host, port = listening.getsockname()
        super().__init__(mailbox, hostname=host, port=port, ready_timeout=60, ssl_context=implicit, **options)
        self._listening = listening

    def _create_server(self) -> Any:  # noqa: ANN401  # as its base has it
        return self.loop.create_server(self._factory_invoker, sock=self._listening, ssl=self.ssl_context)


@pytest.fixture
def mail_server() -> Iterator[tuple[Mailbox, int]]:
    """Run an SMTP server on the loopback interface."""
    mailbox = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(mailbox, listening)
        server.start()
        try:
            yield mailbox, server.port
        finally:
            server.stop()


def test_new_keys_are_readable_by_their_owner_alone(identities: Path) -> None:
    """A private key file that the sample makes has mode 0600."""
    assert (identities / "bob@example.com.key").stat().st_mode & 0o777 == 0o600


def test_a_report_arrives_encrypted_for_everybody(
    identities: Path, mail_server: tuple[Mailbox, int], tmp_path: Path
) -> None:
    """The mail that a real SMTP server receives opens for each recipient and holds the report."""
    mailbox, port = mail_server
    report = tmp_path / "october.csv"
    report.write_bytes(b"week,orders\n40,118\n")
    certificates = [identities / f"{name}@example.com.pem" for name in ("bob", "carol")]
    result = run("send_report.py", report, *certificates, "--server", "127.0.0.1", "--port", port)
    assert result.returncode == 0, result.stderr
    ((addresses, sent),) = mailbox.received
    assert addresses == ["bob@example.com", "carol@example.com"]
    assert b"october.csv" not in sent  # base64 has no dot, and so never says it by chance
    for name in ("bob", "carol"):
        keys = load_identities((identities / f"{name}@example.com.key").read_bytes())
        opened = decrypt(sent, keys)
        message = email.message_from_bytes(opened.message, policy=email.policy.default)
        (attachment,) = message.iter_attachments()
        assert attachment.get_content() == report.read_bytes()
        assert opened.authenticated


@pytest.fixture(scope="module")
def server_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with the key and the certificate of a server on the loopback interface."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail server")])
    now = datetime.now(UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(identifier, critical=False)
    builder = builder.add_extension(key_usage("digital_signature", "key_cert_sign"), critical=True)
    path = tmp_path_factory.mktemp("server") / "server.pem"
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate)
    return path


def _authenticate(_server: object, _session: object, _envelope: object, _how: str, data: LoginPassword) -> AuthResult:
    return AuthResult(success=data == LoginPassword(b"reports", LOGIN_WORD.encode()), handled=False)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("how", ["starttls", "implicit"])
def test_a_report_is_sent_with_tls_and_login(
    how: str, identities: Path, server_certificate: Path, tmp_path: Path
) -> None:
    """A server that demands both gets the mail; another password, or a certificate that is not trusted, sends none."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server_certificate)
    options: dict[str, Any] = {"authenticator": _authenticate, "auth_required": True}
    options |= {"implicit": context} if how == "implicit" else {"tls_context": context, "require_starttls": True}
    options |= {"auth_require_tls": how == "starttls"}  # which knows nothing of TLS that was there before
    mailbox, report = Mailbox(), tmp_path / "october.csv"
    report.write_bytes(b"week,orders\n40,118\n")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(mailbox, listening, **options)
        server.start()
        where = ("--server", "127.0.0.1", "--port", server.port, "--tls", how)
        arguments = (report, identities / "bob@example.com.pem", *where, "--user", "reports")
        try:
            trusted = run("send_report.py", *arguments, "--ca", server_certificate, SMTP_PASSWORD=LOGIN_WORD)
            wrong = run("send_report.py", *arguments, "--ca", server_certificate, SMTP_PASSWORD=LOGIN_WORD.upper())
            unknown = run("send_report.py", *arguments, SMTP_PASSWORD=LOGIN_WORD)
        finally:
            server.stop()
    assert trusted.returncode == 0, trusted.stderr
    assert [addresses for addresses, _ in mailbox.received] == [["bob@example.com"]]
    assert (wrong.returncode, "535" in wrong.stderr, LOGIN_WORD.upper() in wrong.stderr) == (1, True, False)
    assert (unknown.returncode, "CERTIFICATE_VERIFY_FAILED" in unknown.stderr) == (1, True)


def test_a_password_is_sent_with_tls_only(identities: Path, tmp_path: Path) -> None:
    """Without TLS to another machine nothing is sent, and without a password neither."""
    arguments = (tmp_path / "report.csv", identities / "bob@example.com.pem", "--user", "reports")
    without_tls = run(
        "send_report.py", *arguments, "--server", "mail.invalid", "--tls", "none", SMTP_PASSWORD=LOGIN_WORD
    )
    assert (without_tls.returncode, without_tls.stderr) == (1, "send_report.py: a password is sent with TLS only\n")
    without_password = run("send_report.py", *arguments)
    words = "send_report.py: the environment variable SMTP_PASSWORD is not set\n"
    assert (without_password.returncode, without_password.stderr) == (1, words)


def test_each_file_goes_to_the_address_in_its_name(
    identities: Path, mail_server: tuple[Mailbox, int], tmp_path: Path
) -> None:
    """Each file arrives encrypted for its owner alone; one without a certificate is named, and stops no other."""
    mailbox, port = mail_server
    (tmp_path / "certificates").mkdir()
    (tmp_path / "payslips").mkdir()
    for name in ("bob", "carol", "eve"):
        (tmp_path / "payslips" / f"{name}@example.com.pdf").write_bytes(f"%PDF of {name}".encode())
        if name != "eve":
            shutil.copy(identities / f"{name}@example.com.pem", tmp_path / "certificates")
    folders = (tmp_path / "payslips", tmp_path / "certificates")
    result = run("send_payslips.py", *folders, "--server", "127.0.0.1", "--port", port)
    assert result.returncode == 1
    assert result.stdout == "Sent to bob@example.com.\nSent to carol@example.com.\n"
    assert result.stderr == "eve@example.com.pdf: eve@example.com: there is no certificate for it\n"
    assert [addresses for addresses, _ in mailbox.received] == [["bob@example.com"], ["carol@example.com"]]
    for name, (_, sent) in zip(("bob", "carol"), mailbox.received, strict=True):
        opened = decrypt(sent, load_identities(identities / f"{name}@example.com.key"))
        message = email.message_from_bytes(opened.message, policy=email.policy.default)
        assert [each.get_content() for each in message.iter_attachments()] == [f"%PDF of {name}".encode()]


def test_payslips_are_made_once(identities: Path, tmp_path: Path) -> None:
    """Each becomes a mail that its owner opens; with the certificate that was missing, the same makes the rest."""
    (tmp_path / "certificates").mkdir()
    (tmp_path / "payslips").mkdir()
    for name in ("bob", "carol"):
        (tmp_path / "payslips" / f"{name}@example.com.pdf").write_bytes(f"%PDF of {name}".encode())
    shutil.copy(identities / "bob@example.com.pem", tmp_path / "certificates")
    folders = (tmp_path / "payslips", tmp_path / "certificates", tmp_path / "mails")
    result = run("payslips.py", *folders)
    assert (result.returncode, result.stdout) == (1, "1 made, 0 were there already.\n")
    assert result.stderr == "carol@example.com.pdf: carol@example.com: there is no certificate for it\n"
    before = (tmp_path / "mails" / "bob@example.com.eml").read_bytes()
    shutil.copy(identities / "carol@example.com.pem", tmp_path / "certificates")
    result = run("payslips.py", *folders)
    assert (result.returncode, result.stdout, result.stderr) == (0, "1 made, 1 were there already.\n", "")
    assert (tmp_path / "mails" / "bob@example.com.eml").read_bytes() == before
    for name in ("bob", "carol"):
        sealed = (tmp_path / "mails" / f"{name}@example.com.eml").read_bytes()
        opened = decrypt(sealed, load_identities(identities / f"{name}@example.com.key"))
        message = email.message_from_bytes(opened.message, policy=email.policy.default)
        assert [each.get_content() for each in message.iter_attachments()] == [f"%PDF of {name}".encode()]


def _without_address(folder: Path) -> Path:
    """Make a certificate that names its owner, but no mail address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bob")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    ).sign(key, hashes.SHA256())
    path = folder / "nowhere.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("program", "arguments", "words"),
    [
        ("send_report.py", ["report.csv", "nowhere.pem"], "a certificate names no mail address to send to"),
        (
            "send_report.py",
            ["missing.csv", "bob@example.com.pem"],
            "[Errno 2] No such file or directory: 'missing.csv'",
        ),
        ("send_payslips.py", [".", "none"], "none is not a folder of certificates"),
        ("payslips.py", [".", "none", "out"], "none is not a folder of certificates"),
        ("decrypt_folder.py", ["locked.key", ".", "out"], "the private key is locked with a passphrase"),
        ("decrypt_folder.py", ["missing.key", ".", "out"], "[Errno 2] No such file or directory: 'missing.key'"),
        ("make_identities.py", [".", "bob"], "'bob' is not a mail address"),
        ("make_identities.py", [".", "bob@example.com"], "[Errno 17] File exists: 'bob@example.com.key'"),
    ],
)
def test_what_goes_wrong_is_one_sentence(  # noqa: PLR0917  # fixtures arrive as arguments
    program: str, arguments: list[str], words: str, identities: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample that cannot do its work says why, in one line, and its exit status is 1."""
    shutil.copytree(identities, tmp_path, dirs_exist_ok=True)
    (tmp_path / "report.csv").write_bytes(b"week,orders\n")
    (tmp_path / "locked.key").write_bytes(
        new_identity("bob@example.com", key_type="p256", passphrase=b"x").private_key_pem
    )
    _without_address(tmp_path)
    monkeypatch.chdir(tmp_path)
    result = run(program, *arguments)
    assert (result.returncode, result.stderr) == (1, f"{program}: {words}\n")


def test_a_folder_is_decrypted_but_for_what_is_not_ours(identities: Path, tmp_path: Path) -> None:
    """Mails for bob are decrypted, one for carol is named with its reason, and the exit status tells."""
    source = tmp_path / "encrypted"
    source.mkdir()
    mails = {path.name: path.read_bytes() for path in sorted((SAMPLES / "mails").glob("*.eml"))}
    bob, carol = (load_certificates((identities / f"{n}@example.com.pem").read_bytes()) for n in ("bob", "carol"))
    for name, mail in mails.items():
        (source / name).write_bytes(encrypt(mail, bob))
    (source / "other.eml").write_bytes(encrypt(mails["report.eml"], carol))
    target = tmp_path / "decrypted"
    result = run("decrypt_folder.py", identities / "bob@example.com.key", source, target)
    assert result.returncode == 1
    assert "other.eml: no given identity can open the message" in result.stderr
    assert sorted(path.name for path in target.iterdir()) == sorted(mails)
    assert (target / "report.eml").read_bytes() == mails["report.eml"]
    assert mails["plain.eml"].partition(b"\n\n")[2] in (target / "plain.eml").read_bytes()
