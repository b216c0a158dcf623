"""Run folders as 05_search and 04_critic leave them, searched with fake models: for tests of the report on searches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from fake_models import FakeCritic, FakePolicy

from game24lab.evaluation.arms import STRATEGIES
from game24lab.evaluation.evaluate import evaluate
from game24lab.evaluation.noise_study import find_widths, measure_gains, run_lab, tabulate
from game24lab.runs.run import start_run
from game24lab.tasks.numbers.rankings import TOT_RANKS, TSLLM_RANKS, list_published
from game24lab.tasks.numbers.task import Game24

EASY, HARD = list_published(*TOT_RANKS), list_published(*TSLLM_RANKS)
ARMS = {
    f"{name}{' by critic' * (mode == 'rules')}": {"algorithm": name, "mode": mode, "parameters": parameters}
    for name, parameters in (("greedy", {}), ("best_of_n", {"n": 8}), ("mcts", {"simulations": 20}))
    for mode in ("verified", "rules")
}
SWEEP = {
    f"mcts {parameter} {value}": {"algorithm": "mcts", "mode": "rules",
                                  "parameters": {"simulations": 12} | {parameter: value}}
    for parameter, values in (("simulations", (4, 12, 30)), ("width", (1, 4)), ("c_init", (0.2, 5.0)))
    for value in values
}  # fmt: skip


def search(folder: Path, arms=ARMS, problems=(*EASY[:12], *HARD[:12]), *, seed=0, seeds=1) -> Path:
    """A finished run of 05_search."""
    with start_run(folder, "05_search", {"split": "tot+tsllm", "critic": "", "seed": seed}) as run:
        evaluate(Game24(), problems, arms, FakePolicy(), FakeCritic(), seeds=range(seed, seed + seeds),
                 path=run.path("records.parquet"), split="tot+tsllm", run_id=run.id, progress=False)  # fmt: skip
    return folder


def strategies() -> dict[str, dict]:
    """An arm of every strategy and mode, at its defaults."""
    return {f"{name} {mode[0]}": {"algorithm": name, "mode": mode, "budget": {"sampled_tokens": 600}}
            for name in STRATEGIES for mode in ("verified", "rules")}  # fmt: skip


def judge(folder: Path) -> Path:
    """A finished run of 04_critic with a calibration, choices and a noise lab."""
    rng = np.random.default_rng(0)
    truth = rng.random(400) < 0.4
    value = np.where(truth, rng.beta(3, 1.5, 400), rng.beta(1, 4, 400)) * 2 - 1
    arms = {f"best_of_n {n}": {"algorithm": "best_of_n", "parameters": {"n": n}, "mode": "rules"} for n in (2, 8)}
    with start_run(folder, "04_critic", {"sigmas": [1.0], "seed": 0}) as run:
        rows = run_lab(Game24(), EASY[:10], arms, FakePolicy(), FakeCritic(), sigmas=[1.0], progress=False)
        judged = pd.DataFrame({"value": value, "truth": truth, "depth": 1 + np.arange(400) % 3})
        run.write_records(judged, "calibration")
        run.write_records(pd.DataFrame({"arm": ["any", "critic max"] * 2, "k": [1, 1, 4, 4], "problems": 10,
                                        "accuracy": [0.4, 0.4, 0.8, 0.6], "low": [0.2, 0.2, 0.5, 0.3],
                                        "high": [0.6, 0.6, 0.9, 0.8]}), "choices")  # fmt: skip
        run.write_records(tabulate(rows), "noiselab")
        run.write_records(measure_gains(rows), "gains")
        run.write_records(find_widths(rows, "n"), "widths")
        run.finish(sibling_auc=0.9)
    return folder
