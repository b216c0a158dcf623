"""The account of some runs: their evidence told as a report, and every number it quotes as JSON beside the PDF.

It knows what rows, training logs and trees say, and nothing of the task behind them. No model is needed or loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.report import evidence as ev
from game24lab.report.document import MISSING, Block, Bullets, Columns, Heading, KeyValues, Picture, Report, Table
from game24lab.report.published import find_published
from game24lab.report.sections.critics import tell_calibration
from game24lab.report.text import (
    SMALL,
    WIDE,
    compose_report,
    draw_picture,
    join_sources,
    keep_together,
    limit_runs,
    tell_origin,
    write_commit,
    write_count,
    write_percent,
    write_range,
    write_report,
    write_settings,
    write_short,
    write_value,
)
from game24lab.views.charts import theme as figures
from game24lab.views.tree.still import draw_svg

TREE_ROWS = 20
LISTED = 12  # unsolved problems written out per arm; all of them stand in the JSON
FEW = 50  # problems, below which the limits say so


def report_runs(folders: Sequence[str | Path], output: str | Path, *, title: str = "What the runs found") -> Path:
    """Write the PDF `output` and beside it `<name>.json` with the numbers it quotes; returns the PDF's path.

    Only what the folders hold is told: runs may have trained, calibrated or evaluated. ValueError for broken files or
    runs that measured nothing that can be told, FileNotFoundError where there is no run.
    """
    evidence = ev.read_evidence(folders)
    numbers = gather_numbers(evidence, title)
    return write_report(tell(evidence, numbers), numbers, output)


def gather_numbers(evidence: Sequence[ev.Evidence], title: str = "") -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `results`, `pass_at_k`, `training`, `calibration`, `published`."""
    splits = {split for one in evidence if one.rows is not None for split in one.rows["split"].unique()}
    numbers = {
        "title": title,
        "runs": ev.describe_runs(evidence),
        "results": ev.merge_equal(ev.summarise_arms(evidence)),
        "pass_at_k": ev.summarise_pass(evidence),
        "training": ev.summarise_training(evidence),
        "calibration": ev.summarise_calibration(evidence),
        "published": [vars(point) for point in find_published(splits)],
    }
    if not any(numbers[key] for key in ("results", "training", "calibration")) and not any(e.tree for e in evidence):
        names = ", ".join(str(one.run.folder) for one in evidence)
        raise ValueError(f"nothing to report in {names}: {ev.RECORDS} with rows of an evaluation, {ev.TRAINING}, "
                         f"{ev.CALIBRATION} or {ev.TREE} is needed")  # fmt: skip
    return numbers


def tell(evidence: Sequence[ev.Evidence], numbers: dict[str, Any]) -> Report:
    """The report: results first, then how they came about, then what they do not say and where they are from."""
    runs = numbers["runs"]
    blocks: list[Block] = [KeyValues(_tell_setting(evidence, numbers))]
    if numbers["results"]:
        blocks += _tell_results(numbers["results"], numbers["pass_at_k"])
    if numbers["published"]:
        blocks.append(_tell_published(numbers["published"]))
    blocks += _tell_pictures(evidence, numbers)
    if numbers["results"]:
        blocks.append(_tell_failures(numbers["results"]))
    blocks += [Heading("Limits"), Bullets(tuple(_tell_limits(numbers)))]
    blocks += _tell_origin(numbers)
    return compose_report(numbers["title"], runs, blocks)


