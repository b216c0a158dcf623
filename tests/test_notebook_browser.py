"""The widget where people use it: a real JupyterLab in headless Chromium runs a notebook, draws the tree, is clicked
on, and the notebook's own kernel is asked what it saw."""

from pathlib import Path

import pytest
from demo_trees import grow_big, grow_tree
from frames import list_cut, measure_panning
from jupyter_pages import PATIENCE, copy_notebook, open_notebook, save_notebook, take_picture, wait_for, write_notebook

from game24lab.views.tree.timeline import find_moment, list_moments, play

API = "document.querySelector('.game24-treeview').__treeview"


@pytest.fixture(scope="module")
def notebook(lab, browser):
    """A notebook with the widget, opened and run: the page, the kernel, the tree."""
    folder, tree = lab[1], grow_tree()
    (folder / "tree.json").write_text(tree.to_json())
    cells = ["from pathlib import Path\nfrom game24lab.views.tree.widget import TreeView",
             "view = TreeView(Path('tree.json').read_text(), height=520)\nview", "done = True"]  # fmt: skip
    write_notebook(folder / "tree.ipynb", cells)
    page, kernel = open_notebook(browser, lab, "tree.ipynb")
    yield page, kernel, tree
    kernel.client.stop_channels()
    page.close()


def state(page) -> dict:
    return page.evaluate(f"{API}.state()")


def settle(page, kernel, name: str, value) -> None:
    """Wait until browser and kernel both have this value of a trait."""
    wait_for(lambda: state(page)[name] == value, f"{name} {value} in the browser")
    wait_for(lambda: kernel.ask(f"view.{name}") == repr(value), f"{name} {value} in the kernel")


def test_widget_is_drawn(notebook):
    page, kernel, tree = notebook
    wait_for(lambda: state(page)["shown"], "the tree")
    assert state(page)["nodes"] == len(tree)
    assert page.locator(".game24-treeview").bounding_box()["height"] == 520
    colours = page.evaluate(
        """() => { const c = document.querySelector('.game24-treeview').shadowRoot.querySelector('canvas.tree');
        return new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size }""")
    assert colours > 50
    assert kernel.ask("(view.selected, view.step)") == f"(0, {len(tree) - 1})"


def test_slider_moves_the_replay_and_python_sees_it(notebook):
    page, kernel, tree = notebook
    slider = page.locator(".game24-treeview input[type=range]")
    slider.focus()
    place = state(page)["place"]
    page.keyboard.press("ArrowLeft")  # JupyterLab would take it as a move between cells
    wait_for(lambda: state(page)["place"] == place - 1, "the moment before")
    slider.fill("90")
    last = len(play(tree, list_moments(tree)[90].end)) - 1
    settle(page, kernel, "step", last)
    assert max(state(page)["shown"]) <= last
    page.keyboard.press("End")
    settle(page, kernel, "step", len(tree) - 1)


def test_click_selects_a_node_and_python_sees_it(notebook):
    page, kernel, tree = notebook
    node = next(n for n in state(page)["shown"] if tree.status[n] == "solved")
    place = page.evaluate(f"{API}.positionOf({node})")
    page.mouse.click(place["x"], place["y"])
    settle(page, kernel, "selected", node)
    assert tree.line[node] in page.locator(".game24-treeview .side").inner_text()
    cells = page.locator(".jp-Notebook .jp-CodeCell").count()
    for key in ("ArrowLeft", "a", "b", "d", "d", "x"):  # in a notebook's command mode these make and delete cells
        page.keyboard.press(key)
    settle(page, kernel, "selected", tree.parent[node])
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == cells


def test_python_moves_the_view(notebook):
    page, kernel, tree = notebook
    hidden = next(n for n in range(len(tree)) if n not in state(page)["shown"])
    kernel.run(f"view.selected = {hidden}; view.colour = 'truth'")
    wait_for(lambda: state(page)["selected"] == hidden, "the selection from Python")
    wait_for(lambda: hidden in state(page)["shown"], "the node to be unfolded")
    settle(page, kernel, "colour", "truth")
    kernel.run("view.step = 12")
    settle(page, kernel, "step", 12)
    kernel.run(f"view.step = {len(tree) - 1}")
    settle(page, kernel, "step", len(tree) - 1)


def test_fold_and_colour_by_hand(notebook):
    page, kernel, tree = notebook
    parent = next(n for n in state(page)["shown"] if n and any(tree.parent[i] == n for i in state(page)["shown"]))
    place = page.evaluate(f"{API}.positionOf({parent})")
    page.mouse.dblclick(place["x"], place["y"])
    wait_for(lambda: not any(tree.parent[i] == parent for i in state(page)["shown"]), "the node to be folded")
    page.mouse.dblclick(place["x"], place["y"])
    wait_for(lambda: any(tree.parent[i] == parent for i in state(page)["shown"]), "the node to be unfolded")
    for name, value in (("colour", "depth"), ("size", "tokens"), ("edge", "prior"), ("colour", "truth")):
        page.get_by_label(name.title(), exact=True).select_option(value)
        settle(page, kernel, name, value)


