"""Word problems as a task: numbers read exactly, tags, the published schema, the protocol that search relies on."""

import random
from fractions import Fraction

import pytest

from game24lab.search.tree import Tree
from game24lab.tasks.gsm8k import (
    INSTRUCTION,
    PLAIN,
    TAGS,
    WordProblem,
    WordProblems,
    check_calculation,
    check_template,
    find_answer,
    judge_answer,
    read_number,
    read_row,
    write_number,
    write_solution,
)
from game24lab.tasks.task import Illegal, follow

EGGS = WordProblem("A box holds 6 eggs. How many are in 7 boxes?", Fraction(42), ("6 * 7 = 42 eggs",), 1)
SOLUTION = "She sells 16 - 3 - 4 = <<16-3-4=9>>9.\nThat is 9 * 2 = $<<9*2=18>>18.\n#### 18"
JANET = {"question": "Janet sells eggs ...", "answer": SOLUTION}


# ----------------------------------------------------------------------------------------------------- numbers
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42), (" 42\n", 42), ("42.", 42), ("42.0", 42), ("0.10", Fraction(1, 10)), (".5", Fraction(1, 2)),
        ("1,234", 1234), ("12,345,678.5", Fraction(24691357, 2)), ("$1,234.50", Fraction(2469, 2)), ("US$5", 5),
        ("-5", -5), ("−5", -5), ("-$5", -5), ("$-5", -5), ("+5", 5), ("- 5", -5), ("(5)", 5), ("~5", 5),
        ("3/4", Fraction(3, 4)), ("-3/4 cup", Fraction(-3, 4)), ("5 / 10", Fraction(1, 2)), ("1 1/2 h", Fraction(3, 2)),
        ("42 eggs", 42), ("5 km/h", 5), ("42, because", 42), ("x = 42", 42), ("6 * 7 = 42", 42), ("\\boxed{42}", 42),
        ("007", 7), ("0", 0), ("-0", 0),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text, value):
    assert read_number(text).value == value


@pytest.mark.parametrize(
    "text",
    ["", " ", "five", "10 + 5", "10 5", "5-6", "7:30", "1e5", "0x10", "1,23", "1,2345", "1.2.3", "1/0", "2 * x", "5²",
     "²", "½", "1 ½", "٤٢", "42 or 43", "a - 5", "COVID-19", "--5", "x2", "1/2/3", "nan", "inf", "9" * 100, "x" * 300,
     "42 =", "__import__('os')", "\x00"],
)  # fmt: skip
def test_what_is_no_single_number_is_not_read(text):
    assert read_number(text) is None


def test_percent_is_either_reading_and_nothing_else_is():
    assert read_number("50 %").equals(Fraction(50))
    assert read_number("50%").equals(Fraction(1, 2))
    assert not read_number("50%").equals(Fraction(5))
    assert not read_number("0.5").equals(Fraction(50))


def test_what_is_written_is_read_back():
    rng = random.Random(0)
    for _ in range(300):
        value = Fraction(rng.randint(-10_000, 10_000), rng.choice([1, 1, 2, 3, 8, 125]))
        assert read_number(write_number(value)).value == value
        if value.denominator == 1:
            assert read_number(f"{int(value):,} eggs").value == value


@pytest.mark.parametrize(("line", "right"), [
    ("6 * 7 = 42 eggs", True), ("so 6 * 7 = 42, and 42 + 1 = 43.", True), ("6 * 7 = 43 eggs", False),
    ("5 / 2 = 2.5", True), ("1 / 0 = 1", False), ("1,000 + 1 = 1,001", True), ("1,00 + 1 = 101", False),
    ("no calculation", None), ("6*7=43", None),
])  # fmt: skip
def test_calculations_are_checked(line, right):
    assert check_calculation(line) is right


# -------------------------------------------------------------------------------------------- answers in a text
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>42</answer>", "42"), ("<answer>\n 42 \n</answer>\n", "42"),
        ("<answer>\n40\n+ 2\n</answer>", "40\n+ 2"), ("<answer>1</answer><answer>2</answer>", "1"),
        ("<answer>...</answer><answer>2</answer>", "2"),
        ("<answer><answer>3</answer>", "3"), ("<answer>42", None), ("</answer>42<answer>", None),
        ("42", None), ("", None),
        ("<ANSWER>42</ANSWER>", None), ("<answer>7</answer> but rather 8", "7"),
    ],
)  # fmt: skip
def test_the_answer_is_what_the_first_closed_tag_holds(text, answer):
    assert find_answer(text) == answer


def test_verdicts():
    assert judge_answer(Fraction(42), write_solution(EGGS)).solved
    for text, outcome in [
        ("<answer>41</answer>", "wrong value"),
        ("<answer>many</answer>", "wrong value"),
        ("42", "unfinished"),
    ]:
        verdict = judge_answer(Fraction(42), text)
        assert (verdict.solved, verdict.outcome) == (False, outcome)
    assert "no single number" in judge_answer(Fraction(42), "<answer>many</answer>").reason
    assert judge_answer(Fraction(1234), "<answer>1,234 eggs</answer>").answer == "1234"


