"""Reads the runs of a folder for a board: status, durations, curves and attempts of each, broken ones named, not fatal.

It does not know how a board looks; `views.board` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from game24lab.runs.messages import condense
from game24lab.runs.run import MANIFEST, PATH_PARAMETER, Run, read_run, write_atomically
from game24lab.views.board import Entry, Result, make_page

if TYPE_CHECKING:
    import pandas as pd

_UNCURVED = ("step", "run", "epoch", "problems", "learning_rate")  # columns of a training log that are no result
_COSTS = ("sampled_tokens", "critic_tokens", "seconds")
_OPEN_PARTS = (".jsonl", ".parquet")


def write_board(folder: str | Path, output: str | Path) -> Path:
    """Write the page that compares all runs at or below a folder; returns its path.

    FileNotFoundError where there is no run or the page cannot be written; ValueError unless the page ends in .html.
    """
    folder, output = Path(folder), Path(output)
    if output.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"-o must end in .html, got {output}")
    runs, notes = find_all(folder)
    if not runs and not notes:
        read_run(folder)  # says what is missing
    entries = [read_entry(run, folder) for run in runs]
    if not entries:
        raise ValueError(notes[0])
    text = make_page(f"Runs in {folder}", entries, notes)
    write_atomically(output, lambda draft: draft.write_text(text, encoding="utf-8", errors="replace"))
    return output


def find_all(folder: Path) -> tuple[list[Run], list[str]]:
    """The runs at or below a folder as they were started, and what is wrong with those that cannot be read."""
    runs, notes = [], []
    for path in sorted(folder.rglob(MANIFEST)):
        try:
            runs.append(read_run(path.parent))
        except (ValueError, OSError) as error:
            notes.append(condense(error))
    return sorted(runs, key=lambda run: (str(run.manifest.get("start")), str(run.folder))), notes


def read_entry(run: Run, folder: Path) -> Entry:
    """What a board shows of a run; a broken table is told in `error`."""
    errors = [condense(run.manifest["error"])] if run.manifest.get("error") else []
    found: dict[str, Any] = {}
    for part, read in (("curves", read_curves), ("results", read_results)):
        try:
            found[part] = read(run)
        except (ValueError, OSError, KeyError, TypeError) as error:
            errors.append(condense(error))
    own = run.folder.relative_to(folder) if run.folder != folder else Path(run.folder.name or run.name)
    parameters = {name: value for name, value in run.parameters.items() if name != PATH_PARAMETER}
    facts = run.manifest.get("facts")
    return Entry(run.name, own.as_posix(), run.id, run.manifest["status"], _tell_time(run.manifest.get("start")),
                 measure_seconds(run.manifest["sessions"]), parameters, facts if isinstance(facts, Mapping) else {},
                 sentence=str(run.manifest.get("result") or ""), error="; ".join(errors), **found)  # fmt: skip


def read_curves(run: Run) -> dict[str, list[float]]:
    """The measured columns of a training's log by `step`; {} without a log. ValueError where it is broken."""
    from game24lab.report.evidence import TRAINING, add_interval, read_table

    log = read_table(run, TRAINING)
    if log is None:
        return {}
    if "step" not in log:
        raise ValueError(f"{run.folder / TRAINING}: the column 'step' is missing")
    log = add_interval(log).select_dtypes("number").sort_values("step")
    kept = {name: log[name].astype(float).tolist() for name in log
            if name not in _UNCURVED and log[name].notna().any()}  # fmt: skip
    return {"step": log["step"].astype(float).tolist()} | kept


def read_results(run: Run) -> list[Result]:
    """Each arm of a run's attempts, of all stages; [] where it holds none. ValueError for broken files."""
    from game24lab.evaluation.attempts import OLD, read_attempts

    if not any(path.suffix in _OPEN_PARTS and (path.suffix == ".jsonl" or path.name in OLD)
               for path in run.folder.iterdir()):  # fmt: skip
        return []
    try:
        rows = read_attempts(run.folder)
    except ValueError as error:
        if "no attempts here" in str(error):  # tables and lines of another kind
            return []
        raise
    rows = rows.assign(stage=rows["stage"].fillna("") if "stage" in rows else "")
    return [_summarise(names, part) for names, part in rows.groupby(["arm", "mode", "stage"], sort=False)]


def _summarise(names: Iterable[str], rows: pd.DataFrame) -> Result:
    from game24lab.evaluation.statistics import bound_share

    arm, mode, stage = names
    share, low, high, _ = bound_share(rows["solved"].astype(bool), rows["problem"])
    costs = {name: float(rows[name].astype(float).mean()) if name in rows and rows[name].notna().all() else math.nan
             for name in _COSTS}  # fmt: skip
    return Result(f"{arm} ({stage})" if stage else arm, mode, rows["problem"].nunique(), len(rows), share, low, high,
                  **costs)  # fmt: skip


def measure_seconds(sessions: Iterable[Mapping[str, Any]]) -> float:
    """The time of all sessions of a run; NaN where one has no end, or no readable one."""
    total = 0.0
    for session in sessions:
        try:
            begin, end = (datetime.fromisoformat(session[name]) for name in ("start", "end"))
            total += (end - begin).total_seconds()
        except (KeyError, TypeError, ValueError):
            return math.nan
    return total


def _tell_time(start: Any) -> str:
    """A time of a manifest without its seconds."""
    return str(start or "")[:16].replace("T", " ")
