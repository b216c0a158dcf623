"""Partial solutions as paths of lines, for beam, best-first and particle searches: extend, value and choose them.

A path leads from the first position to another, a line at a time; all paths of a search stand in one tree. With
`merge`, paths to equal positions (equal `task.key`) meet in one node and go on from there; the tree shows every line
that led there. A path belongs to a group, and paths of different groups neither meet nor share a sample.

Illegal lines become leaves, as do lines that were cut off ("unfinished"); neither goes on. This module does not know
in which order an algorithm expands its paths, nor what a line or a position is, who samples and who values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from game24lab.search.requests import Complete, Lines, Outcome, Propose, Request, Value
from game24lab.search.sampling import check_sampling, express, judge, make_tree, read, to_chance
from game24lab.search.tree import Tree
from game24lab.tasks.task import Illegal, Task


@dataclass(frozen=True)
class LineSampling:
    """How lines are sampled; ValueError for settings that make no sense."""

    temperature: float
    top_p: float
    top_k: int
    max_tokens: int  # per line
    sampling: str = "with"  # replacement, "without", or the "likeliest" lines

    def __post_init__(self) -> None:
        check_sampling(**vars(self))


@dataclass(eq=False)
class Path:
    """A path through the tree. Several can end in one node."""

    state: Any
    node: int
    end: str = ""  # "terminal", "illegal", "unfinished"; "": it can go on
    logprob: float = 0.0  # natural log, of all its lines
    length: int = 0  # its lines
    group: int = 0
    value: float | None = None  # of its position, in [-1, 1]; None: never asked, or a budget was spent
    values: tuple[float, ...] = ()  # of its positions up to here, for aggregation
    share: float = 0.0  # without replacement: of the lines drawn with its last one, its importance weight as a share

    @property
    def chance(self) -> float:
        """The value as a chance in (0, 1); -1 without one."""
        return -1.0 if self.value is None else to_chance(self.value)

    @property
    def rank(self) -> tuple[float, float]:
        """Sort key: the value, then the log-probability; a path without a value comes last."""
        return (-2.0 if self.value is None else self.value, self.logprob)


@dataclass(eq=False)
class Paths:
    """The tree of one search and what is known of its positions; made by `make_paths`."""

    task: Task
    tree: Tree
    root: Path
    verified: bool
    merge: bool
    accepted: Path | None = None  # verified: the answer that ends the search
    answers: list[Path] = field(default_factory=list)  # terminal paths, one a node
    completions: list[Path] = field(default_factory=list)  # the last resort, see `finish`
    _spots: dict[Any, list[int]] = field(default_factory=dict)  # position -> its nodes, the first one leading
    _lines: dict[tuple[int, int, str], tuple] = field(default_factory=dict)  # group, node, line -> state, node, end
    _states: dict[int, Any] = field(default_factory=dict)  # by leading node
    _greedy_seen: set = field(default_factory=set)  # positions whose greedy line has been charged
    _expanded: set[int] = field(default_factory=set)  # nodes at which lines were sampled

    # ---------------------------------------------------------------------------------------------- expansion
    def expand(
        self, paths: Sequence[Path], widths: Sequence[int], attempt: int, sampling: LineSampling
    ) -> Generator[Request, list, list[list[Path]]]:
        """Sample `widths[i]` lines that extend path i, all in one request; returns each path's children, one a sample.

        Equal positions are one prompt, whose lines are divided among the paths: each gets samples of its own. `attempt`
        must differ between requests about the same position. Without replacement there are fewer children where a
        position has no more lines, and each has its `share`.
        """
        heaps: dict[Any, list[int]] = {}
        for place, path in enumerate(paths):
            heaps.setdefault(self.task.key(path.state) if self.merge else place, []).append(place)
        for leaf in dict.fromkeys(path.node for path in paths):
            self.tree.status[leaf] = "open"  # it may have been pruned when another path led here
            for node in self.tree.path(leaf):
                self.tree.log("select", node)
        states = tuple(paths[places[0]].state for places in heaps.values())
        counts = tuple(sum(widths[place] for place in places) for places in heaps.values())
        answers = yield Propose(states, counts, attempt, **vars(sampling))
        children: list[list[Path]] = [[] for _ in paths]
        for places, lines in zip(heaps.values(), answers, strict=True):
            dealt = iter(lines)
            for place in places:
                children[place] = [self._extend(paths[place], line) for line in islice(dealt, widths[place])]
            if isinstance(lines, Lines):
                weights, born = lines.weigh(), [child for place in places for child in children[place]]
                for child, weight in zip(born, weights, strict=True):
                    child.share = weight / math.fsum(weights)
        self._expanded |= {path.node for path in paths}
        return children

    def is_expanded(self, path: Path) -> bool:
        """Whether lines were sampled at its node."""
        return path.node in self._expanded

    def look_ahead(
        self, paths: Sequence[Path], steps: int, sampling: LineSampling, every: bool
    ) -> Generator[Request, list, dict[int, list[Path]]]:
        """For every node the paths up to `steps` greedy lines further (Snell et al. 2024, arXiv 2408.03314).

        A path ends early where it can go no further; without a legal line it stays where it is. Of each path there is
        the last position, or with `every` all of them, in order.
        """
        ahead = {path.node: [path] for path in paths}
        going = list(ahead.values())
        for _ in range(steps):
            going = [trail for trail in going if not trail[-1].end]
            if not going or self.accepted:
                break
            states = tuple(trail[-1].state for trail in going)
            answers = yield Propose(states, 1, -1, 0.0, max_tokens=sampling.max_tokens)
            there, going = going, []
            for trail, (line,) in zip(there, answers, strict=True):
                key = self.task.key(trail[-1].state)
                known = self.merge and key in self._greedy_seen  # a position has one greedy line, charged once
                self._greedy_seen.add(key)
                after = self._extend(trail[-1], line, 0 if known else line.tokens)
                if after.end in ("", "terminal"):
                    trail.append(after)
                    going.append(trail)
        return {node: trail if every else trail[-1:] for node, trail in ahead.items()}

    def _extend(self, path: Path, completion: Any, tokens: int | None = None) -> Path:
        """The path one line further. A line that was sampled there before only adds its tokens."""
        tokens = completion.tokens if tokens is None else tokens
        name = path.group, path.node, completion.text
        if name in self._lines:
            self.tree.charge(self._lines[name][1], tokens)
        else:
            self._lines[name] = self._add(path, completion, tokens)
        state, node, end = self._lines[name]
        logprob = path.logprob + completion.logprob
        after = Path(state, node, end, logprob, path.length + 1, path.group, values=path.values)
        self._note_answer(after)
        return after

    def _add(self, path: Path, completion: Any, tokens: int) -> tuple[Any, int, str]:
        line, price = completion.text, {"tokens": tokens, "logprob": completion.logprob}
        after = self.task.step(path.state, line)
        if isinstance(after, Illegal):
            end = "unfinished" if completion.finish == "length" else "illegal"
            return path.state, self.tree.add(path.node, line, "", status=end, reason=after.reason, **price), end
        end = "terminal" if self.task.is_terminal(after) else ""
        nodes = self._spots.setdefault((path.group, self.task.key(after)) if self.merge else len(self.tree), [])
        sibling = next((node for node in nodes if self.tree.parent[node] == path.node), None)
        if sibling is not None:  # another line from here to there
            self.tree.charge(sibling, tokens)
            return self._states[nodes[0]], nodes[0], end
        first = nodes[0] if nodes else None
        node = self.tree.add(path.node, line, self.task.label(after), same=first, expression=express(self.task, after),
                             value=None if first is None else self.tree.value[first], **price)  # fmt: skip
        nodes.append(node)
        self._states.setdefault(nodes[0], after)
        return self._states[nodes[0]], nodes[0], end

    # ---------------------------------------------------------------------------------------------- values
    def evaluate(self, paths: Iterable[Path]) -> Generator[Request, list, None]:
        """Give each path the value of its position; unknown values are asked for in one request.

        Verified: terminal positions have the exact verdict instead, 1 or -1, as soon as they are met.
        """
        paths = [path for path in paths if path.end in ("", "terminal")]
        asked = list({path.node: path for path in paths if self.tree.value[path.node] is None}.values())
        values = (yield Value(tuple(path.state for path in asked))) if asked else []
        for path, value in zip(asked, values, strict=True):
            self.tree.value[path.node] = value
            self.tree.log("evaluate", path.node)
        for path in paths:
            path.value = self.tree.value[path.node]

    def _note_answer(self, path: Path) -> None:
        """Keep a terminal path, one a node. Verified: judge it at once; the first accepted one ends the search."""
        if path.end != "terminal":
            return
        if all(path.node != other.node for other in self.answers):
            self.answers.append(path)
            if self.verified:
                judge(self.task, self.tree, path.node, path.state)
                self.tree.value[path.node] = 1.0 if self.tree.status[path.node] == "solved" else -1.0
                self.tree.log("evaluate", path.node)
        if self.verified and self.accepted is None and self.tree.status[path.node] == "solved":
            self.accepted = path

    def drop(self, paths: Iterable[Path], kept: Iterable[Path], status: str = "pruned") -> None:
        """Mark open paths as `status`, unless they were expanded or end in the node of a kept one."""
        nodes = {path.node for path in kept} | self._expanded
        if status != "pruned":  # a node that a lookahead went on from is not unfinished
            nodes |= set(self.tree.parent[1:])
        for path in paths:
            if not path.end and path.node not in nodes and self.tree.status[path.node] == "open":
                self.tree.status[path.node] = status
                if status == "pruned":
                    self.tree.log("prune", path.node)

    # ---------------------------------------------------------------------------------------------- the end
    def finish(
        self, paths: Sequence[Path], rank: Callable[[Path], Any] = lambda path: path.rank
    ) -> Generator[Request, list, None]:
        """The last resort of a search that has met no end: complete the best of some paths greedily."""
        if self.answers or not paths:
            return
        path = max(paths, key=rank)
        ((completion,),) = yield Complete((path.state,), 1, temperature=0.0)
        self._expanded.add(path.node)
        ended = read(self.task, self.tree, path.state, completion, path.node)
        self.completions.append(Path(ended.state, ended.node, ended.end, path.logprob + ended.logprob))
        self._note_answer(self.completions[-1])

    def conclude(self, stopped: str, choose: Callable[[list[Path]], Path] | None = None) -> Outcome:
        """Commit to the accepted answer, or else to what `choose` takes (default: the best); then judge all ends."""
        task, tree = self.task, self.tree
        answer = self.accepted
        if not self.verified and self.answers:
            answer = choose(self.answers) if choose else max(self.answers, key=lambda path: path.rank)
        others = [path for path in self.completions if path.end != "terminal"]
        tree.log("stop", answer.node if answer else 0)
        for path in self.answers:
            for node in self._list_nodes(path):
                judge(task, tree, node, path.state)
        correct = sum(tree.status[path.node] == "solved" for path in self.answers)
        found = {"candidates": len(self.answers) + len(others), "correct": correct, "tree": tree,
                 "stopped": "solved" if self.accepted else stopped}  # fmt: skip
        if answer is not None:
            verdict = task.verdict(answer.state)
            return Outcome(verdict.answer, verdict.solved, verdict.outcome, **found)
        if self.answers:
            return Outcome("", False, "wrong value", **found)
        ends = set(tree.status[1:])
        if ends - {"illegal"}:
            return Outcome("", False, "unfinished", **found)
        return Outcome("", False, "illegal" if ends else "no answer", **found)

    def _list_nodes(self, path: Path) -> list[int]:
        key = (path.group, self.task.key(path.state)) if self.merge else path.node
        nodes = self._spots.get(key, [])
        return nodes if path.node in nodes else [path.node]


def make_paths(task: Task, root: Any, verified: bool, merge: bool) -> Paths:
    """The paths of a new search: the root path alone, which may be terminal already."""
    start = Path(root, 0, "terminal" if task.is_terminal(root) else "")
    paths = Paths(task, make_tree(task, root), start, verified, merge)
    paths._note_answer(start)
    return paths
