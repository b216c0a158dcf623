"""A study as a whole: its cells, what was measured of them and its plane, kept in a run folder or gathered from many.

What the tables say is fitted here: the law of the excess loss with its held-out corner, and the law of -log pass@k.
This module does not know how cells are trained, nor how results are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from game24lab.evaluation.exact import pass_at
from game24lab.evaluation.statistics import bootstrap
from game24lab.runs.run import Run, find_runs
from game24lab.scaling.laws import (
    Law,
    bootstrap_law,
    check_seeds,
    count_unknowns,
    fit_law,
    foretell,
    list_residuals,
    split_corner,
    weigh_seeds,
)
from game24lab.scaling.plane import Plane

TABLES = ("cells", "exact", "points", "chances", "flops")
VARIABLES = {"N": "parameters", "D": "tokens"}
_TINY = 1e-300  # of chances: -log of 0 is no number
_SATURATED, _LEAST = 1e-3, 1e-9  # of -log pass@k: in the mean of a point that a law is fitted to, and of a problem


@dataclass(frozen=True, eq=False)
class Study:
    """cells: `ladder.CELLS`; exact: a row a cell and problem, see `measure.measure_cells`; plane: all points."""

    cells: pd.DataFrame
    exact: pd.DataFrame
    plane: Plane

    @property
    def over_seeds(self) -> bool:
        """Whether some size has two seeds, so that intervals are over seeds too."""
        try:
            check_seeds(self.done)
        except ValueError:
            return False
        return True

    @property
    def done(self) -> pd.DataFrame:
        """The cells that have a checkpoint, in the order of the exact table."""
        done = self.cells[self.cells["failed"] == ""].set_index("cell")
        return done.loc[self.exact["cell"].unique()].reset_index()

    def spread(self, column: str) -> np.ndarray:
        """A column of the exact table as (cells, problems), in the order of `done`."""
        table = self.exact.pivot(index="cell", columns="problem", values=column)
        return table.loc[self.done["cell"], self.exact["problem"].unique()].to_numpy(float)

    def tabulate(self) -> pd.DataFrame:
        """The cells with their mean exact chance `p` (`low`, `high`: bootstrap over problems), `pass_16`, `pass_1024`,
        the tokens of training a parameter and, where it is known, excess loss and floor."""
        columns = [name for name in ("excess", "floor") if name in self.exact]
        table = self.done.assign(**{name: self.spread(name).mean(1) for name in columns})
        chances = self.spread("p")
        ends = [bootstrap(one) for one in chances]
        return table.assign(p=chances.mean(1), low=[low for low, _ in ends], high=[high for _, high in ends],
                            pass_16=[pass_at(one, 16).mean() for one in chances],
                            pass_1024=[pass_at(one, 1024).mean() for one in chances], problems=chances.shape[1],
                            ratio=table["tokens"] / table["parameters"])  # fmt: skip

    def average(self) -> pd.DataFrame:
        """The points of the plane with their seeds averaged, and the `accuracy` of each (`low`, `high`: bootstrap over
        its `problems`)."""
        plane = self.plane.average_seeds()
        ends = [bootstrap(one) for one in plane.chances]
        return plane.tabulate().assign(low=[low for low, _ in ends], high=[high for _, high in ends],
                                       problems=plane.chances.shape[1])  # fmt: skip

    def save(self, run: Run) -> None:
        """Write the tables into a run's folder, and what averages their seeds."""
        names = self.exact["problem"].unique()
        spread = (pd.DataFrame(one, columns=[str(name) for name in names])
                  for one in (self.plane.chances, self.plane.flops))  # fmt: skip
        tables = self.cells, self.exact, self.plane.tabulate(), *spread
        for name, table in zip(TABLES, tables, strict=True):
            run.write_records(table, name)
        run.write_records(self.average(), "averaged")


