"""Critic: targets count rollouts, every parameter moves, both ways of scoring agree."""

import numpy as np
import pandas as pd
import pytest
import torch
from fake_models import FakePolicy

from game24lab import critic
from game24lab.models import make_model, make_tokenizer, save_checkpoint
from game24lab.tasks.game24 import Game24
from game24lab.training import critic as training

TASK = Game24()
PUZZLES = [(4, 5, 6, 10), (1, 2, 3, 4), (3, 3, 8, 8), (2, 2, 6, 12), (6, 6, 6, 6)]


@pytest.fixture(scope="module")
def policy_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("policy") / "checkpoint"
    save_checkpoint(make_model("tiny", make_tokenizer()), make_tokenizer(), folder)
    return folder


@pytest.fixture(scope="module")
def trained(policy_folder, tmp_path_factory):
    positions = training.collect_positions(TASK, FakePolicy(), PUZZLES, rollouts=32)
    config = training.CriticConfig(policy=str(policy_folder), epochs=3, batch_size=32, precision="fp32", held_out=0.2)
    return training.train(config, positions, tmp_path_factory.mktemp("critic"))


def test_positions_count_outcomes_exactly():
    policy = FakePolicy()
    table = training.collect_positions(TASK, policy, PUZZLES, rollouts=8)
    assert table["label"].is_unique
    roots = table[table["depth"] == 0]
    assert (roots["visits"] == 8).all()
    assert len(roots) == len(PUZZLES)
    completions = policy.generate([TASK.text(TASK.start(p)) for p in PUZZLES], 8, max_tokens=48)
    assert table.attrs["sampled_tokens"] == sum(c.tokens for group in completions for c in group)
    last = table[~table["label"].str.contains(" ")]
    assert ((last["solved"] == last["visits"]) == (last["label"] == "24")).all()
    assert (table["solved"] <= table["visits"]).all()
    assert not table[(table["solved"] > 0) & ~table["truth"].astype(bool)].size


def test_every_parameter_moves(policy_folder, trained):
    before = dict(make_model("tiny", make_tokenizer()).named_parameters())
    model, _ = critic.load_critic_model(trained)
    for name, value in model.named_parameters():
        assert name == "score.weight" or not torch.equal(value, before[name]), name
    curve = pd.read_parquet(trained.parent / "training.parquet")
    assert {"loss", "error"} <= set(curve)
    assert curve["loss"].dropna().iloc[-1] < curve["loss"].dropna().iloc[0]


def test_scores_do_not_depend_on_the_batch(trained):
    model, tokenizer = critic.load_critic_model(trained)
    texts = [TASK.prompt(numbers) for numbers in [(1, 2, 3, 4), (24,), (4, 6), (2, 2, 10), (3, 8)]]
    one_by_one = [critic.TransformersCritic(model, tokenizer).score([text])[0] for text in texts]
    small = critic.TransformersCritic(model, tokenizer, batch_tokens=8)
    assert np.allclose(small.score(texts), one_by_one, atol=1e-5)
    assert all(-1 <= value <= 1 for value in one_by_one)
    assert small.score([]) == []
    assert small.count(texts[0]) == len(tokenizer(texts[0])["input_ids"])
    with pytest.raises(ValueError, match="text 1 to score: empty"):
        small.score(["Input: 24\n", ""])


@pytest.mark.parametrize("compute_type", ["float32", "auto"])
def test_ctranslate2_agrees_with_transformers(trained, compute_type):
    texts = [TASK.prompt(numbers) for numbers in [(1, 2, 3, 4), (24,), (4, 6), (2, 2, 10), (3, 8), (1, 1)]]
    expected = critic.load_critic(trained, backend="transformers").score(texts)
    values = critic.load_critic(trained, backend="ctranslate2", compute_type=compute_type).score(texts)
    assert np.allclose(values, expected, atol=1e-4 if compute_type == "float32" else 0.05)


def test_a_policy_is_no_critic(policy_folder, tmp_path):
    with pytest.raises(ValueError, match="no value head"):
        critic.load_critic(policy_folder)
    with pytest.raises(ValueError, match="no such folder"):
        critic.load_critic(tmp_path / "absent")
    with pytest.raises(ValueError, match="backend 'gpu'"):
        critic.load_critic(policy_folder, backend="gpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"epochs": 0}, "epochs 0"), ({"learning_rate": "1e-4"}, "learning_rate '1e-4'"), ({"held_out": 1}, "held_out 1"),
     ({"batch_size": 0}, "batch_size 0")],
)  # fmt: skip
def test_bad_configurations(changes, message):
    with pytest.raises(ValueError, match=message):
        training.CriticConfig(**changes)


def test_bad_positions(policy_folder, tmp_path):
    config = training.CriticConfig(policy=str(policy_folder))
    with pytest.raises(ValueError, match="missing columns"):
        training.train(config, pd.DataFrame({"text": ["a"]}), tmp_path)
    with pytest.raises(ValueError, match="rollouts 4 of 0 problems"):
        training.collect_positions(TASK, FakePolicy(), [], rollouts=4)
