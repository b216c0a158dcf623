"""What runs came to, each in one sentence with its interval: the first line of the card that ends a notebook.

Each takes the tables that the notebook shows anyway. It does not know where a sentence stands, nor how tables are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from game24lab.evaluation.chains import find_key, pair
from game24lab.evaluation.statistics import wilson
from game24lab.search.modes import MODES
from game24lab.views.tables import formats as fmt
from game24lab.views.tables.records import list_records

_HELP = {"blind": "with no help", "rules": "by the rules", "verified": "with the exact verifier"}


def tell_arms(summary: pd.DataFrame) -> str:
    """Of each mode the arm that solves most, the cheaper of equals; `evaluation.tables.summarise`."""
    said, problems = [], int(summary["problems"].max())
    for mode in MODES:
        rows = summary[summary["mode"] == mode].sort_values(["accuracy", "sampled_tokens"], ascending=[False, True])
        if len(rows):
            best = rows.iloc[0]
            share = fmt.bracket(best["accuracy"], best["low"], best["high"])
            said.append(f"{_HELP[mode]} {best['arm']} solves {share} at {best['sampled_tokens']:,.0f} tokens")
    return f"Of {problems} problems, {'; '.join(said)}."


def tell_samples(summary: pd.DataFrame, passed: pd.DataFrame) -> str:
    """What the first arm solves, and one of the most samples: a table of arms or budgets, and one of pass@k."""
    first, last = summary.iloc[-1 if "budget" in summary else 0], passed.sort_values("k").iloc[-1]
    count = int(first["problems" if "problems" in first else "puzzles"])  # a row of numbers alone is one of floats
    return (f"Of {count} held-out problems it solves {fmt.bracket(first['accuracy'], first['low'], first['high'])} "
            f"greedily, and {fmt.bracket(last['accuracy'], last['low'], last['high'])} with at least one of "
            f"{int(last['k'])} samples.")  # fmt: skip


def tell_change(name: str, before: pd.DataFrame, after: pd.DataFrame, budget: int) -> str:
    """What a training has added on the problems that were answered before and after it: rows of graded answers."""
    change = pair(before, after, budget)
    shares = [100 * rows.groupby(find_key(rows))["solved"].mean().mean() for rows in (before, after)]
    low, high = (fmt.points(change[end]) for end in ("low", "high"))
    sure = "" if change["low"] > 0 or change["high"] < 0 else ", which may be chance"
    return (f"{name} took the share of {change['puzzles']} held-out problems that are solved from {shares[0]:.1f} % to "
            f"{shares[1]:.1f} %: {fmt.points(change['difference'])} points [{low}, {high}], paired by problem"
            f"{sure}.")  # fmt: skip


def tell_rounds(table: pd.DataFrame) -> str:
    """What the rounds of the line `search` came to, the first repetition's: `training.expert_iteration.iterate`."""
    main = table[(table["line"] == "search") & (table["seed"] == table["seed"].min())]
    first, best = main.iloc[0], main[main["round"] == main["best"].iloc[-1]].iloc[0]
    shares = [fmt.bracket(*(row[f"held_out_pass_1{end}"] for end in ("", "_low", "_high"))) for row in (first, best)]
    end = f" It ended early: {main['stopped'].iloc[-1]}." if main["stopped"].iloc[-1] else ""
    none = " No round was accepted: the gate has never opened." if not best["round"] and len(main) > 1 else ""
    return (f"Of {fmt.percent(main['solved_ever'].iloc[-1])} of the training puzzles searches have found a solution "
            f"(round 0: {fmt.percent(first['solved_ever'])}); exact pass@1 on {best['held_out_problems']:.0f} held-out "
            f"puzzles went from {shares[0]} to {shares[1]} in round {best['round']}.{none}{end}")  # fmt: skip


def tell_match(matches: pd.DataFrame) -> str:
    """The lookahead that gains most on its baseline of equal tokens: `evaluation.decoding.match`."""
    if matches.empty:
        return "No lookahead has a baseline that ends as it does."
    best = matches.sort_values("difference", ascending=False).iloc[0]
    low, high = (fmt.points(best[end]) for end in ("low", "high"))
    return (f"{best['arm']} ({best['mode']}) solves {fmt.percent(best['accuracy'])} of {best['problems']} problems, "
            f"{best['baseline']} {fmt.percent(best['baseline_accuracy'])} at as many tokens: "
            f"{fmt.points(best['difference'])} points [{low}, {high}].")  # fmt: skip


