"""Why a position of a tree is dead, and since which line; or how it is solved: the exact solver's word, in sentences.

It does not know a task's rules, or how a tree is drawn.
"""

from __future__ import annotations

from typing import Any

from game24lab.search.tree import Tree
from game24lab.tasks.task import Task
from game24lab.views.tree.branch import find_state


def can_explain(task: Task) -> bool:
    """Whether a task gives reasons: it has `explain(state)`, a sentence without its full stop."""
    return hasattr(task, "explain")


def tell_why(task: Any, problem: Any, tree: Tree, node: int) -> str:
    """What `task.explain` says of a node; of a dead one also the line that lost it, and what could be done before.

    ValueError for a node that is not there, or whose lines the task does not take.
    """
    if type(node) is not int or not 0 <= node < len(tree):
        raise ValueError(f"node must be an integer from 0 to {len(tree) - 1}, got {node!r}")
    path = tree.path(node)
    states = [find_state(task, problem, tree, passed) for passed in path]
    lost = next((step for step, state in enumerate(states) if task.truth(state) is False), None)
    told = f"{task.explain(states[-1])}."
    if lost is None:
        return told
    if lost == 0:
        return f"{told} The problem has no solution: {task.explain(states[0])}." if len(path) > 1 else told
    said, before = tree.line[path[lost]].strip(), task.explain(states[lost - 1])
    lesson = f"The line of step {lost}, {said}, lost it: before it, {before}."
    return f"{told} {lesson}" if lost == len(path) - 1 else f"{lesson} Now {told}"
