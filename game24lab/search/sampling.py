"""Search without a tree: one greedy answer, or the best of n sampled ones.

Whole answers are sampled from the first position and then read line by line by the task. This module does not know how
completions are made or valued, and no task by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from game24lab.runs.checks import require, require_one_of
from game24lab.search.requests import SAMPLINGS, BudgetSpent, Complete, Outcome, Request, Value, strategy
from game24lab.search.tree import Tree
from game24lab.tasks.task import Illegal, Task

# The outcome of a search without an accepted candidate: the first of these that one of them had.
_MISSES = ("wrong value", "unfinished", "illegal")

AGGREGATIONS = ("last", "min", "prod")  # of the values of an answer's steps, as search-and-learn names them
_EDGE = 1e-6  # chances are kept this far from 0 and 1, so that logits and products stay finite

ON_TREE: ContextVar[Callable[[Tree], None] | None] = ContextVar("on_tree", default=None)  # see `search.watch`


@dataclass
class Candidate:
    """A completion that has been read: its last legal state, its leaf in the tree, and how it ended."""

    state: Any
    node: int
    logprob: float  # natural log, of the whole completion
    end: str  # "terminal", "illegal", "unfinished"
    value: float | None = None
    passed: list[tuple[Any, int]] = field(default_factory=list)  # its legal states in order, each with its node


@strategy("samples")
def greedy(task: Task, root: Any, *, max_tokens: int = 256, verified: bool) -> Generator[Request, list, Outcome]:
    """One completion at temperature 0. All modes return it; `verified` only withholds a wrong answer."""
    require("max_tokens", max_tokens, int, 1)
    tree = make_tree(task, root)
    candidates, stopped = [], "done"
    try:
        if not task.is_terminal(root):
            (completions,) = yield Complete((root,), 1, temperature=0.0, max_tokens=max_tokens)
            candidates = [read(task, tree, root, completion) for completion in completions]
    except BudgetSpent as spent:
        stopped = spent.unit
    return conclude(task, tree, root, candidates, verified, stopped)


@strategy("samples", "n")
def best_of_n(
    task: Task,
    root: Any,
    *,
    n: int = 64,
    batch: int = 8,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 256,
    sampling: str = "with",
    choose: str = "value",
    agg_strategy: str = "last",
    verified: bool,
) -> Generator[Request, list, Outcome]:
    """Up to n sampled answers, `batch` at a time (0: all at once).

    Verified: ends with the batch that holds the first accepted answer; no value is asked for. Otherwise: all n are
    drawn, and of the finished answers the one of the highest value is taken (`choose="value"`: the critic's value of
    the final position, or of all positions under `agg_strategy` "min" and "prod", see `aggregate`; ties by
    log-probability, and answers that a spent budget left without a value come last), or the one with the highest
    log-probability (`choose="logprob"`). Votes are in `game24lab.search.voting`.

    sampling: "with" replacement, "without" (all answers are distinct) or the "likeliest" ones; where there are fewer
        than n, all of them are drawn, and `stopped` is "exhausted".
    """
    require("n", n, int, 1)
    require("batch", batch, int, 0)
    check_sampling(temperature, top_p, top_k, max_tokens, sampling)
    settings = temperature, top_p, top_k, max_tokens
    require_one_of("choose", choose, ("value", "logprob"))
    require_one_of("agg_strategy", agg_strategy, AGGREGATIONS)
    tree = make_tree(task, root)
    valued = choose == "value" and not verified
    candidates: list[Candidate] = []
    stopped = "done"
    try:
        if valued:  # first of all, so that a missing critic is noticed before anything is sampled
            (tree.value[0],) = yield Value((root,))
            tree.log("evaluate", 0)
        for attempt, begin in enumerate(range(0, n, batch or n)):
            if task.is_terminal(root):
                break
            size = min(batch or n, n - begin)
            (completions,) = yield Complete((root,), size, attempt, *settings, sampling=sampling)
            new = [read(task, tree, root, completion) for completion in completions]
            candidates += new
            if verified and any(is_solved(task, candidate) for candidate in new):
                stopped = "solved"
                break
            if valued:
                yield from evaluate(tree, [candidate for candidate in new if candidate.end == "terminal"], agg_strategy)
            if len(completions) < size:  # without replacement: there are no more
                stopped = "exhausted"
                break
    except BudgetSpent as spent:
        stopped = spent.unit
    return conclude(task, tree, root, candidates, verified, stopped)


def evaluate(tree: Tree, candidates: list[Candidate], agg_strategy: str) -> Generator[Request, list, None]:
    """Ask the critic about answers, in one request: their final positions, or all of them if the aggregation needs it.

    A candidate's `value` becomes the final position's value in [-1, 1] under "last", else the aggregated chance.
    """
    spots = [candidate.passed[-1:] if agg_strategy == "last" else candidate.passed for candidate in candidates]
    asked = [spot for passed in spots for spot in passed]
    values = (yield Value(tuple(state for state, _ in asked))) if asked else []
    for (_, node), value in zip(asked, values, strict=True):
        if tree.value[node] is None:
            tree.value[node] = value
            tree.log("evaluate", node)
    for candidate, passed in zip(candidates, spots, strict=True):
        given, values = values[: len(passed)], values[len(passed) :]
        candidate.value = given[-1] if agg_strategy == "last" else aggregate(given, agg_strategy)


def aggregate(values: Sequence[float], agg_strategy: str) -> float:
    """One score in [0, 1] from the critic's values of an answer's steps: their last, smallest or multiplied chance.

    The strategies of search-and-learn (Beeching, Tunstall, Rush 2024). ValueError for another name, or without values.
    """
    require_one_of("agg_strategy", agg_strategy, AGGREGATIONS)
    if not values:
        raise ValueError("aggregate needs at least one value, got none")
    chances = [to_chance(value) for value in values]
    return {"last": chances[-1], "min": min(chances), "prod": math.prod(chances)}[agg_strategy]


def to_chance(value: float) -> float:
    """P(solved) of a critic's value in [-1, 1], kept off 0 and 1 by a millionth."""
    return min(max((value + 1) / 2, _EDGE), 1 - _EDGE)


