"""The frontier: which arm a router takes at which price of tokens and time, and what that comes to.

Utility is p - lambda_tokens * tokens - lambda_seconds * seconds, after Huang et al. 2025 (arXiv 2509.09864); each
problem gets the arm of the highest one. A `Grid` holds what was predicted and what holds for every problem and arm, so
that another price is answered at once. This module does not know how anything was predicted, nor what others would do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.spatial import ConvexHull

from game24lab.routing.arms import KEPT

AXES = ("tokens", "seconds")
_TRUE = {"chance": "probability", "tokens": "sampled_tokens", "seconds": "seconds"}  # fields and columns
_FEES = ("fee_tokens", "fee_seconds")


@dataclass(frozen=True)
class Grid:
    """What is known of every problem and arm: arrays of shape (problems, arms).

    `seconds` are NaN throughout where nobody has measured them. Fees are what the router's own look at a problem costs
    on top of an arm: nothing where the arm is to keep the look's own answer, whose cost is that of the look.
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

    def take(self, places: Sequence[int]) -> Grid:
        """The grid of some of its problems."""
        places = np.asarray(places, int)
        arrays = {name: getattr(self, name)[places] for name in self.__dataclass_fields__ if name not in
                  ("problems", "arms")}  # fmt: skip
        return Grid(tuple(self.problems[place] for place in places), self.arms, **arrays)


@dataclass(frozen=True)
class Way:
    """One way to spend: what each of its steps (an arm, a price, a chain) comes to, shape (steps, problems)."""

    name: str
    steps: tuple[str | float, ...]
    chance: np.ndarray = field(repr=False)
    tokens: np.ndarray = field(repr=False)
    seconds: np.ndarray = field(repr=False)

    def cost(self, axis: str) -> np.ndarray:
        """Costs along an axis, "tokens" or "seconds"."""
        if axis not in AXES:
            raise ValueError(f"axis {axis!r}: one of {', '.join(AXES)} is accepted")
        return getattr(self, axis)


def join_rows(table: pd.DataFrame, predictions: pd.DataFrame, fees: pd.DataFrame) -> pd.DataFrame:
    """The rows of a grid: a tidy table's, with `predicted_...` of `Router.predict` and the fees of `Router.charge`."""
    named = {column: f"predicted_{column}" for column in predictions if column not in ("problem", "arm")}
    rows = table.merge(predictions.rename(columns=named), on=["problem", "arm"], how="inner", validate="one_to_one")
    if len(rows) < len(table):
        raise ValueError(f"predictions: {len(table) - len(rows)} of {len(table)} rows of the table have none")
    return settle(rows.merge(fees, left_on="problem", right_index=True, how="left", validate="many_to_one"))


def settle(rows: pd.DataFrame, prefix: str = "predicted_") -> pd.DataFrame:
    """Rows in which the arms of `KEPT` cost a router that looks what its look costs, and no fee on top of it."""
    rows = rows.copy()
    mine = rows["arm"].isin(list(KEPT.values())) & (rows["fee_tokens"] > 0)
    for cost, fee in ((_TRUE["tokens"], "fee_tokens"), (_TRUE["seconds"], "fee_seconds")):
        if f"{prefix}{cost}" in rows:
            rows.loc[mine, f"{prefix}{cost}"] = rows.loc[mine, fee]
        rows.loc[mine, fee] = 0.0
    return rows


def read_grid(rows: pd.DataFrame) -> Grid:
    """The grid of rows as `join_rows` leaves them; ValueError where a column or an arm of a problem is missing."""
    needed = ["problem", "arm", *list(_TRUE.values())[:2], *(f"predicted_{name}" for name in list(_TRUE.values())[:2])]
    for name in needed:
        if name not in rows:
            raise ValueError(f"grid: the column {name!r} is missing; there are {', '.join(map(str, rows))}")
    problems, arms = list(dict.fromkeys(rows["problem"])), list(dict.fromkeys(rows["arm"]))
    if rows.empty or rows.duplicated(["problem", "arm"]).any() or len(rows) != len(problems) * len(arms):
        raise ValueError(f"grid: {len(rows)} rows for {len(problems)} problems and {len(arms)} arms; one for each pair "
                         "is accepted")  # fmt: skip

    def spread(column: str) -> np.ndarray:
        if column not in rows:
            return np.full((len(problems), len(arms)), np.nan)
        return rows.pivot(index="problem", columns="arm", values=column).loc[problems, arms].to_numpy(float)

    arrays = {name: spread(column) for name, column in _TRUE.items()}
    arrays |= {f"predicted_{name}": spread(f"predicted_{column}") for name, column in _TRUE.items()}
    fees = {name: spread(name) if name in rows else np.zeros((len(problems), len(arms))) for name in _FEES}
    return Grid(tuple(problems), tuple(arms), **arrays, **fees)


