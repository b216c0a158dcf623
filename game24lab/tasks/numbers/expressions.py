"""Answers of number games as they are written: read by the table of written forms, judged by the exact verifier.

One judge for all who are given an answer as text: `game24lab check`, chains, rewards, games of foreign checkpoints. It
does not know where an answer stands in a text, nor how forms are read or expressions judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from game24lab.tasks.notation import read_expression
from game24lab.tasks.numbers.arithmetic import Check, ExpressionError, check_expression

_FINAL = ("wrong numbers", "makes ")  # of what the strict judge could read; no other reading makes more of it


def check_answer(
    numbers: Iterable[int], text: str, target: Fraction | int = 24, *, strict: bool = False, every: bool = True
) -> Check:
    """Judge an answer: does it use exactly these numbers, each once, and make the target exactly?

    Any form of `docs/written-forms.md` is read; with `strict` the plain one alone, as `check_expression` has it. What
    the strict judge accepts, the lenient one accepts too. Without `every` each number may be left out. Never raises on
    text.
    """
    numbers = tuple(numbers)
    check = check_expression(numbers, text, target, every=every)
    if strict or check.accepted or check.reason.startswith(_FINAL):
        return check
    try:
        plain = read_expression(text)
    except ExpressionError as error:
        return Check(False, f"not an expression: {error}")
    check = check_expression(numbers, plain, target, lenient=True, every=every)
    first, equals, others = plain.partition("=")
    if not check.accepted and equals and first.replace(" ", "") == str(target):  # 24 = (1 + 2 + 3) * 4
        check = check_expression(numbers, f"{others}= {first}", target, lenient=True, every=every)
    return check
