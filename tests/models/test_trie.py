"""Sampling without replacement: known distributions, exact masses, unbiased weights, and that no batch matters."""

import json
import math
from itertools import permutations
from pathlib import Path

import golden_tries
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_tries import END, Language

from game24lab.models.trie import HEAD, draw

GOLDEN = Path(__file__).parents[1] / "golden" / "tries.json"  # as tries said it that took in one prefix at a time


def say(language, trie, *counts):
    """The ids of the lines that draws bring, all together."""
    return [line.ids for count in counts
            for line in draw([trie], [count], language.forward, language.spell)[0].lines]  # fmt: skip


def chance_of_order(chances, lines):
    """The probability that sampling without replacement says these lines in this order."""
    left, chance = 1.0, 1.0
    for line in lines:
        chance *= chances[line] / left
        left -= chances[line]
    return chance


@pytest.mark.parametrize("part", ["random", "likeliest"])
def test_the_golden_lines(part):
    golden, said = json.loads(GOLDEN.read_text()), golden_tries.say()
    assert set(said) == set(golden)
    for name in [name for name in golden if name.endswith(part)]:
        (rows, ends), (golden_rows, golden_ends) = said[name], golden[name]
        assert sum(map(len, golden_rows)) > 30
        for row, wanted in zip(rows, golden_rows, strict=True):
            assert [[text, ids, tokens] for text, ids, _, _, tokens in row] == [
                [text, ids, tokens] for text, ids, _, _, tokens in wanted]  # fmt: skip
            for (_, _, *numbers, _), (_, _, *known, _) in zip(row, wanted, strict=True):
                assert numbers == pytest.approx(known, rel=1e-9, abs=1e-12)
        for end, wanted in zip(ends, golden_ends, strict=True):
            assert end == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def test_lines_come_in_the_order_of_sampling_without_replacement():
    """The first two lines of 20,000 tries have the frequencies that successive draws have, to 1 %."""
    language = Language(seed=3, vocabulary=3, limit=2)
    chances = language.chances()
    book = language.open().book
    assert len(chances) == 7
    assert sum(chances.values()) == pytest.approx(1)
    pairs = [tuple(say(language, language.open(seed, book=book), 2)) for seed in range(20_000)]
    for first, second in permutations(chances, 2):
        expected = chance_of_order(chances, [first, second])
        assert pairs.count((first, second)) / len(pairs) == pytest.approx(expected, abs=0.01)
    for line in chances:  # the chance of being among the two
        expected = sum(chance_of_order(chances, pair) for pair in permutations(chances, 2) if line in pair)
        assert sum(line in pair for pair in pairs) / len(pairs) == pytest.approx(expected, abs=0.01)


def test_weights_are_unbiased():
    """Mean length and the chance of being right, from five lines a try, within 1 % of the truth."""
    language = Language(seed=5, vocabulary=4, limit=3)
    chances = language.chances()
    right = {line for line in chances if sum(line) % 3 == 0}
    truth = sum(chance for line, chance in chances.items() if line in right)
    length = sum(chance * len(line) for line, chance in chances.items())
    book, lengths, rights, wholes = language.open().book, [], [], []
    for seed in range(10_000):
        trie = language.open(seed, book=book)
        lines, weights = say(language, trie, 5), trie.weigh()
        lengths.append(sum(weight * len(line) for line, weight in zip(lines, weights, strict=True)))
        rights.append(sum(weight for line, weight in zip(lines, weights, strict=True) if line in right))
        wholes.append(sum(weights))
    assert np.mean(wholes) == pytest.approx(1, rel=0.01)
    assert np.mean(lengths) == pytest.approx(length, rel=0.01)
    assert np.mean(rights) == pytest.approx(truth, rel=0.01)
    for k in (2, 8):  # pass@k of draws with replacement, from lines drawn without
        assert 1 - (1 - np.mean(rights)) ** k == pytest.approx(1 - (1 - truth) ** k, rel=0.01)


languages = st.builds(Language, seed=st.integers(0, 10**6), vocabulary=st.integers(2, 5), limit=st.integers(1, 3),
                      spread=st.sampled_from([0.1, 1.0, 6.0]))  # fmt: skip


