"""Interrupts: Ctrl-C, TERM and HUP held back while something is brought to an end, and raised when it has ended.

A second Ctrl-C must not cut short what the first one has set going: it is counted, and whoever ends things looks at the
count. This module does not know what the processes that it ends are for.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from typing import Any

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextlib.contextmanager
def hold_interrupts() -> Iterator[list[int]]:
    """Within the block the numbers of interrupts are gathered in the list that it gives; behind it the first is raised.

    Raised is what the handler from before raises: KeyboardInterrupt for Ctrl-C in Python's own way; SystemExit with 128
    and the number where a signal would have killed the process. Signals that are ignored stay so, as those of a command
    in the background. Outside of the main thread, where no handler can be set, nothing is held.
    """
    caught: list[int] = []
    before = {}
    with contextlib.suppress(ValueError):  # not in the main thread
        for number in _SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, lambda number, _: caught.append(number))
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if caught:
            handler = before[caught[0]]
            if callable(handler):
                handler(caught[0], None)
            raise SystemExit(128 + caught[0])


@contextlib.contextmanager
def note_interrupt(tell: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Within the block the first Ctrl-C is noted and told, and work goes on; a second one is raised as ever.

    It gives a function that says whether one has been noted. Where Ctrl-C is ignored, and outside of the main thread,
    nothing changes.
    """
    noted: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        if noted and callable(before):
            before(number, frame)
        noted.append(number)
        tell()

    held = callable(before)
    with contextlib.suppress(ValueError):  # not in the main thread
        if held:
            signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(noted)
    finally:
        with contextlib.suppress(ValueError):
            if held:
                signal.signal(signal.SIGINT, before)


class InterruptedWorkError(Exception):
    """Ends work at a place where it can be left; raised by `go_on`."""


def go_on(caught: Sequence[int]) -> None:
    """Raise InterruptedWorkError where an interrupt has been caught."""
    if caught:
        raise InterruptedWorkError


def attend(
    future: Future, find_processes: Callable[[], Sequence[subprocess.Popen | None]], has_begun: Callable[[], bool],
    caught: Sequence[int], grace: float, tick: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Wait for work in a thread and, once interrupted, end the processes that it is done in. Returns when it is done.

    The first interrupt is handed on as Ctrl-C, so that what is done can be left in good order. A second one kills the
    processes with their groups; so does the first where nothing has begun, and the end of `grace` seconds after it. A
    process that is only being started (None) is ended as soon as it is there. Each must lead a group of its own.
    Meanwhile `tick` is called several times a second.
    """
    until = math.inf
    while not wait([future], timeout=0.1).done:
        tick()
        processes = [process for process in find_processes() if process is not None] if caught else []
        if len(caught) > 1 or not has_begun() or time.monotonic() > until:
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        elif processes and until == math.inf:
            until = time.monotonic() + grace
            for process in processes:
                process.send_signal(signal.SIGINT)
