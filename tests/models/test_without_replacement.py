"""Models behind tries: their own probabilities, one forward pass a prefix, no memory that matters, and who refuses."""

import math
import time
from collections import Counter

import numpy as np
import pytest
import tiny_models
import torch

from game24lab.models.backends.ctranslate2_policy import CTranslate2Policy
from game24lab.models.backends.openai_policy import ServerPolicy
from game24lab.models.backends.transformers_policy import TransformersPolicy
from game24lab.models.backends.trie_forward import Pool
from game24lab.models.backends.worker_process import ApartPolicy
from game24lab.models.policy import Sampling
from game24lab.models.trie import Book, Look
from game24lab.tasks.numbers.task import Game24

PROMPTS = ["Input: 4 5 6 10\n", "Input: 3 3 8\n", "Input: 1 2\n", "Input: 4 5 6 11\n"]
SHORT = {"max_tokens": 6, "stop_line": True}


def open_policy(kind="qwen3"):
    return TransformersPolicy(*tiny_models.make(kind))


def say(policy, prompts=PROMPTS, count=12, seed=0, **options):
    tries = [policy.open_trie(prompt, seed, **{**SHORT, **options}) for prompt in prompts]
    return tries, policy.draw(tries, [count] * len(prompts))


def score(policy, prompt, ids):
    """Log-probabilities of ids behind a prompt by one plain forward."""
    begun = policy.encode(prompt)
    with torch.inference_mode():
        logits = policy.model(torch.tensor([[*begun, *ids]])).logits[0, len(begun) - 1 : -1].float()
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(ids)[:, None])[:, 0].numpy()


@pytest.mark.parametrize("kind", tiny_models.KINDS)
def test_probabilities_are_the_models_own(kind):
    """Of every architecture: those with windows and states too, which are given whole prefixes."""
    policy = open_policy(kind)
    # of flat weights all lines are about as likely: with all tokens, listing them would take minutes
    for options in ({}, {"temperature": 0.7, "top_k": 5, "top_p": 0.9}, {"order": "likeliest", "top_k": 2}):
        tries, found = say(policy, **options)
        for prompt, trie, one in zip(PROMPTS, tries, found, strict=True):
            assert len({line.text for line in one.lines}) == len(one.lines)
            assert len(one.lines) == 12 or (trie.exhausted and "top_p" in options)
            for line, said in zip(one.lines, trie.said, strict=True):
                assert np.allclose(line.logprobs, score(policy, prompt, line.ids), atol=2e-4)
                if not options:
                    assert said.log == pytest.approx(line.logprob, abs=1e-3) or said.log > line.logprob  # merged rows


def test_what_is_charged_is_what_went_through_the_model(monkeypatch):
    """Counted at the model: tokens behind prompts, each prefix once; and the last token of every line."""
    policy, passed = open_policy(), Counter()
    real = Pool.forward

    def forward(self, looks):
        passed.update((look.book.prompt, look.path) for look in looks if look.path and not look.whole)
        return real(self, looks)

    monkeypatch.setattr(Pool, "forward", forward)
    tries, found = say(policy)
    assert set(passed.values()) == {1}
    for trie, one in zip(tries, found, strict=True):
        mine = sum(prompt == trie.book.prompt for prompt, _ in passed)
        ids = {line.completion.ids for line in trie.said}
        assert one.tokens == mine + len(trie.book.counted) == sum(line.tokens for line in one.lines)
        assert mine == len({line[:length] for line in trie.book.counted for length in range(1, len(line))})
        assert ids <= trie.book.counted


@pytest.mark.parametrize("kind", ["qwen3", "gpt2", "lfm2"])
def test_neither_batches_nor_memory_matter(kind):
    """Alone, in parts, in batches, and with a pool that forgets everything at once: the same lines."""
    policy, small = open_policy(kind), open_policy(kind)
    small._pool.room = 0
    _, together = say(policy)
    _, forgetful = say(small, count=4)
    for prompt, one, begun in zip(PROMPTS, together, forgetful, strict=True):
        trie = policy.open_trie(prompt, 0, **SHORT)
        parts = [line for count in (1, 4, 7) for line in policy.draw([trie], [count])[0].lines]
        assert [line.ids for line in parts] == [line.ids for line in one.lines]
        assert [line.ids for line in begun.lines] == [line.ids for line in one.lines[:4]]
        assert sum(line.tokens for line in parts) == one.tokens
    others = [line.ids for one in say(policy, seed=1)[1] for line in one.lines]
    assert others != [line.ids for one in together for line in one.lines]


