"""A sweep: any notebook by any grid of parameters, each cell a run folder; what is to be done, and what came of it.

    notebook: 11_scaling                  # a name, or the path of an .ipynb file
    parameters: {held_out: 462}           # of all cells
    grid: {sizes: [[3x48], [3x64]], seed: [0, 1, 2]}     # every combination
    cells: [{sizes: [8x224], seed: 0}]    # and these besides
    cluster: {memory: 4GB, walltime: "12:00:00"}         # for --cluster, see `runs.cluster`

A cell's folder is called after what differs. This module does not know who does the work (`runs.sweep_workers`), nor
what a notebook computes.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from game24lab.runs.checks import suggest
from game24lab.runs.notebook import check_overrides, find_notebook, read_overrides, read_parameters
from game24lab.runs.run import PATH_PARAMETER, collect, examine, read_run, write_atomically

if TYPE_CHECKING:
    import pandas as pd

TABLE = "cells.parquet"  # the rows of all finished cells, in the folder of the sweep
FAILED = "failed.json"  # why cells have failed, by name
KEYS = ("notebook", "parameters", "grid", "cells", "cluster")
_LONGEST = 60  # characters of a cell's name


@dataclass(frozen=True)
class Cell:
    """One run of the notebook."""

    name: str
    parameters: Mapping[str, Any]  # of the notebook, as it gets them


@dataclass(frozen=True)
class Sweep:
    """What a file asks for, checked against the notebook."""

    notebook: Path
    cells: tuple[Cell, ...]
    cluster: Mapping[str, Any] = field(default_factory=dict)


def read_sweep(path: str | Path) -> Sweep:
    """The sweep of a file. ValueError in one line for a key, a parameter or a value that there cannot be, for an empty
    grid, and for two cells that are one run; OSError where there is no file."""
    path = Path(path)
    given = read_overrides(path)
    try:
        return make_sweep(given)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def make_sweep(given: Mapping[str, Any]) -> Sweep:
    """The same of a mapping."""
    if wrong := next((key for key in given if key not in KEYS), None):
        raise ValueError(f"{wrong!r} is no key of a sweep; it has {', '.join(KEYS)}{suggest(wrong, KEYS)}")
    if not isinstance(given.get("notebook"), str):
        raise ValueError(f"notebook must be the name of one, got {given.get('notebook')!r}")
    for key, kind in (("parameters", dict), ("grid", dict), ("cells", list), ("cluster", dict)):
        if not isinstance(given.get(key, kind()), kind):
            raise ValueError(f"{key} must be a {'list' if kind is list else 'mapping'}, got {given[key]!r}")
    notebook = find_notebook(given["notebook"])
    base, grid = given.get("parameters", {}), given.get("grid", {})
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"grid: {name} must be a list of at least one value, got {values!r}")
    chosen = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())] if grid else []
    for extra in given.get("cells", []):
        if not isinstance(extra, dict) or not extra:
            raise ValueError(f"cells must be a list of mappings from parameters to values, got {extra!r} in it")
        chosen.append(extra)
    if not chosen:
        raise ValueError("grid or cells must have one cell at least, got none")
    if clash := next((name for one in chosen for name in one if name in base), None):
        raise ValueError(f"{clash} stands in parameters and in the grid: keep one")
    if any(PATH_PARAMETER in part for part in (base, *chosen)):
        raise ValueError(f"{PATH_PARAMETER} must be left out: each cell has its own folder")
    known: dict[str, Cell] = {}
    defaults = {name: one.default for name, one in read_parameters(notebook).items()}
    for one in chosen:
        checked = check_overrides(notebook, {**base, **one})
        name = name_cell(one)
        whole = {**defaults, **checked}
        twin = next((cell.name for cell in known.values() if {**defaults, **cell.parameters} == whole), None)
        if twin is not None or name in known:
            raise ValueError(f"cells {twin or name} and {name} collide: they are one run, or have one name")
        known[name] = Cell(name, checked)
    return Sweep(notebook, tuple(known.values()), given.get("cluster", {}))


def name_cell(parameters: Mapping[str, Any]) -> str:
    """A folder's name of what differs: `sizes=3x48,seed=0`."""
    def write(value: Any) -> str:
        if isinstance(value, list):
            return "+".join(map(write, value))
        if isinstance(value, dict):
            return "+".join(f"{key}.{write(part)}" for key, part in value.items())
        return f"{value:g}" if isinstance(value, float) else str(value)

    text = ",".join(f"{name}={write(value)}" for name, value in parameters.items())
    text = re.sub(r"[^\w.,=+-]+", "_", text)
    if len(text) <= _LONGEST:
        return text
    import hashlib

    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:8]
    return f"{text[: _LONGEST - 9]}~{digest}"


