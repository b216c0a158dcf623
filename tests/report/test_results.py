"""The page of results: what is not kept is left out, what is broken is named, nothing heavy is needed."""

import json
import subprocess
import sys

import pytest

from game24lab.report import results
from game24lab.report.result_countdown import tabulate_countdown

BENCH = [{"benchmark": "solver", "work": "364 puzzles", "stock": 1.714, "ours": 0.017, "ratio": 100.6, "note": "it"}]


def write(folder, **reports):
    for name, report in reports.items():
        (folder / f"{name}.json").write_text(report if isinstance(report, str) else json.dumps(report))
    return folder


def test_a_section_whose_file_is_not_kept_is_left_out(tmp_path):
    text = results.write_results(write(tmp_path, bench=BENCH), tmp_path / "results.md").read_text()
    assert "| solver | 364 puzzles | 1.71 | 0.02 | 100.6x | it |" in text
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Speed"]
    assert "`game24lab bench --json reports/bench.json`" in text


@pytest.mark.parametrize(("reports", "said"), [
    ({}, r"must hold at least one of modes\.json, "),
    ({"bench": "{"}, r"bench\.json must be JSON, got "),
    ({"bench": [{"work": "x"}]}, r"bench\.json must hold the numbers of a report, got KeyError\('benchmark'\)"),
    ({"modes": {"arms": []}}, r"modes\.json must hold the numbers of a report"),
])  # fmt: skip
def test_what_is_missing_or_broken_is_named_and_nothing_is_written(tmp_path, reports, said):
    with pytest.raises(ValueError, match=said):
        results.write_results(write(tmp_path, **reports), tmp_path / "results.md")
    assert not (tmp_path / "results.md").exists()


def test_puzzles_without_a_rank_are_not_given_one():
    arm = {"label": "mcts", "mode": "rules", "problems": 9, "seeds": 1, "repeated": None, "illegal": 0.5,
           "accuracy": 0.5, "low": 0.4, "high": 0.6, "sampled_tokens": 100.0}  # fmt: skip
    for splits, head in ((["other"], "arm | mode"), (["other", "901-1000"], "ranks | arm | mode")):
        _, table = results._tell_unrepeated({"arms": [{**arm, "split": split} for split in splits]})
        assert table.startswith(f"| {head} |")
        assert ("| other |" in table) == ("ranks" in head)


def test_countdown_s_long_chain_stands_under_its_rules_before_what_is_published():
    run = {"id": "aa", "name": "09_strategies", "parameters": {"split": "stream_of_search"}}
    arm = {"run": "aa", "algorithm": "greedy", "parameters": {}, "mode": "blind", "problems": 9, "seeds": 1,
           "accuracy": 0.5, "low": 0.4, "high": 0.6, "sampled_tokens": 28}  # fmt: skip
    chains = [{"run": "bb", "budget": budget, "puzzles": 9, "accuracy": share, "low": 0.1, "high": 0.7, "tokens": 90}
              for budget, share in ((256, 0.25), (4096, 0.375))]  # fmt: skip
    point = {"split": "stream_of_search", "model": "6M", "setting": "x", "source": "A, 1", "accuracy": 0.8}
    table = tabulate_countdown({"runs": [run, run | {"id": "bb", "name": "03_sft_chains"}], "results": [arm],
                                "chains": chains, "published": [point]})  # fmt: skip
    *_, ours, chain, published = table.splitlines()
    assert "| greedy | 50.0 % [40, 60] | 28 |" in ours
    assert "run bb (n = 9) | one long chain, at most 4,096 tokens | 37.5 % [10, 70] | 90 |" in chain
    assert "published: 6M" in published


def test_the_command_says_it_in_one_line(tmp_path):
    command = [sys.executable, "-m", "game24lab.report.results", str(tmp_path), str(tmp_path / "results.md")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, "must hold at least one of" in ended.stderr.splitlines()[-1]) == (2, True)


def test_runs_are_named_with_their_commits():
    def make(run, commit, dirty):
        return {"id": run, "name": "03_sft", "start": "2026-11-20T18:07:07", "git": {"commit": commit, "dirty": dirty}}

    runs = [make("aa", "0123456789", True), make("bb", "abcdef0123", False), make("cc", "abcdef0123", False)]
    section = results.Section("x", "sft_report", ("make chains", "make ablation"), None, "")
    assert results.tell_source(section, {"runs": runs}).endswith(
        "`make chains` and `make ablation`; run aa (2026-11-20, uncommitted changes to commit 0123456); "
        "runs bb, cc (2026-11-20, commit abcdef0).")  # fmt: skip


@pytest.mark.parametrize(("value", "digits", "text"), [
    (0.125, 2, "0.12"), (100 * 0.285, 0, "28"), (2573.5000000001, 0, "2,574"), (None, 1, ""), (1297, 0, "1,297"),
])  # fmt: skip
def test_numbers_are_rounded(value, digits, text):
    assert results.show(value, digits) == text


def test_no_model_library_is_loaded():
    code = "import sys, game24lab.report.results; print(*{'torch', 'transformers', 'sklearn'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == []


@pytest.mark.parametrize(("arm", "said"), [
    ({"label": "mcts@simulations=64"}, "`simulations=64`"),
    ({"label": "mcts_likeliest@simulations=64"}, "`mcts_likeliest@simulations=64`"),
    ({"label": "mcts", "parameters": {"simulations": 8, "width": 2}, "given": {"width": 2}}, "`simulations=8`"),
    ({"label": "mcts", "parameters": {"simulations": 8, "num_paths": 3}, "given": {"num_paths": 3}}, "`num_paths=3`"),
    ({"label": "mcts", "parameters": {"width": 4}, "given": {}}, "`width=4`"),
    ({"label": "mcts"}, "`as it comes`"),
])  # fmt: skip
def test_a_setting_says_how_much_was_searched(arm, said):
    assert results._name_setting({"algorithm": "mcts", "parameters": {}, "given": {}} | arm) == said
