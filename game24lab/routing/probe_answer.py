"""Keeping what the look has found: the best answer of a try as one more arm of a tidy table.

A router that looks at a problem by trying it has answers in hand before it chooses. To keep the best of them costs
nothing on top of the look; as a fixed arm it is a best-of-n of the look's size, and costs as much. This module does not
know how a look is taken, nor who learns from the table.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from game24lab.routing.arms import KEPT, name_modes
from game24lab.routing.features import TRY_COSTS, VERDICT
from game24lab.routing.labels import bound
from game24lab.routing.table import COLUMNS, COSTS

_VERDICTS = {"blind": f"{VERDICT}kept", "rules": f"{VERDICT}kept", "verified": f"{VERDICT}any"}


def add_kept(table: pd.DataFrame, features: pd.DataFrame, answers: int, look: str = "rules") -> pd.DataFrame:
    """The table with the arm `KEPT[mode]` besides, for each mode that it has arms of and the look serves.

    Its labels are the exact verdicts on the answers that the features tell of: on the one that the critic likes best;
    verified, whether one of them is right. The table as it is where the features come from no try.

    Args:
        features: as `survey.survey` leaves them, a row for every problem of the table; ValueError for one without.
        answers: how many a look has.
        look: its mode, "rules" or "blind": a look by the rules has no answer that a blind router could keep.
    """
    if not {*TRY_COSTS, *_VERDICTS.values()} <= set(features):
        return table
    table = name_modes(table)
    problems = list(dict.fromkeys(table["problem"]))
    if absent := [problem for problem in problems if problem not in features.index]:
        raise ValueError(f"features: {absent[0]!r} has none; a row for every problem of the table is accepted")
    known, tables = features.loc[problems], [table]
    costs = dict(zip(("sampled_tokens", "calls", "seconds"), TRY_COSTS, strict=True))
    for mode in (mode for mode in dict.fromkeys(table["mode"]) if mode in (look, "verified")):
        right = known[_VERDICTS[mode]].to_numpy(float)
        low, high = bound(right, np.ones(len(right)))
        rows = {"problem": problems, "arm": KEPT[mode], "probability": right, "trials": 1.0, "low": low, "high": high}
        for cost in COSTS:  # a look is one attempt, so that all quantiles of its seconds are the same
            unknown = cost not in table or table[cost].isna().all()
            rows[cost] = np.nan if unknown else known[costs.get(cost, "try_seconds")].to_numpy(float)
        rows |= {"hardware": table["hardware"].iloc[0], "n": float(answers), "width": 0.0, "simulations": 0.0,
                 "depth": 0.0, "method": "kept", "mode": mode, "verified": mode == "verified",
                 "parameters": ""}  # fmt: skip
        tables.append(pd.DataFrame(rows).astype(COLUMNS)[[name for name in COLUMNS if name in table]])
    return pd.concat(tables, ignore_index=True)


def keep_arms(table: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    """The arms of some strategies, such as ["best_of_n", "dvts"]; all for []. ValueError for one that has no arm."""
    there = list(dict.fromkeys(table["method"]))
    for method in methods:
        if method not in there:
            raise ValueError(f"method {method!r}: none of the {table['arm'].nunique()} arms is of it; some of "
                             f"{', '.join(there)} are accepted")  # fmt: skip
    return table[table["method"].isin(methods)].copy() if methods else table
