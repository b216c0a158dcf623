"""Published prompts of number games: which numbers they show, what these must make, and whether all must be used.

It does not know of answers, files or models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LONGEST = 20_000  # characters of a prompt that are looked through, from its end
_NUMBERS = r"\[?([0-9][0-9, ]{0,200}[0-9])\]?"
# `Input: 4 5 6 10` of Tree of Thoughts and TS-LLM, the last one: examples stand before it
_INPUT = re.compile(r"^Input: *([0-9][0-9 ,]*?) *(?:Target: *(-?[0-9]{1,6}))? *$", re.MULTILINE)
# TinyZero: `Using the numbers [44, 19, 35], create an equation that equals 98.`, reasoning-gym without the brackets
_USING = re.compile(rf"(all the )?numbers {_NUMBERS}[^\n]{{0,80}}? equals (-?[0-9]{{1,6}})\b")
# reasoning-gym: `Make 24 using 3, 5, 7, 8.`, `Calculate 98 using the numbers ...`, `make 98 using some or all of these`
# `numbers: ...`, `Calculate 98 using all of these numbers: ...`
_MAKE = re.compile(
    r"\b(?:make|calculate|obtain|reach) (-?[0-9]{1,6}) using (?:(some or all of )?(the |these )|all of these )?"
    r"(?:numbers:? )?"
    + _NUMBERS,
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a prompt shows of a problem."""

    numbers: str  # as they are written
    target: int | None  # None where it does not say
    every: bool  # every number must be used; else each may be


def read_prompt(text: str) -> Shown | None:
    """The problem that a prompt of a published form shows; None for any other text. Never raises on text."""
    text = text[-_LONGEST:]
    if matches := _INPUT.findall(text):
        numbers, target = matches[-1]
        return Shown(numbers, int(target) if target else None, True)
    if match := _USING.search(text):
        return Shown(match[2], int(match[3]), bool(match[1]))
    if match := _MAKE.search(text):
        return Shown(match[4], int(match[1]), not (match[2] or match[3]))
    return None
