"""The ladder trains every cell of a grid, says exactly what each has learnt from, and names what fails; cells are
measured once, and repeated sampling is not sampled."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from game24lab.evaluation.arms import Arm
from game24lab.evaluation.exact import pass_at
from game24lab.models.checkpoints import load_checkpoint
from game24lab.scaling.flops import count_search
from game24lab.scaling.ladder import (
    CELLS,
    estimate_training,
    measure_pace,
    measure_texts,
    plan,
    read_shapes,
    scale_rate,
    train_ladder,
)
from game24lab.scaling.measure import REPEATED, CriticPlan, list_familiar, list_meters, make_plane, measure_cells
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.solutions import make_solutions
from game24lab.training.branches import POINTS
from game24lab.training.sft import SFTConfig

PUZZLES = [(4, 5, 6, 10), (1, 2, 3, 4), (3, 3, 8, 8), (2, 2, 6, 12), (6, 6, 6, 6)]
TEXTS = measure_texts(make_solutions(PUZZLES, 60, held_out=[], highest=13), "lines")
CONFIG = SFTConfig(batch_size=8, warmup=1, evaluate_every=0, precision="fp32")
BUDGETS = [5 * 8 * TEXTS.length, 10 * 8 * TEXTS.length]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("ladder")


@pytest.fixture(scope="module")
def cells(home):
    return train_ladder(plan(TEXTS, ["1x16", "2x32"], BUDGETS, [0], CONFIG), TEXTS, CONFIG, home)


def test_the_matrix_rate_follows_the_width(tmp_path):
    assert scale_rate(0.02, "3x48", 1.0) == 0.04
    assert scale_rate(0.02, "4x96", 0.7) == 0.02
    assert scale_rate(0.02, "8x224", 0.5) == pytest.approx(0.02 * (96 / 224) ** 0.5)
    assert scale_rate(0.02, "tiny", 0.0) == scale_rate(0.02, "some/checkpoint", 0.0) == 0.02
    with pytest.raises(ValueError, match=r"rate_power must be 0 for checkpoints, got 0.5 for some/checkpoint"):
        scale_rate(0.02, "some/checkpoint", 0.5)
    trunks = plan(TEXTS, ["1x16"], BUDGETS[:1], [0], CONFIG)
    cells = train_ladder(trunks, TEXTS, CONFIG, tmp_path, rate_power=0.5)
    learnt = json.loads((Path(cells["checkpoint"][0]) / "training_config.json").read_text())
    assert learnt["matrix_learning_rate"] == pytest.approx(CONFIG.matrix_learning_rate * 6**0.5)


def test_a_checkpoint_learns_by_adamw_which_has_no_matrix_rate_and_needs_no_power(cells, tmp_path):
    start = cells["checkpoint"][0]
    trunks = plan(TEXTS, [start], BUDGETS[:1], [0], CONFIG)
    with pytest.raises(ValueError, match=r"rate_power must be 0 for checkpoints, got 0\.75"):
        train_ladder(trunks, TEXTS, CONFIG, tmp_path / "muon", rate_power=0.75)
    config = dataclasses.replace(CONFIG, optimizer="adamw", learning_rate=1e-4)
    assert train_ladder(trunks, TEXTS, config, tmp_path / "adamw", rate_power=0.75)["failed"].tolist() == [""]


def test_every_cell_is_trained_and_says_what_it_learnt_from(cells, home):
    assert list(cells.columns) == list(CELLS)
    assert cells["cell"].tolist() == ["1x16-0-5", "1x16-0-10", "2x32-0-5", "2x32-0-10"]
    assert (cells["failed"] == "").all()
    assert not list(home.rglob(POINTS)), "no branch needs them any more"
    for cell in cells.itertuples():
        curve = pd.read_parquet(home / f"{cell.size}-0" / str(cell.steps) / "training.parquet")
        assert cell.tokens == curve["num_tokens"].iloc[-1]
        assert curve["step"].iloc[-1] == cell.steps
        assert load_checkpoint(cell.checkpoint)[0].config.hidden_size == int(cell.size.partition("x")[2])
    assert (cells["seconds"] > 0).all()
    assert cells["flops"].iloc[1] > 1.8 * cells["flops"].iloc[0]


def test_called_again_it_trains_nothing(cells, home):
    before = {path: path.stat().st_mtime_ns for path in home.rglob("model.safetensors")}
    again = train_ladder(plan(TEXTS, ["1x16", "2x32"], BUDGETS, [0], CONFIG), TEXTS, CONFIG, home)
    pd.testing.assert_frame_equal(again, cells)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("model.safetensors")} == before


def test_a_cell_that_fails_is_named_and_the_others_go_on(tmp_path, monkeypatch):
    """The smallest model's numbers cease to be finite: its cells have no checkpoint, the other size's do."""
    forward = torch.nn.Embedding.forward
    monkeypatch.setattr(torch.nn.Embedding, "forward",
                        lambda self, ids: forward(self, ids) * (float("nan") if self.embedding_dim == 16 else 1.0))
    said = []
    found = train_ladder(plan(TEXTS, ["1x16", "2x32"], BUDGETS[:1], [0], CONFIG), TEXTS, CONFIG, tmp_path,
                         say=said.append)  # fmt: skip
    assert found["checkpoint"].astype(bool).tolist() == [False, True]
    assert "NaN or infinite at step 1" in found["failed"].iloc[0]
    assert len(said) == 1
    assert said[0].startswith("cell 1x16-0-5 failed, the others go on: ")


def test_pace_and_cost_are_known_before(home):
    trunks = plan(TEXTS, ["1x16"], BUDGETS, [0], CONFIG)
    assert measure_pace(trunks, TEXTS, CONFIG)["1x16"] > 0
    defaults = {"task": "game24", "split": "tot", "opening_share": 0.5, "batch_size": 8, "seeds": 2, "more_seeds": {},
                "cells": "", "sizes": ["1x16"], "tokens": [1e4, 2e4], "optimizer": "muon"}  # fmt: skip
    found = estimate_training({"one": defaults, "more": {**defaults, "more_seeds": {"1x16": 4}},
                               "gathered": {**defaults, "cells": "runs/x"}}, sample=50)  # fmt: skip
    assert found["more"] == pytest.approx(2 * found["one"])
    assert found["gathered"] == 0
    with pytest.raises(ValueError, match="size must be one of"):
        estimate_training({"one": {**defaults, "sizes": ["1*16"]}}, sample=50)


def test_sizes_of_two_kinds_do_not_mix(cells, home):
    checkpoint = cells["checkpoint"].iloc[-1]
    with pytest.raises(ValueError, match="sizes must be models from scratch or checkpoints, got both"):
        measure_texts(TEXTS.samples, "lines", ["1x16", checkpoint])
    assert measure_texts(TEXTS.samples, "lines", [checkpoint]).length == TEXTS.length


def test_a_checkpoint_is_a_size_to_start_from(cells, home, tmp_path):
    start = cells["checkpoint"].iloc[0]
    found = train_ladder(plan(TEXTS, [start], BUDGETS[:1], [0], CONFIG), TEXTS, CONFIG, tmp_path)
    assert found["failed"].tolist() == [""]
    assert found["parameters"].iloc[0] == cells["parameters"].iloc[0]
    assert "/" not in found["cell"].iloc[0]


def test_puzzles_that_need_a_fraction_are_not_of_the_kind_of_the_texts():
    every = open_environment("game24", split="tsllm", held_out=362)
    familiar = list_familiar(every)
    assert len(every.held_out) - len(familiar) == 16
    assert (3, 3, 8, 8) in set(every.held_out) - set(familiar)
    countdown = open_environment("countdown", split="stream_of_search", held_out=5)
    assert list_familiar(countdown) == list(countdown.held_out)


def test_cells_are_measured_once_and_repeated_sampling_is_exact(cells, tmp_path):
    environment = open_environment("game24", held_out=5)
    arms = {"best_of_n": Arm("best_of_n", {"n": 3}, "rules"),
            "without": Arm("best_of_n", {"n": 3, "sampling": "without"}, "verified"),
            "mcts": Arm("mcts", {"simulations": 2, "max_tokens": 24}, "blind")}  # fmt: skip
    some = cells.iloc[2:].assign(failed="")
    plan_ = CriticPlan(rollouts=2, puzzles=6, epochs=1.0)
    exact, searched = measure_cells(some, environment, tmp_path, arms=arms, critic=plan_)
    assert len(exact) == 2 * 5
    assert (exact["excess"] > 0).all()
    assert exact["p"].between(0, 1).all()
    assert len(searched) == 2 * 3 * 5
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*") if path.is_file()}
    again, _ = measure_cells(some, environment, tmp_path, arms=arms, critic=plan_)
    pd.testing.assert_frame_equal(again, exact)
    same = {path: path.stat().st_mtime_ns for path in before if path.name != "critic.json"}
    assert same == {path: when for path, when in before.items() if path.name != "critic.json"}
    plane = make_plane(some, exact, searched, tmp_path, most=8)
    assert set(plane.strategies) == {(REPEATED, "verified"), ("best_of_n", "rules"), ("without", "verified"),
                                    ("mcts", "blind")}  # fmt: skip
    one = plane.pick(REPEATED, "verified").take(np.arange(8) < 4)
    p = exact[exact["cell"] == some["cell"].iloc[0]]["p"]
    assert one.chances[2] == pytest.approx(pass_at(p, 4))
    assert one.points["thinking"].is_monotonic_increasing
    critics = plane.pick("best_of_n", "rules").points["training"].to_numpy()
    assert (critics > some["flops"].to_numpy()).all(), "the critic and its rollouts are paid"
    assert (plane.pick("without", "verified").points["training"].to_numpy() == some["flops"].to_numpy()).all()
    shape = read_shapes(["2x32"], "lines")["2x32"]
    mine = searched[(searched["algorithm"] == "mcts") & (searched["cell"] == some["cell"].iloc[0])]
    assert plane.pick("mcts", "blind").flops[0] == pytest.approx(count_search(shape, mine, None, shape.turn_critic()))
    meters = list_meters(searched, tmp_path)
    assert len(meters) == len(searched)
    assert (meters["taught_rollouts"] == 2 * 6).all()
    for cell, taught in meters.groupby("cell").first().iterrows():
        curve = pd.read_parquet(tmp_path / cell / "critic" / "training.parquet")
        assert taught["taught_texts"] == curve["num_texts"].max()
        assert taught["taught_tokens"] == curve["num_tokens"].max() > taught["taught_texts"]
    assert list_meters(pd.DataFrame(), tmp_path).empty
    with pytest.raises(ValueError, match="arm 'best_of_n' asks a critic: critic rollouts must be at least 1, got 0"):
        measure_cells(some, environment, tmp_path, arms=arms)
    with pytest.raises(ValueError, match="cells: none of 2 has a checkpoint to measure"):
        measure_cells(some.assign(checkpoint=""), environment, tmp_path, arms=arms)
