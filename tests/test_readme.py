"""The README is true: its commands, notebooks and files exist. (Its numbers: test_numbers.)"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = "\n".join(re.findall(r"```\n(.*?)```", README, flags=re.S))


def test_commands_exist(capsys):
    from game24lab.cli.main import main

    commands = set(re.findall(r"^game24lab (\w+)", BLOCKS, flags=re.M))
    assert {"solve", "check", "run", "demo", "report", "bench", "doctor"} <= commands
    for command in commands:
        with pytest.raises(SystemExit) as end:
            main([command, "--help"])
        assert end.value.code == 0
    capsys.readouterr()


def test_options_exist(capsys):
    from game24lab.cli.main import main

    for line in re.findall(r"^game24lab (.*?)(?:  +#.*)?$", BLOCKS, flags=re.M):
        with pytest.raises(SystemExit):
            main([line.split()[0], "--help"])
        told = capsys.readouterr().out
        for option in re.findall(r"(?<!\S)(--?[a-z]+)", line):
            assert option in told, line


def test_make_targets_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    assert set(re.findall(r"\bmake (\w+)", README)) <= targets


def test_parameters_of_quoted_runs_exist():
    from game24lab.runs.notebook import find_notebook, read_parameters

    for notebook, rest in re.findall(r"^game24lab run (\w+)(.*)$", BLOCKS, flags=re.M):
        known = read_parameters(find_notebook(notebook))
        assert set(re.findall(r"-p (\w+)", rest)) <= set(known)


def test_every_notebook_is_listed():
    listed = set(re.findall(r"\(notebooks/(\w+)\.ipynb\)", README))
    assert listed == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
