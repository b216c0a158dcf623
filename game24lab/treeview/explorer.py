"""A form to search by hand: choose a problem, a strategy and how much to search, and watch the tree grow.

It does not know the task's rules, the strategies' names or how a tree is drawn; all are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from game24lab.search.engine import Algorithm, run
from game24lab.search.requests import Outcome
from game24lab.tasks.task import Task
from game24lab.treeview.widget import TreeView

_GROWTH = 4.0  # seconds in which a tree grows to its full size, at most


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
        strategies: name -> (algorithm, the parameter that the slider sets, other parameters).
        parse: text to problem; its ValueError is shown, nothing else happens then.
        problems: texts to choose from; others can be typed.
        effort: where the slider stands at first, from 1 to 256.

    The box carries `view` (the `TreeView`), `outcome` (of the last search) and `search` (what the button does).
    """
    problem = widgets.Combobox(value=problems[0], options=list(problems), description="puzzle", ensure_option=False)
    strategy = widgets.Dropdown(options=list(strategies), description="strategy")
    mode = widgets.ToggleButtons(options=["verified", "unverified"], style={"button_width": "auto"})
    slider = widgets.IntSlider(value=effort, min=1, max=256, description="", continuous_update=False)
    button = widgets.Button(description="Search", icon="search", button_style="primary")
    grow = widgets.Play(value=0, min=0, interval=100, show_repeat=False)
    said = widgets.Label()

    def run_form(chosen: Any) -> Outcome:
        algorithm, name, parameters = strategies[strategy.value]
        (outcome,) = run(task, [chosen], algorithm, policy, critic, mode=mode.value, seed=seed,
                         parameters={**parameters, name: slider.value})  # fmt: skip
        outcome.tree.annotate(task, task.start(chosen))
        return outcome

    def search(_: Any = None) -> Outcome | None:
        try:
            chosen = parse(problem.value)
        except ValueError as error:
            said.value = str(error)
            return None
        button.disabled = True
        try:
            box.outcome = outcome = run_form(chosen)
        finally:
            button.disabled = False
        cost = outcome.cost
        said.value = (f"{outcome.outcome}: {outcome.answer or 'no answer'} ({mode.value}; {cost.sampled_tokens} tokens "
                      f"sampled, {cost.critic_calls} positions valued)")  # fmt: skip
        _show(outcome)
        return outcome

    def _show(outcome: Outcome) -> None:
        last = len(outcome.tree.parent) - 1
        grow.playing = False
        box.view.selected, box.view.step = 0, 0
        box.view.tree = outcome.tree
        grow.interval = max(16, int(1000 * _GROWTH / (last + 1)))
        grow.value, grow.max = 0, last
        grow.playing = True

    def _name_effort(_: Any = None) -> None:
        slider.description = strategies[strategy.value][1]

    _name_effort()
    strategy.observe(_name_effort, "value")
    first = run_form(parse(problem.value))
    controls = [widgets.HBox([problem, strategy, slider]), widgets.HBox([mode, button, grow, said])]
    box = widgets.VBox(controls)
    box.view, box.outcome, box.search = TreeView(first.tree), first, search
    box.children = (*controls, box.view)
    grow.max = grow.value = box.view.nodes - 1  # the link takes the view to where the player stands
    widgets.jslink((grow, "value"), (box.view, "step"))
    button.on_click(search)
    return box
