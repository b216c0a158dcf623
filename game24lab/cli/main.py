"""The command line: reads arguments, calls the module that does the work, prints where the results are.

Results go to standard output, progress and complaints to standard error. Bad input (ValueError, OSError) is one line
and exit status 2; a traceback is shown with `--debug` or GAME24LAB_DEBUG=1. Heavy packages are imported by the command
that needs them, so that `check` answers at once. This module does not know how anything is done.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from game24lab.report.kinds import KINDS
from game24lab.runs.checks import require_one_of
from game24lab.runs.messages import condense
from game24lab.runs.threads import wait_briefly
from game24lab.search.modes import HELP, open_world, read_mode

if TYPE_CHECKING:
    import pandas as pd

    from game24lab.runs.run import Run
    from game24lab.search.requests import Outcome
    from game24lab.tasks.numbers.puzzles import NumberProblem
    from game24lab.tasks.numbers.task import Game24

REPORT, TREE_PAGE, TREE = "report.pdf", "tree.html", "tree.json"


class _Parser(argparse.ArgumentParser):
    """Reports mistakes in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, 1 for a refusal or a failure, 2 for bad input, 130 interrupted."""
    wait_briefly()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["check"]:  # an expression that begins with a minus is no option
        words = [f" {word}" if word[:1] == "-" and word[1:2] not in ("", "-", "h") else word for word in words]
    options = _make_parser().parse_args(words)
    debug = options.debug or os.environ.get("GAME24LAB_DEBUG", "") not in ("", "0")
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        status = options.command(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader has closed the pipe, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        _say("game24lab: interrupted" + "; the same command goes on from here" * (options.command in (run, demo)))
        return 130
    except Exception as error:
        from game24lab.runs.notebook import CellError

        if debug or not isinstance(error, ValueError | OSError | CellError):
            raise
        _say(f"game24lab: {_describe(error)}")
        return 1 if isinstance(error, CellError) and not error.bad_input else 2


def check(options: argparse.Namespace) -> int:
    """Judge one expression: exit status 0 if it is right, 1 if not."""
    from game24lab.tasks.numbers.expressions import check_answer
    from game24lab.tasks.numbers.puzzles import parse_puzzle

    numbers = parse_puzzle(" ".join(options.numbers))
    verdict = check_answer(numbers, options.expression, options.target, strict=options.strict)
    print(f"{'right' if verdict.accepted else 'wrong'}: {verdict.reason}")
    return 0 if verdict.accepted else 1


def solve(options: argparse.Namespace) -> int:
    """Search puzzles with a model: all of them at once, one line each."""
    from game24lab.tasks.numbers.puzzles import parse_puzzle, parse_targets, read_problem, read_targets
    from game24lab.tasks.numbers.task import Game24

    if bool(options.numbers) == (options.file is not None):
        raise ValueError("solve needs four numbers such as 4 5 6 10, or --file FILE (- for standard input), got "
                         f"{'both' if options.numbers else 'neither'}")  # fmt: skip
    if options.file is None:
        found = ((parse_puzzle(" ".join(options.numbers)), options.target),)
    elif options.file == "-":
        found = parse_targets(sys.stdin, "standard input", options.target)
    else:
        found = read_targets(options.file, options.target)
    task, problems = Game24(), [read_problem(puzzle, target) for puzzle, target in found]
    if options.tree is not None:
        _check_tree_file(options.tree, len(problems))
    begin = time.perf_counter()
    outcomes, arms = _search(options, task, problems)
    from game24lab.cli.solve import describe, write_line

    for problem, outcome, arm in zip(problems, outcomes, arms, strict=True):
        row = describe(problem, outcome) | {"strategy": options.strategy, "arm": arm, "seed": options.seed}
        print(json.dumps(row) if options.json else write_line(problem, outcome))
    solved = sum(outcome.solved for outcome in outcomes)
    tokens = sum(outcome.cost.sampled_tokens for outcome in outcomes) / len(outcomes)
    _say(f"{options.strategy}, {read_mode(options.mode)}: {solved} of {len(outcomes)} solved, {tokens:.0f} sampled "
         f"tokens a puzzle, {time.perf_counter() - begin:.1f} s")  # fmt: skip
    if options.strategy == "auto":
        _say("arms: " + ", ".join(f"{arm} ({count})" for arm, count in Counter(arms).most_common()))
    if options.tree is not None:
        from game24lab.views.tree.page import write_html

        (outcome,) = outcomes
        world = open_world(task, outcome.mode)
        print(f"tree: {write_html(outcome.tree.annotate(world, world.start(problems[0])), options.tree)}",
              file=sys.stderr if options.json else sys.stdout)  # fmt: skip
    return 0


def run(options: argparse.Namespace) -> int:
    """Run one notebook headless, or list them."""
    from game24lab.runs.card import make_card
    from game24lab.runs.notebook import find_notebook, find_notebooks, parse_override, read_parameters, run_notebook

    if options.list:
        notebooks = find_notebooks()
        if not notebooks:
            raise ValueError("notebooks: none here; run in a checkout of the repository")
        for name, path in notebooks.items():
            print(name)
            for parameter in read_parameters(path).values():
                print(f"  {parameter.name} = {parameter.default!r}".ljust(44) + f"  {parameter.help}".rstrip())
        return 0
    if options.name is None:
        raise ValueError("run needs the name of a notebook; `game24lab run --list` shows them")
    path = find_notebook(options.name)
    overrides = {}
    for file in options.file:
        overrides |= _read_file(path, file)
    overrides |= {name: parse_override(path, name, text) for name, text in options.parameter}
    output = options.output
    if output is None and "output" not in overrides:
        # a file of a parameter set, params/<set>/<notebook or recipe>.yaml, has its place: later stages look there
        files = [file.resolve() for file in options.file]
        places = [f"runs/{file.parent.name}/{file.stem}" for file in files if file.parent.parent.name == "params"]
        output = places[-1] if places else None
    begin = time.perf_counter()
    done = run_notebook(path, overrides, output)
    _print_run(done, time.perf_counter() - begin)
    print(make_card(done.folder, done.manifest))
    for name in done.manifest["artefacts"]:
        print(f"  {done.folder / name}")
    return 0


def demo(options: argparse.Namespace) -> int:
    """Run all notebooks that have a file in params/<set>/, one after the other, and write a report."""
    from game24lab.runs.notebook import find_notebooks, match_notebook, run_notebook
    from game24lab.runs.progress import DEMO_SECONDS, Whole

    begin = time.perf_counter()
    notebooks = find_notebooks()
    parameters = next(iter(notebooks.values())).resolve().parent.parent / "params" if notebooks else Path("params")
    files = sorted((parameters / options.set).glob("*.yaml"))
    if not files:
        sets = sorted(folder.name for folder in parameters.glob("*") if any(folder.glob("[0-9][0-9]_*.yaml")))
        raise ValueError(f"--set must be {'one of ' + ', '.join(sets) if sets else 'in a checkout'}, got "
                         f"{options.set!r} ({parameters})")  # fmt: skip
    wanted = [match_notebook(file.stem, notebooks) for file in files]
    missing = [file.stem for file, notebook in zip(files, wanted, strict=True) if notebook is None]
    if missing:
        raise ValueError(f"{parameters / options.set / missing[0]}.yaml: there is no notebook {missing[0]}")
    overrides = [_read_file(notebook, file) for notebook, file in zip(wanted, files, strict=True)]
    folder = Path(options.output or f"runs/{options.set}")
    stages, whole = [], Whole([DEMO_SECONDS.get(file.stem, 0.0) * (options.set == "demo") for file in files])
    for number, (file, notebook, given) in enumerate(zip(files, wanted, overrides, strict=True), 1):
        _say(f"[{number}/{len(files)}] {file.stem}")
        clock = time.perf_counter()
        stages.append(run_notebook(notebook, given, folder / file.stem, whole))
        whole.spent.append(0.0 if stages[-1].before == "finished" else time.perf_counter() - clock)
        _print_run(stages[-1], time.perf_counter() - clock, sys.stderr)
    page = _write_tree_page(stages)
    pdf = folder / REPORT
    if any(stage.before != "finished" for stage in stages) or not pdf.exists():
        from game24lab.report.write import write_report

        write_report("runs", [stage.folder for stage in stages], pdf)
    measured = [stage for stage in stages if stage.path("records.parquet").exists()]
    if measured:
        _print_table(measured[-1].read_records())
    print(f"report: {pdf}")
    if page is not None:
        print(f"tree:   {page}")
    _say(f"{time.perf_counter() - begin:.0f} s")
    return 0


def tree(options: argparse.Namespace) -> int:
    """A page or a picture of one or two tree files."""
    from game24lab.views.tree.files import draw_files

    print(draw_files(options.trees, options.output, colour=options.colour, budget=options.budget))
    return 0


def report(options: argparse.Namespace) -> int:
    """A PDF from run folders; no model is needed."""
    require_one_of("--kind", options.kind, tuple(KINDS))
    from game24lab.report.write import write_report

    name = REPORT if options.kind == "runs" else f"{options.kind}_{REPORT}"
    first = Path(options.folders[0])
    usual = first.with_suffix(".pdf") if first.suffix == ".json" else first / name
    print(write_report(options.kind, options.folders, options.output or usual))
    return 0


def bench(options: argparse.Namespace) -> int:
    """Benchmarks against the stock implementations."""
    from game24lab.cli import bench as benchmarks

    return benchmarks.main(options.names, options.json)


def doctor(options: argparse.Namespace) -> int:
    """Check this machine; always exit status 0."""
    from game24lab.cli.doctor import examine

    for finding in examine():
        print(finding, flush=True)
    return 0


# ------------------------------------------------------------------------------------------------------- searching
def _search(
    options: argparse.Namespace, task: Game24, problems: Sequence[NumberProblem]
) -> tuple[list[Outcome], list[str]]:
    if options.checkpoint is None or Path(options.checkpoint).is_dir():  # nothing is downloaded
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from game24lab.cli import solve as solving

    given = {"simulations": options.simulations, "width": options.width, "n": options.n}
    given = {name: value for name, value in given.items() if value is not None}
    names = ("budget", "checkpoint", "critic", "router", "backend", "url", "seed")
    return solving.solve(task, problems, options.strategy, given, options.mode, trees=options.tree is not None,
                         **{name: getattr(options, name) for name in names})  # fmt: skip


def _check_tree_file(path: Path, puzzles: int) -> None:
    if puzzles != 1:
        raise ValueError(f"--tree needs one puzzle, got {puzzles}")
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--tree must end in .html, got {path}")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise FileNotFoundError(2, "no folder that can be written to", str(path.parent))


# ------------------------------------------------------------------------------------------------------------ runs
def _read_file(notebook: Path, file: Path) -> dict[str, Any]:
    """The parameters of a YAML file, checked against the notebook; complaints name the file."""
    from game24lab.runs.notebook import check_overrides, read_overrides

    overrides = read_overrides(file)
    try:
        return check_overrides(notebook, overrides)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _print_run(run: Run, seconds: float, stream: Any = None) -> None:
    said = {"finished": "already there", "resumed": f"resumed and finished in {seconds:.0f} s"}
    print(f"{run.name}: {said.get(run.before, f'finished in {seconds:.0f} s')}, {run.folder}", file=stream, flush=True)


def _write_tree_page(stages: Sequence[Run]) -> Path | None:
    """The tree of the last stage that has one, as a page; written where the stage has not done so itself."""
    for stage in reversed(stages):
        if stage.path(TREE_PAGE).exists():
            return stage.path(TREE_PAGE)
        if stage.path(TREE).exists():
            from game24lab.views.tree.page import write_html

            return write_html(stage.path(TREE).read_text(encoding="utf-8-sig"), stage.path(TREE_PAGE))
    return None


def _print_table(rows: pd.DataFrame) -> None:
    """Accuracy with its interval and cost of each arm, where the rows are attempts."""
    from game24lab.evaluation.tables import summarise
    from game24lab.views.tables.specifications import ARMS
    from game24lab.views.tables.table import Table

    if "strategy" in rows and "solved" in rows:
        print(Table(summarise(rows), ARMS))


def _describe(error: Exception) -> str:
    """One line, without the errno."""
    if isinstance(error, OSError) and error.strerror:
        error = f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return condense(error, 4_000)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ------------------------------------------------------------------------------------------------------- arguments
def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="game24lab", description="How do small language models learn to reason and search?")
    everywhere = _Parser(add_help=False)
    everywhere.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    def add(function: Any, help: str) -> argparse.ArgumentParser:
        command = commands.add_parser(function.__name__, help=help, description=help, parents=[everywhere])
        command.set_defaults(command=function)
        return command

    command = add(demo, "run the whole pipeline on the small model: data, training, critic, search, report")
    command.add_argument("--set", default="demo", help="parameter set: a folder in params/ (default: demo)")
    command.add_argument("--output", metavar="DIR", help="folder of the runs (default: runs/<set>)")

    command = add(run, "run a notebook headless, with parameters of your own")
    command.add_argument("name", nargs="?", metavar="NAME", help="notebook, such as 05_search, or an .ipynb file")
    command.add_argument("-f", "--file", action="append", default=[], type=Path, metavar="FILE",
                         help="YAML file of parameters; later files override earlier ones")  # fmt: skip
    command.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
                         help="one parameter; overrides files")  # fmt: skip
    command.add_argument("--output", metavar="DIR", help="folder of the run (default: runs/<set>/NAME with -f of a "
                         "parameter set, else the notebook's parameter `output`)")  # fmt: skip
    command.add_argument("--list", action="store_true", help="list the notebooks with their parameters")

    command = add(solve, "solve puzzles with a model, one or a file of them")
    command.add_argument("numbers", nargs="*", metavar="NUMBER", help="the numbers of one puzzle")
    command.add_argument("--file", metavar="FILE", help="puzzles, one a line, JSON lines or CSV; - for standard input")
    command.add_argument("--strategy", default="mcts", help="mcts (default), greedy, best_of_n, beam_search ...; "
                         "auto: a router chooses one for each puzzle (an unknown name lists all)")  # fmt: skip
    command.add_argument("--budget", type=float, metavar="TOKENS", help="limit of sampled tokens for each puzzle; for "
                         "--strategy auto: average per puzzle that the router plans with")  # fmt: skip
    command.add_argument("--router", metavar="DIR", help="router folder for --strategy auto (default: the shipped one)")
    command.add_argument("--mode", default="verified", help="help for the models: " + "; ".join(
        f"{mode}{' (default)' * (mode == 'verified')}, {told}" for mode, told in HELP.items()))  # fmt: skip
    command.add_argument("--simulations", type=int, metavar="N", help="simulations for mcts")
    command.add_argument("--width", type=int, metavar="N", help="lines sampled at a position, for mcts")
    command.add_argument("-n", type=int, metavar="N", help="samples for best_of_n")
    command.add_argument("--checkpoint", metavar="DIR", help="policy checkpoint (default: the shipped one)")
    command.add_argument("--critic", metavar="DIR", help="critic checkpoint (default: the shipped one)")
    command.add_argument("--backend", default="auto", help="auto (default), ctranslate2, transformers or server")
    command.add_argument("--url", help="URL of an OpenAI-compatible server, such as http://localhost:8000/v1")
    command.add_argument("--target", type=int, metavar="N", help="number to reach, unless the file names one (24)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    command.add_argument("--tree", type=Path, metavar="FILE", help="write the search tree as an HTML page")
    command.add_argument("--json", action="store_true", help="print one JSON object per puzzle")

    command = add(check, "check an answer exactly: exit status 0 if it is right, 1 if not")
    command.add_argument("numbers", nargs="+", metavar="NUMBER", help="the numbers of the puzzle")
    command.add_argument("expression", metavar="EXPRESSION", help='such as "8/(3-8/3)"')
    command.add_argument("--strict", action="store_true", help="accept plain expressions only: no LaTeX, bold, square "
                         "brackets, implicit products or several right-hand sides (docs/written-forms.md)")  # fmt: skip
    command.add_argument("--target", type=int, default=24, metavar="N", help="number to reach (default: 24)")

    command = add(tree, "draw a search tree, or two side by side at the same number of sampled tokens")
    command.add_argument("trees", nargs="+", metavar="TREE_JSON", help="such as tree.json in a run of 05_search")
    command.add_argument("-o", "--output", type=Path, default=Path("tree.html"), metavar="FILE",
                         help="file to write, .html or .svg (default: tree.html)")  # fmt: skip
    command.add_argument("--colour", default="value", help="value (default), mean, truth, visits, prior or depth")
    command.add_argument("--budget", type=int, metavar="TOKENS", help="show the tree after this many sampled tokens")

    command = add(report, "write a PDF from run folders, without any model")
    command.add_argument("folders", nargs="+", metavar="RUN_FOLDER", help="a run, a folder of runs, or the JSON that a "
                         "report has left")  # fmt: skip
    command.formatter_class = argparse.RawTextHelpFormatter  # one kind a line
    command.add_argument("--kind", default="runs", metavar="KIND",
                         help="\n".join(f"{name:<11}{kind.about}" for name, kind in KINDS.items()))  # fmt: skip
    command.add_argument("-o", "--output", metavar="FILE", help=f"(default: {REPORT}, or KIND_{REPORT}, in the first "
                         "folder)")  # fmt: skip

    command = add(bench, "time this package against stock implementations on the same work")
    command.add_argument("names", nargs="*", metavar="NAME", help="solver, generation, search (default), backends, "
                         "grpo, sft, busy, kills; growth: time and memory of search (runs/bench)")  # fmt: skip
    command.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")

    add(doctor, "check what works on this machine")
    return parser
