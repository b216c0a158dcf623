"""Why a target can be made of some numbers or not: checked against the solver and the verifier."""

import re
from fractions import Fraction
from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game24lab.tasks.numbers.arithmetic import check_expression, legal_steps, make_state, reachable
from game24lab.tasks.numbers.explanations import explain, find_way, list_ends
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import Illegal

NUMBERS = st.lists(st.integers(1, 13), min_size=1, max_size=4)


@given(NUMBERS, st.integers(1, 40))
def test_what_is_within_reach_is_shown_by_an_expression_that_the_verifier_accepts(numbers, target):
    said = explain(make_state(numbers), target)
    way = re.fullmatch(rf"{target} is within reach: (.+) = {target}", said)
    assert bool(way) == (len(numbers) > 1 and reachable(make_state(numbers), target))
    if way:
        assert check_expression(numbers, way[1], target).accepted


@given(NUMBERS)
def test_all_ends_are_listed_each_with_its_way(numbers):
    state, ends = make_state(numbers), list_ends(make_state(numbers))
    assert {target for target in range(-30, 60) if reachable(state, target)} == {
        end for end in ends if end.denominator == 1 and -30 <= end < 60}  # fmt: skip
    for end, steps in list(ends.items())[:20]:
        left = state
        for step in steps:
            left = dict(legal_steps(left))[step]
        assert left == (end,)


@pytest.mark.parametrize("numbers", list(combinations_with_replacement(range(1, 10), 2)))
def test_two_numbers_make_what_is_listed(numbers):
    said = explain(make_state(numbers))
    if reachable(make_state(numbers)):
        return
    made = {Fraction(word) for word in re.findall(r"-?\d+(?:/\d+)?", said.partition(" make ")[2])}
    assert made == set(list_ends(make_state(numbers)))


def test_sentences():
    assert explain(make_state([24])) == "24 is left"
    assert explain(make_state([5])) == "5 is left, not 24"
    assert explain(make_state([3, 3, 8, 8])) == "24 is within reach: 8 / (3 - 8 / 3) = 24"
    assert explain(make_state([3, 9])) == "24 is out of reach: 3 and 9 make -6, 1/3, 3, 6, 12 and 27 only"
    assert re.fullmatch(r"24 is out of reach: 1, 1, 1 and 1 make \d+ different numbers, none of them 24; the nearest "
                        r"is 1 \+ 1 \+ 1 \+ 1 = 4", explain(make_state([1] * 4)))  # fmt: skip
    assert explain(make_state([1] * 5)) == (
        "24 is out of reach: the exact solver finds no way to make it of 1, 1, 1, 1 and 1")  # fmt: skip
    with pytest.raises(ValueError, match="a way to 24 must exist, got the numbers 1 1"):
        find_way(make_state([1, 1]))


def test_a_game_explains_a_position_and_a_chain_its_false_line():
    game = Game24()
    start = game.start((4, 5, 6, 10))
    dead = game.step(start, "5 - 4 = 1 (left: 1 6 10)")
    assert not isinstance(dead, Illegal)
    assert game.explain(dead).startswith("24 is out of reach" if not game.truth(dead) else "24 is within reach")
    blind = game.believe()
    chain = blind.step(blind.start((4, 5, 6, 10)), "5 - 4 = 2 (left: 2 6 10)")
    assert blind.explain(chain) == "line 1 is false (calculation): 5 - 4 is 1, not 2"
    assert blind.explain(blind.start((4, 5, 6, 10))) == game.explain(start)
