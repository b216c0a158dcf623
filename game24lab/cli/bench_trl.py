"""TRL's own trainers, as baselines of the benchmarks; nothing else uses them.

They write no files and use no activation checkpointing (GRPO never, SFT on request). They know no tasks.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    ProgressCallback,
    TrainerCallback,
)
from trl import GRPOConfig as TRLConfig
from trl import GRPOTrainer, SFTTrainer
from trl import SFTConfig as TRLSFTConfig

from game24lab.models.checkpoints import load_checkpoint


def make_stock_grpo(
    checkpoint: str | Path, rows: Mapping[str, Sequence], rewards: tuple[Sequence, Sequence[float]], output: Path, *,
    num_generations: int, mini_batch: int, max_completion_length: int, bf16: bool, seed: int = 0,
) -> GRPOTrainer:  # fmt: skip
    """A trainer of one step over all rows (`prompt` and the columns that rewards read)."""
    model, tokenizer = load_checkpoint(checkpoint)
    parts = len(rows["prompt"]) * num_generations // mini_batch
    arguments = TRLConfig(
        output_dir=str(output), max_steps=1, per_device_train_batch_size=mini_batch, steps_per_generation=parts,
        gradient_accumulation_steps=parts, num_generations=num_generations,
        max_completion_length=max_completion_length, bf16=bf16, reward_weights=list(rewards[1]),
        use_cpu=not torch.cuda.is_available(), activation_checkpointing=False,
        remove_unused_columns=False, report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True,
        seed=seed,
    )  # fmt: skip
    return GRPOTrainer(
        model=model, reward_funcs=list(rewards[0]), args=arguments, train_dataset=Dataset.from_dict(dict(rows)),
        processing_class=tokenizer,
    )  # fmt: skip


def make_stock_sft(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Dataset, output: Path, *,
    batch_size: int, steps: int, bf16: bool, checkpointing: bool = True, seed: int = 0,
) -> SFTTrainer:  # fmt: skip
    """A trainer of some steps over rows of `input_ids` and `labels`: its own collator, order, optimiser and metrics."""
    arguments = TRLSFTConfig(
        output_dir=str(output), max_steps=steps, per_device_train_batch_size=batch_size, max_length=None, bf16=bf16,
        use_cpu=not torch.cuda.is_available(), activation_checkpointing=checkpointing, report_to="none",
        save_strategy="no", dataset_kwargs={"skip_prepare_dataset": True}, seed=seed,
    )  # fmt: skip
    return SFTTrainer(
        model=model, args=arguments, train_dataset=rows.select_columns(["input_ids", "labels"]),
        processing_class=tokenizer,
    )  # fmt: skip


class _Span(TrainerCallback):
    """From the beginning of the first step to the end of the last."""

    begin = end = 0.0

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self.begin = self.begin or time.perf_counter()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.end = time.perf_counter()


def time_steps(trainer: SFTTrainer) -> tuple[float, int]:
    """Seconds of all steps of an SFT trainer, what comes between them included, and the tokens it learnt from."""
    return _time(trainer), sum(len(row) for row in trainer.train_dataset["input_ids"])


def time_step(trainer: GRPOTrainer) -> tuple[float, int]:
    """Seconds of the one step of a GRPO trainer, and the tokens it sampled."""
    tokens, generate = [], trainer._generate

    def count(prompts: list) -> Any:
        found = generate(prompts)
        tokens.append(sum(map(len, found[1])))
        return found

    trainer._generate = count
    return _time(trainer), sum(tokens)


def _time(trainer: GRPOTrainer | SFTTrainer) -> float:
    """Train, and the seconds from the beginning of the first step to the end of the last: no loading, no saving."""
    span = _Span()
    trainer.add_callback(span)
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        trainer.train()
    return span.end - span.begin
