"""The report on lookahead: a tree search inside the answer beside plain decoding and best-of-n, at equal cost.

It describes `08_lookahead` runs, and `06_grpo` runs where some are given, of which some learnt from searched answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pandas as pd

from game24lab.evaluation.decoding import ANSWER, looks_ahead, match, read_settings, tabulate_answers
from game24lab.report import chain_summaries as sm
from game24lab.report import layout
from game24lab.report.document import Block, Code, KeyValues, Paragraph, Picture, Report, Table
from game24lab.report.evidence import RECORDS, TREE, Evidence, describe_runs, refuse
from game24lab.report.findings import find_best
from game24lab.report.layout import add_section, draw_picture
from game24lab.report.tables import Row, count, fixed, join_sources, made, make_table, percent, points, short, text
from game24lab.tasks.environments import list_text_alone
from game24lab.views.charts import chains as charts
from game24lab.views.charts import theme as figures
from game24lab.views.tables import formats as fmt
from game24lab.views.tables.records import plain
from game24lab.views.tree.still import draw_svg
from game24lab.views.widgets.side_by_side import LEGEND, read_side

TITLE = "Looking ahead while writing"
QUESTION = ("Plain decoding writes token after token. Here it stops at decision points, tries the likeliest next "
            "tokens, rolls each out to the end of the answer and writes the one that came off best: a tree search "
            "inside the answer. Does that buy more right answers than sampling whole answers for the same tokens, and "
            "for the same time? Verified: the exact verifier ends the search at the first right answer, a rollout "
            "included, and chooses among best-of-n's samples. Rules (solutions) and blind (chains and word problems, "
            "which are taken as they were written and judged afterwards): nothing that knows the right answer "
            "chooses.")  # fmt: skip
NOTEBOOK = "08_lookahead"
SEEDS = 3  # below which the limits say so
UNITS = {"sampled_tokens": "sampled tokens", "wall_seconds": "seconds on the clock"}
_SETTINGS = ("rule", "every", "threshold", "simulations", "depth", "top_k", "unit", "chunk", "fallback", "temperature")
_LONGEST = 1_200  # characters of an answer in a report
_BLIND = ("chains24", "gsm8k")  # tasks whose texts are taken as they were written
_SOLVED = {"solved": percent("accuracy", "low", "high"), "sampled": count("sampled_tokens")}
_SEARCHED = {"decisions": fixed("decisions"), "changed": fixed("changed")}


def gather_numbers(evidence: Sequence[Evidence], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `arms`, `grid`, `matched` (by unit), `trainings`.

    ValueError where no run holds answers of 08_lookahead.
    """
    looked = _list_looked(evidence)
    if not looked:
        raise refuse(evidence, f"a run of {NOTEBOOK} is needed")

    def gather(part: str, measure: Callable[[pd.DataFrame], pd.DataFrame]) -> list[dict[str, Any]]:
        return [entry | {"run": one.run.id, "source": one.source(RECORDS)} for one, rows in looked
                for entry in plain(measure(rows[rows["part"] == part]) if (rows["part"] == part).any() else [])]

    trained = [one for one in evidence if one.run.name == "06_grpo" and one.grades is not None]
    return {
        "title": title, "runs": describe_runs(evidence), "arms": gather("main", tabulate_answers),
        "grid": gather("grid", lambda rows: read_settings(tabulate_answers(rows))),
        "matched": {unit: gather("main", partial(match, unit=unit)) for unit in UNITS},
        "trainings": _gather_trainings(sm.select_graded(trained, words=True)) if trained else [],
    }  # fmt: skip


def make_report(evidence: Sequence[Evidence], numbers: Row) -> Report:
    """The report: all arms, equal cost, rewards, the ablation, chains, a tree, training, limits."""
    looked, arms, runs = _list_looked(evidence), numbers["arms"], numbers["runs"]
    figure, *others = _by_run(numbers, arms, _draw_arms)
    figures = [*others, *_by_run(numbers, numbers["grid"], _draw_grid)]
    appendix = [
        _describe_setting(numbers),
        *add_section("All arms", *_by_run(numbers, arms, _describe_arms, _describe_speed)),
        *add_section("At equal cost", *[block for unit, entries in numbers["matched"].items()
                                        for block in _by_run(numbers, entries, partial(_describe_matched, unit))]),
        *add_section("Which rewards answers get", *_by_run(numbers, arms, _describe_rewards)),
        *add_section("Where, how many, how deep", *_by_run(numbers, numbers["grid"], _describe_grid)),
        *add_section("What it changed", *[block for one, rows in looked for block in _describe_chains(rows)],
                     *[_draw_tree(one) for one, _ in looked if one.tree is not None]),
        *add_section("Searched answers in training", *_describe_trainings(numbers["trainings"])),
        *layout.add_limits(runs, list_limits(numbers)),
        *layout.add_origin(runs),
    ]  # fmt: skip
    return layout.compose_report(numbers["title"], runs, QUESTION, answer(numbers), figure, layout.tell_spent(arms),
                                 figures, appendix)  # fmt: skip


