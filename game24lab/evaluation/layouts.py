"""How the rows of one file of answers are laid out: recognised by its first row, then read as problems and answers.

It does not know how files are opened, nor what a right answer is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from game24lab.evaluation.shapes import (
    ANSWERS,
    GOLDS,
    PROBLEMS,
    SHAPES,
    TABLE,
    TABLE_FORM,
    TARGETS,
    TEXTS,
    Columns,
    Content,
    find_shape,
    is_chat,
    join_chat,
    list_texts,
    pick_first,
    say,
)
from game24lab.runs.checks import require_one_of
from game24lab.tasks.answers import find_boxed
from game24lab.tasks.numbers.prompts import read_prompt
from game24lab.tasks.numbers.puzzles import NumberProblem, Puzzle, read_problem
from game24lab.tasks.numbers.rankings import load_ranking, locate_download
from game24lab.tasks.quantities import read_number

TASKS = ("numbers", "gsm8k")
USUAL = Columns()
USES = ("exactly-once", "at-most-once")
_WHOLE = re.compile(r"-?[0-9]{1,6}(?:\.0+)?")
_SHOWN = 80  # characters of a problem that are shown


@dataclass(frozen=True)
class Layout:
    """What the rows of a file have in common."""

    shape: str
    about: str
    form: frozenset[str]  # the rules of the form asked for
    task: str
    columns: Columns
    target: int | None = None  # of all problems
    every: bool | None = None  # whether all numbers must be used, whatever the rows say
    filter: str | None = None  # of lm-evaluation-harness: the answers stand there once for each
    ranking: str | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A row as it is judged."""

    problem: NumberProblem | Fraction  # of a word problem its right answer
    name: str  # the problem as it is shown
    key: str  # equal for rows of one problem
    every: bool
    texts: list[tuple[str | None, bool]]


def recognise(
    row: Any, columns: Columns = USUAL, *, task: str = "numbers", use: str | None = None,
    ranking: str | None = None, strict: bool = False,
) -> Layout:  # fmt: skip
    """The layout of a file by its first row.

    ValueError that names the columns it looked for and those that are there, where there is no column with problems or
    with answers.
    """
    require_one_of("task", task, TASKS)
    if use is not None:
        require_one_of("use", use, USES)
    target = int(columns.target) if re.fullmatch(r"-?[0-9]{1,6}", columns.target) else None
    columns = columns if target is None else replace(columns, target="")
    common = {"task": task, "target": target, "every": None if use is None else use == USES[0], "ranking": ranking,
              "strict": strict}  # fmt: skip
    shape = None if columns.named or columns.target else find_shape(row)
    if shape is not None:
        known = {*TEXTS, *ANSWERS, "output", "ys", "resps"} - ({"answer"} if shape.name == "reasoning-gym" else set())
        bare = isinstance(row, Mapping) and not (known & set(row))
        if bare and all(text is None for text, _ in shape.read(row).texts):
            raise ValueError(f"{shape.name} rows without answers: {_list_columns(row)}; one of {', '.join(TEXTS[:6])}, "
                             f"{', '.join(ANSWERS[:3])} or --text NAME is needed")  # fmt: skip
        chosen = row.get("filter") if shape.name == "lm-evaluation-harness" else None
        return Layout(shape.name, shape.about, shape.form, columns=columns, filter=chosen, **common)
    if not isinstance(row, Mapping):
        raise ValueError(f"of no known shape: a row is {type(row).__name__}, an object with columns is needed")
    columns = _choose_columns(row, columns, task)
    told = f"{columns.problem}; {'text in' if columns.text else 'answer in'} {columns.text or columns.answer}"
    return Layout(TABLE, told, TABLE_FORM, columns=columns, **common)


def _choose_columns(row: Mapping[str, Any], columns: Columns, task: str) -> Columns:
    """The columns of a table: those that were asked for, the usual ones for the rest."""
    for flag in ("problem", "text", "answer", "target", "group"):
        name = getattr(columns, flag)
        if name and name not in row:
            raise ValueError(f"--{flag}: no column {name!r}; {_list_columns(row)}")
    problem = columns.problem or pick_first(row, PROBLEMS)
    if not problem:
        raise ValueError(f"no column with problems: looked for {', '.join(PROBLEMS)}; {_list_columns(row)}; "
                         "--problem NAME names another")  # fmt: skip
    golds = (columns.target, *GOLDS) if task == "gsm8k" else ()
    gold = pick_first(row, golds)
    text = columns.text or ("" if columns.answer else pick_first(row, [name for name in TEXTS if name != problem]))
    others = [name for name in ANSWERS if name not in (problem, gold)]
    answer = "" if text else columns.answer or pick_first(row, others)
    if not text and not answer:
        raise ValueError(f"no column with answers: looked for {', '.join((*TEXTS, *others))}; {_list_columns(row)}; "
                         "--text NAME names another")  # fmt: skip
    if task == "gsm8k" and not gold:
        raise ValueError(f"no column with right answers: looked for {', '.join(GOLDS)}; {_list_columns(row)}; "
                         "--target NAME names another")  # fmt: skip
    target = gold if task == "gsm8k" else columns.target or pick_first(row, TARGETS)
    return Columns(problem, text, answer, target, columns.group)


