"""Exact floating-point operations of a decoder: layers, attended positions and output head, in training and search.

A multiplication with its addition counts two. What `torch.utils.flop_counter` counts is counted: matrix products.
Norms, activations, rotations and softmaxes, which it leaves out, are left out. Two a parameter and token (Kaplan et al.
2020) misses the head and the attention: at 0.08 million parameters half of a token's at place 150. Muon's own products
count too: with steps of 1,500 tokens they are a tenth of a training at 0.08 million parameters, and half as much again
at 2.7 million. This module does not know how models are made or trained, nor what a search is after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from game24lab.models.sizes import read_size

# Decoders whose layers are: grouped attention, and a feed-forward network of three matrices.
KNOWN = ("llama", "mistral", "qwen2", "qwen3")
_ITERATIONS = 5  # of Newton and Schulz, as of `torch.optim.Muon`
_BACKWARD = 2  # a gradient costs one product for the weights and one for what came in


@dataclass(frozen=True)
class Shape:
    """What the FLOPs of a decoder depend on. A critic has an output of one number instead of a vocabulary."""

    layers: int
    width: int
    heads: int
    key_heads: int
    head_width: int
    feed_forward: int
    vocabulary: int

    @property
    def matrices(self) -> int:
        """Parameters in the matrices of all layers."""
        attention = self.width * self.head_width * (2 * self.heads + 2 * self.key_heads)
        return self.layers * (attention + 3 * self.width * self.feed_forward)

    def turn_critic(self) -> Shape:
        """The critic on this trunk."""
        return replace(self, vocabulary=1)


def make_shape(size: str, vocabulary: int) -> Shape:
    """The shape of a model from scratch, see `models.sizes.read_size`. ValueError for an unknown size."""
    one = read_size(size)
    return Shape(one["layers"], one["width"], one["heads"], 1, one["width"] // one["heads"], one["feed_forward"],
                 -(-vocabulary // 8) * 8)  # as models are made: rounded up  # fmt: skip


def read_shape(config: Mapping[str, Any]) -> Shape:
    """The shape that a checkpoint's config.json tells. ValueError for a kind of model that is not `KNOWN`."""
    kind = config.get("model_type")
    if kind not in KNOWN:
        raise ValueError(f"model_type must be one of {', '.join(KNOWN)} to count FLOPs exactly, got {kind!r}")
    try:
        heads, width = int(config["num_attention_heads"]), int(config["hidden_size"])
        keys = int(config.get("num_key_value_heads") or heads)
        head = int(config.get("head_dim") or width // heads)
        classes = str((config.get("architectures") or [""])[0]).endswith("SequenceClassification")
        return Shape(int(config["num_hidden_layers"]), width, heads, keys, head, int(config["intermediate_size"]),
                     1 if classes else int(config["vocab_size"]))  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"config must name the sizes of a {kind} model, got one without {error}") from None


def count_forward(shape: Shape, tokens: Any, attended: Any, outputs: Any) -> Any:
    """FLOPs of forwarding tokens, of which each attends to positions (`attended`: their sum, itself counted), with
    logits at `outputs` places. Numbers or arrays."""
    attention = 4 * shape.layers * shape.heads * shape.head_width * attended
    return 2 * shape.matrices * tokens + attention + 2 * shape.width * shape.vocabulary * outputs


def count_attended(begin: Any, end: Any) -> Any:
    """Positions that the tokens from place `begin` up to `end` of a causal text attend to, themselves counted."""
    return (end * (end + 1) - begin * (begin + 1)) / 2


def count_training(shape: Shape, lengths: Any, outputs: Any, muon_steps: float = 0) -> float:
    """FLOPs of learning from texts: forward and backward, without padding, and the optimiser's.

    lengths: tokens of each text; outputs: places of each at which a token is learnt, or a critic's value. muon_steps:
    optimiser steps of Muon; AdamW multiplies no matrices.
    """
    lengths, outputs = np.asarray(lengths, float), np.asarray(outputs, float)
    forward = count_forward(shape, lengths, count_attended(0, lengths), outputs)
    return float((1 + _BACKWARD) * np.sum(forward) + muon_steps * count_muon(shape))


def count_muon(shape: Shape) -> float:
    """FLOPs of a step of Muon: three products an iteration for each matrix of the layers (`training.muon`)."""
    inner, keys = shape.heads * shape.head_width, shape.key_heads * shape.head_width
    pairs = [(shape.width, inner)] * 2 + [(shape.width, keys)] * 2 + [(shape.width, shape.feed_forward)] * 3
    layer = sum(4 * min(pair) ** 2 * max(pair) + 2 * min(pair) ** 3 for pair in pairs)
    return float(_ITERATIONS * shape.layers * layer)


def count_search(
    shape: Shape, cost: Mapping[str, Any], samples: Any = None, critic: Shape | None = None
) -> Any:
    """FLOPs of searches from their meters: `prompt_tokens`, `sampled_tokens`, `sampled_lines`, `policy_calls`,
    `critic_tokens` and `critic_calls`, as numbers or columns of a table.

    samples: texts that were sampled, by default one a line, as in searches that ask line by line. Attended positions
    follow from the mean lengths of prompts and samples, which a meter knows; where lengths differ that is a little
    less than the truth (the test: by less than 2 % of the whole).
    """
    def take(name: str) -> Any:
        return np.asarray(cost[name], float)

    prompts, sampled, calls = take("prompt_tokens"), take("sampled_tokens"), take("policy_calls")
    texts = np.minimum(take("sampled_lines") if samples is None else np.asarray(samples, float), sampled)
    before, length = prompts / np.maximum(calls, 1), sampled / np.maximum(texts, 1)
    # the last token of a sample is not forwarded; the first comes from the prompt's logits, shared by its samples
    attended = calls * count_attended(0, before) + texts * count_attended(before, before + np.maximum(length - 1, 0))
    total = count_forward(shape, prompts + sampled - texts, attended, calls + sampled - texts)
    if critic is not None:
        judged, asked = take("critic_tokens"), take("critic_calls")
        total = total + count_forward(critic, judged, asked * count_attended(0, judged / np.maximum(asked, 1)), asked)
    return total
