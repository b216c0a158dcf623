"""What can be typed: the commands with their arguments, and the screen that lists them when none is typed.

It does not know what a command does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from game24lab.cli import score, sweep
from game24lab.report.kinds import KINDS
from game24lab.runs.checks import suggest
from game24lab.search.modes import HELP

REPORT = "report.pdf"
_NOTHING = ("-h", "--help", "--version")  # what may stand in the place of a command


@dataclass(frozen=True)
class Command:
    """One command: the group that it is listed in, what it does, and a line that shows it."""

    group: str
    about: str
    example: str


COMMANDS = {
    "play": Command("Puzzles", "race the model on a puzzle; the exact solver judges each of your lines",
                    "game24lab play 4 5 6 10"),
    "solve": Command("Puzzles", "solve puzzles with a model, one or a file of them",
                     "game24lab solve 3 3 8 8 --tree tree.html"),
    "check": Command("Puzzles", "check an answer exactly: exit status 0 if it is right, 1 if not",
                     'game24lab check 3 3 8 8 "8/(3-8/3)"'),
    "score": Command("Puzzles", "score files of anybody's answers exactly",
                     "game24lab score answers.jsonl -o verdicts.jsonl"),
    "init": Command("Experiments", "lay the notebooks and parameter sets out in a folder of yours",
                    "game24lab init lab"),
    "demo": Command("Experiments", "run the whole pipeline on the small model: data, training, critic, search, report",
                    "game24lab demo --set smoke"),
    "run": Command("Experiments", "run a notebook headless, with parameters of your own",
                   "game24lab run 05_search -p simulations 128"),
    "sweep": Command("Experiments", "run a notebook by a grid of parameters, on many cores or on a cluster",
                     "game24lab sweep params/sweeps/11_scaling.yaml --dry-run"),
    "board": Command("Results", "compare runs on one page: curves, accuracy, tokens, durations, parameters",
                     "game24lab board runs -o board.html"),
    "tree": Command("Results", "draw a search tree, or two side by side at the same number of sampled tokens",
                    "game24lab tree a.json b.json -o two.html"),
    "export": Command("Results", "write a policy as a CTranslate2 folder, checked against the model itself",
                      "game24lab export runs/03_sft/checkpoint export --compute-type int8"),
    "convert": Command("Results", "make a checkpoint folder of a GGUF file", "game24lab convert model.gguf policy"),
    "report": Command("Results", "write a PDF from run folders, without any model", "game24lab report runs/demo/*"),
    "publish": Command("Results", "send a run's model or data to the Hugging Face Hub, with a card",
                       "game24lab publish runs/demo/03_sft --repo OWNER/NAME --dry-run"),
    "leaderboard": Command("Results", "measure a checkpoint for the table to beat; leaks are refused",
                           "game24lab leaderboard runs/03_sft/checkpoint --critic runs/04_critic/checkpoint"),
    "doctor": Command("This machine", "check what works on this machine", "game24lab doctor"),
    "bench": Command("This machine", "time this package against stock implementations on the same work",
                     "game24lab bench solver generation"),
}  # fmt: skip
BENCHMARKS = ("solver", "generation", "search", "unrepeated", "legal", "exact", "backends", "grpo", "sft", "score",
              "busy", "workers", "kills", "growth")  # fmt: skip
ABOUT = "How do small language models learn to reason and search? The Game of 24 as a laboratory."


class _Parser(argparse.ArgumentParser):
    """Reports mistakes in one line; an option that is not known by the command that was given it, with the nearest."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        options, rest = self.parse_known_args(args, namespace)
        if rest:
            commands = next((action.choices for action in self._actions if isinstance(action.choices, dict)), {})
            asked = commands.get(getattr(options, "command", ""), self)
            near = suggest(rest[0], [name for name in asked._option_string_actions if name[:2] == "--"])
            asked.error(f"unrecognized arguments: {' '.join(rest)}{near}")
        return options

    def error(self, message: str) -> NoReturn:
        if message.startswith("argument -p/--parameter: expected 2"):
            message = "-p takes a name and a value, as in -p seed 3"
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def write_overview(paint: Callable[[str, str], str]) -> str:
    """All commands in their groups, with a line each and an example; `paint` gives a text a colour."""
    wide = max(map(len, COMMANDS)) + 2
    lines = [paint("game24lab", "bold") + f" - {ABOUT}"]
    for group in dict.fromkeys(command.group for command in COMMANDS.values()):
        lines += ["", paint(group, "bold")]
        for name, command in COMMANDS.items():
            if command.group == group:
                lines.append(f"  {paint(name.ljust(wide), 'green')}{command.about}")
                lines.append(f"  {'':{wide}}{paint(command.example, 'faint')}")
    return "\n".join([*lines, "", "game24lab COMMAND --help tells the rest; notebooks: game24lab run --list"])


