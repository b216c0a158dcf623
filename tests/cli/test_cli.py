"""The command line as people meet it: statuses, streams, one line for a mistake, the whole path on toy notebooks."""

import io
import json
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import nbformat
import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.cli import main as cli
from game24lab.runs.former_names import say_once
from game24lab.runs.run import read_run, start_run

TESTS = Path(__file__).parents[1]


def call(capsys, *words):
    """Status, standard output, standard error."""
    try:
        status = cli.main([str(word) for word in words])
    except SystemExit as end:
        status = end.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refuse(capsys, *words):
    """The one line that bad input gets."""
    status, out, err = call(capsys, *words)
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("game24lab")
    return err


@pytest.fixture
def fakes(monkeypatch, tmp_path):
    """Models that know the game, in the place of the real ones; what they were asked to load is kept."""
    asked = {}

    def load_policy(folder, **options):
        asked["policy"] = (folder, options)
        return FakePolicy(skill=6.0)

    def load_critic(folder, **options):
        asked["critic"] = (folder, options)
        return FakeCritic()

    for user in ("cli.puzzles", "cli.solve", "models.locations"):  # users first: each is imported with the real one
        monkeypatch.setattr(f"game24lab.{user}.find_pretrained", lambda part, environment=None: tmp_path / part)
    for name, functions in {
        "models.load_policy": {"load_policy": load_policy},
        "models.critic": {"load_critic": load_critic},
    }.items():
        module = types.ModuleType(f"game24lab.{name}")
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, f"game24lab.{name}", module)
    return asked


# ----------------------------------------------------------------------------------------------------------- check
@pytest.mark.parametrize(("words", "status", "said"), [
    (["3", "3", "8", "8", "8/(3-8/3)"], 0, "right: makes 24"),
    (["4", "5", "6", "10", "(10 - 4) × 4"], 1, "wrong: wrong numbers"),
    (["1", "1", "1", "1", "1+1+1+1"], 1, "wrong: makes 4, not 24"),
    (["1", "1", "1", "1", "1+1+1+1", "--target", "4"], 0, "right: makes 4"),
    (["1", "1", "1", "1", "1/(1-1)+1"], 1, "division by zero"),
    (["1", "1", "1", "1", "__import__('os')"], 1, "not an expression"),
    (["1", "1", "1", "1", ""], 1, "empty expression"),
    (["3", "3", "8", "8", "8/(3-8/3) = 24."], 0, "right"),
    (["3", "3", "8", "8", "8/(3-8/3) = 24.0"], 0, "right"),
    (["3", "3", "8", "8", "8/(3-8/3) = 8/(1/3) = 24"], 0, "right"),
    (["3", "3", "8", "8", r"\boxed{\frac{8}{3-\frac{8}{3}}}"], 0, "right"),
    (["3", "3", "8", "8", r"\boxed{\frac{8}{3-\frac{8}{3}}}", "--strict"], 1, "wrong: not an expression"),
    (["3", "3", "8", "8", "8/(3-8/3) = 24.", "--strict"], 1, "wrong: the right-hand side is not the plain number 24"),
    (["1", "2", "3", "4", "(1+2+3)*4 = 2 4"], 1, "wrong: not an expression: two numbers side by side"),
    (["1", "1", "4", "28", "-(1+1)*(4-28)/2"], 1, "wrong numbers"),
    (["1", "1", "4", "28", "-4+28*1*1"], 0, "right"),
    (["1", "1", "4", "28", "--", "-4+28*1*1"], 0, "right"),
    (["1", "1", "4", "28", "- 4 + 28*1*1"], 0, "right"),
    (["1", "1", "4", "28", "-4+28*1*1", "--strict"], 1, "not an expression"),
    (["1", "1", "1", "6", "1+1-1-6", "--target", "-5"], 0, "right"),
    (["1", "1", "1", "6", "1+1-1-6=-5", "--target=-5", "--strict"], 0, "right"),
    (["3", "7", "25", "50", "50+25+7-3", "--task", "countdown", "--target", "79"], 0, "right: makes 79"),
    (["3", "3", "8", "8", "8/(3-8/3)", "--task", "countdown"], 1, "wrong: makes 8/3 on the way"),
    (["3", "3", "8", "8", "24 = 8/(3-8/3)", "--task", "countdown"], 1, "wrong: makes 8/3 on the way"),
    (["3", "7", "25", "50", "50+25+7", "--task", "countdown", "--target", "82"], 1, "wrong: wrong numbers"),
    (["3", "7", "25", "50", "50+25+7", "--task", "countdown", "--rules", "countdown_3to4", "--target", "82"], 0,
     "right: makes 82 with some of the given numbers"),
])  # fmt: skip
def test_check_judges_by_its_exit_status(capsys, words, status, said):
    got, out, err = call(capsys, "check", *words)
    assert got == status
    assert said in out
    assert err == ""


