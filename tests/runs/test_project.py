"""`game24lab init`: notebooks and parameter sets laid out in a folder, and nothing written over."""

import re
from pathlib import Path

import pytest

from game24lab.cli import main as cli
from game24lab.runs.notebook import find_notebooks
from game24lab.runs.project import find_project, lay_out, list_notebooks

ROOT = Path(__file__).parents[2]


@pytest.fixture
def source(tmp_path):
    """A small project: one notebook, one parameter set, and what nobody asked for."""
    source = tmp_path / "source"
    for name in ("notebooks/00_start.ipynb", "params/smoke/00_start.yaml", "notebooks/notes.txt", "params/README"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    return source


def list_files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_init_lays_out_what_the_repository_holds(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init", "mine"]) == 0
    pages = ["docs/score.md", "docs/words.md", "docs/written-forms.md"]
    wanted = pages + sorted(str(path.relative_to(ROOT)) for pattern in ("notebooks/*.ipynb", "params/*/*.*")
                            for path in ROOT.glob(pattern))  # fmt: skip
    linked = {link for path in (ROOT / "notebooks").glob("*.ipynb")
              for link in re.findall(r"\(\.\./(docs/[a-z-]+\.md)", path.read_text())}
    assert linked <= set(pages), "links that lead nowhere in a folder that was laid out"
    assert list_files(tmp_path / "mine") == wanted
    assert f"mine: {len(wanted)} files written\n" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path / "mine")
    assert find_notebooks()["00_start"] == tmp_path / "mine/notebooks/00_start.ipynb"


def test_what_is_there_stays_and_is_named(source, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("game24lab.runs.project.find_project", lambda: source)
    folder = tmp_path / "mine"
    (folder / "notebooks").mkdir(parents=True)
    own = folder / "notebooks/00_start.ipynb"
    own.write_text("my own")
    assert cli.main(["init", str(folder)]) == 0
    said = capsys.readouterr()
    assert own.read_text() == "my own"
    assert f"kept {own}, which differs" in said.err
    assert "1 files written, 1 of your own kept" in said.out
    assert list_files(folder) == ["notebooks/00_start.ipynb", "params/smoke/00_start.yaml"]
    again = lay_out(folder)
    assert (len(again.written), again.kept, len(again.equal)) == (0, (own,), 1)


def test_a_link_that_leads_nowhere_is_no_free_place(source, tmp_path):
    folder = tmp_path / "mine"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks/00_start.ipynb").symlink_to(tmp_path / "elsewhere")
    assert lay_out(folder, source).kept == (folder / "notebooks/00_start.ipynb",)
    assert not (tmp_path / "elsewhere").exists()


def test_bad_folders_are_refused_in_one_line(source, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for folder, complaint in {tmp_path / "file": "DIR must be a folder, got the file",
                              find_project(): "DIR must be another folder than the project"}.items():  # fmt: skip
        assert cli.main(["init", str(folder)]) == 2
        said = capsys.readouterr().err
        assert complaint in said
        assert said.count("\n") == 1


def test_the_notebooks_of_this_package_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert list(find_notebooks().values()) == list_notebooks(find_project() / "notebooks")
    assert len(find_notebooks()) == len(list(ROOT.glob("notebooks/*.ipynb")))
