"""The decoding loop: what it samples, that batches do not matter, that its short path computes what models compute."""

import numpy as np
import pytest
import tiny_models
import torch

from game24lab.models.backends import llama_step as plain
from game24lab.models.backends import model_steps, packed_weights
from game24lab.models.backends.decoding import choose, decode, truncate
from game24lab.models.backends.llama_step import PlainSteps
from game24lab.models.backends.transformers_policy import TransformersPolicy
from game24lab.models.counted_random import draw_uniform, make_keys
from game24lab.models.policy import Sampling, describe

PROMPTS = [[5, 6, 7], [9, 9, 9, 30, 31, 32, 40, 41], [50], [5, 6, 8]]
PLAIN = ("qwen3", "llama", "qwen2")


def run(model, prompts=PROMPTS, rows=None, seeds=None, limits=None, stops=(), **sampling):
    sampling = Sampling(**{"max_tokens": 30, **sampling})
    rows = list(range(len(prompts))) if rows is None else rows
    marks = torch.zeros(model.config.vocab_size, dtype=torch.bool)
    marks[list(stops)] = True
    keys = make_keys(rows if seeds is None else seeds, range(len(rows)))
    return decode(model, prompts, rows, keys, limits or [sampling.max_tokens] * len(rows), marks, sampling)


def score(model, prompt, ids):
    """Log-probabilities of ids behind a prompt by one plain forward."""
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1].float()
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(ids)[:, None])[:, 0].numpy()


@pytest.mark.parametrize("kind", tiny_models.KINDS)
def test_log_probabilities_are_the_models_own(kind):
    """Whatever the architecture, padding, temperature and truncation; windows of 8 tokens are overrun."""
    model, _ = tiny_models.make(kind)
    for sampling in ({}, {"temperature": 0.7, "top_k": 20, "top_p": 0.9}, {"temperature": 0}):
        for prompt, (ids, logprobs) in zip(PROMPTS, run(model, **sampling), strict=True):
            assert len(ids) == len(logprobs) == 30
            np.testing.assert_allclose(logprobs, score(model, prompt, ids), atol=1e-4)


@pytest.mark.parametrize("kind", tiny_models.KINDS)
def test_greedy_is_what_generate_does(kind):
    model, _ = tiny_models.make(kind)
    model.generation_config.eos_token_id = None
    for prompt, (ids, _) in zip(PROMPTS, run(model, temperature=0), strict=True):
        inputs = torch.tensor([prompt])
        stock = model.generate(inputs, attention_mask=torch.ones_like(inputs), max_new_tokens=30, do_sample=False)
        assert ids == stock[0, len(prompt) :].tolist()


@pytest.mark.parametrize("kind", tiny_models.KINDS)
def test_plain_decoders_are_known(kind):
    model, _ = tiny_models.make(kind)
    assert PlainSteps.fits(model) == (kind in PLAIN)
    if kind in PLAIN:
        model.model.layers[0].mlp.up_proj = torch.nn.Sequential(model.model.layers[0].mlp.up_proj)
        assert not PlainSteps.fits(model)


@pytest.mark.parametrize("way", ["torch", "numpy", "packed"])
@pytest.mark.parametrize("kind", PLAIN)
def test_both_kinds_of_steps_agree(kind, way, monkeypatch):
    model, _ = tiny_models.make(kind)
    options = {"rows": [0, 0, 1, 2, 3, 3], "stops": range(0, 700, 20)}
    monkeypatch.setattr(plain, "_prefers_numpy", lambda: way == "numpy")
    monkeypatch.setattr(packed_weights, "_WIDTH", 1 if way == "packed" else 10**6)
    products, multiply = [], plain.multiply
    monkeypatch.setattr(plain, "multiply", lambda *given: products.append(1) or multiply(*given))
    short = run(model, **options)
    assert bool(products) == (way == "packed")
    monkeypatch.setattr(PlainSteps, "fits", lambda model: False)
    long = run(model, **options)
    same = [(one[1], other[1]) for one, other in zip(short, long, strict=True) if one[0] == other[0]]
    assert len(same) >= 5, "a rounding may change one"
    for ours, theirs in same:
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("kind", tiny_models.KINDS)
def test_a_sample_depends_on_its_seed_alone(kind):
    """Alone, in company, after others have left the batch: the same, but for a rounding now and then."""
    model, _ = tiny_models.make(kind)
    stops, seeds = range(0, 700, 15), list(range(40, 64))
    rows = [0, 1, 2, 3] * 6
    together = run(model, rows=rows, seeds=seeds, stops=stops)
    lengths = {len(ids) for ids, _ in together}
    assert len(lengths) > 5, "rows should end at different times"
    different = 0
    for place in range(0, 24, 3):
        keys = make_keys(seeds, range(24))[place : place + 1]
        marks = torch.zeros(model.config.vocab_size, dtype=torch.bool)
        marks[list(stops)] = True
        alone = decode(model, [PROMPTS[rows[place]]], [0], keys, [30], marks, Sampling(30))
        different += alone[0][0] != together[place][0]
    assert different <= 1


