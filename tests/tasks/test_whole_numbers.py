"""Play within the whole numbers: the two solvers against each other and against brute force, exhaustive where small."""

import random
from functools import cache
from itertools import combinations, combinations_with_replacement

import pytest

from game24lab.tasks.numbers.whole_numbers import can_make, count_ways, list_whole_moves

SMALL = list(combinations_with_replacement(range(1, 9), 3))  # 120
TARGETS = range(1, 41)


def brute(numbers):
    """All ends of all sequences of moves, one entry a sequence: every pair of places, either order, four operators."""
    if len(numbers) == 1:
        return list(numbers)
    ends = []
    for i, j in combinations(range(len(numbers)), 2):
        rest = [number for place, number in enumerate(numbers) if place not in (i, j)]
        low, high = sorted((numbers[i], numbers[j]))
        made = [high + low, high - low, high * low] + ([high // low] if low and high % low == 0 else [])
        for value in made:
            ends += brute((*rest, value))
    return ends


@cache
def list_ends(numbers):
    return frozenset(brute(numbers))


def test_three_small_numbers_make_what_brute_force_says():
    for numbers in SMALL:
        for target in TARGETS:
            assert can_make(numbers, target) == (target in list_ends(numbers)), (numbers, target)
            parts = {part for size in (1, 2, 3) for part in combinations(numbers, size)}
            anyhow = any(target in list_ends(part) for part in parts)
            assert can_make(numbers, target, use_all=False) == anyhow, (numbers, target)


def test_ways_are_as_many_as_brute_force_counts():
    for numbers in combinations(range(1, 11), 3):  # different numbers: a pair of equal ones is listed once
        ends = brute(numbers)
        assert count_ways(numbers, 40) == {value: ends.count(value) for value in set(ends) if value <= 40}


def test_four_numbers_make_what_the_ways_say():
    rng = random.Random(1)
    for _ in range(60):
        numbers = tuple(sorted(rng.randint(1, 99) for _ in range(4)))
        ways = count_ways(numbers, 100)
        for target in rng.sample(range(1, 101), 25):
            assert can_make(numbers, target) == (target in ways), (numbers, target)


@pytest.mark.parametrize(("numbers", "target", "every", "some"), [
    ((2, 3, 7, 8, 50, 75), 837, True, True),  # the television game
    ((25, 50, 75, 100), 100, True, True),
    ((2, 2, 9), 4, False, True),  # 2 + 2, and 9 is left over
    ((3, 3, 8, 8), 24, False, True),  # 8 / (3 - 8 / 3) needs a fraction; 3 * 8 leaves two over
    ((5, 5), 1, True, True),
    ((7,), 7, True, True),
    ((7,), 8, False, False),
    ((2, 4), 0, False, False),
    ((4, 4), 0, True, True),
])  # fmt: skip
def test_known_puzzles(numbers, target, every, some):
    assert can_make(numbers, target) == every
    assert can_make(numbers, target, use_all=False) == some


def test_moves_stay_within_the_whole_numbers_and_lead_where_they_say():
    assert list_whole_moves((0, 6)) == ((6, "+", 0, 6, (6,)), (6, "-", 0, 6, (6,)), (6, "*", 0, 0, (0,)))
    assert [move[1] for move in list_whole_moves((4, 4))] == ["+", "-", "*", "/"]
    for move in list_whole_moves((3, 10, 10, 60)):
        left, sign, right, result, after = move
        assert result == {"+": left + right, "-": left - right, "*": left * right, "/": left // right}[sign] >= 0
        assert sorted((*after, left, right)) == sorted((3, 10, 10, 60, result))
