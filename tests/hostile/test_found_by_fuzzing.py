"""What the targets of ``tests/fuzz`` found, each by name: it was wrong once, and is not any more."""

from __future__ import annotations

import binascii
import io
from typing import TYPE_CHECKING, Final

import click
import pytest

from cli.root import group
from cli.settings import Settings, SettingsError
from smime_session import PresharedKey, TrustAnchors, decrypt, decrypt_stream, encrypt, sign, verify
from smime_session.mail.parts import find_parts
from smime_session.mail.repairs import Repairs
from smime_session.mail.safe import safe_entity
from smime_session.mail.transfer import Base64Decoder
from tests.support.signing import signer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from smime_session.mail.header_policy import HeaderPolicy

READER: Final = PresharedKey(bytes(32), b"ours")


def _in_blocks(data: bytes, *cuts: int) -> Callable[[], bytes]:
    blocks = [data[begin:end] for begin, end in zip((0, *cuts), (*cuts, len(data)), strict=True)]
    left = iter(blocks)
    return lambda: next(left, b"")


def test_a_boundary_line_on_the_border_of_two_blocks_is_seen() -> None:
    """Wherever a mail that is read in pieces is cut, it has the same parts: a signed one was not seen in some."""
    mail = (
        b"Content-Type: multipart/mixed; boundary=abcdef\n\n--abcdef\n\n" + b"x" * 3000 + b"\n--abcdef\n\ny\n--abcdef--"
    )
    expected = [(each.number, each.begin, each.end) for each in find_parts(_in_blocks(mail))]
    assert [number for number, _, _ in expected] == ["0", "1", "2"]
    for cut in range(3040, len(mail)):
        found = find_parts(_in_blocks(mail, cut))
        assert [(each.number, each.begin, each.end) for each in found] == expected, cut
    every = find_parts(_in_blocks(mail, *range(1, len(mail))))
    assert [(each.number, each.begin, each.end) for each in every] == expected


@pytest.mark.parametrize("text", [b"Q==3D", b"YQ==D", b"=\nAA=\n", b"YQ==\r\n19vf\r\n", b"AA=\n=\nAA", b"YWI==3D\n=41"])
def test_broken_padding_is_mended_alike_in_blocks_of_any_size(text: bytes) -> None:
    """What follows padding, or an equals sign before the end of a line, was decoded otherwise at a border of blocks."""

    def mended(*cuts: int) -> bytes:
        return b"".join(iter(Base64Decoder(_in_blocks(text, *cuts), Repairs()), b""))

    for size in range(1, len(text)):
        assert mended(*range(size, len(text), size)) == mended(), size


@pytest.mark.parametrize("headers", ["hcp_baseline", "hcp_shy"])
def test_an_encoded_word_whose_character_set_is_no_ascii(headers: HeaderPolicy) -> None:
    """The mail is encrypted and comes back, hidden fields and all; an exception of the standard library came out."""
    mail = b"From: =?utf\xff8?q?J=C3?= <a@b>\nTo: a@b\nSubject: =?utf\xff8?q?J=C3?=\nMIME-Version: 1.0\n\nx"
    opened = decrypt(encrypt(mail, [READER], headers=headers), [READER]).message
    assert opened.startswith(mail.removesuffix(b"\n\nx"))


@pytest.mark.parametrize("kind", [b"text/plain; hp=clear", b'multipart/signed; boundary=a; HP="cipher"', b"x; hp=z"])
def test_a_mail_that_says_of_itself_that_it_protects_fields(kind: bytes) -> None:
    """Encrypted without its fields inside, it kept the parameter that says they are, and lost From and Subject."""
    mail = b"From: a@example.org\nSubject: s\nMIME-Version: 1.0\nContent-Type: " + kind + b"\n\n--a\n\nx\n--a--\n"
    opened = decrypt(encrypt(mail, [READER], headers="none"), [READER])
    assert opened.altered_headers == ()
    head, _, body = opened.message.partition(b"\n\n")
    assert head.startswith(b"From: a@example.org\nSubject: s\n")
    assert (b"hp=" in head.lower(), body) == (False, b"--a\n\nx\n--a--\n")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("attempts = inf", "attempts is a whole number"),
        ("attempts = 1e400", "attempts is a whole number"),
        ("attempts = 3.5", "attempts is a whole number"),
        ("timeout = nan", "timeout: nan is no number of seconds"),
        ("pause = nan", "pause: nan is no number of seconds"),
        ("timeout = inf", "timeout: inf is not in the range"),
    ],
)
def test_settings_with_numbers_that_are_none(line: str, words: str, tmp_path: Path) -> None:
    """One sentence says so: OverflowError came out, or the pause between two attempts failed later."""
    (tmp_path / "config.toml").write_text(line)
    context = click.Context(group)
    command = group.get_command(context, "send")
    assert command is not None
    options = [each for each in command.params if isinstance(each, click.Option)]
    with pytest.raises(SettingsError) as caught:
        list(Settings(str(tmp_path / "config.toml")).for_command("send", options))
    assert words in caught.value.message


