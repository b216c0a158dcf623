"""Scaling laws fitted to a grid: y = E + A / N^a + B / D^b + ... + C / (N^a D^b ...), and what they leave over.

Variable projection (arXiv 2603.22339): for given exponents the coefficients are a linear least-squares problem with
coefficients of 0 or more, so that only the exponents are searched, on a grid and then by Nelder and Mead. Errors are
relative, for losses span orders of magnitude. A known entropy is taken off before; a constant that is fitted hangs
together with A and a. The last term is for models that learn faster the larger they are: a sum has size and tokens
apart. This module does not know what was measured.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize, nnls

from game24lab.runs.checks import require

_GRID = np.geomspace(0.05, 3.0, 17)  # exponents that are tried first
_BEST = 3  # of these, from which the search goes on
_REACH = (0.005, 8.0)  # of exponents


@dataclass(frozen=True)
class Law:
    """A fitted law: a coefficient and an exponent for each variable, the floor, and the coefficient of the product of
    all variables with these exponents."""

    coefficients: Mapping[str, float]
    exponents: Mapping[str, float]
    floor: float = 0.0
    error: float = 0.0  # root mean square of the relative residuals
    product: float = 0.0

    def predict(self, values: Mapping[str, Any]) -> np.ndarray:
        """The law at some values of its variables."""
        total, together = np.asarray(self.floor, float), np.asarray(self.product, float)
        for name, exponent in self.exponents.items():
            power = np.asarray(values[name], float) ** -exponent
            total, together = total + self.coefficients[name] * power, together * power
        return np.asarray(total + together)


def count_unknowns(variables: Sequence[str], floor: bool = False, product: bool = False) -> int:
    """Numbers that a fit has to find."""
    return 2 * len(variables) + floor + product


def fit_law(
    y: Any, values: Mapping[str, Any], *, floor: bool = False, product: bool = False, weights: Any = None,
    near: Law | None = None,
) -> Law:  # fmt: skip
    """The law of least squared relative errors.

    y: positive numbers. values: the variables by name, positive, as long as y. floor, product: fit E, and C, too; else
    they are 0. weights: of the points, 1 by default. near: where to look for the exponents, instead of everywhere
    (bootstraps).

    ValueError for fewer points than unknowns, for a variable of fewer than two different values, and for numbers that
    are not positive.
    """
    y = np.asarray(y, float)
    names = tuple(values)
    unknowns = count_unknowns(names, floor, product)
    if len(y) < unknowns:
        raise ValueError(f"a law of {', '.join(names)} has {unknowns} unknowns: at least as many cells are needed, got "
                         f"{len(y)}")  # fmt: skip
    logs = {name: np.log(_check(name, values[name], len(y))) for name in names}
    _check("y", y, len(y))
    weights = np.ones_like(y) if weights is None else np.asarray(weights, float)
    scale = np.sqrt(weights / weights.sum()) / y
    means = {name: log.mean() for name, log in logs.items()}  # so that columns are of one size

    def solve(exponents: Sequence[float]) -> tuple[np.ndarray, float]:
        columns = [np.exp(-exponent * (logs[name] - means[name])) for name, exponent in
                   zip(names, exponents, strict=True)]  # fmt: skip
        columns += [np.prod(columns, 0)] if product else []
        columns += [np.ones_like(y)] if floor else []
        found, rest = nnls(np.stack(columns, 1) * scale[:, None], y * scale)
        return found, float(rest)

    def judge(tries: np.ndarray) -> float:
        return solve(np.exp(np.clip(tries, *np.log(_REACH))))[1]

    if near is None:
        tried = sorted(itertools.product(_GRID, repeat=len(names)), key=lambda one: solve(one)[1])[:_BEST]
    else:
        tried = [tuple(near.exponents[name] for name in names)]
    options = {"xatol": 1e-7, "fatol": 1e-12, "maxiter": 2000}
    found = min((minimize(judge, np.log(one), method="Nelder-Mead", options=options) for one in tried),
                key=lambda one: one.fun)  # fmt: skip
    exponents = dict(zip(names, np.exp(np.clip(found.x, *np.log(_REACH))).tolist(), strict=True))
    coefficients, rest = solve(list(exponents.values()))
    sizes = {name: float(np.exp(exponents[name] * means[name])) for name in names}  # of a column of size 1
    real = {name: float(c) * sizes[name] for name, c in zip(names, coefficients, strict=False)}
    together = float(coefficients[len(names)] * np.prod(list(sizes.values()))) if product else 0.0
    return Law(real, exponents, float(coefficients[-1]) if floor else 0.0, rest, together)


def _check(name: str, values: Any, count: int) -> np.ndarray:
    found = np.asarray(values, float)
    if found.shape != (count,):
        raise ValueError(f"{name} must have {count} values, got {found.shape}")
    if not (np.isfinite(found).all() and (found > 0).all()):
        raise ValueError(f"{name} must hold positive numbers alone, got {found[~(found > 0)][:1].tolist() or 'inf'}")
    if name != "y" and len(np.unique(found)) < 2:
        raise ValueError(f"{name} must have two different values at least for an exponent, got {found[:1].tolist()}")
    return found


def list_residuals(law: Law, y: Any, values: Mapping[str, Any]) -> pd.DataFrame:
    """A row a point: the variables, `measured`, `predicted`, `error` (relative: predicted / measured - 1)."""
    y, predicted = np.asarray(y, float), law.predict(values)
    return pd.DataFrame({**{name: np.asarray(one) for name, one in values.items()}, "measured": y,
                         "predicted": predicted, "error": predicted / y - 1})  # fmt: skip


def split_corner(cells: pd.DataFrame, sizes: int = 2, budgets: int = 2) -> np.ndarray:
    """Which cells lie in the corner of the largest sizes (`parameters`) and largest budgets (`tokens`): to hold out.

    ValueError where the corner would be all there is of a variable but one value.
    """
    require("sizes", sizes, int, 1)
    require("budgets", budgets, int, 1)
    masks = []
    for column, count in (("parameters", sizes), ("tokens", budgets)):
        known = np.sort(cells[column].unique())
        if len(known) < count + 2:
            raise ValueError(f"{column}: a corner of {count} leaves {len(known) - count} values to fit on, 2 are "
                             "needed")  # fmt: skip
        masks.append((cells[column] >= known[-count]).to_numpy())
    return masks[0] & masks[1]


# ----------------------------------------------------------------------------------------------------------- bootstrap
def resample_cells(
    cells: pd.DataFrame, problems: int, rng: np.random.Generator, *, over_seeds: bool = True, over_problems: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """One bootstrap draw: places of the cells that stand for all cells, and of the problems that stand for all.

    cells: with the columns `size` and `seed`. The budgets of one size and seed share a trunk, so that seeds are drawn
    for a size, and all its budgets follow: one fewer than there are, without which the spread of a mean of two or three
    comes out too small (Rao & Wu 1988). Problems are drawn once for all cells, which were measured on the same ones.
    ValueError where seeds are to be drawn and no size has two.
    """
    drawn = rng.integers(0, problems, problems) if over_problems else np.arange(problems)
    if not over_seeds:
        return np.arange(len(cells)), drawn
    codes, sizes = pd.factorize(cells["size"])  # thousands of draws: pandas would group as long as a fit takes
    seeds, places, most = cells["seed"].to_numpy(), [], 0
    for code in range(len(sizes)):
        mine = np.flatnonzero(codes == code)
        names = np.unique(seeds[mine])
        most = max(most, len(names))
        for one in rng.integers(0, len(names), max(1, len(names) - 1)):
            places.append(mine[seeds[mine] == names[one]])
    if most < 2:
        raise ValueError(f"an interval over seeds needs two seeds at least of some size, got {most} of each")
    return np.concatenate(places), drawn


def check_seeds(cells: pd.DataFrame) -> None:
    """ValueError unless some size was trained from two seeds, as an interval over seeds needs."""
    resample_cells(cells, 1, np.random.default_rng(0))


def bootstrap_law(
    values: np.ndarray, cells: pd.DataFrame, variables: Mapping[str, str], *, repeats: int = 200, floor: bool = False,
    product: bool = False, seed: int = 0, over_seeds: bool = True, over_problems: bool = True,
) -> list[Law]:  # fmt: skip
    """Laws of resampled cells and problems, see `resample_cells`. Without `over_problems`: of the same problems.

    values: (cells, problems), what was measured of each problem; a cell's y is their mean. variables: the columns of
    `cells` that a law has, by the names it gives them. Seeds of a training weigh as much as one, see `weigh_seeds`.
    """
    if over_seeds:
        check_seeds(cells)
    rng = np.random.default_rng(seed)
    known = {name: cells[column].to_numpy(float) for name, column in variables.items()}
    terms: dict[str, bool] = {"floor": floor, "product": product}
    whole, found = fit_law(values.mean(1), known, weights=weigh_seeds(cells), **terms), []
    for _ in range(repeats):
        rows, problems = resample_cells(cells, values.shape[1], rng, over_seeds=over_seeds,
                                        over_problems=over_problems)  # fmt: skip
        y = values[np.ix_(rows, problems)].mean(1)
        found.append(fit_law(y, {name: one[rows] for name, one in known.items()}, near=whole,
                             weights=weigh_seeds(cells.iloc[rows]), **terms))  # fmt: skip
    return found


def weigh_seeds(cells: pd.DataFrame) -> np.ndarray:
    """Weights for cells, with which all seeds of a size and budget weigh one: a size is not surer of its place in a law
    for having been trained thrice, and the draws of a bootstrap have one seed fewer."""
    alike = [name for name in ("size", "budget", "k") if name in cells]
    return 1 / cells.groupby(alike)["seed"].transform("size").to_numpy(float)


def bound(numbers: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """The percentile interval of bootstrapped numbers."""
    low, high = np.quantile(np.asarray(numbers, float), [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def foretell(
    law: Law, at: Mapping[str, Any], draws: Sequence[Law], errors: Sequence[float] = ()
) -> tuple[float, float, float]:
    """What a law says of a training that it has not seen, and the 95 % interval to hold it against.

    The interval is of the bootstrap draws, each with each of the relative `errors` of the cells that the law was fitted
    to: a single training has luck that a law has not. Missing without draws.
    """
    predicted = float(law.predict(at))
    if not draws:
        return predicted, float("nan"), float("nan")
    luck = 1 / (1 + np.asarray(errors, float)) if len(errors) else np.ones(1)
    return predicted, *bound(np.outer([float(one.predict(at)) for one in draws], luck).ravel())


def tabulate_law(law: Law, draws: Sequence[Law]) -> pd.DataFrame:
    """The numbers of a law with their intervals: rows of `name`, `value`, `low`, `high` (missing without draws)."""
    rows = []
    for kind, sign in (("exponents", "exponent"), ("coefficients", "coefficient")):
        for name, value in getattr(law, kind).items():
            low, high = bound([getattr(one, kind)[name] for one in draws]) if draws else (np.nan, np.nan)
            rows.append({"name": f"{sign} of {name}", "value": value, "low": low, "high": high})
    for kind, name in (("product", f"coefficient of {' and '.join(law.exponents)}"), ("floor", "constant")):
        if getattr(law, kind) or any(getattr(one, kind) for one in draws):
            low, high = bound([getattr(one, kind) for one in draws]) if draws else (np.nan, np.nan)
            rows.append({"name": name, "value": getattr(law, kind), "low": low, "high": high})
    return pd.DataFrame(rows)
