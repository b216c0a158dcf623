"""Word problems as a Task: a question, reasoning line by line, and an exact number between answer tags.

The schema is that of GSM8K (Cobbe et al. 2021, openai/grade-school-math): `question`, and an `answer` whose last line
is `#### 42`. A model answers with

    <reasoning>
    3 * 14 = 42
    </reasoning>
    <answer>
    42
    </answer>

Numbers are read as exact fractions, and nothing of a model's text is evaluated. This module does not know of
tokenizers, models, rewards or files, nor how problems are made or numbers written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

from game24lab.tasks.numbers.arithmetic import ExpressionError, parse_expression
from game24lab.tasks.quantities import read_number, write_number
from game24lab.tasks.task import Illegal, Verdict

TAGS = ("<reasoning>", "</reasoning>", "<answer>", "</answer>")
# What a model is shown: short, for models that learn from these problems alone; and the instruction of willccbb's GRPO
# gist, for models that know language already.
PLAIN = "Problem: {question}\nForm: <reasoning></reasoning><answer></answer>\n"
INSTRUCTION = (
    "Respond in the following format:\n<reasoning>\n...\n</reasoning>\n<answer>\n...\n</answer>\n\n{question}\n"
)
GOLD = "####"  # stands before the number at the end of a published answer

_LONGEST_ANSWER = 200  # characters between the tags that are read
_LONGEST_LINE = 2_000
_ANSWER = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>", re.DOTALL)
_ANNOTATION = re.compile(r"<<[^<>\n]*>>")  # the published calculator annotations
# Calculations in lines: what stands before an equals sign, and the number or the calculation behind it
_AMOUNT = r"[$€£]? ?(?:[0-9]+(?:,[0-9]+)*(?:\.[0-9]+)?|\.[0-9]+)"
_TAIL = re.compile(r"[-+*/×÷()$€£%0-9., ]*$")
_HEAD = re.compile(rf"(?P<first>-?(?:(?P<whole>[0-9]+) (?P<part>[0-9]+/[0-9]+)|{_AMOUNT}))(?: ?[-+*/×÷] ?{_AMOUNT})*")
# Behind it stands more of the number or of the calculation; or a unit that may be none of the calculation's
_MORE = re.compile(r"[²³^!(]|:[0-9]|[A-Za-z](?![A-Za-z])| +[0-9(]| and [(0-9]| ?[-+*/×÷] ?[(0-9A-Za-z]")
_SCALED = re.compile(r" ?%| cents?\b")
_UNCLEAR = re.compile(r" / [0-9]+/[0-9]|[0-9], +[0-9]{3}(?![0-9])")  # 25 / 1/3; 14, 400
_SPACED = re.compile(r" [-+*/] ")
_OPERATION = re.compile(r"\b(?:x|times|plus|minus|by|of|half|twice|double|triple) *$", re.IGNORECASE)
_GROUPED = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+")
_GROUPING = "a wrong grouping of digits"


# ----------------------------------------------------------------------------------------------- calculations
def check_calculation(line: str) -> bool | None:
    """Whether all calculations of a line such as `16 - 3 - 4 = 9 eggs` are right; None where there is none.

    A calculation is all that stands before an equals sign, back to the word before it, and signs stand between blanks
    in it, as these problems' own solutions write them. Exact: `10 / 3 = 3.33` is false. No verdict on what may have
    begun before (`3 apples + 4 = 9`), on percentages, and on sides strung together (`5 + 3 = 8 + 2 = 10`); other text
    is passed over.
    """
    sides = line[:_LONGEST_LINE].replace("−", "-").replace("–", "-").split("=")
    found = [_compare(left, right) for left, right in pairwise(sides)]
    if False in found:
        return False
    return True if True in found and _STRUNG not in found else None


_STRUNG = "strung together"


def _compare(left: str, right: str) -> bool | str | None:
    """Whether what stands before an equals sign is what stands behind it; None where that cannot be told, _STRUNG where
    it is but the number that the next calculation begins with."""
    left, right = left.rstrip(), right.strip()
    tail = _TAIL.search(left)[0]
    begun, calculation = left[: len(left) - len(tail)], re.split(r"[.,] +", tail)[-1].strip()
    if calculation != tail.strip():
        begun = ""  # the calculation begins with a sentence of its own
    calculation = calculation[max(0, calculation.count("(") - calculation.count(")")) :]
    head = _HEAD.match(right)
    if head is None or not calculation or calculation[-1] in "+-*/×÷(":
        return None
    if not (_SPACED.search(calculation) or (not begun.strip() and _SPACED.search(head[0]))):
        return None
    if calculation[0] in "+*/×÷)" or (calculation[0] == "-" and (calculation[1:2] == " " or begun)):
        return None  # it has begun before
    if (begun[-1:].isalnum() and not tail.startswith(" ")) or _MORE.match(right[head.end() :]):
        return None
    first, last = head["first"], head[0]
    if head["whole"]:  # 1 1/2
        mixed = f"({head['whole']}+{head['part']})"
        first, last = mixed, f"{'-' * last.startswith('-')}{mixed}{last[len(first) :]}"
    try:
        value, first, whole = map(_calculate, (calculation, first, last))
    except ExpressionError as error:
        return False if str(error) in (_GROUPING, "division by zero") else None
    if value == whole:
        return True
    if value == first:
        return _STRUNG
    unclear = _OPERATION.search(begun) or _UNCLEAR.search(tail) or _SCALED.match(right[head.end() :])
    return None if unclear else False


def _calculate(text: str) -> Fraction:
    """The value of a calculation. ExpressionError for a division by zero, a wrong grouping, and what is none."""

    def write(match: re.Match) -> str:
        if not _GROUPED.fullmatch(match[0]):
            raise ExpressionError(_GROUPING)
        value = Fraction(match[0].replace(",", ""))
        return f"({value.numerator}/{value.denominator})"

    return parse_expression(re.sub(r"[0-9.][0-9.,]*", write, re.sub(r"[$€£] ?", "", text)), signed=True)[0]


# --------------------------------------------------------------------------------------------------- problems
@dataclass(frozen=True)
class WordProblem:
    """A question with its exact answer; its text is the question."""

    question: str
    answer: Fraction
    steps: tuple[str, ...] = ()  # lines that lead there, without the answer
    operations: int = 0  # calculations needed, 0 where nobody knows
    structure: str = ""  # what kinds of sentences it is made of, where it was made here
    written: str = ""  # the answer as a data set wrote it, such as 1,234

    def __str__(self) -> str:
        return self.question

    @property
    def gold(self) -> str:
        """The answer in writing."""
        return self.written or write_number(self.answer)

    @property
    def row(self) -> dict[str, str]:
        """The published schema: `question`, and `answer` with its steps and `#### 42`."""
        lines = (*self.steps, f"{GOLD} {self.gold}")
        return {"question": self.question, "answer": "\n".join(lines)}


def read_row(row: Any, place: str = "row 0", *, annotations: bool = False) -> WordProblem:
    """A word problem from a row of the published schema; ValueError that names the place and what is missing.

    Calculator annotations (`<<3*14=42>>`) are taken out of its steps unless they are asked for.
    """
    if not isinstance(row, Mapping):
        raise ValueError(f"{place} must be an object with question and answer, got {type(row).__name__}")
    for name in ("question", "answer"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            example = "#### 42" if name == "answer" else "How much is 40 + 2?"
            raise ValueError(f"{place}: {name} must be a text such as {example!r}, got {str(row.get(name))[:60]!r}")
    steps, mark, gold = row["answer"].rpartition(GOLD)
    if not mark:
        raise ValueError(f"{place}: answer must have a line such as {GOLD} 42, got none")
    number = read_number(gold)
    if number is None:
        raise ValueError(f"{place}: answer must be a number such as 42, -3, 1,234.5 or 3/4, got "
                         f"{gold.strip()[:60]!r}")  # fmt: skip
    lines = [line if annotations else _ANNOTATION.sub("", line) for line in steps.split("\n") if line.strip()]
    return WordProblem(row["question"].strip(), number.value, tuple(map(str.strip, lines)), written=gold.strip())


def write_solution(problem: WordProblem, *, direct: bool = False) -> str:
    """The text to learn from: the problem's steps and its answer between their tags; `direct`: the answer for steps."""
    answer = write_number(problem.answer)
    lines = (TAGS[0], *((answer,) if direct else problem.steps), TAGS[1], TAGS[2], answer, TAGS[3])
    return "".join(line + "\n" for line in lines)