def test_check_imports_nothing_heavy():
    code = ("import sys; from game24lab.cli.main import main; main(['check', '3', '3', '8', '8', '8/(3-8/3)']);"
            "print(sorted({'torch', 'numpy', 'pandas', 'yaml', 'transformers'} & set(sys.modules)))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=TESTS.parent)
    assert done.stdout.splitlines()[1:] == ["[]"]


# ----------------------------------------------------------------------------------------------------------- solve
def test_solve_answers_one_puzzle_in_a_line(capsys, fakes, tmp_path):
    status, out, err = call(capsys, "solve", 4, 5, 6, 10)
    assert status == 0
    assert out.startswith("4 5 6 10: ")
    assert out.endswith(" = 24\n")
    assert "1 of 1 solved" in err
    asked = {"backend": "transformers", "work": "lines", "seed": 0, "url": None}  # the one that has tries
    assert fakes["policy"] == (tmp_path / "policy", asked)
    expression = out.removeprefix("4 5 6 10: ").rsplit("=", 1)[0]
    assert cli.main(["check", "4", "5", "6", "10", expression]) == 0


def test_what_has_no_solution_is_told_by_the_rules_of_the_task(capsys, fakes):
    """3 3 8 8 makes 24 by a fraction alone, which Countdown does not allow."""
    status, out, err = call(capsys, "solve", 3, 3, 8, 8, "--task", "countdown")
    assert (status, out) == (0, "3 3 8 8: no solution exists for 24\n")
    assert "1 of 1 not searched" in err
    assert fakes == {}
    words = ("--task", "countdown", "--anyway", "--strategy", "greedy")
    status, out, _ = call(capsys, "solve", 3, 3, 8, 8, *words)
    assert status == 0
    assert out.startswith("3 3 8 8: not solved")
    assert out.endswith("; it has no solution\n")


def test_the_shipped_models_solve_countdown_without_being_named(capsys):
    status, out, err = call(capsys, "solve", 3, 7, 25, 50, "--task", "countdown", "--target", 79)
    assert (status, out.startswith("3 7 25 50: "), out.endswith(" = 79\n")) == (0, True, True), err
    assert "outside" not in err
    words = ("--task", "countdown", "--target", 837, "--simulations", 2)
    status, out, err = call(capsys, "solve", 75, 50, 2, 3, 8, 7, *words)
    assert status == 0
    assert out.startswith("2 3 7 8 50 75: ")
    assert "1 of 1 problems lie outside what the shipped models have learnt: at most 4 numbers from 1 to 99" in err


@pytest.mark.parametrize("mode", ["verified", "rules"])
def test_what_has_no_solution_is_told_before_any_model_is_loaded(capsys, fakes, tmp_path, mode):
    status, out, err = call(capsys, "solve", 1, 1, 1, 1, "--mode", mode, "--tree", tmp_path / "tree.html")
    assert (status, out) == (0, "1 1 1 1: no solution exists for 24\n")
    assert err == "1 of 1 not searched, as the exact solver finds no solution; --anyway searches\n"
    assert fakes == {}
    assert not (tmp_path / "tree.html").exists()
    (tmp_path / "puzzles.txt").write_text("1 1 1 1\n4 5 6 10\n1 1 1 2\n")
    status, out, err = call(capsys, "solve", "--file", tmp_path / "puzzles.txt", "--mode", mode, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["outcome"] for row in rows] == ["no solution", "solved", "no solution"]
    assert [row["sampled_tokens"] > 0 for row in rows] == [False, True, False]
    assert "1 of 1 solved" in err
    assert "2 of 3 not searched" in err
    assert "not searched" not in call(capsys, "solve", 1, 1, 1, 1, "--target", 4, "--mode", mode)[2]


@pytest.mark.parametrize("words", [["--anyway"], ["--mode", "blind", "--strategy", "best_of_n"]])
def test_what_has_no_solution_is_searched_where_asked_and_blind(capsys, fakes, words):
    status, out, _ = call(capsys, "solve", 1, 1, 1, 1, *words)
    assert status == 0
    assert fakes["policy"]
    assert out.startswith("1 1 1 1: not solved (")
    assert out.endswith("; it has no solution\n")


def test_solve_takes_the_options_of_the_strategies(capsys, fakes, tmp_path):
    for name in ("mine", "judge"):
        (tmp_path / name).mkdir()
    status, out, _ = call(capsys, "solve", "--strategy", "greedy", "--mode", "rules", "--checkpoint",
                          tmp_path / "mine", 4, 5, 6, 10, "--json")  # fmt: skip
    assert status == 0
    assert json.loads(out)["mode"] == "rules"
    assert fakes["policy"][0] == str(tmp_path / "mine")
    assert "critic" not in fakes
    status, out, _ = call(capsys, "solve", "--strategy", "best_of_n", "-n", 3, "--critic", tmp_path / "judge",
                          1, 1, 1, 1, "--anyway", "--json", "--seed", 7, "--backend", "transformers")  # fmt: skip
    assert json.loads(out)["candidates"] == 3
    assert json.loads(out)["seed"] == 7
    assert fakes["critic"][0] == str(tmp_path / "judge")
    assert fakes["policy"][1]["backend"] == "transformers"


def test_solve_plays_all_modes_and_says_who_cannot(capsys, fakes, monkeypatch):
    for mode in ("blind", "rules", "verified"):
        status, out, err = call(capsys, "solve", "--mode", mode, "--strategy", "best_of_n", 4, 5, 6, 10, "--json")
        assert status == 0
        assert json.loads(out)["mode"] == mode
        assert f"best_of_n, {mode}: " in err
    say_once.cache_clear()
    status, out, err = call(capsys, "solve", "--mode", "unverified", "-n", 2, "--strategy", "best_of_n", 4, 5, 6, 10)
    assert err.count("mode 'unverified' is called 'rules' now") == 1
    assert "best_of_n, rules: " in err
    monkeypatch.setattr(FakeCritic, "reads", "positions", raising=False)
    status, out, err = call(capsys, "solve", "--mode", "blind", 4, 5, 6, 10)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert "was trained on positions alone and cannot see a false step" in err
    assert call(capsys, "solve", "--mode", "sideways", 4, 5, 6, 10)[0] == 2


def test_solve_takes_many_puzzles_and_prints_json_lines(capsys, fakes, tmp_path, monkeypatch):
    (tmp_path / "puzzles.txt").write_text("4 5 6 10\n# a comment\n\n[3, 3, 8, 8]\n4 5 6 10\n")
    status, out, err = call(capsys, "solve", "--file", tmp_path / "puzzles.txt", "--json")
    assert status == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["puzzle"] for row in rows] == ["4 5 6 10", "3 3 8 8", "4 5 6 10"]
    assert rows[0]["solved"]
    assert rows[0]["answer"]
    assert rows[0]["sampled_tokens"] > 0
    assert rows[0] | {"seconds": 0} == rows[2] | {"seconds": 0}
    assert "of 3 solved" in err
    monkeypatch.setattr(sys, "stdin", io.StringIO("4 5 6 10\n"))
    status, out, _ = call(capsys, "solve", "--file", "-", "--json")
    assert [json.loads(line)["puzzle"] for line in out.splitlines()] == ["4 5 6 10"]


