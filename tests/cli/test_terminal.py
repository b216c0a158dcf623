"""What stands at a terminal and what in a file: colour, the line of a search, the overview, a notebook's own help."""

import io
import os
import pty
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import documented
import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.cli import arguments, main, notebooks
from game24lab.cli.bench import BENCHMARKS
from game24lab.cli.terminal import SearchLine, is_terminal, paint
from game24lab.runs.notebook import find_notebooks, read_parameters
from game24lab.search import engine
from game24lab.search.engine import run
from game24lab.search.mcts import mcts
from game24lab.tasks.numbers.task import Game24

ROOT = Path(__file__).parents[2]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colour_is_for_terminals_alone(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert paint("right", "green", io.StringIO()) == "right"
    assert paint("right", "green", Terminal()) == "\x1b[32mright\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("right", "green", Terminal()) == "right"
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "dumb")
    assert paint("right", "green", Terminal()) == "right"
    with open(os.devnull) as closed:
        pass
    assert not is_terminal(closed)
    assert not is_terminal(None)


def search(stream, problems, clock):
    """Outcomes of a search that says how far it is."""
    task, policy, critic = Game24(), FakePolicy(), FakeCritic()
    with SearchLine("mcts", len(problems), stream, clock) as line:
        return run(task, problems, mcts, policy, critic, parameters={"simulations": 20}, progress=line)


@pytest.mark.parametrize("problems", [[(3, 3, 8, 8)], [(4, 5, 6, 10), (3, 3, 8, 8), (1, 5, 5, 5)]])
def test_a_search_says_how_far_it_is_and_finds_the_same(problems, monkeypatch):
    ticks = iter(range(0, 100_000, 11))
    clock = SimpleNamespace(monotonic=lambda: float(next(ticks)), perf_counter=time.perf_counter)
    monkeypatch.setattr(engine, "time", clock)
    screen, log = Terminal(), io.StringIO()
    watched = search(screen, problems, lambda: float(next(ticks)))
    logged = search(log, problems, lambda: float(next(ticks)))
    alone = run(Game24(), problems, mcts, FakePolicy(), FakeCritic(), parameters={"simulations": 20})
    timeless = [[replace(one, cost=replace(one.cost, seconds=0.0), tree=one.tree.to_json()) for one in found]
                for found in (watched, logged, alone)]  # fmt: skip
    assert timeless[0] == timeless[1] == timeless[2]
    shown, written = screen.getvalue(), log.getvalue()
    assert shown.endswith("\r\x1b[2K"), "nothing is left drawn"
    assert "\n" not in shown
    assert "\r" not in written
    assert "\x1b" not in written
    assert re.fullmatch(r"(mcts: .*\n)+", written)
    tokens = [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) tokens", written)]
    assert tokens
    assert tokens == sorted(tokens)
    assert 0 <= tokens[-1] <= sum(outcome.cost.sampled_tokens for outcome in watched)
    assert ("of 3 puzzles" in written) == (len(problems) == 3)


def test_a_short_search_writes_nothing_into_a_file():
    log = io.StringIO()
    search(log, [(4, 5, 6, 10)], lambda: 0.0)
    assert log.getvalue() == ""


# -------------------------------------------------------------------------------------------------------- overview
def test_alone_it_lists_every_command_with_an_example(capsys):
    assert main.main([]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    for name, command in arguments.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.about)}$", out, flags=re.M)
        assert command.example in out
    for group in ("Puzzles", "Experiments", "Results", "This machine"):
        assert f"\n{group}\n" in out
    assert all(len(line) <= 100 for line in out.splitlines())


def test_the_tables_of_commands_agree():
    (actions,) = (action for action in arguments.make_parser()._actions if action.metavar == "COMMAND")
    assert set(actions.choices) == set(arguments.COMMANDS) == set(main._FUNCTIONS)
    assert set(arguments.BENCHMARKS) == {*BENCHMARKS, "growth"}


@pytest.mark.parametrize("command", [command.example for command in arguments.COMMANDS.values()])
def test_examples_are_understood(command):
    documented.check_command(command)


def test_the_version_is_that_of_the_package(capsys):
    from importlib.metadata import version

    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"game24lab {version('game24lab')}\n"


@pytest.mark.parametrize("name", find_notebooks())
def test_a_notebook_tells_its_parameters(capsys, name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert main.main(["run", name, "--help"]) == 0
    out = capsys.readouterr().out
    parameters = read_parameters(find_notebooks()[name])
    for one in parameters.values():
        assert f"  {one.name} = {one.default!r}" in out
    told = " ".join(out.split())
    assert all(" ".join(one.help.split()) in told for one in parameters.values())
    title = notebooks.read_title(find_notebooks()[name])
    assert title
    assert title in out.splitlines()[0]
    assert main.main(["run", "--list"]) == 0
    listed = capsys.readouterr().out
    assert re.search(rf"^{name} +{re.escape(title)}$", listed, flags=re.M)
    assert len(listed.splitlines()) == len(find_notebooks()) + 2


# ------------------------------------------------------------------------------------------------ a real terminal
def test_at_a_real_terminal_there_is_colour():
    mother, child = pty.openpty()
    command = [sys.executable, "-m", "game24lab", "check", "3", "3", "8", "8", "8/(3-8/3)"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    done = subprocess.run(command, stdout=child, stderr=child, cwd=ROOT, env=environment)
    os.close(child)
    assert done.returncode == 0
    assert os.read(mother, 4096) == b"\x1b[32mright\x1b[0m: makes 24 with exactly the given numbers\r\n"
    os.close(mother)
