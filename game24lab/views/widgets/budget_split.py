"""What a total budget buys: sliders for FLOPs and problems, and what to train and how long to think at once.

All is read off a measured plane, no model is asked. It does not know how anything was measured.
"""

from __future__ import annotations

import math

import ipywidgets as widgets
import pandas as pd

from game24lab.scaling.budgets import split_both, split_budget
from game24lab.scaling.plane import Plane
from game24lab.views.tables import formats as fmt
from game24lab.views.widgets.html import Panel, escape, make_sentence, make_table, wrap

_REPEATS = 40  # bootstrap draws of a moment's interval


class Splitting(Panel):
    """`Splitting(plane)`: sliders for the total budget and the number of problems, and the best use of them.

    They can be set from Python too, by `total.value` and `problems.value`. `result` are the rows of
    `budgets.split_both` of the moment, none where the budget pays for nothing that was measured. Intervals are over
    problems alone, which is quick.
    """

    def __init__(self, plane: Plane, problems: float = 1000.0) -> None:
        self.plane = plane
        cheapest = float((plane.points["training"] + plane.points["thinking"]).min())
        dearest = float((plane.points["training"] + 1e6 * plane.points["thinking"]).max())
        low, high = math.floor(math.log10(cheapest)), math.ceil(math.log10(dearest))
        begin = 10 ** min(high, math.log10(float(plane.points["training"].max())) + 0.3)
        self.total = self._make_slider("total FLOPs", begin, low, high)
        self.problems = self._make_slider("problems", problems, 0, 9)
        self._said, self._view = make_sentence(), widgets.HTML()
        for slider in (self.total, self.problems):
            slider.observe(self._show, "value")
        super().__init__([widgets.HBox([self.total, self.problems], layout={"flex_flow": "row wrap"}), self._said,
                          self._view])  # fmt: skip
        self._show()

    @staticmethod
    def _make_slider(name: str, value: float, low: int, high: int) -> widgets.FloatLogSlider:
        return widgets.FloatLogSlider(value=value, min=low, max=max(high, low + 1), step=0.1, description=name,
                                      readout_format=".2e", layout={"width": "340px"},
                                      style={"description_width": "90px"})  # fmt: skip

    def _show(self, _: object = None) -> None:
        self.result = split_both(self.plane, [max(1.0, self.problems.value)], [self.total.value], repeats=_REPEATS,
                                 over_seeds=False)  # fmt: skip
        self._said.value = tell_split(self.result) or (
            f"{self.total.value:.3g} FLOPs pay for nothing that was measured with {self.problems.value:,.0f} problems.")
        self._view.value = self._tabulate()

    def _tabulate(self) -> str:
        """What each strategy comes to with the same budget, best first."""
        rows = []
        for strategy, mode in self.plane.strategies:
            found = split_budget(self.plane.pick(strategy, mode), [max(1.0, self.problems.value)], [self.total.value],
                                 repeats=2, over_seeds=False)  # fmt: skip
            rows += [(row["accuracy"], strategy, mode, row["size"], row["effort"], row["share"])
                     for row in found.to_dict("records")]  # fmt: skip
        body = (f'<tr><td class="text">{escape(strategy)}</td><td class="text">{escape(mode)}</td>'
                f"<td>{escape(size)}</td><td>{effort:,.0f}</td><td>{share:.0%}</td><td>{accuracy:.1%}</td></tr>"
                for accuracy, strategy, mode, size, effort, share in sorted(rows, reverse=True))  # fmt: skip
        heads = ('<th class="text">strategy</th><th class="text">mode</th>',
                 *(f"<th>{name}</th>" for name in ("size", "effort", "thinking", "accuracy")))  # fmt: skip
        return wrap("numbers", make_table(heads, body))

    def _tell(self) -> str:
        return self._said.value

    def __repr__(self) -> str:
        return f"Splitting of {len(self.plane.points)} points ({self._said.value})"


def tell_split(rows: pd.DataFrame) -> str:
    """Rows of `budgets.split_both` in sentences; "" without one."""
    return " ".join(
        f"{'With' if row['verifier'] else 'Without'} a verifier {row['problems']:,.0f} problems and {row['total']:.2g} "
        f"FLOPs in all are best met by {row['size']} with {row['strategy']} ({row['mode']}, effort "
        f"{row['effort']:,.0f}), {row['share']:.0%} of what is spent on thinking: "
        f"{fmt.bracket(row['accuracy'], row['low'], row['high'])}." for row in rows.to_dict("records"))  # fmt: skip
