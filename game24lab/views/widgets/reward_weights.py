"""What the weights of a reward do to real completions: sliders, and a table that is ranked anew at every touch.

The completions are judged once, no model is asked. It does not know how a completion is judged or paid, nor where it
came from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import cycle
from typing import Any

import ipywidgets as widgets
import pandas as pd
from tqdm.auto import tqdm

from game24lab.runs.checks import require
from game24lab.tasks.numbers.rewards import REWARDS
from game24lab.tasks.rewards import RewardSet, check_weights, score
from game24lab.views.charts.palette import PALETTE
from game24lab.views.widgets.html import Panel, clean, escape, make_sentence, make_table, wrap

_MOST_CHARACTERS = 4_000  # of a text in the table: it travels to the browser at every touch of a slider


def judge_rows(
    rows: pd.DataFrame | Iterable[Mapping[str, Any]],
    names: Iterable[str] | None = None,
    rewards: RewardSet = REWARDS,
) -> pd.DataFrame:
    """A table of completions with a column for each reward named, by default those with weights, `outcome` and `lines`.

    `rows` have `text` and what the rewards must know of a problem: in a number game `numbers` (a text such as "4 5
    6 10", or numbers), of word problems `gold`, as `evaluation.chains.grade` leaves them; other columns are left
    out. ValueError for no rows, one of the two missing, or what `tasks.rewards.score` refuses.
    """
    known = rewards.columns[0]
    records = rows.to_dict("records") if isinstance(rows, pd.DataFrame) else [dict(row) for row in rows]
    if not records:
        raise ValueError(f"completions to weigh: there are none; at least one row with {known} and text is needed")
    weights, found = dict.fromkeys(rewards.weights if names is None else names, 1.0), []
    for place, record in enumerate(tqdm(records, disable=len(records) < 300, unit="completion")):
        for column in (known, "text"):
            if column not in record:
                raise ValueError(f"completion {place} to weigh lacks {column!r}; it has {', '.join(map(str, record))}")
        problem, text = record[known], record["text"]
        if not isinstance(text, str):
            raise ValueError(f"completion {place} to weigh must be a text, got {type(text).__name__}")
        if (truth := rewards.read(*(record.get(column) for column in rewards.columns))) is None:
            raise ValueError(f"completion {place} to weigh: {known} None; what is known of its problem is needed")
        (row,) = score(rewards, [truth], [text], weights)
        outcome, lines = rewards.describe(truth, text)
        # half characters would break tables and the way to the browser
        shown = {known: " ".join(map(str, problem)) if isinstance(problem, list | tuple) else str(problem),
                 "text": text.encode("utf-8", "replace").decode()}  # fmt: skip
        found.append({**shown, "outcome": outcome, "lines": lines, **row})
    return pd.DataFrame(found).drop(columns="total").astype(dict.fromkeys(weights, float))


def rank_rows(table: pd.DataFrame, weights: Mapping[str, float], *, normalise: bool = False) -> pd.DataFrame:
    """The rows of `judge_rows` with `total` and `rank`, the best first; equals share a rank and keep their order.

    With `normalise` the weights are divided by their sum, which changes totals and no rank. ValueError for bad weights.
    """
    weights = check_weights(weights, dict.fromkeys(table.select_dtypes("number")))
    whole = math.fsum(weights.values()) if normalise else 1.0
    # a reward that is not applicable adds nothing; rounding keeps equals equal whatever the order of the sum
    total = sum(table[name].fillna(0) * weight / whole for name, weight in weights.items()).round(12)
    rank = total.rank(method="min", ascending=False).astype(int)
    return table.assign(total=total, rank=rank).sort_values("rank", kind="stable")


class Weighing(Panel):
    """`Weighing(rows)`: one slider a reward above the ranked completions.

    `rows` as in `judge_rows`; `weights` say where the sliders begin, and the ranks there are what `moved` is counted
    from (2: two ranks up). `shown` rows are drawn, the best of the moment; `ranking` holds them all, as `rank_rows`
    left them, with the `advantage` of each: its total less the mean of its problem's completions, as GRPO compares.
    `sliders` by name, `normalise` and `group`, the problem whose completions are shown alone, can be set from Python
    too. ValueError for bad rows or weights.
    """

    def __init__(
        self,
        rows: pd.DataFrame | Iterable[Mapping[str, Any]],
        weights: Mapping[str, float] | None = None,
        *,
        rewards: RewardSet = REWARDS,
        shown: int = 20,
    ) -> None:
        weights = check_weights(rewards.weights if weights is None else weights, rewards.functions)
        require("shown", shown, int, 1)
        self._table, self._shown, self._known = judge_rows(rows, weights, rewards), shown, rewards.columns[0]
        self._begin = weights
        problems = list(dict.fromkeys(self._table[self._known]))
        self.group = widgets.Dropdown(options=[("all problems", ""), *((clean(name, 60), name) for name in problems)],
                                      description="of", layout={"width": "auto"})  # fmt: skip
        top = max(1.0, *weights.values())
        self.sliders = {
            name: widgets.FloatSlider(value=weight, min=0, max=top, step=0.01, description=name, readout_format=".2f")
            for name, weight in weights.items()
        }
        self.normalise = widgets.Checkbox(value=False, description="weights add up to 1", indent=False,
                                         layout={"width": "auto", "margin": "2px 24px 2px 2px"})  # fmt: skip
        self._said, self._view = make_sentence(), widgets.HTML()
        for control in (*self.sliders.values(), self.normalise, self.group):
            control.observe(self._rank, "value")
        super().__init__([widgets.HBox(tuple(self.sliders.values()), layout={"flex_flow": "row wrap"}),
                          widgets.HBox([*([self.group] if len(problems) > 1 else []), self.normalise, self._said],
                                       layout={"flex_flow": "row wrap"}), self._view])  # fmt: skip
        self._rank()

    @property
    def weights(self) -> dict[str, float]:
        """Where the sliders stand."""
        return {name: slider.value for name, slider in self.sliders.items()}

    def _rank(self, _: Any = None) -> None:
        weights, normalise = self.weights, self.normalise.value
        whole = math.fsum(weights.values())
        if not whole:
            self._said.value = "all weights are 0: nothing to rank by; the table is left as it was"
            return
        chosen = self.group.value
        table = self._table[self._table[self._known] == chosen] if chosen else self._table
        ranked = rank_rows(table, weights, normalise=normalise)
        means = ranked.groupby(self._known)["total"].transform("mean")
        moved = rank_rows(table, self._begin)["rank"] - ranked["rank"]
        self.ranking = ranked.assign(moved=moved, advantage=ranked["total"] - means)
        count = int((self.ranking["moved"] != 0).sum())
        shares = ", ".join(f"{name} {weight / whole if normalise else weight:.2f} ({weight / whole:.0%})"
                           for name, weight in weights.items())  # fmt: skip
        self._said.value = f"{shares}: {count} of {len(ranked)} completions moved"
        parts = {name: weight / whole for name, weight in weights.items()}
        self._view.value = _draw(self.ranking, parts, self._shown, self._known)

    def __repr__(self) -> str:
        weights = ", ".join(f"{name} {weight:g}" for name, weight in self.weights.items())
        return f"Weighing of {len(self._table)} completions ({weights})"

    def _tell(self) -> str:
        return self._said.value


def _draw(ranking: pd.DataFrame, shares: Mapping[str, float], shown: int, known: str) -> str:
    """The table as HTML: whatever a model wrote is escaped and cut."""
    colours = dict(zip(shares, cycle(PALETTE), strict=False))
    heads = [*(f"<th>{name}</th>" for name in ("rank", "moved", "total", "advantage")),
             '<th class="text">earned</th>', '<th class="text">completion</th>']  # fmt: skip
    rows = (_draw_row(row, shares, colours, known) for row in ranking.head(shown).to_dict("records"))
    more = f"<p>and {len(ranking) - shown} more below</p>" if len(ranking) > shown else ""
    return wrap("numbers", make_table(heads, rows) + more)


def _draw_row(row: Mapping[str, Any], shares: Mapping[str, float], colours: Mapping[str, str], known: str) -> str:
    way = "up" if row["moved"] > 0 else "down" if row["moved"] < 0 else ""
    moved = f"{'▲' if way == 'up' else '▼'} {abs(row['moved'])}" if way else "="
    paid = {name: 0.0 if math.isnan(row[name]) else min(1.0, max(0.0, row[name])) for name in shares}
    bar = "".join(f'<i style="width: {100 * share * paid[name]:.2f}%; background: {colours[name]}"></i>'
                  for name, share in shares.items())  # fmt: skip
    cells = [row["rank"], moved, f'{row["total"]:.3f}<span class="bar">{bar}</span>', f"{row['advantage']:+.3f}"]
    earned = " ".join(f'<span style="border-bottom: 3px solid {colours[name]}">{escape(name)} '
                      f"{_write(row[name])}</span>" for name in shares)  # fmt: skip
    about = escape(f"{row['outcome']}, {_write(row['lines'])} lines, {row[known]}")
    text = row["text"].strip("\n")
    cut = text[:_MOST_CHARACTERS]
    rest = f"\n… and {len(text) - len(cut):,} more characters" if len(cut) < len(text) else ""
    last = text[-200:].rpartition("\n")[2][-60:] or "(empty)"
    return (f'<tr class="{way}">{"".join(f"<td>{cell}</td>" for cell in cells)}<td class="text wrapped">{earned}</td>'
            f'<td class="text wrapped">{about}<details><summary>{escape(last)}</summary><pre>{escape(cut + rest)}</pre>'
            "</details></td></tr>")  # fmt: skip


def _write(value: float) -> str:
    """Three decimals at most; a dash for what is not applicable."""
    return "–" if math.isnan(value) else f"{value:.3f}".rstrip("0").rstrip(".")
