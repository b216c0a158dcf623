"""The tree viewer with a form: choose a problem, a strategy and how much to search, and watch the tree grow.

One widget. A search shows its tree while it runs and can be stopped, a tree can be kept beside the next one, a search
can go on from any position, and the exact solver says why a position is dead. It does not know how a search is made or
how a tree is drawn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import traitlets

from game24lab.runs.checks import require, require_one_of
from game24lab.runs.messages import condense
from game24lab.search.engine import Algorithm
from game24lab.search.modes import HELP, MODES
from game24lab.search.requests import Outcome
from game24lab.search.tree import Tree
from game24lab.tasks.task import Task
from game24lab.views.tree.page import as_tree
from game24lab.views.tree.reasons import can_explain
from game24lab.views.tree.searcher import Choice, Searcher, Strategies, describe
from game24lab.views.tree.widget import TreeView
from game24lab.views.widgets.html import escape

_MOST = 256  # where the slider ends
_SEEN = 3.0  # seconds: a search that took less is played once more


def offer(
    strategies: Mapping[str, Algorithm], parameters: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, tuple[Algorithm, str, Mapping[str, Any]]]:
    """Strategies as `explore` takes them: each with the parameter that says how much to search, "" for one without.

    `parameters` gives some of them others than their defaults. ValueError for a name that is not among the strategies.
    """
    parameters = parameters or {}
    for name in parameters:
        require_one_of("strategy of parameters", name, tuple(strategies))
    offered = {}
    for name, algorithm in strategies.items():
        offered[name] = algorithm, getattr(algorithm, "effort", ""), parameters.get(name, {})
    return offered


def explore(
    task: Task,
    policy: Any,
    critic: Any,
    strategies: Strategies,
    *,
    parse: Callable[[str], Any],
    problems: Sequence[str],
    effort: int = 32,
    seed: int = 0,
) -> Explorer:
    """The form with a finished search of the first problem below it.

    Args:
        strategies: name -> (algorithm, the parameter that the slider sets, other parameters); see `offer`.
        parse: text to problem; its ValueError is shown, nothing else happens then.
        problems: texts to choose from; others can be typed.
        effort: where the slider stands at first, from 1 to 256. A strategy whose parameter has another name begins at
            its own default.
    """
    return Explorer(Searcher(task, policy, critic, strategies, parse, seed), problems, effort)


class Explorer(TreeView):
    """A `TreeView` with the form above it; made by `explore`.

    `problem`, `strategy`, `mode`, `effort` and `keep` are what the form says, and can be set. `search()` and
    `search_on(node)` are what its buttons do, `stop()` ends a search with what it has found. `outcome` is that of the
    last search, `status` what is said of it, `busy` whether one is running: the buttons' searches run beside the
    notebook's cells, one at a time. Raises ValueError for a strategy, a mode or an effort that is not offered.
    """

    form = traitlets.Dict().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    strategy = traitlets.Unicode().tag(sync=True)
    mode = traitlets.Unicode("verified").tag(sync=True)
    effort = traitlets.Int(1).tag(sync=True)
    keep = traitlets.Bool(False).tag(sync=True)
    status = traitlets.Unicode().tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)

    def __init__(self, searcher: Searcher, problems: Sequence[str], effort: int) -> None:
        self._searcher, self._turn, self._over = searcher, threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        known = {name: {"effort": searcher.find_effort(name), "start": min(_MOST, searcher.find_start(name))}
                 for name in searcher.strategies}  # fmt: skip
        choice, begin = Choice(problems[0], next(iter(known)), "verified", effort), time.monotonic()
        self.outcome = searcher.search(choice, lambda tree: None, lambda: False)
        form = {"problems": list(problems), "strategies": known, "most": _MOST,
                "modes": {name: HELP[name] for name in MODES}}  # fmt: skip
        said = describe(self.outcome, time.monotonic() - begin)
        super().__init__(self.outcome.tree, form=form, status=said, **vars(choice))
        self.on_msg(self._hear)
        self.on_search(lambda node, name: self._begin(lambda: self.search_on(node, name)))
        if can_explain(searcher.task):
            self.on_why(lambda node, name: searcher.tell_why(as_tree(getattr(self, name)), node))

    @property
    def view(self) -> Explorer:
        """Itself: form and tree are one widget."""
        return self

    def search(self) -> Outcome | None:
        """Search as the form says; None where it cannot, which `status` says, and while another search runs."""
        choice, kept = self._choice(), (self.other or self.tree) if self.keep else None
        fresh = True

        def draw(tree: Tree) -> None:
            nonlocal fresh
            with self.hold_sync():
                if fresh:  # what stands alone goes to the right; what stands there already stays
                    self.other, self.selected, self.step = kept, 0, 0
                self.tree = tree
                if fresh:
                    self.step, self.budget, fresh = self.nodes - 1, -1, False
            self._count_tokens(tree)

        return self._attempt(lambda: self._searcher.search(choice, draw, self._over.is_set), draw, again=True)

    def search_on(self, node: int, name: str = "tree") -> Outcome | None:
        """Search on from a node of the tree, or of the one beside ("other"), as the form says."""

        def draw(tree: Tree) -> None:
            setattr(self, name, tree)
            self._count_tokens(tree)

        def find() -> Outcome:
            branch = as_tree(getattr(self, name)), node
            return self._searcher.search(self._choice(), draw, self._over.is_set, branch)

        outcome = self._attempt(find, draw)
        if outcome is not None:
            self.step = self.nodes - 1
        return outcome

    def stop(self) -> None:
        """End the search that is running, with what it has found."""
        self._over.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the search that a button has begun is over."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _choice(self) -> Choice:
        return Choice(self.problem, self.strategy, self.mode, self.effort)

    def _attempt(
        self, find: Callable[[], Outcome], draw: Callable[[Tree], None], *, again: bool = False
    ) -> Outcome | None:  # fmt: skip
        """A search whose complaints are said; nothing else happens then."""
        if not self._turn.acquire(blocking=False):
            return None
        begin = time.monotonic()
        try:
            self._over.clear()
            self.busy, self.status = True, "Searching"
            self.outcome = outcome = find()
            draw(outcome.tree)
            seconds = time.monotonic() - begin
            self.status = describe(outcome, seconds)
        except ValueError as error:
            self.status = condense(error)
            return None
        except Exception as error:
            self.status = f"The search failed: {type(error).__name__}: {condense(error)}"
            raise
        finally:
            self.busy = False
            self._turn.release()
        if again and seconds < _SEEN:
            self.plays += 1
        return outcome

    def _count_tokens(self, tree: Tree) -> None:
        self.status = f"Searching: {tree.sampled:,} tokens sampled, {len(tree):,} nodes"

    def _begin(self, search: Callable[[], Any]) -> None:
        """Search beside the cells, so that the kernel hears of Stop."""
        self._thread = threading.Thread(target=search, daemon=True, name="explorer")
        self._thread.start()

    def _hear(self, _: Any, message: Any, __: Any) -> None:
        """A press on Search, which brings what the form says, or on Stop."""
        message = message if isinstance(message, Mapping) else {}
        if message.get("kind") == "stop":
            self.stop()
        if message.get("kind") != "search" or self.busy:
            return
        try:
            for name in ("strategy", "problem", "mode", "effort", "keep"):
                setattr(self, name, message.get(name, getattr(self, name)))
        except (ValueError, traitlets.TraitError) as error:
            self.status = condense(error)
            return
        self._begin(self.search)

    @traitlets.validate("strategy", "mode", "effort")
    def _check_form(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name == "effort":
            require(name, value, int, 1, _MOST)
        else:
            require_one_of(name, value, MODES if name == "mode" else tuple(self._searcher.strategies))
        return value

    @traitlets.observe("strategy")
    def _take_effort(self, change: Any) -> None:
        """Another measure of effort begins at its default."""
        if change["old"] and self._searcher.find_effort(change["old"]) != self._searcher.find_effort(change["new"]):
            self.effort = self.form["strategies"][change["new"]]["start"]

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0]["text/html"] = f"<p>{escape(self.status)}</p>{bundle[0]['image/svg+xml']}"
        return bundle
