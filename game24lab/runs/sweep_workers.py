"""Gives the cells of a sweep to workers and waits for them, with one bar; a dead worker's cells go on elsewhere.

A cell resumes where its run stood, and says how far it is in a file beside its folder (`name_log`). One that fails is
named, and so is one on which a worker has died thrice; the rest goes on. This module does not know where workers come
from (`runs.cluster`), nor what cells are.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from game24lab.runs.cluster import DEATHS, load
from game24lab.runs.messages import condense
from game24lab.runs.sweep import Sweep

_LOOK = 2.0  # seconds between two looks for further workers
_TELL = 10.0  # seconds between two updates of the bar, which nothing else moves for as long as a cell takes
_WAIT = 60.0  # seconds that a cell waits for the last process of a worker that has died


def name_log(folder: Path | str) -> Path:
    """The file that says how far the cell of a folder is, a line every ten seconds, and what it warns of."""
    return Path(f"{folder}.log")


def run_cell(notebook: str, parameters: Mapping[str, Any], folder: str, where: str) -> str:
    """One cell, on a worker: "" where it has finished, else why it failed. Interrupts and deaths are not caught."""
    from game24lab.runs.notebook import CellError, run_notebook

    os.chdir(where)  # parameters name files as seen from there
    begin = time.monotonic()
    while True:
        try:
            with open(name_log(folder), "a", encoding="utf-8") as log:
                run_notebook(notebook, parameters, folder, stream=log)
            return ""
        except (ValueError, OSError, CellError) as error:
            if "is working on it" in str(error) and time.monotonic() - begin < _WAIT:
                time.sleep(1.0)  # the kernel of a worker that was killed ends a moment after it
                continue
            return condense(error) or type(error).__name__


def run_cells(
    client: Any, sweep: Sweep, names: list[str], folder: Path, *, progress: Callable[..., Any],
    told: Callable[[str], None] = print,
) -> tuple[list[str], dict[str, str]]:  # fmt: skip
    """Run some cells of a sweep on a client's workers: those that finished, and why others failed, by name.

    progress makes a bar such as `tqdm` of `total`; `told` is given a line for each cell that fails, at once.
    """
    distributed = load("distributed")
    cells, waiting, busy = {cell.name: cell for cell in sweep.cells}, list(names), {}
    done: list[str] = []
    failed: dict[str, str] = {}

    def submit(name: str) -> Any:
        return client.submit(run_cell, str(sweep.notebook.resolve()), dict(cells[name].parameters),
                             str((folder / name).resolve()), os.getcwd(), key=f"{name}-{time.time_ns()}", pure=False)

    told(f"how far each cell is: {name_log(folder / 'CELL')}")
    with progress(total=len(names), unit="cell") as bar:
        drawn = -_TELL
        while waiting or busy:
            # as many as there are workers now: of two cells on one that dies, one would be blamed for the other
            while waiting and len(busy) < max(1, sum(client.nthreads().values())):
                name = waiting.pop(0)
                busy[submit(name)] = name
            if time.monotonic() - drawn > _TELL:
                drawn = time.monotonic()
                bar.set_postfix_str(f"{len(busy)} at work")
            with contextlib.suppress(TimeoutError):
                distributed.wait(list(busy), timeout=_LOOK, return_when="FIRST_COMPLETED")
            for future in [future for future in busy if future.done()]:
                name, reason = busy.pop(future), _read(future, distributed)
                if reason:
                    failed[name] = reason
                    told(f"cell {name} failed, the rest goes on: {reason}")
                else:
                    done.append(name)
                bar.update(1)
    return done, failed


def _read(future: Any, distributed: Any) -> str:
    """Why a cell has failed, "" where it has not."""
    if future.status == "finished":
        return future.result()
    error = future.exception()
    if isinstance(error, distributed.KilledWorker):
        return f"a worker died on it {DEATHS} times"
    return condense(error) or type(error).__name__
