"""Every number that is quoted stands in a kept JSON under reports/: tables cell by cell, the rest of the prose by its
percentages and intervals."""

import re

import pytest
import quoted
import quoted_prose as prose

FROM = "2026-11-27"  # entries of the LOG from that day on; what older ones quote was not all kept
REPORTS = sorted(path.name for path in (quoted.ROOT / "reports").glob("*.json"))
each_table = pytest.mark.parametrize("name", quoted.TABLES)
each_sentence = pytest.mark.parametrize("sentence", prose.SENTENCES, ids=lambda one: one.pattern[:40])


def read(document):
    return (quoted.ROOT / document).read_text(encoding="utf-8")


def fetch(quote):
    """The text that a quote stands in, and the report that it quotes; skips while that is not kept yet."""
    if quote.file not in REPORTS:
        pytest.skip(f"reports/{quote.file} is not kept yet")
    text = read(quote.document)
    return text, quoted.load(quote.file)


@pytest.fixture(scope="module")
def known():
    return prose.list_known(map(quoted.load, REPORTS))


@each_table
def test_tables_quote_the_kept_reports(name):
    table = quoted.TABLES[name]
    text, report = fetch(table)
    begin, end = quoted.cut(table, text)
    assert not quoted.compare(table, text[begin:end], report)


@each_table
def test_any_other_digit_in_a_table_is_found(name):
    table = quoted.TABLES[name]
    text, report = fetch(table)
    begin, end = quoted.cut(table, text)
    for changed, before in quoted.change_digits(text[begin:end]):
        assert quoted.compare(table, changed, report), before


def test_any_other_digit_in_the_table_of_benchmarks_is_found():
    """On made-up rows, as long as none are kept."""
    rows = [{"benchmark": "solver", "work": "364 puzzles", "stock": 1.714, "ours": 0.017, "ratio": 100.6, "note": "it"},
            {"benchmark": "sft", "work": "9 traces", "stock": 3.0, "ours": 2.0, "ratio": 1.5, "note": "2 tokens/s"}]
    text = ("```\nbenchmark   work         stock s   ours s   ratio  ours is\n"
            "solver      364 puzzles     1.71     0.02  100.6x  it\n"
            "sft         9 traces        3.00     2.00    1.5x  2 tokens/s\n```")  # fmt: skip
    assert not quoted.compare(quoted.TABLES["bench"], text, rows)
    for changed, before in quoted.change_digits(text):
        assert quoted.compare(quoted.TABLES["bench"], changed, rows), before


@each_sentence
def test_sentences_quote_the_kept_reports(sentence):
    assert not prose.hold(sentence, *fetch(sentence))


@each_sentence
def test_any_other_digit_in_a_sentence_is_found(sentence):
    text, report = fetch(sentence)
    text = " ".join(text.split())
    found = re.search(sentence.pattern, text)
    for changed, before in quoted.change_digits(found[0]):
        assert prose.hold(sentence, text[: found.start()] + changed + text[found.end() :], report), before


@pytest.mark.parametrize("document", [quoted.README, quoted.CARD])
def test_prose_quotes_the_kept_reports(document, known):
    assert not [said for said in prose.read_prose(read(document)) if not prose.is_known(said, *known)]


def test_the_newest_entries_of_the_log_quote_the_kept_reports(known):
    entries = re.split(r"^## (?=\d{4}-\d\d-\d\d)", read(quoted.LOG), flags=re.M)[1:]
    assert len(entries) > 10
    newest = [entry for entry in entries if entry[:10] >= FROM]
    unknown = [(entry.splitlines()[0], said) for entry in newest for said in prose.read_prose(entry)
               if said not in prose.UNKEPT and not prose.is_known(said, *known)]  # fmt: skip
    assert not unknown


def test_prose_is_read_with_units_and_intervals():
    text = "It has 97.2 % [95, 99] at 9 tokens, +15 points [7, 23], +14 [5,\n23], 0.86 [0.58, 0.92], 3 of 4.\n| 9 % |"
    assert prose.read_prose(text) == [
        ("97.2", " %", "95", "99"), ("+15", " points", "7", "23"), ("+14", "", "5", "23"), ("0.86", "", "0.58", "0.92"),
    ]  # fmt: skip
    known = prose.list_known([{"rows": [{"accuracy": 0.972, "low": 0.95, "high": 0.985}, {"share": 0.12}]}])
    assert prose.is_known(("97.2", " %", "95", "98.5"), *known)
    assert not prose.is_known(("97.3", " %", "95", "98.5"), *known)
    assert not prose.is_known(("97.2", " %", "94", "98.5"), *known)
    assert prose.is_known(("12", " %"), *known)
    assert not prose.is_known(("13", " %"), *known)


def test_runs_of_uncommitted_code_are_named():
    """A run whose commit does not hold its code is named, in a paragraph that says so."""
    told = [part for document in (quoted.README, quoted.LOG) for part in read(document).split("\n\n")
            if "uncommitted" in part]  # fmt: skip
    dirty = {run["id"] for file in REPORTS if isinstance(report := quoted.load(file), dict)
             for run in report.get("runs", ()) if (run["git"] or {}).get("dirty")}  # fmt: skip
    assert len(dirty) >= 5
    assert not {run for run in dirty if not any(run in part for part in told)}
