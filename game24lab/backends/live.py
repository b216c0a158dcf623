"""The backend `transformers`: any causal LM in memory, on CPU or GPU, through our own decoding loop.

It does not know of texts or checkpoints.
"""

from __future__ import annotations

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from game24lab.backends.base import BasePolicy, Job, Row, Sampling, describe, make_batches
from game24lab.backends.decoding import decode, make_keys

_CACHE_BYTES = 2**30  # of keys and values in one batch on a CPU


class TransformersPolicy(BasePolicy):
    """A model in memory. It reads the live weights: what trains is what samples."""

    name = "transformers"
    seeding = "a prompt's samples depend on its seed alone, up to rounding"

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, reason: str = "asked for",
        max_batch_tokens: int | None = None,
    ) -> None:  # fmt: skip
        dtype = str(model.dtype).removeprefix("torch.")
        super().__init__(tokenizer, describe(model, tokenizer), model.device.type, dtype, reason)
        self.model, self.max_batch_tokens = model, max_batch_tokens

    def update(self, model: PreTrainedModel) -> None:
        """Take over the weights of another model of the same shape; nothing to do for the model itself."""
        if model is not self.model:
            self.model.load_state_dict(model.state_dict())

    def _sample(self, jobs: list[Job], sampling: Sampling, stops: frozenset[int], stop_line: bool) -> list[list[Row]]:
        marks = torch.zeros(self.card.vocabulary, dtype=torch.bool)
        marks[[stop for stop in stops if stop < self.card.vocabulary]] = True
        results: list[list[Row]] = [[] for _ in jobs]
        for batch in make_batches(jobs, 2**20, self.max_batch_tokens or self._room()):
            rows = [(place, *jobs[index].keys[row]) for place, (index, part) in enumerate(batch) for row in part]
            places, seeds, numbers = zip(*rows, strict=True)
            found = decode(
                self.model, [jobs[index].ids for index, _ in batch], places, make_keys(seeds, numbers),
                [jobs[batch[place][0]].limit for place in places], marks, sampling,
            )  # fmt: skip
            for place, row in zip(places, found, strict=True):
                results[batch[place][0]].append(row)
        return results

    def _room(self) -> int:
        """Tokens whose keys and values fit a batch."""
        gpu = self.device == "cuda"
        room = torch.cuda.mem_get_info(self.model.device)[0] // 2 if gpu else _CACHE_BYTES
        return max(1, room // (self.card.cache * self.model.dtype.itemsize))
