"""The report on lookahead: a tree search inside the answer beside plain decoding and best-of-n, at equal cost.

It tells the records of `08_lookahead` runs, and of `06_grpo` runs where some are given, of which some learnt from
searched answers. No model is needed. This module knows the story alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.evaluation.decoding import ANSWER, looks_ahead, match, read_settings, tabulate_answers
from game24lab.report import chain_evidence as gr
from game24lab.report import evidence as ev
from game24lab.report.document import (
    MISSING,
    Block,
    Bullets,
    Code,
    Heading,
    KeyValues,
    Paragraph,
    Picture,
    Report,
    Table,
)
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
)
from game24lab.tasks.environments import list_text_alone
from game24lab.views.charts import chains as charts
from game24lab.views.charts import theme as figures
from game24lab.views.tree.still import draw_svg
from game24lab.views.widgets.side_by_side import LEGEND, read_side

TITLE = "Looking ahead while writing"
SEEDS = 3  # below which the limits say so
UNITS = {"sampled_tokens": "sampled tokens", "wall_seconds": "seconds on the clock"}
_SETTINGS = ("rule", "every", "threshold", "simulations", "depth", "top_k", "unit", "chunk", "fallback", "temperature")
_LONGEST = 1_200  # characters of an answer in a report
_BLIND = ("chains24", "gsm8k")  # tasks whose texts are taken as they were written
Numbers = Mapping[str, Any]


def report_lookahead(folders: Sequence[str | Path], output: str | Path, *, title: str = TITLE) -> Path:
    """Write the PDF `output` and beside it `<name>.json` with the numbers it quotes; returns the PDF's path.

    ValueError for broken files, or where no run is of 08_lookahead; FileNotFoundError where there is no run.
    """
    evidence = ev.read_evidence(folders)
    numbers = gather_numbers(evidence, title)
    return write_report(tell(evidence, numbers), numbers, output)


def gather_numbers(evidence: Sequence[ev.Evidence], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `arms`, `grid`, `matched` (by unit), `trainings`.

    ValueError where no run holds answers of 08_lookahead.
    """
    looked = _list_looked(evidence)
    if not looked:
        names = ", ".join(f"{one.run.folder} ({one.run.name})" for one in evidence)
        raise ValueError(f"nothing to report in {names}: a run of 08_lookahead is needed")
    arms, grid = (
        [entry | {"run": one.run.id, "source": one.source(ev.RECORDS)} for one in looked
         for entry in gr.plain(_tabulate(one.rows[one.rows["part"] == part], settings))]
        for part, settings in (("main", False), ("grid", True))
    )  # fmt: skip
    matched = {
        unit: [
            entry | {"run": one.run.id, "source": one.source(ev.RECORDS)}
            for one in looked
            for entry in gr.plain(match(one.rows[one.rows["part"] == "main"], unit))
        ]
        for unit in UNITS
    }
    trained = [one.run.folder for one in evidence
               if one.run.name == "06_grpo" and (one.run.folder / gr.GRADES).exists()]  # fmt: skip
    return {"title": title, "runs": ev.describe_runs(evidence), "arms": arms, "grid": grid, "matched": matched,
            "trainings": _gather_trainings(gr.read_graded(trained, words=True)) if trained else []}  # fmt: skip


