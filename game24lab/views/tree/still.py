"""A search tree, or two beside each other, as one static SVG: for the PDF, the README, and places where no viewer runs.

It looks like the viewer's first screen in its light theme, or in the reader's where it is a file of its own; the
colours are those of `viewer/palette.js`. Text of models stands in escaped text elements only. This module does not know
of the Game of 24, of browsers or of reports.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from game24lab.search.tree import Tree
from game24lab.views.charts.palette import ALIVE, DEAD
from game24lab.views.tree.layout import WORDS, Layout, lay_out, name, name_move, tidy
from game24lab.views.tree.page import COLOURS, EDGES, SIZES, as_tree, check_look, name_problem
from game24lab.views.tree.timeline import count_passed, find_moment, play

FONT = "Inter, Helvetica Neue, Arial, Liberation Sans, DejaVu Sans, sans-serif"
ROWS = 32
_ROW, _MARGIN, _SIZE = 20.0, 22.0, 11.5  # row, margin, font size: SVG units
_GAP, _NARROW = 116.0, 74.0  # room for nodes and curves, of one tree and of two

_INK, _MUTED, _EDGE, _PATH, _PAPER, _UNKNOWN = "#1c2330", "#667085", "#8a94a3", "#5b6779", "#ffffff", "#c3c8d1"
_ALIVE, _DEAD = ALIVE, DEAD
_DIVERGING = ("#b4470b", "#ec9f5b", "#e9e7e4", "#7db1da", "#1a61a4")
_RISING = ("#e6eaee", "#a9ced1", "#55a0a8", "#1d6d7b", "#07404d")
_STEPS = 32  # shades of a scale
# The same in the viewer's dark theme; the scales in the same order.
_DARK = {_INK: "#e7eaef", _MUTED: "#98a2b3", _EDGE: "#646f81", _PATH: "#a3aebf", _PAPER: "#14171c",
         _UNKNOWN: "#5b6472", _ALIVE: "#62b0f2", _DEAD: "#f09a52", "#747b88": "#98a2b3"}  # fmt: skip
_DARK_SCALES = (("#ff9d4f", "#b2662d", "#4b505a", "#4385bf", "#82c8ff"),
                ("#333a45", "#2b626e", "#3c95a1", "#7ac8ce", "#d8f5f3"))  # fmt: skip


@dataclass(frozen=True)
class _Look:
    """What a picture shows, and what it shows it by: for each node how often it was passed, and tokens at and below."""

    colour: str
    size: str
    edge: str
    visits: list[int]
    passed: list[int]
    spent: list[int]
    prunes: bool


def draw_svg(
    tree: Tree | Mapping[str, Any] | str,
    other: Tree | Mapping[str, Any] | str | None = None,
    *,
    colour: str = "value",
    size: str = "visits",
    edge: str = "visits",
    rows: int = ROWS,
    font: str = FONT,
    budget: int | None = None,
    group: Callable[[int, int], str] | None = None,
) -> str:
    """The tree, or two beside each other, as SVG text on white ground.

    Args:
        colour, size, edge: what nodes and edges show, of page.COLOURS, page.SIZES and page.EDGES.
        rows: about how many rows are unfolded; the committed line is always whole.
        budget: draw each tree as it was when at most so many tokens had been sampled; None: at the end.
        group: the class of what belongs to a node, from the place of its tree (0 or 1) and its number; "" for none.

    Raises ValueError for an unknown name, fewer than one row, a negative budget, or what is no tree.
    """
    trees, parts, x, tall = [as_tree(one) for one in (tree, other) if one is not None], [], 0.0, 0.0
    look, shown = check_look(colour=colour, size=size, edge=edge), []
    for place, one in enumerate(trees):
        then = one if budget is None else play(one, find_moment(one, budget).end)
        picture, drawn, wide, high = _draw(then, rows, look, None if group is None else partial(group, place),
                                           _GAP if other is None else _NARROW)  # fmt: skip
        title = f"Search tree of {name_problem(then.meta)}: {len(then)} nodes"
        if other is not None:
            strategy = tidy(str(one.meta.get("strategy", "")), 40)
            tokens = f"{then.sampled:,} of {one.sampled:,} tokens"
            picture = [_write(strategy, x + _MARGIN, 16, _INK, bold=True),
                       _write(tokens, x + _MARGIN + 14 + _measure(strategy), 16, _MUTED),
                       f'<g transform="translate({x:.1f} 26)">', *picture, "</g>"]  # fmt: skip
            high += 26
        parts += picture
        shown.append(drawn)
        x, tall = x + wide + _MARGIN, max(tall, high)
    if other is not None:
        title = f"Two search trees of {', '.join(dict.fromkeys(name_problem(one.meta) for one in trees))}"
    legend, wide = _draw_legend(shown, tall)
    width, tall, parts = max(x - _MARGIN, wide), tall + 24, parts + legend
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{tall:.0f}" role="img" '
        f'viewBox="0 0 {width:.0f} {tall:.0f}" font-family="{html.escape(font)}"><title>{html.escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="{_PAPER}"/>{"".join(parts)}</svg>'
    )


def list_dark() -> dict[str, str]:
    """The colours of a picture in the dark theme, by those that it is drawn in."""
    shades = [(_mix(light, k / _STEPS), _mix(dark, k / _STEPS))
              for light, dark in zip((_DIVERGING, _RISING), _DARK_SCALES, strict=True)
              for k in range(_STEPS + 1)]  # fmt: skip
    return dict(shades) | _DARK


def follow_theme(picture: str) -> str:
    """A picture that is dark where its reader's theme is: for files, as its style sheet holds for all of a page."""
    before, title, rest = picture.partition("</title>")
    return f"{before}{title}<style>{write_dark(picture)}</style>{rest}"


