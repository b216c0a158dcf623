"""Numbers in short texts, read exactly: what stands behind `The answer is`, between answer tags, in a box.

A number is read where what stands beside it can only be words, a unit or a currency. Where it may be part of a
formula or of a longer number (`\\sqrt{3}`, `3k + 1`, `5!`, `x > 5`, `5 and a half`) there is no number: the true one
or none, never a wrong one. `docs/written-forms.md` lists the forms; a test holds this module to it. Nothing is
evaluated. It does not know where a text comes from, nor what the right number would be.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from game24lab.tasks.notation import unwrap
from game24lab.tasks.numbers.arithmetic import ExpressionError

_LONGEST_TEXT = 200  # characters that are read
_LONGEST_NUMBER = 60
_PLAIN = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
# As people write it: 1,234.50, -$5, 3/4, 1 1/2. Whatever is beside it must hold no other digit, see `read_number`.
_NUMBER = re.compile(
    rf"(?<![\w.,)])(?P<sign>[-+] ?)?(?P<currency>[$€£])? ?(?P<minus>-)?"
    rf"(?:(?P<whole>[0-9]+) +(?P<top>[0-9]+)/(?P<bottom>[0-9]+)"
    rf"|(?P<value>{_PLAIN})(?: ?/ ?(?P<under>{_PLAIN}))?)"
)
_DASHES = dict.fromkeys(map(ord, "−–‐‑‒﹣－"), "-")
_OTHER_DASHES = tuple("—―⸺⸻﹘⁃˗⁻₋➖")  # a minus or a dash, nobody knows
_OPERATORS = ("*", "/", "^", "×", "÷", "+", "-")

_CELSIUS = re.compile(r"° ?[CF](?![A-Za-z])")

# ---- LaTeX and Markdown
_GROUPING = re.compile(r"(?<=[0-9])(?:\{,\}|,\\!|\\[,!])(?=[0-9]{3}(?![0-9]))")
_DEGREES = re.compile(
    r"(?<=[0-9]) ?(?:\^ ?\{?\\circ\}?|\^ ?\{?\\degree\}?|\\degree|°)"
    r"(?: ?(?:\\(?:text|mathrm) ?\{ ?[CF]\}|[CF](?![A-Za-z])))?(?![A-Za-z]{2})"
)
_STYLED = re.compile(r"\\(?:text|mathrm|mbox|textbf|mathbf) ?\{([^{}\\]*)\}")
_OVER = re.compile(
    rf"(?P<before>.?) *\\[dtc]?frac *(?:\{{(-?(?:{_PLAIN}))\}} *\{{({_PLAIN})\}}|([0-9])([0-9])(?![0-9]))"
)
_BOLD = re.compile(r"(?<![\w)*])\*\*(?=[^\s*])([^*]+)(?<=\S)\*\*(?![\w(*])")
_SCIENTIFIC = re.compile(r"(?<![\w.,])([0-9]{1,20}(?:\.[0-9]{1,20})?)[eE]([-+]?[0-9]{1,2})(?![\w.,]*[0-9])(?!\w)")
_SPACES = re.compile(r"\\[,; ]|\\left(?=[(\[])|\\right(?=[)\]])|\u00a0|\u202f|\u2009")
_OPERATION = re.compile(r"\\(times|cdot|div)(?![A-Za-z])")
_SIGN_WORD = re.compile(r"(^|(?:\b(?:is|was|be|equals)|:) )(?:minus|negative) (?=[$€£]?[.0-9])", re.IGNORECASE)


def _list(words: str) -> list[str]:
    return words.split()


# ---- words
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_MONEY_SCALES = {"m": 10**6, "mn": 10**6, "b": 10**9, "bn": 10**9, "t": 10**12, "tn": 10**12}
_SMALL = dict(zip(_list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"), range(20), strict=True))  # fmt: skip
_TENS = dict(zip(_list("twenty thirty forty fifty sixty seventy eighty ninety"), range(20, 100, 10), strict=True))
_COUNTING = {*_SCALES, *(f"{word}s" for word in _SCALES), *_SMALL, *_TENS} - {"one"}  # "5 for each one"
_LINKS = frozenset(_list("and or to point by"))  # `5 and two`, but `5 apples for two people`
# Beside these a number is part of a longer one, or of a formula
_PARTS = frozenset(_list(
    "half halves third thirds quarter quarters fourth fourths fifth fifths sixth sixths seventh sevenths eighth "
    "eighths ninth ninths tenth tenths dozen dozens minus negative plus below squared cubed factorial sqrt root log ln "
    "sin cos tan exp mod pi infinity inf choose or"))  # fmt: skip
_BEFORE = _PARTS.union(_list("than not twice double triple times over divided"))
_LETTERS = frozenset("ahmgls")  # words of one letter behind a number and a blank: "$5 a day", and units
_UNITS = frozenset(_list(
    "kg mg km cm mm mi ft in yd lb lbs oz ml hr hrs min mins sec secs am pm mph kph rpm th st nd rd usd eur kw gb mb "
    "kb cal kcal ppm cc ha"))  # fmt: skip
_SHORT = _UNITS.union(_list("of to is at on as by we he if so it my up us an no"))
_WORD = re.compile(r"[^\W\d_]+(?:[.'’][^\W\d_]+)*")


@dataclass(frozen=True)
class Number:
    """An exact number that was read, and whether a percent sign stood behind it."""

    value: Fraction
    percent: bool = False

    def equals(self, gold: Fraction) -> bool:
        """Whether this is that number; `50%` is both 50 and 1/2, for questions ask for either."""
        return self.value == gold or (self.percent and self.value / 100 == gold)


def read_number(text: str, *, strict: bool = False) -> Number | None:
    """The one number of a short text, exactly: `$1,234.50`, `-3/4 cup`, `1 1/2 hours`, `x = 72.0`, `50 %`.

    Of an equation, what stands behind the last equals sign, where the other side is a name or a calculation. None where
    there is no number or more than one (`10 + 5`, `5-6`, `7:30`), where it may be part of a formula, for a wrong
    grouping (`1,23`), a division by zero, digits of other alphabets, and what is too long. Unless `strict`, LaTeX,
    bold, `½`, `1e5`, `70k`, `1.5 million`, `minus 5` and number words are read too. Never raises.
    """
    if len(text) > _LONGEST_TEXT:
        return None
    text = _CELSIUS.sub("°", text.translate(_DASHES).strip())
    if not strict:
        try:
            text = _clean(text)
        except ExpressionError:
            return None
        if (spelt := _read_words(text)) is not None:
            return spelt
    left, equals, right = text.rpartition("=")
    if equals and not _names_a_value(left):
        return None
    text = right.strip()
    match = _NUMBER.search(text)
    if match is None or len(match[0]) > _LONGEST_NUMBER:
        return None
    before, after = text[: match.start()], text[match.end() :]
    scale, after = _read_scale(after, bool(match["currency"]) or before.endswith(("$", "€", "£")))
    if scale is None or (strict and scale != 1) or not (_may_precede(before, match) and _may_follow(after)):
        return None
    if not _may_surround(before, after):
        return None
    top, under = match["value"] or match["top"], match["under"] or match["bottom"] or "1"
    value, under = Fraction(top.replace(",", "")), Fraction(under.replace(",", ""))
    if not under or (match["sign"] and match["minus"]) or (match["whole"] and value >= under):
        return None
    value = (value / under + int(match["whole"] or 0)) * scale
    negative = match["minus"] or (match["sign"] or "").startswith("-")
    return Number(-value if negative else value, after.lstrip().startswith(("%", "percent")))


def write_number(value: Fraction | int) -> str:
    """`42`, or `3/4`."""
    return str(value)


# ---------------------------------------------------------------------------------------------------------- forms
def _clean(text: str) -> str:
    """LaTeX, Markdown and other spellings of a number as the plain one; what is not known stays, and is refused."""
    text = _BOLD.sub(r" \1 ", unwrap(text))
    text = text.replace("\\$", "$").replace("\\%", "%")
    text = _STYLED.sub(r" \1 ", _DEGREES.sub(" degrees ", _GROUPING.sub(",", text)))
    text = _OVER.sub(_write_fraction, _SPACES.sub(" ", text))
    text = "".join(map(_spell_out, text))
    text = _SCIENTIFIC.sub(lambda match: str(Fraction(f"{match[1]}e{match[2]}")), text)
    text = _OPERATION.sub(lambda match: " ÷ " if match[1] == "div" else " × ", text)
    return _SIGN_WORD.sub(r"\1-", " ".join(text.split()))


def _write_fraction(match: re.Match) -> str:
    before = match["before"]
    if before and (before.isalpha() or before in ")]}\\"):
        return match[0]  # a product: no number
    top, bottom = match[2] or match[4], match[3] or match[5]
    if before.isdigit() and top.startswith("-"):
        return match[0]
    return f"{before}{' ' if before.isdigit() else ''}{top}/{bottom} "


def _spell_out(character: str) -> str:
    """`½` as ` 1/2 `; any other character as it is."""
    if not unicodedata.decomposition(character).startswith("<fraction>"):
        return character
    written = unicodedata.normalize("NFKC", character).replace("⁄", "/")
    return f" {written} " if re.fullmatch("[0-9]+/[0-9]+", written) else character


def _read_words(text: str) -> Number | None:
    """`minus twenty-five`, `a hundred and five apples`; None where the text begins with no number word, or goes on."""
    words = re.split(r"[ -]+", text.lower().rstrip("."))
    negative = len(words) > 1 and words[0] in ("minus", "negative")
    words = words[negative:]
    if words[0] in ("a", "one") and words[1:2] and words[1] in _SCALES:
        words[0] = "one"
    total, part, limit, count = 0, 0, 10**15, 0
    for place, word in enumerate(words):
        if word in _SMALL or word in _TENS:
            value = _SMALL.get(word, _TENS.get(word))
            last = words[place - 1] if place else "and"
            room = 100 if last == "and" or last in _SCALES else 10 if last in _TENS else 0
            if value >= room or (value == 0 and place):
                return None
            part += value
        elif word == "hundred" and 0 < part < 100:
            part *= 100
        elif _SCALES.get(word, 0) > 100 and part and _SCALES[word] < limit and words[place - 1] != "and":
            limit = _SCALES[word]
            total, part = total + part * limit, 0
        elif word == "and" and place and words[place - 1] in _SCALES:
            continue
        else:
            break
        count = place + 1
    rest = words[count:]
    if not count or len(rest) > 1:
        return None
    if rest and (len(rest[0]) < 3 or not rest[0].isalpha() or rest[0] in {*_BEFORE, *_COUNTING, "and"}):
        return None
    value = Fraction(total + part)
    return Number(-value if negative else value, rest == ["percent"])


def _read_scale(after: str, money: bool) -> tuple[int | None, str]:
    """What `70k` and `1.5 million` multiply with, None for what may be a scale or not; and the text behind it."""
    match = re.match(r"( ?)([A-Za-z]+)", after)
    if match is None:
        return 1, after
    word = match[2].lower().removesuffix("s")
    if word in _SCALES:
        return _SCALES[word], after[match.end() :]
    if match[2] in ("k", "K"):
        return (None if match[1] else 1_000), after[match.end() :]
    if match[2].lower() in _MONEY_SCALES and (money or match[2] != "m"):
        return (_MONEY_SCALES[match[2].lower()] if money else None), after[match.end() :]
    return 1, after


# -------------------------------------------------------------------------------------------------------- surroundings
def _names_a_value(left: str) -> bool:
    """Whether the left side of an equation is a name or a calculation, and no formula with something unknown in it."""
    left = left.rstrip()
    letter = r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])"
    formula = rf"[\\^_<>|√]|[0-9)][A-Za-z(]|{letter} *[-+*/×÷(]|[-+*/×÷] *{letter}"
    function = re.sub(r"[A-Za-z]\([A-Za-z]\)", "f", left)  # f(x) = 5
    return not left.endswith(tuple("<>!≠≤≥~:±≈")) and re.search(formula, function) is None


def _may_precede(before: str, match: re.Match) -> bool:
    """Whether what stands before a number leaves it what it is."""
    text = before.rstrip()
    if text.endswith((*_OPERATORS, *_OTHER_DASHES)) or (match["sign"] and match["sign"][-1] == " " and text):
        return False  # a calculation, or a dash between words
    words = _WORD.findall(re.sub(r"\b[A-Z]{1,3}[$]$", "", text).lower())
    if any(word in _BEFORE or (len(word) == 1 and word not in ("a", "i", "s")) for word in words):
        return False
    if _COUNTING.intersection(words[-2:] if words[-1:] and words[-1] in _LINKS else words[-1:]):
        return False
    if text.endswith(("(", "[")):
        outer = text[:-1]
        return not (outer and not outer[-1].isspace()) and not outer.rstrip().endswith(_OPERATORS)
    return True


def _may_follow(after: str) -> bool:
    """Whether what stands behind a number, or behind its scale, leaves it what it is."""
    text = after.lstrip()
    if text.startswith(("*", "^", "×", "÷", "+", "!", "·", "⋅", "∙")) or after.startswith(("(", "[")):
        return False
    if re.match(r":\S|[)\]][\w(\[^!]", text) or re.search(r"(?<![A-Za-z])- *[A-Za-z](?![A-Za-z])", text):
        return False
    for over in re.finditer(r"/ ?", text):  # a unit per another: dollars/day, /year, km/h
        if not re.match(r"(?:[^\W\d_]{2,}|[hs](?![^\W\d_]))", text[over.end() :]):
            return False
    words = [word.lower() for word in _WORD.findall(text)]
    if any(word in _PARTS or (len(word) == 1 and word not in _LETTERS) for word in words):
        return False
    if any(word in _COUNTING and last in _LINKS for last, word in pairwise(["and", *words])):
        return False
    first = re.match(r"( *)([^\W\d_]+)", after)
    if first is None:
        return True
    word, spaced = first[2].lower(), bool(first[1])
    if len(word) == 1:
        return spaced  # 3m and 3h may be products
    return word in _UNITS if not spaced else len(word) > 2 or word in _SHORT


def _may_surround(before: str, after: str) -> bool:
    """Whether the number stands alone: no other digit, no sign of a formula, no pair or interval around it."""
    around = before + after
    if any(map(str.isnumeric, around)) or set(around) & set("\\^_<>≤≥≠√∛∜±∓|π∞∑∏∫×÷·∙⋅∗✕∕⁄*+"):
        return False
    opened = before.rstrip()[-1:]
    if opened in ("(", "[", "{"):
        inner, closing, _ = after.partition({"(": ")", "[": "]", "{": "}"}[opened])
        return bool(closing) and "," not in inner
    return re.match(r"\s*[)\]]", after) is None or any(sign in before for sign in "([")