def test_every_puzzle_of_a_file_has_its_own_target(capsys, fakes, tmp_path):
    path, draws = tmp_path / "puzzles.jsonl", ["--strategy", "best_of_n", "-n", 1000]  # the fakes lean towards 24
    path.write_text('{"numbers": [44, 19, 35], "target": 98}\n{"numbers": [4, 5, 6, 10]}\n'
                    '{"nums": [1, 3, 8], "target": 24}\n{"puzzle": "1 1 1 3", "target": "6"}\n')  # fmt: skip
    status, out, _ = call(capsys, "solve", "--file", path, "--json", *draws)
    assert status == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["puzzle"], row["target"]) for row in rows] == [
        ("19 35 44", 98), ("4 5 6 10", 24), ("1 3 8", 24), ("1 1 1 3", 6)]  # fmt: skip
    assert all(row["solved"] for row in rows)
    for row in rows:
        assert cli.main(["check", *row["puzzle"].split(), row["answer"], "--target", str(row["target"])]) == 0
    capsys.readouterr()
    again = tmp_path / "again.jsonl"  # what `solve --json` wrote is read, targets and all
    again.write_text(out)
    out = call(capsys, "solve", "--file", again, "--json", *draws)[1]
    assert [json.loads(line)["target"] for line in out.splitlines()] == [98, 24, 24, 6]
    path.write_text("numbers,target\n44 19 35,98\n4 5 6 10,\n")
    assert call(capsys, "solve", "--file", path, *draws)[1].splitlines()[0].endswith(" = 98")
    path.write_text("4 5 6\n")
    assert call(capsys, "solve", "--file", path, "--target", 15, *draws)[1].splitlines()[0].endswith(" = 15")


