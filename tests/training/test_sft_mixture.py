"""Lessons: traces in a mix, described, never a held-out puzzle; and the notebook that learns from them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from game24lab.evaluation.chains import read_grades
from game24lab.runs.run import read_run, start_run
from game24lab.tasks.numbers.puzzles import write_puzzle
from game24lab.tasks.numbers.splits import make_split
from game24lab.training.data.sft_mixture import find_traces, read_mixture, write_data
from game24lab.training.data.trace_dataset import read_traces, write_traces
from game24lab.training.data.trace_generation import make_traces

ROOT = Path(__file__).parents[2]
SPLIT = make_split("tot")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a file of traces, as 02_traces leaves one."""
    folder = tmp_path_factory.mktemp("02_traces")
    kinds = {"styles": ("sound", "v2"), "buckets": ("short",), "highest": 13}
    traces = make_traces(SPLIT.train, 48, held_out=SPLIT.held_out, **kinds)
    write_traces(folder / "traces.jsonl", traces, {"tokenizer": "own"})
    return folder


def test_a_mix_is_drawn_and_described(folder):
    samples, data = read_mixture(folder, {"sound": 3.0, "v2/short": 1.0}, 200, held_out=SPLIT.held_out)
    assert len(samples) == data["samples"] == sum(part["samples"] for part in data["parts"]) == 200
    assert data["styles"] == ["sound", "v2"]
    assert data["label"] == "sound + v2 short"
    sound, v2 = data["parts"]
    assert 0.6 < sound["weight"] < 0.9
    assert sound["weight"] + v2["weight"] == pytest.approx(1)
    assert v2["rollback_share"] > 0
    mean = sum(part["tokens_mean"] * part["weight"] for part in data["parts"])
    assert data["tokens"] == pytest.approx(mean)
    assert data["card"]["tokenizer"] == "own"
    assert read_mixture(folder, {"sound": 3.0, "v2/short": 1.0}, 200, held_out=SPLIT.held_out)[0] == samples
    assert read_mixture(folder, {"sound": 3.0, "v2/short": 1.0}, 200, held_out=SPLIT.held_out, seed=1)[0] != samples


@pytest.mark.parametrize(
    ("made", "wanted", "seed", "kept"),
    [
        ("tot+strict", "tot+strict", 0, True), ("tot+tsllm+strict", "tot+strict", 0, True), ("tot", "tot", 0, True),
        ("tot", "tot+strict", 0, False), ("tot+tsllm", "tot+strict", 0, False),
        ("tsllm+strict", "tot+strict", 0, False),
        ("tot+strict", "tot+tsllm+strict", 0, False), (None, "tot+strict", 0, False), (3, "tot+strict", 0, False),
        ("random+strict", "random+strict", 0, True), ("random+strict", "random+strict", 1, False),
    ],
)  # fmt: skip
def test_a_strict_split_takes_traces_that_were_made_as_strictly(folder, tmp_path, made, wanted, seed, kept):
    traces = read_traces(folder / "traces.jsonl")
    write_traces(tmp_path / "traces.jsonl", traces, {"held_out": made, "seed": 0} if made else {})
    if kept:
        assert read_mixture(tmp_path, {}, 10, held_out=(), split=wanted, seed=seed)[1]["card"]["seed"] == 0
    else:
        told = "split 'tot" if wanted.startswith("tot") else r"split 'random\+strict' or a stricter one, .* of seed 0"
        with pytest.raises(ValueError, match=f"they must be made with the {told}"):
            read_mixture(tmp_path, {}, 10, held_out=(), split=wanted, seed=seed)


def test_without_weights_the_file_keeps_its_shares(folder):
    _, data = read_mixture(folder / "traces.jsonl", {}, 400, held_out=())
    weights = {part["style"]: part["weight"] for part in data["parts"]}
    assert weights == pytest.approx({"sound": 0.5, "v2": 0.5}, abs=0.1)


def test_a_description_lies_in_the_run(folder, tmp_path):
    _, data = read_mixture(folder, {}, 20, held_out=())
    with start_run(tmp_path / "run", "03_sft", {"seed": 0}) as run:
        write_data(run, data)
    assert json.loads((tmp_path / "run" / "data.json").read_text()) == data


def test_bad_lessons_are_refused(folder, tmp_path):
    first = read_traces(folder / "traces.jsonl")[0].numbers
    with pytest.raises(ValueError, match=f"{write_puzzle(first)} is held out and must not be trained on"):
        read_mixture(folder, {}, 10, held_out=[first])
    with pytest.raises(ValueError, match="weight of v3: no such traces; there are sound/short, v2/short"):
        read_mixture(folder, {"v3": 1}, 10, held_out=())
    with pytest.raises(ValueError, match="no traces in this folder"):
        find_traces(tmp_path)
    for suffix in ("jsonl", "parquet"):
        (tmp_path / f"traces.{suffix}").touch()
    with pytest.raises(ValueError, match=r"2 files of traces \(traces.jsonl, traces.parquet\)"):
        find_traces(tmp_path)
    with pytest.raises(ValueError, match=r"traces .*nowhere: no such file or folder; `game24lab run 02_traces` makes "):
        find_traces(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no such file"):
        read_mixture(tmp_path / "nowhere.jsonl", {}, 10, held_out=())
    damaged = tmp_path / "other" / "traces.jsonl"
    damaged.parent.mkdir()
    damaged.write_text((folder / "traces.jsonl").read_text() + '{"numbers": [1, 2\n')
    with pytest.raises(ValueError, match=r"traces\.jsonl, line 49: damaged"):
        read_mixture(damaged.parent, {}, 10, held_out=())


def run_notebook(folder, output, **chosen):
    """03_sft_chains, as small as it gets; its run."""
    chosen |= {"evaluate_every": 0, "held_out": 2, "tries": 2, "budgets": "[32, 64]"}
    given = [word for name, value in chosen.items() for word in ("-p", name, str(value))]
    command = [sys.executable, "-m", "game24lab", "run", "03_sft_chains", *given, "--output", output]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    return read_run(folder / output)


def test_the_notebook_learns_from_traces_and_evaluates_alone(folder, tmp_path):
    """What reports read is there; without steps the checkpoint is evaluated as it is."""
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    run = run_notebook(tmp_path, "run", traces=folder, mix="{sound: 1.0}", samples=40, steps=2, batch_tokens=1500)
    assert run.status == "finished"
    assert run.manifest["facts"]["training_cpu_seconds"] > 0
    grades = read_grades(run.path("grades.parquet"))
    assert grades.groupby("stage").size().to_dict() == {"end": 2, "samples": 4}
    assert set(grades["model"]) == {"sound short"}
    assert run.read_records()["budget"].tolist() == [32, 64]
    assert run.read_records("training")["accuracy"].notna().sum() == 1
    assert json.loads(run.path("data.json").read_text())["samples"] == 40
    said = "".join("".join(o["text"]) for cell in json.loads(run.path("notebook.ipynb").read_text())["cells"]
                   for o in cell.get("outputs", []) if o.get("name") == "stderr")  # fmt: skip
    assert "Warning" not in said
    again = run_notebook(tmp_path, "again", checkpoint="run/checkpoint", steps=0)
    assert again.status == "finished"
    graded = read_grades(again.path("grades.parquet"))
    ends = [table[table["stage"] == "end"]["text"].tolist() for table in (grades, graded)]
    assert ends[0] == ends[1]
    assert set(graded["model"]) == {"run/checkpoint"}
    assert again.read_records()["budget"].tolist() == [32, 64]
    assert not again.path("training.parquet").exists()
