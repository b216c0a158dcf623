"""What every trainer shares: precision, held-out evaluation while training, resume points, atomic results.

It does not know what is trained or on what.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    PreTrainedTokenizerBase,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from game24lab.models import save_checkpoint
from game24lab.runs import write_atomically

_CONFIG = "training_config.json"  # beside a checkpoint: how it was trained
STATE_FOLDER = "state"  # where a trainer keeps its resume points, inside its output folder
# What a resume point must hold to be used; the Trainer writes trainer_state.json last
_STATE_FILES = ("trainer_state.json", "optimizer.pt", "scheduler.pt", "model.safetensors")


def _attend_in_float32(module, query, key, value, attention_mask, **kwargs):
    with torch.autocast(query.device.type, enabled=False):
        return sdpa_attention_forward(module, query.float(), key.float(), value.float(), attention_mask, **kwargs)


# On CPUs the backward pass of bf16 attention is far slower than that of float32 on these short sequences, while bf16
# matrix products are faster: attention stays in float32 under autocast.
AttentionInterface.register("sdpa_float32", _attend_in_float32)
AttentionMaskInterface.register("sdpa_float32", sdpa_mask)


def pick_precision(precision: str) -> str:
    """ "bf16" or "fp32": "auto" takes bf16 where the hardware computes in it."""
    if precision != "auto":
        return precision
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "fp32"


def arrange(lengths: Sequence[int], batch_size: int, steps: int, seed: int, *, group: int = 8) -> list[int]:
    """The order in which samples are seen: `steps` batches of about equal lengths, the batches themselves shuffled.

    Every pass goes through all samples once, in a new order. Samples are sorted by length only within `group` batches,
    and batches of all lengths alternate: transformers' `group_by_length` sorts fifty batches and leaves them sorted, so
    that a model sees long texts for a while, then short ones (LOG.md: 23 % greedy accuracy instead of 40 %).
    """
    rng, stream, order = random.Random(f"order {seed}"), [], []
    while len(stream) < steps * batch_size:
        stream += rng.sample(range(len(lengths)), len(lengths))
    for begin in range(0, steps * batch_size, group * batch_size):
        part = stream[begin : min(begin + group * batch_size, steps * batch_size)]
        part.sort(key=lengths.__getitem__)
        batches = [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
        rng.shuffle(batches)
        order += [index for batch in batches for index in batch]
    return order


class Progress(ProgressCallback):
    """One bar with the loss behind it, instead of a line a log entry."""

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if state.is_world_process_zero and self.training_bar is not None:
            shown = {name: f"{logs[name]:.3f}" for name in ("loss", "accuracy", "error") if name in (logs or {})}
            self._shown = getattr(self, "_shown", {}) | shown
            self.training_bar.set_postfix(self._shown)


def find_resume_point(output: Path) -> Path | None:
    """The newest whole resume point under `output`; one that a kill cut short is passed over."""
    points = sorted((output / STATE_FOLDER).glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
    return next((point for point in reversed(points) if _is_whole(point)), None)


def _is_whole(point: Path) -> bool:
    if not all((point / name).exists() for name in _STATE_FILES):
        return False
    try:
        return "global_step" in json.loads((point / "trainer_state.json").read_text())
    except json.JSONDecodeError:
        return False


def replace_folder(temporary: Path, folder: Path) -> None:
    """Put a finished folder in its place; a reader sees the old one or the new one, never half of either."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(temporary, folder)
    shutil.rmtree(old, ignore_errors=True)


class HeldOut(TrainerCallback):
    """Calls `evaluate(model)` every so many steps and at the end, and logs what it returns with the step."""

    def __init__(self, evaluate: Callable[[Any], Mapping[str, float]], every: int) -> None:
        self.evaluate, self.every, self.trainer = evaluate, every, None

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        last = state.global_step == state.max_steps
        if last or (self.every and state.global_step % self.every == 0):
            was_training = model.training
            model.eval()
            due = control.should_log  # logging out of turn must not swallow the loss that is due at this step
            self.trainer.log(dict(self.evaluate(model)))
            control.should_log = due
            model.train(was_training)


def read_curve(state: TrainerState) -> pd.DataFrame:
    """The log of a training run as a table: one row a step at which something was logged."""
    rows = pd.DataFrame(state.log_history)
    if rows.empty:
        return rows
    drop = [column for column in rows if column.startswith(("train_", "total_flos"))]
    return rows.drop(columns=drop).groupby("step", as_index=False).first()


def common_arguments(
    output: Path, steps: int, batch_size: int, seed: int, bf16: bool, *, save_every: int
) -> dict[str, Any]:
    """The `TrainingArguments` that all trainers share; the caller's own and the user's `trainer_args` go on top."""
    return {
        "output_dir": str(output / STATE_FOLDER),
        "max_steps": steps,
        "per_device_train_batch_size": batch_size,
        "lr_scheduler_type": "linear",
        "warmup_steps": max(1, steps // 50),
        "bf16": bf16,
        "use_cpu": not torch.cuda.is_available(),
        "max_grad_norm": 1.0,
        "logging_steps": max(1, steps // 200),
        "save_steps": save_every,
        "save_total_limit": 2,
        "train_sampling_strategy": "sequential",  # see arrange
        "remove_unused_columns": False,
        "report_to": "none",
        "seed": seed,
        "data_seed": seed,
    }


def keep_memory() -> None:
    """Let glibc keep the memory of freed tensors: given back and fetched anew at every step, it costs time."""
    with contextlib.suppress(OSError, AttributeError):  # another C library: nothing to tell it
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        for option, value in ((-3, 2**30), (-1, 2**31 - 1)):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
            mallopt(option, value)


def start(trainer: Trainer, output: Path) -> None:
    """Train to the end, from the newest resume point where there is one, with one quiet progress bar."""
    keep_memory()
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(Progress())
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, HeldOut):
            callback.trainer = trainer
    trainer.train(resume_from_checkpoint=find_resume_point(output))


def find_finished(output: Path, config: Any) -> Path | None:
    """The checkpoint that training with an equal configuration has left in `output`, None where there is none."""
    try:
        same = json.loads((output / "checkpoint" / _CONFIG).read_text()) == _to_plain(config)
    except (OSError, json.JSONDecodeError):
        return None
    return output / "checkpoint" if same else None


def _to_plain(config: Any) -> Any:
    return json.loads(json.dumps(asdict(config), default=str))


def finish(trainer: Trainer, tokenizer: PreTrainedTokenizerBase, output: Path, config: Any) -> Path:
    """Write curve (`training.parquet`) and checkpoint atomically, drop the resume points, return the checkpoint."""
    write_atomically(output / "training.parquet", read_curve(trainer.state).to_parquet)
    temporary = output / ".checkpoint.part"
    save_checkpoint(trainer.accelerator.unwrap_model(trainer.model), tokenizer, temporary)
    (temporary / _CONFIG).write_text(json.dumps(_to_plain(config), indent=1) + "\n")
    replace_folder(temporary, output / "checkpoint")
    shutil.rmtree(output / STATE_FOLDER, ignore_errors=True)
    return output / "checkpoint"
