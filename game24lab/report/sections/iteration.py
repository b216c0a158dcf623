"""The report on expert iteration: what rounds of searching and learning came to, beside controls of equal FLOPs.

It describes `12_expert_iteration` runs. Files, each checked:

    rounds.parquet   a row a repetition (`seed`), line and round, see `training.expert_iteration.iterate`
    chances.parquet  exact chances of problems in each of them: `side`, `problem`, `p`
    final.parquet    where there is one: attempts at held-out problems with the best models, see `evaluate`
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from game24lab.evaluation.exact import pass_at, tabulate_density
from game24lab.evaluation.statistics import bootstrap
from game24lab.evaluation.tables import summarise
from game24lab.report import layout
from game24lab.report.document import Block, Bullets, Picture, Report, Table
from game24lab.report.evidence import Evidence, check_columns, describe_runs, read_table, refuse
from game24lab.report.findings import find_rise
from game24lab.report.layout import add_section, draw_picture
from game24lab.report.tables import Row, count, made, make_table, percent, short, text
from game24lab.views.charts.iteration import PANELS, draw_densities, draw_rounds
from game24lab.views.tables import formats as fmt
from game24lab.views.tables.records import plain

TITLE = "A model that teaches itself by searching"
QUESTION = ("A policy that knows little searches, learns from what the exact verifier accepts, and searches again; the "
            "exact solver is never asked. How far does it come, does probability reach puzzles that had next to none "
            "or does the policy only sharpen what it could do already, and what would the same FLOPs have bought "
            "without search?")  # fmt: skip
ROUNDS, CHANCES, FINAL = "rounds.parquet", "chances.parquet", "final.parquet"
MAIN, START, HELD_OUT = "search", "start", "held out"
KS = (1, 64, 4096)
_MANY = 64  # samples at which a line that has sharpened falls behind
RARE, USUAL = 1e-4, 1e-2  # chances between which mass is said to have moved
_LINE = ("run", "line", "seed")
_NEEDED = ("line", "seed", "round", "accepted", "best", "solved_ever", "flops_total", "stopped", "held_out_log_p")


def gather_numbers(evidence: Sequence[Evidence], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `rounds`, `lines` (the start, and each line's best rounds, all
    repetitions together), `moved` (what became of problems by their chance at the start), `density` (of start and best
    rounds), `final` (searches with the best models, all repetitions together). ValueError where no run holds rounds
    and chances."""
    rounds, chances = _read(evidence)
    lines = [_pool(START, rounds[(rounds["line"] == MAIN) & (rounds["round"] == 0)], chances)]
    ends = rounds[rounds["round"] == rounds["best"].groupby([rounds[key] for key in _LINE]).transform("last")]
    main = ends[ends["line"] == MAIN]
    lines += [_pool(line, part, chances) | (_compare(part, main, chances) if line != MAIN else {})
              for line, part in ends.groupby("line", sort=False)]  # fmt: skip
    return {"title": title, "runs": describe_runs(evidence), "rounds": plain(rounds), "lines": lines,
            "moved": [_measure_moves(rounds, chances, line) for line in dict.fromkeys(rounds["line"])],
            "density": _list_densities(rounds, chances), "final": _summarise_final(evidence)}  # fmt: skip


def make_report(evidence: Sequence[Evidence], numbers: Row) -> Report:
    """The report: where the main line ended beside its controls, densities, the rounds, the critics, and limits."""
    rounds = pd.DataFrame(numbers["rounds"])
    main = rounds[rounds["line"] == MAIN]
    figures = [_draw_rounds(rounds, numbers)] + ([_draw_densities(evidence)] if evidence else [])
    appendix = [
        _describe_setting(numbers),
        *add_section("Beside controls of equal FLOPs", _describe_lines(numbers["lines"])),
        *add_section("Searches with the best models", _describe_final(numbers.get("final", []))),
        *add_section("Sharpening or widening", _describe_moves(numbers["moved"])),
        *add_section("The rounds", _describe_rounds(main), _describe_groups(main), _describe_critics(main)),
        *add_section("What went wrong", Bullets(tuple(list_faults(rounds))) if list_faults(rounds) else None),
        *layout.add_limits(numbers["runs"], list_limits(numbers)),
        *layout.add_origin(numbers["runs"]),
    ]  # fmt: skip
    flops = sum(float(part["flops_total"].max()) for _, part in rounds.groupby(["run", "line", "seed"]))
    cost = (f"All lines and repetitions together took about {fmt.short(flops)} FLOPs (six a parameter and token learnt "
            "from, two a token read or sampled).")  # fmt: skip
    return layout.compose_report(numbers["title"], numbers["runs"], QUESTION, answer(numbers), figures[-1], cost,
                                 figures[:-1], appendix)  # fmt: skip


