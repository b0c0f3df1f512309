"""Mail servers on the loopback interface: real ones, with TLS and logins, that refuse, break off or hang if told so."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.chains import Authority, signed
from tests.support.making import DAY, key_usage, subject_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST: Final = "127.0.0.1"
USER: Final = "alice"
PASSWORD: Final = "pass wörd"  # noqa: S105  # of a server in the tests


class Received(NamedTuple):
    """A mail that a server took."""

    sender: str
    recipients: list[str]
    content: bytes
    mail_options: list[str]
    recipient_options: list[str]


@dataclass
class Behaviour:
    """What a server does, and what it saw.

    Attributes:
        answers: what it answers to a recipient, by address, one after the other; the last one stays.
        data: what it answers to a mail, one after the other; ``abort`` ends the connection when all of the mail is
            there, ``hang`` never answers, and ``interrupt`` sends SIGINT to this process besides.
        received: what it took.
        connections: how many clients connected.
    """

    answers: dict[str, list[str]] = field(default_factory=dict)
    data: list[str] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    seen: list[Received] = field(default_factory=list)
    connections: int = 0
    options: list[str] = field(default_factory=list)

    def arrived(self, count: int) -> list[Received]:
        """Wait until so many mails have arrived from a server that hands them on, and return them."""
        deadline = time.monotonic() + 60
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(self.received) == count
        return self.received

    async def handle_RCPT(  # noqa: N802  # its interface
        self,
        server: SMTP,
        _session: Any,  # noqa: ANN401  # untyped
        envelope: Any,  # noqa: ANN401  # the same
        address: str,
        options: list[str],
    ) -> str:
        """Take or refuse a recipient."""
        answer = _next(self.answers.get(address, []))
        if answer == "abort":
            _abort(server)
            return "250 OK"
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: ANN401, N802  # its interface
        """Take or refuse a mail."""
        mail = Received(
            envelope.mail_from, envelope.rcpt_tos, envelope.content, envelope.mail_options, envelope.rcpt_options
        )
        self.seen.append(mail)
        answer = _next(self.data)
        if answer == "abort":
            _abort(server)
            return "250 OK"
        if answer == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        if answer in {"hang", "interrupt"}:
            await asyncio.sleep(60)
        if answer:
            return answer
        self.received.append(mail)
        return "250 OK"


def _next(answers: list[str]) -> str:
    if not answers:
        return ""
    return answers.pop(0) if len(answers) > 1 else answers[0]


def _abort(server: SMTP) -> None:
    transport: Any = server.transport
    transport.abort()


class Mailhost(Controller):
    """Listens on a socket that has its port already, so that no other takes it meanwhile."""

    def __init__(
        self,
        behaviour: Behaviour,
        listening: socket.socket,
        tls: ssl.SSLContext | None,
        **options: Any,  # noqa: ANN401  # they go to the server
    ) -> None:
        host, port = listening.getsockname()[:2]
        super().__init__(behaviour, hostname=host, port=port, ready_timeout=60, ssl_context=tls, **options)
        self._behaviour = behaviour
        self._listening = listening

    def factory(self) -> SMTP:
        """Make what speaks to one client."""
        self._behaviour.connections += 1
        server: SMTP = super().factory()  # type: ignore[no-untyped-call]
        return server

    def _create_server(self) -> Any:  # noqa: ANN401  # as its base has it
        return self.loop.create_server(self._factory_invoker, sock=self._listening, ssl=self.ssl_context)


@contextmanager
def mail_server(
    behaviour: Behaviour | None = None,
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    login: str | None = None,
    **options: Any,  # noqa: ANN401  # they go to the server
) -> Iterator[tuple[Behaviour, int]]:
    """Run a server; yield what it does and its port.

    Args:
        behaviour: what it does.
        starttls: offers TLS with this, and takes no mail without.
        tls: speaks TLS from the start with this.
        login: takes mail only from :data:`USER` with this password.
        options: of aiosmtpd's server.
    """
    behaviour = behaviour or Behaviour()
    if starttls:
        options |= {"tls_context": starttls, "require_starttls": True}
    if login:
        options |= {
            "authenticator": partial(_authenticate, login),
            "auth_required": True,
            "auth_require_tls": starttls is not None,
        }
    with socket.create_server((HOST, 0)) as listening:
        server = Mailhost(behaviour, listening, tls, **options)
        server.start()  # which connects once by itself
        behaviour.connections = 0
        try:
            yield behaviour, server.port
        finally:
            server.stop()


def _authenticate(password: str, _server: Any, _session: Any, _envelope: Any, mechanism: str, data: Any) -> AuthResult:  # noqa: ANN401  # untyped
    assert mechanism in {"PLAIN", "LOGIN"}
    assert isinstance(data, LoginPassword)
    good = (data.login.decode(), data.password.decode()) == (USER, password)
    return AuthResult(success=good, handled=False)


class Authorities(NamedTuple):
    """What a server shows, and what its clients trust."""

    folder: Path
    root: Authority

    @property
    def roots(self) -> Path:
        """The file of the roots to be trusted."""
        return self.folder / "roots.pem"

    def context(self, *names: str, expired: bool = False, known: bool = True) -> ssl.SSLContext:
        """Make a certificate for the names, and what a server speaks TLS with.

        Args:
            names: host names and addresses.
            expired: whether it ended yesterday.
            known: whether the root that issued it is the one to be trusted.
        """
        pem = self.server_pem(*names, expired=expired, known=known)
        path = self.folder / f"server-{sha256(pem).hexdigest()}.pem"
        path.write_bytes(pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def server_pem(self, *names: str, expired: bool = False, known: bool = True) -> bytes:
        """Make a private key and a certificate for the names."""
        now = datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.root if known else _root("Another")
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.certificate.public_key())  # type: ignore[arg-type]  # it is EC
        found = [x509.IPAddress(ip_address(each)) if each[0].isdigit() else x509.DNSName(each) for each in names]
        certificate = issuer.issue(
            None,
            subject=subject_with(NameOID.COMMON_NAME, names[0]),
            key=key.public_key(),
            extensions=[(x509.SubjectAlternativeName(found), False), (issuer_key, False)],
            start=now - 2 * DAY,
            end=now - DAY if expired else now + DAY,
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return private + certificate.public_bytes(Encoding.PEM)


def _root(name: str) -> Authority:
    """Make a root that is valid today, with the extensions that Python asks for from version 3.13 on."""
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (key_usage("key_cert_sign", "crl_sign"), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ]
    subject = subject_with(NameOID.COMMON_NAME, name)
    start, end = now - 9 * DAY, now + 9 * DAY
    return Authority(signed(subject, subject, key.public_key(), key, extensions, start, end), key)


def make_authorities(folder: Path) -> Authorities:
    """Make a root that is valid today, and its file."""
    own = _root("Root")
    (folder / "roots.pem").write_bytes(own.certificate.public_bytes(Encoding.PEM))
    return Authorities(folder, own)


@contextmanager
def scripted_server(*conversations: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run a server that does something by hand with one client after the other; yield its port."""
    import threading

    failures: list[BaseException] = []

    def serve(listening: socket.socket) -> None:
        for conversation in conversations:
            client, _ = listening.accept()
            with client:
                client.settimeout(30)
                try:
                    conversation(client)
                except OSError:
                    pass
                except BaseException as error:  # noqa: BLE001  # told by the test's own thread
                    failures.append(error)

    with socket.create_server((HOST, 0)) as listening:
        listening.settimeout(30)
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(30)
    assert not failures, failures