def write_dark(picture: str) -> str:
    """The style sheet of a picture's colours in the dark theme."""
    used = set(re.findall(r'"(#[0-9a-f]{6})"', picture))
    rules = [f'[fill="{light}"]{{fill:{dark}}}[stroke="{light}"]{{stroke:{dark}}}'
             for light, dark in list_dark().items() if light in used]  # fmt: skip
    return f"@media (prefers-color-scheme: dark){{{''.join(rules)}}}"


def _draw(
    tree: Tree, rows: int, look: Mapping[str, str], group: Callable[[int], str] | None, gap: float
) -> tuple[list[str], tuple[Tree, Layout, _Look], float, float]:
    """The elements of a picture, what they show, their width and height."""
    if type(rows) is not int or rows < 1:
        raise ValueError(f"rows must be an integer >= 1, got {rows!r}")
    look, layout = _weigh(tree, **look), lay_out(tree, rows, _measure, gap)
    edges = sorted(layout.nodes[1:], key=lambda node: node in layout.line)  # the committed line on top
    parts = [_wrap(_draw_edge(tree, layout, node, look), node, group) for node in edges]
    for node in layout.nodes:
        parts.append(_wrap("".join(_draw_node(tree, layout, node, look)), node, group))
    last = {tree.parent[node]: node for node in range(1, len(tree))}  # what is folded is whole with its last node
    for node, row, count in layout.chips:
        chip = _write(f"+{count} more", _MARGIN + layout.x[layout.depth[node] + 1] - 5, _y(row), _MUTED)
        parts.append(_wrap(chip, last[node], group))
    width = max(_x(layout, node) + 64 + _measure(_name(tree, layout, node)) for node in layout.nodes) + _MARGIN
    return parts, (tree, layout, look), width, _y(layout.rows - 1) + _MARGIN


def _wrap(text: str, node: int, group: Callable[[int], str] | None) -> str:
    kind = "" if group is None else group(node)
    return f'<g class="{html.escape(kind)}">{text}</g>' if kind else text


def _weigh(tree: Tree, colour: str, size: str, edge: str) -> _Look:
    passed, spent = count_passed(tree), list(tree.tokens)
    for node in range(len(tree) - 1, 0, -1):
        spent[tree.parent[node]] += spent[node]
    visits = tree.visits if any(tree.visits) else passed  # beams, particles and samples count no visits
    return _Look(colour, size, edge, visits, passed, spent, "pruned" in tree.status)


def _x(layout: Layout, node: int) -> float:
    return _MARGIN + layout.x[layout.depth[node]]


def _y(row: float) -> float:
    return _MARGIN + row * _ROW


def _name(tree: Tree, layout: Layout, node: int) -> str:
    return name(tree, node, layout.crowds.get(node, 1))


def _radius(node: int, look: _Look) -> float:
    shown = look.spent if look.size == "tokens" else look.visits
    return 3.4 + 6.5 * math.sqrt(min(1.0, shown[node] / max(1, shown[0]))) if shown[node] > 0 else 2.8


