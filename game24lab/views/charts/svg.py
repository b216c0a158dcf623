"""Figures to files: a Plotly figure as vector art, without a browser.

Plotly's own static export needs Chrome. `save` draws the few things that our figures consist of (lines, markers, error
bars, bands, bars, linear, log and category axes) a second time with matplotlib, from the traces of the Plotly figure,
so both pictures hold the same numbers. Anything else in a figure is a ValueError, never a silent gap. It does not know
what a figure shows.
"""

from __future__ import annotations

import html
import json
import math
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from game24lab.runs.checks import require_one_of
from game24lab.views.charts.palette import FONT, GRID, INK, PALETTE

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # DejaVu: open, and there wherever matplotlib is
PIXELS_PER_INCH = 100  # a figure of 640 pixels is as wide as the text of an A4 page, its 12 pixel letters 8.6 pt

_KNOWN = {  # what the second renderer draws; other properties are refused (a uid is a name that a widget gives)
    "scatter": "type uid x y mode name legendgroup showlegend line marker error_y fill fillcolor hoverinfo xaxis yaxis",
    "bar": "type uid x y name legendgroup showlegend marker orientation hoverinfo xaxis yaxis",
    "layout": "template width height barmode legend margin showlegend annotations",
    "annotation": "text x y xref xanchor yanchor xshift yshift showarrow font",
    "axis": "title type range tickformat tickvals ticktext domain anchor rangemode",
}
_LINE, _PLOT = 19, 130  # pixels: a line of a legend; the least that is left to the plot, its labels included
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


class Chart(go.Figure):
    """A figure that brings its picture: interactive where Plotly is drawn, an image in other front ends and pages."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **kwargs: Any) -> dict[str, Any]:
        bundle = {"application/vnd.plotly.v1+json": json.loads(self.to_json()), "text/plain": "a Plotly figure"}
        try:
            return bundle | {"image/svg+xml": to_svg(self)}
        except ValueError:  # somebody has added to it what the second renderer does not draw
            return bundle

    def _ipython_display_(self) -> None:
        shown = pio.renderers.default or ""
        if "plotly_mimetype" in shown:
            from IPython.display import display  # here alone: a report needs no IPython

            display(self._repr_mimebundle_(), raw=True)
        elif shown:  # Colab, a browser, what the user has chosen
            pio.show(self)


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
        raise ValueError(f"figure file must end in .html, .svg, .pdf or .png, got {str(path)!r}")
    return path


def to_svg(figure: go.Figure) -> str:
    """The figure as SVG text; equal figures give equal text."""
    return _render(figure, "svg").decode("utf-8")


def _render(figure: go.Figure, kind: str) -> bytes:
    layout, traces = figure.layout, figure.data
    _check(figure)
    pairs = list(dict.fromkeys((t.xaxis or "x", t.yaxis or "y") for t in traces)) or [("x", "y")]
    places = [[(layout[_axis_name(axis)].domain or (0, 1))[0] for axis in pair] for pair in pairs]
    columns, rows = (sorted({place[side] for place in places}) for side in (0, 1))  # from the left, from the bottom
    size = ((layout.width or 640) / PIXELS_PER_INCH, _find_height(figure) / PIXELS_PER_INCH)
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # drawn as a box
        canvas = Canvas(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.04, wspace=0.06))
        entries: dict[str, Any] = {}
        for pair, (left, low) in zip(pairs, places, strict=True):
            column, row = columns.index(left), len(rows) - 1 - rows.index(low)
            axes = canvas.add_subplot(len(rows), len(columns), row * len(columns) + column + 1)
            here = [t for t in traces if (t.xaxis or "x", t.yaxis or "y") == pair]
            _draw_bars([t for t in here if t.type == "bar"], axes, layout.barmode or "group", entries)
            for trace in here:
                if trace.type == "scatter":
                    _draw_scatter(trace, axes, entries)
            _set_axis(axes, "x", layout[_axis_name(pair[0])])
            _set_axis(axes, "y", layout[_axis_name(pair[1])])
            if not column and not row:
                _write_names(layout.annotations, axes)
        if entries and layout.showlegend is not False and (len(entries) > 1 or layout.showlegend):
            flat = layout.legend.orientation == "h"
            columns = _count_columns(list(entries), layout.width or 640)
            place = {"loc": "outside upper center", "ncols": columns} if flat else {"loc": "outside right upper"}
            legend = canvas.legend(list(entries.values()), ["." for _ in entries], **place, frameon=False,
                                   borderaxespad=0.2, handlelength=1.2 if flat else 2.4)
            for text, name in zip(legend.get_texts(), entries, strict=True):
                text.set_text(name)  # not as a label: matplotlib would drop names that begin with "_"
        _part_labels(canvas)
        _break_titles(canvas)
        out = BytesIO()
        when = {"CreationDate": None} if kind == "pdf" else {"Date": None} if kind == "svg" else {}
        canvas.savefig(out, format=kind, dpi=200, metadata=when)
    return out.getvalue()


def _find_height(figure: go.Figure) -> float:
    """The layout's height, or as much more as its legend takes, in pixels."""
    layout = figure.layout
    names = list(dict.fromkeys(trace.name for trace in figure.data if trace.name and trace.showlegend is not False))
    if layout.showlegend is False or len(names) < 2:
        return layout.height or 300
    if layout.legend.orientation == "h":
        need = _PLOT + _LINE * math.ceil(len(names) / _count_columns(names, layout.width or 640))
    else:
        need = 20 + _LINE * len(names)
    return max(layout.height or 300, need)


