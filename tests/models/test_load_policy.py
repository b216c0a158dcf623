"""Policies: all backends return the same thing, count exactly, and say clearly what they cannot do."""

import json
import os
import shutil
from collections import Counter
from itertools import chain

import numpy as np
import pytest
import tiny_models
import torch
from served import CompletionsServer, serve

from game24lab.models.load_policy import Completion, TransformersPolicy, load_policy
from game24lab.models.policy import Job, make_batches

PROMPTS = ["Input: 4 5 6 10\n", "Input: 3 8\n", "Input: 1 2\n", "Input: 4 5 6 10\n", "Input: 24 (left: 3 7 11\n"]
LOCAL = ("ctranslate2", "transformers")


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    """Exports of these tests go to a cache of their own."""
    before = os.environ.get("GAME24LAB_CACHE")
    os.environ["GAME24LAB_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("GAME24LAB_CACHE")
    if before is not None:
        os.environ["GAME24LAB_CACHE"] = before


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("checkpoints")
    return {kind: tiny_models.save(kind, root / kind) for kind in ("qwen3", "llama", "gpt2", "mistral")}


@pytest.fixture(scope="module")
def policies(folders):
    return {
        (kind, backend): load_policy(folders[kind], backend=backend, seed=5)
        for kind in ("qwen3", "llama", "gpt2")
        for backend in LOCAL
    }


def score(policy, prompt, ids):
    """The model's own log-probabilities of ids behind a prompt, by one plain forward."""
    start = policy.tokenizer(prompt)["input_ids"]
    with torch.inference_mode():
        logits = policy.model(torch.tensor([[*start, *ids]])).logits[0, len(start) - 1 : -1].float()
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(ids)[:, None])[:, 0].numpy()


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gpt2"])
@pytest.mark.parametrize("stop_line", [False, True])
def test_greedy_agrees_between_backends(policies, kind, stop_line):
    exported, live = (
        policies[kind, backend].generate(PROMPTS, 2, max_tokens=60, temperature=0, stop_line=stop_line)
        for backend in LOCAL
    )
    assert [len(group) for group in exported] == [2] * len(PROMPTS)
    for one, other in zip(chain(*exported), chain(*live), strict=True):
        assert (one.ids, one.text, one.finish) == (other.ids, other.text, other.finish)
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-4)
    assert exported[0] == exported[3], "equal prompts"
    assert exported[0][0] == exported[0][1], "equal copies"


@pytest.mark.parametrize("backend", LOCAL)
@pytest.mark.parametrize("kind", ["qwen3", "gpt2"])
def test_completions_are_what_was_sampled(policies, backend, kind):
    """Ids, counts, texts, finish reasons and raw log-probabilities fit each other, whatever the sampling."""
    policy, judge = policies[kind, backend], policies[kind, "transformers"]
    tokenizer, counts = policy.tokenizer, [9, 0, 4, 12, 1]
    for options in ({}, {"temperature": 0.6, "top_k": 30}, {"temperature": 1.5, "top_p": 0.8}, {"top_k": 10**6}):
        for stop_line in (False, True):
            found = policy.generate(PROMPTS, counts, max_tokens=50, stop_line=stop_line, **options)
            assert [len(group) for group in found] == counts
            stops = {tokenizer.eos_token_id} | (policy.line_ends if stop_line else set())
            for prompt, group in zip(PROMPTS, found, strict=True):
                for completion in group:
                    assert isinstance(completion, Completion)
                    assert completion.tokens == len(completion.ids) == len(completion.logprobs)
                    assert completion.logprob == pytest.approx(sum(completion.logprobs))
                    assert not stops & set(completion.ids[:-1])
                    assert completion.finish == ("stop" if completion.ids[-1] in stops else "length")
                    assert completion.finish == "stop" or completion.tokens == 50
                    text = tokenizer.decode(completion.ids, skip_special_tokens=True)
                    assert completion.text == (text.split("\n")[0] if stop_line else text)
                    np.testing.assert_allclose(
                        completion.logprobs, score(judge, prompt, completion.ids), atol=2e-4
                    )


