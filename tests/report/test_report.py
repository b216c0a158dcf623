"""Reports show what the records say, tell where it is from, and take every text for text."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime

import demo_runs
import graded_runs
import pandas as pd
import pytest
import typst
from first_page import read_answer

from game24lab.evaluation.arms import Arm
from game24lab.evaluation.evaluate import summarise
from game24lab.report import document as report
from game24lab.report import evidence
from game24lab.report.document import Bullets, Code, Columns, Heading, KeyValues, Paragraph, Picture, Report, Table
from game24lab.report.sections import runs as section
from game24lab.report.summaries import CURVE_ROWS, _hash_rows, keep_curve
from game24lab.report.write import write_report
from game24lab.runs.run import start_run

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
HOSTILE = [
    "# $ * _ @ < > ~ ` \\ // /* ]", '#eval("1 + 1")', '"] #panic("out")', '#image("/etc/passwd")',
    "$x^2$ @label <label>", "= no heading\n- no item", "العربية עברית", "😀 漢字", "\x00\x07\x1b[31m", "\u202ereversed",
    "\ud800 alone", "x" * 3000, "https://example.com/" + "a" * 200, "",
]  # fmt: skip


def shown(told: Report) -> str:
    """All text of the laid-out document, as Typst itself gives it back."""
    found = []

    def gather(node):
        if isinstance(node, dict):
            found.extend([node["text"]] if isinstance(node.get("text"), str) else [])
            node = list(node.values())
        for part in node if isinstance(node, list) else []:
            gather(part)

    for selector in ("heading", "figure", "par", "list", "raw"):
        arguments = {"font_paths": report._fonts(), "sys_inputs": {"data": report.to_json(told)}}
        gather(json.loads(typst.query(str(report._TEMPLATE), selector, **arguments)))
    return "\n".join(found)


def make_report(*blocks, **changes) -> Report:
    return replace(Report("Title", "Subtitle", tuple(blocks), "foot", datetime(2026, 1, 2)), **changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    demo_runs.make_runs(folder)
    return folder


@pytest.fixture(scope="module")
def told(folder, tmp_path_factory):
    """The demo's report: path of the PDF, its numbers, the records it was laid out from."""
    path = write_report("runs", [folder], tmp_path_factory.mktemp("reports") / "demo.pdf")
    numbers = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return path, numbers, section.make_report(evidence.read_evidence([folder]), numbers)


# --------------------------------------------------------------------------------------------- records to pages
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_everywhere(text):
    told = make_report(
        Heading(text), Paragraph(text), Bullets((text,)), Code(text), KeyValues(((text, text),)),
        Table(text, text, (text,), ((text,), (1,)), note=text),
        Columns((Picture(text, text, SVG, text), Picture(text, text, SVG, text, 0.5))), title=text, footer=text,
    )  # fmt: skip
    assert report.compile_report(told).startswith(b"%PDF")  # and no warning, which would be an error here
    assert report.clean(text).strip() in shown(told)


def test_what_cannot_be_seen_is_written_as_its_code_point():
    assert report.clean("a\x07\u202eb\ud800") == "a\\u{7}\\u{202e}b\\u{d800}"
    assert report.clean("two\nlines") == "two\nlines"
    assert report.clean("x" * 100).replace("\u200b", "") == "x" * 100
    assert report.clean("particle_filter@n_particles=16,verified").replace("\u200b", "|") == (
        "particle_|filter@|n_|particles=|16,|verified")
    assert report.clean("x" * 10 + "@1,234.5," + "y" * 20).replace("\u200b", "|") == f"{'x' * 10}@|1,234.5,|{'y' * 20}"
    assert report.clean("ab" * 100, longest=10) == "ababababab … (190 more characters)"


@pytest.mark.parametrize(("before", "name", "share"), [
    (5, "mcts_likeliest@simulations=20", 1),  # letters of the column before it: there is room
    (23, "mcts_|likeliest@|simulations=|20", 1),  # it would stand in the next column
    (30, "mcts_|likeliest@|simulations=|20", 0),
])  # fmt: skip
def test_a_name_does_not_run_into_the_next_column(before, name, share):
    row = ("x" * before, "mcts_likeliest@simulations=20", *["100.0 %"] * 8)
    table = Table("c", "", ("", "arm", *["accuracy"] * 8), (row,), widths=(0, 1, *[0] * 8))
    (block,) = json.loads(report.to_json(make_report(table)))["blocks"]
    assert (block["rows"][0][1].replace("\u200b", "|"), block["widths"]) == (name, [0, share, *[0] * 8])


