"""Lenient readings of expressions against a brute force that knows nothing of them: accepted if and only if right."""

import ast
import re
import time
from fractions import Fraction
from itertools import combinations_with_replacement

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from game24lab.tasks.notation import read_expression
from game24lab.tasks.numbers.arithmetic import ExpressionError, check_expression
from game24lab.tasks.numbers.expressions import check_answer

NUMBERS = (1, 2, 3, 4)

# ---------------------------------------------------------------------------------------------- brute force
_FRAMES = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ("`", "`"), ("\\boxed{", "}"),
           ("\\fbox{", "}"), ("\\text{", "}"))  # fmt: skip
_SIGNS = {"*": "×·∙⋅∗✕xX", "/": "÷∕⁄:", "-": "−–－‐‑‒﹣", "+": "＋", "(": "（", ")": "）", "[": "［",
          "]": "］", "=": "＝"}  # fmt: skip
_BLANK = r"(?:\s|\\[,; ]|\\q?quad(?![A-Za-z]))"


def brute_force(numbers, text, target):
    """Whether a text is a right answer, by replacing and Python's own grammar; None where it is of no written form."""
    sides = [_unframe(side) for side in re.split("[=＝]", _unframe(text))]
    sides = [re.sub(r"(?<![0-9,])[1-9][0-9]{0,2}(?:(?:,|\{,\})[0-9]{3})+(?!\{?,|[0-9])",
                    lambda match: re.sub("[^0-9]", "", match[0]), side) for side in sides]  # fmt: skip
    right = _judge(numbers, sides, target)
    if not right and len(sides) > 1 and _read_plainly(sides[0]) == str(target):  # 24 = (1 + 2 + 3) * 4
        right = _judge(numbers, [*sides[1:], sides[0]], target)
    return right


def _judge(numbers, sides, target):
    values = []
    for place, side in enumerate(sides):
        if place and re.fullmatch(r"[-−–－‐‑‒﹣]? ?[0-9]+\.[0-9]+", side):
            values.append(Fraction(_read_plainly(side)))
            continue
        read = [_evaluate(side, tight) for tight in (False, True)]  # 6/2(3) in both ways
        if None in read or read[0] != read[1]:
            return None
        value, operands = read[0]
        values.append(value)
        if not place and sorted(operands) != sorted(numbers):
            return False
    return all(value == target for value in values)


def _read_plainly(side):
    return "".join("-" if sign in _SIGNS["-"] else sign for sign in side if sign != " ")


def _unframe(text):
    for _ in range(9):
        text = re.sub(r"(?<=[0-9)\]}$*`）］])\.$", "", text.strip())
        for opening, closing in _FRAMES:
            inner = text[len(opening) : -len(closing)]
            if text.startswith(opening) and text.endswith(closing) and len(text) > len(opening) + len(closing):
                braces = closing == "}" and (inner.count("{") != inner.count("}") or _closes_early(inner))
                if not braces and (closing == "}" or (opening not in inner and closing not in inner)):
                    text = inner.strip()
                break
    return text


def _closes_early(inner):
    depth = 0
    for place, sign in enumerate(inner):
        depth += (sign == "{") - (sign == "}") if inner[place - 1 : place] != "\\" or not place else 0
        if depth < 0:
            return True
    return False


