"""Header fields inside and outside, and what became of those outside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.errors import MessageError
from smime_session.mail.fields import Field, find_body, parse_fields, parse_parameters
from smime_session.mail.protection import (
    Protected,
    Restored,
    add_parameter,
    holds_wrapped_mail,
    joined,
    protect,
    remove_parameter,
    restore,
)

if TYPE_CHECKING:
    from smime_session.mail.header_policy import HeaderPolicy

VECTORS = Path(__file__).parents[2] / "vectors" / "rfc9788"

HEAD = (
    b"Received: from a by b\r\nFrom: Alice <alice@example.org>\r\nTo: Bob <bob@example.org>\r\n"
    b"Subject: The\r\n contract\r\nKeywords: urgent\r\nDate: Sat, 20 Feb 2021 10:13:02 -0500\r\n"
    b"Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n"
    b"X-Mailer: letters\r\n"
)
OUTSIDE = (
    b"Received: from a by b\r\nFrom: Alice <alice@example.org>\r\nTo: Bob <bob@example.org>\r\n"
    b"Subject: [...]\r\nDate: Sat, 20 Feb 2021 10:13:02 -0500\r\n"
    b"Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\nX-Mailer: letters\r\n"
)


def protected(head: bytes = HEAD, policy: HeaderPolicy = "hcp_baseline") -> Protected:
    return protect(parse_fields(head), policy, dropped={"bcc"})


def restored(outer: bytes, payload: tuple[Field, ...]) -> Restored:
    found = restore(parse_fields(outer), payload)
    assert found is not None
    return found


def vector(section: str) -> tuple[Field, ...]:
    text = (VECTORS / f"{section}.eml").read_bytes().replace(b"\n", b"\r\n")
    return parse_fields(text[: find_body(text)])


def told(payload: tuple[Field, ...]) -> bytes:
    """Return what a payload says that stood outside."""
    return b"".join(field.raw.partition(b":")[2].lstrip() for field in payload if field.name == "hp-outer")


def test_the_payload_has_every_field_and_tells_what_stands_outside() -> None:
    """The fields are inside as they were, with the hp parameter; HP-Outer repeats the others outside."""
    result = protected()
    assert joined(result.outer) == OUTSIDE
    marked = HEAD.replace(b"text/plain;", b'text/plain; hp="cipher";')
    assert joined(result.inner) == marked + b"".join(
        b"HP-Outer: " + line for line in OUTSIDE.splitlines(keepends=True) if not line.startswith(b"MIME")
    )
    assert [field.name for field in result.hidden] == ["subject", "keywords"]


def test_what_is_not_hidden_stands_outside_byte_for_byte() -> None:
    """Without confidentiality only the content's description leaves the outside; folding is kept."""
    result = protected(policy="hcp_no_confidentiality")
    assert joined(result.outer) == HEAD.replace(b"Content-Type: text/plain; charset=us-ascii\r\n", b"")
    assert b"HP-Outer: Subject: The\r\n contract\r\n" in joined(result.inner)
    assert result.hidden == ()


def test_without_header_protection_only_the_content_is_described_inside() -> None:
    """The policy ``none`` is RFC 8551 as it was."""
    result = protected(policy="none")
    assert joined(result.inner) == b"Content-Type: text/plain; charset=us-ascii\r\n"
    assert joined(result.outer) == HEAD.replace(joined(result.inner), b"")


def test_blind_copies_and_foreign_claims_go_nowhere() -> None:
    """A Bcc field is in neither half, nor are HP-Outer fields and hp parameters that the mail had itself."""
    head = HEAD.replace(b"us-ascii", b"us-ascii; hp=clear") + b"Bcc: eve\r\nHP-Outer: Subject: lie\r\n"
    assert protected(head) == protected()


