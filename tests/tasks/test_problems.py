"""Problems from puzzles, and the solver's filter by difficulty."""

import pytest

from game24lab.tasks.numbers.arithmetic import measure_difficulty
from game24lab.tasks.numbers.problems import make_problems, pick_by_difficulty
from game24lab.tasks.numbers.puzzles import list_solvable

PUZZLES = list(list_solvable()[::60])


def test_prompts_and_columns():
    (problem,) = make_problems([(4, 5, 6, 10)])
    assert (problem.prompt, dict(problem.columns)) == ("Input: 4 5 6 10\n", {"numbers": [4, 5, 6, 10]})
    with pytest.raises(ValueError, match="0"):
        make_problems([(0, 1, 2, 3)])


def test_difficulty_is_the_share_of_live_first_positions():
    shares = {puzzle: measure_difficulty(puzzle)[1] for puzzle in PUZZLES}
    hard = pick_by_difficulty(PUZZLES, 0.0, 0.2)
    assert hard == [puzzle for puzzle in PUZZLES if shares[puzzle] <= 0.2]
    assert 0 < len(hard) < len(PUZZLES)
    assert pick_by_difficulty(PUZZLES, 0.1, 0.4) == [p for p in PUZZLES if 0.1 <= shares[p] <= 0.4]
    assert pick_by_difficulty(PUZZLES) == PUZZLES


@pytest.mark.parametrize("bounds", [(0.5, 0.4), (-0.1, 1), (0, 1.5), ("0", 1), (0.9999, 0.9999)])
def test_bounds_that_make_no_sense(bounds):
    with pytest.raises(ValueError, match="difficulty must"):
        pick_by_difficulty(PUZZLES, *bounds)
