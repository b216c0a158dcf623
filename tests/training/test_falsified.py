"""Chains made false: every row is false by the exact judge from a line on, and the same for the same seed."""

from collections import Counter

from game24lab.tasks.numbers.arithmetic import make_state, solutions
from game24lab.tasks.numbers.belief import FAULTS
from game24lab.tasks.numbers.splits import make_split
from game24lab.tasks.numbers.steps import write_solution
from game24lab.tasks.numbers.task import Game24
from game24lab.training.falsified import falsify

WORLD = Game24().believe()
SPLIT = make_split("tot")


def write(puzzle):
    lines = write_solution(puzzle, next(solutions(make_state(puzzle))))
    return f"Input: {' '.join(map(str, puzzle))}\n" + "".join(line + "\n" for line in lines)


TEXTS = [write(puzzle) for puzzle in SPLIT.train[:200]]


def test_every_row_is_false_from_its_last_line_or_before():
    rows = falsify(WORLD, TEXTS, 400, seed=1)
    kinds = Counter()
    assert len(rows) > 400  # several beginnings of most
    assert rows["text"].is_unique
    assert (rows[["visits", "solved", "copies"]] == [1, 0, 1]).all().all()
    for text in rows["text"]:
        state = WORLD.read(text)
        fault = WORLD.find_fault(state)
        assert fault is not None
        assert 0 <= fault.line < len(state.lines)
        kinds[fault.kind] += 1
    assert {"calculation", "left list", "invented number", "reused number"} <= set(kinds) <= set(FAULTS)


def test_no_beginning_of_a_true_line_is_called_false():
    texts = set(falsify(WORLD, TEXTS, 400, seed=2)["text"])
    for text in TEXTS:
        lines = text.split("\n")
        assert not {"\n".join(lines[:end]) + "\n" for end in range(1, len(lines))} & texts


def test_equal_seeds_give_equal_rows_and_others_do_not():
    assert falsify(WORLD, TEXTS, 50, seed=3).equals(falsify(WORLD, TEXTS[::-1], 50, seed=3))
    assert not falsify(WORLD, TEXTS, 50, seed=3).equals(falsify(WORLD, TEXTS, 50, seed=4))


def test_what_is_held_out_is_never_shown():
    avoid = make_split("tot+strict").forbidden | {make_state((9, 9))}
    for text in falsify(WORLD, TEXTS, 300, avoid=avoid)["text"]:
        assert not WORLD.shows(WORLD.read(text), avoid)


def test_no_chains_give_no_rows():
    assert falsify(WORLD, [], 10).empty
