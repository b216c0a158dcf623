"""Rollouts from positions: shares by the verifier's word, whole solutions, and nothing but legal lines."""

import pytest

from game24lab.models.load_policy import load_policy
from game24lab.models.locations import find_pretrained
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import follow
from game24lab.training.found_solutions import check
from game24lab.training.position_rollouts import pick_spots, roll_out

TASK = Game24()
PUZZLES = {"4 5 6 10": (4, 5, 6, 10), "3 3 8 8": (3, 3, 8, 8)}
FIRST = "10 - 4 = 6 (left: 5 6 6)"
SPOTS = [("4 5 6 10", ()), ("3 3 8 8", ()), ("4 5 6 10", (FIRST,))]


@pytest.fixture(scope="module")
def policy():
    return load_policy(find_pretrained("policy"), backend="transformers")


def test_positions_are_told_of_every_answer_that_passed_them(policy):
    rolled = roll_out(TASK, PUZZLES, policy, SPOTS, 8, seed=1)
    visits = {text: count for text, (count, _) in rolled.positions.items()}
    assert (visits["Input: 4 5 6 10\n"], visits["Input: 3 3 8 8\n"]) == (8, 8)
    assert visits["Input: 5 6 6\n"] >= 8
    ends = {text: told for text, told in rolled.positions.items() if len(text.split()) == 2}
    assert sum(count for count, _ in ends.values()) == 24, "no rule is broken, so that all answers come to an end"
    assert ends.pop("Input: 24\n") == (told := sum(map(len, rolled.solutions.values())), told)
    assert ends
    assert not any(accepted for _, accepted in ends.values())
    assert all(0 <= accepted <= count for count, accepted in rolled.positions.values())
    assert rolled.sampled_tokens > 24 * 10
    assert 0 < rolled.prompt_tokens < rolled.sampled_tokens


def test_solutions_are_whole_and_verified(policy):
    rolled = roll_out(TASK, PUZZLES, policy, SPOTS, 8, seed=1)
    assert rolled.solutions
    for name, found in rolled.solutions.items():
        assert all(check(TASK, TASK.start(PUZZLES[name]), lines) is not None for lines in found)


def test_first_lines_are_different_and_all_depends_on_the_seed(policy):
    one = roll_out(TASK, PUZZLES, policy, SPOTS[:1], 8, seed=1)
    assert one == roll_out(TASK, PUZZLES, policy, SPOTS[:1], 8, seed=1)
    assert one != roll_out(TASK, PUZZLES, policy, SPOTS[:1], 8, seed=2)
    assert sum(len(text.split()) == 4 for text in one.positions) > 4


def test_legal_lines_are_those_that_the_rules_accept():
    for puzzle in PUZZLES.values():
        state = TASK.start(puzzle)
        afters = {TASK.key(follow(TASK, state, line)[0]) for line in TASK.legal_lines(state)}
        assert afters == {TASK.key(child) for child in TASK.children(state)}


def test_spots_are_half_problems_and_half_reached_positions():
    ways = {f"Input: {number}\n": (f"line {number}",) for number in range(50)}
    spots = pick_spots("abcdefgh", {"a": ways, "b": {"Input: 3\n": ("again",)}}, 8, 1)
    assert [way == () for _, way in spots] == [True] * 4 + [False] * 4
    assert len(set(spots)) == 8
    assert spots == pick_spots("abcdefgh", {"a": ways, "b": {"Input: 3\n": ("again",)}}, 8, 1)
    assert len(pick_spots("ab", {"a": ways}, 8, 1)) == 8
    assert sorted(pick_spots("ab", {}, 8, 1)) == [("a", ()), ("b", ())]
