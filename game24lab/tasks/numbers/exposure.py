"""What held-out puzzles share with a text to learn from: live positions behind them that the text begins with or shows.

It does not know how a text was made, nor what a model makes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from game24lab.tasks.numbers.arithmetic import State, alive_steps, make_state, wholly_reachable
from game24lab.tasks.numbers.puzzles import TARGET
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.problems import Sample


@dataclass(frozen=True)
class Exposure:
    """Counts; a live position is one move behind a held-out puzzle and can still make the target."""

    samples: int
    puzzles: int  # held out
    positions: int  # live ones, distinct
    begun: int  # of these, how many a sample begins with
    shown: int  # of these, how many stand in a sample at all
    puzzles_begun: int  # held-out puzzles with at least one that a sample begins with
    fraction_puzzles: int  # held-out puzzles that cannot be solved within the non-negative integers
    fraction_puzzles_begun: int

    def describe(self) -> dict[str, float]:
        """The counts, and the shares `begun_share`, `shown_share` and `puzzles_begun_share`."""
        shares = {"begun_share": self.begun / self.positions, "shown_share": self.shown / self.positions,
                  "puzzles_begun_share": self.puzzles_begun / self.puzzles}  # fmt: skip
        return vars(self) | shares


def measure_exposure(puzzles: Sequence[Sequence[int]], samples: Iterable[Sample], target: int = TARGET) -> Exposure:
    """How much of the live positions behind held-out puzzles stands in samples of solutions.

    ValueError where there are no puzzles, or none that can be solved.
    """
    task = Game24()
    live = {puzzle: {after for _, after in alive_steps(make_state(puzzle), target)} for puzzle in puzzles}
    known: set[State] = set().union(*live.values())
    if not known:
        raise ValueError(f"puzzles must hold one that can make {target}, got {len(live)} without")
    begun, shown, count = set(), set(), 0
    for sample in samples:
        state = task.read(sample.prompt)
        begun.add(state.left)
        for line in sample.completion.splitlines():
            state = task.step(state, line)
            shown.add(state.left)
        count += 1
    met = {puzzle: not positions.isdisjoint(begun) for puzzle, positions in live.items()}
    hard = [puzzle for puzzle in live if live[puzzle] and not wholly_reachable(make_state(puzzle), target)]
    return Exposure(
        samples=count, puzzles=len(live), positions=len(known), begun=len(known & begun),
        shown=len(known & (begun | shown)), puzzles_begun=sum(met.values()), fraction_puzzles=len(hard),
        fraction_puzzles_begun=sum(met[puzzle] for puzzle in hard),
    )  # fmt: skip
