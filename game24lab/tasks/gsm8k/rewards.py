"""What a completion of a word problem is paid for: the five rewards of the well-known GRPO recipe, mended, by name.

After willccbb's gist for GSM8K (`grpo_demo.py`). Here every reward is from 0 to 1 and its weight says what it is worth:
2.0 for the right answer and 0.5 each for a whole number, the strict form, the soft form and the count of tags add up to
the gist's own sums. Mended are: answers are compared as exact numbers and not as texts (`72.0`, `$72`, `1,234`), bodies
may have several lines (the strict form could hardly ever be met before, and everything on one line paid best), a tag
pays where it stands on a line of its own, and text behind the last tag is charged once and never below nothing. The
gist's own behaviour stays by name, `<name>_original`. A wrong answer in the right form still earns its form: weights of
0 make metrics of it. This module does not know of weights, sums or trainers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from game24lab.tasks.gsm8k.task import TAGS, check_calculation, find_answer, judge_answer
from game24lab.tasks.quantities import read_number, write_number
from game24lab.tasks.rewards import RewardSet, reads_text_alone

_CHARGE = 0.002  # for each character behind the last tag: 0.001 where the weight is 0.5

_INTEGER = re.compile(r"[-+−]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)")
_ORIGINAL_STRICT = re.compile(r"^<reasoning>\n.*?\n</reasoning>\n<answer>\n.*?\n</answer>\n$")
_ORIGINAL_SOFT = re.compile(r"<reasoning>.*?</reasoning>\s*<answer>.*?</answer>")


@dataclass(frozen=True)
class Gold:
    """The right answer: its value, and how the data set wrote it."""

    value: Fraction
    written: str


@lru_cache(maxsize=65_536)
def _read(written: str) -> Gold:
    number = read_number(written)
    if number is None:
        raise ValueError(f"gold must be a number, such as 42, -3, 1,234 or 3/4, got {written[:60]!r}")
    return Gold(number.value, written)


def read_gold(value: Any) -> Gold | None:
    """The right answer from a data set's cell: a text or a number; None for None. ValueError for what is no number."""
    if value is None or isinstance(value, Gold):
        return value
    if isinstance(value, int | Fraction) and not isinstance(value, bool):
        value = write_number(value)
    if not isinstance(value, str):
        raise ValueError(f"gold must be a text with a number, or a whole number, got {value!r}")
    return _read(value)


# ------------------------------------------------------------------------------------------------ as it is mended
def reward_correctness(gold: Gold, text: str) -> float:
    """1 where the number in the first closed answer tag is exactly the right one."""
    return float(judge_answer(gold.value, text).solved)


def reward_integer(gold: Gold, text: str) -> float | None:
    """1 where the answer is a whole number and nothing else; None where the right one is no whole number."""
    if gold.value.denominator != 1:
        return None
    return float(_INTEGER.fullmatch(find_answer(text) or "") is not None)


def reward_strict_format(gold: Gold, text: str) -> float:
    """1 where the completion is the two blocks, every tag once and on a line of its own, and nothing else."""
    before, _, rest = text.partition(f"{TAGS[0]}\n")
    reasoning, between, rest = rest.partition(f"\n{TAGS[1]}\n{TAGS[2]}\n")
    answer, _, after = rest.partition(f"\n{TAGS[3]}")
    alone = not before and bool(between) and after in ("", "\n") and all(text.count(tag) == 1 for tag in TAGS)
    return float(alone and bool(reasoning.strip()) and bool(answer.strip()))


def reward_soft_format(gold: Gold, text: str) -> float:
    """1 where it begins with a block of reasoning and one with an answer, on any lines; what follows is no matter."""
    before, _, rest = text.partition(TAGS[0])
    reasoning, _, rest = rest.partition(TAGS[1])
    between, _, rest = rest.partition(TAGS[2])
    answer, closing, _ = rest.partition(TAGS[3])
    begins = not before.strip() and not between.strip() and bool(closing)
    return float(begins and bool(reasoning.strip()) and bool(answer.strip()))


def reward_xml_count(gold: Gold, text: str) -> float:
    """A quarter for each tag that stands once, and that on a line of its own; less 0.002 for each character behind."""
    lines = [line.strip() for line in text.split("\n")]
    found = sum(text.count(tag) == 1 and tag in lines for tag in TAGS) / 4
    behind = text.rpartition(TAGS[3])[2].strip() if TAGS[3] in text else ""
    return max(0.0, found - _CHARGE * len(behind))


def reward_calculations(gold: Gold, text: str) -> float | None:
    """The share of the lines with calculations (`3 * 14 = 42`) whose calculations are right; None without any."""
    checked = [check for check in map(check_calculation, text.split("\n")) if check is not None]
    return sum(checked) / len(checked) if checked else None


def find_false(gold: Gold, text: str) -> int | None:
    """The number of the first line with a false calculation, from 0; None where none is false."""
    return next((number for number, line in enumerate(text.split("\n")) if check_calculation(line) is False), None)


# -------------------------------------------------------------------------------------------- the original's own
def extract_original(text: str) -> str:
    """The gist's answer: what stands behind the last opening tag, up to a closing one; without tags the whole text."""
    return text.split("<answer>")[-1].split("</answer>")[0].strip()


def reward_xml_count_original(gold: Gold, text: str) -> float:
    """The gist's count, doubled to be worth the same at weight 0.5; long texts behind the tags are charged twice."""
    count = 0.125 * (text.count("<reasoning>\n") == 1) + 0.125 * (text.count("\n</reasoning>\n") == 1)
    if text.count("\n<answer>\n") == 1:
        count += 0.125 - len(text.split("\n</answer>\n")[-1]) * 0.001
    if text.count("\n</answer>") == 1:
        count += 0.125 - (len(text.split("\n</answer>")[-1]) - 1) * 0.001
    return 2 * count


def count_lines(text: str) -> int:
    """Lines with text."""
    return sum(bool(line.strip()) for line in text.split("\n"))


def describe(gold: Gold, text: str) -> tuple[str, int]:
    """How a completion ended, and its lines."""
    return judge_answer(gold.value, text).outcome, count_lines(text)


REWARDS = RewardSet(
    functions=MappingProxyType({
        "correctness": reward_correctness,
        "integer": reward_integer,
        "strict_format": reads_text_alone(reward_strict_format),
        "soft_format": reads_text_alone(reward_soft_format),
        "xml_count": reads_text_alone(reward_xml_count),
        "calculations": reads_text_alone(reward_calculations),
        "finished": reads_text_alone(lambda gold, text: float(find_answer(text) is not None)),
        "lines": reads_text_alone(lambda gold, text: float(count_lines(text))),
        "correctness_original": lambda gold, text: float(extract_original(text) == gold.written),
        "integer_original": lambda gold, text: float(extract_original(text).isdigit()),
        "strict_format_original": lambda gold, text: float(_ORIGINAL_STRICT.match(text) is not None),
        "soft_format_original": lambda gold, text: float(_ORIGINAL_SOFT.match(text) is not None),
        "xml_count_original": reward_xml_count_original,
    }),
    weights=MappingProxyType(
        {"correctness": 2.0, "integer": 0.5, "strict_format": 0.5, "soft_format": 0.5, "xml_count": 0.5}
    ),
    columns=("gold",), read=read_gold, describe=describe, find_fault=find_false,
)  # fmt: skip
