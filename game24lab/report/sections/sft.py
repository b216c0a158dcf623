"""The report on learning from search traces: what small models solve after it, at which budget, and where they fail.

It tells the records of any number of `03_sft` runs: each is one arm of an ablation, the best of them is looked at
closely. No model is needed. What stands in the records is in graded.py; this module knows the story alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.report import chain_evidence as gr
from game24lab.report import evidence as ev
from game24lab.report.document import (
    MISSING,
    Block,
    Bullets,
    Columns,
    Heading,
    KeyValues,
    Paragraph,
    Picture,
    Report,
    Table,
    write_float,
)
from game24lab.report.published import PUBLISHED_SFT
from game24lab.report.sections import chains as bl
from game24lab.report.text import (
    SMALL,
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
    write_short,
)
from game24lab.views.charts import chains as charts
from game24lab.views.charts import theme as figures

TITLE = "Learning to search from search traces"
NOTEBOOK = "03_sft"  # whose runs are told; others below the same folders are left out
ANCHORS = (1024, 4096)  # budgets that the published numbers stand at
FEW = 100  # puzzles, below which the limits say so


def report_sft(folders: Sequence[str | Path], output: str | Path, *, title: str = TITLE) -> Path:
    """Write the PDF `output` and beside it `<name>.json` with the numbers it quotes; returns the PDF's path.

    ValueError or OSError that names the folder or file where a run, its grades or its end are missing or broken.
    """
    mine = [run for run in ev.list_runs(folders) if run.name == NOTEBOOK]
    bare = [run for run in mine if not (run.folder / gr.GRADES).exists()]
    if mine and len(bare) == len(mine):
        why = (f"it is {bare[0].status} and has graded no answers yet" if bare[0].parameters.get("traces")
               else "it learnt without traces, which this report is about; the one of --kind runs tells of it")
        raise ValueError(f"nothing to report in {bare[0].folder} ({NOTEBOOK}): {why}")
    found = gr.read_graded(folders)
    graded = [one for one in found if one.run.name == NOTEBOOK]
    if not graded:
        names = ", ".join(f"{one.run.folder} ({one.run.name})" for one in found)
        raise ValueError(f"nothing to report in {names}: runs of {NOTEBOOK} are needed")
    numbers = gather_numbers(graded, title)
    return write_report(tell(graded, numbers), numbers, output)


def gather_numbers(graded: Sequence[gr.Graded], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `arms` (best first), `budgets`, `best`, `anatomy`, `passes`,
    `learning`, `costs`, `data`, `published`."""
    budgets = {one.label: gr.summarise_graded(one, gr.END) for one in graded}
    largest = min(entries[-1]["budget"] for entries in budgets.values())
    costs = [gr.read_cost(one) for one in graded]
    arms = []
    for one, cost in zip(graded, costs, strict=True):
        at = {entry["budget"]: entry for entry in budgets[one.label]}
        anchors = {str(budget): at[budget] for budget in sorted({*ANCHORS, largest}) if budget in at}
        end = at.get(largest) or gr.measure_stage(one, gr.END, largest)
        arms.append(cost | _describe_data(one) | {"source": one.source(), "largest": end, "anchors": anchors})
    arms.sort(key=lambda arm: (-arm["largest"]["accuracy"], arm["largest"]["tokens"]))
    best = next(one for one in graded if one.label == arms[0]["label"])
    return {
        "title": title, "runs": gr.describe_graded(graded), "arms": arms, "best": best.label, "budget": largest,
        "budgets": budgets, "anatomy": gr.dissect(best, gr.END),
        "passes": [entry for one in graded for entry in gr.summarise_passes(one)], "learning": _end_curves(graded),
        "costs": costs, "data": {one.label: dict(one.data) for one in graded if one.data},
        "published": [vars(point) for point in PUBLISHED_SFT],
    }  # fmt: skip


