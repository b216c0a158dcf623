"""How far a critic's values can be trusted: reliability, spread, Brier score, AUC, by depth and among siblings.

Values lie in [-1, 1] and mean 2 P - 1. They are held against the truth (is the position alive?) or against what really
happened (the share of rollouts solved from there). It does not know where values or truths come from, nor any model.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from game24lab.evaluation.statistics import wilson


def calibrate(values: Sequence[float], targets: Sequence[float], *, bins: int = 10) -> pd.DataFrame:
    """Reliability, a row a bin that is not empty: `n`, `predicted` (mean P), `observed` (mean target), `low`, `high`.

    `targets` are truths or shares from 0 to 1; a position whose target is NaN is left out. The interval is Wilson's at
    95 % with one observation a position, however many rollouts its share comes from.
    """
    p, targets = (np.asarray(values, float) + 1) / 2, np.asarray(targets, float)
    place, rows = np.minimum((p * bins).astype(int), bins - 1), []
    for index in range(bins):
        inside = (place == index) & ~np.isnan(targets)
        if n := int(inside.sum()):
            observed = float(targets[inside].mean())
            low, high = wilson(round(observed * n), n)
            rows.append({"n": n, "predicted": float(p[inside].mean()), "observed": observed, "low": low, "high": high})
    return pd.DataFrame(rows, columns=["n", "predicted", "observed", "low", "high"])


def spread(values: Sequence[float], truths: Sequence[bool], *, bins: int = 20) -> pd.DataFrame:
    """How values fall on alive and dead positions: columns `value` (middle of a bin), `truth`, `share` of its truth."""
    edges = np.linspace(-1, 1, bins + 1)
    values, truths, tables = np.asarray(values, float), np.asarray(truths, bool), []
    for truth in (True, False):
        counts, _ = np.histogram(values[truths == truth], edges)
        shares = counts / max(1, counts.sum())
        tables.append(pd.DataFrame({"value": (edges[1:] + edges[:-1]) / 2, "truth": truth, "share": shares}))
    return pd.concat(tables, ignore_index=True)


def measure(values: Sequence[float], truths: Sequence[bool]) -> dict[str, float | None]:
    """Brier score, AUC (ties count half) and the shares judged wrongly at P = 1/2; None where a class is missing."""
    p, alive = (np.asarray(values, float) + 1) / 2, np.asarray(truths, bool)
    positives, negatives = int(alive.sum()), int((~alive).sum())
    auc = None
    if positives and negatives:  # Mann-Whitney
        auc = float((rankdata(p)[alive].sum() - positives * (positives + 1) / 2) / (positives * negatives))
    return {
        "n": len(p),
        "brier": float(np.mean((p - alive) ** 2)),
        "auc": auc,
        "false_dead": float(np.mean(p[alive] < 0.5)) if positives else None,
        "false_alive": float(np.mean(p[~alive] >= 0.5)) if negatives else None,
    }


def measure_faults(values: Sequence[float], kinds: Sequence[str]) -> pd.DataFrame:
    """What a critic thinks of chains that end right, and of every kind of false one, a row a kind, "right" first.

    Columns: `kind`, `n`, `mean` (of P), `accepted` (share of P >= 1/2) with its Wilson interval `low`, `high`.
    """
    table = pd.DataFrame({"kind": list(kinds), "p": (np.asarray(values, float) + 1) / 2})
    rows = []
    for kind, part in table.groupby("kind"):
        accepted = int((part["p"] >= 0.5).sum())
        low, high = wilson(accepted, len(part))
        rows.append({"kind": kind, "n": len(part), "mean": part["p"].mean(), "accepted": accepted / len(part),
                     "low": low, "high": high})  # fmt: skip
    order = sorted(rows, key=lambda row: (row["kind"] != "right", -row["n"]))
    return pd.DataFrame(order, columns=["kind", "n", "mean", "accepted", "low", "high"])


def measure_groups(values: Sequence[float], truths: Sequence[bool], groups: Sequence[Hashable]) -> pd.DataFrame:
    """`measure` for each group, such as each depth, sorted: columns `group`, `alive` (share), then those of `measure`.

    AUC and shares are NaN where a group holds one class only.
    """
    table = pd.DataFrame({"value": values, "truth": np.asarray(truths, bool), "group": groups})
    rows = [{"group": group, "alive": float(part["truth"].mean()), **measure(part["value"], part["truth"])}
            for group, part in table.groupby("group", sort=True)]  # fmt: skip
    columns = ["group", "alive", "n", "brier", "auc", "false_dead", "false_alive"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[3:], float))


def measure_siblings(
    values: Sequence[float], truths: Sequence[bool], parents: Sequence[Hashable], *, widths: Sequence[int] = (1, 2, 5)
) -> dict[str, float | int | None]:
    """How well a critic does what a search needs of it: to tell live siblings from dead ones.

    Only parents with children of both kinds count: `parents`, and `pairs` of a live and a dead child. `auc` is the
    share of pairs in which the live one is valued higher (ties half), the mean over parents, which each count alike;
    `auc_pairs` over all pairs. `pruned_k`: the share of parents of which a beam that keeps the k children of the
    highest values keeps no live one (ties fall evenly). None without such parents.
    """
    table = pd.DataFrame({"value": np.asarray(values, float), "truth": np.asarray(truths, bool), "parent": parents})
    aucs, pairs, pruned = [], [], []
    for _, part in table.groupby("parent", sort=False):
        value, alive = part["value"].to_numpy(), part["truth"].to_numpy()
        if alive.any() and not alive.all():
            aucs.append(measure(value, alive)["auc"])
            pairs.append(int(alive.sum()) * int((~alive).sum()))
            pruned.append([_prune(value, alive, width) for width in widths])
    shares = np.mean(pruned, axis=0) if pruned else [None] * len(widths)
    return {
        "parents": len(pairs),
        "pairs": sum(pairs),
        "auc": float(np.mean(aucs)) if aucs else None,
        "auc_pairs": float(np.average(aucs, weights=pairs)) if aucs else None,
        **{
            f"pruned_{width}": None if share is None else float(share)
            for width, share in zip(widths, shares, strict=True)
        },
    }


def _prune(values: np.ndarray, alive: np.ndarray, width: int) -> float:
    """The chance that none of the `width` best is alive, where ties are broken at random."""
    if width >= len(values):
        return 0.0
    edge = np.sort(values)[-width]
    above, tied = values > edge, values == edge
    if alive[above].any():
        return 0.0
    free, dead = width - int(above.sum()), int((tied & ~alive).sum())
    return math.comb(dead, free) / math.comb(int(tied.sum()), free)