def _evaluate(side, tight):
    text = re.sub(rf"\\(?:left|right|[bB]igg?[lr]?)(?={_BLANK}*(?:[()\[\]（）［］]|\\[{{}}]))", " ", side)
    text = re.sub(r"\\(?:times|cdot|ast)(?![A-Za-z])", "×", re.sub(r"\\div(?![A-Za-z])", "÷", text))
    if "**" in text or "//" in text or re.search(r"[0-9]\s*\\?[dtc]?frac", text):
        return None
    while "frac" in text:
        seen = text.replace("\\{", "⦃").replace("\\}", "⦄")
        shorter = re.sub(r"\\[dtc]?frac *\{([^{}]*)\} *\{([^{}]*)\}", r"«(\1)/(\2)»", seen)
        shorter = shorter.replace("⦃", "\\{").replace("⦄", "\\}")
        if shorter == text:
            return None
        text = shorter
    for sign, others in _SIGNS.items():
        text = re.sub(f"[{re.escape(others)}]", sign, text) if sign != "*" else re.sub(f"[{others}]", "*", text)
    text = re.sub(r"\\[,;:! ]|\\q?quad|[\u00a0\u2009\u202f]", " ", text.replace("\\{", "⦃").replace("\\}", "⦄"))
    if not set(text) <= set("0123456789+-*/()[]⦃⦄«» \t\n") or not _nest(text):
        return None
    text = re.sub(r"[\[⦃]", "(", re.sub(r"[\]⦄]", ")", text))
    if re.search(r"[0-9]\s+[0-9]|[0-9]\s*«|»\s*[0-9]|[-+*/]\s*[-+]|(?:^|[(«])\s*\+|\*\s*\*|/\s*/", text):
        return None
    text = text.replace("«", "(").replace("»", ")")
    text = re.sub(r"(?<=[0-9)])\s*(?=\()|(?<=\))\s*(?=[0-9])", "**" if tight else "*", text)
    try:
        return _walk(ast.parse(" ".join(text.split()), mode="eval").body)
    except (SyntaxError, ZeroDivisionError, KeyError, AttributeError):
        return None


def _nest(text):
    opened, kinds = [], {")": "(", "]": "[", "⦄": "⦃", "»": "«"}
    for sign in text:
        if sign in kinds.values():
            opened.append(sign)
        elif sign in kinds and (not opened or opened.pop() != kinds[sign]):
            return False
    return not opened


def _walk(node):
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Fraction(node.value), [node.value]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value, operands = _walk(node.operand)
        return -value, operands
    (a, some), (b, more) = _walk(node.left), _walk(node.right)
    apply = {ast.Add: a.__add__, ast.Sub: a.__sub__, ast.Mult: a.__mul__, ast.Pow: a.__mul__,
             ast.Div: a.__truediv__}[type(node.op)]  # fmt: skip
    return apply(b), some + more


# ------------------------------------------------------------------------------------------------ what is written
@st.composite
def answers(draw):
    """Numbers, the value that they make, and that expression in some lenient form."""
    numbers = draw(st.lists(st.integers(1, 13), min_size=2, max_size=5))
    pieces = [(Fraction(number), str(number), "number") for number in numbers]
    while len(pieces) > 1:
        place = draw(st.integers(0, len(pieces) - 2))
        left, right = pieces[place : place + 2]
        pieces[place : place + 2] = [_join(draw, left, right)]
    value, text, kind = pieces[0]
    if kind == "sum" and draw(st.integers(0, 4)) == 0:
        value, text = -value, f"-({text})"
    if draw(st.booleans()):
        claims = [str(value), f"{value} ", f"{value}."]
        if value.denominator == 1:
            claims += [f"{value}.0", f"${value}$", f"{value - 1} + 1" if value > 0 else str(value)]
        else:
            claims += [f"-\\frac{{{-value.numerator}}}{{{value.denominator}}}" if value < 0 else
                       f"\\frac{{{value.numerator}}}{{{value.denominator}}}"]  # fmt: skip
        text = " = ".join([text, *draw(st.lists(st.sampled_from(claims), min_size=1, max_size=2))])
    for opening, closing in draw(st.lists(st.sampled_from(_FRAMES), max_size=2)):
        clash = opening[0] in text if opening[0] in "$*`" else opening[1] in "([" and "\\" in text
        if not clash:
            text = f"{opening}{text}{closing}"
    return tuple(numbers), value, text


