"""Search without a tree, by vote: whole answers are sampled, and the one that most of them give is taken.

Which answers are the same is told by `by`: "position", those that end in equal positions (equal `task.key`; in the Game
of 24 the number reached), or "answer", those that are one calculation where the task can tell (`task.calculation`),
else one text. Answers that were cut off or hold an illegal line have no vote. Of the answers that won, the one is taken
that the critic, where it was asked, likes best, then the likeliest.

In the mode "verified" every search here ends with the batch of the first accepted answer and asks no critic. This
module does not know how completions are made or valued, and no task by name.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Generator, Hashable, Sequence
from typing import Any

from game24lab.runs.checks import require, require_one_of
from game24lab.search.requests import BudgetSpent, Complete, Outcome, Request, Value, strategy
from game24lab.search.sampling import (
    AGGREGATIONS,
    Candidate,
    check_sampling,
    conclude,
    evaluate,
    express,
    is_solved,
    make_tree,
    rank,
    read,
    to_chance,
)
from game24lab.tasks.task import Task

BALLOTS = ("position", "answer")


@strategy("votes", "n")
def majority(
    task: Task,
    root: Any,
    *,
    n: int = 64,
    batch: int = 0,
    by: str = "position",
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 256,
    sampling: str = "with",
    verified: bool,
) -> Generator[Request, list, Outcome]:
    """Self-consistency (Wang et al. 2022, arXiv 2203.11171): n answers, one vote each.

    `batch` answers are drawn at a time (0: all at once), which only a verified search profits from. `sampling`
    "without" replacement: n distinct answers, whose votes are their importance weights, so that sums of votes are what
    they would be on average of answers drawn with replacement; "likeliest": the likeliest ones by their probabilities.
    """
    settings = temperature, top_p, top_k, max_tokens
    return (yield from _poll(task, root, _split(n, batch), by, "", None, verified, settings, sampling))


@strategy("votes", "n")
def weighted_majority(
    task: Task,
    root: Any,
    *,
    n: int = 64,
    batch: int = 0,
    by: str = "position",
    agg_strategy: str = "last",
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 256,
    sampling: str = "with",
    verified: bool,
) -> Generator[Request, list, Outcome]:
    """n answers, each with its score as its vote (Li et al. 2022, arXiv 2206.02336; search-and-learn's `weighted`).

    A score is the critic's chance of the final position ("last"), or the smallest ("min") or the product ("prod") of
    the chances of all positions of the answer. A lone answer always has a vote above 0.
    """
    require_one_of("agg_strategy", agg_strategy, AGGREGATIONS)
    settings = temperature, top_p, top_k, max_tokens
    return (yield from _poll(task, root, _split(n, batch), by, agg_strategy, None, verified, settings, sampling))


@strategy("votes", "n")
def adaptive_consistency(
    task: Task,
    root: Any,
    *,
    n: int = 40,
    batch: int = 1,
    threshold: float = 0.95,
    by: str = "position",
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 256,
    verified: bool,
) -> Generator[Request, list, Outcome]:
    """Up to n answers, until the lead is sure to last (Aggarwal et al. 2023, arXiv 2305.11860, Beta criterion).

    Sure is a chance above `threshold` that the first of the two leading answers has more than half of their votes,
    under Beta(v1 + 1, v2 + 1). It is looked at after every `batch` answers.
    """
    require("threshold", threshold, float, 0.5, 1)
    sizes = _split(n, batch)

    def is_sure(ballots: Sequence[Hashable], _: int) -> bool:
        leading = [count for _, count in Counter(ballots).most_common(2)]
        return bool(leading) and measure_lead(*leading) > threshold

    settings = temperature, top_p, top_k, max_tokens
    return (yield from _poll(task, root, sizes, by, "", is_sure, verified, settings))


@strategy("votes", "n")
def early_stopping(
    task: Task,
    root: Any,
    *,
    n: int = 40,
    window: int = 5,
    by: str = "position",
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 256,
    verified: bool,
) -> Generator[Request, list, Outcome]:
    """Early-stopping self-consistency (Li et al. 2024, arXiv 2401.10480): a vote that ends with a unanimous window.

    Answers are drawn in windows of `window`; one whose answers all have a vote, and the same, ends the search.
    """
    require("window", window, int, 1)
    sizes = _split(n, window)

    def is_unanimous(ballots: Sequence[Hashable], begin: int) -> bool:
        return len(ballots) - begin == window and len(set(ballots[begin:])) == 1

    settings = temperature, top_p, top_k, max_tokens
    return (yield from _poll(task, root, sizes, by, "", is_unanimous, verified, settings))


def vote(ballots: Sequence[Hashable], weights: Sequence[float] | None = None) -> Hashable | None:
    """The ballot with the highest sum of weights (1 each by default), None where nobody votes.

    Of equal sums the one with more votes wins, and of equals the first.
    """
    tallies: dict[Hashable, list[float]] = {}
    for ballot, weight in zip(ballots, [1] * len(ballots) if weights is None else weights, strict=True):
        tally = tallies.setdefault(ballot, [0.0, 0])
        tally[0] += weight
        tally[1] += 1
    return max(tallies, key=tallies.__getitem__, default=None)


def measure_lead(first: int, second: int = 0) -> float:
    """P(p > 1/2) for p ~ Beta(first + 1, second + 1): how sure it is that the leading answer keeps its lead.

    Exact, as a sum over the binomial distribution of first + second + 1 throws of a coin. ValueError for counts < 0.
    """
    require("first", first, int, 0)
    require("second", second, int, 0)
    throws = first + second + 1
    return sum(math.comb(throws, heads) for heads in range(first + 1)) / 2**throws


def _split(n: int, batch: int) -> list[int]:
    require("n", n, int, 1)
    require("batch", batch, int, 0)
    return [min(batch or n, n - begin) for begin in range(0, n, batch or n)]


def _poll(
    task: Task,
    root: Any,
    sizes: Sequence[int],
    by: str,
    agg_strategy: str,  # "": votes are not weighed
    is_over: Callable[[Sequence[Hashable], int], bool] | None,  # of all votes, and how many stood before the last batch
    verified: bool,
    settings: tuple[float, float, int, int],
    sampling: str = "with",
) -> Generator[Request, list, Outcome]:
    """Draw answers in batches of these sizes until it is over, and commit to the winner."""
    check_sampling(*settings, sampling)
    require_one_of("by", by, BALLOTS)
    tree = make_tree(task, root)
    valued = bool(agg_strategy) and not verified
    candidates: list[Candidate] = []
    trie: Any = None
    ballots: list[Hashable] = []
    stopped = "done"
    try:
        if valued:  # first of all, so that a missing critic is noticed before anything is sampled
            (tree.value[0],) = yield Value((root,))
            tree.log("evaluate", 0)
        for attempt, size in enumerate([] if task.is_terminal(root) else sizes):
            (completions,) = yield Complete((root,), size, attempt, *settings, sampling=sampling)
            trie = getattr(completions, "trie", None)
            new = [read(task, tree, root, completion) for completion in completions]
            candidates += new
            if verified and any(is_solved(task, candidate) for candidate in new):
                stopped = "solved"
                break
            ended, before = [candidate for candidate in new if candidate.end == "terminal"], len(ballots)
            if valued:
                yield from evaluate(tree, ended, agg_strategy)
            ballots += [_name_ballot(task, candidate, by) for candidate in ended]
            if is_over is not None and is_over(ballots, before):
                stopped = "confident"
                break
            if len(completions) < size:  # without replacement: there are no more
                stopped = "exhausted"
                break
    except BudgetSpent as spent:
        stopped = spent.unit

    def count(ended: list[Candidate]) -> Candidate:
        given = [_name_ballot(task, candidate, by) for candidate in ended]
        weights = [_weigh(candidate, agg_strategy) if valued else 1.0 for candidate in ended]
        if trie is not None:
            shares = {candidate.node: 0.0 for candidate in candidates}
            for candidate, share in zip(candidates, trie.weigh(), strict=True):
                shares[candidate.node] += share
            weights = [weight * shares[candidate.node] for weight, candidate in zip(weights, ended, strict=True)]
        winner = vote(given, weights)
        return max((one for one, ballot in zip(ended, given, strict=True) if ballot == winner), key=rank)

    return conclude(task, tree, root, candidates, verified, stopped, count)


def _name_ballot(task: Task, candidate: Candidate, by: str) -> Hashable:
    if by == "position":
        return task.key(candidate.state)
    return task.calculation(candidate.state) if hasattr(task, "calculation") else express(task, candidate.state)


def _weigh(candidate: Candidate, agg_strategy: str) -> float:
    """The weight of a vote; none where a spent budget left the answer without a value."""
    if candidate.value is None:
        return 0.0
    return to_chance(candidate.value) if agg_strategy == "last" else candidate.value
