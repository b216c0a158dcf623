"""Keeps what finished runs have measured: manifests and tables in small folders that can be handed on, without models.

    python -m game24lab.runs.keep runs/sweeps/12_expert_iteration reports/runs/12_expert_iteration

A kept run is read as any other is, by reports and by notebooks that gather. This module does not know what tables say.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import pandas as pd

from game24lab.runs.provenance import hide_paths
from game24lab.runs.run import MANIFEST, find_runs, write_atomically

MOST = 4_000_000  # bytes of a table: more is no number to hand on but data


def keep_runs(source: Path | str, target: Path | str) -> list[Path]:
    """Copies of all finished runs at or below `source`, at the same places below `target`; their folders.

    Tables are the Parquet files that lie in a run's folder itself. Of absolute paths in them and in a manifest the last
    two parts remain. A copy that is there already is replaced. ValueError where no run has finished, and for a table of
    more than `MOST` bytes, before anything is written.
    """
    runs = [run for run in find_runs(source) if run.status == "finished"]
    if not runs:
        raise ValueError(f"{source}: no run that has finished lies here")
    tables = [sorted(run.folder.glob("*.parquet")) for run in runs]
    for path in (path for paths in tables for path in paths):
        if path.stat().st_size > MOST:
            raise ValueError(f"{path} must be at most {MOST:,} bytes to be kept, got {path.stat().st_size:,}")
    kept = []
    for run, paths in zip(runs, tables, strict=True):
        folder = Path(target) / run.folder.relative_to(source)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for path in paths:
            _copy_table(path, folder / path.name)
        text = json.dumps(hide_paths(dict(run.manifest)), indent=1) + "\n"
        write_atomically(folder / MANIFEST, lambda draft, text=text: draft.write_text(text, encoding="utf-8"))
        kept.append(folder)
    return kept


def _copy_table(source: Path, target: Path) -> None:
    """A table without the places of somebody's disk; one that names none stays byte by byte what it was."""
    table = pd.read_parquet(source)
    texts = {name: table[name].map(hide_paths) for name in table if pd.api.types.is_string_dtype(table[name])}
    if all(table[name].equals(told) for name, told in texts.items()):
        shutil.copyfile(source, target)
    else:
        table.assign(**texts).to_parquet(target, index=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Keep manifests and tables of finished runs, without their models.")
    parser.add_argument("source", type=Path, help="a run, or a folder of runs")
    parser.add_argument("target", type=Path, help="where the copies go")
    options = parser.parse_args()
    try:
        print(*keep_runs(options.source, options.target), sep="\n")
    except (OSError, ValueError) as error:
        parser.error(str(error))