# --------------------------------------------------------------------------------------------------------- choosing
def choose(
    chance: np.ndarray, tokens: np.ndarray, seconds: np.ndarray, lambda_tokens: float, lambda_seconds: float = 0.0
) -> np.ndarray:
    """The arm of the highest utility for each problem, shape (problems,); of equals the one of fewer tokens.

    ValueError for a negative price, or a price of seconds that nobody knows.
    """
    for name, price in (("lambda_tokens", lambda_tokens), ("lambda_seconds", lambda_seconds)):
        if not 0 <= price < np.inf:
            raise ValueError(f"{name} {price!r}: a number of at least 0 is accepted")
    utility = chance - lambda_tokens * tokens
    if lambda_seconds:
        if np.isnan(seconds).any():
            raise ValueError(f"lambda_seconds {lambda_seconds!r}: the seconds are not known; 0 is accepted")
        utility = utility - lambda_seconds * seconds
    best = utility.max(axis=1, keepdims=True)
    return np.where(utility >= best - 1e-12 * np.maximum(1, np.abs(best)), tokens, np.inf).argmin(axis=1)


def route(grid: Grid, lambda_tokens: float, lambda_seconds: float = 0.0) -> np.ndarray:
    """The arm that the router takes for each problem, by its place among `grid.arms`."""
    return choose(grid.predicted_chance, grid.expect("tokens"), grid.expect("seconds"), lambda_tokens, lambda_seconds)


def list_prices(chance: np.ndarray, costs: np.ndarray, count: int = 60) -> list[float]:
    """Prices at which choices turn, ascending: 0, then quantiles of what one unit of cost more is worth between two
    arms of a problem, and a price at which only cost counts. `chance` and `costs` have the shape (problems, arms)."""
    more = costs[:, None, :] - costs[:, :, None]
    worth = (chance[:, None, :] - chance[:, :, None])[more > 0] / more[more > 0]
    worth = worth[worth > 0]
    if not worth.size:
        return [0.0]
    turns = np.quantile(worth, np.linspace(0, 1, max(2, count - 1)))
    turns[-1] *= 2
    return [0.0, *map(float, np.unique(turns))]


def take_steps(
    grid: Grid, prices: Sequence[float], axis: str = "tokens", blind: Sequence[int] | None = None
) -> list[np.ndarray]:
    """Which arm each problem gets at each price of an axis; `blind` as `hold_back`, by default it always looks."""
    steps = []
    for price, arm in zip(prices, blind or [-1] * len(prices), strict=True):
        pair = (price, 0.0) if axis == "tokens" else (0.0, price)
        steps.append(route(grid, *pair) if arm < 0 else np.full(len(grid.problems), arm))
    return steps


def sweep(grid: Grid, prices: Sequence[float], axis: str = "tokens", *, blind: Sequence[int] | None = None) -> Way:
    """The router at each price of an axis, its own fee paid where it looks; `blind` as `hold_back`."""
    looks = np.array([arm < 0 for arm in blind or [-1] * len(prices)])
    return collect(grid, "router", prices, take_steps(grid, prices, axis, blind), fees=looks)


def hold_back(way: Way, fixed: Way, axis: str = "tokens") -> list[int]:
    """At each price the one arm that all problems should get without a look, -1 where looking is worth its fee.

    By mean utility on known problems: where a fixed arm has more of it than the router, the router does not look.

    Args:
        way: the router that always looks, a step a price.
        fixed: every arm for all of the same problems, a step an arm.
    """
    chance, cost = fixed.chance.mean(axis=1), fixed.cost(axis).mean(axis=1)
    held = []
    for price, mine, spent in zip(way.steps, way.chance.mean(axis=1), way.cost(axis).mean(axis=1), strict=True):
        utility = chance - price * cost
        held.append(int(np.argmax(utility)) if utility.max() > mine - price * spent else -1)
    return held


def collect(
    grid: Grid, name: str, steps: Sequence, choices: Sequence[np.ndarray], *, fees: bool | np.ndarray
) -> Way:  # fmt: skip
    """What choices of arms, one array a step, really come to on the problems of a grid; `fees` may differ by step."""
    rows = np.arange(len(grid.problems))
    chosen = np.array(choices, int).reshape(len(steps), len(rows))
    looks = np.broadcast_to(fees, len(steps))[:, None]
    paid = [np.where(looks, values[rows, chosen], 0.0) for values in (grid.fee_tokens, grid.fee_seconds)]
    return Way(name, tuple(steps), grid.chance[rows, chosen], grid.tokens[rows, chosen] + paid[0],
               grid.seconds[rows, chosen] + paid[1])  # fmt: skip


