"""Tables of a report: rows of records by the column specifications that notebooks and the command line use too.

    make_table("Accuracy by arm.", arms, {"arm": text("label", 1), "solved": percent("accuracy", "low", "high")})

A column with `low` and `high` has its interval in a second column, headed "95 %". This module does not know what a
table is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from game24lab.report.document import Table
from game24lab.views.tables.columns import Column, Row, count, find, fixed, made, percent, points, short, text

__all__ = ["Column", "Row", "count", "find", "fixed", "join_sources", "made", "make_table", "percent", "points",
           "short", "text"]  # fmt: skip

_LISTED = 3  # sources named one by one


def make_table(
    caption: str, rows: Sequence[Row], columns: Mapping[str, Column], note: str = "", source: str | None = None
) -> Table:
    """A table of rows by columns; its source is that of the rows where none is given. KeyError for a missing key."""
    header, parts = [], []
    for name, column in columns.items():
        header += [name] if column.interval is None else [name, "95 %"]
        parts += [column] if column.interval is None else [column, Column(column.interval)]
    cells = tuple(tuple(part.cell(row) for part in parts) for row in rows)
    widths = tuple(part.width for part in parts) if any(part.width for part in parts) else ()
    align = tuple(part.align for part in parts)
    return Table(caption, join_sources(rows) if source is None else source, tuple(header), cells, align, widths, note)


def join_sources(rows: Sequence[Row]) -> str:
    """The sources of some rows, each once; many are only counted, for they stand below."""
    sources = dict.fromkeys(row["source"] for row in rows)
    return "; ".join(sources) if len(sources) <= _LISTED else f"the records of {len(sources)} runs, see Origin"
