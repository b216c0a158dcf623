"""`game24lab sweep`: a notebook by a grid of parameters, on the cores of this machine or on a cluster.

It does not know how cells are run, nor what a notebook computes; what cells of some notebooks will cost it asks those
who know.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from game24lab.runs.checks import require, require_one_of

CLUSTERS = ("slurm", "lsf", "kubernetes")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What can be typed behind `game24lab sweep`."""
    command.add_argument("file", type=Path, metavar="FILE", help="YAML: notebook, parameters, grid, cells, cluster")
    command.add_argument("--workers", type=int, default=2, metavar="N", help="workers of one thread each (default: 2), "
                         "of this machine or jobs of the cluster")  # fmt: skip
    command.add_argument("--scheduler", default="", metavar="URL", help="a Dask scheduler that runs, such as "
                         "tcp://host:8786, with the workers it has")  # fmt: skip
    command.add_argument("--cluster", default="", metavar="NAME", help="start workers as jobs of slurm, lsf or "
                         "kubernetes; `cluster` in FILE holds its options")  # fmt: skip
    command.add_argument("--output", type=Path, metavar="DIR", help="folder of all cells, which all workers must see "
                         "(default: runs/sweeps/NAME of FILE)")  # fmt: skip
    command.add_argument("--resume", action="store_true", help="go on in a folder that holds cells already")
    command.add_argument("--dry-run", action="store_true", help="say what would be done: cells, FLOPs, hours")


def sweep(options: argparse.Namespace) -> int:
    """Run a sweep; exit status 1 where a cell has failed."""
    from game24lab.runs.sweep import collect_cells, describe_plan, examine_cells, measure_seconds, read_sweep, tell_end

    require("--workers", options.workers, int, 1)
    if options.cluster:
        require_one_of("--cluster", options.cluster, CLUSTERS)
    if options.cluster and options.scheduler:
        raise ValueError("--scheduler and --cluster exclude one another: give one")
    asked = read_sweep(options.file)
    folder = options.output or Path("runs/sweeps") / options.file.stem
    states = examine_cells(asked, folder, resume=options.resume or options.dry_run)
    work = _estimate(asked)
    for line in describe_plan(asked, states, measure_seconds(folder, states), options.workers, work):
        print(line, file=sys.stderr)
    left = [name for name, state in states.items() if state != "finished"]
    if options.dry_run:
        return 0
    done: list[str] = []
    failed: dict[str, str] = {}
    if left:
        from tqdm import tqdm

        from game24lab.runs.cluster import open_client
        from game24lab.runs.sweep_workers import run_cells

        folder.mkdir(parents=True, exist_ok=True)
        with open_client(workers=options.workers, scheduler=options.scheduler, cluster=options.cluster,
                         options=asked.cluster) as client:  # fmt: skip
            done, failed = run_cells(client, asked, left, folder, progress=tqdm,
                                     told=lambda line: tqdm.write(f"game24lab: {line}", file=sys.stderr))  # fmt: skip
    table = collect_cells(asked, folder, failed)
    print("\n".join(tell_end(states, failed, done)))
    if len(table):
        print(f"{len(table):,} rows of {table['run_cell'].nunique()} cells: {folder / 'cells.parquet'}")
    return 1 if failed else 0


def _estimate(asked: Any) -> dict[str, float] | None:
    """FLOPs of each cell by name, for notebooks whose cost is known beforehand; None for others."""
    known: Mapping[str, Callable[[Any], dict[str, float]]] = {"11_scaling": _estimate_scaling}
    return known[asked.notebook.stem](asked) if asked.notebook.stem in known else None


def _estimate_scaling(asked: Any) -> dict[str, float]:
    from game24lab.runs.notebook import read_parameters
    from game24lab.scaling.ladder import estimate_training

    defaults = {name: one.default for name, one in read_parameters(asked.notebook).items()}
    return estimate_training({cell.name: {**defaults, **cell.parameters} for cell in asked.cells})
