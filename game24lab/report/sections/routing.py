"""The report on routing: which arm each problem should get, and what that gains over any fixed arm or mix of arms.

It describes `10_router` runs, a router each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from game24lab.report import layout
from game24lab.report import router_summaries as sm
from game24lab.report.document import Block, Bullets, Columns, KeyValues, Paragraph, Report, Table
from game24lab.report.evidence import Evidence, describe_runs
from game24lab.report.findings import tell_change, tell_share
from game24lab.report.layout import SMALL, add_section, draw_picture
from game24lab.report.measures import find_misses
from game24lab.report.published import PUBLISHED_ROUTES, ROUTED
from game24lab.report.tables import Row, count, fixed, made, make_table, percent, points, text
from game24lab.views.charts import routing as charts
from game24lab.views.tables import formats as fmt
from game24lab.views.tables.formats import MISSING

_BESIDES = (("calls", "calls", "1f"), ("seconds", "seconds", "3g"), ("seconds_p50", "p50", "3g"),
            ("seconds_p95", "p95", "3g"))  # fmt: skip
TITLE = "The right amount of thinking for each problem"
QUESTION = ("Some problems need a search and some do not. A router looks at a problem, predicts for every arm (a "
            "strategy with its parameters) the chance of a right answer and its cost, and takes the arm of the best "
            "utility: chance - price of a token x tokens - price of a second x seconds. Does that beat every fixed "
            "arm, and every random mix of fixed arms, on puzzles that neither the models nor the router have seen? "
            "What its look at a problem costs is charged to it; all sampled tokens count, thrown-away ones too. A look "
            "that tries the problem has answers in hand: to keep the best of them (the arm kept) costs no more. At "
            "prices at which one arm for all was worth more on other puzzles than looking, the router does not "
            "look.")  # fmt: skip
AIM = 0.4  # of the gap between hull and oracle, at one operating point
FEW = 5  # independent trials behind a label, below which an oracle knows luck too
FEW_PUZZLES = 150  # below which the limits say so
_GAIN = {"gain": points("gain", "gain_low", "gain_high")}
_SHARE = {"of the gap": percent("share", "share_low", "share_high")}


def gather_numbers(evidence: Sequence[Evidence], title: str = TITLE) -> dict[str, Any]:
    """Every number of the report, JSON-able: `runs`, `routers` (one a run) and `published`."""
    mine = sm.select_routed(evidence)
    routers = [sm.summarise_router(one, sm.judge_run(one)) for one in mine]
    runs = [run | {"label": router["label"]} for run, router in zip(describe_runs(mine), routers, strict=True)]
    return {"title": title, "runs": runs, "routers": routers, "published": [vars(point) for point in PUBLISHED_ROUTES]}


def make_report(evidence: Sequence[Evidence], numbers: Row) -> Report:
    """The report: what the first router gains and how well it predicts; then all else of it, the other routers, and the
    published.

    Without evidence, from kept numbers alone, the mix of arms by price and the figure along seconds are left out.
    """
    routers = numbers["routers"]
    routed = sm.judge_run(sm.select_routed(evidence)[0]) if evidence else None
    blocks: list[Block] = [_describe_setting(numbers)]
    for place, router in enumerate(routers):
        more = f" ({router['label']})" if len(routers) > 1 else ""
        blocks += _describe_router(router, more, first=not place)
    appendix = [
        *blocks,
        *add_section("Beside the published", _describe_published(numbers)),
        *add_section("What did not work", Bullets(tuple(line for one in routers for line in list_negatives(one)))),
        *layout.add_limits(numbers["runs"], list_limits(routers)),
        *layout.add_origin(numbers["runs"]),
    ]
    return layout.compose_report(numbers["title"], numbers["runs"], QUESTION, answer(routers[0]),
                                 _draw_ways(routers[0]), _tell_cost(routers), _draw_router(routed, routers[0]),
                                 appendix)  # fmt: skip


def answer(router: Row) -> list[str]:
    """Accuracy at the operating point, the gain over fixed arms and mixes, and tokens for the best arm's accuracy."""
    point, best = router["point"], router["best"]
    said = [f"At the price of {router['price']:.3g} answers a token, chosen on other puzzles, the router "
            f"({router['label']} arms) solves {fmt.percent(point['accuracy'])} at {fmt.count(point['cost'])} tokens a "
            f"puzzle; the best random mix of fixed arms solves {fmt.percent(point['hull'])} at that cost, an oracle "
            f"{fmt.percent(point['oracle'])}."]  # fmt: skip
    share = "" if point["share"] is None else \
        f", {fmt.percent(point['share'])} [{fmt.interval(point, 'share_')}] of the gap"  # fmt: skip
    said.append(f"Gain {fmt.points(point['gain'])} points [{fmt.points_interval(point, 'gain_', ', ')}]{share}.")
    bound = "" if router["bound"]["ratio"] is None else f"; the oracle takes {router['bound']['ratio']:.2f}"
    if best["ratio"] is None:
        return [*said, f"It never has the accuracy of the best fixed arm, {best['arm']}{bound} of its tokens for that."]
    high = "more" if best["high"] is None else f"{best['high']:.2f}"
    said.append(f"For the accuracy of the best fixed arm, {best['arm']} ({fmt.percent(best['arm_accuracy'])} at "
                f"{fmt.count(best['arm_cost'])}), it takes {fmt.count(best['cost'])} tokens, {best['ratio']:.2f} "
                f"[{fmt.fixed(best['low'], 2)}, {high}] of them{bound}.")  # fmt: skip
    return said


