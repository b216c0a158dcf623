"""The Game of 24 as a Task: what the model is shown, which lines move the game, who has solved it."""

import pickle
import random

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.tasks.numbers.arithmetic import check_expression, legal_steps
from game24lab.tasks.numbers.countdown import Countdown
from game24lab.tasks.numbers.prompts import TSLLM_PREAMBLE
from game24lab.tasks.numbers.puzzles import NumberProblem, read_problem
from game24lab.tasks.numbers.steps import write_line
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import Illegal, follow

SOLUTION = "12 / 3 = 4 (left: 2 4 4)\n4 + 2 = 6 (left: 4 6)\n4 * 6 = 24 (left: 24)\n"


def test_the_prompt_shows_a_position_as_a_puzzle_of_its_own():
    task = Game24()
    state = task.start((12, 2, 4, 3))
    assert task.text(state) == "Input: 2 3 4 12\n"
    assert task.text(task.step(state, "12 / 3 = 4 (left: 2 4 4)")) == "Input: 2 4 4\n"
    assert task.text(task.step(task.start((3, 3, 8, 8)), "8 / 3 = 8/3")) == "Input: 8/3 3 8\n"
    assert task.text(task.start(NumberProblem((2, 3, 4, 12), 30))) == "Input: 2 3 4 12 Target: 30\n"


def test_the_prompt_with_history_is_that_of_ts_llm():
    task = Game24(context="history", preamble=TSLLM_PREAMBLE)
    state, stopped = follow(task, task.start((2, 3, 4, 12)), "12 / 3 = 4\n4 + 2 = 6 (left: 4 6)")
    assert stopped is None
    sentence, numbers, *lines = task.text(state).split("\n")
    assert "to obtain 24." in sentence
    assert numbers == "Input: 2 3 4 12"
    assert lines == ["12 / 3 = 4 (left: 2 4 4)", "4 + 2 = 6 (left: 4 6)", ""]
    braces = Game24(preamble="{a set} to {target}: {}\n")
    assert braces.text(braces.start((24, 1, 1))) == "{a set} to 24: {}\nInput: 1 1 24\n"


def test_a_solution_is_followed_and_its_expression_composed():
    task = Game24()
    state, stopped = follow(task, task.start((2, 3, 4, 12)), SOLUTION)
    assert stopped is None
    assert task.is_terminal(state)
    verdict = task.verdict(state)
    assert (verdict.solved, verdict.outcome, verdict.reason) == (True, "solved", "makes 24")
    assert check_expression((2, 3, 4, 12), verdict.answer).accepted
    assert task.expression(state) == verdict.answer


@pytest.mark.parametrize(
    ("text", "outcome", "reason", "stopped"),
    [
        ("", "unfinished", "4 numbers are left", None),
        ("12 / 3 = 4 (left: 2 4 4)", "unfinished", "3 numbers are left", None),
        ("12 / 3 = 4\n4 + 2 = 6\n6 + 4 = 10", "wrong value", "makes 10, not 24", None),
        ("12 / 3 = 5 (left: 2 4 5)\n", "unfinished", "4 numbers are left", "12 / 3 is 4, not 5"),
        (SOLUTION + "24 - 0 = 24", "solved", "makes 24", "the game has ended: one number is left"),
        ("12 / 3 = 4\x0b4 + 2 = 6\n", "unfinished", "4 numbers are left", "not of the form `a + b = c (left: ...)`"),
    ],
)
def test_verdicts(text, outcome, reason, stopped):
    task = Game24()
    state, illegal = follow(task, task.start((2, 3, 4, 12)), text)
    verdict = task.verdict(state)
    assert (verdict.outcome, verdict.reason, verdict.solved) == (outcome, reason, outcome == "solved")
    assert (illegal and illegal.reason) == stopped


@pytest.mark.parametrize("prefix", ["The answer is ", "Answer: ", "**Answer:** ", "answer: ", "The final answer is: "])
def test_answer_lines_of_foreign_checkpoints_are_checked(prefix):
    task = Game24()
    end, _ = follow(task, task.start((2, 3, 4, 12)), SOLUTION)
    answered = task.step(end, prefix + "(12 / 3 + 2) * 4 = 24")
    assert task.verdict(answered).solved
    assert task.step(answered, prefix + "(12 / 3 + 2) * 4 = 24") == Illegal(
        "the game has ended: the answer has been given"
    )
    assert task.step(end, prefix + "6 * 4 = 24").reason.startswith("answer line: wrong numbers")
    assert task.step(end, prefix + "(12 / 3 + 2) * 4 = 25") == Illegal("answer line: the right-hand side is not 24")
    assert task.step(task.start((2, 3, 4, 12)), prefix + "(12 / 3 + 2) * 4 = 24") == Illegal(
        "answer line, but the moves have left 2 3 4 12"
    )


