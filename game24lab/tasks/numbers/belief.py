"""A number game that believes the model: a line is taken as it was said, the position behind it is the one it claims.

This is the world of a *blind* search, as TS-LLM (Wan et al. 2024) and ReSCALE play it: nobody checks a calculation, a
number used or the numbers left until the search has committed to an answer. The exact judge is asked for `verdict`,
`truth` and `find_fault` only. It does not know how a search uses a world, nor what a critic thinks of a chain.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from game24lab.tasks.numbers.arithmetic import State, apply
from game24lab.tasks.numbers.steps import find_answer, judge_line, read_line
from game24lab.tasks.task import Illegal, Verdict

# What a false line can be, from the first thing looked at to the last.
FAULTS = ("invented number", "reused number", "division by zero", "calculation", "left list", "rule", "answer",
          "wrong value")  # "rule": a true line that the game does not allow


@dataclass(frozen=True)
class Chain:
    """Lines as they were said, and what the last one claims to have left."""

    numbers: State  # of the problem
    lines: tuple[str, ...] = ()
    claims: tuple[tuple, ...] = ()  # of each line: left, operator, right, result, as said
    left: State = ()  # claimed, sorted
    answered: bool = False  # an answer line has closed the game
    target: int = 24


@dataclass(frozen=True)
class Fault:
    """The first false line of a chain, or a true chain that ends at another number."""

    line: int  # counted from 0; -1 where it is the end that is wrong
    kind: str  # one of FAULTS
    reason: str


@dataclass(frozen=True)
class Believing:
    """The same game at the model's word; a `Task`.

    The critic reads the whole chain (`text`), which alone can show a false step. The policy reads what the game's
    context says: the numbers claimed to be left ("position"), or the whole chain ("history").
    """

    task: Any  # the game with its rules: `tasks.numbers.task.Game24`

    @property
    def name(self) -> str:
        """The game's own."""
        return self.task.name

    def believe(self) -> Believing:
        """Itself."""
        return self

    def start(self, problem: Sequence[int]) -> Chain:
        """The chain before its first line. ValueError for a bad problem."""
        root = self.task.start(problem)
        return Chain(root.left, left=root.left, target=root.target)

    def text(self, state: Chain) -> str:
        """The problem and all lines as they were said: what a critic reads."""
        return self.task.prompt(state.numbers, state.target) + "".join(line + "\n" for line in state.lines)

    def prompt_of(self, state: Chain) -> str:
        """What the policy goes on from."""
        return self.task.prompt(state.left, state.target) if self.task.context == "position" else self.text(state)

    def read(self, text: str) -> Chain:
        """The chain that a text from `text` shows, its first position with fractions where there are some.

        ValueError for any other text.
        """
        head, end, rest = self.task.undress(text).partition("\n")
        lines = rest.split("\n")
        if not end or lines.pop():
            raise ValueError(f"text {text[:60]!r}: the problem and lines must each end with a line end")
        root = self.task.read(self.task.dress(head + end))
        state: Chain | Illegal = Chain(root.left, left=root.left, target=root.target)
        for line in lines:
            state = self.step(state, line)
            if isinstance(state, Illegal):
                raise ValueError(f"text {text[:60]!r}: the line {line[:60]!r} cannot be read: {state.reason}")
        return state

    def label(self, state: Chain) -> str:
        """The numbers claimed to be left."""
        return " ".join(map(str, state.left))

    def expression(self, state: Chain) -> str:
        """The calculations as they were said."""
        return ", ".join(f"{left} {operator} {right} = {result}" for left, operator, right, result in state.claims)

    def calculation(self, state: Chain) -> Hashable:
        """Equal for chains that claim the same calculations in whatever order, terms of + and * exchanged or not."""
        claims = []
        for left, operator, right, result in state.claims:
            terms = tuple(sorted((left, right))) if operator in "+*" else (left, right)
            claims.append((operator, *terms, result))
        return tuple(sorted(claims))

    def step(self, state: Chain, line: str) -> Chain | Illegal:
        """One more line, false or true; illegal is what cannot be read, and a line behind the end.

        A line has to claim the numbers left: where it does not, nothing is known of the position behind it. A chain has
        at most as many lines as the problem has numbers (TS-LLM: `max_length` 4), so that claims which never come to
        an end do.
        """
        line = line.strip()
        if self.is_terminal(state):
            if not state.answered and find_answer(line) is not None:
                return replace(state, lines=(*state.lines, line), answered=True)
            return Illegal(f"the game has ended: {self.task.ending}")
        if find_answer(line) is not None:
            return replace(state, lines=(*state.lines, line), answered=True)
        claim = read_line(line)
        if isinstance(claim, str):
            return Illegal(f"cannot be read: {claim}")
        if claim.after is None:
            return Illegal("cannot be read: the line does not say which numbers are left, `(left: ...)`")
        if len(state.lines) >= len(state.numbers):
            return Illegal(f"a chain of more than {len(state.numbers)} lines")
        said = (claim.left, claim.operator, claim.right, claim.result)
        return replace(state, lines=(*state.lines, line), claims=(*state.claims, said), left=claim.after)

    def is_terminal(self, state: Chain) -> bool:
        """Whether the numbers claimed to be left end the game, or an answer has been given."""
        return state.answered or self.task.is_over(state.left, state.target)

    def key(self, state: Chain) -> Hashable:
        """What was claimed of which target: chains that differ in the order of the same calculations are one position.

        Equal numbers left are not enough: one of two chains to them may be false.
        """
        return self.calculation(state), state.left, state.target, state.lines[-1] if state.answered else ""

    def shows(self, state: Chain, positions: Container[State]) -> bool:
        """Whether the text of a chain shows one of some positions, as one that was claimed."""
        claimed = (claim.after for line in state.lines if not isinstance(claim := read_line(line), str))
        shown = (self.task.start_at(left, state.target) for left in (state.numbers, *claimed) if left is not None)
        return any(self.task.shows(one, positions) for one in shown)

    # ------------------------------------------------------------------------------------ the judge, asked afterwards
    def _replay(self, state: Chain) -> tuple[Any, Fault | None]:
        """The true position behind a chain, or the last one before its first false line, and that line."""
        after = self.task.start_at(state.numbers, state.target)
        for number, line in enumerate(state.lines):
            step = self.task.step(after, line)
            if isinstance(step, Illegal):
                return after, Fault(number, self._name_fault(state, number, after.left), step.reason)
            after = step
        return after, None

    def _name_fault(self, state: Chain, number: int, left: State) -> str:
        if number >= len(state.claims):
            return "answer"
        a, operator, b, result = state.claims[number]
        rest = list(left)
        met = {*state.numbers, *(claim[3] for claim in state.claims[:number])}
        for operand in (a, b):
            if operand not in rest:
                return "reused number" if operand in met else "invented number"
            rest.remove(operand)
        true = apply(a, operator, b)
        if true is None:
            return "division by zero"
        if true != result:
            return "calculation"
        judged = judge_line(left, state.lines[number])
        return "left list" if isinstance(judged, str) else "rule"

    def find_fault(self, state: Chain) -> Fault | None:
        """The first false line of a chain, or its wrong end; None for a right answer and a true chain without end."""
        after, fault = self._replay(state)
        if fault is None and self.is_terminal(state):
            verdict = self.task.verdict(after)
            if not verdict.solved:
                return Fault(-1, "wrong value", verdict.reason)
        return fault

    def name_end(self, state: Chain) -> str:
        """ "right", one of FAULTS, or "unfinished" for a true chain without an end."""
        fault = self.find_fault(state)
        if fault is not None:
            return fault.kind
        return "right" if self.is_terminal(state) else "unfinished"

    def verdict(self, state: Chain) -> Verdict:
        """Exact: every line is judged by the rules; "illegal" and the reason where one is false."""
        after, fault = self._replay(state)
        if fault is not None:
            reason = f"line {fault.line + 1} ({fault.kind}): {fault.reason}"
            return Verdict(False, "illegal", self.expression(state), reason)
        return self.task.verdict(after)

    def truth(self, state: Chain) -> bool:
        """Whether all lines are true and the target is still reachable, by the exact solver."""
        after, fault = self._replay(state)
        return fault is None and self.task.truth(after)

    def explain(self, state: Chain) -> str:
        """Which line is false, or whether the target can be made of what true lines have left."""
        after, fault = self._replay(state)
        if fault is None:
            return self.task.explain(after)
        return f"line {fault.line + 1} is false ({fault.kind}): {fault.reason}"