# ------------------------------------------------------------------------------------------------ answers read
def find_answer(text: str) -> str | None:
    """What stands in the first closed answer tag, on any number of lines; None while there is none.

    A tag around nothing that could be an answer (`<answer>...</answer>`) is passed over. Text behind the tag, and later
    tags, change nothing: nobody may hedge.
    """
    found = (match[1].strip() for match in _ANSWER.finditer(text))
    return next((body for body in found if any(map(str.isalnum, body))), None)


def judge_answer(gold: Fraction, text: str) -> Verdict:
    """The exact verifier's word on a completion. Never raises on text."""
    body = find_answer(text)
    if body is None:
        return Verdict(False, "unfinished", "", "no closed answer tag")
    number = read_number(body)
    if number is None:
        return Verdict(False, "wrong value", body[:_LONGEST_ANSWER], "the answer is no single number")
    solved = number.equals(gold)
    shown = write_number(number.value)
    reason = f"says {shown}" + ("" if solved else f", not {write_number(gold)}")
    return Verdict(solved, "solved" if solved else "wrong value", shown, reason)


# ------------------------------------------------------------------------------------------------------- task
@dataclass(frozen=True)
class Attempt:
    """Where an answer stands: its problem, and the lines so far."""

    problem: WordProblem
    lines: tuple[str, ...] = ()
    closed: bool = False  # the answer tag has been closed

    @property
    def text(self) -> str:
        """The lines as they were written, each with its end."""
        return "".join(line + "\n" for line in self.lines)