def test_search_on_from_here_reaches_python(notebook):
    page, kernel, tree = notebook
    node = next(n for n in state(page)["shown"] if n and tree.status[n] == "open")
    kernel.run(f"asked = []; view.on_search(lambda node, name: asked.append((node, name))); view.selected = {node}")
    page.locator(".game24-treeview .side button", has_text="Search on").click()
    wait_for(lambda: kernel.ask("asked") == repr([(node, "tree")]), "the kernel to be asked")


def test_two_trees_on_one_budget(notebook):
    page, kernel, tree = notebook
    kernel.run("view.other = Path('tree.json').read_text()")
    wait_for(lambda: state(page)["other"], "the second tree")
    kernel.run("view.budget = 300")
    wait_for(lambda: state(page)["other"]["sampled"] == find_moment(tree, 300).sampled, "the budget of both")
    assert state(page)["sampled"] == state(page)["other"]["sampled"]
    kernel.run("view.selected_other = 2")
    wait_for(lambda: state(page)["other"]["selected"] == 2, "the selection beside")
    kernel.run("view.other = None")
    wait_for(lambda: state(page)["other"] is None, "one tree alone")
    kernel.run(f"view.step = {len(tree) - 1}")
    settle(page, kernel, "step", len(tree) - 1)


def test_a_growing_tree_keeps_zoom_and_selection(notebook):
    page, kernel, tree = notebook
    kernel.run("view.selected = 1")
    settle(page, kernel, "selected", 1)
    page.get_by_label("Zoom in (+)").click()
    before = state(page), page.evaluate(f"{API}.positionOf(1)")
    kernel.run("""
import json
grown = json.loads(json.dumps(view.tree))
new = {"parent": 0, "line": "1 + 1 = 2", "label": "new", "prior": None, "logprob": None, "value": 0.5, "visits": 1,
       "total": 0.5, "followed": 1, "tokens": 3, "status": "open", "expression": "", "same": None, "reason": "",
       "truth": None}
for name, value in new.items():
    grown[name].append(value)
view.tree = grown
""")
    wait_for(lambda: state(page)["nodes"] == len(tree) + 1, "the grown tree")
    settle(page, kernel, "step", len(tree))
    after = state(page), page.evaluate(f"{API}.positionOf(1)")
    assert after[0]["zoom"] == before[0]["zoom"]
    assert after[0]["selected"] == 1
    assert after[1] == pytest.approx(before[1])


def test_theme_follows_the_notebook(notebook):
    page, _, _ = notebook
    assert state(page)["theme"] == "light"
    page.evaluate("jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })")
    wait_for(lambda: state(page)["theme"] == "dark", "the dark theme")


def test_ten_thousand_nodes(notebook):
    page, kernel, _ = notebook
    kernel.run("view.colour = 'value'; view.other = None")
    (Path(kernel.ask("str(Path.cwd())").strip("'")) / "big.json").write_text(grow_big().to_json())
    kernel.run("view.tree = Path('big.json').read_text()")
    wait_for(lambda: state(page)["nodes"] == 10_000, "the big tree")
    page.locator(".game24-treeview").first.scroll_into_view_if_needed()
    drawn, frames = measure_panning(page, API)
    assert len(state(page)["shown"]) == 10_000
    assert drawn < 2
    assert max(frames) < 0.1


def test_the_curves_of_a_training_grow_while_it_runs(lab, browser):
    """`06_grpo` up to its training: one figure, which has more points every few seconds and stays when all is over."""
    name = copy_notebook(lab[1], "06_grpo", "grpo.train(", output="'runs/live'", steps=150, problems=2, group=4,
                         mini_batch=4, budget=32, evaluate_every=75, held_out=2)  # fmt: skip
    page, kernel = open_notebook(browser, lab, name, ".js-plotly-plot")
    count = "document.querySelector('.js-plotly-plot').calcdata[0].length"
    line = "document.querySelector('.js-plotly-plot .scatterlayer .trace path').getAttribute('d')"  # as it is drawn
    seen, drawn = [page.evaluate(count)], set()
    while len(seen) < 3 and seen[-1] < 150:  # more points each time, and the kernel is at work all the while
        page.wait_for_function(f"{count} > {seen[-1]}")
        seen.append(page.evaluate(count))
        assert page.locator(".js-plotly-plot").count() == 1
        drawn.add(page.evaluate(line))
    assert len(seen) == 3
    assert len(drawn) == 2  # the line on the screen grew too
    assert seen[-1] < 150
    assert page.get_by_text("[*]:").count() == 1
    wait_for(lambda: kernel.ask("'log' in globals()") == "True", "the end of the training")
    page.wait_for_function(f"{count} === 150")
    wait_for(lambda: page.locator(".js-plotly-plot").count() == 1, "the widget to make room for the plain figure")
    take_picture(page, "live_curves")
    kernel.client.stop_channels()
    page.close()