def test_equal_numbers_left_are_the_same_position():
    task = Game24()
    one, _ = follow(task, task.start((2, 3, 4, 12)), "12 / 3 = 4")
    other, _ = follow(task, task.start((2, 2, 2, 4)), "2 + 2 = 4")
    assert task.key(one) == task.key(other)
    assert task.text(one) == task.text(other)
    assert one != other
    assert pickle.loads(pickle.dumps(one)) == one


def test_truth_is_the_solvers_word():
    task = Game24()
    assert task.truth(task.start((3, 3, 8, 8)))
    assert not task.truth(task.start((1, 1, 1, 1)))
    assert task.truth(task.start(NumberProblem((1, 1, 1, 1), 4)))
    assert task.truth(task.step(task.start((3, 3, 8, 8)), "8 / 3 = 8/3"))
    assert not task.truth(task.step(task.start((3, 3, 8, 8)), "8 * 3 = 24"))


@pytest.mark.parametrize("target", [24, 10, -3])
def test_random_play_of_any_count_is_legal_and_exact(target):
    task, rng = Game24(), random.Random(target)
    for count in (3, 4, 5, 6):
        for _ in range(20):
            numbers = tuple(sorted(rng.randint(1, 13) for _ in range(count)))
            state = task.start(NumberProblem(numbers, target))
            while not task.is_terminal(state):
                state = task.step(state, write_line(*rng.choice(legal_steps(state.left))))
                assert not isinstance(state, Illegal)
            verdict = task.verdict(state)
            assert verdict.solved == check_expression(state.numbers, verdict.answer, target).accepted
            assert verdict.solved == task.truth(state)


@given(st.text(max_size=200))
@settings(deadline=None, max_examples=100)
def test_no_text_makes_the_task_raise(text):
    task = Game24()
    state, _ = follow(task, task.start((1, 2, 3, 4)), text)
    assert task.verdict(state).outcome in ("solved", "wrong value", "unfinished")


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ((), "must have 1 to 6 numbers, got 0"),
        ((1, 2, 3, 4, 5, 6, 7), "must have 1 to 6 numbers, got 7"),
        ((1, 2, 3, 0), "0 is no integer from 1 to 999999"),
        ((1, 2, 3, -4), "-4 is no integer"),
        ((1, 2, 3, 10**6), "1000000 is no integer"),
        ((1, 2, 3, 4.0), r"4\.0 is no integer"),
        ((1, 2, 3, True), "True is no integer"),
        ("4 5 x", "'x' is no integer"),
    ],
)
def test_bad_problems_say_what_is_wrong(problem, message):
    with pytest.raises(ValueError, match=message):
        Game24().start(problem)


def test_numbers_of_tables_are_taken():
    state = Game24().start(numpy.array([4, 5, 6, 10]))
    assert state.numbers == (4, 5, 6, 10)
    assert {type(number) for number in state.numbers} == {int}


@pytest.mark.parametrize("target", ["24", 24.0, True, 10**7])
def test_bad_targets_are_named(target):
    with pytest.raises(ValueError, match="target must be an integer up to 999999"):
        NumberProblem((1, 2, 3), target)


def test_a_bad_context_is_named():
    with pytest.raises(ValueError, match="context must be"):
        Game24(context="all")


def test_a_problem_carries_its_target():
    task, problem = Game24(), read_problem("4 5 6 10 -> 36")
    assert (str(problem), problem) == ("4 5 6 10 -> 36", NumberProblem((4, 5, 6, 10), 36))
    assert str(read_problem([10, 4, 6, 5])) == "4 5 6 10"
    assert read_problem(str(problem), 36) == problem
    state = task.start(problem)
    assert task.read(task.text(state)) == state
    assert task.key(state) != task.key(task.start(problem.numbers))
    for line in ("10 - 4 = 6", "6 * 6 = 36", "36 * 5 = 180"):
        state = task.step(state, line)
    assert task.verdict(state).reason == "makes 180, not 36"
    for bad, named in (("1 2 3 -> x", "an integer must follow ->"), (7, "numbers must be .* got 7"),
                       ("1 2 y", "'y' is no integer")):  # fmt: skip
        with pytest.raises(ValueError, match=named):
            read_problem(bad)
    with pytest.raises(ValueError, match="must have one target"):
        read_problem("1 2 3 -> 4", 5)


