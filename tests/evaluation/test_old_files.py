"""Files of earlier versions, kept as samples: each is read, and its tables are the numbers that its version gave."""

import json
from pathlib import Path

import pandas as pd
import pytest

from game24lab.evaluation.chains import measure, pair, pass_at_k, read_grades, summarise_budgets
from game24lab.evaluation.completions import read_completions, tabulate_completions
from game24lab.evaluation.decoding import match, tabulate_answers
from game24lab.evaluation.evaluate import COLUMNS, load_records, summarise, tabulate_pass_at_k
from game24lab.tasks.gsm8k.judge import COLUMNS as WORDS

SAMPLES = Path(__file__).parent / "samples"
EXPECTED = json.loads((SAMPLES / "expected.json").read_text())
RECORDS, GRADES = load_records(SAMPLES / "records.parquet"), read_grades(SAMPLES / "grades.parquet")
LOOKED = load_records(SAMPLES / "lookahead.parquet")
STAGES = {name: part.reset_index(drop=True) for name, part in GRADES.groupby("stage")}
FOUND = {
    "records": lambda: summarise(RECORDS),
    "pass_at_k": lambda: tabulate_pass_at_k(RECORDS),
    "grades": lambda: summarise_budgets(pd.concat([STAGES["start"], STAGES["end"]]), (32, 64), by=["stage"]),
    "samples": lambda: pass_at_k(STAGES["samples"]),
    "pair": lambda: pair(STAGES["start"], STAGES["end"], 64),
    "measure": lambda: measure(STAGES["end"]),
    "words": lambda: summarise_budgets(read_grades(SAMPLES / "grades_words.parquet", WORDS), (64,)),
    "lookahead": lambda: tabulate_answers(LOOKED),
    "match": lambda: match(LOOKED, "sampled_tokens"),
    "completions": lambda: summarise(tabulate_completions(
        read_completions(SAMPLES / "majority_seed0_completions.jsonl"))),
}  # fmt: skip


def round_off(value):
    if isinstance(value, list | dict):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {key: round_off(item) for key, item in items}
    return pytest.approx(value, rel=1e-12, abs=1e-12) if isinstance(value, float) else value


@pytest.mark.parametrize("name", FOUND)
def test_tables_of_old_files_are_as_they_were(name):
    found = FOUND[name]()
    if isinstance(found, pd.DataFrame):
        found = json.loads(found.to_json(orient="records", double_precision=15))
    items = enumerate(found) if isinstance(found, list) else found.items()
    assert dict(items) == round_off(EXPECTED[name])


def test_old_records_have_the_columns_they_had():
    assert list(RECORDS) == list(COLUMNS)
    assert {name: str(kind) for name, kind in RECORDS.dtypes.items()} == COLUMNS
