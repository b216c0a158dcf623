"""Completions files: their columns, kills at every moment, refusals, files made elsewhere, broken lines."""

import json
import multiprocessing
import os
import random
import signal
import time
from dataclasses import asdict, fields

import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.evaluation.arms import STRATEGIES, Arm
from game24lab.evaluation.completions import (
    SAMPLED,
    name_file,
    read_completions,
    tabulate_completions,
    write_completions,
)
from game24lab.evaluation.evaluate import COLUMNS, evaluate, summarise
from game24lab.runs.provenance import hash_checkpoint
from game24lab.search.cost import Cost
from game24lab.search.engine import run
from game24lab.search.tree import Tree
from game24lab.tasks.numbers.puzzles import list_solvable
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import follow

TASK, POLICY, CRITIC = Game24(), FakePolicy(), FakeCritic()
PUZZLES = [(4, 5, 6, 10), (1, 2, 4, 7), (3, 3, 8, 8), (2, 3, 5, 12), (6, 6, 6, 6)]
BEST = Arm("best_of_n", {"n": 8, "batch": 0}, "rules")
SMALL = {"mcts": {"simulations": 8}, "mcts_rollout": {"simulations": 8}, "best_of_n": {"n": 8}, "majority": {"n": 8},
         "weighted_majority": {"n": 8}, "adaptive_consistency": {"n": 8}, "early_stopping": {"n": 8}}  # fmt: skip


def write(path, arm=BEST, problems=PUZZLES, policy=POLICY, **settings):
    return write_completions(path, TASK, problems, arm, policy, CRITIC, **{"progress": False, "chunk": 2} | settings)


def timeless(rows):
    """Rows without the one thing in them that a clock says."""
    return [row | {"cost": row["cost"] | {"seconds": 0}} for row in rows]


