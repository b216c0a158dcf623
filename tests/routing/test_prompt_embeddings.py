"""Embeddings: every pooling by hand, whatever the batch; no "cls" where the first token sees nothing."""

import numpy as np
import pytest
import torch
from tiny_models import make
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, T5Config, T5EncoderModel

from game24lab.models.checkpoints import save_checkpoint
from game24lab.routing import prompt_embeddings as embeddings

TEXTS = ["Input: 4 5 6 10\n", "Input: 3 3 8 8\n", "How many?", "Input: 1 1 11 11\n"]
poolings = pytest.mark.parametrize("pooling", ["mean", "last", "max"])


def make_encoder(seed=0):
    """A random BERT whose tokenizer puts a token of its own first."""
    _, tokenizer = make("qwen3")
    backend = tokenizer.backend_tokenizer
    backend.add_special_tokens(["[CLS]"])
    from tokenizers.processors import TemplateProcessing

    backend.post_processor = TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", backend.token_to_id("[CLS]"))]
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, cls_token="[CLS]", pad_token="<pad>")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = BertConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                            intermediate_size=16, max_position_embeddings=64, initializer_range=0.3)  # fmt: skip
        return BertModel(config).eval(), tokenizer


def embed(texts, *args, **options):
    return embeddings.embed(texts, *args, progress=False, **options)


@pytest.mark.parametrize("kind", ["qwen3", "gpt2", "lfm2"])
@poolings
def test_causal_models_by_hand(kind, pooling):
    model, tokenizer = make(kind)
    vectors = embed(TEXTS, model.base_model, tokenizer, pooling=pooling, batch_tokens=12)
    assert vectors.shape == (4, 32)
    assert vectors.dtype == np.float32
    for text, vector in zip(TEXTS, vectors, strict=True):
        with torch.inference_mode():
            hidden = model.base_model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        expected = {"mean": hidden.mean(0), "last": hidden[-1], "max": hidden.max(0).values}[pooling]
        assert vector == pytest.approx(expected.numpy(), abs=1e-4)


@pytest.mark.parametrize("kind", ["qwen3", "gpt2", "llama", "gemma2", "lfm2"])
def test_cls_of_a_causal_model_is_refused(kind):
    model, tokenizer = make(kind)
    assert embeddings.is_causal(model.base_model)
    with pytest.raises(ValueError, match=r"pooling 'cls' with .*sees no other: its vector is the same for all texts"):
        embed(TEXTS, model.base_model, tokenizer, pooling="cls")


def test_cls_of_an_encoder():
    model, tokenizer = make_encoder()
    assert not embeddings.is_causal(model)
    vectors = embed(TEXTS, model, tokenizer, pooling="cls")
    with torch.inference_mode():
        expected = model(**tokenizer(TEXTS[0], return_tensors="pt")).last_hidden_state[0, 0].numpy()
    assert vectors[0] == pytest.approx(expected, abs=1e-4)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3  # it sees the text
    _, other = make("qwen3")
    with pytest.raises(ValueError, match="puts no such token first"):
        embed(TEXTS, model, other, pooling="cls")


def test_checkpoints_of_all_kinds_are_loaded(tmp_path):
    save_checkpoint(*make("qwen3"), tmp_path / "causal")
    save_checkpoint(*make_encoder(), tmp_path / "encoder")
    _, tokenizer = make("qwen3")
    config = T5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    t5 = T5EncoderModel(config)
    for kind in ("causal", "encoder"):
        model, tokenizer = embeddings.load_encoder(tmp_path / kind, device="cpu")
        assert embed(TEXTS, model, tokenizer).shape[0] == 4
    assert not embeddings.is_causal(t5)
    assert embed(TEXTS, t5, make("qwen3")[1]).shape == (4, 16)


@pytest.mark.parametrize(
    ("name", "told"), [("missing", "no such folder"), ("empty", "config.json is missing"), ("a/b/c", "no such folder")]
)
def test_broken_checkpoints(tmp_path, name, told):
    (tmp_path / "empty").mkdir()
    place = name if "/" in name else tmp_path / name
    with pytest.raises(ValueError, match=told):
        embeddings.load_encoder(place)


@pytest.mark.parametrize(
    ("texts", "options", "told"),
    [
        (TEXTS, {"pooling": "sum"}, "one of cls, mean, last, max"),
        (["fine", ""], {}, "text 1 must have 1 to .*, got 0: ''"),
        (["9 " * 200], {}, "must have 1 to .* tokens, the model's window"),
    ],
)
def test_bad_texts(texts, options, told):
    model, tokenizer = make("qwen3")
    with pytest.raises(ValueError, match=told):
        embed(texts, model.base_model, tokenizer, **options)


def test_components_are_those_of_the_training_texts():
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(30, 3)) * [5, 1, 0.1]) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    components = embeddings.fit_components(vectors[:20], 2)
    table = embeddings.tabulate_vectors([str(place) for place in range(30)], vectors, components)
    assert list(table) == ["embedding_0", "embedding_1"]
    assert table["embedding_0"].std() > 3 * table["embedding_1"].std()
    assert table.iloc[:20].mean().abs().max() < 1e-9  # centred on what it was fitted to, not on all
    assert embeddings.tabulate_vectors(["a"], vectors[:1]).shape == (1, 3)
    for dimensions in (0, 4, 2.0):
        with pytest.raises(ValueError, match=f"dimensions must be an integer from 1 to 3, got {dimensions}"):
            embeddings.fit_components(vectors, dimensions)