# -------------------------------------------------------------------------------------------------- the schema
def test_the_published_schema_is_read_and_written():
    problem = read_row(JANET)
    assert (problem.answer, problem.gold) == (18, "18")
    assert problem.steps == ("She sells 16 - 3 - 4 = 9.", "That is 9 * 2 = $18.")
    assert "<<16-3-4=9>>" in read_row(JANET, annotations=True).steps[0]
    assert read_row({"question": "?", "answer": "#### 1,234"}).gold == "1,234"
    assert read_row({"question": "?", "answer": "#### 1,234"}).answer == 1234
    again = read_row(EGGS.row)
    assert (again.question, again.answer, again.steps) == (EGGS.question, EGGS.answer, EGGS.steps)


@pytest.mark.parametrize(("row", "named"), [
    ({"question": "?"}, "answer 'None'"), ({"question": "?", "answer": None}, "answer"),
    ({"answer": "#### 1"}, "question"), ({"question": " ", "answer": "#### 1"}, "question"),
    ({"question": "?", "answer": "42"}, "no line ####"), ({"question": "?", "answer": "#### "}, "no number"),
    ({"question": "?", "answer": "#### five"}, "'five' is no number"),
    ([1], "not list"), ("text", "not str"),
])  # fmt: skip
def test_rows_without_answers_are_named(row, named):
    with pytest.raises(ValueError, match=named) as error:
        read_row(row, "train.jsonl, line 7")
    assert str(error.value).startswith("train.jsonl, line 7:")
    assert "accepted" in str(error.value)
    assert "\n" not in str(error.value)


# ---------------------------------------------------------------------------------------------------- the task
def test_a_solution_is_followed_line_by_line_to_its_end():
    task = WordProblems([EGGS])
    state = task.start(EGGS.question)
    assert task.text(state) == PLAIN.replace("{question}", EGGS.question)
    end, stopped = follow(task, state, write_solution(EGGS))
    assert stopped is None
    assert task.is_terminal(end)
    assert task.verdict(end).solved
    assert task.truth(end) is True
    assert task.text(end) == task.text(state) + write_solution(EGGS)
    assert isinstance(task.step(end, "one more line"), Illegal)
    for place, line in enumerate(write_solution(EGGS).splitlines()):
        assert not task.is_terminal(state)
        assert task.truth(state) is None
        assert task.verdict(state).outcome == "unfinished"
        before, state = state, task.step(state, line)
        assert task.key(state) != task.key(before), place
        assert task.label(state) == line
    assert state == end


def test_no_line_raises_and_too_long_ones_are_illegal():
    task = WordProblems([EGGS])
    state = task.start(EGGS)
    for line in ["", "\x00", "</answer>", "<answer></answer>", "\ud800", "x" * 1999]:
        after = task.step(state, line)
        assert not isinstance(after, Illegal)
        assert not task.is_terminal(after)
    assert "2001 characters" in task.step(state, "x" * 2001).reason


def test_hedging_ends_with_the_first_answer():
    task = WordProblems([EGGS])
    end, stopped = follow(task, task.start(EGGS), "<answer>41</answer>\n<answer>42</answer>")
    assert task.is_terminal(end)
    assert not task.verdict(end).solved
    assert isinstance(stopped, Illegal)


def test_greedy_search_reads_it(tmp_path):
    from game24lab.search.sampling import read

    class Said:
        text, tokens, logprob, finish = write_solution(EGGS), 20, -1.0, "stop"

    task = WordProblems([EGGS])
    root, tree = task.start(EGGS), Tree()
    tree.add(-1, "", task.label(root))
    candidate = read(task, tree, root, Said)
    assert candidate.end == "terminal"
    assert task.verdict(candidate.state).solved


def test_bad_tasks_are_refused():
    with pytest.raises(ValueError, match="answers 42 and 43"):
        WordProblems([EGGS, WordProblem(EGGS.question, Fraction(43))])
    with pytest.raises(ValueError, match="one of the 1 questions"):
        WordProblems([EGGS]).start("How much is it?")
    for part in ("{question}", *TAGS):
        with pytest.raises(ValueError, match="lacks") as error:
            check_template(INSTRUCTION.replace(part, ""))
        assert part in str(error.value)
    with pytest.raises(ValueError, match="a text is accepted"):
        WordProblems(template=None)


def test_a_chat_template_wraps_the_prompt_and_lines_follow_it():
    task = WordProblems(
        [EGGS], INSTRUCTION, chat=lambda messages: f"[{messages[0]['role']}] {messages[0]['content']} [reply] "
    )
    text = task.text(task.step(task.start(EGGS), "<reasoning>"))
    assert text.startswith("[user] Respond in the following format:")
    assert text.endswith(f"{EGGS.question} [reply] <reasoning>\n")


def test_braces_in_a_question_are_text():
    tricky = WordProblem("What is {answer} of {0}?", Fraction(1))
    assert "What is {answer} of {0}?" in WordProblems([tricky]).prompt(tricky.question)
