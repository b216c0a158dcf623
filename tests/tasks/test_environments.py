"""A task by its name: the same doors for number games and word problems, from lessons to GRPO to graded answers."""

import ast
import json
import re
from pathlib import Path

import pandas as pd
import pytest
import tiny_models
import torch
from tokenizers.processors import TemplateProcessing
from transformers import Qwen2Config, Qwen2ForCausalLM

from game24lab.evaluation.chains import grade, measure, pair, pass_at_k, summarise_budgets
from game24lab.models.checkpoints import find_pretrained, load_checkpoint, make_model, save_checkpoint
from game24lab.models.load_policy import TransformersPolicy
from game24lab.models.tokenizer import make_tokenizer, read_chat
from game24lab.tasks.environment import require_parts
from game24lab.tasks.environments import open_environment
from game24lab.tasks.gsm8k.environment import WordGame
from game24lab.tasks.gsm8k.judge import COLUMNS
from game24lab.tasks.gsm8k.rewards import REWARDS
from game24lab.tasks.gsm8k.synthetic import make_problems
from game24lab.tasks.gsm8k.task import INSTRUCTION, PLAIN, TAGS, WordProblem, WordProblems, find_answer
from game24lab.tasks.rewards import make_reward_functions
from game24lab.training import grpo, sft
from game24lab.training.loop import STATE_FOLDER
from game24lab.training.reward_guard import RewardError, guard
from game24lab.training.rollouts import Rollouts
from game24lab.views.widgets.answers import AnswerView

# As Qwen2.5 ships it, without the branches for tools
CHAT = (
    "{%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}{%- if message.role != 'system' %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def walk(numbers, **options):
    return numbers


@pytest.fixture(scope="module")
def chatty(tmp_path_factory):
    """A tiny random Qwen2 checkpoint with a real chat template."""
    tokenizer = make_tokenizer("problems")
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "eos_token": "<|im_end|>"}
    )
    tokenizer.chat_template = CHAT
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen2ForCausalLM(Qwen2Config(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, max_position_embeddings=512, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
            pad_token_id=tokenizer.pad_token_id,
        ))  # fmt: skip
    folder = tmp_path_factory.mktemp("worlds") / "qwen2"
    save_checkpoint(model, tokenizer, folder)
    return folder


# ------------------------------------------------------------------------------------------------------- doors
@pytest.mark.parametrize("task", ["game24", "chains24", "countdown", "gsm8k"])
def test_every_task_goes_through_the_same_doors(task):
    world = open_environment(task, split={"gsm8k": "test", "countdown": "countdown_3"}.get(task, "random"), held_out=3)
    assert (world.name, len(world.held_out)) == (task, 3)
    lessons = world.sft_samples(5, walk)
    assert len(lessons) == 5
    assert all(sample.prompt and sample.completion for sample in lessons)
    posed = world.problems(4, 0.0, 1.0, walk)
    functions, _ = make_reward_functions(world.rewards)
    columns = {name: [problem.columns[name] for problem in posed] for name in posed[0].columns}
    assert all(len(function(completions=[""] * len(posed), **columns)) == len(posed) for function in functions)
    for problem in world.held_out:
        assert world.task.text(world.task.start(problem))
        assert world.task.prompt(problem) not in {one.prompt for one in posed} | {sample.prompt for sample in lessons}
    assert "3 held out" in str(world) or task != "gsm8k"
    tokenizer = make_tokenizer(world.vocabulary)
    assert tokenizer.decode(tokenizer(lessons[0].completion)["input_ids"]) == lessons[0].completion


def test_held_out_word_problems_are_the_same_for_all_seeds_and_lessons_are_not():
    one, two = (open_environment("gsm8k", split="familiar", held_out=4, seed=seed) for seed in (0, 1))
    assert one.held_out == two.held_out
    assert one.sft_samples(4, walk) != two.sft_samples(4, walk)
    assert {problem.prompt for problem in one.problems(4, 0, 1, walk)} & {
        one.task.prompt(q) for q in one.held_out
    } == set()


