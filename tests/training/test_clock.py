"""The cost of a training: sessions add up, earlier versions' numbers are read, a damaged file is named."""

import json

import numpy as np
import pandas as pd
import pytest

from game24lab.runs import memory
from game24lab.training.clock import COST, Clock, read_cost

SECONDS = ("training_seconds", "training_cpu_seconds")


def test_sessions_add_up(tmp_path):
    Clock(tmp_path, resumes=False).write()
    first = read_cost(tmp_path / "checkpoint")
    assert {"training_seconds", "training_cpu_seconds"} <= set(first)
    (tmp_path / COST).write_text(json.dumps(dict.fromkeys(first, 100.0)))
    Clock(tmp_path, resumes=True).write()
    assert all(100 <= read_cost(tmp_path / "checkpoint")[name] < 200 for name in SECONDS)
    Clock(tmp_path, resumes=False).write()
    assert all(read_cost(tmp_path / "checkpoint")[name] < 100 for name in SECONDS), "a new training begins at 0"


@pytest.mark.skipif(memory._read("VmHWM") is None, reason="this system keeps no mark of resident memory")
def test_the_highest_memory_of_all_sessions_is_kept(tmp_path):
    clock = Clock(tmp_path, resumes=False)
    clock.write()
    before = read_cost(tmp_path / "checkpoint")["peak_host_bytes"]
    block = np.ones(60_000_000)  # 480 MB
    clock.write()
    most = read_cost(tmp_path / "checkpoint")["peak_host_bytes"]
    assert most > before + 0.9 * block.nbytes
    del block
    Clock(tmp_path, resumes=True).write()
    assert read_cost(tmp_path / "checkpoint")["peak_host_bytes"] == most
    Clock(tmp_path, resumes=False).write()
    assert read_cost(tmp_path / "checkpoint")["peak_host_bytes"] < most


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
