"""SFT: every parameter moves, only completions are learnt, a killed run ends where an uninterrupted one does."""

import json
import logging
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import tiny_models
import torch
from transformers import TrainerCallback
from transformers.utils import logging as hub_logging

from game24lab.models.backends.ctranslate2_export import is_exportable
from game24lab.models.checkpoints import load_checkpoint, make_model
from game24lab.models.tokenizer import make_tokenizer
from game24lab.training import session, sft
from game24lab.training.clock import read_cost
from game24lab.training.loop import STATE_FOLDER, arrange, common_arguments, find_resume_point, pack
from game24lab.training.saving import replace_folder

ROOT = Path(__file__).parents[2]

PUZZLES = [(4, 5, 6, 10), (1, 2, 3, 4), (3, 3, 8, 8), (2, 2, 6, 12), (6, 6, 6, 6)]


def make_pairs(count=40):
    from game24lab.tasks.numbers.solutions import make_solutions

    return make_solutions(PUZZLES, count, held_out=[], highest=13)


def config(**changes):
    return sft.SFTConfig(**{"steps": 6, "batch_size": 8, "evaluate_every": 2, "precision": "fp32", **changes})


def test_a_checkpoint_without_end_token_is_refused_and_one_without_pad_token_is_not(tmp_path):
    """Its end token, or the one that the model names, then pads."""
    start = tiny_models.save("qwen3", tmp_path / "start")
    tiny_models.drop_tokens(start, "pad_token")
    folder = sft.train(config(checkpoint=str(start), steps=2), make_pairs(), tmp_path / "padded")
    assert load_checkpoint(folder)[1].pad_token_id is not None
    tiny_models.drop_tokens(start, "eos_token")
    with pytest.raises(ValueError, match="start: it names no end token, which training needs; set 'eos_token'"):
        sft.train(config(checkpoint=str(start)), make_pairs(), tmp_path / "endless")


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    start = tiny_models.save("qwen3", tmp_path / "start")
    make_tokenizer("traces").save_pretrained(start)
    pairs = [(prompt, f"{completion} -99") for prompt, completion, *_ in make_pairs()]
    with pytest.raises(ValueError, match=r"training sample 0: the tokenizer gives token \d+, the model has \d+ embed"):
        sft.train(config(checkpoint=str(start)), pairs, tmp_path / "run")


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_every_parameter_moves_and_the_loss_falls(tmp_path, optimizer):
    folder = sft.train(config(optimizer=optimizer, steps=12), make_pairs(), tmp_path)
    before, (after, _) = make_model("tiny", make_tokenizer(), seed=0), load_checkpoint(folder)
    after = dict(after.named_parameters())
    still = [name for name, value in before.named_parameters() if torch.equal(value, after[name])]
    assert not still
    curve = pd.read_parquet(tmp_path / "training.parquet")
    loss = curve["loss"].dropna()
    assert len(loss) == 12
    assert loss.iloc[-3:].mean() < 0.9 * loss.iloc[0]


def test_batches_by_tokens_are_learnt_from(tmp_path):
    pairs = make_pairs()
    folder = sft.train(config(batch_tokens=200, steps=12, learning_rate=1e-3), pairs, tmp_path)
    before, (after, tokenizer) = make_model("tiny", make_tokenizer(), seed=0), load_checkpoint(folder)
    after = dict(after.named_parameters())
    assert not [name for name, value in before.named_parameters() if torch.equal(value, after[name])]
    lengths = sft.tokenize(pairs, tokenizer)["length"]
    learnt = sum(lengths[i] for batch in pack(list(lengths), 200, 12, seed=0) for i in batch)
    assert pd.read_parquet(tmp_path / "training.parquet")["num_tokens"].iloc[-1] == learnt


def test_only_completions_carry_labels():
    tokenizer = make_tokenizer()
    rows = sft.tokenize([("Input: 1 2 3 4\n", "1 + 2 = 3 (left: 3 3 4)\n")], tokenizer)
    learnt = [i for i in rows[0]["labels"] if i != -100]
    assert tokenizer.decode(learnt) == "1 + 2 = 3 (left: 3 3 4)\n<eos>"
    assert len(rows[0]["labels"]) == len(rows[0]["input_ids"])
    unended = sft.tokenize([("Input: 1 2 3 4\n", "1 + 2 = 3 (left: 3 3 4)\n", False)], tokenizer)
    assert unended[0]["input_ids"] == rows[0]["input_ids"][:-1]


