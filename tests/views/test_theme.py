"""The figures hold the numbers of their tables, and the second renderer draws them all or says what it cannot draw."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from game24lab.views.charts import chains as charts
from game24lab.views.charts import svg as vector
from game24lab.views.charts import theme as figures

STEPS = np.arange(0, 100, 10)
LOG = pd.DataFrame({"step": STEPS, "loss": 2 - STEPS / 100, "accuracy": np.where(STEPS % 50 == 0, 0.25, np.nan)})
LOG["low"], LOG["high"] = LOG["accuracy"] - 0.1, LOG["accuracy"] + 0.1
RELIABILITY = pd.DataFrame({"predicted": [0.1, 0.9], "observed": [0.2, 0.8], "low": [0.1, 0.7], "high": [0.3, 0.9]})
VALUES = pd.DataFrame({"value": [-0.5, 0.5] * 2, "truth": [True] * 2 + [False] * 2, "share": [0.2, 0.8, 0.9, 0.1]})
ARMS = pd.DataFrame(
    [("greedy", "verified", 38, 0.4, 0.3, 0.5), ("mcts", "verified", 300, 0.98, 0.93, 0.99),
     ("mcts", "verified", 600, 0.99, 0.95, 1.0), ("mcts", "rules", 310, 0.8, 0.7, 0.9)],
    columns=["arm", "mode", "sampled_tokens", "accuracy", "low", "high"],
)  # fmt: skip
PASS = pd.DataFrame({"k": [1, 2, 4], "accuracy": [0.3, 0.5, 0.7], "low": [0.2, 0.4, 0.6], "high": [0.4, 0.6, 0.8]})
COST = pd.DataFrame({"arm": ["greedy", "mcts"], "policy": [1e6, 4e8], "critic": [0.0, 9e8]})
DIFFICULTY = pd.DataFrame({"alive": [0.1, 0.2, 0.2], "side": ["training", "training", "held out"]})
ALL = {
    "learning": figures.draw_learning(LOG),
    "loss alone": figures.draw_learning(LOG[["step", "loss"]]),
    "calibration": figures.draw_calibration(RELIABILITY, VALUES),
    "reliability": figures.draw_calibration(RELIABILITY),
    "accuracy": figures.draw_accuracy(ARMS),
    "pass@k": figures.draw_pass_at_k(PASS),
    "cost": figures.draw_cost(COST, "FLOPs"),
    "difficulty": figures.draw_difficulty(DIFFICULTY),
}


def texts(svg: str) -> list[str]:
    nodes = (node for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("}text"))
    return ["".join(node.itertext()).strip() for node in nodes]


@pytest.mark.parametrize("name", ALL)
def test_every_figure_is_drawn_without_a_browser_and_twice_the_same(name):
    figure = ALL[name]
    svg = vector.to_svg(figure)
    assert svg == vector.to_svg(figure)
    shown = texts(svg)
    titles = [axis.title.text for axis in (*figure.select_xaxes(), *figure.select_yaxes()) if axis.title.text]
    assert set(titles) <= set(shown)


def test_points_are_drawn_where_the_numbers_are():
    """The path of the loss curve, scaled back, is the table's column."""
    svg = vector.to_svg(ALL["loss alone"])
    paths = [node.get("d") for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("}path")]
    curves = [np.array(re.findall(r"[ML] (\S+) (\S+)", d), dtype=float) for d in paths if d.count("L") == len(LOG) - 1]
    (curve,) = [curve for curve in curves if len(curve) == len(LOG)]
    scaled = (curve - curve[0]) / (curve[-1] - curve[0])
    expected = (LOG["loss"] - LOG["loss"].iloc[0]) / (LOG["loss"].iloc[-1] - LOG["loss"].iloc[0])
    np.testing.assert_allclose(scaled[:, 1], expected, atol=1e-4)


