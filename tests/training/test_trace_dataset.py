"""Sets of traces: files come back as they were, damage is named, mixes keep their weights, cards count."""

import json
from collections import Counter

import pytest

from game24lab.tasks.numbers.solutions import Sample
from game24lab.training.data.trace_dataset import SUFFIXES, Trace, describe_traces, mix, read_traces, write_traces


def make(index, style="v1", bucket="short", tokens=50):
    completion = f"line {index}\nroll back, left: 1 2 3 4\n"
    return Trace((1, 2, 3, 4), style, bucket, "Input: 1 2 3 4\n", completion, tokens, 2, 1, "train", index)


TRACES = [make(index) for index in range(6)]
TRACES += [make(index, "sound", "long", 600 + index) for index in range(6, 10)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_come_back_as_they_were(suffix, tmp_path):
    path = tmp_path / "sets" / f"traces{suffix}"
    card = write_traces(path, TRACES, {"seed": 3, "tokenizer": "own"})
    assert read_traces(path) == TRACES
    described = json.loads(card.read_text())
    assert card == path.with_suffix(".card.json")
    assert described | {"seed": 3, "tokenizer": "own", "file": path.name} == described
    assert {"traces": 10, "distinct": 10, "roots": 1, "splits": ["train"]}.items() <= described.items()
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([path.name, card.name])


def test_a_byte_order_mark_and_blank_last_lines_are_no_damage(tmp_path):
    (tmp_path / "traces.jsonl").write_text(f"\ufeff{GOOD}\r\n{GOOD}\r\n\n \n", encoding="utf-8", newline="")
    assert read_traces(tmp_path / "traces.jsonl") == [make(0)] * 2


def test_the_card_counts_by_style_and_length():
    cells = {(cell["style"], cell["bucket"]): cell for cell in describe_traces(TRACES)["cells"]}
    assert cells["sound", "long"] == {
        "style": "sound", "bucket": "long", "traces": 4, "lines": 2, "rollback_share": 0.5,
        "tokens": {"least": 606, "median": 607.5, "most": 609, "mean": 607.5},
    }  # fmt: skip
    assert cells["v1", "short"]["traces"] == 6


GOOD = json.dumps(make(0)._asdict())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (GOOD[:40], "line 2: damaged: "),
        ("", "line 2: damaged: "),
        ('"text"', "line 2: no JSON object"),
        ("[" * 100_000, "line 2: damaged: "),
        (GOOD.replace('"style"', '"stile"'), "line 2: 'style' is missing"),
        (GOOD.replace('"v1"', '"v9"'), "line 2: style must be one of solution, v1, v2, v3, sound, got 'v9'"),
        (GOOD.replace('"short"', '["short"]'), r"line 2: bucket must be one of short.* got \['short'\]"),
        (GOOD.replace('"tokens": 50', '"tokens": -1'), "line 2: tokens must be an integer >= 0, got -1"),
        (GOOD.replace('"tokens": 50', '"tokens": 5.5'), r"line 2: tokens must be an integer >= 0, got 5\.5"),
        (GOOD.replace('"tokens": 50', '"tokens": NaN'), "line 2: tokens must be an integer >= 0, got nan"),
        (GOOD.replace("[1, 2, 3, 4]", "[1, 2, 3, 0]"), "line 2: numbers .* is no integer from 1"),
        (GOOD.replace("[1, 2, 3, 4]", "7"), "line 2: numbers 7: "),
        (GOOD.replace('"Input: 1 2 3 4\\n"', "4"), "line 2: prompt must be a text, got 4"),
    ],
)
def test_a_damaged_line_is_named(line, said, tmp_path):
    path = tmp_path / "traces.jsonl"
    path.write_text(f"{GOOD}\n{line}\n{GOOD}\n")
    with pytest.raises(ValueError, match=rf"traces {path}, {said}"):
        read_traces(path)
    path.write_bytes(GOOD.encode() + b"\n\xff\xfe\n")
    with pytest.raises(ValueError, match="line 2: damaged: 'utf-8' codec"):
        read_traces(path)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_damaged_table_is_named(suffix, tmp_path):
    path = tmp_path / f"traces{suffix}"
    write_traces(path, TRACES)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=f"traces {path}: damaged or no {suffix[1:]} file"):
        read_traces(path)
    write_traces(path, [*TRACES, make(11, style="v9")])
    with pytest.raises(ValueError, match=r"row 11: style must be .*'v9'"):
        read_traces(path)


def test_missing_and_empty_files(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        read_traces(tmp_path / "traces.jsonl")
    (tmp_path / "traces.jsonl").touch()
    with pytest.raises(ValueError, match="it holds none"):
        read_traces(tmp_path / "traces.jsonl")
    with pytest.raises(ValueError, match=r"traces must end in \.jsonl, \.parquet, \.arrow, got"):
        write_traces(tmp_path / "traces.csv", TRACES)
    with pytest.raises(ValueError, match="there are none to write"):
        write_traces(tmp_path / "traces.jsonl", [])


def test_a_mix_keeps_its_weights_and_comes_round_only_when_all_were_drawn():
    samples = mix(TRACES, {"v1": 3, "sound/long": 1}, 400, seed=1)
    assert all(isinstance(sample, Sample) for sample in samples)
    counts = Counter(sample.completion for sample in samples)
    groups = [[counts[trace.completion] for trace in some] for some in (TRACES[:6], TRACES[6:])]
    assert sum(groups[0]) / 400 == pytest.approx(0.75, abs=0.07)
    assert all(max(group) - min(group) <= 1 for group in groups)
    assert mix(TRACES, {"v1": 3, "sound/long": 1}, 400, seed=1) == samples != mix(TRACES, {"v1": 3, "long": 1}, 400)
    assert {sample.completion for sample in mix(TRACES, {"long": 1, "v1": 0, "v3": 0}, 4)} == {
        trace.completion for trace in TRACES[6:]
    }


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"v3": 1}, "weight of v3: no such traces; there are sound/long, v1/short"),
        ({"v1": -1}, "weight of v1 must be a finite number >= 0, got -1"),
        ({"v1": float("nan")}, "weight of v1 must be .* nan"),
        ({"v1": float("inf")}, "weight of v1 must be .* inf"),
        ({"v1": True}, "weight of v1 must be .* True"),
        ({"v1": "1"}, "weight of v1 must be .* '1'"),
        ({"v1": 0}, "weights must have at least one above 0"),
        ({}, "weights must have at least one above 0"),
    ],
)
def test_bad_weights(weights, said):
    with pytest.raises(ValueError, match=said):
        mix(TRACES, weights, 5)
    with pytest.raises(ValueError, match=r"count.*0"):
        mix(TRACES, {"v1": 1}, 0)
