"""The report on scaling: three sentences, the plane first, every number from a table, and again from its JSON."""

import json
import warnings

import made_studies
import pytest
from first_page import read_answer

from game24lab.cli import main as cli
from game24lab.report import scaling_findings
from game24lab.report.document import to_json
from game24lab.report.evidence import read_evidence
from game24lab.report.result_scaling import tabulate_exchange, tell_scaling
from game24lab.report.sections import scaling
from game24lab.report.write import write_report
from game24lab.runs.run import start_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scaling") / "run"
    with start_run(folder, "11_scaling", {"task": "game24", "seed": 0}) as run, warnings.catch_warnings():
        warnings.simplefilter("error")
        made_studies.write(run, made_studies.make(failed={4}))
    return folder


def test_it_is_a_pdf_with_its_numbers_beside_it(made, tmp_path, capsys):
    pdf = tmp_path / "scaling.pdf"
    assert cli.main(["report", "--kind", "scaling", str(made), "-o", str(pdf)]) == 0
    numbers = json.loads(pdf.with_suffix(".json").read_text())
    assert {row["strategy"] for row in numbers["rates"]} == {"repeated sampling", "mcts"}
    again = write_report("scaling", [pdf.with_suffix(".json")], tmp_path / "again.pdf")
    assert again.stat().st_size > 10_000


def test_the_answer_is_three_sentences_with_what_was_measured(made):
    evidence = read_evidence([made])
    numbers = scaling.gather_numbers(evidence)
    said = scaling_findings.answer(numbers)
    assert len(said) == 3
    for row in numbers["rates"]:
        assert f"{row['strategy']} ({row['mode']}) {row['rate']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" in said[0]
    assert "for one problem, by " in said[1]
    assert "and no verifier to pick the answer" in said[1]
    assert "fitted without its" in said[2]
    report = scaling.make_report(evidence, numbers)
    assert read_answer(report) == " ".join(said)
    text = to_json(report)
    assert "NaN at step 3" in text, "what failed is named"
    assert "Jones 2021" in text


def test_equal_flops_are_drawn_with_the_best_size_and_a_report_of_before_goes_without(made):
    evidence = read_evidence([made])
    numbers = json.loads(json.dumps(scaling.gather_numbers(evidence)))
    best = [row for row in numbers["isoflops"] if row["best"]]
    assert len(best) > 1
    told = f"For {best[-1]['flops']:.0e} FLOPs the law has its best at {best[-1]['ratio']:.0f} tokens a parameter (" \
        f"{best[-1]['size']}".replace("e+", "e")
    text = to_json(scaling.make_report(evidence, numbers))
    assert told in text
    assert "differ by less than its error" in text
    bare = numbers | {"isoflops": [row | {"best": False} for row in numbers["isoflops"]]}
    assert "budgets the best lies at or beyond an end of what is drawn" in to_json(scaling.make_report(evidence, bare))
    assert "Gains from one effort to the next." in text
    del numbers["isoflops"], numbers["gains"]
    assert "equal training FLOPs" not in to_json(scaling.make_report(evidence, numbers))


def test_what_was_trained_on_the_law_s_word_is_held_against_it(tmp_path):
    with start_run(tmp_path / "run", "11_scaling", {"task": "game24", "seed": 0}) as run:
        made_studies.write(run, made_studies.make(), tried=made_studies.make(("4x112",), (3e6,), seeds=1))
    evidence = read_evidence([tmp_path / "run"])
    numbers = scaling.gather_numbers(evidence)
    assert "and 1 of 1 models that it has chosen and not seen land within" in scaling_findings.answer(numbers)[2]
    assert "What was trained on the law's word." in to_json(scaling.make_report(evidence, numbers))


def test_another_task_s_rates_stand_beside_the_first_one_s(made, tmp_path):
    with start_run(tmp_path / "run", "11_scaling", {"task": "countdown", "seed": 0}) as run:
        other = {("repeated sampling", "verified"): 1.6, ("mcts", "rules"): 4.0, ("mcts", "verified"): 1.0}
        made_studies.write(run, made_studies.make(rates=other))
    evidence = read_evidence([tmp_path / "run", made])
    numbers = scaling.gather_numbers(evidence)
    assert numbers["task"] == "game24", "the order of folders does not matter"
    assert numbers["rates"] == scaling.gather_numbers(read_evidence([made]))["rates"]
    said = "; on countdown, over accuracies of its own, 1 of 2 rates lies apart from these, interval from interval."
    assert said in scaling_findings.answer(numbers)[0]
    table = next(one for one in to_json(scaling.make_report(evidence, numbers)).split("What one decade")[2:]
                 if one.startswith(" of training replaces, by task."))  # fmt: skip
    assert "countdown" in table
    assert "by task" not in to_json(scaling.make_report(evidence, scaling.gather_numbers(read_evidence([made]))))


