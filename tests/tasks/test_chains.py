"""Chains: what is written is judged right in every style, damage is found, and no text makes the judge raise."""

import random
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.tasks.numbers.arithmetic import make_state, reachable
from game24lab.tasks.numbers.chains import STYLES, find_path, judge_chain, write_chain
from game24lab.tasks.numbers.expressions import check_answer
from game24lab.tasks.numbers.puzzles import NumberProblem, list_solvable
from game24lab.tasks.numbers.search_traces import search_at_random, search_in_order
from game24lab.tasks.tags import add_tags, strip_tags

NUMBERS = (1, 11, 11, 13)
SOUND = """\
11 - 1 = 10 (left: 10 11 13)
11 - 10 = 1 (left: 1 13)
13 - 10 = 3 (left: 3 11)
roll back (left: 1 11 11 13)
13 - 11 = 2 (left: 1 2 11)
11 + 1 = 12 (left: 2 12)
12 * 2 = 24 (left: 24)
reach 24: 13 - 11 = 2, 11 + 1 = 12, 12 * 2 = 24
reach 24! expression: (11 + 1) * (13 - 11)
"""
V3 = """\
(11) - (1) = 10, left: (11 - 1) = 10, 11, 13
(13) - (10) = 3, left: (13 - (11 - 1)) = 3, 11
(11) + (3) = 14, left: (11 + (13 - (11 - 1))) = 14
roll back, left: (13 - (11 - 1)) = 3, 11
roll back, left: (11 - 1) = 10, 11, 13
roll back, left: 1 11 11 13
(11) + (1) = 12, left: (11 + 1) = 12, 11, 13
(13) - (11) = 2, left: (13 - 11) = 2, (11 + 1) = 12
(2) * (12) = 24, left: ((13 - 11) * (11 + 1)) = 24
reach 24! expression: ((13 - 11) * (11 + 1))
"""
V2 = """\
(11) - (1) = 10, left: 10, 11, 13
(13) - (10) = 3, left: 3, 11
(11) + (3) = 14, left: 14
roll back, left: 3, 11
roll back, left: 10, 11, 13
roll back, left: 1 11 11 13
(11) + (1) = 12, left: 12, 11, 13
(13) - (11) = 2, left: 2, 12
(2) * (12) = 24, left: 24
reach 24! expression: ((13 - 11) * (11 + 1))
"""
V1 = "".join(line + "\n" for line in V2.splitlines() if not line.startswith("roll"))
CHAINS = {"sound": SOUND, "v3": V3, "v2": V2, "v1": V1}
each_style = pytest.mark.parametrize("style", STYLES)


def check_right(numbers, text, style):
    judged = judge_chain(numbers, text, style=style)
    assert (judged.solved, judged.finished, judged.outcome) == (True, True, "solved"), (numbers, text)
    assert (judged.first_wrong, judged.first_unsound, judged.share_right) == (None, None, 1.0), (numbers, text)
    assert (judged.lines[-1].kind, judged.lines[-2].left) == ("answer", (24,))
    assert all(line.dead is None for line in judged.lines if line.kind == "answer")
    return judged


def test_every_puzzle_comes_back_right():
    """All 1,362: a random search in the published styles, a thinned one in order in the sound one."""
    rng = random.Random(0)
    for numbers in list_solvable():
        shuffled = rng.sample(numbers, 4)
        search = search_at_random(numbers, rng, max_lines=rng.randint(4, 10))
        for style in STYLES:
            search = search_in_order(numbers, rng, keep=0.1) if style == "sound" else search
            judged = check_right(shuffled, write_chain(shuffled, search, style), style)
            moves = sum(line.kind == "move" for line in judged.lines)
            assert moves == (3 if style == "solution" else len(search))


@each_style
def test_whole_searches_in_order_come_back_right_in_every_style(style):
    rng = random.Random(1)
    for numbers in rng.sample(list_solvable(), 25):
        search = search_in_order(numbers, rng)
        text = write_chain(numbers, search, style)
        judged = check_right(numbers, text, style)
        assert [line.text for line in judged.lines] == text.splitlines()
        assert judge_chain(numbers, text).first_wrong is None
        tagged = add_tags(text)
        assert strip_tags(tagged, 24) == text
        assert check_right(numbers, tagged, style) == judged