def test_weights_are_packed_where_it_pays(monkeypatch):
    model, _ = tiny_models.make("llama")
    assert not packed_weights.pays(model, 1000), "narrow"
    monkeypatch.setattr(packed_weights, "_WIDTH", model.config.hidden_size)
    assert packed_weights.pays(model, 16)
    assert not packed_weights.pays(model, 15), "packing takes the time of a few steps"
    assert not packed_weights.pays(model.to(torch.bfloat16), 16), "torch packs these by itself"


def test_packed_weights_follow_the_live_ones(monkeypatch):
    """A policy in training packs for every call, a frozen one once, and anew when it takes over other weights."""
    monkeypatch.setattr(packed_weights, "_WIDTH", 1)
    packs, pack = [], plain.pack
    monkeypatch.setattr(plain, "pack", lambda linears: packs.append(1) or pack(linears))
    for frozen in (False, True):
        model, tokenizer = tiny_models.make("llama")
        policy = TransformersPolicy(model, tokenizer, frozen=frozen)
        before = policy.generate(["1 2\n"], 1, max_tokens=20, temperature=0)[0][0]
        other, _ = tiny_models.make("llama", seed=7)
        if frozen:
            assert policy.generate(["1 2\n"], 1, max_tokens=20, temperature=0)[0][0] == before
            policy.update(other)
        else:
            model.load_state_dict(other.state_dict())
        after = policy.generate(["1 2\n"], 1, max_tokens=20, temperature=0)[0][0]
        own = score(other, policy.encode("1 2\n"), after.ids)
        np.testing.assert_allclose(after.logprobs, own, atol=1e-4)
        assert after != before
        assert len(packs) == 2
        packs.clear()


def test_rows_end_at_their_stop_token_or_limit():
    model, _ = tiny_models.make("qwen3")
    stops = set(range(0, 700, 15))
    limits = [1, 3, 30, 7] * 8
    found = run(model, rows=[0, 1, 2, 3] * 8, limits=limits, stops=stops)
    for (ids, _), limit in zip(found, limits, strict=True):
        assert 1 <= len(ids) <= limit
        assert not stops & set(ids[:-1])
        assert ids[-1] in stops or len(ids) == limit
    assert any(ids[-1] in stops for ids, _ in found)


def test_prompts_are_forwarded_once(monkeypatch):
    """However many samples a prompt has."""
    model, _ = tiny_models.make("qwen3")
    seen = []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda **inputs: seen.append(inputs["input_ids"].shape) or forward(**inputs))
    monkeypatch.setattr(model_steps, "accepts", lambda model, name: True)
    run(model, prompts=PROMPTS[:1], rows=[0] * 50)
    assert seen == [(1, 3)]


def test_ended_rows_leave_the_batch(monkeypatch):
    model, _ = tiny_models.make("qwen3")
    sizes, step = [], PlainSteps.step
    monkeypatch.setattr(PlainSteps, "step", lambda self, ids: sizes.append(len(ids)) or step(self, ids))
    run(model, prompts=PROMPTS[:1], rows=[0] * 40, limits=[2] * 20 + [20] * 20)
    assert sizes[0] == 40
    assert sizes[-1] == 20


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_half_precision_is_near(kind):
    model, _ = tiny_models.make(kind)
    model = model.to(torch.bfloat16)
    for prompt, (ids, logprobs) in zip(PROMPTS, run(model), strict=True):
        np.testing.assert_allclose(logprobs, score(model, prompt, ids), atol=0.4)
        assert abs(np.mean(logprobs - score(model, prompt, ids))) < 0.05


