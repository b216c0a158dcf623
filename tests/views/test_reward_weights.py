"""The weighing widget: sliders rank anew, moves count from the start, text stays text, it shows without a browser."""

import json
import re

import pandas as pd
import pytest

from game24lab.tasks.numbers.rewards import REWARDS
from game24lab.views.widgets.reward_weights import Weighing, judge_rows, rank_rows

NUMBERS = "1 11 11 13"
SOLVED = """11 - 1 = 10 (left: 10 11 13)
roll back (left: 1 11 11 13)
13 - 11 = 2 (left: 1 2 11)
11 + 1 = 12 (left: 2 12)
12 * 2 = 24 (left: 24)
reach 24! expression: (11 + 1) * (13 - 11)
"""
LUCKY = "so\nit\nis\nclear\nthat\nthe\nanswer\nmust\nbe\n" + SOLVED.split("\n")[-2] + "\n"  # right answer, nothing else
TIDY = "11 - 1 = 10 (left: 10 11 13)\n11 - 10 = 1 (left: 1 13)\n"  # right lines, no answer
ROWS = [{"numbers": NUMBERS, "text": text} for text in (LUCKY, TIDY, SOLVED, "")]


def order(view):
    return view.ranking["text"].tolist()


def test_it_starts_ranked_by_the_default_weights():
    view = Weighing(ROWS)
    assert order(view) == [SOLVED, LUCKY, TIDY, ""]
    assert view.weights == dict(REWARDS.weights)
    assert view.ranking["rank"].tolist() == [1, 2, 3, 4]
    assert (view.ranking["moved"] == 0).all()
    assert view.ranking["outcome"].tolist() == ["solved", "solved", "unfinished", "unfinished"]
    assert view.ranking["lines"].tolist() == [6, 10, 2, 0]


def test_a_slider_ranks_anew_and_the_moves_show():
    view = Weighing(ROWS)
    before = view._view.value
    view.sliders["output"].value = 0.0
    assert order(view)[0] == TIDY  # all lines right, and short
    moved = dict(zip(view.ranking["text"], view.ranking["moved"], strict=True))
    assert moved == {TIDY: 2, SOLVED: -1, LUCKY: -1, "": 0}
    drawn = view._view.value
    assert drawn != before
    assert "▲ 2" in drawn
    assert "▼ 1" in drawn
    assert 'class="up"' in drawn
    assert "3 of 4 completions moved" in view._said.value
    view.sliders["output"].value = 0.55
    assert (view.ranking["moved"] == 0).all()
    assert view._view.value == before


def test_normalising_changes_totals_and_no_rank():
    view = Weighing(ROWS, {"output": 1, "process": 1, "length": 0})
    assert view.ranking["total"].iloc[0] == 2
    assert "output 1.00 (50%)" in view._said.value
    ranks = view.ranking["rank"].tolist()
    view.normalise.value = True
    assert view.ranking["total"].iloc[0] == 1
    assert view.ranking["rank"].tolist() == ranks
    assert "output 0.50 (50%)" in view._said.value


def test_without_any_weight_the_table_stays_and_says_so():
    view = Weighing(ROWS)
    for slider in view.sliders.values():
        slider.value = 0
    assert "nothing to rank by" in view._said.value
    assert len(view.ranking) == 4


def test_equals_share_a_rank():
    table = pd.DataFrame({"a": [0.1, 0.2, 0.1 + 0.2 - 0.2], "b": [0.2, 0.1, 0.2]})
    assert rank_rows(table, {"a": 1, "b": 1})["rank"].tolist() == [1, 1, 1]
    assert rank_rows(table, {"a": 1})["rank"].tolist() == [1, 2, 2]
    with pytest.raises(ValueError, match="got 'text'"):
        rank_rows(table.assign(text="x"), {"text": 1})
    assert rank_rows(table, {"a": 1}).index.tolist() == [1, 0, 2]


HOSTILE = (
    "</pre></details><script>alert(1)</script><img src=x onerror=alert(2)>\n&amp; \u202egnp \ud800 \x00 <b>bold</b>"
)


