"""The report on searches: every strategy under one exact meter, on both published splits, in all three modes.

It describes runs that evaluated search arms (05_search, 09_strategies), and 04_critic where such a run is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from game24lab.report import layout
from game24lab.report import search_summaries as trials
from game24lab.report.document import Block, Bullets, Report, Table
from game24lab.report.evidence import MODES, Evidence, describe_runs
from game24lab.report.findings import find_changes
from game24lab.report.layout import add_section, draw_picture
from game24lab.report.measures import find_shares
from game24lab.report.published import SOLUTION_TOKENS, find_published, hold_against
from game24lab.report.sections import critics, fronts
from game24lab.report.sections.fronts import draw_costs, draw_kinds, list_splits, name_split
from game24lab.report.tables import Row, count, fixed, join_sources, made, make_table, percent, short, text
from game24lab.search.modes import HELP
from game24lab.views.charts import theme as figures
from game24lab.views.charts.changes import draw_changes
from game24lab.views.tables import formats as fmt
from game24lab.views.tables.formats import MISSING

TITLE = "Search under one meter"
MOST = 1300  # sampled tokens a problem, at which strategies are held against each other and against the published
QUESTION = ("Many ways to spend tokens: which finds most for what? Every sampled token counts here, also those of "
            "duplicates, of illegal lines and of answers thrown away, and all that the critic reads. Three modes are "
            "kept apart throughout. ") + " ".join(f"{mode.capitalize()}: {told}." for mode, told in HELP.items())
FEW_SEEDS = 3  # below which the limits say so
KNOBS, HARM = 16, 3  # parameters in the figure of them, and those that did harm among what did not work
# Columns that several tables have in common.
_SIZE = {"n": count("problems"), "seeds": count("seeds")}
_SOLVED = {"accuracy": percent("accuracy", "low", "high"), "tokens": count("sampled_tokens")}
_WORK = {"calls": count("calls"), "lines": count("sampled_lines"), "char.": count("sampled_characters")}


def gather_numbers(evidence: Sequence[Evidence], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `most`, `arms` (one a split, arm and mode), `best` and
    `by_strategy` (at no more than `most` sampled tokens), `sweeps`, `wasteful`, `published`, and those on `critics`."""
    found = trials.list_trials(evidence, "05_search")
    arms = [dict(trial.numbers) for trial in found]
    splits = {trials.SPLITS[arm["split"]][0] for arm in arms if arm["split"] in trials.SPLITS}
    wasteful = [{key: arm[key] for key in ("split", "mode", "label")} | {"better": better["label"]}
                for arm, better in trials.find_wasteful(arms)]  # fmt: skip
    return {
        "title": title, "runs": describe_runs(evidence), "most": MOST, "arms": arms,
        "best": trials.pick_best(found, MOST), "by_strategy": trials.pick_by_strategy(found, MOST),
        "sweeps": trials.find_sweeps(found), "wasteful": wasteful,
        "published": [hold_against(point) for point in find_published(splits)],
        "critics": critics.gather_critics(evidence), "judges": critics.name_critics(evidence),
    }  # fmt: skip


def make_report(evidence: Sequence[Evidence], numbers: Row) -> Report:
    """The report: the best at the published budget, then FLOPs, parameters, time and waste, and the critic.

    It is drawn from the numbers alone: no run needs to be at hand.
    """
    arms, found = numbers["arms"], numbers["critics"]
    parts = [(split, mode) for split in list_splits(arms) for mode in MODES if _pick(arms, split, mode)]
    hardest = list_splits(arms)[-1:]
    figure, *others = draw_costs(numbers, "sampled_tokens", list_splits(arms)[::-1])
    lab, truth = critics.add_noise(found), critics.add_critics(found)
    figures = [*others[:1], *draw_costs(numbers, "flops", hardest), _draw_knobs(numbers["sweeps"]),
               *(critics.list_pictures(lab) or critics.list_pictures(truth))[:1]]  # fmt: skip
    appendix = [
        _describe_setting(numbers),
        *add_section(f"The best at no more than {MOST:,} sampled tokens", _describe_best(numbers["best"]),
                     _compare_published(numbers),
                     _describe_published(numbers["published"]) if numbers["published"] else None),
        *add_section("Every strategy", *[_describe_strategies(numbers, *part) for part in parts],
                     *draw_kinds(numbers, hardest)),
        *(add_section("Sensitivity", *describe_sweeps(numbers["sweeps"])) if numbers["sweeps"] else []),
        *add_section("Time", *[_describe_times(numbers, *part) for part in parts]),
        *add_section("Where the budget goes",
                     *[block for part in parts for block in _describe_budget(numbers, *part)]),
        *add_section("The noise lab: what a better critic is worth", *[block for block in lab if block not in figures]),
        *add_section("The critic against the truth", *[block for block in truth if block not in figures]),
        *add_section("What did not work", Bullets(tuple(list_negatives(numbers)))),
        *layout.add_limits(numbers["runs"], _list_limits(arms)),
        *layout.add_origin(numbers["runs"]),
    ]  # fmt: skip
    return layout.compose_report(numbers["title"], numbers["runs"], QUESTION, answer(numbers), figure,
                                 layout.tell_spent(arms), figures, appendix)  # fmt: skip


