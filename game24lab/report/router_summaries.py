"""What runs of 10_router come to, judged anew from their rows, as records that stand in the JSON beside the report.

    records.parquet  a row a problem and arm: labels, costs, part, and what was predicted of them
    lessons.parquet  a row a model and group of features, as `routing.ablation.compare_ablations`; may be missing

It does not know how the report looks. A file that is broken is a ValueError that names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pandas as pd

from game24lab.report.evidence import MODES, RECORDS, Evidence, read_table, refuse
from game24lab.routing.arms import PROBE_ANSWER, name_modes
from game24lab.routing.evaluation import (
    REPEATS,
    RouterEvaluation,
    compare_ways,
    evaluate_router,
    match_best,
    measure_chances,
    measure_costs,
    tabulate_reliability,
)
from game24lab.runs.run import Run
from game24lab.views.tables.records import plain

NOTEBOOK, LESSONS = "10_router", "lessons.parquet"
_NEEDED = ("problem", "arm", "part", "probability", "trials", "verified", "predicted_probability",
           "predicted_sampled_tokens", "fee_tokens")  # fmt: skip
_BESIDES = ["calls", "seconds_p50", "seconds_p95"]  # costs that no price is put on


@dataclass(frozen=True)
class Routed:
    """One run, its tables, and what they come to."""

    run: Run
    rows: pd.DataFrame = field(repr=False)
    lessons: pd.DataFrame | None = field(repr=False)
    judged: RouterEvaluation = field(repr=False)
    timed: RouterEvaluation | None = field(repr=False)  # the same along seconds, where they are known

    @property
    def label(self) -> str:
        """Its arms in a few words: their modes, and of how many strategies where not of all."""
        modes, methods = set(self.rows["mode"]), self.run.parameters.get("methods") or []
        mode = " and ".join(mode for mode in MODES if mode in modes)
        return f"{mode}, {len(methods)} strategies" if methods else mode

    @property
    def test(self) -> pd.DataFrame:
        """The rows that are judged."""
        return self.rows[self.rows["part"] == "test"]


def select_routed(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The runs of 10_router; ValueError where there are none."""
    mine = [one for one in evidence if one.run.name == NOTEBOOK]
    if not mine:
        raise refuse(evidence, f"runs of {NOTEBOOK} are needed")
    return mine


@lru_cache(maxsize=16)  # thousands of bootstrap samples: numbers and figures share them
def judge_run(one: Evidence) -> Routed:
    """A run's router on its test problems; ValueError that names the file where its rows are missing or broken."""
    run, path = one.run, one.run.folder / RECORDS
    rows = read_table(run, RECORDS)
    if rows is None:
        raise ValueError(f"{path}: missing or empty; the run has not come as far as routing")
    for column in _NEEDED:
        if column not in rows:
            raise ValueError(f"{path}: lacks the column {column!r}")
    repeats = run.parameters.get("repeats", 1000)
    try:
        rows = name_modes(rows)
        judged = evaluate_router(rows, repeats=repeats)
        timed = evaluate_router(rows, "seconds", repeats=repeats) if judged.grid.timed else None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return Routed(run, rows, read_table(run, LESSONS), judged, timed)


def summarise_router(one: Evidence, routed: Routed) -> dict[str, Any]:
    """What a run came to, JSON-able; a number that is not there is None."""
    rows, test, judged, facts = routed.rows, routed.test, routed.judged, one.run.manifest.get("facts") or {}
    predicted = {name: test[f"predicted_{name}"] for name in ("probability", "sampled_tokens")}
    drawn = rows[~rows["arm"].isin(list(PROBE_ANSWER.values()))]  # what is kept is known, and not estimated
    timed = routed.timed and {"point": routed.timed.point, "best": routed.timed.best, "price": routed.timed.price,
                              "at_costs": routed.timed.at_costs}  # fmt: skip
    return plain({
        "run": one.run.id, "label": routed.label, "source": one.source(RECORDS), "lesson": facts.get("lesson"),
        "puzzles": rows.drop_duplicates("problem")["part"].value_counts().to_dict(), "arms": len(judged.grid.arms),
        "seed": one.run.manifest.get("seed"), "trials": float(drawn["trials"].min()),
        "trials_median": float(drawn["trials"].median()),
        "fee": float(judged.grid.fee_tokens.max(axis=1).mean()), "price": judged.price, "hull": list(judged.hull),
        "quality": measure_chances(predicted["probability"], test["probability"]),
        "costs": measure_costs(predicted["sampled_tokens"], test["sampled_tokens"]),
        "reliability": tabulate_reliability(predicted["probability"], test["probability"], test["problem"]),
        "fixed": _describe_fixed(routed), "point": judged.point, "best": judged.best,
        # What the oracle pays for the accuracy of the best fixed arm: no router of these arms pays less.
        "bound": match_best(judged.ways["oracle"], judged.ways["fixed arm"], repeats=REPEATS),
        "at_costs": judged.at_costs, "at_prices": judged.at_prices,
        "rivals": compare_ways(judged, judged.point["cost"]),
        "mix": judged.shares[judged.shares["price"] == judged.price],
        "lessons": [] if routed.lessons is None else routed.lessons,
        "timed": timed,
    })  # fmt: skip


def _describe_fixed(one: Routed) -> pd.DataFrame:
    """The fixed arms, the cheapest first, with what an attempt takes besides tokens: means over the test puzzles."""
    points = one.judged.points
    known = [name for name in _BESIDES if name in one.test]
    besides = one.test.groupby("arm")[known].mean().reindex(columns=_BESIDES)
    return points[points["way"] == "fixed arm"].sort_values("tokens").join(besides, on="step")
