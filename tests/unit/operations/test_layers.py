"""S/MIME objects in one another: all that can be opened are, within limits, and what is signed stays whole."""

from __future__ import annotations

import io
import zlib
from base64 import encodebytes
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session import (
    MODERN,
    LimitError,
    NotEnvelopeError,
    OpenedPart,
    Password,
    Policy,
    SmimeError,
    decrypt,
    decrypt_stream,
    encrypt,
    inspect,
)
from smime_session.algorithms import COMPRESSED_DATA, ZLIB
from smime_session.cms import asn1
from smime_session.cms.compressed import compressed_data
from smime_session.operations import decrypt as decrypting
from smime_session.operations import layers, waiting
from smime_session.operations.opening import Reading
from tests.support.layers import (
    AUTH,
    ENTITY,
    FOOTER,
    HEAD,
    OTHER,
    clear_signed,
    compressed,
    enveloped,
    forwarded,
    multipart,
    part_of,
    signed,
    told,
)
from tests.support.readers import PASSWORD, SHARED, Pipe

if TYPE_CHECKING:
    from collections.abc import Callable

WRAPPED: Final = {
    "enveloped": (enveloped, AUTH, True),
    "signed": (signed, "signed-data", True),
    "compressed": (compressed, "compressed-data", True),
}


@pytest.mark.parametrize("form", ["mail", "part"])
@pytest.mark.parametrize("order", ["eses", "ese", "sese", "ece", "ecse", "ee", "cces", "e" * 8])
def test_layers_are_opened(order: str, form: str) -> None:
    """Encrypted, signed, compressed, one in another: all that can be opened is, and what is signed last is left."""
    names = {"e": "enveloped", "s": "signed", "c": "compressed"}
    entity = ENTITY
    for letter in reversed(order):
        entity = WRAPPED[names[letter]][0](entity)  # type: ignore[operator]
    innermost = signed(ENTITY) if order.endswith("s") else ENTITY
    mail = HEAD + (multipart(FOOTER, entity) if form == "part" else entity)
    opened = decrypt(mail, SHARED.identities)
    expected = HEAD + (multipart(FOOTER, innermost) if form == "part" else innermost)
    assert opened.message == expected
    kinds = [WRAPPED[names[letter]][1] for letter in order]
    outermost = form == "mail" and order[0] == "e"  # which is told by the attributes of the whole
    assert [part.kind for part in opened.parts] == kinds[outermost:]
    for part in opened.parts:
        assert (part.problem is not None) == (part.kind == "signed-data")
    assert all(part.opened for part in opened.parts[: -1 if order.endswith("s") else None])


@pytest.mark.parametrize("way", [io.BytesIO, Pipe])
def test_layers_open_in_streams(way: type[io.BytesIO]) -> None:
    """What waits in memory is written once, opened."""
    mail = encrypt(HEAD + clear_signed(enveloped(ENTITY)), [SHARED.recipient])
    expected = decrypt(mail, SHARED.identities)
    assert b"At eight: 4711" in expected.message
    for transactional in (False, True):
        target = io.BytesIO()
        found = decrypt_stream(way(mail), target, SHARED.identities, transactional=transactional)
        assert (target.getvalue(), found.parts) == (expected.message, expected.parts)


def test_what_is_signed_stays_whole() -> None:
    """Byte for byte, so that its signature can be verified; that it does not hold is told."""
    inside = clear_signed(ENTITY)
    opened = decrypt(encrypt(HEAD + inside, [SHARED.recipient]), SHARED.identities)
    assert opened.message == HEAD + inside
    problem = "its signature is broken"
    assert opened.parts == (OpenedPart("0/0", "multipart/signed", opened=False, problem=problem),)
    opened = decrypt(HEAD + clear_signed(enveloped(ENTITY)), SHARED.identities)
    assert opened.message == HEAD + clear_signed(ENTITY)
    assert told(opened.parts) == [("0", "multipart/signed", False), ("1", AUTH, True)]


