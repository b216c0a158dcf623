"""The report on searches: a PDF, the records' own numbers beside it, published points, sweeps, and clear complaints."""

import json

import pandas as pd
import pytest
import search_runs
from first_page import read_answer

from game24lab.cli import main as cli
from game24lab.evaluation.evaluate import LATER, load_records, summarise
from game24lab.evaluation.statistics import wilson
from game24lab.report import evidence
from game24lab.report import search_summaries as trials
from game24lab.report.document import Picture, compile_report, to_json
from game24lab.report.published import PUBLISHED, find_published, hold_against
from game24lab.report.sections import critics, fronts, search
from game24lab.report.write import write_report
from game24lab.runs.run import start_run
from game24lab.search.cost import Cost
from game24lab.tasks.numbers.puzzles import write_puzzle

EASY, HARD = ({write_puzzle(puzzle) for puzzle in puzzles[:12]} for puzzles in (search_runs.EASY, search_runs.HARD))


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A folder with two runs of searches and one of a critic."""
    folder = tmp_path_factory.mktemp("search")
    search_runs.search(folder / "base", seeds=2)
    search_runs.search(folder / "sweep", search_runs.SWEEP)
    search_runs.judge(folder / "critic")
    return folder


@pytest.fixture(scope="module")
def told(searched):
    """What was read, the numbers, and all text of the report."""
    read = evidence.read_evidence([searched])
    numbers = search.gather_numbers(read)
    return read, numbers, to_json(search.make_report(read, numbers))


def find_arm(numbers, split, mode, label):
    (arm,) = [arm for arm in numbers["arms"] if (arm["split"], arm["mode"], arm["label"]) == (split, mode, label)]
    return arm


def describe(name="09_strategies", id="aaa", critic="", inputs=None, facts=None):
    return {"name": name, "id": id, "parameters": {"critic": critic}, "inputs": inputs or {}, "facts": facts}


# ------------------------------------------------------------------------------------------------------- the whole
def test_it_is_a_pdf_with_its_numbers_beside_it(searched, tmp_path, capsys):
    arms = {"greedy": {"algorithm": "greedy", "mode": "rules"}}
    search_runs.search(tmp_path / "run", arms, (search_runs.EASY[0], search_runs.HARD[0]))
    folders, pdf = [str(tmp_path / "run"), str(searched / "critic")], str(tmp_path / "search_report.pdf")
    assert cli.main(["report", "--kind", "search", *folders, "-o", pdf]) == 0
    assert capsys.readouterr().out.strip() == pdf
    assert (tmp_path / "search_report.pdf").read_bytes()[:5] == b"%PDF-"
    text = (tmp_path / "search_report.json").read_text(encoding="utf-8")
    numbers = json.loads(text, parse_constant=pytest.fail)
    assert len(numbers["runs"]) == 2
    assert {arm["split"] for arm in numbers["arms"]} == {"901-1000", "1001-1362"}
    assert numbers["critics"]["gains"]


def test_it_says_what_a_reader_must_know(told):
    expected = ("Every strategy, ranks 901-1000, verified", "Every strategy, ranks 1001-1362, rules", "flatters",
                "against sampled tokens, ranks 1001-1362", "against FLOPs, ranks 1001-1362", "What a parameter does",
                "p95 s", "said before", "illegal", "86.7 %", "1,297", "54.1 %", "2,500", "N = 7 billion", "noise",
                "Brier", "Not all problems of ranks", "none of their kind beats for less")  # fmt: skip
    assert not [said for said in expected if said not in told[2]]
    answer = read_answer(search.make_report(told[0], told[1]))
    for best in (best for best in told[1]["best"] if best["split"] == "1001-1362"):
        assert f"{best['mode']}, {best['label']}: {100 * best['accuracy']:.1f} %" in answer


# ------------------------------------------------------------------------------------------------------ the numbers
def test_numbers_are_those_of_the_records_split_by_split(searched, told):
    rows, numbers = load_records(searched / "base" / "records.parquet"), told[1]
    for split, puzzles in (("901-1000", EASY), ("1001-1362", HARD)):
        mine = rows[rows["problem"].isin(puzzles)]
        assert set(mine["problem"]) == puzzles
        expected = summarise(mine).set_index("arm")
        for name in search_runs.ARMS:
            arm = find_arm(numbers, split, rows.loc[rows["strategy"] == name, "mode"].iloc[0], name)
            part = mine[mine["strategy"] == name]
            for column in ("accuracy", "low", "high", "sampled_tokens", "sampled_lines", "sampled_characters", "flops"):
                assert arm[column] == expected.loc[name, column], column
            assert (arm["problems"], arm["seeds"], arm["attempts"]) == (12, 2, 24)
            assert arm["calls"] == pytest.approx(part["policy_calls"].mean() + part["critic_calls"].mean())
            assert arm["seconds_p95"] == part["seconds"].quantile(0.95)
            assert arm["repeated"] == part["repeated_tokens"].sum() / part["sampled_tokens"].sum()
            assert arm["illegal"] == part["illegal_tokens"].sum() / part["sampled_tokens"].sum()


def test_the_best_is_the_best_within_the_budget_and_says_how_it_does_elsewhere(told):
    numbers = told[1]
    assert [(best["split"], best["mode"]) for best in numbers["best"]] == [
        ("901-1000", "verified"), ("901-1000", "rules"), ("1001-1362", "verified"), ("1001-1362", "rules"),
    ]  # fmt: skip
    for best in numbers["best"]:
        rivals = [arm for arm in numbers["arms"] if (arm["split"], arm["mode"]) == (best["split"], best["mode"])]
        assert best["accuracy"] == max(arm["accuracy"] for arm in rivals if arm["sampled_tokens"] <= search.MOST)
        other = find_arm(numbers, best["elsewhere"]["split"], best["mode"], best["label"])
        assert best["elsewhere"]["accuracy"] == other["accuracy"]
        assert other["split"] != best["split"]
    cheap = trials.pick_best(trials.list_trials(told[0], "05_search"), 60)
    assert all(best["sampled_tokens"] <= 60 for best in cheap)


def test_arms_that_differ_in_one_number_are_sweeps_and_others_are_none(told):
    numbers = told[1]
    found = {(s["split"], s["algorithm"], s["parameter"], s["subject"]): [p["value"] for p in s["points"]]
             for s in numbers["sweeps"] if s["mode"] == "rules"}  # fmt: skip
    expected = {("mcts", "simulations", "simulations"): [4, 12, 20, 30], ("mcts", "width", "width"): [1, 2, 4],
                ("mcts", "c_init", "exploration"): [0.2, 1.0, 5.0]}  # fmt: skip
    assert found == {(split, *key): values for split in trials.SPLITS for key, values in expected.items()}
    for sweep in numbers["sweeps"]:
        first, last = sweep["points"][0], sweep["points"][-1]
        change = sweep["change"]
        assert change["problems"] == 12
        assert change["difference"] == pytest.approx(last["accuracy"] - first["accuracy"])
        assert change["low"] <= change["difference"] <= change["high"]


def test_no_difference_on_few_problems_is_no_certainty():
    one = trials.Trial({}, pd.Series([1.0, 0.0, 1.0], ["a", "b", "c"]))
    change = trials._compare(one, one)
    assert change["difference"] == 0
    assert change["low"] == -change["high"] == -wilson(0, 3)[1]
    assert trials._compare(one, trials.Trial({}, pd.Series([1.0], ["d"]))) is None


def test_a_wasteful_arm_has_a_cheaper_and_surely_better_one():
    def arm(label, tokens, solved, mode="verified"):
        low, high = wilson(solved, 100)
        return {"split": "901-1000", "mode": mode, "label": label, "sampled_tokens": tokens, "accuracy": solved / 100,
                "low": low, "high": high}  # fmt: skip

    arms = [arm("good", 100, 90), arm("bad", 200, 50), arm("near", 200, 88), arm("cheap", 20, 50),
            arm("other", 200, 50, "rules")]  # fmt: skip
    assert [(one["label"], better["label"]) for one, better in trials.find_wasteful(arms)] == [("bad", "good")]


@pytest.mark.parametrize(
    ("problem", "split"),
    [("1 2 3 4", "other"), ("1 2 3", "other"), ("Tom has 3 apples. How many?", "other"), ("", "other"),
     (write_puzzle(search_runs.EASY[0]), "901-1000"), (write_puzzle(search_runs.HARD[0]), "1001-1362")],
)  # fmt: skip
def test_splits_are_found_by_the_puzzle_itself(problem, split):
    assert trials.find_split(problem) == split


def test_every_strategy_has_a_kind_and_a_look_of_its_own():
    from game24lab.evaluation.arms import STRATEGIES

    assert {name for names in trials.KINDS.values() for name in names} >= set(STRATEGIES)
    for names in (trials.KINDS, *trials.KINDS.values()):  # what stands in one figure
        assert len({fronts.STYLES[name][0] for name in names}) == len(names) <= 7


def test_no_figure_holds_more_names_than_there_are_colours(told):
    shown = [block for block in search.make_report(told[0], told[1]).blocks if isinstance(block, Picture)]
    kinds = [block.caption for block in shown if "All arms of" in block.caption]
    assert len(kinds) == len({arm["kind"] for arm in told[1]["arms"]})
    assert all(f"All arms of {arm['kind']}, ranks 1001-1362" in " ".join(kinds) for arm in told[1]["arms"])


def test_the_front_is_what_nothing_beats():
    table = pd.DataFrame({"kind": list("aaaab"), "cost": [1, 2, 3, 3, 2], "accuracy": [0.5, 0.4, 0.6, 0.7, 0.1]})
    front = trials.find_front(table, "cost", ("kind",))
    assert sorted(zip(front["kind"], front["cost"], front["accuracy"], strict=True)) == [
        ("a", 1, 0.5), ("a", 3, 0.7), ("b", 2, 0.1)]  # fmt: skip


def test_parameters_without_a_difference_are_summed_up_and_the_others_listed(told):
    sweeps = told[1]["sweeps"]
    flat = [sweep | {"change": {"difference": 0.0, "low": -0.1, "high": 0.1, "problems": 12}} for sweep in sweeps]
    (table,) = search.describe_sweeps(flat)
    assert table.caption == "Parameters of which the problems show no difference."
    assert {row[0] for row in table.rows} == {sweep["parameter"] for sweep in sweeps}
    assert sum(int(row[2]) for row in table.rows) == len(sweeps)
    steep = [sweep | {"change": {"difference": 0.3, "low": 0.1, "high": 0.5, "problems": 12}} for sweep in sweeps]
    (table,) = search.describe_sweeps(steep)
    assert (table.caption, len(table.rows)) == ("Parameters that made a difference.", len(sweeps))


# --------------------------------------------------------------------------------------------------- whose critic
@pytest.mark.parametrize(
    ("run", "name"),
    [
        (describe(), "the shipped one"),
        (describe(critic="shipped", facts={"checkpoints": {"critic": "0123"}}), "the shipped one (0123)"),
        (describe(critic="runs/critic/checkpoint", inputs={"critic": "ccc"}), "the one trained in run ccc"),
        (describe("04_critic", "ddd", critic=None), "the one trained in run ddd"),
        (describe(critic="some/folder", facts={"checkpoints": {"critic": "0123"}}), "some/folder (0123)"),
        (describe(critic=None), "one that the run does not name"),
    ],
)  # fmt: skip
def test_critics_have_names(run, name):
    assert critics.name_model(run) == name


def test_two_critics_are_told_apart_part_by_part(told):
    trained = "the one trained in run " + next(run["id"] for run in told[1]["runs"] if run["name"] == "04_critic")
    assert told[1]["judges"] == {"searched": ["the shipped one"], "measured": [trained]}
    assert "One critic" not in told[2]
    assert f"The critic of the arms: the shipped one. Calibration, choices among samples and noise lab are about " \
           f"another: {trained}." in told[2]  # fmt: skip
    for part in ("The critic, ", "and AUC: the critic, ", "a perfect chooser. The critic: ", "Trained: the critic, "):
        assert part + trained in told[2], part
    assert {row["judge"] for rows in told[1]["critics"].values() for row in rows} == {trained}


def test_one_critic_is_called_one():
    same = {"searched": ["the one trained in run ccc"], "measured": ["the one trained in run ccc"]}
    assert critics.describe_critics(same) == "One critic throughout: the one trained in run ccc."
    assert critics.describe_critics({"searched": [], "measured": []}) == "No arm asked a critic."


# ------------------------------------------------------------------------------------------------- published points
def test_published_points_have_their_cost_in_our_units():
    (best,) = [hold_against(point) for point in find_published({"tsllm"}) if point.accuracy == 0.867]
    assert best["flops"] == 2 * 7e9 * 1297
    assert best["sampled_lines"] == pytest.approx(4 * 1297 / 76)
    assert best["sampled_tokens"] == best["tokens"] == 1297
    assert best["flops"] == Cost(sampled_tokens=1297).flops(7_000_000_000)
    assert {(p.accuracy, p.tokens) for p in PUBLISHED} >= {(0.867, 1297), (0.605, 366), (0.727, 453), (0.541, 2500)}
    for point in PUBLISHED:
        costs = hold_against(point)
        assert (costs["flops"] is None) == (point.parameters is None or point.tokens is None)
        assert point.source
        assert point.checked
        assert 0 < point.accuracy < 1


# ------------------------------------------------------------------------------------------- what may be missing
def test_one_run_of_one_split_and_mode_alone_is_reported_too(tmp_path):
    arms = {"greedy": {"algorithm": "greedy", "mode": "rules"}}
    search_runs.search(tmp_path / "run", arms, search_runs.EASY[:3])
    read = evidence.read_evidence([tmp_path])
    numbers = search.gather_numbers(read)
    report = search.make_report(read, numbers)
    assert compile_report(report)[:5] == b"%PDF-"
    assert compile_report(search.make_report(read, numbers)) == compile_report(report)  # equal records, equal bytes
    text = to_json(report)
    assert "The noise lab" not in text
    assert "Sensitivity" not in text
    assert "1001-1362" not in text
    assert "1 search seed only" in text


def test_older_records_miss_lines_and_say_so(searched, tmp_path):
    rows = load_records(searched / "base" / "records.parquet").query("problem in @EASY and algorithm != 'mcts'")
    with start_run(tmp_path / "old", "05_search", {"seed": 0}) as run:
        run.write_records(rows.drop(columns=list(LATER)))
    read = evidence.read_evidence([tmp_path])
    numbers = search.gather_numbers(read)
    assert all(arm[name] is None for arm in numbers["arms"] for name in ("sampled_lines", "repeated", "illegal"))
    text = to_json(search.make_report(read, numbers))
    assert "Some records are older than the count of lines" in text
    assert "Accuracy against sampled lines" not in text
    assert "Accuracy against sampled tokens" in text


def test_the_same_arm_of_two_runs_is_told_apart(tmp_path):
    arms = {"greedy@unverified": {"algorithm": "greedy", "mode": "rules"}}
    for seed in range(2):
        search_runs.search(tmp_path / str(seed), arms, search_runs.EASY[:3], seed=seed)
    numbers = search.gather_numbers(evidence.read_evidence([tmp_path]))
    labels = {arm["label"] for arm in numbers["arms"]}
    assert labels == {f"greedy [{run['id'][:4]}]" for run in numbers["runs"]}


def test_hostile_text_reaches_the_page_as_text(searched, tmp_path):
    rows = load_records(searched / "base" / "records.parquet").query("problem in @EASY and algorithm == 'greedy'")
    name = '#import "x" $x^2$ <b>*bold*</b> \u202e \\'
    with start_run(tmp_path / "run", "05_search", {"seed": 0}) as run:
        run.write_records(rows.assign(strategy=name + rows["strategy"], backend=name))
    read = evidence.read_evidence([tmp_path])
    assert compile_report(search.make_report(read, search.gather_numbers(read)))[:5] == b"%PDF-"


def test_what_is_missing_or_broken_is_named(searched, tmp_path):
    with pytest.raises(FileNotFoundError, match="no run here"):
        write_report("search", [tmp_path / "nowhere"], tmp_path / "x.pdf")
    with pytest.raises(ValueError, match=r"critic \(04_critic\): records\.parquet with rows of an evaluation"):
        write_report("search", [searched / "critic"], tmp_path / "x.pdf")
    with start_run(tmp_path / "lab", "04_critic", {"seed": 0}) as run:
        run.write_records(pd.DataFrame({"critic": ["truth"], "sigma": [0.0]}), "noiselab")
    with pytest.raises(ValueError, match=r"noiselab\.parquet: the column 'arm' is missing; there are critic, sigma"):
        write_report("search", [searched, tmp_path / "lab"], tmp_path / "x.pdf")
    assert not list(tmp_path.glob("x.*"))
