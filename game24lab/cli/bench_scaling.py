"""How the time and the memory of many searches at once grow with their number and with their length.

Every size is measured in a process of its own, so that its peak of memory is its own. It does not know the stock way;
that is `game24lab.cli.bench`.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from game24lab.models.checkpoints import find_pretrained
from game24lab.models.critic import load_critic
from game24lab.models.load_policy import load_policy
from game24lab.search import engine
from game24lab.search.mcts import mcts
from game24lab.tasks.numbers.splits import make_split
from game24lab.tasks.numbers.task import Game24
from game24lab.views.charts.critics import draw_growth
from game24lab.views.charts.svg import save

SIZES = (*((count, 16) for count in (23, 45, 90, 181, 362)), *((90, draws) for draws in (4, 8, 32, 64)))


def measure_growth(sizes: Sequence[tuple[int, int]] = SIZES) -> pd.DataFrame:
    """MCTS (the whole budget, by the rules) on so many of ranks 1001-1362 at once, so many draws each; one row a size.

    Columns: `puzzles`, `simulations`, `sampled_tokens`, `seconds`, `model_seconds` (within calls of policy and critic),
    `overhead` (the share of the rest), `memory` (MB, the peak beyond that of one small search, trees included).
    Policy and critic are those that ship.
    """
    rows = []
    for puzzles, simulations in tqdm(sizes, desc="growth", unit="size"):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            rows.append(pool.submit(_measure, puzzles, simulations).result())
    return pd.DataFrame(rows)


def _measure(puzzles: int, simulations: int) -> dict[str, Any]:
    models = load_policy(find_pretrained("policy")), load_critic(find_pretrained("critic"))
    held_out = make_split("tsllm").held_out
    problems = [held_out[index * len(held_out) // puzzles] for index in range(puzzles)]

    def search(chosen: Sequence[Any], totals: engine.Totals) -> list:
        return engine.run(Game24(), chosen, mcts, *models, parameters={"simulations": simulations}, mode="rules",
                          concurrent=len(chosen), totals=totals)  # fmt: skip

    search(problems[:1], engine.Totals())  # what is loaded and allocated once
    before, totals, start = _find_peak(), engine.Totals(), time.perf_counter()
    outcomes = search(problems, totals)
    seconds = time.perf_counter() - start
    inside = totals.forwarded.seconds
    return {"puzzles": puzzles, "simulations": simulations,
            "sampled_tokens": sum(outcome.cost.sampled_tokens for outcome in outcomes), "seconds": seconds,
            "model_seconds": inside, "overhead": 1 - inside / seconds, "memory": _find_peak() - before}  # fmt: skip


def _find_peak() -> float:
    """The most memory that this process has held so far, in MB."""
    import resource  # not on Windows

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def write_growth(folder: str | Path = "runs/bench") -> Path:
    """Measure, print the table, and write it as `growth.parquet` and drawn as `growth.svg`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = measure_growth()
    table.to_parquet(folder / "growth.parquet", index=False)
    drawn = save(draw_growth(table), folder / "growth.svg")
    shown = table.assign(overhead=(100 * table["overhead"]).map("{:.0f} %".format))
    print(shown.to_string(index=False, float_format="{:.1f}".format))
    print(f"figure: {drawn}")
    return drawn
