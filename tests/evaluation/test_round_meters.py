"""The meters of rounds: exact chances on three sides, groups of difficulty, fixed positions, old and new models."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from game24lab.evaluation.exact import measure_chances
from game24lab.evaluation.round_meters import make_meters, measure_sides, plan_searches, read_round_chances, search_best
from game24lab.models.load_policy import Sampling, load_policy
from game24lab.models.locations import find_pretrained
from game24lab.tasks.environments import open_environment

TRAINING = {"1 2 3 4": (1, 2, 3, 4), "1 1 1 8": (1, 1, 1, 8), "3 3 8 8": (3, 3, 8, 8), "2 2 2 3": (2, 2, 2, 3)}


@pytest.fixture(scope="module")
def environment():
    return open_environment("game24", split="tot", held_out=3)


@pytest.fixture(scope="module")
def meters(environment):
    return make_meters(environment, [(1, 1, 2, 6)], environment.held_out, TRAINING, sample=2, positions=40, crossed=2,
                       arm={"algorithm": "mcts", "mode": "rules", "parameters": {"simulations": 8}})  # fmt: skip


def test_positions_are_fixed_and_know_their_truth(environment, meters):
    task = environment.task
    assert 30 <= len(meters.positions) <= 40
    assert 0.1 < meters.positions["truth"].mean() < 0.7
    assert {len(task.read(text).left) for text in meters.positions["text"]} == {2, 3}
    assert all(task.truth(task.read(text)) == truth for text, truth in meters.positions.itertuples(index=False))
    again = make_meters(environment, [], environment.held_out, TRAINING, sample=2, positions=40, crossed=2)
    assert again.positions.equals(meters.positions)


def test_groups_hold_equally_many_the_hardest_last(meters):
    assert sorted(meters.groups.values()) == [1, 2, 3, 4]
    assert meters.groups["3 3 8 8"] == 4


def test_sides_are_means_of_exact_chances():
    p = [1e-6, 1e-3, 0.6, 1.0]
    told = measure_sides(p, "x")
    assert told["x_log_p"] == pytest.approx(np.log(p).mean())
    assert told["x_pass_1"] == pytest.approx(np.mean(p))
    assert told["x_pass_64"] == pytest.approx(np.mean([1 - (1 - one) ** 64 for one in p]))
    assert (told["x_below_1e4"], told["x_above_half"], told["x_problems"]) == (0.25, 0.5, 4)
    assert told["x_pass_1_low"] < told["x_pass_1"] < told["x_pass_1_high"]
    assert math.isfinite(measure_sides([0.0], "x")["x_log_p"])


def test_a_round_is_measured_with_old_and_new_models(environment, meters, tmp_path):
    policy, critic = find_pretrained("policy"), find_pretrained("critic")
    folder = tmp_path / "seed-0" / "search" / "round-1"
    folder.mkdir(parents=True)
    old = tmp_path / "old"
    old.symlink_to(policy)
    stand = SimpleNamespace(round=1, folder=folder, policy=policy, critic=critic, old_policy=old, old_critic=None,
                            solved=frozenset({"1 2 3 4", "3 3 8 8"}), solved_now=frozenset({"3 3 8 8"}))  # fmt: skip
    told = meters(stand)
    exact = measure_chances(environment.task, environment.held_out, load_policy(policy), [Sampling(1)])["p"]
    assert told["held_out_log_p"] == pytest.approx(np.log(exact).mean())
    assert [told[f"solved_{group}"] for group in (1, 2, 3, 4)].count(1.0) == 2
    assert told["solved_now_4"] == 1.0
    assert 0.5 < told["critic_new_auc"] <= 1
    assert "critic_old_auc" not in told
    assert told["search_new_policy_new_critic"] == told["search_old_policy_new_critic"]
    kept = read_round_chances(pd.DataFrame({"seed": [0, 0], "line": "search", "round": [0, 1]}), tmp_path)
    assert kept["side"].value_counts().to_dict() == {"held out": 3, "training": 2, "gate": 1}
    assert set(kept["round"]) == {1}
    gate = kept[kept["side"] == "gate"]["p"]
    assert told["gate"] == pytest.approx(math.log(gate.iloc[0]))


def test_the_models_of_the_best_round_search_what_is_held_out(environment, tmp_path, monkeypatch):
    output = tmp_path / "seed-3" / "first-critic"
    output.mkdir(parents=True)
    (output / "good").symlink_to(find_pretrained("policy"))
    (output / "critic").symlink_to(find_pretrained("critic"))
    rows = pd.DataFrame({"line": ["first critic", "first critic", "other"], "seed": 3, "round": [0, 1, 0], "best": 0,
                         "policy": ["good", "refused", "x"], "critic": "critic"})  # fmt: skip
    arms = {"mcts": {"algorithm": "mcts", "mode": "rules", "parameters": {"simulations": 8}},
            "greedy": {"algorithm": "greedy", "mode": "blind"}}
    arms = plan_searches(arms)
    found = search_best(rows, tmp_path, environment, arms, "first critic")
    assert found["seed"].tolist() == [3] * 6
    assert found[found["strategy"] == "greedy"]["critic_tokens"].sum() == 0
    assert set(found["problem"]) == set(map(environment.write_name, environment.held_out))
    monkeypatch.setattr("game24lab.evaluation.evaluate.run_arm", lambda *_, **__: pytest.fail("it was done"))
    assert search_best(rows, tmp_path, environment, arms, "first critic").equals(found)


def test_a_blind_search_with_the_critic_of_a_round_is_refused_before_any_round():
    assert plan_searches({}) == {}
    alone = {"mode": "blind", "parameters": {"choose": "logprob"}}
    arms = plan_searches({"mcts": {"mode": "rules"}, "best_of_n": alone})
    assert [arm.mode for arm in arms.values()] == ["rules", "blind"]
    with pytest.raises(ValueError, match="arm 'mcts' must not be blind: it asks a critic"):
        plan_searches({"mcts": {"mode": "blind"}})
    assert plan_searches({"mcts": {"mode": "blind"}}, chains=True)["mcts"].mode == "blind"


def test_blind_searches_ask_the_critic_of_chains_of_their_repetition(environment, tmp_path, monkeypatch):
    (tmp_path / "seed-3" / "search").mkdir(parents=True)
    (tmp_path / "seed-3" / "search" / "policy").symlink_to(find_pretrained("policy"))
    rows = pd.DataFrame({"line": "search", "seed": 3, "round": [0], "best": 0, "policy": "policy", "critic": "judge"})
    asked = []
    monkeypatch.setattr("game24lab.evaluation.round_meters.load_critic", lambda path: asked.append(path) or path)
    monkeypatch.setattr("game24lab.evaluation.round_meters.evaluate",
                        lambda world, _, arms, *models, path: pd.DataFrame({"strategy": list(arms)}))
    arms = plan_searches({"mcts": {"mode": ["rules", "blind"]}, "greedy": {"mode": "blind"}}, chains=True)
    found = search_best(rows, tmp_path, environment, arms, chains={3: tmp_path / "chains-3"})
    assert asked == [tmp_path / "seed-3" / "search" / "judge", tmp_path / "chains-3"]
    assert sorted(found["strategy"]) == sorted(arms)


def test_a_task_without_live_lines_is_refused():
    world = SimpleNamespace(task=SimpleNamespace(name="other"))
    with pytest.raises(ValueError, match="task must list its live lines for exact chances, got 'other'"):
        make_meters(world, [], [], {})
