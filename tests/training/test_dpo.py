"""DPO: what is chosen gains on what is rejected, the end token tells nothing away, kills change nothing."""

import random

import pandas as pd
import pytest
import tiny_models
import torch

from game24lab.models.checkpoints import load_checkpoint
from game24lab.models.tokenizer import make_tokenizer
from game24lab.tasks.numbers.chains import write_chain
from game24lab.tasks.numbers.preference_pairs import Pair, make_pair
from game24lab.tasks.numbers.search_traces import search_in_order
from game24lab.training import dpo
from game24lab.training.loop import find_resume_point

PUZZLES = [(4, 5, 6, 10), (1, 2, 3, 4), (2, 2, 6, 12), (6, 6, 6, 6)]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny_models.save("qwen3", tmp_path_factory.mktemp("start") / "model")


def make_pairs():
    """What the solver writes, with its first line's result one too high."""
    pairs = []
    for numbers in PUZZLES:
        first, *rest = write_chain(numbers, search_in_order(numbers, random.Random(0)), "sound").splitlines(True)
        wrong = first.replace(" = ", " = 1", 1)
        pairs.append(make_pair(numbers, "".join([wrong, *rest[:1]]), random.Random(0), most_lines=2, ended=False))
    return pairs


def config(start, **changes):
    return dpo.DPOConfig(**{"checkpoint": str(start), "steps": 6, "batch_size": 4, "evaluate_every": 2,
                            "precision": "fp32", "learning_rate": 1e-3, **changes})  # fmt: skip


def test_a_checkpoint_without_end_token_is_refused(tmp_path):
    endless = tiny_models.save("qwen3", tmp_path / "endless")
    tiny_models.drop_tokens(endless, "eos_token", "pad_token")
    with pytest.raises(ValueError, match="endless: it names no end token, which training needs"):
        dpo.train(config(endless), make_pairs(), tmp_path / "run")


def test_the_chosen_side_wins(tmp_path, start):
    seen = []
    folder = dpo.train(config(start, steps=12), make_pairs(), tmp_path, lambda model, tokenizer: {"accuracy": 0.5},
                       lambda log: seen.append(list(log["loss"])))  # fmt: skip
    before, after = load_checkpoint(start)[0], load_checkpoint(folder)[0]
    assert not [name for name, value in before.named_parameters() if torch.equal(value, after.get_parameter(name))]
    curve = pd.read_parquet(tmp_path / "training.parquet")
    assert curve["loss"].iloc[0] == pytest.approx(0.6931, abs=1e-3), "the reference is where it starts"
    assert curve["loss"].iloc[-1] < 0.5 < curve["rewards/accuracies"].iloc[-1]
    assert curve["rewards/margins"].iloc[-1] > 0
    assert seen[0] == [curve["loss"].iloc[0]], "shown while it grows"
    assert list(curve.dropna(subset=["accuracy"])["step"]) == [2, 4, 6, 8, 10, 12]


def test_adapters_keep_their_reference_below_them(tmp_path, start):
    folder = dpo.train(config(start, lora_rank=4, steps=8, learning_rate=1e-2), make_pairs(), tmp_path)
    before, after = load_checkpoint(start)[0], load_checkpoint(folder)[0]
    moved = {name for name, value in before.named_parameters() if not torch.equal(value, after.get_parameter(name))}
    assert moved == {name for name, _ in before.named_parameters() if "_proj" in name}
    loss = pd.read_parquet(tmp_path / "training.parquet")["loss"]
    assert loss.iloc[0] == pytest.approx(0.6931, abs=1e-3)
    assert loss.iloc[-1] < 0.69


def test_passes_of_a_step_add_up_to_it(tmp_path, start):
    once, twice = (dpo.train(config(start, steps=3, accumulation_steps=passes, learning_rate=1e-4), make_pairs(),
                             tmp_path / str(passes)) for passes in (1, 2))  # fmt: skip
    for one, two in zip(load_checkpoint(once)[0].parameters(), load_checkpoint(twice)[0].parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-5)


