"""Keys and values of beginnings that many prompts share, computed once and laid into each prompt's cache.

Searches inside answers ask for hundreds of continuations of the same few prompts, round after round. What is kept is a
matter of speed alone: the numbers are the same up to rounding. Only models whose layers all keep plain keys and values
can be begun in the middle; of others nothing is kept. This module does not know how tokens are chosen.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Layers = list[tuple[torch.Tensor, torch.Tensor]]  # of every layer, keys and values of shape (heads, tokens, width)
_BATCH_TOKENS = 16_384  # of beginnings forwarded at once


class Prefixes:
    """What is known of beginnings, by their ids; the longest unused go first where there are more than `room` tokens.

    `room` 0 keeps nothing from one call of `learn` to the next: right for a model that goes on training.
    """

    def __init__(self, room: int = 0) -> None:
        self.room = room
        self._known: OrderedDict[tuple[int, ...], Layers] = OrderedDict()
        self.forwarded = 0  # tokens that went through the model for it

    def forget(self) -> None:
        """Drop everything: the weights have changed."""
        self._known.clear()

    def find(self, ids: tuple[int, ...]) -> Layers | None:
        """Keys and values of a beginning, None where they are not known."""
        return self._known.get(ids)

    @torch.inference_mode()
    def learn(self, model: PreTrainedModel, beginnings: Iterable[tuple[int, ...]]) -> None:
        """Forward what is worth it: beginnings of several prompts of this call, or of any where there is room to keep.

        `beginnings`: one a prompt, repeated as often as prompts begin with it.
        """
        if not self.room:
            self.forget()
        counts: dict[tuple[int, ...], int] = {}
        for ids in beginnings:
            counts[ids] = counts.get(ids, 0) + 1
        by_length: dict[int, list[tuple[int, ...]]] = {}
        for ids, count in counts.items():
            if ids in self._known:
                self._known.move_to_end(ids)
            elif len(ids) > 1 and (count > 1 or self.room):
                by_length.setdefault(len(ids), []).append(ids)
        if by_length and not keeps_plainly(model):
            return
        for length, members in by_length.items():
            size = max(1, _BATCH_TOKENS // length)
            for begin in range(0, len(members), size):
                self._forward(model, members[begin : begin + size])
        held = sum(map(len, self._known))
        while self.room and held > self.room and len(self._known) > len(counts):
            held -= len(self._known.popitem(last=False)[0])

    def _forward(self, model: PreTrainedModel, members: Sequence[tuple[int, ...]]) -> None:
        from transformers import DynamicCache

        cache = DynamicCache(config=model.config)
        trunk = model.base_model  # no logits are needed here
        trunk(input_ids=torch.tensor(members, device=model.device), past_key_values=cache, use_cache=True)
        self.forwarded += sum(map(len, members))
        for row, ids in enumerate(members):
            self._known[ids] = [(layer.keys[row].clone(), layer.values[row].clone()) for layer in cache.layers]


def accepts(model: PreTrainedModel, name: str) -> bool:
    """Whether a model's `forward` has a parameter of this name."""
    return name in inspect.signature(model.forward).parameters


def keeps_plainly(model: PreTrainedModel) -> bool:
    """Whether every layer of a model keeps the keys and values of all tokens, and nothing else, in a cache that can be
    given to it."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    if hasattr(model, "prefill"):  # it makes its own
        return False
    layers = DynamicCache(config=model.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def lay(found: Sequence[Layers | None], lengths: Sequence[int], width: int) -> Layers:
    """Beginnings side by side, as the past of a batch: of every layer, keys and values (prompts, heads, width, ...).

    `lengths[i]` tokens of prompt i's beginning end at the right; what is left of them is padding.
    """
    known = next(layers for layers in found if layers is not None)
    past = []
    for number, pair in enumerate(known):
        tensors = tuple(part.new_zeros(len(found), part.shape[0], width, part.shape[2]) for part in pair)
        for row, (layers, length) in enumerate(zip(found, lengths, strict=True)):
            if length:
                for tensor, part in zip(tensors, layers[number], strict=True):
                    tensor[row, :, width - length :] = part[:, :length]
        past.append(tensors)
    return past
