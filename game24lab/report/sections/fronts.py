"""Accuracy against costs in the report on searches: what each kind of strategies reaches, and all arms of each kind.

There are more strategies than colours, so no figure holds them all. This module does not know how a report is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from game24lab.report import search_evidence as tr
from game24lab.report.document import Picture
from game24lab.report.text import draw_picture, join_sources
from game24lab.views.charts import search as curves

STYLES = curves.style(tr.KINDS)
Numbers = Mapping[str, Any]


def list_splits(arms: Sequence[Numbers]) -> list[str]:
    """The splits that there are arms of, in their order."""
    return list(dict.fromkeys(arm["split"] for arm in arms))


def name_split(split: str) -> str:
    """A split in words."""
    return f"ranks {split}" if split in tr.SPLITS else "other problems"


def draw_costs(numbers: Numbers, costs: Sequence[str]) -> list[Picture]:
    """Accuracy against some of `trials.COSTS`, on every split: of each kind of strategies the arms nothing beats."""
    pictures = []
    for cost in costs:
        for split in list_splits(numbers["arms"]):
            table = _tabulate(numbers, split, cost)
            if table.empty:
                continue  # records older than the meter's lines
            front = tr.find_front(table, cost, ("mode", "kind")).assign(curve="")
            order = [*tr.KINDS, "others"]
            front = front.sort_values("kind", key=lambda kinds: kinds.map(order.index), kind="stable")
            front = front.assign(algorithm=front["kind"])
            points = pd.DataFrame([p | {"source": p["source"].partition(",")[0]} for p in numbers["published"]
                                   if tr.SPLITS.get(split, ("",))[0] == p["split"]])  # fmt: skip
            drawn = len(points) and cost in points and points[cost].notna().any()
            caption = (f"Accuracy against {tr.COSTS[cost]}, {name_split(split)}: of each kind of strategies the arms "
                       "that none of their kind beats for less. Filled: the exact verifier chose the answer; open: the "
                       "models did, by the rules; half filled: blind. Bars: 95 %."
                       f"{' Stars: published.' if drawn else ''}")  # fmt: skip
            pictures.append(_draw_frontier(front, cost, caption, points if drawn else None))
    return pictures


def draw_kinds(numbers: Numbers) -> list[Picture]:
    """Accuracy against sampled tokens, all arms of one kind of strategies at a time, with what all kinds reach."""
    pictures, cost = [], "sampled_tokens"
    for kind in tr.KINDS:
        for split in list_splits(numbers["arms"]):
            table = _tabulate(numbers, split, cost)
            mine = table[table["kind"] == kind]
            if len(mine) > 1:
                front = tr.find_front(table[table["mode"].isin(mine["mode"])], cost, ("mode",))
                front = front.assign(algorithm="best of all", curve="").drop(columns=["low", "high"])
                caption = f"All arms of {kind}, {name_split(split)}; gray: those that none of any kind beats for less."
                pictures.append(_draw_frontier(pd.concat([front, mine]), cost, caption, None))
    return pictures


def _tabulate(numbers: Numbers, split: str, cost: str) -> pd.DataFrame:
    """The arms of a split whose cost is known, akin beside akin."""
    table = pd.DataFrame(numbers["arms"])
    table["curve"] = tr.name_curves(numbers["arms"])
    order = [*STYLES, *sorted(set(table["algorithm"]) - set(STYLES))]
    table = table.sort_values("algorithm", key=lambda names: names.map(order.index), kind="stable")
    return table[table["split"] == split].dropna(subset=[cost])


def _draw_frontier(table: pd.DataFrame, cost: str, caption: str, published: pd.DataFrame | None) -> Picture:
    figure = curves.draw_frontier(table, cost, f"{tr.COSTS[cost]} a problem", STYLES, published)
    sources = join_sources(table.dropna(subset=["source"]).to_dict("records"))
    return draw_picture(figure, caption, sources, 270 + 18 * (table["algorithm"].nunique() // 4))
