"""Typed records to a PDF: paragraphs, tables and pictures go to Typst as data and come back as pages.

It does not know what a run, a strategy or a game is. Untrusted text reaches Typst inside a JSON string and is never
markup; the template has no `eval`. Fonts are those that Typst and matplotlib carry, so no machine's own fonts matter,
and equal records give equal bytes.
"""

from __future__ import annotations

import json
import re
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import typst

from game24lab.runs.run import write_atomically
from game24lab.views.charts import svg as vector
from game24lab.views.tables.formats import show

LONGEST_TEXT = 20_000  # characters of one text; what is cut is said
LONGEST_CELL = 480
LONGEST_WORD = 36  # longer words may be broken, else they run off the page,
LONGEST_PART = 24  # behind their joints, and anywhere where a part between two joints is longer than this
PAGE, LETTER, GAP = 470, 3.9, 8  # points: the width of a table, about that of a letter, and of a gap between columns
_JOINT = re.compile(r"(?<=[_/@=:])(?=\w)|(?<=[.,-])(?=[A-Za-z])")  # never between the digits of a number
_TEMPLATE = Path(__file__).with_name("report.typ")


@dataclass(frozen=True)
class Heading:
    """The title of what follows, at the top of a new page where that is asked for."""

    text: str
    new_page: bool = False


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list, one item a line."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """Text in a monospaced font, line ends kept."""

    text: str


@dataclass(frozen=True)
class KeyValues:
    """Names with their values, two columns."""

    pairs: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells; a missing number (None or NaN) is written as "-". `source` names run and file."""

    caption: str
    source: str
    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    align: tuple[str, ...] = ()  # "left" or "right" per column; () = numbers right, text left
    widths: tuple[float, ...] = ()  # shares of the space left over; 0 = as wide as its content; () = the first takes it
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """Vector art. `alt` says in words what is to be seen."""

    caption: str
    source: str
    svg: str = field(repr=False)
    alt: str
    width: float = 1.0  # share of the width there is


@dataclass(frozen=True)
class Columns:
    """Blocks side by side."""

    blocks: tuple[Any, ...]


Block = Heading | Paragraph | Bullets | Code | KeyValues | Table | Picture | Columns


@dataclass(frozen=True)
class Report:
    """A document: its head and its blocks in order."""

    title: str
    subtitle: str
    blocks: tuple[Block, ...]
    footer: str = ""
    date: datetime | None = None  # the document's date; a fixed one keeps the bytes equal