def test_a_share_of_word_problems_is_answered_without_steps():
    world = open_environment("gsm8k", split="test", held_out=1)
    plain, mixed = world.sft_samples(200, walk), world.sft_samples(200, walk, direct_share=0.5)
    assert [sample.prompt for sample in plain] == [sample.prompt for sample in mixed]
    changed = [sample.completion for sample, other in zip(mixed, plain, strict=True) if sample != other]
    assert 70 < len(changed) < 130
    assert all(len(text.splitlines()) == 6 for text in changed)  # four tags, and the answer twice
    assert all(text.splitlines()[1] == text.splitlines()[4] for text in changed)
    with pytest.raises(ValueError, match=r"direct_share must be a number from 0 to 1, got 1\.5"):
        world.sft_samples(2, walk, direct_share=1.5)


@pytest.mark.parametrize(("arguments", "named"), [
    ({"task": "chess"}, "one of game24, chains24, countdown, gsm8k, got 'chess'"),
    ({"task": "gsm8k", "split": "tot"}, "split must be test or familiar .*, got 'tot'"),
    ({"task": "gsm8k", "split": "test", "operations": [9]}, "from 1 to 6"),
    ({"task": "gsm8k", "split": "test", "template": "{question}"}, "lacks <reasoning>"),
    ({"task": "gsm8k", "source": "./nowhere"}, "must be a file, a folder"),
])  # fmt: skip
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        open_environment(**arguments)


def test_what_word_problems_do_not_have_is_said(tmp_path):
    world = open_environment("gsm8k", split="test", held_out=1)
    with pytest.raises(ValueError, match="the task gsm8k has no search traces: its solutions are learnt without"):
        require_parts(world, "traces")
    with pytest.raises(ValueError, match="has no models that ship: the shipped models know number games alone"):
        find_pretrained("policy", world)
    require_parts(open_environment(held_out=1), "traces", "truth", "positions", "ranking", "pretrained")
    with pytest.raises(ValueError, match=r"checkpoint \./nowhere: no such folder"):
        read_chat("./nowhere")
    assert read_chat("") is None
    with pytest.raises(ValueError, match="must be 0 to 1"):
        world.problems(1, 0.2, 1.0, walk)
    rows = [{"question": f"What is {n}?", "answer": f"#### {n}"} for n in range(60)]
    (tmp_path / "bare.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    bare = open_environment("gsm8k", source=str(tmp_path / "bare.jsonl"), held_out=2)
    assert len(bare.problems(10, 0, 1, walk)) == 10
    with pytest.raises(ValueError, match="none has steps"):
        bare.sft_samples(10, walk)


def test_the_prompt_is_plain_or_goes_through_the_models_own_chat_template(chatty, tmp_path):
    ask = {"task": "gsm8k", "split": "test", "held_out": 1}
    plain, chat = open_environment(**ask), open_environment(**ask, chat=read_chat(chatty))
    question = plain.held_out[0]
    assert plain.task.prompt(question) == PLAIN.replace("{question}", question)
    wanted = (
        f"<|im_start|>user\n{INSTRUCTION.replace('{question}', question).strip()}<|im_end|>\n<|im_start|>assistant\n"
    )
    assert chat.task.prompt(question).endswith(wanted)
    mute = open_environment(**ask, chat=read_chat(chatty), template="plain")
    assert mute.task.prompt(question) == plain.task.prompt(question)
    own = "Say {question} in " + " ".join(TAGS)
    assert f"Say {question} in" in open_environment(**ask, chat=read_chat(chatty), template=own).task.prompt(question)
    assert read_chat(tiny_models.save("qwen2", tmp_path / "mute")) is None


def test_nothing_is_put_before_a_chat_twice(tmp_path):
    tokenizer = make_tokenizer("problems")
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    first = [("<s>", tokenizer.bos_token_id)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=first)
    tokenizer.chat_template = "{{ bos_token }}{% for message in messages %}{{ message.content }}{% endfor %}"
    tokenizer.save_pretrained(tmp_path)
    prompt = read_chat(tmp_path)([{"role": "user", "content": "How many?"}])
    assert prompt == "How many?"
    assert tokenizer(prompt)["input_ids"].count(tokenizer.bos_token_id) == 1


def test_a_chat_template_that_refuses_is_named(chatty, tmp_path):
    tokenizer = load_checkpoint(chatty)[1]
    tokenizer.chat_template = "{{ raise_exception('no such role') }}"
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="its chat template refuses these messages: no such role"):
        read_chat(tmp_path)([{"role": "user", "content": "?"}])


