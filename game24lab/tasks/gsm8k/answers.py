"""Answers to word problems in free text: found by named rules, the strictest first, and compared exactly.

`docs/score.md` lists the rules. One rule decides: where it finds an answer that is wrong, no weaker one is asked.
It does not know of files, rows or counts.
"""

from __future__ import annotations

import re
from fractions import Fraction

from game24lab.tasks.answers import (
    LONGEST,
    Judged,
    find_boxed,
    find_line,
    find_marked,
    find_opened,
    find_tagged,
    take_turn,
)
from game24lab.tasks.quantities import Number, read_number, write_number

# From the strictest to the weakest; "column" is an answer that stands alone in a file's own column
RULES = ("column", "tags", "open tag", "box", "####", "line", "equation", "number")
FAULTS = {
    "no answer": "no rule finds an answer in the text",
    "not in the form asked for": "found by another rule than the form asked for (strict alone)",
    "no single number": "what stands there is no number, or more than one",
    "wrong value": "another value than the right one",
}
_LAST_NUMBER = re.compile(r"(?<![\w.,])[-−]?[$€£]?[0-9][0-9,]*(?:\.[0-9]+)?")
_SENTENCE = re.compile(r"(?<=[^\s.])\.(?:\s|\Z)|\n")
_MOST_LINES = 200


def judge_text(gold: Fraction, text: str, *, alone: bool = False, strict: bool = False) -> Judged:
    """The verdict on a whole text, or on an answer that stands `alone` in its column. Never raises on text.

    With `strict` numbers are read in the plain form alone, as `docs/written-forms.md` has it.
    """
    if alone and (number := read_number(text.strip(), strict=strict)) is not None:
        return _compare(gold, "column", text.strip(), number)
    found = locate_answer(text)
    if found is None:
        if alone and text.strip():
            return _compare(gold, "column", text.strip(), None)
        return Judged("", "", False, "no answer", "no answer was found")
    rule, answer = found
    return _compare(gold, rule, answer, read_number(answer, strict=strict))


def locate_answer(text: str) -> tuple[str, str] | None:
    """The rule that finds an answer first, and the answer as it is written; None where no rule does."""
    text = take_turn(text)
    if (found := find_tagged(text)) is not None:
        return "tags", found.strip()
    if (found := find_opened(text)) is not None:
        return "open tag", found.strip()
    if (boxed := find_boxed(text)) and boxed[0].strip():
        return "box", boxed[0].strip()
    if (found := find_marked(text)) is not None:
        return "####", found.strip()
    if (found := find_line(text)) is not None:
        return "line", _SENTENCE.split(found, maxsplit=1)[0].strip()
    lines = [line for line in text.split("\n") if line.strip()][-_MOST_LINES:]
    for line in reversed(lines):
        behind = _SENTENCE.split(line.rpartition("=")[2].strip(), maxsplit=1)[0] if "=" in line else ""
        if behind and read_number(behind) is not None:
            return "equation", behind
    numbers = _LAST_NUMBER.findall(text)
    return ("number", numbers[-1].rstrip(",")) if numbers else None


def _compare(gold: Fraction, rule: str, answer: str, number: Number | None) -> Judged:
    if number is None:
        return Judged(rule, answer[:LONGEST], False, "no single number", "the answer is no single number")
    said = f"says {write_number(number.value)}"
    if number.equals(gold):
        return Judged(rule, answer[:LONGEST], True, "", said)
    return Judged(rule, answer[:LONGEST], False, "wrong value", f"{said}, not {write_number(gold)}")
