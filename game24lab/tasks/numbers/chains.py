"""Chains of thought: searches are written down in five styles, and any such text is judged line by line.

    solution  `12 / 3 = 4 (left: 2 4 4)`: the moves of the solution alone, in the notation of TS-LLM
    sound     the same notation; `roll back (left: 2 3 4 12)` names the position returned to, however far up, and stands
              only before a move of a less deep position: a sibling follows without one. Behind the last move a recap of
              the way there, `reach 24: 12 / 3 = 4, 4 + 2 = 6, 6 * 4 = 24`, from which the expression is read off
    v3        `(4) + (2) = 6, left: ((12 / 3) + 2) = 6, 4`: the new card first, each made card with its expression;
              `roll back, left: (12 / 3) = 4, 2, 4` one position up, the root as bare numbers (LiaoMengqi/LLM4Game24)
    v2        as v3, the cards left as values only
    v1        as v2 without the lines that roll back

All end with `reach 24! expression: ...`; what others write is read too: `The answer is ...`, `Answer: ...`, answer tags
anywhere, and expressions in any form of `docs/written-forms.md`. The judge believes nothing that it reads: positions
are computed, expressions are checked. This module does not know how a search is made, nor of prompts, tokenizers or
models.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from game24lab.tasks.numbers.arithmetic import (
    Check,
    ExpressionError,
    State,
    Step,
    compose,
    make_state,
    parse_expression,
)
from game24lab.tasks.numbers.puzzles import NumberProblem, as_problem, split_problem
from game24lab.tasks.numbers.search_traces import Search, Visit
from game24lab.tasks.numbers.steps import find_answer, judge_line, write_line
from game24lab.tasks.tags import begin_answer, strip_tags

STYLES = ("solution", "v1", "v2", "v3", "sound")
_MAX_CHARACTERS = 300  # of a line; an honest one of six numbers has under 150
_PLAIN = re.compile(r"roll back \(left: (?P<back>[^()]+)\)|[^()]+ \(left: (?P<left>[^()]+)\)")
_CARDS = re.compile(
    r"\((?P<a>[^()]+)\) (?P<operator>[-+*/]) \((?P<b>[^()]+)\) = (?P<c>[^()=,]+), left: (?P<left>.+)"
    r"|roll back, left: (?P<back>.+)"
)
_NUMBER = re.compile(r"-?(?:[0-9]{1,40}(?:/[1-9][0-9]{0,39})?|[0-9]{0,40}\.[0-9]{1,40})")


@dataclass(frozen=True)
class Line:
    """One line of a chain and what the judge says of it."""

    text: str
    kind: str  # "move", "rollback", "recap", "answer", or "other": of no form that the style knows
    right: bool
    reason: str  # in one line; "" where right
    left: State  # the position after it: computed, and unchanged by a line that is not right
    depth: int  # of that position, 0 for the root
    dead: bool | None  # whether the target is out of reach from there; None where the line did not lead there


@dataclass(frozen=True)
class Judgement:
    """What the judge says of a whole chain. Indices count `lines`."""

    lines: tuple[Line, ...]
    style: str  # one of STYLES, or "other" where no line was of a known form
    finished: bool  # an answer was given, right or wrong; the first one counts
    solved: bool  # it is an expression that uses the numbers, each once, and makes the target
    answer: str  # its expression as written; "" where none was given
    outcome: str  # "solved", "wrong value", "wrong numbers", "wrong expression" or "unfinished"
    first_wrong: int | None  # the first line that is not right
    share_right: float  # 0 where there are no lines
    first_unsound: int | None  # the first line that leaves a position from which the target is still within reach
    rollbacks: int  # right lines that roll back


# ----------------------------------------------------------------------------------------------------- writing
def find_path(search: Search) -> tuple[Step, ...]:
    """The moves of a search's solution, those that were never taken back."""
    return tuple(visit.step for visit in _find_visits(search))


