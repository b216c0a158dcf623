"""DPO: pairs of continuations in, a checkpoint folder out; thin over TRL's `DPOTrainer`.

Nothing is cut: a long side is compared whole. It does not know what the texts mean or who preferred what: held-out
accuracy comes from a function that the caller passes in.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import DPOConfig as TRLConfig
from trl import DPOTrainer

from game24lab.models.checkpoints import load_checkpoint, load_trainable
from game24lab.runs.checks import require, require_one_of, require_text
from game24lab.training.loop import HeldOut, arrange, common_arguments, make_ready
from game24lab.training.lora import adapt
from game24lab.training.precision import PRECISIONS, pick_precision
from game24lab.training.saving import Resumable
from game24lab.training.session import train_once
from game24lab.training.sft import check_lengths, drop_long

Evaluate = Callable[[PreTrainedModel, PreTrainedTokenizerBase], Mapping[str, float]]


@dataclass(frozen=True)
class DPOConfig:
    """How to train; the defaults suit models of a few million parameters that were trained from scratch."""

    checkpoint: str = ""  # folder or hub id to start from, which is the reference too
    steps: int = 100  # optimiser steps
    batch_size: int = 32  # pairs a step, all processes together
    beta: float = 0.1  # how dearly moving away from the reference is paid for
    sft_weight: float = 0.0  # of the chosen side's own likelihood in the loss, which DPO alone may lower; 0 = plain DPO
    learning_rate: float = 3e-5  # AdamW's; about 1e-6 for pretrained checkpoints of billions of parameters
    accumulation_steps: int = 1  # forward and backward passes that a step's pairs are divided into, to save memory
    max_length: int = 0  # tokens of a prompt with its longer side, above which a pair is left out; 0: none is
    lora_rank: int = 0  # of adapters on all inner matrices; 0 = all weights
    evaluate_every: int = 25  # steps between held-out evaluations and saved states, 0 = only at the end
    precision: str = "auto"  # "auto" (bf16 where the hardware computes in it), "bf16", "fp32"
    seed: int = 0
    trainer_args: Mapping[str, Any] = field(default_factory=dict)  # passed to TRL's DPOConfig as they are

    def __post_init__(self) -> None:
        require_text("checkpoint", self.checkpoint, "the folder or hub id of a trained model")
        for name, least in (("steps", 1), ("batch_size", 1), ("lora_rank", 0), ("evaluate_every", 0),
                            ("accumulation_steps", 1), ("max_length", 0)):  # fmt: skip
            require(name, getattr(self, name), int, least)
        for name in ("beta", "learning_rate", "sft_weight"):
            require(name, getattr(self, name), float, 0, above=name != "sft_weight", below=True)
        require_one_of("precision", self.precision, PRECISIONS)


def tokenize(pairs: Sequence[Sequence], tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """Pairs (prompt, chosen, rejected) or (prompt, chosen, rejected, chosen_ends, rejected_ends, ...) as token ids.

    The end token closes a side unless its `ends` is false: behind a side that was cut it would be the one token that
    tells the sides apart. A side may be empty where it ends. Raises ValueError for an empty set, and for a pair without
    a prompt, without tokens on a side, or with two equal sides, naming it.
    """
    if not pairs:
        raise ValueError("preference data: empty; at least one pair is needed")
    rows: dict[str, list] = {"prompt_ids": [], "chosen_ids": [], "rejected_ids": [], "length": []}
    for index, (prompt, chosen, rejected, *more) in enumerate(pairs):
        sides = []
        for text, ends in zip((chosen, rejected), [*more[:2], True, True], strict=False):
            end = [tokenizer.eos_token_id] if ends else []
            sides.append(tokenizer(text, add_special_tokens=False)["input_ids"] + end)
        if not prompt or not all(sides) or sides[0] == sides[1]:
            raise ValueError(f"pair {index}: prompt {prompt!r}, chosen {chosen!r}, rejected {rejected!r}; a prompt and "
                             "two sides that differ are needed")  # fmt: skip
        start = tokenizer(prompt, add_special_tokens=True)["input_ids"]
        for name, value in zip(rows, (start, *sides, len(start) + max(map(len, sides))), strict=True):
            rows[name].append(value)
    return Dataset.from_dict(rows)


def train(
    config: DPOConfig, pairs: Sequence[Sequence], output: Path | str, evaluate: Evaluate | None = None,
    show: Callable[[pd.DataFrame], None] | None = None, *, report_to: str = "none",
) -> Path:  # fmt: skip
    """Train on pairs (see `tokenize`) and write a checkpoint with its curve (`training.parquet`) to `output`.

    The curve holds TRL's own columns: `loss`, `rewards/accuracies` (share of pairs in which the chosen side gained more
    than the rejected one), `rewards/margins`, `logps/chosen`, ... Held-out evaluation, `show`, `report_to`, what a kill
    leaves and FloatingPointError are as in `sft.train`. Raises ValueError for unusable pairs.
    """
    output = Path(output)
    return train_once(config, output, lambda: _make_trainer(config, pairs, output, evaluate), show, report_to)


def _make_trainer(config: DPOConfig, pairs: Sequence[Sequence], output: Path, evaluate: Evaluate | None) -> DPOTrainer:
    torch.manual_seed(config.seed)
    model, tokenizer = load_trainable(config.checkpoint)
    reference = None if config.lora_rank else load_checkpoint(config.checkpoint)[0]  # adapters: the model without them
    bf16 = pick_precision(config.precision) == "bf16"
    for one in (model, reference):
        if one is not None:
            make_ready(one, bf16=bf16)
    data = drop_long(tokenize(pairs, tokenizer), config.max_length)
    check_lengths(data["length"], model, "pair")
    order = arrange(list(data["length"]), config.batch_size, config.steps, config.seed)
    callbacks, plain = [], model
    if evaluate is not None:
        callbacks.append(HeldOut(lambda _: evaluate(plain, tokenizer), config.evaluate_every))
    return _Trainer(
        model=adapt(model, config.lora_rank) if config.lora_rank else model,
        ref_model=reference,
        args=_trainer_arguments(config, output, bf16),
        train_dataset=data.select(order),
        processing_class=tokenizer,
        callbacks=callbacks,
    )


class _Trainer(Resumable, DPOTrainer):
    """TRL's trainer on pairs that are token ids already: it would put an end token behind every side."""

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # TRL asks transformers by a name that has been replaced
            return super().compute_loss(*args, **kwargs)


def _trainer_arguments(config: DPOConfig, output: Path, bf16: bool) -> TRLConfig:
    every = config.evaluate_every or config.steps
    common = common_arguments(output, config.steps, config.batch_size, config.seed, bf16, save_every=every,
                              accumulation=config.accumulation_steps)  # fmt: skip
    own = {"learning_rate": config.learning_rate, "beta": config.beta, "max_length": None,
           "activation_checkpointing": False}  # fmt: skip
    if config.sft_weight:
        own |= {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, config.sft_weight]}
    return TRLConfig(**{**common, **own, **config.trainer_args})
