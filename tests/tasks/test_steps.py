"""Solution traces: what is written is judged legal, what is not legal is refused with a reason, samples solve."""

import random
import time
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.tasks.numbers.arithmetic import apply, legal_steps, make_state, reachable, wholly_reachable
from game24lab.tasks.numbers.puzzles import list_solvable, read_problem
from game24lab.tasks.numbers.steps import judge_line, preferred_steps, sample_solution, write_line, write_solution
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import follow

patient = settings(deadline=None, max_examples=60)  # other work may share the machine


def test_the_written_format_is_that_of_ts_llm():
    state = make_state((2, 3, 4, 12))
    step, after = judge_line(state, "12 / 3 = 4")
    assert write_line(step, after) == "12 / 3 = 4 (left: 2 4 4)"
    fraction, after = judge_line(make_state((3, 3, 8, 8)), "8 / 3 = 8/3")
    assert write_line(fraction, after) == "8 / 3 = 8/3 (left: 8/3 3 8)"
    negative, after = judge_line(make_state((3, 8)), "3 - 8 = -5")
    assert write_line(negative, after) == "3 - 8 = -5 (left: -5)"


@pytest.mark.parametrize(
    ("numbers", "line", "reason"),
    [
        ((1, 1, 4, 6), "6 * 4 = 25 (left: 25 1 1)", "6 * 4 is 24, not 25"),  # llm-reasoners adopts it
        ((1, 1, 4, 6), "6 * 4 = 24 (left: 1 24)", "the numbers left are 1 1 24, not 1 24"),
        ((1, 1, 4, 6), "6 * 4 = 24 (left: 1 1 1 24)", "the numbers left are 1 1 24, not 1 1 1 24"),
        ((1, 1, 4, 6), "6 * 5 = 30 (left: 1 1 30)", "6 and 5 are not both among the numbers left, 1 1 4 6"),
        ((1, 1, 4, 6), "6 * 6 = 36 (left: 1 1 4 36)", "6 and 6 are not both among the numbers left, 1 1 4 6"),
        ((1, 0, 4), "4 / 0 = 0 (left: 0 1)", "division by zero"),
        ((3, 8), "8 / 3 = 2.67 (left: 2.67)", "8 / 3 is 8/3, not 267/100"),
        ((1, 4), "1 / 4 = 0.3", "1 / 4 is 1/4, not 3/10"),
        ((1, 4, 6), "1 / 4 = 0.25 (left: 0.3 6)", "the numbers left are 1/4 6, not 0.3 6"),
        ((1, 4), "1 / 4 = 00.25", "not of the form `a + b = c (left: ...)`"),
        ((1, 4), "1 / 4 = 0.25.0", "not of the form `a + b = c (left: ...)`"),
        ((1, 4), "1 / 4 = 0.2/0.8", "not of the form `a + b = c (left: ...)`"),
        ((1, 4), "1 / 4 = 2.5e-1", "not of the form `a + b = c (left: ...)`"),
        ((1, 4), "1 / 4 = 0,25", "not of the form `a + b = c (left: ...)`"),
        ((1, 4), "1 / 4 = 0." + "3" * 41, "not of the form `a + b = c (left: ...)`"),
        ((3, 8), "8 / 3 = 2 (left: 2)", "8 / 3 is 8/3, not 2"),
        ((3, 8), "8/3 = 8/3 (left: 8/3)", "not of the form `a + b = c (left: ...)`"),
        ((3, 8), "3 + 8 = 11/0", "not of the form `a + b = c (left: ...)`"),
        ((3, 8), "3 * 8 = 24 (left: )", "not of the form `a + b = c (left: ...)`"),
        ((3, 8), "3 * 08 = 24 (left: 24)", "not of the form `a + b = c (left: ...)`"),
        ((3, 8), "٣ * 8 = 24 (left: 24)", "not of the form `a + b = c (left: ...)`"),
        ((3, 8), "3 * 8 = 24 (left: 24) and more", "not of the form `a + b = c (left: ...)`"),
        ((3, 8), "3 * 8 = 24" + " " * 300 + "(left: 24)", "a line of 320 characters: at most 300 are read"),
        ((3, 8), "3 * 8 = " + "9" * 100, "not of the form `a + b = c (left: ...)`"),
        ((3, 8), "3 ** 8 = 6561", "not of the form `a + b = c (left: ...)`"),
        ((3, 8), "", "not of the form `a + b = c (left: ...)`"),
        ((3, 8), "The answer is 3 * 8 = 24", "not of the form `a + b = c (left: ...)`"),
    ],
)
def test_illegal_lines_are_refused_with_a_reason(numbers, line, reason):
    assert judge_line(make_state(numbers), line) == reason


@pytest.mark.parametrize(
    "line",
    ["8 / 3 = 8/3 (left: 8/3 3 8)", "8 / 3 = 8/3 (left: 8 3 8/3)", "8 / 3 = 8/3", "  8 / 3 = 16/6 (left: 3 8 16/6)\r"],
)
def test_the_state_after_a_legal_line_is_computed(line):
    step, after = judge_line(make_state((3, 3, 8, 8)), line)
    assert after == (Fraction(8, 3), 3, 8)
    assert step.result == Fraction(8, 3)


@pytest.mark.parametrize("line", ["1 / 4 = 0.25 (left: 0.25 1 6)", "1.0 / 4.00 = .25 (left: 6.0 0.250 1)",
                                  "1 / 4 = 0.25", "1 / 4 = 1/4 (left: 0.25 1 6)"])  # fmt: skip