def measure(way: Way) -> pd.DataFrame:
    """Means over problems, a row a step: `way`, `step`, `accuracy`, `tokens`, `seconds`."""
    means = {"accuracy": way.chance.mean(axis=1), **{axis: way.cost(axis).mean(axis=1) for axis in AXES}}
    return pd.DataFrame({"way": way.name, "step": list(way.steps), **means})


def mix(
    grid: Grid, prices: Sequence[float], axis: str = "tokens", blind: Sequence[int] | None = None
) -> pd.DataFrame:  # fmt: skip
    """Which share of problems gets which arm at each price: columns `price`, `arm`, `share`, with all arms."""
    rows = []
    for price, chosen in zip(prices, take_steps(grid, prices, axis, blind), strict=True):
        shares = np.bincount(chosen, minlength=len(grid.arms)) / len(chosen)
        rows += [{"price": price, "arm": arm, "share": float(share)}
                 for arm, share in zip(grid.arms, shares, strict=True)]  # fmt: skip
    return pd.DataFrame(rows)


def find_price(grid: Grid, budget: float) -> float:
    """The lowest price of tokens at which the router expects to spend at most `budget` tokens a problem, fee included.

    ValueError where even the cheapest arms take more.
    """
    rows = np.arange(len(grid.problems))
    expected = grid.expect("tokens")
    prices = list_prices(grid.predicted_chance, expected, 400)
    spent = [float(expected[rows, route(grid, price)].mean()) for price in prices]
    for price, tokens in zip(prices, spent, strict=True):
        if tokens <= budget:
            return price
    fee = grid.fee_tokens.max(axis=1).mean()
    raise ValueError(f"budget {budget:g}: the cheapest arms are expected to take {min(spent):.0f} tokens a problem, "
                     f"{fee:.0f} of them to look at it first; that or more is accepted")  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- hull
def find_hull(costs: Sequence[float], accuracies: Sequence[float], *, origin: bool = True) -> np.ndarray:
    """The upper convex hull of points, ascending in cost and accuracy: their places, none that others make needless.

    What lies on it is what mixing points at random can come to. With `origin` not answering at all, at no cost, is one
    of the points, with the place -1. Ends at the first point of the highest accuracy.
    """
    x, y = np.asarray(costs, float), np.asarray(accuracies, float)
    places = np.arange(len(x))
    if origin:
        x, y, places = np.append(x, 0.0), np.append(y, 0.0), np.append(places, -1)
    if not len(x):
        raise ValueError("hull: there are no points; at least one is needed")
    top = x[y == y.max()].min()
    inside = x <= top
    x, y, places = x[inside], y[inside], places[inside]
    if np.ptp(x) == 0:
        return places[[int(np.argmax(y))]]
    # two points below the ends make any points an area, and change nothing above
    ends = np.array([[x.min(), y.min() - 1 - np.ptp(y)], [x.max(), y.min() - 1 - np.ptp(y)]])
    points = np.concatenate([np.column_stack([x, y]), ends])
    points = (points - points.min(axis=0)) / np.ptp(points, axis=0)
    corners = [place for place in ConvexHull(points).vertices if place < len(x)]
    corners.sort(key=lambda place: (x[place], y[place]))
    kept = [corner for number, corner in enumerate(corners)  # of points above one another the highest
            if number + 1 == len(corners) or x[corners[number + 1]] > x[corner]]  # fmt: skip
    return places[kept]


def read_hull(costs: np.ndarray, accuracies: np.ndarray, at: np.ndarray, *, origin: bool = True) -> np.ndarray:
    """The height of the upper convex hull of points at some costs, for many sets of points at once.

    costs, accuracies: shape (sets, points); at: shape (sets,). The best line between two points around `at`, or the
    best point before it; NaN where no point lies at or before it.
    """
    if origin:
        zero = np.zeros((len(costs), 1))
        costs, accuracies = np.concatenate([costs, zero], axis=1), np.concatenate([accuracies, zero], axis=1)
    at = np.asarray(at, float)[:, None]
    before = np.where(costs <= at, accuracies, -np.inf)
    alone = before.max(axis=1)
    gaps = costs[:, None, :] - costs[:, :, None]  # from a point before to one behind
    fits = (costs <= at)[:, :, None] & (costs >= at)[:, None, :] & (gaps > 0)
    share = np.where(fits, (at[:, :, None] - costs[:, :, None]) / np.where(fits, gaps, 1.0), 0.0)
    lines = accuracies[:, :, None] + share * (accuracies[:, None, :] - accuracies[:, :, None])
    height = np.maximum(alone, np.where(fits, lines, -np.inf).max(axis=(1, 2)))
    return np.where(np.isfinite(height), height, np.nan)
