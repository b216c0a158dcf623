"""Every strategy says its family and the parameter that sets how much it searches."""

import inspect

import pytest

from game24lab.evaluation.arms import INSIDE, STRATEGIES, describe_strategy, find_strategy

FAMILIES = {"samples", "votes", "beams", "best first", "Monte-Carlo trees", "particles", "lookahead"}


@pytest.mark.parametrize("name", [*STRATEGIES, *INSIDE])
def test_the_effort_is_a_number_among_the_parameters(name):
    family, effort = describe_strategy(name)
    assert family in FAMILIES
    assert bool(effort) == (name != "greedy")
    if effort:
        assert type(inspect.signature(find_strategy(name)).parameters[effort].default) is int


def test_an_unknown_strategy_is_named():
    with pytest.raises(ValueError, match="did you mean 'mcts'"):
        describe_strategy("mctss")
