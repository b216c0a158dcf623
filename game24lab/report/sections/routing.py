"""The report on routing: which arm each problem should get, and what that gains over any fixed arm or mix of arms.

It tells the records of `10_router` runs. No model is needed. What stands in the records is in routed.py; this module
knows the story alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.report import router_evidence as ro
from game24lab.report.document import MISSING, Block, Bullets, Columns, Heading, KeyValues, Paragraph, Report, Table
from game24lab.report.published import PUBLISHED_ROUTES, ROUTED
from game24lab.report.text import (
    SMALL,
    WIDE,
    compose_report,
    draw_picture,
    limit_runs,
    tell_origin,
    write_commit,
    write_count,
    write_percent,
    write_range,
    write_report,
)
from game24lab.views.charts import routing as tradeoffs

_BESIDES = (("calls", "calls", "1f"), ("seconds", "seconds", "3g"), ("seconds_p50", "p50", "3g"),
            ("seconds_p95", "p95", "3g"))  # fmt: skip
TITLE = "The right amount of thinking for each problem"
AIM = 0.4  # of the gap between hull and oracle, at one operating point
FEW = 5  # independent trials behind a label, below which an oracle knows luck too
FEW_PUZZLES = 150  # below which the limits say so
Numbers = Mapping[str, Any]


def report_router(folders: Sequence[str | Path], output: str | Path, *, title: str = TITLE) -> Path:
    """Write the PDF `output` and beside it `<name>.json` with the numbers it quotes; returns the PDF's path.

    ValueError or OSError that names the folder or file where a run or its records are missing or broken.
    """
    routed = ro.read_routed(folders)
    numbers = gather_numbers(routed, title)
    return write_report(tell(routed, numbers), numbers, output)


def gather_numbers(routed: Sequence[ro.Routed], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `routers` (one a run) and `published`."""
    return {"title": title, "runs": ro.describe(routed), "routers": ro.gather(routed),
            "published": [vars(point) for point in PUBLISHED_ROUTES]}  # fmt: skip


def tell(routed: Sequence[ro.Routed], numbers: dict[str, Any]) -> Report:
    """The report: the question, then for each router what it gains, how well it predicts and what it is made of."""
    blocks: list[Block] = [
        KeyValues(_tell_setting(numbers)),
        Heading("The question"),
        Paragraph(
            "Some problems need a search and some do not. A router looks at a problem, predicts for every arm (a "
            "strategy with its parameters) the chance of a right answer and its cost, and takes the arm of the best "
            "utility: chance - price of a token x tokens - price of a second x seconds. Does that beat every fixed "
            "arm, and every random mix of fixed arms, on puzzles that neither the models nor the router have seen? "
            "What its look at a problem costs is charged to it; all sampled tokens count, thrown-away ones too. A look "
            "that tries the problem has answers in hand: to keep the best of them (the arm kept) costs no more. At "
            "prices at which one arm for all was worth more on other puzzles than looking, the router does not look."
        ),
    ]
    for one, router in zip(routed, numbers["routers"], strict=True):
        blocks += _tell_router(one, router, f" ({router['label']})" if len(routed) > 1 else "")
    blocks += [
        Heading("Beside the published"),
        _tell_published(numbers),
        Heading("What did not work"),
        Bullets(tuple(line for router in numbers["routers"] for line in _tell_negatives(router))),
        Heading("Limits"),
        Bullets(tuple(_tell_limits(numbers))),
        *tell_origin(numbers["runs"]),
    ]
    return compose_report(numbers["title"], numbers["runs"], blocks)


