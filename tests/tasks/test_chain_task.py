"""Chains of thought as a task: the same word on an answer as the judge of chains has on the whole text."""

import random

import pytest

from game24lab.tasks.numbers.chain_task import Chain, Chains24
from game24lab.tasks.numbers.chains import STYLES, judge_chain, write_chain
from game24lab.tasks.numbers.search_traces import search_at_random
from game24lab.tasks.tags import add_tags
from game24lab.tasks.task import Illegal, follow

TASK, NUMBERS = Chains24(), (4, 5, 6, 10)
CHAIN = write_chain(NUMBERS, search_at_random(NUMBERS, random.Random(1)), "v2")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("tagged", [False, True])
def test_a_chain_followed_line_by_line_is_judged_as_the_whole_text(style, tagged):
    for seed in range(4):
        chain = write_chain(NUMBERS, search_at_random(NUMBERS, random.Random(seed)), style)
        for text in (chain, chain.replace("= 24", "= 25"), chain.replace(" * ", " + "), "".join(chain.split("\n")[:2])):
            text = add_tags(text) if tagged else text
            judged, (state, stopped) = judge_chain(NUMBERS, text), follow(TASK, TASK.start(NUMBERS), text)
            verdict = TASK.verdict(state)
            assert stopped is None
            assert TASK.is_terminal(state) == judged.finished
            assert (verdict.solved, verdict.answer) == (judged.solved, judged.answer)
            assert (verdict.outcome == "unfinished") == (not judged.finished)


@pytest.mark.parametrize("text", [
    "Answer: (10 - 4) * 5 - 6 = 24", "**Answer:**\n\n(10 - 4) * 5 - 6\n", "Answer:\n4 + 5\n(10 - 4) * 5 - 6",
    "<think> x </think> <answer>(10 - 4) * 5 - 6</answer>", "<think> x\n</think> <answer>\n(10 - 4) * 5 - 6\n</answer>",
    "Answer:\nnone\n", "so \\boxed{(10 - 4) * 5 - 6}",
])  # fmt: skip
def test_what_others_write_is_followed_as_it_is_judged(text):
    judged, (state, stopped) = judge_chain(NUMBERS, text.rstrip() + "\n"), follow(TASK, TASK.start(NUMBERS), text)
    assert TASK.is_terminal(state) == judged.finished
    assert TASK.verdict(state).solved == judged.solved
    assert (stopped is None) == (not judged.finished or judged.lines[-1].kind == "answer" or "</answer>" in text)


def test_nothing_follows_an_answer_but_its_closing_tag():
    state, _ = follow(TASK, TASK.start(NUMBERS), CHAIN)
    assert TASK.step(state, "</answer>").finished
    assert isinstance(TASK.step(state, "4 + 5 = 9"), Illegal)
    assert isinstance(TASK.step(TASK.start(NUMBERS), "x" * 3000), Illegal)


def test_what_a_model_is_shown_is_the_prompt_and_its_lines():
    state, _ = follow(TASK, TASK.start([4, 5, 6, 10]), "one\ntwo\n")
    assert TASK.text(state) == "Input: 4 5 6 10\none\ntwo\n"
    assert TASK.label(state) == "two"
    assert TASK.label(TASK.start(NUMBERS)) == "4 5 6 10"
    assert TASK.key(state) != TASK.key(TASK.start(NUMBERS))


def test_truth_is_the_solvers_until_there_is_an_answer():
    assert TASK.truth(TASK.start(NUMBERS)) is True
    assert TASK.truth(TASK.start((1, 1, 1, 1))) is False
    assert TASK.truth(follow(TASK, TASK.start(NUMBERS), CHAIN)[0]) is True
    assert TASK.truth(Chain(NUMBERS, ("reach 24! expression: 4 + 5",), True)) is False


def test_a_bad_puzzle_is_named():
    with pytest.raises(ValueError, match="0"):
        TASK.start((0, 1))