def test_both_ways_to_stop_occur(policies):
    """The tests above see end tokens, line ends (also inside a token, such as `)` with a line end) and limits."""
    policy = policies["qwen3", "transformers"]
    found = policy.generate(PROMPTS, 120, max_tokens=50, stop_line=True, seeds=range(5))
    last = Counter(completion.ids[-1] for group in found for completion in group if completion.finish == "stop")
    assert {policy.tokenizer.eos_token_id} | policy.line_ends <= set(last)
    assert len(policy.line_ends) >= 2
    assert any(completion.finish == "length" for group in found for completion in group)


@pytest.mark.parametrize("backend", LOCAL)
def test_samples_follow_the_model(policies, backend):
    """Frequencies of first tokens, at several temperatures and truncations, the same from both backends."""
    policy, n = policies["qwen3", backend], 3000
    with torch.inference_mode():
        ids = policies["qwen3", "transformers"].tokenizer(PROMPTS[0])["input_ids"]
        logits = policies["qwen3", "transformers"].model(torch.tensor([ids])).logits[0, -1].double()
    for options in ({}, {"temperature": 0.5}, {"top_k": 3}, {"temperature": 0.5, "top_p": 0.7}):
        p = torch.softmax(logits / options.get("temperature", 1.0), -1)
        ranked, order = p.sort(descending=True)
        keep = ranked.cumsum(-1) - ranked < options.get("top_p", 1.0)
        keep[options.get("top_k", len(keep)) :] = False
        kept = dict(zip(order[keep].tolist(), (ranked[keep] / ranked[keep].sum()).tolist(), strict=True))
        found = policy.generate(PROMPTS[:1], n, max_tokens=1, **options)[0]
        counts = Counter(completion.ids[0] for completion in found)
        assert set(counts) <= set(kept)
        for token, share in list(kept.items())[:5]:
            assert counts[token] / n == pytest.approx(share, abs=4.5 * np.sqrt(share * (1 - share) / n) + 1e-9)


def count_changes(groups, others):
    """Completions that differ. In another batch sums are rounded otherwise, which now and then changes a sample."""
    return sum(a.ids != b.ids for g, o in zip(groups, others, strict=True) for a, b in zip(g, o, strict=True))


def test_a_sample_depends_on_its_prompts_seed_alone(folders, policies):
    policy = policies["qwen3", "transformers"]
    seeds = [11, 22, 33, 44, 55]
    found = policy.generate(PROMPTS, 6, max_tokens=40, stop_line=True, seeds=seeds)
    alone = [
        policy.generate([prompt], 6, max_tokens=40, stop_line=True, seeds=[seed])[0]
        for prompt, seed in zip(PROMPTS, seeds, strict=True)
    ]
    assert count_changes(found, alone) <= 1
    assert count_changes(found[:1], found[3:4]) == 6, "equal prompts, other seeds"
    assert len({completion.ids for completion in found[0]}) == 6
    small = load_policy(folders["qwen3"], backend="transformers", max_batch_tokens=100)
    backwards = small.generate(PROMPTS[::-1], 6, max_tokens=40, stop_line=True, seeds=seeds[::-1])
    assert count_changes(found, backwards[::-1]) <= 1
    fewer = policy.generate(PROMPTS, 3, max_tokens=40, stop_line=True, seeds=seeds)
    assert count_changes([group[:3] for group in found], fewer) <= 1


def test_without_seeds_torch_governs(policies):
    policy, runs = policies["qwen3", "transformers"], []
    for _ in range(2):
        torch.manual_seed(1)
        runs.append([policy.generate(PROMPTS, 2, max_tokens=9) for _ in range(2)])
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[0][1]


def test_threads_change_nothing(folders):
    """Batches go to several threads where there are several: samples, thread settings and modes stay the same."""
    policy = load_policy(folders["qwen3"], backend="transformers")
    policy.model.train()
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(policy.generate(PROMPTS, 30, max_tokens=20, seeds=range(5)))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert count_changes(*results) <= 3  # of 150
    assert policy.model.training


