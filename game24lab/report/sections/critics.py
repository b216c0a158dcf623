"""What reports say of critics: how far their values can be trusted, and what a better one would be worth.

It reads what 04_critic leaves in a run's folder, each file where it is there:

    calibration.parquet   as in evidence.py, optional with `depth`
    choices.parquet       `evaluation.selection.compare_selections`: ways to choose among the same samples
    noiselab.parquet      `evaluation.noise_study.tabulate`; gains.parquet `measure_gains`; widths.parquet `find_widths`

It does not know which report it stands in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from game24lab.evaluation.calibration import measure_groups
from game24lab.evaluation.oracle_critics import find_like
from game24lab.report.document import Block, Picture, Table
from game24lab.report.evidence import CALIBRATION, Evidence, describe_runs
from game24lab.report.findings import differ, find_best, tell_share
from game24lab.report.layout import draw_picture
from game24lab.report.measures import find_misses, find_separation
from game24lab.report.summaries import summarise_calibration
from game24lab.report.tables import Row, count, fixed, make_table, percent, text
from game24lab.search.modes import read_mode
from game24lab.views.charts import critics as diagrams
from game24lab.views.charts import theme as figures
from game24lab.views.tables import formats as fmt
from game24lab.views.tables.records import plain

FILES = {
    "choices": ("arm", "k", "accuracy", "low", "high", "problems"),
    "noiselab": ("critic", "sigma", "arm", "mode", "problems", "seeds", "accuracy", "low", "high", "sampled_tokens"),
    "gains": ("arm", "mode", "problems", "none", "truth", "gap", "gap_low", "gap_high"),
    "widths": ("algorithm", "mode", "critic", "sigma", "width", "accuracy", "low", "high", "sampled_tokens", "useful"),
}
NOISE, TRUTH = ("noiselab", "gains", "widths"), ("calibration", "depths", "choices")  # what stands in which section
_TRAINED = ("trained", "closed", "closed_low", "closed_high", "like_sigma", "like_sigma_low", "like_sigma_high")
FORMER_NONE = "blind"  # how runs before November 2026 call a search without a critic
FEW = 30  # positions, below which an AUC is not told where there are others
PERFECT = "any"  # the way to choose that is right where any answer is
SHIPPED = ("", "shipped")  # what a parameter says of the model that ships
Numbers = Mapping[str, Sequence[Row]]


def name_model(run: Row, who: str = "critic") -> str:
    """Which critic (or policy) a run is about, in words, from what `evidence.describe_runs` says of it.

    04_critic is about the critic that it trains. One that no run is known to have trained has the hash of its
    checkpoint beside it where the run kept that.
    """
    source = run["id"] if (run["name"], who) == ("04_critic", "critic") else (run["inputs"] or {}).get(who)
    if source:
        return f"the one trained in run {source}"
    given = run["parameters"].get(who)
    named = "the shipped one" if given in SHIPPED else given or "one that the run does not name"
    kept = ((run["facts"] or {}).get("checkpoints") or {}).get(who)
    return f"{named} ({kept})" if kept else named


def name_critics(evidence: Sequence[Evidence]) -> dict[str, list[str]]:
    """The critics by what they did: `searched` with arms, `measured` by 04_critic; each named once, as above."""
    parts: dict[str, list[str]] = {"searched": [], "measured": []}
    for one, run in zip(evidence, describe_runs(evidence), strict=True):
        holding = one.rows is not None and (one.rows["critic_parameters"] > 0).any()
        for part, there in (("searched", holding), ("measured", run["name"] == "04_critic")):
            parts[part] += [name_model(run)] if there and name_model(run) not in parts[part] else []
    return parts


def describe_critics(names: Mapping[str, Sequence[str]]) -> str:
    """Whether the arms' critic is the one that is measured, as sentences."""
    searched, measured = (" and ".join(names[part]) for part in ("searched", "measured"))
    if not measured:
        return f"The critic of the arms: {searched}." if searched else "No arm asked a critic."
    if names["searched"] == names["measured"]:
        return f"One critic throughout: {searched}."
    return (f"The critic of the arms: {searched or 'none'}. Calibration, choices among samples and noise lab are about "
            f"another: {measured}.")  # fmt: skip


