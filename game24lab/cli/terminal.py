"""What a terminal shows and a file does not: colour, and a line that is drawn again and again while a search runs.

Where the stream is no terminal there is no control character: texts are plain, and a long search writes a line every
ten seconds. It does not know what is searched.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

_CODES = {"bold": "1", "faint": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34"}
_EVERY = {True: 0.1, False: 10.0}  # seconds between two lines, at a terminal or not


def is_terminal(stream: Any) -> bool:
    """Whether somebody looks at a stream; False for one that is closed or none."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def paint(text: str, colour: str, stream: Any = None) -> str:
    """The text in one of "bold", "faint", "red", "green", "yellow" and "blue" where a stream is a terminal.

    The stream is standard output by default. Plain elsewhere, where NO_COLOR is set (no-color.org) and on a dumb
    terminal.
    """
    shows = is_terminal(sys.stdout if stream is None else stream)
    if not shows or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


class SearchLine:
    """What `search.engine.run` takes as `progress`, in the place of a bar: one line that says how far it is.

    Puzzles done, what the engine tells of the tokens sampled so far, and the time. As a context manager it leaves
    nothing drawn behind.
    """

    def __init__(
        self, name: str, problems: int, stream: Any = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._problems, self._clock = name, problems, clock
        self._stream = sys.stderr if stream is None else stream
        self._terminal = is_terminal(self._stream)
        self._begin = self._last = clock()
        self._done, self._drawn = 0, False
        self._told = ""

    def __enter__(self) -> SearchLine:
        self.say(f"{self._name}: loading the models")
        return self

    def __exit__(self, *_: Any) -> None:
        self._clear()
        self._stream.flush()

    def update(self, count: int = 1) -> None:
        """So many more puzzles are done."""
        self._done += count
        self._tick()

    def set_postfix_str(self, text: str) -> None:
        """What stands behind the line, as of tqdm's bars."""
        self._told = text
        self._tick()

    def say(self, text: str) -> None:
        """Draw a text in the place of the line, at a terminal only."""
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[2K{text[:width]}")
            self._stream.flush()
            self._drawn = True

    def _tick(self) -> None:
        now = self._clock()
        if now - self._last < _EVERY[self._terminal]:
            return
        self._last = now
        if self._terminal:
            self.say(self._describe(now))
        else:
            self._stream.write(self._describe(now) + "\n")
            self._stream.flush()

    def _describe(self, now: float) -> str:
        minutes, seconds = divmod(int(now - self._begin), 60)
        parts = [*filter(None, [self._told]), f"{minutes}:{seconds:02d}"]
        if self._problems > 1:
            done = min(self._done, self._problems)  # a router's probes are searches too
            full = round(20 * done / self._problems)
            bar = f"  |{'█' * full}{' ' * (20 - full)}|" if self._terminal else ":"
            return f"{self._name}{bar} {done} of {self._problems} puzzles, {', '.join(parts)}"
        return f"{self._name}: {', '.join(parts)}"

    def _clear(self) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[2K")
            self._drawn = False
