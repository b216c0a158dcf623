"""First sentences of captions: what is said of rows, in ties, alone, at zero, without intervals, within chance."""

import math

import pandas as pd
import pytest

from game24lab.evaluation.statistics import wilson
from game24lab.report.findings import (
    describe_size,
    differ,
    find_best,
    find_changes,
    find_extremes,
    find_rise,
    tell_change,
)
from game24lab.report.measures import find_separation, find_shares, find_trends, tell_medians


def arm(label, solved, tokens=100, mode="verified", n=100, **more):
    low, high = wilson(solved, n)
    return {"label": label, "accuracy": solved / n, "low": low, "high": high, "sampled_tokens": tokens, "mode": mode,
            "problems": n, "seeds": 1} | more  # fmt: skip


def change(name, difference, low, high):
    return {"name": name, "difference": difference, "low": low, "high": high}


BARE = {"low": None, "high": None}
NAN = {"low": math.nan, "high": math.nan}


@pytest.mark.parametrize(("rows", "said"), [
    ([], "No arm was judged."),
    ([arm("a", 0) | {"accuracy": math.nan}, arm("b", 0) | {"accuracy": None}], "No arm was judged."),
    ([arm("a", 12, 640)], "a (verified) solves 12.0 % [7.0 – 19.8] of 100 problems (1 seed) at 640 tokens."),
    ([arm("a", 0)], "a (verified) solves none of 100 problems (1 seed)."),
    ([arm("a", 0), arm("b", 0, seeds=3)], "No arm solves any of 100 problems (1 to 3 seeds)."),
    ([arm("a", 12), arm("b", 52, 640), arm("c", 20)],
     "b (verified) solves most: 52.0 % [42.3 – 61.5] of 100 problems (1 seed) at 640 tokens."),
    ([arm("a", 50), arm("b", 52, 640, "verified"), arm("c", 2)],
     "No arm is best beyond chance: b (verified) solves 52.0 % [42.3 – 61.5] of 100 problems (1 seed) at 640 tokens; "
     "the intervals of 1 of 2 others touch that."),
    ([arm("a", 50, 90, "blind"), arm("b", 50, 10, "blind")],  # a tie: at the cost of the cheapest
     "No arm differs: all 2 solve 50.0 % [40.4 – 59.6] of 100 problems (1 seed) at 10 tokens."),
    ([arm("a", 50, 90, "blind"), arm("b", 50, 10, "blind"), arm("c", 5, 10, "blind")],  # the cheaper one leads
     "No arm is best beyond chance: b (blind) solves 50.0 % [40.4 – 59.6] of 100 problems (1 seed) at 10 tokens; the "
     "intervals of 1 of 2 others touch that."),
    ([arm("a", 51), arm("b", 50), arm("c", 49)],
     "No arm is best beyond chance: a (verified) solves 51.0 % [41.3 – 60.6] of 100 problems (1 seed) at 100 tokens; "
     "the intervals of all 2 others touch that."),
    ([arm("a", 12) | BARE, arm("b", 52, 7) | NAN],
     "b (verified) solves most, 52.0 % of 100 problems (1 seed) at 7 tokens; without intervals, that may be chance."),
    ([arm("a", 10), arm("b", 90, 7), arm("c", 20) | NAN],  # what is not known is not beaten
     "No arm is best beyond chance: b (verified) solves 90.0 % [82.6 – 94.5] of 100 problems (1 seed) at 7 tokens; the "
     "intervals of 1 of 2 others touch that."),
    ([arm("a", 10, mode="blind"), arm("b", 90, 7), arm("c", 20), arm("d", 60, 30, "rules"), arm("e", 59, 9, "rules")],
     "Best on 100 problems (1 seed): verified b, 90.0 % [82.6 – 94.5] at 7 tokens; by the rules d, 60.0 % [50.2 – "
     "69.1] at 30 tokens (the other one's interval touches that); blind a, 10.0 % [5.5 – 17.4] at 100 tokens."),
    ([arm("a", 10) | BARE, arm("b", 90, 7) | BARE, arm("c", 10, mode="blind") | BARE, arm("d", 9, mode="blind") | BARE],
     "Best on 100 problems (1 seed): verified b, 90.0 % at 7 tokens (no interval); blind c, 10.0 % at 100 tokens (no "
     "interval)."),
    ([arm("a", 10) | BARE, arm("b", 90, 7) | BARE, arm("c", 10, mode="blind"), arm("d", 9, mode="blind")],
     "Best on 100 problems (1 seed): verified b, 90.0 % at 7 tokens (no interval); blind c, 10.0 % [5.5 – 17.4] at 100 "
     "tokens (the other one's interval touches that)."),
    ([arm("b", 90, 7), arm("c", 91, n=100), arm("d", 12, 30, "rules", n=20), arm("e", 59, 9, "rules")],
     "No arm is best beyond chance on 20 to 100 problems (1 seed); ahead are: verified c, 91.0 % [83.8 – 95.2] at 100 "
     "tokens; by the rules d, 60.0 % [38.7 – 78.1] at 30 tokens."),
])  # fmt: skip
def test_the_best_is_said_and_whether_it_is_more_than_chance(rows, said):
    assert find_best(rows).replace("\u2009", " ") == said


