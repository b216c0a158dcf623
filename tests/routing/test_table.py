"""The tidy table: labels and costs of completions files with known chances, ours and foreign; bad files are named."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.evaluation.arms import Arm, read_arms
from game24lab.evaluation.completions import name_file, write_completions
from game24lab.evaluation.evaluate import evaluate
from game24lab.evaluation.statistics import pass_at_k
from game24lab.routing.arms import describe_arms, name_modes
from game24lab.routing.completion_files import read_completion_files
from game24lab.routing.table import COLUMNS, VOTES, check_table, list_arms, read_table
from game24lab.tasks.numbers.puzzles import list_solvable, write_puzzle
from game24lab.tasks.numbers.task import Game24

PROBLEMS = [write_puzzle(puzzle) for puzzle in list_solvable()[::60]]  # 23
COST = {"prompt_tokens": 0, "sampled_tokens": 0, "policy_calls": 1, "critic_tokens": 0, "critic_calls": 0, "depth": 1,
        "seconds": 0.0}  # fmt: skip


def make_row(problem, correct, *, strategy="pool", seed=0, ballots=None, scores=None, tokens=None, **more):
    """A line of an own file: samples that are right where `correct` says so."""
    count = len(correct)
    tokens = [10] * count if tokens is None else tokens
    row = {
        "problem": problem, "answer": "24", "completions": [f"answer {place}" for place in range(count)],
        "scores": [[] if score is None else [score] for score in scores or [None] * count],
        "agg_scores": [None] * count if scores is None else list(scores), "completion_tokens": list(tokens), "pred": "",
        "strategy": strategy, "algorithm": "best_of_n", "parameters": {"n": count, "batch": count}, "seed": seed,
        "mode": "rules", "correct": [bool(one) for one in correct], "answers": [""] * count,
        "ballots": [int(not one) for one in correct] if ballots is None else ballots, "chosen": None,
        "solved": bool(correct[0]), "outcome": "", "stopped": "done", "candidates": count, "candidates_correct": 0,
        "cost": COST | {"sampled_tokens": sum(tokens), "seconds": 2.0}, "saved": COST, "trace": None, "models": {},
        "config_hash": "0" * 12, "rank": None, "split": "", "run_id": "",
    }  # fmt: skip
    return row | more


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def read(folder, **options):
    return read_table(folder, np.random.default_rng(0), progress=False, **options)


def get(table, arm, problem="4 5 6 10"):
    return table[(table["arm"] == arm) & (table["problem"] == problem)].iloc[0]


# ------------------------------------------------------------------------------------------------- known chances
def test_labels_of_a_pool_are_unbiased(tmp_path):
    """Problems solved with known chances by every sample: labels of all arms are right on average."""
    rng = np.random.default_rng(0)
    chances = dict(zip(PROBLEMS, np.linspace(0.02, 0.9, len(PROBLEMS)), strict=True))
    for seed in range(6):
        rows = [make_row(problem, rng.random(16) < chance, seed=seed) for problem, chance in chances.items()]
        write(tmp_path / name_file("pool", seed), rows)
    table = read(tmp_path, ns=[1, 4, 5])
    p = table["problem"].map(chances)
    n = table["n"].astype(int)
    majority = {(x, k): sum(math.comb(k, i) * x**i * (1 - x) ** (k - i) * (0.5 if 2 * i == k else 2 * i > k)
                for i in range(k + 1)) for x in chances.values() for k in (1, 4, 5)}  # fmt: skip
    truth = np.where(table["verified"], 1 - (1 - p) ** n, [majority[key] for key in zip(p, n, strict=True)])
    assert set(table["method"]) == {"majority", "best_of_n"}  # nothing is scored: no best-of-n by score
    assert ((table["low"] <= truth) & (truth <= table["high"])).mean() > 0.93
    bias = (table["probability"] - truth).groupby(table["arm"]).agg(["mean", "sem"])
    assert (bias["mean"].abs() < 4 * bias["sem"]).all()
    assert table["trials"].tolist() == pytest.approx((6 * 16 / n).tolist())


def test_arms_of_a_pool_by_hand(tmp_path):
    row = make_row("4 5 6 10", [1, 0, 0, 0], scores=[0.6, 0.5, 0.2, None], ballots=[0, 1, 1, None],
                   tokens=[10, 20, 30, 40], cost=COST | {"sampled_tokens": 100, "policy_calls": 2, "critic_calls": 4,
                   "seconds": 5.0})  # fmt: skip
    write(tmp_path / "pool_seed0_completions.jsonl", [row])
    table = read(tmp_path, ns=[1, 3, 4], batch=1)
    assert list(table) == list(COLUMNS)
    assert table["arm"].tolist() == [f"{vote}@{n}" for vote in VOTES for n in (1, 3, 4)]
    assert get(table, "best_of_n@4")["probability"] == 1
    assert get(table, "majority@4")["probability"] == 0
    assert get(table, "weighted@4")["probability"] == 0  # 0.6 against 0.5 + 0.2
    assert get(table, "best_of_n@3")["probability"] == pytest.approx(3 / 4)
    assert get(table, "majority@3")["probability"] == pytest.approx((1 / 2 + 1 / 2) / 4)
    assert get(table, "weighted@3")["probability"] == pytest.approx((1 + 1) / 4)
    assert get(table, "verified@3")["probability"] == pytest.approx(pass_at_k(4, 1, 3))
    assert get(table, "majority@3")[["sampled_tokens", "calls", "seconds"]].tolist() == [75, 2, 3.75]
    assert get(table, "best_of_n@3")[["sampled_tokens", "calls"]].tolist() == [
        75,
        pytest.approx(2 + 4 * (1 + 7 / 4) / 3),
    ]
    assert get(table, "majority@4")[["seconds_p50", "seconds_p95"]].tolist() == pytest.approx([5, 5])
    # one by one until the right one: it comes first, second, third or fourth, with the mean of the others before it
    assert get(table, "verified@4")["sampled_tokens"] == pytest.approx(10 + 30 * (0 + 1 + 2 + 3) / 4)
    assert get(table, "verified@4")["calls"] == pytest.approx((1 + 2 + 3 + 4) / 4)
    assert table["trials"].tolist() == [4, 4 / 3, 1] * 4


def test_aggregation_of_steps(tmp_path):
    row = make_row("4 5 6 10", [1, 0], scores=[0.1, 0.9])
    row["scores"] = [[0.8, 0.5], [0.1, 0.9]]
    write(tmp_path / "pool_seed0_completions.jsonl", [row])
    assert get(read(tmp_path), "best_of_n@2")["probability"] == 0
    for how, wins in (("last", 0), ("min", 1), ("prod", 1), ("sum", 1)):
        table = read(tmp_path, agg_strategy=how)
        assert get(table, f"best_of_n-{how}@2")["probability"] == wins
        assert get(table, f"weighted-{how}@2")["probability"] == wins
        assert "majority@2" in set(table["arm"])


def test_seeds_are_trials(tmp_path):
    for seed, solved in enumerate([True, False, False, True]):
        rows = [make_row(problem, [0], strategy="mcts-9", seed=seed, algorithm="mcts", solved=solved and not place,
                         parameters={"simulations": 9, "width": 3}, cost=COST | {"seconds": float(seed + 1),
                         "sampled_tokens": 10 * seed, "critic_calls": 5})
                for place, problem in enumerate(PROBLEMS[:2])]  # fmt: skip
        write(tmp_path / name_file("mcts-9", seed), rows)
    first, second = read(tmp_path).to_dict("records")
    assert (first["probability"], first["trials"], second["probability"]) == (0.5, 4, 0)
    assert 0 < first["low"] < 0.2 < 0.8 < first["high"] < 1
    assert (second["low"], second["high"] > 0.3) == (0, True)
    assert (first["sampled_tokens"], first["calls"], first["seconds"]) == (15, 6, 2.5)
    assert (first["seconds_p50"], first["seconds_p95"]) == (2.5, pytest.approx(3.85))
    assert (first["simulations"], first["width"], first["n"], first["method"]) == (9, 3, 0, "mcts")


def test_two_pools_have_names_of_their_own_and_stopped_ones_are_attempts(tmp_path):
    for name in ("hot", "cold"):
        write(tmp_path / name_file(name, 0), [make_row("4 5 6 10", [1, 0], strategy=name)])
    write(tmp_path / name_file("poor", 0), [make_row("4 5 6 10", [1, 0], strategy="poor", stopped="sampled_tokens")])
    arms = set(read(tmp_path, votes=["majority"])["arm"])
    assert arms == {"hot-majority@1", "hot-majority@2", "cold-majority@1", "cold-majority@2", "poor"}


# ---------------------------------------------------------------------------------------------------- our own files
@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    folder, policy = tmp_path_factory.mktemp("completions"), FakePolicy(skill=2)
    arms = {
        "pool": {"algorithm": "best_of_n", "parameters": {"n": 16, "temperature": 0.9}, "mode": "rules"},
        "mcts-8": {"algorithm": "mcts", "parameters": {"simulations": 8}, "budget": {"sampled_tokens": 900}},
        "beam": {"algorithm": "beam_search", "parameters": {"n": 2, "beam_width": 2}, "mode": "rules"},
    }
    problems = [tuple(map(int, problem.split())) for problem in PROBLEMS[:4]]
    for name, arm in read_arms(arms).items():
        for seed in (0, 1):
            write_completions(folder / name_file(name, seed), Game24(), problems, arm, policy, FakeCritic(policy),
                              name=name, seed=seed, progress=False)  # fmt: skip
    return folder


def test_our_files_become_a_table_whose_arms_can_be_run(ours):
    table = read(ours, hardware="two cores")
    pd.testing.assert_frame_equal(table, read(ours, hardware="two cores"))
    assert set(table["hardware"]) == {"two cores"}
    assert {"mcts-8", "beam", "best_of_n@16", "majority@1", "weighted@8", "verified@4"} <= set(table["arm"])
    assert not table.isna().any().any()
    size = get(table, "beam", PROBLEMS[0])
    assert (size["n"], size["width"], size["simulations"], size["verified"]) == (2, 2, 0, False)
    arms = list_arms(table)
    assert set(arms) == set(table["arm"])
    assert arms["weighted@8"]["algorithm"] == "weighted_majority"
    assert arms["weighted@8"]["parameters"]["temperature"] == 0.9
    assert arms["verified@4"]["mode"] == "verified"
    assert arms["mcts-8"]["budget"] == {"sampled_tokens": 900}
    read_arms(arms)


def test_blind_arms_are_arms_of_their_own(tmp_path):
    policy, problems = FakePolicy(skill=2, illegal=0.2), [tuple(map(int, one.split())) for one in PROBLEMS[:3]]
    for mode in ("blind", "rules"):
        name = f"best_of_n@{mode}"
        arm = Arm("best_of_n", {"n": 4, "batch": 0}, mode)
        write_completions(tmp_path / name_file(name, 0), Game24(), problems, arm, policy, FakeCritic(), name=name,
                          progress=False)  # fmt: skip
    table = read(tmp_path, ns=[2, 4])
    modes = table.drop_duplicates("arm").set_index("arm")["mode"]
    assert modes["best_of_n@blind-best_of_n@4"] == modes["best_of_n@blind-majority@2"] == "blind"
    assert modes["best_of_n@rules-weighted@4"] == "rules"
    assert (modes[modes.index.str.contains("verified@")] == "verified").all()
    assert (table["verified"] == (table["mode"] == "verified")).all()
    assert {arm: one["mode"] for arm, one in list_arms(table).items()} == modes.to_dict()
    known = describe_arms(table)
    assert known["blind"].to_dict() == (modes == "blind").astype(float).to_dict()
    old = table.drop(columns="mode")  # as tables from before are: what is not verified went by the rules
    assert name_modes(old)["mode"].tolist() == table["mode"].replace("blind", "rules").tolist()
    assert "blind" not in describe_arms(old)
    with pytest.raises(ValueError, match="table: mode must be one of blind, rules, verified, got 'half'"):
        name_modes(table.assign(mode="half"))


def test_what_labels_foretell_happens(ours):
    """The arms of the pool, run: tokens and accuracies are those that the labels name, within their errors."""
    table = read(ours, ns=[4, 8], repeats=512)
    chosen = {arm: list_arms(table)[arm] for arm in ("weighted@4", "verified@8", "majority@4")}
    policy = FakePolicy(skill=2)
    problems = [tuple(map(int, problem.split())) for problem in PROBLEMS[:4]]
    rows = evaluate(Game24(), problems, chosen, policy, FakeCritic(policy), seeds=range(25), progress=False)
    for arm, part in rows.groupby("strategy"):
        label = table[table["arm"] == arm]
        spread = math.sqrt(1 / (label["trials"].iloc[0] * 4) + 1 / len(part)) / 2
        assert abs(part["solved"].mean() - label["probability"].mean()) < 3.5 * spread
        assert part["sampled_tokens"].mean() == pytest.approx(label["sampled_tokens"].mean(), rel=0.1)
        assert (part["policy_calls"] + part["critic_calls"]).mean() == pytest.approx(label["calls"].mean(), rel=0.25)


# ------------------------------------------------------------------------------------------------------ foreign files
def make_foreign(problem="What is 6 * 7?", answers=("42", "41", "42.0", "43"), **more):
    completions = [f"Thus \\boxed{{{answer}}}" for answer in answers]
    return {"problem": problem, "answer": "42", "solution": "...", "completions": completions,
            "scores": [[0.2, 0.9 - place / 10] for place in range(len(answers))], "pred": completions[0],
            "completion_tokens": [7] * len(answers), "agg_scores": [0.9 - place / 10 for place in range(len(answers))],
            **more}  # fmt: skip


def test_search_and_learn_files_are_read(tmp_path):
    write(tmp_path / "numina" / "best_of_n_completions.jsonl", [make_foreign()])
    for seed in (0, 1):
        write(tmp_path / f"beam_search_seed{seed}_completions.jsonl",
              [make_foreign(completion_tokens=-1, pred=f"\\boxed{{4{2 + seed}}}")])  # fmt: skip
    costs = {"beam_search": {"sampled_tokens": 7119, "seconds": 13.9}}
    with pytest.raises(ValueError, match=r"sampled_tokens of 'What is 6 \* 7\?' with the arm 'beam_search' .* nan"):
        read(tmp_path)
    with pytest.raises(ValueError, match=r"seconds .*got nan"):
        read(tmp_path, costs=costs)
    table = read(tmp_path, costs={"beam_search": {"sampled_tokens": 7119}})
    beam, vote = (get(table, arm, "What is 6 * 7?") for arm in ("beam_search", "majority@4"))
    assert (beam["probability"], beam["trials"], beam["sampled_tokens"], beam["method"]) == (
        0.5,
        2,
        7119,
        "beam_search",
    )
    assert (vote["probability"], vote["sampled_tokens"], vote["hardware"]) == (1, 28, "not known")
    assert math.isnan(vote["seconds"])
    assert list_arms(table) == {}


def test_samples_without_scores_still_vote(tmp_path):
    row = {name: value for name, value in make_foreign().items() if name not in ("scores", "agg_scores")}
    write(tmp_path / "best_of_n_completions.jsonl", [row])
    table = read(tmp_path)
    assert get(table, "majority@4", "What is 6 * 7?")["probability"] == 1
    assert not any(arm.startswith("weighted") for arm in table["arm"])


def test_chunks_are_one_arm_where_names_say_so(tmp_path):
    names = {}
    for place in (0, 1):
        path = tmp_path / f"chunk_{place}" / "best_of_n_completions.jsonl"
        write(path, [make_foreign(f"problem {place}")])
        names[f"chunk_{place}/best_of_n_completions.jsonl"] = "best-of-4"
    with pytest.raises(ValueError, match=r"none of 'chunk_0/best_of_n-best_of_n@1' for 1 of 2 problems"):
        read(tmp_path)
    assert read(tmp_path, names=names)["problem"].nunique() == 2
    with pytest.raises(ValueError, match=r"names: 'x' is no completions file .* chunk_0/best_of_n_completions.jsonl"):
        read(tmp_path, names={"x": "y"})
    write(path, [make_foreign("problem 0")])
    with pytest.raises(ValueError, match=r"chunk_1.*line 1: 'problem 0' stands in .*chunk_0"):
        read(tmp_path, names=names)


def test_a_judge_of_ones_own(tmp_path):
    write(tmp_path / "best_of_n_completions.jsonl", [make_foreign(answers=["six times seven", "41"])])
    assert get(read(tmp_path, ns=[2]), "verified@2", "What is 6 * 7?")["probability"] == 0
    assert get(read(tmp_path, ns=[2]), "best_of_n@2", "What is 6 * 7?")["mode"] == "blind"  # nobody checked it
    table = read(tmp_path, ns=[2], judge=lambda answer, gold: answer == "six times seven")
    assert get(table, "verified@2", "What is 6 * 7?")["probability"] == 1


# -------------------------------------------------------------------------------------------------------- bad files
def spoil(row, **changes):
    return {key: value for key, value in (row | changes).items() if value != "absent"}


GOOD = make_row("4 5 6 10", [1, 0])
FOREIGN = make_foreign()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "must hold at least one line"),
        ([GOOD, "{"], "line 2"),
        ([GOOD, "[1, 2]"], "line 2: it must be a JSON object"),
        ([GOOD, '{"question": "x", "output": "y"}'], "line 2: the column 'problem' is missing"),
        ([json.dumps(GOOD).replace("2.0", "NaN")], "line 1: NaN"),
        (["[" * 100_000], "line 1"),
        ([spoil(GOOD, correct="absent")], "line 1: the column 'correct' is missing"),
        ([spoil(GOOD, correct=[True])], "line 1: correct must be a list with one entry for each of 2"),
        ([spoil(GOOD, correct=[0.5, 2])], "line 1: entry 0 of correct"),
        ([spoil(GOOD, completions="x")], "line 1: .*completions"),
        ([GOOD, GOOD], "line 2: '4 5 6 10' stands there twice"),
        ([GOOD, make_row("1 2 3 4", [1, 0], config_hash="1" * 12)], "line 2: .* '1{12}', and on line 1 '0{12}'"),
        ([GOOD, make_row("1 2 3 4", [1, 0], seed=1)], "line 2: a file must .*, got seed 1, and on line 1 0"),
        ([GOOD, make_foreign("x")], "line 2: .* got (strategy|config_hash)"),
        ([make_row("4 5 6 10", [1, 0], ballots=[3, 3])], "line 1: answer '3' is called both right and wrong"),
        ([make_row("4 5 6 10", [1, 0], scores=[-1, 0.5])], "line 1: weights must be finite numbers >= 0"),
        ([make_row("4 5 6 10", [1]), make_row("1 2 3 4", [1, 0])], "ns must be integers from 1 to 1"),
        ([GOOD | {"split": "train"}, make_row("10 6 5 4", [1, 0], split="test")], "line 2: '10 6 5 4' must be in "
         "one split, got 'test', and 'train'"),
        ([spoil(FOREIGN, answer="absent")], "line 1: one of the columns 'correct' and 'answer' is needed"),
        ([spoil(FOREIGN, pred="absent")], "line 1: pred must be .*, got 'None'"),
        ([spoil(FOREIGN, agg_scores=[0.1])], "line 1: agg_scores must be a list with one entry for each of 4"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_by_line(tmp_path, rows, told):
    write(tmp_path / "best_of_n_completions.jsonl", rows)
    with pytest.raises(ValueError, match=told) as error:
        read(tmp_path, ns=[2])
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_line_that_was_cut_off(tmp_path):
    path = write(tmp_path / "best_of_n_completions.jsonl", [GOOD])
    path.write_text(path.read_text()[:-40])
    with pytest.raises(ValueError, match=r"line 1.*cut off by a kill"):
        read(tmp_path)


@pytest.mark.parametrize(("name", "arm", "method"), [
    ("beam_search_completions.jsonl", "beam_search", "beam_search"),
    ("beam_search_completions_n_16.jsonl", "beam_search_n_16", "beam_search"),
    ("best_of_n_completions-n-16.jsonl", "best_of_n-n-16", "best_of_n"),
    ("dvts_completions.n16.jsonl", "dvts.n16", "dvts"),
    ("completions.jsonl", "completions", ""),
    ("my_samples.jsonl", "my_samples", ""),
    ("below/beam_search_completions_n_16.jsonl", "below/beam_search_n_16", "beam_search"),
])  # fmt: skip
def test_every_file_of_completions_in_a_folder_is_read_whatever_its_name(tmp_path, name, arm, method):
    """search-and-learn's beams lie beside its best-of-n as `beam_search_completions_n_16.jsonl`."""
    write(tmp_path / "a_completions.jsonl", [FOREIGN])
    write(tmp_path / name, [FOREIGN])
    (tmp_path / "traces.jsonl").write_text('{"prompt": "x", "completion": "y"}\n')
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\x00\n")
    (tmp_path / "folder.jsonl").mkdir()
    found = {file.arm: file.method for file in read_completion_files(tmp_path, progress=False)}
    assert found == {"a": "", arm: method}


