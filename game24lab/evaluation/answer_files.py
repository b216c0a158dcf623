"""Files of answers, read entry by entry: JSON lines, JSON, CSV and Parquet, plain or gzipped, in whatever encoding.

What a file is says its content, not its name. An entry that is broken is yielded as such and the rest goes on; memory
holds one entry and a buffer, whatever the file's size (of a JSON file that is one object: all of it). It does not know
what an entry means.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

LONGEST_ENTRY = 1 << 26  # characters or bytes of an entry
_BUFFER = 1 << 20
_BATCH = 256  # rows of a Parquet file at a time
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
         (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_LISTS = ("results", "data", "rows", "samples", "records", "outputs", "rollouts", "examples")  # of an object around all
_PROBLEMS = {"prompt", "question", "problem", "numbers", "nums", "idx"}  # of an object that is an entry itself
_CUT = "the file ends in the middle of its compressed stream"


@dataclass(frozen=True, slots=True)
class Broken:
    """An entry that cannot be read, and why in one line."""

    reason: str


class AnswerFile:
    """A file of answers: `kind` is jsonl, json, csv or parquet, `unit` what its entries are counted in.

    OSError where it cannot be opened, ValueError where it is empty or of no known kind.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.size = os.path.getsize(self.path)
        self._file: BinaryIO = self.path.open("rb")
        with self._file as file:
            head = file.read(4)
        self._zipped = head[:2] == b"\x1f\x8b"
        self.kind, self._encoding = ("parquet", "") if head == b"PAR1" else self._tell()
        self.unit = {"jsonl": "line", "csv": "line", "json": "entry", "parquet": "row"}[self.kind]

    def tell(self) -> int:
        """How many bytes of the file have been read."""
        return self.size if self._file.closed else min(self._file.tell(), self.size)

    def entries(self) -> Iterator[tuple[int, Any]]:
        """The entries with their places, counted from 1 (of a table of CSV: its lines, the head is the first).

        Of JSON lines an entry is the line itself, bytes or text (see `parse_line`); of the rest what was read, a
        `Broken` where that was not possible.
        """
        if self.kind == "parquet":
            yield from self._read_parquet()
            return
        place = 0
        try:
            with self._open() as stream:
                readers = {"jsonl": self._read_jsonl, "csv": self._read_table, "json": self._read_json}
                for place, entry in readers[self.kind](stream):
                    yield place, entry
        except (EOFError, zlib.error, gzip.BadGzipFile):
            yield place + 1, Broken(_CUT)

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        with self.path.open("rb") as self._file:
            yield gzip.GzipFile(fileobj=self._file) if self._zipped else self._file

    def _decode(self, stream: BinaryIO, newline: str | None = "") -> TextIO:
        return io.TextIOWrapper(stream, self._encoding or "utf-8", errors="replace", newline=newline)

    def _tell(self) -> tuple[str, str]:
        """The kind of a text file, and its encoding where a mark says so."""
        try:
            with self._open() as stream:
                head = stream.read(4)
            self._encoding = next((name for mark, name in _BOMS if head.startswith(mark)), "")
            with self._open() as stream, self._decode(stream, None) as text:
                line = text.readline(_BUFFER)
                while line and not line.strip():
                    line = text.readline(_BUFFER)
                if line.lstrip()[:1] == "{" and len(line) == _BUFFER:
                    line += text.readline(LONGEST_ENTRY)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{self.path}: its gzip stream cannot be read ({error})") from None
        if not line:
            raise ValueError(f"{self.path}: empty; it must hold at least one answer")
        if line.count("\0") > len(line) // 8:
            raise ValueError(f"{self.path}: no text; it must be JSON lines, JSON, CSV or Parquet, gzipped or not")
        first = line.lstrip()[0]
        if first == "[":
            return "json", self._encoding
        if first == "{":
            found = parse_line(line)
            whole = isinstance(found, Broken) and (len(line.strip()) == 1 or ".json" in self.path.suffixes)
            return "json" if whole or _find_list(found) is not None else "jsonl", self._encoding
        return "csv", self._encoding

    def _read_jsonl(self, stream: BinaryIO) -> Iterator[tuple[int, Any]]:
        if self._encoding in ("", "utf-8-sig"):  # bytes: a line that is no UTF-8 breaks alone
            yield from _read_lines(stream)
            return
        with self._decode(stream, "\n") as text:
            yield from _read_lines(text)

    def _read_table(self, stream: BinaryIO) -> Iterator[tuple[int, Any]]:
        with self._decode(stream) as text:
            head = text.readline(LONGEST_ENTRY)
            while not head.strip():
                head = text.readline(LONGEST_ENTRY)
            marks = {mark: head.count(mark) for mark in ("\t", ";", ",")}
            delimiter = max(marks, key=lambda mark: (marks[mark], mark == ","))
            names = [name.strip() for name in next(csv.reader([head], delimiter=delimiter))]
            reader = csv.reader(text, delimiter=delimiter, strict=True)
            while True:
                place = reader.line_num + 2
                try:
                    cells = _read_cells(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield place, Broken(f"no line of a table: {error}")
                    continue
                if cells and len(cells) != len(names):
                    yield place, Broken(f"{len(cells)} cells, but the head has {len(names)}")
                elif cells:
                    yield place, dict(zip(names, cells, strict=True))

    def _read_json(self, stream: BinaryIO) -> Iterator[tuple[int, Any]]:
        with self._decode(stream, None) as text:
            first = text.read(1)
            while first.isspace():
                first = text.read(1)
            if first == "[":
                yield from enumerate(_read_array(text), 1)
                return
            try:
                value = json.loads(first + text.read())
            except (ValueError, RecursionError) as error:
                yield 1, Broken(f"no JSON: {_say(error)}")
                return
        inner = _find_list(value)
        yield from enumerate([value] if inner is None else inner, 1)

    def _read_parquet(self) -> Iterator[tuple[int, Any]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        place = 0
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=_BATCH):
                    for entry in batch.to_pylist():
                        place += 1
                        yield place, entry
        except (pa.ArrowException, OSError) as error:
            yield place + 1, Broken(f"its Parquet cannot be read: {str(error).splitlines()[0][:200]}")


def parse_line(line: bytes | str) -> Any:
    """What a JSON line holds; a `Broken` where it is none."""
    try:
        return json.loads(line.decode("utf-8-sig") if isinstance(line, bytes) else line.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        return Broken(f"no JSON: {_say(error)}")


def _find_list(value: Any) -> list[Any] | None:
    """The entries in an object around all of them; None where it is an entry itself."""
    if not isinstance(value, dict) or _PROBLEMS & set(value):
        return None
    lists = [value[name] for name in _LISTS if isinstance(value.get(name), list)]
    return lists[0] if lists and all(isinstance(entry, dict) for entry in lists[0]) else None


def _say(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 at byte {error.start}"
    return "too deep" if isinstance(error, RecursionError) else str(error).splitlines()[0][:200]


def _read_cells(reader: Iterator[list[str]]) -> list[str]:
    """The next row of a table, with cells as long as an entry may be; the limit of all others stays."""
    limit = csv.field_size_limit(LONGEST_ENTRY)
    try:
        return next(reader)
    finally:
        csv.field_size_limit(limit)


def _read_lines(lines: BinaryIO | TextIO) -> Iterator[tuple[int, Any]]:
    """The lines with text, as they are."""
    place = 0
    while line := lines.readline(LONGEST_ENTRY):
        place += 1
        if len(line) == LONGEST_ENTRY:
            while len(lines.readline(LONGEST_ENTRY)) == LONGEST_ENTRY:
                pass
            yield place, Broken(f"a line of {LONGEST_ENTRY:,} characters or more")
        elif line.strip():
            yield place, line


def _read_array(text: TextIO) -> Iterator[Any]:
    """The elements of a JSON list whose opening bracket has been read, one by one; a `Broken` last where it breaks."""
    decoder, buffer, place, ended = json.JSONDecoder(), "", 0, False
    wanted = _BUFFER
    while True:
        while place < len(buffer) and (buffer[place].isspace() or buffer[place] == ","):
            place += 1
        if buffer[place : place + 1] == "]":
            return
        try:
            value, end = decoder.raw_decode(buffer, place)
            whole = ended or end < len(buffer)
        except RecursionError:
            yield Broken("no JSON: too deep")
            return
        except json.JSONDecodeError as error:
            if ended or len(buffer) - place > LONGEST_ENTRY:
                yield Broken("the list is not closed" if place >= len(buffer) else f"no JSON: {error.msg}")
                return
            whole = False
        if whole:
            yield value
            place, wanted = end, _BUFFER
            continue
        more = text.read(wanted)
        buffer, place, ended, wanted = buffer[place:] + more, 0, not more, min(2 * wanted, LONGEST_ENTRY)