def test_the_best_is_of_the_cost_and_the_noun_that_are_drawn():
    rows = [arm("a", 12, flops=2e9), arm("b", 90, flops=3.4e9)]
    assert find_best(rows, cost="flops").endswith("at 3.4 G FLOPs.")
    assert find_best(rows, cost=None).endswith("of 100 problems (1 seed).")
    assert find_best([], noun="run") == "No run was judged."


@pytest.mark.parametrize(("points", "said"), [
    ([], "No accuracy was measured."),
    ([arm("4", 12)], "Accuracy is 12.0 % [7.0 – 19.8] at 4 answers; nothing else was measured."),
    ([arm("4", 12), arm("64", 40)],
     "Accuracy rises from 12.0 % [7.0 – 19.8] at 4 answers to 40.0 % [30.9 – 49.8] at 64 answers."),
    ([arm("4", 40), arm("64", 12)],
     "Accuracy falls from 40.0 % [30.9 – 49.8] at 4 answers to 12.0 % [7.0 – 19.8] at 64 answers."),
    ([arm("4", 12), arm("64", 13)],
     "Accuracy does not change beyond chance: 12.0 % [7.0 – 19.8] at 4 answers, 13.0 % [7.8 – 21.0] at 64 answers."),
    ([arm("4", 12), arm("8", 90), arm("64", 13)],
     "Accuracy rises from 12.0 % [7.0 – 19.8] at 4 answers to 90.0 % [82.6 – 94.5] at 8 answers, and falls to 13.0 % "
     "[7.8 – 21.0] at 64 answers."),
    ([arm("4", 12), arm("64", 12)], "Accuracy stays at 12.0 % from 4 answers to 64 answers."),
    ([arm("4", 0), arm("8", 0)], "Accuracy stays at 0.0 % from 4 answers to 8 answers."),
    ([arm("4", 12) | BARE, arm("64", 40) | NAN],
     "Accuracy rises from 12.0 % at 4 answers to 40.0 % at 64 answers; without intervals, that may be chance."),
    ([arm("4", 12) | {"accuracy": math.nan}, arm("64", 40)],
     "Accuracy is 40.0 % [30.9 – 49.8] at 64 answers; nothing else was measured."),
])  # fmt: skip
def test_a_rise_is_said_where_it_is_more_than_chance(points, said):
    assert find_rise(points, "label", "{} answers").replace("\u2009", " ") == said


def test_points_of_the_same_attempts_rise_by_more_than_chance():
    points = [arm("1", 12), arm("2", 13)]
    assert find_rise(points, "label", "k = {}", what="pass@k", paired=True).replace("\u2009", " ") == (
        "pass@k rises from 12.0 % [7.0 – 19.8] at k = 1 to 13.0 % [7.8 – 21.0] at k = 2.")


@pytest.mark.parametrize(("rows", "said"), [
    ([], "No bucket was judged."),
    ([arm("1-8", 90)], "1-8: 90.0 % [82.6 – 94.5] solved."),
    ([arm("1-8", 90), arm("over 9", 20)],
     "Solved most and least: 1-8 90.0 % [82.6 – 94.5] and over 9 20.0 % [13.3 – 28.9], beyond chance."),
    ([arm("1-8", 21), arm("over 9", 20)],
     "No bucket differs from another beyond chance; furthest apart are 1-8 21.0 % [14.2 – 30.0] and over 9 20.0 % "
     "[13.3 – 28.9]."),
    ([arm("1-8", 20), arm("over 9", 20)], "No bucket differs: 20.0 % everywhere."),
])  # fmt: skip
def test_groups_are_told_apart_where_that_is_more_than_chance(rows, said):
    assert find_extremes(rows, "label", "bucket").replace("\u2009", " ") == said


