"""The report on learning from rewards and preferences: what GRPO and DPO add to a model that writes search traces.

It describes `06_grpo` and `07_dpo` runs, any number of seeds each, from their answers before ("start") and after
("end").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from game24lab.evaluation.chains import BUDGETS, summarise_budgets
from game24lab.report import chain_summaries as sm
from game24lab.report import layout
from game24lab.report.chain_summaries import BEST, END, START
from game24lab.report.document import Block, Bullets, Paragraph, Picture, Report, Table
from game24lab.report.evidence import TRAINING, Evidence, refuse
from game24lab.report.findings import find_gap, tell_change
from game24lab.report.layout import add_section, draw_picture
from game24lab.report.measures import find_trends
from game24lab.report.published import PUBLISHED_RL
from game24lab.report.sections import chains
from game24lab.report.summaries import keep_curve
from game24lab.report.tables import Row, count, fixed, join_sources, make_table, percent, points, short, text
from game24lab.views.charts import chains as charts
from game24lab.views.tables import formats as fmt
from game24lab.views.tables.records import plain

TITLE = "Learning from rewards and preferences"
QUESTION = ("A model that learnt from search traces goes on learning from its own answers: by GRPO, from weighted "
            "rewards of groups of answers, or by DPO, from pairs that part where an answer first went wrong. What does "
            "that add, beyond chance, on puzzles that it has never seen? " + chains.ONE_ANSWER)  # fmt: skip
METHODS = {"06_grpo": "GRPO", "07_dpo": "DPO"}  # runs of these notebooks; others are what they started from
ANCHOR = 1024  # tokens that the published run, and our aim, stand at
_ALIKE = 1.1  # so much more than another cost is still equal to it
SEEDS = 3  # below which the limits say so
SHOWN = 4  # figures of trainings before the appendix
PANELS = {  # of the curves: title, short enough for a narrow panel, and whether a share
    "reward": ("reward", False),
    "length": ("answer tokens", False),
    "unfinished": ("unfinished", True),
    "zero_variance": ("no variance", True),
    "kl": ("KL", False),
    "accuracy": ("held-out", True),
    "held_out_unfinished": ("held-out unfin.", True),
}
_MEANINGS = {
    "zero_variance": " No variance: share of groups whose answers all got the same reward.",
    "accuracy": " Held-out: greedy accuracy of the checks during training (95 %).",
    "kl": " KL: divergence from the model at the start.",
}


def gather_numbers(evidence: Sequence[Evidence], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `budget`, `trainings` (one a run), `methods` (all seeds of one
    together), `equal_cost`, `lengths`, `costs`, `published`.

    ValueError where no run is of `METHODS`, or one of them lacks its start or end.
    """
    graded = sm.select_graded(evidence)
    by_method = group_methods(graded)
    if not by_method:
        raise refuse(graded, f"runs of {' or '.join(METHODS)} are needed")
    trained = [one for some in by_method.values() for one in some]
    budget = min(ANCHOR, *(int(one.stage(stage)["budget"].min()) for one in trained for stage in (START, END)))
    methods = {one.run.id: method for method, some in by_method.items() for one in some}
    trainings = [_measure_training(one, methods[one.run.id], budget) for one in graded if one.run.id in methods]
    costs = {cost["run"]: cost for cost in map(sm.read_cost, graded)}
    return {
        "title": title, "runs": sm.describe_graded(graded), "budget": budget, "trainings": trainings,
        "methods": [_pool(method, some, budget, costs) for method, some in by_method.items()],
        "equal_cost": _compare_at_equal_cost(trained, trainings, costs),
        "lengths": [_describe_change(method, some) for method, some in by_method.items()],
        "costs": list(costs.values()), "published": [vars(point) for point in PUBLISHED_RL],
    }  # fmt: skip


def group_methods(graded: Sequence[Evidence]) -> dict[str, list[Evidence]]:
    """The runs of each method; where a method was begun from several policies, those of each start by themselves."""
    trained = [one for one in graded if one.run.name in METHODS]
    groups: dict[str, list[Evidence]] = {}
    for one, name in zip(trained, sm.name_starts(trained, [METHODS[one.run.name] for one in trained]), strict=True):
        groups.setdefault(name, []).append(one)
    return groups


