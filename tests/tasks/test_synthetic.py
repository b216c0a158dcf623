"""Word problems made here: exact, deterministic, of as many calculations as asked, and nothing leaks."""

import re
from collections import Counter

import pytest

from game24lab.models.tokenizer import make_tokenizer
from game24lab.tasks.gsm8k.synthetic import LARGEST, OPERATIONS, SIDES, find_side, make_problems
from game24lab.tasks.gsm8k.task import WordProblems, check_calculation, judge_answer, read_row, write_solution
from game24lab.tasks.gsm8k.templates import ASIDES, THEMES, list_words

MANY = make_problems(1500)


def test_solutions_are_exact():
    for problem in MANY:
        assert len(problem.steps) == problem.operations
        assert all(check_calculation(step) for step in problem.steps)
        results = [int(re.search(r"= ([0-9]+) ", step)[1]) for step in problem.steps]
        assert problem.answer == results[-1]
        assert all(1 <= result <= LARGEST for result in results)
        assert judge_answer(problem.answer, write_solution(problem)).solved
        again = read_row(problem.row)
        assert (again.question, again.answer, again.steps) == (problem.question, problem.answer, problem.steps)


def test_every_number_of_a_solution_is_told_or_was_found_before():
    """But for doubling and halving, which are told in words."""
    for problem in MANY:
        known = {int(number) for number in re.findall(r"[0-9]+", problem.question)} | {2}
        for step in problem.steps:
            left, right, result = (int(number) for number in re.findall(r"[0-9]+", step))
            assert {left, right} <= known, problem
            known.add(result)


def test_questions_read_as_text():
    for problem in MANY:
        assert problem.question.endswith("?")
        assert not re.search(r"[{}]|  |\$ | \.", problem.question)
        assert problem.question[0].isupper() or problem.question[0].isdigit()


def test_all_numbers_of_calculations_are_equally_likely():
    counts = Counter(problem.operations for problem in MANY)
    assert set(counts) == set(OPERATIONS)
    assert min(counts.values()) > 1500 / 6 * 0.75
    assert {problem.operations for problem in make_problems(50, operations=[4])} == {4}


def test_equal_arguments_give_equal_problems_and_longer_lists_begin_alike():
    assert make_problems(40) == MANY[:40]
    assert make_problems(40, seed=1) != MANY[:40]
    assert not {p.question for p in make_problems(300, 1)} & {p.question for p in MANY}  # seeds hardly ever meet


def test_no_question_twice():
    few = make_problems(600, operations=[1], asides=0.0)
    assert len({problem.question for problem in few}) == 600


@pytest.mark.parametrize("operations", [(1,), OPERATIONS])
def test_sides_share_no_structure_or_no_core(operations):
    sides = {side: make_problems(200, 3, operations, side=side) for side in SIDES}
    structures = {side: {problem.structure for problem in problems} for side, problems in sides.items()}
    assert not structures["test"] & structures["train"]
    assert not structures["test"] & structures["familiar"]
    if operations == (1,):
        assert structures["familiar"] <= {problem.structure for problem in make_problems(1500, 5, operations)}
    # nothing but the numbers and the structure decides, so other seeds cannot leak either
    train = make_problems(200, 4, operations)
    assert not {problem.structure for problem in train} & structures["test"]


def test_the_side_depends_on_structure_and_numbers_alone():
    assert {find_side("a", "a 1"), find_side("b", "b 1")} <= set(SIDES)
    drawn = Counter(find_side(f"s{n}", f"s{n} {n}") for n in range(4000))
    assert 0.12 < drawn["test"] / 4000 < 0.18
    assert 0.025 < drawn["familiar"] / 4000 < 0.065
    assert find_side("s1", "x") == "test" or find_side("s1", "y") != "test"


def test_asides_do_not_change_the_answer():
    plain, distracting = make_problems(200, asides=0.0), make_problems(200, asides=1.0)
    marks = [re.escape(aside).replace(r"\{a\}", "[0-9]+") for aside in ASIDES]
    marks = [re.sub(r"\\\{\w+\\\}", r"\\w+", mark) for mark in marks]
    assert not any(re.search("|".join(marks), problem.question) for problem in plain)
    assert all(len(re.findall("|".join(marks), problem.question)) == 2 for problem in distracting)


@pytest.mark.parametrize(("arguments", "named"), [
    ({"count": -1}, "count must be an integer >= 0, got -1"),
    ({"count": 1.5}, "count must be an integer >= 0, got 1.5"),
    ({"count": 1, "operations": []}, "operations"), ({"count": 1, "operations": [0]}, r"operations .*, got \[0\]"),
    ({"count": 1, "operations": [7]}, "from 1 to 6"), ({"count": 1, "asides": 2}, "asides must be .* got 2"),
    ({"count": 1, "side": "validation"}, "one of train, test, familiar, got 'validation'"),
])  # fmt: skip
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        make_problems(**arguments)


def test_the_vocabulary_knows_every_word_and_gives_every_text_back():
    tokenizer, task = make_tokenizer("problems"), WordProblems()
    single = set(tokenizer.get_vocab())
    assert {word for word in list_words() if word not in single} == set()
    for problem in MANY[:200]:
        for text in (task.prompt(problem.question), write_solution(problem)):
            ids = tokenizer(text)["input_ids"]
            assert tokenizer.decode(ids) == text
            assert len(ids) < 130
            words = re.findall(r"[A-Za-z]{2,}", re.sub(r"</?\w+>", "", text))
            assert len(ids) >= len(words)
    other = "Żółw: 3²≠9½ \t\n\n <b> 'tis"
    assert tokenizer.decode(tokenizer(other)["input_ids"]) == other


def test_pieces_have_names_of_their_own_in_a_theme():
    for theme in THEMES:
        names = [piece.name for piece in (*theme.openings, *theme.turns, *theme.endings)]
        assert len(set(names)) == len(names)