def test_padding_changes_nothing():
    model, tokenizer = make_model("tiny", make_tokenizer()).eval(), make_tokenizer()
    rows = sft.tokenize(make_pairs(6), tokenizer)
    pad = sft.RightPad(tokenizer.pad_token_id)
    with torch.no_grad():
        together = model(**{k: v for k, v in pad(list(rows)).items() if k != "labels"}).logits
        for i, row in enumerate(rows):
            alone = model(input_ids=torch.tensor([row["input_ids"]])).logits[0]
            assert torch.allclose(together[i, : len(alone)], alone, atol=1e-5)


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gpt2"])
def test_logits_of_prompts_are_not_missed(tmp_path, kind):
    model, tokenizer = load_checkpoint(tiny_models.save(kind, tmp_path / kind))
    texts = [("Input: 1 2 3 4\n", "1 + 2 = 3\n"), ("Input: 4 5 6 10 12\n", "4"), ("Input: 1\n", "1", False)]
    rows = sft.tokenize(texts, tokenizer)
    batch = sft.RightPad(tokenizer.pad_token_id)(list(rows))
    less = sft.leave_out_prompts(batch)
    assert less["labels"].shape[1] < batch["labels"].shape[1]
    losses = [model(**inputs, num_items_in_batch=9).loss for inputs in (batch, less)]
    assert torch.allclose(*losses, atol=1e-6)
    everywhere = {**batch, "labels": batch["input_ids"]}
    assert torch.allclose(model(**everywhere).loss, model(**sft.leave_out_prompts(everywhere)).loss, atol=1e-6)


@pytest.mark.parametrize(("every", "good"), [(2, 2), (3, None)])
def test_nan_stops_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch, every, good):
    """The loss of step 4 is NaN: a resume point of step 2 is from before it, one of step 3 led to it."""
    passes, original = [], torch.nn.Embedding.forward

    def forward(self, ids):
        passes.append(ids)
        return original(self, ids) * (float("nan") if len(passes) == 4 else 1)

    monkeypatch.setattr(torch.nn.Embedding, "forward", forward)
    kept = r"is kept, .*checkpoint-2;" if good else "no checkpoint from before"
    with pytest.raises(FloatingPointError, match=f"NaN or infinite at step 4.*{kept}") as stop:
        sft.train(config(evaluate_every=every), make_pairs(), tmp_path)
    assert "\n" not in str(stop.value)
    assert not (tmp_path / "checkpoint").exists()
    point = find_resume_point(tmp_path)
    assert (point and point.name) == (f"checkpoint-{good}" if good else None)
    if good:  # what is kept is a checkpoint like any other
        assert all(torch.isfinite(value).all() for value in load_checkpoint(point)[0].parameters())


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    with pytest.raises(FloatingPointError, match=r"NaN or infinite at step 2.*is kept, .*checkpoint-1;"):
        sft.train(config(learning_rate=1e300, evaluate_every=1, optimizer="adamw"), make_pairs(), tmp_path)


class KillError(Exception):
    pass


def test_a_killed_run_ends_like_an_uninterrupted_one(tmp_path):
    calls = []

    def kill_at_the_second_evaluation(model, tokenizer):
        calls.append(model.training)
        if len(calls) == 2:
            raise KillError
        return {"calls": float(len(calls))}

    pairs = make_pairs()
    whole = sft.train(config(), pairs, tmp_path / "whole", lambda m, t: {"calls": 0.0})
    with pytest.raises(KillError):
        sft.train(config(), pairs, tmp_path / "killed", kill_at_the_second_evaluation)
    assert not (tmp_path / "killed" / "checkpoint").exists()
    assert find_resume_point(tmp_path / "killed").name == "checkpoint-2"
    until_the_kill = read_cost(tmp_path / "killed" / "checkpoint")
    resumed = sft.train(config(), pairs, tmp_path / "killed", lambda m, t: {"calls": 0.0})
    whole_cost = read_cost(resumed)
    assert all(whole_cost[name] > until_the_kill[name] > 0 for name in ("training_seconds", "training_cpu_seconds"))
    for a, b in zip(load_checkpoint(whole)[0].parameters(), load_checkpoint(resumed)[0].parameters(), strict=True):
        assert torch.equal(a, b)
    curves = [pd.read_parquet(tmp_path / name / "training.parquet") for name in ("whole", "killed")]
    pd.testing.assert_series_equal(curves[0]["loss"], curves[1]["loss"])
    assert curves[1]["step"].is_unique
    assert not (tmp_path / "killed" / STATE_FOLDER).exists()
    written = (resumed / "model.safetensors").stat().st_mtime_ns
    assert sft.train(config(), pairs, tmp_path / "killed") == resumed
    assert (resumed / "model.safetensors").stat().st_mtime_ns == written