def _list_columns(row: Mapping[str, Any]) -> str:
    names = [str(name)[:40] for name in row]
    return f"it has {', '.join(names[:20])}{' ...' if len(names) > 20 else ''}"


def read_row(layout: Layout, row: Any) -> Item | None:
    """The problem of a row and the answers to it; None for one that holds the same answers again.

    ValueError that says what is wrong with it.
    """
    content = _read_table(layout.columns, row) if layout.shape == TABLE else _read_shape(layout, row)
    if content is None:
        return None
    if layout.task == "gsm8k":
        gold = _read_gold(say(content.gold) or "")
        name = " ".join((content.prompt or "").split())
        return _group(layout, row, Item(gold, name[:_SHOWN], f"{name} = {gold}", True, list(content.texts)))
    problem, every = _read_numbers(layout, content)
    every = layout.every if layout.every is not None else every
    name = str(problem)
    return _group(layout, row, Item(problem, name, name, every, list(content.texts)))


def _group(layout: Layout, row: Any, item: Item) -> Item:
    group = layout.columns.group
    if not group:
        return item
    if not isinstance(row, Mapping) or row.get(group) is None:
        raise ValueError(f"no {group!r}, by which problems are told apart")
    return replace(item, key=str(row[group]))


def _read_shape(layout: Layout, row: Any) -> Content | None:
    shape = next(shape for shape in SHAPES if shape.name == layout.shape)
    if not shape.recognise(row):
        what = _list_columns(row) if isinstance(row, Mapping) else f"it is {type(row).__name__}"
        raise ValueError(f"no row of {layout.shape} ({layout.about}): {what}")
    if layout.filter is not None and row.get("filter") != layout.filter:
        return None
    return shape.read(row)


def _read_table(columns: Columns, row: Any) -> Content:
    if not isinstance(row, Mapping):
        raise ValueError(f"no row of a table: it is {type(row).__name__}")
    shown = row.get(columns.problem)
    if shown is None:
        raise ValueError(f"no {columns.problem!r}")
    listed = isinstance(shown, list | tuple) and not is_chat(shown)
    texts = list_texts(row.get(columns.text or columns.answer), alone=not columns.text)
    target = row.get(columns.target or pick_first(row, TARGETS))
    return Content(texts, numbers=shown if listed else None, prompt=None if listed else join_chat(shown) or str(shown),
                   target=target, gold=target)  # fmt: skip


# -------------------------------------------------------------------------------------------------------- problems
def _read_numbers(layout: Layout, content: Content) -> tuple[NumberProblem, bool]:
    """The problem of a number game, and whether all numbers must be used. ValueError where there is none."""
    target = layout.target if layout.target is not None else _read_target(content.target)
    every = True if content.every is None else content.every
    numbers = content.numbers
    if numbers is None and content.place is not None:
        numbers = _find_ranked(layout.ranking, content.place)
    if numbers is not None:
        numbers = numbers if isinstance(numbers, str) else tuple(map(_read_whole, numbers))
        return _make_problem(numbers, target), every
    prompt = content.prompt
    if not prompt:
        raise ValueError("no problem: neither numbers nor a text that shows them")
    shown = read_prompt(prompt)
    if target is None and (shown is None or shown.target is None) and "->" not in prompt:
        gold = say(content.gold)  # the right answer of search-and-learn's rows is the target
        target = int(float(gold)) if gold and _WHOLE.fullmatch(gold.strip()) else None
    if shown is None:
        return _make_problem(prompt.strip()[:200], target), every
    target = shown.target if target is None else target
    return _make_problem(shown.numbers, target), shown.every if content.every is None else every


@lru_cache(maxsize=65_536)
def _make_problem(numbers: Puzzle | str, target: int | None) -> NumberProblem:
    return read_problem(numbers, target)


def _read_whole(value: Any) -> int:
    """A number of a puzzle, as data frames write them too (4.0)."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) and "." not in value else value


def _read_target(value: Any) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(float(value))
    value = _read_whole(value)
    if type(value) is not int:
        raise ValueError(f"target must be a whole number, such as 24, got {str(value)[:40]!r}")
    return value


@lru_cache(maxsize=4)
def _load_ranked(path: str | None) -> tuple[Puzzle, ...]:
    if path is None and not locate_download().exists():
        raise ValueError("puzzles are named by their place in Tree of Thoughts' 24.csv alone: --ranking FILE is needed")
    return load_ranking(path).puzzles


def _find_ranked(path: str | None, place: int) -> Puzzle:
    puzzles = _load_ranked(path)
    if not 0 <= place < len(puzzles):
        raise ValueError(f"idx must be from 0 to {len(puzzles) - 1}, got {place}")
    return puzzles[place]


@lru_cache(maxsize=65_536)
def _read_gold(written: str) -> Fraction:
    """The right answer to a word problem: behind `####`, in a box, or alone. ValueError where it is no number."""
    boxed = find_boxed(written) if "####" not in written else None
    said = boxed[0] if boxed else written.rpartition("####")[2].strip()
    number = read_number(said)
    if number is None:
        raise ValueError(f"the right answer must be a number, such as #### 42, got {said[:60]!r}")
    return number.value