def test_a_broken_file_that_calls_itself_completions_is_refused(tmp_path):
    write(tmp_path / "best_of_n_completions.jsonl", [FOREIGN])
    (tmp_path / "beam_search_completions_n_16.jsonl").write_text('{"problem": "1", "compl\n')
    with pytest.raises(ValueError, match=r"beam_search_completions_n_16\.jsonl, line 1"):
        read_completion_files(tmp_path, progress=False)


def test_folders_that_hold_nothing_or_too_much(tmp_path):
    with pytest.raises(ValueError, match=r"must hold files \*_completions.jsonl of .*, got none"):
        read(tmp_path)
    write(tmp_path / "a_seed0_completions.jsonl", [GOOD])
    write(tmp_path / "b_seed0_completions.jsonl", [GOOD])
    with pytest.raises(ValueError, match=r"must have one file, got 'pool' with seed 0 in .*b_seed0.* and in .*a_seed0"):
        read(tmp_path)
    write(tmp_path / "b_seed0_completions.jsonl", [GOOD | {"seed": 1, "config_hash": "1" * 12}])
    with pytest.raises(ValueError, match=r"got 'pool' with 1{12} in .*b_seed0.*, with 0{12} in .*a_seed0"):
        read(tmp_path)
    more = [make_row(problem, [1], algorithm="mcts", strategy="mcts-1") for problem in ("4 5 6 10", "1 2 3 4")]
    write(tmp_path / "b_seed0_completions.jsonl", more)
    with pytest.raises(ValueError, match=r"none of 'majority@1' for 1 of 2 problems, first '1 2 3 4'"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"votes": ["maj"]}, "vote must be one of best_of_n, majority, .*, got 'maj'"),
        ({"agg_strategy": "mean"}, "one of last, min, prod, sum"),
        ({"batch": -1}, "batch must be an integer >= 0, got -1"),
        ({"ns": [3]}, r"ns must be integers from 1 to 2, .*, got \[3\]"),
        ({"costs": {"x": {}}}, "arm of costs must be one of majority@1, .*, got 'x'"),
        ({"costs": {"majority@1": {"tokens": 1}}}, "costs of 'majority@1' must be finite .*, got tokens 1"),
        ({"costs": {"majority@1": {"seconds": -1}}}, "costs of 'majority@1' must be .*, got seconds -1"),
    ],
)
def test_bad_options(tmp_path, options, told):
    write(tmp_path / "pool_seed0_completions.jsonl", [GOOD])
    with pytest.raises(ValueError, match=told):
        read(tmp_path, **options)


