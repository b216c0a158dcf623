"""Trains a grid: for each size and seed a trunk at a constant learning rate, and a branch that cools down a budget.

Each checkpoint is a cell. A cell that fails is named and missing, the others go on; a killed grid goes on where it was.
This module does not know what cells are measured for.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm
from transformers import AutoConfig, AutoTokenizer, PrinterCallback, TrainerCallback

from game24lab.models.checkpoints import be_quiet
from game24lab.models.locations import check_location
from game24lab.models.sizes import read_size
from game24lab.models.tokenizer import make_tokenizer
from game24lab.runs.checks import require
from game24lab.scaling.design import Trunk, estimate, is_checkpoint, lay_out
from game24lab.scaling.flops import Shape, count_training, make_shape, read_shape
from game24lab.tasks.environments import open_environment
from game24lab.training.branches import POINTS, find_point
from game24lab.training.clock import read_cost
from game24lab.training.loop import arrange
from game24lab.training.sft import SFTConfig, make_trainer, tokenize, train

RATE_WIDTH = 96  # the width that a matrix learning rate is said for
CELLS = ("cell", "size", "seed", "steps", "budget", "tokens", "parameters", "flops", "seconds", "checkpoint", "failed")


@dataclass(frozen=True, eq=False)
class Texts:
    """What all cells learn from, with the lengths that its cost depends on."""

    samples: Sequence[Any]
    lengths: np.ndarray  # tokens of each
    learnt: np.ndarray  # of these, tokens that are learnt

    @property
    def length(self) -> float:
        """Mean tokens of a text."""
        return float(self.lengths.mean())

    @property
    def share(self) -> float:
        """Share of the tokens that are learnt."""
        return float(self.learnt.sum() / self.lengths.sum())


def measure_texts(samples: Sequence[Any], vocabulary: str, sizes: Sequence[str] = ()) -> Texts:
    """Texts with their lengths under a vocabulary, or under the tokenizer of the checkpoints among the sizes.

    ValueError for sizes of both kinds, and for checkpoints whose tokenizers differ: their tokens would not compare.
    """
    tokenizers = [load_tokenizer(size) for size in sizes if is_checkpoint(size)]
    if tokenizers and len(tokenizers) < len(sizes):
        raise ValueError(f"sizes must be models from scratch or checkpoints, got both: {', '.join(sizes)}")
    if any(one.get_vocab() != tokenizers[0].get_vocab() for one in tokenizers[1:]):
        raise ValueError(f"sizes must share one tokenizer, whose tokens are counted, got several: {', '.join(sizes)}")
    rows = tokenize(samples, tokenizers[0] if tokenizers else make_tokenizer(vocabulary))
    learnt = [sum(label != -100 for label in labels) for labels in rows["labels"]]
    return Texts(samples, np.array(rows["length"]), np.array(learnt))


def load_tokenizer(checkpoint: str) -> Any:
    """The tokenizer of a checkpoint."""
    check_location(checkpoint)
    return AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)


def read_shapes(sizes: Sequence[str], vocabulary: str) -> dict[str, Shape]:
    """The shapes of sizes, checkpoints among them, by size."""
    count = len(make_tokenizer(vocabulary))
    return {size: read_shape(AutoConfig.from_pretrained(size, trust_remote_code=False).to_dict())
            if is_checkpoint(size) else make_shape(size, count) for size in sizes}  # fmt: skip


def name_size(size: str) -> str:
    """A size as a part of a file's name."""
    return re.sub(r"[^\w.-]+", "_", size)


def plan(
    texts: Texts, sizes: Sequence[str], tokens: Sequence[float], seeds: Any, config: SFTConfig
) -> list[Trunk]:
    """The grid for these texts and batches, see `design.lay_out`."""
    require("batch_size", config.batch_size, int, 1)
    return lay_out(sizes, tokens, seeds, config.batch_size * texts.length)


def train_ladder(
    trunks: Sequence[Trunk], texts: Texts, config: SFTConfig, folder: Path, *, rate_power: float = 0.0,
    say: Callable[[str], None] = print,
) -> pd.DataFrame:  # fmt: skip
    """Train all cells below `folder` and list them: a row each, `CELLS`.

    config: what all cells share; size, seed, steps and schedule are theirs, and their matrix learning rate with Muon is
    that of `scale_rate`. `tokens` and `flops` are exact, without padding, of the branch and of its share of the trunk;
    `seconds` likewise. `failed`: why there is no checkpoint, "" where there is one.
    """
    rows, shapes = [], read_shapes([trunk.size for trunk in trunks], config.vocabulary)
    with tqdm(total=sum(1 + len(trunk.branches) for trunk in trunks), desc="trainings", unit="training",
              dynamic_ncols=True) as bar:  # fmt: skip
        for trunk in trunks:
            rows += _train_trunk(trunk, texts, config, folder, shapes[trunk.size], rate_power, say, bar)
    return pd.DataFrame(rows, columns=list(CELLS))


