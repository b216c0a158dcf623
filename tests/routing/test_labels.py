"""Soft labels: closed forms against enumeration of all subsets, and unbiased for known chances."""

import math
from collections import Counter
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from game24lab.evaluation.statistics import pass_at_k
from game24lab.routing import labels

RIGHT = ("a", "b")  # of the answers a to d; None has no vote

answers = st.lists(st.sampled_from([None, *"abcd"]), min_size=1, max_size=7)
quick = settings(max_examples=40, deadline=None, derandomize=True)


def judge(votes):
    return [vote in RIGHT for vote in votes]


def count_all(total, choose):
    """The mean of a choice over all subsets of each size."""
    sizes = range(1, total + 1)
    return [np.mean([choose(places) for places in combinations(range(total), n)]) for n in sizes]


def vote(votes, weights, places):
    """The share of right answers among those that win: by weight, then votes, then an even lot."""
    cast = Counter(votes[place] for place in places if votes[place] is not None)
    sums = {answer: (round(sum(weights[p] for p in places if votes[p] == answer), 9), cast[answer]) for answer in cast}
    winners = [answer for answer, won in sums.items() if won == max(sums.values())]
    return np.mean([answer in RIGHT for answer in winners]) if winners else 0.0


@quick
@given(votes=answers)
def test_majority_is_counted_exactly(votes):
    ns = range(1, len(votes) + 1)
    expected = count_all(len(votes), lambda places: vote(votes, [1] * len(votes), places))
    assert labels.find_chance_of_majority(votes, judge(votes), ns) == pytest.approx(expected)


@quick
@given(votes=answers, data=st.data())
def test_weighted_votes_are_enumerated_where_subsets_are_few(votes, data):
    weights = data.draw(st.lists(st.sampled_from([0, 0.1, 0.2, 0.3, 1]), min_size=len(votes), max_size=len(votes)))
    ns, rng = range(1, len(votes) + 1), np.random.default_rng(0)
    expected = count_all(len(votes), lambda places: vote(votes, weights, places))
    assert labels.find_chance_of_weighted(votes, weights, judge(votes), ns, rng) == pytest.approx(expected)


@quick
@given(pool=st.lists(st.tuples(st.sampled_from([-math.inf, 0.1, 0.5, 0.9]), st.booleans()), min_size=1, max_size=7))
def test_best_of_n_is_counted_exactly_and_ties_are_lots(pool):
    scores, correct = map(list, zip(*pool, strict=True))

    def choose(places):
        best = max(scores[place] for place in places)
        return np.mean([correct[place] for place in places if scores[place] == best])

    found = labels.find_chance_of_best(scores, correct, range(1, len(pool) + 1))
    assert found == pytest.approx(count_all(len(pool), choose))


def test_best_of_n_is_the_published_sum():
    """sum_i correct_i C(r_i - 1, N - 1) / C(M, N), without ties."""
    scores, correct = [0.3, 0.9, 0.1, 0.7, 0.5], [True, False, True, True, False]
    for n in range(1, 6):
        ranks = np.argsort(np.argsort(scores)) + 1
        wins = sum(math.comb(rank - 1, n - 1) for rank, hit in zip(ranks, correct, strict=True) if hit)
        assert labels.find_chance_of_best(scores, correct, [n])[0] == pytest.approx(wins / math.comb(5, n))


def test_any_is_pass_at_k():
    correct = [True, False, False, True, False]
    assert labels.find_chance_of_any(correct, [1, 3]).tolist() == [pass_at_k(5, 2, 1), pass_at_k(5, 2, 3)]


@quick
@given(
    pool=st.lists(st.tuples(st.integers(1, 50), st.booleans()), min_size=1, max_size=5), batch=st.integers(0, 3)
)  # fmt: skip
def test_cost_until_the_verifier_accepts(pool, batch):
    tokens, correct = map(list, zip(*pool, strict=True))
    for n in range(1, len(pool) + 1):
        spent = []
        for order in permutations(range(len(pool))):
            drawn = batches = 0
            while drawn < n:
                begin, drawn, batches = drawn, min(n, drawn + (batch or n)), batches + 1
                if any(correct[place] for place in order[begin:drawn]):
                    break
            spent.append((sum(tokens[place] for place in order[:drawn]), drawn, batches))
        found = labels.expect_cost_verified(tokens, correct, [n], batch)
        assert [one[0] for one in found] == pytest.approx(np.mean(spent, axis=0).tolist())


@quick
@given(votes=answers)
def test_distinct_answers_are_counted_exactly(votes):
    expected = count_all(len(votes), lambda places: len({votes[place] for place in places} - {None}))
    assert labels.expect_distinct(votes, range(1, len(votes) + 1)) == pytest.approx(expected)


