"""A task of forty lines goes through training, search, evaluation and report, without a line elsewhere."""

import numpy as np
import pandas as pd
import pytest
import torch
from toy_task import Sums

from game24lab.cli import main as cli
from game24lab.evaluation.chains import grade
from game24lab.evaluation.evaluate import evaluate, summarise
from game24lab.models.checkpoints import load_checkpoint
from game24lab.models.critic import load_critic
from game24lab.models.load_policy import load_policy
from game24lab.routing.probe import Probe, probe_problems
from game24lab.routing.route import plan, solve
from game24lab.routing.splits import split_problems
from game24lab.routing.training import RouterConfig, train
from game24lab.runs.run import start_run
from game24lab.tasks.environment import require_parts
from game24lab.tasks.rewards import make_reward_functions
from game24lab.training import critic, grpo, sft
from game24lab.training.critic_data import collect_trajectories
from game24lab.training.rollouts import Rollouts

SUMS = Sums()
ARMS = {"greedy": {"algorithm": "greedy", "mode": "rules"}, "of 4": {"algorithm": "best_of_n", "parameters": {"n": 4}},
        "mcts": {"algorithm": "mcts", "mode": "blind", "parameters": {"simulations": 4}}}  # fmt: skip


@pytest.fixture(scope="module")
def policy_folder(tmp_path_factory):
    config = sft.SFTConfig(size="mini", vocabulary=SUMS.vocabulary, steps=30, batch_size=32, evaluate_every=0,
                           precision="fp32")  # fmt: skip
    return sft.train(config, SUMS.sft_samples(252, None), tmp_path_factory.mktemp("sft"))


@pytest.fixture(scope="module")
def rolled(policy_folder):
    return collect_trajectories(SUMS, {"sft": load_policy(policy_folder)}, SUMS.held_out, samples=8, temperature=1.0)


def test_it_fits_on_a_page():
    with open(__file__.replace("test_toy_task", "toy_task"), encoding="utf-8") as file:
        assert sum(bool(line.strip()) for line in file) <= 40


def test_supervised_and_by_trial(policy_folder, tmp_path):
    rewards = make_reward_functions(SUMS.rewards)
    config = grpo.GRPOConfig(checkpoint=str(policy_folder), steps=2, mini_batch=8, learning_rate=1e-2,
                             evaluate_every=0, precision="fp32", rollouts=Rollouts(2, 4, 6))  # fmt: skip
    folder = grpo.train(config, SUMS.problems(8, 0, 1, None), rewards, tmp_path / "grpo")
    before, after = (load_checkpoint(one)[0].state_dict() for one in (policy_folder, folder))
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert "reward/right" in pd.read_parquet(tmp_path / "grpo" / "training.parquet")


def test_critic_search_evaluation_and_report(policy_folder, rolled, tmp_path):
    config = critic.CriticConfig(policy=str(policy_folder), epochs=1, batch_size=16, precision="fp32", reads="chains")
    judge, sampler = load_critic(critic.train(config, rolled, tmp_path / "critic")), load_policy(policy_folder)
    run = start_run(tmp_path / "run", "05_search", {"seed": 0})
    rows = evaluate(SUMS.task, SUMS.held_out, ARMS, sampler, judge, path=run.path("records.parquet"), run_id=run.id,
                    progress=False)  # fmt: skip
    run.finish()
    assert summarise(rows)["arm"].tolist() == list(ARMS)
    assert rows["problem"].tolist()[:2] == ["1 5", "1 6"]
    assert cli.main(["report", "--kind", "search", str(tmp_path / "run"), "-o", str(tmp_path / "report.pdf")]) == 0
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_its_answers_are_graded(policy_folder):
    rows = grade(SUMS, load_policy(policy_folder), budget=8, progress=False)
    assert rows["problem"].tolist() == [f"{a} {b}" for a, b in SUMS.held_out]
    assert set(rows["outcome"]) <= {"solved", "wrong value", "unfinished"}


def test_it_is_routed(policy_folder):
    """Large sums need four samples, small ones one: the router learns it from the task's own feature."""
    problems = [f"{a} {b}" for a in range(1, 9) for b in range(1, 9)]
    rows = [{"problem": problem, "arm": f"of {n}", "probability": 1.0 if n == 4 or SUMS.know(problem) < 9 else 0.05,
             "sampled_tokens": 3.0 * n, "n": n, "width": 0, "simulations": 0, "depth": 0, "method": "majority",
             "mode": "rules", "verified": False, "parameters": f'{{"n": {n}}}'} for problem in problems for n in (1, 4)]
    table, probe = pd.DataFrame(rows), Probe(tries="none")
    table["part"] = table["problem"].map(split_problems(problems, np.random.default_rng(0)))
    features = probe_problems(probe, SUMS, problems, progress=False)
    facts = {"task": SUMS.name, "probe": vars(probe), "prices": {"rules": 1e-2}}
    router = train(RouterConfig(model="logistic"), table, features, facts=facts, progress=False)
    plans = plan(router, SUMS, ["1 2", (8, 8)], None, None, mode="rules")
    assert [one.arm for one in plans] == ["of 1", "of 4"]
    found = solve(router, SUMS.task, ["1 2", (8, 8)], plans, load_policy(policy_folder), None)
    assert [one.candidates for one in found] == [1, 4]


def test_what_it_lacks_is_said():
    with pytest.raises(ValueError, match="the task sums has no search traces: one line is no search"):
        require_parts(SUMS, "truth", "traces")
