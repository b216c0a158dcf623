"""Token by token with torch: prompts' ids in, sampled ids and their log-probabilities out, from any causal LM.

Prompts are forwarded once however many samples they have; keys and values go into a buffer that is allocated once and
read as a view; rows that have ended leave the batch. Plain Llama-type decoders on a CPU take their steps through the
short path of `game24lab.models.backends.llama_step`, all others through their own `forward`. Randomness is counted, not
drawn: the number that picks token t of sample j depends on the seed of its prompt, on j and on t alone, never on the
batch. This module does not know of texts, tokenizers or tasks, nor how a model's own `forward` is called.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from game24lab.models.backends.llama_step import PlainSteps
from game24lab.models.backends.packed_weights import Packed
from game24lab.models.backends.prefix_cache import Layers
from game24lab.models.counted_random import draw_uniform
from game24lab.models.policy import Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedModel

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
    packed: Packed | None = None,
) -> list[tuple[list[int], list[float]]]:
    """Sampled ids and log-probabilities, one pair a row.

    `rows[r]` is the prompt of row r (a prompt is forwarded once, however many rows it has), `keys[r]` its randomness
    (`make_keys`), `limits[r]` the most tokens it may have; `stops`, bool of shape (vocabulary,), marks the tokens that
    end a row. Prompts of one length are fastest; others are padded on the left. The model must be in evaluation mode.
    Raises ValueError where a prompt is empty or the model's numbers are not finite.

    Where `sampling.ranked`, row r begins with what place `places[r]` has among the tokens (see `rank`), the usual one
    being what `usual_keys[r]` draws. `past[i]` are keys and values of the first `shared[i]` tokens of prompt i, where
    they are known. `packed` are the weights of a plain decoder, packed before; None: they are packed if that pays.
    """
    if not all(prompts):
        raise ValueError("prompts must have at least one token, got one without")
    device, total, most = model.device, len(rows), max(limits)
    rows = torch.tensor(rows, device=device)
    length = max(map(len, prompts))
    if hasattr(model, "prefill"):  # `game24lab.models.plain_decoder`
        logits, cache, pad = model.prefill(prompts, rows)
        make = PlainSteps
    else:
        from game24lab.models.backends.model_steps import ModelSteps, prefill

        logits, cache, pad = prefill(model, prompts, rows, past, shared)
        make = PlainSteps if PlainSteps.fits(model) else ModelSteps
    steps: Steps = make(model, cache, rows, pad, length, most, **({"packed": packed} if make is PlainSteps else {}))
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