def test_an_exact_decimal_is_that_number(line):
    step, after = judge_line(make_state((1, 1, 4, 6)), line)
    assert (step.result, after) == (Fraction(1, 4), (Fraction(1, 4), 1, 6))
    assert write_line(step, after) == "1 / 4 = 1/4 (left: 1/4 1 6)"
    assert judge_line(after, "1 - 0.25 = 0.75 (left: 0.75 6)")[1] == (Fraction(3, 4), 6)
    assert judge_line(make_state((2, 3)), "2 - 3 = -1.0")[1] == (-1,)


@given(st.lists(st.fractions(-30, 30, max_denominator=9), min_size=2, max_size=6))
@patient
def test_what_is_written_is_judged_legal(numbers):
    state = make_state(numbers)
    for step, after in legal_steps(state):
        assert judge_line(state, write_line(step, after)) == (step, after)
        assert judge_line(state, write_line(step, after).partition(" (")[0]) == (step, after)


@given(st.text(st.sampled_from("0123456789+-*/()= :left.\n") | st.characters(), max_size=60))
@settings(deadline=None, max_examples=300)
def test_no_text_makes_the_judge_raise(text):
    judged = judge_line(make_state((1, 2, 3, 4)), text)
    assert isinstance(judged, str) or len(judged[1]) == 3


number = st.sampled_from(
    ["1", "2", "3", "4", "5", "6", "7", "12", "0", "-1", "1/2", "2/0", "24", "0.5", "2.0", "-.5", "0.33"]
)


@given(number, st.sampled_from("+-*/"), number, number, st.none() | st.lists(number, max_size=4))
@settings(deadline=None, max_examples=400)
def test_no_line_in_the_right_form_is_accepted_that_is_not_exact(left, operator, right, result, rest):
    line = f"{left} {operator} {right} = {result}" + ("" if rest is None else f" (left: {' '.join(rest)})")
    judged = judge_line(make_state((1, 2, 3, 4)), line)
    if not isinstance(judged, str):
        step, after = judged
        assert apply(Fraction(left), operator, Fraction(right)) == Fraction(result) == step.result
        assert (step, after) in legal_steps(make_state((1, 2, 3, 4))) or operator in "+*"  # either order of operands
        assert rest is None or sorted(map(Fraction, rest)) == list(after)


def test_a_solution_that_does_not_fit_is_not_written():
    step, _ = judge_line(make_state((3, 8)), "3 * 8 = 24")
    with pytest.raises(ValueError, match="uses a number that is not among 1 2 3 4"):
        write_solution((1, 2, 3, 4), [step])


def test_every_sampled_solution_solves():
    rng, task = random.Random(0), Game24()
    for puzzle in list_solvable():
        steps = sample_solution(puzzle, rng)
        state, stopped = follow(task, task.start(puzzle), "\n".join(write_solution(puzzle, steps)))
        assert stopped is None
        assert task.verdict(state).solved
        whole = all(step.result.denominator == 1 and step.result >= 0 for step in steps)
        assert whole == wholly_reachable(make_state(puzzle))


@given(st.lists(st.integers(1, 20), min_size=3, max_size=6), st.integers(-5, 100), st.integers(0, 2**32))
@patient
def test_samples_for_other_counts_and_targets_solve(numbers, target, seed):
    task = Game24()
    steps = sample_solution(numbers, random.Random(seed), target)
    assert (steps is not None) == reachable(make_state(numbers), target)
    if steps is not None:
        state, stopped = follow(
            task, task.start(read_problem(numbers, target)), "\n".join(write_solution(numbers, steps))
        )
        assert stopped is None
        assert task.verdict(state).solved


def test_samples_are_reproducible_spread_evenly_and_prefer_whole_numbers():
    state = make_state((4, 5, 6, 10))
    first = Counter(sample_solution(state, random.Random(seed))[0] for seed in range(2_000))
    moves = [step for step, _ in preferred_steps(state)]
    assert set(first) == set(moves)
    assert min(first.values()) > 0.7 * 2_000 / len(moves)
    assert all(after[0] >= 0 and all(n.denominator == 1 for n in after) for _, after in preferred_steps(state))
    assert sample_solution(state, random.Random(7)) == sample_solution((10, 6, 5, 4), random.Random(7))
    assert sample_solution((1, 1, 1, 1), random.Random(0)) is None
    assert sample_solution((3, 3, 8, 8), random.Random(0))[0].result == Fraction(8, 3)


def test_samples_never_pass_through_what_they_must_avoid():
    rng, numbers = random.Random(0), (1, 4, 5, 6, 10)
    through = {after for step, after in preferred_steps(make_state(numbers))}
    assert (4, 5, 6, 10) in through
    avoid = frozenset([(4, 5, 6, 10)])
    for _ in range(300):
        lines = write_solution(numbers, sample_solution(numbers, rng, avoid=avoid))
        assert not lines[0].endswith("(left: 4 5 6 10)")
    assert sample_solution(numbers, rng, avoid=through) is None


def test_sampling_is_fast():
    """Hundreds of thousands in seconds: moves are looked up, not found anew. The bound has room for busy machines."""
    rng, began = random.Random(0), time.process_time()
    for _ in range(10_000):
        sample_solution((4, 5, 6, 10), rng)
    assert time.process_time() - began < 2
