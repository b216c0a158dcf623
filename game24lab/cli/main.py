"""The command line: reads arguments, calls the module that does the work, prints where the results are.

Results go to standard output, progress and complaints to standard error. Bad input (ValueError, OSError) is one line
and exit status 2; a traceback is shown with `--debug` or GAME24LAB_DEBUG=1. Heavy packages are imported by the command
that needs them, so that `check` answers at once. This module does not know how anything is done.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from game24lab.cli.arguments import BENCHMARKS, COMMANDS, REPORT, is_command, make_parser, write_overview
from game24lab.cli.leaderboard import leaderboard
from game24lab.cli.notebooks import demo, run
from game24lab.cli.project import init
from game24lab.cli.publish import publish
from game24lab.cli.puzzles import check, play, solve
from game24lab.cli.score import score
from game24lab.cli.sweep import sweep
from game24lab.cli.terminal import paint
from game24lab.models.hub import check_hub
from game24lab.models.locations import check_location, check_url, require_gguf
from game24lab.report.kinds import KINDS
from game24lab.runs.checks import require_one_of, require_place, suggest
from game24lab.runs.messages import condense
from game24lab.runs.provenance import read_version
from game24lab.runs.run import find_runs, read_run
from game24lab.runs.threads import wait_briefly


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, 1 for a refusal or a failure, 2 for bad input, 130 interrupted.

    Without a command all are listed.
    """
    wait_briefly()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["check"]:  # an expression that begins with a minus is no option
        words = [f" {word}" if word[:1] == "-" and word[1:2] not in ("", "-", "h") else word for word in words]
    parser = make_parser()
    if words and words[0][:1] != "-" and not is_command(words[0]):
        parser.error(f"COMMAND must be one of {', '.join(COMMANDS)}, got {words[0]!r}{suggest(words[0], COMMANDS)}")
    options = parser.parse_args(words)
    name = getattr(options, "command", "")
    debug = getattr(options, "debug", False) or os.environ.get("GAME24LAB_DEBUG", "") not in ("", "0")
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        status = _FUNCTIONS[name](options) if name else _introduce(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader has closed the pipe, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        _say("game24lab: interrupted" + "; the same command goes on from here" * (name in ("run", "demo"))
             + "; the same command with --resume goes on from here" * (name == "sweep"))
        return 130
    except Exception as error:
        from game24lab.runs.notebook import CellError

        if debug or not isinstance(error, ValueError | OSError | CellError):
            raise
        _say(f"game24lab: {_describe(error)}")
        return 1 if isinstance(error, CellError) and not error.bad_input else 2


def board(options: argparse.Namespace) -> int:
    """A page that compares runs; no model is needed."""
    from game24lab.report.board import write_board

    print(write_board(options.folder, options.output))
    return 0


def tree(options: argparse.Namespace) -> int:
    """A page or a picture of one or two tree files."""
    from game24lab.views.tree.files import draw_files

    print(draw_files(options.trees, options.output, colour=options.colour, budget=options.budget,
                     animate=options.animate))  # fmt: skip
    return 0


def export(options: argparse.Namespace) -> int:
    """A CTranslate2 folder of a checkpoint; one that is there stays as it is."""
    check_location(options.checkpoint)
    check_hub(options.checkpoint)
    if options.output.exists():
        raise ValueError(f"DIR must not exist, got {options.output}")
    from game24lab.models.backends.ctranslate2_export import export_ctranslate2

    print(export_ctranslate2(options.checkpoint, options.output, compute_type=options.compute_type))
    return 0


def convert(options: argparse.Namespace) -> int:
    """A checkpoint folder of a GGUF file."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    require_gguf(options.source)
    if options.output.exists():
        raise ValueError(f"DIR must not exist, got {options.output}")
    from game24lab.models.gguf import convert_gguf

    print(convert_gguf(options.source, options.output))
    return 0


def report(options: argparse.Namespace) -> int:
    """A PDF from run folders; no model is needed."""
    require_one_of("--kind", options.kind, tuple(KINDS))
    parents = {Path(folder).parent for folder in options.folders if Path(folder).is_dir()}
    beside = [one for one in options.folders if Path(one).is_file() and Path(one).parent in parents]  # of `runs/demo/*`
    folders = [folder for folder in options.folders if folder not in beside]
    if beside:
        _say(f"{', '.join(beside)}: no runs, left out")
    for folder in folders:
        if not folder.endswith(".json"):  # a report's kept numbers
            find_runs(folder) or read_run(folder)  # complains before tables and figures are imported
    from game24lab.report.write import write_report

    name = REPORT if options.kind == "runs" else f"{options.kind}_{REPORT}"
    first = Path(folders[0])
    usual = first.with_suffix(".pdf") if first.suffix == ".json" else first / name
    print(write_report(options.kind, folders, options.output or usual))
    return 0


def bench(options: argparse.Namespace) -> int:
    """Benchmarks against the stock implementations."""
    for name in options.names:
        require_one_of("benchmark", name, BENCHMARKS)
    if options.json is not None:
        require_place("--json", options.json)
    from game24lab.cli import bench as benchmarks

    return benchmarks.main(options.names, options.json)


def doctor(options: argparse.Namespace) -> int:
    """Check this machine; always exit status 0."""
    from game24lab.cli.doctor import BROKEN, OK, examine, look_at_server

    if options.model is not None and options.url is None:
        raise ValueError("--model names what a server serves: give its --url too")
    if options.url is not None:
        check_url(options.url)
    colours, broken = {OK: "green", BROKEN: "red"}, []
    for finding in examine() if options.url is None else look_at_server(options.url, options.model):
        state = f"{finding.state:<8}"
        print(paint(state, colours.get(finding.state, "faint")) + str(finding).removeprefix(state), flush=True)
        broken += [finding.name] if finding.state == BROKEN else []
    verdict = f"broken: {', '.join(broken)}" if broken else "everything that is needed works"
    print(paint(verdict, "red" if broken else "green"))
    return 0


_FUNCTIONS = {function.__name__: function for function in (
    play, solve, check, score, init, demo, run, sweep, board, tree, export, convert, report, publish, leaderboard,
    doctor, bench,
)}  # fmt: skip


def _introduce(options: argparse.Namespace) -> int:
    """The version, or all commands."""
    if options.version:
        print(f"game24lab {read_version()}")
    else:
        print(write_overview(paint))
    return 0


def _describe(error: Exception) -> str:
    """One line, without the errno."""
    if isinstance(error, OSError) and error.strerror:
        error = f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return condense(error, 4_000)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
