"""Numbers, intervals and tables as Markdown, and the one row that is meant, for pages made of kept numbers.

It does not know what a page is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
_NARROW = 3.0  # points, below which whole ones would hide an interval
MODES = ("blind", "rules", "verified")


def show(value: float | None, digits: int = 0) -> str:
    """A number rounded, its thousands apart, "" for None; what is a half but for the last bit goes to the even side."""
    return "" if value is None else f"{round(value, 9):,.{digits}f}"


def show_accuracy(row: Row, key: str = "accuracy", prefix: str = "", digits: int = 1) -> str:
    """12.3 % [10, 14]: a share with its interval `<prefix>low` to `<prefix>high`, or 0.6 % [0.5, 0.8]."""
    ends = [100 * row[f"{prefix}{end}"] for end in ("low", "high")]
    low, high = (show(end, int(ends[1] - ends[0] < _NARROW)) for end in ends)
    return f"{show(100 * row[key], digits)} % [{low}, {high}]"


def show_change(row: Row) -> str:
    """+1.5 [0.2, 2.8]: a paired difference in points, with its interval."""
    low, high = (show(100 * row[end], 1) for end in ("low", "high"))
    return f"{'+' * (row['difference'] > 0)}{show(100 * row['difference'], 1)} [{low}, {high}]"


def tabulate(header: str, rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the header's cells are apart by bars."""
    lines = [f"| {header} |", "| --- " * (header.count("|") + 1) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def pick(rows: Iterable[Row], **keys: Any) -> Row:
    """The one row with these values; LookupError where there is none, or more than one."""
    found = [row for row in rows if all(row[key] == value for key, value in keys.items())]
    if len(found) != 1:
        raise LookupError(f"one row with {keys} is needed, got {len(found)}")
    return found[0]


def name_mode(mode: str) -> str:
    """The mode of a row; files kept from before November 28 call "rules" by a former name."""
    return "rules" if mode == "unverified" else mode
