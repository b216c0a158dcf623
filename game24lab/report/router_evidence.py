"""What runs of 10_router hold, checked and judged anew from their rows: the numbers that the report on routing quotes.

    records.parquet  a row a problem and arm: labels, costs, part, and what was predicted of them
    lessons.parquet  a row a model and group of features, as `routing.ablation.compare_ablations`; may be missing

It does not know how the report looks. A file that is broken is a ValueError that names it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from game24lab.report import evidence as ev
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
from game24lab.runs.run import MANIFEST, Run, find_runs, read_run

NOTEBOOK, RECORDS, LESSONS = "10_router", "records.parquet", "lessons.parquet"
_NEEDED = ("problem", "arm", "part", "probability", "trials", "verified", "predicted_probability",
           "predicted_sampled_tokens", "fee_tokens")  # fmt: skip
_BESIDES = ["calls", "seconds_p50", "seconds_p95"]  # costs that no price is put on


@dataclass(frozen=True)
class Routed:
    """One run, its tables, and what they come to."""

    run: Run
    manifest_hash: str
    rows: pd.DataFrame = field(repr=False)
    lessons: pd.DataFrame | None = field(repr=False)
    judged: RouterEvaluation = field(repr=False)
    timed: RouterEvaluation | None = field(repr=False)  # the same along seconds, where they are known

    @property
    def label(self) -> str:
        """Its arms in a few words: their modes, and of how many strategies where not of all."""
        modes, methods = set(self.rows["mode"]), self.run.parameters.get("methods") or []
        mode = " and ".join(mode for mode in ev.MODES if mode in modes)
        return f"{mode}, {len(methods)} strategies" if methods else mode

    @property
    def test(self) -> pd.DataFrame:
        """The rows that are judged."""
        return self.rows[self.rows["part"] == "test"]

    def source(self, file: str = RECORDS) -> str:
        """Where a number came from, in words."""
        return f"{self.run.name}, run {self.run.id}, {file}"


def read_routed(folders: Iterable[str | Path]) -> list[Routed]:
    """The runs of 10_router at or below the folders, each once, in the order they were started.

    FileNotFoundError where a folder holds no run; ValueError where none is of 10_router, or a file is broken.
    """
    found: dict[Path, Run] = {}
    for folder in folders:
        found |= {run.folder.resolve(): run for run in find_runs(folder) or [read_run(folder)]}
    mine = [run for run in found.values() if run.name == NOTEBOOK]
    if not mine:
        names = ", ".join(f"{run.folder} ({run.name})" for run in found.values()) or "no folders"
        raise ValueError(f"nothing to report in {names}: runs of {NOTEBOOK} are needed")
    return sorted(map(_read, mine), key=lambda one: (str(one.run.manifest.get("start")), one.run.id))


def _read(run: Run) -> Routed:
    path = run.folder / RECORDS
    if not path.exists():
        raise ValueError(f"{path}: missing; the run has not come as far as routing")
    rows = run.read_records()
    for column in _NEEDED:
        if column not in rows:
            raise ValueError(f"{path}: lacks the column {column!r}")
    try:
        rows = name_modes(rows)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    lessons = run.read_records("lessons") if (run.folder / LESSONS).exists() else None
    repeats = run.parameters.get("repeats", 1000)
    try:
        judged = evaluate_router(rows, repeats=repeats)
        timed = evaluate_router(rows, "seconds", repeats=repeats) if judged.grid.timed else None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    digest = hashlib.sha256((run.folder / MANIFEST).read_bytes()).hexdigest()[:12]
    return Routed(run, digest, rows, lessons, judged, timed)


def gather(routed: Sequence[Routed]) -> list[dict[str, Any]]:
    """What each run came to, JSON-able, a mapping a run; a number that is not there is None."""
    return [_gather(one) for one in routed]


def _gather(one: Routed) -> dict[str, Any]:
    test, judged, facts = one.test, one.judged, one.run.manifest.get("facts") or {}
    predicted = {name: test[f"predicted_{name}"] for name in ("probability", "sampled_tokens")}
    parts = one.rows.drop_duplicates("problem")["part"].value_counts()
    drawn = one.rows[~one.rows["arm"].isin(list(PROBE_ANSWER.values()))]  # what is kept is known, and not estimated
    told = {
        "run": one.run.id, "label": one.label, "source": one.source(), "lesson": facts.get("lesson"),
        "puzzles": {str(part): int(count) for part, count in parts.items()}, "arms": len(judged.grid.arms),
        "seed": one.run.manifest.get("seed"), "trials": float(drawn["trials"].min()),
        "trials_median": float(drawn["trials"].median()),
        "fee": float(judged.grid.fee_tokens.max(axis=1).mean()), "price": judged.price, "hull": list(judged.hull),
        "quality": measure_chances(predicted["probability"], test["probability"]),
        "costs": measure_costs(predicted["sampled_tokens"], test["sampled_tokens"]),
        "reliability": _list(tabulate_reliability(predicted["probability"], test["probability"], test["problem"])),
        "fixed": _list(_describe_fixed(one)),
        "point": judged.point, "best": dict(judged.best), "bound": _match_oracle(judged),
        "at_costs": _list(judged.at_costs), "at_prices": _list(judged.at_prices),
        "rivals": _list(compare_ways(judged, judged.point["cost"])),
        "mix": _list(judged.shares[judged.shares["price"] == judged.price]),
        "lessons": [] if one.lessons is None else _list(one.lessons),
        "timed": None,
    }  # fmt: skip
    if one.timed is not None:
        told["timed"] = {"point": one.timed.point, "best": dict(one.timed.best), "price": one.timed.price,
                         "at_costs": _list(one.timed.at_costs)}  # fmt: skip
    return plain(told)


def _match_oracle(judged: RouterEvaluation) -> dict[str, Any]:
    """What the oracle pays for the accuracy of the best fixed arm: no router of these arms pays less."""
    return match_best(judged.ways["oracle"], judged.ways["fixed arm"], repeats=REPEATS)


def _describe_fixed(one: Routed) -> pd.DataFrame:
    """The fixed arms, the cheapest first, with what an attempt takes besides tokens: means over the test puzzles."""
    points = one.judged.points
    known = [name for name in _BESIDES if name in one.test]
    besides = one.test.groupby("arm")[known].mean().reindex(columns=_BESIDES)
    return points[points["way"] == "fixed arm"].sort_values("tokens").join(besides, on="step")


def _list(table: pd.DataFrame) -> list[dict[str, Any]]:
    return table.to_dict("records")


def plain(value: Any) -> Any:
    """As JSON takes it: Python's own numbers, and None for one that is not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def describe(routed: Sequence[Routed]) -> list[dict[str, Any]]:
    """Where everything came from, a mapping a run."""
    return [run | {"label": one.label} for run, one in zip(ev.describe_runs(routed), routed, strict=True)]
