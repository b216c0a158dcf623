"""Supervised fine-tuning: prompts and completions in, a checkpoint folder out; thin over TRL's `SFTTrainer`.

The loss is on completions only; all weights are trained, or adapters (LoRA) that are merged at the end. It is faster
than TRL's trainer by batches of like lengths, no activation checkpointing, attention without a mask and, for small
vocabularies, plain logits. It does not know what texts mean: the caller passes a function for held-out accuracy.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer
from trl import SFTConfig as TRLConfig
from trl import SFTTrainer

from game24lab.models.checkpoints import load_trainable, make_model
from game24lab.models.number_embeddings import lay_out_numbers
from game24lab.models.tokenizer import NUMBERED, VOCABULARIES, make_tokenizer
from game24lab.runs.checks import require, require_one_of
from game24lab.runs.former_names import accept_former
from game24lab.training.branches import KeepPoints, branch_off
from game24lab.training.loop import (
    HeldOut,
    arrange,
    common_arguments,
    count_processes,
    is_sharded,
    make_ready,
    pack,
)
from game24lab.training.lora import adapt
from game24lab.training.muon import make_optimizer
from game24lab.training.precision import PRECISIONS, pick_precision
from game24lab.training.saving import Resumable
from game24lab.training.schedules import SCHEDULES, schedule_arguments
from game24lab.training.session import train_once

Evaluate = Callable[[PreTrainedModel, PreTrainedTokenizerBase], Mapping[str, float]]
_SMALL_VOCABULARY = 4096  # logits of vocabularies up to here are kept in memory; TRL's loss recomputes them instead


@accept_former(words="vocabulary")
@dataclass(frozen=True)
class SFTConfig:
    """How to train; every field has a useful default for the `tiny` preset on two cores."""

    size: str = "tiny"  # preset, or layers x width, to train from scratch; not used where a checkpoint is given
    vocabulary: str = "lines"  # of a model from scratch: one of `models.tokenizer.VOCABULARIES`
    checkpoint: str = ""  # folder or hub id to start from, "" = from scratch
    steps: int = 3000  # optimiser steps
    batch_size: int = 256  # completions a step, all processes together
    batch_tokens: int = 0  # above 0: so many tokens a step instead, prompts and padding counted; for long texts
    accumulation_steps: int = 1  # forward and backward passes that a step's batch is divided into, to save memory
    max_length: int = 0  # tokens of a sample, above which it is left out; 0: none is, the model's window is the limit
    lora_rank: int = 0  # of adapters on all inner matrices of a checkpoint, trained by AdamW; 0 = all weights
    optimizer: str = "muon"  # "muon" (with AdamW for embeddings and norms) or "adamw"
    learning_rate: float = 3e-3  # AdamW's; 1e-5 to 5e-5 for pretrained checkpoints
    matrix_learning_rate: float = 0.03  # Muon's
    weight_decay: float = 0.1
    schedule: str = "linear"  # of the learning rates, see `training.schedules`: "linear", "constant" or "wsd"
    warmup: int = 0  # steps over which learning rates rise, 0: a fiftieth of the steps
    cooldown: float = 0.2  # share of the steps at the end over which they fall ("wsd")
    horizon: int = 0  # steps whose order of samples is drawn, of which the first are taken; 0: as many as `steps`
    evaluate_every: int = 500  # steps between held-out evaluations and saved states, 0 = only at the end
    precision: str = "auto"  # "auto" (bf16 where the hardware computes in it), "bf16", "fp32"
    seed: int = 0
    trainer_args: Mapping[str, Any] = field(default_factory=dict)  # passed to TRL's SFTConfig as they are

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch_size", 1), ("batch_tokens", 0), ("lora_rank", 0), ("warmup", 0),
                            ("accumulation_steps", 1), ("max_length", 0)):  # fmt: skip
            require(name, getattr(self, name), int, least)
        require("cooldown", self.cooldown, float, 0, 1)
        if self.horizon and (type(self.horizon) is not int or self.horizon < self.steps):
            raise ValueError(f"horizon must be 0 or at least the {self.steps} steps, got {self.horizon!r}")
        require_one_of("schedule", self.schedule, SCHEDULES)
        for name in ("learning_rate", "matrix_learning_rate"):
            require(name, getattr(self, name), float, 0, above=True, below=True)
        if self.lora_rank and not self.checkpoint:
            raise ValueError(f"lora_rank must be 0 without a checkpoint, whose weights adapters need, got "
                             f"{self.lora_rank}")  # fmt: skip
        require_one_of("vocabulary", self.vocabulary, tuple(VOCABULARIES))
        require_one_of("optimizer", self.optimizer, ("muon", "adamw"))
        require_one_of("precision", self.precision, PRECISIONS)


def tokenize(samples: Sequence[Sequence], tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """Samples (prompt, completion) or (prompt, completion, ends) as token ids.

    Labels are -100 on the prompt; the end token closes a completion unless `ends` is false. Raises ValueError for an
    empty set and for a sample without text on one side, naming it.
    """
    if not samples:
        raise ValueError("training data must hold at least one sample, got none")
    for index, (prompt, completion, *_) in enumerate(samples):
        if not prompt or not completion:
            raise ValueError(f"training sample {index} must have text on both sides, got {prompt!r} and {completion!r}")
    # the same texts come again and again: each is encoded once
    texts = list(dict.fromkeys(sample[0] for sample in samples))
    of_prompt = dict(zip(texts, tokenizer(texts, add_special_tokens=True)["input_ids"], strict=True))
    texts = list(dict.fromkeys(sample[1] for sample in samples))
    of_completion = dict(zip(texts, tokenizer(texts, add_special_tokens=False)["input_ids"], strict=True))
    ids, labels = [], []
    for prompt, completion, *ends in samples:
        start = of_prompt[prompt]
        end = [tokenizer.eos_token_id] if not ends or ends[0] else []
        ids.append(start + of_completion[completion] + end)
        labels.append([-100] * len(start) + ids[-1][len(start) :])
    return Dataset.from_dict({"input_ids": ids, "labels": labels, "length": [len(i) for i in ids]})


def drop_long(data: Dataset, most: int) -> Dataset:
    """The rows of at most so many tokens (0: all), which is said where some are left out; ValueError where none is."""
    kept = [index for index, length in enumerate(data["length"]) if length <= most] if most else range(len(data))
    if not kept:
        raise ValueError(f"max_length must leave at least one sample, the shortest has {min(data['length'])} tokens, "
                         f"got {most}")  # fmt: skip
    if len(kept) < len(data):
        print(f"{len(data) - len(kept):,} of {len(data):,} samples are longer than {most} tokens and are left out")
        return data.select(kept)
    return data


@dataclass(frozen=True)
class RightPad:
    """Batches of equal length, padded on the right; a row that is a batch already is padded as one.

    The attention mask is all ones: under causal attention no real token sees padding to its right, and without a mask
    the fastest attention kernel can be used. Padding carries no label.
    """

    pad: int

    def __call__(self, rows: Sequence[Mapping[str, list[int]]]) -> dict[str, torch.Tensor]:
        if isinstance(rows[0]["input_ids"][0], list):
            pairs = [zip(row["input_ids"], row["labels"], strict=True) for row in rows]
            rows = [{"input_ids": ids, "labels": labels} for ids, labels in itertools.chain(*pairs)]
        longest = max(len(row["input_ids"]) for row in rows)
        ids = torch.full((len(rows), longest), self.pad)
        labels = torch.full((len(rows), longest), -100)
        for i, row in enumerate(rows):
            ids[i, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
            labels[i, : len(row["labels"])] = torch.tensor(row["labels"])
        return {"input_ids": ids, "labels": labels, "attention_mask": torch.ones_like(ids)}


def train(
    config: SFTConfig, samples: Sequence[Sequence], output: Path | str, evaluate: Evaluate | None = None,
    show: Callable[[pd.DataFrame], None] | None = None, *, keep: Collection[int] = (),
    begin: Path | str | None = None, report_to: str = "none",
) -> Path:  # fmt: skip
    """Train on samples (see `tokenize`) and write a checkpoint with its curve (`training.parquet`) to `output`.

    A run that was killed goes on from its newest resume point when called again with the same arguments, with the same
    data in the same order; one that has finished returns at once.
    `evaluate(model, tokenizer)` returns held-out numbers to log every `evaluate_every` steps; `show` is called with the
    curve so far every few seconds, which goes to the tracker `report_to` too (`training.trackers`). Raises ValueError
    for unusable data, FloatingPointError where numbers cease to be finite.

    Trunk and branches (`training.branches`): resume points of the steps in `keep` stay in `<output>/points`, and a
    training that lies nowhere yet may `begin` at such a point of another one of the same model, data and batches.
    """
    output = Path(output)
    if begin is not None:
        branch_off(Path(begin), output)

    def make() -> SFTTrainer:
        trainer = make_trainer(config, samples, output, evaluate)
        if keep:
            trainer.add_callback(KeepPoints(keep, output))
        return trainer

    return train_once(config, output, make, show, report_to)


def make_trainer(
    config: SFTConfig, samples: Sequence[Sequence], output: Path, evaluate: Evaluate | None = None
) -> SFTTrainer:
    """The trainer, ready to start. ValueError as in `train`."""
    torch.manual_seed(config.seed)
    if config.checkpoint:
        model, tokenizer = load_trainable(config.checkpoint)
    else:
        tokenizer = make_tokenizer(config.vocabulary)
        model = make_model(config.size, tokenizer, seed=config.seed)
        if config.vocabulary in NUMBERED:
            lay_out_numbers(model, tokenizer)
    bf16 = pick_precision(config.precision) == "bf16"
    make_ready(model, bf16=bf16)
    data = drop_long(tokenize(samples, tokenizer), config.max_length)
    lengths, passes = list(data["length"]), config.accumulation_steps
    check_lengths(lengths, model)
    _check_ids(list(data["input_ids"]), model)
    if config.batch_tokens:  # a row of the data is what a process learns from at a step
        rows = count_processes() * passes  # a step
        order: Any = pack(lengths, config.batch_tokens // rows, (config.horizon or config.steps) * rows,
                          config.seed)[: config.steps * rows]  # fmt: skip
        columns = {name: list(data[name]) for name in ("input_ids", "labels")}
        packed = {name: [[column[i] for i in part] for part in order] for name, column in columns.items()}
        data = Dataset.from_dict(packed)
        sizes, each = [sum(lengths[i] for i in part) for part in order], rows
    else:
        order = arrange(lengths, config.batch_size, config.horizon or config.steps, config.seed)
        order = order[: config.steps * config.batch_size]
        data, sizes, each = data.select(order), [lengths[i] for i in order], config.batch_size
    callbacks = []
    if evaluate is not None:  # adapters or not, it gets the model, not what is wrapped around it
        plain = model
        callbacks.append(HeldOut(lambda _: evaluate(plain, tokenizer), config.evaluate_every))
    if config.lora_rank:
        model = adapt(model, config.lora_rank)
    if config.optimizer == "muon" and is_sharded():
        raise ValueError("optimizer must be 'adamw' with FSDP, which leaves no process a whole matrix, got 'muon'")
    optimizer = make_optimizer(
        model, config.learning_rate, weight_decay=config.weight_decay,
        matrix_lr=config.matrix_learning_rate if config.optimizer == "muon" and not config.lora_rank else None,
    )  # fmt: skip
    trainer = _Trainer(
        model=model,
        args=_trainer_arguments(config, output, each, bf16),
        train_dataset=data,
        processing_class=tokenizer,
        data_collator=RightPad(tokenizer.pad_token_id),
        callbacks=callbacks,
    )
    trainer.optimizer = optimizer  # not at its making, which it forbids where processes share the weights
    trainer.count_tokens(sizes, each // passes)
    return trainer


class _Trainer(Resumable, SFTTrainer):
    """TRL's trainer with a plain loss where the vocabulary is small, and a count of tokens that outlives a kill."""

    def count_tokens(self, lengths: Sequence[int], batch_size: int) -> None:
        """Log `num_tokens` from the lengths of the rows in their order: without padding, of all processes."""
        sums = list(itertools.accumulate(lengths, initial=0))
        self._counted = sums[:: batch_size * self.args.gradient_accumulation_steps]

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        plain = self.args.loss_type == "nll" and self.model.config.get_text_config().vocab_size <= _SMALL_VOCABULARY
        plain = plain and not self.aux_loss_enabled
        loss = Trainer.compute_loss if plain else SFTTrainer.compute_loss
        if plain and "logits_to_keep" in inspect.signature(self.model.forward).parameters:
            inputs = leave_out_prompts(inputs)
        return loss(self, model, inputs, return_outputs=return_outputs, num_items_in_batch=num_items_in_batch)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if self.model.training:
            self._metrics["train"]["num_tokens"] = [self._counted[min(self.state.global_step, len(self._counted) - 1)]]
        super().log(logs, start_time)


