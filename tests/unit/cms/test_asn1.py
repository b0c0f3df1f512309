"""Tag, length, value: checked against asn1crypto, against itself in every chunking, and against broken input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asn1crypto import core, parser
from hypothesis import given
from hypothesis import strategies as st

from smime_session.cms import asn1
from smime_session.cms.stream import Stream
from smime_session.errors import LimitError, MalformedError, MessageError
from smime_session.profiles import MAX_DEPTH
from tests.support.chunks import SIZES, blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EOC = asn1.END_OF_CONTENTS


def _value(tag: int, contents: bytes, *, indefinite: bool) -> bytes:
    return bytes((tag,)) + b"\x80" + contents + EOC if indefinite else asn1.encode(tag, contents)


_PRIMITIVES = st.builds(
    asn1.encode, st.sampled_from((asn1.INTEGER, asn1.OCTET_STRING, 0x80, 0x0C)), st.binary(max_size=9)
)
_TREES = st.recursive(
    _PRIMITIVES,
    lambda children: st.builds(
        lambda tag, members, indefinite: _value(tag, b"".join(members), indefinite=indefinite),
        st.sampled_from((asn1.SEQUENCE, asn1.SET, 0xA0)),
        st.lists(children, max_size=4),
        st.booleans(),
    ),
    max_leaves=12,
)
_OCTET_STRINGS = st.recursive(
    st.binary(max_size=40).map(lambda octets: (asn1.encode(asn1.OCTET_STRING, octets), octets)),
    lambda parts: st.builds(
        lambda members, indefinite: (
            _value(0x24, b"".join(encoded for encoded, _ in members), indefinite=indefinite),
            b"".join(octets for _, octets in members),
        ),
        st.lists(parts, max_size=4),
        st.booleans(),
    ),
    max_leaves=8,
)


@given(st.integers(0, 1 << 64) | st.sampled_from((0, 1, 127, 128, 129, 255, 256, 65535, 65536)))
def test_lengths_are_as_asn1crypto_writes_them(size: int) -> None:
    """A length is written in as few octets as it takes, whatever its size."""
    if size <= 1 << 16:
        assert asn1.length(size) == parser.emit(0, 0, 4, bytes(size))[1 : -size or None]
    else:
        assert asn1.length(size)[0] & 0x7F == len(asn1.length(size)) - 1
        assert int.from_bytes(asn1.length(size)[1:], "big") == size
        assert asn1.length(size)[1] != 0


@given(st.integers(-(1 << 200), 1 << 200) | st.sampled_from((0, 127, 128, 255, 256, -1, -128, -129)))
def test_integers_are_as_asn1crypto_writes_them(value: int) -> None:
    """An INTEGER is encoded as asn1crypto does and decodes to itself."""
    encoded = asn1.integer(value)
    assert encoded == core.Integer(value).dump()
    assert asn1.parse(encoded).integer() == value


@given(st.integers(0, 2), st.integers(0, 39), st.lists(st.integers(0, 1 << 40), max_size=6))
def test_object_identifiers_are_as_asn1crypto_writes_them(first: int, second: int, rest: list[int]) -> None:
    """An OBJECT IDENTIFIER is encoded as asn1crypto does and decodes to itself."""
    dotted = ".".join(map(str, (first, second, *rest)))
    encoded = asn1.object_identifier(dotted)
    assert encoded == core.ObjectIdentifier(dotted).dump()
    assert asn1.parse(encoded).object_identifier() == dotted


def test_large_second_arc_round_trips() -> None:
    """Under the arc 2 the second number may exceed 39 (X.690, 8.19.4)."""
    assert asn1.object_identifier("2.999.3") == bytes.fromhex("0603883703")
    assert asn1.parse(bytes.fromhex("0603883703")).object_identifier() == "2.999.3"


@given(_OCTET_STRINGS, st.sampled_from(SIZES))
def test_octet_strings_come_out_whole_in_every_chunking(sample: tuple[bytes, bytes], size: int) -> None:
    """A stream gives the octets that were put in, primitive or nested, whatever the blocks; so does an element."""
    encoded, octets = sample
    stream = Stream(blocks(encoded, size))
    assert b"".join(stream.segments(asn1.OCTET_STRING)) == octets
    assert stream.peek() is None
    assert stream.offset == len(encoded)
    assert asn1.parse(encoded).octets() == octets


def _walk_element(element: asn1.Element) -> list[object]:
    if not element.constructed:
        return [element.tag, element.contents]
    return [element.tag, *map(_walk_element, element.children())]


def _walk_stream(stream: Stream) -> list[object]:
    tag = stream.peek()
    assert tag is not None
    if not tag & asn1.CONSTRUCTED:
        return [tag, stream.element(1 << 20, "a test's value").contents]
    found: list[object] = [tag]
    stream.enter(tag)
    while stream.peek() is not None:
        found.append(_walk_stream(stream))
    stream.leave()
    return found


@given(_TREES, st.sampled_from(SIZES))
def test_streams_and_elements_see_the_same_values(encoded: bytes, size: int) -> None:
    """A stream walks the same tree as an element does, in every chunking."""
    stream = Stream(blocks(encoded, size))
    assert _walk_stream(stream) == _walk_element(asn1.parse(encoded))
    assert stream.offset == len(encoded)
    assert stream.indefinite == (asn1.parse(encoded).definite() != encoded)


@given(_TREES, st.binary(max_size=5), st.sampled_from(SIZES))
def test_taking_an_element_leaves_what_follows(encoded: bytes, after: bytes, size: int) -> None:
    """A value is taken whole, with its own octets, and nothing of what follows."""
    stream = Stream(blocks(encoded + after, size))
    assert stream.element(1 << 20, "a test's value").encoded == encoded
    left = b""
    while rest := stream.rest():
        left += rest
    assert left == after


@given(_TREES)
def test_definite_is_der_of_the_same_values(encoded: bytes) -> None:
    """Rewriting lengths keeps the values and needs no second rewriting."""
    definite = asn1.parse(encoded).definite()
    assert _walk_element(asn1.parse(definite)) == _walk_element(asn1.parse(encoded))
    assert asn1.parse(definite).definite() == definite


@given(_TREES, st.data())
def test_a_value_that_is_cut_off_is_malformed(encoded: bytes, data: st.DataObject) -> None:
    """No prefix of a value is a value, neither in memory nor in a stream."""
    cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    with pytest.raises(MalformedError):
        asn1.parse(cut)
    with pytest.raises(MalformedError):
        Stream(blocks(cut, 7)).element(1 << 20, "a test's value")


@given(st.binary(max_size=40), st.sampled_from(SIZES))
def test_noise_never_ends_in_another_error(noise: bytes, size: int) -> None:
    """Octets at random are values or a MessageError; streams and elements agree on which."""
    try:
        expected: object = _walk_element(asn1.parse(noise))
    except MessageError:
        expected = None
    stream = Stream(blocks(noise, size))
    try:
        found: object = _walk_stream(stream) if noise else None
        found = None if stream.rest() else found
    except MessageError:
        found = None
    assert found == expected


@pytest.mark.parametrize(
    "encoded",
    [
        "", "30", "3005020101", "30020201", "0481", "0482ff",  # cut off
        "0480", "04800000",  # primitive and indefinite
        "1f810100", "bf810100",  # tag numbers beyond 30
        "0489010000000000000000",  # a length of nine octets
        "04ff", "3003308000",  # a reserved length, an end that is cut off
        "300230800000", "3006300230800000",  # an end of contents that stands outside what should hold it
        "0401000000",  # something that follows
    ],
)  # fmt: skip
def test_broken_values_are_malformed(encoded: str) -> None:
    """What breaks its own encoding is refused, whether it comes whole or in a stream."""
    with pytest.raises(MalformedError):
        _walk_element(asn1.parse(bytes.fromhex(encoded)))


@pytest.mark.parametrize("octets", ["010000000000000000", "000000000000000001", "01" + "00" * 125])
def test_a_length_of_too_many_octets_is_refused_by_their_number(octets: str) -> None:
    """It is refused as such, also where what it says would fit, before more of it is asked for."""
    encoded = bytes((0x04, 0x80 | len(octets) // 2)) + bytes.fromhex(octets) + b"x"
    for cut in (encoded, encoded[:2]):
        with pytest.raises(MalformedError, match=r"^a length is too large"):
            asn1.parse(cut)
        with pytest.raises(MalformedError, match=r"^a length is too large"):
            Stream(blocks(cut, 1)).element(1 << 70, "the header")


@pytest.mark.parametrize(
    "read",
    [
        list,
        lambda element: element.expect(asn1.SEQUENCE),
        lambda element: element.integer(),
        lambda element: element.object_identifier(),
        lambda element: element.children(),
    ],
)
def test_values_of_another_kind_are_malformed(read: Callable[[asn1.Element], object]) -> None:
    """A value is not read as what it is not."""
    with pytest.raises(MalformedError):
        read(asn1.parse(b"\x04\x01\x00"))


@pytest.mark.parametrize("encoded", ["0200", "0600", "060188", "064a" + "81" * 73 + "01"])
def test_empty_and_endless_numbers_are_malformed(encoded: str) -> None:
    """An INTEGER has an octet at least, an OBJECT IDENTIFIER a last one, and neither goes on for ever."""
    element = asn1.parse(bytes.fromhex(encoded))
    with pytest.raises(MalformedError):
        element.integer() if element.tag == asn1.INTEGER else element.object_identifier()


def test_an_integer_can_be_written_out_in_decimal() -> None:
    """No INTEGER is so large that showing it to a person fails, as Python's ``str`` does beyond 4,300 digits."""
    with pytest.raises(MalformedError):
        asn1.parse(asn1.encode(asn1.INTEGER, b"\x7f" * 4000)).integer()


