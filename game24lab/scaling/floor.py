"""The floor of the loss: texts to learn from are drawn from a distribution that is known, and so is its entropy.

A solution's next line is one of those that keep the target within reach, all equally likely: the entropy of a solution
is a sum over its positions, and no model's loss can be below. What a policy's loss has above it, its excess, is the
divergence from that distribution, summed over all solutions of a puzzle: exact, without a sample. Whether stored texts
follow the distribution is checked, not assumed. This module does not know of laws or training.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2

from game24lab.models.policy import Sampling
from game24lab.runs.checks import require
from game24lab.tasks.numbers.arithmetic import make_state
from game24lab.tasks.numbers.solutions import list_choices
from game24lab.tasks.numbers.task import Game24

COLUMNS = ("problem", "floor", "excess", "tokens", "solutions")
_LEAST = 5.0  # expected texts of a cell of the test of frequencies
_PLAIN = Sampling(1)


def weigh_lines(position: tuple, target: int = 24) -> dict[str, tuple[float, tuple]]:
    """The lines that may come next: each text with its probability and the position after it. {} at the end."""
    choices = list_choices(position, target) if len(position) > 1 else ()
    counts = Counter(line for line, _ in choices)
    return {line: (counts[line] / len(choices), after) for line, after in choices}


@lru_cache(maxsize=200_000)
def measure_entropy(position: tuple, target: int = 24) -> float:
    """The entropy, in nats, of a solution from a position."""
    found = weigh_lines(position, target).values()
    return sum(p * (measure_entropy(after, target) - math.log(p)) for p, after in found)


# ------------------------------------------------------------------------------------------------------- stored texts
@dataclass(frozen=True)
class Check:
    """Stored texts beside the distribution that they are said to be of."""

    texts: int
    foreign: int  # that it gives no chance
    surprise: float  # mean of -log P of whole solutions, nats a text
    expected: float  # the mean entropy of a solution from where they begin
    deviation: float  # (surprise - expected) in standard errors
    p_value: float  # of the frequencies of first lines (chi-squared); 1.0 where no prompt comes often enough

    @property
    def follows(self) -> bool:
        """Whether nothing speaks against it: no foreign text, less than four standard errors, p above 0.001."""
        return not self.foreign and abs(self.deviation) < 4 and self.p_value > 0.001

    def __str__(self) -> str:
        verdict = "nothing speaks against it" if self.follows else "they are not of it"
        return (f"{self.texts:,} texts, {self.foreign:,} of them impossible: {self.surprise:.3f} nats a text where "
                f"{self.expected:.3f} are expected ({self.deviation:+.1f} standard errors); first lines p = "
                f"{self.p_value:.2g}: {verdict}")  # fmt: skip


def check_texts(samples: Iterable[Any], target: int = 24) -> Check:
    """How texts (prompt, completion, ends) agree with the distribution of `weigh_lines`.

    A text that is cut behind its first line counts among first lines alone. ValueError without texts.
    """
    task = Game24()
    differences, surprises, expected, texts, foreign = [], [], [], 0, 0
    firsts: dict[tuple, Counter] = {}
    for prompt, completion, *ends in samples:
        state = _read(task, prompt)
        lines = completion.splitlines(keepends=True)
        log, position = 0.0, state
        for number, line in enumerate(lines):
            found = weigh_lines(position, target)
            if line not in found:
                foreign += 1
                break
            if number == 0:
                firsts.setdefault(position, Counter())[line] += 1
            log -= math.log(found[line][0])
            position = found[line][1]
        else:
            texts += 1
            if not ends or ends[0]:
                surprises.append(log)
                expected.append(measure_entropy(state, target))
                differences.append(log - expected[-1])
    if not firsts:
        raise ValueError("texts to check must be at least one solution, got none")
    spread = float(np.std(differences)) / math.sqrt(len(differences)) if differences else 0.0
    found, due = (float(np.mean(values)) if values else math.nan for values in (surprises, expected))
    return Check(texts + foreign, foreign, found, due, (found - due) / spread if spread else 0.0,
                 _test_frequencies(firsts, target))  # fmt: skip


def _read(task: Game24, prompt: str) -> tuple:
    """The position that a prompt shows, of plain integers where it can be: as texts are drawn."""
    return tuple(int(number) if number.denominator == 1 else number for number in task.read(prompt).left)


def _test_frequencies(firsts: dict[tuple, Counter], target: int) -> float:
    """Pearson's test of the frequencies of first lines, over all prompts that come often enough."""
    statistic, freedom = 0.0, 0
    for position, counts in firsts.items():
        found, total = weigh_lines(position, target), sum(counts.values())
        if len(found) < 2 or total * min(p for p, _ in found.values()) < _LEAST:
            continue
        statistic += sum((counts[line] - total * p) ** 2 / (total * p) for line, (p, _) in found.items())
        freedom += len(found) - 1
    return float(chi2.sf(statistic, freedom)) if freedom else 1.0


# ----------------------------------------------------------------------------------------------------------- policies
def measure_excess(
    task: Any, problems: Sequence[Any], policy: Any, *, chunk: int = 32, write: Callable[[Any], Any] = str,
    progress: Callable = iter,
) -> pd.DataFrame:  # fmt: skip
    """What a policy's loss on all solutions of some puzzles has above the floor: a row a puzzle, `COLUMNS`.

    Solutions are read as they are learnt: behind the puzzle in one piece, the end included. `floor` is the entropy of a
    solution and `excess` the divergence, both in nats a solution; `tokens` are those of a solution in the mean, the end
    counted, and `solutions` how many there are. Their sum floor + excess is the loss that many sampled texts would come
    to. ValueError for a puzzle without a solution.
    """
    require("chunk", chunk, int, 1)
    rows = []
    for begin in progress(range(0, len(problems), chunk)):
        part = problems[begin : begin + chunk]
        asked: list[tuple[str, str | None]] = []
        shares: list[list[tuple[int, float, float]]] = []  # of each puzzle: which line, P of coming to it, P of it
        facts = []
        for problem in part:
            start = task.start(problem)
            position = tuple(map(int, start.left))
            prompt, mine, solutions, tokens = task.prompt(start.left, start.target), [], 0, 0.0
            if not weigh_lines(position, start.target) and make_state(position) != (start.target,):
                raise ValueError(f"problem {write(problem)} has no solution, and so no floor")
            stack = [(prompt, position, 1.0)]
            while stack:
                text, here, reached = stack.pop()
                found = weigh_lines(here, start.target)
                if not found:
                    mine.append((len(asked), reached, 1.0))
                    asked.append((text, None))
                    solutions, tokens = solutions + 1, tokens + reached
                for line, (p, after) in found.items():
                    mine.append((len(asked), reached * p, p))
                    asked.append((text, line.rstrip("\n")))
                    tokens += reached * p * policy.count(line)
                    stack.append((text + line, after, reached * p))
            shares.append(mine)
            facts.append((write(problem), measure_entropy(position, start.target), tokens, solutions))
        logs = policy.open_reader().score([text for text, _ in asked], [line for _, line in asked], [_PLAIN])[:, 0]
        for (name, entropy, tokens, solutions), mine in zip(facts, shares, strict=True):
            excess = sum(weight * (math.log(p) - logs[place]) for place, weight, p in mine)
            rows.append((name, entropy, float(excess), tokens, solutions))
    return pd.DataFrame(rows, columns=list(COLUMNS))
