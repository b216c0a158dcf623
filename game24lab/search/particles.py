"""Populations of paths: a particle filter resamples them, and REBASE allocates lines to them by their values.

What differs from the reference codes: illegal lines end a path; finished particles stay as they are and are never
resampled into open ones; weights stay finite at values of -1 and 1; where no path has come to an end, the best one is
completed greedily. This module does not know what a line or a position is, who samples and who values.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from game24lab.runs.checks import require, require_flag, require_one_of
from game24lab.search.formulas import softmax
from game24lab.search.partial import LineSampling, Path, make_paths
from game24lab.search.requests import BudgetSpent, Outcome, Request, strategy
from game24lab.tasks.task import Task


@strategy("particles", "n_particles")
def particle_filter(
    task: Task,
    root: Any,
    *,
    n_particles: int = 4,
    softmax_temp: float = 1.0,
    ess: float = 0.5,
    final: str = "argmax",
    depth: int = 40,
    temperature: float = 0.8,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 64,
    sampling: str = "with",
    verified: bool,
    merge: bool = True,
    rng: Random,
) -> Generator[Request, list, Outcome]:
    """A particle filter guided by a critic (Puri et al. 2025, arXiv 2502.01618).

    Every step multiplies a particle's weight by (chance / (1 - chance))^(1 / softmax_temp) of its new position, the
    published weight; an illegal line makes it 0, an end keeps it as it is from then on.

    Args:
        n_particles: lines sampled a step at most.
        ess: resample, by chance in proportion to the weights, when the effective sample size (sum w)^2 / sum w^2 is not
            above this share of n_particles; 1: after every step, as published; 0: never.
        final: if not verified, take the finished particle of the highest value ("argmax", ties by log-probability) or
            draw one by weight ("sample").
        depth: steps at most.
        max_tokens: per line.
        sampling: "with" replacement, "without", the "likeliest" lines, or the "legal" ones of these.

    Without replacement, particles at one position say distinct lines, and share their weight by the lines' importance
    weights; where a position has fewer lines than particles, the others die.

    Verified: the first accepted answer ends the search.
    """
    require("n_particles", n_particles, int, 1)
    require("softmax_temp", softmax_temp, float, 1e-3)
    require("ess", ess, float, 0, 1)
    require_one_of("final", final, ("argmax", "sample"))
    require("depth", depth, int, 1)
    settings = LineSampling(temperature, top_p, top_k, max_tokens, sampling)
    paths = make_paths(task, root, verified, merge)
    particles, weights = [paths.root] * n_particles, [0.0] * n_particles  # natural logs
    last, stopped = [paths.root], "done"
    try:
        yield from paths.evaluate([paths.root])
        for step in range(depth):
            alive = [place for place, particle in enumerate(particles) if not particle.end]
            if not alive or paths.accepted:
                break
            last = [particles[place] for place in alive]
            proposed = yield from paths.expand(last, [1] * len(last), step, settings)
            if paths.accepted:
                break
            if sampling != "with":
                _share_weights(weights, particles, alive, proposed)
            for place, family in zip(alive, proposed, strict=True):
                particles[place] = family[0] if family else replace(particles[place], end="unfinished")
            yield from paths.evaluate(particles[place] for place in alive)
            for place in alive:
                dead = particles[place].end in ("illegal", "unfinished")
                weights[place] += -math.inf if dead else measure_logit(particles[place].chance) / softmax_temp
            shares = softmax(weights)
            waiting = any(not particle.end for particle in particles)
            if waiting and measure_ess(shares) <= ess * n_particles + 1e-9:
                before = particles
                particles = rng.choices(particles, shares, k=n_particles)
                weights = [0.0] * n_particles
                paths.drop(before, particles)
        yield from paths.finish([particle for particle in particles if not particle.end] or last)
    except BudgetSpent as spent:
        stopped = spent.unit
    paths.drop(particles, [], "unfinished")

    def choose(answers: list[Path]) -> Path:
        ended = [place for place, particle in enumerate(particles) if particle.end == "terminal"]
        if final == "sample" and ended:
            return particles[rng.choices(ended, softmax([weights[place] for place in ended]))[0]]
        return max([particles[place] for place in ended] or answers, key=lambda path: path.rank)

    return paths.conclude(stopped, choose)


def _share_weights(
    weights: list[float], particles: Sequence[Path], alive: Sequence[int], proposed: Sequence[Sequence[Path]]
) -> None:
    """Divide the weight of the particles at one node among the lines they say, in proportion to the lines' shares."""
    heaps: dict[int, list[int]] = {}
    for place in alive:
        heaps.setdefault(particles[place].node, []).append(place)
    families = dict(zip(alive, proposed, strict=True))
    for places in heaps.values():
        top = max(weights[place] for place in places)
        whole = top + math.log(math.fsum(math.exp(weights[place] - top) for place in places))
        for place in places:
            share = families[place][0].share if families[place] else 0.0
            weights[place] = whole + math.log(share) if share else -math.inf


