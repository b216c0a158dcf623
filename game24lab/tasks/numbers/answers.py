"""Answers to number games in free text: found by named rules, the strictest first, and judged by the exact verifier.

`docs/score.md` lists the rules and what they take; tests hold this module to it. One rule decides: where it finds an
answer that is wrong, no weaker one is asked. Nothing is evaluated. It does not know of files, rows or counts.
"""

from __future__ import annotations

import re

from game24lab.tasks.answers import LONGEST, Judged, find_boxed, find_line, find_opened, find_tagged, take_turn
from game24lab.tasks.numbers.expressions import check_answer
from game24lab.tasks.numbers.faults import NO_ANSWER, name_fault
from game24lab.tasks.numbers.puzzles import NumberProblem

# From the strictest to the weakest; "column" is an answer that stands alone in a file's own column
RULES = ("column", "tags", "open tag", "box", "line", "equation", "expression")
_UNREAD = ("not an expression", "the right-hand side is not the plain number")  # how reasons of what is not read begin
_MOST_LINES = 200  # with text, from the end, in which calculations are looked for
_LONGEST_LINE = 1_000
_NUMBER = re.compile(r"-?[0-9]{1,6}(?:\.0+)?")
_BACK = 300  # characters before a box in which its calculation stands
# What a calculation in running text may be made of; a colon is none of it there
_PART = (
    r"[-+*/×·∙⋅∗÷∕⁄−–()\[\]{}=0-9.,$` \t]|(?<=[0-9)\]] )[xX](?= [0-9(\[])"
    r"|\\(?:times|cdot|div|[dt]?frac|left|right)(?![A-Za-z])|\\[()\[\]{}]"
)
_RUN = re.compile(rf"(?:{_PART})+")
_BEFORE_BOX = re.compile(rf"(?:{_PART})+\Z")
_OPERATION = re.compile(r"[0-9)\]}]\s*(?:[-+*/×·∙⋅∗÷∕⁄−–]|[xX] |\\(?:times|cdot|div))\s*[\\$(\[{]*[0-9]|frac")
_ITEM = re.compile(r"\s*(?:[-*•]\s+|\(?[0-9]{1,3}[.)]\s+)")
# Signs and words that are part of a calculation where they stand beside it
_SIGNS = frozenset("^!%√∛²³⁴½_#&|<>~≠≈")
_WORDS = frozenset(
    ("minus", "negative", "plus", "times", "over", "by", "divided", "multiplied", "squared", "cubed", "factorial",
     "half", "twice", "double", "sqrt", "root", "log", "ln", "sin", "cos", "tan", "exp", "mod", "abs", "floor",
     "ceil", "round", "power")
)
_AFRESH = re.compile(r" [$`*]*[(\[0-9]")
_HARMLESS = re.compile(r"\\(?:text|mathrm|q?quad|checkmark|end)(?![A-Za-z])|\\\\")
# What a line says against the calculation in it
_DENIAL = re.compile(
    r"\b(?:not|no|none|never|cannot|or|wrong|incorrect|false|fails?|impossible|unless|almost|about|approximately|close)\b"
    r"|n['’]t\b|≠|≈",
    re.IGNORECASE,
)


def judge_text(
    problem: NumberProblem, text: str, *, alone: bool = False, every: bool = True, strict: bool = False
) -> Judged:
    """The verdict on a whole text, or on an answer that stands `alone` in its column. Never raises on text.

    Without `every` each number may be left out. With `strict` expressions are read in the plain form alone, and no
    words may stand beside them.
    """
    if alone:
        judged = _judge(problem, "column", text.strip(), every, strict)
        if judged.right or not judged.reason.startswith(_UNREAD):
            return judged
    if (found := locate_answer(text, problem.target)) is not None:
        return _judge(problem, *found, every, strict)
    return judged if alone and text.strip() else Judged("", "", False, NO_ANSWER, "no answer was found")


def locate_answer(text: str, target: int) -> tuple[str, str] | None:
    """The rule that finds an answer first, and the answer as it is written; None where no rule does.

    A box around the target alone stands for the calculation before it; where there is none, weaker rules go on.
    """
    text = take_turn(text)
    if (found := find_tagged(text)) is not None:
        return "tags", found.strip()
    if (found := find_opened(text)) is not None:
        return "open tag", found.strip()
    number = None
    if boxed := find_boxed(text):
        inner, before = boxed
        if not _NUMBER.fullmatch(inner.strip()):
            return "box", inner.strip()
        number, calculation = inner.strip(), _BEFORE_BOX.search(before[-_BACK:])
        run = _trim(calculation[0]) if calculation else ""
        if _OPERATION.search(run):
            return "box", f"{run} = {number}"
    if (found := find_line(text)) is not None and not (number and _NUMBER.fullmatch(found)):
        return "line", found
    weak = _find_calculation(text)
    return weak or (None if number is None else ("box", number))


