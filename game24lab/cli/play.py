"""Play a number game in lines of text: a person makes moves, the exact solver judges each, and a model races along.

How lines are read and written is an argument, as are the model's search and the clock. A line is read as a move or as a
whole answer, and never evaluated. It does not know what a terminal is, nor where a model comes from.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

from game24lab.runs.messages import condense
from game24lab.search.modes import open_world
from game24lab.search.requests import Outcome
from game24lab.tasks.environment import Environment
from game24lab.tasks.numbers.arithmetic import (
    SIGNS,
    ExpressionError,
    Step,
    apply,
    parse_expression,
    remove,
    wholly_reachable,
    write_step,
)
from game24lab.tasks.numbers.puzzles import NumberProblem, read_problem
from game24lab.tasks.numbers.task import Position
from game24lab.tasks.task import Illegal
from game24lab.views.tree.text import write_text

Read = Callable[[str], str]  # shows a prompt and returns the line typed; EOFError at the end of input
Write = Callable[..., None]  # a line and, if it has one, its colour
Search = Callable[[NumberProblem], tuple[Outcome, float]]  # what a model found, with its tree, and in how many seconds

WORDS = "hint, undo, give up (shows a solution), quit"
_N = r"-?[0-9]{1,12}(?:/[0-9]{1,12})?"
_MOVE = re.compile(rf"\s*({_N})\s*([-+*/])\s*({_N})\s*(?:=\s*({_N})\s*)?(?:\(left:[^()]*\)\s*)?")
_LONGEST = 300  # characters of a line that is read
_QUIT, _GIVE_UP = ("quit", "q", "exit"), ("give up", "giveup", "g")


@dataclass(frozen=True)
class Game:
    """How a game ended for the person, and for the model where it was waited for."""

    problem: NumberProblem
    end: str  # "solved", "gave up" or "quit"
    answer: str  # the person's, "" where there is none
    seconds: float
    hints: int
    outcome: Outcome | None


def deal(problems: Sequence[Any], seed: int | None = None) -> Iterator[NumberProblem]:
    """Problems in a random order, for ever."""
    rng = random.Random(seed)
    while True:
        yield from map(read_problem, rng.sample(problems, len(problems)))


def play_games(
    world: Environment, problems: Iterable[NumberProblem], search: Search, *, read: Read, write: Write,
    clock: Callable[[], float] = time.monotonic,
) -> list[Game]:  # fmt: skip
    """One game after the other until somebody quits or the problems end; the games.

    The end of input and an interrupt are a way to quit. ValueError for a problem that has no solution.
    """
    games: list[Game] = []
    for problem in problems:
        games.append(play_game(world, problem, search, read=read, write=write, clock=clock))
        if games[-1].end == "quit":
            break
        write()
    won = sum(game.end == "solved" for game in games)
    models = sum(game.outcome is not None and game.outcome.solved for game in games)
    write(f"{len(games)} {'game' if len(games) == 1 else 'games'}: you solved {won}, the model {models}")
    return games


def play_game(
    world: Environment, problem: NumberProblem, search: Search, *, read: Read, write: Write,
    clock: Callable[[], float] = time.monotonic,
) -> Game:  # fmt: skip
    """One game by the rules of a number game's environment. The model searches from the first moment on; its answer and
    its tree are shown when the person's game has ended."""
    task: Any = world.task
    positions, hints = [task.start(problem)], 0
    if not task.truth(positions[0]):
        raise ValueError(f"puzzle {problem}: it has no solution, so there is nothing to race for")
    numbers = " ".join(map(str, problem.numbers))
    write(f"Make {problem.target} of {numbers}, each number once{'' if needs_all(task) else ' at most'}.", "bold")
    write(f"A line is a move, such as {_suggest(positions[0])}, or a whole answer; or: {WORDS}.", "faint")
    opponent, begin, told = _Opponent(search, problem), clock(), False
    end = answer = ""
    while not end:
        if opponent.done and not told:
            told = True
            write("(the model has an end; its answer comes with yours)", "faint")
        try:
            line = read(f"[{task.label(positions[-1])}] ").strip()
        except (EOFError, KeyboardInterrupt):
            write()
            line = "quit"
        word = " ".join(line.lower().split())
        if word in _QUIT:
            end = "quit"
        elif word in _GIVE_UP:
            end = "gave up"
        elif word == "undo":
            write("back" if positions[1:] else "there is no move to take back")
            positions[1:] = positions[1:-1]
        elif word in ("hint", "h", "?"):
            hints += 1
            write(_hint(task, positions[-1]), "blue")
        elif line:
            answer = _answer(world, problem, line)
            if not answer:
                _move(world, problem, positions, line, write)
                verdict = task.verdict(positions[-1])
                answer = verdict.answer if verdict.solved else ""
            end = "solved" if answer else ""
    seconds = clock() - begin
    if end == "solved":
        helped = f", with {hints} {'hint' if hints == 1 else 'hints'}" if hints else ""
        write(f"{problem.target}! {answer}, in {seconds:.1f} s{helped}", "green")
    elif end == "gave up":
        write(f"a solution: {', '.join(map(_write_clearly, _solve(task, positions[0])))}", "yellow")
    outcome = None if end == "quit" else _show_model(task, problem, opponent, write)
    if not opponent.done:
        write("(the model comes to an end)", "faint")
    opponent.wait()
    return Game(problem, end, answer, seconds, hints, outcome)


