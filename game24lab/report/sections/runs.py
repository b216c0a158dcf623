"""The report on any runs: what they trained, calibrated and searched, and nothing of the task behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from game24lab.report import layout
from game24lab.report import summaries as sm
from game24lab.report.chain_summaries import END, summarise_graded
from game24lab.report.document import Block, Columns, Picture, Report, Table
from game24lab.report.evidence import CALIBRATION, RECORDS, TRAINING, TREE, Evidence, describe_runs, refuse
from game24lab.report.findings import find_best, find_passes
from game24lab.report.layout import SMALL, WIDE, add_section, draw_picture
from game24lab.report.measures import find_shares
from game24lab.report.published import find_published
from game24lab.report.sections.chains import describe_budgets
from game24lab.report.sections.critics import draw_calibration
from game24lab.report.tables import Row, count, join_sources, made, make_table, percent, text
from game24lab.views.charts import theme as figures
from game24lab.views.tables import formats as fmt
from game24lab.views.tables.formats import MISSING
from game24lab.views.tables.specifications import list_arm_columns
from game24lab.views.tree.still import draw_svg

TITLE = "What the runs found"
QUESTION = ("How many problems does each arm solve, at which cost in tokens and compute, and what were its models "
            "trained to do? An arm is a search strategy with its parameters; a verified arm may try until the exact "
            "verifier accepts an answer, in the other modes the models choose it.")  # fmt: skip
TREE_ROWS = 20
LISTED = 12  # unsolved problems written out per arm; all of them stand in the JSON
SHOWN = 4  # pictures of how it came about that stand before the appendix
_SHORT = 24  # letters of an arm's name, and curves, that half a page has room for
FEW = 50  # problems, below which the limits say so
_ALONE = {"rules": "No verifier chose its answers; its moves were checked by the rules.",
          "blind": "No verifier chose its answers and no rule checked its moves: the models reach that alone."}
_FILLED = {"verified": "filled: the exact verifier chose the answer",
           "rules": "open: the models chose it, by the rules", "blind": "half filled: the models alone"}


def gather_numbers(evidence: Sequence[Evidence], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `results`, `pass_at_k`, `training`, `calibration`, `chains`,
    `published`."""
    splits = {split for one in evidence if one.rows is not None for split in one.rows["split"].unique()}
    numbers = {
        "title": title,
        "runs": describe_runs(evidence),
        "results": sm.merge_equal(sm.summarise_arms(evidence)),
        "pass_at_k": sm.summarise_pass(evidence),
        "training": sm.summarise_training(evidence),
        "calibration": sm.summarise_calibration(evidence),
        "chains": [entry for one in evidence if _has_chains(one) for entry in summarise_graded(one, END)],
        "published": [vars(point) for point in find_published(splits)],
    }
    told = any(numbers[key] for key in ("results", "training", "calibration", "chains"))
    if not told and not any(one.tree for one in evidence):
        raise refuse(evidence, f"{RECORDS} with rows of an evaluation, {TRAINING}, {CALIBRATION} or {TREE} is needed")
    return numbers


def _has_chains(one: Evidence) -> bool:
    return one.grades is not None and "numbers" in one.grades and END in set(one.grades["stage"])


def make_report(evidence: Sequence[Evidence], numbers: Row) -> Report:
    """The report: the arms' accuracy and cost, how models were trained, how attempts failed, limits and origin."""
    runs, arms, pictures = numbers["runs"], numbers["results"], _draw_origins(evidence, numbers)
    appendix: list[Block] = [layout.describe_setting(runs, *_describe_setting(evidence))]
    figure = _draw_accuracy(arms, _tell_best(numbers)) if arms else pictures.pop(0)
    figures: list[Block] = [*(_draw_results(arms, numbers["pass_at_k"]) if arms else []), *pictures[:SHOWN]]
    if arms:
        appendix += add_section("Results", _describe_results(arms))
    if chained := numbers.get("chains"):
        appendix.append(describe_budgets(chained, "How answers of one long chain end, by token budget."))
    if numbers["published"]:
        appendix.append(_describe_published(numbers["published"]))
    appendix += add_section("How it came about", *pictures[SHOWN:])
    appendix += [_describe_failures(arms)] if arms else []
    settings = [(_name(arm), f"{arm['algorithm']}: {fmt.settings(arm['parameters'])}") for arm in arms]
    appendix += [*layout.add_limits(runs, list_limits(numbers)), *layout.add_origin(runs, settings)]
    cost = layout.tell_spent(arms) if arms else "Nothing was evaluated."
    return layout.compose_report(numbers["title"], runs, QUESTION, answer(numbers), figure, cost, figures, appendix)