@given(st.lists(st.integers(1, 13), min_size=2, max_size=5), st.integers(1, 40), st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_other_counts_and_targets_come_back_right(numbers, target, seed):
    rng, problem = random.Random(seed), NumberProblem(tuple(numbers), target)
    search = search_at_random(numbers, rng, target, max_lines=9)
    for style in STYLES if search else ():
        judged = judge_chain(problem, write_chain(problem, search, style), style)
        assert (judged.solved, judged.share_right, judged.first_unsound) == (True, 1.0, None)


@pytest.mark.parametrize("style", CHAINS)
def test_the_styles_look_as_documented(style):
    judged = check_right(NUMBERS, CHAINS[style], style)
    assert judge_chain(NUMBERS, CHAINS[style]) == judged, "the style is told by the text"
    assert judged.rollbacks == CHAINS[style].count("roll back")
    assert [line.depth for line in judged.lines if line.kind == "move"] in ([1, 2, 2, 1, 2, 3], [1, 2, 3, 1, 2, 3])


def test_one_search_in_all_styles():
    numbers = (1, 3, 5, 9)
    search = search_in_order(numbers, random.Random(0))
    assert write_chain(numbers, search, "sound").count("roll back") == 3
    written = {style: write_chain(numbers, search, style).splitlines() for style in STYLES}
    assert [line for line in written["sound"] if line in written["solution"]] == written["solution"]
    assert written["v1"] == [line for line in written["v2"] if "roll" not in line]
    assert len(written["v2"]) == len(written["v3"]) > len(written["v1"])
    assert [step.result for step in find_path(search)][-1] == 24


# What is changed, and the reason that the judge gives for the first line that is not right.
DAMAGE = [
    (SOUND, "11 - 10 = 1 (left: 1 13)", "11 - 10 = 2 (left: 2 13)", 1, "11 - 10 is 1, not 2"),
    (SOUND, "(left: 10 11 13)\n", "(left: 10 11 11)\n", 0, "the numbers left are 10 11 13, not 10 11 11"),
    (SOUND, " (left: 1 13)", "", 1, "not of the form `a + b = c (left: ...)`"),
    (SOUND, "13 - 10 = 3 (left: 3 11)", "11 - 10 = 1 (left: 1 13)", 2, "tried before"),
    (SOUND, "roll back (left: 1 11 11 13)\n", "", 3, "made from a position above: a roll back is missing"),
    (SOUND, "roll back (left: 1 11 11 13)", "roll back (left: 1 11 13 13)", 3, "not a position above"),
    (SOUND, "roll back (left: 1 11 11 13)", "roll back (left: 3 11)", 3,
     "the current position: nothing is rolled back"),
    (SOUND, "13 - 11 = 2 (left: 1 2 11)", "11 - 1 = 10 (left: 10 11 13)", 4, "tried before"),
    (SOUND, "roll back (left: 1 11 11 13)", "roll back, left: 1 11 11 13", 3,
     "not of the form `a + b = c (left: ...)`"),
    (SOUND, "11 + 1 = 12 (", "11 + 1 = 012 (", 5, "not of the form `a + b = c (left: ...)`"),
    (SOUND, "\n12 * 2", "\n\n12 * 2", 6, "an empty line"),
    (SOUND, "12 * 2 = 24 (left: 24)", "12 * 2 = 24" + " " * 300 + "(left: 24)", 6,
     "a line of 321 characters: at most 300 are read"),
    (SOUND, "12 * 2 = 24 (", "__import__('os') = 24 (", 6, "not of the form `a + b = c (left: ...)`"),
    (SOUND, "(11 + 1) * (13 - 11)", "(11 + 1) * (13 - 11) ** 1", 8,
     "not an expression: unexpected '*' where a number was expected"),
    (SOUND, "(11 + 1) * (13 - 11)", "(11 + 1) * 2", 8,
     "wrong numbers: does not use 11 13; uses too often or without right 2"),
    (SOUND, "(11 + 1) * (13 - 11)", "(11 + 1) * (13 + 11)", 8, "makes 288, not 24"),
    (SOUND, "reach 24!", "reach 25!", 8, "not of the form `a + b = c (left: ...)`"),
    (SOUND, "(13 - 11)\n", "(13 - 11)\nreach 24! expression: 24\n", 9, "after the answer"),
    (SOUND, "(13 - 11)\n", "(13 - 11)\ntrailing", 9, "after the answer"),
    (SOUND, "reach 24: 13 - 11 = 2, ", "reach 24: ", 7, "not the moves that led here"),
    (SOUND, "2, 11 + 1 = 12", "2, 11 + 1 = 13", 7, "not the moves that led here"),
    (SOUND, "(left: 24)\n", "(left: 24)\nreach 24: 13 - 11 = 2, 11 + 1 = 12, 12 * 2 = 24\n", 8, "told before"),
    (SOUND, "12 * 2 = 24 (left: 24)\n", "", 6, "24 is not reached"),
    (V3, "left: (13 - (11 - 1)) = 3, 11\n(11)", "left: (13 - (11 + 1)) = 3, 11\n(11)", 1,
     "(13 - (11 + 1)) is 1, not 3"),
    (V3, "left: (13 - (11 - 1)) = 3, 11\n(11)", "left: 3, 11\n(11)", 1,
     "the cards left are made of 3 11, not of 1 11 11 13"),
    (V3, "left: (11 - 1) = 10, 11, 13\n(13)", "left: (13 - 3) = 10, 11, 13\n(13)", 0,
     "the cards left are made of 13 3 11 13, not of 1 11 11 13"),
    (V3, "left: (11 - 1) = 10, 11, 13\n(13)", "left: (11 - ) = 10, 11, 13\n(13)", 0,
     "a card left is not an expression: unexpected ')' where a number was expected"),
    (V3, "roll back, left: (11 - 1) = 10, 11, 13", "roll back, left: (13 - 11) = 2, 1, 11", 4, "not a position above"),
    (V2, "roll back, left: 3, 11\n", "", 5, None),  # two positions up at once: it is named exactly
    (V2, V2[V2.index("roll") : V2.index("(11) + (1)")], "", 3, None),  # then it is v1
    (V2, "roll back, left: 10, 11, 13\nroll back, left: 1 11 11 13\n", "", 4,
     "made from a position above: a roll back is missing"),
    (V2, "left: 12, 11, 13", "left: 12 11 13", 6, "'12 11 13' among the numbers left: not of the form of v2"),
    (V2, "left: 12, 11, 13", "left: 12, 11, 1/0", 6, "'1/0' among the numbers left: not of the form of v2"),
    (V1, "(11) + (1) = 12, left: 12, 11, 13", "(11) + (1) = 12, left: 12, 11, 11", 3,
     "the numbers left are 11 12 13, not 12 11 11"),
    (V1, "(2) * (12)", "2 * 12", 5, "not of the form `(a) + (b) = c, left: ...`"),
    (V1, "(11) + (1) = 12, left: 12, 11, 13", "(11) - (1) = 10, left: 10, 11, 13", 3, "tried before"),
]  # fmt: skip


@pytest.mark.parametrize(("chain", "old", "new", "place", "reason"), DAMAGE)
def test_damage_is_found_where_it_is(chain, old, new, place, reason):
    assert chain.count(old) == 1 or new == ""
    judged = judge_chain(NUMBERS, chain.replace(old, new, 1))
    assert judged.first_wrong == (None if reason is None else place)
    if reason is not None:
        assert judged.lines[place].reason == reason
        assert judged.share_right < 1
        before = judged.lines[place - 1].left if place else make_state(NUMBERS)
        assert judged.lines[place].left == before, "a line that is not right changes nothing"
        assert judged.lines[place].dead is None


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("reach 24! expression: (13 - 11) * (11 + 1)\n", "solved"),
        ("reach 24! expression: (13 - 11) * (11 + 1) = 24", "solved"),
        ("The answer is (13 - 11) * (11 + 1) = 24\n", "solved"),
        ("<answer>\n(13 - 11) * (11 + 1)\n</answer>", "solved"),
        ("<think>\nhm\n</think>\n<answer>(13 - 11) * (11 + 1)</answer>\n", "solved"),
        # as Tree of Thoughts and chat models end
        ("Answer: (13 - 11) * (11 + 1) = 24", "solved"),
        ("answer: (13 - 11) * (11 + 1)", "solved"),
        ("**Answer:** (13 - 11) * (11 + 1) = 24\n", "solved"),
        ("**Final answer**: $(13 - 11) \\times (11 + 1) = 24$.", "solved"),
        ("**The final answer is (13 - 11) * (11 + 1)**", "solved"),
        ("So the answer is: \\boxed{(13 - 11)(11 + 1)}.\n", "solved"),
        ("### Answer:\n\n(13 - 11) * (11 + 1)\n", "solved"),
        ("Answer:\n<answer>(13 - 11) * (11 + 1)</answer>", "solved"),
        ("Answer: <answer>(13 - 11) * (11 + 1)</answer>", "solved"),
        ("Answer: (13 - 11) * (11 + 1) = 25", "wrong expression"),
        ("Answer: 13 + 11\nAnswer: (13 - 11) * (11 + 1)", "wrong numbers"),  # no hedging here either
        ("Answer:\n13 + 11\n(13 - 11) * (11 + 1)", "wrong numbers"),
        ("Answer:\n", "unfinished"),
        ("Answer:\nthere is none\n", "unfinished"),
        ("Answers: (13 - 11) * (11 + 1)", "unfinished"),
        ("The answer isn't (13 - 11) * (11 + 1)", "unfinished"),
        ("My answer (13 - 11) * (11 + 1)", "unfinished"),
        # tags on lines that hold something else
        ("<think> x </think> <answer>(13 - 11) * (11 + 1)</answer>", "solved"),
        ("<think>x</think><answer>\n(13 - 11) *\n(11 + 1) = 24\n</answer> That is it.", "solved"),
        ("so <answer>(13 - 11) * (11 + 1)</answer><|im_end|>", "solved"),
        ("<think>into <answer> tags</think>\n<answer>(13 - 11) * (11 + 1)</answer>", "solved"),
        ("<answer>...</answer>\n<answer>(13 - 11) * (11 + 1)</answer>", "solved"),
        ("13 - 11 = 2 (left: 1 2 11)</think><answer>(13 - 11) * (11 + 1)</answer>", "solved"),
        ("x <answer>13 + 11</answer> <answer>(13 - 11) * (11 + 1)</answer>", "wrong numbers"),
        ("<think> x </think> (13 - 11) * (11 + 1)", "unfinished"),
        ("reach 24! expression: (13 - 11) * (11 + 1) = 25\n", "wrong expression"),
        ("reach 24! expression: 13 + 11 + 1 - 11\n", "wrong value"),
        ("reach 24! expression: 4 * 6\n", "wrong numbers"),
        ("reach 24! expression: 12 * 2\n", "wrong numbers"),
        ("reach 24! expression: 1 * 11 * 11 * 13 * (24 / 24)\n", "wrong numbers"),
        ("reach 24! expression: \n", "wrong expression"),
        ("reach 24! expression: 24 if True else 0\n", "wrong expression"),
        ("reach 24! expression: 13 + 11\nreach 24! expression: (13 - 11) * (11 + 1)\n", "wrong numbers"),  # no hedging
        ("reach 24! expression: " + "(" * 5000 + "\n", "wrong expression"),
        ("(13 - 11) * (11 + 1) = 24\n", "unfinished"),
        ("", "unfinished"),
        ("\n\n\n", "unfinished"),
    ],
)
def test_answers_are_strict(answer, outcome):
    judged = judge_chain(NUMBERS, answer)
    assert judged.outcome == outcome
    assert judged.solved == (outcome == "solved")
    assert judged.finished == (outcome != "unfinished")


