"""A file of many different answers for the benchmark of `game24lab score`, and how long scoring it takes.

Only the benchmarks and tests use this module.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

from game24lab.evaluation.score_files import Score, score_files
from game24lab.tasks.numbers.arithmetic import OPERATORS

_THOUGHT = ("Let me try {a} {sign} {b}. That leaves {c} and {d}, which does not reach the target. I go on with another "
            "pair of numbers and check each step before I write the answer down.\n")  # fmt: skip
# Most answers of trained models stand between tags; the rest are found by the weaker rules
_ENDS = ("<answer>{}</answer>", "<answer>{}</answer>", "<answer>{} = {t}</answer>", "Answer: {} = {t}",
         "$\\boxed{{{}}}$", "So {} = {t}.")  # fmt: skip


def write_answers(path: Path, answers: int, seed: int = 0) -> Path:
    """A file of TinyZero's rows, one answer each: about 600 characters of thought and a random expression."""
    rng = random.Random(f"score {seed}")
    with path.open("w", encoding="ascii") as file:
        for _ in range(answers):
            numbers, target = [rng.randint(1, 99) for _ in range(rng.choice((3, 4)))], rng.randint(10, 100)
            pieces = list(map(str, rng.sample(numbers, len(numbers))))
            while len(pieces) > 1:
                place = rng.randrange(len(pieces) - 1)
                pieces[place : place + 2] = [f"({pieces[place]} {rng.choice(OPERATORS)} {pieces[place + 1]})"]
            thoughts = [_THOUGHT.format(a=numbers[0], b=numbers[1], c=numbers[-1], d=target, sign=rng.choice(OPERATORS))
                        for _ in range(3)]  # fmt: skip
            end = rng.choice(_ENDS).format(pieces[0][1:-1], t=target)
            text = f"<think>\n{''.join(thoughts)}</think>\n{end}"
            file.write(json.dumps({"nums": numbers, "target": target, "completion": text}) + "\n")
    return path


def time_score(path: Path, workers: int) -> tuple[float, Score]:
    """Seconds that scoring a file takes with so many processes, from the call to the last verdict on disk."""
    begin = time.perf_counter()
    score = score_files([path], output=path.with_suffix(".verdicts"), workers=workers, progress=False)
    return time.perf_counter() - begin, score