def is_command(word: str) -> bool:
    """Whether a line may begin with a word."""
    return word in COMMANDS or word in _NOTHING


def make_parser() -> argparse.ArgumentParser:
    """The parser of a command line; it says the command's name in `command`."""
    parser = _Parser(prog="game24lab", description=ABOUT)
    parser.add_argument("--version", action="store_true", help="say the version and leave")
    everywhere = _Parser(add_help=False)
    everywhere.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=_Parser)

    def add(name: str, **options: bool) -> argparse.ArgumentParser:
        about = COMMANDS[name].about
        command = commands.add_parser(name, help=about, description=about, parents=[everywhere],
                                      epilog=f"example: {COMMANDS[name].example}", **options)  # fmt: skip
        command.set_defaults(command=name)
        return command

    _add_puzzle_commands(add)
    _add_notebook_commands(add)
    _add_result_commands(add)
    command = add("bench")
    command.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS[:3])} (default), "
                         f"{', '.join(BENCHMARKS[3:-1])}; growth: time and memory of search (runs/bench)")  # fmt: skip
    command.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    command = add("doctor")
    command.add_argument("--url", metavar="URL", help="look at an OpenAI-compatible server instead, such as "
                         "http://localhost:8000/v1")  # fmt: skip
    command.add_argument("--model", metavar="NAME", help="the served model to ask (default: the first)")
    _add_hub_commands(add)
    return parser


def _add_puzzle_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add("solve")
    command.add_argument("numbers", nargs="*", metavar="NUMBER", help="the numbers of one puzzle")
    _add_game(command, ", whose models are your own")
    command.add_argument("--file", metavar="FILE", help="puzzles, one a line, JSON lines or CSV; - for standard input")
    command.add_argument("--strategy", default="mcts", help="mcts (default), greedy, best_of_n, beam_search ...; "
                         "auto: a router chooses one for each puzzle (an unknown name lists all)")  # fmt: skip
    command.add_argument("--budget", type=float, metavar="TOKENS", help="limit of sampled tokens for each puzzle; for "
                         "--strategy auto: average per puzzle that the router plans with")  # fmt: skip
    command.add_argument("--router", metavar="DIR", help="router folder for --strategy auto (default: the shipped one)")
    command.add_argument("--width", type=int, metavar="N", help="lines sampled at a position, for mcts")
    command.add_argument("-n", type=int, metavar="N", help="samples for best_of_n")
    command.add_argument("--backend", default="auto", help="auto (default), ctranslate2, transformers or server")
    command.add_argument("--url", help="URL of an OpenAI-compatible server, such as http://localhost:8000/v1")
    command.add_argument("--anyway", action="store_true", help="search puzzles too that the exact solver finds no "
                         "solution of (a blind search never asks it)")  # fmt: skip
    command.add_argument("--tree", type=Path, metavar="FILE", help="write the search tree: a page (.html), a picture "
                         "(.svg), or the tree itself for `game24lab tree` (.json)")  # fmt: skip
    command.add_argument("--json", action="store_true", help="print one JSON object per puzzle")
    _add_player(command, "24 unless the file names one")
    command.add_argument("--preamble", default="", metavar="TEXT", help="what --checkpoint is shown before a puzzle; "
                         "tsllm: the published sentence; {target} is filled in")  # fmt: skip
    command.add_argument("--context", default="position", help="what it sees of a position: position (default), the "
                         "numbers left, or history, all lines so far")  # fmt: skip
    command.add_argument("--template", default="auto", metavar="TEXT", help="chat: its chat template; or a text with "
                         "{puzzle} (default: neither)")  # fmt: skip
    command.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0); mcts as it "
                         "comes draws nothing: it takes the likeliest lines in order")  # fmt: skip

    command = add("play")
    command.add_argument("numbers", nargs="*", metavar="NUMBER", help="the numbers of a puzzle; none: held-out puzzles "
                         'are dealt, one after the other. "4 5 6 10 -> 36" names a target')  # fmt: skip
    _add_game(command, ", whose models are your own")
    _add_player(command, "default: 24")
    command.add_argument("--seed", type=int, metavar="N", help="deal the same puzzles again, the model searches alike")

    command = add("check")
    command.add_argument("numbers", nargs="+", metavar="NUMBER", help="the numbers of the puzzle")
    command.add_argument("expression", metavar="EXPRESSION", help='such as "8/(3-8/3)"')
    command.add_argument("--strict", action="store_true", help="accept plain expressions only: no LaTeX, bold, square "
                         "brackets, implicit products or several right-hand sides (docs/written-forms.md)")  # fmt: skip
    _add_game(command)
    command.add_argument("--target", type=int, default=24, metavar="N", help="number to reach (default: 24)")

    score.add_arguments(add("score"))


