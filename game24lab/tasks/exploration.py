"""Searches worth imitating: the positions that a depth-first search of an arithmetic game visits, in order.

Two searches end with a solution: `search_in_order` tries moves in a fixed order and exhausts what it abandons, so that
what is left to try can be read off the last move tried; `search_at_random` is the one published with LLM4Game24
(LiaoMengqi/LLM4Game24): a random search, cut down to a number of lines. This module does not know how a search is
written down, nor of prompts, tokenizers or models.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from game24lab.tasks.arithmetic import State, Step, legal_steps, make_state, reachable

LARGEST_TRIED = 199  # a search in order makes no number above this: it would not lead to 24 but for one puzzle in many
# Small numbers first. Of the orders of four operators this one needs the fewest lines on ranks 1-900.
OPERATORS = "/-+*"


class Visit(NamedTuple):
    """A position that a search has entered, and the move by which it did."""

    depth: int  # moves made since the root, 1 for its children; the parent is the last visit before of depth - 1
    step: Step
    left: State


Search = tuple[Visit, ...]  # in the order of visits; the last one has reached the target


@lru_cache(maxsize=100_000)
def list_moves(state: State, target: Fraction | int = 24) -> tuple[tuple[Step, State], ...]:
    """The moves that a search in order tries, in that order: one a position that they lead to.

    By operator (`OPERATORS`), then by operands. Non-negative whole numbers up to `LARGEST_TRIED` only; where the target
    is reachable but not so, the moves that keep it reachable come behind them.
    """
    moves = sorted(legal_steps(state), key=lambda move: OPERATORS.index(move[0].operator))
    plain = [move for move in moves if 0 <= move[0].result <= LARGEST_TRIED and move[0].result.denominator == 1]
    if not any(reachable(after, target) for _, after in plain):
        plain += [move for move in moves if reachable(move[1], target)]
    unique: dict[State, Step] = {}
    for step, after in plain:
        unique.setdefault(after, step)
    return tuple((step, after) for after, step in unique.items())


def search_in_order(
    numbers: Sequence[int | Fraction], rng: random.Random, target: Fraction | int = 24, keep: float = 1.0
) -> Search | None:
    """A depth-first search that tries the moves of a position in a fixed order, each once; None if unsolvable.

    Every position that it abandons is dead, and shown so: all its moves were tried. With `keep` below 1 a dead position
    is entered only with that probability: the search then leaves out what it might have foreseen.
    """
    root = make_state(numbers)
    if not reachable(root, target):
        return None
    visits: list[Visit] = []

    def descend(state: State, depth: int) -> bool:
        for step, after in list_moves(state, target):
            alive = reachable(after, target)
            if not alive and (len(after) == 1 or (keep < 1 and rng.random() >= keep)):
                continue
            visits.append(Visit(depth, step, after))
            if after == (target,):
                return True
            # a position of two numbers is dead at a glance: only a living one is entered further
            if (len(after) > 2 or alive) and descend(after, depth + 1):
                return True
        return False

    return tuple(visits) if descend(root, 1) else None