# ------------------------------------------------------------------------------------------------------- columns
@pytest.mark.parametrize("mode", ["verified", "rules"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_says_what_it_found_and_what_it_cost(tmp_path, name, mode):
    arm = Arm(name, SMALL.get(name, {}), mode)
    rows = read_completions(write(tmp_path / "a.jsonl", arm, split="tot", ranks={(3, 3, 8, 8): 1348}, reference="24"))
    alone = run(TASK, PUZZLES, STRATEGIES[name], POLICY, CRITIC, parameters=arm.parameters, mode=mode)
    assert [row["problem"] for row in rows] == ["4 5 6 10", "1 2 4 7", "3 3 8 8", "2 3 5 12", "6 6 6 6"]
    assert [row["rank"] for row in rows] == [None, None, 1348, None, None]
    for row, outcome, puzzle in zip(rows, alone, PUZZLES, strict=True):
        assert row["cost"] | {"seconds": 0} == asdict(outcome.cost) | {"seconds": 0}
        assert (row["solved"], row["outcome"], row["stopped"]) == (outcome.solved, outcome.outcome, outcome.stopped)
        tree = Tree.from_json(json.dumps(row["trace"]))
        assert tree.to_json() == outcome.tree.to_json()
        count = len(row["completions"])
        for column in ("scores", "agg_scores", "completion_tokens", "correct", "answers", "ballots"):
            assert len(row[column]) == count
        for text, correct, answer in zip(row["completions"], row["correct"], row["answers"], strict=True):
            state, illegal = follow(TASK, TASK.start(puzzle), text)
            assert correct == (illegal is None and TASK.verdict(state).solved)
            assert answer == (TASK.verdict(state).answer if illegal is None else "")
        if row["chosen"] is None:
            assert (row["pred"], row["solved"]) == ("", False)
        else:
            assert row["pred"] == row["completions"][row["chosen"]]
            assert row["correct"][row["chosen"]] == row["solved"]
            assert row["answers"][row["chosen"]] == outcome.answer
        if name in SAMPLED:
            assert count == outcome.candidates
            assert sum(row["correct"]) == outcome.correct
            assert sum(row["completion_tokens"]) == outcome.cost.sampled_tokens
        else:
            assert sum(row["completion_tokens"]) >= 0
            assert outcome.correct <= sum(row["correct"])


def test_scores_are_the_critics_chances_and_the_best_one_is_taken(tmp_path):
    for agg_strategy, wanted in (("last", lambda chances: chances[-1]), ("min", min)):
        arm = Arm("best_of_n", {"n": 8, "batch": 0, "agg_strategy": agg_strategy}, "rules")
        rows = read_completions(write(tmp_path / f"{agg_strategy}.jsonl", arm))
        for row in rows:
            for scores, score, ballot in zip(row["scores"], row["agg_scores"], row["ballots"], strict=True):
                assert (score is None) == (ballot is None)
                if score is not None:
                    assert score == pytest.approx(wanted(scores), abs=1e-6)
                    assert len(scores) == (1 if agg_strategy == "last" else 3)
            best = max(score for score in row["agg_scores"] if score is not None)
            assert row["agg_scores"][row["chosen"]] == best
            assert row["pred_naive@8"] == row["answers"][row["chosen"]]


@pytest.mark.parametrize(
    ("name", "way"), [("majority", "maj"), ("weighted_majority", "weighted"), ("best_of_n", "naive")]
)
def test_votes_of_the_first_n_are_those_of_a_search_that_draws_n(tmp_path, name, way):
    """This policy's first samples are the same however many are drawn, so a search for n tells what is right."""
    rows = read_completions(write(tmp_path / "pool.jsonl", Arm(name, {"n": 8, "batch": 0}, "rules")))
    for n in (1, 2, 4, 8):
        fewer = {"n": n, "batch": 0}
        found = run(TASK, PUZZLES, STRATEGIES[name], POLICY, CRITIC, parameters=fewer, mode="rules")
        assert [row[f"pred_{way}@{n}"] for row in rows] == [outcome.answer for outcome in found]
    assert not [key for row in rows for key in row if key.startswith("pred_") and key.endswith("@16")]
    assert ("pred_weighted@8" in rows[0]) == (name != "majority")


def test_rows_make_the_table_that_evaluation_makes(tmp_path):
    arms = {"best": BEST, "search": Arm("mcts", {"simulations": 8})}
    rows = [row for name, arm in arms.items() for seed in (0, 1)
            for row in read_completions(write(tmp_path / name_file(name, seed), arm, name=name, seed=seed, traces=False,
                                              split="tot", run_id="abc"))]  # fmt: skip
    table = tabulate_completions(rows)
    same = evaluate(TASK, PUZZLES, arms, POLICY, CRITIC, seeds=(0, 1), split="tot", run_id="abc", progress=False)
    assert {name: str(kind) for name, kind in table.dtypes.items()} == COLUMNS
    assert table.drop(columns="seconds").equals(same.drop(columns="seconds"))
    assert list(summarise(table)["arm"]) == ["best", "search"]
    assert {row["trace"] for row in rows} == {None}
    assert set(rows[0]["cost"]) == {field.name for field in fields(Cost)}


# --------------------------------------------------------------------------------------------------------- kills
@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "a.jsonl"
    return write(path, traces=False)


def test_a_file_cut_at_any_byte_is_completed_and_its_lines_stay_as_they_are(tmp_path, whole):
    path, data = tmp_path / "a.jsonl", whole.read_bytes()
    starts = [0, *(place + 1 for place, byte in enumerate(data) if byte == 10)]
    for cut in {*starts, *(max(0, start - 1) for start in starts), *random.Random(1).sample(range(len(data)), 12)}:
        path.write_bytes(data[:cut])
        kept = data[: max(start for start in starts if start <= cut)]
        write(path, traces=False)
        assert path.read_bytes().startswith(kept)
        assert timeless(read_completions(path)) == timeless(read_completions(whole))


def search_slowly(path, puzzles):
    class Slow(FakePolicy):
        def generate(self, *arguments, **settings):
            time.sleep(0.05)
            return super().generate(*arguments, **settings)

    write(path, problems=puzzles, policy=Slow(), chunk=1, traces=True)


def test_ten_kills_at_random_moments_lose_repeat_and_change_nothing(tmp_path):
    path, puzzles, rng = tmp_path / "a.jsonl", list_solvable()[:60], random.Random(2)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["game24lab.evaluation.completions"])
    kills, data = 0, b""
    while kills < 10:
        worker = processes.Process(target=search_slowly, args=(path, puzzles))
        worker.start()
        before, patience = len(data), time.monotonic() + 600
        while worker.is_alive() and time.monotonic() < patience:  # it has begun to write
            if path.exists() and path.stat().st_size > before:
                break
            time.sleep(0.001)
        time.sleep(rng.random() * 0.15)
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        kills += 1
        now = path.read_bytes()
        assert now[: data.rfind(b"\n") + 1] == data[: data.rfind(b"\n") + 1]
        assert now.count(b"\n") >= data.count(b"\n")
        data = now
    assert 10 <= data.count(b"\n") < 60
    write(path, problems=puzzles)
    assert path.read_bytes().startswith(data[: data.rfind(b"\n") + 1])
    undisturbed = write(tmp_path / "b.jsonl", problems=puzzles)
    assert timeless(read_completions(path)) == timeless(read_completions(undisturbed))


def test_chunks_and_windows_of_problems_add_up(tmp_path, whole):
    path = tmp_path / "a.jsonl"
    for window in (slice(0, 2), slice(1, 4), slice(0, 5)):
        write(path, problems=PUZZLES[window], traces=False, chunk=3, concurrent=1)
    assert timeless(read_completions(path)) == timeless(read_completions(whole))
    before = path.read_bytes()
    write(path, traces=False)
    assert path.read_bytes() == before


def test_a_full_disk_leaves_whole_lines(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    write(path, problems=PUZZLES[:2])
    before = path.read_bytes()

    def fail(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            write(path)
    assert path.read_bytes() == before
    assert len(read_completions(write(path))) == 5


# ------------------------------------------------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"arm": Arm("best_of_n", {"n": 9, "batch": 0}, "rules")},
            r"line 1: .*other arm \(n is 8 there and 9 here",
        ),
        ({"arm": Arm("best_of_n", {"n": 8, "batch": 0})}, "mode is 'rules' there and 'verified' here"),
        ({"arm": Arm("majority", {}, "rules")}, "algorithm is 'best_of_n' there and 'majority' here"),
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"name": "other"}, "strategy is 'best_of_n' there and 'other' here"),
        ({"models": {"policy": "a1", "critic": "b2"}}, "policy is 'fake' there and 'a1' here"),
        ({"policy": FakePolicy(parameters=2000)}, "policy_parameters is 1000 there and 2000 here"),
    ],
)
def test_a_file_of_another_arm_or_other_models_is_refused_and_left_alone(whole, settings, reason):
    before = whole.read_bytes()
    with pytest.raises(ValueError, match=reason):
        write(whole, **{"problems": list_solvable()[:3], "name": "best_of_n"} | settings)
    assert whole.read_bytes() == before


