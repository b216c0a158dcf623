"""The tree viewer as a notebook widget: JupyterLab, VS Code, Colab and every other front end that anywidget reaches.

The tree travels to the browser once, as a whole, whenever `tree` is set; the replay runs there. Where no front end
takes the widget, its output shows the still picture. This module does not know how a tree is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from game24lab.search.tree import Tree
from game24lab.treeview.page import as_json, as_tree, check_colour, name_problem
from game24lab.treeview.still import draw_svg


class _TreeTrait(traitlets.TraitType):
    """A tree's JSON object; a `Tree` or its JSON text becomes one. ValueError for what is no tree."""

    default_value: dict[str, Any] = {}  # noqa: RUF012 - replaced before anyone sees it
    info_text = "a Tree, its JSON text or object"

    def validate(self, obj: Any, value: Tree | Mapping[str, Any] | str) -> dict[str, Any]:
        return as_json(value)  # a copy: a tree that grows on is a new value


class TreeView(anywidget.AnyWidget):
    """A search tree to look at: `TreeView(tree)`.

    `selected` is the node under inspection (-1: none) and `step` where the replay stands (node `step` has just
    appeared; the last node: the search is over); both can be read, set and observed. `colour` is one of page.COLOURS,
    `height` in pixels. Setting `tree` to one that has grown keeps pan, zoom, folds and selection, and a replay that
    stood at the end follows it. Raises ValueError for an unknown colour, a node or a step that is not there.
    """

    _esm = Path(__file__).with_name("treeview.js")

    tree = _TreeTrait().tag(sync=True)
    selected = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    colour = traitlets.Unicode("value").tag(sync=True)
    height = traitlets.Int(560).tag(sync=True)

    def __init__(self, tree: Tree | Mapping[str, Any] | str, **traits: Any) -> None:
        tree = as_tree(tree)
        super().__init__(**{"tree": tree, "step": len(tree) - 1, **traits})

    @property
    def nodes(self) -> int:
        """How many nodes the tree has."""
        return len(self.tree["parent"])

    @traitlets.validate("selected")
    def _check_selected(self, proposal: Any) -> int:
        return self._check_node("selected", proposal["value"], -1)

    @traitlets.validate("step")
    def _check_step(self, proposal: Any) -> int:
        return self._check_node("step", proposal["value"], 0)

    def _check_node(self, name: str, value: int, least: int) -> int:
        if not least <= value < self.nodes:
            none = ", or -1 for none," if least < 0 else ""
            raise ValueError(f"{name} {value}: a node from 0 to {self.nodes - 1}{none} is accepted")
        return value

    @traitlets.validate("colour")
    def _check_colour(self, proposal: Any) -> str:
        return check_colour(proposal["value"])

    @traitlets.validate("height")
    def _check_height(self, proposal: Any) -> int:
        if not 200 <= proposal["value"] <= 5000:
            raise ValueError(f"height {proposal['value']}: 200 to 5000 pixels are accepted")
        return proposal["value"]

    @traitlets.observe("tree")
    def _follow(self, change: Any) -> None:
        before = len(change["old"].get("parent", ())) if change["old"] else 0
        with self.hold_sync():
            if not before or self.step >= before - 1 or self.step >= self.nodes:
                self.step = self.nodes - 1
            self.selected = min(self.selected, self.nodes - 1)

    def __repr__(self) -> str:
        meta = self.tree["meta"]
        facts = " ".join(str(meta[key]) for key in ("strategy", "mode") if meta.get(key))
        return f"TreeView of {name_problem(meta)} ({self.nodes} nodes{', ' * bool(facts)}{facts})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0]["image/svg+xml"] = draw_svg(self.tree, colour=self.colour)
        return bundle