def test_outside_keeps_its_line_endings() -> None:
    """A mail with line feeds has them outside, in what is replaced too, and CRLF inside."""
    fields = parse_fields(HEAD.replace(b"\r\n", b"\n").removesuffix(b"\n"))
    result = protect(fields, "hcp_baseline", eol=b"\n")
    assert b"".join(field.raw for field in result.outer) == OUTSIDE.replace(b"\r\n", b"\n")
    assert joined(result.inner) == joined(protected().inner)


@pytest.mark.parametrize("spelling", [b"Subject:x", b"SUBJECT :x", b"Subject:\r\n x", b"Subject:\t x", b"Subject:"])
def test_an_hp_outer_field_is_well_formed_however_the_field_was_written(spelling: bytes) -> None:
    """Between name and value stand a colon and a blank, and the claim is understood."""
    result = protected(HEAD + spelling + b"\r\n", "hcp_no_confidentiality")
    assert joined(result.inner[-1:]).lower().startswith(b"hp-outer: subject: ")
    assert restored(joined(result.outer), result.inner).altered == ()


def test_a_mail_without_content_type_gets_one_for_the_parameter() -> None:
    """What RFC 2045 leaves to be understood is said, since the mark needs a place."""
    result = protected(HEAD.replace(b"Content-Type: text/plain; charset=us-ascii\r\n", b"Content-ID: <x>\r\n"))
    assert b'Content-Type: text/plain; hp="cipher"\r\nHP-Outer' in joined(result.inner)


@pytest.mark.parametrize(
    "content_type", [b"multipart/signed; boundary=b", b"application/pkcs7-mime; smime-type=signed-data"]
)
def test_a_signed_mail_keeps_its_payload_closed(content_type: bytes) -> None:
    """Its fields stay outside, as hp belongs to the signed payload; where they were to be hidden, that is refused."""
    head = HEAD.replace(b"text/plain; charset=us-ascii", content_type)
    result = protected(head, "hcp_no_confidentiality")
    assert joined(result.inner) == b"Content-Type: " + content_type + b"\r\n"
    with pytest.raises(MessageError, match=r"^a mail that is signed or encrypted already has no place inside"):
        protected(head)


def test_ten_thousand_recipients_are_shown_shyly_on_lines_of_their_own() -> None:
    """No line outside is longer than mail allows, and HP-Outer repeats it."""
    people = b",\r\n ".join(b"Person %d <p%d@example.org>" % (n, n) for n in range(10_000))
    result = protected(HEAD + b"Cc: " + people + b"\r\n", "hcp_shy")
    outside = joined(result.outer)
    assert max(map(len, outside.splitlines())) < 100
    assert outside.count(b"@example.org,\r\n p") == 9_999
    assert b"Person" not in outside
    assert restored(outside, result.inner).altered == ()


@pytest.mark.usefixtures("impatience")
def test_ten_thousand_fields_take_no_quadratic_time() -> None:
    """So many fields, alike and different, are protected and restored."""
    many = b"".join(
        b"Received: from %d\r\nX-%d: y\r\nSubject: z\r\nDKIM-Signature: s\r\n" % (n, n) for n in range(10_000)
    )
    result = protected(HEAD + many)
    found = restored(many + joined(result.outer), result.inner)
    assert len(found.altered) == 10_001
    assert joined(found.fields) == HEAD + many


@pytest.mark.parametrize("section", ["C.3.2", "C.3.4", "C.3.12", "D.1.2", "E.2"])
def test_the_examples_of_the_rfc_are_understood(section: str) -> None:
    """What the payload says is restored without its marks, and nothing is altered where the outside is as it tells."""
    payload = vector(section)
    found = restored(told(payload), payload)
    assert found.altered == ()
    assert found.kept == ()
    assert found.display
    rest = joined(found.fields)
    assert b"hp=" not in rest
    assert b"HP-Outer" not in rest
    assert b"[...]" not in rest


