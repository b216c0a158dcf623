"""Number games in foreign files: told from other problems, graded by the exact verifier, whatever stands behind `=`."""

import json
from fractions import Fraction

import numpy as np
import pytest

from game24lab.routing.completion_files import find_answer, read_completion_files
from game24lab.routing.games import Game, find_game, find_solution, name_solution, solves
from game24lab.routing.table import read_table

TOT = ("Use numbers and basic arithmetic operations (+ - * /) to obtain 24.\nInput: 4 4 6 8\nSteps:\n...\n"
       "Input: 4 5 6 10\nSteps:\n")  # fmt: skip
COUNTDOWN = "Using the numbers [44, 19, 35], create an equation that equals 98. You can use basic operations."
SHOWN = Game((4, 5, 6, 10), 24)


@pytest.mark.parametrize(
    ("row", "game"),
    [
        ({"problem": "4 5 6 10", "answer": "24"}, SHOWN),
        ({"problem": "10, 4, 5, 6", "answer": 24}, SHOWN),
        ({"problem": "[4, 5, 6, 10]", "answer": "24.0"}, SHOWN),
        ({"problem": "4 5 6 10", "answer": "(10 - 4) * 5 - 6"}, SHOWN),
        ({"problem": "4 5 6 10", "answer": "(10 - 4) * 5 - 6 = 24"}, SHOWN),
        ({"problem": "4 5 6 10", "answer": "25"}, Game((4, 5, 6, 10), 25)),
        ({"problem": "4 5 6 10", "answer": "x", "target": 25}, Game((4, 5, 6, 10), 25)),
        ({"problem": TOT, "answer": "24"}, SHOWN),
        ({"problem": "Input: 4 5 6 10 Target: 25", "answer": "24"}, Game((4, 5, 6, 10), 25)),
        ({"problem": COUNTDOWN, "answer": "98"}, Game((19, 35, 44), 98)),
        ({"problem": "Reach the target.", "nums": [44, 19, 35], "target": 98}, Game((19, 35, 44), 98)),
        ({"problem": "Reach the target.", "numbers": [4, 5, 6, 10], "answer": "24"}, SHOWN),
        ({"problem": "What is $1+1$?", "answer": "2"}, None),
        ({"problem": "What is the mean of 4, 5, 6 and 10?", "answer": "6.25"}, None),
        ({"problem": "1 2", "answer": "3"}, None),
        ({"problem": "12", "answer": "12"}, None),
        ({"problem": "Input: x y z", "answer": "12"}, None),
        ({"problem": "The numbers [a, b]", "numbers": "several", "answer": "12"}, None),
    ],
)
def test_games_are_told_from_other_problems(row, game):
    assert find_game(row) == game


@pytest.mark.parametrize("answer", ["", "many", "(10 - 4) * 5", "23.5", "99999999"])
def test_a_game_without_a_target_is_named(answer):
    with pytest.raises(ValueError, match="answer of the puzzle 4 5 6 10 must be"):
        find_game({"problem": "4 5 6 10", "answer": answer})


