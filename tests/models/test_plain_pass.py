"""Passes of plain decoders behind given keys and values: the model's own numbers, rows of any lengths, both loaders."""

import pytest
import tiny_models
import torch

from game24lab.models.backends.plain_pass import can_pass, pass_on
from game24lab.models.backends.trie_forward import _pass_by_forward
from game24lab.models.checkpoints import find_pretrained
from game24lab.models.load_policy import load_policy
from game24lab.models.plain_decoder import load_plain


def load(kind, folder):
    """A model with random weights, or the shipped policy."""
    where = find_pretrained("policy") if kind == "shipped" else tiny_models.save(kind, folder / kind)
    return load_policy(where, backend="transformers").model


@pytest.mark.parametrize("kind", ["shipped", "qwen3", "llama"])
@pytest.mark.parametrize("new", [1, 3])
@torch.inference_mode()
def test_the_numbers_are_those_of_the_models_own_forward(kind, new, tmp_path):
    model = load(kind, tmp_path)
    assert can_pass(model)
    begin = torch.randint(3, 60, (4, 5), generator=torch.Generator().manual_seed(1))
    none = torch.zeros(4, dtype=torch.long)
    first, past = pass_on(model, begin, [], none, 2)
    own, kept = _pass_by_forward(model, begin, [], none, 2)
    assert first.shape == (4, 2, model.config.vocab_size)
    torch.testing.assert_close(first, own, atol=2e-4, rtol=1e-4)
    for mine, theirs in zip(past, kept, strict=True):
        for part, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(part, other, atol=2e-4, rtol=1e-4)
    # rows that have no past, some of it, and all; what is left of it is rubbish that must not matter
    lengths = torch.tensor([0, 2, 5, 4])
    moved = []
    for keys, values in past:
        pair = [torch.full_like(part, 9.0) for part in (keys, values)]
        for row, length in enumerate(lengths.tolist()):
            for part, whole in zip(pair, (keys, values), strict=True):
                part[row, 5 - length :] = whole[row, :length]
        moved.append(tuple(pair))
    ids = torch.randint(3, 60, (4, new), generator=torch.Generator().manual_seed(2))
    together, _ = pass_on(model, ids, moved, lengths, new)
    for row, length in enumerate(lengths.tolist()):
        alone = model(input_ids=torch.cat((begin[row, :length], ids[row]))[None]).logits[:, -new:]
        torch.testing.assert_close(together[row : row + 1], alone, atol=2e-4, rtol=1e-4)


@torch.inference_mode()
def test_a_decoder_without_transformers_passes_the_same():
    folder = find_pretrained("policy")
    light, _ = load_plain(folder)
    model = load_policy(folder, backend="transformers").model
    ids, none = torch.randint(3, 60, (2, 6)), torch.zeros(2, dtype=torch.long)
    assert can_pass(light)
    torch.testing.assert_close(pass_on(light, ids, [], none, 1)[0], pass_on(model, ids, [], none, 1)[0])


def test_others_pass_by_themselves(tmp_path):
    assert not can_pass(load("gpt2", tmp_path))
    half = load("shipped", tmp_path)
    assert not can_pass(half.to(torch.bfloat16))
