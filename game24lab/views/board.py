"""A board that compares runs: one page of HTML without a script, a server or anything from elsewhere.

It follows the reader's theme; a box at each run shows and hides it everywhere on the page. All text is escaped, and the
page's content policy admits its own style sheet and nothing else. It does not know how runs are read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from game24lab.runs.printable import clean, escape
from game24lab.views.charts.inline import Series, draw_bar, draw_chart
from game24lab.views.html_page import frame

HELPED = {"blind": "nothing: the models alone", "rules": "the rules: moves checked, positions computed",
          "verified": "the rules, and the exact verifier ends the search"}  # fmt: skip
_MARKS = {"blind": "square", "rules": "diamond", "verified": "circle"}
_COLOURS = 7
_ROWS = 12  # of a run's attempts that stand unfolded
_LONGEST = 160  # characters of a value


@dataclass(frozen=True)
class Result:
    """One arm of a run: shares from 0 to 1, costs as means over attempts; NaN where a file does not know."""

    arm: str
    mode: str  # a key of HELPED, or "" where it is not known
    problems: int
    attempts: int
    accuracy: float
    low: float
    high: float
    sampled_tokens: float
    critic_tokens: float
    seconds: float


@dataclass(frozen=True)
class Entry:
    """One run on the board."""

    name: str  # of its notebook
    folder: str
    id: str
    status: str
    start: str
    seconds: float  # of all its sessions; NaN while nobody knows
    parameters: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    sentence: str = ""  # its result in words, as its card says it
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)  # `step`, and columns of equal length
    results: Sequence[Result] = ()
    error: str = ""


def make_page(title: str, entries: Sequence[Entry], notes: Sequence[str] = ()) -> str:
    """The page as text: the runs, curves, attempts, parameters that differ, and `notes` of what could not be read.

    ValueError without runs.
    """
    if not entries:
        raise ValueError("a board must have at least one run, got none")
    style = _STYLE + "".join(
        f"body:has(#b{place}:not(:checked)) .r{place}{{display:none}}"
        f".r{place}{{--run:var(--c{place % _COLOURS});--dash:{'none' if place < _COLOURS else '6 3'}}}"
        for place in range(len(entries)))  # fmt: skip
    counts = {status: sum(one.status == status for one in entries) for status in
              dict.fromkeys(one.status for one in entries)}  # fmt: skip
    said = ", ".join(f"{count} {status}" for status, count in counts.items())
    parts = [f"<h1>{_text(title)}</h1><p>{len(entries)} {'run' if len(entries) == 1 else 'runs'}: {_text(said)}. The "
             "boxes show and hide a run everywhere on this page.</p>", _write_runs(entries)]  # fmt: skip
    sections = {"Curves": _draw_curves(entries), "Accuracy against tokens": _draw_accuracy(entries),
                "Attempts": _write_attempts(entries), "Parameters that differ": _write_parameters(entries),
                "Not read": "".join(f"<p>{_text(note)}</p>" for note in notes)}  # fmt: skip
    for heading, body in sections.items():
        parts += [f"<section><h2>{heading}</h2>{body}</section>"] if body else []
    return frame(_text(title), style, "\n".join(parts))


def _write_runs(entries: Sequence[Entry]) -> str:
    """A row a run; the notebook is named where folders do not name it."""
    rows, named = [], any(not one.folder.endswith(one.name) for one in entries)
    for place, one in enumerate(entries):
        best = max(one.results, key=lambda result: result.accuracy, default=None)
        found = "" if best is None else f"{_write_share(best)} {_text(best.arm)}, {_text(best.mode or 'mode unknown')}"
        if not found and one.sentence:
            found = _text(one.sentence)
        elif not found:
            numbers = {name: value for name, value in one.facts.items() if type(value) in (int, float)}
            found = _text(", ".join(f"{name} {_number(value)}" for name, value in numbers.items()))
        error = f'<span class="error">{_text(one.error)}</span>{"<br>" * bool(found)}' if one.error else ""
        tokens = "" if best is None else _number(best.sampled_tokens)
        rows.append(
            f'<tr><td><label class="swatch r{place}x"><input type="checkbox" id="b{place}" checked>'
            f'<svg class="key k{place % _COLOURS}" viewBox="0 0 18 8"><path d="M0 4H18"/></svg>'
            f" {_text(one.folder)}</label></td>" + f'<td><span class="name">{_text(one.name)}</span></td>' * named +
            f'<td><span class="whole {_text(one.status)}">{_text(one.status)}</span></td>'
            f'<td class="whole">{_text(one.start)}</td>'
            f'<td class="number">{_write_seconds(one.seconds)}</td><td>{error}{found}</td>'
            f'<td class="number">{tokens}</td>'
            f'<td class="whole"><code>{_text(one.id)}</code></td></tr>'
        )  # fmt: skip
    heads = ("run", *("notebook",) * named, "status", "started (UTC)", "took", "best result, and what helped", "tokens",
             "id")  # fmt: skip
    return f"<section><h2>Runs</h2>{_table(heads, rows)}</section>"


def _draw_curves(entries: Sequence[Entry]) -> str:
    """A chart for each measured column, the runs as lines; the first ones unfolded."""
    columns = dict.fromkeys(name for one in entries for name in one.curves if name not in ("step", "low", "high"))
    first = [name for name in ("loss", "accuracy", "reward") if name in columns]
    charts = []
    for name in [*first, *(name for name in columns if name not in first)]:
        series = []
        for place, one in enumerate(entries):
            if name in one.curves:
                ends = [one.curves.get(end, ()) for end in ("low", "high")] if name == "accuracy" else [(), ()]
                measured = [at for at, value in enumerate(one.curves[name]) if math.isfinite(value)]
                picked = [[values[at] for at in measured] if len(values) else [] for values in
                          (one.curves["step"], one.curves[name], *ends)]  # fmt: skip
                series.append(Series(clean(one.folder, _LONGEST), f"r{place}", *picked))
        if any(len(one.x) for one in series):
            share = name in ("accuracy", "solved")
            charts.append(draw_chart(clean(name, _LONGEST), series, across="step", share=share))
    shown, folded = charts[: max(4, len(first))], charts[max(4, len(first)) :]
    more = f"<details><summary>{len(folded)} more</summary><div class='charts'>{''.join(folded)}</div></details>"
    return f"<div class='charts'>{''.join(shown)}</div>{more if folded else ''}" if charts else ""


def _draw_accuracy(entries: Sequence[Entry]) -> str:
    """A point for each arm of each run, its mark by what helped."""
    series = []
    for place, one in enumerate(entries):
        for mode in dict.fromkeys(result.mode for result in one.results):
            mine = [result for result in one.results if result.mode == mode]
            points = ([getattr(result, name) for result in mine] for name in
                      ("sampled_tokens", "accuracy", "low", "high"))  # fmt: skip
            labels = [clean(f"{result.arm}, {mode}", _LONGEST) for result in mine]
            series.append(Series(clean(one.folder, _LONGEST), f"r{place}", *points, mark=_MARKS.get(mode, "circle"),
                                 joined=False, labels=labels))  # fmt: skip
    if not any(x > 0 for one in series for x in one.x):
        return ""
    chart = draw_chart("solved", series, across="sampled tokens an attempt (log)", share=True, log=True)
    return f"<div class='charts wide'>{chart}</div><p>Squares: blind; diamonds: rules; circles: verified.</p>"


def _write_attempts(entries: Sequence[Entry]) -> str:
    """The arms of all runs, of each run the most accurate first."""
    heads = ("run", "arm", "what helped", "problems", "attempts", "solved [95 % interval]", "sampled tokens",
             "critic tokens", "seconds")  # fmt: skip
    shown, folded = [], []
    for place, one in enumerate(entries):
        rows = [_write_result(place, one, result) for result in
                sorted(one.results, key=lambda result: -result.accuracy)]  # fmt: skip
        shown, folded = shown + rows[:_ROWS], folded + rows[_ROWS:]
    more = f"<details><summary>{len(folded)} more</summary>{_table(heads, folded)}</details>" if folded else ""
    return _table(heads, shown) + more if shown else ""


def _write_result(place: int, one: Entry, result: Result) -> str:
    costs = (result.sampled_tokens, result.critic_tokens, result.seconds)
    cells = [_text(one.folder), _text(result.arm), _text(HELPED.get(result.mode, "not known"))]
    numbers = [f"{result.problems:,}", f"{result.attempts:,}", _write_share(result), *map(_number, costs)]
    return (f'<tr class="r{place}">{"".join(f"<td>{cell}</td>" for cell in cells)}'
            f'{"".join(f"<td class=number>{number}</td>" for number in numbers)}</tr>')  # fmt: skip


def _write_parameters(entries: Sequence[Entry]) -> str:
    """Of runs of one notebook, the parameters in which they differ."""
    parts = []
    for name in dict.fromkeys(one.name for one in entries):
        mine = [(place, one) for place, one in enumerate(entries) if one.name == name]
        names = dict.fromkeys(parameter for _, one in mine for parameter in one.parameters)
        differing = [parameter for parameter in names
                     if len({repr(one.parameters.get(parameter, "unset")) for _, one in mine}) > 1]  # fmt: skip
        if len(mine) > 1 and differing:
            rows = [f"<tr><td><code>{_text(parameter)}</code></td>" + "".join(
                f'<td class="r{place}">{_text(one.parameters.get(parameter, "unset"))}</td>' for place, one in mine)
                + "</tr>" for parameter in differing]  # fmt: skip
            heads = ["parameter", *(one.folder for _, one in mine)]
            classes = ["", *(f"r{place}" for place, _ in mine)]
            parts.append(f"<h3>{_text(name)}</h3>{_table(heads, rows, classes)}")
    return "".join(parts)


def _table(heads: Sequence[str], rows: Sequence[str], classes: Sequence[str] = ()) -> str:
    cells = "".join(f'<th class="{classes[place] if classes else ""}">{_text(head)}</th>'
                    for place, head in enumerate(heads))  # fmt: skip
    return f"<div class='scroll'><table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"


def _write_share(result: Result) -> str:
    ends = f" [{100 * result.low:.0f}, {100 * result.high:.0f}]" if math.isfinite(result.low) else ""
    return f"{draw_bar(result.accuracy, result.low, result.high)} {100 * result.accuracy:.1f} %{ends}"


def _write_seconds(seconds: float) -> str:
    if not math.isfinite(seconds):
        return ""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"


def _number(value: Any) -> str:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _text(value: Any) -> str:
    """A value as escaped text."""
    return escape(clean(value, _LONGEST))


_STYLE = """
:root { color-scheme: light dark; --bg: #ffffff; --ink: #1c2330; --muted: #667085; --line: #e2e5ea; --rail: #e6e9ee;
  --fill: #1f6cb0; --bad: #b4470b; --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b8568f; --c4: #a87400;
  --c5: #3a8fc4; --c6: #555555; }
@media (prefers-color-scheme: dark) { :root { --bg: #14171c; --ink: #e7eaef; --muted: #98a2b3; --line: #2d333d;
  --rail: #2d333d; --fill: #62b0f2; --bad: #f09a52; --c0: #62b0f2; --c1: #f09a52; --c2: #35c59b; --c3: #e39ac2;
  --c4: #e6b422; --c5: #9ad0f5; --c6: #b5bcc8; } }
body { margin: 0 auto; padding: 20px 24px 60px; max-width: 1500px; background: var(--bg); color: var(--ink);
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, "Liberation Sans", sans-serif; }
h1 { font-size: 22px; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 16px; margin: 32px 0 8px; }
h3 { font-size: 14px; margin: 16px 0 4px; }
p { margin: 4px 0; color: var(--muted); } code { font-size: 12.5px; }
.scroll { overflow-x: auto; margin-bottom: 12px; } table { border-collapse: collapse; min-width: 60%; }
th { text-align: left; font-weight: 600; color: var(--muted); } .number { text-align: right; }
th, td { padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
td.number, th, .whole { white-space: nowrap; overflow-wrap: normal; }
.failed, .interrupted, .error { color: var(--bad); }
label { cursor: pointer; } label, .name { display: inline-block; min-width: 10em; }
input { margin: 0 4px 0 0; vertical-align: -1px; }
.key { width: 18px; height: 8px; vertical-align: 1px; } .key path { stroke-width: 3; fill: none; }
.k0 path { stroke: var(--c0); } .k1 path { stroke: var(--c1); } .k2 path { stroke: var(--c2); }
.k3 path { stroke: var(--c3); } .k4 path { stroke: var(--c4); } .k5 path { stroke: var(--c5); }
.k6 path { stroke: var(--c6); }
.bar { width: 110px; height: 9px; vertical-align: 0; } .bar .rail { fill: var(--rail); }
.bar .fill { fill: var(--fill); } .bar .ends { stroke: var(--ink); stroke-width: 2; }
.charts { display: flex; flex-wrap: wrap; gap: 12px; } .chart { flex: 1 1 340px; max-width: 460px; min-width: 0; }
.wide .chart { max-width: 760px; }
.chart text { fill: var(--ink); font-size: 11px; } .chart .title { font-weight: 600; font-size: 12px; }
.chart .tick { fill: var(--muted); } .chart .grid { stroke: var(--line); fill: none; }
.chart .line { stroke: var(--run); stroke-width: 1.6; fill: none; stroke-dasharray: var(--dash); }
.chart .mark { fill: var(--run); stroke: var(--bg); stroke-width: 0.8; }
.chart .whisker { stroke: var(--run); stroke-width: 1.2; fill: none; opacity: 0.7; }
.chart g:hover .line { stroke-width: 3; } summary { cursor: pointer; color: var(--muted); }
"""
