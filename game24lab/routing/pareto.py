"""Pareto frontiers of routing: the arm of each problem at each price of tokens or seconds, for a router and baselines.

Utility is p - lambda_tokens * tokens - lambda_seconds * seconds (Huang et al. 2025, arXiv 2509.09864); each problem
gets the arm of the highest one. A `Grid` holds predictions and true values of every problem and arm, so that another
price is answered at once. What a baseline learns, it learns from other problems than it is evaluated on. This module
does not know how anything was predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.spatial import ConvexHull

from game24lab.routing.arms import PROBE_ANSWER
from game24lab.runs.checks import require_one_of

AXES = ("tokens", "seconds")
BINS = 8  # of difficulty
_COLUMNS = {"chance": "probability", "tokens": "sampled_tokens", "seconds": "seconds"}  # of a grid's fields
_FEES = ("fee_tokens", "fee_seconds")
_LONGEST, _CANDIDATES = 3, 16  # arms of a cascade, arms that cascades are made of: 696 cascades at most


@dataclass(frozen=True)
class Grid:
    """True values and predictions of every problem and arm: arrays of shape (problems, arms).

    `seconds` are NaN throughout where nobody has measured them. Fees are the cost of the router's probe on top of an
    arm: 0 where the arm returns the probe's own answer, whose cost is that of the probe.
    """

    problems: tuple[str, ...]
    arms: tuple[str, ...]
    chance: np.ndarray = field(repr=False)
    tokens: np.ndarray = field(repr=False)
    seconds: np.ndarray = field(repr=False)
    predicted_chance: np.ndarray = field(repr=False)
    predicted_tokens: np.ndarray = field(repr=False)
    predicted_seconds: np.ndarray = field(repr=False)
    fee_tokens: np.ndarray = field(repr=False)
    fee_seconds: np.ndarray = field(repr=False)

    @property
    def timed(self) -> bool:
        """Whether seconds are known and predicted."""
        return not (np.isnan(self.seconds).any() or np.isnan(self.predicted_seconds).any())

    def expect(self, axis: str) -> np.ndarray:
        """Predicted costs along an axis, fees included."""
        return getattr(self, f"predicted_{axis}") + getattr(self, f"fee_{axis}")


@dataclass(frozen=True)
class Way:
    """One way to spend: chance and costs of each of its steps (an arm, a price, a cascade), shape (steps, problems)."""

    name: str
    steps: tuple[str | float, ...]
    chance: np.ndarray = field(repr=False)
    tokens: np.ndarray = field(repr=False)
    seconds: np.ndarray = field(repr=False)

    def cost(self, axis: str) -> np.ndarray:
        """Costs along an axis, "tokens" or "seconds"."""
        require_one_of("axis", axis, AXES)
        return getattr(self, axis)


def join_rows(table: pd.DataFrame, predictions: pd.DataFrame, fees: pd.DataFrame) -> pd.DataFrame:
    """The rows of a grid: a tidy table's, with `predicted_...` of `Router.predict` and the fees of `Router.charge`."""
    named = {column: f"predicted_{column}" for column in predictions if column not in ("problem", "arm")}
    rows = table.merge(predictions.rename(columns=named), on=["problem", "arm"], how="inner", validate="one_to_one")
    if len(rows) < len(table):
        raise ValueError(f"predictions: {len(table) - len(rows)} of {len(table)} rows of the table have none")
    return charge_probe_answers(rows.merge(fees, left_on="problem", right_index=True, how="left",
                                           validate="many_to_one"))  # fmt: skip


