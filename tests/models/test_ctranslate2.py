"""Export to CTranslate2: it survives what tokenizers lack, leaves live models alone, and is cached by content."""

import copy
import os
import shutil

import ctranslate2
import numpy as np
import pytest
import tiny_models
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from game24lab.cli.main import main
from game24lab.models.backends import ctranslate2_export as export
from game24lab.models.backends.ctranslate2_export import export_ctranslate2, find_export, is_exportable, read_card
from game24lab.models.checkpoints import load_checkpoint
from game24lab.models.load_policy import load_policy
from game24lab.models.locations import find_pretrained

IDS = [5, 6, 7, 60, 61]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAME24LAB_CACHE", str(tmp_path / "cache"))


def make_tokenizer(size, holes=(), **special):
    """Words `0`, `1`, ... with no special tokens but the ones named, and no token at all for some ids."""
    vocabulary = {str(i): i for i in range(size) if i not in holes}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="0"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Whitespace(), decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def score(folder, ids=IDS):
    generator = ctranslate2.Generator(str(folder), compute_type="float32", intra_threads=1)
    return np.asarray(generator.forward_batch([ids], return_log_probs=True))[0]


def score_live(model, ids=IDS):
    with torch.inference_mode():
        return torch.log_softmax(model(torch.tensor([ids])).logits[0].float(), -1).numpy()


@pytest.mark.parametrize("kind", ["qwen3", "qwen2", "llama", "gpt2"])
def test_an_export_computes_what_the_model_computes(kind, tmp_path):
    model, tokenizer = tiny_models.make(kind)
    assert is_exportable(model.config)
    folder = export_ctranslate2(model, tmp_path / "export", tokenizer=tokenizer)
    np.testing.assert_allclose(score(folder), score_live(model), atol=1e-4)


@pytest.mark.parametrize("kind", ["mistral", "gemma2"])
def test_what_ctranslate2_would_get_wrong_is_refused(kind, tmp_path, monkeypatch):
    """It has loaders for these, but no attention windows behind longer prompts and no capped logits."""
    model, tokenizer = tiny_models.make(kind)
    assert not is_exportable(model.config)
    with pytest.raises(ValueError, match="backend 'transformers'"):
        export_ctranslate2(model, tmp_path / "export", tokenizer=tokenizer)
    if kind == "gemma2":  # and what nobody knew to be wrong is found out
        monkeypatch.setattr(export, "is_exportable", lambda config: True)
        with pytest.raises(ValueError, match="computes something else"):
            export_ctranslate2(model, tmp_path / "export", tokenizer=tokenizer)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("special", [{}, {"eos_token": "3"}, {"bos_token": "2", "unk_token": "0", "eos_token": "1"}])
def test_missing_special_tokens_and_holes_are_survived(special, tmp_path):
    model, _ = tiny_models.make("qwen3")
    tokenizer = make_tokenizer(700, holes=(9, 10, 600), **special)
    folder = export_ctranslate2(model, tmp_path / "export", tokenizer=tokenizer)
    np.testing.assert_allclose(score(folder), score_live(model), atol=1e-4)
    generator = ctranslate2.Generator(str(folder), compute_type="float32", intra_threads=1)
    found = generator.generate_batch([["5", "6"]], max_length=4, sampling_topk=1, end_token=[699])
    assert found[0].sequences_ids[0][:2] == [5, 6]
    assert found[0].sequences[0][:2] == ["5", "6"], "ids behind a hole keep their names"
    assert read_card(folder).ends == tuple({1} | {int(token) for name, token in special.items() if name == "eos_token"})


def test_tokens_of_any_look_get_names(tmp_path):
    model, _ = tiny_models.make("qwen3")
    size = model.config.vocab_size
    tokenizer = make_tokenizer(700)
    tokenizer.add_tokens(["\n", "<extra_id_750>", "a b", "\u2028"])
    names = export._name_tokens(tokenizer, size)
    assert len(names) == len(set(names)) == size
    assert names[700:704] == ["\n", "<extra_id_750>", "a b", "\u2028"]
    folder = export_ctranslate2(model, tmp_path / "export", tokenizer=tokenizer)
    np.testing.assert_allclose(score(folder, [5, 700, 703, 705]), score_live(model, [5, 700, 703, 705]), atol=1e-4)


def test_a_live_model_is_left_alone(tmp_path):
    """Also in the middle of training: same modules, same weights, gradients still flow."""
    model, tokenizer = tiny_models.make("qwen3")
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modules = list(model.named_modules())
    for _ in range(2):
        export_ctranslate2(model, tmp_path / "export", tokenizer=tokenizer)
    assert [(name, id(module)) for name, module in model.named_modules()] == [(n, id(m)) for n, m in modules]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    model(torch.tensor([IDS]), labels=torch.tensor([IDS])).loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    with torch.no_grad():
        model.model.norm.weight.mul_(1.5)
    export_ctranslate2(model, tmp_path / "export", tokenizer=tokenizer)
    np.testing.assert_allclose(score(tmp_path / "export"), score_live(model.eval()), atol=1e-4)


@pytest.mark.parametrize(("compute_type", "share", "gap"), [("float32", 1.1, 1e-4), ("float16", 0.6, 0.05),
                                                            ("bfloat16", 0.6, 0.3), ("int8", 0.4, 0.5)])  # fmt: skip
