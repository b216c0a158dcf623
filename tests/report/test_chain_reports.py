"""The reports on search traces and on rewards: a PDF, the records' own numbers beside it, and clear complaints."""

import json

import graded_runs
import pandas as pd
import pytest
from first_page import read_answer

from game24lab.cli import main as cli
from game24lab.evaluation.chains import cut, pair, read_grades, summarise_budgets
from game24lab.evaluation.statistics import wilson
from game24lab.report.document import compile_report, to_json
from game24lab.report.evidence import read_evidence
from game24lab.report.sections import rl, sft
from game24lab.report.write import write_report
from game24lab.runs.run import start_run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with three trainings on traces."""
    folder = tmp_path_factory.mktemp("sft")
    graded_runs.make_sft_run(folder / "a", "sound mixed", "sound", 0.85, samples=2)
    graded_runs.make_sft_run(folder / "b", "v2 long", "v2", 0.5)
    graded_runs.make_sft_run(folder / "c", "v3 short", "v3", 0.4)
    return folder


@pytest.fixture(scope="module")
def rewarded(tmp_path_factory):
    """A folder with two seeds of GRPO and one DPO."""
    folder = tmp_path_factory.mktemp("rl")
    for seed in range(2):
        graded_runs.make_rl_run(folder / f"grpo{seed}", "06_grpo", "GRPO", 0.4, 0.8, seed=seed)
    graded_runs.make_rl_run(folder / "dpo", "07_dpo", "DPO", 0.4, 0.5, sampled=300_000)
    return folder


def read_numbers(path):
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"), parse_constant=pytest.fail)


def shown(report):
    """All text of a report."""
    return to_json(report)


# ------------------------------------------------------------------------------------------- supervised fine-tuning
def test_the_sft_report_is_a_pdf_with_its_numbers_beside_it(trained, tmp_path, capsys):
    assert cli.main(["report", "--kind", "sft", str(trained), "-o", str(tmp_path / "sft.pdf")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "sft.pdf")
    assert (tmp_path / "sft.pdf").read_bytes()[:5] == b"%PDF-"
    numbers = read_numbers(tmp_path / "sft.pdf")
    assert numbers["best"] == "sound mixed"
    assert numbers["arms"][0]["label"] == "sound mixed"
    assert len(numbers["runs"]) == 3
    assert len(numbers["published"]) == 8


def test_sft_numbers_are_those_of_the_records(trained):
    numbers = sft.gather_numbers(read_evidence([trained]))
    rows = read_grades(trained / "a" / "grades.parquet")
    rows = rows[rows["stage"] == "end"]
    for entry in numbers["budgets"]["sound mixed"]:
        now = cut(rows, entry["budget"])
        assert entry["accuracy"] == now["solved"].mean()
        assert entry["unfinished"] == (now["outcome"] == "unfinished").mean()
        assert (entry["low"], entry["high"]) == wilson(int(now["solved"].sum()), 40)
        assert entry["n"] == 40
    assert [entry["budget"] for entry in numbers["budgets"]["sound mixed"]] == [256, 512, 1024, 1500]
    best = numbers["arms"][0]
    assert best["anchors"]["1024"]["accuracy"] == cut(rows, 1024)["solved"].mean()
    assert best["training_tokens"] == 291 * 8192
    assert best["training_cpu_seconds"] == 3100
    assert best["styles"] == "sound"
    unsolved = set(rows.loc[~rows["solved"], "numbers"])
    assert set(numbers["anatomy"]["never_solved"]) == unsolved
    assert {entry["bucket"]: entry["accuracy"] for entry in numbers["anatomy"]["buckets"]} == {
        "901-1000": rows["solved"].mean()}  # fmt: skip
    assert sum(entry["n"] for entry in numbers["anatomy"]["lines"]) == 40
    assert numbers["anatomy"]["characters_per_token"] == rows["characters"].sum() / rows["tokens"].sum()
    assert {entry["k"] for entry in numbers["passes"]} == {1, 2}
    json.dumps(numbers, allow_nan=False)


def test_the_sft_report_says_what_a_reader_must_know(trained):
    evidence = read_evidence([trained])
    numbers = sft.gather_numbers(evidence)
    report = sft.make_report(evidence, numbers)
    text, answer, end = shown(report), read_answer(report), numbers["arms"][0]["largest"]
    assert f"sound mixed (traces: sound, short, long), solves {100 * end['accuracy']:.1f} %" in answer
    assert f"{100 * end['unfinished']:.1f} % unfinished" in answer
    expected = ("no answer is chosen among several", "sound mixed", "v2 long", "LLM4Game24", "84.0 %", "Qwen2.5-0.5B",
                "4,096", "Wilson", "was chosen on the puzzles", "2.38 M", "does not solve",
                "Below the best by")  # fmt: skip
    assert not [said for said in expected if said not in text]


def test_one_run_alone_is_reported_too(trained):
    evidence = read_evidence([trained / "b"])
    numbers = sft.gather_numbers(evidence)
    report = sft.make_report(evidence, numbers)
    assert "was chosen on" not in shown(report)
    assert compile_report(report)[:5] == b"%PDF-"


def test_equal_records_give_equal_bytes(trained, tmp_path):
    first, second = (write_report("sft", [trained], tmp_path / f"{name}.pdf").read_bytes() for name in "ab")
    assert first == second


def test_hostile_text_reaches_the_page_as_text(tmp_path):
    label = '#import "x" $x^2$ <b>*bold*</b> \u202e \\'
    graded_runs.make_sft_run(tmp_path / "a", label, "sound", 0.5)
    evidence = read_evidence([tmp_path])
    assert compile_report(sft.make_report(evidence, sft.gather_numbers(evidence)))[:5] == b"%PDF-"


def test_what_is_missing_is_named(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="no run here"):
        write_report("sft", [tmp_path / "nowhere"], tmp_path / "x.pdf")
    with start_run(tmp_path / "bare", "03_sft", {"seed": 0}):
        pass
    with pytest.raises(ValueError, match=r"bare: a run with grades\.parquet is needed, got none \(03_sft is fin"):
        write_report("sft", [tmp_path / "bare"], tmp_path / "x.pdf")
    with start_run(tmp_path / "started", "03_sft", {"seed": 0}) as run:
        graded_runs.add_grades(run, "start", puzzles=graded_runs.PUZZLES[:4])
    with pytest.raises(ValueError, match="no answers of the stage 'end'; there are start"):
        write_report("sft", [tmp_path / "started"], tmp_path / "x.pdf")
    with start_run(tmp_path / "broken", "03_sft", {"seed": 0}) as run:
        graded_runs.add_grades(run, "end", puzzles=graded_runs.PUZZLES[:4])
        run.path("data.json").write_text("{")
    with pytest.raises(ValueError, match=r"data\.json must be a JSON object, got '\{'"):
        write_report("sft", [tmp_path / "broken"], tmp_path / "x.pdf")
    run.path("data.json").unlink()
    run.write_records(pd.DataFrame({"loss": [1.0]}), "training")
    with pytest.raises(ValueError, match=r"training\.parquet: the column 'step' is missing"):
        write_report("sft", [tmp_path / "broken"], tmp_path / "x.pdf")
    with pytest.raises(ValueError, match="runs of 06_grpo or 07_dpo are needed"):
        write_report("rl", [trained], tmp_path / "x.pdf")
    with start_run(tmp_path / "other", "06_grpo", {"seed": 0}) as run:
        graded_runs.add_grades(run, "end", puzzles=graded_runs.PUZZLES[:4])
    with pytest.raises(ValueError, match=r"other \(06_grpo\): runs of 03_sft are needed"):
        write_report("sft", [tmp_path / "other"], tmp_path / "x.pdf")
    assert not list(tmp_path.glob("x.*"))


def test_the_command_line_refuses_other_kinds(trained, capsys):
    assert cli.main(["report", "--kind", "poem", str(trained)]) == 2
    said = capsys.readouterr().err
    assert "runs, sft, rl, search, modes, router, scaling, iteration, lookahead" in said
    assert "'poem'" in said


# ------------------------------------------------------------------------------------------- rewards, preferences
def test_the_rl_report_is_a_pdf_with_its_numbers_beside_it(rewarded, tmp_path):
    assert cli.main(["report", "--kind", "rl", str(rewarded), "-o", str(tmp_path / "rl.pdf")]) == 0
    assert (tmp_path / "rl.pdf").read_bytes()[:5] == b"%PDF-"
    numbers = read_numbers(tmp_path / "rl.pdf")
    assert [method["method"] for method in numbers["methods"]] == ["GRPO", "DPO"]
    assert [training["label"] for training in numbers["trainings"]] == ["GRPO, seed 0", "GRPO, seed 1", "DPO"]
    assert numbers["published"][3]["solved"] == 0.75


def test_rl_numbers_are_those_of_the_records(rewarded):
    numbers = rl.gather_numbers(read_evidence([rewarded]))
    assert numbers["budget"] == 1024
    grades = [read_grades(rewarded / name / "grades.parquet") for name in ("grpo0", "grpo1")]
    starts, ends = ([table[table["stage"] == stage] for table in grades] for stage in ("start", "end"))
    for training, start, end in zip(numbers["trainings"], starts, ends, strict=False):
        expected = summarise_budgets(end, [1024]).iloc[0]
        assert training["end"]["accuracy"] == expected["accuracy"]
        assert (training["end"]["low"], training["end"]["high"]) == (expected["low"], expected["high"])
        change = pair(start, end, 1024)
        assert {key: training["change"][key] for key in change} == change
        assert training["peak"]["step"] == 50
    grpo = numbers["methods"][0]
    change = pair(pd.concat(starts), pd.concat(ends), 1024)
    assert {key: grpo["change"][key] for key in change} == change
    assert grpo["end"]["accuracy"] == pytest.approx(pd.concat(cut(end, 1024)["solved"] for end in ends).mean())
    assert grpo["sampled_tokens"] == 900_000


def test_costs_are_levelled_by_what_was_sampled(rewarded):
    level = rl.gather_numbers(read_evidence([rewarded]))["equal_cost"]
    assert level["tokens"] == 300_000
    first, _, dpo = level["rows"]
    assert (first["step"], first["measured"]) == (10, "held-out check")  # 180,000 by then, 360,000 at the next
    assert first["tokens"] == pytest.approx(180_000)
    assert first["accuracy"] == pytest.approx(0.48)
    assert (dpo["step"], dpo["measured"]) == (50, "graded at the end")


def test_runs_from_different_starts_are_never_pooled(rewarded, tmp_path):
    for seed in range(2):
        graded_runs.make_rl_run(tmp_path / f"short{seed}", "06_grpo", "GRPO", 0.2, 0.6, seed=seed,
                                policy="runs/03_sft_short/checkpoint")  # fmt: skip
    evidence = read_evidence([rewarded, tmp_path])
    numbers = rl.gather_numbers(evidence)
    grpo, dpo, short = numbers["methods"]
    assert [grpo["method"], dpo["method"], short["method"]] == ["GRPO from 03_sft", "DPO", "GRPO from 03_sft_short"]
    assert (grpo["runs"], short["runs"]) == (2, 2)
    alone = rl.gather_numbers(read_evidence([rewarded]))["methods"][0]
    assert all(grpo[key] == alone[key] for key in ("start", "end", "change"))
    assert short["start"]["accuracy"] < grpo["start"]["accuracy"]
    labels = [training["label"] for training in numbers["trainings"]]
    assert labels[:2] == ["GRPO from 03_sft, seed 0", "GRPO from 03_sft, seed 1"]
    assert labels[3:] == ["GRPO from 03_sft_short, seed 0", "GRPO from 03_sft_short, seed 1"]
    text = shown(rl.make_report(evidence, numbers))
    assert "GRPO from 03_sft_short" in text


def test_without_costs_the_report_says_so(rewarded, tmp_path):
    with start_run(tmp_path / "run", "06_grpo", {"seed": 0}) as run:
        for stage in ("start", "end"):
            graded_runs.add_grades(run, stage, puzzles=graded_runs.PUZZLES[:6], seed=1)
    evidence = read_evidence([tmp_path])
    numbers = rl.gather_numbers(evidence)
    assert numbers["equal_cost"]["tokens"] is None
    text = shown(rl.make_report(evidence, numbers))
    assert "cannot be compared at equal cost" in text
    assert "No run left a log" in text
    assert "Fewer than 3 seeds of GRPO" in text


def test_the_rl_report_says_what_a_reader_must_know(rewarded):
    evidence = read_evidence([rewarded])
    numbers = rl.gather_numbers(evidence)
    report = rl.make_report(evidence, numbers)
    text, answer = shown(report), read_answer(report)
    for method in numbers["methods"]:
        assert f"{100 * method['change']['difference']:+.1f} points" in answer
    assert ("no gain is beyond chance" in answer) == all(one["change"]["low"] <= 0 for one in numbers["methods"])
    expected = ("GRPO, seed 0", "DPO", "end - start", "output reward", "no variance", "held-out", "GRPO, step 30",
                "75.0 %", "by bootstrap over puzzles", "Fewer than 3 seeds of GRPO and DPO")  # fmt: skip
    assert not [said for said in expected if said not in text]


def test_a_run_without_its_start_is_named(tmp_path):
    with start_run(tmp_path / "run", "07_dpo", {"seed": 0}) as run:
        graded_runs.add_grades(run, "end", puzzles=graded_runs.PUZZLES[:4])
    with pytest.raises(ValueError, match=r"run/grades\.parquet: no answers of the stage 'start'; there are end"):
        write_report("rl", [tmp_path / "run"], tmp_path / "x.pdf")


def test_a_training_without_traces_is_named_as_such_and_not_as_missing(trained, tmp_path):
    with start_run(tmp_path / "plain", "03_sft", {"traces": ""}) as run:
        run.finish()
    with pytest.raises(ValueError, match=r"\(03_sft is finished\); .*03_sft without traces: report --kind runs"):
        write_report("sft", [tmp_path / "plain"], tmp_path / "x.pdf")
    start_run(tmp_path / "begun", "03_sft", {"traces": "runs/x"})
    with pytest.raises(ValueError, match=r"begun: a run with grades\.parquet is needed, got none \(03_sft is run"):
        write_report("sft", [tmp_path / "begun"], tmp_path / "x.pdf")
    assert write_report("sft", [trained, tmp_path / "plain"][:1], tmp_path / "x.pdf").exists()