def test_the_page_of_results_has_its_numbers(tmp_path):
    with start_run(tmp_path / "run", "11_scaling", {"task": "game24", "seed": 0}) as run:
        made_studies.write(run, made_studies.make(failed={4}), tried=made_studies.make(("4x112",), (3e6,), seeds=1))
    numbers = json.loads(json.dumps(scaling.gather_numbers(read_evidence([tmp_path / "run"]))))
    numbers["elsewhere"] = [row | {"task": "countdown", "low": None} for row in numbers["rates"]]
    note, rates, laws, tried, splits = tell_scaling(numbers)
    assert note.startswith(f"{len(numbers['records'])} checkpoints of ")
    assert "largest cells are missed by " in note
    first = numbers["rates"][0]
    bracket = f"{first['rate']:.2f} [{first['low']:.2f}, {first['high']:.2f}]"
    assert f"| game24 | {first['strategy']} | {first['mode']} | {bracket} |" in rates
    assert f"| countdown | {first['strategy']} | {first['mode']} | {first['rate']:.2f} |" in rates
    assert [line.split(" | ")[0] for line in laws.splitlines()[2:]] == [
        "| L - E, with a product", "| L - E, a sum", "| L - E, pure", "| -log pass@1", "| -log pass@k"]  # fmt: skip
    forms = numbers["forms"][0]
    assert laws.splitlines()[2].endswith(f"| {100 * forms['error']:.1f} % | {100 * forms['missed']:.1f} % |")
    assert f"| {numbers['tried'][0]['measured']:.3f} | yes |" in tried
    assert len(splits.splitlines()) == 2 + sum(row["total"] in sorted({one["total"] for one in numbers["splits"]})[1::2]
                                               for row in numbers["splits"])  # fmt: skip


ROW = {"strategy": "MCTS", "mode": "rules", "rate": 0.5, "low": 0.3, "high": 1.0, "cheaper": 1.2, "cheaper_low": 1.0,
       "cheaper_high": 1.5, "middle": 5e12, "dearer": None, "dearer_low": None, "dearer_high": None, "points": 9,
       "training_low": 1e12, "training_high": 2e13, "thinking_low": 3e8, "thinking_high": 5e10, "accuracy_low": 0.02,
       "accuracy_high": 0.975}  # fmt: skip


def test_readme_s_rates_are_factors_and_only_those_with_an_interval():
    known = ROW | {"dearer": -0.3, "dearer_low": -1.0, "dearer_high": 6.3}
    table = tabulate_exchange({"rates": [ROW, known, ROW | {"mode": "blind", "rate": None, "low": None, "high": None}]})
    assert "| 3.2 times [2.0, 10.0] | 0.5 times [0.1, 2e+06] |" in table.splitlines()[3]
    assert table.splitlines()[2:3] + table.splitlines()[4:] == [
        "| MCTS | rules | 3.2 times [2.0, 10.0] |  | 1e+12 to 2e+13 | 3e+08 to 5e+10 | 2.0 to 97.5 % |"
    ]


def test_lines_that_bend_beyond_chance_are_told():
    assert "bend" not in scaling_findings.find_rates({"rates": [ROW]})
    near = ROW | {"dearer": 0.9, "dearer_low": 0.5, "dearer_high": 1.3}
    assert "bend" not in scaling_findings.find_rates({"rates": [near]})
    bent = ROW | {"strategy": "samples", "points": 12, "dearer": 0.3, "dearer_low": -0.1, "dearer_high": 0.6}
    said = scaling_findings.find_rates({"rates": [near, bent]})
    assert said.endswith("(means over lines that bend: of samples 1.20 [1.00, 1.50] up to 5.0e+12 FLOPs of training, "
                         "0.30 [-0.10, 0.60] above).")  # fmt: skip


def test_runs_without_a_study_are_refused(tmp_path):
    start_run(tmp_path / "run", "11_scaling", {}).finish()
    with pytest.raises(ValueError, match=r"nothing to report in .*: runs of 11_scaling that have finished are needed"):
        scaling.gather_numbers(read_evidence([tmp_path / "run"]))
