"""Rules, solver and verifier: an adversarial table, then all 1,820 puzzles against an independent brute force."""

import random
import re
import time
from fractions import Fraction
from functools import cache
from itertools import combinations_with_replacement, permutations
from statistics import mean, median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.tasks.numbers.arithmetic import (
    ExpressionError,
    Step,
    alive_steps,
    check_expression,
    compose,
    count_solutions,
    legal_steps,
    make_state,
    measure_difficulty,
    parse_expression,
    reachable,
    solutions,
    wholly_reachable,
    write_step,
)

PUZZLES = tuple(combinations_with_replacement(range(1, 14), 4))
# Exactly these need a fraction on the way; integer-only states and rounded decimals fail on them.
FRACTIONAL = [
    (1, 3, 4, 6), (1, 4, 5, 6), (1, 5, 5, 5), (1, 6, 6, 8), (1, 8, 12, 12), (2, 2, 11, 11), (2, 2, 13, 13),
    (2, 3, 5, 12), (2, 4, 10, 10), (2, 5, 5, 10), (2, 7, 7, 10), (3, 3, 7, 7), (3, 3, 8, 8), (4, 4, 7, 7),
    (5, 5, 7, 11), (5, 7, 7, 11),
]  # fmt: skip
patient = settings(deadline=None, max_examples=60)  # other work may share the machine


# What published verifiers accept or crash on, see their sources: Tree of Thoughts and TS-LLM (digits by regex, then
# sympy, right-hand side ignored), reasoning-gym (numbers never compared, int()), LLM4Game24 (eval), allow-lists of
# Python's own syntax tree, str.isdigit, recursive parsers.
REJECTED = [(numbers, text) for numbers, texts in {
    (1, 1, 1, 4): ["4!*1*1*1"],
    (1, 2, 3, 3): ["2**3*3*1"],
    (4, 5, 7, 8): ["4+5+7+8 = 99", "4+5+7+8 = 24 = 24"],
    (1, 2, 3, 4): ["6+6+6+6", "12*(3-4/4)", "1*2*3*4*1", "1*2*3*4.0", "1*2*12", "1*2*34", "2*3*4", "1+2+3+4",
        "1*2*3*4 = 24.0", "1*2*3*4 = 20 + 4", "1*2*3*4 =", "24 = 1*2*3*4", "(1+2+3)*4 = 2 4", "(1+2+3)*4 = 2\t4",
        "(1+2+3)*4 = 2\n4", "(1+2+3)*4 = 2\u00a04", "(1+2+3)*4 = − 24", "(1+2+3)*4 = 24.", "1*2*3*4 == 24",
        "+1*2*3*4", "-1*-2*3*4", "(-1)*(-2)*3*4", "1*2*3*04", "1*2*3*4 = 024", "1*2*3(4)", "(1*2)(3*4)", "1 2 3 4",
        "(1*2*3*4", "1*2*3*4)", "1*2*3*4*", "()", "1*2*3*4\n*1", "1*2*3*4 # = 24", "1*2*3*4; 24", "1*2,3*4",
        "4//1*3*2", "1^2*3*4", "1/0"],
    (2, 9, 10, 10): ["10+10+9/2"],
    (24,): ["0x18", "0X18", "0b11000", "2_4", "24e0", "True*24", "24.0", "24j", "²⁴", "٢٤", "２４", "x", "", " \t\n",
        "=", "9**9**9", "9" * 900, "(" * 300 + "24" + ")" * 300, "(" * 60 + "24" + ")" * 60, "(" * 900,
        "-" * 100_000 + "24", "-" * 900 + "24", "1*" * 100_000 + "24", "9*" * 400 + "9", "24\x00", "\ud800",
        "__import__('os').system('true')"],
    (1, 1): ["1e1"],
    (2, 12): ["²*12"],
    (3, 8): ["٣*8"],
    (1, 1, 12, 12): ["12/(1-1)+12"],
    (1, 1, 24): ["24/(1-1)"],
}.items() for text in texts]  # fmt: skip
ACCEPTED = [
    ((3, 3, 8, 8), "8/(3-8/3)"), ((1, 2, 3, 4), "(1+2+3)*4 = 24"), ((4, 3, 2, 1), " ( 1 +2+ 3)\t*4=24 \n"),
    ((1, 2, 3, 4), "((((((1*2))*3)))*4)"), ((1, 2, 3, 4), "1×2·3∙4"), ((1, 2, 3, 4), "1 x 2 X 3 ⋅ 4"),
    ((1, 2, 3, 4), "1*2*3*4 = 24"), ((3, 3, 8, 8), "8÷（3−8∕3）"), ((3, 3, 8, 8), "8 : (3 – 8 / 3)"),
    ((10, 2, 2, 2), "10x2＋2＋2"), ((24,), "24"), ((24,), "(" * 40 + "24" + ")" * 40),
]  # fmt: skip


