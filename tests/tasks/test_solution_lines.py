"""Solutions that are their own answer: right moves to one number are an answer, all else is left as it was written."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.models.policy import Completion
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.chains import judge_chain, write_chain
from game24lab.tasks.numbers.judge import judge_answer
from game24lab.tasks.numbers.preference_pairs import make_pair, make_pairs, tell_style
from game24lab.tasks.numbers.puzzles import NumberProblem, list_solvable, read_problem
from game24lab.tasks.numbers.search_traces import search_in_order
from game24lab.tasks.numbers.solution_lines import STYLE, add_answer, drop_answer
from game24lab.tasks.numbers.steps import sample_solution, write_solution
from game24lab.tasks.rewards import score

WRONG = "12 + 2 = 14 (left: 3 5 14)\n14 + 3 = 17 (left: 5 17)\n17 + 5 = 22 (left: 22)\n"
RIGHT = "12 * 2 = 24 (left: 3 5 24)\n5 - 3 = 2 (left: 2 24)\n"  # two numbers are left


def write(numbers, seed=0):
    return "".join(f"{line}\n" for line in write_solution(numbers, sample_solution(numbers, random.Random(seed))))


def answer(text, finish="stop"):
    return Completion(text, (1,) * 9, (-0.1,) * 9, finish)


def test_every_puzzle_s_solution_is_its_own_answer():
    for numbers in list_solvable():
        text = write(numbers)
        whole = add_answer(numbers, text)
        assert whole.startswith(text)
        judged = judge_chain(numbers, whole)
        assert (judged.solved, judged.share_right) == (True, 1.0), text
        assert add_answer(numbers, whole) == whole
        assert drop_answer(24, whole.splitlines(keepends=True)) == text.splitlines(keepends=True)
        assert add_answer(numbers, text.rstrip("\n")) == whole


@pytest.mark.parametrize("text", [RIGHT, "", "\n", "nonsense", RIGHT + "24 + 2 = 27 (left: 27)\n",
                                  "12 * 2 = 24 (left: 3 5 24)\n\n5 - 3 = 2 (left: 2 24)\n"])  # fmt: skip
def test_what_is_no_whole_solution_is_left_alone(text):
    assert add_answer((2, 3, 5, 12), text) == text


@given(st.text(max_size=200))
@settings(deadline=None)
def test_no_text_makes_it_raise_or_is_taken_for_a_solution(text):
    assert add_answer((2, 3, 5, 12), text) == text


def test_chains_are_left_alone():
    for numbers in random.Random(0).sample(list_solvable(), 40):
        for style in ("sound", "v1", "v2", "v3", "solution"):
            text = write_chain(numbers, search_in_order(numbers, random.Random(0)), style)
            assert add_answer(numbers, text) == text


def test_a_row_says_that_the_moves_were_the_answer():
    problem, text = read_problem("2 3 5 12"), write((2, 3, 5, 12))
    plain, taken = judge_answer(problem, answer(text)), judge_answer(problem, answer(text), moves_answer=True)
    assert (plain["outcome"], plain["solved"], plain["style"]) == ("unfinished", False, "solution")
    assert (taken["outcome"], taken["solved"], taken["style"]) == ("solved", True, STYLE)
    assert (taken["text"], taken["lines"], taken["share_right"]) == (text, 3, 1.0)
    assert taken["answer"]
    assert judge_answer(problem, answer(text, "length"), moves_answer=True)["outcome"] == "unfinished"
    assert judge_answer(problem, answer(WRONG), moves_answer=True)["outcome"] == "wrong value"
    assert judge_answer(problem, answer(RIGHT), moves_answer=True)["outcome"] == "unfinished"


def test_the_environment_takes_them_where_it_is_told_to():
    chains, lines = open_environment(held_out=2), open_environment(held_out=2, answers="lines")
    text, problem = write((2, 3, 5, 12)), NumberProblem((2, 3, 5, 12), 24)
    assert not chains.judge(problem, answer(text))["solved"]
    assert lines.judge(problem, answer(text))["solved"]
    (before,), (after,) = (score(one.rewards, [problem], [text]) for one in (chains, lines))
    assert (before["output"], after["output"]) == (0.0, 1.0)
    assert (after["process"], after["length"]) == (1.0, 1.0)
    (wrong,) = score(lines.rewards, [problem], [WRONG])
    assert wrong["output"] == 0.0
    with pytest.raises(ValueError, match="answers must be one of"):
        open_environment(answers="words")


@pytest.mark.parametrize(("rules", "numbers", "target", "text", "solved"), [
    ("stream_of_search", (3, 7, 25, 50), 79,
     "50 + 25 = 75 (left: 3 7 75)\n7 - 3 = 4 (left: 4 75)\n75 + 4 = 79 (left: 79)\n", True),
    ("stream_of_search", (3, 7, 25, 50), 82, "50 + 25 = 75 (left: 3 7 75)\n75 + 7 = 82 (left: 3 82)\n", False),
    ("countdown_3to4", (3, 7, 25, 50), 82, "50 + 25 = 75 (left: 3 7 75)\n75 + 7 = 82 (left: 3 82)\n", True),
    ("countdown_3to4", (3, 7, 25, 50), 75, "7 - 3 = 4 (left: 4 25 50)\n50 + 25 = 75 (left: 4 75)\n", True),
    ("countdown_3to4", (3, 7, 25, 50), 75, "50 + 25 = 75 (left: 3 7 75)\n7 - 3 = 4 (left: 4 75)\n", False),
    ("stream_of_search", (3, 3, 8, 8), 24,
     "8 / 3 = 8/3 (left: 8/3 3 8)\n3 - 8/3 = 1/3 (left: 1/3 8)\n8 / 1/3 = 24 (left: 24)\n", False),
])  # fmt: skip
def test_moves_of_countdown_are_an_answer_by_its_rules(rules, numbers, target, text, solved):
    chains, lines = (open_environment("countdown", split=rules, held_out=1, answers=how) for how in ("chains", "lines"))
    problem = lines.know(NumberProblem(numbers, target))
    assert not chains.judge(problem, answer(text))["solved"]
    assert lines.judge(problem, answer(text))["solved"] == solved
    assert (add_answer(problem, text) != text) == solved
    assert [one["output"] for one in score(lines.rewards, [problem], [text])] == [float(solved)]
    with pytest.raises(ValueError, match="answers must be one of"):
        open_environment("countdown", answers="words")


def test_pairs_have_no_answer_line_on_either_side():
    numbers = (2, 3, 5, 12)
    assert make_pair(numbers, write(numbers), random.Random(0), style=STYLE) is None
    (pair,) = make_pairs([(numbers, WRONG, True)], style=STYLE)
    assert pair.rejected == WRONG
    assert "reach" not in pair.chosen
    assert pair.chosen_ends
    assert judge_chain(numbers, add_answer(numbers, pair.chosen)).solved
    (begun,) = make_pairs([(numbers, RIGHT, True)], style=STYLE)
    assert begun.fault in ("dead end", "no answer")
    kept = begun.prompt.partition("\n")[2]
    assert judge_chain(numbers, add_answer(numbers, kept + begun.chosen)).solved


@pytest.mark.parametrize(
    ("styles", "style"),
    [(["lines"] * 3 + ["solution"], "lines"), (["solution"] * 3, "solution"),
     (["sound"] * 2 + ["solution"] * 9, "sound"), (["lines"] * 40 + ["v2"], "lines"),
     (["v3"] * 4 + ["v2"] * 2, "v3"), ([], "solution"), (["other"], "solution")],
)  # fmt: skip
def test_the_style_is_told_by_most_of_the_chains(styles, style):
    assert tell_style(styles) == style
