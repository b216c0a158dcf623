"""Rollouts of GRPO: completions sampled with the current weights, and their log-probabilities.

Completions come from the weights that train (`transformers`), from a copy of them in a process and on a device of its
own, or from an export that is renewed in memory after every update (`ctranslate2`). It does not know rewards,
advantages, losses or what texts mean.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from game24lab.models.backends.ctranslate2_export import export_ctranslate2
from game24lab.models.backends.decoding import truncate
from game24lab.models.backends.worker_process import ApartPolicy, check_device
from game24lab.models.load_policy import CTranslate2Policy, Sampling, TransformersPolicy
from game24lab.runs.checks import require, require_one_of
from game24lab.runs.former_names import accept_former
from game24lab.training.search_rollouts import Found, Searching, search

BACKENDS = ("transformers", "ctranslate2")


@accept_former(group="num_generations", max_tokens="max_completion_length")
@dataclass(frozen=True)
class Rollouts:
    """The rollouts of a step."""

    problems: int = 12  # problems a step
    num_generations: int = 8  # completions of each problem, at least 2, which form a group
    max_completion_length: int = 1024  # of a completion, its end token included
    temperature: float = 1.0
    top_p: float = 1.0  # nucleus: the smallest set of tokens that holds this much probability
    backend: str = "transformers"  # the live weights, or "ctranslate2": exported in memory after every step
    search: Searching = field(default_factory=Searching)  # members of each group that come from a search
    device: str = ""  # of the rollouts alone, in a process of its own, e.g. "cuda:1"; "": where the model trains

    def __post_init__(self) -> None:
        # completions of a group are held against each other
        for name, least in (("problems", 1), ("num_generations", 2), ("max_completion_length", 1)):
            require(name, getattr(self, name), int, least)
        require("temperature", self.temperature, float, 0, above=True)  # greedy completions are all the same
        Sampling(self.max_completion_length, self.temperature, self.top_p)
        require_one_of("backend", self.backend, BACKENDS)
        if self.device:
            check_device(self.device)
            if self.backend != "transformers":
                raise ValueError(f"backend must be 'transformers' for rollouts on a device of their own, "
                                 f"{self.device!r}, got {self.backend!r}")  # fmt: skip
        if self.search.count(self.num_generations) and self.backend != "transformers":
            raise ValueError("backend must be 'transformers' with a search, for others do not show the distributions "
                             f"that are searched, got {self.backend!r}")  # fmt: skip
        if self.search.share and self.search.enter == "corrected" and (self.temperature, self.top_p) != (1, 1):
            raise ValueError("temperature and top_p must be 1 with enter 'corrected', where the policy's own "
                             f"probabilities are those of sampling, got {self.temperature}, {self.top_p}")  # fmt: skip

    @property
    def completions(self) -> int:
        """Completions a step."""
        return self.problems * self.num_generations

    @property
    def sampling(self) -> Sampling:
        """How tokens are chosen."""
        return Sampling(self.max_completion_length, self.temperature, self.top_p)


class Sampler:
    """Answers prompts with the weights that a model has now."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rollouts: Rollouts) -> None:
        self.model, self.tokenizer, self.rollouts = model, tokenizer, rollouts
        self.reward: Callable[[Sequence[int], Sequence[str]], Sequence[float | None]] | None = None  # rows, answers
        self.highest = 1.0  # of `reward`
        self.found: dict[int, tuple[list[float], list[float | None]]] = {}  # searched rows: log-probabilities, shares
        self.searched: Found | None = None  # the results of the last searches
        self._policy: Any = None
        self._step = -1  # whose weights the policy has

    def sample(self, prompts: Sequence[str], seed: int, step: int, first: int = 0) -> dict[str, list[list]]:
        """One completion for every prompt, equal prompts side by side or not, as TRL's `rollout_func` returns them.

        A row's randomness depends on the seed, the step and its number in the step's batch, which begins at `first`:
        not on how many processes there are, nor (with the backend `transformers`) on whether the run was interrupted.
        Completion ids hold the end token; a completion without any token is given one, which is not learnt from
        (`env_mask`). `logprobs` are the model's own, at temperature 1 over the whole vocabulary. Rows that the search
        answers are noted in `found` and `searched`; they count in numbers of tokens like all others.
        """
        policy, sampling = self._update_policy(seed, step), self.rollouts.sampling
        settings = {"max_tokens": sampling.max_tokens, "temperature": float(sampling.temperature),
                    "top_p": sampling.top_p}  # fmt: skip
        seeds = [mix(seed, step, first + row) for row in range(len(prompts))]
        rule, group = self.rollouts.search, self.rollouts.num_generations
        searched = [row for row in range(len(prompts)) if rule.is_searched(first + row, group)]
        own = [row for row in range(len(prompts)) if row not in set(searched)]
        found = policy.generate([prompts[row] for row in own], 1, seeds=[seeds[row] for row in own], **settings)
        sampled = {row: (list(answer.ids), list(answer.logprobs)) for row, (answer,) in zip(own, found, strict=True)}
        self.found, self.searched = {}, None
        if searched:

            def reward(numbers: Sequence[int], texts: Sequence[str]) -> Sequence[float | None]:
                return self.reward([searched[number] for number in numbers], texts)

            asked = [prompts[row] for row in searched]
            own_seeds = [seeds[row] for row in searched]
            self.searched = search(policy, asked, reward, self.highest, own_seeds, rule, **settings)
            kept = zip(searched, self.searched.ids, self.searched.logprobs, self.searched.shares, strict=True)
            for row, ids, logprobs, shares in kept:
                sampled[row], self.found[row] = (ids, logprobs), (logprobs, shares)
        rows, end = [sampled[row] for row in range(len(prompts))], self.tokenizer.eos_token_id
        output = {
            "prompt_ids": self.tokenizer(list(prompts))["input_ids"],
            "completion_ids": [ids or [end] for ids, _ in rows],
            "logprobs": [logprobs or [0.0] for _, logprobs in rows],
        }
        if not all(ids for ids, _ in rows):
            output["env_mask"] = [[1] * len(ids) or [0] for ids, _ in rows]
        return output

    def _update_policy(self, seed: int, step: int) -> Any:
        """The policy, with the weights of this step."""
        if self._policy is None:
            self._policy = self._open(seed, step)
        elif step != self._step:
            self._policy.update(self.model)
        self._step = step
        return self._policy

    def _open(self, seed: int, step: int) -> Any:
        if self.rollouts.device:
            return ApartPolicy(self.model, self.tokenizer, device=self.rollouts.device)
        if self.rollouts.backend == "transformers":
            return TransformersPolicy(self.model, self.tokenizer)
        folder = tempfile.mkdtemp(prefix="game24lab-")  # each process has one of its own
        export = export_ctranslate2(self.model, f"{folder}/export", tokenizer=self.tokenizer)
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        device = "cuda" if self.model.device.type == "cuda" else "cpu"
        policy = CTranslate2Policy(export, self.tokenizer, device=device, seed=mix(seed, step, rank) % 2**31)
        weakref.finalize(policy, shutil.rmtree, folder, ignore_errors=True)
        return policy