def test_ctranslate2_repeats_from_its_seed_and_workers_differ(folders):
    threads, policies = torch.get_num_threads(), []
    try:
        torch.set_num_threads(2)
        for seed in (1, 1, 2):
            policies.append(load_policy(folders["qwen3"], backend="ctranslate2", seed=seed))
            assert torch.get_num_threads() == 2, "building a generator must not change it"
            assert policies[-1].workers == 2
        runs = [[policy.generate(PROMPTS[:1], 64, max_tokens=12) for _ in range(2)] for policy in policies]
    finally:
        torch.set_num_threads(threads)
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    for call in runs[0]:  # 64 samples of one prompt by two workers: one random stream would give each twice
        assert len({completion.ids for completion in call[0]}) > 60


@pytest.mark.parametrize("backend", LOCAL)
def test_nothing_asked_nothing_given(policies, backend):
    policy = policies["qwen3", backend]
    assert policy.generate([], 3, max_tokens=5) == []
    assert policy.generate([], [], max_tokens=5, stop_line=True, temperature=0) == []
    for temperature in (0, 1.0):
        assert policy.generate(PROMPTS[:2], 0, max_tokens=5, temperature=temperature) == [[], []]
    assert [len(g) for g in policy.generate(PROMPTS[:2], [0, 2], max_tokens=5, temperature=0)] == [0, 2]


@pytest.mark.parametrize("backend", LOCAL)
def test_the_window_limits_prompt_and_completion(policies, backend):
    policy = policies["qwen3", backend]
    long = "1" + " 1" * (tiny_models.WINDOW - 2)
    assert policy.count(long) == tiny_models.WINDOW - 1
    found = policy.generate([long, "1 1"], 3, max_tokens=200, top_k=1)
    assert found[1][0] == found[1][2], "top_k 1 is greedy"
    assert [(c.tokens, c.finish) for c in found[0]] == [(1, "length")] * 3
    assert all(c.tokens == tiny_models.WINDOW - 2 or c.finish == "stop" for c in found[1])
    with pytest.raises(ValueError, match="prompt 1 must be shorter than the model's window of 96, got 96"):
        policy.generate(["1", long + " 1"], 1, max_tokens=5)
    with pytest.raises(ValueError, match="prompt 2 must have at least one token"):
        policy.generate(["1", "1", ""], 1, max_tokens=5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 0}, "max_tokens.*0"),
        ({"max_tokens": 2.5}, r"max_tokens.*2\.5"),
        ({"temperature": -1}, "temperature must be a finite number >= 0, got -1"),
        ({"temperature": float("nan")}, "temperature must be .*, got nan"),
        ({"temperature": "1"}, "temperature must be .*, got '1'"),
        ({"top_p": 0}, "top_p must be a number above 0 and up to 1 .*, got 0"),
        ({"top_p": 1.5}, r"top_p must be .*, got 1\.5"),
        ({"top_k": -1}, "top_k.*-1"),
        ({"n": -1}, "n must be an integer >= 0, or one for each of the 2 prompts, got -1"),
        ({"n": [1]}, r"n must be .*, got \[1\]"),
        ({"n": [1, True]}, r"n must be .*, got \[1, True\]"),
        ({"seeds": [1]}, "seeds must be an integer for each of the 2 prompts, got 1 values"),
        ({"seeds": [1, "a"]}, "seeds"),
        ({"prompts": "Input"}, "prompts must be a list of texts, got 'Input'"),
        ({"prompts": [1, 2]}, "prompts"),
    ],
)
def test_bad_options_are_named(policies, options, message):
    for backend in LOCAL:
        with pytest.raises(ValueError, match=message):
            policies["qwen3", backend].generate(**{"prompts": ["1", "2"], "n": 1, "max_tokens": 5, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "vllm"}, "backend.*auto, ctranslate2, transformers, server"),
        ({"device": "tpu"}, "device.*auto, cpu, cuda"),
        ({"work": "line"}, "work.*lines, traces"),
        ({"backend": "transformers", "compute_type": "int8"}, "compute_type.*auto, float32"),
        ({"backend": "ctranslate2", "compute_type": "int3"}, "compute_type must be one of auto, .*, got 'int3'"),
        ({"max_batch_tokens": 0}, "max_batch_tokens.*0"),
        ({"backend": "server"}, "url must be given with the backend 'server' and with no other, got None"),
        ({"backend": "transformers", "url": "http://localhost:1"}, "url must be given with .*for 'transformers'"),
    ],
)
def test_bad_choices_are_named(folders, options, message):
    with pytest.raises(ValueError, match=message):
        load_policy(folders["qwen3"], **options)