def _add_game(command: argparse.ArgumentParser, told: str = "") -> None:
    """Arguments about the rules."""
    command.add_argument("--task", default="game24", help=f"game24 (default) or countdown{told}")
    command.add_argument("--rules", help="of Countdown: stream_of_search (default, every number is used), "
                         "countdown_3to4 (numbers may be left over) ...")  # fmt: skip


def _add_player(command: argparse.ArgumentParser, target: str) -> None:
    """Arguments about the models and how they search."""
    command.add_argument("--mode", default="verified", help="help for the models: " + "; ".join(
        f"{mode}{' (default)' * (mode == 'verified')}, {told}" for mode, told in HELP.items()))  # fmt: skip
    command.add_argument("--simulations", type=int, metavar="N", help="simulations for mcts")
    command.add_argument("--checkpoint", metavar="DIR", help="policy checkpoint, a folder or a hub id owner/name "
                         "(default: the shipped one)")  # fmt: skip
    command.add_argument("--critic", metavar="DIR", help="critic checkpoint (default: the shipped one)")
    command.add_argument("--target", type=int, metavar="N", help=f"number to reach ({target})")


def _add_notebook_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add("init")
    command.add_argument("folder", nargs="?", type=Path, default=Path(), metavar="DIR",
                         help="folder to lay them out in (default: this one); a file that is there stays")  # fmt: skip

    command = add("demo")
    command.add_argument("--set", default="demo", help="parameter set: a folder in params/ (default: demo)")
    command.add_argument("--output", metavar="DIR", help="folder of the runs (default: runs/<set>)")

    command = add("run", add_help=False)
    command.add_argument("name", nargs="?", metavar="NAME", help="notebook, such as 05_search (its beginning will do), "
                         "or an .ipynb file")  # fmt: skip
    command.add_argument("-f", "--file", action="append", default=[], type=Path, metavar="FILE",
                         help="YAML file of parameters; later files override earlier ones")  # fmt: skip
    command.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
                         help="one parameter; overrides files")  # fmt: skip
    command.add_argument("--output", metavar="DIR", help="folder of the run (default: runs/<set>/NAME with -f of a "
                         "parameter set, else the notebook's parameter `output`)")  # fmt: skip
    command.add_argument("--check", action="store_true", help="run nothing: say parameters, what is missing, the "
                         "model's shape, and about how much memory and time a training takes")  # fmt: skip
    command.add_argument("--list", action="store_true", help="list the notebooks")
    command.add_argument("-h", "--help", action="store_true", help="show this, or with NAME what that notebook does "
                         "and its parameters with their defaults")  # fmt: skip
    command.set_defaults(write_help=command.format_help)
    sweep.add_arguments(add("sweep"))


