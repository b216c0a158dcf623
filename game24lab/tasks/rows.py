"""Rows of files that hold problems: JSON lines, a JSON list, or Parquet. It does not know what stands in a row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from game24lab.runs.messages import condense

SUFFIXES = (".jsonl", ".json", ".parquet")


def read_rows(path: str | Path, what: str) -> Iterator[tuple[str, Any]]:
    """The rows of a file in their order, each with its place, such as `line 3`.

    `what` says what they are, for messages. ValueError that names the file, and the line where one is damaged: another
    suffix than `SUFFIXES`, no such file, one that cannot be read.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{what} must be a file whose name ends in {', '.join(SUFFIXES)}, got {path}")
    if not path.is_file():
        raise ValueError(f"{what} {path}: no such file")
    if path.suffix == ".parquet":
        from pyarrow import ArrowException, parquet

        try:
            rows = parquet.read_table(path).to_pylist()
        except (ArrowException, OSError) as error:
            raise ValueError(f"{what} {path}: damaged or no Parquet file: {condense(error)}") from None
        yield from ((f"row {number}", row) for number, row in enumerate(rows))
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".json":
            rows = json.loads(text)
            if not isinstance(rows, list):
                raise ValueError("it must be a list of objects")
            yield from ((f"entry {number}", row) for number, row in enumerate(rows))
            return
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} {path}: damaged ({str(error)[:100]})") from None
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{what} {path}, line {number}: damaged ({str(error)[:100]})") from None
            yield f"line {number}", row
