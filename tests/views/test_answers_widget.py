"""The view of graded answers: which one it shows, and that what a model wrote is never markup."""

import pytest
from scripted_policy import ScriptedPolicy

from game24lab.evaluation.chains import grade
from game24lab.tasks.environments import open_environment
from game24lab.views.widgets.answers import AnswerView

GAME = open_environment("game24", held_out=1)
PUZZLES = ((1, 2, 3, 4), (1, 1, 4, 6))
RIGHT = "1 * 2 = 2 (left: 2 3 4)\n2 * 3 = 6 (left: 4 6)\n4 * 6 = 24 (left: 24)\nreach 24! expression: 1 * 2 * 3 * 4\n"
HOSTILE = '<script>alert(1)</script>\n<b onclick="x">\u202e</b>\nreach 24! expression: <i>24</i>\n'


@pytest.fixture
def rows():
    """A right answer and a hostile one."""
    policy = ScriptedPolicy({"Input: 1 2 3 4\n": [RIGHT], "Input: 1 1 4 6\n": [HOSTILE]})
    return grade(GAME, policy, PUZZLES, progress=False)


def test_it_begins_with_an_answer_that_is_not_right_and_shows_the_chosen_one(rows):
    view = AnswerView(rows)
    assert view.chosen.value == 1
    assert "wrong expression" in view.chosen.label
    view.chosen.value = 0
    assert "2 * 3 = 6 (left: 4 6)" in view._view.value
    assert "solved" in repr(view)
    assert "1 2 3 4 · solved" in view._repr_mimebundle_()["text/html"]
    assert AnswerView(rows[:1]).chosen.value == 0


def test_what_a_model_wrote_is_never_markup(rows):
    page = AnswerView(rows)._repr_mimebundle_()["text/html"]
    assert "&lt;script&gt;" in page
    assert not [bad for bad in ("<script", "<b ", "<i>", "\u202e") if bad in page]


def test_no_rows_are_refused(rows):
    with pytest.raises(ValueError, match="there are none"):
        AnswerView(rows[:0])


def test_answers_are_stepped_through_and_filtered_by_how_they_ended(rows):
    view = AnswerView(rows)
    assert dict(view.kind.options) == {"all (2)": "", "solved (1)": "solved",
                                       "wrong expression (1)": "wrong expression"}  # fmt: skip
    view.step(-1)
    assert view.chosen.value == 0
    view.step(-1)  # there is none before
    assert view.chosen.value == 0
    view.kind.value = "wrong expression"
    assert [place for _, place in view.chosen.options] == [1]
    assert view.chosen.value == 1
    assert "&lt;script&gt;" in view._view.value
    view.kind.value = ""
    assert view.chosen.value == 1
    assert len(view.chosen.options) == 2
