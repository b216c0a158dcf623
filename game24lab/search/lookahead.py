"""Lookahead: a tree search over tokens, or chunks of them, inside the answer that is being written.

Plain decoding goes on until a *decision point*. There the search tries the likeliest next tokens, rolls each out to the
end of the answer (or asks a critic), and the token that came off best is written; its subtree is kept. After Planning
in Decoding (Zhang et al. 2023, arXiv 2303.05510: PUCT over the top-k tokens, rollouts to the end) and PPO-MCTS (Liu et
al. 2023, arXiv 2309.15028: a value model at the leaves); simulations are those of `walks`, statistics those of `graph`:
it is the engine's search with ranked tokens as proposals, in the world of `continuations`.

**What it changes.** The first child of a decision is the token that plain decoding would have written, greedy or
sampled, the others are the likeliest besides; and all random numbers are those of plain decoding, token by token. So
with nothing to choose from (`top_k` 1, `simulations` 0, `depth` 0, `fallback` 1) it is plain decoding, token for token,
and an answer differs from the plain one only from the first token on that the search has changed. A rollout at the
temperature of decoding is what plain decoding would go on with.

This module does not know what tokens mean, who samples, rewards and values.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any

from game24lab.runs.checks import require, require_one_of
from game24lab.search.graph import PRIORS, Answer, Edge, Graph, Place, weigh
from game24lab.search.requests import BudgetSpent, Complete, Outcome, Propose, Request
from game24lab.search.sampling import Candidate, check_sampling, plant
from game24lab.search.simulation import list_alive, list_moves, make_puct, simulate
from game24lab.search.token_task import Continuation, Continuations, write_ids

RULES = ("tokens", "line", "entropy", "margin")  # where decisions are taken
UNITS = ("tokens", "line")  # what an edge is
LEAVES = ("reward", "critic")  # what a leaf is worth
CHOICES = ("visits", "value")
STREAM = 1  # the random numbers of plain decoding


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
    """Write one answer, looking ahead at decision points.

    Args:
        rule: where: after every `every` tokens ("tokens"), where a line begins ("line"), or where the model is unsure
            of the next token: its entropy, in nats, is at least `threshold` ("entropy"), or the likeliest token is at
            most `threshold` more probable than the second ("margin").
        simulations: at each decision point; what was found below the token written is kept.
        depth: edges below the decision point, at most.
        top_k: children of a position, the token that plain decoding would write and the likeliest others.
        unit, chunk: an edge is `chunk` tokens, the first of them ranked, or goes on to the end of the line, with
            `chunk` tokens at most ("line").
        leaf: a new child is worth what `rollouts` rollouts from it earn on average ("reward", see Continuations.pay),
            or what the critic says of it ("critic").
        rollout_temperature: None: as decoding.
        fallback: probability of taking a decision point for none.
        choose: the child visited most is written, ties by value ("visits"), or that of the highest value.
        leaves: simulations that wait for tokens together.
        temperature, top_p: of plain decoding.
        max_tokens: of the answer.

    Verified: the first end, of the answer or of a rollout, that the exact verifier accepts is the answer. In other
    modes the answer is what was written to its end; a reward that knows the right answer has no place there. The tree's
    `meta` holds `text`, `answer_tokens`, `decisions`, `pieces` (each token's text and who wrote it: "plain", "kept",
    "changed"), and of each token `ids`, `logprobs` (the model's own) and `shares` (of the visits at its decision, None
    where plain decoding wrote it).
    ValueError for parameters that make no sense, such as a depth beyond the model's window.
    """
    _check_world(task, leaf, verified)
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
    warmth = temperature if rollout_temperature is None else rollout_temperature
    check_sampling(warmth, top_p, 0, max_tokens)
    if rollouts > 1 and not warmth and leaf == "reward":
        raise ValueError(f"rollouts {rollouts} at temperature 0: they would be copies; 1, or a rollout_temperature "
                         "above 0, is accepted")  # fmt: skip
    puct = make_puct(pb_c_init, pb_c_base)
    if depth * chunk > root.room:
        raise ValueError(f"depth {depth} of {chunk} tokens each: the model's window of {task.window} leaves "
                         f"{root.room} behind this prompt")  # fmt: skip
    pen = Complete((), 1, 0, temperature, top_p, 0, max_tokens, STREAM)
    proposal = Propose((), top_k, 0, temperature, top_p, 0, chunk, unit, True, STREAM)
    rollout = replace(pen, n=rollouts, temperature=warmth)
    graph = _sprout(task, replace(root, room=min(root.room, max_tokens)), verified, prior, leaf, rollout)
    searching = bool(simulations and depth and fallback < 1)
    route, since, spare = [(None, graph.root)], every, 0  # `since` the last decision; `spare`: one was passed over
    stopped = "done"
    try:
        while not route[-1][1].terminal and not graph.accepted:
            place = route[-1][1]
            stretch = _plan(task, place.state, pen, rule, every - since, threshold, spare) if searching else pen
            if stretch is not None:
                ((written,),) = yield replace(stretch, states=(place.state,))
                since, spare = since + written.tokens, 0
                if written.tokens:
                    route.append(graph.write(place, written))
                    if rule == "line" or route[-1][1].terminal:
                        continue
            if rng.random() < fallback:
                since, spare = 0, 1
                continue
            limit, place = len(route) - 1 + depth, route[-1][1]
            if (yield from list_moves(graph, route, proposal, limit)):
                yield from simulate(graph, repeat(route, simulations), proposal, puct, depth=limit, leaves=leaves)
            if graph.accepted:
                break
            route.append(graph.decide(place, choose))
            since = len(route[-1][1].state.ids) - len(place.state.ids)
    except BudgetSpent as spent:
        stopped = spent.unit
    chosen = graph.answer(route[-1][1])
    graph.tell(chosen or (route[-1][1].state, route[-1][1].nodes[0]))
    return graph.conclude(chosen, graph.find_stop() or stopped)


def _check_world(task: Any, leaf: str, verified: bool) -> None:
    if not isinstance(task, Continuations):
        raise ValueError(f"lookahead in the task {getattr(task, 'name', task)!r}: it looks ahead inside answers; "
                         "Continuations(task, policy) is accepted")  # fmt: skip
    require_one_of("leaf", leaf, LEAVES)
    if leaf == "reward" and not verified and not task.honest:
        raise ValueError("leaf 'reward' in a search that is not verified: the reward knows the right answer; "
                         "'critic', or a reward that reads the answer alone (Continuations: honest), is "
                         "accepted")  # fmt: skip


def _plan(
    task: Continuations, state: Continuation, pen: Complete, rule: str, left: int, threshold: float, spare: int
) -> Complete | None:
    """What plain decoding is asked for up to the next decision point; None: here is one."""
    if rule == "tokens":
        return replace(pen, max_tokens=left) if left > 0 else None
    if rule == "line":
        return replace(pen, pause="line") if spare or not task.ends_line(state) else None
    return replace(pen, pause=rule, threshold=threshold, spare=spare)


@dataclass(eq=False)
class _Writing(Graph):
    """Positions of answers: lines are ids, leaves are valued by rollouts, and what was decided is noted."""

    leaf: str = "reward"
    rollout: Complete | None = None
    ranks: dict[int, int] = field(default_factory=dict)  # nodes that were proposed -> their place among the proposals
    decisions: list[dict[str, Any]] = field(default_factory=list)
    logprobs: dict[int, Sequence[float]] = field(default_factory=dict)  # of each node's tokens, the model's own
    shares: dict[int, float] = field(default_factory=dict)  # of the visits, that a node written had among its siblings

    def expand(self, place: Place, lines: list) -> list[Edge]:
        """Proposals, the first of them what plain decoding would say."""
        new = super().expand(place, [replace(line, text=write_ids(line.ids)) for line in lines])
        for rank, line in enumerate(lines):
            node = place.lines[write_ids(line.ids)][0]
            self.ranks.setdefault(node, rank)
            self.logprobs[node] = line.logprobs
        return new

    def write(self, place: Place, completion: Any) -> tuple[Edge, Place]:
        """Plain decoding has gone on from a place."""
        line = write_ids(completion.ids)
        super().expand(place, [replace(completion, text=line)])
        node = place.lines[line][0]
        self.logprobs[node] = completion.logprobs
        edge = next(edge for edge in place.edges if edge.node == node)
        return edge, edge.child

    def evaluate(self, places: Sequence[Place], rollout: dict | None = None) -> Generator[Request, list, None]:
        """Values by the critic, -1 behind an illegal line; or by rollouts in one request, and by the reward at ends."""
        places = [place for place in places if place.value is None]
        if self.leaf == "critic":
            for place in places:
                if self.task.is_lost(place.state):
                    place.value = self.tree.value[place.nodes[0]] = -1.0
                    self.tree.log("evaluate", place.nodes[0])
            if places := [place for place in places if place.value is None]:
                yield from super().evaluate(places)
            return
        open_ones = [place for place in places if not place.terminal]
        rolled: dict[Place, list[Continuation]] = {place: [place.state] for place in places if place.terminal}
        found: dict[Place, list[Candidate]] = {}
        if open_ones:
            answers = yield replace(self.rollout, states=tuple(place.state for place in open_ones))
            for place, completions in zip(open_ones, answers, strict=True):
                found[place] = [self._hang(place, completion) for completion in completions]
                rolled[place] = [candidate.state for candidate in found[place]]
        paid = iter(self.task.pay([state for states in rolled.values() for state in states]))
        for place, states in rolled.items():
            values = [next(paid) for _ in states]
            for candidate, value in zip(found.get(place, ()), values, strict=place in found):
                candidate.value = self.tree.value[candidate.node] = value
            place.value = self.tree.value[place.nodes[0]] = sum(values) / len(values)
            self.tree.log("evaluate", place.nodes[0])

    def _hang(self, place: Place, completion: Any) -> Candidate:
        """A rollout, as a leaf of the tree."""
        line = write_ids(completion.ids)
        state = self.task.step(place.state, line)
        ended = self.task.is_terminal(state)
        node = self.tree.add(place.nodes[0], line, self.task.label(state), tokens=completion.tokens,
                             logprob=completion.logprob, status="open" if ended else "unfinished")  # fmt: skip
        self.logprobs[node] = completion.logprobs
        candidate = Candidate(state, node, completion.logprob, "terminal" if ended else "unfinished")
        self.completed.append(candidate)
        if self.verified and self.accepted is None and self.task.verdict(state).solved:
            self.accepted = state, node
        return candidate

    def decide(self, place: Place, choose: str) -> tuple[Edge, Place]:
        """The child to write, and a note of it."""
        proposed = [edge for edge in place.edges if edge.node in self.ranks]
        alive = list_alive(proposed) or proposed
        by_visits = choose == "visits"
        edge = max(alive, key=lambda edge: (edge.followed, weigh(edge.child)) if by_visits
                   else (weigh(edge.child), edge.followed))  # fmt: skip
        followed = sum(edge.followed for edge in proposed)
        self.shares[edge.node] = edge.followed / followed if followed else 1 / len(proposed)
        usual = next((edge.node for edge in proposed if not self.ranks[edge.node]), edge.node)
        self.decisions.append({"at": len(place.state.ids), "node": place.nodes[0], "chosen": edge.node,
                               "usual": usual, "changed": edge.node != usual,
                               "children": [edge.node for edge in proposed]})  # fmt: skip
        return edge, edge.child

    def answer(self, chosen: Place | None = None) -> Answer | None:
        """As ever; where a spent budget left the answer unfinished, the rollout that earned most stands in."""
        if self.verified or (chosen is not None and chosen.terminal):
            return super().answer(chosen)
        ended = [one for one in self.completed if one.end == "terminal" and one.value is not None]
        best = max(ended, default=None, key=lambda one: (one.value, one.logprob))
        return (best.state, best.node) if best else super().answer(chosen)

    def tell(self, answer: Answer) -> None:
        """Note the answer, token by token, in the tree's `meta`, and what every line of ids says, for people."""
        (state, node), marks, logprobs, shares = answer, [], [], []
        for passed in self.tree.path(node)[1:]:
            mark = "plain" if passed not in self.ranks else "changed" if self.ranks[passed] else "kept"
            said = self.logprobs[passed]
            marks += [mark] * len(said)
            logprobs += map(float, said)
            shares += [self.shares.get(passed), *[None] * (len(said) - 1)]
        self.tree.meta |= {
            "text": self.task.read(state), "answer_tokens": len(state.ids), "decisions": self.decisions,
            "pieces": [list(piece) for piece in zip(self.task.spell(state.ids), marks, strict=True)],
            "ids": list(state.ids), "logprobs": logprobs, "shares": shares, "moves": self.task.show(self.tree.line),
        }  # fmt: skip


def _sprout(
    task: Continuations, root: Continuation, verified: bool, prior: str, leaf: str, rollout: Complete
) -> _Writing:
    """A graph that holds the empty answer alone."""
    graph = _Writing(task, plant(task, root), verified, True, prior, leaf=leaf, rollout=rollout)
    graph.find(root).nodes.append(0)
    return graph
