"""Countdown as a Task: numbers that must make a target of their own within the non-negative whole numbers.

It is the Game of 24 with two rules more, which a player of Countdown knows: no result on the way is negative or a
fraction, and, where the rules say so, numbers may be left over. Every prompt names its target. It does not know how
puzzles are drawn, held out or read from files, nor models.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from game24lab.tasks.notation import read_expression
from game24lab.tasks.numbers.arithmetic import (
    Check,
    ExpressionError,
    State,
    Step,
    compose,
    legal_steps,
    parse_expression,
    wholly_reachable,
)
from game24lab.tasks.numbers.expressions import check_answer
from game24lab.tasks.numbers.puzzles import TARGET, NumberProblem, read_problem, write_prompt
from game24lab.tasks.numbers.task import Game24, Position
from game24lab.tasks.numbers.whole_numbers import can_make
from game24lab.tasks.task import Illegal, Verdict


@dataclass(frozen=True, order=True)
class CountdownProblem(NumberProblem):
    """A problem with the rules of Countdown, by which its chains of thought are judged."""

    use_all: bool = True

    @property
    def prompt(self) -> str:
        """What a policy is shown before its first token; the target is always named."""
        return write_prompt(self.numbers, self.target, named=True)

    @property
    def alive(self) -> Callable[[State, int], bool]:
        """The solver that searches worth imitating ask: they use every number, even where some may be left over."""
        return wholly_reachable

    def place(self, state: State) -> Hashable:
        """A position as splits hold it out: with its target."""
        return state, self.target

    def using_all(self) -> CountdownProblem:
        """The problem where every number must be used."""
        return replace(self, use_all=True)

    def is_alive(self, state: State) -> bool:
        """Whether the target can still be made by these rules."""
        return can_make(state, self.target, self.use_all)

    def is_made(self, state: State) -> bool:
        """Whether the target is made, and nothing is left over that must be used."""
        return state == (self.target,) if self.use_all else self.target in state

    def forbids(self, step: Step) -> str:
        """Why a true move is not allowed, see `explain_step`."""
        return explain_step(step)

    def compose(self, steps: Sequence[Step]) -> str:
        """The expression that the moves of a whole game build; of moves that were not needed nothing is left in it."""
        if self.use_all or steps[-1].result != self.target:
            return super().compose(steps)
        return compose(*pick_steps(steps, self.target))

    def check(self, text: str, *, strict: bool = False) -> Check:
        """The word on an answer, see `check_countdown`."""
        return check_countdown(self.numbers, text, self.target, self.use_all, strict=strict)


@dataclass(frozen=True)
class Countdown(Game24):
    """Countdown with up to six numbers and any target from 1 on, which the problem carries."""

    name: str = "countdown"
    use_all: bool = True  # every number must be used; False: the game ends as soon as the target is made

    @property
    def ending(self) -> str:
        """What ends a game, for messages."""
        return "one number is left" if self.use_all else "the target is made, or one number is left"

    def start(self, problem: NumberProblem | Sequence[int]) -> Position:
        """The position before the first move.

        ValueError unless the problem is one to six positive integers with a target of at least 1.
        """
        problem = read_problem(problem)
        if problem.target < 1:
            raise ValueError(f"target of a Countdown must be an integer >= 1, got {problem.target}")
        return super().start(problem)

    def prompt(self, problem: NumberProblem | Sequence[int | Fraction], target: int = TARGET) -> str:
        """`Input: 3 7 25 50 Target: 81` and a line end; the target is always named."""
        numbers, target = (problem.numbers, problem.target) if isinstance(problem, NumberProblem) else (problem, target)
        return self.dress(write_prompt(numbers, target, named=True))

    def children(self, state: Position) -> tuple[Position, ...]:
        """The positions one move further, each once; none at the end."""
        if self.is_terminal(state):
            return ()
        return tuple(child for child in super().children(state) if not explain_step(child.steps[-1]))

    def legal_steps(self, state: Position) -> Iterable[tuple[Step, State]]:
        """All moves by these rules, each with the numbers behind it; none at the end."""
        moves = () if self.is_terminal(state) else legal_steps(state.left)
        return [(step, left) for step, left in moves if not explain_step(step)]

    def live_steps(self, state: Position) -> Iterable[tuple[Step, State]]:
        """The moves that keep the target reachable by these rules, each with the numbers behind it; none at the end."""
        return [(step, left) for step, left in self.legal_steps(state) if can_make(left, state.target, self.use_all)]

    def step(self, state: Position, line: str) -> Position | Illegal:
        """One move within the non-negative whole numbers, or an answer line once the game has ended."""
        after = super().step(state, line)
        if isinstance(after, Position) and len(after.steps) > len(state.steps):
            reason = explain_step(after.steps[-1])
            return Illegal(reason) if reason else after
        return after

    def _has_made(self, left: State, target: int) -> bool:
        return left == (target,) if self.use_all else target in left

    def is_over(self, left: State, target: int) -> bool:
        """Whether a game ends with these numbers left: with one of them, or with the target where any number of them
        may be left over."""
        return len(left) == 1 or self._has_made(left, target)

    def expression(self, state: Position) -> str:
        """What has been built: the whole expression at the end, the moves so far before it."""
        if self.use_all or not self._has_made(state.left, state.target):
            return super().expression(state)
        return compose(*pick_steps(state.steps, state.target))

    def verdict(self, state: Position) -> Verdict:
        """Exact: the state was computed move by move, so the numbers left decide."""
        if self.use_all or not self._has_made(state.left, state.target):
            return super().verdict(state)
        return Verdict(True, "solved", self.expression(state), f"makes {state.target}")

    def _answer(self, state: Position, expression: str) -> Position | Illegal:
        check = check_countdown(state.numbers, expression, state.target, self.use_all)
        if not check.accepted:
            return Illegal(f"answer line: {check.reason}")
        if not self._has_made(state.left, state.target):
            return Illegal(f"answer line, but the moves have left {self.label(state)}")
        return replace(state, answered=True)

    def key(self, state: Position) -> Hashable:
        """The numbers left and the target: the way in which they came about does not matter."""
        return state.left, state.target

    def shows(self, state: Position, positions: Container[Any]) -> bool:
        """Whether the text of a state shows one of some positions, which are pairs of numbers and target."""
        return (state.left, state.target) in positions

    def explain(self, state: Position) -> str:
        """Why the target can be made or can not, in a sentence without its full stop, proved by the exact solver."""
        target = state.target
        if self.is_terminal(state):
            made = self._has_made(state.left, target)
            return f"{target} is made" if made else f"{state.left[0]} is left, not {target}"
        if not self.truth(state):
            return (f"{target} is out of reach: the exact solver finds no way to make it of {self.label(state)} within "
                    "the non-negative whole numbers")  # fmt: skip
        at = self.start_at(state.left, target)
        while not self.is_terminal(at):
            step, left = next(iter(self.live_steps(at)))
            at = replace(at, steps=(*at.steps, step), left=left)
        return f"{target} is within reach: {self.expression(at)} = {target}"

    def truth(self, state: Position) -> bool:
        """Whether the target is still reachable by these rules, by the exact solver."""
        return can_make(state.left, state.target, self.use_all)


def explain_step(step: Step) -> str:
    """Why a true move is not allowed, "" where it stays within the non-negative whole numbers."""
    if step.result.denominator == 1 and step.result >= 0:
        return ""
    return (f"{step.left} {step.operator} {step.right} makes {step.result}: a result must be a whole number of at "
            "least 0")  # fmt: skip


def pick_steps(steps: Sequence[Step], target: int) -> tuple[list[Fraction], list[Step]]:
    """The numbers and steps that have made a target which is among the numbers left; others made something else."""
    needed, picked = [Fraction(target)], []
    for step in reversed(steps):
        if step.result in needed:
            needed.remove(step.result)
            needed += [step.left, step.right]
            picked.append(step)
    return sorted(needed), picked[::-1]


def check_countdown(
    numbers: Iterable[int], text: str, target: int, use_all: bool = True, *, strict: bool = False
) -> Check:
    """Judge an answer by the rules of Countdown, see `expressions.check_answer`. Never raises on text.

    The terms of a sum or a product may stand in any order: `5 - 8 + 10` is `10 + 5 - 8`, which never falls below 0.
    """
    check = check_answer(numbers, text, target, strict=strict, every=use_all)
    if not check.accepted:
        return check
    try:
        first, _, others = (text if strict else read_expression(text)).partition("=")
        turned = others and first.replace(" ", "") == str(target)  # 24 = (1 + 2 + 3) * 4
        parse_expression((others.partition("=")[0] if turned else first).strip(), signed=True, whole=True)
    except ExpressionError as error:
        return Check(False, str(error))
    return check
