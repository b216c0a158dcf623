"""The search graph: a node for each position met, the edges between them, and the tree that shows both.

With `merge` a search runs on a graph: N, W and the children belong to a position (equal `task.key`), however it was
reached, and every path through it adds to them; n(a) belongs to the edge. A parent's N and W count only the simulations
that went through that parent, yet its Q(a) are always those of the shared child. Without `merge` every line leads to a
node of its own. A node's and an edge's places in the tree are called `index` (see `search.tree`).

This module draws and values lines, keeps the statistics and returns the answer. It does not know how a search selects
the node to draw at, nor what is backed up; those are the algorithms (`mcts`, `puct`, `gumbel`, `rap`).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from game24lab.search.requests import Complete, Outcome, Request, Value
from game24lab.search.sampling import Candidate, express, is_solved, judge, make_tree, read
from game24lab.search.tree import Tree
from game24lab.tasks.task import Illegal, Task

PRIORS = ("logprob", "frequency", "mean")  # how a line's prior is computed


@dataclass(eq=False)
class Edge:
    """The lines from one position to another, as one move."""

    child: Node
    index: int  # in the tree
    prior: float = 0.0
    followed: int = 0
    pending: int = 0  # simulations on their way through it, not backed up yet


@dataclass(eq=False)
class Node:
    """A position of the search graph, its statistics and its edges."""

    state: Any
    terminal: bool
    indices: list[int] = field(default_factory=list)  # in the tree, one for each parent; children hang under the first
    value: float | None = None
    visits: int = 0
    total: float = 0.0
    edges: list[Edge] = field(default_factory=list)
    lines: dict[str, list] = field(default_factory=dict)  # line -> [index, times sampled, weight]
    draws: int = 0
    fruitless: int = 0  # draws in a row that brought no new child
    added_heat: float = 0.0  # added to the temperature of the next draw
    returns: float = 0.0  # sum of the values that the draws after the first backed up
    closed: bool = False  # nothing is left to search here, or pruned
    trie: Any = None  # of its lines, where they are drawn without replacement

    @property
    def q(self) -> float:
        """Mean value backed up; before the first visit the position's own value."""
        return self.total / self.visits if self.visits else self.value


Route = list[tuple[Edge | None, Node]]  # from the root, which no edge leads to, down to a node
Answer = tuple[Any, int]  # a state and its index in the tree