def write_chain(problem: NumberProblem | Sequence[int], search: Search, style: str) -> str:
    """A search that found the target as text: one line a move and a last one with the answer, each with its line end.

    The cards of v1, v2 and v3 keep the order of the numbers. Raises ValueError for an unknown style, and for a search
    that does not fit the numbers or did not reach the target.
    """
    if style not in STYLES:
        raise ValueError(f"style must be one of {', '.join(STYLES)}, got {style!r}")
    numbers, target = split_problem(problem)
    if not search or search[-1].left != (target,):
        raise ValueError(f"search of {len(search)} visits: its last one must reach {target}")
    if style in ("solution", "sound"):
        visits = search if style == "sound" else _find_visits(search)
        lines, expression = _write_plain(make_state(numbers), visits), compose(numbers, find_path(search))
        lines += [write_recap(find_path(search), target)] if style == "sound" else []
    else:
        lines, expression = _write_cards(numbers, search, style)
    return "".join(f"{line}\n" for line in (*lines, f"{begin_answer(target)}{expression}"))


def write_recap(path: Sequence[Step], target: int) -> str:
    """The moves of a solution on one line, without a line end."""
    return f"{_recap(target)}{', '.join(_write_move(step) for step in path)}"


def _recap(target: int) -> str:
    return f"reach {target}: "


def _write_move(step: Step) -> str:
    return "{} {} {} = {}".format(*_fields(step))


def _find_visits(search: Search) -> tuple[Visit, ...]:
    found: list[Visit] = []
    for visit in reversed(search):
        if not found or visit.depth == found[-1].depth - 1:
            found.append(visit)
    return tuple(reversed(found))


def _write_plain(root: State, visits: Sequence[Visit]) -> list[str]:
    trail, lines = [root], []
    for place, visit in enumerate(visits):
        trail[visit.depth :] = [visit.left]
        lines.append(write_line(visit.step, visit.left))
        if place + 1 < len(visits) and visits[place + 1].depth < visit.depth:
            lines.append(f"roll back (left: {' '.join(map(str, trail[visits[place + 1].depth - 1]))})")
    return lines


class _Card(NamedTuple):
    value: Fraction | int
    text: str  # the expression that made it, in parentheses; the number itself for a card of the root
    made: bool


def _write_cards(numbers: Sequence[int], search: Search, style: str) -> tuple[list[str], str]:
    """The lines but the last, and the solution's expression with all its parentheses."""
    trail, lines = [[_Card(number, str(number), False) for number in numbers]], []
    for visit in search:
        while len(trail) > visit.depth:
            trail.pop()
            if style != "v1":
                lines.append(f"roll back, left: {_write_left(trail[-1], style)}")
        (left, operator, right, result), cards = _fields(visit.step), list(trail[-1])
        texts = []
        for value in (left, right):
            used = next((card for card in cards if card.value == value), None)
            if used is None:
                raise ValueError(f"search: {value} is not among {' '.join(str(card.value) for card in cards)}")
            cards.remove(used)
            texts.append(used.text)
        trail.append([_Card(result, f"({texts[0]} {operator} {texts[1]})", True), *cards])
        lines.append(f"({left}) {operator} ({right}) = {result}, left: {_write_left(trail[-1], style)}")
    return lines, trail[-1][0].text


def _fields(step: Step) -> tuple:
    return step.left, step.operator, step.right, step.result


def _write_left(cards: Sequence[_Card], style: str) -> str:
    if not any(card.made for card in cards):
        return " ".join(card.text for card in cards)
    return ", ".join(f"{card.text} = {card.value}" if card.made and style == "v3" else str(card.value)
                     for card in cards)  # fmt: skip


# ----------------------------------------------------------------------------------------------------- judging
def judge_chain(
    problem: NumberProblem | Sequence[int], text: str, style: str = "auto", *, strict: bool = False
) -> Judgement:
    """Judge a chain line by line by the rules of its style; "auto" tells the style by the text. Never raises on it.

    A move is right where it is legal in the current position (in `sound` or in its parent, in `v1` or in any position
    above), its result is exact and the numbers left are those that it leads to; a rollback where it names a position
    above; an answer where its expression uses the numbers and makes the target. A line that is not right changes
    nothing: the next one is judged from the same position. Nor is a move right that was tried before in that place, or
    any line after an answer. An unfinished text's last line without a line end is left out unless it is right: it was
    cut off. Think and answer tags may stand around. With `strict` the expression of an answer is read in the plain form
    alone. ValueError for an unknown style.
    """
    if style not in (*STYLES, "auto"):
        raise ValueError(f"style must be auto or one of {', '.join(STYLES)}, got {style!r}")
    problem = as_problem(problem)
    *texts, tail = strip_tags(text, problem.target).split("\n")
    chain = _Chain(problem, _tell_style([*texts, tail]) if style == "auto" else style, strict)
    for one in texts:
        chain.judge(one)
    if tail.strip():
        chain.judge(tail)
        if not chain.finished and not chain.lines[-1].right:
            chain.lines.pop()
    return chain.conclude(auto=style == "auto")


