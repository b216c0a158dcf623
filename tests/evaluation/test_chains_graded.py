"""Grading: what an answer is worth, at every budget that one generation can serve, and after a kill."""

import pandas as pd
import pytest
from scripted_policy import ScriptedPolicy

from game24lab.evaluation.chains import bin_lines, cut, grade, measure, pair, pass_at_k, read_grades, summarise_budgets
from game24lab.evaluation.statistics import wilson
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.judge import COLUMNS

GAME = open_environment("game24", held_out=1)
RIGHT = """4 + 8 = 12 (left: 1 2 12)
12 * 2 = 24 (left: 1 24)
24 * 1 = 24 (left: 24)
reach 24! expression: (4 + 8) * 2 * 1"""
WRONG_VALUE = RIGHT.replace("(4 + 8) * 2 * 1", "(4 + 8) * (2 + 1)")
WRONG_NUMBERS = RIGHT.replace("(4 + 8) * 2 * 1", "(4 + 8) * 2")
NO_ANSWER = "4 + 8 = 12 (left: 1 2 12)\n12 * 2 = 25 (left: 1 25)\n"
OTHERS = ((1, 1, 4, 6), (1, 2, 3, 4), (3, 3, 8, 8))
PUZZLES = ((1, 2, 4, 8), *OTHERS)


def say(first, *others):
    """A policy with these answers to PUZZLES; one that is not given is `NO_ANSWER`."""
    answers = [first, *others] + [[NO_ANSWER]] * (len(PUZZLES) - 1 - len(others))
    return ScriptedPolicy({f"Input: {' '.join(map(str, p))}\n": a for p, a in zip(PUZZLES, answers, strict=True)})


def grade_quietly(policy, puzzles=PUZZLES, **options):
    return grade(GAME, policy, puzzles, progress=False, **options)


def test_one_row_an_answer_with_all_columns():
    rows = grade_quietly(say([RIGHT]), budget=200, stage="start", model="toy")
    assert list(rows) == list(COLUMNS)
    assert rows["numbers"].tolist() == [" ".join(map(str, p)) for p in PUZZLES]
    first = rows.iloc[0]
    assert first["solved"]
    assert first["finished"]
    assert (first["outcome"], first["text"], first["stage"], first["model"]) == ("solved", RIGHT, "start", "toy")
    assert first["tokens"] == len(RIGHT.split(" ")) + 1
    assert first["characters"] == len(RIGHT)
    assert first["lines"] == 4
    assert pd.isna(first["first_wrong"])
    assert rows["seconds"].ge(0).all()


@pytest.mark.parametrize(
    ("text", "outcome"),
    [(RIGHT, "solved"), (WRONG_VALUE, "wrong value"), (WRONG_NUMBERS, "wrong numbers"), (NO_ANSWER, "unfinished"),
     (RIGHT + "(", "wrong expression"), ("", "unfinished"), ("\ud800 ²", "unfinished")],
)  # fmt: skip
def test_outcomes(text, outcome):
    row = grade_quietly(say([text]), PUZZLES[:1]).iloc[0]
    assert row["outcome"] == outcome
    assert row["solved"] == (outcome == "solved")
    assert row["finished"] == (outcome != "unfinished")


def test_the_first_wrong_line_is_told_with_its_kind_and_reason():
    row = grade_quietly(say([NO_ANSWER]), PUZZLES[:1]).iloc[0]
    assert row["first_wrong"] == 1
    assert row["wrong_kind"] == "move"
    assert "25" in row["wrong_reason"]
    assert row["share_right"] == 0.5


def test_what_the_budget_cuts_is_unfinished_whatever_stands_there():
    words = len(RIGHT.split(" "))
    cut_short = grade_quietly(say([RIGHT]), PUZZLES[:1], budget=words).iloc[0]  # all said, but for the end token
    assert (cut_short["finish"], cut_short["outcome"], cut_short["solved"]) == ("length", "unfinished", False)
    assert grade_quietly(say([RIGHT]), PUZZLES[:1], budget=words + 1).iloc[0]["solved"]


