"""The public page of names: quick to import, every name is there and needed, what it is not is said."""

import json
import re
import subprocess
import sys
from operator import attrgetter
from pathlib import Path

import pytest

import game24lab as lab


def test_importing_it_loads_nothing():
    heavy = ("torch", "numpy", "pandas", "plotly", "transformers")
    code = f"import sys, game24lab; print([name for name in {heavy} if name in sys.modules], len(dir(game24lab)) > 15)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[] True\n"


@pytest.mark.parametrize("name", lab.__all__)
def test_every_name_is_there_and_documented(name):
    assert getattr(lab, name).__doc__


def test_it_holds_what_notebooks_take_and_little_else():
    # by hand: notebooks write arms as dicts, score what they have sampled, and have not finished where a report looks
    taken = {"Arm", "score_files", "show_report"}
    for path in (Path(__file__).parent.parent / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        taken.update(re.findall(r"\blab\.([\w.]+\w)", code))
    assert [attrgetter(path)(lab) for path in sorted(taken)]
    assert set(lab.__all__) == {path.partition(".")[0] for path in taken}


def test_rooms_are_imported_as_ever():
    from game24lab.search import engine

    assert lab.run_search is engine.run


def test_an_unknown_name_is_named():
    with pytest.raises(AttributeError, match="no attribute 'lode_policy'; it has load_policy"):
        lab.lode_policy  # noqa: B018
