"""The critic: a language model's trunk with a value head that scores texts.

Scores are values in [-1, 1], read as 2 P(solved) - 1. A critic checkpoint is a sequence-classification folder of one
label; its logit z means P(solved) = sigmoid(z). This module does not know of tasks, search or how a critic is trained.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from game24lab.models.locations import check_folder
from game24lab.models.plain_decoder import CRITIC, fits, load_plain
from game24lab.models.policy import count_parameters
from game24lab.runs.checks import require_one_of
from game24lab.runs.messages import condense

if TYPE_CHECKING:  # a critic that was trained here can do without them
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

READS = ("positions", "chains")  # texts that a critic was trained on: positions alone, or whole chains of lines too


class Critic(Protocol):
    """A critic as search and evaluation use it."""

    parameters: int  # non-embedding parameters, for FLOPs
    name: str
    reads: str  # one of READS

    def count(self, text: str) -> int:
        """Tokens that scoring this text forwards."""

    def score(self, texts: Sequence[str]) -> list[float]:
        """One value in [-1, 1] a text."""


class TransformersCritic:
    """Scores texts with transformers, in batches of equal length."""

    name = "transformers"
    reads = READS[0]

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, batch_tokens: int = 32_768
    ) -> None:
        self.model, self.tokenizer, self.batch_tokens = model.eval(), tokenizer, batch_tokens
        self.parameters = count_parameters(model)

    def count(self, text: str) -> int:
        """Tokens of the text."""
        return len(self.tokenizer(text)["input_ids"])

    def score(self, texts: Sequence[str]) -> list[float]:
        """Values, shape (texts,)."""
        logits = np.empty(len(texts))
        for indices, ids in _batches(self.tokenizer, texts, self.batch_tokens):
            with torch.inference_mode():
                logits[indices] = self._forward(ids)
        return np.tanh(logits / 2).tolist()

    def _forward(self, ids: np.ndarray) -> np.ndarray:
        # the trunk and the head by hand: the model's own forward computes the head at every position
        hidden = self.model.base_model(input_ids=torch.from_numpy(ids).to(self.model.device), use_cache=False)
        return self.model.score(hidden.last_hidden_state[:, -1]).float().squeeze(-1).cpu().numpy()


def _batches(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], batch_tokens: int):
    """Token ids of texts of one length at a time, (indices, ids of shape (batch, length)): no padding anywhere."""
    by_length: dict[int, list[int]] = {}
    encoded = tokenizer(list(texts))["input_ids"] if texts else []
    for index, ids in enumerate(encoded):
        if not ids:
            raise ValueError(f"text {index} to score must not be empty")
        by_length.setdefault(len(ids), []).append(index)
    for length, members in by_length.items():
        size = max(1, batch_tokens // length)
        for start in range(0, len(members), size):
            indices = members[start : start + size]
            yield indices, np.array([encoded[i] for i in indices], dtype=np.int64)


class CTranslate2Critic:
    """Scores texts with CTranslate2: the value head takes the place of the output layer, as the logit of token 0."""

    name = "ctranslate2"
    reads = READS[0]

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, compute_type: str = "auto",
        batch_tokens: int = 32_768,
    ) -> None:  # fmt: skip
        import ctranslate2

        from game24lab.models.backends.ctranslate2_export import export_ctranslate2

        supported = ctranslate2.get_supported_compute_types("cpu")
        # int8 would be faster, but moves a logit by up to a half; float32 agrees to 1e-4
        compute_type = "float32" if compute_type == "auto" else compute_type
        if compute_type not in supported:
            known = ", ".join(sorted(supported))
            raise ValueError(f"compute_type must be auto or one of {known}, got {compute_type!r}")
        self.tokenizer, self.batch_tokens = tokenizer, batch_tokens
        self.parameters = count_parameters(model)
        threads = torch.get_num_threads()
        with tempfile.TemporaryDirectory(prefix="game24lab-") as folder:
            export_ctranslate2(_as_language_model(model), folder + "/critic", tokenizer=tokenizer)
            self.generator = ctranslate2.Generator(
                folder + "/critic", compute_type=compute_type, intra_threads=threads
            )
        torch.set_num_threads(threads)  # building a generator changes it

    def count(self, text: str) -> int:
        """Tokens of the text."""
        return len(self.tokenizer(text)["input_ids"])

    def score(self, texts: Sequence[str]) -> list[float]:
        """Values, shape (texts,)."""
        import ctranslate2

        logits = np.empty(len(texts))
        for indices, ids in _batches(self.tokenizer, texts, self.batch_tokens):
            batch = ctranslate2.StorageView.from_array(ids.astype(np.int32))
            lengths = ctranslate2.StorageView.from_array(np.full(len(ids), ids.shape[1], np.int32))
            logits[indices] = np.asarray(self.generator.forward_batch(batch, lengths))[:, -1, 0]
        return np.tanh(logits / 2).tolist()


def _as_language_model(critic: PreTrainedModel) -> PreTrainedModel:
    """The causal LM around the critic's trunk whose output layer is the value head for token 0, and zero for others."""
    from transformers import AutoModelForCausalLM

    config = copy.deepcopy(critic.config)
    config.tie_word_embeddings = False
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    setattr(model, model.base_model_prefix, critic.base_model)
    head = torch.nn.Linear(critic.score.in_features, config.vocab_size, bias=False)
    with torch.no_grad():
        head.weight.zero_()[0] = critic.score.weight[0]
    model.set_output_embeddings(head)
    return model.eval()


