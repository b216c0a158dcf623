"""Resume points: when one is due, and how it is written and read so that a kill or a full disk costs little.

A point is written beside its place and put there whole. It holds what has not been logged yet, so that a resumed
training logs what an uninterrupted one does. It does not know what is trained.
"""

from __future__ import annotations

import os
import pickle
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from safetensors import SafetensorError
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import rotate_checkpoints

SECONDS = 20.0  # between resume points where writing one costs next to nothing
_SHARE = 0.02  # of the time that writing them may take
_PACE = 2e8  # bytes a second that the first one is taken to be written at
_PART = ".part"  # where a point is written before it has its place
_UNLOGGED = "unlogged"  # its place in the trainer's state


class Resumable:
    """For trainers, before transformers' own in the order of bases: resume points that are whole, or not there."""

    saving_seconds = 0.0  # that the last resume point took
    _saves, _saving_failed = False, False

    def _get_output_dir(self, trial: Any = None) -> str:
        folder = super()._get_output_dir(trial)
        return str(Path(folder) / _PART) if self._saves else folder

    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        """Write a resume point of this step and drop all but the newest two.

        Where it cannot be written, as on a full disk, one line says so and training goes on: the last good one stays.
        """
        state = Path(self.args.output_dir)
        point = state / f"checkpoint-{self.state.global_step}"
        self.state.stateful_callbacks[_UNLOGGED] = self._list_unlogged()
        begin, self._saves = time.monotonic(), True
        try:
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                replace_folder(state / _PART / point.name, point)
                rotate_checkpoints(str(state), self.args.save_total_limit, use_mtime=True)
            self._saving_failed = False
        except (OSError, RuntimeError, SafetensorError) as error:
            if self.args.world_size > 1 or not _is_of_writing(error):  # the others would wait for this one for ever
                raise
            if not self._saving_failed:
                _say(f"game24lab: resume point {point.name} cannot be written in {state} ({explain(error)}); training "
                     "goes on, the last good one stays")  # fmt: skip
            self._saving_failed = True
        finally:
            self._saves = False
            if self.args.should_save:
                shutil.rmtree(state / _PART, ignore_errors=True)
            self.saving_seconds = time.monotonic() - begin

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        try:
            super()._load_optimizer_and_scheduler(checkpoint)
        except (ValueError, KeyError, EOFError, OSError, RuntimeError, pickle.UnpicklingError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"{checkpoint}: the resume point cannot be read ({type(error).__name__}: {reason}); "
                             f"delete {Path(checkpoint).parent} to begin anew") from error  # fmt: skip

    def _list_unlogged(self) -> dict[str, Any]:
        """The losses and metrics since the last log entry. Of several processes each has its own: none is kept."""
        if self.args.world_size > 1:
            return {}
        metrics = getattr(self, "_metrics", {}).get("train", {})
        metrics = {name: [_to_number(value) for value in values] for name, values in metrics.items()}
        return {"loss": self._tr_loss.item(), "step": self._globalstep_last_logged, "metrics": metrics,
                "tokens": getattr(self, "_total_train_tokens", 0)}  # fmt: skip

    def take_up(self) -> None:
        """Go on with what the resume point had not logged, once training has begun from it."""
        kept = self.state.stateful_callbacks.get(_UNLOGGED)
        if not kept:
            return
        self._tr_loss = torch.tensor(kept["loss"], device=self._tr_loss.device)
        self._globalstep_last_logged = kept["step"]
        if hasattr(self, "_total_train_tokens"):  # TRL begins to count again at 0
            self._total_train_tokens = kept["tokens"]
        if hasattr(self, "_metrics"):
            self._metrics["train"].update({name: list(values) for name, values in kept["metrics"].items()})


class SaveByTime(TrainerCallback):
    """Asks for a resume point every `SECONDS`, seldomer where writing one takes longer than its share of the time.

    Besides, a trainer saves where its arguments say so. Of several processes the first decides.
    """

    def __init__(self, trainer: Resumable) -> None:
        self.trainer, self._last, self._cost = trainer, 0.0, 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        self.trainer.take_up()
        # weights, and two numbers of the optimiser for each that is trained
        size = sum(p.numel() * p.element_size() * (3 if p.requires_grad else 1) for p in model.parameters())
        self._last, self._cost = time.monotonic(), size / _PACE

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if args.save_strategy == "no":
            return
        due = [time.monotonic() - self._last >= max(SECONDS, self._cost / _SHARE)]
        if args.world_size > 1:
            broadcast_object_list(due)
        # what has been sampled for several steps of GRPO is not kept: a point within them would sample anew
        if due[0] and state.global_step % getattr(args, "num_iterations", 1) == 0:
            control.should_save = True
        if control.should_save and args.world_size > 1:
            control.should_log = True  # each has losses of its own, and none is kept

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._last, self._cost = time.monotonic(), self.trainer.saving_seconds


def replace_folder(temporary: Path, folder: Path) -> None:
    """Put a finished folder in its place; a reader sees the old one or the new one, never half of either."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(temporary, folder)
    shutil.rmtree(old, ignore_errors=True)


def explain(error: Exception) -> str:
    """Why something could not be written, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:160] or type(error).__name__


def _is_of_writing(error: Exception) -> bool:
    """Torch and safetensors say by types of their own that a file could not be written."""
    return isinstance(error, OSError | SafetensorError) or "PytorchStreamWriter" in str(error)


def _to_number(value: Any) -> float | int:
    return value.item() if hasattr(value, "item") else value


def _say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)
    sys.stderr.flush()
