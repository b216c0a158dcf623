"""Stock GRPO: TRL's trainer as it comes, to measure ours against. Nothing but the benchmarks uses it.

What it is spared: activation checkpointing, and writing anything. It knows no tasks.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, ProgressCallback, TrainerCallback
from trl import GRPOConfig as TRLConfig
from trl import GRPOTrainer

from game24lab.models import load_checkpoint


def make_stock_grpo(
    checkpoint: str | Path, rows: Mapping[str, Sequence], rewards: tuple[Sequence, Sequence[float]], output: Path, *,
    group: int, mini_batch: int, max_tokens: int, bf16: bool, seed: int = 0,
) -> GRPOTrainer:  # fmt: skip
    """A trainer of one step over all rows (`prompt` and the columns that rewards read)."""
    model, tokenizer = load_checkpoint(checkpoint)
    parts = len(rows["prompt"]) * group // mini_batch
    arguments = TRLConfig(
        output_dir=str(output), max_steps=1, per_device_train_batch_size=mini_batch, steps_per_generation=parts,
        gradient_accumulation_steps=parts, num_generations=group, max_completion_length=max_tokens, bf16=bf16,
        reward_weights=list(rewards[1]), use_cpu=not torch.cuda.is_available(), activation_checkpointing=False,
        remove_unused_columns=False, report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True,
        seed=seed,
    )  # fmt: skip
    return GRPOTrainer(
        model=model, reward_funcs=list(rewards[0]), args=arguments, train_dataset=Dataset.from_dict(dict(rows)),
        processing_class=tokenizer,
    )  # fmt: skip


class _Clock(TrainerCallback):
    """From the beginning of the first step to its end: no loading, no saving."""

    seconds = 0.0

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self.seconds = -time.perf_counter()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.seconds += time.perf_counter()


def time_step(trainer: GRPOTrainer) -> tuple[float, int]:
    """Seconds of the one step of a GRPO trainer, and the tokens it sampled."""
    clock, tokens, generate = _Clock(), [], trainer._generate

    def count(prompts: list) -> Any:
        found = generate(prompts)
        tokens.append(sum(map(len, found[1])))
        return found

    trainer._generate = count
    trainer.add_callback(clock)
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        trainer.train()
    return clock.seconds, sum(tokens)