def test_a_training_that_is_stopped_says_how_to_go_on_and_where_it_does(tmp_path, capsys, monkeypatch):
    calls = []

    def stop_at_the_second_evaluation(model, tokenizer):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return {"calls": 0.0}

    with pytest.raises(KeyboardInterrupt) as stopped:
        sft.train(config(), make_pairs(), tmp_path, stop_at_the_second_evaluation)
    (line,) = stopped.value._render_traceback_()
    assert re.fullmatch(r"Stopped at step \d+ of \d+\. Run this cell again: it goes on at step 2\.", line)
    assert "goes on" not in capsys.readouterr().out
    handler, told = logging.Handler(), []
    monkeypatch.setattr(handler, "emit", lambda record: told.append(record.getMessage()))
    logging.getLogger("transformers").addHandler(handler)
    try:
        sft.train(config(), make_pairs(), tmp_path, lambda m, t: {"calls": 0.0})
    finally:
        logging.getLogger("transformers").removeHandler(handler)
    assert "goes on at step 2" in capsys.readouterr().out
    assert told == [], "a red box where all is well"


def test_resume_points_within_a_second_are_no_red_box(tmp_path, monkeypatch):
    handler, told = logging.Handler(), []
    monkeypatch.setattr(handler, "emit", lambda record: told.append(record.getMessage()))
    hub_logging.warning_once.cache_clear()  # once a process is too seldom for a test
    logging.getLogger("transformers").addHandler(handler)
    try:
        sft.train(config(evaluate_every=1, steps=4), make_pairs(), tmp_path, lambda m, t: {"calls": 0.0})
    finally:
        logging.getLogger("transformers").removeHandler(handler)
    assert told == []


def test_a_training_of_the_version_before_is_known(tmp_path):
    """Its configuration calls the vocabulary `words`."""
    folder = sft.train(config(steps=1), make_pairs(), tmp_path)
    stored = folder / "training_config.json"
    values = json.loads(stored.read_text())
    values["words"] = values.pop("vocabulary")
    stored.write_text(json.dumps(values))
    (folder / "model.safetensors").unlink()
    assert sft.train(config(steps=1), make_pairs(), tmp_path) == folder, "nothing is trained again"


def run_job(folder, command, config, pairs):
    """The same training as `sft.train(config, pairs, folder / "job")`, in processes of its own."""
    (folder / "job.yaml").write_text(json.dumps(config))
    (folder / "data.jsonl").write_text("".join(json.dumps(pair._asdict()) + "\n" for pair in pairs))
    command = [sys.executable, "-m", *command, "sft", "job.yaml", "data.jsonl", "job"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_two_processes_train_what_one_trains(tmp_path):
    values = {"checkpoint": str(tiny_models.save("qwen3", tmp_path / "start")), "steps": 4, "batch_size": 8,
              "evaluate_every": 2, "precision": "fp32", "optimizer": "adamw"}  # fmt: skip
    pairs = make_pairs()
    launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "game24lab.training.launch"]
    with run_job(tmp_path, launcher, values, pairs) as process:
        said, complaints = process.communicate(timeout=1800)
    assert process.returncode == 0, complaints
    assert said.decode().split() == ["job/checkpoint"], "the first process alone speaks"
    assert complaints.decode().count("game24lab.training.launch: 2 at work") == 1
    alone = sft.train(sft.SFTConfig(**values), pairs, tmp_path / "alone")
    together = tmp_path / "job" / "checkpoint"
    assert sorted(path.name for path in alone.iterdir()) == sorted(path.name for path in together.iterdir())
    both = load_checkpoint(together)[0]
    for a, b in zip(load_checkpoint(alone)[0].parameters(), both.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-3)
    curves = [pd.read_parquet(tmp_path / name / "training.parquet") for name in ("alone", "job")]
    pd.testing.assert_frame_equal(curves[0][["step", "loss", "num_tokens"]], curves[1][["step", "loss", "num_tokens"]],
                                  rtol=1e-4)  # fmt: skip


