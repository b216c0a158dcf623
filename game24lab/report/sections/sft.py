"""The report on learning from search traces: what small models solve after it, at which budget, and where they fail.

It describes any number of `03_sft` runs: each is one arm of an ablation, the best of them is analysed closely.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from game24lab.report import chain_summaries as sm
from game24lab.report import layout
from game24lab.report.document import Block, Bullets, Columns, Paragraph, Picture, Report, Table, show
from game24lab.report.evidence import TRAINING, Evidence, refuse
from game24lab.report.findings import find_best, find_rise
from game24lab.report.layout import SMALL, add_section, draw_picture
from game24lab.report.published import PUBLISHED_SFT
from game24lab.report.sections import chains
from game24lab.report.summaries import find_ends, keep_curve
from game24lab.report.tables import Row, count, join_sources, made, make_table, percent, short, text
from game24lab.views.charts import chains as charts
from game24lab.views.charts import theme as figures
from game24lab.views.tables import formats as fmt
from game24lab.views.tables.formats import MISSING

TITLE = "Learning to search from search traces"
QUESTION = ("A small language model learns from written-down searches: moves, dead ends, returns, and at last an "
            "expression. Which way to write a search, and how long a one, lets it solve puzzles that it has never "
            "seen, and within how many tokens? " + chains.ONE_ANSWER)  # fmt: skip
NOTEBOOK = "03_sft"  # whose runs are described; others below the same folders are left out
ANCHORS = (1024, 4096)  # budgets that the published numbers stand at
FEW = 100  # puzzles, below which the limits say so


def select_runs(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The runs that the report is about; ValueError where there are none."""
    graded = [one for one in sm.select_graded(evidence) if one.run.name.startswith(NOTEBOOK)]
    if not graded:
        raise refuse(evidence, f"runs of {NOTEBOOK} are needed")
    return graded


