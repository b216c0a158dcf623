"""What the site is made of: links turned, code linked, docstrings as RST, notebooks executed only when needed."""

import base64
import json
import os
import re
import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from documented import ROOT

from game24lab.runs.run import start_run


@pytest.fixture(scope="module")
def site():
    """The modules of docs/site, by name."""
    import importlib

    sys.path.insert(0, str(ROOT / "docs" / "site"))
    try:
        names = ("badges", "build", "curves", "docstrings", "mathml", "pages", "tutorials")
        return {name: importlib.import_module(name) for name in names}
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


def test_the_first_page_says_what_readme_begins_with(site, tmp_path):
    places = {f"docs/{name}.md": f"{name}.md" for name in ("results", "scaling")}
    page = site["pages"].write_start(tmp_path, [], [], places)
    assert "**Two models of " in page
    assert "**How do training compute and thinking compute trade off" in page
    assert "\n| repeated" in page
    assert "](results.md#training-and-thinking)" in page
    assert (tmp_path / "reports/scaling_report.pdf").stat().st_size > 10_000
    assert "## Two commands" not in page


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


def test_a_page_offers_colab_by_a_link_of_its_own_where_there_is_an_address(site, tmp_path):
    """The badge of the notebook itself is a picture from elsewhere, and its first cell installs what is there."""
    import nbformat

    run, source, name = tmp_path / "run", tmp_path / "source", "03_sft_countdown"
    run.mkdir()
    (source / "figures" / "trees").mkdir(parents=True)
    notebook = json.loads((ROOT / "notebooks/03_sft.ipynb").read_text(encoding="utf-8"))
    site["badges"].set_badge(notebook, "me/mine", "03_sft")
    (run / "notebook.ipynb").write_text(json.dumps(notebook))
    notebooks = {path.stem: path for path in ROOT.glob("notebooks/*.ipynb")}
    for repository in ("me/mine", ""):
        site["tutorials"].write_tutorial(run, name, notebooks, source, lambda text: text, repository)
        page = nbformat.read(source / "tutorials" / f"{name}.ipynb", 4)
        first = page.cells[0].source
        assert ("/github/me/mine/blob/main/notebooks/03_sft.ipynb" in first) == bool(repository)
        assert "colab-badge.svg" not in first
        assert not any("pip install" in cell.source for cell in page.cells)


def test_a_picture_on_white_is_known_as_such(site):
    themed = "<svg><style>@media (prefers-color-scheme: dark) {}</style></svg>"
    for drawn, kind in (("<svg></svg>", "still light"), (themed, "still")):
        told = site["tutorials"]._make_live({"data": {"image/svg+xml": drawn}}, None)
        assert told["data"]["text/html"] == f'<div class="{kind}">{drawn}</div>'


def test_names_of_code_become_links_and_other_code_stays(site):
    linked = site["pages"].link_code("`game24lab.search.mcts:mcts`, `game24lab.search.engine`, `game24lab solve`, `x`")
    assert linked == ("{py:obj}`game24lab.search.mcts:mcts <game24lab.search.mcts.mcts>`, "
                      "{py:obj}`game24lab.search.engine <game24lab.search.engine>`, `game24lab solve`, "
                      "`x`")  # fmt: skip


def test_numbers_of_a_table_are_not_broken_in_a_narrow_page(site):
    row = "| 901-1000 | blind, 4-5 | 1.07 billion | 100.0 % [96, 100] | 40 x 1 | -3.5 | [a-b](c 1) |  | 1-4 (n = 9) |"
    held = site["pages"].hold_numbers(f"ranks 1-2 [3, 4]\n{row}\n| --- | --- |")
    assert held == ("ranks 1-2 [3, 4]\n| 901-\u20601000 | blind, 4-5 | 1.07\xa0billion | 100.0\xa0% [96,\xa0100] | "
                    "40\xa0x\xa01 | -\u20603.5 | [a-b](c 1) |  | 1-\u20604 (n\xa0=\xa09) |\n| --- | --- |")  # fmt: skip
    assert held.replace("\u2060", "").replace("\xa0", " ").splitlines()[1] == row


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


