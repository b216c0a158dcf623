"""Export of causal LM checkpoints to CTranslate2, and the cache that keeps such exports.

Any model that CTranslate2 has a loader for can be exported, from a folder or from memory, also while it is training:
the export shares the parameters and changes nothing. This module does not know of prompts, sampling or backends.
"""

from __future__ import annotations

import atexit
import contextlib
import copy
import hashlib
import json
import os
import shutil
import tempfile
import types
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import torch
from ctranslate2.converters import transformers as converters
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from game24lab.models.checkpoints import check_policy, load_checkpoint
from game24lab.models.locations import EXPORT
from game24lab.models.policy import Card, describe
from game24lab.runs.checks import require_one_of

_VERSION = 1
_KEPT = 24  # exports in the cache; the least recently used go first
TYPES = ("float32", "float16", "bfloat16", "int8")
_HALF = 0.5  # nats by which log-probabilities of a right export may differ where weights have fewer bits
_HASHED = 256 * 2**20  # bytes of a weight file up to which its content is hashed; beyond, its size and time


def is_exportable(config: Any) -> bool:
    """Whether CTranslate2 has a loader for models of this configuration, and computes what they compute.

    It has loaders for models with attention windows and capped logits, but runs these without caps, and with windows
    only as long as a prompt is shorter.
    """
    text = config.get_text_config(decoder=True)
    windowed = ["sliding_attention"] if getattr(text, "sliding_window", None) else []
    kinds = set(getattr(text, "layer_types", None) or windowed)
    capped = [getattr(text, name, None) for name in ("attn_logit_softcapping", "final_logit_softcapping")]
    return type(config).__name__ in converters._MODEL_LOADERS and kinds <= {"full_attention"} and not any(capped)


def export_ctranslate2(
    model: PreTrainedModel | str | Path, output: str | Path, *, tokenizer: PreTrainedTokenizerBase | None = None,
    compute_type: str | None = None, check: bool = True,
) -> Path:  # fmt: skip
    """Write a model, or the checkpoint of a folder or hub id, as a CTranslate2 model folder and return its path.

    Weights keep their type unless `compute_type` names another of `TYPES` for the file; CTranslate2 converts them once
    more when it loads them, if it is asked to. The tokenizer of a named checkpoint is copied, so that `load_policy`
    opens the folder; with a model in memory `tokenizer` is needed. The folder appears complete or not at all; an older
    one of that name is replaced. Special tokens that the tokenizer lacks (a null one would crash CTranslate2) are named
    after its end token, ids without a token `<extra_id_N>`. With `check` the export is run once beside the model.
    Raises ValueError for a broken checkpoint, an architecture that CTranslate2 does not run, unmerged adapters, and an
    export that computes something else.
    """
    if compute_type is not None:
        require_one_of("compute_type", compute_type, TYPES)
    named = not isinstance(model, torch.nn.Module)
    if named:
        model, tokenizer = load_checkpoint(model, dtype="auto")
    elif tokenizer is None:
        raise ValueError("tokenizer must be that of the model in memory, got None")
    spec = _build_spec(model, tokenizer, compute_type)
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    try:
        spec.save(str(draft))
        card = {"version": _VERSION, **asdict(describe(model, tokenizer))}
        (draft / EXPORT).write_text(json.dumps(card, indent=1))
        if named:  # else whoever holds the model holds its tokenizer too, and exports it at every step
            tokenizer.save_pretrained(draft)
        if check:
            _compare(model, draft, 0.01 if compute_type in (None, "float32") else _HALF)
        draft.chmod(0o755)
        _replace(draft, output)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return output


def find_export(folder: str | Path) -> Path:
    """The CTranslate2 export of a checkpoint folder, made now where the cache does not hold it.

    The cache lies in `$GAME24LAB_CACHE`, else in the user's cache folder, never in the checkpoint, which may be
    read-only; where nothing can be written there, the export lives in a temporary folder until the process ends.
    """
    folder = Path(folder)
    check_policy(folder)
    name = _fingerprint(folder)
    root = _cache()
    if root is None:
        root = Path(tempfile.mkdtemp(prefix="game24lab-"))
        atexit.register(shutil.rmtree, root, ignore_errors=True)
    export = root / name
    if not (export / EXPORT).exists():
        export_ctranslate2(folder, export)
        _prune(root, spare=export)
    with contextlib.suppress(OSError):
        os.utime(export)
    return export


def read_card(export: str | Path) -> Card:
    """What `export_ctranslate2` noted of the model; ValueError for any other folder."""
    try:
        card = json.loads((Path(export) / EXPORT).read_text())
        if card.pop("version") == _VERSION:
            return Card(**{name: tuple(value) if name == "ends" else value for name, value in card.items()})
        problem = "of another version"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        problem = "missing or damaged"
    raise ValueError(f"export {export}: {EXPORT} is {problem}; export the checkpoint again")