def answer(numbers: Row) -> list[str]:
    """On the hardest split: the best arm of each mode within the budget, the cheapest arm beside it, and waste."""
    split = list_splits(numbers["arms"])[-1]
    best = [arm for arm in numbers["best"] if arm["split"] == split]
    arms = [arm for arm in numbers["arms"] if arm["split"] == split]
    if not best:  # no published split, or nothing so cheap
        best = [max(arms, key=lambda arm: (arm["accuracy"], -arm["sampled_tokens"]))]
    listed = "; ".join(f"{arm['mode']}, {arm['label']}: {fmt.estimate(arm)} at {fmt.count(arm['sampled_tokens'])} "
                       "tokens" for arm in best)  # fmt: skip
    kin = [arm for arm in arms if arm["mode"] == best[0]["mode"]]
    cheap = min(kin, key=lambda arm: arm["sampled_tokens"])
    wasteful = sum(one["split"] == split for one in numbers["wasteful"])
    return [
        f"On {name_split(split)}, at no more than {MOST:,} sampled tokens a problem, the best arms are: {listed}.",
        f"The cheapest {cheap['mode']} arm, {cheap['label']}, solves {fmt.estimate(cheap)} at "
        f"{fmt.count(cheap['sampled_tokens'])} tokens; {best[0]['label']} adds "
        f"{fmt.points(best[0]['accuracy'] - cheap['accuracy'])} points to that.",
        f"Of {len(arms)} arms there, {wasteful} cost at least as much as an arm whose interval lies wholly above "
        "theirs.",
    ]


# ------------------------------------------------------------------------------------------- results
def _describe_setting(numbers: Row) -> Block:
    arms, judged = numbers["arms"], []
    for split in list_splits(arms):
        counts = sorted({arm["problems"] for arm in arms if arm["split"] == split})
        whole = f" of {trials.SPLITS[split][1]}" if split in trials.SPLITS else ""
        where = f"ranks {split}: " * (split in trials.SPLITS)
        judged.append(f"{where}{' or '.join(map(str, counts))}{whole} problems")
    models = [f"{who} of {' or '.join(map(fmt.short, sizes))} parameters" for who in ("policy", "critic")
              if (sizes := sorted({arm[f"{who}_parameters"] for arm in arms} - {0}))]  # fmt: skip
    strategies, backends = ({arm[key]: None for arm in arms} for key in ("algorithm", "backend"))
    return layout.describe_setting(
        numbers["runs"], ("Judged on", "; ".join(judged)),
        ("Models", f"{', '.join(models)} (embeddings not counted), run by {', '.join(backends)}"),
        ("Strategies", f"{len(strategies)} in {len({(a['label'], a['mode']) for a in arms})} arms"),
        ("Critic", critics.describe_critics(numbers["judges"])),
    )  # fmt: skip


def _describe_best(best: Sequence[Row]) -> Table:
    columns = {
        "ranks": text("split"), "mode": text("mode"), "arm": text("label", 1),
        "n": made(lambda arm: f"{arm['problems']} \u00d7 {arm['seeds']}"), **_SOLVED, "calls": count("calls"),
        "lines": count("sampled_lines"), "FLOPs": short("flops"),
        "elsewhere": made(lambda arm: fmt.estimate(arm["elsewhere"]) if arm["elsewhere"] else MISSING),
    }  # fmt: skip
    note = ("Chosen as the best of all arms on the very problems that it is judged on, so its accuracy flatters; "
            "elsewhere: the same arm on the other ranks. n: problems \u00d7 seeds. Costs are means a problem; calls "
            "are prompts answered by the policy and positions scored by the critic.")  # fmt: skip
    return make_table("The best arm for each split and mode.", best, columns, note)


