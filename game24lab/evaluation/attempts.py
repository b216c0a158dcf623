"""The attempt: one problem, one arm, one seed, with outcome, answer, text and full cost; its file, and the one reader.

Attempts are appended to `<name>.jsonl`, a JSON object a line, in steps that reach the disk: what stands is never
touched again, and half a last line, left by a kill, is dropped. Of two lines of one attempt the later one counts.
`<name>.parquet` is a view of them, written when an evaluation has ended. Files of earlier versions are such tables
alone: `records.parquet` of strategies, `grades.parquet` of chains of thought. This module does not know how attempts
are made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.evaluation.jsonl import append_rows, mend, read_rows
from game24lab.runs.messages import condense
from game24lab.runs.run import compare, write_atomically
from game24lab.search.cost import Cost
from game24lab.search.modes import read_mode

COLUMNS = {  # of a table of strategies, which calls arms so
    "problem": "str", "strategy": "str", "algorithm": "str", "parameters": "str", "mode": "str", "seed": "int64",
    "solved": "bool", "outcome": "str", "answer": "str", "candidates": "int64", "correct": "int64", "stopped": "str",
    "prompt_tokens": "int64", "sampled_tokens": "int64", "policy_calls": "int64", "critic_tokens": "int64",
    "critic_calls": "int64", "depth": "int64", "seconds": "float64", "saved_prompt_tokens": "int64",
    "saved_sampled_tokens": "int64", "saved_critic_tokens": "int64", "policy_parameters": "int64",
    "critic_parameters": "int64", "backend": "str", "rank": "Int64", "split": "str", "run_id": "str",
    "sampled_lines": "Int64", "sampled_characters": "Int64", "repeated_tokens": "Int64", "illegal_tokens": "Int64",
}  # fmt: skip
LATER = ("sampled_lines", "sampled_characters", "repeated_tokens", "illegal_tokens")  # older files do not hold them
KEYS = ("numbers", "question", "problem")  # what names a problem in tables of chains, by task
OLD = ("records.parquet", "grades.parquet", "rollouts.parquet")  # tables in run folders of earlier versions


@dataclass(frozen=True)
class Attempt:
    """The record of evaluation. A chain of thought has a `sample` and the `stage` of its training among its facts."""

    problem: str
    arm: str
    mode: str
    seed: int
    solved: bool
    outcome: str
    answer: str
    text: str
    cost: Cost
    run_id: str = ""
    arm_hash: str = ""  # of task, algorithm, parameters with defaults, mode and models
    more: Mapping[str, Any] = field(default_factory=dict)  # what tasks, judges and decoders add

    def to_row(self) -> dict[str, Any]:
        """All fields in one mapping, as a line of the file holds them."""
        plain = {name: getattr(self, name) for name in _NAMES if name != "cost"}
        return plain | asdict(self.cost) | dict(self.more)


_NAMES = tuple(entry.name for entry in fields(Attempt) if entry.name != "more")
_COSTS = tuple(entry.name for entry in fields(Cost))
_ORDER = tuple(name for known in _NAMES for name in (_COSTS if known == "cost" else (known,)))


def identify(row: Mapping[str, Any]) -> tuple:
    """What tells an attempt from others of its file: problem, arm, seed; of chains of thought stage and sample too."""
    return row["problem"], row["arm"], row["seed"], row.get("stage", ""), row.get("sample", 0)


# ---------------------------------------------------------------------------------------------------------- one file
def open_attempts(path: Path, facts: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[tuple, dict[str, Any]]:
    """The attempts that a file holds already, by `identify`; half a last line is cut off. None where there is no file.

    path: of the view. facts: by arm and stage, what all its attempts have in common. ValueError where the file is
    broken, or where it holds an arm of the same name that was made otherwise.
    """
    log, rows = path.with_suffix(".jsonl"), []
    if log.exists():
        lines = list(read_rows(log, _check, whole=True))
        mend(log, lines[-1][1] if lines else 0)
        rows = [row for _, _, row in lines]
    elif path.exists():
        rows = _read_old(path)
    for row in rows:
        here = facts.get((row["arm"], row.get("stage", "")), {})
        there = {name: row[name] for name in here if row[name] is not None}
        if differences := compare(_spread(there), _spread({name: here[name] for name in there})):
            told = [one for one in differences if not one.startswith("arm_hash")] or differences
            raise ValueError(f"{path} holds the arm {row['arm']!r}, made otherwise ({'; '.join(told)}): choose another "
                             "file or another name")  # fmt: skip
    return {identify(row): row for row in rows}


def _spread(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {**facts, **facts.get("parameters", {}), "parameters": None}


def start_attempts(path: Path, held: Mapping[tuple, Mapping[str, Any]]) -> None:
    """Make a file ready to be added to: the rows of an older table become its first lines, and the view goes.

    ValueError where an older table does not know what is counted today, OSError where nothing can be written.
    """
    log = path.with_suffix(".jsonl")
    if not log.exists():
        strategies = [row for row in held.values() if "strategy" in row]
        if old := next((name for name in LATER for row in strategies if row.get(name) is None), None):
            raise ValueError(f"{path} was written before {old} were counted: choose another file, or go on with the "
                             "version that wrote it")  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(log, lambda temporary: append_rows(temporary, held.values()))
    path.unlink(missing_ok=True)


def write_view(path: Path, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """All rows of a file as a table beside it."""
    table = tabulate(rows, columns)
    write_atomically(path, lambda temporary: table.to_parquet(temporary, index=False))


def tabulate(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """Rows as a table with some columns and their types: those of strategies, or those of an environment's chains."""
    shown = []
    for row in rows:
        if "strategy" in columns:
            more = {"strategy": row["arm"], "parameters": json.dumps(row["parameters"], sort_keys=True)}
        else:
            more = {**row["parameters"], next(iter(columns)): row["problem"], "tokens": row["sampled_tokens"],
                    "parameters": row["policy_parameters"]}  # fmt: skip
        shown.append({**row, **more})
    return pd.DataFrame({name: pd.Series([row.get(name) for row in shown], dtype=kind)
                         for name, kind in columns.items()})  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- reading
