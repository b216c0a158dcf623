"""The probe's own answer as an arm: returns the best answer sampled while probing, at no further cost.

As a fixed arm it is a best-of-n of the probe's size, and costs as much. This module does not know how a probe works,
nor who learns from the table.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from game24lab.routing.arms import PROBE_ANSWER, SIZES, name_modes
from game24lab.routing.labels import bound
from game24lab.routing.probe import PROBE_COSTS, VERDICT
from game24lab.routing.table import COLUMNS, COSTS

_VERDICTS = {"blind": f"{VERDICT}kept", "rules": f"{VERDICT}kept", "verified": f"{VERDICT}any"}


def add_probe_answers(table: pd.DataFrame, features: pd.DataFrame, answers: int, mode: str = "rules") -> pd.DataFrame:
    """The table with an arm of `PROBE_ANSWER` for each mode that it has arms of and the probe serves.

    Its labels are the exact verdicts on the probe's answers: on the one that the critic values most; verified, whether
    one of them is right. The table as it is where the features come from no sampled answers.

    Args:
        features: as `probe.probe_problems` leaves them, a row for every problem; ValueError for one without.
        answers: how many a probe has.
        mode: of the probe, "rules" or "blind": one by the rules has no answer that a blind router could return.
    """
    if not {*PROBE_COSTS, *_VERDICTS.values()} <= set(features):
        return table
    table = name_modes(table)
    problems = list(dict.fromkeys(table["problem"]))
    if absent := [problem for problem in problems if problem not in features.index]:
        raise ValueError(f"features: {absent[0]!r} has none; every problem of the table needs a row")
    known, tables = features.loc[problems], [table]
    costs = dict(zip(("sampled_tokens", "calls", "seconds"), PROBE_COSTS, strict=True))
    for own in (own for own in dict.fromkeys(table["mode"]) if own in (mode, "verified")):
        right = known[_VERDICTS[own]].to_numpy(float)
        low, high = bound(right, np.ones(len(right)))
        rows = {"problem": problems, "arm": PROBE_ANSWER[own], "probability": right, "trials": 1.0, "low": low,
                "high": high}  # fmt: skip
        for cost in COSTS:  # a probe is one attempt, so that all quantiles of its seconds are the same
            unknown = cost not in table or table[cost].isna().all()
            rows[cost] = np.nan if unknown else known[costs.get(cost, "try_seconds")].to_numpy(float)
        rows |= {"hardware": table["hardware"].iloc[0], **dict.fromkeys(SIZES, 0.0), "n": float(answers),
                 "method": "kept", "mode": own, "verified": own == "verified", "parameters": ""}  # fmt: skip
        tables.append(pd.DataFrame(rows).astype(COLUMNS)[[name for name in COLUMNS if name in table]])
    return pd.concat(tables, ignore_index=True)
