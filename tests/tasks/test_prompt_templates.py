"""What stands around a puzzle: a preamble, a chat template, a text of one's own; everywhere that a puzzle is shown."""

import pytest

from game24lab.cli.main import main
from game24lab.cli.problems import open_game
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.preference_pairs import make_pairs
from game24lab.tasks.numbers.prompts import TSLLM_PREAMBLE, write_preamble
from game24lab.training.falsified import falsify


def chat(messages):
    (message,) = messages
    assert message["role"] == "user"
    return f"<|im_start|>user\n{message['content']}<|im_end|>\n<|im_start|>assistant\n"


SHOWN = "<|im_start|>user\nMake {}:\nInput: {}<|im_end|>\n<|im_start|>assistant\n"
AROUND = {"preamble": "Make {target}:", "template": "chat", "chat": chat}


def walk(items, **options):
    return items


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({}, ""),
        ({"chat": chat}, ""),  # a template is asked for
        ({"preamble": "tsllm"}, TSLLM_PREAMBLE),
        ({"preamble": "Solve", "template": "plain", "chat": chat}, "Solve\n"),
        ({"template": "chat", "chat": chat}, "<|im_start|>user\n{puzzle}<|im_end|>\n<|im_start|>assistant\n"),
        ({"preamble": "Solve", "template": "### {puzzle}\n### Answer\n"}, "### Solve\n{puzzle}\n### Answer\n"),
    ],
)
def test_what_stands_around_a_puzzle(given, written):
    assert write_preamble(**given) == written


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"template": "chat"}, "for a checkpoint without a chat template, got 'chat'"),
        ({"template": "Q: "}, r"template must be .* a text that holds \{puzzle\} once"),
        ({"template": "{puzzle} or {puzzle}\n"}, "once and goes on"),
        ({"template": "Q: {puzzle}"}, "once and goes on"),
    ],
)
def test_templates_that_cannot_be_used(given, message):
    with pytest.raises(ValueError, match=message):
        write_preamble(**given)
    with pytest.raises(ValueError, match=message):
        open_environment("game24", held_out=1, **given)


@pytest.mark.parametrize("context", ["position", "history"])
def test_it_stands_around_every_puzzle_that_a_model_is_shown(context):
    environment = open_environment("game24", held_out=2, answers="lines", context=context, **AROUND)
    task = environment.task
    numbers = " ".join(map(str, environment.held_out[0]))
    assert environment.prompt(environment.held_out[0]) == SHOWN.format(24, numbers)
    begin, end = SHOWN.format(24, "#").split("#")
    samples = environment.sft_samples(40, walk, highest=13)
    assert all(one.prompt.startswith(begin) and one.prompt.endswith(end) for one in samples)
    assert all(task.undress(one.prompt).startswith("Input: ") for one in samples)
    plain = open_environment("game24", held_out=2).sft_samples(40, walk, highest=13)
    assert [(task.undress(one.prompt), one.completion) for one in samples] == [one[:2] for one in plain]
    posed = environment.problems(1, 0.79, 1.0, walk)
    assert posed[0].prompt.startswith(begin)
    _, texts = environment.draw_starts(1, fractions=2, highest=13)
    assert texts
    assert all(text.startswith(begin) for text in texts)
    chain = "10 - 4 = 6 (left: 5 6 6)\n5 + 6 = 11 (left: 6 11)\n6 + 11 = 17 (left: 17)\n"
    (pair,) = make_pairs([((4, 5, 6, 10), chain, True)], style="lines", dress=task.dress)
    assert pair.prompt.startswith(SHOWN.format(24, "4 5 6 10"))


def test_chains_made_false_keep_what_stands_around_them():
    environment = open_environment("game24", held_out=1, **AROUND)
    world = environment.task.believe()
    right = [one.prompt + one.completion for one in environment.sft_samples(30, walk, highest=13, opening_share=0.0)]
    false = falsify(world, right, 20)
    assert len(false)
    assert all(text.startswith("<|im_start|>user\nMake 24:\nInput: ") for text in false["text"])
    assert all(world.find_fault(world.read(text)) is not None for text in false["text"])


def test_countdown_is_shown_so_too():
    environment = open_environment("countdown", held_out=1, **AROUND)
    sample = environment.sft_samples(1, walk)[0]
    target = sample.prompt.split("Target: ")[1].split("<")[0]
    assert sample.prompt.startswith(f"<|im_start|>user\nMake {target}:\nInput: ")
    assert environment.task.prompt(environment.held_out[0]).startswith("<|im_start|>user\nMake ")


def test_chains_of_thought_stand_behind_the_puzzle_alone():
    environment = open_environment("chains24", held_out=1, chat=chat)
    assert environment.sft_samples(2, walk, highest=13)[0].prompt.startswith("Input: ")
    assert environment.problems(1, 0.79, 1.0, walk)[0].prompt.startswith("Input: ")
    with pytest.raises(ValueError, match="preamble, context and template must be as by default for chains of thought"):
        open_environment("chains24", held_out=1, preamble="Solve")


def test_the_command_line_shows_a_puzzle_so():
    world = open_game("game24", context="history", **AROUND)
    assert world.task.context == "history"
    assert world.task.prompt((4, 5, 6, 10)) == SHOWN.format(24, "4 5 6 10")
    assert open_game("game24").task == open_environment("game24", held_out=1).task


def test_the_command_line_names_what_cannot_be_used(capsys):
    for words, message in [
        (["--template", "Q:"], "a text that holds {puzzle} once"),
        (["--template", "chat"], "without a chat template"),  # the shipped models have none
        (["--context", "all"], "context must be 'position' or 'history', got 'all'"),
    ]:
        assert main(["solve", "4", "5", "6", "10", *words]) == 2
        assert message in capsys.readouterr().err
