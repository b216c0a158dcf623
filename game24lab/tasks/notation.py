"""Written forms of expressions: what people and models write, read as the plain language of the verifier.

`docs/written-forms.md` is the table of what is read and what is refused; a test holds this module to it. A lenient
reading changes signs, brackets and wrappings alone: no number is joined with another, nothing that may mean something
is passed over, and what can be meant in two ways is refused. Nothing is evaluated. It does not know which numbers,
which value or which answer would be right.
"""

from __future__ import annotations

import re
from fractions import Fraction

from game24lab.tasks.numbers.arithmetic import SIGNS, ExpressionError

_LONGEST = 1000  # characters, as many as the verifier reads
_MOST_WRAPPINGS = 8
# LaTeX's `\!` and `\:` are none of them: elsewhere they are an escaped factorial and a division
_SPACE = re.compile(r"[ \t\r\n\u00a0\u2000-\u200a\u202f]+|\\[,; ]|\\q?quad(?![A-Za-z])|\\displaystyle(?![A-Za-z])")
_MINUS = dict.fromkeys(map(ord, "‐‑‒﹣"), "-")
_COMMANDS = {"times": "*", "cdot": "*", "ast": "*", "div": "/"}
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_SIZES = re.compile(r"left|right|[bB]igg?[lr]?")
_FRACTIONS = ("frac", "dfrac", "tfrac", "cfrac")
_OPENING = {"(": ")", "[": "]", "（": "）", "［": "］", "\\{": "\\}"}
_BRACKET = re.compile(r"\\[{}]|[()\[\]（）［］]")
# What may stand around a whole expression; the inner text must hold neither mark
_PAIRS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ("`", "`"))
_WRAPPING = re.compile(r"\\(?:boxed|fbox|text|mathrm|mathbf|textbf) ?\{")
_FULL_STOP = re.compile(r"(?<=[0-9)\]}$*`）］])\.$")
_GROUP = r"(?:,|\{,\})[0-9]{3}"  # 1,000 and LaTeX's 1{,}000
_NUMBER = re.compile(rf"[1-9][0-9]{{0,2}}(?:{_GROUP})+(?![0-9]|,|\{{,)|[0-9]+")
_THOUSANDS = str.maketrans("", "", ",{}")
_DECIMAL = re.compile(r"(?:- ?)?[0-9]{1,40}\.[0-9]{1,40}")


def read_expression(text: str) -> str:
    """An expression, or an equation, in the plain language: integers, `+ - * / ( )` and `=`.

    A minus may be left at a beginning, and several sides behind equals signs, see `check_expression(lenient=True)`.
    Raises ExpressionError that says what cannot be read, and for nothing else.
    """
    if len(text) > _LONGEST:
        raise ExpressionError(f"expression of {len(text)} characters: at most {_LONGEST} are read")
    first, *others = map(unwrap, unwrap(text).replace("＝", "=").split("="))
    return " = ".join([_translate(first), *map(_read_claim, others)])


def unwrap(text: str) -> str:
    """A text without the full stop behind it and the marks around it: maths, bold, code, a box.

    ExpressionError where a brace of a box is not closed.
    """
    for _ in range(_MOST_WRAPPINGS):
        before, text = text, _FULL_STOP.sub("", text.strip())
        for opening, closing in _PAIRS:
            inner = text[len(opening) : -len(closing)]
            if len(text) > len(opening + closing) and text.startswith(opening) and text.endswith(closing):
                if opening not in inner and closing not in inner:
                    text = inner.strip()
                break  # `$$a$$` is not `$` around `$a$`
        if (match := _WRAPPING.match(text)) and _find_end(text, match.end()) == len(text):
            text = text[match.end() : -1]
        if text == before:
            break
    return text.strip()


