"""One answer to a word problem, judged exactly: a row of columns, with the marks of its form.

It does not know who answered, nor of loops or files.
"""

from __future__ import annotations

from typing import Any

from game24lab.tasks.gsm8k.rewards import REWARDS, count_lines
from game24lab.tasks.gsm8k.task import WordProblem, judge_answer
from game24lab.tasks.rewards import score

MARKS = ("strict_format", "soft_format", "xml_count", "calculations")  # rewards that are columns too
COLUMNS = {
    "question": "str", "gold": "str", "operations": "int64", "structure": "str", "stage": "str", "model": "str",
    "sample": "int64", "text": "str", "tokens": "int64", "lines": "int64", "characters": "int64", "seconds": "float64",
    "finish": "str", "outcome": "str", "solved": "bool", "finished": "bool", "answer": "str",
    **dict.fromkeys(MARKS, "float64"),
    "budget": "int64", "temperature": "float64", "top_p": "float64", "seed": "int64", "parameters": "int64",
    "backend": "str",
}  # fmt: skip


def describe_problem(problem: WordProblem) -> dict[str, Any]:
    """What is known of a problem before anybody answers: `gold`, `operations`, `structure`."""
    return {"gold": problem.gold, "operations": problem.operations, "structure": problem.structure}


def judge_completion(problem: WordProblem, answer: Any) -> dict[str, Any]:
    """One completion (`text`, `tokens`, `finish`) as a row. Never raises on text."""
    text = answer.text.encode("utf-8", "replace").decode()  # a server may send halves of characters; no file takes them
    verdict = judge_answer(problem.answer, text)
    (marks,) = score(REWARDS, [problem.gold], [text], dict.fromkeys(MARKS, 1.0))
    return {
        "text": text, "tokens": answer.tokens, "lines": count_lines(text), "characters": len(text),
        "finish": answer.finish, "outcome": verdict.outcome, "solved": verdict.solved,
        "finished": verdict.outcome != "unfinished", "answer": verdict.answer, **{name: marks[name] for name in MARKS},
    }  # fmt: skip
