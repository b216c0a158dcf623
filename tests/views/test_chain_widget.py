"""What traces look like: figures hold their tables, verdicts are told in words too, hostile text is shown as text."""

import re

import pandas as pd
import pytest

from game24lab.tasks.numbers.arithmetic import legal_steps, make_state, reachable
from game24lab.tasks.numbers.chains import judge_chain
from game24lab.tasks.numbers.steps import write_line
from game24lab.views.charts import svg as vector
from game24lab.views.charts.chains import draw_lengths
from game24lab.views.widgets.chain import ChainView
from game24lab.views.widgets.word_solution import SolutionView

CHAIN = """\
13 - 11 = 2 (left: 1 2 11)
roll back (left: 1 11 11 13)
11 - 1 = 10 (left: 10 11 13)
11 - 10 = 2 (left: 2 13)
11 - 10 = 1 (left: 1 13)
reach 24! expression: (11 + 1) * (13 - 11)
"""


def test_verdicts_are_told_by_sign_and_word():
    text = str(ChainView(judge_chain((1, 11, 11, 13), CHAIN)))
    lines = text.splitlines()
    assert [line[5] for line in lines[:-1]] == list("+<-!-=")
    assert lines[1].endswith("goes back; leaves a position from which the target was within reach")
    assert lines[3].endswith("wrong: 11 - 10 is 1, not 2")
    assert lines[-1] == "solved; style sound; 83% of 6 lines right, line 3 is the first wrong one; rollbacks: 1"
    assert repr(ChainView(judge_chain((1, 2, 3, 4), ""))).startswith("unfinished; style other; 0% of 0 lines right")


def test_the_table_says_the_same_with_colours():
    view = ChainView(judge_chain((1, 11, 11, 13), CHAIN))
    table = view._repr_html_()
    assert len(re.findall(r"<tr style=\"border-left: 6px solid #[0-9A-Fa-f]{6}", table)) == 6
    for line in CHAIN.splitlines():
        assert line.replace("<", "&lt;") in table
    assert "wrong: 11 - 10 is 1, not 2" in table


def test_lines_are_set_in_by_the_moves_that_lead_to_them():
    view = ChainView(judge_chain((1, 11, 11, 13), CHAIN))
    assert [len(line) - len(line.lstrip()) for _, _, line, _ in view.judge_lines()] == [0, 0, 0, 2, 2, 0]
    assert "<td>  11 - 10 = 1" in view._repr_html_()


@pytest.mark.parametrize(("count", "folds"), [
    (5, []), (6, [(0, 6, "lines 0 to 5: dead ends, and the ways back from them")]),
])  # fmt: skip
def test_many_lines_that_lead_nowhere_are_folded(count, folds):
    root = make_state((1, 11, 11, 13))
    moves = [(step, left) for step, left in legal_steps(root) if not reachable(left, 24)]
    dead = "".join(f"{write_line(step, left)}\n" for step, left in moves[:count])
    view = ChainView(judge_chain((1, 11, 11, 13), dead + CHAIN.splitlines()[0]))
    assert view.list_folds() == folds
    page = view._repr_html_()
    assert page.count("<details>") == len(folds)
    assert page.count("<tr style") == count + 1
    assert page.index("</details>" if folds else "<table>") < page.index("13 - 11 = 2")


def test_a_verdict_is_told_where_it_changes():
    lines = "".join(f"13 - 11 = {wrong} (left: 1 2 11)\n" for wrong in (2, *[5] * 14))
    view = ChainView(judge_chain((1, 11, 11, 13), lines))
    said = [line[5:].partition(")")[2].strip() for line in str(view).splitlines()[:-1]]
    assert said[:2] == ["the target is within reach", view.judge_lines()[1][3]]
    assert said[2:] == [""] * 13
    page = view._repr_html_()
    assert page.count("the target is within reach</td>") == 1
    assert page.count('<i style="background: ') == 15  # all lines at one glance
    assert '<div class="strip">' not in ChainView(judge_chain((1, 11, 11, 13), CHAIN))._repr_html_()


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "</td></table><img src=x onerror=y>", "\x1b[31m\u202e"]
)
def test_hostile_text_is_shown_as_text(hostile):
    view = ChainView(judge_chain((1, 2, 3, 4), f"{hostile}\n{'9' * 5000}\nreach 24! expression: {hostile}\n"))
    for shown in (view._repr_html_(), str(view)):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert len(shown) < 6_000
    page = view._repr_html_()
    assert "<script" not in page
    assert "<img" not in page


def test_answers_to_word_problems_are_read_the_same_way():
    text = "<reasoning>\n3 + 3 = 6\n3 * 3 = 8\n</reasoning>\n<answer>\n6\n</answer>"
    view = SolutionView("Ann has <b>three</b> apples.", "6", text)
    lines = str(view).splitlines()
    assert lines[0] == "Ann has <b>three</b> apples."
    assert [line[5:].split()[0] for line in lines[2:4]] == ["+", "!"]
    assert lines[-1].startswith("solved")
    assert lines[-1].endswith("1 of 2 lines with calculations are right")
    page = view._repr_html_()
    assert "&lt;b&gt;three&lt;/b&gt;" in page
    assert "<b>" not in page
    assert page.count("<tr style") == 7


def test_lengths_are_shares_of_each_style():
    table = pd.DataFrame({"style": ["v1", "v1", "<b>", "<b>"], "tokens": [20, 120, 130, 140]})
    figure = draw_lengths(table, limits=(100,))
    assert [trace.name for trace in figure.data] == ["v1", "&lt;b&gt;", "limits of the buckets"]
    assert list(figure.data[0].y[:3]) == [0.5, 0, 0.5]
    assert sum(figure.data[1].y) == 1
    assert "<svg" in vector.to_svg(figure)
    with pytest.raises(ValueError, match="lacks the column 'tokens'"):
        draw_lengths(table[["style"]])
