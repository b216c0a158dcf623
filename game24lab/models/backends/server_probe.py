"""Whether an OpenAI-compatible server can stand in for a policy: asked once for each thing that a search needs of it.

It does not know how searches use a server.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from game24lab.models.backends.openai_policy import read_row
from game24lab.runs.messages import condense

SECONDS = 30.0  # for one answer
OK, UNUSED, MISSING = True, None, False


class Found(NamedTuple):
    """What was asked for, whether it is there (None: nothing depends on it), and what was seen."""

    name: str
    works: bool | None
    text: str


def examine_server(url: str, model: str | None = None) -> Iterator[Found]:
    """What a server serves, and whether its completions have token ids, log-probabilities, counts and seeds.

    `model` is the served name to ask; by default the first. The key is that of `OPENAI_API_KEY`. It ends at the first
    thing without which nothing else can be asked.
    """
    try:
        import openai
    except ImportError:
        yield Found("server", MISSING, "package openai is missing; pip install 'game24lab[server]'")
        return
    key = os.environ.get("OPENAI_API_KEY", "none")
    client = openai.OpenAI(base_url=url, api_key=key, timeout=SECONDS, max_retries=0)
    try:
        begin = time.perf_counter()
        served = [entry.id for entry in client.models.list()]
        waited = time.perf_counter() - begin
    except openai.OpenAIError as error:
        yield Found("server", MISSING, f"{url}: {condense(error)}")
        return
    if not served or (model is not None and model not in served):
        wanted = f"does not serve {model!r} but" if model is not None else "serves"
        yield Found("server", MISSING, f"{url}: {wanted} {', '.join(served) or 'no model'}")
        return
    yield Found("server", OK, f"{url} answers in {waited:.2f} s; serves {', '.join(served)}")
    try:
        answers = [_ask(client, model or served[0]) for _ in range(2)]
    except openai.OpenAIError as error:
        yield Found("completions", MISSING, f"of token ids: {condense(error)}")
        return
    if len(answers[0].choices) != 2:
        yield Found("completions", MISSING, f"{len(answers[0].choices)} came, 2 were asked for")
        return
    yield Found("completions", OK, "two samples of a prompt of token ids")
    try:  # with a limit of tokens nothing ends of itself, or at a token that would be any model's own
        rows = [[read_row(choice, _ANY, url) for choice in answer.choices] for answer in answers]
    except ValueError as error:
        yield Found("token ids", MISSING, condense(error))
        return
    yield Found("token ids", OK, "come back, so that tokens are counted exactly")
    yield from _compare(answers, rows)


_ANY = range(2**63)  # every token


def _ask(client: Any, model: str) -> Any:
    return client.completions.create(
        model=model, prompt=[1], n=2, max_tokens=4, temperature=1.0, seed=1, logprobs=0,
        extra_body={"return_tokens_as_token_ids": True},
    )  # fmt: skip


def _compare(answers: list[Any], rows: list[list[tuple[list[int], list[float]]]]) -> Iterator[Found]:
    """What two equal requests tell of log-probabilities, of the server's own count, and of seeds."""
    known = all(value is not None and value <= 0 for row in rows for _, values in row for value in values)
    yield Found("logprobs", OK if known else MISSING, "of every sampled token" if known else "some are missing")
    counted = [len(ids) for ids, _ in rows[0]]
    told = getattr(answers[0].usage, "completion_tokens", None)
    if told is None:
        yield Found("usage", UNUSED, "the server tells no count of its own")
    else:
        text = f"the server counts {told} sampled tokens, their ids are {sum(counted)}"
        yield Found("usage", OK if told == sum(counted) else MISSING, text)
    same = [sorted(ids for ids, _ in row) for row in rows]
    repeats = "an equal seed gives equal samples" if same[0] == same[1] else "an equal seed gave other samples: " \
        "runs will not repeat exactly"  # fmt: skip
    yield Found("seeds", OK if same[0] == same[1] else UNUSED, repeats)