def test_a_batch_that_the_processes_cannot_share(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(ValueError, match="batch_size must be a multiple of the 3 processes, got 8"):
        common_arguments(tmp_path, 6, 8, 0, False, save_every=2)


@pytest.mark.parametrize("by", [{"batch_size": 8}, {"batch_tokens": 400}])
def test_passes_of_a_step_add_up_to_it(tmp_path, by):
    start = str(tiny_models.save("qwen3", tmp_path / "start"))
    found = []
    for passes in (1, 4):
        settings = config(checkpoint=start, optimizer="adamw", steps=3, accumulation_steps=passes, **by)
        folder = sft.train(settings, make_pairs(), tmp_path / str(passes))
        found.append((load_checkpoint(folder)[0], pd.read_parquet(folder.parent / "training.parquet")))
    if "batch_size" in by:  # the same texts a step; by tokens a pass has as many as the whole step had, divided
        for one, two in zip(*(model.parameters() for model, _ in found), strict=True):
            assert torch.allclose(one, two, atol=1e-5)
        assert found[0][1]["num_tokens"].tolist() == found[1][1]["num_tokens"].tolist()
    tokens = found[1][1]["num_tokens"]
    assert tokens.is_monotonic_increasing
    assert tokens.iloc[-1] <= 3 * by.get("batch_tokens", 10**6)
    with pytest.raises(ValueError, match="batch_size must be a multiple of the 3 accumulation_steps, got 8"):
        sft.train(config(checkpoint=start, batch_size=8, accumulation_steps=3), make_pairs(), tmp_path / "odd")


def test_long_samples_are_left_out_and_told(tmp_path, capsys):
    pairs = make_pairs()
    long = (pairs[0][0], pairs[0][1] * 5)
    folder = sft.train(config(steps=2, max_length=60), [*pairs, long], tmp_path / "some")
    assert f"1 of {len(pairs) + 1} samples are longer than 60 tokens and are left out" in capsys.readouterr().out
    without = sft.train(config(steps=2), pairs, tmp_path / "without")
    for one, two in zip(load_checkpoint(folder)[0].parameters(), load_checkpoint(without)[0].parameters(), strict=True):
        assert torch.equal(one, two)
    with pytest.raises(ValueError, match=r"max_length must leave at least one sample, the shortest has \d+ tok"):
        sft.train(config(max_length=3), pairs, tmp_path / "none")


def test_a_tracker_is_checked_first_and_gets_the_curve(tmp_path, monkeypatch):
    told = []

    class Tracker(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            told.append(logs)

    with pytest.raises(ValueError, match="report_to must be one of none, tensorboard, trackio, wandb, got 'excel'"):
        sft.train(config(), make_pairs(), tmp_path / "run", report_to="excel")
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(session, "make_trackers", lambda name, folder: [Tracker()] if name == "wandb" else [])
    sft.train(config(steps=2), make_pairs(), tmp_path / "run", report_to="wandb")
    assert [logs["num_tokens"] for logs in told if "loss" in logs]


def test_adapters_are_merged(tmp_path):
    start = tiny_models.save("qwen3", tmp_path / "start")
    seen = []
    settings = config(checkpoint=str(start), lora_rank=4, steps=8, optimizer="muon")
    folder = sft.train(settings, make_pairs(), tmp_path, lambda model, tokenizer: seen.append(type(model)) or {})
    (before, _), (after, _) = load_checkpoint(start), load_checkpoint(folder)
    assert {kind.__name__ for kind in seen} == {"Qwen3ForCausalLM"}
    moved = {name for name, value in after.named_parameters() if not torch.equal(value, before.get_parameter(name))}
    assert moved == {name for name, _ in before.named_parameters() if "_proj" in name}
    loss = pd.read_parquet(tmp_path / "training.parquet")["loss"]
    assert loss.iloc[-1] < loss.iloc[0]
    assert is_exportable(after.config)


def test_killed_after_the_last_step_it_only_writes(tmp_path, monkeypatch):
    def kill(*args):
        raise KillError

    settings = config(checkpoint=str(tiny_models.save("qwen3", tmp_path / "start")))
    whole = sft.train(settings, make_pairs(), tmp_path / "whole", lambda m, t: {"accuracy": 0.5})
    with monkeypatch.context() as patch:
        patch.setattr(session, "finish", kill)
        with pytest.raises(KillError):
            sft.train(settings, make_pairs(), tmp_path / "killed", lambda m, t: {"accuracy": 0.5})
    assert find_resume_point(tmp_path / "killed").name == "checkpoint-6"
    resumed = sft.train(settings, make_pairs(), tmp_path / "killed", kill)
    for a, b in zip(load_checkpoint(whole)[0].parameters(), load_checkpoint(resumed)[0].parameters(), strict=True):
        assert torch.equal(a, b)
    curves = [pd.read_parquet(tmp_path / name / "training.parquet") for name in ("whole", "killed")]
    pd.testing.assert_frame_equal(*curves)


def test_another_configuration_does_not_go_on_from_a_killed_one(tmp_path):
    calls = []

    def kill(model, tokenizer):
        calls.append(model)
        if len(calls) == 2:
            raise KillError
        return {}

    start = str(tiny_models.save("qwen3", tmp_path / "start"))
    with pytest.raises(KillError):
        sft.train(config(checkpoint=start), make_pairs(), tmp_path / "run", kill)
    with pytest.raises(ValueError, match=r"learning_rate is 0\.003 there and 0\.01 here.*delete .*state"):
        sft.train(config(checkpoint=start, learning_rate=0.01), make_pairs(), tmp_path / "run")


def test_half_written_resume_points_are_passed_over(tmp_path):
    for step, names in [(2, ["trainer_state.json", "optimizer.pt", "scheduler.pt", "model.safetensors"]),
                        (4, ["model.safetensors", "optimizer.pt"])]:  # fmt: skip
        (tmp_path / STATE_FOLDER / f"checkpoint-{step}").mkdir(parents=True)
        for name in names:
            (tmp_path / STATE_FOLDER / f"checkpoint-{step}" / name).write_text('{"global_step": 2}')
    assert find_resume_point(tmp_path).name == "checkpoint-2"
    (tmp_path / STATE_FOLDER / "checkpoint-2" / "trainer_state.json").write_text('{"glob')
    assert find_resume_point(tmp_path) is None


def test_replacing_a_folder_leaves_no_rest(tmp_path):
    for name in ("new", "place"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    replace_folder(tmp_path / "new", tmp_path / "place")
    assert [p.name for p in tmp_path.iterdir()] == ["place"]
    assert [p.name for p in (tmp_path / "place").iterdir()] == ["new"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"steps": 0}, "steps must be an integer >= 1, got 0"),
     ({"learning_rate": "1e-4"}, r"learning_rate must be a finite number > 0, got '1e-4'"),
     ({"optimizer": "sgd"}, "optimizer must be one of muon, adamw, got 'sgd'"),
     ({"precision": "int8"}, "precision must be one of auto, bf16, fp32, got 'int8'"),
     ({"batch_size": True}, "batch_size must be an integer >= 1, got True"),
     ({"lora_rank": -1, "checkpoint": "x"}, "lora_rank must be an integer >= 0, got -1"),
     ({"lora_rank": 4}, "lora_rank must be 0 without a checkpoint, whose weights adapters need, got 4")],
)  # fmt: skip
def test_bad_configurations(changes, message):
    with pytest.raises(ValueError, match=message):
        config(**changes)


