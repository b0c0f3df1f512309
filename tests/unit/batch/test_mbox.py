"""Mboxes: where messages begin and end, and how a line that begins with From comes back."""

from __future__ import annotations

import io
import mailbox
import os
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.batch import FolderSource, Item, MboxSource, MboxTarget
from smime_session.batch.items import Data
from smime_session.batch.mbox import SMALL, _Mboxrd
from smime_session.batch.storing import Task
from smime_session.errors import MessageError
from tests.support.batching import carried, contents, written

if TYPE_CHECKING:
    from pathlib import Path

    from smime_session.batch import MboxForm

HEAD: Final = b"From: a@example.org\nSubject: s\n\n"
LINES: Final = b"From one\n>From two\n>>From three\n>>>From four\n From beside\n>Fromage\nfrom small\n"


def _mbox(path: Path, *messages: bytes, end: bytes = b"\n") -> Path:
    lines = b"".join(b"From a@example.org Thu Jan  1 00:00:00 2026" + end + each + end for each in messages)
    path.write_bytes(lines)
    return path


def _read(path: Path, form: MboxForm = "mboxrd") -> list[bytes]:
    return list(contents(MboxSource(str(path), form)).values())


def _appended(*messages: bytes, pieces: int = 1 << 20) -> bytes:
    """Return an mbox of messages that are written in pieces of so many bytes."""
    target = io.BytesIO()
    form = _Mboxrd()
    for number, message in enumerate(messages):
        frame = form.frame(target, Task(number, Item(str(number), str(number), Data(b""))))
        frame.start()
        for begin in range(0, len(message), pieces):
            frame.write(message[begin : begin + pieces])
        frame.finish()
    return target.getvalue()


