"""The page of a real checkpoint: a number stands there only where its command was run to its end."""

import json

import pandas as pd
import pytest

from game24lab.report import real
from game24lab.runs.run import start_run


def make_run(folder, name, result="", rows=None):
    run = start_run(folder, name, {"seed": 0, "source": "/home/me/gsm8k"})
    if rows is not None:
        run.write_records(pd.DataFrame(rows))
    if result:
        run.finish(result=result)
    return run


@pytest.fixture
def runs(tmp_path):
    """Three runs, one of them not finished, and what `solve --json` has written."""
    folder = tmp_path / "runs"
    folder.mkdir()
    for name, right in (("start", ()), ("after", (1, 2, 5))):
        rows = [{"way": "transformers", "problem": f"question {n}", "solved": n in right} for n in range(8)]
        make_run(folder / name, "beside_plain", f"{len(right)} of 8 | greedy", [*rows, {**rows[0], "way": "generate"}])
    make_run(folder / "07_dpo", "07_dpo")
    puzzle = {"solved": True, "sampled_tokens": 30, "seconds": 1.5}
    (folder / "solve.jsonl").write_text(f"{json.dumps(puzzle)}\n{json.dumps(puzzle | {'solved': False})}\n")
    return folder


def read_page(path):
    return {line.split(" | ")[0].removeprefix("| "): line for line in path.read_text().splitlines() if line[:1] == "|"}


def test_rows_stand_there_as_far_as_they_were_run(runs, tmp_path):
    kept, page = tmp_path / "real.json", tmp_path / "real.md"
    assert real.main([str(runs), str(kept), str(page)]) == 0
    rows = read_page(page)
    assert len(rows) == len(real.ROWS) + 2
    assert "1 of 2 puzzles, 60 sampled tokens in all" in rows["`solve`: best of four samples"]
    assert "3 of 8 / greedy" in rows["GSM8K behind it, beside plain `generate`"], "no bar of a result breaks the table"
    assert "not run to its end" in rows["DPO on the Game of 24"]
    assert "not run to its end" in rows["a critic on its trunk"]
    assert all(line.count(" | ") == 4 for line in rows.values())
    assert "/home/me" not in kept.read_text()
    said = page.read_text()
    assert "by +37.5 [" in said
    assert "(paired, n = 8, 3 gained, 0 lost)" in said
    again = tmp_path / "again.md"
    assert real.main([str(kept), str(again)]) == 0
    assert again.read_text() == said, "the kept numbers are enough"


def test_many_problems_are_told_rather_than_few_once_both_sides_have_ended(runs):
    few = real.read_rows(runs)
    assert (few["change"]["problems"], few["change_last"]) == (8, None), "no last numbers were kept"
    rows = [{"way": "transformers", "problem": f"question {n}", "solved": False, "found": n < 3} for n in range(20)]
    make_run(runs / "start_many", "beside_plain", "3 of 20", rows)
    after = make_run(runs / "after_many", "beside_plain", "", [{**row, "solved": True} for row in rows])
    assert real.read_rows(runs)["change"]["problems"] == 8, "one side has not ended"
    after.finish(result="20 of 20")
    kept = real.read_rows(runs)
    assert kept["change"] | {"low": 0, "high": 0} == {
        "difference": 1.0, "low": 0, "high": 0, "problems": 20, "gained": 20, "lost": 0, "before": 0.0, "after": 1.0}
    assert kept["change_last"]["difference"] == 0
    assert "from 15.0 to 15.0 %" in real.write_page(kept)


def test_commands_of_the_page_are_of_this_project(runs):
    page = real.write_page(real.read_rows(runs))
    assert "`game24lab run 06_grpo -f params/real/06_grpo_gsm8k.yaml`" in page


@pytest.mark.parametrize("words", [["{0}", "a.md"], ["{0}/none.json", "a.md"], ["{0}", "a.json", "b.json", "c.md"],
                                   ["{0}/empty", "a.json", "a.md"]])  # fmt: skip
def test_bad_input_is_one_line(runs, capsys, words):
    (runs / "empty").mkdir()
    assert real.main([word.format(runs) for word in words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
