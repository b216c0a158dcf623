"""What holds of the first page of every report: the question, the answer in sentences, at most one figure."""

from game24lab.report.document import Heading, Paragraph, Picture, Report


def read_answer(report: Report) -> str:
    """The answer on the first page, whose blocks are checked."""
    place = next(i for i, block in enumerate(report.blocks) if block == Heading("Appendix", new_page=True))
    question, asked, heading, answer, *figures = report.blocks[:place]
    assert (question, heading) == (Heading("The question"), Heading("The answer"))
    assert isinstance(asked, Paragraph)
    assert len(figures) == 1
    assert isinstance(figures[0], Picture)
    assert 100 < len(answer.text) < 1200
    assert not [block for block in report.blocks[place + 1 :] if getattr(block, "new_page", False)]
    return answer.text