def test_a_usual_mail_has_no_parts_to_tell() -> None:
    """One envelope around text, or around a multipart without any object."""
    for inside in (ENTITY, multipart(FOOTER, OTHER), multipart(FOOTER, forwarded(HEAD + ENTITY))):
        opened = decrypt(encrypt(HEAD + inside, [SHARED.recipient]), SHARED.identities)
        assert opened.message == HEAD + inside
        assert opened.parts == ()


def test_a_mail_that_is_too_large_to_wait_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written as it is, and what is said of it is what to do."""
    inside = HEAD + multipart(OTHER * 100, enveloped(ENTITY))
    mail, target = encrypt(inside, [SHARED.recipient]), io.BytesIO()
    monkeypatch.setattr(waiting, "MAX_WAITING", len(inside) - 1)
    found = decrypt_stream(io.BytesIO(mail), target, SHARED.identities)
    assert target.getvalue() == inside
    assert found.parts[0].problem == (
        f"the mail is larger than {len(inside) - 1:,} bytes: what was written has to be decrypted again"
    )
    assert b"At eight: 4711" in decrypt(target.getvalue(), SHARED.identities).message


@pytest.mark.parametrize("transactional", [True, False])
@pytest.mark.parametrize("inner", [enveloped, signed, clear_signed], ids=["encrypted", "opaque", "clear"])
def test_a_mail_that_is_not_small_is_opened_with_what_is_in_it(
    inner: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch, *, transactional: bool
) -> None:
    """It does not wait, but is decrypted twice if objects show, and only then; what comes out is the same."""
    passes: list[bytes] = []
    again = Reading.again

    def counting(reading: Reading) -> Reading:
        passes.append(b"")
        return again(reading)

    monkeypatch.setattr(Reading, "again", counting)
    objects = encrypt(HEAD + multipart(OTHER * 100, inner(ENTITY), OTHER), [SHARED.recipient])
    plain = encrypt(HEAD + multipart(OTHER * 100, FOOTER), [SHARED.recipient])
    for mail, expected in ((objects, 1), (plain, 0 if transactional else 1)):
        small = decrypt(mail, SHARED.identities)
        target = io.BytesIO() if transactional else Pipe()
        passes.clear()
        with monkeypatch.context() as smaller:
            smaller.setattr(waiting, "SMALL", 1000)
            smaller.setattr(decrypting, "SMALL", 1000)
            found = decrypt_stream(io.BytesIO(mail), target, SHARED.identities, transactional=transactional)
        assert target.getvalue() == small.message
        assert (found.parts, found.signatures) == (small.parts, small.signatures)
        assert len(passes) == expected


# --- limits


def test_compressed_content_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its growth and its size: the mail is left as it is, and that is told."""
    for flood, words in (
        (bytes(3 << 20), "the growth of the compressed content exceeds the limit of 200 times its size"),
    ):
        mail = encrypt(HEAD + compressed(ENTITY + flood), [SHARED.recipient])
        opened = decrypt(mail, SHARED.identities)
        assert [(part.opened, part.problem) for part in opened.parts] == [(False, words)]
        assert b"smime-type=compressed-data" in opened.message
    monkeypatch.setattr(layers, "MAX_EXPANDED_SIZE", size := 50 * len(ENTITY))
    three = multipart(*[compressed(ENTITY * 25)] * 3)
    opened = decrypt(encrypt(HEAD + three, [SHARED.recipient]), SHARED.identities)
    assert [part.opened for part in opened.parts] == [True, True, False]
    opened = decrypt(encrypt(HEAD + compressed(ENTITY * 50 + b"x"), [SHARED.recipient]), SHARED.identities)
    assert opened.parts[0].problem == f"the size of the compressed content exceeds the limit of {size:,} bytes"


