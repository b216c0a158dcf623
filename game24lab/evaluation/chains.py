"""Chains of thought: one answer of a policy is one attempt, judged exactly; then tables by token budget.

Long chains are blind by nature: nothing but the model, judged after it has answered. One generation at the largest
budget serves all smaller ones: an answer of t tokens is unfinished at a budget below t. The environment brings prompts
and judge. This module does not know how a policy samples, how it was trained, nor how a table is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from game24lab.evaluation.arms import Generation
from game24lab.evaluation.attempts import KEYS, load_table
from game24lab.evaluation.evaluate import evaluate
from game24lab.evaluation.statistics import bound_difference, bound_share, estimate_pass_at_k
from game24lab.runs.checks import require
from game24lab.runs.messages import condense
from game24lab.tasks.environment import Environment
from game24lab.tasks.numbers.judge import COLUMNS, OUTCOMES, WRONG

BUDGETS = (256, 512, 1024, 2048, 4096)
LINE_BINS = (8, 16, 32, 64, 128)  # last line count of each bin; the last bin is open


def grade(
    environment: Environment, policy: Any, problems: Sequence[Any] | None = None, *, seed: int = 0,
    stage: str = "end", model: str = "", path: str | Path | None = None, progress: bool = True, batch: int = 256,
    **generation: Any,
) -> pd.DataFrame:  # fmt: skip
    """`evaluate` with one `Generation`, whose settings are given: a row an answer, the environment's columns.

    What counts is the judge's matter: in a number game the policy must end the answer by itself within the `budget`
    (tokens, the end token included), of a word problem the answer's tag must be closed. Nobody chooses among samples.

    Args:
        stage: when in a training this was: "start", "end", or any other name.
        model: what the policy is called.
        batch: answers that are made together and written together.

    ValueError and OSError as `evaluate` raises them.
    """
    require("batch", batch, int, 1)
    arm = Generation(**generation)
    return evaluate(environment, problems, {arm.algorithm: arm}, policy, seeds=[seed], stage=stage, model=model,
                    path=path, chunk=batch, progress=progress)  # fmt: skip


def read_grades(path: str | Path, columns: Mapping[str, str] = COLUMNS) -> pd.DataFrame:
    """The answers of a file, see `evaluation.attempts.load_table`; other environments have other columns.

    ValueError that names what is broken in it, OSError where there is no file.
    """
    table = load_table(path, columns)
    try:
        table = table.astype(columns)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: a column holds what it should not ({condense(error)})") from None
    if strange := sorted(set(table["outcome"]) - set(OUTCOMES)):
        raise ValueError(f"{path}: outcome must be one of {', '.join(OUTCOMES)}, got {strange[0]!r}")
    return table


# -------------------------------------------------------------------------------------------- tables from rows
def find_key(rows: pd.DataFrame) -> str:
    """The column that names the problems of rows; ValueError where there is none."""
    found = [name for name in KEYS if name in rows]
    if len(found) != 1:
        raise ValueError(f"one column must be of {', '.join(KEYS)}, got {', '.join(map(str, rows))}")
    return found[0]


def cut(rows: pd.DataFrame, budget: int) -> pd.DataFrame:
    """The rows as a smaller token budget would have left them.

    What is longer is unfinished; its lines and characters shrink in proportion to its tokens. ValueError for a budget
    above that of the rows: nobody knows how they would have gone on.
    """
    require("budget", budget, int, 1)
    if len(rows) and budget > rows["budget"].min():
        raise ValueError(f"budget must be <= {rows['budget'].min()}, with which these answers were made, got {budget}")
    over = rows["tokens"] > budget
    share = (budget / rows["tokens"]).where(over, 1.0)
    return rows.assign(
        outcome=rows["outcome"].mask(over, "unfinished"), solved=rows["solved"] & ~over,
        finished=rows["finished"] & ~over, tokens=rows["tokens"].clip(upper=budget), budget=budget,
        lines=rows["lines"] * share, characters=rows["characters"] * share,
    )  # fmt: skip


def summarise_budgets(
    rows: pd.DataFrame, budgets: Sequence[int] = BUDGETS, by: Sequence[str] = (), *, confidence: float = 0.95
) -> pd.DataFrame:
    """How answers end at each token budget, one row a group of `by` (columns of the rows) and budget.

    Columns: those of `by`, `budget`, `puzzles`, `n` (answers), then `accuracy`, `wrong`, `unfinished` (shares that add
    up to 1), each with `low` and `high` (`wrong_low`, ...), and the means `tokens`, `lines`, `characters`, `seconds` an
    answer. Intervals: Wilson's where each puzzle has one answer, else by bootstrap over puzzles. Budgets above that of
    the rows are left out.
    """
    table = []
    groups = rows.groupby(list(by), sort=False, observed=True) if by else [((), rows)]
    for key, part in groups:
        for budget in sorted({b for b in budgets if b <= part["budget"].min()}):
            now = cut(part, budget)
            entry = dict(zip(by, key, strict=True)) | {"budget": budget}
            problems = now[find_key(now)]
            entry |= {"puzzles": problems.nunique(), "n": len(now)}
            ends = {"accuracy": now["solved"], "wrong": now["outcome"].isin(WRONG),
                    "unfinished": now["outcome"] == "unfinished"}  # fmt: skip
            for name, hits in ends.items():
                share, low, high, _ = bound_share(hits, problems, confidence=confidence)
                prefix = "" if name == "accuracy" else f"{name}_"
                entry |= {name: share, f"{prefix}low": low, f"{prefix}high": high}
            means = now[["tokens", "lines", "characters"]].mean().to_dict()
            seconds = (part["seconds"] * now["tokens"] / part["tokens"].clip(lower=1)).mean()
            table.append(entry | means | {"seconds": seconds})
    return pd.DataFrame(table)


def measure(rows: pd.DataFrame) -> dict[str, float]:
    """What a training logs of its held-out check: `accuracy` with `low` and `high`, and as `held_out_wrong` and so on
    the shares `wrong` and `unfinished` and the mean `tokens`."""
    entry = summarise_budgets(rows, [int(rows["budget"].min())]).iloc[0]
    more = {f"held_out_{name}": float(entry[name]) for name in ("wrong", "unfinished", "tokens")}
    return {name: float(entry[name]) for name in ("accuracy", "low", "high")} | more


def pass_at_k(
    rows: pd.DataFrame, ks: Sequence[int] | None = None, budget: int | None = None, *, confidence: float = 0.95
) -> pd.DataFrame:
    """Unbiased pass@k at a token budget: columns `k`, `accuracy`, `low`, `high`, `problems`, `samples`.

    `ks` defaults to the powers of two. Intervals by bootstrap over puzzles. ValueError for a k above the samples.
    """
    now = rows if budget is None else cut(rows, budget)
    counts = now.groupby(find_key(now), sort=False)["solved"].agg(["count", "sum"])
    rows = counts.itertuples(index=False)
    return pd.DataFrame(estimate_pass_at_k(rows, ks, confidence=confidence))


def pair(first: pd.DataFrame, second: pd.DataFrame, budget: int, *, confidence: float = 0.95) -> dict[str, Any]:
    """How much more often the second answers right, puzzle by puzzle: `difference`, `low`, `high`, `puzzles`, `gained`,
    `lost` (puzzles answered right more often, and less often).

    By bootstrap over the puzzles that both answered; ValueError where there are none.
    """
    before, after = (cut(rows, budget).groupby(find_key(rows))["solved"].mean() for rows in (first, second))
    changes = (after - before).dropna()
    if changes.empty:
        raise ValueError("a paired difference needs a puzzle that both have answered, got none")
    low, high = bound_difference(changes.to_numpy(), confidence=confidence)
    return {"difference": float(changes.mean()), "low": low, "high": high, "puzzles": len(changes),
            "gained": int((changes > 0).sum()), "lost": int((changes < 0).sum())}  # fmt: skip


def bin_lines(lines: Iterable[float]) -> pd.Categorical:
    """Numbers of lines in bins, in order: "1-8", "9-16", ... as `LINE_BINS` says."""
    edges = [0, *LINE_BINS]
    names = [f"{low + 1}-{high}" for low, high in zip(edges, LINE_BINS, strict=False)] + [f"over {LINE_BINS[-1]}"]
    return pd.Categorical.from_codes(np.searchsorted(LINE_BINS, np.ceil(np.asarray(list(lines), dtype=float))),
                                     names, ordered=True)  # fmt: skip
