"""Sets of word problems: the published files as they are, other formats, what is damaged, and the split."""

import json
import random
import re

import pandas as pd
import pytest

from game24lab.tasks.gsm8k import dataset as wordsets
from game24lab.tasks.gsm8k.dataset import WordSplit, read_problems, read_split, write_problems
from game24lab.tasks.gsm8k.synthetic import make_problems

# As openai/grade-school-math writes them: annotations, thousands signs, money, another apostrophe, non-ASCII text
PUBLISHED = [
    {"question": "Janet\u2019s ducks lay 16 eggs. She eats three and sells the rest at $2. How much does she make?",
     "answer": "Janet sells 16 - 3 = <<16-3=13>>13 eggs.\nShe makes 13 * 2 = $<<13*2=26>>26.\n#### 26"},
    {"question": "How many meters are 1.5 km  and 80 m?\n", "answer": "1.5*1000=<<1.5*1000=1500>>1500\n#### 1,580"},
    {"question": "It was 3 degrees and fell by 5. How cold is it?", "answer": "3-5=<<3-5=-2>>-2\n#### -2"},
]  # fmt: skip


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_file_in_the_published_format_is_read(tmp_path):
    problems = read_problems(write(tmp_path / "test.jsonl", PUBLISHED))
    assert [int(problem.answer) for problem in problems] == [26, 1580, -2]
    assert [problem.gold for problem in problems] == ["26", "1,580", "-2"]
    assert problems[0].steps == ("Janet sells 16 - 3 = 13 eggs.", "She makes 13 * 2 = $26.")
    assert problems[0].question.startswith("Janet\u2019s")


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_a_byte_order_mark_is_no_damage(suffix, tmp_path):
    text = json.dumps(PUBLISHED) if suffix == ".json" else "".join(json.dumps(row) + "\n" for row in PUBLISHED)
    (tmp_path / f"train{suffix}").write_text(text, encoding="utf-8-sig")
    assert [int(problem.answer) for problem in read_problems(tmp_path / f"train{suffix}")] == [26, 1580, -2]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
def test_all_formats_hold_the_same(suffix, tmp_path):
    path, rows = tmp_path / f"train{suffix}", [problem.row for problem in make_problems(20)]
    if suffix == ".jsonl":
        write(path, rows)
    elif suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        pd.DataFrame(rows).to_parquet(path)
    assert [problem.row for problem in read_problems(path)] == rows


def test_what_is_written_is_read_back(tmp_path):
    problems = make_problems(30)
    read = read_problems(write_problems(tmp_path / "made" / "train.jsonl", problems))
    assert [(one.question, one.answer, one.steps) for one in read] == [
        (p.question, p.answer, p.steps) for p in problems
    ]
    for bad in (tmp_path / "train.txt", tmp_path / "train.jsonl"):
        with pytest.raises(ValueError, match="must"):
            write_problems(bad, problems if bad.suffix == ".txt" else [])


def test_a_folder_has_its_own_split_and_a_file_is_divided_by_its_questions(tmp_path):
    rows = [problem.row for problem in make_problems(260)]
    write(tmp_path / "train.jsonl", rows[:200])
    write(tmp_path / "test.jsonl", rows[200:])
    split = read_split(tmp_path, held_out=10, seed=1)
    assert len(split.train) == 200
    assert {problem.question for problem in split.held_out} <= {row["question"] for row in rows[200:]}
    assert split == read_split(tmp_path, held_out=10, seed=1)
    assert split.held_out != read_split(tmp_path, held_out=10, seed=2).held_out
    whole = read_split(tmp_path / "train.jsonl", held_out=1000)
    assert 5 < len(whole.held_out) < 45
    assert len(whole.train) + len(whole.held_out) == 200
    random.Random(0).shuffle(rows[:200])
    again = read_split(write(tmp_path / "shuffled.jsonl", rows[:200][::-1]), held_out=1000)
    assert {one.question for one in again.held_out} == {one.question for one in whole.held_out}


FIRST = '{"question": "?", "answer": "#### 1"}\n'


@pytest.mark.parametrize(("text", "named"), [
    (FIRST + '{"question": "?"', "line 2: damaged"),
    (FIRST + '\n{"question": "!", "answer": "1"}\n', "line 3: answer must have a line such as ####"),
    ('{"question": "?", "answer": "#### some"}\n', "line 1: answer must be a number such as .*, got 'some'"),
    ('{"question": "?"}\n', "line 1: answer must be a text such as .*, got 'None'"),
    (FIRST + '{"question": "?", "answer": "#### 2"}\n', "line 2: the question came before"),
    ("[1]\n", "line 1 must be an object"), ("", "it holds none"), ("[" * 100_000 + "\n", "line 1: damaged"),
])  # fmt: skip
def test_damaged_files_are_named_with_the_line(text, named, tmp_path):
    (path := tmp_path / "train.jsonl").write_text(text)
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}.*{named}") as error:
        read_problems(path)
    assert "\n" not in str(error.value)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        read_problems(tmp_path / "train.jsonl")
    with pytest.raises(ValueError, match=r"ends in \.jsonl"):
        read_problems(tmp_path / "train.csv")
    for source in (tmp_path / "nothing", "./nothing", "nothing.jsonl", "a/b/c"):
        with pytest.raises(ValueError, match="must be a file, a folder or a hub data set"):
            read_split(source, held_out=1)
    write(tmp_path / "train.jsonl", PUBLISHED)
    with pytest.raises(ValueError, match=r"must hold one of test.*, got 0 of them"):
        read_split(tmp_path, held_out=1)
    write(tmp_path / "test.jsonl", PUBLISHED[:1])
    with pytest.raises(ValueError, match="is both held out and for training"):
        read_split(tmp_path, held_out=1)
    with pytest.raises(ValueError, match="held_out 0"):
        read_split(tmp_path, held_out=0)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match="damaged or no Parquet"):
        read_problems(tmp_path / "broken.parquet")
    with pytest.raises(ValueError, match="none to learn from"):
        WordSplit("x", (), tuple(make_problems(1)))


def test_the_hub_is_asked_for_both_sides_of_a_data_set(monkeypatch):
    import datasets

    asked = []

    def load(name, configuration, split):
        asked.append((name, configuration, split))
        return PUBLISHED[:1] if split == "test" else PUBLISHED[1:]

    monkeypatch.setattr(datasets, "get_dataset_config_names", lambda name: ["main", "socratic"])
    monkeypatch.setattr(datasets, "load_dataset", load)
    split = read_split("openai/gsm8k", held_out=5)
    assert asked == [("openai/gsm8k", "main", "train"), ("openai/gsm8k", "main", "test")]
    assert (len(split.train), len(split.held_out)) == (2, 1)

    def fail(name):
        raise ConnectionError("no network\nat all")

    monkeypatch.setattr(datasets, "get_dataset_config_names", fail)
    with pytest.raises(ValueError, match=r"openai/gsm8k: not found here, nor to be had .* \(no network at all\)"):
        read_split("openai/gsm8k", held_out=5)
    assert wordsets.SUFFIXES == (".jsonl", ".json", ".parquet")