def test_the_modes_differ_by_symbol_and_name():
    traces = {trace.name: trace for trace in ALL["accuracy"].data}
    assert set(traces) == {"greedy, verified", "mcts, verified", "mcts, rules"}
    assert traces["mcts, verified"].marker.symbol != traces["mcts, rules"].marker.symbol
    assert traces["mcts, verified"].marker.color == traces["mcts, rules"].marker.color
    every = figures.draw_accuracy(pd.concat([ARMS.assign(arm="mcts", mode=mode) for mode in figures.MODES]))
    assert [trace.name for trace in every.data] == ["mcts, verified", "mcts, rules", "mcts, blind"]
    assert len({trace.marker.symbol for trace in every.data}) == len({trace.line.dash for trace in every.data}) == 3
    assert "mcts, blind" in texts(vector.to_svg(every))
    assert list(traces["mcts, verified"].x) == [300, 600]
    assert traces["greedy, verified"].error_y.array[0] == pytest.approx(0.1)


def test_curves_that_lie_on_one_another_are_one_line_of_all_their_names():
    table = pd.concat([PASS.assign(arm="any"), PASS.assign(arm="other", accuracy=0.1), PASS.assign(arm="majority")])
    lines = [trace for trace in figures.draw_pass_at_k(table).data if trace.fill is None]
    assert [(trace.name, list(trace.y)) for trace in lines] == [
        ("any = majority", [0.3, 0.5, 0.7]), ("other", [0.1, 0.1, 0.1])]  # fmt: skip
    assert "any = majority" in texts(vector.to_svg(figures.draw_pass_at_k(table[table["arm"] != "other"])))
    assert figures.draw_pass_at_k(table[table["arm"] != "other"]).layout.showlegend


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 2, 2), (5, 3, 2)])
def test_many_panels_stand_in_rows_and_are_drawn_where_they_stand(count, columns, rows):
    """Five panels side by side are too narrow for half a screen: titles would cover the neighbours' lines."""
    figure = figures.make_figure(*((f"x{number}", f"y{number}") for number in range(count)))
    for number in range(count):
        figures.add_line(figure, pd.DataFrame({"a": [0, 1], "b": [0, 1]}), "a", "b", "#000000", panel=number + 1)
    svg = vector.to_svg(figure)
    nodes = [node for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("}text") and node.get("x")]
    places = {"".join(node.itertext()).strip(): (float(node.get("x")), float(node.get("y"))) for node in nodes}
    found = [places[f"x{number}"] for number in range(count)]
    assert len({round(x) for x, _ in found}) == columns
    assert len({round(y) for _, y in found}) == rows
    assert found == sorted(found, key=lambda place: (round(place[1]), place[0]))
    domains = [(tuple(figure.layout[axis].domain or (0, 1))) for number in range(count)
               for axis in (f"yaxis{number + 1}" if number else "yaxis",)]  # fmt: skip
    assert domains == sorted(domains, reverse=True)
    assert len(set(domains)) == rows


def test_names_are_text_and_never_markup():
    name = "_<b>$x^2$</b> & \x07"
    figure = figures.draw_accuracy(ARMS.assign(arm=name))
    assert figure.data[0].name == "_&lt;b&gt;$x^2$&lt;/b&gt; &amp; \ufffd, verified"
    assert "_<b>$x^2$</b> & \ufffd, verified" in texts(vector.to_svg(figure))


def test_missing_accuracy_is_left_out_and_not_drawn_as_zero():
    figure = figures.draw_accuracy(ARMS.assign(accuracy=[np.nan, 0.98, 0.99, 0.8]))
    assert "greedy, verified" not in [trace.name for trace in figure.data]


@pytest.mark.parametrize("ending", ["svg", "pdf", "png", "html"])
def test_save_writes_what_the_ending_says(tmp_path, ending):
    path = vector.save(ALL["pass@k"], tmp_path / f"figure.{ending}")
    start = path.read_bytes()[:2000]
    assert {"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG", "html": b"<html"}[ending] in start


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        (go.Figure(go.Heatmap(z=[[1]])), "trace type must be .*, got 'heatmap'"),
        (go.Figure(go.Scatter(x=[1], y=[1], text=["a"])), "'text'"),
        (go.Figure(go.Scatter(x=[1], y=[1], fill="tozeroy")), "fill 'tozeroy'"),
        (go.Figure(go.Scatter(x=[1], y=[1], marker={"symbol": "hexagram"})), "symbol 'hexagram'"),
        (go.Figure(go.Bar(x=[1], y=[1]), layout={"barmode": "overlay"}), "barmode must be .*, got 'overlay'"),
        (go.Figure(layout={"annotations": [{"text": "a"}]}), "must be a name beside the plot, without an arrow"),
        (go.Figure(layout={"annotations": [{"text": "a", "textangle": 9}]}), "'textangle'"),
        (go.Figure(layout={"shapes": [{"type": "line"}]}), "'shapes'"),
        (go.Figure(go.Scatter(x=[1], y=[1]), layout={"xaxis": {"tickformat": "%Y"}}),
         "tickformat must be .*, got '%Y'"),
    ],
)
def test_what_cannot_be_drawn_is_said(figure, message):
    with pytest.raises(ValueError, match=message):
        vector.to_svg(figure)