# ------------------------------------------------------------------------------------------------------- the checks
def make_table(**changes):
    """Two problems, two arms; `changes` are those of the second row."""
    rows = [{"problem": problem, "arm": arm, "probability": 0.5, "sampled_tokens": 10.0, "seconds": 1.0}
            for problem in ("4 5 6 10", "1 2 3 4") for arm in ("a", "b")]  # fmt: skip
    rows[1] |= changes
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (make_table(probability=1.2), "'4 5 6 10' with the arm 'b' must be a number from 0 to 1, got 1.2"),
        (make_table(probability=-0.1), "probability .*, got -0.1"),
        (make_table(probability=math.nan), "probability .*, got nan"),
        (make_table(probability="high"), "probability must hold numbers, got .*"),
        (make_table(sampled_tokens=-1.0), "sampled_tokens of '4 5 6 10' with the arm 'b' must be .*, got -1.0"),
        (make_table(sampled_tokens=math.inf), "sampled_tokens .*, got inf"),
        (make_table(seconds=math.nan), "seconds .*a number for every arm, or for none, got nan"),
        (make_table(arm="a"), "'4 5 6 10' with the arm 'a' stands there twice"),
        (make_table().iloc[[0, 2, 3]], "none of 'b' for 1 of 2 problems, first '4 5 6 10'"),
        (make_table().iloc[:0], "must hold at least one row"),
        (make_table().drop(columns="arm"), "the column 'arm' is missing; problem, arm, probability"),
        (make_table().assign(part=["train", "test", "train", "train"]), "'4 5 6 10' must be in one part"),
        (make_table().assign(part=["train", "train", "val", "val"]), "part of '1 2 3 4' must be .*, got 'val'"),
        (make_table().assign(problem=["4 5 6 10", "4 5 6 10", "10 6 5 4", "10 6 5 4"],
                             part=["train", "train", "test", "test"]), "'10 6 5 4' must be in one part, got 'test'"),
    ],
)  # fmt: skip
def test_bad_tables_are_refused_by_puzzle(table, told):
    with pytest.raises(ValueError, match=told):
        check_table(table)


def test_good_tables_pass(ours):
    check_table(make_table())
    check_table(make_table().assign(seconds=math.nan, part="train"))
    pools = [file.pool for file in read_completion_files(ours, progress=False)]
    assert pools == [False, False, False, False, True, True]
