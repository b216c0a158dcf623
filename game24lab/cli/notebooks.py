"""The commands about notebooks: `run` runs one headless, lists them or tells of one; `demo` runs a set, one by one.

Results go to standard output, stage lines to standard error. It does not know what a notebook computes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from game24lab.cli.arguments import REPORT
from game24lab.cli.terminal import paint

if TYPE_CHECKING:
    import pandas as pd

    from game24lab.runs.run import Run

TREE_PAGE, TREE = "tree.html", "tree.json"
SWEEPS = "sweeps"  # the folder of params/ whose files are of `game24lab sweep`
_NARROW = 60  # columns that a description gets at least


def run(options: argparse.Namespace) -> int:
    """Run one notebook headless, list them all, or tell of one."""
    from game24lab.runs.card import make_card
    from game24lab.runs.notebook import find_notebook, find_notebooks, parse_override, run_notebook

    if options.list:
        print("\n".join(_list_notebooks(find_notebooks())))
        return 0
    if options.name is None:
        if options.help:
            print(options.write_help(), end="")
            return 0
        raise ValueError("run needs the name of a notebook; `game24lab run --list` shows them")
    path = find_notebook(_complete(options.name, find_notebooks()))
    if options.help:
        print("\n".join(describe_notebook(path, shutil.get_terminal_size().columns)))
        return 0
    overrides = {}
    for file in options.file:
        overrides |= _read_file(path, file)
    overrides |= {name: parse_override(path, name, text) for name, text in options.parameter}
    if options.check:
        from game24lab.cli.dry_run import examine
        from game24lab.runs.notebook import check_overrides, read_parameters

        changed = check_overrides(path, overrides)
        usual = {name: one.default for name, one in read_parameters(path).items()}
        print("\n".join(examine(path.stem, usual | changed, changed)))
        return 0
    output = options.output
    if output is None and "output" not in overrides:
        # a file of a parameter set, params/<set>/<notebook or recipe>.yaml, has its place: later stages look there
        files = [file.resolve() for file in options.file]
        places = [f"runs/{file.parent.name}/{file.stem}" for file in files if file.parent.parent.name == "params"]
        output = places[-1] if places else None
    begin = time.perf_counter()
    done = run_notebook(path, overrides, output, check=lambda values: _check_places(path, values))
    _print_run(done, done.name, time.perf_counter() - begin)
    print(make_card(done.folder, done.manifest))
    for name in done.manifest["artefacts"]:
        print(f"  {done.folder / name}")
    if done.path("records.parquet").exists():
        _print_table(done.read_records())
    return 0


def demo(options: argparse.Namespace) -> int:
    """Run all notebooks that have a file in params/<set>/, one after the other, and write a report."""
    from game24lab.runs.notebook import find_notebooks, match_notebook, run_notebook
    from game24lab.runs.progress import DEMO_SECONDS, Whole

    begin = time.perf_counter()
    notebooks = find_notebooks()
    parameters = next(iter(notebooks.values())).resolve().parent.parent / "params" if notebooks else Path("params")
    files = sorted((parameters / options.set).glob("*.yaml")) if options.set != SWEEPS else []
    if not files:
        sets = sorted(folder.name for folder in parameters.glob("*") if any(folder.glob("[0-9][0-9]_*.yaml"))
                      and folder.name != SWEEPS)  # fmt: skip
        known = f"one of {', '.join(sets)}" if sets else "a folder in params, which `game24lab init DIR` lays out"
        raise ValueError(f"--set must be {known}, got {options.set!r} ({parameters})")
    wanted = [match_notebook(file.stem, notebooks) for file in files]
    missing = [file.stem for file, notebook in zip(files, wanted, strict=True) if notebook is None]
    if missing:
        raise ValueError(f"{parameters / options.set / missing[0]}.yaml: there is no notebook {missing[0]}")
    overrides = [_read_file(notebook, file) for notebook, file in zip(wanted, files, strict=True)]
    folder = Path(options.output or f"runs/{options.set}")
    stages, whole = [], Whole([DEMO_SECONDS.get(file.stem, 0.0) * (options.set == "demo") for file in files])
    for number, (file, notebook, given) in enumerate(zip(files, wanted, overrides, strict=True), 1):
        _say(f"[{number}/{len(files)}] {file.stem}{_tell(read_title(notebook), whole.expected[number - 1])}")
        clock = time.perf_counter()
        stages.append(run_notebook(notebook, given, folder / file.stem, whole))
        whole.spent.append(0.0 if stages[-1].before == "finished" else time.perf_counter() - clock)
        _print_run(stages[-1], file.stem, time.perf_counter() - clock, sys.stderr)
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


def describe_notebook(path: Path, columns: int) -> list[str]:
    """What a notebook says of itself in its first cell, and its parameters with their defaults, in so many columns."""
    from game24lab.runs.notebook import read_parameters

    parameters = list(read_parameters(path).values())
    title, *told = _read_first_cell(path)
    lines = [paint(title or path.stem, "bold"), ""]
    for paragraph in "\n".join(told).strip().split("\n\n"):
        lines += [*textwrap.wrap(paragraph, max(_NARROW, columns - 1)), ""] if paragraph else []
    lines += [paint("parameters, as -p NAME VALUE or in a file (-f)", "bold")]
    left = min(36, max((len(f"{one.name} = {one.default!r}") for one in parameters), default=0) + 2)
    for one in parameters:
        head = f"{one.name} = {one.default!r}"
        wrapped = textwrap.wrap(one.help, max(_NARROW, columns - left - 5)) or [""]
        if len(head) + 2 > left:
            lines += [f"  {head}", *(f"  {'':{left}}{line}" for line in wrapped if line)]
        else:
            lines += [f"  {head.ljust(left)}{wrapped[0]}".rstrip(), *(f"  {'':{left}}{line}" for line in wrapped[1:])]
    return lines


def read_title(path: Path) -> str:
    """What a notebook is called in its first cell, without its number; "" where it has no title."""
    title = _read_first_cell(path)[0]
    return title.partition("·")[2].strip() or title


def _list_notebooks(notebooks: dict[str, Path]) -> Iterable[str]:
    if not notebooks:
        raise ValueError("notebooks: none here; `game24lab init DIR` lays them out")
    wide = max(map(len, notebooks)) + 2
    for name, path in notebooks.items():
        yield f"{paint(name.ljust(wide), 'green')}{read_title(path)}".rstrip()
    yield ""
    yield "game24lab run NAME --help tells what a notebook does and its parameters; game24lab run NAME runs it"


def _complete(name: str, notebooks: dict[str, Path]) -> str:
    """The one notebook whose name begins so, or what was given."""
    found = [known for known in notebooks if known.startswith(name)]
    return found[0] if len(found) == 1 and name not in notebooks else name


def _read_first_cell(path: Path) -> list[str]:
    """The lines of a notebook's first cell of text, the first without its mark of a title; [""] where there is none."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell.get("cell_type") == "markdown"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # it is read again, and refused there
        texts = []
    first, *rest = (texts or [""])[0].splitlines() or [""]
    return [first.lstrip("# "), *rest]