def test_bad_tables_and_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match="lacks the column 'loss'"):
        figures.draw_learning(LOG[["step"]])
    with pytest.raises(ValueError, match="no rows"):
        figures.draw_pass_at_k(PASS[:0])
    with pytest.raises(ValueError, match="got 'both'"):
        figures.draw_accuracy(ARMS.assign(mode="both"))
    with pytest.raises(ValueError, match=r"\.html, \.svg, \.pdf or \.png"):
        vector.save(ALL["cost"], tmp_path / "figure.gif")
    assert not list(tmp_path.iterdir())


def test_labels_that_would_touch_become_smaller():
    table = pd.DataFrame({"length": ["1-8", "9-16", "17-32", "33-64", "65-128", "over 128"], "accuracy": 0.5})
    sizes = {}
    for width in (300, 800):
        figure = charts.draw_groups(table, "length", "lines").update_layout(width=width, height=190)
        (style,) = re.findall(r'<text style="([^"]*)"[^>]*>over 128<', vector.to_svg(figure))
        sizes[width] = float(re.search(r"font-size: ([\d.]+)px", style)[1])
    assert sizes[300] < sizes[800] == pytest.approx(8.64)


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("count", [2, 9, 40])
def test_legends_are_never_cut_off(count, flat):
    """The picture grows with what its legend takes, above the plot or beside it."""
    figure = figures.make_figure(("x", "y"), height=200)
    for number in range(count):
        figure.add_scatter(x=[1, 2], y=[number, number], mode="lines", name=f"an arm of some length {number}")
    figure.update_layout(legend=figures.ABOVE if flat else {}, showlegend=True)
    svg = vector.to_svg(figure)
    height = float(re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', svg)[1])
    places = [float(y) for y in re.findall(r'transform="translate\([-\d.]+ ([-\d.]+)\)">an arm', svg)]
    places += [float(y) for y in re.findall(r'y="([-\d.]+)"[^>]*>an arm', svg)]
    assert len(places) == count
    assert all(0 < place < height for place in places)


def test_forty_arms_leave_room_for_the_plot_and_its_titles(tmp_path):
    """The legend names families then; a title that is longer than its axis is written in two lines."""
    rows = [(f"kind{kind}@simulations=400,prune=-0.9,width={n}", "rules", 100 * n + kind, n / 10, f"kind{kind}")
            for kind in range(8) for n in range(1, 6)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["arm", "mode", "sampled_tokens", "accuracy", "family"])
    figure = figures.draw_accuracy(table)
    assert len([trace for trace in figure.data if trace.showlegend is not False]) == 8
    assert {trace.name for trace in figure.data} >= {f"{arm}, rules" for arm in table["arm"]}, "for the pointer"
    shown = texts(vector.to_svg(figure))
    assert "kind3, rules" in shown
    assert not [text for text in shown if "prune" in text]
    few = figures.draw_accuracy(table[table["family"] == "kind1"])
    assert [trace.name for trace in few.data] == [f"{arm}, rules" for arm in table["arm"] if "kind1" in arm]


@pytest.mark.parametrize("width", [200, 310, 640])
def test_no_title_of_an_axis_leaves_the_picture(width):
    figure = figures.make_figure(("the chance that a first move leaves the target within reach", "accuracy"))
    figure.add_scatter(x=[1, 2], y=[0.1, 0.2], name="a")
    figure.update_layout(width=width)
    words = [text for text in texts(vector.to_svg(figure)) if "chance" in text or "reach" in text]
    assert len(words) == (1 if width == 640 else 2)
