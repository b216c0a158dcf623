"""Simulations of a tree search as TS-LLM runs them: walks down the graph, several at a time where that is wanted.

After the published code of TS-LLM (Wan et al. 2024, arXiv 2309.17179). A walk goes from its start down the edges that a
rule chooses. It ends at a terminal position, at one that no walk has been to before (whose value is known since its
parent was drawn from), `depth` lines below the root, or where all ways on are dead; its end's value is backed up its
whole route, once, -1 for a dead end. A position is drawn from when a walk comes to it a second time: sampling is what
costs, so most simulations cost nothing.

**Leaf parallelism** (Chaslot et al. 2008). Walks that have come to where lines must be drawn wait there until `leaves`
of them do; then one request serves them all, and they go on. What is on its way counts as a visit that lost
(`Edge.pending`, see `formulas.lose`), so that the next walk goes elsewhere; it never enters the statistics.

This module does not know the rule, nor what is committed to in the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace

from game24lab.runs.checks import require
from game24lab.search.formulas import lose, measure_exploration
from game24lab.search.graph import Edge, Graph, Place, Route
from game24lab.search.requests import Propose, Request
from game24lab.search.sampling import check_sampling

Rule = Callable[[Place, list[Edge]], Edge]  # which of some edges to follow from a place


@dataclass(eq=False)
class _Walk:
    """A simulation on its way."""

    route: Route
    hanging: list[Edge] = field(default_factory=list)  # the edges that it chose itself
    told: int = 0  # how much of the route the tree has been told

    @property
    def place(self) -> Place:
        return self.route[-1][1]


def make_request(width: int, temperature: float, top_p: float, top_k: int, max_tokens: int) -> Propose:
    """How lines are drawn, as a request without states; ValueError for settings that make no sense."""
    require("width", width, int, 1)
    check_sampling(temperature, top_p, top_k, max_tokens)
    return Propose((), width, 0, temperature, top_p, top_k, max_tokens)


def draw(graph: Graph, places: Iterable[Place], request: Propose) -> Generator[Request, list, None]:
    """Draw from some places in one request, and value what is new in another."""
    places = tuple(places)
    answers = yield replace(request, states=tuple(place.state for place in places))
    new = [edge for place, lines in zip(places, answers, strict=True) for edge in graph.expand(place, lines)]
    yield from graph.evaluate([edge.child for edge in new])


def list_alive(edges: Iterable[Edge]) -> list[Edge]:
    """Those that do not lead to a dead end. Ends are alive."""
    return [edge for edge in edges if edge.child.terminal or not edge.child.closed]


def list_moves(graph: Graph, route: Route, request: Propose, depth: int) -> Generator[Request, list, list[Edge]]:
    """The moves that can be made at the end of a route, drawn if need be; none at an end, a dead end, or too deep."""
    place = route[-1][1]
    if place.terminal or graph.accepted or len(route) > depth:
        return []
    if not place.draws:
        yield from draw(graph, [place], request)
    alive = list_alive(place.edges)
    place.closed = not alive
    return [] if graph.accepted else [edge for edge in alive if edge.child not in [passed for _, passed in route]]


def settle(graph: Graph, place: Place) -> Generator[Request, list, None]:
    """The last resort, from this place, where no end was met."""
    if not graph.terminals():
        yield from graph.finish(place)


def simulate(
    graph: Graph, starts: Iterable[Route], request: Propose, rule: Rule, *, depth: int, leaves: int = 1,
    ends: list[Place] | None = None,
) -> Generator[Request, list, None]:  # fmt: skip
    """One simulation from the end of each start; its last place has been drawn from, or is nowhere to go on from.

    `starts` are taken one by one as simulations can begin. `ends` is given where each came to. In a verified search
    those still waiting for lines when the answer is found are given up; they have left no trace.
    """
    starts, waiting = iter(starts), []
    try:
        while True:
            while len(waiting) < leaves and (start := next(starts, None)) is not None:
                walk = _Walk(list(start))
                if not _go_on(graph, walk, rule, depth, ends):
                    waiting.append(walk)
            if not waiting:
                return
            if len(waiting) == 1:  # of several, none is shown before it has come to its end
                _tell(graph, waiting[0])
            yield from draw(graph, dict.fromkeys(walk.place for walk in waiting), request)
            waiting = [walk for walk in waiting if not _go_on(graph, walk, rule, depth, ends)]
            if graph.accepted:
                return
    finally:  # also where a budget is spent
        for walk in waiting:
            _let_go(walk)


def _go_on(graph: Graph, walk: _Walk, rule: Rule, depth: int, ends: list[Place] | None) -> bool:
    """Walk as far as known positions lead. False: lines are needed here. True: it has ended and is backed up."""
    place, dead = walk.place, False
    while not place.terminal and len(walk.route) <= depth and not dead:
        if not place.draws:
            if place.visits:
                return False
            break
        alive, passed = list_alive(place.edges), [before for _, before in walk.route]
        choice = [edge for edge in alive if edge.child not in passed]
        place.closed, dead = not alive, not choice
        if choice:
            edge = rule(place, choice)
            edge.pending += 1
            walk.hanging.append(edge)
            walk.route.append((edge, edge.child))
            place = edge.child
    _let_go(walk)
    _tell(graph, walk)
    graph.back_up(walk.route, [-1.0 if dead else place.value] * len(walk.route))
    if ends is not None:
        ends.append(place)
    return True


def _let_go(walk: _Walk) -> None:
    """Take a walk's virtual losses back."""
    for edge in walk.hanging:
        edge.pending -= 1
    walk.hanging = []


def _tell(graph: Graph, walk: _Walk) -> None:
    for edge, _ in walk.route[walk.told :]:
        graph.tree.log("select", edge.node if edge else 0)
    walk.told = len(walk.route)


def make_puct(
    pb_c_init: float, pb_c_base: float, virtual_loss: float = 1.0, noisy: Mapping[Edge, float] | None = None
) -> Rule:
    """The rule of PUCT, the first of equals; `noisy` are priors that stand for an edge's own."""
    require("pb_c_init", pb_c_init, float, 0)
    require("pb_c_base", pb_c_base, float, 1)
    require("virtual_loss", virtual_loss, float, 0)
    noisy = {} if noisy is None else noisy

    def choose(place: Place, choice: list[Edge]) -> Edge:
        visits = place.visits + sum(edge.pending for edge in place.edges)
        factor = measure_exploration(visits, pb_c_init, pb_c_base)
        best, chosen = -math.inf, choice[0]
        for edge in choice:
            q = lose(edge.child.q, edge.child.visits, edge.pending, virtual_loss)
            score = q + noisy.get(edge, edge.prior) * factor / (edge.followed + edge.pending + 1)
            if score > best:
                best, chosen = score, edge
        return chosen

    return choose
