"""Arms of a search in words and in cells, for pages made of kept numbers.

It does not know what a page is about.
"""

from __future__ import annotations

from collections.abc import Iterable

from game24lab.report.result_cells import MODES, Row, show, show_accuracy

NAMES = {
    "greedy": "greedy", "best_of_n": "best of {n}, by the critic", "majority": "majority of {n}",
    "weighted_majority": "weighted majority of {n}", "beam_search": "beam search, {n}",
    "mcts": "MCTS, at most {simulations:,} draws",
}  # fmt: skip
MODE_HEAD = " | ".join(f"{mode} | tokens" for mode in MODES)
DRAWN = {"without": ", no line twice", "likeliest": ", the likeliest lines in order",
         "legal": ", the likeliest legal lines in order"}  # by `sampling`  # fmt: skip


def name_arm(arm: Row) -> str:
    """An arm in words, such as "best of 64, by the critic"."""
    name = NAMES[arm["algorithm"]].format(**arm["parameters"])
    name = name.replace("by the critic", "the likeliest") if arm["parameters"].get("choose") == "logprob" else name
    return name + DRAWN.get(arm["parameters"].get("sampling"), "")


def show_arm(arm: Row) -> tuple[str, str]:
    """Its accuracy with the interval, and the mean sampled tokens of a problem."""
    return show_accuracy(arm), show(arm["sampled_tokens"])


def spread_modes(arms: Iterable[tuple[str, Row]]) -> list[list[str]]:
    """A row for each name: the name, and what its arm came to in each mode; empty where it was not run."""
    by_name: dict[str, dict[str, Row]] = {}
    for name, arm in arms:
        by_name.setdefault(name, {})[arm["mode"]] = arm
    return [[name, *(cell for mode in MODES for cell in (show_arm(mine[mode]) if mode in mine else ("", "")))]
            for name, mine in by_name.items()]  # fmt: skip
