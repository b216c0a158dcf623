"""Kept runs: tables and manifests without models and places, read as any other run."""

from pathlib import Path

import pandas as pd
import pytest

from game24lab.runs import keep
from game24lab.runs.keep import keep_runs
from game24lab.runs.provenance import hide_paths
from game24lab.runs.run import MANIFEST, find_runs, start_run

KEPT = Path(__file__).parents[2] / "reports" / "runs"


def make_run(folder, **parameters):
    run = start_run(folder, "toy", parameters)
    (folder / "checkpoint").mkdir()
    (folder / "checkpoint" / "model.safetensors").write_bytes(b"weights")
    run.write_records(pd.DataFrame({"p": [0.5, 1.0]}), "chances")
    run.write_records(pd.DataFrame({"n": [1, 2], "checkpoint": ["/home/somebody/runs/a/policy", None]}), "cells")
    return run


def test_a_kept_run_is_read_as_it_was(tmp_path):
    make_run(tmp_path / "runs" / "a" / "one", policy="/home/somebody/models/policy").finish()
    make_run(tmp_path / "runs" / "a" / "two")  # has not finished
    (folder,) = keep_runs(tmp_path / "runs" / "a", tmp_path / "kept")
    (run,) = find_runs(tmp_path / "kept")
    assert folder == run.folder == tmp_path / "kept" / "one"
    assert sorted(path.name for path in folder.rglob("*")) == ["cells.parquet", "chances.parquet", MANIFEST]
    assert run.read_records("chances")["p"].tolist() == [0.5, 1.0]
    assert run.status == "finished"
    assert "somebody" not in (folder / MANIFEST).read_text()
    cells = run.read_records("cells")
    assert cells["n"].tolist() == [1, 2]
    assert cells["checkpoint"].dropna().tolist() == ["a/policy"]
    first = (tmp_path / "runs" / "a" / "one" / "chances.parquet").read_bytes()
    assert (folder / "chances.parquet").read_bytes() == first
    assert keep_runs(tmp_path / "runs" / "a", tmp_path / "kept") == [folder], "it is replaced"


@pytest.mark.parametrize("path", sorted(KEPT.rglob("*.parquet")), ids=lambda path: "/".join(path.parts[-3:]))
def test_no_table_in_the_repository_names_a_place_on_somebody_s_disk(path):
    table = pd.read_parquet(path)
    texts = [value for name in table if pd.api.types.is_string_dtype(table[name]) for value in table[name].dropna()]
    assert not [text for text in texts if hide_paths(text) != text]


def test_what_cannot_be_kept_is_said_before_anything_is_written(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="no run that has finished lies here"):
        keep_runs(tmp_path, tmp_path / "kept")
    make_run(tmp_path / "runs" / "one").finish()
    monkeypatch.setattr(keep, "MOST", 10)
    with pytest.raises(ValueError, match=r"cells.parquet must be at most 10 bytes to be kept, got"):
        keep_runs(tmp_path / "runs", tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
