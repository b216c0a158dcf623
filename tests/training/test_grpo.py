"""GRPO: exact log-probabilities, TRL's own gradients, baselines, what is skipped, resume, stops, what is refused."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pandas as pd
import pytest
import tiny_models
import torch
from trl import GRPOTrainer

from game24lab.models.checkpoints import load_checkpoint
from game24lab.tasks.numbers.problems import make_problems
from game24lab.tasks.numbers.puzzles import list_solvable
from game24lab.tasks.numbers.rewards import REWARDS as NUMBER_REWARDS
from game24lab.tasks.problems import Problem
from game24lab.tasks.rewards import make_reward_functions
from game24lab.training import grpo, rollouts, session
from game24lab.training.advantages import Baseline, normalise_groups, normalise_with_momentum
from game24lab.training.grpo_trainer import cut
from game24lab.training.loop import STATE_FOLDER, find_resume_point
from game24lab.training.rollouts import Rollouts, Sampler
from game24lab.views.charts import chains as charts

PROBLEMS = make_problems(list_solvable()[:40:5])
MIXED = make_problems([(4, 5, 6, 10), (1, 2, 3), (7, 7), (1, 1, 2, 2, 3)])  # prompts of several lengths


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_models.save("qwen3", tmp_path_factory.mktemp("grpo") / "policy")


def pay_sum(completions, **columns):
    """A number that differs within groups, whatever a random model writes."""
    return [sum(map(ord, text)) % 97 / 97 for text in completions]


REWARDS = ([pay_sum], [1.0])


def config(checkpoint, **changes):
    sampled = {"problems": 2, "num_generations": 4, "max_completion_length": 12, **changes.pop("rollouts", {})}
    return grpo.GRPOConfig(**{"checkpoint": str(checkpoint), "rollouts": Rollouts(**sampled), "steps": 4,
                              "mini_batch": 4, "learning_rate": 1e-3, "evaluate_every": 2, "precision": "fp32",
                              **changes})  # fmt: skip


def test_a_checkpoint_without_end_token_is_refused(tmp_path):
    endless = tiny_models.save("qwen3", tmp_path / "endless")
    tiny_models.drop_tokens(endless, "eos_token", "pad_token")
    with pytest.raises(ValueError, match="endless: it names no end token, which training needs"):
        grpo.train(config(endless), PROBLEMS, REWARDS, tmp_path / "run", lambda model, tokenizer: {"accuracy": 0.5})


def spy(trainer):
    """What goes into every loss, and the log-probabilities computed for it."""
    seen, compute = [], trainer._compute_loss

    def watch(model, inputs):
        loss = compute(model, inputs)
        seen.append({**inputs, "found": trainer._found})
        return loss

    trainer._compute_loss = watch
    return seen


def test_it_trains_and_logs(checkpoint, tmp_path):
    rewards = make_reward_functions(NUMBER_REWARDS, {"output": 0.6, "process": 0.4, "lines": 0})
    both = ([*rewards[0], pay_sum], [*rewards[1], 1.0])
    shown = []
    folder = grpo.train(config(checkpoint), PROBLEMS, both, tmp_path, lambda model, tokenizer: {"accuracy": 0.5},
                        shown.append)  # fmt: skip
    assert shown[0]["step"].tolist() == [0, 1]
    before, after = (dict(load_checkpoint(f)[0].named_parameters()) for f in (checkpoint, folder))
    assert not [name for name in before if torch.equal(before[name], after[name])]
    curve = pd.read_parquet(tmp_path / "training.parquet").set_index("step")
    assert curve.index.tolist() == [0, 1, 2, 3, 4]
    assert curve["accuracy"].dropna().index.tolist() == [0, 2, 4]
    for name in ("loss", "reward", "reward/output", "reward/process", "reward/lines", "reward/pay_sum", "tokens",
                 "unfinished", "equal_groups", "entropy", "seconds", "sampled_tokens", "prompt_tokens"):  # fmt: skip
        assert curve[name].dropna().index.tolist() == [1, 2, 3, 4], name
    assert curve["mismatch"].max() < 1e-4
    assert curve["reward"][1] == pytest.approx(
        0.6 * curve["reward/output"][1] + 0.4 * curve["reward/process"][1] + curve["reward/pay_sum"][1], abs=1e-6)
    assert curve["sampled_tokens"].diff()[2:].tolist() == pytest.approx((8 * curve["tokens"][2:]).tolist())
    drawn = {(line.name, line.yaxis or "y") for line in charts.draw_rewards(curve.reset_index()).data}
    assert {("total", "y"), ("output", "y"), ("process", "y"), ("pay_sum", "y"), ("total", "y2")} <= drawn
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert grpo.train(config(checkpoint), PROBLEMS, both, tmp_path) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_adapters_are_trained_and_merged(checkpoint, tmp_path, beta):
    seen = []
    settings = config(checkpoint, lora_rank=4, beta=beta, learning_rate=3e-2)
    folder = grpo.train(settings, PROBLEMS, REWARDS, tmp_path,
                        lambda model, tokenizer: seen.append(type(model).__name__) or {"accuracy": 0.5},
                        keep_every=2)  # fmt: skip
    assert set(seen) == {"Qwen3ForCausalLM"}, "what is evaluated is the model, not what is wrapped around it"
    before, after = (load_checkpoint(f)[0] for f in (checkpoint, folder))
    moved = {name for name, value in before.named_parameters() if not torch.equal(value, after.get_parameter(name))}
    assert moved == {name for name, _ in before.named_parameters() if "_proj" in name}
    curve = pd.read_parquet(tmp_path / "training.parquet").set_index("step")
    assert curve["mismatch"].max() < 1e-4, "what samples has the adapters too"
    if beta:  # the reference is the model below them
        assert curve["kl"][1] == pytest.approx(0, abs=1e-6)
        assert curve["kl"][4] > 1e-5
    kept = load_checkpoint(tmp_path / "steps" / "4")[0]
    for one, two in zip(kept.parameters(), after.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-6)


def test_with_adapters_too_patience_keeps_the_best(checkpoint, tmp_path):
    prompt, seen = torch.tensor([[5, 9, 30]]), []

    @torch.no_grad()
    def evaluate(model, tokenizer):
        seen.append(model(prompt).logits)
        return {"accuracy": [0.1, 0.9, 0.2, 0.3][min(3, len(seen) - 1)]}

    setting = config(checkpoint, lora_rank=4, learning_rate=3e-2, steps=20, patience=2, evaluate_every=1)
    folder = grpo.train(setting, PROBLEMS, REWARDS, tmp_path, evaluate)
    assert len(seen) == 4
    with torch.no_grad():
        found = load_checkpoint(folder)[0](prompt).logits
    assert (found - seen[1]).abs().max() < 1e-5 < (found - seen[3]).abs().max()


@pytest.mark.parametrize("changes", [{"backend": "ctranslate2"}, {"device": "cpu"}])
def test_adapters_sample_where_they_train(checkpoint, changes):
    with pytest.raises(ValueError, match="rollouts must come from the weights that train with a lora_rank"):
        config(checkpoint, lora_rank=4, rollouts=changes)


# Log-probabilities ----------------------------------------------------------------------------------------------------
def recompute(model, prompt, completion, temperature, top_p):
    """Token by token, without cache, batch or padding, by the definition of temperature and nucleus."""
    found = []
    for place, token in enumerate(completion):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([prompt + completion[:place]])).logits[0, -1].double()
        chances = torch.softmax(logits / temperature, -1)
        total = 0.0
        for chance in sorted(chances.tolist(), reverse=True):
            total += chance
            if total >= top_p:
                break
        found.append(float(torch.log(chances[token] / (total if top_p < 1 else 1))))
    return found


@pytest.mark.parametrize(
    ("temperature", "top_p", "more"),
    [(1.0, 1.0, {}), (0.7, 1.0, {}), (1.0, 0.5, {}), (0.8, 0.8, {}), (1.4, 0.3, {"beta": 0.1}),
     (0.7, 1.0, {"trainer_args": {"num_iterations": 2}})],
)  # fmt: skip
def test_log_probabilities_are_those_of_the_sampled_distribution(checkpoint, tmp_path, temperature, top_p, more):
    sampled = {"problems": 4, "num_generations": 2, "temperature": temperature, "top_p": top_p}
    trainer = grpo.make_trainer(config(checkpoint, rollouts=sampled, steps=1, **more), MIXED, REWARDS, tmp_path)
    seen = spy(trainer)
    trainer.train()
    model, rows = load_checkpoint(checkpoint)[0].eval(), 0
    for part in seen:
        for row in range(len(part["completion_ids"])):
            count = int(part["completion_mask"][row].sum())
            prompt = part["prompt_ids"][row][part["prompt_mask"][row].bool()].tolist()
            truth = recompute(model, prompt, part["completion_ids"][row, :count].tolist(), temperature, top_p)
            assert part["found"][row, :count].tolist() == pytest.approx(truth, abs=1e-4)
            if "trainer_args" in more:
                assert part["old_per_token_logps"][row, :count].tolist() == pytest.approx(truth, abs=1e-4)
            if more.get("beta"):
                assert part["ref_per_token_logps"][row, :count].tolist() == pytest.approx(truth, abs=1e-4)
            rows += 1
    assert rows == 8
    assert len({int(part["prompt_mask"].sum(1).min()) for part in seen}) + len(seen) > 2  # lengths do differ


@pytest.mark.parametrize("kind", ["qwen2", "gpt2"])  # with biases; with dropout and learnt positions
def test_other_architectures(kind, tmp_path):
    sampled = {"problems": 4, "num_generations": 2, "temperature": 0.9, "top_p": 0.9}
    folder = tiny_models.save(kind, tmp_path / "policy")
    trainer = grpo.make_trainer(config(folder, rollouts=sampled, steps=1), MIXED, REWARDS, tmp_path / "run")
    seen = spy(trainer)
    trainer.train()
    model, part = load_checkpoint(folder)[0].eval(), seen[0]
    count = int(part["completion_mask"][0].sum())
    prompt = part["prompt_ids"][0][part["prompt_mask"][0].bool()].tolist()
    truth = recompute(model, prompt, part["completion_ids"][0, :count].tolist(), 0.9, 0.9)
    assert part["found"][0, :count].tolist() == pytest.approx(truth, abs=1e-4)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
@pytest.mark.parametrize(
    ("beta", "trainer_args"),
    [(0.0, {}), (0.5, {}), (0.0, {"loss_type": "dr_grpo", "mask_truncated_completions": True}),
     (0.0, {"num_iterations": 2})],
)  # fmt: skip
def test_it_learns_what_trl_learns_from_the_same_completions(checkpoint, tmp_path, beta, trainer_args):
    """Two steps of gradient descent with TRL's own trainer, padding, masks and shuffling, and with ours."""
    setting = config(checkpoint, rollouts={"problems": 4, "num_generations": 2}, steps=2, mini_batch=2, beta=beta,
                     skip_equal=False, trainer_args={"lr_scheduler_type": "constant", **trainer_args})  # fmt: skip
    ours = grpo.make_trainer(setting, MIXED, REWARDS, tmp_path / "ours")
    model, tokenizer = load_checkpoint(checkpoint)
    arguments = grpo._make_arguments(setting, tmp_path / "stock", [1.0])
    arguments.beta = beta
    stock = GRPOTrainer(model=model, reward_funcs=[pay_sum], args=arguments, train_dataset=ours.train_dataset,
                        processing_class=tokenizer)  # fmt: skip
    sampler = Sampler(stock.model, tokenizer, setting.rollouts)
    stock.rollout_func = lambda prompts, trainer: sampler.sample(prompts, 0, trainer.state.global_step)
    for trainer in (ours, stock):
        trainer.optimizer = torch.optim.SGD(trainer.model.parameters(), lr=0.02)
        trainer.train()
    start = dict(load_checkpoint(checkpoint)[0].named_parameters())
    for (name, mine), theirs in zip(ours.model.named_parameters(), stock.model.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=2e-5), name
        assert not torch.equal(mine, start[name]), name


