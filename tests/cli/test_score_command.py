"""`game24lab score` as people meet it: tables, JSON, statuses, signs that a terminal would obey, no heavy import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import call, refuse

RIGHT = "(10 - 4) * 5 - 6"
ROWS = [{"problem": "4 5 6 10", "text": f"<answer>{RIGHT}</answer>"},
        {"problem": "4 5 6 10", "text": "Answer: 6 * 4 = 24"}, {"problem": "3 3 8 8", "text": "8/(3 - 8/3) = 24"},
        {"problem": "3 3 8 8", "text": "<answer>\x1b[31m8\n\u202e8</answer>"}]  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return tmp_path


def test_tables_are_printed_and_verdicts_kept(here, capsys):
    status, out, err = call(capsys, "score", "a.jsonl")
    assert (status, err) == (0, "")
    assert "".join(out.split("\n")).isprintable()
    lines = out.splitlines()
    assert lines[:2] == ["a.jsonl: table (problem; text in text)", "2 of 4 answers to 2 problems are right"]
    assert lines[2].startswith("accuracy 50.0% [")
    assert [line.split()[0] for line in lines[3:5]] == ["pass@1", "pass@2"]
    assert lines[4].startswith("pass@2 100.0% [")
    assert [part.strip() for part in lines[6].split("  ") if part.strip()] == ["found by", "answers", "right"]
    (told,) = [line for line in lines if line.startswith("number left out")]
    assert "line 2, 4 5 6 10: 6 * 4 = 24: wrong numbers" in told
    assert lines[-1] == "verdicts: verdicts.jsonl"
    verdicts = [json.loads(line) for line in Path("verdicts.jsonl").read_text().splitlines()]
    assert [verdict["right"] for verdict in verdicts] == [True, False, True, False]
    assert list(verdicts[0]) == ["file", "line", "sample", "problem", "rule", "answer", "right", "fault", "reason"]


def test_one_object_is_printed_where_asked_for(here, capsys):
    status, out, err = call(capsys, "score", "a.jsonl", "a.jsonl", "--json", "-o", "v.jsonl", "--strict")
    assert status == 0
    assert err == "verdicts: v.jsonl\n"
    found = json.loads(out)
    assert [file["right"] for file in found["files"]] == [1, 1]
    assert found["files"][0]["strict"] is True
    assert {fault["fault"] for fault in found["faults"]} == {"not in the form asked for", "not an expression"}
    assert call(capsys, "score", "a.jsonl", "-o", "")[0] == 0
    assert not Path("verdicts.jsonl").exists()


def test_broken_entries_end_in_status_1(here, capsys):
    with Path("a.jsonl").open("a") as file:
        file.write("{\n" * 25)
    status, out, err = call(capsys, "score", "a.jsonl")
    assert status == 1
    assert "2 of 4 answers to 2 problems are right, 25 entries broken" in out
    assert err.splitlines()[0].startswith("game24lab: a.jsonl, line 5: no JSON: ")
    assert err.splitlines()[-1] == "game24lab: 5 more broken entries"
    assert len(err.splitlines()) == 21


@pytest.mark.parametrize(("words", "said"), [
    (["none.jsonl"], "none.jsonl: No such file or directory"), (["a.jsonl", "--task", "chess"], "task must be one of"),
    (["a.jsonl", "--text", "reply"], "a.jsonl: --text: no column 'reply'; it has problem, text"),
    (["a.jsonl", "-o", "a.jsonl"], "overwrite"), (["a.jsonl", "-o", "none/v.jsonl"], "no such folder"),
    (["a.jsonl", "--use", "thrice"], "use must be one of"), (["."], "Is a directory"), ([], "required: FILE"),
])  # fmt: skip
def test_bad_input_gets_one_line(here, capsys, words, said):
    assert said in refuse(capsys, "score", *words)


def test_only_broken_entries_are_told_too(here, capsys):
    Path("b.jsonl").write_text('{"problem": "x", "text": "1"}\n')
    status, out, _ = call(capsys, "score", "b.jsonl")
    assert status == 1
    assert "no answers could be judged, 1 entries are broken" in out


def test_the_command_imports_no_torch(here):
    code = ("import sys\nfrom game24lab.cli.main import main\nmain(['score', 'a.jsonl'])\n"
            "print([name for name in ('torch', 'transformers', 'datasets') if name in sys.modules])")  # fmt: skip
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": root})  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


def test_memory_does_not_grow_with_the_answers(tmp_path):
    """Peak memory of 5,000 answers beside 100,000 to as many problems."""
    peaks = []
    for count in (5_000, 100_000):
        path = tmp_path / f"{count}.jsonl"
        with path.open("w") as file:
            for place in range(count):
                row = ROWS[place % 2] | {"target": place % 500}
                file.write(json.dumps(row) + "\n")
        code = ("import resource, sys\nfrom game24lab.cli.main import main\n"
                "main(['score', sys.argv[1], '-o', sys.argv[1] + '.v', '--workers', '1'])\n"
                "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)")  # fmt: skip
        root = str(Path(__file__).parents[2])
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True,
                              env={"PYTHONPATH": root})  # fmt: skip
        peaks.append(int(done.stdout.splitlines()[-1]))
    assert peaks[1] - peaks[0] < 20_000  # kilobytes
