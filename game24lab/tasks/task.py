"""The Task protocol: a world (start, step) and a judge (verdict), seen through text.

Search, training and evaluation know tasks only through this protocol. It does not know what a state is made of.
"""

from __future__ import annotations

from collections.abc import Container, Hashable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Illegal:
    """A line that is no legal step, and the reason in one line."""

    reason: str


@dataclass(frozen=True)
class Verdict:
    """The judge's word on a state: `solved`, or why not."""

    solved: bool
    outcome: str  # "solved", "wrong value", "unfinished"
    answer: str  # the answer in the task's own notation, "" while there is none
    reason: str


class Task(Protocol):
    """A world and its judge. Pure: no state is ever changed in place; model text never raises."""

    name: str

    def start(self, problem: Any) -> Any:
        """The first state of a problem; ValueError that says what is wrong with the problem."""

    def text(self, state: Any) -> str:
        """What the model is shown of a state: a prompt that ends where the next line begins."""

    def label(self, state: Any) -> str:
        """The state in a few characters, for people: in the Game of 24 the numbers left."""

    def step(self, state: Any, line: str) -> Any | Illegal:
        """The state after one line of model text (without its line end), or why it is illegal."""

    def is_terminal(self, state: Any) -> bool:
        """Whether no further step is possible."""

    def verdict(self, state: Any) -> Verdict:
        """The exact verifier's word on a state, terminal or not."""

    def key(self, state: Any) -> Hashable:
        """Equal keys are the same position."""

    def truth(self, state: Any) -> bool | None:
        """Whether a solution is still reachable, where the task can know it; None where it cannot."""

    def believe(self) -> Task:
        """The same task at the model's word, for blind searches: `step` takes what a line claims and checks nothing;
        `verdict` and `truth` stay exact. A task that checks no step is that already."""


class ReadableTask(Task, Protocol):
    """A task whose positions can be read back from their texts and enumerated, as data for critics need it."""

    def read(self, text: str) -> Any:
        """The position that a text from `text` shows; ValueError for any other text."""

    def children(self, state: Any) -> tuple[Any, ...]:
        """The positions one legal step further, each once; none at the end."""

    def shows(self, state: Any, positions: Container[Any]) -> bool:
        """Whether the text of a state shows one of some positions."""


class ListingTask(Task, Protocol):
    """A task that lists what its rules allow, so that a search may say nothing else."""

    def legal_lines(self, state: Any) -> tuple[str, ...]:
        """The lines that `step` accepts at a state, as solutions write them; none at the end."""


def follow(task: Task, state: Any, text: str) -> tuple[Any, Illegal | None]:
    """Apply the lines of a completion one by one: the last legal state, and what stopped it (None: nothing did).

    A line ends at a line feed and nowhere else, as in generation. Blank lines are passed over; lines behind a terminal
    state are still judged by `task.step`.
    """
    for line in text.split("\n"):
        if not line.strip():
            continue
        after = task.step(state, line)
        if isinstance(after, Illegal):
            return state, after
        state = after
    return state, None
