"""Puzzles: the universe of multisets, and puzzles read from text and files.

A puzzle is a sorted tuple of three to six positive integers; the published game plays with four of 1..13, of which
there are 1,820. This module does not know of rankings, splits, moves as text or models.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations_with_replacement
from math import comb
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

from game24lab.tasks.numbers.arithmetic import Check, State, Step, compose, make_state, reachable
from game24lab.tasks.numbers.expressions import check_answer

Puzzle = tuple[int, ...]
Number = TypeVar("Number")

TARGET = 24  # of the published game
FEWEST, MOST = 3, 6
LARGEST = 999_999  # of a puzzle's numbers and targets
_MOST_PUZZLES = 1_000_000
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")  # ASCII only: `isdigit` and `int` take other alphabets' digits too
# Where a JSON object or the head of a CSV file names its puzzles, and what each must make
_KEYS = ("puzzle", "problem", "numbers", "nums", "Puzzles")
_TARGET = "target"
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,5})")


def check_numbers(numbers: Iterable[int], fewest: int = FEWEST, most: int = MOST) -> Puzzle:
    """The numbers as a puzzle: sorted, plain `int`. ValueError unless they are `fewest` to `most` positive integers."""
    found = tuple(numbers)
    if not fewest <= len(found) <= most:
        raise ValueError(f"puzzle must have {fewest} to {most} numbers, got {len(found)}: {_show(found)}")
    for number in found:
        if not isinstance(number, Integral) or isinstance(number, bool) or not 1 <= number <= LARGEST:
            raise ValueError(f"puzzle {_show(found)}: {_show(number)} is no integer from 1 to {LARGEST}")
    return tuple(sorted(int(number) for number in found))


def parse_puzzle(text: str, fewest: int = FEWEST, most: int = MOST) -> Puzzle:
    """The puzzle in a text such as `4 5 6 10`, `4, 5, 6, 10` or `[4, 5, 6, 10]`.

    Raises ValueError that says which word is no number or how many numbers there are. Unary plus, leading zeros and
    digits of other alphabets are no numbers.
    """
    inner = text.strip()
    if inner[:1] + inner[-1:] in ("[]", "()"):
        inner = inner[1:-1]
    words = re.split(r"\s*,\s*|\s+", inner.strip()) if inner.strip() else []
    for word in words[: most + 1]:
        if not _NUMBER.fullmatch(word):
            raise ValueError(f"puzzle {_show(text)}: {_show(word)} is no integer from 1 to {LARGEST}")
    if not fewest <= len(words) <= most:
        raise ValueError(f"puzzle must have {fewest} to {most} numbers, got {len(words)}: {_show(text)}")
    return check_numbers(map(int, words), fewest, most)


@dataclass(frozen=True, order=True)
class NumberProblem:
    """Numbers and what they must make; written `4 5 6 10`, or `4 5 6 10 -> 36` for another target than 24."""

    numbers: Puzzle
    target: int = TARGET

    def __post_init__(self) -> None:
        if type(self.target) is not int or abs(self.target) > LARGEST:
            raise ValueError(f"target must be an integer up to {LARGEST}, such as 24, got {self.target!r}")

    # The rules, which chains of thought are made and judged by; those of another game are a class of its own.
    @property
    def prompt(self) -> str:
        """What a policy is shown before its first token; see `write_prompt`."""
        return write_prompt(self.numbers, self.target, named=self.target != TARGET)

    @property
    def alive(self) -> Callable[[State, int], bool]:
        """Whether all of some numbers can make a target: the solver that searches worth imitating ask."""
        return reachable

    def place(self, state: State) -> Hashable:
        """A position of this problem as splits hold it out."""
        return state

    def using_all(self) -> NumberProblem:
        """The problem where every number must be used, as it must here anyway."""
        return self

    def is_alive(self, state: State) -> bool:
        """Whether the target can still be made of some numbers left."""
        return reachable(state, self.target)

    def is_made(self, state: State) -> bool:
        """Whether some numbers left are the end that was asked for."""
        return state == (self.target,)

    def forbids(self, step: Step) -> str:
        """Why a true move is not allowed, "" where it is."""
        return ""

    def compose(self, steps: Sequence[Step]) -> str:
        """The expression that the moves of a whole game build."""
        return compose(self.numbers, steps)

    def check(self, text: str, *, strict: bool = False) -> Check:
        """The word on an answer, see `expressions.check_answer`."""
        return check_answer(self.numbers, text, self.target, strict=strict)

    @property
    def seed_parts(self) -> Puzzle:
        """What the seeds of searches depend on: the numbers, as when a target was the task's and not the problem's."""
        return self.numbers

    def __str__(self) -> str:
        return " ".join(map(str, self.numbers)) + ("" if self.target == TARGET else f" -> {self.target}")


def read_problem(problem: Any, target: int | None = None) -> NumberProblem:
    """A problem of one to six numbers from what people and files give: numbers, a text, or a problem already.

    `target` is what a data set's own column says; without one a text may name it (`4 5 6 10 -> 36`), else it is 24.
    ValueError for anything else, and where the two targets differ.
    """
    if isinstance(problem, NumberProblem):
        return problem
    if isinstance(problem, str):
        text, arrow, own = problem.partition("->")
        if arrow and not _INTEGER.fullmatch(own.strip()):
            raise ValueError(f"problem {_show(problem)}: an integer must follow ->, such as 4 5 6 10 -> 36")
        if arrow and target not in (None, int(own)):
            raise ValueError(f"problem {_show(problem)} must have one target, got {target} beside it")
        return NumberProblem(parse_puzzle(text, fewest=1), int(own) if arrow else TARGET if target is None else target)
    if not isinstance(problem, Iterable):
        raise ValueError(f"numbers must be whole numbers such as [4, 5, 6, 10], got {problem!r}")
    return NumberProblem(check_numbers(problem, fewest=1), TARGET if target is None else target)


def as_problem(problem: NumberProblem | Iterable[int]) -> NumberProblem:
    """A problem; numbers alone, in whatever order they stand, must make 24."""
    return problem if isinstance(problem, NumberProblem) else NumberProblem(tuple(problem))


def split_problem(problem: NumberProblem | Iterable[Number]) -> tuple[tuple[Number, ...], int]:
    """Numbers and target of a problem; numbers alone, in whatever order they stand, must make 24."""
    return (problem.numbers, problem.target) if isinstance(problem, NumberProblem) else (tuple(problem), TARGET)


def write_prompt(numbers: Iterable[int | Fraction], target: int, *, named: bool) -> str:
    """`Input: 4 5 6 10 Target: 36` and a line end, the target only where it is to be named."""
    return f"Input: {' '.join(map(str, numbers))}{f' Target: {target}' if named else ''}\n"


def write_puzzle(numbers: Sequence[int]) -> str:
    """`4 5 6 10`, sorted: the one name of a puzzle in files and tables."""
    return " ".join(map(str, sorted(numbers)))


def _show(value: object) -> str:
    try:
        text = repr(value)
    except RecursionError:
        return "a list within lists"
    return text if len(text) <= 60 else text[:57] + "..."


def read_puzzles(path: str | Path) -> tuple[Puzzle, ...]:
    """The puzzles of a file, in its order: see `parse_puzzles`. OSError where it cannot be read."""
    return parse_puzzles(read_text(path).splitlines(), str(path))


def read_targets(path: str | Path, target: int | None = None) -> tuple[tuple[Puzzle, int | None], ...]:
    """The puzzles of a file with their targets: see `parse_targets`. OSError where it cannot be read."""
    return parse_targets(read_text(path).splitlines(), str(path), target)


def read_text(path: str | Path) -> str:
    """A text file, as UTF-8 with or without a byte order mark; ValueError where it is something else."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a UTF-8 text file ({error.reason} at byte {error.start})") from None


