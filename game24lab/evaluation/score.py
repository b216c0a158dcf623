"""Files of anybody's answers, judged exactly row by row: verdicts, and counts of rules and faults.

Problems and answers are found by `layouts` and `shapes`, answers judged by their task's own `judge_text`. Batches may
be judged by several processes; what comes out does not depend on that. Nothing of a file is evaluated. This module
loads no heavy package and does not know how files are opened or results shown.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from game24lab.evaluation.answer_files import Broken, parse_line
from game24lab.evaluation.layouts import Item, Layout, read_row
from game24lab.tasks.answers import Judged
from game24lab.tasks.gsm8k import answers as gsm8k
from game24lab.tasks.numbers import answers as numbers
from game24lab.tasks.numbers.puzzles import NumberProblem

BATCH = 200  # entries
NOT_ASKED = "not in the form asked for"
_EXAMPLE = 160  # characters of an answer in tables


@dataclass
class Batch:
    """What judging some entries came to."""

    verdicts: list[str] = field(default_factory=list)  # JSON lines
    marks: array = field(default_factory=lambda: array("Q"))  # an answer each, see `mark_answer`
    rules: Counter = field(default_factory=Counter)  # (rule, right)
    faults: Counter = field(default_factory=Counter)
    examples: dict[str, dict[str, Any]] = field(default_factory=dict)  # of each fault the first verdict
    problems: dict[tuple[NumberProblem, bool], bool] = field(default_factory=dict)  # whether one answer was right
    broken: list[tuple[int, str]] = field(default_factory=list)  # places and reasons
    entries: int = 0
    repeated: int = 0  # entries that hold the same answers again
    unanswered: int = 0  # answers that were empty

    def merge(self, other: Batch) -> None:
        """Take over the counts of a later batch; its verdicts, marks and problems are left to whoever asked for it."""
        self.rules += other.rules
        self.faults += other.faults
        for fault, verdict in other.examples.items():
            self.examples.setdefault(fault, verdict)
        self.entries += other.entries
        self.repeated += other.repeated
        self.unanswered += other.unanswered


def mark_answer(key: str, right: bool) -> int:
    """One answer to the problem of a key as a number of 64 bits: 63 of the key's hash, and whether it is right."""
    digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little") & ~1 | right


def judge_item(layout: Layout, item: Item) -> list[Judged]:
    """The verdicts on the answers of a row, in their order."""
    found = []
    for text, alone in item.texts:
        if layout.task == "gsm8k":
            judged = gsm8k.judge_text(item.problem, text or "", alone=alone, strict=layout.strict)
        else:
            judged = numbers.judge_text(item.problem, text or "", alone=alone, every=item.every, strict=layout.strict)
        if layout.strict and judged.rule and judged.rule not in layout.form:
            reason = f"found by the rule {judged.rule!r}; asked for was {' or '.join(sorted(layout.form))}"
            judged = replace(judged, right=False, fault=NOT_ASKED, reason=reason)
        found.append(judged)
    return found


def judge_entries(layout: Layout, name: str, unit: str, entries: Iterable[tuple[int, Any]]) -> Batch:
    """The verdicts on some entries of the file `name`; whatever they hold, nothing is raised."""
    batch = Batch()
    for place, entry in entries:
        batch.entries += 1
        if unit == "line" and isinstance(entry, bytes | str):
            entry = parse_line(entry)
        try:
            if isinstance(entry, Broken):
                raise ValueError(entry.reason)
            item = read_row(layout, entry)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            said = str(error) if isinstance(error, ValueError) else "its columns are not of the form of this shape"
            batch.broken.append((place, said))
            continue
        if item is None:
            batch.repeated += 1
            continue
        verdicts = judge_item(layout, item)
        for sample, judged in enumerate(verdicts):
            _note(batch, {"file": name, unit: place, "sample": sample, "problem": item.name}, item.key, judged)
        batch.unanswered += sum(text is None for text, _ in item.texts)
        if isinstance(item.problem, NumberProblem):
            known = (item.problem, item.every)
            batch.problems[known] = batch.problems.get(known, False) or any(one.right for one in verdicts)
    return batch


def _note(batch: Batch, row: dict[str, Any], key: str, judged: Judged) -> None:
    row |= {"rule": judged.rule, "answer": judged.answer, "right": judged.right, "fault": judged.fault,
            "reason": judged.reason}  # fmt: skip
    batch.verdicts.append(json.dumps(row))
    batch.marks.append(mark_answer(key, judged.right))
    batch.rules[judged.rule, judged.right] += 1
    if judged.fault:
        batch.faults[judged.fault] += 1
        if judged.fault not in batch.examples:
            batch.examples[judged.fault] = row | {"answer": judged.answer[:_EXAMPLE]}


def judge_file(
    layout: Layout, name: str, unit: str, entries: Iterator[tuple[int, Any]], pool: Executor | None = None,
    waiting: int = 8,
) -> Iterator[Batch]:  # fmt: skip
    """The batches of a file in their order; with a `pool` its processes judge them, at most `waiting` at a time."""
    parts = iter(lambda: list(islice(entries, BATCH)), [])
    if pool is None:
        for part in parts:
            yield judge_entries(layout, name, unit, part)
        return
    running: deque[Future[Batch]] = deque()
    submit: Callable[..., Future[Batch]] = pool.submit
    try:
        for part in parts:
            running.append(submit(judge_entries, layout, name, unit, part))
            if len(running) >= waiting:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()
