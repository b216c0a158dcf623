"""A table to look at: six columns at most, shares with their interval as a bar, and all else behind a fold.

    show_table(summary, ARMS)

The same columns as HTML in notebooks and as plain text elsewhere. Cells are text, never markup. This module does not
know what a table is about: columns are handed in, or made from what the records hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from game24lab.runs.printable import clean, escape, keep_units
from game24lab.views.tables import formats as fmt
from game24lab.views.tables.columns import Column, Row, count, made, percent, points
from game24lab.views.tables.records import list_records

MOST = 6  # columns outside the fold
_ROWS = 200  # that are shown; how many are left out is said
_LONGEST = 240  # characters of a cell
_BAR = 12  # signs of a bar in plain text
_BLANKS = {0xA0: " ", 0x2009: " "}  # of reports: a terminal does not need them
# Two class names each: JupyterLab's own rules for tables have as many, and stand before these.
_STYLE = """<style>
.game24lab.table {font: 13px/1.5 system-ui, sans-serif; max-width: 100%}
.game24lab.table table {border-collapse: collapse; font-size: 13px; margin: 2px 0; max-width: 100%}
.game24lab.table tr {border-bottom: 1px solid rgba(128, 128, 128, .3); background: none}
.game24lab.table tr th, .game24lab.table tr td {padding: 3px 8px; text-align: right; vertical-align: top;
  white-space: normal; font-variant-numeric: tabular-nums}
.game24lab.table tr th {font-weight: 600}
.game24lab.table tr .text {text-align: left; overflow-wrap: anywhere; min-width: 6em}
.game24lab.table small {opacity: .7; white-space: nowrap}
.game24lab.table .bar {display: block; position: relative; min-width: 80px; height: 6px; margin-top: 2px;
  background: rgba(128, 128, 128, .22)}
