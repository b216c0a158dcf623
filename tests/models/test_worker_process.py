"""A policy in a process of its own: the same samples, weights that follow, and an end that is noticed."""

import copy

import pytest
import tiny_models
import torch

from game24lab.models.backends.transformers_policy import TransformersPolicy
from game24lab.models.backends.worker_process import ApartPolicy
from game24lab.training.rollouts import Rollouts

PROMPTS = ["Input: 4 5 6 10\n", "Input: 1 2 3 4\n"]
SAMPLED = {"max_tokens": 10, "temperature": 0.9, "top_p": 0.95, "seeds": [3, 4]}


@pytest.fixture(scope="module")
def made():
    return tiny_models.make("qwen3", seed=3)


@pytest.fixture(scope="module")
def apart(made):
    return ApartPolicy(*made)


def test_it_samples_what_the_model_here_samples(made, apart):
    here = TransformersPolicy(*made)
    for settings in ({}, {"stop_line": True}, {"ranked": True}, {"pause": "entropy", "threshold": 3.0}):
        ours, theirs = (policy.generate(PROMPTS, 5, **SAMPLED, **settings) for policy in (apart, here))
        assert [[answer.ids for answer in answers] for answers in ours] == [
            [answer.ids for answer in answers] for answers in theirs
        ]
    assert apart.manifest["device"] == "cpu"


def test_it_takes_over_weights(made, apart):
    model, tokenizer = copy.deepcopy(made[0]), made[1]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    before = apart.generate(PROMPTS, 3, **SAMPLED)
    apart.update(model)
    after = apart.generate(PROMPTS, 3, **SAMPLED)
    assert after != before
    expected = TransformersPolicy(model, tokenizer).generate(PROMPTS, 3, **SAMPLED)
    assert [[a.ids for a in answers] for answers in after] == [[a.ids for a in answers] for answers in expected]
    apart.update(made[0])


def test_errors_over_there_are_errors_here_and_end_nothing(made, apart):
    with pytest.raises(RuntimeError, match="loading state_dict"):
        apart.update(tiny_models.make("llama")[0])
    assert apart.generate(PROMPTS, 1, **SAMPLED)


def test_a_process_that_was_killed_is_named(made):
    policy = ApartPolicy(*made)
    policy._worker.kill()
    policy._worker.join()
    with pytest.raises(RuntimeError, match=r"the process of the rollouts on cpu has ended \(exit code -9\)"):
        policy.generate(PROMPTS, 1, **SAMPLED)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"device must be one of cpu.* here, got 'cuda:7'"):
        Rollouts(device="cuda:7")
    with pytest.raises(ValueError, match="rollouts on a device of their own, 'cpu', got 'ctranslate2'"):
        Rollouts(device="cpu", backend="ctranslate2")
