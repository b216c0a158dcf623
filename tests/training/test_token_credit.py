"""Credit: the tokens of a first wrong line, and which of them an advantage rests on."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from game24lab.models.tokenizer import make_tokenizer
from game24lab.tasks.gsm8k.rewards import REWARDS as WORD_REWARDS
from game24lab.tasks.numbers.rewards import REWARDS
from game24lab.tasks.rewards import make_locator
from game24lab.training.token_credit import credit_lines, find_tokens

RIGHT = "10 - 6 = 4 (left: 4 4 5)\n4 + 5 = 9 (left: 4 9)\n"
WRONG = RIGHT + "4 + 9 = 14 (left: 14)\nroll back (left: 4 4 5)\n"


def test_the_first_wrong_line_is_located():
    locate = make_locator(REWARDS)
    ends = locate([RIGHT, WRONG, "", WRONG[:-10]], numbers=[[4, 5, 6, 10]] * 4)
    assert ends[0] is ends[2] is None
    begin, end = ends[1]
    assert WRONG[begin:end] == "4 + 9 = 14 (left: 14)\n"
    assert ends[3] == ends[1]


def test_blank_lines_count_as_the_judge_counts_them():
    text = "\n" + WRONG
    ((begin, end),) = make_locator(REWARDS)([text], numbers=[[4, 5, 6, 10]])
    assert text[begin:end] == "\n", "a blank line is no line of a chain"


def test_lines_between_tags_are_not_located():
    assert make_locator(REWARDS)([f"<think>\n{WRONG}</think>"], numbers=[[4, 5, 6, 10]]) == [None]


def test_a_false_calculation_of_a_word_problem_is_located():
    text = "<reasoning>\n3 * 14 = 42\n42 + 1 = 44\n</reasoning>\n<answer>\n44\n</answer>\n"
    ((begin, end), none) = make_locator(WORD_REWARDS)([text, text.replace("44", "43")], gold=["43", "43"])
    assert text[begin:end] == "42 + 1 = 44\n"
    assert none is None


@given(st.data())
def test_tokens_of_characters_hold_them(data):
    tokenizer = make_tokenizer()
    ids = tokenizer(WRONG)["input_ids"]
    text = tokenizer.decode(ids)
    begin = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(begin + 1, len(text)))
    first, last = find_tokens(tokenizer.decode, ids, (begin, end))
    assert len(tokenizer.decode(ids[:first])) <= begin < len(tokenizer.decode(ids[: first + 1]))
    assert len(tokenizer.decode(ids[: last - 1])) < end <= len(tokenizer.decode(ids[:last]))


def test_a_loss_rests_on_the_fault_and_a_gain_leaves_it_out():
    found = credit_lines(torch.tensor([-1.0, 0.5, -0.5]), 4, [(1, 3), (1, 3), None])
    expected = torch.tensor([[0.0, -1.0, -1.0, 0.0], [0.5, 0.0, 0.0, 0.5], [-0.5] * 4])
    torch.testing.assert_close(found, expected)


def test_a_fault_behind_the_last_token_blames_nobody():
    assert credit_lines(torch.tensor([-1.0]), 3, [(5, 6)]).tolist() == [[0.0, 0.0, 0.0]]
