"""What a notebook shows where no widget lives: run headless, reopened as a file, converted to a page."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from traitlets.config import Config

from game24lab.runs.notebook import run_notebook

CELLS = {
    "parameters": 'output = "runs/91_still"  # folder of the run',
    "start": f"import sys\nsys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
    "from game24lab.runs.run import start_run\nrun = start_run(output, '91_still', {'output': output})",
    "tree": "from demo_trees import grow_tree\nfrom game24lab.views.tree.widget import TreeView\n"
    "TreeView(grow_tree(nodes=30), grow_tree(nodes=20, seed=1))",
    "explorer": "from fake_models import FakeCritic, FakePolicy\nfrom game24lab.evaluation.arms import STRATEGIES\n"
    "from game24lab.tasks.numbers.puzzles import parse_puzzle\nfrom game24lab.tasks.numbers.task import Game24\n"
    "from game24lab.views.tree.explorer import explore, offer\n"
    "explore(Game24(), FakePolicy(), FakeCritic(), offer(STRATEGIES), parse=parse_puzzle, problems=['4 5 6 10'])",
    "prices": "from routed_worlds import make_grid\nfrom game24lab.views.widgets.router_prices import Pricing\n"
    "Pricing(make_grid(20), (1e-3, 0.0))",
    "weights": "from game24lab.views.widgets.reward_weights import Weighing\n"
    "Weighing([{'numbers': '1 2 3 4', 'text': '1 * 2 = 2 (left: 2 3 4)'}] * 2)",
    "trace": "from game24lab.tasks.numbers.chains import judge_chain\n"
    "from game24lab.views.widgets.chain import ChainView\n"
    "ChainView(judge_chain((1, 11, 11, 13), '13 - 11 = 2 (left: 1 2 11)'))",
    "figure": "import pandas as pd\nfrom game24lab.views.charts.theme import draw_learning\n"
    "log = pd.DataFrame({'step': [1, 2, 3], 'loss': [0.9, 0.5, 0.4]})\ndraw_learning(log)",
    "curves": "from game24lab.views.widgets.live_curves import LiveCurves\n"
    "curves = LiveCurves(draw_learning)\ncurves.show()\ncurves.update(log)\ncurves.finish(log)",
    "finish": "run.finish()",
}
PROJECT = Path(__file__).parents[2]
SHOWN = ("tree", "explorer", "prices", "weights", "trace", "figure", "curves")
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """The notebook as it is run headless, and as whoever ran it by hand has saved it, without the widgets' state."""
    folder = tmp_path_factory.mktemp("still")
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [nbformat.v4.new_code_cell(cell, metadata={"tags": [name]}) for name, cell in CELLS.items()]
    nbformat.write(notebook, folder / "91_still.ipynb")
    run_notebook(folder / "91_still.ipynb", {"output": str(folder / "run")})
    headless = nbformat.read(folder / "run" / "notebook.ipynb", as_version=4)
    NotebookClient(notebook, store_widget_state=False, resources={"metadata": {"path": str(folder)}},
                   kernel_name="python3").execute()  # fmt: skip
    return {"headless": headless, "by hand": notebook}


def find_bundle(notebook, name: str) -> dict:
    (cell,) = [cell for cell in notebook.cells if name in cell.metadata.get("tags", [])]
    return [output.data for output in cell.outputs if "data" in output][-1]  # behind a bar, where there is one


@pytest.mark.parametrize("way", ["headless", "by hand"])
@pytest.mark.parametrize("name", SHOWN)
def test_every_output_holds_a_picture_or_a_table(notebook, name, way):
    bundle = find_bundle(notebook[way], name)
    assert "text/plain" in bundle
    still = bundle.get("text/html", "") + bundle.get("image/svg+xml", "")
    assert "<svg" in still or "<table" in still
    live = name in ("tree", "explorer", "prices", "weights")
    assert (VIEW in bundle) == (live and way == "by hand")


@pytest.mark.parametrize("way", ["headless", "by hand"])
def test_a_converted_notebook_shows_them_all_without_a_network(notebook, way):
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook[way])
    assert VIEW not in page
    assert "Error displaying widget" not in page
    assert page.count("<svg") + page.count("data:image/svg+xml") >= 5
    assert "4 5 6 10" in page
    for word in ("tokens sampled", "price", "13 - 11 = 2"):
        assert word in page


def test_an_executed_notebook_is_small(notebook):
    """Neither the state of widgets nor Plotly's own code is kept in it."""
    assert "widgets" not in notebook["headless"].metadata
    assert len(nbformat.writes(notebook["headless"])) < 400_000


def test_widgets_that_were_saved_with_their_state_are_converted_too(notebook):
    """As `make lab` saves them and exports them: the project's own settings of Jupyter."""
    saved = nbformat.reads(nbformat.writes(notebook["by hand"]), as_version=4)
    models = [output.data[VIEW]["model_id"] for cell in saved.cells for output in cell.get("outputs", ())
              if VIEW in output.get("data", {})]  # fmt: skip
    saved.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {
        "version_major": 2, "version_minor": 0, "state": {model: {"state": {}} for model in models}}}  # fmt: skip
    settings = Config(json.loads((PROJECT / ".jupyter" / "jupyter_config.json").read_text()))
    page, _ = HTMLExporter(template_name="basic", config=settings).from_notebook_node(saved)
    assert len(models) >= 4
    assert VIEW not in page
    assert page.count("<svg") + page.count("data:image/svg+xml") >= 5
    lab = json.loads((PROJECT / ".jupyter" / "labconfig" / "default_setting_overrides.json").read_text())
    assert lab["@jupyter-widgets/jupyterlab-manager:plugin"] == {"saveState": True}