def test_hostile_text_is_escaped_everywhere():
    view = Weighing(
        [*ROWS, {"numbers": NUMBERS, "text": HOSTILE}, {"numbers": NUMBERS, "text": "<i>\n" + "x" * 99_999}]
    )
    for drawn in (view._view.value, view._repr_mimebundle_()["text/html"]):
        for mark in ("<script", "<img", "<b>", "<i>", "\u202e", "\ud800", "\x00"):
            assert mark not in drawn
        assert "&lt;script&gt;alert(1)" in drawn
        assert "&amp;amp;" in drawn
        json.dumps(drawn).encode()
        assert drawn.count("<details>") == drawn.count("</details>") == 6
        assert len(drawn) < 20_000
        assert "more characters" in drawn


def test_it_shows_without_a_front_end():
    view = Weighing(ROWS, shown=3)
    bundle = view._repr_mimebundle_()
    assert bundle["text/plain"] == repr(view) == "Weighing of 4 completions (output 0.55, process 0.3, length 0.15)"
    assert "application/vnd.jupyter.widget-view+json" in bundle
    static = bundle["text/html"]
    assert len(re.findall("<tr class", static)) == 3
    assert "and 1 more below" in static
    assert "output 0.55 (55%)" in static


def test_rows_come_as_a_table_with_other_columns_and_rewards():
    table = pd.DataFrame(ROWS).assign(tokens=1, total=9.0)[::-1]
    judged = judge_rows(table, ["output", "sound"])
    assert judged["text"].tolist() == ["", SOLVED, TIDY, LUCKY]
    assert judged["sound"].isna().tolist() == [True, False, False, False]
    view = Weighing([{"numbers": [13, 11, 1, 11], "text": ""}], {"output": 1, "sound": 0, "lines": 2})
    assert view.sliders["lines"].max == 2
    assert "lines 0</span>" in view._view.value
    assert "–" in view._view.value
    assert view.ranking["total"].tolist() == [0]


@pytest.mark.parametrize(
    ("rows", "weights", "named"),
    [
        ([], REWARDS.weights, "there are none"),
        ([{"numbers": NUMBERS}], REWARDS.weights, "lacks 'text'"),
        ([*ROWS, {"text": ""}], REWARDS.weights, "completion 4 to weigh lacks 'numbers'"),
        ([{"numbers": NUMBERS, "text": 3}], REWARDS.weights, "must be a text, got int"),
        ([{"text": "", "numbers": "1 2 x"}], REWARDS.weights, "'x' is no integer"),
        (ROWS, {"outputs": 1}, "did you mean 'output'"),
        (ROWS, {"output": 0}, "at least one above 0"),
    ],
)
def test_bad_input_is_named(rows, weights, named):
    with pytest.raises(ValueError, match=named):
        Weighing(rows, weights)


def test_shown_is_checked():
    with pytest.raises(ValueError, match="shown must be an integer >= 1, got 0"):
        Weighing(ROWS, shown=0)


def test_one_problems_completions_are_compared_among_themselves():
    rows = [*ROWS, {"numbers": "1 2 3 4", "text": "1 * 2 = 2 (left: 2 3 4)\n"}, {"numbers": "1 2 3 4", "text": ""}]
    view = Weighing(rows)
    assert [name for name, _ in view.group.options] == ["all problems", NUMBERS, "1 2 3 4"]
    means = view.ranking.groupby("numbers")["advantage"].mean()
    assert means.abs().max() < 1e-12  # advantages of a group add up to nothing
    view.group.value = "1 2 3 4"
    assert set(view.ranking["numbers"]) == {"1 2 3 4"}
    assert view.ranking["rank"].tolist() == [1, 2]
    assert "2 completions moved" in view._said.value
    total = view.ranking["total"]
    assert view.ranking["advantage"].tolist() == pytest.approx((total - total.mean()).tolist())
    assert "advantage" in view._view.value
    view.group.value = ""
    assert len(view.ranking) == 6
