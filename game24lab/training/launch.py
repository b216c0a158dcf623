"""One training job from files, for launchers that start several processes of it. They share every batch.

    torchrun --standalone --nproc_per_node 2 -m game24lab.training.launch sft job.yaml samples.jsonl runs/sft2
    ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 \
        -m game24lab.training.launch sft job.yaml ...

On GPUs `accelerate launch` with any configuration of its own will do (`params/accelerate`); on CPUs `accelerate launch
--cpu` silently starts one process, while these two commands start two. The job is YAML: fields of the trainer's
configuration, what differs from its defaults. The data are JSON lines: `prompt` and `completion` (and `ends`) for sft,
such as a file of traces; `prompt`, `chosen` and `rejected` (and `chosen_ends`, `rejected_ends`) for dpo; `text`,
`visits` and `solved` (how often a rollout came by, and ended well) for critic; `numbers` such as "4 5 6 10" for grpo,
or with `task: gsm8k` in its job `question` and `answer` as GSM8K has them. A job of grpo may hold `weights` of rewards
by name, too, and one of sft `keep` and `begin`, which trunks and branches need (`game24lab.training.branches`). The
output folder then holds `checkpoint` and `training.parquet`, as after the same training in a notebook; killed, the same
command goes on. This module does not know how anything is trained.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from game24lab.runs.checks import require_one_of
from game24lab.runs.notebook import read_overrides
from game24lab.runs.threads import wait_briefly
from game24lab.tasks.gsm8k.dataset import read_problems
from game24lab.tasks.gsm8k.problems import pose
from game24lab.tasks.gsm8k.rewards import REWARDS as WORD_REWARDS
from game24lab.tasks.gsm8k.task import INSTRUCTION, PLAIN, WordProblem, WordProblems
from game24lab.tasks.numbers.problems import make_problems
from game24lab.tasks.numbers.rewards import REWARDS
from game24lab.tasks.problems import Problem
from game24lab.tasks.rewards import make_reward_functions

_BOTH_END = {"chosen_ends": True, "rejected_ends": True}
# trainer -> its module, its configuration, the texts that a line of data must hold, what else it may hold
_TRAINERS = {
    "sft": ("game24lab.training.sft", "SFTConfig", ("prompt", "completion"), {"ends": True}),
    "dpo": ("game24lab.training.dpo", "DPOConfig", ("prompt", "chosen", "rejected"), _BOTH_END),
    "critic": ("game24lab.training.critic", "CriticConfig", ("text",), {"visits": 1, "solved": 0}),
    "grpo": ("game24lab.training.grpo", "GRPOConfig", ("numbers",), {}),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one process of a job: exit status 0, 2 for bad input, 1 where training stops at NaN."""
    parser = argparse.ArgumentParser("python -m game24lab.training.launch", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainer", choices=_TRAINERS)
    parser.add_argument("job", type=Path, help="YAML: fields of the trainer's configuration")
    parser.add_argument("data", type=Path, help="JSON lines to learn from")
    parser.add_argument("output", type=Path, help="folder for checkpoint and curve")
    options = parser.parse_args(arguments)
    wait_briefly()
    try:
        folder = train(options.trainer, options.job, options.data, options.output)
    except (ValueError, OSError, FloatingPointError) as error:
        if _is_first():
            print(f"game24lab.training.launch: {' '.join(str(error).split())}", file=sys.stderr)
        return 1 if isinstance(error, FloatingPointError) else 2
    if _is_first():
        print(folder)
    return 0


def train(trainer: str, job: Path, data: Path, output: Path) -> Path:
    """Train as the job says and return the checkpoint. ValueError for an unknown field or a damaged line of data."""
    module, name, needed, optional = _TRAINERS[trainer]
    values, more = read_overrides(job), {}
    task = values.pop("task", "game24") if trainer == "grpo" else "game24"
    require_one_of("task", task, ("game24", "gsm8k"))
    rows = read_problems(data) if task == "gsm8k" else read_rows(data, needed, optional)  # before heavy imports
    trainers: Any = importlib.import_module(module)
    work: list[Any] = [rows]
    if trainer == "critic":
        work = [importlib.import_module("pandas").DataFrame(rows, columns=[*needed, *optional])]
    if trainer == "sft":
        more = {name: values.pop(name) for name in ("keep", "begin") if name in values}
    if trainer == "grpo":
        posed = _pose(rows, values.get("checkpoint", "")) if task == "gsm8k" else make_problems(one for (one,) in rows)
        rewards = WORD_REWARDS if task == "gsm8k" else REWARDS
        work = [posed, make_reward_functions(rewards, values.pop("weights", None))]
        sampled = values.get("rollouts", {})
        if isinstance(sampled, dict) and "search" in sampled:
            sampled["search"] = _make_config(trainers.Searching, sampled["search"], f"{job}, search")
        values["rollouts"] = _make_config(trainers.Rollouts, sampled, f"{job}, rollouts")
    config = _make_config(getattr(trainers, name), values, str(job))
    loop = importlib.import_module("game24lab.training.loop")
    if _is_first():  # a launcher may have started fewer processes than was asked for
        print(f"game24lab.training.launch: {loop.count_processes()} at work", file=sys.stderr, flush=True)
    output.mkdir(parents=True, exist_ok=True)
    try:
        return trainers.train(config, *work, output, **more)
    finally:
        loop.leave()


def _pose(problems: Sequence[WordProblem], checkpoint: str) -> list[Problem]:
    """Word problems with the prompts that the notebooks give them: in a checkpoint's chat template where it has one."""
    chat = importlib.import_module("game24lab.models.tokenizer").read_chat(checkpoint)
    return pose(problems, WordProblems(problems, PLAIN if chat is None else INSTRUCTION, chat))


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _make_config(kind: type, values: Any, where: str) -> Any:
    fields = [field.name for field in dataclasses.fields(kind)]
    known = {*fields, *getattr(kind, "former", ())}
    unknown = [key for key in values if key not in known] if isinstance(values, dict) else [values]
    if unknown:
        raise ValueError(f"{where}: {unknown[0]!r} is no field of {kind.__name__}; it has {', '.join(fields)}")
    return kind(**values)


def read_rows(path: Path, needed: Sequence[str], optional: dict[str, Any]) -> list[tuple]:
    """The fields of each JSON line as a tuple, in that order. ValueError that names the line that is damaged."""
    rows = []
    with open(path, encoding="utf-8-sig") as lines:
        try:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    rows.append(_read_row(json.loads(line), needed, optional, f"{path}, line {number}"))
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"{path}, line {number}: must be one JSON object, got a damaged line ({error})") from None
        except UnicodeDecodeError:
            raise ValueError(f"{path}: must be JSON lines, got no text") from None
    if not rows:
        raise ValueError(f"{path}: must have at least one line, got none")
    return rows


def _read_row(row: Any, needed: Sequence[str], optional: dict[str, Any], where: str) -> tuple:
    missing = [key for key in needed if not isinstance(row, dict) or not isinstance(row.get(key), str)]
    if missing:
        raise ValueError(f"{where}: {missing[0]!r} is missing, or no text; {', '.join(needed)} are needed")
    wrong = [key for key, default in optional.items() if type(row.get(key, default)) is not type(default)]
    if wrong:
        raise ValueError(f"{where}: {wrong[0]} must be a {type(optional[wrong[0]]).__name__}, got {row[wrong[0]]!r}")
    return (*(row[key] for key in needed), *(row.get(key, default) for key, default in optional.items()))


if __name__ == "__main__":
    sys.exit(main())
