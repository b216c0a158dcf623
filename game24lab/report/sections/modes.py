"""The report on the three modes: the same arms blind, by the rules and verified, side by side on both splits.

It tells the records of runs that evaluated search arms (09_strategies, 05_search), what sampled answers claim where
such a run keeps it, and the critic where its 04_critic is given. No model is needed. What stands in the records is in
trials.py and critics.py. Files of claims (`game24lab.evaluation.claims`), each where it is there:

    claims_ends.parquet      `tabulate_ends`: how sampled answers end, and how many of these claim the target
    claims_choices.parquet   `compare_choices`: what a problem's answers come to when nobody checks them

Both may have the columns `split` and `arm`, which are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from game24lab.report import evidence as ev
from game24lab.report import search_evidence as tr
from game24lab.report.document import MISSING, Block, Bullets, Heading, KeyValues, Paragraph, Report, Table
from game24lab.report.published import find_published, hold_against
from game24lab.report.sections.critics import gather_critics, name_critics, name_model, say_critics, tell_critics
from game24lab.report.text import (
    compose_report,
    join_sources,
    limit_runs,
    tell_origin,
    write_commit,
    write_count,
    write_percent,
    write_range,
    write_report,
    write_settings,
    write_value,
)
from game24lab.search.modes import HELP, MODES

TITLE = "Three ways to search"
ENOUGH = "enough"  # the parameter whose sensitivity is shown: where a search that knows no verdict stops
CLAIMS = {
    "claims_ends": ("end", "n", "share", "low", "high", "claims"),
    "claims_choices": ("choice", "accuracy", "low", "high", "problems"),
}
_WHERE = ("split", "arm")
Numbers = Mapping[str, Any]


def report_modes(folders: Sequence[str | Path], output: str | Path, *, title: str = TITLE) -> Path:
    """Write the PDF `output` and beside it `<name>.json` with the numbers it quotes; returns the PDF's path.

    ValueError for broken files, or where no run holds rows of searches; FileNotFoundError where there is no run.
    """
    evidence = ev.read_evidence(folders)
    numbers = gather_numbers(evidence, title)
    return write_report(tell(numbers), numbers, output)


def gather_numbers(evidence: Sequence[ev.Evidence], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `arms` (one a split, arm and mode, with the names of `policy` and
    `critic`), `published` (with their `ranks`), `claims_ends`, `claims_choices`, `sensitivity`, and those on `critics`.
    """
    trials = tr.list_trials(evidence)
    if not trials:
        names = ", ".join(str(one.run.folder) for one in evidence)
        raise ValueError(f"nothing to report in {names}: {ev.RECORDS} with rows of an evaluation is needed, as "
                         "09_strategies writes it")  # fmt: skip
    runs = ev.describe_runs(evidence)
    models = {run["id"]: {who: name_model(run, who) for who in ("policy", "critic")} for run in runs}
    arms = [dict(trial.numbers) | models[trial.numbers["run"]] for trial in trials]
    ranks = {tr.SPLITS[split][0]: split for split in dict.fromkeys(arm["split"] for arm in arms) if split in tr.SPLITS}
    return {
        "title": title, "runs": runs, "arms": arms,
        "published": [{"ranks": ranks[p.split]} | hold_against(p) for p in find_published(set(ranks))],
        **{file: [row for one in evidence for row in _read_claims(one, file)] for file in CLAIMS},
        "sensitivity": [sweep for sweep in tr.find_sweeps(trials) if sweep["parameter"] == ENOUGH],
        "critics": gather_critics(evidence), "judges": name_critics(evidence),
    }  # fmt: skip


def _read_claims(one: ev.Evidence, file: str) -> list[dict[str, Any]]:
    path = one.run.folder / f"{file}.parquet"
    if not path.exists():
        return []
    table = one.run.read_records(file)
    if missing := [column for column in CLAIMS[file] if column not in table]:
        raise ValueError(f"{path}: the column {missing[0]!r} is missing; there are {', '.join(map(str, table))}")
    known = [*CLAIMS[file], *(column for column in _WHERE if column in table)]
    return [{"run": one.run.id, "source": one.source(path.name)} | row for row in table[known].to_dict("records")]


