"""Evaluation: rows, resuming, broken files, and tables whose intervals and estimates are checked by other means."""

import json
import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.evaluation import arms as ways
from game24lab.evaluation.arms import STRATEGIES, Arm, find_strategy, read_arms
from game24lab.evaluation.evaluate import COLUMNS, LATER, evaluate, load_records, summarise, tabulate_pass_at_k
from game24lab.evaluation.statistics import bootstrap, pass_at_k, wilson
from game24lab.search.engine import run
from game24lab.search.mcts import mcts
from game24lab.tasks.numbers.task import Game24

PUZZLES = [(4, 5, 6, 10), (1, 2, 4, 7), (3, 3, 8, 8), (2, 3, 5, 12), (6, 6, 6, 6)]
ARMS = {
    "greedy": {"algorithm": "greedy", "mode": "rules"},
    "sample": {"algorithm": "best_of_n", "mode": "rules", "parameters": {"n": 8, "batch": 0}},
    "search": {"algorithm": "mcts", "parameters": {"simulations": 20}},
}
POLICY, CRITIC = FakePolicy(), FakeCritic()


def measure(path=None, problems=PUZZLES, arms=ARMS, **settings):
    settings = {"seeds": (0, 1), "progress": False, "chunk": 3} | settings
    return evaluate(Game24(), problems, arms, POLICY, CRITIC, path=path, **settings)


def timeless(rows):
    return rows.drop(columns="seconds")


# ---------------------------------------------------------------------------------------------- rows
def test_one_row_an_attempt_with_its_outcome_and_full_cost():
    rows = measure(ranks={(4, 5, 6, 10): 7, (6, 6, 6, 6): 9}, split="tot", run_id="abc")
    assert list(rows) == list(COLUMNS)
    assert {name: str(kind) for name, kind in rows.dtypes.items()} == COLUMNS
    assert len(rows) == 3 * 2 * 5
    assert list(rows["strategy"].unique()) == list(ARMS)
    assert not rows.duplicated(["problem", "strategy", "seed"]).any()
    assert list(rows["problem"][:5]) == ["4 5 6 10", "1 2 4 7", "3 3 8 8", "2 3 5 12", "6 6 6 6"]
    assert list(rows["rank"][:5]) == [7, pd.NA, pd.NA, pd.NA, 9]
    assert set(rows["mode"]) == {"verified", "rules"}
    assert set(rows["backend"]) == {"fake"}
    assert set(rows["policy_parameters"]) == {1000}
    assert set(rows["run_id"]) == {"abc"}
    row = rows[(rows["strategy"] == "search") & (rows["problem"] == "3 3 8 8") & (rows["seed"] == 1)].iloc[0]
    assert json.loads(row["parameters"])["simulations"] == 20
    assert json.loads(row["parameters"])["width"] == 2  # defaults are part of what was run
    (alone,) = run(Game24(), [(3, 3, 8, 8)], mcts, POLICY, CRITIC, parameters={"simulations": 20}, seed=1)
    assert (row["answer"], row["outcome"], row["candidates"]) == (alone.answer, alone.outcome, alone.candidates)
    assert (row["sampled_tokens"], row["critic_tokens"]) == (alone.cost.sampled_tokens, alone.cost.critic_tokens)
    assert (row["sampled_lines"], row["sampled_characters"]) == (
        alone.cost.sampled_lines, alone.cost.sampled_characters)  # fmt: skip
    assert (row["repeated_tokens"], row["illegal_tokens"]) == (alone.repeated_tokens, alone.illegal_tokens)
    assert rows["repeated_tokens"].max() > 0


def test_chunks_and_concurrency_change_nothing():
    whole = timeless(measure(chunk=1000))
    assert whole.equals(timeless(measure(chunk=1, concurrent=1)))
    assert whole.equals(timeless(measure(chunk=7, concurrent=2)))


class KilledError(Exception):
    pass


def test_a_killed_evaluation_goes_on_and_ends_with_the_rows_of_an_undisturbed_one(tmp_path, monkeypatch):
    path, undisturbed = tmp_path / "rows" / "records.parquet", tmp_path / "whole.parquet"
    expected = measure(undisturbed)
    calls = []

    def dying(*arguments, **settings):
        calls.append(len(arguments[1]))
        if len(calls) % 3 == 0:
            raise KilledError
        return run(*arguments, **settings)

    monkeypatch.setattr(ways, "run", dying)
    kills = 0
    for _ in range(100):
        try:
            rows = measure(path)
            break
        except KilledError:
            kills += 1
            load_records(path)  # always whole
    assert kills >= 3
    assert timeless(rows).equals(timeless(expected))
    assert timeless(load_records(path)).equals(timeless(load_records(undisturbed)))
    assert sum(size for place, size in enumerate(calls, 1) if place % 3) == 30  # nothing was run twice
    calls.clear()
    assert measure(path).equals(rows)
    assert calls == []
    assert sorted(file.name for file in path.parent.iterdir()) == ["records.jsonl", "records.parquet"]


