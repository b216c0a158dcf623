"""An answer to a word problem, read line by line: which calculations are right, and what the verifier says.

It does not know how answers are made.
"""

from __future__ import annotations

from dataclasses import dataclass

from game24lab.tasks.gsm8k.rewards import read_gold
from game24lab.tasks.gsm8k.task import TAGS, check_calculation, judge_answer
from game24lab.views.charts.palette import ALIVE, RULE, UNKNOWN, WRONG
from game24lab.views.widgets.html import JudgedLines, clean

_SIGNS = {True: ("+", ALIVE, "right"), False: ("!", WRONG, "wrong"), None: (" ", RULE, "")}
_TAG = (" ", UNKNOWN, "")  # around the answer, no part of it


@dataclass(frozen=True, repr=False)
class SolutionView(JudgedLines):
    """A question with an answer to it."""

    question: str
    gold: str
    text: str

    @property
    def title(self) -> str:
        """The question."""
        return self.question

    @property
    def lines(self) -> list[tuple[str, bool | None]]:
        """The lines with text, and of each whether its calculations are right; None where it has none."""
        return [(clean(line), check_calculation(line)) for line in self.text.split("\n") if line.strip()]

    def judge_lines(self) -> list[tuple[str, str, str, str]]:
        """See `JudgedLines`."""
        found = [(line, *(_TAG if line.strip() in TAGS else _SIGNS[right])) for line, right in self.lines]
        return [(sign, colour, line, said) for line, sign, colour, said in found]

    def summarise(self) -> str:
        """See `JudgedLines`."""
        verdict = judge_answer(read_gold(self.gold).value, self.text)
        checked = [right for _, right in self.lines if right is not None]
        return (f"{verdict.outcome}: {verdict.reason}; {sum(checked)} of {len(checked)} lines with calculations are "
                "right")  # fmt: skip
