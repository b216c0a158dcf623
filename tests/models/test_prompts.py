"""Prompts as token ids: an answer cut anywhere goes on as it would have, ranked beginnings, pauses, shared prefixes."""

import numpy as np
import pytest
import tiny_models
import torch

from game24lab.models.backends.transformers_policy import TransformersPolicy
from game24lab.tasks.prompt import Prompt

TEXTS = ["Input: 4 5 6 10\n", "Input: 1 2 3\n", "Input: 7 7\n12 / 3 = 4"]
KINDS = ("qwen3", "llama", "gpt2", "mistral", "lfm2")  # two that keep no plain keys and values in all layers


@pytest.fixture(scope="module", params=KINDS)
def policy(request):
    model, tokenizer = tiny_models.make(request.param)
    return TransformersPolicy(model, tokenizer)


@pytest.fixture(scope="module")
def plain():
    return TransformersPolicy(*tiny_models.make("qwen3"))


def say(policy, prompts, n=1, max_tokens=20, seeds=None, **options):
    seeds = range(5, 5 + len(prompts)) if seeds is None else seeds
    return policy.generate(prompts, n, max_tokens=max_tokens, seeds=seeds, **options)


@pytest.mark.parametrize("temperature", [0.0, 1.0, 0.7])
def test_an_answer_cut_anywhere_goes_on_as_it_would_have(policy, temperature):
    """For each of two samples, from every third token on; the whole answer is drawn once, from the text."""
    whole = say(policy, TEXTS, 2, temperature=temperature)
    for text, seed, answers in zip(TEXTS, range(5, 8), whole, strict=True):
        ids = policy.encode(text)
        cuts = list(range(0, answers[0].tokens, 3))
        prompts = [Prompt(ids + answers[0].ids[:t], t, 20 - t) for t in cuts]
        found = say(policy, prompts, seeds=[seed] * len(cuts), temperature=temperature)
        for t, (rest,) in zip(cuts, found, strict=True):
            assert rest.ids == answers[0].ids[t:]
            np.testing.assert_allclose(rest.logprobs, answers[0].logprobs[t:], atol=1e-4)
            assert rest.finish == answers[0].finish


def test_what_is_known_of_beginnings_changes_speed_alone(policy):
    """Kept, shared in one call, or forwarded whole: the same tokens, and fewer through the model."""
    ids = [policy.encode(text * 3) for text in TEXTS]
    prompts = [Prompt(start + tail, len(tail)) for start in ids for tail in ((), (9, 9), (12, 8, 7, 30, 31))]
    frozen = TransformersPolicy(policy.model, policy.tokenizer, frozen=True)
    alone = [say(policy, [prompt], seeds=[1])[0][0] for prompt in prompts]
    for chosen in (policy, frozen, frozen):
        for one, (other,) in zip(alone, say(chosen, prompts, seeds=[1] * len(prompts)), strict=True):
            assert one.ids == other.ids
            np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-4)
    kept = frozen.prefixes.find(ids[0]) is not None
    assert kept == (policy.model.config.model_type in ("qwen3", "llama", "gpt2"))
    assert frozen.prefixes.forwarded == sum(map(len, ids)) * kept, "once, in two calls"
    frozen.prefixes.forget()
    assert frozen.prefixes.find(ids[0]) is None


def test_a_kept_prompt_is_not_forwarded_again(plain):
    frozen = TransformersPolicy(plain.model, plain.tokenizer, frozen=True)
    prompt, shapes = Prompt((*plain.encode(TEXTS[0] * 5), 9, 8), 2), []
    hook = plain.model.register_forward_pre_hook(
        lambda module, _, options: shapes.append(tuple(options["input_ids"].shape)), with_kwargs=True
    )
    try:
        say(frozen, [prompt] * 2)
    finally:
        hook.remove()
    assert shapes == [(1, 2)], "the rest alone, once for both samples"


def test_little_room_drops_what_was_not_used_for_longest(plain):
    frozen = TransformersPolicy(plain.model, plain.tokenizer, frozen=True)
    ids = [plain.encode(text) for text in TEXTS]
    frozen.prefixes.room = len(ids[1]) + len(ids[2])
    for start in ids:
        say(frozen, [Prompt(start)])
    assert [frozen.prefixes.find(start) is None for start in ids] == [True, False, False]


