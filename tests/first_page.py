"""What holds of every report: page one is question, answer, figure and cost; two pages of figures at most follow."""

from dataclasses import replace

import typst

from game24lab.report import document
from game24lab.report.document import Columns, Heading, Paragraph, Picture, Report


def read_answer(report: Report) -> str:
    """The answer on the first page; all pages before the appendix are checked."""
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


def count_pages(report: Report) -> int:
    """How many pages the document has."""
    pages = typst.compile(str(document._TEMPLATE), format="svg", font_paths=document._fonts(),
                          sys_inputs={"data": document.to_json(report)})  # fmt: skip
    return len(pages) if isinstance(pages, list) else 1
