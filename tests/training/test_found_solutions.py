"""What searches have found: solutions by the verifier's word, each calculation once, and outcomes of positions."""

import pytest

from game24lab.search.tree import Tree
from game24lab.tasks.numbers.task import Game24
from game24lab.training.found_solutions import Archive, check, read_tree, write_samples
from game24lab.training.solver_solutions import ask_solver

TASK = Game24()
PUZZLE = (4, 5, 6, 10)
LINES = ("10 - 4 = 6 (left: 5 6 6)", "5 * 6 = 30 (left: 6 30)", "30 - 6 = 24 (left: 24)")


def make_tree(*ways):
    """A tree of lines from the root, with shared beginnings; each way is lines and the status of its last node."""
    tree, known = Tree(), {}
    tree.add(-1, "", "4 5 6 10")
    for lines, status in ways:
        node = 0
        for place, line in enumerate(lines):
            key = lines[: place + 1]
            if key not in known:
                known[key] = tree.add(node, line, "" if status == "illegal" and key == lines else "?")
            node = known[key]
        tree.status[node] = status
    return tree


def test_solutions_are_those_that_the_verifier_accepts_whatever_the_tree_says():
    wrong = (*LINES[:2], "30 + 6 = 36 (left: 36)")
    tree = make_tree((LINES, "open"), (wrong, "solved"))
    assert read_tree(TASK, PUZZLE, tree).solutions == (LINES,)


def test_one_calculation_is_kept_once_and_merged_ways_are_followed():
    other = ("5 * 6 = 30 (left: 4 10 30)", "10 - 4 = 6 (left: 6 30)")
    tree = make_tree((LINES, "solved"))
    first = tree.add(0, other[0], "?")
    tree.add(first, other[1], "?")  # the position 6 30 again, by the same calculation in another order
    turned = tree.add(0, "6 * 5 = 30 (left: 4 10 30)", "?")
    found = read_tree(TASK, PUZZLE, tree)
    assert found.positions["Input: 4 10 30\n"] == (1, 1), "it leads to a position from which an attempt was accepted"
    assert turned
    assert found.solutions == (LINES,)
    archive = Archive(TASK)
    assert archive.add("4 5 6 10", PUZZLE, [LINES, (*other, LINES[2])]) == 1
    assert archive.add("4 5 6 10", PUZZLE, [("nonsense",)]) == 0
    assert archive.list_solved() == {"4 5 6 10": [LINES]}


@pytest.mark.parametrize(("credit", "expected"), [("any", (1, 1)), ("share", (3, 1))])
def test_positions_learn_how_attempts_behind_them_ended(credit, expected):
    dead = (LINES[0], "5 + 6 = 11 (left: 6 11)", "11 - 6 = 5 (left: 5)")
    false = (LINES[0], "5 * 6 = 31 (left: 6 31)")
    left_open = ("10 - 5 = 5 (left: 4 5 6)",)
    tree = make_tree((LINES, "solved"), (dead, "wrong"), (false, "illegal"), (left_open, "open"))
    positions = read_tree(TASK, PUZZLE, tree, credit).positions
    assert positions["Input: 5 6 6\n"] == expected
    assert positions["Input: 6 11\n"] == (1, 0)
    assert positions["Input: 24\n"] == (1, 1)
    assert "Input: 4 5 6\n" not in positions, "what was left open says nothing"


def test_samples_lead_to_the_target_and_weigh_as_asked():
    archive = ask_solver(TASK, [PUZZLE, (3, 3, 8, 8)], name=lambda puzzle: " ".join(map(str, puzzle)), each=8)
    solved = archive.list_solved()
    assert len(solved["3 3 8 8"]) == 1
    assert len(solved["4 5 6 10"]) > 1
    drawn = {weigh: write_samples(archive, 400, weigh=weigh, seed=1) for weigh in ("problem", "calculation")}
    rare = {weigh: sum("/3" in sample.completion or "8/3" in sample.prompt for sample in samples)
            for weigh, samples in drawn.items()}  # fmt: skip
    assert rare["problem"] > 150 > rare["calculation"]
    assert write_samples(archive, 400, weigh="problem", seed=1) == drawn["problem"]
    for sample in drawn["problem"]:
        state = TASK.read(sample.prompt)
        if sample.ends:
            assert check(TASK, state, sample.completion.splitlines()) is not None
        else:
            assert sample.completion.count("\n") == 1


def test_moves_are_learnt_in_every_spelling_of_the_rules():
    archive = Archive(TASK)
    archive.add("4 5 6 10", PUZZLE, [LINES])
    drawn = {respell: {sample.completion for sample in write_samples(archive, 200, respell=respell, opening_share=0.0)}
             for respell in (True, False)}  # fmt: skip
    turned = (LINES[0], "6 * 5 = 30 (left: 6 30)", LINES[2])
    whole = {"".join(f"{line}\n" for line in lines) for lines in (LINES, turned)}
    assert whole <= drawn[True]
    assert len(drawn[False]) == 3, "the whole solution, and from behind its first and second line"
    root = TASK.start(PUZZLE)
    assert TASK.spell(root, "5 * 6 = 30") == ("5 * 6 = 30 (left: 4 10 30)", "6 * 5 = 30 (left: 4 10 30)")
    assert TASK.spell(root, "5 + 5 = 10") == ("5 + 5 = 10",)
