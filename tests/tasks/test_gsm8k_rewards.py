"""Rewards of word problems: the five, mended, beside what the published ones really pay."""

import itertools
import math

import pytest

from game24lab.tasks.environments import open_environment
from game24lab.tasks.gsm8k.rewards import REWARDS, read_gold
from game24lab.tasks.rewards import check_weights, make_reward_functions, score
from game24lab.views.widgets.reward_weights import Weighing

RIGHT = "<reasoning>\n6 * 7 = 42 eggs\n42 + 0 = 42 eggs\n</reasoning>\n<answer>\n42\n</answer>\n"
SHORT = "<reasoning>\nsix times seven\n</reasoning>\n<answer>\n42\n</answer>\n"  # one line in each block
ONE_LINE = "<reasoning>so</reasoning><answer>42</answer>"
FIVE = tuple(REWARDS.weights)


def pay(name, text, gold="42"):
    return REWARDS.functions[name](read_gold(gold), text)


def test_a_right_answer_in_form_is_paid_in_full_and_the_published_sum_is_kept():
    (row,) = score(REWARDS, ["42"], [RIGHT])
    assert row == {**dict.fromkeys(FIVE, 1.0), "total": 4.0}
    (row,) = score(REWARDS, ["41"], [RIGHT])
    assert (row["correctness"], row["total"]) == (0, 2.0)  # what the form alone is worth


# text, what is paid: correctness, integer, strict, soft, count; then the same by the published functions
TABLE = [
    (RIGHT, (1, 1, 1, 1, 1), (1, 1, 0, 0, 1)),  # two lines of reasoning: no published form is met
    (SHORT, (1, 1, 1, 1, 1), (1, 1, 1, 0, 1)),
    (ONE_LINE, (1, 1, 0, 1, 0), (1, 1, 0, 1, 0)),
    (RIGHT.replace("\n42\n", "\n42.0\n"), (1, 0, 1, 1, 1), (0, 0, 0, 0, 1)),
    (RIGHT.replace("\n42\n", "\n$42\n"), (1, 0, 1, 1, 1), (0, 0, 0, 0, 1)),
    (RIGHT.replace("\n42\n", "\n²\n"), (0, 0, 1, 1, 1), (0, 1, 0, 0, 1)),  # "²".isdigit()
    (RIGHT.rstrip("\n"), (1, 1, 1, 1, 1), (1, 1, 0, 0, None)),
    (RIGHT + "so", (1, 1, 0, 1, 0.996), (1, 1, 0, 0, None)),
    ("well\n" + RIGHT, (1, 1, 0, 0, 1), (1, 1, 0, 0, 1)),
    ("42", (0, 0, 0, 0, 0), (1, 1, 0, 0, 0)),  # without tags the whole text is compared
    ("", (0, 0, 0, 0, 0), (0, 0, 0, 0, 0)),
    (RIGHT[: RIGHT.index("</answer>")], (0, 0, 0, 0, 0.75), (1, 1, 0, 0, None)),  # never closed
    (RIGHT + RIGHT, (1, 1, 0, 1, 0), (1, 1, 0, 0, None)),
    (RIGHT.replace("42\n</a", "41\n</a") + "<answer>\n42\n</answer>", (0, 1, 0, 1, 0.5), (1, 1, 0, 0, None)),  # a hedge
]


@pytest.mark.parametrize(("text", "mended", "published"), TABLE)
def test_what_is_paid(text, mended, published):
    assert [pay(name, text) for name in FIVE] == pytest.approx(mended)
    for name, wanted in zip(FIVE, published, strict=True):
        if wanted is not None:
            assert pay(f"{name}_original", text) == pytest.approx(wanted), name


def test_the_published_count_charges_long_texts_twice_and_goes_below_nothing():
    tail = "x" * 500
    assert pay("xml_count_original", RIGHT + tail) * 0.5 == pytest.approx(0.5 - 2 * 0.5)
    assert pay("xml_count", RIGHT + tail) * 0.5 == pytest.approx(0.0)
    assert pay("xml_count", RIGHT + "x" * 100) * 0.5 == pytest.approx(0.4)
    for text in (RIGHT + "x" * 10_000, "</answer>" * 50, tail):
        assert pay("xml_count", text) == 0


