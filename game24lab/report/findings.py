"""Findings: what a figure shows, in one sentence that is computed from the rows that it draws.

A caption begins with one. Two shares differ beyond chance where their 95 % intervals do not touch, which asks more than
a paired test would; a difference with an interval of its own where that does not hold 0. What was chosen or helped is
kept apart by mode. A missing number (None or NaN) is never 0, and without intervals nothing is said of chance.

This module does not know what a figure looks like, nor which report it stands in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from game24lab.views.tables import formats as fmt

Row = Mapping[str, Any]
MODES = {"verified": "verified", "rules": "by the rules", "blind": "blind"}  # in words, as they follow a name
COSTS = {"sampled_tokens": ("tokens", fmt.count), "flops": ("FLOPs", fmt.short), "calls": ("calls", fmt.count),
         "thinking": ("FLOPs of thinking", fmt.short)}  # fmt: skip
CHANCE = 0.05  # of so many comparisons without any effect an interval of 95 % leaves out 0
MANY = 10  # comparisons, from which on it is said how many are beyond chance by luck


@dataclass(frozen=True)
class _Lead:
    """The best row of some, how many others there are, and how many of these its interval touches (None: unknown)."""

    row: Row
    others: int
    near: int | None
    even: bool  # all of them solve equally many


def find_best(
    rows: Sequence[Row], name: str = "label", cost: str | None = "sampled_tokens", noun: str = "arm", where: str = ""
) -> str:
    """Which of some rows solves most, in each mode, and whether that is more than chance.

    Rows have `accuracy`, and may have `low`, `high`, `mode`, a cost, and `problems` (or `puzzles`) and `seeds`. The
    cheaper of equals leads. `where` says at which point of the figure this is.
    """
    known = [row for row in rows if read(row, "accuracy") is not None]
    if not known:
        return f"No {noun} was judged."
    if all(row["accuracy"] == 0 for row in known):
        who = f"No {noun} solves any" if len(known) > 1 else f"{_name(known[0], name)} solves none"
        return f"{who} of {describe_size(known)}{where}."
    groups: dict[str, list[Row]] = {}
    for row in known:
        groups.setdefault(str(row.get("mode") or ""), []).append(row)
    leads = {mode: _lead(groups[mode], cost) for mode in sorted(groups, key=[*MODES, *groups].index)}
    if len(leads) == 1:
        return _tell_lead(next(iter(leads.values())), name, cost, noun, where)
    unsure = [lead for lead in leads.values() if lead.near]
    size = describe_size([lead.row for lead in leads.values()])
    head = f"No {noun} is best beyond chance on {size}{where}; ahead are: " if len(unsure) == len(leads) else \
        f"Best on {size}{where}: "  # fmt: skip
    told = [f"{MODES.get(mode, mode)}{' ' * bool(mode)}{lead.row[name]}, {tell_share(lead.row)}"
            f"{_tell_cost(lead.row, cost)}" + _bracket(lead) * (len(unsure) < len(leads))
            for mode, lead in leads.items()]  # fmt: skip
    return f"{head}{'; '.join(told)}."


def _lead(rows: Sequence[Row], cost: str | None) -> _Lead:
    """Without an interval of the best nothing is known; others without one count as touched."""
    def rank(row: Row) -> tuple[float, float]:
        spent = read(row, cost) if cost else None
        return row["accuracy"], -(math.inf if spent is None else spent)

    best = max(rows, key=rank)
    others, low = [row for row in rows if row is not best], read(best, "low")
    even = bool(others) and all(row["accuracy"] == best["accuracy"] for row in others)
    if low is None or all(read(row, "high") is None for row in others):
        return _Lead(best, len(others), None if others else 0, even)
    near = sum((high := read(row, "high")) is None or high >= low for row in others)
    return _Lead(best, len(others), near, even)


def _name(row: Row, name: str) -> str:
    mode = str(row.get("mode") or "")
    return f"{row[name]} ({MODES.get(mode, mode)})" if mode else str(row[name])


def _tell_lead(lead: _Lead, name: str, cost: str | None, noun: str, where: str) -> str:
    who = _name(lead.row, name)
    what = f"{tell_share(lead.row)} of {describe_size([lead.row])}{_tell_cost(lead.row, cost)}{where}"
    if not lead.others:
        return f"{who} solves {what}."
    if lead.even:
        return f"No {noun} differs: all {lead.others + 1} solve {what}."
    if lead.near is None:
        return f"{who} solves most, {what}; without intervals, that may be chance."
    if lead.near:
        return f"No {noun} is best beyond chance: {who} solves {what}; {_tell_near(lead)}."
    return f"{who} solves most: {what}."


def _tell_near(lead: _Lead) -> str:
    if lead.others == 1:
        return "the other one's interval touches that"
    which = "all" if lead.near == lead.others else f"{lead.near} of"
    return f"the intervals of {which} {lead.others} others touch that"


def _bracket(lead: _Lead) -> str:
    return " (no interval)" if lead.near is None else f" ({_tell_near(lead)})" if lead.near else ""


def _tell_cost(row: Row, cost: str | None) -> str:
    spent = read(row, cost) if cost else None
    if cost is None or spent is None:
        return ""
    unit, write = COSTS.get(cost, (cost.replace("_", " "), fmt.count))
    return f" at {write(spent)} {unit}"


def find_rise(
    points: Sequence[Row], x: str, at: str = "{}", key: str = "accuracy", what: str = "Accuracy", paired: bool = False
) -> str:  # fmt: skip
    """How a share goes from the first point to the last, and over a peak between them where that is beyond chance.

    `at` writes a point's `x`. `paired`: the points are of the same attempts, so that a rise is none of chance.
    """
    known = [point for point in points if read(point, key) is not None]
    if not known:
        return f"No {what[0].lower()}{what[1:]} was measured."
    first, last, peak = known[0], known[-1], max(known, key=lambda point: point[key])

    def tell(point: Row) -> str:
        return f"{tell_share(point, key)} at {at.format(_write(point[x]))}"

    if len(known) == 1:
        return f"{what} is {tell(first)}; nothing else was measured."
    if first[key] == last[key] == peak[key] and min(point[key] for point in known) == first[key]:
        return f"{what} stays at {fmt.percent(first[key])} from {at.format(_write(first[x]))} to " \
               f"{at.format(_write(last[x]))}."  # fmt: skip
    if differ(peak, first) and differ(peak, last):
        return f"{what} rises from {tell(first)} to {tell(peak)}, and falls to {tell(last)}."
    apart = differ(first, last)
    if apart is False and not (paired and first[key] != last[key]):
        return f"{what} does not change beyond chance: {tell(first)}, {tell(last)}."
    verb = "rises" if last[key] > first[key] else "falls" if last[key] < first[key] else "goes"
    return f"{what} {verb} from {tell(first)} to {tell(last)}" + "; without intervals, that may be chance." * (
        apart is None and not paired) + "." * (apart is not None or paired)  # fmt: skip


def find_gap(before: Sequence[Row], after: Sequence[Row], x: str, at: str = "{}", who: str = "It") -> str:
    """Where on two curves over the same `x` the second gains most on the first, and whether that is beyond chance."""
    first = {row[x]: row for row in before if read(row, "accuracy") is not None}
    pairs = [(first[row[x]], row) for row in after if row[x] in first and read(row, "accuracy") is not None]
    if not pairs:
        return f"No point of {who} can be compared."
    low, high = max(pairs, key=lambda pair: pair[1]["accuracy"] - pair[0]["accuracy"])
    if high["accuracy"] <= low["accuracy"]:
        return f"{who} gains nowhere of {len(pairs)} points; at best {fmt.percent(low['accuracy'])} stay " \
               f"{fmt.percent(high['accuracy'])} at {at.format(_write(high[x]))}."  # fmt: skip
    sure = {True: "beyond chance", False: "though their intervals touch", None: "without intervals"}
    return (f"{who} gains most at {at.format(_write(high[x]))}, from {tell_share(low)} to {tell_share(high)}, "
            f"{sure[differ(low, high)]}.")  # fmt: skip


def find_passes(points: Sequence[Row], name: str = "arm") -> str:
    """How pass@k rises with k, of one series of `points`; of several, which comes furthest at the largest k of all."""
    series: dict[Any, list[Row]] = {}
    for point in sorted(points, key=lambda point: point["k"]):
        series.setdefault(point[name], []).append(point)
    if len(series) < 2:
        return find_rise(next(iter(series.values()), []), "k", "k = {}", what="Pass@k", paired=True)
    most = min(some[-1]["k"] for some in series.values())
    ends = [point for point in points if point["k"] == most]
    return find_best(ends, name, None, noun="series", where=f" at k = {most}")


def find_extremes(rows: Sequence[Row], name: str, noun: str) -> str:
    """Where most is solved and where least, and whether the two differ beyond chance."""
    known = [row for row in rows if read(row, "accuracy") is not None]
    if not known:
        return f"No {noun} was judged."
    most, least = (pick(known, key=lambda row: row["accuracy"]) for pick in (max, min))
    if len(known) == 1:
        return f"{most[name]}: {tell_share(most)} solved."
    ends = f"{most[name]} {tell_share(most)} and {least[name]} {tell_share(least)}"
    if most["accuracy"] == least["accuracy"]:
        return f"No {noun} differs: {fmt.percent(most['accuracy'])} everywhere."
    if not differ(most, least):
        return f"No {noun} differs from another beyond chance; furthest apart are {ends}."
    return f"Solved most and least: {ends}, beyond chance."


def find_changes(rows: Sequence[Row], name: str = "name", noun: str = "parameter") -> str:
    """How many changes of accuracy (`difference`, `low`, `high`) are beyond chance, and which is the largest."""
    known = [row for row in rows if all(read(row, key) is not None for key in ("difference", "low", "high"))]
    if not known:
        return f"No {noun} was compared."
    sure = [row for row in known if not row["low"] <= 0 <= row["high"]]
    largest = max(sure or known, key=lambda row: abs(row["difference"]))
    told = f"{largest[name]}, {fmt.points(largest['difference'])} points [{fmt.points_interval(largest)}]"
    if not sure:
        return f"No {noun} changes the accuracy beyond chance; furthest from 0: {told}."
    luck = f", where luck alone makes {CHANCE * len(known):.0f}" if len(known) >= MANY else ""
    return (f"{len(sure)} of {len(known)} comparisons of a {noun} show{'s' * (len(sure) == 1)} a change beyond chance"
            f"{luck}; most: {told}.")  # fmt: skip


def tell_change(change: Row) -> str:
    """A difference in points with its interval, and whether it is more than chance."""
    if any(read(change, key) is None for key in ("difference", "low", "high")):
        return "no points known"
    sure = "within" if change["low"] <= 0 <= change["high"] else "beyond"
    return f"{fmt.points(change['difference'])} points [{fmt.points_interval(change)}], {sure} chance"


def tell_share(row: Row, key: str = "accuracy") -> str:
    """A share, with its interval where it is known."""
    known = key == "accuracy" and read(row, "low") is not None and read(row, "high") is not None
    return f"{fmt.percent(row[key])} [{fmt.interval(row)}]" if known else fmt.percent(row[key])


def describe_size(rows: Sequence[Row]) -> str:
    """How many problems some rows were judged on, and with how many seeds, as far as they say."""
    counts = sorted({int(n) for row in rows if (n := read(row, "problems") or read(row, "puzzles"))})
    seeds = sorted({int(n) for row in rows if (n := read(row, "seeds"))})
    size = _reach(counts) if counts else "all"
    return f"{size} problems" + (f" ({_reach(seeds)} seed{'s' * (seeds[-1] > 1)})" if seeds else "")


def _reach(counts: Sequence[int]) -> str:
    return " to ".join(dict.fromkeys(f"{n:,}" for n in (counts[0], counts[-1])))


def differ(one: Row, other: Row) -> bool | None:
    """Whether two intervals do not touch; None where one is not known."""
    ends = [read(row, key) for row in (one, other) for key in ("low", "high")]
    if any(end is None for end in ends):
        return None
    return ends[0] > ends[3] or ends[2] > ends[1]  # type: ignore[operator]


def read(row: Row, key: str) -> float | None:
    """A number of a row; None where it is missing or NaN."""
    value = row.get(key)
    return None if value is None or value != value else float(value)


def _write(value: Any) -> str:
    return value if isinstance(value, str) else fmt.show(value)