def test_a_value_of_many_others_is_walked_and_not_taken_apart() -> None:
    """A structure has few fields, so that a megabyte of tiny ones is refused early; a list is walked one by one."""
    few, many = (asn1.parse(asn1.encode(asn1.SEQUENCE, b"\x05\x00" * count)) for count in (64, 1_000_000))
    assert len(few.children()) == 64
    with pytest.raises(MalformedError, match="a value is made of too many others"):
        many.children()
    assert next(iter(many)).tag == 5
    assert sum(1 for _ in few) == 64


def test_values_within_indefinite_lengths_are_counted() -> None:
    """Millions of tiny values, each looked at for the end, are refused by their number."""
    encoded = b"\x30\x80" + b"\x05\x00" * 1_100_000 + EOC
    with pytest.raises(LimitError, match="the number of values in the CMS object exceeds the limit of 1,048,576"):
        Stream(blocks(encoded, 1 << 16)).element(1 << 24, "the header")


def test_first_child() -> None:
    """The first child of a constructed value is found without reading the others; a primitive one has none."""
    first = asn1.parse(bytes.fromhex("30060201050500ff")).first_child()
    assert first is not None
    assert first.integer() == 5
    assert asn1.parse(b"\x30\x00").first_child() is None
    assert asn1.parse(b"\x04\x01\x00").first_child() is None


