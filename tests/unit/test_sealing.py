"""Sealing: what is never written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smime_session import COMPAT, PresharedKey, encrypt
from smime_session.algorithms import DES_EDE3_CBC, RC2_CBC, ContentEncryption
from smime_session.errors import UnsupportedAlgorithmError


@pytest.mark.parametrize("algorithm", [DES_EDE3_CBC, RC2_CBC], ids=lambda each: each.name)
def test_broken_algorithms_are_never_written(algorithm: ContentEncryption) -> None:
    """What is broken by now is only read, whatever profile somebody makes."""
    reader = PresharedKey(bytes(32), b"reader")
    with pytest.raises(UnsupportedAlgorithmError, match=f"^the writing of content with {algorithm.name} .* is not sup"):
        encrypt(b"Subject: x\r\n\r\ntext\r\n", [reader], profile=replace(COMPAT, content=algorithm))
