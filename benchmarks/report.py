"""Tables as Markdown and as JSON."""

from __future__ import annotations

import platform
import shutil
import statistics
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.measuring import Table


def markdown(table: Table) -> str:
    """Return a table: medians, and in brackets how many times better than the reference."""
    columns = _columns(table)
    compared = f"; in brackets, {table.comparison} {table.reference}" if table.reference else ""
    lines = [
        f"### {table.title}",
        "",
        f"{table.unit}{compared}",
        "",
        f"| | {' | '.join(columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
    ]
    lines += [f"| {peer} | {' | '.join(_cell(table, peer, column) for column in columns)} |" for peer in table.results]
    return "\n".join(lines) + "\n"


def as_json(tables: Iterable[Table]) -> dict[str, Any]:
    """Return all that was measured, and where."""
    return {"environment": environment(), "tables": [_table_as_json(table) for table in tables]}


def environment() -> dict[str, str]:
    """Say what was measured with."""
    import pybase64
    from cryptography import __version__
    from cryptography.hazmat.backends.openssl import backend

    openssl = shutil.which("openssl")
    return {
        "Python": platform.python_version(),
        "cryptography": f"{__version__} with {backend.openssl_version_text()}",
        "pybase64": pybase64.get_version(),
        "openssl": subprocess.check_output((openssl, "version"), text=True).strip() if openssl else "not installed",
        "processor": _processor(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  # one line of it
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def _columns(table: Table) -> list[str]:
    return list(dict.fromkeys(column for row in table.results.values() for column in row))


def _cell(table: Table, peer: str, column: str) -> str:
    values = table.results[peer].get(column)
    if not values:
        return "-"
    ratio = table.ratio(peer, column)
    return _number(statistics.median(values)) + (f" ({ratio:.2f})" if ratio is not None else "")


def _number(value: float) -> str:
    if value >= 100:  # noqa: PLR2004  # three digits are enough
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"  # noqa: PLR2004  # the same


def _table_as_json(table: Table) -> dict[str, Any]:
    rows = [
        {
            "peer": peer,
            "column": column,
            "median": statistics.median(values),
            "ratio": table.ratio(peer, column),
            "rounds": values,
        }
        for peer, row in table.results.items()
        for column, values in row.items()
    ]
    return {
        "name": table.name,
        "title": table.title,
        "unit": table.unit,
        "reference": table.reference,
        "more_is_better": table.more_is_better,
        "rows": rows,
    }
