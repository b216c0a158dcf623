"""Exact probabilities: against an independent recursion, against samples of the shipped model, and what follows."""

import math

import numpy as np
import pandas as pd
import pytest
from fake_models import FakePolicy, chance_of, read_prompt
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.evaluation.exact import (
    COLUMNS,
    add_exact,
    bracket,
    measure_chances,
    measure_change,
    measure_cost,
    pass_at,
    tabulate_density,
    tabulate_exact_pass,
)
from game24lab.evaluation.statistics import pass_at_k
from game24lab.models.checkpoints import find_pretrained
from game24lab.models.load_policy import Sampling, load_policy
from game24lab.search.engine import run
from game24lab.search.sampling import best_of_n
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.arithmetic import make_state
from game24lab.tasks.numbers.puzzles import NumberProblem
from game24lab.tasks.numbers.task import Game24

PUZZLES = [(4, 5, 6, 10), (1, 2, 4, 7), (3, 3, 8, 8), (2, 3, 5, 12), (6, 6, 6, 6), (4, 6), (1, 1, 1, 1), (24,)]
USUAL = [Sampling(1)]


class ReadPolicy(FakePolicy):
    """A fake policy whose lines can be read; a line has half of its probability at temperature 2."""

    tokens = 7

    def open_reader(self):
        return self

    def score(self, prompts, lines, samplings):
        found = []
        for prompt, line in zip(prompts, lines, strict=True):
            chance = 1.0 if line is None else dict(self.moves(read_prompt(prompt))).get(line, 0.0)
            found.append([math.log(chance / sampling.temperature) for sampling in samplings])
        return np.array(found)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_the_sum_over_live_lines_is_the_chance(whole, chunk):
    policy = ReadPolicy()
    table = measure_chances(Game24(), PUZZLES, policy, USUAL, whole=whole, chunk=chunk, write=lambda one: str(one))
    assert list(table.columns) == list(COLUMNS)
    assert list(table["problem"]) == [str(one) for one in PUZZLES]
    expected = [chance_of(policy.skill, policy.blur, policy.illegal, make_state(puzzle)) for puzzle in PUZZLES]
    assert list(table["p"]) == pytest.approx(expected)
    assert table.attrs["read_tokens"] == 7 * math.ceil(len(PUZZLES) / chunk)
    dead = table[table["problem"] == "(1, 1, 1, 1)"].iloc[0]
    assert dead["p"] == 0
    assert dead["samples"] == math.inf
    assert dead["lines"] == 0
    assert (table["lines"] >= table["positions"]).all()


def test_a_change_is_paired_and_exact():
    worse, better = ReadPolicy(0.5), ReadPolicy(0.9)
    table = measure_change(Game24(), PUZZLES, worse, better, Sampling(1), ks=(1, 8))
    for row in table.to_dict("records"):
        p, q = (pass_at([chance_of(one.skill, one.blur, one.illegal, make_state(each)) for each in PUZZLES], row["k"])
                for one in (worse, better))  # fmt: skip
        assert (row["before"], row["after"]) == pytest.approx((p.mean(), q.mean()))
        assert row["difference"] == pytest.approx((q - p).mean())
        assert 0 < row["low"] < row["difference"] < row["high"]
        assert row["puzzles"] == len(PUZZLES)
    same = measure_change(Game24(), PUZZLES[:5], worse, worse, Sampling(1), ks=(1,))
    assert same["difference"].tolist() == [0]
    assert same["low"].item() < 0 < same["high"].item()  # of five alike nobody knows


def test_each_sampling_has_its_row():
    table = measure_chances(Game24(), PUZZLES[:2], ReadPolicy(), [Sampling(1), Sampling(1, 2.0)])
    usual, warm = (table[table["temperature"] == heat]["p"].to_numpy() for heat in (1.0, 2.0))
    assert warm == pytest.approx(usual / 8)  # three lines an answer


def test_another_target_is_asked_for():
    policy = ReadPolicy()
    table = measure_chances(Game24(), [NumberProblem((2, 3), 5), NumberProblem((2, 3), 7)], policy, USUAL)
    assert 0 < table["p"][0] <= 1
    assert table["p"][1] == 0


def test_tasks_and_policies_that_cannot_say_so():
    class Mute:
        name = "mute"

    with pytest.raises(ValueError, match="task must list its live lines"):
        measure_chances(Mute(), [], ReadPolicy(), USUAL)
    with pytest.raises(ValueError, match="chunk must be"):
        measure_chances(Game24(), [], ReadPolicy(), USUAL, chunk=0)
    assert measure_chances(Game24(), [], ReadPolicy(), USUAL).empty