def answer(numbers: Row) -> list[str]:
    """The best lookahead beside its baseline at equal tokens and at equal time, and what searched answers taught."""
    said = []
    for unit, entries in numbers["matched"].items():
        if not entries:
            said.append(f"At equal {UNITS[unit]} no lookahead has a baseline that ends as it does.")
            continue
        best = max(entries, key=lambda entry: entry["accuracy"])
        sure = "more" if best["low"] > 0 else "fewer" if best["high"] < 0 else "no more beyond chance"
        said.append(f"At equal {UNITS[unit]} the best lookahead ({best['arm']}, {best['mode']}) solves "
                    f"{fmt.percent(best['accuracy'])} and {best['baseline']} {fmt.percent(best['baseline_accuracy'])}: "
                    f"{fmt.points(best['difference'])} points [{fmt.points_interval(best)}], so {sure}.")  # fmt: skip
    searched = any(training["share"] for training in numbers["trainings"])
    return [*said, _compare_trainings(numbers["trainings"]) if searched else
            "No run that learnt from searched answers is among these."]  # fmt: skip


# ------------------------------------------------------------------------------------------- numbers
def _list_looked(evidence: Sequence[Evidence]) -> list[tuple[Evidence, pd.DataFrame]]:
    """What holds answers of 08_lookahead. Records from before do not say that chains and word problems are blind."""
    looked = [one for one in evidence if one.rows is not None and set(ANSWER) <= set(one.rows)]
    return [(one, one.rows.assign(mode=one.rows["mode"].replace("rules", "blind"))
             if one.run.parameters.get("task") in _BLIND else one.rows) for one in looked]  # fmt: skip


def _gather_trainings(graded: Sequence[Evidence]) -> list[dict[str, Any]]:
    """All seeds of a share and a way to enter together, those without a search first. Where some were searched, only
    runs of their task and start are held against them."""
    def start(one: Evidence) -> tuple[str, str]:
        return str(one.run.parameters.get("task", "game24")), str(one.run.parameters.get("policy", ""))

    searched = {start(one) for one in graded if one.run.parameters.get("search_share")}
    groups: dict[tuple[float, str], list[Evidence]] = {}
    for one in (one for one in graded if not searched or start(one) in searched):
        share = float(one.run.parameters.get("search_share", 0.0))
        groups.setdefault((share, one.run.parameters.get("search_enter", "") if share else ""), []).append(one)
    found = []
    for (share, enter), some in sorted(groups.items()):
        budget = min(int(one.stage(stage)["budget"].min()) for one in some for stage in (sm.START, sm.END))
        costs = [sm.read_cost(one)["sampled_tokens"] for one in some]
        found.append({
            "share": share, "enter": enter, "runs": len(some), "budget": budget,
            "change": sm.compare_stages(some, sm.START, sm.END, budget),
            "end": sum(sm.measure_stage(one, sm.END, budget)["accuracy"] for one in some) / len(some),
            "sampled_tokens": None if None in costs else sum(costs) / len(costs),
            "source": join_sources([{"source": one.source()} for one in some]),
        })  # fmt: skip
    return found


# ------------------------------------------------------------------------------------------- sections
def _list_runs(numbers: Row) -> list[Row]:
    return [run for run in numbers["runs"] if run["name"] == NOTEBOOK]


def _describe_setting(numbers: Row) -> KeyValues:
    arms, looked = numbers["arms"], _list_runs(numbers)
    parameters = [run["parameters"] for run in looked]
    return layout.describe_setting(
        looked,
        ("Task", "; ".join(dict.fromkeys(f"{p['task']}, {p['policy'] or 'the shipped policy'}" for p in parameters))),
        ("Problems", f"{max(arm['problems'] for arm in arms)} held out, {max(arm['seeds'] for arm in arms)} seed(s)"),
        ("Lookahead", fmt.settings({name: parameters[0][name] for name in _SETTINGS})),
    )  # fmt: skip


