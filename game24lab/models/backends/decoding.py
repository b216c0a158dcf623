"""Token by token with torch: prompts' ids in, sampled ids and their log-probabilities out, from any causal LM.

Prompts are forwarded once however many samples they have; keys and values go into a buffer that is allocated once and
read as a view; rows that have ended leave the batch. Plain Llama-type decoders on a CPU take their steps through the
short path of `game24lab.models.backends.llama_step`, all others through their own `forward`. Randomness is counted, not
drawn: the number that picks token t of sample j depends on the seed of its prompt, on j and on t alone, never on the
batch. This module does not know of texts, tokenizers or tasks.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from game24lab.models.backends.llama_step import PlainSteps
from game24lab.models.backends.prefix_cache import Layers, lay
from game24lab.models.counted_random import draw_uniform
from game24lab.models.policy import Sampling

_COPY = 3  # copying a row's cache costs about as much as this many further steps of the row
_FEW = 16  # tokens: ranking so many of hundreds costs a fifth of ranking all, and they are mostly enough for a nucleus


def choose(logits: torch.Tensor, uniform: np.ndarray, sampling: Sampling) -> tuple[torch.Tensor, torch.Tensor]:
    """Sampled ids and the model's own log-probabilities of them, both of shape (rows,).

    Sampling inverts the cumulative distribution at `uniform`; log-probabilities are at temperature 1, not truncated.
    """
    logprobs = torch.log_softmax(logits, -1)
    if sampling.temperature == 0:
        ids = logits.argmax(-1, keepdim=True)
    else:
        if sampling.temperature == 1 and not sampling.top_k and sampling.top_p == 1:
            weights = torch.exp(logprobs)
        else:
            weights = truncate(torch.softmax(logits / sampling.temperature, -1), sampling)
        cumulative = weights.cumsum(-1)
        total = cumulative[:, -1:]
        point = torch.from_numpy(uniform).to(logits.device)[:, None] * total
        point = torch.minimum(point, torch.nextafter(total, total.new_zeros(())))  # rounding must not reach the total
        # the first token whose cumulative weight exceeds the point: never one of weight 0; the clamp is for NaN
        ids = torch.searchsorted(cumulative, point, right=True).clamp_(max=logits.shape[-1] - 1)
    return ids[:, 0], logprobs.gather(-1, ids)[:, 0]


def truncate(weights: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Probabilities with the tokens outside top-k and top-p set to 0, not normalised again."""
    if 0 < sampling.top_k < weights.shape[-1]:
        least = weights.topk(sampling.top_k, -1).values[:, -1:]
        weights = torch.where(weights < least, 0.0, weights)
    if sampling.top_p < 1:
        weights = _keep_nucleus(weights, sampling.top_p, _FEW if weights.device.type == "cpu" else weights.shape[-1])
    return weights


def _keep_nucleus(weights: torch.Tensor, top_p: float, width: int) -> torch.Tensor:
    """The most probable tokens up to `top_p` of a row's weight; all are ranked only where `width` of them hold less."""
    enough = top_p * weights.sum(-1, keepdim=True)
    ranked, order = weights.topk(min(width, weights.shape[-1]))
    upto = ranked.cumsum(-1)
    kept = torch.zeros_like(weights).scatter_(-1, order, torch.where(upto - ranked >= enough, 0.0, ranked))
    if width < weights.shape[-1]:
        short = (upto[:, -1:] < enough)[:, 0]
        if short.any():
            kept[short] = _keep_nucleus(weights[short], top_p, weights.shape[-1])
    return kept


