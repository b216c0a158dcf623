"""A picture of one search tree, or of two, that grows as the search did: an SVG that moves by itself, without script.

Time is sampled tokens: a node appears when the search had sampled as many, and two trees grow on one account. The
picture loops, follows the reader's theme, and stands still at its end for those who want no motion. It does not know
what a tree shows; the still picture does.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from game24lab.search.tree import Tree
from game24lab.views.tree.layout import tidy
from game24lab.views.tree.page import as_tree
from game24lab.views.tree.still import ROWS, draw_svg, write_dark
from game24lab.views.tree.timeline import list_events

SECONDS = 8.0  # one loop
_GROWTH, _FADE = 75, 98  # percent of it: the last node has appeared; everything fades
_HEAD = 24  # height of the line above the picture, SVG units
_HEADER = re.compile(r'<svg ([^>]*?)width="(\d+)" height="(\d+)"([^>]*?) viewBox="0 0 \d+ \d+"')


def animate_svg(
    tree: Tree | Mapping[str, Any] | str,
    other: Tree | Mapping[str, Any] | str | None = None,
    *,
    colour: str = "value",
    rows: int = ROWS,
) -> str:
    """The tree, or two beside each other, as SVG text that loops; arguments and errors are those of `still.draw_svg`.

    What a node shows (its size, its fill, the width of its edge) is what it was at the end of the search.
    """
    trees = [as_tree(one) for one in (tree, other) if one is not None]
    total = max(1, *(one.sampled for one in trees))
    times = [_list_times(one, total) for one in trees]
    picture = draw_svg(*trees, colour=colour, rows=rows,
                       group=lambda place, node: f"t{times[place][node]}" if node else "")  # fmt: skip
    moments = sorted({time for found in times for time in found[1:]})
    counts = {moment: max((event[4] for one, found in zip(trees, times, strict=True) for event in list_events(one)
                           if event[0] == "expand" and found[event[1]] <= moment), default=0)
              for moment in (0, *moments)}  # fmt: skip
    told = _name(trees)
    head = [_write_count(f"{told}{count:,} tokens sampled", moment, moment == max(counts))
            for moment, count in counts.items()]  # fmt: skip
    style = _write_style(moments, list(counts), picture)
    found = _HEADER.match(picture)
    width, height = int(found[2]), int(found[3])
    opening = (f'<svg {found[1]}width="{width}" height="{height + _HEAD}"{found[4]} '
               f'viewBox="0 {-_HEAD} {width} {height + _HEAD}"')  # fmt: skip
    ground = f'<rect y="{-_HEAD}" width="100%" height="{_HEAD}" fill="#ffffff"/>'
    body = picture[found.end() :].removesuffix("</svg>")
    first, _, rest = body.partition("</title>")
    return f"{opening}{first}</title><style>{style}</style>{rest}{ground}{''.join(head)}</svg>"


def _list_times(tree: Tree, total: int) -> list[int]:
    """For each node the percent of the loop at which it appears."""
    times = [0] * len(tree)
    for kind, node, _, _, sampled in list_events(tree):
        if kind == "expand" and node:
            times[node] = max(1, round(_GROWTH * min(1.0, sampled / total)))
    return times


def _name(trees: list[Tree]) -> str:
    """What stands before the count: who searches, where one tree is shown."""
    if len(trees) > 1:
        return "each: "
    meta = trees[0].meta
    parts = [tidy(str(meta[name]), 40) for name in ("strategy", "mode") if meta.get(name)]
    return f"{', '.join(parts)}: " if parts else ""


def _write_count(text: str, moment: int, last: bool) -> str:
    return (f'<text class="c{moment}{" last" if last else ""}" x="22" y="-6" fill="#667085" font-size="11.5">'
            f"{html.escape(text)}</text>")  # fmt: skip


def _write_style(moments: list[int], counts: list[int], picture: str) -> str:
    """Style sheet of the loop and of the dark theme, with the colours that the picture has."""
    rules = ['text[class^="c"]{opacity:0}text.last{opacity:1}', "@media (prefers-reduced-motion: no-preference){"]
    timing = f"{SECONDS:g}s linear infinite"
    for moment in moments:
        rules.append(f"@keyframes t{moment}{{0%,{moment}%{{opacity:0}}{moment + 1}%,{_FADE}%{{opacity:1}}"
                     f"100%{{opacity:0}}}}.t{moment}{{animation:t{moment} {timing}}}")  # fmt: skip
    for moment, following in zip(counts, [*counts[1:], 100], strict=True):
        seen = f"{moment + 0.01:g}%,{following - 0.01:g}%{{opacity:1}}"
        rules.append(f"@keyframes c{moment}{{0%,{moment}%{{opacity:0}}{seen}{following}%,100%{{opacity:0}}}}"
                     f".c{moment}{{animation:c{moment} {timing}}}")  # fmt: skip
    return "".join([*rules, "}", write_dark(picture)])
