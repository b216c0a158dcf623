"""The report on expert iteration: pooled lines, what moved, refused rounds, a PDF from runs and from kept numbers."""

import json

import numpy as np
import pandas as pd
import pytest
from first_page import read_answer

from game24lab.evaluation.exact import pass_at
from game24lab.evaluation.round_meters import measure_sides
from game24lab.report.evidence import read_evidence
from game24lab.report.result_iteration import tell_iteration
from game24lab.report.sections import iteration
from game24lab.report.write import write_report
from game24lab.runs.run import start_run
from game24lab.views.tables import formats as fmt

PROBLEMS = [f"{n} 1 1 1" for n in range(1, 9)]
# of eight problems two are below 1e-4 at the start; one of them is usual afterwards, and a likely one is lost
BEFORE = [1e-6, 1e-5, 1e-3, 1e-2, 0.1, 0.5, 0.9, 1.0]
AFTER = [1e-6, 0.2, 1e-2, 1e-5, 0.4, 0.7, 0.9, 1.0]


def make_rows(line, seed, chances, accepted):
    rows, tables, best = [], [], 0
    for number, p in enumerate(chances):
        best = number if accepted[number] else best
        rows.append({"line": line, "seed": seed, "round": number, "accepted": accepted[number], "best": best,
                     "solved_ever": (number + 1) / 4, "flops_total": 1e9 * (number + 1), "stopped": "",
                     "calculations": 1.5, "sampled_tokens": 100, "critic_new_auc": 0.9 - number / 10,
                     **measure_sides(p, "held_out")})  # fmt: skip
        where = {"line": line, "seed": seed, "round": number}
        tables += [pd.DataFrame({"side": side, "problem": PROBLEMS, "p": p, **where})
                   for side in ("held out", "training")]  # fmt: skip
    return rows, tables


def make_attempts():
    """Of eight problems one repetition solves six by the rules, the other four."""
    outcomes = [{"problem": problem, "seed": seed, "solved": place < solved, "sampled_tokens": 100 * (seed + 1),
                 "outcome": "solved" if place < solved else "no answer"}
                for seed, solved in ((0, 6), (1, 4)) for place, problem in enumerate(PROBLEMS)]  # fmt: skip
    same = {"strategy": "mcts", "mode": "rules", "algorithm": "mcts", "parameters": '{"simulations": 8}',
            "prompt_tokens": 0, "critic_tokens": 0, "policy_parameters": 1, "critic_parameters": 1}  # fmt: skip
    return pd.DataFrame(outcomes).assign(**same)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("iteration") / "run"
    rows, tables = [], []
    for line, seed, chances, accepted in (("search", 0, (BEFORE, AFTER, BEFORE), (True, True, False)),
                                          ("search", 1, (BEFORE, AFTER), (True, True)),
                                          ("solver", 0, (BEFORE, BEFORE), (True, False))):  # fmt: skip
        more = make_rows(line, seed, chances, accepted)
        rows, tables = rows + more[0], tables + more[1]
    with start_run(folder, "12_expert_iteration", {"seed": 0, "task": "game24"}) as run:
        run.write_records(pd.DataFrame(rows), "rounds")
        run.write_records(pd.concat(tables, ignore_index=True), "chances")
        run.write_records(make_attempts(), "final")
    return folder


@pytest.fixture(scope="module")
def numbers(folder):
    return iteration.gather_numbers(read_evidence([folder]))


def test_lines_stand_where_the_gate_has_kept_them(numbers):
    lines = {line["line"]: line for line in numbers["lines"]}
    assert list(lines) == ["start", "search", "solver"]
    assert lines["start"]["pass_1"] == pytest.approx(np.mean(BEFORE))
    assert lines["search"]["pass_1"] == pytest.approx(np.mean(AFTER)), "the refused round 2 is not the end"
    assert lines["solver"]["pass_1"] == pytest.approx(np.mean(BEFORE))
    assert lines["search"]["rounds"] == [1, 1]
    assert (lines["search"]["seeds"], lines["search"]["problems"]) == (2, 8)
    assert lines["search"]["pass_1_low"] < lines["search"]["pass_1"] < lines["search"]["pass_1_high"]


