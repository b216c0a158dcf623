"""Parts of a set of problems, for training, calibration, early stopping and test, cut between puzzles.

A puzzle is its multiset of numbers, in whatever order it is written; a word problem is its text. What shares a puzzle
never falls on two parts. This module does not know of labels, features or models.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import zip_longest

import numpy as np
import pandas as pd

from game24lab.runs.checks import require, require_one_of
from game24lab.tasks.numbers.puzzles import parse_puzzle

PARTS = ("train", "calibration", "stopping", "test")
SHARES = {"train": 0.5, "calibration": 0.15, "stopping": 0.1, "test": 0.25}


def name_group(problem: str) -> Hashable:
    """What a problem must not be separated from: its sorted numbers, or its text with single spaces."""
    try:
        return parse_puzzle(problem)
    except ValueError:
        return " ".join(str(problem).split())


def split_problems(
    problems: Iterable[str], rng: np.random.Generator, shares: Mapping[str, float] | Sequence[float] = SHARES
) -> pd.Series:
    """The part of each problem: a Series `part`, indexed by the distinct problems in their order.

    Puzzles, not problems, are dealt out: `shares` are those of their number (they need not add up to one), in the order
    of `PARTS` or by name, rounded so that every part with a share gets at least one. The order of `problems` does not
    matter to who comes where. ValueError for shares that make no sense, or fewer puzzles than parts.
    """
    problems = list(dict.fromkeys(problems))
    shares = _read_shares(shares)
    groups = {problem: name_group(problem) for problem in problems}
    distinct = sorted(set(groups.values()), key=repr)
    wanted = [part for part in PARTS if shares[part] > 0]
    if len(distinct) < len(wanted):
        raise ValueError(f"problems must be at least one puzzle for each of {len(wanted)} parts, got {len(distinct)}")
    free, whole = len(distinct) - len(wanted), sum(shares.values())
    edges = np.rint(np.cumsum([shares[part] / whole for part in wanted]) * free).astype(int)
    counts = np.diff(edges, prepend=0) + 1
    places = np.repeat(np.array(wanted), counts)
    part_of = {distinct[place]: str(part) for place, part in zip(rng.permutation(len(distinct)), places, strict=True)}
    return pd.Series([part_of[groups[problem]] for problem in problems], index=problems, name="part", dtype=str)


def check_parts(parts: Mapping[str, str] | pd.Series) -> None:
    """ValueError that names a puzzle which stands in two parts, or a part that is none of `PARTS`.

    `parts` maps problems to parts; two spellings of one puzzle are one puzzle.
    """
    seen: dict[Hashable, tuple[str, str]] = {}
    for problem, part in parts.items():
        require_one_of(f"part of {show(problem)}", part, PARTS)
        other, before = seen.setdefault(name_group(problem), (problem, part))
        if before != part:
            raise ValueError(f"puzzle {show(problem)} must be in one part, got {part!r}, and as {show(other)} "
                             f"{before!r}")  # fmt: skip


def show(problem: str) -> str:
    """A problem in a message: quoted, on one line, cut where it is long."""
    text = repr(problem)
    return text if len(text) <= 80 else text[:77] + "..."


def _read_shares(shares: Mapping[str, float] | Sequence[float]) -> dict[str, float]:
    if not isinstance(shares, Mapping):
        shares = dict(zip_longest(PARTS, shares))
    for part, share in shares.items():
        require_one_of("part of shares", part, PARTS)
        require(f"share of {part}", share, float, 0)
    if not 0 < sum(shares.values()) < math.inf:
        raise ValueError(f"shares must be finite and not all 0, got {dict(shares)!r}")
    return {part: float(shares.get(part, 0)) for part in PARTS}
