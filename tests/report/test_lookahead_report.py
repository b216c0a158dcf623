"""The report on lookahead: a PDF, the records' own numbers beside it, hostile answers as text, clear complaints."""

import json
import shutil

import graded_runs
import numpy as np
import pandas as pd
import pytest
from demo_trees import grow_tree
from first_page import read_answer

from game24lab.cli import main as cli
from game24lab.evaluation.arena import list_arms, make_grid
from game24lab.evaluation.decoding import ANSWER, match
from game24lab.evaluation.evaluate import COLUMNS
from game24lab.evaluation.statistics import wilson
from game24lab.report import evidence
from game24lab.report.chain_summaries import select_graded
from game24lab.report.document import to_json
from game24lab.report.sections import decoding as lookahead
from game24lab.report.write import write_report
from game24lab.runs.run import start_run
from game24lab.tasks.gsm8k.judge import COLUMNS as WORD_COLUMNS
from game24lab.tasks.gsm8k.judge import MARKS

LOOK = {"max_tokens": 64, "simulations": 4, "depth": 2, "rule": "entropy"}
EVIL = '#panic("x") $x$ <script>alert(1)</script>'
REWARDS = ("reward/correctness", "reward/strict_format")


def make_row(name, arm, part, place, seed, rng):
    solved, ahead = bool(rng.random() < 0.3 + 0.2 * ("best" in name) + 0.4 * ("look" in name)), "look" in name
    pieces = [["12", "plain"], ["\n", "kept"], [EVIL, "changed" if ahead else "plain"]]
    tokens = 400 if ahead else 30 * int(name.split(" ")[-1]) if name[-1].isdigit() and "best" in name else 30
    return dict.fromkeys(COLUMNS, 0) | {
        "problem": f"{EVIL} {place}", "strategy": name, "algorithm": arm.algorithm, "parameters": arm.describe(),
        "mode": arm.mode, "seed": seed, "solved": solved, "outcome": "solved" if solved else "wrong value",
        "answer": EVIL, "stopped": "done", "sampled_tokens": tokens, "backend": "transformers",
        "seconds": 0.01 * tokens, "policy_parameters": 4_000_000, "rank": None, "split": "test", "run_id": "r",
        "part": part, "text": EVIL,
        "answer_tokens": 30, "decisions": 3 * ahead, "changed": int(ahead), "pieces": json.dumps(pieces),
        "reward": 2.5 * solved, "peak_bytes": np.nan if place else 1e6, "wall_seconds": tokens / 10,
        **dict.fromkeys(REWARDS, float(solved)),
    }  # fmt: skip


