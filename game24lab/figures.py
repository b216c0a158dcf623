"""Tables to figures: every figure is a Plotly figure, and `save` also draws it as vector art without a browser.

It does not know where a table came from, nor how an interval was computed; it draws the columns it is given.

Plotly's own static export needs Chrome. `save` draws the few things that our figures consist of (lines, markers,
error bars, bands, bars, linear, log and category axes) a second time with matplotlib, from the traces of the Plotly
figure, so both pictures hold the same numbers. Anything else in a figure is a ValueError, never a silent gap.
"""

from __future__ import annotations

import html
import math
import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
import plotly.graph_objects as go
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # DejaVu: open, and there wherever matplotlib is
FONT = "DejaVu Sans"
# Okabe & Ito 2008, told apart by nearly all eyes; the yellow is left out, too pale for lines on paper.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
INK, GRID = "#333333", "#E3E3E3"
PIXELS_PER_INCH = 100  # a figure of 640 pixels is as wide as the text of an A4 page, its 12 pixel letters 8.6 pt
MODES = {"verified": "circle", "unverified": "diamond-open"}  # symbol and name tell them apart, never colour alone

_AXIS = {"gridcolor": GRID, "zeroline": False, "linecolor": INK, "showline": True, "ticks": "outside", "ticklen": 4}
TEMPLATE = go.layout.Template(
    layout={
        "colorway": PALETTE,
        "font": {"family": f"{FONT}, Verdana, sans-serif", "size": 12, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "margin": {"l": 60, "r": 20, "t": 30, "b": 50},
        "barmode": "group",
    }
)


# ------------------------------------------------------------------------------------------- tables to figures
def draw_learning(log: pd.DataFrame) -> go.Figure:
    """Loss, and beside it the held-out accuracy, against the training step.

    Columns: `step`, `loss`; optional `accuracy` with `low` and `high`, and `run` to draw several runs. A row may hold
    only one of loss and accuracy (NaN: not measured at this step).
    """
    _need(log, "step", "loss")
    runs = log.groupby("run", sort=False) if "run" in log else [("", log)]
    two = "accuracy" in log and log["accuracy"].notna().any()
    figure = _figure("step", "training loss", second=("step", "held-out accuracy") if two else None)
    for (run, rows), colour in zip(runs, cycle(PALETTE), strict=False):
        loss = rows.dropna(subset=["loss"]).sort_values("step")
        style = {"name": _plain(run), "legendgroup": _plain(run), "line": {"color": colour, "width": 1.6}}
        figure.add_scatter(x=loss["step"], y=loss["loss"], mode="lines", showlegend=bool(run), **style)
        held_out = rows.dropna(subset=["accuracy"]).sort_values("step") if two else rows[:0]
        if len(held_out):
            marks = {"marker": {"color": colour, "size": 6}, "error_y": _error(held_out, colour)}
            on = {"mode": "lines+markers", "showlegend": False, "xaxis": "x2", "yaxis": "y2"}
            figure.add_scatter(x=held_out["step"], y=held_out["accuracy"], **on, **marks, **style)
    if two:
        figure.update_layout(yaxis2={"tickformat": ".0%", "rangemode": "tozero"})
    return figure


def draw_calibration(reliability: pd.DataFrame, values: pd.DataFrame | None = None) -> go.Figure:
    """Reliability of a critic, and beside it how its values fall on alive and dead positions.

    `reliability`: `predicted` (mean of the critic's probabilities in a bin), `observed` (share solved), optional `low`
    and `high`. `values`: `value` (middle of a bin, -1 to 1), `truth` (bool: alive), `share` (of all positions of that
    truth).
    """
    _need(reliability, "predicted", "observed")
    two = values is not None and len(values) > 0
    figure = _figure("predicted chance", "observed share", second=("critic's value", "share") if two else None)
    ideal = {"color": "#999999", "width": 1.2, "dash": "dash"}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="perfect", line=ideal)
    rows, colour = reliability.sort_values("predicted"), PALETTE[0]
    marks = {"marker": {"color": colour, "size": 7}, "line": {"color": colour, "width": 1.6}}
    figure.add_scatter(x=rows["predicted"], y=rows["observed"], mode="lines+markers", name="critic",
                       error_y=_error(rows, colour), **marks)
    figure.update_layout(xaxis={"range": [0, 1]}, yaxis={"range": [0, 1]})
    if two:
        _need(values, "value", "truth", "share")
        for truth, name, fill in ((True, "alive", PALETTE[2]), (False, "dead", PALETTE[1])):
            part = values[values["truth"] == truth].sort_values("value")
            figure.add_bar(x=part["value"], y=part["share"], name=name, marker={"color": fill}, xaxis="x2", yaxis="y2")
        figure.update_layout(yaxis2={"tickformat": ".0%"})
    return figure