def tell(evidence: Sequence[ev.Evidence], numbers: dict[str, Any]) -> Report:
    """The report: the question, all arms, equal cost, forms, the ablation, chains, a tree, training, limits."""
    looked = _list_looked(evidence)
    blocks: list[Block] = [
        KeyValues(_tell_setting(numbers)),
        Heading("The question"),
        Paragraph(
            "Plain decoding writes token after token. Here it stops at decision points, tries the likeliest next "
            "tokens, rolls each out to the end of the answer and writes the one that came off best: a tree search "
            "inside the answer. Does that buy more right answers than sampling whole answers for the same tokens, and "
            "for the same time? Verified: the exact verifier ends the search at the first right answer, a rollout "
            "included, and chooses among best-of-n's samples. Rules (solutions) and blind (chains and word problems, "
            "which are taken as they were written and judged afterwards): nobody who knows the right answer chooses."
        ),
        Heading("All arms"), *_by_run(numbers, numbers["arms"], _tell_arms, _tell_speed, _draw_arms),
        Heading("At equal cost"),
        *[block for unit, entries in numbers["matched"].items()
          for block in _by_run(numbers, entries, partial(_tell_matched, unit))],
        Heading("What the answers are paid for"), *_by_run(numbers, numbers["arms"], _tell_rewards),
        Heading("Where, how many, how deep"), *_by_run(numbers, numbers["grid"], _draw_grid,
                                                          *[_tell_grid] * bool(numbers["grid"])),
        Heading("What it changed"), *[block for one in looked for block in _tell_chains(one)],
        *[_tell_tree(one) for one in looked if one.tree is not None],
        Heading("Searched answers in training"), *_tell_trainings(numbers["trainings"]),
        Heading("Limits"), Bullets(tuple(_tell_limits(numbers))),
        *tell_origin(numbers["runs"]),
    ]  # fmt: skip
    return compose_report(numbers["title"], numbers["runs"], blocks)


# ------------------------------------------------------------------------------------------- numbers
def _list_looked(evidence: Sequence[ev.Evidence]) -> list[ev.Evidence]:
    """What holds answers of 08_lookahead. Records from before do not say that chains and word problems are blind."""
    looked = [one for one in evidence if one.rows is not None and set(ANSWER) <= set(one.rows)]
    return [replace(one, rows=one.rows.assign(mode=one.rows["mode"].replace("rules", "blind")))
            if one.run.parameters.get("task") in _BLIND else one for one in looked]  # fmt: skip


def _tabulate(rows: pd.DataFrame, settings: bool) -> pd.DataFrame:
    if rows.empty:
        return pd.DataFrame()
    table = tabulate_answers(rows)
    return read_settings(table) if settings else table


def _gather_trainings(graded: Sequence[gr.Graded]) -> list[dict[str, Any]]:
    """All seeds of a share and a way to enter together, those without a search first. Where some were searched, only
    runs of their task and start are held against them."""
    searched = {_tell_start(one) for one in graded if one.run.parameters.get("search_share")}
    graded = [one for one in graded if not searched or _tell_start(one) in searched]
    groups: dict[tuple[float, str], list[gr.Graded]] = {}
    for one in graded:
        share = float(one.run.parameters.get("search_share", 0.0))
        groups.setdefault((share, one.run.parameters.get("search_enter", "") if share else ""), []).append(one)
    found = []
    for (share, enter), some in sorted(groups.items()):
        budget = min(int(one.stage(stage)["budget"].min()) for one in some for stage in ("start", gr.END))
        costs = [gr.read_cost(one)["sampled_tokens"] for one in some]
        found.append({
            "share": share, "enter": enter, "runs": len(some), "budget": budget,
            "change": gr.compare_stages(some, "start", gr.END, budget),
            "end": sum(gr.measure_stage(one, gr.END, budget)["accuracy"] for one in some) / len(some),
            "sampled_tokens": None if None in costs else sum(costs) / len(costs),
            "source": join_sources([{"source": one.source()} for one in some]),
        })  # fmt: skip
    return found


def _tell_start(one: gr.Graded) -> tuple[str, str]:
    return str(one.run.parameters.get("task", "game24")), str(one.run.parameters.get("policy", ""))


