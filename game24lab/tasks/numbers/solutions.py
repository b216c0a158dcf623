"""The text to learn from: prompts and solutions of many puzzles, drawn by the exact solver.

Roots beyond the published game (larger numbers, positions met inside solutions) teach the same moves without touching
a held-out puzzle. A position's next move is drawn evenly from those that keep the target reachable within the non-
negative integers; only where there are none, fractions and negative numbers are used. Plain integers have a solver of
their own here: hundreds of thousands of samples over tens of thousands of roots would take much longer with exact
fractions. This module does not know of models, tokenizers or training.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any

from game24lab.tasks.numbers.arithmetic import legal_steps, make_state, reachable
from game24lab.tasks.numbers.steps import preferred_steps, write_line
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.numbers.whole_numbers import Whole, list_whole_moves
from game24lab.tasks.problems import Sample


def make_solutions(
    puzzles: Sequence[Whole],
    count: int,
    *,
    held_out: Collection[Whole],
    highest: int = 30,
    core_share: float = 0.35,
    position_share: float = 0.15,
    opening_share: float = 0.5,
    fraction_share: float = 0.0,
    target: int = 24,
    seed: int = 0,
    progress: Callable[[Sequence[int]], Sequence[int]] = lambda indices: indices,
) -> list[Sample]:
    """`count` solutions, equal for equal arguments.

    Args:
        puzzles: the training puzzles, sorted; `core_share` of the samples begin with one of them.
        held_out: puzzles that must never appear, not as a root nor with another target; positions of fewer numbers
            among them (a strict split's) are neither begun with nor passed through.
        highest: the other samples begin with as many numbers from 1 to here; no other samples where it is not
            above the puzzles' own largest number.
        position_share: share of samples that begin inside a solution, one or two moves after its root.
        fraction_share: share of samples that make a fraction on the way, or begin where one has been made, one half
            each; the puzzles that cannot be solved without are too few to learn it from.
        opening_share: share of the solutions from a root of which only the first line is kept. The first move is by far
            the hardest to choose: this way the same number of tokens teaches more of them.
        progress: wraps the indices, such as `tqdm`.

    Raises ValueError for shares outside 0..1, a held-out puzzle among the training puzzles, or no solvable puzzle.
    """
    shares = {"core_share": core_share, "position_share": position_share, "opening_share": opening_share,
              "fraction_share": fraction_share}  # fmt: skip
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be a number from 0 to 1, got {share!r}")
    core, wider = list_roots(puzzles, held_out=held_out, highest=highest, target=target, progress=progress)
    size = len(puzzles[0])
    passed = frozenset(tuple(sorted(numbers)) for numbers in held_out if len(numbers) < size)
    if passed:
        core, wider = ([root for root in roots if _may_go_on(root, target, passed)] for roots in (core, wider))
        if not core:
            raise ValueError(f"puzzles: none of the {len(puzzles)} can make {target} past the {len(passed)} positions "
                             "that are held out")  # fmt: skip
    if not wider:
        core_share = 1.0
    task = Game24()
    # the seed is hashed with its purpose, never added to an index: neighbouring seeds share nothing
    rng = random.Random(int.from_bytes(hashlib.sha256(f"corpus {seed}".encode()).digest()[:8], "big"))

    def list_lines(position: tuple) -> Sequence[tuple[str, tuple]]:
        return _allow(_lines(position, target), passed)

    def draw() -> Sample:
        fraction = fraction_share > 0 and rng.random() < fraction_share
        while True:
            position = draw_start()
            if not fraction:
                sample = finish(position)
            elif openings := _allow(_fractions(position, target), passed):
                sample = finish(*rng.choice((begin_before, begin_behind))(position, openings))
            else:
                continue
            if sample is not None:
                return sample

    def begin_before(position: Whole, openings: Sequence[tuple[str, tuple]]) -> tuple[tuple, list[tuple[str, tuple]]]:
        return position, [rng.choice(openings)]

    def begin_behind(position: Whole, openings: Sequence[tuple[str, tuple]]) -> tuple[tuple, list[tuple[str, tuple]]]:
        """With a fraction in the prompt: a search shows every position as a puzzle of its own."""
        position = rng.choice(openings)[1]
        if len(position) > 2 and rng.random() < 0.5 and (lines := list_lines(position)):
            position = rng.choice(lines)[1]
        return position, []

    def draw_start() -> Whole:
        position = rng.choice(core if rng.random() < core_share else wider)
        if rng.random() < position_share:
            # five in six begin after one move, the rest after two: short positions are soon learnt
            for _ in range(min(1 if rng.random() < 5 / 6 else 2, len(position) - 2)):
                if lines := list_lines(position):
                    position = rng.choice(lines)[1]
        return position

    def finish(position: tuple, begun: Sequence[tuple[str, tuple]] = ()) -> Sample | None:
        """A solution from a position, or its first line; None where only positions that are held out lead on."""
        prompt, lines = task.prompt(position, target), []
        cut = len(position) == size and rng.random() < opening_share
        while len(position) > 1 and not (cut and lines):
            choices = begun if begun and not lines else list_lines(position)
            if not choices:
                return None
            line, position = begun[0] if begun and not lines else rng.choice(choices)
            lines.append(line)
        return Sample(prompt, "".join(lines), ends=not cut)

    return [draw() for _ in progress(range(count))]


def _allow(lines: Sequence[tuple[str, tuple]], passed: Collection[tuple]) -> Sequence[tuple[str, tuple]]:
    """The lines that lead to no position of `passed`."""
    return [line for line in lines if line[1] not in passed] if passed else lines


def _may_go_on(root: Whole, target: int, passed: Collection[tuple]) -> bool:
    return bool(_allow(_lines(root, target), passed))


def draw_fractions(
    puzzles: Sequence[Whole], count: int, *, held_out: Collection[Whole], seed: int = 0, **options: Any
) -> list[str]:
    """At most `count` different prompts whose solution makes a fraction, or that hold one: where to collect rollouts.

    They are the prompts of as many samples of `make_solutions`, whose other options `options` are; few puzzles offer
    less than is asked for.
    """
    if not count:
        return []  # the roots need not be listed for that
    samples = make_solutions(puzzles, count, held_out=held_out, fraction_share=1.0, seed=seed, **options)
    return list(dict.fromkeys(sample.prompt for sample in samples))


def draw_roots(
    puzzles: Sequence[Whole], count: int, *, held_out: Collection[Whole], highest: int = 30, target: int = 24,
    seed: int = 0,
) -> list[Whole]:  # fmt: skip
    """`count` of the wider roots of `list_roots`, drawn evenly, all of them where there are not more, sorted."""
    if not count:
        return []
    _, wider = list_roots(puzzles, held_out=held_out, highest=highest, target=target)
    return sorted(random.Random(f"roots {seed}").sample(wider, min(count, len(wider))))


def list_roots(
    puzzles: Sequence[Whole], *, held_out: Collection[Whole], highest: int = 30, target: int = 24,
    progress: Callable[[Sequence[int]], Iterable[int]] = lambda indices: indices,
) -> tuple[list[Whole], list[Whole]]:  # fmt: skip
    """What training texts begin with: the training puzzles that can be solved, and others that widen them.

    The others are multisets of as many numbers from 1 to `highest`, with one above the puzzles' own largest, that make
    the target without leaving the non-negative integers; none of them is held out. `progress` wraps the indices of all
    multisets that are looked at, such as `tqdm`. Raises ValueError for a held-out
    puzzle among the training puzzles, and where none of those can be solved.
    """
    banned = frozenset(tuple(sorted(puzzle)) for puzzle in held_out)
    leaked = banned.intersection(puzzles)
    if leaked:
        raise ValueError(f"puzzles: {' '.join(map(str, min(leaked)))} is held out and must not be trained on")
    core = [puzzle for puzzle in puzzles if reachable(make_state(puzzle), target)]
    if not core:
        raise ValueError(f"puzzles: none of the {len(puzzles)} can make {target}")
    size, largest = len(puzzles[0]), max(map(max, puzzles))
    if highest <= largest:
        return core, []
    seen = progress(range(math.comb(highest + size - 1, size)))
    wider = [
        root
        for _, root in zip(seen, combinations_with_replacement(range(1, highest + 1), size), strict=True)
        if root[-1] > largest and root not in banned and _solvable(root, target)
    ]
    return core, wider


def list_whole(puzzles: Iterable[Whole], target: int = 24) -> list[Whole]:
    """Those that can be solved within the non-negative integers, as nearly all texts are."""
    return [puzzle for puzzle in puzzles if _solvable(tuple(sorted(puzzle)), target)]


@lru_cache(maxsize=1_000_000)
def _solvable(position: Whole, target: int) -> bool:
    """Whether the target can be made within the non-negative integers."""
    if len(position) == 1:
        return position[0] == target
    if len(position) == 2:  # most calls by far
        a, b = position
        return target in (a + b, b - a, a * b) or (a > 0 and b == target * a)
    return any(_solvable(move[4], target) for move in list_whole_moves(position))


@lru_cache(maxsize=200_000)
def _fractions(position: tuple, target: int) -> tuple[tuple[str, tuple], ...]:
    """The lines that leave a fraction from which the target can be made, each with the position after it."""
    moves = (move for move in legal_steps(make_state(position)) if move[0].result.denominator > 1)
    return tuple((write_line(step, after) + "\n", after) for step, after in moves if reachable(after, target))


def list_choices(position: tuple, target: int = 24) -> Sequence[tuple[str, tuple]]:
    """The lines, each with the position after it, from which a solution's next line is drawn, all equally likely.

    So texts are drawn where nothing but the held-out puzzles themselves is kept out, and no fraction is asked for.
    """
    return _lines(position, target)


@lru_cache(maxsize=200_000)
def _lines(position: tuple, target: int) -> tuple[tuple[str, tuple], ...]:
    """The lines from which a position's next one is drawn, each with the position after it."""
    if all(type(number) is int for number in position) and _solvable(position, target):
        moves = [move for move in list_whole_moves(position) if _solvable(move[4], target)]
        return tuple((f"{a} {sign} {b} = {c} (left: {' '.join(map(str, after))})\n", after)
                     for a, sign, b, c, after in moves)  # fmt: skip
    steps = preferred_steps(make_state(position), target)
    return tuple((write_line(step, after) + "\n", after) for step, after in steps)