@pytest.mark.parametrize(("line", "complaint"), [
    ('{"numbers": [1, 2, 3], "target": 98}', "line 1: target must be 24, which was asked for, got 98"),
    ('{"numbers": [1, 2, 3], "target": "24h"}', "line 1: target must be an integer up to 999999, such as 24, got"),
    ('{"numbers": [1, 2, 3], "target": 2.5}', "line 1: target must be an integer up to 999999, such as 24, got 2.5"),
    ('{"numbers": [1, 2, 3], "target": true}', "such as 24, got True"),
    ('{"numbers": [1, 2, 3], "target": 1e9}', "such as 24, got 1000000000"),
])  # fmt: skip
def test_a_target_that_is_none_or_another_than_asked_for_is_named(capsys, fakes, tmp_path, line, complaint):
    (tmp_path / "puzzles.jsonl").write_text(line + "\n")
    assert complaint in refuse(capsys, "solve", "--file", tmp_path / "puzzles.jsonl", "--target", 24)


def test_solve_writes_the_tree(capsys, fakes, tmp_path):
    status, out, _ = call(capsys, "solve", 4, 5, 6, 10, "--tree", tmp_path / "tree.html")
    assert status == 0
    assert out.splitlines()[1] == f"tree: {tmp_path}/tree.html"
    page = (tmp_path / "tree.html").read_text()
    assert "4 5 6 10" in page
    assert '"truth":[true' in page.replace(" ", "")


def test_the_tree_of_a_model_that_babbles(capsys, fakes, tmp_path, monkeypatch):
    babbler = FakePolicy(only="4 + 5 = 9 and " * 100)  # cut off by the limit of a line
    monkeypatch.setattr(sys.modules["game24lab.models.load_policy"], "load_policy", lambda *_, **__: babbler)
    for strategy in ("mcts", "best_of_n", "greedy"):
        words = ["--strategy", strategy, "--tree", tmp_path / f"{strategy}.html"]
        status, out, _ = call(capsys, "solve", 4, 5, 6, 10, *words)
        assert status == 0
        assert "not solved (unfinished)" in out
        assert (tmp_path / f"{strategy}.html").exists()


