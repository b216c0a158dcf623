"""Benchmarks at toy sizes: both sides do the same work, and the table says so."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import psutil
import pytest
import tiny_models
from fake_models import FakeCritic, FakePolicy

from game24lab.cli import bench, bench_legal, bench_unrepeated
from game24lab.tasks.numbers.arithmetic import make_state, reachable
from game24lab.tasks.numbers.puzzles import list_puzzles
from game24lab.tasks.numbers.task import Game24
from game24lab.training.precision import describe_units


def test_brute_force_is_right():
    for puzzle in [*list_puzzles()[::150], (3, 3, 8, 8), (5, 5, 5, 1), (1, 1, 1, 1)]:
        assert bench._try_all(puzzle) == reachable(make_state(puzzle))


def test_solver_beside_brute_force():
    (row,) = bench.bench_solver(every=200)
    assert row.work.startswith("10 puzzles")
    assert row.ratio == row.stock / row.ours > 0


def test_a_wrong_solver_is_caught(monkeypatch):
    monkeypatch.setattr(bench.arithmetic, "reachable", lambda state: True)
    with pytest.raises(RuntimeError, match="disagree"):
        bench.bench_solver(every=200)


def test_generation_does_the_same_work():
    rows = bench.bench_generation([(6, 5), (2, 210)], 1, backends=bench.BACKENDS)
    assert [row.how for row in rows[:4]] == [
        "transformers float32", "ctranslate2 float32", "transformers float32", "transformers bfloat16",
    ]  # fmt: skip
    assert {row.work.split(",")[0] for row in rows} == {"6 x 5 tokens", "2 x 210 tokens"}
    assert all(row.stock > 0 and row.ours > 0 for row in rows)


def test_search_does_the_same_work():
    (row,) = bench.bench_search(4, 3, policy=FakePolicy(), critic=FakeCritic())
    assert row.work.startswith("4 puzzles, 3 simulations each")
    assert row.ratio > 0


class QuickPolicy(FakePolicy):
    """The passes of a fake policy take no time, as they should where real seconds are shared out."""

    def draw(self, *request):
        return [replace(one, seconds=0.0) for one in super().draw(*request)]


def test_searches_with_and_without_replacement_stand_side_by_side():
    (row,) = bench.bench_unrepeated(5, policy=QuickPolicy(), critic=FakeCritic())
    assert row.work == "5 puzzles, MCTS, per 100 solved"
    told = re.fullmatch(
        r"without replacement: (\d+) solved, (\d+) tokens a puzzle, (\d+)% of the time no model's; "
        r"with: (\d+) solved, (\d+) tokens a puzzle, (\d+)% of the time no model's", row.how,
    )  # fmt: skip
    solved, tokens, share, before, more, others = map(int, told.groups())
    assert 0 < solved <= 5
    assert 0 < before <= 5
    assert 0 < tokens < more
    assert 0 <= share <= 100
    assert 0 <= others <= 100


def test_search_is_timed_beside_one_at_a_time_and_beside_the_old_way(monkeypatch):
    for name in ("bench_search", "bench_unrepeated"):
        monkeypatch.setattr(bench, name, lambda name=name: [bench.Row(name, "work", 2.0, 1.0)])
    assert [row.name for row in bench.BENCHMARKS["search"]()] == ["bench_search", "bench_unrepeated"]


def test_legal_lines_are_sampled_alike_by_both_sides():
    (row,) = bench_legal.bench_legal(3, 8)
    assert row.work == "3 puzzles, 8 legal lines each"
    assert re.fullmatch(r"by tries, \d+\.\d% keep 24 within reach; stock \d+\.\d%", row.how)
    assert row.ratio > 0


def test_a_line_that_is_not_legal_is_named():
    task = Game24()
    with pytest.raises(RuntimeError, match=r"legal: '1 \+ 1 = 3' is no legal line"):
        bench_legal._count_live(task, [task.start((1, 1, 4, 6))], [["1 + 1 = 3"]])


def test_exact_chances_agree_with_samples():
    (row,) = bench.bench_exact(3, 16)
    assert row.work == "3 puzzles, the chance of one answer"
    mean, sampled, sigma = map(float, re.findall(r"[-+]?\d\.\d+", row.how))
    assert 0 < mean < 1
    assert abs(sigma) <= 4
    assert (sampled > mean) == (sigma > 0)


def test_samples_that_disagree_with_the_chances_are_caught(monkeypatch):
    monkeypatch.setattr(bench_unrepeated, "find_exact", lambda problems, policy: np.array([0.0001, 0.0, 0.0]))
    with pytest.raises(RuntimeError, match=r"exact: 0\.0000 beside"):
        bench.bench_exact(3, 16)


def test_grpo_does_the_same_work(tmp_path):
    (row,) = bench.bench_grpo([(2, 3, 3, 5)], 1, checkpoint=tiny_models.save("qwen3", tmp_path / "policy"))
    assert row.work == "2 x 3 completions, up to 5 tokens"
    assert row.how == f"30 tokens a step, stock 30; {describe_units()}"
    assert row.ratio > 0


def test_sft_does_the_same_work():
    rows = bench.bench_sft(2, 2, 1, demo=(2, 3))
    assert [row.work.split(",")[0] for row in rows] == ["6 solutions", "4 traces", "4 traces", "the optimiser alone"]
    assert rows[1].ours == rows[2].ours
    assert all(row.ratio > 0 for row in rows)
    assert all(row.how.endswith(f"; {describe_units()}") for row in rows)


def test_scoring_with_processes_finds_the_same():
    (row,) = bench.bench_score(500)
    assert row.work == "500 answers to Countdown"
    assert re.fullmatch(r"2 processes, [0-9,]+ answers/s; one [0-9,]+", row.how)
    assert row.ratio > 0


def test_a_busy_machine_is_measured_and_left_idle(monkeypatch):
    monkeypatch.setattr(bench.pace, "make_step", lambda samples: lambda: sum(range(10**5)))
    before = set(psutil.Process().children())
    busy, alone = bench.pace.time_busy(steps=3, rounds=2)
    assert busy > 0
    assert alone > 0
    assert set(psutil.Process().children()) == before


def test_the_demos_step_learns():
    step = bench.pace.make_step(bench.pace.list_samples(8))
    losses = [step() for _ in range(4)]
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.skipif("KILLS" not in os.environ, reason="half an hour; `game24lab bench kills` says what it measured")
def test_fifteen_kills_of_the_demos_training_lose_seconds():
    (row,) = bench.bench_kills()
    assert float(row.how.split("at most ")[1].split()[0]) <= 30


@pytest.mark.parametrize("same", [True, False])
def test_kills_are_measured(tmp_path, monkeypatch, same):
    """Two kills of a work that takes a second and leaves a checkpoint; a real one is killed in test_saving."""
    tiny_models.save("qwen3", tmp_path / "one")
    other = tiny_models.save("qwen3", tmp_path / "other") if same else bench.find_pretrained("policy")
    code = "import shutil, sys, time; time.sleep(1); shutil.copytree(sys.argv[1], sys.argv[2] + '/checkpoint')"

    def start(folder, name):
        source = tmp_path / "one" if name == "killed" else other
        return subprocess.Popen([sys.executable, "-c", code, str(source), str(folder / name)])

    monkeypatch.setattr(bench.pace, "_start", start)
    if not same:
        with pytest.raises(RuntimeError, match="the checkpoints differ"):
            bench.bench_kills(1, 2, batch_size=2, between=(0.1, 0.2))
        return
    (row,) = bench.bench_kills(2, 2, batch_size=2, between=(0.1, 0.2))
    assert "2 kills, same bits" in row.work
    assert row.ratio > 1
    most = float(re.search(r"at most ([\d.]+) s", row.how)[1])
    assert 0.1 <= most < 1


def test_workers_of_one_thread_stand_beside_trainings_in_turn():
    (row,) = bench.bench_workers(2, batch_size=4)
    assert row.work == "2 trainings in turn, 2 threads each, 2 steps"
    assert row.how.startswith("2 at once, one thread each; ")
    assert row.ratio > 0


def test_a_training_of_a_benchmark_that_fails_says_why():
    with pytest.raises(RuntimeError, match=r"alone-0: .*must have at least one line, got none"):
        bench.bench_workers(2, batch_size=0)


def test_the_table(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(bench.BENCHMARKS, "search", lambda: [bench.Row("search", "some work", 6.0, 1.5, "this way")])
    assert bench.main(["search"]) == 0
    assert "some work" in capsys.readouterr().out.splitlines()[1]
    assert bench.main(["search"], tmp_path / "bench.json") == 0
    assert json.loads((tmp_path / "bench.json").read_text()) == [
        {"benchmark": "search", "work": "some work", "stock": 6.0, "ours": 1.5, "ratio": 4.0, "note": "this way"},
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"benchmark must be one of solver, generation, .*, got 'serach'"):
        bench.main(["serach"])
