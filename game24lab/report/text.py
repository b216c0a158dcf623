"""The words that all reports share: shares, counts and intervals as text, figures as pictures, where runs are from.

It does not know what any report is about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from game24lab.report.document import MISSING, Block, Heading, Paragraph, Picture, Report, Table, build_report
from game24lab.runs.run import write_atomically
from game24lab.views.charts import svg as vector

_LISTED = 3  # sources named one by one
WIDE, SMALL = 640, 310  # pixels of a figure over the page, and over half of it


def write_report(report: Report, numbers: Mapping[str, Any], output: str | Path) -> Path:
    """Write the PDF `output` and beside it `<name>.json` with the numbers it quotes; returns the PDF's path."""
    output = Path(output)
    build_report(report, output)
    text = json.dumps(numbers, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(output.with_suffix(".json"), lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return output


def compose_report(title: str, runs: Sequence[Mapping[str, Any]], blocks: Sequence[Block]) -> Report:
    """A report with its head and foot: which runs it is about, and the day the last of them ended."""
    ends = sorted(filter(None, (run["end"] or run["start"] for run in runs)))
    date = datetime.fromisoformat(ends[-1]) if ends else None
    names = ", ".join(dict.fromkeys(run["name"] for run in runs))
    subtitle = " · ".join(filter(None, (names, date and f"{date:%Y-%m-%d}")))
    footer = " · ".join(f"{run['name']} {run['id']}" for run in runs[:4])
    more = f" and {len(runs) - 4} more" if len(runs) > 4 else ""
    return Report(title, subtitle, tuple(blocks), f"runs {footer}{more}", date)


def tell_origin(runs: Sequence[Mapping[str, Any]], more: Sequence[tuple[str, str]] = ()) -> list[Block]:
    """The runs behind a report, their parameters (and `more` named settings) and packages."""
    rows, settings = [], []
    for run in runs:
        started = (run["start"] or MISSING)[:16].replace("T", " ")
        name = f"{run['name']}: {run['label']}" if run.get("label") else run["name"]
        rows.append((name, run["id"], run["status"], write_value(run["seed"]), started, write_duration(run),
                     write_commit(run, 7), run["manifest_sha256"]))  # fmt: skip
        settings.append((name, write_settings(run["parameters"])))
    packages = next((run["packages"] for run in reversed(runs) if run["packages"]), {})
    header = ("run", "id", "status", "seed", "started (UTC)", "took", "commit", "manifest")
    return [
        Heading("Origin"),
        Table("The runs behind this report. Manifest: SHA-256 of the run's manifest.json.", "the manifests", header,
              tuple(rows), ("left",) * len(header)),
        Table("Parameters of runs and arms.", "the manifests and records.parquet", ("run or arm", "parameters"),
              (*settings, *more), ("left", "left"), (0, 1)),
        *([Paragraph("Packages: " + ", ".join(f"{k} {v}" for k, v in packages.items()) + ".")] if packages else []),
    ]  # fmt: skip


def limit_runs(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What keeps runs from being the last word: not finished, or made with uncommitted changes."""
    limits = [f"Run {run['name']} {run['id']} is {run['status']}: its records are not complete."
              for run in runs if run["status"] != "finished"]  # fmt: skip
    if dirty := [f"{run['name']} {run['id']}" for run in runs if (run["git"] or {}).get("dirty")]:
        limits.append(f"Made with uncommitted changes, so that the commit does not fix the code: {', '.join(dirty)}.")
    return limits


def draw_picture(figure: Any, caption: str, source: str, height: int, width: int = WIDE) -> Picture:
    """A Plotly figure as a picture of a size in pixels; the caption says in words what it shows."""
    figure.update_layout(width=width, height=height)
    return Picture(caption, source, vector.to_svg(figure), caption)


def join_sources(entries: Sequence[Mapping[str, Any]]) -> str:
    """The sources of some entries, each once; many are only counted, for they stand below."""
    sources = dict.fromkeys(entry["source"] for entry in entries)
    return "; ".join(sources) if len(sources) <= _LISTED else f"the records of {len(sources)} runs, see Origin"


def write_commit(run: Mapping[str, Any], digits: int) -> str:
    """The commit that a run was made with."""
    git = run["git"] or {}
    if not git.get("commit"):
        return "no commit known"
    return f"{git['commit'][:digits]}{' + changes' if git.get('dirty') else ''}"


def write_duration(run: Mapping[str, Any]) -> str:
    """From a run's first start to its end."""
    if not run["start"] or not run["end"]:
        return MISSING
    seconds = (datetime.fromisoformat(run["end"]) - datetime.fromisoformat(run["start"])).total_seconds()
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def write_percent(share: float | None) -> str:
    """12.3 %."""
    return MISSING if share is None else f"{100 * share:.1f} %"


def write_range(ends: Mapping[str, Any], prefix: str = "") -> str:
    """The interval `<prefix>low` to `<prefix>high` in percent."""
    low, high = ends[f"{prefix}low"], ends[f"{prefix}high"]
    return MISSING if low is None or high is None else f"{100 * low:.1f}\u2009–\u2009{100 * high:.1f}"


def write_count(number: float | None) -> str:
    """1,234."""
    return MISSING if number is None else f"{number:,.0f}"


def write_short(number: float | None) -> str:
    """1.24 G for 1,240,000,000."""
    if number is None:
        return MISSING
    for size, unit in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}"


def write_settings(parameters: Mapping[str, Any]) -> str:
    """`name = value, ...`, each on one line where it is short."""
    return ", ".join(keep_together(f"{key} = {write_value(value)}") for key, value in parameters.items()) or MISSING


def keep_together(text: str) -> str:
    """Short texts keep their words on one line."""
    return text.replace(" ", "\u00a0") if len(text) < 30 else text


def write_value(value: Any) -> str:
    """A parameter's value."""
    return MISSING if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
