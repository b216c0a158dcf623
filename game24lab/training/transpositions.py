"""Solutions that problems lend each other: where a search has reached a position that a known solution of any problem
passes, the rest of that solution is one of this problem's too.

A transposition table over all problems, filled by verified solutions alone (for that of a single search see Greenblatt,
Eastlake, Crocker 1967). What is joined is said to the verifier again. It does not know models, searches, nor the
solver: of a position that no solution passes it knows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from game24lab.training.found_solutions import Archive, Lines

MOST = 16  # calculations of a problem from which on nothing is joined to them


@dataclass
class Transpositions:
    """The positions that searches have reached, by problem, and the ways to their ends that are known."""

    archive: Archive
    reached: dict[str, dict[str, Lines]] = field(default_factory=dict)  # problem -> text of a position -> way to it
    rests: dict[str, dict[Lines, None]] = field(default_factory=dict)  # text of a position -> ways on to the end
    _read: dict[str, int] = field(default_factory=dict, repr=False)  # solutions of each problem that are in `rests`
    _tried: set[tuple[str, Lines]] = field(default_factory=set, repr=False)

    def reach(self, ways: Mapping[str, Mapping[str, Lines]]) -> None:
        """Take in what searches have reached: by problem, text of a position and the lines to it."""
        for name, own in ways.items():
            known = self.reached.setdefault(name, {})
            for text, way in own.items():
                known.setdefault(text, tuple(way))

    def join(self, problems: Mapping[str, Any]) -> tuple[int, dict[str, tuple[float, float]]]:
        """Add to the archive what ways and rests make together, until nothing new comes of it.

        Returns how many calculations are new, and the positions that they pass with an accepted attempt each.
        """
        total, positions = 0, {}
        while True:
            self._read_archive()
            new = 0
            for name in self.reached:
                for whole in self._list_joints(name):
                    self._tried.add((name, whole))
                    if self.archive.add(name, problems[name], [whole]):
                        new += 1
                        positions |= dict.fromkeys(self._pass(name, whole), (1, 1))
            if not new:
                return total, positions
            total += new

    def _read_archive(self) -> None:
        for name, solutions in self.archive.list_solved().items():
            for lines in solutions[self._read.get(name, 0) :]:
                for place, text in enumerate(self._pass(name, lines)):
                    if place:
                        self.rests.setdefault(text, {}).setdefault(lines[place:])
            self._read[name] = len(solutions)

    def _list_joints(self, name: str) -> list[Lines]:
        room = MOST - self.archive.count(name)
        if room <= 0:
            return []
        joints = dict.fromkeys((*way, *rest) for text, way in self.reached[name].items()
                               for rest in self.rests.get(text, ()))  # fmt: skip
        return [whole for whole in joints if (name, whole) not in self._tried][:room]

    def _pass(self, name: str, lines: Lines) -> list[str]:
        """The texts of the positions before each line."""
        task, state, texts = self.archive.task, self.archive.start(name), []
        for line in lines:
            texts.append(task.text(state))
            state = task.step(state, line)
        return texts