def _read(text: str, style: str = "") -> re.Match | None:
    """What stands on a line by the notation of a style, or by any: groups `back` and `left`."""
    if len(text) > _MAX_CHARACTERS:
        return None
    plain = _PLAIN.fullmatch(text) if style in ("", "solution", "sound") else None
    return plain or (_CARDS.fullmatch(text) if style in ("", "v1", "v2", "v3") else None)


def _tell_style(texts: Sequence[str]) -> str:
    read = [match for text in texts if (match := _read(text.strip()))]
    if not read:
        return "other"
    if read[0].re is _PLAIN:
        return "sound"  # in the end "solution" where nothing was taken back
    if any("=" in (match["left"] or match["back"]) for match in read if match.re is _CARDS):
        return "v3"
    return "v2" if any(match["back"] for match in read) else "v1"


@dataclass
class _Place:
    state: State
    move: str = ""  # that led here, as it was written
    tried: set[tuple] = field(default_factory=set)


class _Chain:
    """A chain while it is judged: the positions from the root to the current one."""

    def __init__(self, problem: NumberProblem, style: str, strict: bool = False):
        self.problem, self.style, self.strict = problem, style, strict
        self.numbers, self.target = split_problem(problem)
        self.trail = [_Place(make_state(self.numbers))]
        self.lines: list[Line] = []
        self.answer, self.check = "", Check(False, "")
        self.finished = self.takes_back = self.awaits = False  # awaits: "Answer:" stood on a line of its own
        self.first_unsound: int | None = None

    def judge(self, text: str) -> None:
        """Add a line."""
        kind, reason = self._place(text.strip())
        moved = kind in ("move", "rollback") and not reason
        left = self.trail[-1].state
        dead = not self.problem.is_alive(left) if moved else None
        self.lines.append(Line(text, kind, not reason, reason, left, len(self.trail) - 1, dead))

    def _place(self, text: str) -> tuple[str, str]:
        """The kind of a line and what is wrong with it, "" where nothing is; changes the trail where it is right."""
        if self.style == "sound" and not self.finished and text.startswith(_recap(self.target).rstrip()):
            return "recap", self._recall(text)
        match = _read(text, self.style)
        answer = self._find_answer(text)
        kind = "answer" if answer is not None else "other" if match is None else "rollback" if match["back"] else "move"
        if self.finished:
            return kind, "after the answer"
        if answer == "" and not text.startswith(begin_answer(self.target).rstrip()):
            self.awaits = True
            return kind, "no expression stands behind it"
        if answer is not None:
            self.finished, self.answer = True, answer
            self.check = self.problem.check(answer, strict=self.strict)
            return kind, "" if self.check.accepted else self.check.reason
        if match is None:
            return kind, _explain_form(text, self.style)
        values = self._read_left(match["left"] or match["back"], back=kind == "rollback")
        if isinstance(values, str):
            return kind, values
        return kind, self._roll_back(values) if kind == "rollback" else self._move(match, values)

    def _find_answer(self, text: str) -> str | None:
        """The expression of an answer line, None for another one."""
        prefix = begin_answer(self.target).rstrip()
        if text.startswith(prefix):
            return text[len(prefix) :].strip()
        answer = find_answer(text)
        if answer is None and text and self.awaits:
            self.awaits = False
            readable = not self.problem.check(text).reason.startswith("not an expression")
            return text if readable else None
        return answer

    def _recall(self, text: str) -> str:
        if not self.problem.is_made(self.trail[-1].state):
            return f"{self.target} is not reached"
        if self.lines[-1].kind == "recap":
            return "told before"
        moves = ", ".join(place.move for place in self.trail[1:])
        return "" if text == f"{_recap(self.target)}{moves}" else "not the moves that led here"

    def _move(self, match: re.Match, values: list[str]) -> str:
        line = match[0]
        if match.re is _CARDS:
            line = f"{match['a']} {match['operator']} {match['b']} = {match['c']} (left: {' '.join(values)})"
        last = len(self.trail) - 1
        place = len(self.numbers) - len(values) - 1  # how many numbers are left says from how deep the move was made
        place = place if 0 <= place <= last else last
        judged = judge_line(self.trail[place].state, line)
        if isinstance(judged, str) or (reason := self.problem.forbids(judged[0])):
            return judged if isinstance(judged, str) else reason
        if place < last and not (self.style == "v1" or (self.style == "sound" and place == last - 1)):
            return "made from a position above: a roll back is missing"
        step, after = judged
        operands = (step.left, step.right)
        move = (step.operator, *(sorted(operands) if step.operator in "+*" else operands))
        if move in self.trail[place].tried:
            return "tried before"
        self._return_to(place)
        self.trail[place].tried.add(move)
        self.trail.append(_Place(after, line.partition(" (left")[0]))
        return ""

    def _roll_back(self, values: list[str]) -> str:
        if self.style in ("solution", "v1"):
            return f"{self.style} has no lines that roll back"
        state = tuple(sorted(map(_read_number, values)))
        places = [place for place, above in enumerate(self.trail) if above.state == state]
        if not places:
            return "not a position above"
        if places[0] == len(self.trail) - 1:
            return "the current position: nothing is rolled back"
        self._return_to(places[0])
        return ""

    def _return_to(self, place: int) -> None:
        if place < len(self.trail) - 1:
            self.takes_back = True
            if self.first_unsound is None and self.problem.is_alive(self.trail[place + 1].state):
                self.first_unsound = len(self.lines)
            del self.trail[place + 1 :]

    def _read_left(self, text: str, back: bool) -> list[str] | str:
        """The numbers left as written, or what is wrong with them."""
        if self.style in ("solution", "sound"):
            items = text.split(" ")
        else:  # the root has been no card yet
            items = text.split(" ") if back and "," not in text and "=" not in text else text.split(", ")
        values, leaves = [], []
        for item in items:
            expression, equals, value = item.rpartition(" = ")
            if not _NUMBER.fullmatch(value) or (equals and self.style != "v3"):
                return f"{item[:40]!r} among the numbers left: not of the form of {self.style}"
            values.append(value)
            if self.style == "v3":
                made = _check_card(expression, value) if equals else [_read_number(value)]
                if isinstance(made, str):
                    return made
                leaves += made
        if self.style == "v3" and Counter(leaves) != Counter(self.numbers):
            return f"the cards left are made of {' '.join(map(str, leaves))}, not of {' '.join(map(str, self.numbers))}"
        return values

    def conclude(self, auto: bool) -> Judgement:
        """The judgement of the lines so far."""
        wrong = [place for place, line in enumerate(self.lines) if not line.right]
        style = "solution" if auto and self.style == "sound" and not self.takes_back else self.style
        return Judgement(
            lines=tuple(self.lines),
            style=style,
            finished=self.finished,
            solved=self.check.accepted,
            answer=self.answer,
            outcome=_name_outcome(self.check) if self.finished else "unfinished",
            first_wrong=wrong[0] if wrong else None,
            share_right=1 - len(wrong) / len(self.lines) if self.lines else 0.0,
            first_unsound=self.first_unsound,
            rollbacks=sum(line.kind == "rollback" and line.right for line in self.lines),
        )


_read_number = lru_cache(maxsize=4_096)(Fraction)


@lru_cache(maxsize=4_096)  # a card stands on many lines
def _check_card(expression: str, value: str) -> tuple[int, ...] | str:
    """The numbers that a card's expression is made of, or what is wrong with it."""
    try:
        made, operands = parse_expression(expression)
    except ExpressionError as error:
        return f"a card left is not an expression: {error}"
    return tuple(operands) if made == _read_number(value) else f"{expression[:40]} is {made}, not {value}"


def _name_outcome(check: Check) -> str:
    if check.accepted:
        return "solved"
    kinds = {"wrong numbers": "wrong numbers", "makes": "wrong value"}
    return next((name for start, name in kinds.items() if check.reason.startswith(start)), "wrong expression")


def _explain_form(text: str, style: str) -> str:
    if len(text) > _MAX_CHARACTERS:
        return f"a line of {len(text)} characters: at most {_MAX_CHARACTERS} are read"
    if not text:
        return "an empty line"
    form = "(a) + (b) = c, left: ..." if style in ("v1", "v2", "v3") else "a + b = c (left: ...)"
    return f"not of the form `{form}`"