def tell(numbers: Numbers) -> Report:
    """The report: the question, the modes side by side beside what is published, what unchecked answers come to, where
    a search stops, and the critic."""
    arms, critics, runs = numbers["arms"], numbers["critics"], numbers["runs"]
    splits = list(dict.fromkeys(arm["split"] for arm in arms))
    blocks: list[Block] = [
        KeyValues(_tell_setting(numbers)),
        Heading("The question"),
        Paragraph(
            "How far do the models come alone, what do the rules of the game add, and what the exact verifier? Every "
            "strategy is the same in all three modes; what differs is the world that it searches."
        ),
        Bullets(tuple(f"{mode.capitalize()}: {told}." for mode, told in HELP.items())),
        Heading("The three modes side by side"),
        *[_tell_modes(arms, split) for split in splits],
    ]
    if numbers["published"]:
        blocks += [Heading("Blind, beside what is published"), *[_tell_published(numbers, split) for split in splits
                                                                 if split in tr.SPLITS]]  # fmt: skip
    if numbers["claims_ends"] or numbers["claims_choices"]:
        blocks += [Heading("Answers that nobody checks"), *_tell_claims(numbers)]
    if numbers["sensitivity"]:
        blocks += [Heading("Where a search stops"), _tell_sensitivity(numbers["sensitivity"])]
    if critics["calibration"] or critics["depths"] or critics["choices"]:
        blocks += [Heading("The critic against the truth"), *tell_critics(critics)]
    blocks += [Heading("Limits"), Bullets(tuple(_tell_limits(numbers))),
               *tell_origin(runs, list({arm["label"]: f"{arm['algorithm']}: {write_settings(arm['given'])}"
                                        for arm in arms}.items()))]  # fmt: skip
    return compose_report(numbers["title"], runs, blocks)


def _tell_setting(numbers: Numbers) -> tuple[tuple[str, str], ...]:
    arms, runs = numbers["arms"], numbers["runs"]
    counts = {arm["split"]: None for arm in arms}
    judged = [f"{_name(split)}: {max(arm['problems'] for arm in arms if arm['split'] == split)} problems, "
              f"{max(arm['seeds'] for arm in arms if arm['split'] == split)} seed(s)" for split in counts]  # fmt: skip
    policies = dict.fromkeys(f"{arm['policy']}, {arm['policy_parameters']:,} parameters" for arm in arms)
    return (
        ("Judged on", "; ".join(judged)),
        ("Policy", f"{'; '.join(policies)} (embeddings not counted)"),
        ("Critic", say_critics(numbers["judges"])),
        ("Commit", "; ".join(dict.fromkeys(write_commit(run, 12) for run in runs))),
        ("Machine", "; ".join(dict.fromkeys(run["device"] or "unknown" for run in runs))),
    )


def _tell_modes(arms: Sequence[Numbers], split: str) -> Table:
    """One row an arm, the modes beside one another."""
    mine = [arm for arm in arms if arm["split"] == split]
    rows = []
    for label in dict.fromkeys(arm["label"] for arm in mine):
        found = {arm["mode"]: arm for arm in mine if arm["label"] == label}
        first = next(iter(found.values()))
        cells = [(_write_accuracy(found[mode]), write_count(found[mode]["sampled_tokens"])) if mode in found
                 else (MISSING, MISSING) for mode in MODES]  # fmt: skip
        rows.append((label, f"{first['problems']} \u00d7 {first['seeds']}", *(cell for pair in cells for cell in pair)))
    header = ("arm", "n", *(name for mode in MODES for name in (mode, "tokens")))
    note = ("Accuracy with its 95 % interval (Wilson's, with several seeds by bootstrap over problems) and mean "
            "sampled tokens a problem, thrown-away ones included. n: problems \u00d7 seeds. -: not run in that mode.")
    return Table(f"Blind, rules and verified, {_name(split)}.", join_sources(mine), header, tuple(rows),
                 ("left", *["right"] * 7), (1, *[0] * 7), note)  # fmt: skip


