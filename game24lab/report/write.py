"""Writes a report: runs are read, summarised, described and laid out as a PDF, with its numbers as JSON beside it.

A section module (`report/sections/`, one a kind) has `TITLE`, `gather_numbers(evidence, title)` and
`make_report(evidence, numbers)`. No model is needed or loaded. This module does not know what a report is about.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path

from game24lab.report.document import build_report
from game24lab.report.evidence import read_evidence
from game24lab.report.kinds import KINDS
from game24lab.runs.checks import require_one_of
from game24lab.runs.run import write_atomically


def write_report(kind: str, folders: Sequence[str | Path], output: str | Path, *, title: str | None = None) -> Path:
    """Write the PDF `output` and beside it `<name>.json` with the numbers it quotes; returns the PDF's path.

    ValueError for an unknown kind, for broken files and for runs that measured nothing that the report is about;
    FileNotFoundError where a folder holds no run. Nothing is written then.
    """
    require_one_of("kind", kind, tuple(KINDS))
    section = importlib.import_module(f"game24lab.report.sections.{KINDS[kind].module}")
    evidence = read_evidence(folders, KINDS[kind].needed)
    numbers = section.gather_numbers(evidence, section.TITLE if title is None else title)
    text = json.dumps(numbers, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    output = build_report(section.make_report(evidence, numbers), output)
    write_atomically(output.with_suffix(".json"), lambda draft: draft.write_text(text, encoding="utf-8"))
    return output