def test_missing_numbers_are_dashes_and_never_zero():
    rows = (("a", None, float("nan")), ("b", 0, 0.5))
    table = json.loads(report.to_json(make_report(Table("c", "s", ("arm", "n", "share"), rows))))["blocks"][0]
    assert table["rows"] == [["a", "-", "-"], ["b", "0", "0.5"]]
    assert table["align"] == ["left", "right", "right"]


def test_equal_records_give_equal_bytes(tmp_path):
    told = make_report(Heading("a"), Picture("c", "s", SVG, "alt"))
    first, second = (report.build_report(told, tmp_path / name / "a.pdf").read_bytes() for name in ("x", "y"))
    assert first == second
    assert first != report.compile_report(make_report(Heading("b"), Picture("c", "s", SVG, "alt")))
    assert report.compile_report(replace(told, date=None)) == report.compile_report(replace(told, date=None))


def test_malformed_records_are_refused_and_leave_nothing(tmp_path):
    for block, message in (
        (Table("c", "s", ("a", "b"), (("x",),)), "rows must have 2 cells as the header, got 1"),
        (Picture("c", "s", "no picture", "alt"), "must be SVG text"),
        (Picture("c", "s", "<svg", "alt"), "cannot be laid out"),
        ("text", "got str"),
    ):
        with pytest.raises(ValueError, match=message):
            report.build_report(make_report(block), tmp_path / "a.pdf")
    with pytest.raises(ValueError, match=r"must end in \.pdf"):
        report.build_report(make_report(), tmp_path / "a.html")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="report cannot be written"):
        report.build_report(make_report(), tmp_path / "file" / "a.pdf")


# --------------------------------------------------------------------------------------------- runs to a report
def test_the_demo_report_holds_its_numbers(told):
    path, numbers, records = told
    assert path.read_bytes().startswith(b"%PDF")
    text, expected = shown(records), summarise(demo_runs.make_rows())
    assert [arm["arm"] for arm in numbers["results"]] == list(expected["arm"])
    for arm, row in zip(numbers["results"], expected.to_dict("records"), strict=True):
        assert (arm["accuracy"], arm["low"], arm["flops"]) == (row["accuracy"], row["low"], row["flops"])
        assert arm["flops"] == pytest.approx(arm["flops_prompt"] + arm["flops_sampled"] + arm["flops_critic"])
        assert f"{100 * arm['accuracy']:.1f} %" in text
        assert f"{arm['sampled_tokens']:,.0f}" in text
    answer, best = read_answer(records), max(numbers["results"], key=lambda arm: arm["accuracy"])
    assert f"{best['label']} ({best['mode']}) solves most: {100 * best['accuracy']:.1f} %" in answer
    assert "mcts-200-critic (rules) is best" in answer  # of those without the verifier
    assert {arm["chosen_by"] for arm in numbers["results"]} == {"verifier", "policy + critic"}
    assert [entry["k"] for entry in numbers["pass_at_k"]] == [1, 2, 4, 8, 16, 32, 64]
    assert "ranks 901 to 1000" in report.to_json(records)
    assert numbers["training"][0]["held_out"]["accuracy"] == pytest.approx(0.41)
    assert "held-out greedy accuracy at the end 41.0 %" in text
    curve = numbers["training"][0]["curve"]
    assert curve[-1]["accuracy"] == pytest.approx(0.41)
    assert [row["step"] for row in curve] == sorted({row["step"] for row in curve})
    assert numbers["calibration"][0]["positions"] == 2000
    assert "Tree of Thoughts, b = 5" in text
    assert "74.0 %" in text