@pytest.mark.parametrize("backend", ["auto", *LOCAL])
def test_broken_checkpoints_get_one_clear_line(folders, tmp_path, backend):
    broken = tmp_path / "broken"
    shutil.copytree(folders["qwen3"], broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    bare = tmp_path / "bare"
    shutil.copytree(folders["qwen3"], bare, ignore=shutil.ignore_patterns("tokenizer*"))
    garbled = tmp_path / "garbled"
    shutil.copytree(folders["qwen3"], garbled)
    (garbled / "config.json").write_text("{")
    for folder, message in ((broken, "cut short"), (bare, "no tokenizer"), (tmp_path / "none", "no such folder"),
                            (garbled, "config")):  # fmt: skip
        with pytest.raises(ValueError, match=message) as error:
            load_policy(folder, backend=backend)
        assert str(folder) in str(error.value)
        assert "\n" not in str(error.value)


def test_auto_says_what_it_took(folders):
    lines = {kind: load_policy(folder) for kind, folder in folders.items()}
    assert {kind: policy.name for kind, policy in lines.items()} == {
        "qwen3": "transformers", "llama": "transformers", "gpt2": "ctranslate2", "mistral": "transformers",
    }  # fmt: skip
    assert load_policy(folders["gpt2"], work="traces").name == "transformers"
    assert "CTranslate2 does not run MistralConfig models" in lines["mistral"].reason
    for policy in lines.values():
        assert policy.reason.startswith("auto: ")
        manifest = policy.manifest
        assert manifest["backend"] == policy.name
        assert manifest["compute_type"] == "float32"
        assert set(manifest) == {"backend", "device", "compute_type", "reason", "seeding", "parameters"}
        json.dumps(manifest)
    assert load_policy(folders["qwen3"], backend="ctranslate2").reason == "asked for"


def test_parameters_are_counted_without_embeddings(policies):
    model, _ = tiny_models.make("qwen3")
    own = sum(p.numel() for p in model.parameters()) - model.model.embed_tokens.weight.numel()
    assert policies["qwen3", "ctranslate2"].parameters == policies["qwen3", "transformers"].parameters == own


@pytest.mark.parametrize("backend", LOCAL)
def test_weights_can_be_replaced_in_memory(folders, backend):
    policy = load_policy(folders["qwen3"], backend=backend)
    before = policy.generate(PROMPTS, 1, max_tokens=20, temperature=0)
    for seed in (1, 2, 0):
        model, tokenizer = tiny_models.make("qwen3", seed)
        weights = {name: value.clone() for name, value in model.state_dict().items()}
        policy.update(model)
        found = policy.generate(PROMPTS, 1, max_tokens=20, temperature=0)
        expected = TransformersPolicy(model, tokenizer).generate(PROMPTS, 1, max_tokens=20, temperature=0)
        assert [g[0].ids for g in found] == [g[0].ids for g in expected]
        assert (found == before) == (seed == 0) or backend == "ctranslate2"
        assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    again = load_policy(folders["qwen3"], backend=backend).generate(PROMPTS, 1, max_tokens=20, temperature=0)
    assert [g[0].ids for g in again] == [g[0].ids for g in before], "the checkpoint and its cached export are untouched"


def test_a_model_in_training_samples_what_it_is_now(folders):
    policy = load_policy(folders["qwen3"], backend="transformers")
    before = policy.generate(PROMPTS[:1], 1, max_tokens=10, temperature=0)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    after = policy.generate(PROMPTS[:1], 1, max_tokens=10, temperature=0)
    np.testing.assert_allclose(after[0][0].logprobs, score(policy, PROMPTS[0], after[0][0].ids), atol=1e-4)
    assert after != before


def test_nothing_is_written_into_the_checkpoint(folders, tmp_path, monkeypatch):
    """An installed checkpoint may be read-only, and so may be the cache: the export then is temporary."""
    before = sorted(folders["qwen3"].iterdir())
    (tmp_path / "file").touch()
    monkeypatch.setenv("GAME24LAB_CACHE", str(tmp_path / "file" / "cache"))
    policy = load_policy(folders["qwen3"], backend="ctranslate2")
    assert policy.generate(["1"], 1, max_tokens=2)[0][0].tokens
    assert sorted(folders["qwen3"].iterdir()) == before
    assert "game24lab-" in str(policy.export)


def test_batches_keep_lengths_together_and_limits():
    shapes = ((3, 5), (4, 2), (3, 1), (20, 7), (5, 90))
    jobs = [Job(tuple(range(length)), ((0, 0),) * rows, 10) for length, rows in shapes]
    batches = make_batches(jobs, 1000, 10**6)
    assert batches == [[(0, range(5)), (2, range(1)), (1, range(2)), (4, range(90))], [(3, range(7))]]
    for batch in make_batches(jobs, 40, 400):
        rows = sum(len(part) for _, part in batch)
        assert rows <= 40
        assert sum(len(part) * (len(jobs[index].ids) + 10) for index, part in batch) <= 400 or rows == 1
    parts = [place for batch in make_batches(jobs, 7, 30, [0, 1, 0, 1, 0]) for place in batch]
    seen = Counter((index, row) for index, part in parts for row in part)
    assert set(seen.values()) == {1}
    assert len(seen) == 105


def test_prompts_of_many_lengths_share_a_batch_where_answers_are_long():
    """Word problems differ by a hundred tokens; a batch for every few of them takes as many steps as one for all."""
    lengths = range(70, 166, 3)
    jobs = [Job(tuple(range(length)), ((0, 0),), 160) for length in lengths]
    batches = make_batches(jobs, 1000, 10**6)
    assert len(batches) == 1
    assert [index for batch in batches for index, _ in batch] == list(range(len(jobs)))
    narrow = make_batches(jobs, 1000, 3000)  # a batch is as wide as its longest prompt
    assert all(len(batch) * (len(jobs[batch[-1][0]].ids) + 160) <= 3000 for batch in narrow)


# ------------------------------------------------------------------------------------------------------- the server
@pytest.fixture
def served_name(folders, tmp_path, monkeypatch):
    """A checkpoint known by the name it is served by: its weights are not here."""
    shutil.copytree(folders["qwen3"], tmp_path / "tiny", ignore=shutil.ignore_patterns("*.safetensors"))
    monkeypatch.chdir(tmp_path)
    return "tiny"


def test_a_server_returns_the_same_thing(policies, served_name):
    pytest.importorskip("openai")
    here = policies["qwen3", "transformers"]
    with serve(here) as server:
        policy = load_policy(served_name, url=server.url)
        assert (policy.name, policy.parameters, policy.count(PROMPTS[0])) == (
            "server", here.parameters, here.count(PROMPTS[0])
        )  # fmt: skip
        assert policy.manifest["model"] == "tiny"
        for options in ({"temperature": 0}, {"temperature": 0.8, "top_k": 40, "top_p": 0.9}, {"stop_line": True}):
            options |= {"max_tokens": 40, "seeds": range(5)}
            asked = (PROMPTS, [3, 0, 1, 2, 1])
            theirs, ours = (chain(*source.generate(*asked, **options)) for source in (policy, here))
            for one, other in zip(theirs, ours, strict=True):
                assert (one.ids, one.text, one.finish) == (other.ids, other.text, other.finish)
                np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-4)
        assert policy.generate([], 1, max_tokens=3) == []
        assert len(server.requests) == 3 + 4 + 4, "one request for each prompt and seed"
        with pytest.raises(ConnectionError, match="cannot") as error:
            policy.generate(["1"], 1, max_tokens=3, seeds=[666])
        assert "\n" not in str(error.value)
        os.rename("tiny", "other")
        with pytest.raises(ValueError, match="does not serve 'other' but tiny"):
            load_policy("other", url=server.url)