def test_equal_models_of_another_task_are_another_configuration(tmp_path):
    path = write(tmp_path / "a.jsonl", problems=PUZZLES[:1])
    first = read_completions(path)[0]["config_hash"]
    assert len(first) == 12
    with pytest.raises(ValueError, match=f"config_hash is '{first}' there"):
        write_completions(path, Game24(context="history"), PUZZLES, BEST, POLICY, CRITIC, progress=False)
    assert read_completions(write(tmp_path / "b.jsonl", problems=PUZZLES[1:2], seed=3))[0]["config_hash"] == first


def test_checkpoints_are_told_apart_by_what_is_in_them(tmp_path):
    for name, weights in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(weights)
        (tmp_path / name / "notes.txt").write_text(name)
    first, same, other = (hash_checkpoint(tmp_path / name) for name in "abc")
    assert first == same != other
    assert hash_checkpoint("Qwen/Qwen2.5-0.5B") == "Qwen/Qwen2.5-0.5B"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"problems": [*PUZZLES, PUZZLES[0]]}, "4 5 6 10 is listed twice"),
        ({"problems": [(0, 1, 2, 3)]}, "puzzle"),
        ({"chunk": 0}, "chunk must be an integer >= 1, got 0"),
        ({"seed": -1}, "seed must be an integer >= 0, got -1"),
        ({"arm": Arm("mcts", pool={"sampled_tokens": 100})}, "must have no pool"),
    ],
)
def test_what_makes_no_sense_is_named_and_leaves_no_row(tmp_path, settings, reason):
    with pytest.raises(ValueError, match=reason):
        write(tmp_path / "a.jsonl", **settings)
    assert not (tmp_path / "a.jsonl").exists() or not (tmp_path / "a.jsonl").read_bytes()


@pytest.mark.parametrize("name", ["", "../up", "a b", "a/b", ".hidden", "ü", "x" * 200, "a\n"])
def test_an_arm_whose_name_cannot_be_a_files_is_refused(name):
    with pytest.raises(ValueError, match="it becomes a file's"):
        name_file(name, 0)
    assert name_file("beams@n=8,verified", 3) == "beams@n=8,verified_seed3_completions.jsonl"


# ----------------------------------------------------------------------------------------------------- elsewhere
FOREIGN = {"problem": "What is $1+1$?", "solution": "It is 2.", "answer": "2", "unique_id": "test/1.json",
           "completions": ["\\boxed{2}", "\\boxed{3}"], "scores": [[0.5, 0.9], [0.25]], "agg_scores": [0.9, 0.25],
           "completion_tokens": [12, 7], "pred": "\\boxed{2}", "pred_maj@2": "\\boxed{2}"}  # fmt: skip