# ------------------------------------------------------------------------------------------- sections
def _tell_setting(numbers: Numbers) -> tuple[tuple[str, str], ...]:
    arms, looked = numbers["arms"], [run for run in numbers["runs"] if run["name"] == "08_lookahead"]
    parameters = [run["parameters"] for run in looked]
    return (
        ("Task", "; ".join(dict.fromkeys(f"{p['task']}, {p['policy'] or 'the shipped policy'}" for p in parameters))),
        ("Problems", f"{max(arm['problems'] for arm in arms)} held out, {max(arm['seeds'] for arm in arms)} seed(s)"),
        ("Lookahead", write_settings({name: parameters[0][name] for name in _SETTINGS})),
        ("Commit", "; ".join(dict.fromkeys(write_commit(run, 12) for run in looked))),
        ("Machine", "; ".join(dict.fromkeys(run["device"] or "unknown" for run in looked))),
    )  # fmt: skip


def _by_run(
    numbers: Numbers, entries: Sequence[Numbers], *tell: Callable[[Sequence[Numbers], str], Block]
) -> list[Block]:  # fmt: skip
    """What is told of each run's entries, one run after the other, with its task where there are several."""
    looked = [run for run in numbers["runs"] if run["name"] == "08_lookahead"]
    blocks = []
    for run in looked:
        mine = [entry for entry in entries if entry["run"] == run["id"]]
        blocks += [one(mine, f", {run['parameters']['task']}" if len(looked) > 1 else "") for one in tell]
    return blocks


def _tell_arms(arms: Sequence[Numbers], where: str) -> Table:
    header = ("arm", "mode", "n", "seeds", "solved", "95 %", "sampled", "written", "decisions", "changed")
    rows = tuple(
        (a["arm"], a["mode"], a["problems"], a["seeds"], write_percent(a["accuracy"]), write_range(a),
         write_count(a["sampled_tokens"]), write_count(a["answer_tokens"]), f"{a['decisions']:.1f}",
         f"{a['changed']:.1f}")
        for a in arms
    )  # fmt: skip
    note = ("Sampled: all tokens of a problem, tried and rolled out ones included; written: of the answer. Decisions: "
            "points at which the search was asked; changed: where it wrote another token than plain decoding. 95 %: "
            "Wilson's interval, by bootstrap over problems where there are several seeds.")  # fmt: skip
    align = ("left", "left", *["right"] * 8)
    return Table(f"Every arm{where}, means of a problem.", join_sources(arms), header, rows, align, (1, *[0] * 9), note)


def _tell_speed(arms: Sequence[Numbers], where: str) -> Table:
    header = ("arm", "mode", "ms a token", "s an answer, median", "95 % below", "all problems, s", "memory")
    rows = tuple(
        (a["arm"], a["mode"], f"{1000 * a['seconds_per_token']:.1f}", f"{a['answer_seconds_p50']:.2f}",
         f"{a['answer_seconds_p95']:.2f}", f"{a['wall_seconds']:.1f}",
         MISSING if a["peak_bytes"] is None else f"{write_short(a['peak_bytes'])}B")
        for a in arms
    )  # fmt: skip
    note = ("A token of the answer, with all that was tried for it; of an answer, its share of the models' time, all "
            "problems being answered at once. Memory: the highest mark above what was held before the arm, after "
            "all that earlier arms had freed was given back.")  # fmt: skip
    align = ("left", "left", *["right"] * 5)
    return Table(f"Latency and memory{where}.", join_sources(arms), header, rows, align, (1, *[0] * 6), note)


def _draw_arms(arms: Sequence[Numbers], where: str) -> Picture:
    table = pd.DataFrame(arms)
    table["arm"] = table["arm"].str.replace(r"\bof \d+\b", "of n", regex=True)  # a curve for all n
    caption = f"Solved against sampled tokens of a problem{where}; joined: best of n by n."
    return draw_picture(figures.draw_accuracy(table), caption, join_sources(arms), 330)


