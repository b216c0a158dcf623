"""The anatomy of graded chains, and the charts of it: counted by hand on a few rows."""

import math

import pandas as pd
import pytest

from game24lab.evaluation.error_analysis import count_reasons, describe_lengths, describe_wrong_lines, name_endings
from game24lab.views.charts import chains as charts
from game24lab.views.charts import svg as vector

ROWS = pd.DataFrame({
    "outcome": ["solved", "solved", "wrong value", "wrong numbers", "unfinished"],
    "tokens": [10, 30, 20, 40, 100], "lines": [1, 3, 2, 4, 10], "characters": [20, 60, 40, 80, 200],
    "rollbacks": [0, 1, 0, 0, 4], "first_wrong": pd.array([None, None, 1, 0, 4], dtype="Int64"),
    "wrong_kind": ["", "", "answer", "move", "move"],
    "wrong_reason": ["", "", "makes 23, not 24", "6 * 4 is 24, not 25", "6 * 3 is 18, not -8/3"],
    "first_unsound": pd.array([None, 1, None, None, 2], dtype="Int64"), "share_right": [1, 1, 0.5, 0.75, 0.9],
})  # fmt: skip


def test_endings():
    assert name_endings(ROWS).tolist() == ["solved", "solved", "wrong", "wrong", "unfinished"]


def test_lengths_by_ending():
    table = describe_lengths(ROWS).set_index("ending")
    assert list(table.index) == ["solved", "wrong", "unfinished", "all"]
    assert table["n"].tolist() == [2, 2, 1, 5]
    assert table["tokens"].tolist() == [20, 30, 100, 40]
    assert table.loc["all", "turning"] == 0.4
    assert table["share"].tolist() == [0.4, 0.4, 0.2, 1.0]
    assert list(describe_lengths(ROWS[:2])["ending"]) == ["solved", "all"]


def test_where_chains_first_go_wrong():
    table = describe_wrong_lines(ROWS).set_index("ending")
    assert table["damaged"].tolist() == [0, 1, 1, 0.6]
    assert math.isnan(table.loc["solved", "first"])
    assert table.loc["wrong", "first"] == 1.5
    assert table.loc["wrong", "place"] == (2 / 2 + 1 / 4) / 2
    assert table.loc["all", "move"] == pytest.approx(2 / 3)
    assert table["unsound"].tolist() == [0.5, 0, 1, 0.4]


def test_reasons_are_counted_without_their_numbers():
    table = count_reasons(ROWS)
    assert table["reason"].tolist() == ["# * # is #, not #", "makes #, not #"]
    assert table["n"].tolist() == [2, 1]
    assert table["share"].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert count_reasons(ROWS[:2]).empty


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="at least one chain of thought"):
        describe_lengths(ROWS[:0])


def test_charts_hold_the_numbers_of_their_tables():
    budgets = pd.DataFrame({"budget": [256, 1024], "accuracy": [0.25, 0.5], "wrong": [0.25, 0.0],
                            "unfinished": [0.5, 0.5], "low": [0.1, 0.3], "high": [0.4, 0.7]})  # fmt: skip
    (line,) = charts.draw_budgets(budgets).data
    assert list(line.y) == [0.25, 0.5]
    bars = charts.draw_ends(budgets).data
    assert [bar.name for bar in bars] == ["solved", "wrong", "unfinished"]
    assert [sum(bar.y[i] for bar in bars) for i in (0, 1)] == [1, 1]
    ended = ROWS.assign(ending=name_endings(ROWS))
    for column in ("tokens", "rollbacks", "first_wrong"):
        drawn = charts.draw_endings(ended, column, "x").data
        assert sum(sum(bar.y) for bar in drawn) == ended[column].notna().sum()
    whole = charts.draw_endings(ended, "rollbacks", "x").data
    assert list(whole[0].x) == [0, 1, 2, 3, 4]  # a bar a whole number
    assert list(whole[0].y) == [1, 1, 0, 0, 0]


def test_groups_stand_in_the_order_of_the_table_and_runs_beside_each_other():
    table = pd.DataFrame({"bucket": ["b", "a", "b"], "accuracy": [0.1, 0.2, 0.3], "run": ["x", "x", "y"]})
    figure = charts.draw_groups(table, "bucket", "ranks")
    assert list(figure.layout.xaxis.ticktext) == ["b", "a"]
    first, second = figure.data
    assert first.x[0] < 0 < second.x[0]


def test_curves_have_a_panel_each_and_skip_what_was_not_measured():
    log = pd.DataFrame({
        "step": [1, 2, 3] * 2, "reward": [1, 2, 3, 4, 5, 6], "accuracy": [None, 0.5, None] * 2,
        "low": [None, 0.4, None] * 2, "high": [None, 0.6, None] * 2, "run": ["a"] * 3 + ["b"] * 3,
    })  # fmt: skip
    figure = charts.draw_curves(log, {"reward": "reward", "accuracy": "held-out"}, ["accuracy"])
    assert len(figure.data) == 4
    assert [list(trace.x) for trace in figure.data] == [[1, 2, 3], [1, 2, 3], [2], [2]]
    assert figure.layout.yaxis2.tickformat == ".0%"
    assert figure.data[2].error_y.array is not None
    for panels in ({"reward": "r"}, dict.fromkeys(["reward", "accuracy"], "x")):
        assert "<svg" in vector.to_svg(charts.draw_curves(log, panels))
    with pytest.raises(ValueError, match="lacks the column 'kl'"):
        charts.draw_curves(log, {"kl": "KL"})


def test_every_chart_becomes_vector_art():
    budgets = pd.DataFrame({"budget": [256, 1024], "accuracy": [0.2, 0.5], "wrong": [0.3, 0], "unfinished": [0.5, 0.5]})
    ended = ROWS.assign(ending=name_endings(ROWS))
    table = pd.DataFrame({"bucket": ["<b>", "$a$"], "accuracy": [0.1, 0.2], "low": [0, 0.1], "high": [0.3, 0.4]})
    for figure in (charts.draw_budgets(budgets), charts.draw_ends(budgets), charts.draw_endings(ended, "tokens", "x"),
                   charts.draw_groups(table, "bucket", "x")):  # fmt: skip
        assert "<svg" in vector.to_svg(figure)
