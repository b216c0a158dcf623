"""Falsified chains: one number of a right chain is changed, and the exact judge finds the first false line.

Rollouts hold few chains with numbers that were never there or are used twice, and a critic that has not seen such
chains overrates them. It does not know how chains are sampled, nor how a critic is trained.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection
from typing import Any

import pandas as pd

from game24lab.tasks.task import Illegal, follow

_NUMBER = re.compile(r"(?<![0-9/-])-?[0-9]+(?:/[0-9]+)?(?![0-9/])")
_HIGHEST = 30  # of a random number
_TRIES = 8  # changes tried before a chain is left as it is


def falsify(
    world: Any, texts: Collection[str], count: int, *, avoid: Collection[Any] = (), seed: int = 0
) -> pd.DataFrame:  # fmt: skip
    """`count` right chains with one number changed each, as positions whose outcome is certain, for `critic.train`.

    Columns: `text` (the problem and the lines up to the first false one, and all longer beginnings), `visits` (1),
    `solved` (0), `copies` (1). The changed number is any of the chain's, the problem's included; the new one stands
    elsewhere in the chain, or lies near the old one, or anywhere from 1 to 30, each equally likely. Equal arguments
    give equal rows. A chain that stays true or cannot be read is none of them; fewer rows come where texts are few.

    Args:
        world: `tasks.numbers.belief.Believing`.
        texts: right chains, as `world.text` shows them.
        avoid: positions that must not be shown, a split's `forbidden`.
    """
    rng, texts = random.Random(f"falsify {seed}"), sorted(texts)
    found: dict[str, None] = {}
    for _ in range(count if texts else 0):
        text = world.task.undress(rng.choice(texts))  # what stands around a puzzle is never changed
        for _ in range(_TRIES):
            false = _read(world, _change(text, rng))
            if false is not None and not world.shows(false[0], avoid):
                state, line = false
                lines = world.task.undress(world.text(state)).split("\n")
                shown = ("\n".join(lines[:end]) + "\n" for end in range(line + 2, len(state.lines) + 2))
                found |= dict.fromkeys(map(world.task.dress, shown))
                break
    return pd.DataFrame({"text": list(found), "visits": 1, "solved": 0, "copies": 1})


def _change(text: str, rng: random.Random) -> str:
    numbers = list(_NUMBER.finditer(text))
    spot = rng.choice(numbers)
    old = spot[0]
    near = str(int(old) + rng.choice((-2, -1, 1, 2))) if "/" not in old else old
    new = rng.choice((rng.choice(numbers)[0], near, str(rng.randint(1, _HIGHEST))))
    return text[: spot.start()] + new + text[spot.end() :]


def _read(world: Any, text: str) -> tuple[Any, int] | None:
    """The chain that a text shows and its first false line; None where it cannot be read, ends early or is true."""
    head, _, rest = text.partition("\n")
    try:
        start = world.read(world.task.dress(head + "\n"))
    except ValueError:
        return None
    state, stopped = follow(world, start, rest)
    if isinstance(stopped, Illegal):
        return None
    fault = world.find_fault(state)
    return None if fault is None or fault.line < 0 else (state, fault.line)