def read_attempts(path: str | Path) -> pd.DataFrame:
    """Attempts as a table, a row each: the fields of `Attempt`, those of `Cost`, then whatever else is known.

    path: a file of attempts or of completions, a table of an earlier version, or a folder, whose files of attempts and
    completions are read, and where there are none its older tables. What an older file does not hold is missing, never
    0. ValueError where a file is broken or there are no attempts, OSError where there is no such file.
    """
    path = Path(path)
    if path.is_dir():
        files = [file for file in sorted(path.glob("*.jsonl")) if _holds_attempts(file)]
        files = files or [path / name for name in OLD if (path / name).exists() and is_old(_load(path / name))]
        if not files:
            raise ValueError(f"{path}: no attempts here: neither JSON lines of evaluations, nor {', '.join(OLD)}")
        return pd.concat([read_attempts(file) for file in files], ignore_index=True)
    rows = _read_log(path.with_suffix(".jsonl")) if path.with_suffix(".jsonl").exists() else _read_old(path)
    names = dict.fromkeys([*_ORDER, *(name for row in rows for name in row)])
    table = {}
    for name in names:
        values = [row.get(name) for row in rows]
        if name == "parameters":
            values = [json.dumps(value, sort_keys=True) for value in values]
        kind = COLUMNS.get(name, "str" if name in _ORDER else None)
        table[name] = pd.Series(values, dtype="Int64" if kind == "int64" and None in values else kind)
    return pd.DataFrame(table)


def _read_log(path: Path) -> list[dict[str, Any]]:
    return list({identify(row): row for _, _, row in read_rows(path, _check, whole=True)}.values())


def _holds_attempts(path: Path) -> bool:
    """By the first line; a broken one counts, so that it is named when it is read."""
    with path.open("rb") as file:
        line = file.readline()
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return b'"arm' in line or b'"completions"' in line
    return isinstance(row, dict) and ("arm_hash" in row or {"completions", "config_hash"} <= set(row))


def _check(row: dict[str, Any], path: Path) -> dict[str, Any]:
    """A line as an attempt; ValueError for anything else."""
    if "completions" in row:
        row = from_completions(row)
    if missing := next((name for name in _ORDER if name not in row), None):
        raise ValueError(f"no attempt: {missing!r} is missing")
    for name, kind in (("problem", str), ("arm", str), ("seed", int), ("solved", bool), ("parameters", dict)):
        if type(row.get(name)) is not kind:
            raise ValueError(f"no attempt: {name} is {str(row.get(name))[:40]!r}")
    return row | {"mode": read_mode(row["mode"])}


