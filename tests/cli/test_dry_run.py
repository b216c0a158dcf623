"""`game24lab run NAME --check`: it counts what models have, and every ready set is one that its trainer takes."""

import re
from pathlib import Path

import pytest
import tiny_models
import torch

from game24lab.cli.dry_run import (
    count_activations,
    count_adapters,
    count_parameters,
    examine,
    make_config,
    measure_need,
    trace,
)
from game24lab.cli.main import main
from game24lab.models.checkpoints import make_model
from game24lab.models.tokenizer import make_tokenizer
from game24lab.runs.notebook import check_overrides, find_notebooks, match_notebook, read_overrides, read_parameters
from game24lab.scaling.beyond import QWEN
from game24lab.scaling.flops import make_shape, read_shape
from game24lab.training.lora import adapt

ROOT = Path(__file__).parents[2]
GPU = sorted(path for path in (ROOT / "params" / "gpu").glob("*.yaml") if path.stem != "11_scaling")
READY = [*GPU, *sorted((ROOT / "params" / "real").glob("*.yaml"))]


def read(file):
    """Notebook, all parameters, and those that differ."""
    path = match_notebook(file.stem, find_notebooks())
    changed = check_overrides(path, read_overrides(file))
    return path.stem, {name: one.default for name, one in read_parameters(path).items()} | changed, changed


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_what_is_counted_is_what_models_have(kind):
    model, _ = tiny_models.make(kind)
    shape, tied = read_shape(model.config.to_dict()), model.config.tie_word_embeddings
    matrices = sum(one.numel() for one in model.parameters() if one.ndim == 2)
    assert count_parameters(shape, tied=tied) == matrices
    adapted = adapt(model, 4)
    assert count_adapters(shape, 4) == sum(one.numel() for one in adapted.parameters() if one.requires_grad)


def test_activations_are_about_what_a_pass_keeps():
    """Within a factor of two of what autograd saves in bfloat16, each tensor once, without weights and logits."""
    tokenizer = make_tokenizer()
    model = make_model("8x224", tokenizer)
    weights = {one.untyped_storage().data_ptr() for one in model.parameters()}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes(), tensor  # held, so that no address comes twice
        return tensor

    ids = torch.arange(4 * 64).view(4, 64) % 200
    with torch.autocast("cpu", torch.bfloat16), torch.autograd.graph.saved_tensors_hooks(note, lambda one: one):
        hidden = model.model(ids).last_hidden_state
    copies = sum(one.numel() * 2 for one in model.model.layers.parameters() if one.ndim == 2)  # weights in bfloat16
    found = sum(size for size, _ in kept.values()) - copies
    expected = count_activations(make_shape("8x224", len(tokenizer))) * ids.numel()
    assert hidden.requires_grad
    assert expected / 2 < found < expected * 2


@pytest.mark.parametrize("file", READY, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_ready_sets_are_what_their_trainers_take(file):
    lines = list(examine(*read(file)))
    assert lines[0].startswith(f"{read(file)[0]}: ")
    assert not any("is not known here" in line for line in lines if "runs/real" not in line)


@pytest.mark.parametrize("file", [one for one in GPU if make_config(*read(one)[:2])], ids=lambda file: file.stem)
def test_gpu_sets_fit_the_memory_that_they_name(file):
    (room,) = re.findall(r"one GPU of\s(?:# )?([0-9]+) GB", file.read_text())
    notebook, parameters, _ = read(file)
    name = trace(parameters.get("checkpoint") or parameters.get("policy")).removesuffix("-Instruct")
    need = measure_need(notebook, parameters, make_config(notebook, parameters), QWEN[name], tied=True)
    assert 0.1 * int(room) * 1e9 < need.memory < 0.9 * int(room) * 1e9


def test_the_command_runs_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "03_sft", "--check", "-p", "size", "small", "-p", "steps", "10"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "03_sft: size 'small', steps 10"
    assert "8 layers, width 224" in said[1]
    assert said[2].startswith("memory, about ")
    assert said[3].startswith("training, about ")
    assert main(["run", "06_grpo", "--check", "-p", "mini_batch", "7"]) == 2
    assert "mini_batch must divide the 12 x 8 completions" in capsys.readouterr().err
    assert main(["run", "09_strategies", "--check", "-p", "policy", "runs/mine/checkpoint"]) == 0
    assert "not there yet: policy runs/mine/checkpoint" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