# Rollouts -------------------------------------------------------------------------------------------------------------
def test_completions_hold_their_end_and_do_not_depend_on_neighbours(checkpoint):
    model, tokenizer = load_checkpoint(checkpoint)
    model.lm_head.weight.data[tokenizer.eos_token_id] *= 3  # some completions end early
    sampler = Sampler(model, tokenizer, Rollouts(max_completion_length=30))
    prompts = [problem.prompt for problem in MIXED for _ in range(8)]
    whole = sampler.sample(prompts, seed=5, step=3)
    ended = [ids for ids in whole["completion_ids"] if len(ids) < 30]
    assert ended
    assert all(ids[-1] == tokenizer.eos_token_id for ids in ended)
    assert not any(tokenizer.eos_token_id in ids[:-1] for ids in whole["completion_ids"])
    assert [len(ids) for ids in whole["completion_ids"]] == [len(row) for row in whole["logprobs"]]
    half = sampler.sample(prompts[16:], seed=5, step=3, first=16)  # as a second process would
    assert half["completion_ids"] == whole["completion_ids"][16:]
    assert sampler.sample(prompts, seed=5, step=4)["completion_ids"] != whole["completion_ids"]
    assert len(set(map(tuple, whole["completion_ids"][:8]))) > 1
    assert "env_mask" not in whole