RIGHT = "(10 - 4) * 5 - 6"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("<answer>(10 - 6) * (4 + 5) = 24</answer>", False),  # it is 36
        ("<answer>(10 - 6) * (4 + 5)</answer>", False),
        ("<answer>24</answer>", False), ("\\boxed{24}", False), ("#### 24", False), ("24", False), ("", False),
        ("<answer>6 * 4 = 24</answer>", False), ("\\boxed{10 + 4 + 5 * 2 = 24}", False), ("I cannot", False),
        (f"<answer>{RIGHT} = 24</answer>", True), (f"<answer>{RIGHT}</answer>", True),
        (f"<answer>{RIGHT} = 25</answer>", False),
        (f"\\boxed{{{RIGHT}}}", True), (f"so $\\boxed{{{RIGHT} = 24}}$.", True), (f"#### {RIGHT}", True),
        (f"The answer is {RIGHT} = 24", True), (f"Answer: {RIGHT} = 24", True),
        ("\\boxed{(10-4)\\times 5-6}", True), ("\\boxed{5(10-4)-6}", True),
        (f"So ${RIGHT} = \\boxed{{24}}$", True), ("So (10-4) \\times 5-6=\\boxed{24}.", True),
        ("So (10 - 6) * (4 + 5) = \\boxed{24}", False), ("So 6 * 4 = \\boxed{24}", False),
        ("10 - 4 = 6 (left: 5 6 6)\n5 * 6 = 30 (left: 6 30)\n30 - 6 = 24 (left: 24)\n"
         f"The answer is {RIGHT} = 24\n", True),
    ],
)  # fmt: skip
def test_the_verifier_grades_and_not_the_number_behind_the_equals_sign(text, right):
    assert solves(SHOWN, find_solution(SHOWN, text, find_answer(text))) is right


def test_votes_are_values_of_the_same_numbers():
    right = name_solution(RIGHT)
    assert right == name_solution("$5(10-4) - 6 = 24$") == (Fraction(24), (4, 5, 6, 10))
    others = [name_solution(text) for text in ("(10 - 6) * (4 + 5) = 24", "6 * 4 = 24", "24", "no solution", None)]
    assert len({right, *others}) == 6


def write(tmp_path, *rows):
    path = tmp_path / "best_of_n_completions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_completions_of_the_game_are_graded_by_the_game(tmp_path):
    """As in search-and-learn's columns, where the answer of every puzzle is 24."""
    texts = ["<answer>(10 - 6) * (4 + 5) = 24</answer>", f"<answer>{RIGHT} = 24</answer>", "\\boxed{24}"]
    row = {"problem": "4 5 6 10", "answer": "24", "completions": texts, "pred": "x"}
    write(tmp_path, row, row | {"problem": "10 6 5 3", "pred": texts[1]},
          {"problem": "What is 20 + 4?", "answer": "24",
          "completions": ["\\boxed{24}"] * 3, "pred": "\\boxed{24}"})  # fmt: skip
    (sheet,) = read_completion_files(tmp_path, progress=False)
    game, other, sum_ = sheet.rows.values()
    assert (game["correct"], game["solved"]) == ([False, True, False], False)
    assert (other["correct"], other["solved"]) == ([False, False, False], False)
    assert (sum_["correct"], sum_["solved"]) == ([True, True, True], True)
    assert len(set(game["ballots"])) == 3


def test_a_pred_that_is_no_completion_is_graded_by_the_game_too(tmp_path):
    row = {"problem": "4 5 6 10", "answer": "24", "completions": ["\\boxed{24}"], "pred": RIGHT}
    write(tmp_path, row, row | {"problem": "1 2 3 4", "pred": "24"})
    (sheet,) = read_completion_files(tmp_path, progress=False)
    assert [one["solved"] for one in sheet.rows.values()] == [True, False]
    assert [one["correct"] for one in sheet.rows.values()] == [[False], [False]]


def test_a_game_whose_target_nobody_knows_is_refused(tmp_path):
    path = write(tmp_path, {"problem": "4 5 6 10", "answer": "none", "completions": ["24"], "pred": "24"})
    with pytest.raises(ValueError, match=rf"{path.name}, line 1: answer of the puzzle 4 5 6 10"):
        read_table(tmp_path, np.random.default_rng(0), progress=False)


def test_a_judge_of_ones_own_is_asked_instead(tmp_path):
    write(tmp_path, {"problem": "4 5 6 10", "answer": "24", "completions": ["\\boxed{24}", RIGHT], "pred": "x"})
    (sheet,) = read_completion_files(tmp_path, judge=lambda answer, gold: answer == gold, progress=False)
    assert next(iter(sheet.rows.values()))["correct"] == [True, False]