# ------------------------------------------------------------------------------------------- SFT, GRPO, grades
def test_a_model_learns_from_lessons_and_is_graded(tmp_path):
    world = open_environment("gsm8k", split="test", held_out=3, operations=[1])
    config = sft.SFTConfig(size="mini", vocabulary=world.vocabulary, steps=2, batch_size=4, evaluate_every=0,
                           precision="fp32")  # fmt: skip
    folder = sft.train(config, world.sft_samples(8, walk), tmp_path / "sft")
    policy, path = TransformersPolicy(*load_checkpoint(folder)), tmp_path / "grades.parquet"
    rows = grade(world, policy, world.held_out, budget=12, samples=2, temperature=1.0, path=path, progress=False)
    assert dict(rows.dtypes.astype(str)).keys() == COLUMNS.keys()
    assert rows["question"].tolist() == [question for question in world.held_out for _ in range(2)]
    assert (rows["tokens"] <= 12).all()
    assert not rows.duplicated(["question", "text"]).all()
    written = path.stat().st_mtime_ns
    pd.testing.assert_frame_equal(grade(world, policy, world.held_out, budget=12, samples=2, temperature=1.0, path=path,
                                              progress=False), rows)  # fmt: skip
    assert path.stat().st_mtime_ns == written
    assert summarise_budgets(rows, [12])["puzzles"].tolist() == [3]
    assert pass_at_k(rows)["k"].tolist() == [1, 2]
    assert measure(rows)["accuracy"] <= 1
    assert pair(rows, rows, 12)["difference"] == 0
    with pytest.raises(ValueError, match="temperature 0"):
        grade(world, policy, world.held_out, samples=2)
    with pytest.raises(ValueError, match="is listed twice"):
        grade(world, policy, [world.held_out[0]] * 2)
    with pytest.raises(ValueError, match="budget is 12 there and 8 here"):
        grade(world, policy, world.held_out, budget=8, samples=2, temperature=1.0, path=path, progress=False)


class Said:
    """A policy that says one thing."""

    name, parameters = "said", 1

    def __init__(self, text):
        self.text = text

    def count(self, text):
        return len(text.split())

    def generate(self, prompts, n, **settings):
        class Answer:
            text, tokens, finish = self.text, 30, "stop"

        return [[Answer()] * n for _ in prompts]


def test_grades_tell_how_an_answer_ended_and_how_well_formed_it_is():
    problem = WordProblem("How many are 6 times 7?", 42, ("6 * 7 = 42",), 1)
    texts = {"solved": "<reasoning>\n6 * 7 = 42\n</reasoning>\n<answer>\n42\n</answer>\n",
             "wrong value": "<reasoning>\n6 * 7 = 43\n</reasoning>\n<answer>\n43\n</answer> so",
             "unfinished": "42"}  # fmt: skip
    world = WordGame(WordProblems(), (), "of a test", lambda *_: ())
    rows = [grade(world, Said(text), [problem], budget=99, progress=False) for text in texts.values()]
    table = pd.concat(rows, ignore_index=True)
    assert table["outcome"].tolist() == list(texts)
    assert table["strict_format"].tolist() == [1, 0, 0]
    assert table["calculations"].tolist()[:2] == [1, 0]
    view = AnswerView(table)
    assert "6 * 7 = 43" in view._repr_mimebundle_()["text/html"]
    assert "! 6 * 7 = 43" in repr(view)
    assert "wrong value: says 43, not 42" in repr(view)
    hostile = AnswerView(table.assign(text="<script>alert(1)</script>\n\x1b[0m", question="<b>?</b>"))
    assert "<script>" not in hostile._repr_mimebundle_()["text/html"]
    assert "\x1b" not in repr(hostile)


