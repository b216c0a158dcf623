"""Rewards: the published formulas, exact where they were loose; weights that are checked; TRL's signature."""

import inspect
import math
import random
from fractions import Fraction
from functools import partial

import pytest
from test_chains import SOUND

from game24lab.tasks.numbers import rewards as number_rewards
from game24lab.tasks.numbers.chains import STYLES, write_chain
from game24lab.tasks.numbers.puzzles import NumberProblem
from game24lab.tasks.numbers.rewards import (
    REWARDS,
    measure,
    reward_length,
    reward_output_original,
    reward_process_original,
)
from game24lab.tasks.numbers.search_traces import search_in_order
from game24lab.tasks.rewards import check_weights, make_reward_functions, score

NUMBERS = (1, 11, 11, 13)
PROBLEM = NumberProblem(NUMBERS)
RIGHT = SOUND.replace("reach 24: 13 - 11 = 2, 11 + 1 = 12, 12 * 2 = 24\n", "")  # without the way


def pay(name, text, numbers=NUMBERS):
    return REWARDS.functions[name](NumberProblem(tuple(sorted(numbers))), text)


# ------------------------------------------------------------------------------------------------- components
def test_a_right_chain_is_paid_in_full():
    found = score(
        REWARDS, [NUMBERS], [RIGHT], {**REWARDS.weights, "finished": 0, "lines": 0, "rollbacks": 0, "prefix": 0}
    )[0]
    length = 1 / (1 + math.exp(0.2 * (8 - 24)))
    assert found["output"] == found["process"] == found["prefix"] == found["finished"] == 1
    assert (found["lines"], found["rollbacks"]) == (8, 1)
    assert found["length"] == pytest.approx(length)
    assert found["total"] == pytest.approx(0.55 + 0.30 + 0.15 * length)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("numbers", [(1, 11, 11, 13), (3, 3, 8, 8), (1, 2, 3, 4)])
def test_what_the_exact_search_writes_is_paid_in_full_in_every_style(numbers, style):
    text = write_chain(numbers, search_in_order(numbers, random.Random(0)), style)
    (row,) = score(REWARDS, [numbers], [text], dict.fromkeys(REWARDS.functions, 1))
    assert row["output"] == row["process"] == row["prefix"] == row["finished"] == row["sound"] == 1
    assert row["output_original"] == 1
    assert (row["process_original"] == 1) is (style == "v3")  # it reads no other


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("11 - 10 = 1 (left: 1 13)", "11 - 10 = 2 (left: 2 13)"),  # a result
        ("11 - 10 = 1 (left: 1 13)", "11 - 10 = 1 (left: 1 12)"),  # the numbers left
        ("11 - 10 = 1 (left: 1 13)", "11 - 9 = 2 (left: 2 13)"),  # a number that is not there
        ("11 - 10 = 1 (left: 1 13)", "let me think"),
    ],
)
def test_one_wrong_line_of_eight_costs_an_eighth(old, new):
    text = RIGHT.replace(old, new)
    assert pay("process", text) == pytest.approx(7 / 8)
    assert pay("output", text) == 1
    assert pay("prefix", text) == text.split("\n").index(new) / 8


def test_a_false_roll_back_costs_what_was_built_on_it():
    text = RIGHT.replace("roll back (left: 1 11 11 13)", "roll back (left: 1 11 12 13)")
    assert pay("process", text) < 7 / 8
    assert pay("prefix", text) == 3 / 8
    assert pay("rollbacks", text) == 0


@pytest.mark.parametrize(
    "answer",
    ["(11 + 1) * 2", "(11 + 1) * (13 - 11) * 1", "12 * (13 - 11)", "11 + 13", "2**3*3", "24", "", "__import__('os')"],
)
def test_the_output_is_judged_strictly(answer):
    text = RIGHT.replace("(11 + 1) * (13 - 11)", answer)
    assert pay("output", text) == 0
    assert pay("process", text) < 1


def test_an_empty_completion_earns_its_length_alone():
    (row,) = score(REWARDS, [NUMBERS], [""], {**REWARDS.weights, "prefix": 0, "sound": 0})
    assert row == {"output": 0, "process": 0, "length": 1, "prefix": 0, "sound": None, "total": 0.15}
    for blank in ("\n", "  \n\n "):
        assert score(REWARDS, [NUMBERS], [blank])[0] == {"output": 0, "process": 0, "length": 1, "total": 0.15}


