"""Fixtures: recipients of whom no two share a key, and whose keys fit their certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks.fixtures import make_group, text_mail, write_mail
from benchmarks.suites import NAMES
from smime_session import decrypt, encrypt

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("count", [1, 7, 11])
def test_every_recipient_has_another_key_that_opens(tmp_path: Path, kind: str, count: int) -> None:
    """Distinct public keys, and the last one's private key decrypts what all were sent."""
    group = make_group(kind, count, tmp_path)
    keys = {
        one.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for one in group.certificates
    }
    assert len(keys) == len(group.certificates) == count
    mail = text_mail(1000)
    sealed = encrypt(mail, group.certificates)
    for number in {0, count - 1}:
        assert decrypt(sealed, group.identities(number)).message == mail


@pytest.mark.parametrize("size", [1000, 78_000, 77_999, 156_100, 1_000_000])
def test_a_large_mail_has_about_the_size(tmp_path: Path, size: int) -> None:
    """Headers come on top; every line ends."""
    path = tmp_path / "mail.eml"
    write_mail(path, size)
    octets = path.read_bytes()
    assert size <= len(octets) + 78
    assert len(octets) < size + 700
    assert octets.count(b"\n") == octets.count(b"\r\n")
