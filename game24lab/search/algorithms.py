"""Search algorithms as functions: their parameters by name, a search of one problem begun, and what can be checked so.

It does not know who answers their requests.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Generator, Mapping
from typing import Any

from game24lab.runs.checks import suggest
from game24lab.search.modes import open_world, read_mode
from game24lab.search.requests import Outcome, Request
from game24lab.tasks.task import Task

Algorithm = Callable[..., Generator[Request, list, Outcome]]
_PROVIDED = ("verified", "merge", "rng")  # keywords that an algorithm is given where it takes them


def bind(algorithm: Algorithm, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The algorithm's keyword parameters with its defaults filled in; ValueError for a name it does not have."""
    known = {name: parameter for name, parameter in inspect.signature(algorithm).parameters.items()
             if parameter.kind is parameter.KEYWORD_ONLY and name not in _PROVIDED}  # fmt: skip
    for name in parameters:
        if name not in known:
            raise ValueError(f"{algorithm.__name__} has no parameter {name!r}; it takes {', '.join(known)}"
                             f"{suggest(name, known)}")  # fmt: skip
    bound = {name: parameters.get(name, parameter.default) for name, parameter in known.items()}
    for name, value in bound.items():
        if value is inspect.Parameter.empty:
            raise ValueError(f"{algorithm.__name__} needs a value for {name!r}")
    if bound.get("sampling") == "with":  # the only way before it had a name: records from then stay as they are
        del bound["sampling"]
    return bound


def check_start(task: Task, problem: Any, algorithm: Algorithm, parameters: Mapping[str, Any], mode: str) -> None:
    """Begin a search up to its first request, without any model.

    ValueError as `engine.run` raises it, for what can be known by then of problem, mode and values of parameters.
    """
    task, arguments = open_world(task, read_mode(mode)), bind(algorithm, parameters)
    search = open_search(algorithm, task, task.start(problem), arguments, mode, True, random.Random(0))
    next(search, None)
    search.close()


def open_search(
    algorithm: Algorithm, task: Task, root: Any, arguments: Mapping[str, Any], mode: str, merge: bool,
    rng: random.Random,
) -> Generator[Request, list, Outcome]:  # fmt: skip
    """The generator of one search, with the keywords that it takes besides its parameters."""
    given = {"verified": mode == "verified", "merge": merge, "rng": rng}
    wanted = inspect.signature(algorithm).parameters
    given = {name: value for name, value in given.items() if name in wanted}
    return algorithm(task, root, **arguments, **given)