def test_long_pairs_are_left_out_and_those_beyond_the_window_named(tmp_path, start, capsys):
    pairs = make_pairs()
    long = Pair(pairs[0][0], "12 / 3 = 4 (left: 2 4 4)\n" * 12, pairs[0][2])
    with pytest.raises(ValueError, match=f"pair {len(pairs)} must fit the window of 96 tokens, got"):
        dpo.train(config(start), [*pairs, long], tmp_path / "long")
    dpo.train(config(start, steps=1, max_length=90), [*pairs, long], tmp_path / "left")
    assert f"1 of {len(pairs) + 1} samples are longer than 90 tokens and are left out" in capsys.readouterr().out


def test_end_tokens_stand_where_a_side_ended():
    tokenizer, end = make_tokenizer(), make_tokenizer().eos_token_id
    pairs = [Pair("Input: 1 2 3 4\n", "1 + 2 = 3 (left: 3 3 4)\n", "1 + 2 = 4 (left: 3 4 4)\n", chosen, rejected)
             for chosen in (True, False) for rejected in (True, False)]  # fmt: skip
    rows = dpo.tokenize([*pairs, pairs[0][:3]], tokenizer)
    found = [(row["chosen_ids"][-1] == end, row["rejected_ids"][-1] == end) for row in rows]
    assert found == [(True, True), (True, False), (False, True), (False, False), (True, True)]
    assert tokenizer.decode(rows[0]["prompt_ids"] + rows[3]["chosen_ids"]) == pairs[0].prompt + pairs[0].chosen
    assert dpo.tokenize([Pair("a", "", "b")], tokenizer)[0]["chosen_ids"] == [end]


class KillError(Exception):
    pass


def test_a_killed_run_ends_like_an_uninterrupted_one(tmp_path, start):
    calls = []

    def kill(model, tokenizer):
        calls.append(model)
        if len(calls) == 2:
            raise KillError
        return {"accuracy": 0.0}

    settings, pairs = config(start, sft_weight=0.5), make_pairs()
    whole = dpo.train(settings, pairs, tmp_path / "whole", lambda m, t: {"accuracy": 0.0})
    with pytest.raises(KillError):
        dpo.train(settings, pairs, tmp_path / "killed", kill)
    assert find_resume_point(tmp_path / "killed").name == "checkpoint-2"
    resumed = dpo.train(settings, pairs, tmp_path / "killed", lambda m, t: {"accuracy": 0.0})
    for a, b in zip(load_checkpoint(whole)[0].parameters(), load_checkpoint(resumed)[0].parameters(), strict=True):
        assert torch.equal(a, b)
    curves = [pd.read_parquet(tmp_path / name / "training.parquet") for name in ("whole", "killed")]
    pd.testing.assert_frame_equal(*curves)
    assert dpo.train(settings, pairs, tmp_path / "killed") == resumed


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"checkpoint": ""}, "checkpoint must be the folder or hub id of a trained model, got ''"),
     ({"beta": 0}, "beta must be a finite number > 0, got 0"), ({"steps": 0}, "steps must be an integer >= 1, got 0"),
     ({"learning_rate": "1e-6"}, r"learning_rate must be a finite number > 0, got '1e-6'"),
     ({"sft_weight": -1.0}, r"sft_weight must be a finite number >= 0, got -1.0"),
     ({"batch_size": True}, "batch_size must be an integer >= 1, got True"),
     ({"precision": "int8"}, "precision must be one of auto, bf16, fp32, got 'int8'")],
)  # fmt: skip
def test_bad_configurations(changes, message):
    with pytest.raises(ValueError, match=message):
        config("x", **changes)


def test_bad_pairs(tmp_path, start):
    with pytest.raises(ValueError, match="empty"):
        dpo.train(config(start), [], tmp_path)
    for pair in [("", "a", "b"), ("p", "a", "a"), Pair("p", "", "b", chosen_ends=False)]:
        with pytest.raises(ValueError, match=r"pair 1: prompt .*two sides that differ"):
            dpo.train(config(start), [("p", "a", "b"), pair], tmp_path)
