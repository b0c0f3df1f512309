"""Loading, checking and preparing certificates in one step: the same as in three."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7
from hypothesis import given
from hypothesis import strategies as st

from smime_session import COMPAT, MODERN, PQ, load_certificates, load_identities, load_recipients
from smime_session.certificates.files import Kind, certificates_alone
from smime_session.certificates.files import read as pieces_of
from smime_session.errors import CredentialError, RecipientError
from smime_session.keys.software import private_key
from smime_session.recipients.ecdh import KeyAgreementIdentity, KeyAgreementRecipient
from smime_session.recipients.from_certificates import recipients_for
from smime_session.recipients.rsa import KeyTransportIdentity, KeyTransportRecipient
from smime_session.session_key import SessionKey
from tests.support.making import DAY, NOW, altered, certificate, der, pem, rsa_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from smime_session.profiles import Profile
    from smime_session.recipients.registry import Recipient

SKI: Final = (x509.SubjectKeyIdentifier(bytes(20)), False)
EC_KEY: Final = ec.generate_private_key(ec.SECP256R1())
ALICE: Final = certificate(usage="key_encipherment", extensions=[SKI])
BOB: Final = certificate("bob@example.org", serial=2, public_key=EC_KEY.public_key(), usage="key_agreement")
EXPIRED: Final = certificate("carol@example.org", serial=3, end=NOW - DAY)
SIGNING: Final = certificate("dave@example.org", serial=4, usage="digital_signature")
ODD: Final = certificate("erin@example.org", serial=5, subject=x509.Name([]), names=[x509.DNSName("example.org")])
OFF_CURVE: Final = altered(
    BOB, EC_KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), b"\x04" + b"\x01" * 64
)
X25519: Final = certificate("ivan@example.org", public_key=x25519.X25519PrivateKey.generate().public_key())
ED25519: Final = certificate("judy@example.org", public_key=ed25519.Ed25519PrivateKey.generate().public_key())
ALL: Final = [ALICE, BOB, EXPIRED, SIGNING, ODD, OFF_CURVE, X25519, ED25519]
PROFILES: Final = [
    MODERN,
    COMPAT,
    PQ,
    replace(MODERN, identifier="key-identifier"),
    replace(MODERN, insecure_expired=True),
    replace(MODERN, insecure_key_usage=True),
]


def made_of(recipients: Sequence[Recipient]) -> list[object]:
    """Return what is encoded for recipients, and their keys."""
    found: list[object] = []
    for each in recipients:
        if isinstance(each, KeyTransportRecipient):
            numbers = cast("RSAPublicKey", each._public_key.loaded()).public_numbers()
            found.append((each._prefix, each._version, each._padding.name, numbers.n, numbers.e))
        else:
            assert isinstance(each, KeyAgreementRecipient)
            found.append((each.encoded_identifier, each.curve, each.group, each.public_key))
    return found


def in_three(data: bytes, profile: Profile, at: datetime | None = NOW) -> list[object]:
    """Load, check and prepare, the library's way: nothing is plain to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smime_session.certificates.certificate._reader", lambda: lambda _: None)
        return made_of(recipients_for(load_certificates(data), profile=profile, at=at))


def outcome(make: object, *arguments: object) -> object:
    """Return what a function makes, or the error that it raises instead."""
    try:
        return make(*arguments)  # type: ignore[operator]
    except (CredentialError, RecipientError) as error:
        return type(error), str(error)


def in_one(data: bytes, profile: Profile) -> list[object]:
    """Load, check and prepare in one step."""
    return made_of(load_recipients(data, profile=profile, at=NOW))


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=6), st.sampled_from(PROFILES))
def test_one_step_is_three(certificates: list[x509.Certificate], profile: Profile) -> None:
    """Whatever a file holds, in whatever order: the same recipients, or the same words of refusal."""
    data = b"".join(map(pem, certificates))
    assert outcome(in_one, data, profile) == outcome(in_three, data, profile)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize("subject", ALL, ids=lambda subject: f"{subject.serial_number:x}")
