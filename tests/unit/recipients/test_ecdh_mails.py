"""Key agreement in whole mails, and what is said of it to whoever inspects them."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519

from smime_session import COMPAT, MODERN, decrypt, encrypt, inspect, load_identities, new_identity
from smime_session.algorithms import CURVES, ECDH_SHA256, TRIPLE_DES_WRAP, X25519, Curve, KeyAgreement
from smime_session.cms import codec
from smime_session.errors import PolicyError
from smime_session.profiles import DEFAULT
from smime_session.recipients import curves
from smime_session.recipients.registry import legacy_algorithm, summarize, wrap_all
from smime_session.session_key import SessionKey
from tests.support.agreeing import Person, person, sealed

if TYPE_CHECKING:
    from pathlib import Path

    from smime_session import Profile

MAIL: Final = b"From: dave@example.org\r\nSubject: greetings\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
INSECURE_LEGACY: Final = replace(DEFAULT, insecure_legacy=True)


# --- what is said of it ------------------------------------------------------------------------


def test_a_summary_holds_every_public_field() -> None:
    """One for each recipient, with the algorithm, key wrap, sizes, and the curve that the sender's point lies on."""
    (wrapped,) = wrap_all([person(name).recipient() for name in ("alice", "bob")], SessionKey.generate(32))
    first, second = summarize(wrapped)
    assert (first.technique, first.algorithm, first.algorithm_oid) == (
        "key agreement",
        ECDH_SHA256.name,
        ECDH_SHA256.oid,
    )
    assert first.parameters == {"wrap": "AES-256 key wrap", "curve": "P-256"}
    assert first.encrypted_key_size == 40
    assert first.problem is None
    assert second.serial_number == f"{person('bob').certificate.serial_number:#x}"


@pytest.mark.parametrize(
    "curve", [curve for curve in CURVES.values() if curve.is_parameter], ids=lambda curve: curve.name
)
def test_a_point_tells_its_curve(curve: Curve) -> None:
    """A point lies on one of the curves that are spoken here; what is no point lies on none."""
    point = curves.point_of(curves.generate(curve))
    assert curves.curve_through(point) == curve
    assert curves.curve_through(point[:-1] + bytes((point[-1] ^ 1,))) is None
    assert curves.curve_through(b"") is None


def test_a_summary_of_a_named_sender() -> None:
    """Who agreed, and that there is material of theirs."""
    originator = codec.recipient_identifier(person("bob").by_key)
    (summary,) = summarize(sealed(person(), bytes(32), sender=person("bob").key, originator=originator, ukm=b"12345"))
    assert summary.parameters["originator"] == f"key identifier {person('bob').by_key.value.hex()}"
    assert summary.parameters["ukm"] == "5 bytes"


def test_a_summary_of_a_curve() -> None:
    """X25519 names itself."""
    assert summarize(person(curve=X25519).recipient().wrap(SessionKey.generate(16)))[0].parameters["curve"] == "X25519"


def test_a_summary_of_an_unknown_algorithm() -> None:
    """What is not supported is the problem, and the recipients are named all the same."""
    unknown = KeyAgreement("1.2.840.113549.1.9.16.3.5", "SHA-1")
    (summary,) = summarize(sealed(person(), bytes(32), algorithm=unknown))
    assert summary.algorithm == "ephemeral-static Diffie-Hellman"
    assert "is not supported" in str(summary.problem)
    assert summary.serial_number is not None


def test_triple_des_is_legacy() -> None:
    """It is named for the policy that decides; AES is not."""
    assert legacy_algorithm(sealed(person(), bytes(24), wrap=TRIPLE_DES_WRAP)) == "Triple-DES key wrap"
    assert legacy_algorithm(sealed(person(), bytes(24))) is None


# --- whole mails -------------------------------------------------------------------------------

KEY_TYPES = ["p256", "p384", "p521", "brainpoolp256r1", "brainpoolp384r1", "brainpoolp512r1", "x25519", "x448"]


@pytest.mark.parametrize("profile", [MODERN, COMPAT], ids=lambda profile: profile.name)
@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_new_identities_read_their_mail(key_type: str, profile: Profile) -> None:
    """A key and certificate that were just made work together, and what cannot sign has an issuer."""
    made = new_identity("alice@example.org", key_type=key_type)
    assert (made.issuer_certificate_pem is not None) == key_type.startswith("x")
    mail = encrypt(MAIL, [made.certificate], profile=profile)
    decrypted = decrypt(mail, load_identities(made.private_key_pem + made.certificate_pem))
    assert decrypted.message.endswith(b"hello\r\n")
    assert decrypted.key_management.startswith("ECDH with ")
    assert decrypt(mail, load_identities(made.private_key_pem)).message == decrypted.message


def test_a_file_may_hold_the_sender_s_certificate() -> None:
    """Certificates beside the key are senders' too."""
    alice, bob = (new_identity(f"{name}@example.org", key_type="p256") for name in ("alice", "bob"))
    (identity,) = load_identities(alice.private_key_pem + alice.certificate_pem + bob.certificate_pem)
    alice_as, bob_as = (Person(_private_key(made.private_key_pem), made.certificate) for made in (alice, bob))
    originator = codec.recipient_identifier(bob_as.by_key)
    wrapped = sealed(alice_as, bytes(32), sender=bob_as.key, originator=originator)
    assert identity.unwrap([wrapped]) == SessionKey(bytearray(32))


def _private_key(pem: bytes) -> curves.PrivateKey:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey | x448.X448PrivateKey)
    return key


def _corpus_rows(corpus: Path) -> list[dict[str, str]]:
    with io.StringIO((corpus / "MANIFEST.tsv").read_text()) as manifest:
        rows = csv.DictReader(manifest, delimiter="\t")
        return [row for row in rows if "kari:" in row["keymgmt_alg"] and row["key"]]


def test_envelopes_of_the_corpus_open(corpus: Path) -> None:
    """Everything that other programs agreed on keys for, Triple-DES only when asked for by name."""
    rows = _corpus_rows(corpus)
    assert len(rows) > 10
    for row in rows:
        envelope = (corpus / row["path"]).read_bytes()
        identities = load_identities((corpus / row["key"]).read_bytes())
        opened = decrypt(envelope, identities, policy=INSECURE_LEGACY)
        assert hashlib.sha256(opened.message).hexdigest() == row["plaintext_sha256"], row["path"]
        if "3des-wrap" in row["keymgmt_alg"]:
            with pytest.raises(PolicyError, match=r"Triple-DES|DES-EDE3"):
                decrypt(envelope, identities)


def test_malformed_envelopes_of_the_corpus_are_described(corpus: Path) -> None:
    """Two that crashed another program are described, their problem with them."""
    for name in ("dh-malformed.der.36eb37ba.der", "ecdh-malformed.der.443d0d56.der"):
        envelope = (corpus / "apt+openssl-3.0.20/malformed" / name).read_bytes()
        (found,) = inspect(envelope).recipients
        assert found.summary.technique == "key agreement"
        assert found.summary.problem
