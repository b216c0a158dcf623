"""Search trees for tests of the viewer: a small random MCTS over real positions, without any model.

The proposals come from the legal moves with made-up priors (and now and then an illegal line), the critic is the exact
solver's word with noise. Good enough to look at and to click on; nothing measured on it means anything.
"""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Sequence
from typing import Any

from game24lab.search.tree import Tree
from game24lab.tasks.numbers.arithmetic import legal_steps, reachable
from game24lab.tasks.numbers.steps import write_line
from game24lab.tasks.numbers.task import Game24, Position
from game24lab.tasks.task import Illegal

TOKENS = 17  # what a line costs here


class Grower:
    """One tree while it grows, with what a search knows beside it: states and equal positions."""

    def __init__(self, numbers: Sequence[int], seed: int, width: int, noise: float, explore: float) -> None:
        self.task, self.rng, self.width, self.noise, self.explore = Game24(), random.Random(seed), width, noise, explore
        meta = {"task": "game24", "problem": list(numbers), "strategy": "mcts", "mode": "rules", "seed": seed,
                "parameters": {"width": width}, "answer": "", "solved": False}  # fmt: skip
        self.tree = Tree(meta=meta)
        self.states: list[Position | None] = []
        self.children: list[list[int]] = []
        self.positions: dict[Hashable, list[int]] = {}
        self.add(-1, "", self.task.start(numbers), None)

    def simulate(self) -> None:
        """One simulation: select by PUCT, expand, evaluate, back up."""
        tree, node, path = self.tree, 0, [0]
        while self.children[self.first(node)]:
            first = self.first(node)
            legal = [child for child in self.children[first] if tree.status[child] != "illegal"]
            node = max(legal, key=lambda child, first=first: self.score(first, child))
            path.append(node)
        for passed in path:
            tree.followed[passed] += 1
            tree.log("select", passed)
        if not self.task.is_terminal(self.states[node]):
            self.expand(self.first(node))
        value = tree.value[node]
        for passed in reversed(path):
            for same in self.positions[self.task.key(self.states[passed])]:
                tree.visits[same] += 1
                tree.total[same] += value
                tree.log("backup", same)

    def first(self, node: int) -> int:
        same = self.tree.same[node]
        return node if same is None else same

    def score(self, parent: int, child: int) -> float:
        tree = self.tree
        bonus = tree.prior[child] * math.sqrt(tree.visits[parent] + 1) / (1 + tree.followed[child])
        return (tree.q(child) if tree.visits[child] else 0.0) + self.explore * bonus

    def expand(self, node: int) -> None:
        moves = list(legal_steps(self.states[node].left))
        self.rng.shuffle(moves)
        moves = moves[: self.width]
        weighed = [(write_line(step, after), math.exp(self.rng.gauss(1.2 * reachable(after), 1.1)))
                   for step, after in moves]  # fmt: skip
        if self.rng.random() < 0.25:
            weighed.append((weighed[0][0].replace("= ", "= 1", 1), 0.3))
        whole = sum(weight for _, weight in weighed)
        for line, weight in sorted(weighed, key=lambda pair: -pair[1]):
            self.add(node, line, self.task.step(self.states[node], line), weight / whole)

    def add(self, parent: int, line: str, state: Position | Illegal, prior: float | None) -> None:
        tokens, logprob = (TOKENS, math.log(prior)) if prior else (0, None)
        if isinstance(state, Illegal):
            self.tree.add(parent, line, "", prior=prior, logprob=logprob, tokens=tokens, status="illegal",
                          reason=state.reason)  # fmt: skip
            self.states.append(None)
        else:
            verdict, end = self.task.verdict(state), self.task.is_terminal(state)
            like = self.positions.setdefault(self.task.key(state), [])
            node = self.tree.add(
                parent, line, self.task.label(state), prior=prior, logprob=logprob, tokens=tokens,
                status="solved" if verdict.solved else "wrong" if end else "open", same=like[0] if like else None,
                expression=self.task.expression(state), reason=verdict.reason if end and not verdict.solved else "",
            )  # fmt: skip
            like.append(node)
            self.states.append(state)
            self.tree.value[node] = self.tree.value[like[0]] if node != like[0] else self.judge(state, end)
            self.tree.log("evaluate", node)
        self.children.append([])
        if parent >= 0:
            self.children[parent].append(len(self.tree) - 1)

    def judge(self, state: Position, end: bool) -> float:
        truth = self.task.truth(state)
        if end:
            return 1.0 if truth else -1.0
        return max(-1.0, min(1.0, (0.7 if truth else -0.6) + self.rng.gauss(0, self.noise)))

    def finish(self) -> Tree:
        """End the search at the most visited solution, and fill in the truth."""
        tree = self.tree
        solved = [node for node, status in enumerate(tree.status) if status == "solved"]
        best = max(solved, key=lambda node: tree.followed[node], default=0)
        tree.log("stop", best)
        tree.meta["parameters"]["simulations"] = tree.visits[0]
        tree.meta.update(answer=tree.expression[best] if best else "", solved=bool(best))
        return tree.annotate(self.task, self.states[0])


def grow_tree(
    numbers: Sequence[int] = (4, 5, 6, 10), nodes: int = 150, seed: int = 0, width: int = 12, noise: float = 0.35,
    explore: float = 1.6,
) -> Tree:  # fmt: skip
    """A finished tree of at least `nodes` nodes; the same arguments give the same tree."""
    grower = Grower(numbers, seed, width, noise, explore)
    while len(grower.tree) < nodes:
        grower.simulate()
    return grower.finish()


def describe(tree: Tree) -> dict[str, Any]:
    """A few counts of a tree, to choose a good seed by."""
    return {"nodes": len(tree), "solved": tree.status.count("solved"), "illegal": tree.status.count("illegal"),
            "same": sum(same is not None for same in tree.same), "answer": tree.meta["answer"]}  # fmt: skip


def grow_big(nodes: int = 10_000, seed: int = 1) -> Tree:
    """A tree of so many nodes, all made up, to draw."""
    rng, tree = random.Random(seed), Tree(meta={"problem": [1, 5, 7, 10, 11]})
    tree.add(-1, "", "1 5 7 10 11")
    while len(tree) < nodes:
        parent = rng.randrange(max(1, len(tree) // 15))
        for _ in range(min(20, nodes - len(tree))):
            a, b = rng.randrange(1, 99), rng.randrange(1, 99)
            node = tree.add(parent, f"{a} + {b} = {a + b}", f"{a} {b} {a + b}", prior=0.05, value=rng.uniform(-1, 1),
                            tokens=rng.randrange(8, 20))  # fmt: skip
            tree.visits[node] = tree.followed[node] = max(1, int(rng.paretovariate(1.2)))
            tree.log("backup", node)
    tree.visits[0] = tree.followed[0] = sum(tree.visits)
    return tree
