"""Votes: who wins, what a vote weighs, when enough have been cast, and who has none."""

import math

import pytest
from fake_models import FakeCritic, FakePolicy
from test_sampling import Contrary, Opinion, Scripted, solve

from game24lab.search.engine import run
from game24lab.search.sampling import aggregate, best_of_n, to_chance
from game24lab.search.voting import adaptive_consistency, early_stopping, majority, measure_lead, weighted_majority
from game24lab.tasks.numbers.task import Game24

PUZZLES = [(4, 5, 6, 10), (1, 2, 4, 7), (3, 3, 8, 8), (2, 3, 5, 12)]
VOTES = [majority, weighted_majority, adaptive_consistency, early_stopping]
RIGHT, TEN, LESS = "4 * 6 = 24", "4 + 6 = 10", "4 - 6 = -2"


def vote(algorithm, *texts, critic=None, mode="rules", problem=(4, 6), finish="stop", logprobs=None, **parameters):
    policy = Scripted(*texts, finish=finish, logprobs=logprobs)
    return solve(policy, algorithm, mode, critic, problem, n=parameters.pop("n", len(texts)), **parameters)


# ------------------------------------------------------------------------------------- who wins
def test_most_votes_win_and_equals_go_to_the_first():
    assert vote(majority, TEN, RIGHT, LESS, RIGHT).answer == "4 * 6"
    assert vote(majority, TEN, RIGHT, RIGHT, TEN, LESS).answer == "4 + 6"
    assert vote(majority, LESS, TEN, RIGHT).answer == "4 - 6"


def test_answers_agree_by_where_they_end_or_by_the_calculation():
    """24 is reached twice by two calculations, 10 by one calculation in two orders."""
    ways = ("6 - 3 = 3 (left: 3 8)\n3 * 8 = 24", "3 * 8 = 24 (left: 6 24)\n24 - 6 = 18",
            "8 * 6 = 48 (left: 3 48)\n48 / 3 = 16", "6 * 8 = 48 (left: 3 48)\n48 / 3 = 16",
            "8 / 6 = 4/3 (left: 4/3 3)\n4/3 * 3 = 4", "8 - 6 = 2 (left: 2 3)\n2 + 3 = 5",
            "3 * 8 = 24 (left: 6 24)\n24 * 6 = 144")  # fmt: skip
    task = Game24()
    state = task.start((3, 6, 8))
    for way in ways:  # the lines are legal: what is not would have no vote
        after = state
        for line in way.splitlines():
            after = task.step(after, line)
        assert task.is_terminal(after)
    by_answer = vote(majority, *ways, problem=(3, 6, 8), by="answer")
    assert by_answer.tree.label[by_answer.tree.events[-1][1]] == "16"
    by_position = vote(majority, ways[0], ways[1], "8 * 3 = 24 (left: 6 24)\n24 - 6 = 18", *ways[:1], *ways[:1],
                       problem=(3, 6, 8))  # fmt: skip
    assert by_position.solved
    assert vote(majority, RIGHT, TEN, "6 + 4 = 10", by="answer").answer == "4 + 6"


def test_a_vote_weighs_what_the_critic_says():
    """Chances: 24 is worth .55 each, 10 is worth .95: two of the first outvote one of the second, not three of -2."""
    critic = Opinion(**{"n24": 0.1, "n10": 0.9, "n-2": -0.8})
    assert vote(weighted_majority, TEN, RIGHT, RIGHT, critic=critic).answer == "4 * 6"
    assert vote(weighted_majority, TEN, RIGHT, critic=critic).answer == "4 + 6"
    assert vote(weighted_majority, LESS, LESS, LESS, RIGHT, critic=critic).answer == "4 * 6"
    assert vote(majority, LESS, LESS, LESS, RIGHT).answer == "4 - 6"
    assert vote(best_of_n, TEN, RIGHT, RIGHT, critic=critic, batch=0).answer == "4 + 6"