def draw_accuracy(table: pd.DataFrame) -> go.Figure:
    """Accuracy against sampled tokens per problem (log axis), one series per arm and way to end.

    Columns: `arm`, `mode` ("verified" or "unverified"), `sampled_tokens` (mean), `accuracy`; optional `low` and `high`,
    and `family`: arms of one family share a colour. Points of one arm and mode are joined by a line.
    """
    _need(table, "arm", "mode", "sampled_tokens", "accuracy")
    figure = _figure("sampled tokens per problem (mean)", "accuracy")
    family = "family" if "family" in table else "arm"
    colours = dict(zip(dict.fromkeys(table[family]), cycle(PALETTE), strict=False))
    for (arm, mode), rows in table.dropna(subset=["accuracy", "sampled_tokens"]).groupby(["arm", "mode"], sort=False):
        if mode not in MODES:
            raise ValueError(f"mode {mode!r} of arm {arm!r}: one of {', '.join(MODES)} is accepted")
        rows, colour = rows.sort_values("sampled_tokens"), colours[rows[family].iloc[0]]
        line = {"color": colour, "width": 1.2, "dash": "solid" if mode == "verified" else "dot"}
        marker = {"color": colour, "size": 9, "symbol": MODES[mode]}
        figure.add_scatter(x=rows["sampled_tokens"], y=rows["accuracy"], mode="lines+markers",
                           name=_plain(f"{arm}, {mode}"), line=line, marker=marker, error_y=_error(rows, colour))
    figure.update_layout(xaxis={"type": "log", "tickformat": "~s"}, yaxis={"tickformat": ".0%", "range": [0, 1.03]})
    return figure


def draw_pass_at_k(table: pd.DataFrame) -> go.Figure:
    """pass@k against k (log axis), its interval as a band. Columns: `k`, `accuracy`; optional `low`, `high`, `arm`."""
    _need(table, "k", "accuracy")
    figure = _figure("samples per problem, k", "pass@k")
    arms = table.groupby("arm", sort=False) if "arm" in table else [("pass@k", table)]
    for (arm, rows), colour in zip(arms, cycle(PALETTE), strict=False):
        rows = rows.sort_values("k")
        group = {"name": _plain(arm), "legendgroup": _plain(arm)}
        if {"low", "high"} <= set(rows):
            band = rows.dropna(subset=["low", "high"])
            around = {"x": [*band["k"], *band["k"][::-1]], "y": [*band["high"], *band["low"][::-1]]}
            figure.add_scatter(**around, mode="lines", fill="toself", fillcolor=_faint(colour), showlegend=False,
                               line={"width": 0, "color": colour}, hoverinfo="skip", **group)
        figure.add_scatter(x=rows["k"], y=rows["accuracy"], mode="lines+markers", **group,
                           line={"color": colour, "width": 1.6}, marker={"color": colour, "size": 6})
    ticks = sorted(set(table["k"]))
    ticks = [k for k in ticks if math.log2(k).is_integer()] or ticks
    axis = {"type": "log", "tickvals": ticks, "ticktext": [str(k) for k in ticks]}
    figure.update_layout(xaxis=axis, yaxis={"tickformat": ".0%", "range": [0, 1.03]})
    return figure


