"""The report on routing: a PDF with its numbers beside it, which are those of the records; clear complaints."""

import json

import pytest
from first_page import read_answer
from routed_runs import make_router_run

from game24lab.cli import main as cli
from game24lab.report import router_summaries as summaries
from game24lab.report.document import to_json
from game24lab.report.evidence import read_evidence
from game24lab.report.sections import routing as router
from game24lab.routing.evaluation import evaluate_router
from game24lab.runs.run import start_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with two routers: of verified arms and of others."""
    folder = tmp_path_factory.mktemp("routers")
    make_router_run(folder / "a")
    make_router_run(folder / "b", seed=1, verified=False, repeats=20)
    return folder


def test_the_report_is_a_pdf_with_its_numbers_beside_it(runs, tmp_path, capsys):
    assert cli.main(["report", "--kind", "router", str(runs), "-o", str(tmp_path / "router.pdf")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "router.pdf")
    assert (tmp_path / "router.pdf").read_bytes()[:5] == b"%PDF-"
    numbers = json.loads((tmp_path / "router.json").read_text(), parse_constant=pytest.fail)
    assert [one["label"] for one in numbers["routers"]] == ["verified", "rules"]
    assert len(numbers["published"]) == 13


def test_its_numbers_are_those_of_the_records(runs):
    (one,) = read_evidence([runs / "a"])
    found = summaries.judge_run(one)
    numbers = summaries.summarise_router(one, found)
    judged = evaluate_router(found.rows, repeats=60)
    assert numbers["point"]["gain"] == judged.point["gain"]
    assert numbers["point"]["share_low"] == judged.point["share_low"]
    assert numbers["best"]["arm"] == "best_of_n@64"
    assert 0 < numbers["bound"]["ratio"] <= numbers["best"]["ratio"]
    test = found.test
    assert numbers["puzzles"]["test"] == test["problem"].nunique()
    arm = test[test["arm"] == "best_of_n@16"]
    told = next(entry for entry in numbers["fixed"] if entry["step"] == "best_of_n@16")
    assert told["accuracy"] == pytest.approx(arm["probability"].mean())
    assert told["low"] <= told["accuracy"] <= told["high"]
    assert numbers["fee"] == 30
    assert sum(entry["share"] for entry in numbers["mix"]) == pytest.approx(1)
    assert {entry["lesson"] for entry in numbers["lessons"]} == {"logistic, all", "logistic, none", "logistic, oracle"}


def test_it_says_what_did_not_work(runs):
    found = read_evidence([runs])
    numbers = router.gather_numbers(found)
    poor = numbers["routers"][0]
    answer = read_answer(router.make_report(found, numbers))
    assert f"Gain {100 * poor['point']['gain']:+.1f} points" in answer
    assert f"{poor['best']['ratio']:.2f} [" in answer
    poor["point"] |= {"gain": 0.001, "gain_low": -0.02, "gain_high": 0.02, "share": 0.05}
    poor["best"] |= {"ratio": None, "cost": None}
    lessons = {entry["lesson"]: entry for entry in poor["lessons"]}
    lessons[poor["lesson"]]["share"] = -0.1  # worse than nothing, and a lesson that is at the oracle's has no share
    for name in set(lessons) - {poor["lesson"]}:
        lessons[name]["share"] = None
    text = to_json(router.make_report(found, numbers))
    for said in ("not beyond chance", "less than 40% of the gap", "never reached", "differences of a few points"):
        assert said in text
    assert "would have closed more" not in text


def test_what_is_no_router_is_refused(runs, tmp_path):
    with pytest.raises(FileNotFoundError):
        router.gather_numbers(read_evidence([tmp_path]))
    other = start_run(tmp_path / "x", "05_search", {"output": "x"})
    other.finish()
    with pytest.raises(ValueError, match="runs of 10_router are needed"):
        router.gather_numbers(read_evidence([tmp_path]))
    empty = start_run(tmp_path / "y", "10_router", {"output": "y"})
    with pytest.raises(ValueError, match="not come as far as routing"):
        router.gather_numbers(read_evidence([tmp_path / "y"]))
    rows = summaries.judge_run(*read_evidence([runs / "a"])).rows
    empty.write_records(rows.drop(columns="trials"))
    with pytest.raises(ValueError, match="lacks the column 'trials'"):
        router.gather_numbers(read_evidence([tmp_path / "y"]))
    empty.write_records(rows[rows["part"] != "test"])
    with pytest.raises(ValueError, match=r"records\.parquet: rows: no puzzles of the part test"):
        router.gather_numbers(read_evidence([tmp_path / "y"]))