def test_choice_follows_the_distribution():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0, -30.0]])
    n = 40_000
    keys = make_keys([3] * n, range(n))

    def shares(**sampling):
        ids, logprobs = choose(logits.expand(n, -1), draw_uniform(keys, 0), Sampling(1, **sampling))
        torch.testing.assert_close(logprobs, torch.log_softmax(logits, -1)[0][ids])
        return np.bincount(ids, minlength=5) / n

    for temperature in (1.0, 0.5, 2.0):
        expected = torch.softmax(logits[0] / temperature, -1).numpy()
        np.testing.assert_allclose(shares(temperature=temperature), expected, atol=0.01)
    p = torch.softmax(logits[0], -1).numpy()
    np.testing.assert_allclose(shares(top_k=2)[:2], p[:2] / p[:2].sum(), atol=0.01)
    assert shares(top_k=2)[2:].sum() == 0
    assert (shares(top_k=99) > 0).sum() == 4
    # 0.644 + 0.237 reach 0.8 but not 0.9; at temperature 0.5 the first two hold 0.98
    assert (shares(top_p=0.6) > 0).tolist() == [True, False, False, False, False]
    assert (shares(top_p=0.8) > 0).tolist() == [True, True, False, False, False]
    assert (shares(top_p=0.9) > 0).tolist() == [True, True, True, False, False]
    assert (shares(top_p=0.9, temperature=0.5) > 0).tolist() == [True, True, False, False, False]
    assert (shares(temperature=0) > 0).tolist() == [True, False, False, False, False]


def test_the_extremes_of_randomness_hit_possible_tokens_only():
    logits = torch.tensor([[-40.0, 0.0, 0.0, -40.0], [0.0, -torch.inf, 0.0, -torch.inf]])
    for value in (2**-24, 1 - 2**-24):  # the ends of what is drawn
        for sampling in (Sampling(1), Sampling(1, top_k=2), Sampling(1, top_p=0.99)):
            ids, _ = choose(logits, np.full(2, value, np.float32), sampling)
            assert ids[0] in (1, 2)
            assert ids[1] in (0, 2)


def test_counted_randomness_is_even_and_uncorrelated():
    n = 4096
    draws = np.array([draw_uniform(make_keys([7] * n, range(n)), step) for step in range(8)])
    assert draws.min() >= 2**-24
    assert draws.max() <= 1 - 2**-24
    assert np.abs(np.histogram(draws, 16, (0, 1))[0] / draws.size - 1 / 16).max() < 0.004
    near = np.corrcoef(draws)  # between neighbouring tokens
    assert np.abs(near - np.eye(8)).max() < 0.06
    assert abs(np.corrcoef(draws[0][:-1], draws[0][1:])[0, 1]) < 0.06  # between neighbouring samples
    seeds = draw_uniform(make_keys(range(n), [0] * n), 0)
    assert abs(np.corrcoef(seeds[:-1], seeds[1:])[0, 1]) < 0.06
    assert not np.array_equal(make_keys([-1], [0]), make_keys([1], [0]))


def test_models_without_a_cache_are_refused():
    with pytest.raises(ValueError, match="must be a decoder with a key-value cache, got MambaForCausalLM"):
        run(tiny_models.make_recurrent())
    with pytest.raises(ValueError, match="must be a decoder with a key-value cache, got MambaForCausalLM"):
        describe(tiny_models.make_recurrent(), None)


def test_broken_weights_are_an_error():
    model, _ = tiny_models.make("qwen3")
    with torch.no_grad():
        model.model.norm.weight[0] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        run(model)


@pytest.mark.parametrize("top_p", [1e-6, 0.3, 0.9, 0.999])
def test_a_nucleus_is_the_same_however_many_tokens_it_takes(top_p):
    torch.manual_seed(0)
    weights = torch.softmax(torch.randn(60, 200) * torch.linspace(0.1, 12, 60)[:, None], -1)  # flat to peaked
    ranked, order = weights.sort(-1, descending=True)
    inside = ranked.cumsum(-1) - ranked < top_p * weights.sum(-1, keepdim=True)
    truth = torch.zeros_like(weights).scatter_(-1, order, torch.where(inside, ranked, 0.0))
    assert torch.equal(truncate(weights, Sampling(1, top_p=top_p)), truth)
