"""Resume points by time: whole or not there, no trace of a kill in curve or weights, and a full disk loses nothing."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import tiny_models
import torch

from game24lab.models.checkpoints import load_checkpoint
from game24lab.models.tokenizer import make_tokenizer
from game24lab.training import dpo, saving, sft
from game24lab.training.critic import _Trainer as CriticTrainer
from game24lab.training.grpo_trainer import Trainer as GRPOTrainer
from game24lab.training.loop import STATE_FOLDER, find_resume_point
from game24lab.training.saving import Resumable, SaveByTime

ROOT = Path(__file__).parents[2]
PUZZLES = [(4, 5, 6, 10), (1, 2, 3, 4), (3, 3, 8, 8), (2, 2, 6, 12), (6, 6, 6, 6)]


class KillError(Exception):
    pass


def make_samples(count=40):
    from game24lab.tasks.numbers.solutions import make_solutions

    return make_solutions(PUZZLES, count, held_out=[], highest=13)


def make_config(**changes):
    return sft.SFTConfig(**{"steps": 20, "batch_size": 8, "evaluate_every": 7, "precision": "fp32",
                            "trainer_args": {"logging_steps": 5}, **changes})  # fmt: skip


@pytest.fixture
def at_every_step(monkeypatch):
    monkeypatch.setattr(saving, "SECONDS", 0.0)
    monkeypatch.setattr(saving, "_SHARE", float("inf"))


def kill_at(call):
    """An evaluation that fails the `call`-th time, as a kill in the middle of a step would."""
    calls = []

    def evaluate(model, tokenizer):
        calls.append(model)
        if len(calls) == call:
            raise KillError
        return {"accuracy": 0.5}

    return evaluate


def assert_same(whole, resumed):
    for a, b in zip(load_checkpoint(whole)[0].parameters(), load_checkpoint(resumed)[0].parameters(), strict=True):
        assert torch.equal(a, b)
    curves = [pd.read_parquet(folder.parent / "training.parquet") for folder in (whole, resumed)]
    pd.testing.assert_frame_equal(*curves)


def test_all_trainers_write_such_points():
    assert all(issubclass(kind, Resumable) for kind in (sft._Trainer, dpo._Trainer, CriticTrainer, GRPOTrainer))


def test_what_was_not_logged_yet_outlives_a_kill(tmp_path, at_every_step):
    """Points of steps 6 and 13 lie between log entries, which come every five steps."""
    samples = make_samples()
    whole = sft.train(make_config(), samples, tmp_path / "whole", lambda m, t: {"accuracy": 0.5})
    for call, newest in ((1, 6), (2, 13)):
        with pytest.raises(KillError):
            sft.train(make_config(), samples, tmp_path / "killed", kill_at(call))
        assert find_resume_point(tmp_path / "killed").name == f"checkpoint-{newest}"
        names = sorted(path.name for path in (tmp_path / "killed" / STATE_FOLDER).glob("*checkpoint*"))
        assert names == [f"checkpoint-{newest - 1}", f"checkpoint-{newest}"]
    resumed = sft.train(make_config(), samples, tmp_path / "killed", lambda m, t: {"accuracy": 0.5})
    assert_same(whole, resumed)
    curve = pd.read_parquet(tmp_path / "killed" / "training.parquet")
    assert list(curve[curve["loss"].notna()]["step"]) == [5, 10, 15, 20]


def test_metrics_of_trl_outlive_a_kill(tmp_path, at_every_step):
    start = str(tiny_models.save("qwen3", tmp_path / "start"))
    pairs = [("Input: 1 2 3 4\n", f"1 + {n} = {n + 1} ", f"1 + {n} = {n} ") for n in range(2, 12)]
    config = dpo.DPOConfig(start, steps=12, batch_size=4, evaluate_every=7, precision="fp32",
                           trainer_args={"logging_steps": 5})  # fmt: skip
    whole = dpo.train(config, pairs, tmp_path / "whole", lambda m, t: {"held": 0.5})
    with pytest.raises(KillError):
        dpo.train(config, pairs, tmp_path / "killed", kill_at(1))
    assert find_resume_point(tmp_path / "killed").name == "checkpoint-6"
    assert_same(whole, dpo.train(config, pairs, tmp_path / "killed", lambda m, t: {"held": 0.5}))


PROGRAM = """
import sys
from game24lab.training import saving
saving.SECONDS, saving._SHARE = 0.3, 1.0
from game24lab.training.launch import main
sys.exit(main(["sft", "job.yaml", "data.jsonl", "job"]))
"""


def test_killed_again_and_again_it_ends_with_the_same_bits(tmp_path):
    """The demo's SFT in small: two kills at random moments, points by time alone."""
    values = {"steps": 60, "batch_size": 32, "evaluate_every": 0, "precision": "fp32"}
    samples = make_samples(200)
    (tmp_path / "job.yaml").write_text(json.dumps(values))
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(sample._asdict()) + "\n" for sample in samples))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    points = []

    def run():
        with (tmp_path / "said.txt").open("a") as said:
            return subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, stdout=said,
                                    stderr=said)  # fmt: skip

    for _ in range(2):
        before = points[-1] if points else 0
        with run() as process:
            while process.poll() is None and find_step(tmp_path / "job") <= before:
                time.sleep(0.01)
            time.sleep(random.uniform(0, 0.4))
            process.send_signal(signal.SIGKILL)
            assert process.wait() in (0, -signal.SIGKILL), (tmp_path / "said.txt").read_text()
        points.append(find_step(tmp_path / "job"))
    with run() as process:
        assert process.wait() == 0, (tmp_path / "said.txt").read_text()
    assert points == sorted(points)
    assert points[0] > 0
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    whole = sft.train(sft.SFTConfig(**values), samples, tmp_path / "whole")
    torch.set_num_threads(threads)
    assert_same(whole, tmp_path / "job" / "checkpoint")
    curve = pd.read_parquet(tmp_path / "job" / "training.parquet")
    assert list(curve["step"]) == list(range(1, 61))
    tokens = sft.tokenize(samples, make_tokenizer())["length"]
    assert abs(curve["num_tokens"].iloc[-1] / (sum(tokens) * 60 * 32 / 200) - 1) < 0.02, "nothing is counted twice"