def make_run(folder, problems=20, seeds=1):
    """A finished run of 08_lookahead, made without any model."""
    rng = np.random.default_rng(0)
    # records from before call the mode of word problems otherwise: they are read as blind
    parts = {"main": list_arms(LOOK, [1, 4, 16], honest=True, critic=False, mode="rules"),
             "grid": make_grid(LOOK, ["tokens", "entropy"], [2, 8], [1, 3])}  # fmt: skip
    rows = [make_row(name, arm, part, place, seed, rng) for part, arms in parts.items() for name, arm in arms.items()
            for seed in range(seeds) for place in range(problems)]  # fmt: skip
    kinds = COLUMNS | ANSWER | dict.fromkeys(REWARDS, "float64")
    parameters = {"task": "gsm8k", "policy": "runs/x", "every": 8, "threshold": 0.3, "top_k": 4, "unit": "tokens",
                  "chunk": 1, "fallback": 0.0, "temperature": 0.0, "seed": 0, **LOOK}  # fmt: skip
    with start_run(folder, "08_lookahead", parameters) as run:
        run.write_records(pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kind)
                                        for name, kind in kinds.items()}))  # fmt: skip
        tree = grow_tree()
        run.path("tree.json").write_text(tree.to_json())
        run.finish()
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A lookahead, and trainings of GRPO without a search and with one."""
    place = tmp_path_factory.mktemp("ahead")
    make_run(place / "look")
    graded_runs.make_rl_run(place / "plain", "06_grpo", "GRPO", 0.4, 0.6)
    with_search = graded_runs.make_rl_run(place / "searched", "06_grpo", "GRPO", 0.4, 0.8, sampled=3_000_000)
    manifest = json.loads((with_search / "manifest.json").read_text())
    manifest["parameters"] |= {"search_share": 0.25, "search_enter": "corrected"}
    (with_search / "manifest.json").write_text(json.dumps(manifest))
    return place


def test_it_is_a_pdf_with_its_numbers_beside_it(folder, tmp_path, capsys):
    assert cli.main(["report", "--kind", "lookahead", str(folder), "-o", str(tmp_path / "ahead.pdf")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "ahead.pdf")
    assert (tmp_path / "ahead.pdf").read_bytes()[:5] == b"%PDF-"
    numbers = json.loads((tmp_path / "ahead.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert len(numbers["arms"]) == 9
    assert len(numbers["grid"]) == 8
    assert [(entry["share"], entry["enter"]) for entry in numbers["trainings"]] == [(0.0, ""), (0.25, "corrected")]


def test_numbers_are_those_of_the_records(folder):
    numbers = lookahead.gather_numbers(evidence.read_evidence([folder]))
    rows = pd.read_parquet(folder / "look" / "records.parquet")
    mine = rows[(rows["strategy"] == "look ahead") & (rows["part"] == "main")]
    (arm,) = (arm for arm in numbers["arms"] if arm["arm"] == "look ahead")
    assert arm["accuracy"] == pytest.approx(mine["solved"].mean())
    assert (arm["low"], arm["high"]) == pytest.approx(wilson(int(mine["solved"].sum()), 20))
    assert arm["reward/strict_format"] == pytest.approx(mine["reward/strict_format"].mean())
    rows["mode"] = rows["mode"].replace("rules", "blind")
    assert {arm["mode"] for arm in numbers["arms"]} == {"blind", "verified"}
    found = match(rows[rows["part"] == "main"], "sampled_tokens").set_index(["arm", "mode"])
    for entry in numbers["matched"]["sampled_tokens"]:
        assert entry["baseline"] == found.loc[(entry["arm"], entry["mode"]), "baseline"]
    assert {entry["arm"] for entry in numbers["matched"]["sampled_tokens"]} == {"look ahead", "look ahead, by form"}


def test_what_it_says_is_text_and_marks_what_was_changed(folder):
    found = evidence.read_evidence([folder])
    numbers = lookahead.gather_numbers(found)
    report = lookahead.make_report(found, numbers)
    told, answer = to_json(report), read_answer(report)
    best = max(numbers["matched"]["sampled_tokens"], key=lambda entry: entry["accuracy"])
    assert f"({best['arm']}, {best['mode']}) solves {100 * best['accuracy']:.1f} % and {best['baseline']}" in answer
    assert json.dumps(f"[{EVIL}]")[1:-1] in told
    assert "At equal steps the search made no difference beyond chance" in told
    assert "pi over mu" in told


def test_trainings_on_word_problems_are_told_and_others_left_out(folder, tmp_path):
    """Their grades have columns of their own; what was searched is held against the plain run of the same start."""
    for name, more in (("plain", {}), ("searched", {"search_share": 0.25, "search_enter": "corrected"})):
        copy = shutil.copytree(folder / name, tmp_path / name)
        manifest = json.loads((copy / "manifest.json").read_text())
        manifest["parameters"] |= {"task": "gsm8k"} | more
        (copy / "manifest.json").write_text(json.dumps(manifest))
        grades = pd.read_parquet(copy / "grades.parquet").rename(columns={"numbers": "question"})
        grades = grades.assign(gold="7", operations=1, structure="x", **dict.fromkeys(MARKS, 1.0))
        grades[list(WORD_COLUMNS)].to_parquet(copy / "grades.parquet")
    other = graded_runs.make_rl_run(tmp_path / "other", "06_grpo", "GRPO", 0.1, 0.2)  # of another task
    found = evidence.read_evidence([folder / "look", tmp_path / "plain", tmp_path / "searched", other])
    trainings = lookahead.gather_numbers(found)["trainings"]
    assert [(one["share"], one["enter"], one["runs"]) for one in trainings] == [(0.0, "", 1), (0.25, "corrected", 1)]
    chains = select_graded(evidence.read_evidence([tmp_path]))
    assert [one.run.folder for one in chains] == [other]  # reports on chains pass them over
    with pytest.raises(ValueError, match="on word problems: report --kind lookahead"):
        select_graded(evidence.read_evidence([tmp_path / "plain"]))
    told = lookahead.gather_numbers(evidence.read_evidence([folder]))["trainings"]
    assert [one["change"] for one in trainings] == [one["change"] for one in told]


def test_without_searched_trainings_it_says_so(folder):
    found = evidence.read_evidence([folder / "look"])
    told = to_json(lookahead.make_report(found, lookahead.gather_numbers(found)))
    assert "No run that learnt from searched answers" in told


def test_other_runs_are_refused(folder):
    with pytest.raises(ValueError, match="a run of 08_lookahead is needed"):
        write_report("lookahead", [folder / "plain"], folder / "no.pdf")