def gather(folders: Sequence[str | Path]) -> Study:
    """All studies that runs at or below some folders hold, as one. Unfinished runs have no tables, and are missing.

    ValueError where there is none, where one cell stands in two, and where they were measured on other problems.
    """
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for folder in folders:
        for run in find_runs(folder):
            if all((run.folder / f"{name}.parquet").exists() for name in TABLES):
                for name in TABLES:
                    parts[name].append(run.read_records(name))
    if not parts["cells"]:
        raise ValueError(f"{', '.join(map(str, folders))}: no run of 11_scaling with cells lies here")
    asked = [list(table.columns) for table in parts["chances"]]
    if other := next((names for names in asked if names != asked[0]), None):
        raise ValueError(f"studies must be measured on the same problems to be one, got {len(asked[0])} and "
                         f"{len(other)}, not all alike")  # fmt: skip
    whole = {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}
    twice = whole["cells"]["cell"].duplicated()
    if twice.any():
        raise ValueError(f"cell {whole['cells']['cell'][twice].iloc[0]} stands in two runs, which would count it twice")
    return Study(whole["cells"], whole["exact"],
                 Plane(whole["points"], whole["chances"].to_numpy(float), whole["flops"].to_numpy(float)))


@dataclass(frozen=True, eq=False)
class Fit:
    """A law of what was measured, with its bootstrap draws, its residuals, and how it predicts the held-out corner."""

    what: str
    law: Law
    draws: list[Law]
    residuals: pd.DataFrame
    corner: pd.DataFrame  # the residuals of the law fitted without it; empty where there are too few cells for that
    why: str = ""  # there is no corner, "" where there is one
    same: list[Law] = field(default_factory=list)  # draws of seeds alone: what the law says of these very problems

    def tabulate(self, cells: pd.DataFrame) -> pd.DataFrame:
        """Cells with what was `measured` and `predicted`, whether in the `corner`, and what was `foretold` there."""
        foretold = dict(zip(self.corner.get("cell", ()), self.corner.get("predicted", ()), strict=True))
        return cells.assign(measured=self.residuals["measured"], predicted=self.residuals["predicted"],
                            corner=cells["cell"].isin(list(foretold)),
                            foretold=cells["cell"].map(foretold).astype(float))  # fmt: skip

    @property
    def missed(self) -> float:
        """The mean relative error in the corner; missing without one."""
        return float(self.corner["error"].abs().mean()) if len(self.corner) else float("nan")


def fit_laws(study: Study, *, repeats: int = 200, seed: int = 0, progress: Callable = iter) -> dict[str, Fit]:
    """All laws of a study by name: `loss` (of the excess, or where its floor is not known of the chance), `chance` and
    `samples`, and `pure`: the excess without a constant. `progress` wraps their names, such as `tqdm`. ValueError for
    too few cells."""
    fits = {"chance": fit_chance, "samples": fit_samples}
    if "excess" in study.exact:
        fits = {"loss": fit_excess, "pure": partial(fit_excess, constant=False)} | fits
    found = {name: fits[name](study, repeats=repeats, seed=seed) for name in progress(list(fits))}
    return {"loss": found["chance"]} | found


def fit_excess(study: Study, *, constant: bool = True, repeats: int = 200, seed: int = 0) -> Fit:
    """L - E = A / N^a + B / D^b + K, L the exact loss on all solutions of the held-out puzzles, E its known floor.

    K is what the form leaves at any size and budget: held-out puzzles are harder than texts, and training puzzles come
    back. Without `constant` it is taken to be 0. ValueError for too few cells, and for a task whose texts' distribution
    is not known.
    """
    if "excess" not in study.exact:
        raise ValueError("the floor of the loss is known for texts of the Game of 24 alone; use `fit_chance`")
    what = f"L - E (nats a solution){'' if constant else ', no constant'}"
    return _fit(study, what, study.spread("excess"), repeats, seed, constant)


def fit_chance(study: Study, k: int = 1, *, repeats: int = 200, seed: int = 0) -> Fit:
    """The mean of -log pass@k over problems as a law of N and D with a constant, from exact chances."""
    return _fit(study, f"-log pass@{k}", _lose(study.spread("p"), k), repeats, seed, True)


def _lose(chances: np.ndarray, k: int) -> np.ndarray:
    """-log pass@k of each chance."""
    return -np.log(np.maximum(pass_at(chances.ravel(), k), _TINY)).reshape(chances.shape)


