"""The exact probability that a policy solves a problem, for tasks that can list the lines that lead on.

A sample is right if every line of it keeps a solution reachable, so its probability is a sum over the live lines of the
live positions: all are forwarded once, and what follows is arithmetic. With it pass@k is known for every k, and how the
density of the probabilities falls towards 0, which decides how far sampling can go (Schaeffer et al. 2025, arXiv
2502.17578). Lines count as solutions write them, so that the figures are lower bounds where a judge accepts other
spellings; `bracket` tells how far the truth can lie above. This module does not know how a policy reads lines, nor what
a search would do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from game24lab.evaluation.statistics import bootstrap, bound_difference
from game24lab.runs.checks import require
from game24lab.tasks.task import Illegal

COLUMNS = ("problem", "temperature", "top_p", "p", "samples", "positions", "lines", "tokens")


@dataclass(eq=False)
class _Spot:
    """A live position as the policy is shown it, and the live lines from there."""

    state: Any
    prompt: str
    lines: list[tuple[str | None, _Spot | None]] = field(default_factory=list)  # None: the end of the answer
    logs: list[np.ndarray] = field(default_factory=list)  # of each line, by sampling
    chance: Any = None  # by sampling


def can_measure(task: Any, policy: Any) -> bool:
    """Whether exact probabilities are to be had: of a task that lists its live lines, on a backend that reads lines."""
    return hasattr(task, "live_lines") and policy.name == "transformers"


def measure_chances(
    task: Any, problems: Sequence[Any], policy: Any, samplings: Sequence[Any], *, whole: bool = False, chunk: int = 64,
    start: Callable[[Any], Any] | None = None, write: Callable[[Any], Any] = str, progress: Callable = iter,
) -> pd.DataFrame:  # fmt: skip
    """P(solved) of one sample: a row for each problem and sampling, columns `COLUMNS`.

    Args:
        task: has `live_lines(state)`: the lines that keep a solution reachable, each with the state behind it.
        policy: has `open_reader()`, see `models.backends.reader`; one on the backend `transformers`.
        samplings: `models.policy.Sampling`s: temperature, top-k and top-p count.
        whole: an answer is sampled in one piece behind the problem, and has to end; else line by line, each behind what
            the task shows of its position, as searches ask.
        chunk: problems that are read together.
        start: makes a state of a problem, by default `task.start`; with `task.read` problems are texts of positions.
        write: gives a problem's name. `progress` wraps the beginnings of chunks, such as `tqdm`.

    `samples` are expected until the first right one (1 / p); `positions`, `lines` and `tokens` count what was live and
    read for a problem, the attribute `read_tokens` of the table what was read in all: problems of a chunk share lines.
    ValueError for a task that cannot list its live lines and for a policy that has no distributions.
    """
    if not hasattr(task, "live_lines"):
        raise ValueError(f"task must list its live lines (`live_lines`) for exact probabilities, got {task.name!r}")
    require("chunk", chunk, int, 1)
    rows, read = [], 0
    for begin in progress(range(0, len(problems), chunk)):
        part = problems[begin : begin + chunk]
        states = list(map(start or task.start, part))
        reader = policy.open_reader()
        found = _read(task, states, reader, samplings, whole)
        read += reader.tokens
        for problem, (spots, chances) in zip(part, found, strict=True):
            counts = {"positions": len(spots), "lines": sum(len(spot.lines) for spot in spots)}
            counts["tokens"] = sum(policy.count(f"{line}\n") if line else 1 for spot in spots for line, _ in spot.lines)
            for sampling, p in zip(samplings, chances, strict=True):
                rows.append({"problem": write(problem), "temperature": float(sampling.temperature),
                             "top_p": float(sampling.top_p), "p": float(p),
                             "samples": 1 / p if p else math.inf, **counts})  # fmt: skip
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.attrs["read_tokens"] = read
    return table


def measure_change(
    task: Any, problems: Sequence[Any], before: Any, after: Any, sampling: Any, *, ks: Sequence[int] = (1, 64),
    write: Callable[[Any], Any] = str, progress: Callable = iter,
) -> pd.DataFrame:  # fmt: skip
    """What a training did to exact chances: a row for each `k`, with pass@k of whole answers `before` and `after`.

    These are two policies, asked by one `models.policy.Sampling`.

    `difference` is the mean over `puzzles`, paired, `low` and `high` its interval. A small change is lost in greedy
    answers to some problems; chances have no noise of sampling. An answer counts that goes straight to the target:
    chains that go back have others besides, of which this says nothing.
    """
    asked = {"whole": True, "write": write, "progress": progress}
    chances = [measure_chances(task, problems, policy, [sampling], **asked)["p"] for policy in (before, after)]
    rows = []
    for k in ks:
        passed = [np.asarray(pass_at(p, k), float) for p in chances]
        low, high = bound_difference(passed[1] - passed[0])
        rows.append({"k": k, "before": float(passed[0].mean()), "after": float(passed[1].mean()),
                     "difference": float((passed[1] - passed[0]).mean()), "low": low, "high": high,
                     "puzzles": len(passed[0])})  # fmt: skip
    return pd.DataFrame(rows)


def _read(
    task: Any, states: Sequence[Any], reader: Any, samplings: Sequence[Any], whole: bool
) -> list[tuple[list[_Spot], np.ndarray]]:
    """The live positions behind each state, and its chance under each sampling."""
    known: dict[str, _Spot] = {}

    def find(state: Any, prompt: str) -> _Spot:
        return known.setdefault(prompt, _Spot(state, prompt))

    roots = [find(state, task.text(state)) for state in states]
    level = list(dict.fromkeys(roots))
    seen = set(level)
    while level:
        behind: dict[_Spot, None] = {}
        for spot in level:
            if task.is_terminal(spot.state):
                if whole and task.verdict(spot.state).solved:
                    spot.lines = [(None, None)]
                continue
            for line, state in task.live_lines(spot.state):
                after = find(state, f"{spot.prompt}{line}\n" if whole else task.text(state))
                spot.lines.append((line, after))
                behind[after] = None
        pairs = [(spot, line) for spot in level for line, _ in spot.lines]
        if pairs:
            found = reader.score([spot.prompt for spot, _ in pairs], [line for _, line in pairs], samplings)
            for (spot, _), logs in zip(pairs, found, strict=True):
                spot.logs.append(logs)
        level = [spot for spot in behind if spot not in seen]
        seen |= behind.keys()

    def weigh(spot: _Spot) -> np.ndarray:
        if spot.chance is None:
            spot.chance = np.zeros(len(samplings))
            if task.is_terminal(spot.state) and not spot.lines:
                spot.chance += not whole and task.verdict(spot.state).solved
            for logs, (_, after) in zip(spot.logs, spot.lines, strict=True):
                spot.chance = spot.chance + np.exp(logs) * (1.0 if after is None else weigh(after))
        return spot.chance

    return [(_follow(root), weigh(root)) for root in roots]


def _follow(root: _Spot) -> list[_Spot]:
    """All live positions behind one, itself included, that have lines."""
    found, open_ = {root: None}, [root]
    while open_:
        for _, after in open_.pop().lines:
            if after is not None and after not in found:
                found[after] = None
                open_.append(after)
    return [spot for spot in found if spot.lines]


# ---------------------------------------------------------------------------------------------- what follows from p
def pass_at(chances: Iterable[float], k: float) -> np.ndarray:
    """1 - (1 - p)^k for each chance: that at least one of k samples is right. ValueError for k below 1."""
    require("k", k, float, 1)
    p = np.clip(np.asarray(list(chances), float), 0, 1)
    with np.errstate(divide="ignore"):
        return np.where(p < 1, -np.expm1(k * np.log1p(-np.minimum(p, 1 - 2**-53))), 1.0)


def tabulate_exact_pass(
    chances: Iterable[float], ks: Iterable[int], *, confidence: float = 0.95
) -> list[dict[str, float]]:
    """Mean pass@k over problems: rows of `k`, `accuracy`, `low`, `high` (bootstrap over problems), `problems`.

    There is no sampling noise in it: the interval is of the draw of problems alone.
    """
    chances, rows = list(chances), []
    for k in ks:
        passed = pass_at(chances, k)
        low, high = bootstrap(passed, confidence=confidence)
        rows.append({"k": k, "accuracy": float(passed.mean()), "low": low, "high": high, "problems": len(chances)})
    return rows


def add_exact(passed: pd.DataFrame, chances: Iterable[float]) -> pd.DataFrame:
    """A table of sampled pass@k (`k`, `low`, `high`) with `exact`, the exact mean over the same problems, beside it.

    `inside`: whether it lies within the interval. ValueError where the table is of another number of problems.
    """
    p = list(chances)
    if set(passed["problems"]) - {len(p)}:
        raise ValueError(f"chances must be of the {passed['problems'].iloc[0]} problems sampled, got {len(p)}")
    exact = [float(pass_at(p, k).mean()) for k in passed["k"]]
    return passed.assign(exact=exact, inside=[low <= one <= high for one, low, high in
                                              zip(exact, passed["low"], passed["high"], strict=True)])  # fmt: skip


def measure_cost(chances: Iterable[float], n: int) -> np.ndarray:
    """Expected samples that a verified best-of-n takes: it stops at the first right one, and at n in any case."""
    require("n", n, int, 1)
    p = np.asarray(list(chances), float)
    return np.where(p > 0, pass_at(p, n) / np.where(p > 0, p, 1.0), float(n))


def tabulate_density(chances: Iterable[float], *, bins: int = 24) -> pd.DataFrame:
    """How the chances fall on a scale of log10: `log10_p` (middle of a bin), `share` of the problems, `below`.

    `below`: share of all problems up to the bin's upper edge. Chances of 0 stand in no bin, and count in `below`.
    """
    require("bins", bins, int, 1)
    p = np.asarray(list(chances), float)
    logs = np.log10(p[p > 0])
    if not len(logs):
        return pd.DataFrame(columns=["log10_p", "share", "below"], dtype=float)
    edges = np.linspace(min(-1.0, math.floor(logs.min())), 0.0, bins + 1)
    counts, _ = np.histogram(logs, edges)
    below = (np.cumsum(counts) + (p == 0).sum()) / len(p)
    return pd.DataFrame({"log10_p": (edges[1:] + edges[:-1]) / 2, "share": counts / len(p), "below": below})


# ---------------------------------------------------------------------------------------------------------- brackets
def bracket(
    task: Any, problem: Any, policy: Any, *, least: float = 1e-3, most: int = 256, **options: Any
) -> tuple[float, float, int]:
    """Bounds of P(solved) line by line, from what the policy says: lower, upper, and tokens taken into tries.

    At every position from which a solution is reachable the likeliest lines are listed until less than `least` of the
    probability is left, `most` at most, and judged as they are, in whatever spelling. What is left counts as wrong in
    the lower bound and as right in the upper. Needs no list of live lines, only `task.truth`. `options` are those of
    `open_trie`. ValueError for a task that does not know the truth of a position.
    """
    known: dict[Any, tuple[float, float]] = {}
    spent = 0

    def look(state: Any) -> tuple[float, float]:
        nonlocal spent
        key = task.key(state)
        if key not in known:
            alive = task.truth(state)
            if alive is None:
                raise ValueError(f"task must know which positions are alive, got {task.name!r}, which does not")
            if not alive or task.is_terminal(state):
                known[key] = (float(alive), float(alive))
                return known[key]
            trie = policy.open_trie(task.text(state), 0, order="likeliest", stop_line=True,
                                    **{"max_tokens": 64, **options})  # fmt: skip
            while trie.left > least and len(trie.said) < most and not trie.exhausted:
                policy.draw([trie], [8])
            low, high = 0.0, trie.left
            for line in trie.said:
                after = task.step(state, line.completion.text)
                if not isinstance(after, Illegal):
                    below, above = look(after)
                    low, high = low + math.exp(line.log) * below, high + math.exp(line.log) * above
            spent += trie.tokens
            known[key] = low, min(1.0, high)
        return known[key]

    return *look(task.start(problem)), spent