def test_places_are_given_back():
    policy = open_policy()
    tries, _ = say(policy)
    pool = policy._pool
    assert 0 < pool._used < 4 * (20 + 12 * 6)
    assert len(set(pool._free)) == len(pool._free) == pool._layers[0][0].shape[0] - pool._used
    del tries
    assert pool._used == 0


def test_it_draws_as_the_model_samples():
    """The first line of a trie is an ordinary sample: frequencies of first tokens agree with `generate`."""
    policy = open_policy()
    known = policy.open_trie(PROMPTS[2], 0, max_tokens=1)
    tries = [policy.open_trie(PROMPTS[2], seed, max_tokens=1, beside=known) for seed in range(4000)]
    firsts = Counter(one.lines[0].ids for one in policy.draw(tries, [1] * len(tries)))
    sampled = Counter(line.ids for line in policy.generate([PROMPTS[2]], 4000, max_tokens=1, seeds=[5])[0])
    for ids, count in firsts.most_common(6):
        assert abs(count - sampled[ids]) < 5 * math.sqrt(count + 1)


def test_one_line_at_temperature_0_and_few_with_top_k():
    policy = open_policy()
    greedy = policy.generate(PROMPTS, 1, **SHORT, temperature=0)
    for options in ({"temperature": 0}, {"top_k": 1}):
        tries, found = say(policy, count=3, **options)
        assert [[line.ids for line in one.lines] for one in found] == [[line.ids for line in one] for one in greedy]
        assert all(trie.exhausted and trie.left == 0 and trie.weigh() == [1.0] for trie in tries)
    trie = policy.open_trie(PROMPTS[0], 0, max_tokens=2, top_k=3)
    (found,) = policy.draw([trie], [1000])
    assert trie.exhausted
    assert 1 <= len(found.lines) <= 9
    assert trie.mass == pytest.approx(1)


@pytest.mark.parametrize("order", ["random", "likeliest"])
def test_nothing_is_said_but_what_is_allowed(order):
    """All of it, each line with the model's own probability, and the mass is divided among allowed tokens."""
    policy = open_policy()
    allowed = ("4 + 5 = 9 (left: 6 9 10)", "4 + 6 = 10 (left: 5 10 10)", "10 / 5 = 2 (left: 2 4 6)")
    options = {"order": order, "max_tokens": 40, "allowed": allowed}
    (trie,), (drawn,) = say(policy, PROMPTS[:1], 9, **options)
    assert sorted(line.text for line in drawn.lines) == sorted(allowed)
    assert trie.exhausted
    assert trie.mass == pytest.approx(1)
    for line in drawn.lines:
        assert np.allclose(line.logprobs, score(policy, PROMPTS[0], line.ids), atol=2e-4)
    beside = policy.open_trie(PROMPTS[0], 1, beside=trie, **SHORT)
    (again,) = policy.draw([beside], [9])
    assert {line.text for line in again.lines} == set(allowed)
    assert again.tokens == 0, "all of it is known"
    (one,) = policy.draw([policy.open_trie(PROMPTS[0], 0, **SHORT, allowed=())], [3])
    assert one.lines == []


def test_tokens_without_a_choice_go_through_together(monkeypatch):
    """Where one token alone is allowed after the other, a pass takes all of them, and nothing else changes."""
    lines = Game24().legal_lines(Game24().start((4, 5, 6, 10)))
    options = {"max_tokens": 40, "allowed": lines, "order": "random"}
    found, passes = [], []
    real = Pool.forward
    for forced in (Book.find_forced, lambda book, path: ()):
        count = Counter()
        monkeypatch.setattr(Book, "find_forced", forced)
        monkeypatch.setattr(Pool, "forward", lambda *given, count=count: count.update(["pass"]) or real(*given))
        _, (drawn,) = say(open_policy(), PROMPTS[:1], len(lines), **options)
        found.append(drawn)
        passes.append(count["pass"])
    one, other = found
    assert [line.ids for line in one.lines] == [line.ids for line in other.lines]
    assert {line.text for line in one.lines} == set(lines)
    for line, same in zip(one.lines, other.lines, strict=True):
        assert np.allclose(line.logprobs, same.logprobs, atol=2e-4)
    assert one.tokens == other.tokens
    assert [line.charged for line in one.lines] == [line.charged for line in other.lines]
    assert 2 * passes[0] < passes[1]


