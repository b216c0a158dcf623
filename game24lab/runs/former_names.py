"""Former names of parameters and fields: they keep working for one version, and each use of one says so once.

It does not know whose names they are.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any


class Values(dict):
    """Parameters with their values, and how some of them were called before: `former`, old name -> name."""

    def __init__(self, values: Mapping[str, Any], former: Mapping[str, str]) -> None:
        super().__init__(values)
        self.former = former


@functools.cache
def say_once(text: str) -> None:
    """One line on standard error, the first time it is said, beside a progress bar too."""
    from tqdm import tqdm  # the command line stays light

    tqdm.write(f"game24lab: {text}", file=sys.stderr)


def rename(values: Mapping[str, Any], former: Mapping[str, str], what: str) -> dict[str, Any]:
    """Values by today's names. `former` maps old names to new ones; ValueError where a value is given under both."""
    renamed = dict(values)
    for old in former.keys() & renamed.keys():
        if former[old] in renamed:
            raise ValueError(f"{what} {old} is called {former[old]} now, and both are given: keep {former[old]}")
        say_once(f"{what} {old} is called {former[old]} now; the old name works for one more version")
        renamed[former[old]] = renamed.pop(old)
    return renamed


def accept_former(**former: str) -> Callable[[type], type]:
    """For a configuration, a dataclass: keywords by their former names are taken too. `old="new"`."""

    def decorate(kind: Any) -> type:
        initialise = kind.__init__

        @functools.wraps(initialise)
        def take(self: Any, *values: Any, **named: Any) -> None:
            initialise(self, *values, **rename(named, former, f"{kind.__name__}'s"))

        kind.__init__, kind.former = take, former
        return kind

    return decorate


def rename_stored(values: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """A configuration as an earlier version has stored it, with the names that `config` has, in its parts too.

    A field that there was not yet has its default: what was done then.
    """
    former = getattr(config, "former", {})
    renamed = {former.get(name, name): value for name, value in values.items()}
    known = {one.name: one.default for one in fields(config) if one.default is not MISSING}
    renamed = {name: value for name, value in known.items() if name not in renamed} | renamed
    return {name: rename_stored(value, getattr(config, name))
            if isinstance(value, Mapping) and is_dataclass(getattr(config, name, None)) else value
            for name, value in renamed.items()}  # fmt: skip