@pytest.mark.parametrize(("rows", "said"), [
    ([], "No parameter was compared."),
    ([change("a", 0.1, None, None), change("b", math.nan, 0, 1)], "No parameter was compared."),
    ([change("width", 0.03, -0.01, 0.07), change("depth", -0.04, -0.09, 0.0)],
     "No parameter changes the accuracy beyond chance; furthest from 0: depth, -4.0 points [-9.0 to +0.0]."),
    ([change("width", 0.12, 0.05, 0.2), change("depth", -0.04, -0.09, 0.0)],
     "1 of 2 comparisons of a parameter shows a change beyond chance; most: width, +12.0 points [+5.0 to +20.0]."),
    ([change("harm", -0.2, -0.3, -0.1)] + [change("none", 0.0, -0.1, 0.1)] * 39,
     "1 of 40 comparisons of a parameter shows a change beyond chance, where luck alone makes 2; most: harm, -20.0 "
     "points [-30.0 to -10.0]."),
])  # fmt: skip
def test_changes_are_counted_beside_those_that_luck_makes(rows, said):
    assert find_changes(rows) == said


def test_a_change_says_whether_it_is_more_than_chance():
    assert tell_change(change("", 0.12, 0.05, 0.2)) == "+12.0 points [+5.0 to +20.0], beyond chance"
    assert tell_change(change("", 0.12, 0.0, 0.2)) == "+12.0 points [+0.0 to +20.0], within chance"
    assert tell_change(change("", 0.12, None, 0.2)) == "no points known"


@pytest.mark.parametrize(("auc", "alive", "positions", "said"), [
    (0.91, 200, 500, "The critic tells alive from dead (AUC 0.910 on 500 positions)."),
    (0.52, 200, 500, "The critic tells alive from dead no better than chance (AUC 0.520 on 500 positions)."),
    (0.91, 1, 4, "The critic tells alive from dead no better than chance (AUC 0.910 on 4 positions)."),
    (0.2, 200, 500, "The critic takes dead for alive more than chance would (AUC 0.200 on 500 positions)."),
    (None, 500, 500, "No AUC: of 500 positions 500 are alive, and both kinds are needed."),
    (math.nan, 0, 500, "No AUC: of 500 positions 0 are alive, and both kinds are needed."),
])  # fmt: skip
def test_a_critic_that_guesses_is_called_one(auc, alive, positions, said):
    assert find_separation(auc, alive, positions) == said


def test_the_largest_part_of_a_cost_is_named():
    parts = {"prompts": "p", "sampling": "s"}
    rows = [{"label": "a", "p": 1.0, "s": 3.0}, {"label": "b", "p": 3.0, "s": 33.0}]
    assert find_shares(rows, parts, "FLOPs") == (
        "Of all FLOPs, 90.0 % go into the sampling; b takes 9 times as many as a.")
    assert find_shares(rows[:1], parts, "FLOPs") == "Of all FLOPs, 75.0 % go into the sampling; a takes 4."
    assert find_shares([{"label": "a", "p": 0, "s": None}], parts, "FLOPs") == "No arm takes any FLOPs."
    free = [{"label": "a", "p": 0, "s": 0}, {"label": "b", "p": 0, "s": 5e9}]
    assert find_shares(free, parts, "FLOPs") == "Of all FLOPs, 100.0 % go into the sampling; b takes 5 G."


def test_trends_are_means_of_both_ends_and_not_their_luck():
    steps = range(100)
    log = pd.DataFrame({"step": steps, "reward": [0.5 + step / 200 + 0.1 * (-1) ** step for step in steps],
                        "unfinished": 0.25, "none": math.nan})  # fmt: skip
    said = find_trends(log, {"reward": "reward", "unfinished": "unfinished", "none": "none"}, ["unfinished"])
    assert said == "reward from 0.522 to 0.972 and unfinished at 25.0 % throughout."
    assert find_trends(log, {"none": "none"}) == "no column of the log holds a number."
    assert find_trends(log[:1], {"reward": "reward"}) == "reward at 0.6 throughout."


def test_medians_are_told_by_ending():
    rows = pd.DataFrame({"ending": ["solved"] * 3 + ["wrong"] * 2, "tokens": [1, 2, 9, 40, 60], "none": math.nan})
    assert tell_medians(rows, "tokens", "tokens of an answer") == (
        "The median of tokens of an answer is 9; by ending (answers): solved 2 (3) and wrong 50 (2).")
    assert tell_medians(rows, "none", "wrong line") == "No answer has any wrong line."


def test_what_does_not_touch_differs_and_what_is_unknown_is_neither():
    assert differ(arm("a", 10), arm("b", 90)) is True
    assert differ(arm("a", 10), arm("b", 12)) is False
    assert differ(arm("a", 10), arm("b", 90) | NAN) is None
    assert differ({"low": 0.1, "high": 0.2}, {"low": 0.2, "high": 0.3}) is False
    assert describe_size([{"puzzles": 20}, {"problems": 1000, "seeds": 1}]) == "20 to 1,000 problems (1 seed)"
