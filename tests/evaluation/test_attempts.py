"""The file of attempts: what a line holds, kills at any byte, one reader for all files, and old ones gone on with."""

import json
import random
import shutil
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from fake_models import FakeCritic, FakePolicy
from scripted_policy import ScriptedPolicy

from game24lab.evaluation.arms import Arm, Generation
from game24lab.evaluation.attempts import COLUMNS, read_attempts
from game24lab.evaluation.chains import grade, read_grades
from game24lab.evaluation.completions import write_completions
from game24lab.evaluation.decoding import Scorer
from game24lab.evaluation.evaluate import evaluate, load_records, summarise
from game24lab.search.cost import Cost
from game24lab.tasks.environments import open_environment

GAME, PUZZLES = open_environment("game24", held_out=1), [(4, 5, 6, 10), (1, 2, 4, 7), (3, 3, 8, 8)]
ARMS = {"greedy": Arm("greedy", {}, "rules"), "search": Arm("mcts", {"simulations": 5})}
SAMPLES = Path(__file__).parent / "samples"
CHAIN = "reach 24! expression: 4 * 6 * (10 - 9)"


def play(path=None, problems=PUZZLES, policy=None, **settings):
    return evaluate(GAME, problems, ARMS, policy or FakePolicy(), FakeCritic(), path=path, progress=False, **settings)


def timeless(rows):
    return rows.drop(columns="seconds")


def test_a_line_holds_the_record():
    names = ["problem", "arm", "mode", "seed", "solved", "outcome", "answer", "text", "run_id", "arm_hash"]
    lines = {}
    for row in read_attempts(SAMPLES / "records.parquet").to_dict("records"):
        lines[row["arm"]] = row
        assert [name for name in row if name in names] == names
    assert {name for name in lines["search"] if name in Cost.__dataclass_fields__} == set(Cost.__dataclass_fields__)


def test_an_attempt_says_its_text_and_every_cost(tmp_path):
    play(tmp_path / "records.parquet", run_id="abc", split="tot")
    rows = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    assert len(rows) == 6
    for row in rows:
        assert {field.name for field in fields(Cost)} < set(row)
        assert (row["run_id"], row["split"], len(row["arm_hash"])) == ("abc", "tot", 12)
        assert row["parameters"]["max_tokens"] if row["arm"] == "greedy" else row["parameters"]["simulations"] == 5
    solved = next(row for row in rows if row["solved"])
    assert solved["text"].endswith("(left: 24)\n")
    assert len({row["arm_hash"] for row in rows}) == 2
    table = read_attempts(tmp_path)
    assert table["parameters"].map(type).eq(str).all()
    assert table["sampled_tokens"].tolist() == load_records(tmp_path / "records.parquet")["sampled_tokens"].tolist()


def test_a_file_cut_at_any_byte_keeps_all_whole_lines_and_is_completed(tmp_path):
    path, log = tmp_path / "a.parquet", tmp_path / "a.jsonl"
    whole, data = timeless(play(path)), log.read_bytes()
    starts = [0, *(place + 1 for place, byte in enumerate(data) if byte == 10)]
    for cut in {*starts, *(max(0, start - 1) for start in starts), *random.Random(1).sample(range(len(data)), 8)}:
        log.write_bytes(data[:cut])
        path.unlink(missing_ok=True)
        kept = data[: max(start for start in starts if start <= cut)]
        assert len(read_attempts(path)) == kept.count(b"\n")
        assert timeless(play(path)).equals(whole)
        assert log.read_bytes().startswith(kept)
        assert timeless(load_records(path)).equals(whole)


def test_a_broken_line_in_the_middle_is_named_and_left_alone(tmp_path):
    path, log = tmp_path / "a.parquet", tmp_path / "a.jsonl"
    play(path)
    lines = log.read_bytes().splitlines(keepends=True)
    for bad, reason in ((b"{\n", "Expecting"), (b"[1]\n", "a JSON object"), (b"\n", "Expecting value"),
                        (b'{"problem": "1"}\n', "'arm' is missing"),
                        (lines[1].replace(b'"seed": 0', b'"seed": "0"'), "seed is '0'"),
                        (lines[1].replace(b'"rules"', b'"sideways"'), "mode must be one of")):  # fmt: skip
        log.write_bytes(lines[0] + bad + lines[2])
        for ask in (play, read_attempts):
            with pytest.raises(ValueError, match=rf"a\.jsonl, line 2: .*{reason}"):
                ask(path)
        assert log.read_bytes() == lines[0] + bad + lines[2]


def test_the_later_of_two_lines_counts(tmp_path):
    path, log = tmp_path / "a.parquet", tmp_path / "a.jsonl"
    play(path)
    first = json.loads(log.read_text().splitlines()[0]) | {"answer": "again"}
    with log.open("a") as file:
        file.write(json.dumps(first) + "\n")
    assert read_attempts(path)["answer"][0] == "again"
    assert len(read_attempts(path)) == 6