def test_files_of_search_and_learn_are_read(tmp_path):
    path = tmp_path / "best_of_n_completions.jsonl"
    beams = FOREIGN | {"completion_tokens": -1}
    path.write_text(json.dumps(FOREIGN) + "\n" + json.dumps(beams))  # without a last line end, as some tools write
    first, second = read_completions(path)
    assert first["scores"] == [[0.5, 0.9], [0.25]]
    assert (first["strategy"], first["seed"], first["unique_id"]) == ("best_of_n", 0, "test/1.json")
    assert {first[key] for key in ("cost", "correct", "solved", "trace", "config_hash", "mode")} == {None}
    assert (first["completion_tokens"], second["completion_tokens"]) == ([12, 7], None)
    with pytest.raises(ValueError, match="made elsewhere"):
        tabulate_completions([first])
    with pytest.raises(ValueError, match=r"line 1: made elsewhere .*config_hash"):
        write(path)


@pytest.mark.parametrize("end", ["\n", "\n\n", "\n \t\r\n\n", "", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_and_blank_last_lines_are_no_damage(tmp_path, mark, end):
    path = tmp_path / "best_of_n_completions.jsonl"
    path.write_text(f"{mark}{json.dumps(FOREIGN)}\n{json.dumps(FOREIGN)}{end}", encoding="utf-8", newline="")
    assert [row["problem"] for row in read_completions(path)] == [FOREIGN["problem"]] * 2
    path.write_text(f"{mark}{json.dumps(FOREIGN)}\n{mark}{json.dumps(FOREIGN)}{end}", encoding="utf-8", newline="")
    if mark:
        with pytest.raises(ValueError, match="line 2: "):
            read_completions(path)


def test_a_file_with_blank_last_lines_is_gone_on_with(tmp_path):
    path = write(tmp_path / "a.jsonl", problems=PUZZLES[:2])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\n \n")
    write(path, problems=PUZZLES[:3])
    assert len(read_completions(path)) == 3
    assert b"\n\n" not in path.read_bytes()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "Expecting value, column 1"),
        ('{"problem": "1 2', "Invalid control character at, column 17"),
        ("[1, 2]", "a JSON object"),
        ("[" * 100_000, "recursion"),
        (json.dumps(FOREIGN)[:-1] + ', "x": NaN}', "NaN is no number"),
        (json.dumps({"problem": "a"}), "the column 'completions' is missing"),
        (json.dumps(FOREIGN | {"problem": 3}), "problem must be a text"),
        (json.dumps(FOREIGN | {"completions": "text"}), "completions a list of texts"),
        (json.dumps(FOREIGN | {"scores": [[0.5]]}), "scores must be a list with one entry for each of 2"),
        (json.dumps(FOREIGN | {"scores": [0.5, 0.6]}), "entry 0 of scores is '0.5'"),
        (json.dumps(FOREIGN | {"scores": [[0.5], ["x"]]}), "entry 1 of scores must be a list of numbers"),
        (json.dumps(FOREIGN | {"agg_scores": ["0.5", 1]}), "entry 0 of agg_scores is '0.5'"),
        (json.dumps(FOREIGN | {"config_hash": "0123"}), "the column 'strategy' is missing"),
        ("\0" * 50, "Expecting value"),
    ],
)
def test_the_broken_line_of_a_damaged_file_is_named(tmp_path, line, reason):
    path = tmp_path / "some_completions.jsonl"
    path.write_text(json.dumps(FOREIGN) + "\n" + line + "\n" + json.dumps(FOREIGN) + "\n")
    with pytest.raises(ValueError, match=rf"some_completions.jsonl, line 2: .*{reason}") as error:
        read_completions(path)
    assert "\n" not in str(error.value)


def test_damage_in_the_middle_is_never_repaired_in_silence(tmp_path, whole):
    lines = whole.read_bytes().splitlines(keepends=True)
    path = tmp_path / "a.jsonl"
    for data in (b"".join([lines[0], lines[1][:50] + b"\n", *lines[2:]]), b"".join([*lines, lines[0]]), b"\xff\n"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"a\.jsonl, line \d: "):
            write(path)
        assert path.read_bytes() == data
    path.write_bytes(lines[0] + lines[1][:-30])
    with pytest.raises(ValueError, match=r"line 2: .*cut off by a kill"):
        read_completions(path)
    with pytest.raises(FileNotFoundError):
        read_completions(tmp_path / "none.jsonl")
