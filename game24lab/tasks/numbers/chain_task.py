"""The Game of 24 answered in chains of thought, as a Task: any text line by line, judged whole by the judge of chains.

A chain may hold wrong lines and dead ends and still solve its puzzle; what counts is the expression of its answer. This
module does not know of models, tokens or search, nor how chains are made.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from game24lab.tasks.numbers.arithmetic import make_state, reachable
from game24lab.tasks.numbers.chains import Judgement, judge_chain
from game24lab.tasks.numbers.puzzles import TARGET, NumberProblem, read_problem
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import Illegal, Verdict

_LONGEST_LINE = 2_000  # characters
_CLOSE = "</answer>"
_ANSWERS = ("answer", "expression:")  # what a line holds that may be an answer, or begin one on the next line


@dataclass(frozen=True)
class Chain:
    """How far a chain has come."""

    numbers: tuple[int, ...]
    lines: tuple[str, ...] = ()
    finished: bool = False  # an answer line has been given
    target: int = TARGET

    @property
    def text(self) -> str:
        """The lines as they were written, each with its end."""
        return "".join(line + "\n" for line in self.lines)


@dataclass(frozen=True)
class Chains24:
    """Chains of thought on the Game of 24, with any target, which the problem carries."""

    name: str = "chains24"

    def believe(self) -> Chains24:
        """Itself: a chain is taken as it was written, and only its answer is judged."""
        return self

    def prompt(self, problem: NumberProblem | Sequence[int]) -> str:
        """As the Game of 24 has it."""
        return Game24().prompt(problem)

    def start(self, problem: NumberProblem | Sequence[int]) -> Chain:
        """The empty chain. ValueError unless the problem is one to six positive integers."""
        problem = read_problem(problem)
        return Chain(problem.numbers, target=problem.target)

    def text(self, state: Chain) -> str:
        """The prompt and the lines so far."""
        return Game24().prompt(state.numbers, state.target) + state.text

    def label(self, state: Chain) -> str:
        """The last line, cut."""
        return state.lines[-1][:40] if state.lines else " ".join(map(str, state.numbers))

    def step(self, state: Chain, line: str) -> Chain | Illegal:
        """The chain with one more line: any text of bounded length, until an answer line has been given."""
        if state.finished and line.strip() != _CLOSE:
            return Illegal("the answer has been given")
        if len(line) > _LONGEST_LINE:
            return Illegal(f"a line of {len(line)} characters: at most {_LONGEST_LINE} are read")
        after = replace(state, lines=(*state.lines, line))
        # judged only where it may be an answer: a judgement reads the whole chain
        before = next((said for said in reversed(state.lines) if said.strip()), "")
        if state.finished or not any(mark in f"{before} {line}".lower() for mark in _ANSWERS):
            return after
        return replace(after, finished=self._judge(after).finished)

    def _judge(self, state: Chain) -> Judgement:
        return judge_chain(NumberProblem(state.numbers, state.target), state.text)

    def is_terminal(self, state: Chain) -> bool:
        """Whether an answer line has been given."""
        return state.finished

    def verdict(self, state: Chain) -> Verdict:
        """Exact: the expression of the answer line makes the target of exactly these numbers, or not."""
        judged = self._judge(state)
        if not judged.finished:
            return Verdict(False, "unfinished", "", "no answer line")
        reason = f"{judged.answer}: {judged.outcome}"
        return Verdict(judged.solved, "solved" if judged.solved else "wrong value", judged.answer, reason)

    def key(self, state: Chain) -> Hashable:
        """Numbers and lines: what was written before decides what comes next."""
        return state.numbers, state.lines, state.target

    def truth(self, state: Chain) -> bool | None:
        """Whether the answer is right, once it is given; before, whether the puzzle can be solved at all."""
        return self.verdict(state).solved if state.finished else reachable(make_state(state.numbers), state.target)
