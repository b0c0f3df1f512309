"""Who signs: found in files of all kinds, and refused by name where readers would not accept the signature."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa, x25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

from smime_session import CredentialError, PassphraseError, SignatureAlgorithm, Signer, SignerError, load_signer
from smime_session.keys.software import private_key
from smime_session.operations.signer import content_digest
from tests.support.making import certificate, rsa_key
from tests.support.signing import KEYS, issued, pem_file, signer, signing_key

WAYS = {
    "RSA": ("RSASSA-PKCS1-v1_5", "SHA-256", "SHA-256"),
    "P-256": ("ECDSA", "SHA-256", "SHA-256"),
    "P-384": ("ECDSA", "SHA-384", "SHA-384"),
    "P-521": ("ECDSA", "SHA-512", "SHA-512"),
    "brainpoolP256r1": ("ECDSA", "SHA-256", "SHA-256"),
    "brainpoolP384r1": ("ECDSA", "SHA-384", "SHA-384"),
    "brainpoolP512r1": ("ECDSA", "SHA-512", "SHA-512"),
    "Ed25519": ("EdDSA", None, "SHA-512"),
    "Ed448": ("EdDSA", None, "SHAKE256"),
    "ML-DSA-44": ("ML-DSA", None, "SHA-512"),
    "ML-DSA-65": ("ML-DSA", None, "SHA-512"),
    "ML-DSA-87": ("ML-DSA", None, "SHA-512"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_key_signs(kind: str) -> None:
    """A key is loaded with its certificate, and signs in the way that suits it."""
    key = signing_key(kind)
    own = issued(key)
    found = load_signer(pem_file(key, own))
    assert found.certificate == own
    found.check(["ALICE@example.org"])
    scheme, digest, content = WAYS[kind]
    assert found.how == SignatureAlgorithm(scheme, digest)  # type: ignore[arg-type]  # the table's own names
    assert content_digest(found.how, found.private_key.public_key) == content
    assert "private_key" not in repr(found)


def test_the_chain_is_taken_without_its_root() -> None:
    """Issuers that lie beside go along, the nearest first; a root that readers must have anyway does not."""
    root_key, middle_key, key = (signing_key("P-256", owner) for owner in ("root", "middle", "alice"))
    root = issued(root_key, "Root", authority=True)
    middle = issued(middle_key, "Middle", issuer=("Root", root_key), authority=True)
    namesake = issued(signing_key("P-256", "eve"), "Middle", authority=True)
    own = issued(key, issuer=("Middle", middle_key))
    found = load_signer(pem_file(key, own, root, namesake, middle))
    assert found.chain == (middle,)


def test_of_several_pairs_one_signs_and_one_decrypts() -> None:
    """Of two key pairs for one address, the signing one signs, and others are told to encrypt for the other."""
    first, second = signing_key("RSA"), signing_key("RSA", "bob")
    signing = issued(first, usage=["digital_signature"])
    older = issued(first, usage=["digital_signature"], days=(-9, 30))
    encryption = issued(second, usage=["key_encipherment"])
    found = load_signer(pem_file(first, older, encryption, signing) + pem_file(second))
    assert (found.certificate, found.encryption_certificate) == (signing, encryption)
    both = issued(first)
    assert load_signer(pem_file(first, both, encryption) + pem_file(second)).encryption_certificate is None
    stranger = issued(second, usage=["key_encipherment"], addresses=["carol@example.org"])
    assert load_signer(pem_file(first, signing, stranger) + pem_file(second)).encryption_certificate is None


def test_pkcs12() -> None:
    """What browsers export is read with its passphrase."""
    key = rsa_key()
    own = issued(key)
    data = pkcs12.serialize_key_and_certificates(b"a", key, own, None, BestAvailableEncryption(b"pw"))
    assert load_signer(data, b"pw").certificate == own
    with pytest.raises(PassphraseError):
        load_signer(data)


def test_a_key_without_a_certificate_does_not_sign() -> None:
    """Nothing would tell readers whose signature it is."""
    with pytest.raises(CredentialError, match="has no certificate beside it"):
        load_signer(pem_file(signing_key("RSA")))


def test_key_and_certificate_belong_together() -> None:
    """Another's certificate is refused."""
    with pytest.raises(CredentialError, match=r"does not belong to the certificate of bob@example\.org"):
        Signer(
            private_key=private_key(signing_key("RSA")),
            certificate=issued(signing_key("RSA", "bob"), addresses=["bob@example.org"]),
        )


