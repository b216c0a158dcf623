"""The rules of Countdown: moves, ends, answers, the model's word, and the truth of positions, by brute force.

Puzzles and splits are in test_countdown_puzzles.py, learning and searching in test_countdown_environment.py.
"""

import random
from fractions import Fraction
from itertools import combinations_with_replacement

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.tasks.numbers.arithmetic import parse_expression
from game24lab.tasks.numbers.belief import FAULTS
from game24lab.tasks.numbers.chains import judge_chain
from game24lab.tasks.numbers.countdown import Countdown, CountdownProblem, check_countdown
from game24lab.tasks.numbers.puzzles import NumberProblem
from game24lab.tasks.task import Illegal, follow

ALL, SOME = Countdown(), Countdown(use_all=False)
PROBLEM = NumberProblem((3, 7, 25, 50), 81)


def test_every_prompt_names_its_target():
    assert ALL.text(ALL.start(PROBLEM)) == "Input: 3 7 25 50 Target: 81\n"
    assert ALL.prompt((4, 5, 6, 10), 24) == "Input: 4 5 6 10 Target: 24\n"
    assert ALL.text(ALL.start("3 7 25 50 -> 81")) == ALL.prompt(PROBLEM)


@pytest.mark.parametrize(("line", "wanted"), [
    ("50 + 25 = 75 (left: 3 7 75)", "3 7 75"),
    ("50 / 25 = 2", "2 3 7"),
    ("7 - 7 = 0", "7 and 7 are not both among"),
    ("7 / 3 = 7/3 (left: 7/3 25 50)", "7 / 3 makes 7/3: a result must be a whole number of at least 0"),
    ("3 - 7 = -4 (left: -4 25 50)", "3 - 7 makes -4: a result must be a whole number of at least 0"),
    ("50 + 25 = 76", "50 + 25 is 75, not 76"),
    ("nothing", "not of the form"),
])  # fmt: skip
@pytest.mark.parametrize("task", [ALL, SOME])
def test_a_line_makes_a_move_or_is_refused(task, line, wanted):
    after = task.step(task.start(PROBLEM), line)
    if isinstance(after, Illegal):
        assert after.reason.startswith(wanted)
    else:
        assert task.label(after) == wanted


def play(task, problem, *lines):
    state, stopped = follow(task, task.start(problem), "\n".join(lines))
    assert stopped is None
    return state


def test_a_game_ends_with_one_number_or_with_the_target_where_numbers_may_be_left_over():
    lines = ("50 + 25 = 75", "75 + 7 = 82", "82 - 3 = 79")
    for task in (ALL, SOME):
        state = play(task, PROBLEM, *lines)
        verdict = task.verdict(state)
        assert (task.is_terminal(state), verdict.solved, verdict.outcome) == (True, False, "wrong value")
        assert task.children(state) == ()
    early = NumberProblem((3, 7, 25, 50), 82)
    state = play(SOME, early, *lines[:2])
    assert SOME.is_terminal(state)
    assert SOME.verdict(state).answer == SOME.expression(state) == "50 + 25 + 7"
    assert isinstance(SOME.step(state, lines[2]), Illegal)
    assert "the target is made" in SOME.step(state, lines[2]).reason
    assert not ALL.is_terminal(play(ALL, early, *lines[:2]))


def test_what_was_not_needed_is_left_out_of_an_answer():
    problem = NumberProblem((2, 3, 5, 7, 11), 12)
    state = play(SOME, problem, "3 + 2 = 5", "11 * 7 = 77", "5 + 5 = 10")
    assert not SOME.is_terminal(state)
    assert SOME.expression(state) == "3 + 2 = 5, 11 * 7 = 77, 5 + 5 = 10"
    state = play(SOME, problem, "11 * 7 = 77", "5 * 2 = 10", "10 + 3 = 13")
    assert not SOME.truth(state)
    state = play(SOME, problem, "11 - 3 = 8", "7 - 5 = 2", "8 + 2 = 10", "10 + 2 = 12")
    value, used = parse_expression(SOME.verdict(state).answer)
    assert (value, SOME.verdict(state).solved) == (12, True)
    assert not set(used) - {2, 3, 5, 7, 11}


