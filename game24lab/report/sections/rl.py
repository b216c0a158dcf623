"""The report on learning from rewards and preferences: what GRPO and DPO add to a model that writes search traces.

It tells the records of `06_grpo` and `07_dpo` runs, any number of seeds each, from their answers before ("start") and
after ("end"). No model is needed. What stands in the records is in graded.py; this module knows the story alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.evaluation.chains import summarise_budgets
from game24lab.report import chain_evidence as gr
from game24lab.report.document import MISSING, Block, Bullets, Heading, KeyValues, Paragraph, Report, Table
from game24lab.report.published import PUBLISHED_RL
from game24lab.report.sections import chains as bl
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
    write_short,
)
from game24lab.views.charts import chains as charts

TITLE = "Learning from rewards and preferences"
METHODS = {"06_grpo": "GRPO", "07_dpo": "DPO"}  # runs of these notebooks; others are what they started from
START, BEST, END = "start", "best", gr.END
ANCHOR = 1024  # tokens that the published run, and our aim, stand at
_ALIKE = 1.1  # so much more than another cost is still equal to it
SEEDS = 3  # below which the limits say so
PANELS = {  # of the curves: title, short enough for a narrow panel, and whether a share
    "reward": ("reward", False),
    "length": ("answer tokens", False),
    "unfinished": ("unfinished", True),
    "zero_variance": ("no variance", True),
    "kl": ("KL", False),
    "accuracy": ("held-out", True),
    "held_out_unfinished": ("held-out unfin.", True),
}


def report_rl(folders: Sequence[str | Path], output: str | Path, *, title: str = TITLE) -> Path:
    """Write the PDF `output` and beside it `<name>.json` with the numbers it quotes; returns the PDF's path.

    ValueError or OSError that names the folder or file where a run, its grades, its start or its end are missing or
    broken.
    """
    graded = gr.read_graded(folders)
    numbers = gather_numbers(graded, title)
    return write_report(tell(graded, numbers), numbers, output)


def gather_numbers(graded: Sequence[gr.Graded], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `budget`, `trainings` (one a run), `methods` (all seeds of one
    together), `equal_cost`, `lengths`, `costs`, `published`.

    ValueError where no run is of `METHODS`, or one of them lacks its start or end.
    """
    trained = [one for one in graded if one.run.name in METHODS]
    if not trained:
        names = ", ".join(f"{one.run.folder} ({one.run.name})" for one in graded)
        raise ValueError(f"nothing to report in {names}: runs of {' or '.join(METHODS)} are needed")
    budget = min(ANCHOR, *(int(one.stage(stage)["budget"].min()) for one in trained for stage in (START, END)))
    by_method = group_methods(trained)
    trainings = [_measure_training(one, method, budget) for one, method in _list_methods(trained)]
    costs = {cost["run"]: cost for cost in map(gr.read_cost, graded)}
    return {
        "title": title, "runs": gr.describe_graded(graded), "budget": budget, "trainings": trainings,
        "methods": [_pool(method, some, budget, costs) for method, some in by_method.items()],
        "equal_cost": _level(by_method, trainings, costs),
        "lengths": [_describe_change(method, some) for method, some in by_method.items()],
        "costs": list(costs.values()), "published": [vars(point) for point in PUBLISHED_RL],
    }  # fmt: skip


def group_methods(graded: Sequence[gr.Graded]) -> dict[str, list[gr.Graded]]:
    """The runs of each method; where a method was begun from several policies, those of each start by themselves."""
    groups: dict[str, list[gr.Graded]] = {}
    for one, method in _list_methods(graded):
        groups.setdefault(method, []).append(one)
    return groups


def _list_methods(graded: Sequence[gr.Graded]) -> list[tuple[gr.Graded, str]]:
    trained = [one for one in graded if one.run.name in METHODS]
    return list(zip(trained, gr.name_starts(trained, [METHODS[one.run.name] for one in trained]), strict=True))


