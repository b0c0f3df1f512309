"""Making new identities."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from asn1crypto.keys import EncryptedPrivateKeyInfo
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from smime_session.algorithms import AES_256_GCM, OAEP, RSAES_OAEP_OID
from smime_session.certificates.certificate import Certificate
from smime_session.certificates.files import der_of, read
from smime_session.certificates.load import load_certificates
from smime_session.certificates.names import addresses_of
from smime_session.cms import capabilities
from smime_session.cms.capabilities import SMIME_CAPABILITIES_OID
from smime_session.cms.key_transport import algorithm_identifier
from smime_session.errors import CredentialError, PassphraseError
from smime_session.operations import new_identity as creation
from smime_session.operations.new_identity import KEY_TYPES, NewIdentity, new_identity
from smime_session.recipients.by_address import certificates_for
from smime_session.recipients.from_certificates import recipient_for
from smime_session.recipients.identities import load_identities
from smime_session.session_key import SessionKey
from tests.support.making import NOW, key_usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def quick(address: str = "alice@example.org", days: int = 730, at: datetime | None = None) -> NewIdentity:
    """Make an identity with the key that is made fastest."""
    return new_identity(address, key_type="rsa2048", days=days, at=at)


def extension(identity: NewIdentity, kind: type[x509.ExtensionType]) -> x509.Extension[x509.ExtensionType]:
    """Return an extension of the certificate."""
    return identity.certificate.extensions.get_extension_for_class(kind)


@pytest.mark.parametrize(("key_type", "bits"), [("rsa2048", 2048), ("rsa3072", 3072), ("rsa4096", 4096)])
def test_a_key_of_each_type_can_be_made(key_type: str, bits: int) -> None:
    """A key type is the kind and size of key that it says."""
    key = new_identity("alice@example.org", key_type=key_type).certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == bits


def test_the_default_key_is_strong_enough_for_its_lifetime() -> None:
    """Without a choice, a key has 3072 bits and a certificate lives two years."""
    certificate = new_identity("alice@example.org", at=NOW).certificate
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 3072
    assert certificate.not_valid_after_utc == NOW + timedelta(days=730)


@pytest.mark.parametrize("passphrase", [None, b"secret", b"\xff\x00" * 500])
def test_a_new_identity_reads_what_is_written_to_it(passphrase: bytes | None) -> None:
    """The files of a new identity load, and the key opens what was wrapped for the certificate."""
    made = new_identity("alice@example.org", key_type="rsa2048", passphrase=passphrase)
    assert load_certificates(made.certificate_pem) == [made.certificate]
    (identity,) = load_identities(made.private_key_pem + made.certificate_pem, passphrase)
    key = SessionKey.generate(32)
    assert identity.unwrap([recipient_for(made.certificate).wrap(key)]) == key


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_certificate_announces_what_is_read_here(key_type: str, openssl: Callable[..., bytes]) -> None:
    """Senders choose by it; the fast reader understands such certificates too, and openssl shows the extension."""
    made = new_identity("alice@example.org", key_type=key_type)
    extension = made.certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(SMIME_CAPABILITIES_OID))
    assert not extension.critical  # RFC 4262, 2
    announced = capabilities.decode(extension.value.public_bytes())
    assert announced[:7] == capabilities.CONTENT
    oaep = [each for each in announced if each.oid == RSAES_OAEP_OID]
    assert oaep == ([algorithm_identifier(each) for each in OAEP] if key_type.startswith("rsa") else [])
    recipient = recipient_for(made.certificate)
    assert AES_256_GCM.oid in recipient.reads  # type: ignore[attr-defined]  # who has a certificate has it
    if key_type.startswith(("rsa", "p")):
        plain = Certificate.plain(made.certificate.public_bytes(Encoding.DER))
        assert plain is not None
        assert plain.facts.use
        assert plain.facts.use.capabilities == announced
    shown = openssl("x509 -noout -text", made.certificate_pem).decode(errors="replace")
    assert "S/MIME Capabilities" in shown
    tree = openssl("asn1parse", made.certificate_pem).decode()
    assert ":S/MIME Capabilities" in tree


def test_a_certificate_for_another_program_announces_nothing() -> None:
    """Senders then choose what every mail program shows."""
    made = new_identity("alice@example.org", key_type="x25519", announce=False)
    oids = {extension.oid.dotted_string for extension in made.certificate.extensions}
    assert SMIME_CAPABILITIES_OID not in oids
    assert len(oids) == 6


def test_a_passphrase_locks_the_private_key() -> None:
    """A private key that was made with a passphrase does not open without it."""
    made = new_identity("alice@example.org", key_type="rsa2048", passphrase=b"secret")
    assert made.private_key_pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    with pytest.raises(PassphraseError):
        load_identities(made.private_key_pem)


@pytest.mark.parametrize("key_type", ["rsa2048", "p256", "x448", "mlkem1024"])
def test_the_lock_is_as_strong_as_that_of_a_message(key_type: str) -> None:
    """A key of any kind has a salt of its own and takes as much work to try as a password that is a recipient."""
    locks = []
    for _ in range(2):
        made = new_identity("alice@example.org", key_type=key_type, passphrase=b"secret")
        assert load_identities(made.private_key_pem, b"secret")
        assert max(map(len, made.private_key_pem.splitlines())) == 64
        (piece,) = read(made.private_key_pem)
        locks.append(EncryptedPrivateKeyInfo.load(der_of(piece), strict=True)["encryption_algorithm"])
        with pytest.raises(PassphraseError):
            load_identities(made.private_key_pem, b"Secret")
    for lock in locks:
        assert (lock.kdf, lock.kdf_iterations, lock.kdf_hmac) == ("pbkdf2", 600_000, "sha256")
        assert (lock.encryption_cipher, lock.encryption_mode, lock.key_length) == ("aes", "cbc", 32)
    assert locks[0].kdf_salt != locks[1].kdf_salt
    assert locks[0].encryption_iv != locks[1].encryption_iv


def test_the_private_key_is_not_shown() -> None:
    """Printing an identity does not print its key."""
    assert "PRIVATE" not in repr(quick())


def test_the_certificate_says_what_it_is_for() -> None:
    """The extensions are those of a certificate for one person's mail (RFC 8550, 4.4)."""
    made = quick(at=NOW)
    assert made.certificate.version is x509.Version.v3
    constraints = extension(made, x509.BasicConstraints)
    assert (constraints.value, constraints.critical) == (x509.BasicConstraints(ca=False, path_length=None), True)
    usage = extension(made, x509.KeyUsage)
    assert (usage.value, usage.critical) == (key_usage("digital_signature", "key_encipherment"), True)
    assert list(made.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.EMAIL_PROTECTION
    ]
    critical = {type(each.value) for each in made.certificate.extensions if each.critical}
    assert critical == {x509.BasicConstraints, x509.KeyUsage}
    own = made.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    authority = made.certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert own == authority
    assert made.certificate.not_valid_before_utc == NOW - timedelta(minutes=5)


