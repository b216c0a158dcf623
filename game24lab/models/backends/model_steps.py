"""Prompts and steps through the `forward` of any causal LM of transformers: the general path of the decoding loop.

Keys and values go into a buffer that is allocated once. It does not know how tokens are chosen.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from game24lab.models.backends.prefix_cache import accepts, lay


def prefill(model: PreTrainedModel, prompts: Sequence[Sequence[int]], rows: torch.Tensor, past=None, shared=None):
    """Logits of the first token (rows, vocabulary), the cache of the prompts, padding of the rows or None.

    Arguments are those of `decoding.decode`. What is known of the prompts' beginnings (`past`, `shared`) is not
    forwarded: as much of it as the prompt with the longest unknown rest leaves to all.
    """
    if not accepts(model, "past_key_values"):
        raise ValueError(f"model must be a decoder with a key-value cache, got {type(model).__name__}")
    cache = DynamicCache(config=model.config)
    cache.layers = [_BufferLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=model.device)
    longest = int(lengths.max())
    ids = torch.tensor([[0] * (longest - len(p)) + list(p) for p in prompts], device=model.device)
    pad = None if bool((lengths == longest).all()) else longest - lengths
    known = 0
    if past is not None and any(layers is not None for layers in past):
        # at least one token is forwarded: the last one's logits are needed
        held = [min(count, len(p) - 1) if layers is not None else 0
                for p, layers, count in zip(prompts, past, shared, strict=True)]  # fmt: skip
        known = longest - max(len(p) - count for p, count in zip(prompts, held, strict=True))
    if known > 0:
        laid = [max(0, len(p) - (longest - known)) for p in prompts]
        for layer, (keys, values) in zip(cache.layers, lay(past, laid, known), strict=True):
            layer.update(keys, values)
    options = {"logits_to_keep": 1} if accepts(model, "logits_to_keep") else {}
    if pad is not None:
        options["attention_mask"] = (torch.arange(longest, device=model.device) >= pad[:, None]).long()
        if accepts(model, "position_ids"):
            places = (torch.arange(longest, device=model.device) - pad[:, None]).clamp_(min=0)
            options["position_ids"] = places[:, known:]
    logits = model(input_ids=ids[:, known:], past_key_values=cache, use_cache=True, **options).logits[:, -1].float()
    return logits[rows], cache, None if pad is None else pad[rows]


class _BufferLayer(DynamicLayer):
    """A cache layer that writes into a buffer allocated once; the stock layer copies all it holds at every token."""

    buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def reserve(self, capacity: int) -> None:
        """Move what the layer holds into buffers for `capacity` tokens."""
        held = (self.keys, self.values)
        self.buffers = tuple(t.new_empty(*t.shape[:2], capacity, t.shape[3]) for t in held)
        self._fill(held)

    def _fill(self, held: tuple[torch.Tensor, torch.Tensor]) -> None:
        count, _, length, _ = held[0].shape
        for buffer, tensor in zip(self.buffers, held, strict=True):
            buffer[:count, :, :length] = tensor
        self.keys, self.values = (buffer[:count, :, :length] for buffer in self.buffers)

    def update(self, key_states, value_states, *args, **kwargs):
        """As the stock layer: append, return all."""
        if self.buffers is None:
            return super().update(key_states, value_states, *args, **kwargs)
        count, _, length, _ = self.keys.shape
        end = length + key_states.shape[2]
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:count, :, length:end] = states
        self.keys, self.values = (buffer[:count, :, :end] for buffer in self.buffers)
        return self.keys, self.values

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Keep these rows, in the buffer where there is one."""
        held = (self.keys[beam_idx], self.values[beam_idx])
        if self.buffers is None:
            self.keys, self.values = held
        else:
            self._fill(held)


class ModelSteps:
    """Steps through the model's own `forward`."""

    def __init__(self, model, cache, rows, pad, length: int, most: int) -> None:
        self.model, self.cache, self.pad, self.length = model, cache, pad, length
        self.options = {"logits_to_keep": 1} if accepts(model, "logits_to_keep") else {}
        self._select(rows)
        for layer in cache.layers:
            if isinstance(layer, _BufferLayer) and layer.is_initialized:
                layer.reserve(length + most)

    def step(self, ids: torch.Tensor) -> torch.Tensor:
        options = dict(self.options)
        if self.pad is not None:
            places = torch.arange(self.length + 1, device=ids.device)
            options["attention_mask"] = (places >= self.pad[:, None]).long()
            if accepts(self.model, "position_ids"):
                options["position_ids"] = (self.length - self.pad)[:, None]
        self.length += 1
        out = self.model(input_ids=ids[:, None], past_key_values=self.cache, use_cache=True, **options)
        return out.logits[:, -1].float()

    def keep(self, rows: torch.Tensor) -> None:
        self._select(rows)
        if self.pad is not None:
            self.pad = self.pad[rows]

    def _select(self, rows: torch.Tensor) -> None:
        for layer in self.cache.layers:
            if getattr(layer, "is_initialized", True):  # layers that use another's keys and values hold none
                layer.reorder_cache(rows)