def test_a_kept_curve_is_short_and_holds_both_ends_and_every_check():
    steps = range(1, 501)
    log = pd.DataFrame({"step": steps, "loss": [1 / step for step in steps], "other": 3.0,
                        "accuracy": [0.5 if step % 90 == 0 else float("nan") for step in steps]})
    curve = keep_curve(log.sample(frac=1.0, random_state=0))
    assert [row["step"] for row in curve if "accuracy" in row] == [90, 180, 270, 360, 450]
    assert (curve[0], curve[-1]) == ({"step": 1, "loss": 1.0}, {"step": 500, "loss": 1 / 500})
    assert len(curve) <= CURVE_ROWS + 5
    assert all(row["loss"] == 1 / row["step"] for row in curve)
    assert json.loads(json.dumps(curve)) == curve
    assert keep_curve(log[:1]) == [{"step": 1, "loss": 1.0}]


def test_every_table_and_picture_tells_its_origin(told):
    _, numbers, records = told
    flat = [inner for block in records.blocks for inner in getattr(block, "blocks", (block,))]
    described = [block for block in flat if isinstance(block, Table | Picture)]
    assert len(described) >= 9
    assert all(block.source for block in described)
    text = shown(records)
    for run in numbers["runs"]:
        assert run["id"] in text
        assert run["manifest_sha256"] in text
        assert (run["git"] or {"commit": "no commit known"})["commit"][:7] in text
        assert run["id"] in records.footer


def test_only_what_is_there_is_told(folder, tmp_path):
    path = write_report("runs", [folder / "03_sft"], tmp_path / "training.pdf")
    numbers = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert len(numbers["training"]) == 1
    assert not any(numbers[key] for key in ("results", "pass_at_k", "calibration", "published"))
    text = shown(section.make_report(evidence.read_evidence([folder / "03_sft"]), numbers))
    assert "03_sft: the loss falls from" in text
    assert "No arm was evaluated" in text
    assert "Results" not in text


def test_arms_of_two_runs_are_told_apart(tmp_path):
    rows = demo_runs.make_rows(4, arms={"greedy": demo_runs.ARMS["greedy"]})
    for name in ("a", "b"):
        with start_run(tmp_path / name, "05_search", {}) as run:
            run.write_records(rows.assign(solved=name == "a"))
    numbers = section.gather_numbers(evidence.read_evidence([tmp_path, tmp_path / "a"]))
    assert len(numbers["results"]) == 2
    assert len({arm["label"] for arm in numbers["results"]}) == 2
    limits = " ".join(section.list_limits(numbers))
    assert "Only 4 problems" in limits


def test_figures_tell_arms_of_two_runs_apart(tmp_path, monkeypatch):
    """Curves of two runs' samples are two lines, not one that goes to and fro; so are points of equal name."""
    drawn = []
    monkeypatch.setattr(section, "draw_picture", lambda figure, caption, *_: drawn.append((figure, caption)) or caption)
    arms = {name: demo_runs.ARMS[name] for name in ("greedy", "best-of-64-critic")}
    for name, seeds in (("a", 1), ("b", 2)):
        with start_run(tmp_path / name, "05_search", {}) as run:
            run.write_records(demo_runs.make_rows(4, seeds, arms))
    numbers = section.gather_numbers(evidence.read_evidence([tmp_path / "a", tmp_path / "b"]))
    section._draw_results(numbers["results"], numbers["pass_at_k"])
    curves = [trace for trace in drawn[0][0].data if trace.fill is None]
    assert len(curves) == len({trace.name for trace in curves}) == 2
    assert all(len(set(trace.x)) == len(trace.x) for trace in curves)
    section._draw_accuracy(numbers["results"], "No arm is best.")
    figure, caption = drawn[-1]
    looks = [(trace.marker.symbol, trace.line.color) for trace in figure.data]
    assert len(looks) == len(set(looks)) == len(numbers["results"])
    assert caption.endswith("Filled: the exact verifier chose the answer; open: the models chose it, by the rules.")


@pytest.mark.parametrize(("mode", "said"), [("rules", "were checked by the rules"), ("blind", "reach that alone")])
def test_what_helped_the_best_arm_is_said(mode, said, tmp_path):
    arms = {"greedy": (Arm("greedy", {}, mode), 0.4, 37, 0)}
    with start_run(tmp_path / "a", "05_search", {}) as run:
        run.write_records(demo_runs.make_rows(4, arms=arms))
    told = section.answer(section.gather_numbers(evidence.read_evidence([tmp_path / "a"])))
    assert said in told[-1]
    assert ("alone" in told[-1]) == (mode == "blind")


