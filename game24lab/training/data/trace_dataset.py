"""Datasets of search traces: JSON lines, Parquet or Arrow files with a data card, and mixtures drawn from them.

Every line that is read is checked; a damaged one is named. This module does not know how traces are made
(trace_generation.py), nor of training.
"""

from __future__ import annotations

import hashlib
import json
import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from game24lab.runs.checks import require
from game24lab.runs.messages import condense
from game24lab.runs.run import write_atomically
from game24lab.tasks.numbers.chains import STYLES, judge_chain
from game24lab.tasks.numbers.puzzles import TARGET, NumberProblem, check_numbers
from game24lab.tasks.numbers.search_traces import Abandoned, count_abandoned
from game24lab.tasks.numbers.solutions import Sample

if TYPE_CHECKING:
    import pandas as pd

# Tokens of a completion, from the first to below the second. The first three are those of LiaoMengqi/LLM4Game24.
BUCKETS = {"short": (0, 300), "medium": (300, 550), "long": (550, 1_100), "longer": (1_100, 4_096)}
SUFFIXES = (".jsonl", ".parquet", ".arrow")


class Trace(NamedTuple):
    """One search as a text to learn from."""

    numbers: tuple[int, ...]
    style: str
    bucket: str  # one of BUCKETS, by tokens
    prompt: str
    completion: str
    tokens: int  # of the completion, without an end token
    lines: int
    rollbacks: int  # lines that roll back
    split: str
    index: int
    target: int = TARGET  # older files do not name it

    @property
    def problem(self) -> NumberProblem:
        """Its problem; an environment's `know` gives it the rules of another game."""
        return NumberProblem(self.numbers, self.target)

    @property
    def sample(self) -> Sample:
        """What training takes."""
        return Sample(self.prompt, self.completion)


def mix(traces: Sequence[Trace], weights: Mapping[str, float], count: int, seed: int = 0) -> list[Sample]:
    """`count` samples of which each kind of trace has its weight's share, in random order.

    A kind is a style, a bucket, or both as `sound/long`. A kind's traces come round again only when all have been
    drawn. Raises ValueError for a kind that no trace is of, and for weights that are negative, no numbers, or all 0.
    """
    require("count", count, int, 1)
    kinds: dict[str, list[Trace]] = {}
    for kind, weight in weights.items():
        require(f"weight of {kind}", weight, float, 0, below=True)
        kinds[kind] = [one for one in traces if kind in (one.style, one.bucket, f"{one.style}/{one.bucket}")]
        if weight and not kinds[kind]:
            there = sorted({f"{trace.style}/{trace.bucket}" for trace in traces})
            raise ValueError(f"weight of {kind}: no such traces; there are {', '.join(there) or 'none'}")
    if not sum(weights.values()):
        raise ValueError(f"weights must have at least one above 0, got {dict(weights)}")
    rng = random.Random(int.from_bytes(hashlib.sha256(f"mix {seed}".encode()).digest()[:8], "big"))
    drawn = Counter(rng.choices(list(weights), list(weights.values()), k=count))
    samples = []
    for kind, number in drawn.items():
        for start in range(0, number, len(kinds[kind])):
            samples += rng.sample(kinds[kind], min(len(kinds[kind]), number - start))
    rng.shuffle(samples)
    return [trace.sample for trace in samples]


def describe_traces(traces: Sequence[Trace]) -> dict[str, Any]:
    """The data card's numbers: counts, and for each style and bucket its lengths and share of rollbacks."""
    cells: dict[tuple[str, str], list[Trace]] = defaultdict(list)
    for trace in traces:
        cells[trace.style, trace.bucket].append(trace)
    return {
        "traces": len(traces),
        "distinct": len({(trace.prompt, trace.completion) for trace in traces}),
        "roots": len({trace.numbers for trace in traces}),
        "tokens": sum(trace.tokens for trace in traces),
        "splits": sorted({trace.split for trace in traces}),
        "cells": [_describe_cell(*cell, cells[cell]) for cell in sorted(cells)],
    }


def _describe_cell(style: str, bucket: str, traces: Sequence[Trace]) -> dict[str, Any]:
    tokens = sorted(trace.tokens for trace in traces)
    return {
        "style": style,
        "bucket": bucket,
        "traces": len(traces),
        "tokens": {"least": tokens[0], "median": statistics.median(tokens), "most": tokens[-1],
                   "mean": round(statistics.fmean(tokens), 1)},
        "lines": round(statistics.fmean(trace.lines for trace in traces), 1),
        "rollback_share": round(sum(trace.rollbacks for trace in traces) / sum(trace.lines for trace in traces), 4),
    }  # fmt: skip