def _part_labels(canvas: Canvas) -> None:
    """Make labels along the bottom smaller, then slanted, where one would touch the next."""
    canvas.draw_without_rendering()
    for axes in canvas.axes:
        labels = [label for label in axes.get_xticklabels() if label.get_text()]
        for change in ({"size": 7}, {"size": 6}, {"rotation": 30, "ha": "right"}):
            boxes = [label.get_window_extent() for label in labels]
            if all(left.x1 + 2 < right.x0 for left, right in pairwise(sorted(boxes, key=lambda box: box.x0))):
                break
            for label in labels:
                label.set(**change)


def _break_titles(canvas: Canvas) -> None:
    """Write titles of axes that are longer than their axis in two lines, where they would leave the picture."""
    canvas.draw_without_rendering()
    for axes in canvas.axes:
        plot = axes.get_window_extent()
        for title, room in ((axes.xaxis.label, plot.width), (axes.yaxis.label, plot.height)):
            box, words = title.get_window_extent(), title.get_text()
            if max(box.width, box.height) > room and "\n" not in words:
                title.set_text("\n".join(textwrap.wrap(words, math.ceil(0.6 * len(words)))))


def _check(figure: go.Figure) -> None:
    for trace in figure.data:
        if trace.type not in ("scatter", "bar"):
            raise ValueError(f"trace type must be scatter or bar without a browser, got {trace.type!r}")
        _refuse(trace.to_plotly_json(), trace.type, f"{trace.type} trace {trace.name!r}")
        if trace.type == "scatter" and trace.fill not in (None, "none", "toself"):
            raise ValueError(f"fill {trace.fill!r} of {trace.name!r}: a band is one closed line with fill 'toself'")
    for note in figure.layout.annotations:
        _refuse(note.to_plotly_json(), "annotation", f"annotation {note.text!r}")
        if note.xref != "paper" or note.showarrow is not False:
            raise ValueError(f"annotation {note.text!r} must be a name beside the plot, without an arrow")
    layout = figure.layout.to_plotly_json()
    for name in [name for name in layout if name[:5] in ("xaxis", "yaxis")]:
        _refuse(layout.pop(name), "axis", name)
    _refuse(layout, "layout", "layout")


def _refuse(properties: Mapping[str, Any], kind: str, where: str) -> None:
    unknown = sorted(set(properties) - set(_KNOWN[kind].split()))
    if unknown:
        raise ValueError(f"{where}: {unknown[0]!r} cannot be drawn without a browser; known: {_KNOWN[kind]}")


