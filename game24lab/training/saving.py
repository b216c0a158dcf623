"""Resume points: when one is due, and how it is written and read, safe against kills and full disks.

A point is written to a temporary folder and renamed. It holds what has not been logged yet, so that a resumed training
logs the same as an uninterrupted one. It does not know what is trained.
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

SECONDS = 20.0  # between resume points, where writing is cheap
_SHARE = 0.02  # of the training time that writing them may take
_PACE = 2e8  # bytes a second, assumed for the first one
_PART = ".part"  # temporary folder of a point
_UNLOGGED = "unlogged"  # its place in the trainer's state


class Resumable:
    """Mixin for trainers, first among the bases: resume points that are complete or absent."""

    saving_seconds = 0.0  # of writing the last resume point
    _saves, _saving_failed = False, False

    def _get_output_dir(self, trial: Any = None) -> str:
        folder = super()._get_output_dir(trial)
        return str(Path(folder) / _PART) if self._saves else folder

    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        """Write a resume point of this step and drop all but the newest two.

        If it cannot be written, as on a full disk, one line says so, training goes on and the last good one stays.
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
            if self.args.world_size > 1 or not _is_of_writing(error):  # the other processes would wait for ever
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
        """Losses and metrics since the last log entry; {} with several processes, of which each has its own."""
        if self.args.world_size > 1:
            return {}
        metrics = getattr(self, "_metrics", {}).get("train", {})
        metrics = {name: [_to_number(value) for value in values] for name, values in metrics.items()}
        return {"loss": self._tr_loss.item(), "step": self._globalstep_last_logged, "metrics": metrics,
                "tokens": getattr(self, "_total_train_tokens", 0)}  # fmt: skip

    def take_up(self) -> None:
        """Restore what the resume point had not logged yet."""
        kept = self.state.stateful_callbacks.get(_UNLOGGED)
        if not kept:
            return
        self._tr_loss = torch.tensor(kept["loss"], device=self._tr_loss.device)
        self._globalstep_last_logged = kept["step"]
        if hasattr(self, "_total_train_tokens"):  # TRL restarts its count at 0
            self._total_train_tokens = kept["tokens"]
        if hasattr(self, "_metrics"):
            self._metrics["train"].update({name: list(values) for name, values in kept["metrics"].items()})


class SaveByTime(TrainerCallback):
    """Asks for a resume point every `SECONDS`, less often where writing one takes more than its share of the time.

    A trainer also saves at the steps that its arguments name. With several processes the first decides.
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
        # samples for several steps of GRPO are not saved: a point between these steps would sample again
        if due[0] and state.global_step % getattr(args, "num_iterations", 1) == 0:
            control.should_save = True
        if control.should_save and args.world_size > 1:
            control.should_log = True  # unlogged losses are not saved then

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._last, self._cost = time.monotonic(), self.trainer.saving_seconds


def replace_folder(temporary: Path, folder: Path) -> None:
    """Replace a folder by a finished one; readers see either the old or the new one."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(temporary, folder)
    shutil.rmtree(old, ignore_errors=True)


def explain(error: Exception) -> str:
    """The reason of a write error, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:160] or type(error).__name__


def _is_of_writing(error: Exception) -> bool:
    """Whether an error is of writing a file; torch and safetensors have types of their own for it."""
    return isinstance(error, OSError | SafetensorError) or "PytorchStreamWriter" in str(error)


def _to_number(value: Any) -> float | int:
    return value.item() if hasattr(value, "item") else value


def _say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)
    sys.stderr.flush()