class _Opponent:
    """A model at work in a thread of its own."""

    def __init__(self, search: Search, problem: NumberProblem) -> None:
        self.found: tuple[Outcome, float] | None = None
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._work, args=(search, problem), daemon=True)
        self._thread.start()

    def _work(self, search: Search, problem: NumberProblem) -> None:
        try:
            self.found = search(problem)
        except Exception as error:
            self.error = error

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Until it is done: a process that ends under a model's feet may crash. Its error is raised here."""
        self._thread.join()
        if self.error is not None:
            raise self.error


def _show_model(task: Any, problem: NumberProblem, opponent: _Opponent, write: Write) -> Outcome:
    if not opponent.done:
        write("(waiting for the model)", "faint")
    opponent.wait()
    outcome, seconds = opponent.found
    cost = f"{seconds:.1f} s, {outcome.cost.sampled_tokens:,} sampled tokens"
    if outcome.solved:
        write(f"the model: {outcome.answer} = {problem.target}, in {cost}", "green")
    else:
        write(f"the model: not solved ({outcome.outcome}), {cost}", "red")
    if outcome.tree is not None:
        world = open_world(task, outcome.mode)
        tree = outcome.tree.annotate(world, world.start(problem))
        write(f"its tree, of {len(tree)} nodes (● the line it chose, ★ solved, dead: {problem.target} is out of "
              "reach):")  # fmt: skip
        for line in write_text(tree):
            write(line, "" if line.startswith("●") else "faint")
    return outcome


def needs_all(task: Any) -> bool:
    """Whether a game's rules ask for every number; in the Game of 24 they do."""
    return getattr(task, "use_all", True)


def _answer(world: Environment, problem: NumberProblem, line: str) -> str:
    """The expression of a line that is a right answer as a whole, else ""."""
    text = condense(line.partition("=")[0], _LONGEST)
    return text if world.know(problem).check(line[:_LONGEST]).accepted else ""


def _move(
    world: Environment, problem: NumberProblem, positions: list[Position], line: str, write: Write
) -> None:  # fmt: skip
    """Make the move of a line, and say what can still be reached; or say in one line why it is none."""
    state, task = positions[-1], cast(Any, world.task)
    step = _read_move(state, line, lambda text: world.know(problem).check(text).reason)
    if isinstance(step, str):
        write(step, "yellow")
        return
    after = task.step(state, write_step(step))
    if isinstance(after, Illegal):
        write(after.reason, "yellow")
        return
    positions.append(after)
    target = state.target
    if task.is_terminal(after):
        if not task.verdict(after).solved:
            write(f"{write_step(step)}: that is {after.left[0]}, not {target}; undo takes it back", "red")
    elif task.truth(after):
        write(f"{write_step(step)}: {target} can still be made of {task.label(after)}", "green")
    else:
        write(f"{write_step(step)}: a dead end, {target} cannot be made of {task.label(after)}; undo takes it back",
              "red")  # fmt: skip


def _read_move(state: Position, line: str, judge: Callable[[str], str]) -> Step | str:
    """The move that a line makes, its result computed where it is not written; or why there is none: of a whole answer
    `judge` says it."""
    text = condense(line, _LONGEST).translate(SIGNS)
    found = _MOVE.fullmatch(text)
    if found is None:
        return _explain(state, text, judge)
    try:
        left, right = Fraction(found[1]), Fraction(found[3])
        claimed = None if found[4] is None else Fraction(found[4])
    except ZeroDivisionError:
        return f"{text}: division by zero"
    if len(state.left) == 1:
        return "one number is left; undo takes the last move back"
    if remove(state.left, left, right) is None:
        return f"{left} and {right} are not both among the numbers left, {' '.join(map(str, state.left))}"
    result = apply(left, found[2], right)
    if result is None:
        return f"{text}: division by zero"
    if claimed not in (None, result):
        return f"{left} {found[2]} {right} is {result}, not {claimed}"
    return Step(left, found[2], right, result)


def _explain(state: Position, text: str, judge: Callable[[str], str]) -> str:
    """What is wrong with a line that is no move: as a whole answer, where it is an expression at all."""
    try:
        parse_expression(text.partition("=")[0])
    except ExpressionError:
        return f"not a move such as {_suggest(state)}, nor an answer, nor one of: {WORDS}"
    return f"as an answer to {' '.join(map(str, state.numbers))}: {judge(text)}"


def _suggest(state: Position) -> str:
    """How a move of a position looks: its two largest numbers, added."""
    numbers = state.left if len(state.left) > 1 else state.numbers
    return f"{numbers[-1]} + {numbers[-2]}"


def _list_moves(task: Any, state: Position) -> list[tuple[Step, Any]]:
    """The moves that lead on; those alone that people make, within the non-negative integers, where there are any."""
    moves = list(task.live_steps(state))
    return [move for move in moves if wholly_reachable(move[1], state.target)] or moves


def _hint(task: Any, state: Position) -> str:
    moves = _list_moves(task, state)
    if not moves:
        return "no move leads on from here; undo takes the last one back"
    step = moves[0][0]
    return f"try {step.left} {step.operator} {step.right}"


def _solve(task: Any, state: Position) -> list[Step]:
    """One solution, as people play."""
    steps = []
    while not task.is_over(state.left, state.target):
        step, left = _list_moves(task, state)[0]
        state = replace(state, steps=(*state.steps, step), left=left)
        steps.append(step)
    return steps


def _write_clearly(step: Step) -> str:
    """A move as text, with fractions in brackets: `12 / (1/2) = 24`."""
    left, right = (f"({part})" if "/" in str(part) else str(part) for part in (step.left, step.right))
    return f"{left} {step.operator} {right} = {step.result}"