def _draw_edge(tree: Tree, layout: Layout, node: int, look: _Look) -> str:
    parent = tree.parent[node]
    x0 = _x(layout, parent) + _radius(parent, look) + 12 + _measure(_name(tree, layout, parent))
    x1, y0, y1 = _x(layout, node), _y(layout.row[parent]), _y(layout.row[node])
    turn = max(x0 + 10, x1 - layout.moves[layout.depth[node]] - 20)
    by_prior = min(1.0, max(0.0, tree.prior[node] or 0.0))
    strength = by_prior if look.edge == "prior" else min(1.0, max(0, look.passed[node]) / max(1, look.visits[0]))
    middle, width = (x0 + turn) / 2, 0.9 + 4.5 * math.sqrt(strength)
    return (
        f'<path d="M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {turn:.1f} {y1:.1f}H{x1:.1f}" '
        f'fill="none" stroke="{_PATH if node in layout.line else _EDGE}" stroke-width="{width:.2f}"/>'
    )


def _draw_node(tree: Tree, layout: Layout, node: int, look: _Look) -> list[str]:
    x, y, r, principal = _x(layout, node), _y(layout.row[node]), _radius(node, look), node in layout.line
    parts, label, move = [], _name(tree, layout, node), name_move(tree, node, layout.crowds.get(node, 1))
    if move:
        left, wide = x - r - 12 - _measure(move), _measure(move) + 6
        parts.append(f'<rect x="{left:.1f}" y="{y - 7:.1f}" width="{wide:.1f}" height="14" fill="{_PAPER}"/>')
        parts.append(_write(move, x - r - 9, y, _INK if principal else _MUTED, anchor="end"))
    dead = look.colour == "truth" and tree.truth[node] is False
    kept = look.prunes and node and look.passed[node] and tree.status[node] == "open"
    parts.append(_draw_shape("kept" if kept else tree.status[node], x, y, r, _fill(tree, layout, node, look), dead))
    faint = look.visits[0] and not look.visits[node] and tree.status[node] != "solved"
    parts.append(_write(label, x + r + 6, y, _MUTED if faint else _INK, bold=principal))
    after = x + r + 14 + _measure(label)
    if node in layout.below:
        parts.append(_write(f"+{layout.below[node]}", after, y, _MUTED, size=10))
    elif tree.same[node] is not None:
        parts.append(_write("≡", after, y, _MUTED))
    return parts


def _draw_shape(status: str, x: float, y: float, r: float, fill: str, dead: bool = False) -> str:
    """Star, cross, square, circle with a cross, with a ring, dashed or plain: the status is readable without colour."""
    paint = f'fill="{fill}" stroke="#747b88" stroke-width="0.9"'
    if dead:
        paint = f'fill="{_PAPER}" stroke="{fill}" stroke-width="1.8"'
    if status == "solved":
        points = [((r * 1.25 + 2.5) * (0.46 if k % 2 else 1), k * math.pi / 5 - math.pi / 2) for k in range(10)]
        path = " ".join(f"{x + reach * math.cos(a):.1f},{y + reach * math.sin(a):.1f}" for reach, a in points)
        return f'<polygon points="{path}" fill="{fill}" stroke="{_INK}" stroke-width="0.9"/>'
    if status == "illegal":
        return _cross(x, y, 3.2, _MUTED)
    if status == "unfinished":
        return f'<rect x="{x - r:.1f}" y="{y - r:.1f}" width="{2 * r:.1f}" height="{2 * r:.1f}" {paint}/>'
    if status == "pruned":
        paint = f'fill="{_PAPER}" stroke="{_INK}" stroke-width="0.9" stroke-dasharray="2.5 2.5"'
    r = max(r, 4.2) if status == "wrong" else r
    if status == "kept":
        paint += f'/><circle cx="{x:.1f}" cy="{y:.1f}" r="{r + 2.2:.1f}" fill="none" stroke="{_INK}" stroke-width="0.9"'
    circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" {paint}/>'
    return circle + (_cross(x, y, r * 0.5, fill if dead else _contrast(fill)) if status == "wrong" else "")


def _cross(x: float, y: float, r: float, colour: str) -> str:
    strokes = f"M{x - r:.1f} {y - r:.1f}l{2 * r:.1f} {2 * r:.1f}m0 {-2 * r:.1f}l{-2 * r:.1f} {2 * r:.1f}"
    return f'<path d="{strokes}" stroke="{colour}" stroke-width="1.4" fill="none"/>'


