"""Sets of word problems: read from a folder, a file or the hub in the schema of GSM8K, and written.

Nothing read is believed: a damaged line is named, and so is a row without an answer. It does not know prompts, models
or training.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from game24lab.runs.messages import condense
from game24lab.runs.run import write_atomically
from game24lab.tasks.gsm8k.task import WordProblem, read_row
from game24lab.tasks.rows import SUFFIXES, read_rows

_SHARE = 0.1  # held out of a file that is not divided


@dataclass(frozen=True)
class WordSplit:
    """Problems to learn from and held-out ones, no question on both sides."""

    name: str
    train: tuple[WordProblem, ...]
    held_out: tuple[WordProblem, ...]

    def __post_init__(self) -> None:
        leaked = {problem.question for problem in self.held_out} & {problem.question for problem in self.train}
        if leaked:
            raise ValueError(f"problems {self.name}: {min(leaked)[:60]!r} is both held out and for training")
        for side in ("train", "held_out"):
            if not getattr(self, side):
                raise ValueError(f"problems {self.name}: none {'to learn from' if side == 'train' else 'held out'}")


def read_split(source: str | Path, *, held_out: int, seed: int = 0) -> WordSplit:
    """Problems of a folder with `train` and `test`, one file, or a hub data set such as `openai/gsm8k`.

    Of the test side, or of a tenth of a single file, `held_out` are drawn by the seed; the rest of a single file is for
    training. ValueError for what is not there, damaged, or without answers.
    """
    sides = _read_sides(source)
    if "test" not in sides:
        whole = sides["train"]
        kept = {problem.question for problem in whole if _draw(problem.question) < _SHARE}
        sides = {"train": [one for one in whole if one.question not in kept],
                 "test": [one for one in whole if one.question in kept]}  # fmt: skip
    if held_out < 1:
        raise ValueError(f"held_out {held_out}: at least one problem is needed")
    rng = random.Random(f"pick {seed}")
    asked = rng.sample(sides["test"], min(held_out, len(sides["test"])))
    return WordSplit(str(source), tuple(sides["train"]), tuple(asked))


def _draw(question: str) -> float:
    return int.from_bytes(hashlib.sha256(question.encode()).digest()[:8], "big") / 2**64


def _read_sides(source: str | Path) -> dict[str, list[WordProblem]]:
    path = Path(source)
    if path.is_file():
        return {"train": read_problems(path)}
    if path.is_dir():
        found = {side: [path / f"{side}{suffix}" for suffix in SUFFIXES if (path / f"{side}{suffix}").is_file()]
                 for side in ("train", "test")}  # fmt: skip
        for side, files in found.items():
            if len(files) != 1:
                raise ValueError(f"problems {path} must hold one of {', '.join(side + suffix for suffix in SUFFIXES)}, "
                                 f"got {len(files)} of them")  # fmt: skip
        return {side: read_problems(files[0]) for side, files in found.items()}
    if path.suffix in SUFFIXES or str(source).startswith((".", "/", "~")) or str(source).count("/") != 1:
        raise ValueError("problems must be a file, a folder or a hub data set such as openai/gsm8k, got "
                         f"{source}")  # fmt: skip
    return {side: _fetch(str(source), side) for side in ("train", "test")}


def _fetch(name: str, side: str) -> list[WordProblem]:
    """One side of a hub data set, in its configuration `main` where it has several."""
    from datasets import get_dataset_config_names, load_dataset

    try:
        configurations = get_dataset_config_names(name)
        configuration = "main" if "main" in configurations else configurations[0]
        rows = load_dataset(name, configuration, split=side)
    except Exception as error:  # whatever the hub, the network or the data set's own format raises
        first = condense(error, 200)
        raise ValueError(f"problems {name}: not found here, nor to be had from the hub ({first})") from error
    return [read_row(row, f"problems {name}, {side}, row {number}") for number, row in enumerate(rows)]


def read_problems(path: str | Path) -> list[WordProblem]:
    """The problems of a file of rows with `question` and `answer`: JSON lines, a JSON list, or Parquet.

    ValueError that names the file and the line or row: damaged, without an answer, or with one that is no number; and a
    question that comes twice with two answers.
    """
    path = Path(path)
    found: dict[str, WordProblem] = {}
    for place, row in read_rows(path, "problems"):
        problem = read_row(row, f"problems {path}, {place}")
        other = found.setdefault(problem.question, problem)
        if other.answer != problem.answer:
            raise ValueError(f"problems {path}, {place}: the question came before with the answer {other.gold}, and "
                             f"here with {problem.gold}")  # fmt: skip
    if not found:
        raise ValueError(f"problems {path}: it holds none")
    return list(found.values())


def write_problems(path: str | Path, problems: Sequence[WordProblem]) -> Path:
    """Write problems as JSON lines in the published schema. ValueError for none, or another suffix than .jsonl."""
    path = Path(path)
    if path.suffix != ".jsonl" or not problems:
        raise ValueError(f"problems must be at least one, for a file named .jsonl, got {len(problems)} for {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(problem.row, ensure_ascii=False) + "\n" for problem in problems)
    write_atomically(path, lambda temporary: temporary.write_text(lines, encoding="utf-8"))
    return path
