"""Thunderbird as its reader sees it: run without a display, driven through Marionette as in Mozilla's own tests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from base64 import b64encode
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tests.interop.peers.base import TIMEOUT, PeerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader
    from pathlib import Path

T = TypeVar("T")

PROGRAMS: Final = ("thunderbird", "setpriv")

# setpriv: it ends with the tests, even if they are killed
_COMMAND: Final = (
    *("setpriv", "--pdeathsig", "TERM"),
    *("thunderbird", "--headless", "--no-remote", "--marionette", "-remote-allow-system-access", "--profile"),
)
# a free port, no questions about accounts, no page to begin with; what it wants from the network goes nowhere
_PREFERENCES: Final = """
user_pref("marionette.port", 0);
user_pref("mail.accounthub.enabled", false);
user_pref("mailnews.start_page.enabled", false);
user_pref("network.proxy.type", 1);
user_pref("network.proxy.http", "127.0.0.1");
user_pref("network.proxy.http_port", 9);
user_pref("network.proxy.ssl", "127.0.0.1");
user_pref("network.proxy.ssl_port", 9);
"""
_READY: Final = "return !!document.getElementById('tabmail') && document.readyState == 'complete'"
_IMPORT: Final = """
const [path, passphrase] = arguments;
const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
file.initWithPath(path);
return Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).importPKCS12File(file, passphrase);
"""
_TRUST: Final = """
Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(arguments[0], "CT,C,");
"""
# It ends when a page with the mail is complete and a signature is checked, or an error stands in the page's place; a
# signed mail is loaded twice, first without any content.
_OPEN: Final = """
const [path, patience, done] = arguments;
const { MailUtils } = ChromeUtils.importESModule("resource:///modules/MailUtils.sys.mjs");
const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
file.initWithPath(path);
MailUtils.openEMLFile(window, file, Services.io.newFileURI(file));
const tabmail = document.getElementById("tabmail");
const look = () => {
  const view = tabmail.currentAboutMessage;
  const pane = view?.getMessagePaneBrowser?.();
  const mail = pane?.contentDocument;
  const error = pane?.currentURI?.spec.match(/^data:text.html;base64,(.*)/)?.[1];
  const complete = mail?.readyState == "complete" && mail.querySelector(".moz-main-header");
  if (!error && !(complete && view.gReceivedSignatureCount == view.gExpectedSignatureCount)) return null;
  const text = error ? new DOMParser().parseFromString(atob(error), "text/html").title : mail.body.innerText;
  const icon = id => view.document.getElementById(id).getAttribute("src")?.match(/([a-z]+)[.]svg$/)[1] ?? null;
  const attachments = view.document.querySelectorAll("#attachmentList .attachmentcell-name");
  return {
    text: text.replace(/\\n+/g, "\\n").trim(),
    subject: view.document.getElementById("expandedsubjectBox").value.textContent,
    lock: icon("encryptedHdrIcon"),
    seal: icon("signedHdrIcon"),
    attachments: [...attachments].map(name => name.textContent + name.nextElementSibling.textContent),
  };
};
(async () => {
  const deadline = Date.now() + patience;
  try {
    let seen;
    while (!(seen = look()) && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 10));
    return seen;
  } finally {
    tabmail.closeTab();
  }
})().then(done, error => done(String(error)));
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a mail looks like to its reader.

    Attributes:
        text: what stands below the header fields, without blank lines; of an error page its title.
        subject: as it is shown.
        lock: what the icon of encryption says, as ``ok`` or ``notok``; None without an icon.
        seal: the same of the icon of the signature.
        attachments: their names.
    """

    text: str
    subject: str
    lock: str | None = None
    seal: str | None = None
    attachments: tuple[str, ...] = ()


class Thunderbird:
    """The running program, with one window.

    Args:
        marionette: its remote control.
        folder: where mails are put that it opens.
    """

    def __init__(self, marionette: Marionette, folder: Path) -> None:
        self._marionette = marionette
        self._folder = folder

    def takes_key(self, pkcs12_file: Path, passphrase: bytes) -> bool:
        """Import a private key with its certificate, and tell whether it took them.

        Once a mail has named a recipient by key identifier, it finds no key by identifier that is imported later.
        """
        return bool(self._marionette.run(_IMPORT, str(pkcs12_file), passphrase.decode()) == 0)

    def trusts(self, root: bytes) -> None:
        """Take a root certificate in DER as one that is trusted for mail."""
        self._marionette.run(_TRUST, b64encode(root).decode())

    def open(self, mail: bytes) -> Seen:
        """Open a mail and tell what its reader sees.

        Raises:
            PeerError: it did not show anything in time.
        """
        file = self._folder / "mail.eml"
        file.write_bytes(mail)
        seen = self._marionette.run(_OPEN, str(file), TIMEOUT * 1000, wait=True)
        if not isinstance(seen, dict):
            raise PeerError(f"Thunderbird shows nothing: {seen}")
        return Seen(**{**seen, "attachments": tuple(seen["attachments"])})


class Marionette:
    """A client of the protocol.

    Each message is its size, a colon and JSON: ``[0, number, command, arguments]`` asks, ``[1, number, error, value]``
    answers.
    """

    def __init__(self, connection: socket.socket, received: BufferedReader) -> None:
        self._connection = connection
        self._received = received
        self._receive()  # it introduces itself
        timeouts = {"timeouts": {"script": 2 * TIMEOUT * 1000}}
        self.call("WebDriver:NewSession", {"capabilities": {"alwaysMatch": timeouts}})
        self.call("Marionette:SetContext", {"value": "chrome"})

    def call(self, command: str, arguments: dict[str, object]) -> Any:  # noqa: ANN401  # JSON
        """Send a command and return what it gives.

        Raises:
            PeerError: it failed.
        """
        request = json.dumps([0, 1, command, arguments]).encode()
        self._connection.sendall(b"%d:%s" % (len(request), request))
        _, _, error, value = self._receive()
        if error:
            raise PeerError(f"Thunderbird: {error['message']}")
        return value

    def run(self, script: str, *arguments: object, wait: bool = False) -> Any:  # noqa: ANN401  # JSON
        """Run a script in the window and return what it returns, or with ``wait`` gives to its last argument."""
        command = "WebDriver:ExecuteAsyncScript" if wait else "WebDriver:ExecuteScript"
        return self.call(command, {"script": script, "args": arguments, "sandbox": "system"})["value"]

    def _receive(self) -> Any:  # noqa: ANN401  # JSON
        size = b""
        while (byte := self._received.read(1)) != b":":
            if not byte:
                raise PeerError("Thunderbird ended")
            size += byte
        return json.loads(self._received.read(int(size)))


@contextmanager
def running(folder: Path) -> Iterator[Thunderbird]:
    """Run it with a profile of its own in an empty folder, until the context ends."""
    profile = folder / "profile"
    profile.mkdir()
    (profile / "user.js").write_text(_PREFERENCES)
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8"}
    with (folder / "log").open("wb") as log:
        program = subprocess.Popen(
            [*_COMMAND, profile],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=surroundings,
            start_new_session=True,
        )
    try:
        port = _wait(lambda: _port(profile, program))
        with (
            socket.create_connection(("127.0.0.1", port), timeout=2 * TIMEOUT) as connection,
            connection.makefile("rb") as received,
        ):
            marionette = Marionette(connection, received)
            _wait(lambda: marionette.run(_READY))
            yield Thunderbird(marionette, folder)
            marionette.call("Marionette:Quit", {"flags": ["eForceQuit"]})
        program.wait(TIMEOUT)
    finally:
        with suppress(ProcessLookupError):  # as after a clean end
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def _port(profile: Path, program: subprocess.Popen[bytes]) -> int | None:
    """Return where it listens, once it does."""
    if program.poll() is not None:
        raise PeerError(f"Thunderbird ended: {(profile.parent / 'log').read_text(errors='replace')[-500:]}")
    file = profile / "MarionetteActivePort"
    return int(file.read_text() or 0) if file.exists() else None


def _wait(found: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + TIMEOUT
    while not (value := found()):
        if time.monotonic() > deadline:
            raise PeerError("Thunderbird does not start")
        time.sleep(0.05)
    return value
