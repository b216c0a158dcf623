"""Files of JSON lines that a kill cannot spoil: appended in steps that reach the disk, read with errors by line.

It does not know what a line holds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd


def append_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append a line for each row: all of them or, where the disk is full, none. OSError where that cannot be done."""
    lines = b"".join(json.dumps(row, allow_nan=False, default=_plain).encode("ascii") + b"\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        if path.exists():
            os.truncate(path, size)
        raise


def _plain(value: Any) -> Any:
    """What numpy and pandas hold, as Python's own; TypeError for anything else."""
    if value is pd.NA:
        return None
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def read_rows(
    path: Path, check: Callable[[dict[str, Any], Path], dict[str, Any]], *, whole: bool = False
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """The rows of a file: the number of the line, where it ends in bytes, and what `check(row, path)` makes of the row.

    Blank lines at the end and a byte order mark are passed over. `whole` passes over a last line without an end too,
    which a kill has cut off. ValueError that names the line which is broken, OSError where there is no such file.
    """
    end, blank = 0, None
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                blank = blank or (number, line)
                continue
            if blank:  # not at the end: damage
                _parse(path, *blank, check)
            if whole and not line.endswith(b"\n"):
                return
            end += len(line)
            yield number, end, _parse(path, number, line, check)


def _parse(path: Path, number: int, line: bytes, check: Callable[[dict, Path], dict[str, Any]]) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"), parse_constant=_refuse)
        if not isinstance(row, dict):
            raise ValueError("it must be a JSON object")
        return check(row, path)
    except (ValueError, RecursionError) as error:
        said = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        cut = "" if line.endswith(b"\n") else "; it is the last one and ends without a line end: cut off by a kill?"
        raise ValueError(f"{path}, line {number}: {said.splitlines()[0][:200]}{cut}") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def mend(path: Path, end: int) -> None:
    """Cut off what stands behind the last whole row."""
    if end < path.stat().st_size:
        with path.open("rb+") as file:
            file.truncate(end)
            os.fsync(file.fileno())