def test_brackets_hold_the_truth_and_close():
    policy = FakePolicy()
    for puzzle in PUZZLES:
        truth = chance_of(policy.skill, policy.blur, policy.illegal, make_state(puzzle))
        low, high, spent = bracket(Game24(), puzzle, policy, least=0.2)
        assert low - 1e-9 <= truth <= high + 1e-9
        low, high, more = bracket(Game24(), puzzle, policy, least=0.0)
        assert low == pytest.approx(truth)
        assert high == pytest.approx(truth)
        assert more >= spent


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(1, 10**9))
@settings(deadline=None)
def test_pass_at_k_is_a_chance_that_grows(chances, k):
    one, now, later = pass_at(chances, 1), pass_at(chances, k), pass_at(chances, 10 * k)
    assert np.allclose(one, chances, atol=1e-12)
    assert ((one <= now + 1e-12) & (now <= later + 1e-12) & (later <= 1)).all()
    cost = measure_cost(chances, k)
    assert ((cost >= 1 - 1e-9) & (cost <= k * (1 + 1e-9))).all()


def test_known_values():
    assert pass_at([0.5, 1e-9, 0, 1], 3) == pytest.approx([0.875, 3e-9, 0, 1])
    assert measure_cost([0.5, 0, 1], 2) == pytest.approx([1.5, 2, 1])
    (row,) = tabulate_exact_pass([0.5, 0.25], [2])
    assert row["accuracy"] == pytest.approx((0.75 + 0.4375) / 2)
    assert row["problems"] == 2
    table = tabulate_density([0.5, 0.05, 0.0, 1.0], bins=4)
    assert table["share"].sum() == pytest.approx(0.75)
    assert table["below"].iloc[-1] == 1
    assert tabulate_density([0.0]).empty
    for wrong in (0, 0.5, -1):
        with pytest.raises(ValueError, match="k must be"):
            pass_at([0.5], wrong)


def test_sampled_pass_at_k_has_the_exact_one_beside_it():
    passed = pd.DataFrame({"k": [1, 2], "low": [0.3, 0.2], "high": [0.4, 0.5], "problems": 2})
    table = add_exact(passed, [0.5, 0.25])
    assert list(table["exact"]) == pytest.approx([0.375, (0.75 + 0.4375) / 2])
    assert list(table["inside"]) == [True, False]
    with pytest.raises(ValueError, match="chances must be of the 2 problems sampled, got 3"):
        add_exact(passed, [0.5, 0.25, 0.1])


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_samples_of_the_shipped_policy_agree(temperature):
    """64 answers of 12 held-out puzzles: successes, and pass@k at every power of two, as exact chances have them."""
    environment = open_environment("game24", split="tot", held_out=12)
    policy = load_policy(find_pretrained("policy", environment), backend="transformers")
    table = measure_chances(environment.task, environment.held_out, policy, [Sampling(1, temperature)], whole=True)
    settings = {"n": 64, "batch": 0, "choose": "logprob", "temperature": temperature}
    found = run(environment.task, environment.held_out, best_of_n, policy, parameters=settings, mode="rules", seed=3)
    p, right = table["p"].to_numpy(), np.array([one.correct for one in found])
    sigma = np.sqrt(64 * p * (1 - p)) + 1
    assert (np.abs(right - 64 * p) < 4 * sigma).all()
    assert abs(right.sum() - 64 * p.sum()) < 3 * math.sqrt((64 * p * (1 - p)).sum())
    for k in (1, 2, 4, 8, 16, 32, 64):
        sampled = [pass_at_k(64, count, k) for count in right]
        assert np.mean(sampled) == pytest.approx(pass_at(p, k).mean(), abs=0.12)


def test_live_lines_are_those_that_lead_on():
    game = Game24()
    for puzzle in PUZZLES:
        state = game.start(puzzle)
        lines = dict(game.live_lines(state))
        for line, after in lines.items():
            assert game.key(game.step(state, line)) == game.key(after)
            assert game.truth(after)
            assert game.text(game.step(state, line)) == game.text(after)
        said = FakePolicy().moves(state.left) if len(state.left) > 1 else ()
        legal = {line for line, _ in said if "left" in line}
        assert set(lines) == {line for line in legal if game.truth(game.step(state, line))}
    assert isinstance(tabulate_density([0.1]), pd.DataFrame)
