"""Play within the non-negative whole numbers: moves, what a position makes and in how many ways.

Positions are sorted tuples of plain `int`, many times as fast as exact fractions: learning from millions of positions
needs that. It does not know puzzles' rules, targets that are asked for, texts or models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

from game24lab.tasks.numbers.arithmetic import list_pairs, wholly_reachable

Whole = tuple[int, ...]  # a sorted position of non-negative integers
Move = tuple[int, str, int, int, Whole]  # left, operator, right, result, position after it


@lru_cache(maxsize=20_000)
def list_whole_moves(position: Whole) -> tuple[Move, ...]:
    """All moves within the non-negative integers, larger operand first, each pair of equal numbers once."""
    found: list[Move] = []
    for small, large, rest in list_pairs(position):
        results = [("+", large + small), ("-", large - small), ("*", large * small)]
        if small and large % small == 0:
            results.append(("/", large // small))
        found += [(large, operator, small, result, tuple(sorted((*rest, result)))) for operator, result in results]
    return tuple(found)


@lru_cache(maxsize=300_000)  # about 150 MB when full
def count_ways(position: Whole, highest: int) -> Mapping[int, int]:
    """What all numbers of a position make, up to `highest`, and by how many sequences of `list_whole_moves` each."""
    if len(position) == 1:
        return {position[0]: 1} if position[0] <= highest else {}
    found: dict[int, int] = {}
    if len(position) == 2:  # most calls by far
        small, large = position
        made = [large + small, large - small, large * small]
        if small and large % small == 0:
            made.append(large // small)
        for value in made:
            if value <= highest:
                found[value] = found.get(value, 0) + 1
        return found
    for move in list_whole_moves(position):
        for value, ways in count_ways(move[4], highest).items():
            found[value] = found.get(value, 0) + ways
    return found


@lru_cache(maxsize=65_536)
def can_make(numbers: tuple[int | Fraction, ...], target: int, use_all: bool = True) -> bool:
    """Whether some numbers, each used once, make a target within the non-negative integers; exact.

    With `use_all` false some of them may be left over. Six numbers take a fraction of a second.
    """
    if use_all:
        return wholly_reachable(numbers, target)
    if any(number.denominator != 1 or number < 0 for number in numbers):
        return False
    parts: Iterable[tuple] = {part for size in range(1, len(numbers) + 1) for part in combinations(numbers, size)}
    return any(wholly_reachable(part, target) for part in sorted(parts, key=lambda part: (len(part), part)))