def load_critic(
    folder: str | Path, *, backend: str = "auto", compute_type: str = "auto", light: bool = False
) -> TransformersCritic | CTranslate2Critic:
    """The critic of a checkpoint folder.

    `auto` takes CTranslate2 on a CPU where it can load the architecture, else transformers, on the GPU where there is
    one. `light`: for a few texts; a critic that was trained here is opened without either library, which is slower in
    large batches and spares seconds of imports. Raises ValueError for an unknown backend, a policy's checkpoint and a
    broken folder.
    """
    require_one_of("backend", backend, ("auto", "ctranslate2", "transformers"))
    check_folder("critic", folder)
    cuda = torch.cuda.is_available()
    if light and backend == "auto" and not cuda and fits(folder, CRITIC):
        critic = TransformersCritic(*load_plain(folder))
        critic.reads = _read_kind(Path(folder))
        return critic
    from game24lab.models.backends.ctranslate2_export import is_exportable

    model, tokenizer = load_critic_model(folder)
    if backend == "ctranslate2" or (backend == "auto" and not cuda and is_exportable(model.config)):
        critic = CTranslate2Critic(model, tokenizer, compute_type=compute_type)
    else:
        critic = TransformersCritic(model.to("cuda") if cuda else model, tokenizer)
    critic.reads = _read_kind(Path(folder))
    return critic


def _read_kind(folder: Path) -> str:
    """What a critic was trained on, by the file beside its weights; positions where there is none, or an older one."""
    try:
        kind = json.loads((folder / "training_config.json").read_text()).get("reads", READS[0])
    except (OSError, ValueError, AttributeError):
        return READS[0]
    return kind if kind in READS else READS[0]


def load_critic_model(folder: str | Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of a critic checkpoint, safetensors only; ValueError for a policy or a broken folder."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from game24lab.models.checkpoints import be_quiet, check_checkpoint, hide_bars

    folder = Path(folder)
    check_folder("critic", folder)
    check_checkpoint(folder)
    tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    try:
        with be_quiet(), hide_bars(folder):  # a missing head is told below
            model, loading = AutoModelForSequenceClassification.from_pretrained(
                str(folder), use_safetensors=True, trust_remote_code=False, output_loading_info=True, num_labels=1
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ValueError(f"critic {folder}: cannot be loaded: {condense(error)}") from error
    if loading["missing_keys"]:
        raise ValueError(f"critic {folder}: no value head in it; a checkpoint of `04_critic` is needed, not a policy")
    return model, tokenizer
