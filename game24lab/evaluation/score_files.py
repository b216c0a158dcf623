"""Whole files of answers scored: accuracy with its interval, pass@k, and what was refused, with a file of all verdicts.

Files are streamed: memory grows with the number of different problems alone. It does not know how results are shown.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import combinations, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from game24lab.evaluation.answer_files import AnswerFile, Broken, parse_line
from game24lab.evaluation.layouts import USUAL, Columns, Layout, recognise
from game24lab.evaluation.score import Batch, judge_file
from game24lab.evaluation.tallies import Tally, summarise_counts
from game24lab.runs.checks import require
from game24lab.runs.run import write_atomically
from game24lab.tasks.numbers.arithmetic import make_state, reachable
from game24lab.tasks.numbers.puzzles import NumberProblem

_LOOKED_AT = 100  # entries in which one is looked for that tells the shape
_PARALLEL = 4_000_000  # bytes from which on several processes are worth their start
_KEPT = 1_000  # places of broken entries that are kept
_PROBLEMS = 2_000  # different problems of a file that are looked into by the solver, and numbers of one
_NUMBERS = 4


@dataclass(frozen=True)
class FileScore:
    """What the answers of one file come to."""

    path: str
    layout: Layout
    entries: int
    repeated: int
    unanswered: int
    counts: Mapping[str, Any]  # see `tallies.summarise_counts`
    unsolvable: int | None  # problems without any solution; None where nobody looked, for there are too many
    broken: int
    rules: Counter  # (rule, right)


@dataclass(frozen=True)
class Score:
    """What some files of answers come to."""

    files: Sequence[FileScore]
    faults: Counter
    examples: Mapping[str, Mapping[str, Any]]  # of each fault the first verdict
    broken: Sequence[str] = field(default_factory=list)  # file, place and reason of the first ones


def score_files(
    paths: Sequence[str | Path], columns: Columns = USUAL, *, task: str = "numbers", use: str | None = None,
    strict: bool = False, ranking: str | None = None, output: str | Path | None = None, workers: int = 1,
    progress: bool = True, complain: Callable[[str], None] | None = None,
) -> Score:  # fmt: skip
    """Judge all answers of some files; `docs/score.md` tells the shapes, the rules and the verdicts.

    Args:
        columns: names of columns, where the usual ones do not serve; `target` may be a number.
        task: "numbers" or "gsm8k".
        use: "exactly-once" or "at-most-once", what must be done with the numbers; by default what the shape says.
        strict: only answers in the form asked for, read in the plain form, count as right.
        ranking: Tree of Thoughts' 24.csv, for logs that name puzzles by their place alone.
        output: a file for the verdicts, a JSON line each.
        workers: processes that judge; 0 chooses by the files' size.
        complain: is told of each broken entry, file and place; the rest goes on.

    ValueError for a file without columns of problems or answers, or of no known form, before anything is judged;
    OSError where one cannot be read, or the verdicts not written.
    """
    require("workers", workers, int, 0)
    files = [AnswerFile(path) for path in paths]
    if not files:
        raise ValueError("at least one file of answers is needed")
    if output is not None and any(Path(output).resolve() == file.path.resolve() for file in files):
        raise ValueError(f"{output}: an input, which the verdicts would overwrite; choose another file")
    layouts = [_recognise(file, columns, task=task, use=use, ranking=ranking, strict=strict) for file in files]
    total = sum(file.size for file in files)
    if not workers:
        workers = min(4, os.cpu_count() or 1) if total > _PARALLEL else 1
    whole, broken, scores = Batch(), _Complaints(complain), []

    def judge(sink: TextIO | None) -> None:
        with _open_pool(workers) as pool, tqdm(total=total, unit="B", unit_scale=True, desc="score",
                                               disable=None if progress else True) as bar:  # fmt: skip
            for file, layout in zip(files, layouts, strict=True):
                scores.append(_score(file, layout, pool, workers, sink, whole, broken, bar))

    if output is None:
        judge(None)
    else:
        write_atomically(Path(output), lambda draft: _write(draft, judge))
    return Score(scores, whole.faults, whole.examples, broken.kept)


def _write(draft: Path, judge: Callable[[TextIO], None]) -> None:
    with draft.open("w", encoding="ascii") as sink:
        judge(sink)


class _Complaints:
    """Broken entries: told as they come, counted, the first ones kept."""

    def __init__(self, complain: Callable[[str], None] | None):
        self.complain, self.kept = complain, []

    def add(self, said: str) -> None:
        if len(self.kept) < _KEPT:
            self.kept.append(said)
        if self.complain is not None:
            self.complain(said)


def _recognise(file: AnswerFile, columns: Columns, **options: Any) -> Layout:
    """The layout of a file by its first entry that can be read."""
    with contextlib.closing(file.entries()) as entries:
        for _, entry in islice(entries, _LOOKED_AT):
            if file.kind == "jsonl" and not isinstance(entry, Broken):
                entry = parse_line(entry)
            if not isinstance(entry, Broken):
                try:
                    return recognise(entry, columns, **options)
                except ValueError as error:
                    hint = ""
                    if options["task"] == "numbers" and "####" in str(entry)[:100_000]:
                        hint = " (word problems are scored with --task gsm8k)"
                    raise ValueError(f"{file.path}: {error}{hint}") from None
    raise ValueError(f"{file.path}: none of its first {_LOOKED_AT} entries can be read as {file.kind}")


@contextlib.contextmanager
def _open_pool(workers: int) -> Iterator[Executor | None]:
    if workers == 1:
        yield None
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        yield pool
    except BrokenProcessPool:
        raise OSError("a process that judged answers was killed, perhaps for want of memory; --workers 1 needs none "
                      "beside this one") from None  # fmt: skip
    finally:
        pool.shutdown(cancel_futures=True)


def _score(
    file: AnswerFile, layout: Layout, pool: Executor | None, workers: int, sink: TextIO | None, whole: Batch,
    broken: _Complaints, bar: tqdm,
) -> FileScore:  # fmt: skip
    """Judge one file, write its verdicts and add its counts to those of all."""
    part, tally, count = Batch(), Tally(), 0
    problems: dict[tuple[NumberProblem, bool], bool] | None = {}
    begun = bar.n
    for batch in judge_file(layout, str(file.path), file.unit, file.entries(), pool, 3 * workers):
        part.merge(batch)
        tally.add(batch.marks)
        count += len(batch.broken)
        for place, reason in batch.broken:
            broken.add(f"{file.path}, {file.unit} {place}: {reason}")
        if sink is not None and batch.verdicts:
            sink.write("\n".join(batch.verdicts) + "\n")
        if problems is not None:
            for known, right in batch.problems.items():
                problems[known] = problems.get(known, False) or right
            problems = problems if len(problems) <= _PROBLEMS else None
        bar.update(begun + file.tell() - bar.n)
    bar.update(begun + file.size - bar.n)
    whole.merge(part)
    unsolvable = None if problems is None else _count_unsolvable(problems)
    return FileScore(str(file.path), layout, part.entries, part.repeated, part.unanswered,
                     summarise_counts(tally.list_counts()), unsolvable, count, part.rules)  # fmt: skip


def _count_unsolvable(problems: Mapping[tuple[NumberProblem, bool], bool]) -> int | None:
    """How many of the problems have no solution at all; None where one has too many numbers to look quickly."""
    open_ones = [known for known, right in problems.items() if not right]
    if any(len(problem.numbers) > _NUMBERS for problem, _ in open_ones):
        return None
    return sum(not _can_be_made(problem, every) for problem, every in open_ones)


def _can_be_made(problem: NumberProblem, every: bool) -> bool:
    numbers = problem.numbers
    sizes = [len(numbers)] if every else range(1, len(numbers) + 1)
    return any(reachable(make_state(some), problem.target) for size in sizes for some in combinations(numbers, size))
