"""The training loop that all trainers share: processes, order of data, held-out evaluation, resume points, NaN stops.

Several processes (`torchrun`, `accelerate launch`) share each batch; the first one alone evaluates. This module does
not know what is trained or on what, nor who started the processes.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from accelerate.utils import broadcast_object_list
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    PreTrainedModel,
    ProgressCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

STATE_FOLDER = "state"  # where a trainer keeps its resume points, inside its output folder
# What a resume point must hold to be used, besides weights; the Trainer writes trainer_state.json last
_STATE_FILES = ("trainer_state.json", "scheduler.pt")
_OPTIMIZER_FILES = ("optimizer.pt", "optimizer.bin", "latest")  # one of them: of whole weights, FSDP, DeepSpeed
_TIMEOUT = 24 * 3600  # seconds that processes wait for the first one, which evaluates alone


def _attend_in_float32(module, query, key, value, attention_mask, **kwargs):
    with torch.autocast(query.device.type, enabled=False):
        return sdpa_attention_forward(module, query.float(), key.float(), value.float(), attention_mask, **kwargs)


# On CPUs the backward pass of bf16 attention is far slower than that of float32 on these short sequences, while bf16
# matrix products are faster: attention stays in float32 under autocast.
AttentionInterface.register("sdpa_float32", _attend_in_float32)
AttentionMaskInterface.register("sdpa_float32", sdpa_mask)


def make_ready(model: PreTrainedModel, *, bf16: bool) -> None:
    """For training: no cache of keys and values, and attention in float32 where a CPU trains in bf16."""
    model.config.use_cache = False
    if bf16 and not torch.cuda.is_available():
        model.set_attn_implementation("sdpa_float32")


def arrange(lengths: Sequence[int], batch_size: int, steps: int, seed: int, *, group: int = 8) -> list[int]:
    """The order of the samples: `steps` batches of about equal lengths, the batches themselves shuffled.

    Every pass goes through all samples once, in a new order. Samples are sorted by length only within `group` batches,
    and batches of all lengths alternate: transformers' `group_by_length` sorts fifty batches and leaves them sorted, so
    that long texts come in a row, then short ones (LOG.md: 23 % greedy accuracy instead of 40 %).
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