def gather_numbers(evidence: Sequence[Evidence], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `arms` (best first), `budgets`, `best`, `anatomy`, `passes`,
    `learning`, `costs`, `data`, `published`."""
    graded = select_runs(evidence)
    budgets = {one.label: sm.summarise_graded(one, sm.END) for one in graded}
    largest = min(entries[-1]["budget"] for entries in budgets.values())
    costs, arms = [sm.read_cost(one) for one in graded], []
    for one, cost in zip(graded, costs, strict=True):
        at = {entry["budget"]: entry for entry in budgets[one.label]}
        anchors = {str(budget): at[budget] for budget in sorted({*ANCHORS, largest}) if budget in at}
        end = at.get(largest) or sm.measure_stage(one, sm.END, largest)
        arms.append(cost | _describe_data(one) | {"source": one.source(), "largest": end, "anchors": anchors})
    arms.sort(key=lambda arm: (-arm["largest"]["accuracy"], arm["largest"]["tokens"]))
    best = next(one for one in graded if one.label == arms[0]["label"])
    learning = [{"run": one.run.id, "label": one.label, "source": one.source(TRAINING)} | find_ends(one)
                | {"curve": keep_curve(one.training)}
                for one in graded if one.training is not None and one.training.get("loss", pd.Series()).notna().any()]
    return {
        "title": title, "runs": sm.describe_graded(graded), "arms": arms, "best": best.label, "budget": largest,
        "budgets": budgets, "anatomy": sm.analyse_answers(best, sm.END),
        "passes": [entry for one in graded for entry in sm.summarise_passes(one)], "learning": learning,
        "costs": costs, "data": {one.label: dict(one.data) for one in graded if one.data},
        "published": [vars(point) for point in PUBLISHED_SFT],
    }  # fmt: skip


def _describe_data(one: Evidence) -> dict[str, Any]:
    """What the run learnt from, in a few words; from scratch or not."""
    data = one.data or {}
    styles, buckets = (", ".join(map(str, data.get(key, []))) for key in ("styles", "buckets"))
    return {"styles": styles, "buckets": buckets, "traces": data.get("samples"),
            "scratch": not one.run.parameters.get("checkpoint")}  # fmt: skip


def make_report(evidence: Sequence[Evidence], numbers: Row) -> Report:
    """The report: the best run, all runs beside each other and the published, then errors, data, cost and limits.

    Without evidence, from kept numbers alone, histograms of answers and learning curves are left out.
    """
    arms, analysis = numbers["arms"], numbers["anatomy"]
    graded = select_runs(evidence) if evidence else []
    rows = next((sm.list_endings(one, sm.END) for one in graded if one.label == numbers["best"]), None)
    budgets = numbers["budgets"][numbers["best"]]
    figures = [_draw_best(budgets), *_draw_learning(graded, numbers), *chains.draw_groups(analysis),
               *([] if rows is None else chains.draw_endings(rows, analysis)[:1]),
               *([chains.draw_passes(numbers["passes"])] if numbers["passes"] else [])]  # fmt: skip
    appendix = [
        _describe_setting(numbers, rows),
        *add_section(f"The best run: {numbers['best']}",
                     chains.describe_budgets(budgets, f"{numbers['best']}: how its answers end, by token budget.")),
        *add_section("Formats and lengths beside each other" if len(arms) > 1 else "The run", _describe_arms(numbers)),
        *add_section("Beside the published", chains.describe_published(numbers["published"], _list_ours(numbers))),
        *add_section("What its chains look like", chains.describe_lengths(analysis),
                     *([] if rows is None else chains.draw_endings(rows, analysis)[1:]),
                     *chains.describe_wrong_lines(analysis)),
        *add_section("What it learnt from, and what that cost", _describe_traces(numbers),
                     chains.describe_costs(numbers["costs"])),
        *add_section("What did not work", Bullets(tuple(list_negatives(numbers)))),
        *layout.add_limits(numbers["runs"], list_limits(numbers)),
        *layout.add_origin(numbers["runs"]),
    ]  # fmt: skip
    return layout.compose_report(numbers["title"], numbers["runs"], QUESTION, answer(numbers), _draw_arms(numbers),
                                 chains.tell_costs(numbers["costs"]), figures, appendix)  # fmt: skip


def answer(numbers: Row) -> list[str]:
    """The best run, how its other answers end, and the next best or the published one beside it."""
    best, *others = numbers["arms"]
    end = best["largest"]
    written = ", ".join(filter(None, (best["styles"], best["buckets"])))
    said = [f"The best of {len(numbers['arms'])} runs, {best['label']}" + f" (traces: {written})" * bool(written)
            + f", solves {fmt.estimate(end)} of {end['puzzles']} held-out puzzles within {numbers['budget']:,} tokens.",
            f"Of its answers {fmt.percent(end['wrong'])} are wrong and {fmt.percent(end['unfinished'])} unfinished at "
            f"that budget; a mean answer has {fmt.count(end['tokens'])} tokens."]  # fmt: skip
    if others:
        next_best = others[0]["largest"]
        apart = "do not touch" if next_best["high"] < end["low"] else "overlap"
        said.append(f"The next best, {others[0]['label']}, solves {fmt.estimate(next_best)}: their intervals {apart}.")
    else:
        top = max(numbers["published"], key=lambda point: point["solved"])
        said.append(f"The best published point, of other models and puzzles, is {fmt.percent(top['solved'])} within "
                    f"{top['budget']:,} tokens ({top['model']}, {top['training']}).")  # fmt: skip
    return said


# ------------------------------------------------------------------------------------------- sections
def _describe_setting(numbers: Row, rows: pd.DataFrame | None) -> Block:
    analysis = numbers["anatomy"]
    sizes = " or ".join(dict.fromkeys(fmt.short(arm["parameters"]) for arm in numbers["arms"]))
    return layout.describe_setting(
        numbers["runs"], ("Judged on", chains.describe_ranks(rows, numbers["arms"][0]["largest"]["puzzles"])),
        ("Models", f"{len(numbers['arms'])} of {sizes} parameters (embeddings not counted)"),
        ("Tokens", f"100 tokens of the best run's answers are {100 * analysis['lines_per_token']:.1f} lines or "
                   f"{100 * analysis['characters_per_token']:.0f} characters"),
    )  # fmt: skip


def _draw_best(entries: Sequence[Row]) -> Columns | None:
    """How the answers of the best run end by budget; nothing where there is one budget alone."""
    if len(entries) < 2:
        return None
    source, table = join_sources(entries), pd.DataFrame(entries)
    ends = [{"budget": e["budget"], "accuracy": e["unfinished"], "low": e["unfinished_low"],
             "high": e["unfinished_high"]} for e in entries]  # fmt: skip
    unfinished = find_rise(ends, "budget", "{} tokens", what="The unfinished share", paired=True)
    solved = find_rise(entries, "budget", "{} tokens", what="The share solved", paired=True)
    return Columns((
        draw_picture(charts.draw_ends(table), f"{unfinished} How answers end.", source, 200, SMALL),
        draw_picture(charts.draw_budgets(table), f"{solved} Bars: 95 %, Wilson.", source, 200, SMALL),
    ))  # fmt: skip


def _describe_arms(numbers: Row) -> Table:
    arms = numbers["arms"]
    anchors = sorted({int(budget) for arm in arms for budget in arm["anchors"]})

    def reach(budget: int) -> Any:
        return made(lambda arm: fmt.percent(arm["anchors"].get(str(budget), {"accuracy": None})["accuracy"]))

    columns = {
        "run": text("label", 1), "style": text("styles", 0.6), "lengths": text("buckets", 0.8),
        "tokens learnt": short("training_tokens"),
        "CPU min": made(lambda arm: fmt.minutes(arm["training_cpu_seconds"], arm["resumed"])),
        **{f"@{budget:,}": reach(budget) for budget in anchors}, "95 %": made(lambda arm: fmt.interval(arm["largest"])),
        "wrong": percent("largest.wrong"), "unfin.": percent("largest.unfinished"), "tokens": count("largest.tokens"),
    }  # fmt: skip
    known = sorted({arm["training_tokens"] for arm in arms if arm["training_tokens"]})
    equal = "" if len(known) < 2 else f" They learnt from {fmt.short(known[0])} to {fmt.short(known[-1])} tokens."
    note = (f"Best first. 95 %, wrong, unfinished and tokens (mean of an answer) at {numbers['budget']:,} tokens, the "
            f"largest budget that all runs were given.{equal} {chains.BLIND}")  # fmt: skip
    return make_table("Each row is one training.", arms, columns, note)


def _draw_arms(numbers: Row) -> Picture:
    shown = numbers["arms"][: len(figures.PALETTE)]
    table = pd.DataFrame([entry | {"run": arm["label"]} for arm in shown for entry in numbers["budgets"][arm["label"]]])
    left_out = f" The {len(shown)} best." if len(shown) < len(numbers["arms"]) else ""
    ends = [arm["largest"] | {"label": arm["label"], "mode": "blind", "seeds": 1} for arm in shown]
    finding = find_best(ends, cost="tokens", noun="run", where=f" an answer within {numbers['budget']:,}")
    caption = f"{finding} Solved against the token budget, by run (95 % Wilson).{left_out}"
    return draw_picture(charts.draw_budgets(table), caption, join_sources(shown), 280)


def _draw_learning(graded: Sequence[Evidence], numbers: Row) -> list[Block]:
    ends = {end["label"]: end for end in numbers["learning"]}
    order = [arm["label"] for arm in numbers["arms"]][: len(figures.PALETTE)]
    logs = {one.label: one.training.assign(run=one.label) for one in graded if one.training is not None}
    shown = [label for label in order if label in ends and label in logs]
    if not shown:
        return []
    table = pd.concat([logs[label] for label in shown], ignore_index=True)
    figure = figures.draw_learning(table if len(shown) > 1 else table.drop(columns="run"))
    lowest, highest = (pick(shown, key=lambda label: ends[label]["last_loss"]) for pick in (min, max))
    told = "; ".join(f"{label} from {ends[label]['first_loss']:.2f} to {ends[label]['last_loss']:.3f} in "
                     f"{ends[label]['steps']:,} steps" for label in dict.fromkeys((lowest, highest)))  # fmt: skip
    of = f" of {len(shown)} runs, the lowest at the end and the highest" if len(shown) > 1 else ""
    caption = f"The training loss{of}: {told}. Logs of the training."
    return [draw_picture(figure, caption, join_sources([ends[label] for label in shown]), 210)]


def _describe_traces(numbers: Row) -> Block:
    parts = [part | {"run": arm["label"]} for arm in numbers["arms"]
             for part in numbers["data"].get(arm["label"], {}).get("parts", [])]  # fmt: skip
    if not parts:
        return Paragraph("What the runs learnt from is told by their parameters alone, below.")
    keys = {"weight": "weight", "traces": "samples", "tokens": "tokens_mean", "lines": "lines_mean",
            "rollbacks": "rollback_share"}  # fmt: skip
    rows = [dict.fromkeys(("style", "bucket", *keys.values())) | part for part in parts]
    columns = {"run": text("run", 1), "style": text("style"), "length": text("bucket")}
    columns |= {name: made(lambda row, key=key: show(row[key])) for name, key in keys.items()}
    note = "Tokens and lines: mean of a trace; rollbacks: share of its lines. The data cards stand in the JSON."
    return make_table("The traces behind each run.", rows, columns, note, "data.json of the runs")


def _list_ours(numbers: Row) -> list[dict[str, Any]]:
    best, analysis = numbers["arms"][0], numbers["anatomy"]
    traces = f"{best['traces']:,} traces" if best["traces"] else ""
    shared = {key: analysis[key] for key in ("lines_per_token", "characters_per_token")}
    shared |= {key: best[key] for key in ("label", "parameters", "source", "scratch")}
    training = ", ".join(filter(None, (best["styles"], best["buckets"], traces)))
    shared |= {"stage": "SFT", "training": training or MISSING}
    return [shared | {key: entry[key] for key in ("budget", "puzzles", "accuracy", "wrong", "unfinished")}
            for entry in best["anchors"].values()]  # fmt: skip


def list_negatives(numbers: Row) -> list[str]:
    """What did not work, as far as the records show."""
    (best, *others), analysis = numbers["arms"], numbers["anatomy"]
    told, budget = [], f"{numbers['budget']:,} tokens"
    if far := [arm for arm in others if arm["largest"]["high"] < best["largest"]["low"]]:
        listed = ", ".join(f"{arm['label']} {fmt.percent(arm['largest']['accuracy'])}" for arm in far)
        told.append(f"Below the best by more than both intervals, at {budget}: {listed}.")
    stuck = max(numbers["arms"], key=lambda arm: arm["largest"]["unfinished"])
    if stuck["largest"]["unfinished"]:
        share = fmt.percent(stuck["largest"]["unfinished"])
        told.append(f"{stuck['label']} leaves most unfinished: {share} at {budget}.")
    if missed := analysis["never_solved"]:
        listed = fmt.some(missed, 20, "; ", "; and {} more (in the JSON)")
        told.append(f"The best run does not solve {len(missed)} of its puzzles: {listed}.")
    if circles := [entry for entry in analysis["reasons"] if entry["reason"] == "tried before"]:
        told.append(f"{circles[0]['n']} of the best run's answers first go wrong by trying again what they had tried.")
    return told or ["Nothing that these records show."]


def list_limits(numbers: Row) -> list[str]:
    """What the numbers do not say."""
    arms = numbers["arms"]
    limits = [
        "Intervals cover the choice of puzzles, not the luck of training: each row is one trained model.",
        "Smaller budgets are read off the same answers: one of t tokens is unfinished at a budget below t. Under a "
        "budget that it knew of, a model might write otherwise.",
    ]
    if len(arms) > 1:
        limits.append(f"The best of {len(arms)} runs was chosen on the puzzles that it is reported on, which flatters.")
    few = min(arm["largest"]["puzzles"] for arm in arms)
    return limits + ([f"{few} puzzles: differences of a few points are within chance."] if few <= FEW else [])