@pytest.mark.parametrize("indefinite", [False, True])
@pytest.mark.parametrize("tag", [asn1.SEQUENCE, 0x24])
def test_nesting_is_limited(tag: int, *, indefinite: bool) -> None:
    """A value may be nested as deeply as the limit allows and not more, whoever reads it."""
    readers: Sequence[Callable[[bytes], object]] = (
        lambda data: _walk_element(asn1.parse(data)),
        lambda data: asn1.parse(data).definite(),
        lambda data: _walk_stream(Stream(blocks(data, 64))),
        *((lambda data: list(Stream(blocks(data, 64)).segments(4)),) if tag == 0x24 else ()),
    )
    for depth, deep in ((MAX_DEPTH - 1, False), (MAX_DEPTH + 2, True), (20_000, True)):
        encoded = bytes((tag, 0x80)) * depth + EOC * depth if indefinite else _nested(tag, depth)
        for read in readers:
            if deep:
                with pytest.raises(LimitError):
                    read(encoded)
            else:
                read(encoded)


def _nested(tag: int, depth: int) -> bytes:
    heads = [b""]
    size = 0
    for _ in range(depth):
        heads.append(bytes((tag,)) + asn1.length(size))
        size += len(heads[-1])
    return b"".join(reversed(heads))


def test_an_element_beyond_the_limit_is_not_read() -> None:
    """A length is compared with the limit before its octets are waited for."""

    def once(blocks: list[bytes]) -> Callable[[], bytes]:
        return lambda: blocks.pop(0)  # fails if asked for more than there is

    stream = Stream(once([b"\x04\x84\x7f\xff\xff\xff"]))
    with pytest.raises(LimitError, match="the header exceeds the limit of 1,000"):
        stream.element(1000, "the header")


