"""Typical mistakes on the command line: one line that says what must hold, exit status 2, and nothing heavy loaded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "numpy", "pandas", "pyarrow", "scipy", "sklearn", "plotly", "matplotlib", "trl",
         "datasets", "ctranslate2", "huggingface_hub", "IPython", "papermill")  # fmt: skip
PUZZLE = ("4", "5", "6", "10")
MISTAKES = [
    (("slove", *PUZZLE), "got 'slove'; did you mean 'solve'?"),
    (("solve",), "solve needs four numbers such as 4 5 6 10"),
    (("solve", "4", "5"), "puzzle must have 3 to 6 numbers, got 2"),
    (("solve", "four", "5", "6", "10"), "'four' is no integer from 1 to 999999"),
    (("solve", *PUZZLE, "--checkpoint", "nope"), "checkpoint nope: no such folder, and an id of the hub is written"),
    (("solve", *PUZZLE, "--checkpoint", "./nope"), "checkpoint ./nope: no such folder"),
    (("solve", *PUZZLE, "--critic", "nope"), "critic nope: no such folder"),
    (("solve", *PUZZLE, "--strategy", "mtcs"), "did you mean 'mcts'?"),
    (("solve", *PUZZLE, "--strategy", "auto", "--router", "nope"), "router nope: no such folder"),
    (("solve", *PUZZLE, "--strategy", "auto", "--task", "countdown"), "router: task must be game24, which it was"),
    (("solve", *PUZZLE, "--task", "countdown", "--rules", "stream_of_serch"), "rules must be one of stream_of_search,"),
    (("solve", *PUZZLE, "--task", "countdown", "--rules", "countdown_3to5"), "did you mean 'countdown_3to4'?"),
    (("solve", *PUZZLE, "--simulations", "0"), "simulations must be an integer >= 1, got 0"),
    (("solve", *PUZZLE, "--simulations", "many"), "argument --simulations: invalid int value: 'many'"),
    (("solve", *PUZZLE, "--mode", "sure"), "mode must be one of blind, rules, verified, got 'sure'"),
    (("solve", *PUZZLE, "--backend", "onnx"), "backend must be one of auto, ctranslate2, transformers, server"),
    (("solve", *PUZZLE, "--tree", "tree.png"), "--tree must end in .html or .json or .svg, got tree.png"),
    (("solve", "--file", "puzzles.txt"), "puzzles.txt: No such file or directory"),
    (("solve", *PUZZLE, "--budget", "-5"), "budget must be a number >= 0, got -5.0"),
    (("check", "4", "5", "6", "x", "24"), "'x' is no integer"),
    (("play", *PUZZLE, "--checkpoint", "nope"), "checkpoint nope: no such folder"),
    (("play", "1", "1", "1", "1"), "puzzle 1 1 1 1: it has no solution"),
    (("play", "4 5 6 10 -> many"), "an integer must follow ->"),
    (("play", "--target", "36"), "--target needs the numbers too"),
    (("play", *PUZZLE, "--simulations", "0"), "simulations must be an integer >= 1, got 0"),
    (("run",), "run needs the name of a notebook"),
    (("run", "05_serch"), "did you mean 05_search?"),
    (("run", "05_search", "-p", "stpes", "3"), "05_search has no parameter 'stpes'"),
    (("run", "05_search", "-p", "simulations", "many"), "parameter simulations must be a whole number, got 'many'"),
    (("run", "06_grpo", "-p", "policy", "nope"), "checkpoint nope: no such folder, and an id of the hub is written"),
    (("run", "03_sft", "-p", "checkpoint", "runs/no/where"), "checkpoint runs/no/where: no such folder"),
    (("run", "05_search", "-p", "seeds=3"), "-p takes a name and a value, as in -p seed 3"),
    (("run", "05_search", "-f", "none.yaml"), "none.yaml: No such file or directory"),
    (("demo", "--set", "none"), "--set must be one of ablation, countdown, demo"),
    (("report", "nowhere"), "nowhere: no run here"),
    (("report", "--kind", "poem", "nowhere"), "--kind must be one of runs, sft"),
    (("board", "nowhere"), "nowhere: no run here"),
    (("board", "nowhere", "-o", "board.pdf"), "-o must end in .html, got board.pdf"),
    (("leaderboard", "nope"), "checkpoint nope: no such folder"),
    (("export", "nope", "there"), "checkpoint nope: no such folder"),
    (("tree", "none.json"), "none.json: No such file or directory"),
    (("tree", "none.json", "-o", "tree.html", "--animate", "--budget", "3"), "--animate shows the whole search"),
    (("score", "answers.jsonl"), "answers.jsonl: No such file or directory"),
    (("bench", "nothing"), "benchmark must be one of solver, generation"),
    (("bench", "solver", "--json", "none/rows.json"), "--json must lie in a folder that is there, got none/rows.json"),
    (("solve", *PUZZLE, "--strateg", "mcts", "--max-tokens", "9"), "unrecognized arguments: --max-tokens 9"),
    (("solve", *PUZZLE, "--stratgey", "mcts"), "unrecognized arguments: --stratgey mcts; did you mean '--strategy'?"),
    (("solve", *PUZZLE, "--backend", "server", "--url", "localhost"), "--url must begin with http:// or https://, got"),
    (("--verison",), "unrecognized arguments: --verison; did you mean '--version'?"),
    (("doctor", "now"), "unrecognized arguments: now (see game24lab doctor --help)"),
    (("doctor", "--url", "localhost:8000"), "--url must begin with http:// or https://, got 'localhost:8000'"),
    (("convert", "nope.gguf", "there"), "nope.gguf: must be a GGUF file, or a folder that holds one, got no such file"),
    (("publish", "nowhere", "--repo", "me/tiny"), "nowhere: no run here"),
    (("publish", "."), "the following arguments are required: --repo"),
    (("tree", "a.json", "b.json", "c.json"), "trees must be one, or two to stand side by side, got 3"),
    (("solve", *PUZZLE, "--mode", "Blind"), "mode must be one of blind, rules, verified, got 'Blind'; did you mean"),
    (("solve", "1", "2", "3", "4", "5", "6", "7"), "puzzle must have 3 to 6 numbers, got 7"),
    (("solve", "4.5", "5", "6", "10"), "'4.5' is no integer from 1 to 999999"),
    (("play", "4", "5", "6"), "puzzle 4 5 6: it has no solution, so there is nothing to race for"),
]  # fmt: skip
PROBE = f"""
import json, sys
from game24lab.cli.main import main
try:
    status = main(sys.argv[1:])
except SystemExit as end:
    status = end.code
print(json.dumps([status, sorted(set({HEAVY!r}) & set(sys.modules))]))
"""


@pytest.mark.parametrize(("words", "complaint"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_is_one_line_at_once(words, complaint, tmp_path, monkeypatch):
    """In a process of its own, so that what it has loaded can be seen; the clock of a busy machine says nothing."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = subprocess.run([sys.executable, "-c", PROBE, *words], capture_output=True, text=True, cwd=tmp_path)
    status, loaded = json.loads(done.stdout.splitlines()[-1])
    assert (status, loaded) == (2, []), done.stderr
    assert done.stdout.count("\n") == 1, "nothing is printed as a result"
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("game24lab")
    assert complaint in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing is written"
