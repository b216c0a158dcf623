"""Small charts as SVG within a page: lines over steps, points with intervals; colours are the page's, by class.

Each series has a class, by which the page paints and hides it. Text is escaped. It does not know what is drawn, and
needs no drawing library.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 380, 240  # of a chart, pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 26, 34
_MOST = 400  # points of a line: more are not seen
_FEW = 20  # points up to which each is marked


@dataclass(frozen=True)
class Series:
    """What one run has in a chart: points in order of x; `low` and `high` are ends of intervals, NaN for none."""

    name: str
    style: str  # a class of the page, such as "r3"
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = field(default=())
    high: Sequence[float] = field(default=())
    mark: str = "circle"  # circle, diamond or square
    joined: bool = True
    labels: Sequence[str] = field(default=())  # of each point, for its tooltip


def draw_chart(title: str, series: Sequence[Series], *, across: str, share: bool = False, log: bool = False) -> str:
    """One chart as an SVG element. `across` names the x axis; with `share` y is from 0 to 100 %; `log`: x is.

    What is not finite (or on a log axis not above 0) is left out. ValueError where nothing is left.
    """
    shown = [one for one in (_clean(one, log) for one in series) if one.x]
    if not shown:
        raise ValueError(f"chart {title!r} must have at least one finite point, got none")
    scale = (lambda value: math.log10(value)) if log else (lambda value: value)
    xs = [scale(x) for one in shown for x in one.x]
    ys = [y for one in shown for y in (*one.y, *filter(math.isfinite, (*one.low, *one.high)))]
    x_low, x_high = _spread(min(xs), max(xs))
    y_low, y_high = (0.0, 1.0) if share and min(ys) >= 0 and max(ys) <= 1 else _spread(min(ys), max(ys))
    across_x, across_y = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def place_x(value: float) -> float:
        return _LEFT + across_x * (scale(value) - x_low) / (x_high - x_low)

    def place_y(value: float) -> float:
        return _TOP + across_y * (y_high - value) / (y_high - y_low)

    parts = [f'<text class="title" x="{_LEFT}" y="16">{html.escape(title)}</text>']
    for tick in _list_ticks(y_low, y_high):
        y = place_y(tick)
        label = f"{100 * tick:g} %" if share else _shorten(tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for tick in _list_powers(x_low, x_high) if log else _list_ticks(x_low, x_high):
        parts.append(f'<text class="tick" x="{place_x(tick):.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">'
                     f"{_shorten(tick)}</text>")  # fmt: skip
    parts.append(f'<text class="tick" x="{WIDTH - _RIGHT}" y="{HEIGHT - 4}" text-anchor="end">'
                 f"{html.escape(across)}</text>")  # fmt: skip
    parts += [_draw_series(one, place_x, place_y, share) for one in shown]
    return (f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">'
            f"{''.join(parts)}</svg>")  # fmt: skip


def draw_bar(share: float, low: float, high: float) -> str:
    """A share as a bar with its interval, from 0 to 1, as an SVG element of the height of a line."""
    ends = [100 * min(1.0, max(0.0, value)) if math.isfinite(value) else 0.0 for value in (share, low, high)]
    return (f'<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
            f'<rect class="rail" width="100" height="10"/><rect class="fill" width="{ends[0]:.2f}" height="10"/>'
            f'<path class="ends" d="M{ends[1]:.2f} 5H{ends[2]:.2f}"/></svg>')  # fmt: skip


def _draw_series(
    one: Series, place_x: Callable[[float], float], place_y: Callable[[float], float], share: bool
) -> str:  # fmt: skip
    points = [(place_x(x), place_y(y)) for x, y in zip(one.x, one.y, strict=True)]
    parts = []
    if one.low:
        known = [(x, low, high) for (x, _), low, high in zip(points, one.low, one.high, strict=True)
                 if math.isfinite(low) and math.isfinite(high)]  # fmt: skip
        ends = [f"M{x:.1f} {place_y(low):.1f}V{place_y(high):.1f}" for x, low, high in known]
        parts.append(f'<path class="whisker" d="{"".join(ends)}"/>' if ends else "")
    if one.joined and len(points) > 1:
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(f'<path class="line" d="M{path}"><title>{html.escape(one.name)}</title></path>')
    if len(points) <= _FEW or not one.joined:
        for place, ((x, y), value) in enumerate(zip(points, one.y, strict=True)):
            told = one.labels[place] if one.labels else f"{_shorten(one.x[place])}"
            number = f"{100 * value:.1f} %" if share else f"{value:.4g}"
            tip = html.escape(f"{one.name}, {told}: {number}")
            parts.append(f'<path class="mark" d="{_outline(one.mark, x, y)}"><title>{tip}</title></path>')
    return f'<g class="{html.escape(one.style)}">{"".join(parts)}</g>'


def _outline(mark: str, x: float, y: float) -> str:
    r = 3.6
    if mark == "diamond":
        return f"M{x:.1f} {y - r - 1:.1f}l{r + 1} {r + 1}l{-r - 1} {r + 1}l{-r - 1} {-r - 1}z"
    if mark == "square":
        return f"M{x - r:.1f} {y - r:.1f}h{2 * r}v{2 * r}h{-2 * r}z"
    return f"M{x - r:.1f} {y:.1f}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0z"


def _clean(one: Series, log: bool) -> Series:
    """What can be drawn of a series, thinned to what can be seen, its last point kept."""
    kept = [place for place, (x, y) in enumerate(zip(one.x, one.y, strict=True))
            if math.isfinite(x) and math.isfinite(y) and (x > 0 or not log)]  # fmt: skip
    if one.joined and len(kept) > _MOST:
        step = len(kept) / _MOST
        kept = sorted({kept[int(place * step)] for place in range(_MOST)} | {kept[-1]})
    picked = {name: [getattr(one, name)[place] for place in kept] if getattr(one, name) else []
              for name in ("low", "high", "labels")}  # fmt: skip
    return Series(one.name, one.style, [one.x[place] for place in kept], [one.y[place] for place in kept],
                  mark=one.mark, joined=one.joined, **picked)  # fmt: skip


def _spread(low: float, high: float) -> tuple[float, float]:
    """The ends of an axis: a little room on both sides, and some where all values are equal."""
    room = 0.04 * (high - low) or max(abs(high) * 0.1, 0.5)
    return low - room, high + room


def _list_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between two ends: multiples of 1, 2 or 5 times a power of ten."""
    least = (high - low) / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 12) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _list_powers(low: float, high: float) -> list[float]:
    """The powers of ten between two exponents; where there are less than two, round numbers near the ends."""
    powers = [10.0**power for power in range(math.ceil(low), math.floor(high) + 1)]
    return powers if len(powers) > 1 else [float(f"{10**end:.2g}") for end in (low + 0.04, high - 0.04)]


def _shorten(number: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"
