"""Callbacks of a training: held-out accuracy, early stopping, kept checkpoints, a live curve.

It does not know what is trained, how accuracy is measured, or how a curve is drawn.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from transformers import TrainerCallback, TrainerControl, TrainerState

from game24lab.models.checkpoints import load_checkpoint, save_checkpoint
from game24lab.runs.run import write_atomically
from game24lab.training.loop import STATE_FOLDER, HeldOut, read_curve
from game24lab.training.lora import go_back, merge_copy
from game24lab.training.saving import replace_folder

_SHARE = 20  # times as long as drawing takes, the training goes on before it is drawn again


class Watch(HeldOut):
    """Held-out accuracy from before the first step on; with patience, early stopping with the best weights."""

    def __init__(self, evaluate: Callable[[Any], Mapping[str, float]], every: int, patience: int, output: Path) -> None:
        super().__init__(evaluate, every)
        self.patience, self.output = patience, output

    def on_train_begin(
        self, args: Any, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        if state.global_step == 0:
            self.on_step_end(args, state, control, model=model, **kwargs)

    def on_step_end(
        self, args: Any, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        before = len(state.log_history)
        super().on_step_end(args, state, control, model=model, **kwargs)
        if not self.patience or len(state.log_history) == before:
            return
        accuracy, memory = state.log_history[-1].get("accuracy"), self._recall(state)
        if accuracy is None:
            raise ValueError(f"evaluation must return 'accuracy' for patience {self.patience}, got none")
        if memory["best"] is None or accuracy > memory["best"]["accuracy"]:
            memory.update(best={"step": state.global_step, "accuracy": accuracy}, stale=0)
            if state.is_world_process_zero:
                temporary = self.output / STATE_FOLDER / ".best.part"
                kept = merge_copy(self.trainer.accelerator.unwrap_model(model))
                save_checkpoint(kept, self.trainer.processing_class, temporary)
                replace_folder(temporary, self.find_best(state.global_step))
                self._prune()
        else:
            memory["stale"] += 1
            control.should_training_stop = control.should_training_stop or memory["stale"] >= self.patience

    def find_best(self, step: int) -> Path:
        """The folder with the weights of an evaluated step, during training."""
        return self.output / STATE_FOLDER / f"best-{step}"

    def _prune(self) -> None:
        """Keep the last two: a run killed before the next resume point needs the older one."""
        found = sorted((self.output / STATE_FOLDER).glob("best-*"), key=lambda path: int(path.name.split("-")[1]))
        for path in found[:-2]:
            shutil.rmtree(path, ignore_errors=True)

    def on_train_end(
        self, args: Any, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        best = self._recall(state)["best"]
        if self.patience and best is not None and best["step"] != state.global_step:
            self.trainer.accelerator.wait_for_everyone()
            go_back(model, load_checkpoint(self.find_best(best["step"]))[0].state_dict())

    @staticmethod
    def _recall(state: TrainerState) -> dict[str, Any]:
        """The best evaluation and the number since, in the trainer's state, which every resume point saves."""
        return state.stateful_callbacks.setdefault("watch", {"best": None, "stale": 0})


class Keep(TrainerCallback):
    """Keeps a checkpoint every `every` steps in `<output>/steps/<step>`, and writes samples beside it."""

    trainer: Any = None  # told when there is one

    def __init__(self, every: int, output: Path) -> None:
        self.every, self.folder = every, output / "steps"

    def is_due(self, step: int) -> bool:
        """Whether weights and samples of this step are kept."""
        return step % self.every == 0

    def on_step_end(
        self, args: Any, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        step = state.global_step
        if self.is_due(step) and state.is_world_process_zero:
            temporary = self.folder / f".{step}.part"
            kept = merge_copy(self.trainer.accelerator.unwrap_model(model))
            save_checkpoint(kept, self.trainer.processing_class, temporary)
            replace_folder(temporary, self.folder / str(step))

    def write_samples(self, step: int, rank: int, rows: pd.DataFrame) -> None:
        """Write the samples of a step as `samples-<step>.parquet`, with the rank in the name for ranks above 0."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"samples-{step}.parquet" if not rank else f"samples-{step}-{rank}.parquet"
        write_atomically(self.folder / name, lambda temporary: rows.to_parquet(temporary, index=False))


class Show(TrainerCallback):
    """Calls a function with the curve so far, in the first process: again when 20 times as long has passed as the call
    took, after one second at the least and `seconds` at the most."""

    def __init__(self, show: Callable[[pd.DataFrame], None], seconds: float = 5.0) -> None:
        self.show, self.seconds, self._next = show, seconds, 0.0

    def on_log(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        begin = time.monotonic()
        if state.is_world_process_zero and begin >= self._next:
            log = read_curve(state)
            if {"loss", "reward"} & set(log):  # an evaluation alone is no curve
                self.show(log)
                end = time.monotonic()
                self._next = end + min(self.seconds, max(1.0, _SHARE * (end - begin)))
