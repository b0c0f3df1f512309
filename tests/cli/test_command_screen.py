"""What a terminal shows that was not asked for by name."""

from __future__ import annotations

import io

import pytest

from cli.options import MisuseError
from cli.screen import MAX_SHOWN, text_only


@pytest.mark.parametrize(
    "octets",
    [b"\x30\x82\x01\x00", b"Subject: x\n\n\x1b[2J", b"a\x00", b"\x9b is CSI in UTF-8: \xc2\x9b2J", b"\x7f", b"\x07"],
)
def test_what_a_terminal_would_obey_is_not_shown(octets: bytes) -> None:
    """A CMS object, and text that holds a control character, are refused, and nothing of them appears."""
    terminal = io.BytesIO()
    with pytest.raises(MisuseError, match="not plain text") as caught, text_only(terminal) as held:
        held.write(octets)
    assert caught.value.hint
    assert terminal.getvalue() == b""


def test_text_is_shown() -> None:
    """A mail passes, in any encoding and whatever its lines begin with."""
    terminal = io.BytesIO()
    text = [b"Subject: x\r\n\r\n", b"0123\tgr\xc3\xbc\xc3\x9fe\x0c\n", b"gr\xfc\xdfe\n"]
    with text_only(terminal) as held:
        for each in text:
            held.write(each)
        assert terminal.getvalue() == b""
    assert terminal.getvalue() == b"".join(text)


def test_a_large_message_is_not_shown() -> None:
    """More than anybody reads is refused before memory is filled with it."""
    terminal = io.BytesIO()
    with pytest.raises(MisuseError, match="large"), text_only(terminal) as held:
        held.write(bytes(MAX_SHOWN + 1))
    assert terminal.getvalue() == b""


def test_nothing_is_shown_of_what_fails() -> None:
    """An exception leaves the terminal as it was."""
    terminal = io.BytesIO()

    def fail_late() -> None:
        with text_only(terminal) as held:
            held.write(b"text")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail_late()
    assert terminal.getvalue() == b""
