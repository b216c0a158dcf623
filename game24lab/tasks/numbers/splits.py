"""Splits: which puzzles are for training and which are held out, always by multiset.

No unseen puzzle exists inside 1..13: every split cuts the same 1,362. Extra training roots (larger numbers, other
counts, other targets) are drawn here too, and are never a held-out multiset, not even with another target.

A held-out puzzle is not seen, but positions behind it may be: a training puzzle can leave the same three numbers. A
strict split keeps out of training every position of three or more numbers that any legal moves reach from a held-out
puzzle. Positions of two numbers stay: 4 and 6, 3 and 8 and so on lie behind held-out puzzles, and without them nothing
could be learnt. This module does not know of models, training or results.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from game24lab.tasks.numbers.arithmetic import State, legal_steps, make_state, reachable
from game24lab.tasks.numbers.puzzles import (
    Puzzle,
    check_numbers,
    count_puzzles,
    list_solvable,
    read_puzzles,
    write_puzzle,
)
from game24lab.tasks.numbers.rankings import TOT_RANKS, TSLLM_RANKS, list_published

# The published hold-outs by rank of human difficulty; the last is for those who report both and train on neither.
_PUBLISHED = {"tot": (TOT_RANKS,), "tsllm": (TSLLM_RANKS,), "tot+tsllm": (TOT_RANKS, TSLLM_RANKS)}
SPLITS = ("random", *_PUBLISHED)
STRICT = "+strict"  # behind the name of a split
_FEWEST = 3  # numbers of a position that a strict split keeps out of training


@dataclass(frozen=True)
class Split:
    """Training and held-out puzzles, both sorted. ValueError on construction where a puzzle is on both sides.

    Pickles, and goes through JSON: `Split(**json.loads(json.dumps(dataclasses.asdict(split)))) == split`.
    """

    name: str  # one of SPLITS, or the path of the file of held-out puzzles; with STRICT behind it a strict one
    train: tuple[Puzzle, ...]
    held_out: tuple[Puzzle, ...]
    seed: int = 0  # matters to "random" only

    def __post_init__(self) -> None:
        for side in ("train", "held_out"):
            object.__setattr__(self, side, tuple(sorted({check_numbers(puzzle) for puzzle in getattr(self, side)})))
        leak = set(self.held_out).intersection(self.train)
        if leak:
            raise ValueError(f"split {self.name}: {write_puzzle(min(leak))} is both held out and for training")

    @property
    def strict(self) -> bool:
        """Whether the positions behind held-out puzzles are kept out of training too."""
        return self.name.endswith(STRICT)

    @cached_property
    def forbidden(self) -> frozenset[State]:
        """What training must never see: the held-out puzzles and, in a strict split, the positions behind them.

        Sorted tuples of whole numbers or `Fraction`; either kind can be looked up.
        """
        return frozenset(self.held_out) | (list_behind(self.held_out) if self.strict else frozenset())

    def is_held_out(self, numbers: Iterable[int]) -> bool:
        """Whether these numbers, in any order and with any target, are a held-out puzzle."""
        return tuple(sorted(numbers)) in frozenset(self.held_out)


def keeps_apart(made: str, wanted: str) -> bool:
    """Whether a training under the split `made` saw nothing that the split `wanted` keeps out, by their names.

    Splits drawn at random are told apart by seeds that their names do not hold.
    """
    if wanted.endswith(STRICT) and not made.endswith(STRICT):
        return False
    base, other = made.removesuffix(STRICT), wanted.removesuffix(STRICT)
    return base == other or set(_PUBLISHED.get(other, (other,))) <= set(_PUBLISHED.get(base, ()))


def list_behind(puzzles: Iterable[Puzzle], fewest: int = _FEWEST) -> frozenset[State]:
    """Every position of at least `fewest` numbers that legal moves reach from some puzzles, alive or dead, exactly."""
    found: set[State] = set()
    waiting = [make_state(puzzle) for puzzle in puzzles]
    while waiting:
        state = waiting.pop()
        if len(state) <= fewest:
            continue
        new = {after for _, after in legal_steps(state)} - found
        found |= new
        waiting += new
    return frozenset(found)


def pick_held_out(split: Split, count: int) -> tuple[Puzzle, ...]:
    """`count` held-out puzzles drawn evenly by the split's seed, sorted; all of them where there are not more.

    ValueError for a count below 1.
    """
    if count < 1:
        raise ValueError(f"held_out {count}: at least one puzzle is needed")
    rng = random.Random(f"pick {split.seed}")
    return tuple(sorted(rng.sample(split.held_out, min(count, len(split.held_out)))))


def pick_train(split: Split, count: int) -> tuple[Puzzle, ...]:
    """`count` training puzzles drawn evenly by the split's seed, sorted; all of them for 0 or where there are not more.

    ValueError for a count below 0.
    """
    if count < 0:
        raise ValueError(f"puzzles must be an integer >= 0, got {count}; 0 is all of them")
    rng = random.Random(f"pick train {split.seed}")
    return tuple(sorted(rng.sample(split.train, min(count or len(split.train), len(split.train)))))


def make_split(name: str = "tot", *, seed: int = 0, share: float = 0.1) -> Split:
    """The solvable puzzles over 1..13, divided.

    Args:
        name: `tot` holds out the published ranks 901-1000, `tsllm` ranks 1001-1362, `tot+tsllm` both, `random` a
            `share` of all; anything else is the path of a file of puzzles to hold out, read by `read_puzzles`. With
            `+strict` behind it, such as `tot+tsllm+strict`, training sees no position behind a held-out puzzle either.
        seed: of `random`. A puzzle's side depends on the hash of seed and puzzle alone, not on its position.
        share: of `random`, between 0 and 1; the number held out differs from it by chance.

    Raises ValueError for an unknown name or share, and for files with a wrong line or a puzzle that cannot make 24.
    """
    base = name.removesuffix(STRICT)
    if base in _PUBLISHED:
        held_out = [puzzle for ranks in _PUBLISHED[base] for puzzle in list_published(*ranks)]
    elif base == "random":
        if not (isinstance(share, float) and 0 < share < 1):
            raise ValueError(f"share must be a number between 0 and 1, got {share!r}")
        held_out = [puzzle for puzzle in list_solvable() if _draw(seed, puzzle) < share]
    else:
        if not Path(base).is_file():
            raise ValueError(f"split must be one of {', '.join(SPLITS)} or the path of a file of puzzles, with or "
                             f"without {STRICT} behind it, got {name!r}")  # fmt: skip
        held_out = read_puzzles(base)
        for puzzle in held_out:
            if not reachable(make_state(puzzle)):
                raise ValueError(f"split {name}: {write_puzzle(puzzle)} cannot make 24, it cannot be held out")
    chosen = frozenset(held_out)
    return Split(name, tuple(puzzle for puzzle in list_solvable() if puzzle not in chosen), tuple(chosen), seed)


def _draw(seed: int, puzzle: Puzzle) -> float:
    digest = hashlib.sha256(f"{seed}: {write_puzzle(puzzle)}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def sample_roots(
    rng: random.Random,
    count: int,
    low: int = 1,
    high: int = 30,
    size: int = 4,
    exclude: Collection[Puzzle] = frozenset(),
    target: int = 24,
) -> tuple[Puzzle, ...]:
    """`count` different multisets of `size` numbers from `low` to `high` that can make the target, for training.

    Never one of `exclude`, the held-out multisets: give the same ones whatever the target. A root of five or six
    numbers may still lead to a held-out position: sample its solutions with `avoid=exclude`. Numbers are drawn evenly,
    one by one. ValueError where there are not that many, or where they are too rare to be found by drawing.
    """
    total = count_puzzles(size, low, high)
    if not 0 <= count <= total:
        raise ValueError(f"count {count}: {size} numbers in {low}..{high} make {total} multisets")
    banned = frozenset(tuple(sorted(puzzle)) for puzzle in exclude)
    found: dict[Puzzle, None] = {}
    seen: set[Puzzle] = set()
    tries = 50 * count + 10_000
    while len(found) < count and tries > 0:
        tries -= 1
        root = tuple(sorted(rng.randint(low, high) for _ in range(size)))
        if root in seen or root in banned:
            continue
        seen.add(root)
        if reachable(make_state(root), target):
            found[root] = None
    if len(found) < count:
        raise ValueError(f"count {count}: only {len(found)} roots of {low}..{high} that make {target} were found")
    return tuple(found)
