"""The report on scaling: how training compute and thinking compute replace each other, from runs of 11_scaling.

All numbers are of the newest run of the Game of 24, else of the first task, that has gathered a study, or else has made
one; but for the rates of other tasks, each by its newest run. It fits nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from game24lab.report import layout
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
from game24lab.views.tables.specifications import FORMS

TITLE = "Training compute and thinking compute"
QUESTION = ("A small language model can be made better by training it longer, or larger, or by letting it think longer "
            "about each problem. How much of the one replaces how much of the other, does the answer depend on how it "
            "thinks and on what helps it, and how is a budget best divided? FLOPs count every matrix product: layers, "
            "attended positions, output head, prompts, optimiser, critics and what these learn from.")  # fmt: skip
TABLES = ("cells", "averaged", "rates", "lines", "splits", "records", "fit_loss", "forms", "law_loss", "law_sum",
          "law_pure", "law_chance", "law_samples", "tried")  # fmt: skip
NEEDED = ("averaged", "rates", "splits", "records")
_USED = 0.5  # share of a budget that buys something, from which it is one that has to be divided
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
    figures: list[Block | None] = [_draw_law(numbers), _draw_chances(numbers), _draw_thinking(numbers),
                                    _draw_split(numbers)]
    appendix = [
        _describe_setting(numbers),
        *add_section("What one decade of training replaces", _describe_rates(numbers), Paragraph(_JONES)),
        *add_section("Whether the rate belongs to the task", _describe_elsewhere(numbers)),
        *add_section("The laws", *_describe_laws(numbers)),
        *add_section("Models that the law has chosen", _describe_tried(numbers)),
        *add_section("The cells", _describe_cells(numbers)),
        *add_section("The best split of a budget", _describe_splits(numbers)),
        *layout.add_limits(runs, list_limits(numbers)),
        *layout.add_origin(runs),
    ]  # fmt: skip
    return layout.compose_report(numbers["title"], runs, QUESTION, answer(numbers), _draw_plane(numbers),
                                 _tell_cost(numbers), figures, appendix)  # fmt: skip


def answer(numbers: Row) -> list[str]:
    """Three sentences: the exchange rates, the split for few and many problems, and what the law foretold."""
    return [find_rates(numbers), *([find_split(numbers)] if numbers["splits"] else []), find_law(numbers)]


def find_rates(numbers: Row) -> str:
    """How much thinking a decade of training replaces."""
    known = [row for row in numbers["rates"] if row["rate"] is not None and row["low"] is not None]
    if not known:
        return "No strategy has an exchange rate with an interval."
    said = "; ".join(f"{row['strategy']} ({row['mode']}) {row['rate']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
                     for row in known)  # fmt: skip
    return (f"One decade of training replaces so many decades of thinking: {said}{_tell_bends(known)}"
            f"{_tell_elsewhere(numbers)}.")  # fmt: skip


def _tell_bends(rows: Sequence[Row]) -> str:
    """Of the strategy of the most points whose lines bend beyond chance, the rates on both sides."""
    bent = [row for row in rows if None not in (row["cheaper"], row["dearer"])
            and (row["cheaper_low"] > row["dearer_high"] or row["dearer_low"] > row["cheaper_high"])]  # fmt: skip
    if not bent:
        return ""
    row = max(bent, key=lambda row: row["points"])
    return (f" (means over lines that bend: of {row['strategy']} {_bracket(row, 'cheaper', 'cheaper_')} up to "
            f"{row['middle']:.1e} FLOPs of training, {_bracket(row, 'dearer', 'dearer_')} above)")  # fmt: skip


def _tell_elsewhere(numbers: Row) -> str:
    """How often the rate of a strategy on another task is another one: their intervals do not meet."""
    here = {(row["strategy"], row["mode"]): row for row in numbers["rates"] if row["low"] is not None}
    said = ""
    for task in dict.fromkeys(row["task"] for row in numbers.get("elsewhere", [])):
        pairs = [(here[key], row) for row in numbers["elsewhere"] if row["task"] == task and row["low"] is not None
                 and (key := (row["strategy"], row["mode"])) in here]  # fmt: skip
        apart = sum(row["low"] > own["high"] or row["high"] < own["low"] for own, row in pairs)
        said += (f"; on {task}, over accuracies of its own, {apart} of {len(pairs)} rates lie apart from these, "
                 "interval from interval")  # fmt: skip
    return said


def find_split(numbers: Row) -> str:
    """How a budget is best divided for few and for many problems: the largest of which more than half is of use."""
    ends = _find_ends(numbers)
    if not ends:
        return "No budget pays for the most problems."
    said = (f"{fmt.percent(row['share'])} of what is spent goes into thinking for {_count(row)}, "
            f"by {row['size']} with {row['strategy']} ({row['mode']}), which solves {fmt.estimate(row)}"
            for row in ends)  # fmt: skip
    judge = "" if ends[0]["verifier"] else " and no verifier to pick the answer"
    return f"With {fmt.short(ends[0]['total'])} FLOPs in all{judge}, {'; '.join(said)}."


def _count(row: Row) -> str:
    return "one problem" if row["problems"] == 1 else f"{row['problems']:,.0f} problems"


def _find_ends(numbers: Row) -> list[Row]:
    """The split of that budget for the fewest and for the most problems, without a verifier where that was measured."""
    bare = [row for row in numbers["splits"] if not row["verifier"]] or numbers["splits"]
    few, many = (pick(row["problems"] for row in bare) for pick in (min, max))
    known = {(row["problems"], row["total"]): row for row in bare}
    totals = sorted({total for _, total in known if {(few, total), (many, total)} <= set(known)})
    used = [total for total in totals if known[few, total]["spent"] > _USED] or totals[:1]
    return [known[few, max(used)], known[many, max(used)]] if used else []


def find_law(numbers: Row) -> str:
    """How well the law of the loss foretells cells that it has not seen."""
    corner = [row for row in numbers["fit_loss"] if row["corner"]]
    if not corner:
        why = next((row["why"] for row in numbers["fit_loss"] if row.get("why")), "there is no law")
        return f"The law was not held against a corner of the grid: {why}."
    missed = sum(abs(row["foretold"] / row["measured"] - 1) for row in corner) / len(corner)
    plain = next((row["missed"] for row in numbers["forms"] if row["form"] == "sum"), None)
    beside = "" if plain is None else f" (as a sum of a power of size and one of tokens, by {fmt.percent(plain)})"
    said = (f"The law of the loss, fitted without its {len(corner)} largest cells, misses them by "
            f"{fmt.percent(missed)} in the mean{beside}")  # fmt: skip
    tried = numbers.get("tried", [])
    if not tried:
        return f"{said}."
    within = sum(row["within"] for row in tried)
    return (f"{said}, and {within} of {len(tried)} models that it has chosen and not seen land within their predicted "
            "intervals.")  # fmt: skip


def list_limits(numbers: Row) -> list[str]:
    """What the numbers do not say."""
    seeds = {(row["size"], row["seed"]) for row in numbers["records"]}
    single = sorted(size for size, _ in seeds if sum(other == size for other, _ in seeds) == 1)
    failed = [f"{row['cell']}: {row['failed']}" for row in numbers["cells"] if row["failed"]]
    without = [f"{row['strategy']} ({row['mode']}): {row['why']}" for row in numbers["rates"] if row["why"]]
    return [
        "A rate holds for the range beside it and for this game: it is not a constant of nature.",
        *([f"Trained once, so that their luck is in no interval: {', '.join(single)}."] if single else []),
        *([f"Cells that failed, and are missing: {'; '.join(failed)}."] if failed else []),
        *([f"Without a rate or its interval: {'; '.join(without)}."] if without else []),
        "The solver that writes the training texts costs no FLOPs here: it multiplies no matrices.",
        *(["Held-out puzzles that need a fraction are left out: texts all but never make one, and their loss, hundreds "
           "of nats at any size, would be what the law is of."] if numbers.get("task", "game24") == "game24" else []),
    ]


# ------------------------------------------------------------------------------------------------------------- figures
def _draw_plane(numbers: Row) -> Picture | None:
    lines = pd.DataFrame(numbers["lines"] or [], columns=["strategy", "mode", "accuracy", "training", "thinking"])
    if not numbers["averaged"]:
        return None
    caption = (f"{_find_extremes(numbers)} Dots: what was measured, seeds averaged, the darker the more accurate; "
               "lines: equal accuracy, within the range that each rate holds for.")  # fmt: skip
    points = pd.DataFrame(numbers["averaged"])
    return draw_picture(charts.draw_plane(points, lines), caption, _source(numbers, "averaged"), 210)


def _find_extremes(numbers: Row) -> str:
    """The strategies whose training replaces most and least thinking."""
    known = sorted((row for row in numbers["rates"] if row["low"] is not None), key=lambda row: row["rate"])
    if not known:
        return "No strategy has an exchange rate with an interval."
    least, most = (f"{row['strategy']} ({row['mode']}), {row['rate']:.2f}" for row in (known[0], known[-1]))
    return f"A decade of training replaces most decades of thinking of {most}, and fewest of {least}."


def _draw_law(numbers: Row) -> Picture | None:
    table = pd.DataFrame(numbers["fit_loss"])
    if table.empty:
        return None
    what = table["what"].iloc[0]
    caption = (f"{_find_fit(numbers)} {what} against training FLOPs, by size, with its law (dotted), and measured "
               "against predicted. Open circles: the held-out corner, by a law that had not seen it.")  # fmt: skip
    table["corner"] = table["corner"].astype(bool)
    return draw_picture(charts.draw_law(table, what), caption, _source(numbers, "fit_loss"), 260)


def _find_fit(numbers: Row) -> str:
    """How well the law holds: for the corner that it has not seen, else for what it was fitted to."""
    if any(row["corner"] for row in numbers["fit_loss"]):
        return find_law(numbers)
    known = [row for row in numbers["fit_loss"] if row.get("predicted") and row["measured"]]
    if not known:
        return "No law was fitted."
    missed = sum(abs(row["predicted"] / row["measured"] - 1) for row in known) / len(known)
    return f"The law misses the {len(known)} cells that it was fitted to by {fmt.percent(missed)} in the mean."


def _draw_chances(numbers: Row) -> Picture | None:
    table = pd.DataFrame(numbers["records"])
    best = table.sort_values("p").iloc[-1]
    caption = (f"One sample of {best['size']} at {fmt.short(best['budget'])} tokens is right for "
               f"{fmt.estimate(best, 'p')}, the most of {len(table)} checkpoints. Exact on {best['problems']} held-out "
               "problems, against tokens of training: the mean of -log p, and pass@16; seeds averaged.")  # fmt: skip
    return draw_picture(charts.draw_chances(table), caption, _source(numbers, "records"), 240)


def _draw_thinking(numbers: Row) -> Picture | None:
    points = pd.DataFrame(numbers["averaged"])
    if points.empty:
        return None
    names = list(dict.fromkeys(points["strategy"]))
    shown = [names[0], *names[-1:]] if len(names) > 1 else names
    drawn = points[points["strategy"].isin(shown)]
    names = drawn["size"] + " at " + drawn["budget"].map(fmt.short) + " tokens, " + drawn["strategy"]
    finding = find_best(drawn.assign(name=names).to_dict("records"), "name", "thinking", "checkpoint")
    caption = f"{finding} Solid: verified, dotted: rules, dashed: blind; grey: the best of any training."
    return draw_picture(charts.draw_thinking(points, shown), caption, _source(numbers, "averaged"), 260)


def _draw_split(numbers: Row) -> Picture | None:
    if not numbers["splits"]:
        return None
    ends = _find_ends(numbers)
    said = (f"{fmt.percent(row['share'])} for {_count(row)}" for row in ends)
    finding = f"Best spent on thinking are {', '.join(said)}." if ends else find_split(numbers)
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
        "decades": made(lambda row: _bracket(row, "rate")),
        "cheaper half": made(lambda row: _bracket(row, "cheaper", "cheaper_")),
        "dearer half": made(lambda row: _bracket(row, "dearer", "dearer_")), "error": percent("error"),
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


def _bracket(row: Row, name: str, prefix: str = "") -> str:
    if row[f"{prefix}low"] is None:
        return fmt.fixed(row[name], 2)
    return f"{row[name]:.2f} [{row[f'{prefix}low']:.2f}, {row[f'{prefix}high']:.2f}]"


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