@pytest.mark.parametrize("algorithm", [weighted_majority, best_of_n])
def test_every_aggregation_changes_the_choice(algorithm):
    """Defect: a reference hard-codes "last". Chances of the two positions of three answers, and what is made of them:

    by way of 4 4: .9, .5   last .5   min .5   prod .45
    by way of 2 6: .3, .8   last .8   min .3   prod .24
    by way of 6 6: .6, .6   last .6   min .6   prod .36
    """
    lines = {"a": "6 - 2 = 4 (left: 4 4)\n4 * 4 = 16", "b": "4 - 2 = 2 (left: 2 6)\n2 + 6 = 8",
             "c": "2 + 4 = 6 (left: 6 6)\n6 / 6 = 1"}  # fmt: skip
    critic = Opinion(n4_4=0.8, n16=0.0, n2_6=-0.4, n8=0.6, n6_6=0.2, n1=0.2)
    ends = {}
    for name in ("last", "min", "prod"):
        found = vote(algorithm, *lines.values(), problem=(2, 4, 6), critic=critic, agg_strategy=name, batch=0)
        ends[name] = found.tree.label[found.tree.events[-1][1]]
        assert found.cost.critic_calls == (4 if name == "last" else 7)  # and the root
    assert ends == {"last": "8", "min": "1", "prod": "16"}


def test_aggregation_by_hand():
    assert [to_chance(value) for value in (-1, 0, 0.5, 1)] == [1e-6, 0.5, 0.75, 1 - 1e-6]
    values = (0.5, -0.5, 0.0)
    assert aggregate(values, "last") == 0.5
    assert aggregate(values, "min") == 0.25
    assert aggregate(values, "prod") == pytest.approx(0.75 * 0.25 * 0.5)
    with pytest.raises(ValueError, match="agg_strategy must be one of last, min, prod, got 'mean'"):
        aggregate(values, "mean")
    with pytest.raises(ValueError, match="at least one value"):
        aggregate((), "min")


@pytest.mark.parametrize("agg_strategy", ["last", "min", "prod"])
def test_a_lone_answer_has_a_vote_and_no_answers_are_no_division_by_zero(agg_strategy):
    critic = Opinion(n24=-1.0)
    assert vote(weighted_majority, RIGHT, critic=critic, agg_strategy=agg_strategy).solved
    assert vote(weighted_majority, RIGHT, "", "what", critic=critic, agg_strategy=agg_strategy).solved
    none = vote(weighted_majority, "", "what", critic=critic, agg_strategy=agg_strategy)
    assert (none.answer, none.solved, none.candidates) == ("", False, 2)
    assert none.outcome == "unfinished"


@pytest.mark.parametrize("algorithm", VOTES)
def test_what_was_cut_off_or_is_illegal_has_no_vote(algorithm):
    texts = ("4 * 5 = 20", "nonsense", "", RIGHT)
    assert vote(algorithm, *texts, critic=Opinion()).answer == "4 * 6"
    cut = vote(algorithm, "4 * 6 = 2", critic=Opinion(), finish="length")
    assert (cut.outcome, cut.tree.status[-1]) == ("unfinished", "unfinished")


# ------------------------------------------------------------------------------------- when it is over
def test_the_beta_criterion_by_hand():
    """P(p > 1/2) under Beta(2, 1) is 1 - 1/4, under Beta(a + 1, 1) it is 1 - 2^-(a + 1); equal counts give 1/2."""
    assert [measure_lead(count) for count in range(5)] == [0.5, 0.75, 0.875, 0.9375, 0.96875]
    assert measure_lead(3, 3) == 0.5
    assert measure_lead(2, 1) == 11 / 16
    assert measure_lead(200, 100) == pytest.approx(1, abs=1e-8)
    for name, counts in (("first", (-1, 0)), ("second", (0, -1))):
        with pytest.raises(ValueError, match=name):
            measure_lead(*counts)


def test_adaptive_consistency_ends_with_four_of_one_mind():
    found = vote(adaptive_consistency, RIGHT, n=40)
    assert (found.candidates, found.stopped, found.solved) == (4, "confident", True)
    assert found.cost.policy_calls == 4
    mixed = vote(adaptive_consistency, RIGHT, TEN, RIGHT, RIGHT, RIGHT, RIGHT, RIGHT, n=40)
    assert mixed.candidates == 7  # six against one: P under Beta(7, 2) is .965, five against one: .938
    assert vote(adaptive_consistency, RIGHT, TEN, n=12).stopped == "done"
    assert vote(adaptive_consistency, "nonsense", n=6).candidates == 6
    assert vote(adaptive_consistency, RIGHT, n=40, batch=3).candidates == 6
    assert vote(adaptive_consistency, RIGHT, n=40, threshold=0.7).candidates == 1