def test_completions_without_tokens_are_not_learnt_from(checkpoint, tmp_path, monkeypatch):
    class Mute:
        def generate(self, prompts, n, **options):
            empty = rollouts.TransformersPolicy.generate(self.real, prompts, n, **options)
            return [[type(row[0])("", (), (), "length")] if i % 3 == 0 else row for i, row in enumerate(empty)]

        def update(self, model):
            self.real.update(model)

    trainer = grpo.make_trainer(config(checkpoint, steps=2), PROBLEMS, REWARDS, tmp_path)
    mute = Mute()
    mute.real = rollouts.TransformersPolicy(trainer.model, trainer.processing_class)
    trainer.sampler._policy = mute
    seen = spy(trainer)
    trainer.train()
    alone = [part["tool_mask"][part["completion_mask"].sum(1) == 1] for part in seen]
    assert sum(len(rows) for rows in alone) >= 4
    assert all((rows[:, 0] == 0).all() for rows in alone)
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())


def test_exports_follow_the_weights(checkpoint, tmp_path):
    """With CTranslate2 the sampler's own log-probabilities are the trainer's after every update."""
    folder = grpo.train(config(checkpoint, rollouts={"backend": "ctranslate2"}, learning_rate=1e-2), PROBLEMS, REWARDS,
                        tmp_path)  # fmt: skip
    curve = pd.read_parquet(tmp_path / "training.parquet")
    assert curve["mismatch"].max() < 1e-3
    moved = max((a - b).abs().max() for a, b in zip(load_checkpoint(checkpoint)[0].parameters(),
                                                    load_checkpoint(folder)[0].parameters(), strict=True))  # fmt: skip
    assert moved > 1e-2


