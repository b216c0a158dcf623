"""What a run would be, without running it: parameters, folders, shapes, and about how much memory and time it takes.

No model is loaded and no GPU needed: a shape is read from a checkpoint's config.json, or known by name. Memory is what
training must hold at once (weights, gradients, AdamW's states, activations, logits, keys and values); activations are
estimated, all else is counted. It does not know what a notebook computes.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from game24lab.models.locations import find_pretrained
from game24lab.models.tokenizer import make_tokenizer
from game24lab.runs.notebook import read_overrides
from game24lab.runs.project import find_project
from game24lab.scaling.beyond import PEAK, QWEN, REACHED
from game24lab.scaling.flops import Shape, count_training, make_shape, read_shape

# Notebook -> trainer, how its checkpoint is called, tokens of a text with its prompt where nothing says more (about)
_TRAINERS = {"03_sft": ("sft", "checkpoint", 60), "03_sft_chains": ("sft", "checkpoint", 600),
             "04_critic": ("critic", "policy", 60), "06_grpo": ("grpo", "policy", 60), "07_dpo": ("dpo", "policy", 300)}
_CONFIGS = {"sft": "SFTConfig", "critic": "CriticConfig", "grpo": "GRPOConfig", "dpo": "DPOConfig"}
_STORY = 300  # of a word problem with its solution
_STATES = 4 + 4 + 8  # bytes of a trained number: itself, its gradient and AdamW's two states, in float32
_SMALL = 4096  # words up to which logits of a whole batch are kept, see `training.sft`
_GIB = 2**30


@dataclass(frozen=True)
class Need:
    """Bytes that a training must hold at once, and its FLOPs."""

    weights: float  # of the model, in float32, with bfloat16 copies
    states: float  # gradients and AdamW's states of what is trained
    reference: float  # of a second model that stays as it is
    activations: float  # of one pass, about
    logits: float  # of one pass
    cache: float  # keys and values of answers that are sampled together
    flops: float

    @property
    def memory(self) -> float:
        """All of it; sampling and learning alternate."""
        return self.weights + self.states + self.reference + max(self.activations + self.logits, self.cache)


def examine(notebook: str, parameters: Mapping[str, Any], changed: Mapping[str, Any]) -> Iterator[str]:
    """What a run would be, line by line; ValueError for parameters that its trainer refuses.

    parameters: all of them; changed: those that differ from the notebook's defaults.
    """
    yield f"{notebook}: {', '.join(f'{name} {value!r}' for name, value in changed.items()) or 'all as by default'}"
    missing = [f"{name} {value}" for name, value in parameters.items() if _is_missing(name, value)]
    if missing:
        yield f"not there yet: {'; '.join(missing)}"
    config = make_config(notebook, parameters)
    if config is None:
        yield "no training: memory and time depend on the searches, and `trial` of 09_strategies measures these"
        return
    checkpoint, shape = _find_shape(notebook, parameters)
    if shape is None:
        yield f"shape: that of {checkpoint} is not known here; a folder, a model of the hub's cache, or one of " \
              f"{', '.join(QWEN)} is"  # fmt: skip
        return
    yield tell_shape(checkpoint, shape, tied=is_tied(checkpoint))
    yield from tell_need(measure_need(notebook, parameters, config, shape, tied=is_tied(checkpoint)))


def make_config(notebook: str, parameters: Mapping[str, Any]) -> Any:
    """The trainer's configuration, which checks the algebra of batches; None for a notebook without a training."""
    if notebook not in _TRAINERS:
        return None
    trainer, named, _ = _TRAINERS[notebook]
    checkpoint = parameters[named] or ("" if trainer == "sft" else str(find_pretrained("policy")))
    more = {"checkpoint": checkpoint, "policy": checkpoint}
    module = importlib.import_module(f"game24lab.training.{trainer}")
    kind = getattr(module, _CONFIGS[trainer])
    if trainer == "grpo":
        sampled = {one.name: parameters[one.name] for one in fields(module.Rollouts) if one.name in parameters}
        search = module.Searching(*(parameters[f"search_{name}"] for name in ("share", "enter", "look")))
        more["rollouts"] = module.Rollouts(**sampled, search=search, device=parameters["rollout_device"])
    known = {one.name for one in fields(kind)}
    return kind(**{name: value for name, value in {**parameters, **more}.items() if name in known})


def _is_missing(name: str, value: Any) -> bool:
    return isinstance(value, str) and value.startswith("runs/") and name != "output" and not Path(value).exists()


def _find_shape(notebook: str, parameters: Mapping[str, Any]) -> tuple[str, Shape | None]:
    """The name of the model that is trained, and its shape; None where nothing here knows it."""
    trainer, named, _ = _TRAINERS[notebook]
    checkpoint = parameters[named]
    if not checkpoint and trainer == "sft":
        words = "traces" if notebook.endswith("chains") else "problems" if parameters["task"] == "gsm8k" else "lines"
        return parameters["size"], make_shape(parameters["size"], len(make_tokenizer(words)))
    checkpoint = trace(checkpoint or str(find_pretrained("policy")))
    config = _read_config(checkpoint)
    known = QWEN.get(checkpoint.removesuffix("-Instruct"))
    return checkpoint, known if config is None else read_shape(config)


