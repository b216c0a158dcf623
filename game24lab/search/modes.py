"""The three ways to search, one word each: what helps the models, and who ends the search.

It does not know how a search works, nor what a task's rules are.
"""

from __future__ import annotations

import sys
from functools import cache

from game24lab.search.requests import require_one_of

HELP = {
    "blind": "nothing but the models: lines are taken as they were said and judged after the search has committed",
    "rules": "the rules: moves are checked and positions computed; policy and critic choose the answer",
    "verified": "the rules, and the exact verifier, which ends the search at the first right answer",
}
MODES = tuple(HELP)
_FORMER = {"unverified": "rules"}  # the name until November 2026, in parameter files and records


def read_mode(name: str) -> str:
    """The mode of a name; `unverified`, as older files have it, is `rules`, which is said once.

    ValueError for any other name.
    """
    if name in _FORMER:
        _say_once(name)
        return _FORMER[name]
    require_one_of("mode", name, MODES)
    return name


@cache
def _say_once(name: str) -> None:
    from tqdm import tqdm  # the command line tells of the modes and stays light

    tqdm.write(f"game24lab: mode {name!r} is called {_FORMER[name]!r} now: the rules were known in it "
               "(a search by the models alone is 'blind')", file=sys.stderr)  # fmt: skip