def tell(graded: Sequence[gr.Graded], numbers: dict[str, Any]) -> Report:
    """The report: the question, the best run, all runs beside each other and the published, then how and where not."""
    best = next(one for one in graded if one.label == numbers["best"])
    rows, anatomy = gr.list_endings(best, gr.END), numbers["anatomy"]
    blocks: list[Block] = [
        KeyValues(_tell_setting(numbers, rows)),
        Heading("The question"),
        Paragraph(
            "A small language model learns from written-down searches: moves, dead ends, returns, and at last an "
            "expression. Which way to write a search, and how long a one, lets it solve puzzles that it has never "
            "seen, and within how many tokens? " + bl.ONE_ANSWER
        ),
        Heading(f"The best run: {best.label}"),
        bl.tell_budgets(numbers["budgets"][best.label], f"{best.label}: how its answers end, by token budget."),
        _draw_best(numbers),
        Heading("Formats and lengths beside each other" if len(numbers["arms"]) > 1 else "The run"),
        _tell_arms(numbers),
        *(_draw_arms(numbers) if len(numbers["arms"]) > 1 else []),
        Heading("Beside the published"),
        bl.tell_published(numbers["published"], _list_ours(numbers), "Ours above, published points below."),
        *_tell_learning(graded, numbers),
        Heading("What its chains look like"),
        bl.tell_lengths(anatomy),
        *bl.draw_ending_pictures(rows, anatomy),
        *bl.tell_wrong_lines(anatomy),
        *bl.tell_groups(anatomy),
        *([bl.draw_pass_picture(numbers["passes"])] if numbers["passes"] else []),
        Heading("What it learnt from, and what that cost"),
        *_tell_data(numbers),
        bl.tell_costs(numbers["costs"]),
        Heading("What did not work"),
        Bullets(tuple(_tell_negatives(numbers))),
        Heading("Limits"),
        Bullets(tuple(_tell_limits(numbers))),
        *tell_origin(numbers["runs"]),
    ]
    return compose_report(numbers["title"], numbers["runs"], blocks)


# ------------------------------------------------------------------------------------------- numbers
def _describe_data(one: gr.Graded) -> dict[str, Any]:
    """What the run learnt from, in a few words; from scratch or not."""
    data, parameters = one.data or {}, one.run.parameters
    styles, buckets = (", ".join(map(str, data.get(key, []))) for key in ("styles", "buckets"))
    return {"styles": styles, "buckets": buckets, "traces": data.get("samples"),
            "scratch": not parameters.get("checkpoint")}  # fmt: skip


def _end_curves(graded: Sequence[gr.Graded]) -> list[dict[str, Any]]:
    found = []
    for one in (one for one in graded if one.training is not None and "loss" in one.training):
        loss = one.training.sort_values("step")["loss"].dropna()
        if len(loss):
            found.append({"run": one.run.id, "label": one.label, "source": one.source(gr.TRAINING),
                          "steps": int(one.training["step"].max()), "first_loss": float(loss.iloc[0]),
                          "last_loss": float(loss.iloc[-1])})  # fmt: skip
    return found


def _list_ours(numbers: dict[str, Any]) -> list[dict[str, Any]]:
    best, anatomy = numbers["arms"][0], numbers["anatomy"]
    traces = f"{best['traces']:,} traces" if best["traces"] else ""
    shared = {key: anatomy[key] for key in ("lines_per_token", "characters_per_token")}
    shared |= {key: best[key] for key in ("label", "parameters", "source", "scratch")}
    training = ", ".join(filter(None, (best["styles"], best["buckets"], traces)))
    shared |= {"stage": "SFT", "training": training or MISSING}
    return [shared | {key: entry[key] for key in ("budget", "puzzles", "accuracy", "wrong", "unfinished")}
            for entry in best["anchors"].values()]  # fmt: skip