@pytest.mark.parametrize(("words", "complaint"), [
    (["solve"], "four numbers such as 4 5 6 10"),
    (["solve", "4", "5", "6", "10", "--file", "x"], "four numbers such as"),
    (["solve", "four", "5", "6", "10"], "'four' is no integer"),
    (["solve", "4", "5"], "puzzle must have 3 to 6 numbers, got 2"),
    (["solve", "4", "5", "6", "0"], "'0' is no integer"),
    (["solve", "--file", "none.txt"], "none.txt: No such file"),
    (["solve", "4", "5", "6", "10", "--target", "1/0"], "invalid int value: '1/0'"),
    (["solve", "4", "5", "6", "10", "--target", "99999999"], "such as 24, got 99999999"),
    (["solve", "4", "5", "6", "10", "--strategy", "mtcs"], "did you mean 'mcts'"),
    (["solve", "4", "5", "6", "10", "--strategy", "greedy", "--width", "3"], "width"),
    (["solve", "4", "5", "6", "10", "--mode", "sure"], "mode must be one of blind, rules, verified, got 'sure'"),
    (["solve", "4", "5", "6", "10", "--simulations", "0"], "simulations must be an integer >= 1, got 0"),
    (["solve", "4", "5", "6", "10", "--tree", "tree.txt"], "--tree must end in .html or .json or .svg, got tree.txt"),
    (["solve", "4", "5", "6", "10", "--tree", "none/tree.html"], "none: no folder that can be written to"),
    (["solve", "4", "5", "6", "10", "--simulation", "x"], "invalid int value"),
    (["slove", "4"], "COMMAND must be one of play, solve, check"),
    (["slove", "4"], "got 'slove'; did you mean 'solve'?"),
    (["check", "4", "5", "6", "x", "1"], "'x' is no integer"),
    (["check", "4", "5", "6", "-7", "1"], "'-7' is no integer"),
    (["check", "4", "5", "6", "7", "1", "--strickt"], "unrecognized arguments: --strickt"),
    (["check", "4", "5", "6", "7", "1", "--task", "chess"], "task must be one of game24, countdown, got 'chess'"),
    (["check", "4", "5", "6", "7", "1", "--rules", "countdown_3"], "rules must be left out for the task game24, got"),
    (["check", "4", "5", "6", "7", "1", "--task", "countdown", "--target", "0"], "target of a Countdown must be an"),
    (["solve", "4", "5", "6", "10", "--task", "countdown", "--rules", "tot"], "one of stream_of_search"),
    (["run"], "run needs the name of a notebook"),
    (["run", "none.ipynb"], "there is no such file"),
    (["run", "05_serch"], "notebook '05_serch'"),
    (["demo", "--set", "none"], "--set must be"),
    (["demo", "--set", "sweeps"], "--set must be"),
    (["check", "3", "3", "8", "8"], 'check needs an expression behind the numbers, such as "8/(3-8/3)", got 8'),
    (["report", "nowhere"], "nowhere: no run here"),
])  # fmt: skip
def test_bad_input_is_one_line_and_status_two(capsys, fakes, tmp_path, monkeypatch, words, complaint):
    monkeypatch.chdir(tmp_path)
    assert complaint in refuse(capsys, *words)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_line_of_a_file_is_named_and_nothing_printed(capsys, fakes, tmp_path, monkeypatch):
    path = tmp_path / "puzzles.txt"
    path.write_text("4 5 6 10\n3 3 8 eight\n")
    assert "puzzles.txt, line 2: puzzle '3 3 8 eight': 'eight'" in refuse(capsys, "solve", "--file", path)
    path.write_text("4 5 6 10\n3 3 8 8\n")
    assert "--tree needs one puzzle, got 2" in refuse(capsys, "solve", "--file", path, "--tree", "tree.html")
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert "standard input must hold puzzles, one a line" in refuse(capsys, "solve", "--file", "-")


@pytest.mark.parametrize(("option", "part", "complaint"), [
    ("--checkpoint", "critic", "must be a policy, a causal language model, got a critic"),
    ("--critic", "policy", "no value head in it"),
])  # fmt: skip
def test_one_model_in_the_place_of_another_is_one_line(option, part, complaint):
    """In a process of its own: what transformers has to say is decided when it is imported."""
    folder = Path(cli.__file__).parents[1] / "pretrained" / part
    command = [sys.executable, "-m", "game24lab", "solve", "4", "5", "6", "10", option, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=TESTS.parent)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith("game24lab: ")
    assert complaint in done.stderr


@pytest.mark.parametrize("part", ["critic", "policy"])
def test_a_model_is_no_router(capsys, part):
    folder = Path(cli.__file__).parents[1] / "pretrained" / part
    assert str(folder) in refuse(capsys, "solve", 4, 5, 6, 10, "--strategy", "auto", "--router", folder)


def test_a_traceback_is_shown_on_request(capsys, monkeypatch):
    with pytest.raises(ValueError, match="'x' is no integer"):
        cli.main(["check", "--debug", "x", "1", "2", "3", "4"])
    monkeypatch.setenv("GAME24LAB_DEBUG", "1")
    with pytest.raises(ValueError, match="'x' is no integer"):
        cli.main(["check", "x", "1", "2", "3", "4"])


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m game24lab --help | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=TESTS.parent)
    assert done.stdout.startswith("usage: game24lab")
    assert done.stderr == ""