def test_what_an_older_file_does_not_hold_is_missing_and_never_nothing(tmp_path):
    path = tmp_path / "records.parquet"
    rows = measure(path)
    path.with_suffix(".jsonl").unlink()
    rows.drop(columns=list(LATER)).to_parquet(path)
    old = load_records(path)
    assert old[list(LATER)].isna().all(axis=None)
    assert {name: str(old[name].dtype) for name in LATER} == {name: COLUMNS[name] for name in LATER}
    summary = summarise(old)
    assert summary[list(LATER)].isna().all(axis=None)
    new = summarise(rows)
    assert summary.drop(columns=list(LATER)).equals(new.drop(columns=list(LATER)))
    assert (new["sampled_lines"] == rows.groupby("strategy", sort=False)["sampled_lines"].mean().to_numpy()).all()
    mixed = summarise(pd.concat([old[old["seed"] == 0], rows[rows["seed"] == 1]]))
    assert mixed[list(LATER)].isna().all(axis=None)  # a mean of those that are known would pass for that of all
    assert timeless(measure(path)).equals(timeless(old)), "a finished run opens"
    with pytest.raises(ValueError, match=r"records\.parquet was written before sampled_lines were counted"):
        measure(path, seeds=(0, 1, 2))


def test_more_problems_seeds_and_arms_are_added_to_what_is_there(tmp_path):
    path = tmp_path / "records.parquet"
    first = measure(path, PUZZLES[:2], {"greedy": ARMS["greedy"]}, seeds=(0,))
    rows = measure(path)
    assert len(first) == 2
    assert len(rows) == len(load_records(path)) == 30
    assert len(measure(path, PUZZLES[:2], seeds=(1,))) == 6
    assert len(load_records(path)) == 30


def test_budget_and_merging_belong_to_an_arm():
    arms = {"short": {"algorithm": "mcts", "budget": {"sampled_tokens": 30}, "merge": False}}
    rows = measure(problems=[(1, 1, 5, 7)], arms=arms)
    assert set(rows["stopped"]) == {"sampled_tokens"}
    assert all(rows["sampled_tokens"] >= 30)
    assert json.loads(rows["parameters"][0])["budget"] == {"sampled_tokens": 30}
    assert json.loads(rows["parameters"][0])["merge"] is False


# ---------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("arms", "reason"),
    [
        ({}, "a mapping from names to arms"),
        ([], "a mapping from names to arms"),
        ({"a": {"parameters": {}}}, "arm 'a' must be a mapping with the key algorithm"),
        ({"a": "mcts"}, "arm 'a' must be a mapping with the key algorithm"),
        ({"a": {"algorithm": "mtcs"}}, "arm 'a': strategy must be one of .*, got 'mtcs'; did you mean 'mcts'"),
        ({"a": {"algorithm": "mcts", "parameter": {}}}, "did you mean 'parameters'"),
        ({"a": {"algorithm": "mcts", "parameters": None}}, "parameters must be a mapping"),
        ({"a": {"algorithm": "mcts", "parameters": {"widht": 3}}}, "did you mean 'width'"),
        ({"a": {"algorithm": "mcts", "mode": "verify"}}, "mode must be .*'verify'; did you mean 'verified'"),
    ],
)
def test_arms_that_make_no_sense_are_named(arms, reason):
    with pytest.raises(ValueError, match=reason):
        measure(arms=arms)