def test_unfinished_is_not_solved():
    text = RIGHT[: RIGHT.index("reach")]
    assert (pay("output", text), pay("finished", text), pay("process", text)) == (0, 0, 1)


@pytest.mark.parametrize(("lines", "wanted"), [(1, 1), (4, 1), (5, 0.97811873), (24, 0.5), (34, 0.11920292)])
def test_length_is_the_published_curve(lines, wanted):
    assert pay("length", "x\n" * lines) == pytest.approx(wanted)


def test_length_takes_other_constants_and_any_number_of_lines():
    assert reward_length(PROBLEM, "x\n" * 50, free=60) == 1
    assert reward_length(PROBLEM, "x\n" * 50, middle=50) == 0.5
    assert reward_length(PROBLEM, "x\n" * 50, middle=40, steepness=0.1) == pytest.approx(1 / (1 + math.exp(1)))
    assert reward_length(PROBLEM, "x\n" * 20_000) == 0
    longer = REWARDS.add(length=partial(reward_length, middle=8))
    assert score(longer, [NUMBERS], [RIGHT], {"length": 1})[0]["total"] == 0.5


HOSTILE = ["\x00", "²", "9" * 5000, "(" * 3000, "left:" * 500, "= = =", "reach 24! expression: 1/0", "a, left: -",
           "1 = 1/0, left: 1/0 = 1", "\ud800", "left: ٣ = ٣"]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_raises(text):
    (row,) = score(REWARDS, [NUMBERS], [text], dict.fromkeys(REWARDS.functions, 1))
    assert row["output"] == row["process"] == 0
    assert all(value is None or math.isfinite(value) for value in row.values())


# -------------------------------------------------------------------------------------------- the original's own
V3 = """(8) - (7) = 1, left: (8 - 7) = 1, 8, 10
(10) - (8) = 2, left: (10 - 8) = 2, (8 - 7) = 1
roll back, left: (8 - 7) = 1, 8, 10
roll back, left: 8 10 8 7
(8) / (7) = 8/7, left: (8 / 7) = 8/7, 8, 10
(8) + (10) = 18, left: (8 + 10) = 18, (8 / 7) = 8/7
(8/7) * (18) = 24, left: ((8 / 7) * (8 + 10)) = 24
reach 24! expression: ((8 / 7) * (8 + 10))"""


def test_the_original_pays_as_published():
    """Its own sample: 8 / 7 * 18 is not 24, which costs the last move one line and the answer two."""
    numbers = (7, 8, 8, 10)
    assert reward_process_original(NumberProblem(numbers), V3) == 1 - 3 / 8
    assert reward_output_original(NumberProblem(numbers), V3) == 0.35
    assert pay("output", V3, numbers) == 0
    good = "(4) - (9) = -5, left: (4 - 9) = -5, 4, 1\n(1) - (-5) = 6, left: (1 - (4 - 9)) = 6, 4\n"
    answer = "reach 24! expression: (4 * (1 - (4 - 9)))"
    assert reward_process_original(NumberProblem((1, 4, 4, 9)), good + answer) == 1
    assert reward_output_original(NumberProblem((1, 4, 4, 9)), good + answer) == 1
    assert reward_output_original(NumberProblem((1, 4, 4, 9)), good + answer + "\nmore") == 0
    assert reward_output_original(NumberProblem((1, 4, 4, 9)), "") == 0
    assert reward_process_original(NumberProblem((1, 4, 4, 9)), "") == 0


def test_the_original_does_not_look_at_moves():
    """Lines that follow from nothing are right to it as long as their equations are true."""
    text = "lunch, left: (8 + 10) = 18, 7, 8\nand then, left: (7 * 8) = 56, 8, 10\nroll back, left: 8 10 8 7"
    assert reward_process_original(NumberProblem((7, 8, 8, 10)), text) == 1
    assert pay("process", text, (7, 8, 8, 10)) < 1