def gather_critics(evidence: Iterable[Evidence]) -> dict[str, list[dict[str, Any]]]:
    """Every number on critics, JSON-able: `calibration`, `depths` and those of `FILES`, a list each, maybe empty.

    A sigma is None where it is no finite number: the column `critic` says whether that is none or the trained one.
    """
    evidence = list(evidence)
    found: dict[str, list[dict[str, Any]]] = {"calibration": summarise_calibration(evidence), "depths": []}
    for one in evidence:
        table = one.calibration
        if table is not None and "depth" in table:
            rows = measure_groups(table["value"], table["truth"].astype(bool), table["depth"])
            found["depths"] += [{"run": one.run.id, "source": one.source(CALIBRATION)} | row for row in plain(rows)]
    found |= {file: [row for one in evidence for row in _read(one, file)] for file in FILES}
    names = {run["id"]: name_model(run) for run in describe_runs(evidence)}
    for row in (row for rows in found.values() for row in rows):
        row["judge"] = names[row["run"]]
    return found


def _read(one: Evidence, file: str) -> list[dict[str, Any]]:
    table = one.read(f"{file}.parquet", FILES[file], _TRAINED if file == "gains" else (), former={FORMER_NONE: "none"})
    if "critic" in table:
        table["critic"] = table["critic"].replace(FORMER_NONE, "none")
    if "mode" in table:
        table["mode"] = table["mode"].map(read_mode)
    head = {"run": one.run.id, "source": one.source(f"{file}.parquet")}
    auc = (one.run.manifest.get("facts") or {}).get("sibling_auc")
    head |= {"like": find_like(auc)} if file == "noiselab" else {}
    return [head | row for row in plain(table)]


def _restore(rows: Sequence[Row]) -> pd.DataFrame:
    """A table to draw, with the sigmas that JSON cannot hold."""
    unwritten = {"none": math.inf, "trained": math.nan}
    return pd.DataFrame(rows).assign(sigma=[unwritten.get(row["critic"], row["sigma"]) for row in rows])


# ------------------------------------------------------------------------------------------- blocks
def list_pictures(blocks: Iterable[Block]) -> list[Picture]:
    """The pictures among some blocks."""
    return [block for block in blocks if isinstance(block, Picture)]


def draw_calibration(entry: Row) -> Picture:
    """One critic's reliability, and its values on alive and on dead positions."""
    figure = figures.draw_calibration(pd.DataFrame(entry["reliability"]), pd.DataFrame(entry["values"]))
    against = "share of rollouts solved" if entry["against"] == "solved" else "share alive by the exact solver"
    who = f"The critic, {entry['judge']}," if "judge" in entry else "The critic"
    finding = find_separation(entry["auc"], entry["alive"], entry["positions"], who)
    caption = (f"{finding} {find_misses(entry['reliability'], 'positions')} Left: {against} by predicted chance (95 % "
               f"Wilson; Brier score {entry['brier']:.3f}). Right: its values on alive and on dead "
               "positions.")  # fmt: skip
    return draw_picture(figure, caption, entry["source"], 190)


def add_critics(numbers: Numbers) -> list[Block]:
    """Calibration, errors by depth and ways to choose among samples, as far as there are numbers."""
    blocks: list[Block] = [draw_calibration(entry) for entry in numbers["calibration"]]
    for depths in _by_run(numbers["depths"]):
        told = ", ".join(f"{e['group']}: {fmt.percent(e['false_dead'])} / {fmt.percent(e['false_alive'])}"
                         for e in depths)  # fmt: skip
        caption = (f"{_find_depths(depths)} Judged wrongly by moves made (alive called dead / dead called alive), and "
                   f"AUC: the critic, {depths[0]['judge']}. {told}.")  # fmt: skip
        blocks.append(draw_picture(diagrams.draw_depths(pd.DataFrame(depths)), caption, depths[0]["source"], 190))
    for choices in _by_run(numbers["choices"]):
        table = pd.DataFrame(choices)
        most = [row for row in choices if row["k"] == table["k"].max()]
        finding = find_best([row for row in most if row["arm"] != PERFECT], "arm", None, "way to choose",
                            f" with {table['k'].max()} answers")  # fmt: skip
        ceiling = "".join(f" (here {fmt.percent(row['accuracy'])})" for row in most if row["arm"] == PERFECT)
        caption = (f"{finding} Ways to choose one of k answers, the same samples for all. Any{ceiling}: a perfect "
                   f"chooser. The critic: {choices[0]['judge']}.")  # fmt: skip
        blocks.append(draw_picture(figures.draw_pass_at_k(table), caption, choices[0]["source"], 220))
    return blocks


