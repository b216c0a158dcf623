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
tokenizers, models, rewards or files, nor how problems are made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from game24lab.tasks.task import Illegal, Verdict

TAGS = ("<reasoning>", "</reasoning>", "<answer>", "</answer>")
# What a model is shown: short, for models that learn from these problems alone; and the instruction of willccbb's GRPO
# gist, for models that know language already.
PLAIN = "Problem: {question}\nForm: <reasoning></reasoning><answer></answer>\n"
INSTRUCTION = (
    "Respond in the following format:\n<reasoning>\n...\n</reasoning>\n<answer>\n...\n</answer>\n\n{question}\n"
)
GOLD = "####"  # stands before the number at the end of a published answer

_PLAIN_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
# As people write it: 1,234.50, -$5, 3/4, 1 1/2. Whatever is beside it must hold no other digit, see `read_number`.
_NUMBER = re.compile(
    rf"(?<![\w.,)])(?P<sign>[-+] ?)?[$€£]? ?(?P<minus>-)?"
    rf"(?:(?P<whole>[0-9]+) +(?P<top>[0-9]+)/(?P<bottom>[0-9]+)"
    rf"|(?P<value>{_PLAIN_NUMBER})(?: ?/ ?(?P<under>{_PLAIN_NUMBER}))?)"
)
_OPERATORS = ("*", "/", "^", "×", "÷", "+", "-")
_LONGEST_ANSWER = 200  # characters between the tags that are read
_LONGEST_NUMBER = 60
_LONGEST_LINE = 2_000
_ANSWER = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>", re.DOTALL)
_ANNOTATION = re.compile(r"<<[^<>\n]*>>")  # the published calculator annotations
_CALCULATION = re.compile(r"([0-9][0-9,.]*) ([-+*/]) ([0-9][0-9,.]*) = ([0-9][0-9,.]*)(?![0-9])")


# ---------------------------------------------------------------------------------------------------- numbers
@dataclass(frozen=True)
class Number:
    """An exact number that was read, and whether a percent sign stood behind it."""

    value: Fraction
    percent: bool = False

    def equals(self, gold: Fraction) -> bool:
        """Whether this is that number; `50%` is both 50 and 1/2, for questions ask for either."""
        return self.value == gold or (self.percent and self.value / 100 == gold)


def read_number(text: str) -> Number | None:
    """The one number of a short text, exactly: `$1,234.50`, `-3/4 cup`, `1 1/2 hours`, `x = 72.0`, `50 %`.

    Of an equation, what stands behind the last equals sign. None where there is no number or more than one (`10 + 5`,
    `5-6`, `7:30`, `1e5`), for a wrong grouping (`1,23`), a division by zero, digits of other alphabets, and what is too
    long. Never raises.
    """
    if len(text) > _LONGEST_ANSWER:
        return None
    text = text.rpartition("=")[2].replace("−", "-").replace("–", "-").strip()
    match = _NUMBER.search(text)
    if match is None or len(match[0]) > _LONGEST_NUMBER:
        return None
    before, after = text[: match.start()].rstrip(), text[match.end() :].lstrip()
    if any(map(str.isnumeric, before + after)) or before.endswith(_OPERATORS):
        return None
    if after.startswith(_OPERATORS[:-1]) or (match["sign"] and match["sign"][-1] == " " and before):
        return None  # a calculation, or a dash between words
    top, under = match["value"] or match["top"], match["under"] or match["bottom"] or "1"
    value, under = Fraction(top.replace(",", "")), Fraction(under.replace(",", ""))
    if not under or (match["sign"] and match["minus"]):
        return None
    value = value / under + int(match["whole"] or 0)
    negative = match["minus"] or (match["sign"] or "").startswith("-")
    return Number(-value if negative else value, after.startswith(("%", "percent")))


def write_number(value: Fraction | int) -> str:
    """`42`, or `3/4`."""
    return str(value)


def check_calculation(line: str) -> bool | None:
    """Whether all calculations of a line such as `3 * 14 = 42 apples` are right; None where there is none.

    Signs stand between blanks, as these problems' own solutions write them; other text is passed over.
    """
    found = _CALCULATION.findall(line[:_LONGEST_LINE])
    if not found:
        return None
    for left, sign, right, claimed in found:
        read = [read_number(part.rstrip(".,")) for part in (left, right, claimed)]
        if None in read:
            return False
        a, b, c = (number.value for number in read)
        results = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else None}
        if results[sign] != c:
            return False
    return True


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
        raise ValueError(f"{place}: an object with question and answer is accepted, not {type(row).__name__}")
    for name in ("question", "answer"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise ValueError(f"{place}: {name} {str(row.get(name))[:60]!r}; a text is accepted, such as "
                             f"{'#### 42' if name == 'answer' else 'How much is 40 + 2?'!r}")  # fmt: skip
    steps, mark, gold = row["answer"].rpartition(GOLD)
    if not mark:
        raise ValueError(f"{place}: its answer has no line {GOLD} with a number; {GOLD} 42 is accepted")
    number = read_number(gold)
    if number is None:
        raise ValueError(f"{place}: the answer {gold.strip()[:60]!r} is no number; one such as 42, -3, 1,234.5 or 3/4 "
                         "is accepted")  # fmt: skip
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
        known: dict[str, WordProblem] = {}
        for problem in self.problems:
            other = known.setdefault(problem.question, problem)
            if other.answer != problem.answer:
                raise ValueError(f"problem {problem.question[:60]!r}: answers {other.answer} and {problem.answer}; one "
                                 "is accepted")  # fmt: skip
        object.__setattr__(self, "problems", tuple(known.values()))
        object.__setattr__(self, "_known", known)

    def start(self, problem: WordProblem | str) -> Attempt:
        """The attempt before the first line. ValueError for a question that this task does not hold."""
        if isinstance(problem, WordProblem):
            return Attempt(problem)
        if problem not in self._known:
            raise ValueError(f"problem {str(problem)[:60]!r}: one of the {len(self._known)} questions of this task, or "
                             "a WordProblem, is accepted")  # fmt: skip
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
        raise ValueError(f"template {template!r}: a text is accepted, such as {PLAIN!r}")
    for part in ("{question}", *TAGS):
        if part not in template:
            raise ValueError(f"template {template[:60]!r} lacks {part}: it must hold {{question}} and {' '.join(TAGS)}")
