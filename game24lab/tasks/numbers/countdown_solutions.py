"""Solutions of Countdown to learn from: puzzles without end, and of each puzzle's solutions one drawn evenly.

Of some numbers all targets that they make are known at once (`whole_numbers.count_ways`), so several are asked of the
same numbers: that is what makes a million samples a matter of minutes. It does not know models, tokenizers or training.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Container, Iterator
from typing import Any

from game24lab.runs.checks import require
from game24lab.tasks.numbers.countdown import Countdown
from game24lab.tasks.numbers.countdown_puzzles import Rules, draw_numbers
from game24lab.tasks.numbers.whole_numbers import Move, Whole, count_ways, list_whole_moves
from game24lab.tasks.problems import Progress, Sample

_TARGETS = {3: 48, 4: 48}  # asked of the same numbers, which make a seventh of them; of more numbers all targets
_LARGEST = 999  # of results, which a model has as one token, wherever a solution needs no larger one


def make_countdown_solutions(
    rules: Rules,
    count: int,
    *,
    held_out: Container[Any],
    position_share: float = 0.15,
    opening_share: float = 0.5,
    seed: int = 0,
    progress: Progress = lambda indices: indices,
) -> list[Sample]:
    """`count` solutions, equal for equal arguments; pairs of numbers and a target that they make are equally likely.

    Args:
        held_out: pairs (numbers, target) that no sample begins with or passes through, see `countdown_puzzles.HeldOut`.
        position_share: share of samples that begin inside a solution, five in six after one move, the others after two.
        opening_share: share of the samples that begin with three numbers or more of which only the first line is kept.

    A solution is drawn evenly among all that use every number (sequences of moves); where numbers may be left over it
    ends with the target. ValueError for shares outside 0..1.
    """
    require("samples", count, int, 1)
    for name, share in (("position_share", position_share), ("opening_share", opening_share)):
        require(name, share, float, 0, 1)
    # the seed is hashed with its purpose, never added to an index: neighbouring seeds share nothing
    rng = random.Random(int.from_bytes(hashlib.sha256(f"countdown {seed}".encode()).digest()[:8], "big"))
    drawn, task = _draw_puzzles(rules, held_out, rng), Countdown(use_all=rules.use_all)

    def draw() -> Sample:
        while True:
            numbers, target = next(drawn)
            moves = sample_moves(numbers, target, rules, rng, held_out)
            if moves is None:
                continue
            if rng.random() < position_share:
                skipped = min(1 if rng.random() < 5 / 6 else 2, len(numbers) - 2, len(moves) - 1)
                numbers, moves = (moves[skipped - 1][4], moves[skipped:]) if skipped else (numbers, moves)
            cut = len(numbers) > 2 and len(moves) > 1 and rng.random() < opening_share
            lines = [write_move(move) for move in (moves[:1] if cut else moves)]
            return Sample(task.prompt(numbers, target), "".join(lines), ends=not cut)

    return [draw() for _ in progress(range(count))]


def _draw_puzzles(rules: Rules, held_out: Container[Any], rng: random.Random) -> Iterator[tuple[Whole, int]]:
    """Numbers with targets that they make and that are not held out, without end."""
    targets = rules.list_targets("train")
    while True:
        numbers = draw_numbers(rules, rng.choice(rules.sizes), rng)
        ways = count_ways(numbers, rules.highest)
        for target in rng.sample(targets, min(_TARGETS.get(len(numbers), len(targets)), len(targets))):
            made_already = not rules.use_all and target in numbers
            if target in ways and not made_already and (numbers, target) not in held_out:
                yield numbers, target


def sample_moves(
    numbers: Whole, target: int, rules: Rules, rng: random.Random, held_out: Container[Any]
) -> list[Move] | None:
    """The moves of a solution, drawn evenly among all; None where only held-out positions lead on.

    Moves with a result above 999 are made only where no others lead to the target.
    """
    moves: list[Move] = []
    while len(numbers) > 1 and (rules.use_all or target not in numbers):
        found = [(move, ways) for move in list_whole_moves(numbers)
                 if (ways := count_ways(move[4], rules.highest).get(target))]  # fmt: skip
        found = [pair for pair in found if pair[0][3] <= _LARGEST] or found
        if len(numbers) - 1 in rules.sizes:  # a position that may be a puzzle itself
            found = [pair for pair in found if (pair[0][4], target) not in held_out]
        if not found:
            return None
        (move,) = rng.choices([pair[0] for pair in found], [pair[1] for pair in found])
        moves.append(move)
        numbers = move[4]
    return moves


def write_move(move: Move) -> str:
    """A move as a line with its end, as `steps.write_line` has it."""
    left, sign, right, result, after = move
    return f"{left} {sign} {right} = {result} (left: {' '.join(map(str, after))})\n"
