"""Guards user reward functions: an error names the function and the step, and training so far can be kept.

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
    """A reward function raised, or did not return a number or None for each completion."""


def guard(function: Callable[..., list]) -> Callable[..., list]:
    """The function with its failures raised as `RewardError`s that name it, the step and the cause.

    Coroutines and models are returned unchanged.
    """
    name = getattr(function, "__name__", type(function).__name__)
    if isinstance(function, torch.nn.Module) or inspect.iscoroutinefunction(function):
        return function

    @functools.wraps(function)
    def call(**given: Any) -> list:
        step = getattr(given.get("trainer_state"), "global_step", None)
        place = "" if step is None else f" at step {step + 1}"
        try:
            found = list(function(**given))
        except Exception as error:
            reason = condense(str(error).strip() or "without a message")
            raise RewardError(f"reward {name!r} raised {type(error).__name__}{place}: {reason}") from error
        count = len(given["completions"])
        if len(found) != count:
            raise RewardError(f"reward {name!r} must return {count} numbers, one a completion, got "
                              f"{len(found)}{place}")  # fmt: skip
        for value in found:
            if value is not None and not isinstance(value, Real):
                raise RewardError(f"reward {name!r} must return numbers, or None where it does not apply, got "
                                  f"{value!r}{place}")  # fmt: skip
        return found

    return call
