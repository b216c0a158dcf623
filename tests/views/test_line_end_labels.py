"""Names at the ends of lines: in both renderers, one below the other, and a legend where they have no place."""

import itertools
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from game24lab.report.layout import draw_picture
from game24lab.views.charts.chains import draw_budgets
from game24lab.views.charts.labels import label_ends, spread
from game24lab.views.charts.svg import to_svg


def make_table(runs, ends):
    return pd.DataFrame([{"run": run, "budget": budget, "accuracy": end * share}
                         for run, end in zip(runs, ends, strict=True)
                         for budget, share in ((256, 0.5), (512, 1.0))])  # fmt: skip


def test_each_line_is_named_where_it_ends_and_there_is_no_legend():
    figure = draw_budgets(make_table(["long <b>", "short"], [0.9, 0.2]))
    notes = {note.text: note for note in figure.layout.annotations}
    assert list(notes) == ["long &lt;b&gt;", "short"]
    assert figure.layout.showlegend is False
    assert [note.font.color for note in notes.values()] == [trace.line.color for trace in figure.data]
    assert [(note.y, note.yshift) for note in notes.values()] == [(0.9, 0), (0.2, 0)]
    svg = to_svg(figure)
    for name in ("long &lt;b&gt;", "short"):
        assert svg.count(f">{name}</text>") == 1
    assert label_ends(figure).layout.annotations == tuple(notes.values())  # again: as before, not twice


def test_names_of_equal_lines_do_not_cover_one_another():
    picture = draw_picture(draw_budgets(make_table(list("abcdefg"), [0.0] * 7)), "caption", "source", 280)
    heights = [float(y) for y in re.findall(r'translate\([\d.]+ ([\d.]+)\)[^>]*>[a-g]</text>', picture.svg)]
    heights = heights or [float(y) for y in re.findall(r'y="([\d.]+)"[^>]*>[a-g]</text>', picture.svg)]
    assert len(heights) == 7
    ordered = sorted(heights)
    assert min(high - low for low, high in itertools.pairwise(ordered)) > 8


@pytest.mark.parametrize(
    ("runs", "why"),
    [(["only one"], "one name says nothing"), ([str(n) for n in range(9)], "too many"),
     (["x" * 40, "y"], "too long for the room beside")],
)  # fmt: skip
def test_where_names_have_no_place_there_is_a_legend(runs, why):
    figure = draw_budgets(make_table(runs, [0.5] * len(runs)))
    assert not figure.layout.annotations, why
    assert figure.layout.showlegend is None


def test_lines_that_end_apart_keep_their_legend():
    table = make_table(["a", "b"], [0.5, 0.6])
    assert not draw_budgets(table.iloc[:-1]).layout.annotations


@given(st.lists(st.floats(0, 200), min_size=1, max_size=12))
def test_places_are_apart_and_within(places):
    found = spread(places, 200)
    ordered = sorted(found)
    assert all(high - low > 13.99 for low, high in itertools.pairwise(ordered))
    assert ordered[0] >= -1e-6
    assert ordered[-1] <= 200
    assert sorted(range(len(places)), key=lambda at: (places[at], found[at])) == sorted(range(len(places)),
                                                                                        key=lambda at: found[at])
    assert spread(places * 20, 200) is None or len(places) * 20 <= 15