def test_a_chat_model_goes_through_grpo(chatty, tmp_path):
    """The path of 06_grpo for a foreign checkpoint: its chat template, the five rewards, samples and steps kept."""
    world = open_environment("gsm8k", split="test", held_out=2, operations=[1], chat=read_chat(chatty))
    config = grpo.GRPOConfig(
        checkpoint=str(chatty), steps=2, mini_batch=4, learning_rate=1e-3, evaluate_every=1, precision="fp32",
        rollouts=Rollouts(2, 4, 10),
    )  # fmt: skip
    functions, weights = make_reward_functions(REWARDS, {**REWARDS.weights, "lines": 0})

    def pay_spread(completions, **columns):
        return [sum(map(ord, text)) % 97 / 97 for text in completions]

    def watch(model, tokenizer):
        rows = grade(world, TransformersPolicy(model, tokenizer), budget=10, progress=False)
        return measure(rows)

    rewards = [*functions, pay_spread], [*weights, 1.0]
    folder = grpo.train(config, world.problems(4, 0, 1, walk), rewards, tmp_path, watch, keep_every=1)
    before, after = (dict(load_checkpoint(one)[0].named_parameters()) for one in (chatty, folder))
    assert not [name for name in before if torch.equal(before[name], after[name])]
    assert load_checkpoint(folder)[1].chat_template == CHAT
    curve = pd.read_parquet(tmp_path / "training.parquet").set_index("step")
    assert {f"reward/{name}" for name in REWARDS.weights} <= set(curve)
    assert curve["accuracy"].dropna().index.tolist() == [0, 1, 2]
    kept = sorted(path.name for path in (tmp_path / "steps").iterdir())
    assert kept == ["1", "2", "samples-0.parquet", "samples-1.parquet"]
    samples = pd.read_parquet(tmp_path / "steps" / "samples-0.parquet")
    assert len(samples) == 8
    assert samples["prompt"].str.contains("<|im_start|>assistant", regex=False).all()
    assert {"gold", "text", "tokens", "reward/correctness", "reward", "advantage"} <= set(samples)
    assert samples["reward"].mean() == pytest.approx(curve["reward"][1], abs=1e-5)
    first = load_checkpoint(tmp_path / "steps" / "2")[0].state_dict()
    assert all(torch.equal(first[name], value) for name, value in load_checkpoint(folder)[0].state_dict().items())


# ---------------------------------------------------------------------------------------------- failing rewards
@pytest.fixture(scope="module")
def small(tmp_path_factory):
    tokenizer = make_tokenizer("problems")
    folder = tmp_path_factory.mktemp("small") / "policy"
    save_checkpoint(make_model("mini", tokenizer), tokenizer, folder)
    return folder


def fail(**columns):
    raise ZeroDivisionError("mine\nand more")


