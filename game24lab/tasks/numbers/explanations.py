"""Why a target can be made of some numbers, or can not: one plain sentence, proved by exact enumeration.

It does not know of models' lines, of searches, or of who reads the sentence.
"""

from __future__ import annotations

from fractions import Fraction

from game24lab.tasks.numbers.arithmetic import State, Step, compose, legal_steps, reachable

_LISTED = 4  # numbers whose ends are all listed: some thousands; six numbers have millions


def explain(state: State, target: Fraction | int = 24) -> str:
    """One way to make the target, or what the numbers make instead; a sentence without its full stop.

    Of at most four numbers all ends are listed; of more the exact solver's word is given.
    """
    if len(state) == 1:
        return f"{target} is left" if state[0] == target else f"{state[0]} is left, not {target}"
    if reachable(state, target):
        return f"{target} is within reach: {compose(state, find_way(state, target))} = {target}"
    numbers = ", ".join(map(str, state[:-1])) + f" and {state[-1]}"
    if len(state) > _LISTED:
        return f"{target} is out of reach: the exact solver finds no way to make it of {numbers}"
    ends = list_ends(state)
    if len(state) == 2:
        made = sorted(ends)
        return f"{target} is out of reach: {numbers} make {', '.join(map(str, made[:-1]))} and {made[-1]} only"
    near = min(ends, key=lambda value: (abs(value - target), value))
    nearest = f"{compose(state, ends[near])} = {near}"
    return (f"{target} is out of reach: {numbers} make {len(ends):,} different numbers, none of them {target}; the "
            f"nearest is {nearest}")  # fmt: skip


def find_way(state: State, target: Fraction | int = 24) -> tuple[Step, ...]:
    """The first solution in the order of `legal_steps`. ValueError where there is none."""
    if not reachable(state, target):
        raise ValueError(f"a way to {target} must exist, got the numbers {' '.join(map(str, state))}, which have none")
    way = []
    while len(state) > 1:
        step, state = next((step, after) for step, after in legal_steps(state) if reachable(after, target))
        way.append(step)
    return tuple(way)


def list_ends(state: State) -> dict[Fraction, tuple[Step, ...]]:
    """Every number that all moves together can end in, each with the first way there."""
    ways: dict[State, tuple[Step, ...]] = {state: ()}
    for _ in state[1:]:
        further: dict[State, tuple[Step, ...]] = {}
        for before, steps in ways.items():
            for step, after in legal_steps(before):
                further.setdefault(after, (*steps, step))
        ways = further
    return {end: steps for (end,), steps in ways.items()}