# ------------------------------------------------------------------------------------------------------- what is there
def examine_cells(sweep: Sweep, folder: Path, *, resume: bool) -> dict[str, str]:
    """What lies in each cell's folder: "new", "resumed" or "finished", by name.

    ValueError where there is something and `resume` is false, and where a folder holds another run.
    """
    found = {}
    for cell in sweep.cells:
        defaults = {name: one.default for name, one in read_parameters(sweep.notebook).items()}
        found[cell.name], _ = examine(folder / cell.name, sweep.notebook.stem, {**defaults, **cell.parameters})
    there = sum(state != "new" for state in found.values())
    if there and not resume:
        raise ValueError(f"{folder} holds {there} of the {len(found)} cells already: add --resume to go on with them, "
                         "or name another folder with --output")  # fmt: skip
    return found


def measure_seconds(folder: Path, names: Iterable[str]) -> dict[str, float]:
    """Seconds that finished cells took, all sessions together, by name."""
    found = {}
    for name in names:
        if not (folder / name / "manifest.json").exists():
            continue
        run = read_run(folder / name)
        if run.status == "finished":
            sessions = run.manifest["sessions"]
            pairs = [(one["start"], one["end"]) for one in sessions if one.get("start") and one.get("end")]
            found[name] = sum((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
                              for start, end in pairs)  # fmt: skip
    return found


def collect_cells(sweep: Sweep, folder: Path, failed: Mapping[str, str]) -> pd.DataFrame:
    """The records of all finished cells as one table, which is written beside them with why others failed.

    What failed is missing in it, never 0. Columns as of `runs.run.collect`, and `run_cell`.
    """
    names = {str(folder / cell.name): cell.name for cell in sweep.cells}
    table = collect(folder)
    if len(table):
        table.insert(0, "run_cell", table["run_folder"].map(names))
        table = table[table["run_cell"].notna()].reset_index(drop=True)
        write_atomically(folder / TABLE, lambda draft: table.to_parquet(draft, index=False))
    text = json.dumps(dict(failed), indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / FAILED, lambda draft: draft.write_text(text, encoding="utf-8"))
    return table


def describe_plan(
    sweep: Sweep, states: Mapping[str, str], seconds: Mapping[str, float], workers: int,
    work: Mapping[str, float] | None = None, unit: str = "FLOPs",
) -> list[str]:  # fmt: skip
    """A dry run in lines: how many cells, what is left of them, their work and hours.

    seconds: of finished cells. work: estimated work of each cell, such as FLOPs, where somebody knows it; hours then
    follow from the pace of the finished cells by work, else by count; without a finished cell they are not known.
    """
    left = [name for name, state in states.items() if state != "finished"]
    lines = [f"{sweep.notebook.stem}: {len(states)} cells, {len(states) - len(left)} finished, {len(left)} to do"]
    lines += [f"  {name}: {states[name]}" + (f", {work[name]:.3g} {unit}" if work and name in work else "")
              for name in states]  # fmt: skip
    if work:
        lines.append(f"{sum(work[name] for name in left):.3g} {unit} left of {sum(work.values()):.3g}")
    weights = {name: work[name] if work else 1.0 for name in states}
    known = [name for name in seconds if name in weights]
    if not left:
        lines.append("nothing is left to do")
    elif known:
        pace = sum(seconds[name] for name in known) / sum(weights[name] for name in known)
        hours = pace * sum(weights[name] for name in left) / 3600
        lines.append(f"about {hours:.1f} hours of one worker, {hours / max(1, workers):.1f} of {workers}, at the pace "
                     f"of {len(known)} finished cells")  # fmt: skip
    else:
        lines.append("hours are not known before a cell has finished")
    return lines


def tell_end(states: Mapping[str, str], failed: Mapping[str, str], done: Sequence[str]) -> list[str]:
    """What a sweep came to, in lines; each failed cell is named with its reason."""
    before = sum(state == "finished" for state in states.values())
    lines = [f"{len(done)} cells finished, {before} were there, {len(failed)} failed"]
    return [*lines, *(f"  {name} failed: {reason}" for name, reason in failed.items())]
