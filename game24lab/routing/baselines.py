"""What a router has to beat and what it cannot reach: fixed arms, random mixes, difficulty alone, cascades, an oracle.

All of them end as a `Way` on the same problems. What a rival learns, it learns from other problems than it is judged
on. This module does not know how the router itself was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from game24lab.routing.pareto import Grid, Way, choose, collect, find_hull, list_prices, take_steps

CHAIN = 3  # arms of a cascade, at most
_CANDIDATES = 16  # arms that cascades are made of, at most: chains of three are then 696
BINS = 8  # of difficulty
ORACLE_STEPS = 200


def take_fixed(grid: Grid) -> Way:
    """Every arm for all problems: a step an arm."""
    everywhere = [np.full(len(grid.problems), place) for place in range(len(grid.arms))]
    return collect(grid, "fixed arm", grid.arms, everywhere, fees=False)


def take_oracle(grid: Grid, axis: str = "tokens", *, count: int = ORACLE_STEPS) -> Way:
    """The best choices of one who knows every problem's true chances and costs (not its luck), for nothing.

    A step a price, of so many that what lies between two of them is near the best too.
    """
    prices = list_prices(grid.chance, grid.tokens if axis == "tokens" else grid.seconds, count)
    pairs = [(price, 0.0) if axis == "tokens" else (0.0, price) for price in prices]
    choices = [choose(grid.chance, grid.tokens, grid.seconds, *pair) for pair in pairs]
    return collect(grid, "oracle", prices, choices, fees=False)


def mix_like(
    grid: Grid, prices: Sequence[float], axis: str = "tokens", blind: Sequence[int] | None = None
) -> Way:  # fmt: skip
    """Arms in the router's own proportions, dealt to problems at random: what it gains over this, it gains by looking.

    Expected values; no fee, for nobody looks.
    """
    shares = []
    for chosen in take_steps(grid, prices, axis, blind):
        shares.append(np.bincount(chosen, minlength=len(grid.arms)) / len(chosen))
    return _blend(grid, "router's mix at random", prices, np.array(shares))


def mix_evenly(grid: Grid) -> Way:
    """Every problem gets an arm by an even lot: one step."""
    return _blend(grid, "any arm at random", ("even",), np.full((1, len(grid.arms)), 1 / len(grid.arms)))


def _blend(grid: Grid, name: str, steps: Sequence, shares: np.ndarray) -> Way:
    return Way(name, tuple(steps), *(shares @ getattr(grid, what).T for what in ("chance", "tokens", "seconds")))


def rate_difficulty(grid: Grid) -> np.ndarray:
    """One number a problem, from what is predicted alone: the mean chance that its arms fail, shape (problems,)."""
    return 1 - grid.predicted_chance.mean(axis=1)


def route_by_difficulty(
    known: Grid, grid: Grid, prices: Sequence[float], axis: str = "tokens", *, bins: int = BINS
) -> Way:
    """A router that sees nothing but difficulty: in each bin of it the arm that was best on the `known` problems.

    Bins hold equal numbers of known problems, whose true chances and costs are averaged. It pays the fee, for it looks.
    ValueError for a grid without known problems, or of other arms.
    """
    _check(known, grid)
    difficulty = rate_difficulty(known)
    edges = np.unique(np.quantile(difficulty, np.linspace(0, 1, min(bins, len(difficulty)) + 1)[1:-1]))
    place, mine = np.searchsorted(edges, difficulty, "right"), np.searchsorted(edges, rate_difficulty(grid), "right")
    means = []
    for values in (known.chance, known.tokens + known.fee_tokens, known.seconds + known.fee_seconds):
        whole = values.mean(axis=0)
        means.append(np.array([values[place == index].mean(axis=0) if (place == index).any() else whole
                               for index in range(len(edges) + 1)]))  # fmt: skip
    pairs = [(price, 0.0) if axis == "tokens" else (0.0, price) for price in prices]
    choices = [choose(*(mean[mine] for mean in means), *pair) for pair in pairs]
    return collect(grid, "difficulty alone", prices, choices, fees=True)


def run_cascades(known: Grid, grid: Grid, axis: str = "tokens", *, longest: int = CHAIN) -> Way:
    """Arms one after the other until the exact verifier accepts an answer: the chains that were best on known problems.

    Arms of different samples fail independently of each other, given the problem: a chain succeeds with 1 - prod(1 - p)
    and pays for an arm only where those before it have failed. Up to `longest` arms in a row, the cheaper ones first.
    It asks the verifier after every arm, which a router of arms that are not verified does not. ValueError as above.
    """
    _check(known, grid)
    costs = known.tokens.mean(axis=0) if axis == "tokens" else known.seconds.mean(axis=0)
    places = sorted(range(len(grid.arms)), key=lambda place: costs[place])
    if len(places) > _CANDIDATES:  # those that solve most for what they take
        worth = known.chance.mean(axis=0) / np.maximum(costs, 1e-12)
        hull = set(find_hull(costs, known.chance.mean(axis=0)).tolist())
        kept = set(sorted(places, key=lambda place: (place not in hull, -worth[place]))[:_CANDIDATES])
        places = [place for place in places if place in kept]
    chains = [chain for length in range(1, longest + 1) for chain in combinations(places, length)]
    tried = _chain(known, chains)
    best = find_hull(tried.cost(axis).mean(axis=1), tried.chance.mean(axis=1))
    return _chain(grid, [chains[place] for place in best if place >= 0])


def _chain(grid: Grid, chains: Sequence[Sequence[int]]) -> Way:
    found = {"chance": [], "tokens": [], "seconds": []}
    for chain in chains:
        failing, tokens, seconds = np.ones(len(grid.problems)), 0.0, 0.0
        for arm in chain:
            tokens, seconds = tokens + failing * grid.tokens[:, arm], seconds + failing * grid.seconds[:, arm]
            failing = failing * (1 - grid.chance[:, arm])
        for name, values in (("chance", 1 - failing), ("tokens", tokens), ("seconds", seconds)):
            found[name].append(values)
    names = tuple(" > ".join(grid.arms[arm] for arm in chain) for chain in chains)
    return Way("cascade, verified", names, **{name: np.array(values) for name, values in found.items()})


def _check(known: Grid, grid: Grid) -> None:
    if not known.problems:
        raise ValueError("known problems: there are none; at least one is needed to learn from")
    if known.arms != grid.arms:
        raise ValueError(f"known problems have the arms {', '.join(known.arms)}, not {', '.join(grid.arms)}")
    if shared := set(known.problems) & set(grid.problems):
        raise ValueError(f"problem {sorted(shared)[0]!r} is both known and to be judged: one or the other is accepted")
