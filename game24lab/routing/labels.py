"""Soft labels of a problem: how likely an arm is to answer it right, and what it costs, without Monte-Carlo noise.

A pool of M independent samples tells of every arm that draws n <= M of them: the label is the mean over all subsets of
n, drawn *without* replacement, which is unbiased (a U-statistic, Hoeffding 1948); a bootstrap with replacement is not.
Searches whose answers have common ancestors are labelled by independent seeds instead. This module does not know of
files, arms by name, or features.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
from scipy.special import comb
from scipy.stats import beta

from game24lab.evaluation.statistics import pass_at_k
from game24lab.runs.checks import require, require_one_of

AGGREGATIONS = ("last", "min", "prod", "sum")  # of the scores of an answer's steps
SUBSETS = 20_000  # up to so many are counted out, of more a sample is drawn
REPEATS = 2_048  # such a sample: a standard error of at most 1.1 points, little beside what the pool itself leaves open
_MOST = 1_000  # samples a problem: binomials of more leave the range of floats
_EDGE = 1e-9  # sums of weights closer than this share are equal


def find_chance_of_best(scores: Sequence[float], correct: Sequence[bool], ns: Sequence[int]) -> np.ndarray:
    """The chance that of n samples the one with the highest score is correct, for each n: shape (ns,).

    With ascending ranks r_i it is sum_i correct_i C(r_i - 1, n - 1) / C(M, n); samples of one score share theirs, as a
    fair lot among them does. A score of -inf stands for an answer that is only taken where there is no other.
    ValueError for scores that are NaN, lists of different lengths, or an n outside 1..M.
    """
    total = _check(ns, correct, scores=scores)
    scores, correct = np.asarray(scores, float), np.asarray(correct, bool)
    if np.isnan(scores).any():
        raise ValueError(f"score {int(np.isnan(scores).argmax())} must be a number, got NaN")
    chances, below = [0.0] * len(ns), 0
    for score in np.unique(scores):
        tied = scores == score
        upto, share = below + int(tied.sum()), float(correct[tied].mean())
        for place, n in enumerate(ns):
            ways = math.comb(upto, n) - math.comb(below, n)  # subsets whose highest score is this one
            chances[place] += share * (ways / math.comb(total, n))
        below = upto
    return np.minimum(chances, 1.0)


def find_chance_of_any(correct: Sequence[bool], ns: Sequence[int]) -> np.ndarray:
    """The chance that n samples hold a correct one (pass@n, and verified best-of-n), for each n: shape (ns,)."""
    total = _check(ns, correct)
    return np.array([pass_at_k(total, int(np.sum(correct)), n) for n in ns])


def find_chance_of_majority(
    answers: Sequence[Hashable | None], correct: Sequence[bool], ns: Sequence[int]
) -> np.ndarray:
    """The chance that the most frequent of n answers is correct, for each n: shape (ns,). Exact, whatever n is.

    The subsets are counted, not drawn: with v votes for a right answer, its rivals have fewer, or v and then an even
    lot decides; the ways to do so are the coefficients of a product of polynomials, one a rival. None is an answer
    without a vote. ValueError where one answer is called both right and wrong, or for an n outside 1..M.
    """
    total = _check(ns, correct, answers=answers)
    if total > _MOST:
        raise ValueError(f"samples of a problem must be at most {_MOST}, got {total}")
    counts, most, wins = Counter(answer for answer in answers if answer is not None), max(ns), np.zeros(len(ns))
    for answer in _find_right(answers, correct):
        for votes in range(1, min(counts[answer], most) + 1):
            rivals = [count for other, count in counts.items() if other != answer and count >= votes]
            ways = _count_ways(total - counts[answer] - sum(rivals), rivals, votes, most)
            shares = ways / np.arange(1, len(ways) + 1)[:, None]  # an even lot between it and those that tie
            wins += [comb(counts[answer], votes) * shares[:, n - votes].sum() if n >= votes else 0.0 for n in ns]
    return np.minimum(wins / [comb(total, n) for n in ns], 1.0)


def _count_ways(free: int, rivals: Sequence[int], votes: int, most: int) -> np.ndarray:
    """Ways to draw k further samples of which t rivals get `votes` and the others fewer: shape (ties + 1, most + 1).

    `free` samples belong to answers too rare to get there, or have no vote.
    """
    ways = comb(free, np.arange(most + 1))[None]
    for rival in rivals:
        fewer, equal = comb(rival, np.arange(min(votes, most + 1))), comb(rival, votes)
        grown = np.zeros((min(len(ways) + 1, most // votes), most + 1))  # the answer itself has `votes` of them
        for ties, row in enumerate(ways):
            grown[ties] += np.convolve(row, fewer)[: most + 1]
            if ties + 1 < len(grown):
                grown[ties + 1, votes:] += equal * row[: most + 1 - votes]
        ways = grown
    return ways


def find_chance_of_weighted(
    answers: Sequence[Hashable | None], weights: Sequence[float] | np.ndarray, correct: Sequence[bool],
    ns: Sequence[int], rng: np.random.Generator, *, repeats: int = REPEATS,
) -> np.ndarray:  # fmt: skip
    """The chance that of n answers the one with the largest sum of weights is correct, for each n: shape (ns,).

    Over all subsets of n where there are at most `SUBSETS`, else over `repeats` random ones, the same orders for every
    n. Of equal sums the one of more votes wins, then an even lot. None is an answer without a vote.
    ValueError as for the majority, and for weights that are no finite numbers of at least 0.
    """
    total = _check(ns, correct, answers=answers, weights=weights)
    weights = np.asarray(weights, float)
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(f"weights must be finite numbers >= 0, got {weights.tolist()[:8]}")
    right = _find_right(answers, correct)
    ballots = list(dict.fromkeys(answer for answer in answers if answer is not None))
    if not right:
        return np.zeros(len(ns))
    places = {ballot: place for place, ballot in enumerate(ballots)}
    votes = np.zeros((total, len(ballots)))
    for sample, answer in enumerate(answers):
        if answer is not None:
            votes[sample, places[answer]] = 1.0
    is_right = np.array([ballot in right for ballot in ballots])
    ranks, chances = None, []
    for n in ns:
        if math.comb(total, n) <= SUBSETS:
            drawn = _list_subsets(total, n)
        else:
            ranks = rng.random((repeats, total)).argsort(axis=1) if ranks is None else ranks  # itself at random
            drawn = (ranks < n).astype(float)
        sums, cast = drawn @ (votes * np.asarray(weights)[:, None]), drawn @ votes
        sums[cast == 0] = -1.0  # an answer that was not drawn cannot win, not even with a weight of 0
        best = sums.max(axis=1, keepdims=True)
        leading = (sums >= best - _EDGE * np.abs(best)) & (best >= 0)
        cast[~leading] = 0
        leading &= cast == cast.max(axis=1, keepdims=True)
        shares = (leading & is_right).sum(axis=1) / np.maximum(leading.sum(axis=1), 1)
        chances.append(shares.mean())
    return np.array(chances)


@lru_cache(maxsize=4)
def _list_subsets(total: int, n: int) -> np.ndarray:
    """All subsets of n, as rows of 0 and 1: shape (subsets, total). Kept, for the next problem has the same ones."""
    chosen = np.array(list(combinations(range(total), n)))
    drawn = np.zeros((len(chosen), total))
    np.put_along_axis(drawn, chosen, 1.0, axis=1)
    return drawn


def aggregate(scores: Sequence[float], how: str = "last") -> float:
    """One weight from the scores of an answer's steps: the last, the smallest, their product or their sum.

    As search-and-learn does it (Beeching, Tunstall, Rush 2024). ValueError for another name, or without scores.
    """
    require_one_of("aggregation", how, AGGREGATIONS)
    if not len(scores):
        raise ValueError("an answer must have at least one score, got none")
    return float({"last": lambda one: one[-1], "min": min, "prod": math.prod, "sum": sum}[how](scores))


def count_trials(total: int, ns: Sequence[int]) -> np.ndarray:
    """How many independent trials a label from subsets of n of M samples is worth at least: M / n, shape (ns,).

    The variance of a mean over all subsets is at most n / M of that of a single one (Hoeffding 1948).
    """
    return total / np.asarray(ns, float)


def bound(probability: np.ndarray, trials: np.ndarray, *, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Intervals of labels: lower and upper ends, shapes as given; `trials` may be fractions, unlike Wilson's.

    Equal tails of Beta(p t + 1/2, (1 - p) t + 1/2), Jeffreys' prior. ValueError for a probability outside 0..1, or no
    trials.
    """
    probability, trials = np.asarray(probability, float), np.asarray(trials, float)
    if not ((probability >= 0) & (probability <= 1)).all() or not (trials > 0).all():
        raise ValueError("interval: probabilities from 0 to 1 and trials above 0 are needed")
    shape = probability * trials + 0.5, (1 - probability) * trials + 0.5
    low, high = beta.ppf(0.5 - confidence / 2, *shape), beta.ppf(0.5 + confidence / 2, *shape)
    return np.where(probability == 0, 0.0, low), np.where(probability == 1, 1.0, high)


