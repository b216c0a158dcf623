"""The report on searches: every strategy under one exact meter, on both published splits, in all three modes.

It tells the records of runs that evaluated search arms (05_search, 09_strategies), and of 04_critic where such a run is
given. No model is needed. What stands in the records is in trials.py and critics.py; this module knows the story alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.report import evidence as ev
from game24lab.report import search_evidence as tr
from game24lab.report.document import MISSING, Block, Bullets, Heading, KeyValues, Paragraph, Report, Table
from game24lab.report.published import SOLUTION_TOKENS, find_published, hold_against
from game24lab.report.sections.critics import gather_critics, name_critics, say_critics, tell_critics, tell_noise
from game24lab.report.sections.fronts import STYLES, draw_costs, draw_kinds, list_splits, name_split
from game24lab.report.text import (
    compose_report,
    draw_picture,
    join_sources,
    limit_runs,
    tell_origin,
    write_commit,
    write_count,
    write_percent,
    write_range,
    write_report,
    write_settings,
    write_short,
    write_value,
)
from game24lab.search.modes import HELP
from game24lab.views.charts import search as curves
from game24lab.views.charts import theme as figures

TITLE = "Search under one meter"
MOST = 1300  # sampled tokens a problem, at which strategies are held against each other and against the published
FEW_SEEDS = 3  # below which the limits say so
Numbers = Mapping[str, Any]


def report_search(folders: Sequence[str | Path], output: str | Path, *, title: str = TITLE) -> Path:
    """Write the PDF `output` and beside it `<name>.json` with the numbers it quotes; returns the PDF's path.

    ValueError for broken files, or where no run holds rows of searches; FileNotFoundError where there is no run.
    """
    evidence = ev.read_evidence(folders)
    numbers = gather_numbers(evidence, title)
    return write_report(tell(evidence, numbers), numbers, output)


def gather_numbers(evidence: Sequence[ev.Evidence], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `most`, `arms` (one a split, arm and mode), `best` and
    `by_strategy` (at no more than `most` sampled tokens), `sweeps`, `wasteful`, `published`, and those on `critics`."""
    trials = tr.list_trials(evidence)
    if not trials:
        names = ", ".join(str(one.run.folder) for one in evidence)
        raise ValueError(f"nothing to report in {names}: {ev.RECORDS} with rows of an evaluation is needed, as "
                         "05_search writes it")  # fmt: skip
    arms = [dict(trial.numbers) for trial in trials]
    splits = {tr.SPLITS[split][0] for split in dict.fromkeys(arm["split"] for arm in arms) if split in tr.SPLITS}
    wasteful = [{key: arm[key] for key in ("split", "mode", "label")} | {"better": better["label"]}
                for arm, better in tr.find_wasteful(arms)]  # fmt: skip
    return {
        "title": title, "runs": ev.describe_runs(evidence), "most": MOST, "arms": arms,
        "best": tr.pick_best(trials, MOST), "by_strategy": tr.pick_by_strategy(trials, MOST),
        "sweeps": tr.find_sweeps(trials), "wasteful": wasteful,
        "published": [hold_against(point) for point in find_published(splits)], "critics": gather_critics(evidence),
        "judges": name_critics(evidence),
    }  # fmt: skip


def tell(evidence: Sequence[ev.Evidence], numbers: dict[str, Any]) -> Report:
    """The report: the best at the published budget, then every cost and parameter, time and waste, and the critic."""
    arms, critics = numbers["arms"], numbers["critics"]
    blocks: list[Block] = [
        KeyValues(_tell_setting(numbers)),
        Heading("The question"),
        Paragraph(say_critics(numbers["judges"])),
        Paragraph(
            "Many ways to spend tokens: which finds most for what? Every sampled token counts "
            "here, also those of duplicates, of illegal lines and of answers thrown away, and all that the critic "
            "reads. Three modes are kept apart throughout. " + _say_modes()
        ),
        Heading(f"The best at no more than {MOST:,} sampled tokens"),
        _tell_best(numbers),
        *_compare_published(numbers),
        *draw_costs(numbers, ("sampled_tokens",)),
        *([_tell_published(numbers["published"])] if numbers["published"] else []),
        Heading("Every strategy"),
        *[_tell_strategies(numbers, split, mode) for split, mode in _list_parts(arms)], *draw_kinds(numbers),
        Heading("Against other costs"),
        *draw_costs(numbers, [cost for cost in tr.COSTS if cost != "sampled_tokens"]),
    ]
    if numbers["sweeps"]:
        blocks += [Heading("Sensitivity"), *_tell_sweeps(numbers["sweeps"])]
    blocks += [
        Heading("Time"),
        *[_tell_times(numbers, split, mode) for split, mode in _list_parts(arms)],
        Heading("Where the budget goes"),
        *[block for split, mode in _list_parts(arms) for block in _tell_budget(numbers, split, mode)],
    ]
    if any(critics[key] for key in ("noiselab", "gains", "widths")):
        blocks += [Heading("The noise lab: what a better critic is worth"), *tell_noise(critics)]
    if any(critics[key] for key in ("calibration", "depths", "choices")):
        blocks += [Heading("The critic against the truth"), *tell_critics(critics)]
    blocks += [
        Heading("What did not work"), Bullets(tuple(_tell_negatives(numbers))),
        Heading("Limits"), Bullets(tuple(_tell_limits(numbers))),
        Heading("All arms"), *[_tell_arms(arms, split, mode) for split, mode in _list_parts(arms)],
        *tell_origin(numbers["runs"], _list_settings(arms)),
    ]  # fmt: skip
    return compose_report(numbers["title"], numbers["runs"], blocks)