BROKEN = {
    r"reward 'fail' raised ZeroDivisionError: mine and more$": fail,
    r"reward '<lambda>' must return 8 numbers, one a completion, got 3$": lambda **_: [0.5] * 3,
    r"reward '<lambda>' must return numbers, or None where it does not apply, got 'good'": lambda **_: ["good"] * 8,
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_reward_that_fails_is_named(message):
    with pytest.raises(RewardError, match=message) as error:
        guard(BROKEN[message])(completions=["x"] * 8)
    assert "\n" not in str(error.value)


def test_a_reward_that_works_is_left_as_it_is():
    def pay(completions, **columns):
        return [None, 1, 0.5, True]

    assert guard(pay)(completions=["x"] * 4) == [None, 1, 0.5, True]
    assert guard(pay).__name__ == "pay"


def test_nothing_is_lost_where_a_reward_fails(small, tmp_path):
    posed = open_environment("gsm8k", split="test", held_out=1, operations=[1]).problems(4, 0, 1, walk)
    config = grpo.GRPOConfig(checkpoint=str(small), steps=3, mini_batch=8, learning_rate=1e-3, evaluate_every=0,
                             precision="fp32", rollouts=Rollouts(2, 4, 6))  # fmt: skip

    def pay(completions, **columns):
        return [sum(map(ord, text)) % 97 / 97 for text in completions]

    def turn(completions, trainer_state, **columns):
        return pay(completions) if trainer_state.global_step < 2 else fail()

    with pytest.raises(ValueError, match="'turn' raised ZeroDivisionError at step 3: mine and more; what") as error:
        grpo.train(config, posed, ([turn], [1.0]), tmp_path / "broken")
    assert f"what was learnt before is kept in {tmp_path / 'broken' / STATE_FOLDER / 'checkpoint-2'}" in str(
        error.value
    )
    mended = grpo.train(config, posed, ([pay], [1.0]), tmp_path / "broken")
    whole = grpo.train(config, posed, ([pay], [1.0]), tmp_path / "whole")
    for one, two in zip(load_checkpoint(mended)[0].parameters(), load_checkpoint(whole)[0].parameters(), strict=True):
        assert torch.equal(one, two)


def test_keeping_and_tracking_are_checked_before_anything_is_spent(small, tmp_path, monkeypatch):
    posed = open_environment("gsm8k", split="test", held_out=1, operations=[1]).problems(2, 0, 1, walk)
    rewards = make_reward_functions(REWARDS)
    config = grpo.GRPOConfig(checkpoint=str(small), rollouts=Rollouts(2, 4, 6), mini_batch=8)
    with pytest.raises(ValueError, match="keep_every must be an integer >= 0, got -1"):
        grpo.train(config, posed, rewards, tmp_path, keep_every=-1)
    with pytest.raises(ValueError, match="report_to must be one of none, tensorboard, trackio, wandb, got 'excel'"):
        grpo.train(config, posed, rewards, tmp_path, report_to="excel")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"report_to must be .* installed \(`pip install wandb`\), got 'wandb'"):
        grpo.train(config, posed, rewards, tmp_path, report_to="wandb")
    assert not list(tmp_path.iterdir())


# -------------------------------------------------------------------------------------------------- who knows 24


def test_word_problems_need_nothing_of_the_game_of_24():
    """Search, training and models know tasks by their protocol; data sets and vocabularies know more."""
    package = Path(__file__).parents[2] / "game24lab"
    files = [path for room in ("search", "training", "models") for path in sorted((package / room).rglob("*.py"))]
    # self_check asks a policy for one calculation of a number game in another place
    knowing = {"tokenizer.py", "launch.py", "self_check.py",
               *(path.name for path in (package / "training" / "data").glob("*.py"))}  # fmt: skip
    for path in files:
        names = {node.module or "" for node in ast.walk(ast.parse(path.read_text()))
                 if isinstance(node, ast.ImportFrom) and path.name not in knowing}  # fmt: skip
        wrong = {name for name in names if re.match(r"game24lab\.tasks\.(numbers|gsm8k)", name)}
        assert not wrong, f"{path.name} imports {', '.join(sorted(wrong))}"


def test_problems_made_here_are_solved_by_their_own_solutions():
    from game24lab.tasks.gsm8k.task import write_solution

    assert all(find_answer(write_solution(problem)) == str(problem.answer) for problem in make_problems(50))