def tell(graded: Sequence[gr.Graded], numbers: dict[str, Any]) -> Report:
    """The report: the question, what each method added, how it went, at which cost, beside the published."""
    blocks: list[Block] = [
        KeyValues(_tell_setting(graded, numbers)),
        Heading("The question"),
        Paragraph(
            "A model that learnt from search traces goes on learning from its own answers: by GRPO, from weighted "
            "rewards of groups of answers, or by DPO, from pairs that part where an answer first went wrong. What does "
            "that add, beyond chance, on puzzles that it has never seen? " + bl.ONE_ANSWER
        ),
        Heading("What it added"),
        _tell_trainings(numbers),
        _tell_methods(numbers),
        Heading("How it went"),
        *_tell_curves(graded, numbers),
        Heading("At equal rollout cost"),
        _tell_equal_cost(numbers),
        Heading("How answers changed"),
        _tell_lengths(numbers),
        Heading("Beside the published"),
        bl.tell_published(numbers["published"], _list_ours(graded, numbers), "Ours above, published points below."),
        Heading("What that cost"),
        bl.tell_costs(numbers["costs"]),
        Heading("What did not work"),
        Bullets(tuple(_tell_negatives(numbers))),
        Heading("Limits"),
        Bullets(tuple(_tell_limits(numbers))),
        *tell_origin(numbers["runs"]),
    ]
    return compose_report(numbers["title"], numbers["runs"], blocks)


# ------------------------------------------------------------------------------------------- numbers
def _measure_training(one: gr.Graded, method: str, budget: int) -> dict[str, Any]:
    stages = one.grades["stage"].unique()
    best = gr.measure_stage(one, BEST, budget) if BEST in stages else None
    return {
        "run": one.run.id, "label": one.label, "method": method, "seed": one.run.manifest.get("seed"),
        "source": one.source(), "start": gr.measure_stage(one, START, budget), "best": best,
        "peak": _find_peak(one.training), "end": gr.measure_stage(one, END, budget),
        "change": gr.compare_stages([one], START, END, budget),
    }  # fmt: skip


def _find_peak(training: pd.DataFrame | None) -> dict[str, Any] | None:
    """The best held-out check during training."""
    if training is None or "accuracy" not in training or not training["accuracy"].notna().any():
        return None
    row = training.loc[training["accuracy"].idxmax()]
    return {"step": int(row["step"]), "accuracy": float(row["accuracy"])}


def _pool(method: str, some: Sequence[gr.Graded], budget: int, costs: Mapping[str, Any]) -> dict[str, Any]:
    """All seeds of a method together; intervals by bootstrap over puzzles where there are several."""
    ends = {}
    for stage in (START, END):
        (ends[stage],) = gr.plain(summarise_budgets(pd.concat([one.stage(stage) for one in some]), [budget]))
    sampled = [costs[one.run.id]["sampled_tokens"] for one in some]
    return ends | {
        "method": method, "runs": len(some), "source": join_sources([{"source": one.source()} for one in some]),
        "change": gr.compare_stages(some, START, END, budget),
        "sampled_tokens": None if None in sampled else sum(sampled) / len(sampled),
    }  # fmt: skip


def _level(
    by_method: Mapping[str, Sequence[gr.Graded]], trainings: Sequence[Mapping[str, Any]], costs: Mapping[str, Any]
) -> dict[str, Any]:
    """Every run as it stood when it had sampled as many tokens as the thriftiest run of the same start has in all:
    `tokens` (the fewest of these limits), `rows`, each with its `limit`. A tenth more counts as equal."""
    runs = [one for some in by_method.values() for one in some]
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