def test_a_strategy_is_found_by_its_name():
    assert find_strategy("mcts") is mcts
    assert read_arms({"a": Arm("greedy")}) == {"a": Arm("greedy")}
    with pytest.raises(ValueError, match="one of greedy, best_of_n, mcts"):
        find_strategy("magic")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"problems": [*PUZZLES, (4, 5, 6, 10)]}, "4 5 6 10 is listed twice"),
        ({"problems": [*PUZZLES, (0, 5)]}, "puzzle"),
        ({"seeds": (0, "1")}, "seed must be an integer >= 0, got '1'"),
        ({"chunk": 0}, "chunk must be an integer >= 1, got 0"),
    ],
)
def test_bad_problems_seeds_and_chunks_are_named_and_leave_nothing(settings, reason, tmp_path):
    with pytest.raises(ValueError, match=reason):
        measure(tmp_path / "records.parquet", **settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PAR1 nonsense PAR1"])
def test_a_broken_records_file_is_named_and_left_alone(tmp_path, content):
    path = tmp_path / "records.parquet"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"records.parquet: not a readable table"):
        measure(path)
    assert path.read_bytes() == content


def test_a_truncated_or_foreign_records_file_is_named(tmp_path):
    path = tmp_path / "records.parquet"
    measure(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="not a readable table"):
        load_records(path)
    pd.DataFrame({"problem": ["4 6"]}).to_parquet(path)
    with pytest.raises(ValueError, match="lacks the column 'strategy'"):
        load_records(path)
    with pytest.raises(OSError, match="nothing"):
        load_records(tmp_path / "nothing.parquet")


def test_a_file_of_other_models_parameters_or_runs_is_refused(tmp_path):
    path = tmp_path / "records.parquet"
    measure(path, run_id="one")
    with pytest.raises(ValueError, match="run_id is 'one' there and 'two' here"):
        measure(path, run_id="two")
    with pytest.raises(ValueError, match=r"'search', made otherwise \(simulations is 20 there and 21 here\): "):
        measure(path, arms={"search": {"algorithm": "mcts", "parameters": {"simulations": 21}}}, run_id="one")
    with pytest.raises(ValueError, match="policy_parameters is 1000 there and 2000 here"):
        evaluate(Game24(), PUZZLES, ARMS, FakePolicy(parameters=2000), CRITIC, path=path, run_id="one", progress=False)


# ---------------------------------------------------------------------------------------------- estimates
def test_pass_at_k_is_the_mean_over_all_subsets():
    for n in range(1, 7):
        for c in range(n + 1):
            for k in range(1, n + 1):
                samples = [True] * c + [False] * (n - c)
                subsets = [any(subset) for subset in combinations(samples, k)]
                assert pass_at_k(n, c, k) == pytest.approx(np.mean(subsets))
    assert pass_at_k(1000, 1, 500) == 0.5


@pytest.mark.parametrize(("n", "c", "k"), [(4, 5, 1), (4, -1, 1), (4, 2, 5), (4, 2, 0)])
def test_pass_at_k_beyond_the_samples_is_named(n, c, k):
    with pytest.raises(ValueError, match=f"n={n}, c={c}, k={k}"):
        pass_at_k(n, c, k)


def test_wilson_solves_its_own_equation():
    """The bounds are the p at which |share - p| = z sqrt(p (1 - p) / n)."""
    for successes, n in ((0, 10), (3, 10), (97, 100), (100, 100), (1, 1)):
        low, high = wilson(successes, n)
        share = successes / n
        for bound, end in ((low, 0.0), (high, 1.0)):
            if bound != end:
                assert abs(share - bound) == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / n), rel=1e-5)
        assert low <= share <= high
    assert wilson(97, 100) == pytest.approx((0.9155, 0.9897), abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="11 successes of 10"):
        wilson(11, 10)


def test_the_bootstrap_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        low, high = bootstrap(rng.random(60) < 0.6, repeats=400)
        hits += low <= 0.6 <= high
    assert 0.88 <= hits / 200 <= 0.99
    assert bootstrap(np.ones(50)) == wilson(50, 50)  # not certain only because nothing failed
    assert bootstrap(np.full(5, 0.5)) == (0.5, 0.5)
    with pytest.raises(ValueError, match="at least one"):
        bootstrap(np.array([]))


# ---------------------------------------------------------------------------------------------- tables
def test_the_summary_has_one_row_an_arm_that_can_be_recomputed_from_the_rows():
    rows = measure()
    table = summarise(rows).set_index("arm")
    assert list(table.index) == list(ARMS)
    for arm in ARMS:
        mine = rows[rows["strategy"] == arm]
        line = table.loc[arm]
        assert line["accuracy"] == pytest.approx(mine["solved"].mean())
        assert line["low"] <= line["accuracy"] <= line["high"]
        assert (line["problems"], line["seeds"]) == (5, 2)
        assert line["sampled_tokens"] == pytest.approx(mine["sampled_tokens"].mean())
        assert line["sampled_tokens_median"] == mine["sampled_tokens"].median()
        assert line["sampled_tokens_p95"] >= line["sampled_tokens_median"]
        flops = 2 * (1000 * (mine["prompt_tokens"] + mine["sampled_tokens"]) + 900 * mine["critic_tokens"])
        assert line["flops"] == pytest.approx(flops.mean())
        misses = line[["wrong value", "illegal", "unfinished", "no answer"]].sum()
        assert line["accuracy"] + misses == pytest.approx(1)
    assert list(table["verifier_chose"]) == [False, False, True]
    assert table.loc["search", "mode"] == "verified"