def pack(lengths: Sequence[int], batch_tokens: int, batches: int, seed: int, *, group: int = 32) -> list[list[int]]:
    """Batches of any number of samples of about equal lengths, at most `batch_tokens` tokens each, padding counted.

    As `arrange`, for lengths that differ by more than a few times: every batch costs about the same, and hardly any of
    it is padding. A sample longer than `batch_tokens` is a batch of its own.
    """
    rng, stream, found = random.Random(f"order {seed}"), [], []
    count = max(1, group * batch_tokens * len(lengths) // sum(lengths))  # samples that are sorted together
    while len(found) < batches:
        while len(stream) < count:
            stream += rng.sample(range(len(lengths)), len(lengths))
        part, stream = sorted(stream[:count], key=lengths.__getitem__), stream[count:]
        packs = [[]]
        for index in part:
            if packs[-1] and (len(packs[-1]) + 1) * lengths[index] > batch_tokens:
                packs.append([])
            packs[-1].append(index)
        rng.shuffle(packs)
        found += packs
    return found[:batches]


class Progress(ProgressCallback):
    """One progress bar with the loss, instead of a line for each log entry; within another bar it goes when it ends."""

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        super().on_train_begin(args, state, control, **kwargs)
        if self.training_bar is not None:
            self.training_bar.set_description("training")
            self.training_bar.leave = self.training_bar.pos == 0  # the first place is the outermost bar's

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if state.is_world_process_zero and self.training_bar is not None:
            names = {"loss", "reward", "accuracy", "error"}.intersection(logs or {})
            shown = {name: f"{logs[name]:.3f}" for name in sorted(names, reverse=True)}
            self._shown = getattr(self, "_shown", {}) | shown
            self.training_bar.set_postfix(self._shown)


def count_processes() -> int:
    """Processes that train together, each with its share of a batch: 1 unless a launcher has started several."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def is_sharded() -> bool:
    """Whether a launcher asked that processes share the weights too (FSDP), of which each then holds a part."""
    return find_plugin() == "FSDP"


def find_plugin() -> str:
    """What a launcher asked processes to train by besides sharing batches: "FSDP", "DEEPSPEED", or ""."""
    asked = [name for name in ("FSDP", "DEEPSPEED") if os.environ.get(f"ACCELERATE_USE_{name}") == "true"]
    return asked[0] if asked and count_processes() > 1 else ""


def refuse_shards(what: str, why: str) -> None:
    """ValueError where processes share the weights, for a training that needs whole ones."""
    if is_sharded():
        raise ValueError(f"{what} must hold whole weights in every process, {why}: take DDP "
                         "(params/accelerate/ddp.yaml), got FSDP")  # fmt: skip


def leave() -> None:
    """Destroy the process group, where there is one: the last call of a process that trains with others."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def find_resume_point(output: Path, before: float = math.inf) -> Path | None:
    """The newest whole resume point under `output` of a step below `before`; incomplete ones are skipped."""
    points = {int(point.name.split("-")[1]): point for point in (output / STATE_FOLDER).glob("checkpoint-*")}
    return next((points[step] for step in sorted(points, reverse=True) if step < before and _is_whole(points[step])),
                None)  # fmt: skip


def _is_whole(point: Path) -> bool:
    if not all((point / name).exists() for name in _STATE_FILES) or not any(point.glob("*.safetensors")):
        return False
    if not any((point / name).exists() for name in _OPTIMIZER_FILES):
        return False
    try:
        return "global_step" in json.loads((point / "trainer_state.json").read_text())
    except (ValueError, RecursionError):
        return False


class StopAtNaN(TrainerCallback):
    """Raises FloatingPointError before NaN or infinity reaches the weights, and names the last good resume point.

    Gradients that are not finite are never applied, and weights that are not finite never saved. A resume point whose
    next step fails is not good: it is deleted, and the one before it is named.
    """

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        if not args.fp16:  # there the loss scaler skips such steps itself
            self.check([p.grad for p in model.parameters() if p.grad is not None], args, state, state.global_step + 1)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        if control.should_save:
            self.check([p.detach() for p in model.parameters() if p.requires_grad], args, state, state.global_step)

    def check(self, tensors: list[torch.Tensor], args: TrainingArguments, state: TrainerState, step: int) -> None:
        """FloatingPointError unless all numbers are finite."""
        if torch.isfinite(torch.nn.utils.get_total_norm(tensors)):
            return
        folder = Path(args.output_dir)
        good = find_resume_point(folder.parent, before=state.global_step)
        if state.is_world_process_zero:
            shutil.rmtree(folder / f"checkpoint-{state.global_step}", ignore_errors=True)
        kept = f"the last good checkpoint is kept, {good}" if good else "there is no checkpoint from before it"
        raise FloatingPointError(f"loss or gradient is NaN or infinite at step {step}: training stopped, {kept}; "
                                 "a lower learning rate is the first thing to try")  # fmt: skip


class HeldOut(TrainerCallback):
    """Calls `evaluate(model)` every `every` steps and at the end, and logs the result with the step.

    Of several processes the first evaluates, and all log its numbers.
    """

    trainer: Any = None  # told when there is one

    def __init__(self, evaluate: Callable[[Any], Mapping[str, float]], every: int) -> None:
        self.evaluate, self.every = evaluate, every

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        last = state.global_step == state.max_steps
        if last or (self.every and state.global_step % self.every == 0):
            was_training = model.training
            model.eval()
            numbers = [dict(self.evaluate(model))] if state.is_world_process_zero else [None]
            broadcast_object_list(numbers)
            due = control.should_log  # this extra log entry must not replace the loss that is due at this step
            self.trainer.log(numbers[0])
            control.should_log = due
            model.train(was_training)


def read_curve(state: TrainerState) -> pd.DataFrame:
    """The log of a training run as a table: one row a step at which something was logged."""
    rows = pd.DataFrame(state.log_history)
    if rows.empty:
        return rows
    keep = sorted(column for column in rows if not column.startswith(("train_", "total_flos")))
    return rows[keep].groupby("step", as_index=False).first()  # a resumed run may have its columns in another order


def common_arguments(
    output: Path, steps: int, batch_size: int, seed: int, bf16: bool, *, save_every: int, accumulation: int = 1
) -> dict[str, Any]:
    """The `TrainingArguments` that all trainers share; the caller's own and the user's `trainer_args` go on top.

    `accumulation` forward and backward passes make a step. ValueError where the processes cannot share a batch of that
    size, or not in so many passes.
    """
    processes = count_processes()
    if batch_size % processes:
        raise ValueError(f"batch_size must be a multiple of the {processes} processes, got {batch_size}")
    if batch_size % (processes * accumulation):
        shared = f" of {processes} processes" if processes > 1 else ""
        raise ValueError(f"batch_size must be a multiple of the {accumulation} accumulation_steps{shared}, got "
                         f"{batch_size}")  # fmt: skip
    return {
        "output_dir": str(output / STATE_FOLDER),
        "max_steps": steps,
        "per_device_train_batch_size": batch_size // (processes * accumulation),
        "gradient_accumulation_steps": accumulation,
        "ddp_find_unused_parameters": False,
        "ddp_timeout": _TIMEOUT,
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