def mix(*numbers: int) -> int:
    """A number below 2**62 from numbers, by hash: no two sequences share a stream by adding up to the same."""
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:8], "big") % 2**62


# Log-probabilities ----------------------------------------------------------------------------------------------------
def score(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, count: int, sampling: Sampling, *, cut_logits: bool = True
) -> torch.Tensor:
    """Log-probabilities of the last `count` tokens of each row under the distribution they were sampled from.

    That distribution is `softmax(logits / temperature)` within its nucleus; a sampled token always belongs to it (the
    sampler's rounding may differ from the trainer's). The nucleus is that of the weights as they are: right for the
    weights that have sampled. Differentiable.

    Args:
        model: a causal LM, or what wraps one.
        ids: (rows, length), prompts padded on the left, completions on the right.
        mask: (rows, length), 1 on tokens, 0 on padding.
        count: width of the completions.
        cut_logits: whether the model takes `logits_to_keep`.

    Returns float32 of shape (rows, count), undefined on padding. Rows are moved to begin at their first token, so that
    all padding is behind them, where a causal model does not see it: no attention mask is needed, and the fastest
    kernels can be used.
    """
    length = ids.shape[1]
    before = mask.argmax(1)  # padding on the left
    if bool(before.any()):
        ids = ids.gather(1, (torch.arange(length, device=ids.device) + before[:, None]) % length)
    used = int((length - mask.flip(1).argmax(1) - before).max())  # up to the last token of the longest row
    begin = length - count - int(before.max())  # no completion begins earlier
    ids = ids[:, : max(used, begin + 1)]
    wanted = ids[:, begin:]
    options = {"logits_to_keep": wanted.shape[1] + 1} if cut_logits else {}
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, **options).logits
    logits = logits[:, -wanted.shape[1] - 1 : -1].float()
    if sampling.temperature != 1:
        logits = logits / sampling.temperature
    if sampling.top_p < 1 or sampling.top_k:
        with torch.no_grad():
            kept = truncate(logits.softmax(-1).flatten(0, 1), sampling).view(logits.shape) > 0
            kept.scatter_(-1, wanted[..., None], True)
        logits = logits.masked_fill(~kept, -math.inf)
    found = -functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none").view(wanted.shape)
    if bool((before != before[0]).any()):
        places = (length - count - begin - before)[:, None] + torch.arange(count, device=ids.device)
        return found.gather(1, places.clamp(max=found.shape[1] - 1))
    return functional.pad(found, (0, count - found.shape[1]))


def takes_cut(model: PreTrainedModel) -> bool:
    """Whether a model computes only the last logits when asked to."""
    return "logits_to_keep" in inspect.signature(model.forward).parameters
