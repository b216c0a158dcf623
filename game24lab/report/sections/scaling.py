"""The report on scaling: how training compute and thinking compute replace each other, from runs of 11_scaling.

All numbers are of the newest run of the Game of 24, else of the first task, that has gathered a study, or else has made
one; but for the rates of other tasks, each by its newest run. It fits nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from game24lab.report import layout
from game24lab.report import scaling_findings as found
from game24lab.report.document import Block, Paragraph, Picture, Report
from game24lab.report.evidence import Evidence, describe_runs, read_table, refuse
from game24lab.report.findings import find_best
from game24lab.report.layout import add_section, draw_picture
from game24lab.report.result_scaling import is_chance
from game24lab.report.tables import Row, count, fixed, made, make_table, percent, short, text
from game24lab.runs.provenance import hide_paths
from game24lab.views.charts import scaling as charts
from game24lab.views.tables import formats as fmt
from game24lab.views.tables.formats import MISSING
from game24lab.views.tables.records import list_records
from game24lab.views.tables.specifications import FORMS, STEPS

TITLE = "Training compute and thinking compute"
QUESTION = ("A small language model can be made better by training it longer, or larger, or by letting it think longer "
            "about each problem. How much of the one replaces how much of the other, does the answer depend on how it "
            "thinks and on what helps it, and how is a budget best divided? FLOPs count every matrix product: layers, "
            "attended positions, output head, prompts, optimiser, critics and what these learn from.")  # fmt: skip
TABLES = ("cells", "averaged", "rates", "lines", "splits", "records", "fit_loss", "forms", "law_loss", "law_sum",
          "law_pure", "law_chance", "law_samples", "tried", "isoflops", "gains")  # fmt: skip
NEEDED = ("averaged", "rates", "splits", "records")
_JONES = ("On Hex, ten times the training replaced about 15 times the search (Jones 2021, slope -1.2); the T2 laws "
          "(2026) are of repeated sampling alone, and their form is fitted here too.")  # fmt: skip


def gather_numbers(evidence: Sequence[Evidence], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: the tables of the study by name, each row with its source."""
    mine = [one for one in evidence if one.run.name == "11_scaling"
            and all((one.run.folder / f"{name}.parquet").exists() for name in NEEDED)]  # fmt: skip
    if not mine:
        raise refuse(evidence, "runs of 11_scaling that have finished are needed")
    mine.sort(key=lambda one: bool(one.run.parameters.get("cells")))  # what has gathered others is last, and taken
    newest = {str(one.run.parameters.get("task", "game24")): one for one in mine}
    task = next(iter(newest)) if "game24" not in newest else "game24"
    one = newest.pop(task)
    tables = {name: _read_rows(one, name) for name in TABLES}
    elsewhere = [{"task": name} | row for name, other in newest.items() for row in _read_rows(other, "rates")]
    return {"title": title, "runs": describe_runs([one, *newest.values()]), "task": task, **tables,
            "elsewhere": elsewhere}  # fmt: skip


def _read_rows(one: Evidence, name: str) -> list[Row]:
    table = read_table(one.run, f"{name}.parquet")
    rows = [] if table is None else hide_paths(list_records(table))
    return [row | {"source": one.source(f"{name}.parquet")} for row in rows]


def make_report(evidence: Sequence[Evidence], numbers: Row) -> Report:
    """The report: the iso-accuracy plane first; then the law, accuracy against thinking and the split; then tables."""
    runs = numbers["runs"]
    figures: list[Block | None] = [_draw_law(numbers), _draw_chances(numbers), _draw_isoflops(numbers),
                                    _draw_thinking(numbers), _draw_split(numbers)]
    appendix = [
        _describe_setting(numbers),
        *add_section("What one decade of training replaces", _describe_rates(numbers), Paragraph(_JONES)),
        *add_section("What more thinking is worth to the same model", _describe_gains(numbers)),
        *add_section("Whether the rate belongs to the task", _describe_elsewhere(numbers)),
        *add_section("The laws", *_describe_laws(numbers)),
        *add_section("Models that the law has chosen", _describe_tried(numbers)),
        *add_section("The cells", _describe_cells(numbers)),
        *add_section("The best split of a budget", _describe_splits(numbers)),
        *layout.add_limits(runs, found.list_limits(numbers)),
        *layout.add_origin(runs),
    ]  # fmt: skip
    return layout.compose_report(numbers["title"], runs, QUESTION, found.answer(numbers), _draw_plane(numbers),
                                 _tell_cost(numbers), figures, appendix)  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- figures
