"""What a study of scaling comes to, in sentences: the rates, the split of a budget, the law, and what they do not say.

All numbers are the tables of 11_scaling that the report holds. It does not know how the report looks.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from game24lab.report.tables import Row
from game24lab.views.tables import formats as fmt

_USED = 0.5  # share of a budget that buys something, from which it is one that has to be divided


def answer(numbers: Row) -> list[str]:
    """Three sentences: the exchange rates, the split for few and many problems, and what the law foretold."""
    return [find_rates(numbers), *([find_split(numbers)] if numbers["splits"] else []), find_law(numbers)]


def find_rates(numbers: Row) -> str:
    """How much thinking a decade of training replaces."""
    known = [row for row in numbers["rates"] if row["rate"] is not None and row["low"] is not None]
    if not known:
        return "No strategy has an exchange rate with an interval."
    said = "; ".join(f"{row['strategy']} ({row['mode']}) {bracket(row, 'rate')}" for row in known)
    return (f"One decade of training replaces so many decades of thinking: {said}{_tell_bends(known)}"
            f"{_tell_elsewhere(numbers)}.")  # fmt: skip


def _tell_bends(rows: Sequence[Row]) -> str:
    """Of the strategy of the most points whose lines bend beyond chance, the rates on both sides."""
    bent = [row for row in rows if None not in (row["cheaper"], row["dearer"])
            and (row["cheaper_low"] > row["dearer_high"] or row["dearer_low"] > row["cheaper_high"])]  # fmt: skip
    if not bent:
        return ""
    row = max(bent, key=lambda row: row["points"])
    return (f" (means over lines that bend: of {row['strategy']} {bracket(row, 'cheaper', 'cheaper_')} up to "
            f"{row['middle']:.1e} FLOPs of training, {bracket(row, 'dearer', 'dearer_')} above)")  # fmt: skip


def _tell_elsewhere(numbers: Row) -> str:
    """How often the rate of a strategy on another task is another one: their intervals do not meet."""
    here = {(row["strategy"], row["mode"]): row for row in numbers["rates"] if row["low"] is not None}
    said = ""
    for task in dict.fromkeys(row["task"] for row in numbers.get("elsewhere", [])):
        pairs = [(here[key], row) for row in numbers["elsewhere"] if row["task"] == task and row["low"] is not None
                 and (key := (row["strategy"], row["mode"])) in here]  # fmt: skip
        apart = sum(row["low"] > own["high"] or row["high"] < own["low"] for own, row in pairs)
        said += (f"; on {task}, over accuracies of its own, {apart} of {len(pairs)} rates "
                 f"{'lies' if apart == 1 else 'lie'} apart from these, "
                 "interval from interval")  # fmt: skip
    return said


def find_split(numbers: Row) -> str:
    """How a budget is best divided for few and for many problems: the largest of which more than half is of use."""
    ends = find_ends(numbers)
    if not ends:
        return "No budget pays for the most problems."
    said = (f"{fmt.percent(row['share'])} of what is spent goes into thinking for {tell_count(row)}, "
            f"by {row['size']} with {row['strategy']} ({row['mode']}), which solves {fmt.estimate(row)}"
            for row in ends)  # fmt: skip
    judge = "" if ends[0]["verifier"] else " and no verifier to pick the answer"
    return f"With {fmt.short(ends[0]['total'])} FLOPs in all{judge}, {'; '.join(said)}."


def tell_count(row: Row) -> str:
    """How many problems a budget is for."""
    return "one problem" if row["problems"] == 1 else f"{row['problems']:,.0f} problems"


def find_ends(numbers: Row) -> list[Row]:
    """The split of that budget for the fewest and for the most problems, without a verifier where that was measured."""
    bare = [row for row in numbers["splits"] if not row["verifier"]] or numbers["splits"]
    few, many = (pick(row["problems"] for row in bare) for pick in (min, max))
    known = {(row["problems"], row["total"]): row for row in bare}
    totals = sorted({total for _, total in known if {(few, total), (many, total)} <= set(known)})
    used = [total for total in totals if known[few, total]["spent"] > _USED] or totals[:1]
    return [known[few, max(used)], known[many, max(used)]] if used else []


def find_law(numbers: Row) -> str:
    """How well the law of the loss foretells cells that it has not seen."""
    corner = [row for row in numbers["fit_loss"] if row["corner"]]
    if not corner:
        why = next((row["why"] for row in numbers["fit_loss"] if row.get("why")), "there is no law")
        return f"The law was not held against a corner of the grid: {why}."
    missed = sum(abs(row["foretold"] / row["measured"] - 1) for row in corner) / len(corner)
    plain = next((row["missed"] for row in numbers["forms"] if row["form"] == "sum"), None)
    beside = "" if plain is None else f" (as a sum of a power of size and one of tokens, by {fmt.percent(plain)})"
    said = (f"The law of the loss, fitted without its {len(corner)} largest cells, misses them by "
            f"{fmt.percent(missed)} in the mean{beside}")  # fmt: skip
    tried = numbers.get("tried", [])
    if not tried:
        return f"{said}."
    within = sum(row["within"] for row in tried)
    return (f"{said}, and {within} of {len(tried)} models that it has chosen and not seen land within their predicted "
            "intervals.")  # fmt: skip


def list_limits(numbers: Row) -> list[str]:
    """What the numbers do not say."""
    seeds = {(row["size"], row["seed"]) for row in numbers["records"]}
    single = sorted(size for size, _ in seeds if sum(other == size for other, _ in seeds) == 1)
    failed = [f"{row['cell']}: {row['failed']}" for row in numbers["cells"] if row["failed"]]
    without = [f"{row['strategy']} ({row['mode']}): {row['why']}" for row in numbers["rates"] if row["why"]]
    return [
        "A rate holds for the range beside it and for this game: it is not a constant of nature.",
        *([f"Trained once, so that their luck is in no interval: {', '.join(single)}."] if single else []),
        *([f"Cells that failed, and are missing: {'; '.join(failed)}."] if failed else []),
        *([f"Without a rate or its interval: {'; '.join(without)}."] if without else []),
        "The solver that writes the training texts costs no FLOPs here: it multiplies no matrices.",
        *(["Held-out puzzles that need a fraction are left out: texts all but never make one, and their loss, hundreds "
           "of nats at any size, would be what the law is of."] if numbers.get("task", "game24") == "game24" else []),
    ]


def find_extremes(numbers: Row) -> str:
    """The strategies whose training replaces most and least thinking."""
    known = sorted((row for row in numbers["rates"] if row["low"] is not None), key=lambda row: row["rate"])
    if not known:
        return "No strategy has an exchange rate with an interval."
    least, most = (f"{row['strategy']} ({row['mode']}), {row['rate']:.2f}" for row in (known[0], known[-1]))
    return f"A decade of training replaces most decades of thinking of {most}, and fewest of {least}."


def find_fit(numbers: Row) -> str:
    """How well the law holds: for the corner that it has not seen, else for what it was fitted to."""
    if any(row["corner"] for row in numbers["fit_loss"]):
        return find_law(numbers)
    known = [row for row in numbers["fit_loss"] if row.get("predicted") and row["measured"]]
    if not known:
        return "No law was fitted."
    missed = sum(abs(row["predicted"] / row["measured"] - 1) for row in known) / len(known)
    return f"The law misses the {len(known)} cells that it was fitted to by {fmt.percent(missed)} in the mean."


def find_optimum(table: pd.DataFrame) -> str:
    """What the law says is best for the dearest budget that has an optimum, and how far from it is as good: rows of
    `design.trace_isoflops`."""
    best = table[table["best"]]
    if best.empty:
        return f"Of {table['flops'].nunique()} budgets the best lies at or beyond an end of what is drawn."
    row = best.iloc[-1]
    near = table[(table["flops"] == row["flops"]) & table["near"]]["ratio"]
    beyond = "" if row["inside"] else ", beyond what it was fitted to"
    where = f"{row['ratio']:.0f} tokens a parameter ({row['size']}{beyond})"
    return (f"For {fmt.write_float(row['flops'])} FLOPs the law has its best at {where}, but from {near.min():.0f} to "
            f"{near.max():.0f} differ by less than its error.")  # fmt: skip


def bracket(row: Row, name: str, prefix: str = "") -> str:
    """A rate with its 95 % interval, where it has one."""
    if row[f"{prefix}low"] is None:
        return fmt.fixed(row[name], 2)
    return f"{row[name]:.2f} [{row[f'{prefix}low']:.2f}, {row[f'{prefix}high']:.2f}]"
