"""What ``rewrap`` does with a terminal, which the cases cannot show."""

from __future__ import annotations

import io

import pytest

from cli.options import MisuseError
from cli.rewrap import _TextOnly


def test_binary_does_not_go_to_a_terminal() -> None:
    """A bare CMS object is refused with its first octets, and none of them appears."""
    terminal = io.BytesIO()
    with pytest.raises(MisuseError, match="binary") as caught:
        _TextOnly(terminal).write(memoryview(b"\x30\x82\x01\x00"))
    assert caught.value.hint
    assert terminal.getvalue() == b""


def test_text_goes_to_a_terminal() -> None:
    """A mail passes, whatever its later lines begin with."""
    terminal = io.BytesIO()
    text = _TextOnly(terminal)
    assert [text.write(b"Subject: x\n\n"), text.write(b"0123\n")] == [12, 5]
    assert terminal.getvalue() == b"Subject: x\n\n0123\n"
