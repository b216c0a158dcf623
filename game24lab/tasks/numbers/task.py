"""The Game of 24 as a Task: numbers to positions, model lines to moves, positions to verdicts.

It knows the rules and the prompt. It does not know of models, search, splits or files. A model's answer expression is
not needed: the exact one is composed from the checked moves; where a foreign checkpoint writes one, it is checked too.
"""

from __future__ import annotations

import re
from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from game24lab.tasks.numbers.arithmetic import (
    State,
    Step,
    alive_steps,
    compose,
    legal_steps,
    make_state,
    reachable,
    write_step,
)
from game24lab.tasks.numbers.belief import Believing
from game24lab.tasks.numbers.explanations import explain
from game24lab.tasks.numbers.expressions import check_answer
from game24lab.tasks.numbers.prompts import PUZZLE
from game24lab.tasks.numbers.puzzles import TARGET, NumberProblem, read_problem, write_prompt
from game24lab.tasks.numbers.steps import find_answer, judge_line, write_line, write_solution
from game24lab.tasks.task import Illegal, Verdict, follow

_NUMBER = re.compile(r"(?:0|-?[1-9][0-9]{0,39})(?:/[1-9][0-9]{0,39})?")
_TARGET = re.compile(r" Target: (-?[0-9]{1,6})(?![0-9])")
_LONGEST = 4000  # characters of a text that is read back


@dataclass(frozen=True)
class Position:
    """Where a game stands: the numbers it began with, the moves made, the numbers left."""

    numbers: State  # it began with: whole ones, unless it was read from a text
    steps: tuple[Step, ...]
    left: State
    answered: bool = False  # an answer line has closed the game
    target: int = TARGET