@dataclass(eq=False)
class Graph:
    """All positions met so far, and the tree that shows them."""

    task: Task
    tree: Tree
    verified: bool
    merge: bool
    prior: str
    nodes: dict[Any, Node] = field(default_factory=dict)
    completed: list[Candidate] = field(default_factory=list)  # rollouts, and the last resort
    accepted: Answer | None = None  # verified: the answer that ends the search

    @property
    def root(self) -> Node:
        """The position that the search began with."""
        return next(iter(self.nodes.values()))

    def terminals(self) -> list[Node]:
        """All terminal nodes met, in the order of their first index."""
        return [node for node in self.nodes.values() if node.terminal]

    def find(self, state: Any) -> Node:
        """The node of a state; a new one where it is not known, or where positions do not merge."""
        key = self.task.key(state) if self.merge else len(self.nodes)
        if key not in self.nodes:
            terminal = self.task.is_terminal(state)
            node = self.nodes[key] = Node(state, terminal, closed=terminal)
            if terminal and self.verified:
                node.value = 1.0 if self.task.verdict(state).solved else -1.0
        return self.nodes[key]

    def accept(self, node: Node, index: int) -> None:
        """Verified: judge a terminal node as soon as it is met."""
        if node.terminal and self.verified:
            judge(self.task, self.tree, index, node.state)
            if node.value == 1.0 and self.accepted is None:
                self.accepted = node.state, index

    def find_stop(self, enough: float = math.inf) -> str:
        """The reason to stop, "" for none. Verified: an accepted answer; else a terminal node of at least `enough`."""
        if self.verified:
            return "solved" if self.accepted else ""
        return "confident" if any(weigh(node) >= enough for node in self.terminals()) else ""

    def expand(self, node: Node, lines: list) -> list[Edge]:
        """Read sampled lines: charge all, keep illegal and cut-off ones as leaves, return the edges to new children."""
        parent, new = node.indices[0], []
        node.trie = getattr(lines, "trie", None)
        for completion in lines:
            line = completion.text
            known = node.lines.get(line)
            if known is not None:
                known[1] += 1
                self.tree.charge(known[0], completion.tokens)
                continue
            price = {"tokens": completion.tokens, "logprob": completion.logprob}
            after = self.task.step(node.state, line)
            if isinstance(after, Illegal):
                status = "unfinished" if completion.finish == "length" else "illegal"
                index = self.tree.add(parent, line, "", status=status, reason=after.reason, **price)
            else:
                child = self.find(after)
                edge = next((edge for edge in node.edges if edge.child is child), None)
                if edge is None:
                    edge = Edge(child, self._show(child, after, parent, line, price))
                    node.edges.append(edge)
                    new.append(edge)
                else:
                    self.tree.charge(edge.index, completion.tokens)
                index = edge.index
            logprob = min(0.0, completion.logprob)
            length = max(1, len(completion.ids)) if self.prior == "mean" else 1
            node.lines[line] = [index, 1, math.exp(logprob / length)]
        node.draws += 1
        self._set_priors(node)
        return new

    def _show(self, child: Node, state: Any, parent: int, line: str, price: dict) -> int:
        """Add a node to the tree, which may hold it already under another parent; returns the new index."""
        same = child.indices[0] if child.indices else None
        index = self.tree.add(parent, line, self.task.label(state), value=child.value, same=same,
                             expression=express(self.task, state), **price)  # fmt: skip
        child.indices.append(index)
        self.accept(child, index)
        return index

    def _set_priors(self, node: Node) -> None:
        """Set each edge's prior: the weights of its lines, normalised over the children."""
        weights = dict.fromkeys((edge.index for edge in node.edges), 0.0)
        for index, count, weight in node.lines.values():
            if index in weights:
                weights[index] += count if self.prior == "frequency" else weight
        whole = sum(weights.values())
        for edge in node.edges:
            edge.prior = weights[edge.index] / whole if whole else 1 / len(node.edges)
            self.tree.prior[edge.index] = edge.prior

    def measure_unseen(self, node: Node) -> float:
        """The probability mass of the lines that have not been sampled at this node yet."""
        if node.trie is not None:
            return node.trie.left
        if self.prior == "logprob":
            return 1 - min(1.0, sum(chance for _, _, chance in node.lines.values()))
        counts = [count for _, count, _ in node.lines.values()]
        return (counts.count(1) + 1) / (sum(counts) + 1)  # Good-Turing estimate

    def evaluate(self, nodes: Sequence[Node], rollout: dict | None = None) -> Generator[Request, list, None]:
        """Value nodes in one request. In a verified search terminal ones have the verdict already."""
        nodes = [node for node in nodes if not (node.terminal and self.verified)]
        if rollout is None:  # known positions too: the engine answers them at no cost and counts them as saved
            values = yield Value(tuple(node.state for node in nodes))
        else:
            nodes = [node for node in nodes if node.value is None]
            answers = yield Complete(tuple(node.state for node in nodes), 1, **rollout)
            values = [1.0 if self._complete(node, answer) else -1.0
                      for node, (answer,) in zip(nodes, answers, strict=True)]  # fmt: skip
        for node, value in zip(nodes, values, strict=True):
            if node.value is None:
                node.value = self.tree.value[node.indices[0]] = value
                self.tree.log("evaluate", node.indices[0])

    def prune(self, nodes: Sequence[Node], below: float) -> None:
        """Prune nodes whose value is below `below`: nothing is drawn there until `unprune` reopens them."""
        for node in nodes:
            if not node.closed and node.value < below:
                node.closed, self.tree.status[node.indices[0]] = True, "pruned"
                self.tree.log("prune", node.indices[0])

    def unprune(self) -> bool:
        """Reopen closed nodes that are not terminal; returns whether there were any, besides a lone root."""
        if len(self.nodes) == 1:
            return False
        closed = [node for node in self.nodes.values() if node.closed and not node.terminal]
        for node in closed:
            node.closed, self.tree.status[node.indices[0]] = False, "open"
        return bool(closed)

    def back_up(self, route: Route, values: Sequence[float]) -> None:
        """Count a simulation in every node and edge of its route, last first, and add each node's value."""
        for (edge, passed), value in zip(reversed(route), reversed(values), strict=True):
            passed.visits += 1
            passed.total += value
            if edge is not None:
                edge.followed += 1
                self.tree.followed[edge.index] += 1
            for index in passed.indices:
                self.tree.visits[index], self.tree.total[index] = passed.visits, passed.total
                self.tree.log("backup", index)

    def finish(self, node: Node) -> Generator[Request, list, None]:
        """The last resort of a search that has met no end: complete greedily from a node."""
        ((answer,),) = yield Complete((node.state,), 1, temperature=0.0)
        self._complete(node, answer)

    def _complete(self, node: Node, completion: Any) -> bool:
        """Add a whole completion below a node. Verified: returns whether it is accepted; else False."""
        candidate = read(self.task, self.tree, node.state, completion, node.indices[0])
        self.completed.append(candidate)
        accepted = self.verified and is_solved(self.task, candidate)
        if accepted and self.accepted is None:
            self.accepted = candidate.state, candidate.node
        return accepted

    def descend(self) -> Node:
        """Down the most visited edges, ties by Q, as far as they go."""
        node, passed = self.root, []
        while node.edges and node not in passed:
            passed.append(node)
            node = max(node.edges, key=lambda edge: (edge.followed, weigh(edge.child), edge.prior)).child
        return node

    def answer(self, chosen: Node | None = None) -> Answer | None:
        """What to commit to, without asking for a verdict.

        Verified: the accepted end alone. Else the chosen node, if it is terminal; or the terminal node of the highest
        value, ties by visits of its parent; or the end of the last resort.
        """
        if self.verified:
            return self.accepted
        if chosen is None or not chosen.terminal:
            visits, parent = self.tree.visits, self.tree.parent
            chosen = max(self.terminals(), default=None,
                         key=lambda node: (weigh(node), visits[parent[node.indices[0]]]))  # fmt: skip
        if chosen is not None:
            return chosen.state, chosen.indices[0]
        ended = [candidate for candidate in self.completed if candidate.end == "terminal"]
        return (ended[0].state, ended[0].node) if ended else None

    def conclude(self, chosen: Answer | None, stopped: str) -> Outcome:
        """Judge all that was found, and what was committed to."""
        ended = [(node.state, index) for node in self.terminals() for index in node.indices]
        ended += [(candidate.state, candidate.node) for candidate in self.completed if candidate.end == "terminal"]
        self.tree.log("stop", chosen[1] if chosen else 0)
        for state, index in ended:
            judge(self.task, self.tree, index, state)
        correct = sum(self.tree.status[node.indices[0]] == "solved" for node in self.terminals())
        correct += sum(is_solved(self.task, candidate) for candidate in self.completed)
        found = {"tree": self.tree, "candidates": len(self.terminals()) + len(self.completed), "correct": correct}
        if chosen is not None:
            verdict = self.task.verdict(chosen[0])
            return Outcome(verdict.answer, verdict.solved, verdict.outcome, stopped=stopped, **found)
        if ended:
            miss = "wrong value"
        elif len(self.nodes) > 1 or "unfinished" in self.tree.status:
            miss = "unfinished"
        else:
            miss = "illegal" if "illegal" in self.tree.status else "no answer"
        return Outcome("", False, miss, stopped=stopped, **found)


def make_graph(task: Task, root: Any, verified: bool, merge: bool, prior: str) -> Graph:
    """A graph that holds the root alone, which may be terminal already."""
    graph = Graph(task, make_tree(task, root), verified, merge, prior)
    node = graph.find(root)
    node.indices.append(0)
    graph.accept(node, 0)
    return graph


def weigh(node: Node) -> float:
    """Q as a sort key: less than any value where a spent budget left a node without one."""
    return -2.0 if node.q is None else node.q