def answer(numbers: Row) -> list[str]:
    """The best arm, what the cheapest does, and what the models reach alone; without arms, how training went.

    Where the runs asked problems of several tasks or splits, this is of the arms of one, that of most arms: no other
    compare.
    """
    if numbers["results"]:
        arms, where = _select_comparable(numbers)
        best = max(arms, key=lambda arm: (arm["accuracy"], -arm["sampled_tokens"]))
        cheap = min(arms, key=lambda arm: arm["sampled_tokens"])
        said = [f"Of {len(arms)} arms{where}, {_name(best)} solves most: {fmt.estimate(best)} of {best['problems']} "
                f"problems, at {fmt.count(best['sampled_tokens'])} sampled tokens an attempt."]  # fmt: skip
        if cheap is not best:
            ratio = best["sampled_tokens"] / max(1, cheap["sampled_tokens"])
            said.append(f"The cheapest, {_name(cheap)}, solves {fmt.estimate(cheap)} at "
                        f"{fmt.count(cheap['sampled_tokens'])} tokens; the best samples {ratio:.1f} times as many for "
                        f"{fmt.points(best['accuracy'] - cheap['accuracy'])} points.")  # fmt: skip
        alone = [arm for arm in arms if not arm["verifier_chose"]]
        first = max(alone, key=lambda arm: (arm["accuracy"], -arm["sampled_tokens"]), default=None)
        if first is None:
            said.append("In every arm the exact verifier chose the answer: none shows what the models reach alone.")
        elif first is best:
            said.append(_ALONE[best["mode"]])
        else:
            said.append(f"Where the models choose the answer themselves, {_name(first)} is best, with "
                        f"{fmt.estimate(first)} at {fmt.count(first['sampled_tokens'])} tokens.")  # fmt: skip
        return said
    said = [f"{end['source'].partition(',')[0]}: {_describe_end(end)}." for end in numbers["training"][:2]]
    said += [f"The critic tells alive positions from dead ones with an AUC of {fmt.fixed(entry['auc'], 3)} on "
             f"{entry['positions']:,} positions." for entry in numbers["calibration"][:1]]  # fmt: skip
    return [*said, "No arm was evaluated on problems in these runs."]


def _select_comparable(numbers: Row) -> tuple[list[Row], str]:
    """The arms of the task and split that most arms were asked, and which these are where there are several."""
    sets = {run["id"]: _find_problems(run["parameters"] or {}) for run in numbers["runs"]}
    asked = Counter(sets[arm["run"]] for arm in numbers["results"])
    chosen = asked.most_common(1)[0][0]
    arms = [arm for arm in numbers["results"] if sets[arm["run"]] == chosen]
    return arms, f" on {_name_problems(*chosen, len({task for task, _ in asked}) > 1)}" if len(asked) > 1 else ""


def _tell_best(numbers: Row) -> str:
    arms, where = _select_comparable(numbers)
    return find_best(arms, where=where)


def _find_problems(parameters: Row) -> tuple[str, str]:
    """The task and the split of which a run asked problems."""
    return str(parameters.get("task") or "game24"), str(parameters.get("split") or "")


def _name_problems(task: str, split: str, several: bool) -> str:
    """Both in words, the task where there are several."""
    named = [task] * several + [f"split {split}"] * bool(split)
    return ", ".join(named) or "problems of no named split"


# ------------------------------------------------------------------------------------------- sections
def _describe_setting(evidence: Sequence[Evidence]) -> list[tuple[str, str]]:
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
            mine |= {f"{who} of {' or '.join(map(fmt.short, sizes))} parameters": None} if sizes else {}
    if not holding:
        return []
    return [("Judged on", "; ".join(f"{what} ({'; '.join(tries)})" for what, tries in judged.items())),
            ("Models", "; ".join(f"{', '.join(mine)} (embeddings not counted), run by {backends}"
                                 for backends, mine in models.items()))]  # fmt: skip


