"""Critic training: a value head on a policy's trunk, trained on the outcomes of trajectories.

After TS-LLM (Wan et al. 2024, arXiv 2309.17179): values are read where a line ends; targets are Monte-Carlo or
TD(lambda) (`game24lab.training.critic_data`), averaged over all trajectories through a position. Prefixes of a text are
forwarded once with it (`game24lab.training.packed_prefixes`). All weights are trained, or adapters and the head. It
does not know the rules of any task, nor how data are collected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from game24lab.models.checkpoints import be_quiet, check_policy, check_tokens, complete_tokens, hide_bars
from game24lab.models.critic import READS, TransformersCritic
from game24lab.runs.checks import require, require_one_of
from game24lab.runs.run import write_atomically
from game24lab.training.critic_data import count_positions, find_targets, hold_out
from game24lab.training.loop import HeldOut, arrange, common_arguments, make_ready, refuse_shards
from game24lab.training.lora import adapt
from game24lab.training.muon import make_optimizer
from game24lab.training.packed_prefixes import PackedCollator, measure_loss, pack_prefixes
from game24lab.training.precision import pick_precision
from game24lab.training.saving import Resumable
from game24lab.training.session import train_once

TARGETS = ("rollouts", "exact", "truth")


@dataclass(frozen=True)
class CriticConfig:
    """How to train a critic; the defaults suit the `tiny` preset."""

    policy: str = ""  # checkpoint folder whose trunk the critic starts from
    begin: str = ""  # a critic of the same shape to go on from, its head included; "": the policy's trunk, a new head
    epochs: float = 20.0
    batch_size: int = 256  # texts a step, each with the positions on its way
    td_lambda: float = 1.0  # 1: Monte Carlo; below 1, targets lean on the critic as it was when the epoch began
    # what a position learns: how often its "rollouts" solved it, the "exact" chance of that, or the task's "truth"
    targets: str = "rollouts"
    lora_rank: int = 0  # of adapters on all inner matrices, trained by AdamW with the head; 0 = all weights
    learning_rate: float = 2e-3  # AdamW's, for embeddings, norms and the value head
    matrix_learning_rate: float = 6e-3  # Muon's
    weight_decay: float = 0.1
    held_out: float = 0.05  # kept for validation: a share of the problems of trajectories, or of the positions
    precision: str = "auto"  # "auto", "bf16", "fp32"
    reads: str = "positions"  # what its texts show: "positions", or whole "chains" too, as a blind search needs
    seed: int = 0
    trainer_args: Mapping[str, Any] = field(default_factory=dict)  # passed to transformers' TrainingArguments

    def __post_init__(self) -> None:
        for name in ("epochs", "learning_rate", "matrix_learning_rate"):
            require(name, getattr(self, name), float, 0, above=True, below=True)
        require("batch_size", self.batch_size, int, 1)
        require("lora_rank", self.lora_rank, int, 0)
        require("td_lambda", self.td_lambda, float, 0, 1)
        require_one_of("targets", self.targets, TARGETS)
        if self.targets != "rollouts" and self.td_lambda < 1:
            raise ValueError(f"td_lambda must be 1 with targets {self.targets!r}, which no value estimates, got "
                             f"{self.td_lambda}")  # fmt: skip
        require_one_of("reads", self.reads, READS)
        require("held_out", self.held_out, float, 0, 1, below=True)


def train(
    config: CriticConfig, data: pd.DataFrame, output: Path | str, certain: pd.DataFrame | None = None,
    show: Callable[[pd.DataFrame], None] | None = None, *, report_to: str = "none",
) -> Path:  # fmt: skip
    """Train a value head on the policy's trunk and write checkpoint and curve (`training.parquet`) to `output`.

    `data` are trajectories, or positions with counts as of `count_positions`, for which there are Monte-Carlo targets
    only. Exact targets are the chances that `critic_data.set_chances` gives, however rollouts ended. `certain` are
    positions whose outcome is known, as of `critic_data.list_ends` and `falsified.falsify`: never held out, and seen
    `copies` times a pass. The loss is binary cross-entropy between P = (value + 1) / 2 and the target. The curve's
    `error` is the mean squared error of P against the target, on validation positions;
    those of trajectories are of problems kept out, less the positions that training met too. `show`, `report_to` and
    what a kill leaves are as in `sft.train`. Raises ValueError for unusable data.
    """
    output = Path(output)
    if config.targets == "exact" and "chance" not in data:
        raise ValueError("data must have exact chances (critic_data.set_chances) for exact targets, got none")
    return train_once(config, output, lambda: _make_trainer(config, data, output, certain), show, report_to)


def _make_trainer(
    config: CriticConfig, data: pd.DataFrame, output: Path, certain: pd.DataFrame | None
) -> Trainer:  # fmt: skip
    refuse_shards("the critic", "whose value head is asked outside the trunk")
    check_policy(Path(config.policy))
    if config.targets != "exact":
        data = data.drop(columns="chance", errors="ignore")
    training, validation, passed = _divide(config, data)
    if certain is not None:
        validation = validation[~validation["text"].isin(certain["text"])]
        training = pd.concat([training, certain], ignore_index=True)  # appended: `passed` numbers the rows before
    torch.manual_seed(config.seed)
    tokenizer = AutoTokenizer.from_pretrained(config.policy, trust_remote_code=False)
    tokenizer.padding_side = "right"
    with be_quiet(), hide_bars(config.policy):  # the head is new
        model = AutoModelForSequenceClassification.from_pretrained(
            config.begin or config.policy, num_labels=1, problem_type="multi_label_classification",
            use_safetensors=True, trust_remote_code=False, dtype=torch.float32,
        )  # fmt: skip
    complete_tokens(model, tokenizer)
    check_tokens(tokenizer, config.policy)
    model.config.pad_token_id = tokenizer.pad_token_id
    bf16 = pick_precision(config.precision) == "bf16"
    make_ready(model, bf16=bf16)
    rows = _pack(training, tokenizer)
    each = math.ceil(len(rows) / config.batch_size)  # steps an epoch
    steps = math.ceil(len(rows) / config.batch_size * config.epochs)
    plain = model  # without the wrapper of adapters
    callbacks = []
    if len(validation):
        callbacks.append(HeldOut(lambda _: _validate(plain, tokenizer, validation), max(1, steps // 8)))
    if config.lora_rank:
        model = adapt(model, config.lora_rank, "SEQ_CLS")
    optimizer = make_optimizer(model, config.learning_rate, weight_decay=config.weight_decay,
                               matrix_lr=None if config.lora_rank else config.matrix_learning_rate)  # fmt: skip
    order = arrange(rows["length"], config.batch_size, steps, config.seed, group=1)
    trainer = _Trainer(
        model=model,
        args=_arguments(config, output, steps, bf16),
        train_dataset=rows.select(order),
        data_collator=PackedCollator(tokenizer.pad_token_id),
        processing_class=tokenizer,
        callbacks=callbacks,
        optimizers=(optimizer, None),
    )
    trainer.targets = torch.tensor(_aim(training).to_numpy(), dtype=torch.float32)
    trainer.head, trainer.batch_size = plain.score, config.batch_size
    trainer.counted = np.cumsum([0, *np.array(rows["length"])[order]])
    if config.td_lambda < 1:
        scorer = TransformersCritic(plain, tokenizer)
        trainer.add_callback(_Bootstrap(trainer, scorer, training["text"].tolist(), passed, config.td_lambda, each))
    return trainer


def _aim(positions: pd.DataFrame) -> pd.Series:
    """The target of each position as a chance: the exact one where it is known, else the share solved."""
    share = positions["solved"] / positions["visits"]
    return positions["chance"].fillna(share) if "chance" in positions else share


def _divide(config: CriticConfig, data: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame | None]:
    """Positions to learn from, positions to validate on, and the trajectories behind the first, where there are any.

    In those, `position` is the row of the position among the first.
    """
    if config.targets == "truth":
        if "truth" not in data or data["truth"].isna().any():
            raise ValueError("targets must be 'rollouts' for positions whose truth the task does not know, got 'truth'")
        data = data.assign(solved=data["truth"].astype(int) * data.get("visits", 1))
    if {"trajectory", "position", "problem", "depth", "text", "solved"} <= set(data.columns) and len(data):
        passed, away = hold_out(data, config.held_out, config.seed)
        if passed.empty:
            raise ValueError(f"trajectories of {data['problem'].nunique()} problems: held_out {config.held_out} leaves "
                             "none to learn from")  # fmt: skip
        passed = passed.assign(position=passed["position"].astype("category").cat.codes)
        training, validation = count_positions(passed), count_positions(away)
        return training, validation[~validation["text"].isin(training["text"])], passed
    missing = {"text", "visits", "solved"} - set(data.columns)
    if missing or data.empty:
        raise ValueError(f"positions must have rows and the columns of critic_data.count_positions, got {len(data)} "
                         f"rows without {sorted(missing)}")  # fmt: skip
    if config.td_lambda < 1:
        raise ValueError("td_lambda must be 1 on counted positions, which are no trajectories, got "
                         f"{config.td_lambda}")  # fmt: skip
    shuffled = data.sample(frac=1.0, random_state=config.seed)
    cut = int(len(shuffled) * config.held_out)
    return shuffled.iloc[cut:], shuffled.iloc[:cut], None


class _Trainer(Resumable, Trainer):
    """Trains at every spot of a text; targets are a table by row, which may change between epochs.

    The curve tells the texts forwarded so far and their tokens without padding, `num_texts` and `num_tokens`.
    """

    targets: torch.Tensor
    head: torch.nn.Module
    batch_size: int
    counted: np.ndarray  # tokens of the first so many texts, in the order of training

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            texts = min(self.state.global_step * self.batch_size, len(self.counted) - 1)
            logs |= {"num_texts": texts, "num_tokens": int(self.counted[texts])}
        super().log(logs, start_time)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        return measure_loss(model, self.head, inputs, self.targets)


class _Bootstrap(TrainerCallback):
    """TD targets: at the start of each epoch the critic values all positions, and is frozen for that epoch.

    The values are saved beside the resume points, so that a run killed within an epoch resumes with the same ones.
    """

    def __init__(
        self, trainer: _Trainer, critic: TransformersCritic, texts: list[str], passed: pd.DataFrame, td_lambda: float,
        every: int,
    ) -> None:  # fmt: skip
        self.trainer, self.critic, self.texts, self.passed = trainer, critic, texts, passed
        self.td_lambda, self.every, self.epoch = td_lambda, every, -1
        self.places = passed["position"].to_numpy()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        epoch = state.global_step // self.every
        if epoch == self.epoch:
            return
        self.epoch, path = epoch, Path(args.output_dir) / f"values-{epoch}.npy"
        values = np.load(path) if path.exists() else self._value()
        if state.is_world_process_zero and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda temporary: _save(temporary, values))
        targets = find_targets(self.passed, values[self.places], td_lambda=self.td_lambda)
        means = np.bincount(self.places, targets) / np.bincount(self.places)
        self.trainer.targets[: len(means)] = torch.from_numpy((means + 1) / 2).float()

    def _value(self) -> np.ndarray:
        was_training = self.critic.model.training
        self.critic.model.eval()
        values = np.array(self.critic.score(self.texts))
        self.critic.model.train(was_training)
        return values


def _save(path: Path, values: np.ndarray) -> None:
    with path.open("wb") as file:  # given a path, numpy would add a suffix
        np.save(file, values, allow_pickle=False)


def _pack(positions: pd.DataFrame, tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """The texts of a pass: those that are no prefix of another, each of the certain ones `copies` times."""
    packed = pack_prefixes(tokenizer(positions["text"].tolist())["input_ids"])
    if "copies" in positions:
        copies = positions["copies"].fillna(1).astype(int).tolist()
        packed = [one for one in packed for _ in range(max(copies[row] for row in one.rows))]
    columns = {"input_ids": "ids", "spots": "spots", "rows": "rows"}
    table = {column: [getattr(one, name) for one in packed] for column, name in columns.items()}
    return Dataset.from_dict({**table, "length": [len(one.ids) for one in packed]})


def _validate(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, positions: pd.DataFrame) -> dict[str, float]:
    """Mean squared error of P(solved) on positions kept out of training."""
    values = TransformersCritic(model, tokenizer).score(positions["text"].tolist())
    p = (pd.Series(values, index=positions.index) + 1) / 2
    return {"error": float(((p - _aim(positions)) ** 2).mean())}


def _arguments(config: CriticConfig, output: Path, steps: int, bf16: bool) -> TrainingArguments:
    common = common_arguments(output, steps, config.batch_size, config.seed, bf16, save_every=max(1, steps // 4))
    return TrainingArguments(**{**common, "label_names": ["rows"], **config.trainer_args})
