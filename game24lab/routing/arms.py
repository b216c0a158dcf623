"""Arms of tidy tables by mode and by name, as they are called now and as tables and routers from before call them.

It does not know what an arm costs, nor who learns from a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from game24lab.runs.checks import require_one_of
from game24lab.search.modes import FORMER, MODES, read_mode

PROBE_ANSWER = {mode: f"kept,{mode}" for mode in MODES}  # arms that return the best answer of the probe
SIZES = ("n", "width", "simulations", "depth")  # columns: what makes an arm large
_FORMER_ANSWER = {f"kept,{former}": PROBE_ANSWER[mode] for former, mode in FORMER.items()}


def name_modes(table: pd.DataFrame) -> pd.DataFrame:
    """A tidy table with the columns `mode` (one of `search.modes.MODES`) and `verified`, arms by today's names.

    Tables from before say `verified` alone: what is not, went by the rules. A new table; ValueError for another mode.
    """
    if "mode" not in table and "verified" in table:
        table = table.assign(mode=table["verified"].map({True: "verified", False: "rules"}))
    if "mode" in table:
        modes = table["mode"].replace(FORMER)
        if strange := sorted(map(str, set(modes) - set(MODES))):
            raise ValueError(f"table: mode must be one of {', '.join(MODES)}, got {strange[0]!r}")
        table = table.assign(mode=modes, verified=modes == "verified")
    return table.assign(arm=table["arm"].replace(_FORMER_ANSWER)) if "arm" in table else table


def read_arm_name(name: str) -> str:
    """An arm's name as it is called now."""
    return _FORMER_ANSWER.get(name, name)


def read_arm_modes(arms: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """How arms are run, by today's names of modes; the names of the arms stay."""
    return {name: {**arm, "mode": FORMER.get(arm["mode"], arm["mode"])} if "mode" in arm else dict(arm)
            for name, arm in arms.items()}  # fmt: skip


def keep_arms(table: pd.DataFrame, methods: Sequence[str] = (), mode: str = "both") -> pd.DataFrame:
    """The arms of some strategies, such as ["best_of_n", "dvts"] (all for none), in one of `search.modes.MODES` or all
    of them ("both").

    The table has the column `mode`, also where an older one says `verified` alone. ValueError for a strategy or a mode
    without an arm.
    """
    require_one_of("mode", mode, ("both", *MODES, *FORMER))
    table, there = name_modes(table), list(dict.fromkeys(table["method"]))
    for method in methods:
        if method not in there:
            raise ValueError(f"method must be one of {', '.join(there)}, the strategies of the "
                             f"{table['arm'].nunique()} arms, got {method!r}")  # fmt: skip
    kept = table[table["method"].isin(methods)] if methods else table
    mode = mode if mode == "both" else read_mode(mode)
    if mode != "both" and mode not in set(kept["mode"]):
        raise ValueError(f"mode {mode!r}: none of the {kept['arm'].nunique()} arms is {mode}")
    return kept.copy() if mode == "both" else kept[kept["mode"] == mode].copy()


def describe_arms(table: pd.DataFrame) -> pd.DataFrame:
    """Features of the arms of a tidy table: a row an arm, indexed by it, in the order of the table.

    Columns: log2(1 + size) for each of `SIZES`, `verified`, and `method_<name>`, 1 for the arm's own algorithm; `blind`
    where some arm is.
    """
    arms = name_modes(table).drop_duplicates("arm").set_index("arm")
    described = np.log2(1 + arms[list(SIZES)].astype(float))
    described["verified"] = arms["verified"].astype(float)
    if (blind := arms["mode"] == "blind").any():
        described["blind"] = blind.astype(float)
    for method in sorted(set(arms["method"])):
        described[f"method_{method}"] = (arms["method"] == method).astype(float)
    return described
