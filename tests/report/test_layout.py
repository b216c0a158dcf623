"""How reports lie on their pages: long tables and pictures leave no page half white; settings that runs share stand
once; a plot has more than one point."""

import re
from dataclasses import replace

import pytest
from first_page import check_captions, count_pages, read_finding

from game24lab.report.document import Columns, Paragraph, Picture, Report, Table
from game24lab.report.layout import list_settings
from game24lab.report.sections import decoding, sft

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{}"><rect width="9" height="9"/></svg>'


def make_table(rows):
    return Table("Caption.", "source", ("arm", "n"), tuple((f"arm {n}", n) for n in range(rows)), note="A note.")


def make_picture(height, caption="The best solves 52.0 %. What is drawn."):
    return Picture(caption, "source", SVG.format(height), caption)


def make_report(*blocks):
    return Report("Title", "", blocks)


def make_run(number, **parameters):
    return {"name": "a_notebook", "id": f"{number:012}", "parameters": parameters}


def test_a_long_table_fills_the_page_it_begins_on():
    assert count_pages(make_report(*[make_table(19)] * 7)) == 3, "two of them fill no page"
    assert count_pages(make_report(*[make_table(12)] * 10)) == 4, "a short one stays in one piece"


def test_a_picture_waits_where_a_long_table_has_room():
    text = Paragraph("Half of a page. " * 240)
    assert count_pages(make_report(text, make_picture(560), make_table(30))) == 2
    assert count_pages(make_report(text, make_picture(560), Paragraph("So."), make_table(30))) == 3, "else it stays"


def test_what_all_runs_of_a_notebook_were_asked_stands_once():
    runs = [make_run(n, steps=100, style="sound", seed=n) for n in range(3)]
    runs.append({"name": "other", "id": "x", "parameters": {"steps": 100}})
    rows = list_settings(runs, lambda run: f"{run['name']} {run['id'][-1]}")
    told = [(row["arm"], row["settings"].replace("\u00a0", " ")) for row in rows]
    assert told == [("a_notebook, all 3 runs", "steps = 100, style = sound"), ("a_notebook 0", "seed = 0"),
                    ("a_notebook 1", "seed = 1"), ("a_notebook 2", "seed = 2"), ("other x", "steps = 100")]  # fmt: skip
    same = list_settings([make_run(n, steps=100) for n in range(3)], lambda run: run["id"])
    assert [row["arm"] for row in same] == ["a_notebook, all 3 runs"]
    apart = list_settings([make_run(0), make_run(1, steps=100)], lambda run: run["id"])
    assert [row["settings"] for row in apart] == ["-", "steps\u00a0=\u00a0100"]


def test_a_plot_has_more_than_one_point():
    entry = {"budget": 64, "accuracy": 0.5, "low": 0.4, "high": 0.6, "wrong": 0.1, "unfinished": 0.4,
             "unfinished_low": 0.3, "unfinished_high": 0.5, "source": "s"}  # fmt: skip
    assert sft._draw_best([entry]) is None
    assert isinstance(sft._draw_best([entry, entry | {"budget": 128}]), Columns)
    assert decoding._draw_grid([{"arm": "a"}], "") is None


@pytest.mark.parametrize("caption", [
    "Accuracy against tokens. Bars: 95 %.",  # nothing is found
    "The best solves 52.0 %.",  # what is drawn is not said
    "The best solves nan %. What is drawn.",
    "The best solves 52.0 %. " + "What is drawn. " * 40,
])  # fmt: skip
def test_a_caption_without_a_finding_is_found(caption):
    check_captions(make_report(Columns((make_picture(9), make_picture(9)))))
    with pytest.raises(AssertionError):
        check_captions(make_report(Columns((make_picture(9), make_picture(9, caption)))))
    assert re.search(r"\d", read_finding(make_picture(9)))
    with pytest.raises(AssertionError):
        check_captions(make_report(replace(make_picture(9), alt="a figure")))
