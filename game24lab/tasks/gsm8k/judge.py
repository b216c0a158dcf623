"""Answers to word problems graded: one answer is one row, judged exactly, with the marks of its form.

The loop and the tables are those of `grading`. It does not know where problems come from, how a policy samples, nor how
it was trained.
"""

from __future__ import annotations

from typing import Any

from game24lab.tasks.gsm8k.rewards import count_lines
from game24lab.tasks.gsm8k.task import WordProblem, judge_answer
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
