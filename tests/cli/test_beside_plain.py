"""The product beside transformers' own `generate`: the same tokens, verdicts by two scorers, and a run that goes on."""

import json

import pandas as pd
import pytest
import tiny_models

from game24lab.cli import beside_plain
from game24lab.runs.run import read_run

CHAT = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}[assistant] "


each_template = pytest.mark.parametrize("template", [CHAT, None], ids=["chat", "no chat"])


def make_checkpoint(folder, template):
    """A tiny Llama with the kind of chat template that instruction models have, or without."""
    model, tokenizer = tiny_models.make("llama", window=512)
    tokenizer.chat_template = template
    tiny_models.save_checkpoint(model, tokenizer, folder)
    return str(folder)


@each_template
def test_every_way_says_the_same_tokens(template, tmp_path, capsys):
    checkpoint, output = make_checkpoint(tmp_path / "policy", template), tmp_path / "run"
    command = [checkpoint, "--problems", "10", "--budget", "12", "--output", str(output)]
    assert beside_plain.main(command) == 0
    table = pd.read_parquet(output / "records.parquet")
    assert table.groupby("way").size().to_dict() == dict.fromkeys(beside_plain.WAYS, 10)
    assert beside_plain.measure_agreement(table) == {"ctranslate2": 1.0, "generate": 1.0}
    assert (table["solved"] == table["scored"]).all()
    assert table["tokens"].between(1, 12).all()
    said = capsys.readouterr().out
    assert "of 10 word problems" in said
    assert "ctranslate2 100.0%, generate 100.0%" in said
    assert read_run(output).manifest["result"] in said


def test_a_killed_comparison_goes_on(tmp_path, monkeypatch):
    checkpoint, output = make_checkpoint(tmp_path / "policy", CHAT), tmp_path / "run"
    settings = {"problems": 10, "budget": 4, "ways": ["transformers"]}
    calls, append = [], beside_plain.append_rows
    monkeypatch.setattr(beside_plain, "_CHUNK", 8)

    def fail_at_second(path, rows):
        calls.append(len(rows))
        if len(calls) == 2:
            raise KeyboardInterrupt
        append(path, rows)

    monkeypatch.setattr(beside_plain, "append_rows", fail_at_second)
    with pytest.raises(KeyboardInterrupt):
        beside_plain.compare(checkpoint, "", output, **settings)
    with open(output / "answers.jsonl", "a") as file:
        file.write('{"way": "transformers", "pro')  # the kill came in the middle of a line
    beside_plain.compare(checkpoint, "", output, **settings)
    assert calls == [8, 2, 2]
    assert len([json.loads(line) for line in (output / "answers.jsonl").read_text().splitlines()]) == 10
    assert read_run(output).status == "finished"


@pytest.mark.parametrize(
    ("text", "gold", "verdict"),
    [
        ("<reasoning>\n3 * 4 = 12\n</reasoning>\n<answer>\n12\n</answer>\n", 12, (True, True)),
        ("<answer>$1,200</answer>", 1200, (True, True)),
        ("so it is 12.", 12, (False, True)),
        ("<answer>12</answer> or 13", 12, (True, False)),
        ("<answer>twelve</answer>", 12, (False, False)),
        ("", 12, (False, False)),
    ],
)
def test_the_plain_scorer_reads_tags_and_last_numbers(text, gold, verdict):
    assert beside_plain.score_plainly(text, gold) == verdict


def test_bad_input_is_one_line(tmp_path, capsys):
    assert beside_plain.main([str(tmp_path / "nothing"), "--output", str(tmp_path / "run")]) == 2
    assert "no such folder" in capsys.readouterr().err