def _list_spending(one: gr.Graded, cost: Mapping[str, Any]) -> pd.DataFrame:
    """Tokens sampled up to each step, in the proportion of the log's own count where it has one, with the held-out
    accuracy: `step`, `tokens`, `accuracy`. What is sampled before training is spent at every step."""
    log, total = one.training, cost["sampled_tokens"]
    if log is None or total is None:
        return pd.DataFrame()
    log = log.sort_values("step")
    count = next((name for name in ("sampled_tokens", "num_tokens") if name in log and one.run.name == "06_grpo"),
                 None)  # fmt: skip
    tokens = total if count is None else log[count].ffill() / log[count].max() * total
    accuracy = log["accuracy"] if "accuracy" in log else float("nan")
    return pd.DataFrame({"step": log["step"], "tokens": tokens, "accuracy": accuracy}).dropna(subset=["tokens"])


def _describe_change(method: str, some: Sequence[gr.Graded]) -> dict[str, Any]:
    """What answers are like before and after, at the budget they were given."""
    found: dict[str, Any] = {"method": method, "source": join_sources([{"source": one.source()} for one in some])}
    for stage in (START, END):
        rows = pd.concat([one.stage(stage) for one in some])
        found[stage] = {
            "budget": int(rows["budget"].min()), "answers": len(rows), "tokens": float(rows["tokens"].mean()),
            "lines": float(rows["lines"].mean()), "characters": float(rows["characters"].mean()),
            "rollbacks": float(rows["rollbacks"].mean()), "share_right": float(rows["share_right"].mean()),
            "damaged": float(rows["first_wrong"].notna().mean()),
            "unsound": float(rows["first_unsound"].notna().mean()),
            "unfinished": float((rows["outcome"] == "unfinished").mean()),
        }  # fmt: skip
    return found


def _list_ours(graded: Sequence[gr.Graded], numbers: dict[str, Any]) -> list[dict[str, Any]]:
    ours = []
    groups = group_methods(graded)
    for method in numbers["methods"]:
        some = groups[method["method"]]
        for stage in (START, END):
            rows = pd.concat([one.stage(stage) for one in some])
            tokens = max(1, rows["tokens"].sum())
            learnt = "its own answers" if stage == END else f"{rows['style'].mode()[0]} traces"
            seeds = f", {method['runs']} seeds" if method["runs"] > 1 and stage == END else ""
            ours.append({
                "label": f"{method['method']}{seeds}", "parameters": int(rows["parameters"].max()), "scratch": False,
                "source": method["source"], "training": learnt,
                "stage": METHODS[some[0].run.name] if stage == END else "start", "budget": numbers["budget"],
                "lines_per_token": float(rows["lines"].sum() / tokens),
                "characters_per_token": float(rows["characters"].sum() / tokens),
                **{key: method[stage][key] for key in ("puzzles", "accuracy", "wrong", "unfinished")},
            })  # fmt: skip
    return ours