# ----------------------------------------------------------------------------------------------------- weights
@pytest.mark.parametrize(
    ("weights", "named"),
    [
        ({"outptu": 1}, "did you mean 'output'"),
        ({"outptu": 1}, "process, length"),
        ({"output": 1, 3: 1}, "reward must be .* got 3"),
        ({"output": -0.1}, "'output' must be a number >= 0, got -0.1"),
        ({"output": math.nan}, "nan"),
        ({"output": math.inf}, "inf"),
        ({"output": True}, "True"),
        ({"output": "0.5"}, "YAML"),
        ({"output": None}, "None"),
        ({"output": [1]}, "'output'"),
        ({"output": 0, "process": 0.0}, "at least one above 0"),
        ({}, "at least one above 0"),
        ([("output", 1)], "a mapping"),
    ],
)
def test_bad_weights_are_named(weights, named):
    for check in (partial(check_weights, functions=REWARDS.functions), partial(make_reward_functions, REWARDS),
                  lambda w: score(REWARDS, [NUMBERS], [RIGHT], w)):  # fmt: skip
        with pytest.raises(ValueError, match=named) as error:
            check(weights)
        assert "\n" not in str(error.value)


def test_good_weights_come_back_as_floats_in_order():
    assert list(check_weights({"length": 1, "output": Fraction(1, 2)}, REWARDS.functions).items()) == [
        ("length", 1.0),
        ("output", 0.5),
    ]
    assert sum(REWARDS.weights.values()) == pytest.approx(1)
    assert check_weights({"mine": 1}, {"mine": lambda *a: 0.0}) == {"mine": 1.0}


# --------------------------------------------------------------------------------------------------------- TRL
def test_functions_have_trls_signature():
    functions, weights = make_reward_functions(REWARDS, {"output": 0.5, "process": 0.5, "rollbacks": 0})
    assert [function.__name__ for function in functions] == ["output", "process", "rollbacks"]
    assert weights == [0.5, 0.5, 0.0]
    assert not any(map(inspect.iscoroutinefunction, functions))
    call = {"prompts": ["Input: 1 11 11 13\n"] * 2, "completions": [RIGHT, ""], "completion_ids": [[1], [2]],
            "numbers": [list(NUMBERS)] * 2, "trainer_state": None, "log_extra": None, "log_metric": None}  # fmt: skip
    assert [function(**call) for function in functions] == [[1, 0], [1, 0], [1, 0]]


def test_chat_messages_texts_of_numbers_and_rows_without_any():
    (output,), _ = make_reward_functions(REWARDS, {"output": 1})
    chat = [{"role": "assistant", "content": RIGHT}]
    assert output(completions=[chat, RIGHT, RIGHT], numbers=["13, 11 11 1", None, [1, 11, 11, 13]]) == [1, None, 1]
    assert score(REWARDS, [None], [RIGHT])[0] == {"output": None, "process": None, "length": None, "total": None}
    with pytest.raises(ValueError, match="chat messages"):
        output(completions=[3], numbers=[NUMBERS])
    with pytest.raises(ValueError, match="lacks the column 'numbers'"):
        output(completions=[RIGHT])
    with pytest.raises(ValueError, match="got 1 and 2"):
        output(completions=[RIGHT, RIGHT], numbers=[NUMBERS])
    for bad in (7, [1, 2.5, 3], "1 2 x", [[1]]):
        with pytest.raises(ValueError, match="numbers must be .*got 7" if bad == 7 else "puzzle"):
            output(completions=[RIGHT], numbers=[bad])


def test_an_exception_stays_an_exception():
    def fail(problem, text):
        raise ZeroDivisionError("mine")

    (function,), _ = make_reward_functions(REWARDS.add(mine=fail), {"mine": 1})
    with pytest.raises(ZeroDivisionError, match="mine"):
        function(completions=[RIGHT], numbers=[NUMBERS])


def test_a_completion_is_judged_once(monkeypatch):
    judged = []
    real = number_rewards.judge_chain
    monkeypatch.setattr(number_rewards, "judge_chain", lambda *a: judged.append(a) or real(*a))
    measure.cache_clear()
    names = [name for name in REWARDS.functions if "original" not in name]
    score(REWARDS, [NUMBERS, list(NUMBERS), NUMBERS], [RIGHT, RIGHT, "x"], dict.fromkeys(names, 1))
    assert len(judged) == 2
    assert measure.cache_info().maxsize


def test_another_target():
    text = "11 + 13 = 24 (left: 1 11 24)\n"
    assert (
        score(REWARDS, [NumberProblem(NUMBERS, 36)], [text + "reach 36! expression: 11 + 13 + 11 + 1"], {"output": 1})[
            0
        ]["output"]
        == 1
    )
