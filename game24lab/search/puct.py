"""MCTS-alpha and MCTS-Rollout: PUCT as published for language models, with the reference code's names and defaults.

Both are TS-LLM's (Wan et al. 2024, arXiv 2309.17179), after AlphaZero (Silver et al. 2018); defaults are those that its
Game of 24 was run with. What differs from its code: lines to equal positions meet in one child (with `merge`), illegal
lines never become children, dead ends count -1 and are skipped, all that was sampled counts as cost, ties of visits go
to the larger Q. `mcts` is this project's own. Simulations run as in `simulation`. This module does not know what a line
or a position is, who samples and who values.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Generator, Iterator
from itertools import repeat
from typing import Any

from game24lab.runs.checks import require, require_flag, require_one_of
from game24lab.search.formulas import draw_dirichlet
from game24lab.search.graph import PRIORS, Edge, Node, Route, make_graph, weigh
from game24lab.search.requests import BudgetSpent, Outcome, Request, strategy
from game24lab.search.sampling import to_chance
from game24lab.search.simulation import list_alive, list_moves, make_puct, make_request, settle, simulate
from game24lab.tasks.task import Task

AGGREGATES = ("orm_max", "orm_vote", "majority_vote")


@strategy("Monte-Carlo trees", "simulations")
def mcts_alpha(
    task: Task,
    root: Any,
    *,
    simulations: int = 5,
    width: int = 20,
    pb_c_init: float = 3.0,
    pb_c_base: float = 19652.0,
    depth: int = 8,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 100,
    max_tokens: int = 64,
    sampling: str = "with",
    prior: str = "mean",
    sample: bool = False,
    root_dirichlet_alpha: float = 0.3,
    root_noise_weight: float = 0.25,
    leaves: int = 1,
    virtual_loss: float = 1.0,
    verified: bool,
    merge: bool = True,
    rng: random.Random,
) -> Generator[Request, list, Outcome]:
    """MCTS-alpha (`get_next_action`): simulate from the current position, make the move visited most, repeat.

    Args:
        simulations: for each move. The subtree is kept, with its statistics.
        width: lines drawn at a position.
        sampling: "with" replacement, "without", the "likeliest" lines, or the "legal" ones of these.
        depth: lines from the first position on, at most.
        prior: a line's weight among its siblings: exp of the mean log-probability of its tokens ("mean"), of the sum
            ("logprob"), or how often it was sampled ("frequency").
        sample: as in training: the priors at the position to move from are mixed with Dirichlet noise, and the move is
            drawn in proportion to the visits.
        root_noise_weight, root_dirichlet_alpha: share and concentration of the noise.
        leaves: simulations that wait for lines together and are answered by one request (leaf parallelism); 1: none.
        virtual_loss: loss counted for each simulation that has not backed up yet.

    Verified: the first accepted end ends the search. Otherwise the answer is the end that its moves lead to; if they
    lead to none, the end of the highest value met; if it met none, the greedy completion of its moves.
    ValueError for invalid parameters.
    """
    request = make_request(width, temperature, top_p, top_k, max_tokens, sampling)
    noisy: dict[Edge, float] = {}
    rule = make_puct(pb_c_init, pb_c_base, virtual_loss, noisy)
    for name, number in (("simulations", simulations), ("depth", depth), ("leaves", leaves)):
        require(name, number, int, 1)
    require_flag("sample", sample)
    require("root_dirichlet_alpha", root_dirichlet_alpha, float, 1e-6)
    require("root_noise_weight", root_noise_weight, float, 0, 1)
    require_one_of("prior", prior, PRIORS)
    graph = make_graph(task, root, verified, merge, prior)
    route: Route = [(None, graph.root)]
    stopped = "done"
    try:
        yield from graph.evaluate([graph.root])
        while choice := (yield from list_moves(graph, route, request, depth)):
            if sample:
                noise = draw_dirichlet(rng, root_dirichlet_alpha, len(choice))
                for edge, amount in zip(choice, noise, strict=True):
                    noisy[edge] = (1 - root_noise_weight) * edge.prior + root_noise_weight * amount
            starts = repeat(route, simulations)
            yield from simulate(graph, starts, request, rule, depth=depth, leaves=leaves)
            noisy.clear()
            if graph.accepted:
                break
            choice = list_alive(choice) or choice
            edge = _draw_move(choice, rng) if sample else max(choice, key=lambda edge: (edge.followed, edge.child.q))
            route.append((edge, edge.child))
        yield from settle(graph, route[-1][1])
    except BudgetSpent as spent:
        stopped = spent.unit
    return graph.conclude(graph.answer(route[-1][1]), graph.find_stop() or stopped)


@strategy("Monte-Carlo trees", "simulations")
def mcts_rollout(
    task: Task,
    root: Any,
    *,
    num_paths: int = 5,
    simulations: int = 200,
    max_token: int = 51200,
    width: int = 20,
    pb_c_init: float = 3.0,
    pb_c_base: float = 19652.0,
    depth: int = 8,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 100,
    max_tokens: int = 64,
    sampling: str = "with",
    prior: str = "mean",
    aggregate: str = "orm_max",
    leaves: int = 1,
    virtual_loss: float = 1.0,
    verified: bool,
    merge: bool = True,
) -> Generator[Request, list, Outcome]:
    """MCTS-Rollout (`rollout`): every simulation starts at the first position, until enough of them have met an end.

    Args:
        num_paths: simulations that reach an end, equal ends counted each time.
        simulations, max_token: no simulation begins after so many, or so many sampled tokens (`max_num_simulation` and
            `max_token` there, where one of the two is given).
        aggregate: which end that simulations came to is the answer: the one of the highest value ("orm_max"), the one
            whose visits have the largest sum of chances ("orm_vote"), or the one visited most ("majority_vote").

    The other parameters are those of `mcts_alpha`. Verified: the first accepted end ends the search, visited or not.
    Otherwise, if no simulation reached an end: the end of the highest value met, or the greedy completion of the
    position visited most. ValueError for invalid parameters.
    """
    request = make_request(width, temperature, top_p, top_k, max_tokens, sampling)
    rule = make_puct(pb_c_init, pb_c_base, virtual_loss)
    for name, number in (("num_paths", num_paths), ("simulations", simulations), ("max_token", max_token),
                         ("depth", depth), ("leaves", leaves)):  # fmt: skip
        require(name, number, int, 1)
    require_one_of("prior", prior, PRIORS)
    require_one_of("aggregate", aggregate, AGGREGATES)
    graph = make_graph(task, root, verified, merge, prior)
    route: Route = [(None, graph.root)]
    ends: list[Node] = []
    stopped = "done"

    def start() -> Iterator[Route]:
        for _ in range(simulations):
            if sum(end.terminal for end in ends) >= num_paths or graph.tree.sampled > max_token or graph.root.closed:
                return
            yield route

    try:
        yield from graph.evaluate([graph.root])
        if (yield from list_moves(graph, route, request, depth)):
            yield from simulate(graph, start(), request, rule, depth=depth, leaves=leaves, ends=ends)
        yield from settle(graph, graph.descend())
    except BudgetSpent as spent:
        stopped = spent.unit
    visits = Counter(end for end in ends if end.terminal)
    weights = {
        "orm_max": weigh,
        "orm_vote": lambda end: visits[end] * to_chance(end.q),
        "majority_vote": lambda end: visits[end],
    }
    chosen = max(visits, key=weights[aggregate], default=None)
    return graph.conclude(graph.answer(chosen), graph.find_stop() or stopped)


def _draw_move(choice: list[Edge], rng: random.Random) -> Edge:
    visits = [edge.followed for edge in choice]
    return rng.choices(choice, visits if sum(visits) else None)[0]