def test_what_two_runs_have_measured_alike_is_told_once(tmp_path):
    """As 03_sft and 05_search of a demo do: greedy answers of one policy to the same problems."""
    greedy, other = ({name: demo_runs.ARMS[name]} for name in ("greedy", "mcts-200"))
    first = demo_runs.make_rows(4, arms=greedy)
    for name, rows in [("03_sft", first), ("05_search", pd.concat([first, demo_runs.make_rows(4, arms=other)]))]:
        with start_run(tmp_path / name, name, {}) as run:
            run.write_records(rows.assign(seconds=len(name)))
    read = evidence.read_evidence([tmp_path])
    numbers = section.gather_numbers(read)
    assert [arm["label"] for arm in numbers["results"]] == ["greedy", "mcts-200"]
    assert numbers["results"][0]["source"].count("records.parquet") == 2
    report = section.make_report(read, numbers)
    (setting,) = (block.pairs for block in report.blocks if isinstance(block, KeyValues))
    assert [name for name, _ in setting] == ["Judged on", "Models", "Commit", "Machine"]
    assert "03_sft: 4 attempts, seed 0; 05_search: 8 attempts, seed 0" in setting[0][1]
    changed = numbers["results"][0]["found"]
    assert changed != _hash_rows(first.assign(sampled_tokens=1))


def test_arms_that_were_asked_other_problems_are_not_compared(tmp_path):
    for name, split, arms in (("a", "tot", ("greedy", "mcts-200")), ("b", "tsllm", ("greedy",))):
        with start_run(tmp_path / name, "05_search", {"split": split}) as run:
            rows = demo_runs.make_rows(4, arms={arm: demo_runs.ARMS[arm] for arm in arms})
            run.write_records(rows.assign(solved=name == "b"))
    first, *others = section.answer(section.gather_numbers(evidence.read_evidence([tmp_path])))
    assert first.startswith("Of 2 arms on split tot, ")
    assert "100" not in first + " ".join(others), "what the other split's arm solves is said of no arm of this one"


def test_arms_of_two_tasks_are_not_compared_where_neither_names_a_split(tmp_path):
    for name, task, arms in (("a", "game24", ("greedy", "mcts-200")), ("b", "gsm8k", ("greedy",))):
        with start_run(tmp_path / name, "08_lookahead", {"task": task, "split": ""}) as run:
            rows = demo_runs.make_rows(4, arms={arm: demo_runs.ARMS[arm] for arm in arms})
            run.write_records(rows.assign(solved=name == "b"))
    told = section.answer(section.gather_numbers(evidence.read_evidence([tmp_path])))
    assert told[0].startswith("Of 2 arms on game24, ")
    assert "100" not in " ".join(told)


def test_long_chains_stand_beside_searches(tmp_path):
    graded_runs.make_sft_run(tmp_path / "chains", "sound", "sound", 0.7)
    with start_run(tmp_path / "search", "05_search", {}) as run:
        run.write_records(demo_runs.make_rows(4, arms={"greedy": demo_runs.ARMS["greedy"]}))
    read = evidence.read_evidence([tmp_path])
    numbers = section.gather_numbers(read)
    chained, rows = numbers["chains"], next(one for one in read if one.grades is not None).stage("end")
    assert {entry["run"] for entry in chained} == {next(one.run.id for one in read if one.grades is not None)}
    assert chained[-1]["budget"] == graded_runs.BUDGET
    assert chained[-1]["accuracy"] == pytest.approx(rows["solved"].mean())
    assert [arm["label"] for arm in numbers["results"]] == ["greedy"]
    assert "one long chain end, by token budget" in shown(section.make_report(read, numbers))
    alone = section.gather_numbers([one for one in read if one.grades is not None])
    assert "No arm was evaluated" in " ".join(section.answer(alone))


