"""What servers, mail stores and programs do to the head of a mail, each as a function of the mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.damage import divide, head_of

if TYPE_CHECKING:
    from collections.abc import Callable

LINE_1: Final = "line 1 is not a header field, and was passed over"
LINE_2: Final = "line 2 is not a mail header field, and was passed over"
FOLLOWED: Final = "something follows the CMS object, which was left out"
MBOX_LINE: Final = b"From alice@example.org Mon Jan  5 10:00:00 2026"


def _first(line: bytes) -> Callable[[bytes], bytes]:
    return lambda mail: line + divide(mail)[2] + mail


def _second(line: bytes) -> Callable[[bytes], bytes]:
    def changed(head: bytes) -> bytes:
        first, feed, rest = head.partition(b"\n")
        return first + feed + line + (b"\r\n" if first.endswith(b"\r") else b"\n") + rest

    return head_of(changed)


def _joined(mail: bytes) -> bytes:
    head, body, _ = divide(mail)
    return head + body


def _fetched(mail: bytes) -> bytes:
    return b"* 1 FETCH (BODY[] {%d}\r\n" % len(mail) + mail + b")\r\nA1 OK done\r\n"


def _emlx(mail: bytes) -> bytes:
    return b"%-10d\n" % len(mail) + mail + b'<?xml version="1.0"?>\n<plist version="1.0"></plist>\n'


def _unix(mail: bytes) -> bytes:
    return mail.replace(b"\r\n", b"\n")


HEADS: Final[dict[str, tuple[Callable[[bytes], bytes], tuple[str, ...]]]] = {
    "mbox line": (_first(MBOX_LINE), ()),
    ">From first": (_first(b">" + MBOX_LINE), ()),
    "blank lines first": (_first(b"\r\n\r\n"), ()),
    "line of blanks first": (_first(b"  \t"), ()),
    "mark first": (lambda mail: b"\xef\xbb\xbf" + mail, ()),
    ">From second": (_second(b">" + MBOX_LINE), (LINE_2,)),
    "From second": (_second(MBOX_LINE), (LINE_2,)),
    "no colon": (_second(b"this line has no colon"), (LINE_2,)),
    "blank in the name": (_second(b"Bad Header: 1"), (LINE_2,)),
    "no name": (_second(b": foo"), (LINE_2,)),
    "name outside ASCII": (_second("X-Größe: foo".encode()), (LINE_2,)),
    "zero": (
        _second(b"X-A: a\0b"),
        ("line 2 is not a line of a mail header: it holds a NUL byte, and was passed over",),
    ),
    "no colon first": (_first(b"MIME nonsense"), (LINE_1,)),
    "blank in the name first": (_first(b"Bad Header: 1"), (LINE_1,)),
    "no name first": (_first(b": foo"), (LINE_1,)),
    "name outside ASCII first": (_first("X-Größe: foo".encode()), (LINE_1,)),
    "boundary first": (_first(b"--b1_f00"), (LINE_1,)),
    "IMAP": (_fetched, (LINE_1, FOLLOWED)),
    "emlx": (_emlx, (LINE_1, FOLLOWED)),
    "CR": (lambda mail: _unix(mail).replace(b"\n", b"\r"), ("the lines of the mail end with CR alone",)),
    "CR CR LF": (lambda mail: _unix(mail).replace(b"\n", b"\r\r\n"), ("the lines of the mail end with CR CR LF",)),
    "CR head": (
        lambda mail: divide(mail)[0].replace(b"\r\n", b"\n").replace(b"\n", b"\r") + b"\r" + divide(mail)[1],
        ("the lines of the mail end with CR alone",),
    ),
    "no blank line": (_joined, ("no blank line ends the mail header",)),
}
"""Heads that are damaged: how, and what is told of it."""
