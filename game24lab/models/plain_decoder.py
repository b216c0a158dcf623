"""Decoders that were trained here, opened from their folders without transformers: the same numbers, seconds sooner.

Importing the modelling code of transformers takes longer than a whole search of one puzzle. What
`checkpoints.make_model` makes, as a policy or as a critic, is computed here by torch alone; other models are not opened
(`fits`). The modules have the names and the operations of `Qwen3ForCausalLM` and `Qwen3ForSequenceClassification`. It
does not know who asks, nor how tokens are chosen.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import Module, ModuleList, Parameter, functional

from game24lab.runs.messages import condense

POLICY, CRITIC = "Qwen3ForCausalLM", "Qwen3ForSequenceClassification"
_GENERIC = ("TokenizersBackend", "PreTrainedTokenizerFast")  # tokenizers that add nothing to their tokenizer.json
_WEIGHTS, _TOKENIZER = "model.safetensors", "tokenizer.json"
_FIXED = {"model_type": "qwen3", "attention_bias": False, "hidden_act": "silu", "dtype": "float32",
          "use_sliding_window": False}  # fmt: skip


class Linear(torch.nn.Linear):
    """A layer whose weights come from a file: none are drawn first."""

    def reset_parameters(self) -> None:
        """Leave the memory as it is."""


class Embedding(torch.nn.Embedding):
    """The same for embeddings."""

    def reset_parameters(self) -> None:
        """Leave the memory as it is."""


class PlainTokenizer:
    """A tokenizer as policies and critics use it."""

    def __init__(self, folder: Path, names: dict[str, Any]) -> None:
        self.backend_tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        self.backend_tokenizer.no_padding()
        self.backend_tokenizer.no_truncation()
        self.eos_token_id, self.pad_token_id = (self._find(names.get(name)) for name in ("eos_token", "pad_token"))

    def _find(self, token: Any) -> int | None:
        return self.backend_tokenizer.token_to_id(token) if isinstance(token, str) else None

    def __len__(self) -> int:
        return self.backend_tokenizer.get_vocab_size()

    def __call__(self, texts: str | list[str]) -> dict[str, list]:
        """`input_ids` of a text, or of each of some texts, with what the tokenizer puts before every text."""
        if isinstance(texts, str):
            return {"input_ids": self.backend_tokenizer.encode(texts).ids}
        return {"input_ids": [encoded.ids for encoded in self.backend_tokenizer.encode_batch(texts)]}


class _Norm(Module):
    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight, self.epsilon = Parameter(torch.empty(width)), epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon))


class _Attention(Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.head_dim, self.scaling = config.head_dim, config.head_dim**-0.5
        heads, few, hidden = config.num_attention_heads, config.num_key_value_heads, config.hidden_size
        self.q_proj = Linear(hidden, heads * self.head_dim, bias=False)
        self.k_proj = Linear(hidden, few * self.head_dim, bias=False)
        self.v_proj = Linear(hidden, few * self.head_dim, bias=False)
        self.o_proj = Linear(heads * self.head_dim, hidden, bias=False)
        self.q_norm, self.k_norm = (_Norm(self.head_dim, config.rms_norm_eps) for _ in range(2))

    def forward(self, x: torch.Tensor, turn: Any, mask: torch.Tensor | None) -> tuple[torch.Tensor, Any]:
        shape = (*x.shape[:-1], -1, self.head_dim)
        query = turn(self.q_norm(self.q_proj(x).view(shape)).transpose(1, 2))
        key = turn(self.k_norm(self.k_proj(x).view(shape)).transpose(1, 2))
        value = self.v_proj(x).view(shape).transpose(1, 2)
        y = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=self.scaling, is_causal=mask is None and x.shape[1] > 1,
            enable_gqa=True,
        )  # fmt: skip
        y = y.transpose(1, 2).reshape(*x.shape[:-1], -1)
        return self.o_proj(y), SimpleNamespace(keys=key, values=value)


class _FeedForward(Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        hidden, wide = config.hidden_size, config.intermediate_size
        self.gate_proj, self.up_proj = (Linear(hidden, wide, bias=False) for _ in range(2))
        self.down_proj = Linear(wide, hidden, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class _Layer(Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.self_attn, self.mlp = _Attention(config), _FeedForward(config)
        self.input_layernorm = _Norm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = _Norm(config.hidden_size, config.rms_norm_eps)


class _Trunk(Module):
    """All but the head."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.embed_tokens = Embedding(config.vocab_size, config.hidden_size)
        self.layers = ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = _Norm(config.hidden_size, config.rms_norm_eps)
        powers = torch.arange(0, config.head_dim, 2, dtype=torch.float) / config.head_dim
        self.frequencies = 1.0 / (config.rope_parameters["rope_theta"] ** powers)

    def rotary_emb(self, _: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines of places (batch, tokens): each of shape (batch, tokens, width)."""
        angles = places[..., None].float() * self.frequencies
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()

    def forward(
        self, input_ids: torch.Tensor, pad: torch.Tensor | None = None, use_cache: bool = False
    ) -> SimpleNamespace:
        """`last_hidden_state` (batch, tokens, width), and with `use_cache` keys and values of the `layers`.

        `pad`, of shape (batch,), is the number of tokens on the left that are none.
        """
        places, mask = torch.arange(input_ids.shape[1])[None], None
        if pad is not None:
            there = places >= pad[:, None]
            places = (places - pad[:, None]).clamp_(min=0)
            causal = torch.ones(input_ids.shape[1], input_ids.shape[1], dtype=torch.bool).tril()
            mask = (causal & there[:, None, None]) | torch.eye(len(causal), dtype=torch.bool)  # padding sees itself
        x = self.embed_tokens(input_ids)
        cosines, sines = (part[:, None] for part in self.rotary_emb(x, places))

        def turn(heads: torch.Tensor) -> torch.Tensor:
            left, right = heads.chunk(2, -1)
            return heads * cosines + torch.cat((-right, left), -1) * sines

        kept = []
        for layer in self.layers:
            attended, cache = layer.self_attn(layer.input_layernorm(x), turn, mask)
            x = x + attended
            x = x + layer.mlp(layer.post_attention_layernorm(x))
            kept += [cache] if use_cache else []
        return SimpleNamespace(last_hidden_state=self.norm(x), layers=kept)


class PlainDecoder(Module):
    """A policy with `lm_head`, or a critic with `score`, on the CPU in float32."""

    dtype, device = torch.float32, torch.device("cpu")

    def __init__(self, config: dict[str, Any], ends: Any) -> None:
        super().__init__()
        self.config = SimpleNamespace(**config)
        self.config.get_text_config = lambda decoder=True: self.config
        self.generation_config = SimpleNamespace(eos_token_id=ends)
        self.model = _Trunk(self.config)
        if config["architectures"] == [POLICY]:
            self.lm_head = Linear(self.config.hidden_size, self.config.vocab_size, bias=False)
        else:
            self.score = Linear(self.config.hidden_size, 1, bias=False)

    @property
    def base_model(self) -> Module:
        return self.model

    def get_input_embeddings(self) -> Embedding:
        """As a model of transformers has it."""
        return self.model.embed_tokens

    def prefill(self, prompts: Sequence[Sequence[int]], rows: torch.Tensor) -> tuple[torch.Tensor, Any, Any]:
        """What the decoding loop begins with: logits of the first token (rows, vocabulary), the cache of the prompts,
        and the padding of the rows, None without any."""
        longest = max(map(len, prompts))
        ids = torch.tensor([[0] * (longest - len(p)) + list(p) for p in prompts])
        pad = torch.tensor([longest - len(p) for p in prompts])
        pad = pad if bool(pad.any()) else None
        found = self.model(ids, pad, use_cache=True)
        return self.lm_head(found.last_hidden_state[:, -1])[rows], found, None if pad is None else pad[rows]


def fits(folder: str | Path, architecture: str) -> bool:
    """Whether a folder holds a decoder that can be opened here; others, broken ones too, are for transformers."""
    try:
        config, names = (_read(Path(folder) / name) for name in ("config.json", "tokenizer_config.json"))
        rope = config.get("rope_parameters") or {}
        return (
            config.get("architectures") == [architecture]
            and all(config.get(name) == value for name, value in _FIXED.items())
            and set(config["layer_types"]) == {"full_attention"}
            and rope.get("rope_type") == "default" and rope.get("partial_rotary_factor", 1.0) == 1.0
            and isinstance(config["head_dim"], int)
            and "quantization_config" not in config
            and names.get("tokenizer_class") in _GENERIC
            and all((Path(folder) / name).is_file() for name in (_WEIGHTS, _TOKENIZER))
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def load_plain(folder: str | Path) -> tuple[PlainDecoder, PlainTokenizer]:
    """Model and tokenizer of a folder that `fits`; ValueError in one line where its weights are damaged."""
    folder = Path(folder)
    try:
        config, names = (_read(folder / name) for name in ("config.json", "tokenizer_config.json"))
        ends = _read(folder / "generation_config.json") if (folder / "generation_config.json").exists() else {}
        model = PlainDecoder(config, ends.get("eos_token_id"))
        weights = load_file(folder / _WEIGHTS)
        tied = config["architectures"] == [POLICY] and config.get("tie_word_embeddings")
        if tied and "lm_head.weight" in weights:  # stored twice; where the two differ both hold, as in transformers
            tied = torch.equal(weights["lm_head.weight"], weights["model.embed_tokens.weight"])
        if tied:
            weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
        model.load_state_dict(weights, assign=True)
        if tied:
            model.lm_head.weight = model.model.embed_tokens.weight
        tokenizer = PlainTokenizer(folder, names)
    except Exception as error:  # safetensors and tokenizers raise their own types
        raise ValueError(f"checkpoint {folder}: cannot be loaded: {condense(error)}") from error
    return model.eval(), tokenizer


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
