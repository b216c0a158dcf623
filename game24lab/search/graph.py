"""Positions that a tree search has met, the lines between them, and the tree that shows both.

**Positions, not nodes.** With `merge` a search runs on a graph: N, W and the children belong to a position (equal
`task.key`), however it was reached, and every path through it adds to them; n(a) belongs to the edge. A parent's N and
W count only the simulations that went through that parent, yet its Q(a) are always those of the shared child. Without
`merge` every line is a position of its own.

This module draws and values lines, keeps the statistics and gives out the answer. It does not know how a search selects
the position to draw at, nor what is backed up; those are the algorithms (`mcts`, `puct`, `gumbel`, `rap`).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from game24lab.search.requests import Complete, Outcome, Request, Value
from game24lab.search.sampling import Candidate, express, is_solved, judge, plant, read
from game24lab.search.tree import Tree
from game24lab.tasks.task import Illegal, Task

PRIORS = ("logprob", "frequency", "mean")  # what a line weighs among its siblings


@dataclass(eq=False)
class Edge:
    """A line from one position to another (all lines that lead there), and its node in the tree."""

    child: Place
    node: int
    prior: float = 0.0
    followed: int = 0
    pending: int = 0  # simulations on their way through it, not backed up yet


@dataclass(eq=False)
class Place:
    """A position and what is known of it."""

    state: Any
    terminal: bool
    nodes: list[int] = field(default_factory=list)  # where the tree shows it; its children hang under the first
    value: float | None = None
    visits: int = 0
    total: float = 0.0
    edges: list[Edge] = field(default_factory=list)
    lines: dict[str, list] = field(default_factory=dict)  # line -> [node, times sampled, weight]
    draws: int = 0
    fruitless: int = 0  # draws in a row that brought no new child
    warmth: float = 0.0  # added to the temperature of the next draw
    brought: float = 0.0  # sum of what the draws after the first brought
    closed: bool = False  # nothing more can be learnt here

    @property
    def q(self) -> float:
        """Mean value backed up; before the first visit the position's own value."""
        return self.total / self.visits if self.visits else self.value


Route = list[tuple[Edge | None, Place]]  # from the root, which no edge leads to, down to a place
Answer = tuple[Any, int]  # a state and its node


