"""Checks of values that people give: what must hold, and what was got. It does not know what they are for."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from typing import Any


def suggest(name: Any, known: Iterable[str]) -> str:
    """`; did you mean 'width'?` where a known name is near, else nothing."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def require(name: str, value: Any, kind: type, low: float, high: float = math.inf) -> None:
    """ValueError unless the value is a whole number (`int`) or a number (`float`) within low..high."""
    types = (int,) if kind is int else (int, float)
    if type(value) not in types or not low <= value <= high:
        what = "a whole number" if kind is int else "a number"
        limits = f"of at least {low}" if high == math.inf else f"from {low} to {high}"
        hint = " (YAML reads 1e-4 as text; write 1.0e-4)" if isinstance(value, str) else ""
        raise ValueError(f"{name} {value!r}: {what} {limits} is accepted{hint}")


def require_flag(name: str, value: Any) -> None:
    """ValueError unless the value is true or false."""
    if type(value) is not bool:
        raise ValueError(f"{name} {value!r}: true or false is accepted")


def require_one_of(name: str, value: Any, options: Sequence[str]) -> None:
    """ValueError unless the value is one of the options."""
    if value not in options:
        raise ValueError(f"{name} {value!r}: one of {', '.join(options)} is accepted{suggest(value, options)}")
