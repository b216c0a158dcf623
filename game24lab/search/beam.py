"""Beam searches: paths are extended line by line in parallel, and the critic selects those that go on.

`beam_search` and `dvts` are those of search-and-learn (Beeching, Tunstall, Rush 2024, "Scaling test-time compute with
open models"), with its names and defaults; one class serves both, since DVTS is beam search in independent groups.
`bfs_v` is TS-LLM's (Wan et al. 2024, arXiv 2309.17179). What differs from the reference code: illegal lines end a path;
lookahead decides (theirs is computed and not used by its beam search); discarded lines count as cost; where no path has
come to an end, the best one is completed greedily. This module does not know what a line or a position is, who samples
and who values.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from game24lab.runs.checks import require, require_flag, require_one_of
from game24lab.search.partial import LineSampling, Path, Paths, make_paths
from game24lab.search.requests import BudgetSpent, Outcome, Request, strategy
from game24lab.search.sampling import AGGREGATIONS, aggregate
from game24lab.tasks.task import Task


@strategy("beams", "n")
def beam_search(
    task: Task,
    root: Any,
    *,
    n: int = 4,
    beam_width: int = 4,
    num_iterations: int = 40,
    lookahead: int = 1,
    agg_strategy: str = "last",
    filter_duplicates: bool = False,
    sort_completed: bool = False,
    temperature: float = 0.8,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 64,
    sampling: str = "with",
    verified: bool,
    merge: bool = True,
) -> Generator[Request, list, Outcome]:
    """Beam search guided by a critic (Snell et al. 2024, arXiv 2408.03314); ValueError for invalid parameters.

    Args:
        n: lines sampled a step, shared evenly among the paths that go on.
        beam_width: the best n // beam_width paths go on; at most n.
        num_iterations: steps at most.
        lookahead: greedy lines that a path is followed further before it is scored; it goes on from where it was.
        agg_strategy: a path is scored by the chance of its last position ("last"), or by the smallest ("min") or the
            product ("prod") of the chances of all its positions, those ahead included.
        filter_duplicates: let only one path go on from a position (without `merge`: from a text).
        sort_completed: go on until no path is left, and commit to the best of all answers; else end as soon as n paths
            have come to an end, and commit to the best of the first n.
        max_tokens: per line.
        sampling: "with" replacement, "without", the "likeliest" lines, or the "legal" ones of these.

    Verified: the first accepted answer ends the search, also one met in a lookahead. Otherwise the critic decides
    alone.
    """
    require("n", n, int, 1)
    require("beam_width", beam_width, int, 1, n)
    require_flag("sort_completed", sort_completed)
    settings = LineSampling(temperature, top_p, top_k, max_tokens, sampling)
    beams = _Beams(make_paths(task, root, verified, merge), settings, agg_strategy, lookahead, filter_duplicates)
    return (yield from beams.search(1, n, n // beam_width, num_iterations, None if sort_completed else n))


@strategy("beams", "n")
def dvts(
    task: Task,
    root: Any,
    *,
    n: int = 4,
    beam_width: int = 4,
    num_iterations: int = 40,
    lookahead: int = 1,
    agg_strategy: str = "last",
    temperature: float = 0.8,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 64,
    sampling: str = "with",
    verified: bool,
    merge: bool = True,
) -> Generator[Request, list, Outcome]:
    """Diverse verifier tree search: n // beam_width independent subtrees, `beam_width` lines a step in each.

    In each subtree the best child goes on alone, and the subtree is done when that child is an end. `n` must be a
    multiple of `beam_width`; the other parameters are those of `beam_search`.
    """
    require("n", n, int, 1)
    require("beam_width", beam_width, int, 1, n)
    if n % beam_width:
        raise ValueError(f"n must be a multiple of beam_width, which is {beam_width}, got {n}")
    settings = LineSampling(temperature, top_p, top_k, max_tokens, sampling)
    beams = _Beams(make_paths(task, root, verified, merge), settings, agg_strategy, lookahead, False)
    return (yield from beams.search(n // beam_width, beam_width, 1, num_iterations, None, alone=True))


class _Beams:
    """Groups of beams in one tree."""

    def __init__(
        self, paths: Paths, sampling: LineSampling, agg_strategy: str, lookahead: int, filter_duplicates: bool
    ) -> None:
        require("lookahead", lookahead, int, 0)
        require_one_of("agg_strategy", agg_strategy, AGGREGATIONS)
        require_flag("filter_duplicates", filter_duplicates)
        self.paths, self.sampling, self.agg_strategy = paths, sampling, agg_strategy
        self.lookahead, self.filter_duplicates = lookahead, filter_duplicates
        self.scores: dict[Path, float] = {}

    def search(
        self, groups: int, n: int, keep: int, num_iterations: int, enough: int | None, alone: bool = False
    ) -> Generator[Request, list, Outcome]:
        """Groups of n lines a step, of which `keep` go on; `alone`: a group ends with its best path."""
        require("num_iterations", num_iterations, int, 1)
        paths, completed, stopped = self.paths, [], "done"
        active = [] if paths.root.end else [replace(paths.root, group=group) for group in range(groups)]
        last = active
        try:
            yield from paths.evaluate([paths.root])
            for step in range(num_iterations):
                if not active or paths.accepted or (enough is not None and len(completed) >= enough):
                    break
                last = active
                copies = [_deal(n, sum(path.group == group for path in active)) for group in range(groups)]
                widths = [copies[path.group].pop() for path in active]
                proposed = yield from paths.expand(active, widths, step, self.sampling)
                if paths.accepted:
                    break
                children = [child for family in proposed for child in family if child.end in ("", "terminal")]
                yield from self._judge(children)
                ranked = sorted(children, key=self.scores.get, reverse=True)
                completed += [child for child in children if child.end]
                active = [path for group in range(groups)
                          for path in self._choose([path for path in ranked if path.group == group], keep, alone)]
                paths.drop(children, active)
            yield from paths.finish(active or last, self._rank)
        except BudgetSpent as spent:
            stopped = spent.unit
        paths.drop(active, [], "unfinished")
        completed = completed[:enough]
        return paths.conclude(stopped, lambda answers: max(completed or answers, key=self._rank))

    def _judge(self, children: list[Path]) -> Generator[Request, list, None]:
        """Score children by where they, or the lines ahead of them, lead."""
        every = self.agg_strategy != "last"
        trails = yield from self.paths.look_ahead(children, self.lookahead, self.sampling, every)
        yield from self.paths.evaluate(path for trail in trails.values() for path in trail)
        for child in children:
            values = tuple(path.value for path in trails[child.node])
            self.scores[child] = aggregate(child.values + values, self.agg_strategy)
            child.value = values[0] if every else values[-1]
            child.values += values[:1] if every else ()

    def _choose(self, ranked: list[Path], keep: int, alone: bool) -> list[Path]:
        """Those of a group that go on, best first."""
        if alone and ranked and ranked[0].end:
            return []
        open_ = [path for path in ranked if not path.end]
        if self.filter_duplicates:
            best: dict[int, Path] = {}
            for path in open_:
                best.setdefault(path.node, path)
            open_ = list(best.values())
        return open_[:keep]

    def _rank(self, path: Path) -> tuple[float, float]:
        return self.scores.get(path, -1.0), path.logprob


def _deal(n: int, places: int) -> list[int]:
    """n shared evenly among at most n places, in reverse order: the first ones, which get more, stand last."""
    return [n // places + (place < n % places) for place in reversed(range(places))] if places else []


@strategy("beams", "beam_size")
def bfs_v(
    task: Task,
    root: Any,
    *,
    beam_size: int = 5,
    width: int = 6,
    depth: int = 8,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 64,
    sampling: str = "with",
    verified: bool,
    merge: bool = True,
) -> Generator[Request, list, Outcome]:
    """BFS-V of TS-LLM: the best children of a level go on, and each end takes a place in the beam for good.

    Args:
        beam_size: places in the beam (ToT's b; Yao et al. 2023, arXiv 2305.10601, value by prompting instead).
        width: lines sampled at a position (TS-LLM's max_action); duplicates and illegal ones count as cost.
        depth: lines of an answer at most (TS-LLM's max_length).
        max_tokens: per line.
        sampling: "with" replacement, "without", the "likeliest" lines, or the "legal" ones of these.

    Otherwise, the answer is the end of the highest value, ties by log-probability.
    """
    for name, number in (("beam_size", beam_size), ("width", width), ("depth", depth)):
        require(name, number, int, 1)
    settings = LineSampling(temperature, top_p, top_k, max_tokens, sampling)
    paths = make_paths(task, root, verified, merge)
    active = [] if paths.root.end else [paths.root]
    last, ended, stopped = active, [], "done"
    try:
        yield from paths.evaluate([paths.root])
        for step in range(depth):
            if not active:
                break
            last = active
            proposed = yield from paths.expand(active, [width] * len(active), step, settings)
            if paths.accepted:
                break
            children = list({child.node: child for family in proposed for child in family}.values())
            yield from paths.evaluate(children)
            best = sorted((child for child in children if child.end in ("", "terminal")), key=lambda child: child.rank,
                          reverse=True)[: beam_size - len(ended)]  # fmt: skip
            ended += [child for child in best if child.end]
            active = [child for child in best if not child.end][: beam_size - len(ended)]
            paths.drop(children, active)
        yield from paths.finish(active or last)
    except BudgetSpent as spent:
        stopped = spent.unit
    paths.drop(active, [], "unfinished")
    return paths.conclude(stopped, lambda answers: max(ended or answers, key=lambda path: path.rank))
