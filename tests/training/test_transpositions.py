"""Solutions that problems lend each other: what is joined is verified, and nothing is joined from nowhere."""

from game24lab.tasks.numbers.task import Game24
from game24lab.training.found_solutions import Archive
from game24lab.training.transpositions import MOST, Transpositions

TASK = Game24()
PUZZLES = {"4 5 6 10": (4, 5, 6, 10), "2 5 6 8": (2, 5, 6, 8), "1 5 6 6": (1, 5, 6, 6)}
LINES = ("10 - 4 = 6 (left: 5 6 6)", "5 * 6 = 30 (left: 6 30)", "30 - 6 = 24 (left: 24)")
SIX = "8 - 2 = 6 (left: 5 6 6)"


def make_table():
    archive = Archive(TASK)
    archive.add("4 5 6 10", PUZZLES["4 5 6 10"], [LINES])
    for name, puzzle in PUZZLES.items():
        archive.add(name, puzzle, [])
    return Transpositions(archive)


def test_a_position_that_another_solution_passes_is_solved_by_the_same_rest():
    table = make_table()
    table.reach({"2 5 6 8": {"Input: 5 6 6\n": (SIX,)}})
    joined, positions = table.join(PUZZLES)
    assert joined == 1
    assert table.archive.list_solved()["2 5 6 8"] == [(SIX, *LINES[1:])]
    assert positions == {"Input: 2 5 6 8\n": (1, 1), "Input: 5 6 6\n": (1, 1), "Input: 6 30\n": (1, 1)}
    assert table.join(PUZZLES) == (0, {}), "nothing comes of the same twice"


def test_what_is_joined_lends_on():
    table = make_table()
    other = ("5 * 6 = 30 (left: 6 30)", "30 - 6 = 24 (left: 24)")
    table.reach({"1 5 6 6": {"Input: 5 6 6\n": ("6 * 1 = 6 (left: 5 6 6)",)},
                 "2 5 6 8": {"Input: 6 30\n": (SIX, other[0])}})  # fmt: skip
    joined, _ = table.join(PUZZLES)
    assert joined == 2
    assert set(table.archive.list_solved()) == set(PUZZLES)


def test_a_way_that_the_rules_refuse_joins_nothing():
    table = make_table()
    table.reach({"2 5 6 8": {"Input: 5 6 6\n": ("8 - 2 = 5 (left: 5 6 6)",), "Input: 1 2 3\n": (SIX,)}})
    assert table.join(PUZZLES) == (0, {})
    assert "2 5 6 8" not in table.archive.list_solved()


def test_a_problem_with_many_calculations_is_lent_no_more():
    table = make_table()
    known = [("x",)] * MOST
    table.archive.count = lambda name: len(known) if name == "2 5 6 8" else 0
    table.reach({"2 5 6 8": {"Input: 5 6 6\n": (SIX,)}})
    assert table.join(PUZZLES) == (0, {})
