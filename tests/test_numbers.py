"""Every number that is quoted stands in a kept JSON under reports/: tables are what the command writes from them, the
rest of the prose is held against them by its percentages and intervals."""

import re
import subprocess
import sys

import pytest
import quoted

from game24lab.report import results
from game24lab.report.result_scaling import tabulate_exchange

FROM = "2026-11-27"  # entries of the LOG from that day on; what older ones quote was not all kept
KEPT = quoted.ROOT / "reports"
REPORTS = sorted(path.name for path in KEPT.glob("*.json"))
each_sentence = pytest.mark.parametrize("sentence", quoted.SENTENCES, ids=lambda one: one.pattern[:40])


def read(document):
    return (quoted.ROOT / document).read_text(encoding="utf-8")


def fetch(quote):
    """The text that a quote stands in, and the report that it quotes."""
    return read(quote.document), quoted.load(quote.file)


@pytest.fixture(scope="module")
def known():
    return quoted.list_known(map(quoted.load, REPORTS))


def test_the_results_are_what_the_command_writes(tmp_path):
    command = [sys.executable, "-m", "game24lab.report.results", str(KEPT), str(tmp_path / "results.md")]
    assert subprocess.run(command, capture_output=True, text=True).returncode == 0
    assert (tmp_path / "results.md").read_text(encoding="utf-8") == read(quoted.RESULTS), "make results"


def test_readme_and_model_card_hold_tables_as_the_command_writes_them():
    modes, strict, without = (results.read_report(KEPT, name) for name in ("modes", "strict", "without"))
    assert f"\n\n{results.tabulate_headline(modes, strict, without)}\n\n" in read(quoted.README)
    assert f"\n\n{tabulate_exchange(results.read_report(KEPT, 'scaling_report'))}\n\n" in read(quoted.README)
    assert f"\n\n{results.tabulate_modes(modes)}\n\n" in read(quoted.CARD)


def test_every_number_of_a_table_with_a_unit_is_kept(known):
    """Read from the page, not by the functions that have written it."""
    rows = [line.strip("|") for line in read(quoted.RESULTS).splitlines() if line.startswith("|")]
    said = {number for row in rows for number in quoted.read_prose(row)}
    assert len(said) > 150
    assert not [number for number in said if not quoted.is_known(number, *known)]


@each_sentence
def test_sentences_quote_the_kept_reports(sentence):
    assert not quoted.hold(sentence, *fetch(sentence))


@each_sentence
def test_any_other_digit_in_a_sentence_is_found(sentence):
    text, report = fetch(sentence)
    text = " ".join(text.split())
    found = re.search(sentence.pattern, text)
    for changed, before in quoted.change_digits(found[0]):
        assert quoted.hold(sentence, text[: found.start()] + changed + text[found.end() :], report), before


@pytest.mark.parametrize("document", [quoted.README, quoted.CARD])
def test_prose_quotes_the_kept_reports(document, known):
    assert not [said for said in quoted.read_prose(read(document)) if not quoted.is_known(said, *known)]


def test_the_newest_entries_of_the_log_quote_the_kept_reports(known):
    entries = re.split(r"^## (?=\d{4}-\d\d-\d\d)", read(quoted.LOG), flags=re.M)[1:]
    assert len(entries) > 10
    newest = [entry for entry in entries if entry[:10] >= FROM]
    unknown = [(entry.splitlines()[0], said) for entry in newest for said in quoted.read_prose(entry)
               if said not in quoted.UNKEPT and not quoted.is_known(said, *known)]  # fmt: skip
    assert not unknown


def test_prose_is_read_with_units_and_intervals():
    text = "It has 97.2 % [95, 99] at 9 tokens, +15 points [7, 23], +14 [5,\n23], 0.86 [0.58, 0.92], 3 of 4.\n| 9 % |"
    assert quoted.read_prose(text) == [
        ("97.2", " %", "95", "99"), ("+15", " points", "7", "23"), ("+14", "", "5", "23"), ("0.86", "", "0.58", "0.92"),
    ]  # fmt: skip
    known = quoted.list_known([{"rows": [{"accuracy": 0.972, "low": 0.95, "high": 0.985}, {"share": 0.12}]}])
    assert quoted.is_known(("97.2", " %", "95", "98.5"), *known)
    assert not quoted.is_known(("97.3", " %", "95", "98.5"), *known)
    assert not quoted.is_known(("97.2", " %", "94", "98.5"), *known)
    assert quoted.is_known(("12", " %"), *known)
    assert not quoted.is_known(("13", " %"), *known)


def test_runs_of_uncommitted_code_are_named():
    """A run whose commit does not hold its code is named, in a paragraph that says so."""
    told = [part for document in (quoted.RESULTS, quoted.LOG) for part in read(document).split("\n\n")
            if "uncommitted" in part]  # fmt: skip
    dirty = {run["id"] for file in REPORTS if isinstance(report := quoted.load(file), dict)
             for run in report.get("runs", ()) if (run["git"] or {}).get("dirty")}  # fmt: skip
    assert len(dirty) >= 5
    assert not {run for run in dirty if not any(run in part for part in told)}