# ------------------------------------------------------------------------------------------- sections
def _describe_setting(numbers: Row) -> KeyValues:
    routers = numbers["routers"]
    counts = [", ".join(f"{part} {count}" for part, count in router["puzzles"].items()) for router in routers]
    chosen = "; ".join(f"{router['label']}: {router['lesson'] or 'not known'}" for router in routers)
    verified = any("verified" in router["label"] for router in routers)
    return layout.describe_setting(
        numbers["runs"], ("Puzzles", "; ".join(dict.fromkeys(counts))),
        ("Arms", "; ".join(f"{router['arms']} {router['label']}" for router in routers)
                 + " (the exact verifier chose none of their answers)" * (not verified)),
        ("Routers", f"{chosen} (model, features), chosen on puzzles that are not judged"),
    )  # fmt: skip


def _tell_cost(routers: Sequence[Row]) -> str:
    labelled, looks = (", ".join(f"{value(one):.0f}" for one in routers) for value in (
        lambda one: sum(one["puzzles"].values()), lambda one: one["fee"]))  # fmt: skip
    return (f"Labels of {labelled} puzzles, at least {min(one['trials'] for one in routers):.0f} independent attempts "
            f"an arm; a look takes {looks} tokens a puzzle and is charged to the router.")  # fmt: skip


def _draw_ways(router: Row) -> Block:
    """The router, hull and oracle against cost, and the fixed arms, from the numbers alone."""
    prices = pd.DataFrame(router["at_prices"])
    table = pd.concat([
        pd.DataFrame(router["fixed"]).assign(way="fixed arm"),
        prices.assign(way="router", tokens=prices["cost"])[["way", "step", "accuracy", "tokens"]],
        prices.assign(way="oracle", tokens=prices["cost"], accuracy=prices["oracle"]).dropna(subset=["accuracy"])[
            ["way", "step", "accuracy", "tokens"]],
    ], ignore_index=True)  # fmt: skip
    said = (f"{_find_point(router)} Accuracy against sampled tokens ({router['label']}); fixed arms with 95 %, "
            f"bootstrap over puzzles. {_tell_below(router)}")  # fmt: skip
    figure = charts.draw_ways(table, "tokens", router["hull"]).update_yaxes(range=_zoom(table))
    return draw_picture(figure, said, router["source"], 300)


def _find_point(router: Row) -> str:
    """What the router solves at its operating point, and whether it beats a mix of fixed arms there."""
    point = router["point"]
    change = {"difference": point["gain"], "low": point["gain_low"], "high": point["gain_high"]}
    ends = {end: point.get(f"accuracy_{end}") for end in ("low", "high")}
    share = tell_share({"accuracy": point["accuracy"]} | ends)
    return (f"At its operating point the router solves {share} of {router['puzzles'].get('test', 0)} test puzzles at "
            f"{fmt.count(point['cost'])} tokens: against the best mix of fixed arms {tell_change(change)}.")