def _tell_matched(unit: str, entries: Sequence[Numbers], where: str) -> Block:
    if not entries:
        return Paragraph(f"At equal {UNITS[unit]}{where}: no lookahead has a baseline that ends as it does.")
    digits = 0 if unit == "sampled_tokens" else 2
    header = ("lookahead", "mode", "solved", "spent", "beside", "solved", "spent", "difference", "95 %")
    rows = tuple(
        (e["arm"], e["mode"], write_percent(e["accuracy"]), f"{e['spent']:,.{digits}f}",
         e["baseline"] + (" *" if not e["enough"] else ""), write_percent(e["baseline_accuracy"]),
         f"{e['baseline_spent']:,.{digits}f}", f"{100 * e['difference'] + 0.0:+.1f}",
         f"{100 * e['low'] + 0.0:+.1f} to {100 * e['high'] + 0.0:+.1f}")
        for e in entries
    )  # fmt: skip
    note = ("Beside: the cheapest baseline that spends at least as much and ends alike; * none did, the dearest stands "
            "in. Difference in percentage points, paired by problem; 95 %: bootstrap over problems.")  # fmt: skip
    align = ("left", "left", "right", "right", "left", *["right"] * 4)
    caption = f"At equal {UNITS[unit]} of a problem{where}."
    return Table(caption, join_sources(entries), header, rows, align, (1, 0, 0, 0, 1, 0, 0, 0, 0), note)


def _tell_rewards(arms: Sequence[Numbers], where: str) -> Table:
    names = [name for name in dict.fromkeys(key for arm in arms for key in arm) if name.startswith("reward/")]
    header = ("arm", "mode", "reward", *(name.partition("/")[2].replace("_", " ") for name in names))
    rows = tuple((a["arm"], a["mode"], _write(a["reward"]), *(_write(a.get(name)) for name in names)) for a in arms)
    known = sorted({name.partition("/")[2] for name in names} & list_text_alone())
    note = ("Means over answers: the weighted sum, and each reward unweighted, so that of a form it is the share of "
            f"answers in it. Read from the text alone: {', '.join(known) or 'none of them'}. Where a verified search "
            "found nothing right, the likeliest of its answers is measured.")  # fmt: skip
    align = ("left", "left", *["right"] * (len(names) + 1))
    widths = (1, *[0] * (len(names) + 2))
    return Table(f"Rewards and forms{where}.", join_sources(arms), header, rows, align, widths, note)


def _write(number: float | None) -> str:
    return MISSING if number is None else f"{number:.2f}"


def _draw_grid(grid: Sequence[Numbers], where: str) -> Block:
    if not grid:
        return Paragraph(f"No combination was tried{where}.")
    figure = charts.draw_grid(pd.DataFrame(grid), "simulations", "depth", "rule")
    return draw_picture(figure, f"Solved by simulations, depth and decision rule, verified{where}.", join_sources(grid),
                        280)  # fmt: skip


def _tell_grid(grid: Sequence[Numbers], where: str) -> Block:
    header = ("rule", "simulations", "depth", "n", "solved", "95 %", "sampled", "decisions", "changed", "ms a token")
    rows = tuple(
        (g["rule"], g["simulations"], g["depth"], g["problems"], write_percent(g["accuracy"]), write_range(g),
         write_count(g["sampled_tokens"]), f"{g['decisions']:.1f}", f"{g['changed']:.1f}",
         f"{1000 * g['seconds_per_token']:.1f}")
        for g in grid
    )  # fmt: skip
    align = ("left", *["right"] * 9)
    caption = f"The same in numbers{where}; all else as above."
    return Table(caption, join_sources(grid), header, rows, align, (1, *[0] * 9))


