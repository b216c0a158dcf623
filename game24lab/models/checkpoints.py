"""Checkpoints: from-scratch presets, loading and saving.

A checkpoint is a folder in the Hugging Face format (config, safetensors, tokenizer) of any causal language model; hub
ids are taken too. This module does not know training or generation.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.utils import logging

from game24lab.models.hub import check_hub
from game24lab.models.locations import check_location, find_pretrained
from game24lab.models.policy import count_parameters
from game24lab.models.sizes import PRESETS, read_size
from game24lab.models.vocabulary import check_vocabulary
from game24lab.runs.messages import condense

__all__ = ["PRESETS", "be_quiet", "check_checkpoint", "check_policy", "check_tokens", "check_vocabulary",
           "complete_tokens", "count_parameters", "find_pretrained", "hide_bars", "load_checkpoint", "load_trainable",
           "make_model", "save_checkpoint"]  # fmt: skip

# Models with another head: with tied embeddings no weight would seem to be missing.
_SILENT = tuple(f"For{work}" for work in ("SequenceClassification", "TokenClassification", "MultipleChoice",
                                          "QuestionAnswering", "MaskedLM"))  # fmt: skip


def make_model(size: str, tokenizer: PreTrainedTokenizerBase, *, seed: int = 0, window: int = 4096) -> PreTrainedModel:
    """A fresh Qwen3-type decoder of a size, see `models.sizes.read_size`. Raises ValueError for an unknown size."""
    preset = read_size(size)
    config = Qwen3Config(
        vocab_size=-(-len(tokenizer) // 8) * 8,  # rounded up: aligned matrices are faster
        hidden_size=preset["width"],
        intermediate_size=preset["feed_forward"],
        num_hidden_layers=preset["layers"],
        num_attention_heads=preset["heads"],
        num_key_value_heads=1,
        head_dim=preset["width"] // preset["heads"],
        max_position_embeddings=window,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(config)


def load_checkpoint(
    name: str | Path, *, dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of a checkpoint folder or hub id; safetensors only, no remote code.

    Raises ValueError in one line that says what is missing or broken, and where.
    """
    check_location(name)
    check_hub(name)
    if Path(name).is_dir():
        check_policy(Path(name))
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(name), trust_remote_code=False, padding_side="left")
        with hide_bars(name):
            model, loading = AutoModelForCausalLM.from_pretrained(
                str(name), dtype=dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ValueError(f"checkpoint {name}: cannot be loaded: {condense(error)}") from error
    if loading["missing_keys"]:
        raise ValueError(f"checkpoint {name}: it must be a whole causal language model, got none of the "
                         f"weights {min(loading['missing_keys'])}")  # fmt: skip
    complete_tokens(model, tokenizer)
    return model, tokenizer


@contextlib.contextmanager
def hide_bars(name: str | Path) -> Iterator[None]:
    """No bar within the block for reading the weights of a folder, which takes a moment; a download keeps its own."""
    hidden = Path(name).is_dir() and logging.is_progress_bar_enabled()
    if hidden:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if hidden:
            logging.enable_progress_bar()


@contextlib.contextmanager
def be_quiet() -> Iterator[None]:
    """Silence the warnings of transformers within the block, where they are expected, such as of a new head."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


def complete_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a tokenizer that names no end token the one that its model names, and one without a pad token its end token.

    A token without an embedding in the model counts as not named. What neither names stays None.
    """
    rows = model.get_input_embeddings().num_embeddings
    if tokenizer.eos_token_id is None or tokenizer.eos_token_id >= rows:
        sources = (getattr(model, "generation_config", None), model.config.get_text_config())
        named = [getattr(source, "eos_token_id", None) for source in sources]
        ids = [one for some in named for one in (some if isinstance(some, list) else [some]) if one is not None]
        tokens = [tokenizer.convert_ids_to_tokens(one) for one in ids if 0 <= one < min(rows, len(tokenizer))]
        tokenizer.eos_token = tokens[0] if tokens else None
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= rows:
        tokenizer.pad_token = tokenizer.eos_token


def load_trainable(name: str | Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """As `load_checkpoint`, for training; ValueError too where there is no end token."""
    model, tokenizer = load_checkpoint(name)
    check_tokens(tokenizer, name)
    return model, tokenizer


def check_tokens(tokenizer: PreTrainedTokenizerBase, name: str | Path) -> None:
    """Raise ValueError unless a tokenizer has an end token and a pad token, both of which training needs."""
    for what, token in (("end", "eos_token"), ("pad", "pad_token")):
        if getattr(tokenizer, f"{token}_id") is None:
            raise ValueError(f"checkpoint {name}: it names no {what} token, which training needs; set {token!r} in its "
                             "tokenizer_config.json")  # fmt: skip


def check_checkpoint(folder: Path) -> None:
    """Raise ValueError where a checkpoint folder misses a part or a safetensors file is cut short."""
    if not (folder / "config.json").exists():
        raise ValueError(f"checkpoint {folder}: config.json is missing; a Hugging Face model folder is needed")
    if not any((folder / name).exists() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        raise ValueError(f"checkpoint {folder}: no tokenizer (tokenizer.json); save it into the same folder")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ValueError(f"checkpoint {folder}: no *.safetensors file; other weight formats are not loaded")
    for path in weights:
        try:
            with safe_open(path, framework="pt") as file:
                file.keys()
        except Exception as error:  # safetensors raises its own type, by design not importable on all versions
            raise ValueError(f"checkpoint {path}: damaged or cut short ({condense(error)})") from error


def check_policy(folder: Path) -> None:
    """Raise ValueError as `check_checkpoint` does, and where the model is one that writes no text, such as a critic, or
    needs code of its own."""
    check_checkpoint(folder)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        names, own = config.get("architectures") or [], config.get("auto_map")
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"checkpoint {folder}: config.json is broken ({condense(error)})") from error
    if isinstance(own, dict) and own and config.get("model_type") not in CONFIG_MAPPING_NAMES:
        code = str(own.get("AutoModelForCausalLM") or next(iter(own.values())))
        raise ValueError(f"checkpoint {folder}: it needs code of its own ({code}), which is not run; models that "
                         "transformers itself knows need none")  # fmt: skip
    for name in names:
        if str(name).endswith(_SILENT):
            what = "a critic" if str(name).endswith("SequenceClassification") else "no language model"
            raise ValueError(f"checkpoint {folder}: must be a policy, a causal language model, got {what} "
                             f"({name})")  # fmt: skip


def save_checkpoint(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path,
    weights: Mapping[str, torch.Tensor] | None = None,
) -> None:  # fmt: skip
    """Write model and tokenizer as float32 safetensors; an older folder of that name is replaced.

    `weights` go in the place of the model's own, of which a process may hold a part only.
    """
    shutil.rmtree(folder, ignore_errors=True)
    model.config.use_cache = True
    if weights is not None:  # gathered from several processes, tied ones are no longer one tensor
        tied = getattr(model, "all_tied_weights_keys", None) or {}
        weights = {name: tensor for name, tensor in weights.items() if name not in tied}
    model.save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)