def test_one_generation_serves_all_smaller_budgets():
    long = "\n".join(["1 + 2 = 3 (left: 3 4 8)", "roll back (left: 1 2 4 8)"] * 9 + [RIGHT])
    policy = say([long], [RIGHT])
    table = summarise_budgets(grade_quietly(policy, budget=300), budgets=(20, 40, 80, 300, 4096)).set_index("budget")
    assert list(table.index) == [20, 40, 80, 300]  # nobody knows about 4096
    for budget, row in table.iterrows():  # each as if it had been asked for alone
        alone = grade_quietly(policy, budget=budget)
        assert row["accuracy"] == alone["solved"].mean()
        assert row["unfinished"] == (alone["outcome"] == "unfinished").mean()
        assert row["tokens"] == alone["tokens"].mean()
        assert (row["low"], row["high"]) == wilson(int(alone["solved"].sum()), len(alone))
        assert row["accuracy"] + row["wrong"] + row["unfinished"] == pytest.approx(1)
    with pytest.raises(ValueError, match=r"budget must be <= 20, .*got 40"):
        cut(grade_quietly(policy, budget=20), 40)


def test_summaries_by_bucket_and_number_of_lines():
    rows = grade_quietly(say([RIGHT], [WRONG_VALUE]), budget=300)
    by_bucket = summarise_budgets(rows, (300,), by=("bucket",)).set_index("bucket")
    assert by_bucket["n"].sum() == 4
    assert by_bucket.loc["1001-1362", "accuracy"] == 0  # 3 3 8 8
    binned = rows.assign(length=bin_lines(rows["lines"]))
    assert summarise_budgets(binned, (300,), by=("length",))["n"].tolist() == [4]
    assert list(bin_lines([1, 8, 9, 16.5, 128, 129])) == ["1-8", "1-8", "9-16", "17-32", "65-128", "over 128"]


def test_samples_count_for_pass_at_k():
    answers = [[RIGHT, NO_ANSWER, NO_ANSWER, RIGHT]] + [[NO_ANSWER] * 4] * 3
    rows = grade_quietly(say(*answers), samples=4, temperature=0.7)
    table = pass_at_k(rows, (1, 2, 4)).set_index("k")
    assert table["accuracy"].tolist() == pytest.approx([0.5 / 4, (1 - 1 / 6) / 4, 0.25])
    assert table["samples"].tolist() == [4] * 3
    assert pass_at_k(rows, (4,), budget=10)["accuracy"].tolist() == [0]
    summary = summarise_budgets(rows, (4096,)).iloc[0]
    assert (summary["puzzles"], summary["n"], summary["accuracy"]) == (4, 16, 0.125)
    assert summary["low"] < 0.125 < summary["high"]
    with pytest.raises(ValueError, match="k=5"):
        pass_at_k(rows, (5,))


def test_what_a_training_logs_of_its_check():
    found = measure(grade_quietly(say([RIGHT], [WRONG_VALUE]), budget=300))
    assert {name: found[name] for name in ("accuracy", "held_out_wrong", "held_out_unfinished")} == {
        "accuracy": 0.25, "held_out_wrong": 0.25, "held_out_unfinished": 0.5}  # fmt: skip
    assert (found["low"], found["high"]) == wilson(1, 4)


def test_a_pair_is_compared_puzzle_by_puzzle():
    before = grade_quietly(say([NO_ANSWER], [WRONG_VALUE]))
    after = grade_quietly(say([RIGHT]))
    change = pair(before, after, 4096)
    assert (change["difference"], change["gained"], change["lost"], change["puzzles"]) == (0.25, 1, 0, 4)
    assert change["low"] <= 0.25 <= change["high"]
    same = pair(after, after, 4096)
    assert same["difference"] == 0
    assert same["low"] < 0 < same["high"], "no difference on four puzzles is no certainty"
    with pytest.raises(ValueError, match="both have answered, got none"):
        pair(before[:1], after[1:], 4096)