@pytest.mark.parametrize("damage", ["cut", "broken", "algorithm"])
def test_compressed_content_that_is_broken_is_told(damage: str) -> None:
    """It is left where it is."""
    stream = bytearray(zlib.compress(ENTITY * 10))
    octets = compressed_data(bytes(stream[:-6] if damage == "cut" else stream[:4] + b"\xff\xff" + stream[6:]))
    if damage == "algorithm":
        octets = octets.replace(asn1.object_identifier(ZLIB), asn1.object_identifier("1.2.840.113549.1.9.16.3.9"))
    mail = encrypt(HEAD + part_of(octets, "compressed-data"), [SHARED.recipient])
    opened = decrypt(mail, SHARED.identities)
    words = {"cut": "is cut off", "broken": "is broken", "algorithm": "is not supported"}[damage]
    assert words in (opened.parts[0].problem or "")
    assert asn1.object_identifier(COMPRESSED_DATA) in octets


def test_layers_are_limited() -> None:
    """Beyond the limit the rest stays encrypted, and that is told."""
    entity = ENTITY
    for _ in range(layers.MAX_LAYERS + 2):
        entity = enveloped(entity)
    opened = decrypt(HEAD + entity, SHARED.identities)
    assert opened.parts[-1].problem == f"the mail has more than {layers.MAX_LAYERS} layers"
    assert b"pkcs7-mime" in opened.message
    assert b"At eight: 4711" in decrypt(opened.message, SHARED.identities).message


def test_objects_are_limited() -> None:
    """A mail of many parts costs no more than its limit."""
    sealed = enveloped(ENTITY)
    opened = decrypt(HEAD + multipart(*[sealed] * (layers.MAX_OBJECTS + 2)), SHARED.identities)
    assert sum(part.opened for part in opened.parts) == layers.MAX_OBJECTS
    assert opened.message.count(b"At eight: 4711") == layers.MAX_OBJECTS
    assert opened.parts[-1].problem == f"the mail has more than {layers.MAX_OBJECTS} objects"


def test_encoded_mails_are_limited() -> None:
    """Each is taken apart, which costs, whatever is in it."""
    inside = encodebytes(HEAD + forwarded(HEAD + OTHER))
    encoded = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + inside
    opened = decrypt(HEAD + multipart(enveloped(ENTITY), *[encoded] * (layers.MAX_OBJECTS + 2)), SHARED.identities)
    problems = [part.problem for part in opened.parts[1:]]
    assert problems == [f"the mail has more than {layers.MAX_OBJECTS} objects"] * 3


def test_the_work_of_all_parts_together_is_limited() -> None:
    """Passwords are tried no more often than for one message."""
    mail = HEAD + multipart(*[enveloped(ENTITY, PASSWORD)] * 3)
    opened = decrypt(mail, PASSWORD.identities, policy=Policy(max_password_iterations=2_000))
    assert [part.opened for part in opened.parts] == [True, True, False]
    words = "all objects of the mail together take more work than {} allows"
    assert opened.parts[2].problem == words.format("max_password_iterations")
    opened = decrypt(mail, [Password("wrong"), *PASSWORD.identities], policy=Policy(max_trials=4))
    assert [part.opened for part in opened.parts] == [True, True, False]
    assert opened.parts[2].problem == words.format("max_trials")
    inside = encrypt(HEAD + enveloped(ENTITY, PASSWORD), [PASSWORD.recipient], again=True)
    opened = decrypt(inside, PASSWORD.identities, policy=Policy(max_password_iterations=1_999))
    assert [part.opened for part in opened.parts] == [False]