def test_lines_that_do_not_end_are_cut_off():
    policy = open_policy()
    tries, found = say(policy, max_tokens=3, stop_line=False)
    for trie, one in zip(tries, found, strict=True):
        assert all(len(line.ids) <= 3 for line in one.lines)
        assert trie.book.limit == 3
        assert all(line.finish == ("stop" if line.ids[-1] in policy.card_ends else "length") for line in one.lines)


def test_bad_input_gets_one_line():
    policy = open_policy()
    with pytest.raises(ValueError, match="temperature must be a finite number >= 0, got nan"):
        policy.open_trie(PROMPTS[0], 0, max_tokens=3, temperature=math.nan)
    with pytest.raises(ValueError, match="order must be one of"):
        policy.open_trie(PROMPTS[0], 0, max_tokens=3, order="worst")
    with pytest.raises(ValueError, match="at least one token"):
        policy.open_trie("", 0, max_tokens=3)
    with pytest.raises(ValueError, match="shorter than the model's window"):
        policy.open_trie("1" * 500, 0, max_tokens=3)
    with torch.no_grad():
        policy.model.model.norm.weight.fill_(math.nan)
    with pytest.raises(ValueError, match="the model's logits are not finite"):
        say(policy)


@pytest.mark.parametrize("backend", [CTranslate2Policy, ServerPolicy, ApartPolicy])
def test_other_backends_say_that_they_cannot(backend):
    policy = backend.__new__(backend)
    for ask in (lambda: policy.open_trie("x", 0, max_tokens=3, beside=None), policy.open_reader):
        with pytest.raises(ValueError, match=f"backend must be 'transformers' for .*, got '{backend.name}'"):
            ask()


@pytest.mark.parametrize("kind", ["qwen3", "gpt2", "lfm2"])
def test_a_reader_says_what_the_model_says(kind):
    policy = open_policy(kind)
    lines = ["4 + 5 = 9 (left: 6 9 10)", "10 - 4 = 6 (left: 5 6 6)", None]
    samplings = [Sampling(1), Sampling(1, 0.5), Sampling(1, 1.0, 0.9), Sampling(1, 0.0)]
    prompts = [PROMPTS[0], PROMPTS[0], PROMPTS[1]]
    reader = policy.open_reader()
    found = reader.score(prompts, lines, samplings)
    again = policy.open_reader().score(prompts[1:], lines[1:], samplings)
    assert found.shape == (3, 4)
    assert np.allclose(found[1:], again, atol=1e-5)
    for prompt, line, logs in zip(prompts, lines, found, strict=True):
        ids = (policy.tokenizer.eos_token_id,) if line is None else policy.encode(f"{line}\n")
        assert logs[0] == pytest.approx(float(score(policy, prompt, ids).sum()), abs=2e-3)
        assert (logs[3] in (0.0, -math.inf) and logs[2] >= logs[0]) or logs[2] == -math.inf
    longer = reader.score([f"{PROMPTS[0]}{lines[0]}\n"], [lines[1]])  # goes on behind what was read
    ids = policy.encode(f"{lines[1]}\n")
    assert longer[0, 0] == pytest.approx(float(score(policy, f"{PROMPTS[0]}{lines[0]}\n", ids).sum()), abs=2e-3)


def test_weights_are_looked_at_when_asked():
    """A look at all tokens and one at the likeliest agree."""
    policy = open_policy()
    trie = policy.open_trie(PROMPTS[0], 0, max_tokens=3)
    first, whole = policy._pool.forward([Look(trie.book, ()), Look(trie.book, (), whole=True)])
    assert np.allclose(first.logs, whole.logs[: len(first.logs)])
    assert np.exp(first.logs).sum() + math.exp(first.rest) == pytest.approx(1)
    assert np.exp(whole.logs).sum() == pytest.approx(1)
    assert whole.rest == -math.inf


def test_the_models_time_is_that_of_its_passes(monkeypatch):
    """Tries keep books of their own: what that takes is in the time of a draw and not in the model's."""
    policy, spelled = open_policy(), []
    real = policy._spell
    monkeypatch.setattr(policy, "_spell", lambda book, ids: (time.sleep(0.01), spelled.append(ids), real(book, ids))[2])
    begin = time.perf_counter()
    _, found = say(policy, count=3)
    whole = time.perf_counter() - begin
    passed = sum(one.seconds for one in found)
    assert len({one.seconds for one in found}) == 1
    assert 0 < passed <= whole - 0.01 * len(spelled)
    assert passed == pytest.approx(policy._pool.seconds)