def rank(logits: torch.Tensor, usual: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Ids of shape (rows,): at place 0 the usual one, at place p the p-th likeliest of the others."""
    most = int(places.max())
    if not most:
        return usual
    others = logits.scatter(-1, usual[:, None], -math.inf).topk(most, -1).indices
    return torch.where(places > 0, others.gather(-1, (places - 1).clamp(min=0)[:, None])[:, 0], usual)


def find_unsure(logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Whether the model is unsure of the next token, as `sampling.pause` says; bool of shape (rows,)."""
    if sampling.pause == "margin":
        first, second = torch.softmax(logits, -1).topk(2, -1).values.unbind(-1)
        return first - second <= sampling.threshold
    logprobs = torch.log_softmax(logits, -1)
    entropy = -(logprobs.exp() * logprobs.clamp(min=-1e4)).sum(-1)  # 0 log 0 is 0
    return entropy >= sampling.threshold


# The loop -------------------------------------------------------------------------------------------------------------
class Steps(Protocol):
    """A batch in the middle of generation."""

    def step(self, ids: torch.Tensor) -> torch.Tensor:
        """Forward one token a row: logits, float32, shape (rows, vocabulary)."""

    def keep(self, rows: torch.Tensor) -> None:
        """Drop all rows but these."""


@torch.inference_mode()
def decode(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    rows: Sequence[int],
    keys: np.ndarray,
    limits: Sequence[int],
    stops: torch.Tensor,
    sampling: Sampling,
    *,
    places: Sequence[int] | None = None,
    usual_keys: np.ndarray | None = None,
    past: Sequence[Layers | None] | None = None,
    shared: Sequence[int] | None = None,
) -> list[tuple[list[int], list[float]]]:
    """Sampled ids and log-probabilities, one pair a row.

    `rows[r]` is the prompt of row r (a prompt is forwarded once, however many rows it has), `keys[r]` its randomness
    (`make_keys`), `limits[r]` the most tokens it may have; `stops`, bool of shape (vocabulary,), marks the tokens that
    end a row. Prompts of one length are fastest; others are padded on the left. The model must be in evaluation mode.
    Raises ValueError where a prompt is empty or the model's numbers are not finite.

    Where `sampling.ranked`, row r begins with what place `places[r]` has among the tokens (see `rank`), the usual one
    being what `usual_keys[r]` draws. `past[i]` are keys and values of the first `shared[i]` tokens of prompt i, where
    they are known.
    """
    if not all(prompts):
        raise ValueError("prompts must have at least one token, got one without")
    device, total, most = model.device, len(rows), max(limits)
    rows = torch.tensor(rows, device=device)
    logits, cache, pad = _prefill(model, prompts, rows, past, shared)
    length = max(map(len, prompts))
    make = PlainSteps if PlainSteps.fits(model) else ModelSteps
    steps: Steps = make(model, cache, rows, pad, length, most)
    ids_of = torch.zeros(total, most, dtype=torch.long, device=device)
    logprobs_of = torch.zeros(total, most, device=device)
    lengths = torch.zeros(total, dtype=torch.long, device=device)
    # of the rows that the batch still holds: which they are, their limits, whether they have ended
    alive, limit, stops = torch.arange(total, device=device), torch.tensor(limits, device=device), stops.to(device)
    ended, wasted = torch.zeros(total, dtype=torch.bool, device=device), 0
    for step in range(most):
        if sampling.pause and step >= sampling.spare:
            unsure = find_unsure(logits, sampling) & ~ended
            lengths[alive] = torch.where(unsure, step, lengths[alive])
            ended = ended | unsure
            if bool(ended.all()):
                break
        if sampling.ranked and step == 0:
            usual, _ = choose(logits, draw_uniform(usual_keys, 0), sampling)
            ids = rank(logits, usual, torch.tensor(places, device=device))
            logprobs = torch.log_softmax(logits, -1).gather(-1, ids[:, None])[:, 0]
        else:
            ids, logprobs = choose(logits, draw_uniform(keys, step), sampling)
        ids_of[alive, step], logprobs_of[alive, step] = ids, logprobs
        ending = (stops[ids] | (limit <= step + 1)) & ~ended
        lengths[alive] = torch.where(ending, step + 1, lengths[alive])
        ended = ended | ending
        if step + 1 == most:
            break
        if device.type == "cpu" or step % 8 == 7:  # on an accelerator every look at the rows is a wait
            kept = (~ended).nonzero()[:, 0]
            if not len(kept):
                break
            wasted += len(alive) - len(kept)
            if wasted >= _COPY * len(kept):  # carrying ended rows on has cost as much as dropping them will
                steps.keep(kept)
                alive, limit, ids, keys = alive[kept], limit[kept], ids[kept], keys[kept.cpu().numpy()]
                ended, wasted = ended[kept], 0
        logits = steps.step(ids)
    found = zip(ids_of.tolist(), logprobs_of.tolist(), lengths.tolist(), strict=True)
    pairs = [(ids[:length], logprobs[:length]) for ids, logprobs, length in found]
    if not all(math.isfinite(sum(logprobs)) for _, logprobs in pairs):
        raise ValueError("the model's log-probabilities are not finite: damaged weights, or too narrow a compute_type")
    return pairs


def _prefill(model: PreTrainedModel, prompts: Sequence[Sequence[int]], rows: torch.Tensor, past=None, shared=None):
    """Logits of the first token (rows, vocabulary), the cache of the prompts, padding of the rows or None.

    What is known of the prompts' beginnings (`past`, `shared`: see `decode`) is not forwarded: as much of it as the
    prompt with the longest unknown rest leaves to all.
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


def accepts(model: PreTrainedModel, name: str) -> bool:
    """Whether a model's `forward` has a parameter of this name."""
    return name in inspect.signature(model.forward).parameters


# Steps of any model ---------------------------------------------------------------------------------------------------
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
