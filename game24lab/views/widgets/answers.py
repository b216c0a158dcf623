"""Graded answers to look at: one is chosen from a list, and read line by line with the judge's verdicts.

It does not know how answers are made or judged, nor how a chain is drawn.
"""

from __future__ import annotations

import pandas as pd

from game24lab.evaluation.chains import find_key
from game24lab.tasks.numbers.chains import judge_chain
from game24lab.tasks.numbers.puzzles import read_problem
from game24lab.tasks.numbers.solution_lines import STYLE, add_answer
from game24lab.views.widgets.chain import ChainView
from game24lab.views.widgets.html import Chooser
from game24lab.views.widgets.word_solution import SolutionView


class AnswerView(Chooser):
    """`AnswerView(rows)`: the rows of `evaluation.chains.grade`, or of `evaluation.chains.grade_words`, in their order.

    It begins with the first answer that is not right. `chosen` is the list to choose from, and can be set from Python:
    `view.chosen.value = 3`. ValueError for no rows.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        self._rows = rows.reset_index(drop=True)
        if self._rows.empty:
            raise ValueError("answers to look at: there are none; at least one row is needed")
        problems = [name if len(name) <= 40 else f"{name[:39]}…" for name in self._rows[find_key(self._rows)]]
        names = [f"{name} · {row.outcome} · {row.tokens:,} tokens"
                 for name, row in zip(problems, self._rows.itertuples(), strict=True)]  # fmt: skip
        unsolved = self._rows.index[~self._rows["solved"]]
        super().__init__(names, int(unsolved[0]) if len(unsolved) else 0, "answer", list(self._rows["outcome"]))

    @property
    def chain(self) -> ChainView | SolutionView:
        """The answer that is shown, judged."""
        row = self._rows.loc[self.chosen.value]
        if "question" in row:
            return SolutionView(row["question"], row["gold"], row["text"])
        problem = read_problem(row["numbers"], int(row["target"]))
        text = add_answer(problem, row["text"]) if row["style"] == STYLE else row["text"]
        return ChainView(judge_chain(problem, text))

    def _draw(self) -> str:
        return self.chain._repr_html_()

    def __repr__(self) -> str:
        return f"{self.chosen.label}\n{self.chain}"