def trace(checkpoint: str) -> str:
    """Where a checkpoint begins that is not made yet: a run of a parameter set begins with what its file names."""
    path = Path(checkpoint)
    if path.is_dir() or path.name != "checkpoint" or len(path.parts) < 4 or path.parts[-4] != "runs":
        return checkpoint
    file = (find_project() or Path()) / "params" / path.parts[-3] / f"{path.parts[-2]}.yaml"
    if not file.is_file():
        return checkpoint
    values = read_overrides(file)
    return trace(values.get("checkpoint") or values.get("policy") or checkpoint) if values else checkpoint


def _read_config(checkpoint: str) -> dict[str, Any] | None:
    """The config.json of a folder, or of a model in the hub's cache; None where there is none."""
    from huggingface_hub import try_to_load_from_cache

    path = Path(checkpoint) / "config.json"
    if not path.is_file() and not checkpoint.startswith("runs/") and checkpoint.count("/") == 1:
        found = try_to_load_from_cache(checkpoint, "config.json")
        path = Path(found) if isinstance(found, str) else path
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def is_tied(checkpoint: str) -> bool:
    """Whether input and output share their embeddings, as far as that is known."""
    config = _read_config(checkpoint) if "/" in checkpoint else None
    return "-7B" not in checkpoint if config is None else bool(config.get("tie_word_embeddings"))


def count_parameters(shape: Shape, *, tied: bool) -> int:
    """Numbers in all matrices: those of the layers and the embeddings, without norms and biases."""
    return shape.matrices + shape.width * shape.vocabulary * (1 if tied else 2)


def count_adapters(shape: Shape, rank: int) -> int:
    """Numbers in adapters of a rank on all matrices of the layers."""
    queries, keys = shape.heads * shape.head_width, shape.key_heads * shape.head_width
    sides = 2 * (shape.width + queries) + 2 * (shape.width + keys) + 3 * (shape.width + shape.feed_forward)
    return shape.layers * rank * sides


def count_activations(shape: Shape) -> float:
    """Bytes that a token leaves in all layers for the backward pass, about: products in bfloat16, norms in float32."""
    queries, keys = shape.heads * shape.head_width, shape.key_heads * shape.head_width
    halves = 4 * shape.width + 3 * queries + 3 * keys + 4 * shape.feed_forward
    return shape.layers * (2.0 * halves + 4 * 4 * shape.width)


def measure_need(notebook: str, parameters: Mapping[str, Any], config: Any, shape: Shape, *, tied: bool) -> Need:
    """What a training must hold and compute, of texts of the usual length."""
    trainer, _, length = _TRAINERS[notebook]
    length = _STORY if parameters.get("task") == "gsm8k" else length
    whole = count_parameters(shape, tied=tied)
    trained = count_adapters(shape, config.lora_rank) if config.lora_rank else whole
    rows, passes, cache, logits, steps = 0.0, 1, 0.0, 0.0, getattr(config, "steps", 0)
    if trainer == "grpo":
        length += config.rollouts.max_completion_length
        rows, passes = config.mini_batch, config.rollouts.completions // config.mini_batch
        logits = 3.0 * 4 * rows * config.rollouts.max_completion_length * shape.vocabulary
        kept = 2 * shape.layers * shape.key_heads * shape.head_width * 4
        cache = float(kept * config.rollouts.completions * length)
    elif getattr(config, "batch_tokens", 0):
        passes = config.accumulation_steps
        rows = config.batch_tokens / passes / length
    else:
        passes = getattr(config, "accumulation_steps", 1)
        rows = config.batch_size / passes * (2 if trainer == "dpo" else 1)
    if trainer in ("sft", "dpo") and (shape.vocabulary <= _SMALL or trainer == "dpo"):
        logits = 3.0 * 4 * rows * length * shape.vocabulary
    reference = 4.0 * whole if trainer in ("dpo", "grpo") and not config.lora_rank and config.beta else 0.0
    forwards = 1 + (1 / 3 if trainer in ("dpo", "grpo") else 0)  # sampling, or the reference's side
    flops = steps * passes * rows * forwards * count_training(shape, [length], [length])
    return Need((4 + 2) * whole, (_STATES - 4) * trained, reference, rows * length * count_activations(shape), logits,
                cache, flops)  # fmt: skip


def tell_shape(name: str, shape: Shape, *, tied: bool) -> str:
    """A shape in a line."""
    whole = count_parameters(shape, tied=tied)
    return (f"{name}: {shape.layers} layers, width {shape.width}, {shape.heads} heads ({shape.key_heads} of keys), "
            f"{shape.vocabulary:,} words, {whole / 1e6:,.1f} million parameters")  # fmt: skip


def tell_need(need: Need) -> Iterator[str]:
    """Memory and time in lines."""
    parts = {"weights": need.weights, "gradients and AdamW": need.states, "reference": need.reference,
             "activations of a pass": need.activations, "logits of a pass": need.logits,
             "keys and values of samples": need.cache}  # fmt: skip
    yield f"memory, about {need.memory / _GIB:.1f} GiB on each device: " + ", ".join(
        f"{name} {value / _GIB:.1f}" for name, value in parts.items() if value)
    if need.flops:
        hours = need.flops / (REACHED * PEAK) / 3600
        yield f"training, about {need.flops:.1e} FLOPs: {hours:.2g} hours of an H100 at {REACHED:.0%} of its peak"
