"""A search is begun without a model: what is wrong with a problem, a mode or a parameter is known by then."""

import pytest
from fake_models import FakePolicy

from game24lab.evaluation.arms import STRATEGIES
from game24lab.search.algorithms import bind, check_start
from game24lab.search.engine import run
from game24lab.search.mcts import mcts
from game24lab.search.sampling import best_of_n
from game24lab.tasks.numbers.task import Game24


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("mode", ["verified", "rules", "blind"])
def test_every_strategy_begins_with_its_defaults(name, mode):
    check_start(Game24(), (4, 5, 6, 10), STRATEGIES[name], {}, mode)


@pytest.mark.parametrize(("algorithm", "parameters", "told"), [
    (mcts, {"simulations": 0}, "simulations must be an integer >= 1, got 0"),
    (mcts, {"width": -3}, "width must be an integer >= 1, got -3"),
    (best_of_n, {"n": 0}, "n must be an integer >= 1, got 0"),
    (best_of_n, {"m": 3}, "best_of_n has no parameter 'm'"),
])  # fmt: skip
def test_a_wrong_value_is_the_same_error_as_in_a_search(algorithm, parameters, told):
    with pytest.raises(ValueError, match=told) as before:
        check_start(Game24(), (4, 5, 6, 10), algorithm, parameters, "rules")
    with pytest.raises(ValueError, match=told) as after:
        run(Game24(), [(4, 5, 6, 10)], algorithm, FakePolicy(), parameters=parameters, mode="rules")
    assert str(before.value) == str(after.value)


def test_a_bad_problem_and_mode_are_named():
    with pytest.raises(ValueError, match="mode must be one of"):
        check_start(Game24(), (4, 5, 6, 10), mcts, {}, "sure")
    with pytest.raises(ValueError, match="0 is no integer from 1"):
        check_start(Game24(), (4, 5, 6, 0), mcts, {}, "rules")
    assert bind(best_of_n, {"n": 3})["n"] == 3