def _tell_chains(one: ev.Evidence) -> list[Block]:
    """One problem that plain decoding misses and a lookahead that changed something solves, or the first."""
    rows = one.rows[one.rows["part"] == "main"]
    plain = rows[(rows["algorithm"] == "lookahead") & ~rows.apply(looks_ahead, axis=1)]
    ahead = rows[rows.apply(looks_ahead, axis=1)]
    missed = set(plain.loc[~plain["solved"], "problem"])
    told = ahead[ahead["solved"] & ahead["problem"].isin(missed) & (ahead["changed"] > 0)]
    if ahead.empty:
        return []
    chosen = (told if len(told) else ahead).iloc[0]
    pair = [*plain[(plain["problem"] == chosen["problem"]) & (plain["seed"] == chosen["seed"])].to_dict("records"),
            chosen.to_dict()]  # fmt: skip
    texts = [str(read_side(row)) for row in pair]
    shown = [text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…" for text in texts]
    why = "Missed by plain decoding, solved by a lookahead" if len(told) else "No lookahead mended an answer; the first"
    return [Paragraph(f"{why}: {str(chosen['problem'])[:400]}. {LEGEND}"), *[Code(text) for text in shown]]


def _tell_tree(one: ev.Evidence) -> Picture:
    tree, meta = one.tree, one.tree.meta
    caption = (f"One answer's tree: {len(tree)} nodes, {tree.sampled:,} sampled tokens, "
               f"{len(meta.get('decisions', []))} decisions; {meta.get('outcome', '')}.")  # fmt: skip
    return Picture(caption, one.source(ev.TREE), draw_svg(tree), caption)


def _tell_trainings(trainings: Sequence[Numbers]) -> list[Block]:
    if not any(training["share"] for training in trainings):
        return [Paragraph("No run that learnt from searched answers is among these.")]
    header = ("searched", "enter", "runs", "end", "end - start", "95 %", "tokens sampled")
    rows = tuple(
        (write_percent(t["share"]), t["enter"] or MISSING, t["runs"], write_percent(t["end"]),
         f"{100 * t['change']['difference'] + 0.0:+.1f}",
         f"{100 * t['change']['low'] + 0.0:+.1f} to {100 * t['change']['high'] + 0.0:+.1f}",
         write_short(t["sampled_tokens"]))
        for t in trainings
    )  # fmt: skip
    note = ("Greedy answers to held-out problems. As is: learnt from as if sampled; corrected: tokens that the search "
            "chose weighted by pi over mu; supervised: a term of its own. Tokens sampled: for training, searches "
            "included, mean of a run. 95 %: paired, by bootstrap over problems.")  # fmt: skip
    return [
        Table("GRPO with a share of each group from the search.", join_sources(trainings), header, rows,
              ("right", "left", *["right"] * 5), (1, *[0] * 6), note),
        Paragraph(_judge(trainings)),
    ]  # fmt: skip


def _judge(trainings: Sequence[Numbers]) -> str:
    """Whether it helped, said plainly."""
    without = next((training for training in trainings if not training["share"]), None)
    if without is None:
        return "Without a run that samples all answers, nothing says whether the search helped."
    best = max((training for training in trainings if training["share"]), key=lambda t: t["change"]["difference"])
    gain = 100 * (best["change"]["difference"] - without["change"]["difference"])
    apart = best["change"]["low"] > without["change"]["high"] or best["change"]["high"] < without["change"]["low"]
    word = ("helped" if gain > 0 else "did harm") if apart else "made no difference beyond chance"
    sure = "their intervals do not touch" if apart else "their intervals overlap"
    return (f"At equal steps the search {word}: its best way to enter ({best['enter']}) gained {gain:+.1f} percentage "
            f"points against plain GRPO; {sure}. It sampled {write_short(best['sampled_tokens'])} tokens against "
            f"{write_short(without['sampled_tokens'])}.")  # fmt: skip


def _tell_limits(numbers: Numbers) -> list[str]:
    limits = limit_runs(numbers["runs"])
    fewest = min(arm["seeds"] for arm in numbers["arms"])
    if fewest < SEEDS:
        limits.append(f"{fewest} seed(s) of decoding: intervals are over problems, not over seeds.")
    if any(not entry["enough"] for entries in numbers["matched"].values() for entry in entries):
        limits.append("Some lookaheads spent more than every baseline: there the comparison favours the lookahead.")
    limits.append(
        "A verified search knows the right answer while it searches: it measures what the policy can reach, "
        "not what a user without a verifier would get. Its baselines end alike."
    )
    limits.append("Time is that of one machine and of all problems in one batch; alone, an answer takes longer.")
    return limits