def test_the_search_notebook_by_hand(lab, browser):
    """`05_search` as it ships: all cells run, the form searches, the tree is drawn, clicked on, and Python sees it."""
    name = copy_notebook(lab[1], "05_search", output="'runs/by_hand'", held_out=3, n=4, simulations=4)
    page, kernel = open_notebook(browser, lab, name)
    wait_for(lambda: max(state(page)["shown"]) > 0, "the tree")
    node = next(n for n in state(page)["shown"] if n > 0)

    def click_node() -> bool:  # cells below are still being drawn, and move what is above them
        page.locator(".game24-treeview").first.scroll_into_view_if_needed()
        place = page.evaluate(f"{API}.positionOf({node})")
        page.mouse.click(place["x"], place["y"])
        return kernel.ask("explorer.view.selected") == str(node)

    wait_for(click_node, "the kernel to know of the click")
    page.get_by_label("Puzzle").fill("3 3 8 8")
    page.keyboard.press("Tab")
    page.locator("button[title=Search]").click()
    wait_for(lambda: kernel.ask("explorer.view.tree['meta']['problem']") == "[3, 3, 8, 8]", "the search")
    last = int(kernel.ask("explorer.view.nodes")) - 1
    wait_for(lambda: state(page)["step"] == last, "the tree to have grown")
    wait_for(lambda: kernel.ask("run.status") == "'finished'", "the last cell")
    kernel.client.stop_channels()
    page.close()


EXPLORER = f"""\
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from fake_models import FakeCritic, FakePolicy
import pandas as pd
from game24lab.evaluation.arms import STRATEGIES
from game24lab.tasks.numbers.chains import judge_chain
from game24lab.tasks.numbers.puzzles import parse_puzzle
from game24lab.tasks.numbers.task import Game24
from game24lab.views.charts.theme import draw_learning
from game24lab.views.tree.explorer import explore, offer
from game24lab.views.widgets.chain import ChainView
from game24lab.views.widgets.reward_weights import Weighing

class SlowPolicy(FakePolicy):
    def generate(self, *given, **named):
        time.sleep(pause)
        return super().generate(*given, **named)

policy, pause = SlowPolicy(illegal=0.3), 0
"""


@pytest.fixture(scope="module")
def explorer(lab, browser):
    """A notebook with the explorer, opened and run: the page, the kernel, what the console said."""
    cells = [EXPLORER, "view = explore(Game24(), policy, FakeCritic(), offer(STRATEGIES, {'mcts': {'width': 4}}),\n"
             "               parse=parse_puzzle, problems=['4 5 6 10', '3 3 8 8'], effort=12)\nview",
             "Weighing([{'numbers': '1 2 3 4', 'text': '1 * 2 = 2 (left: 2 3 4)'}] * 2)",
             "draw_learning(pd.DataFrame({'step': [1, 2, 3], 'loss': [0.9, 0.5, 0.4]}))",
             "ChainView(judge_chain((1, 2, 3, 4), '1 * 2 = 2 (left: 2 3 4)\\n4 * 2 = 9 (left: 3 9)\\n'))"]  # fmt: skip
    write_notebook(lab[1] / "explorer.ipynb", cells)
    said: list[str] = []
    page, kernel = open_notebook(browser, lab, "explorer.ipynb", said=said)
    wait_for(lambda: state(page)["shown"], "the tree")
    yield page, kernel, said
    kernel.client.stop_channels()
    page.close()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_no_word_of_the_explorer_is_cut(explorer, theme):
    page, kernel, _ = explorer
    page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{ theme: 'JupyterLab {theme}' }})")
    wait_for(lambda: state(page)["theme"] == theme.lower(), "the theme")
    for width in (1800, 1400, 1000, 900):
        page.set_viewport_size({"width": width, "height": 1000})
        page.locator(".game24-treeview .status").scroll_into_view_if_needed()
        wait_for(lambda: not list_cut(page), f"words that fit at {width} pixels")
        for pair in (True, False):
            kernel.run(f"view.other = view.tree if {pair} else None")
            wait_for(lambda pair=pair: bool(state(page)["other"]) == pair, "the tree beside")
            wait_for(lambda: not list_cut(page), f"words that fit at {width} pixels")
            take_picture(page, f"explorer_{theme}_{width}{'_pair' * pair}")
    page.set_viewport_size({"width": 1400, "height": 1000})