@pytest.mark.parametrize(("numbers", "text"), REJECTED, ids=range(len(REJECTED)))  # some are very long
def test_hostile_answers_are_rejected_at_once_and_never_raise(numbers, text):
    began = time.process_time()
    check = check_expression(numbers, text)
    assert not check.accepted
    assert check.reason
    assert "\n" not in check.reason
    assert len(check.reason) < 300
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(("numbers", "text"), ACCEPTED, ids=range(len(ACCEPTED)))
def test_honest_answers_are_accepted(numbers, text):
    assert check_expression(numbers, text).accepted
    assert check_expression(iter(numbers), text).accepted


# Numbers, an expression for them, and what the verifier says of it.
REASONS = """
4 5 7 8 | 4+5+7+8 = 99 | the right-hand side is not 24
1 2 3 4 | 1*2*3*4 = 2 4 | the right-hand side is not the plain number 24: unexpected '4' after the expression
1 2 3 4 | 1*2*3*4 = 24. | the right-hand side is not the plain number 24: unexpected '.' at character 3
1 2 3 4 | 1*2*3*4 = 24.0 | the right-hand side is not the plain number 24: unexpected '.' at character 3
1 2 3 4 | 1*2*3*4 = 20 + 4 | the right-hand side is not written as the number 24
1 2 3 4 | 1*2*3*4 = 8*3 = 24 | 2 right-hand sides: one, the number 24, is accepted
1 2 3 4 | 1*2*3*4 = | the right-hand side is not the plain number 24: empty expression
1 2 3 4 | 6+6+6+6 | wrong numbers: does not use 1 2 3 4; uses too often or without right 6 6 6 6
1 2 3 4 | 1+2+3+4 | makes 10, not 24
2 9 10 10 | 10+10+9/2 | makes 49/2, not 24
1 2 3 4 | 1*2*3*0x4 | not an expression: '0x4' at character 7 is no plain integer
1 2 3 4 | 1*2*3!*4 | not an expression: unexpected '!' at character 6
1 2 3 4 | 1/0 | not an expression: division by zero
1 2 3 4 | (1 | not an expression: a parenthesis is not closed
1 2 3 4 | *1 | not an expression: unexpected '*' where a number was expected
1 2 3 4 |  | not an expression: empty expression
1 2 3 4 | 1*2*3*4 | makes 24 with exactly the given numbers
"""


@pytest.mark.parametrize("row", REASONS.strip().splitlines())
def test_the_reason_says_what_is_wrong(row):
    numbers, text, reason = row.split(" | ")
    assert check_expression(map(int, numbers.split()), text).reason == reason


def test_other_targets_are_checked_on_both_sides():
    assert check_expression((3, 8), "3-8 = −5", target=-5).accepted
    assert check_expression((3, 8), "8/3 = 8/3", target=Fraction(8, 3)).accepted
    assert not check_expression((3, 8), "8/3 = 24", target=Fraction(8, 3)).accepted
    assert check_expression((3, 8), "8/3 = 8 / 3", target=Fraction(8, 3)).accepted
    assert check_expression((3, 8), "3-8 = - 5", target=-5).accepted
    assert not check_expression((3, 18), "18/3 = 1 8/3", target=Fraction(18, 3)).accepted
    assert not check_expression((11, 1), "11*1 = 1 1", target=11).accepted


@given(st.text(st.sampled_from("0123456789+-*/()= x×÷−.²٣_eTrue\n\t") | st.characters(), max_size=40))
@settings(deadline=None, max_examples=300)
def test_no_text_makes_the_verifier_raise(text):
    assert check_expression((1, 2, 3, 4), text).accepted in (True, False)


def _bracket(inner):
    return st.builds("({}{}{})".format, inner, st.sampled_from("+-*/"), inner)


@given(st.recursive(st.integers(1, 99).map(str), _bracket, max_leaves=8))
@patient
def test_the_parser_agrees_with_python_on_honest_expressions(text):
    exact = re.sub(r"\d+", r"Fraction(\g<0>)", text)
    try:
        expected = eval(exact, {"Fraction": Fraction})  # the text is made above, of digits and signs alone
    except ZeroDivisionError:
        with pytest.raises(ExpressionError, match="division by zero"):
            parse_expression(text)
    else:
        assert parse_expression(text) == (expected, [int(number) for number in re.findall(r"\d+", text)])
        assert parse_expression(text[1:-1] if text.startswith("(") else text)[0] == expected


