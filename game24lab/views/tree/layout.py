"""Which nodes of a tree a still picture shows, and where: unfolding, rows and columns, and short words for nodes.

A row for every leaf, a column for every depth, a node midway between its first and last child, the illegal lines of a
position in one node with their number; the most followed lines are unfolded as far as the rows reach, the rest is
counted. The viewer (`viewer/folds.js`) follows the same rules. This module does not know of SVG or colours.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from game24lab.search.tree import Tree
from game24lab.views.tree.timeline import count_passed

CHILDREN = 8  # lines shown of a position before "+n more"
WORDS = {"solved": "solved", "wrong": "wrong value", "illegal": "illegal line", "pruned": "pruned",
         "unfinished": "unfinished"}  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """Rows count from 0; x and the widths are in the unit of the `measure` that was given."""

    nodes: list[int]  # shown, in reading order
    chips: list[tuple[int, float, int]]  # "+n more": the node whose children are folded, row, n
    row: dict[int, float]
    rows: int
    depth: list[int]
    x: list[float]  # by depth, 0 for the root
    moves: list[float]  # by depth: the widest move
    line: list[int]  # the line the search committed to; without one, the most followed line
    below: dict[int, int]  # how many nodes lie under a node that stands folded
    crowds: dict[int, int]  # how many illegal lines a node stands for, where it does not stand for itself alone


def lay_out(tree: Tree, rows: int, measure: Callable[[str], float], gap: float) -> Layout:
    """Unfold about `rows` rows (the committed line in any case) and place what is shown.

    `measure` gives the width of a text, `gap` what lies between a column's labels and the next column's moves.
    """
    depth, below, passed = [0] * len(tree), [0] * len(tree), count_passed(tree)
    children: list[list[int]] = [[] for _ in range(len(tree))]
    for node in range(1, len(tree)):
        depth[node] = depth[tree.parent[node]] + 1
        children[tree.parent[node]].append(node)
    for node in range(len(tree) - 1, 0, -1):
        below[tree.parent[node]] += below[node] + 1
    for siblings in children:
        siblings.sort(key=lambda node: (-passed[node], -(tree.prior[node] or 0.0), node))
    line = _choose_line(tree, children, passed)
    crowds = _gather_illegal(tree, children, line)
    shown = _unfold(children, line, passed, rows)

    nodes, chips, row, stack, used = [], [], {}, [0], 0
    labels, moves = [0.0] * (max(depth) + 2), [0.0] * (max(depth) + 2)
    while stack:
        node = stack.pop()
        if node < 0:
            chips.append((~node, used, len(children[~node]) - len(shown[~node])))
            used += 1
            continue
        nodes.append(node)
        labels[depth[node]] = max(labels[depth[node]], measure(name(tree, node, crowds.get(node, 1))))
        moves[depth[node]] = max(moves[depth[node]], measure(name_move(tree, node, crowds.get(node, 1))))
        if node not in shown:
            row[node] = used
            used += 1
            continue
        if len(shown[node]) < len(children[node]):
            stack.append(~node)
        stack += reversed(shown[node])
    for node in reversed(nodes):
        if node in shown:
            row[node] = (row[shown[node][0]] + row[shown[node][-1]]) / 2
    x = [0.0]
    for level in range(1, len(labels)):
        x.append(x[-1] + labels[level - 1] + gap + moves[level])
    folded = {node: below[node] for node in nodes if node not in shown and below[node]}
    return Layout(nodes, chips, row, used, depth, x, moves, line, folded, crowds)


def _gather_illegal(tree: Tree, children: list[list[int]], line: Sequence[int]) -> dict[int, int]:
    """Leave the first illegal line of each position among its children; how many it stands for, where several."""
    crowds = {}
    for siblings in children:
        illegal = sorted(node for node in siblings
                         if tree.status[node] == "illegal" and not children[node] and node not in line)
        if len(illegal) > 1:
            crowds[illegal[0]] = len(illegal)
            others = set(illegal[1:])
            siblings[:] = [node for node in siblings if node not in others]
    return crowds


def _choose_line(tree: Tree, children: Sequence[Sequence[int]], passed: Sequence[int]) -> list[int]:
    if tree.events and tree.events[-1][0] == "stop" and tree.events[-1][1] > 0:
        return tree.path(tree.events[-1][1])
    path = [0]
    while children[path[-1]] and passed[children[path[-1]][0]]:
        path.append(children[path[-1]][0])
    return path


def _unfold(
    children: Sequence[Sequence[int]], line: Sequence[int], passed: Sequence[int], rows: int
) -> dict[int, list[int]]:
    """The open nodes with the children they show, the most followed first, until the rows are used up."""
    shown: dict[int, list[int]] = {}
    waiting, used = {0}, 1
    while waiting:
        best = max(waiting, key=lambda node: (node in line, passed[node], -node))
        waiting.remove(best)
        few = children[best]
        if len(few) > CHILDREN + 1:  # folding one alone would save no row
            few = [child for rank, child in enumerate(few) if rank < CHILDREN or child in line]
        if few and (best in line or used + len(few) <= rows):
            used += len(few)
            shown[best] = few
            waiting.update(child for child in few if children[child])
    return shown


def name(tree: Tree, node: int, count: int = 1) -> str:
    """The node's label in one short line, or its status where it has none; the number of lines it stands for."""
    if count > 1:
        return f"{count} illegal lines"
    return typeset(tidy(tree.label[node], 26)) or WORDS.get(tree.status[node], "…")


def name_move(tree: Tree, node: int, count: int = 1) -> str:
    """The move of a node's line: what stands before the equals sign; where lines are token ids, what they say.

    A node that stands for several lines has none.
    """
    if count > 1:
        return ""
    moves = tree.meta.get("moves")
    if isinstance(moves, list) and len(moves) == len(tree):
        return tidy(str(moves[node]), 20)
    return typeset(tidy(tree.line[node][:60].partition("=")[0], 20))


def typeset(text: str) -> str:
    """Real signs in place of the keyboard's."""
    return text.replace(" * ", " × ").replace(" / ", " ÷ ").replace("-", "−")


def tidy(text: str, most: int) -> str:
    """One line of at most so many characters, without control, direction, private or lone surrogate characters."""
    text = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text[: 4 * most])
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
