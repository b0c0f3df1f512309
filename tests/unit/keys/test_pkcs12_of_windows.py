"""PKCS#12 as Windows writes it: what is locked with SHA-1 and Triple-DES is opened without the library, if need be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from smime_session.algorithms import DATA
from smime_session.cms import asn1
from smime_session.errors import CredentialError
from smime_session.inspection.listing import list_credentials
from smime_session.keys import locks, pkcs12
from smime_session.keys.pkcs12_keys import derive_pkcs12
from smime_session.recipients.identities import load_identities
from tests.support import locking
from tests.support.making import der
from tests.unit.keys.test_pkcs12 import ALICE, BAG, BOTH, locked, refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def windows_lock(made: bytes) -> tuple[bytes, bytes]:
    """Lock something with SHA-1 and Triple-DES, as Windows does: return the algorithm, encoded, and the ciphertext."""
    text = "pw".encode("utf-16-be") + bytes(2)
    derived = [derive_pkcs12(purpose, text, locking.SALT, 7, "sha1", size) for purpose, size in ((1, 24), (2, 8))]
    padder = PKCS7(64).padder()
    cipher = Cipher(TripleDES(bytes(derived[0].material)), CBC(bytes(derived[1].material))).encryptor()
    sealed = cipher.update(padder.update(made) + padder.finalize()) + cipher.finalize()
    parameters = locking.sequence(locking.octet_string(locking.SALT), asn1.integer(7))
    return locking.algorithm("1.2.840.113549.1.12.1.3", parameters), sealed


def windows_part(*bags: bytes) -> bytes:
    """Return a part of the AuthenticatedSafe that is locked so."""
    scheme, sealed = windows_lock(locking.sequence(*bags))
    content = locking.sequence(asn1.object_identifier(DATA), scheme, asn1.encode(0x80, sealed))
    return locking.content_info("1.2.840.113549.1.7.6", locking.sequence(asn1.integer(0), content))


def windows_key(made: bytes) -> bytes:
    """Return a bag with a private key that is locked so."""
    scheme, sealed = windows_lock(made)
    return locking.bag(2, locking.sequence(scheme, locking.octet_string(sealed)))


@pytest.mark.parametrize("mac", [b"old", None])
def test_what_is_locked_as_windows_does_is_told_like_anything_else(mac: bytes | None) -> None:
    """The library refuses a part with anything broken in it; that is no wrong passphrase and no unknown lock."""
    bad = locking.certificate_bag(der(ALICE)[:-1])
    key = windows_key(BOTH)
    alone = locking.pkcs12([windows_part(bad), locking.plain_part(key)], mac, b"pw")
    assert refusal(alone) == "the PKCS#12 file holds a broken certificate"
    assert list_credentials(alone, b"pw").others == ("a broken certificate",)
    both = locking.pkcs12([windows_part(bad, BAG), locking.plain_part(key)], mac, b"pw")
    assert str(load_identities(both, b"pw")[0]).endswith("of alice@example.org (serial 0x1a2b)")
    assert not locked(both, b"other")
    odd = windows_key(locking.pkcs8(b"a key", "1.2.3.4"))
    among = locking.pkcs12([windows_part(BAG), locking.plain_part(odd, key)], mac, b"pw")
    assert str(load_identities(among, b"pw")[0]).endswith("of alice@example.org (serial 0x1a2b)")
    uses = [each.use for each in list_credentials(among, b"pw").private_keys]
    assert uses == ["not usable: this kind of private key is not supported", "opens messages"]


def test_a_curve_that_is_not_supported_is_no_wrong_passphrase(openssl: Callable[..., bytes], tmp_path: Path) -> None:
    """OpenSSL's older locks: with a key on a curve that few programs know, and the certificates under RC2."""
    (tmp_path / "eve.key").write_bytes(openssl("ecparam -name prime239v1 -genkey -noout"))
    openssl("req -x509 -new -key eve.key -subj /CN=Eve -out eve.crt")
    for scheme in ("PBE-SHA1-3DES", "PBE-SHA1-RC2-40"):
        locks = f"-keypbe PBE-SHA1-3DES -certpbe {scheme} -provider legacy -provider default -passout pass:pw"
        data = openssl(f"pkcs12 -export -inkey eve.key -in eve.crt {locks}")
        assert "not supported" in refusal(data)
        assert "passphrase" not in refusal(data)
        assert not locked(data, b"other")


@pytest.mark.parametrize("mac", [b"old", None])
def test_a_lock_that_costs_too_much_here_is_refused(mac: bytes | None) -> None:
    """Work that the library does in no time takes long here: it is paid before it is done."""
    part = locking.pkcs12([windows_part(locking.certificate_bag(b""))], mac, b"pw")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(locks, "MAX_WORK", 60)
        with pytest.raises(CredentialError, match="the number of iterations exceeds the limit"):
            pkcs12.load(part, b"pw")


@pytest.mark.parametrize(
    ("passphrase", "purpose", "salt", "iterations", "expected"),
    [
        ("smeg", 1, "0A58CF64530D823F", 1, "8AAAE6297B6CB04642AB5B077851284EB7128F1A2A7FBCA3"),
        ("smeg", 2, "0A58CF64530D823F", 1, "79993DFE048D3B76"),
        ("queeg", 1, "05DEC959ACFF72F7", 1000, "ED2034E36328830FF09DF1E1A07DD357185DAC0D4F9EB3D4"),
        ("queeg", 2, "05DEC959ACFF72F7", 1000, "11DEDAD7758D4860"),
    ],
)
def test_keys_longer_than_a_hash_are_the_published_ones(
    passphrase: str, purpose: int, salt: str, iterations: int, expected: str
) -> None:
    """The derivation of RFC 7292, B.2 agrees with the examples that other programs test themselves with."""
    text, octets = passphrase.encode("utf-16-be") + bytes(2), bytes.fromhex(expected)
    derived = derive_pkcs12(purpose, text, bytes.fromhex(salt), iterations, "sha1", len(octets))
    assert derived.material == octets
