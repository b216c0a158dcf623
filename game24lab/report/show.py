"""Shows a report inside a notebook, page below page as printed. It does not know what a report is about."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass
from pathlib import Path

from game24lab.report.document import draw_pages
from game24lab.report.write import make_report


@dataclass(frozen=True)
class Pages:
    """The pages of a report as SVG; a notebook that shows this object shows them."""

    title: str
    pages: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"{self.title}, {len(self.pages)} pages"

    def _repr_html_(self) -> str:
        # as pictures, for their letters are shapes with names, which the pages share
        drawn = (base64.b64encode(page).decode("ascii") for page in self.pages)
        return "".join(
            f'<img alt="{html.escape(self.title)}, page {number}" style="width:100%;max-width:800px;background:white" '
            f'src="data:image/svg+xml;base64,{page}">' for number, page in enumerate(drawn, 1)
        )  # fmt: skip


def show_report(kind: str, *folders: str | Path, title: str | None = None) -> Pages:
    """The report of some run folders, or of a kept JSON, to be looked at where it was called; no file is written.

    `kind` and `folders` are those of `game24lab report`; errors as of `report.write.write_report`.
    """
    report, _ = make_report(kind, folders, title=title)
    return Pages(report.title, tuple(draw_pages(report)))