def test_one_seed_gets_wilsons_interval_and_several_the_bootstrap_over_problems():
    rows = measure()
    one = summarise(rows[rows["seed"] == 0]).set_index("arm").loc["sample"]
    solved = int(rows[(rows["seed"] == 0) & (rows["strategy"] == "sample")]["solved"].sum())
    assert (one["low"], one["high"]) == wilson(solved, 5)
    assert one["interval"] == "Wilson"
    table = rows.loc[rows["strategy"] == "sample"].assign(solved=[True] * 4 + [False] + [True] * 3 + [False] * 2)
    several = summarise(table).iloc[0]
    assert several["interval"] == "bootstrap over problems"
    assert (several["low"], several["high"]) == bootstrap(np.array([1, 1, 1, 0.5, 0]))


def test_pass_at_k_is_tabulated_from_the_samples_that_were_all_drawn():
    rows = measure()
    table = tabulate_pass_at_k(rows)
    assert list(table["k"]) == [1, 2, 4, 8, 16]
    assert set(table["arm"]) == {"sample"}
    mine = rows[rows["strategy"] == "sample"]
    assert table["accuracy"][0] == pytest.approx((mine["correct"] / mine["candidates"]).mean())
    assert table["accuracy"].is_monotonic_increasing
    assert all((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"]))
    assert list(tabulate_pass_at_k(rows, [3])["k"]) == [3]
    with pytest.raises(ValueError, match="k=17"):
        tabulate_pass_at_k(rows, [17])
    with pytest.raises(ValueError, match="others stop early"):
        tabulate_pass_at_k(rows[rows["strategy"] == "search"])


# ------------------------------------------------------------------------------------- one budget for all problems
def pool(path=None, **settings):
    shared = {"algorithm": "best_of_n", "parameters": {"n": 500, "batch": 1}, "pool": {"sampled_tokens": 150}}
    return measure(path, **{"arms": {"pool": shared}, "seeds": (0, 1)} | settings)


def test_an_arm_can_share_one_budget_among_its_problems(tmp_path):
    rows = pool()
    for _, part in rows.groupby("seed"):
        assert 0 < part["sampled_tokens"].sum() < 150 * len(PUZZLES) + 64 * 60
    assert set(rows["stopped"]) <= {"solved", "sampled_tokens"}
    assert json.loads(rows["parameters"][0])["pool"] == {"sampled_tokens": 150}
    assert json.loads(rows["parameters"][0])["rule"] == "turns"
    assert timeless(rows).equals(timeless(pool(chunk=1, concurrent=1)))  # a pool runs whole all the same
    path = tmp_path / "records.parquet"
    pool(path, seeds=(0,))
    assert timeless(pool(path)).equals(timeless(rows))
    with pytest.raises(ValueError, match=r"arm 'pool': the file holds .* which shared their pool with others"):
        pool(path, problems=[*PUZZLES, (1, 1, 1, 8)])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"pool": {"sampled_token": 5}}, "did you mean 'sampled_tokens'"),
        ({"pool": {"depth": -1}}, "pool of depth must be a number >= 0, got -1"),
        ({"pool": {"depth": 1, "flops": 1}}, "pool must be one limit"),
        ({"pool": 5}, "pool must be a mapping"),
        ({"rule": "trun"}, "did you mean 'turns'"),
    ],
)
def test_a_pool_that_makes_no_sense_is_named(settings, reason):
    with pytest.raises(ValueError, match=reason):
        Arm("greedy", **settings)


def test_every_strategy_shows_its_model_the_same_first_prompt():
    """Defect: a baseline that is not shown the task."""
    for name, algorithm in STRATEGIES.items():
        policy = FakePolicy()
        run(Game24(), PUZZLES[:2], algorithm, policy, FakeCritic())
        assert policy.calls[0]["prompts"] == [Game24().prompt(puzzle) for puzzle in PUZZLES[:2]], name
