"""A form to search by hand: choose a problem, a strategy and how much to search, and watch the tree grow.

A tree can be kept beside the next one, and a search can go on from any position. The form does not know the task's
rules, the strategies' names or how a tree is drawn; all are handed in.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from game24lab.runs.checks import require_one_of
from game24lab.search.engine import Algorithm, run
from game24lab.search.modes import HELP, MODES, open_world
from game24lab.search.requests import Outcome
from game24lab.search.tree import Tree
from game24lab.tasks.task import Task
from game24lab.views.tree.branch import search_on
from game24lab.views.tree.widget import TreeView

_GROWTH = 4.0  # seconds in which a tree grows to its full size, at most
_MOST = 256  # where the slider ends


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
    strategies: Mapping[str, tuple[Algorithm, str, Mapping[str, Any]]],
    *,
    parse: Callable[[str], Any],
    problems: Sequence[str],
    effort: int = 32,
    seed: int = 0,
) -> widgets.VBox:
    """The form with a finished search of the first problem below it.

    Args:
        strategies: name -> (algorithm, the parameter that the slider sets, other parameters); see `offer`.
        parse: text to problem; its ValueError is shown, nothing else happens then.
        problems: texts to choose from; others can be typed.
        effort: where the slider stands at first, from 1 to 256. A strategy whose parameter has another name begins at
            its own default.

    The box carries `view` (the `TreeView`), `outcome` (of the last search), `search` (what the button does) and
    `search_on(node)`, which goes on from a position with the strategy and the effort that the form shows.
    """
    problem = widgets.Combobox(value=problems[0], options=list(problems), description="puzzle", ensure_option=False)
    strategy = widgets.Dropdown(options=list(strategies), description="strategy")
    mode = widgets.ToggleButtons(options=MODES, value="verified", tooltips=list(HELP.values()),
                                 style={"button_width": "auto"})  # fmt: skip
    slider = widgets.IntSlider(value=effort, min=1, max=_MOST, description="", continuous_update=False)
    keep = widgets.ToggleButton(description="Keep beside", icon="columns", tooltip="Show the next tree beside this one")
    button = widgets.Button(description="Search", icon="search", button_style="primary")
    grow = widgets.Play(value=0, min=0, interval=100, show_repeat=False)
    said = widgets.Label()

    def read_form() -> tuple[Algorithm, dict[str, Any]]:
        algorithm, name, parameters = strategies[strategy.value]
        return algorithm, {**parameters, **({name: slider.value} if name else {})}

    def tell_truth(chosen: Any, outcome: Outcome) -> None:
        world = open_world(task, outcome.mode)
        outcome.tree.annotate(world, world.start(chosen))

    def run_form(chosen: Any) -> Outcome:
        algorithm, parameters = read_form()
        (outcome,) = run(task, [chosen], algorithm, policy, critic, mode=mode.value, seed=seed, parameters=parameters)
        tell_truth(chosen, outcome)
        return outcome

    def attempt(find: Callable[[], Outcome]) -> Outcome | None:
        """A search whose complaints are said; nothing else happens then."""
        button.disabled = True
        try:
            box.outcome = outcome = find()
        except ValueError as error:
            said.value = str(error)
            return None
        finally:
            button.disabled = False
        cost = outcome.cost
        said.value = (f"{outcome.outcome}: {outcome.answer or 'no answer'} ({mode.value}; {cost.sampled_tokens} tokens "
                      f"sampled, {cost.critic_calls} positions valued)")  # fmt: skip
        return outcome

    def search(_: Any = None) -> Outcome | None:
        outcome = attempt(lambda: run_form(parse(problem.value)))
        if outcome is not None:
            _show(outcome.tree)
        return outcome

    def go_on(node: int, name: str = "tree") -> Outcome | None:
        """Search on from a node of the tree, or of the one beside ("other")."""

        def find() -> Outcome:
            tree = Tree.from_json(json.dumps(getattr(box.view, name)))
            chosen, (algorithm, parameters) = tree.meta["problem"], read_form()
            outcome = search_on(task, chosen, tree, node, algorithm, policy, critic, parameters=parameters,
                                mode=mode.value, seed=seed)  # fmt: skip
            tell_truth(chosen, outcome)
            return outcome

        outcome = attempt(find)
        if outcome is not None:
            grow.playing = False
            setattr(box.view, name, outcome.tree)
            grow.max = grow.value = box.view.nodes - 1
        return outcome

    def _show(tree: Tree) -> None:
        view, last = box.view, len(tree.parent) - 1
        grow.playing = False
        # what stands alone goes to the right; what stands there already stays
        view.other = (view.other or view.tree) if keep.value else None
        view.selected, view.step = 0, 0
        view.tree = tree
        if keep.value:  # two trees are played by the viewer, on their budget
            grow.max = grow.value = last
            view.budget = -1
            return
        grow.interval = max(16, int(1000 * _GROWTH / (last + 1)))
        grow.value, grow.max = 0, last
        grow.playing = True

    def _name_effort(_: Any = None) -> None:
        algorithm, name, parameters = strategies[strategy.value]
        if name and slider.description not in ("", name):
            slider.value = parameters.get(name, inspect.signature(algorithm).parameters[name].default)
        slider.description, slider.disabled = name or "one answer", not name

    _name_effort()
    strategy.observe(_name_effort, "value")
    first = run_form(parse(problem.value))
    controls = [widgets.HBox(row) for row in ([problem, strategy, slider], [mode, button, keep, grow], [said])]
    box = widgets.VBox(controls)
    box.view, box.outcome, box.search, box.search_on = TreeView(first.tree), first, search, go_on
    box.view.on_search(go_on)
    box.children = (*controls, box.view)
    grow.max = grow.value = box.view.nodes - 1  # the link takes the view to where the player stands
    widgets.jslink((grow, "value"), (box.view, "step"))
    button.on_click(search)
    return box
