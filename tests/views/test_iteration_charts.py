"""Charts and words of expert iteration: lines over rounds, densities on both sides, and rounds that never came."""

import math

import pandas as pd
import pytest

from game24lab.evaluation.round_meters import measure_sides
from game24lab.views import sentences
from game24lab.views.charts.iteration import draw_densities, draw_rounds
from game24lab.views.charts.svg import to_svg
from game24lab.views.tables import specifications
from game24lab.views.tables.table import show_table


def make_rounds(gates=(True, True), stopped=""):
    """Rounds of a line in which p goes from 1e-3 to 1/2 where the gate opens."""
    rows, best = [], 0
    for number, accepted in enumerate((True, *gates)):
        best = number if accepted else best
        rows.append({"line": "search", "seed": 0, "round": number, "accepted": accepted, "best": best, "stopped": "",
                     "solved_ever": 0.25 * (number + 1), "flops_total": 1e9,
                     **measure_sides([0.5 if number and accepted else 1e-3] * 4, "held_out")})  # fmt: skip
    rows[-1]["stopped"] = stopped
    return pd.DataFrame(rows)


def test_rounds_are_drawn_a_panel_a_meter_and_a_line_a_line():
    table = pd.concat([make_rounds(), make_rounds((False, False)).assign(line="solver")])
    figure = draw_rounds(table.assign(run="0123456789ab"))
    assert {trace.name for trace in figure.data} == {"search", "solver"}
    assert len(figure.data) == 6
    assert "round" in to_svg(figure)
    assert len(draw_rounds(table[["round", "solved_ever", "line"]]).data) == 2


def test_densities_are_shares_of_the_problems_of_a_side():
    table = pd.DataFrame({"side": ["held out"] * 4 + ["training"] * 2, "round": [0, 0, 1, 1, 0, 1],
                          "p": [1e-5, 1e-5, 0.5, 0.0, 1.0, 1.0]})  # fmt: skip
    figure = draw_densities(table)
    assert [trace.name for trace in figure.data] == ["round 0", "round 1"] * 2
    assert all(math.isclose(sum(trace.y), 1.0) for trace in figure.data), "a chance of 0 stands in the lowest bin"
    assert {trace.name for trace in draw_densities(table.assign(line=["start", "best"] * 3)).data} == {"start", "best"}
    to_svg(figure)


@pytest.mark.parametrize(("table", "said"), [
    (make_rounds(), "pass@1 on 4 held-out puzzles went from 0.1 % [0.1, 0.1] to 50.0 % [50.0, 50.0] in round 2."),
    (make_rounds((False, False)), "in round 0. No round was accepted: the gate has never opened."),
    (make_rounds((True,), "no problem was solved in round 1"), "It ended early: no problem was solved in round 1."),
])  # fmt: skip
def test_a_sentence_says_what_came_of_it(table, said):
    assert said in sentences.tell_rounds(table)


def test_tables_show_what_was_not_measured_as_missing(capsys):
    rows = make_rounds((False,))
    show_table(rows, specifications.ROUNDS)
    assert "1 (refused)" in capsys.readouterr().out
    show_table(rows, specifications.CRITICS)
    assert " - " in capsys.readouterr().out
    show_table(rows, specifications.GROUPS)
    assert " - " in capsys.readouterr().out
