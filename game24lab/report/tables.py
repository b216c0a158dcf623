"""Tables of a report: rows of records, and a specification of each column.

    make_table("Accuracy by arm.", arms, {"arm": text("label", 1), "solved": percent("accuracy", "low", "high")})

A key may lead into a nested record: "change.low". A column with `low` and `high` has its interval in a second column,
headed "95 %". This module does not know what a table is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from game24lab.report import formats as fmt
from game24lab.report.document import MISSING, Table

Row = Mapping[str, Any]
_LISTED = 3  # sources named one by one


@dataclass(frozen=True)
class Column:
    """How the cells of a column, and of its interval where it has one, are made from a row."""

    cell: Callable[[Row], Any]
    align: str = "right"
    width: float = 0  # share of the space left over; 0 = as wide as its content
    interval: Callable[[Row], str] | None = None


def make_table(
    caption: str, rows: Sequence[Row], columns: Mapping[str, Column], note: str = "", source: str | None = None
) -> Table:
    """A table of rows by columns; its source is that of the rows where none is given. KeyError for a missing key."""
    header, parts = [], []
    for name, column in columns.items():
        header += [name] if column.interval is None else [name, "95 %"]
        parts += [column] if column.interval is None else [column, Column(column.interval)]
    cells = tuple(tuple(part.cell(row) for part in parts) for row in rows)
    widths = tuple(part.width for part in parts) if any(part.width for part in parts) else ()
    align = tuple(part.align for part in parts)
    return Table(caption, join_sources(rows) if source is None else source, tuple(header), cells, align, widths, note)


def join_sources(rows: Sequence[Row]) -> str:
    """The sources of some rows, each once; many are only counted, for they stand below."""
    sources = dict.fromkeys(row["source"] for row in rows)
    return "; ".join(sources) if len(sources) <= _LISTED else f"the records of {len(sources)} runs, see Origin"


def find(row: Row, key: str) -> Any:
    """The value of a key, or of a path such as "change.low"; KeyError where there is none."""
    return row[key] if key in row else reduce(lambda part, name: part[name], key.split("."), row)


# ------------------------------------------------------------------------------------------- specifications
def text(key: str, width: float = 0) -> Column:
    """Text, at the left; an empty one is missing."""
    return Column(lambda row: find(row, key) or MISSING, "left", width)


def made(cell: Callable[[Row], Any], width: float = 0, align: str = "right") -> Column:
    """What a function makes of a row."""
    return Column(cell, align, width)


def percent(key: str, low: str = "", high: str = "") -> Column:
    """A share in percent, with the interval from `low` to `high` where these are given."""
    return Column(lambda row: fmt.percent(find(row, key)), interval=_bound(low, high, fmt.interval))


def points(key: str, low: str = "", high: str = "") -> Column:
    """A difference in percentage points, with its interval where `low` and `high` are given."""
    return Column(lambda row: fmt.points(find(row, key)), interval=_bound(low, high, fmt.points_interval))


def count(key: str) -> Column:
    """A number without digits after the point."""
    return Column(lambda row: fmt.count(find(row, key)))


def short(key: str) -> Column:
    """A large number with its unit: 1.24 G."""
    return Column(lambda row: fmt.short(find(row, key)))


def fixed(key: str, digits: int = 1, scale: float = 1.0) -> Column:
    """A number times `scale`, with so many digits after the point."""
    def cell(row: Row) -> str:
        number = find(row, key)
        return fmt.fixed(None if number is None else scale * number, digits)

    return Column(cell)


def _bound(low: str, high: str, write: Callable[[Row], str]) -> Callable[[Row], str] | None:
    return (lambda row: write({"low": find(row, low), "high": find(row, high)})) if low else None