def parse_puzzles(lines: Iterable[str], source: str = "input") -> tuple[Puzzle, ...]:
    """The puzzles of some lines, duplicates kept, whatever their targets: see `parse_targets`."""
    return tuple(puzzle for puzzle, _ in parse_targets(lines, source))


def parse_targets(
    lines: Iterable[str], source: str = "input", target: int | None = None
) -> tuple[tuple[Puzzle, int | None], ...]:
    """The puzzles of some lines, each with its target, or `target` where its line names none; duplicates are kept.

    One `4 5 6 10` a line, JSON lines, or a CSV table with a head. A JSON line is a list of numbers, or an object that
    holds a list or a text under `puzzle`, `problem`, `numbers` or `nums`; a table names its column so, or `Puzzles` as
    the published ranking does. What a puzzle must make stands under `target`, in either. Blank lines and what follows a
    `#` are passed over. ValueError names the source, the line and what is wrong with it: a target other than `target`
    too, and where there is no puzzle at all.
    """
    found: list[tuple[Puzzle, int | None]] = []
    column = aim = None
    for number, line in enumerate(lines, 1):
        line = (line.removeprefix("\ufeff") if number == 1 else line).partition("#")[0].strip()
        if not line:
            continue
        try:
            if not found and column is None and (names := [name for name in _read_head(line) if name in _KEYS]):
                head = _read_head(line)
                column, aim = head.index(names[0]), head.index(_TARGET) if _TARGET in head else None
                continue
            own = None
            if column is not None:
                puzzle = parse_puzzle(read_cell(line, column))
                own = read_target(read_cell(line, aim)) if aim is not None else None
            elif line[0] == "{" or line[0] == "[":
                puzzle, own = _parse_json(line)
            else:
                puzzle = parse_puzzle(line)
            if own is not None and target is not None and own != target:
                raise ValueError(f"target must be {target}, which was asked for, got {own}")
            found.append((puzzle, target if own is None else own))
        except ValueError as error:
            raise ValueError(f"{source}, line {number}: {error}") from None
    if not found:
        raise ValueError(f"{source} must hold puzzles, one a line, such as 4 5 6 10, got none")
    return tuple(found)


