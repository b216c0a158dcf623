"""The columns by which this house shows its results: arms of a search, graded answers, comparisons, critics, routers.

Six columns at most; what else a record holds stands behind the fold. Notebooks, the command line and reports show the
same. It does not know where records come from.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import PurePath

from game24lab.views.tables import formats as fmt
from game24lab.views.tables.columns import Column, Row, count, fixed, made, percent, points, short, text

HELPED = {"blind": "nothing (blind)", "rules": "the rules", "verified": "the verifier"}  # the models, by mode
_HELPED = made(lambda row: HELPED.get(row["mode"], row["mode"]), align="left")
_SOLVED = percent("accuracy", "low", "high")
_DIFFERENCE = points("difference", "low", "high")
_GAIN = points("gain", "gain_low", "gain_high")


def list_arm_columns(name: str = "arm") -> dict[str, Column]:
    """Arms of searches, `name` the key of what they are called; see `evaluation.tables.summarise`."""
    return {"arm": text(name, 1), "n": made(_count_problems), "accuracy": _SOLVED, "tokens": count("sampled_tokens"),
            "FLOPs": short("flops"), "what helped": _HELPED}  # fmt: skip


def _count_problems(row: Row) -> str:
    """Problems, and how often each was tried where that is more than once."""
    seeds = row.get("seeds") or 1
    return f"{row['problems']:,}" + f" x {seeds}" * (seeds > 1)


def _show(key: str) -> Column:
    return made(lambda row: fmt.show(row.get(key)))


# Traces: what there is of each style and length, and the positions that they give up.
TRACES = {"style": text("style"), "length": text("bucket"), "traces": count("traces"), "lines": fixed("lines"),
          "roll backs": percent("rollback_share"), "tokens": made(
              lambda row: f"{fmt.count(row['tokens.least'])} to {fmt.count(row['tokens.most'])}")}  # fmt: skip
ABANDONED = {"style": text("style"), "traces": count("traces"), "positions given up": count("abandoned"),
             "dead": percent("dead"), "shown to be dead": percent("exhausted")}  # fmt: skip

# Puzzles.
SIDES = {"side": text("side"), "puzzles": count("puzzles"), "solutions (median)": count("solutions"),
         "first moves alive": percent("alive")}  # fmt: skip
_RANKED = {"published": "people", "intrinsic": "solver"}  # rankings, by those who made them


def list_puzzle_columns(ranking: str) -> dict[str, Column]:
    """Puzzles; `ranking` is the name of the one that gives their ranks, see `tasks.numbers.rankings.Ranking`."""
    return {"puzzle": text("puzzle", 1), "solutions": count("solutions"), "first moves alive": percent("alive"),
            f"rank ({_RANKED.get(ranking, PurePath(ranking).name)})": count("rank"), "side": text("side")}  # fmt: skip



# Searches: what they are, what they reach, and lookaheads beside a baseline of their cost.
SEARCHES = {"arm": text("arm", 1), "strategy": text("algorithm"),
            "given": made(lambda row: fmt.settings(row["given"]), 1, "left"), "what helped": _HELPED}  # fmt: skip
ARMS = list_arm_columns()
MATCHES = {"arm": text("arm", 1), "solved": percent("accuracy"), "beside": text("baseline", 1),
           "it solved": percent("baseline_accuracy"), "difference": _DIFFERENCE, "what helped": _HELPED}  # fmt: skip
GRID = {"rule": text("rule"), "simulations": count("simulations"), "depth": count("depth"), "solved": _SOLVED,
        "tokens": count("sampled_tokens"), "ms a token": fixed("seconds_per_token", 1, 1000)}  # fmt: skip

PASSED = {"k": count("k"), "n": count("problems"), "sampled": _SOLVED, "exact": percent("exact"),
          "inside": _show("inside")}  # fmt: skip

# Graded answers, see `evaluation.chains.summarise_budgets`; where some are from before a training, with their stage.
BUDGETS = {"budget": count("budget"), "answers": count("n"), "solved": _SOLVED, "unfinished": percent("unfinished"),
           "tokens": count("tokens")}  # fmt: skip
STAGES = {"stage": text("stage"), **BUDGETS}
CHANGE = {"difference": _DIFFERENCE, "problems": count("puzzles"), "gained": count("gained"), "lost": count("lost")}
EXACT_CHANGE = {"pass@k": count("k"), "before": percent("before"), "after": percent("after"), "difference": _DIFFERENCE,
                "problems": count("puzzles")}  # fmt: skip
LENGTHS = {"ending": text("ending"), "answers": count("n"), "share": percent("share"), "tokens": count("tokens"),
           "lines": fixed("lines"), "rollbacks": fixed("rollbacks")}  # fmt: skip
WRONG_LINES = {"ending": text("ending"), "answers": count("n"), "with a wrong line": percent("damaged"),
               "first at line": count("first"), "lines right": percent("share_right"),
               "give up what is alive": percent("unsound")}  # fmt: skip
REASONS = {"reason": text("reason", 1), "line": text("kind"), "answers": count("n"), "share": percent("share")}

# Critics, and answers that nobody checks.
DEPTHS = {"moves made": count("group"), "positions": count("n"), "alive": percent("alive"), "AUC": fixed("auc", 3),
          "alive, called dead": percent("false_dead"), "dead, called alive": percent("false_alive")}  # fmt: skip
LINES = {"held against": text("against", 1), "positions": count("n"), "AUC": fixed("auc", 3),
         "right, called wrong": percent("false_dead"), "wrong, called right": percent("false_alive")}  # fmt: skip
FAULTS = {"how a chain ends": text("kind", 1), "chains": count("n"), "accepted": percent("accepted", "low", "high"),
          "mean P": fixed("mean", 2)}  # fmt: skip
GAINS = {"arm": text("arm", 1), "no critic": percent("none"),
         "trained": made(lambda row: fmt.percent(row.get("trained"))), "truth": percent("truth"),
         "gap": points("gap", "gap_low", "gap_high"), "what helped": _HELPED}  # fmt: skip
CLAIMS = {"how an answer ends": text("end", 1), "answers": count("n"), "share": percent("share", "low", "high"),
          "claim the target": percent("claims")}  # fmt: skip
CHOICES = {"choice": text("choice", 1), "n": count("problems"), "accuracy": _SOLVED}
ANSWERS = {"answer": text("answers", 1), "score": fixed("agg_scores", 3), "right": _show("correct"),
           "tokens": count("completion_tokens")}  # fmt: skip

# Rounds of expert iteration; one that ended early has not been measured.
_ROUND = made(lambda row: f"{row['round']}" + " (refused)" * (not row["accepted"]))
_LINE = made(lambda row: f"{row.get('line', '')}, seed {row.get('seed', 0)}", 1, "left")
ROUNDS = {"line": _LINE, "round": _ROUND, "solved": percent("solved_ever"),
          "exact pass@1": percent("held_out_pass_1", "held_out_pass_1_low", "held_out_pass_1_high"),
          "below 1e-4": percent("held_out_below_1e4"), "FLOPs": short("flops_total")}  # fmt: skip


def _maybe(key: str, write: Callable = fmt.percent) -> Column:
    return made(lambda row: write(row.get(key)))


GROUPS = {"round": _ROUND, "the easiest quarter": _maybe("solved_1"), "the second": _maybe("solved_2"),
          "the third": _maybe("solved_3"), "the hardest": _maybe("solved_4"),
          "solutions each": made(lambda row: fmt.fixed(row.get("calculations")))}  # fmt: skip
CRITICS = {"round": _ROUND, "AUC": _maybe("critic_new_auc", partial(fmt.fixed, digits=3)),
           "Brier": _maybe("critic_new_brier", partial(fmt.fixed, digits=3)),
           "new policy, new critic": _maybe("search_new_policy_new_critic"),
           "new policy, old critic": _maybe("search_new_policy_old_critic"),
           "old policy, new critic": _maybe("search_old_policy_new_critic")}  # fmt: skip

# Routers.
LABELS = {"arm": text("arm", 1), "chance": percent("probability"), "tokens": count("sampled_tokens"),
          "seconds": fixed("seconds", 3), "trials": count("trials")}  # fmt: skip
FEATURES = {"feature": text("index", 1), "mean": _show("mean"), "deviation": _show("std"), "lowest": _show("min"),
            "highest": _show("max")}  # fmt: skip
LESSONS = {"model, features": text("lesson", 1), "excess loss": fixed("excess", 3), "AUC": fixed("auc", 3),
           "tokens": count("cost"), "solved": percent("accuracy"), "gain": _GAIN}  # fmt: skip
AT_COSTS = {"at the cost of": text("arm", 1), "tokens": count("cost"), "the arm": percent("arm_accuracy"),
            "hull": percent("hull"), "router": percent("accuracy"), "gain": _GAIN}  # fmt: skip
BEST = {"best fixed arm": text("arm", 1), "solves": percent("arm_accuracy"), "tokens": count("arm_cost"),
        "the router needs": count("cost"), "share of these": made(
            lambda row: f"{fmt.fixed(row['ratio'], 2)} [{fmt.fixed(row['low'], 2)}, {fmt.fixed(row['high'], 2)}]")}

def _tell_rate(name: str, prefix: str = "") -> Column:
    """A rate with its interval `<prefix>low` to `<prefix>high`, where it has one."""
    def tell(row: Row) -> str:
        rate, low, high = (fmt.fixed(row.get(key), 2) for key in (name, f"{prefix}low", f"{prefix}high"))
        return rate if row.get(f"{prefix}low") is None else f"{rate} [{low}, {high}]"

    return made(tell)


# Scaling: what a grid costs, numbers of a law, cells beside it, exchange rates, splits of a budget.
GRID_COST = {"size": text("size"), "seed": count("seed"), "cells": count("cells"), "tokens": short("tokens"),
             "FLOPs": short("flops"), "hours": fixed("hours", 2)}  # fmt: skip
SCALING_CELLS = {"cell": text("cell", 1), "parameters": short("parameters"), "tokens": short("tokens"),
                 "FLOPs": short("flops"), "one sample": percent("p", "low", "high"),
                 "pass@1024": percent("pass_1024")}  # fmt: skip
LAW = {"number": text("name", 1), "value": _show("value"), "low": _show("low"), "high": _show("high")}
FORMS = {"form": text("form", 1), "unknowns": count("unknowns"), "error": percent("error"),
         "corner missed by": percent("missed")}  # fmt: skip
CHOSEN = {"size": text("size"), "parameters": short("parameters"), "tokens": short("tokens"),
          "predicted": fixed("predicted", 3), "low": fixed("low", 3), "high": fixed("high", 3)}  # fmt: skip
TRIED = {"cell": text("cell", 1), "predicted": fixed("predicted", 3), "low": fixed("low", 3), "high": fixed("high", 3),
         "measured": fixed("measured", 3), "error": percent("error")}  # fmt: skip
RESIDUALS = {"cell": text("cell", 1), "measured": fixed("measured", 3), "predicted": fixed("predicted", 3),
             "error": percent("error")}  # fmt: skip
RATES = {"strategy": text("strategy", 1), "what helped": _HELPED, "decades": _tell_rate("rate"),
         "cheaper half": _tell_rate("cheaper", "cheaper_"), "dearer half": _tell_rate("dearer", "dearer_"),
         "points": count("points")}  # fmt: skip
STEPS = {"strategy": made(lambda row: f"{row['strategy']} ({row['mode']})", 1, "left"), "from": count("before"),
         "to": count("after"), "gain": points("gain", "low", "high"),
         "trainings that gain": made(lambda row: f"{row['up']} of {row['trainings']}")}  # fmt: skip
SPLITS = {"problems": count("problems"), "total FLOPs": short("total"), "size": text("size"),
          "strategy": made(lambda row: f"{row['strategy']} ({row['mode']})", 1, "left"), "thinking": percent("share"),
          "accuracy": _SOLVED}  # fmt: skip