@pytest.fixture
def ran(site, tmp_path, monkeypatch):
    """What was run in a folder of its own: notebook, parameters, whether its run lay there already."""
    ran = []

    class Run:
        before = "new"

    def run_notebook(notebook, values, folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        ran.append((notebook.stem, values, (Path(folder) / "rows").exists()))
        (Path(folder) / "rows").write_text("rows")
        return Run()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(site["build"], "SITE", tmp_path)
    monkeypatch.setattr(site["build"], "run_notebook", run_notebook)
    return ran


def test_a_notebook_runs_once_until_it_or_its_parameters_change(site, ran, tmp_path):
    file = tmp_path / "00_start.yaml"
    file.write_text("simulations: 8\n")
    site["build"].execute(file, fresh=False)
    site["build"].execute(file, fresh=False)
    assert [left for _, _, left in ran] == [False, True]  # the second finds its run, which run_notebook returns at once
    file.write_text("simulations: 9\n")
    site["build"].execute(file, fresh=False)
    site["build"].execute(file, fresh=True)
    assert ran[2:] == [("00_start", {"simulations": 9}, False)] * 2


def test_a_notebook_runs_anew_where_a_run_that_it_takes_up_has(site, ran, tmp_path):
    file = tmp_path / "05_search.yaml"
    file.write_text("policy: runs/smoke/03_sft/checkpoint\n")
    for times in range(2):  # the first run of 03_sft, and another
        with start_run("runs/smoke/03_sft", "03_sft", {"seed": times}) as run:
            run.path("checkpoint").mkdir()
            run.finish(result="")
        site["build"].execute(file, fresh=False)
        site["build"].execute(file, fresh=False)
        shutil.rmtree("runs/smoke/03_sft")
    assert [left for _, _, left in ran] == [False, True, False, True]


def test_equations_of_all_pages_can_be_set(site):
    """And nothing of them is left as it was written, such as an unknown command."""
    for path in (ROOT / "docs").rglob("*.md"):
        text = re.sub(r"^```.*?^```|`[^`]*`", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
        for block, inline in re.findall(r"\$\$(.*?)\$\$|\$([^$\n]+?)\$", text, flags=re.S):
            told = site["mathml"].set_math(block or inline)
            assert told.startswith("<math"), path.name
            assert "\\" not in re.sub(r"<[^>]*>", " ", told), (path.name, block or inline)


# -------------------------------------------------------------------------------------------------- curves
def read_figures(page):
    """The Plotly figures of a page's source."""
    found = re.findall(r'<script type="application/json">(.*?)</script>', page, flags=re.S)
    return [json.loads(text) for text in found]


def list_values(numbers):
    """An axis of a trace as Plotly may have packed it."""
    if isinstance(numbers, dict):
        return np.frombuffer(base64.b64decode(numbers["bdata"]), numbers["dtype"]).tolist()
    return list(numbers)


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("[st]*/*.md")), ids=lambda path: path.stem)
def test_every_strategy_and_trainer_has_its_curve_or_says_that_there_is_none(site, path):
    text = path.read_text(encoding="utf-8")
    page = site["curves"].add_curves(text, path.parent.name)
    names = re.findall(r"^## `(\w+)`$", text, flags=re.M)
    assert set(names) <= set(site["curves"].TELL[path.parent.name])
    assert len(read_figures(page)) + page.count("*No kept report") >= max(1, len(names))
    for name in names:  # each in its own section, behind everything else that stands there
        section = re.split(r"^##? ", page.partition(f"## `{name}`")[2], flags=re.M)[0]
        assert section.rstrip().endswith("*")
        assert len(read_figures(section)) + section.count("*No kept report") == 1
    rest = re.sub(r"```\{raw\} html\n.*?\n```\n\n\*.*?\*\n|^\*No kept report.*\*\n", "", page + "\n", flags=re.M | re.S)
    assert rest.split() == text.split()


def test_a_strategys_curve_is_what_the_report_has_kept(site):
    kept = json.loads((ROOT / "reports/search_report.json").read_text(encoding="utf-8"))
    told = {(round(arm["sampled_tokens"], 6), round(arm["accuracy"], 6), arm["mode"]): arm for arm in kept["arms"]
            if arm["algorithm"] == "mcts"}  # fmt: skip
    page, drawn = site["curves"].tell_strategy("mcts"), []
    (figure,) = read_figures(page)
    for trace in figure["data"]:
        points = list(zip(list_values(trace["x"]), list_values(trace["y"]), strict=True))
        assert len(points) > 1
        for place, point in enumerate(points):
            arm = told[(*(round(value, 6) for value in point), trace["name"].rpartition(", ")[2])]
            assert list_values(trace["error_y"]["array"])[place] == pytest.approx(arm["high"] - arm["accuracy"])
            assert f"ranks {arm['split']}" in trace["name"]
            drawn.append(arm)
    assert {(arm["split"], arm["mode"]) for arm in drawn} == {(ranks, mode) for ranks in site["curves"].RANKS
                                                              for mode in ("rules", "verified")}  # fmt: skip
    efforts = [arm["parameters"]["simulations"] for arm in drawn]
    assert f"`simulations` from {min(efforts):,} to {max(efforts):,}" in page
    assert "n = 100 and 362, 1 seed" in page
    assert kept["judges"]["searched"][0] in page
    assert site["curves"].tell_strategy("nobody") == "*No kept report has measured `nobody`.*"


def test_a_curve_joins_arms_that_differ_in_one_number_of_one_run(site):
    def make_arm(run, split="901-1000", **parameters):
        return {"run": run, "split": split, "mode": "rules", "parameters": {"temperature": 1.0, **parameters}}

    arms = [make_arm("a", n=4), make_arm("a", n=8), make_arm("b", n=16), make_arm("a", n=32, temperature=0.5),
            make_arm("b", split="1001-1362", n=4)]  # fmt: skip
    assert site["curves"].pick_curves(arms) == ("n", arms[:2])
    assert site["curves"].pick_curves(arms[2:3]) == ("", arms[2:3])


def test_a_training_without_a_kept_curve_says_so(site, tmp_path, monkeypatch):
    curves = site["curves"]
    run = {"id": "abc", "name": "03_sft", "seed": 1, "parameters": {"task": "countdown"}, "facts": {}}
    log = {"run": "abc", "steps": 9, "curve": [{"step": 1, "loss": 3.0}, {"step": 9, "loss": 1.0, "accuracy": 0.5}]}
    monkeypatch.setattr(curves, "REPORTS", tmp_path)
    curves._read.cache_clear()
    for kept, expected in (({**log, "curve": []}, 0), (log, 1)):
        (tmp_path / "a_report.json").write_text(json.dumps({"title": "x", "runs": [run], "training": [kept]}))
        page = curves.tell_training("sft", "03_sft", curves.draw_learning)
        assert len(read_figures(page)) == expected
        assert ("No kept report holds a learning curve of `sft`" in page) == (not expected)
        curves._read.cache_clear()
    assert "task `countdown`, 9 steps, seed 1" in page
    (figure,) = read_figures(page)
    assert [list_values(trace["y"]) for trace in figure["data"]] == [[3.0, 1.0], [0.5]]
