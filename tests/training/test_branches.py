"""Trunk and branches: a branch is what a training of its own would have been, and kept points outlive their trunk."""

import pandas as pd
import pytest
import torch

from game24lab.models.checkpoints import load_checkpoint, make_model
from game24lab.models.load_policy import load_policy
from game24lab.models.sizes import LADDER, PRESETS, read_size
from game24lab.models.tokenizer import make_tokenizer
from game24lab.tasks.numbers.solutions import make_solutions
from game24lab.tasks.numbers.task import Game24
from game24lab.training import sft
from game24lab.training.branches import find_point
from game24lab.training.critic_data import collect_trajectories
from game24lab.training.loop import STATE_FOLDER
from game24lab.training.schedules import find_cooldown, schedule_arguments

PUZZLES = [(4, 5, 6, 10), (1, 2, 3, 4), (3, 3, 8, 8), (2, 2, 6, 12), (6, 6, 6, 6)]
SAMPLES = make_solutions(PUZZLES, 40, held_out=[], highest=13)
BASE = {"size": "2x32", "batch_size": 8, "evaluate_every": 0, "precision": "fp32", "warmup": 2, "horizon": 20,
        "trainer_args": {"logging_steps": 1}}  # fmt: skip


def weights(folder):
    return load_checkpoint(folder)[0].state_dict()


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trunk")
    sft.train(sft.SFTConfig(**BASE, steps=16, schedule="constant"), SAMPLES, folder, keep={8, 16})
    return folder


@pytest.mark.parametrize("steps", [10, 20])
def test_a_branch_is_what_a_training_of_its_own_would_have_been(trunk, tmp_path, steps, capsys):
    """Bit by bit: weights, learning rates and losses; also of the point at which the trunk has ended."""
    config = sft.SFTConfig(**BASE, steps=steps, schedule="wsd")
    assert find_cooldown(steps) == steps * 4 // 5
    alone = sft.train(config, SAMPLES, tmp_path / "alone")
    begin = find_point(trunk, find_cooldown(steps))
    branch = sft.train(config, SAMPLES, tmp_path / "branch", begin=begin)
    assert "goes on" not in capsys.readouterr().out  # nobody has stopped it
    expected, found = weights(alone), weights(branch)
    assert not [name for name in expected if not torch.equal(expected[name], found[name])]
    curves = [pd.read_parquet(tmp_path / name / "training.parquet") for name in ("alone", "branch")]
    columns = ["step", "loss", "learning_rate", "num_tokens"]
    pd.testing.assert_frame_equal(*(curve[columns] for curve in curves))
    assert not torch.equal(weights(trunk / "checkpoint")["lm_head.weight"], found["lm_head.weight"])
    assert not (tmp_path / "branch" / STATE_FOLDER).exists()
    assert begin.is_dir()


def test_a_kept_point_rolls_out_as_the_policy_it_was(trunk):
    """As the earlier checkpoints do that critics learn from besides the last one."""
    policies = {step: load_policy(find_point(trunk, step), backend="transformers") for step in (8, 16)}
    table = collect_trajectories(Game24(), policies, PUZZLES[:2], samples=4, keep=0, seeds=[1, 2])
    assert set(table["policy"]) == {8, 16}
    said = [policy.generate(["Input: 4 5 6 10\n"], 1, max_tokens=30, temperature=0)[0][0].ids
            for policy in (*policies.values(), load_policy(trunk / "checkpoint", backend="transformers"))]  # fmt: skip
    assert said[1] == said[2]


def test_a_branch_that_is_there_is_left_alone_and_one_from_nowhere_is_refused(trunk, tmp_path):
    config = sft.SFTConfig(**BASE, steps=10, schedule="wsd")
    folder = sft.train(config, SAMPLES, tmp_path / "branch", begin=find_point(trunk, 8))
    when = (folder / "model.safetensors").stat().st_mtime_ns
    again = sft.train(config, SAMPLES, tmp_path / "branch", begin=find_point(trunk, 99))
    assert (again / "model.safetensors").stat().st_mtime_ns == when
    with pytest.raises(FileNotFoundError, match="no resume point of a trunk"):
        sft.train(config, SAMPLES, tmp_path / "other", begin=find_point(trunk, 99))


def test_the_cooldown_is_one_minus_the_root():
    found = schedule_arguments("wsd", 100, warmup=5)
    assert found["warmup_steps"] == 5
    assert found["lr_scheduler_kwargs"] == {"num_decay_steps": 20, "decay_type": "1-sqrt"}
    assert schedule_arguments("linear", 100) == {"lr_scheduler_type": "linear", "warmup_steps": 2}
    with pytest.raises(ValueError, match="warmup must be at most the 8 steps before the cooldown, got 9 of 10"):
        schedule_arguments("wsd", 10, warmup=9)


@pytest.mark.parametrize(("changes", "message"), [
    ({"schedule": "cosine"}, "schedule must be one of linear, constant, wsd"),
    ({"horizon": 5}, "horizon must be 0 or at least the 10 steps, got 5"),
    ({"cooldown": 1.5}, "cooldown must be a number from 0 to 1"),
])  # fmt: skip
def test_schedules_that_do_not_exist(changes, message):
    with pytest.raises(ValueError, match=message):
        sft.SFTConfig(**{"steps": 10} | changes)


def test_sizes_are_presets_or_numbers():
    assert read_size("4x128") == PRESETS["tiny"]
    assert read_size("8x224") == PRESETS["small"]
    assert read_size("3x48") == {"layers": 3, "width": 48, "heads": 2, "feed_forward": 144}
    model = make_model("3x48", make_tokenizer())
    assert model.config.hidden_size == 48
    assert len(LADDER) == 6
    for wrong in ("0x48", "4x33", "4*96", "", "tini", None):
        with pytest.raises(ValueError, match="size must"):
            read_size(wrong)