def test_rollouts_in_a_process_of_their_own_are_the_same(checkpoint, tmp_path):
    """The weights that train are sent there at every step: curves and checkpoints end up equal."""
    curves, weights = [], []
    for name, device in (("here", ""), ("apart", "cpu")):
        folder = grpo.train(config(checkpoint, rollouts={"device": device}, learning_rate=1e-2), PROBLEMS, REWARDS,
                            tmp_path / name)  # fmt: skip
        curves.append(pd.read_parquet(tmp_path / name / "training.parquet").drop(columns=["seconds"]))
        weights.append(load_checkpoint(folder)[0].state_dict())
    assert curves[1]["mismatch"].max() < 1e-3
    pd.testing.assert_frame_equal(*(curve[["step", "reward", "tokens", "sampled_tokens"]] for curve in curves))
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=1e-3, atol=1e-4)


def test_losses_rest_on_the_line_that_is_located(checkpoint, tmp_path):
    """Tokens outside the fault of a completion that earned less than the others have no part in the loss."""
    asked = []

    def locate(completions, numbers, **columns):
        asked.append((len(completions), len(numbers)))
        return [(0, 1) if text else None for text in completions]

    trainer = grpo.make_trainer(config(checkpoint, credit="line", steps=1), PROBLEMS, REWARDS, tmp_path, locate=locate)
    seen = spy(trainer)
    trainer.train()
    assert asked == [(8, 8)]
    advantages = torch.cat([inputs["advantages"] for inputs in seen if inputs["advantages"].shape[1] > 1])
    assert (advantages[:, 1:] >= 0).all(), "the blame rests on the first token"
    assert (advantages[:, 0] <= 0).all()
    assert (advantages[:, 0] < 0).any()
    assert (advantages[:, 1:] > 0).any()
    with pytest.raises(ValueError, match="credit must be 'answer' without `locate`"):
        grpo.make_trainer(config(checkpoint, credit="line"), PROBLEMS, REWARDS, tmp_path / "b")