def test_the_certificate_is_signed_by_its_own_key() -> None:
    """The self-signature holds."""
    certificate = quick().certificate
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    algorithm = certificate.signature_hash_algorithm
    assert algorithm is not None
    key.verify(certificate.signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(), algorithm)
    assert certificate.issuer == certificate.subject


@pytest.mark.parametrize(
    ("key_type", "name"),
    [
        ("rsa2048", "sha256"),
        ("p256", "sha256"),
        ("brainpoolp256r1", "sha256"),
        ("p384", "sha384"),
        ("brainpoolp384r1", "sha384"),
        ("p521", "sha512"),
        ("brainpoolp512r1", "sha512"),
        ("x25519", "sha256"),
        ("mlkem768", "sha256"),
    ],
)
def test_the_hash_that_is_signed_is_as_large_as_the_key(key_type: str, name: str) -> None:
    """Gpgsm refuses a smaller one; old programs do not know a larger one than they need."""
    algorithm = new_identity("alice@example.org", key_type=key_type).certificate.signature_hash_algorithm
    assert algorithm is not None
    assert algorithm.name == name


def test_two_identities_share_nothing() -> None:
    """Each identity has a key and a serial number of its own, also for the same address."""
    one, other = quick(), quick()
    assert one.certificate.serial_number != other.certificate.serial_number
    assert one.certificate.public_key() != other.certificate.public_key()