def _join(draw, left, right):
    (a, first, one), (b, second, other) = left, right
    sign = draw(st.sampled_from("+-*/" if b else "+-*"))
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else None}[sign]
    space = draw(st.sampled_from(["", " ", "\\,", "\u2009"]))
    if sign == "/" and draw(st.integers(0, 3)) == 0:
        return value, f"\\{draw(st.sampled_from(['frac', 'dfrac']))}{{{first}}}{{{second}}}", "fraction"
    outside = []
    for text, kind in ((first, one), (second, other)):
        bare = kind in ("number", "fraction") or (sign in "+-" and kind == "product")
        if bare and (draw(st.integers(0, 3)) or kind == "product"):
            outside.append((text, kind))
        else:
            outside.append((_enclose(draw, text), "closed"))
    (first, one), (second, other) = outside
    apart = (one, other) in (("number", "number"), ("number", "fraction"), ("fraction", "number"))
    if sign == "*" and not apart and draw(st.booleans()):
        return value, f"{first}{space}{second}", "product"
    signs = {"+": ["+", "＋"], "-": ["-", "−", "‑"], "*": ["*", "×", "\\times ", "\\cdot ", "x", "·"],
             "/": ["/", "÷", ":", "\\div "]}  # fmt: skip
    kind = "sum" if sign in "+-" else "product"
    return value, f"{first}{space}{draw(st.sampled_from(signs[sign]))}{space}{second}", kind


def _enclose(draw, text):
    pairs = [("(", ")"), ("[", "]"), ("\\{", "\\}"), ("\\left(", "\\right)"), ("（", "）")]
    opening, closing = draw(st.sampled_from(pairs))
    return f"{opening}{text}{closing}"


@given(answers())
@settings(deadline=None, max_examples=500)
def test_a_right_answer_in_any_form_is_accepted_and_no_other_value_or_numbers(answer):
    numbers, value, text = answer
    check = check_answer(numbers, text, value)
    assert check.accepted, (text, check.reason)
    assert brute_force(numbers, text, value) is True, text
    for others, other in ((numbers, value + 1), (numbers, -value if value else value - 1), ((*numbers, 1), value),
                          (numbers[1:], value), ((numbers[0] + 1, *numbers[1:]), value)):  # fmt: skip
        assert not check_answer(others, text, other).accepted, (text, others, other)


TOKENS = [*"123456789+-*/()[]=. ", "24", "10", "\\{", "\\}", "{", "}", "\\frac", "\\times ", "\\cdot", "\\div ",
"\\left",
          "\\right", "\\,", "$", "**", "`", "\\boxed{", "!", "^", "x", "0x", "e", "×", "−", "‑", "½", "²", "\\sqrt",
          "\\pi",
          ",", "~", "n", "\u2009", "\n", "\\text{", "٣", "０", "=24", "= 24.0", "%", "|", "<", "_"]  # fmt: skip


changes = st.tuples(st.sampled_from(["put", "drop", "swap"]), st.floats(0, 1), st.sampled_from(TOKENS))


@example(((1, 2, 3, 4), Fraction(24), "\\left(1 + 2 + 3\\right) * 4"), [("put", 0.83, "\u2009")], 0)  # \right )
@example(((1, 2, 3, 4), Fraction(24), "\\left(1 + 2 + 3\\right) * 4"), [("put", 0.83, "\n")], 0)
@example(((1, 2, 3, 4), Fraction(24), "\\left(1 + 2 + 3\\right) * 4"), [("put", 0.83, "\\,")], 0)
@given(answers(), st.lists(changes, max_size=3), st.integers(0, 2))
@settings(deadline=None, max_examples=1_500)
def test_whatever_is_done_to_a_text_nothing_wrong_is_accepted(answer, edits, off):
    """Tokens put in, left out and exchanged: what is accepted is right by the brute force, and mostly the reverse."""
    numbers, value, text = answer
    for kind, where, token in edits:
        place = int(where * len(text))
        text = text[:place] + (token if kind != "drop" else "") + text[place + (kind != "put") :]
    accepted = check_answer(numbers, text, value + off).accepted
    assert accepted == (brute_force(numbers, text, value + off) is True) or (not accepted and _may_refuse(text)), text
    if accepted:
        assert brute_force(numbers, text, value + off) is True, text


def _may_refuse(text):
    """A product without a sign behind a division is refused even where both readings agree; so are odd spacings."""
    return bool(re.search(r"[/÷:∕⁄]|\\div|frac", text)) or "\\" in text


