"""Checks of values that people give: what must hold, and what was got. It does not know what they are for."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def suggest(name: Any, known: Iterable[str]) -> str:
    """`; did you mean 'width'?` where a known name is near, else nothing."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def require_place(name: str, path: Path) -> None:
    """ValueError unless a file could be written: its folder must be there, before work is done for it."""
    if not path.parent.is_dir():
        raise ValueError(f"{name} must lie in a folder that is there, got {path}")


def require(
    name: str, value: Any, kind: type, low: float, high: float = math.inf, *, above: bool = False, below: bool = False
) -> None:
    """ValueError unless the value is an integer (`int`) or a number (`float`) within low..high.

    `above` leaves out the low end itself, `below` the high end: of a number without a limit, infinity.
    """
    fits = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    if fits and low <= value <= high and not (above and value == low) and not (below and value == high):
        return
    what = "an integer" if kind is int else "a finite number" if below and high == math.inf else "a number"
    if high == math.inf:
        limits = f"{'>' if above else '>='} {low}"
    else:
        limits = f"{'above' if above else 'from'} {low} to {'below ' if below else ''}{high}"
    hint = " (YAML reads 1e-4 as text; write 1.0e-4)" if kind is float and isinstance(value, str) else ""
    raise ValueError(f"{name} must be {what} {limits}, got {value!r}{hint}")


def require_flag(name: str, value: Any) -> None:
    """ValueError unless the value is true or false."""
    if type(value) is not bool:
        raise ValueError(f"{name} must be true or false, got {value!r}")


def require_one_of(name: str, value: Any, options: Sequence[str]) -> None:
    """ValueError unless the value is one of the options."""
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(options)}, got {value!r}{suggest(value, options)}")


def require_text(name: str, value: Any, what: str) -> None:
    """ValueError unless the value is a text that is not empty; `what` says what it stands for."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be {what}, got {value!r}")
