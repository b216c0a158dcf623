"""Answers of completions made elsewhere: found in the text, made comparable, held against the right one.

For files of search-and-learn and its like, whose models box their answers. Numbers are compared exactly, other answers
as text without LaTeX's spacing: two forms of one formula are two answers here, a formula is never the number that
stands in it, and who needs more gives a judge of their own. Nothing of the text is evaluated. This module does not know
of files, labels or games.
"""

from __future__ import annotations

import re
from collections.abc import Hashable

from game24lab.tasks.quantities import read_number

_LONGEST = 500  # characters of an answer
_BOXES = 100  # of a completion, the last ones, that are looked into
_TAIL = 20_000  # characters of a completion that are looked through, from its end
_TAGGED = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>", re.DOTALL)
_MARKED = re.compile(r"####\s*([^\s#][^\n]*)")
_BOX = re.compile(r"\\(?:boxed|fbox) ?\{")
_FRACTION = re.compile(r"\\[dt]?frac ?\{(-?[0-9]+)\} ?\{([0-9]+)\}")
_WRAPPED = re.compile(r"\\(?:text|mathrm|mathbf|textbf)\{([^{}]*)\}")
_SPACING = re.compile(r"\\left|\\right|\\[!,;: ]|\\\$|\$|~|\s+")


def find_answer(text: str) -> str | None:
    """The answer of a completion: of its last box, else between its last answer tags, else behind `####`; or None.

    Behind the first `####` that no word follows: headings have some, and a model that goes on invents other questions.
    """
    text = text[-_TAIL:]
    ends = [match.end() for match in _BOX.finditer(text)][-_BOXES:]
    boxes = [inner for end in ends if (inner := _read_braces(text, end)) is not None]
    found = boxes or [body for body in _TAGGED.findall(text) if any(map(str.isalnum, body))]
    if not found:
        marked = _MARKED.findall(text)
        found = [said for said in marked if not said[0].isalpha()][:1] or marked[:1]
    answer = found[-1].strip() if found else ""
    return answer if 0 < len(answer) <= _LONGEST else None


def _read_braces(text: str, begin: int) -> str | None:
    """What stands between an opened brace and the one that closes it."""
    depth = 1
    for place in range(begin, min(len(text), begin + _LONGEST)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return text[begin:place]
    return None


def name_answer(answer: str | None) -> Hashable | None:
    """Equal for answers that are the same: the exact number, or the text without spacing; None for none."""
    if answer is None:
        return None
    number = read_number(answer)
    if number is not None:
        return number.value
    plain = _WRAPPED.sub(r"\1", _FRACTION.sub(r"(\1/\2)", answer))
    return _SPACING.sub("", plain).rstrip(".") or None


def is_right(answer: str | None, gold: str) -> bool:
    """Whether an answer is the right one, which may itself stand in a box or behind `####`."""
    named = name_answer(answer)
    return named is not None and named == name_answer(find_answer(gold) or gold)
