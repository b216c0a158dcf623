"""Schedules of learning rates: linear to 0, constant, or warm-up, constant and a cooldown of 1 - sqrt.

With the last one a training of few steps is a branch of one of many: both are equal up to where the shorter one cools
down, so that one trunk serves all budgets (Haegele et al. 2024, arXiv 2405.18392). This module does not know trainers.
"""

from __future__ import annotations

from typing import Any

SCHEDULES = ("linear", "constant", "wsd")


def schedule_arguments(schedule: str, steps: int, warmup: int = 0, cooldown: float = 0.2) -> dict[str, Any]:
    """The `TrainingArguments` of a schedule over so many steps; `warmup` 0: over a fiftieth of them.

    "wsd" cools down over the share `cooldown` of the steps at the end, from `find_cooldown` on. ValueError where
    warm-up and cooldown take more steps than there are.
    """
    rises = warmup or max(1, steps // 50)
    if schedule == "linear":
        return {"lr_scheduler_type": "linear", "warmup_steps": rises}
    if schedule == "constant":
        return {"lr_scheduler_type": "constant_with_warmup", "warmup_steps": rises}
    begin = find_cooldown(steps, cooldown)
    if rises > begin:
        raise ValueError(f"warmup must be at most the {begin} steps before the cooldown, got {rises} of {steps} steps")
    return {"lr_scheduler_type": "warmup_stable_decay", "warmup_steps": rises,
            "lr_scheduler_kwargs": {"num_decay_steps": steps - begin, "decay_type": "1-sqrt"}}  # fmt: skip


def find_cooldown(steps: int, cooldown: float = 0.2) -> int:
    """The step behind which a training of so many steps cools down: where it branches off a longer one."""
    return steps - max(1, round(cooldown * steps))
