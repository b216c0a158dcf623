"""Parts: cut between puzzles, in the shares asked for, the same in whatever order problems come."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.routing.splits import PARTS, check_parts, name_group, split_problems
from game24lab.tasks.numbers.puzzles import list_solvable, write_puzzle

PROBLEMS = [write_puzzle(puzzle) for puzzle in list_solvable()[:200]]


def test_shares_and_order():
    parts = split_problems(PROBLEMS, np.random.default_rng(0))
    assert parts.value_counts().to_dict() == pytest.approx(
        {"train": 100, "test": 50, "calibration": 30, "stopping": 20}, abs=2
    )
    again = split_problems(PROBLEMS[::-1], np.random.default_rng(0))
    assert again.sort_index().equals(parts.sort_index())
    assert not split_problems(PROBLEMS, np.random.default_rng(1)).equals(parts)
    check_parts(parts)


def test_all_spellings_of_a_puzzle_go_together():
    rng = np.random.default_rng(0)
    spelled = [" ".join(rng.permutation(problem.split())) for problem in PROBLEMS for _ in range(3)]
    parts = split_problems(spelled, rng)
    assert list(parts.index) == list(dict.fromkeys(spelled))
    check_parts(parts)
    assert parts.groupby([str(name_group(problem)) for problem in parts.index]).nunique().max() == 1


def test_word_problems_are_their_text():
    parts = split_problems(["How much is 4 + 5?", "How  much is 4 + 5?", "a", "b", "c"], np.random.default_rng(0))
    assert parts.iloc[0] == parts.iloc[1]
    assert set(parts) == set(PARTS)


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(4, 40),
    shares=st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda shares: sum(shares) > 0.01),
)
def test_every_wanted_part_gets_a_puzzle(count, shares):
    parts = split_problems(PROBLEMS[:count], np.random.default_rng(0), shares)
    assert len(parts) == count
    assert set(parts) == {part for part, share in zip(PARTS, shares, strict=True) if share}


@pytest.mark.parametrize(
    ("problems", "shares", "told"),
    [
        (PROBLEMS[:3], (1, 1, 1, 1), "at least one puzzle for each of 4 parts, got 3"),
        (["4 5 6 10", "10 6 5 4"], (1, 0, 0, 1), "each of 2 parts, got 1"),
        ([], (1, 0, 0, 0), "each of 1 parts, got 0"),
        (PROBLEMS, (1, 1, 1), "share of test must be a number >= 0, got None"),
        (PROBLEMS, {"validation": 1}, "'validation'"),
        (PROBLEMS, (1, 1, 1, -1), "share of test must be a number >= 0, got -1"),
        (PROBLEMS, (1, 1, 1, float("nan")), "share of test must be a number >= 0, got nan"),
        (PROBLEMS, (1, 1, 1, True), "share of test must be a number >= 0, got True"),
        (PROBLEMS, (0, 0, 0, 0), "not all 0"),
    ],
)
def test_bad_shares(problems, shares, told):
    with pytest.raises(ValueError, match=told):
        split_problems(problems, np.random.default_rng(0), shares)


def test_a_puzzle_in_two_parts_is_named():
    with pytest.raises(ValueError, match="'10 6 5 4' must be in one part, got 'test', and as '4 5 6 10' 'train'"):
        check_parts({"4 5 6 10": "train", "1 2 3 4": "test", "10 6 5 4": "test"})
    with pytest.raises(ValueError, match=r"part of '4 5 6 10' must be one of train"):
        check_parts(pd.Series({"4 5 6 10": "valid"}))