def test_a_mail_of_which_one_line_ends_with_two_returns() -> None:
    """It is read alike in memory and as a stream: the one left the line as it was, and the other did not."""
    mail = encrypt(b"From: a@example.org\nSubject: s\nMIME-Version: 1.0\n\nx\n", [READER])
    mail = b"X-A:\r\r\n" + mail
    target = io.BytesIO()
    decrypt_stream(io.BytesIO(mail), target, [READER])
    assert decrypt(mail, [READER]).message == target.getvalue()


@pytest.mark.parametrize("headers", ["hcp_no_confidentiality", "hcp_baseline", "none"])
@pytest.mark.parametrize("parameter", [b";hp=", b"; hp =", b'text/plain;hp="'])
def test_a_parameter_without_a_value_at_the_end_of_its_field(parameter: bytes, headers: HeaderPolicy) -> None:
    """The field keeps its line ending: it was taken out with the parameter, and the next field stood in its line."""
    mail = b"From: a@example.org\r\nContent-Type:" + parameter + b"\r\nX-A: b\r\nMIME-Version: 1.0\r\n\r\nx\r\n"
    opened = decrypt(encrypt(mail, [READER], headers=headers), [READER])
    assert opened.altered_headers == ()
    head, _, body = opened.message.partition(b"\r\n\r\n")
    assert {b"From: a@example.org", b"X-A: b"} <= set(head.split(b"\r\n"))
    assert body == b"x\r\n"


@pytest.mark.parametrize(
    "mail", [b"From: alice@example.org\r\nContent-Type: text/plain", b"Content-Type: message/rfc822\n\n"]
)
def test_a_signed_part_with_nothing_in_it(mail: bytes) -> None:
    """A line ending before a boundary is no part of a head (RFC 2046, 5.1.1), and an empty part is inside another."""
    who = signer("Ed25519")
    found = verify(sign(mail, who), trust=TrustAnchors([who.certificate]), accept={"trusted", "mismatch"})
    assert found.accepted


@pytest.mark.parametrize(
    "entity",
    [
        b"X-A: b\rContent-Transfer-Encoding: base64\nContent-Description: \xff\n\nx \n",
        b"Content-Type: multipart/mixed; boundary=b\n\nbefore\r--b\r\rX: y\n--b\n\n\xff \n--b--\n",
        (
            b"Content-Type: multipart/mixed; boundary=b\n\n"
            b"--b\nContent-Transfer-Encoding: quoted-printable\n\nx\r--b\ny \n--b--\n"
        ),
    ],
    ids=["head", "preamble", "quoted-printable"],
)
def test_a_return_that_stands_alone_begins_no_line(entity: bytes) -> None:
    """In what is signed it became the end of a line: a field appeared that was none, or a boundary, and so a part."""
    made = safe_entity(entity)
    parts = [find_parts(iter((each, b"")).__next__) for each in (entity, made)]
    assert len(parts[0]) == len(parts[1])
    assert made.count(b"\nContent-Transfer-Encoding:") == 1
    assert b"\r" not in made.replace(b"\r\n", b"")


@pytest.mark.parametrize("blank", [b" ", b"\t"])
def test_no_quoted_line_is_too_long(blank: bytes) -> None:
    """A blank at the end of a line of just so many characters made 77 or 78 of them, where RFC 2045, 6.7 allows 76."""
    for size in range(60, 160):
        for ending in (b"\r\n", b""):
            entity = b"Content-Type: text/plain\r\n\r\n" + b"x" * size + blank + ending
            made = safe_entity(entity)
            assert max(map(len, made.split(b"\r\n"))) <= 76
            assert safe_entity(made) == made
            assert binascii.a2b_qp(made.partition(b"\r\n\r\n")[2]) == entity.partition(b"\r\n\r\n")[2]