def test_a_file_may_have_another_type_than_the_model(compute_type, share, gap, tmp_path):
    folder = find_pretrained("policy")
    model, tokenizer = load_checkpoint(folder)
    before = copy.deepcopy(model.state_dict())
    own = export_ctranslate2(folder, tmp_path / "own")
    other = export_ctranslate2(model, tmp_path / "other", tokenizer=tokenizer, compute_type=compute_type)
    assert (other / "model.bin").stat().st_size < share * (own / "model.bin").stat().st_size
    np.testing.assert_allclose(score(other)[-1].max(), score_live(model)[-1].max(), atol=gap)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(ValueError, match="compute_type must be one of float32, float16, bfloat16, int8, got 'int7'"):
        export_ctranslate2(model, tmp_path / "none", tokenizer=tokenizer, compute_type="int7")


def test_an_export_is_opened_as_a_policy(tmp_path, capsys):
    assert main(["export", str(find_pretrained("policy")), str(tmp_path / "int8"), "--compute-type", "int8"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "int8")
    policy = load_policy(tmp_path / "int8", compute_type="int8", seed=0)
    (completions,) = policy.generate(["Input: 4 5 6 10\n"], 16, max_tokens=60)
    assert sum("(left: 24)" in one.text for one in completions) >= 1
    assert policy.name == "ctranslate2"
    with pytest.raises(ValueError, match=r"backend must be 'ctranslate2' for .*int8, an export to it, got 'transform"):
        load_policy(tmp_path / "int8", backend="transformers")
    assert main(["export", str(find_pretrained("policy")), str(tmp_path / "int8")]) == 2
    assert main(["export", str(find_pretrained("critic")), str(tmp_path / "critic")]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"game24lab: DIR must not exist, got {tmp_path / 'int8'}"
    assert "must be a policy" in told[1]


def test_half_precision_stays_half_on_disk(tmp_path):
    model, tokenizer = tiny_models.make("llama")
    full = export_ctranslate2(model, tmp_path / "full", tokenizer=tokenizer)
    half = export_ctranslate2(copy.deepcopy(model).to(torch.bfloat16), tmp_path / "half", tokenizer=tokenizer)
    assert (half / "model.bin").stat().st_size < 0.6 * (full / "model.bin").stat().st_size
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(torch.bfloat16))
    np.testing.assert_allclose(score(half), score_live(model), atol=1e-4)


def test_the_card_knows_the_model(tmp_path):
    model, tokenizer = tiny_models.make("llama")
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, 44]
    card = read_card(export_ctranslate2(model, tmp_path / "export", tokenizer=tokenizer))
    assert card.ends == (tokenizer.eos_token_id, 44)
    assert card.window == tiny_models.WINDOW
    assert card.vocabulary == model.config.vocab_size
    assert card.cache == 2 * 2 * 2 * 8  # keys and values, layers, heads, width


def test_exports_are_cached_by_content(tmp_path, monkeypatch):
    folder = tiny_models.save("qwen3", tmp_path / "checkpoint")
    first = find_export(folder)
    assert str(first).startswith(str(tmp_path / "cache"))
    monkeypatch.setattr(export, "export_ctranslate2", None)  # nothing more may be exported
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    assert find_export(folder) == find_export(moved) == first
    monkeypatch.undo()
    monkeypatch.setenv("GAME24LAB_CACHE", str(tmp_path / "cache"))
    times = (os.stat(folder / "model.safetensors").st_mtime,) * 2
    tiny_models.save("qwen3", folder, seed=1)
    os.utime(folder / "model.safetensors", times)  # the same time and size, other weights
    second = find_export(folder)
    assert second != first
    np.testing.assert_allclose(score(second), score_live(tiny_models.make("qwen3", 1)[0]), atol=1e-4)
    assert not [path for path in first.parent.iterdir() if path.name.startswith(".")], "drafts are cleared away"


def test_the_cache_does_not_grow_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_KEPT", 2)
    found = []
    for seed in range(4):
        found.append(find_export(tiny_models.save("qwen3", tmp_path / str(seed), seed=seed)))
        os.utime(found[-1], (seed + 1, seed + 1))
    assert [path.exists() for path in found] == [False, False, True, True]


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    model, tokenizer = tiny_models.make("qwen3")
    output = tmp_path / "room" / "export"
    monkeypatch.setattr(export.json, "dumps", lambda *args, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_ctranslate2(model, output, tokenizer=tokenizer)
    assert list(output.parent.iterdir()) == []
    monkeypatch.undo()
    export_ctranslate2(model, output, tokenizer=tokenizer)
    (output / "old").touch()
    export_ctranslate2(model, output, tokenizer=tokenizer)
    assert not (output / "old").exists(), "an older export is replaced whole"
    assert list(output.parent.iterdir()) == [output]


def test_what_cannot_be_exported_is_said(tmp_path):
    model, tokenizer = tiny_models.make("qwen3")
    with pytest.raises(ValueError, match="tokenizer must be that of the model in memory, got None"):
        export_ctranslate2(model, tmp_path / "export")
    model.peft_config = {}
    with pytest.raises(ValueError, match="adapters: merge them first"):
        export_ctranslate2(model, tmp_path / "export", tokenizer=tokenizer)
    del model.peft_config
    model.config.__class__ = type("NovelConfig", (type(model.config),), {})
    with pytest.raises(ValueError, match="NovelConfig: no such model in CTranslate2"):
        export_ctranslate2(model, tmp_path / "export", tokenizer=tokenizer)
    with pytest.raises(ValueError, match="no such folder"):
        export_ctranslate2(tmp_path / "none", tmp_path / "export")
    assert not (tmp_path / "export").exists()
    with pytest.raises(ValueError, match=r"game24lab\.json is missing or damaged"):
        read_card(tmp_path)
    (tmp_path / export.EXPORT).write_text('{"version": 0}')
    with pytest.raises(ValueError, match="of another version"):
        read_card(tmp_path)