@pytest.mark.parametrize(
    ("gold", "answer", "correct", "integer"),
    [
        ("1,234", "1234", 1, 1), ("1234", "1,234", 1, 1), ("1,234", "1,234 eggs", 1, 0), ("-3", "-3", 1, 1),
        ("-3", "3", 0, 1), ("50", "50%", 1, 0), ("0.5", "50%", 1, None), ("3/4", "0.75", 1, None),
        ("3/4", "6/8", 1, None), ("7", "7 or 8", 0, 0), ("7", "seven", 1, 0), ("7", "x = 7", 1, 0),
        ("10", "5 + 5", 0, 0),
    ],
)  # fmt: skip
def test_answers_are_compared_as_numbers(gold, answer, correct, integer):
    text = RIGHT.replace("\n42\n", f"\n{answer}\n")
    assert (pay("correctness", text, gold), pay("integer", text, gold)) == (correct, integer)


def test_published_golds_are_compared_as_they_were_written():
    text = RIGHT.replace("\n42\n", "\n1234\n")
    assert (pay("correctness_original", text, "1,234"), pay("correctness", text, "1,234")) == (0, 1)


def test_calculations_are_checked_line_by_line():
    assert pay("calculations", RIGHT) == 1
    assert pay("calculations", RIGHT.replace("6 * 7", "6 * 8")) == 0.5
    assert pay("calculations", SHORT) is None
    assert pay("calculations", "1 / 0 = 0\n") == 0


HOSTILE = ["\x00", "<answer>" * 3000, "9" * 9000, "\ud800", "<answer>" + "9" * 5000 + "</answer>", "= " * 4000,
           "<reasoning>" * 3000 + "</answer>", "<reasoning>" + "a\n" * 9000, "\n" * 9000]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_raises(text):
    (row,) = score(REWARDS, ["42"], [text], dict.fromkeys(REWARDS.functions, 1))
    assert row["correctness"] == 0
    assert all(value is None or math.isfinite(value) for value in row.values())


@pytest.mark.parametrize("bad", ["several", "\\sqrt{5}", "", "1 or 2", 3.5, True, [4]])
def test_a_gold_that_is_no_number_is_named(bad):
    with pytest.raises(ValueError, match="gold must be") as error:
        score(REWARDS, [bad], [RIGHT])
    assert "gold" in str(error.value)


def test_functions_for_trl_read_their_own_column():
    functions, weights = make_reward_functions(REWARDS, {**REWARDS.weights, "calculations": 0})
    assert [function.__name__ for function in functions] == [*FIVE, "calculations"]
    assert sum(weights) == 4.0
    chat = [{"role": "assistant", "content": RIGHT}]
    assert functions[0](completions=[RIGHT, chat, RIGHT], gold=["42", "42", None], prompts=["?"] * 3) == [1, 1, None]
    with pytest.raises(ValueError, match="lacks the column 'gold'"):
        functions[0](completions=[RIGHT], numbers=[[1, 2]])
    with pytest.raises(ValueError, match="did you mean 'correctness'"):
        check_weights({"corectness": 1}, REWARDS.functions)
    with pytest.raises(ValueError, match="task must be one of game24, chains24, countdown, gsm8k, got 'chess'"):
        open_environment("chess")


def test_weighing_ranks_word_problems_too():
    rows = [{"gold": gold, "text": text} for gold, text in itertools.product(["42", "7"], [RIGHT, ONE_LINE])]
    view = Weighing(rows, rewards=REWARDS)
    assert view.ranking["total"].tolist() == pytest.approx([4.0, 3.0, 2.0, 1.0])
    assert view.ranking["outcome"].tolist() == ["solved", "solved", "wrong value", "wrong value"]
    assert " lines, 42<details>" in view._view.value
    assert "&lt;answer&gt;" in view._view.value
    view.sliders["correctness"].value = 0.0
    assert view.ranking["total"].tolist() == pytest.approx([2.0, 2.0, 1.0, 1.0])