@dataclass(frozen=True)
class Game24:
    """The Game of 24 with up to six numbers and any target, which the problem carries."""

    context: str = "position"  # the model sees the numbers left ("position") or all lines so far ("history")
    preamble: str = ""  # a text before the numbers, or around them where it holds {puzzle}; {target} is filled in
    name: str = "game24"

    def __post_init__(self) -> None:
        if self.context not in ("position", "history"):
            raise ValueError(f"context must be 'position' or 'history', got {self.context!r}")

    def start(self, problem: NumberProblem | Sequence[int]) -> Position:
        """The position before the first move; numbers alone must make 24.

        ValueError unless the problem is one to six positive integers.
        """
        problem = read_problem(problem)
        return Position(problem.numbers, (), make_state(problem.numbers), target=problem.target)

    def start_at(self, numbers: State, target: int = TARGET) -> Position:
        """The position before the first move of a game that begins at any numbers, fractions too."""
        return Position(numbers, (), numbers, target=target)

    def believe(self) -> Believing:
        """The same game at the model's word."""
        return Believing(self)

    def prompt(self, problem: NumberProblem | Sequence[int | Fraction], target: int = TARGET) -> str:
        """`Input: 4 5 6 10` and a line end; another target than 24 is named."""
        numbers, target = (problem.numbers, problem.target) if isinstance(problem, NumberProblem) else (problem, target)
        return self.dress(write_prompt(numbers, target, named=target != TARGET))

    def dress(self, text: str) -> str:
        """A text that begins with a puzzle's line, as a model is shown it: behind the preamble, or within it."""
        if not self.preamble:
            return text
        head, _, lines = text.partition("\n")
        front, behind = self._write_preamble(_find_target(head))
        return f"{front}{head}{behind}{lines}"

    def undress(self, text: str) -> str:
        """The text that `dress` has dressed; ValueError for any other."""
        if not self.preamble:
            return text
        for target in dict.fromkeys((TARGET, *map(int, _TARGET.findall(text[:_LONGEST])))):
            front, behind = self._write_preamble(target)
            head, found, lines = text.removeprefix(front).partition(behind)
            if text.startswith(front) and found and _find_target(head) == target:
                return f"{head}\n{lines}"
        raise ValueError(f"text must show a puzzle as {self.dress('Input: 4 5 6 10')[:60]!r} does, got {text[:60]!r}")

    def _write_preamble(self, target: int) -> tuple[str, str]:
        """What stands before a puzzle's line and behind it."""
        front, puzzle, behind = self.preamble.replace("{target}", str(target)).partition(PUZZLE)
        return front, behind if puzzle else "\n"

    def text(self, state: Position) -> str:
        """The prompt for the next line; equal keys give equal texts where `context` is "position"."""
        if self.context == "position":
            return self.prompt(state.left, state.target)
        lines = write_solution(state.numbers, state.steps)
        return self.prompt(state.numbers, state.target) + "".join(line + "\n" for line in lines)

    def read(self, text: str) -> Position:
        """The position that a text from `text` shows, equal to the one shown in `key` and `truth`.

        Where the text shows the numbers left alone, the moves before are not in it: a game that begins there, with
        fractions where there are some. ValueError for any other text.
        """
        head, _, lines = self.undress(text).partition("\n")
        target = _find_target(head)
        words = head.removeprefix("Input: ").partition(" Target: ")[0].split(" ")
        position: Position | Illegal = Illegal("numbers are missing")
        if len(text) <= _LONGEST and all(_NUMBER.fullmatch(word) for word in words):
            if self.context == "position":
                position = self.start_at(make_state(words), target)
            elif "/" not in head:
                problem = read_problem([int(word) for word in words], target)
                position, _ = follow(self, self.start(problem), lines)
        if isinstance(position, Illegal) or self.text(position) != text:
            raise ValueError(f"text must show a position of this game, such as {self.prompt((4, 5, 6, 10))!r}, got "
                             f"{text[:60]!r}")  # fmt: skip
        return position

    def legal_lines(self, state: Position) -> tuple[str, ...]:
        """The lines of all moves, as solutions write them: terms of + and * stand in both orders. None at the end."""
        return tuple(write_line(said, left) for step, left in self.legal_steps(state) for said in _turn(step))

    def legal_steps(self, state: Position) -> Iterable[tuple[Step, State]]:
        """All moves, each with the numbers behind it; none at the end."""
        return legal_steps(state.left)

    def children(self, state: Position) -> tuple[Position, ...]:
        """The positions one move further, each once; none at the end."""
        moves: dict[State, Step] = {}
        for step, left in legal_steps(state.left):
            moves.setdefault(left, step)
        return tuple(replace(state, steps=(*state.steps, step), left=left) for left, step in moves.items())

    def live_steps(self, state: Position) -> Iterable[tuple[Step, State]]:
        """The moves that keep the target reachable, each with the numbers behind it."""
        return alive_steps(state.left, state.target)

    def live_lines(self, state: Position) -> tuple[tuple[str, Position], ...]:
        """The lines, as solutions write them, that keep the target reachable, each with the position behind it.

        Terms of + and * stand in both orders; `step` accepts other spellings besides, such as numbers left in another
        order. None at the end.
        """
        return tuple((write_line(said, left), replace(state, steps=(*state.steps, said), left=left))
                     for step, left in self.live_steps(state) for said in _turn(step))  # fmt: skip

    def spell(self, state: Position, line: str) -> tuple[str, ...]:
        """The lines, as solutions write them, that make the move of a line: terms of + and * stand in both orders.

        The line itself where it is no move.
        """
        judged = judge_line(state.left, line)
        return (line,) if isinstance(judged, str) else tuple(write_line(said, judged[1]) for said in _turn(judged[0]))

    def label(self, state: Position) -> str:
        """The numbers left."""
        return " ".join(map(str, state.left))

    def expression(self, state: Position) -> str:
        """What has been built: the whole expression at the end, the moves so far before it."""
        if len(state.left) == 1:
            return compose(state.numbers, state.steps)
        return ", ".join(map(write_step, state.steps))

    def calculation(self, state: Position) -> Hashable:
        """Equal for answers that are one calculation: the order of moves and of the terms of + and * is no matter."""
        moves = []
        for move in state.steps:
            terms = (move.left, move.right)
            moves.append((move.operator, *(sorted(terms) if move.operator in "+*" else terms)))
        return tuple(sorted(moves))

    def step(self, state: Position, line: str) -> Position | Illegal:
        """One move, or an answer line such as `The answer is (12 / 3 + 2) * 4 = 24` once one number is left."""
        line = line.strip()
        if state.answered:
            return Illegal("the game has ended: the answer has been given")
        if (answer := find_answer(line)) is not None:
            return self._answer(state, answer)
        if self.is_over(state.left, state.target):
            return Illegal(f"the game has ended: {self.ending}")
        judged = judge_line(state.left, line)
        if isinstance(judged, str):
            return Illegal(judged)
        move, left = judged
        return replace(state, steps=(*state.steps, move), left=left)

    def _answer(self, state: Position, expression: str) -> Position | Illegal:
        check = check_answer(state.numbers, expression, state.target)
        if not check.accepted:
            return Illegal(f"answer line: {check.reason}")
        if state.left != (Fraction(state.target),):
            return Illegal(f"answer line, but the moves have left {self.label(state)}")
        return replace(state, answered=True)

    @property
    def ending(self) -> str:
        """What ends a game, for messages."""
        return "one number is left"

    def is_over(self, left: State, target: int) -> bool:
        """Whether a game ends with these numbers left: with one of them."""
        return len(left) == 1

    def is_terminal(self, state: Position) -> bool:
        """Whether no further move is possible."""
        return self.is_over(state.left, state.target)

    def verdict(self, state: Position) -> Verdict:
        """Exact: the state was computed move by move, so the last number decides."""
        if len(state.left) > 1:
            return Verdict(False, "unfinished", "", f"{len(state.left)} numbers are left")
        solved = state.left[0] == state.target
        reason = f"makes {state.left[0]}" + ("" if solved else f", not {state.target}")
        return Verdict(solved, "solved" if solved else "wrong value", compose(state.numbers, state.steps), reason)

    def key(self, state: Position) -> Hashable:
        """The numbers left, and another target than 24: the way in which they came about does not matter."""
        return state.left if state.target == TARGET else (state.left, state.target)

    def shows(self, state: Position, positions: Container[State]) -> bool:
        """Whether the text of a state shows one of some positions."""
        return state.left in positions

    def truth(self, state: Position) -> bool:
        """Whether the target is still reachable, by the exact solver."""
        return reachable(state.left, state.target)

    def explain(self, state: Position) -> str:
        """Why the target can be made of the numbers left, or can not: a sentence without its full stop."""
        return explain(state.left, state.target)


def _find_target(line: str) -> int:
    """The target that a puzzle's line names, at its end."""
    named = _TARGET.findall(line)
    return int(named[-1]) if named else TARGET


def _turn(step: Step) -> tuple[Step, ...]:
    """The step, and with its terms in the other order where that makes another one of the same result."""
    turned = Step(step.right, step.operator, step.left, step.result)
    return tuple(dict.fromkeys((step, turned) if step.operator in "+*" else (step,)))