@pytest.mark.parametrize(
    ("section", "policy"),
    [("C.3.2", "hcp_baseline"), ("C.3.4", "hcp_shy"), ("C.3.12", "hcp_shy"), ("D.1.2", "hcp_baseline")],
)
def test_the_examples_of_the_rfc_are_made(section: str, policy: HeaderPolicy) -> None:
    """From the fields of an example the same stands outside as in the RFC."""
    payload = vector(section)
    mail = tuple(field for field in payload if field.name != "hp-outer")
    result = protect(mail, policy)
    outside = b"".join(field.raw for field in result.outer if field.name != "mime-version")
    assert outside == told(payload).replace(b":\r\n <", b": <")


@pytest.mark.parametrize("policy", ["hcp_no_confidentiality", "hcp_baseline", "hcp_shy"])
def test_fields_come_back_byte_for_byte(policy: HeaderPolicy) -> None:
    """In their order, with their folding, and nothing is found altered."""
    result = protected(policy=policy)
    found = restored(joined(result.outer), result.inner)
    assert (joined(found.fields), found.altered, found.kept) == (HEAD, (), ())
    assert found.display == (policy != "hcp_no_confidentiality")


@pytest.mark.parametrize(
    ("change", "altered"),
    [
        ((b"Subject: [...]", b"Subject: Pay at once"), ("Subject",)),
        ((b"Subject: [...]\r\n", b""), ("Subject",)),
        ((b"Subject: [...]", b"Subject: [...]\r\nSubject: again"), ("Subject",)),
        ((b"alice@example.org", b"eve@example.org"), ("From",)),
        ((b"To: Bob", b"Cc: eve@example.org\r\nTo: Bob"), ("Cc",)),
        ((b"To: Bob", b"reply-to: eve@example.org\r\nTo: Bob"), ("reply-to",)),
        ((b"To: Bob", b"HP-Outer: Subject: x\r\nTo: Bob"), ("HP-Outer",)),
        ((b"letters", b"post"), ("X-Mailer",)),
        ((b"from a by b", b"from c by d"), ()),
        ((b"Bob <bob", b"Bob\r\n  <bob"), ()),
        ((b"To: Bob", b"List-Id: <l.example>\r\nX-Spam: no\r\nTo: Bob"), ()),
    ],
)
def test_what_was_changed_outside_is_named_and_has_no_effect(
    change: tuple[bytes, bytes], altered: tuple[str, ...]
) -> None:
    """The fields are those inside, whatever stands outside; only folding and what is added on the way is no change."""
    result = protected()
    found = restored(joined(result.outer).replace(*change), result.inner)
    assert found.altered == altered
    assert joined(found.fields) == HEAD


def test_what_was_added_on_the_way_is_kept() -> None:
    """Trace fields, even alike ones, and unknown fields stay; what leads a reader and is not the author's does not."""
    added = b"Received: from a by b\r\nReceived: from c by d\r\nList-Id: <l.example>\r\nX-Spam: no\r\n"
    result = protected()
    outside = added + b"References: <old@example.org>\r\nCc: eve\r\nKeywords: spam\r\n" + joined(result.outer)
    found = restored(outside, result.inner)
    assert joined(found.kept) == added
    assert found.altered == ("References", "Cc", "Keywords")


def test_a_payload_that_lies_about_the_outside_is_told_apart() -> None:
    """Claims that do not fit are alterations, claims of nothing are none, and neither makes a field."""
    lies = b"HP-Outer: Subject: Hello\r\nHP-Outer: no field\r\nHP-Outer: \xff: x\r\nHP-Outer:\r\nHP-Outer: To: x\r\n"
    payload = parse_fields(b'Subject: Hi\r\nContent-Type: text/plain; hp="cipher"\r\n' + lies)
    found = restored(b"Subject: Hi\r\n", payload)
    assert found.altered == ("Subject", "To")
    assert joined(found.fields) == b"Subject: Hi\r\nContent-Type: text/plain\r\n"