def _draw_accuracy(arms: Sequence[Row], finding: str) -> Picture:
    drawn = pd.DataFrame(arms).assign(arm=find_curves(arms))
    curves = drawn.groupby(["run", "algorithm", "mode"])["arm"].transform("nunique")
    drawn["family"] = drawn["algorithm"].where(curves == 1, drawn["arm"])
    if (drawn.groupby(["algorithm", "mode"])["run"].transform("nunique") > 1).any():  # of other models, or puzzles
        drawn["family"] += " " + drawn["run"]
    marks = "; ".join(told for mode, told in _FILLED.items() if mode in set(drawn["mode"]))
    caption = f"{finding} Accuracy against sampled tokens per problem. {marks[0].upper()}{marks[1:]}."
    return draw_picture(figures.draw_accuracy(drawn), caption, join_sources(arms), 300)


def _describe_results(arms: Sequence[Row]) -> Table:
    columns = {**list_arm_columns("label"), "chosen by": text("chosen_by"), "median": count("sampled_tokens_median"),
               "critic": count("critic_tokens")}  # fmt: skip
    note = (f"95 %: interval ({', '.join(dict.fromkeys(arm['interval'] for arm in arms))}). Tokens: sampled from the "
            "policy per attempt, mean and median; critic: tokens it read, mean; FLOPs: of both, mean.")  # fmt: skip
    return make_table("Accuracy and cost by arm.", arms, columns, note)


def _draw_results(arms: Sequence[Row], passes: Sequence[Row]) -> list[Block]:
    if not passes:
        return [_draw_cost(arms, WIDE)]
    drawn = pd.DataFrame(passes)
    several = drawn.groupby("arm")["run"].transform("nunique") > 1
    drawn["arm"] = drawn["arm"].where(~several, drawn["arm"] + " [" + drawn["run"].str[:4] + "]")
    caption = (f"{find_passes(drawn.to_dict('records'))} Unbiased, of {drawn['samples'].max()} samples each; band: "
               "95 %, bootstrap over problems.")  # fmt: skip
    longest = max(len(str(arm["label"])) for arm in arms)
    width = SMALL if longest < _SHORT and drawn["arm"].nunique() < _SHORT else WIDE  # names beside the plot need room
    pictures = (draw_picture(figures.draw_pass_at_k(drawn), caption, join_sources(passes), 190, width),
                _draw_cost(arms, width))  # fmt: skip
    return [Columns(pictures)] if width == SMALL else list(pictures)


def _draw_cost(arms: Sequence[Row], width: int) -> Picture:
    parts = {"prompts": "flops_prompt", "sampling": "flops_sampled", "critic": "flops_critic"}
    table = pd.DataFrame([{"arm": arm["label"]} | {name: arm[key] for name, key in parts.items()} for arm in arms])
    table["arm"] = table["arm"].where(~table["arm"].duplicated(), [_name(arm) for arm in arms])
    figure, height = figures.draw_cost(table, "FLOPs"), max(190, 80 + 15 * len(arms))
    caption = f"{find_shares(arms, parts, 'FLOPs')} Where the compute of a mean attempt goes."
    return draw_picture(figure, caption, join_sources(arms), height, width)


def _describe_published(points: Sequence[Row]) -> Table:
    columns = {"source": text("source"), "model": text("model"), "setting": text("setting", 1),
               "accuracy": percent("accuracy"), "tokens": count("tokens"), "how we know": text("checked")}  # fmt: skip
    note = ("Other models, other training data, other ways to accept an answer. Tokenizers differ, so token counts do "
            "not compare exactly.")  # fmt: skip
    return make_table("Published on the same problems; not measured here.", points, columns, note, "the papers named")


