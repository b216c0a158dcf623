"""Arms of tidy tables by mode and by name, as they are called now and as tables and routers from before call them.

It does not know what an arm costs, nor who learns from a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from game24lab.search.modes import FORMER, MODES

KEPT = {mode: f"kept,{mode}" for mode in MODES}  # arms that keep the best answer of the look
_FORMER_KEPT = {f"kept,{former}": KEPT[mode] for former, mode in FORMER.items()}


def name_modes(table: pd.DataFrame) -> pd.DataFrame:
    """A tidy table with both columns `mode` (one of `search.modes.MODES`) and `verified`, kept arms by today's names.

    Tables from before say `verified` alone: what is not, went by the rules. A new table; ValueError for another mode.
    """
    if "mode" not in table and "verified" in table:
        table = table.assign(mode=table["verified"].map({True: "verified", False: "rules"}))
    if "mode" in table:
        modes = table["mode"].replace(FORMER)
        if strange := sorted(map(str, set(modes) - set(MODES))):
            raise ValueError(f"table: mode {strange[0]!r}; one of {', '.join(MODES)} is accepted")
        table = table.assign(mode=modes, verified=modes == "verified")
    return table.assign(arm=table["arm"].replace(_FORMER_KEPT)) if "arm" in table else table


def read_arm_name(name: str) -> str:
    """An arm's name as it is called now."""
    return _FORMER_KEPT.get(name, name)


def read_arm_modes(arms: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """How arms are run, by today's names of modes; the names of the arms stay."""
    return {name: {**arm, "mode": FORMER.get(arm["mode"], arm["mode"])} if "mode" in arm else dict(arm)
            for name, arm in arms.items()}  # fmt: skip


def read_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A router's facts, those on a mode (`prices`, `schedules`) by today's names of modes and arms."""
    named = {key: {FORMER.get(mode, mode): told for mode, told in facts[key].items()}
             for key in ("prices", "schedules") if key in facts}  # fmt: skip
    for mode, told in named.get("schedules", {}).items():
        named["schedules"][mode] = {**told, "arm": [read_arm_name(arm) for arm in told["arm"]]}
    return {**facts, **named}
