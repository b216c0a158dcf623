"""Exact arithmetic games: states, legal steps, solver, expression verifier, difficulty.

A state is a sorted tuple of `Fraction`; a step replaces two of its numbers by their sum, difference, product or
quotient. Everything is exact and nothing is ever evaluated by Python's own parser. This module does not know of
text formats, puzzles' names, splits or models, and imports the standard library only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

State = tuple[Fraction, ...]

OPERATORS = "+-*/"
# What people and models write for the four operators; anything else is rejected, never guessed.
_SIGNS = {"×": "*", "·": "*", "∙": "*", "⋅": "*", "x": "*", "X": "*", "÷": "/", "∕": "/", ":": "/",
          "−": "-", "–": "-", "＋": "+", "（": "(", "）": ")"}
_TOKEN = re.compile(r"[0-9]+|[-+*/()]")
_MAX_CHARACTERS = 1000  # an honest expression of six numbers has under 100; the rest is a parser bomb
_MAX_DEPTH = 50
_MAX_DIGITS = 12


class ExpressionError(ValueError):
    """The text is no arithmetic expression of this language; the message says where and why."""


@dataclass(frozen=True)
class Step:
    """One move: `left operator right = result`."""

    left: Fraction
    operator: str
    right: Fraction
    result: Fraction


@dataclass(frozen=True)
class Check:
    """What the verifier says of an expression: accepted or not, and the reason in one line."""

    accepted: bool
    reason: str


def make_state(numbers: Iterable[int | Fraction]) -> State:
    """The canonical state of some numbers: sorted, exact."""
    return tuple(sorted(Fraction(number) for number in numbers))


def apply(left: Fraction, operator: str, right: Fraction) -> Fraction | None:
    """The exact result, or None for a division by zero."""
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if operator == "/":
        return left / right if right else None
    raise ValueError(f"operator {operator!r}: one of {' '.join(OPERATORS)} is accepted")


def remove(state: State, *numbers: Fraction) -> State | None:
    """The state without these numbers, or None where it does not hold them all."""
    rest = list(state)
    for number in numbers:
        if number not in rest:
            return None
        rest.remove(number)
    return tuple(rest)


@lru_cache(maxsize=200_000)
def legal_steps(state: State) -> tuple[tuple[Step, State], ...]:
    """All distinct moves of a state with the states they lead to.

    Sums and products are listed once, larger operand first; differences and quotients in both orders. Equal numbers
    give one move, not two.
    """
    moves: dict[Step, State] = {}
    for i in range(len(state)):
        for j in range(i + 1, len(state)):
            small, large = state[i], state[j]
            rest = state[:i] + state[i + 1 : j] + state[j + 1 :]
            for left, operator, right in (
                (large, "+", small), (large, "-", small), (large, "*", small), (large, "/", small),
                (small, "-", large), (small, "/", large),
            ):  # fmt: skip
                result = apply(left, operator, right)
                if result is not None:
                    step = Step(left, operator, right, result)
                    if step not in moves:
                        moves[step] = tuple(sorted((*rest, result)))
    return tuple(moves.items())


@lru_cache(maxsize=1_000_000)
def reachable(state: State, target: Fraction = Fraction(24)) -> bool:
    """Whether the target can still be made from the state, using every number once."""
    if len(state) == 1:
        return state[0] == target
    if len(state) == 2:  # the bulk of all calls: no need for moves
        a, b = state
        return target in (a + b, a - b, b - a, a * b) or (b != 0 and a == target * b) or (a != 0 and b == target * a)
    return any(reachable(after, target) for _, after in legal_steps(state))


def alive_steps(state: State, target: Fraction = Fraction(24)) -> list[tuple[Step, State]]:
    """The legal steps after which the target is still reachable."""
    return [(step, after) for step, after in legal_steps(state) if reachable(after, target)]


def solutions(state: State, target: Fraction = Fraction(24)) -> Iterator[tuple[Step, ...]]:
    """All solutions as sequences of steps, depth first in the order of `legal_steps`."""
    if len(state) == 1:
        if state[0] == target:
            yield ()
        return
    for step, after in alive_steps(state, target):
        for rest in solutions(after, target):
            yield (step, *rest)


def compose(numbers: Iterable[int | Fraction], steps: Iterable[Step]) -> str:
    """The expression that a sequence of steps builds, e.g. `(12 / 3 + 2) * 4`, with no needless parentheses.

    Raises ValueError where a step uses a number that is not there.
    """
    pieces = [(Fraction(number), str(number), 3) for number in numbers]  # value, text, binding strength
    for step in steps:
        operands = []
        for value in (step.left, step.right):
            found = next((piece for piece in pieces if piece[0] == value), None)
            if found is None:
                raise ValueError(f"step {write_step(step)}: {write_number(value)} is not among the numbers left")
            pieces.remove(found)
            operands.append(found)
        strength = 1 if step.operator in "+-" else 2
        (_, left, left_strength), (_, right, right_strength) = operands
        left = f"({left})" if left_strength < strength else left
        # a - (b - c) and a / (b * c) need theirs; a + (b + c) and a * (b * c) do not
        bare = right_strength > strength or (right_strength == strength and step.operator in "+*")
        pieces.append((step.result, f"{left} {step.operator} {right if bare else f'({right})'}", strength))
    return pieces[-1][1]


def write_number(number: Fraction) -> str:
    """`7`, `-3`, `8/3`."""
    return str(number)


def write_step(step: Step) -> str:
    """`12 / 3 = 4`."""
    return " ".join(map(str, (step.left, step.operator, step.right, "=", step.result)))


def parse_expression(text: str) -> tuple[Fraction, list[int]]:
    """Value and operands (in order) of an expression over `+ - * / ( )` and plain non-negative integers.

    Raises ExpressionError for anything else, for a division by zero, and for texts made to break parsers.
    """
    if len(text) > _MAX_CHARACTERS:
        raise ExpressionError(f"expression of {len(text)} characters: at most {_MAX_CHARACTERS} are read")
    text = "".join(_SIGNS.get(character, character) for character in text)
    tokens, position = [], 0
    while position < len(text):
        if text[position] in " \t":
            position += 1
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(f"unexpected {text[position]!r} at character {position + 1}")
        tokens.append(match.group())
        position = match.end()
    for token in tokens:
        if len(token) > _MAX_DIGITS:
            raise ExpressionError(f"a number of {len(token)} digits: at most {_MAX_DIGITS} are read")
    if not tokens:
        raise ExpressionError("empty expression")
    operands: list[int] = []
    index = 0

    def parse_sum(depth: int) -> Fraction:
        nonlocal index
        value = parse_product(depth)
        while index < len(tokens) and tokens[index] in "+-":
            operator, index = tokens[index], index + 1
            value = apply(value, operator, parse_product(depth))
        return value

    def parse_product(depth: int) -> Fraction:
        nonlocal index
        value = parse_atom(depth)
        while index < len(tokens) and tokens[index] in "*/":
            operator, index = tokens[index], index + 1
            value = apply(value, operator, parse_atom(depth))
            if value is None:
                raise ExpressionError("division by zero")
        return value

    def parse_atom(depth: int) -> Fraction:
        nonlocal index
        if depth > _MAX_DEPTH:
            raise ExpressionError(f"more than {_MAX_DEPTH} nested parentheses")
        if index == len(tokens):
            raise ExpressionError("unexpected end")
        token, index = tokens[index], index + 1
        if token == "(":
            value = parse_sum(depth + 1)
            if index == len(tokens) or tokens[index] != ")":
                raise ExpressionError("a parenthesis is not closed")
            index += 1
            return value
        if not token.isdigit():
            raise ExpressionError(f"unexpected {token!r} where a number was expected")
        operands.append(int(token))
        return Fraction(int(token))

    value = parse_sum(0)
    if index < len(tokens):
        raise ExpressionError(f"unexpected {tokens[index]!r} after the expression")
    return value, operands


def check_expression(numbers: Iterable[int], text: str, target: Fraction | int = 24) -> Check:
    """Judge an answer: does the expression use exactly these numbers, each once, and make the target exactly?

    An equation such as `4 * 6 = 24` is accepted only if its right-hand side is the target too. Never raises on text.
    """
    sides = text.split("=")
    if len(sides) > 2:
        return Check(False, "more than one equals sign")
    try:
        value, operands = parse_expression(sides[0])
        if len(sides) == 2 and parse_expression(sides[1])[0] != target:
            return Check(False, f"the right-hand side is not {target}")
    except ExpressionError as error:
        return Check(False, f"not an expression: {error}")
    missing, surplus = Counter(numbers) - Counter(operands), Counter(operands) - Counter(numbers)
    if missing or surplus:
        parts = [f"{name} {' '.join(map(str, sorted(c.elements())))}"
                 for name, c in (("does not use", missing), ("uses too often or without right", surplus)) if c]  # fmt: skip
        return Check(False, "wrong numbers: " + "; ".join(parts))
    if value != target:
        return Check(False, f"makes {value}, not {target}")
    return Check(True, f"makes {target} with exactly the given numbers")


def measure_difficulty(numbers: Iterable[int], target: Fraction | int = 24) -> tuple[int, float]:
    """Number of distinct solutions (step sequences) and the solvable share of first steps, 0 for the unsolvable."""
    state, target = make_state(numbers), Fraction(target)
    moves = legal_steps(state)
    count = sum(1 for _ in solutions(state, target))
    return count, len(alive_steps(state, target)) / len(moves) if moves else float(reachable(state, target))