@pytest.mark.parametrize("name", ["records", "grades", "grades_words", "lookahead"])
def test_old_tables_are_attempts_too(name):
    table = read_attempts(SAMPLES / f"{name}.parquet")
    assert {"problem", "arm", "mode", "seed", "solved", "outcome", "answer", "sampled_tokens"} <= set(table)
    assert table["arm"].isin(["greedy", "sample", "search", "plain", "look ahead", "best of 2"]).all()
    assert not table.duplicated(["problem", "arm", "seed"] + ["stage", "sample"] * ("stage" in table)).any()
    assert table["parameters"].map(json.loads).map(bool).all()
    assert table["text"].notna().all() == (name != "records")


def test_a_folder_is_read_whatever_its_run_wrote(tmp_path):
    for name in ("records", "grades"):
        shutil.copy(SAMPLES / f"{name}.parquet", tmp_path)
    assert len(read_attempts(tmp_path)) == 18 + 8
    shutil.copy(SAMPLES / "majority_seed0_completions.jsonl", tmp_path)  # 09_strategies makes its table of these
    found = read_attempts(tmp_path)
    assert found["arm"].tolist() == ["majority"] * 2
    with pytest.raises(ValueError, match="no attempts here"):
        read_attempts(SAMPLES.parent)
    with pytest.raises(OSError, match="no attempts here"):
        read_attempts(tmp_path / "none.parquet")


def test_completions_are_attempts(tmp_path):
    path = write_completions(tmp_path / "a_completions.jsonl", GAME.task, PUZZLES, ARMS["search"], FakePolicy(),
                             FakeCritic(), name="search", progress=False)  # fmt: skip
    found, own = read_attempts(path), play(tmp_path / "records.parquet")
    own = own[own["strategy"] == "search"]
    for name in ("problem", "solved", "answer", "sampled_tokens", "critic_tokens"):
        assert found[name].tolist() == own[name].tolist()
    told = read_attempts(tmp_path / "records.parquet").query("arm == 'search'")
    assert found["arm_hash"].tolist() == told["arm_hash"].tolist()


def test_an_old_file_is_gone_on_with(tmp_path):
    path = tmp_path / "records.parquet"
    shutil.copy(SAMPLES / "records.parquet", path)
    old, policy = load_records(path), FakePolicy()
    arms = {"greedy": Arm("greedy", {}, "rules")}
    settings = {"seeds": (0, 1), "split": "tot", "run_id": "0123456789ab", "progress": False, "path": path}
    rows = evaluate(GAME.task, PUZZLES, arms, policy, FakeCritic(), **settings)
    assert not policy.calls
    assert not (tmp_path / "records.jsonl").exists(), "a finished run is opened, not written to"
    pd.testing.assert_frame_equal(rows, old[old["strategy"] == "greedy"].reset_index(drop=True))
    more = evaluate(GAME.task, [*PUZZLES, (6, 6, 6, 6)], arms, policy, FakeCritic(), **settings)
    assert len(more) == 8
    assert len(load_records(path)) == len(read_attempts(path)) == 18 + 2


def test_an_old_file_of_chains_is_gone_on_with(tmp_path):
    path, asked = tmp_path / "grades.parquet", [(1, 2, 4, 8), (3, 3, 8, 8)]
    shutil.copy(SAMPLES / "grades.parquet", path)
    old = read_grades(path)
    policy = ScriptedPolicy({GAME.prompt(problem): [CHAIN] for problem in asked})
    start = grade(GAME, policy, asked, budget=64, stage="start", model="SFT", path=path, progress=False)
    assert not policy.calls
    assert start.equals(old[old["stage"] == "start"])
    grade(GAME, policy, asked, budget=64, stage="later", path=path, progress=False)
    assert read_grades(path)[:8].equals(old)
    assert len(read_grades(path)) == 10
    with pytest.raises(ValueError, match="budget is 64 there and 65 here"):
        grade(GAME, policy, asked, budget=65, stage="start", model="SFT", path=path, progress=False)


def test_chains_and_searches_stand_in_one_table(tmp_path):
    """Chains of thought are an arm like any other: one loop, one file, one summary."""
    policy = FakePolicy()
    path = tmp_path / "records.parquet"
    play(path)
    evaluate(GAME, PUZZLES, {"chain": Generation(64)}, policy, path=path, progress=False)
    assert load_records(path)["strategy"].unique().tolist() == ["greedy", "search", "chain"]
    with pytest.raises(ValueError, match="arms must be strategies where a scorer is given"):
        evaluate(GAME, PUZZLES, {"chain": Generation(64)}, policy, scorer=Scorer(GAME, {"length": 1.0}))
    arms = {"greedy": Generation(64), "sample": Generation(64, 4, 1.0), "search": ARMS["search"]}
    rows = evaluate(GAME, PUZZLES, arms, policy, FakeCritic(), progress=False)
    assert list(rows) == list(COLUMNS)
    assert rows.groupby("strategy").size().to_dict() == {"greedy": 3, "sample": 12, "search": 3}
    table = summarise(rows).set_index("arm")
    assert table.loc["sample", "mode"] == "blind"
    assert (table["sampled_tokens"] > 0).all()
    chains = rows[rows["strategy"] == "greedy"]
    assert chains["prompt_tokens"].tolist() == [policy.count(GAME.prompt(problem)) for problem in PUZZLES]
    assert (chains["policy_calls"] == 1).all()
    assert (chains["sampled_lines"] > 0).all()
