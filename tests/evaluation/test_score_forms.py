"""The page on scoring is what is done: every form of an answer, every rule, kind and shape of `docs/score.md`."""

import re
from pathlib import Path

import pytest

from game24lab.evaluation.layouts import Item, Layout
from game24lab.evaluation.score import NOT_ASKED, judge_item
from game24lab.evaluation.shapes import SHAPES, TABLE, TABLE_FORM, Columns
from game24lab.tasks.gsm8k import answers as gsm8k
from game24lab.tasks.numbers import answers as numbers
from game24lab.tasks.numbers.faults import FAULTS
from game24lab.tasks.numbers.puzzles import NumberProblem

PAGE = (Path(__file__).parents[2] / "docs" / "score.md").read_text(encoding="utf-8")
PROBLEM = NumberProblem((4, 5, 6, 10))


def read_table(heading, place=0):
    """The rows of a table below a heading: their cells without the marks of code, which keep everything else."""
    part = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    tables = re.findall(r"(?:^\|.*\n)+", part, flags=re.M)
    rows = [re.split(r"(?<!\\) ?\| ?", line.strip("|\n"))[:] for line in tables[place].splitlines()[2:]]
    return [[re.sub(r"^(`+) ?(.*?) ?\1$", r"\2", cell.strip()) for cell in row] for row in rows]


FORMS = read_table("One right answer, written in many ways")


def test_there_are_enough_forms_and_none_stands_twice():
    assert len(FORMS) >= 60
    assert sum(row[1] == "right" for row in FORMS) >= 40
    assert len({row[0] for row in FORMS}) == len(FORMS)


@pytest.mark.parametrize(("text", "verdict", "rule", "strict", "fault"), FORMS)
def test_a_form_is_judged_as_the_page_says(text, verdict, rule, strict, fault):
    text = text.replace("\\n", "\n")
    judged = numbers.judge_text(PROBLEM, text)
    assert (judged.right, judged.rule, judged.fault) == (verdict == "right", rule, fault), judged
    item = Item(PROBLEM, str(PROBLEM), "", True, [(text, False)])
    layout = Layout(TABLE, "", TABLE_FORM, "numbers", Columns(), strict=True)
    (narrow,) = judge_item(layout, item)
    assert narrow.right == (strict == "right"), narrow
    assert not narrow.right or judged.right
    assert narrow.rule in TABLE_FORM or narrow.fault in (NOT_ASKED, "no answer")


def test_the_rules_are_those_of_the_page():
    rows = read_table("Where an answer is found")
    assert [name for name, _, there, _ in rows if there == "yes"] == list(numbers.RULES)
    assert [name for name, _, _, there in rows if there == "yes"] == list(gsm8k.RULES)


def test_the_forms_asked_for_are_those_of_the_page():
    told = {}
    for names, rules in read_table("Where an answer is found", 1):
        told |= {name: {rule.strip("`") for rule in rules.split(", ")} for name in names.split(", ")}
    assert told == {**{shape.name: set(shape.form) for shape in SHAPES}, TABLE: set(TABLE_FORM)}


def test_the_shapes_are_those_of_the_page():
    rows = [[cell.replace("`", "") for cell in row] for row in read_table("Files")]
    assert [row[:2] for row in rows[:-1]] == [[shape.name, shape.about] for shape in SHAPES]
    assert rows[-1][0] == TABLE


def test_the_kinds_of_refusals_are_those_of_the_page():
    assert dict(read_table("The file of verdicts")) == {**FAULTS, **gsm8k.FAULTS}
    assert {row[4] for row in FORMS} >= set(FAULTS) - {NOT_ASKED}


WORDS = [
    ("<answer>42</answer>", "tags", True), ("<answer>41</answer> <answer>$42.00</answer>", "tags", True),
    ("<answer>42", "open tag", True), ("so $\\boxed{42}$ and <b>1</b>", "box", True),
    ("6 * 7 = 42\n#### 42", "####", True),
    ("#### 42\n\nQuestion: how many?\n#### 5", "####", True), ("The answer is 42. Now 5 + 3 = 8.", "line", True),
    ("So the answer is $42 per day.", "line", True), ("**Answer:** 42 apples", "line", True),
    ("First 6 + 1 = 7.\nThen 6 * 7 = 42 apples.", "equation", True), ("He needs 42 of them.", "number", True),
    ("It may be 40, 41 or 42", "number", True), ("41", "number", False), ("<answer>41 or 42</answer>", "tags", False),
    ("The answer is 42 or 43", "line", False), ("It is \\boxed{\\sqrt{1764}}", "box", False), ("none", "", False),
    ("<think>42</think>\n41 it is", "number", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rule", "right"), WORDS)
def test_word_problems_follow_their_rules(text, rule, right):
    judged = gsm8k.judge_text(42, text)
    assert (judged.rule, judged.right) == (rule, right), judged
    assert judged.fault in ("", *gsm8k.FAULTS)
    assert bool(judged.fault) != right