# -------------------------------------------------------------------------------------------------- notebooks, demo
SETUP = """
import sys
sys.path.insert(0, {tests!r})
from game24lab.runs.notebook import enter
from game24lab.runs.run import start_run
run = start_run(output, "{name}", enter("{name}", globals()))
"""
TRAIN = 'run.path("checkpoint").mkdir(exist_ok=True)\nrun.finish()'
SEARCH = """
from fake_models import FakeCritic, FakePolicy
from game24lab.evaluation.arms import STRATEGIES
from game24lab.evaluation.evaluate import evaluate
from game24lab.search.engine import run as search
from game24lab.tasks.numbers.task import Game24
task, policy, critic = Game24(), FakePolicy(skill=5.0), FakeCritic()
arms = {"greedy": {"algorithm": "greedy", "mode": "rules"},
        "mcts 8": {"algorithm": "mcts", "parameters": {"simulations": 8}}}
evaluate(task, [(4, 5, 6, 10), (3, 3, 8, 8)], arms, policy, critic, path=run.path("records.parquet"), run_id=run.id)
(outcome,) = search(task, [(4, 5, 6, 10)], STRATEGIES["mcts"], policy, critic)
run.path("tree.json").write_text(outcome.tree.annotate(task, task.start((4, 5, 6, 10))).to_json())
if steps == 13:
    raise ValueError("steps 13: another number is accepted")
if steps == 14:
    1 / 0
run.finish()
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with two notebooks and a set of parameters, entered."""
    for name, form, work in [
        ("03_sft", 'output = "runs/03_sft"  # folder of this run\nlr = 1.0e-3  # learning rate', TRAIN),
        ("05_search", 'output = "runs/05_search"\npolicy = ""\nsteps = 2  # how many', SEARCH),
    ]:
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(form, metadata={"tags": ["parameters"]}),
                          nbformat.v4.new_code_cell(SETUP.format(tests=str(TESTS), name=name)),
                          nbformat.v4.new_code_cell(work)]  # fmt: skip
        for folder in ("notebooks", "params/toy"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, tmp_path / "notebooks" / f"{name}.ipynb")
    (tmp_path / "params/toy/03_sft.yaml").write_text("lr: 2.0e-3\n")
    (tmp_path / "params/toy/05_search.yaml").write_text("policy: runs/toy/03_sft/checkpoint\nsteps: 3\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_notebooks_are_listed_with_their_parameters(capsys, checkout):
    status, out, _ = call(capsys, "run", "--list")
    assert status == 0
    assert out.splitlines()[:2] == ["03_sft", "05_search"]
    for words in (["03_sft", "--help"], ["-h", "03"]):
        status, out, _ = call(capsys, "run", *words)
        assert status == 0
        assert out.splitlines()[-2:] == ["  output = 'runs/03_sft'  folder of this run",
                                         "  lr = 0.001              learning rate"]  # fmt: skip
    assert call(capsys, "run", "--help")[1].startswith("usage: game24lab run")


@pytest.mark.parametrize(("words", "complaint"), [
    (["-p", "stpes", "3"], "05_search has no parameter 'stpes': did you mean steps?"),
    (["-p", "steps", "three"], "parameter steps must be a whole number, got 'three'"),
    (["-f", "a.yaml"], "a.yaml: 05_search has no parameter 'stpes': did you mean steps?"),
    (["-f", "b.yaml"], "b.yaml: parameter steps must be a whole number, got '1e-4' (YAML reads 1e-4 as text"),
    (["-f", "c.yaml"], "c.yaml, line 1: not YAML"),
    (["-f", "none.yaml"], "none.yaml: No such file"),
    (["--output", "a.yaml"], "run folder a.yaml must be a folder, got a file"),
    (["--output", "a.yaml/below"], "a.yaml/below: run folder cannot be written"),
    (["--output", "."], "run folder . must be new, empty or a run's, got one with a.yaml and no manifest.json"),
    (["--output", "other"], "it holds a run of 03_sft, not 05_search"),
])  # fmt: skip
def test_parameters_are_checked_before_anything_runs(capsys, checkout, words, complaint):
    (checkout / "a.yaml").write_text("stpes: 3\n")
    (checkout / "b.yaml").write_text("steps: 1e-4\n")
    (checkout / "c.yaml").write_text("a: b: c\n")
    start_run(checkout / "other", "03_sft", {}).finish()
    assert complaint in refuse(capsys, "run", "05_search", *words)
    assert not (checkout / "runs").exists()


def test_a_failing_cell_has_a_status_of_its_kind(capsys, checkout):
    status, _, err = call(capsys, "run", "05_search", "-p", "steps", 13, "--output", "runs/a")
    assert status == 2
    said = "game24lab: 05_search.ipynb, cell In [4]: ValueError: steps 13: another number"
    assert err.splitlines()[-1].startswith(said)
    assert read_run("runs/a").status == "failed"
    status, _, err = call(capsys, "run", "05_search", "-p", "steps", 14, "--output", "runs/b")
    assert status == 1
    assert "ZeroDivisionError: division by zero (see runs/b/notebook.ipynb)" in err


def test_a_parameter_set_has_its_own_folder_of_runs(capsys, checkout):
    (checkout / "params/recipes").mkdir()
    (checkout / "params/recipes/long.yaml").write_text("steps: 4\n")
    for words, folder in [
        (["-f", "params/toy/05_search.yaml"], "runs/toy/05_search"),
        (["-f", "params/toy/05_search.yaml", "--output", "runs/mine"], "runs/mine"),
        (["-f", "params/toy/05_search.yaml", "-f", "params/recipes/long.yaml"], "runs/recipes/long"),
        (["-p", "steps", 3], "runs/05_search"),
    ]:
        status, out, err = call(capsys, "run", "05_search", *words, "-p", "policy", "")
        assert status == 0, err
        assert f"  {folder}/records.parquet" in out.splitlines()


def test_the_demo_runs_reports_and_is_then_already_there(capsys, checkout):
    (checkout / "params/toy/05_search.yaml").write_text("policy: runs/toy/03_sft/checkpoint\nsteps: thirteen\n")
    told = "05_search.yaml: parameter steps must be a whole number, got 'thirteen'"
    assert told in refuse(capsys, "demo", "--set", "toy")
    assert not (checkout / "runs").exists()  # all files are checked before the first notebook runs
    (checkout / "params/toy/05_search.yaml").write_text("policy: runs/toy/03_sft/checkpoint\nsteps: 3\n")
    status, first, err = call(capsys, "demo", "--set", "toy")
    assert status == 0, err
    assert "[1/2] 03_sft\n" in err
    assert "03_sft: finished in" in err
    lines = first.splitlines()
    assert lines[0].split() == ["arm", "n", "accuracy", "tokens", "FLOPs", "what", "helped"]
    assert lines[1].split()[:2] == ["greedy", "2"]
    assert lines[1].endswith("the rules")
    assert lines[2].split()[:3] == ["mcts", "8", "2"]
    assert lines[2].endswith("the verifier")
    assert lines[3:] == ["report: runs/toy/report.pdf", "tree:   runs/toy/05_search/tree.html"]
    assert (checkout / "runs/toy/report.pdf").read_bytes()[:5] == b"%PDF-"
    assert "4 5 6 10" in (checkout / "runs/toy/05_search/tree.html").read_text()
    assert list(read_run("runs/toy/05_search").manifest["inputs"]) == ["policy"]

    stamp = (checkout / "runs/toy/report.pdf").stat().st_mtime_ns
    code = ("import sys; from game24lab.cli.main import main; status = main(['demo', '--set', 'toy']);"
            "sys.exit(99 if {'torch', 'papermill', 'typst'} & set(sys.modules) else status)")  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(TESTS.parent)}
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert second.returncode == 0, second.stderr
    assert second.stdout == first
    assert second.stderr.count("already there") == 2
    assert (checkout / "runs/toy/report.pdf").stat().st_mtime_ns == stamp

    status, out, _ = call(capsys, "report", "runs/toy", "-o", "again.pdf")
    assert status == 0
    assert out == "again.pdf\n"
    assert "must end in .pdf" in refuse(capsys, "report", "runs/toy", "-o", "again.txt")
    everything = sorted(map(str, Path("runs/toy").iterdir()))  # as a shell gives runs/toy/*, an earlier report with it
    assert {"runs/toy/report.json", "runs/toy/report.pdf"} <= set(everything)
    status, out, err = call(capsys, "report", *everything, "-o", "third.pdf")
    assert (status, out) == (0, "third.pdf\n"), err
    assert "runs/toy/report.json, runs/toy/report.pdf: no runs, left out" in err
    assert "no run here" in refuse(capsys, "report", "runs/toy/03_sft", "runs/toy/none")

    (checkout / "params/toy/03_sft.yaml").write_text("lr: 3.0e-3\n")
    assert "other parameters (lr is 0.002 there and 0.003 here)" in call(capsys, "demo", "--set", "toy")[2]


