"""Features: known by hand, metered as any search, and never the solver's word outside the oracle's columns."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.routing.arms import describe_arms
from game24lab.routing.probe import ORACLE, Probe, probe_problems, run_probe, tabulate_answers
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers import features
from game24lab.tasks.numbers.puzzles import read_problem
from game24lab.tasks.numbers.task import Game24

PROBLEMS = ["4 5 6 10", "1 1 11 11", "3 3 8 8"]
GAME, STRUCTURE = open_environment("game24"), Probe(tries="none")


def describe(problems, **options):
    table = probe_problems(STRUCTURE, GAME, problems, progress=False, **options)
    return table.drop(columns=[name for name in table if name.startswith("try_")])


def test_numbers_by_hand():
    row = GAME.features("10 4 6 4")
    assert row == {
        "number_1": 4, "number_2": 4, "number_3": 6, "number_4": 10, "count": 4, "sum": 24, "gap": 0,
        "log_product": pytest.approx(math.log(960)), "gcd": 2, "range": 6, "even": 4, "ones": 0, "distinct": 3,
        "repeated": 2, "threes": 1, "divisors": 3, "large_primes": 0,
    }  # fmt: skip
    assert GAME.features((10, 4, 6, 4)) == GAME.features(read_problem("10 4 6 4")) == row
    row = GAME.features("1 5 11 13")
    assert [row[name] for name in ("ones", "large_primes", "divisors", "even", "gcd")] == [1, 3, 1, 0, 1]
    assert GAME.features("1 5 11 13 -> 22")["large_primes"] == 2  # 11 divides 22


def test_tables_are_indexed_by_problem_and_take_sizes_together():
    table = describe(["4 5 6", "1 2 3 4 5", "5 4 3 2 1"])
    assert list(table.index) == ["4 5 6", "1 2 3 4 5", "5 4 3 2 1"]
    assert list(table)[:6] == [*(f"number_{place}" for place in range(1, 6)), "count"]
    assert table.loc["4 5 6", ["number_4", "number_5", "count"]].tolist() == [0, 0, 3]
    assert table.iloc[1].equals(table.iloc[2])  # the order they are written in tells nothing
    assert not table.isna().any().any()
    assert describe([]).empty


def test_no_solver_outside_the_oracle(monkeypatch):
    both = describe(PROBLEMS, oracle=True)
    oracle = both[[name for name in both if name.startswith(ORACLE)]]
    assert list(oracle) == ["oracle_solutions", "oracle_alive"]
    assert oracle["oracle_alive"].between(0, 1).all()
    assert oracle.loc["4 5 6 10", "oracle_solutions"] > 0

    def refuse(*_):
        raise AssertionError("the solver was asked")

    monkeypatch.setattr(features, "measure_difficulty", refuse)
    pd.testing.assert_frame_equal(describe(PROBLEMS), both.drop(columns=list(oracle)))


def test_word_problems_have_no_features_of_their_own():
    words = open_environment("gsm8k", held_out=3)
    table = probe_problems(STRUCTURE, words, words.held_out, oracle=True, progress=False)
    assert list(table) == ["try_tokens", "try_calls", "try_seconds"]
    assert list(table.index) == list(words.held_out)


@pytest.mark.parametrize("problem", ["How many apples?", "4 5 6 x", ""])
def test_what_is_no_puzzle_is_named(problem):
    with pytest.raises(ValueError, match=f"problem '{re.escape(problem)}': no features .*embeddings"):
        describe([problem])


def probe(problems, policy, critic=None, **settings):
    return tabulate_answers(problems, try_out(problems, policy, critic, **settings))


def try_out(problems, policy, critic=None, mode="", **settings):
    return run_probe(Probe(**settings), Game24(), problems, policy, critic, mode=mode, progress=False)


def test_a_probe_is_metered_and_repeatable():
    policy, critic = FakePolicy(), FakeCritic()
    table = probe(PROBLEMS, policy, critic, samples=3)
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
    again = probe(PROBLEMS[::-1], FakePolicy(), critic, samples=3)
    same = [name for name in table if name != "try_seconds"]
    assert again.loc[PROBLEMS, same].equals(table[same])


def test_a_probe_without_critic_and_verdict_has_neither_column():
    table = probe(PROBLEMS, FakePolicy())
    assert not {"try_value", "try_value_end", "try_solved"} & set(table)
    assert (table["try_calls"] == 2).all()
    told = probe(PROBLEMS, FakePolicy(skill=20))
    assert told["verdict_any"].tolist() == [1, 1, 1]


def test_of_its_answers_a_probe_returns_the_one_the_critic_likes_best():
    policy = FakePolicy(skill=1.0)
    outcomes = try_out(PROBLEMS * 4, policy, FakeCritic(), samples=4)
    table = tabulate_answers(PROBLEMS * 4, outcomes)
    assert table["verdict_kept"].tolist() == [float(one.solved) for one in outcomes]
    assert (table["verdict_any"] >= table["verdict_kept"]).all()
    assert (table["verdict_any"] > table["verdict_kept"]).any() or table["verdict_any"].mean() < 1
    assert (table["try_value_best"] >= table["try_value_end"].where(table["try_ended"] == 1, -1)).all()
    verified = try_out(PROBLEMS * 4, FakePolicy(skill=1.0), FakeCritic(), mode="verified", samples=4)
    assert [float(one.solved) for one in verified] == table["verdict_any"].tolist()


def test_agreement_of_a_policy_that_says_one_thing_or_nothing_legal():
    sure = probe(PROBLEMS[:1], FakePolicy(skill=0, blur=60, illegal=0))
    assert sure[["try_agreement", "try_likeness", "try_ended"]].iloc[0].tolist() == [1, 1, 1]
    assert 0 <= sure["try_entropy"].iloc[0] < 2 * math.log(2)  # of the two orders in which sums may be said
    lost = probe(PROBLEMS[:1], FakePolicy(only="no idea"))
    assert lost[["try_agreement", "try_likeness", "try_ended"]].iloc[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("samples", [1, 0, 2.0])
def test_a_probe_needs_two_samples(samples):
    with pytest.raises(ValueError, match="samples"):
        probe(PROBLEMS, FakePolicy(), samples=samples)


def test_features_of_arms():
    table = pd.DataFrame({
        "arm": ["mcts-7", "majority@3", "mcts-7"], "method": ["mcts", "majority", "mcts"], "n": [0, 3, 0],
        "width": [3, 0, 3], "simulations": [7, 0, 7], "depth": [0, 0, 0], "verified": [True, False, True],
    })  # fmt: skip
    arms = describe_arms(table)
    assert arms.loc["mcts-7"].to_dict() == {"n": 0, "width": 2, "simulations": 3, "depth": 0, "verified": 1,
                                            "method_majority": 0, "method_mcts": 1}  # fmt: skip