def answer(numbers: Row) -> list[str]:
    """Where start and best round stand, what moved, and the best control."""
    lines = {line["line"]: line for line in numbers["lines"]}
    start, main = lines[START], lines[MAIN]
    said = [f"One sample solves {_bracket(start, 1)} of {start['problems']} held-out problems at the start and "
            f"{_bracket(main, 1)} in the best round ({main['seeds']} repetition{'s' * (main['seeds'] > 1)}); it has "
            f"come to a solution of {fmt.percent(main['solved'])} of the training problems."]  # fmt: skip
    moved = next(row for row in numbers["moved"] if row["line"] == MAIN)
    if moved["rare"]:
        said.append(f"Of the {fmt.percent(moved['rare_share'])} of problems whose chance was below 1e-4 at the start, "
                    f"{fmt.percent(moved['rare_to_usual'])} have one above 1e-2 afterwards.")  # fmt: skip
    others = [line for name, line in lines.items() if name not in (START, MAIN)]
    if others:
        best = max(others, key=lambda line: line["gap"])
        many = f", and {_show_gap(best, f'gap_{_MANY}')} at {_MANY} samples" if f"gap_{_MANY}" in best else ""
        said.append(f"The best control of equal FLOPs at one sample, {best['line']}, comes to {_bracket(best, 1)}, "
                    f"{_show_gap(best)} points over the main line of the same repetitions{many}.")  # fmt: skip
    return said


# ------------------------------------------------------------------------------------------- numbers
def _read(evidence: Sequence[Evidence]) -> tuple[pd.DataFrame, pd.DataFrame]:
    rounds, chances = [], []
    for one in evidence:
        table, exact = (read_table(one.run, file) for file in (ROUNDS, CHANCES))
        if table is None or exact is None:
            continue
        check_columns(table, one.run.folder / ROUNDS, _NEEDED, ("round", "flops_total"), shares=("solved_ever",))
        check_columns(exact, one.run.folder / CHANCES, ("side", "problem", "p", "line", "seed", "round"), shares=("p",))
        rounds.append(table.assign(run=one.run.id, source=one.source(ROUNDS)))
        chances.append(exact.assign(run=one.run.id))
    if not rounds:
        raise refuse(evidence, "runs of 12_expert_iteration are needed")
    by_seed = pd.concat(rounds, ignore_index=True).sort_values("seed", kind="stable", ignore_index=True)
    return by_seed, pd.concat(chances, ignore_index=True)


def _take(rows: pd.DataFrame, chances: pd.DataFrame, side: str = HELD_OUT) -> pd.DataFrame:
    """The chances that were measured in some rounds."""
    keys = ["run", "line", "seed", "round"]
    return chances[chances["side"] == side].merge(rows[keys].drop_duplicates(), on=keys)


def _pool(line: str, rows: pd.DataFrame, chances: pd.DataFrame) -> dict[str, Any]:
    """Rounds of several repetitions together; intervals by bootstrap over problems of the mean over repetitions."""
    found, measured = _take(rows, chances), rows[rows["held_out_log_p"].notna()]
    numbers: dict[str, Any] = {"line": line, "seeds": len(rows), "source": rows["source"].iloc[0],
                               "problems": int(found["problem"].nunique()), "solved": plain(rows["solved_ever"].mean()),
                               "flops": float(rows["flops_total"].mean()), "rounds": sorted(map(int, rows["round"])),
                               "log_p": float(measured["held_out_log_p"].mean()),
                               "below": float((found["p"] < RARE).mean())}  # fmt: skip
    for k in KS:
        passed = pd.Series(pass_at(found["p"], k), index=found.index).groupby(found["problem"]).mean().to_numpy()
        low, high = bootstrap(passed)
        numbers |= {f"pass_{k}": float(passed.mean()), f"pass_{k}_low": low, f"pass_{k}_high": high}
    return numbers