def test_a_mail_of_parts_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits in memory, which is limited; one that cannot hold an object is not read to its end."""
    monkeypatch.setattr(waiting, "MAX_TAKEN_APART", 1000)
    with pytest.raises(LimitError, match="the size of a mail of several parts exceeds the limit of 1,000 bytes"):
        decrypt(HEAD + multipart(OTHER * 100, enveloped(ENTITY)), SHARED.identities)
    with pytest.raises(NotEnvelopeError):
        decrypt(HEAD + OTHER * 100, SHARED.identities)


def test_parts_without_end_are_refused() -> None:
    """What holds too many parts is not taken apart."""
    with pytest.raises(LimitError, match="the number of parts"):
        decrypt(HEAD + multipart(*[b"\r\n"] * 1001), SHARED.identities)
    inside = HEAD + multipart(enveloped(ENTITY), *[b"\r\n"] * 1001)
    opened = decrypt(encrypt(inside, [SHARED.recipient]), SHARED.identities)
    assert "the number of parts" in (opened.parts[0].problem or "")
    assert opened.message == inside


# --- anything


@st.composite
def _trees(draw: st.DrawFn, depth: int = 3) -> bytes:
    kind = draw(
        st.sampled_from(("text", "html", "enveloped", "alien", "signed", "clear", "compressed", "mixed", "mail"))
    )
    if depth == 0 or kind in {"text", "html"}:
        return ENTITY if kind != "html" else OTHER
    inside = _trees(depth - 1)
    if kind == "mixed":
        return multipart(*draw(st.lists(inside, min_size=1, max_size=3)), boundary=f"b{depth}".encode())
    around: dict[str, Callable[[bytes], bytes]] = {
        "enveloped": enveloped,
        "alien": lambda entity: enveloped(entity, PASSWORD),
        "signed": signed,
        "clear": clear_signed,
        "compressed": compressed,
        "mail": lambda entity: forwarded(HEAD + entity),
    }
    return around[kind](draw(inside))


Outcome = tuple[bytes, tuple[OpenedPart, ...]]


def _in_memory(mail: bytes) -> Outcome:
    opened = decrypt(mail, SHARED.identities)
    return opened.message, opened.parts


def _as_stream(mail: bytes) -> Outcome:
    target = io.BytesIO()
    found = decrypt_stream(Pipe(mail), target, SHARED.identities)
    return target.getvalue(), found.parts


def _outcome(call: Callable[[bytes], Outcome], mail: bytes) -> Outcome | str:
    try:
        return call(mail)
    except SmimeError as error:
        return str(error)


@given(_trees(), st.booleans())
def test_whatever_is_in_a_mail_both_ways_say_the_same(entity: bytes, sealed: bool) -> None:  # noqa: FBT001  # drawn
    """From memory and as a stream, and who opens the result once more finds nothing left to open."""
    mail = HEAD + entity
    if sealed:
        mail = encrypt(mail, [SHARED.recipient], profile=replace(MODERN), again=True)
    found = _outcome(_in_memory, mail)
    assert _outcome(_as_stream, mail) == found
    if not isinstance(found, str):
        assert isinstance(_outcome(_in_memory, found[0]), str)


TOKENS: Final = (b"--mixed\r\n", b"--mixed--", b"\r\n\r\n", b"message/rfc822", b"0\x80", b"\x00", b"MII", b"=", b'"')
MAILS: Final = (
    HEAD + multipart(FOOTER, enveloped(ENTITY), OTHER),
    HEAD + clear_signed(enveloped(ENTITY)),
    HEAD + signed(enveloped(compressed(ENTITY))),
    HEAD + multipart(forwarded(HEAD + enveloped(ENTITY))),
    encrypt(HEAD + multipart(compressed(ENTITY), FOOTER), [SHARED.recipient]),
)


@given(st.data())
def test_what_is_damaged_is_told_the_same_both_ways(data: st.DataObject) -> None:
    """Whatever happens to a mail of parts, nothing but our own errors comes out, and both ways agree."""
    mail = bytearray(data.draw(st.sampled_from(MAILS)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mail)))
        mail[at : at + data.draw(st.integers(0, 200))] = data.draw(st.sampled_from(TOKENS) | st.binary(max_size=2))
    assert _outcome(_in_memory, bytes(mail)) == _outcome(_as_stream, bytes(mail))
    with suppress(SmimeError):
        inspect(bytes(mail))
