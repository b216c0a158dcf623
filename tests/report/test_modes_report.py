"""The report on the three modes: side by side, with published numbers beside blind alone."""

import json

import pandas as pd
import pytest
import search_runs
from fake_models import FakeCritic, FakePolicy
from first_page import read_answer

from game24lab.cli import main as cli
from game24lab.evaluation import claims
from game24lab.evaluation.evaluate import evaluate, load_records, summarise
from game24lab.report import evidence, results
from game24lab.report import search_summaries as trials
from game24lab.report.document import compile_report, to_json
from game24lab.report.sections import modes
from game24lab.report.write import write_report
from game24lab.runs.run import start_run
from game24lab.search.modes import MODES
from game24lab.tasks.numbers.puzzles import write_puzzle
from game24lab.tasks.numbers.task import Game24
from game24lab.views.tables import formats as fmt

ARMS = {
    f"{name}{mode}": {"algorithm": algorithm, "mode": mode, "parameters": parameters}
    for name, algorithm, parameters in (("greedy@", "greedy", {}), ("best_of_n@", "best_of_n", {"n": 4}),
                                        ("mcts@simulations=12,", "mcts", {"simulations": 12}))
    for mode in MODES
}  # fmt: skip
EASY, HARD = search_runs.EASY[:6], search_runs.HARD[:6]


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A run of all arms, with what its answers claim, and one of a search that stops at two values."""
    folder = tmp_path_factory.mktemp("modes")
    with start_run(folder / "run", "09_strategies", {"policy": "", "critic": "", "seed": 0}) as run:
        evaluate(Game24(), (*EASY, *HARD), ARMS, FakePolicy(), FakeCritic(), seeds=range(2), progress=False,
                 path=run.path("records.parquet"), run_id=run.id)  # fmt: skip
        said = pd.DataFrame({"problem": ["1 2 3 4"] * 4, "arm": "samples", "text": list("abcd"),
                             "claims": [True, True, False, True],
                             "end": ["right", "calculation", "unfinished", "left list"]})  # fmt: skip
        run.write_records(claims.tabulate_ends(said).assign(split="1001-1362"), "claims_ends")
        run.write_records(claims.compare_choices(said), "claims_choices")
        run.finish(checkpoints={"policy": "0123456789ab", "critic": "ba9876543210"})
    stops = {f"mcts@enough={enough}": {"algorithm": "mcts", "mode": "rules",
                                       "parameters": {"simulations": 12, "enough": enough}} for enough in (0.85, 0.95)}
    search_runs.search(folder / "enough", stops, HARD)
    return folder


@pytest.fixture(scope="module")
def numbers(played):
    return modes.gather_numbers(evidence.read_evidence([played]))


def test_it_is_a_pdf_with_its_numbers_beside_it(played, tmp_path, capsys):
    pdf = tmp_path / "modes.pdf"
    assert cli.main(["report", "--kind", "modes", str(played / "run"), "-o", str(pdf)]) == 0
    assert capsys.readouterr().out.strip() == str(pdf)
    assert pdf.read_bytes()[:5] == b"%PDF-"
    kept = json.loads(pdf.with_suffix(".json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert {(arm["split"], arm["mode"]) for arm in kept["arms"]} == {(s, m) for s in trials.SPLITS for m in MODES}


def test_rows_are_those_of_the_records(played, numbers):
    rows = load_records(played / "run" / "records.parquet")
    for split, puzzles in (("901-1000", EASY), ("1001-1362", HARD)):
        expected = summarise(rows[rows["problem"].isin(set(map(write_puzzle, puzzles)))]).set_index(["arm", "mode"])
        for label in ("greedy", "best_of_n", "mcts@simulations=12"):
            for mode in MODES:
                arm = results.pick(numbers["arms"], split=split, mode=mode, label=label)
                mine = expected.loc[(arm["arm"], mode)]
                assert [arm[key] for key in ("accuracy", "low", "high", "sampled_tokens")] == \
                       [mine[key] for key in ("accuracy", "low", "high", "sampled_tokens")]  # fmt: skip
                assert (arm["problems"], arm["seeds"]) == (6, 2)
                assert arm["critic"] == "the shipped one (ba9876543210)"
                assert arm["policy"] == "the shipped one (0123456789ab)"


def test_it_says_what_a_reader_must_know(numbers):
    text = to_json(modes.make_report([], numbers))
    for said in ("Blind, rules and verified, ranks 901-1000", "Blind, rules and verified, ranks 1001-1362",
                 "the models alone", "Played blind, ranks 1001-1362", "86.7 %", "1,297", "calculation",
                 "most frequent text", "differ in `enough` alone", "0.85", "ba9876543210"):  # fmt: skip
        assert said in text, said
    report = modes.make_report([], numbers)
    assert compile_report(report)[:5] == b"%PDF-"
    answer, hard = read_answer(report), [arm for arm in numbers["arms"] if arm["split"] == "1001-1362"]
    for mode in MODES:
        best = max(arm["accuracy"] for arm in hard if arm["mode"] == mode)
        assert f"{mode} {100 * best:.1f} %" in answer


def test_published_numbers_stand_beside_blind_alone(numbers):
    table = modes.describe_published(numbers, "1001-1362")
    ours = [row for row in table.rows if row[0] == "here"]
    blind = [arm for arm in numbers["arms"] if (arm["split"], arm["mode"]) == ("1001-1362", "blind")]
    assert sorted(row[1:4] for row in ours) == sorted(
        (arm["label"], fmt.estimate(arm), f"{arm['sampled_tokens']:,.0f}") for arm in blind)
    assert len(table.rows) - len(ours) == 12
    shares = [float(row[2].split(" %")[0]) for row in table.rows]
    assert shares == sorted(shares, reverse=True)
    easier = modes.describe_published(numbers, "901-1000").rows
    assert not any("b = 5" in row[1] for row in easier)  # any of five answers may be right there


def test_a_run_of_one_mode_alone_is_reported_too(tmp_path):
    search_runs.search(tmp_path / "run", {"greedy": {"algorithm": "greedy", "mode": "rules"}}, EASY[:3])
    found = modes.gather_numbers(evidence.read_evidence([tmp_path]))
    text = to_json(modes.make_report([], found))
    assert "Answers that nobody checks" not in text
    assert "Where a search stops" not in text


def test_what_is_missing_or_broken_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run here"):
        write_report("modes", [tmp_path / "nowhere"], tmp_path / "x.pdf")
    search_runs.judge(tmp_path / "critic")
    with pytest.raises(ValueError, match=r"critic \(04_critic\): records\.parquet with rows of an evaluation"):
        write_report("modes", [tmp_path / "critic"], tmp_path / "x.pdf")
    folder = search_runs.search(tmp_path / "run", {"greedy": {"algorithm": "greedy", "mode": "rules"}}, EASY[:2])
    pd.DataFrame({"end": ["right"]}).to_parquet(folder / "claims_ends.parquet")
    with pytest.raises(ValueError, match=r"claims_ends\.parquet: the column 'n' is missing; there are end"):
        write_report("modes", [folder], tmp_path / "x.pdf")


def test_readme_can_quote_it(numbers):
    table = results.tabulate_modes(numbers)
    assert table.count("\n") == 1 + 2 * (3 + 1)
    assert "| best of 4, by the critic |" in table
    assert "published: 7B, PUCT, best of a sweep of 169 (ReSCALE) | 86.7 % | 1,297 |" in table
    for mode in MODES:
        arm = results.pick(numbers["arms"], split="1001-1362", mode=mode, label="greedy")
        assert f"{results.show(100 * arm['accuracy'], 1)} % [" in table
