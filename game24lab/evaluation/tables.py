"""Tables from attempts: accuracy of each arm with an interval and cost; pass@k. It does not know who made attempts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from game24lab.evaluation.attempts import LATER
from game24lab.evaluation.statistics import bound_share, estimate_pass_at_k

_MISSES = ("wrong value", "illegal", "unfinished", "no answer")
_MEANS = ("prompt_tokens", "policy_calls", "critic_tokens", "critic_calls", "depth", "seconds", "saved_prompt_tokens",
          "saved_sampled_tokens", "saved_critic_tokens", *LATER)  # fmt: skip


def summarise(rows: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """One row per arm and mode: accuracy with an interval, and what a problem cost.

    Columns: `arm`, `mode`, `verifier_chose` (whether the exact verifier picked the answer), `algorithm`, `parameters`,
    `problems`, `seeds`, `accuracy`, `low`, `high`, `interval` (how: "Wilson" for one seed or where all problems end
    alike, else "bootstrap over problems"), `sampled_tokens` (mean), `sampled_tokens_median`, `sampled_tokens_p95`, the
    means of the other costs, `flops` (mean), and the shares `wrong value`, `illegal`, `unfinished`, `no answer`.
    """
    table = []
    for (arm, mode), part in rows.groupby(["strategy", "mode"], sort=False):
        share, low, high, how = bound_share(part["solved"], part["problem"], confidence=confidence)
        tokens = part["sampled_tokens"]
        flops = 2.0 * ((part["prompt_tokens"] + tokens) * part["policy_parameters"]
                       + part["critic_tokens"] * part["critic_parameters"])  # fmt: skip
        table.append({
            "arm": arm, "mode": mode, "verifier_chose": mode == "verified", "algorithm": part["algorithm"].iloc[0],
            "parameters": part["parameters"].iloc[0], "problems": part["problem"].nunique(),
            "seeds": part["seed"].nunique(), "accuracy": share, "low": low,
            "high": high, "interval": how, "sampled_tokens": tokens.mean(), "sampled_tokens_median": tokens.median(),
            "sampled_tokens_p95": tokens.quantile(0.95), **{name: _average(part, name) for name in _MEANS},
            "flops": flops.mean(),
            **{miss: (part["outcome"] == miss).mean() for miss in _MISSES},
        })  # fmt: skip
    return pd.DataFrame(table)


def _average(rows: pd.DataFrame, name: str) -> float:
    """A column's mean; NaN where some of the rows do not know it."""
    known = name in rows and rows[name].notna().all()
    return float(rows[name].mean()) if known else math.nan


def tabulate_pass_at_k(
    rows: pd.DataFrame, ks: Sequence[int] | None = None, *, confidence: float = 0.95
) -> pd.DataFrame:
    """Unbiased pass@k of sampled answers: columns `arm`, `k`, `accuracy`, `low`, `high`, `problems`, `samples`.

    It takes the best-of-n arms that no verifier ended, which draw all their n answers and count the correct ones; the
    answers of several seeds add up. Intervals by bootstrap over problems. `ks` defaults to the powers of two.

    ValueError where no arm serves, or k is larger than the answers of a problem.
    """
    fit = rows[(rows["algorithm"] == "best_of_n") & (rows["mode"] != "verified")]
    if fit.empty:
        raise ValueError("pass@k needs rows of best_of_n, blind or by the rules: others stop early, or do not sample")
    table = []
    for (arm, _), part in fit.groupby(["strategy", "mode"], sort=False):
        counts = part.groupby("problem")[["candidates", "correct"]].sum()
        rows = estimate_pass_at_k(counts.itertuples(index=False), ks, confidence=confidence)
        table += [{"arm": arm} | row for row in rows]
    return pd.DataFrame(table)