def test_answers_are_one_calculation_whatever_the_order_of_moves_and_terms():
    def play(*lines):
        task = Game24()
        state = task.start((4, 5, 6, 10))
        for line in lines:
            state = task.step(state, line)
        return task.calculation(state)

    one = play("6 + 4 = 10", "10 - 5 = 5", "5 + 10 = 15")
    assert one == play("4 + 6 = 10", "10 - 5 = 5", "10 + 5 = 15") == play("10 - 5 = 5", "6 + 4 = 10", "5 + 10 = 15")
    assert one != play("6 + 4 = 10", "5 - 10 = -5", "-5 + 10 = 5")
    assert play() == ()


FRAME = "<user>Make {target}, as in Input: 1 2 Target: 3\n{puzzle}<end>\n<assistant>\n"


@pytest.mark.parametrize("task", [
    Game24(), Game24(preamble="Make {target}.\n"), Game24(context="history"), Game24(preamble=TSLLM_PREAMBLE),
    Game24(preamble=FRAME), Game24("history", FRAME), Countdown(preamble=FRAME),
])  # fmt: skip
@pytest.mark.parametrize("target", [24, 36, -5])
def test_a_text_shows_its_position(task, target):
    if isinstance(task, Countdown):
        if target < 1:
            return
        state = task.start(NumberProblem((3, 3, 8, 8), target))
        assert task.read(task.text(state)).left == state.left
        assert task.text(state).startswith(f"<user>Make {target}, as in")
        return
    state = task.start(NumberProblem((3, 3, 8, 8), target))
    for line in ("8 / 3 = 8/3", "3 - 8/3 = 1/3", "8 - 1/3 = 23/3"):
        seen = task.read(task.text(state))
        assert (task.key(seen), task.text(seen)) == (task.key(state), task.text(state))
        state = task.step(state, line)
    assert task.read(task.text(state)).left == state.left


def test_a_puzzle_may_stand_within_a_frame():
    task = Game24("history", FRAME)
    state, _ = follow(task, task.start((3, 3, 8, 8)), "8 / 3 = 8/3")
    shown = task.text(state)
    assert shown == ("<user>Make 24, as in Input: 1 2 Target: 3\nInput: 3 3 8 8<end>\n<assistant>\n"
                     "8 / 3 = 8/3 (left: 8/3 3 8)\n")  # fmt: skip
    assert task.undress(shown) == "Input: 3 3 8 8\n8 / 3 = 8/3 (left: 8/3 3 8)\n"
    assert task.dress(task.undress(shown)) == shown
    world = task.believe()
    chain, _ = follow(world, world.start((3, 3, 8, 8)), "8 / 3 = 2 (left: 2 3 8)\n2 * 3 = 6 (left: 6 8)")
    assert world.text(chain).startswith(shown.partition("8 / 3")[0])
    assert world.read(world.text(chain)) == chain
    for text in (task.undress(shown), shown.replace("Make 24", "Make 25"), "<user>"):
        with pytest.raises(ValueError, match="text must show a puzzle as"):
            task.read(text)


FOREIGN = ["", "4 5 6 10\n", "Input: 4 5 6 10", "Input: 10 4\n", "Input: 04 5\n", "Input: 1/0 4\n", "Input: 1e9 4\n",
           "Input: 2/4 4\n", "Input: 4 5 Target: 24\n", "Input: 4 5 Target: 030\n", "Input: <b>\n",
           "Input: 4 5\n4 + 5 = 9 (left: 9)\n", "Input: 1" + " 1" * 3000]  # fmt: skip


@pytest.mark.parametrize("text", FOREIGN)
def test_other_texts_show_none(text):
    with pytest.raises(ValueError, match="show a position"):
        Game24().read(text)


@pytest.mark.parametrize("text", ["Input: 1/2 4\n", "Input: 4 5\n4 + 5 = 10\n", "Input: 4 5\n4 + 5 = 9\n"])
def test_histories_are_checked_line_by_line(text):
    with pytest.raises(ValueError, match="show a position"):
        Game24(context="history").read(text)


def test_children_are_the_positions_one_move_further():
    task = Game24()
    state = task.start((6, 6, 6, 6))
    assert [task.label(child) for child in task.children(state)] == ["6 6 12", "0 6 6", "6 6 36", "1 6 6"]
    assert all(len(child.steps) == 1 for child in task.children(state))
    assert task.children(task.start((24,))) == ()