def test_a_strict_judge_reads_plain_answers_alone():
    written = "Answer: $(13 - 11)(11 + 1)$"
    assert judge_chain(NUMBERS, written).solved
    assert not judge_chain(NUMBERS, written, strict=True).solved
    assert judge_chain(NUMBERS, "Answer: (13 - 11) * (11 + 1) = 24", strict=True).solved


def test_an_answer_in_think_tags_on_one_line_leaves_the_moves_before_it_right():
    judged = judge_chain(NUMBERS, "<think>13 - 11 = 2 (left: 1 2 11)</think> <answer>(13 - 11) * (11 + 1)</answer>")
    assert (judged.share_right, judged.first_wrong) == (1.0, None)


def test_tags_without_number_are_read_at_once():
    for text in ("<think>" * 40_000, "<answer>" * 40_000, " " * 200_000 + "<answer>", "<answer>1" + " </answer" * 9_000,
                 "</think> " * 40_000, "x<think>" * 20_000):  # fmt: skip
        began = time.process_time()
        strip_tags(text, 24)
        assert time.process_time() - began < 2


def test_exact_decimals_are_numbers_in_every_notation():
    judged = judge_chain((1, 1, 4, 6), "1 / 4 = 0.25 (left: 0.25 1 6)\n1 - 0.25 = 0.75 (left: .75 6)\n")
    assert judged.first_wrong is None
    judged = judge_chain((1, 1, 4, 6), "(1) / (4) = 0.25, left: 0.25, 1, 6\nroll back, left: 1 1 4 6\n")
    assert judged.first_wrong is None
    judged = judge_chain((1, 1, 4, 6), "(1) / (4) = 0.25, left: (1 / 4) = 0.25, 1, 6\n")
    assert judged.first_wrong is None
    judged = judge_chain((1, 1, 3, 6), "1 / 3 = 0.33 (left: 0.33 1 6)\n")
    assert judged.lines[0].reason == "1 / 3 is 1/3, not 33/100"