def _compare_published(numbers: Row) -> Bullets | None:
    """Our best beside the best published point, in the same mode on the same puzzles, with the FLOPs of both."""
    said = []
    for best in numbers["best"]:
        name = trials.SPLITS[best["split"]][0]
        points = [p for p in numbers["published"] if (p["split"], p["mode"]) == (name, best["mode"])]
        if points:
            top = max(points, key=lambda point: point["accuracy"])
            tokens = f" at {top['tokens']:,} tokens" if top["tokens"] else ""
            work = f" and at least {fmt.short(top['flops'])} FLOPs" if top["flops"] else ""
            ratio = top["flops"] / best["flops"] if top["flops"] and best["flops"] else 0
            less = f", 1/{fmt.count(ratio)} of that" if ratio > 1 else ""
            theirs = f"published {fmt.percent(top['accuracy'])}{tokens}{work} ({top['model']}, {top['setting']})"
            said.append(f"Ranks {best['split']}, {best['mode']}: {theirs}; here {fmt.estimate(best)} at "
                        f"{fmt.count(best['sampled_tokens'])} tokens and {fmt.short(best['flops'])} FLOPs{less} "
                        f"({best['label']}).")  # fmt: skip
    return Bullets(tuple(said)) if said else None


def _describe_published(points: Sequence[Row]) -> Table:
    names = {name: ranks for ranks, (name, _) in trials.SPLITS.items()}
    columns = {
        "ranks": made(lambda p: names[p["split"]], align="left"), "mode": text("mode"),
        "source": made(lambda p: p["source"].partition(",")[0], align="left"), "model": text("model"),
        "setting": text("setting", 1.3), "accuracy": percent("accuracy"), "tokens": count("tokens"),
        "lines": count("sampled_lines"), "FLOPs": short("flops"), "how we know": text("checked", 1),
    }  # fmt: skip
    note = ("Not measured here: other models, other tokenizers. Blind: nobody checked a line before the answer was "
            "given, so that it stands beside ours in that mode alone. Their token counts leave out "
            "duplicates, prompts and the critic. FLOPs: computed as 2 N tokens with N = 7 billion, so a lower bound. "
            f"Lines: computed at their format's four lines a solution of {SOLUTION_TOKENS} tokens.")  # fmt: skip
    return make_table("Published on the same puzzles.", points, columns, note, "the papers named")


def _describe_strategies(numbers: Row, split: str, mode: str) -> Table:
    """One row a strategy: its best arm within the budget."""
    arms = sorted(_pick(numbers["by_strategy"], split, mode), key=lambda one: -one["accuracy"])
    columns = {"arm": made(lambda arm: arm["label"] + " *" * (not arm["within"]), 1, "left"), **_SIZE, **_SOLVED,
               **_WORK, "FLOPs": short("flops")}  # fmt: skip
    note = (f"Each strategy's best arm at no more than {MOST:,} sampled tokens; * none of its arms is that cheap, so "
            "the cheapest. 95 %: Wilson's interval, with several seeds by bootstrap over problems.")  # fmt: skip
    return make_table(f"Every strategy, {name_split(split)}, {mode}.", arms, columns, note)


# ------------------------------------------------------------------------------------------- sweeps, time, budget
def _name_sweep(sweep: Row) -> str:
    first, last = (fmt.value(sweep["points"][place]["value"]) for place in (0, -1))
    return f"{sweep['algorithm']}, {sweep['mode']}, {sweep['split']}: {sweep['parameter']} {first} to {last}"


def _draw_knobs(sweeps: Sequence[Row]) -> Block | None:
    """The parameters that make most difference, of all strategies, modes and splits, in one figure."""
    known = [s["change"] | {"name": _name_sweep(s)} for s in sweeps if s["change"]]
    if not known:
        return None
    rows = sorted(known, key=lambda row: -abs(row["difference"]))[:KNOBS]
    rows.sort(key=lambda row: -row["difference"])
    caption = (f"{find_changes(known)} What a parameter does: accuracy at its largest value less that at its smallest, "
               f"all others held, the {len(rows)} largest differences. Bars: 95 %, paired by problem.")  # fmt: skip
    return draw_picture(draw_changes(pd.DataFrame(rows)), caption, "the records of the runs, see Origin",
                        90 + 15 * len(rows))  # fmt: skip


