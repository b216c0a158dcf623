"""Messages on one line: of a long one what stands first and last, for either may say why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game24lab.runs.messages import LIMIT, condense, tell_plainly

IMPORT = ("Failed to import transformers.models.qwen3.modeling_qwen3 because of the following error (look up to see "
          "its traceback):\nNo module named 'nowhere'")  # fmt: skip
NUMPY = "\n\nIMPORTANT: PLEASE READ THIS FOR ADVICE\n\n" + "Importing the C-extensions failed. " * 20 + """

Original error was: libopenblas.so: cannot open shared object file
"""
STATE = "Error(s) in loading state_dict for Qwen3ForCausalLM:\n\tsize mismatch for model.norm.weight"


@pytest.mark.parametrize(("message", "said"), [
    ("steps 3: 4 is accepted", "steps 3: 4 is accepted"),
    ("one\ntwo", "one two"),
    (IMPORT, "Failed to import transformers.models.qwen3.modeling_qwen3 because of the following error: "
             "No module named 'nowhere'"),
    (STATE, "Error(s) in loading state_dict for Qwen3ForCausalLM: size mismatch for model.norm.weight"),
    (ValueError(), "ValueError"),
    (KeyError("x"), "'x'"),
    (OSError("  \n "), "OSError"),
    ("\n\n  late\n", "late"),
    ("a\x1b[31m \x00b\u202e", "a?[31m ?b?"),
])  # fmt: skip
def test_short_messages_are_whole(message, said):
    assert condense(message) == said


def test_a_long_message_keeps_both_ends():
    said = condense(NUMPY)
    assert said.startswith("IMPORTANT: PLEASE READ THIS FOR ADVICE ... ")
    assert said.endswith("Original error was: libopenblas.so: cannot open shared object file")
    assert len(condense("a" * 10_000)) <= LIMIT
    assert condense("a" * 500 + "\n" + "b" * 500 + " why").endswith(" why")


@given(st.text(), st.integers(40, 400))
def test_it_is_one_line_within_its_limit(text, limit):
    said = condense(text, limit)
    assert 0 < len(said) <= limit
    assert len(said.splitlines()) == 1
    assert said.isprintable()


def show_in_ipython(error, capsys):
    """What IPython prints of a cell that raises an error, its type kept."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.user_ns["error"] = error
    assert shell.run_cell("raise error").error_in_exec is error
    return capsys.readouterr().out


@pytest.mark.parametrize("error", [ValueError("n must be 1"), KeyboardInterrupt()])
def test_a_notebook_shows_a_message_in_the_place_of_a_traceback(error, capsys):
    assert tell_plainly(error, "Do this.", "Then that.") is error
    shown = show_in_ipython(error, capsys).strip().splitlines()
    assert shown == [*(["ValueError: n must be 1"] if str(error) else []), "Do this.", "Then that."]


def test_another_error_keeps_its_traceback(capsys):
    assert "Traceback" in show_in_ipython(ValueError("x"), capsys)