def make_report(evidence: Sequence[Evidence], numbers: Row) -> Report:
    """The report: what each method added, how it went, at which cost, beside the published, and limits.

    Without evidence, from kept numbers alone, curves of the training and of smaller budgets are left out.
    """
    graded, budget = sm.select_graded(evidence) if evidence else [], f"{numbers['budget']:,} tokens"
    curves = _draw_curves(graded) if graded else []
    figures = [*([_draw_budgets(graded)] if graded else []), *curves[:SHOWN]]
    appendix = [
        _describe_setting(graded, numbers),
        *add_section("What it added", _describe_trainings(numbers, budget), _describe_methods(numbers, budget)),
        *(add_section("How it went", *curves[SHOWN:]) if curves[SHOWN:] else []),
        *add_section("At equal rollout cost", _describe_equal_cost(numbers)),
        *add_section("How answers changed", _describe_lengths(numbers["lengths"])),
        *(add_section("Beside the published",
                      chains.describe_published(numbers["published"], _list_ours(graded, numbers))) if graded else []),
        *add_section("What that cost", chains.describe_costs(numbers["costs"])),
        *add_section("What did not work", Bullets(tuple(list_negatives(numbers)))),
        *layout.add_limits(numbers["runs"], list_limits(numbers)),
        *layout.add_origin(numbers["runs"]),
    ]  # fmt: skip
    return layout.compose_report(numbers["title"], numbers["runs"], QUESTION, answer(numbers), _draw_change(numbers),
                                 chains.tell_costs(numbers["costs"]), figures, appendix)  # fmt: skip


def answer(numbers: Row) -> list[str]:
    """What each method added, whether it was more than chance, and how answers changed."""
    said = [f"{m['method']} ({m['runs']} run{'s' * (m['runs'] > 1)}) took held-out accuracy from "
            f"{fmt.percent(m[START]['accuracy'])} to {fmt.percent(m[END]['accuracy'])} within {numbers['budget']:,} "
            f"tokens, {fmt.points(m['change']['difference'])} points (95 %: {fmt.points_interval(m['change'])})."
            for m in numbers["methods"]]  # fmt: skip
    names = {True: [m["method"] for m in numbers["methods"] if m["change"]["low"] > 0],
             False: [m["method"] for m in numbers["methods"] if m["change"]["low"] <= 0]}  # fmt: skip
    chance = [f"the gain of {' and '.join(names[True])} is beyond chance"] * bool(names[True])
    chance += [f"that of {' and '.join(names[False])} is not"] * bool(names[False])
    lengths = [f"{e['method']} from {fmt.count(e[START]['tokens'])} to {fmt.count(e[END]['tokens'])} tokens"
               for e in numbers["lengths"]]  # fmt: skip
    sure = "; ".join(chance) if names[True] else "no gain is beyond chance"
    return [" ".join(said), f"By intervals paired over puzzles, {sure}.",
            f"The mean answer changed: {', '.join(lengths)}."]  # fmt: skip


# ------------------------------------------------------------------------------------------- numbers
def _measure_training(one: Evidence, method: str, budget: int) -> dict[str, Any]:
    stages = one.grades["stage"].unique()
    return sm.name_run(one) | {
        "method": method, "seed": one.run.manifest.get("seed"), "start": sm.measure_stage(one, START, budget),
        "best": sm.measure_stage(one, BEST, budget) if BEST in stages else None, "peak": _find_peak(one.training),
        "end": sm.measure_stage(one, END, budget), "change": sm.compare_stages([one], START, END, budget),
        "curve": [] if one.training is None else keep_curve(sm.gather_log([one])),
    }  # fmt: skip


def _find_peak(training: pd.DataFrame | None) -> dict[str, Any] | None:
    """The best held-out check during training."""
    if training is None or "accuracy" not in training or not training["accuracy"].notna().any():
        return None
    row = training.loc[training["accuracy"].idxmax()]
    return {"step": int(row["step"]), "accuracy": float(row["accuracy"])}


def _pool(method: str, some: Sequence[Evidence], budget: int, costs: Mapping[str, Any]) -> dict[str, Any]:
    """All seeds of a method together; intervals by bootstrap over puzzles where there are several."""
    ends = {stage: plain(summarise_budgets(sm.gather_stage(some, stage), [budget]))[0] for stage in (START, END)}
    sampled = [costs[one.run.id]["sampled_tokens"] for one in some]
    return ends | {
        "method": method, "runs": len(some), "source": _join(some),
        "change": sm.compare_stages(some, START, END, budget),
        "sampled_tokens": None if None in sampled else sum(sampled) / len(sampled),
    }  # fmt: skip


