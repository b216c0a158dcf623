"""`make badges`: what a repository that has an address gives its notebooks, README and site, and what it leaves."""

import ast
import copy
import json
import re
import shutil

import documented
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


def make_checkout(folder, address=""):
    """What badges are written into, with an address or without."""
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns("runs", ".*"))
    shutil.copy(ROOT / "README.md", folder)
    project = re.sub(r"^\[project\.urls\]\n(?:.+\n)*", "", documented.read("pyproject.toml"), flags=re.M)
    if address:
        project = project.replace("[project.scripts]", f'[project.urls]\nRepository = "{address}"\n\n[project.scripts]')
    (folder / "pyproject.toml").write_text(project)
    return folder


def read_all(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.*")) if path.is_file()}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_badge_leads_to_the_notebook_and_the_first_cell_installs(path, badges, tmp_path):
    before = json.loads(path.read_text(encoding="utf-8"))
    badges.set_badge(before, "", path.stem)
    notebook = copy.deepcopy(before)
    badges.set_badge(notebook, "me/mine", path.stem)
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
    badges.set_badge(again := copy.deepcopy(notebook), "you/yours", path.stem)
    badges.set_badge(again, "me/mine", path.stem)
    assert again == notebook
    badges.set_badge(notebook, "", path.stem)
    assert notebook == before


def test_the_cell_does_nothing_where_the_package_is(badges):
    notebook = {"cells": [{"source": ["# A\n", "\n", "text"], "metadata": {}, "cell_type": "markdown"}]}
    badges.set_badge(notebook, "me/mine", "00_start")
    code = TransformerManager().transform_cell("".join(notebook["cells"][1]["source"]))
    exec(code, {"get_ipython": lambda: pytest.fail("it installs")})


@pytest.mark.parametrize("address", ["https://github.com/me/mi.ne-2", "https://github.com/me/mi.ne-2.git",
                                     "https://github.com/me/mi.ne-2/"])  # fmt: skip
def test_one_address_gives_every_notebook_and_its_row_a_badge(address, badges, tmp_path, capsys):
    checkout = make_checkout(tmp_path, address)
    assert badges.main(checkout) == 0
    assert capsys.readouterr().out == "Colab badges of me/mi.ne-2: the notebooks and README\n"
    readme = (checkout / "README.md").read_text()
    badge = r"\[!\[Open in Colab\]\([^)]*\)\]\((\S+)\)"
    rows = re.findall(rf"^\| \[`(\d\d_\w+)`\]\(notebooks/\1\.ipynb\) {badge} \|", readme, flags=re.M)
    assert [name for name, _ in rows] == [path.stem for path in NOTEBOOKS]
    for name, link in rows:
        assert link == f"https://colab.research.google.com/github/me/mi.ne-2/blob/main/notebooks/{name}.ipynb"
        assert link in (checkout / "notebooks" / f"{name}.ipynb").read_text()
    written = read_all(checkout)
    assert badges.main(checkout) == 0
    assert read_all(checkout) == written


def test_without_an_address_there_are_none_and_it_says_so_in_one_line(badges, tmp_path, capsys):
    plain, given = make_checkout(tmp_path / "plain"), make_checkout(tmp_path / "given", "https://github.com/me/mine")
    assert badges.main(given) == 0
    shutil.copy(plain / "pyproject.toml", given)
    capsys.readouterr()
    for checkout in (plain, given):  # of an earlier address none is left
        assert badges.main(checkout) == 0
        assert capsys.readouterr().out == ("no Colab badges: pyproject.toml names no Repository under "
                                           "[project.urls]\n")  # fmt: skip
        assert not [path for path, text in read_all(checkout).items() if b"colab.research" in text]
    assert read_all(given) == read_all(plain)


@pytest.mark.parametrize("address", ["me/mine", "https://example.org/me/mine", "https://github.com/me", ""])
def test_an_address_that_colab_does_not_know_is_refused_and_nothing_is_written(address, badges, tmp_path, capsys):
    checkout = make_checkout(tmp_path)
    with (checkout / "pyproject.toml").open("a") as file:
        file.write(f'\n[project.urls]\nRepository = "{address}"\n')
    before = read_all(checkout)
    assert badges.main(checkout) == 2
    said = capsys.readouterr()
    assert said.err == ("pyproject.toml: Repository under [project.urls] must be https://github.com/OWNER/NAME, from "
                        f"where Colab opens notebooks, got {address!r}\n")  # fmt: skip
    assert read_all(checkout) == before


def test_the_repository_has_the_badges_of_its_own_address(badges, tmp_path):
    """Whoever sets an address runs `make badges` too."""
    for name in ("notebooks", "README.md", "pyproject.toml"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    assert badges.main(tmp_path) == 0
    for path in [*NOTEBOOKS, ROOT / "README.md"]:
        assert (tmp_path / path.relative_to(ROOT)).read_text() == path.read_text(), "make badges"
