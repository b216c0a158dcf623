"""Steps of plain Llama-type decoders on a CPU, computed from the model's own weights without its modelling code.

The same numbers at a fraction of the overhead, which is much of the time of a small model. This module does not know
how tokens are chosen, nor anything of other architectures than to tell them apart.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from game24lab.models.backends.packed_weights import Packed, multiply, pack, pays

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

_PLAIN = ("llama", "mistral", "qwen2", "qwen3")  # model types whose layers may compute what `PlainSteps` computes
_ONE_THREAD = 2**18  # multiplications in a product up to which OpenBLAS does not call other threads to help


def is_plain(config: PretrainedConfig) -> bool:
    """Whether models of this configuration compute in every layer just what `PlainSteps` does."""
    if config.model_type not in _PLAIN:
        return False
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    rope = config.rope_parameters
    return (
        kinds == {"full_attention"}
        and (config.model_type != "mistral" or config.sliding_window is None)
        and config.hidden_act == "silu"
        and rope["rope_type"] in ("default", "linear", "llama3")
        and rope.get("partial_rotary_factor", 1.0) == 1.0
    )


class PlainSteps:
    """A batch of a plain decoder in the middle of generation.

    Per layer: norm, query/key/value projections (query and key norms where the model has them), rotary positions, the
    attention of a group of query heads to its one key-value head as two small matrix products, gated feed-forward.
    Keys are held with the position last: the layout in which these products were fastest.
    """

    @staticmethod
    def fits(model: PreTrainedModel) -> bool:
        """Whether the model is on the CPU, of a plain configuration, and made of plain linear layers."""
        # adapters and quantised weights put modules of their own in the place of linear layers
        if model.device.type != "cpu" or not is_plain(model.config):
            return False
        return type(getattr(model, "lm_head", None)) is torch.nn.Linear and all(
            type(module) is torch.nn.Linear for name, module in model.named_modules() if name.endswith("_proj")
        )  # fmt: skip

    def __init__(self, model, cache, rows, pad, length: int, most: int, packed: Packed | None = None) -> None:
        if packed is None:
            packed = pack_plain(model) if pays(model, most) else {}
        self.packed, config, self.model, self.pad, self.length = packed, model.config, model, pad, length
        self.heads, self.key_heads = config.num_attention_heads, config.num_key_value_heads
        self.width, self.epsilon, dtype = model.model.layers[0].self_attn.head_dim, config.rms_norm_eps, model.dtype
        self.by_numpy = dtype == torch.float32 and _prefers_numpy()
        # The kernels of half types are made anew for every shape: let theirs grow in strides, and hide the unused end.
        self.stride = 1 if dtype == torch.float32 else 32
        capacity = -(-(length + most) // 32) * 32
        capacity += 16 if capacity % 64 == 0 else 0  # rows of keys spread over the processor's cache sets
        self.keys = [torch.zeros(len(rows) * self.key_heads, self.width, capacity, dtype=dtype) for _ in cache.layers]
        self.values = [torch.zeros(len(rows) * self.key_heads, capacity, self.width, dtype=dtype) for _ in cache.layers]
        for layer, keys, values in zip(cache.layers, self.keys, self.values, strict=True):
            keys[:, :, :length] = layer.keys[rows].flatten(0, 1).transpose(1, 2)
            values[:, :length] = layer.values[rows].flatten(0, 1)
        cos, sin = model.model.rotary_emb(torch.empty(0, dtype=dtype), torch.arange(length + most)[None])
        self.cos, self.sin = cos[0], torch.cat((-sin[0, :, : self.width // 2], sin[0, :, self.width // 2 :]), -1)
        self.weights = [self._gather(layer) for layer in model.model.layers]
        self.head = self._hold(model.lm_head)
        self.bias = None  # added to scores, (rows or 1, 1, 1, capacity): 0 where a row may look, -inf where not
        if pad is not None or self.stride > 1:
            places = torch.arange(capacity)
            hidden = (places >= length) | (places < (torch.zeros(1) if pad is None else pad)[:, None])
            self.bias = torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, -math.inf)[:, None, None]

    def _gather(self, layer) -> tuple:
        """A layer's weights, as views ready for use; heads are scaled by their norms, queries by 1/sqrt(width) too."""
        attention, mlp = layer.self_attn, layer.mlp
        query = key = torch.ones(self.width, dtype=self.model.dtype)
        if normed := hasattr(attention, "q_norm"):
            query, key = attention.q_norm.weight, attention.k_norm.weight
        scale = torch.cat((query.expand(self.heads, -1) * attention.scaling, key.expand(self.key_heads, -1)))
        linears = (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj, mlp.gate_proj, mlp.up_proj,
                   mlp.down_proj)  # fmt: skip
        norms = layer.input_layernorm.weight, layer.post_attention_layernorm.weight
        return normed, scale, *norms, *map(self._hold, linears)

    def _hold(self, linear: torch.nn.Linear) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Its weight, packed or as a view to multiply by, and its bias."""
        packed = self.packed.get(linear)
        return linear.weight.t() if packed is None else packed, linear.bias

    def step(self, ids: torch.Tensor) -> torch.Tensor:
        trunk, count, heads, t, width = self.model.model, len(ids), self.heads, self.length, self.width
        all_heads, half = count * self.key_heads, width // 2
        cos, sin = self.cos[t], self.sin[t]
        if self.pad is not None:
            cos, sin = self.cos[t - self.pad][:, None], self.sin[t - self.pad][:, None]
        if self.bias is not None:
            self.bias[..., t] = 0
        self.length = t + 1
        x = trunk.embed_tokens(ids)
        for weights, keys, values in zip(self.weights, self.keys, self.values, strict=True):
            normed, scale, before, between, query, key, value, out, gate, up, down = weights
            h = self._norm(x, before)
            both = torch.cat((_project(h, *query), _project(h, *key)), 1).view(count, -1, width)
            if normed:
                both = functional.rms_norm(both, (width,), None, self.epsilon)
            both = both * scale
            both = torch.addcmul(both * cos, both.roll(half, -1), sin)
            keys, values = keys[:all_heads], values[:all_heads]
            keys[:, :, t] = both[:, heads:].reshape(-1, width)
            values[:, t] = _project(h, *value).view(-1, width)
            x = _add(x, self._attend(both[:, :heads].reshape(all_heads, -1, width), keys, values).view(count, -1), *out)
            h = self._norm(x, between)
            x = _add(x, functional.silu(_project(h, *gate)).mul_(_project(h, *up)), *down)
        return _project(self._norm(x, trunk.norm.weight), *self.head).float()

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(x, weight.shape, weight, self.epsilon)

    def _attend(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Attention of one position to itself and all before it: (rows * key heads, heads of a group, width)."""
        t = -(-self.length // self.stride) * self.stride
        multiply = torch.bmm
        if self.by_numpy and query.shape[1] * self.width * t <= _ONE_THREAD:
            multiply = _multiply_by_numpy
        scores = multiply(query, keys[..., :t])
        if self.bias is not None:
            scores = (scores.view(-1, self.key_heads, query.shape[1], t) + self.bias[..., :t]).view(scores.shape)
        return multiply(torch.softmax(scores, -1), values[:, :t])

    def keep(self, rows: torch.Tensor) -> None:
        if self.pad is not None:
            self.pad, self.bias = self.pad[rows], self.bias[rows]
        t, places = self.length, (rows[:, None] * self.key_heads + torch.arange(self.key_heads)).flatten()
        for keys, values in zip(self.keys, self.values, strict=True):
            keys[: len(places), :, :t] = keys[:, :, :t][places]
            values[: len(places), :t] = values[:, :t][places]


@cache
def _prefers_numpy() -> bool:
    """Whether numpy multiplies many narrow matrices faster than torch: by half or more with OpenBLAS beside MKL on
    processors that are not Intel's."""
    try:
        intel = "GenuineIntel" in Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux: not measured
        return False
    return torch.backends.mkl.is_available() and not intel


def _multiply_by_numpy(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.matmul(a.numpy(), b.numpy()))


def _project(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    if weight.is_mkldnn:
        return multiply(x, weight, bias)
    return torch.mm(x, weight) if bias is None else torch.addmm(bias, x, weight)


def _add(x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return x + _project(y, weight, bias) if weight.is_mkldnn or bias is not None else torch.addmm(x, y, weight)


def pack_plain(model: PreTrainedModel) -> Packed:
    """The weights that steps multiply by, packed."""
    return pack([*(module for name, module in model.named_modules() if name.endswith("_proj")), model.lm_head])
