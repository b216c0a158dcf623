"""The command `leaderboard`: a checkpoint measured for the table to beat, into a run that survives a kill.

It does not know what counts as a leak, nor how the table looks.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from game24lab.models.locations import check_location, find_pretrained
from game24lab.models.origin import find_origin
from game24lab.runs.checks import require, require_one_of
from game24lab.runs.provenance import hash_checkpoint
from game24lab.runs.run import Run, start_run
from game24lab.search.modes import MODES


def leaderboard(options: argparse.Namespace) -> int:
    """Measure a checkpoint on the published held-out puzzles; refused where it may have been trained on them."""
    for place in filter(None, (options.checkpoint, options.critic)):
        check_location(place)
    from game24lab.evaluation.leaderboard import ARMS, SETS, Candidate, check_leaks, measure
    from game24lab.runs.notebook import read_overrides

    sets = options.ranks or list(SETS)
    for name, known, given in (("--ranks", tuple(SETS), sets), ("--mode", MODES, options.mode)):
        for one in given:
            require_one_of(name, one, known)
    require("--seeds", options.seeds, int, 1)
    if options.problems is not None:
        require("--problems", options.problems, int, 1)
        if options.keep is not None:
            raise ValueError("--keep needs whole sets: leave --problems out")
    arms: Any = ARMS if options.file is None else read_overrides(options.file).get("arms")
    if not arms:
        raise ValueError(f"--file must hold `arms:`, as params/search/modes.yaml does, got {options.file}")
    folders = {"policy": options.checkpoint or find_pretrained("policy"),
               "critic": options.critic or find_pretrained("critic")}  # fmt: skip
    origins = {part: find_origin(folder) for part, folder in folders.items()}
    check_leaks(origins, sets)
    hashes = {part: hash_checkpoint(folder) for part, folder in folders.items()}
    parameters = {**hashes, "ranks": sets, "modes": options.mode, "arms": arms, "seeds": options.seeds,
                  "problems": options.problems}  # fmt: skip
    name = options.name or (f"{Path(options.checkpoint).name} {hashes['policy']}" if options.checkpoint else "shipped")
    run = start_run(options.output or f"runs/leaderboard/{name.replace('/', '_').replace(' ', '_')}", "leaderboard",
                    parameters, seed=0)  # fmt: skip
    from game24lab.cli.solve import load_models

    with run:
        candidate = Candidate(name, *load_models(*map(str, folders.values())), origins)
        rows = measure(candidate, sets, arms=arms, modes=options.mode, seeds=range(options.seeds),
                       problems=options.problems, run_id=run.id,
                       find_path=lambda ranks: run.path(f"records_{ranks}.parquet"))  # fmt: skip
        if run.before != "finished":
            run.finish(sampled_tokens=sum(row["sampled_tokens"] * row["problems"] * row["seeds"] for row in rows),
                       checkpoints=hashes)  # fmt: skip
    _print(rows)
    if options.keep is not None:
        _keep(options.keep, rows, run, hashes)
        print(f"kept in {options.keep}; `make results` writes docs/leaderboard.md from it", file=sys.stderr)
    return 0


def _print(rows: list[dict[str, Any]]) -> None:
    """The rows as a table for the terminal."""
    from game24lab.cli.columns import lay_out
    from game24lab.report.leaderboard import show_flops
    from game24lab.report.result_cells import show_accuracy

    head = ["ranks", "mode", "arm", "n", "solved", "tokens", "FLOPs", "parameters"]
    lines = [[row["ranks"], row["mode"], row["arm"], str(row["problems"]), show_accuracy(row),
              f"{row['sampled_tokens']:,.0f}", show_flops(row["flops"]), f"{row['parameters']:,}"]
             for row in rows]  # fmt: skip
    print(lay_out([head, *lines], left=3))


def _keep(path: Path, rows: list[dict[str, Any]], run: Run, hashes: dict[str, str]) -> None:
    from game24lab.report.leaderboard import keep
    from game24lab.runs.run import read_run

    manifest = read_run(run.folder).manifest
    told = {key: manifest[key] for key in ("name", "id", "status", "start", "end", "device", "git", "parameters")}
    keep(path, [{**row, "run": run.id, **hashes} for row in rows], told)
