"""Branches of a training: resume points of a trunk that are kept, and trainings that begin at one.

Weights, both optimisers' states, random numbers and the place in the data are the trunk's: a branch is what the trunk
would have been with another schedule from there on. It does not know what is trained, nor which schedules there are.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from game24lab.training.loop import STATE_FOLDER, find_resume_point
from game24lab.training.saving import replace_folder

POINTS = "points"  # the folder of kept resume points, by step


class KeepPoints(TrainerCallback):
    """Keeps the resume points of some steps in `<output>/points/<step>`, for good."""

    def __init__(self, steps: Collection[int], output: Path) -> None:
        self.steps, self.output = frozenset(steps), output

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        if state.global_step in self.steps:
            control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object) -> None:
        step = state.global_step
        point = self.output / STATE_FOLDER / f"checkpoint-{step}"
        if step in self.steps and state.is_world_process_zero and point.is_dir():  # it is not where a disk is full
            temporary = self.output / POINTS / f".{step}.part"
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.copytree(point, temporary)
            replace_folder(temporary, find_point(self.output, step))


def find_point(output: Path | str, step: int) -> Path:
    """Where a trunk in `output` keeps the resume point of a step."""
    return Path(output) / POINTS / str(step)


def branch_off(point: Path, output: Path) -> None:
    """Let a training in `output` begin at a kept resume point; one that has begun or finished is left alone.

    FileNotFoundError where there is no such point.
    """
    if (output / "checkpoint").is_dir() or find_resume_point(output) is not None:
        return
    if not point.is_dir():
        raise FileNotFoundError(2, "no resume point of a trunk is kept here", str(point))
    state = output / STATE_FOLDER
    state.mkdir(parents=True, exist_ok=True)
    temporary = state / ".branch.part"
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(point, temporary)
    replace_folder(temporary, state / f"checkpoint-{point.name}")
