"""The protocol of searches and the engine: requests, outcomes, the end of a budget.

A search algorithm is a generator for one problem, `algorithm(task, root, *, verified, **parameters)`: it yields
requests, is sent the replies and returns an `Outcome`. It may take `rng` and `merge` too, and declares its family and
its budget parameter with `strategy`. This module does not know who
answers, nor what a state is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from game24lab.runs.checks import require
from game24lab.search.cost import Cost
from game24lab.search.tree import Tree

# Lines are drawn with replacement, or those of a position without: a later request with the same settings goes on where
# the last one stopped, and the reply is `Lines`. "likeliest" lists a position's lines from the likeliest on, "legal" of
# these only what the rules allow (`ListingTask.legal_lines`): for single lines, in searches that know the rules.
SAMPLINGS = ("with", "without", "likeliest", "legal")


@dataclass(frozen=True)
class Propose:
    """Ask for the next line of some states. Reply: per state a list of `width` completions of one line each.

    A tuple of widths, one for each state, asks for more lines here and fewer there. With `ranked` the first is a
    sample as usual, and the others begin with the likeliest other tokens, one each.
    """

    states: tuple
    width: int | tuple[int, ...]
    attempt: int = 0  # equal requests of one search get the same answer; another number samples again
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 64  # per line
    unit: str = "line"  # where a proposal ends: at a line end, or after `max_tokens` alone ("tokens")
    ranked: bool = False
    stream: int = 0  # see Complete
    sampling: str = "with"  # see SAMPLINGS


@dataclass(frozen=True)
class Complete:
    """Ask for everything up to the end, or to a pause. Reply: per state a list of `n` completions.

    Requests of one stream use the same random numbers, by sample and by place in the answer; stream 1 has those of a
    search's first request.
    """

    states: tuple
    n: int
    attempt: int = 0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 256  # per completion
    stream: int = 0  # 0: numbers of its own
    pause: str = ""  # end early: at a line end ("line"), or as `Policy.generate` says
    threshold: float = 0.0
    spare: int = 0
    sampling: str = "with"  # see SAMPLINGS


@dataclass(frozen=True)
class Value:
    """Ask the critic. Reply: per state a value in [-1, 1]."""

    states: tuple


Request = Propose | Complete | Value


class Lines(list):
    """Completions drawn without replacement: as many as were asked for, or all that the position had left."""

    def __init__(self, lines: Iterable[Any], trie: Any) -> None:
        super().__init__(lines)
        self.trie = trie  # `left`: mass that has not been said; `exhausted`; `weigh()`: see `models.trie.Trie`
        self._begin = len(trie.said) - len(self)

    def weigh(self) -> list[float]:
        """The importance weight of each, as it is now: it grows when the position is asked for more."""
        return self.trie.weigh()[self._begin : self._begin + len(self)]


def strategy(family: str, effort: str = "") -> Callable[[Callable], Callable]:
    """Declare a search algorithm: `family` names its kin, `effort` the parameter that sets how much it searches.

    Both become attributes of the function; "" is for an algorithm without such a parameter.
    """

    def declare(algorithm: Any) -> Callable:
        algorithm.family, algorithm.effort = family, effort
        return algorithm

    return declare


def strip(request: Request) -> Request:
    """The kind and settings of a request alone: requests that agree in these go into one model call."""
    if isinstance(request, Propose):
        return replace(request, states=(), width=1, attempt=0)
    return replace(request, states=(), n=1, attempt=0) if isinstance(request, Complete) else Value(())


def write_options(kind: Propose | Complete) -> dict[str, Any]:
    """A request's settings as keywords of `Policy.generate`, without replacement of `open_trie`.

    Optional ones (not all policies have them) only if set.
    """
    options = {name: getattr(kind, name) for name in ("max_tokens", "temperature", "top_p", "top_k")}
    if kind.sampling != "with":
        line = kind.unit == "line" if isinstance(kind, Propose) else kind.pause == "line"
        return options | {"stop_line": line, "order": "random" if kind.sampling == "without" else "likeliest"}
    if isinstance(kind, Propose):
        return options | {"stop_line": kind.unit == "line"} | ({"ranked": True} if kind.ranked else {})
    looked = {name: getattr(kind, name) for name in ("pause", "threshold", "spare")}
    return options | {"stop_line": kind.pause == "line"} | (looked if kind.pause not in ("", "line") else {})


def list_counts(request: Request) -> tuple[int, ...]:
    """The completions wanted of each state of a request; ValueError for numbers below 1 or not one a state."""
    name = {Propose: "width", Complete: "n"}.get(type(request))
    count = getattr(request, name) if name else 1
    counts = count if isinstance(count, tuple) else (count,) * len(request.states)
    for number in counts if isinstance(count, tuple) else (count,):
        require(name, number, int, 1)
    if len(counts) != len(request.states):
        raise ValueError(f"{name} must be one number, or one for each of the {len(request.states)} states, got "
                         f"{len(counts)}")  # fmt: skip
    return counts


@dataclass(frozen=True)
class Outcome:
    """The result of a search, with the exact verdict in all modes; only a `verified` search chose by it."""

    answer: str  # in the task's own notation, "" where there is none
    solved: bool  # the exact verdict on the committed answer
    outcome: str  # "solved", "wrong value", "illegal", "unfinished", "no answer"
    candidates: int = 0  # answers looked at: completions, or distinct terminal positions of a tree
    correct: int = 0  # how many of the candidates the exact verifier accepts
    stopped: str = "done"  # "solved", "done", "confident", "exhausted", or the unit of the budget that was spent
    mode: str = ""
    tree: Tree | None = None
    cost: Cost = Cost()  # noqa: RUF009 - frozen
    saved: Cost = Cost()  # noqa: RUF009 - what the search's own repeated requests would have cost on top
    repeated_tokens: int = 0  # of `cost.sampled_tokens`: completions that had come behind the same prompt before
    illegal_tokens: int = 0  # of `cost.sampled_tokens`: completions that hold an illegal line, repeated ones included


@dataclass(frozen=True)
class Standing:
    """A search that waits for an answer, as a `turn` rule sees it."""

    place: int  # of its problem
    cost: Cost  # spent so far
    value: float | None  # the critic's value of the first position it asked about, None before


class BudgetSpent(Exception):  # noqa: N818 - a signal to an algorithm, no error
    """Thrown into an algorithm instead of a reply: `unit` is used up, so end with what there is."""

    def __init__(self, unit: str) -> None:
        super().__init__(f"the budget of {unit} is spent")
        self.unit = unit


def score(critic: Any, texts: Sequence[str]) -> list[float]:
    """The critic's values of some texts; ValueError unless one finite number came for each."""
    given = critic.score(texts) if texts else []
    values = list(given) if isinstance(given, Iterable) else []
    finite = [_read_value(value) for value in values]
    if len(values) != len(texts) or None in finite:
        raise ValueError(f"critic {critic.name!r} must return {len(texts)} finite values, got {len(values)}, "
                         f"{len(finite) - finite.count(None)} of them finite")  # fmt: skip
    return finite


def _read_value(value: Any) -> float | None:
    """A number, of numpy and torch too, as a float; None for everything else."""
    try:
        number = None if isinstance(value, str | bytes | bool) or getattr(value, "ndim", 0) else float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None
    return number if number is not None and math.isfinite(number) else None
