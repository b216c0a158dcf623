"""Policies: the contract of all backends, and what they share: tokenization, checks, batches, completions.

A backend gets jobs (distinct prompts as ids) and returns sampled rows; texts are handled here alone. This module does
not know of any backend, of tasks, search or training.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Protocol

import torch

from game24lab.runs.checks import require
from game24lab.tasks.prompt import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_ENOUGH = 32  # rows from which a batch is not padded to include prompts of another length
# Tokens by which the lengths of prompts padded to one batch may differ, or the answers' limit if that is more: padding
# is forwarded at once, where a batch more takes every step of its answers.
_SPREAD = 8
PAUSES = ("entropy", "margin")
_REMEMBERED = 100_000  # texts whose tokens are cached: searches repeat prompts


@dataclass(frozen=True)
class Completion:
    """A completion of a prompt."""

    text: str  # without special tokens; where generation stopped at a line end, without it
    ids: tuple[int, ...]  # sampled ids, the end or line-end token included
    logprobs: tuple[float, ...]  # one per id: natural log of the model's own probability (temperature 1, not truncated)
    finish: str  # "stop" (end token or line end) | "length" | "pause" (see `Sampling.pause`)
    charged: int | None = None  # what it cost where a beginning was shared with lines before it; None: all its ids

    @property
    def tokens(self) -> int:
        """Sampled tokens."""
        return len(self.ids) if self.charged is None else self.charged

    @property
    def logprob(self) -> float:
        """Log-probability of the whole completion."""
        return sum(self.logprobs)


class Policy(Protocol):
    """A policy as search, evaluation and training use it."""

    parameters: int  # non-embedding parameters, for FLOPs
    name: str  # the backend

    def count(self, text: str | Prompt) -> int:
        """Tokens of a prompt."""

    def generate(
        self, prompts: Sequence[str | Prompt], n: Sequence[int] | int, *, max_tokens: int, temperature: float = 1.0,
        top_p: float = 1.0, top_k: int = 0, stop_line: bool = False, seeds: Sequence[int] | None = None,
        ranked: bool = False, pause: str = "", threshold: float = 0.0, spare: int = 0,
    ) -> list[list[Completion]]:  # fmt: skip
        """`n` (or `n[i]`) completions of prompt i.

        temperature 0 is greedy; temperature, then top_k, then top_p shape what is sampled. With `stop_line` a
        completion ends at its first line end. `max_tokens` counts the end token; a prompt near the end of the model's
        window gets fewer. `seeds`, one a prompt: a policy's `seeding` says what they fix. The others are in `Sampling`;
        not every backend has them. Raises ValueError that names the parameter or the prompt.
        """


@dataclass(frozen=True)
class Sampling:
    """How to choose tokens: temperature first, then top-k, then top-p, as transformers and vLLM do."""

    max_tokens: int  # of one completion, its end token included
    temperature: float = 1.0  # 0: the most probable token
    top_p: float = 1.0  # smallest set of tokens that holds this much probability; 1: all
    top_k: int = 0  # 0: all
    # completion 0 begins with a token sampled as usual, the others with the likeliest other tokens, one each
    ranked: bool = False
    # end before a token that the model is unsure of, by its own distribution (temperature 1, not truncated): "entropy",
    # in nats, of at least the threshold; "margin" of the likeliest over the second of at most the threshold
    pause: str = ""
    threshold: float = 0.0
    spare: int = 0  # first tokens that are sampled without a pause

    def __post_init__(self) -> None:
        if self.pause not in ("", *PAUSES):
            raise ValueError(f"pause must be one of {', '.join(PAUSES)}, or '', got {self.pause!r}")
        for name, least in (("max_tokens", 1), ("top_k", 0), ("spare", 0)):
            require(name, getattr(self, name), int, least)
        for name in ("temperature", "threshold"):
            number = getattr(self, name)
            if not _is_number(number) or not 0 <= number < math.inf:
                raise ValueError(f"{name} must be a finite number >= 0, got {number!r}")
        if not _is_number(self.top_p) or not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be a number above 0 and up to 1 (all tokens), got {self.top_p!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


@dataclass(frozen=True)
class Job:
    """A distinct prompt and its rows, as a backend gets them."""

    ids: tuple[int, ...]
    keys: tuple[tuple[int, int], ...]  # of every row: seed of its prompt, number among the samples of that seed
    limit: int  # tokens that a row may have
    skip: int = 0  # tokens of the answer that are in the prompt already
    shared: int = 0  # first tokens that other jobs share; 0: not known


@dataclass(frozen=True)
class _Tokens:
    """A text's tokens, with the fields of a `Prompt`; an empty text is found by a later check."""

    ids: tuple[int, ...]
    written: int = 0
    room: int | None = None
    shared: int = 0


