"""Blocks that the reports on long chains share: budgets, published numbers, the anatomy of answers, cost.

Each takes numbers as graded.py gives them. It does not know which report it stands in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from game24lab.evaluation.error_analysis import KINDS
from game24lab.report.document import MISSING, Block, Columns, Picture, Table
from game24lab.report.text import (
    SMALL,
    WIDE,
    draw_picture,
    join_sources,
    write_count,
    write_percent,
    write_range,
    write_short,
)
from game24lab.views.charts import chains as charts
from game24lab.views.charts import theme as figures

Numbers = Mapping[str, Any]
ONE_ANSWER = ("Each puzzle gets one greedy answer, which counts where its own last line is an expression that uses the "
              "four numbers once each and makes 24 by exact arithmetic, within the budget. The verifier counts; nobody "
              "chooses among answers: long chains are blind by nature.")  # fmt: skip
BLIND = "Blind: nothing but the model; judged after it has answered."


def tell_budgets(entries: Sequence[Numbers], caption: str) -> Table:
    """How answers end at each token budget."""
    rows = tuple(
        (write_count(e["budget"]), e["n"], write_percent(e["accuracy"]), write_range(e), write_percent(e["wrong"]),
         write_range(e, "wrong_"), write_percent(e["unfinished"]), write_range(e, "unfinished_"),
         write_count(e["tokens"]), f"{e['lines']:.1f}", write_count(e["characters"]))
        for e in entries
    )  # fmt: skip
    header = ("budget", "answers", "solved", "95 %", "wrong", "95 %", "unfinished", "95 %", "tokens", "lines",
              "characters")  # fmt: skip
    note = ("Budget in tokens of the model's own tokenizer; tokens, lines and characters: means of an answer, cut at "
            "the budget. 95 %: Wilson's interval. Wrong: an answer was given and is not right. " + BLIND)
    return Table(caption, join_sources(entries), header, rows, ("right",) * len(header), (0,) * len(header), note)


def tell_published(points: Sequence[Numbers], ours: Sequence[Numbers], caption: str) -> Table:
    """Published points below our own, each with model, data and budget. Ours: `label`, `parameters`, `scratch`,
    `training`, `stage`, `budget`, `lines_per_token`, `characters_per_token`, `puzzles` and the shares."""
    header = ("who", "model", "data", "stage", "tokens", "lines", "char.", "puzzles", "solved", "wrong", "unfin.")
    rows = [
        (f"ours: {o['label']}", f"{write_short(o['parameters'])}{', from scratch' if o['scratch'] else ''}",
         o["training"], o["stage"], write_count(o["budget"]), write_count(o["budget"] * o["lines_per_token"]),
         write_count(o["budget"] * o["characters_per_token"]), write_count(o["puzzles"]), write_percent(o["accuracy"]),
         write_percent(o["wrong"]), write_percent(o["unfinished"]))
        for o in ours
    ] + [
        (p["source"].rpartition("/")[2], p["model"], p["training"], p["stage"], write_count(p["budget"]), MISSING,
         MISSING, p["puzzles"], write_percent(p["solved"]), write_percent(p["wrong"]), write_percent(p["unfinished"]))
        for p in points
    ]  # fmt: skip
    known = {f"{p['source']}: {p['checked']}" for p in points}
    note = ("Tokens: the budget, of each model's own tokenizer. A token of theirs is not one of ours: lines and "
            "characters say how much of our answers ours holds; theirs are not published. Other models, other training "
            f"data, other puzzles: not one contest. {'; '.join(sorted(known))}.")  # fmt: skip
    align = ("left",) * 4 + ("right",) * 7
    widths = (1, 1, 1.2, 0.6, 0, 0, 0, 0, 0, 0, 0)
    return Table(caption, join_sources(ours) + "; the repositories named", header, tuple(rows), align, widths, note)


def tell_lengths(anatomy: Numbers) -> Table:
    """How long answers are, by how they ended."""
    header = ("ending", "answers", "tokens", "median", "95 % below", "lines", "characters", "rollbacks", "turn back")
    rows = tuple(
        (e["ending"], e["n"], write_count(e["tokens"]), write_count(e["tokens_median"]), write_count(e["tokens_p95"]),
         f"{e['lines']:.1f}", write_count(e["characters"]), f"{e['rollbacks']:.1f}", write_percent(e["turning"]))
        for e in anatomy["lengths"]
    )  # fmt: skip
    caption = f"Lengths of answers by how they ended, at {anatomy['budget']:,} tokens."
    note = "Means, but for the columns median and 95 % below. Turn back: share of answers with a rollback line."
    return Table(caption, anatomy["source"], header, rows, ("left", *["right"] * 8), (1, *[0] * 8), note)


def tell_wrong_lines(anatomy: Numbers) -> list[Block]:
    """Where chains first go wrong, and why."""
    header = ("ending", "answers", "damaged", "unsound", "first at", "place", *KINDS, "right")
    rows = tuple(
        (e["ending"], e["n"], write_percent(e["damaged"]), write_percent(e["unsound"]),
         MISSING if e["first"] is None else f"{e['first']:.0f}", write_percent(e["place"]),
         *(write_percent(e[kind]) for kind in KINDS), write_percent(e["share_right"]))
        for e in anatomy["wrong_lines"]
    )  # fmt: skip
    note = ("Damaged: share of answers with a wrong line; unsound: share that abandons a position from which 24 is "
            "within reach. First at: median line of the first wrong one, and its place in the answer. Move to other: "
            "what that line is. Right: mean share of right lines. Judged exactly, line by line.")  # fmt: skip
    align = ("left", *["right"] * 11)
    blocks: list[Block] = [Table("Where chains first go wrong.", anatomy["source"], header, rows, align, note=note)]
    if anatomy["reasons"]:
        listed = tuple((e["reason"], e["kind"], e["n"], write_percent(e["share"])) for e in anatomy["reasons"])
        blocks.append(Table("Why first wrong lines are wrong; numbers as #.", anatomy["source"],
                            ("reason", "line", "answers", "share"), listed,
                            ("left", "left", "right", "right")))  # fmt: skip
    return blocks


def tell_groups(anatomy: Numbers) -> list[Block]:
    """Accuracy by rank bucket and by number of lines."""
    drawn = []
    for key, column, title in (("buckets", "bucket", "published ranks"), ("lines", "length", "lines of the answer")):
        if anatomy[key]:
            figure = charts.draw_groups(pd.DataFrame(anatomy[key]), column, title)
            told = ", ".join(f"{e[column]}: {write_percent(e['accuracy'])} of {e['puzzles']}" for e in anatomy[key])
            drawn.append((figure, f"Solved by {title} (95 % Wilson). {told}."))
    return pair_pictures(drawn, anatomy["source"])


def draw_ending_pictures(rows: pd.DataFrame, anatomy: Numbers) -> list[Block]:
    """Histograms by ending: tokens, and the place of the first wrong line or the rollbacks."""
    drawn = [(charts.draw_endings(rows, "tokens", "tokens of the answer"),
              f"Lengths of answers, by how they ended at {anatomy['budget']:,} tokens.")]  # fmt: skip
    if rows["first_wrong"].notna().any():
        damaged = int(rows["first_wrong"].notna().sum())
        drawn.append((charts.draw_endings(rows.assign(first=rows["first_wrong"] + 1), "first", "first wrong line"),
                      f"The first wrong line of the {damaged} answers that have one."))  # fmt: skip
    if rows["rollbacks"].any():
        drawn.append((charts.draw_endings(rows, "rollbacks", "rollback lines"), "Rollback lines of an answer."))
    return pair_pictures(drawn, anatomy["source"])


def pair_pictures(drawn: Sequence[tuple[Any, str]], source: str, height: int = 190) -> list[Block]:
    """Figures with their captions, two side by side; a last one alone takes the whole width."""
    blocks: list[Block] = []
    for i in range(0, len(drawn), 2):
        pair = drawn[i : i + 2]
        width = SMALL if len(pair) > 1 else WIDE
        pictures = tuple(draw_picture(figure, caption, source, height, width) for figure, caption in pair)
        blocks.append(Columns(pictures) if len(pair) > 1 else pictures[0])
    return blocks


def draw_pass_picture(passes: Sequence[Numbers]) -> Picture:
    """pass@k of the runs that drew several answers a puzzle."""
    table = pd.DataFrame(passes).rename(columns={"label": "arm"})
    heat = ", ".join(f"{t:g}" for t in sorted(set(table["temperature"])))
    caption = (f"Unbiased pass@k on {table['problems'].max()} puzzles, {table['samples'].max()} answers each at "
               f"temperature {heat}; band: 95 % by bootstrap over puzzles.")  # fmt: skip
    return draw_picture(figures.draw_pass_at_k(table), caption, join_sources(passes), 200, WIDE)


def tell_costs(costs: Sequence[Numbers]) -> Table:
    """What runs have cost."""
    header = ("run", "parameters", "steps", "tokens learnt", "tokens sampled", "CPU min", "minutes", "grading s")
    rows = tuple(
        (c["label"], write_short(c["parameters"]), write_count(c["steps"]), write_short(c["training_tokens"]),
         write_short(c["sampled_tokens"]), write_minutes(c["training_cpu_seconds"], c["resumed"]),
         write_minutes(c["training_seconds"], c["resumed"]), write_count(c["grading_seconds"]))
        for c in costs
    )  # fmt: skip
    note = ("Parameters without embeddings. CPU minutes and minutes of training, held-out checks included; > : of the "
            "last session of a run that was resumed. Grading: seconds to generate the answers of this report.")
    return Table("Cost.", join_sources(costs), header, rows, ("left", *["right"] * 7), (1, *[0] * 7), note)


def write_minutes(seconds: float | None, more: bool = False) -> str:
    """Seconds as minutes; `more`: it was more than that."""
    return MISSING if seconds is None else f"{'> ' if more else ''}{seconds / 60:.1f}"
