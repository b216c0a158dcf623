"""What ships: a critic that reads whole chains, and whose word on an end does not hang on a hair."""

import inspect

import pytest

from game24lab.models.checkpoints import find_pretrained
from game24lab.models.critic import load_critic
from game24lab.models.load_policy import load_policy
from game24lab.models.self_check import add_checks
from game24lab.search.engine import run
from game24lab.search.mcts import mcts
from game24lab.search.modes import MODES
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.rankings import TOT_RANKS, list_published
from game24lab.tasks.numbers.task import Game24

TASK = Game24()
ENOUGH = inspect.signature(mcts).parameters["enough"].default
SHIFT = 0.05  # of values, that no decision may hang on
PUZZLES = list_published(*TOT_RANKS)[:6]
COUNTDOWN = open_environment("countdown", held_out=8)


@pytest.fixture(scope="module")
def critic():
    return load_critic(find_pretrained("critic"))


@pytest.fixture(scope="module")
def policy():
    return load_policy(find_pretrained("policy"))


def test_the_critic_reads_whole_chains(critic):
    assert critic.reads == "chains"


def test_the_right_end_stands_clear_of_all_others(critic):
    numbers = range(-99, 200)
    values = dict(zip(numbers, critic.score([TASK.prompt((number,)) for number in numbers]), strict=True))
    right = values.pop(24)
    assert right > ENOUGH + 2 * SHIFT
    assert max(values.values()) < ENOUGH - 2 * SHIFT


@pytest.mark.parametrize("mode", ["rules", "blind"])
def test_a_small_shift_of_the_stop_changes_nothing(mode, policy, critic):
    told = []
    for shift in (-SHIFT, 0.0, SHIFT):
        options = {"simulations": 60, "enough": ENOUGH + shift}
        outcomes = run(TASK, PUZZLES, mcts, policy, critic, mode=mode, trees=False, parameters=options)
        told.append([(one.answer, one.solved, one.stopped) for one in outcomes])
    assert told[0] == told[1] == told[2]


def test_the_critic_sees_each_kind_of_lie(critic):
    world = TASK.believe()
    head = "Input: 4 5 6 10\n10 - 4 = 6 (left: 5 6 6)\n6 * 5 = 30 (left: 6 30)\n"
    right = critic.score([head + "30 - 6 = 24 (left: 24)\n"])[0]
    lies = {
        "calculation": head.replace("= 30", "= 31").replace("6 30", "7 31") + "31 - 7 = 24 (left: 24)\n",
        "left list": "Input: 4 5 6 10\n10 - 4 = 6 (left: 4 6)\n6 * 4 = 24 (left: 24)\n",
        "invented number": "Input: 4 5 6 10\n8 * 3 = 24 (left: 24)\n",
    }
    for kind, text in lies.items():
        fault = world.find_fault(world.read(text))
        assert fault.kind in (kind, "left list")
        assert critic.score([text])[0] < right - 1


@pytest.mark.parametrize("mode", MODES)
def test_the_shipped_models_play_every_mode(mode, policy, critic):
    outcomes = run(TASK, PUZZLES, mcts, policy, critic, mode=mode, trees=False, parameters={"simulations": 100})
    assert sum(outcome.solved for outcome in outcomes) >= 5
    assert {outcome.mode for outcome in outcomes} == {mode}


# ------------------------------------------------------------------------------------------------------- Countdown
@pytest.fixture(scope="module")
def countdown():
    policy, critic = (find_pretrained(part, COUNTDOWN) for part in ("policy", "critic"))
    return load_policy(policy), add_checks(load_critic(critic), policy, COUNTDOWN.task, COUNTDOWN.checks)


def test_each_task_has_models_of_its_own():
    assert find_pretrained("policy", open_environment("game24", held_out=1)) == find_pretrained("policy")
    assert find_pretrained("policy", COUNTDOWN) != find_pretrained("policy")
    with pytest.raises(ValueError, match="the task gsm8k has no models that ship"):
        find_pretrained("policy", open_environment("gsm8k", held_out=1))


@pytest.mark.parametrize("target", [10, 37, 64, 99])
def test_the_end_of_a_countdown_stands_clear_of_all_others(countdown, target):
    numbers = range(131)
    values = dict(zip(numbers, countdown[1].score([COUNTDOWN.task.prompt((number,), target) for number in numbers]),
                      strict=True))  # fmt: skip
    right = values.pop(target)
    assert right > ENOUGH + 2 * SHIFT
    assert max(values.values()) < ENOUGH - 2 * SHIFT


@pytest.mark.parametrize("mode", MODES)
def test_the_shipped_models_play_countdown_in_every_mode(mode, countdown):
    outcomes = run(COUNTDOWN.task, COUNTDOWN.held_out, mcts, *countdown, mode=mode, trees=False,
                   parameters={"simulations": 200})  # fmt: skip
    assert sum(outcome.solved for outcome in outcomes) >= 5
    assert {outcome.mode for outcome in outcomes} == {mode}