def test_unsound_lines_are_right_but_said():
    text = "13 - 11 = 2 (left: 1 2 11)\nroll back (left: 1 11 11 13)\n11 - 1 = 10 (left: 10 11 13)\n"
    judged = judge_chain(NUMBERS, text)
    assert (judged.first_wrong, judged.first_unsound) == (None, 1)
    assert [line.dead for line in judged.lines] == [False, False, True]
    leapt = judge_chain(NUMBERS, "(13) - (11) = 2, left: 2, 1, 11\n(11) - (1) = 10, left: 10, 11, 13\n")
    assert (leapt.style, leapt.first_wrong, leapt.first_unsound) == ("v1", None, 1)


def test_what_was_cut_off_is_left_out_unless_it_is_right():
    for length in range(len(SOUND)):
        judged = judge_chain(NUMBERS, SOUND[:length], style="sound")
        assert judged.first_wrong is None or judged.lines[judged.first_wrong].kind == "answer"
        assert len(judged.lines) - SOUND[:length].count("\n") in (0, 1)


@pytest.mark.parametrize(("style", "told"), [("v1", "v1"), ("v2", "v2"), ("v3", "v3"), ("sound", "sound")])
def test_a_style_can_be_demanded(style, told):
    for other, chain in CHAINS.items():
        judged = judge_chain(NUMBERS, chain, style=style)
        assert judged.style == told
        assert judged.solved, "the answer has one form in all"
        assert (judged.first_wrong is None) == (other == style)
    assert judge_chain(NUMBERS, V1, style="v2").first_wrong == 3
    assert judge_chain(NUMBERS, SOUND, style="solution").lines[2].reason.endswith("a roll back is missing")


