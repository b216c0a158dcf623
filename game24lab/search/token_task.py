"""A task as a token-level MDP, for searches inside an answer: a state is the token ids of a partial answer.

A line of this task is a sequence of ids, written as numbers. Nothing is tokenised twice: ids come from the policy, go
back to it as they are (`prompt_of`), and become text only for the task's exact verifier, a reward or a critic. This
module does not know how a policy samples, nor how a search works.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from game24lab.runs.messages import condense
from game24lab.tasks.prompt import Prompt
from game24lab.tasks.task import Illegal, Task, Verdict, follow

LeafReward = Callable[[Sequence[Any], Sequence[str]], Sequence[float | None]]  # problems, answers; None: not applicable
_LABEL = 28  # characters of an answer's end that label a node


@dataclass(frozen=True)
class Continuation:
    """A partial answer: a state of the token-level MDP."""

    problem: Any
    prompt: tuple[int, ...]
    ids: tuple[int, ...] = ()  # of the answer, its end token included
    room: int = 0  # tokens of the whole answer at most


def write_ids(ids: Sequence[int]) -> str:
    """Ids as a line of this task: `464 465 201`."""
    return " ".join(map(str, ids))


@dataclass(frozen=True, eq=False)
class Continuations:
    """The token-level MDP of a task's answers in a policy's tokens; a `Task` for the engine.

    The policy must offer `encode`, `decode` and `card`, as all backends do.
    """

    task: Task
    policy: Any
    reward: LeafReward | None = None  # None: 1 for what the exact verifier accepts, else 0
    span: tuple[float, float] = (0.0, 1.0)  # rewards that become values -1 and 1; others are clipped
    honest: bool = False  # the reward reads the answer alone and does not know the right one

    def __post_init__(self) -> None:
        low, high = self.span
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"span must be two finite numbers, the lower first, such as (0.0, 1.0), got {self.span!r}")
        if self.honest and self.reward is None:
            raise ValueError("honest must be False without a reward, since the verifier knows the right answer")

    @property
    def name(self) -> str:
        """The task's own."""
        return self.task.name

    def believe(self) -> Continuations:
        """The same for the task at the model's word; itself where that is the task as it is."""
        believed = self.task.believe()
        return self if believed is self.task else replace(self, task=believed)

    @property
    def window(self) -> int | None:
        """Tokens that a prompt and its answer may have together; None: any number."""
        return self.policy.card.window

    def start(self, problem: Any) -> Continuation:
        """The empty answer. ValueError for a bad problem, and for one that fills the model's window."""
        prompt = self.policy.encode(self.task.text(self.task.start(problem)))
        room = math.inf if self.window is None else self.window - len(prompt)
        if room < 1:
            raise ValueError(f"problem {str(problem)[:60]!r}: its prompt of {len(prompt)} tokens fills the model's "
                             f"window of {self.window}")  # fmt: skip
        return Continuation(problem, prompt, (), room)

    def prompt_of(self, state: Continuation) -> Prompt:
        """The tokens that the policy continues."""
        room = state.room - len(state.ids)
        return Prompt(state.prompt + state.ids, len(state.ids), None if room == math.inf else room)

    def read(self, state: Continuation) -> str:
        """The answer so far, as text."""
        return self.policy.decode([state.ids])[0]

    def spell(self, ids: Sequence[int]) -> list[str]:
        """The text of each token alone, for people; parts of one character may look strange."""
        return self.policy.decode([[token] for token in ids])

    def show(self, lines: Sequence[str]) -> list[str]:
        """The text of lines of ids, for people: on one line, cut short."""
        texts = self.policy.decode([[int(word) for word in line.split()] for line in lines])
        return [text[:_LABEL].replace("\n", "⏎") for text in texts]

    def text(self, state: Continuation) -> str:
        """What a critic reads: the position after the whole lines, as the task shows it, and the unfinished line.

        After an illegal line there is no position: the prompt and the answer as they are.
        """
        begin, answer = self.task.start(state.problem), self.read(state)
        whole, end, tail = answer.rpartition("\n")
        now, stopped = follow(self.task, begin, whole)
        return self.task.text(begin) + answer if stopped else self.task.text(now) + (tail if end else answer)

    def is_lost(self, state: Continuation) -> bool:
        """Whether a whole line of the answer is illegal."""
        whole = self.read(state) + "\n" * self.has_ended(state)
        return follow(self.task, self.task.start(state.problem), whole.rpartition("\n")[0])[1] is not None

    def label(self, state: Continuation) -> str:
        """How the answer ends, in one line."""
        text = self.read(state).replace("\n", "⏎")
        return text if len(text) <= _LABEL else f"…{text[-_LABEL:]}"

    def step(self, state: Continuation, line: str) -> Continuation | Illegal:
        """The answer with some more tokens."""
        words = line.split(" ")
        if self.is_terminal(state):
            return Illegal("the answer has ended")
        if not all(word.isascii() and word.isdigit() for word in words):
            return Illegal("a line of this world is token ids")
        return Continuation(state.problem, state.prompt, (*state.ids, *map(int, words)), state.room)

    def has_ended(self, state: Continuation) -> bool:
        """Whether the policy ended the answer by itself."""
        return bool(state.ids) and state.ids[-1] in self.policy.card.ends

    def ends_line(self, state: Continuation) -> bool:
        """Whether the next token begins a line."""
        return not state.ids or state.ids[-1] in self.policy.line_ends

    def is_terminal(self, state: Continuation) -> bool:
        """Whether the answer has ended, or has no room left."""
        return self.has_ended(state) or len(state.ids) >= state.room

    def verdict(self, state: Continuation) -> Verdict:
        """The task's verdict on the text; an answer that was cut off within a line is unfinished, not illegal."""
        now = self.task.start(state.problem)
        lines = [line for line in self.read(state).splitlines() if line.strip()]
        for number, line in enumerate(lines, 1):
            after = self.task.step(now, line)
            if isinstance(after, Illegal):
                cut = number == len(lines) and not self.has_ended(state)
                return Verdict(False, "unfinished" if cut else "illegal", "", after.reason)
            now = after
        return self.task.verdict(now)

    def key(self, state: Continuation) -> Hashable:
        """The tokens."""
        return state.prompt, state.ids

    def truth(self, state: Continuation) -> bool | None:
        """Whether an answer is right, once it is there."""
        return self.verdict(state).solved if self.is_terminal(state) else None

    def value_answers(self, states: Sequence[Continuation]) -> list[float]:
        """The values of answers in [-1, 1]: their rewards scaled by `span`, or the verdict without a reward.

        ValueError that names the reward where it raises, or does not return one finite number or None an answer.
        """
        if self.reward is None:
            return [1.0 if self.verdict(state).solved else -1.0 for state in states]
        name, (low, high) = getattr(self.reward, "__name__", "reward"), self.span
        texts = [self.read(state) for state in states]
        try:
            found = list(self.reward([state.problem for state in states], texts))
        except Exception as error:
            reason = condense(str(error).strip() or "no reason given", 200)
            raise ValueError(f"reward {name!r} raised {type(error).__name__}: {reason}") from error
        if len(found) != len(states):
            raise ValueError(f"reward {name!r} must return {len(states)} numbers, one an answer, got {len(found)}")
        for reward in found:
            number = reward is None or (isinstance(reward, int | float) and math.isfinite(reward))
            if not number:
                raise ValueError(f"reward {name!r} must return finite numbers or None, got {reward!r}")
        clipped = [low if reward is None else min(max(float(reward), low), high) for reward in found]
        return [2 * (reward - low) / (high - low) - 1 for reward in clipped]


