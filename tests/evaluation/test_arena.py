"""The arena: tasks by name with what rewards must know, arms and grids, and a killed run that repeats no arm."""

import pandas as pd
import pytest
import tiny_models
from transformers import Qwen2Config, Qwen2ForCausalLM

from game24lab.evaluation.arena import Arena, list_arms, make_grid, meet, open_arena
from game24lab.models.backends.transformers_policy import TransformersPolicy
from game24lab.models.checkpoints import save_checkpoint
from game24lab.models.load_policy import load_policy
from game24lab.models.tokenizer import make_tokenizer
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import follow

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LOOK = {"max_tokens": 8, "simulations": 1, "depth": 1, "top_k": 2, "rule": "line"}


@pytest.mark.parametrize("task", ["game24", "chains24", "gsm8k"])
def test_a_task_comes_with_its_problems_and_rewards(task):
    arena = open_arena(task, checkpoint="x" if task == "gsm8k" else "", held_out=3, seed=0,
                       **({"template": "plain"} if task == "gsm8k" else {}))  # fmt: skip
    assert len(arena.asked) == 3
    problem = arena.asked[0]
    right = "</answer>" if task == "gsm8k" else "reach"
    assert arena.task.verdict(arena.task.start(problem)).outcome == "unfinished"
    (row,) = arena.make_scorer().score([problem], [f"nothing {right}"])
    assert row["total"] is not None
    assert follow(arena.task, arena.task.start(problem), "x")[0] is not None


@pytest.mark.parametrize(("task", "reason"), [("gsm", "task 'gsm': one of game24"), ("gsm8k", "a checkpoint trained")])
def test_what_cannot_be_opened_is_named(task, reason):
    with pytest.raises(ValueError, match=reason):
        open_arena(task, held_out=2)


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
    with pytest.raises(ValueError, match="n 0"):
        list_arms(LOOK, [0], honest=False, critic=False)
    with pytest.raises(ValueError, match="has no parameter 'deep'"):
        list_arms({**LOOK, "deep": 3}, [1], honest=False, critic=False)


def test_a_killed_meeting_goes_on_where_it_was():
    policy = TransformersPolicy(*tiny_models.make("qwen3"), frozen=True)
    arena = Arena(Game24(), ((4, 5, 6, 10), (1, 2, 3)), "game24", list)
    scorer, form = arena.make_scorer(), arena.make_scorer({"finished": 1.0})
    arms, kept, made = list_arms(LOOK, [1], honest=True, critic=False), {}, []

    def recall(name, make):
        if name not in kept:
            made.append(name)
            kept[name] = make()
        return kept[name]

    options = {"scorer": scorer, "form": form, "recall": recall, "progress": False}
    rows = meet(arena, arms, policy, seeds=(0, 1), **options)
    assert len(rows) == 5 * 2 * 2
    kept.pop(made[-1])
    again = meet(arena, arms, policy, seeds=(0, 1), **options)
    assert made.count(made[0]) == 1
    assert made[-1] == made[-2]
    timed = [name for name in rows if "seconds" in name or "bytes" in name]
    pd.testing.assert_frame_equal(rows.drop(columns=timed), again.drop(columns=timed))


def test_a_chat_models_checkpoint_looks_ahead_on_word_problems(tmp_path):
    """A random Qwen2-architecture folder with a chat template, through every arm, its own end token respected."""
    config = Qwen2Config(vocab_size=768, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                         num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=512)  # fmt: skip
    tokenizer = make_tokenizer()
    config.eos_token_id, config.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    config.bos_token_id = None
    tokenizer.chat_template = CHAT
    save_checkpoint(Qwen2ForCausalLM(config), tokenizer, tmp_path / "chat")
    arena = open_arena("gsm8k", checkpoint=tmp_path / "chat", held_out=2, operations=[1], seed=0)
    policy = load_policy(tmp_path / "chat")
    assert arena.task.text(arena.task.start(arena.asked[0])).startswith("<|im_start|>user\nRespond in the following")
    scorer, form = arena.make_scorer(), arena.make_scorer({"xml_count": 1.0, "soft_format": 1.0})
    rows = meet(arena, list_arms({**LOOK, "chunk": 2}, [2], honest=form.honest, critic=False), policy, scorer=scorer,
                form=form, recall=lambda name, make: make(), progress=False)  # fmt: skip
    assert set(rows["outcome"]) <= {"unfinished", "illegal", "wrong value", "no answer"}
    assert {"reward/correctness", "reward/xml_count"} <= set(rows)
    assert (rows.loc[rows["strategy"] == "look ahead, by form", "decisions"] > 0).all()


def test_a_problem_that_fills_the_window_is_named(tmp_path):
    policy = TransformersPolicy(*tiny_models.make("qwen3"), frozen=True)
    arena = open_arena("gsm8k", checkpoint="x", template="plain", held_out=1, seed=0)
    with pytest.raises(ValueError, match="fills the model's window of 96"):
        meet(arena, list_arms(LOOK, [1], honest=False, critic=False), policy, scorer=arena.make_scorer(), form=None,
             recall=lambda name, make: make(), progress=False)  # fmt: skip