@given(st.lists(st.sampled_from(TOKENS), max_size=14).map("".join))
@settings(deadline=None, max_examples=1_000)
def test_no_soup_of_tokens_raises_or_is_accepted_that_is_not_right(text):
    check = check_answer(NUMBERS, text)
    assert not check.accepted or brute_force(NUMBERS, text, 24) is True
    assert "\n" not in check.reason
    assert len(check.reason) < 300


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=200)
def test_no_text_raises(text):
    assert check_answer(NUMBERS, text).accepted in (True, False)


@given(answers())
@settings(deadline=None, max_examples=150)
def test_what_the_strict_judge_accepts_the_lenient_one_accepts(answer):
    numbers, value, text = answer
    for one in (text, text.replace("\\", ""), re.sub(r"[^0-9+*/()=-]", "", text)):
        assert check_answer(numbers, one, value).accepted or not check_expression(numbers, one, value).accepted
        assert check_answer(numbers, one, value, strict=True) == check_expression(numbers, one, value)


@pytest.mark.parametrize("text", ["(" * 900, "\\boxed{" * 140, "\\frac{" * 160, "\\frac{1}{" * 110, "$" * 1000,
                                  "**" * 500, "\\left" * 200, "[" * 1000, "1(" * 500, "\\frac{1}{1}" * 90, "1" * 1000,
                                  "x" * 100_000,
                                  "= " * 500, "1=" * 500, "\\{" * 500, "`" * 999, "1." * 500])  # fmt: skip
def test_texts_made_to_break_parsers_are_refused_at_once(text):
    began = time.process_time()
    check = check_answer(NUMBERS, text)
    assert not check.accepted
    assert time.process_time() - began < 0.5


def test_a_reading_is_plain_and_keeps_every_number_apart():
    assert read_expression("\\boxed{\\frac{8}{3-[8/3]}}.") == "((8)/(3 - ( 8 / 3 )))"
    assert read_expression("2(3)4 = 24.50") == "2 * ( 3 ) * 4 = 49/2"
    for text, said in (("2 4", "side by side"), ("2\\,4", "side by side"), ("6/2(3)", "two ways"),
                       ("2\\frac{1}{2}", "a sum or"), ("\\sqrt{4}", "unexpected"), ("\\frac12", "two groups"), ("(1]",
                       "of its kind"),
                       ("\\left 3", "without a bracket"), ("(1", "not closed"),
                       ("1" * 1001, "at most 1000")):  # fmt: skip
        with pytest.raises(ExpressionError, match=said):
            read_expression(text)


def test_a_minus_at_a_beginning_makes_no_other_puzzle_solvable():
    """With a negation allowed before every bracket and number: all of three numbers up to 8, every whole target."""

    def make(numbers, negate):
        if len(numbers) == 1:
            return {Fraction(numbers[0])} | ({-Fraction(numbers[0])} if negate else set())
        values = set()
        for mask in range(1, 2 ** len(numbers) - 1):
            some = make([n for place, n in enumerate(numbers) if mask >> place & 1], negate)
            rest = make([n for place, n in enumerate(numbers) if not mask >> place & 1], negate)
            for a in some:
                for b in rest:
                    values |= {a + b, a - b, a * b} | ({a / b} if b else set())
        return values | {-value for value in values if negate}

    for numbers in combinations_with_replacement(range(1, 9), 3):
        plain, signed = make(numbers, False), make(numbers, True)
        assert {value for value in signed if value > 0} == {value for value in plain if value > 0}


def test_the_brute_force_knows_right_from_wrong():
    for text, right in [("(1+2+3)*4", True), ("4(1+2+3) = 24", True), ("(1+2+3)*4 = 25", False),
                        ("1*2*3*4*1", False), ("\\frac{4}{1}(2)(3)", True), ("24/1(3)", None), ("2 4", None),
                        ("4!", None), ("1+2+3+4", False),
                        ("(1+2+3)*4 = 2 4", None)]:  # fmt: skip
        assert brute_force(NUMBERS, text, 24) is right, text