def test_early_stopping_ends_with_a_unanimous_window_of_votes():
    found = vote(early_stopping, TEN, RIGHT, RIGHT, RIGHT, RIGHT, RIGHT, n=40, window=3)
    assert (found.candidates, found.stopped) == (6, "confident")
    assert (found.cost.policy_calls, found.solved) == (2, True)
    assert vote(early_stopping, RIGHT, RIGHT, "", n=9, window=3).stopped == "done"  # the empty one does not agree
    assert vote(early_stopping, RIGHT, n=40, window=1).candidates == 1
    assert vote(early_stopping, RIGHT, TEN, n=5, window=3).candidates == 5  # a last window that is no full one
    assert vote(early_stopping, RIGHT, TEN, RIGHT, RIGHT, RIGHT, n=5, window=3).stopped == "done"


@pytest.mark.parametrize("algorithm", VOTES)
def test_verified_the_first_right_answer_ends_the_vote_and_no_critic_is_asked(algorithm):
    batch = {"window": 2} if algorithm is early_stopping else {"batch": 2}
    found = vote(algorithm, TEN, LESS, RIGHT, TEN, TEN, TEN, n=6, mode="verified", **batch)
    assert (found.solved, found.stopped, found.candidates) == (True, "solved", 4)
    assert found.cost.critic_calls == 0
    lost = vote(algorithm, TEN, LESS, n=2, mode="verified", **batch)
    assert (lost.solved, lost.answer, lost.outcome) == (False, "", "wrong value")


# ------------------------------------------------------------------------------------- the rest
@pytest.mark.parametrize("algorithm", VOTES)
def test_a_vote_by_the_rules_never_depends_on_the_judge(algorithm):
    policy = FakePolicy()
    honest, contrary = (run(task, PUZZLES, algorithm, policy, FakeCritic(policy), mode="rules",
                            parameters={"n": 12}) for task in (Game24(), Contrary()))  # fmt: skip
    assert [one.answer for one in honest] == [other.answer for other in contrary]
    assert [one.solved for one in honest] == [not other.solved for other in contrary]


def test_a_vote_on_where_answers_end_beats_one_answer():
    policy = FakePolicy(skill=2.0)
    one, voted = (run(Game24(), PUZZLES * 6, majority, policy, mode="rules", seed=list(range(24)),
                      parameters={"n": n}) for n in (1, 32))  # fmt: skip
    assert sum(found.solved for found in voted) > sum(found.solved for found in one)
    assert math.fsum(found.cost.critic_calls for found in voted) == 0


@pytest.mark.parametrize("algorithm", VOTES)
def test_a_puzzle_that_is_over_before_it_began_costs_no_sample(algorithm):
    found = solve(Scripted("x"), algorithm, "rules", Opinion(), (24,))
    assert (found.solved, found.answer, found.cost.sampled_tokens) == (True, "24", 0)


def test_a_budget_leaves_a_vote_of_what_was_cast():
    policy = Scripted(TEN, RIGHT, RIGHT, LESS)
    (found,) = run(Game24(), [(4, 6)], weighted_majority, policy, Opinion(n10=0.9), mode="rules",
                   parameters={"n": 4}, budget={"depth": 2})  # fmt: skip
    assert (found.stopped, found.answer, found.candidates) == ("depth", "4 * 6", 4)  # no values came: votes are counted


@pytest.mark.parametrize(
    ("algorithm", "parameters", "reason"),
    [
        (majority, {"n": 0}, "n must be an integer >= 1, got 0"),
        (majority, {"batch": -1}, "batch must be an integer >= 0, got -1"),
        (majority, {"by": "text"}, "by must be one of position, answer, got 'text'"),
        (majority, {"by": "postion"}, "did you mean 'position'"),
        (majority, {"agg_strategy": "min"}, "no parameter 'agg_strategy'"),
        (weighted_majority, {"agg_strategy": "mean"}, "agg_strategy must be one of last, min, prod, got 'mean'"),
        (weighted_majority, {"temperature": -1}, "temperature must be a number >= 0, got -1"),
        (adaptive_consistency, {"threshold": 1.5}, "threshold must be a number from 0.5 to 1, got 1.5"),
        (early_stopping, {"window": 0}, "window must be an integer >= 1, got 0"),
        (best_of_n, {"agg_strategy": "product"}, "one of last, min, prod"),
    ],
)
def test_parameters_that_make_no_sense_are_named(algorithm, parameters, reason):
    with pytest.raises(ValueError, match=reason):
        solve(Scripted(RIGHT), algorithm, "rules", Opinion(), **parameters)
