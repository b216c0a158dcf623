"""Why an answer to a number game is refused, by kind: for tables that count them.

The kind is read off the answer and the verifier's reason. It decides nothing: what is right says the verifier alone.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import permutations

from game24lab.tasks.numbers.arithmetic import Check

NO_ANSWER, GIVES_UP = "no answer", "gives up"
# Every kind, with what it means
FAULTS = {
    NO_ANSWER: "no rule finds an answer in the text",
    GIVES_UP: "the answer says that there is none",
    "not in the form asked for": "found by another rule than the form asked for (strict alone)",
    "joined digits": "two of the numbers are written as one, 24 of 2 and 4",
    "number used twice": "one of the numbers stands there more often than it is given",
    "foreign number": "a number that is not given",
    "number left out": "a given number is missing where all must be used",
    "decimal": "a decimal among the numbers",
    "factorial": "a factorial",
    "power": "a power",
    "division by zero": "a division by zero",
    "chain does not hold": "one of several right-hand sides is another value",
    "other right-hand side": "the right-hand side is not the target",
    "wrong value": "another value than the right one",
    "not an expression": "it cannot be read as an expression",
}
_GIVES_UP = re.compile(r"\b(?:no|not|none|cannot|can't|impossible|unsolvable|n/a|null)\b|\bno solution", re.IGNORECASE)
_DECIMAL = re.compile(r"[0-9]\.[0-9]")
_POWER = re.compile(r"\^|[0-9)]\s*\*\*\s*[0-9(]|[²³⁴⁵⁶⁷⁸⁹]")
_WRONG = re.compile(r"uses too often or without right ([0-9 ]+)")
_MISSING = re.compile(r"does not use ([0-9 ]+)")
_MOST = 6  # numbers that are joined in all ways


def name_fault(numbers: tuple[int, ...], answer: str, check: Check) -> str:
    """The kind of a refused answer, one of `FAULTS`."""
    reason = check.reason
    if reason.startswith("wrong numbers"):
        surplus = _list(_WRONG, reason)
        missing = _list(_MISSING, reason) or list(numbers)
        if not surplus:
            return "number left out"
        if any(_is_joined(number, missing) for number in surplus):
            return "joined digits"
        given = Counter(numbers)
        return "number used twice" if all(given[number] for number in surplus) else "foreign number"
    if reason.startswith("makes "):
        return "wrong value"
    if "right-hand side" in reason:
        if _DECIMAL.search(answer.partition("=")[0]):
            return "decimal"
        return "chain does not hold" if answer.replace("＝", "=").count("=") > 1 else "other right-hand side"
    if "division by zero" in reason:
        return "division by zero"
    if not any(map(str.isdigit, answer)) or (_GIVES_UP.search(answer) and not re.search("[-+*/×÷]", answer)):
        return GIVES_UP if _GIVES_UP.search(answer) else "not an expression"
    if _DECIMAL.search(answer):
        return "decimal"
    if "!" in answer:
        return "factorial"
    return "power" if _POWER.search(answer) else "not an expression"


def _list(pattern: re.Pattern, reason: str) -> list[int]:
    match = pattern.search(reason)
    return [int(word) for word in match[1].split()] if match else []


def _is_joined(number: int, numbers: list[int]) -> bool:
    """Whether a number is two or more of the others written side by side."""
    written = str(number)
    parts = [str(one) for one in numbers if str(one) in written][:_MOST]
    return any("".join(some) == written for size in range(2, len(parts) + 1) for some in permutations(parts, size))
