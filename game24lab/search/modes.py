"""The three ways to search, one word each: what helps the models, and who ends the search.

It does not know how a search works, nor what a task's rules are.
"""

from __future__ import annotations

from typing import Any

from game24lab.runs.checks import require_one_of
from game24lab.runs.former_names import say_once
from game24lab.tasks.task import Task

HELP = {
    "blind": "the models alone: lines are taken as sampled, and judged after the search has committed",
    "rules": "moves are checked and positions computed by the task; policy and critic choose the answer",
    "verified": "as rules, and the exact verifier ends the search at the first right answer",
}
MODES = tuple(HELP)
FORMER = {"unverified": "rules"}  # the name until November 2026, in parameter files and records


def read_mode(name: str) -> str:
    """The mode of a name; `unverified`, as older files have it, is `rules`, which is said once.

    ValueError for any other name.
    """
    if name in FORMER:
        say_once(f"mode {name!r} is called {FORMER[name]!r} now: the rules were known in it (a search by the models "
                 "alone is 'blind')")  # fmt: skip
        return FORMER[name]
    require_one_of("mode", name, MODES)
    return name


def open_world(task: Task, mode: str, critic: Any = None) -> Task:
    """The task as a search of a mode sees it: at the model's word where it is blind (`task.believe()`).

    ValueError, where it is blind, for a task that has no such reading and for a critic that cannot see a false step. A
    task that is its own reading, such as word problems, shows every critic all that was said.
    """
    if mode != "blind":
        return task
    if not hasattr(task, "believe"):
        raise ValueError(f"mode must be rules or verified for the task {task.name!r}, got 'blind': the task has no "
                         "`believe`, which takes lines as they were said")  # fmt: skip
    world = task.believe()
    if world is not task and getattr(critic, "reads", "chains") == "positions":
        raise ValueError(f"critic {critic.name!r} was trained on positions alone and cannot see a false step: a blind "
                         "search needs one that reads whole chains (04_critic with chains=True)")  # fmt: skip
    return world


def find_unverified(task: Task) -> str:
    """How arms that hear of no verifier play a task: "blind" where a text is taken as it is, else "rules"."""
    return "blind" if task.believe() is task else "rules"