def test_bad_data(tmp_path):
    with pytest.raises(ValueError, match="at least one sample"):
        sft.train(config(), [], tmp_path)
    with pytest.raises(ValueError, match="training sample 1"):
        sft.train(config(), [("a", "b"), ("", "c")], tmp_path)
    with pytest.raises(ValueError, match="training sample 1 must fit the window of 4096 tokens, got"):
        sft.train(config(), [("a", "b"), ("a", "b" * 5000)], tmp_path)



def test_batches_by_tokens_are_full_even_and_mixed():
    rng = random.Random(0)
    lengths = [int(40 * 30 ** rng.random()) for _ in range(2000)]  # 40 to 1,200, most of them short
    batches = pack(lengths, 4096, 200, seed=0)
    padded = [len(batch) * max(lengths[i] for i in batch) for batch in batches]
    assert max(padded) <= 4096
    assert sum(lengths[i] for batch in batches for i in batch) > 0.9 * sum(padded)
    seen = [i for batch in pack(lengths, 4096, 10_000, seed=0)[:180] for i in batch]
    assert max(seen.count(i) for i in range(2000)) <= 2  # pass after pass, nothing left out for long
    means = [sum(lengths[i] for i in batch) / len(batch) for batch in batches]
    assert min(means[:40]) < 100 < 600 < max(means[:40])  # long and short ones alternate from the beginning
    assert batches == pack(lengths, 4096, 200, seed=0) != pack(lengths, 4096, 200, seed=1)
    assert pack([5000, 10], 4096, 3, seed=0)  # longer than a batch: one of its own


def test_batches_are_of_one_length_and_mixed():
    lengths = [10] * 64 + [30] * 64
    order = arrange(lengths, 8, 40, seed=0)
    batches = [[lengths[i] for i in order[b : b + 8]] for b in range(0, len(order), 8)]
    assert len(batches) == 40
    assert all(order.count(i) in (2, 3) for i in range(128))  # 320 places: every pass sees every sample once
    even = [batch[0] for batch in batches if len(set(batch)) == 1]
    assert len(even) >= 32
    assert 4 <= sum(length == 10 for length in even[:16]) <= 12  # long and short ones alternate
    assert arrange(lengths, 8, 40, seed=0) == order != arrange(lengths, 8, 40, seed=1)
    assert len(arrange([5] * 3, 8, 2, seed=0)) == 16  # fewer samples than a batch
