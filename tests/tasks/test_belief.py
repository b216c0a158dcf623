"""The world at the model's word: takes what is said, judges only when asked, and then names the first false line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.tasks.numbers.arithmetic import legal_steps, make_state, solutions
from game24lab.tasks.numbers.belief import FAULTS, Believing, Chain
from game24lab.tasks.numbers.splits import make_split
from game24lab.tasks.numbers.steps import write_solution
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import Illegal, follow

GAME = Game24()
WORLD = GAME.believe()
PROBLEM = (4, 5, 6, 10)
RIGHT = ("10 - 4 = 6 (left: 5 6 6)", "6 * 5 = 30 (left: 6 30)", "30 - 6 = 24 (left: 24)")


def say(*lines, problem=PROBLEM, world=WORLD):
    state = world.start(problem)
    for line in lines:
        state = world.step(state, line)
        assert isinstance(state, Chain), state
    return state


@pytest.mark.parametrize(
    ("lines", "left", "kind", "line"),
    [
        (RIGHT, "24", None, None),
        (("10 - 4 = 7 (left: 5 6 7)",), "5 6 7", "calculation", 0),
        (("10 - 4 = 6 (left: 5 5 6)",), "5 5 6", "left list", 0),
        (("10 - 4 = 6 (left: 6 6)",), "6 6", "left list", 0),  # of the wrong length
        (("10 - 4 = 6 (left: 5 6 6 6 6)",), "5 6 6 6 6", "left list", 0),
        (("8 * 3 = 24 (left: 24)",), "24", "invented number", 0),  # the target in the first line
        (("4 * 6 = 24 (left: 24)",), "24", "left list", 0),
        (("4 / 0 = 0 (left: 5 6 10)",), "5 6 10", "invented number", 0),
        ((*RIGHT[:1], "10 - 4 = 6 (left: 6 24)"), "6 24", "reused number", 1),
        ((*RIGHT[:2], "30 - 5 = 24 (left: 24)"), "24", "reused number", 2),
        ((*RIGHT[:2], "30 - 6 = 25 (left: 25)"), "25", "calculation", 2),
        ((*RIGHT[:2], "6 - 30 = -24 (left: -24)"), "-24", "wrong value", -1),
        ((*RIGHT, "The answer is (10 - 4) * 5 - 6 = 24"), "24", None, None),
        ((*RIGHT, "The answer is 4 * 6 = 24"), "24", "answer", 3),
        (("The answer is (10 - 4) * 5 - 6 = 24",), "4 5 6 10", "answer", 0),
    ],
)
def test_a_line_is_taken_as_it_was_said_and_the_first_false_one_is_named(lines, left, kind, line):
    state = say(*lines)
    assert WORLD.label(state) == left
    fault = WORLD.find_fault(state)
    assert (fault and fault.kind, fault and fault.line) == (kind, line)
    assert fault is None or fault.kind in FAULTS
    verdict = WORLD.verdict(state)
    assert verdict.solved == (fault is None and WORLD.is_terminal(state))
    if fault is not None and fault.line >= 0:
        assert verdict.outcome == "illegal"
        assert verdict.reason.startswith(f"line {line + 1} ({kind}): ")
    assert WORLD.name_end(state) == (kind or "right")


@pytest.mark.parametrize(
    "line",
    ["", "nonsense", "10 - 4 = 6", "10 - 4 = six (left: 5 6 6)", "10 - 4 = 6 (left: )", "10 - 4 = 6 (left: 5 6 x)",
     "10 - 4 = 6 (left: 5 6 6", "10 ** 4 = 6 (left: 5 6 6)", "10 - 4 = 06 (left: 5 6 6)", "1" * 400, "<b>",
     "10 - 4 = 6 (left: 5 6 6) and so on"],
)  # fmt: skip
def test_what_cannot_be_read_ends_a_path(line):
    after = WORLD.step(WORLD.start(PROBLEM), line)
    assert isinstance(after, Illegal)
    assert after.reason.startswith("cannot be read")
    assert "\n" not in after.reason


def test_a_line_without_the_numbers_left_says_what_is_missing():
    after = WORLD.step(WORLD.start(PROBLEM), "10 - 4 = 6")
    assert after.reason == "cannot be read: the line does not say which numbers are left, `(left: ...)`"


def test_a_chain_that_never_ends_is_ended():
    state, said = WORLD.start(PROBLEM), 0
    while isinstance(state, Chain):
        state, said = WORLD.step(state, "10 - 4 = 6 (left: 4 5 6 10)"), said + 1
    assert said == 5
    assert state.reason == "a chain of more than 4 lines"


def test_nothing_goes_on_behind_an_end():
    state = say(*RIGHT)
    assert isinstance(WORLD.step(state, "24 + 0 = 24 (left: 24)"), Illegal)
    answered = say(*RIGHT, "The answer is (10 - 4) * 5 - 6 = 24")
    assert isinstance(WORLD.step(answered, "The answer is (10 - 4) * 5 - 6 = 24"), Illegal)


def test_no_rule_is_asked_before_the_judge():
    class Closed(Game24):
        def step(self, state, line):
            raise AssertionError("asked a rule")

        verdict = truth = legal_steps = children = step

    world = Believing(Closed())
    state = say(*RIGHT, world=world)
    world.text(state), world.prompt_of(state), world.key(state), world.label(state), world.expression(state)
    assert world.read(world.text(state)) == state
    for question in (world.verdict, world.truth, world.find_fault):
        with pytest.raises(AssertionError, match="asked a rule"):
            question(state)


def test_the_policy_sees_the_claimed_numbers_or_the_whole_chain():
    lie = "10 - 4 = 7 (left: 7 5 6)"
    chain = "Input: 4 5 6 10\n10 - 4 = 7 (left: 7 5 6)\n"
    assert WORLD.prompt_of(say(lie)) == "Input: 5 6 7\n"
    assert WORLD.text(say(lie)) == chain
    history = Game24(context="history").believe()
    assert history.prompt_of(say(lie, world=history)) == history.text(say(lie, world=history)) == chain


def test_chains_of_the_same_claims_are_one_position_and_others_are_not():
    one = say("10 - 4 = 6 (left: 5 6 6)", "6 * 5 = 30 (left: 6 30)")
    other = say("6 * 5 = 30 (left: 4 10 30)", "10 - 4 = 6 (left: 6 30)")
    assert WORLD.key(one) == WORLD.key(other)
    assert WORLD.key(say("5 * 6 = 30 (left: 4 10 30)")) == WORLD.key(say("6 * 5 = 30 (left: 30 10 4)"))
    false = say("10 - 4 = 6 (left: 5 6 6)", "6 + 5 = 30 (left: 6 30)")
    assert false.left == one.left
    assert WORLD.key(false) != WORLD.key(one)
    assert WORLD.key(say("10 - 4 = 6 (left: 5 6 6)")) != WORLD.key(say("4 - 10 = 6 (left: 5 6 6)"))


@settings(deadline=None)
@given(st.sampled_from(make_split("tot").held_out), st.randoms(use_true_random=False))
def test_on_true_lines_both_worlds_agree(puzzle, rng):
    state = make_state(puzzle)
    steps = []
    while len(state) > 1:
        step, state = rng.choice(legal_steps(state))
        steps.append(step)
    text = "\n".join(write_solution(puzzle, steps))
    true, _ = follow(GAME, GAME.start(puzzle), text)
    said, stopped = follow(WORLD, WORLD.start(puzzle), text)
    assert stopped is None
    assert (said.left, WORLD.is_terminal(said)) == (true.left, True)
    assert WORLD.verdict(said) == GAME.verdict(true)
    assert WORLD.calculation(said) == WORLD.calculation(WORLD.read(WORLD.text(said)))
    assert WORLD.truth(said) == GAME.truth(true)


@settings(deadline=None)
@given(st.sampled_from(make_split("tot").held_out), st.randoms(use_true_random=False))
def test_one_changed_number_in_a_solution_is_found(puzzle, rng):
    lines = write_solution(puzzle, next(solutions(make_state(puzzle))))
    place = rng.randrange(len(lines))
    words = lines[place].split(" ")
    numbers = [index for index, word in enumerate(words) if word.strip("()").lstrip("-").replace("/", "").isdigit()]
    index = rng.choice(numbers)
    old = words[index].strip("()")
    new = str(int(old.split("/")[0]) + rng.choice([1, 2, 7]))
    words[index] = words[index].replace(old, new)
    lines[place] = " ".join(words)
    said, stopped = follow(WORLD, WORLD.start(puzzle), "\n".join(lines))
    assert stopped is None or "game has ended" in stopped.reason
    assert not WORLD.verdict(said).solved
    assert WORLD.find_fault(said).line <= place


def test_a_chain_can_begin_at_a_fraction():
    state = WORLD.read("Input: 1/3 8\n8 / 1/3 = 24 (left: 24)\n")
    assert WORLD.name_end(state) == "right"
    assert WORLD.text(state) == "Input: 1/3 8\n8 / 1/3 = 24 (left: 24)\n"


@pytest.mark.parametrize(
    "text", ["", "Input: 4 5\nnonsense\n", "Input: 4 5\n4 + 5 = 9 (left: 9)", "4 5\n", "Input: x\n"]
)
def test_texts_that_show_no_chain_are_refused(text):
    with pytest.raises(ValueError, match="text"):
        WORLD.read(text)


def test_shows_finds_what_a_chain_claims():
    state = say(*RIGHT[:2])
    assert WORLD.shows(state, {make_state((5, 6, 6))})
    assert WORLD.shows(state, {make_state(PROBLEM)})
    assert not WORLD.shows(state, {make_state((1, 2, 3))})