@dataclass(frozen=True, eq=False)
class WordProblems:
    """Word problems as a task. ValueError for a template without the tags, or one question with two answers."""

    problems: Iterable[WordProblem] = ()  # those that can be asked for by their question alone
    template: str = PLAIN  # holds {question} and the four tags
    chat: Callable[[list[dict[str, str]]], str] | None = None  # a model's chat template: messages to a prompt
    name: str = "gsm8k"

    def __post_init__(self) -> None:
        check_template(self.template)
        object.__setattr__(self, "problems", tuple(self._known.values()))

    @cached_property
    def _known(self) -> dict[str, WordProblem]:
        known: dict[str, WordProblem] = {}
        for problem in self.problems:
            other = known.setdefault(problem.question, problem)
            if other.answer != problem.answer:
                raise ValueError(f"problem {problem.question[:60]!r} must have one answer, got {other.answer} and "
                                 f"{problem.answer}")  # fmt: skip
        return known

    def start(self, problem: WordProblem | str) -> Attempt:
        """The attempt before the first line. ValueError for a question that this task does not hold."""
        if isinstance(problem, WordProblem):
            return Attempt(problem)
        if problem not in self._known:
            raise ValueError(f"problem must be a WordProblem or one of the {len(self._known)} questions of this task, "
                             f"got {str(problem)[:60]!r}")  # fmt: skip
        return Attempt(self._known[problem])

    def prompt(self, question: str) -> str:
        """What a model is shown of a question: the template, in the model's chat template where there is one."""
        text = self.template.replace("{question}", question)
        return text if self.chat is None else self.chat([{"role": "user", "content": text.strip()}])

    def text(self, state: Attempt) -> str:
        """The prompt and the lines so far."""
        return self.prompt(state.problem.question) + state.text

    def label(self, state: Attempt) -> str:
        """The last line, cut."""
        return state.lines[-1][:40] if state.lines else state.problem.question[-40:]

    def step(self, state: Attempt, line: str) -> Attempt | Illegal:
        """The attempt with one more line: any text of bounded length, until the answer tag is closed."""
        if state.closed:
            return Illegal("the answer has been given")
        if len(line) > _LONGEST_LINE:
            return Illegal(f"a line of {len(line)} characters: at most {_LONGEST_LINE} are read")
        after = Attempt(state.problem, (*state.lines, line))
        closed = TAGS[3] in line and find_answer(after.text) is not None
        return Attempt(after.problem, after.lines, closed)

    def believe(self) -> WordProblems:
        """Itself: no line is checked before the answer."""
        return self

    def is_terminal(self, state: Attempt) -> bool:
        """Whether the answer tag has been closed."""
        return state.closed

    def verdict(self, state: Attempt) -> Verdict:
        """Exact: the number between the answer tags is the problem's answer or not."""
        return judge_answer(state.problem.answer, state.text)

    def key(self, state: Attempt) -> Hashable:
        """The question and the lines: what was written before decides what comes next."""
        return state.problem.question, state.lines

    def truth(self, state: Attempt) -> bool | None:
        """Whether the answer is right, once it is given; before, nobody knows what can still be reached."""
        return self.verdict(state).solved if state.closed else None


def check_template(template: str) -> None:
    """ValueError that names what a prompt's template lacks: `{question}`, or one of the tags."""
    if not isinstance(template, str):
        raise ValueError(f"template must be a text, such as {PLAIN!r}, got {template!r}")
    for part in ("{question}", *TAGS):
        if part not in template:
            raise ValueError(f"template {template[:60]!r} lacks {part}: it must hold {{question}} and {' '.join(TAGS)}")