def _draw_plane(numbers: Row) -> Picture | None:
    lines = pd.DataFrame(numbers["lines"] or [], columns=["strategy", "mode", "accuracy", "training", "thinking"])
    if not numbers["averaged"]:
        return None
    caption = (f"{found.find_extremes(numbers)} Dots: what was measured, seeds averaged, the darker the more accurate; "
               "lines: equal accuracy, within the range that each rate holds for.")  # fmt: skip
    points = pd.DataFrame(numbers["averaged"])
    return draw_picture(charts.draw_plane(points, lines), caption, _source(numbers, "averaged"), 210)


def _draw_law(numbers: Row) -> Picture | None:
    table = pd.DataFrame(numbers["fit_loss"])
    if table.empty:
        return None
    what = table["what"].iloc[0]
    caption = (f"{found.find_fit(numbers)} {what} against training FLOPs, by size, with its law (dotted), and measured "
               "against predicted. Open circles: the held-out corner, by a law that had not seen it.")  # fmt: skip
    table["corner"] = table["corner"].astype(bool)
    return draw_picture(charts.draw_law(table, what), caption, _source(numbers, "fit_loss"), 260)


def _draw_chances(numbers: Row) -> Picture | None:
    table = pd.DataFrame(numbers["records"])
    best = table.sort_values("p").iloc[-1]
    caption = (f"One sample of {best['size']} at {fmt.short(best['budget'])} tokens is right for "
               f"{fmt.estimate(best, 'p')}, the most of {len(table)} checkpoints. Exact on {best['problems']} held-out "
               "problems, against tokens of training: the mean of -log p, and pass@16; seeds averaged.")  # fmt: skip
    return draw_picture(charts.draw_chances(table), caption, _source(numbers, "records"), 240)


def _draw_isoflops(numbers: Row) -> Picture | None:
    table = pd.DataFrame(numbers.get("isoflops") or [])
    if table.empty:
        return None
    caption = (f"{found.find_optimum(table)} What the law says of equal training FLOPs, from small models trained long "
               "to large ones trained briefly; stars: the best; dotted: beyond the sizes and tokens it was "
               "fitted to.")  # fmt: skip
    return draw_picture(charts.draw_isoflops(table, numbers["fit_loss"][0]["what"]), caption,
                        _source(numbers, "isoflops"), 240)  # fmt: skip


def _draw_thinking(numbers: Row) -> Picture | None:
    drawn = pd.DataFrame(numbers["averaged"])
    if drawn.empty:
        return None
    names = drawn["size"] + " at " + drawn["budget"].map(fmt.short) + " tokens, " + drawn["strategy"]
    finding = find_best(drawn.assign(name=names).to_dict("records"), "name", "thinking", "checkpoint")
    caption = f"{finding} Solid: verified, dotted: rules, dashed: blind; grey: the best of any training."
    return draw_picture(charts.draw_thinking(drawn), caption, _source(numbers, "averaged"), 220)


def _draw_split(numbers: Row) -> Picture | None:
    if not numbers["splits"]:
        return None
    ends = found.find_ends(numbers)
    said = (f"{fmt.percent(row['share'])} for {found.tell_count(row)}" for row in ends)
    finding = f"Best spent on thinking are {', '.join(said)}." if ends else found.find_split(numbers)
    caption = (f"{finding} The best use of a total budget, by the number of problems, dotted where no "
               "verifier picks the answer. The accuracy is of problems that did not choose.")  # fmt: skip
    return draw_picture(charts.draw_split(pd.DataFrame(numbers["splits"])), caption, _source(numbers, "splits"), 240)


