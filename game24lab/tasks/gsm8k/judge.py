"""Answers to word problems graded: one answer is one row, judged exactly, with the marks of its form.

The loop and the tables are those of `grading`. It does not know where problems come from, how a policy samples, nor how
it was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.grading import gather
from game24lab.runs.checks import require
from game24lab.tasks.gsm8k.rewards import count_lines
from game24lab.tasks.gsm8k.task import WordProblem, WordProblems, judge_answer
from game24lab.tasks.rewards import score

MARKS = ("strict_format", "soft_format", "xml_count", "calculations")  # rewards that are columns too
WORD_COLUMNS = {
    "question": "str", "gold": "str", "operations": "int64", "structure": "str", "stage": "str", "model": "str",
    "sample": "int64", "text": "str", "tokens": "int64", "lines": "int64", "characters": "int64", "seconds": "float64",
    "finish": "str", "outcome": "str", "solved": "bool", "finished": "bool", "answer": "str",
    **dict.fromkeys(MARKS, "float64"),
    "budget": "int64", "temperature": "float64", "top_p": "float64", "seed": "int64", "parameters": "int64",
    "backend": "str",
}  # fmt: skip


def grade_words(
    policy: Any,
    task: WordProblems,
    problems: Sequence[WordProblem | str],
    *,
    budget: int = 1024,
    samples: int = 1,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    stage: str = "end",
    model: str = "",
    path: str | Path | None = None,
    progress: bool = True,
    batch: int = 256,
) -> pd.DataFrame:
    """Let a policy answer word problems, `samples` times each: one row each, columns as in `WORD_COLUMNS`.

    An answer counts where its tag is closed within the `budget` of tokens, whatever follows; nobody chooses among
    samples. The rest is as in `grading.grade`, files and what is refused included.
    """
    require("budget", budget, int, 1)
    require("samples", samples, int, 1)
    require("batch", batch, int, 1)
    if samples > 1 and not temperature:
        raise ValueError(f"samples {samples} with temperature 0: they would be copies; 1, or a temperature above 0, "
                         "is accepted")  # fmt: skip
    asked = [task.start(problem).problem for problem in problems]
    known = {problem.question: problem for problem in asked}
    if len(known) < len(asked):
        twice = next(one.question for place, one in enumerate(asked) if one in asked[:place])
        raise ValueError(f"problems: {twice[:60]!r} is listed twice")
    settings = {"stage": stage, "model": model, "budget": budget, "temperature": float(temperature),
                "top_p": float(top_p), "seed": seed}  # fmt: skip
    return gather(policy, {question: task.prompt(question) for question in known},
                  lambda question, answer: _judge(known[question], answer), settings, columns=WORD_COLUMNS,
                  samples=samples, path=path, progress=progress, batch=batch)  # fmt: skip


def _judge(problem: WordProblem, answer: Any) -> dict[str, Any]:
    text = answer.text.encode("utf-8", "replace").decode()  # a server may send halves of characters; no file takes them
    verdict = judge_answer(problem.answer, text)
    (marks,) = score([problem.gold], [text], dict.fromkeys(MARKS, 1.0), task="gsm8k")
    return {
        "gold": problem.gold, "operations": problem.operations, "structure": problem.structure, "text": text,
        "tokens": answer.tokens, "lines": count_lines(text), "characters": len(text), "finish": answer.finish,
        "outcome": verdict.outcome, "solved": verdict.solved, "finished": verdict.outcome != "unfinished",
        "answer": verdict.answer, **{name: marks[name] for name in MARKS},
    }  # fmt: skip
