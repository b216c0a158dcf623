"""Critic: every parameter moves, or the adapters do; TD targets are frozen for an epoch; both ways of scoring agree."""

import numpy as np
import pandas as pd
import pytest
import tiny_models
import torch
from fake_models import FakePolicy

from game24lab.models import critic
from game24lab.models.checkpoints import make_model, save_checkpoint
from game24lab.models.load_policy import load_policy
from game24lab.models.tokenizer import make_tokenizer
from game24lab.tasks.numbers.task import Game24
from game24lab.training import critic as training
from game24lab.training.critic_data import collect_trajectories, count_positions, hold_out, list_open, set_chances
from game24lab.training.packed_prefixes import pack_prefixes

TASK = Game24()
PUZZLES = [(4, 5, 6, 10), (1, 2, 3, 4), (3, 3, 8, 8), (2, 2, 6, 12), (6, 6, 6, 6)]


def collect_positions(task, policy, problems, rollouts):
    """Positions of all rollouts of one policy, none left out."""
    return count_positions(collect_trajectories(task, {"": policy}, problems, samples=rollouts, keep=0,
                                                temperature=1.0, top_k=0))  # fmt: skip


@pytest.fixture(scope="module")
def policy_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("policy") / "checkpoint"
    save_checkpoint(make_model("tiny", make_tokenizer()), make_tokenizer(), folder)
    return folder


@pytest.fixture(scope="module")
def trained(policy_folder, tmp_path_factory):
    positions = collect_positions(TASK, FakePolicy(), PUZZLES, rollouts=32)
    config = training.CriticConfig(policy=str(policy_folder), epochs=3, batch_size=32, precision="fp32", held_out=0.2)
    return training.train(config, positions, tmp_path_factory.mktemp("critic"))


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
    with pytest.raises(ValueError, match="text 1 to score must not be empty"):
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
    with pytest.raises(ValueError, match=r"backend.*gpu"):
        critic.load_critic(policy_folder, backend="gpu")


def test_a_critic_is_no_policy(trained, tmp_path):
    for backend in ("auto", "transformers", "ctranslate2"):
        with pytest.raises(ValueError, match=r"must be a policy, .*, got a critic \(Qwen3ForSequenceClassification\)"):
            load_policy(trained, backend=backend)
    positions = collect_positions(TASK, FakePolicy(), PUZZLES, rollouts=2)
    with pytest.raises(ValueError, match="got a critic"):
        training.train(training.CriticConfig(policy=str(trained)), positions, tmp_path)


def test_a_policy_without_pad_token(tmp_path):
    start = tiny_models.save("qwen3", tmp_path / "start")
    tiny_models.drop_tokens(start, "pad_token")
    positions = collect_positions(TASK, FakePolicy(), PUZZLES, rollouts=2)
    config = training.CriticConfig(policy=str(start), epochs=1, batch_size=8, precision="fp32", held_out=0.2)
    assert critic.load_critic(training.train(config, positions, tmp_path / "padded")).score([TASK.prompt((4, 6))])
    tiny_models.drop_tokens(start, "eos_token")
    with pytest.raises(ValueError, match="start: it names no end token, which training needs"):
        training.train(config, positions, tmp_path / "endless")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"epochs": 0}, "epochs must be a finite number > 0, got 0"),
     ({"learning_rate": "1e-4"}, "learning_rate must be a finite number > 0, got '1e-4'"),
     ({"held_out": 1}, "held_out must be a number from 0 to below 1, got 1"),
     ({"batch_size": 0}, "batch_size must be an integer >= 1, got 0"),
     ({"td_lambda": 1.5}, "td_lambda must be a number from 0 to 1, got 1.5"),
     ({"lora_rank": -1}, "lora_rank must be an integer >= 0, got -1"),
     ({"targets": "true"}, "targets must be one of rollouts, exact, truth, got 'true'"),
     ({"targets": "truth", "td_lambda": 0.5}, "td_lambda must be 1 with targets 'truth'.* got 0.5")],
)  # fmt: skip
def test_bad_configurations(changes, message):
    with pytest.raises(ValueError, match=message):
        training.CriticConfig(**changes)


def test_bad_positions(policy_folder, tmp_path):
    config = training.CriticConfig(policy=str(policy_folder))
    with pytest.raises(ValueError, match="positions must have rows and the columns"):
        training.train(config, pd.DataFrame({"text": ["a"]}), tmp_path)
    positions = collect_positions(TASK, FakePolicy(), PUZZLES, rollouts=2)
    with pytest.raises(ValueError, match="td_lambda must be 1 on counted positions"):
        training.train(training.CriticConfig(policy=str(policy_folder), td_lambda=0.5), positions, tmp_path)


@pytest.fixture(scope="module")
def trajectories():
    return collect_trajectories(TASK, {"a": FakePolicy(), "b": FakePolicy(skill=1)}, PUZZLES, samples=12, keep=8)


def learn(policy_folder, trajectories, output, **settings):
    settings = {"epochs": 3, "batch_size": 32, "precision": "fp32", "held_out": 0.2, **settings}
    return training.train(training.CriticConfig(policy=str(policy_folder), **settings), trajectories, output)