# An independent brute force: all orders, all operators, all five parenthesisations. Floats sift, fractions decide.


@cache
def _pair(a, b):
    return frozenset([a + b, a - b, a * b] + ([a / b] if b else []))


@cache
def _triple(a, b, c):
    """Values of (a . b) . c and a . (b . c)."""
    values = {v for x in _pair(a, b) for v in _pair(x, c)} | {v for x in _pair(b, c) for v in _pair(a, x)}
    return tuple((float(value), value) for value in values)


def _brute_force(numbers):
    for a, b, c, d in set(permutations(map(Fraction, numbers))):
        left, right = [(float(v), v) for v in _pair(a, b)], [(float(v), v) for v in _pair(c, d)]
        for xs, ys in ((_triple(a, b, c), [(float(d), d)]), ([(float(a), a)], _triple(b, c, d)), (left, right)):
            for x, exact_x in xs:
                for y, exact_y in ys:
                    near = min(abs(x + y - 24), abs(x - y - 24), abs(x * y - 24), abs(x / y - 24) if y else 1) < 1e-6
                    if near and 24 in _pair(exact_x, exact_y):
                        return True
    return False


def test_all_puzzles_agree_with_an_independent_brute_force():
    found = [reachable(make_state(puzzle)) for puzzle in PUZZLES]
    assert found == [_brute_force(puzzle) for puzzle in PUZZLES]
    assert (len(found), sum(found)) == (1820, 1362)


def test_exactly_sixteen_puzzles_need_a_fraction_and_none_a_negative_number():
    solvable = [puzzle for puzzle in PUZZLES if reachable(make_state(puzzle))]
    assert [puzzle for puzzle in solvable if not wholly_reachable(make_state(puzzle))] == FRACTIONAL

    def walk(state, allowed):
        if len(state) == 1:
            return state[0] == 24
        return any(all(map(allowed, after)) and walk(after, allowed) for _, after in alive_steps(state))

    for puzzle in FRACTIONAL:
        assert not walk(make_state(puzzle), lambda number: number.denominator == 1)
        assert walk(make_state(puzzle), lambda number: number >= 0)


def test_first_positions_are_as_published():
    """Positions after one step and the solvable share of them, as in the analysis of the published ranking."""
    solvable = [puzzle for puzzle in PUZZLES if reachable(make_state(puzzle))]
    counts = [len({after for _, after in legal_steps(make_state(puzzle))}) for puzzle in solvable]
    shares = [measure_difficulty(puzzle)[1] for puzzle in solvable]
    assert (round(mean(counts), 1), min(counts), max(counts)) == (26.0, 4, 36)
    assert (round(100 * mean(shares), 1), round(100 * median(shares), 1)) == (23.3, 19.4)
    assert all(measure_difficulty(puzzle) == (0, 0.0) for puzzle in PUZZLES if puzzle not in solvable)


def test_moves_of_a_small_state():
    moves = [(write_step(step), after) for step, after in legal_steps(make_state((2, 2)))]
    assert moves == [("2 + 2 = 4", (4,)), ("2 - 2 = 0", (0,)), ("2 * 2 = 4", (4,)), ("2 / 2 = 1", (1,))]
    moves = [write_step(step) for step, _ in legal_steps(make_state((0, 3)))]
    assert moves == ["3 + 0 = 3", "3 - 0 = 3", "3 * 0 = 0", "0 - 3 = -3", "0 / 3 = 0"]


def test_solutions_are_all_different_and_counted():
    for puzzle in random.Random(3).sample(PUZZLES, 60):
        found = list(solutions(make_state(puzzle)))
        assert len(set(found)) == len(found) == count_solutions(make_state(puzzle)) == measure_difficulty(puzzle)[0]
        for steps in found:
            assert check_expression(puzzle, compose(puzzle, steps)).accepted


def _play(state, target):
    """Reachability by playing all moves, the definition that the solver must agree with."""
    return state[0] == target if len(state) == 1 else any(_play(after, target) for _, after in legal_steps(state))


numbers_on_the_way = st.fractions(-6, 13, max_denominator=6) | st.integers(0, 13).map(Fraction)


@given(st.lists(numbers_on_the_way, min_size=1, max_size=3), st.sampled_from([0, 1, -2, 24, Fraction(5, 2)]))
@settings(deadline=None, max_examples=200)
def test_the_solver_agrees_with_playing_on_any_position(numbers, target):
    state = make_state(numbers)
    assert reachable(state, target) == _play(state, target)
    # what can be made is found, what was made is exact
    for _, after in legal_steps(state):
        for value in after if len(after) == 1 else ():
            assert reachable(state, value)


