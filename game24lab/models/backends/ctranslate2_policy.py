"""The backend `ctranslate2`: an exported model on CTranslate2's engine.

It does not know of texts, nor how exports are made.
"""

from __future__ import annotations

import itertools
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ctranslate2
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from game24lab.models.backends.ctranslate2_export import export_ctranslate2, load_generator, read_card
from game24lab.models.policy import Job, Row, Sampling, TextPolicy, make_batches

_SMALL = 50_000_000  # parameters up to which several workers of one thread beat one worker of several
_ROWS = 512  # of one call: more gain nothing and leave the processor's cache
_CACHE_BYTES = 2**30  # of keys and values in one call

Call = tuple[list[int], int]  # jobs, and how many samples of each


class CTranslate2Policy(TextPolicy):
    """An exported model. Each worker is a generator of its own: workers of one would draw the same random numbers."""

    name = "ctranslate2"
    seeding = "seeds of prompts are not honoured: one random stream a worker, fixed by the policy's seed"

    def __init__(
        self, export: str | Path, tokenizer: PreTrainedTokenizerBase, *, device: str = "cpu",
        compute_type: str = "auto", seed: int | None = None, reason: str = "asked for",
        max_batch_tokens: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(tokenizer, read_card(export), device, choose_type(compute_type, device), reason)
        self.export, self.max_batch_tokens = Path(export), max_batch_tokens
        self.seed = secrets.randbits(31) if seed is None else seed
        threads = torch.get_num_threads()  # how many this process may use
        self.workers = threads if device == "cpu" and self.parameters <= _SMALL else 1
        self.threads = threads if self.workers == 1 else 1
        size = self.card.vocabulary
        names = tokenizer.convert_ids_to_tokens(list(range(min(size, len(tokenizer)))))
        self._names = [*names, *itertools.repeat(None, size - len(names))]
        self._updates = 0
        self._load()

    def _load(self) -> None:
        start = next([name] for name in self._names if name is not None)
        self._generators = []
        for worker in range(self.workers):
            # the seed is global, and a generator's thread takes it when it first samples
            ctranslate2.set_random_seed((self.seed + 7919 * (worker + self.workers * self._updates)) % 2**31)
            generator = load_generator(
                self.export, device=self.device, compute_type=self.compute_type, intra_threads=self.threads
            )
            generator.generate_batch([start], max_length=1, sampling_topk=0)
            self._generators.append(generator)

    def update(self, model: PreTrainedModel) -> None:
        """Take over the weights of a model in memory: export it to a folder of this policy's own and load that."""
        if not self._updates:
            own = tempfile.mkdtemp(prefix="game24lab-")
            weakref.finalize(self, shutil.rmtree, own, ignore_errors=True)
            self.export = Path(own) / "export"
        self._updates += 1
        export_ctranslate2(model, self.export, tokenizer=self.tokenizer, check=False)
        self._load()

    def _sample(self, jobs: list[Job], sampling: Sampling, stops: frozenset[int], stop_line: bool) -> list[list[Row]]:
        calls = self._plan(jobs)
        shares = [calls[worker :: self.workers] for worker in range(self.workers)]

        def work(generator: ctranslate2.Generator, share: Sequence[Call]) -> list[tuple[int, list[Row]]]:
            found = []
            for members, width in share:
                rows = self._call(generator, [jobs[index] for index in members], width, sampling, stops)
                found += [(index, rows[place * width : (place + 1) * width]) for place, index in enumerate(members)]
            return found

        if self.workers == 1:
            done = [work(self._generators[0], calls)]
        else:
            with ThreadPoolExecutor(self.workers) as pool:
                done = list(pool.map(work, self._generators, shares))
        results: list[list[Row]] = [[] for _ in jobs]
        for index, rows in itertools.chain(*done):
            results[index] += rows
        return results

    def _plan(self, jobs: Sequence[Job]) -> list[Call]:
        """One call has one number of samples a prompt, and enough calls there must be for all workers."""
        total = sum(len(job.keys) for job in jobs)
        most = max(8, min(_ROWS, -(-total // self.workers)))
        room = self.max_batch_tokens or max(1, _CACHE_BYTES // (4 * self.card.cache))
        calls = []
        for batch in make_batches(jobs, most, room, [min(len(job.keys), most) for job in jobs]):
            for width in sorted({len(part) for _, part in batch}):
                calls.append(([index for index, part in batch if len(part) == width], width))
        return calls

    def _call(
        self, generator: ctranslate2.Generator, jobs: Sequence[Job], width: int, sampling: Sampling,
        stops: frozenset[int],
    ) -> list[Row]:  # fmt: skip
        """`width` rows a job, in order. The engine's own results come sorted by score and without single scores."""
        rows: list[tuple[list[int], list[float]]] = [([], []) for _ in range(len(jobs) * width)]

        def note(step: ctranslate2.GenerationStepResult) -> bool:
            ids, logprobs = rows[step.batch_id * width + step.hypothesis_id]
            ids.append(step.token_id)
            logprobs.append(step.log_prob)  # of the raw logits, whatever the temperature
            return False

        size = self.card.vocabulary
        generator.generate_batch(
            [[self._names[token] for token in job.ids] for job in jobs],
            num_hypotheses=width,
            max_length=max(job.limit for job in jobs),
            sampling_topk=min(sampling.top_k, size) if sampling.temperature else 1,  # 0: all; above `size` it throws
            sampling_topp=sampling.top_p,
            sampling_temperature=sampling.temperature or 1.0,
            end_token=sorted(stop for stop in stops if stop < size) or [size],  # a model without an end never ends
            return_end_token=True,
            include_prompt_in_result=False,
            return_scores=True,
            callback=note,
        )
        limits = [job.limit for job in jobs for _ in range(width)]
        return [(ids[:limit], logprobs[:limit]) for (ids, logprobs), limit in zip(rows, limits, strict=True)]


def choose_type(compute_type: str, device: str) -> str:
    """The compute type to load with; "auto" is float32 on a CPU, where it is exact, and the best half type on a GPU.

    Raises ValueError for a type that the machine does not support.
    """
    supported = ctranslate2.get_supported_compute_types(device)
    if compute_type == "auto":
        wanted = ("float32",) if device == "cpu" else ("bfloat16", "float16", "float32")
        return next(kind for kind in wanted if kind in supported)
    if compute_type not in supported:
        known = ", ".join(("auto", *sorted(supported)))
        raise ValueError(f"compute_type must be one of {known} for CTranslate2 here, got {compute_type!r}")
    return compute_type
