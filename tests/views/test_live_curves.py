"""Live curves in a notebook that runs headless: one output, and in the end a figure that needs no kernel.

What a browser shows while a training runs is seen in `tests/test_notebook_browser.py`.
"""

import base64

import nbformat
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from game24lab.runs.notebook import run_notebook
from game24lab.views.widgets.live_curves import LiveCurves

CELLS = [
    'output = "runs/90_live"  # folder of the run',
    "import pandas as pd\nfrom game24lab.runs.run import start_run\n"
    "from game24lab.views.charts.theme import draw_learning\n"
    "from game24lab.views.widgets.live_curves import LiveCurves\n"
    "run = start_run(output, '90_live', {'output': output})\n"
    "log = pd.DataFrame({'step': range(1, 6), 'loss': [0.9, 0.7, 0.5, 0.4, 0.3]})",
    "curves = LiveCurves(draw_learning, seconds=0)\ncurves.show()",
    "for steps in (1, 2, 3):\n    curves.update(log[:steps])",
]


def run_headless(folder, last: str) -> list[list]:
    """The outputs of each cell of the executed notebook."""
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in (*CELLS, last, "run.finish()")]
    notebook.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(notebook, folder / "90_live.ipynb")
    run_notebook(folder / "90_live.ipynb", {"output": str(folder / "run")})
    executed = nbformat.read(folder / "run" / "notebook.ipynb", as_version=4)
    assert "widgets" not in executed.metadata  # Plotly's widget would bring 5 MB of its own code into every run
    return [cell.outputs for cell in executed.cells if cell.source.startswith(("curves", "for steps"))]


def test_the_executed_notebook_shows_the_whole_training(tmp_path):
    shown, *others = run_headless(tmp_path, "curves.finish(log)")
    assert not any(others)  # nothing is stacked below
    (output,) = shown
    (trace,) = go.Figure(output.data["application/vnd.plotly.v1+json"]).data
    losses = np.frombuffer(base64.b64decode(trace.y["bdata"]), trace.y["dtype"])
    assert losses.tolist() == [0.9, 0.7, 0.5, 0.4, 0.3]
    assert "<svg" in output.data["image/svg+xml"]
    assert "up to step 5" in output.data["text/plain"]


def test_a_training_that_ends_early_leaves_what_it_had(tmp_path):
    (output,), *_ = run_headless(tmp_path, "done = True")
    assert set(output.data) == {"image/svg+xml", "text/plain"}
    assert "up to step 3" in output.data["text/plain"]


def test_a_headless_training_is_not_held_up_by_drawing(tmp_path):
    calls = "slow = LiveCurves(lambda log: drawn.append(len(log)) or draw_learning(log))\nslow.show()"
    outputs = run_headless(tmp_path, f"drawn = []\n{calls}\nfor steps in (1, 2, 3): slow.update(log[:steps])\n"
                                     "assert drawn == [1]")  # fmt: skip
    assert outputs


def test_without_a_notebook_a_training_goes_on():
    curves = LiveCurves(lambda log: pytest.fail("nothing is drawn"))
    curves.show()
    for call in (curves.update, curves.finish):
        call(pd.DataFrame({"step": [1], "loss": [0.5]}))
