"""Packed prefixes: every text once, the same loss and the same gradients as one text at a time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Qwen3Config, Qwen3ForSequenceClassification

from game24lab.training.packed_prefixes import PackedCollator, measure_loss, pack_prefixes

texts = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), min_size=1, max_size=12)


@settings(deadline=None)
@given(texts)
def test_every_text_stands_once_in_one_that_begins_with_it(encoded):
    packed = pack_prefixes(encoded)
    rows = [row for one in packed for row in one.rows]
    assert sorted(rows) == list(range(len(encoded)))
    for one in packed:
        for spot, row in zip(one.spots, one.rows, strict=True):
            assert list(one.ids[: spot + 1]) == encoded[row]
    begun = [one for one in encoded if not any(len(other) > len(one) and other[: len(one)] == one for other in encoded)]
    assert len(packed) == len({tuple(one) for one in begun})  # as few as can be


def test_texts_that_do_not_begin_with_one_another_stay_as_they_are():
    packed = pack_prefixes([[1, 2], [2], [1, 3]])
    assert [(one.ids, one.spots, one.rows) for one in packed] == [((1, 2), (1,), (0,)), ((2,), (0,), (1,)),
                                                                 ((1, 3), (1,), (2,))]  # fmt: skip


def test_an_empty_text_is_refused():
    with pytest.raises(ValueError, match="texts must hold at least one token each, got none in text 1"):
        pack_prefixes([[1], []])


def make_model():
    torch.manual_seed(0)
    config = Qwen3Config(vocab_size=16, hidden_size=16, intermediate_size=32, num_hidden_layers=2, head_dim=8,
                         num_attention_heads=2, num_key_value_heads=1, num_labels=1, pad_token_id=0)  # fmt: skip
    return Qwen3ForSequenceClassification(config).double()


def test_loss_and_gradients_are_those_of_the_texts_one_by_one():
    encoded = [[3, 4, 5, 6], [3], [3, 4], [7, 8], [3, 4, 9], [7]]
    targets = torch.tensor([0.0, 0.25, 0.5, 1.0, 0.75, 0.1])
    model = make_model()
    packed = pack_prefixes(encoded)
    assert len(packed) == 3
    batch = PackedCollator(0)([{"input_ids": one.ids, "spots": one.spots, "rows": one.rows} for one in packed])
    loss = measure_loss(model, model.score, batch, targets)
    loss.backward()
    ours = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    logits = torch.cat([model(input_ids=torch.tensor([ids])).logits[:, 0] for ids in encoded])
    alone = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), targets)
    alone.backward()
    torch.testing.assert_close(loss, alone)
    for name, p in model.named_parameters():
        if p.grad is not None:
            torch.testing.assert_close(ours[name], p.grad, atol=1e-6, rtol=1e-5)