# Advantages and mini-batches ------------------------------------------------------------------------------------------
def test_groups_that_earned_the_same_are_left_out(checkpoint, tmp_path):
    def pay_second(prompts, completions, **columns):
        return [value if prompt == prompts[-1] else 0.5
                for prompt, value in zip(prompts, pay_sum(completions), strict=True)]  # fmt: skip

    trainer = grpo.make_trainer(config(checkpoint, steps=1), PROBLEMS, ([pay_second], [1.0]), tmp_path / "a")
    seen = spy(trainer)
    trainer.train()
    learnt = sum(int((part["completion_mask"].sum(1) > 0).sum()) for part in seen)
    assert learnt == 4
    assert seen[1]["completion_ids"].shape[1] == 1  # the mini-batch of what is left out costs nothing
    assert int(seen[0]["num_items_in_batch"]) == int(seen[0]["completion_mask"].sum())
    assert trainer.state.log_history[0]["equal_groups"] == 0.5


def test_a_step_without_differences_changes_nothing(checkpoint, tmp_path):
    same = ([lambda completions, **columns: [1.0] * len(completions)], [1.0])
    folder = grpo.train(config(checkpoint, steps=2), PROBLEMS, same, tmp_path)
    for a, b in zip(load_checkpoint(checkpoint)[0].parameters(), load_checkpoint(folder)[0].parameters(), strict=True):
        assert torch.equal(a, b)
    assert pd.read_parquet(tmp_path / "training.parquet")["equal_groups"].dropna().eq(1).all()


@pytest.mark.parametrize("momentum", [0.0, 0.2])
def test_advantages(checkpoint, tmp_path, momentum):
    trainer = grpo.make_trainer(config(checkpoint, steps=3, momentum=momentum, mini_batch=8), PROBLEMS, REWARDS,
                                tmp_path)  # fmt: skip
    seen, paid = spy(trainer), []
    calculate = trainer._calculate_rewards
    trainer._calculate_rewards = lambda *a, **k: paid.append(calculate(*a, **k)) or paid[-1]
    trainer.train()
    baseline = Baseline()
    for rewards, part in zip(paid, seen, strict=True):
        truth = normalise_groups(rewards[:, 0], 4)
        if momentum:
            truth, baseline = normalise_with_momentum(rewards[:, 0], 4, baseline, momentum)
        assert sorted(part["advantages"].tolist()) == pytest.approx(sorted(truth.tolist()), abs=2e-3)
    assert trainer.memory["baseline"]["groups"] == (6 if momentum else 0)


def test_mini_batches_are_of_like_lengths():
    lengths = [3, 9, 1, 0, 7, 7]
    mask = (torch.arange(10) < torch.tensor(lengths)[:, None]).long()
    batch = {"completion_mask": mask, "completion_ids": mask * 5, "prompt_ids": torch.arange(60).view(6, 10),
             "advantages": torch.arange(6.0), "num_items_in_batch": torch.tensor(27)}  # fmt: skip
    parts = cut(batch, 3)
    assert [part["completion_ids"].shape for part in parts] == [(2, 9), (2, 7), (2, 1)]
    assert torch.cat([part["advantages"] for part in parts]).tolist() == [1, 4, 5, 0, 2, 3]
    assert all(part["prompt_ids"].shape == (2, 10) for part in parts)
    assert all(int(part["num_items_in_batch"]) == 27 for part in parts)


# Kills, stops ---------------------------------------------------------------------------------------------------------
class KillError(BaseException):  # a kill is no failure of a reward
    pass