def _join(some: Sequence[Evidence], *file: str) -> str:
    return join_sources([{"source": one.source(*file)} for one in some])


def _compare_at_equal_cost(
    runs: Sequence[Evidence], trainings: Sequence[Row], costs: Mapping[str, Any]
) -> dict[str, Any]:  # fmt: skip
    """Every run as it stood when it had sampled as many tokens as the thriftiest run of the same start has in all:
    `tokens` (the fewest of these limits), `rows`, each with its `limit`. A tenth more counts as equal."""
    spent = {one.run.id: _list_spending(one, costs[one.run.id]) for one in runs}
    starts = {one.run.id: one.run.parameters.get("policy") for one in runs}
    limits: dict[Any, float] = {}
    for run, table in spent.items():
        if len(table):
            limits[starts[run]] = min(limits.get(starts[run], math.inf), float(table["tokens"].iloc[-1]))
    rows = []
    for training in trainings:
        table, limit = spent[training["run"]], limits.get(starts[training["run"]])
        row = {key: training[key] for key in ("run", "label", "method", "source")} | {"step": None, "tokens": None}
        row |= {"limit": limit, "accuracy": None, "measured": "not known"}
        if limit is not None and len(table):
            last = table.iloc[-1]
            checked = table[(table["tokens"] <= _ALIKE * limit) & table["accuracy"].notna()]
            if last["tokens"] <= _ALIKE * limit:
                row |= {"step": int(last["step"]), "tokens": float(last["tokens"]), "measured": "graded at the end",
                        "accuracy": training["end"]["accuracy"]}  # fmt: skip
            elif len(checked):
                row |= {"step": int(checked["step"].iloc[-1]), "tokens": float(checked["tokens"].iloc[-1]),
                        "accuracy": float(checked["accuracy"].iloc[-1]), "measured": "held-out check"}  # fmt: skip
        rows.append(row)
    return {"tokens": min(limits.values(), default=None), "rows": rows}


def _list_spending(one: Evidence, cost: Row) -> pd.DataFrame:
    """Tokens sampled up to each step, in the proportion of the log's own count where it has one, with the held-out
    accuracy: `step`, `tokens`, `accuracy`. What is sampled before training is spent at every step."""
    log, total = one.training, cost["sampled_tokens"]
    if log is None or total is None:
        return pd.DataFrame()
    log = log.sort_values("step")
    names = [name for name in ("sampled_tokens", "num_tokens") if name in log and one.run.name == "06_grpo"]
    tokens = log[names[0]].ffill() / log[names[0]].max() * total if names else total
    accuracy = log["accuracy"] if "accuracy" in log else float("nan")
    return pd.DataFrame({"step": log["step"], "tokens": tokens, "accuracy": accuracy}).dropna(subset=["tokens"])


def _describe_change(method: str, some: Sequence[Evidence]) -> dict[str, Any]:
    """What answers are like before and after, at the budget they were given."""
    found: dict[str, Any] = {"method": method, "source": _join(some)}
    for stage in (START, END):
        rows = sm.gather_stage(some, stage)
        means = rows[["tokens", "lines", "characters", "rollbacks", "share_right"]].astype(float).mean().to_dict()
        found[stage] = {
            "budget": int(rows["budget"].min()), "answers": len(rows), **means,
            "damaged": float(rows["first_wrong"].notna().mean()),
            "unsound": float(rows["first_unsound"].notna().mean()),
            "unfinished": float((rows["outcome"] == "unfinished").mean()),
        }  # fmt: skip
    return found


def _list_ours(graded: Sequence[Evidence], numbers: Row) -> list[dict[str, Any]]:
    ours, groups = [], group_methods(graded)
    for method in numbers["methods"]:
        some = groups[method["method"]]
        seeds = f", {method['runs']} seeds" if method["runs"] > 1 else ""
        for stage in (START, END):
            rows = sm.gather_stage(some, stage)
            told = {"label": method["method"], "stage": "start", "training": f"{rows['style'].mode()[0]} traces"} \
                if stage == START else {"label": method["method"] + seeds, "stage": METHODS[some[0].run.name],
                                        "training": "its own answers"}  # fmt: skip
            ours.append({
                "parameters": int(rows["parameters"].max()), "scratch": False, "source": method["source"],
                "budget": numbers["budget"], **told, **sm.measure_density(rows),
                **{key: method[stage][key] for key in ("puzzles", "accuracy", "wrong", "unfinished")},
            })  # fmt: skip
    return ours


