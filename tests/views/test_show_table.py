"""Tables: six columns and a fold, bars where shares have intervals, text that is never markup; as plain text too."""

import os
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.evaluation.tables import summarise
from game24lab.report.tables import make_table
from game24lab.views.tables import specifications
from game24lab.views.tables.columns import Column, count, percent, text
from game24lab.views.tables.records import list_records
from game24lab.views.tables.specifications import ARMS, list_arm_columns
from game24lab.views.tables.table import MOST, Table, guess_columns, show_table

SPECIFICATIONS = {name: found for name, found in vars(specifications).items()
                  if isinstance(found, dict) and found and all(isinstance(one, Column) for one in found.values())}
HOSTILE = '<script>alert(1)</script> & "quoted" \x1b[31m \u202e'


def make_rows(problems=40, arms=("greedy", "mcts 64"), modes=("rules", "verified")):
    """Attempts as an evaluation leaves them."""
    rng, rows = np.random.default_rng(0), []
    for arm in arms:
        for mode in modes:
            for problem in range(problems):
                rows.append({
                    "strategy": arm, "mode": mode, "algorithm": "mcts", "parameters": "{}", "problem": str(problem),
                    "seed": 0, "solved": bool(rng.random() < 0.4), "sampled_tokens": int(rng.integers(20, 2000)),
                    "prompt_tokens": 10, "policy_parameters": 1000, "critic_tokens": 5, "critic_parameters": 1000,
                    "policy_calls": 1, "critic_calls": 1, "depth": 1, "seconds": 0.1, "outcome": "wrong value",
                })  # fmt: skip
    return pd.DataFrame(rows)


def read_outside(html):
    """The headings outside the fold."""
    return re.findall(r"<th(?: [^>]*)?>(.*?)</th>", html.partition("<details>")[0])


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_no_specification_has_more_columns_than_are_shown(name):
    assert 2 <= len(SPECIFICATIONS[name]) <= MOST


def test_arms_are_six_columns_and_the_fold_holds_the_rest():
    summary = summarise(make_rows())
    assert summary.shape[1] > 20
    html = Table(summary, ARMS)._repr_html_()
    assert read_outside(html) == ["arm", "n", "accuracy", "tokens", "FLOPs", "what helped"]
    fold = html.partition("<details>")[2]
    for name in summary:
        assert f"<dt>{name.replace('_', '_<wbr>')}</dt>" in fold, name  # a long one is not broken anywhere
    assert html.count("<table") == 1
    row = summary.iloc[0]
    assert f"{100 * row['accuracy']:.1f}\u00a0%" in html  # the number keeps its unit in a narrow column
    assert f"left:{100 * row['low']:.1f}%;width:{100 * (row['high'] - row['low']):.1f}%" in html
    assert f"{row['sampled_tokens']:,.0f}" in html


def test_more_columns_than_are_shown_are_refused():
    with pytest.raises(ValueError, match="at most 6 columns, got 7"):
        Table([dict.fromkeys("abcdefg", 1)], {name: count(name) for name in "abcdefg"})


def test_the_same_specification_serves_text_and_report():
    summary = summarise(make_rows()).assign(label="x", source="s")
    records = list_records(summary)
    lines = str(Table(summary, ARMS)).splitlines()
    assert lines[0].split() == ["arm", "n", "accuracy", "tokens", "FLOPs", "what", "helped"]
    assert len(lines) == 1 + len(records)
    for line, row in zip(lines[1:], records, strict=True):
        assert f"{100 * row['accuracy']:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}]" in line
        assert re.search(r"[.=|]{12}", line)
        assert line.isascii()
    page = make_table("caption", records, list_arm_columns("arm"))
    assert page.header == ("arm", "n", "accuracy", "95 %", "tokens", "FLOPs", "what helped")
    assert [row[2] for row in page.rows] == [f"{100 * row['accuracy']:.1f} %" for row in records]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None)
def test_a_bar_lies_within_its_track_and_marks_the_value(one, two, three):
    low, value, high = sorted((one, two, three))
    table = Table([{"accuracy": value, "low": low, "high": high}], {"solved": percent("accuracy", "low", "high")})
    (bar,) = re.findall(r"[.=|]{12}", str(table))
    assert bar.count("|") == 1
    assert bar.index("|") == min(11, int(12 * value))
    left, width = map(float, re.search(r"left:([\d.]+)%;width:([\d.]+)%", table._repr_html_()).groups())
    assert 0 <= left <= left + width <= 100.2


