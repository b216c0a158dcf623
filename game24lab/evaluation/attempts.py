"""The attempt: one problem, one arm, one seed, with outcome, answer, text and full cost; its file, and the one reader.

Attempts are appended to `<name>.jsonl`, a JSON object a line, in steps that reach the disk: what stands is never
touched again, and half a last line, left by a kill, is dropped. Of two lines of one attempt the later one counts.
`<name>.parquet` is a view of them, written when an evaluation has ended. Files of earlier versions are such tables
alone: `records.parquet` of strategies, `grades.parquet` of chains of thought. This module does not know how attempts
are made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
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
    """The record of evaluation. A chain of thought has its `sample` and the `stage` of its training in `more`."""

    problem: str
    arm: str
    mode: str
    seed: int
    solved: bool
    outcome: str
    answer: str
    text: str
    cost: Cost
    run_id: str
    arm_hash: str  # of task, algorithm, parameters with defaults, mode and models
    more: Mapping[str, Any]  # what arms, tasks, judges and decoders add

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Attempt:
        """From all that is known; KeyError where a field is missing."""
        own = {name: facts[name] for name in _NAMES}
        return cls(**own, more={name: value for name, value in facts.items() if name not in own})

    def to_row(self) -> dict[str, Any]:
        """All fields in one mapping, as a line of the file holds them."""
        own = {name: getattr(self, name) for name in _NAMES if name != "cost"}
        return {**own, **asdict(self.cost), **self.more}


_NAMES = tuple(field.name for field in fields(Attempt) if field.name != "more")
_COSTS = tuple(field.name for field in fields(Cost))
_FIELDS = (*_NAMES[: _NAMES.index("cost")], *_COSTS, *_NAMES[_NAMES.index("cost") + 1 :])


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
        here = {name: fact for name, fact in here.items() if row.get(name) is not None}
        both = [{**side, **side.get("parameters", {}), "parameters": None}
                for side in ({name: row[name] for name in here}, here)]  # fmt: skip
        if differences := compare(*both):
            told = [one for one in differences if not one.startswith("arm_hash")] or differences
            raise ValueError(f"{path} holds the arm {row['arm']!r}, made otherwise ({'; '.join(told)}): choose another "
                             "file or another name")  # fmt: skip
    return {identify(row): row for row in rows}


def add_attempts(path: Path, held: dict[tuple, dict[str, Any]], rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows to what a file holds; its view goes, and the rows of an older table become the first lines.

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
    append_rows(log, rows)
    held |= {identify(row): row for row in rows}


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
    """Attempts as a table, a row each: the fields of `Attempt` and of `Cost`, then whatever else is known.

    path: a file of attempts or of completions, a table of an earlier version, or a folder, whose files of attempts and
    completions are read, and where there are none its older tables. What an older file does not hold is missing, never
    0. ValueError where a file is broken or there are no attempts, OSError where there is no such file.
    """
    path = Path(path)
    log = path.with_suffix(".jsonl")
    if path.is_dir():
        files = [file for file in sorted(path.glob("*.jsonl")) if _holds_attempts(file)]
        files = files or [path / name for name in OLD if (path / name).exists() and _is_old(_load(path / name))]
        if not files:
            raise ValueError(f"{path}: no attempts here: neither JSON lines of evaluations, nor {', '.join(OLD)}")
        return pd.concat([read_attempts(file) for file in files], ignore_index=True)
    rows = _read_log(log) if log.exists() else _read_old(path)
    table = {}
    for name in dict.fromkeys([*_FIELDS, *(name for row in rows for name in row)]):
        values = [row.get(name) for row in rows]
        if name == "parameters":
            values = [json.dumps(value, sort_keys=True) for value in values]
        kind = COLUMNS.get(name, "str" if name in _FIELDS else None)
        table[name] = pd.Series(values, dtype="Int64" if kind == "int64" and None in values else kind)
    return pd.DataFrame(table)


def _read_log(path: Path) -> list[dict[str, Any]]:
    return list({identify(row): row for _, _, row in read_rows(path, _check, whole=True)}.values())


def _holds_attempts(path: Path) -> bool:
    with path.open("rb") as file:
        line = file.readline()
    return b'"arm_hash"' in line or b'"config_hash"' in line


def _check(row: dict[str, Any], path: Path) -> dict[str, Any]:
    """A line as an attempt; ValueError for anything else."""
    row = from_completions(row) if "completions" in row else row
    if missing := next((name for name in _FIELDS if name not in row), None):
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
    saved = {f"saved_{name}": cost for name, cost in row["saved"].items()}
    own = {"arm": row["strategy"], "text": row["pred"], "correct": row["candidates_correct"],
           "answer": "" if row["chosen"] is None else row["answers"][row["chosen"]],
           "arm_hash": row["config_hash"]}  # fmt: skip
    known = {name: value for name, value in row.items() if name in COLUMNS}
    return dict.fromkeys(_COSTS) | known | row["cost"] | saved | own


# ------------------------------------------------------------------------------------------ tables, and older versions
def load_table(path: str | Path, columns: Mapping[str, str], later: Sequence[str] = ()) -> pd.DataFrame:
    """The view at `path`, which may hold other columns too, or where it is not written yet a table of the attempts.

    What a file does not hold because it was written before that was counted (`later`) is missing in its rows, never 0.
    The mode `unverified` of older files is read as `rules`. ValueError where it is broken or lacks a column, OSError
    where it is not.
    """
    path = Path(path)
    if not path.exists() and path.with_suffix(".jsonl").exists():
        return tabulate(_read_log(path.with_suffix(".jsonl")), columns)
    table = _load(path)
    missing = [name for name in columns if name not in table]
    if wrong := next((name for name in missing if name not in later), None):
        raise ValueError(f"{path}: no attempts of this kind: it lacks the column {wrong!r}")
    try:
        modes = {"mode": table["mode"].map(read_mode).astype(columns["mode"])} if "mode" in columns else {}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return table.assign(**modes, **{name: pd.Series(pd.NA, table.index, columns[name]) for name in missing})


def load_records(path: str | Path) -> pd.DataFrame:
    """Attempts of strategies, see `load_table`."""
    return load_table(path, COLUMNS, LATER)


def _is_old(table: pd.DataFrame) -> bool:
    return "strategy" in table or ("stage" in table and any(name in table for name in KEYS))


def _load(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise FileNotFoundError(2, "no attempts here", str(path)) from None
    except (ValueError, TypeError, KeyError) as error:  # what pyarrow raises for broken files is a ValueError
        raise ValueError(f"{path}: not a readable table ({condense(error)})") from None


def _read_old(path: Path) -> list[dict[str, Any]]:
    """The rows of a table as attempts; what it does not know is None."""
    table = _load(path)
    if not _is_old(table):
        raise ValueError(f"{path}: no attempts: it lacks the column 'strategy', or of chains of thought 'stage'")
    rows = []
    for row in table.astype(object).where(table.notna(), None).to_dict("records"):
        if "strategy" in row:
            more = {"arm": row["strategy"], "parameters": json.loads(row["parameters"])}
        else:
            arm = "sample" if row["temperature"] else "greedy"
            more = {"problem": row[next(name for name in KEYS if name in row)], "arm": arm, "algorithm": arm,
                    "mode": "blind", "sampled_tokens": row["tokens"], "policy_parameters": row["parameters"],
                    "parameters": {name: row[name] for name in ("budget", "temperature", "top_p")}}  # fmt: skip
        row = dict.fromkeys(_FIELDS) | row | more
        rows.append(row | {"mode": read_mode(row["mode"])})
    return rows
