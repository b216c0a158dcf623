"""The environment: tasks by name with what rewards must know, arms and grids, and a killed run that repeats no arm."""

from dataclasses import replace

import pandas as pd
import pytest
import tiny_models
from transformers import Qwen2Config, Qwen2ForCausalLM

from game24lab.evaluation import arms as ways
from game24lab.evaluation.attempts import read_attempts
from game24lab.evaluation.decoding import Scorer, list_arms, make_grid
from game24lab.evaluation.evaluate import evaluate
from game24lab.models.backends.transformers_policy import TransformersPolicy
from game24lab.models.checkpoints import save_checkpoint
from game24lab.models.load_policy import load_policy
from game24lab.models.tokenizer import make_tokenizer, read_chat
from game24lab.search.modes import find_unverified
from game24lab.tasks.environments import open_environment
from game24lab.tasks.task import follow

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LOOK = {"max_tokens": 8, "simulations": 1, "depth": 1, "top_k": 2, "rule": "line"}


@pytest.mark.parametrize(("task", "mode"), [("game24", "rules"), ("chains24", "blind"), ("gsm8k", "blind")])
def test_a_task_comes_with_its_problems_and_rewards(task, mode):
    environment = open_environment(task, held_out=3, seed=0, template="plain")
    assert len(environment.held_out) == 3
    assert find_unverified(environment.task) == mode
    problem = environment.held_out[0]
    right = "</answer>" if task == "gsm8k" else "reach"
    assert environment.task.verdict(environment.task.start(problem)).outcome == "unfinished"
    (row,) = make_scorer(environment).score([problem], [f"nothing {right}"])
    assert row["total"] is not None
    assert follow(environment.task, environment.task.start(problem), "x")[0] is not None


def make_scorer(environment, weights=None):
    return Scorer(environment, weights or environment.rewards.weights)


def test_arms_are_named_and_every_way_to_end_is_there():
    arms = list_arms(LOOK, [1, 8], honest=True, critic=True)
    assert list(arms) == [
        "plain", "best of 1", "best of 1, likeliest", "best of 1, by critic", "best of 8", "best of 8, likeliest",
        "best of 8, by critic", "look ahead", "look ahead, by form", "look ahead, by critic",
    ]  # fmt: skip
    assert {name for name, arm in arms.items() if arm.mode == "verified"} == {"best of 1", "best of 8", "look ahead"}
    assert {arm.parameters["max_tokens"] for arm in arms.values()} == {8}
    led = arms["look ahead, by critic"].parameters  # a critic knows where lines end, and nothing of half a line
    assert (led["leaf"], led["rule"], led["unit"], led["chunk"]) == ("critic", "line", "line", 32)
    assert "look ahead, by form" not in list_arms(LOOK, [1], honest=False, critic=False)
    grid = make_grid(LOOK, ["tokens", "margin"], [1, 4], [2])
    assert list(grid)[3] == "margin, 4 simulations, depth 2"
    with pytest.raises(ValueError, match="n must be an integer >= 1, got 0"):
        list_arms(LOOK, [0], honest=False, critic=False)
    with pytest.raises(ValueError, match="has no parameter 'deep'"):
        list_arms({**LOOK, "deep": 3}, [1], honest=False, critic=False)


def test_a_killed_comparison_repeats_no_arm(tmp_path, monkeypatch):
    policy, path = TransformersPolicy(*tiny_models.make("qwen3"), frozen=True), tmp_path / "records.parquet"
    environment = replace(open_environment("game24", held_out=1), held_out=((4, 5, 6, 10), (1, 2, 3)))
    scorer, form = make_scorer(environment), make_scorer(environment, {"finished": 1.0})
    arms, made, run = list_arms(LOOK, [1], honest=True, critic=False), [], ways.run

    def dying(*arguments, **settings):
        made.append(arguments[2].__name__)
        if len(made) == 8:
            raise KeyboardInterrupt
        return run(*arguments, **settings)

    options = {"scorer": scorer, "form": form, "seeds": (0, 1), "part": "main", "progress": False}
    rows = evaluate(environment, None, arms, policy, **options)
    assert len(rows) == 5 * 2 * 2
    monkeypatch.setattr(ways, "run", dying)
    with pytest.raises(KeyboardInterrupt):
        evaluate(environment, None, arms, policy, path=path, **options)
    assert len(read_attempts(path)) == 7 * 2
    again = evaluate(environment, None, arms, policy, path=path, **options)
    assert len(made) == 8 + 3
    timed = [name for name in rows if "seconds" in name or "bytes" in name]
    pd.testing.assert_frame_equal(rows.drop(columns=timed), again.drop(columns=timed))
    pd.testing.assert_frame_equal(pd.read_parquet(path), again)


def test_a_chat_models_checkpoint_looks_ahead_on_word_problems(tmp_path):
    """A random Qwen2-architecture folder with a chat template, through every arm, its own end token respected."""
    config = Qwen2Config(vocab_size=768, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                         num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=512)  # fmt: skip
    tokenizer = make_tokenizer()
    config.eos_token_id, config.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    config.bos_token_id = None
    tokenizer.chat_template = CHAT
    save_checkpoint(Qwen2ForCausalLM(config), tokenizer, tmp_path / "chat")
    environment = open_environment("gsm8k", chat=read_chat(tmp_path / "chat"), held_out=2, operations=[1], seed=0)
    policy = load_policy(tmp_path / "chat")
    assert environment.task.text(environment.task.start(environment.held_out[0])).startswith(
        "<|im_start|>user\nRespond in the following"
    )
    scorer, form = make_scorer(environment), make_scorer(environment, {"xml_count": 1.0, "soft_format": 1.0})
    arms = list_arms({**LOOK, "chunk": 2}, [2], honest=form.honest, critic=False)
    rows = evaluate(environment, None, arms, policy, scorer=scorer, form=form, progress=False)
    assert set(rows["outcome"]) <= {"unfinished", "illegal", "wrong value", "no answer"}
    assert {"reward/correctness", "reward/xml_count"} <= set(rows)
    assert (rows.loc[rows["strategy"] == "look ahead, by form", "decisions"] > 0).all()


def test_a_problem_that_fills_the_window_is_named(tmp_path):
    policy = TransformersPolicy(*tiny_models.make("qwen3"), frozen=True)
    environment = open_environment("gsm8k", template="plain", held_out=1, seed=0)
    with pytest.raises(ValueError, match="fills the model's window of 96"):
        evaluate(environment, None, list_arms(LOOK, [1], honest=False, critic=False), policy,
                 scorer=make_scorer(environment), progress=False)  # fmt: skip
