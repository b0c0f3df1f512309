"""Values: they are what frozen dataclasses are, field by field and error by error."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, fields, is_dataclass, replace
from typing import Any

import pytest

from smime_session.certificates.files import Kind, Piece
from smime_session.cms.values import EnvelopeTrailer
from smime_session.values import Value, hidden


class Point(Value):
    """A place on paper."""

    x: int
    y: int = 0


class Secret(Value):
    """What somebody knows."""

    owner: str
    words: str = hidden()


class Told(Secret):
    """The same, told to somebody."""

    to: str


class Options(Value, kw_only=True):
    """What is chosen."""

    size: int
    loud: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """The same as :class:`Point`, made by the standard library."""

    x: int
    y: int = 0


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((1, 2), {}),
        ((1,), {}),
        ((), {"x": 1}),
        ((1,), {"y": 2}),
        ((), {"y": 2, "x": 1}),
        ((), {}),
        ((), {"y": 2}),
        ((1, 2, 3), {}),
        ((1,), {"x": 1}),
        ((1,), {"z": 1}),
    ],
)
def test_a_value_is_made_as_a_dataclass_is(values: tuple[int, ...], named: dict[str, int]) -> None:
    """Fields are given by place or by name, and what is missing, unknown or given twice is an error."""
    try:
        model: Any = Model(*values, **named)
    except TypeError:
        with pytest.raises(TypeError, match=r"Point\(\) takes each of these once: x, y"):
            Point(*values, **named)
    else:
        point = Point(*values, **named)
        assert (point.x, point.y) == (model.x, model.y)


def test_fields_that_are_given_by_name_are_not_taken_by_place() -> None:
    """A class can ask for names."""
    assert Options(size=3).loud is False
    with pytest.raises(TypeError):
        Options(3)  # type: ignore[call-arg]  # what is tested


def test_values_are_compared_by_class_and_fields() -> None:
    """Equal fields of the same class make equal values with equal hashes; another class makes another value."""
    assert Point(1, 2) == Point(1, 2)
    assert hash(Point(1, 2)) == hash(Point(1, 2))
    assert Point(1, 2) != Point(2, 1)
    assert len({Point(1), Point(1, 0), Point(0, 1)}) == 2
    assert Point(1, 2) != Model(1, 2)
    assert Point(1, 2) != (1, 2)
    assert Told("alice", "sesame", "bob") != Secret("alice", "sesame")


def test_values_never_change() -> None:
    """No field can be set or deleted, and there is no room for others."""
    point = Point(1, 2)
    for name in ("x", "z"):
        with pytest.raises(FrozenInstanceError):
            setattr(point, name, 3)
    with pytest.raises(FrozenInstanceError):
        del point.x
    assert not hasattr(point, "__dict__")
    assert point == Point(1, 2)


def test_what_is_hidden_is_not_shown() -> None:
    """``repr`` shows the fields, inherited ones too, but for those that are hidden."""
    assert repr(Point(1)) == "Point(x=1, y=0)"
    assert repr(Told("alice", "sesame", "bob")) == "Told(owner='alice', to='bob')"


def test_the_standard_library_takes_values_for_dataclasses() -> None:
    """What others do with dataclasses works."""
    assert is_dataclass(Options)
    assert [(field.name, field.repr) for field in fields(Told)] == [("owner", True), ("words", False), ("to", True)]
    assert replace(Point(1, 2), y=3) == Point(1, 3)
    assert asdict(Secret("alice", "sesame")) == {"owner": "alice", "words": "sesame"}


def test_values_are_copied_and_pickled() -> None:
    """A copy is equal, by whatever way it was made."""
    value = Told("alice", "sesame", "bob")
    assert copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value  # noqa: S301  # ours


def test_values_are_taken_apart_by_place() -> None:
    """A pattern names the fields by their places; a class that asks for names has none."""
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
    assert Options.__match_args__ == ()


def test_named_tuples_hide_what_values_would() -> None:
    """A private key in a piece of a file, and a tag, are in no ``repr``."""
    piece = Piece(Kind.PRIVATE_KEY, b"sesame")
    assert "sesame" not in f"{piece} {[piece]!r}"
    trailer = EnvelopeTrailer(b"sesame", b"", b"attributes")
    assert repr(trailer) == "EnvelopeTrailer(authenticated_attributes=b'', unauthenticated_attributes=b'attributes')"
