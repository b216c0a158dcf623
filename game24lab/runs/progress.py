"""Progress for a person: at a terminal two bars, the stage's and the whole's; elsewhere a line every ten seconds.

What the work itself draws is text with carriage returns, thousands of fragments of it. This module reads such text; it
does not know what is at work, and imports no heavy package.
"""

from __future__ import annotations

import io
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

# Seconds of the stages of `game24lab demo` on two AVX2 cores without bf16 units, alone on the machine (LOG.md,
# 2026-11-28), which a machine's own pace then corrects.
DEMO_SECONDS = {"01_puzzles": 15.0, "03_sft": 298.0, "04_critic": 146.0, "05_search": 115.0}
_EVERY = {True: 0.2, False: 10.0}  # seconds between two looks, at a terminal or not
_BAR = re.compile(r"\d+%\||\d+/\d+ \[|\d+it \[")  # as tqdm draws one
_LEFT = re.compile(r"<(?:(\d+):)?(\d+):(\d+)")  # what tqdm expects
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_ENOUGH = 60.0  # expected seconds that must be over before they tell how fast this machine is


@dataclass
class Whole:
    """The stages of a longer work, one after the other, with the seconds that each is expected to take; 0: unknown."""

    expected: Sequence[float]
    spent: list[float] = field(default_factory=list)  # of the finished ones; 0 where nothing was left to do

    def estimate_left(self, elapsed: float, stage_left: float | None) -> float | None:
        """Seconds until the end, from those of the current stage and what its bar expects. None where unknown."""
        place = len(self.spent)
        if place >= len(self.expected) or not all(self.expected):
            return None
        worked = [(spent, expected) for spent, expected in zip(self.spent, self.expected, strict=False) if spent]
        known = sum(expected for _, expected in worked)
        pace = sum(spent for spent, _ in worked) / known if known >= _ENOUGH else 1.0
        left = max(stage_left or 0.0, pace * self.expected[place] - elapsed, 0.0)
        if stage_left is not None:
            pace = max(pace, (elapsed + stage_left) / self.expected[place])
        return left + pace * sum(self.expected[place + 1 :])


class Screen(io.TextIOBase):
    """A stream to write to instead of standard error: bars are gathered, other lines go through at once.

    `tick` is to be called every second or so, that something is said where the work itself says nothing.
    """

    def __init__(
        self, stream: Any, name: str, whole: Whole | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream, self._name, self._whole, self._clock = stream, name, whole, clock
        self._terminal = bool(getattr(stream, "isatty", lambda: False)())
        self._begin = self._last = clock()
        self._rest, self._bar, self._seen, self._drawn = "", "", self._begin, False
        self._lock = threading.RLock()  # the work writes from a thread of its own

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        """Take what the work writes, in pieces of any kind."""
        with self._lock:
            *parts, self._rest = re.split(r"(?<=[\r\n])", self._rest + _COLOURS.sub("", text))
            for part in parts:
                self._take(part.rstrip("\r\n"), part.endswith("\n"))
            if _BAR.search(self._rest):
                self._bar, self._seen = self._rest.strip(), self._clock()
            self.tick()
        return len(text)

    def _take(self, line: str, ends: bool) -> None:
        if _BAR.search(line):
            self._bar, self._seen = line.strip(), self._clock()
        elif ends and line.strip():
            self._clear()
            self._stream.write(line + "\n")
            self._stream.flush()

    def tick(self) -> None:
        """Draw the bars, or write a line, where the last one is old enough."""
        with self._lock:
            now = self._clock()
            if now - self._last >= _EVERY[self._terminal]:
                self._last = now
                self._show(now)

    def _show(self, now: float) -> None:
        if self._terminal:
            columns = shutil.get_terminal_size().columns - 1
            lines = [line[:columns] for line in (self._describe_stage(now), self._draw_whole(now)) if line]
            drawn = "\n".join(f"\x1b[2K{line}" for line in lines)
            self._stream.write("\r" + drawn + "\x1b[1A" * (len(lines) - 1) + "\r")
            self._drawn = True
        else:
            left = self._estimate_left(now)
            self._stream.write(self._describe_stage(now) + (f"; {_say_left(left)} of the whole" if left else "") + "\n")
        self._stream.flush()

    def close_bars(self) -> None:
        """Leave nothing drawn behind, and no line unwritten: what comes next is not the stage's."""
        with self._lock:
            self._take("" if _BAR.search(self._rest) else self._rest, True)
            self._rest = ""
            self._clear()
            self._stream.flush()

    def _clear(self) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[2K\n\x1b[2K\x1b[1A\r" if self._whole is not None else "\r\x1b[2K")
            self._drawn = False

    def _describe_stage(self, now: float) -> str:
        minutes, seconds = divmod(int(now - self._begin), 60)
        # a bar that has not moved for long, or is full, is of work that is over
        fresh = self._bar and now - self._seen < 30 and not self._bar.startswith("100%")
        bar = self._bar if self._terminal else re.sub(r"\|[^|]*\|", "", self._bar)
        return f"{self._name} {minutes}:{seconds:02d}  " + (" ".join(bar.split()) if fresh else "at work")

    def _estimate_left(self, now: float) -> float | None:
        if self._whole is None:
            return None
        found, stage = _LEFT.search(self._bar) if now - self._seen < 30 else None, None
        if found:
            hours, minutes, seconds = (int(part or 0) for part in found.groups())
            stage = 3600.0 * hours + 60 * minutes + seconds
        return self._whole.estimate_left(now - self._begin, stage)

    def _draw_whole(self, now: float) -> str:
        if self._whole is None:
            return ""
        place, count = len(self._whole.spent) + 1, len(self._whole.expected)
        left = self._estimate_left(now)
        if left is None:
            return f"stage {place} of {count}"
        gone = sum(self._whole.spent) + now - self._begin
        full = round(20 * gone / (gone + left)) if gone + left else 0
        return f"whole, stage {place} of {count}  |{'█' * full}{' ' * (20 - full)}| {_say_left(left)}"


def _say_left(seconds: float) -> str:
    return f"about {max(1, round(seconds / 60))} min left"
