"""Answers side by side: every token stands there, changes are marked, and no text becomes markup."""

import json
from html.parser import HTMLParser

import pandas as pd
import pytest

from game24lab.views.widgets.side_by_side import Side, SideView

EVIL = '<img src=x onerror="alert(1)">&lt;</pre></div><script>alert(2)</script>'


class Tags(HTMLParser):
    """The tags of a page, and the names of their attributes."""

    def __init__(self):
        super().__init__()
        self.found, self.names = set(), set()

    def handle_starttag(self, tag, attrs):
        self.found.add(tag)
        self.names |= {name for name, _ in attrs}


def make_row(strategy, problem="4 5 6 10", solved=True, pieces=(("12", "plain"), ("\n", "kept"), (EVIL, "changed"))):
    return {"strategy": strategy, "mode": "verified", "problem": problem, "seed": 0, "solved": solved,
            "outcome": "solved" if solved else "wrong value", "pieces": json.dumps(pieces), "answer_tokens": 3,
            "sampled_tokens": 1200, "decisions": 2, "changed": 1}  # fmt: skip


ROWS = pd.DataFrame([make_row("plain"), make_row("look ahead"), make_row("plain", EVIL, False), make_row("look", EVIL)])


def test_it_begins_where_arms_differ_and_shows_all_of_them():
    view = SideView(ROWS)
    assert view.chosen.value == 1
    assert [side.name for side in view.sides] == ["plain (verified)", "look (verified)"]
    view.chosen.value = 0
    assert "look ahead (verified)" in view._view.value
    assert "1,200 sampled; 2 decisions, 1 changed" in view._view.value
    assert "<br>" not in view._view.value  # one line of heading
    assert len(SideView(ROWS, ["plain"]).sides) == 1


def test_changed_tokens_are_marked_in_page_and_text():
    (side, _) = SideView(ROWS).sides
    assert '<span class="changed">&lt;img' in side._repr_html_()
    assert '<span class="looked">⏎' in side._repr_html_()
    assert str(side).endswith(f"12⏎\n[{EVIL}]")


def test_decisions_are_counted_as_they_are_drawn():
    """The row of an arm may count none where its answer shows some; and where none is shown, none is told."""
    row = make_row("look", pieces=(("1", "kept"), ("2", "kept"), ("3", "plain"))) | {"decisions": 0, "changed": 0}
    (side,) = SideView(pd.DataFrame([row])).sides
    assert side._repr_html_().count('class="looked"') == 2
    assert "2 decisions, 0 changed" in side._repr_html_()
    (side,) = SideView(pd.DataFrame([make_row("look", pieces=(("1", "plain"),))])).sides
    assert "decision" not in side._repr_html_()


def test_hostile_text_stays_text():
    view = SideView(ROWS)
    tags = Tags()
    tags.feed(view._repr_mimebundle_()["text/html"] + view._view.value)
    assert tags.found == {"style", "div", "p", "b", "pre", "span"}
    assert tags.names == {"class"}
    strange = Side("a\x00<b>", [("\x1b[31m", "plain"), ("x", "no such mark")], "<i>")
    assert "\x1b" not in str(strange) + strange._repr_html_()
    assert "&lt;b&gt;</b>" in strange._repr_html_()
    assert "&lt;i&gt;" in strange._repr_html_()


def test_a_long_answer_is_cut():
    side = Side("long", [("x ", "plain")] * 10_000, "unfinished")
    assert len(side._repr_html_()) < 20_000
    assert str(side).endswith("…")


def test_no_rows_are_named():
    with pytest.raises(ValueError, match="there are none"):
        SideView(ROWS.head(0))
