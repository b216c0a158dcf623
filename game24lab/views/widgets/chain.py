"""A search trace read line by line with its verdicts, each line set in by the moves that lead to it.

It does not know how a trace is made or judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from game24lab.tasks.numbers.chains import Judgement, Line
from game24lab.views.charts.palette import ALIVE, DEAD, RULE, WRONG
from game24lab.views.widgets.html import JudgedLines, clean

# What a line is, with its sign and colour; the words come first in what is said of it.
_VERDICTS = {
    "alive": ("+", ALIVE, "the target is within reach"),
    "dead": ("-", DEAD, "a dead end"),
    "rollback": ("<", RULE, "goes back"),
    "recap": ("=", RULE, "tells the way"),
    "answer": ("=", ALIVE, "solved"),
    "wrong": ("!", WRONG, "wrong"),
}
_MANY = 6  # lines that lead nowhere, of which nobody wants to read each


@dataclass(frozen=True, repr=False)
class ChainView(JudgedLines):
    """A judged chain to look at."""

    judgement: Judgement

    def judge_lines(self) -> list[tuple[str, str, str, str]]:
        """See `JudgedLines`."""
        found = []
        for place, line in enumerate(self.judgement.lines):
            sign, colour, words = _VERDICTS[_tell(line)]
            said = words + (f": {clean(line.reason)}" if line.reason else "")
            if place == self.judgement.first_unsound:
                said += "; leaves a position from which the target was within reach"
            found.append((sign, colour, "  " * _count_moves(line) + line.text, said))
        return found

    def list_folds(self) -> list[tuple[int, int, str]]:
        """See `JudgedLines`: lines one after the other that lead nowhere, where they are many."""
        folds, begin = [], 0
        for leads, group in groupby(self.judgement.lines, lambda line: _tell(line) not in ("dead", "rollback")):
            end = begin + len(list(group))
            if not leads and end - begin >= _MANY:
                folds.append((begin, end, f"lines {begin} to {end - 1}: dead ends, and the ways back from them"))
            begin = end
        return folds

    def summarise(self) -> str:
        """See `JudgedLines`."""
        found = self.judgement
        wrong = "no line is wrong" if found.first_wrong is None else f"line {found.first_wrong} is the first wrong one"
        return (f"{found.outcome}; style {found.style}; {found.share_right:.0%} of {len(found.lines)} lines right, "
                f"{wrong}; rollbacks: {found.rollbacks}")  # fmt: skip


def _count_moves(line: Line) -> int:
    """How many moves lead to where a line is written; what stands behind the search is not set in."""
    if line.kind in ("answer", "recap"):
        return 0
    return line.depth - (line.kind == "move" and line.right)


def _tell(line: Line) -> str:
    if not line.right:
        return "wrong"
    if line.kind in ("answer", "recap", "rollback"):
        return line.kind
    return "dead" if line.dead else "alive"