def _find_gains(router: Row) -> str:
    """At how many prices the router is above the hull or below it, beyond chance."""
    known = [e for e in router["at_prices"] if None not in (e["gain"], e["gain_low"], e["gain_high"])]
    above, below = [e for e in known if e["gain_low"] > 0], [e for e in known if e["gain_high"] < 0]
    said = (f"Beyond chance the router is above the hull at {len(above)} of {len(known)} prices and below it at "
            f"{len(below)}")  # fmt: skip
    if not above:
        return f"{said}."
    best = max(above, key=lambda entry: entry["gain"])
    return (f"{said}; most: {fmt.points(best['gain'])} points [{fmt.points_interval(best, 'gain_')}] at "
            f"{fmt.count(best['cost'])} tokens.")  # fmt: skip


def _zoom(table: pd.DataFrame) -> list[float]:
    """An axis of accuracy from the tenth below the lowest point to the top."""
    low = float(table[["accuracy", "low"]].min().min())
    return [max(0.0, math.floor(10 * low) / 10), 1.03]


def _tell_below(router: Row) -> str:
    """At which costs the router is worth less than the hull, which a reader of a falling curve must know."""
    below = [e for e in router["at_prices"] if e["gain_high"] is not None and e["gain_high"] < 0]
    if not below:
        return "At no price is the router below the hull beyond chance."
    costs = [entry["cost"] for entry in below]
    worst = min(below, key=lambda entry: entry["gain"])
    costs = " to ".join(dict.fromkeys(fmt.count(end) for end in (min(costs), max(costs))))
    return (f"Below the hull, beyond chance, at {len(below)} of {len(router['at_prices'])} prices ({costs} tokens): "
            f"there mixing fixed arms at random is better, by {-100 * worst['gain']:.1f} points at most.")  # fmt: skip


def _draw_router(one: sm.Routed | None, router: Row) -> list[Block]:
    """What a router gains at each price, how well it predicts, and with evidence its mix of arms, and seconds."""
    source = router["source"]
    reliability = charts.draw_reliability({"router": pd.DataFrame(router["reliability"])})
    gains = charts.draw_gains(pd.DataFrame(router["at_prices"]))
    said = (f"{_find_gains(router)} The gain over the hull of the fixed arms at each price, and the share of the gap "
            "to the oracle, from -100 to 100 %; bands: 95 %.")  # fmt: skip
    blocks: list[Block] = [
        draw_picture(gains, said, source, 210),
        Columns((draw_picture(reliability, f"{find_misses(router['reliability'])} Bars: 95 %, bootstrap over puzzles.",
                              source, 230, SMALL), _describe_quality(router))),
    ]  # fmt: skip
    if one is None:
        return blocks
    blocks.append(draw_picture(charts.draw_mix(one.judged.shares), "At the operating point the puzzles get "
                               f"{_describe_mix(router['mix'])}. Share of the puzzles by arm, against the price of a "
                               "token.", source, 260))  # fmt: skip
    if one.timed is not None:
        figure = charts.draw_ways(one.timed.points, "seconds", one.timed.hull)
        caption = f"{_describe_time(router['timed']['point'])} Accuracy against seconds of model time."
        blocks.append(draw_picture(figure, caption, source, 270))
    return blocks


def _describe_router(router: Row, more: str, first: bool) -> list[Block]:
    """The tables of a router; but for the first one, whose stand on page one, its answer and its figure too."""
    told = [] if first else [Paragraph(" ".join(answer(router))), _draw_ways(router)]
    return [
        *add_section(f"What it gains{more}", *told, _describe_costs(router), _describe_rivals(router)),
        *add_section(f"Models and features{more}",
                     _describe_models(router, router["source"].replace("records", "lessons")) if router["lessons"]
                     else None),
        *add_section(f"The fixed arms{more}", _describe_fixed(router)),
    ]  # fmt: skip


def _describe_time(point: Row) -> str:
    share = "" if point["share"] is None else f", {fmt.percent(point['share'])} of the gap to the oracle"
    return (f"With a price on seconds instead of tokens: {fmt.percent(point['accuracy'])} at {point['cost']:.3g} s, "
            f"where the hull has {fmt.percent(point['hull'])}; gain {fmt.points(point['gain'])} points "
            f"[{fmt.points_interval(point, 'gain_', ', ')}]{share}.")  # fmt: skip