def _draw_origins(evidence: Sequence[Evidence], numbers: Row) -> list[Picture]:
    """Learning curves, calibration, trees."""
    pictures = []
    trained = [one for one in evidence if one.training is not None]
    for name in dict.fromkeys(one.run.name for one in trained):  # losses of different kinds do not compare
        mine = [one for one in trained if one.run.name == name]
        pictures.append(_draw_training(mine, {end["run"]: end for end in numbers["training"]}))
    pictures += [draw_calibration(entry) for entry in numbers["calibration"]]
    return pictures + [_draw_tree(one) for one in evidence if one.tree is not None]


def _draw_training(evidence: Sequence[Evidence], ends: dict[str, Row]) -> Picture:
    """The training logs of one kind of run in one figure."""
    names = [one.run.name + f" [{one.run.id[:4]}]" * (len(evidence) > 1) for one in evidence]
    told = "; ".join(f"{name}: {_describe_end(ends[one.run.id])}" for name, one in zip(names, evidence, strict=True))
    logs = [one.training.assign(run=name) for name, one in zip(names, evidence, strict=True)]
    figure = figures.draw_learning(pd.concat(logs, ignore_index=True) if len(logs) > 1 else evidence[0].training)
    return draw_picture(figure, f"{told}. Logs of the training.", join_sources([ends[one.run.id] for one in evidence]),
                        190)  # fmt: skip


def _describe_end(end: Row) -> str:
    verb = "falls" if end["last_loss"] < end["first_loss"] else "does not fall:"
    said = f"the loss {verb} from {end['first_loss']:.2f} to {end['last_loss']:.3f} in {end['steps']:,} steps"
    if held_out := end.get("held_out"):
        bound = f" (95 %: {fmt.interval(held_out)})" if "low" in held_out else ""
        said += f", held-out greedy accuracy at the end {fmt.percent(held_out['accuracy'])}{bound}"
    return said


def _draw_tree(one: Evidence) -> Picture:
    tree, meta = one.tree, one.tree.meta
    problem = meta.get("problem")
    problem = " ".join(map(str, problem)) if isinstance(problem, list) else str(problem or "")
    who = meta.get("strategy", "the search") + (f" ({meta['mode']})" if meta.get("mode") else "")
    by = f" by {meta['answer']}" if meta.get("answer") else ""
    end = f"Solved after {tree.sampled:,} sampled tokens: {who} finds {problem}{by}" if meta.get("solved") else \
          f"No right answer after {tree.sampled:,} sampled tokens: {who} leaves {problem} unsolved"  # fmt: skip
    caption = f"{end}. One search tree, {len(tree)} nodes."
    return Picture(caption, one.source(TREE), draw_svg(tree, rows=TREE_ROWS, font=figures.FONT), caption, 0.86)


def _describe_failures(arms: Sequence[Row]) -> Table:
    misses = [miss for miss in sm.MISSES if any(arm[miss] for arm in arms)]
    columns = {"arm": made(_name, align="left")} | {miss: percent(miss) for miss in misses}
    columns |= {"unsolved": made(lambda arm: len(arm["never_solved"])), "problems": made(
        lambda arm: fmt.some([fmt.keep_together(problem) for problem in arm["never_solved"]], LISTED, "; ",
                             "; and {} more") or MISSING, 1, "left")}  # fmt: skip
    return make_table("Failures: how attempts ended, and the problems that no attempt of the arm solved.", arms,
                      columns, "All unsolved problems stand in the JSON beside this file.")  # fmt: skip


def list_limits(numbers: Row) -> list[str]:
    """What the numbers do not say."""
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
    return limits


def find_curves(arms: Sequence[Row]) -> list[str]:
    """The curve that each arm is a point of: arms of one algorithm that differ in one parameter make a curve."""
    names = []
    for arm in arms:
        kin = [a["parameters"] for a in arms if (a["run"], a["algorithm"], a["mode"])
               == (arm["run"], arm["algorithm"], arm["mode"])]  # fmt: skip
        varied = [key for key in arm["parameters"] if any(p.get(key) != arm["parameters"][key] for p in kin)]
        if len(kin) > 1 and len(varied) == 1:
            values = ", ".join(fmt.value(p.get(varied[0])) for p in kin)
            names.append(f"{arm['algorithm']}, {varied[0]} {values}")
        else:
            names.append(arm["label"])
    return names


def _name(arm: Row) -> str:
    return f"{arm['label']} ({arm['mode']})"