@pytest.mark.parametrize(("options", "message"), [({"ids": False}, "no token ids"), ({"ends": False}, "end tokens")])
def test_servers_that_cannot_count_are_refused(policies, served_name, options, message):
    pytest.importorskip("openai")
    with serve(policies["qwen3", "transformers"], **options) as server:
        policy = load_policy(served_name, url=server.url)
        with pytest.raises(ValueError, match=message):
            policy.generate(PROMPTS, 30, max_tokens=40, stop_line=True, seeds=range(5))


def test_a_server_that_is_not_there(served_name, monkeypatch):
    openai = pytest.importorskip("openai")
    monkeypatch.setattr(openai._base_client, "INITIAL_RETRY_DELAY", 0.0, raising=False)
    monkeypatch.setattr(openai._base_client, "MAX_RETRY_DELAY", 0.0, raising=False)
    with pytest.raises(ConnectionError, match="server http://127"):
        load_policy(served_name, url="http://127.0.0.1:9/v1")


def write_choice(ids, text):
    logprobs = {"tokens": [f"token_id:{i}" for i in ids], "token_logprobs": [-0.5] * len(ids), "top_logprobs": None,
                "text_offset": []}  # fmt: skip
    return {"choices": [{"index": 0, "text": text, "finish_reason": "length", "logprobs": logprobs}]}


