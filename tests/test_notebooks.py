"""Every notebook: the form that people and machines rely on, and a run with its smallest parameters."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from game24lab.runs.notebook import check_overrides, match_notebook, read_overrides, read_parameters
from game24lab.runs.run import read_run
from game24lab.views.tables.table import MOST

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OTHERS = ("sweeps", "accelerate")  # no parameters of a notebook: tests/runs/test_sweep.py, tests/scaling/test_beyond.py
SETS = sorted(path for path in (ROOT / "params").glob("*/*.yaml") if path.parent.name not in OTHERS)
RECIPES = {"strategies": "09_strategies", "search": "09_strategies"}  # sets whose files are recipes of one notebook
NEEDED_SETS = ("smoke", "lab")  # the demo is the short way from random weights to a searched tree
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_set = pytest.mark.parametrize("path", SETS, ids=lambda path: f"{path.parent.name}-{path.stem}")


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def list_code(path):
    """The cells of code, but for the one that `make badges` writes in front of them."""
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"
            and cell["metadata"].get("tags") != ["install"]]  # fmt: skip


def read_code(path):
    return ["".join(cell["source"]) for cell in list_code(path)]


def test_there_are_notebooks():
    named = {"01_puzzles", "02_traces", "03_sft", "04_critic", "05_search", "06_grpo", "07_dpo", "09_strategies"}
    assert named <= {path.stem for path in NOTEBOOKS}


@each_notebook
def test_parameters_come_first_and_explain_themselves(path):
    parameters = read_parameters(path)
    tags = [cell["metadata"].get("tags", []) for cell in list_code(path)]
    assert tags[0] == ["parameters"]
    assert not any("injected-parameters" in tag for tag in tags)
    assert not [name for name, parameter in parameters.items() if not parameter.help], "each has a help comment"
    assert parameters["output"].default == f"runs/{path.stem}"
    if "seed" in parameters:
        assert isinstance(parameters["seed"].default, int)


@each_notebook
def test_it_is_committed_stripped(path):
    notebook = read(path)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert not any(set(cell["metadata"]) - {"tags"} for cell in notebook["cells"])
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert not {"papermill", "widgets"} & set(notebook["metadata"])


@each_notebook
def test_it_is_short_and_leaves_the_logic_to_the_package(path):
    cells = read_code(path)
    assert len(read(path)["cells"]) <= 25
    for code in cells[2:]:  # behind parameters and imports
        assert len(code.splitlines()) <= 10, code
    assert len(cells[1].splitlines()) <= 8, "imports: the page of names, `import game24lab as lab`, has what it needs"
    for code in cells:
        for node in ast.walk(ast.parse(re.sub(r"^%.*$", "pass", code, flags=re.M))):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno <= 5, code
            assert not isinstance(node, ast.ClassDef), code


@each_notebook
def test_it_opens_its_run_and_finishes_it(path):
    cells = read_code(path)
    assert f'enter("{path.stem}", globals())' in "\n".join(cells[1:3])
    assert f'start_run(output, "{path.stem}"' in "\n".join(cells[1:3])
    assert "run.finish(" in cells[-1]


@each_notebook
def test_it_begins_with_a_title_in_words(path):
    first = read(path)["cells"][0]
    assert first["cell_type"] == "markdown"
    assert "".join(first["source"]).startswith("# ")


@each_notebook
def test_every_notebook_has_its_parameter_sets(path):
    for name in NEEDED_SETS:
        assert (ROOT / "params" / name / f"{path.stem}.yaml").is_file(), name


@each_set
def test_parameter_files_hold_what_their_notebook_declares_and_differs(path):
    notebook = match_notebook(RECIPES.get(path.parent.name, path.stem), {one.stem: one for one in NOTEBOOKS})
    values, defaults = read_overrides(path), read_parameters(notebook)
    checked = check_overrides(notebook, values)
    same = [name for name, value in checked.items() if value == defaults[name].default]
    assert not same, "only what differs from the notebook's own defaults"
    assert "output" not in values, "the command line sets it"


@pytest.fixture(scope="module")
def playground(tmp_path_factory):
    """A folder that all smoke runs share, in the order of the notebooks, as the stages of a demo do."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("notebooks", "params"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.mark.parametrize("path", sorted((ROOT / "params" / "smoke").glob("*.yaml")), ids=lambda path: path.stem)
def test_it_runs_with_its_smallest_parameters(path, playground):
    notebook = match_notebook(path.stem, {one.stem: one for one in NOTEBOOKS})
    command = [sys.executable, "-m", "game24lab", "run", notebook.stem, "-f", f"params/smoke/{path.stem}.yaml",
               "--output", f"runs/smoke/{path.stem}"]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT)}  # this checkout, whatever is installed
    done = subprocess.run(command, capture_output=True, text=True, cwd=playground, env=environment, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "open next" in done.stdout
    run = read_run(playground / "runs" / "smoke" / path.stem)
    assert run.status == "finished"
    assert len(run.read_records()) >= 1
    assert {"notebook.ipynb", "params.yaml", "records.parquet"} <= set(run.manifest["artefacts"])
    outputs = [output for cell in read(run.folder / "notebook.ipynb")["cells"] for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output["output_type"] == "error"]
    said = "".join("".join(output["text"]) for output in outputs if output.get("name") == "stderr")
    assert "Warning" not in said, "a reader should not see warnings first"
    assert "MISSING" not in said, "nor what transformers thinks of a head that is new on purpose"
    check_tables(outputs)
    check_card(run, outputs)


def check_tables(outputs):
    """No table has more columns outside the fold than fit, and none is a bare DataFrame."""
    pages = ["".join(output["data"]["text/html"]) for output in outputs if "text/html" in output.get("data", {})]
    assert not [page for page in pages if 'class="dataframe"' in page], "tables are shown by show_table"
    tables = [page for page in pages if 'class="game24lab table"' in page]
    assert tables, "a result is shown as a table"
    for page in tables:
        assert len(re.findall("<th[ >]", page.partition("<details>")[0])) <= MOST


def check_card(run, outputs):
    """The last output is the card: the sentence that the manifest keeps, tokens, where it lies, what to open next."""
    data = outputs[-1]["data"]
    assert 'class="game24lab card"' in "".join(data["text/html"])
    text = "".join(data["text/plain"])
    result = run.manifest["result"]
    assert re.search(r"\[[-+]?\d[\d.]*, [-+]?\d[\d.]*\]", result) or run.name == "02_traces", "with its interval"
    for said in (result, run.manifest["then"], str(run.folder.relative_to(run.folder.parents[2])), "tokens"):
        assert said in text
    assert run.name == "01_puzzles" or "none counted" not in text
