"""Traces: equal for equal arguments whoever made them, right in every style, as long as asked for, nothing leaked."""

import math
import random
import statistics

import pytest
from tokenizers import Tokenizer

from game24lab.models.tokenizer import make_tokenizer
from game24lab.tasks.numbers.chains import STYLES, judge_chain, write_chain
from game24lab.tasks.numbers.puzzles import NumberProblem
from game24lab.tasks.numbers.rankings import TOT_RANKS, TSLLM_RANKS, list_published
from game24lab.tasks.numbers.search_traces import search_in_order
from game24lab.tasks.numbers.splits import make_split
from game24lab.tasks.numbers.task import Game24
from game24lab.training.data.trace_dataset import BUCKETS, tabulate_abandoned
from game24lab.training.data.trace_generation import make_counter, make_traces

SPLIT = make_split("tot")
COUNTER = make_counter()
THREE = ("short", "medium", "long")


def draw(count=60, **changes):
    given = {"held_out": SPLIT.held_out, "styles": STYLES, "highest": 14, "count_tokens": COUNTER}
    return make_traces(SPLIT.train, count, **(given | changes))


@pytest.fixture(scope="module")
def cells():
    """Three traces of every style and length."""
    return draw(39, buckets=THREE)


def test_every_trace_is_right_in_its_style(cells):
    for trace in cells:
        judged = judge_chain(trace.numbers, trace.completion, style=trace.style)
        assert (judged.outcome, judged.share_right, judged.first_unsound) == ("solved", 1.0, None)
        assert (len(judged.lines), judged.rollbacks) == (trace.lines, trace.rollbacks)
        assert trace.prompt == Game24().prompt(trace.numbers)
        assert trace.sample == (trace.prompt, trace.completion, True)


def test_every_style_and_length_has_as_many_traces_of_its_length(cells):
    counts = {}
    for trace in cells:
        first, stop = BUCKETS[trace.bucket]
        assert first <= trace.tokens < stop
        assert trace.tokens == COUNTER(trace.completion)
        counts[trace.style, trace.bucket] = counts.get((trace.style, trace.bucket), 0) + 1
    assert set(counts) == {(s, b) for s in STYLES for b in THREE if s != "solution" or b == "short"}
    assert set(counts.values()) == {3}


def test_a_trace_depends_on_seed_split_and_index_alone(cells):
    assert draw(13, buckets=THREE) == cells[:13]
    assert draw(13, buckets=THREE, count_tokens=None) == cells[:13], "the package's own tokenizer is the default"
    assert [trace.index for trace in cells] == list(range(39))
    for change in ({"seed": 1}, {"split": "check"}):
        others = draw(13, buckets=THREE, **change)
        assert not {trace.completion for trace in others} & {trace.completion for trace in cells[:13]}


def test_any_number_of_workers_makes_the_same(cells):
    seen = []
    traces = draw(39, buckets=THREE, workers=2, progress=lambda indices: [seen.append(i) or i for i in indices])
    assert traces == cells
    assert seen == [*range(math.comb(14 + 3, 4)), *range(39)]  # a bar while roots are listed, and one for the traces


def test_held_out_puzzles_are_no_roots_and_roots_go_beyond():
    traces = draw(300, styles=("v1",), core_share=0.3)
    assert not {tuple(sorted(trace.numbers)) for trace in traces} & set(SPLIT.held_out)
    assert sum(max(trace.numbers) <= 13 for trace in traces) / 300 == pytest.approx(0.3, abs=0.1)
    with pytest.raises(ValueError, match="is held out and must not be trained on"):
        draw(held_out=SPLIT.train[:1])


def test_searches_pass_through_nothing_held_out():
    given = {"held_out": [(1, 2, 12), (2, 12)], "highest": 0, "styles": ("sound", "v2", "solution")}
    for trace in make_traces([(1, 1, 2, 12), (1, 2, 3, 4)], 30, count_tokens=COUNTER, **given):
        judged = judge_chain(trace.numbers, trace.completion, style=trace.style)
        assert not {(1, 2, 12), (2, 12)} & {line.left for line in judged.lines}


def test_whole_sound_traces_exhaust_what_they_abandon_and_thin_ones_do_not():
    whole, thin, cut = (
        tabulate_abandoned(draw(40, styles=(style,), thin_share=share)).iloc[0]
        for style, share in (("sound", 0.0), ("sound", 1.0), ("v2", 0.0))
    )
    assert (whole["dead"], thin["dead"], cut["dead"]) == (1.0, 1.0, 1.0)
    assert whole["exhausted"] == 1.0 > thin["exhausted"] > cut["exhausted"]
    assert tabulate_abandoned(draw(3, styles=("solution",)))["dead"].isna().all()