def _tell_published(numbers: Numbers, split: str) -> Table:
    """Our blind arms and the published points, best first; no other mode stands here."""
    arms = [arm for arm in numbers["arms"] if (arm["split"], arm["mode"]) == (split, "blind")]
    points = [point for point in numbers["published"] if (point["ranks"], point["mode"]) == (split, "blind")]
    lines = [(arm["accuracy"], ("here", arm["label"], _write_accuracy(arm), write_count(arm["sampled_tokens"]),
                                "measured")) for arm in arms]  # fmt: skip
    lines += [(p["accuracy"], (p["model"], f"{p['setting']} ({p['source'].partition(',')[0]})",
                               write_percent(p["accuracy"]), write_count(p["tokens"]), p["checked"])) for p in points]
    rows = tuple(row for _, row in sorted(lines, key=lambda line: -line[0]))
    note = ("Published: other models, other tokenizers; their tokens leave out duplicates, prompts and the critic. "
            "Points that count where any of several answers is right are left out, and so are our other modes: nobody "
            "checks a line there.")  # fmt: skip
    return Table(f"Played blind, {_name(split)}, best first.", join_sources(arms) or "the papers named",
                 ("who", "how", "accuracy", "tokens", "how we know"), rows,
                 ("left", "left", "right", "right", "left"), (0, 1, 0, 0, 1), note)  # fmt: skip


def _tell_claims(numbers: Numbers) -> list[Block]:
    """How answers end, and what choosing among them by their own word comes to."""
    blocks: list[Block] = []
    if ends := numbers["claims_ends"]:
        where = [name for name in _WHERE if any(name in row for row in ends)]
        rows = tuple((*(row.get(name) for name in where), row["end"], write_count(row["n"]),
                      write_percent(row["share"]), write_range(row), write_percent(row["claims"]))
                     for row in ends)  # fmt: skip
        note = ("An answer ends as its first false line does; right, or with a wrong value, where there is none. "
                "Claim: of these, how many come to the target by their own word. 95 %: Wilson's interval over answers.")
        header = (*where, "end", "answers", "share", "95 %", "claim the target")
        blocks.append(Table("How sampled answers end, taken as they were said and then judged.", join_sources(ends),
                            header, rows, ("left",) * (len(where) + 1) + ("right",) * 4, note=note))  # fmt: skip
    if choices := numbers["claims_choices"]:
        where = [name for name in _WHERE if any(name in row for row in choices)]
        rows = tuple((*(row.get(name) for name in where), row["choice"], row["problems"],
                      write_percent(row["accuracy"]), write_range(row)) for row in choices)  # fmt: skip
        header = (*where, "choice", "problems", "accuracy", "95 %")
        blocks.append(Table("What the same answers come to when nobody checks them.", join_sources(choices), header,
                            rows, ("left",) * (len(where) + 1) + ("right",) * 3,
                            note="95 % by bootstrap over problems. Any right: a perfect chooser."))  # fmt: skip
    return blocks


def _tell_sensitivity(sweeps: Sequence[Numbers]) -> Table:
    rows = tuple((sweep["algorithm"], sweep["mode"], sweep["split"], write_value(point["value"]),
                  _write_accuracy(point), write_count(point["sampled_tokens"]))
                 for sweep in sweeps for point in sweep["points"])  # fmt: skip
    return Table(f"Arms that differ in `{ENOUGH}` alone.", join_sources([p for s in sweeps for p in s["points"]]),
                 ("strategy", "mode", "ranks", ENOUGH, "accuracy", "tokens"), rows,
                 ("left", "left", "left", "right", "right", "right"),
                 note="A search ends at a terminal position of at least this value; above 1: never.")  # fmt: skip


def _tell_limits(numbers: Numbers) -> list[str]:
    limits = [
        "Each model was trained once: intervals cover the choice of problems and of search seeds, not the luck of "
        "training.",
        "Tokens are those of the policy's own tokenizer, which knows nothing but numbers and signs: a published token "
        "is a longer piece of text.",
    ]
    if any(arm["split"] == tr.OTHER for arm in numbers["arms"]):
        limits.append("Some problems belong to neither published split; training may have met them.")
    return limits + limit_runs(numbers["runs"])


def _write_accuracy(arm: Numbers) -> str:
    return f"{write_percent(arm['accuracy'])} [{write_range(arm)}]"


def _name(split: str) -> str:
    return f"ranks {split}" if split in tr.SPLITS else "other problems"
