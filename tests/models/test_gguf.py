"""A GGUF file becomes a checkpoint folder of the same model; what is no such file is told in one line."""

import gguf
import numpy as np
import pytest
import torch
from tokenizers import pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

from game24lab.cli.main import main
from game24lab.models.checkpoints import load_checkpoint
from game24lab.models.load_policy import load_policy
from game24lab.models.tokenizer import read_chat

CHAT = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}" \
       "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"  # fmt: skip
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WORDS = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), "Ġ1", "he"]
LAYER = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
         "post_attention_layernorm": "ffn_norm"}  # fmt: skip


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=len(WORDS), num_key_value_heads=2, max_position_embeddings=128,
                         initializer_range=0.3, tie_word_embeddings=True, rope_theta=100_000.0, **shape)  # fmt: skip
    return LlamaForCausalLM(config).eval()


def write(model, path):
    """The model as llama.cpp's converter writes it: rows of queries and keys in pairs, tied embeddings once."""
    config, writer = model.config, gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(100_000.0)
    writer.add_rope_dimension_count(8)
    writer.add_vocab_size(len(WORDS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(WORDS)
    writer.add_token_types([gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * (len(WORDS) - 3))
    writer.add_token_merges(["Ġ 1", "h e"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(CHAT)
    state = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    writer.add_tensor("token_embd.weight", state["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", state["model.norm.weight"])
    for layer in range(config.num_hidden_layers):
        for ours, theirs in LAYER.items():
            weight = state[f"model.layers.{layer}.{ours}.weight"]
            if theirs in ("attn_q", "attn_k"):
                heads = config.num_attention_heads if theirs == "attn_q" else config.num_key_value_heads
                pairs = weight.reshape(heads, 2, -1, weight.shape[1])
                weight = np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(weight.shape))
            writer.add_tensor(f"blk.{layer}.{theirs}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """A folder as such models are published: nothing but the file."""
    place = tmp_path_factory.mktemp("published")
    write(model, place / "tiny.gguf")
    return place


def test_a_file_becomes_a_folder_of_the_same_model(model, folder, tmp_path, capsys):
    assert main(["convert", str(folder / "tiny.gguf"), str(tmp_path / "policy")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "policy")
    again, tokenizer = load_checkpoint(tmp_path / "policy")
    ids = tokenizer("he 1 + 2")["input_ids"]
    assert tokenizer.decode(ids) == "he 1 + 2"
    assert len(ids) == 6  # both merges are known
    with torch.no_grad():
        there, here = (one(torch.tensor([ids])).logits for one in (again, model))
    assert (there - here).abs().max() < 1e-4
    assert again.config.tie_word_embeddings
    assert not hasattr(again.config, "quantization_config")
    assert (tokenizer.eos_token_id, again.config.eos_token_id) == (2, 2)
    written = read_chat(tmp_path / "policy")([{"role": "user", "content": "he"}])
    assert written.endswith("<|im_start|>user\nhe<|im_end|>\n<|im_start|>assistant\n")
    for backend in ("transformers", "ctranslate2"):
        policy = load_policy(tmp_path / "policy", backend=backend)
        assert policy.name == backend
        assert 1 <= policy.generate([written], 1, max_tokens=3)[0][0].tokens <= 3
    assert main(["convert", str(folder), str(tmp_path / "policy")]) == 2  # it is there


def test_as_it_is_it_is_refused_with_the_way_out(folder, capsys):
    with pytest.raises(ValueError, match=r"game24lab convert .*tiny\.gguf DIR"):
        load_policy(folder)
    with pytest.raises(ValueError, match=r"game24lab convert .*tiny\.gguf DIR"):
        load_checkpoint(folder)
    assert main(["solve", "1", "2", "3", "4", "--checkpoint", str(folder / "tiny.gguf")]) == 2
    assert "game24lab convert" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "a folder without one"),
        (lambda path: path.write_bytes(b"PK\3\4"), "is no GGUF file"),
        (lambda path: path.write_bytes(b"GGUF\3\0\0\0cut short"), "cannot be read as a model"),
    ],
)
def test_what_is_no_such_file_is_one_line(make, message, tmp_path, capsys):
    path = tmp_path / "model.gguf"
    make(path)
    assert main(["convert", str(path), str(tmp_path / "policy")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "policy").exists()