def test_finishes_learn_the_answer_alone_after_a_search_that_reaches_it():
    traces = draw(40, buckets=("any",), styles=("sound",), finish_share=0.5)
    finishes = [trace for trace in traces if trace.completion.startswith("reach 24: ")]
    assert 5 < len(finishes) < 35
    for trace in finishes:
        start, search = trace.prompt.split("\n", 1)
        assert start == Game24().prompt(trace.numbers).rstrip("\n")
        judged = judge_chain(trace.numbers, search + trace.completion)
        assert judged.solved
        assert judged.share_right == 1.0
        assert trace.completion.splitlines()[1].startswith("reach 24! expression: ")
        assert trace.tokens == COUNTER(trace.completion)


def test_any_tokenizer_may_count(tmp_path):
    tokenizer = make_tokenizer("lines")
    tokenizer.backend_tokenizer.enable_truncation(9)
    tokenizer.save_pretrained(tmp_path)
    assert Tokenizer.from_file(str(tmp_path / "tokenizer.json")).truncation["max_length"] == 9
    for trace in draw(10, count_tokens=make_counter(tmp_path)):
        assert trace.tokens == len(make_tokenizer("lines")(trace.completion)["input_ids"]) > 9
    by_character = draw(10, buckets=("medium",), styles=("v3",), count_tokens=len)
    assert all(300 <= len(trace.completion) < 550 for trace in by_character)
    for text in (None, "{}"):
        if text:
            (tmp_path / "tokenizer.json").write_text(text)
        else:
            (tmp_path / "tokenizer.json").unlink()
        with pytest.raises(ValueError, match=r"tokenizer .*tokenizer.json cannot be read"):
            make_counter(tmp_path)


def test_tags_stand_around():
    for trace in draw(5, tags=True):
        assert trace.completion.startswith("<think>\n")
        assert trace.completion.endswith("</answer>\n")
        assert judge_chain(trace.numbers, trace.completion).first_wrong is None


def test_other_targets_and_counts():
    for numbers, target in [((1, 2, 3), 9), ((2, 3, 5, 7, 11), 24), ((4, 4, 10, 10), 100)]:
        given = {"held_out": [], "highest": 0, "target": target, "styles": STYLES, "thin_share": 1.0}
        for trace in make_traces([numbers], 10, count_tokens=COUNTER, **given):
            assert judge_chain(NumberProblem(numbers, target), trace.completion, trace.style).share_right == 1.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": 0}, "count.*0"),
        ({"workers": 0}, "workers.*0"),
        ({"thin_share": 1.5}, r"thin_share.*1\.5"),
        ({"finish_share": -0.5}, r"finish_share.*-0\.5"),
        ({"core_share": -1}, "core_share.*-1"),
        ({"styles": ("v4",)}, "style.*solution, v1, v2, v3, sound"),
        ({"buckets": ("huge",)}, "bucket.*short, medium, long, longer, any"),
        ({"styles": ("solution",), "buckets": ("long",)}, "no trace can be both; solutions are short"),
        ({"styles": ()}, "no trace can be both"),
        (
            {"styles": ("v1",), "buckets": ("long",), "count_tokens": lambda text: 5},
            "bucket 'long' of style 'v1': none",
        ),
    ],
)
def test_bad_input(change, said, monkeypatch):
    monkeypatch.setattr("game24lab.training.data.trace_generation._TRIES", 2)
    with pytest.raises(ValueError, match=said):
        draw(**({"count": 2} | change))


@pytest.mark.parametrize(
    ("ranks", "lines", "most", "tokens", "fit"),
    [(TOT_RANKS, 27.4, 121, 299, 0.97), (TSLLM_RANKS, 45.9, 206, 482, 0.884)],
)
def test_how_long_whole_searches_of_the_held_out_puzzles_are(ranks, lines, most, tokens, fit):
    """What LOG.md says of them: a budget of 1,024 tokens holds 97 % of the searches of ranks 901-1000."""
    count, puzzles = make_counter(), list_published(*ranks)
    searches = [search_in_order(puzzle, random.Random(0)) for puzzle in puzzles]
    lengths = [count(write_chain(*pair, "sound")) + 1 for pair in zip(puzzles, searches, strict=True)]  # the end token
    assert statistics.fmean(map(len, searches)) == pytest.approx(lines, abs=0.1)
    assert max(map(len, searches)) == most
    assert statistics.fmean(lengths) == pytest.approx(tokens + 1, abs=1)
    assert statistics.fmean(length <= 1024 for length in lengths) == pytest.approx(fit, abs=0.001)