Row = tuple[Sequence[int], Sequence[float]]  # sampled ids, the stop token included, and their log-probabilities


@dataclass(frozen=True)
class Card:
    """The properties of a model that generation needs besides its weights."""

    parameters: int  # non-embedding
    vocabulary: int  # rows of the embedding matrix
    window: int | None  # positions; None: unlimited
    ends: tuple[int, ...]  # ids of end tokens
    cache: int  # numbers that the key-value cache holds per token


def count_parameters(model: torch.nn.Module) -> int:
    """Non-embedding parameters, the usual N of scaling laws; tied output weights count as embedding."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
    return sum(p.numel() for p in model.parameters() if id(p) not in embeddings)


def describe(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Card:
    """The card of a model (a model on the meta device will do). ValueError for one without attention."""
    config = model.config.get_text_config(decoder=True)
    if not getattr(config, "num_attention_heads", None):
        raise ValueError(f"model must be a decoder with a key-value cache, got {type(model).__name__}")
    ends = [tokenizer.eos_token_id]
    for source in (config, model.generation_config):
        given = getattr(source, "eos_token_id", None)
        ends += given if isinstance(given, (list, tuple)) else [given]
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Card(
        parameters=count_parameters(model),
        vocabulary=model.get_input_embeddings().weight.shape[0],
        window=getattr(config, "max_position_embeddings", None),
        ends=tuple(sorted({end for end in ends if end is not None})),
        cache=2 * config.num_hidden_layers * heads * width,
    )


class TextPolicy:
    """A policy without its backend: subclasses implement `_sample`, jobs to rows."""

    name: str
    seeding: str  # what `seeds` fix, in a sentence
    looks = False  # whether it has distributions of the next token, as `ranked` and `pause` need

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, card: Card, device: str, compute_type: str, reason: str
    ) -> None:
        self.tokenizer, self.card, self.parameters = tokenizer, card, card.parameters
        self.device, self.compute_type = device, compute_type
        self.reason = reason  # why this backend and type
        self._encoded: dict[str, _Tokens] = {}
        self._line_ends: frozenset[int] | None = None

    @property
    def manifest(self) -> dict[str, Any]:
        """Backend, device, type, why, and what seeds fix: for the record of a run."""
        return {"backend": self.name, "device": self.device, "compute_type": self.compute_type, "reason": self.reason,
                "seeding": self.seeding, "parameters": self.parameters}  # fmt: skip

    def count(self, text: str | Prompt) -> int:
        """Tokens of a prompt."""
        return len(self._encode([text])[0].ids)

    def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text, with what the tokenizer puts before every text."""
        return self._encode([text])[0].ids

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The texts of rows of ids, without special tokens."""
        return decode_texts(self.tokenizer, ids)

    def generate(
        self, prompts: Sequence[str | Prompt], n: Sequence[int] | int, *, max_tokens: int, temperature: float = 1.0,
        top_p: float = 1.0, top_k: int = 0, stop_line: bool = False, seeds: Sequence[int] | None = None,
        ranked: bool = False, pause: str = "", threshold: float = 0.0, spare: int = 0,
    ) -> list[list[Completion]]:  # fmt: skip
        """As `Policy.generate`."""
        looked = {"ranked": ranked, "pause": pause, "threshold": threshold, "spare": spare}
        sampling = Sampling(max_tokens, temperature, top_p, top_k, **looked)
        if top_k == 1:  # the same as greedy; CTranslate2 needs it said so
            sampling = Sampling(max_tokens, temperature=0, **looked)
        if (ranked or pause) and not self.looks:
            raise ValueError("backend must be 'transformers' for ranked tokens and pauses, which need the distribution "
                             f"of the next token, got {self.name!r}")  # fmt: skip
        if isinstance(prompts, str) or not all(isinstance(prompt, str | Prompt) for prompt in prompts):
            raise ValueError(f"prompts must be a list of texts, got {str(prompts)[:60]!r}")
        counts = _check_counts(n, len(prompts))
        if ranked and max(counts, default=0) > self.card.vocabulary:
            raise ValueError(f"n must be at most {self.card.vocabulary}, the vocabulary's size, for ranked tokens, "
                             f"got {max(counts)}")  # fmt: skip
        seeds = _check_seeds(seeds, len(prompts))
        encoded = self._encode(prompts)
        alike = not sampling.temperature and not ranked  # greedy completions are all alike: one row is sampled
        keys: dict[Prompt, list[tuple[int, int]]] = {}  # equal prompts share a job
        for index, (prompt, count) in enumerate(zip(encoded, counts, strict=True)):
            if count:
                self._check_length(index, prompt.ids)
                rows = keys.setdefault(prompt, [])
                rows += [(0, 0)][len(rows) :] if alike else [(seeds[index], j) for j in range(count)]
        jobs = [self._make_job(prompt, tuple(rows), max_tokens) for prompt, rows in keys.items()]
        stops = self.card_ends | self.line_ends if stop_line else self.card_ends
        found = [self._complete(rows, stops, stop_line, job.limit if pause else 0)
                 for job, rows in zip(jobs, self._sample(jobs, sampling, stops, stop_line), strict=True)]  # fmt: skip
        done = dict(zip(keys, found, strict=True))
        results = []
        for prompt, count in zip(encoded, counts, strict=True):
            given = done.get(prompt, [])
            results.append(given * count if alike else given[:count])
            if not alike:
                done[prompt] = given[count:]
        return results

    def open_trie(self, *request: Any, **options: Any) -> Any:
        """A trie of the lines behind a prompt, to sample without replacement; ValueError where a backend has none."""
        raise ValueError(f"backend must be 'transformers' for sampling without replacement, got {self.name!r}"
                         f"{' in another process' if self.looks else ''}")  # fmt: skip

    def open_reader(self) -> Any:
        """What reads the probabilities of given lines; ValueError where a backend has no distributions."""
        raise ValueError(f"backend must be 'transformers' for exact probabilities, got {self.name!r}"
                         f"{' in another process' if self.looks else ''}")  # fmt: skip

    def _sample(self, jobs: list[Job], sampling: Sampling, stops: frozenset[int], stop_line: bool) -> list[list[Row]]:
        """The rows of every job, in the order of its keys; a row ends at the first of `stops` or at the job's limit."""
        raise NotImplementedError

    @property
    def card_ends(self) -> frozenset[int]:
        """End tokens."""
        return frozenset(self.card.ends)

    @property
    def line_ends(self) -> frozenset[int]:
        """All tokens whose text holds a line end."""
        if self._line_ends is None:
            texts = decode_texts(self.tokenizer, [[token] for token in range(len(self.tokenizer))], special=True)
            self._line_ends = frozenset(token for token, text in enumerate(texts) if "\n" in text)
        return self._line_ends

    def _encode(self, texts: Sequence[str | Prompt]) -> list[Prompt | _Tokens]:
        if len(self._encoded) > _REMEMBERED:
            self._encoded.clear()
        missing = list({text: None for text in texts if not isinstance(text, Prompt) and text not in self._encoded})
        if missing:
            found = self.tokenizer(missing)["input_ids"]
            self._encoded |= {text: _Tokens(tuple(ids)) for text, ids in zip(missing, found, strict=True)}
        return [text if isinstance(text, Prompt) else self._encoded[text] for text in texts]

    def _check_length(self, index: int, ids: tuple[int, ...]) -> None:
        if not ids:
            raise ValueError(f"prompt {index} must have at least one token, got none")
        window = self.card.window
        if window is not None and len(ids) >= window:
            raise ValueError(f"prompt {index} must be shorter than the model's window of {window}, got {len(ids)}")

    def _make_job(self, prompt: Prompt | _Tokens, rows: tuple[tuple[int, int], ...], max_tokens: int) -> Job:
        room = math.inf if prompt.room is None else prompt.room
        window = math.inf if self.card.window is None else self.card.window - len(prompt.ids)
        return Job(prompt.ids, rows, min(max_tokens, room, window), prompt.written, prompt.shared)

    def _complete(self, rows: Sequence[Row], stops: frozenset[int], stop_line: bool, limit: int) -> list[Completion]:
        keyed = [(tuple(ids), tuple(logprobs)) for ids, logprobs in rows]
        distinct = list({ids: None for ids, _ in keyed})
        texts = dict(zip(distinct, decode_texts(self.tokenizer, distinct), strict=True))
        if stop_line:
            texts = {ids: text.split("\n", 1)[0] for ids, text in texts.items()}
        return [Completion(texts[ids], ids, probs, _find_finish(ids, stops, limit)) for ids, probs in keyed]