def _read_head(line: str) -> list[str]:
    """The cells of a line that may be the head of a CSV table; none of one that csv does not take."""
    try:
        return next(csv.reader([line]))
    except csv.Error:
        return []


def read_cells(line: str) -> list[str]:
    """The cells of a line of a CSV table, quoted or not; ValueError where it is broken."""
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        raise ValueError(f"{_show(line)} is no line of a table: {error}") from None


def read_cell(line: str, column: int) -> str:
    """One cell of a line of a CSV table; ValueError where the line is too short or broken."""
    cells = read_cells(line)
    if len(cells) <= column:
        raise ValueError(f"{_show(line)} has {len(cells)} columns, at least {column + 1} are needed")
    return cells[column]


def read_target(value: object) -> int | None:
    """A target from a cell, None for an empty one; ValueError for what is no whole number."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer():  # as spreadsheets and data frames write whole numbers
        value = int(value)
    if type(value) is not int or abs(value) > LARGEST:
        raise ValueError(f"target must be an integer up to {LARGEST}, such as 24, got {_show(value)}")
    return value


def _parse_json(line: str) -> tuple[Puzzle, int | None]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError(f"{_show(line)} is no JSON") from None
    target = None
    if isinstance(value, dict):
        target = read_target(value.get(_TARGET))
        key = next((key for key in _KEYS if key in value), None)
        if key is None:
            raise ValueError(f"{_show(line)} has none of the keys {', '.join(_KEYS[:3])}")
        value = value[key]
    if isinstance(value, str):
        return parse_puzzle(value), target
    if isinstance(value, list):
        return check_numbers(value), target
    raise ValueError(f"{_show(value)} is no list of numbers")


def count_puzzles(size: int, low: int, high: int) -> int:
    """How many multisets of `size` numbers from `low` to `high` there are; ValueError for what is no puzzle."""
    if not FEWEST <= size <= MOST:
        raise ValueError(f"size must be {FEWEST} to {MOST} numbers, got {size}")
    if not 1 <= low <= high <= LARGEST:
        raise ValueError(f"1 <= low <= high <= {LARGEST} must hold, got {low} and {high}")
    return comb(high - low + size, size)


def list_puzzles(size: int = 4, low: int = 1, high: int = 13) -> tuple[Puzzle, ...]:
    """All multisets of `size` numbers from `low` to `high`, in lexicographic order: 1,820 by default.

    ValueError for sizes and ranges that are no puzzles, or more than a million of them.
    """
    count = count_puzzles(size, low, high)
    if count > _MOST_PUZZLES:
        raise ValueError(f"{size} numbers of {low}..{high} are {count} puzzles: at most {_MOST_PUZZLES} are listed")
    return tuple(combinations_with_replacement(range(low, high + 1), size))


@lru_cache(maxsize=8)
def list_solvable(size: int = 4, low: int = 1, high: int = 13, target: int = 24) -> tuple[Puzzle, ...]:
    """Those of `list_puzzles` that can make the target: 1,362 by default."""
    return tuple(puzzle for puzzle in list_puzzles(size, low, high) if reachable(make_state(puzzle), target))
