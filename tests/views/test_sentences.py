"""The sentence of a run's card: the numbers of the tables it is made from, with their interval."""

import re

import pandas as pd
import pytest

from game24lab.evaluation.chains import pair
from game24lab.views import sentences

INTERVAL = r"\[[-+]?[\d.]+, [-+]?[\d.]+\]"


def make_summary(*rows):
    names = ("arm", "mode", "problems", "accuracy", "low", "high", "sampled_tokens")
    return pd.DataFrame([dict(zip(names, row, strict=True)) for row in rows])


def test_the_best_arm_of_each_mode_is_told_the_cheaper_of_equals():
    best = ("rules", 100, 0.97, 0.915, 0.99)
    summary = make_summary(("greedy", "rules", 100, 0.36, 0.27, 0.46, 37), ("mcts", *best, 145), ("wide", *best, 900),
                           ("mcts", "verified", 100, 1.0, 0.963, 1.0, 146))  # fmt: skip
    assert sentences.tell_arms(summary) == (
        "Of 100 problems, by the rules mcts solves 97.0 % [91.5, 99.0] at 145 tokens; with the exact verifier mcts "
        "solves 100.0 % [96.3, 100.0] at 146 tokens.")  # fmt: skip


def grade(*solved):
    return pd.DataFrame({"numbers": [str(n) for n in range(len(solved))], "solved": solved, "tokens": 9, "budget": 64,
                         "outcome": "wrong value", "finished": True, "lines": 3, "characters": 40})  # fmt: skip


def test_a_change_is_that_of_the_pairs_and_says_where_it_may_be_chance():
    before, after = grade(*[False] * 30 + [True] * 10), grade(*[True] * 25 + [False] * 5 + [True] * 10)
    change, said = pair(before, after, 64), sentences.tell_change("GRPO", before, after, 64)
    assert "40 held-out problems" in said
    assert "from 25.0 % to 87.5 %" in said
    assert f"{100 * change['difference']:+.1f} points [{100 * change['low']:+.1f}, {100 * change['high']:+.1f}]" in said
    assert "chance" not in said
    assert "which may be chance" in sentences.tell_change("DPO", before, before, 64)


def test_the_other_sentences_have_intervals():
    passed = pd.DataFrame({"k": [1, 8], "accuracy": [0.2, 0.7], "low": [0.1, 0.6], "high": [0.3, 0.8]})
    summary = make_summary(("greedy", "rules", 50, 0.3, 0.2, 0.4, 37))
    said = sentences.tell_samples(summary, passed)
    assert re.findall(INTERVAL, said) == ["[20.0, 40.0]", "[60.0, 80.0]"]
    assert "at least one of 8 samples" in said
    budgets = pd.DataFrame({"budget": [64], "puzzles": [4], "accuracy": [0.5], "low": [0.2], "high": [0.8]})
    assert sentences.tell_samples(budgets, passed).startswith("Of 4 held-out problems")
    choices = pd.DataFrame([{"arm": arm, "k": 4, "accuracy": share, "low": share - 0.1, "high": share + 0.1,
                             "problems": 30} for arm, share in (("any", 0.8), ("critic max", 0.6))])  # fmt: skip
    said = sentences.tell_critic(choices, {"auc": 0.973, "n": 2215})
    assert "60.0 % [50.0, 70.0]" in said
    assert "80.0 % [70.0, 90.0]" in said
    assert "AUC of 0.973 on 2,215" in said
    assert "AUC" not in sentences.tell_critic(choices, {"auc": None, "n": 0})
    said = sentences.tell_line_critic(choices, {"auc": 0.8}, {"auc": None})
    assert said.endswith("80.0 % [70.0, 90.0]; it tells answers that end right with an AUC of 0.800.")
    assert sentences.tell_line_critic(choices, {"auc": None}, {"auc": None}).endswith("has 80.0 % [70.0, 90.0].")
    matches = pd.DataFrame([{"arm": "look ahead", "mode": "verified", "accuracy": 0.4, "baseline": "best of 8",
                             "baseline_accuracy": 0.36, "difference": 0.04, "low": -0.03, "high": 0.11, "problems": 9}])
    assert "+4.0 points [-3.0, +11.0]" in sentences.tell_match(matches)
    assert "No lookahead" in sentences.tell_match(matches.iloc[:0])
    point = {"accuracy": 0.9, "cost": 812.0, "hull": 0.88, "gain": 0.02, "gain_low": -0.01, "gain_high": 0.05}
    assert "90.0 % of 115 test problems at 812 tokens" in sentences.tell_router(point, 115)
    assert "+2.0 points [-1.0, +5.0]" in sentences.tell_router(point, 115)


@pytest.mark.parametrize("sides", [["unsolvable", "training", "held out", "training"], ["training"] * 4])
def test_puzzles_and_traces_are_counted(sides):
    exposure = {"begun": 3, "positions": 40, "begun_share": 3 / 40, "samples": 300}
    said = sentences.tell_puzzles(pd.DataFrame({"side": sides}), exposure)
    assert f"Of 4 puzzles {4 - sides.count('unsolvable')} have a solution" in said
    assert re.search(rf"7\.5 % {INTERVAL}", said)
    found = {"traces": 52, "roots": 40, "distinct": 51, "tokens": 9}
    assert "52 traces of 40 puzzles, 51" in sentences.tell_traces(found)