def test_the_demo_says_which_of_a_notebooks_sets_has_finished(capsys, checkout):
    (checkout / "params/toy/05_search.yaml").unlink()
    (checkout / "params/toy/03_sft_second.yaml").write_text("lr: 3.0e-3\n")
    _, _, err = call(capsys, "demo", "--set", "toy")  # two trainings, which leave nothing to report
    assert [line.partition(":")[0] for line in err.splitlines() if "finished in" in line] == ["03_sft", "03_sft_second"]


def test_ctrl_c_ends_a_search_with_the_tree_found_so_far(capsys, tmp_path, monkeypatch):
    from game24lab.models.backends.transformers_policy import TransformersPolicy
    from game24lab.search.tree import Tree

    generate, calls = TransformersPolicy.generate, []

    def interrupt(self, *given, **named):
        calls.append(1)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return generate(self, *given, **named)

    monkeypatch.setattr(TransformersPolicy, "generate", interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
    try:
        status, out, err = call(capsys, "solve", 1, 1, 1, 5, "--anyway", "--simulations", 500, "--width", 2, "--tree",
                                tmp_path / "tree.json")  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)
    assert status == 130, err
    assert "stopped by Ctrl-C" in err
    assert f"tree: {tmp_path / 'tree.json'}" in out
    tree = Tree.from_json((tmp_path / "tree.json").read_text())
    assert tree.events[-1][0] == "stop"
    assert len(tree) > 1
    assert len(calls) == 4