def _add_hub_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add("publish")
    command.add_argument("folder", type=Path, metavar="RUN", help="a finished run's folder: its checkpoint or router "
                         "is published as a model, otherwise its rows and traces as a data set")  # fmt: skip
    command.add_argument("--repo", required=True, metavar="OWNER/NAME", help="repository of the hub, made if missing")
    command.add_argument("--dry-run", action="store_true", help="show every file and the card, send nothing")
    command.add_argument("--private", action="store_true", help="make the repository private, where it is made")
    command.add_argument("--license", default="mit", help="licence as the hub names it (default: mit)")

    command = add("leaderboard")
    command.add_argument("checkpoint", nargs="?", metavar="CHECKPOINT", help="policy (default: the shipped one)")
    command.add_argument("--critic", metavar="DIR", help="critic checkpoint (default: the shipped one)")
    command.add_argument("--name", help="what the entry is called (default: after the folder)")
    command.add_argument("--ranks", action="append", metavar="RANKS", help="901-1000 or 1001-1362 (default: both)")
    command.add_argument("--mode", nargs="+", default=list(HELP), metavar="MODE", help="(default: all three)")
    command.add_argument("-f", "--file", type=Path, metavar="FILE", help="YAML with `arms:`, as in params/search "
                         "(default: MCTS of 16, 64 and 400 simulations)")  # fmt: skip
    command.add_argument("--seeds", type=int, default=1, metavar="N", help="repetitions of everything (default: 1)")
    command.add_argument("--problems", type=int, metavar="N", help="a trial: so many puzzles of each set")
    command.add_argument("--output", metavar="DIR", help="folder of the run (default: runs/leaderboard/NAME)")
    command.add_argument("--keep", type=Path, metavar="FILE", help="add the rows to this JSON")


def _add_result_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add("board")
    command.add_argument("folder", nargs="?", type=Path, default=Path("runs"), metavar="RUNS_DIR",
                         help="folder of runs, however deep they lie in it (default: runs)")  # fmt: skip
    command.add_argument("-o", "--output", type=Path, default=Path("board.html"), metavar="FILE",
                         help="page to write (default: board.html)")  # fmt: skip

    command = add("tree")
    command.add_argument("trees", nargs="+", metavar="TREE_JSON", help="such as tree.json in a run of 05_search, or "
                         "what `solve --tree tree.json` wrote")  # fmt: skip
    command.add_argument("-o", "--output", type=Path, default=Path("tree.html"), metavar="FILE",
                         help="file to write, .html or .svg (default: tree.html)")  # fmt: skip
    command.add_argument("--colour", default="value", help="value (default), mean, truth, visits, prior or depth")
    command.add_argument("--budget", type=int, metavar="TOKENS", help="show the tree after this many sampled tokens")
    command.add_argument("--animate", action="store_true", help="a picture (.svg) in which the tree grows, in a loop; "
                         "a page (.html) that replays the search once when it is opened")  # fmt: skip

    command = add("export")
    command.add_argument("checkpoint", metavar="CHECKPOINT", help="policy checkpoint, a folder or a hub id owner/name")
    command.add_argument("output", type=Path, metavar="DIR", help="folder to write; it must not exist")
    command.add_argument("--compute-type", metavar="TYPE", help="of the weights in the file: float32, float16, "
                         "bfloat16 or int8 (default: the checkpoint's own)")  # fmt: skip

    command = add("convert")
    command.add_argument("source", type=Path, metavar="FILE", help="GGUF file, or a folder that holds one")
    command.add_argument("output", type=Path, metavar="DIR", help="folder to write; it must not exist")

    command = add("report")
    command.add_argument("folders", nargs="+", metavar="RUN_FOLDER", help="a run, a folder of runs, or the JSON that a "
                         "report has left")  # fmt: skip
    command.formatter_class = argparse.RawTextHelpFormatter  # one kind a line
    command.add_argument("--kind", default="runs", metavar="KIND",
                         help="\n".join(f"{name:<11}{kind.about}" for name, kind in KINDS.items()))  # fmt: skip
    command.add_argument("-o", "--output", metavar="FILE", help=f"(default: {REPORT}, or KIND_{REPORT}, in the first "
                         "folder)")  # fmt: skip
