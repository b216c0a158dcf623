"""One figure that grows while a training runs, and stays in the notebook when it is over.

It does not know what is trained or what a curve looks like: the function that draws a training log is handed in.

JupyterLab's Plotly renderer draws an output once and ignores its updates (plotly.py issue 3053), and other front ends
add a figure an update. So while it grows the figure is a `FigureWidget` where a browser takes widgets, and an SVG image
in a notebook that runs headless. Both end as a plain figure with its image, which needs no kernel.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable

import pandas as pd
import plotly.graph_objects as go
from IPython import get_ipython
from IPython.display import display

from game24lab.views.charts.svg import to_svg
from game24lab.views.widgets.html import takes_widgets

_WAITING = "The curves come with the first steps."


class LiveCurves:
    """`LiveCurves(draw)`: one output in which `draw(log)`, a Plotly figure of a training log, is drawn again and again.

    `show()` opens the output where it is called, `update(log)` draws the log so far (the `show` callback of trainers),
    `finish(log)` draws it for good. Headless, where nobody watches and an image takes a moment, it is drawn every
    `seconds` at most. Without IPython nothing is drawn and nothing fails.
    """

    def __init__(self, draw: Callable[[pd.DataFrame], go.Figure], *, seconds: float = 60.0) -> None:
        self._draw, self._seconds, self._drawn = draw, seconds, -math.inf
        self._output, self._widget = None, None

    def show(self) -> None:
        """Open the output; until the first `update` it says that it waits."""
        if get_ipython() is not None:
            self._output = display({"text/html": _WAITING, "text/plain": _WAITING}, raw=True, display_id=True)

    def update(self, log: pd.DataFrame) -> None:
        """Draw the log so far."""
        if self._output is None:
            return
        if self._widget is not None:
            _copy(self._draw(log), self._widget)
        elif takes_widgets():
            self._widget = go.FigureWidget(self._draw(log))
            self._output.update(self._widget)
        elif time.monotonic() - self._drawn >= self._seconds:
            self._output.update({"image/svg+xml": to_svg(self._draw(log)), "text/plain": _describe(log)}, raw=True)
            self._drawn = time.monotonic()

    def finish(self, log: pd.DataFrame) -> None:
        """Draw the whole log as a plain figure: interactive in JupyterLab, an image in other front ends and pages."""
        if self._output is None:
            return
        figure = self._draw(log)
        bundle = {"application/vnd.plotly.v1+json": json.loads(figure.to_json()), "image/svg+xml": to_svg(figure)}
        self._output.update(bundle | {"text/plain": _describe(log)}, raw=True)
        if self._widget is not None:
            self._widget.close()
            self._widget = None


def _describe(log: pd.DataFrame) -> str:
    unit = "round" if "round" in log else "step"
    return f"training curves up to {unit} {log[unit].max():,.0f}"


def _copy(figure: go.Figure, widget: go.FigureWidget) -> None:
    """The figure's traces and axes in place of the widget's; zoom and hover of the browser stay."""
    if len(widget.data) > len(figure.data):
        widget.data = widget.data[: len(figure.data)]
    with widget.batch_update():
        for old, new in zip(widget.data, figure.data, strict=False):
            old.update(new.to_plotly_json(), overwrite=True)
        widget.layout.update(figure.layout.to_plotly_json(), overwrite=True)
    widget.add_traces(figure.data[len(widget.data) :])
