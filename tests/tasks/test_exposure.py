"""Exposure: counted by hand on a few samples, nothing in a strict split."""

import pytest

from game24lab.tasks.numbers.exposure import measure_exposure
from game24lab.tasks.numbers.solutions import Sample, make_solutions
from game24lab.tasks.numbers.splits import make_split


def test_positions_that_samples_begin_with_or_show_are_counted():
    samples = [Sample("Input: 5 6 6\n", "6 * 5 = 30 (left: 6 30)\n30 - 6 = 24 (left: 24)\n"),
               Sample("Input: 1 3 8\n", "8 * 3 = 24 (left: 1 24)\n")]  # fmt: skip
    found = measure_exposure([(4, 5, 6, 10)], samples)
    assert (found.samples, found.puzzles, found.begun, found.shown, found.puzzles_begun) == (2, 1, 1, 1, 1)
    assert found.positions >= 2
    assert found.fraction_puzzles == 0
    away = measure_exposure([(4, 5, 6, 10), (3, 3, 8, 8)], samples[1:])
    assert (away.begun, away.puzzles_begun, away.fraction_puzzles, away.fraction_puzzles_begun) == (0, 0, 1, 0)
    passed = measure_exposure([(4, 5, 6, 10)], [Sample("Input: 4 5 6 10\n", "10 - 4 = 6 (left: 5 6 6)\n")])
    assert (passed.begun, passed.shown) == (0, 1)
    assert found.describe()["begun_share"] == 1 / found.positions


def test_a_strict_split_shows_no_live_position_of_three_numbers():
    for name, seen in (("tot+strict", False), ("tot", True)):
        split = make_split(name)
        samples = make_solutions(split.train, 2000, held_out=split.forbidden, fraction_share=0.1, seed=0)
        found = measure_exposure(split.held_out, samples)
        assert (found.begun > 0) == (found.shown > 0) == seen
        assert found.puzzles == 100


def test_puzzles_without_a_solution_are_refused():
    with pytest.raises(ValueError, match="puzzles must hold one that can make 24, got 1 without"):
        measure_exposure([(1, 1, 1, 1)], [])
