"""The backend `transformers`: any causal LM in memory, on CPU or GPU, through our own decoding loop.

It does not know of texts or checkpoints.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from game24lab.models.backends.decoding import decode
from game24lab.models.backends.llama_step import PlainSteps, pack_plain
from game24lab.models.backends.packed_weights import pays
from game24lab.models.backends.prefix_cache import Prefixes
from game24lab.models.backends.reader import Reader
from game24lab.models.backends.trie_forward import Pool
from game24lab.models.counted_random import make_keys
from game24lab.models.policy import Job, Row, Sampling, TextPolicy, decode_texts, describe, make_batches
from game24lab.models.trie import Allowed, Book, Drawn, Ids, Trie, draw
from game24lab.tasks.prompt import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_CACHE_BYTES = 2**30  # of keys and values in one batch on a CPU
_KEPT_BYTES = 2**28  # of keys and values of prompts, between calls
_SHARE = 24  # rows from which on another thread with a batch of its own pays, rather than more threads for one batch


class TransformersPolicy(TextPolicy):
    """A model in memory. It reads the live weights: what trains is what samples."""

    name = "transformers"
    seeding = "a prompt's samples depend on its seed alone, up to rounding"
    looks = True

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, reason: str = "asked for",
        max_batch_tokens: int | None = None, frozen: bool = False,
    ) -> None:  # fmt: skip
        """`frozen`: the weights will not change, so that what is known of prompts may be kept from call to call."""
        dtype = str(model.dtype).removeprefix("torch.")
        super().__init__(tokenizer, describe(model, tokenizer), model.device.type, dtype, reason)
        self.model, self.max_batch_tokens = model, max_batch_tokens
        self.frozen, self.packed = frozen, None
        self.prefixes = Prefixes(_KEPT_BYTES // (self.card.cache * model.dtype.itemsize) if frozen else 0)

    def update(self, model: PreTrainedModel) -> None:
        """Take over the weights of another model of the same shape; nothing to do for the model itself."""
        if model is not self.model:
            self.model.load_state_dict(model.state_dict())
            self.packed = None
            self.prefixes.forget()
            self._pool.forget()

    def open_trie(
        self, prompt: str | Prompt, seed: int, *, max_tokens: int, temperature: float = 1.0, top_p: float = 1.0,
        top_k: int = 0, stop_line: bool = False, order: str = "random", beside: Trie | None = None,
        allowed: Sequence[str] | None = None,
    ) -> Trie:  # fmt: skip
        """A trie of the lines behind a prompt, for `draw`; the settings are those of `generate`.

        order: "random" draws without replacement, "likeliest" lists lines from the likeliest on. At temperature 0 and
        with top_k 1 there is one line, with top_k n at most n to the power of `max_tokens`. beside: a trie of the same
        prompt and settings, whose forward passes this one shares. allowed: the lines that may be said at all, as the
        tokenizer spells them. A trie belongs to the weights that it began with.
        ValueError names a wrong setting or a prompt that is empty or too long.
        """
        if beside is not None:
            return Trie(beside.book, seed, order)
        sampling = Sampling(max_tokens, temperature, top_p, top_k)
        (encoded,) = self._encode([prompt])
        self._check_length(0, encoded.ids)
        job = self._make_job(encoded, (), max_tokens)
        stops = self.card_ends | self.line_ends if stop_line else self.card_ends
        book = Book(job.ids, sampling, job.limit, stops, stop_line)
        if allowed is not None:
            texts = [f"{line}\n" for line in allowed]
            ids = self.tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
            book.allowed = Allowed([tuple(line) for line in ids])
        return Trie(book, seed, order)

    def draw(self, tries: Sequence[Trie], counts: Sequence[int]) -> list[Drawn]:
        """The next lines of some distinct tries, see `models.trie.draw`; the passes' time in equal shares."""
        training, before = self.model.training, self._pool.seconds
        self.model.eval()
        try:
            drawn = draw(tries, counts, self._pool.forward, self._spell)
        finally:
            if training:
                self.model.train()
        share = (self._pool.seconds - before) / max(1, len(drawn))
        return [replace(one, seconds=share) for one in drawn]

    def open_reader(self) -> Reader:
        """What reads the probabilities of given lines: `models.backends.reader`."""
        return Reader(self.model, self._pool, self.encode, self.tokenizer)

    @cached_property
    def _pool(self) -> Pool:
        return Pool(self.model, self._room())

    def _spell(self, book: Book, ids: Ids) -> str:
        (text,) = decode_texts(self.tokenizer, [ids])
        return text.split("\n", 1)[0] if book.alone else text

    def _sample(self, jobs: list[Job], sampling: Sampling, stops: frozenset[int], stop_line: bool) -> list[list[Row]]:
        marks = torch.zeros(self.card.vocabulary, dtype=torch.bool)
        marks[[stop for stop in stops if stop < self.card.vocabulary]] = True
        threads = torch.get_num_threads()
        total = sum(len(job.keys) for job in jobs)
        workers = max(1, min(threads, total // _SHARE)) if self.device == "cpu" else 1
        room = max(1, (self.max_batch_tokens or self._room()) // workers)
        batches = make_batches(jobs, max(1, -(-total // workers)), room)

        def work(batch: list[tuple[int, range]]) -> list[tuple[int, Row]]:
            if workers > 1:
                torch.set_num_threads(1)
            return self._decode(jobs, batch, marks, sampling)

        steps = max((job.limit for job in jobs), default=0)
        if self.frozen and self.packed is None and PlainSteps.fits(self.model) and pays(self.model, steps):
            self.packed = pack_plain(self.model)
        training = self.model.training
        self.model.eval()
        try:
            self.prefixes.learn(self.model, (job.ids[: job.shared] for job in jobs if job.shared))
            with ThreadPoolExecutor(workers) as pool:
                found = list(pool.map(work, batches)) if workers > 1 else list(map(work, batches))
        finally:
            if training:
                self.model.train()
            if workers > 1:
                torch.set_num_threads(threads)
        results: list[list[Row]] = [[] for _ in jobs]
        for index, row in itertools.chain(*found):
            results[index].append(row)
        return results

    def _decode(
        self, jobs: list[Job], batch: list[tuple[int, range]], marks: torch.Tensor, sampling: Sampling
    ) -> list[tuple[int, Row]]:
        mine = [jobs[index] for index, _ in batch]
        rows = [(place, *mine[place].keys[row]) for place, (_, part) in enumerate(batch) for row in part]
        places, seeds, numbers = zip(*rows, strict=True)
        skips = [mine[place].skip for place in places]
        found = decode(
            self.model, [job.ids for job in mine], places, make_keys(seeds, numbers, skips),
            [mine[place].limit for place in places], marks, sampling,
            places=numbers, usual_keys=make_keys(seeds, [0] * len(rows), skips) if sampling.ranked else None,
            past=[self.prefixes.find(job.ids[: job.shared]) for job in mine], shared=[job.shared for job in mine],
            packed=self.packed,
        )  # fmt: skip
        return [(batch[place][0], row) for place, row in zip(places, found, strict=True)]

    def _room(self) -> int:
        """Tokens whose keys and values fit a batch."""
        gpu = self.device == "cuda"
        room = torch.cuda.mem_get_info(self.model.device)[0] // 2 if gpu else _CACHE_BYTES
        return max(1, room // (self.card.cache * self.model.dtype.itemsize))