def _draw_legend(shown: Sequence[tuple[Tree, Layout, _Look]], y: float) -> tuple[list[str], float]:
    """One legend for all trees, and its width."""
    parts, x, look = [], _MARGIN, shown[0][2]
    colour, found = look.colour, {status for tree, _, _ in shown for status in tree.status}
    entries = [("alive", "open", _ALIVE, False), ("dead", "open", _DEAD, True)] if colour == "truth" else []
    if colour != "truth":
        most, deepest = max(one.visits[0] for *_, one in shown), max(max(layout.depth) for _, layout, _ in shown)
        ends = {"visits": ("0", f"{most:,}"), "prior": ("0", "1"), "depth": ("0", str(deepest))}
        low, high = ends.get(colour, ("−1", "+1"))
        words = f"{COLOURS[colour]}  {low}"
        parts.append(_write(words, x, y, _MUTED))
        x += _measure(words) + 6
        for k in range(24):
            shade = _shade(_DIVERGING if colour in ("value", "mean") else _RISING, k / 23)
            parts.append(f'<rect x="{x + 3 * k:.1f}" y="{y - 4:.1f}" width="3.2" height="8" fill="{shade}"/>')
        parts.append(_write(high, x + 78, y, _MUTED))
        x += 100 + _measure(high)
    entries += [("kept", "kept", _UNKNOWN, False)] if any(one.prunes for *_, one in shown) else []
    entries += [(words, status, _UNKNOWN, False) for status, words in WORDS.items() if status in found]
    for words, status, fill, dead in entries:
        parts += [_draw_shape(status, x + 5, y, 4.2, fill, dead), _write(words, x + 17, y, _MUTED)]
        x += 36 + _measure(words)
    parts.append(f'<path d="M{x:.1f} {y:.1f}h18" stroke="{_PATH}" stroke-width="3"/>')
    for words in ("principal line", f"size: {SIZES[look.size]}", f"width: {EDGES[look.edge]}"):
        parts.append(_write(words, x + 24, y, _MUTED))
        x += 18 + _measure(words)
    return parts, x + 24 + _MARGIN


def _fill(tree: Tree, layout: Layout, node: int, look: _Look) -> str:
    colour = look.colour
    if colour == "truth":
        return _UNKNOWN if tree.truth[node] is None else _ALIVE if tree.truth[node] else _DEAD
    if colour == "visits":
        return _shade(_RISING, math.log1p(look.visits[node]) / math.log1p(max(1, look.visits[0])))
    if colour == "depth":
        return _shade(_RISING, layout.depth[node] / max(1, *layout.depth))
    if colour == "prior":
        return _UNKNOWN if tree.prior[node] is None else _shade(_RISING, math.sqrt(max(0.0, tree.prior[node])))
    mean = tree.total[node] / tree.visits[node] if tree.visits[node] else None
    value = mean if colour == "mean" else tree.value[node]
    return _UNKNOWN if value is None else _shade(_DIVERGING, (value + 1) / 2)


def _shade(stops: Sequence[str], share: float) -> str:
    return _mix(stops, round(_STEPS * min(1.0, max(0.0, share))) / _STEPS)


def _channels(colour: str) -> list[int]:
    return [int(colour[k : k + 2], 16) for k in (1, 3, 5)]


def _mix(stops: Sequence[str], share: float) -> str:
    at = min(1.0, max(0.0, share)) * (len(stops) - 1)
    low = min(int(at), len(stops) - 2)
    pairs = zip(_channels(stops[low]), _channels(stops[low + 1]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * (at - low)):02x}" for a, b in pairs)


def _contrast(fill: str) -> str:
    red, green, blue = _channels(fill)
    return _INK if 0.3 * red + 0.59 * green + 0.11 * blue > 140 else _PAPER


def _measure(text: str) -> float:
    """About the width of a text: no font is at hand, so rather too much."""
    return sum(0.3 if c in " .,:;|il" else 0.54 if c.islower() else 0.62 for c in text) * _SIZE


def _write(
    text: str, x: float, y: float, colour: str, *, anchor: str = "start", bold: bool = False, size: float = _SIZE
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y + 0.35 * size:.1f}" fill="{colour}" text-anchor="{anchor}" font-size="{size}"{weight}'
        f' xml:space="preserve">{html.escape(text)}</text>'
    )