def check_sampling(temperature: float, top_p: float, top_k: int, max_tokens: int, sampling: str = "with") -> None:
    """ValueError for invalid sampling settings."""
    require("temperature", temperature, float, 0)
    require("top_p", top_p, float, 1e-6, 1)
    require("top_k", top_k, int, 0)
    require("max_tokens", max_tokens, int, 1)
    require_one_of("sampling", sampling, SAMPLINGS)


def make_tree(task: Task, root: Any) -> Tree:
    """A tree that holds the root alone; `ON_TREE` is told of it."""
    tree = Tree()
    tree.add(-1, "", task.label(root), expression=express(task, root))
    if (tell := ON_TREE.get()) is not None:
        tell(tree)
    return tree


def express(task: Task, state: Any) -> str:
    """The expression built so far, "" where the task has none."""
    return task.expression(state) if hasattr(task, "expression") else ""


def read(task: Task, tree: Tree, root: Any, completion: Any, at: int = 0) -> Candidate:
    """Follow the lines of a completion from a state and add them to the tree below the node `at`, one node a line.

    A last line that was cut off by `max_tokens` makes the candidate unfinished, not illegal.
    """
    lines = [line for line in completion.text.splitlines() if line.strip()]
    node, state, passed = at, root, []
    for number, line in enumerate(lines, 1):
        after = task.step(state, line)
        last = number == len(lines)
        price = {"tokens": completion.tokens, "logprob": completion.logprob}
        if isinstance(after, Illegal):
            cut = last and completion.finish == "length"
            node = tree.add(node, line, "", status="unfinished" if cut else "illegal", reason=after.reason, **price)
            return Candidate(state, node, completion.logprob, "unfinished" if cut else "illegal", passed=passed)
        state = after
        label, expression = task.label(state), express(task, state)
        node = tree.add(node, line, label, expression=expression, **(price if last else {}))
        passed.append((state, node))
    if not lines:
        node = tree.add(at, "", task.label(state), status="unfinished", reason="nothing was said",
                        tokens=completion.tokens, logprob=completion.logprob)  # fmt: skip
    end = "terminal" if task.is_terminal(state) else "unfinished"
    if end == "unfinished":
        tree.status[node] = "unfinished"
    return Candidate(state, node, completion.logprob, end, passed=passed)


def is_solved(task: Task, candidate: Candidate) -> bool:
    """Whether a candidate reached a terminal state without an illegal line, and the exact verifier accepts it."""
    return candidate.end == "terminal" and task.verdict(candidate.state).solved


def rank(candidate: Candidate) -> tuple[float, float]:
    """Sort key of answers: the value, then the log-probability; an answer without a value comes last."""
    return (-2.0 if candidate.value is None else candidate.value, candidate.logprob)


def pick_best(ended: list[Candidate]) -> Candidate:
    """The best of some answers, the first of equals."""
    return max(ended, key=rank)


def conclude(
    task: Task,
    tree: Tree,
    root: Any,
    candidates: list[Candidate],
    verified: bool,
    stopped: str,
    pick: Callable[[list[Candidate]], Candidate] = pick_best,
) -> Outcome:
    """Commit, and only then judge everything that was found.

    Verified: to the first accepted answer, if any. Otherwise: to what `pick` takes of the answers that reached an end;
    where none did, to the best of the others, which is no answer.
    """
    if task.is_terminal(root):
        candidates = [Candidate(root, 0, 0.0, "terminal", tree.value[0])]
    ended = [candidate for candidate in candidates if candidate.end == "terminal"]
    if verified:
        chosen = next((candidate for candidate in ended if is_solved(task, candidate)), None)
    else:
        chosen = pick(ended) if ended else max(candidates, default=None, key=rank)
    tree.log("stop", chosen.node if chosen else 0)
    for candidate in ended:
        judge(task, tree, candidate.node, candidate.state)
    correct = sum(tree.status[candidate.node] == "solved" for candidate in ended)
    if chosen is not None and chosen.end == "terminal":
        verdict = task.verdict(chosen.state)
        return Outcome(verdict.answer, verdict.solved, verdict.outcome, len(candidates), correct, stopped, tree=tree)
    ends = {"wrong value" if candidate.end == "terminal" else candidate.end for candidate in candidates}
    outcome = chosen.end if chosen else next((miss for miss in _MISSES if miss in ends), "no answer")
    return Outcome("", False, outcome, len(candidates), correct, stopped, tree=tree)


def judge(task: Task, tree: Tree, node: int, state: Any) -> None:
    """Write the exact verdict on a terminal position into its node."""
    verdict = task.verdict(state)
    tree.status[node] = "solved" if verdict.solved else "wrong"
    tree.reason[node] = "" if verdict.solved else verdict.reason