def find_step(output):
    point = find_resume_point(output)
    return int(point.name.split("-")[1]) if point else 10**6 if (output / "checkpoint").exists() else 0


def test_a_full_disk_leaves_the_last_good_point(tmp_path, at_every_step, capsys):
    """Files may not grow beyond 64 kB from step 7 on: torch and safetensors then meet the system's own error."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(model, tokenizer):
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, limit[1]))
        return {"accuracy": 0.5}

    samples, config = make_samples(), make_config(steps=12)
    try:
        with pytest.raises(OSError, match=r"cannot be written|File too large"):
            sft.train(config, samples, tmp_path / "full", fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert find_resume_point(tmp_path / "full").name == "checkpoint-6"
    assert not (tmp_path / "full" / STATE_FOLDER / ".part").exists()
    said = [line for line in capsys.readouterr().err.splitlines() if "resume point" in line]
    assert len(said) == 1, "one line for all points of a full disk"
    assert "game24lab: resume point checkpoint-7 cannot be written" in said[0]
    assert "the last good one stays" in said[0]
    resumed = sft.train(config, samples, tmp_path / "full", lambda m, t: {"accuracy": 0.5})
    assert_same(sft.train(config, samples, tmp_path / "whole", lambda m, t: {"accuracy": 0.5}), resumed)


def test_a_failure_that_is_not_of_writing_is_not_hidden(tmp_path, at_every_step, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(RuntimeError, match="device-side assert"):
        sft.train(make_config(), make_samples(), tmp_path)


@pytest.mark.parametrize("damage", ["other", "cut"])
def test_a_point_that_cannot_be_read_is_named(tmp_path, at_every_step, damage):
    with pytest.raises(KillError):
        sft.train(make_config(), make_samples(), tmp_path, kill_at(1))
    point = find_resume_point(tmp_path)
    if damage == "other":
        torch.save({"state": {}, "param_groups": []}, point / "optimizer.pt")
    else:
        (point / "optimizer.pt").write_bytes((point / "optimizer.pt").read_bytes()[:5000])
    expected = r"checkpoint-6: the resume point cannot be read .*; delete .*state to begin anew"
    with pytest.raises(ValueError, match=expected) as error:
        sft.train(make_config(), make_samples(), tmp_path)
    assert "\n" not in str(error.value)
    if damage == "other":
        assert "optimiser state must be of Muon and AdamW" in str(error.value)


def make_saver(monkeypatch, *, parameters, takes=0.0, **arguments):
    """A saver of a model of that many parameters, and a clock to move."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(saving.time, "monotonic", lambda: clock.now)
    trainer = SimpleNamespace(saving_seconds=takes, take_up=lambda: None)
    saver = SaveByTime(trainer)
    args = SimpleNamespace(**{"save_strategy": "steps", "world_size": 1, **arguments})
    weight = torch.nn.Parameter(torch.empty(parameters, device="meta"))
    model = SimpleNamespace(parameters=lambda: [weight])
    saver.on_train_begin(args, None, None, model=model)

    def is_due(seconds, step=1):
        clock.now += seconds
        control = SimpleNamespace(should_save=False, should_log=False)
        saver.on_step_end(args, SimpleNamespace(global_step=step), control)
        if control.should_save:
            saver.on_save(args, None, control)
        return control.should_save

    return is_due


def test_a_point_is_due_every_twenty_seconds(monkeypatch):
    is_due = make_saver(monkeypatch, parameters=10**6, takes=0.1)
    assert [is_due(seconds) for seconds in (19.9, 0.2, 19.9, 0.2, 25)] == [False, True, False, True, True]


def test_points_of_large_models_are_sparser(monkeypatch):
    """500M parameters are 6 GB with their optimiser's state: 30 s are expected, 9 s were measured."""
    is_due = make_saver(monkeypatch, parameters=5 * 10**8, takes=9.0)
    assert [is_due(seconds) for seconds in (1000, 499, 2, 448, 3)] == [False, False, True, False, True]


def test_no_point_within_what_was_sampled_once(monkeypatch):
    is_due = make_saver(monkeypatch, parameters=10, num_iterations=4)
    assert [is_due(30, step) for step in (1, 3, 4, 5, 8)] == [False, False, True, False, True]


def test_none_where_the_arguments_ask_for_none(monkeypatch):
    assert not make_saver(monkeypatch, parameters=10, save_strategy="no")(1000)