def describe_sweeps(sweeps: Sequence[Row]) -> list[Block]:
    """A table of the parameters that made a difference, and one that sums up those that made none."""
    steep = [sweep for sweep in sweeps if sweep["change"] and not _is_flat(sweep)]

    def ends(key: str, write: Any) -> Any:
        return lambda s: f"{write(s['points'][0][key])} – {write(s['points'][-1][key])}"

    columns = {
        "strategy": text("algorithm"), "mode": text("mode"), "ranks": text("split"),
        "parameter": made(lambda s: f"{s['parameter']} {ends('value', fmt.value)(s)}", 1, "left"),
        "accuracy": made(lambda s: " ".join(f"{100 * p['accuracy']:.0f}" for p in s["points"])),
        "tokens": made(ends("sampled_tokens", fmt.short)),
        "difference": made(lambda s: f"{fmt.points(s['change']['difference'])} "
                                     f"[{fmt.points_interval(s['change'], between=', ')}]" if s["change"] else MISSING),
    }  # fmt: skip
    note = ("Accuracy: in percent at each value, from the smallest to the largest. Difference: of the largest value to "
            "the smallest in percentage points, paired by problem; [95 % by bootstrap over problems].")  # fmt: skip
    source, flat = "the records of the runs, see Origin", _sum_up_flat(sweeps)
    columns_flat = {
        "parameter": text("parameter"), "of": text("strategies", 1), "arms compared": count("sweeps"),
        "accuracy": made(lambda row: f"{100 * row['lowest']:.0f} – {100 * row['highest']:.0f} %"),
        "largest difference": made(lambda row: fmt.points(row["largest"])),
    }  # fmt: skip
    return [
        *([make_table("Parameters that made a difference.", steep, columns, note, source)] if steep else []),
        *([make_table("Parameters of which the problems show no difference.", flat, columns_flat,
                      "All values of all strategies, modes and ranks together; each by itself: in the JSON.", source)]
          if flat else []),
    ]  # fmt: skip


def _sum_up_flat(sweeps: Sequence[Row]) -> list[dict[str, Any]]:
    """One row a parameter, over all sweeps of it that show no difference."""
    groups: dict[str, list[Row]] = {}
    for sweep in filter(_is_flat, sweeps):
        groups.setdefault(sweep["parameter"], []).append(sweep)
    rows = []
    for parameter, some in groups.items():
        shares = [point["accuracy"] for sweep in some for point in sweep["points"]]
        largest = max((sweep["change"]["difference"] for sweep in some), key=abs)
        rows.append({"parameter": parameter, "strategies": ", ".join(dict.fromkeys(s["algorithm"] for s in some)),
                     "sweeps": len(some), "lowest": min(shares), "highest": max(shares), "largest": largest})
    return rows


def _is_flat(sweep: Row) -> bool:
    """Whether its problems show no difference between the smallest value and the largest."""
    return bool(sweep["change"]) and sweep["change"]["low"] <= 0 <= sweep["change"]["high"]


def _describe_times(numbers: Row, split: str, mode: str) -> Table:
    arms = sorted(_pick(numbers["by_strategy"], split, mode), key=lambda one: one["seconds"])
    columns = {
        "arm": text("label"), "mean s": fixed("seconds", 3), "p50 s": fixed("seconds_p50", 3),
        "p95 s": fixed("seconds_p95", 3), "rounds": fixed("depth"), "tokens": count("sampled_tokens"),
        "tokens/s": made(lambda arm: fmt.count(arm["sampled_tokens"] / arm["seconds"] if arm["seconds"] else None)),
    }  # fmt: skip
    note = ("Seconds: a problem's share, by tokens, of the wall time of the model calls that it took part in, many "
            "problems at once; the engine's own time is not in it. Rounds: model calls that had to follow one another, "
            "mean: alone and without company a problem waits for so many calls.")  # fmt: skip
    return make_table(f"Wall time a problem, {name_split(split)}, {mode}.", arms, columns, note)


