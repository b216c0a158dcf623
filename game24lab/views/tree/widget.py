"""The tree viewer as a notebook widget: JupyterLab, VS Code, Colab and every other front end that anywidget reaches.

A tree travels to the browser once, as a whole, whenever it is set; the replay runs there. Beside the widget stands the
still picture: where no front end takes widgets, and in a notebook that runs headless, it is all there is. This module
does not know how a tree is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import traitlets

from game24lab.search.tree import Tree
from game24lab.views.tree.page import as_json, as_tree, check_look, name_problem, read_module
from game24lab.views.tree.still import draw_svg
from game24lab.views.widgets.html import VIEW, is_headless


class _TreeTrait(traitlets.TraitType):
    """A tree's JSON object; a `Tree` or its JSON text becomes one. ValueError for what is no tree."""

    default_value: dict[str, Any] = {}  # noqa: RUF012 - replaced before anyone sees it
    info_text = "a Tree, its JSON text or object"

    def validate(self, obj: Any, value: Tree | Mapping[str, Any] | str) -> dict[str, Any]:
        if self.metadata.get("may_lack") and (value is None or value == {}):
            return {}
        return as_json(value)  # a copy: a tree that grows on is a new value


class TreeView(anywidget.AnyWidget):
    """A search tree to look at, `TreeView(tree)`, or two side by side, `TreeView(tree, other)`.

    All of these can be read, set and observed:

    selected, selected_other: the node under inspection in each tree, -1 for none.
    step: where the replay stands; node `step` of `tree` has just appeared, the last node: the search is over.
    budget: two trees: how many tokens each may have sampled where the replay stands, -1: as many as they did.
    colour, size, edge: what nodes and edges show, of page.COLOURS, page.SIZES and page.EDGES.
    links: whether all equal positions are linked, or those of the selected node alone.
    height: in pixels.

    Setting `tree` to one that has grown keeps pan, zoom, folds and selection, and a replay that stood at the end
    follows it; setting `other` to None leaves one tree. Raises ValueError for a name that is not known, a node or a
    step that is not there.
    """

    _esm = read_module()

    tree = _TreeTrait().tag(sync=True)
    other = _TreeTrait().tag(sync=True, may_lack=True)
    selected = traitlets.Int(0).tag(sync=True)
    selected_other = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    budget = traitlets.Int(-1).tag(sync=True)
    colour = traitlets.Unicode("value").tag(sync=True)
    size = traitlets.Unicode("visits").tag(sync=True)
    edge = traitlets.Unicode("visits").tag(sync=True)
    links = traitlets.Bool(True).tag(sync=True)
    height = traitlets.Int(560).tag(sync=True)
    searchable = traitlets.Bool(False).tag(sync=True)  # see on_search
    explains = traitlets.Bool(False).tag(sync=True)  # see on_why
    plays = traitlets.Int(0).tag(sync=True)  # the replay begins anew whenever it has grown

    def __init__(
        self,
        tree: Tree | Mapping[str, Any] | str,
        other: Tree | Mapping[str, Any] | str | None = None,
        **traits: Any,
    ) -> None:
        tree = as_tree(tree)
        super().__init__(**{"tree": tree, "other": other, "step": len(tree) - 1, **traits})

    def on_search(self, call: Callable[[int, str], Any]) -> None:
        """Offer "search on from here" in the inspector: `call(node, name)`, the name "tree" or "other"."""
        self._answer("search on", call)
        self.searchable = True

    def on_why(self, call: Callable[[int, str], str]) -> None:
        """Offer "why is this dead?" in the inspector: `call(node, name)` returns what is shown there."""

        def take(node: int, name: str) -> None:
            self.send({"kind": "why", "name": name, "node": node, "text": call(node, name)})

        self._answer("why", take)
        self.explains = True

    def _answer(self, kind: str, call: Callable[[int, str], None]) -> None:
        """Call with node and name of every message of a kind that names a node that is there."""

        def read(_: Any, message: Any, __: Any) -> None:
            message = message if isinstance(message, Mapping) else {}
            node, name = message.get("node"), message.get("name")
            known = name in ("tree", "other") and type(node) is int
            if message.get("kind") == kind and known and 0 <= node < self._count(name):
                call(node, name)

        self.on_msg(read)

    def follow(self, link: str) -> None:
        """Go to the moment of a link that the viewer has copied, such as `#at=12&node=5&colour=truth`."""
        self.send({"kind": "follow", "link": link})

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What a browser says; places of a tree that has been replaced since are passed over."""
        trees = {"selected": "tree", "step": "tree", "selected_other": "other"}
        super().set_state({name: value for name, value in sync_data.items()
                           if name not in trees or (type(value) is int and value < self._count(trees[name]))})

    @property
    def nodes(self) -> int:
        """How many nodes the tree has."""
        return self._count("tree")

    def _count(self, name: str) -> int:
        return len(getattr(self, name).get("parent", ()))

    @traitlets.validate("selected", "selected_other", "step")
    def _check_node(self, proposal: Any) -> int:
        name, value = proposal["trait"].name, proposal["value"]
        nodes = self._count("other" if name == "selected_other" else "tree")
        none = " or -1 for none" * (name != "step")
        if name == "selected_other" and not nodes:
            return value  # there is nothing to select, and it is not shown
        if not (0 if name == "step" else -1) <= value < nodes:
            raise ValueError(f"{name} must be a node from 0 to {nodes - 1}{none}, got {value}")
        return value

    @traitlets.validate("budget")
    def _check_budget(self, proposal: Any) -> int:
        if proposal["value"] < -1:
            raise ValueError(f"budget must be a number of tokens >= 0, or -1 for all, got {proposal['value']}")
        return proposal["value"]

    @traitlets.validate("colour", "size", "edge")
    def _check_look(self, proposal: Any) -> str:
        check_look(**{proposal["trait"].name: proposal["value"]})
        return proposal["value"]

    @traitlets.validate("height")
    def _check_height(self, proposal: Any) -> int:
        if not 200 <= proposal["value"] <= 5000:
            raise ValueError(f"height must be 200 to 5000 pixels, got {proposal['value']}")
        return proposal["value"]

    @traitlets.observe("tree")
    def _follow(self, change: Any) -> None:
        before = len(change["old"].get("parent", ())) if change["old"] else 0
        with self.hold_sync():
            if not before or self.step >= before - 1 or self.step >= self.nodes:
                self.step = self.nodes - 1
            self.selected = min(self.selected, self.nodes - 1)

    @traitlets.observe("other")
    def _follow_other(self, change: Any) -> None:
        with self.hold_sync():
            self.budget = -1 if not (change["old"] and change["new"]) else self.budget
            self.selected_other = min(self.selected_other, max(0, self._count("other") - 1))

    def __repr__(self) -> str:
        meta = self.tree["meta"]
        facts = " ".join(str(meta[key]) for key in ("strategy", "mode") if meta.get(key))
        beside = f" beside one of {self._count('other')}" * bool(self.other)
        return f"{type(self).__name__} of {name_problem(meta)} ({self.nodes} nodes{', ' * bool(facts)}{facts}){beside}"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            look = {"colour": self.colour, "size": self.size, "edge": self.edge}
            bundle[0]["image/svg+xml"] = draw_svg(self.tree, self.other or None, **look)
            if is_headless():
                del bundle[0][VIEW]
        return bundle
