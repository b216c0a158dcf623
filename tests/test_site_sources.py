"""What the site is made of: links turned, code linked, docstrings as RST, notebooks executed only when needed."""

import os
import sys
from functools import partial
from pathlib import Path

import pytest
from documented import ROOT


@pytest.fixture(scope="module")
def site():
    """The modules of docs/site, by name."""
    import importlib

    sys.path.insert(0, str(ROOT / "docs" / "site"))
    try:
        return {name: importlib.import_module(name) for name in ("build", "docstrings", "mathml", "pages", "tutorials")}
    finally:
        sys.path.pop(0)


def test_links_lead_to_pages_to_copies_or_nowhere(site, tmp_path):
    places = {"notebooks/00_start.ipynb": "tutorials/00_start.ipynb", "docs/results.md": "results.md"}
    text = "[a](../../notebooks/00_start.ipynb) [b](../results.md#the-demo) [c](../../reports) [d](https://x.org/y) " \
           "[e](#here) ![f](../tree.svg)"  # fmt: skip
    turned = site["pages"].turn_links(text, Path("docs/strategies/mcts.md"), "strategies/mcts.md", places, tmp_path)
    assert turned == ("[a](../tutorials/00_start.ipynb) [b](../results.md#the-demo) c [d](https://x.org/y) [e](#here) "
                      "![f](../tree.svg)")  # fmt: skip
    assert (tmp_path / "tree.svg").read_bytes() == (ROOT / "docs/tree.svg").read_bytes()


def test_texts_of_a_notebook_lead_to_pages_too(site, tmp_path):
    import nbformat

    run, source, name = tmp_path / "run", tmp_path / "source", "00_start"
    run.mkdir()
    (source / "figures" / "trees").mkdir(parents=True)
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python"}})
    notebook.cells = [nbformat.v4.new_markdown_cell("# A"), nbformat.v4.new_markdown_cell("[w](../docs/words.md)")]
    nbformat.write(notebook, run / "notebook.ipynb")
    places = {"docs/words.md": "words.md"}
    turn = partial(site["pages"].turn_links, path=Path("notebooks") / name, place=f"tutorials/{name}.ipynb",
                   places=places, source=source)  # fmt: skip
    site["tutorials"].write_tutorial(run, name, {name: ROOT / "notebooks" / f"{name}.ipynb"}, source, turn)
    page = nbformat.read(source / "tutorials" / f"{name}.ipynb", 4)
    assert [cell.source for cell in page.cells][-1] == "[w](../words.md)"


def test_names_of_code_become_links_and_other_code_stays(site):
    linked = site["pages"].link_code("`game24lab.search.mcts:mcts`, `game24lab.search.engine`, `game24lab solve`, `x`")
    assert linked == ("{py:obj}`game24lab.search.mcts:mcts <game24lab.search.mcts.mcts>`, "
                      "{py:obj}`game24lab.search.engine <game24lab.search.engine>`, `game24lab solve`, "
                      "`x`")  # fmt: skip


@pytest.mark.parametrize(("said", "rst"), [
    ("a `b` c", "a ``b`` c"), ("`Answer: ` and `Error`s", "``Answer:`` and ``Error``\\ s"),
    ("2 * 3, x_ and |y|", "2 \\* 3, x\\_ and \\|y\\|"), ("held_out", "held_out"),
])  # fmt: skip
def test_docstrings_are_text_not_markup(site, said, rst):
    assert site["docstrings"].escape(said) == rst


def test_examples_and_lists_below_a_sentence_are_such(site):
    lines = ["Such as", "", "    run = start()", "", "Keys:", "- a, b", "- c"]
    site["docstrings"].to_rst(None, "", "", None, None, lines)
    assert lines == ["Such as", "", "::", "", "    run = start()", "", "Keys:", "", "- a, b", "- c", ""]


def test_files_that_are_as_they_were_keep_their_time(site, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, text in ((old, "before"), (new, "after")):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "same.md").write_text("same")
        (folder / "other.md").write_text(text)
    for path in old.rglob("*.md"):
        os.utime(path, (1, 1))
    site["build"].renew(old, new)
    assert not new.exists()
    assert (old / "deep" / "same.md").stat().st_mtime == 1
    assert (old / "other.md").stat().st_mtime > 1
    assert (old / "other.md").read_text() == "after"


def test_a_notebook_runs_once_until_it_or_its_parameters_change(site, tmp_path, monkeypatch, capsys):
    build, ran = site["build"], []

    class Run:
        before = "new"

    def run_notebook(notebook, values, folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        ran.append((notebook.stem, values, (Path(folder) / "rows").exists()))
        (Path(folder) / "rows").write_text("rows")
        return Run()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build, "SITE", tmp_path)
    monkeypatch.setattr(build, "run_notebook", run_notebook)
    file = tmp_path / "00_start.yaml"
    file.write_text("simulations: 8\n")
    build.execute(file, fresh=False)
    build.execute(file, fresh=False)
    assert [left for _, _, left in ran] == [False, True]  # the second finds its run, which run_notebook returns at once
    file.write_text("simulations: 9\n")
    build.execute(file, fresh=False)
    build.execute(file, fresh=True)
    assert ran[2:] == [("00_start", {"simulations": 9}, False)] * 2


def test_equations_of_all_pages_can_be_set(site):
    import re

    from latex2mathml.converter import convert

    for path in (ROOT / "docs").rglob("*.md"):
        text = re.sub(r"^```.*?^```|`[^`]*`", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
        for block, inline in re.findall(r"\$\$(.*?)\$\$|\$([^$\n]+?)\$", text, flags=re.S):
            assert convert(block or inline).startswith("<math"), path.name