def _describe_budget(numbers: Row, split: str, mode: str) -> list[Block]:
    arms = sorted(_pick(numbers["by_strategy"], split, mode), key=lambda one: one["sampled_tokens"])
    parts = {"policy's prompts": "prompt_tokens", "sampling": "sampled_tokens", "critic": "critic_tokens"}
    drawn = pd.DataFrame([{"arm": arm["label"]} | {name: arm[key] for name, key in parts.items()} for arm in arms])
    caption = (f"{find_shares(arms, parts, 'tokens')} Tokens through the models, mean a problem, {name_split(split)}, "
               f"{mode}: the arms of the tables above.")  # fmt: skip
    height = max(170, 80 + 14 * len(arms))
    picture = draw_picture(figures.draw_cost(drawn, "tokens"), caption, join_sources(arms), height)
    columns = {
        "arm": text("label"), "prompts": count("prompt_tokens"), "sampled": count("sampled_tokens"),
        "critic": count("critic_tokens"), "said before": percent("repeated"), "illegal": percent("illegal"),
        "saved": made(lambda arm: fmt.count(sum(arm[f"saved_{key}"] for key in parts.values()))),
    }  # fmt: skip
    note = ("Said before: share of the sampled tokens in completions that had come behind the same prompt already; "
            "illegal: share in lines, or whole answers, that the rules refuse. One can be both. Saved: all tokens "
            "that equal requests of the same search would have cost on top, answered from memory.")  # fmt: skip
    return [picture, make_table(f"What the tokens were, {name_split(split)}, {mode}.", arms, columns, note)]


# ------------------------------------------------------------------------------------------- ends
def list_negatives(numbers: Row) -> list[str]:
    """What did not work, as far as the records show."""
    said = []
    for split, mode in dict.fromkeys((w["split"], w["mode"]) for w in numbers["wasteful"]):
        lost, known = _pick(numbers["wasteful"], split, mode), _pick(numbers["arms"], split, mode)
        arms = {arm["label"]: arm for arm in known}
        worst = max(lost, key=lambda w: arms[w["better"]]["accuracy"] - arms[w["label"]]["accuracy"])
        told = [f"{arm['label']} ({fmt.percent(arm['accuracy'])} at {fmt.count(arm['sampled_tokens'])} tokens)"
                for arm in (arms[worst["label"]], arms[worst["better"]])]  # fmt: skip
        said.append(f"{name_split(split)}, {mode}: {len(lost)} of {len(known)} arms cost as much as another one, or "
                    f"more, and solve surely less; furthest behind is {told[0]}, beside {told[1]}.")  # fmt: skip
    harm = sorted((s for s in numbers["sweeps"] if s["change"] and s["change"]["high"] < 0),
                  key=lambda s: s["change"]["difference"])  # fmt: skip
    said += [f"{_name_sweep(s)} did harm, {fmt.points(s['change']['difference'])} points." for s in harm[:HARM]]
    if flat := [sweep for sweep in numbers["sweeps"] if _is_flat(sweep)]:
        said.append(f"{len(flat)} of {len(numbers['sweeps'])} comparisons of a parameter's smallest and largest value "
                    "show no difference beyond chance.")  # fmt: skip
    return said or ["No arm spent more than another to solve clearly less, as far as these problems can tell."]


def _list_limits(arms: Sequence[Row]) -> list[str]:
    limits = [
        *fronts.list_limits(arms),
        "The arms at a point were not tuned on other problems; the best of many arms on the same problems is better by "
        "chance too.",
        "FLOPs are two per non-embedding parameter and token forwarded, prompts and critic included, attention not.",
    ]
    if any(arm["sampled_lines"] is None for arm in arms):
        limits.append("Some records are older than the count of lines and characters, or of waste: missing there, -.")
    if (fewest := min(arm["seeds"] for arm in arms)) < FEW_SEEDS:
        limits.append(f"Some arms have {fewest} search seed{'s' * (fewest > 1)} only.")
    partial = sorted({arm["split"] for arm in arms if arm["split"] in trials.SPLITS
                      and arm["problems"] < trials.SPLITS[arm["split"]][1]})  # fmt: skip
    return limits + ([f"Not all problems of ranks {' and '.join(partial)} were tried by every arm."] if partial else [])


def _pick(arms: Sequence[Row], split: str, mode: str) -> list[Row]:
    return [arm for arm in arms if (arm["split"], arm["mode"]) == (split, mode)]
