"""Answers of foreign completions: found where they stand, compared exactly; whatever a model writes, nothing raises."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.routing.foreign import find_answer, is_right, name_answer


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
