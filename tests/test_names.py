"""The public page of names: quick to import, every name is there, what it is not is said."""

import subprocess
import sys

import pytest

import game24lab as lab


def test_importing_it_loads_nothing():
    heavy = ("torch", "numpy", "pandas", "plotly", "transformers")
    code = f"import sys, game24lab; print([name for name in {heavy} if name in sys.modules], len(dir(game24lab)) > 15)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[] True\n"


@pytest.mark.parametrize("name", lab.__all__)
def test_every_name_is_there_and_documented(name):
    assert getattr(lab, name).__doc__


def test_rooms_are_imported_as_ever():
    from game24lab.search import engine

    assert lab.run_search is engine.run


def test_an_unknown_name_is_named():
    with pytest.raises(AttributeError, match="no attribute 'lode_policy'; it has Arm, "):
        lab.lode_policy  # noqa: B018
