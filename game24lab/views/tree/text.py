"""A search tree as lines of text, for terminals: the same nodes that a still picture unfolds, indented.

Every text of a model is made one short line without control characters first. It does not know what a terminal is.
"""

from __future__ import annotations

from game24lab.search.tree import Tree
from game24lab.views.tree.layout import WORDS, lay_out, name, name_move

ROWS = 16
_MARKS = {"solved": "★", "wrong": "✗", "illegal": "✗", "unfinished": "…", "pruned": "-"}


def write_text(tree: Tree, *, rows: int = ROWS) -> list[str]:
    """The lines: a move, the position behind it, the critic's value, the visits, and what is known of it.

    About `rows` lines are unfolded; those of the committed line begin with a dot. Where the tree is annotated, dead
    positions are named.
    """
    layout = lay_out(tree, rows, lambda text: float(len(text)), 0.0)
    below: dict[int, list[int]] = {}
    for node in layout.nodes[1:]:
        below.setdefault(tree.parent[node], []).append(node)
    more = {node: count for node, _, count in layout.chips}
    lines = [f"● {name(tree, 0)}{_tell(tree, 0)}"]

    def write(parent: int, lead: str) -> None:
        children, folded = below.get(parent, []), more.get(parent)
        for place, child in enumerate(children):
            last = place + 1 == len(children) and folded is None
            dot = "●" if child in layout.line else " "
            hidden = f"  (+{layout.below[child]} below)" if child in layout.below else ""
            count = layout.crowds.get(child, 1)
            label, move = name(tree, child, count), name_move(tree, child, count)
            told = (f"{move} → {label}" if move else label) + (_tell(tree, child) if count == 1 else "")
            lines.append(f"{dot} {lead}{'└─' if last else '├─'} {told}{hidden}")
            write(child, lead + ("   " if last else "│  "))
        if folded is not None:
            lines.append(f"  {lead}└─ +{folded} more")

    write(0, "")
    return lines


def _tell(tree: Tree, node: int) -> str:
    """What stands behind a position."""
    status, value = tree.status[node], tree.value[node]
    parts = [] if value is None or status in ("solved", "illegal") else [f"value {value:+.2f}".replace("-", "−")]
    parts += [f"{tree.visits[node]} visits"] if tree.visits[node] > 1 else []
    parts += [f"{_MARKS[status]} {WORDS[status]}"] if status in WORDS else []
    parts += ["dead"] if tree.truth[node] is False and status == "open" else []
    return f"   {', '.join(parts)}" if parts else ""
