"""Simulations of a tree search as TS-LLM runs them, with leaf parallelism.

After the published code of TS-LLM (Wan et al. 2024, arXiv 2309.17179). A simulation follows the edges that a rule
chooses. It ends at a terminal node, at a node without visits (whose value is known since its parent was drawn from),
`depth` lines below the root, or at a dead end; the value of its last node, -1 for a dead end, is backed up its whole
route once. Lines are drawn at a node when a simulation reaches it a second time, so most simulations sample nothing.

**Leaf parallelism** (Chaslot et al. 2008). Simulations that need lines wait until `leaves` of them do; one request then
serves them all, and they go on. A pending simulation counts as a lost visit (`Edge.pending`, see
`formulas.add_virtual_loss`), so that the next one takes another way; it never enters the statistics.

This module does not know the rule, nor what is committed to in the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace

from game24lab.runs.checks import require
from game24lab.search.formulas import add_virtual_loss, measure_exploration
from game24lab.search.graph import Edge, Graph, Node, Route
from game24lab.search.requests import Propose, Request
from game24lab.search.sampling import check_sampling

Rule = Callable[[Node, list[Edge]], Edge]  # the edge to follow from a node, of some


@dataclass(eq=False)
class _Simulation:
    """A simulation that has not backed up yet."""

    route: Route
    pending: list[Edge] = field(default_factory=list)  # edges with a virtual loss of this simulation
    logged: int = 0  # entries of the route that the tree's events have

    @property
    def node(self) -> Node:
        return self.route[-1][1]


def make_request(
    width: int, temperature: float, top_p: float, top_k: int, max_tokens: int, sampling: str = "with"
) -> Propose:
    """The settings of a draw, as a request without states; ValueError for invalid ones."""
    require("width", width, int, 1)
    check_sampling(temperature, top_p, top_k, max_tokens, sampling)
    return Propose((), width, 0, temperature, top_p, top_k, max_tokens, sampling=sampling)


def draw(graph: Graph, nodes: Iterable[Node], request: Propose) -> Generator[Request, list, None]:
    """Draw lines at some nodes in one request, and value the new children in another."""
    nodes = tuple(nodes)
    answers = yield replace(request, states=tuple(node.state for node in nodes))
    new = [edge for node, lines in zip(nodes, answers, strict=True) for edge in graph.expand(node, lines)]
    yield from graph.evaluate([edge.child for edge in new])


def list_alive(edges: Iterable[Edge]) -> list[Edge]:
    """The edges that do not lead to a dead end; terminal nodes are none."""
    return [edge for edge in edges if edge.child.terminal or not edge.child.closed]


def list_moves(graph: Graph, route: Route, request: Propose, depth: int) -> Generator[Request, list, list[Edge]]:
    """The moves at the end of a route, drawn if need be; [] at a terminal node, a dead end, or `depth`."""
    node = route[-1][1]
    if node.terminal or graph.accepted or len(route) > depth:
        return []
    if not node.draws:
        yield from draw(graph, [node], request)
    alive = list_alive(node.edges)
    node.closed = not alive
    return [] if graph.accepted else [edge for edge in alive if edge.child not in [passed for _, passed in route]]


def settle(graph: Graph, node: Node) -> Generator[Request, list, None]:
    """The last resort, from this node, where no end was met."""
    if not graph.terminals():
        yield from graph.finish(node)


def simulate(
    graph: Graph, starts: Iterable[Route], request: Propose, rule: Rule, *, depth: int, leaves: int = 1,
    ends: list[Node] | None = None,
) -> Generator[Request, list, None]:  # fmt: skip
    """Run one simulation from the end of each start, whose last node has been drawn from or is terminal.

    `starts` are taken one by one as simulations can begin. The last node of each is appended to `ends`. In a verified
    search, simulations that wait for lines when the answer is found are dropped without a trace.
    """
    starts, waiting = iter(starts), []
    try:
        while True:
            while len(waiting) < leaves and (start := next(starts, None)) is not None:
                simulation = _Simulation(list(start))
                if not _go_on(graph, simulation, rule, depth, ends):
                    waiting.append(simulation)
            if not waiting:
                return
            if len(waiting) == 1:  # of several, none is logged before it has ended
                _log(graph, waiting[0])
            yield from draw(graph, dict.fromkeys(simulation.node for simulation in waiting), request)
            waiting = [simulation for simulation in waiting if not _go_on(graph, simulation, rule, depth, ends)]
            if graph.accepted:
                return
    finally:  # also where a budget is spent
        for simulation in waiting:
            _release(simulation)


def _go_on(graph: Graph, simulation: _Simulation, rule: Rule, depth: int, ends: list[Node] | None) -> bool:
    """Follow a simulation through drawn nodes; returns whether it has ended and backed up (else it needs lines)."""
    node, dead = simulation.node, False
    while not node.terminal and len(simulation.route) <= depth and not dead:
        if not node.draws:
            if node.visits:
                return False
            break
        alive, passed = list_alive(node.edges), [before for _, before in simulation.route]
        choice = [edge for edge in alive if edge.child not in passed]
        node.closed, dead = not alive, not choice
        if choice:
            edge = rule(node, choice)
            edge.pending += 1
            simulation.pending.append(edge)
            simulation.route.append((edge, edge.child))
            node = edge.child
    _release(simulation)
    _log(graph, simulation)
    graph.back_up(simulation.route, [-1.0 if dead else node.value] * len(simulation.route))
    if ends is not None:
        ends.append(node)
    return True


def _release(simulation: _Simulation) -> None:
    """Undo a simulation's virtual losses."""
    for edge in simulation.pending:
        edge.pending -= 1
    simulation.pending = []


def _log(graph: Graph, simulation: _Simulation) -> None:
    for edge, _ in simulation.route[simulation.logged :]:
        graph.tree.log("select", edge.index if edge else 0)
    simulation.logged = len(simulation.route)


def make_puct(
    pb_c_init: float, pb_c_base: float, virtual_loss: float = 1.0, noisy: Mapping[Edge, float] | None = None
) -> Rule:
    """The rule of PUCT, the first of equals; `noisy` are priors that replace the edges' own."""
    require("pb_c_init", pb_c_init, float, 0)
    require("pb_c_base", pb_c_base, float, 1)
    require("virtual_loss", virtual_loss, float, 0)
    noisy = {} if noisy is None else noisy

    def choose(node: Node, choice: list[Edge]) -> Edge:
        visits = node.visits + sum(edge.pending for edge in node.edges)
        factor = measure_exploration(visits, pb_c_init, pb_c_base)
        best, chosen = -math.inf, choice[0]
        for edge in choice:
            q = add_virtual_loss(edge.child.q, edge.child.visits, edge.pending, virtual_loss)
            score = q + noisy.get(edge, edge.prior) * factor / (edge.followed + edge.pending + 1)
            if score > best:
                best, chosen = score, edge
        return chosen

    return choose
