"""Answers side by side, token by token: what a lookahead changed stands out; a problem is chosen from a list.

The text is a model's: it is shown, never taken as markup. Where no front end takes the widget, its output is the
answers that stood there. It does not know how answers are made or judged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import pandas as pd

from game24lab.views.charts.theme import plain

_MOST = 4_000  # tokens of an answer that are shown
_MARKS = {"plain": "", "kept": "looked", "changed": "changed"}
_SIGNS = {"plain": ("", ""), "kept": ("", ""), "changed": ("[", "]")}
_STYLE = """<style>
.game24lab-sides {display: flex; flex-wrap: wrap; gap: 12px}
.game24lab-sides > div {flex: 1 1 18em; min-width: 0; border: 1px solid #8884; border-radius: 4px; padding: 6px 10px}
.game24lab-sides pre {font: 13px/1.6 ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; margin: 4px 0}
.game24lab-sides .looked {border-bottom: 2px solid #0072B2}
.game24lab-sides .changed {background: #E69F0055; border-bottom: 2px solid #D55E00; font-weight: 600}
.game24lab-sides p {margin: 0; font-family: system-ui, sans-serif}
</style>"""
LEGEND = "Underlined: a decision that kept what plain decoding would write; marked, [so]: one that changed it."


@dataclass(frozen=True)
class Side:
    """One answer: who gave it, its tokens and who wrote each, and how it ended."""

    name: str
    pieces: Sequence[tuple[str, str]]  # text of a token, and "plain", "kept" or "changed"
    outcome: str
    facts: str = ""

    def __str__(self) -> str:
        body = "".join(f"{_SIGNS[mark][0]}{_show(text)}{_SIGNS[mark][1]}" for text, mark in self._shown())
        return f"{_clean(self.name)}: {_clean(self.outcome)}; {self.facts}\n{body}"

    def _shown(self) -> list[tuple[str, str]]:
        pieces = [(text, mark if mark in _MARKS else "plain") for text, mark in self.pieces]
        return [*pieces[:_MOST], *([("…", "plain")] if len(pieces) > _MOST else [])]

    def _repr_html_(self) -> str:
        spans = []
        for text, mark in self._shown():
            shown = "\n".join(map(plain, _show(text).split("\n")))
            spans.append(f'<span class="{_MARKS[mark]}">{shown}</span>' if _MARKS[mark] else shown)
        head = f"<p><b>{plain(self.name)}</b> · {plain(self.outcome)}<br>{plain(self.facts)}</p>"
        return f"<div>{head}<pre>{''.join(spans)}</pre></div>"


class SideView(widgets.VBox):
    """`SideView(rows)`: the rows of `evaluation.decoding.answer` of several arms, by problem and seed.

    It begins with the first problem that some arm solves and another does not. `chosen` is the list to choose from, and
    can be set from Python. ValueError for no rows.
    """

    def __init__(self, rows: pd.DataFrame, arms: Sequence[str] = ()) -> None:
        rows = rows[rows["strategy"].isin(arms)] if len(arms) else rows
        self._groups = [group for _, group in rows.groupby(["problem", "seed"], sort=False)]
        if not self._groups:
            raise ValueError("answers to look at: there are none; at least one row is needed")
        names = [f"{_clean(str(group['problem'].iloc[0]))[:60]} · {group['solved'].sum()} of {len(group)} solved"
                 for group in self._groups]  # fmt: skip
        mixed = [place for place, group in enumerate(self._groups) if group["solved"].nunique() > 1]
        self.chosen = widgets.Dropdown(
            options=[(name, place) for place, name in enumerate(names)], description="problem",
            value=mixed[0] if mixed else 0, layout={"width": "auto", "max_width": "48em"},
        )  # fmt: skip
        self._view = widgets.HTML(layout={"max_height": "40em", "overflow": "auto"})
        self.chosen.observe(self._show, "value")
        super().__init__([self.chosen, self._view])
        self._show()

    @property
    def sides(self) -> list[Side]:
        """The answers that are shown."""
        return [read_side(row) for row in self._groups[self.chosen.value].to_dict("records")]

    def _show(self, _: Any = None) -> None:
        sides = "".join(side._repr_html_() for side in self.sides)
        self._view.value = f'{_STYLE}<div class="game24lab-sides">{sides}</div><p>{plain(LEGEND)}</p>'

    def __repr__(self) -> str:
        return "\n\n".join([self.chosen.label, *map(str, self.sides)])

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**kwargs)
        return {**bundle, "text/html": f"<p>{plain(self.chosen.label)}</p>{self._view.value}"}


def read_side(row: dict[str, Any]) -> Side:
    """A row of `evaluation.decoding.answer` as a side."""
    pieces = [(str(text), str(mark)) for text, mark in json.loads(row["pieces"])]
    facts = (f"{row['answer_tokens']:,} tokens written, {row['sampled_tokens']:,} sampled; {row['decisions']} "
             f"decisions, {row['changed']} changed something")  # fmt: skip
    return Side(f"{row['strategy']} ({row['mode']})", pieces, row["outcome"], facts)


def _show(text: str) -> str:
    """A token's text; line ends are signs and line ends, what cannot be printed is a sign."""
    return "".join(c if c.isprintable() else "⏎\n" if c == "\n" else "\ufffd" for c in text)


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
