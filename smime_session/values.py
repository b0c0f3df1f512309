"""Values: frozen dataclasses whose classes cost next to nothing to define.

A dataclass writes and compiles the source of half a dozen methods when its module is loaded, and five of
them take as long as encrypting a mail. Here the methods are the same for all; they do what those of a
frozen dataclass with slots do, and :mod:`dataclasses` takes a value for the instance of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import Field
    from typing import ClassVar

_HIDDEN: Final = object()


def hidden() -> Any:  # noqa: ANN401  # a field of any type
    """Declare a field, without a default, that ``repr`` leaves out."""
    return _HIDDEN


class _Layout(NamedTuple):
    """What the methods of a value need to know of its class.

    Attributes:
        fields: the names of all fields, inherited ones first.
        setters: what sets each of them in a new value, in the same order.
        defaults: the defaults of those that have one.
        hidden: the names of those that ``repr`` leaves out.
        kw_only: whether they are given by name alone.
    """

    fields: tuple[str, ...] = ()
    setters: tuple[Callable[[object, object], None], ...] = ()
    defaults: dict[str, object] = {}  # noqa: RUF012  # replaced, never changed
    hidden: frozenset[str] = frozenset()
    kw_only: bool = False


@dataclass_transform(frozen_default=True, field_specifiers=(hidden,))
class _ValueType(type):
    """The type of the classes of values: it turns what a class declares into slots and a layout."""

    _layout = _Layout()

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *, kw_only: bool = False
    ) -> _ValueType:
        above = next((base._layout for base in bases if isinstance(base, _ValueType)), None)  # noqa: SLF001  # ours
        names = tuple(namespace.get("__annotations__", ())) if above else ()
        given = {field: namespace.pop(field) for field in names if field in namespace}
        above = above or _Layout()
        fields = above.fields + names
        made = super().__new__(
            cls, name, bases, namespace | {"__slots__": names, "__match_args__": () if kw_only else fields}
        )
        made._layout = _Layout(
            fields,
            above.setters + tuple(made.__dict__[field].__set__ for field in names),
            above.defaults | {field: default for field, default in given.items() if default is not _HIDDEN},
            above.hidden | {field for field, default in given.items() if default is _HIDDEN},
            kw_only,
        )
        return made


class _DataclassFields:
    """What :mod:`dataclasses` knows a dataclass by, made when it looks."""

    def __get__(self, value: object, kind: _ValueType) -> dict[str, Field[Any]]:
        from dataclasses import field, make_dataclass

        layout = kind._layout  # noqa: SLF001  # ours
        fields = [(name, object, field(repr=name not in layout.hidden)) for name in layout.fields]
        found: dict[str, Field[Any]] = vars(make_dataclass(kind.__name__, fields))["__dataclass_fields__"]
        return found


class Value(metaclass=_ValueType):
    """What never changes, and equals whatever is of the same class and has equal fields."""

    if TYPE_CHECKING:
        _layout: ClassVar[_Layout]
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    else:
        __dataclass_fields__ = _DataclassFields()

    def __init__(self, *values: object, **named: object) -> None:
        layout = self._layout
        if named or layout.kw_only or len(values) != len(layout.fields):
            values = self._completed(values, named)
        for set_field, value in zip(layout.setters, values, strict=True):
            set_field(self, value)

    @classmethod
    def _completed(cls, values: tuple[object, ...], named: dict[str, object]) -> tuple[object, ...]:
        """Return a value for each field, as a function with these parameters would have them.

        Raises:
            TypeError: one is missing, unknown or given twice, or not given by name though it must be.
        """
        fields, _, defaults, _, kw_only = cls._layout
        by_place = dict(zip(fields, values, strict=False))
        complete = {**defaults, **by_place, **named}
        if len(values) > (0 if kw_only else len(fields)) or by_place.keys() & named or complete.keys() != set(fields):
            raise TypeError(f"{cls.__name__}() takes each of these once: {', '.join(fields)}")
        return tuple(complete[field] for field in fields)

    def _values(self) -> tuple[object, ...]:
        return tuple([getattr(self, field) for field in self._layout.fields])

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        layout = self._layout
        shown = [f"{field}={getattr(self, field)!r}" for field in layout.fields if field not in layout.hidden]
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def __reduce__(self) -> tuple[object, ...]:
        return _made, (type(self), dict(zip(self._layout.fields, self._values(), strict=True)))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        _refuse(name)

    def __delattr__(self, name: str) -> NoReturn:
        _refuse(name)


def _made(kind: type[Value], named: dict[str, object]) -> Value:
    """Make a copy, or what was pickled, again."""
    return kind(**named)


def _refuse(name: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot change field {name!r}")
