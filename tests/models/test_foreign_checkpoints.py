"""Checkpoints that others made, with the traits that trip a loader: each works, or is refused in one line."""

import json

import pytest
import tiny_models
import torch
from safetensors.torch import load_file, save_file

from game24lab.models.checkpoints import load_checkpoint
from game24lab.models.load_policy import load_policy
from game24lab.models.plain_decoder import load_plain
from game24lab.models.tokenizer import read_chat
from game24lab.tasks.gsm8k.environment import open_word_game

IDS = [[5, 9, 30, 7, 40]]
REFUSES_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}" \
                 "{% endif %}{% for m in messages %}<turn>{{ m['content'] }}{% endfor %}<turn>"  # fmt: skip
REFUSES_USERS = "{{ raise_exception('roles must alternate') }}"


def give_chat(folder, template):
    _, tokenizer = load_checkpoint(folder)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return folder


@torch.no_grad()
def look(model):
    found = model(torch.tensor(IDS))
    return getattr(found, "logits", None)


def test_a_template_without_a_system_role_is_no_obstacle(tmp_path):
    folder = give_chat(tiny_models.save("llama", tmp_path / "policy"), REFUSES_SYSTEM)
    environment = open_word_game(held_out=1, chat=read_chat(folder))
    prompt = environment.prompt(environment.held_out[0])
    assert prompt.startswith("<turn>Respond in the following format")
    assert prompt.endswith("<turn>")
    with pytest.raises(ValueError, match="System role not supported") as error:
        read_chat(folder)([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}])
    assert "\n" not in str(error.value)


def test_a_template_that_refuses_every_message_is_one_line(tmp_path):
    folder = give_chat(tiny_models.save("llama", tmp_path / "policy"), REFUSES_USERS)
    environment = open_word_game(held_out=1, chat=read_chat(folder))
    with pytest.raises(ValueError, match=f"checkpoint {folder}: its chat template refuses these messages: roles must"):
        environment.prompt(environment.held_out[0])


@pytest.mark.parametrize("backend", ["transformers", "ctranslate2", "light"])
@pytest.mark.parametrize("same", [True, False], ids=["the same", "another"])
def test_tied_weights_that_are_saved_twice(tmp_path, backend, same):
    """One way or the other, all ways of loading agree with transformers."""
    folder = tiny_models.save("qwen3", tmp_path / "policy")
    weights = load_file(folder / "model.safetensors")
    assert "lm_head.weight" not in weights
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone() + (0 if same else 0.1)
    if not same:
        weights["lm_head.weight"][7] *= -3
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model, _ = load_checkpoint(folder)
    assert torch.equal(model.lm_head.weight, weights["lm_head.weight"])
    prompt = "Input: 4 5 6 10\n"
    (expected,) = load_policy(folder, backend="transformers").generate([prompt], 1, max_tokens=8, temperature=0)
    if backend == "light":
        light, _ = load_plain(folder)
        assert torch.equal(light.lm_head.weight, weights["lm_head.weight"])
    else:
        (found,) = load_policy(folder, backend=backend).generate([prompt], 1, max_tokens=8, temperature=0)
        assert found[0].ids == expected[0].ids


@pytest.mark.parametrize("load", [load_checkpoint, load_policy])
def test_a_model_of_remote_code_is_refused_in_one_line(tmp_path, load):
    folder = tiny_models.save("llama", tmp_path / "policy")
    marker = tmp_path / "ran"
    (folder / "evil.py").write_text(f"open({str(marker)!r}, 'w')\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoModelForCausalLM": "evil.Model", "AutoConfig": "evil.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"code of its own \(evil\.\w+\), which is not run") as error:
        load(folder)
    assert "\n" not in str(error.value)
    assert not marker.exists()
