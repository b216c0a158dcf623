"""What all reports have in common: question, answer, one figure and cost on a page; figures; an appendix with origin.

It does not know what any report is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from game24lab.report.document import Block, Bullets, Columns, Heading, KeyValues, Paragraph, Picture, Report
from game24lab.report.tables import Row, made, make_table, text
from game24lab.runs.notebook import find_notebook, read_parameters
from game24lab.runs.run import PATH_PARAMETER
from game24lab.views.charts import svg as vector
from game24lab.views.charts.labels import label_ends
from game24lab.views.tables import formats as fmt
from game24lab.views.tables.formats import MISSING

WIDE, SMALL = 640, 310  # pixels of a figure over the page, and over half of it


def compose_report(
    title: str, runs: Sequence[Row], question: str, answer: Sequence[str], figure: Picture | None, cost: str,
    figures: Sequence[Block | None], appendix: Sequence[Block],
) -> Report:  # fmt: skip
    """A report: its first page answers the question and says what that cost; two more pages of figures at most; the
    appendix has all else. Head and foot name the runs."""
    ends = sorted(filter(None, (run["end"] or run["start"] for run in runs)))
    date = datetime.fromisoformat(ends[-1]) if ends else None
    names = ", ".join(dict.fromkeys(run["name"] for run in runs))
    subtitle = " · ".join(filter(None, (names, date and f"{date:%Y-%m-%d}")))
    footer = "runs " + fmt.some([f"{run['name']} {run['id']}" for run in runs], 4, " · ")
    first = [Heading("The question"), Paragraph(question), Heading("The answer"), Paragraph(" ".join(answer)),
             *([figure] if figure else []), Heading("What it cost"), Paragraph(f"{cost} {_tell_duration(runs)}")]
    shown = [block for block in figures if block is not None]
    pages = [Heading("In figures", new_page=True), *shown] if shown else []
    last = [Heading("Appendix", new_page=True), *appendix]
    return Report(title, subtitle, (*first, *pages, *last), footer, date)


def tell_spent(arms: Sequence[Row]) -> str:
    """What all attempts of some arms have cost together."""
    counts = [arm.get("attempts") or arm["problems"] * arm["seeds"] for arm in arms]
    sampled, flops = (sum(count * arm[key] for count, arm in zip(counts, arms, strict=True))
                      for key in ("sampled_tokens", "flops"))  # fmt: skip
    return (f"{sum(counts):,} attempts sampled {fmt.short(sampled)} tokens and took {fmt.short(flops)} FLOPs, prompts "
            "and critic included.")  # fmt: skip


def _tell_duration(runs: Sequence[Row]) -> str:
    known = [seconds for run in runs if (seconds := measure_duration(run)) is not None]
    machines = "; ".join(dict.fromkeys(run["device"] or "unknown" for run in runs))
    number = f"{len(runs)} run{'s' * (len(runs) > 1)}"
    if not known:
        return f"{number} on {machines}."
    return f"{number}, {sum(known) / 3600:.1f} hours from first starts to ends, on {machines}."


def add_section(heading: str, *blocks: Block | None) -> list[Block]:
    """The blocks that there are under a heading; nothing where there are none."""
    there = [block for block in blocks if block is not None]
    return [Heading(heading), *there] if there else []


def describe_setting(runs: Sequence[Row], *pairs: tuple[str, str]) -> KeyValues:
    """Names with their values, then the commits and machines of the runs."""
    commits = dict.fromkeys(describe_commit(run, 12) for run in runs)
    machines = dict.fromkeys(run["device"] or "unknown" for run in runs)
    return KeyValues((*pairs, ("Commit", "; ".join(commits)), ("Machine", "; ".join(machines))))


def add_limits(runs: Sequence[Row], limits: Sequence[str]) -> list[Block]:
    """What a reader must keep in mind, and which runs are not finished or were made with uncommitted changes."""
    limits = [*limits, *(f"Run {run['name']} {run['id']} is {run['status']}: its records are not complete."
                         for run in runs if run["status"] != "finished")]  # fmt: skip
    if dirty := [f"{run['name']} {run['id']}" for run in runs if (run["git"] or {}).get("dirty")]:
        limits.append(f"Made with uncommitted changes, so that the commit does not fix the code: {', '.join(dirty)}.")
    return add_section("Limits", Bullets(tuple(limits)) if limits else None)


def add_origin(runs: Sequence[Row], settings: Sequence[tuple[str, str]] = ()) -> list[Block]:
    """The runs behind a report, their parameters (and more named `settings`) and packages."""
    def name(run: Row) -> str:
        return f"{run['name']}: {run['label']}" if run.get("label") else run["name"]

    columns = {
        "run": made(name, align="left"), "id": text("id"), "status": text("status"),
        "seed": made(lambda run: fmt.value(run["seed"]), align="left"),
        "started (UTC)": made(lambda run: (run["start"] or MISSING)[:16].replace("T", " "), align="left"),
        "took": made(describe_duration, align="left"),
        "commit": made(lambda run: describe_commit(run, 7), align="left"), "manifest": text("manifest_sha256"),
    }  # fmt: skip
    rows = list_settings(runs, name)
    rows += [{"arm": arm, "settings": parameters} for arm, parameters in settings]
    packages = next((run["packages"] for run in reversed(runs) if run["packages"]), {})
    return add_section(
        "Origin",
        make_table("The runs behind this report. Manifest: SHA-256 of the run's manifest.json.", runs, columns,
                   source="the manifests"),
        make_table("Parameters of arms, and those of runs that are not today's defaults (all: the runs' params.yaml).",
                   rows, {"run or arm": text("arm"), "parameters": text("settings", 1)},
                   source="the manifests and records.parquet"),
        Paragraph("Packages: " + ", ".join(f"{k} {v}" for k, v in packages.items()) + ".") if packages else None,
    )  # fmt: skip


def list_settings(runs: Sequence[Row], name: Callable[[Row], str]) -> list[dict[str, str]]:
    """What was asked of each run, under its `arm` and `settings`; what all runs of a notebook share stands once."""
    rows: list[dict[str, str]] = []
    groups: dict[str, list[tuple[Row, dict[str, Any]]]] = {}
    for run in runs:
        groups.setdefault(run["name"], []).append((run, list_asked(run)))
    for notebook, some in groups.items():
        first = some[0][1]
        shared = {key: value for key, value in first.items() if len(some) > 1
                  and all(key in asked and asked[key] == value for _, asked in some)}  # fmt: skip
        if shared:
            rows.append({"arm": f"{notebook}, all {len(some)} runs", "settings": fmt.settings(shared)})
        for run, asked in some:
            own = {key: value for key, value in asked.items() if key not in shared}
            rows += [{"arm": name(run), "settings": fmt.settings(own)}] if own or not shared else []
    return rows


def list_asked(run: Row) -> dict[str, Any]:
    """What must be said today to have a run made again: its parameters that are not the defaults of its notebook."""
    try:
        known = read_parameters(find_notebook(run["name"]))
    except (OSError, ValueError):  # an installed package has none
        known = {}
    return {name: value for name, value in run["parameters"].items() if name != PATH_PARAMETER
            and (name not in known or known[name].default != value)}  # fmt: skip


def draw_picture(figure: Any, caption: str, source: str, height: int, width: int = WIDE) -> Picture:
    """A Plotly figure as a picture of a size in pixels, the height for each row of panels.

    The caption says in words what it shows.
    """
    rows = max(1, len({axis.domain for axis in figure.select_yaxes()}))
    figure.update_layout(width=width, height=height * rows)
    if figure.layout.annotations:
        label_ends(figure)
    return Picture(caption, source, vector.to_svg(figure), caption)


def pair_pictures(drawn: Sequence[tuple[Any, str]], source: str, height: int = 190) -> list[Block]:
    """Figures with their captions, two side by side; a last one alone takes the whole width."""
    blocks: list[Block] = []
    for i in range(0, len(drawn), 2):
        pair = drawn[i : i + 2]
        width = SMALL if len(pair) > 1 else WIDE
        pictures = tuple(draw_picture(figure, caption, source, height, width) for figure, caption in pair)
        blocks.append(Columns(pictures) if len(pair) > 1 else pictures[0])
    return blocks


def describe_commit(run: Mapping[str, Any], digits: int) -> str:
    """The commit that a run was made with."""
    git = run["git"] or {}
    if not git.get("commit"):
        return "no commit known"
    return f"{git['commit'][:digits]}{' + changes' if git.get('dirty') else ''}"


def measure_duration(run: Mapping[str, Any]) -> float | None:
    """Seconds from a run's first start to its end; None where it has not ended."""
    if not run["start"] or not run["end"]:
        return None
    return (datetime.fromisoformat(run["end"]) - datetime.fromisoformat(run["start"])).total_seconds()


def describe_duration(run: Mapping[str, Any]) -> str:
    """The same in words."""
    seconds = measure_duration(run)
    if seconds is None:
        return MISSING
    return f"{seconds:.0f} s" if seconds < 100 else f"{fmt.minutes(seconds)} min"
