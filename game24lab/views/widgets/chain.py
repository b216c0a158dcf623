"""What search traces look like: how long they are, as a figure, and one of them read line by line with its verdicts.

A verdict is told by a sign and in words besides its colour. A trace's text may be a model's: it is shown, never taken
as markup. This module does not know how a trace is made or judged.
"""

from __future__ import annotations

from dataclasses import dataclass

from game24lab.tasks.numbers.chains import Judgement, Line
from game24lab.views.charts.theme import plain

_LONGEST = 240  # characters of a line that are shown
# What a line is, with its sign and colour; the words come first in what is said of it.
_VERDICTS = {
    "alive": ("+", "#009E73", "the target is within reach"),
    "dead": ("-", "#E69F00", "a dead end"),
    "rollback": ("<", "#0072B2", "goes back"),
    "recap": ("=", "#0072B2", "tells the way"),
    "answer": ("=", "#009E73", "solved"),
    "wrong": ("!", "#D55E00", "wrong"),
}
_STYLE = """<style>
.game24lab-chain {font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; border-collapse: collapse}
table.game24lab-chain tbody tr td {padding: 1px 10px; text-align: left; white-space: pre-wrap; overflow-wrap: anywhere}
table.game24lab-chain tbody tr td:first-child {text-align: right; opacity: .6}
.game24lab-chain td:last-child {font-family: system-ui, sans-serif; opacity: .85}
</style>"""


@dataclass(frozen=True)
class ChainView:
    """A judged chain to look at: a coloured table in notebooks, aligned lines as plain text."""

    judgement: Judgement

    def __str__(self) -> str:
        lines = [(_VERDICTS[_tell(line)][0], _clean(line.text), self._explain(place))
                 for place, line in enumerate(self.judgement.lines)]  # fmt: skip
        width = max((len(text) for _, text, _ in lines), default=0)
        body = [f"{place:4} {sign} {text:{width}}  {said}".rstrip() for place, (sign, text, said) in enumerate(lines)]
        return "\n".join([*body, self._summarise()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = []
        for place, line in enumerate(self.judgement.lines):
            sign, colour, _ = _VERDICTS[_tell(line)]
            rows.append(f'<tr style="border-left: 6px solid {colour}; background: {colour}22"><td>{place}</td>'
                        f"<td>{plain(sign)}</td><td>{plain(_clean(line.text))}</td>"
                        f"<td>{plain(self._explain(place))}</td></tr>")  # fmt: skip
        table = f'<table class="game24lab-chain">{"".join(rows)}</table>'
        return f"{_STYLE}{table}<p>{plain(self._summarise())}</p>"

    def _explain(self, place: int) -> str:
        line = self.judgement.lines[place]
        verdict = _tell(line)
        said = [_VERDICTS[verdict][2] + (f": {_clean(line.reason)}" if line.reason else "")]
        if place == self.judgement.first_unsound:
            said.append("leaves a position from which the target was within reach")
        return "; ".join(said)

    def _summarise(self) -> str:
        found = self.judgement
        wrong = "no line is wrong" if found.first_wrong is None else f"line {found.first_wrong} is the first wrong one"
        return (f"{found.outcome}; style {found.style}; {found.share_right:.0%} of {len(found.lines)} lines right, "
                f"{wrong}; rollbacks: {found.rollbacks}")  # fmt: skip


def _tell(line: Line) -> str:
    if not line.right:
        return "wrong"
    if line.kind in ("answer", "recap", "rollback"):
        return line.kind
    return "dead" if line.dead else "alive"


def _clean(text: str) -> str:
    """One printable line of bounded length."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
