"""Fixtures of the tests of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.making import certificate, pem, rsa_key

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def alice(tmp_path: Path) -> Path:
    """Return a folder that holds Alice's ``key.pem`` and ``certificate.pem``."""
    (tmp_path / "key.pem").write_bytes(pem(rsa_key()))
    (tmp_path / "certificate.pem").write_bytes(pem(certificate("alice@example.org", serial=1)))
    return tmp_path
