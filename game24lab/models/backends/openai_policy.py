"""The backend `server`: a model behind an OpenAI-compatible completions server, such as vLLM.

Prompts travel as token ids and completions come back as token ids, so counts are exact; a server that does not send ids
is refused. This module does not know of texts, nor how a server is started.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from transformers import PreTrainedTokenizerBase

from game24lab.models.policy import Card, Job, Row, Sampling, TextPolicy, decode_texts
from game24lab.runs.messages import condense

TOKEN = "token_id:"  # how vLLM writes a token under `return_tokens_as_token_ids`


class ServerPolicy(TextPolicy):
    """A served model. Its log-probabilities are the model's own where the server reports raw ones (vLLM's default)."""

    name = "server"
    seeding = "a prompt's seed is sent along; what it fixes is the server's word"

    def __init__(
        self, url: str, model: str, tokenizer: PreTrainedTokenizerBase, card: Card, *, concurrent: int = 64,
        timeout: float = 600.0, reason: str = "asked for",
    ) -> None:  # fmt: skip
        """Connect; `model` is the name it is served by. Raises ConnectionError, and ValueError for an unknown name."""
        try:
            import openai
        except ImportError as error:
            raise ValueError("backend 'server': package openai is missing; pip install 'game24lab[server]'") from error
        super().__init__(tokenizer, card, url, "the server's", reason)
        self._error, self.concurrent = openai.OpenAIError, concurrent
        key = os.environ.get("OPENAI_API_KEY", "none")
        self._client = openai.OpenAI(base_url=url, api_key=key, timeout=timeout, max_retries=3)
        served = [entry.id for entry in self._ask(self._client.models.list)]
        if model not in served:
            raise ValueError(f"server {url}: does not serve {model!r} but {', '.join(served) or 'nothing'}")
        self.model = model

    @property
    def manifest(self) -> dict[str, Any]:
        """As the other backends', with the name of the served model."""
        return {**super().manifest, "model": self.model}

    def _ask(self, call, **options: Any) -> Any:
        try:
            return call(**options)
        except self._error as error:
            line = condense(error)
            told = "; its key stands in OPENAI_API_KEY" if getattr(error, "status_code", None) in (401, 403) else ""
            raise ConnectionError(f"server {self.device}: {line}{told}") from error

    def _sample(self, jobs: list[Job], sampling: Sampling, stops: frozenset[int], stop_line: bool) -> list[list[Row]]:
        # one request for each prompt and seed; the server batches
        asked = [
            (index, seed, len(list(rows)))
            for index, job in enumerate(jobs)
            for seed, rows in itertools.groupby(job.keys, key=lambda key: key[0])
        ]
        results: list[list[Row]] = [[] for _ in jobs]
        if not asked:
            return results
        with ThreadPoolExecutor(min(self.concurrent, len(asked))) as pool:
            found = [
                pool.submit(self._request, jobs[index], seed, count, sampling, stops, stop_line)
                for index, seed, count in asked
            ]
            for (index, _, _), future in zip(asked, found, strict=True):
                results[index] += future.result()
        return results

    def _request(
        self, job: Job, seed: int, n: int, sampling: Sampling, stops: frozenset[int], stop_line: bool
    ) -> list[Row]:
        answer = self._ask(
            self._client.completions.create,
            model=self.model,
            prompt=list(job.ids),
            n=n,
            max_tokens=job.limit,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=seed % 2**63,
            logprobs=0,  # of the sampled tokens alone
            stop=["\n"] if stop_line else None,
            extra_body={"top_k": sampling.top_k or -1, "return_tokens_as_token_ids": True},
        )
        if len(answer.choices) != n:
            raise ValueError(f"server {self.device}: {len(answer.choices)} completions came, {n} were asked for")
        choices = sorted(answer.choices, key=lambda choice: choice.index)
        rows = [read_row(choice, stops, self.device) for choice in choices]
        self._check_spelling([(choice.text, ids) for choice, (ids, _) in zip(choices, rows, strict=True)], stop_line)
        return rows

    def _check_spelling(self, said: Sequence[tuple[str, list[int]]], stop_line: bool) -> None:
        """ValueError unless the tokens that came mean here what they mean to the server."""
        why = "it serves another model, or one with another tokenizer"
        for _, ids in said:
            if ids and max(ids) >= self.card.vocabulary:
                raise ValueError(f"server {self.device}: sends token {max(ids)}, and {self.model} has "
                                 f"{self.card.vocabulary}; {why}")  # fmt: skip
        spelled = [decode_texts(self.tokenizer, [ids for _, ids in said], special=special) for special in (False, True)]
        for (theirs, _), *ours in zip(said, *spelled, strict=True):
            ours = [one.split("\n", 1)[0] if stop_line else one for one in ours]
            if theirs and _squeeze(theirs) not in map(_squeeze, ours) and "\ufffd" not in theirs + ours[0]:
                raise ValueError(f"server {self.device}: what it calls {theirs[:40]!r} are the tokens of "
                                 f"{ours[0][:40]!r} in {self.model}; {why}")  # fmt: skip


def _squeeze(text: str) -> str:
    """A text without white space, which tokenizers and servers trim in ways of their own."""
    return "".join(text.split())


def read_row(choice: Any, stops: Container[int], url: str) -> Row:
    """Token ids and log-probabilities of one choice of an answer; ValueError where counts could not be exact."""
    tokens: Sequence[str] = (choice.logprobs and choice.logprobs.tokens) or ()
    numbers = [token.removeprefix(TOKEN) for token in tokens]
    if not tokens or not all(token.startswith(TOKEN) for token in tokens) or not all(map(str.isdecimal, numbers)):
        raise ValueError(f"server {url}: sends no token ids; vLLM's `return_tokens_as_token_ids` is needed")
    ids = [int(number) for number in numbers]
    if choice.finish_reason == "stop" and ids[-1] not in stops:
        raise ValueError(f"server {url}: leaves out end tokens, so that counts would be wrong")
    return ids, choice.logprobs.token_logprobs