def test_a_killed_grading_goes_on_where_it_was(tmp_path):
    path = tmp_path / "grades.parquet"
    policy = say([RIGHT])
    whole = grade_quietly(policy, seed=3)

    class Killed(ScriptedPolicy):
        def generate(self, prompts, *rest, **options):
            if self.calls:
                raise KeyboardInterrupt
            return super().generate(prompts, *rest, **options)

    with pytest.raises(KeyboardInterrupt):
        grade_quietly(Killed(policy.texts), seed=3, path=path, batch=2)
    assert len(read_grades(path)) == 2
    policy.calls.clear()
    rows = grade_quietly(policy, seed=3, path=path, batch=2)
    assert [prompt for call in policy.calls for prompt in call["prompts"]] == [f"Input: {' '.join(map(str, p))}\n"
                                                                               for p in PUZZLES[2:]]  # fmt: skip
    same = [column for column in COLUMNS if column not in ("seconds", "backend")]
    pd.testing.assert_frame_equal(rows[same], whole[same])
    pd.testing.assert_frame_equal(read_grades(path), rows)
    policy.calls.clear()
    grade_quietly(policy, seed=3, path=path)
    assert not policy.calls


def test_stages_live_side_by_side_in_one_file(tmp_path):
    path = tmp_path / "grades.parquet"
    grade_quietly(say([NO_ANSWER]), path=path, stage="start")
    rows = grade_quietly(say([RIGHT]), path=path, stage="end")
    assert rows["stage"].unique().tolist() == ["end"]
    assert read_grades(path).groupby("stage")["solved"].sum().to_dict() == {"start": 0, "end": 1}
    with pytest.raises(ValueError, match=r"the arm 'greedy', made otherwise \(budget is 4096 there and 100 here"):
        grade_quietly(say([RIGHT]), path=path, stage="end", budget=100)


def test_seeds_depend_on_puzzle_and_seed_alone():
    policy, other = say([RIGHT]), say([RIGHT])
    grade_quietly(policy)
    grade_quietly(other, PUZZLES[1:], batch=1)
    assert policy.calls[0]["seeds"][1:] == [seed for call in other.calls for seed in call["seeds"]]
    grade_quietly(other, seed=1)
    assert other.calls[-1]["seeds"] != policy.calls[0]["seeds"]


@pytest.mark.parametrize(
    ("options", "said"),
    [({"budget": 0}, "budget must be an integer >= 1, got 0"), ({"samples": 2}, "copies"),
     ({"batch": 1.5}, "batch must be an integer >= 1, got 1.5"),
     ({"puzzles": [(1, 2, 4, 8), (8, 4, 2, 1)]}, "1 2 4 8 is listed twice"), ({"puzzles": [(1, 2, "x")]}, "integer")],
)  # fmt: skip
def test_bad_input_is_named(options, said):
    puzzles = options.pop("puzzles", PUZZLES)
    with pytest.raises(ValueError, match=said):
        grade_quietly(say([RIGHT]), puzzles, **options)


def test_broken_files_are_named(tmp_path):
    path = tmp_path / "grades.parquet"
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(ValueError, match=r"grades\.parquet: not a readable table"):
        read_grades(path)
    rows = grade_quietly(say([RIGHT]))
    rows.drop(columns="tokens").to_parquet(path)
    with pytest.raises(ValueError, match="lacks the column 'tokens'"):
        read_grades(path)
    rows.assign(outcome="perfect").to_parquet(path)
    with pytest.raises(ValueError, match=r"outcome must be one of .*, got 'perfect'"):
        read_grades(path)
    rows.assign(tokens="many").to_parquet(path)
    with pytest.raises(ValueError, match="what it should not"):
        read_grades(path)
    with pytest.raises(OSError, match="no attempts here"):
        read_grades(tmp_path / "none.parquet")

