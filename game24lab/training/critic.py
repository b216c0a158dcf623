"""Critic training: the policy's own rollouts become Monte-Carlo targets for a value head on the policy's trunk.

After TS-LLM (Feng et al. 2023): values are read where a line ends, the target is the outcome of the rollout (gamma 1).
Rollouts that pass through the same position are counted together. It does not know the rules of any task.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
)

from game24lab.critic import TransformersCritic
from game24lab.generation import Policy
from game24lab.models import check_checkpoint
from game24lab.tasks.task import Illegal, Task
from game24lab.training.loop import (
    HeldOut,
    arrange,
    common_arguments,
    find_finished,
    finish,
    pick_precision,
    start,
)
from game24lab.training.muon import MuonAdamW


def collect_positions(
    task: Task,
    policy: Policy,
    problems: Sequence[Any],
    *,
    rollouts: int = 16,
    max_tokens: int = 48,
    temperature: float = 1.0,
    seeds: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Roll the policy out from every problem and count, for every position passed, how often it ended solved.

    One row a distinct position: `text`, `label`, `depth` (steps made when first met), `visits`, `solved` (counts),
    `truth` (the task's own word). An illegal line or a cut completion is a failure of the positions before it.
    `attrs` of the table holds the tokens sampled. Raises ValueError for no problems.
    """
    if not problems or rollouts < 1:
        raise ValueError(f"rollouts {rollouts} of {len(problems)} problems: at least one of each is needed")
    roots = [task.start(problem) for problem in problems]
    answers = policy.generate(
        [task.text(root) for root in roots], rollouts, max_tokens=max_tokens, temperature=temperature, seeds=seeds
    )
    positions: dict[Any, dict[str, Any]] = {}
    sampled = 0
    for root, completions in zip(roots, answers, strict=True):
        for completion in completions:
            sampled += completion.tokens
            passed = _walk(task, root, completion.text)
            solved = task.verdict(passed[-1]).solved
            for depth, state in enumerate(passed):
                row = positions.get(task.key(state))
                if row is None:
                    known = {"text": task.text(state), "label": task.label(state), "truth": task.truth(state)}
                    row = positions[task.key(state)] = {**known, "depth": depth, "visits": 0, "solved": 0}
                row["visits"] += 1
                row["solved"] += solved
    table = pd.DataFrame(positions.values())
    table.attrs["sampled_tokens"] = sampled
    return table


def _walk(task: Task, state: Any, text: str) -> list[Any]:
    """The positions that a completion passes, up to its first illegal line."""
    passed = [state]
    for line in text.splitlines():
        if task.is_terminal(passed[-1]):
            break
        after = task.step(passed[-1], line)
        if isinstance(after, Illegal):
            break
        passed.append(after)
    return passed


@dataclass(frozen=True)
class CriticConfig:
    """How to train a critic; the defaults suit the `tiny` preset."""

    policy: str = ""  # checkpoint folder whose trunk the critic starts from
    epochs: float = 20.0
    batch_size: int = 256  # positions a step
    learning_rate: float = 2e-3  # AdamW's, for embeddings, norms and the value head
    matrix_learning_rate: float = 6e-3  # Muon's
    weight_decay: float = 0.1
    held_out: float = 0.05  # share of positions kept for validation
    precision: str = "auto"  # "auto", "bf16", "fp32"
    seed: int = 0
    trainer_args: Mapping[str, Any] = field(default_factory=dict)  # passed to transformers' TrainingArguments

    def __post_init__(self) -> None:
        for name in ("epochs", "learning_rate", "matrix_learning_rate"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ValueError(f"{name} {value!r}: a positive number is accepted (in YAML 1.0e-4)")
        if type(self.batch_size) is not int or self.batch_size < 1:
            raise ValueError(f"batch_size {self.batch_size!r}: a positive integer is accepted")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out {self.held_out!r}: a share from 0 to below 1 is accepted")


def train(config: CriticConfig, positions: pd.DataFrame, output: Path | str) -> Path:
    """Train a value head on the policy's trunk and write checkpoint and curve to `output`.

    `positions` has the columns of `collect_positions`; the target is P(solved) = solved / visits, the loss binary
    cross-entropy. Resumes after a kill like `sft.train`. Raises ValueError for unusable positions.
    """
    output = Path(output)
    finished = find_finished(output, config)
    if finished is not None:
        return finished
    missing = {"text", "visits", "solved"} - set(positions.columns)
    if missing or positions.empty:
        raise ValueError(f"positions: {len(positions)} rows, missing columns {sorted(missing)}; see collect_positions")
    check_checkpoint(Path(config.policy))
    torch.manual_seed(config.seed)
    tokenizer = AutoTokenizer.from_pretrained(config.policy, trust_remote_code=False)
    tokenizer.padding_side = "right"
    model = AutoModelForSequenceClassification.from_pretrained(
        config.policy, num_labels=1, problem_type="multi_label_classification", use_safetensors=True,
        trust_remote_code=False, dtype=torch.float32,
    )  # fmt: skip
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.use_cache = False
    shuffled = positions.sample(frac=1.0, random_state=config.seed)
    cut = int(len(shuffled) * config.held_out)
    validation, training = shuffled.iloc[:cut], shuffled.iloc[cut:]
    bf16 = pick_precision(config.precision) == "bf16"
    if bf16 and not torch.cuda.is_available():
        model.set_attn_implementation("sdpa_float32")
    steps = math.ceil(len(training) / config.batch_size * config.epochs)
    data = _tokenize(training, tokenizer)
    callbacks = [HeldOut(lambda trained: _validate(trained, tokenizer, validation), max(1, steps // 8))] if cut else []
    trainer = Trainer(
        model=model,
        args=_arguments(config, output, steps, bf16),
        train_dataset=data.select(arrange(data["length"], config.batch_size, steps, config.seed, group=1)),
        processing_class=tokenizer,
        callbacks=callbacks,
        optimizers=(
            MuonAdamW(model, lr=config.learning_rate, matrix_lr=config.matrix_learning_rate,
                      weight_decay=config.weight_decay),
            None,
        ),
    )  # fmt: skip
    start(trainer, output)
    return finish(trainer, tokenizer, output, config)


def _tokenize(positions: pd.DataFrame, tokenizer: PreTrainedTokenizerBase) -> Dataset:
    ids = tokenizer(positions["text"].tolist())["input_ids"]
    targets = (positions["solved"] / positions["visits"]).tolist()
    return Dataset.from_dict({"input_ids": ids, "labels": [[t] for t in targets], "length": [len(i) for i in ids]})


def _validate(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, positions: pd.DataFrame) -> dict[str, float]:
    """Mean squared error of P(solved) on positions kept out of training."""
    values = TransformersCritic(model, tokenizer).score(positions["text"].tolist())
    p = (pd.Series(values, index=positions.index) + 1) / 2
    return {"error": float(((p - positions["solved"] / positions["visits"]) ** 2).mean())}


def _arguments(config: CriticConfig, output: Path, steps: int, bf16: bool) -> TrainingArguments:
    common = common_arguments(output, steps, config.batch_size, config.seed, bf16, save_every=max(1, steps // 4))
    return TrainingArguments(**{**common, **config.trainer_args})