@pytest.mark.parametrize("style", ["auto", *STYLES])
@given(text=st.text(st.sampled_from("0123456789+-*/()= :,!left.rolback\n<>") | st.characters(), max_size=200))
@settings(deadline=None, max_examples=80)
def test_no_text_makes_the_judge_raise(style, text):
    for one in (text, SOUND + text, V3[: 5 * len(text)] + text):
        judged = judge_chain(NUMBERS, one, style=style)
        assert judged.solved == (judged.finished and check_answer(NUMBERS, judged.answer).accepted)
        assert 0 <= judged.share_right <= 1


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_no_shuffled_or_mixed_lines_are_called_right_that_are_not_legal(data):
    """Lines of real chains in any order: whatever the judge calls right leads where legal moves lead."""
    pool = [line for chain in CHAINS.values() for line in chain.splitlines()]
    style = data.draw(st.sampled_from(["auto", *STYLES]))
    lines = data.draw(st.lists(st.sampled_from(pool), max_size=14))
    judged = judge_chain(NUMBERS, "\n".join(lines) + "\n", style=style)
    depth, left = 0, make_state(NUMBERS)
    for line in judged.lines:
        if not line.right or line.kind == "answer":
            assert (line.depth, line.left) == (depth, left)
        elif line.kind == "move":
            assert line.depth <= depth + 1
            assert len(line.left) == 4 - line.depth
        else:
            assert (line.kind, line.depth < depth) == ("rollback", True)
        depth, left = line.depth, line.left
        assert line.dead is None or line.dead == (not reachable(left))
        assert bool(line.reason) != line.right
    seen = [line.text for line in judged.lines if line.right and line.depth == 1 and line.kind == "move"]
    assert len(seen) == len(set(seen)), "nothing is tried twice from the root"


def test_bad_input():
    search = search_in_order(NUMBERS, random.Random(0))
    with pytest.raises(ValueError, match="style must be one of solution, v1, v2, v3, sound, got 'v4'"):
        write_chain(NUMBERS, search, "v4")
    with pytest.raises(ValueError, match=r"style must be auto or one of solution.* got 'V1'"):
        judge_chain(NUMBERS, "", style="V1")
    with pytest.raises(ValueError, match="its last one must reach 24"):
        write_chain(NUMBERS, search[:-1], "v1")
    with pytest.raises(ValueError, match="its last one must reach 24"):
        write_chain(NUMBERS, (), "sound")
    for style in STYLES:
        with pytest.raises(ValueError, match="is not among"):
            write_chain((1, 2, 3, 4), search, style)
    assert replace(judge_chain(NUMBERS, SOUND), lines=()).solved
