"""Which parts of a mail get legacy display elements, and that all else passes as it is."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from smime_session.mail.fields import find_body, parse_fields
from smime_session.mail.legacy_display import display_text, remarked
from smime_session.mail.main_body import MainBody
from smime_session.mail.protection import joined, protect, restore

if TYPE_CHECKING:
    from smime_session.mail.header_policy import HeaderPolicy

VECTORS = Path(__file__).parents[2] / "vectors" / "rfc9788"
TEXT = "Subject: Lunch\n"
ELEMENT = "Subject: Lunch"
PLAIN = ("text/plain", "Hi")
PAGE = ("text/html", "<html><body><p>Hi</p></body></html>")
PICTURE = ("image/png", "iVBORw0KGgo=")

Tree = tuple[str, "str | list[Tree]"]


def compose(tree: Tree, number: str = "1") -> bytes:
    """Write a part and those in it, with boundaries of which one begins like the other."""
    content_type, content = tree
    if isinstance(content, str):
        return f"Content-Type: {content_type}\r\n\r\n{content}".encode()
    boundary = f"b{number}"
    parts = [compose(part, f"{number}.{n}") for n, part in enumerate(content)]
    lines = b"".join(b"\r\n--%s\r\n%s" % (boundary.encode(), part) for part in parts)
    head = f'Content-Type: {content_type}; boundary="{boundary}"\r\n\r\npreamble\r\n--{boundary}x\r\n'
    return b"%s%s\r\n--%s--\r\nepilogue" % (head.encode(), lines, boundary.encode())


def passed(mail: bytes, text: str | None, step: int = 1 << 20) -> bytes:
    """Return a mail after its main body was changed, given in blocks of ``step`` bytes."""
    start = find_body(mail)
    fields = parse_fields(mail[:start])
    main_body = MainBody(fields, text)
    blocks: list[bytes] = []
    for at in range(start, len(mail), step):
        blocks.append(bytes(main_body.convert(memoryview(mail)[at : at + step])))
        assert main_body.changed is not None or not any(blocks)
    body = b"".join((*blocks, main_body.finish()))
    return joined(remarked(fields, text) if main_body.changed else fields) + b"\r\n" + body


def shown_in(mail: bytes) -> list[str]:
    """Return the types of the parts that have an element, in their order."""
    message = message_from_bytes(mail, policy=default)
    found = []
    for part in message.walk():
        has = not part.is_multipart() and ELEMENT in str(part.get_payload())
        assert has == (part.get_param("hp-legacy-display") == "1")
        if has:
            found.append(part.get_content_type())
    return found


BOTH = ["text/plain", "text/html"]
ATTACHED = ("text/plain\r\nContent-Disposition: attachment; filename=a.txt", "Hi")


@pytest.mark.parametrize(
    ("tree", "types"),
    [
        (PLAIN, ["text/plain"]),
        (PAGE, ["text/html"]),
        (PICTURE, []),
        (ATTACHED, []),
        (("multipart/alternative", [PLAIN, PAGE]), BOTH),
        (("multipart/alternative", [PLAIN, ("multipart/related", [PAGE, PICTURE, PAGE])]), BOTH),
        (("multipart/alternative", [("multipart/related", [PAGE, PLAIN]), PLAIN]), ["text/html", "text/plain"]),
        (("multipart/mixed", [("multipart/alternative", [PLAIN, PAGE]), PLAIN, PAGE]), BOTH),
        (("multipart/mixed", [PLAIN, PLAIN, ("multipart/alternative", [PLAIN, PAGE])]), ["text/plain"]),
        (("multipart/mixed", [PICTURE, PLAIN]), []),
        (("multipart/mixed", [ATTACHED, PLAIN]), []),
        (("multipart/report", [PLAIN, PLAIN]), ["text/plain"]),
        (("multipart/mixed", [("message/rfc822", "Subject: x\r\n\r\nHi"), PLAIN]), []),
        (("multipart/mixed", [("multipart/signed", [PLAIN, PICTURE]), PLAIN]), []),
        (("multipart/signed", [PLAIN, PICTURE]), []),
        (("multipart/alternative", [("multipart/mixed", [PLAIN, PLAIN]), PAGE, ("text/calendar", "Hi")]), BOTH),
        (("multipart/mixed\r\nContent-Transfer-Encoding: base64", [PLAIN]), []),
    ],
)
@pytest.mark.parametrize("step", [1, 13, 1 << 20])
def test_only_main_body_parts_show_hidden_fields(tree: Tree, types: list[str], step: int) -> None:
    """Each text that is seen at once (RFC 9788, 5.2.4), and no attachment, forwarded mail or signed part."""
    mail = compose(tree)
    changed = passed(mail, TEXT, step)
    assert shown_in(changed) == types
    assert passed(changed, None, step) == mail
    assert passed(mail, None, step) == mail


def test_line_feeds_serve_as_well() -> None:
    """A mail that stays as it is, being binary, may have bare line feeds."""
    mail = compose(("multipart/mixed", [PLAIN, PICTURE])).replace(b"\r\n", b"\n")
    mail = mail.replace(b"\n\n", b"\nContent-Transfer-Encoding: binary\n\n", 1)
    start = find_body(mail)
    main_body = MainBody(parse_fields(mail[:start]), TEXT)
    body = bytes(main_body.convert(mail[start:])) + main_body.finish()
    assert shown_in(mail[:start] + body) == ["text/plain"]
    main_body = MainBody(parse_fields(mail[:start]), None)
    assert bytes(main_body.convert(body)) + main_body.finish() == mail[start:]


def _random_tree(random: Random, depth: int = 0) -> Tree:
    if depth < 3 and random.random() < 0.7:
        kind = random.choice(["mixed", "alternative", "related", "signed", "digest"])
        return f"multipart/{kind}", [_random_tree(random, depth + 1) for _ in range(random.randrange(4))]
    kind, content = random.choice(
        [PLAIN, PAGE, PICTURE, ATTACHED, ("text/plain", ""), ("text/plain", "\r\n\r\n--b1x\r\n-")]
    )
    return kind, content + "\r\n" * random.randrange(3) + "--" * random.randrange(2)


def test_random_mails_come_back() -> None:
    """Whatever the tree, what is put in comes out, and the size of the blocks makes no difference."""
    random = Random(9788)  # noqa: S311  # no secrets
    for _ in range(400):
        mail = compose(_random_tree(random))
        changed = passed(mail, TEXT)
        assert passed(mail, TEXT, random.randrange(1, 50)) == changed
        assert passed(changed, None, random.randrange(1, 50)) == mail


def test_mutilated_mails_come_back() -> None:
    """So do mails with bytes missing, doubled or replaced anywhere."""
    random = Random(9787)  # noqa: S311  # no secrets
    base = compose(("multipart/mixed", [("multipart/alternative", [PLAIN, PAGE]), PICTURE, ATTACHED]))
    start = find_body(base)
    for _ in range(400):
        at, end = (random.randrange(start, len(base)) for _ in range(2))
        mail = base[:at] + random.choice([b"", b"\n", b"--", b"\r", base[at:end]]) + base[end:]
        changed = passed(mail, TEXT, random.randrange(1, 99))
        assert passed(changed, None, random.randrange(1, 99)) == mail


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize(
    "part", [b"\r\n--b1", b"\r\n--b1\r\n", b"\r\n--b1\r\n\r\n", b"\r\n--", b"-", b"\n", b"\r\n--b1.0\r\n\r\n"]
)
def test_hostile_boundaries_take_no_quadratic_time(part: bytes) -> None:
    """Two megabytes of boundary lines, or of what nearly is one, pass unharmed."""
    mail = compose(("multipart/alternative", [("multipart/mixed", [])])).removesuffix(b"--b1--\r\nepilogue")
    mail += part * (2_000_000 // len(part))
    assert passed(mail, TEXT) == mail


@pytest.mark.usefixtures("impatience")
def test_hostile_depth_and_heads_pass() -> None:
    """A hundred multiparts in each other, and a part that is all head."""
    deep: Tree = PLAIN
    for _ in range(100):
        deep = ("multipart/mixed", [deep])
    mail = compose(deep)
    assert passed(mail, TEXT) == mail
    mail = compose(("multipart/mixed", [("text/plain\r\nX: " + "x" * 100_000, "Hi")]))
    assert passed(mail, TEXT, 999) == mail


@pytest.mark.parametrize(
    ("section", "policy"), [("C.3.2", "hcp_baseline"), ("C.3.4", "hcp_shy"), ("C.3.12", "hcp_shy")]
)
def test_an_example_of_the_rfc_is_made_again(section: str, policy: HeaderPolicy) -> None:
    """Without its elements it is the mail it was made of, and of that mail the same body is made."""
    payload = (VECTORS / f"{section}.eml").read_bytes().replace(b"\n", b"\r\n")
    start = find_body(payload)
    found = restore((), parse_fields(payload[:start]))
    assert found is not None
    mail = passed(joined(found.fields) + b"\r\n" + payload[start:], None)
    assert b"legacy" not in mail.replace(b"-legacy", b"")
    assert b"\r\n<p>This is the" in mail or b"html" not in mail
    again = passed(mail, display_text(protect(parse_fields(mail[: find_body(mail)]), policy).hidden))
    ours, theirs = (
        [part.get_payload() for part in message_from_bytes(text).walk() if not part.is_multipart()]
        for text in (again, payload)
    )
    moved = "<body>\r\n<div"  # theirs stands behind the line break
    assert [str(text).replace("</div>\r\n<p>", "</div><p>") for text in ours] == [
        str(text).replace(moved, moved.replace("\r\n", "")) for text in theirs
    ]


def test_the_html_example_of_the_rfc_is_read() -> None:
    """Appendix E.2 is shown without its element."""
    payload = (VECTORS / "E.2.eml").read_bytes().replace(b"\n", b"\r\n")
    assert b"<body>\r\n\r\n<p>\r\nLet's meet" in passed(payload, None)