@pytest.mark.parametrize("more", [{"momentum": 0.2, "beta": 0.1}, {"trainer_args": {"num_iterations": 2}}])
def test_a_killed_run_ends_like_an_uninterrupted_one(checkpoint, tmp_path, more):
    asked = {"whole": [], "killed": []}

    def run(name, kill_at=None):
        def pay(prompts, completions, trainer_state=None, **columns):
            if trainer_state.global_step == kill_at:
                raise KillError
            asked[name].append((trainer_state.global_step, tuple(prompts)))
            return pay_sum(completions)

        return grpo.train(config(checkpoint, steps=6, **more), PROBLEMS, ([pay], [1.0]), tmp_path / name,
                          lambda model, tokenizer: {"accuracy": 0.5})  # fmt: skip

    whole = run("whole")
    with pytest.raises(KillError):
        run("killed", kill_at=4)
    assert find_resume_point(tmp_path / "killed").name == "checkpoint-4"
    assert not (tmp_path / "killed" / "checkpoint").exists()
    resumed = run("killed")
    assert sorted(asked["whole"]) == sorted(asked["killed"])
    for a, b in zip(load_checkpoint(whole)[0].parameters(), load_checkpoint(resumed)[0].parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    curves = [pd.read_parquet(tmp_path / name / "training.parquet") for name in ("whole", "killed")]
    assert curves[1]["step"].tolist() == list(range(7))
    for name in ("loss", "reward", "tokens", "sampled_tokens", "prompt_tokens", "accuracy"):
        pd.testing.assert_series_equal(curves[0][name], curves[1][name], rtol=1e-3, atol=1e-5)
    assert not (tmp_path / "killed" / STATE_FOLDER).exists()


def test_every_pass_sees_every_problem_once(checkpoint, tmp_path):
    trainer = grpo.make_trainer(config(checkpoint, rollouts={"problems": 4}, steps=5), PROBLEMS, REWARDS, tmp_path)
    prompts = trainer.train_dataset["prompt"]
    every = {problem.prompt for problem in PROBLEMS}
    assert len(prompts) == 20
    assert set(prompts[:8]) == set(prompts[8:16]) == every
    assert list(prompts[:8]) != list(prompts[8:16])


def test_patience_keeps_the_best(checkpoint, tmp_path):
    kept, accuracies = {}, iter([0.1, 0.3, 0.2, 0.3, 0.9])

    def evaluate(model, tokenizer):
        kept[len(kept)] = {name: value.clone() for name, value in model.state_dict().items()}
        return {"accuracy": next(accuracies)}

    setting = config(checkpoint, steps=20, patience=2, evaluate_every=1)
    folder = grpo.train(setting, PROBLEMS, REWARDS, tmp_path, evaluate)
    curve = pd.read_parquet(tmp_path / "training.parquet")
    assert curve["step"].tolist() == [0, 1, 2, 3]
    for name, value in load_checkpoint(folder)[0].state_dict().items():
        assert torch.equal(value, kept[1][name]), name
    assert not (tmp_path / STATE_FOLDER).exists()


def test_patience_outlives_a_kill(checkpoint, tmp_path):
    kept, calls = {}, []

    def evaluate(model, tokenizer):
        calls.append(len(calls))
        if len(calls) == 5:
            raise KillError
        step = len(calls) - 1 if len(calls) < 5 else len(calls) - 2  # the fifth is repeated
        kept[step] = {name: value.clone() for name, value in model.state_dict().items()}
        return {"accuracy": [0.1, 0.2, 0.3, 0.2, 0.1, 0.1, 0.9][step]}

    setting = config(checkpoint, steps=20, patience=3, evaluate_every=1)
    with pytest.raises(KillError):
        grpo.train(setting, PROBLEMS, REWARDS, tmp_path, evaluate)
    folder = grpo.train(setting, PROBLEMS, REWARDS, tmp_path, evaluate)
    assert pd.read_parquet(tmp_path / "training.parquet")["step"].tolist() == [0, 1, 2, 3, 4, 5]
    for name, value in load_checkpoint(folder)[0].state_dict().items():
        assert torch.equal(value, kept[2][name]), name


def test_a_kill_behind_the_last_step(checkpoint, tmp_path, monkeypatch):
    def kill(*arguments):
        raise KillError

    with monkeypatch.context() as patch:
        patch.setattr(session, "finish", kill)
        with pytest.raises(KillError):
            grpo.train(config(checkpoint), PROBLEMS, REWARDS, tmp_path)
    kept = load_checkpoint(tmp_path / STATE_FOLDER / "checkpoint-4")[0]
    folder = grpo.train(config(checkpoint), PROBLEMS, REWARDS, tmp_path)
    for a, b in zip(load_checkpoint(folder)[0].parameters(), kept.parameters(), strict=True):
        assert torch.equal(a, b)
    assert pd.read_parquet(tmp_path / "training.parquet")["step"].tolist() == [1, 2, 3, 4]


def test_patience_without_accuracy(checkpoint, tmp_path):
    with pytest.raises(ValueError, match="evaluation must return 'accuracy' for patience 1"):
        grpo.train(config(checkpoint, patience=1), PROBLEMS, REWARDS, tmp_path / "a", lambda m, t: {"error": 0.5})
    with pytest.raises(ValueError, match="patience must be 0 without an evaluation, got 1"):
        grpo.train(config(checkpoint, patience=1), PROBLEMS, REWARDS, tmp_path / "b")


def test_nan_stops_before_the_weights_are_spoilt(checkpoint, tmp_path):
    trainer = grpo.make_trainer(config(checkpoint, steps=6), PROBLEMS, REWARDS, tmp_path)
    compute = trainer._compute_loss
    trainer._compute_loss = lambda model, inputs: compute(model, inputs) * (
        float("nan") if trainer.state.global_step == 3 else 1
    )
    with pytest.raises(FloatingPointError, match=r"NaN or infinite at step 4: .*kept, .*checkpoint-2"):
        session.train_once(None, tmp_path, lambda: trainer)
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())
    assert not (tmp_path / "checkpoint").exists()


