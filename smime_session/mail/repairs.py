"""What was damaged in an input and read all the same.

A reader that meets something unusual goes on leniently where nothing is lost by it, and keeps a note. What it reads is
checked afterwards like any other envelope: a repair decides how octets are found, never whether they are believed.
"""

from __future__ import annotations

from typing import Final

_QUANTUM: Final = 3  # octets of the last four characters of base64, which its padding is part of
_PADDING: Final = "padding"


class Repairs:
    """Collects what was unusual about one input, while it is read."""

    __slots__ = ("_place", "_what", "notes")

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._place: int | None = None
        self._what = _PADDING

    def note(self, words: str) -> None:
        """Keep a note, once."""
        if words not in self.notes:
            self.notes.append(words)

    def met(self, place: int, what: str = "") -> None:
        """Keep where base64 text stopped being as it should; only the first place counts.

        Args:
            place: octets that were decoded before it.
            what: the character that does not belong there; nothing where it is only the padding.
        """
        if self._place is None:
            self._place, self._what = place, what or _PADDING

    def told(self, end: int, *, followed: bool) -> tuple[str, ...]:
        """Return what is to be told about the input, a clause each.

        Args:
            end: octets of the CMS object.
            followed: whether more octets than line endings and zeros follow it.
        """
        told = list(self.notes)
        place = self._place
        if place is not None and place < end - _QUANTUM:
            what = "an equals sign" if self._what == _PADDING else self._what
            told.append(f"the base64 text holds {what}, which was passed over")
        elif place is not None and not followed:
            if self._what == _PADDING:
                told.append("the padding of the base64 text is missing or broken")
            else:
                followed = True
        if followed:
            told.append("something follows the CMS object, which was left out")
        return tuple(told)