def _compare(rows: pd.DataFrame, main: pd.DataFrame, chances: pd.DataFrame) -> dict[str, float]:
    """A line's exact pass@1 and pass@64 less those of the main line in the same repetitions, paired by problem; both
    where they ended."""
    keys, gaps = ["run", "seed", "problem"], {}
    both = _take(rows, chances).merge(_take(main, chances), on=keys, suffixes=("", "_main"))
    for k, name in ((1, "gap"), (_MANY, f"gap_{_MANY}")):
        gap = pd.Series(pass_at(both["p"], k) - pass_at(both["p_main"], k)).groupby(both["problem"]).mean().to_numpy()
        low, high = bootstrap(gap)
        gaps |= {name: float(gap.mean()), f"{name}_low": low, f"{name}_high": high}
    return gaps


def _measure_moves(rounds: pd.DataFrame, chances: pd.DataFrame, line: str) -> dict[str, Any]:
    """Held-out problems by their chance at the start: how many became likely, and how many lost."""
    part = rounds[rounds["line"] == line]
    ends = part[part["round"] == part["best"].groupby([part["run"], part["seed"]]).transform("last")]
    keys = ["run", "seed", "problem"]
    both = _take(part[part["round"] == 0], chances).merge(_take(ends, chances), on=keys, suffixes=("_before", "_after"))
    before, after = both["p_before"], both["p_after"]
    rare, likely = before < RARE, before >= USUAL
    gain = np.log10(np.maximum(after, 1e-300)) - np.log10(np.maximum(before, 1e-300))
    low, high = bootstrap(gain.groupby(both["problem"]).mean().to_numpy())
    return {"line": line, "source": part["source"].iloc[0], "pairs": len(both), "rare": int(rare.sum()),
            "rare_share": float(rare.mean()), "rare_to_usual": float((after[rare] >= USUAL).mean()) if rare.any()
            else None, "likely_to_rare": float((after[likely] < RARE).mean()) if likely.any() else None,
            "fell": float((after < before).mean()), "gain": float(gain.mean()), "gain_low": low,
            "gain_high": high}  # fmt: skip


def _list_densities(rounds: pd.DataFrame, chances: pd.DataFrame) -> list[dict[str, Any]]:
    main, rows = rounds[rounds["line"] == MAIN], []
    best = main[main["round"] == main["best"].groupby([main["run"], main["seed"]]).transform("last")]
    for when, part in (("start", main[main["round"] == 0]), ("best", best)):
        for side in dict.fromkeys(chances["side"]):
            table = tabulate_density(_take(part, chances, side)["p"])
            rows += [{"when": when, "side": side, **row} for row in plain(table)]
    return rows