# ------------------------------------------------------------------------------------------- sections
def _tell_setting(evidence: Sequence[ev.Evidence], numbers: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    judged: dict[str, list[str]] = {}
    models: dict[str, dict[str, None]] = {}
    holding = [one for one in evidence if one.rows is not None]
    for one in holding:
        rows, ranks = one.rows, one.rows["rank"].dropna()
        where = ", ".join(f"split {split}" for split in rows["split"].unique() if split)
        ranked = f"ranks {ranks.min()} to {ranks.max()}" if len(ranks) else ""
        what = ", ".join([f"{rows['problem'].nunique()} problems", *filter(None, (where, ranked))])
        seeds = sorted(rows["seed"].unique())
        tries = f"{len(rows):,} attempts, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
        judged.setdefault(what, []).append(f"{one.run.name}: {tries}" if len(holding) > 1 else tries)
        mine = models.setdefault(", ".join(sorted(set(rows["backend"]))), {})
        for who in ("policy", "critic"):
            sizes = sorted(set(rows[f"{who}_parameters"]) - {0})
            mine |= {f"{who} of {' or '.join(write_short(size) for size in sizes)} parameters": None} if sizes else {}
    pairs = []
    if holding:
        pairs.append(("Judged on", "; ".join(f"{what} ({'; '.join(tries)})" for what, tries in judged.items())))
        pairs.append(("Models", "; ".join(f"{', '.join(mine)} (embeddings not counted), run by {backends}"
                                          for backends, mine in models.items())))  # fmt: skip
    runs = numbers["runs"]
    pairs.append(("Commit", "; ".join(dict.fromkeys(write_commit(run, 12) for run in runs))))
    pairs.append(("Machine", "; ".join(dict.fromkeys(run["device"] or "unknown" for run in runs))))
    return tuple(pairs)


def _tell_results(arms: list[dict[str, Any]], passes: list[dict[str, Any]]) -> list[Block]:
    header = ("arm", "mode", "chosen by", "problems", "seeds", "accuracy", "95 %", "tokens", "median", "critic",
              "FLOPs")  # fmt: skip
    rows = tuple(
        (arm["label"], arm["mode"], arm["chosen_by"], arm["problems"], arm["seeds"], write_percent(arm["accuracy"]),
         write_range(arm), write_count(arm["sampled_tokens"]),
         write_count(arm["sampled_tokens_median"]), write_count(arm["critic_tokens"]), write_short(arm["flops"]))
        for arm in arms
    )  # fmt: skip
    intervals = ", ".join(dict.fromkeys(arm["interval"] for arm in arms))
    note = (
        f"95 %: interval ({intervals}). Tokens: sampled from the policy per attempt, mean and median; critic: "
        "tokens it read, mean; FLOPs: of both, mean."
    )
    source = join_sources(arms)
    align = ("left", "left", "left", *["right"] * 8)
    table = Table("Accuracy and cost by arm.", source, header, rows, align, note=note)
    drawn = pd.DataFrame(arms)
    drawn["arm"] = _find_curves(arms)
    curves = drawn.groupby(["run", "algorithm", "mode"])["arm"].transform("nunique")
    drawn["family"] = drawn["algorithm"].where(curves == 1, drawn["arm"])
    figure = figures.draw_accuracy(drawn)
    caption = ("Accuracy against sampled tokens per problem. Filled circles: the exact verifier chose the answer; open "
               "diamonds: the models chose it.")  # fmt: skip
    small = [_tell_pass(passes)] if passes else []
    small.append(_tell_cost(arms, SMALL if small else WIDE))
    below = Columns(tuple(small)) if len(small) > 1 else small[0]
    return [Heading("Results"), table, draw_picture(figure, caption, source, 220), below]


def _tell_pass(passes: list[dict[str, Any]]) -> Picture:
    table = pd.DataFrame(passes)
    caption = (f"Unbiased pass@k on {table['problems'].max()} problems, {table['samples'].max()} samples each; band: "
               "95 % by bootstrap over problems.")  # fmt: skip
    return draw_picture(figures.draw_pass_at_k(table), caption, join_sources(passes), 190, SMALL)


def _tell_cost(arms: list[dict[str, Any]], width: int) -> Picture:
    parts = {"prompts": "flops_prompt", "sampling": "flops_sampled", "critic": "flops_critic"}
    table = pd.DataFrame([{"arm": arm["label"]} | {name: arm[key] for name, key in parts.items()} for arm in arms])
    table["arm"] = table["arm"].where(~table["arm"].duplicated(), [f"{a['label']} ({a['mode']})" for a in arms])
    height = max(190, 80 + 15 * len(arms))
    caption = "Where the compute of an attempt goes, by arm."
    return draw_picture(figures.draw_cost(table, "FLOPs"), caption, join_sources(arms), height, width)


def _tell_published(points: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (p["source"], p["model"], p["setting"], write_percent(p["accuracy"]), write_count(p["tokens"]), p["checked"])
        for p in points
    )
    return Table(
        "Published on the same problems; not measured here.", "the papers named",
        ("source", "model", "setting", "accuracy", "tokens", "how we know"), rows,
        ("left", "left", "left", "right", "right", "left"), (0, 0, 1, 0, 0, 0),
        "Other models, other training data, other ways to accept an answer. Tokenizers differ, so token counts do not "
        "compare exactly.",
    )  # fmt: skip


def _tell_pictures(evidence: Sequence[ev.Evidence], numbers: dict[str, Any]) -> list[Block]:
    """Learning curves, calibration, trees."""
    blocks: list[Block] = []
    if numbers["training"]:
        trained = [one for one in evidence if one.training is not None]
        for name in dict.fromkeys(one.run.name for one in trained):  # losses of different kinds do not compare
            mine = {one.run.id: one for one in trained if one.run.name == name}
            ends = [end for end in numbers["training"] if end["run"] in mine]
            blocks.append(_tell_training(list(mine.values()), ends))
    blocks += [tell_calibration(entry) for entry in numbers["calibration"]]
    for one in (one for one in evidence if one.tree is not None):
        blocks.append(_tell_tree(one))
    return [Heading("How it came about"), *blocks] if blocks else []


def _tell_training(evidence: Sequence[ev.Evidence], ends: list[dict[str, Any]]) -> Picture:
    """The training logs of one kind of run in one figure."""
    logs = {one.run.id: one.training.assign(run=f"{one.run.name}") for one in evidence if one.training is not None}
    if len({log["run"].iloc[0] for log in logs.values()}) < len(logs):
        logs = {run: log.assign(run=log["run"] + f" [{run[:4]}]") for run, log in logs.items()}
    told = []
    for end in ends:
        name = logs[end["run"]]["run"].iloc[0]
        told.append(f"{name}: loss from {end['first_loss']:.2f} to {end['last_loss']:.3f} in {end['steps']:,} steps")
        if held_out := end.get("held_out"):
            bound = f" (95 %: {write_range(held_out)})" if "low" in held_out else ""
            told[-1] += f", held-out greedy accuracy at the end {write_percent(held_out['accuracy'])}{bound}"
    together = pd.concat(logs.values(), ignore_index=True)
    figure = figures.draw_learning(together if len(logs) > 1 else together.drop(columns="run"))
    return draw_picture(figure, f"Training. {'; '.join(told)}.", join_sources(ends), 190)


def _tell_tree(one: ev.Evidence) -> Picture:
    tree, meta = one.tree, one.tree.meta
    problem = meta.get("problem")
    problem = " ".join(map(str, problem)) if isinstance(problem, list) else str(problem or "")
    end = f"solved by {meta['answer']}" if meta.get("solved") and meta.get("answer") else \
          "solved" if meta.get("solved") else "not solved"  # fmt: skip
    mode = f", {meta['mode']}" if meta.get("mode") else ""
    caption = (f"One search tree: {meta.get('strategy', 'search')} on {problem}{mode}, {end}; {len(tree)} nodes, "
               f"{tree.sampled:,} sampled tokens.")  # fmt: skip
    return Picture(caption, one.source(ev.TREE), draw_svg(tree, rows=TREE_ROWS, font=figures.FONT), caption, 0.86)


def _tell_failures(arms: list[dict[str, Any]]) -> Table:
    misses = [miss for miss in ev.MISSES if any(arm[miss] for arm in arms)]
    rows = []
    for arm in arms:
        unsolved = arm["never_solved"]
        listed = "; ".join(keep_together(problem) for problem in unsolved[:LISTED]) or MISSING
        listed += f"; and {len(unsolved) - LISTED} more" if len(unsolved) > LISTED else ""
        shares = (write_percent(arm[miss]) for miss in misses)
        rows.append((f"{arm['label']} ({arm['mode']})", *shares, len(unsolved), listed))
    return Table(
        "Failures: how attempts ended, and the problems that no attempt of the arm solved.", join_sources(arms),
        ("arm", *misses, "unsolved", "problems"), tuple(rows), ("left", *["right"] * len(misses), "right", "left"),
        (0, *[0] * len(misses), 0, 1),
        "All unsolved problems stand in the JSON beside this file.",
    )  # fmt: skip


def _tell_limits(numbers: dict[str, Any]) -> list[str]:
    arms, limits = numbers["results"], []
    if arms:
        limits += [
            "Intervals cover the choice of problems (and of search seeds, where there are several), not the luck of "
            "training: each run holds one trained model.",
            "Verified arms may try until the exact verifier accepts: they measure whether a search finds a solution. "
            "Arms that are not verified commit to one answer by the models' own word; blind ones know no rules either.",
            "Tokens are counted by the policy's own tokenizer; duplicates, illegal and discarded lines are included, "
            "prompts and critic are not. FLOPs are two per parameter and token forwarded, prompts and critic included, "
            "attention not.",
        ]
        few = min(arm["problems"] for arm in arms)
        limits += [f"Only {few} problems: too few to rank arms."] if few < FEW else []
        limits += ["One search seed per arm."] if all(arm["seeds"] == 1 for arm in arms) else []
    if numbers["calibration"]:
        limits.append("Calibration holds for the positions sampled for it, not for those that a search visits.")
    return limits + limit_runs(numbers["runs"])


def _tell_origin(numbers: dict[str, Any]) -> list[Block]:
    arms = [(f"{arm['label']} ({arm['mode']})", f"{arm['algorithm']}: {write_settings(arm['parameters'])}")
            for arm in numbers["results"]]  # fmt: skip
    return tell_origin(numbers["runs"], arms)


# ------------------------------------------------------------------------------------------- words
def _find_curves(arms: list[dict[str, Any]]) -> list[str]:
    """The curve that each arm is a point of: arms of one algorithm that differ in one parameter make a curve."""
    names = []
    for arm in arms:
        kin = [a["parameters"] for a in arms if (a["run"], a["algorithm"], a["mode"])
               == (arm["run"], arm["algorithm"], arm["mode"])]  # fmt: skip
        varied = [key for key in arm["parameters"] if any(p.get(key) != arm["parameters"][key] for p in kin)]
        if len(kin) > 1 and len(varied) == 1:
            values = ", ".join(write_value(p.get(varied[0])) for p in kin)
            names.append(f"{arm['algorithm']}, {varied[0]} {values}")
        else:
            names.append(arm["label"])
    return names
