"""RAP: every simulation is a whole path to an end, and every position learns from what comes after it.

Hao et al. 2023 (Reasoning with Language Model is Planning with World Model, arXiv 2305.14992), with the names and
defaults of its authors' library (llm-reasoners). A step's reward is the critic's value of the position it leads to (in
a verified search an end's is the exact verdict, 1 or -1), known for all children as soon as their parent is drawn from.
TS-LLM's `rap`, which backs up the end alone, is `cum_reward="last"`. What differs from the reference code: lines to
equal positions meet in one child (with `merge`), dead ends count -1 and are skipped from then on. This module does
not know what a line or a position is, who samples and who values.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Generator, Sequence
from statistics import fmean
from typing import Any

from game24lab.runs.checks import require, require_one_of
from game24lab.search.formulas import score_uct
from game24lab.search.graph import PRIORS, Edge, Graph, Node, Route, make_graph
from game24lab.search.requests import BudgetSpent, Outcome, Propose, Request, strategy
from game24lab.search.simulation import draw, list_alive, make_request, settle
from game24lab.tasks.task import Task

AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": sum, "mean": fmean, "max": max, "last": lambda rewards: rewards[-1],
}  # fmt: skip


@strategy("Monte-Carlo trees", "n_iters")
def rap(
    task: Task,
    root: Any,
    *,
    n_iters: int = 10,
    width: int = 4,
    w_exp: float = 1.0,
    depth_limit: int = 8,
    cum_reward: str = "sum",
    calc_q: str = "mean",
    simulate_strategy: str = "max",
    output_strategy: str = "max_reward",
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 64,
    sampling: str = "with",
    prior: str = "mean",
    verified: bool,
    merge: bool = True,
    rng: random.Random,
) -> Generator[Request, list, Outcome]:
    """UCT down to a position not drawn from yet, then on to an end; ValueError for invalid parameters.

    Args:
        n_iters: simulations, each a path to an end, a dead end or `depth_limit` lines below the root.
        width: lines drawn at a position.
        sampling: "with" replacement, "without", the "likeliest" lines, or the "legal" ones of these.
        w_exp: weight of exploration in UCT; a child not visited yet has its reward for its value.
        cum_reward: a simulation's return at a position: the sum, mean, max or last of the rewards from the position
            to the path's end.
        calc_q: a position's Q: the mean or the max of its simulations' returns.
        simulate_strategy: how a path goes on beyond the position drawn at: to the child of the largest reward ("max"),
            one drawn by the priors ("sample") or one drawn evenly ("random").
        output_strategy: if not verified, which end is the answer: that of the path whose rewards add up (`cum_reward`,
            from the first move on) to the most ("max_reward"), that visited most ("max_visit"), or the one that
            following the largest reward from the root leads to ("follow_max").

    Verified: the first accepted end ends the search. Otherwise, where nothing leads to an end: the end of the highest
    value met, or greedy sampling from the position visited most.
    """
    request = make_request(width, temperature, top_p, top_k, max_tokens, sampling)
    require("n_iters", n_iters, int, 1)
    require("depth_limit", depth_limit, int, 1)
    require("w_exp", w_exp, float, 0)
    require_one_of("cum_reward", cum_reward, tuple(AGGREGATES))
    require_one_of("calc_q", calc_q, ("mean", "max"))
    require_one_of("simulate_strategy", simulate_strategy, ("max", "sample", "random"))
    require_one_of("output_strategy", output_strategy, ("max_reward", "max_visit", "follow_max"))
    require_one_of("prior", prior, PRIORS)
    graph = make_graph(task, root, verified, merge, prior)
    add_up = AGGREGATES[cum_reward]
    best: dict[Node, float] = {}  # the highest return of a simulation at a position
    paths: list[tuple[float, Node]] = []  # each path to an end with its return
    stopped = "done"
    try:
        yield from graph.evaluate([graph.root])
        for _ in range(0 if graph.root.terminal else n_iters):
            route = _select(graph, w_exp, depth_limit)
            dead = yield from _extend(graph, route, request, depth_limit, simulate_strategy, rng)
            end = route[-1][1]
            rewards = [node.value for _, node in route[1:-1]] + [-1.0 if dead else end.value]  # the root has none
            returns = [add_up(rewards[max(0, depth - 1) :]) for depth in range(len(route))]
            graph.back_up(route, returns if calc_q == "mean" else _raise(best, route, returns))
            if end.terminal:
                paths.append((returns[0], end))
            if graph.accepted or graph.root.closed:
                break
        yield from settle(graph, graph.descend())
    except BudgetSpent as spent:
        stopped = spent.unit
    chosen = None
    if output_strategy == "follow_max":
        chosen = _follow(graph)
    elif paths:
        by_visits = output_strategy == "max_visit"
        chosen = max(paths, key=lambda path: path[1].visits if by_visits else path[0])[1]
    return graph.conclude(graph.answer(chosen), graph.find_stop() or stopped)


def _select(graph: Graph, w_exp: float, depth_limit: int) -> Route:
    """Down by UCT to an end, to a position not drawn from yet, or as deep as may be."""
    node, route = graph.root, [(None, graph.root)]
    while node.draws and not node.terminal and len(route) <= depth_limit:
        choice = _list_choice(node, route)
        if not choice:
            break
        visits = node.visits
        edge = max(choice, key=lambda edge: score_uct(edge.child.q, visits, edge.followed, w_exp))
        node = edge.child
        route.append((edge, node))
    return route


def _extend(
    graph: Graph, route: Route, request: Propose, depth_limit: int, strategy: str, rng: random.Random
) -> Generator[Request, list, bool]:
    """Go on to an end, drawing where nothing was drawn yet; returns whether it is a dead end."""
    logged = 0
    while True:
        for edge, _ in route[logged:]:
            graph.tree.log("select", edge.index if edge else 0)
        logged, node = len(route), route[-1][1]
        if node.terminal or len(route) > depth_limit:
            return False
        if not node.draws:
            yield from draw(graph, [node], request)
        choice = _list_choice(node, route)
        if not choice:
            node.closed = not list_alive(node.edges)
            return True
        if strategy == "max":
            edge = max(choice, key=lambda edge: edge.child.value)
        else:
            edge = rng.choices(choice, [edge.prior for edge in choice] if strategy == "sample" else None)[0]
        route.append((edge, edge.child))


def _list_choice(node: Node, route: Route) -> list[Edge]:
    return [edge for edge in list_alive(node.edges) if edge.child not in [passed for _, passed in route]]


def _raise(best: dict[Node, float], route: Route, returns: Sequence[float]) -> list[float]:
    """What to add to each position's W so that W / N is the highest return of its simulations."""
    added = []
    for (_, node), value in zip(route, returns, strict=True):
        best[node] = max(best.get(node, -math.inf), value)
        added.append(best[node] * (node.visits + 1) - node.total)
    return added


def _follow(graph: Graph) -> Node:
    """From the root to the visited child of the largest reward, as long as there is one."""
    node, route = graph.root, [(None, graph.root)]
    while visited := [edge for edge in _list_choice(node, route) if edge.followed]:
        edge = max(visited, key=lambda edge: edge.child.value)
        node = edge.child
        route.append((edge, node))
    return node