def test_one_certificate_in_der(subject: x509.Certificate, profile: Profile) -> None:
    """A certificate in DER goes the same way, and so does one that the library has loaded."""
    expected = outcome(in_three, der(subject), profile)
    assert outcome(in_one, der(subject), profile) == expected
    assert outcome(lambda: made_of(recipients_for([subject], profile=profile, at=NOW))) == expected


def test_whoever_cannot_be_used_is_named() -> None:
    """Everybody is named with every reason, in the order of the file."""
    with pytest.raises(RecipientError) as caught:
        load_recipients(b"".join(map(pem, [EXPIRED, ALICE, OFF_CURVE, SIGNING, EXPIRED])), at=NOW)
    assert [re.sub(r" \(serial \w+\)", "", sentence) for sentence in caught.value.refused] == [
        "certificate of carol@example.org expired on 2026-02-28",
        "certificate of bob@example.org has a public key that cannot be read (algorithm 1.2.840.10045.2.1)",
        "certificate of dave@example.org is not for encrypting keys: its key usage lacks keyEncipherment",
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        pem(rsa_key()),
        pem(ALICE).replace(b"M", b"*", 1),
        pem(ALICE) + pem(BOB).partition(b"-----END")[0],
        pem(ALICE) + pem(EXPIRED)[:200] + b"\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" + pem(ALICE),
        pkcs7.serialize_certificates([ALICE, BOB], Encoding.PEM),
        pkcs7.serialize_certificates([ALICE], Encoding.DER),
        pem(rsa_key()) + pem(ALICE),
        b"text\n" + pem(ALICE) + b"more\n" + pem(BOB) + b"the end",
        b"text " + pem(ALICE) + pem(BOB),
        pem(ALICE).replace(b"\n", b"\r\n") + pem(BOB).replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + pem(ALICE),
        pem(ALICE).decode().encode("utf-16"),
        pem(ALICE).replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"),
        pem(BOB) * 2 + pem(ALICE) + pem(BOB),
        der(ALICE) + b"\n",
        der(ALICE)[:-1],
        der(ALICE) + b"\x00",
    ],
)
def test_files_of_all_kinds(data: bytes) -> None:
    """What a file may hold, hurt or whole, is taken for the same, and refused with the same words."""
    assert outcome(in_one, data, MODERN) == outcome(in_three, data, MODERN)


def test_pkcs7_under_the_label_of_a_certificate_is_loaded() -> None:
    """The content decides, not the label."""
    body = pkcs7.serialize_certificates([ALICE, EXPIRED], Encoding.PEM).replace(b"PKCS7", b"CERTIFICATE")
    with pytest.raises(RecipientError, match="carol"):
        load_recipients(pem(BOB) + body, at=NOW)
    loose = replace(MODERN, insecure_expired=True)
    assert in_one(pem(BOB) + body, loose) == in_three(pem(BOB) + body, loose)


_LINE: Final = st.sampled_from(
    [
        *("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nMAA="),
        *(
            "-----BEGIN CERTIFICATE-----",
            "-----END CERTIFICATE-----",
            "-----BEGIN X-----",
            "------END CERTIFICATE-----",
        ),
        *(
            " -----BEGIN CERTIFICATE-----",
            "-----",
            "--",
            "-",
            "",
            "MAA=",
            "MA A=",
            "MAA",
            "=",
            "TWFu",
            "MAA=MAA=",
            "text",
        ),
    ]
)


@given(st.lists(st.tuples(_LINE, st.sampled_from([b"\n", b"\r\n", b"\r", b"", b" "])), max_size=12))
def test_the_quick_way_into_pem_reads_nothing_that_the_other_does_not(lines: list[tuple[str, bytes]]) -> None:
    """Where certificates are found quickly, the careful reader finds the same ones and nothing else."""
    data = b"".join(line.encode() + end for line, end in lines)
    if (found := certificates_alone(data)) is not None:
        pieces = pieces_of(data)
        assert all(piece.kind is Kind.CERTIFICATE and piece.complete for piece in pieces)
        assert [piece.octets for piece in pieces] == found


