"""What searches have found: solutions that the verifier accepts, each calculation once, and how attempts ended.

A search leaves a tree. Its lines are said again to the exact rules, so that a solution counts by the verifier's word
alone, whoever told the search that it was one; positions learn whether an attempt through them was accepted. What a
policy then learns from is drawn here too. This module does not know models, nor the solver: it never asks whether a
position is alive.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from game24lab.runs.checks import require, require_one_of
from game24lab.search.tree import Tree
from game24lab.tasks.problems import Sample
from game24lab.tasks.task import Illegal, Task, follow

CREDITS = ("any", "share")
WEIGHINGS = ("problem", "calculation")
_MOST_ROUTES = 64  # ways to one position that are followed

Lines = tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """What one search has left behind."""

    solutions: tuple[Lines, ...] = ()  # accepted, each calculation once
    positions: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # text -> attempts, accepted ones
    reached: Mapping[str, Lines] = field(default_factory=dict)  # text of a position between -> the lines that led there


def read_tree(task: Task, problem: Any, tree: Tree, credit: str = "any") -> Finding:
    """The solutions in a search tree, and its positions with the outcomes of the attempts that passed them.

    An attempt is a way that came to an end: of the game, or at a line that the rules refuse. What was left open says
    nothing. credit: "share": a position is told of each attempt behind it; "any": of one, accepted where any was.
    ValueError for an unknown credit.
    """
    require_one_of("credit", credit, CREDITS)
    root = task.start(problem)
    states = _follow_tree(task, root, tree)
    first = _merge(task, states)
    ends = {node: _is_accepted(task, states[node]) for node in range(1, len(tree)) if _is_end(task, tree, states, node)}
    parents: dict[int, set[int]] = {}
    for node in range(1, len(tree)):
        parents.setdefault(first[node], set()).add(first[tree.parent[node]])
    passed: dict[int, list[bool]] = {}
    for node, accepted in ends.items():
        above, waiting = {first[node]}, [first[tree.parent[node]]]
        while waiting:
            spot = waiting.pop()
            if spot not in above:
                above.add(spot)
                waiting += parents.get(spot, ())
        for spot in above:
            passed.setdefault(spot, []).append(accepted)
    positions: dict[str, tuple[float, float]] = {}
    for spot, outcomes in passed.items():
        if states[spot] is not None:
            told = [any(outcomes)] if credit == "any" else outcomes
            positions[task.text(states[spot])] = (len(told), sum(told))
    accepted = [node for node, solved in ends.items() if solved]
    reached = {task.text(state): _list_lines(tree, node) for node, state in enumerate(states)
               if node and first[node] == node and node not in ends and state is not None}  # fmt: skip
    return Finding(tuple(_list_solutions(task, root, tree, first, accepted).values()), positions, reached)


def _list_lines(tree: Tree, node: int) -> Lines:
    """The lines from the root to a node."""
    lines = []
    while node > 0:
        if tree.line[node]:
            lines.append(tree.line[node])
        node = tree.parent[node]
    return tuple(lines[::-1])


def _follow_tree(task: Task, root: Any, tree: Tree) -> list[Any]:
    """The state of every node by the rules; None where they refuse its line."""
    states = [root]
    for node in range(1, len(tree)):
        before = states[tree.parent[node]]
        after = before if before is None or not tree.line[node] else task.step(before, tree.line[node])
        states.append(None if isinstance(after, Illegal) else after)
    return states


def _merge(task: Task, states: Sequence[Any]) -> list[int]:
    """For every node the first one that shows the same position; itself where the rules refuse its line."""
    known: dict[str, int] = {}
    return [node if state is None else known.setdefault(task.text(state), node) for node, state in enumerate(states)]


def _is_end(task: Task, tree: Tree, states: Sequence[Any], node: int) -> bool:
    if states[node] is None:
        return tree.status[node] == "illegal" and states[tree.parent[node]] is not None
    return task.is_terminal(states[node])


def _is_accepted(task: Task, state: Any) -> bool:
    return state is not None and task.is_terminal(state) and task.verdict(state).solved


def _list_solutions(
    task: Task, root: Any, tree: Tree, first: Sequence[int], accepted: Iterable[int]
) -> dict[Hashable, Lines]:  # fmt: skip
    """The ways to accepted ends, by any of the lines that led to the positions between, said to the verifier again."""
    said: dict[int, list[int]] = {}
    for node in range(1, len(tree)):
        said.setdefault(first[node], []).append(node)

    def list_ways(spot: int, below: frozenset[int]) -> list[Lines]:
        if spot == 0:
            return [()]
        ways = [(*before, tree.line[node]) for node in said[spot] if tree.parent[node] not in below
                for before in list_ways(first[tree.parent[node]], below | {spot})]  # fmt: skip
        return ways[:_MOST_ROUTES]

    found: dict[Hashable, Lines] = {}
    for node in accepted:
        for way in list_ways(first[node], frozenset()):
            key = check(task, root, way)
            if key is not None:
                found.setdefault(key, way)
    return found


def check(task: Any, root: Any, lines: Sequence[str]) -> Hashable | None:
    """What tells a solution's calculation from others, where the exact verifier accepts it; else None."""
    state, stopped = follow(task, root, "\n".join(lines))
    if stopped is not None or not _is_accepted(task, state):
        return None
    return task.calculation(state) if hasattr(task, "calculation") else task.verdict(state).answer


