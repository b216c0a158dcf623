"""A study as a whole: its cells, what was measured of them and its plane, kept in a run folder or gathered from many.

It does not know how cells are trained, what laws are fitted to them, nor how results are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from game24lab.evaluation.exact import pass_at
from game24lab.evaluation.statistics import bootstrap
from game24lab.runs.run import Run, find_runs
from game24lab.scaling.laws import check_seeds
from game24lab.scaling.plane import Plane

TABLES = ("cells", "exact", "points", "chances", "flops")


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
        """The cells with their mean exact chance `p` (`low`, `high`: bootstrap over problems), its mean `minus_log_p`
        in nats, `pass_16`, `pass_1024`, the tokens of training a parameter and, where it is known, excess loss and
        floor."""
        columns = [name for name in ("excess", "floor") if name in self.exact]
        table = self.done.assign(**{name: self.spread(name).mean(1) for name in columns})
        chances = self.spread("p")
        ends = [bootstrap(one) for one in chances]
        return table.assign(p=chances.mean(1), low=[low for low, _ in ends], high=[high for _, high in ends],
                            minus_log_p=-np.log(np.maximum(chances, np.finfo(float).tiny)).mean(1),
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
    """All studies that runs at or below some folders hold, as one, the smallest first. Unfinished runs have no tables,
    and are missing.

    ValueError where there is none, where one cell stands in two, and where they were measured on other problems.
    """
    runs = [run for folder in folders for run in find_runs(folder)
            if all((run.folder / f"{name}.parquet").exists() for name in TABLES)]  # fmt: skip
    found = [{name: run.read_records(name) for name in TABLES} for run in runs]
    found.sort(key=lambda tables: tables["cells"]["parameters"].min())  # the order of legends, not that of names
    parts = {name: [tables[name] for tables in found] for name in TABLES}
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