def spell(policies, text):
    return write_choice(policies["qwen3", "transformers"].encode(text), text)


@pytest.fixture
def hurry(monkeypatch):
    """The client's pauses between tries, gone; what a server asks for in `Retry-After` stays."""
    openai = pytest.importorskip("openai")
    monkeypatch.setattr(openai._base_client, "INITIAL_RETRY_DELAY", 0.0)
    monkeypatch.setattr(openai._base_client, "MAX_RETRY_DELAY", 0.0)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "headers": {"Retry-After": "0.2"}},
        {"status": 500},
        {"status": 503},
        {"cut": True},
    ],
    ids=["too many", "broken", "overloaded", "cut short"],
)
def test_a_fault_that_passes_is_waited_out(policies, served_name, hurry, fault):
    whole = spell(policies, "4 + 5")
    with CompletionsServer(lambda asked: whole) as server:
        policy = load_policy(served_name, url=server.url)
        (undisturbed,) = policy.generate(["1"], 1, max_tokens=9, seeds=[1])
    tried = []

    def answer(asked):
        tried.append(asked)
        return {**whole, "fault": fault} if len(tried) < 3 else whole

    with CompletionsServer(answer) as server:
        policy = load_policy(served_name, url=server.url)
        assert policy.generate(["1"], 1, max_tokens=9, seeds=[1]) == [undisturbed]
    assert len(tried) == 3


@pytest.mark.parametrize(
    ("fault", "tries", "message"),
    [
        ({"status": 404}, 1, "404"),
        ({"status": 401}, 1, "401.*OPENAI_API_KEY"),
        ({"status": 429, "headers": {"Retry-After": "0"}}, 4, "429"),
        ({"status": 500}, 4, "500"),
        ({"cut": True}, 4, "server http"),
    ],
    ids=["no such route", "no key", "too many", "broken", "cut short"],
)
def test_a_fault_that_stays_is_one_line(policies, served_name, hurry, fault, tries, message):
    asked = []
    broken = {"error": {"message": "so it\nis"}, "fault": fault}
    with CompletionsServer(lambda one: asked.append(one) or dict(broken)) as server:
        policy = load_policy(served_name, url=server.url)
        with pytest.raises(ConnectionError, match=message) as error:
            policy.generate(["1"], 1, max_tokens=9, seeds=[1])
    assert "\n" not in str(error.value)
    assert len(asked) == tries


def test_a_server_of_another_tokenizer_is_refused(policies, served_name):
    pytest.importorskip("openai")
    here = policies["qwen3", "transformers"]
    ids = here.encode("4 + 5")
    for answer, message in [
        (write_choice([here.card.vocabulary], "x"), "sends token"),
        (write_choice(ids, "The cat"), r"calls 'The cat' are the tokens of '4 \+ 5' in tiny"),
    ]:
        with CompletionsServer(lambda asked, answer=answer: answer) as server:
            policy = load_policy(served_name, url=server.url)
            with pytest.raises(ValueError, match=message) as error:
                policy.generate(["1"], 1, max_tokens=9, seeds=[1])
            assert "\n" not in str(error.value)
