"""Run folders as 03_sft, 06_grpo and 07_dpo leave them, made without any model: for tests of reports.

Answers are real chains of real searches, some of them damaged; nothing in them was measured.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
from scripted_policy import ScriptedPolicy

from game24lab.evaluation.chains import grade
from game24lab.runs.run import start_run
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.chains import write_chain
from game24lab.tasks.numbers.rankings import TOT_RANKS, list_published
from game24lab.tasks.numbers.search_traces import search_in_order
from game24lab.tasks.numbers.task import Game24

GAME = open_environment("game24", held_out=1)
PUZZLES = list_published(*TOT_RANKS)[:40]
BUDGET = 1500  # words, here


def write_answer(puzzle, style, skill, rng):
    """A chain that is right with the chance `skill`, else one that goes in circles, or wrong in one of several ways."""
    chain = write_chain(puzzle, search_in_order(puzzle, rng, keep=rng.random() * 0.7), style)
    if rng.random() < skill:
        return chain
    lines = chain.splitlines(keepends=True)
    if rng.random() < 0.6:
        return "".join(lines[:1] * 400)  # goes in circles until it is cut
    if rng.random() < 0.5:
        lines[len(lines) // 2] = lines[len(lines) // 2].replace("= ", "= 1", 1)  # a wrong line on the way
    lines[-1] = lines[-1].replace("+", "-").replace("*", "+")
    return "".join(lines)


def make_policy(puzzles, style, skill, seed, samples=1):
    """A policy that has its answers written down."""
    rng = random.Random(f"{style} {seed}")
    texts = {Game24().prompt(p): [write_answer(p, style, skill, rng) for _ in range(samples)] for p in puzzles}
    return ScriptedPolicy(texts, parameters=755_000)


def add_grades(run, stage, style="sound", skill=0.8, seed=0, model="", samples=1, puzzles=PUZZLES, budget=BUDGET):
    """The rows of one stage, written to the run's folder."""
    policy = make_policy(puzzles, style, skill, f"{run.name} {stage} {seed}", samples)
    return grade(GAME, policy, puzzles, budget=budget, samples=samples, temperature=0.7 if samples > 1 else 0.0,
                 seed=seed, stage=stage, model=model, path=run.path("grades.parquet"), progress=False)  # fmt: skip


def make_sft_run(folder: Path, label: str, style: str, skill: float, *, samples=1, seed=0, **more):
    """A finished run of 03_sft on traces."""
    with start_run(folder, "03_sft", {"traces": "runs/02_traces", "label": label, "steps": 300, "seed": seed}) as run:
        step = np.arange(1, 301, 10)
        log = pd.DataFrame({"step": step, "loss": 0.1 + 1.5 * np.exp(-step / 60), "num_tokens": step * 8192})
        log["accuracy"] = np.where(step % 100 == 91, skill * (1 - np.exp(-step / 90)), np.nan)
        run.write_records(log.assign(problems=np.where(log["accuracy"].notna(), 40, np.nan)), "training")
        add_grades(run, "end", style, skill, seed, label, **more)
        if samples > 1:
            add_grades(run, "samples", style, skill, seed, label, samples, **more)
        parts = [{"style": style, "bucket": bucket, "weight": 0.5, "samples": 2000, "tokens_mean": 211.5,
                  "lines_mean": 17.2, "rollback_share": 0.21} for bucket in ("short", "long")]  # fmt: skip
        data = {"styles": [style], "buckets": ["short", "long"], "samples": 4000, "parts": parts}
        run.path("data.json").write_text(json.dumps(data))
        run.finish(training_cpu_seconds=3100.0, training_seconds=1700.0)
    return folder


def make_rl_run(folder: Path, name: str, model: str, start: float, end: float, *, seed=0, sampled=900_000,
                policy="runs/03_sft/checkpoint"):  # fmt: skip
    """A finished run of 06_grpo or 07_dpo."""
    with start_run(folder, name, {"policy": policy, "seed": seed}) as run:
        rng, step = np.random.default_rng(seed), np.arange(1, 51)
        log = pd.DataFrame({"step": step, "loss": rng.normal(0, 0.02, 50)})
        if name == "06_grpo":
            rising = 1 - np.exp(-step / 15)
            log["reward"] = 0.5 + 0.3 * rising + rng.normal(0, 0.02, 50)
            names = ("reward/{}", "tokens", "unfinished", "equal_groups", "sampled_tokens")
            if seed == 1:  # as TRL calls them
                names = ("rewards/{}/mean", "completions/mean_length", "completions/clipped_ratio",
                         "frac_reward_zero_std", "num_tokens")  # fmt: skip
            for part in ("output", "process", "length"):
                log[names[0].format(part)] = 0.5 + 0.3 * rising + rng.normal(0, 0.03, 50)
            log["kl"] = 0.01 * rising
            log[list(names[1:])] = np.stack([300 - 60 * rising, 0.4 - 0.2 * rising, 0.2 + 0.3 * rising,
                                             step * (sampled // 50)], axis=1)  # fmt: skip
        log["accuracy"] = np.where(step % 10 == 0, start + (end - start) * step / 50, np.nan)
        run.write_records(log.assign(problems=np.where(log["accuracy"].notna(), 40, np.nan)), "training")
        add_grades(run, "start", "sound", start, 0, "SFT")
        add_grades(run, "end", "sound", end, seed, model)
        run.finish(sampled_tokens=sampled, training_cpu_seconds=900.0, training_seconds=800.0)
    return folder
