"""Prompts of number games: of the published ones what they show, and what a checkpoint is shown around a puzzle.

It does not know of answers, files or models.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# The task sentence of TS-LLM and Tree of Thoughts, for checkpoints that were not trained here.
TSLLM_PREAMBLE = (
    "Use numbers and basic arithmetic operations (+ - * /) to obtain {target}. Each step, you are only allowed to "
    "choose two of the remaining numbers to obtain a new number.\n"
)
PUZZLE = "{puzzle}"  # in a preamble: where the puzzle's line stands, when something stands behind it too
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


def write_preamble(
    preamble: str = "", template: str = "auto", chat: Callable[[list[dict[str, str]]], str] | None = None
) -> str:
    """A preamble of `tasks.numbers.task.Game24`, with {puzzle} where something stands behind the puzzle too.

    Args:
        preamble: a text before the puzzle, {target} filled in; "tsllm" is the published sentence.
        template: "chat" is the checkpoint's chat template, the user's message being the preamble and the puzzle; any
            other text holds {puzzle}; "auto" and "plain" are nothing.
        chat: the checkpoint's chat template, see `models.tokenizer.read_chat`.

    ValueError for a template without {puzzle}, and for "chat" where the checkpoint has none.
    """
    preamble = TSLLM_PREAMBLE if preamble == "tsllm" else preamble
    preamble += "\n" if preamble and not preamble.endswith("\n") else ""
    if template in ("auto", "plain"):
        return preamble
    asked = f"{preamble}{PUZZLE}"
    if template == "chat":
        if chat is None:
            raise ValueError("template must be 'plain', or a text with {puzzle}, for a checkpoint without a chat "
                             "template, got 'chat'")  # fmt: skip
        return _check_whole(chat([{"role": "user", "content": asked}]))
    return _check_whole(template.replace(PUZZLE, asked) if template.count(PUZZLE) == 1 else template)


def _check_whole(text: str) -> str:
    if text.count(PUZZLE) != 1 or text.endswith(PUZZLE):
        raise ValueError(f"template must be 'auto', 'plain', 'chat', or a text that holds {PUZZLE} once and goes on "
                         f"behind it, got {text[:60]!r}")  # fmt: skip
    return text


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