# ------------------------------------------------------------------------------------------- sections
def _describe_setting(graded: Sequence[Evidence], numbers: Row) -> Block:
    rows = pd.concat([one.grades for one in graded]) if graded else None
    sizes = " or ".join(dict.fromkeys(fmt.short(cost["parameters"]) for cost in numbers["costs"]))
    counts = ", ".join(f"{m['method']} {m['runs']} run{'s' if m['runs'] > 1 else ''}" for m in numbers["methods"])
    judged = chains.describe_ranks(rows, numbers["methods"][0]["end"]["puzzles"])
    return layout.describe_setting(
        numbers["runs"], ("Judged on", f"{judged}, at {numbers['budget']:,} tokens"),
        ("Trained", f"{counts}, {sizes} parameters (embeddings not counted)"),
    )  # fmt: skip


def _draw_change(numbers: Row) -> Picture:
    """What each method added, from the numbers alone: before and after beside each other."""
    table = pd.DataFrame([{"method": method["method"], "run": stage} | method[stage]
                          for stage in (START, END) for method in numbers["methods"]])  # fmt: skip
    told = "; ".join(f"{m['method']} {tell_change(m['change'])} ({m['runs']} run{'s' * (m['runs'] > 1)})"
                     for m in numbers["methods"])  # fmt: skip
    caption = (f"On {numbers['methods'][0]['end']['puzzles']} puzzles, paired: {told}. Solved before and after "
               f"training within {numbers['budget']:,} tokens, all runs of a method together (95 %).")  # fmt: skip
    figure = charts.draw_groups(table, "method", "method")
    return draw_picture(figure, caption, join_sources(numbers["methods"]), 260)


def _draw_budgets(graded: Sequence[Evidence]) -> Picture:
    tables, groups, told = [], group_methods(graded), []
    for method, some in groups.items():
        for stage in (START, END):
            rows = sm.gather_stage(some, stage)
            budgets = sorted({*BUDGETS, int(rows["budget"].min())})
            tables.append(summarise_budgets(rows, budgets).assign(run=f"{method}, {stage}"))
        told.append(find_gap(plain(tables[-2]), plain(tables[-1]), "budget", "{} tokens", method))
    caption = f"{' '.join(told)} Solved against the token budget, all runs of a method together (95 %)."
    source = _join([one for some in groups.values() for one in some])
    return draw_picture(charts.draw_budgets(pd.concat(tables)), caption, source, 280)


def _describe_trainings(numbers: Row, budget: str) -> Table:
    rows = [t | {"highest": t["best"] or t["peak"] or {"accuracy": None}, "peak": t["peak"] or {"step": None}}
            for t in numbers["trainings"]]  # fmt: skip
    columns = {
        "run": text("label", 1), "start": percent("start.accuracy", "start.low", "start.high"),
        "best": percent("highest.accuracy"), "at step": count("peak.step"),
        "end": percent("end.accuracy", "end.low", "end.high"), **_CHANGE,
    }  # fmt: skip
    note = ("95 %: Wilson's interval; of the difference: paired, by bootstrap over puzzles. Won, lost: puzzles solved "
            "at the end and not at the start, and the reverse. Best: of the held-out checks during training; they "
            "choose it, so it flatters. " + chains.BLIND)  # fmt: skip
    return make_table(f"Each training, solved at {budget}.", rows, columns, note)


_CHANGE = {"end - start": points("change.difference", "change.low", "change.high"), "won": count("change.gained"),
           "lost": count("change.lost")}  # fmt: skip


def _describe_methods(numbers: Row, budget: str) -> Table:
    columns = {"method": text("method", 1), "runs": count("runs"), "start": percent("start.accuracy"),
               "end": percent("end.accuracy"), **_CHANGE, "tokens sampled": short("sampled_tokens")}  # fmt: skip
    note = ("Means over runs. The interval of the difference resamples puzzles, each with the mean of its runs; won "
            "and lost: puzzles solved by more, and by fewer, of them. Tokens sampled: for training, mean of a run. "
            + chains.BLIND)
    return make_table(f"Each method, its runs together, at {budget}.", numbers["methods"], columns, note)


