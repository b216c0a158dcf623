"""The result tables of Countdown, made from the numbers that are kept of its runs.

It does not know how anything was measured.
"""

from __future__ import annotations

from typing import Any

from game24lab.report.result_arms import MODE_HEAD, name_arm, spread_modes
from game24lab.report.result_cells import pick, show, show_accuracy, tabulate


def tabulate_countdown(report: Any) -> str:
    """Arms by their rules in the three modes, a run after the other, and the published answers by the same rules."""
    runs, rows = [run for run in report["runs"] if run["name"] == "09_strategies"], []
    for split in dict.fromkeys(run["parameters"]["split"] for run in runs):
        for run in (run for run in runs if run["parameters"]["split"] == split):
            arms = [arm for arm in report["results"] if arm["run"] == run["id"]]
            for place, row in enumerate(spread_modes((name_arm(arm), arm) for arm in arms)):
                first = f"`{split}`, run {run['id']} (n = {arms[-1]['problems']})"
                rows.append([first * (place == 0), *row])
        rows += list_chains(report, split)
        points = (point for point in report["published"] if point["split"] == split)
        for point in sorted(points, key=lambda point: point["accuracy"]):
            name = f"published: {point['model']}, {point['setting']} ({point['source'].partition(',')[0]})"
            rows.append(["", name, f"{show(100 * point['accuracy'], 1)} %", *[""] * 5])
    return tabulate(f"rules | strategy | {MODE_HEAD}", rows)


def list_chains(report: Any, split: str) -> list[list[str]]:
    """Rows of the policies that answer with one long chain, at the largest budget that their answers were given."""
    rows = []
    for run in report["runs"]:
        mine = [entry for entry in report.get("chains", ()) if entry["run"] == run["id"]]
        if mine and run["parameters"]["split"] == split:
            end = max(mine, key=lambda entry: entry["budget"])
            rows.append([f"`{split}`, run {run['id']} (n = {end['puzzles']})",
                         f"one long chain, at most {end['budget']:,} tokens", show_accuracy(end), show(end["tokens"]),
                         *[""] * 4])  # fmt: skip
    return rows


def tell_countdown(report: Any) -> list[str]:
    """Seeds, the critic, and the table."""
    facts, seeds = pick(report["runs"], name="04_critic")["facts"], {arm["seeds"] for arm in report["results"]}
    return [f"Seeds: {', '.join(map(str, sorted(seeds)))}. The critic on {facts['n']:,} held-out positions: AUC of "
            f"alive over dead {show(facts['auc'], 3)}, Brier score {show(facts['brier'], 3)}.",
            tabulate_countdown(report)]  # fmt: skip
