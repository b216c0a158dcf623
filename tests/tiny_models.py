"""Random checkpoints of a few thousand parameters, of several architectures, for tests of generation and export."""

import json

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from game24lab.models.checkpoints import save_checkpoint
from game24lab.models.tokenizer import make_tokenizer

WINDOW = 96
SHAPE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "max_position_embeddings": WINDOW,
         "bos_token_id": None, "initializer_range": 0.25}  # fmt: skip


def _grouped(heads, key_heads, **more):
    return {**SHAPE, "num_attention_heads": heads, "num_key_value_heads": key_heads, "head_dim": 32 // heads, **more}


KINDS = {
    "qwen3": lambda ids: Qwen3ForCausalLM(Qwen3Config(**ids, **_grouped(4, 1, tie_word_embeddings=True))),
    "llama": lambda ids: LlamaForCausalLM(LlamaConfig(**ids, **_grouped(4, 2, tie_word_embeddings=False))),
    "qwen2": lambda ids: Qwen2ForCausalLM(Qwen2Config(**ids, **_grouped(2, 2))),  # with biases
    "mistral": lambda ids: MistralForCausalLM(MistralConfig(**ids, **_grouped(4, 2, sliding_window=8))),
    "gemma2": lambda ids: Gemma2ForCausalLM(Gemma2Config(**ids, **_grouped(4, 2, sliding_window=8))),
    "gpt2": lambda ids: GPT2LMHeadModel(
        GPT2Config(**ids, n_embd=32, n_layer=2, n_head=2, n_positions=WINDOW, initializer_range=0.25, bos_token_id=None)
    ),
}
# half of its layers keep a state instead of keys and values, and no engine but transformers has them
KINDS["lfm2"] = lambda ids: Lfm2ForCausalLM(Lfm2Config(**ids, **_grouped(4, 2, layer_types=["conv", "full_attention"])))


def make_recurrent():
    """A model without keys and values, which our decoding does not take."""
    return MambaForCausalLM(MambaConfig(vocab_size=100, hidden_size=16, num_hidden_layers=1)).eval()


def make(kind, seed=0, window=None):
    """A random model and its tokenizer. Weights are large, so that distributions are far from uniform."""
    tokenizer = make_tokenizer()
    ids = {"vocab_size": -(-len(tokenizer) // 8) * 8, "eos_token_id": tokenizer.eos_token_id,
           "pad_token_id": tokenizer.pad_token_id}  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = KINDS[kind](ids).eval()
    if window:  # rotary positions have no table: a longer window changes nothing else
        model.config.max_position_embeddings = window
    return model, tokenizer


def save(kind, folder, seed=0, window=None):
    """The folder, with such a checkpoint in it."""
    model, tokenizer = make(kind, seed, window)
    save_checkpoint(model, tokenizer, folder)
    return folder


def drop_tokens(folder, *names, config=True):
    """A checkpoint whose tokenizer does not name some special tokens, nor its model where `config` is true."""
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / file).exists():
            kept = json.loads((folder / file).read_text())
            (folder / file).write_text(json.dumps({key: one for key, one in kept.items() if key not in names}))
    for file in ("config.json", "generation_config.json") if config else ():
        kept = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({key: one for key, one in kept.items() if key[:-3] not in names}))
