"""Searches worth imitating: the positions that a depth-first search of an arithmetic game visits, in order.

Two searches end with a solution: `search_in_order` tries moves in a fixed order and exhausts what it abandons, so that
what is left to try can be read off the last move tried; `search_at_random` is the one published with LLM4Game24
(LiaoMengqi/LLM4Game24): a random search, cut down to a number of lines. This module does not know how a search is
written down, nor of prompts, tokenizers or models.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import count
from math import expm1, log
from typing import Any, NamedTuple

from game24lab.tasks.numbers.arithmetic import State, Step, legal_steps, make_state, reachable

# A search in order makes no number above this: 37 of the 1,362 puzzles need one, or a fraction, and all of them are
# among the hardest 362. The fewer numbers there are, the sooner a small model knows them.
LARGEST_TRIED = 72
OPERATORS = "-+*/"  # the order in which a pair of numbers is tried


Alive = Callable[[State, Any], bool]  # whether the target can be made of all numbers of a position


class Visit(NamedTuple):
    """A position that a search has entered, and the move by which it did."""

    depth: int  # moves made since the root, 1 for its children; the parent is the last visit before of depth - 1
    step: Step
    left: State


Search = tuple[Visit, ...]  # in the order of visits; the last one has reached the target


@lru_cache(maxsize=100_000)
def list_moves(
    state: State, target: Fraction | int = 24, alive: Alive = reachable
) -> tuple[tuple[Step, State], ...]:
    """The moves that a search in order tries, in that order: one a position that they lead to.

    By pair of numbers, the largest first, then by operator (`OPERATORS`): what comes next can be read off the last move
    tried. Non-negative whole numbers up to `LARGEST_TRIED` only; where the target
    is reachable but not so, the moves that keep it reachable come behind them. `alive` says what is reachable: by the
    rules of another game, `NumberProblem.alive`.
    """
    moves = sorted(legal_steps(state), key=_rank_move)
    plain = [move for move in moves if 0 <= move[0].result <= LARGEST_TRIED and move[0].result.denominator == 1]
    if not any(alive(after, target) for _, after in plain):
        plain += [move for move in moves if alive(move[1], target)]
    unique: dict[State, Step] = {}
    for step, after in plain:
        unique.setdefault(after, step)
    return tuple((step, after) for after, step in unique.items())


def _rank_move(move: tuple[Step, State]) -> tuple:
    step = move[0]
    return -max(step.left, step.right), -min(step.left, step.right), OPERATORS.index(step.operator)


def search_in_order(
    numbers: Sequence[int | Fraction], rng: random.Random, target: Fraction | int = 24, keep: float = 1.0,
    alive: Alive = reachable,
) -> Search | None:
    """A depth-first search that tries the moves of a position in a fixed order, each once; None if unsolvable.

    Every position that it abandons is dead, and shown so: all its moves were tried. With `keep` below 1 a dead position
    is entered only with that probability: the search then leaves out what it might have foreseen.
    """
    root = make_state(numbers)
    return (continue_in_order([(root, ())], rng, target, keep, alive) or None) if alive(root, target) else None


def continue_in_order(
    trail: Sequence[tuple[State, Collection[State]]], rng: random.Random, target: Fraction | int = 24,
    keep: float = 1.0, alive: Alive = reachable,
) -> Search:
    """The rest of a search in order: what is still to be tried at the last position of `trail`, then above it.

    `trail` holds the positions from the root to the current one, each with the positions that were entered from it
    before and need no second visit. Whatever made these visits, the rest tries what they left, in the fixed order.
    Empty where the current position is the target itself, and where all that is left is dead.
    """
    visits: list[Visit] = []

    def descend(state: State, depth: int, tried: Collection[State] = ()) -> bool:
        for step, after in list_moves(state, target, alive):
            if after in tried:
                continue
            living = alive(after, target)
            if not living and (len(after) == 1 or (keep < 1 and rng.random() >= keep)):
                continue
            visits.append(Visit(depth, step, after))
            if after == (target,):
                return True
            # a position of two numbers is dead at a glance: only a living one is entered further
            if (len(after) > 2 or living) and descend(after, depth + 1):
                return True
        return False

    places = [(state, depth, tried) for depth, (state, tried) in enumerate(trail, 1)]
    found = trail[-1][0] != (target,) and any(descend(*place) for place in reversed(places))
    return tuple(visits) if found else ()


def search_at_random(
    numbers: Sequence[int | Fraction], rng: random.Random, target: Fraction | int = 24, max_lines: int = 12
) -> Search | None:
    """The published search: depth first over shuffled moves to the first solution, cut down; None if unsolvable.

    Such a search abandons thousands of positions. Of them, random leaves are deleted one by one until the moves left
    and the line of the answer are at most `max_lines` (6 to 17 as published; rollbacks are not counted, and the
    solution always stays). What is abandoned is dead, as the whole search had shown; what is left does not show it.

    The whole search is never made. Deleting random leaves one by one is, in continuous time, giving each leaf an
    exponentially distributed time to live: a position falls that long after the last one below it. So these times are
    drawn, and only the positions that last longest are worked out. Two liberties: a move that equal numbers allow twice
    counts once, and times are drawn as if all numbers were different.
    """
    state = make_state(numbers)
    if not reachable(state, target):
        return None
    root = parent = _Node(Visit(0, None, state), [])
    leaves: list[tuple] = []  # a heap: the position that lasts longest first
    order, path = count(), []
    while len(parent.visit.left) > 1:
        for node in _list_children(parent, rng):
            if reachable(node.visit.left, target):
                break
            lasts, below = _draw_times(len(node.visit.left), rng.random)
            heapq.heappush(leaves, (-lasts, next(order), below, parent, node))
        path.append((parent, node))
        parent = node
    room = max_lines - 1 - len(path)
    while room > 0 and leaves:
        _, _, below, parent, node = heapq.heappop(leaves)
        parent.kept.append(node)
        room -= 1
        times = _list_times(below, rng.random)
        for (lasts, further), child in zip(times, _list_children(node, rng), strict=False):
            heapq.heappush(leaves, (-lasts, next(order), further, node, child))
    for parent, node in path:
        rng.shuffle(parent.kept)  # they were kept in the order of their times
        parent.kept.append(node)
    return tuple(_list_visits(root))[1:]


class _Node(NamedTuple):
    visit: Visit
    kept: list[_Node]


def _list_children(node: _Node, rng: random.Random) -> list[_Node]:
    moves = list(legal_steps(node.visit.left))
    rng.shuffle(moves)
    return [_Node(Visit(node.visit.depth + 1, _turn(step, rng), after), []) for step, after in moves]


def _turn(step: Step, rng: random.Random) -> Step:
    """A sum or product with its operands in either order."""
    turned = step.operator in "+*" and rng.random() < 0.5
    return Step(step.right, step.operator, step.left, step.result) if turned else step


def _draw_times(numbers: int, draw: Callable[[], float]) -> tuple[float, list | float]:
    """When a dead position of that many numbers falls, and the same for all positions below it. `draw`: 0 to 1.

    Of the six leaves below a position of two numbers only the time of the last one is drawn, a third of the work.
    """
    if numbers == 1:
        return -log(1 - draw()), []
    if numbers == 2:
        last = -log(-expm1(log(1 - draw()) / 6) or 1e-16)  # the largest of six
        return last - log(1 - draw()), last
    below = [_draw_times(numbers - 1, draw) for _ in range(3 * numbers * (numbers - 1))]
    return max(below)[0] - log(1 - draw()), below


def _list_times(below: list | float, draw: Callable[[], float]) -> list[tuple[float, list | float]]:
    """The times below a position, latest first; the five leaves that were not drawn fall before the last one."""
    if isinstance(below, float):
        below = [(below, []), *((-log(1 + draw() * expm1(-below)), []) for _ in range(5))]
    return sorted(below, reverse=True)


def _list_visits(node: _Node) -> Iterable[Visit]:
    yield node.visit
    for child in node.kept:
        yield from _list_visits(child)


class Abandoned(NamedTuple):
    """How many positions a search entered and left again, and how well founded that was."""

    positions: int
    dead: int  # of them: the target was out of reach
    wide: int  # of them: with more than two numbers left, so that they were not dead at a glance
    exhausted: int  # of the wide and dead: every move that a search in order tries was tried


def count_abandoned(
    numbers: Sequence[int | Fraction], visits: Iterable[tuple[int, State]], target: Fraction | int = 24,
    alive: Alive = reachable,
) -> Abandoned:
    """Account for the positions that a search abandoned; `visits` are depth and position, in the order of visits.

    The positions on the way to the last one are not abandoned. Whatever made the visits: a search, or a model's text.
    """
    trail: list[tuple[State, set[State]]] = [(make_state(numbers), set())]
    found = Abandoned(0, 0, 0, 0)
    for depth, left in visits:
        while len(trail) > depth:
            state, tried = trail.pop()
            dead, wide = not alive(state, target), len(state) > 2
            exhausted = dead and wide and {after for _, after in list_moves(state, target, alive)} <= tried
            found = Abandoned(*(sum(pair) for pair in zip(found, (1, dead, wide, exhausted), strict=True)))
        trail[-1][1].add(left)
        trail.append((left, set()))
    return found