# ------------------------------------------------------------------------------------------- sections
def _tell_setting(numbers: dict[str, Any], rows: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    buckets = sorted(set(rows["bucket"]) - {""}, key=lambda bucket: int(bucket.partition("-")[0]))
    ranks = f", published ranks {', '.join(buckets)}" if buckets else ""
    anatomy, runs = numbers["anatomy"], numbers["runs"]
    sizes = " or ".join(dict.fromkeys(write_short(arm["parameters"]) for arm in numbers["arms"]))
    per = (f"100 tokens of the best run's answers are {100 * anatomy['lines_per_token']:.1f} lines or "
           f"{100 * anatomy['characters_per_token']:.0f} characters")  # fmt: skip
    return (
        ("Judged on", f"{rows['numbers'].nunique()} held-out puzzles{ranks}"),
        ("Models", f"{len(numbers['arms'])} of {sizes} parameters (embeddings not counted)"),
        ("Tokens", per),
        ("Commit", "; ".join(dict.fromkeys(write_commit(run, 12) for run in runs))),
        ("Machine", "; ".join(dict.fromkeys(run["device"] or "unknown" for run in runs))),
    )


def _draw_best(numbers: dict[str, Any]) -> Columns:
    entries = numbers["budgets"][numbers["best"]]
    source, table = join_sources(entries), pd.DataFrame(entries)
    return Columns((
        draw_picture(charts.draw_ends(table), "How answers end at each budget.", source, 200, SMALL),
        draw_picture(charts.draw_budgets(table), "Solved against the budget (95 % Wilson).", source, 200, SMALL),
    ))  # fmt: skip


def _tell_arms(numbers: dict[str, Any]) -> Table:
    anchors = sorted({int(budget) for arm in numbers["arms"] for budget in arm["anchors"]})
    header = ("run", "style", "lengths", "tokens learnt", "CPU min", *(f"@{budget:,}" for budget in anchors), "95 %",
              "wrong", "unfin.", "tokens")  # fmt: skip
    rows = []
    for arm in numbers["arms"]:
        at = [arm["anchors"].get(str(budget)) for budget in anchors]
        shares = (write_percent(entry["accuracy"]) if entry else MISSING for entry in at)
        end = arm["largest"]
        rows.append((arm["label"], arm["styles"] or MISSING, arm["buckets"] or MISSING,
                     write_short(arm["training_tokens"]), bl.write_minutes(arm["training_cpu_seconds"], arm["resumed"]),
                     *shares, write_range(end), write_percent(end["wrong"]), write_percent(end["unfinished"]),
                     write_count(end["tokens"])))  # fmt: skip
    tokens = {arm["training_tokens"] for arm in numbers["arms"]}
    known = sorted(token for token in tokens if token)
    equal = "" if len(known) < 2 else f" They learnt from {write_short(known[0])} to {write_short(known[-1])} tokens."
    note = (f"Best first. 95 %, wrong, unfinished and tokens (mean of an answer) at {numbers['budget']:,} tokens, the "
            f"largest budget that all runs were given.{equal} {bl.BLIND}")  # fmt: skip
    align = ("left", "left", "left", *["right"] * (len(header) - 3))
    widths = (1, 0.6, 0.8, *[0] * (len(header) - 3))
    return Table("Each row is one training.", join_sources(numbers["arms"]), header, tuple(rows), align, widths, note)


def _draw_arms(numbers: dict[str, Any]) -> list[Picture]:
    shown = [arm["label"] for arm in numbers["arms"][: len(figures.PALETTE)]]
    table = pd.DataFrame([entry | {"run": entry["label"]} for label in shown for entry in numbers["budgets"][label]])
    left_out = f" The {len(shown)} best." if len(shown) < len(numbers["arms"]) else ""
    caption = f"Solved against the token budget, by run (95 % Wilson).{left_out}"
    return [draw_picture(charts.draw_budgets(table), caption, join_sources(numbers["arms"][: len(shown)]), 240)]


def _tell_learning(graded: Sequence[gr.Graded], numbers: dict[str, Any]) -> list[Block]:
    if not numbers["learning"]:
        return []
    order = [arm["label"] for arm in numbers["arms"]][: len(figures.PALETTE)]
    ends = {end["label"]: end for end in numbers["learning"]}
    shown = [label for label in order if label in ends]
    if not shown:
        return []
    logs = {one.label: one.training.assign(run=one.label) for one in graded if one.label in shown}
    table = pd.concat([logs[label] for label in shown], ignore_index=True)
    figure = figures.draw_learning(table if len(shown) > 1 else table.drop(columns="run"))
    told = "; ".join(f"{label}: loss from {ends[label]['first_loss']:.2f} to {ends[label]['last_loss']:.3f} in "
                     f"{ends[label]['steps']:,} steps" for label in shown)  # fmt: skip
    return [draw_picture(figure, f"Training. {told}.", join_sources([ends[label] for label in shown]), 210)]


def _tell_data(numbers: dict[str, Any]) -> list[Block]:
    rows = []
    for arm in numbers["arms"]:
        data = numbers["data"].get(arm["label"], {})
        for part in data.get("parts", []):
            rows.append((arm["label"], part.get("style"), part.get("bucket"), part.get("weight"), part.get("samples"),
                         part.get("tokens_mean"), part.get("lines_mean"), part.get("rollback_share")))  # fmt: skip
    if not rows:
        return [Paragraph("What the runs learnt from is told by their parameters alone, below.")]
    rows = [(*row[:3], *(MISSING if cell is None else write_float(cell) if isinstance(cell, float) else f"{cell:,}"
                         for cell in row[3:])) for row in rows]  # fmt: skip
    header = ("run", "style", "length", "weight", "traces", "tokens", "lines", "rollbacks")
    note = "Tokens and lines: mean of a trace; rollbacks: share of its lines. The data cards stand in the JSON."
    return [Table("The traces behind each run.", "data.json of the runs", header, tuple(rows),
                  ("left", "left", "left", *["right"] * 5), (1, *[0] * 7), note)]  # fmt: skip


def _tell_negatives(numbers: dict[str, Any]) -> list[str]:
    best, anatomy = numbers["arms"][0], numbers["anatomy"]
    told, budget = [], f"{numbers['budget']:,} tokens"
    far = [arm for arm in numbers["arms"][1:] if arm["largest"]["high"] < best["largest"]["low"]]
    if far:
        listed = ", ".join(f"{arm['label']} {write_percent(arm['largest']['accuracy'])}" for arm in far)
        told.append(f"Below the best by more than both intervals, at {budget}: {listed}.")
    stuck = max(numbers["arms"], key=lambda arm: arm["largest"]["unfinished"])
    if stuck["largest"]["unfinished"]:
        share = write_percent(stuck["largest"]["unfinished"])
        told.append(f"{stuck['label']} leaves most unfinished: {share} at {budget}.")
    missed = anatomy["never_solved"]
    if missed:
        listed = "; ".join(missed[:20]) + (f"; and {len(missed) - 20} more (in the JSON)" if len(missed) > 20 else "")
        told.append(f"The best run does not solve {len(missed)} of its puzzles: {listed}.")
    circles = [entry for entry in anatomy["reasons"] if entry["reason"] == "tried before"]
    if circles:
        told.append(f"{circles[0]['n']} of the best run's answers first go wrong by trying again what they had tried.")
    return told or ["Nothing that these records show."]


def _tell_limits(numbers: dict[str, Any]) -> list[str]:
    arms = numbers["arms"]
    limits = [
        "Intervals cover the choice of puzzles, not the luck of training: each row is one trained model.",
        "Smaller budgets are read off the same answers: one of t tokens is unfinished at a budget below t. Under a "
        "budget that it knew of, a model might write otherwise.",
    ]
    if len(arms) > 1:
        limits.append(f"The best of {len(arms)} runs was chosen on the puzzles that it is reported on, which flatters.")
    few = min(arm["largest"]["puzzles"] for arm in arms)
    limits += [f"{few} puzzles: differences of a few points are within chance."] if few <= FEW else []
    return limits + limit_runs(numbers["runs"])