.game24lab.table .bar i {position: absolute; height: 6px; background: rgba(0, 114, 178, .45)}
.game24lab.table .bar b {position: absolute; width: 3px; height: 6px; margin-left: -1px; background: #0072B2}
.game24lab.table p {margin: 2px 0; opacity: .8; overflow-wrap: anywhere}
.game24lab.table summary {cursor: pointer; opacity: .8}
.game24lab.table dl {display: grid; grid-template-columns: repeat(auto-fill, minmax(15em, 1fr)); gap: 0 1.2em;
  margin: 4px 0}
.game24lab.table dl div {overflow-wrap: anywhere}
.game24lab.table dl h6 {grid-column: 1 / -1; margin: 6px 0 0; font-size: 13px; overflow-wrap: anywhere; min-width: 0}
.game24lab.table dt, .game24lab.table dd {display: inline; float: none; clear: none; width: auto; margin: 0; padding: 0;
  font-weight: 400}
.game24lab.table dt {opacity: .7}
</style>"""


class Table:
    """Records by columns: HTML where a notebook shows it, aligned lines as text.

    rows: a DataFrame, records, or facts by name. columns: at most `MOST`; without any the first ones of the records.
    The fold holds every record whole. ValueError for more columns.
    """

    def __init__(self, rows: Any, columns: Mapping[str, Column] | None = None, note: str = "") -> None:
        self.records = list_records(rows)
        self.columns = dict(guess_columns(self.records) if columns is None else columns)
        self.note = note
        if len(self.columns) > MOST:
            raise ValueError(f"a table must show at most {MOST} columns, got {len(self.columns)}: "
                             f"{', '.join(self.columns)}")  # fmt: skip

    def __str__(self) -> str:
        if not self.records:
            return "no rows"
        sides = [side for column in self.columns.values() for side in [column.align, *["left"] * bool(column.bar)]]
        heads = [head for name, column in self.columns.items() for head in [_cut(name), *[""] * bool(column.bar)]]
        cells = [heads, *([part for column in self.columns.values() for part in _write_cell(column, row)]
                          for row in self.records[:_ROWS])]  # fmt: skip
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(cell.ljust(width) if side == "left" else cell.rjust(width)
                           for cell, width, side in zip(line, widths, sides, strict=True)).rstrip()
                 for line in cells]  # fmt: skip
        return "\n".join([*lines, *self._list_notes()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if not self.records:
            return f'{_STYLE}<div class="game24lab table"><p>no rows</p></div>'
        heads = "".join(f"<th{_side(column)}>{escape(name)}</th>" for name, column in self.columns.items())
        rows = "".join(f"<tr>{''.join(_draw_cell(column, row) for column in self.columns.values())}</tr>"
                       for row in self.records[:_ROWS])  # fmt: skip
        notes = "".join(f"<p>{escape(note)}</p>" for note in self._list_notes())
        table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        return f'{_STYLE}<div class="game24lab table">{table}{notes}{self._fold()}</div>'

    def _list_notes(self) -> list[str]:
        left = len(self.records) - _ROWS
        return [clean(note, 2_000) for note in (f"{left:,} more rows" if left > 0 else "", self.note) if note]

    def _fold(self) -> str:
        """Every record whole; nothing where the columns show all that there is."""
        names = list(dict.fromkeys(name for row in self.records for name in row))
        if len(names) <= len(self.columns):
            return ""
        first = next(iter(self.columns.values()))
        parts = []
        for row in self.records[:_ROWS]:
            facts = (f"<div><dt>{_part(clean(name), '_')}</dt> <dd>{_part(_cut(_show(value)), '_/')}</dd></div>"
                     for name, value in row.items())  # fmt: skip
            parts.append(f"<h6>{escape(_cut(first.cell(row)))}</h6>{''.join(facts)}")
        return f"<details><summary>all {len(names)} columns</summary><dl>{''.join(parts)}</dl></details>"


def show_table(rows: Any, columns: Mapping[str, Column] | None = None, note: str = "") -> None:
    """Show a `Table` where it is called: in a notebook's cell, else as lines of text."""
    from IPython.display import display

    display(Table(rows, columns, note))


def guess_columns(records: Sequence[Row]) -> dict[str, Column]:
    """The first columns of some records, as many as are shown; `accuracy`, `share` and `difference` with their interval
    where `low` and `high` stand beside them, which then need no columns of their own."""
    names = list(dict.fromkeys(name for row in records for name in row))
    bounded = next((name for name in ("accuracy", "observed", "share", "difference") if name in names), "")
    if not {"low", "high"} <= set(names):
        bounded = ""
    known = [name for name in names if not (bounded and name in ("low", "high"))]
    return {name: _guess(records, name, bounded) for name in known[:MOST]}


def _guess(records: Sequence[Row], name: str, bounded: str) -> Column:
    values = [row.get(name) for row in records]
    if name == bounded:
        return (points if name == "difference" else percent)(name, "low", "high")
    if all(value is None or (isinstance(value, int) and not isinstance(value, bool)) for value in values):
        return count(name) if all(name in row for row in records) else made(lambda row: fmt.show(row.get(name)))
    numbers = all(value is None or isinstance(value, int | float) for value in values)
    return made(lambda row: _show(row.get(name)), align="right" if numbers else "left")


def _show(value: Any) -> str:
    return fmt.value(value) if isinstance(value, dict | list) else fmt.show(value)


def _part(text: str, more: str = "") -> str:
    """Text, escaped, that may go on in the next line behind the signs that names of arms have, and behind `more`."""
    return re.sub(f"[,@{more}]", r"\g<0><wbr>", escape(text))


def _cut(text: object) -> str:
    return clean(str(text).translate(_BLANKS), _LONGEST)


def _side(column: Column) -> str:
    return ' class="text"' if column.align == "left" else ""


def _draw_cell(column: Column, row: Row) -> str:
    """A cell as HTML, its interval and its bar below where it has them."""
    text = _cut(fmt.show(column.cell(row)))
    parts = [_part(text) if column.align == "left" else keep_units(escape(text))]
    if column.interval is not None and parts != [fmt.MISSING]:
        parts.append(f" <small>[{escape(_cut(column.interval(row)))}]</small>")
    if column.bar is not None and None not in (ends := column.bar(row)):
        value, low, high = (100 * min(1.0, max(0.0, end)) for end in ends if end is not None)
        parts.append(f'<span class="bar"><i style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
                     f'<b style="left:{value:.1f}%"></b></span>')  # fmt: skip
    return f"<td{_side(column)}>{''.join(parts)}</td>"


def _write_cell(column: Column, row: Row) -> list[str]:
    """A cell as plain text, and its bar in a cell of its own."""
    said = _cut(fmt.show(column.cell(row)))
    if column.interval is not None and said != fmt.MISSING:
        said += f" [{_cut(column.interval(row))}]".replace(" \u2013 ", ", ")
    return [said] if column.bar is None else [said, _write_bar(column.bar(row))]


def _write_bar(ends: Iterable[float | None]) -> str:
    """An interval on the way from 0 to 1: `...==|=.....`."""
    ends = list(ends)
    if None in ends:
        return ""
    value, low, high = (min(_BAR - 1, max(0, int(end * _BAR))) for end in ends if end is not None)
    return "".join("|" if place == value else "=" if low <= place <= high else "." for place in range(_BAR))
