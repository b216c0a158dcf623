"""Vectors of texts from any encoder or causal checkpoint, pooled over tokens, and their principal components.

For problems that are words. What may be pooled is measured, not looked up: where a later token leaves the first one's
vector as it is, the model is causal and that vector says nothing of the text. It does not know of labels or routers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from tqdm.auto import tqdm
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from game24lab.models.checkpoints import check_checkpoint
from game24lab.runs.checks import require, require_one_of
from game24lab.runs.messages import condense

POOLINGS = ("cls", "mean", "last", "max")
_NEAR = 1e-4  # of one vector's length: what reordered sums may change


def load_encoder(checkpoint: str | Path, *, device: str = "auto") -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The trunk of a checkpoint folder or hub id, and its tokenizer; safetensors only, no remote code.

    Of an encoder-decoder the encoder is taken. ValueError in one line for what cannot be loaded.
    """
    folder = Path(checkpoint)
    if folder.exists():
        check_checkpoint(folder)
    elif str(checkpoint).startswith((".", "/", "~")) or str(checkpoint).count("/") > 1:
        raise ValueError(f"checkpoint {checkpoint}: no such folder")
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(checkpoint), trust_remote_code=False)
        model = AutoModel.from_pretrained(str(checkpoint), use_safetensors=True, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = condense(error)
        raise ValueError(f"checkpoint {checkpoint}: cannot be loaded: {reason}") from error
    model = model.get_encoder() if model.config.is_encoder_decoder else model
    device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    return model.to(device).eval(), tokenizer


def is_causal(model: PreTrainedModel) -> bool:
    """Whether a token's vector depends on the tokens before it alone: the second token is changed, the first watched.

    Only weights that tell tokens apart can show it: a model whose vectors are all alike counts as causal.
    """
    ids = torch.tensor([[1, 2, 3], [1, 4, 5]], device=model.device) % model.get_input_embeddings().weight.shape[0]
    with torch.inference_mode():
        first, other = model(input_ids=ids).last_hidden_state[:, 0].float()
    return bool((first - other).norm() <= _NEAR * first.norm())


def embed(
    texts: Sequence[str], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, pooling: str = "mean",
    batch_tokens: int = 16_384, progress: bool = True,
) -> np.ndarray:  # fmt: skip
    """One vector a text, shape (texts, width), float32, from the last layer.

    `pooling`: the vector of the first token ("cls"), which has to be a token put there for it and to see the text; of
    the last one ("last"); the mean over all tokens ("mean"), or the largest of each component ("max").

    Texts of one length go together, so that nothing is padded. ValueError for another pooling, "cls" where the model is
    causal or its tokenizer begins with no such token, and a text that is empty or longer than the model's window.
    """
    require_one_of("pooling", pooling, POOLINGS)
    encoded = tokenizer(list(texts))["input_ids"] if len(texts) else []
    window = getattr(model.config, "max_position_embeddings", None) or float("inf")
    by_length: dict[int, list[int]] = {}
    for place, ids in enumerate(encoded):
        if not 1 <= len(ids) <= min(window, tokenizer.model_max_length):
            raise ValueError(f"text {place} must have 1 to {window} tokens, the model's window, got {len(ids)}: "
                             f"{texts[place][:40]!r}")  # fmt: skip
        by_length.setdefault(len(ids), []).append(place)
    if pooling == "cls":
        _check_first(model, tokenizer, encoded)
    vectors = np.empty((len(encoded), model.config.hidden_size), np.float32)
    with tqdm(total=len(encoded), desc="embed", unit="text", disable=not progress) as bar, torch.inference_mode():
        for length, members in sorted(by_length.items()):
            size = max(1, batch_tokens // length)
            for begin in range(0, len(members), size):
                places = members[begin : begin + size]
                ids = torch.tensor([encoded[place] for place in places], device=model.device)
                hidden = model(input_ids=ids).last_hidden_state.float()  # (batch, length, width)
                vectors[places] = _pool(hidden, pooling).cpu().numpy()
                bar.update(len(places))
    return vectors


def _pool(hidden: torch.Tensor, pooling: str) -> torch.Tensor:
    if pooling == "mean":
        return hidden.mean(dim=1)
    return hidden.amax(dim=1) if pooling == "max" else hidden[:, 0 if pooling == "cls" else -1]


def _check_first(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, encoded: Sequence[list[int]]) -> None:
    other = "choose 'mean', 'last' or 'max'"
    if is_causal(model):
        raise ValueError(f"pooling 'cls' with {type(model).__name__}, whose first token sees no other: its vector is "
                         f"the same for all texts; {other}")  # fmt: skip
    if tokenizer.cls_token_id is None or any(ids[0] != tokenizer.cls_token_id for ids in encoded):
        raise ValueError(f"pooling 'cls' with {type(tokenizer).__name__}, which puts no such token first: {other}")


def fit_components(vectors: np.ndarray, dimensions: int, *, seed: int = 0) -> PCA:
    """Principal components of vectors (texts, width), by scikit-learn; fit them on training problems alone.

    ValueError for more dimensions than texts or width.
    """
    require("dimensions", dimensions, int, 1, min(np.shape(vectors)))
    return PCA(dimensions, random_state=seed).fit(vectors)


def tabulate_vectors(problems: Sequence[str], vectors: np.ndarray, components: PCA | None = None) -> pd.DataFrame:
    """Vectors, or their principal components, as features: columns `embedding_0`.., indexed by problem."""
    values = vectors if components is None else components.transform(vectors)
    names = [f"embedding_{place}" for place in range(values.shape[1])]
    return pd.DataFrame(values, index=pd.Index(problems, name="problem", dtype=str), columns=names, dtype=float)