def tell_critic(choices: pd.DataFrame, measures: Mapping[str, Any]) -> str:
    """What choosing by the critic comes to beside a perfect chooser, and how it tells alive from dead."""
    auc = "" if measures["auc"] is None else f"; it tells alive positions from dead ones with an AUC of " \
                                             f"{measures['auc']:.3f} on {measures['n']:,}"  # fmt: skip
    return f"{_tell_choices(choices)}{auc}."


def tell_line_critic(choices: pd.DataFrame, ended: Mapping[str, Any], sound: Mapping[str, Any]) -> str:
    """The same of a critic of lines, with how it tells what ends right, and lines without a false calculation."""
    found = [(ended["auc"], "answers that end right"), (sound["auc"], "lines without a false calculation")]
    told = [f"{what} with an AUC of {auc:.3f}" for auc, what in found if auc is not None]
    return f"{_tell_choices(choices)}{'; it tells ' * bool(told)}{' and '.join(told)}."


def _tell_choices(choices: pd.DataFrame) -> str:
    rows = list_records(choices[choices["k"] == choices["k"].max()])
    found = {row["arm"]: fmt.bracket(row["accuracy"], row["low"], row["high"]) for row in rows}
    return (f"Choosing one of {rows[0]['k']} answers by the critic is right for {found['critic max']} of "
            f"{rows[0]['problems']} held-out problems, where a perfect chooser has {found['any']}")  # fmt: skip


def tell_router(point: Mapping[str, Any], problems: int) -> str:
    """A router at its operating point beside the best mix of fixed arms: a row of `RouterEvaluation.at_prices`."""
    low, high = (fmt.points(point[f"gain_{end}"]) for end in ("low", "high"))
    return (f"The router solves {fmt.percent(point['accuracy'])} of {problems} test problems at {point['cost']:,.0f} "
            f"tokens each, the best mix of fixed arms {fmt.percent(point['hull'])} at that cost: "
            f"{fmt.points(point['gain'])} points [{low}, {high}].")  # fmt: skip


def tell_puzzles(table: pd.DataFrame, exposure: Mapping[str, Any]) -> str:
    """How many puzzles there are on either side of a split, counted; and what samples have met of the held-out ones."""
    sides = table["side"].value_counts()
    low, high = wilson(int(exposure["begun"]), int(exposure["positions"]))
    share = fmt.bracket(exposure["begun_share"], low, high)
    return (f"Of {len(table):,} puzzles {len(table) - sides.get('unsolvable', 0):,} have a solution, "
            f"{sides.get('held out', 0):,} of them are held out; of the live positions one move behind those, {share} "
            f"begin one of {exposure['samples']:,} training samples.")  # fmt: skip


def tell_traces(found: Mapping[str, Any]) -> str:
    """What was written, all of it counted: `training.data.trace_dataset.describe_traces`."""
    return (f"{found['traces']:,} traces of {found['roots']:,} puzzles, {found['distinct']:,} of them distinct, with "
            f"{found['tokens']:,} tokens (counted, not estimated).")  # fmt: skip


def tell_scaling(rates: pd.DataFrame, split: pd.DataFrame) -> str:
    """Exchange rates of training for thinking, and what the largest budget comes to: `frontier.tabulate_rates` and
    `budgets.split_both`."""
    known = rates.dropna(subset=["rate", "low"])
    said = [f"{row['strategy']} ({row['mode']}) {row['rate']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
            for row in list_records(known)]  # fmt: skip
    worth = ("Decades of thinking that replace one of training: " + "; ".join(said) + "." if said else
             "No strategy has an exchange rate with an interval.")  # fmt: skip
    last = list_records(split)[-1] if len(split) else None
    best = "" if last is None else (f" {last['problems']:,.0f} problems with {fmt.short(last['total'])} FLOPs in all"
                                    f"{'' if last['verifier'] else ' and no verifier'} "
                                    f"are answered to {fmt.bracket(last['accuracy'], last['low'], last['high'])}.")
    return worth + best