def measure_logit(chance: float) -> float:
    """ln(p / (1 - p)) for 0 < p < 1."""
    return math.log(chance) - math.log1p(-chance)


def measure_ess(shares: Sequence[float]) -> float:
    """The effective sample size of shares that add up to 1 (Kong 1992): 1 / sum w^2, from 1 to their number."""
    return 1 / sum(share * share for share in shares)


@strategy("particles", "width")
def rebase(
    task: Task,
    root: Any,
    *,
    width: int = 16,
    softmax_temperature: float = 0.2,
    correct_duplicates: bool = True,
    depth: int = 25,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int = 64,
    sampling: str = "with",
    verified: bool,
    merge: bool = True,
) -> Generator[Request, list, Outcome]:
    """REBASE, reward-balanced search (Wu et al. 2024, arXiv 2408.00724): lines in proportion to softmax(chance / T).

    Args:
        width: lines sampled a step at first; every path that has ended takes one away.
        softmax_temperature: T; lower: the best paths get more.
        correct_duplicates: paths that stand at the same position (without `merge`: that said the same) count as one
            when lines are allocated, as DORA has it (Wang et al. 2025, arXiv 2506.15707: what matters is the
            direction); else each counts, and frequent positions get more lines still.
        depth: steps at most.
        max_tokens: per line.
        sampling: "with" replacement, "without", the "likeliest" lines, or the "legal" ones of these.

    Verified: the first accepted answer ends the search. Otherwise, the answer is the end of the highest value, ties by
    log-probability.
    """
    require("width", width, int, 1)
    require("softmax_temperature", softmax_temperature, float, 1e-3)
    require_flag("correct_duplicates", correct_duplicates)
    require("depth", depth, int, 1)
    settings = LineSampling(temperature, top_p, top_k, max_tokens, sampling)
    paths = make_paths(task, root, verified, merge)
    active = [] if paths.root.end else [paths.root]
    last, left, stopped = active, width, "done"
    try:
        yield from paths.evaluate([paths.root])
        for step in range(depth):
            if not active or left < 1:
                break
            active.sort(key=lambda path: path.rank, reverse=True)
            counts = allocate_lines(left, [path.chance for path in active], softmax_temperature)
            last = [path for path, number in zip(active, counts, strict=True) if number]
            paths.drop(active, last)
            proposed = yield from paths.expand(last, [number for number in counts if number], step, settings)
            if paths.accepted:
                break
            children = [child for family in proposed for child in family]
            yield from paths.evaluate(children)
            left -= sum(child.end == "terminal" for child in children)
            active = [child for child in children if not child.end]
            if correct_duplicates:
                active = list({path.node: path for path in active}.values())
        yield from paths.finish(active or last)
    except BudgetSpent as spent:
        stopped = spent.unit
    paths.drop(active, [], "unfinished")
    return paths.conclude(stopped)


def allocate_lines(width: int, chances: Sequence[float], softmax_temperature: float) -> list[int]:
    """REBASE's allocation: path by path, best first, the rounded-up share of the lines left; the counts sum to width.

    `chances` from the best to the worst, at least one. A path's share is relative to the paths not yet served.
    """
    shares = softmax([chance / softmax_temperature for chance in chances])
    counts, rest = [], 1.0
    for share in shares:
        counts.append(min(width, math.ceil(width * min(1.0, share / rest) - 1e-9)) if rest > 0 else 0)
        width, rest = width - counts[-1], rest - share
    counts[-1] += width
    return counts
