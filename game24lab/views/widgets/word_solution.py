"""An answer to a word problem, read line by line: which calculations are right, and what the verifier says.

The text may be a model's: it is shown, never taken as markup. It does not know how answers are made.
"""

from __future__ import annotations

from dataclasses import dataclass

from game24lab.tasks.gsm8k.rewards import read_gold
from game24lab.tasks.gsm8k.task import TAGS, check_calculation, judge_answer
from game24lab.views.charts.theme import plain

_LONGEST = 240  # characters of a line that are shown
_SIGNS = {True: ("+", "#009E73", "right"), False: ("!", "#D55E00", "wrong"), None: (" ", "#999999", "")}
_STYLE = """<style>
.game24lab-words {font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; border-collapse: collapse}
table.game24lab-words tbody tr td {padding: 1px 10px; text-align: left; white-space: pre-wrap; overflow-wrap: anywhere}
.game24lab-words td:last-child {font-family: system-ui, sans-serif; opacity: .85}
</style>"""


@dataclass(frozen=True)
class SolutionView:
    """A question with an answer to it: a coloured table in notebooks, aligned lines as plain text."""

    question: str
    gold: str
    text: str

    @property
    def lines(self) -> list[tuple[str, bool | None]]:
        """The lines with text, and of each whether its calculations are right; None where it has none."""
        return [(_clean(line), check_calculation(line)) for line in self.text.split("\n") if line.strip()]

    def __str__(self) -> str:
        width = max((len(line) for line, _ in self.lines), default=0)
        body = [f"{_SIGNS[right][0]} {line:{width}}  {_SIGNS[right][2]}".rstrip() for line, right in self.lines]
        return "\n".join([_clean(self.question, 2_000), *body, self._summarise()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = []
        for line, right in self.lines:
            sign, colour, said = _SIGNS[right]
            faint = "; opacity: .55" if line.strip() in TAGS else ""
            rows.append(f'<tr style="border-left: 6px solid {colour}; background: {colour}22{faint}">'
                        f"<td>{plain(sign)}</td><td>{plain(line)}</td><td>{plain(said)}</td></tr>")  # fmt: skip
        table = f'<table class="game24lab-words"><tbody>{"".join(rows)}</tbody></table>'
        return f"{_STYLE}<p>{plain(_clean(self.question, 2_000))}</p>{table}<p>{plain(self._summarise())}</p>"

    def _summarise(self) -> str:
        verdict = judge_answer(read_gold(self.gold).value, self.text)
        checked = [right for _, right in self.lines if right is not None]
        return (f"{verdict.outcome}: {verdict.reason}; {sum(checked)} of {len(checked)} lines with calculations are "
                "right")  # fmt: skip


def _clean(text: str, longest: int = _LONGEST) -> str:
    """One printable line of bounded length."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return shown if len(shown) <= longest else f"{shown[:longest]}..."
