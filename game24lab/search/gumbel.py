"""Gumbel search: sequential halving among a few moves drawn without replacement, then improved policies below.

Danihelka et al. 2022 (Policy improvement by planning with Gumbel), as ReSCALE applied it to language models: c_visit,
c_scale and the number of moves considered are its defaults, `gumbel_scale` and `max_num_considered_actions` are named
as in DeepMind's mctx. Simulations run as in TS-LLM (`simulation`); the formulas are in `formulas`. This module does not
know what a line or a position is, who samples and who values.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import Any

from game24lab.runs.checks import require, require_one_of
from game24lab.search.formulas import complete_values, draw_gumbels, measure_lag, plan_halving, scale_values, to_logit
from game24lab.search.graph import PRIORS, Edge, Node, Route, make_graph
from game24lab.search.requests import BudgetSpent, Outcome, Request, strategy
from game24lab.search.simulation import Rule, list_alive, list_moves, make_puct, make_request, settle, simulate
from game24lab.tasks.task import Task

INTERIORS = ("gumbel", "ucb")


@strategy("Monte-Carlo trees", "simulations")
def gumbel_mcts(
    task: Task,
    root: Any,
    *,
    simulations: int = 20,
    width: int = 20,
    max_num_considered_actions: int = 10,
    gumbel_scale: float = 1.0,
    gumbel_c_visit: float = 50.0,
    gumbel_c_scale: float = 1.0,
    non_root_child_selection_mode: str = "gumbel",
    complete: str = "mixed",
    pb_c_init: float = 3.0,
    pb_c_base: float = 19652.0,
    depth: int = 8,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 100,
    max_tokens: int = 64,
    sampling: str = "with",
    prior: str = "mean",
    verified: bool,
    merge: bool = True,
    rng: random.Random,
) -> Generator[Request, list, Outcome]:
    """One move at a time: of the moves with the largest g + ln P, halve by g + ln P + sigma(Q), make the last one left.

    Args:
        simulations: for each move, scheduled by `formulas.plan_halving`. One simulation of each considered move runs
            at a time, and one request serves them all.
        max_num_considered_actions: moves of the first round, at most as many as there are simulations.
        gumbel_scale: size of the noise g; 0: none, the moves with the largest P are considered.
        gumbel_c_visit, gumbel_c_scale: sigma(q) = (c_visit + max n) c_scale q.
        non_root_child_selection_mode: below, the child furthest behind its share of softmax(ln P + sigma(completed Q))
            ("gumbel"), or PUCT with `pb_c_init` and `pb_c_base` ("ucb").
        complete: below, an unvisited child has the mixed value of the paper ("mixed") or the critic's value, known for
            every child ("critic").

    All else is as in `puct.mcts_alpha`. ValueError for invalid parameters.
    """
    request = make_request(width, temperature, top_p, top_k, max_tokens, sampling)
    puct = make_puct(pb_c_init, pb_c_base)
    for name, number in (("simulations", simulations), ("depth", depth),
                         ("max_num_considered_actions", max_num_considered_actions)):  # fmt: skip
        require(name, number, int, 1)
    for name, scale in (("gumbel_scale", gumbel_scale), ("gumbel_c_visit", gumbel_c_visit),
                        ("gumbel_c_scale", gumbel_c_scale)):  # fmt: skip
        require(name, scale, float, 0)
    require_one_of("non_root_child_selection_mode", non_root_child_selection_mode, INTERIORS)
    require_one_of("complete", complete, ("mixed", "critic"))
    require_one_of("prior", prior, PRIORS)
    improved = _make_rule(gumbel_c_visit, gumbel_c_scale, complete == "mixed")
    rule = improved if non_root_child_selection_mode == "gumbel" else puct
    graph = make_graph(task, root, verified, merge, prior)
    route: Route = [(None, graph.root)]
    stopped = "done"

    def rank(edges: list[Edge], luck: dict[Edge, float]) -> list[Edge]:
        """The largest g + ln P + sigma(Q) first; `luck` is g + ln P of all moves."""
        scale = gumbel_c_scale * (gumbel_c_visit + max(edge.followed for edge in luck))
        return sorted(edges, key=lambda edge: luck[edge] + scale * edge.child.q, reverse=True)

    try:
        yield from graph.evaluate([graph.root])
        while choice := (yield from list_moves(graph, route, request, depth)):
            noise = draw_gumbels(rng, len(choice))
            luck = {edge: gumbel_scale * g + to_logit(edge.prior) for edge, g in zip(choice, noise, strict=True)}
            kept = sorted(choice, key=luck.__getitem__, reverse=True)
            rounds = plan_halving(simulations, min(max_num_considered_actions, len(choice)))
            for number, (count, each) in enumerate(rounds):
                kept = (rank(kept, luck) if number else kept)[:count]
                for _ in range(each):
                    starts = [[*route, (edge, edge.child)] for edge in kept]
                    yield from simulate(graph, starts, request, rule, depth=depth, leaves=count)
                    if graph.accepted:
                        break
                if graph.accepted:
                    break
            kept = list_alive(kept) or kept
            edge = rank(kept, luck)[0] if rounds else kept[0]
            route.append((edge, edge.child))
        yield from settle(graph, route[-1][1])
    except BudgetSpent as spent:
        stopped = spent.unit
    return graph.conclude(graph.answer(route[-1][1]), graph.find_stop() or stopped)


def _make_rule(c_visit: float, c_scale: float, mixed: bool) -> Rule:
    """Below the move: the child furthest behind its share of the improved policy, the first of equals."""

    def choose(node: Node, choice: list[Edge]) -> Edge:
        followed = [edge.followed for edge in choice]
        qs, priors = [edge.child.q for edge in choice], [edge.prior for edge in choice]
        completed = complete_values(node.value, qs, followed, priors) if mixed else qs
        scaled = scale_values(completed, followed, c_visit, c_scale)
        logits = [to_logit(chance) + weight for chance, weight in zip(priors, scaled, strict=True)]
        lags = measure_lag(logits, [edge.followed + edge.pending for edge in choice])
        return choice[lags.index(max(lags))]

    return choose
