"""The anatomy of graded chains: how long they get, where they first go wrong, how often they turn back; by their ends.

It takes rows of grading and gives tables. It does not know how answers were made or judged, nor how a table is drawn.
"""

from __future__ import annotations

import pandas as pd

from game24lab.tasks.numbers.judge import WRONG

ENDINGS = ("solved", "wrong", "unfinished")
KINDS = ("move", "rollback", "recap", "answer", "other")  # of lines, as tasks/chains.py names them
_ALL = "all"


def name_endings(rows: pd.DataFrame) -> pd.Series:
    """"solved", "wrong" (an answer that is not right) or "unfinished" for each row."""
    return rows["outcome"].where(~rows["outcome"].isin(WRONG), "wrong")


def describe_lengths(rows: pd.DataFrame) -> pd.DataFrame:
    """How long answers are: one row an ending that occurs, and one of all.

    Columns: `ending`, `n`, `share`; `tokens` (mean), `tokens_median`, `tokens_p95`; the means `lines`, `characters`,
    `rollbacks`; `turning` (share of answers with a rollback line).
    """
    table = []
    for ending, part in _split(rows):
        table.append({
            "ending": ending, "n": len(part), "share": len(part) / len(rows), "tokens": part["tokens"].mean(),
            "tokens_median": part["tokens"].median(), "tokens_p95": part["tokens"].quantile(0.95),
            "lines": part["lines"].mean(), "characters": part["characters"].mean(),
            "rollbacks": part["rollbacks"].mean(), "turning": (part["rollbacks"] > 0).mean(),
        })  # fmt: skip
    return pd.DataFrame(table)


def describe_wrong_lines(rows: pd.DataFrame) -> pd.DataFrame:
    """Where chains first go wrong: one row an ending that occurs, and one of all.

    Columns: `ending`, `n`; `damaged` (share with a wrong line), `unsound` (share that abandons a position from which
    the target is reachable); `first` (median line of the first wrong one, from 1) and `place` (median of its place in
    the chain, 0 to 1); `move`, `rollback`, `recap`, `answer`, `other`: shares of the damaged whose first wrong line is
    one;
    `share_right` (mean share of right lines). NaN where nothing is damaged.
    """
    table = []
    for ending, part in _split(rows):
        damaged = part[part["first_wrong"].notna()]
        first = damaged["first_wrong"].astype("float64") + 1
        kinds = {kind: (damaged["wrong_kind"] == kind).mean() for kind in KINDS}
        table.append({
            "ending": ending, "n": len(part), "damaged": len(damaged) / len(part),
            "unsound": part["first_unsound"].notna().mean(), "first": first.median(),
            "place": (first / damaged["lines"]).median(), **kinds, "share_right": part["share_right"].mean(),
        })  # fmt: skip
    return pd.DataFrame(table)


def count_reasons(rows: pd.DataFrame, most: int = 8) -> pd.DataFrame:
    """Why first wrong lines are wrong, most frequent first, numbers as #. Columns: `reason`, `kind`, `n`, `share`."""
    damaged = rows[rows["first_wrong"].notna()]
    reasons = damaged["wrong_reason"].str.replace(r"-?\d+(?:/\d+)?", "#", regex=True)
    reasons = reasons.str.replace(r"#(?: #)+", "#..", regex=True).str.slice(0, 120).rename("reason")
    table = reasons.to_frame().assign(kind=damaged["wrong_kind"]).value_counts().rename("n").reset_index()
    return table.assign(share=table["n"] / max(1, len(damaged))).head(most)


def _split(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    if rows.empty:
        raise ValueError("rows must hold at least one chain of thought, got none")
    endings = name_endings(rows)
    parts = [(ending, rows[endings == ending]) for ending in ENDINGS]
    return [(ending, part) for ending, part in parts if len(part)] + [(_ALL, rows)]
