"""One answer to a puzzle, judged exactly: a row of columns. It does not know who answered, nor of loops or files."""

from __future__ import annotations

from typing import Any

from game24lab.tasks.numbers.chains import judge_chain
from game24lab.tasks.numbers.puzzles import TARGET, NumberProblem
from game24lab.tasks.numbers.rankings import Ranking, find_bucket
from game24lab.tasks.numbers.solution_lines import STYLE, add_answer

COLUMNS = {
    "numbers": "str", "rank": "Int64", "bucket": "str", "stage": "str", "model": "str", "sample": "int64",
    "text": "str", "tokens": "int64", "lines": "int64", "characters": "int64", "seconds": "float64", "finish": "str",
    "outcome": "str", "solved": "bool", "finished": "bool", "answer": "str", "style": "str", "share_right": "float64",
    "first_wrong": "Int64", "wrong_kind": "str", "wrong_reason": "str", "first_unsound": "Int64", "rollbacks": "int64",
    "budget": "int64", "temperature": "float64", "top_p": "float64", "target": "int64", "seed": "int64",
    "parameters": "int64", "backend": "str",
}  # fmt: skip
OUTCOMES = ("solved", "wrong value", "wrong numbers", "wrong expression", "unfinished")
WRONG = OUTCOMES[1:4]  # an answer was given, and it is not right


def describe_problem(problem: NumberProblem, ranks: Ranking) -> dict[str, Any]:
    """What is known of a problem before anybody answers: `rank` and `bucket`, of the published game alone."""
    known = problem.target == TARGET
    rank = ranks.rank(problem.numbers) if known and ranks.name == "published" else None
    bucket = find_bucket(problem.numbers, ranks) if known else None
    return {"rank": rank, "bucket": bucket or "", "target": problem.target}


def judge_answer(problem: NumberProblem, answer: Any, *, moves_answer: bool = False) -> dict[str, Any]:
    """One completion of a chain of thought (`text`, `tokens`, `finish`) as a row: the judge's word on all its lines.

    `first_wrong` and `first_unsound` are lines counted from 0. An answer that was cut off is unfinished, whatever
    stands there. With `moves_answer` right moves that leave one number are an answer too, in the style "lines", see
    `tasks.numbers.solution_lines`. Never raises on text.
    """
    text = answer.text.encode("utf-8", "replace").decode()  # a server may send halves of characters; no file takes them
    judged = ends = judge_chain(problem, text)
    if moves_answer and not judged.finished:
        ends = judge_chain(problem, add_answer(problem, text))
    ended = answer.finish == "stop"
    wrong = None if judged.first_wrong is None else judged.lines[judged.first_wrong]
    return {
        "text": text, "tokens": answer.tokens, "lines": len(judged.lines), "characters": len(text),
        "finish": answer.finish, "outcome": ends.outcome if ended else "unfinished",
        "solved": ends.solved and ended, "finished": ends.finished and ended, "answer": ends.answer,
        "style": judged.style if ends.finished == judged.finished else STYLE, "share_right": judged.share_right,
        "first_wrong": judged.first_wrong, "wrong_kind": wrong.kind if wrong else "",
        "wrong_reason": wrong.reason if wrong else "",
        "first_unsound": judged.first_unsound, "rollbacks": judged.rollbacks,
    }  # fmt: skip
