"""Answers about a certificate over HTTP; those of another program are in ``tests/interop/test_ocsp_responder.py``."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from smime_session import OcspClient, TrustAnchors
from smime_session.certificates.ocsp import MAX_ANSWER_SIZE
from tests.support.chains import Authority, root
from tests.support.making import DAY, NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smime_session import Verdict

    Reply = Callable[[bytes], tuple[int, dict[str, str], bytes]]


@pytest.fixture(scope="module")
def ca() -> Authority:
    """A root."""
    return root()


def _naming(ca: Authority, *addresses: str) -> x509.Certificate:
    """Issue a certificate that names responders."""
    places = [
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(address))
        for address in addresses
    ]
    return ca.issue(extensions=[(x509.AuthorityInformationAccess(places), False)])


def _verdict(ca: Authority, certificate: x509.Certificate, client: OcspClient | None = None) -> Verdict:
    return TrustAnchors([ca.certificate], responder=client or OcspClient()).check(certificate, at=NOW)


@contextmanager
def _serving(reply: Reply) -> Iterator[tuple[str, list[bytes]]]:
    """Start an HTTP server; yield its address and what was asked."""
    asked: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(request)
            status, fields, body = reply(request)
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def _answer(ca: Authority, certificate: x509.Certificate, issuer: x509.Certificate | None = None) -> bytes:
    """Say that a certificate is good, one of this authority or of another issuer."""
    builder = ocsp.OCSPResponseBuilder().add_response(
        certificate,
        issuer or ca.certificate,
        hashes.SHA256(),
        ocsp.OCSPCertStatus.GOOD,
        NOW - DAY,
        NOW + DAY,
        None,
        None,
    )
    signed = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, ca.certificate).sign(ca.key, hashes.SHA256())
    return signed.public_bytes(Encoding.DER)


def test_a_good_answer(ca: Authority) -> None:
    """It is asked for once, however often the certificate is checked."""
    answers: list[bytes] = []
    with _serving(lambda _: (200, {}, answers[0])) as (address, asked):
        certificate = _naming(ca, address)
        answers.append(_answer(ca, certificate))
        client = OcspClient()
        assert _verdict(ca, certificate, client).word == "trusted"
        assert _verdict(ca, certificate, client).word == "trusted"
    (request,) = asked
    assert ocsp.load_der_ocsp_request(request).serial_number == certificate.serial_number


def test_an_answer_about_another_certificate(ca: Authority) -> None:
    """Another one of the same issuer, or the same number of another issuer with the same name."""
    answers: list[bytes] = []
    with _serving(lambda _: (200, {}, answers[-1])) as (address, _):
        certificate = _naming(ca, address)
        for other, issuer in ((_naming(ca, address), ca), (certificate, root())):
            answers.append(_answer(ca, other, issuer.certificate))
            verdict = _verdict(ca, certificate)
            assert verdict.word == "untrusted"
            assert verdict.reason == "may have been revoked: the OCSP answer is about another certificate"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ((302, {"Location": "file:///etc/passwd"}, b""), "the OCSP responder {} answers with HTTP status 302"),
        ((404, {}, b""), "the OCSP responder {} answers with HTTP status 404"),
        ((200, {}, b""), "the OCSP answer is broken, or of a kind that is not supported"),
        ((200, {}, b"<html>"), "the OCSP answer is broken, or of a kind that is not supported"),
        ((200, {}, b"\x30\x03\x0a\x01\x06"), "the OCSP responder refuses to answer (unauthorized)"),
        (
            (200, {}, bytes(MAX_ANSWER_SIZE + 1)),
            "the answer of the OCSP responder {} has more than 65,536 bytes",
        ),
    ],
)
def test_an_answer_that_is_none(ca: Authority, reply: tuple[int, dict[str, str], bytes], words: str) -> None:
    """Redirects are not followed; what is too long is not read to its end."""
    with _serving(lambda _: reply) as (address, asked):
        verdict = _verdict(ca, _naming(ca, address))
    assert verdict.word == "untrusted"
    assert verdict.reason == "may have been revoked: " + words.format(address)
    assert len(asked) == 1


@contextmanager
def _listening(work: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[None]]]:
    """Accept connections and do something with each; yield the address and a list with an item for each."""
    accepted: list[None] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                accepted.append(None)
                with connection:
                    work(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", accepted
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _silent(connection: socket.socket) -> None:
    connection.settimeout(10)
    while connection.recv(4096):  # until the other side ends it
        pass


def _slow(connection: socket.socket) -> None:
    """Send an octet now and then: no single one takes long."""
    try:
        while True:
            connection.sendall(b"H")
            time.sleep(0.05)
    except OSError:
        pass


@pytest.mark.parametrize("work", [_silent, _slow])
def test_a_responder_that_does_not_answer(ca: Authority, work: Callable[[socket.socket], None]) -> None:
    """It is waited for once, not for each certificate."""
    client = OcspClient(seconds=0.3)
    with _listening(work) as (address, accepted):
        begin = time.monotonic()
        verdict = _verdict(ca, _naming(ca, address), client)
        assert verdict.word == "untrusted"
        assert verdict.reason == (
            f"may have been revoked: the OCSP responder {address} did not answer within 0.3 seconds"
        )
        assert time.monotonic() - begin < 5
        verdict = _verdict(ca, _naming(ca, address), client)
        assert verdict.reason == f"may have been revoked: the OCSP responder {address} did not answer before"
        assert len(accepted) == 1


def test_a_responder_that_is_not_there(ca: Authority) -> None:
    """Nothing listens at the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
    verdict = _verdict(ca, _naming(ca, address))
    assert verdict.reason == f"may have been revoked: the OCSP responder {address} cannot be reached"


@pytest.mark.parametrize(
    "addresses",
    [(), ("ldap://127.0.0.1/",), ("file:///etc/passwd",), ("http://",), ("http://127.0.0.1:port/",), ("ftp://a/",)],
)
def test_only_http_is_asked(ca: Authority, addresses: tuple[str, ...]) -> None:
    """No other scheme, and no address that is none."""
    certificate = _naming(ca, *addresses) if addresses else ca.issue()
    assert _verdict(ca, certificate).reason == (
        "may have been revoked: it names no OCSP responder with an http or https address"
    )


def test_an_address_with_a_line_end_is_no_second_request(ca: Authority) -> None:
    """The address stands in the request, and is refused if it cannot."""
    with _serving(lambda _: (200, {}, b"")) as (address, asked):
        verdict = _verdict(ca, _naming(ca, f"{address}/ HTTP/1.1\r\nHost: example.org\r\n\r\nGET /"))
    assert verdict.word == "untrusted"
    assert verdict.reason.endswith(" does not answer as one")
    assert asked == []


def test_a_fresh_list_stands_in_for_silence(ca: Authority) -> None:
    """The list covers the certificate, so the responder need not."""
    with _serving(lambda _: (404, {}, b"")) as (address, _):
        certificate = _naming(ca, address)
        anchors = TrustAnchors([ca.certificate], crls=[ca.crl()], responder=OcspClient())
        assert anchors.check(certificate, at=NOW).trusted
