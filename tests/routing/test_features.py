"""Features: known by hand, metered as any search, and never the solver's word outside the oracle's columns."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.routing import features
from game24lab.tasks.numbers.task import Game24

PROBLEMS = ["4 5 6 10", "1 1 11 11", "3 3 8 8"]


def test_numbers_by_hand():
    row = features.describe_numbers(["10 4 6 4"]).loc["10 4 6 4"].to_dict()
    assert row == {
        "number_1": 4, "number_2": 4, "number_3": 6, "number_4": 10, "count": 4, "sum": 24, "gap": 0,
        "log_product": pytest.approx(math.log(960)), "gcd": 2, "range": 6, "even": 4, "ones": 0, "distinct": 3,
        "repeated": 2, "threes": 1, "divisors": 3, "large_primes": 0,
    }  # fmt: skip
    row = features.describe_numbers(["1 5 11 13"]).iloc[0]
    assert row[["ones", "large_primes", "divisors", "even", "gcd"]].tolist() == [1, 3, 1, 0, 1]
    assert features.describe_numbers(["1 5 11 13 -> 22"]).iloc[0]["large_primes"] == 2  # 11 divides 22


def test_tables_are_indexed_by_problem_and_take_sizes_together():
    table = features.describe_numbers(["4 5 6", "1 2 3 4 5", "5 4 3 2 1"])
    assert list(table.index) == ["4 5 6", "1 2 3 4 5", "5 4 3 2 1"]
    assert table.loc["4 5 6", ["number_4", "number_5", "count"]].tolist() == [0, 0, 3]
    assert table.iloc[1].equals(table.iloc[2])  # the order they are written in tells nothing
    assert not table.isna().any().any()
    assert features.describe_numbers([]).empty


def test_no_solver_outside_the_oracle(monkeypatch):
    oracle = features.count_for_oracle(PROBLEMS, progress=False)
    assert all(name.startswith(features.ORACLE) for name in oracle)
    assert oracle["oracle_alive"].between(0, 1).all()
    assert oracle.loc["4 5 6 10", "oracle_solutions"] > 0

    def refuse(*_):
        raise AssertionError("the solver was asked")

    monkeypatch.setattr(features, "measure_difficulty", refuse)
    assert not set(features.describe_numbers(PROBLEMS)) & set(oracle)


@pytest.mark.parametrize("problem", ["4 5 -> x", "How many apples?", "4 5 6 x", ""])
def test_what_is_no_puzzle_is_named(problem):
    for describe in (features.describe_numbers, features.count_for_oracle):
        with pytest.raises(ValueError, match=f"problem '{re.escape(problem)}' is no puzzle.*embeddings"):
            describe([problem])


def look(problems, policy, critic=None, **settings):
    outcomes = features.run_tries(Game24(), problems, policy, critic, progress=False, **settings)
    return features.tabulate_tries(problems, outcomes)


def test_a_try_is_metered_and_repeatable():
    policy, critic = FakePolicy(), FakeCritic()
    table = look(PROBLEMS, policy, critic, samples=3)
    assert list(table.index) == PROBLEMS
    sampled = sum(answer.tokens for call in policy.calls for answers in call["answers"] for answer in answers)
    assert table["try_tokens"].sum() == sampled
    assert (table["try_calls"] >= 2 + 2).all()  # greedy, samples; the first position and different last ones
    assert (table["try_calls"] <= 2 + 1 + 4).all()
    assert (table["try_seconds"] > 0).all()
    greedy = next(call for call in policy.calls if call["temperature"] == 0)["answers"]
    assert table["try_logprob"].tolist() == pytest.approx([answers[0].logprob for answers in greedy])
    drawn = next(call for call in policy.calls if call["temperature"] == 1)["answers"]
    entropies = [-np.mean([answer.logprob for answer in answers]) for answers in drawn]
    assert table["try_entropy"].tolist() == pytest.approx(entropies)
    assert table["try_value"].tolist() == pytest.approx([critic.score([f"Input: {p}\n"])[0] for p in PROBLEMS])
    assert not table.isna().any().any()
    again = look(PROBLEMS[::-1], FakePolicy(), critic, samples=3)
    same = [name for name in table if name != "try_seconds"]
    assert again.loc[PROBLEMS, same].equals(table[same])


def test_a_try_without_critic_and_verdict_has_neither_column():
    table = look(PROBLEMS, FakePolicy())
    assert not {"try_value", "try_value_end", "try_solved"} & set(table)
    assert (table["try_calls"] == 2).all()
    told = look(PROBLEMS, FakePolicy(skill=20))
    assert told["verdict_any"].tolist() == [1, 1, 1]


def test_of_its_answers_a_try_keeps_the_one_the_critic_likes_best():
    policy = FakePolicy(skill=1.0)
    outcomes = features.run_tries(Game24(), PROBLEMS * 4, policy, FakeCritic(), samples=4, progress=False)
    table = features.tabulate_tries(PROBLEMS * 4, outcomes)
    assert table["verdict_kept"].tolist() == [float(one.solved) for one in outcomes]
    assert (table["verdict_any"] >= table["verdict_kept"]).all()
    assert (table["verdict_any"] > table["verdict_kept"]).any() or table["verdict_any"].mean() < 1
    assert (table["try_value_best"] >= table["try_value_end"].where(table["try_ended"] == 1, -1)).all()
    verified = features.run_tries(Game24(), PROBLEMS * 4, FakePolicy(skill=1.0), FakeCritic(), samples=4,
                                  mode="verified", progress=False)  # fmt: skip
    assert [float(one.solved) for one in verified] == table["verdict_any"].tolist()


def test_agreement_of_a_policy_that_says_one_thing_or_nothing_legal():
    sure = look(PROBLEMS[:1], FakePolicy(skill=0, blur=60, illegal=0))
    assert sure[["try_agreement", "try_likeness", "try_ended"]].iloc[0].tolist() == [1, 1, 1]
    assert 0 <= sure["try_entropy"].iloc[0] < 2 * math.log(2)  # of the two orders in which sums may be said
    lost = look(PROBLEMS[:1], FakePolicy(only="no idea"))
    assert lost[["try_agreement", "try_likeness", "try_ended"]].iloc[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("samples", [1, 0, 2.0])
def test_a_try_needs_two_samples(samples):
    with pytest.raises(ValueError, match="samples"):
        look(PROBLEMS, FakePolicy(), samples=samples)


def test_arms():
    table = pd.DataFrame({
        "arm": ["mcts-7", "majority@3", "mcts-7"], "method": ["mcts", "majority", "mcts"], "n": [0, 3, 0],
        "width": [3, 0, 3], "simulations": [7, 0, 7], "depth": [0, 0, 0], "verified": [True, False, True],
    })  # fmt: skip
    arms = features.describe_arms(table)
    assert arms.loc["mcts-7"].to_dict() == {"n": 0, "width": 2, "simulations": 3, "depth": 0, "verified": 1,
                                            "method_majority": 0, "method_mcts": 1}  # fmt: skip
    assert features.describe_arms(table, ["dvts", "mcts", "majority"])["method_dvts"].tolist() == [0, 0]
    with pytest.raises(ValueError, match="arm 'majority@3' has the method 'majority': one of mcts"):
        features.describe_arms(table, ["mcts"])