def _train_trunk(
    trunk: Trunk, texts: Texts, config: SFTConfig, folder: Path, shape: Shape, rate_power: float,
    say: Callable[[str], None], bar: tqdm,
) -> list[dict[str, Any]]:  # fmt: skip
    """A trunk and its branches: a row of `CELLS` for each of these."""
    home, most, rows = folder / f"{name_size(trunk.size)}-{trunk.seed}", max(trunk.steps), []
    power = rate_power if config.optimizer == "muon" else 0.0  # AdamW has no matrix learning rate
    rate = scale_rate(config.matrix_learning_rate, trunk.size, power)
    own = _start_from(config, trunk.size, seed=trunk.seed, steps=most, horizon=most, matrix_learning_rate=rate)
    failed = ""
    try:
        base = dataclasses.replace(own, steps=trunk.length, schedule="constant")
        _train(base, texts, home / "trunk", keep=set(trunk.branches.values()))
    except FloatingPointError as error:
        failed = " ".join(str(error).split())
    bar.update(1)
    for steps, begin in trunk.branches.items():
        row = _describe(trunk, steps, texts, own, shape) | {"failed": failed}
        if not failed:
            branch = dataclasses.replace(own, steps=steps, schedule="wsd")
            try:
                point = find_point(home / "trunk", begin)
                row["checkpoint"] = str(_train(branch, texts, home / str(steps), begin=point))
                row["seconds"] = _share_seconds(home, steps, begin, trunk.length)
            except FloatingPointError as error:
                row["failed"] = " ".join(str(error).split())
        if row["failed"]:
            say(f"cell {row['cell']} failed, the others go on: {row['failed']}")
        rows.append(row)
        bar.update(1)
    if not any(row["failed"] for row in rows):
        shutil.rmtree(home / "trunk" / POINTS, ignore_errors=True)  # no branch needs them any more
    return rows


def scale_rate(rate: float, size: str, power: float) -> float:
    """The matrix learning rate of a size: `rate` for a width of 96, times (96 / width) ** power for others.

    ValueError for a checkpoint with a power other than 0: its width is not in its name.
    """
    if power and is_checkpoint(size):
        raise ValueError(f"rate_power must be 0 for checkpoints, got {power} for {size}")
    return rate * (RATE_WIDTH / read_size(size)["width"]) ** power if power else rate


def _train(config: SFTConfig, texts: Texts, output: Path, **options: Any) -> Path:
    with be_quiet():  # of a resume point that it is another training's, and holds tied weights once
        return train(config, texts.samples, output, **options)


def measure_pace(trunks: Sequence[Trunk], texts: Texts, config: SFTConfig, steps: int = 4) -> dict[str, float]:
    """Tokens a second of each size, by a few real steps on this machine; the first, which warms up, is left out."""
    paces = {}
    for size in dict.fromkeys(trunk.size for trunk in trunks):
        with tempfile.TemporaryDirectory() as folder:
            silent = {**config.trainer_args, "logging_strategy": "no", "save_strategy": "no", "disable_tqdm": True}
            own = _start_from(config, size, steps=steps, trainer_args=silent)
            trainer = make_trainer(own, texts.samples[: steps * config.batch_size], Path(folder))
            clock = _Steps()
            trainer.add_callback(clock)
            trainer.remove_callback(PrinterCallback)
            trainer.train()
        paces[size] = config.batch_size * texts.length * (steps - 1) / (clock.ends[-1] - clock.ends[0])
    return paces


def estimate_training(cells: Mapping[str, Mapping[str, Any]], sample: int = 500) -> dict[str, float]:
    """FLOPs of training for runs of 11_scaling, by name, from their parameters; ValueError for grids that cannot be.

    Lengths are those of a small sample of texts over few numbers; a run that trains nothing has no FLOPs.
    """
    known: dict[tuple, Texts] = {}
    found = {}
    for name, one in cells.items():
        key = one["task"], one["split"], one["opening_share"], *filter(is_checkpoint, one["sizes"])
        if key not in known:
            environment = open_environment(one["task"], split=one["split"], held_out=1)
            samples = environment.sft_samples(sample, iter, highest=13, opening_share=one["opening_share"])
            known[key] = measure_texts(samples, environment.vocabulary, one["sizes"])
        vocabulary = open_environment(one["task"], split=one["split"], held_out=1).vocabulary
        config = SFTConfig(vocabulary=vocabulary, batch_size=one["batch_size"], optimizer=one["optimizer"])
        seeds = {size: range(one["more_seeds"].get(size, one["seeds"])) for size in one["sizes"]}
        trunks = [] if one["cells"] else plan(known[key], one["sizes"], one["tokens"], seeds, config)
        table = estimate(trunks, read_shapes(one["sizes"], vocabulary), config.batch_size * known[key].length,
                         known[key].length, learnt=known[key].share, muon=config.optimizer == "muon")  # fmt: skip
        found[name] = float(table["flops"].sum()) if trunks else 0.0
    return found


class _Steps(TrainerCallback):
    """When each step has ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *arguments: Any, **kwargs: Any) -> None:
        self.ends.append(time.perf_counter())


def _start_from(config: SFTConfig, size: str, **changes: Any) -> SFTConfig:
    start = {"checkpoint": size} if is_checkpoint(size) else {"size": size}
    return dataclasses.replace(config, **start, **changes)


def _describe(trunk: Trunk, steps: int, texts: Texts, config: SFTConfig, shape: Shape) -> dict[str, Any]:
    """A cell that is not trained yet: what it will have learnt from and what that costs."""
    order = np.array(arrange(texts.lengths.tolist(), config.batch_size, config.horizon, trunk.seed))
    order = order[: steps * config.batch_size]
    flops = count_training(shape, texts.lengths[order], texts.learnt[order],
                           steps if config.optimizer == "muon" else 0)  # fmt: skip
    return {"cell": f"{name_size(trunk.size)}-{trunk.seed}-{steps}",
            "size": trunk.size, "seed": trunk.seed, "steps": steps,
            "budget": trunk.tokens[trunk.steps.index(steps)], "tokens": int(texts.lengths[order].sum()),
            "parameters": shape.matrices, "flops": flops,
            "seconds": np.nan, "checkpoint": "", "failed": ""}  # fmt: skip


def _share_seconds(home: Path, steps: int, begin: int, length: int) -> float:
    """Seconds of a branch with its part of the trunk's."""
    trunk, branch = (read_cost(home / name / "checkpoint") for name in ("trunk", str(steps)))
    return branch["training_seconds"] + trunk["training_seconds"] * begin / length
