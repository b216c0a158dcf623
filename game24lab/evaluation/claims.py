"""What sampled answers claim, and what comes of believing them: the same answers without rules, critic or verifier.

It reads the answers of blind arms from completions files; nothing is sampled. It does not know how answers were made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from game24lab.evaluation.statistics import bootstrap, wilson
from game24lab.search.modes import open_world
from game24lab.tasks.numbers.belief import FAULTS
from game24lab.tasks.numbers.puzzles import read_problem
from game24lab.tasks.task import Task, follow

ENDS = ("right", *FAULTS, "unfinished")
_WAYS = ("any right", "first that claims the target", "random one that claims the target", "most frequent text")


def read_claims(task: Task, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Every answer of some completions rows, read at the model's word: `problem`, `arm`, `text`, `claims`, `end`.

    `claims`: it came to an end at the target, by its own word. `end` is one of `ENDS`; an answer whose line cannot be
    read, or that was cut off, is unfinished unless a line before was false. ValueError for a problem of another task.
    """
    world: Any = open_world(task, "blind")  # it names ends
    found = []
    for row in rows:
        numbers = read_problem(row["problem"])
        root = world.start(numbers)
        for text in row["completions"]:
            state, _ = follow(world, root, text)
            claims = world.is_terminal(state) and (state.left == (state.target,) or (
                not state.answered and state.target in state.left))  # where numbers may be left over
            found.append((row["problem"], row["strategy"], text, claims, world.name_end(state)))
    return pd.DataFrame(found, columns=["problem", "arm", "text", "claims", "end"])


def tabulate_ends(claims: pd.DataFrame) -> pd.DataFrame:
    """How often answers end how, a row an end that occurs: `end`, `n`, `share` with Wilson's `low` and `high`, and
    `claims`, the share of those that claim the target."""
    table = []
    for end, part in claims.groupby("end"):
        low, high = wilson(len(part), len(claims))
        table.append({"end": end, "n": len(part), "share": len(part) / len(claims), "low": low, "high": high,
                      "claims": part["claims"].mean()})  # fmt: skip
    return pd.DataFrame(sorted(table, key=lambda row: ENDS.index(row["end"])))


def compare_choices(claims: pd.DataFrame) -> pd.DataFrame:
    """What a problem's answers come to when nobody checks them.

    Columns: `choice`, `accuracy`, `low`, `high`, `problems`. "random one" is the expectation over the answers that
    claim the target; of equally frequent texts the first wins. A problem of which no answer claims the target is not
    solved. Intervals by bootstrap over problems.
    """
    scores: dict[str, list[float]] = {way: [] for way in _WAYS}
    for _, part in claims.groupby("problem", sort=False):
        claiming = part[part["claims"]]
        right, texts = (claiming["end"] == "right").tolist(), claiming["text"].tolist()
        favourite = texts.index(Counter(texts).most_common(1)[0][0]) if texts else 0
        scores[_WAYS[0]].append(float((part["end"] == "right").any()))
        scores[_WAYS[1]].append(float(right[0]) if right else 0.0)
        scores[_WAYS[2]].append(sum(right) / len(right) if right else 0.0)
        scores[_WAYS[3]].append(float(right[favourite]) if right else 0.0)
    rows = []
    for way, values in scores.items():
        low, high = bootstrap(pd.Series(values).to_numpy())
        rows.append({"choice": way, "accuracy": sum(values) / len(values), "low": low, "high": high,
                     "problems": len(values)})  # fmt: skip
    return pd.DataFrame(rows)