def _summarise_final(evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    found = [(one, table) for one in evidence if (table := read_table(one.run, FINAL)) is not None]
    for one, table in found:
        check_columns(table, one.run.folder / FINAL, ("strategy", "mode", "problem", "seed", "solved"),
                      ("sampled_tokens",))  # fmt: skip
    if not found:
        return []
    source = "; ".join(one.source(FINAL) for one, _ in found)
    rows = plain(summarise(pd.concat([table for _, table in found], ignore_index=True)))
    return [{**row, "parameters": json.loads(row["parameters"]), "source": source} for row in rows]


# ------------------------------------------------------------------------------------------- words, tables and figures
def _bracket(line: Row, k: int) -> str:
    return fmt.bracket(line[f"pass_{k}"], line[f"pass_{k}_low"], line[f"pass_{k}_high"])


def _describe_setting(numbers: Row) -> Block:
    given = [run["parameters"] for run in numbers["runs"] if run["name"] == "12_expert_iteration"]

    def say(name: str) -> str:
        return ", ".join(dict.fromkeys(fmt.value(parameters.get(name)) for parameters in given))

    start = numbers["lines"][0]
    means = f"; {say('mean_budget')} a problem in all" * any(one.get("mean_budget") for one in given)
    return layout.describe_setting(
        numbers["runs"], ("Task and split", f"{say('task')}, {say('split')}"),
        ("Measured on", f"{start['problems']} held-out problems, {start['seeds']} repetition(s)"),
        ("Search", f"{say('strategy')}, {say('mode')}, at most {say('budget')} sampled tokens a problem in the first "
                   f"of {say('waves')} waves, each {say('growth')} times the one before{means}"),
        ("Start", f"solutions of {say('share')} of the training puzzles, {say('start_steps')} steps"),
    )  # fmt: skip


def _describe_lines(lines: Sequence[Row]) -> Table:
    columns = {"line": text("line", 1), "seeds": count("seeds"), "solved": percent("solved"),
               "over search": made(_show_gap),
               f"at {_MANY}": made(lambda row: _show_gap(row, f"gap_{_MANY}")),
               **{f"pass@{k}": made(lambda row, k=k: _bracket(row, k)) for k in KS},
               "below 1e-4": percent("below"), "FLOPs": short("flops")}  # fmt: skip
    note = ("Exact pass@k on held-out problems in the round that the gate has kept last, 95 % by bootstrap over "
            "problems; over search: pass@1 less that of the main line in the same repetitions, in points, paired by "
            f"problem; at {_MANY}: the same of pass@{_MANY}; solved: training problems for which the line has ever "
            "found a solution; below 1e-4: held-out problems with less chance than that.")  # fmt: skip
    return make_table("The start, and where each line ended.", lines, columns, note)


def _show_gap(line: Row, name: str = "gap") -> str:
    if name not in line:
        return ""
    return f"{fmt.points(line[name])} [{fmt.points(line[f'{name}_low'])}, {fmt.points(line[f'{name}_high'])}]"


def _describe_final(rows: Sequence[Row]) -> Table | None:
    columns = {"search": text("arm", 1), "mode": text("mode"), "problems": count("problems"),
               "repetitions": count("seeds"), "solved": made(lambda row: fmt.bracket(row["accuracy"], row["low"],
                                                                                     row["high"])),
               "tokens": count("sampled_tokens")}  # fmt: skip
    note = ("With policy and critic of each repetition's best round. Solved: with a 95 % interval; tokens: mean "
            "sampled ones a problem, discarded ones included.")  # fmt: skip
    return make_table("Held-out problems solved by searching.", rows, columns, note) if rows else None


def _describe_moves(moved: Sequence[Row]) -> Table:
    columns = {"line": text("line", 1), "pairs": count("pairs"), "below 1e-4": percent("rare_share"),
               "of these to 1e-2": percent("rare_to_usual"), "from 1e-2 to below 1e-4": percent("likely_to_rare"),
               "fell": percent("fell"), "log10 p": made(lambda row: f"{row['gain']:+.2f} [{row['gain_low']:+.2f}, "
                                                                    f"{row['gain_high']:+.2f}]")}  # fmt: skip
    note = "pairs: problems x repetitions; log10 p: mean change, 95 % by bootstrap over problems."
    return make_table("Held-out problems by their exact chance at the start, and after the best round.", moved, columns,
                      note)  # fmt: skip


def _describe_rounds(main: pd.DataFrame) -> Table:
    columns = {"seed": count("seed"), "round": made(lambda row: f"{row['round']}{'' if row['accepted'] else ' -'}"),
               "solved": percent("solved_ever"), "solutions each": _maybe("calculations", 1),
               "joined": _maybe("joined", 0), "log p": _maybe("held_out_log_p", 2), "pass@1": _share("held_out_pass_1"),
               "pass@64": _share("held_out_pass_64"), "pass@4096": _share("held_out_pass_4096"),
               "sampled": short("sampled_tokens"), "FLOPs": short("flops_total")}  # fmt: skip
    return make_table("The rounds of the main line; - behind a round that the gate refused.", plain(main), columns,
                      "joined: calculations that came of positions which other problems' solutions pass; log p: mean "
                      "natural logarithm of the exact chance on held-out problems.")  # fmt: skip


def _describe_groups(main: pd.DataFrame) -> Table:
    columns = {"seed": count("seed"), "round": count("round"), "easiest quarter": _share("solved_1"),
               "second": _share("solved_2"), "third": _share("solved_3"), "hardest": _share("solved_4"),
               "hardest, this round": _share("solved_now_4")}  # fmt: skip
    return make_table("Training problems solved so far, by difficulty.", plain(main), columns,
                      "Quarters by the share of first moves that lead on.")  # fmt: skip


def _describe_critics(main: pd.DataFrame) -> Table:
    columns = {"seed": count("seed"), "round": count("round"), "AUC": _maybe("critic_new_auc", 3),
               "Brier": _maybe("critic_new_brier", 3), "new policy, new critic": _share("search_new_policy_new_critic"),
               "new, old": _share("search_new_policy_old_critic"),
               "old, new": _share("search_old_policy_new_critic")}  # fmt: skip
    note = "What a search by the rules solves of the same held-out problems."
    return make_table("The critic on one fixed set of positions, and old and new models in the same search.",
                      plain(main), columns, note)  # fmt: skip


def _maybe(key: str, digits: int) -> Any:
    return made(lambda row: fmt.fixed(row.get(key), digits))


def _share(key: str) -> Any:
    return made(lambda row: fmt.percent(row.get(key)))


def _draw_rounds(rounds: pd.DataFrame, numbers: Row) -> Picture:
    meters = [name for name in PANELS if name in rounds]
    drawn = rounds.groupby(["line", "round"], as_index=False, sort=False)[meters].mean()
    seeds = ", a line the mean of its seeds" if rounds["seed"].nunique() > 1 else ""
    caption = (f"{_find_gain(numbers['lines'])} Training problems solved so far, and exact chances on held-out "
               f"problems, round by round, refused rounds included{seeds}.")  # fmt: skip
    return draw_picture(draw_rounds(drawn), caption, rounds["source"].iloc[0], 260)


def _find_gain(lines: Sequence[Row]) -> str:
    """What one sample solves at the start and where the main line ended."""
    ends = [line | {"accuracy": line["pass_1"], "low": line["pass_1_low"], "high": line["pass_1_high"]}
            for line in lines if line["line"] in (START, MAIN)]  # fmt: skip
    where = {START: "the start", MAIN: "the best round"}
    return find_rise([end | {"line": where[end["line"]]} for end in ends], "line", what="Exact pass@1 on "
                     f"{ends[-1]['problems']} held-out problems ({ends[-1]['seeds']} seed(s))")  # fmt: skip


def _draw_densities(evidence: Sequence[Evidence]) -> Picture:
    rounds, chances = _read(evidence)
    main = rounds[rounds["line"] == MAIN]
    best = main[main["round"] == main["best"].groupby([main["run"], main["seed"]]).transform("last")]
    parts = [_take(part, chances, side).assign(line=when, side=side)
             for side in (HELD_OUT, "training") for when, part in (("start", main[main["round"] == 0]), ("best", best))]
    figure = draw_densities(pd.concat(parts, ignore_index=True))
    told = [f"{before['side'].iloc[0]} {fmt.percent((before['p'] < RARE).mean())} and then "
            f"{fmt.percent((after['p'] < RARE).mean())} of {after['problem'].nunique()}"
            for before, after in (parts[:2], parts[2:]) if len(before) and len(after)]  # fmt: skip
    caption = (f"Problems with a chance below 1e-4, at the start and in the best round: {'; '.join(told) or 'none'}. "
               "How the exact chances of problems fall.")  # fmt: skip
    return draw_picture(figure, caption, rounds["source"].iloc[0], 280)


def list_faults(rounds: pd.DataFrame) -> list[str]:
    """Rounds that were refused, lines that ended early, critics that got worse."""
    said = []
    for (line, seed), part in rounds.groupby(["line", "seed"], sort=False):
        refused = [int(number) for number in part.loc[~part["accepted"].astype(bool), "round"]]
        if refused:
            which = f"round{'s' * (len(refused) > 1)} {', '.join(map(str, refused))}"
            said.append(f"{line}, seed {seed}: the gate refused {which} (of {len(part) - 1}).")
        if part["stopped"].iloc[-1]:
            said.append(f"{line}, seed {seed}: it ended early, for {part['stopped'].iloc[-1]}.")
        aucs = part["critic_new_auc"].dropna() if "critic_new_auc" in part else part["round"][:0]
        if len(aucs) > 1 and aucs.iloc[-1] < aucs.iloc[0]:
            said.append(f"{line}, seed {seed}: the critic's AUC on fixed positions went from {aucs.iloc[0]:.3f} to "
                        f"{aucs.iloc[-1]:.3f}.")  # fmt: skip
    return said


def list_limits(numbers: Row) -> list[str]:
    """What a reader must keep in mind."""
    limits = ["FLOPs are reckoned as 6 N D and 2 N D with N the parameters without embeddings; attention and the "
              "output layer are left out in all lines alike.",
              "Which puzzles can be solved is known to all lines: puzzles without a solution are not searched.",
              "The gate asks for exact chances on training puzzles that were set apart, which the solver has "
              "listed."]  # fmt: skip
    seeds = numbers["lines"][0]["seeds"]
    return [f"{seeds} repetition(s): differences between trainings are known no better."] * (seeds < 3) + limits
