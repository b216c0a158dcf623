"""The cost of a training: sessions add up, earlier versions' numbers are read, a damaged file is named."""

import json
import subprocess
import sys

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


def test_the_highest_memory_of_all_sessions_is_kept(tmp_path, monkeypatch):
    marks = [300.0, 200.0, 100.0]
    monkeypatch.setattr("game24lab.training.clock.read_peaks", lambda: {"peak_host_bytes": marks.pop(0)})
    for resumes, most in ((False, 300.0), (True, 300.0), (False, 100.0)):
        Clock(tmp_path, resumes=resumes).write()
        assert read_cost(tmp_path / "checkpoint")["peak_host_bytes"] == most


@pytest.mark.skipif(memory._read("VmHWM") is None, reason="this system keeps no mark of resident memory")
def test_the_mark_of_memory_is_of_what_was_held_since_it_was_set_back():
    code = ("import numpy; from game24lab.runs.memory import read_peaks, reset_peaks\n"
            "reset_peaks(); before = read_peaks()['peak_host_bytes']; block = numpy.ones(60_000_000)\n"
            "high = read_peaks()['peak_host_bytes']; del block; reset_peaks()\n"
            "print(high > before + 4.3e8, read_peaks()['peak_host_bytes'] < high - 4.3e8)")  # fmt: skip
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert told.stdout == "True True\n", told.stderr


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
