"""Answers of foreign completions: found where they stand, compared exactly; whatever a model writes, nothing raises."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.routing.completion_files import find_answer, is_right, name_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"Therefore \boxed{42}.", "42"),
        (r"\boxed{1} no, \boxed{2}", "2"),
        (r"so $\boxed{\frac{3}{4}}$", r"\frac{3}{4}"),
        (r"\fbox{7}", "7"),
        (r"<answer>1</answer> \boxed{2}", "2"),
        ("<answer>\n42\n</answer>", "42"),
        ("6 * 7 = 42\n#### 42", "42"),
        ("so\n####\n42\n", "42"),
        ("so\n#### \n\n  $42", "$42"),
        ("#### 18\n\nQuestion: how many?\n2 + 3 = 5\n#### 5", "18"),
        ("#### Step 1: add\n#### Step 2: multiply\n#### 42", "42"),
        ("#### Answer: 42", "Answer: 42"),
        ("####", None),
        ("####\n####\n", None),
        ("<answer>...</answer> then <answer>42</answer>", "42"),
        ("<answer>42</answer> as in <answer> </answer>", "42"),
        ("The answer is 42", None),
        (r"\boxed{", None),
        (r"\boxed{}", None),
        (r"\boxed{ {1} ", None),
        ("", None),
        (r"\boxed{" + "9" * 501 + "}", None),
        ("{" * 100_000, None),
        (r"\boxed{" * 3_000, None),
    ],
)
def test_where_answers_stand(text, answer):
    assert find_answer(text) == answer


@pytest.mark.parametrize(
    ("answer", "gold", "right"),
    [
        ("42", "42", True),
        ("42.0", "42", True),
        ("$1,234$", "1234", True),
        (r"\$5", "5", True),
        (r"\frac{3}{4}", "0.75", True),
        (r"\dfrac{1}{3}", "1/3", True),
        ("0.3333", "1/3", False),
        (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\frac{\pi}{2})", True),
        (r"\text{Evelyn}", "Evelyn", True),
        # a formula is not the number in it
        (r"\sqrt{3}", "3", False), (r"3\pi", "3", False), (r"\frac{\pi}{2}", "2", False), ("x>5", "5", False),
        (r"(5,\infty)", "5", False), ("2i", "2", False), ("5!", "5", False), ("3k", "3", False),
        (r"\sqrt{16}", "16", False), ("5!", "120", False), ("3x", "3", False), (r"\frac{x}{3}", "3", False),
        (r"x \ge 5", "5", False), ("x^2+y^2=25", "25", False), (r"5\sqrt{2}", "5", False), (r"\frac{1}{2}x",
        "1/2", False),
        # but the formula itself
        (r"3\pi", r"3 \pi", True), (r"\sqrt{3}", r"\sqrt{3}.", True), ("2i", "2 i", True), ("x>5", "x > 5", True),
        # numbers in LaTeX
        (r"2\frac{1}{2}", "5/2", True), (r"2\frac{1}{2}", "21/2", False), (r"2\frac{1}{2}", "2.5", True),
        ("9{,}500", "9500", True), (r"10,\!000", "10000", True), (r"90^\circ", "90", True), (r"50\%", "50", True),
        (r"90^{\circ}", r"90^\circ", True), (r"5\text{ cm}", "5", True), ("x=5", "5", True), (r"\$18", "18", True),
        ("**73**", "73", True), ("70k", "70", False), ("70k", "70000", True), ("$1.5 million", "1.5", False),
        ("minus 5", "5", False), ("‑5", "5", False), ("‑5", "-5", True), ("−5", "-5", True), (r"\frac{1}{2}3",
        "1/23", False),
        (r"2\frac{1}{2}x", r"\frac{21}{2}x", False),
        ("x+1", "1+x", False),  # two forms of one formula: a judge of one's own can tell
        ("42", r"so \boxed{42}", True),
        ("42", "6*7 = 42\n#### 42", True),
        ("9**9**9", "1", False),
        ("__import__('os')", "1", False),
        (None, "1", False),
        ("", "", False),
    ],
)
def test_what_is_right(answer, gold, right):
    assert is_right(answer, gold) is right


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=r"\boxedfrac{}$ 0123456789/.,-<>answer#\n²٣", max_size=80))
def test_nothing_raises_and_names_are_hashable(text):
    hash(name_answer(find_answer(text)))
    is_right(text, text)


def test_votes_for_a_formula_and_a_number_do_not_merge():
    names = [name_answer(answer) for answer in ("3", r"3\pi", r"\sqrt{3}", "3i", "3!", "3k + 1",
    "x > 3", r"(3,\infty)", "3x")]
    assert len(set(names)) == len(names)
    assert name_answer("3.0") == name_answer(r"\frac{6}{2}") == name_answer("$3$") == 3
