"""Tables for a terminal: cells in columns of equal width. It does not know what they hold."""

from __future__ import annotations

from collections.abc import Sequence


def lay_out(lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """Lines of cells as text: the first `left` columns to the left, the others to the right; the last cell is not
    filled up."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    told = []
    for line in lines:
        cells = [cell.ljust(width) if place < left else cell.rjust(width)
                 for place, (cell, width) in enumerate(zip(line, widths, strict=True))]  # fmt: skip
        told.append("  ".join(cells).rstrip())
    return "\n".join(told)