def _count_columns(names: Sequence[str], width: float) -> int:
    """Columns of a legend above the plot, as many as find room; matplotlib fills column after column, evenly."""
    for columns in range(len(names), 1, -1):
        longest = [max(map(len, part)) for part in np.array_split(names, columns)]
        if sum(7.4 * letters + 40 for letters in longest) <= width:
            return columns
    return 1


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
        name, is_open, dot = (trace.marker.symbol or "circle").partition("-open")
        if name not in _SYMBOLS:
            raise ValueError(f"marker symbol {name!r} of {trace.name!r}: known are {', '.join(filter(None, _SYMBOLS))}")
        face = "white" if is_open else _colour(trace.marker.color, colour)
        style |= {"marker": _SYMBOLS[name], "markersize": (trace.marker.size or 6) * scale, "markerfacecolor": face,
                  "markeredgecolor": _colour(trace.marker.color, colour), "markeredgewidth": 1.1}
        if dot:  # half of it filled, where Plotly has a dot in it
            style |= {"fillstyle": "bottom", "markerfacecolor": style["markeredgecolor"],
                      "markerfacecoloralt": "white"}  # fmt: skip
    if trace.error_y.array is not None:
        up, down = trace.error_y.array, trace.error_y.arrayminus
        reach = [up if down is None else down, up]
        axes.errorbar(x, y, yerr=reach, fmt="none", ecolor=colour, elinewidth=0.9, capsize=2.2)
    (line,) = axes.plot(x, y, **style)
    _enter(trace, line, entries)


def _write_names(notes: Sequence[Any], axes: Axes) -> None:
    """Names beside the plot: x as a share of its width, y as the axis has it, shifts in pixels."""
    scale = 72 / PIXELS_PER_INCH
    for note in notes:
        axes.annotate(html.unescape(note.text), (note.x, note.y), xycoords=axes.get_yaxis_transform(),
                      xytext=(scale * (note.xshift or 0), scale * (note.yshift or 0)), textcoords="offset points",
                      ha=note.xanchor or "center", va="center", color=_colour(note.font.color, INK),
                      annotation_clip=False)  # fmt: skip


def _draw_bars(bars: Sequence[Any], axes: Axes, barmode: str, entries: dict[str, Any]) -> None:
    if not bars:
        return
    require_one_of("barmode", barmode, ("group", "stack"))
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
        # bars of no height stand on the ground: on top of others they would tie the axis to that height
        grounds = [base[key] if size else 0.0 for key, size in zip(keys, sizes, strict=True)]
        start = grounds if barmode == "stack" else 0.0
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
        axis.set_label_text(html.unescape(given.title.text.replace("<br>", "\n")))
    if logarithmic := given.type == "log":
        (axes.set_xscale if side == "x" else axes.set_yscale)("log")
    low, high = axis.get_view_interval()
    if logarithmic and given.range is not None:
        low, high = (10**end for end in given.range)
    if logarithmic:
        few = math.log10(high / low) < 2.2
        axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if few else (1,), numticks=15 if few else 6))
        axis.set_minor_formatter(ticker.NullFormatter())
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    if given.tickformat == "~s":
        axis.set_major_formatter(ticker.EngFormatter(sep=""))
    elif given.tickformat == ".0%":
        axis.set_major_formatter(ticker.PercentFormatter(1, decimals=0))
    elif given.tickformat:
        raise ValueError(f"tickformat must be ~s or .0%, got {given.tickformat!r}")
    if given.tickvals is not None:
        axis.set_ticks(list(given.tickvals), [html.unescape(str(t)) for t in given.ticktext or given.tickvals])
        axis.set_ticks([], minor=True)
    if given.range is not None:
        set_limits(*(10**end if logarithmic else end for end in given.range))
    elif given.rangemode == "tozero":
        smallest, largest = (axes.dataLim.x0, axes.dataLim.x1) if side == "x" else (axes.dataLim.y0, axes.dataLim.y1)
        low, high = 0 if smallest >= 0 else low, 0 if largest <= 0 else high
        if low < high:  # all is 0: matplotlib's own limits will do
            set_limits(low, high)
