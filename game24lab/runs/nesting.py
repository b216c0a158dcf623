"""Nesting: how deep and how large data from a file may be, so that all that looks at them later comes to an end.

Data are lists and mappings as JSON and YAML give them; in YAML a part can stand in several places, and hold itself.
This module does not know what the data mean, nor how they are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEEPEST = 100  # lists and mappings within one another
LARGEST = 1_000_000  # entries, those of a part that stands in several places counted at each


def check_nesting(data: Any, largest: int | None = LARGEST) -> None:
    """Raise ValueError where data are nested deeper than DEEPEST, hold themselves, or have more entries than `largest`.

    None for `largest`: any number, for data whose parts stand in one place each.
    """
    levels, level = [], {id(data): data}
    while level:
        if len(levels) > DEEPEST:
            raise ValueError(f"nested too deeply, or within itself; it must have at most {DEEPEST} levels")
        levels.append(level)
        level = {id(inner): inner for outer in level.values() for inner in _list_inner(outer)
                 if isinstance(inner, list | Mapping)}  # fmt: skip
    if largest is None:
        return
    sizes: dict[int, int] = {}
    for level in reversed(levels):
        for place, outer in level.items():
            sizes[place] = sum(1 + sizes.get(id(inner), 0) for inner in _list_inner(outer))
    if sizes[id(data)] > largest:
        raise ValueError(f"it must have at most {largest:,} entries, got {sizes[id(data)]:,}")


def _list_inner(data: Any) -> Any:
    if isinstance(data, Mapping):
        return data.values()
    return data if isinstance(data, list) else ()
