"""Word problems as a task: numbers read exactly, tags, the published schema, the protocol that search relies on."""

import re
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.search.tree import Tree
from game24lab.tasks.gsm8k.rewards import read_gold
from game24lab.tasks.gsm8k.task import (
    INSTRUCTION,
    PLAIN,
    TAGS,
    WordProblem,
    WordProblems,
    check_calculation,
    check_template,
    find_answer,
    judge_answer,
    read_row,
    write_solution,
)
from game24lab.tasks.task import Illegal, follow

EGGS = WordProblem("A box holds 6 eggs. How many are in 7 boxes?", Fraction(42), ("6 * 7 = 42 eggs",), 1)
SOLUTION = "She sells 16 - 3 - 4 = <<16-3-4=9>>9.\nThat is 9 * 2 = $<<9*2=18>>18.\n#### 18"
JANET = {"question": "Janet sells eggs ...", "answer": SOLUTION}


# ------------------------------------------------------------------------------------------------ calculations
@pytest.mark.parametrize(("line", "right"), [
    ("6 * 7 = 42 eggs", True), ("so 6 * 7 = 42, and 42 + 1 = 43.", True), ("6 * 7 = 43 eggs", False),
    ("5 / 2 = 2.5", True), ("1 / 0 = 1", False), ("1,000 + 1 = 1,001", True), ("1,00 + 1 = 101", False),
    ("no calculation", None), ("6*7=43", None),
    # a calculation is all of it, not its end
    ("Janet sells 16 - 3 - 4 = 9 duck eggs a day.", True), ("16 - 3 - 4 = 8", False), ("16 - 3 - 4 = -1", False),
    ("100 / 2 / 5 = 10", True), ("2 + 3 * 4 = 14", True), ("2 + 3 * 4 = 20", False), ("(2 + 3) * 4 = 20", True),
    ("5*3 + 2 = 17 apples", True), ("5*3 + 2 = 5", False), ("so (3 + 4 = 7) it is", True), ("3 - 5 = -2", True),
    ("70 * 1/5 = 14 people", True), ("$3.50 * 2 = $7", True), ("$3.50 * 2 = $8", False), ("6 * 7 =42", True),
    ("It is cold. 6 * 7 = 42. 42 + 1 = 43", True), ("6 * 7 = 42, 42 + 1 = 44", False), (".5 * 4 = 2", True),
    ("3 / 2 = 1 1/2 hours", True), ("3 / 2 = 1 1/3 hours", False), ("1 / 2 = 1/2", True), ("3 * 3 = 9 * 1", True),
    ("6 * 7 = 42 = 40 + 2", True), ("6 * 7 = 42 = 40 + 1", False), ("120 – 80 - 15 = 25 points", True),
    ("100 - 5 = 95% of them", True), ("50 * 30 = 1500 cents", True), ("$2.65 * 100 = 265 cents", True),
    ("31 / 3 = 10.33", False), ("10 / 3 = 3.33...", False),
    # it has begun before, or goes on: nobody can tell
    ("10 apples - 3 + 2 = 9", None), ("3 tanks per truck * 150 + 1 = 451", None), ("2 x 3 + 4 = 10", None),
    ("half of 10 + 2 = 7", None), ("x2 + 3 = 6", None), ("5% * 100 + 1 = 6", None), ("1 / 2 = 50%", None),
    ("$1 / 2 = 50 cents", None), ("4 / 3 = 1 and 1/3", None), ("25 / 1/3 = 75", None), ("5 + 2 = 7x", None),
    ("5 + 2 = 5k", None), ("2 * 3 = 6²", None), ("2 * 3 = 2 3", None), ("22 - 16 = 16 + x - 16", None),
    ("5 + 3 = 8 + 2 = 10", None), ("+ 3 + 4 = 7", None), ("3 + 4 = ", None), ("= 3 + 4", None), ("3 + 4 == 7", None),
    ("1 + 1 = " + "9" * 50, None), ("(((((3 + 4 = 7", True), ("3) + 4 = 7", None), ("٣ + 4 = 7", None),
])  # fmt: skip
def test_calculations_are_checked(line, right):
    assert check_calculation(line) is right


