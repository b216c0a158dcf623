"""Column specifications: how the cells of a table are made from records, in notebooks, as plain text and in reports.

    {"arm": text("label", 1), "solved": percent("accuracy", "low", "high")}

A key may lead into a nested record: "change.low". A column with `low` and `high` has an interval, and one of shares has
a bar where it is drawn. This module does not know what a table is about, nor where it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from game24lab.views.tables import formats as fmt

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """How the cells of a column, and of its interval where it has one, are made from a row."""

    cell: Callable[[Row], Any]
    align: str = "right"
    width: float = 0  # share of the space left over; 0 = as wide as its content
    interval: Callable[[Row], str] | None = None
    bar: Callable[[Row], tuple[float | None, float | None, float | None]] | None = None  # value, low, high: 0 to 1


def find(row: Row, key: str) -> Any:
    """The value of a key, or of a path such as "change.low"; KeyError where there is none."""
    return row[key] if key in row else reduce(lambda part, name: part[name], key.split("."), row)


def text(key: str, width: float = 0) -> Column:
    """Text, at the left; an empty one is missing."""
    return Column(lambda row: find(row, key) or fmt.MISSING, "left", width)


def made(cell: Callable[[Row], Any], width: float = 0, align: str = "right") -> Column:
    """What a function makes of a row."""
    return Column(cell, align, width)


def percent(key: str, low: str = "", high: str = "") -> Column:
    """A share in percent, with the interval from `low` to `high` where these are given."""
    return Column(lambda row: fmt.percent(find(row, key)), interval=_bound(low, high, fmt.interval),
                  bar=(lambda row: (find(row, key), find(row, low), find(row, high))) if low else None)  # fmt: skip


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