def test_a_control_is_held_to_the_main_line_of_its_own_repetitions(numbers):
    lines = {line["line"]: line for line in numbers["lines"]}
    assert lines["solver"]["gap"] == pytest.approx(np.mean(BEFORE) - np.mean(AFTER))
    assert lines["solver"]["gap_low"] < lines["solver"]["gap"] < lines["solver"]["gap_high"]
    assert lines["solver"]["gap_64"] == pytest.approx(np.mean(pass_at(BEFORE, 64)) - np.mean(pass_at(AFTER, 64)))
    assert "gap" not in lines["search"]
    (*_, told) = iteration.answer(numbers)
    assert f"solver, comes to {100 * np.mean(BEFORE):.1f} % [" in told
    assert all(f", {fmt.points(lines['solver'][name])} [" in told.replace("and ", "") for name in ("gap", "gap_64"))


def test_searches_with_the_best_models_are_pooled(numbers):
    (final,) = numbers["final"]
    assert (final["accuracy"], final["sampled_tokens"], final["seeds"]) == (10 / 16, 150, 2)


def test_the_page_of_results_has_lines_what_moved_and_searches(numbers):
    note, lines, moves, final = tell_iteration(numbers)
    assert note == "n = 8 held-out problems."
    start, search, solver = lines.splitlines()[2:]
    assert start.startswith("| `start` | 2 |")
    assert search.startswith("| `search` | 2 |")
    gap = 100 * (np.mean(BEFORE) - np.mean(AFTER))
    assert f"| {gap:.1f} [" in solver
    assert "| `search` | 25.0 % | 50.0 % | 20.0 % |" in moves
    assert "| MCTS, at most 8 draws |  |  | 62.5 % [" in final
    assert len(tell_iteration({**numbers, "final": []})) == 3


def test_searches_of_one_budget_share_a_row_and_those_of_another_have_their_own(numbers):
    (arm,) = numbers["final"]

    def change(most, **more):
        return arm | more | {"parameters": arm["parameters"] | {"budget": {"sampled_tokens": most}}}

    arms = [change(700), change(2000), change(700, mode="blind", accuracy=0.25)]
    rows = tell_iteration({**numbers, "final": arms})[-1].splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == [
        "| MCTS, at most 8 draws and 700 tokens", "| MCTS, at most 8 draws and 2,000 tokens"]  # fmt: skip
    assert rows[0].split(" | ")[1].startswith("25.0 % ["), "blind"
    assert "62.5 % [" in rows[0]


def test_what_moved_is_counted_by_the_chance_at_the_start(numbers):
    moved = numbers["moved"][0]
    assert (moved["pairs"], moved["rare"]) == (16, 4)
    assert moved["rare_to_usual"] == 0.5
    assert moved["likely_to_rare"] == pytest.approx(1 / 5)
    assert moved["fell"] == pytest.approx(1 / 8)
    assert numbers["moved"][1]["gain"] == 0


def test_it_says_what_went_wrong(numbers):
    faults = iteration.list_faults(pd.DataFrame(numbers["rounds"]))
    assert "search, seed 0: the gate refused round 2 (of 2)." in faults
    assert "search, seed 0: the critic's AUC on fixed positions went from 0.900 to 0.700." in faults
    assert any("differences between trainings" in limit for limit in iteration.list_limits(numbers))


def test_it_answers_and_is_a_pdf_with_its_numbers_beside_it(folder, numbers, tmp_path):
    said = read_answer(iteration.make_report(read_evidence([folder]), numbers))
    assert "25.0 % of problems whose chance was below 1e-4 at the start, 50.0 % have one above 1e-2" in said
    pdf = write_report("iteration", [folder], tmp_path / "a.pdf")
    assert json.loads(pdf.with_suffix(".json").read_text())["lines"] == json.loads(json.dumps(numbers["lines"]))
    assert write_report("iteration", [pdf.with_suffix(".json")], tmp_path / "b.pdf").read_bytes()[:5] == b"%PDF-"


def test_runs_without_chances_are_refused(folder, tmp_path):
    with start_run(tmp_path / "x", "12_expert_iteration", {}) as run:
        run.write_records(pd.read_parquet(folder / "rounds.parquet"), "rounds")
    with pytest.raises(ValueError, match="runs of 12_expert_iteration are needed"):
        write_report("iteration", [tmp_path / "x"], tmp_path / "a.pdf")


def test_the_setting_names_what_a_round_may_spend_in_all(numbers):
    (run,) = numbers["runs"]
    asked = numbers | {"runs": [run | {"parameters": run["parameters"] | {"mean_budget": 200}}]}
    assert "; 200 a problem in all" in str(iteration.make_report([], asked))
    assert "a problem in all" not in str(iteration.make_report([], numbers))
