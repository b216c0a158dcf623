"""The page of written forms is what is read: every row of `docs/written-forms.md`, by every judge, both ways."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from game24lab.tasks.gsm8k.task import judge_answer
from game24lab.tasks.numbers.chain_task import Chains24
from game24lab.tasks.numbers.chains import judge_chain
from game24lab.tasks.numbers.expressions import check_answer
from game24lab.tasks.numbers.puzzles import NumberProblem, read_problem
from game24lab.tasks.numbers.rewards import REWARDS
from game24lab.tasks.quantities import read_number
from game24lab.tasks.task import follow

PAGE = Path(__file__).parents[2] / "docs" / "written-forms.md"


def read_tables():
    """The rows of the two tables: their cells, code without its marks."""
    tables = []
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        lines = [line for line in part.splitlines() if line.startswith("|")][2:]
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        if part.startswith("Where"):  # no forms
            continue
        tables.append([[re.sub(r"^(`+) ?(.*?) ?\1$", r"\2", cell) for cell in row] for row in rows])
    return tables


EXPRESSIONS, NUMBERS = read_tables()


def test_there_are_enough_rows_and_none_stands_twice():
    assert len(EXPRESSIONS) >= 60
    assert len(NUMBERS) >= 45
    for rows, key in ((EXPRESSIONS, 2), (NUMBERS, 1)):
        names = [tuple(row[:key]) for row in rows]
        assert len(set(names)) == len(names)
    assert {row[2] for row in EXPRESSIONS} == {row[3] for row in EXPRESSIONS} == {"right", "refused"}


@pytest.mark.parametrize(("numbers", "written", "lenient", "strict", "why"), EXPRESSIONS)
def test_expressions_are_read_as_the_page_says(numbers, written, lenient, strict, why):
    shown, _, aim = numbers.partition(" -> ")
    puzzle, target = tuple(map(int, shown.split())), int(aim or 24)
    for wanted, narrow in ((lenient, False), (strict, True)):
        check = check_answer(puzzle, written, target, strict=narrow)
        assert check.accepted == (wanted == "right"), check.reason
        assert check.reason
        assert "\n" not in check.reason
        ends = (f"<answer>{written}</answer>", f"reach {target}! expression: {written}\n", f"Answer: {written}\n")
        for chain in ends:
            assert judge_chain(NumberProblem(puzzle, target), chain, strict=narrow).solved == (wanted == "right"), chain
    chain = f"<think> so </think> <answer>{written}</answer>"
    assert REWARDS.functions["output"](read_problem(puzzle, target), chain) == (lenient == "right")
    task = Chains24()
    assert task.verdict(follow(task, task.start(read_problem(puzzle, target)), chain)[0]).solved == (lenient == "right")


@pytest.mark.parametrize(("written", "lenient", "strict", "why"), NUMBERS)
def test_numbers_are_read_as_the_page_says(written, lenient, strict, why):
    for wanted, narrow in ((lenient, False), (strict, True)):
        read = read_number(written, strict=narrow)
        assert (None if read is None else read.value) == (None if wanted == "-" else Fraction(wanted))
    if lenient != "-":
        assert judge_answer(Fraction(lenient), f"<answer>{written}</answer>").solved
    for other in (5, 3, 2, 16, 42, Fraction(21, 2), 70, 1, 9, 500, 19):
        assert other in (Fraction(lenient if lenient != "-" else -1), Fraction(1, 2)) or not judge_answer(
            Fraction(other), f"<answer>{written}</answer>"
        ).solved