def test_weights_that_grew_beyond_numbers_stop_it_too(checkpoint, tmp_path):
    with pytest.raises(FloatingPointError, match=r"NaN or infinite at step [23]: training stopped") as caught:
        grpo.train(config(checkpoint, steps=6, learning_rate=1e30), PROBLEMS, REWARDS, tmp_path)
    assert "\n" not in str(caught.value)


# Processes ------------------------------------------------------------------------------------------------------------
JOB = """
    import sys, time
    from pathlib import Path
    from game24lab.tasks.numbers.problems import make_problems
    from game24lab.tasks.numbers.puzzles import list_solvable
    from game24lab.training import grpo
    from game24lab.training.loop import leave
    from game24lab.training.rollouts import Rollouts

    def pay_sum(completions, **columns):
        time.sleep({pause})
        return [sum(map(ord, text)) % 97 / 97 for text in completions]

    rollouts = Rollouts(problems=2, num_generations=4, max_completion_length=12)
    config = grpo.GRPOConfig(checkpoint={checkpoint!r}, rollouts=rollouts, steps={steps}, mini_batch=2, momentum=0.2,
                             learning_rate=1e-3, evaluate_every=2, precision="fp32")
    problems = make_problems(list_solvable()[:40:5])
    print(grpo.train(config, problems, ([pay_sum], [1.0]), Path({output!r}), lambda m, t: {{"accuracy": 0.5}}))
    leave()
"""