def draw_cost(table: pd.DataFrame, unit: str) -> go.Figure:
    """What an attempt costs, as stacked bars: one bar per row (`arm`), one piece per further column, in `unit`."""
    _need(table, "arm")
    parts = [column for column in table if column != "arm"]
    figure = _figure(f"{unit} per problem (mean)", "", height=120 + 26 * len(table))
    for part, colour in zip(parts, cycle(PALETTE), strict=False):
        arms = [_plain(arm) for arm in table["arm"]][::-1]
        figure.add_bar(x=table[part][::-1], y=arms, orientation="h", name=_plain(part), marker={"color": colour})
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom"}
    figure.update_layout(barmode="stack", xaxis={"tickformat": "~s"}, yaxis={"type": "category"}, legend=legend)
    return figure


def _figure(x: str, y: str, second: tuple[str, str] | None = None, height: int = 300) -> go.Figure:
    layout: dict[str, Any] = {"template": TEMPLATE, "width": 640, "height": height}
    layout |= {"xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}}}
    if second:
        layout["xaxis"]["domain"] = [0, 0.43]
        layout["xaxis2"] = {"title": {"text": second[0]}, "domain": [0.57, 1], "anchor": "y2"}
        layout["yaxis2"] = {"title": {"text": second[1]}, "anchor": "x2"}
    return go.Figure(layout=layout)


def _need(table: pd.DataFrame, *columns: str) -> None:
    missing = [column for column in columns if column not in table]
    if missing or table.empty:
        what = f"lacks the column {missing[0]!r}" if missing else "has no rows"
        raise ValueError(f"the table to draw {what}; it has the columns {', '.join(map(str, table))}")


def _plain(text: object) -> str:
    """Text that Plotly shows as it is: its small markup language is escaped, control characters are replaced."""
    return html.escape("".join(c if c.isprintable() else "\ufffd" for c in str(text)), quote=False)


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _error(rows: pd.DataFrame, colour: str) -> dict | None:
    if not {"low", "high"} <= set(rows):
        return None
    middle = rows["accuracy"] if "accuracy" in rows else rows["observed"]
    up, down = (rows["high"] - middle).clip(lower=0), (middle - rows["low"]).clip(lower=0)
    return {"array": up, "arrayminus": down, "symmetric": False, "color": colour, "thickness": 1, "width": 3}


# ------------------------------------------------------------------------------------------- figures to files
_KNOWN = {  # what the second renderer draws; other properties are refused
    "scatter": "type x y mode name legendgroup showlegend line marker error_y fill fillcolor hoverinfo xaxis yaxis",
    "bar": "type x y name legendgroup showlegend marker orientation hoverinfo xaxis yaxis",
    "layout": "template width height barmode legend margin showlegend",
    "axis": "title type range tickformat tickvals ticktext domain anchor rangemode",
}
_DASHES = {None: "-", "solid": "-", "dash": (0, (5, 3)), "dot": (0, (1.2, 1.8))}
_SYMBOLS = {None: "o", "circle": "o", "diamond": "D", "square": "s", "x": "x", "star": "*", "triangle-up": "^"}
_STYLE = {
    "font.family": FONT,
    "font.size": 12 * 72 / PIXELS_PER_INCH,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "game24lab",  # equal figures, equal bytes
}


def save(figure: go.Figure, path: str | Path) -> Path:
    """Write a figure: `.html` is interactive, works offline; `.svg`, `.pdf`, `.png` are drawn without a browser.

    ValueError for another ending, or where the figure holds what the second renderer does not draw.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending == ".html":
        figure.write_html(path, include_plotlyjs=True)
    elif ending in (".svg", ".pdf", ".png"):
        path.write_bytes(_render(figure, ending[1:]))
    else:
        raise ValueError(f"figure file {str(path)!r}: .html, .svg, .pdf or .png is accepted")
    return path


def to_svg(figure: go.Figure) -> str:
    """The figure as SVG text; equal figures give equal text."""
    return _render(figure, "svg").decode("utf-8")


def _render(figure: go.Figure, kind: str) -> bytes:
    layout, traces = figure.layout, figure.data
    _check(figure)
    pairs = list(dict.fromkeys((t.xaxis or "x", t.yaxis or "y") for t in traces)) or [("x", "y")]
    pairs.sort(key=lambda pair: (layout[_axis_name(pair[0])].domain or (0, 1))[0])
    size = ((layout.width or 640) / PIXELS_PER_INCH, (layout.height or 300) / PIXELS_PER_INCH)
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # drawn as a box
        canvas = Canvas(figsize=size, layout="constrained")
        canvas.get_layout_engine().set(w_pad=0.04, h_pad=0.04, wspace=0.06)
        entries: dict[str, Any] = {}
        for column, pair in enumerate(pairs, 1):
            axes = canvas.add_subplot(1, len(pairs), column)
            here = [t for t in traces if (t.xaxis or "x", t.yaxis or "y") == pair]
            _draw_bars([t for t in here if t.type == "bar"], axes, layout.barmode or "group", entries)
            for trace in here:
                if trace.type == "scatter":
                    _draw_scatter(trace, axes, entries)
            _set_axis(axes, "x", layout[_axis_name(pair[0])])
            _set_axis(axes, "y", layout[_axis_name(pair[1])])
        if entries and layout.showlegend is not False and (len(entries) > 1 or layout.showlegend):
            flat = layout.legend.orientation == "h"
            place = {"loc": "outside upper center", "ncols": len(entries)} if flat else {"loc": "outside right upper"}
            legend = canvas.legend(list(entries.values()), ["." for _ in entries], **place, frameon=False,
                                   borderaxespad=0.2, handlelength=1.2 if flat else 2.4)
            for text, name in zip(legend.get_texts(), entries, strict=True):
                text.set_text(name)  # not as a label: matplotlib would drop names that begin with "_"
        out = BytesIO()
        when = {"CreationDate": None} if kind == "pdf" else {"Date": None} if kind == "svg" else {}
        canvas.savefig(out, format=kind, dpi=200, metadata=when)
    return out.getvalue()


def _check(figure: go.Figure) -> None:
    for trace in figure.data:
        if trace.type not in ("scatter", "bar"):
            raise ValueError(f"trace type {trace.type!r} cannot be drawn without a browser: scatter, bar are accepted")
        _refuse(trace.to_plotly_json(), trace.type, f"{trace.type} trace {trace.name!r}")
        if trace.type == "scatter" and trace.fill not in (None, "none", "toself"):
            raise ValueError(f"fill {trace.fill!r} of {trace.name!r}: a band is one closed line with fill 'toself'")
    layout = figure.layout.to_plotly_json()
    for name in [name for name in layout if name[:5] in ("xaxis", "yaxis")]:
        _refuse(layout.pop(name), "axis", name)
    _refuse(layout, "layout", "layout")


def _refuse(properties: Mapping[str, Any], kind: str, where: str) -> None:
    unknown = sorted(set(properties) - set(_KNOWN[kind].split()))
    if unknown:
        raise ValueError(f"{where}: {unknown[0]!r} cannot be drawn without a browser; known: {_KNOWN[kind]}")


def _axis_name(reference: str) -> str:
    return f"{reference[0]}axis{reference[1:]}"


def _enter(trace: Any, handle: Any, entries: dict[str, Any]) -> None:  # into the legend, once per name
    if trace.name and trace.showlegend is not False:
        entries.setdefault(html.unescape(trace.name), handle)


def _colour(text: str | None, fallback: str = PALETTE[0]) -> Any:
    """A colour as matplotlib reads it; Plotly's rgba(...) has parts of 255."""
    if text and text.startswith("rgba("):
        red, green, blue, alpha = (float(part) for part in text[5:-1].split(","))
        return (red / 255, green / 255, blue / 255, alpha)
    return text or fallback


def _draw_scatter(trace: Any, axes: Axes, entries: dict[str, Any]) -> None:
    x, y = list(trace.x), list(trace.y)
    colour = _colour(trace.line.color or trace.marker.color)
    if trace.fill == "toself":
        axes.fill(x, y, facecolor=_colour(trace.fillcolor), edgecolor="none")
        _enter(trace, Patch(facecolor=_colour(trace.fillcolor)), entries)
        return
    modes = (trace.mode or "lines+markers").split("+")
    scale = 72 / PIXELS_PER_INCH
    style: dict[str, Any] = {"color": colour, "linestyle": "none"}
    if "lines" in modes:
        style |= {"linestyle": _DASHES[trace.line.dash], "linewidth": (trace.line.width or 2) * scale}
    if "markers" in modes:
        name, is_open, _ = (trace.marker.symbol or "circle").partition("-open")
        if name not in _SYMBOLS:
            raise ValueError(f"marker symbol {name!r} of {trace.name!r}: known are {', '.join(filter(None, _SYMBOLS))}")
        face = "white" if is_open else _colour(trace.marker.color, colour)
        style |= {"marker": _SYMBOLS[name], "markersize": (trace.marker.size or 6) * scale, "markerfacecolor": face,
                  "markeredgecolor": _colour(trace.marker.color, colour), "markeredgewidth": 1.1}
    if trace.error_y.array is not None:
        up, down = trace.error_y.array, trace.error_y.arrayminus
        reach = [up if down is None else down, up]
        axes.errorbar(x, y, yerr=reach, fmt="none", ecolor=colour, elinewidth=0.9, capsize=2.2)
    (line,) = axes.plot(x, y, **style)
    _enter(trace, line, entries)


def _draw_bars(bars: Sequence[Any], axes: Axes, barmode: str, entries: dict[str, Any]) -> None:
    if not bars:
        return
    if barmode not in ("group", "stack"):
        raise ValueError(f"barmode {barmode!r}: group, stack are accepted")
    flat = [t.orientation == "h" for t in bars]
    places: dict[Any, float] = {}
    for trace, lying in zip(bars, flat, strict=True):
        for place in trace.y if lying else trace.x:
            places.setdefault(place, place if isinstance(place, int | float) else len(places))
    spots = sorted(places.values())
    gap = min((b - a for a, b in pairwise(spots)), default=1.0)
    share = 0.8 * gap / (len(bars) if barmode == "group" else 1)
    base = dict.fromkeys(places, 0.0)
    for index, (trace, lying) in enumerate(zip(bars, flat, strict=True)):
        keys, sizes = (trace.y, trace.x) if lying else (trace.x, trace.y)
        shift = (index - (len(bars) - 1) / 2) * share if barmode == "group" else 0.0
        at = [places[key] + shift for key in keys]
        colour = _colour(trace.marker.color)
        start = [base[key] for key in keys] if barmode == "stack" else 0.0
        (axes.barh if lying else axes.bar)(at, list(sizes), share, start, color=colour)
        for key, size in zip(keys, sizes, strict=True):
            base[key] += 0 if size is None or math.isnan(size) else size
        _enter(trace, Patch(facecolor=colour), entries)
    names = [key for key in places if not isinstance(key, int | float)]
    if names:
        axis = axes.yaxis if flat[0] else axes.xaxis
        axis.set_ticks([places[name] for name in names], [html.unescape(name) for name in names])
        axis.grid(False)


def _set_axis(axes: Axes, side: str, given: Any) -> None:
    """Title, scale, range and ticks of one axis, `side` "x" or "y"."""
    axis = axes.xaxis if side == "x" else axes.yaxis
    set_limits = axes.set_xlim if side == "x" else axes.set_ylim
    if given.title.text:
        axis.set_label_text(html.unescape(given.title.text))
    if logarithmic := given.type == "log":
        (axes.set_xscale if side == "x" else axes.set_yscale)("log")
    low, high = axis.get_view_interval()
    if logarithmic:
        few = math.log10(high / low) < 2.2
        axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if few else (1,), numticks=15))
        axis.set_minor_formatter(ticker.NullFormatter())
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    if given.tickformat == "~s":
        axis.set_major_formatter(ticker.EngFormatter(sep=""))
    elif given.tickformat == ".0%":
        axis.set_major_formatter(ticker.PercentFormatter(1, decimals=0))
    elif given.tickformat:
        raise ValueError(f"tickformat {given.tickformat!r}: ~s, .0% are accepted")
    if given.tickvals is not None:
        axis.set_ticks(list(given.tickvals), [html.unescape(str(t)) for t in given.ticktext or given.tickvals])
        axis.set_ticks([], minor=True)
    if given.range is not None:
        set_limits(*(10**end if logarithmic else end for end in given.range))
    elif given.rangemode == "tozero":
        smallest, largest = (axes.dataLim.x0, axes.dataLim.x1) if side == "x" else (axes.dataLim.y0, axes.dataLim.y1)
        set_limits(0 if smallest >= 0 else low, 0 if largest <= 0 else high)
