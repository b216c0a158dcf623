"""Writes a report: runs are read, summarised, described and laid out as a PDF, with its numbers as JSON beside it.

A section module (`report/sections/`, one a kind) has `TITLE`, `gather_numbers(evidence, title)` and
`make_report(evidence, numbers)`. No model is needed or loaded. This module does not know what a report is about.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from game24lab.report.document import Heading, Paragraph, Report, build_report
from game24lab.report.evidence import read_evidence
from game24lab.report.kept import read_kept
from game24lab.report.kinds import KINDS
from game24lab.runs.checks import require_one_of
from game24lab.runs.run import write_atomically


def write_report(kind: str, folders: Sequence[str | Path], output: str | Path, *, title: str | None = None) -> Path:
    """Write the PDF `output` and beside it `<name>.json` with the numbers it quotes; returns the PDF's path.

    A JSON file that a report has left stands for its runs: then the PDF is made from the numbers alone, without the
    figures that are drawn from the runs' own files, and the JSON is copied as it is.

    ValueError for an unknown kind, for broken files and for runs that measured nothing that the report is about;
    FileNotFoundError where a folder holds no run. Nothing is written then.
    """
    report, text = make_report(kind, folders, title=title)
    output = build_report(report, output)
    write_atomically(output.with_suffix(".json"), lambda draft: draft.write_text(text, encoding="utf-8"))
    return output


def make_report(kind: str, folders: Sequence[str | Path], *, title: str | None = None) -> tuple[Report, str]:
    """A report before it is laid out, and the JSON of its numbers; errors as of `write_report`."""
    require_one_of("kind", kind, tuple(KINDS))
    section = importlib.import_module(f"game24lab.report.sections.{KINDS[kind].module}")
    kept = [Path(folder) for folder in folders if str(folder).endswith(".json")]
    if kept:
        if len(folders) > 1:
            raise ValueError(f"{kept[0]}: a report is made from one JSON file or from run folders, got {len(folders)}")
        text = kept[0].read_text(encoding="utf-8")
        report = _make_from_kept(kind, section, kept[0], title)
    else:
        evidence = read_evidence(folders, KINDS[kind].needed)
        numbers = section.gather_numbers(evidence, section.TITLE if title is None else title)
        text = json.dumps(numbers, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        report = section.make_report(evidence, numbers)
    return report, text


def _make_from_kept(kind: str, section: Any, path: Path, title: str | None) -> Report:
    """ValueError for the numbers of another kind of report."""
    numbers = read_kept(path) | ({} if title is None else {"title": title})
    try:
        report = section.make_report([], numbers)
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path} must hold the numbers of a report of the kind {kind}, got {error!r}") from None
    told = (f"Made from {path.name} alone: what is drawn from the runs' own files (curves of trainings, histograms of "
            f"answers, trees, the mix of arms by price) is not in it. A study that is run again draws it too: "
            f"{KINDS[kind].study}.")  # fmt: skip
    return replace(report, blocks=(*report.blocks, Heading("How this PDF was made"), Paragraph(told)))
