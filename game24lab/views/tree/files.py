"""Tree files to pictures: one or two JSON files become a page that opens offline, or a still picture.

It does not know what a tree holds or how it is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from game24lab.runs.run import write_atomically
from game24lab.search.tree import Tree
from game24lab.views.tree.animation import animate_svg
from game24lab.views.tree.page import write_html
from game24lab.views.tree.still import draw_svg, follow_theme

LARGEST = 256 * 2**20  # bytes of a file that is read


def read_tree(path: str | Path) -> Tree:
    """The tree of a JSON file; ValueError that names the file and says what is wrong in it, OSError if unreadable."""
    path = Path(path)
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path}: a tree file must have at most {LARGEST:,} bytes, got {path.stat().st_size:,}")
    try:
        return Tree.from_json(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:  # not UTF-8 is one too
        raise ValueError(f"{path}: {error}") from None


def write_tree(tree: Tree, output: str | Path) -> Path:
    """Write a tree as its file's name ends: a page (.html), a picture (.svg) or the tree itself (.json); the path."""
    output = Path(output)
    if output.suffix.lower() in (".html", ".htm"):
        return write_html(tree, output)
    text = follow_theme(draw_svg(tree)) if output.suffix.lower() == ".svg" else tree.to_json()
    write_atomically(output, lambda temporary: temporary.write_text(text, encoding="utf-8", errors="replace"))
    return output


def draw_files(
    paths: Sequence[str | Path], output: str | Path, *, colour: str = "value", budget: int | None = None,
    animate: bool = False,
) -> Path:  # fmt: skip
    """Draw one tree, or two side by side, into a file that ends in .html or .svg; returns its path.

    `budget` shows the trees as they were after so many sampled tokens: where a page with two trees stands at first,
    all that a picture shows. `animate` makes a picture that grows (`views.tree.animation`), or a page that replays the
    search once when it is opened. The file appears whole or not at all. ValueError for other endings, another number of
    trees, a budget for a page with one tree, and an animation with a budget.
    """
    output = Path(output)
    if not 1 <= len(paths) <= 2:
        raise ValueError(f"trees must be one, or two to stand side by side, got {len(paths)}")
    if output.suffix not in (".html", ".svg"):
        raise ValueError(f"output must end in .html or .svg, got {output}")
    if animate and budget is not None:
        raise ValueError(f"--animate shows the whole search and needs no --budget, got {budget}")
    trees = [read_tree(path) for path in paths]
    if output.suffix == ".html":
        return write_html(trees[0], output, *trees[1:], colour=colour, budget=budget, play=animate)
    still = follow_theme(draw_svg(*trees, colour=colour, budget=budget))
    text = animate_svg(*trees, colour=colour) if animate else still
    write_atomically(output, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return output
