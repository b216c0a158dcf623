"""Names at the right ends of lines, in the place of a legend, where all lines end together and there is room.

It knows of figures with one panel; what is drawn it does not know.
"""

from __future__ import annotations

import html
import math

import plotly.graph_objects as go

_MOST = 8  # lines that are named so
_LETTER, _LINE = 7.0, 14  # pixels: the width of a letter, the height of a line of text
_SHARE = 0.3  # of a figure's width that names may take
_AROUND = 80  # pixels of a figure's height that are not plot


def label_ends(figure: go.Figure) -> go.Figure:
    """Write each line's name where it ends, in its colour, and leave the legend out; the figure.

    A figure keeps its legend where a name has no line of its own, lines end at different places, an axis has no fixed
    range, or the names would not fit one below the other. Called again, as when its height has changed, it places the
    names anew.
    """
    figure.layout.annotations, figure.layout.showlegend = (), None
    named = [trace for trace in figure.data if trace.name and trace.showlegend is not False]
    limits = figure.layout.yaxis.range
    if not 2 <= len(named) <= _MOST or limits is None or figure.layout.yaxis.type == "log":
        return figure
    if any(trace.type != "scatter" or "lines" not in (trace.mode or "lines") or trace.xaxis not in (None, "x")
           for trace in named):  # fmt: skip
        return figure
    ends = [_find_end(trace) for trace in named]
    if None in ends or len({end[0] for end in ends}) > 1:
        return figure
    longest = max(len(html.unescape(trace.name)) for trace in named)
    if _LETTER * longest > _SHARE * (figure.layout.width or 640):
        return figure
    height = (figure.layout.height or 300) - _AROUND
    scale = height / (limits[1] - limits[0])
    places = spread([scale * (end[1] - limits[0]) for end in ends], height)
    if places is None:
        return figure
    for trace, (_, y), place in zip(named, ends, places, strict=True):
        figure.add_annotation(
            text=trace.name, xref="paper", x=1, y=y, xanchor="left", yanchor="middle", xshift=8, showarrow=False,
            yshift=round(place - scale * (y - limits[0]), 1), font={"color": trace.line.color},
        )  # fmt: skip
    return figure.update_layout(showlegend=False, margin={"r": math.ceil(16 + _LETTER * longest)})


def spread(places: list[float], height: float, gap: float = _LINE) -> list[float] | None:
    """Places between 0 and `height` as near to those given as a gap between each two allows; None without room.

    Lowest first each is moved up as far as it must, then from the top down.
    """
    if (len(places) - 1) * gap > height:
        return None
    order = sorted(range(len(places)), key=lambda at: places[at])
    found, least = list(places), 0.0
    for at in order:
        found[at] = max(places[at], least)
        least = found[at] + gap
    most = height
    for at in reversed(order):
        found[at] = min(found[at], most)
        most = found[at] - gap
    return found


def _find_end(trace: go.Scatter) -> tuple[float, float] | None:
    points = [(float(x), float(y)) for x, y in zip(trace.x, trace.y, strict=True) if not math.isnan(y)]
    return points[-1] if points else None