@pytest.mark.parametrize(
    ("address", "held"),
    [
        ("alice@example.org", "alice@example.org"),
        ("o'neil+tag=1@EXAMPLE.org", "o'neil+tag=1@example.org"),
        ("root@localhost", "root@localhost"),
        ("alice@my-company.co-op.example", "alice@my-company.co-op.example"),
        ("alice@m\xfcnchen.example", "alice@xn--mnchen-3ya.example"),
        ("\xe9lise@example.org", "\xe9lise@example.org"),
        ("e\N{COMBINING ACUTE ACCENT}lise@M\xdcNCHEN.example", "\xe9lise@xn--mnchen-3ya.example"),
        ("x" * 64 + "@" + "y" * 63 + "." + "z" * 63 + "." + "w" * 61, None),
    ],
)
def test_the_certificate_holds_its_address(address: str, held: str | None) -> None:
    """The address stands in the certificate, its domain with A-labels, and finds it again (RFC 9598, 3)."""
    made = quick(address)
    assert made.address == address
    assert addresses_of(made.certificate) == [held or address]
    assert certificates_for(address, [made.certificate]) == [made.certificate]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "alice",
        "@example.org",
        "alice@",
        "alice@@example.org",
        "alice@bob@example.org",
        "alice@example.org\r\nBcc: eve@example.org",
        "alice@example.org\n",
        "alice @example.org",
        " alice@example.org",
        "Alice <alice@example.org>",
        "alice@example.org, bob@example.org",
        "alice@example.org;bob@example.org",
        ".alice@example.org",
        "al..ice@example.org",
        "alice@example..org",
        "alice@.example.org",
        "alice@example.org.",
        "alice@-example.org",
        "alice@exam_ple.org",
        "alice@[192.0.2.1]",
        "alice@ex\N{ZERO WIDTH SPACE}ample.org",
        "alice\N{RIGHT-TO-LEFT OVERRIDE}@example.org",
        "alice\x1b[2J@example.org",
        "alice\x00@example.org",
        "\udce9lise@example.org",
        "alice@\N{SNOWMAN}.example",
        "alice@snow\N{SNOWMAN}man.example",
        "alice@" + "x" * 64 + ".org",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """Anything but exactly one mail address is refused, in words that print and do nothing else."""
    with pytest.raises(CredentialError, match=r"is not a mail address$") as caught:
        quick(address)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "address",
    [
        "x" * 65 + "@example.org",
        "\xe9" * 33 + "@example.org",
        "x" * 64 + "@" + "y" * 63 + "." + "z" * 63 + "." + "w" * 62,
        "x@" + "y." * 1000 + "org",
    ],
)
def test_an_address_that_is_too_long_is_refused(address: str) -> None:
    """An address that no mail system must carry is refused (RFC 5321, 4.5.3.1)."""
    with pytest.raises(CredentialError, match=r"is too long for a mail address$"):
        quick(address)


def test_an_unknown_key_type_is_refused() -> None:
    """The error names the key types that there are."""
    with pytest.raises(CredentialError, match=r"'dsa'.*rsa2048, rsa3072, rsa4096, .*mlkem768, mlkem1024"):
        new_identity("alice@example.org", key_type="dsa")
    assert {"rsa2048", "rsa3072", "rsa4096", "mlkem768", "mlkem1024"} <= KEY_TYPES.keys()


@pytest.mark.parametrize("days", [-1, 0, 36_526, 10**12])
def test_a_senseless_lifetime_is_refused(days: int) -> None:
    """A certificate lives between a day and a century."""
    with pytest.raises(CredentialError, match="is valid for 1 to 36,525 days"):
        quick(days=days)