def test_an_indefinite_element_is_limited_as_it_comes() -> None:
    """A value that never ends is refused at the limit, not at the end of memory."""
    served = 0

    def endless() -> bytes:
        nonlocal served
        served += 1
        return b"\x30\x80" + b"\x04\x02ab" * 1000 if served == 1 else b"\x04\x02ab" * 1000

    with pytest.raises(LimitError):
        Stream(endless).element(100_000, "the header")
    assert served < 40


def test_a_value_longer_than_what_holds_it_is_malformed() -> None:
    """A length is compared with those around it, through indefinite ones in between."""
    for encoded in ("3004040401020304", "3006308004040102"):
        stream = Stream(blocks(bytes.fromhex(encoded), 3))
        stream.enter(asn1.SEQUENCE)
        if stream.peek() == asn1.SEQUENCE:
            stream.enter(asn1.SEQUENCE)
        with pytest.raises(MalformedError, match="longer than what holds it"):
            list(stream.segments(asn1.OCTET_STRING))


def test_leaving_before_the_end_is_malformed() -> None:
    """What is left in a value is never passed over in silence."""
    stream = Stream(blocks(b"\x30\x03\x02\x01\x05", 2))
    stream.enter(asn1.SEQUENCE)
    with pytest.raises(MalformedError, match=r"at byte 2 of the CMS object"):
        stream.leave()


def test_another_tag_than_expected_is_malformed() -> None:
    """Entering and reading name the tag that was expected and the one that was found."""
    with pytest.raises(MalformedError, match="the tag 0x31 was expected, not 0x30"):
        Stream(blocks(b"\x30\x00", 1)).enter(asn1.SET)
    with pytest.raises(MalformedError, match="the tag 0x04 was expected, not 0x30"):
        list(Stream(blocks(b"\x30\x00", 1)).segments(asn1.OCTET_STRING))


@given(_TREES)
def test_counting_looks_at_the_same_values(encoded: bytes) -> None:
    """Values are as many as walking them finds, and the last is the last of those."""
    element = asn1.parse(encoded)
    if not element.constructed:
        looks: tuple[Callable[[int], object], ...] = (element.count, element.last_child)
        for look in looks:
            with pytest.raises(MalformedError, match="a constructed value was expected"):
                look(5)
        return
    children = list(element)
    last = element.last_child(len(children))
    assert [element.count(most) for most in range(len(children) + 2)] == [
        *range(1, len(children) + 1),
        len(children),
        len(children),
    ]
    if children:
        with pytest.raises(MalformedError, match="a value is made of too many others"):
            element.last_child(len(children) - 1)
    assert (last.encoded if last else None) == (children[-1].encoded if children else None)


@pytest.mark.parametrize("contents", ["02", "0202", "0205010203", "30800000ff"])
def test_what_does_not_fill_a_value_cannot_be_counted(contents: str) -> None:
    """The values inside end where what holds them does."""
    element = asn1.parse(asn1.encode(asn1.SEQUENCE, bytes.fromhex(contents)))
    with pytest.raises(MalformedError):
        element.count(5)


def _indefinite(tag: int, *contents: bytes) -> bytes:
    return bytes((tag, 0x80)) + b"".join(contents) + asn1.END_OF_CONTENTS