def _say_modes() -> str:
    return " ".join(f"{mode.capitalize()}: {told}." for mode, told in HELP.items())


# ------------------------------------------------------------------------------------------- results
def _tell_setting(numbers: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    arms, runs = numbers["arms"], numbers["runs"]
    judged = []
    for split in list_splits(arms):
        counts = sorted({arm["problems"] for arm in arms if arm["split"] == split})
        whole = f" of {tr.SPLITS[split][1]}" if split in tr.SPLITS else ""
        judged.append(f"ranks {split}: " * (split in tr.SPLITS) + f"{' or '.join(map(str, counts))}{whole} problems")
    models = [f"{who} of {' or '.join(write_short(size) for size in sizes)} parameters" for who in ("policy", "critic")
              if (sizes := sorted({arm[f"{who}_parameters"] for arm in arms} - {0}))]  # fmt: skip
    strategies, backends = ({arm[key]: None for arm in arms} for key in ("algorithm", "backend"))
    return (
        ("Judged on", "; ".join(judged)),
        ("Models", f"{', '.join(models)} (embeddings not counted), run by {', '.join(backends)}"),
        ("Strategies", f"{len(strategies)} in {len({(a['label'], a['mode']) for a in arms})} arms"),
        ("Commit", "; ".join(dict.fromkeys(write_commit(run, 12) for run in runs))),
        ("Machine", "; ".join(dict.fromkeys(run["device"] or "unknown" for run in runs))),
    )


def _tell_best(numbers: dict[str, Any]) -> Table:
    header = ("ranks", "mode", "chosen by", "arm", "n", "accuracy", "95 %", "tokens", "calls", "lines", "FLOPs",
              "elsewhere")  # fmt: skip
    rows = []
    for arm in numbers["best"]:
        other = arm["elsewhere"]
        there = f"{write_percent(other['accuracy'])} [{write_range(other)}]" if other else MISSING
        rows.append((arm["split"], arm["mode"], arm["chosen_by"], arm["label"],
                     f"{arm['problems']} \u00d7 {arm['seeds']}", write_percent(arm["accuracy"]), write_range(arm),
                     write_count(arm["sampled_tokens"]), write_count(arm["calls"]), write_count(arm["sampled_lines"]),
                     write_short(arm["flops"]), there))  # fmt: skip
    note = ("Chosen as the best of all arms on the very problems that it is judged on, so its accuracy flatters; "
            "elsewhere: the same arm on the other ranks. n: problems \u00d7 seeds. Costs are means a problem; calls "
            "are prompts answered by the policy and positions scored by the critic.")  # fmt: skip
    align = ("left", "left", "left", "left", *["right"] * 8)
    return Table("The best arm for each split and mode.", join_sources(numbers["best"]), header, tuple(rows),
                 align, (0, 0, 0, 1, *[0] * 8), note)  # fmt: skip


def _compare_published(numbers: dict[str, Any]) -> list[Block]:
    """Our best beside the best published point, in the same mode on the same puzzles, with the FLOPs of both."""
    said = []
    for best in numbers["best"]:
        name = tr.SPLITS[best["split"]][0]
        points = [p for p in numbers["published"] if (p["split"], p["mode"]) == (name, best["mode"])]
        if points:
            top = max(points, key=lambda point: point["accuracy"])
            tokens = f" at {top['tokens']:,} tokens" if top["tokens"] else ""
            work = f" and at least {write_short(top['flops'])} FLOPs" if top["flops"] else ""
            ratio = top["flops"] / best["flops"] if top["flops"] and best["flops"] else 0
            less = f", 1/{write_count(ratio)} of that" if ratio > 1 else ""
            theirs = f"published {write_percent(top['accuracy'])}{tokens}{work} ({top['model']}, {top['setting']})"
            said.append(f"Ranks {best['split']}, {best['mode']}: {theirs}; here {write_percent(best['accuracy'])} "
                        f"[{write_range(best)}] at {write_count(best['sampled_tokens'])} tokens and "
                        f"{write_short(best['flops'])} FLOPs{less} ({best['label']}).")  # fmt: skip
    return [Bullets(tuple(said))] if said else []


def _tell_published(points: Sequence[Numbers]) -> Table:
    names = {name: ranks for ranks, (name, _) in tr.SPLITS.items()}
    rows = tuple(
        (names[p["split"]], p["mode"], p["source"].partition(",")[0], p["model"], p["setting"],
         write_percent(p["accuracy"]),
         write_count(p["tokens"]), write_count(p["sampled_lines"]), write_short(p["flops"]), p["checked"])
        for p in points
    )  # fmt: skip
    note = ("Not measured here: other models, other tokenizers. Blind: nobody checked a line before the answer was "
            "given, so that it stands beside ours in that mode alone. Their token counts leave out "
            "duplicates, prompts and the critic. FLOPs: computed as 2 N tokens with N = 7 billion, so a lower bound. "
            f"Lines: computed at their format's four lines a solution of {SOLUTION_TOKENS} tokens.")  # fmt: skip
    return Table("Published on the same puzzles.", "the papers named",
                 ("ranks", "mode", "source", "model", "setting", "accuracy", "tokens", "lines", "FLOPs",
                  "how we know"), rows,
                 ("left", "left", "left", "left", "left", "right", "right", "right", "right", "left"),
                 (0, 0, 0, 0, 1.3, 0, 0, 0, 0, 1), note)  # fmt: skip


def _tell_strategies(numbers: dict[str, Any], split: str, mode: str) -> Table:
    """One row a strategy: its best arm within the budget."""
    arms = _pick(numbers["by_strategy"], split, mode)
    header = ("arm", "n", "seeds", "accuracy", "95 %", "tokens", "calls", "lines", "char.", "FLOPs")
    rows = tuple(
        (arm["label"] + " *" * (not arm["within"]), arm["problems"], arm["seeds"], write_percent(arm["accuracy"]),
         write_range(arm), write_count(arm["sampled_tokens"]), write_count(arm["calls"]),
         write_count(arm["sampled_lines"]), write_count(arm["sampled_characters"]), write_short(arm["flops"]))
        for arm in sorted(arms, key=lambda one: -one["accuracy"])
    )  # fmt: skip
    note = (f"Each strategy's best arm at no more than {MOST:,} sampled tokens; * none of its arms is that cheap, so "
            "the cheapest. 95 %: Wilson's interval, with several seeds by bootstrap over problems.")  # fmt: skip
    return Table(f"Every strategy, {name_split(split)}, {mode}.", join_sources(arms), header, rows,
                 ("left", *["right"] * 9), (1, *[0] * 9), note)  # fmt: skip


# ------------------------------------------------------------------------------------------- sweeps, time, budget
def _tell_sweeps(sweeps: Sequence[Numbers]) -> list[Block]:
    """A figure for each parameter that made a difference, and a table of all."""
    blocks: list[Block] = []
    flat = []
    for subject, name, kind in dict.fromkeys((s["subject"], s["parameter"], s["kind"]) for s in sweeps):
        mine = [sweep for sweep in sweeps if sweep["split"] in tr.SPLITS
                and (sweep["parameter"], sweep["kind"]) == (name, kind)]  # fmt: skip
        about = f"{name} of {kind}" + f" ({subject})" * (subject not in (name, "others"))
        if mine and all(sweep["change"] and sweep["change"]["low"] <= 0 <= sweep["change"]["high"] for sweep in mine):
            flat.append(about)
        elif mine:
            rows = [point | {"algorithm": sweep["algorithm"], "mode": sweep["mode"], "panel": f"ranks {sweep['split']}",
                             "series": f"{sweep['algorithm']}, {sweep['mode']}"}
                    for sweep in mine for point in sweep["points"]]  # fmt: skip
            table = pd.DataFrame(rows).sort_values("panel", key=lambda names: names.map(len), kind="stable")
            figure = curves.draw_sweeps(table, name, STYLES)
            caption = f"Accuracy by {about}, all other parameters held (95 %)."
            height = 215 + 18 * (table["series"].nunique() // 3)
            blocks.append(draw_picture(figure, caption, join_sources([p for s in mine for p in s["points"]]), height))
    if flat:
        blocks.append(Paragraph(f"Not drawn, as the problems show no difference: {', '.join(flat)}."))
    header = ("strategy", "mode", "ranks", "parameter", "accuracy", "tokens", "difference")
    rows = tuple(
        (s["algorithm"], s["mode"], s["split"],
         f"{s['parameter']} {write_value(s['points'][0]['value'])} – {write_value(s['points'][-1]['value'])}",
         " ".join(f"{100 * p['accuracy']:.0f}" for p in s["points"]),
         f"{write_short(s['points'][0]['sampled_tokens'])} – {write_short(s['points'][-1]['sampled_tokens'])}",
         _write_change(s["change"]))
        for s in sweeps
    )  # fmt: skip
    note = (
        "Accuracy: in percent at each value, from the smallest to the largest. Difference: of the largest value to "
        "the smallest in percentage points, paired by problem; [95 % by bootstrap over problems]."
    )
    blocks.append(Table("Arms that differ in one parameter alone.", "the records of the runs, see Origin", header, rows,
                        ("left",) * 4 + ("right",) * 3, (0, 0, 0, 1, 0, 0, 0), note))  # fmt: skip
    return blocks


def _write_change(change: Numbers | None) -> str:
    if change is None:
        return MISSING
    difference, low, high = (f"{100 * change[name]:+.1f}" for name in ("difference", "low", "high"))
    return f"{difference} [{low}, {high}]"


def _tell_times(numbers: dict[str, Any], split: str, mode: str) -> Table:
    arms = _pick(numbers["by_strategy"], split, mode)
    header = ("arm", "mean s", "p50 s", "p95 s", "rounds", "tokens", "tokens/s")
    rows = tuple(
        (arm["label"], f"{arm['seconds']:.3f}", f"{arm['seconds_p50']:.3f}", f"{arm['seconds_p95']:.3f}",
         f"{arm['depth']:.1f}", write_count(arm["sampled_tokens"]),
         write_count(arm["sampled_tokens"] / arm["seconds"]) if arm["seconds"] else MISSING)
        for arm in sorted(arms, key=lambda one: one["seconds"])
    )  # fmt: skip
    note = ("Seconds: a problem's share, by tokens, of the wall time of the model calls that it took part in, many "
            "problems at once; the engine's own time is not in it. Rounds: model calls that had to follow one another, "
            "mean: alone and without company a problem waits for so many calls.")  # fmt: skip
    return Table(f"Wall time a problem, {name_split(split)}, {mode}.", join_sources(arms), header, rows,
                 ("left", *["right"] * 6), note=note)  # fmt: skip


def _tell_budget(numbers: dict[str, Any], split: str, mode: str) -> list[Block]:
    arms = sorted(_pick(numbers["by_strategy"], split, mode), key=lambda one: one["sampled_tokens"])
    parts = {"policy's prompts": "prompt_tokens", "sampled": "sampled_tokens", "critic": "critic_tokens"}
    drawn = pd.DataFrame([{"arm": arm["label"]} | {name: arm[key] for name, key in parts.items()} for arm in arms])
    caption = f"Tokens through the models, mean a problem, {name_split(split)}, {mode}: the arms of the tables above."
    height = max(170, 80 + 14 * len(arms))
    picture = draw_picture(figures.draw_cost(drawn, "tokens"), caption, join_sources(arms), height)
    header = ("arm", "prompts", "sampled", "critic", "said before", "illegal", "saved")
    rows = tuple(
        (arm["label"], *(write_count(arm[key]) for key in parts.values()), write_percent(arm["repeated"]),
         write_percent(arm["illegal"]), write_count(sum(arm[f"saved_{key}"] for key in parts.values())))
        for arm in arms
    )  # fmt: skip
    note = ("Said before: share of the sampled tokens in completions that had come behind the same prompt already; "
            "illegal: share in lines, or whole answers, that the rules refuse. One can be both. Saved: all tokens "
            "that equal requests of the same search would have cost on top, answered from memory.")  # fmt: skip
    return [picture, Table(f"What the tokens were, {name_split(split)}, {mode}.", join_sources(arms), header, rows,
                           ("left", *["right"] * 6), note=note)]  # fmt: skip


# ------------------------------------------------------------------------------------------- ends
def _tell_negatives(numbers: dict[str, Any]) -> list[str]:
    said = []
    for split in list_splits(numbers["arms"]):
        for mode in ev.MODES:
            lost = [w for w in numbers["wasteful"] if (w["split"], w["mode"]) == (split, mode)]
            if lost:
                listed = ", ".join(f"{w['label']} (below {w['better']})" for w in lost[:12])
                more = f", and {len(lost) - 12} more" if len(lost) > 12 else ""
                said.append(f"{name_split(split)}, {mode}: spent no less than a better arm whose interval lies wholly "
                            f"above theirs: {listed}{more}.")  # fmt: skip
    for sweep in numbers["sweeps"]:
        change = sweep["change"]
        if change and change["high"] < 0:
            said.append(f"{sweep['algorithm']}, {sweep['mode']}, {name_split(sweep['split'])}: a larger "
                        f"{sweep['parameter']} did harm, {100 * change['difference']:+.1f} points.")  # fmt: skip
    flat = [s for s in numbers["sweeps"] if s["change"] and s["change"]["low"] <= 0 <= s["change"]["high"]]
    if flat:
        names = ", ".join(dict.fromkeys(f"{s['parameter']} of {s['algorithm']}" for s in flat))
        said.append(f"No difference that the problems could show from the smallest to the largest value: {names}.")
    return said or ["No arm spent more than another to solve clearly less, as far as these problems can tell."]


def _tell_limits(numbers: dict[str, Any]) -> list[str]:
    arms = numbers["arms"]
    limits = [
        "Each model was trained once: intervals cover the choice of problems (and of search seeds, where there are "
        "several), not the luck of training.",
        "The arms at a point were not tuned on other problems; the best of many arms on the same problems is better by "
        "chance too.",
        "Tokens are those of the policy's own tokenizer, which knows nothing but numbers and signs: a published token "
        "is a longer piece of text. Lines and characters compare across tokenizers, and not across formats.",
        "FLOPs are two per non-embedding parameter and token forwarded, prompts and critic included, attention not.",
    ]  # fmt: skip
    if any(arm["sampled_lines"] is None for arm in arms):
        limits.append("Some records are older than the count of lines and characters, or of waste: missing there, -.")
    if (fewest := min(arm["seeds"] for arm in arms)) < FEW_SEEDS:
        limits.append(f"Some arms have {fewest} search seed{'s' * (fewest > 1)} only.")
    partial = sorted({arm["split"] for arm in arms if arm["split"] in tr.SPLITS
                      and arm["problems"] < tr.SPLITS[arm["split"]][1]})  # fmt: skip
    limits += [f"Not all problems of ranks {' and '.join(partial)} were tried by every arm."] if partial else []
    if any(arm["split"] == tr.OTHER for arm in arms):
        limits.append("Some problems belong to neither published split; training may have met them.")
    return limits + limit_runs(numbers["runs"])


def _tell_arms(arms: Sequence[Numbers], split: str, mode: str) -> Table:
    mine = _pick(arms, split, mode)
    header = ("arm", "n", "seeds", "accuracy", "95 %", "tokens", "p95", "calls", "lines", "char.", "critic", "FLOPs")
    rows = tuple(
        (arm["label"], arm["problems"], arm["seeds"], write_percent(arm["accuracy"]), write_range(arm),
         write_count(arm["sampled_tokens"]), write_count(arm["sampled_tokens_p95"]), write_count(arm["calls"]),
         write_count(arm["sampled_lines"]), write_count(arm["sampled_characters"]), write_count(arm["critic_tokens"]),
         write_short(arm["flops"]))
        for arm in mine
    )  # fmt: skip
    note = "Means a problem; p95: of sampled tokens; critic: tokens it read. Problems that no seed solved: in the JSON."
    return Table(f"All arms, {name_split(split)}, {mode}.", join_sources(mine), header, rows, ("left", *["right"] * 11),
                 (1, *[0] * 11), note)  # fmt: skip


def _list_settings(arms: Sequence[Numbers]) -> list[tuple[str, str]]:
    """What each arm has other than its strategy's defaults."""
    return list({arm["label"]: f"{arm['algorithm']}: {write_settings(arm['given'])}" for arm in arms}.items())


def _pick(arms: Sequence[Numbers], split: str, mode: str) -> list[Numbers]:
    return [arm for arm in arms if (arm["split"], arm["mode"]) == (split, mode)]


def _list_parts(arms: Sequence[Numbers]) -> list[tuple[str, str]]:
    """Splits and modes that there are arms of, kept apart throughout."""
    return [(split, mode) for split in list_splits(arms) for mode in ev.MODES if _pick(arms, split, mode)]
