"""The laws of a study: of the excess loss, in three forms and with a held-out corner, and of -log pass@k.

It does not know how cells are trained, how a law is found, nor how results are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from game24lab.evaluation.exact import pass_at
from game24lab.runs.checks import require_one_of
from game24lab.scaling.laws import (
    Law,
    bootstrap_law,
    count_unknowns,
    fit_law,
    foretell,
    list_residuals,
    split_corner,
    weigh_seeds,
)
from game24lab.scaling.study import Study

VARIABLES = {"N": "parameters", "D": "tokens"}
FORMS = {"product": {"floor": True, "product": True}, "sum": {"floor": True}, "pure": {}}  # of the law of the loss
_TINY = 1e-300  # of chances: -log of 0 is no number
_SATURATED, _LEAST = 1e-3, 1e-9  # of -log pass@k: in the mean of a point that a law is fitted to, and of a problem


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
    outside: float = float("nan")  # error, on what it was fitted to, of the law without the corner, if there is one

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
    """All laws of a study by name: `loss` (of the excess, or where its floor is not known of the chance), `sum` and
    `pure` (other forms of it, see `FORMS`), `chance` and `samples`. `progress` wraps their names, such as `tqdm`.
    ValueError for too few cells."""
    lose = fit_excess if "excess" in study.exact else fit_chance
    fits = {"loss": lose, "sum": partial(lose, form="sum"), "pure": partial(lose, form="pure"), "chance": fit_chance,
            "samples": fit_samples}  # fmt: skip
    if lose is fit_chance:
        del fits["chance"]  # thousands of fits that the loss has made
    found = {name: fits[name](study, repeats=repeats, seed=seed) for name in progress(list(fits))}
    return {"chance": found["loss"]} | found if lose is fit_chance else found


def fit_excess(study: Study, *, form: str = "product", repeats: int = 200, seed: int = 0) -> Fit:
    """L - E = A / N^a + B / D^b + C / (N^a D^b) + K, L the exact loss on all solutions of the held-out puzzles, E its
    known floor.

    C is for larger models that need fewer tokens; a sum says that what size is worth is the same after any tokens. K is
    what the form leaves at any size and budget: held-out puzzles are harder than texts, and training puzzles come back.
    `form` is one of `FORMS`: `sum` takes C to be 0, `pure` C and K. ValueError for another one, for too few cells, and
    for a task whose texts' distribution is not known.
    """
    if "excess" not in study.exact:
        raise ValueError("the floor of the loss is known for texts of the Game of 24 alone; use `fit_chance`")
    return _fit(study, "L - E (nats a solution)", study.spread("excess"), repeats, seed, form)


def fit_chance(study: Study, k: int = 1, *, form: str = "product", repeats: int = 200, seed: int = 0) -> Fit:
    """The mean of -log pass@k over problems as a law of N and D of that form, from exact chances."""
    return _fit(study, f"-log pass@{k}", _lose(study.spread("p"), k), repeats, seed, form)


def tabulate_forms(fits: Mapping[str, Fit]) -> pd.DataFrame:
    """The forms of the law of the loss: `form`, its `unknowns`, `error` (root mean square, relative) on the cells that
    it was fitted to, and `missed` in the corner, which neither has seen (missing without one)."""
    names = {"loss": "product", "sum": "sum", "pure": "pure"}
    return pd.DataFrame([{"form": names[name], "unknowns": count_unknowns(list(VARIABLES), **FORMS[names[name]]),
                          "error": fits[name].outside, "missed": fits[name].missed} for name in names])  # fmt: skip


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
    _check_trainings(rows, 2)
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


def _fit(study: Study, what: str, values: np.ndarray, repeats: int, seed: int, form: str) -> Fit:
    require_one_of("form", form, tuple(FORMS))
    cells, terms = study.done, FORMS[form]
    _check_trainings(cells, count_unknowns(list(VARIABLES), **terms))
    y, known = values.mean(1), {name: cells[column].to_numpy(float) for name, column in VARIABLES.items()}
    weights = weigh_seeds(cells)
    law, draw = fit_law(y, known, weights=weights, **terms), {"repeats": repeats, "seed": seed, **terms}
    draws = bootstrap_law(values, cells, VARIABLES, over_seeds=study.over_seeds, **draw)
    same = bootstrap_law(values, cells, VARIABLES, over_problems=False, **draw) if study.over_seeds else [law]
    corner, why, outside = pd.DataFrame(columns=["error"]), "", law.error
    try:
        away = split_corner(cells.assign(tokens=cells["budget"]), *_size_corner(cells))
        _check_trainings(cells[~away], count_unknowns(list(VARIABLES), **terms) + 1)
        without = fit_law(y[~away], {name: one[~away] for name, one in known.items()}, weights=weights[~away], **terms)
        corner = list_residuals(without, y[away], {name: one[away] for name, one in known.items()})
        corner.insert(0, "cell", cells["cell"].to_numpy()[away])
        outside = without.error
    except ValueError as error:
        why = str(error)
    residuals = list_residuals(law, y, known)
    residuals.insert(0, "cell", cells["cell"].to_numpy())
    return Fit(what, law, draws, residuals, corner, why, same, outside)


def _check_trainings(cells: pd.DataFrame, needed: int) -> None:
    """ValueError for fewer trainings of other sizes or budgets than needed: a seed more is no other point of a law,
    though its texts differ in some tokens."""
    count = len(cells.drop_duplicates(["size", "budget"]))
    if count < needed:
        raise ValueError(f"a law of N and D needs {needed} trainings of different sizes or budgets, got {count}")
    for name in ("size", "budget"):
        if cells[name].nunique() < 2:
            raise ValueError(f"a law of N and D needs two {name}s at least, got {cells[name].iloc[0]} alone")


def _size_corner(cells: pd.DataFrame) -> tuple[int, int]:
    """Two sizes of five or more, by two budgets of four or more; else one of each."""
    return 1 + (cells["size"].nunique() >= 5), 1 + (cells["budget"].nunique() >= 4)
