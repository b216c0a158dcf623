"""The result tables of expert iteration, made from the numbers that are kept of its runs.

It does not know how anything was measured.
"""

from __future__ import annotations

from typing import Any

from game24lab.report.result_arms import MODE_HEAD, name_arm, spread_modes
from game24lab.report.result_cells import show, show_accuracy, show_change, tabulate

_KS = (1, 64, 4096)


def tell_iteration(report: Any) -> list[str]:
    """Start and lines, what moved, and searches with the best models."""
    return [f"n = {report['lines'][0]['problems']} held-out problems.", tabulate_lines(report), tabulate_moves(report),
            *([tabulate_final(report)] if report["final"] else [])]  # fmt: skip


def tabulate_lines(report: Any) -> str:
    """The start and where each line ended: training problems solved, exact pass@k, and what it has over the main
    line at one sample and at 64."""
    rows = []
    for line in report["lines"]:
        gaps = [show_change({"difference": line[name], "low": line[f"{name}_low"], "high": line[f"{name}_high"]})
                if name in line else "" for name in ("gap", "gap_64")]  # fmt: skip
        rows.append([f"`{line['line']}`", str(line["seeds"]), _share(line["solved"]),
                     *(show_accuracy(line, f"pass_{k}", f"pass_{k}_") for k in _KS), *gaps,
                     _share(line["below"]), show(line["flops"] / 1e12)])  # fmt: skip
    names = " | ".join(f"pass@{k}" for k in _KS)
    gaps = " | ".join(f"pass@{k} over `search`" for k in _KS[:2])
    return tabulate(f"line | seeds | training solved | {names} | {gaps} | below 1e-4 | TFLOPs", rows)


def tabulate_moves(report: Any) -> str:
    """Held-out problems by their exact chance at the start and in the round that was kept last."""
    rows = [[f"`{row['line']}`", *(_share(row[key]) for key in ("rare_share", "rare_to_usual", "likely_to_rare",
                                                                "fell")),
             f"{row['gain']:+.2f} [{row['gain_low']:.2f}, {row['gain_high']:.2f}]"]
            for row in report["moved"]]  # fmt: skip
    header = "line | below 1e-4 at the start | of these to 1e-2 | from 1e-2 to below 1e-4 | fell | log10 p"
    return tabulate(header, rows)


def tabulate_final(report: Any) -> str:
    """Searches with the best models of the main line, in the modes that they were run in."""
    named = [(_name(arm), arm) for arm in report["final"]]
    return tabulate(f"strategy | {MODE_HEAD}", spread_modes(named))


def _name(arm: Any) -> str:
    """An arm in words, with the sampled tokens that end it, where something does."""
    name, most = name_arm(arm), arm["parameters"].get("budget", {}).get("sampled_tokens")
    first, comma, rest = name.partition(" draws")
    return f"{first}{comma} and {show(most)} tokens{rest}" if most else name


def _share(share: float | None) -> str:
    return "" if share is None else f"{show(100 * share, 1)} %"
