"""Numbers in the running text of README.md, the model card and LOG.md, and where they stand in reports/*.json.

Some sentences are held against the very rows that they quote; of all others only that each number with a unit or an
interval stands somewhere in the JSONs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quoted import CARD, README, Report, is_rounded, pick, pick_router, tell


@dataclass(frozen=True)
class Sentence:
    """Numbers in running text: the groups of a pattern in it, and what they are."""

    document: str
    pattern: str
    file: str
    values: Callable[[Report], Sequence[float]]


def _points(report: Report, arm: str) -> Mapping[str, Any]:
    return pick(pick_router(report)["at_costs"], arm=arm)


def _trained(report: Report, label: str) -> Mapping[str, Any]:
    return pick(report["trainings"], label=label)["change"]


def _change(*rows: Mapping[str, Any]) -> list[float]:
    return [100 * row[key] for row in rows for key in ("difference", "low", "high")]


def _ablation(report: Report, *labels: str) -> list[float]:
    return [number for label in labels for number in tell(pick(report["arms"], label=label)["largest"])]


def _tokens_learnt(report: Report) -> list[float]:
    learnt = [row["training_tokens"] / 1e6 for row in report["costs"] if row["steps"] == 900]
    return [min(learnt), max(learnt)]


def _difficulty(report: Report, few: str) -> list[float]:
    router = pick_router(report, few)
    return [100 * pick(router["rivals"], way="difficulty alone")["accuracy"], router["point"]["cost"]]


def _stories(report: Report, rows: str, arm: str, mode: str) -> list[float]:
    run = pick(report["runs"], folder="08_lookahead_gsm8k")["id"]
    row = pick(report[rows], run=run, arm=arm, mode=mode)
    return [100 * row["accuracy"], row["sampled_tokens"]]


def _judge(report: Report) -> list[float]:
    """The shipped critic on held-out positions, from the run that trained it."""
    facts = pick(report["runs"], name="04_critic")["facts"]
    return [facts["auc"], facts["brier"], 100 * facts["false_dead"], 100 * facts["false_alive"]]


def _below(report: Report) -> list[float]:
    """Where the router of published strategies lies below the hull, and how far at most in points."""
    losses = [point for point in pick_router(report, ", 5 strategies")["at_costs"] if point["gain"] < -0.001]
    costs = [point["cost"] for point in losses]
    return [min(costs), max(costs), -100 * min(point["gain"] for point in losses)]


# Numbers in the newest entries of the LOG that no kept JSON tells: as `read_prose` gives them, each with the reason.
UNKEPT: dict[tuple[str, ...], str] = {}
ROUTER, CHAINS, ABLATION, LOOKAHEAD = (f"{name}_report.json" for name in ("router", "rl", "sft", "lookahead"))
FEW = ", 5 strategies"
N = r"([-+]?[\d,]*\d(?:\.\d+)?)"
RANGE = rf"\[{N}, {N}\]"
SENTENCES = (
    Sentence(README, rf"Ranks 1001-1362 \(n = {N}, one seed", "search_report.json",
             lambda report: list({arm["problems"] for arm in report["arms"] if arm["split"] == "1001-1362"})),
    Sentence(README, rf"On {N} puzzles of ranks 901-1362", ROUTER,
             lambda report: [pick_router(report)["puzzles"]["test"]]),
    Sentence(README, rf"best of 64: {N} % at {N} tokens\) it takes {N} {RANGE} of the tokens, not half; the oracle "
             rf"takes {N}", ROUTER,
             lambda report: [100 * (best := pick_router(report, FEW)["best"])["arm_accuracy"], best["arm_cost"],
                             *(best[key] for key in ("ratio", "low", "high")),
                             pick_router(report, FEW)["bound"]["ratio"]]),
    Sentence(README, rf"solves {N} % at those {N} tokens \(with all arms, at {N}, {N} %\)", ROUTER,
             lambda report: [*_difficulty(report, FEW), *reversed(_difficulty(report, ""))]),
    Sentence(README, rf"At {N} to {N} tokens, where it does not look, it is up to {N} points below", ROUTER, _below),
    Sentence(README, rf"64 draws solve {N} % at {N} tokens, and an oracle would solve {N} % there", ROUTER,
             lambda report: [100 * (row := _points(report, "mcts@simulations=64,unverified"))["arm_accuracy"],
                             row["cost"], 100 * row["oracle"]]),
    Sentence(README, rf"{N} points {RANGE} over three seeds", CHAINS,
             lambda report: _change(pick(report["methods"], method="GRPO from 03_sft")["change"])),
    Sentence(README, rf"take 40 tokens: {N} points {RANGE}, {N} {RANGE}, {N} {RANGE}", CHAINS,
             lambda report: _change(*(_trained(report, f"GRPO from 03_sft_solutions, seed {k}") for k in range(3)))),
    Sentence(README, rf"\({N} to {N} million tokens\), short sound traces beat", ABLATION, _tokens_learnt),
    Sentence(README, rf"{N} % {RANGE} to {N} % {RANGE} and at most {N} % {RANGE}", ABLATION,
             lambda report: _ablation(report, "sound short", "solution short", "v3 short")),
    Sentence(README, rf"stays where plain decoding is \({N} %; in the Game of 24 {N} % beside {N}\)", LOOKAHEAD,
             lambda report: [_stories(report, "arms", "plain", "rules")[0],
                             *(100 * pick(report["arms"], arm=arm, mode="rules", problems=100)["accuracy"]
                               for arm in ("look ahead, by form", "plain"))]),
    Sentence(README, rf"it gains {N} points on plain decoding", LOOKAHEAD,
             lambda report: [100 * (pick(report["arms"], arm="look ahead, by critic", problems=100)["accuracy"]
                                    - pick(report["arms"], arm="plain", problems=100)["accuracy"])]),
    Sentence(README, rf"solves {N} % of the stories at {N} tokens, where best of 16 has {N} % at {N}", LOOKAHEAD,
             lambda report: [*_stories(report, "grid", "entropy, 2 simulations, depth 1", "verified"),
                             *_stories(report, "arms", "best of 16", "verified")]),
    Sentence(CARD, rf"AUC of alive over dead {N}, Brier score against the truth {N}; it calls {N} % of the alive "
             rf"positions dead and {N} % of the dead ones alive", "modes.json", _judge),
    Sentence(README, rf"take {N} times the tokens", LOOKAHEAD,
             lambda report: [pick(report["trainings"], enter="as_is")["sampled_tokens"]
                             / pick(report["trainings"], share=0.0)["sampled_tokens"]]),
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