# ------------------------------------------------------------------------------------------- sections
def _tell_setting(numbers: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    runs, routers = numbers["runs"], numbers["routers"]
    counts = [", ".join(f"{part} {count}" for part, count in router["puzzles"].items()) for router in routers]
    chosen = "; ".join(f"{router['label']}: {router['lesson'] or 'not known'}" for router in routers)
    arms = "; ".join(f"{router['arms']} {router['label']}" for router in routers)
    return (
        ("Puzzles", "; ".join(dict.fromkeys(counts))),
        ("Arms", arms + (" (the exact verifier chose none of their answers)"
                         if all("verified" not in router["label"] for router in routers) else "")),
        ("Routers", f"{chosen} (model, features), chosen on puzzles that are not judged"),
        ("Commit", "; ".join(dict.fromkeys(write_commit(run, 12) for run in runs))),
        ("Machine", "; ".join(dict.fromkeys(run["device"] or "unknown" for run in runs))),
    )  # fmt: skip


def _tell_router(one: ro.Routed, router: Numbers, more: str) -> list[Block]:
    judged, source = one.judged, router["source"]
    said = (f"Accuracy against sampled tokens on {router['puzzles'].get('test', 0)} test puzzles; fixed arms with 95 % "
            "intervals, bootstrap over puzzles.")  # fmt: skip
    frontier = draw_picture(tradeoffs.draw_ways(judged.points, "tokens", judged.hull), said, source, 300, WIDE)
    said = ("What the router gains over the hull of the fixed arms at each of its prices, and the share of the gap to "
            "the oracle; bands: 95 %.")  # fmt: skip
    gains = draw_picture(tradeoffs.draw_gains(judged.at_prices), said, source, 210, WIDE)
    blocks: list[Block] = [Heading(f"What it gains{more}"), Paragraph(_say_point(router)), frontier,
                           _tell_costs(router), _tell_rivals(router), gains]  # fmt: skip
    if one.timed is not None:
        figure = tradeoffs.draw_ways(one.timed.points, "seconds", one.timed.hull)
        picture = draw_picture(figure, "The same against seconds of model time.", source, 300, WIDE)
        blocks += [Paragraph(_say_time(router)), picture]
    said = ("Which share of the puzzles gets which arm, against the price of a token. At the operating point: "
            f"{_say_mix(router)}.")  # fmt: skip
    mix = draw_picture(tradeoffs.draw_mix(judged.shares), said, source, 260, WIDE)
    figure = tradeoffs.draw_reliability({"router": pd.DataFrame(router["reliability"])})
    said = "Predicted chances against what held; 95 %, bootstrap over puzzles."
    reliability = draw_picture(figure, said, source, 230, SMALL)
    quality = Columns((reliability, KeyValues(_list_quality(router))))
    blocks += [mix, Heading(f"How well it predicts{more}"), quality]
    if router["lessons"]:
        blocks += [Heading(f"Models and features{more}"), _tell_lessons(one, router)]
    return [*blocks, Heading(f"The fixed arms{more}"), _tell_fixed(router)]


def _say_point(router: Numbers) -> str:
    point, best = router["point"], router["best"]
    said = (f"At the price of {router['price']:.3g} answers a token, chosen on other puzzles, the router solves "
            f"{write_percent(point['accuracy'])} at {write_count(point['cost'])} tokens a puzzle; the best random mix "
            f"of fixed arms solves {write_percent(point['hull'])} at that cost, an oracle "
            f"{write_percent(point['oracle'])}. Gain {_points(point['gain'])} points "
            f"[{_points(point['gain_low'])}, {_points(point['gain_high'])}]")  # fmt: skip
    if point["share"] is not None:
        said += f", {write_percent(point['share'])} [{_range(point, 'share')}] of the gap"
    bound = "" if router["bound"]["ratio"] is None else f"; the oracle takes {router['bound']['ratio']:.2f}"
    if best["ratio"] is None:
        return f"{said}. It never has the accuracy of the best fixed arm, {best['arm']}{bound} of its tokens for that."
    high = "more" if best["high"] is None else f"{best['high']:.2f}"
    low = MISSING if best["low"] is None else f"{best['low']:.2f}"
    return (f"{said}. For the accuracy of the best fixed arm, {best['arm']} ({write_percent(best['arm_accuracy'])} at "
            f"{write_count(best['arm_cost'])}), it takes {write_count(best['cost'])} tokens, {best['ratio']:.2f} "
            f"[{low}, {high}] of them{bound}.")  # fmt: skip


def _say_time(router: Numbers) -> str:
    point = router["timed"]["point"]
    share = "" if point["share"] is None else f", {write_percent(point['share'])} of the gap to the oracle"
    return (f"With a price on seconds instead of tokens: {write_percent(point['accuracy'])} at {point['cost']:.3g} s, "
            f"where the hull has {write_percent(point['hull'])}; gain {_points(point['gain'])} points "
            f"[{_points(point['gain_low'])}, {_points(point['gain_high'])}]{share}.")  # fmt: skip


def _say_mix(router: Numbers) -> str:
    shares = sorted((entry for entry in router["mix"] if entry["share"] > 0), key=lambda entry: -entry["share"])
    listed = ", ".join(f"{entry['arm']} {write_percent(entry['share'])}" for entry in shares[:5])
    return listed + (f" and {len(shares) - 5} more" if len(shares) > 5 else "")


def _points(share: float | None) -> str:
    return MISSING if share is None else f"{round(100 * share, 1) + 0.0:+.1f}"


def _range(ends: Numbers, name: str) -> str:
    return write_range({"low": ends[f"{name}_low"], "high": ends[f"{name}_high"]})


def _tell_costs(router: Numbers) -> Table:
    header = ("at the cost of", "tokens", "the arm", "hull", "router", "gain", "95 %", "oracle", "of the gap", "95 %")
    rows = tuple(
        (e["arm"], write_count(e["cost"]), write_percent(e["arm_accuracy"]), write_percent(e["hull"]),
         write_percent(e["accuracy"]), _points(e["gain"]), f"{_points(e['gain_low'])} to {_points(e['gain_high'])}",
         write_percent(e["oracle"]), write_percent(e["share"]), _range(e, "share"))
        for e in router["at_costs"]
    )  # fmt: skip
    note = ("Accuracy of each way at the mean tokens of a fixed arm; between two steps of a way, that of a random mix "
            "of them. Gain: router less hull, in points. 95 %: bootstrap over puzzles, hull and oracle made anew in "
            "every sample. Arms that cost less than the router can are left out.")  # fmt: skip
    return Table("The router at the cost of each fixed arm.", router["source"], header, rows,
                 ("left", *["right"] * 9), (1, *[0] * 9), note)  # fmt: skip


def _tell_rivals(router: Numbers) -> Table:
    point = router["point"]
    rows = tuple((e["way"], write_percent(e["accuracy"]), _points(None if e["accuracy"] is None else
                  e["accuracy"] - point["hull"]), write_count(e["cheapest"])) for e in router["rivals"])  # fmt: skip
    note = ("Gain: over the hull. Difficulty alone: the best arm for each of eight bins of predicted difficulty. "
            "Cascade: arms one after the other until the exact verifier accepts, which only it hears; chains chosen on "
            "other puzzles. Router's mix at random: its arms in its proportions, dealt without looking. Any arm at "
            "random: one point, at the mean cost of all arms. The oracle knows all chances, pays for no look, and "
            "takes one arm a puzzle, which a cascade need not.")  # fmt: skip
    caption, header = f"Every way at {write_count(point['cost'])} tokens a puzzle.", ("way", "accuracy", "gain", "from")
    return Table(caption, router["source"], header, rows, ("left", *["right"] * 3), (1, 0, 0, 0), note)


def _list_quality(router: Numbers) -> tuple[tuple[str, str], ...]:
    quality, costs = router["quality"], router["costs"]

    def show(value: float | None, digits: int = 3) -> str:
        return MISSING if value is None else f"{value:.{digits}f}"

    return (
        ("Loss (nats)", f"{show(quality['loss'])}, of which {show(quality['entropy'])} is the entropy of the labels"),
        ("AUC", f"{show(quality['auc'])}, at most {show(quality['auc_bound'])}"),
        ("Brier score", show(quality["brier"])),
        ("Tokens", f"predicted sum {show(costs['ratio'], 2)} of the real one; of the variance of their logarithm "
                   f"{write_percent(costs['explained'])} explained"),
        ("Look", f"{router['fee']:.0f} tokens a puzzle"),
    )  # fmt: skip


def _tell_lessons(one: ro.Routed, router: Numbers) -> Table:
    header = ("model, features", "seen", "loss", "excess", "AUC", "tokens", "router", "gain", "95 %", "of the gap",
              "95 %", "ratio")  # fmt: skip
    rows = tuple(
        (e["lesson"], e["columns"], f"{e['loss']:.3f}", f"{e['excess']:.3f}",
         MISSING if e["auc"] is None else f"{e['auc']:.3f}", write_count(e["cost"]), write_percent(e["accuracy"]),
         _points(e["gain"]), f"{_points(e['gain_low'])} to {_points(e['gain_high'])}", write_percent(e["share"]),
         _range(e, "share"), MISSING if e["ratio"] is None else f"{e['ratio']:.2f}")
        for e in router["lessons"]
    )  # fmt: skip
    note = ("On test puzzles, each at its own operating point, chosen on other puzzles. Seen: features. Excess: loss "
            "above the entropy of the labels. Free: features that take no sampled token; none: it knows the arms "
            "alone; oracle: with counts of the exact solver, which no router may see. Ratio: tokens for the accuracy "
            "of the best fixed arm, as a share of its own.")  # fmt: skip
    return Table("What models and features do.", one.source(ro.LESSONS), header, rows,
                 ("left", *["right"] * 11), (1, *[0] * 11), note)  # fmt: skip


def _tell_fixed(router: Numbers) -> Table:
    besides = [(name, title, digits) for name, title, digits in _BESIDES
               if any(e[name] is not None for e in router["fixed"])]  # fmt: skip
    rows = tuple(
        (e["step"], write_percent(e["accuracy"]), write_range(e), write_count(e["tokens"]),
         *(MISSING if e[name] is None else f"{e[name]:.{digits}}" for name, _, digits in besides),
         "yes" if e["step"] in router["hull"] else "")
        for e in router["fixed"]
    )  # fmt: skip
    header = ("arm", "accuracy", "95 %", "tokens", *(title for _, title, _ in besides), "on the hull")
    note = ("Calls: of policy and critic, for one puzzle. p50, p95: seconds of an attempt at a puzzle, quantiles over "
            "seeds or draws, then means over puzzles.") if besides else ""  # fmt: skip
    return Table("Every arm for all test puzzles.", router["source"], header, rows,
                 ("left", *["right"] * (len(header) - 1)), (1, *[0] * (len(header) - 1)), note)  # fmt: skip


def _tell_published(numbers: Numbers) -> Table:
    rows = []
    for router in numbers["routers"]:
        best, point, data = router["best"], router["point"], f"Game of 24, ours, {router['label']}"
        rows += [
            (data, f"{best['arm']}, the best fixed arm", write_percent(best["arm_accuracy"]),
             write_count(best["arm_cost"]), MISSING, "measured"),
            (data, "hull of the fixed arms at the router's cost", write_percent(point["hull"]),
             write_count(point["cost"]), MISSING, "measured"),
            (data, f"router, price of a token {router['price']:.3g}", write_percent(point["accuracy"]),
             write_count(point["cost"]), MISSING, "measured"),
            (data, "oracle at the router's cost", write_percent(point["oracle"]), write_count(point["cost"]), MISSING,
             "measured"),
        ]  # fmt: skip
    for p in numbers["published"]:
        told = write_percent(p["accuracy"]), write_count(p["tokens"]), write_count(p["seconds"])
        rows.append((p["data"], p["way"], *told, p["checked"]))
    note = (f"Published: {ROUTED}; other problems, another model and tokenizer: not one contest. From its numbers, the "
            "router gains about 2.9 points over the hull of its fixed arms at 20.8k tokens, some 23 % of the gap to "
            "the oracle's best; on MATH-500 it chose the largest beam search for every question where tokens were "
            "cheap.")  # fmt: skip
    return Table("Ours above, published points below.", "the records; the paper named",
                 ("problems", "way", "accuracy", "tokens", "seconds", "checked"), tuple(rows),
                 ("left", "left", "right", "right", "right", "left"), (1, 1.4, 0, 0, 0, 0.8), note)  # fmt: skip


def _tell_negatives(router: Numbers) -> list[str]:
    name, point, best, told = router["label"], router["point"], router["best"], []
    if point["gain_low"] is not None and point["gain_low"] <= 0:
        told.append(f"{name}: at its operating point the gain over the hull is not beyond chance: "
                    f"{_points(point['gain'])} points, 95 % {_points(point['gain_low'])} to "
                    f"{_points(point['gain_high'])}.")  # fmt: skip
    if point["share"] is None or point["share"] < AIM:
        share = "none" if point["share"] is None else write_percent(point["share"])
        told.append(f"{name}: less than {AIM:.0%} of the gap between hull and oracle is made good there: {share}.")
    below = [e for e in router["at_costs"] if e["gain_high"] is not None and e["gain_high"] < 0]
    if below:
        listed = ", ".join(f"{e['arm']} ({_points(e['gain'])})" for e in below)
        told.append(f"{name}: at the cost of these arms the router is below the hull, beyond chance: {listed}.")
    if best["ratio"] is None or best["ratio"] > 0.5:
        what = "never reached" if best["ratio"] is None else f"{best['ratio']:.2f} of its tokens"
        told.append(f"{name}: the accuracy of the best fixed arm takes more than half of its tokens: {what}.")
    lessons = {e["lesson"]: e for e in router["lessons"]}
    better = [e for e in lessons.values() if e["lesson"] != router["lesson"] and "oracle" not in e["lesson"]
              and e["share"] is not None and e["share"] > (lessons.get(router["lesson"], e)["share"] or 0)]  # fmt: skip
    if better:
        first = max(better, key=lambda e: e["share"])
        told.append(f"{name}: {first['lesson']} would have made good more on these puzzles "
                    f"({write_percent(first['share'])}); it was not chosen on the others.")  # fmt: skip
    return told or [f"{name}: nothing that these records show."]


def _tell_limits(numbers: Numbers) -> list[str]:
    limits = [
        "Intervals cover the choice of test puzzles, not the luck of training or of the split into parts.",
        "Seconds are shares of the model time of batches that many searches fill together: they compare arms on one "
        "machine, and are no latency that somebody alone would see.",
        "The hull is that of the test puzzles themselves, which flatters the fixed arms, not the router.",
    ]
    for router in numbers["routers"]:
        if router["trials"] < FEW:
            limits.append(f"{router['label']}: some labels are worth {router['trials']:.0f} independent trials only "
                          f"(median {router['trials_median']:.0f}): there the oracle knows luck too, and the gap to it "
                          "is overrated.")  # fmt: skip
        if (count := router["puzzles"].get("test", 0)) < FEW_PUZZLES:
            limits.append(f"{router['label']}: {count} test puzzles: differences of a few points are chance.")
    return limits + limit_runs(numbers["runs"])