def _play_whole(state, target):
    if not all(number.denominator == 1 and number >= 0 for number in state):
        return False
    return state[0] == target if len(state) == 1 else any(_play_whole(after, target) for _, after in legal_steps(state))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(-2, 30))
@settings(deadline=None, max_examples=100)
def test_the_solver_agrees_with_playing_in_whole_numbers(numbers, target):
    assert wholly_reachable(make_state(numbers), target) == _play_whole(make_state(numbers), target)


def test_nothing_whole_is_made_of_fractions_or_negative_numbers():
    assert reachable(make_state((Fraction(1, 2), 48)))
    assert not wholly_reachable(make_state((Fraction(1, 2), 48)))
    assert not wholly_reachable(make_state((-1, 25)))
    assert not wholly_reachable(make_state((1, 2)), Fraction(1, 2))
    assert not wholly_reachable(make_state((1, 2)), -1)


@pytest.mark.parametrize("zeros", [(0, 0, 0), (0, 0, 5, 7), (0, 5, 5), (1, 1, 1, 0)])
def test_zeros_on_the_way(zeros):
    for target in (0, 1, 2, 5, 24, Fraction(1, 2)):
        assert reachable(make_state(zeros), target) == _play(make_state(zeros), target)


@given(st.lists(st.integers(1, 13), min_size=3, max_size=6), st.integers(0, 2**32))
@patient
def test_what_random_play_makes_is_reachable_and_composes(numbers, seed):
    rng, state, steps = random.Random(seed), make_state(numbers), []
    while len(state) > 1:
        step, state = rng.choice(legal_steps(state))
        steps.append(step)
    text = compose(numbers, steps)
    check = check_expression(numbers, f"{text} = {state[0]}", target=state[0])
    assert check.accepted, (text, check.reason)
    assert reachable(make_state(numbers), state[0])
    whole = all(step.result.denominator == 1 and step.result >= 0 for step in steps)
    assert wholly_reachable(make_state(numbers), state[0]) or not whole


@pytest.mark.parametrize(("numbers", "target"), [((7, 10, 20, 39, 47, 58), 99991), ((13, 13, 13, 11, 7, 7), 99991),
                                                 ((25, 27, 49, 55, 57), Fraction(1, 97)), ((1,) * 6, 24)])  # fmt: skip
def test_five_and_six_numbers_are_decided_at_once(numbers, target):
    began = time.process_time()
    assert not reachable(make_state(numbers), target)
    assert time.process_time() - began < 3


def test_other_counts_and_targets():
    assert reachable(make_state((2, 3, 4)))
    assert reachable(make_state((1, 3, 7, 10, 25, 50)), 765)  # the example of the Countdown game
    assert not reachable(make_state((1, 1, 1)), 24)
    assert reachable(make_state((3, 8)), Fraction(8, 3))
    assert measure_difficulty((3, 8)) == (1, 1 / 6)
    assert measure_difficulty((24,)) == (1, 1.0)


@pytest.mark.parametrize(
    ("numbers", "steps", "text"),
    [
        ((2, 3, 4, 12), ["12/3=4", "4+2=6", "6*4=24"], "(4 + 2) * 12 / 3"),  # either 4 will do
        ((3, 3, 8, 8), ["8/3=8/3", "3-8/3=1/3", "8/1/3=24"], "8 / (3 - 8 / 3)"),
        ((1, 2, 3, 30), ["3+2=5", "5+1=6", "30-6=24"], "30 - (3 + 2 + 1)"),
        ((1, 2, 2, 96), ["2*2=4", "4*1=4", "96/4=24"], "96 / (2 * 2 * 1)"),
        ((1, 2, 3, 4), ["3*4=12", "2*1=2", "12*2=24"], "3 * 4 * 2 * 1"),
    ],
)
def test_composed_expressions_have_no_needless_parentheses(numbers, steps, text):
    assert compose(numbers, [_read_step(step) for step in steps]) == text
    assert check_expression(numbers, text).accepted


def _read_step(text):
    number = r"(\d+(?:/\d+)?)"
    whole = re.fullmatch(r"(\d+)([-+*/])" + number + "=" + number, text)
    return Step(Fraction(whole[1]), whole[2], Fraction(whole[3]), Fraction(whole[4]))


def test_compose_refuses_what_is_no_solution():
    with pytest.raises(ValueError, match="9 is not among the numbers left"):
        compose((1, 2), [_read_step("9+1=10")])
    with pytest.raises(ValueError, match="leave 2 numbers"):
        compose((1, 2, 3), [_read_step("1+2=3")])
    assert compose((Fraction(8, 3), Fraction(-3)), [Step(Fraction(8, 3), "-", Fraction(-3), Fraction(17, 3))]) == (
        "(8/3) - (-3)"
    )