def test_a_mail_signed_by_its_author_and_encrypted_on_the_way_has_nothing_hidden() -> None:
    """With hp="clear" the fields inside are what stood outside, HP-Outer or not (RFC 9788, 10.2)."""
    payload = parse_fields(
        b"Subject: Hi\r\nTo: Bob\r\nContent-Type: text/plain; hp=clear\r\nHP-Outer: Subject: [...]\r\n"
    )
    found = restored(b"Subject: [...]\r\nCc: eve\r\n", payload)
    assert found.altered == ("Subject", "To", "Cc")
    assert found.kept == ()
    assert not found.display


@pytest.mark.parametrize(
    ("outside", "altered"),
    [
        (b"Subject: ...\r\n", ()),
        (b"Subject: Re: [...]\r\n", ()),
        (b"Subject: Encrypted Message\r\n", ()),
        (b"Subject: Hi\r\n", ()),
        (b"", ()),
        (b"Subject: Bye\r\nCc: Carol\r\n", ("Subject",)),
    ],
)
def test_the_older_scheme_is_read(outside: bytes, altered: tuple[str, ...]) -> None:
    """protected-headers="v1" restores what is inside; what is only outside stays, and a placeholder is no change."""
    payload = parse_fields(b'Subject: Hi\r\nContent-Type: text/plain; protected-headers="v1"\r\n')
    found = restored(b"From: Alice\r\nMIME-Version: 1.0\r\nContent-Type: a/b\r\n" + outside, payload)
    assert found.altered == altered
    rest = b"" if b"Cc" not in outside else b"Cc: Carol\r\n"
    assert joined(found.kept) == b"From: Alice\r\nMIME-Version: 1.0\r\n" + rest
    assert joined(found.fields) == joined(payload)


def test_an_entity_that_says_nothing_of_protection_is_none() -> None:
    """Fields in a sealed part alone protect nothing, nor does an unknown value."""
    assert restore((), parse_fields(b"Subject: Hi\r\nContent-Type: text/plain\r\n")) is None
    assert restore((), parse_fields(b"Subject: Hi\r\nContent-Type: text/plain; hp=other\r\n")) is None


@pytest.mark.parametrize(
    ("payload", "inside", "wrapped"),
    [
        (b"Content-Type: message/rfc822; forwarded=no\r\n", b"Subject: x\r\n", True),
        (b"Content-Type: message/rfc822\r\n", b"Message-ID: <1@a>\r\n", True),
        (b"Content-Type: message/rfc822\r\n", b"Message-ID: <2@a>\r\n", False),
        (b"Content-Type: message/rfc822\r\n", b"Subject: x\r\n", False),
        (b"Content-Type: message/rfc822; forwarded=no; hp=cipher\r\n", b"Message-ID: <1@a>\r\n", False),
        (b"Content-Type: message/rfc822; forwarded=no\r\n", b"Content-Type: text/plain; hp=clear\r\n", False),
        (b"Content-Type: message/rfc822; forwarded=no\r\n", b"Content-Type: multipart/signed\r\n", False),
        (b"Content-Type: message/rfc822; forwarded=no\r\nContent-Transfer-Encoding: base64\r\n", b"", False),
        (b"Content-Type: text/plain; forwarded=no\r\n", b"Message-ID: <1@a>\r\n", False),
    ],
)
def test_a_whole_mail_inside_is_unwrapped_unless_it_was_forwarded(payload: bytes, inside: bytes, wrapped: bool) -> None:  # noqa: FBT001
    """It says that it is not forwarded, or has the outer mail's identifier; no signature and no hp is in the way."""
    outer = parse_fields(b"Message-ID:\r\n  <1@a>\r\n")
    assert holds_wrapped_mail(outer, parse_fields(payload), parse_fields(inside) if inside else ()) is wrapped


