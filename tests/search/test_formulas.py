"""The formulas of selection: numbers worked out by hand, and what always holds."""

import math
import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game24lab.search.formulas import (
    add_virtual_loss,
    complete_values,
    draw_dirichlet,
    draw_gumbels,
    measure_exploration,
    measure_lag,
    mix_value,
    plan_halving,
    scale_values,
    score_uct,
    softmax,
    to_logit,
)


def test_exploration_grows_with_visits_and_has_both_constants():
    assert measure_exploration(0, 3.0, 19652.0) == 0.0
    assert measure_exploration(4, 3.0, 19652.0) == pytest.approx(2 * (3 + math.log(19657 / 19652)))
    assert measure_exploration(9, 0.0, 1.0) == pytest.approx(3 * math.log(11))


def test_uct_by_hand():
    assert score_uct(0.25, 1, 0, 5.0) == 0.25  # ln 1 = 0
    assert score_uct(0.25, 0, 0, 5.0) == 0.25
    assert score_uct(0.5, 8, 2, 0.5) == pytest.approx(0.5 + 0.5 * math.sqrt(math.log(8) / 2))


def test_what_is_on_its_way_counts_as_lost():
    assert add_virtual_loss(0.3, 7, 0, 1.0) == 0.3
    assert add_virtual_loss(0.5, 1, 1, 1.0) == pytest.approx((0.5 - 1) / 2)
    assert add_virtual_loss(0.5, 0, 1, 1.0) == pytest.approx((0.5 - 1) / 2)  # its own value stands for a visit
    assert add_virtual_loss(0.5, 2, 3, 0.0) == pytest.approx(1.0 / 5)
    losses = [add_virtual_loss(0.2, 4, pending, 1.0) for pending in range(6)]
    assert losses == sorted(losses, reverse=True)


def test_the_mixed_value_by_hand():
    """v = .1; visited: q = .5 (n = 3, P = .2) and q = -.5 (n = 1, P = .3); S = 4, mean = (.1 - .15) / .5 = -.1."""
    qs, followed, priors = [0.5, 0.9, -0.5], [3, 0, 1], [0.2, 0.5, 0.3]
    assert mix_value(0.1, qs, followed, priors) == pytest.approx((0.1 + 4 * -0.1) / 5)
    assert complete_values(0.1, qs, followed, priors) == pytest.approx([0.5, -0.06, -0.5])
    assert mix_value(0.1, qs, [0, 0, 0], priors) == 0.1
    assert mix_value(0.1, qs, [1, 0, 0], [0.0, 0.5, 0.5]) == pytest.approx(0.3)  # no division by 0


def test_sigma_and_lag_by_hand():
    assert scale_values([0.5, -1.0], [2, 7], 50.0, 0.1) == pytest.approx([2.85, -5.7])
    assert scale_values([], [], 50.0, 1.0) == []
    logits = [math.log(0.6), math.log(0.4)]
    assert measure_lag(logits, [0, 0]) == pytest.approx([0.6, 0.4])
    assert measure_lag(logits, [1, 0]) == pytest.approx([0.1, 0.4])
    assert measure_lag(logits, [1, 1]) == pytest.approx([0.6 - 1 / 3, 0.4 - 1 / 3])


def test_visits_that_follow_the_lag_approach_the_policy():
    logits, followed = [math.log(chance) for chance in (0.5, 0.3, 0.15, 0.05)], [0, 0, 0, 0]
    for _ in range(1000):
        lags = measure_lag(logits, followed)
        followed[lags.index(max(lags))] += 1
    assert [count / 1000 for count in followed] == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.002)


def test_softmax_of_large_and_impossible_logits():
    assert softmax([1000.0, 1000.0]) == [0.5, 0.5]
    assert softmax([0.0, to_logit(0.0)]) == pytest.approx([1.0, 0.0])


# ------------------------------------------------------------------------------------- sequential halving
@pytest.mark.parametrize(
    ("simulations", "children", "rounds"),
    [
        (24, 8, [(8, 1), (4, 2), (2, 4)]),
        (20, 10, [(10, 1), (5, 1), (2, 2)]),
        (200, 10, [(10, 6), (5, 14), (2, 35)]),
        (16, 2, [(2, 8)]),
        (7, 3, [(3, 2)]),  # one round; 1 is left over
        (5, 16, [(5, 1)]),  # fewer simulations than children: the code of ReSCALE fails here
        (1, 16, []),
        (50, 1, []),
        (9, 8, [(8, 1)]),  # not enough for a second round
    ],
)
def test_simulations_are_shared_out(simulations, children, rounds):
    assert plan_halving(simulations, children) == rounds


@given(st.integers(1, 500), st.integers(1, 64))
def test_halving_never_spends_more_than_it_has(simulations, children):
    rounds = plan_halving(simulations, children)
    assert sum(kept * each for kept, each in rounds) <= simulations
    assert all(each >= 1 for _, each in rounds)
    if min(simulations, children) > 1:
        assert rounds[0][0] == min(simulations, children)
        assert all(later == max(2, kept // 2) for (kept, _), (later, _) in pairwise(rounds))
        assert simulations - sum(kept * each for kept, each in rounds) < rounds[-1][0]


# ------------------------------------------------------------------------------------- chance
@given(st.integers(0, 1000), st.sampled_from([1e-6, 0.03, 0.3, 1.0, 1000.0]), st.integers(1, 30))
def test_dirichlet_draws_are_probabilities(seed, alpha, count):
    draws = draw_dirichlet(random.Random(seed), alpha, count)
    assert len(draws) == count
    assert sum(draws) == pytest.approx(1)
    assert min(draws) >= 0


def test_gumbel_noise_on_log_probabilities_samples_without_replacement():
    rng, priors, first = random.Random(1), [0.6, 0.3, 0.1], Counter()
    for _ in range(4000):
        scores = [g + math.log(prior) for g, prior in zip(draw_gumbels(rng, 3), priors, strict=True)]
        first[scores.index(max(scores))] += 1
    assert [first[place] / 4000 for place in range(3)] == pytest.approx(priors, abs=0.03)
