"""Answers side by side, token by token: what a lookahead changed stands out; a problem is chosen from a list.

It does not know how answers are made or judged.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from game24lab.views.widgets.html import Chooser, clean, escape, wrap

_MOST = 4_000  # tokens of an answer that are shown
_MARKS = {"plain": ("", "", ""), "kept": ("looked", "", ""), "changed": ("changed", "[", "]")}  # class, signs in text
LEGEND = "Underlined: a decision that kept what plain decoding would write; marked, [so]: one that changed it."


@dataclass(frozen=True)
class Side:
    """One answer: who gave it, its tokens and who wrote each, and how it ended."""

    name: str
    pieces: Sequence[tuple[str, str]]  # text of a token, and "plain", "kept" or "changed"
    outcome: str
    facts: str = ""

    def __str__(self) -> str:
        body = "".join(f"{before}{text}{behind}" for text, (_, before, behind) in self._shown())
        return f"{clean(self.name)}: {clean(self.outcome)}; {self.facts}\n{body}"

    def _shown(self) -> list[tuple[str, tuple[str, str, str]]]:
        """Each token's text, line ends as a sign and a line end, and its mark."""
        pieces = [(clean(text, len(text), "\n").replace("\n", "⏎\n"), _MARKS.get(mark, _MARKS["plain"]))
                  for text, mark in self.pieces[:_MOST]]  # fmt: skip
        return [*pieces, *([("…", _MARKS["plain"])] if len(self.pieces) > _MOST else [])]

    def _repr_html_(self) -> str:
        spans = [f'<span class="{name}">{escape(text)}</span>' if name else escape(text)
                 for text, (name, _, _) in self._shown()]  # fmt: skip
        head = f"<p><b>{escape(self.name)}</b> · {escape(self.outcome)} · {escape(self.facts)}</p>"
        return f"<div>{head}<pre>{''.join(spans)}</pre></div>"


class SideView(Chooser):
    """`SideView(rows)`: the rows of `evaluation.decoding.answer` of several arms, by problem and seed.

    It begins with the first problem that some arm solves and another does not. `chosen` is the list to choose from, and
    can be set from Python. ValueError for no rows.
    """

    def __init__(self, rows: pd.DataFrame, arms: Sequence[str] = ()) -> None:
        rows = rows[rows["strategy"].isin(arms)] if len(arms) else rows
        self._groups = [group for _, group in rows.groupby(["problem", "seed"], sort=False)]
        if not self._groups:
            raise ValueError("answers to look at: there are none; at least one row is needed")
        names = [f"{clean(group['problem'].iloc[0], 60)} · {group['solved'].sum()} of {len(group)} solved"
                 for group in self._groups]  # fmt: skip
        mixed = [place for place, group in enumerate(self._groups) if group["solved"].nunique() > 1]
        super().__init__(names, mixed[0] if mixed else 0, "problem")

    @property
    def sides(self) -> list[Side]:
        """The answers that are shown."""
        return [read_side(row) for row in self._groups[self.chosen.value].to_dict("records")]

    def _draw(self) -> str:
        return wrap("sides", "".join(side._repr_html_() for side in self.sides)) + f"<p>{escape(LEGEND)}</p>"

    def __repr__(self) -> str:
        return "\n\n".join([self.chosen.label, *map(str, self.sides)])


def read_side(row: dict[str, Any]) -> Side:
    """A row of `evaluation.decoding.answer` as a side."""
    pieces = [(str(text), str(mark)) for text, mark in json.loads(row["pieces"])]
    marks = Counter(mark for _, mark in pieces)  # what is drawn: a decision may have ended without a token
    facts = f"{row['answer_tokens']:,} tokens, {row['sampled_tokens']:,} sampled"
    if decisions := marks["kept"] + marks["changed"]:
        facts += f"; {decisions} decision{'s' * (decisions > 1)}, {marks['changed']} changed"
    return Side(f"{row['strategy']} ({row['mode']})", pieces, row["outcome"], facts)
