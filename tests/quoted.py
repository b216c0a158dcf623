"""Numbers in running text, README.md's, the model card's and LOG.md's, and where they stand in reports/*.json.

Some sentences are held against the very rows that they quote; of all others only that each number with a unit or an
interval stands somewhere in the JSONs. Tables are written by `game24lab.report.results`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from game24lab.report.result_cells import pick, show

ROOT = Path(__file__).parent.parent
README, CARD, LOG, RESULTS = "README.md", "game24lab/pretrained/README.md", "LOG.md", "docs/results.md"
Report = Any


@dataclass(frozen=True)
class Sentence:
    """Numbers in running text: the groups of a pattern in it, and what they are."""

    document: str
    pattern: str
    file: str
    values: Callable[[Report], Sequence[float]]


@cache
def load(file: str) -> Report:
    """A kept JSON."""
    return json.loads((ROOT / "reports" / file).read_text(encoding="utf-8"))


def change_digits(text: str) -> Iterator[tuple[str, str]]:
    """The text with one digit changed, every digit to every other; and what stands before it."""
    for place, letter in enumerate(text):
        for other in set("0123456789") - {letter} if letter.isdigit() else ():
            yield text[:place] + other + text[place + 1 :], text[max(0, place - 40) : place + 1]


def is_rounded(said: str, value: float) -> bool:
    """Whether a number as text is the value, rounded to as many digits."""
    return said.lstrip("+") in (known := show(value, len(said.partition(".")[2])), known.replace(",", ""))


def _judge(report: Report) -> list[float]:
    """The shipped critic on held-out positions, from the run that trained it."""
    run = pick(report["runs"], name="04_critic")
    facts, puzzles = run["facts"], {arm["split"]: arm["problems"] for arm in report["arms"]}
    return [facts["n"], sum(puzzles.values()), run["parameters"]["check_rollouts"], facts["auc"], facts["brier"],
            100 * facts["false_dead"], 100 * facts["false_alive"]]  # fmt: skip


# Numbers in the newest entries of the LOG that no kept JSON tells: as `read_prose` gives them, each with the reason.
UNKEPT: dict[tuple[str, ...], str] = {}
N = r"([-+]?[\d,]*\d(?:\.\d+)?)"
SENTENCES = (
    Sentence(README, rf"The {N} puzzles are ranks 1001-1362", "modes.json",
             lambda report: list({arm["problems"] for arm in report["arms"] if arm["split"] == "1001-1362"})),
    Sentence(CARD, rf"The critic on {N} positions that rollouts of the {N} held-out puzzles met \({N} a puzzle, roots "
             rf"left out\): AUC of alive over dead {N}, Brier score against the truth {N}; it calls {N} % of the alive "
             rf"positions dead and {N} % of the dead ones alive", "modes.json", _judge),
)  # fmt: skip


def hold(sentence: Sentence, text: str, report: Report) -> list[str]:
    """What is wrong with the numbers of a sentence in a document's text."""
    found = re.search(sentence.pattern, " ".join(text.split()))
    if found is None:
        return [f"{sentence.document}: no longer says {sentence.pattern!r}"]
    try:
        values = sentence.values(report)
    except LookupError as error:
        return [f"{found[0]!r}: not in {sentence.file}, {error}"]
    if len(values) != len(found.groups()):
        return [f"{found[0]!r}: {len(values)} numbers are known"]
    return [f"{found[0]!r}: {said} is {value}"
            for said, value in zip(found.groups(), values, strict=True) if not is_rounded(said, value)]  # fmt: skip


# ------------------------------------------------------------------------------------------------ all other prose
_SAID = re.compile(r"(?<![\d.,\w-])([-+]?\d+(?:\.\d+)?)( %| points)?(?: \[(-?\d+(?:\.\d+)?), (-?\d+(?:\.\d+)?)\])?")


def read_prose(text: str) -> list[tuple[str, ...]]:
    """The numbers of a text, its tables and code left out, that have a unit (percent, points) or an interval: the
    number, its unit or "", and the ends of the interval if it has one."""
    text = re.sub(r"^```.*?^```|^\|.*?$", "", text, flags=re.M | re.S)
    text = re.sub(r"`[^`]*`|\b95 %( Wilson)? (intervals?|by bootstrap)", "", " ".join(text.split()))
    found = [(number, unit, *filter(None, ends)) for number, unit, *ends in _SAID.findall(text)]
    return [said for said in found if said[1] or len(said) == 4]


def list_known(reports: Iterable[Report]) -> tuple[set[float], list[tuple[float, float, float]]]:
    """All numbers of some JSONs, and all that stand beside a `low` and a `high`, with these."""
    numbers: set[float] = set()
    bounded: list[tuple[float, float, float]] = []
    left = list(reports)
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
            plain = {key: part for key, part in value.items() if type(part) in (int, float)}
            for key, low in plain.items():
                high = plain.get(f"{key[:-3]}high") if key.endswith("low") else None
                bounded += [] if high is None else [(part, low, high) for part in plain.values()]
        elif isinstance(value, list):
            left += value
        elif type(value) in (int, float):
            numbers.add(float(value))
    return numbers, bounded


def is_known(said: Sequence[str], numbers: set[float], bounded: Sequence[tuple[float, float, float]]) -> bool:
    """Whether a number of `read_prose` stands in the JSONs, with its interval if it has one; without a unit it may be
    a share in percent, or as it is."""
    number, unit, *ends = said
    scales = (100,) if unit else (1, 100)
    if ends:
        return any(all(is_rounded(part, scale * value) for part, value in zip((number, *ends), row, strict=True))
                   for row in bounded for scale in scales)  # fmt: skip
    return any(is_rounded(number, scale * value) for value in numbers for scale in scales)
