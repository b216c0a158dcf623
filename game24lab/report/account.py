"""The account of some runs: their evidence told as a report, and every number it quotes as JSON beside the PDF.

It knows what rows, training logs and trees say, and nothing of the task behind them. No model is needed or loaded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab import figures, vector
from game24lab.report import evidence as ev
from game24lab.report.published import find_published
from game24lab.report.report import (
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
    build_report,
)
from game24lab.runs import write_atomically
from game24lab.treeview.still import draw_svg

TREE_ROWS = 20
LISTED = 12  # unsolved problems written out per arm; all of them stand in the JSON
FEW = 50  # problems, below which the limits say so
WIDE, SMALL = 640, 310  # pixels of a figure over the page, and over half of it


def report_runs(folders: Sequence[str | Path], output: str | Path, *, title: str = "What the runs found") -> Path:
    """Write the PDF `output` and beside it `<name>.json` with the numbers it quotes; returns the PDF's path.

    Only what the folders hold is told: runs may have trained, calibrated or evaluated. ValueError for broken files or
    runs that measured nothing that can be told, FileNotFoundError where there is no run.
    """
    output = Path(output)
    evidence = ev.read_evidence(folders)
    numbers = gather_numbers(evidence, title)
    build_report(tell(evidence, numbers), output)
    text = json.dumps(numbers, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(output.with_suffix(".json"), lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return output


def gather_numbers(evidence: Sequence[ev.Evidence], title: str = "") -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `results`, `pass_at_k`, `training`, `calibration`, `published`."""
    splits = {split for one in evidence if one.rows is not None for split in one.rows["split"].unique()}
    numbers = {
        "title": title,
        "runs": ev.describe_runs(evidence),
        "results": ev.summarise_arms(evidence),
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
    ends = sorted(filter(None, (run["end"] or run["start"] for run in runs)))
    date = datetime.fromisoformat(ends[-1]) if ends else None
    names = ", ".join(run["name"] for run in runs)
    subtitle = " · ".join(filter(None, (names, date and f"{date:%Y-%m-%d}")))
    footer = " · ".join(f"{run['name']} {run['id']}" for run in runs[:4])
    more = f" and {len(runs) - 4} more" if len(runs) > 4 else ""
    return Report(numbers["title"], subtitle, tuple(blocks), f"runs {footer}{more}", date)


# ------------------------------------------------------------------------------------------- sections
def _tell_setting(evidence: Sequence[ev.Evidence], numbers: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for one in (one for one in evidence if one.rows is not None):
        rows, ranks = one.rows, one.rows["rank"].dropna()
        where = ", ".join(f"split {split}" for split in rows["split"].unique() if split)
        ranked = f"ranks {ranks.min()} to {ranks.max()}" if len(ranks) else ""
        what = [f"{rows['problem'].nunique()} problems", *filter(None, (where, ranked))]
        seeds = sorted(rows["seed"].unique())
        tries = f"{len(rows):,} attempts, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
        pairs.append(("Judged on", f"{', '.join(what)} ({tries})"))
        models = []
        for who in ("policy", "critic"):
            sizes = sorted(set(rows[f"{who}_parameters"]) - {0})
            models += [f"{who} of {' or '.join(_short(size) for size in sizes)} parameters"] if sizes else []
        backends = ", ".join(sorted(set(rows["backend"])))
        pairs.append(("Models", f"{', '.join(models)} (embeddings not counted), run by {backends}"))
    runs = numbers["runs"]
    pairs.append(("Commit", "; ".join(dict.fromkeys(_commit(run, 12) for run in runs))))
    pairs.append(("Machine", "; ".join(dict.fromkeys(run["device"] or "unknown" for run in runs))))
    return tuple(dict.fromkeys(pairs))


def _tell_results(arms: list[dict[str, Any]], passes: list[dict[str, Any]]) -> list[Block]:
    header = ("arm", "mode", "chosen by", "problems", "seeds", "accuracy", "95 %", "tokens", "median", "critic",
              "FLOPs")  # fmt: skip
    rows = tuple(
        (arm["label"], arm["mode"], arm["chosen_by"], arm["problems"], arm["seeds"], _percent(arm["accuracy"]),
         _range(arm), _count(arm["sampled_tokens"]),
         _count(arm["sampled_tokens_median"]), _count(arm["critic_tokens"]), _short(arm["flops"]))
        for arm in arms
    )  # fmt: skip
    intervals = ", ".join(dict.fromkeys(arm["interval"] for arm in arms))
    note = (f"95 %: interval ({intervals}). Tokens: sampled from the policy per attempt, mean and median; critic: "
            "tokens it read, mean; FLOPs: of both, mean.")
    source = _sources(arms)
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
    return [Heading("Results"), table, _picture(figure, caption, source, 220), below]


def _tell_pass(passes: list[dict[str, Any]]) -> Picture:
    table = pd.DataFrame(passes)
    caption = (f"Unbiased pass@k on {table['problems'].max()} problems, {table['samples'].max()} samples each; band: "
               "95 % by bootstrap over problems.")  # fmt: skip
    return _picture(figures.draw_pass_at_k(table), caption, _sources(passes), 190, SMALL)


def _tell_cost(arms: list[dict[str, Any]], width: int) -> Picture:
    parts = {"prompts": "flops_prompt", "sampling": "flops_sampled", "critic": "flops_critic"}
    table = pd.DataFrame([{"arm": arm["label"]} | {name: arm[key] for name, key in parts.items()} for arm in arms])
    table["arm"] = table["arm"].where(~table["arm"].duplicated(), [f"{a['label']} ({a['mode']})" for a in arms])
    height = max(190, 80 + 15 * len(arms))
    caption = "Where the compute of an attempt goes, by arm."
    return _picture(figures.draw_cost(table, "FLOPs"), caption, _sources(arms), height, width)


def _tell_published(points: list[dict[str, Any]]) -> Table:
    rows = tuple((p["source"], p["model"], p["setting"], _percent(p["accuracy"]), p["tokens"] or MISSING, p["checked"])
                 for p in points)  # fmt: skip
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
    for entry in numbers["calibration"]:
        values = pd.DataFrame(entry["values"])
        figure = figures.draw_calibration(pd.DataFrame(entry["reliability"]), values)
        against = "share of rollouts solved" if entry["against"] == "solved" else "share alive by the exact solver"
        auc = MISSING if entry["auc"] is None else f"{entry['auc']:.3f}"
        caption = (f"The critic on {entry['positions']:,} positions, {entry['alive']:,} of them alive. Left: {against} "
                   f"by predicted chance (95 % Wilson; Brier score {entry['brier']:.3f}). Right: its values on alive "
                   f"and on dead positions (AUC {auc}).")  # fmt: skip
        blocks.append(_picture(figure, caption, entry["source"], 190))
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
            bound = f" (95 %: {_range(held_out)})" if "low" in held_out else ""
            told[-1] += f", held-out greedy accuracy at the end {_percent(held_out['accuracy'])}{bound}"
    together = pd.concat(logs.values(), ignore_index=True)
    figure = figures.draw_learning(together if len(logs) > 1 else together.drop(columns="run"))
    return _picture(figure, f"Training. {'; '.join(told)}.", _sources(ends), 190)


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
        listed = "; ".join(_unbroken(problem) for problem in unsolved[:LISTED]) or MISSING
        listed += f"; and {len(unsolved) - LISTED} more" if len(unsolved) > LISTED else ""
        shares = (_percent(arm[miss]) for miss in misses)
        rows.append((f"{arm['label']} ({arm['mode']})", *shares, len(unsolved), listed))
    return Table(
        "Failures: how attempts ended, and the problems that no attempt of the arm solved.", _sources(arms),
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
            "Unverified arms commit to one answer by the models' own word.",
            "Tokens are counted by the policy's own tokenizer; duplicates, illegal and discarded lines are included, "
            "prompts and critic are not. FLOPs are two per parameter and token forwarded, prompts and critic included, "
            "attention not.",
        ]
        few = min(arm["problems"] for arm in arms)
        limits += [f"Only {few} problems: too few to rank arms."] if few < FEW else []
        limits += ["One search seed per arm."] if all(arm["seeds"] == 1 for arm in arms) else []
    if numbers["calibration"]:
        limits.append("Calibration holds for the positions sampled for it, not for those that a search visits.")
    runs = numbers["runs"]
    limits += [f"Run {run['name']} {run['id']} is {run['status']}: its records are not complete."
               for run in runs if run["status"] != "finished"]  # fmt: skip
    if dirty := [f"{run['name']} {run['id']}" for run in runs if (run["git"] or {}).get("dirty")]:
        limits.append(f"Made with uncommitted changes, so that the commit does not fix the code: {', '.join(dirty)}.")
    return limits


def _tell_origin(numbers: dict[str, Any]) -> list[Block]:
    rows, settings = [], []
    for run in numbers["runs"]:
        started = (run["start"] or MISSING)[:16].replace("T", " ")
        rows.append((run["name"], run["id"], run["status"], _text(run["seed"]), started, _duration(run),
                     _commit(run, 7), run["manifest_sha256"]))  # fmt: skip
        settings.append((run["name"], _settings(run["parameters"])))
    for arm in numbers["results"]:
        settings.append((f"{arm['label']} ({arm['mode']})", f"{arm['algorithm']}: {_settings(arm['parameters'])}"))
    packages = next((run["packages"] for run in reversed(numbers["runs"]) if run["packages"]), {})
    header = ("run", "id", "status", "seed", "started (UTC)", "took", "commit", "manifest")
    return [
        Heading("Origin"),
        Table("The runs behind this report. Manifest: SHA-256 of the run's manifest.json.", "the manifests", header,
              tuple(rows), ("left",) * len(header)),
        Table("Parameters of runs and arms.", "the manifests and records.parquet", ("run or arm", "parameters"),
              tuple(settings), ("left", "left"), (0, 1)),
        *([Paragraph("Packages: " + ", ".join(f"{k} {v}" for k, v in packages.items()) + ".")] if packages else []),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------- words
def _find_curves(arms: list[dict[str, Any]]) -> list[str]:
    """The curve that each arm is a point of: arms of one algorithm that differ in one parameter make a curve."""
    names = []
    for arm in arms:
        kin = [a["parameters"] for a in arms if (a["run"], a["algorithm"], a["mode"])
               == (arm["run"], arm["algorithm"], arm["mode"])]  # fmt: skip
        varied = [key for key in arm["parameters"] if any(p.get(key) != arm["parameters"][key] for p in kin)]
        if len(kin) > 1 and len(varied) == 1:
            values = ", ".join(_text(p.get(varied[0])) for p in kin)
            names.append(f"{arm['algorithm']}, {varied[0]} {values}")
        else:
            names.append(arm["label"])
    return names


def _picture(figure: Any, caption: str, source: str, height: int, width: int = WIDE) -> Picture:
    figure.update_layout(width=width, height=height)
    return Picture(caption, source, vector.to_svg(figure), caption)


def _sources(entries: list[dict[str, Any]]) -> str:
    return "; ".join(dict.fromkeys(entry["source"] for entry in entries))


def _commit(run: dict[str, Any], digits: int) -> str:
    git = run["git"] or {}
    if not git.get("commit"):
        return "no commit known"
    return f"{git['commit'][:digits]}{' + changes' if git.get('dirty') else ''}"


def _duration(run: dict[str, Any]) -> str:
    if not run["start"] or not run["end"]:
        return MISSING
    seconds = (datetime.fromisoformat(run["end"]) - datetime.fromisoformat(run["start"])).total_seconds()
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:.1f} %"


def _range(ends: dict[str, Any]) -> str:
    """An interval in percent."""
    if ends["low"] is None or ends["high"] is None:
        return MISSING
    return f"{100 * ends['low']:.1f}\u2009–\u2009{100 * ends['high']:.1f}"


def _count(number: float | None) -> str:
    return MISSING if number is None else f"{number:,.0f}"


def _short(number: float | None) -> str:
    """1.24 G for 1,240,000,000."""
    if number is None:
        return MISSING
    for size, unit in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}"


def _settings(parameters: dict[str, Any]) -> str:
    return ", ".join(_unbroken(f"{key} = {_text(value)}") for key, value in parameters.items()) or MISSING


def _unbroken(text: str) -> str:
    """Short texts keep their words on one line."""
    return text.replace(" ", "\u00a0") if len(text) < 30 else text


def _text(value: Any) -> str:
    return MISSING if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