@given(st.lists(st.tuples(st.sampled_from("+-*/"), st.integers(1, 99)), min_size=1, max_size=5), st.integers(1, 99),
       st.integers(-5, 5), st.sampled_from(["", "She has ", "It is. ", "so, ", "a total of $"]))  # fmt: skip
@settings(deadline=None, max_examples=200)
def test_no_exact_calculation_is_called_false_and_no_false_one_exact(more, first, off, words):
    """Against Python's own arithmetic on fractions."""
    text = f"{first}" + "".join(f" {sign} {number}" for sign, number in more)
    value = eval(re.sub("[0-9]+", r"Fraction(\g<0>)", text))  # the text is made here, of digits and signs alone
    assert check_calculation(f"{words}{text} = {value} eggs") is True
    assert check_calculation(f"{words}{text} = {value + off}") in ({True} if not off else {False, None})


@given(st.text(st.sampled_from("0123456789+-*/()= .,$%x½\n") | st.characters(), max_size=60))
@settings(deadline=None, max_examples=200)
def test_no_line_makes_the_check_raise(text):
    assert check_calculation(text) in (True, False, None)


def test_long_lines_are_checked_at_once():
    for text in ("1" * 2000, "1 + " * 500 + "= 3", "(" * 2000, "= " * 1000, "1 1/1" * 400, "1,111" * 400 + " + 1 = 2"):
        began = time.process_time()
        check_calculation(text)
        assert time.process_time() - began < 1


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


@pytest.mark.parametrize(("body", "gold", "solved"), [
    ("**73**", 73, True), ("$\\boxed{73}$", 73, True), ("seventy-three", 73, True), ("7.3e1", 73, True),
    ("\\sqrt{73}", 73, False), ("73!", 73, False), ("x > 73", 73, False), ("73k", 73, False), ("73k", 73_000, True),
    ("minus 5", 5, False), ("minus 5", -5, True), ("‑5", 5, False), ("$1.5 million", Fraction(3, 2), False),
    ("2\\frac{1}{2}", Fraction(5, 2), True), ("2\\frac{1}{2}", Fraction(21, 2), False), ("½", Fraction(1, 2), True),
])  # fmt: skip
def test_answers_are_judged_by_the_number_that_is_written(body, gold, solved):
    assert judge_answer(Fraction(gold), f"<answer>{body}</answer>").solved is solved


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
    for gold, value in (("$25,000/year", 25_000), ("$10,000/day", 10_000), ("5 km/h", 5), ("$1.5 million", 1_500_000)):
        assert read_row({"question": "?", "answer": f"so\n#### {gold}"}).answer == value
        assert read_gold(gold).value == value
    again = read_row(EGGS.row)
    assert (again.question, again.answer, again.steps) == (EGGS.question, EGGS.answer, EGGS.steps)


@pytest.mark.parametrize(("row", "named"), [
    ({"question": "?"}, "answer must be a text .*'None'"), ({"question": "?", "answer": None}, "answer"),
    ({"answer": "#### 1"}, "question"), ({"question": " ", "answer": "#### 1"}, "question"),
    ({"question": "?", "answer": "#### \\sqrt{3}"}, "must be a number such as"),
    ({"question": "?", "answer": "42"}, "must have a line such as ####"),
    ({"question": "?", "answer": "#### "}, "must be a number"),
    ({"question": "?", "answer": "#### many"}, "must be a number such as .*'many'"),
    ([1], "got list"), ("text", "got str"),
])  # fmt: skip
def test_rows_without_answers_are_named(row, named):
    with pytest.raises(ValueError, match=named) as error:
        read_row(row, "train.jsonl, line 7")
    assert str(error.value).startswith("train.jsonl, line 7")
    assert "must" in str(error.value)
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
    with pytest.raises(ValueError, match="must have one answer, got 42 and 43"):
        WordProblems([EGGS, WordProblem(EGGS.question, Fraction(43))])
    with pytest.raises(ValueError, match="one of the 1 questions"):
        WordProblems([EGGS]).start("How much is it?")
    for part in ("{question}", *TAGS):
        with pytest.raises(ValueError, match="lacks") as error:
            check_template(INSTRUCTION.replace(part, ""))
        assert part in str(error.value)
    with pytest.raises(ValueError, match="template must be a text"):
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