# ------------------------------------------------------------------------------------------- sections
def _tell_setting(graded: Sequence[gr.Graded], numbers: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    rows = pd.concat([one.grades for one in graded])
    buckets = sorted(set(rows["bucket"]) - {""}, key=lambda bucket: int(bucket.partition("-")[0]))
    ranks = f", published ranks {', '.join(buckets)}" if buckets else ""
    sizes = " or ".join(dict.fromkeys(write_short(cost["parameters"]) for cost in numbers["costs"]))
    runs = numbers["runs"]
    counts = ", ".join(f"{m['method']} {m['runs']} run{'s' if m['runs'] > 1 else ''}" for m in numbers["methods"])
    return (
        ("Judged on", f"{rows['numbers'].nunique()} held-out puzzles{ranks}, at {numbers['budget']:,} tokens"),
        ("Trained", f"{counts}, {sizes} parameters (embeddings not counted)"),
        ("Commit", "; ".join(dict.fromkeys(write_commit(run, 12) for run in runs))),
        ("Machine", "; ".join(dict.fromkeys(run["device"] or "unknown" for run in runs))),
    )


def _tell_trainings(numbers: dict[str, Any]) -> Table:
    header = ("run", "start", "95 %", "best", "at step", "end", "95 %", "end - start", "95 %", "won", "lost")
    rows = []
    for training in numbers["trainings"]:
        start, end, peak = training["start"], training["end"], training["peak"]
        best = training["best"]["accuracy"] if training["best"] else peak["accuracy"] if peak else None
        rows.append((training["label"], write_percent(start["accuracy"]), write_range(start), write_percent(best),
                     write_count(peak["step"]) if peak else MISSING, write_percent(end["accuracy"]), write_range(end),
                     *_tell_change(training["change"])))  # fmt: skip
    note = ("95 %: Wilson's interval; of the difference: paired, by bootstrap over puzzles. Won, lost: puzzles solved "
            "at the end and not at the start, and the reverse. Best: of the held-out checks during training; they "
            "choose it, so it flatters. " + bl.BLIND)  # fmt: skip
    caption = f"Each training, solved at {numbers['budget']:,} tokens."
    align = ("left", *["right"] * 10)
    return Table(caption, join_sources(numbers["trainings"]), header, tuple(rows), align, (1, *[0] * 10), note)


def _tell_change(change: Mapping[str, Any]) -> tuple[str, str, str, str]:
    ends = f"{_points(change['low'])} to {_points(change['high'])}"
    return _points(change["difference"]), ends, write_count(change["gained"]), write_count(change["lost"])


def _points(share: float) -> str:
    """A difference in percentage points; what rounds to none is +0.0."""
    return f"{round(100 * share, 1) + 0.0:+.1f}"


def _tell_methods(numbers: dict[str, Any]) -> Table:
    header = ("method", "runs", "start", "end", "end - start", "95 %", "won", "lost", "tokens sampled")
    rows = tuple(
        (m["method"], m["runs"], write_percent(m["start"]["accuracy"]), write_percent(m["end"]["accuracy"]),
         *_tell_change(m["change"]), write_short(m["sampled_tokens"]))
        for m in numbers["methods"]
    )  # fmt: skip
    note = ("Means over runs. The interval of the difference resamples puzzles, each with the mean of its runs; won "
            "and lost: puzzles solved by more, and by fewer, of them. Tokens sampled: for training, mean of a run. "
            + bl.BLIND)
    caption = f"Each method, its runs together, at {numbers['budget']:,} tokens."
    return Table(caption, join_sources(numbers["methods"]), header, rows, ("left", *["right"] * 8), (1, *[0] * 8), note)


def _tell_curves(graded: Sequence[gr.Graded], numbers: dict[str, Any]) -> list[Block]:
    blocks: list[Block] = []
    for method, some in group_methods(graded).items():
        log = gr.gather_log(some)
        if log.empty:
            continue
        parts = {name: (f"{name.partition('/')[2]} reward", False) for name in log if str(name).startswith("rewards/")}
        known = ({"loss": ("loss", False)} if some[0].run.name == "07_dpo" else {}) | PANELS
        panels = {name: title for name, title in ({"reward": known["reward"]} | parts | known).items()
                  if name in log and log[name].notna().any()}  # fmt: skip
        names = list(panels)
        for begin in range(0, len(names), 3):
            some_names = names[begin : begin + 3]
            titles = {name: panels[name][0] for name in some_names}
            figure = charts.draw_curves(log, titles, [name for name in some_names if panels[name][1]])
            caption = f"{method}: {', '.join(titles.values())} by step, one line a run.{_explain_panels(some_names)}"
            source = join_sources([{"source": one.source(gr.TRAINING)} for one in some])
            blocks.append(draw_picture(figure, caption, source, 185))
    return blocks or [Paragraph("No run left a log of its training.")]


def _explain_panels(names: Sequence[str]) -> str:
    said = {"zero_variance": " No variance: share of groups whose answers all got the same reward.",
            "accuracy": " Held-out: greedy accuracy of the checks during training (95 %).",
            "kl": " KL: divergence from the model at the start."}  # fmt: skip
    return "".join(said[name] for name in names if name in said)


def _tell_equal_cost(numbers: dict[str, Any]) -> Block:
    level = numbers["equal_cost"]
    if level["tokens"] is None:
        return Paragraph("The runs do not say how many tokens they sampled for training (`sampled_tokens` in their "
                         "manifests), so that they cannot be compared at equal cost.")  # fmt: skip
    starts = [(f"{m['method']}'s start", "0", "0", write_percent(m["start"]["accuracy"]), "graded")
              for m in numbers["methods"]]  # fmt: skip
    rows = [(row["label"], write_short(row["tokens"]), write_count(row["step"]), write_percent(row["accuracy"]),
             row["measured"]) for row in level["rows"]]  # fmt: skip
    note = ("A tenth more counts as equal. A held-out check stands in where a run had not ended at that cost: the last "
            "one before. Supervised fine-tuning samples nothing: it is the start.")  # fmt: skip
    caption = ("Solved once as many tokens were sampled for training as the thriftiest run of the same start has "
               f"sampled in all, {' or '.join(dict.fromkeys(write_short(row['limit']) for row in level['rows']))}.")
    header = ("run", "tokens sampled", "step", "solved", "how measured")
    align = ("left", "right", "right", "right", "left")
    return Table(caption, join_sources(level["rows"]), header, (*starts, *rows), align, (1, 0, 0, 0, 0), note)


def _tell_lengths(numbers: dict[str, Any]) -> Table:
    header = ("method", "stage", "tokens", "lines", "characters", "rollbacks", "lines right", "damaged", "unsound",
              "unfinished")  # fmt: skip
    rows = tuple(
        (entry["method"], stage, write_count(e["tokens"]), f"{e['lines']:.1f}", write_count(e["characters"]),
         f"{e['rollbacks']:.1f}", write_percent(e["share_right"]), write_percent(e["damaged"]),
         write_percent(e["unsound"]), write_percent(e["unfinished"]))
        for entry in numbers["lengths"] for stage, e in ((START, entry[START]), (END, entry[END]))
    )  # fmt: skip
    budget = numbers["lengths"][0][END]["budget"]
    note = ("Damaged: share of answers with a line that is not right; unsound: share that abandons a position from "
            "which 24 is within reach.")
    caption = f"Means of an answer before and after, within {budget:,} tokens."
    align = ("left", "left", *["right"] * 8)
    return Table(caption, join_sources(numbers["lengths"]), header, rows, align, (1, *[0] * 9), note)


def _tell_negatives(numbers: dict[str, Any]) -> list[str]:
    told = []
    for method in numbers["methods"]:
        change = method["change"]
        if change["low"] <= 0:
            said = "lost" if change["high"] < 0 else "did not gain beyond chance"
            told.append(f"{method['method']} {said}: {_points(change['difference'])} points, 95 % "
                        f"{_points(change['low'])} to {_points(change['high'])}.")  # fmt: skip
    for training in numbers["trainings"]:
        peak = training["peak"]
        if peak and peak["accuracy"] > training["end"]["high"]:
            told.append(f"{training['label']} fell from {write_percent(peak['accuracy'])} at step {peak['step']:,} to "
                        f"{write_percent(training['end']['accuracy'])} at its end.")  # fmt: skip
        if training["change"]["lost"]:
            told.append(f"{training['label']}: {training['change']['lost']} puzzles that its start solved are lost.")
    return told or ["Nothing that these records show."]


def _tell_limits(numbers: dict[str, Any]) -> list[str]:
    limits = [
        "The interval of a single run covers the choice of puzzles, not the luck of its training; that of several runs "
        "covers their mean on these puzzles.",
        "Tokens sampled count what was sampled for training, held-out checks not.",
    ]
    few = [m["method"] for m in numbers["methods"] if m["runs"] < SEEDS]
    limits += [f"Fewer than {SEEDS} seeds of {' and '.join(few)}."] if few else []
    return limits + limit_runs(numbers["runs"])