def add_up(
    functions: Sequence[Callable[..., Sequence[float | None]]], weights: Sequence[float],
    columns: Callable[[Any], Mapping[str, Any]] = lambda problem: {},
) -> LeafReward:  # fmt: skip
    """One reward from several as TRL calls them, `function(completions=..., **columns)`, by their weights.

    columns: a problem's columns besides its prompt, such as `{"numbers": [4, 5, 6, 10]}`. An answer to which no
    function applies gets None. ValueError for another number of weights than of functions, and for a function that
    raises or returns another number of rewards, with its name.
    """
    if not functions or len(functions) != len(weights):
        raise ValueError(f"rewards must have a weight each, got {len(functions)} functions and {len(weights)} weights")

    def weighed(problems: Sequence[Any], texts: Sequence[str]) -> list[float | None]:
        rows = [columns(problem) for problem in problems]
        table = {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}
        found = []
        for function, weight in zip(functions, weights, strict=True):
            name = getattr(function, "__name__", "reward")
            try:
                values = list(function(completions=list(texts), **table))
            except Exception as error:
                raise ValueError(f"{name!r} raised {type(error).__name__}: {error}") from error
            if len(values) != len(texts):
                raise ValueError(f"{name!r} must return {len(texts)} numbers, one an answer, got {len(values)}")
            found.append([None if value is None else weight * value for value in values])
        sums = [[value for value in parts if value is not None] for parts in zip(*found, strict=True)]
        return [math.fsum(parts) if parts else None for parts in sums]

    weighed.__name__ = " + ".join(getattr(function, "__name__", "reward") for function in functions)
    return weighed