def test_the_fields_of_a_wrapped_mail_are_the_mail_s() -> None:
    """They replace those outside (RFC 9788, 4.10.2), and what is only outside stays."""
    text = (VECTORS / "C.3.17.eml").read_bytes()
    start = find_body(text)
    inside = parse_fields(text[start:][: find_body(text[start:])])
    outer = parse_fields(b"Received: from a\r\nSubject: [...]\r\nFrom: Eve\r\n")
    assert holds_wrapped_mail(inside, parse_fields(text[:start]), inside)
    found = restore(outer, inside, wrapped=True)
    assert found is not None
    assert (found.fields, found.altered, joined(found.kept)) == (inside, ("From",), b"Received: from a\r\n")


CONTENT_TYPES = [
    b"Content-Type: text/plain\r\n",
    b"Content-Type:text/plain;\r\n",
    b"CONTENT-TYPE : text/plain ; charset=us-ascii;\r\n",
    b'Content-Type: text/plain; name="a; hp=\\"x\\"; b"\r\n',
    b"Content-Type: text/plain (a; hp=y); charset=utf-8\r\n",
    b"Content-Type:\r\n (note) text/html;\r\n\tcharset=utf-8\r\n",
    b"Content-Type: text / plain; x=y\r\n",
    b"Content-Type: nonsense\r\n",
    b'Content-Type: text/plain; name="never closed\r\n',
    b"Content-Type:\r\n",
    b"Content-Type: text/plain; hp-legacy-display=1\r\n",
]


@pytest.mark.parametrize("raw", CONTENT_TYPES)
def test_a_parameter_is_found_by_readers_and_taken_out_again(raw: bytes) -> None:
    """However the value is written, it is parsed with the parameter, and is as before without it."""
    field = Field("content-type", raw)
    marked = add_parameter(field, b'hp="cipher"')
    assert parse_parameters(marked.value)["hp"] == "cipher"
    assert remove_parameter(marked, b"hp") == field


@pytest.mark.parametrize("tail", [b'; hp="cipher"', b";\r\n\thp=cipher", b"; HP = Cipher", b';hp="cipher"; x=y'])
def test_a_parameter_of_other_programs_is_taken_out(tail: bytes) -> None:
    """Quotes, folding, blanks and place are free."""
    raw = remove_parameter(Field("content-type", b"Content-Type: text/plain; charset=a" + tail + b"\r\n"), b"hp").raw
    assert raw.replace(b"; x=y", b"") == b"Content-Type: text/plain; charset=a\r\n"


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("begin", [b"", b"; x=", b'; x="', b"; ("])
@pytest.mark.parametrize("part", [b"(", b'"', b"; hp", b";  ", b"\\", b'"\\', b"(a", b"(\\(", b'a\\"'])
def test_a_hostile_content_type_takes_no_quadratic_time(begin: bytes, part: bytes) -> None:
    """A megabyte of what patterns stumble over is read in no time, in quotes and comments without an end too."""
    field = Field("content-type", b"Content-Type: a/b" + begin + part * (1_000_000 // len(part)) + b" hp\r\n")
    remove_parameter(add_parameter(field, b'hp="cipher"'), b"hp")


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=40)
NAMES = st.sampled_from(
    ["Subject", "From", "To", "Cc", "Date", "Keywords", "X-A", "Received", "MIME-Version", "Content-ID"]
)


@given(
    st.lists(st.tuples(NAMES, TEXT), max_size=8), st.sampled_from(["hcp_no_confidentiality", "hcp_baseline", "hcp_shy"])
)
def test_any_fields_come_back(fields: list[tuple[str, str]], policy: HeaderPolicy) -> None:
    """Whatever the values are, the fields are restored, and none of them makes another field inside or outside."""
    head = b"".join(f"{name}: {value}\r\n".encode() for name, value in fields) + b"Content-Type: a/b\r\n"
    result = protect(parse_fields(head), policy)
    outside = joined(result.outer)
    assert parse_fields(outside) == result.outer if outside else not result.outer
    assert parse_fields(joined(result.inner)) == result.inner
    found = restore(result.outer, result.inner)
    assert found is not None
    assert (joined(found.fields), found.altered, found.kept) == (head, (), ())