def leave_out_prompts(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The same batch without logits of what all rows begin with and nothing is learnt from; the loss is the same."""
    labels = inputs["labels"]  # (rows, tokens), -100 where nothing is learnt
    first = int((labels != -100).any(0).int().argmax())
    keep = labels.shape[1] - first + 1  # the token before the first label tells it
    return {**inputs, "labels": labels[:, -keep:], "logits_to_keep": keep}


def check_lengths(lengths: Sequence[int], model: PreTrainedModel, what: str = "training sample") -> None:
    """ValueError that names the longest of some texts where it does not fit the model's window."""
    window = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if window is not None and max(lengths) > window:
        raise ValueError(f"{what} {list(lengths).index(max(lengths))} must fit the window of {window} tokens, got "
                         f"{max(lengths)}")  # fmt: skip


def _check_ids(ids: Sequence[Sequence[int]], model: PreTrainedModel) -> None:
    rows = model.get_input_embeddings().num_embeddings
    for index, own in enumerate(ids):
        if max(own) >= rows:
            raise ValueError(f"training sample {index}: the tokenizer gives token {max(own)}, the model has {rows} "
                             "embeddings; the two are not of one checkpoint")  # fmt: skip


def _trainer_arguments(config: SFTConfig, output: Path, batch_size: int, bf16: bool) -> TRLConfig:
    every = config.evaluate_every or config.steps
    common = common_arguments(output, config.steps, batch_size, config.seed, bf16, save_every=every,
                              accumulation=config.accumulation_steps)  # fmt: skip
    common |= schedule_arguments(config.schedule, config.steps, config.warmup, config.cooldown)
    own = {"activation_checkpointing": False, "dataset_kwargs": {"skip_prepare_dataset": True}, "max_length": None}
    return TRLConfig(**{**common, **own, **config.trainer_args})
