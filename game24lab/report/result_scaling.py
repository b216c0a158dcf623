"""The result tables of the scaling study, made from the numbers that are kept of its runs.

It does not know how anything was measured or fitted.
"""

from __future__ import annotations

from typing import Any

from game24lab.report.result_cells import Row, show, show_accuracy, tabulate

_NUMBERS = ("exponent of N", "exponent of D", "exponent of k", "constant")
_FORMS = {"law_loss": "product", "law_sum": "sum", "law_pure": "pure"}  # laws, by the form that each has
_WIDE = 3  # decades from which a factor is a power of ten
_MISSED = "no cell was held out"


def tell_scaling(report: Any) -> list[str]:
    """The grid, exchange rates of all tasks, the laws, models that the law chose, and splits of a budget."""
    tried = [tabulate_tried(report)] if report["tried"] else []
    return [_describe(report), tabulate_rates(report), tabulate_laws(report), *tried, tabulate_splits(report)]


def tabulate_rates(report: Any) -> str:
    """Decades of thinking that replace one decade of training, by strategy and mode, those of other tasks last."""
    rows = [{"task": report["task"]} | row for row in report["rates"]] + report["elsewhere"]
    cells = [[row["task"], row["strategy"], row["mode"], _bracket(row, "rate"),
              *(_bracket(row, part, prefix=f"{part}_") for part in ("cheaper", "dearer")),
              "" if row["error"] is None else f"{show(100 * row['error'], 1)} %", show(row["points"]),
              _range(row, "training"), _range(row, "thinking"),
              _span(row)] for row in rows]  # fmt: skip
    return tabulate("task | strategy | mode | decades of thinking | cheaper half | dearer half | error | points | "
                    "training FLOPs | thinking FLOPs | accuracy", cells)  # fmt: skip


def tabulate_exchange(report: Any) -> str:
    """README's table: how many times the thinking ten times the training replaces, of each strategy that has a rate."""
    cells = [[row["strategy"], row["mode"], _times(row, "rate"), _times(row, "dearer", "dearer_"),
              _range(row, "training"), _range(row, "thinking"), _span(row)]
             for row in report["rates"] if row["low"] is not None]  # fmt: skip
    return tabulate("strategy | helped by | thinking that ten times the training replaces | in the dearer half | "
                    "training FLOPs | thinking FLOPs a puzzle | accuracy", cells)  # fmt: skip


def _times(row: Row, name: str, prefix: str = "") -> str:
    """A rate of decades as a factor, with its interval, where there is one."""
    if row[name] is None:
        return ""
    value, low, high = (show(10**end, 1) if (end := row[key]) < _WIDE else f"{10**end:.0e}"
                        for key in (name, f"{prefix}low", f"{prefix}high"))  # fmt: skip
    return f"{value} times [{low}, {high}]"


def tabulate_laws(report: Any) -> str:
    """Exponents of the laws, and of each form of the law of the loss how it fits and foretells."""
    loss = "-log pass@1" if is_chance(report) else "L - E"
    laws = ((f"{loss}, with a product", "law_loss"), (f"{loss}, a sum", "law_sum"), (f"{loss}, pure", "law_pure"),
            ("-log pass@1", "law_chance"), ("-log pass@k", "law_samples"))  # fmt: skip
    cells = [[what, *(_bracket(row, "value") if row else "" for row in
                      (_find(report[name], number) for number in _NUMBERS)), *_judge_form(report, name)]
             for what, name in laws if report[name] and not (name == "law_chance" and is_chance(report))]  # fmt: skip
    return tabulate("law | exponent of N | exponent of D | exponent of k | constant | error | corner missed by", cells)


def _judge_form(report: Any, name: str) -> tuple[str, str]:
    """How a form of the law of the loss fits the cells outside of the corner, and by how much it misses those in it."""
    row = next((row for row in report["forms"] if row["form"] == _FORMS.get(name)), None)
    if row is None:
        return "", ""
    error, missed = (row[key] and f"{show(100 * row[key], 1)} %" for key in ("error", "missed"))
    return error or "", missed or ""


def is_chance(report: Any) -> bool:
    """Whether the law of the loss is that of the chance, for want of a known entropy of the texts."""
    return any(row["what"].startswith("-log") for row in report["fit_loss"][:1])


def tabulate_tried(report: Any) -> str:
    """What was trained on the law's word, beside what it had foretold."""
    cells = [[f"`{row['cell']}`", show(row["parameters"]), show(row["tokens"]), _bracket(row, "predicted", 3),
              show(row["measured"], 3), "yes" if row["within"] else "no"] for row in report["tried"]]  # fmt: skip
    return tabulate("chosen by the law | parameters | tokens | L - E foretold | measured | within", cells)


def tabulate_splits(report: Any) -> str:
    """The best use of three budgets, by the number of problems to be answered."""
    totals = sorted({row["total"] for row in report["splits"]})
    shown = totals[1::2]  # every other one
    cells = [[show(row["problems"]), f"{row['total']:.2g}", row["size"], f"{row['budget']:.2g}",
              "yes" if row["verifier"] else "no",
              f"{row['strategy']}, {row['mode']}, {show(row['effort'])}", f"{show(100 * row['share'], 1)} %",
              show_accuracy(row)] for row in report["splits"] if row["total"] in shown]  # fmt: skip
    return tabulate("problems | FLOPs in all | size | tokens | verifier | strategy, mode, effort | of what is spent on "
                    "thinking | accuracy", cells)


def _describe(report: Any) -> str:
    cells = report["records"]
    corner = [row for row in report["fit_loss"] if row["corner"]]
    missed = sum(abs(row["foretold"] / row["measured"] - 1) for row in corner) / len(corner) if corner else None
    held = _MISSED if missed is None else f"its {len(corner)} largest cells are missed by {show(100 * missed, 1)} %"
    return (f"{len(cells)} checkpoints of {len({row['size'] for row in cells})} sizes, n = {cells[0]['problems']} "
            f"held-out problems; of the law of the loss, {held}.")  # fmt: skip


def _find(rows: list[Row], name: str) -> Row | None:
    return next((row for row in rows if row["name"] == name), None)


def _bracket(row: Row, key: str, digits: int = 2, prefix: str = "") -> str:
    """A number with its interval `<prefix>low` to `<prefix>high`, where it has one."""
    if row[key] is None:
        return ""
    low, high = row[f"{prefix}low"], row[f"{prefix}high"]
    ends = "" if low is None else f" [{show(low, digits)}, {show(high, digits)}]"
    return f"{show(row[key], digits)}{ends}"


def _range(row: Row, name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if low is None else f"{low:.2g} to {high:.2g}"


def _span(row: Row) -> str:
    low, high = row["accuracy_low"], row["accuracy_high"]
    return "" if low is None else f"{show(100 * low, 1)} to {show(100 * high, 1)} %"
