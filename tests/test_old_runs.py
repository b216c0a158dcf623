"""Runs of earlier versions are still read: a whole demo, made at commit 65e2b87, kept without its checkpoints."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from game24lab.cli import main as cli
from game24lab.evaluation.evaluate import load_records, summarise
from game24lab.runs.run import collect, read_run
from game24lab.search.tree import Tree

DEMO = Path(__file__).parent / "old_runs" / "demo"
STAGES = ("01_puzzles", "03_sft", "04_critic", "05_search")


@pytest.fixture
def demo(tmp_path):
    shutil.copytree(DEMO, tmp_path / "demo")
    return tmp_path / "demo"


@pytest.mark.parametrize("stage", STAGES)
def test_its_runs_are_read(stage):
    run = read_run(DEMO / stage)
    assert (run.name, run.status) == (stage, "finished")
    assert run.manifest["git"]["commit"].startswith("65e2b87")


def test_its_records_are_summarised_as_they_were():
    rows = load_records(DEMO / "05_search" / "records.parquet")
    table = summarise(rows).set_index(["arm", "mode"])
    told = json.loads((DEMO / "report.json").read_text())
    assert len(table) == 7
    arms = [arm for arm in told["results"] if arm["run"] == read_run(DEMO / "05_search").id]
    assert len(arms) == 7
    for arm in arms:
        row = table.loc[(arm["arm"], arm["mode"])]
        for name in ("accuracy", "low", "high", "sampled_tokens"):
            assert row[name] == pytest.approx(arm[name])


def test_its_tables_are_collected():
    table = collect(DEMO)
    assert list(dict.fromkeys(table["run_name"])) == list(STAGES)


def test_its_tree_opens():
    tree = Tree.from_json((DEMO / "05_search" / "tree.json").read_text())
    assert tree.sampled > 0


def read_numbers(path):
    """To twelve digits: how an interval is computed may change the last ones."""
    return json.loads(path.read_text(), parse_float=lambda text: float(f"{float(text):.12g}"))


def test_its_report_says_the_same_again(demo, tmp_path):
    before = read_numbers(demo / "report.json")
    assert cli.main(["report", *(str(demo / stage) for stage in STAGES), "-o", str(tmp_path / "report.pdf")]) == 0
    after = read_numbers(tmp_path / "report.json")
    for now, then in zip(after["training"], before["training"], strict=True):  # curves are kept since November 28
        assert {name: now[name] for name in then} == then
    assert {name: after[name] for name in before if name != "training"} == {
        name: numbers for name, numbers in before.items() if name != "training"}


def test_a_finished_run_is_not_begun_anew(demo):
    assert pd.read_parquet(demo / "03_sft" / "took.parquet")["training_seconds"].iloc[0] > 0
    assert read_run(demo / "03_sft").manifest["facts"]["training_seconds"] > 0
