"""Run folders as a demo leaves them, made without any model: for tests of reports. Nothing in them was measured."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from demo_trees import grow_tree

from game24lab.evaluation.arms import Arm
from game24lab.evaluation.evaluate import COLUMNS
from game24lab.runs.run import start_run

ARMS = {  # chance that a problem is solved, sampled tokens, critic tokens
    "greedy": (Arm("greedy"), 0.40, 37, 0),
    "best-of-64": (Arm("best_of_n", {"n": 64}), 0.98, 690, 0),
    "best-of-64-critic": (Arm("best_of_n", {"n": 64}, "rules"), 0.78, 2380, 900),
    "mcts-200": (Arm("mcts", {"simulations": 200}), 0.985, 340, 820),
    "mcts-50-critic": (Arm("mcts", {"simulations": 50}, "rules"), 0.72, 400, 900),
    "mcts-200-critic": (Arm("mcts", {"simulations": 200}, "rules"), 0.84, 910, 2200),
}


def make_rows(problems: int = 100, seeds: int = 1, arms: dict[str, Any] = ARMS) -> pd.DataFrame:
    """Rows of an evaluation."""
    rng, rows = random.Random(1), []
    for name, (arm, chance, tokens, critic) in arms.items():
        for seed in range(seeds):
            for place in range(problems):
                solved, spread = rng.random() < chance, rng.lognormvariate(-0.2, 0.6)
                sampling = arm.algorithm == "best_of_n"
                correct = min(64, int(64 * rng.betavariate(0.8, 1.7))) if sampling else int(solved)
                row = dict.fromkeys(COLUMNS, 0) | {
                    "problem": f"{1 + place % 9} {2 + place // 9} 7 13", "strategy": name, "algorithm": arm.algorithm,
                    "parameters": arm.describe(), "mode": arm.mode, "seed": seed, "solved": solved,
                    "outcome": "solved" if solved else rng.choice(["wrong value", "wrong value", "illegal"]),
                    "answer": "", "candidates": 64 if sampling else 1, "correct": max(correct, int(solved)),
                    "stopped": "done", "prompt_tokens": int(tokens * spread / 3),
                    "sampled_tokens": int(tokens * spread),
                    "critic_tokens": int(critic * spread), "critic_calls": int(critic > 0), "backend": "ctranslate2",
                    "policy_parameters": 1_180_000, "critic_parameters": 1_180_000, "rank": 901 + place, "split": "tot",
                    "run_id": "",
                }  # fmt: skip
                rows.append(row)
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in COLUMNS.items()})


def make_training(steps: int = 3000) -> pd.DataFrame:
    """The log of a supervised training."""
    rng, step = np.random.default_rng(0), np.arange(0, steps + 1, 20)
    log = pd.DataFrame({"step": step, "loss": 0.5 + 2 * np.exp(-step / 300) + rng.normal(0, 0.015, len(step))})
    measured = step % 300 == 0
    log["learning_rate"] = 1e-3 * (1 - step / steps)
    log["accuracy"] = np.where(measured, np.round(0.42 * (1 - np.exp(-step / 900)), 2), np.nan)
    log["problems"] = np.where(measured, 100, np.nan)
    return log


def make_calibration(positions: int = 2000) -> pd.DataFrame:
    """What a critic says of positions, beside the truth."""
    rng = np.random.default_rng(0)
    truth = rng.random(positions) < 0.4
    chance = np.where(truth, rng.beta(3, 1.5, positions), rng.beta(1, 5, positions))
    solved = np.where(truth, rng.beta(3, 2, positions), 0)
    return pd.DataFrame({"value": 2 * chance - 1, "truth": truth, "solved": solved})


def make_runs(folder: Path, rows: pd.DataFrame | None = None) -> list[Path]:
    """Three finished runs as a demo makes them: policy, critic, search."""
    with start_run(folder / "03_sft", "03_sft", {"size": "tiny", "steps": 3000, "lr": 1e-3, "seed": 0}) as run:
        run.write_records(make_training(), "training")
    parameters = {"policy": str(folder / "03_sft"), "rollouts": 8, "seed": 0}
    with start_run(folder / "04_critic", "04_critic", parameters) as run:
        run.write_records(make_training()[["step", "loss"]], "training")
        run.write_records(make_calibration(), "calibration")
    with start_run(folder / "05_search", "05_search", {"split": "tot", "arms": list(ARMS), "seed": 0}) as run:
        run.write_records(make_rows() if rows is None else rows)
        tree = grow_tree(nodes=60)
        text = tree.to_json()
        run.path("tree.json").write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return [folder / name for name in ("03_sft", "04_critic", "05_search")]