def test_an_interrupted_run_says_so_and_goes_on(checkout):
    notebook = nbformat.read("notebooks/05_search.ipynb", 4)
    pause = "import time\nopen('up', 'w').close()\ntime.sleep(600 if run.before == 'new' else 0)"
    notebook.cells.insert(2, nbformat.v4.new_code_cell(pause))
    nbformat.write(notebook, "notebooks/05_search.ipynb")
    command = [sys.executable, "-m", "game24lab", "run", "05_search"]
    environment = os.environ | {"PYTHONPATH": str(TESTS.parent)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))  # fmt: skip
    while not (checkout / "up").exists() and process.poll() is None:
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "game24lab: interrupted; the same command goes on from here"
    assert read_run("runs/05_search").status == "interrupted"
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("05_search: resumed and finished in")
    assert "  runs/05_search/records.parquet" in done.stdout.splitlines()


# ---------------------------------------------------------------------------------------------------------- doctor
def test_the_doctor_looks_at_everything(capsys):
    status, out, err = call(capsys, "doctor")
    assert status == 0
    *findings, verdict = out.splitlines()
    broken = [line.split()[1] for line in findings if line.startswith("broken")]
    assert verdict == (f"broken: {', '.join(broken)}" if broken else "everything that is needed works")
    assert (err, "\x1b" in out) == ("", False)  # colour at a terminal alone
    assert max(map(len, findings)) < 200
    lines = {line[8:].split()[0]: line for line in findings}
    assert {"python", "torch", "bf16", "ctranslate2", "report", "browser", "git", "notebooks", "model"} <= set(lines)
    assert lines["python"].startswith("ok")
    assert lines["torch"].startswith("ok")
    assert lines["report"].startswith("ok")
    assert all(line.startswith(("ok ", "optional ", "broken ")) for line in lines.values())


@pytest.mark.parametrize(("there", "state", "text"), [
    ((), "optional", "none of tensorboard, trackio, wandb: curves go to the run's own files alone; pip install"),
    (("trackio",), "ok", "trackio; not tensorboard, wandb"),
    (("tensorboard", "trackio", "wandb"), "ok", "tensorboard, trackio, wandb"),
])  # fmt: skip
def test_the_doctor_looks_at_the_trackers(monkeypatch, there, state, text):
    from game24lab.cli import doctor
    from game24lab.training.trackers import TRACKERS

    assert {"none", *doctor.TRACKERS} == set(TRACKERS)
    monkeypatch.setattr(doctor, "find_spec", lambda name: name in there or None)
    found = doctor._LOOKS["trackers"]()
    assert found[0] == state
    assert found[1].startswith(text)
