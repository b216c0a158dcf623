"""Puzzles of Countdown: published rules by their names, what is held out, and problems drawn without end.

A problem depends on rules, side, seed and index alone, by hashing. What is held out depends on none of them: a tenth of
the targets, and of all other puzzles, numbers in whatever order with their target, those whose hash says so. So no
training by any seed or rules has seen what another one asks. It does not know texts, models or files.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Container, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any

from game24lab.runs.checks import require, require_one_of
from game24lab.tasks.numbers.countdown import CountdownProblem
from game24lab.tasks.numbers.puzzles import FEWEST, MOST
from game24lab.tasks.numbers.whole_numbers import can_make

SIDES = ("train", "targets", "puzzles")  # to learn from; with held-out targets; held-out puzzles with other targets
ENDLESS = 100_000  # problems that the training side of a split offers by number
_SHARE = 0.1  # of the puzzles
_TRIES = 100_000  # draws for one problem


@dataclass(frozen=True)
class Rules:
    """What a puzzle is. ValueError for rules that no puzzle can keep."""

    sizes: tuple[int, ...] = (4,)  # how many numbers, each equally likely
    low: int = 1  # of the numbers
    high: int = 99
    lowest: int = 10  # of the targets
    highest: int = 100
    use_all: bool = True  # False: each number at most once, some may be left over
    target_share: float = 0.1  # of the targets are held out, rounded to whole targets

    def __post_init__(self) -> None:
        for size in self.sizes or (0,):
            require("sizes", size, int, FEWEST, MOST)
        require("low", self.low, int, 1)
        require("high", self.high, int, self.low)
        require("lowest", self.lowest, int, 1)
        require("highest", self.highest, int, self.lowest)
        require("target_share", self.target_share, float, 0, 1, below=True)

    @cached_property
    def held_out_targets(self) -> frozenset[int]:
        """The targets that training never names."""
        return frozenset(rank_targets(self.lowest, self.highest)[: round(self.target_share * len(self.targets))])

    @property
    def targets(self) -> range:
        """All targets."""
        return range(self.lowest, self.highest + 1)

    def list_targets(self, side: str) -> list[int]:
        """The targets of a side, see `SIDES`."""
        return [target for target in self.targets if (target in self.held_out_targets) == (side == "targets")]


# Gandhi et al. 2024 (arXiv 2404.03683): four numbers, all used, a tenth of the targets held out. TinyZero's data set
# Countdown-Tasks-3to4 has three or four numbers, each to be used at most once, and holds no target out.
RULES = MappingProxyType({
    "stream_of_search": Rules(),
    "countdown_3to4": Rules(sizes=(3, 4), use_all=False, target_share=0.0),
    **{f"countdown_{size}": Rules(sizes=(size,)) for size in range(FEWEST, MOST + 1)},
})  # fmt: skip


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(f"game24lab countdown {text}".encode()).digest()[:8], "big")


@lru_cache(maxsize=16)
def rank_targets(lowest: int, highest: int) -> tuple[int, ...]:
    """The targets of a range in the order in which they are held out: the first of them first."""
    return tuple(sorted(range(lowest, highest + 1), key=lambda target: _hash(f"target {target}")))


def find_side(rules: Rules, numbers: Sequence[int | Fraction], target: int) -> str:
    """The side of a puzzle or a position, whatever the order of its numbers.

    A position of fewer numbers than any puzzle of the rules is held out by its target alone.
    """
    if target in rules.held_out_targets:
        return "targets"
    if len(numbers) not in rules.sizes:
        return "train"
    name = f"{' '.join(map(str, sorted(numbers)))} -> {target}"
    return "puzzles" if _hash(name) < _SHARE * 2**64 else "train"


def make_problem(
    rules: Rules, side: str, seed: int, index: int, avoid: Container[CountdownProblem] = frozenset()
) -> CountdownProblem:
    """A problem of a side, equal for equal arguments: a target, evenly drawn, and numbers that all together make it.

    None of `avoid` is drawn. ValueError for an unknown side, and where the rules leave it without problems.
    """
    require_one_of("side", side, SIDES)
    rng, targets = random.Random(_hash(f"problem {rules} {side} {seed} {index}")), rules.list_targets(side)
    if not targets:
        raise ValueError(f"target_share {rules.target_share} leaves no targets on the side {side!r}")
    size, target = rng.choice(rules.sizes), rng.choice(targets)
    for _ in range(_TRIES):
        numbers = draw_numbers(rules, size, rng)
        if find_side(rules, numbers, target) != side or (not rules.use_all and target in numbers):
            continue
        problem = CountdownProblem(numbers, target, rules.use_all)
        if problem not in avoid and can_make(numbers, target):
            return problem
    raise ValueError(f"rules {rules}: none of {_TRIES} draws of {size} numbers makes {target} on the side {side}")


def draw_numbers(rules: Rules, size: int, rng: random.Random) -> tuple[int, ...]:
    """Numbers of a puzzle, each drawn evenly, sorted."""
    return tuple(sorted(rng.randint(rules.low, rules.high) for _ in range(size)))


@dataclass(frozen=True)
class Endless(Sequence):
    """The problems of a side by their indices, made when they are asked for."""

    rules: Rules
    side: str = "train"
    seed: int = 0
    count: int = ENDLESS
    avoid: frozenset[CountdownProblem] = frozenset()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(self.count))]
        if not -self.count <= index < self.count:
            raise IndexError(f"index {index} of {self.count} problems")
        return make_problem(self.rules, self.side, self.seed, index % self.count, self.avoid)


@dataclass(frozen=True)
class HeldOut:
    """What training must never see, as a container of pairs (numbers, target)."""

    rules: Rules
    listed: frozenset[CountdownProblem] = frozenset()  # besides, such as the puzzles of a file

    def __contains__(self, position: Any) -> bool:
        numbers, target = position
        if find_side(self.rules, numbers, target) != "train":
            return True
        key = CountdownProblem(tuple(sorted(numbers)), target, self.rules.use_all)
        return bool(self.listed) and key in self.listed


@dataclass(frozen=True)
class CountdownSplit:
    """Training and held-out problems of some rules, as notebooks take those of other number games."""

    name: str  # as it was asked for
    rules: Rules
    held_out: tuple[CountdownProblem, ...]
    seed: int = 0  # of the problems drawn
    listed: frozenset[CountdownProblem] = frozenset()  # puzzles of a file, held out besides
    strict: bool = True  # positions that are held out are kept out wherever they are met, see `find_side`

    @cached_property
    def forbidden(self) -> HeldOut:
        """What training must never see."""
        return HeldOut(self.rules, self.listed)

    @cached_property
    def train(self) -> Sequence[CountdownProblem]:
        """Problems to learn from."""
        return Endless(self.rules, "train", self.seed, avoid=self.listed)

    def is_held_out(self, problem: CountdownProblem) -> bool:
        """Whether a problem, its numbers in any order, must not be learnt from."""
        return (problem.numbers, problem.target) in self.forbidden


def draw_held_out(rules: Rules, count: int, seed: int, sides: Sequence[str]) -> tuple[CountdownProblem, ...]:
    """`count` different held-out problems, sorted, from the sides in turn; ValueError for a count below 1."""
    require("held_out", count, int, 1)
    found: dict[CountdownProblem, None] = {}
    for index in range(50 * count + 100):
        if len(found) == count:
            break
        found[make_problem(rules, sides[index % len(sides)], seed, index)] = None
    if len(found) < count:
        raise ValueError(f"held_out {count}: only {len(found)} different problems were found")
    return tuple(sorted(found))
