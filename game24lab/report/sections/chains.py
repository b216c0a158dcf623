"""Blocks that the reports on long chains share: budgets, published numbers, error analysis, cost.

Each takes numbers as chain_summaries.py gives them. It does not know which report it stands in.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from game24lab.evaluation.error_analysis import KINDS
from game24lab.report.document import Block, Picture, Table
from game24lab.report.findings import find_extremes, find_passes
from game24lab.report.layout import draw_picture, pair_pictures
from game24lab.report.measures import tell_medians
from game24lab.report.tables import Row, count, fixed, join_sources, made, make_table, percent, short, text
from game24lab.views.charts import chains as charts
from game24lab.views.charts import theme as figures
from game24lab.views.tables import formats as fmt

ONE_ANSWER = ("Each puzzle gets one greedy answer, which counts where its own last line is an expression that uses the "
              "four numbers once each and makes 24 by exact arithmetic, within the budget. The verifier only counts; "
              "no answer is chosen among several: long chains are blind by nature.")  # fmt: skip
BLIND = "Blind: nothing but the model; judged after it has answered."


def describe_budgets(entries: Sequence[Row], caption: str) -> Table:
    """How answers end at each token budget."""
    columns = {
        "budget": count("budget"), "answers": count("n"), "solved": percent("accuracy", "low", "high"),
        "wrong": percent("wrong", "wrong_low", "wrong_high"),
        "unfinished": percent("unfinished", "unfinished_low", "unfinished_high"), "tokens": count("tokens"),
        "lines": fixed("lines"), "characters": count("characters"),
    }  # fmt: skip
    note = ("Budget in tokens of the model's own tokenizer; tokens, lines and characters: means of an answer, cut at "
            "the budget. 95 %: Wilson's interval. Wrong: an answer was given and is not right. " + BLIND)
    return make_table(caption, entries, columns, note)


def describe_published(points: Sequence[Row], ours: Sequence[Row]) -> Table:
    """Published points below our own, each with model, data and budget. Ours: `label`, `parameters`, `scratch`,
    `training`, `stage`, `budget`, `lines_per_token`, `characters_per_token`, `puzzles` and the shares."""
    rows = [
        {"who": f"ours: {o['label']}", "lines": o["budget"] * o["lines_per_token"],
         "characters": o["budget"] * o["characters_per_token"], "solved": o["accuracy"], **o,
         "model": f"{fmt.short(o['parameters'])}{', from scratch' if o['scratch'] else ''}"}
        for o in ours
    ] + [{"who": p["source"].rpartition("/")[2], "lines": None, "characters": None, **p} for p in points]  # fmt: skip
    columns = {
        "who": text("who", 1), "model": text("model", 1), "data": text("training", 1.2), "stage": text("stage", 0.6),
        "tokens": count("budget"), "lines": count("lines"), "char.": count("characters"),
        "puzzles": made(lambda row: row["puzzles"]), "solved": percent("solved"), "wrong": percent("wrong"),
        "unfin.": percent("unfinished"),
    }  # fmt: skip
    known = {f"{p['source']}: {p['checked']}" for p in points}
    note = ("Tokens: the budget, of each model's own tokenizer. A token of theirs is not one of ours: lines and "
            "characters say how much of our answers ours holds; theirs are not published. Other models, other training "
            f"data, other puzzles: not one contest. {'; '.join(sorted(known))}.")  # fmt: skip
    return make_table("Ours above, published points below.", rows, columns, note,
                      f"{join_sources(ours)}; the repositories named")  # fmt: skip


def describe_lengths(analysis: Row) -> Table:
    """How long answers are, by how they ended."""
    columns = {
        "ending": text("ending", 1), "answers": count("n"), "tokens": count("tokens"), "median": count("tokens_median"),
        "95 % below": count("tokens_p95"), "lines": fixed("lines"), "characters": count("characters"),
        "rollbacks": fixed("rollbacks"), "turn back": percent("turning"),
    }  # fmt: skip
    return make_table(f"Lengths of answers by how they ended, at {analysis['budget']:,} tokens.", analysis["lengths"],
                      columns, "Means, but for the columns median and 95 % below. Turn back: share of answers with a "
                      "rollback line.", analysis["source"])  # fmt: skip


def describe_wrong_lines(analysis: Row) -> list[Block]:
    """Where chains first go wrong, and why."""
    columns = {
        "ending": text("ending"), "answers": count("n"), "damaged": percent("damaged"), "unsound": percent("unsound"),
        "first at": count("first"), "place": percent("place"), **{kind: percent(kind) for kind in KINDS},
        "right": percent("share_right"),
    }  # fmt: skip
    note = ("Damaged: share of answers with a wrong line; unsound: share that abandons a position from which 24 is "
            "within reach. First at: median line of the first wrong one, and its place in the answer. Move to other: "
            "what that line is. Right: mean share of right lines. Judged exactly, line by line.")  # fmt: skip
    blocks: list[Block] = [make_table("Where chains first go wrong.", analysis["wrong_lines"], columns, note,
                                      analysis["source"])]  # fmt: skip
    if analysis["reasons"]:
        columns = {"reason": text("reason"), "line": text("kind"), "answers": count("n"), "share": percent("share")}
        blocks.append(make_table("Why first wrong lines are wrong; numbers as #.", analysis["reasons"], columns,
                                 source=analysis["source"]))  # fmt: skip
    return blocks


def draw_groups(analysis: Row) -> list[Block]:
    """Accuracy by rank bucket and by number of lines."""
    drawn = []
    for key, column, title in (("buckets", "bucket", "published ranks"), ("lines", "length", "lines of the answer")):
        if len(found := analysis[key]) > 1:
            counts = ", ".join(f"{e[column]}: {e['puzzles']}" for e in found)
            drawn.append((charts.draw_groups(pd.DataFrame(found), column, title),
                          f"{find_extremes(found, column, column)} By {title} (95 % Wilson; puzzles: "
                          f"{counts})."))  # fmt: skip
    return pair_pictures(drawn, analysis["source"])


def draw_endings(rows: pd.DataFrame, analysis: Row) -> list[Block]:
    """Histograms by ending: tokens, and the place of the first wrong line or the rollbacks."""
    drawn = [(charts.draw_endings(rows, "tokens", "tokens of the answer"),
              f"{tell_medians(rows, 'tokens', 'the tokens of an answer')} Budget: {analysis['budget']:,} tokens.")]
    if rows["first_wrong"].notna().any():
        first = rows.assign(first=rows["first_wrong"] + 1)
        drawn.append((charts.draw_endings(first, "first", "first wrong line"),
                      f"{tell_medians(first, 'first', 'the first wrong line')} Answers that have one."))  # fmt: skip
    if rows["rollbacks"].any():
        drawn.append((charts.draw_endings(rows, "rollbacks", "rollback lines"),
                      f"{tell_medians(rows, 'rollbacks', 'the rollback lines')} All answers."))  # fmt: skip
    return pair_pictures(drawn, analysis["source"])


def draw_passes(passes: Sequence[Row]) -> Picture:
    """pass@k of the runs that drew several answers a puzzle."""
    table = pd.DataFrame(passes).rename(columns={"label": "arm"})
    heat = ", ".join(f"{t:g}" for t in sorted(set(table["temperature"])))
    caption = (f"{find_passes(table.to_dict('records'))} Unbiased, of {table['samples'].max()} answers a puzzle at "
               f"temperature {heat}; {table['problems'].max()} puzzles; band: 95 %, bootstrap over them.")  # fmt: skip
    return draw_picture(figures.draw_pass_at_k(table), caption, join_sources(passes), 200)


def describe_costs(costs: Sequence[Row]) -> Table:
    """What runs have cost."""
    columns = {
        "run": text("label", 1), "parameters": short("parameters"), "steps": count("steps"),
        "tokens learnt": short("training_tokens"), "tokens sampled": short("sampled_tokens"),
        "CPU min": made(lambda c: fmt.minutes(c["training_cpu_seconds"], c["resumed"])),
        "minutes": made(lambda c: fmt.minutes(c["training_seconds"], c["resumed"])),
        "grading s": count("grading_seconds"),
    }  # fmt: skip
    note = ("Parameters without embeddings. CPU minutes and minutes of training, held-out checks included; > : of the "
            "last session of a run that was resumed. Grading: seconds to generate the answers of this report.")
    return make_table("Cost.", costs, columns, note)


def tell_costs(costs: Sequence[Row]) -> str:
    """The same in a sentence: what all runs have cost together, as far as they say."""
    parts = []
    for key, told in (("training_tokens", "tokens learnt from"), ("sampled_tokens", "tokens sampled for it")):
        if known := [cost[key] for cost in costs if cost[key]]:
            parts.append(f"{fmt.short(sum(known))} {told}")
    if known := [cost["training_cpu_seconds"] for cost in costs if cost["training_cpu_seconds"]]:
        parts.append(f"training took {fmt.minutes(sum(known))} minutes of CPU")
    sizes = " or ".join(dict.fromkeys(fmt.short(cost["parameters"]) for cost in costs))
    return f"{len(costs)} trainings of {sizes} parameters: {', '.join(parts) or 'what they cost is not known'}."


def describe_ranks(rows: pd.DataFrame | None, puzzles: int) -> str:
    """How many held-out puzzles answers are about, and their published ranks where the answers are at hand."""
    if rows is None:
        return f"{puzzles} held-out puzzles"
    buckets = sorted(set(rows["bucket"]) - {""}, key=lambda bucket: int(bucket.partition("-")[0]))
    ranks = f", published ranks {', '.join(buckets)}" if buckets else ""
    return f"{rows['numbers'].nunique()} held-out puzzles{ranks}"