def add_noise(numbers: Numbers) -> list[Block]:
    """The noise lab: accuracy by the critic's noise, what a critic is worth to each strategy, useful widths."""
    blocks: list[Block] = []
    for lab in _by_run(numbers["noiselab"]):
        table, like = _restore(lab), lab[0]["like"]
        trained = f"the trained critic ({lab[0]['judge']})"
        more = "" if like is None else f" Stars: {trained}, at the noise of equal sibling AUC, {like:.2f}."
        tried = f"{table['problems'].max()} problems, {table['seeds'].max()} seed(s), 95 %"
        caption = f"{_find_worth(lab)} Searches with truth, with truth and noise, and with no critic; {tried}.{more}"
        blocks.append(draw_picture(diagrams.draw_noise(table, like=like), caption, lab[0]["source"], 300))
    blocks += [_describe_gains(numbers["gains"])] if numbers["gains"] else []
    for widths in _by_run(numbers["widths"]):
        for (algorithm, mode), table in _restore(widths).groupby(["algorithm", "mode"], sort=False):
            useful = table.groupby("critic", sort=False)["useful"].first()
            told = "; ".join(f"{int(width)} with {', '.join(group.index)}" for width, group in useful.groupby(useful))
            caption = (f"Useful widths of {algorithm} ({mode}), which no wider one beats: {told}. Accuracy by width; "
                       "large marks: these.")  # fmt: skip
            figure = diagrams.draw_widths(table, f"width of {algorithm}")
            blocks.append(draw_picture(figure, caption, widths[0]["source"], 230))
    return blocks


def _find_depths(depths: Sequence[Row]) -> str:
    """How the AUC goes with the moves made."""
    known = [row for row in depths if row["auc"] is not None]
    known = [row for row in known if row["n"] >= FEW] or known
    if not known:
        return f"No AUC at any of {len(depths)} depths: none holds alive and dead positions."
    low, high = (pick(known, key=lambda row: row["auc"]) for pick in (min, max))
    if len(known) == 1:
        return f"The AUC is {low['auc']:.3f} at {low['group']} move(s) made, on {low['n']:,} positions."
    return (f"The AUC is lowest at {low['group']} move(s) made, {low['auc']:.3f} on {low['n']:,} positions, and "
            f"highest at {high['group']}, {high['auc']:.3f} on {high['n']:,}.")  # fmt: skip


def _find_worth(lab: Sequence[Row]) -> str:
    """What the truth for a critic adds to searches that have none."""
    by_critic = {critic: {(row["arm"], row["mode"]): row for row in lab if row["critic"] == critic}
                 for critic in ("none", "truth")}  # fmt: skip
    pairs = [(by_critic["none"][arm], row) for arm, row in by_critic["truth"].items() if arm in by_critic["none"]]
    if not pairs:
        return "No search was tried both with the truth for a critic and with none."
    none, truth = max(pairs, key=lambda pair: pair[1]["accuracy"] - pair[0]["accuracy"])
    ends = f"{truth['arm']} ({truth['mode']}) from {tell_share(none)} to {tell_share(truth)}"
    sure = sum(bool(differ(*pair)) and pair[1]["accuracy"] > pair[0]["accuracy"] for pair in pairs)
    if not sure:
        return f"No search gains from the truth for a critic beyond chance; most: {ends}."
    return f"The truth for a critic lifts {sure} of {len(pairs)} searches beyond chance, most of all {ends}."


def _describe_gains(gains: Sequence[Row]) -> Table:
    """What a critic is worth: from none to the truth, and how much of that the trained one closes."""
    note = (f"Trained: the critic, {' and '.join(dict.fromkeys(e['judge'] for e in gains))}. Gap: accuracy with the "
            "truth for a critic less that with none; closed: the trained critic's share of it; like noise: the noise "
            "on the truth with which the search does as well, - where none of those tried is as bad or there is no "
            "gap. Intervals by bootstrap over problems.")  # fmt: skip
    columns = {
        "arm": text("arm"), "mode": text("mode"), "problems": count("problems"), "no critic": percent("none"),
        "truth": percent("truth"), "gap": percent("gap", "gap_low", "gap_high"), "trained": percent("trained"),
        "closed": percent("closed", "closed_low", "closed_high"), "like noise": fixed("like_sigma", 2),
    }  # fmt: skip
    rows = [dict.fromkeys(_TRAINED) | dict(row) for row in gains]
    return make_table("What a critic is worth to a search.", rows, columns, note)


def _by_run(rows: Sequence[Row]) -> list[list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["run"], []).append(row)
    return list(groups.values())