def _read_file(notebook: Path, file: Path) -> dict[str, Any]:
    """The parameters of a YAML file, checked against the notebook; complaints name the file."""
    from game24lab.runs.notebook import check_overrides, read_overrides

    overrides = read_overrides(file)
    try:
        return check_overrides(notebook, overrides)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _check_places(notebook: Path, values: Mapping[str, Any]) -> None:
    """ValueError for a checkpoint that is no folder, seen from where the notebook works, and cannot be a hub id."""
    from game24lab.models.locations import check_location
    from game24lab.runs.notebook import read_parameters

    here = notebook.parent.parent if Path.cwd().resolve() == notebook.resolve().parent else Path()
    for one in read_parameters(notebook).values():
        place = values[one.name]
        if one.help.startswith("checkpoint") and place not in ("", "shipped") and not (here / place).is_dir():
            check_location(place)


def _tell(title: str, seconds: float) -> str:
    """The end of a stage's line."""
    minutes = f", about {max(1, round(seconds / 60))} min" if seconds else ""
    return f": {title}{minutes}" if title else minutes


def _print_run(run: Run, name: str, seconds: float, stream: Any = None) -> None:
    said = {"finished": "already there", "resumed": f"resumed and finished in {seconds:.0f} s"}
    print(f"{name}: {said.get(run.before, f'finished in {seconds:.0f} s')}, {run.folder}", file=stream, flush=True)


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

    if {"strategy", "solved", "mode", "problem", "sampled_tokens", "policy_parameters"} <= set(rows):
        print(Table(summarise(rows), ARMS))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
