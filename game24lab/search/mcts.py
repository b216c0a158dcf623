"""Monte-Carlo tree search with PUCT over lines of text, restarted at the root for every simulation.

After TS-LLM (Wan et al. 2024, arXiv 2309.17179), itself after AlphaZero. One simulation walks from the root to a
position that is to be drawn from, samples `width` lines there in one request, values the new children in another, and
backs one value up the path. This module does not know what a line or a position is, who samples and who values.

**Selection.** At position s the child a with the largest Q(a) + P(a) c sqrt(N) / (n(a) + 1), where
c = ln((N + c_base + 1) / c_base) + c_init, N are the visits of s, n(a) those of the edge, P(a) is the policy's
probability of the line, normalised over the children of s, and Q(a) the mean value backed up to the child, before its
first visit its own value. Children about which nothing more can be learnt (terminal positions, and exhausted ones) are
passed over.

**Widening.** To draw again at s competes with the children as one more action, so a few lines do at first and dead ends
are not polished: Q_w + `widen` M c sqrt(N) / (n_w + 1). M is the probability mass of the lines not seen yet, which the
exact log-probabilities tell; n_w counts the draws after the first, and Q_w is the mean of what they brought (the best
new child, -1 for nothing) and of the position's own value, which says what a fresh line is worth, as the critic's value
is the policy's expected success. Progressive widening (Coulom 2007, Couetoux et al. 2011) has a fixed schedule of N
instead; it draws where nothing is left to find. What a sure policy never says is not found by asking it again: a draw
of nothing but known lines raises the temperature of the next one there by `heat`, and one whose new lines are all
illegal lowers it again.

**Backup.** A first visit backs up the value of the position itself (`leaf="critic"`: the critic's; "rollout": the exact
verdict, 1 or -1, on one sampled completion), a later draw the best value among the new children, -1 without any.

**Positions, not nodes.** With `merge` the search runs on a graph: N, W and the children belong to a position (equal
`task.key`), however it was reached, and every path through it adds to them; n(a) belongs to the edge. A parent's N and
W count only the simulations that went through that parent, yet its Q(a) are always those of the shared child. Without
`merge` every line is a position of its own.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from game24lab.search.requests import BudgetSpent, Complete, Outcome, Propose, Request, Value, require, require_one_of
from game24lab.search.sampling import Candidate, check_sampling, express, is_solved, judge, plant, read
from game24lab.search.tree import Tree
from game24lab.tasks.task import Illegal, Task

_WARMEST = 0.5  # `heat` adds no more than this to the temperature: beyond it a model babbles
_FRUITLESS = 16  # draws in a row without a new child after which a position has no more to give


@dataclass(eq=False)
class _Edge:
    """A line from one position to another (all lines that lead there), and its node in the tree."""

    child: _Place
    node: int
    prior: float = 0.0
    followed: int = 0


@dataclass(eq=False)
class _Place:
    """A position and what is known of it."""

    state: Any
    terminal: bool
    nodes: list[int] = field(default_factory=list)  # where the tree shows it; its children hang under the first
    value: float | None = None
    visits: int = 0
    total: float = 0.0
    edges: list[_Edge] = field(default_factory=list)
    lines: dict[str, list] = field(default_factory=dict)  # line -> [node, times sampled, probability]
    draws: int = 0
    fruitless: int = 0  # draws in a row that brought no new child
    warmth: float = 0.0  # added to the temperature of the next draw
    brought: float = 0.0  # sum of what the draws after the first brought
    closed: bool = False  # nothing more can be learnt here

    @property
    def q(self) -> float:
        return self.total / self.visits if self.visits else self.value


def mcts(
    task: Task,
    root: Any,
    *,
    simulations: int = 200,
    width: int = 2,
    widen: float = 1.0,
    heat: float = 0.25,
    c_init: float = 1.0,
    c_base: float = 19652.0,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 64,
    prior: str = "logprob",
    leaf: str = "critic",
    commit: str = "value",
    enough: float = 0.9,
    verified: bool,
    merge: bool = True,
) -> Generator[Request, list, Outcome]:
    """PUCT from one root; ValueError for parameters that make no sense.

    Args:
        simulations: at most so many draws of lines.
        width: lines a draw; duplicates and illegal ones count, and are paid for.
        widen: weight of drawing again, 0: every position is drawn from once.
        heat: step of the temperature where draws repeat themselves, up to 0.5 above `temperature`.
        prior: a line's weight among its siblings, exp of its log-probability ("logprob") or how often it was sampled
            ("frequency"; the unseen mass is then estimated after Good and Turing, as (singletons + 1) / (lines + 1)).
        leaf: "critic", or "rollout" for a search without one; verified only, since a rollout is valued by the judge.
        commit: unverified, which terminal position becomes the answer: the one of the highest value, ties by visits of
            its line ("value"), or the end of the path of most visits, ties by Q ("visits"; a path that ends before the
            end is left for the best terminal position by value).
        enough: unverified, end the search at a terminal position of at least this value; above 1: never.

    Verified: a terminal position is worth the exact verdict, and the first accepted one ends the search. Unverified:
    terminal positions are valued by the critic like all others, and verdicts are looked at after the commitment only.
    Where a search has met no end at all, its most visited path is completed greedily if the budget allows.
    """
    for name, number, low in (("simulations", simulations, 1), ("width", width, 1)):
        require(name, number, int, low)
    for name, number in (("widen", widen), ("heat", heat), ("c_init", c_init)):
        require(name, number, float, 0)
    require("c_base", c_base, float, 1)
    require("enough", enough, float, -1)
    check_sampling(temperature, top_p, top_k, max_tokens)
    require_one_of("prior", prior, ("logprob", "frequency"))
    require_one_of("leaf", leaf, ("critic", "rollout"))
    require_one_of("commit", commit, ("value", "visits"))
    if leaf == "rollout" and not verified:
        raise ValueError("leaf 'rollout' in an unverified search: rollouts are valued by the exact verifier; "
                         "'critic' is accepted")  # fmt: skip
    graph = _Graph(task, plant(task, root), verified, merge, widen, prior, c_init, c_base)
    graph.begin(root)
    settings = {"top_p": top_p, "top_k": top_k}
    rollout = {"temperature": temperature, **settings} if leaf == "rollout" else None
    stopped = "done"
    try:
        yield from graph.evaluate([graph.root], rollout)
        for _ in range(simulations):
            stopped = graph.find_stop(enough)
            path = [] if stopped else graph.select()
            if not path:
                stopped = stopped or "exhausted"
                break
            place = path[-1][1]
            warm = temperature + place.warmth
            (lines,) = yield Propose((place.state,), width, place.draws, warm, top_p, top_k, max_tokens)
            new = graph.expand(place, lines, heat)
            yield from graph.evaluate([edge.child for edge in new], rollout)
            graph.back_up(path, new)
        stopped = stopped or graph.find_stop(enough) or "done"
        if not graph.terminals() and not graph.completed:
            yield from graph.finish()
    except BudgetSpent as spent:
        stopped = graph.find_stop(enough) or spent.unit
    return graph.conclude(commit, stopped)


@dataclass(eq=False)
class _Graph:
    """All positions met so far, and the tree that shows them."""

    task: Task
    tree: Tree
    verified: bool
    merge: bool
    widen: float
    prior: str
    c_init: float
    c_base: float
    places: dict[Any, _Place] = field(default_factory=dict)
    completed: list[Candidate] = field(default_factory=list)  # rollouts, and the last resort
    accepted: tuple[Any, int] | None = None  # verified: state and node of the answer that ends the search

    @property
    def root(self) -> _Place:
        return next(iter(self.places.values()))

    def terminals(self) -> list[_Place]:
        return [place for place in self.places.values() if place.terminal]

    def begin(self, root: Any) -> None:
        """The root, which may be an end already."""
        place = self.find(root)
        place.nodes.append(0)
        self._accept(place, 0)

    def _accept(self, place: _Place, node: int) -> None:
        """Verified: judge a terminal position as soon as it is met."""
        if place.terminal and self.verified:
            judge(self.task, self.tree, node, place.state)
            if place.value == 1.0 and self.accepted is None:
                self.accepted = place.state, node

    def find(self, state: Any) -> _Place:
        """The place of a state; a new one where it is not known, or where positions do not merge."""
        key = self.task.key(state) if self.merge else len(self.places)
        if key not in self.places:
            terminal = self.task.is_terminal(state)
            place = self.places[key] = _Place(state, terminal, closed=terminal)
            if terminal and self.verified:
                place.value = 1.0 if self.task.verdict(state).solved else -1.0
        return self.places[key]

    def find_stop(self, enough: float) -> str:
        """Why the search need not go on, "" if it must."""
        if self.verified:
            return "solved" if self.accepted else ""
        return "confident" if any(_worth(place) >= enough for place in self.terminals()) else ""

    def select(self) -> list[tuple[_Edge | None, _Place]]:
        """The path to the place to draw at, root first; empty where nothing is left to do."""
        while not self.root.closed:
            place, path = self.root, [(None, self.root)]
            while place.draws and not place.closed:
                edge, draw = self._choose(place, [passed for _, passed in path])
                if edge is None:
                    place.closed = not draw
                    break
                place = edge.child
                path.append((edge, place))
            if not place.closed:
                for edge, _ in path:
                    self.tree.log("select", edge.node if edge else 0)
                return path
        return []

    def _choose(self, place: _Place, passed: list[_Place]) -> tuple[_Edge | None, bool]:
        """The edge to follow; None and True: draw again here; None and False: neither is possible."""
        factor = (math.log((place.visits + self.c_base + 1) / self.c_base) + self.c_init) * math.sqrt(place.visits)
        best, chosen, draw = -math.inf, None, False
        for edge in place.edges:
            score = edge.child.q + edge.prior * factor / (edge.followed + 1)
            if score > best and not edge.child.closed and edge.child not in passed:
                best, chosen = score, edge
        if self.widen and place.fruitless < _FRUITLESS:
            worth = (place.value + place.brought) / place.draws  # draws after the first, and the position's own value
            draw = worth + self.widen * self._measure_unseen(place) * factor / place.draws > best
        return (None, True) if draw else (chosen, False)

    def _measure_unseen(self, place: _Place) -> float:
        """The probability mass of the lines that this place has not been told yet."""
        if self.prior == "logprob":
            return 1 - min(1.0, sum(chance for _, _, chance in place.lines.values()))
        counts = [count for _, count, _ in place.lines.values()]
        return (counts.count(1) + 1) / (sum(counts) + 1)

    def expand(self, place: _Place, lines: list, heat: float) -> list[_Edge]:
        """Read sampled lines: charge all, keep the illegal as leaves, and return the edges to children new here."""
        parent, new, known_lines = place.nodes[0], [], len(place.lines)
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
                node = self.tree.add(parent, line, "", status="illegal", reason=after.reason, **price)
            else:
                child = self.find(after)
                edge = next((edge for edge in place.edges if edge.child is child), None)
                if edge is None:
                    edge = _Edge(child, self._show(child, after, parent, line, price))
                    place.edges.append(edge)
                    new.append(edge)
                else:
                    self.tree.charge(edge.node, completion.tokens)
                node = edge.node
            place.lines[line] = [node, 1, math.exp(min(0.0, completion.logprob))]
        place.draws += 1
        place.fruitless = 0 if new else place.fruitless + 1
        if len(place.lines) == known_lines:
            place.warmth = min(_WARMEST, place.warmth + heat)
        elif not new:
            place.warmth = max(0.0, place.warmth - heat)
        self._weigh(place)
        return new

    def _show(self, child: _Place, state: Any, parent: int, line: str, price: dict) -> int:
        """A new node for a place, which the tree may show already."""
        same = child.nodes[0] if child.nodes else None
        node = self.tree.add(parent, line, self.task.label(state), value=child.value, same=same,
                             expression=express(self.task, state), **price)  # fmt: skip
        child.nodes.append(node)
        self._accept(child, node)
        return node

    def _weigh(self, place: _Place) -> None:
        """Priors: the weights of the lines that lead to each child, normalised over the children."""
        weights = dict.fromkeys((edge.node for edge in place.edges), 0.0)
        for node, count, chance in place.lines.values():
            if node in weights:
                weights[node] += chance if self.prior == "logprob" else count
        whole = sum(weights.values())
        for edge in place.edges:
            edge.prior = weights[edge.node] / whole if whole else 1 / len(place.edges)
            self.tree.prior[edge.node] = edge.prior

    def evaluate(self, places: list[_Place], rollout: dict | None) -> Generator[Request, list, None]:
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

    def back_up(self, path: list[tuple[_Edge | None, _Place]], new: list[_Edge]) -> None:
        """Add the value of a simulation to every place and edge of its path."""
        place = path[-1][1]
        best = max((edge.child.q for edge in new), default=-1.0)
        value = place.value if place.draws == 1 else best
        if place.draws > 1:
            place.brought += best
        for edge, passed in reversed(path):
            passed.visits += 1
            passed.total += value
            if edge is not None:
                edge.followed += 1
                self.tree.followed[edge.node] += 1
            for node in passed.nodes:
                self.tree.visits[node], self.tree.total[node] = passed.visits, passed.total
                self.tree.log("backup", node)

    def finish(self) -> Generator[Request, list, None]:
        """Complete the most visited path greedily."""
        place = self._descend()
        ((answer,),) = yield Complete((place.state,), 1, temperature=0.0)
        self._complete(place, answer)

    def _complete(self, place: _Place, completion: Any) -> bool:
        """Hang a whole completion under a place. Verified: whether it is accepted; else always False."""
        candidate = read(self.task, self.tree, place.state, completion, place.nodes[0])
        self.completed.append(candidate)
        accepted = self.verified and is_solved(self.task, candidate)
        if accepted and self.accepted is None:
            self.accepted = candidate.state, candidate.node
        return accepted

    def _descend(self) -> _Place:
        """Down the most visited edges, ties by Q, as far as they go."""
        place, passed = self.root, []
        while place.edges and place not in passed:
            passed.append(place)
            place = max(place.edges, key=lambda edge: (edge.followed, _worth(edge.child), edge.prior)).child
        return place

    def _commit(self, commit: str, stopped: str) -> tuple[Any, int] | None:
        """State and node of the answer that value and visits speak for; verdicts are not asked."""
        chosen = self._descend()
        if commit == "value" or stopped == "confident" or not chosen.terminal:
            before = self.tree.visits, self.tree.parent
            chosen = max(self.terminals(), default=None,
                         key=lambda place: (_worth(place), before[0][before[1][place.nodes[0]]]))  # fmt: skip
        if chosen is not None:
            return chosen.state, chosen.nodes[0]
        ended = [candidate for candidate in self.completed if candidate.end == "terminal"]
        return (ended[0].state, ended[0].node) if ended else None

    def conclude(self, commit: str, stopped: str) -> Outcome:
        """Commit, then judge all that was found."""
        chosen = self.accepted if self.verified else self._commit(commit, stopped)
        ends = {candidate.end for candidate in self.completed}
        ended = [(place.state, node) for place in self.terminals() for node in place.nodes]
        ended += [(candidate.state, candidate.node) for candidate in self.completed if candidate.end == "terminal"]
        for state, node in ended:
            judge(self.task, self.tree, node, state)
        correct = sum(self.tree.status[place.nodes[0]] == "solved" for place in self.terminals())
        correct += sum(is_solved(self.task, candidate) for candidate in self.completed)
        found = {"tree": self.tree, "candidates": len(self.terminals()) + len(self.completed), "correct": correct}
        self.tree.log("stop", chosen[1] if chosen else 0)
        if chosen is not None:
            verdict = self.task.verdict(chosen[0])
            return Outcome(verdict.answer, verdict.solved, verdict.outcome, stopped=stopped, **found)
        if ended:
            miss = "wrong value"
        elif len(self.places) > 1 or "unfinished" in ends:
            miss = "unfinished"
        else:
            miss = "illegal" if self.root.lines or "illegal" in ends else "no answer"
        return Outcome("", False, miss, stopped=stopped, **found)


def _worth(place: _Place) -> float:
    """Q, and less than any value where a spent budget left a place without one."""
    return -2.0 if place.q is None else place.q