def _describe_mix(mix: Sequence[Row]) -> str:
    shares = sorted((entry for entry in mix if entry["share"] > 0), key=lambda entry: -entry["share"])
    return fmt.some([f"{entry['arm']} {fmt.percent(entry['share'])}" for entry in shares], 5)


def _describe_costs(router: Row) -> Table:
    columns = {"at the cost of": text("arm", 1), "tokens": count("cost"), "the arm": percent("arm_accuracy"),
               "hull": percent("hull"), "router": percent("accuracy"), **_GAIN, "oracle": percent("oracle"), **_SHARE}
    note = ("Accuracy of each way at the mean tokens of a fixed arm; between two steps of a way, that of a random mix "
            "of them. Gain: router less hull, in points. 95 %: bootstrap over puzzles, hull and oracle made anew in "
            "every sample. Arms that cost less than the router can are left out.")  # fmt: skip
    return make_table("The router at the cost of each fixed arm.", router["at_costs"], columns, note, router["source"])


def _describe_rivals(router: Row) -> Table:
    point = router["point"]
    columns = {"way": text("way", 1), "accuracy": percent("accuracy"), "gain": made(lambda e: fmt.points(
        None if e["accuracy"] is None else e["accuracy"] - point["hull"])), "from": count("cheapest")}  # fmt: skip
    note = ("Gain: over the hull. Difficulty alone: the best arm for each of eight bins of predicted difficulty. "
            "Cascade: arms one after the other until the exact verifier accepts, which only it hears; chains chosen on "
            "other puzzles. Router's mix at random: its arms in its proportions, dealt without looking. Any arm at "
            "random: one point, at the mean cost of all arms. The oracle knows all chances, pays for no look, and "
            "takes one arm a puzzle, which a cascade need not.")  # fmt: skip
    caption = f"Every way at {fmt.count(point['cost'])} tokens a puzzle."
    return make_table(caption, router["rivals"], columns, note, router["source"])


def _describe_quality(router: Row) -> KeyValues:
    quality, costs = router["quality"], router["costs"]
    show = {key: fmt.fixed(quality[key], 3) for key in ("loss", "entropy", "auc", "auc_bound", "brier")}
    return KeyValues((
        ("Loss (nats)", f"{show['loss']}, of which {show['entropy']} is the entropy of the labels"),
        ("AUC", f"{show['auc']}, at most {show['auc_bound']}"),
        ("Brier score", show["brier"]),
        ("Tokens", f"predicted sum {fmt.fixed(costs['ratio'], 2)} of the real one; of the variance of their logarithm "
                   f"{fmt.percent(costs['explained'])} explained"),
        ("Look", f"{router['fee']:.0f} tokens a puzzle"),
    ))  # fmt: skip


def _describe_models(router: Row, source: str) -> Table:
    columns = {
        "model, features": text("lesson", 1), "seen": count("columns"), "loss": fixed("loss", 3),
        "excess": fixed("excess", 3), "AUC": fixed("auc", 3), "tokens": count("cost"), "router": percent("accuracy"),
        **_GAIN, **_SHARE, "ratio": fixed("ratio", 2),
    }  # fmt: skip
    note = ("On test puzzles, each at its own operating point, chosen on other puzzles. Seen: features. Excess: loss "
            "above the entropy of the labels. Free: features that take no sampled token; none: it knows the arms "
            "alone; oracle: with counts of the exact solver, which no router may see. Ratio: tokens for the accuracy "
            "of the best fixed arm, as a share of its own.")  # fmt: skip
    return make_table("What models and features do.", router["lessons"], columns, note, source)


def _describe_fixed(router: Row) -> Table:
    known = [(name, title, digits) for name, title, digits in _BESIDES if any(e[name] is not None
                                                                              for e in router["fixed"])]  # fmt: skip
    columns = {"arm": text("step", 1), "accuracy": percent("accuracy", "low", "high"), "tokens": count("tokens")}
    columns |= {title: made(lambda e, name=name, digits=digits: MISSING if e[name] is None else f"{e[name]:.{digits}}")
                for name, title, digits in known}  # fmt: skip
    columns["on the hull"] = made(lambda e: "yes" if e["step"] in router["hull"] else "")
    note = ("Calls: of policy and critic, for one puzzle. p50, p95: seconds of an attempt at a puzzle, quantiles over "
            "seeds or draws, then means over puzzles.") if known else ""  # fmt: skip
    return make_table("Every arm for all test puzzles.", router["fixed"], columns, note, router["source"])


