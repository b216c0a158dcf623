"""GGUF files, the weights of llama.cpp and its kin, turned into ordinary checkpoint folders.

transformers reads the architectures and takes the weights out of their blocks; here is only what it leaves undone: the
folder that it cannot write, and mistakes told in one line. It does not know what a checkpoint is used for.
"""

from __future__ import annotations

import copy
import importlib.util
import os
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel

from game24lab.models.checkpoints import be_quiet, complete_tokens, save_checkpoint
from game24lab.models.locations import require_gguf
from game24lab.runs.messages import condense

_MARK = b"GGUF"  # the first bytes of such a file


def convert_gguf(source: str | Path, output: str | Path) -> Path:
    """Write the model and tokenizer of a GGUF file, or of a folder that holds one, as a checkpoint folder; return it.

    Weights are float32 numbers, rounded as the file's blocks are; the chat template comes along. The folder appears
    complete or not at all, and one of that name stays as it is. ValueError in one line for no such file, one that is
    none or cut short, a folder that is there, an architecture that transformers does not read, and where the package
    gguf is missing.
    """
    output, file = Path(output), _find_marked(source)
    if output.exists():
        raise ValueError(f"folder {output}: is there already; choose another name")
    if importlib.util.find_spec("gguf") is None:
        raise ValueError(f"{file}: package gguf is missing, which reads it; pip install 'game24lab[real]'")
    where = {"gguf_file": file.name, "trust_remote_code": False}
    try:
        with be_quiet():
            tokenizer = AutoTokenizer.from_pretrained(str(file.parent), padding_side="left", **where)
            packed = AutoModelForCausalLM.from_pretrained(
                str(file.parent), dtype=torch.float32, quantization_config=GgufConfig(dequantize=True), **where
            )
    except Exception as error:  # whatever the reader of a damaged or unknown file raises
        raise ValueError(f"{file}: cannot be read as a model: {condense(error)}") from error
    model = _unpack(packed)
    complete_tokens(model, tokenizer)
    draft = output.parent / f".{output.name}.part"
    output.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(model, tokenizer, draft)
    os.replace(draft, output)
    return output


def _find_marked(source: str | Path) -> Path:
    file = require_gguf(source)
    with open(file, "rb") as opened:
        if opened.read(len(_MARK)) != _MARK:
            raise ValueError(f"{file}: is no GGUF file; it does not begin with {_MARK.decode()}")
    return file


def _unpack(packed: PreTrainedModel) -> PreTrainedModel:
    """The same weights in a model that knows nothing of the file, for transformers does not write the other one."""
    config: Any = copy.deepcopy(packed.config)
    for name in ("quantization_config", "_name_or_path"):
        if hasattr(config, name):
            delattr(config, name)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
    kept = packed.state_dict()
    missing = model.load_state_dict(kept, strict=False, assign=True).missing_keys
    model.tie_weights()
    for name, buffer in packed.named_buffers():  # those that are computed, not stored
        place, _, own = name.rpartition(".")
        model.get_submodule(place).register_buffer(own, buffer, persistent=name in kept)
    if missing and not config.tie_word_embeddings:
        raise ValueError(f"{type(model).__name__}: the file holds none of the weights {min(missing)}")
    return model
