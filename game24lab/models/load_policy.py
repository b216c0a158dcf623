"""Opens the policy of a checkpoint on a backend: completions with exact token counts and log-probabilities.

`load_policy` gives a policy on one of three backends that return the same thing: `ctranslate2`, `transformers` and
`server` (an OpenAI-compatible server such as vLLM). `Completion.logprobs` are in every backend the model's own: at
temperature 1 over the whole vocabulary, however the tokens were sampled. This module chooses backends; it does not
know how they work, nor of tasks, search or training.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedTokenizerBase,
)

from game24lab.models.backends.ctranslate2_export import find_export, is_exportable
from game24lab.models.backends.ctranslate2_policy import CTranslate2Policy
from game24lab.models.backends.llama_step import is_plain
from game24lab.models.backends.openai_policy import ServerPolicy
from game24lab.models.backends.transformers_policy import TransformersPolicy
from game24lab.models.checkpoints import check_policy, load_checkpoint
from game24lab.models.hub import check_hub
from game24lab.models.locations import BACKENDS, check_location, is_export
from game24lab.models.policy import Card, Completion, Policy, Sampling, TextPolicy, describe
from game24lab.runs.checks import require, require_one_of
from game24lab.runs.messages import condense

__all__ = ["BACKENDS", "CTranslate2Policy", "Completion", "Policy", "Sampling", "ServerPolicy", "TransformersPolicy",
           "load_policy"]  # fmt: skip

_WORKS = ("lines", "traces")
_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_policy(
    checkpoint: str | Path, *, backend: str = "auto", device: str = "auto", compute_type: str = "auto",
    work: str = "lines", seed: int | None = None, url: str | None = None, max_batch_tokens: int | None = None,
) -> TextPolicy:  # fmt: skip
    """The policy of a checkpoint folder, a hub id, or a folder that `game24lab export` wrote.

    backend: "auto" takes the fastest for the work; the policy's `reason` says which and why. A failure never switches
        to another one.
    device: "cpu", "cuda", or "auto", the GPU where there is one.
    compute_type: a type of the backend, e.g. "float32", "bfloat16", "int8"; "auto": float32 on a CPU, else the best
        half type.
    work: "lines" (many short completions) or "traces" (long ones).
    seed: of CTranslate2's random streams; the other backends take seeds with each call.
    url: of the server, e.g. `http://localhost:8000/v1`; `checkpoint` is then the name that is served, and where the
        tokenizer is read from.

    Raises ValueError in one line for an option that does not exist here or a broken checkpoint, ConnectionError for a
    server that does not answer.
    """
    for name, value, known in (
        ("backend", backend, BACKENDS), ("device", device, ("auto", "cpu", "cuda")), ("work", work, _WORKS)
    ):  # fmt: skip
        require_one_of(name, value, known)
    url = url or None  # notebooks have texts alone
    if max_batch_tokens is not None:
        require("max_batch_tokens", max_batch_tokens, int, 1)
    if (backend == "server" and url is None) or (url is not None and backend not in ("auto", "server")):
        raise ValueError(f"url must be given with the backend 'server' and with no other, got {url!r} for {backend!r}")
    check_location(checkpoint)
    check_hub(checkpoint)
    if url is not None:
        return ServerPolicy(url, str(checkpoint), *_read_outline(checkpoint))
    exported = is_export(checkpoint)
    if exported and backend not in ("auto", "ctranslate2"):
        raise ValueError(f"backend must be 'ctranslate2' for {checkpoint}, an export to it, got {backend!r}")
    if Path(checkpoint).is_dir() and not exported:
        check_policy(Path(checkpoint))
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device must be 'cpu' or 'auto' without a GPU that torch can use, got 'cuda'")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    reason = "asked for"
    if exported:
        backend, reason = "ctranslate2", "an export to it"
    elif backend == "auto":
        backend, reason = _choose_backend(checkpoint, device, work)
    if backend == "ctranslate2":
        folder = _find_folder(checkpoint)
        options = {"device": device, "compute_type": compute_type, "seed": seed, "max_batch_tokens": max_batch_tokens}
        export = folder if exported else find_export(folder)
        return CTranslate2Policy(export, _load_tokenizer(folder), reason=reason, **options)
    model, tokenizer = load_checkpoint(checkpoint, dtype=_choose_type(compute_type, device))
    options = {"reason": reason, "max_batch_tokens": max_batch_tokens, "frozen": True}
    return TransformersPolicy(model.to(device), tokenizer, **options)


def _choose_backend(checkpoint: str | Path, device: str, work: str) -> tuple[str, str]:
    """The faster backend for the work, and why.

    Our decoding of plain decoders overtakes CTranslate2 at about 50 rows a batch and stays ahead (long traces: several
    times, as CTranslate2 copies its key-value cache at every token); of fewer rows CTranslate2 makes lines up to three
    times as fast. Searches ask in hundreds, and need seeds that one can count on, so rows decide for few models only.
    """
    if device == "cuda":
        return "transformers", "auto: on a GPU"
    config = _read_config(checkpoint)
    if is_plain(config):
        return "transformers", "auto: a plain decoder on a CPU, fastest in batches, and each prompt has its seed"
    if work == "traces":
        return "transformers", "auto: long traces on a CPU, where its preallocated key-value cache is fastest"
    if is_exportable(config):
        return "ctranslate2", "auto: short lines on a CPU"
    return "transformers", f"auto: CTranslate2 does not run {type(config).__name__} models"


def _choose_type(compute_type: str, device: str) -> torch.dtype:
    if compute_type == "auto":
        half = torch.bfloat16 if device == "cuda" and torch.cuda.is_bf16_supported() else torch.float16
        return half if device == "cuda" else torch.float32
    require_one_of("compute_type", compute_type, ("auto", *_TYPES))
    return _TYPES[compute_type]


def _find_folder(checkpoint: str | Path) -> Path:
    """The folder of a checkpoint; a hub id is downloaded (safetensors only) or found in the hub's cache."""
    if Path(checkpoint).exists():
        return Path(checkpoint)
    try:
        wanted = ["*.json", "*.safetensors", "*.model", "*.txt"]
        return Path(snapshot_download(str(checkpoint), allow_patterns=wanted))
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"checkpoint {checkpoint}: no such folder, nor found on the hub: {condense(error)}") from error


def _load_tokenizer(checkpoint: str | Path) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(str(checkpoint), trust_remote_code=False)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ValueError(f"checkpoint {checkpoint}: its tokenizer cannot be loaded: {condense(error)}") from error


def _read_config(checkpoint: str | Path) -> PretrainedConfig:
    try:
        return AutoConfig.from_pretrained(str(checkpoint), trust_remote_code=False)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ValueError(f"checkpoint {checkpoint}: its config.json cannot be read: {condense(error)}") from error


def _read_outline(checkpoint: str | Path) -> tuple[PreTrainedTokenizerBase, Card]:
    """Tokenizer and card of a checkpoint whose weights are elsewhere."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(_read_config(checkpoint), trust_remote_code=False)
    with contextlib.suppress(OSError):  # where there is none, the configuration's own end token is all
        model.generation_config = GenerationConfig.from_pretrained(str(checkpoint))
    tokenizer = _load_tokenizer(checkpoint)
    return tokenizer, describe(model, tokenizer)

