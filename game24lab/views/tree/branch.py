"""Search on from a node of a finished tree: what is found hangs under that node, in one tree with one account.

It does not know which strategy searches, or how a tree is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from typing import Any

from game24lab.search.engine import Algorithm, run
from game24lab.search.modes import open_world
from game24lab.search.requests import Outcome
from game24lab.search.tree import Tree
from game24lab.tasks.task import Illegal, Task


@dataclass(frozen=True)
class _From:
    """A task that starts where a search is to go on; all else is the task's own."""

    task: Task
    state: Any

    def start(self, _: Any) -> Any:
        return self.state

    def believe(self) -> _From:
        """Itself: a blind search is given the task at the model's word already."""
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)


def search_on(
    task: Task,
    problem: Any,
    tree: Tree,
    node: int,
    algorithm: Algorithm,
    policy: Any,
    critic: Any = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    mode: str = "verified",
    seed: int = 0,
) -> Outcome:
    """Search from the position of a node. The outcome has the tree of both searches; its cost is that of this one.

    `tree` is of the same problem and stays as it is. Lines that it knew already and that are sampled again stand there
    twice: the new search does not know the old one. Each search on from one tree has samples of its own. ValueError for
    a node that is not there, that is an end, or whose lines the task does not take.
    """
    if type(node) is not int or not 0 <= node < len(tree):
        raise ValueError(f"node must be one from 0 to {len(tree) - 1}, got {node!r}")
    task = open_world(task, mode)
    state = find_state(task, problem, tree, node)
    if task.is_terminal(state):
        raise ValueError(f"node must be a position with a next line, got {node}, which is an end")
    before = sum(event[0] == "stop" for event in tree.events)
    (outcome,) = run(_From(task, state), [problem], algorithm, policy, critic, parameters=parameters, mode=mode,
                     seed=seed + before)  # fmt: skip
    return replace(outcome, tree=graft(tree, node, outcome.tree))


def find_state(task: Task, problem: Any, tree: Tree, node: int) -> Any:
    """The state that a node's lines lead to; ValueError where the task does not take them."""
    state = task.start(problem)
    for passed in tree.path(node)[1:]:
        state = task.step(state, tree.line[passed])
        if isinstance(state, Illegal):
            raise ValueError(f"node {node}: no position to search from; {state.reason}")
    return state


def graft(tree: Tree, node: int, branch: Tree) -> Tree:
    """A new tree: `branch`, whose root is the position of `node`, hung under that node; its log follows the old one.

    The position's visits and total are those of both searches. The tree commits to what the branch committed to; where
    that is nothing, to what it had.
    """
    whole, shift, known = deepcopy(tree), len(tree) - 1, tree.sampled
    node = node if tree.same[node] is None else tree.same[node]
    visits, total = tree.visits[node], tree.total[node]

    def move(old: int) -> int:
        return old + shift if old else node

    for name in (field.name for field in fields(Tree) if field.name not in ("events", "meta", "sampled")):
        column = getattr(branch, name)[1:]
        if name in ("parent", "same"):
            column = [entry if entry is None else move(entry) for entry in column]
        getattr(whole, name).extend(column)
    known_equal = [place for place in range(len(tree)) if place == node or tree.same[place] == node]
    equal = [place for place in range(len(whole)) if place == node or whole.same[place] == node]
    for place in equal:
        whole.visits[place], whole.total[place] = visits + branch.visits[0], total + branch.total[0]
    if whole.status[node] in ("pruned", "unfinished"):
        whole.status[node] = "open"
    whole.followed[node] += branch.visits[0]
    whole.tokens[node] += branch.tokens[0]
    whole.sampled += branch.sampled
    for kind, old, count, sum_, sampled in branch.events:
        place = move(old)
        if kind == "stop":
            place = place if old else next((event[1] for event in reversed(tree.events) if event[0] == "stop"), 0)
            whole.log(kind, place)
        elif old or kind != "expand":  # the root of the branch is there already
            count, sum_ = (count + visits, sum_ + total) if place in equal else (count, sum_)
            others = known_equal if kind == "backup" and place == node else [place]
            whole.events += [[kind, other, count, sum_, known + sampled] for other in others]
    whole.meta |= _name_both(tree.meta, branch.meta)
    if branch.meta.get("answer"):
        whole.meta |= {name: branch.meta[name] for name in ("answer", "solved", "outcome") if name in branch.meta}
    return whole


def _name_both(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Strategy, mode and parameters of two searches: what they have in common, names one after the other."""
    named = {}
    for name in ("strategy", "mode"):
        names = [str(meta[name]) for meta in (first, second) if name in meta]
        if names:
            named[name] = ", then ".join(dict.fromkeys(names))
    ours, theirs = (meta.get("parameters") or {} for meta in (first, second))
    same = first.get("strategy") == second.get("strategy")
    return named | {"parameters": {name: ours[name] for name in ours if same and theirs.get(name) == ours[name]}}