def test_adapters_are_merged_and_the_trunk_below_them_stays(policy_folder, trajectories, tmp_path):
    folder = learn(policy_folder, trajectories, tmp_path, lora_rank=2)
    before = dict(make_model("tiny", make_tokenizer()).named_parameters())
    model, _ = critic.load_critic_model(folder)
    after = dict(model.named_parameters())
    moved = {name for name in set(before) & set(after) if not torch.equal(after[name], before[name])}
    assert moved == {name for name in before if name.endswith("proj.weight")}
    curve = pd.read_parquet(tmp_path / "training.parquet")
    assert curve["loss"].dropna().iloc[-1] < curve["loss"].dropna().iloc[0]


def test_the_curve_tells_the_tokens_learnt_from_without_padding(policy_folder, trajectories, tmp_path):
    """Compute is priced by them: a batch holds texts of all lengths, so that padding would be up to half of it."""
    learn(policy_folder, trajectories, tmp_path, epochs=2.5, held_out=0.0, batch_size=8)
    tokenizer = make_tokenizer()
    packed = pack_prefixes(tokenizer(trajectories["text"].drop_duplicates().tolist())["input_ids"])
    tokens, last = sum(len(one.ids) for one in packed), pd.read_parquet(tmp_path / "training.parquet").iloc[-1]
    texts = min(8 * last["step"], last["num_texts"])  # the last step is a whole one
    assert last["num_texts"] == texts == pytest.approx(2.5 * len(packed), abs=8)
    longest = max(len(one.ids) for one in packed)
    assert 2 * tokens < last["num_tokens"] < 3 * tokens
    assert last["num_tokens"] < longest * last["num_texts"]


def test_validation_positions_are_of_other_puzzles_and_new(policy_folder, trajectories):
    config = training.CriticConfig(policy=str(policy_folder), held_out=0.4)
    learnt, validation, passed = training._divide(config, trajectories)
    kept, away = hold_out(trajectories, 0.4, config.seed)
    assert set(learnt["text"]) == set(kept["text"])
    assert set(validation["text"]) == set(away["text"]) - set(kept["text"])
    assert (learnt["text"].to_numpy()[passed["position"]] == passed["text"].to_numpy()).all()


def test_targets_are_exact_chances_where_they_are_asked_for(policy_folder, trajectories, tmp_path):
    chances = dict.fromkeys(list_open(trajectories), 0.25)
    exact = set_chances(trajectories, chances)
    config = training.CriticConfig(policy=str(policy_folder), targets="exact")
    table, _, _ = training._divide(config, exact)
    aims = training._aim(table)
    alive = [TASK.truth(TASK.read(text)) for text in table["text"]]
    ended = [TASK.is_terminal(TASK.read(text)) for text in table["text"]]
    assert list(aims) == [1.0 if live and end else 0.25 * live for live, end in zip(alive, ended, strict=True)]
    assert len(set(aims)) == 3
    learn(policy_folder, exact, tmp_path / "exact", targets="exact", epochs=1)
    assert pd.read_parquet(tmp_path / "exact" / "training.parquet")["loss"].notna().any()
    with pytest.raises(ValueError, match="data must have exact chances"):
        training.train(config, trajectories, tmp_path / "none")
    assert "chance" not in training._divide(training.CriticConfig(policy=str(policy_folder)), trajectories)[0]


def test_targets_are_the_truth_where_it_is_asked_for(policy_folder, trajectories):
    config = training.CriticConfig(policy=str(policy_folder), targets="truth")
    learnt, validation, _ = training._divide(config, trajectories)
    for table in (learnt, validation):
        alive = [TASK.truth(TASK.read(text)) for text in table["text"]]
        assert ((table["solved"] / table["visits"]) == alive).all()
    outcomes = count_positions(trajectories)
    assert (outcomes["solved"] < outcomes["truth"] * outcomes["visits"]).any(), "rollouts fail where the truth does not"
    counted, _, _ = training._divide(config, count_positions(trajectories))
    assert (counted["solved"] == counted["truth"] * counted["visits"]).all()
    with pytest.raises(ValueError, match="targets must be 'rollouts' for positions whose truth the task does not know"):
        training._divide(config, trajectories.drop(columns="truth"))


def test_td_targets_are_frozen_for_an_epoch_and_survive_a_kill(policy_folder, trajectories, tmp_path, monkeypatch):
    asked = []
    value = training._Bootstrap._value
    monkeypatch.setattr(training._Bootstrap, "_value", lambda self: asked.append(1) or value(self))
    settings = {"td_lambda": 0.5, "trainer_args": {"save_steps": 2}}
    whole = learn(policy_folder, trajectories, tmp_path / "whole", **settings)
    assert len(asked) == 3  # once an epoch

    step = training._Trainer.compute_loss

    def die(self, *args, **kwargs):
        if self.state.global_step == 7:
            raise InterruptedError
        return step(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(training._Trainer, "compute_loss", die)
        with pytest.raises(InterruptedError):
            learn(policy_folder, trajectories, tmp_path / "killed", **settings)
    killed = learn(policy_folder, trajectories, tmp_path / "killed", **settings)
    one, two = (critic.load_critic_model(folder)[0].state_dict() for folder in (whole, killed))
    assert all(torch.equal(one[name], two[name]) for name in one)
    plain = critic.load_critic_model(learn(policy_folder, trajectories, tmp_path / "plain"))[0].state_dict()
    assert not torch.equal(plain["score.weight"], one["score.weight"])