def test_ranked_beginnings_are_the_likeliest_tokens(policy):
    """Greedy: the k likeliest in order. Sampled: first what would have been said, then the likeliest others."""
    with torch.inference_mode():
        logits = policy.model(torch.tensor([policy.encode(TEXTS[0])])).logits[0, -1]
    order = logits.argsort(descending=True).tolist()
    (greedy,) = say(policy, TEXTS[:1], 5, temperature=0, ranked=True)
    assert [answer.ids[0] for answer in greedy] == order[:5]
    np.testing.assert_allclose([answer.logprobs[0] for answer in greedy],
                               torch.log_softmax(logits, -1)[order[:5]], atol=1e-4)  # fmt: skip
    assert greedy[0].ids == say(policy, TEXTS[:1], temperature=0)[0][0].ids
    for seed in range(8):
        (sampled,) = say(policy, TEXTS[:1], 4, seeds=[seed], ranked=True)
        (usual,) = say(policy, TEXTS[:1], seeds=[seed])[0]
        assert sampled[0].ids == usual.ids
        assert [answer.ids[0] for answer in sampled[1:]] == [token for token in order if token != usual.ids[0]][:3]


@pytest.mark.parametrize(("pause", "threshold"), [("entropy", 1.5), ("margin", 0.3)])
def test_a_pause_comes_before_the_first_unsure_token(plain, pause, threshold):
    for text in TEXTS:
        (whole,) = say(plain, [text], max_tokens=40)[0]
        (part,) = say(plain, [text], max_tokens=40, pause=pause, threshold=threshold)[0]
        start = plain.encode(text)
        with torch.inference_mode():
            logits = plain.model(torch.tensor([[*start, *whole.ids]])).logits[0, len(start) - 1 : -1]
        chances = logits.softmax(-1)
        first, second = chances.topk(2).values.unbind(-1)
        entropy = -(chances * chances.clamp(min=1e-30).log()).sum(-1)
        unsure = (entropy >= threshold if pause == "entropy" else first - second <= threshold).nonzero()[:, 0].tolist()
        stop = unsure[0] if unsure else whole.tokens
        assert part.ids == whole.ids[:stop]
        assert part.finish == ("pause" if stop < whole.tokens else whole.finish)
        (spared,) = say(plain, [text], max_tokens=40, pause=pause, threshold=threshold, spare=stop + 1)[0]
        assert spared.ids[: stop + 1] == whole.ids[: stop + 1]


def test_all_may_pause_at_once(plain):
    found = say(plain, TEXTS, pause="entropy", threshold=0.0)
    assert [(answer.ids, answer.text, answer.finish) for (answer,) in found] == [((), "", "pause")] * 3


def test_room_and_window_bound_an_answer(plain):
    ids = plain.encode(TEXTS[0])
    short, long = say(plain, [Prompt(ids, 0, 3), Prompt(ids, 0, 7)], temperature=0)
    assert (short[0].tokens, long[0].tokens) == (3, 7)
    assert long[0].ids[:3] == short[0].ids
    full = Prompt(ids + (9,) * (tiny_models.WINDOW - len(ids) - 2), 0)
    assert say(plain, [full], temperature=0)[0][0].tokens == 2


@pytest.mark.parametrize(("written", "room", "reason"), [(4, None, "at least one token"), (-1, None, "4 tokens"),
                                                         (0, 0, "an integer >= 1, got 0")])  # fmt: skip
def test_prompts_that_cannot_be_gone_on_from(written, room, reason):
    with pytest.raises(ValueError, match=reason):
        Prompt((1, 2, 3, 4), written, room)


@pytest.mark.parametrize(("options", "reason"), [
    ({"pause": "doubt"}, "pause must be one of entropy, margin, or '', got 'doubt'"),
    ({"pause": "entropy", "threshold": -1.0}, r"threshold must be .*, got -1\.0"),
    ({"spare": -1}, "spare.*-1"),
    ({"ranked": True, "n": 9999}, "vocabulary"),
])  # fmt: skip
def test_bad_settings_are_named(plain, options, reason):
    with pytest.raises(ValueError, match=reason):
        say(plain, TEXTS[:1], **options)


def test_a_backend_that_shows_no_distribution_refuses(plain, monkeypatch):
    monkeypatch.setattr(TransformersPolicy, "looks", False)
    with pytest.raises(ValueError, match="which need the distribution of the next token"):
        say(plain, TEXTS, 2, ranked=True)
