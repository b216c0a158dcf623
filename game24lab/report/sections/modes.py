"""The report on the three modes: the same arms blind, by the rules and verified, side by side on both splits.

It describes runs that evaluated search arms (09_strategies, 05_search), what sampled answers claim where such a run
keeps it, and the critic where its 04_critic is given. Files of claims (`game24lab.evaluation.claims`), each where it is
there:

    claims_ends.parquet      `tabulate_ends`: how sampled answers end, and how many of these claim the target
    claims_choices.parquet   `compare_choices`: what a problem's answers come to when nobody checks them

Both may have the columns `split` and `arm`, which are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from game24lab.report import layout
from game24lab.report import search_summaries as trials
from game24lab.report.document import Block, Bullets, Report, Table
from game24lab.report.evidence import Evidence, describe_runs
from game24lab.report.layout import add_section
from game24lab.report.published import find_published, hold_against
from game24lab.report.sections import critics
from game24lab.report.sections.fronts import draw_costs, list_limits, list_settings, list_splits, name_split
from game24lab.report.tables import Row, count, join_sources, made, make_table, percent, text
from game24lab.search.modes import HELP, MODES
from game24lab.views.tables import formats as fmt
from game24lab.views.tables.formats import MISSING

TITLE = "Three ways to search"
QUESTION = ("How far do the models come alone, what do the rules of the game add, and what the exact verifier? Every "
            "strategy is the same in all three modes; what differs is the world that it searches.")  # fmt: skip
ENOUGH = "enough"  # the parameter whose sensitivity is shown: where a search that knows no verdict stops
CLAIMS = {
    "claims_ends": ("end", "n", "share", "low", "high", "claims"),
    "claims_choices": ("choice", "accuracy", "low", "high", "problems"),
}
_WHERE = ("split", "arm")


def gather_numbers(evidence: Sequence[Evidence], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `arms` (one a split, arm and mode, with the names of `policy` and
    `critic`), `published` (with their `ranks`), `claims_ends`, `claims_choices`, `sensitivity`, and those on `critics`.
    """
    found, runs = trials.list_trials(evidence, "09_strategies"), describe_runs(evidence)
    models = {run["id"]: {who: critics.name_model(run, who) for who in ("policy", "critic")} for run in runs}
    arms = [dict(trial.numbers) | models[trial.numbers["run"]] for trial in found]
    ranks = {trials.SPLITS[split][0]: split for split in list_splits(arms) if split in trials.SPLITS}
    claims = {file: [{"run": one.run.id, "source": one.source(f"{file}.parquet")} | row for one in evidence
                     for row in one.read(f"{file}.parquet", columns, _WHERE).to_dict("records")]
              for file, columns in CLAIMS.items()}  # fmt: skip
    return {
        "title": title, "runs": runs, "arms": arms,
        "published": [{"ranks": ranks[p.split]} | hold_against(p) for p in find_published(set(ranks))], **claims,
        "sensitivity": [sweep for sweep in trials.find_sweeps(found) if sweep["parameter"] == ENOUGH],
        "critics": critics.gather_critics(evidence), "judges": critics.name_critics(evidence),
    }  # fmt: skip


def make_report(evidence: Sequence[Evidence], numbers: Row) -> Report:
    """The report: the modes side by side beside what is published, what unchecked answers come to, where a search
    stops, and the critic."""
    arms, runs = numbers["arms"], numbers["runs"]
    figure, *others = draw_costs(numbers, "sampled_tokens", list_splits(arms)[::-1])
    truth = critics.add_critics(numbers["critics"])
    figures = [*others[:1], *draw_costs(numbers, "flops", list_splits(arms)[-1:]), *critics.list_pictures(truth)[:3]]
    appendix = [
        _describe_setting(numbers),
        Bullets(tuple(f"{mode.capitalize()}: {told}." for mode, told in HELP.items())),
        *add_section("The three modes side by side", *[_describe_modes(arms, split) for split in list_splits(arms)]),
        *add_section("Blind, beside what is published", *[
            describe_published(numbers, split) for split in list_splits(arms)
            if split in trials.SPLITS and numbers["published"]]),
        *add_section("Answers that nobody checks", *_describe_claims(numbers)),
        *add_section("Where a search stops",
                     _describe_sensitivity(numbers["sensitivity"]) if numbers["sensitivity"] else None),
        *add_section("The critic against the truth", *[block for block in truth if block not in figures]),
        *layout.add_limits(runs, list_limits(arms)),
        *layout.add_origin(runs, list_settings(arms)),
    ]  # fmt: skip
    return layout.compose_report(numbers["title"], runs, QUESTION, answer(numbers), figure, layout.tell_spent(arms),
                                 figures, appendix)  # fmt: skip


def answer(numbers: Row) -> list[str]:
    """On the hardest split: the best arm of each mode, what a mode adds to one and the same arm, the published."""
    split = list_splits(numbers["arms"])[-1]
    mine = [arm for arm in numbers["arms"] if arm["split"] == split]
    best = {mode: max((arm for arm in mine if arm["mode"] == mode), key=lambda arm: arm["accuracy"], default=None)
            for mode in MODES}  # fmt: skip
    best = {mode: arm for mode, arm in best.items() if arm}
    said = [f"On {name_split(split)} the best arm of each mode solves: " + "; ".join(
        f"{mode} {fmt.estimate(arm)} ({arm['label']}, {fmt.count(arm['sampled_tokens'])} tokens)"
        for mode, arm in best.items()) + "."]  # fmt: skip
    means = []
    for first, second in pairwise(MODES):
        pairs = [(a["accuracy"], b["accuracy"]) for a in mine for b in mine
                 if a["label"] == b["label"] and (a["mode"], b["mode"]) == (first, second)]  # fmt: skip
        if pairs:
            means.append(f"{second} adds {fmt.points(sum(b - a for a, b in pairs) / len(pairs))} points to {first}")
    said.append(f"For one and the same arm, in the mean over arms, {' and '.join(means)}." if means else
                "No arm was run in two modes.")  # fmt: skip
    points = [p for p in numbers["published"] if (p["ranks"], p["mode"]) == (split, "blind")]
    if points:
        top = max(points, key=lambda point: point["accuracy"])
        said.append(f"The best published blind point there is {fmt.percent(top['accuracy'])} ({top['model']}, "
                    f"{top['setting']}).")  # fmt: skip
    return said


