"""Critics made of truth and noise: consistent, of the size asked for, as good as the formula says."""

import math
from fractions import Fraction

import numpy as np
import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.evaluation.calibration import measure
from game24lab.evaluation.oracle_critics import NoCritic, NoisyCritic, expect_auc, find_like, match_auc
from game24lab.search.engine import run
from game24lab.search.mcts import mcts
from game24lab.tasks.numbers.task import Game24

TASK = Game24()
PAIRS = [(a, b) for a in range(1, 60) for b in range(a, 60)]
TEXTS = [TASK.prompt(pair) for pair in PAIRS]
TRUTHS = [TASK.truth(TASK.read(text)) for text in TEXTS]


def test_truth_alone():
    critic = NoisyCritic(TASK)
    assert critic.score(TEXTS) == [1.0 if truth else -1.0 for truth in TRUTHS]
    assert critic.score([TASK.prompt((Fraction(8, 3), 9))]) == [1.0]
    assert (critic.name, critic.parameters, critic.count(TEXTS[0])) == ("truth", 0, 0)


def test_noise_is_of_its_size_and_the_same_whenever_a_position_is_met():
    critic = NoisyCritic(TASK, 0.3, seed=5)
    values = np.array(critic.score(TEXTS))
    assert values.tolist() == critic.score(TEXTS[::-1])[::-1]
    noise = values - np.where(TRUTHS, 1, -1)
    inside = np.abs(values) < 1
    assert inside.mean() == pytest.approx(0.5, abs=0.04)  # the other half is clipped
    assert np.sqrt((noise[inside] ** 2).mean()) == pytest.approx(0.3, abs=0.02)
    assert critic.score(TEXTS) != NoisyCritic(TASK, 0.3, seed=6).score(TEXTS)
    more = np.array(NoisyCritic(TASK, 0.6, seed=5).score(TEXTS)) - np.where(TRUTHS, 1, -1)
    both = inside & (np.abs(more + np.where(TRUTHS, 1, -1)) < 1)
    assert np.allclose(more[both], 2 * noise[both])  # one draw, scaled: sigmas are compared on the same luck


def test_the_way_to_a_position_does_not_matter():
    task = Game24(context="history")
    state = task.start((2, 2, 6, 6))
    ways = [("2 + 2 = 4", "6 * 4 = 24"), ("6 * 2 = 12", "12 * 2 = 24")]
    ends = []
    for way in ways:
        after = state
        for line in way:
            after = task.step(after, line)
        ends.append(task.text(after))
    assert ends[0] != ends[1]
    values = NoisyCritic(task, 1.0).score(ends)
    assert values[0] == values[1]


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, 5.0])
def test_the_auc_is_the_expected_one(sigma):
    found = [measure(NoisyCritic(TASK, sigma, seed).score(TEXTS), TRUTHS)["auc"] for seed in range(3)]
    assert np.mean(found) == pytest.approx(expect_auc(sigma), abs=0.04)
    assert match_auc(expect_auc(sigma)) == pytest.approx(sigma, rel=1e-6)


def test_ends_of_the_scale():
    assert match_auc(1.0) == 0.0
    assert match_auc(0.5) == match_auc(0.2) == math.inf
    assert expect_auc(0) == 1.0
    sizes = [expect_auc(sigma) for sigma in (0.1, 0.5, 1, 2, 5, 20, 100)]
    assert sizes == sorted(sizes, reverse=True)
    with pytest.raises(ValueError, match=r"auc must be a number from 0 to 1, got 1\.5"):
        match_auc(1.5)


def test_any_strategy_takes_them():
    policy = FakePolicy()
    puzzles = [(4, 5, 6, 10), (1, 2, 3, 4), (3, 3, 8, 8)]
    like = FakeCritic(policy)
    told = run(TASK, puzzles, mcts, policy, NoisyCritic(TASK, like=like), mode="rules")
    assert all(outcome.solved for outcome in told)
    assert all(outcome.cost.critic_tokens > 0 for outcome in told)
    for critic in (NoisyCritic(TASK, 1.0), NoCritic(), NoCritic(like=like)):
        (outcome,) = run(TASK, puzzles[:1], mcts, policy, critic, parameters={"simulations": 8}, mode="rules")
        assert outcome.cost.critic_calls > 0
        assert (outcome.cost.critic_tokens > 0) == (critic.parameters > 0)


def test_bad_arguments():
    for sigma in (-1, math.inf, math.nan, "1"):
        with pytest.raises(ValueError, match="sigma"):
            NoisyCritic(TASK, sigma)
    with pytest.raises(ValueError, match="show a position"):
        NoisyCritic(TASK).score(["Input: hello\n"])

    class Words:
        name = "words"

    with pytest.raises(ValueError, match="task 'words'"):
        NoisyCritic(Words())


def test_what_no_noise_is_like_has_no_number():
    """A critic that knows no sibling from another once ended its run: infinity is no fact for a manifest."""
    assert find_like(0.5) is find_like(0.2) is find_like(None) is None
    assert find_like(1.0) == 0.0
    assert find_like(0.8) == match_auc(0.8)