def fit_samples(
    study: Study, ks: Sequence[int] = (1, 4, 16, 64, 256, 1024), *, repeats: int = 200, seed: int = 0
) -> Fit:
    """-log pass@k = A / N^a + B / D^b + G / k^c: the form of the T2 laws (arXiv 2604.01411), its floor 0, from exact
    chances. No corner is held out.

    Where all problems are as good as solved there is nothing left to fit: cells and k of a mean below `_SATURATED` are
    left out, and `why` says how many.
    """
    chances, cells = study.spread("p"), study.done
    values = np.concatenate([_lose(chances, k) for k in ks])
    rows = pd.concat([cells.assign(k=float(k)) for k in ks], ignore_index=True)
    kept = values.mean(1) >= _SATURATED
    why = f"no corner is held out; {(~kept).sum()} of {len(kept)} points are saturated and left out"
    values, rows = np.maximum(values[kept], _LEAST), rows[kept].reset_index(drop=True)
    variables = {**VARIABLES, "k": "k"}
    known = {name: rows[column].to_numpy(float) for name, column in variables.items()}
    law, what = fit_law(values.mean(1), known, weights=weigh_seeds(rows)), "-log pass@k"
    draws = bootstrap_law(values, rows, variables, repeats=repeats, seed=seed, over_seeds=study.over_seeds)
    residuals = list_residuals(law, values.mean(1), known)
    residuals.insert(0, "cell", rows["cell"].to_numpy())
    return Fit(what, law, draws, residuals, pd.DataFrame(columns=["error"]), why)


def hold_against(fit: Fit, grid: Study, tried: Study) -> pd.DataFrame:
    """The law of a grid's excess loss held against trainings that it has not seen.

    A row a cell of `tried`: `cell`, `size`, `seed`, `parameters`, `tokens`, `measured`, `predicted`, `low` and `high`
    (`laws.foretell`), `error` (relative), `within` the interval or not. ValueError where these were measured on other
    problems, and for a cell that the law was fitted to.
    """
    if "excess" not in tried.exact:
        raise ValueError("trainings must be of a task whose loss has a known floor to be held against its law")
    if list(grid.exact["problem"].unique()) != list(tried.exact["problem"].unique()):
        raise ValueError("trainings must be measured on the problems of the grid to be held against its law, "
                         "got others")  # fmt: skip
    if both := sorted(set(grid.done["cell"]) & set(tried.done["cell"])):
        raise ValueError(f"cell {both[0]} is one of the grid: the law has seen it")
    rows = []
    for cell, measured in zip(tried.done.to_dict("records"), tried.spread("excess").mean(1), strict=True):
        at = {name: cell[column] for name, column in VARIABLES.items()}
        predicted, low, high = foretell(fit.law, at, fit.same, fit.residuals["error"].to_numpy())
        known = {name: cell[name] for name in ("cell", "size", "seed", "parameters", "tokens")}
        rows.append(known | {"measured": float(measured), "predicted": predicted, "low": low, "high": high,
                             "error": predicted / measured - 1, "within": bool(low <= measured <= high)})  # fmt: skip
    return pd.DataFrame(rows)


def _fit(study: Study, what: str, values: np.ndarray, repeats: int, seed: int, floor: bool) -> Fit:
    cells = study.done
    y, known = values.mean(1), {name: cells[column].to_numpy(float) for name, column in VARIABLES.items()}
    weights = weigh_seeds(cells)
    law, draw = fit_law(y, known, weights=weights, floor=floor), {"repeats": repeats, "seed": seed, "floor": floor}
    draws = bootstrap_law(values, cells, VARIABLES, over_seeds=study.over_seeds, **draw)
    same = bootstrap_law(values, cells, VARIABLES, over_problems=False, **draw) if study.over_seeds else [law]
    corner, why = pd.DataFrame(columns=["error"]), ""
    try:
        away = split_corner(cells.assign(tokens=cells["budget"]), *_size_corner(cells))
        if (~away).sum() <= count_unknowns(list(VARIABLES), floor):
            raise ValueError(f"{(~away).sum()} cells are left to fit on")
        without = fit_law(y[~away], {name: one[~away] for name, one in known.items()}, weights=weights[~away],
                          floor=floor)  # fmt: skip
        corner = list_residuals(without, y[away], {name: one[away] for name, one in known.items()})
        corner.insert(0, "cell", cells["cell"].to_numpy()[away])
    except ValueError as error:
        why = str(error)
    residuals = list_residuals(law, y, known)
    residuals.insert(0, "cell", cells["cell"].to_numpy())
    return Fit(what, law, draws, residuals, corner, why, same)


def _size_corner(cells: pd.DataFrame) -> tuple[int, int]:
    """Two sizes of five or more by two budgets of four or more, else one by one."""
    return 1 + (cells["size"].nunique() >= 5), 1 + (cells["budget"].nunique() >= 4)
