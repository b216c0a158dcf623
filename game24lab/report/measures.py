"""Findings on what is no accuracy: a critic's AUC, the parts of a cost, trends of a training, lengths of answers.

As in `findings`, each is one sentence on the rows that a figure draws; nothing here knows the figure or the report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from game24lab.report.findings import Row, read
from game24lab.views.tables import formats as fmt

TENTH = 10  # the part of a training's steps whose mean stands for an end of it


def find_separation(auc: float | None, alive: int, positions: int, who: str = "The critic") -> str:
    """Whether a critic tells alive positions from dead ones: beyond what a blind guess reaches in 95 % of cases.

    The spread of the AUC of guesses is Mann and Whitney's, for positions that do not hang together.
    """
    dead = positions - alive
    if auc is None or math.isnan(auc) or not alive or not dead:
        return f"No AUC: of {positions:,} positions {alive:,} are alive, and both kinds are needed."
    reach = 1.96 * math.sqrt((positions + 1) / (12 * alive * dead))
    if abs(auc - 0.5) <= reach:
        return f"{who} tells alive from dead no better than chance (AUC {auc:.3f} on {positions:,} positions)."
    verb = "tells alive from dead" if auc > 0.5 else "takes dead for alive more than chance would"
    return f"{who} {verb} (AUC {auc:.3f} on {positions:,} positions)."


def find_misses(bins: Sequence[Row], weight: str = "n") -> str:
    """How far predicted chances lie from what held, bin by bin: `predicted`, `observed`, `low`, `high` and a weight."""
    known = [row for row in bins if None not in (read(row, "predicted"), read(row, "observed"))]
    whole = sum(row[weight] for row in known)
    if not whole:
        return "No chance was predicted."
    miss = sum(row[weight] * abs(row["predicted"] - row["observed"]) for row in known) / whole
    bounded = [row for row in known if None not in (read(row, "low"), read(row, "high"))]
    inside = sum(row["low"] <= row["predicted"] <= row["high"] for row in bounded)
    told = f", and are within the interval in {inside} of {len(bounded)} bins" if bounded else ""
    return f"Predicted chances miss what held by {100 * miss:.1f} points in the mean{told}."


def find_shares(rows: Sequence[Row], parts: Mapping[str, str], unit: str, name: str = "label") -> str:
    """Which part of a cost is largest over all arms, each counting the same number of attempts, and how arms differ.

    `parts`: the columns of the parts by their names.
    """
    sums = {part: sum(read(row, key) or 0.0 for row in rows) for part, key in parts.items()}
    if not sum(sums.values()):
        return f"No arm takes any {unit}."
    largest, whole = max(sums, key=lambda part: sums[part]), sum(sums.values())
    totals = [(sum(read(row, key) or 0.0 for key in parts.values()), row[name]) for row in rows]
    (most, dear), (least, cheap) = (pick(totals, key=lambda total: total[0]) for pick in (max, min))
    said = f"Of all {unit}, {fmt.percent(sums[largest] / whole)} go into the {largest}"
    if not least or most == least:
        return f"{said}; {dear} takes {fmt.short(most)}."
    return f"{said}; {dear} takes {most / least:.3g} times as many as {cheap}."


def find_trends(log: pd.DataFrame, panels: Mapping[str, str], shares: Sequence[str] = ()) -> str:
    """How each column of a training's log goes from the first tenth of its steps to the last, in the mean."""
    told = []
    for column, title in panels.items():
        part = log[["step", column]].dropna()
        if part.empty:
            continue
        reach = (part["step"].max() - part["step"].min()) / TENTH
        ends = [part.loc[part["step"] <= part["step"].min() + reach, column].mean(),
                part.loc[part["step"] >= part["step"].max() - reach, column].mean()]  # fmt: skip
        first, last = (fmt.percent(end) if column in shares else fmt.show(float(end)) for end in ends)
        told.append(f"{title} at {last} throughout" if first == last else f"{title} from {first} to {last}")
    return f"{_join(told)}." if told else "no column of the log holds a number."


def tell_medians(rows: pd.DataFrame, column: str, title: str) -> str:
    """The median of a column, for each ending of an answer that occurs: columns `ending` and `column`."""
    known = rows.dropna(subset=[column])
    if known.empty:
        return f"No answer has any {title}."
    parts = [f"{ending} {fmt.show(float(part[column].median()))} ({len(part)})"
             for ending, part in known.groupby("ending", sort=False)]  # fmt: skip
    return f"The median of {title} is {fmt.show(float(known[column].median()))}; by ending (answers): {_join(parts)}."


def _join(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
