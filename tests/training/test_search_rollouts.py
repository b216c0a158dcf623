"""Searched members of GRPO's groups: which they are, their weights and log-probabilities, and nothing else changed."""

import math

import pandas as pd
import pytest
import tiny_models
import torch
from test_grpo import MIXED, PROBLEMS, REWARDS, config, pay_sum, recompute, spy

from game24lab.models.checkpoints import load_checkpoint
from game24lab.tasks.problems import Problem
from game24lab.training import grpo
from game24lab.training.grpo_trainer import Trainer
from game24lab.training.rollouts import Rollouts
from game24lab.training.search_rollouts import Searching, teach, weigh

LOOK = {"rule": "tokens", "every": 3, "simulations": 3, "depth": 1, "top_k": 3, "choose": "value"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_models.save("qwen3", tmp_path_factory.mktemp("searching") / "policy")


def look(enter="as_is", share=0.25, **more):
    return {"rollouts": {"search": Searching(share, enter, LOOK, **more)}}


def run(checkpoint, folder, problems=MIXED, rewards=REWARDS, **changes):
    """A finished trainer, what went into its losses, and what was sampled at each step."""
    trainer = grpo.make_trainer(config(checkpoint, **{"steps": 1, "mini_batch": 8, "learning_rate": 1e-3, **changes}),
                                problems, rewards, folder)  # fmt: skip
    seen, sampled, sample = spy(trainer), [], trainer.sampler.sample

    def watch(*args):
        sampled.append(sample(*args))
        return sampled[-1]

    trainer.sampler.sample = watch
    trainer.train()
    return trainer, seen, sampled


# -------------------------------------------------------------------------------------------------- who is searched
def test_the_last_members_of_each_group_are_searched():
    search = Searching(0.25)
    assert [row for row in range(16) if search.is_searched(row, 8)] == [6, 7, 14, 15]
    assert not any(Searching().is_searched(row, 4) for row in range(8))


@pytest.mark.parametrize(("options", "reason"), [
    ({"share": 1.0}, "share of the search must be a number from 0 to below 1, got 1.0"),
    ({"share": 0.1}, "must come to 1 to 3 members, got 0.1, which comes to 0"),
    ({"share": 0.9}, "which comes to 4"),
    ({"enter": "somehow"}, "enter must be one of as_is, corrected, supervised, got 'somehow'"),
    ({"share": 0.25, "look": {"temperature": 0.5}}, "look 'temperature': the rollouts decide"),
    ({"share": 0.25, "look": {"simulation": 5}}, "did you mean 'simulations'"),
    ({"share": 0.25, "weight": -1}, "weight of the search must be a finite number >= 0, got -1"),
])  # fmt: skip
def test_bad_searches_are_named(options, reason):
    with pytest.raises(ValueError, match=reason):
        Rollouts(problems=2, num_generations=4, search=Searching(**options))


@pytest.mark.parametrize(("changes", "reason"), [
    ({"rollouts": {"search": Searching(0.25), "backend": "ctranslate2"}}, "must be 'transformers' with a search"),
    ({"rollouts": {"search": Searching(0.25, "corrected"), "temperature": 0.7}}, "top_p must be 1 .*, got 0.7"),
    ({**look("supervised"), "trainer_args": {"scale_rewards": "batch"}}, "'scale_rewards' must be .*, got 'batch'"),
    ({**look("corrected"), "trainer_args": {"loss_type": "vespo"}}, "'loss_type' must be .*, got 'vespo'"),
])  # fmt: skip
def test_what_does_not_go_together_is_named(checkpoint, changes, reason):
    with pytest.raises(ValueError, match=reason):
        config(checkpoint, **changes)


# ------------------------------------------------------------------------------------------------------ rollouts
def test_without_a_share_everything_is_as_it_was(checkpoint, tmp_path):
    """The same samples, advantages and weights, bit by bit, whatever the search would do."""
    plain = run(checkpoint, tmp_path / "a", steps=2)
    idle = run(checkpoint, tmp_path / "b", steps=2, **look("supervised", share=0.0))
    assert plain[2] == idle[2]
    for one, other in zip(plain[1], idle[1], strict=True):
        assert all(torch.equal(one[name], other[name]) for name in ("advantages", "completion_ids", "found"))
    for one, other in zip(plain[0].model.parameters(), idle[0].model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_others_are_sampled_as_ever_and_searched_ones_begin_as_they_would(checkpoint, tmp_path):
    """Log-probabilities are the model's own in every row; a searched answer is the plain one up to its first change."""
    _, _, (plain,) = run(checkpoint, tmp_path / "a")
    trainer, _, (mixed,) = run(checkpoint, tmp_path / "b", **look())
    model = load_checkpoint(checkpoint)[0].eval()
    for row in range(8):
        ids, usual = mixed["completion_ids"][row], plain["completion_ids"][row]
        if row % 4 < 3:
            assert ids == usual
        else:
            (logprobs, shares) = trainer.sampler.found[row]
            first = next((place for place, token in enumerate(usual) if ids[place] != token), len(usual))
            assert first == len(usual) or shares[first] is not None, "only the search changes a token"
            assert logprobs == mixed["logprobs"][row]
        own = recompute(model, mixed["prompt_ids"][row], ids, 1.0, 1.0)
        assert mixed["logprobs"][row] == pytest.approx(own, abs=1e-4)
    assert sorted(trainer.sampler.found) == [3, 7]


def test_searched_answers_earn_at_least_what_they_would_have(checkpoint, tmp_path):
    """Choosing by value one token deep, a rollout of the usual token being the usual answer."""
    texts = []
    for changes in ({}, look()):
        trainer, _, (sampled,) = run(checkpoint, tmp_path / str(len(texts)), **changes)
        texts.append(trainer.processing_class.batch_decode([sampled["completion_ids"][row] for row in (3, 7)],
                                                           skip_special_tokens=True))  # fmt: skip
    before, after = map(pay_sum, texts)
    assert all(late >= early for late, early in zip(after, before, strict=True))
    assert sum(after) > sum(before)


def test_all_that_the_search_tried_is_counted_and_shown(checkpoint, tmp_path):
    folder = tmp_path / "run"
    grpo.train(config(checkpoint, steps=2, mini_batch=8, **look()), MIXED, REWARDS, folder)
    curve = pd.read_parquet(folder / "training.parquet").set_index("step").loc[1:]
    assert (curve["sampled_tokens"].diff()[2:] > 8 * curve["tokens"][2:]).all()
    assert curve["mismatch"].max() < 1e-4
    assert {"searched_reward", "own_reward", "search_changed"} <= set(curve)
    together = 0.25 * curve["searched_reward"] + 0.75 * curve["own_reward"]
    assert curve["reward"].tolist() == pytest.approx(together.tolist())


# ------------------------------------------------------------------------------------------- how they enter the loss
def test_weights_are_pi_over_mu_where_the_search_chose():
    logprobs = [math.log(0.2), math.log(0.5), math.log(0.9)]
    assert weigh(logprobs, [0.8, None, 0.3], 2.0) == pytest.approx([0.25, 1.0, 2.0])


def test_corrected_advantages_are_those_of_the_group_times_the_weights(checkpoint, tmp_path):
    trainer, (inputs,), _ = run(checkpoint, tmp_path, **look("corrected"))
    _, (usual,), _ = run(checkpoint, tmp_path / "as_is", **look("as_is"))
    places = {tuple(ids): row for row, ids in enumerate(usual["completion_ids"].tolist())}
    assert inputs["advantages"].shape == inputs["completion_ids"].shape
    weighed = 0
    names = ("completion_ids", "completion_mask", "advantages")
    for ids, mask, advantages in zip(*(inputs[name] for name in names), strict=True):
        plain = usual["advantages"][places[tuple(ids.tolist())]]
        ratios = (advantages / plain)[mask.bool()]
        found = [entry for entry in trainer.sampler.found.values() if len(entry[0]) == len(ratios)]
        expected = [weigh(*entry, 2.0) for entry in found]
        own = torch.allclose(ratios, torch.ones_like(ratios))
        weighed += not own
        assert own or any(ratios.tolist() == pytest.approx(weights, rel=1e-4) for weights in expected)
    assert weighed == 2


def test_a_supervised_member_leaves_the_group_and_teaches_where_it_is_better():
    rewards = torch.tensor([0.0, 1.0, 0.5, 0.9, 1.0, 1.0, 1.0, 0.2])
    searched = torch.tensor([False, False, False, True] * 2)
    advantages = torch.tensor([-1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    found = teach(rewards, searched, advantages, 4, 0.3)
    assert found.tolist() == pytest.approx([-1.0, 1.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0])


def test_the_supervised_term_has_the_gradient_of_the_weighed_log_likelihood(checkpoint, tmp_path):
    """Of a step in which only searched members have an advantage, computed by hand."""

    def pay(completions, **columns):
        """The more ids sum up, the better; sampled members are paid alike, since only searches are paid by more."""
        return [0.5] * len(completions) if len(completions) == 8 else pay_sum(completions)

    trainer = grpo.make_trainer(config(checkpoint, steps=1, mini_batch=8, **look("supervised", weight=0.3)), MIXED,
                                ([pay], [1.0]), tmp_path)  # fmt: skip
    trainer.skip_equal = False
    batch = {}
    generate = Trainer._generate_and_score_completions

    def watch(inputs):
        found = generate(trainer, inputs)
        found["advantages"] = torch.where(found["advantages"] > 0, found["advantages"], 0.0)
        found["advantages"][3] = 0.3  # as if it had been better
        batch.update(found)
        return found

    trainer._generate_and_score_completions = watch
    gradients = {}
    hook = trainer.model.lm_head.weight.register_hook(lambda gradient: gradients.update(theirs=gradient.clone()))
    trainer.train()
    hook.remove()
    model = load_checkpoint(checkpoint)[0]
    ids = torch.cat([batch["prompt_ids"][3][batch["prompt_mask"][3].bool()],
                     batch["completion_ids"][3][batch["completion_mask"][3].bool()]])[None]  # fmt: skip
    count = int(batch["completion_mask"][3].sum())
    logprobs = torch.log_softmax(model(ids).logits[0, -count - 1 : -1], -1).gather(1, ids[0, -count:, None])
    (-0.3 * logprobs.sum() / batch["completion_mask"].sum()).backward()
    torch.testing.assert_close(gradients["theirs"], model.lm_head.weight.grad, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("enter", ["as_is", "corrected", "supervised"])
@pytest.mark.parametrize("changes", [{"momentum": 0.2, "beta": 0.1}])
def test_every_way_to_enter_trains(checkpoint, tmp_path, enter, changes):
    trainer, seen, _ = run(checkpoint, tmp_path, steps=2, mini_batch=4, **look(enter), **changes)
    assert len(seen) == 4
    assert all(torch.isfinite(inputs["advantages"]).all() for inputs in seen)
    before = dict(load_checkpoint(checkpoint)[0].named_parameters())
    assert not any(torch.equal(before[name], now) for name, now in trainer.model.named_parameters())


def test_a_reward_that_fails_in_a_search_is_named(checkpoint, tmp_path):
    calls = []

    def broken(completions, **columns):
        calls.append(len(completions))
        raise KeyError("gold")

    with pytest.raises(ValueError, match="reward 'broken' raised KeyError at step 1"):
        grpo.train(config(checkpoint, **look()), PROBLEMS, ([broken], [1.0]), tmp_path)
    assert calls[0] < 8, "it failed while it searched"


def test_rewards_of_a_search_read_the_columns_of_their_own_rows(checkpoint, tmp_path):
    asked = []

    def known(completions, mark, prompts, **columns):
        asked.extend(zip(prompts, mark, strict=True))
        return pay_sum(completions)

    problems = [Problem(problem.prompt, {"mark": problem.prompt}) for problem in MIXED]
    run(checkpoint, tmp_path, problems, ([known], [1.0]), **look())
    assert asked
    assert all(prompt == mark for prompt, mark in asked)