def _describe_setting(numbers: Row) -> Block:
    arms, judged = numbers["arms"], []
    for split in list_splits(arms):
        most = {key: max(arm[key] for arm in arms if arm["split"] == split) for key in ("problems", "seeds")}
        judged.append(f"{name_split(split)}: {most['problems']} problems, {most['seeds']} seed(s)")
    policies = dict.fromkeys(f"{arm['policy']}, {arm['policy_parameters']:,} parameters" for arm in arms)
    return layout.describe_setting(
        numbers["runs"], ("Judged on", "; ".join(judged)),
        ("Policy", f"{'; '.join(policies)} (embeddings not counted)"),
        ("Critic", critics.describe_critics(numbers["judges"])),
    )  # fmt: skip


def _describe_modes(arms: Sequence[Row], split: str) -> Table:
    """One row an arm, the modes beside one another."""
    mine = [arm for arm in arms if arm["split"] == split]
    rows = []
    for label in dict.fromkeys(arm["label"] for arm in mine):
        found = {arm["mode"]: arm for arm in mine if arm["label"] == label}
        rows.append(next(iter(found.values())) | {"found": found})
    columns = {"arm": text("label", 1), "n": made(lambda arm: f"{arm['problems']} \u00d7 {arm['seeds']}")}
    for place, mode in enumerate(MODES):  # headings are keys: blanks tell them apart, and take no room
        columns |= {
            mode: made(lambda row, mode=mode: fmt.estimate(row["found"][mode]) if mode in row["found"] else MISSING),
            "tokens" + " " * place: made(lambda row, mode=mode: fmt.count(
                row["found"][mode]["sampled_tokens"] if mode in row["found"] else None)),
        }  # fmt: skip
    note = ("Accuracy with its 95 % interval (Wilson's, with several seeds by bootstrap over problems) and mean "
            "sampled tokens a problem, thrown-away ones included. n: problems \u00d7 seeds. -: not run in that mode.")
    return make_table(f"Blind, rules and verified, {name_split(split)}.", rows, columns, note)


def describe_published(numbers: Row, split: str) -> Table:
    """Our blind arms and the published points, best first; no other mode stands here."""
    arms = [arm for arm in numbers["arms"] if (arm["split"], arm["mode"]) == (split, "blind")]
    rows = [{"who": "here", "how": arm["label"], "solved": fmt.estimate(arm), "tokens": arm["sampled_tokens"],
             "accuracy": arm["accuracy"], "checked": "measured"} for arm in arms]  # fmt: skip
    rows += [p | {"who": p["model"], "how": f"{p['setting']} ({p['source'].partition(',')[0]})",
                  "solved": fmt.percent(p["accuracy"])}
             for p in numbers["published"] if (p["ranks"], p["mode"]) == (split, "blind")]  # fmt: skip
    columns = {"who": text("who"), "how": text("how", 1), "accuracy": made(lambda row: row["solved"]),
               "tokens": count("tokens"), "how we know": text("checked", 1)}  # fmt: skip
    note = ("Published: other models, other tokenizers; their tokens leave out duplicates, prompts and the critic. "
            "Points that count where any of several answers is right are left out, and so are our other modes: nobody "
            "checks a line there.")  # fmt: skip
    return make_table(f"Played blind, {name_split(split)}, best first.",
                      sorted(rows, key=lambda row: -row["accuracy"]), columns, note,
                      join_sources(arms) or "the papers named")  # fmt: skip


def _describe_claims(numbers: Row) -> list[Block]:
    """How answers end, and what choosing among them by their own word comes to."""
    blocks: list[Block] = []
    for key, caption, columns, note in (
        ("claims_ends", "How sampled answers end, taken as they were said and then judged.",
         {"end": text("end"), "answers": count("n"), "share": percent("share", "low", "high"),
          "claim the target": percent("claims")},
         "An answer ends as its first false line does; right, or with a wrong value, where there is none. Claim: of "
         "these, how many come to the target by their own word. 95 %: Wilson's interval over answers."),
        ("claims_choices", "What the same answers come to when nobody checks them.",
         {"choice": text("choice"), "problems": count("problems"), "accuracy": percent("accuracy", "low", "high")},
         "95 % by bootstrap over problems. Any right: a perfect chooser."),
    ):  # fmt: skip
        if found := numbers[key]:
            where = {name: text(name) for name in _WHERE if any(name in row for row in found)}
            rows = [dict.fromkeys(_WHERE) | row for row in found]
            blocks.append(make_table(caption, rows, where | columns, note))
    return blocks


def _describe_sensitivity(sweeps: Sequence[Row]) -> Table:
    rows = [sweep | point for sweep in sweeps for point in sweep["points"]]
    columns = {"strategy": text("algorithm"), "mode": text("mode"), "ranks": text("split"),
               ENOUGH: made(lambda row: fmt.value(row["value"])), "accuracy": made(fmt.estimate),
               "tokens": count("sampled_tokens")}  # fmt: skip
    return make_table(f"Arms that differ in `{ENOUGH}` alone.", rows, columns,
                      "A search ends at a terminal position of at least this value; above 1: never.")  # fmt: skip
