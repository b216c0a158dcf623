"""Accuracy against costs in the reports on searches: what each kind of strategies reaches, and all arms of each kind.

There are more strategies than colours, so no figure holds them all. This module does not know what a report says.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from game24lab.report import search_summaries as trials
from game24lab.report.document import Picture
from game24lab.report.findings import find_best
from game24lab.report.layout import draw_picture
from game24lab.report.tables import Row, join_sources
from game24lab.views.charts import search as curves
from game24lab.views.tables import formats as fmt

STYLES = curves.style(trials.KINDS)


def list_splits(arms: Sequence[Row]) -> list[str]:
    """The splits that there are arms of, in their order."""
    return list(dict.fromkeys(arm["split"] for arm in arms))


def name_split(split: str) -> str:
    """A split in words."""
    return f"ranks {split}" if split in trials.SPLITS else "other problems"


def list_settings(arms: Sequence[Row]) -> list[tuple[str, str]]:
    """What each arm has other than its strategy's defaults."""
    return list({arm["label"]: f"{arm['algorithm']}: {fmt.settings(arm['given'])}" for arm in arms}.items())


def list_limits(arms: Sequence[Row]) -> list[str]:
    """What numbers of searches do not say, whatever the report."""
    unknown = "Some problems belong to neither published split; training may have met them."
    return [
        "Each model was trained once: intervals cover the choice of problems (and of search seeds, where there are "
        "several), not the luck of training.",
        "Tokens are those of the policy's own tokenizer, which knows nothing but numbers and signs: a published token "
        "is a longer piece of text. Lines and characters compare across tokenizers, and not across formats.",
        *([unknown] if any(arm["split"] == trials.OTHER for arm in arms) else []),
    ]


def draw_costs(numbers: Row, cost: str, splits: Sequence[str] | None = None) -> list[Picture]:
    """Accuracy against one of `search_summaries.COSTS`, on every split: of each kind the arms that nothing beats."""
    pictures, order = [], [*trials.KINDS, "others"].index
    for split in list_splits(numbers["arms"]) if splits is None else splits:
        table = _tabulate(numbers, split, cost)
        if table.empty:
            continue  # records older than the meter's lines
        front = trials.find_front(table, cost, ("mode", "kind"))
        front = front.sort_values("kind", key=lambda kinds: kinds.map(order), kind="stable")
        front = front.assign(curve="", algorithm=front["kind"])
        points = pd.DataFrame([p | {"source": p["source"].partition(",")[0]} for p in numbers["published"]
                               if trials.SPLITS.get(split, ("",))[0] == p["split"]
                               and p["mode"] in set(front["mode"])])  # fmt: skip
        drawn = len(points) and cost in points and points[cost].notna().any()
        finding = find_best(front.to_dict("records"), cost=cost)
        caption = (f"{finding} Accuracy against {trials.COSTS[cost]}, {name_split(split)}: arms that none of their "
                   f"kind beats for less{'; stars: published' if drawn else ''}.")  # fmt: skip
        pictures.append(_draw_frontier(front, cost, caption, points if drawn else None))
    return pictures


def draw_kinds(numbers: Row, splits: Sequence[str] | None = None) -> list[Picture]:
    """Accuracy against sampled tokens, all arms of one kind of strategies at a time, with what all kinds reach."""
    pictures, cost = [], "sampled_tokens"
    for kind in trials.KINDS:
        for split in list_splits(numbers["arms"]) if splits is None else splits:
            table = _tabulate(numbers, split, cost)
            mine = table[table["kind"] == kind]
            if len(mine) > 1:
                front = trials.find_front(table[table["mode"].isin(mine["mode"])], cost, ("mode",))
                front = front.assign(algorithm="best of all", curve="").drop(columns=["low", "high"])
                finding = find_best(mine.to_dict("records"), cost=cost, noun=f"arm of {kind}")
                caption = (f"{finding} All arms of {kind}, {name_split(split)}; gray: those that none of any kind "
                           "beats for less.")  # fmt: skip
                pictures.append(_draw_frontier(pd.concat([front, mine]), cost, caption, None, 240))
    return pictures


def _tabulate(numbers: Row, split: str, cost: str) -> pd.DataFrame:
    """The arms of a split whose cost is known, strategies of a kind beside one another."""
    table = pd.DataFrame(numbers["arms"]).assign(curve=trials.name_curves(numbers["arms"]))
    order = [*STYLES, *sorted(set(table["algorithm"]) - set(STYLES))].index
    table = table.sort_values("algorithm", key=lambda names: names.map(order), kind="stable")
    return table[table["split"] == split].dropna(subset=[cost])


def _draw_frontier(
    table: pd.DataFrame, cost: str, caption: str, published: pd.DataFrame | None, height: int = 270
) -> Picture:
    figure = curves.draw_frontier(table, cost, f"{trials.COSTS[cost]} a problem", STYLES, published)
    sources = join_sources(table.dropna(subset=["source"]).to_dict("records"))
    return draw_picture(figure, caption, sources, height + 18 * (table["algorithm"].nunique() // 4))