def test_a_path_in_the_fold_goes_on_behind_its_folders():
    row = {**dict.fromkeys("abcdef", 1), "policy": "round-3/policy/checkpoint"}
    fold = Table([row], {"a": count("a")})._repr_html_().partition("<details>")[2]
    assert "round-3/<wbr>policy/<wbr>checkpoint" in fold


def test_text_is_text_everywhere():
    table = Table([{HOSTILE: HOSTILE, "accuracy": 0.5}], {HOSTILE: text(HOSTILE)}, HOSTILE)
    html = table._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    for shown in (html, str(table)):
        assert "\x1b" not in shown
        assert "\u202e" not in shown


def test_what_is_missing_is_a_dash_and_long_tables_say_so():
    table = Table([{"a": None, "b": float("nan"), "c": float("inf"), "d": np.int64(3)}])
    assert str(table).splitlines()[1].split() == ["-", "-", "-", "3"]
    assert "300 more rows" in str(Table([{"a": 1, "b": 2}] * 500))
    assert str(Table([])) == "no rows"
    assert "no rows" in Table(pd.DataFrame())._repr_html_()


def test_without_a_specification_the_first_columns_are_shown():
    records = list_records(pd.DataFrame({"group": ["x"], "accuracy": [0.25], "low": [0.1], "high": [0.5], "n": [40],
                                         "p": [0.123456], "q": [True], "r": ["t"], "s": [1]}))  # fmt: skip
    assert list(guess_columns(records)) == ["group", "accuracy", "n", "p", "q", "r"]
    line = str(Table(records)).splitlines()[1]
    assert "25.0 % [10.0, 50.0]" in line
    assert line.split()[-4:] == ["40", "0.123", "yes", "t"]


@pytest.mark.parametrize(
    ("given", "names"),
    [({"auc": 0.9, "n": 3}, ["auc", "n"]), (pd.Series({"x": 1, "y": 2}), ["x", "y"])],
)
def test_facts_have_a_row_each(given, names):
    assert [row["name"] for row in list_records(given)] == names


def test_a_named_index_becomes_columns():
    grouped = pd.DataFrame({"side": ["a", "a", "b"], "n": [1, 2, 3]}).groupby("side").sum()
    assert list_records(grouped) == [{"side": "a", "n": 3}, {"side": "b", "n": 3}]


def test_show_table_shows_text_where_there_is_no_notebook(capsys):
    show_table([{"a": 1, "b": "x"}])
    assert "x" in capsys.readouterr().out


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [560, 900])  # of a cell's output in a window of 1,000 and of 1,400 pixels
def test_nothing_scrolls_sideways_folded_or_not(width):
    from playwright.sync_api import sync_playwright

    names = ("mcts@simulations=400,width=12,c_init=0.25", "x" * 200, "greedy")
    table = Table(summarise(make_rows(arms=names, modes=("blind", "rules", "verified"))), ARMS, "a note " * 60)
    matched = Table([{"arm": names[0], "mode": "verified", "accuracy": 0.5, "baseline": names[1], "difference": 0.1,
                      "baseline_accuracy": 0.4, "low": -0.1, "high": 0.2}], specifications.MATCHES)  # fmt: skip
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_content(table._repr_html_() + matched._repr_html_())
        reach = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        folded = page.evaluate(reach)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        unfolded = page.evaluate(reach)
        bars = page.evaluate("[...document.querySelectorAll('.bar')].map(one => one.getBoundingClientRect().width)")
        browser.close()
    for wide, seen in (folded, unfolded):
        assert wide <= seen
    assert min(bars) >= 80


def test_names_of_arms_go_on_behind_their_signs_and_numbers_stay_whole():
    html = Table([{"arm": "best_of_n@n=2,verified", "n": 12345}], {"arm": text("arm"), "n": count("n")})._repr_html_()
    shown = html.partition("<details>")[0]
    assert "best_of_n@<wbr>n=2,<wbr>verified" in shown
    assert "12,345" in shown