def test_figures_follow_the_theme_and_lines_begin_at_the_left(explorer):
    page, _, _ = explorer
    assert state(page)["theme"] == "dark"
    page.locator(".js-plotly-plot").scroll_into_view_if_needed()
    style = "(name, part) => getComputedStyle(document.querySelector(name))[part]"
    ground = f"({style})('.js-plotly-plot .main-svg', 'backgroundColor')"
    wait_for(lambda: page.evaluate(ground) == "rgba(0, 0, 0, 0)", "a figure without a ground of its own")
    share = "e => e.querySelector('.main-svg').clientWidth / e.closest('.jp-OutputArea-output').clientWidth"
    figure = page.locator(".js-plotly-plot")
    wait_for(lambda: 0.9 < figure.evaluate(share) <= 1, "a figure as wide as its cell")  # it follows the window later
    assert page.evaluate(f"({style})('.game24lab.lines td:nth-child(3)', 'textAlign')") == "left"
    take_picture(page, "figure_dark")


def test_the_tree_grows_on_the_screen_and_stop_ends_the_search(explorer):
    page, kernel, _ = explorer
    kernel.run("pause = 0.2")
    page.get_by_label("Puzzle").fill("1 1 1 5")  # it has no solution, so that nothing ends the search early
    page.get_by_label("Strategy").select_option("mcts")
    page.locator(".game24-treeview input[type=range]").first.fill("256")
    page.locator("button[title=Search]").click()
    seen = {wait_for(lambda: state(page)["nodes"], "the tree")}
    status = page.locator(".game24-treeview .status")
    while len(seen) < 4:
        seen.add(state(page)["nodes"])
        if len(seen) > 1:
            assert "Searching" in status.inner_text()
    take_picture(page, "explorer_searching")
    page.locator(".game24-treeview button", has_text="Stop").click()
    wait_for(lambda: status.inner_text().startswith("Stopped. "), "the end of the search")
    assert kernel.ask("view.outcome.stopped") == "'stopped'"
    wait_for(lambda: state(page)["nodes"] == int(kernel.ask("view.nodes")), "the whole tree")
    kernel.run("pause = 0")
    page.get_by_label("Puzzle").fill("3 3 8 8")


def test_a_pair_plays_in_step(explorer):
    page, _, _ = explorer
    page.get_by_label("keep beside").check()
    page.get_by_label("Strategy").select_option("mcts")
    page.locator(".game24-treeview input[type=range]").first.fill("8")
    page.locator("button[title=Search]").click()
    wait_for(lambda: state(page)["other"], "the tree beside")
    wait_for(lambda: state(page)["playing"], "the replay of both")
    seen = set()
    while (now := state(page))["playing"]:
        seen.add((now["place"], now["sampled"], now["other"]["sampled"]))
    take_picture(page, "explorer_pair")
    page.evaluate(f"{API}.moveTo(0)")
    least = state(page)["sampled"], state(page)["other"]["sampled"]  # at least the start is there
    assert len({place for place, *_ in seen}) > 3
    for place, *sampled in seen:
        assert all(some <= max(place, first) for some, first in zip(sampled, least, strict=True))


def test_why_a_position_is_dead_is_said(explorer):
    page, kernel, _ = explorer
    kernel.run("view.other = None; view.colour = 'truth'")
    dead = int(kernel.ask("view.tree['truth'].index(False)"))
    kernel.run(f"view.selected = {dead}")
    page.locator(".game24-treeview .side button", has_text="Why is this dead?").click()
    answer = page.locator(".game24-treeview .answer")
    before = "lost it: before it, 24 is within reach: 8 ÷ (3 − 8 ÷ 3) = 24."
    wait_for(lambda: answer.count() and before in answer.inner_text(), "the answer")
    take_picture(page, "explorer_why")


def test_a_reopened_notebook_shows_what_it_showed(explorer, lab, browser):
    page, kernel, said = explorer
    nodes = int(kernel.ask("view.nodes"))
    save_notebook(page, lab[1] / "explorer.ipynb")
    assert [line for line in said if "favicon" not in line] == []
    again = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.evaluate("jupyterapp.serviceManager.sessions.shutdownAll()")
    page.close()
    again.set_default_timeout(1000 * PATIENCE)
    again.goto(f"{lab[0]}/lab/tree/explorer.ipynb?reset")
    again.wait_for_selector(".game24-treeview canvas.tree")
    again.wait_for_selector(".jp-OutputArea .widget-slider")
    wait_for(lambda: state(again)["nodes"] == nodes, "the tree as it was")
    assert again.get_by_text("Error displaying widget").count() == 0
    again.locator("button[title=Search]").click()  # no kernel has made this widget: that is said
    status = again.locator(".game24-treeview .status")
    wait_for(lambda: "needs a free kernel" in status.inner_text(), "a word on the kernel")
    take_picture(again, "explorer_reopened")
    again.close()