def test_labels_are_unbiased_for_known_chances():
    """Pools of 12 drawn by known chances: the labels' mean is the chance itself, at every n."""
    rng = np.random.default_rng(1)
    chances = {"a": 0.45, "c": 0.35, "d": 0.2}  # a is right
    truth = {3: {}, 5: {}}
    for n in truth:
        drawn = rng.choice(list(chances), (100_000, n), p=list(chances.values()))
        counts = np.stack([(drawn == answer).sum(1) for answer in chances], axis=1)
        lead = counts == counts.max(1, keepdims=True)
        truth[n]["majority"] = np.mean(lead[:, 0] / lead.sum(1))
        truth[n]["any"] = 1 - binom.pmf(0, n, 0.45)
        # score: uniform, and a right answer's higher by a half; the best of n is right where its best right one leads
        score = rng.random((100_000, n)) + 0.5 * (drawn == "a")
        truth[n]["best"] = np.mean(np.take_along_axis(drawn, score.argmax(1)[:, None], 1) == "a")
    found = {n: {name: [] for name in truth[n]} for n in truth}
    for _ in range(1_500):
        votes = rng.choice(list(chances), 12, p=list(chances.values()))
        correct = votes == "a"
        score = rng.random(12) + 0.5 * correct
        for name, values in (
            ("majority", labels.find_chance_of_majority(votes.tolist(), correct, list(truth))),
            ("any", labels.find_chance_of_any(correct, list(truth))),
            ("best", labels.find_chance_of_best(score, correct, list(truth))),
        ):
            for n, value in zip(truth, values, strict=True):
                found[n][name].append(value)
    for n in truth:
        for name, values in found[n].items():
            error = np.std(values) / math.sqrt(len(values)) + 0.5 / math.sqrt(100_000)
            assert abs(np.mean(values) - truth[n][name]) < 4 * error, (n, name)
            # what the trials promise: the label varies no more than that many independent attempts would
            p, trials = truth[n][name], labels.count_trials(12, [n])[0]
            assert np.var(values) < 1.15 * p * (1 - p) / trials


def test_weighted_votes_by_drawing_agree_with_counting(monkeypatch):
    rng = np.random.default_rng(2)
    votes = rng.choice(list("abcd"), 12).tolist()
    weights = rng.random(12)
    exact = labels.find_chance_of_weighted(votes, weights, judge(votes), [4, 6], rng)
    monkeypatch.setattr(labels, "SUBSETS", 10)
    drawn = labels.find_chance_of_weighted(votes, weights, judge(votes), [4, 6, 12], rng)
    assert drawn[:2] == pytest.approx(exact, abs=0.03)
    assert drawn[2] in (0, 1)


def test_equal_weights_are_a_majority():
    votes = ["a", "c", "c", None, "b", "c", "a"]
    ns, rng = range(1, 8), np.random.default_rng(0)
    expected = labels.find_chance_of_majority(votes, judge(votes), ns)
    assert labels.find_chance_of_weighted(votes, [0.4] * 7, judge(votes), ns, rng) == pytest.approx(expected)


def test_large_pools_stay_exact():
    votes = [*"a" * 30, *"c" * 20, *"d" * 10, *[None] * 4]
    found = labels.find_chance_of_majority(votes, judge(votes), [1, 2, 32, 64])
    assert found[0] == pytest.approx(30 / 64)
    assert 0.9 < found[2] < found[3] == 1
    assert labels.find_chance_of_majority([*"a" * 500, *"c" * 500], [True] * 500 + [False] * 500, [500])[0] == (
        pytest.approx(0.5)
    )


def test_totals_agree_with_their_expectation():
    rng = np.random.default_rng(3)
    tokens, correct = rng.integers(10, 90, 16), rng.random(16) < 0.2
    totals = labels.draw_totals(tokens, [4, 16], rng, correct=correct, batch=4, repeats=8_000)
    spent = labels.expect_cost_verified(tokens, correct, [4, 16], 4)[0]
    assert totals.mean(axis=1) == pytest.approx(spent, rel=0.03)
    assert labels.draw_totals(tokens, [16], rng).std() == 0
    assert labels.draw_totals(tokens, [16], rng, correct=[False] * 16)[0] == pytest.approx(np.full(512, tokens.sum()))


def test_intervals():
    low, high = labels.bound([0.0, 0.5], [10, 2.5])
    assert low[0] == 0
    assert 0.2 < high[0] < 0.3  # Jeffreys of 0 of 10: 0.217
    assert low[1] < 0.5 < high[1]
    rng = np.random.default_rng(0)
    hits = rng.binomial(20, 0.3, 4_000)
    low, high = labels.bound(hits / 20, np.full(4_000, 20))
    assert 0.92 < np.mean((low <= 0.3) & (high >= 0.3)) < 0.98


def test_aggregations():
    assert [labels.aggregate([0.5, 0.2, 0.9], how) for how in ("last", "min", "prod", "sum")] == (
        pytest.approx([0.9, 0.2, 0.09, 1.6])
    )


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: labels.find_chance_of_any([True], [2]), "n must be an integer from 1 to 1, got 2"),
        (lambda: labels.find_chance_of_any([True], [0]), "n must be an integer from 1 to .*, got 0"),
        (lambda: labels.find_chance_of_any([True], [1.5]), "n must be an integer from 1 to .*, got 1.5"),
        (lambda: labels.find_chance_of_any([True], []), "at least one"),
        (lambda: labels.find_chance_of_any([], [1]), "from 1 to 0"),
        (lambda: labels.find_chance_of_best([0.1], [True, False], [1]), "must be one for each of 2 samples, got 1"),
        (lambda: labels.find_chance_of_best([0.1, math.nan], [True, False], [1]), "score 1 must be a number, got NaN"),
        (lambda: labels.find_chance_of_majority("aa", [True, False], [1]), "'a' is called both right and wrong"),
        (lambda: labels.find_chance_of_majority("a" * 1001, [True] * 1001, [1]), "must be at most 1000, got 1001"),
        (lambda: labels.aggregate([], "min"), "must have at least one score"),
        (lambda: labels.aggregate([1.0], "mean"), "one of last, min, prod, sum"),
        (lambda: labels.bound([1.2], [3]), "from 0 to 1"),
        (lambda: labels.bound([0.2], [0]), "above 0"),
        *[
            (lambda bad=bad: labels.find_chance_of_weighted("ab", [1, bad], [True, True], [1], None), "finite numbers")
            for bad in (-0.1, math.nan, math.inf)
        ],
    ],
)
def test_bad_input_is_named(call, told):
    with pytest.raises(ValueError, match=told):
        call()
