"""Exact arithmetic games: states, legal steps, solver, expression verifier, difficulty.

A state is a sorted tuple of `Fraction`; a step replaces two of its numbers by their sum, difference, product or
quotient. Everything is exact and nothing is ever evaluated by Python's own parser. This module does not know of
text formats, puzzles' names, splits or models, and imports the standard library only. All caches are bounded (some
tens of megabytes when full).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from itertools import combinations
from math import gcd

State = tuple[Fraction, ...]

OPERATORS = "+-*/"
# What people and models write for the four operators; anything else is rejected, never guessed.
SIGNS = str.maketrans("×·∙⋅∗✕xX÷∕⁄:−–＋（）", "*" * 8 + "/" * 4 + "--+()")
# Python reads 0x18 as 24 and C reads 010 as 8: an integer has one spelling here, without leading zeros.
_TOKEN = re.compile(r"(?P<bad>0[xX0-9][0-9]*)|[0-9]+|[-+*/()]")
_PLAIN = re.compile(r"(?:(?<![0-9])(?:0|[1-9][0-9]{0,11})(?![0-9])|[-+*/() \t])*")
_PIECE = re.compile(r"[0-9]+|[-+*/()]")
_BLANK = re.compile(r"(?<=[-/])[ \t]+|[ \t]+(?=/)")
_MAX_CHARACTERS = 1000  # an honest expression of six numbers has under 100; the rest is a parser bomb
_MAX_DEPTH = 50
_MAX_DIGITS = 12


class ExpressionError(ValueError):
    """The text is no arithmetic expression of this language; the message says where and why."""


@dataclass(frozen=True, slots=True)
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
    raise ValueError(f"operator must be one of {' '.join(OPERATORS)}, got {operator!r}")


def remove(state: State, *numbers: Fraction) -> State | None:
    """The state without these numbers, or None where it does not hold them all."""
    rest = list(state)
    for number in numbers:
        if number not in rest:
            return None
        rest.remove(number)
    return tuple(rest)


def list_pairs(numbers: tuple) -> list[tuple]:
    """Distinct pairs of sorted numbers, the smaller first, each with the others."""
    rests = {(numbers[i], numbers[j]): numbers[:i] + numbers[i + 1 : j] + numbers[j + 1 :]
             for i, j in combinations(range(len(numbers)), 2)}  # fmt: skip
    return [(*pair, rest) for pair, rest in rests.items()]


@lru_cache(maxsize=8_192)  # a state of four numbers takes about ten kilobytes here
def legal_steps(state: State) -> tuple[tuple[Step, State], ...]:
    """All distinct moves of a state with the states they lead to.

    Sums and products are listed once, larger operand first; differences and quotients in both orders. Equal numbers
    give one move, not two.
    """
    moves = []
    for small, large, rest in list_pairs(state):
        trials = [(large, "+", small), (large, "-", small), (large, "*", small), (large, "/", small)]
        if small != large:
            trials += [(small, "-", large), (small, "/", large)]
        for left, operator, right in trials:
            result = apply(left, operator, right)
            if result is not None:
                moves.append((Step(left, operator, right, result), tuple(sorted((*rest, result)))))
    return tuple(moves)


@lru_cache(maxsize=65_536)
def reachable(state: State, target: Fraction | int = 24) -> bool:
    """Whether the target can still be made from the state, using every number once."""
    return _makes(_ratios(state), target.as_integer_ratio(), whole=False)


@lru_cache(maxsize=65_536)
def wholly_reachable(state: State, target: Fraction | int = 24) -> bool:
    """Whether the target can be made without ever leaving the non-negative integers, as people play."""
    numbers = _ratios((*state, target))
    return all(d == 1 and n >= 0 for n, d in numbers) and _makes(numbers[:-1], numbers[-1], whole=True)


# The solver meets in the middle. If a value `a` of some of the numbers and a value `b` of the others make the target t,
# then b is one of the six things that a and t make (t = a - b is b = a - t, t = b / a is b = t * a, and so on), unless
# a is 0. So it never tries pairs: it looks the six up among the values of the others. Six numbers take a
# fraction of a second; playing all moves takes minutes. Inside, a number is a pair (numerator, denominator) in lowest
# terms with a positive denominator, several times as fast as `Fraction`.
_Ratio = tuple[int, int]


def _ratios(numbers: Iterable[Fraction | int]) -> tuple[_Ratio, ...]:
    return tuple([number.as_integer_ratio() for number in numbers])


@cache  # six entries: the number of numbers
def _splits(count: int) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """All ways to part `count` places in two, the smaller part first."""
    parts = [part for size in range(1, count // 2 + 1) for part in combinations(range(count), size)]
    parts = [part for part in parts if 2 * len(part) < count or 0 in part]  # two halves are listed once
    return tuple((part, tuple(i for i in range(count) if i not in part)) for part in parts)


@lru_cache(maxsize=16_384)
def _combine(a: _Ratio, b: _Ratio, whole: bool) -> tuple[_Ratio, ...]:
    """Everything that two numbers make in one step; with `whole` only the non-negative integers."""
    (p, q), (r, s) = a, b
    x, y, z = p * s, r * q, q * s
    found = []
    for n, d in ((x + y, z), (x - y, z), (y - x, z), (p * r, z), (x, y), (y, x)):
        if d and not (whole and (n % d or n // d < 0)):
            common = gcd(n, d) if d > 0 else -gcd(n, d)
            found.append((n // common, d // common))
    return tuple(found)


def _list_values(numbers: tuple[_Ratio, ...], whole: bool) -> frozenset[_Ratio]:
    found: set[_Ratio] = set(numbers) if len(numbers) == 1 else set()
    for part, rest in _splits(len(numbers)):
        for a in _values(tuple([numbers[i] for i in part]), whole):
            for b in _values(tuple([numbers[i] for i in rest]), whole):
                found.update(_combine(a, b, whole))
    return frozenset(found)


_list_few = lru_cache(maxsize=2_048)(_list_values)  # up to three numbers: about a hundred values
_list_many = lru_cache(maxsize=32)(_list_values)  # four numbers: some thousands


def _values(numbers: tuple[_Ratio, ...], whole: bool) -> frozenset[_Ratio]:
    """All that some numbers make, each used once."""
    return (_list_few if len(numbers) < 4 else _list_many)(numbers, whole)


def _makes(numbers: tuple[_Ratio, ...], target: _Ratio, whole: bool, listed: int | None = None) -> bool:
    if len(numbers) == 1:
        return numbers[0] == target
    if listed is None:  # for how many numbers a list of all values is worth its while
        listed = max(3, len(numbers) - 2)
    for part, rest in _splits(len(numbers)):
        others = tuple([numbers[i] for i in rest])
        values = _values(others, whole) if len(others) <= listed else None
        for a in _values(tuple([numbers[i] for i in part]), whole):
            if a[0] == 0:
                if target[0] == 0:  # 0 times whatever the others make
                    return True
                wanted = tuple(t for t in (target, (-target[0], target[1])) if not whole or t[0] >= 0)
            else:
                wanted = _combine(a, target, whole)
            if values is None:
                if any(_makes(others, b, whole, listed) for b in wanted):
                    return True
            elif not values.isdisjoint(wanted):
                return True
    return False


def alive_steps(state: State, target: Fraction | int = 24) -> list[tuple[Step, State]]:
    """The legal steps after which the target is still reachable."""
    return [(step, after) for step, after in legal_steps(state) if reachable(after, target)]


def solutions(state: State, target: Fraction | int = 24) -> Iterator[tuple[Step, ...]]:
    """All solutions as sequences of steps, depth first in the order of `legal_steps`."""
    if len(state) == 1:
        if state[0] == target:
            yield ()
        return
    for step, after in alive_steps(state, target):
        for rest in solutions(after, target):
            yield (step, *rest)


@lru_cache(maxsize=20_000)
def count_solutions(state: State, target: Fraction | int = 24) -> int:
    """How many sequences of steps `solutions` would list."""
    if len(state) == 1:
        return int(state[0] == target)
    return sum(count_solutions(after, target) for _, after in alive_steps(state, target))


def compose(numbers: Iterable[int | Fraction], steps: Iterable[Step]) -> str:
    """The expression that a whole solution builds, e.g. `8 / (3 - 8 / 3)`, with no needless parentheses.

    Raises ValueError where a step uses a number that is not there, or where more than one number is left.
    """
    pieces = []  # value, text, binding strength
    for number in map(Fraction, numbers):
        pieces.append((number, str(number) if number.denominator == 1 and number >= 0 else f"({number})", 3))
    for step in steps:
        operands = []
        for value in (step.left, step.right):
            found = next((piece for piece in pieces if piece[0] == value), None)
            if found is None:
                raise ValueError(f"step {write_step(step)}: {value} is not among the numbers left")
            pieces.remove(found)
            operands.append(found)
        strength = 1 if step.operator in "+-" else 2
        (_, left, left_strength), (_, right, right_strength) = operands
        left = f"({left})" if left_strength < strength else left
        # a - (b - c) and a / (b * c) need theirs; a + (b + c) and a * (b * c) do not
        bare = right_strength > strength or (right_strength == strength and step.operator in "+*")
        pieces.append((step.result, f"{left} {step.operator} {right if bare else f'({right})'}", strength))
    if len(pieces) != 1:
        raise ValueError(f"the steps leave {len(pieces)} numbers: a whole solution leaves one")
    return pieces[0][1]


def write_step(step: Step) -> str:
    """`12 / 3 = 4`."""
    return f"{step.left} {step.operator} {step.right} = {step.result}"


def _split(text: str) -> list[str]:
    """The tokens of an expression. ExpressionError for anything that is none."""
    if len(text) > _MAX_CHARACTERS:
        raise ExpressionError(f"expression of {len(text)} characters: at most {_MAX_CHARACTERS} are read")
    if _PLAIN.fullmatch(text):  # nearly always; nothing to translate or to refuse
        return _PIECE.findall(text)
    tokens, position = [], 0
    while position < len(text):
        if text[position] in " \t":
            position += 1
            continue
        match = _TOKEN.match(text, position) or _TOKEN.match(text[position].translate(SIGNS))
        if match is None:
            raise ExpressionError(f"unexpected {text[position]!r} at character {position + 1}")
        if match["bad"]:
            raise ExpressionError(f"{match['bad'][:20]!r} at character {position + 1} is no plain integer")
        if len(match[0]) > _MAX_DIGITS:
            raise ExpressionError(f"a number of {len(match[0])} digits: at most {_MAX_DIGITS} are read")
        tokens.append(match[0])
        position += len(match[0])
    return tokens


def parse_expression(text: str, *, signed: bool = False, whole: bool = False) -> tuple[Fraction, list[int]]:
    """Value and operands (in order) of an expression over `+ - * / ( )` and plain non-negative integers.

    Signs such as `×`, `÷` and `−` are read as what they mean. With `signed` a minus may stand at the beginning and
    behind an opened parenthesis; with `whole` every sum and product, its terms taken in whatever order serves, must be
    a whole number of at least 0. Raises ExpressionError for anything else (a leading
    minus and leading zeros too), for a division by zero, and for texts made to break parsers.
    """
    tokens = _split(text)
    if not tokens:
        raise ExpressionError("empty expression")
    operands: list[int] = []
    index = 0

    def allow(value: Fraction | int) -> Fraction | int:
        if value.denominator != 1 or value < 0:
            raise ExpressionError(f"makes {value} on the way: whole numbers of at least 0 are accepted")
        return value

    def parse_sum(depth: int) -> Fraction | int:
        nonlocal index
        negative = signed and index < len(tokens) and tokens[index] == "-"
        index += negative
        value = parse_product(depth) * (-1 if negative else 1)
        while index < len(tokens) and tokens[index] in "+-":
            operator, index = tokens[index], index + 1
            value = apply(value, operator, parse_product(depth))
        return allow(value) if whole else value

    def parse_product(depth: int) -> Fraction | int:
        nonlocal index
        value = parse_atom(depth)
        while index < len(tokens) and tokens[index] in "*/":
            operator, index = tokens[index], index + 1
            value = apply(Fraction(value) if operator == "/" else value, operator, parse_atom(depth))
            if value is None:
                raise ExpressionError("division by zero")
        return allow(value) if whole else value

    def parse_atom(depth: int) -> Fraction | int:
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
        return operands[-1]  # whole numbers are fast, and exact; a division makes a fraction of them

    value = parse_sum(0)
    if index < len(tokens):
        raise ExpressionError(f"unexpected {tokens[index]!r} after the expression")
    return Fraction(value), operands


def check_expression(
    numbers: Iterable[int], text: str, target: Fraction | int = 24, *, lenient: bool = False, every: bool = True
) -> Check:
    """Judge an answer: does the expression use exactly these numbers, each once, and make the target exactly?

    Without `every` each number may be used once or left out.

    An equation such as `4 * 6 = 24` is accepted only if its right-hand side is the target, written as a number. With
    `lenient` it may have several, each an expression with the target's value, `8/(3-8/3) = 8/(1/3) = 24`, and a minus
    may stand at a beginning: it makes no other puzzle solvable. Never raises on text.
    """
    numbers = tuple(numbers)
    expression, *right = text.split("=")
    try:
        value, operands = parse_expression(expression.strip(), signed=lenient)
    except ExpressionError as error:
        return Check(False, f"not an expression: {error}")
    if right and (reason := _explain_right(right, target, lenient)):
        return Check(False, reason)
    missing, surplus = [], []
    if sorted(operands) != sorted(numbers):
        missing = list((Counter(numbers) - Counter(operands)).elements()) if every else []
        surplus = list((Counter(operands) - Counter(numbers)).elements())
    if missing or surplus:
        named = (("does not use", missing), ("uses too often or without right", surplus))
        parts = [f"{name} {' '.join(map(str, sorted(some)[:8]))}" for name, some in named if some]
        return Check(False, "wrong numbers: " + "; ".join(parts))
    if value != target:
        return Check(False, f"makes {value}, not {target}")
    return Check(True, f"makes {target} with {'exactly' if every else 'some of'} the given numbers")


def _explain_right(sides: list[str], target: Fraction | int, lenient: bool) -> str:
    """What is wrong with the right-hand sides of an answer, "" where nothing is."""
    if not lenient:
        # blanks may stand behind a minus and around a fraction's stroke: between digits they part two numbers
        written = [_BLANK.sub("", side.strip().translate(SIGNS)) for side in sides]
        if written == [str(target)]:
            return ""
        if len(sides) > 1:
            return f"{len(sides)} right-hand sides: one, the number {target}, is accepted"
    for side in sides:
        try:
            value, _ = parse_expression(side.strip(), signed=True)
        except ExpressionError as error:
            return f"the right-hand side is not the plain number {target}: {error}"
        if value != target:
            return f"the right-hand side is not {target}"
    return "" if lenient else f"the right-hand side is not written as the number {target}"


def measure_difficulty(numbers: Iterable[int], target: Fraction | int = 24) -> tuple[int, float]:
    """Number of distinct solutions (step sequences) and the solvable share of the positions after one step.

    The share counts positions, not moves: `6 * 1` and `6 / 1` lead to the same one. Both are 0 for the unsolvable.
    """
    state = make_state(numbers)
    afters = {after for _, after in legal_steps(state)}
    share = sum(reachable(after, target) for after in afters) / len(afters) if afters else float(state == (target,))
    return count_solutions(state, target), share
