"""A search tree, or two side by side, as one HTML file that opens offline and runs nothing but the viewer.

The page holds the trees as JSON and the source of the viewer, imports that from a blob: URL and gives it a stub in
place of the notebook's model. Its content policy admits the one inline script by hash, the module, and no connection at
all. This module does not know how a tree is drawn.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from game24lab.runs.checks import require_one_of
from game24lab.runs.run import write_atomically
from game24lab.search.tree import Tree
from game24lab.views.html_page import frame
from game24lab.views.tree.layout import tidy

# What the colour and the size of a node and the width of an edge can show; the viewer has the same names.
COLOURS = {"value": "critic's value", "mean": "mean value Q", "truth": "truth", "visits": "visits", "prior": "prior",
           "depth": "depth"}  # fmt: skip
SIZES = {"visits": "visits", "tokens": "tokens"}  # tokens sampled for a node and all below it
EDGES = {"visits": "visits", "prior": "prior"}
_LOOK = {"colour": COLOURS, "size": SIZES, "edge": EDGES}

# The files of the viewer in the order in which they are joined: each imports from those before it alone.
PARTS = ("palette", "words", "style", "replay", "folds", "painter", "vector", "inspector", "links", "silence", "form",
         "pane", "handle", "viewer")

_SCRIPT = """
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const state = read("state"), handlers = new Map();
const model = {
  get: (name) => state[name],
  set: (name, value) => { state[name] = value; for (const call of handlers.get("change:" + name) ?? []) call(); },
  on: (name, call) => handlers.set(name, [...(handlers.get(name) ?? []), call]),
  off: (name, call) => handlers.set(name, (handlers.get(name) ?? []).filter((other) => other !== call)),
  save_changes: () => {},
};
const url = URL.createObjectURL(new Blob([read("module")], { type: "text/javascript" }));
const viewer = await import(url);
URL.revokeObjectURL(url);
viewer.default.render({ model, el: document.getElementById("view") });
addEventListener("message", ({ data }) => { // a page that shows this one within itself has a theme of its own
  if (["light", "dark"].includes(data?.theme)) document.documentElement.setAttribute("theme", data.theme);
});
if (state.plays && !matchMedia("(prefers-reduced-motion: reduce)").matches) model.set("plays", state.plays + 1);
"""

_STYLE = """
html, body, #view { height: 100%; margin: 0; }
body { box-sizing: border-box; padding: 12px; background: #ffffff; }
noscript { font: 15px/1.5 system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { body { background: #14171c; color: #e7eaef; } }
:root[theme="light"] body { background: #ffffff; color: #000000; }
:root[theme="dark"] body { background: #14171c; color: #e7eaef; }
@page { size: landscape; margin: 10mm; }
@media print { html, body, #view { height: auto; } body, :root[theme] body { padding: 0; background: none; } }
"""

_BODY = """<noscript>This page draws a search tree and needs JavaScript; it loads nothing from anywhere.</noscript>
<div id="view"></div>
<script type="application/json" id="state">{state}</script>
<script type="application/json" id="module">{module}</script>"""


def as_tree(tree: Tree | Mapping[str, Any] | str) -> Tree:
    """A tree from a Tree, its JSON text or the object read from that text; ValueError that says what is wrong."""
    if isinstance(tree, Tree):
        return tree
    if isinstance(tree, str):
        return Tree.from_json(tree)
    if isinstance(tree, Mapping):
        return Tree.from_json(json.dumps(dict(tree)))
    raise ValueError(f"tree must be a Tree, its JSON text or its object, got {type(tree).__name__}")


def as_json(tree: Tree | Mapping[str, Any] | str) -> dict[str, Any]:
    """The object that the viewer takes: a copy of the tree, its text fit for UTF-8 (half characters become `?`)."""
    return json.loads(as_tree(tree).to_json().encode("utf-8", "replace"))


def check_look(**look: str) -> dict[str, str]:
    """What `colour`, `size` and `edge` are to show, as given; ValueError for a name that the viewer does not know."""
    for name, shown in look.items():
        require_one_of(name, shown, _LOOK[name])
    return look


def name_problem(meta: Mapping[str, Any]) -> str:
    """The problem of a tree in one short line: in the Game of 24 its numbers."""
    problem = meta.get("problem", "")
    return tidy(" ".join(map(str, problem)) if isinstance(problem, list | tuple) else str(problem), 80)


def read_module() -> str:
    """The source of the viewer as one ES module, the one that the widget uses too.

    Its files are ES modules themselves; joined in the order of PARTS they need no imports and exports of each other.
    """
    folder = resources.files("game24lab.views.tree").joinpath("viewer")
    text = "\n".join(folder.joinpath(f"{part}.js").read_text(encoding="utf-8") for part in PARTS)
    text = re.sub(r'(?m)^import \{[^}]*\} from "\./\w+\.js";\n', "", text)
    return re.sub(r"(?m)^export (?=(?:const|function|class) )", "", text)


def make_html(
    tree: Tree | Mapping[str, Any] | str, other: Tree | Mapping[str, Any] | str | None = None, *,
    colour: str = "value", size: str = "visits", edge: str = "visits", selected: int = 0, budget: int | None = None,
    play: bool = False,
) -> str:  # fmt: skip
    """The page as text.

    Args:
        other: a second tree, drawn beside the first; one slider moves both to the same number of sampled tokens.
        colour, size, edge: what nodes and edges show, of COLOURS, SIZES and EDGES.
        selected: the node that the inspector shows first, -1 for none.
        budget: tokens at which the slider of two trees stands at first; None: at the end.
        play: replay the search once when the page is opened, unless its reader wants less motion.
    """
    tree = as_tree(tree)
    if not -1 <= selected < len(tree):
        raise ValueError(f"selected must be a node from 0 to {len(tree) - 1}, or -1 for none, got {selected!r}")
    if budget is not None and (type(budget) is not int or budget < 0 or other is None):
        raise ValueError(f"budget must be a number of sampled tokens >= 0, for two trees, got {budget!r}")
    state = {"tree": as_json(tree), "other": {} if other is None else as_json(other), "selected": selected,
             "selected_other": 0, "step": len(tree) - 1, "budget": -1 if budget is None else budget, "links": True,
             "height": 0, "searchable": False, "plays": int(play),
             **check_look(colour=colour, size=size, edge=edge)}  # fmt: skip
    body = _BODY.format(state=_inline(state), module=_inline(read_module()))
    return frame(html.escape(f"{name_problem(tree.meta)} - search tree"), _STYLE, body, _SCRIPT)


def write_html(
    tree: Tree | Mapping[str, Any] | str,
    path: str | Path,
    other: Tree | Mapping[str, Any] | str | None = None,
    **options: Any,
) -> Path:
    """Write the page (see make_html) and return its path.

    The file appears whole or not at all; OSError where it cannot be written.
    """
    path, text = Path(path), make_html(tree, other, **options)
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return path


def _inline(data: Any) -> str:
    """JSON that cannot end the script element it stands in, whatever text it holds."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