def test_unfinished_and_dirty_runs_are_named_in_the_limits(folder):
    read = evidence.read_evidence([folder / "03_sft"])
    numbers = section.gather_numbers(read)
    run = numbers["runs"][0]
    run["status"], run["git"] = "interrupted", {"commit": "0" * 40, "dirty": True}
    blocks = section.make_report(read, numbers).blocks
    limits = " ".join(*(block.items for block in blocks if isinstance(block, Bullets)))
    assert f"Run 03_sft {run['id']} is interrupted" in limits
    assert "uncommitted changes" in limits


def test_arms_that_differ_in_one_parameter_make_a_curve(told):
    arms = told[1]["results"]
    curves = dict(zip((arm["arm"] for arm in arms), section.find_curves(arms), strict=True))
    assert curves["mcts-50-critic"] == curves["mcts-200-critic"] == "mcts, simulations 50, 200"
    assert curves["greedy"] == "greedy"


def write(path, text):
    path.write_bytes(text)


def change(path, **columns):
    table = pd.read_parquet(path)
    table.assign(**columns).drop(columns=[c for c, v in columns.items() if v is None]).to_parquet(path)


@pytest.mark.parametrize(
    ("file", "spoil", "message"),
    [
        ("05_search/records.parquet", lambda p: write(p, p.read_bytes()[:2000]), "records.parquet"),
        ("05_search/records.parquet", lambda p: change(p, sampled_tokens=None), "'sampled_tokens'"),
        ("05_search/records.parquet", lambda p: change(p, sampled_tokens="many"), "'sampled_tokens'"),
        ("05_search/records.parquet", lambda p: change(p, mode="both"), "mode must be one of .*, got 'both'"),
        ("05_search/records.parquet", lambda p: change(p, parameters="[1]"), "must be a JSON object"),
        ("03_sft/training.parquet", lambda p: change(p, loss=None), "column 'loss' is missing"),
        ("03_sft/training.parquet", lambda p: change(p, loss=float("nan")), "'loss' holds no number"),
        ("03_sft/training.parquet", lambda p: change(p, accuracy=41.0), "must be from 0 to 1"),
        ("04_critic/calibration.parquet", lambda p: change(p, value=2.0), "must be from -1 to 1"),
        ("04_critic/calibration.parquet", lambda p: change(p, truth="yes"), "must hold numbers"),
        ("05_search/tree.json", lambda p: write(p, b"{"), "tree.json"),
        ("05_search/manifest.json", lambda p: write(p, b"[]"), "manifest.json"),
    ],
)
def test_broken_files_are_named(tmp_path, file, spoil, message):
    demo_runs.make_runs(tmp_path, demo_runs.make_rows(3))
    spoil(tmp_path / file)
    with pytest.raises(ValueError, match=message) as caught:
        write_report("runs", [tmp_path], tmp_path / "report.pdf")
    assert file.split("/")[1] in str(caught.value)
    assert not list(tmp_path.glob("report*"))


def test_no_runs_and_nothing_to_tell(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run here"):
        write_report("runs", [tmp_path], tmp_path / "a.pdf")
    with pytest.raises(ValueError, match="at least one"):
        write_report("runs", [], tmp_path / "a.pdf")
    with start_run(tmp_path / "01", "01_puzzles", {}) as run:
        run.write_records(pd.DataFrame({"numbers": ["1 2 3 4"]}))
    with pytest.raises(ValueError, match="nothing to report"):
        write_report("runs", [tmp_path], tmp_path / "a.pdf")


def test_no_model_library_is_loaded():
    """Every module of the room is imported: a report reads records, and does not wait seconds for torch."""
    code = (
        "import importlib, pkgutil, sys, game24lab.report as room\n"
        "names = [found.name for found in pkgutil.walk_packages(room.__path__, room.__name__ + '.')]\n"
        "for name in names: importlib.import_module(name)\n"
        "print(len(names), *sorted({'torch', 'transformers', 'ctranslate2', 'sklearn'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert int(found[0]) > 10
    assert found[1:] == []


def test_floats_have_three_figures_and_no_exponent():
    written = {1263.2: "1,263", 70.86: "70.9", 0.035824: "0.0358", 999.6: "1,000", 1e6: "1,000,000"}
    assert {value: report.show(value) for value in written} == written