# ------------------------------------------------------------------------------------------------------------ costs
def expect_cost_verified(
    tokens: Sequence[float] | np.ndarray, correct: Sequence[bool] | np.ndarray, ns: Sequence[int], batch: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected tokens, samples and batches until the verifier accepts one of up to n samples: three of shape (ns,).

    Samples come in random order, `batch` at a time (0: all n at once), and the batch that holds the first correct one
    is the last. Exact: the sample at the place p is drawn if none of the whole batches before p holds a correct one.
    """
    total = _check(ns, correct, tokens=tokens)
    tokens, correct = np.asarray(tokens, float), np.asarray(correct, bool)
    hits = int(correct.sum())
    rows = []
    for n in ns:
        size = batch or n
        before = np.arange(n) // size * size  # samples in earlier batches, of each place
        # of the other M - 1 samples, those earlier places must hold none of the correct ones among them
        wrong = _miss(total - 1, hits, before).sum() / total if hits < total else 0.0
        hit = _miss(total - 1, hits - 1, before).sum() / total if hits else 0.0
        drawn = np.where(correct, hit, wrong)
        rows.append((float(drawn @ tokens), float(drawn.sum()), float(_miss(total, hits, before[::size]).sum())))
    spent, samples, batches = np.array(rows).T
    return spent, samples, batches


def expect_distinct(answers: Sequence[Hashable | None], ns: Sequence[int]) -> np.ndarray:
    """How many different answers n samples hold on average, None aside, for each n: shape (ns,). Exact."""
    total = _check(ns, answers)
    counts = Counter(answer for answer in answers if answer is not None).values()
    misses = [sum(math.comb(total - count, n) for count in counts) / math.comb(total, n) for n in ns]
    return len(counts) - np.array(misses)


def _miss(total: int, hits: int, drawn: np.ndarray) -> np.ndarray:
    """The chance that `drawn` of `total` samples hold none of the `hits`."""
    return np.array([math.comb(total - int(count), hits) / math.comb(total, hits) for count in drawn])


def draw_totals(
    tokens: Sequence[float], ns: Sequence[int], rng: np.random.Generator, *, correct: Sequence[bool] | None = None,
    batch: int = 1, repeats: int = 512,
) -> np.ndarray:  # fmt: skip
    """What up to n samples cost together, in random orders: shape (ns, repeats), for quantiles.

    With `correct`, drawing ends with the batch of the first correct one, as in `expect_cost_verified`.
    """
    total = _check(ns, tokens)
    order = rng.random((repeats, total)).argsort(axis=1)
    sums = np.asarray(tokens, float)[order].cumsum(axis=1)
    found = np.full(repeats, total) if correct is None else _find_first(np.asarray(correct, bool)[order])
    rows = []
    for n in ns:
        size = batch or n
        stop = n if correct is None else np.minimum(n, (found // size + 1) * size)
        rows.append(sums[np.arange(repeats), np.broadcast_to(stop, repeats) - 1])
    return np.array(rows)


def _find_first(hits: np.ndarray) -> np.ndarray:
    return np.where(hits.any(axis=1), hits.argmax(axis=1), hits.shape[1])


# ----------------------------------------------------------------------------------------------------------- checks
def _check(ns: Sequence[int], correct: Sequence, **others: Sequence) -> int:
    """The number of samples; ValueError where lists differ in length or an n cannot be drawn."""
    total = len(correct)
    for name, other in others.items():
        if len(other) != total:
            raise ValueError(f"{name} must be one for each of {total} samples, got {len(other)}")
    for n in ns:
        require("n", n.item() if isinstance(n, np.integer) else n, int, 1, total)
    if not len(ns):
        raise ValueError("ns must be at least one number, got none")
    return total


def _find_right(answers: Sequence[Hashable | None], correct: Sequence[bool]) -> set[Hashable]:
    """The right answers; ValueError for one that is called both right and wrong."""
    verdicts: dict[Hashable, bool] = {}
    for answer, verdict in zip(answers, correct, strict=True):
        if answer is not None and verdicts.setdefault(answer, bool(verdict)) != bool(verdict):
            raise ValueError(f"answer {str(answer)[:60]!r} is called both right and wrong")
    return {answer for answer, verdict in verdicts.items() if verdict}
