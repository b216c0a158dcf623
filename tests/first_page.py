"""What holds of every report: page one is question, answer, figure and cost; two pages of figures at most follow; the
caption of a figure begins with what is seen in it."""

import re
from dataclasses import replace

import typst

from game24lab.report import document
from game24lab.report.document import Columns, Heading, Paragraph, Picture, Report

LONGEST = 440  # characters of a caption: a line has about 115


def read_answer(report: Report) -> str:
    """The answer on the first page; all pages before the appendix are checked, and all captions of figures."""
    check_captions(report)
    headings = [block for block in report.blocks if isinstance(block, Heading)]
    assert [heading.text for heading in headings if heading.new_page] in (["In figures", "Appendix"], ["Appendix"])
    place = report.blocks.index(Heading("Appendix", new_page=True))
    before = list(report.blocks[:place])
    question, asked, heading, answer, figure, spent, cost, *more = before
    assert (question, heading, spent) == (Heading("The question"), Heading("The answer"), Heading("What it cost"))
    assert isinstance(asked, Paragraph)
    assert isinstance(figure, Picture)
    assert isinstance(cost, Paragraph)
    assert "hours" in cost.text or "run" in cost.text
    assert 100 < len(answer.text) < 1200
    assert not more or more[0] == Heading("In figures", new_page=True)
    assert all(isinstance(block, Picture | Columns) for block in more[1:])
    assert count_pages(replace(report, blocks=tuple(before[:7]))) == 1
    assert count_pages(replace(report, blocks=tuple(before))) <= 3
    return answer.text


def list_pictures(report: Report) -> list[Picture]:
    """All figures, those in columns too."""
    flat = [inner for block in report.blocks for inner in getattr(block, "blocks", (block,))]
    return [block for block in flat if isinstance(block, Picture)]


def read_finding(picture: Picture) -> str:
    """The first sentence of a caption."""
    return re.split(r"(?<=\.) (?=[A-Z])", picture.caption)[0]


def check_captions(report: Report) -> None:
    """Each begins with a sentence that holds a number or says that there is none, and is short; so is the alt text."""
    for picture in list_pictures(report):
        finding = read_finding(picture)
        assert re.search(r"\d", finding) or finding.startswith("No "), f"nothing is found in {picture.caption!r}"
        assert "nan" not in finding, picture.caption
        assert finding.endswith("."), picture.caption
        assert len(finding) < len(picture.caption) <= LONGEST, picture.caption
        assert picture.alt == picture.caption


def count_pages(report: Report) -> int:
    """How many pages the document has."""
    pages = typst.compile(str(document._TEMPLATE), format="svg", font_paths=document._fonts(),
                          sys_inputs={"data": document.to_json(report)})  # fmt: skip
    return len(pages) if isinstance(pages, list) else 1