def _find_end(text: str, begin: int) -> int:
    """The place behind the brace that closes the one before `begin`. ExpressionError where none does."""
    depth, place = 1, begin
    while place < len(text) and depth:
        if text[place] == "\\":
            place += 1  # whatever it is, it is no brace of a group
        else:
            depth += {"{": 1, "}": -1}.get(text[place], 0)
        place += 1
    if depth or place > len(text):
        raise ExpressionError("a brace is not closed")
    return place


def _read_claim(text: str) -> str:
    """A side behind an equals sign; an exact decimal may stand alone there."""
    plain = text.translate(SIGNS).translate(_MINUS)
    return str(Fraction(plain.replace(" ", ""))) if _DECIMAL.fullmatch(plain) else _translate(text)


def _translate(text: str) -> str:
    """One side, token by token; whatever is no token of a written form is refused."""
    out: list[str] = []
    before = ""  # what the last token was: "number", "closed", "fraction", "open", "operator", or "" at the beginning
    divides = [False]  # of each bracket that is open, whether its last factor stands behind a division
    brackets: list[str] = []  # what closes those that are open
    place = 0

    def begin(kind: str) -> None:
        """Before a number, bracket or fraction: the product that is not written, where there is one."""
        pair = (before, kind)
        if before not in ("number", "closed", "fraction"):
            return
        if pair == ("number", "number"):
            raise ExpressionError("two numbers side by side")
        if pair in (("number", "fraction"), ("fraction", "number")):
            raise ExpressionError("a number beside a fraction: a sum or a product; an operator is needed")
        if divides[-1]:
            raise ExpressionError("a product without a sign behind a division can be read in two ways")
        out.append("*")

    while place < len(text):
        if match := _SPACE.match(text, place):
            place = match.end()
            continue
        if match := _NUMBER.match(text, place):
            if match[0] == "0" and text[match.end() : match.end() + 1] in ("x", "X"):
                raise ExpressionError(f"{text[place : place + 20]!r} is no plain integer")
            begin("number")
            out.append(match[0].translate(_THOUSANDS))
            before, place = "number", match.end()
            continue
        if match := _COMMAND.match(text, place):
            name, place = match[1], match.end()
            if _SIZES.fullmatch(name):
                space = _SPACE.match(text, place)
                place = space.end() if space else place
                if not _BRACKET.match(text, place):
                    raise ExpressionError(f"'\\{name}' without a bracket behind it")
                continue
            if name in _FRACTIONS:
                begin("fraction")
                over, place = _read_group(text, place)
                under, place = _read_group(text, place)
                out.append(f"(({_translate(over)})/({_translate(under)}))")
                before = "fraction"
                continue
            if name not in _COMMANDS:
                raise ExpressionError(f"unexpected '\\{name[:20]}'")
            sign = _COMMANDS[name]
        elif match := _BRACKET.match(text, place):
            place = match.end()
            if match[0] in _OPENING:
                begin("bracket")
                brackets.append(_OPENING[match[0]])
                divides.append(False)
                out.append("(")
                before = "open"
            elif not brackets or brackets.pop() != match[0]:
                raise ExpressionError(f"{match[0]!r} closes no bracket of its kind")
            else:
                divides.pop()
                out.append(")")
                before = "closed"
            continue
        else:
            sign = text[place].translate(SIGNS).translate(_MINUS)
            if sign not in "+-*/":
                raise ExpressionError(f"unexpected {text[place]!r} at character {place + 1}")
            place += 1
        divides[-1] = sign == "/"
        out.append(sign)
        before = "operator"
    if brackets:
        raise ExpressionError("a parenthesis is not closed")
    return " ".join(out)


def _read_group(text: str, place: int) -> tuple[str, int]:
    """What stands between the braces at a place, and the place behind them."""
    while place < len(text) and text[place] == " ":
        place += 1
    if text[place : place + 1] != "{":
        raise ExpressionError("a fraction needs two groups in braces")
    end = _find_end(text, place + 1)
    return text[place + 1 : end - 1], end
