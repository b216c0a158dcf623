"""Models: the tokenizer gives every text back, presets keep their promises, broken checkpoints say what is wrong."""

import json
import random
import shutil

import pytest
import tiny_models
import transformers
from hypothesis import given
from hypothesis import strategies as st
from transformers.utils import logging

from game24lab.models.checkpoints import (
    PRESETS,
    count_parameters,
    load_checkpoint,
    load_trainable,
    make_model,
    save_checkpoint,
)
from game24lab.models.tokenizer import LARGEST_NUMBER, make_tokenizer
from game24lab.tasks.numbers.steps import sample_solution, write_solution
from game24lab.tasks.numbers.task import Game24

TOKENIZER = make_tokenizer()
SMALL = {"vocab_size": -(-len(TOKENIZER) // 8) * 8, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
         "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 16}  # fmt: skip


@given(st.text())
def test_any_text_comes_back(text):
    if any(special in text for special in TOKENIZER.all_special_tokens):
        return
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@pytest.mark.parametrize("text", ["8/3 / 4 = 2/3 (left: -5 2/3)\n", "1000 - 1 = 999\n", "4+5*(3-2)", "é\t²\n"])
def test_odd_texts_come_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_a_number_is_one_token():
    for number in range(LARGEST_NUMBER + 1):
        assert len(TOKENIZER.encode(f" {number}")) == len(TOKENIZER.encode(f"{number}")) == 1
    assert len(TOKENIZER.encode("10 - 6 = 4 (left: 4 4 5)\n")) == 10


@pytest.mark.parametrize(("size", "low", "high"), [("tiny", 0.5e6, 1.5e6), ("small", 3e6, 7e6), ("base", 20e6, 40e6)])
def test_presets_have_their_size(size, low, high):
    model = make_model(size, TOKENIZER)
    total = sum(p.numel() for p in model.parameters())
    assert low <= total <= high
    assert count_parameters(model) < total
    assert model.config.num_key_value_heads == 1
    assert model.config.vocab_size >= len(TOKENIZER)


def test_same_seed_same_weights():
    first, second, other = (make_model("tiny", TOKENIZER, seed=seed) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert any((a != b).any() for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_unknown_size():
    with pytest.raises(ValueError, match=f"size must be one of {next(iter(PRESETS))}, .*got 'huge'"):
        make_model("huge", TOKENIZER)


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "checkpoint"
    save_checkpoint(make_model("tiny", TOKENIZER), TOKENIZER, folder)
    return folder


def test_round_trip(checkpoint):
    model, tokenizer = load_checkpoint(checkpoint)
    expected = make_model("tiny", TOKENIZER)
    assert all((a == b).all() for a, b in zip(model.parameters(), expected.parameters(), strict=True))
    text = Game24().prompt([4, 5, 6, 10])
    assert tokenizer.encode(text) == TOKENIZER.encode(text)


@pytest.mark.parametrize("on", [True, False])
def test_a_folder_is_read_without_a_bar_and_bars_are_as_before(checkpoint, capsys, request, on):
    before = logging.is_progress_bar_enabled()  # a training in the same process turns them off
    request.addfinalizer(logging.enable_progress_bar if before else logging.disable_progress_bar)
    logging.enable_progress_bar() if on else logging.disable_progress_bar()
    load_checkpoint(checkpoint)
    assert capsys.readouterr().err == ""
    assert logging.is_progress_bar_enabled() is on


def test_broken_checkpoints_say_what_is_wrong(checkpoint, tmp_path):
    def damaged(name):
        folder = tmp_path / name
        shutil.copytree(checkpoint, folder)
        return folder

    no_tokenizer = damaged("no_tokenizer")
    for path in no_tokenizer.glob("token*"):
        path.unlink()
    cut = damaged("cut")
    weights = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    pickled = damaged("pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    no_config = damaged("no_config")
    (no_config / "config.json").unlink()
    for folder, word in [(no_tokenizer, "tokenizer"), (cut, "damaged or cut short"), (pickled, "safetensors"),
                         (no_config, "config.json"), (tmp_path / "absent", "no such folder")]:  # fmt: skip
        with pytest.raises(ValueError, match=word) as caught:
            load_checkpoint(folder)
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("head", ["SequenceClassification", "TokenClassification", "QuestionAnswering"])
def test_a_model_that_writes_no_text_is_no_policy(tmp_path, head):
    """With tied embeddings nothing is missing in it, and it would answer at random."""
    model = getattr(transformers, f"Qwen3For{head}")(transformers.Qwen3Config(**SMALL, tie_word_embeddings=True))
    save_checkpoint(model, TOKENIZER, tmp_path / "other")
    with pytest.raises(ValueError, match=f"must be a policy, .*, got .*Qwen3For{head}") as caught:
        load_checkpoint(tmp_path / "other")
    assert str(tmp_path / "other") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_without_its_last_layer_is_no_policy(tmp_path):
    model = transformers.Qwen3Model(transformers.Qwen3Config(**SMALL, tie_word_embeddings=False))
    save_checkpoint(model, TOKENIZER, tmp_path / "trunk")
    with pytest.raises(ValueError, match=r"a whole causal language model, got none of the weights lm_head"):
        load_checkpoint(tmp_path / "trunk")


@pytest.mark.parametrize("text", ["", "[]", "{", "3", "\xff"])
def test_a_broken_configuration_is_one_line(checkpoint, text):
    (checkpoint / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"config\.json is broken") as caught:
        load_checkpoint(checkpoint)
    assert "\n" not in str(caught.value)


def test_what_a_tokenizer_does_not_name_its_model_may(checkpoint):
    end = TOKENIZER.eos_token_id
    tiny_models.drop_tokens(checkpoint, "eos_token", "pad_token", config=False)
    _, tokenizer = load_trainable(checkpoint)
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (end, end)


def test_a_pad_token_may_be_missing(checkpoint):
    tiny_models.drop_tokens(checkpoint, "pad_token")
    assert load_trainable(checkpoint)[1].pad_token_id == TOKENIZER.eos_token_id


def test_a_pad_token_that_the_model_does_not_know_is_not_used(checkpoint):
    _, tokenizer = load_checkpoint(checkpoint)
    tokenizer.add_special_tokens({"pad_token": "<another pad>"})
    while len(tokenizer) <= load_checkpoint(checkpoint)[0].config.vocab_size:
        tokenizer.add_tokens([f"<more {len(tokenizer)}>"])
    tokenizer.add_special_tokens({"pad_token": "<a late pad>"})
    tokenizer.save_pretrained(checkpoint)
    assert load_checkpoint(checkpoint)[1].pad_token_id == TOKENIZER.eos_token_id


def test_without_an_end_token_there_is_no_training(checkpoint):
    tiny_models.drop_tokens(checkpoint, "eos_token", "pad_token")
    assert load_checkpoint(checkpoint)[1].eos_token_id is None  # it can be searched with
    with pytest.raises(ValueError, match="names no end token, which training needs; set 'eos_token' in its tokeniz"):
        load_trainable(checkpoint)


def test_remote_code_is_not_run(checkpoint):
    config = json.loads((checkpoint / "config.json").read_text())
    marker = checkpoint / "ran"
    (checkpoint / "evil.py").write_text(f"open({str(marker)!r}, 'w')\n")
    config |= {"auto_map": {"AutoModelForCausalLM": "evil.Model", "AutoConfig": "evil.Config"}}
    (checkpoint / "config.json").write_text(json.dumps(config))
    load_checkpoint(checkpoint)
    assert not marker.exists()


def test_solutions_are_short():
    lines = write_solution([4, 5, 6, 10], sample_solution([4, 5, 6, 10], random.Random(0)))
    assert len(TOKENIZER.encode("".join(f"{line}\n" for line in lines))) <= 30
