"""Forward passes of plain Llama-type decoders on a CPU behind keys and values that are given, row by row.

The same numbers as the model's own `forward` up to rounding, at a fraction of the overhead: passes behind tries are of
few tokens, and there are thousands. This module does not know where keys and values are kept, nor who chooses tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from game24lab.models.backends.llama_step import PlainSteps

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Pair = tuple[torch.Tensor, torch.Tensor]  # keys and values


def can_pass(model: PreTrainedModel) -> bool:
    """Whether a model is computed here: one of `models.plain_decoder`, or what `PlainSteps` fits, in float32."""
    return model.dtype == torch.float32 and (hasattr(model, "prefill") or PlainSteps.fits(model))


def pass_on(
    model: PreTrainedModel, ids: torch.Tensor, past: Sequence[Pair], lengths: torch.Tensor, behind: int
) -> tuple[torch.Tensor, list[Pair]]:
    """Logits behind the last `behind` new tokens (rows, behind, vocabulary), and of each layer the new keys and values.

    Args:
        ids: (rows, new) tokens.
        past: of each layer keys and values (rows, places, heads, width), those of a row at the right; none without any.
        lengths: (rows,) how many of the places are a row's.

    New keys and values are (rows, new, heads, width). The weights are read as they are.
    """
    (rows, new), trunk = ids.shape, model.model
    before = past[0][0].shape[1] if past else 0
    spots = lengths[:, None] + torch.arange(new)
    cosines, sines = (part.reshape(rows * new, 1, -1) for part in trunk.rotary_emb(torch.empty(0), spots))
    half = cosines.shape[-1] // 2
    sines = torch.cat((-sines[..., :half], sines[..., half:]), -1)
    mask = None
    if new > 1 or bool((lengths < before).any()):
        places = torch.arange(before + new)
        mask = (places >= (before - lengths)[:, None])[:, None] & (places <= before + torch.arange(new)[:, None])
        mask = mask[:, None]
    found: list[Pair] = []
    x = trunk.embed_tokens(ids).view(rows * new, -1)
    for number, layer in enumerate(trunk.layers):
        attention, mlp = layer.self_attn, layer.mlp
        h = _norm(x, layer.input_layernorm.weight, model)
        width = attention.head_dim
        query, key = (_turn(projected.view(rows * new, -1, width), norm, model, cosines, sines) for projected, norm in (
            (attention.q_proj(h), getattr(attention, "q_norm", None)),
            (attention.k_proj(h), getattr(attention, "k_norm", None)),
        ))  # fmt: skip
        key, value = (part.view(rows, new, -1, width) for part in (key, attention.v_proj(h)))
        found.append((key, value))
        if past:
            key, value = (torch.cat(pair, 1) for pair in zip(past[number], (key, value), strict=True))
        y = functional.scaled_dot_product_attention(
            query.view(rows, new, -1, width).transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2),
            attn_mask=mask, scale=attention.scaling, enable_gqa=True,
        )  # fmt: skip
        x = x + attention.o_proj(y.transpose(1, 2).reshape(rows * new, -1))
        h = _norm(x, layer.post_attention_layernorm.weight, model)
        x = x + mlp.down_proj(functional.silu(mlp.gate_proj(h)).mul_(mlp.up_proj(h)))
    x = x.view(rows, new, -1)[:, -behind:]
    return model.lm_head(_norm(x, trunk.norm.weight, model)), found


def _norm(x: torch.Tensor, weight: torch.Tensor, model: PreTrainedModel) -> torch.Tensor:
    return functional.rms_norm(x, weight.shape, weight, model.config.rms_norm_eps)


def _turn(
    heads: torch.Tensor, norm: torch.nn.Module | None, model: PreTrainedModel, cosines: torch.Tensor,
    sines: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Heads (tokens, heads, width), normed where the model norms them, turned by their positions."""
    if norm is not None:
        heads = _norm(heads, norm.weight, model)
    return torch.addcmul(heads * cosines, heads.roll(heads.shape[-1] // 2, -1), sines)
