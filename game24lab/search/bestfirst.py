"""Searches that expand one path at a time: depth first by value, best first with a queue, and A*.

Each position is expanded once, by `width` lines in one request, and its children are valued in the next. What differs
from TS-LLM's code (`dfs_v`): equal positions are expanded once, discarded lines count as cost, and where no path has
come to an end, the best one is completed greedily. This module does not know what a line or a position is, who samples
and who values.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Generator
from itertools import count
from typing import Any

from game24lab.runs.checks import require
from game24lab.search.partial import LineSampling, Path, Paths, make_paths
from game24lab.search.requests import BudgetSpent, Outcome, Request, strategy
from game24lab.tasks.task import Task


@strategy("best first", "num_paths")
def dfs_v(
    task: Task,
    root: Any,
    *,
    width: int = 6,
    prune_ratio: float = 0.7,
    prune_value: float | None = None,
    num_paths: int = 5,
    depth: int = 8,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 64,
    sampling: str = "with",
    verified: bool,
    merge: bool = True,
) -> Generator[Request, list, Outcome]:
    """DFS-V of TS-LLM (Wan et al. 2024, arXiv 2309.17179): depth first, the worst children pruned.

    Args:
        width: lines sampled at a position (TS-LLM's max_action); duplicates and illegal ones count as cost.
        prune_ratio: of c children, best first, those behind place (1 - prune_ratio) c are pruned, never the best.
        prune_value: children of a lower value are pruned; None: no such limit.
        num_paths: ends visited at most.
        depth: lines of an answer at most (TS-LLM's max_length).
        max_tokens: per line.
        sampling: "with" replacement, "without", the "likeliest" lines, or the "legal" ones of these.

    Verified: the first accepted answer ends the search. Otherwise, the answer is the visited end of the highest value,
    ties by log-probability.
    """
    for name, number in (("width", width), ("num_paths", num_paths), ("depth", depth)):
        require(name, number, int, 1)
    require("prune_ratio", prune_ratio, float, 0, 1)
    if prune_value is not None:
        require("prune_value", prune_value, float, -1, 1)
    settings = LineSampling(temperature, top_p, top_k, max_tokens, sampling)
    paths = make_paths(task, root, verified, merge)
    stack, ended, last, stopped = [paths.root], [], [paths.root], "done"
    try:
        yield from paths.evaluate([paths.root])
        while stack and len(ended) < num_paths and not paths.accepted:
            path = stack.pop()
            if path.end:
                ended.append(path)
            elif path.length == depth:
                paths.drop([path], [], "unfinished")
            elif not paths.is_expanded(path):
                last = [path]
                children = yield from _expand(paths, path, width, settings)
                best = [child for place, child in enumerate(children) if place <= (1 - prune_ratio) * len(children)
                        and (prune_value is None or child.value >= prune_value)]  # fmt: skip
                paths.drop(children, best + stack)
                stack += reversed(best)
        yield from paths.finish(last)
    except BudgetSpent as spent:
        stopped = spent.unit
    return paths.conclude(stopped, lambda answers: max(ended or answers, key=lambda path: path.rank))


@strategy("best first", "simulations")
def best_first(
    task: Task,
    root: Any,
    *,
    width: int = 6,
    simulations: int = 20,
    path_weight: float = 0.0,
    depth: int = 8,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 64,
    sampling: str = "with",
    verified: bool,
    merge: bool = True,
) -> Generator[Request, list, Outcome]:
    """Best-first search by value (Koh et al. 2024, arXiv 2407.01476): expand the open position of the lowest cost.

    Args:
        width: lines sampled at a position; duplicates and illegal ones count as cost.
        simulations: positions expanded at most.
        path_weight: weight of the path's log-probability in the cost, see `a_star`; 0: the value alone.
        depth: lines of an answer at most.
        max_tokens: per line.
        sampling: "with" replacement, "without", the "likeliest" lines, or the "legal" ones of these.

    Verified: the first accepted answer ends the search. Otherwise it ends with the first end that comes out of the
    queue, which has the lowest cost in it; where none came out, the answer is the best of the ends met.
    """
    for name, number in (("width", width), ("simulations", simulations), ("depth", depth)):
        require(name, number, int, 1)
    require("path_weight", path_weight, float, 0)
    settings = LineSampling(temperature, top_p, top_k, max_tokens, sampling)
    paths = make_paths(task, root, verified, merge)
    order, stopped, expanded, taken = count(), "exhausted", 0, None
    queue = [(0.0, next(order), paths.root)]
    last = [paths.root]
    cheapest: dict[int, float] = {}
    try:
        yield from paths.evaluate([paths.root])
        while queue and not paths.accepted:
            _, _, path = heapq.heappop(queue)
            if path.end and not verified:
                taken, stopped = path, "done"
                break
            if path.length == depth:
                paths.drop([path], [], "unfinished")
            if path.end or path.length == depth or paths.is_expanded(path):
                continue
            if expanded == simulations:
                stopped = "done"
                break
            expanded, last = expanded + 1, [path]
            for child in (yield from _expand(paths, path, width, settings)):
                cost = path_weight * -child.logprob - math.log(child.chance)
                if not paths.is_expanded(child) and cost < cheapest.get(child.node, math.inf):
                    cheapest[child.node] = cost
                    heapq.heappush(queue, (cost, next(order), child))
        yield from paths.finish(last)
    except BudgetSpent as spent:
        stopped = spent.unit
    return paths.conclude(stopped, lambda answers: taken or max(answers, key=lambda path: path.rank))


@strategy("best first", "simulations")
def a_star(
    task: Task,
    root: Any,
    *,
    width: int = 6,
    simulations: int = 20,
    path_weight: float = 1.0,
    depth: int = 8,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 64,
    sampling: str = "with",
    verified: bool,
    merge: bool = True,
) -> Generator[Request, list, Outcome]:
    """A* (Hart, Nilsson, Raphael 1968): `best_first` by g + h, with g = -`path_weight` log P(lines), h = -log chance.

    With a weight of 1 it looks for the answer that most likely is both sampled and right: e^-(g + h) is the policy's
    probability of the lines so far times the critic's chance from there. Where the critic never underestimates
    the best continuation, h is admissible and the first end out of the queue the best among the lines sampled.
    """
    return (
        yield from best_first(
            task, root, width=width, simulations=simulations, path_weight=path_weight, depth=depth,
            temperature=temperature, top_p=top_p, top_k=top_k, max_tokens=max_tokens, sampling=sampling,
            verified=verified, merge=merge,
        )
    )  # fmt: skip


def _expand(paths: Paths, path: Path, width: int, settings: LineSampling) -> Generator[Request, list, list[Path]]:
    """Expand a path: its children, one a position, valued, best first; [] once the search has its answer."""
    (family,) = yield from paths.expand([path], [width], 0, settings)
    if paths.accepted:
        return []
    children = list({child.node: child for child in family if child.end in ("", "terminal")}.values())
    yield from paths.evaluate(children)
    return sorted(children, key=lambda child: child.rank, reverse=True)