def _source(numbers: Row, name: str) -> str:
    return numbers[name][0]["source"]


# -------------------------------------------------------------------------------------------------------------- tables
def _tell_cost(numbers: Row) -> str:
    cells = [row for row in numbers["cells"] if not row["failed"]]
    known = [row["seconds"] for row in cells if row["seconds"] is not None]
    took = f" in {sum(known) / 3600:.1f} hours of training" if known else ""
    return (f"{len(cells)} checkpoints of {len({row['size'] for row in cells})} sizes took "
            f"{fmt.short(sum(row['flops'] for row in cells))} FLOPs of training (shared trunks counted with each)"
            f"{took}.")  # fmt: skip


def _describe_setting(numbers: Row) -> Block:
    cells = numbers["records"]
    sizes = dict.fromkeys(f"{row['size']} ({fmt.short(row['parameters'])})" for row in cells)
    budgets = sorted({row["budget"] for row in cells})
    return layout.describe_setting(
        numbers["runs"], ("Sizes (parameters without embeddings)", ", ".join(sizes)),
        ("Budgets (tokens)", ", ".join(fmt.short(one) for one in budgets)),
        ("Seeds", ", ".join(map(str, sorted({row["seed"] for row in cells})))),
        ("Judged on", f"{cells[0]['problems']} held-out problems"),
    )  # fmt: skip


def _describe_rates(numbers: Row) -> Block | None:
    columns = {
        "strategy": made(lambda row: f"{row['strategy']} ({row['mode']})", 1, "left"),
        "decades": made(lambda row: found.bracket(row, "rate")),
        "cheaper half": made(lambda row: found.bracket(row, "cheaper", "cheaper_")),
        "dearer half": made(lambda row: found.bracket(row, "dearer", "dearer_")), "error": percent("error"),
        "points": count("points"),
        "training FLOPs": made(lambda row: _range(row, "training")),
        "thinking FLOPs": made(lambda row: _range(row, "thinking")),
        "accuracy": made(lambda row: _span(row, "accuracy")),
    }  # fmt: skip
    note = ("The slope of the lines of equal accuracy, in decades of thinking that replace one decade of training, "
            "with its 95 % interval and the range of the points that it was fitted to. Efficient points of 2 to 98 % "
            "are chosen on one half of the problems and fitted on the other by binomial likelihood. Halves: the rates "
            "of these points up to their median training FLOPs and of those above, on all problems; where they differ, "
            "lines bend, and the rate is a mean. Error: of the accuracies that the slope stands for. 95 %: bootstrap "
            "over problems, with what each costs, and over seeds where there are several.")  # fmt: skip
    return make_table("What one decade of training replaces.", numbers["rates"], columns, note)


def _describe_gains(numbers: Row) -> Block | None:
    note = ("Percentage points, mean over all trainings with both efforts (samples or simulations), seeds averaged; 95 "
            "%: bootstrap over problems, and over seeds where there are several. Where a search gains at first and "
            "loses later, no single rate describes it.")  # fmt: skip
    rows = [row for row in numbers.get("gains") or [] if row["mode"] != "verified"]  # those can only gain
    return make_table("Gains from one effort to the next.", rows, STEPS, note) if rows else None


