"""Every command that writes a file, with what it reads, and how a whole result is told from another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smime_session import (
    COMPAT,
    MODERN,
    CertificateStore,
    SmimeError,
    TrustAnchors,
    decrypt,
    encrypt,
    load_authority,
    load_certificates,
    load_identities,
    load_session_key,
    load_signer,
    new_authority,
    new_identity,
    revocation_list,
    sign,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MARK: Final = b"what only its readers may know"
LETTER: Final = b"From: alice@example.org\nTo: bob@example.org\nSubject: Friday\n\n" + b"".join(
    b"%b, line %07d\n" % (MARK, number) for number in range(30_000)
)
NAMES: Final = ("alice", "bob", "carol")


class Writer(NamedTuple):
    """A command that writes a file.

    Attributes:
        arguments: its arguments, without what it reads and where it writes.
        source: the message that it reads, which may come through a pipe; None if it reads none.
        whole: tells whether octets are a whole result of it, in a folder of :func:`make_all`.
        private: whether only its owner may read what it writes.
        option: what says where it writes.
        old: the file whose octets are there before.
    """

    arguments: tuple[str, ...]
    source: str | None
    whole: Callable[[Path, bytes], bool]
    private: bool = False
    option: str = "-o"
    old: str = "old"

    def words(self, target: str, *, piped: bool = False) -> list[str]:
        """Return all arguments."""
        source = [] if self.source is None or piped else [self.source]
        return [*self.arguments, *source, self.option, target]


def make_all(folder: Path) -> None:
    """Make what the commands read."""
    authority = new_authority("Example CA", key_type="p256")
    (folder / "ca.key").write_bytes(authority.private_key_pem + authority.certificate_pem)
    issuer = load_authority((folder / "ca.key").read_bytes())
    for name in NAMES:
        made = new_identity(f"{name}@example.org", key_type="p256", issuer=issuer)
        (folder / f"{name}.key").write_bytes(made.private_key_pem + made.certificate_pem)
        (folder / f"{name}.pem").write_bytes(made.certificate_pem)
    bob = load_certificates((folder / "bob.pem").read_bytes())
    (folder / "ca.pem").write_bytes(authority.certificate_pem)
    (folder / "letter.eml").write_bytes(LETTER)
    (folder / "sealed.eml").write_bytes(encrypt(LETTER, bob, profile=MODERN))
    (folder / "compat.eml").write_bytes(encrypt(LETTER, bob, profile=COMPAT))
    (folder / "signed.eml").write_bytes(sign(LETTER, load_signer((folder / "alice.key").read_bytes())))
    (folder / "certificates").mkdir()
    (folder / "certificates" / "bob.pem").write_bytes((folder / "bob.pem").read_bytes())
    (folder / "old").write_bytes(b"what was there before\n")
    (folder / "old.crl").write_bytes(revocation_list(issuer, []).public_bytes(Encoding.PEM))
    CertificateStore(folder / "certificates").find("bob@example.org")


def _opens(*names: str) -> Callable[[Path, bytes], bool]:
    """Tell whether a message opens for people."""

    def opens(folder: Path, data: bytes) -> bool:
        try:
            found = [decrypt(data, load_identities((folder / f"{name}.key").read_bytes())).message for name in names]
        except SmimeError:
            return False
        return all(LETTER[-1_000_000:] in each.replace(b"\r\n", b"\n") for each in found)

    return opens


def _is_the_letter(_folder: Path, data: bytes) -> bool:
    return data.replace(b"\r\n", b"\n").partition(b"\n\n")[2] == LETTER.partition(b"\n\n")[2]


def _is_signed(folder: Path, data: bytes) -> bool:
    try:
        return verify(data, trust=TrustAnchors(load_certificates((folder / "ca.pem").read_bytes()))).accepted
    except SmimeError:
        return False


def _opens_signed(folder: Path, data: bytes) -> bool:
    try:
        return _is_signed(folder, decrypt(data, load_identities((folder / "bob.key").read_bytes())).message)
    except SmimeError:
        return False


def _is_session_key(folder: Path, data: bytes) -> bool:
    try:
        with load_session_key(data) as key:
            return _is_the_letter(folder, decrypt((folder / "sealed.eml").read_bytes(), [key]).message)
    except SmimeError:
        return False


def _is_list(_folder: Path, data: bytes) -> bool:
    try:
        return len(x509.load_pem_x509_crl(data)) == 1
    except ValueError:
        return False


def _is_certificate(folder: Path, data: bytes) -> bool:
    return data == (folder / "bob.pem").read_bytes()


WRITERS: Final = {
    "encrypt": Writer(("encrypt", "-r", "bob.pem"), "letter.eml", _opens("bob")),
    "encrypt signed": Writer(("encrypt", "-r", "bob.pem", "--sign-with", "alice.key"), "letter.eml", _opens_signed),
    "decrypt": Writer(("decrypt", "-i", "bob.key"), "sealed.eml", _is_the_letter, private=True),
    "decrypt compat": Writer(("decrypt", "-i", "bob.key"), "compat.eml", _is_the_letter, private=True),
    "rewrap": Writer(("rewrap", "-i", "bob.key", "-r", "carol.pem"), "sealed.eml", _opens("bob", "carol")),
    "reseal": Writer(("rewrap", "--reseal", "-i", "bob.key", "-r", "carol.pem"), "sealed.eml", _opens("carol")),
    "sign": Writer(("sign", "-i", "alice.key"), "letter.eml", _is_signed),
    "verify": Writer(("verify", "--ca", "ca.pem"), "signed.eml", _is_the_letter),
    "session-key": Writer(("session-key", "-i", "bob.key"), "sealed.eml", _is_session_key, private=True),
    "certs find": Writer(("certs", "find", "bob@example.org", "--certs", "certificates"), None, _is_certificate),
    "revoke": Writer(
        ("identity", "revoke", "--ca-key", "ca.key", "bob.pem"), None, _is_list, option="--crl", old="old.crl"
    ),
}
