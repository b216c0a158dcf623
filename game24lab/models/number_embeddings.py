"""Number embeddings: sines and cosines of the value, as an initialisation.

A model with one token a number would otherwise learn addition as a table of pairs. It does not know models, training or
tasks.
"""

from __future__ import annotations

import math
import re

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

PERIODS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 40, 80, 160, 400)  # of the value: sums, remainders, order of size
OCTAVES = (0.5, 1, 2, 4, 8, 16)  # periods of its binary logarithm: products and quotients are its sums
_NUMBER = re.compile(r" ?(-?[0-9]{1,4})")


def find_numbers(tokenizer: PreTrainedTokenizerBase) -> dict[int, int]:
    """Token id to value, of all tokens that are a whole number of at most four digits, with or without a space."""
    found = {}
    for index in range(len(tokenizer)):
        match = _NUMBER.fullmatch(tokenizer.decode([index]))
        if match:
            found[index] = int(match[1])
    return found


def make_waves(values: torch.Tensor) -> torch.Tensor:
    """Cosines and sines of `values` (n,) for every period, each of mean square 1: (n, 40).

    After FoNE (Zhou et al. 2025, arXiv 2502.09741), with more periods than its powers of ten, and logarithms.
    """
    values = values.double()
    logarithms = torch.log2(values.abs() + 1)
    turns = torch.cat([values[:, None] / torch.tensor(PERIODS), logarithms[:, None] / torch.tensor(OCTAVES)], dim=1)
    angles = 2 * math.pi * turns
    return math.sqrt(2) * torch.cat([angles.cos(), angles.sin()], dim=1).float()


def lay_out_numbers(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Overwrite the first 40 dimensions of the numbers' embeddings by waves of the size of the others; their count.

    The weights learn on from there as any others. ValueError for a model of less than 40 dimensions.
    """
    weights = model.get_input_embeddings().weight
    numbers = find_numbers(tokenizer)
    waves = make_waves(torch.tensor(list(numbers.values()))) * model.config.initializer_range
    if weights.shape[1] < waves.shape[1]:
        raise ValueError(f"embeddings must have at least {waves.shape[1]} dimensions for numbers, got "
                         f"{weights.shape[1]}")  # fmt: skip
    with torch.no_grad():
        weights[torch.tensor(list(numbers)), : waves.shape[1]] = waves.to(weights)
    return len(numbers)