@pytest.mark.parametrize(
    ("choices", "option", "reason"),
    [
        ({"days": (-30, -1)}, "insecure_expired", "expired on"),
        ({"days": (1, 30)}, "insecure_expired", "is not valid before"),
        ({"usage": ["key_encipherment"]}, "insecure_key_usage", "lacks digitalSignature"),
        ({"purposes": [ExtendedKeyUsageOID.SERVER_AUTH]}, "insecure_extended_key_usage", "lacks emailProtection"),
        (
            {"addresses": ["bob@example.org"]},
            "insecure_address",
            "is not for alice@example.org, who sends the mail: it has bob@example.org",
        ),
        ({"addresses": ()}, "insecure_address", "it has none"),
    ],
)
def test_what_readers_would_not_accept_is_refused(choices: dict[str, object], option: str, reason: str) -> None:
    """Each objection has a name, and one field that lifts it and nothing else."""
    own = issued(signing_key("RSA"), **choices)  # type: ignore[arg-type]  # those above
    refused = signer(certificate=own)
    with pytest.raises(SignerError, match=reason) as caught:
        refused.check(["alice@example.org"])
    assert caught.value.option == option
    replace(refused, **{option: True}).check(["alice@example.org"])  # type: ignore[arg-type]


def test_several_objections_have_no_single_remedy() -> None:
    """Both are told, and each must be lifted."""
    own = issued(signing_key("RSA"), usage=["key_encipherment"], days=(-9, -1))
    with pytest.raises(SignerError) as caught:
        signer(certificate=own).check()
    assert (len(caught.value.reasons), caught.value.option) == (2, None)
    with pytest.raises(SignerError) as caught:
        signer(certificate=own, insecure_expired=True).check()
    assert caught.value.option == "insecure_key_usage"


def test_a_small_key_is_refused() -> None:
    """RSA keys under 2048 bits can be broken."""
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505  # that is the point
    weak = Signer(private_key=private_key(key), certificate=issued(key))
    with pytest.raises(SignerError, match="has an RSA key of 1024 bits, less than 2048"):
        weak.check()
    replace(weak, insecure_key_size=True).check()


def test_a_certificate_that_says_nothing_is_for_anything() -> None:
    """Without key usage and extended key usage, a certificate may sign; the moment is what is asked for."""
    own = issued(signing_key("RSA"), usage=(), purposes=())
    signer(certificate=own).check(at=datetime.now(UTC))
    with pytest.raises(SignerError, match="expired"):
        signer(certificate=own).check(at=datetime.now(UTC) + timedelta(days=40))


def test_keys_that_do_not_sign() -> None:
    """A key that agrees on secrets signs nothing, and says so."""
    key = x25519.X25519PrivateKey.generate()
    own = certificate(public_key=key.public_key(), end=datetime.now(UTC) + timedelta(days=1))
    silent = Signer(private_key=private_key(key), certificate=own)
    with pytest.raises(CredentialError, match="this kind of key cannot sign mail: X25519"):
        _ = silent.how
    with pytest.raises(SignerError, match="has a kind of key that cannot sign mail: X25519"):
        silent.check()


@pytest.mark.parametrize("field", ["private_key", "certificate", "algorithm"])
def test_other_objects_are_refused(field: str) -> None:
    """What is no key, no certificate or no algorithm is a mistake of the caller's."""
    with pytest.raises(TypeError, match="not an object of type object"):
        replace(signer(), **{field: object()})  # type: ignore[arg-type]