@pytest.mark.parametrize(
    ("form", "inside"),
    [
        ("mboxrd", b"From one\nFrom two\n>From three\n>>From four\n From beside\n>Fromage\nfrom small\n"),
        ("mboxo", b"From one\nFrom two\n>>From three\n>>>From four\n From beside\n>Fromage\nfrom small\n"),
        ("mboxcl2", LINES),
    ],
)
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_lines_that_begin_with_from(tmp_path: Path, form: MboxForm, inside: bytes, *, large: bool) -> None:
    """Each form takes away what it added, whether a message is read in one piece or not."""
    filling = b"filling line\n" * (SMALL // 13 + 1 if large else 0)
    body = b"first\n" + LINES + filling + LINES
    message = (
        HEAD.replace(b"\n\n", b"\nContent-Length: %d\n\n" % len(body)) + body if form == "mboxcl2" else HEAD + body
    )
    path = _mbox(tmp_path / "in.mbox", message, HEAD + b"second\n")
    first, second = _read(path, form)
    assert first.partition(b"\n\n")[2] == b"first\n" + inside + filling + inside
    assert second == HEAD + b"second\n"


_WORDS: Final = st.sampled_from([b"From ", b">", b"\n", b"\r\n", b"x", b"From", b" ", b">>>From ", b"\0\xff"])
_TEXTS: Final = st.lists(_WORDS, max_size=30).map(b"".join)


@given(messages=st.lists(_TEXTS, min_size=1, max_size=5), pieces=st.integers(1, 9))
def test_every_message_comes_back(messages: list[bytes], pieces: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is written in any pieces is read as it was, but for an end of line at its end."""
    path = tmp_path_factory.getbasetemp() / "any.mbox"
    path.write_bytes(_appended(*messages, pieces=pieces))
    assert _read(path) == [each if not each or each.endswith(b"\n") else each + b"\n" for each in messages]


@given(messages=st.lists(_TEXTS, min_size=1, max_size=4))
def test_python_finds_the_same_messages(messages: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    """The reader of the standard library, which knows no quoting, finds as many, in the same places."""
    path = tmp_path_factory.getbasetemp() / "python.mbox"
    path.write_bytes(_appended(*messages))
    box: mailbox.mbox = mailbox.mbox(path, create=False)
    found = [box.get_bytes(key) for key in box.keys()]  # noqa: SIM118  # no mapping
    box.close()
    assert len(found) == len(messages)
    raw = [item.content.section for item in MboxSource(str(path)).items()]  # type: ignore[attr-defined]
    data = path.read_bytes()
    assert found == [data[each.begin : each.begin + each.size].replace(b"\r\n", b"\n") for each in raw] or any(
        b"\r" in each for each in messages
    )


def test_a_long_line_is_not_held(tmp_path: Path) -> None:
    """A line of megabytes goes through, and what follows it is quoted as it should be."""
    message = HEAD + b"x" * (5 << 20) + b"From \nFrom here\n" + b"y" * 70_000 + b"\n>From there\n"
    path = tmp_path / "in.mbox"
    path.write_bytes(_appended(message, HEAD, pieces=50_000))
    assert _read(path) == [message, HEAD]


def test_a_line_of_marks_that_cannot_be_kept() -> None:
    """A message with a line of nothing but ``>`` without end is refused, as it would not come back."""
    with pytest.raises(MessageError, match="a line of > that"):
        _appended(HEAD + b">" * (2 << 20) + b"From \n", pieces=1 << 17)
    assert b"\n" + b">" * 70_000 + b"x\n" in _appended(HEAD + b">" * 70_000 + b"x\n")
    assert b"\n" + b">" * 70_001 + b"From \n" in _appended(HEAD + b">" * 70_000 + b"From \n", pieces=1 << 16)


def test_content_length_that_lies(tmp_path: Path) -> None:
    """A length that leads into a line, or past the end, does not count: the next line From ends the message."""
    for length in (b"3", b"100000", b"999999999999999999999999", b"-1", b"6; 7", b"0"):
        head = HEAD.replace(b"\n\n", b"\nContent-Length: " + length + b"\n\n")
        path = _mbox(tmp_path / "in.mbox", head + b"a body\n", HEAD + b"second\n")
        assert _read(path, "mboxcl2") == [head + b"a body\n", HEAD + b"second\n"]


def test_content_length_counts_where_a_message_has_whole_messages_in_it(tmp_path: Path) -> None:
    """In mboxcl2 an empty line and a line From are part of a body."""
    body = b"forwarded:\n\nFrom b@example.org Thu Jan  1 00:00:00 2026\nSubject: inner\n\ninner\n"
    head = HEAD.replace(b"\n\n", b"\nContent-Length: %d\n\n" % len(body))
    path = _mbox(tmp_path / "in.mbox", head + body, HEAD + b"second\n")
    assert _read(path, "mboxcl2") == [head + body, HEAD + b"second\n"]
    assert len(_read(path, "mboxrd")) == 3


def test_line_ends_of_windows(tmp_path: Path) -> None:
    """Messages with CRLF are found, and keep it."""
    message = HEAD.replace(b"\n", b"\r\n") + b"body\r\n"
    assert _read(_mbox(tmp_path / "in.mbox", message, message, end=b"\r\n")) == [message, message]


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
def test_the_last_message_may_end_as_it_likes(tmp_path: Path, end: bytes) -> None:
    """An empty line at the end is the separator's, if it is there."""
    path = tmp_path / "in.mbox"
    path.write_bytes(b"From a\n" + HEAD + b"body" + end)
    assert _read(path) == [HEAD + b"body" + end[:1]]


def test_lines_between_messages_are_kept(tmp_path: Path) -> None:
    """The line From of each message, with the sender and the date, goes into the new mbox."""
    path = tmp_path / "in.mbox"
    line = b"From \xe4lice@example.org Fri Feb 13 23:31:30 2009 remote from here"
    path.write_bytes(line + b"\n" + HEAD + b"\n" + b"From - Mon\n" + HEAD + b"\n")
    carried(MboxSource(str(path)), MboxTarget(str(tmp_path / "out.mbox")))
    assert (tmp_path / "out.mbox").read_bytes() == path.read_bytes()


def test_a_message_that_failed_leaves_nothing(tmp_path: Path) -> None:
    """Its line and its half are cut off; what is tried again comes last."""
    mails = {f"{number}.eml": HEAD + b"%d\n" % number for number in range(1, 7)}
    folder = written(tmp_path / "in", {**mails, "3.eml": b"broken " * 5000})
    target = MboxTarget(str(tmp_path / "out.mbox"), 0o600)
    assert carried(FolderSource(str(folder)), target).failed == 1
    assert _read(tmp_path / "out.mbox") == [HEAD + b"%d\n" % number for number in (1, 2, 4, 5, 6)]
    (folder / "3.eml").write_bytes(mails["3.eml"])
    assert carried(FolderSource(str(folder)), target, retry_failed=True).done == 1
    assert _read(tmp_path / "out.mbox") == [HEAD + b"%d\n" % number for number in (1, 2, 4, 5, 6, 3)]
    assert (tmp_path / "out.mbox").stat().st_mode & 0o777 == 0o600


def test_what_is_no_mbox(tmp_path: Path) -> None:
    """An empty file has no messages; another one is refused by name."""
    (tmp_path / "empty").write_bytes(b"")
    assert _read(tmp_path / "empty") == []
    (tmp_path / "mail").write_bytes(HEAD)
    with pytest.raises(MessageError, match="mail is no mbox: it does not begin with a line From"):
        _read(tmp_path / "mail")


def test_a_large_message_is_read_at_any_size_of_piece(tmp_path: Path) -> None:
    """Whatever is asked for at a time, the same comes out."""
    message = HEAD + (b"x" * 69 + b"\n>From y\n") * (SMALL // 70)
    path = _mbox(tmp_path / "in.mbox", message)
    (item,) = MboxSource(str(path)).items()
    expected = message.replace(b"\n>From y", b"\nFrom y")
    with item.content.open() as stream:
        buffer = bytearray(100_003)
        taken: Any = stream
        found = b"".join(bytes(buffer[:count]) for count in iter(lambda: taken.readinto(buffer), 0))
    assert found == expected
    with item.content.open() as stream:
        assert stream.read(SMALL + 1) == expected[: SMALL + 1]
    assert os.path.getsize(path) > SMALL  # noqa: PTH202