def _span(row: Row, name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return MISSING if low is None else f"{100 * low:.0f} to {100 * high:.0f} %"


def _describe_elsewhere(numbers: Row) -> Block | None:
    rows = numbers.get("elsewhere", [])
    if not rows:
        return None
    both = [{"task": numbers["task"]} | row for row in numbers["rates"]] + rows
    order = list(dict.fromkeys((row["strategy"], row["mode"]) for row in both))
    columns = {"strategy": text("strategy", 1), "mode": text("mode"), "task": text("task"), "decades": fixed("rate", 2),
               "95 %": made(lambda row: MISSING if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}"),
               "points": count("points"), "accuracy": made(lambda row: _span(row, "accuracy"))}  # fmt: skip
    return make_table("What one decade of training replaces, by task.",
                      sorted(both, key=lambda row: order.index((row["strategy"], row["mode"]))), columns,
                      "Each task with models of its own; the ranges of accuracy differ, and rates hold for theirs. "
                      "Intervals are over seeds only where a task has several.")


def _range(row: Row, name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return MISSING if low is None else f"{low:.2g} to {high:.2g}"


def _describe_laws(numbers: Row) -> list[Block]:
    blocks: list[Block] = []
    if numbers["forms"]:
        note = ("Error: root mean square, relative, on the cells that a law without the corner was fitted to, by which "
                "forms can be told apart without it. The product was added after cells of the Game of 24 had been "
                "looked at: their corner tests the numbers of a form, not its choice. Pure: a sum without the "
                "constant.")  # fmt: skip
        blocks.append(make_table("Forms of the law of the loss.", numbers["forms"], FORMS, note))
    columns = {"number": text("name", 1), "value": made(lambda row: fmt.show(row["value"])),
               "95 %": made(lambda row: MISSING if row["low"] is None else
                            f"{fmt.show(row['low'])} to {fmt.show(row['high'])}")}  # fmt: skip
    loss = "-log of the exact chance of one sample" if is_chance(numbers) else "The excess of the loss over its floor"
    for name, caption in (("law_loss", f"{loss}, A / N^a + B / D^b + C / (N^a D^b) + K."),
                          ("law_sum", "The same without the product: A / N^a + B / D^b + K."),
                          ("law_pure", "The same without the product and the constant."),
                          ("law_chance", "-log of the exact chance of one sample, the first form."),
                          ("law_samples", "-log pass@k with a third term G / k^c, the form of the T2 laws.")):
        if numbers[name] and not (name == "law_chance" and is_chance(numbers)):
            blocks.append(make_table(caption, numbers[name], columns, "N: parameters without embeddings; D: tokens."))
    return blocks


def _describe_cells(numbers: Row) -> Block:
    columns = {"cell": text("cell", 1), "tokens a parameter": fixed("ratio", 1), "FLOPs": short("flops"),
               "L - E": made(lambda row: fmt.fixed(row.get("excess"), 3)), "one sample": percent("p", "low", "high"),
               "pass@16": percent("pass_16"), "pass@1024": percent("pass_1024")}  # fmt: skip
    rows = sorted(numbers["records"], key=lambda row: row["flops"])
    note = ("By training FLOPs, so that small models that were trained long stand beside large ones that were not. One "
            "sample, pass@16 and pass@1024 are exact (verified); 95 %: bootstrap over problems. The name of a cell: "
            "size, seed, steps.")  # fmt: skip
    return make_table("All cells.", rows, columns, note)


def _describe_tried(numbers: Row) -> Block | None:
    if not numbers.get("tried"):
        return None
    columns = {"cell": text("cell", 1), "parameters": short("parameters"), "tokens": short("tokens"),
               "predicted": fixed("predicted", 3),
               "95 %": made(lambda row: f"{fmt.fixed(row['low'], 3)} to {fmt.fixed(row['high'], 3)}"),
               "measured": fixed("measured", 3), "error": percent("error"),
               "within": made(lambda row: "yes" if row["within"] else "no")}  # fmt: skip
    return make_table("What was trained on the law's word.", numbers["tried"], columns,
                      "L - E; the interval holds the law's bootstrap and the luck of a single training.")


def _describe_splits(numbers: Row) -> Block | None:
    if not numbers["splits"]:
        return None
    columns = {"problems": count("problems"), "total": short("total"), "size": text("size"),
               "strategy": text("strategy", 1), "mode": text("mode"), "effort": count("effort"),
               "spent": percent("spent"), "thinking": percent("share"),
               "accuracy": percent("accuracy", "low", "high")}  # fmt: skip
    return make_table("What to train and how long to think.", numbers["splits"], columns,
                      "First with an exact verifier that may pick the answer, then without. Effort: samples or "
                      "simulations. Spent: of the total; thinking: of what is spent. 95 %: bootstrap over problems, "
                      "and over seeds where a size has several.")  # fmt: skip