@pytest.mark.parametrize(("shift", "usable"), [(-1, False), (0, True), (0.5, True), (1, True)])
def test_the_first_moment_counts(shift: float, usable: bool) -> None:  # noqa: FBT001  # a table's column
    """A certificate is valid from the moment that it names, whatever the fraction of the second."""
    start = NOW + shift * (DAY / 86_400)
    assert isinstance(outcome(lambda: load_recipients(der(certificate(start=NOW)), at=start)), list) is usable


@pytest.mark.parametrize(("shift", "usable"), [(-0.5, True), (0, True), (0.5, False), (1, False)])
def test_the_last_moment_counts(shift: float, usable: bool) -> None:  # noqa: FBT001  # a table's column
    """A certificate is valid up to the moment that it names, and no fraction of a second longer."""
    end = NOW + shift * (DAY / 86_400)
    assert isinstance(outcome(lambda: load_recipients(der(certificate(end=NOW)), at=end)), list) is usable


@pytest.mark.parametrize("year", [1999, 2050])
def test_another_century_is_left_to_the_library(year: int) -> None:
    """The letters of a year say nothing outside this half century."""
    with pytest.raises(RecipientError, match=r"expired on|not valid before"):
        load_recipients(der(certificate()), at=datetime(year, 3, 1, tzinfo=UTC))


def test_what_is_prepared_is_opened() -> None:
    """Both kinds of recipient wrap what their owners unwrap, and the key is made once."""
    rsa, elliptic = load_recipients(pem(ALICE) + pem(BOB), at=NOW)
    for recipient, identity in (
        (rsa, KeyTransportIdentity(private_key(rsa_key()), ALICE)),
        (elliptic, KeyAgreementIdentity(private_key(EC_KEY), BOB)),
    ):
        for _ in range(2):
            key = SessionKey.generate(32)
            assert identity.unwrap([recipient.wrap(key)]).material == key.material


_ROUND_TRIP: Final = """
import sys
from smime_session import decrypt, encrypt, load_identities, load_recipients

with open(sys.argv[1], "rb") as file:
    credentials = file.read()
mail = b"From: a@example.org\\r\\nSubject: hello\\r\\n\\r\\ntext\\r\\n"
certificate = credentials[: credentials.index(b"-----BEGIN PRIVATE KEY")]
opened = decrypt(encrypt(mail, load_recipients(certificate)), load_identities(credentials))
assert opened.message.endswith(b"\\r\\n\\r\\ntext\\r\\n"), opened
assert "cryptography.x509" not in sys.modules
"""


def test_a_plain_certificate_does_without_the_library_s_certificates(tmp_path: Path) -> None:
    """One mail there and back, with a certificate beside the private key, does not load them: they take long."""
    now = datetime.now(UTC)
    own = certificate(start=now - DAY, end=now + DAY, extensions=[SKI])
    (tmp_path / "alice.pem").write_bytes(pem(own) + pem(rsa_key()))
    command = [sys.executable, "-c", _ROUND_TRIP, str(tmp_path / "alice.pem")]
    subprocess.run(command, check=True, timeout=60)


def test_a_certificate_beside_its_key_is_whole_when_asked_for() -> None:
    """An identity's certificate is the one in the file, its names are the same, and it goes by it in words."""
    (identity,) = load_identities(pem(ALICE) + pem(rsa_key()))
    assert isinstance(identity, KeyTransportIdentity)
    loaded = KeyTransportIdentity(private_key(rsa_key()), ALICE)
    assert identity.names.certificate == ALICE
    assert identity.names.key_identifiers == loaded.names.key_identifiers
    assert str(identity) == str(loaded)
