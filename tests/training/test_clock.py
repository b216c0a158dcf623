"""The cost of a training: sessions add up, earlier versions' numbers are read, a damaged file is named."""

import json

import pandas as pd
import pytest

from game24lab.training.clock import COST, Clock, read_cost


def test_sessions_add_up(tmp_path):
    Clock(tmp_path, resumes=False).write()
    first = read_cost(tmp_path / "checkpoint")
    assert set(first) == {"training_seconds", "training_cpu_seconds"}
    (tmp_path / COST).write_text(json.dumps(dict.fromkeys(first, 100.0)))
    Clock(tmp_path, resumes=True).write()
    assert all(100 <= seconds < 200 for seconds in read_cost(tmp_path / "checkpoint").values())
    Clock(tmp_path, resumes=False).write()
    assert all(seconds < 100 for seconds in read_cost(tmp_path / "checkpoint").values()), "a new training begins at 0"


def test_what_earlier_versions_kept_is_read(tmp_path):
    assert read_cost(tmp_path / "checkpoint") == {}
    known = {"training_seconds": 3.5, "training_cpu_seconds": 7.0}
    pd.DataFrame([known]).to_parquet(tmp_path / "took.parquet")
    assert read_cost(tmp_path / "checkpoint") == known


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"training_seconds": 1}', "[" * 100_000])
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / COST).write_text(text)
    with pytest.raises(ValueError, match=f"{COST}: must hold training_seconds"):
        read_cost(tmp_path / "checkpoint")