@dataclass(eq=False)
class Graph:
    """All positions met so far, and the tree that shows them."""

    task: Task
    tree: Tree
    verified: bool
    merge: bool
    prior: str
    places: dict[Any, Place] = field(default_factory=dict)
    completed: list[Candidate] = field(default_factory=list)  # rollouts, and the last resort
    accepted: Answer | None = None  # verified: the answer that ends the search

    @property
    def root(self) -> Place:
        """The position that the search began with."""
        return next(iter(self.places.values()))

    def terminals(self) -> list[Place]:
        """All ends met, in the order of their first node."""
        return [place for place in self.places.values() if place.terminal]

    def find(self, state: Any) -> Place:
        """The place of a state; a new one where it is not known, or where positions do not merge."""
        key = self.task.key(state) if self.merge else len(self.places)
        if key not in self.places:
            terminal = self.task.is_terminal(state)
            place = self.places[key] = Place(state, terminal, closed=terminal)
            if terminal and self.verified:
                place.value = 1.0 if self.task.verdict(state).solved else -1.0
        return self.places[key]

    def accept(self, place: Place, node: int) -> None:
        """Verified: judge a terminal position as soon as it is met."""
        if place.terminal and self.verified:
            judge(self.task, self.tree, node, place.state)
            if place.value == 1.0 and self.accepted is None:
                self.accepted = place.state, node

    def find_stop(self, enough: float = math.inf) -> str:
        """Why a search need not go on, "" if it must. Unverified: at an end worth `enough`."""
        if self.verified:
            return "solved" if self.accepted else ""
        return "confident" if any(weigh(place) >= enough for place in self.terminals()) else ""

    def expand(self, place: Place, lines: list) -> list[Edge]:
        """Read sampled lines: charge all, keep the illegal (and those cut off) as leaves; the edges to new children."""
        parent, new = place.nodes[0], []
        for completion in lines:
            line = completion.text
            known = place.lines.get(line)
            if known is not None:
                known[1] += 1
                self.tree.charge(known[0], completion.tokens)
                continue
            price = {"tokens": completion.tokens, "logprob": completion.logprob}
            after = self.task.step(place.state, line)
            if isinstance(after, Illegal):
                status = "unfinished" if completion.finish == "length" else "illegal"
                node = self.tree.add(parent, line, "", status=status, reason=after.reason, **price)
            else:
                child = self.find(after)
                edge = next((edge for edge in place.edges if edge.child is child), None)
                if edge is None:
                    edge = Edge(child, self._show(child, after, parent, line, price))
                    place.edges.append(edge)
                    new.append(edge)
                else:
                    self.tree.charge(edge.node, completion.tokens)
                node = edge.node
            logprob = min(0.0, completion.logprob)
            length = max(1, completion.tokens) if self.prior == "mean" else 1
            place.lines[line] = [node, 1, math.exp(logprob / length)]
        place.draws += 1
        self._set_priors(place)
        return new

    def _show(self, child: Place, state: Any, parent: int, line: str, price: dict) -> int:
        """A new node for a place, which the tree may show already."""
        same = child.nodes[0] if child.nodes else None
        node = self.tree.add(parent, line, self.task.label(state), value=child.value, same=same,
                             expression=express(self.task, state), **price)  # fmt: skip
        child.nodes.append(node)
        self.accept(child, node)
        return node

    def _set_priors(self, place: Place) -> None:
        """The weights of the lines that lead to each child, normalised over the children."""
        weights = dict.fromkeys((edge.node for edge in place.edges), 0.0)
        for node, count, weight in place.lines.values():
            if node in weights:
                weights[node] += count if self.prior == "frequency" else weight
        whole = sum(weights.values())
        for edge in place.edges:
            edge.prior = weights[edge.node] / whole if whole else 1 / len(place.edges)
            self.tree.prior[edge.node] = edge.prior

    def measure_unseen(self, place: Place) -> float:
        """The probability mass of the lines that this place has not been told yet."""
        if self.prior == "logprob":
            return 1 - min(1.0, sum(chance for _, _, chance in place.lines.values()))
        counts = [count for _, count, _ in place.lines.values()]
        return (counts.count(1) + 1) / (sum(counts) + 1)  # Good and Turing

    def evaluate(self, places: Sequence[Place], rollout: dict | None = None) -> Generator[Request, list, None]:
        """Give values to places, in one request. Terminal ones have theirs already where the verifier may speak."""
        places = [place for place in places if not (place.terminal and self.verified)]
        if rollout is None:  # known positions are asked for too: the engine answers them for nothing, and says so
            values = yield Value(tuple(place.state for place in places))
        else:
            places = [place for place in places if place.value is None]
            answers = yield Complete(tuple(place.state for place in places), 1, **rollout)
            values = [1.0 if self._complete(place, answer) else -1.0
                      for place, (answer,) in zip(places, answers, strict=True)]  # fmt: skip
        for place, value in zip(places, values, strict=True):
            if place.value is None:
                place.value = self.tree.value[place.nodes[0]] = value
                self.tree.log("evaluate", place.nodes[0])

    def rest(self, places: Sequence[Place], below: float) -> None:
        """Draw from positions of a lower value no more, until they are woken."""
        for place in places:
            if not place.closed and place.value < below:
                place.closed, self.tree.status[place.nodes[0]] = True, "pruned"
                self.tree.log("prune", place.nodes[0])

    def wake(self) -> bool:
        """Let all positions but the ends be drawn from again; whether any was closed, and any found behind the root."""
        if len(self.places) == 1:
            return False
        closed = [place for place in self.places.values() if place.closed and not place.terminal]
        for place in closed:
            place.closed, self.tree.status[place.nodes[0]] = False, "open"
        return bool(closed)

    def back_up(self, route: Route, values: Sequence[float]) -> None:
        """Count a simulation in every place and edge of its route, last first, and add each place's value to it."""
        for (edge, passed), value in zip(reversed(route), reversed(values), strict=True):
            passed.visits += 1
            passed.total += value
            if edge is not None:
                edge.followed += 1
                self.tree.followed[edge.node] += 1
            for node in passed.nodes:
                self.tree.visits[node], self.tree.total[node] = passed.visits, passed.total
                self.tree.log("backup", node)

    def finish(self, place: Place) -> Generator[Request, list, None]:
        """The last resort of a search that has met no end: complete from a place greedily."""
        ((answer,),) = yield Complete((place.state,), 1, temperature=0.0)
        self._complete(place, answer)

    def _complete(self, place: Place, completion: Any) -> bool:
        """Hang a whole completion under a place. Verified: whether it is accepted; else always False."""
        candidate = read(self.task, self.tree, place.state, completion, place.nodes[0])
        self.completed.append(candidate)
        accepted = self.verified and is_solved(self.task, candidate)
        if accepted and self.accepted is None:
            self.accepted = candidate.state, candidate.node
        return accepted

    def descend(self) -> Place:
        """Down the most visited edges, ties by Q, as far as they go."""
        place, passed = self.root, []
        while place.edges and place not in passed:
            passed.append(place)
            place = max(place.edges, key=lambda edge: (edge.followed, weigh(edge.child), edge.prior)).child
        return place

    def answer(self, chosen: Place | None = None) -> Answer | None:
        """What to commit to. Verified: the accepted end alone. Else the chosen place, if it is an end; or the end of
        the highest value, ties by visits of its parent; or what the last resort came to. No verdict is asked."""
        if self.verified:
            return self.accepted
        if chosen is None or not chosen.terminal:
            visits, parent = self.tree.visits, self.tree.parent
            chosen = max(self.terminals(), default=None,
                         key=lambda place: (weigh(place), visits[parent[place.nodes[0]]]))  # fmt: skip
        if chosen is not None:
            return chosen.state, chosen.nodes[0]
        ended = [candidate for candidate in self.completed if candidate.end == "terminal"]
        return (ended[0].state, ended[0].node) if ended else None

    def conclude(self, chosen: Answer | None, stopped: str) -> Outcome:
        """Judge all that was found, and what was committed to."""
        ended = [(place.state, node) for place in self.terminals() for node in place.nodes]
        ended += [(candidate.state, candidate.node) for candidate in self.completed if candidate.end == "terminal"]
        self.tree.log("stop", chosen[1] if chosen else 0)
        for state, node in ended:
            judge(self.task, self.tree, node, state)
        correct = sum(self.tree.status[place.nodes[0]] == "solved" for place in self.terminals())
        correct += sum(is_solved(self.task, candidate) for candidate in self.completed)
        found = {"tree": self.tree, "candidates": len(self.terminals()) + len(self.completed), "correct": correct}
        if chosen is not None:
            verdict = self.task.verdict(chosen[0])
            return Outcome(verdict.answer, verdict.solved, verdict.outcome, stopped=stopped, **found)
        if ended:
            miss = "wrong value"
        elif len(self.places) > 1 or "unfinished" in self.tree.status:
            miss = "unfinished"
        else:
            miss = "illegal" if "illegal" in self.tree.status else "no answer"
        return Outcome("", False, miss, stopped=stopped, **found)


def grow(task: Task, root: Any, verified: bool, merge: bool, prior: str) -> Graph:
    """A graph that holds the root alone, which may be an end already."""
    graph = Graph(task, plant(task, root), verified, merge, prior)
    place = graph.find(root)
    place.nodes.append(0)
    graph.accept(place, 0)
    return graph


def weigh(place: Place) -> float:
    """Q, and less than any value where a spent budget left a place without one."""
    return -2.0 if place.q is None else place.q