def launch(tmp_path, launcher, **values):
    script = tmp_path / "job.py"
    script.write_text(textwrap.dedent(JOB).format(**{"pause": 0, "steps": 3, **values}))
    environment = os.environ | {"PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.Popen([sys.executable, *launcher, str(script)], env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)  # fmt: skip


def test_two_processes_train_what_one_trains(checkpoint, tmp_path):
    """Rows depend on their number in the batch alone, so that two processes sample what one does."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    with launch(tmp_path, launcher, checkpoint=str(checkpoint), output=str(tmp_path / "two")) as process:
        _, complaints = process.communicate(timeout=1800)
    assert process.returncode == 0, complaints[-3000:]
    one = grpo.train(config(checkpoint, steps=3, mini_batch=2, momentum=0.2), PROBLEMS, REWARDS, tmp_path / "one",
                     lambda model, tokenizer: {"accuracy": 0.5})  # fmt: skip
    two = tmp_path / "two" / "checkpoint"
    assert {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()}
    for a, b in zip(load_checkpoint(one)[0].parameters(), load_checkpoint(two)[0].parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-4)
    curves = [pd.read_parquet(folder.parent / "training.parquet") for folder in (one, two)]
    for name in ("step", "reward", "tokens", "sampled_tokens", "equal_groups", "accuracy"):
        pd.testing.assert_series_equal(curves[0][name], curves[1][name], rtol=1e-3)


def test_killed_from_outside_it_goes_on(checkpoint, tmp_path):
    values = {"checkpoint": str(checkpoint), "output": str(tmp_path / "killed"), "steps": 4}
    with launch(tmp_path, [], pause=2, **values) as process:
        while find_resume_point(tmp_path / "killed") is None and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, process.stderr.read()
    assert not (tmp_path / "killed" / "checkpoint").exists()
    curves = []
    for name in ("whole", "killed"):
        grpo.train(config(checkpoint, steps=4, mini_batch=2, momentum=0.2), PROBLEMS, REWARDS, tmp_path / name,
                   lambda model, tokenizer: {"accuracy": 0.5})  # fmt: skip
        curves.append(pd.read_parquet(tmp_path / name / "training.parquet"))
    for name in ("step", "reward", "sampled_tokens"):
        pd.testing.assert_series_equal(*(curve[name] for curve in curves), rtol=1e-3)


# Bad input ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "message"),
    [({"rollouts": {"num_generations": 1}}, r"num_generations must be an integer >= 2, got 1"),
     ({"rollouts": {"problems": 0}}, "problems must be an integer >= 1, got 0"),
     ({"rollouts": {"temperature": 0}}, "temperature must be a number > 0, got 0"),
     ({"rollouts": {"temperature": "1e-1"}}, "temperature must be a number > 0, got '1e-1'"),
     ({"rollouts": {"top_p": 0.0}}, r"top_p must be .*, got 0\.0"),
     ({"rollouts": {"backend": "server"}}, "backend must be one of transformers, ctranslate2, got 'server'"),
     ({"mini_batch": 3}, r"mini_batch must divide the 2 x 4 completions of a step \(one of 1, 2, 4, 8\), got 3"),
     ({"learning_rate": "1e-4"}, r"learning_rate must be a finite number > 0, got '1e-4'"),
     ({"learning_rate": 0.0}, "learning_rate must be a finite number > 0, got 0.0"),
     ({"beta": -0.1}, "beta must be a finite number >= 0, got -0.1"),
     ({"momentum": 1.0}, "momentum must be a number from 0 to below 1, got 1.0"),
     ({"beta": float("nan")}, "beta must be a finite number >= 0, got nan"),
     ({"steps": 0}, "steps must be an integer >= 1, got 0"), ({"patience": 1, "evaluate_every": 0}, "patience"),
     ({"checkpoint": ""}, "since rewards teach nothing to one that earns none yet, got ''"),
     ({"precision": "int8"}, "precision must be one of auto, bf16, fp32, got 'int8'"),
     ({"trainer_args": {"num_generations": 3}}, "trainer_args 'num_generations': a field of GRPOConfig"),
     ({"trainer_args": {"epsilonn": 3}}, "trainer_args 'epsilonn': no field of TRL's GRPOConfig"),
     ({"trainer_args": {"num_iterations": 2}, "rollouts": {"top_p": 0.9}}, "num_iterations.*nucleus")],
)  # fmt: skip
def test_bad_configurations(checkpoint, changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        config(**{"checkpoint": checkpoint, **changes})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("problems", "rewards", "message"),
    [([], REWARDS, "problems must hold at least one"),
     ([Problem("")], REWARDS, "prompt of problem 0 must be a text, got ''"),
     ([Problem("a", {"x": 1}), Problem("b", {"y": 1})], REWARDS, "got y in problem 1"),
     ([Problem("a", {"completions": 1})], REWARDS, "got completions in problem 0"),
     (PROBLEMS, ([], []), "rewards must have a weight each, got 0 functions"),
     (PROBLEMS, ([pay_sum], []), "1 functions and 0 weights"),
     (PROBLEMS, ([pay_sum], [-1.0]), r"weight of reward 'pay_sum' must be .*, got -1\.0"),
     (PROBLEMS, ([pay_sum], [float("nan")]), "'pay_sum' must be .*, got nan"),
     (PROBLEMS, ([pay_sum], [0.0]), "at least one above 0")],
)  # fmt: skip
def test_bad_problems_and_rewards(checkpoint, tmp_path, problems, rewards, message):
    with pytest.raises(ValueError, match=message):
        grpo.train(config(checkpoint), problems, rewards, tmp_path)


def test_a_missing_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        grpo.train(config(tmp_path / "nowhere" / "checkpoint"), PROBLEMS, REWARDS, tmp_path)


def test_a_step_that_the_processes_cannot_share(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(ValueError, match="mini_batch x 3 processes must divide the 8 completions of a step, got 4"):
        grpo._make_arguments(config(checkpoint), tmp_path, [1.0])
