"""Payment: a caller's reward functions, guarded, so that one that fails is named and costs nothing that was learnt.

It does not know what is rewarded, nor what a training does with it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from numbers import Real
from typing import Any

import torch

from game24lab.runs.messages import condense


class RewardError(ValueError):
    """A reward function raised, or returned something else than a number or None for each completion."""


def guard(function: Callable[..., list]) -> Callable[..., list]:
    """The function, whose failures are `RewardError`s that name it, the step and what it did.

    What is no plain function (a coroutine, a model) is left as it is.
    """
    name = getattr(function, "__name__", type(function).__name__)
    if isinstance(function, torch.nn.Module) or inspect.iscoroutinefunction(function):
        return function

    @functools.wraps(function)
    def pay(**given: Any) -> list:
        step = getattr(given.get("trainer_state"), "global_step", None)
        place = "" if step is None else f" at step {step + 1}"
        try:
            found = list(function(**given))
        except Exception as error:
            said = condense(str(error).strip() or "without a word")
            raise RewardError(f"reward {name!r} raised {type(error).__name__}{place}: {said}") from error
        count = len(given["completions"])
        if len(found) != count:
            raise RewardError(f"reward {name!r} returned {len(found)} numbers{place} for {count} completions; one each "
                              "is accepted")  # fmt: skip
        for value in found:
            if value is not None and not isinstance(value, Real):
                raise RewardError(f"reward {name!r} returned {value!r}{place}; a number, or None where it does not "
                                  "apply, is accepted")  # fmt: skip
        return found

    return pay