def from_completions(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a completions file as an attempt. ValueError for one made elsewhere, whose cost nobody knows."""
    if row.get("cost") is None:
        raise ValueError(f"completions of {row.get('strategy')!r}, {str(row['problem'])[:60]}: made elsewhere, their "
                         "cost is not known")  # fmt: skip
    chosen = row["chosen"]
    kept = ("problem", "mode", "seed", "solved", "outcome", "run_id", "algorithm", "parameters", "candidates",
            "stopped", "rank", "split", "policy_parameters", "critic_parameters", "backend", *LATER)  # fmt: skip
    return {
        **{name: row[name] for name in kept if name in row}, **dict.fromkeys(_COSTS), **row["cost"],
        **{f"saved_{name}": cost for name, cost in row["saved"].items()}, "arm": row["strategy"],
        "answer": "" if chosen is None else row["answers"][chosen], "text": row["pred"],
        "correct": row["candidates_correct"], "arm_hash": row["config_hash"],
    }  # fmt: skip


# ------------------------------------------------------------------------------------------ tables, and older versions
def is_old(table: pd.DataFrame) -> bool:
    """Whether a table holds attempts, of strategies or of chains."""
    return "strategy" in table or ("stage" in table and any(name in table for name in KEYS))


def _load(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise FileNotFoundError(2, "no attempts here", str(path)) from None
    except (ValueError, TypeError, KeyError) as error:  # what pyarrow raises for broken files is a ValueError
        raise ValueError(f"{path}: not a readable table ({condense(error)})") from None


def _read_old(path: Path) -> list[dict[str, Any]]:
    """The rows of a table as attempts; what it does not know is left out, or None."""
    table = _load(path)
    if not is_old(table):
        raise ValueError(f"{path}: lacks the column 'strategy', as attempts have it, or 'stage', as chains have it")
    rows = []
    for row in table.astype(object).where(table.notna(), None).to_dict("records"):
        if "strategy" in row:
            row |= {"arm": row["strategy"], "parameters": json.loads(row["parameters"]), "model": None}
        else:
            settings = {name: row[name] for name in ("budget", "temperature", "top_p")}
            arm = "sample" if row["temperature"] else "greedy"
            row |= {"problem": row[next(name for name in KEYS if name in row)], "arm": arm, "algorithm": arm,
                    "sampled_tokens": row["tokens"], "policy_parameters": row["parameters"], "mode": "blind",
                    "parameters": settings, "critic_parameters": None}  # fmt: skip
        rows.append(dict.fromkeys(_ORDER) | row | {"mode": read_mode(row["mode"])})
    return rows


def load_records(path: str | Path) -> pd.DataFrame:
    """Attempts of strategies as the table `COLUMNS`, from the view at `path` or from the attempts beside it.

    What a file does not hold because it was written before that was counted (`LATER`) is missing in its rows, never 0.
    The mode `unverified` of older files is read as `rules`. ValueError where it is broken or holds something else,
    OSError where it is not.
    """
    path = Path(path)
    if not path.exists() and (log := path.with_suffix(".jsonl")).exists():
        return tabulate(_read_log(log), COLUMNS)
    table = _load(path)
    missing = [name for name in COLUMNS if name not in table]
    if wrong := [name for name in missing if name not in LATER]:
        raise ValueError(f"{path}: lacks the column {wrong[0]!r}")
    try:
        table["mode"] = table["mode"].map(read_mode).astype(COLUMNS["mode"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return table.assign(**{name: pd.Series(pd.NA, table.index, COLUMNS[name]) for name in missing})


def load_grades(path: str | Path, columns: Mapping[str, str], outcomes: Iterable[str]) -> pd.DataFrame:
    """Attempts of chains of thought as a table of these columns, from the view or from the attempts beside it.

    ValueError that names what is broken in it, OSError where there is no file.
    """
    path = Path(path)
    if not path.exists() and (log := path.with_suffix(".jsonl")).exists():
        return tabulate(_read_log(log), columns)
    table = _load(path)
    if missing := next((name for name in columns if name not in table), None):
        raise ValueError(f"{path}: no chains of this kind: the column {missing!r} is missing")
    try:
        table = table.astype(columns)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: a column holds what it should not ({condense(error)})") from None
    if strange := sorted(set(table["outcome"]) - set(outcomes)):
        raise ValueError(f"{path}: outcome must be one of {', '.join(outcomes)}, got {strange[0]!r}")
    return table
