"""Numbers of a report as they are kept: the JSON beside its PDF, from which the PDF can be made anew without its runs.

Files of earlier versions are read as today's, for what they lack there is what says so. It does not know how a report
looks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from game24lab.report.sections.critics import FORMER_NONE
from game24lab.search.modes import FORMER

_TEXTS = ("chains24", "gsm8k")  # tasks whose texts are taken as they were written
_UNKNOWN = "one that the kept numbers do not name"
# What sections read today and older files do not have, by the key that tells the kind of report.
_MISSING: Mapping[str, Any] = {"judges": {"searched": [], "measured": []}, "sensitivity": [], "claims_ends": [],
                               "claims_choices": []}  # fmt: skip


def read_kept(path: str | Path) -> dict[str, Any]:
    """The numbers of a report; OSError where there is no such file, ValueError where it is none of a report."""
    try:
        numbers = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be the JSON beside a report, got {type(error).__name__}") from None
    if not isinstance(numbers, dict) or not isinstance(numbers.get("runs"), list) or "title" not in numbers:
        raise ValueError(f"{path} must be the JSON beside a report, got one without title and runs")
    numbers = {**_MISSING, **_rename_modes(numbers)}
    runs = [run for run in numbers["runs"] if isinstance(run, dict)]
    blind = {run.get("id") for run in runs if (run.get("parameters") or {}).get("task") in _TEXTS}
    numbers = _call_blind(numbers, blind)
    if "routers" in numbers:
        numbers["routers"] = _rename_arms(numbers["routers"])
        numbers["runs"] = [{**run, "label": _rename_arms(run.get("label"))} for run in runs]
    if "critics" in numbers:
        numbers["critics"] = {file: [_rename_critic(row) for row in rows] for file, rows in numbers["critics"].items()}
    return numbers


def _rename_modes(value: Any) -> Any:
    """Former names of modes as today's, wherever a record has a mode."""
    if isinstance(value, list):
        return [_rename_modes(part) for part in value]
    if isinstance(value, dict):
        return {key: FORMER.get(part, part) if key == "mode" and isinstance(part, str) else _rename_modes(part)
                for key, part in value.items()}  # fmt: skip
    return value


def _rename_arms(value: Any) -> Any:
    """Former modes in the names of a router's arms and labels as today's."""
    if isinstance(value, list):
        return [_rename_arms(part) for part in value]
    if isinstance(value, dict):
        return {key: _rename_arms(part) for key, part in value.items()}
    if isinstance(value, str):
        for former, mode in FORMER.items():
            value = re.sub(rf"\b{former}\b", mode, value)
    return value


def _call_blind(value: Any, runs: Collection[str]) -> Any:
    """Arms of some runs that no verifier ended are blind: texts are taken there as they were written."""
    if isinstance(value, list):
        return [_call_blind(part, runs) for part in value]
    if isinstance(value, dict):
        mine = str(value.get("run")) in runs and value.get("mode") == "rules"
        return {key: _call_blind(part, runs) for key, part in value.items()} | ({"mode": "blind"} if mine else {})
    return value


def _rename_critic(row: Mapping[str, Any]) -> dict[str, Any]:
    """A search without a critic was called blind; who the critic is was not said."""
    renamed = {"none" if key == FORMER_NONE else key: part for key, part in row.items()}
    if renamed.get("critic") == FORMER_NONE:
        renamed["critic"] = "none"
    return {"judge": _UNKNOWN, **renamed}