@given(st.lists(st.integers(1, 20), min_size=2, max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_answers_of_games_are_right_by_the_verifier(numbers, rng):
    """Play at random to a number that was made, and ask for that number."""
    free = ALL.start(NumberProblem(tuple(sorted(numbers)), 999_999))
    path = [free]
    while not ALL.is_terminal(path[-1]) and (children := ALL.children(path[-1])):
        path.append(rng.choice(children))
    made = [int(state.steps[-1].result) for state in path[1:] if state.steps[-1].result >= 1]
    for target in made:
        state = SOME.start(NumberProblem(tuple(sorted(numbers)), target))
        for step in path[-1].steps:
            if SOME.is_terminal(state):
                break
            state = SOME.step(state, f"{step.left} {step.operator} {step.right} = {step.result}")
        verdict = SOME.verdict(state)
        assert verdict.solved
        assert check_countdown(numbers, verdict.answer, target, use_all=False).accepted
        assert ALL.verdict(path[-1]).solved == check_countdown(numbers, ALL.verdict(path[-1]).answer, 999_999).accepted


def reaches(task, state):
    if task.is_terminal(state):
        return task.verdict(state).solved
    return any(reaches(task, child) for child in task.children(state))


@pytest.mark.parametrize("task", [ALL, SOME])
def test_truth_is_what_playing_all_moves_says(task):
    for numbers in combinations_with_replacement(range(1, 6), 3):
        for target in (*range(1, 13), 20, 60):
            state = task.start(NumberProblem(numbers, target))
            assert task.truth(state) == reaches(task, state), (numbers, target)
    rng = random.Random(3)
    for _ in range(4):
        state = task.start(NumberProblem(tuple(sorted(rng.randint(1, 30) for _ in range(4))), rng.randint(10, 60)))
        assert task.truth(state) == reaches(task, state)


def test_live_lines_are_the_legal_ones_that_keep_the_target_within_reach():
    for task in (ALL, SOME):
        state = task.start(NumberProblem((2, 3, 5, 8), 21))
        lines = task.live_lines(state)
        assert lines
        for line, after in lines:
            assert task.step(state, line) == after
            assert task.truth(after)
        behind = {after.left for _, after in lines}
        assert behind == {child.left for child in task.children(state) if task.truth(child)}
        assert task.live_lines(task.start_at((Fraction(21),), 21)) == ()


def test_reasons_are_given():
    told = ALL.explain(ALL.start(NumberProblem((3, 7, 25, 50), 79)))
    assert told.startswith("79 is within reach: ")
    assert check_countdown(PROBLEM.numbers, told.partition(": ")[2], 79).accepted
    assert ALL.explain(ALL.start(PROBLEM)).startswith("81 is out of reach: the exact solver finds no way")
    assert "out of reach" in ALL.explain(ALL.start(NumberProblem((3, 3, 8, 8), 24)))
    assert SOME.explain(SOME.start(NumberProblem((3, 3, 8, 8), 24))) == "24 is within reach: 8 * 3 = 24"
    assert ALL.explain(ALL.start_at((Fraction(7),), 8)) == "7 is left, not 8"
    assert ALL.explain(ALL.start_at((Fraction(8),), 8)) == "8 is made"


def test_a_position_is_its_numbers_with_their_target():
    one, two = (ALL.start(NumberProblem((4, 5, 6, 10), target)) for target in (24, 36))
    assert ALL.key(one) != ALL.key(two)
    assert ALL.key(one)[1] == 24
    assert ALL.shows(one, {((4, 5, 6, 10), 24)})
    assert not ALL.shows(two, {((4, 5, 6, 10), 24)})
    for state in (one, two, ALL.step(two, "10 - 4 = 6")):
        read = ALL.read(ALL.text(state))
        assert (ALL.key(read), ALL.truth(read)) == (ALL.key(state), ALL.truth(state))
    with pytest.raises(ValueError, match="must show a position of this game"):
        ALL.read("Input: 4 5 6 10\n")
    history = Countdown(context="history")
    state = history.step(history.start(PROBLEM), "50 + 25 = 75")
    assert history.read(history.text(state)) == state


@pytest.mark.parametrize(("problem", "named"), [
    (NumberProblem((3, 7, 25), 0), "target of a Countdown must be an integer >= 1, got 0"),
    (NumberProblem((3, 7, 25), -5), "must be an integer >= 1, got -5"),
    ("3 -7 25 -> 81", "'-7' is no integer from 1"),
    ("3 7 25 -> 8.5", "an integer must follow ->"),
    ([1] * 7, "got 7"),
])  # fmt: skip
def test_bad_problems_are_named(problem, named):
    with pytest.raises(ValueError, match=named) as error:
        ALL.start(problem)
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------------------------------------------- answers
@pytest.mark.parametrize(("answer", "every", "some"), [
    ("50 + 25 + 7 - 3", False, False),  # 79
    ("50 + 25 + 3 * 7", False, False),  # 96
    ("(50 - 25) * 3 + 7 - 1", False, False),
    ("25 * 3 + 7", False, False),  # 82
    ("50 + 25 + 7", False, False),
    ("50 + 3 * 7 + 10", False, False),
    ("7 * 3 + 50 + 25", False, False),
])  # fmt: skip
def test_wrong_answers_are_refused(answer, every, some):
    assert check_countdown(PROBLEM.numbers, answer, 81).accepted == every
    assert check_countdown(PROBLEM.numbers, answer, 81, use_all=False).accepted == some


@pytest.mark.parametrize(("numbers", "answer", "target", "every", "some"), [
    ((2, 3, 4), "2 * 3 * 4", 24, True, True),
    ((2, 3, 4), r"$2 \times 3 \times 4 = 24$", 24, True, True),
    ((2, 3, 4, 9), "2 * 3 * 4", 24, False, True),
    ((5, 8, 10), "5 - 8 + 10", 7, True, True),  # the order of terms is free: 10 + 5 - 8
    ((5, 8, 10), "(5 - 8) + 10", 7, False, False),  # made on the way: -3
    ((3, 6, 8), "3 / 6 * 8", 4, True, True),  # 3 * 8 / 6
    ((3, 6, 8), "(3 / 6) * 8", 4, False, False),
    ((3, 3, 8, 8), "8 / (3 - 8 / 3)", 24, False, False),
    ((2, 3, 4), "2 * 3 * 4 * 1", 24, False, False),
    ((2, 3, 4), "4 * 3 * 2 = 25", 24, False, False),
    ((24, 3), "24", 24, False, True),
    ((2, 3), "2 ** 3", 8, False, False),
    ((2, 3), "", 6, False, False),
])  # fmt: skip
def test_answers_keep_the_rules(numbers, answer, target, every, some):
    assert check_countdown(numbers, answer, target).accepted == every
    assert check_countdown(numbers, answer, target, use_all=False).accepted == some


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_the_judges(text):
    assert not check_countdown((5, 7, 9), text, 777, use_all=False).accepted
    assert isinstance(SOME.step(SOME.start(PROBLEM), text), Illegal)
    assert not judge_chain(CountdownProblem((5, 7, 9), 777), text).solved


def test_chains_of_thought_are_judged_by_the_rules():
    text = "7 - 5 = 2 (left: 2 9)\n9 * 2 = 18 (left: 18)\nreach 18! expression: 9 * (7 - 5)\n"
    assert judge_chain(CountdownProblem((5, 7, 9), 18), text).solved
    fraction = "8 / 3 = 8/3 (left: 3 8/3 8)\n"
    assert judge_chain(NumberProblem((3, 3, 8, 8)), fraction).lines[0].right
    (line,) = judge_chain(CountdownProblem((3, 3, 8, 8), 24), fraction).lines
    assert (line.right, "whole number" in line.reason) == (False, True)
    over = "5 + 7 = 12 (left: 9 12)\nreach 12! expression: 5 + 7\n"
    assert judge_chain(CountdownProblem((5, 7, 9), 12, use_all=False), over).solved
    assert not judge_chain(CountdownProblem((5, 7, 9), 12), over).solved


# ---------------------------------------------------------------------------------------------- the model's word
@pytest.mark.parametrize(("lines", "end"), [
    (("50 + 25 = 75 (left: 3 7 75)", "75 + 7 = 82 (left: 3 82)", "82 - 3 = 79 (left: 79)"), "wrong value"),
    (("50 + 25 = 85 (left: 3 7 85)", "85 - 7 = 78 (left: 3 78)", "78 + 3 = 81 (left: 81)"), "calculation"),
    (("7 / 3 = 7/3 (left: 7/3 25 50)",), "rule"),
    (("50 + 25 = 75 (left: 7 75)",), "left list"),
    (("50 + 2 = 52 (left: 7 25 52)",), "invented number"),
    (("81 / 1 = 81 (left: 81)",), "invented number"),
    (("50 + 25 = 75 (left: 3 7 75)",), "unfinished"),
])  # fmt: skip
def test_a_chain_at_the_models_word_is_named_afterwards(lines, end):
    world = ALL.believe()
    state, stopped = follow(world, world.start(PROBLEM), "\n".join(lines))
    assert stopped is None
    assert world.name_end(state) == end
    assert end in (*FAULTS, "unfinished")
    assert world.read(world.text(state)) == state
    assert world.prompt_of(state) == ALL.prompt(state.left, 81)


def test_chains_of_other_targets_are_other_positions():
    world = ALL.believe()
    one, two = (world.start(NumberProblem((4, 5, 6, 10), target)) for target in (24, 36))
    assert world.key(one) != world.key(two)
    assert world.shows(one, {((4, 5, 6, 10), 24)})
    assert not world.shows(two, {((4, 5, 6, 10), 24)})
    after = world.step(two, "10 - 4 = 6 (left: 5 6 6)")
    assert world.shows(after, {((5, 6, 6), 36)})


def test_a_chain_may_leave_numbers_over_where_the_rules_say_so():
    world = SOME.believe()
    state, _ = follow(world, world.start(NumberProblem((3, 7, 25, 50), 75)), "50 + 25 = 75 (left: 3 7 75)")
    assert world.is_terminal(state)
    assert world.verdict(state).solved
    assert world.name_end(state) == "right"
    assert world.start(NumberProblem((1, 2), 3)).left == (Fraction(1), Fraction(2))
