"""Forward passes behind the prefixes of tries, whose keys and values are kept in one pool, a place for each token.

A pass gathers the places of every prefix's tokens and forwards what comes behind them, one token a row as a rule,
whatever the tries: plain decoders by `plain_pass`, others by their own `forward`. What the pool does not hold is
forwarded again, which is a matter of speed alone. Models whose layers do not all keep plain keys and values are given
whole prefixes. This module does not know in which order tries ask, nor what they cost.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, finalize

import numpy as np
import torch

from game24lab.models.backends.decoding import truncate
from game24lab.models.backends.plain_pass import Pair, can_pass, pass_on
from game24lab.models.backends.prefix_cache import accepts, keeps_plainly
from game24lab.models.policy import Sampling
from game24lab.models.trie import HEAD, Book, Ids, Look, Step

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_ROWS = 512  # of one forward pass
_GROWTH = 4096  # places that the pool grows by at least


class Pool:
    """Keys and values of tokens; of books that a call does not ask about none are kept beyond `room` tokens."""

    def __init__(self, model: PreTrainedModel, room: int) -> None:
        self.model, self.room, self.short = model, room, can_pass(model)
        self.plain = self.short or keeps_plainly(model)
        self._layers: list[list[torch.Tensor]] = []  # of each layer keys and values: (places, heads, width)
        self._free: list[int] = []
        self._used = 0
        # of each book, by prefix, the places of the prompt's tokens and of the prefix's behind them
        self._held: WeakKeyDictionary[Book, dict[Ids, list[int]]] = WeakKeyDictionary()
        self.seconds = 0.0  # that passes behind prefixes took, logits to steps included; not the keeping of places

    def forget(self) -> None:
        """Drop everything: the weights have changed."""
        for held in list(self._held.values()):
            self._release(held)

    @torch.inference_mode()
    def forward(self, looks: Sequence[Look]) -> list[Step]:
        """What is behind each prefix. ValueError where the model's numbers are not finite."""
        if self._used > self.room:
            asked = {look.book for look in looks}
            for held in [held for book, held in self._held.items() if book not in asked]:
                self._release(held)
        rows = [(places, (*ids, *look.forced[:-1])) for look in looks for places, ids in (self._find(look),)]
        groups: dict[tuple[int, Sampling, bool, int], list[int]] = {}
        for row, ((_, ids), look) in enumerate(zip(rows, looks, strict=True)):
            whole = look.whole or look.book.allowed is not None  # an allowed token may be among the least likely
            groups.setdefault((len(ids), look.book.sampling, whole, len(look.forced)), []).append(row)
        steps: dict[int, Step] = {}
        for (_, sampling, whole, forced), members in groups.items():
            for first in range(0, len(members), _ROWS):
                part = members[first : first + _ROWS]
                begin = time.perf_counter()
                logits, new = self._run([rows[row] for row in part], max(1, forced))
                found = (read_forced(logits, [looks[row].forced for row in part]) if forced else
                         make_steps(logits[:, -1], sampling, whole))  # fmt: skip
                steps |= zip(part, found, strict=True)
                self.seconds += time.perf_counter() - begin
                for row, places in zip(part, new, strict=True):
                    look = looks[row]
                    self._note(Look(look.book, (*look.path, *look.forced[:-1])), rows[row][0], places)
        return [steps[row] for row in range(len(looks))]

    @torch.inference_mode()
    def score(self, looks: Sequence[Look], lines: Sequence[Ids], samplings: Sequence[Sampling]) -> np.ndarray:
        """Natural logs of the probability of line i behind prefix i, under each sampling: (lines, samplings), float64.

        ValueError where the model's numbers are not finite.
        """
        found = [self._find(look) for look in looks]
        groups: dict[tuple[int, int], list[int]] = {}
        for row, ((_, ids), line) in enumerate(zip(found, lines, strict=True)):
            groups.setdefault((len(ids), len(line)), []).append(row)
        scores = np.zeros((len(looks), len(samplings)))
        for (_, length), members in groups.items():
            for begin in range(0, len(members), _ROWS):
                part = members[begin : begin + _ROWS]
                rows = [(found[row][0], (*found[row][1], *lines[row][:-1])) for row in part]
                logits, new = self._run(rows, length)
                targets = torch.tensor([lines[row] for row in part], device=logits.device)
                for column, sampling in enumerate(samplings):
                    _, logs = shape_logs(logits.flatten(0, 1), sampling)
                    logs = logs.view(*targets.shape, -1).gather(-1, targets[..., None])[..., 0]
                    scores[part, column] = logs.sum(-1).cpu().numpy()
                for row, places in zip(part, new, strict=True):
                    after = Look(looks[row].book, (*looks[row].path, *lines[row][:-1]))
                    self._note(after, found[row][0], places)
        return scores

    def _find(self, look: Look) -> tuple[list[int], Ids]:
        """The places of a prefix's tokens as far as they are held, and the ids behind them: one at least."""
        prompt, path = look.book.prompt, look.path
        if not self.plain:
            return [], (*prompt, *path)
        held = self._held.get(look.book)
        if held is None:
            held = self._held[look.book] = {}
            finalize(look.book, self._release, held)
        for length in range(len(path) - 1, -1, -1):
            if (places := held.get(path[:length])) is not None:
                return places, path[length:]
        places = held[()][:-1] if () in held else []  # behind the prompt alone
        return places, (*prompt, *path)[len(places) :]

    def _note(self, look: Look, before: list[int], new: list[int]) -> None:
        """Keep the places of a row's new tokens, unless another row of this call has brought the same ones."""
        if not new:
            return
        held, path, count = self._held[look.book], look.path, len(look.book.prompt)
        places = before
        if len(before) < count:
            behind = count - len(before)
            whole = [*before, *new[:behind]]
            places = held.setdefault((), whole)
            if places is not whole:
                self._give_back(new[:behind])
            new = new[behind:]
        for place in new:
            longer = [*places, place]
            places = held.setdefault(path[: len(longer) - count], longer)
            if places is not longer:
                self._give_back([place])

    def _release(self, held: dict[Ids, list[int]]) -> None:
        self._give_back([*held.get((), ()), *(places[-1] for path, places in held.items() if path)])
        held.clear()

    def _give_back(self, places: list[int]) -> None:
        self._free += places
        self._used -= len(places)

    def _run(self, rows: Sequence[tuple[list[int], Ids]], behind: int = 1) -> tuple[torch.Tensor, list[list[int]]]:
        """Logits behind the last tokens of each row (rows, `behind`, vocabulary), and the places of its new tokens.

        All rows have as many new tokens.
        """
        lengths = torch.tensor([len(places) for places, _ in rows])
        ids, before = torch.tensor([ids for _, ids in rows]), int(lengths.max())
        past: list[Pair] = []
        if before:
            index = np.zeros((len(rows), before), np.int64)
            for row, (places, _) in enumerate(rows):
                index[row, before - len(places) :] = places
            at = torch.from_numpy(index).to(self.model.device)
            past = [(keys[at], values[at]) for keys, values in self._layers]
        logits, found = (pass_on if self.short else _pass_by_forward)(self.model, ids, past, lengths, behind)
        taken: list[list[int]] = [[] for _ in rows]
        if self.plain:
            flat, new = self._take(ids.numel(), found), ids.shape[1]
            at = torch.tensor(flat, device=self.model.device)
            for parts, pair in zip(self._layers, found, strict=True):
                for part, tensor in zip(parts, pair, strict=True):
                    part[at] = tensor.flatten(0, 1)
            taken = [flat[begin : begin + new] for begin in range(0, len(flat), new)]
        return logits.float(), taken

    def _take(self, count: int, found: Sequence[Pair]) -> list[int]:
        """Places that are free, of a larger pool if need be; shaped as keys and values of new tokens."""
        if len(self._free) < count:
            size = self._layers[0][0].shape[0] if self._layers else 0
            more = max(_GROWTH, size // 2, count)
            self._free += range(size, size + more)
            blank = [[part.new_zeros(more, *part.shape[2:]) for part in pair] for pair in found]
            self._layers = [[torch.cat(pair) for pair in zip(*both, strict=True)] for both in
                            zip(self._layers, blank, strict=True)] if size else blank  # fmt: skip
        taken = self._free[-count:]
        del self._free[-count:]
        self._used += count
        return taken


def _pass_by_forward(
    model: PreTrainedModel, ids: torch.Tensor, past: Sequence[Pair], lengths: torch.Tensor, behind: int
) -> tuple[torch.Tensor, list[Pair]]:
    """As `plain_pass.pass_on`, by the model's own `forward`; without keys and values where layers do not keep all."""
    from transformers import DynamicCache

    cache, new, before = DynamicCache(config=model.config), ids.shape[1], past[0][0].shape[1] if past else 0
    for layer, pair in zip(cache.layers, past, strict=bool(past)):
        layer.update(*(part.transpose(1, 2) for part in pair))
    options = {"logits_to_keep": behind} if accepts(model, "logits_to_keep") else {}
    if bool((lengths < before).any()):
        places = torch.arange(before + new)
        options["attention_mask"] = (places >= (before - lengths)[:, None]).long().to(model.device)
    if accepts(model, "position_ids"):
        options["position_ids"] = (lengths[:, None] + torch.arange(new)).to(model.device)
    out = model(input_ids=ids.to(model.device), past_key_values=cache, use_cache=True, **options)
    kept = keeps_plainly(model)
    found = [(layer.keys[:, :, before:].transpose(1, 2), layer.values[:, :, before:].transpose(1, 2))
             for layer in cache.layers] if kept else []  # fmt: skip
    return out.logits[:, -behind:], found


def shape_logs(logits: torch.Tensor, sampling: Sampling) -> tuple[torch.Tensor, torch.Tensor]:
    """Logs of the model's own probabilities and of those that it is sampled by; all (rows, vocabulary), float64.

    At temperature 0 the likeliest token has all the mass. ValueError where logits are not finite.
    """
    if not bool(torch.isfinite(logits).all()):
        raise ValueError("the model's logits are not finite: damaged weights, or too narrow a compute_type")
    own = torch.log_softmax(logits.double(), -1)
    if sampling.temperature == 1 and not sampling.top_k and sampling.top_p == 1:
        return own, own
    if sampling.temperature == 0:
        return own, torch.full_like(own, -torch.inf).scatter_(-1, own.argmax(-1, keepdim=True), 0.0)
    weights = truncate(torch.softmax(logits.double() / sampling.temperature, -1), sampling)
    return own, torch.log(weights / weights.sum(-1, keepdim=True))


def read_forced(logits: torch.Tensor, forced: Sequence[Ids]) -> list[Step]:
    """Of each row of logits (rows, tokens, vocabulary) the model's own log-probabilities of the tokens that follow."""
    targets = torch.tensor(forced, device=logits.device)
    own, _ = shape_logs(logits.flatten(0, 1), Sampling(1))
    found = own.view(*targets.shape, -1).gather(-1, targets[..., None])[..., 0].cpu().numpy()
    return [Step(np.array(row), np.zeros(len(row)), logs) for row, logs in zip(forced, found, strict=True)]


def make_steps(logits: torch.Tensor, sampling: Sampling, whole: bool) -> list[Step]:
    """A step for each row of logits (rows, vocabulary); `whole`: all tokens are listed, not the first ones."""
    own, logs = shape_logs(logits, sampling)
    count = logs.shape[-1] if whole else min(HEAD, logs.shape[-1])
    ranked, order = torch.sort(logs, dim=-1, descending=True, stable=True) if whole else logs.topk(count)
    rest = torch.full((len(logs),), -torch.inf, dtype=torch.float64)
    if count < logs.shape[-1]:
        rest = torch.logsumexp(logs.scatter(-1, order, -torch.inf), -1).cpu()
    listed = (ranked > -torch.inf).sum(-1).tolist()
    parts = [part.cpu().numpy() for part in (order, ranked, own.gather(-1, order))]
    return [Step(*(part[row, :kept].copy() for part in parts), rest=last) for row, (kept, last) in
            enumerate(zip(listed, rest.tolist(), strict=True))]  # fmt: skip