class Archive:
    """All solutions found so far: of each problem each calculation once, as it was first said."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._found: dict[str, dict[Hashable, Lines]] = {}
        self._problems: dict[str, Any] = {}

    def add(self, name: str, problem: Any, solutions: Iterable[Lines]) -> int:
        """Keep those that the verifier accepts and that are new; returns how many these are."""
        root, known = self.task.start(problem), self._found.setdefault(name, {})
        before = len(known)
        for lines in solutions:
            key = check(self.task, root, lines)
            if key is not None:
                known.setdefault(key, tuple(lines))
        self._problems[name] = problem
        return len(known) - before

    def list_solved(self) -> dict[str, list[Lines]]:
        """The solutions of each problem that has any, by its name."""
        return {name: list(found.values()) for name, found in self._found.items() if found}

    def count(self, name: str) -> int:
        """How many solutions of a problem are known."""
        return len(self._found.get(name, ()))

    def start(self, name: str) -> Any:
        """The first state of a problem of this name."""
        return self.task.start(self._problems[name])


def write_samples(
    archive: Archive, count: int, *, weigh: str = "problem", position_share: float = 0.15, opening_share: float = 0.5,
    respell: bool = True, seed: int = 0, only: Iterable[str] | None = None,
) -> list[Sample]:  # fmt: skip
    """`count` texts to learn from, drawn from the archive; equal for equal arguments.

    Args:
        weigh: "problem": each problem is drawn equally often, and of it each calculation; "calculation": each
            calculation of any problem.
        position_share: share of samples that begin inside a solution, behind any of its lines but the last.
        opening_share: share of the others that stop after the first line, the hardest to choose.
        respell: lines are said in any of the ways that the rules take for the same move (`task.spell`), each equally
            often, where a task has such.
        only: names of problems to learn from; None: all that are solved.

    ValueError for shares outside 0..1, and where there is nothing to learn from.
    """
    require("count", count, int, 1)
    require_one_of("weigh", weigh, WEIGHINGS)
    for name, share in (("position_share", position_share), ("opening_share", opening_share)):
        require(name, share, float, 0, 1)
    solved = archive.list_solved()
    solved = solved if only is None else {name: solved[name] for name in only if name in solved}
    if not solved:
        raise ValueError("solutions: at least one is needed to learn from, got none")
    rng, names = random.Random(f"samples {seed}"), sorted(solved)
    weights = [1 if weigh == "problem" else len(solved[name]) for name in names]
    drawn = rng.choices(names, weights, k=count)
    spell = getattr(archive.task, "spell", None) if respell else None
    samples = []
    for name in drawn:
        ways = _say(archive.task, archive.start(name), rng.choice(solved[name]), rng, spell)
        begin = rng.randrange(1, len(ways)) if len(ways) > 1 and rng.random() < position_share else 0
        prompt, rest = ways[begin][0], [f"{line}\n" for _, line in ways[begin:]]
        cut = not begin and len(rest) > 1 and rng.random() < opening_share
        samples.append(Sample(prompt, rest[0] if cut else "".join(rest), ends=not cut))
    return samples


def _say(task: Task, state: Any, lines: Lines, rng: random.Random, spell: Any) -> list[tuple[str, str]]:
    """Each line of a solution behind the text of its position."""
    said = []
    for line in lines:
        line = rng.choice(spell(state, line)) if spell else line
        said.append((task.text(state), line))
        state = task.step(state, line)
    return said


def add_positions(
    sums: dict[str, tuple[float, float]], more: Mapping[str, Sequence[float]]
) -> dict[str, tuple[float, float]]:  # fmt: skip
    """Attempts and accepted ones of positions, added in place."""
    for text, (visits, solved) in more.items():
        before = sums.get(text, (0, 0))
        sums[text] = (before[0] + visits, before[1] + solved)
    return sums


def tabulate_positions(sums: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """Positions as `critic.train` takes them: `text`, `visits`, `solved`, sorted by text."""
    rows = [(text, visits, solved) for text, (visits, solved) in sorted(sums.items())]
    return pd.DataFrame(rows, columns=["text", "visits", "solved"])
