"""Particles and REBASE: weights and shares by hand, who is drawn, who is never revived."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import Letters, Sayings, Table, list_events, search

from game24lab.search.particles import allocate_lines, measure_ess, measure_logit, particle_filter, rebase, softmax
from game24lab.search.sampling import to_chance


# ------------------------------------------------------------------------------------- numbers
def test_weights_by_hand():
    assert measure_logit(0.5) == 0
    assert measure_logit(0.9) == pytest.approx(math.log(9))
    assert softmax([math.log(3), 0.0]) == pytest.approx([0.75, 0.25])
    assert softmax([-math.inf, 5.0]) == [0, 1]
    assert softmax([-math.inf, -math.inf]) == [0.5, 0.5]
    assert softmax([1e6, 0.0]) == [1, 0]
    assert measure_ess([0.25] * 4) == 4
    assert measure_ess([1, 0, 0]) == 1
    assert measure_ess([0.75, 0.25]) == pytest.approx(1.6)


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_weights_are_finite_at_the_critic_s_limits(value):
    """Defect: the log-odds of 0 and of 1."""
    assert math.isfinite(measure_logit(to_chance(value)))


def test_lines_are_shared_out_by_hand():
    """Softmax of 4 chances / T at T = .5: weights 1, e^-.2, e^-.6, e^-1 of 2.7354: shares .366, .299, .201, .134.

    8 x .366 = 2.92 -> 3; 5 x .299 / .634 = 2.36 -> 3; 2 x .201 / .335 = 1.2 -> 2; nothing is left.
    """
    assert allocate_lines(8, [0.9, 0.8, 0.6, 0.4], 0.5) == [3, 3, 2, 0]
    assert allocate_lines(8, [0.5, 0.5, 0.5], 0.2) == [3, 3, 2]
    assert allocate_lines(2, [0.5, 0.5, 0.5], 0.2) == [1, 1, 0]
    assert allocate_lines(4, [0.5, 0.5], 1e-3) == [2, 2]
    assert allocate_lines(8, [0.9, 0.5], 0.2) == [8, 0]
    assert allocate_lines(1, [0.3], 0.2) == [1]


@given(st.integers(1, 500), st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1, max_size=40), st.floats(1e-3, 10))
def test_no_line_is_lost_or_added(width, chances, temperature):
    counts = allocate_lines(width, sorted(chances, reverse=True), temperature)
    assert sum(counts) == width
    assert min(counts) >= 0
    assert len(counts) == len(chances)
    assert counts[0] == max(counts)


# ------------------------------------------------------------------------------------- particles
def test_without_resampling_particles_are_samples_of_their_own():
    policy = Sayings(_="a b c d", a="a", b="a", c="a", d="a")
    found = search(particle_filter, policy, Table(a=0.9, b=-0.9, c=0.0, da=0.5), n_particles=4, ess=0)
    assert policy.asked == [(">", 4, 0.8), ("a>", 1, 0.8), ("b>", 1, 0.8), ("c>", 1, 0.8), ("d>", 1, 0.8)]
    assert (found.answer, found.candidates) == ("da", 4)
    assert list_events(found.tree, "prune") == []


def test_resampling_draws_in_proportion_to_the_odds():
    """Half say a (chance .9, odds 9), half b (chance .5, odds 1): nine of ten that go on stand at a."""
    policy = Sayings(_="a b", a="a", b="b")
    search(particle_filter, policy, Table(a=0.8, b=0.0), n_particles=2000, ess=1)
    asked = {prompt: count for prompt, count, _ in policy.asked[1:]}
    assert sum(asked.values()) == 2000
    assert asked["a>"] / 2000 == pytest.approx(0.9, abs=0.03)
    flat = Sayings(_="a b", a="a", b="b")  # a temperature of 2 takes the root of the odds: 3 to 1
    search(particle_filter, flat, Table(a=0.8, b=0.0), n_particles=2000, ess=1, softmax_temp=2)
    assert {prompt: count for prompt, count, _ in flat.asked}["a>"] / 2000 == pytest.approx(0.75, abs=0.04)


def test_the_effective_sample_size_says_when_to_resample():
    """Odds 9, 9, 1, 1: the effective sample size is 20^2 / 164 = 2.44 of 4."""
    for ess, resampled in ((0.6, False), (0.62, True), (1, True), (0, False)):
        policy = Sayings(_="a b c d", a="a", b="a", c="a", d="a")
        search(particle_filter, policy, Table(a=0.8, b=0.8), n_particles=4, ess=ess, seed=3)
        proposed = [count for _, count, _ in policy.asked[1:]]
        assert sum(proposed) == 4
        assert (proposed != [1, 1, 1, 1]) == resampled


def test_weights_multiply_until_they_are_resampled():
    """Odds of a 3 and of aa 1/3 make 1 again, odds of b 1 and of ba 1: all weights are equal, nothing is drawn."""
    policy = Sayings(_="a b", a="a", b="a", aa="a", ba="a")
    critic = Table(a=0.5, aa=-0.5)
    search(particle_filter, policy, critic, Letters("x", 3), n_particles=2, ess=0.79)  # after a step: 16/10 of 2 = .8
    assert [count for _, count, _ in policy.asked] == [2, 1, 1, 1, 1]


def test_finished_particles_take_their_place_and_no_more_lines():
    """Defect: stopped particles are revived. a is an end at once; whoever is drawn as a stays a."""
    policy = Sayings(_="a b", b="c", bc="d")
    task = Letters("bcd", 3, short=("a",))
    found = search(particle_filter, policy, Table(a=0.8, b=0.0, bc=0.0), task, n_particles=50, ess=1, seed=1)
    proposed = {prompt: count for prompt, count, _ in policy.asked}
    assert 0 < proposed["b>"] < 50
    assert "a>" not in proposed
    assert found.tree.children(found.tree.label.index("a")) == []
    assert found.answer == "a"


def test_an_illegal_line_has_no_weight_and_its_place_is_drawn_anew():
    policy = Sayings(_="? b", b="b")
    found = search(particle_filter, policy, Table(), n_particles=4, ess=0.5)
    assert policy.asked == [(">", 4, 0.8), ("b>", 4, 0.8)]
    assert found.answer == "bb"
    never = Sayings(_="? b", b="b")
    search(particle_filter, never, Table(), n_particles=4, ess=0)
    assert never.asked == [(">", 4, 0.8), ("b>", 2, 0.8)]


def test_the_final_particle_is_the_best_or_drawn_by_weight():
    task = Letters("b", 1)
    values = Table(a=0.6, b=-0.6)  # chances .8 and .2, odds 4 and 1/4: b is drawn once in 17
    drawn = Counter(search(particle_filter, Sayings(_="a b"), values, task, n_particles=2, final="sample",
                           seed=seed).answer for seed in range(300))  # fmt: skip
    assert 5 <= drawn["b"] <= 35
    assert {search(particle_filter, Sayings(_="a b"), values, task, n_particles=2, seed=seed).answer
            for seed in range(5)} == {"a"}  # fmt: skip


def test_particles_left_open_at_the_depth_are_marked_and_the_best_is_completed():
    policy = Sayings({"bb": "a"}, _="a b", a="a", b="b")
    found = search(particle_filter, policy, Table(bb=0.5), Letters("bba", 3), n_particles=2, ess=0, depth=2)
    assert (found.answer, policy.asked[-1]) == ("bba", ("bb>", 1, 0.0))
    assert found.tree.status[found.tree.label.index("aa")] == "unfinished"


# ------------------------------------------------------------------------------------- REBASE
def test_rebase_by_hand():
    """Chances a .6, b .5, c .2 at T = .2: weights 1, .607, .135 of 1.742: 6 x .574 = 3.4 -> 4, 2 x .349 / .426 -> 2."""
    policy = Sayings(_="a b c a b c", a="a b", b="a b")
    found = search(rebase, policy, Table(a=0.2, b=0.0, c=-0.6, ab=0.3, bb=0.7), width=6)
    assert policy.asked == [(">", 6, 1.0), ("a>", 4, 1.0), ("b>", 2, 1.0)]
    assert list_events(found.tree, "prune") == ["c"]
    assert (found.answer, found.candidates) == ("bb", 4)


def test_duplicates_count_once_unless_they_are_left_uncorrected():
    """a is said three times and b once, both with a chance of .5: 2 and 2 lines, or 3 and 1."""
    for correct, asked in ((True, [("a>", 2, 1.0), ("b>", 2, 1.0)]), (False, [("a>", 3, 1.0), ("b>", 1, 1.0)])):
        policy = Sayings(_="a a a b", a="a b c", b="a b c")
        found = search(rebase, policy, Table(), width=4, correct_duplicates=correct)
        assert policy.asked[1:] == asked
        assert found.tree.tokens[:3] == [0, 3, 1]


def test_the_width_shrinks_by_what_has_ended_and_not_by_what_is_illegal():
    policy = Sayings(_="a a ? b", b="a b")
    task = Letters("bb", 2, short=("a",))
    found = search(rebase, policy, Table(b=0.1, bb=0.2), task, width=4)
    assert policy.asked == [(">", 4, 1.0), ("b>", 2, 1.0)]
    assert found.answer == "bb"
    over = search(rebase, Sayings(_="a a a b"), Table(), Letters("a", 2, short=("a", "b")), width=4)
    assert (over.cost.policy_calls, over.answer) == (1, "a")


def test_rebase_is_deterministic_and_its_tree_sums_up():
    trees = [search(rebase, Sayings(_="a b c", a="a", b="b", c="c"), Table(a=0.3, b=0.1), width=9).tree.to_json()
             for _ in range(2)]  # fmt: skip
    assert trees[0] == trees[1]


def test_the_particle_filter_takes_its_chance_from_the_seed_alone():
    def draw(seed):
        policy = Sayings(_="a b c", a="a b", b="a b", c="a b")
        return search(particle_filter, policy, Table(a=0.5), n_particles=9, ess=1, seed=seed).tree.to_json()

    random.seed(1)
    one = draw(1)
    random.seed(2)
    assert draw(1) == one
    assert draw(2) != one