def _judge(problem: NumberProblem, rule: str, answer: str, every: bool, strict: bool) -> Judged:
    """The verifier's word; of words around one calculation, that calculation's."""
    check = check_answer(problem.numbers, answer, problem.target, strict=strict, every=every)
    if not (check.accepted or strict) and check.reason.startswith(_UNREAD) and len(answer) <= _LONGEST_LINE:
        runs = list_calculations(answer)
        if len(runs) == 1 and len(runs[0]) < len(answer) and not _says_more(answer, runs[0]):
            again = check_answer(problem.numbers, runs[0], problem.target, every=every)
            if not again.reason.startswith(_UNREAD):
                check, answer = again, runs[0]
    fault = "" if check.accepted else name_fault(problem.numbers, answer[:_LONGEST_LINE], check)
    return Judged(rule, answer[:LONGEST], check.accepted, fault, check.reason)


def _says_more(answer: str, run: str) -> bool:
    """Whether what stands around a calculation may change what it says."""
    rest = answer.replace(run, " ", 1)
    return _DENIAL.search(rest) is not None or any(map(str.isnumeric, rest))


def _find_calculation(text: str) -> tuple[str, str] | None:
    """The last equation of a text, else its last calculation without an equals sign; no line that denies counts."""
    last = None
    lines = [line for line in text.split("\n") if line.strip()][-_MOST_LINES:]
    for line in reversed(lines):
        if len(line) > _LONGEST_LINE or not any(map(str.isdigit, line)):
            continue
        runs = list_calculations(line)
        equations = [run for run in runs if "=" in run]
        if not runs or _DENIAL.search(line):
            continue
        if equations:
            return "equation", equations[-1]
        last = last or ("expression", runs[-1])
    return last


def list_calculations(line: str) -> list[str]:
    """The calculations in a line: runs of numbers, signs and brackets with at least one operation in them.

    One that goes on in letters or other signs (`4! * 6`, `\\sqrt{16} * 6`, `3 * 8 squared`) is none.
    """
    item = _ITEM.match(line)
    begin = item.end() if item else 0
    return [run for match in _RUN.finditer(line, begin)
            if _OPERATION.search(match[0]) and _ends(line[begin : match.start()], match[0], line[match.end() :])
            and (run := _trim(match[0]))]  # fmt: skip


def _ends(before: str, run: str, after: str) -> bool:
    """Whether a calculation begins and ends where its signs do."""
    left, right = before[-20:].rstrip(), after[:20].lstrip()
    beside = before[-1:] if run[0] not in " \t$`" else ""
    behind = after[:1] if run[-1] not in " \t$`.," else ""
    if beside.isalnum() or behind.isalnum() or (left[-1:] in _SIGNS and not (left[-1:] == "!" and _AFRESH.match(run))):
        return False
    if right and run.rstrip().endswith("="):  # its right-hand side is no number
        return False
    if right[:1] == "!" and "=" in run:  # an exclamation behind the whole
        return not any(map(str.isalnum, right[:3]))
    if right[:1] in _SIGNS or (right[:1] == "\\" and not _HARMLESS.match(right)):
        return False
    words = re.findall(r"[A-Za-z]+\Z", left) + re.findall(r"\A[A-Za-z]+", right)
    return not _WORDS.intersection(map(str.lower, words))


def _trim(run: str) -> str:
    """A calculation without the punctuation around it and without brackets that another part of the text closes."""
    before = None
    while run and run != before:
        before, run = run, run.strip(" \t.,=")
        for mark in ("**", "`", "$"):
            if run.count(mark) % 2:
                run = run.removeprefix(mark) if run.startswith(mark) else run.removesuffix(mark)
        weight = _weigh(run)
        if weight < 0 and run.endswith((")", "]", "}")):
            run = run[:-1].removesuffix("\\")
        elif weight > 0 and run.startswith(("(", "[", "{", "\\(", "\\[", "\\{")):
            run = run.removeprefix("\\")[1:]
        elif weight > 0 and run.endswith(("(", "[", "{")):
            run = run[:-1].removesuffix("\\")
    return run


def _weigh(run: str) -> int:
    return sum(map(run.count, "([{")) - sum(map(run.count, ")]}"))