def charge_probe_answers(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in which the arms of `PROBE_ANSWER` cost a router that probes the cost of its probe, and no fee besides."""
    rows = rows.copy()
    mine = rows["arm"].isin(list(PROBE_ANSWER.values())) & (rows["fee_tokens"] > 0)
    for cost, fee in zip(("predicted_sampled_tokens", "predicted_seconds"), _FEES, strict=True):
        if cost in rows:
            rows.loc[mine, cost] = rows.loc[mine, fee]
        rows.loc[mine, fee] = 0.0
    return rows


def read_grid(rows: pd.DataFrame) -> Grid:
    """The grid of rows as `join_rows` leaves them; ValueError where a column or an arm of a problem is missing."""
    columns = _COLUMNS | {f"predicted_{name}": f"predicted_{column}" for name, column in _COLUMNS.items()}
    for name in ("problem", "arm", *columns.values()):
        if name not in rows and not name.endswith("seconds"):
            raise ValueError(f"grid: the column {name!r} is missing; there are {', '.join(map(str, rows))}")
    problems, arms = list(dict.fromkeys(rows["problem"])), list(dict.fromkeys(rows["arm"]))
    if rows.empty or rows.duplicated(["problem", "arm"]).any() or len(rows) != len(problems) * len(arms):
        raise ValueError(f"grid: there must be one row for each problem and arm, got {len(rows)} rows for "
                         f"{len(problems)} problems and {len(arms)} arms")  # fmt: skip

    def spread(column: str, missing: float) -> np.ndarray:
        if column not in rows:
            return np.full((len(problems), len(arms)), missing)
        return rows.pivot(index="problem", columns="arm", values=column).loc[problems, arms].to_numpy(float)

    arrays = {name: spread(column, np.nan) for name, column in columns.items()}
    return Grid(tuple(problems), tuple(arms), **arrays, **{name: spread(name, 0.0) for name in _FEES})


# --------------------------------------------------------------------------------------------------------- choosing
def choose(
    chance: np.ndarray, tokens: np.ndarray, seconds: np.ndarray, lambda_tokens: float, lambda_seconds: float = 0.0
) -> np.ndarray:
    """The arm of the highest utility for each problem, shape (problems,); of equals the one of fewer tokens.

    ValueError for a negative price, or a price of seconds that nobody knows.
    """
    for name, price in (("lambda_tokens", lambda_tokens), ("lambda_seconds", lambda_seconds)):
        if not 0 <= price < np.inf:
            raise ValueError(f"{name} must be a number >= 0, got {price!r}")
    utility = chance - lambda_tokens * tokens
    if lambda_seconds:
        if np.isnan(seconds).any():
            raise ValueError(f"lambda_seconds must be 0 where the seconds are not known, got {lambda_seconds!r}")
        utility = utility - lambda_seconds * seconds
    best = utility.max(axis=1, keepdims=True)
    return np.where(utility >= best - 1e-12 * np.maximum(1, np.abs(best)), tokens, np.inf).argmin(axis=1)


def route(grid: Grid, lambda_tokens: float, lambda_seconds: float = 0.0) -> np.ndarray:
    """The arm that the router takes for each problem, by its place among `grid.arms`."""
    return choose(grid.predicted_chance, grid.expect("tokens"), grid.expect("seconds"), lambda_tokens, lambda_seconds)


def _split(price: float, axis: str) -> tuple[float, float]:
    """The prices of a token and of a second where only one axis has a price."""
    return (price, 0.0) if axis == "tokens" else (0.0, price)


def list_prices(chance: np.ndarray, costs: np.ndarray, count: int = 60) -> list[float]:
    """Prices at which choices change, ascending, from chances and costs of shape (problems, arms): 0, quantiles of the
    chance gained per unit of cost between two arms of a problem, and a price at which only cost counts."""
    more = costs[:, None, :] - costs[:, :, None]
    worth = (chance[:, None, :] - chance[:, :, None])[more > 0] / more[more > 0]
    worth = worth[worth > 0]
    if not worth.size:
        return [0.0]
    turns = np.quantile(worth, np.linspace(0, 1, max(2, count - 1)))
    turns[-1] *= 2
    return [0.0, *map(float, np.unique(turns))]


def _route_all(grid: Grid, prices: Sequence[float], axis: str, skips: Sequence[int] | None) -> list[np.ndarray]:
    """The arm of each problem at each price: the one that `skip_probe` names there, else the router's."""
    return [route(grid, *_split(price, axis)) if arm < 0 else np.full(len(grid.problems), arm)
            for price, arm in zip(prices, skips or [-1] * len(prices), strict=True)]  # fmt: skip


def sweep(grid: Grid, prices: Sequence[float], axis: str = "tokens", *, skips: Sequence[int] | None = None) -> Way:
    """The router at each price of an axis, its fee paid where it probes; `skips` as `skip_probe`."""
    probes = np.array([arm < 0 for arm in skips or [-1] * len(prices)])
    return collect(grid, "router", prices, _route_all(grid, prices, axis, skips), fees=probes)


def skip_probe(way: Way, fixed: Way, axis: str = "tokens") -> list[int]:
    """At each price the one arm that all problems get without a probe, -1 where the probe is worth its fee.

    By mean utility on known problems, of the router that always probes (`way`) and of every fixed arm.
    """
    chance, cost = fixed.chance.mean(axis=1), fixed.cost(axis).mean(axis=1)
    skips = []
    for price, mine, spent in zip(way.steps, way.chance.mean(axis=1), way.cost(axis).mean(axis=1), strict=True):
        utility = chance - price * cost
        skips.append(int(np.argmax(utility)) if utility.max() > mine - price * spent else -1)
    return skips


def collect(grid: Grid, name: str, steps: Sequence, choices: Sequence, *, fees: bool | np.ndarray) -> Way:
    """True chances and costs of choices of arms, one array a step, on the problems of a grid; `fees` may differ by
    step."""
    rows = np.arange(len(grid.problems))
    chosen = np.array(choices, int).reshape(len(steps), len(rows))
    probes = np.broadcast_to(fees, len(steps))[:, None]
    tokens, seconds = (cost[rows, chosen] + np.where(probes, fee[rows, chosen], 0.0) for cost, fee in
                       ((grid.tokens, grid.fee_tokens), (grid.seconds, grid.fee_seconds)))  # fmt: skip
    return Way(name, tuple(steps), grid.chance[rows, chosen], tokens, seconds)


def measure(way: Way) -> pd.DataFrame:
    """Means over problems, a row a step: `way`, `step`, `accuracy`, `tokens`, `seconds`."""
    means = {"accuracy": way.chance.mean(axis=1), **{axis: way.cost(axis).mean(axis=1) for axis in AXES}}
    return pd.DataFrame({"way": way.name, "step": list(way.steps), **means})


def _count_shares(grid: Grid, prices: Sequence[float], axis: str, skips: Sequence[int] | None) -> np.ndarray:
    """The share of problems that gets each arm at each price, shape (prices, arms)."""
    return np.array([np.bincount(chosen, minlength=len(grid.arms)) / len(chosen)
                     for chosen in _route_all(grid, prices, axis, skips)])  # fmt: skip


def mix(
    grid: Grid, prices: Sequence[float], axis: str = "tokens", skips: Sequence[int] | None = None
) -> pd.DataFrame:  # fmt: skip
    """Which share of problems gets which arm at each price: columns `price`, `arm`, `share`, with all arms."""
    shares = _count_shares(grid, prices, axis, skips)
    return pd.DataFrame({"price": np.repeat(prices, len(grid.arms)), "arm": np.tile(grid.arms, len(prices)),
                         "share": shares.ravel()})  # fmt: skip


def find_price(grid: Grid, budget: float) -> float:
    """The lowest price of tokens at which the router expects to spend at most `budget` tokens a problem, fee included.

    ValueError where even the cheapest arms take more.
    """
    rows, expected = np.arange(len(grid.problems)), grid.expect("tokens")
    prices = list_prices(grid.predicted_chance, expected, 400)
    spent = [float(expected[rows, route(grid, price)].mean()) for price in prices]
    for price, tokens in zip(prices, spent, strict=True):
        if tokens <= budget:
            return price
    fee = grid.fee_tokens.max(axis=1).mean()
    raise ValueError(f"budget must be >= {min(spent):.0f}, the tokens a problem that the cheapest arms are expected to "
                     f"take, {fee:.0f} of them for the probe, got {budget:g}")  # fmt: skip


def find_hull(costs: Sequence[float], accuracies: Sequence[float]) -> np.ndarray:
    """Places of the points on the upper convex hull, ascending in cost and accuracy, up to the highest accuracy.

    The hull begins at no answer for no cost, which has no place; on it lies what mixing points at random comes to.
    """
    x, y = np.append(np.asarray(costs, float), 0.0), np.append(np.asarray(accuracies, float), 0.0)
    places = np.flatnonzero(x <= x[y == y.max()].min())
    x, y = x[places], y[places]
    if np.ptp(x) == 0:
        corners = [int(np.argmax(y))]
    else:  # two points below the ends make any points an area, and change nothing above
        ends = np.array([[x.min(), y.min() - 1 - np.ptp(y)], [x.max(), y.min() - 1 - np.ptp(y)]])
        points = np.concatenate([np.column_stack([x, y]), ends])
        points = (points - points.min(axis=0)) / np.ptp(points, axis=0)
        corners = sorted((place for place in ConvexHull(points).vertices if place < len(x)),
                         key=lambda place: (x[place], y[place]))  # fmt: skip
    highest = {x[corner]: places[corner] for corner in corners}  # of points above one another
    return np.array([place for place in highest.values() if place < len(costs)], int)


# --------------------------------------------------------------------------------------------------------- baselines
def take_fixed(grid: Grid) -> Way:
    """Every arm for all problems: a step an arm."""
    everywhere = [np.full(len(grid.problems), place) for place in range(len(grid.arms))]
    return collect(grid, "fixed arm", grid.arms, everywhere, fees=False)


def take_oracle(grid: Grid, axis: str = "tokens", *, count: int = 200) -> Way:
    """Oracle router: picks by the true chance and cost of each arm, without a fee; a step a price."""
    prices = list_prices(grid.chance, getattr(grid, axis), count)
    choices = [choose(grid.chance, grid.tokens, grid.seconds, *_split(price, axis)) for price in prices]
    return collect(grid, "oracle", prices, choices, fees=False)


def mix_like(grid: Grid, prices: Sequence[float], axis: str = "tokens", skips: Sequence[int] | None = None) -> Way:
    """Arms in the router's own proportions, assigned to problems at random (expected values), without a probe."""
    return _blend(grid, "router's mix at random", prices, _count_shares(grid, prices, axis, skips))


def mix_evenly(grid: Grid) -> Way:
    """A uniformly random arm for every problem: one step."""
    return _blend(grid, "any arm at random", ("even",), np.full((1, len(grid.arms)), 1 / len(grid.arms)))


def _blend(grid: Grid, name: str, steps: Sequence, shares: np.ndarray) -> Way:
    return Way(name, tuple(steps), *(shares @ getattr(grid, what).T for what in _COLUMNS))


def route_by_difficulty(
    known: Grid, grid: Grid, prices: Sequence[float], axis: str = "tokens", *, bins: int = BINS
) -> Way:
    """A router that sees difficulty alone, the mean predicted chance that an arm fails: in each bin of it, the arm that
    was best on the `known` problems.

    Bins hold equal numbers of known problems, whose true chances and costs are averaged. It probes and pays the fee.
    ValueError for a grid without known problems, or of other arms.
    """
    _check(known, grid)
    difficulty, mine = (1 - one.predicted_chance.mean(axis=1) for one in (known, grid))
    edges = np.unique(np.quantile(difficulty, np.linspace(0, 1, min(bins, len(difficulty)) + 1)[1:-1]))
    place, mine = np.searchsorted(edges, difficulty, "right"), np.searchsorted(edges, mine, "right")
    means = []
    for values in (known.chance, known.tokens + known.fee_tokens, known.seconds + known.fee_seconds):
        whole = values.mean(axis=0)
        means.append(np.array([values[place == index].mean(axis=0) if (place == index).any() else whole
                               for index in range(len(edges) + 1)]))  # fmt: skip
    choices = [choose(*(mean[mine] for mean in means), *_split(price, axis)) for price in prices]
    return collect(grid, "difficulty alone", prices, choices, fees=True)


def run_cascades(known: Grid, grid: Grid, axis: str = "tokens") -> Way:
    """Cascades: arms in a row, the cheaper first, until the exact verifier accepts; those on the hull of the known
    problems.

    Arms fail independently of each other, given the problem: a cascade succeeds with 1 - prod(1 - p) and pays for an
    arm only where those before it have failed. It asks the verifier after every arm, which a router of arms that are
    not verified does not. ValueError as `route_by_difficulty`.
    """
    _check(known, grid)
    costs, chances = getattr(known, axis).mean(axis=0), known.chance.mean(axis=0)
    hull, worth = set(find_hull(costs, chances).tolist()), chances / np.maximum(costs, 1e-12)
    places = sorted(range(len(costs)), key=lambda place: costs[place])
    best = sorted(places, key=lambda place: (place not in hull, -worth[place]))[:_CANDIDATES]
    places = [place for place in places if place in best]
    cascades = [arms for length in range(1, _LONGEST + 1) for arms in combinations(places, length)]
    tried = _run_cascades(known, cascades)
    corners = find_hull(tried.cost(axis).mean(axis=1), tried.chance.mean(axis=1))
    return _run_cascades(grid, [cascades[place] for place in corners])


def _run_cascades(grid: Grid, cascades: Sequence[Sequence[int]]) -> Way:
    found = []
    for arms in cascades:
        failing, tokens, seconds = np.ones(len(grid.problems)), 0.0, 0.0
        for arm in arms:
            tokens, seconds = tokens + failing * grid.tokens[:, arm], seconds + failing * grid.seconds[:, arm]
            failing = failing * (1 - grid.chance[:, arm])
        found.append((1 - failing, tokens, seconds))
    names = tuple(" > ".join(grid.arms[arm] for arm in arms) for arms in cascades)
    values = np.array(found).reshape(len(cascades), 3, len(grid.problems))
    return Way("cascade, verified", names, *values.swapaxes(0, 1))


def _check(known: Grid, grid: Grid) -> None:
    if not known.problems:
        raise ValueError("known problems: there must be at least one to learn from, got none")
    if known.arms != grid.arms:
        raise ValueError(f"known problems must have the arms {', '.join(grid.arms)}, got {', '.join(known.arms)}")
    if shared := set(known.problems) & set(grid.problems):
        raise ValueError(f"problem {sorted(shared)[0]!r} must not be both known and evaluated")