def _by_run(
    numbers: Row, entries: Sequence[Row], *describe: Callable[[Sequence[Row], str], Block | None]
) -> list[Block | None]:  # fmt: skip
    """What is said of each run's entries, one run after the other, with its task where there are several."""
    looked, blocks = _list_runs(numbers), []
    for run in looked:
        mine = [entry for entry in entries if entry["run"] == run["id"]]
        blocks += [one(mine, f", {run['parameters']['task']}" if len(looked) > 1 else "") for one in describe]
    return blocks


def _draw_arms(arms: Sequence[Row], where: str) -> Picture:
    table, finding = pd.DataFrame(arms), find_best(arms, "arm")
    table["arm"] = table["arm"].str.replace(r"\bof \d+\b", "of n", regex=True)  # a curve for all n
    caption = f"{finding} Solved against sampled tokens of a problem{where}; joined: best of n by n."
    return draw_picture(figures.draw_accuracy(table), caption, join_sources(arms), 330)


def _describe_arms(arms: Sequence[Row], where: str) -> Table:
    columns = {"arm": text("arm", 1), "mode": text("mode"), "n": count("problems"), "seeds": count("seeds"), **_SOLVED,
               "written": count("answer_tokens"), **_SEARCHED}  # fmt: skip
    note = ("Sampled: all tokens of a problem, tried and rolled out ones included; written: of the answer. Decisions: "
            "points at which the search was asked; changed: where it wrote another token than plain decoding. 95 %: "
            "Wilson's interval, by bootstrap over problems where there are several seeds.")  # fmt: skip
    return make_table(f"Every arm{where}, means of a problem.", arms, columns, note)


def _describe_speed(arms: Sequence[Row], where: str) -> Table:
    columns = {
        "arm": text("arm", 1), "mode": text("mode"), "ms a token": fixed("seconds_per_token", 1, 1000),
        "s an answer, median": fixed("answer_seconds_p50", 2), "95 % below": fixed("answer_seconds_p95", 2),
        "all problems, s": fixed("wall_seconds"),
    }  # fmt: skip
    note = ("A token of the answer, with all that was tried for it; of an answer, its share of the models' time, all "
            "problems being answered at once.")  # fmt: skip
    return make_table(f"Latency{where}.", arms, columns, note)


def _describe_matched(unit: str, entries: Sequence[Row], where: str) -> Block:
    if not entries:
        return Paragraph(f"At equal {UNITS[unit]}{where}: no lookahead has a baseline that ends as it does.")
    digits = 0 if unit == "sampled_tokens" else 2
    columns = {
        "lookahead": text("arm", 1), "mode": text("mode"), "solved": percent("accuracy"),
        "spent": fixed("spent", digits),
        "beside": made(lambda e: e["baseline"] + " *" * (not e["enough"]), 1, "left"),
        "it solved": percent("baseline_accuracy"), "it spent": fixed("baseline_spent", digits),
        "difference": points("difference", "low", "high"),
    }  # fmt: skip
    note = ("Beside: the cheapest baseline that spends at least as much and ends alike; * none did: the one that "
            "spends most. Difference in percentage points, paired by problem; 95 %: bootstrap over problems.")
    return make_table(f"At equal {UNITS[unit]} of a problem{where}.", entries, columns, note)


def _describe_rewards(arms: Sequence[Row], where: str) -> Table:
    names = [name for name in dict.fromkeys(key for arm in arms for key in arm) if name.startswith("reward/")]
    columns = {"arm": text("arm", 1), "mode": text("mode"), "reward": fixed("reward", 2)}
    columns |= {name.partition("/")[2].replace("_", " "): fixed(name, 2) for name in names}
    known = sorted({name.partition("/")[2] for name in names} & list_text_alone())
    note = ("Means over answers: the weighted sum, and each reward unweighted, so that of a form it is the share of "
            f"answers in it. Read from the text alone: {', '.join(known) or 'none of them'}. Where a verified search "
            "found nothing right, the likeliest of its answers is measured.")  # fmt: skip
    return make_table(f"Rewards and forms{where}.", [dict.fromkeys(names) | arm for arm in arms], columns, note)


def _draw_grid(grid: Sequence[Row], where: str) -> Block | None:
    if len(grid) < 2:
        return None
    figure = charts.draw_grid(pd.DataFrame(grid), "simulations", "depth", "rule")
    caption = f"{find_best(grid, 'arm', noun='setting')} By simulations, depth and decision rule{where}."
    return draw_picture(figure, caption, join_sources(grid), 280)