@given(language=languages, seed=st.integers(0, 10**6), parts=st.lists(st.integers(1, 9), min_size=1, max_size=9),
       order=st.sampled_from(["random", "likeliest"]))  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_whatever_the_trie(language, seed, parts, order):
    """No line twice; masses add up; the parting of draws does not matter; the end is exact; nothing is paid twice."""
    chances = language.chances()
    trie, other = language.open(seed, order), language.open(seed, order)
    lines = say(language, trie, *parts)
    assert len(set(lines)) == len(lines) == min(sum(parts), len(chances))
    assert lines == say(language, other, sum(parts))
    assert trie.left == pytest.approx(1 - sum(chances[line] for line in lines), abs=1e-9)
    for line, said in zip(lines, trie.said, strict=True):
        assert said.log == pytest.approx(math.log(chances[line]))
        assert said.completion.logprob == pytest.approx(said.log)
        assert said.completion.finish == ("stop" if line[-1] == END else "length")
    prefixes = {line[:length] for line in lines for length in range(1, len(line))}
    paid = len(prefixes) + len(lines)
    assert trie.tokens == paid if order == "random" else trie.tokens >= paid
    if order == "likeliest":
        values = [chances[line] for line in lines]
        assert values == sorted(values, reverse=True)
        assert values == pytest.approx(
            sorted(chances.values(), reverse=True)[: len(values)])
    assert trie.exhausted == (len(lines) == len(chances))
    rest = say(language, trie, len(chances) + 1)
    assert sorted(lines + rest) == sorted(chances)
    assert trie.exhausted
    assert trie.left == 0
    assert sum(trie.weigh()) == pytest.approx(1)
    assert say(language, trie, 1) == []


@given(seeds=st.lists(st.integers(0, 99), min_size=2, max_size=5, unique=True), count=st.integers(1, 20))
@settings(deadline=None, max_examples=30)
def test_neighbours_do_not_matter(seeds, count):
    """Tries drawn from together say what each says alone, and each is charged for its own lines."""
    languages = [Language(seed=seed % 3, limit=3) for seed in seeds]
    together = [language.open(seed) for language, seed in zip(languages, seeds, strict=True)]

    def forward(looks):
        places = {id(trie.book): language for trie, language in zip(together, languages, strict=True)}
        return [places[id(look.book)].forward([look])[0] for look in looks]

    found = draw(together, [count] * len(seeds), forward, languages[0].spell)
    for language, seed, one in zip(languages, seeds, found, strict=True):
        trie = language.open(seed)
        (alone,) = draw([trie], [count], language.forward, language.spell)
        assert alone == one
        assert alone.tokens == sum(line.tokens for line in alone.lines)


def test_tries_of_one_book_share_their_passes():
    language = Language(seed=1)
    first = language.open(0)
    second = language.open(1, book=first.book)
    alone = language.open(1)
    draw([first, second], [6, 6], language.forward, language.spell)
    assert set(language.looks.values()) == {1}
    assert say(language, alone, 6) == [line.completion.ids for line in second.said]
    assert first.tokens + second.tokens == len(first.book.steps) - 1 + len(first.book.counted)


@pytest.mark.parametrize("order", ["random", "likeliest"])
def test_tokens_behind_the_first_ones_are_said_too(order):
    """More tokens than have numbers of their own: all lines come, with their own probabilities, each once."""
    language = Language(seed=2, vocabulary=3 * HEAD, limit=1, spread=0.5)
    chances = language.chances()
    trie = language.open(4, order)
    lines = say(language, trie, 5, 200)
    assert sorted(lines) == sorted(chances)
    assert trie.exhausted
    assert [math.exp(line.log) for line in trie.said] == pytest.approx([chances[line] for line in lines])
    assert trie.tokens == len(chances)  # looking again costs nothing
    if order == "likeliest":
        assert lines == sorted(chances, key=chances.get, reverse=True)


def test_tokens_behind_the_first_ones_come_as_often_as_they_should():
    language = Language(seed=2, vocabulary=2 * HEAD, limit=1, spread=0.1)
    chances, book = language.chances(), language.open().book
    rare = sorted(chances, key=chances.get)[:HEAD]
    firsts = [say(language, language.open(seed, book=book), 1)[0] for seed in range(20_000)]
    share = sum(line in rare for line in firsts) / len(firsts)
    assert share == pytest.approx(sum(chances[line] for line in rare), abs=0.01)


def test_rows_that_spell_one_text_are_one_line_and_both_are_charged():
    language = Language(seed=8, vocabulary=5, limit=2, spell_by=3)
    chances = language.chances()
    texts = {}
    for line, chance in chances.items():
        text = language.spell(None, line)
        texts[text] = texts.get(text, 0) + chance
    trie = language.open(0)
    (found,) = draw([trie], [100], language.forward, language.spell)
    assert len(found.lines) == len(texts) < len(chances)
    assert trie.exhausted
    assert trie.left == 0
    assert trie.mass == pytest.approx(1)
    assert {line.completion.text: math.exp(line.log) for line in trie.said} == pytest.approx(texts)
    assert found.tokens == sum(line.tokens for line in found.lines) == trie.tokens


@pytest.mark.parametrize("count", [0, -1, 1.5, True])
def test_counts_must_be_whole(count):
    language = Language()
    with pytest.raises(ValueError, match="n must be"):
        draw([language.open()], [count], language.forward, language.spell)


def test_orders_are_named():
    with pytest.raises(ValueError, match="order must be one of random, likeliest, got 'best'"):
        Language().open(order="best")
