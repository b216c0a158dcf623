"""The noise lab: every critic on every arm, resumable; gaps, equal noise and useful widths are those put in."""

import math

import numpy as np
import pandas as pd
import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.evaluation import noise_study as noiselab
from game24lab.evaluation.arms import STRATEGIES
from game24lab.tasks.numbers.task import Game24

TASK = Game24()
PUZZLES = [(4, 5, 6, 10), (1, 2, 3, 4), (3, 3, 8, 8), (2, 2, 6, 12)]
ARMS = {f"best of {n}": {"algorithm": "best_of_n", "parameters": {"n": n}, "mode": "rules"} for n in (1, 4)}
ARMS["mcts"] = {"algorithm": "mcts", "parameters": {"simulations": 6}, "mode": "rules"}
CRITICS = {"truth": 0.0, "truth + 0.5": 0.5, "truth + 2": 2.0, "none": math.inf, "trained": math.nan}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    policy = FakePolicy(skill=0.5)
    settings = {"sigmas": (2.0, 0.5), "seeds": (3, 4), "folder": folder, "run_id": "r", "progress": False}
    return noiselab.run_lab(TASK, PUZZLES, ARMS, policy, FakeCritic(policy), **settings), folder, settings


def test_every_critic_meets_every_arm(lab):
    rows, folder, _ = lab
    known = rows.groupby("critic", sort=False)["sigma"].first()
    assert list(known.index) == list(CRITICS)
    assert np.array_equal(known.to_numpy(), list(CRITICS.values()), equal_nan=True)
    assert rows.groupby(["critic", "strategy", "seed"]).size().eq(len(PUZZLES)).all()
    assert (rows["critic_parameters"] == 900).all()  # all are charged alike
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{name.replace(' ', '')}.{ending}" for name in CRITICS for ending in ("jsonl", "parquet"))  # fmt: skip


def test_a_second_run_repeats_nothing(lab):
    rows, _, settings = lab
    policy = FakePolicy(skill=0.5)
    again = noiselab.run_lab(TASK, PUZZLES, ARMS, policy, FakeCritic(policy), **settings)
    assert not policy.calls
    pd.testing.assert_frame_equal(rows, again)


def test_tables_of_a_run(lab):
    rows = lab[0]
    table = noiselab.tabulate(rows)
    assert len(table) == len(CRITICS) * len(ARMS)
    truth = table[table["critic"] == "truth"].set_index("arm")["accuracy"]
    none = table[table["critic"] == "none"].set_index("arm")["accuracy"]
    assert truth["best of 4"] >= none["best of 4"]
    gains = noiselab.measure_gains(rows).set_index("arm")
    assert gains.loc["best of 1", "gap"] == 0  # there is nothing to choose
    assert gains.loc["best of 1", ["closed", "closed_low", "like_sigma", "like_sigma_high"]].isna().all()
    widths = noiselab.find_widths(rows, "n")
    assert set(widths["width"]) == {1, 4}
    assert set(widths["algorithm"]) == {"best_of_n"}


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_takes_every_critic(name):
    arms = {name: {"algorithm": name, "mode": "rules", "budget": {"sampled_tokens": 300}}}
    rows = noiselab.run_lab(TASK, PUZZLES[:2], arms, FakePolicy(), FakeCritic(), sigmas=[1.0], progress=False)
    assert rows["critic"].value_counts().to_dict() == {"truth": 2, "truth + 1": 2, "none": 2, "trained": 2}
    assert (rows["sampled_tokens"] > 0).all()


def make_rows(accuracies, problems=400, arm="a", parameters="{}"):
    """Rows of a lab in which problem p is solved with chance a: the first a of them are."""
    tables = []
    for (critic, sigma), accuracy in zip(CRITICS.items(), accuracies, strict=True):
        solved = np.arange(problems) < accuracy * problems
        tables.append(pd.DataFrame({
            "problem": [str(p) for p in range(problems)], "strategy": arm, "mode": "rules", "seed": 0,
            "critic": critic, "sigma": sigma, "solved": solved, "outcome": "", "algorithm": "beam",
            "parameters": parameters, "policy_parameters": 1, "critic_parameters": 1, "sampled_tokens": 10,
            **dict.fromkeys(("prompt_tokens", "policy_calls", "critic_tokens", "critic_calls", "depth", "seconds",
                             "saved_prompt_tokens", "saved_sampled_tokens", "saved_critic_tokens"), 1),
        }))  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def test_gains_by_hand():
    gains = noiselab.measure_gains(make_rows([1.0, 0.8, 0.4, 0.2, 0.6]))
    row = gains.iloc[0]
    assert row["gap"] == pytest.approx(0.8)
    assert row["closed"] == pytest.approx(0.5)
    assert row["closed_low"] < 0.5 < row["closed_high"]
    assert row["like_sigma"] == pytest.approx(1.25)  # half the way from 0.5 to 2
    assert row["like_sigma_low"] < 1.25 < row["like_sigma_high"]
    both = pd.concat([make_rows([0.3, 0.3, 0.3, 0.2, 0.1], arm="b"), make_rows([1.0, 0.8, 0.4, 0.2, 1.0])])
    gains = noiselab.measure_gains(both).set_index("arm")
    assert list(gains.index) == ["a", "b"]  # the larger gap first
    assert gains["like_sigma"].tolist() == [0.0, math.inf]
    assert gains.loc["b", "closed"] < 0  # worse than no critic


def test_a_rise_by_chance_is_made_level():
    assert noiselab._match(np.array([0, 1, 2, 3.0]), np.array([0.9, 0.5, 0.7, 0.3]), 0.6) == pytest.approx(1.0)
    assert noiselab._match(np.array([0, 1, 2, 3.0]), np.array([0.9, 0.5, 0.7, 0.3]), 0.45) == pytest.approx(2.5)


def test_useful_widths():
    accuracies = {1: [0.5, 0.4, 0.2, 0.1, 0.4], 2: [0.9, 0.6, 0.2, 0.1, 0.4], 8: [0.9, 0.8, 0.2025, 0.1, 0.3]}
    rows = pd.concat([make_rows(a, arm=f"w{w}", parameters=f'{{"n": {w}}}') for w, a in accuracies.items()])
    table = noiselab.find_widths(rows, "n")
    useful = table.groupby("critic", sort=False)["useful"].first()
    assert useful.to_dict() == {"truth": 2, "truth + 0.5": 8, "truth + 2": 1, "none": 1, "trained": 1}
    other = rows.assign(parameters=np.where(rows["strategy"] == "w8", '{"n": 8, "heat": 1}', rows["parameters"]))
    assert set(noiselab.find_widths(other, "n")["width"]) == {1, 2}  # the third differs in something else too
    with pytest.raises(ValueError, match="parameter 'beam_width'"):
        noiselab.find_widths(rows, "beam_width")


def test_bad_sigmas():
    for sigma in (0, -1, math.inf, "1"):
        with pytest.raises(ValueError, match="sigma must be a finite number > 0"):
            noiselab.run_lab(TASK, PUZZLES, ARMS, FakePolicy(), sigmas=[sigma])