@pytest.mark.parametrize("inner", [b"\x04\x00", _indefinite(0x24)], ids=["primitive", "constructed"])
@pytest.mark.parametrize(("count", "fits"), [(4095, True), (4097, False)])
def test_a_value_inside_another_holds_few_if_its_end_is_searched(inner: bytes, count: int, fits: bool) -> None:  # noqa: FBT001  # a parameter
    """Its end is searched again whenever it is looked at, which is a lot of work if there is much in it."""
    inside = _indefinite(0x24, inner * count)
    element = asn1.parse(asn1.encode(asn1.SEQUENCE, inside))
    if fits:
        assert element.children()[0].encoded == inside
    else:
        with pytest.raises(LimitError, match="the number of values inside one of indefinite length"):
            element.children()
    assert asn1.parse(asn1.encode(asn1.SEQUENCE, _indefinite(0x24, inner * 5)), 5).children()[0].constructed
    with pytest.raises(LimitError, match=r"inside one of indefinite length exceeds the limit of 5$"):
        list(
            asn1.parse(
                asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SEQUENCE, _indefinite(0x24, inner * 11))), 5
            ).children()[0]
        )
    assert asn1.parse(inside).encoded == inside  # the outermost was counted by whoever read it


@pytest.mark.parametrize("definite", [True, False])
def test_an_octet_string_has_parts_enough(definite: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """It may come in as many parts as any program writes, inside each other as deeply, and no more of both."""
    part = b"\x04\x01a"

    def whole(contents: bytes) -> bytes:
        return asn1.encode(0x24, contents) if definite else _indefinite(0x24, contents)

    assert asn1.parse(whole(part * 64)).octets() == b"a" * 64
    assert asn1.parse(whole(part * 4000)).octets(most=4000) == b"a" * 4000
    with pytest.raises(LimitError, match="the number of parts of an OCTET STRING"):
        asn1.parse(whole(part * 65)).octets()
    nested = part
    for _ in range(4):
        nested = whole(nested)
        assert asn1.parse(nested).octets() == b"a"
    with pytest.raises(LimitError, match=r"the number of (parts of an OCTET STRING|values inside)"):
        asn1.parse(whole(whole(b"") * 65)).octets()
    with pytest.raises(LimitError, match="the nesting of an OCTET STRING"):
        asn1.parse(whole(nested)).octets()


@given(st.binary(max_size=300), st.sampled_from(SIZES))
def test_the_contents_of_a_primitive_value_come_alone(octets: bytes, size: int) -> None:
    """They are those of the value, whose tag and size are checked."""
    encoded = asn1.encode(asn1.OCTET_STRING, octets)
    assert Stream(blocks(encoded, size)).contents(asn1.OCTET_STRING, 1 << 20, "a test's value") == octets
    with pytest.raises(MalformedError, match="the tag 0x02 was expected, not 0x04"):
        Stream(blocks(encoded, size)).contents(asn1.INTEGER, 1 << 20, "a test's value")
    with pytest.raises(LimitError, match="a test's value exceeds the limit of"):
        Stream(blocks(encoded, size)).contents(asn1.OCTET_STRING, len(encoded) - 1, "a test's value")
    with pytest.raises(MalformedError):
        Stream(blocks(encoded[:-1], size)).contents(asn1.OCTET_STRING, 1 << 20, "a test's value")


@given(_TREES | st.binary(max_size=20), st.sampled_from(SIZES), st.sampled_from([0x04, 0x80]))
def test_a_piece_is_what_its_segments_are(encoded: bytes, size: int, tag: int) -> None:
    """A value that is there to its end is taken in one piece, and whatever else comes is left as it is."""
    stream, same = Stream(blocks(encoded, size)), Stream(blocks(encoded, size))
    same.peek()
    if stream.peek() is None:
        assert stream.piece(tag) is None
        return
    piece = stream.piece(tag)
    if piece is None:
        assert (stream.offset, stream.peek()) == (0, same.peek())
    else:
        assert bytes(piece) == b"".join(map(bytes, same.segments(tag)))
        assert stream.offset == same.offset
