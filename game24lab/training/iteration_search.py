"""The searches of one round of expert iteration: waves over problems, the later ones for those still unsolved.

A round may have a total: as fewer problems are left from round to round, each of them is searched for longer.

Each chunk of a wave is one file, written in one step: a round that was killed goes on behind the last one. This module
does not know what is learnt from what it finds, nor the solver.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from game24lab.runs.run import write_atomically
from game24lab.search.cost import Cost
from game24lab.search.engine import Algorithm, run
from game24lab.search.requests import Outcome
from game24lab.search.seeds import derive
from game24lab.tasks.task import Task
from game24lab.training.found_solutions import Archive, Lines, add_positions, read_tree

_CHEAPEST = 4  # tokens of a draw at least
_UNITS = ("prompt_tokens", "sampled_tokens", "critic_tokens")


@dataclass(frozen=True)
class Waves:
    """How a round searches."""

    algorithm: Algorithm
    parameters: Mapping[str, Any] = field(default_factory=dict)
    mode: str = "verified"
    budgets: tuple[int, ...] = (300,)  # sampled tokens of a problem, a number for each wave
    total: int = 0  # of all problems: what the waves leave of it is shared in a last one; 0: there is no such wave
    credit: str = "any"  # see `found_solutions.read_tree`
    chunk: int = 256  # problems that are searched together


@dataclass
class Found:
    """What the searches of a round have found, and what they have cost."""

    solved: list[str] = field(default_factory=list)  # names, in the order of the problems of each wave
    new: int = 0  # calculations that were not known before
    joined: int = 0  # further ones that came of what other problems' solutions pass, see `transpositions`
    positions: dict[str, tuple[float, float]] = field(default_factory=dict)
    reached: dict[str, dict[str, Lines]] = field(default_factory=dict)  # problem -> text of a position -> way to it
    cost: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_UNITS, 0))


def search_round(
    task: Task, problems: Mapping[str, Any], waves: Waves, open_models: Callable[[], tuple[Any, Any]], folder: Path,
    archive: Archive, seed: int, title: str = "search",
) -> Found:  # fmt: skip
    """Search the problems (by name), add what is found to the archive; what `folder` holds already is not repeated.

    `open_models` gives policy and critic where there is something left to search.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found, left, models, count = Found(), list(problems), None, len(waves.budgets) + (waves.total > 0)
    for wave in range(count):
        budget = waves.budgets[wave] if wave < len(waves.budgets) else _share(waves, found, left)
        if not budget:
            break
        with tqdm(total=len(left), desc=f"{title}, wave {wave + 1} of {count}", unit="problem",
                  dynamic_ncols=True) as bar:
            for number, names in enumerate(_split(left, waves.chunk)):
                path = folder / f"wave-{wave + 1}-{number:04d}.json"
                if path.exists():
                    bar.update(len(names))
                else:
                    models = models or open_models()
                    # a search's samples depend on its seed and problem alone, not on who is searched beside it
                    outcomes = _search(task, [problems[name] for name in names], waves, models, budget,
                                       derive(seed, "wave", wave), bar)  # fmt: skip
                    rows = _read_outcomes(task, names, problems, outcomes, waves.credit)
                    write_atomically(path, lambda draft, rows=rows: draft.write_text(json.dumps(rows) + "\n"))
                _take(json.loads(path.read_text(encoding="utf-8")), problems, archive, found)
        solved = set(found.solved)
        left = [name for name in left if name not in solved]
    return found


def _share(waves: Waves, found: Found, left: Sequence[str]) -> int:
    """What the last wave gives each problem; 0 where it is no more than they have had, or nobody is left."""
    share = (waves.total - found.cost["sampled_tokens"]) // len(left) if left else 0
    return share if share > waves.budgets[-1] else 0


def _split(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (names[begin : begin + size] for begin in range(0, len(names), size))


def _search(
    task: Task, problems: Sequence[Any], waves: Waves, models: tuple[Any, Any], budget: int, seed: int, bar: tqdm
) -> list[Outcome]:  # fmt: skip
    effort = getattr(waves.algorithm, "effort", "")  # the budget ends a search, not its own number of draws or beams
    parameters = {**({effort: max(1, budget // _CHEAPEST)} if effort else {}), **waves.parameters}
    return run(task, problems, waves.algorithm, *models, parameters=parameters, mode=waves.mode, seed=seed,
               budget={"sampled_tokens": budget}, progress=bar)  # fmt: skip


def _read_outcomes(
    task: Task, names: Sequence[str], problems: Mapping[str, Any], outcomes: Sequence[Outcome], credit: str
) -> dict[str, Any]:  # fmt: skip
    """A chunk as its file holds it."""
    positions: dict[str, tuple[float, float]] = {}
    solutions, reached, cost = {}, {}, Cost()
    for name, outcome in zip(names, outcomes, strict=True):
        finding = read_tree(task, problems[name], outcome.tree, credit)
        add_positions(positions, finding.positions)
        cost += outcome.cost
        reached[name] = dict(finding.reached)
        if finding.solutions:
            solutions[name] = finding.solutions
    return {"solutions": solutions, "positions": positions, "reached": reached,
            "cost": {unit: getattr(cost, unit) for unit in _UNITS}}  # fmt: skip


def _take(rows: Mapping[str, Any], problems: Mapping[str, Any], archive: Archive, found: Found) -> None:
    for name, solutions in rows["solutions"].items():
        found.new += archive.add(name, problems[name], [tuple(lines) for lines in solutions])
        found.solved.append(name)
    for name, ways in rows["reached"].items():
        found.reached.setdefault(name, {}).update((text, tuple(way)) for text, way in ways.items())
    add_positions(found.positions, rows["positions"])
    for unit in _UNITS:
        found.cost[unit] += rows["cost"][unit]
