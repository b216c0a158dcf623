"""`make badges`: what a repository that has an address gives its notebooks, and what it leaves as it is."""

import ast
import copy
import json
import subprocess
import sys

import pytest
from documented import ROOT
from IPython.core.inputtransformer2 import TransformerManager

from game24lab.runs.notebook import read_parameters

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def badges(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "site"))
    import badges

    return badges


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_badge_leads_to_the_notebook_and_the_first_cell_installs(path, badges, tmp_path):
    before = json.loads(path.read_text(encoding="utf-8"))
    notebook = copy.deepcopy(before)
    badges.add_badge(notebook, "me/mine", path.stem)
    first, install, *rest = notebook["cells"]
    lines = "".join(first["source"]).splitlines()
    assert lines[0].startswith("# ")
    assert f"https://colab.research.google.com/github/me/mine/blob/main/notebooks/{path.name}" in lines[2]
    assert "".join(before["cells"][0]["source"]).splitlines()[1:] == lines[3:]
    assert "git+https://github.com/me/mine" in "".join(install["source"])
    ast.parse(TransformerManager().transform_cell("".join(install["source"])))
    assert rest == before["cells"][1:]
    (tmp_path / path.name).write_text(json.dumps(notebook))
    assert read_parameters(tmp_path / path.name) == read_parameters(path)
    badges.add_badge(again := copy.deepcopy(notebook), "you/yours", path.stem)
    badges.add_badge(again, "me/mine", path.stem)
    assert again == notebook


def test_the_cell_does_nothing_where_the_package_is(badges):
    notebook = {"cells": [{"source": ["# A\n", "\n", "text"], "metadata": {}, "cell_type": "markdown"}]}
    badges.add_badge(notebook, "me/mine", "00_start")
    code = TransformerManager().transform_cell("".join(notebook["cells"][1]["source"]))
    exec(code, {"get_ipython": lambda: pytest.fail("it installs")})


@pytest.mark.parametrize("words", [[], ["mine"], ["https://github.com/me/mine"], ["me/mine", "x"]])
def test_without_an_address_nothing_is_written(words):
    before = [path.read_bytes() for path in NOTEBOOKS]
    command = [sys.executable, ROOT / "docs" / "site" / "badges.py", *words]
    ended = subprocess.run(command, text=True, capture_output=True)
    assert ended.returncode == 2
    assert ended.stderr == "badges need the GitHub repository of the notebooks: make badges REPOSITORY=owner/name\n"
    assert [path.read_bytes() for path in NOTEBOOKS] == before
