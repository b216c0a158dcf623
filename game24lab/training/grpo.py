"""GRPO: problems and rewards in, a checkpoint folder out; what a step does is in `training.grpo_trainer`.

It does not know what texts mean: rewards and held-out accuracy are functions that the caller passes in.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig as TRLConfig

from game24lab.models.checkpoints import load_trainable
from game24lab.runs.checks import require, require_one_of, require_text
from game24lab.runs.former_names import accept_former
from game24lab.tasks.problems import Problem
from game24lab.training.callbacks import Keep, Watch
from game24lab.training.grpo_trainer import Locate, Trainer
from game24lab.training.loop import common_arguments, count_processes, find_resume_point, make_ready, refuse_shards
from game24lab.training.lora import adapt
from game24lab.training.muon import make_optimizer
from game24lab.training.precision import PRECISIONS, pick_precision
from game24lab.training.reward_guard import RewardError, guard
from game24lab.training.rollouts import Rollouts
from game24lab.training.search_rollouts import Searching
from game24lab.training.session import train_once
from game24lab.training.token_credit import CREDITS

__all__ = ["GRPOConfig", "Rollouts", "Searching", "make_trainer", "train"]

Evaluate = Callable[[PreTrainedModel, PreTrainedTokenizerBase], Mapping[str, float]]
Rewards = tuple[Sequence[Callable[..., list]], Sequence[float]]  # functions as TRL calls them, and their weights

# Arguments of TRL that `GRPOConfig` sets itself or our rollouts do not support: refused in `trainer_args`
_OWNED = {
    "max_steps", "per_device_train_batch_size", "num_generations", "generation_batch_size", "steps_per_generation",
    "gradient_accumulation_steps", "max_completion_length", "temperature", "top_p", "top_k", "min_p", "beta", "bf16",
    "repetition_penalty", "generation_kwargs", "use_vllm", "use_transformers_continuous_batching", "reward_weights",
    "learning_rate", "seed", "data_seed", "output_dir", "shuffle_dataset", "save_steps", "entropy_coef",
    "use_adaptive_entropy", "top_entropy_quantile",
}  # fmt: skip
_BY_TOKEN = ("dapo", "grpo", "bnpo", "dr_grpo", "cispo", "sapo")  # losses in which every token has an advantage
_RESERVED = {"prompt", "prompts", "completion", "completions", "completion_ids", "trainer_state"}


@accept_former(kl="beta")
@dataclass(frozen=True)
class GRPOConfig:
    """How to train; `rollouts` are what is sampled at every step."""

    checkpoint: str = ""  # folder or hub id of the policy to start from, which is the reference too
    rollouts: Rollouts = field(default_factory=Rollouts)
    steps: int = 50  # optimiser steps
    mini_batch: int = 16  # completions in one forward and backward pass; gradients of a step are accumulated
    learning_rate: float = 1e-5  # AdamW's; about 2e-6 for a pretrained checkpoint, ten times that for adapters
    lora_rank: int = 0  # of adapters on all inner matrices; 0 = all weights
    beta: float = 0.0  # weight of the KL divergence from the start; above 0 a reference model is kept
    momentum: float = 0.0  # highest momentum of the reward's baseline: 0 is plain GRPO, 0.2 the published run
    credit: str = "answer"  # all its tokens have its advantage; "line": see `training.token_credit`
    skip_equal: bool = True  # leave out groups of equal rewards
    evaluate_every: int = 10  # steps between held-out evaluations and saved states, 0 = only at the end
    patience: int = 0  # evaluations without a better accuracy before stopping, the best being kept; 0 = never stop
    precision: str = "auto"  # "auto" (bf16 where the hardware computes in it), "bf16", "fp32"
    seed: int = 0
    trainer_args: Mapping[str, Any] = field(default_factory=dict)  # passed to TRL's GRPOConfig as they are

    def __post_init__(self) -> None:
        require_text("checkpoint", self.checkpoint, "the folder or hub id of a trained policy, since rewards teach "
                     "nothing to one that earns none yet")  # fmt: skip
        for name, least in (("steps", 1), ("mini_batch", 1), ("evaluate_every", 0), ("patience", 0),
                            ("lora_rank", 0)):  # fmt: skip
            require(name, getattr(self, name), int, least)
        if self.rollouts.completions % self.mini_batch:
            known = _list_divisors(self.rollouts.completions)
            raise ValueError(f"mini_batch must divide the {self.rollouts.problems} x {self.rollouts.num_generations} "
                             f"completions of a step (one of {known}), got {self.mini_batch}")  # fmt: skip
        if self.lora_rank and (self.rollouts.backend != "transformers" or self.rollouts.device):
            raise ValueError("rollouts must come from the weights that train with a lora_rank (backend 'transformers', "
                             f"no device), got {self.rollouts.backend!r}, {self.rollouts.device!r}")  # fmt: skip
        require("learning_rate", self.learning_rate, float, 0, above=True, below=True)
        require("beta", self.beta, float, 0, below=True)
        require("momentum", self.momentum, float, 0, 1, below=True)
        if self.patience and not self.evaluate_every:
            raise ValueError(f"patience {self.patience} with evaluate_every 0: stopping needs evaluations on the way")
        require_one_of("precision", self.precision, PRECISIONS)
        for name in sorted(_OWNED.intersection(self.trainer_args)):
            raise ValueError(f"trainer_args {name!r}: a field of GRPOConfig or of its rollouts decides this, or our "
                             "generation and scoring do not do it")  # fmt: skip
        for name in sorted(set(self.trainer_args) - {known.name for known in fields(TRLConfig)}):
            raise ValueError(f"trainer_args {name!r}: no field of TRL's GRPOConfig")
        require_one_of("credit", self.credit, CREDITS)
        self._check_search()
        if self.rollouts.top_p < 1 and self.trainer_args.get("num_iterations", 1) > 1:
            raise ValueError(f"trainer_args 'num_iterations' must be 1 with top_p {self.rollouts.top_p}, for a later "
                             "iteration no longer knows the nucleus that was sampled from")  # fmt: skip

    def _check_search(self) -> None:
        """ValueError for trainer_args with which searched members cannot enter the loss as configured."""
        enter = self.rollouts.search.enter if self.rollouts.search.share else "as_is"
        needed = {"loss_type": _BY_TOKEN} if enter != "as_is" or self.credit == "line" else {}
        if enter == "supervised":
            needed |= {"scale_rewards": ("group",), "multi_objective_aggregation": ("sum_then_normalize",)}
        for name, options in needed.items():
            value = self.trainer_args.get(name, options[0])
            if value not in options:
                how = f"searched members that enter {enter}" if enter != "as_is" else "credit 'line'"
                raise ValueError(f"trainer_args {name!r} must be {' or '.join(options)} with {how}, got {value!r}")


def _list_divisors(number: int) -> str:
    return ", ".join(str(n) for n in range(1, number + 1) if number % n == 0)


def train(
    config: GRPOConfig, problems: Sequence[Problem], rewards: Rewards, output: Path | str,
    evaluate: Evaluate | None = None, show: Callable[[pd.DataFrame], None] | None = None, *, keep_every: int = 0,
    report_to: str = "none", locate: Locate | None = None,
) -> Path:  # fmt: skip
    """Train on problems and write a checkpoint with its curve (`training.parquet`) to `output`.

    Every pass goes through all problems once, in an order that the seed decides. The curve holds a row a step: `loss`
    (minus the mean advantage of a token, which says little), `reward`, `reward/<name>`, `tokens` (mean of a
    completion), `unfinished` (share of completions without an end), `equal_groups` (share of groups whose completions
    all earned the same), `entropy`, `kl`, `seconds`, `sampled_tokens` and `prompt_tokens` (of all steps so far),
    `mismatch` (largest difference between log-probabilities of sampler and trainer), and what
    `evaluate(model, tokenizer)` returned, the first time before the first step.

    A run that was killed goes on as in `sft.train`, nothing counted twice. With `patience` the weights of the best
    evaluated step are what is returned.

    Args:
        rewards: functions as TRL calls them (see `game24lab.tasks.rewards.make_reward_functions`), and one weight each.
        keep_every: above 0, every so many steps the weights and what they sample are kept in `output/steps`.
        locate: where completions first go wrong, for the credit "line" (see `game24lab.tasks.rewards.make_locator`).
        report_to: a tracker that the curve goes to besides, see `training.trackers`.

    Raises ValueError for unusable problems, rewards or arguments, FloatingPointError where numbers cease to be finite.
    A reward that raises, or does not return a number (or None) for each completion, is a ValueError that names it; what
    was learnt before is kept, and the same call with a mended reward goes on from there.
    """
    output, made = Path(output), []

    def make() -> Trainer:
        require("keep_every", keep_every, int, 0)
        keep = Keep(keep_every, output) if keep_every else None
        made.append(make_trainer(config, problems, rewards, output, evaluate, keep, locate))
        return made[0]

    try:
        return train_once(config, output, make, show, report_to)
    except RewardError as error:
        raise ValueError(f"{error}; {_rescue(made[0], output)}") from error


def make_trainer(
    config: GRPOConfig, problems: Sequence[Problem], rewards: Rewards, output: Path, evaluate: Evaluate | None = None,
    keep: Keep | None = None, locate: Locate | None = None,
) -> Trainer:  # fmt: skip
    """The trainer, ready to start. ValueError as in `train`."""
    functions, weights = _check_rewards(rewards)
    functions = [guard(function) for function in functions]
    if config.patience and evaluate is None:
        raise ValueError(f"patience must be 0 without an evaluation, got {config.patience}")
    if config.credit == "line" and locate is None:
        raise ValueError("credit must be 'answer' without `locate`, which finds the first wrong line, got 'line'")
    rows = _arrange(len(_check_problems(problems)), config.steps * config.rollouts.problems, config.seed)
    data = {"prompt": [problems[row].prompt for row in rows]}
    data |= {name: [problems[row].columns[name] for row in rows] for name in problems[0].columns}
    refuse_shards("GRPO", "which sample answers by them")
    arguments = _make_arguments(config, output, weights)
    torch.manual_seed(config.seed)
    model, tokenizer = load_trainable(config.checkpoint)
    make_ready(model, bf16=arguments.bf16)
    reference, plain = None, model
    if config.lora_rank:  # the model without them is the reference
        model = adapt(model, config.lora_rank)
    elif config.beta:
        second = count_processes() == 1 and torch.cuda.device_count() > 1
        reference = copy.deepcopy(model).eval().requires_grad_(False).to("cuda:1" if second else arguments.device)
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # or the model would be copied to all of them
    callbacks = []
    if evaluate is not None:
        watch = Watch(lambda _: evaluate(plain, tokenizer), config.evaluate_every, config.patience, output)
        callbacks.append(watch)
    if keep is not None:
        callbacks.append(keep)
    optimizer = make_optimizer(model, config.learning_rate, weight_decay=0.0)
    trainer = Trainer(
        config.rollouts, reference=reference, beta=config.beta, momentum=config.momentum, skip_equal=config.skip_equal,
        keep=keep, locate=locate if config.credit == "line" else None,
        model=model, reward_funcs=functions, args=arguments, callbacks=callbacks, processing_class=tokenizer,
        train_dataset=Dataset.from_dict(data), optimizers=(optimizer, None),
    )  # fmt: skip
    if keep is not None:
        keep.trainer = trainer
    return trainer


def _rescue(trainer: Trainer, output: Path) -> str:
    """Save a resume point after a reward has failed, where one process trains alone, and say where it is."""
    if trainer.state.global_step and count_processes() == 1:
        trainer._save_checkpoint(trainer.model, trial=None)
    point = find_resume_point(output)
    return f"what was learnt before is kept in {point}" if point else "nothing had been learnt yet"


def _arrange(count: int, length: int, seed: int) -> list[int]:
    """`length` indices below `count`: pass after pass through all of them, each in an order of its own."""
    rng, order = random.Random(f"problems {seed}"), []
    while len(order) < length:
        order += rng.sample(range(count), count)
    return order[:length]


def _check_problems(problems: Sequence[Problem]) -> Sequence[Problem]:
    if not problems:
        raise ValueError("problems must hold at least one, got none")
    names = set(problems[0].columns)
    for index, problem in enumerate(problems):
        if not isinstance(problem.prompt, str) or not problem.prompt:
            raise ValueError(f"prompt of problem {index} must be a text, got {problem.prompt!r}")
        if set(problem.columns) != names or names & _RESERVED:
            raise ValueError(f"problems must have the same columns, none of {', '.join(sorted(_RESERVED))}, got "
                             f"{', '.join(problem.columns)} in problem {index}")  # fmt: skip
    return problems


def _check_rewards(rewards: Rewards) -> tuple[list[Callable[..., list]], list[float]]:
    functions, weights = (list(part) for part in rewards)
    if not functions or len(functions) != len(weights):
        raise ValueError(f"rewards must have a weight each, got {len(functions)} functions and {len(weights)} weights")
    for function, weight in zip(functions, weights, strict=True):
        require(f"weight of reward {getattr(function, '__name__', function)!r}", weight, float, 0, below=True)
    if not any(weights):
        raise ValueError(f"weights must have at least one above 0, got {weights}")
    return functions, weights


def _make_arguments(config: GRPOConfig, output: Path, weights: Sequence[float]) -> TRLConfig:
    rollouts, processes = config.rollouts, count_processes()
    parts, rest = divmod(rollouts.completions, config.mini_batch * processes)
    if rest:
        raise ValueError(f"mini_batch x {processes} processes must divide the {rollouts.completions} completions of a "
                         f"step, got {config.mini_batch}")  # fmt: skip
    bf16 = pick_precision(config.precision) == "bf16"
    common = common_arguments(output, config.steps, config.mini_batch * processes, config.seed, bf16,
                              save_every=config.evaluate_every or config.steps)  # fmt: skip
    own = {
        "steps_per_generation": parts,
        "gradient_accumulation_steps": parts,
        "num_generations": rollouts.num_generations,
        "max_completion_length": rollouts.max_completion_length,
        "temperature": float(rollouts.temperature),
        "top_p": float(rollouts.top_p),
        "top_k": 0,
        "beta": 0.0,  # the reference is ours, see make_trainer
        "learning_rate": config.learning_rate,
        "reward_weights": list(weights),
        "shuffle_dataset": False,  # the order is decided here, and does not change when a run is resumed
        "activation_checkpointing": False,
        "disable_dropout": True,  # or what is computed would not be the distribution that was sampled from
        "router_aux_loss_coef": 0.0,
        "warmup_steps": 0,  # a first step at learning rate 0 would throw its rollouts away
    }
    common.pop("train_sampling_strategy", None)
    return TRLConfig(**{**common, **own, **config.trainer_args})