def _describe_grid(grid: Sequence[Row], where: str) -> Block | None:
    columns = {"rule": text("rule", 1), "simulations": count("simulations"), "depth": count("depth"),
               "n": count("problems"), **_SOLVED, **_SEARCHED, "ms a token": fixed("seconds_per_token", 1, 1000)}
    return make_table(f"The same in numbers{where}; all else as above.", grid, columns) if grid else None


def _describe_chains(rows: pd.DataFrame) -> list[Block]:
    """One problem that plain decoding misses and a lookahead that changed something solves, or the first."""
    rows = rows[rows["part"] == "main"]
    plain = rows[(rows["algorithm"] == "lookahead") & ~rows.apply(looks_ahead, axis=1)]
    ahead = rows[rows.apply(looks_ahead, axis=1)]
    missed = set(plain.loc[~plain["solved"], "problem"])
    told = ahead[ahead["solved"] & ahead["problem"].isin(missed) & (ahead["changed"] > 0)]
    if ahead.empty:
        return []
    chosen = (told if len(told) else ahead).iloc[0]
    pair = [*plain[(plain["problem"] == chosen["problem"]) & (plain["seed"] == chosen["seed"])].to_dict("records"),
            chosen.to_dict()]  # fmt: skip
    texts = [str(read_side(row)) for row in pair]
    shown = [text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…" for text in texts]
    why = "Missed by plain decoding, solved by a lookahead" if len(told) else "No lookahead mended an answer; the first"
    return [Paragraph(f"{why}: {str(chosen['problem'])[:400]}. {LEGEND}"), *[Code(text) for text in shown]]


def _draw_tree(one: Evidence) -> Picture:
    tree, meta = one.tree, one.tree.meta
    caption = (f"{tree.sampled:,} sampled tokens and {len(meta.get('decisions', []))} decision(s) end in: "
               f"{meta.get('outcome') or 'no verdict'}. One answer's tree, {len(tree)} nodes.")  # fmt: skip
    return Picture(caption, one.source(TREE), draw_svg(tree), caption)


def _describe_trainings(trainings: Sequence[Row]) -> list[Block]:
    if not any(training["share"] for training in trainings):
        return [Paragraph("No run that learnt from searched answers is among these.")]
    columns = {
        "searched": percent("share"), "enter": text("enter", 1), "runs": count("runs"), "end": percent("end"),
        "end - start": points("change.difference", "change.low", "change.high"),
        "tokens sampled": short("sampled_tokens"),
    }  # fmt: skip
    note = ("Greedy answers to held-out problems. As is: learnt from as if sampled; corrected: tokens that the search "
            "chose weighted by pi over mu; supervised: a term of its own. Tokens sampled: for training, searches "
            "included, mean of a run. 95 %: paired, by bootstrap over problems.")  # fmt: skip
    return [make_table("GRPO with a share of each group from the search.", trainings, columns, note),
            Paragraph(_compare_trainings(trainings))]  # fmt: skip


def _compare_trainings(trainings: Sequence[Row]) -> str:
    """Whether it helped, in plain words."""
    without = next((training for training in trainings if not training["share"]), None)
    if without is None:
        return "Without a run that samples all answers, nothing says whether the search helped."
    best = max((training for training in trainings if training["share"]), key=lambda t: t["change"]["difference"])
    gain = 100 * (best["change"]["difference"] - without["change"]["difference"])
    apart = best["change"]["low"] > without["change"]["high"] or best["change"]["high"] < without["change"]["low"]
    word = ("helped" if gain > 0 else "did harm") if apart else "made no difference beyond chance"
    sure = "their intervals do not touch" if apart else "their intervals overlap"
    return (f"At equal steps the search {word}: its best way to enter ({best['enter']}) gained {gain:+.1f} percentage "
            f"points against plain GRPO; {sure}. It sampled {fmt.short(best['sampled_tokens'])} tokens against "
            f"{fmt.short(without['sampled_tokens'])}.")  # fmt: skip


def list_limits(numbers: Row) -> list[str]:
    """What the numbers do not say."""
    limits, fewest = [], min(arm["seeds"] for arm in numbers["arms"])
    if fewest < SEEDS:
        limits.append(f"{fewest} seed(s) of decoding: intervals are over problems, not over seeds.")
    if any(not entry["enough"] for entries in numbers["matched"].values() for entry in entries):
        limits.append("Some lookaheads spent more than every baseline: there the comparison favours the lookahead.")
    return [*limits, "A verified search knows the right answer while it searches: it measures what the policy can "
            "reach, not what a user without a verifier would get. Its baselines end alike.",
            "Time is that of one machine and of all problems in one batch; alone, an answer takes longer."]