def _describe_published(numbers: Row) -> Table:
    rows = []
    for router in numbers["routers"]:
        best, point = router["best"], router["point"]
        rows += [
            {"data": f"Game of 24, ours, {router['label']}", "way": way, "accuracy": accuracy, "tokens": tokens,
             "seconds": None, "checked": "measured"}
            for way, accuracy, tokens in (
                (f"{best['arm']}, the best fixed arm", best["arm_accuracy"], best["arm_cost"]),
                ("hull of the fixed arms at the router's cost", point["hull"], point["cost"]),
                (f"router, price of a token {router['price']:.3g}", point["accuracy"], point["cost"]),
                ("oracle at the router's cost", point["oracle"], point["cost"]),
            )
        ]  # fmt: skip
    columns = {"problems": text("data", 1), "way": text("way", 1.4), "accuracy": percent("accuracy"),
               "tokens": count("tokens"), "seconds": count("seconds"), "checked": text("checked", 0.8)}  # fmt: skip
    note = (f"Published: {ROUTED}; other problems, another model and tokenizer: not one contest. From its numbers, the "
            "router gains about 2.9 points over the hull of its fixed arms at 20.8k tokens, some 23 % of the gap to "
            "the oracle's best; on MATH-500 it chose the largest beam search for every question where tokens were "
            "cheap.")  # fmt: skip
    return make_table("Ours above, published points below.", [*rows, *numbers["published"]], columns, note,
                      "the records; the paper named")  # fmt: skip


def list_negatives(router: Row) -> list[str]:
    """What did not work, as far as the records show."""
    name, point, best, told = router["label"], router["point"], router["best"], []
    if point["gain_low"] is not None and point["gain_low"] <= 0:
        told.append(f"{name}: at its operating point the gain over the hull is not beyond chance: "
                    f"{fmt.points(point['gain'])} points, 95 % {fmt.points_interval(point, 'gain_')}.")  # fmt: skip
    if point["share"] is None or point["share"] < AIM:
        share = "none" if point["share"] is None else fmt.percent(point["share"])
        told.append(f"{name}: less than {AIM:.0%} of the gap between hull and oracle is closed there: {share}.")
    if below := [e for e in router["at_costs"] if e["gain_high"] is not None and e["gain_high"] < 0]:
        listed = ", ".join(f"{e['arm']} ({fmt.points(e['gain'])})" for e in below)
        told.append(f"{name}: at the cost of these arms the router is below the hull, beyond chance: {listed}.")
    if best["ratio"] is None or best["ratio"] > 0.5:
        what = "never reached" if best["ratio"] is None else f"{best['ratio']:.2f} of its tokens"
        told.append(f"{name}: the accuracy of the best fixed arm takes more than half of its tokens: {what}.")
    models = {e["lesson"]: e for e in router["lessons"]}
    better = [e for e in models.values() if e["lesson"] != router["lesson"] and "oracle" not in e["lesson"]
              and e["share"] is not None and e["share"] > (models.get(router["lesson"], e)["share"] or 0)]  # fmt: skip
    if better:
        first = max(better, key=lambda e: e["share"])
        told.append(f"{name}: {first['lesson']} would have closed more of the gap on these puzzles "
                    f"({fmt.percent(first['share'])}); it was not chosen on the others.")  # fmt: skip
    return told or [f"{name}: nothing that these records show."]


def list_limits(routers: Sequence[Row]) -> list[str]:
    """What the numbers do not say."""
    limits = [
        "Intervals cover the choice of test puzzles, not the luck of training or of the split into parts.",
        "Seconds are shares of the model time of batches that many searches fill together: they compare arms on one "
        "machine, and are not the latency of a problem alone.",
        "The hull is that of the test puzzles themselves, which flatters the fixed arms, not the router.",
    ]
    for router in routers:
        if router["trials"] < FEW:
            limits.append(f"{router['label']}: some labels are worth {router['trials']:.0f} independent trials only "
                          f"(median {router['trials_median']:.0f}): there the oracle knows luck too, and the gap to it "
                          "is overrated.")  # fmt: skip
        if (count := router["puzzles"].get("test", 0)) < FEW_PUZZLES:
            limits.append(f"{router['label']}: {count} test puzzles: differences of a few points are chance.")
    return limits