def build_report(report: Report, path: str | Path) -> Path:
    """Write the PDF and return its path.

    The file appears under its name only when it is whole. ValueError where a record is malformed (a table whose rows do
    not fit its header, a picture that is no SVG), OSError where the folder cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".pdf":
        raise ValueError(f"a report's file name must end in .pdf, got {str(path)!r}")
    data = compile_report(report)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda draft: draft.write_bytes(data))
    except OSError as error:
        raise type(error)(error.errno, f"report cannot be written: {error.strerror}", str(path)) from None
    return path


def compile_report(report: Report) -> bytes:
    """The PDF as bytes."""
    return _compile(report, "pdf")


def draw_pages(report: Report) -> list[bytes]:
    """Its pages as SVG, in order."""
    pages = _compile(report, "svg")
    return [pages] if isinstance(pages, bytes) else list(pages)


def _compile(report: Report, form: Literal["pdf", "svg"]) -> Any:
    try:
        data, complaints = typst.compile_with_warnings(str(_TEMPLATE), font_paths=_fonts(), format=form,
                                                       sys_inputs={"data": to_json(report)}, timestamp=0)
    except typst.TypstError as error:
        raise ValueError(f"the report {report.title!r} cannot be laid out: {error}") from error
    for complaint in complaints:
        warnings.warn(f"report: {complaint}", stacklevel=3)
    return data


def to_json(report: Report) -> str:
    """The records as the template reads them: text cleaned, missing numbers as "-", every block with its kind."""
    date = report.date
    day = date and {"year": date.year, "month": date.month, "day": date.day,
                    "hour": date.hour, "minute": date.minute, "second": date.second}
    head = {"title": clean(report.title), "subtitle": clean(report.subtitle), "footer": clean(report.footer)}
    blocks = _name_sources([_record(block) for block in report.blocks])
    return json.dumps(head | {"date": day or None, "blocks": blocks}, allow_nan=False)


def _name_sources(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks with a letter for each different source, and a list of them at the end."""
    letters: dict[str, str] = {}

    def name(block: dict[str, Any]) -> dict[str, Any]:
        if "blocks" in block:
            return block | {"blocks": [name(inner) for inner in block["blocks"]]}
        if not block.get("source"):
            return block
        place = len(letters)
        letter = letters.setdefault(block["source"], "z" * (place // 25) + "abcdefghijklmnopqrstuvwxy"[place % 25])
        return block | {"source": letter}

    named = [name(block) for block in blocks]
    pairs = [[letter, source] for source, letter in letters.items()]
    return [*named, {"kind": "heading", "text": "Sources", "new_page": "no"},
            {"kind": "keyvalues", "pairs": pairs}] if pairs else named  # fmt: skip


def clean(text: str, longest: int = LONGEST_TEXT) -> str:
    """Text fit for a page: what cannot be seen (control, direction and private characters, lone surrogates) is written
    as its code point, overlong words may be broken, at their joints if they have some, overlong text is cut and says by
    how much."""
    if len(text) > longest:
        text = f"{text[:longest]} … ({len(text) - longest:,} more characters)"
    seen = "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else f"\\u{{{ord(c):x}}}" for c in text)
    return "\n".join(" ".join(map(_breakable, line.split(" "))) for line in seen.split("\n"))


def _breakable(word: str) -> str:
    if len(word) <= LONGEST_WORD:
        return word
    pieces = []
    for part in _JOINT.split(word):
        size = 12 if len(part) > LONGEST_PART else LONGEST_PART
        pieces += [part[i : i + size] for i in range(0, len(part), size)]
    return "\u200b".join(pieces)


def _soften(label: str) -> str:
    """Long names in the first column may break behind their joints, so that they do not run into the second."""
    return _JOINT.sub("\u200b", label) if len(label) > 20 else label


def _record(block: Any) -> dict[str, Any]:
    if not isinstance(block, Block):
        raise ValueError(f"a report block must be one of {Block}, got {type(block).__name__}")
    kind = type(block).__name__.lower()
    if isinstance(block, Columns):
        return {"kind": kind, "blocks": [_record(inner) for inner in block.blocks]}
    if isinstance(block, Table):
        return {"kind": kind} | _table(block)
    if isinstance(block, Picture):
        if "<svg" not in block.svg[:2000]:
            raise ValueError(f"picture {block.caption!r} must be SVG text, got {block.svg[:40]!r}")
        texts = {name: clean(getattr(block, name)) for name in ("caption", "source", "alt")}
        return {"kind": kind, "svg": block.svg, "width": float(block.width)} | texts
    return {"kind": kind} | _texts(asdict(block))


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _texts(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_texts(part) for part in value]
    return clean(show(value))


def _table(table: Table) -> dict[str, Any]:
    width = len(table.header)
    for row in table.rows:
        if len(row) != width:
            raise ValueError(f"table {table.caption!r}: rows must have {width} cells as the header, got {len(row)}")
    numeric = [_is_numeric([row[i] for row in table.rows]) for i in range(width)]
    header = [clean(name, LONGEST_CELL) for name in table.header]
    rows = [[clean(show(cell), LONGEST_CELL) for cell in row] for row in table.rows]
    for row in rows:
        row[0] = _soften(row[0])
    natural = [LETTER * max(len(row[i]) for row in (header, *rows)) + GAP for i in range(width)]
    return {
        "caption": clean(table.caption),
        "source": clean(table.source),
        "note": clean(table.note),
        "header": header,
        "rows": rows,
        "align": list(table.align) or ["right" if number else "left" for number in numeric],
        "widths": _share(table.widths, rows, natural) or [int(sum(natural) < PAGE and i == 0) for i in range(width)],
    }


def _share(widths: Sequence[float], rows: Sequence[list[str]], natural: Sequence[float]) -> list[float]:
    """The widths asked for. Where what is left over does not hold the longest word there, words may break behind their
    joints; where it does not hold the longest part either, all columns have to give way."""
    asked = [i for i, share in enumerate(widths) if share]
    left = PAGE - sum(points for i, points in enumerate(natural) if i not in asked)

    def is_short() -> bool:
        words = (max((len(word) for row in rows for word in re.split("[ \u200b@]", row[i])), default=0) for i in asked)
        return sum(LETTER * word + GAP for word in words) > left

    if asked and is_short():
        for row in rows:
            row[:] = [_JOINT.sub("\u200b", cell) if i in asked else cell for i, cell in enumerate(row)]
    return [0] * len(widths) if is_short() else list(widths)


def _is_numeric(cells: Sequence[Any]) -> bool:
    return any(isinstance(c, int | float) for c in cells) and not any(isinstance(c, str) for c in cells)


@cache
def _fonts() -> typst.Fonts:
    """Typst's own fonts and matplotlib's, not the machine's."""
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[str(vector.FONTS)])
