"""A policy that checks its own calculations: lies are seen, positions are the critic's, and all cost is counted."""

import pytest

from game24lab.models.critic import load_critic
from game24lab.models.locations import find_pretrained
from game24lab.models.self_check import add_checks
from game24lab.search.modes import open_world
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.task import Game24

WORLD = open_environment("countdown", held_out=1)
POLICY = find_pretrained("policy", WORLD)
HEAD = "Input: 3 7 25 50 Target: 79\n50 + 25 = 75 (left: 3 7 75)\n75 + 7 = 82 (left: 3 82)\n"
RIGHT = HEAD + "82 - 3 = 79 (left: 79)\n"
LIES = {
    "calculation": HEAD + "82 + 3 = 79 (left: 79)\n",
    "an earlier calculation": HEAD.replace("= 82", "= 76").replace("3 82", "3 76") + "76 + 3 = 79 (left: 79)\n",
    "invented number": "Input: 3 8 44 98 Target: 50\n99 - 44 = 55 (left: 3 8 55)\n8 - 3 = 5 (left: 5 55)\n"
                       "55 - 5 = 50 (left: 50)\n",
    "left list": HEAD.replace("3 82", "4 82") + "82 - 4 = 78 (left: 78)\n",
    "wrong value": HEAD + "82 + 3 = 85 (left: 85)\n",
}


@pytest.fixture(scope="module")
def critic():
    return load_critic(find_pretrained("critic", WORLD))


@pytest.fixture(scope="module")
def judge(critic):
    return add_checks(critic, POLICY, WORLD.task, 2)


def test_a_right_chain_stands_clear_of_all_lies(judge):
    right, *lies = judge.score([RIGHT, *LIES.values()])
    assert right > 0.8
    assert dict(zip(LIES, [value < -0.5 for value in lies], strict=True)) == dict.fromkeys(LIES, True)


def test_positions_are_the_critics(critic, judge):
    texts = ["Input: 3 7 25 50 Target: 79\n", "Input: 79 Target: 79\n", "Input: 3 82 Target: 79\n"]
    assert judge.score(texts) == pytest.approx(critic.score(texts), abs=1e-6)
    assert [judge.count(text) for text in texts] == [critic.count(text) for text in texts]


def test_values_do_not_depend_on_what_was_asked_before(critic, judge):
    texts = [RIGHT, *LIES.values(), HEAD]
    fresh = [add_checks(critic, POLICY, WORLD.task, 2).score([text])[0] for text in texts]
    assert judge.score(texts) == pytest.approx(fresh, abs=1e-5)
    assert judge.score([]) == []


def test_all_that_is_forwarded_is_counted(critic, judge):
    told = judge.count(RIGHT) - critic.count("Input: 79 Target: 79\n")
    assert add_checks(critic, POLICY, WORLD.task, 4).count(RIGHT) > judge.count(RIGHT)
    assert told >= 3 * 3 * 10  # three lines, each in two other contexts and its own, of ten tokens at least


def test_it_serves_blind_searches(critic, judge):
    assert judge.reads == "chains"
    assert open_world(WORLD.task, "blind", judge).name == "countdown"


def test_bad_checks(critic):
    assert add_checks(critic, POLICY, Game24(), 0) is critic
    with pytest.raises(ValueError, match="checks must be 0 for the task game24, got 2"):
        add_checks(critic, POLICY, Game24(), 2)
    with pytest.raises(ValueError, match="checks must be an integer >= 0, got -1"):
        add_checks(critic, POLICY, WORLD.task, -1)
