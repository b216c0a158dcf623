"""Waiting threads: a short spin for who has chosen nothing, in what is started from here too."""

import os

import pytest

from game24lab.runs.threads import wait_briefly


@pytest.mark.parametrize(
    ("chosen", "count"),
    [({}, "3000"), ({"OMP_WAIT_POLICY": "PASSIVE"}, None), ({"GOMP_SPINCOUNT": "7"}, "7")],
)  # fmt: skip
def test_who_has_chosen_is_left_alone(monkeypatch, chosen, count):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    wait_briefly()
    assert os.environ.get("GOMP_SPINCOUNT") == count
    monkeypatch.setenv("GOMP_SPINCOUNT", "0")  # so that the fixture takes away what was set here
