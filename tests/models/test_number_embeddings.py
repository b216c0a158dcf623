"""Embeddings of numbers as waves."""

import pytest
import torch

from game24lab.models import checkpoints as models
from game24lab.models.checkpoints import make_model
from game24lab.models.number_embeddings import find_numbers, lay_out_numbers, make_waves
from game24lab.models.tokenizer import make_tokenizer


def test_both_tokens_of_a_number_begin_alike_and_others_stay_as_they_were():
    tokenizer = make_tokenizer("traces")
    plain, laid = make_model("mini", tokenizer), make_model("mini", tokenizer)
    count = lay_out_numbers(laid, tokenizer)
    numbers = find_numbers(tokenizer)
    assert count == len(numbers) == 200 + 200 + 99  # with and without a space, and negatives with one
    before, after = plain.get_input_embeddings().weight, laid.get_input_embeddings().weight
    others = [index for index in range(len(tokenizer)) if index not in numbers]
    assert torch.equal(before[others], after[others])
    bare, spaced = (tokenizer.encode(text)[0] for text in ("17", " 17"))
    assert torch.equal(after[bare, :40], after[spaced, :40])
    assert not torch.equal(after[bare], after[spaced])
    assert after[:, :40].std().item() == pytest.approx(before.std().item(), rel=0.1)


def test_a_sum_is_a_rotation():
    """One linear map of the waves adds 7 to any number: what makes sums easy to learn."""
    a, b = make_waves(torch.arange(1, 100))[:, :14], make_waves(torch.arange(8, 107))[:, :14]
    sine_a, sine_b = make_waves(torch.arange(1, 100))[:, 20:34], make_waves(torch.arange(8, 107))[:, 20:34]
    inputs, outputs = torch.cat([a, sine_a], 1), torch.cat([b, sine_b], 1)
    solved = torch.linalg.lstsq(inputs.double(), outputs.double(), driver="gelsd").solution
    assert torch.allclose(inputs.double() @ solved, outputs.double(), atol=1e-4)


def test_a_model_too_narrow_for_waves_is_refused(monkeypatch):
    monkeypatch.setitem(models.PRESETS, "narrow", {"layers": 1, "width": 16, "heads": 2, "feed_forward": 32})
    tokenizer = make_tokenizer("traces")
    with pytest.raises(ValueError, match="at least 40 dimensions for numbers, got 16"):
        lay_out_numbers(make_model("narrow", tokenizer), tokenizer)