@pytest.mark.parametrize("days", [1, 36_525])
def test_each_lifetime_within_the_limits_can_be_made(days: int) -> None:
    """The limits themselves are allowed."""
    assert quick(days=days, at=NOW).certificate.not_valid_after_utc == NOW + timedelta(days=days)


def test_a_year_past_the_calendar_is_refused() -> None:
    """A certificate cannot end where the calendar has ended."""
    with pytest.raises(CredentialError, match="cannot be valid for 366 days from 9999-12-01"):
        quick(days=366, at=datetime(9999, 12, 1, tzinfo=UTC))


@pytest.mark.parametrize("passphrase", [b"", b"x" * 1024])
def test_a_passphrase_that_cannot_lock_is_refused(passphrase: bytes) -> None:
    """An empty passphrase does not mean an unlocked key, and the passphrase is not repeated."""
    with pytest.raises(CredentialError, match=r"^a passphrase has 1 to 1,023 bytes, not") as caught:
        new_identity("alice@example.org", passphrase=passphrase)
    assert "xx" not in str(caught.value)


def test_a_refusal_comes_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is made for arguments that cannot be used."""
    monkeypatch.setattr(creation, "KEY_TYPES", {"rsa3072": None})
    with pytest.raises(CredentialError):
        new_identity("alice@example.org", passphrase=b"")


def test_openssl_takes_the_certificate_for_what_it_is(openssl: Callable[..., bytes], tmp_path: Path) -> None:
    """Another program finds a certificate for encrypting mail, and verifies it for that purpose."""
    made = quick()
    (tmp_path / "certificate.pem").write_bytes(made.certificate_pem)
    text = openssl("x509 -in certificate.pem -noout -text").decode()
    for words in ("Version: 3", "CA:FALSE", "Digital Signature, Key Encipherment", "E-mail Protection"):
        assert words in text
    assert "email:alice@example.org" in text
    purposes = openssl("x509 -in certificate.pem -noout -purpose").decode().splitlines()
    assert "S/MIME encryption : Yes" in purposes
    assert "SSL server : No" in purposes
    verified = openssl(
        "verify -x509_strict -purpose smimeencrypt -verify_email alice@example.org"
        " -CAfile certificate.pem certificate.pem"
    )
    assert verified == b"certificate.pem: OK\n"


def test_openssl_finds_an_address_beyond_ascii(openssl: Callable[..., bytes], tmp_path: Path) -> None:
    """Another program reads the SmtpUTF8Mailbox."""
    (tmp_path / "certificate.pem").write_bytes(quick("\xe9lise@example.org").certificate_pem)
    text = openssl("x509 -in certificate.pem -noout -ext subjectAltName").decode()
    assert "SmtpUTF8Mailbox" in text
    assert ":\xe9lise@example.org" in text


@pytest.mark.parametrize("key_type", ["rsa2048", "p521", "x25519"])
def test_openssl_opens_the_locked_private_key(key_type: str, openssl: Callable[..., bytes], tmp_path: Path) -> None:
    """Another program unlocks the private key, and it belongs to the certificate."""
    made = new_identity("alice@example.org", key_type=key_type, passphrase=b"secret")
    (tmp_path / "key.pem").write_bytes(made.private_key_pem)
    (tmp_path / "certificate.pem").write_bytes(made.certificate_pem)
    public_key = openssl("pkey -in key.pem -passin pass:secret -pubout")
    assert public_key == openssl("x509 -in certificate.pem -noout -pubkey")


def test_openssl_opens_what_is_wrapped_for_the_certificate(openssl: Callable[..., bytes], tmp_path: Path) -> None:
    """Another program encrypts to the certificate and decrypts with the key."""
    made = quick()
    (tmp_path / "key.pem").write_bytes(made.private_key_pem)
    (tmp_path / "certificate.pem").write_bytes(made.certificate_pem)
    envelope = openssl("cms -encrypt -aes256 -outform DER certificate.pem", b"text")
    assert openssl("cms -decrypt -inform DER -inkey key.pem -recip certificate.pem", envelope).strip() == b"text"