def _build_spec(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, compute_type: str | None) -> Any:
    if hasattr(model, "peft_config") or getattr(model, "_hf_peft_config_loaded", False):
        raise ValueError("model with adapters: merge them first (merge_and_unload), then export")
    if not is_exportable(model.config):
        raise ValueError(f"{type(model.config).__name__}: no such model in CTranslate2; backend 'transformers' has it")
    loader = converters._MODEL_LOADERS[type(model.config).__name__]
    # another type for the file would be written into the shared parameters
    shell = _share(model) if compute_type is None else copy.deepcopy(model)
    with torch.no_grad(), _no_collection():
        spec = loader.get_model_spec(shell)
        names = _name_tokens(tokenizer, shell.get_input_embeddings().weight.shape[0])
        loader.set_config(spec.config, shell, tokenizer)
        end = tokenizer.eos_token_id or 0
        for token, given in (("bos", tokenizer.bos_token_id), ("eos", end), ("unk", tokenizer.unk_token_id)):
            setattr(spec.config, f"{token}_token", names[end if given is None or given >= len(names) else given])
        spec.register_vocabulary(names)
        spec.validate()
        spec.optimize(quantization=compute_type)
    return spec


def load_generator(export: Path, **options: Any) -> ctranslate2.Generator:
    """A generator of an export. Building one changes torch's number of threads; here that is put back."""
    threads = torch.get_num_threads()
    try:
        return ctranslate2.Generator(str(export), **options)
    finally:
        torch.set_num_threads(threads)


@torch.inference_mode()
def _compare(model: PreTrainedModel, export: Path, rounding: float) -> None:
    """ValueError unless the export gives the model's own log-probabilities on a few tokens."""
    ids = [number * 7919 % model.get_input_embeddings().weight.shape[0] for number in range(1, 9)]
    training = model.training
    live = torch.log_softmax(model.eval()(torch.tensor([ids], device=model.device)).logits[0].float(), -1).cpu()
    model.train(training)
    generator = load_generator(export, compute_type="float32", intra_threads=1)
    other = torch.from_numpy(np.array(generator.forward_batch([ids], return_log_probs=True)))[0]
    gap = (live - other)[live > -12].abs().max().item()
    if not gap < max(rounding, 0.01 if model.dtype == torch.float32 else _HALF):
        name = type(model.config).__name__
        raise ValueError(f"{name}: CTranslate2 computes something else (log-probabilities differ by {gap:.3g}); "
                         "backend 'transformers' is right")  # fmt: skip


def _share(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of the modules around the same parameters: CTranslate2's loaders take the modules apart."""
    memo = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, memo)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the loaders from collecting garbage after every layer: it takes nearly all the time of a small export."""
    real = converters.gc
    converters.gc = types.SimpleNamespace(collect=lambda: 0)
    try:
        yield
    finally:
        converters.gc = real


def _name_tokens(tokenizer: PreTrainedTokenizerBase, size: int) -> list[str]:
    """The token of every id below `size`, all different; ids without one get a name of their own."""
    named: dict[str, None] = {}
    known = tokenizer.convert_ids_to_tokens(list(range(min(size, len(tokenizer)))))
    for index in range(size):
        name = known[index] if index < len(known) else None
        while name is None or name in named:
            name = f"<extra_id_{index}>" if name is None else f"<{name}>"
        named[name] = None
    return list(named)


def _replace(draft: Path, output: Path) -> None:
    """Put a finished folder in its place. Where another process is as far, its equal folder may stay."""
    if output.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
        with contextlib.suppress(FileNotFoundError):
            os.rename(output, old / "old")
        shutil.rmtree(old, ignore_errors=True)
    try:
        os.rename(draft, output)
    except OSError:
        if not (output / EXPORT).exists():
            raise


def _fingerprint(folder: Path) -> str:
    """A name that changes whenever the checkpoint or CTranslate2's format does."""
    digest = hashlib.sha256(f"{_VERSION} {ctranslate2.__version__}".encode())
    for path in sorted((*folder.glob("*.safetensors"), *folder.glob("*.json"), *folder.glob("*.model"))):
        status = path.stat()
        digest.update(f"{path.name} {status.st_size} ".encode())
        if status.st_size <= _HASHED:
            digest.update(path.read_bytes())
        else:
            digest.update(f"{path.resolve()} {status.st_mtime_ns}".encode())
    return digest.hexdigest()[:32]


def _cache() -> Path | None:
    """The folder of cached exports, made where it is missing; None where it cannot be written."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        root = Path(os.environ.get("GAME24LAB_CACHE") or Path(base) / "game24lab") / "ctranslate2"
        root.mkdir(parents=True, exist_ok=True)
        return root if os.access(root, os.W_OK) else None
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        return None


def _prune(root: Path, spare: Path) -> None:
    exports = [path for path in root.iterdir() if path != spare and not path.name.startswith(".")]
    with contextlib.suppress(OSError):
        exports.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in exports[_KEPT - 1 :]:
            shutil.rmtree(path, ignore_errors=True)
