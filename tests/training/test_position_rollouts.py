"""Rollouts from positions: shares by the verifier's word, whole solutions, and equal ones for equal seeds."""

import pytest

from game24lab.models.policy import Completion
from game24lab.tasks.numbers.task import Game24
from game24lab.training.found_solutions import check
from game24lab.training.position_rollouts import pick_spots, roll_out

TASK = Game24()
PUZZLE = (4, 5, 6, 10)
FIRST, SECOND, LAST = "10 - 4 = 6 (left: 5 6 6)", "5 * 6 = 30 (left: 6 30)", "30 - 6 = 24 (left: 24)"
WRONG = "30 + 6 = 36 (left: 36)"


class Said:
    """Gives set answers by prompt."""

    def __init__(self, answers):
        self.answers, self.seeds = answers, []

    def generate(self, prompts, n, *, max_tokens, temperature, seeds):
        self.seeds += seeds
        said = (self.answers[prompt][:n] for prompt in prompts)
        return [[Completion(text, (1,) * 5, (0.0,) * 5, "stop") for text in texts] for texts in said]

    def count(self, prompt):
        return 7


def test_a_position_is_told_of_every_answer_that_passed_it():
    policy = Said({"Input: 4 5 6 10\n": [f"{FIRST}\n{SECOND}\n{LAST}\n", f"{FIRST}\n5 * 6 = 31 (left: 6 31)\n"],
                   "Input: 5 6 6\n": [f"{SECOND}\n{LAST}\n", f"{SECOND}\n{WRONG}\n"]})  # fmt: skip
    spots = [("a", ()), ("a", (FIRST,))]
    rolled = roll_out(TASK, {"a": PUZZLE}, policy, spots, 2)
    assert rolled.positions == {
        "Input: 4 5 6 10\n": (2, 1), "Input: 5 6 6\n": (4, 2), "Input: 6 30\n": (3, 2), "Input: 24\n": (2, 2),
        "Input: 36\n": (1, 0),
    }  # fmt: skip
    assert (rolled.prompt_tokens, rolled.sampled_tokens) == (14, 20)
    assert rolled.solutions == {"a": [(FIRST, SECOND, LAST)] * 2}
    assert all(check(TASK, TASK.start(PUZZLE), lines) for lines in rolled.solutions["a"])
    assert len(set(policy.seeds)) == 2, "each spot has a seed of its own"


def test_spots_are_all_problems_and_as_many_reached_positions():
    ways = {f"Input: {number}\n": (f"line {number}",) for number in range(50)}
    reached = {"a": ways, "b": {"Input: 3\n": ("again",)}}
    spots = pick_spots(["a", "b", "c"], reached, 1)
    assert spots[:3] == [("a", ()), ("b", ()), ("c", ())]
    assert len(spots) == len(set(spots)) == 6
    assert pick_spots(["a", "b", "c"], reached, 1) == spots != pick_spots(["a", "b", "c"], reached, 2)
    assert pick_spots(["a"], {}, 1) == [("a", ())]


@pytest.mark.parametrize("samples", [1, 2])
def test_so_many_answers_are_asked_for(samples):
    policy = Said({"Input: 4 5 6 10\n": [f"{FIRST}\n", f"{FIRST}\n"]})
    assert roll_out(TASK, {"a": PUZZLE}, policy, [("a", ())], samples).positions["Input: 4 5 6 10\n"] == (samples, 0)
