"""Lookahead decoding: a tree search over tokens, or chunks of them, inside an answer.

Plain decoding goes on until a *decision point*. There the search tries the likeliest next tokens, rolls each out to the
end of the answer (or asks a critic), and appends the best token; its subtree is kept. After Planning
in Decoding (Zhang et al. 2023, arXiv 2303.05510: PUCT over the top-k tokens, rollouts to the end) and PPO-MCTS (Liu et
al. 2023, arXiv 2309.15028: a value model at the leaves); simulations are those of `simulation`, statistics those of
`graph`, with ranked tokens as proposals, on the token-level MDP of `token_task`.

**Relation to plain decoding.** The first child of a decision is the token of plain decoding, greedy or sampled, the
others are the likeliest besides; and all random numbers are those of plain decoding, token by token. So without a
choice (`top_k` 1, `simulations` 0, `depth` 0, `fallback` 1) it equals plain decoding token for token, and an answer
differs from the plain one only from the first token that the search has changed. A rollout at the temperature of
decoding is the continuation of plain decoding.

This module does not know what tokens mean, who samples, rewards and values.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any

from game24lab.runs.checks import require, require_one_of
from game24lab.search.graph import PRIORS, Answer, Edge, Graph, Node, weigh
from game24lab.search.requests import BudgetSpent, Complete, Outcome, Propose, Request, strategy
from game24lab.search.sampling import Candidate, check_sampling, make_tree
from game24lab.search.simulation import list_alive, list_moves, make_puct, simulate
from game24lab.search.token_task import Continuation, Continuations, write_ids

RULES = ("tokens", "line", "entropy", "margin")  # where decisions are taken
UNITS = ("tokens", "line")  # what an edge is
LEAVES = ("reward", "critic")  # what a leaf is worth
CHOICES = ("visits", "value")
STREAM = 1  # the random numbers of plain decoding


@strategy("lookahead", "simulations")
def lookahead(
    task: Continuations,
    root: Continuation,
    *,
    rule: str = "tokens",
    every: int = 8,
    threshold: float = 0.5,
    simulations: int = 8,
    depth: int = 4,
    top_k: int = 4,
    unit: str = "tokens",
    chunk: int = 1,
    leaf: str = "reward",
    rollouts: int = 1,
    rollout_temperature: float | None = None,
    fallback: float = 0.0,
    choose: str = "visits",
    prior: str = "logprob",
    pb_c_init: float = 1.25,
    pb_c_base: float = 19652.0,
    leaves: int = 1,
    temperature: float = 0.0,
    top_p: float = 1.0,
    max_tokens: int = 256,
    verified: bool,
    rng: random.Random,
) -> Generator[Request, list, Outcome]:
    """Write one answer with a search at every decision point.

    Args:
        rule: where: after every `every` tokens ("tokens"), where a line begins ("line"), or where the model is unsure
            of the next token: its entropy, in nats, is at least `threshold` ("entropy"), or the likeliest token is at
            most `threshold` more probable than the second ("margin").
        simulations: at each decision point; the subtree below the token written is kept.
        depth: edges below the decision point, at most.
        top_k: children of a position, the token of plain decoding and the likeliest others.
        unit, chunk: an edge is `chunk` tokens, the first of them ranked, or goes on to the end of the line, with
            `chunk` tokens at most ("line").
        leaf: the value of a new child: the mean of `rollouts` rollouts from it ("reward", see
            Continuations.value_answers), or the critic's ("critic").
        rollout_temperature: None: that of decoding.
        fallback: probability of skipping a decision point.
        choose: the child visited most is written, ties by value ("visits"), or that of the highest value.
        leaves: simulations that wait for tokens together.
        temperature, top_p: of plain decoding.
        max_tokens: of the answer.

    Verified: the first end, of the answer or of a rollout, that the exact verifier accepts is the answer. In other
    modes it is the answer as written; a reward that knows the right answer is refused there. The tree's
    `meta` holds `text`, `answer_tokens`, `decisions`, `pieces` (each token's text and who wrote it: "plain", "kept",
    "changed"), and of each token `ids`, `logprobs` (the model's own) and `shares` (of the visits at its decision, None
    where plain decoding wrote it).
    ValueError for invalid parameters, such as a depth beyond the model's window.
    """
    _check_task(task, leaf, verified)
    numbers = {"every": (every, 1), "simulations": (simulations, 0), "depth": (depth, 0), "top_k": (top_k, 1),
               "chunk": (chunk, 1), "rollouts": (rollouts, 1), "leaves": (leaves, 1)}  # fmt: skip
    for name, (number, least) in numbers.items():
        require(name, number, int, least)
    options = {"rule": (rule, RULES), "unit": (unit, UNITS), "choose": (choose, CHOICES), "prior": (prior, PRIORS)}
    for name, (option, known) in options.items():
        require_one_of(name, option, known)
    require("threshold", threshold, float, 0)
    require("fallback", fallback, float, 0, 1)
    check_sampling(temperature, top_p, 0, max_tokens)
    rollout_heat = temperature if rollout_temperature is None else rollout_temperature
    check_sampling(rollout_heat, top_p, 0, max_tokens)
    if rollouts > 1 and not rollout_heat and leaf == "reward":
        raise ValueError(f"rollouts must be 1 at temperature 0, where all are alike, got {rollouts} (or set "
                         "rollout_temperature above 0)")  # fmt: skip
    puct = make_puct(pb_c_init, pb_c_base)
    if depth * chunk > root.room:
        raise ValueError(f"depth x chunk must be at most {root.room}, the tokens that the model's window of "
                         f"{task.window} leaves after this prompt, got {depth} x {chunk}")  # fmt: skip
    plain = Complete((), 1, 0, temperature, top_p, 0, max_tokens, STREAM)
    proposal = Propose((), top_k, 0, temperature, top_p, 0, chunk, unit, True, STREAM)
    rollout = replace(plain, n=rollouts, temperature=rollout_heat)
    graph = _make_graph(task, replace(root, room=min(root.room, max_tokens)), verified, prior, leaf, rollout)
    searching = bool(simulations and depth and fallback < 1)
    route, since, spare = [(None, graph.root)], every, 0  # `since` the last decision; `spare`: one was passed over
    stopped = "done"
    try:
        while not route[-1][1].terminal and not graph.accepted:
            node = route[-1][1]
            request = _plan(task, node.state, plain, rule, every - since, threshold, spare) if searching else plain
            if request is not None:
                ((written,),) = yield replace(request, states=(node.state,))
                since, spare = since + written.tokens, 0
                if written.tokens:
                    route.append(graph.write(node, written))
                    if rule == "line" or route[-1][1].terminal:
                        continue
            if rng.random() < fallback:
                since, spare = 0, 1
                continue
            limit, node = len(route) - 1 + depth, route[-1][1]
            if (yield from list_moves(graph, route, proposal, limit)):
                yield from simulate(graph, repeat(route, simulations), proposal, puct, depth=limit, leaves=leaves)
            if graph.accepted:
                break
            route.append(graph.decide(node, choose))
            since = len(route[-1][1].state.ids) - len(node.state.ids)
    except BudgetSpent as spent:
        stopped = spent.unit
    chosen = graph.answer(route[-1][1])
    graph.write_meta(chosen or (route[-1][1].state, route[-1][1].indices[0]))
    return graph.conclude(chosen, graph.find_stop() or stopped)


def _check_task(task: Any, leaf: str, verified: bool) -> None:
    if not isinstance(task, Continuations):
        raise ValueError("task must be Continuations(task, policy) for lookahead, which searches inside answers "
                         f"(notebook 08_lookahead), got {getattr(task, 'name', task)!r}")  # fmt: skip
    require_one_of("leaf", leaf, LEAVES)
    if leaf == "reward" and not verified and not task.honest:
        raise ValueError("leaf must be 'critic', or the reward one that reads the answer alone (honest), in a search "
                         "that is not verified, got leaf 'reward' and a reward that knows the right "
                         "answer")  # fmt: skip


def _plan(
    task: Continuations, state: Continuation, plain: Complete, rule: str, left: int, threshold: float, spare: int
) -> Complete | None:
    """The request for plain decoding up to the next decision point; None at a decision point."""
    if rule == "tokens":
        return replace(plain, max_tokens=left) if left > 0 else None
    if rule == "line":
        return replace(plain, pause="line") if spare or not task.ends_line(state) else None
    return replace(plain, pause=rule, threshold=threshold, spare=spare)


@dataclass(eq=False)
class _AnswerGraph(Graph):
    """A graph of partial answers: lines are ids, leaves are valued by rollouts, and decisions are recorded."""

    task: Continuations  # type: ignore[assignment]

    leaf: str = "reward"
    rollout: Complete | None = None
    ranks: dict[int, int] = field(default_factory=dict)  # tree index of each proposal -> its rank among them
    decisions: list[dict[str, Any]] = field(default_factory=list)
    logprobs: dict[int, Sequence[float]] = field(default_factory=dict)  # by tree index, of its tokens, the model's own
    shares: dict[int, float] = field(default_factory=dict)  # by tree index of what was written: its share of the visits

    def expand(self, node: Node, lines: list) -> list[Edge]:
        """Add proposals, the first of which is the one of plain decoding."""
        new = super().expand(node, [replace(line, text=write_ids(line.ids)) for line in lines])
        for rank, line in enumerate(lines):
            index = node.lines[write_ids(line.ids)][0]
            self.ranks.setdefault(index, rank)
            self.logprobs[index] = line.logprobs
        return new

    def write(self, node: Node, completion: Any) -> tuple[Edge, Node]:
        """Add a piece of plain decoding."""
        line = write_ids(completion.ids)
        super().expand(node, [replace(completion, text=line)])
        index = node.lines[line][0]
        self.logprobs[index] = completion.logprobs
        edge = next(edge for edge in node.edges if edge.index == index)
        return edge, edge.child

    def evaluate(self, nodes: Sequence[Node], rollout: dict | None = None) -> Generator[Request, list, None]:
        """Values by the critic, -1 behind an illegal line; or by rollouts in one request, and by the reward at ends."""
        nodes = [node for node in nodes if node.value is None]
        if self.leaf == "critic":
            for node in nodes:
                if self.task.is_lost(node.state):
                    node.value = self.tree.value[node.indices[0]] = -1.0
                    self.tree.log("evaluate", node.indices[0])
            if nodes := [node for node in nodes if node.value is None]:
                yield from super().evaluate(nodes)
            return
        open_ones = [node for node in nodes if not node.terminal]
        rolled: dict[Node, list[Continuation]] = {node: [node.state] for node in nodes if node.terminal}
        found: dict[Node, list[Candidate]] = {}
        if open_ones:
            answers = yield replace(self.rollout, states=tuple(node.state for node in open_ones))
            for node, completions in zip(open_ones, answers, strict=True):
                found[node] = [self._add_rollout(node, completion) for completion in completions]
                rolled[node] = [candidate.state for candidate in found[node]]
        paid = iter(self.task.value_answers([state for states in rolled.values() for state in states]))
        for node, states in rolled.items():
            values = [next(paid) for _ in states]
            for candidate, value in zip(found.get(node, ()), values, strict=node in found):
                candidate.value = self.tree.value[candidate.node] = value
            node.value = self.tree.value[node.indices[0]] = sum(values) / len(values)
            self.tree.log("evaluate", node.indices[0])

    def _add_rollout(self, node: Node, completion: Any) -> Candidate:
        """Add a rollout as a leaf of the tree."""
        line = write_ids(completion.ids)
        state = self.task.step(node.state, line)
        ended = self.task.is_terminal(state)
        index = self.tree.add(node.indices[0], line, self.task.label(state), tokens=completion.tokens,
                             logprob=completion.logprob, status="open" if ended else "unfinished")  # fmt: skip
        self.logprobs[index] = completion.logprobs
        candidate = Candidate(state, index, completion.logprob, "terminal" if ended else "unfinished")
        self.completed.append(candidate)
        if self.verified and self.accepted is None and self.task.verdict(state).solved:
            self.accepted = state, index
        return candidate

    def decide(self, node: Node, choose: str) -> tuple[Edge, Node]:
        """Choose the child to write, and record the decision."""
        proposed = [edge for edge in node.edges if edge.index in self.ranks]
        alive = list_alive(proposed) or proposed
        by_visits = choose == "visits"
        edge = max(alive, key=lambda edge: (edge.followed, weigh(edge.child)) if by_visits
                   else (weigh(edge.child), edge.followed))  # fmt: skip
        followed = sum(edge.followed for edge in proposed)
        self.shares[edge.index] = edge.followed / followed if followed else 1 / len(proposed)
        usual = next((edge.index for edge in proposed if not self.ranks[edge.index]), edge.index)
        self.decisions.append({"at": len(node.state.ids), "node": node.indices[0], "chosen": edge.index,
                               "usual": usual, "changed": edge.index != usual,
                               "children": [edge.index for edge in proposed]})  # fmt: skip
        return edge, edge.child

    def answer(self, chosen: Node | None = None) -> Answer | None:
        """As `Graph.answer`; where a spent budget left the answer unfinished, the rollout of the highest value."""
        if self.verified or (chosen is not None and chosen.terminal):
            return super().answer(chosen)
        ended = [one for one in self.completed if one.end == "terminal" and one.value is not None]
        best = max(ended, default=None, key=lambda one: (one.value, one.logprob))
        return (best.state, best.node) if best else super().answer(chosen)

    def write_meta(self, answer: Answer) -> None:
        """Record the answer, token by token, in the tree's `meta`, and the text of every line of ids."""
        (state, index), marks, logprobs, shares = answer, [], [], []
        for passed in self.tree.path(index)[1:]:
            mark = "plain" if passed not in self.ranks else "changed" if self.ranks[passed] else "kept"
            own = self.logprobs[passed]
            marks += [mark] * len(own)
            logprobs += map(float, own)
            shares += [self.shares.get(passed), *[None] * (len(own) - 1)]
        self.tree.meta |= {
            "text": self.task.read(state), "answer_tokens": len(state.ids), "decisions": self.decisions,
            "pieces": [list(piece) for piece in zip(self.task.spell(state.ids), marks, strict=True)],
            "ids": list(state.ids), "logprobs": logprobs, "shares": shares, "moves": self.task.show(self.tree.line),
        }  # fmt: skip


def _make_graph(
    task: Continuations, root: Continuation, verified: bool, prior: str, leaf: str, rollout: Complete
) -> _AnswerGraph:
    """A graph that holds the empty answer alone."""
    graph = _AnswerGraph(task, make_tree(task, root), verified, True, prior, leaf=leaf, rollout=rollout)
    graph.find(root).indices.append(0)
    return graph