def _find_finish(ids: tuple[int, ...], stops: frozenset[int], limit: int) -> str:
    if ids and ids[-1] in stops:
        return "stop"
    return "pause" if len(ids) < limit else "length"


def decode_texts(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[Sequence[int]], *, special: bool = False
) -> list[str]:
    """The texts of rows of ids, with or without special tokens."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:  # the same in one call, faster
        return backend.decode_batch([list(row) for row in ids], skip_special_tokens=not special)
    return tokenizer.batch_decode(ids, skip_special_tokens=not special, clean_up_tokenization_spaces=False)


def _check_counts(n: Sequence[int] | int, prompts: int) -> list[int]:
    counts = [n] * prompts if isinstance(n, Integral) else list(n)
    if len(counts) != prompts or not all(_is_whole(count) and count >= 0 for count in counts):
        raise ValueError(f"n must be an integer >= 0, or one for each of the {prompts} prompts, got {n!r}")
    return list(map(int, counts))


def _check_seeds(seeds: Sequence[int] | None, prompts: int) -> list[int]:
    if seeds is None:  # torch.manual_seed governs
        return torch.randint(2**62, (prompts,)).tolist()
    if len(seeds) != prompts or not all(map(_is_whole, seeds)):
        raise ValueError(f"seeds must be an integer for each of the {prompts} prompts, got {len(seeds)} values")
    return list(map(int, seeds))


def make_batches(
    jobs: Sequence[Job], most_rows: int, most_tokens: int, groups: Sequence[Hashable] | None = None
) -> list[list[tuple[int, range]]]:
    """Split jobs into batches of (job, which of its rows): prompts of one length together, few with near lengths.

    A batch holds at most `most_rows` rows and `most_tokens` tokens (padded prompt and limit of every row), one row at
    least, and only jobs of one group.
    """
    groups = groups or [0] * len(jobs)
    batches: list[list[tuple[int, range]]] = []
    first, rows, widest = -1, 0, 0  # of the batch being filled: its first job, what it holds, tokens of a row
    for index in sorted(range(len(jobs)), key=lambda i: (groups[i], len(jobs[i].ids))):
        job, start = jobs[index], 0
        each = len(job.ids) + job.limit
        while start < len(job.keys):
            room = min(most_rows, most_tokens // max(widest, each)) - rows
            ahead = len(job.ids) - len(jobs[first].ids)
            near = not ahead or (rows < _ENOUGH and ahead <= max(_SPREAD, job.limit))
            if first < 0 or groups[first] != groups[index] or not near or room < 1:
                batches.append([])
                first, rows, widest = index, 0, 0
                room = max(1, min(most_rows, most_tokens // each))
            part = range(start, min(len(job.keys), start + room))
            batches[-1].append((index, part))
            rows, widest, start = rows + len(part), max(widest, each), part.stop
    return batches