def tabulate_abandoned(
    traces: Iterable[Trace], know: Callable[[NumberProblem], NumberProblem] = lambda problem: problem
) -> pd.DataFrame:
    """One row a style: the positions that its traces abandon, the share that is dead, and the share that is shown so.

    `exhausted` is that of positions with more than two numbers left; missing values: none was abandoned.
    """
    import pandas as pd

    found: dict[str, list[Abandoned]] = defaultdict(list)
    for trace in traces:
        problem = know(trace.problem)
        judged = judge_chain(problem, trace.completion, trace.style)
        moves = [(line.depth, line.left) for line in judged.lines if line.kind == "move" and line.right]
        found[trace.style].append(count_abandoned(trace.numbers, moves, trace.target, problem.alive))
    rows = []
    for style, counts in found.items():
        positions, dead, wide, exhausted = (sum(column) for column in zip(*counts, strict=True))
        rows.append({"style": style, "traces": len(counts), "abandoned": positions,
                     "dead": dead / positions if positions else None,
                     "exhausted": exhausted / wide if wide else None})  # fmt: skip
    return pd.DataFrame(rows)


# ------------------------------------------------------------------------------------------------------- files
def write_traces(path: str | Path, traces: Sequence[Trace], card: Mapping[str, Any] | None = None) -> Path:
    """Write traces as JSON lines, Parquet or Arrow by the suffix, and `<name>.card.json` beside them.

    The card holds `describe_traces` and what `card` adds: seed, tokenizer, held-out split. Returns the card's path.
    ValueError for another suffix and for no traces.
    """
    path = Path(path)
    _check_suffix(path)
    if not traces:
        raise ValueError(f"traces {path}: there are none to write")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: _write_rows(temporary, path.suffix, traces))
    whole = {"file": path.name, **describe_traces(traces), **(card or {})}
    text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    described = path.with_suffix(".card.json")
    write_atomically(described, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return described


def _write_rows(path: Path, suffix: str, traces: Sequence[Trace]) -> None:
    if suffix == ".jsonl":
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(trace._asdict(), ensure_ascii=False) + "\n" for trace in traces)
        return
    import pyarrow
    from pyarrow import feather, parquet

    table = pyarrow.Table.from_pylist([trace._asdict() for trace in traces])
    if suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        feather.write_feather(table, str(path))


def read_traces(path: str | Path) -> list[Trace]:
    """Traces written by `write_traces`. ValueError that names the file, and the line or row, where one is damaged."""
    path = Path(path)
    _check_suffix(path)
    if not path.is_file():
        raise ValueError(f"traces {path}: no such file")
    traces = [_read_row(row, f"traces {path}, {place}") for place, row in _read_rows(path)]
    if not traces:
        raise ValueError(f"traces {path}: it holds none")
    return traces


def _read_rows(path: Path) -> Iterable[tuple[str, Any]]:
    if path.suffix == ".jsonl":
        for number, line in enumerate(path.read_bytes().rstrip().splitlines(), start=1):
            try:
                yield f"line {number}", json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"traces {path}, line {number}: damaged: {error}") from error
        return
    from pyarrow import ArrowException, feather, parquet

    try:
        table = parquet.read_table(path) if path.suffix == ".parquet" else feather.read_table(str(path))
        rows = table.to_pylist()
    except (ArrowException, OSError) as error:
        what = condense(error)
        raise ValueError(f"traces {path}: damaged or no {path.suffix[1:]} file: {what}") from error
    yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))


def _read_row(row: Any, place: str) -> Trace:
    if not isinstance(row, dict):
        raise ValueError(f"{place}: no JSON object")
    row = {"target": TARGET, **row}
    missing = [name for name in Trace._fields if name not in row]
    if missing:
        raise ValueError(f"{place}: {missing[0]!r} is missing")
    for name in ("tokens", "lines", "rollbacks", "index", "target"):
        if type(row[name]) is not int or row[name] < 0:
            raise ValueError(f"{place}: {name} must be an integer >= 0, got {row[name]!r}")
    for name in ("prompt", "completion", "split"):
        if not isinstance(row[name], str):
            raise ValueError(f"{place}: {name} must be a text, got {row[name]!r}")
    for name, accepted in (("style", STYLES), ("bucket", tuple(BUCKETS))):
        if row[name] not in accepted:
            raise ValueError(f"{place}: {name} must be one of {', '.join(accepted)}, got {row[name]!r}")
    try:
        numbers = check_numbers(row["numbers"], fewest=2)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: numbers {row['numbers']!r}: {error}") from error
    return Trace(**{name: row[name] for name in Trace._fields} | {"numbers": numbers})


def _check_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise ValueError(f"traces must end in {', '.join(SUFFIXES)}, got {path}")
