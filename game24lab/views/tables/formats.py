"""How tables and reports write numbers: shares, intervals, differences, counts, seconds and settings as text.

It does not know what a number measures. A number that is missing (None) is written as "-", never as 0.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

MISSING = "-"  # a number that is not there; never 0


def percent(share: float | None) -> str:
    """12.3 %."""
    return MISSING if share is None else f"{100 * share:.1f} %"


def interval(ends: Mapping[str, Any], prefix: str = "") -> str:
    """The interval from `<prefix>low` to `<prefix>high` in percent."""
    low, high = ends[f"{prefix}low"], ends[f"{prefix}high"]
    return MISSING if low is None or high is None else f"{100 * low:.1f}\u2009–\u2009{100 * high:.1f}"


def estimate(row: Mapping[str, Any], key: str = "accuracy", prefix: str = "") -> str:
    """A share with its interval: 45.0 % [30.7 – 60.2]."""
    return f"{percent(row[key])} [{interval(row, prefix)}]"


def points(difference: float | None) -> str:
    """A difference in percentage points; what rounds to none is +0.0."""
    return MISSING if difference is None else f"{round(100 * difference, 1) + 0.0:+.1f}"


def points_interval(ends: Mapping[str, Any], prefix: str = "", between: str = " to ") -> str:
    """The interval of a difference in percentage points."""
    return f"{points(ends[f'{prefix}low'])}{between}{points(ends[f'{prefix}high'])}"


def count(number: float | None) -> str:
    """1,234."""
    return MISSING if number is None else f"{number:,.0f}"


def fixed(number: float | None, digits: int = 1) -> str:
    """A number with so many digits after the point."""
    return MISSING if number is None else f"{number:,.{digits}f}"


def short(number: float | None) -> str:
    """1.24 G for 1,240,000,000."""
    if number is None:
        return MISSING
    for size, unit in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}"


def minutes(seconds: float | None, more: bool = False) -> str:
    """Seconds as minutes; `more`: it was more than that."""
    return MISSING if seconds is None else f"{'> ' if more else ''}{seconds / 60:.1f}"


def value(parameter: Any) -> str:
    """A parameter's value."""
    if parameter is None:
        return MISSING
    return parameter if isinstance(parameter, str) else json.dumps(parameter, ensure_ascii=False)


def settings(parameters: Mapping[str, Any]) -> str:
    """`name = value, ...`, each on one line where it is short."""
    return ", ".join(keep_together(f"{key} = {value(found)}") for key, found in parameters.items()) or MISSING


def keep_together(text: str) -> str:
    """Short texts keep their words on one line."""
    return text.replace(" ", "\u00a0") if len(text) < 30 else text


def some(names: list[str], most: int, separator: str = ", ", more: str = " and {} more") -> str:
    """The first names, and how many there are besides."""
    return separator.join(names[:most]) + (more.format(len(names) - most) if len(names) > most else "")


def show(value: Any) -> str:
    """Any value: None and NaN are missing, floats get three figures, the rest is written as it is."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return write_float(value) if isinstance(value, float) else str(value)


def write_float(value: float) -> str:
    """Three figures, or all before the point: 1,263 and 70.9 and 0.0358; from ten digits on 1.26e12 and 3e9."""
    if abs(value) >= 1e9:
        return f"{value:.3g}".replace("e+0", "e").replace("e+", "e")
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def bracket(value: float, low: float, high: float) -> str:
    """A share with its interval in signs that every terminal has: 45.0 % [30.7, 60.2]."""
    return f"{percent(value)} [{100 * low:.1f}, {100 * high:.1f}]"
