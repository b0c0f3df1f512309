"""What was measured, as Markdown and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from benchmarks import machine
from benchmarks.contest import Row
from benchmarks.stages import Profile

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_HEAD: Final = ("work", "peer", "peer's", "ours", "ratio")


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run found.

    Attributes:
        rows: the table.
        profiles: where the time goes.
        left_out: what is not in the table, and why.
        seconds: how long it took.
        environment: what it was measured with.
    """

    rows: Sequence[Row]
    profiles: Sequence[Profile]
    left_out: Mapping[str, str]
    seconds: float
    environment: Mapping[str, str] = field(default_factory=machine.environment)

    def markdown(self, works: Collection[str] | None = None) -> str:
        """Return it for people.

        Args:
            works: what to show; None for all of it, and where the time goes.
        """
        parts = ["\n".join(f"- {name}: {value}" for name, value in self.environment.items())]
        if rows := [_cells(row) for row in self.rows if works is None or row.work in works]:
            parts.append(table(_HEAD, rows, right=2))
        if self.profiles and works is None:
            parts.append("Where the time goes:")
            parts.append(_stage_table(self.profiles))
        if self.left_out:
            parts.append("\n".join(f"- left out: {name} ({reason})" for name, reason in self.left_out.items()))
        parts.append(f"Measured in {self.seconds:.0f} seconds.")
        return "\n\n".join(parts) + "\n"

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Report:
        """Return what :meth:`as_json` returned as JSON."""
        rows = [Row(**row) for row in values["rows"]]
        return cls(**{**values, "rows": rows, "profiles": [Profile(**profile) for profile in values["profiles"]]})

    def as_json(self) -> dict[str, Any]:
        """Return it for programs: every value, by the names of :class:`Row` and :class:`Profile`."""
        return asdict(self)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: int) -> str:
    """Return a Markdown table whose columns from number ``right`` on are aligned to the right."""
    rule = ["---" if column < right else "---:" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


_NOISE: Final = 1e-12  # seconds


def number(value: float) -> str:
    """Return a number with three digits, or with all that stand before the point."""
    if value >= 100:  # noqa: PLR2004  # three digits
        return f"{value:,.0f}"
    return f"{value:#.3g}" if value else "0"


def duration(seconds: float) -> str:
    """Return a time in the unit that shows it best; what is left of nothing by rounding is nothing."""
    seconds = seconds if seconds > _NOISE else 0
    units = (("s", 1), ("ms", 1e3), ("µs", 1e6), ("ns", 1e9))
    unit, factor = next((one for one in units if seconds * one[1] >= 1), units[-1] if seconds else units[0])
    return f"{number(seconds * factor)} {unit}"


def _cells(row: Row) -> tuple[str, ...]:
    theirs = "-" if row.theirs is None else f"{number(row.theirs)} {row.unit}"
    ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
    return row.work, row.peer or "-", theirs, f"{number(row.ours)} {row.unit}", ratio


def _stage_table(profiles: Sequence[Profile]) -> str:
    head = ["stage", *(profile.work for profile in profiles)]
    whole = ["all, CPU time", *(duration(profile.seconds) for profile in profiles)]
    stages = dict.fromkeys(stage for profile in profiles for stage in profile.shares)
    rows = [[stage, *(_share(profile, stage) for profile in profiles)] for stage in stages]
    return table(head, [*rows, whole], right=1)


def _share(profile: Profile, stage: str) -> str:
    share = profile.shares[stage]
    return f"{duration(profile.seconds * share)} ({share:.0%})"
