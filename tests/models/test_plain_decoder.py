"""Decoders opened without transformers: which are, that they compute the same, and that nothing heavy is loaded."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForSequenceClassification

from game24lab.models.backends.transformers_policy import TransformersPolicy
from game24lab.models.checkpoints import count_parameters, load_checkpoint, save_checkpoint
from game24lab.models.critic import TransformersCritic, load_critic, load_critic_model
from game24lab.models.locations import find_pretrained
from game24lab.models.plain_decoder import CRITIC, POLICY, PlainTokenizer, fits, load_plain
from game24lab.models.policy import describe
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.puzzles import read_problem

ROOT = Path(__file__).parents[2]
TEXTS = ["Input: 4 5 6 10\n", "Input: 3 8\n", "Input: 4 5 6 10 Target: 36\n", "Input: 1/3 8\n",
         "4 + 5 = 9 (left: 6 9 10)\n", "byte by byte: ü", "1234567 <eos> 8"]  # fmt: skip


def make_critic(folder):
    torch.manual_seed(1)
    tokenizer = tiny_models.make("qwen3")[1]
    config = Qwen3Config(vocab_size=768, **tiny_models._grouped(4, 2), num_labels=1, eos_token_id=1, pad_token_id=0)
    save_checkpoint(Qwen3ForSequenceClassification(config), tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("plain")
    return {"tiny": tiny_models.save("qwen3", home / "tiny"), "shipped": find_pretrained("policy"),
            "tiny critic": make_critic(home / "critic"), "shipped critic": find_pretrained("critic")}  # fmt: skip


@pytest.mark.parametrize("name", ["tiny", "shipped"])
def test_a_policy_has_the_numbers_of_its_model(folders, name):
    folder = folders[name]
    assert fits(folder, POLICY)
    assert not fits(folder, CRITIC)
    (model, tokenizer), (theirs, stock) = load_plain(folder), load_checkpoint(folder)
    assert describe(model, tokenizer) == describe(theirs, stock)
    assert count_parameters(model) == count_parameters(theirs)
    ids = torch.tensor([stock(text)["input_ids"][:4] for text in TEXTS])
    with torch.inference_mode():
        found, known = model.model(ids), theirs(ids, output_hidden_states=True)
        assert torch.equal(found.last_hidden_state, known.hidden_states[-1]), "the same to the last bit"
        assert torch.equal(model.lm_head(found.last_hidden_state), known.logits)


@pytest.mark.parametrize("name", ["tiny", "shipped"])
def test_a_policy_says_what_the_model_says(folders, name):
    """One length of prompts at a time and several together, which are padded: the same tokens, the same numbers."""
    plain, stock = TransformersPolicy(*load_plain(folders[name])), TransformersPolicy(*load_checkpoint(folders[name]))
    prompts = TEXTS[:4] + TEXTS[:1]
    for options in ({"temperature": 0}, {"temperature": 1.0}, {"temperature": 0.7, "top_p": 0.9, "stop_line": True}):
        options |= {"max_tokens": 30, "seeds": range(len(prompts))}
        both = plain.generate(prompts, 6, **options), stock.generate(prompts, 6, **options)
        for mine, theirs in zip(*both, strict=True):
            assert [one.ids for one in mine] == [one.ids for one in theirs]
            assert [(one.text, one.finish) for one in mine] == [(one.text, one.finish) for one in theirs]
            for one, other in zip(mine, theirs, strict=True):
                np.testing.assert_allclose(one.logprobs, other.logprobs, atol=2e-5)


@pytest.mark.parametrize("name", ["tiny critic", "shipped critic"])
def test_a_critic_gives_the_values_of_its_model(folders, name):
    assert fits(folders[name], CRITIC)
    light, full = load_critic(folders[name], light=True), TransformersCritic(*load_critic_model(folders[name]))
    assert light.score(TEXTS) == full.score(TEXTS), "the same to the last bit"
    assert [light.count(text) for text in TEXTS] == [full.count(text) for text in TEXTS]
    assert light.parameters == full.parameters
    assert light.reads == load_critic(folders[name]).reads
    np.testing.assert_allclose(light.score(TEXTS), load_critic(folders[name]).score(TEXTS), atol=1e-3)


def test_the_tokenizer_is_that_of_transformers(folders):
    stock = AutoTokenizer.from_pretrained(folders["shipped"])
    mine = PlainTokenizer(folders["shipped"], json.loads((folders["shipped"] / "tokenizer_config.json").read_text()))
    assert (mine.eos_token_id, mine.pad_token_id, len(mine)) == (stock.eos_token_id, stock.pad_token_id, len(stock))
    assert mine(TEXTS)["input_ids"] == stock(TEXTS)["input_ids"]
    assert all(mine(text)["input_ids"] == stock(text)["input_ids"] for text in TEXTS)


@pytest.mark.parametrize(("file", "change"), [
    ("config.json", {"model_type": "llama"}),
    ("config.json", {"architectures": ["Qwen3ForTokenClassification"]}),
    ("config.json", {"attention_bias": True}),
    ("config.json", {"dtype": "bfloat16"}),
    ("config.json", {"layer_types": ["full_attention", "sliding_attention"]}),
    ("config.json", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}),
    ("config.json", {"rope_parameters": None}),
    ("config.json", {"quantization_config": {"quant_method": "awq"}}),
    ("config.json", None),
    ("tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer"}),
    ("tokenizer_config.json", None),
])  # fmt: skip
def test_other_models_are_left_to_transformers(folders, tmp_path, file, change):
    folder = shutil.copytree(folders["tiny"], tmp_path / "other")
    text = "[" if change is None else json.dumps(json.loads((folder / file).read_text()) | change)
    (folder / file).write_text(text)
    assert not fits(folder, POLICY)


def test_other_kinds_and_no_folders_are_left_to_transformers(tmp_path):
    for kind in set(tiny_models.KINDS) - {"qwen3"}:
        assert not fits(tiny_models.save(kind, tmp_path / kind), POLICY), kind
    assert not fits(tmp_path / "none", POLICY)
    assert not fits("owner/name", POLICY)


def test_damaged_weights_are_one_line(folders, tmp_path):
    folder = shutil.copytree(folders["tiny"], tmp_path / "cut")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ValueError, match="cut: cannot be loaded") as caught:
        load_plain(folder)
    assert "\n" not in str(caught.value)


def test_a_few_searches_load_no_modelling_code():
    """What one `solve` of the shipped models loads; and what it finds is what the usual backends find."""
    code = ("import sys, time; from game24lab.cli.main import main; main(['solve', '4', '5', '6', '10', '--json']);"
            "print(time.process_time());"
            "print(*sorted({'transformers', 'ctranslate2', 'sympy', 'scipy', 'sklearn', 'pandas', 'pyarrow', 'plotly',"
            "'accelerate', 'peft', 'trl', 'huggingface_hub', 'IPython'} & set(sys.modules)))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    row, seconds, loaded = done.stdout.splitlines()
    assert loaded == ""
    code = "import time, torch; print(time.process_time())"  # how fast this machine is, as busy as it is
    torch_alone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(seconds) < 3 * float(torch_alone), "imports and one search: twice what torch's import takes, measured"
    row = json.loads(row)
    assert row["solved"]
    from game24lab.cli import solve

    game = open_environment("game24", held_out=1)
    (outcome,), _ = solve.solve(game, [read_problem("4 5 6 10")], "mcts", {}, backend="transformers")
    assert (outcome.answer, outcome.cost.sampled_tokens) == (row["answer"], row["sampled_tokens"])