def _draw_curves(graded: Sequence[Evidence]) -> list[Block]:
    blocks: list[Block] = []
    for method, some in group_methods(graded).items():
        log = sm.gather_log(some)
        if log.empty:
            continue
        parts = {name: (f"{name.partition('/')[2]} reward", False) for name in log if str(name).startswith("rewards/")}
        known = ({"loss": ("loss", False)} if some[0].run.name == "07_dpo" else {}) | PANELS
        panels = {name: title for name, title in ({"reward": known["reward"]} | parts | known).items()
                  if name in log and log[name].notna().any()}  # fmt: skip
        for begin in range(0, len(panels), 3):
            names = list(panels)[begin : begin + 3]
            titles = {name: panels[name][0] for name in names}
            shares = [name for name in names if panels[name][1]]
            figure = charts.draw_curves(log, titles, shares)
            meanings = "".join(_MEANINGS.get(name, "") for name in names)
            caption = (f"{method}: {find_trends(log, titles, shares)} Means of the first and the last tenth of the "
                       f"steps; a line a run.{meanings}")  # fmt: skip
            blocks.append(draw_picture(figure, caption, _join(some, TRAINING), 185))
    return blocks or [Paragraph("No run left a log of its training.")]


def _describe_equal_cost(numbers: Row) -> Block:
    level = numbers["equal_cost"]
    if level["tokens"] is None:
        return Paragraph("The runs do not say how many tokens they sampled for training (`sampled_tokens` in their "
                         "manifests), so that they cannot be compared at equal cost.")  # fmt: skip
    starts = [{"label": f"{m['method']}'s start", "tokens": 0, "step": 0, "accuracy": m["start"]["accuracy"],
               "measured": "graded"} for m in numbers["methods"]]  # fmt: skip
    note = ("A tenth more counts as equal. A held-out check stands in where a run had not ended at that cost: the last "
            "one before. Supervised fine-tuning samples nothing: it is the start.")  # fmt: skip
    caption = ("Solved once as many tokens were sampled for training as the thriftiest run of the same start has "
               f"sampled in all, {' or '.join(dict.fromkeys(fmt.short(row['limit']) for row in level['rows']))}.")
    columns = {"run": text("label", 1), "tokens sampled": short("tokens"), "step": count("step"),
               "solved": percent("accuracy"), "how measured": text("measured")}  # fmt: skip
    return make_table(caption, [*starts, *level["rows"]], columns, note, join_sources(level["rows"]))


def _describe_lengths(lengths: Sequence[Row]) -> Table:
    rows = [{"method": entry["method"], "stage": stage} | entry[stage] for entry in lengths for stage in (START, END)]
    columns = {
        "method": text("method", 1), "stage": text("stage"), "tokens": count("tokens"), "lines": fixed("lines"),
        "characters": count("characters"), "rollbacks": fixed("rollbacks"), "lines right": percent("share_right"),
        "damaged": percent("damaged"), "unsound": percent("unsound"), "unfinished": percent("unfinished"),
    }  # fmt: skip
    note = ("Damaged: share of answers with a line that is not right; unsound: share that abandons a position from "
            "which 24 is within reach.")  # fmt: skip
    return make_table(f"Means of an answer before and after, within {lengths[0][END]['budget']:,} tokens.", rows,
                      columns, note, join_sources(lengths))  # fmt: skip


def list_negatives(numbers: Row) -> list[str]:
    """What did not work, as far as the records show."""
    told = []
    for method in numbers["methods"]:
        change = method["change"]
        if change["low"] <= 0:
            said = "lost" if change["high"] < 0 else "did not gain beyond chance"
            told.append(f"{method['method']} {said}: {fmt.points(change['difference'])} points, 95 % "
                        f"{fmt.points_interval(change)}.")  # fmt: skip
    for training in numbers["trainings"]:
        peak = training["peak"]
        if peak and peak["accuracy"] > training["end"]["high"]:
            told.append(f"{training['label']} fell from {fmt.percent(peak['accuracy'])} at step {peak['step']:,} to "
                        f"{fmt.percent(training['end']['accuracy'])} at its end.")  # fmt: skip
        if training["change"]["lost"]:
            told.append(f"{training['label']}: {training['change']['lost']} puzzles that its start solved are lost.")
    return told or ["Nothing that these records show."]


def list_limits(numbers: Row) -> list[str]:
    """What the numbers do not say."""
    few = [m["method"] for m in numbers["methods"] if m["runs"] < SEEDS]
    return [
        "The interval of a single run covers the choice of puzzles, not the luck of its training; that of several runs "
        "covers their mean on these puzzles.",
        "Tokens sampled count what was sampled for training, held-out checks not.",
    ] + ([f"Fewer than {SEEDS} seeds of {' and '.join(few)}."] if few else [])
