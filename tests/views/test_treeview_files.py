"""Tree files on the command line: pages and pictures, and what is said of files that are none."""

import pytest
from demo_trees import grow_tree

from game24lab.cli import main as cli
from game24lab.views.tree.files import draw_files


@pytest.fixture
def paths(tmp_path):
    trees = [tmp_path / name for name in ("a.json", "b.json")]
    for seed, path in enumerate(trees):
        path.write_text(grow_tree(nodes=40, seed=seed).to_json())
    return trees


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", ["out.html", "out.svg"])
def test_files_are_drawn(paths, tmp_path, capsys, count, name):
    assert cli.main(["tree", *map(str, paths[:count]), "-o", str(tmp_path / name), "--colour", "truth"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / name)
    text = (tmp_path / name).read_text()
    assert text.startswith("<svg" if name.endswith("svg") else "<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json", name]


@pytest.mark.parametrize("name", ["out.html", "out.svg"])
def test_a_byte_order_mark_is_no_damage(paths, tmp_path, name):
    plain = draw_files(paths[:1], tmp_path / name).read_text()
    paths[0].write_bytes(b"\xef\xbb\xbf" + paths[0].read_bytes())
    assert draw_files(paths[:1], tmp_path / name).read_text() == plain


def test_a_budget_is_drawn(paths, tmp_path):
    early = draw_files(paths, tmp_path / "early.svg", budget=100).read_text()
    assert early != draw_files(paths, tmp_path / "late.svg").read_text()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"version": 7}', "version 7, this program reads version 1"),
        ("[1, 2]", "tree: must be a JSON object with a version"),
        ("{", "not JSON"),
        (b"\xff\xfe", "codec can't decode"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_tree(paths, tmp_path, capsys, content, complaint):
    paths[1].write_bytes(content if isinstance(content, bytes) else content.encode())
    assert cli.main(["tree", *map(str, paths), "-o", str(tmp_path / "out.html")]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert "b.json" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out.html").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["a.json", "-o", "tree.png"], "output must end in .html or .svg, got tree.png"),
        (["a.json", "b.json", "a.json"], "trees must be one, or two to stand side by side, got 3"),
        (["none.json"], "none.json: No such file"),
        (["a.json", "--colour", "red"], "colour must be one of value, mean"),
        (["a.json", "b.json", "--budget", "-5"], "a number of sampled tokens >= 0, for two trees, got -5"),
    ],
)
def test_bad_words(paths, tmp_path, capsys, monkeypatch, words, complaint):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["tree", *words]) == 2
    assert complaint in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]


@pytest.mark.parametrize("name", ["out.html", "out.svg"])
def test_where_it_cannot_be_written_what_was_asked_for_is_named(paths, tmp_path, capsys, name):
    """And never the file that it is written to first."""
    (tmp_path / f"folder.{name}").mkdir()
    long = "x" * 255 + name
    for asked, complaint in [(tmp_path / "none" / "below" / name, f"{tmp_path}/none/below: there is no such folder"),
                             (tmp_path / f"folder.{name}", f"folder.{name}: Is a directory"),
                             (tmp_path / long, f"{long}: File name too long"),
                             (paths[0] / name, f"{paths[0]}: there is no such folder")]:  # fmt: skip
        assert cli.main(["tree", str(paths[0]), "-o", str(asked)]) == 2
        said = capsys.readouterr().err
        assert complaint in said
        assert ".part" not in said
        assert said.count("\n") == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
