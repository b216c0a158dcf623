"""Searches that somebody looks at: what a form says becomes a search, whose tree is shown while it grows.

It does not know a form, a widget, the task's rules or the strategies' names; all are handed in.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from game24lab.search.engine import Algorithm, run
from game24lab.search.modes import open_world
from game24lab.search.requests import Outcome
from game24lab.search.tree import Tree
from game24lab.search.watch import STOPPED, watch
from game24lab.tasks.task import Task
from game24lab.views.tree.branch import graft, search_on
from game24lab.views.tree.reasons import tell_why

# Seconds between two looks at a tree that grows, and how many times as long a search goes on as a look has taken.
_PAUSE, _SHARE = 0.2, 4

Strategies = Mapping[str, tuple[Algorithm, str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Choice:
    """What a form says."""

    problem: str
    strategy: str
    mode: str
    effort: int


@dataclass(frozen=True)
class Searcher:
    """The task, the models and the strategies, `name -> (algorithm, the parameter that sets the effort, others)`."""

    task: Task
    policy: Any
    critic: Any
    strategies: Strategies
    parse: Callable[[str], Any]  # text to problem
    seed: int

    def find_effort(self, strategy: str) -> str:
        """The name of the parameter that says how much a strategy searches, "" for one without."""
        return self.strategies[strategy][1]

    def find_start(self, strategy: str) -> int:
        """The effort that a strategy has by itself, 1 for one without."""
        algorithm, name, parameters = self.strategies[strategy]
        return int(parameters.get(name, inspect.signature(algorithm).parameters[name].default)) if name else 1

    def search(
        self, choice: Choice, draw: Callable[[Tree], None], is_over: Callable[[], bool],
        branch: tuple[Tree, int] | None = None,
    ) -> Outcome:  # fmt: skip
        """Search as chosen, or on from a node of a finished tree, whose problem it then is.

        `draw` gets the tree now and then while it grows; `is_over` is asked before each request, and ends the search.
        All trees know the truth of their positions. ValueError for a problem, a mode or a node that is not taken.
        """
        algorithm, name, others = self.strategies[choice.strategy]
        chosen = branch[0].meta["problem"] if branch else self.parse(choice.problem)
        world = open_world(self.task, choice.mode)
        root, due = world.start(chosen), time.monotonic() + _PAUSE

        def look(tree: Tree) -> bool:
            nonlocal due
            begin = time.monotonic()
            if begin >= due and not is_over():
                tree.meta |= {"strategy": choice.strategy, "mode": choice.mode}
                tree.meta |= {} if branch else {"problem": choice.problem}
                draw((graft(*branch, tree) if branch else tree).annotate(world, root))
                now = time.monotonic()
                due = now + max(_PAUSE, _SHARE * (now - begin))
            return is_over()

        parameters = {**others, **({name: choice.effort} if name else {})}
        settings = {"parameters": parameters, "mode": choice.mode, "seed": self.seed}
        models = watch(algorithm, look), self.policy, self.critic
        if branch:
            outcome = search_on(self.task, chosen, *branch, *models, **settings)
        else:
            (outcome,) = run(self.task, [chosen], *models, **settings)
        outcome.tree.annotate(world, root)
        return outcome

    def tell_why(self, tree: Tree, node: int) -> str:
        """Why a node is dead, or how it is solved; why that cannot be said."""
        try:
            return tell_why(open_world(self.task, tree.meta.get("mode", "")), tree.meta["problem"], tree, node)
        except ValueError as error:
            return str(error)


def describe(outcome: Outcome, seconds: float) -> str:
    """What a search came to, in one line."""
    cost = outcome.cost
    if outcome.solved:
        found = f"Solved: {outcome.answer}"
    elif outcome.candidates:
        right = f"{outcome.correct} of them right" if outcome.correct else "none of them right"
        found = f"Not solved: {outcome.candidates:,} answer{'s' * (outcome.candidates != 1)}, {right}"
    else:
        found = "Not solved: no answer was finished"
    stopped = "Stopped. " if outcome.stopped == STOPPED else ""
    return (f"{stopped}{found} · {outcome.mode} · {cost.sampled_tokens:,} tokens sampled, {cost.critic_calls:,} "
            f"positions valued, {seconds:.1f} s")  # fmt: skip
