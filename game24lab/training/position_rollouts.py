"""Rollouts from positions: how often a policy's own answers are accepted there, by the verifier's word alone.

A search that ends at its first solution leaves most positions open, and a critic that learns from what it has closed
learns little. After TS-LLM (Wan et al. 2024, arXiv 2309.17179), whose critic learns from sampled answers; but where a
task lists its legal lines an answer says nothing else, as moves are masked in AlphaZero (Silver et al. 2018): a policy
that has learnt from solutions alone bends its numbers towards the target, and never comes to a dead position by the
rules. It does not know searches, critics, nor the solver.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tqdm.auto import tqdm

from game24lab.search.seeds import derive
from game24lab.tasks.task import Illegal, Task, follow
from game24lab.training.found_solutions import Lines

_CHUNK = 256  # positions that are answered together
_MOST_LINES = 32  # of an answer; a longer one is unsolved

Spot = tuple[str, Lines]  # a problem's name, and the lines to a position of it


@dataclass
class Rolled:
    """What rollouts came to."""

    positions: dict[str, tuple[int, int]] = field(default_factory=dict)  # text -> answers that passed it, accepted ones
    solutions: dict[str, list[Lines]] = field(default_factory=dict)  # by problem
    prompt_tokens: int = 0
    sampled_tokens: int = 0


@dataclass(frozen=True)
class _Answer:
    """An answer that is being said, line by line."""

    spot: Spot
    states: tuple  # that it has passed
    lines: Lines = ()


def pick_spots(
    problems: Iterable[str], reached: Mapping[str, Mapping[str, Lines]], count: int, seed: int
) -> list[Spot]:
    """`count` spots at most, drawn evenly: half of them problems, half positions that searches have reached, each text
    once; where there are too few of one kind, more of the other."""
    rng, names = random.Random(f"spots {seed}"), sorted(problems)
    ways = {text: (name, way) for name, own in reached.items() for text, way in own.items()}
    among = min(len(ways), max(count // 2, count - len(names)))
    return [*((name, ()) for name in rng.sample(names, min(len(names), count - among))),
            *(ways[text] for text in rng.sample(sorted(ways), among))]  # fmt: skip


def roll_out(
    task: Task, problems: Mapping[str, Any], policy: Any, spots: Sequence[Spot], samples: int, *, max_tokens: int = 64,
    seed: int = 0, title: str = "rollouts",
) -> Rolled:  # fmt: skip
    """`samples` answers at temperature 1 from each spot, line by line, with at most `max_tokens` a line.

    The first lines of a spot's answers are drawn without replacement; where there are fewer lines, there are fewer
    answers. A line that the rules refuse ends an answer unsolved. ValueError for a policy that has no tries
    (`Policy.open_trie`).
    """
    rolled = Rolled()
    with tqdm(total=len(spots), desc=title, unit="position", dynamic_ncols=True) as bar:
        for begin in range(0, len(spots), _CHUNK):
            part = spots[begin : begin + _CHUNK]
            states = [follow(task, task.start(problems[name]), "\n".join(way))[0] for name, way in part]
            going = [_Answer(spot, (state,)) for spot, state in zip(part, states, strict=True)
                     if not task.is_terminal(state)]  # fmt: skip
            books: dict[str, Any] = {}  # a trie of each prompt, whose forward passes others share
            for number in range(_MOST_LINES):
                going = _go_on(rolled, task, policy, going, 1 if number else samples, books, max_tokens, seed)
            for answer in going:
                _enter(rolled, task, answer, False)
            bar.update(len(part))
    return rolled


def _go_on(
    rolled: Rolled, task: Any, policy: Any, going: Sequence[_Answer], width: int, books: dict[str, Any],
    max_tokens: int, seed: int,
) -> list[_Answer]:  # fmt: skip
    """The answers with `width` next lines each; those that have ended are entered instead."""
    tries = []
    for answer in going:
        prompt = task.text(answer.states[-1])
        options: dict[str, Any] = {"max_tokens": max_tokens, "stop_line": True}
        if (beside := books.get(prompt)) is None:
            rolled.prompt_tokens += policy.count(prompt)
            if hasattr(task, "legal_lines"):
                options["allowed"] = task.legal_lines(answer.states[-1])
        name, way = answer.spot
        tries.append(policy.open_trie(prompt, derive(seed, name, *way, *answer.lines), beside=beside, **options))
        books.setdefault(prompt, tries[-1])
    after: list[_Answer] = []
    for answer, drawn in zip(going, policy.draw(tries, [width] * len(tries)) if tries else (), strict=True):
        rolled.sampled_tokens += drawn.tokens
        if not drawn.lines:
            _enter(rolled, task, answer, False)
        for line in drawn.lines:
            state = task.step(answer.states[-1], line.text)
            if isinstance(state, Illegal):
                _enter(rolled, task, answer, False)
                continue
            longer = _Answer(answer.spot, (*answer.states, state), (*answer.lines, line.text))
            if task.is_terminal(state):
                _enter(rolled, task, longer, task.verdict(state).solved)
            else:
                after.append(longer)
    return after


def _enter(rolled: Rolled, task: Task, answer: _Answer, solved: bool) -> None:
    name, way = answer.spot
    for state in answer.states:
        text = task.text(state)
        visits, accepted = rolled.positions.get(text, (0, 0))
        rolled.positions[text] = visits + 1, accepted + solved
    if solved:
        rolled.solutions.setdefault(name, []).append((*way, *answer.lines))
