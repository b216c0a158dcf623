"""Rankings: the published one with and without its file, the solver's own, and every way a file can be wrong."""

import os
import pickle
from pathlib import Path
from statistics import mean, median

import pytest

from game24lab.tasks.numbers import rankings
from game24lab.tasks.numbers.arithmetic import legal_steps, make_state, measure_difficulty, reachable
from game24lab.tasks.numbers.puzzles import list_puzzles, list_solvable
from game24lab.tasks.numbers.rankings import (
    TOT_RANKS,
    TSLLM_RANKS,
    Ranking,
    download_ranking,
    find_bucket,
    hash_ranks,
    list_published,
    load_ranking,
    rank_by_solver,
    read_ranking,
)

PUBLISHED = os.environ.get("GAME24LAB_RANKING")  # the path of the published 24.csv, where there is one
HEAD = "Rank,Puzzles,AMT (s),Solved rate\n"
needs_file = pytest.mark.skipif(not PUBLISHED, reason="GAME24LAB_RANKING does not name the published ranking")


def test_the_published_test_sets_are_known_without_the_file():
    tot, tsllm = list_published(*TOT_RANKS), list_published(*TSLLM_RANKS)
    assert (len(tot), len(tsllm)) == (100, 362)
    assert len({rankings._hash(puzzle) for puzzle in list_puzzles()}) == 1820
    assert not set(tot) & set(tsllm)
    assert all(reachable(make_state(puzzle)) for puzzle in tot + tsllm)
    assert list(tot) == sorted(tot)
    assert {(4, 5, 6, 10), (3, 3, 8, 8)} & set(tot) == {(4, 5, 6, 10)}  # the example of the Tree of Thoughts paper
    with pytest.raises(ValueError, match="ranks 1-10: "):
        list_published(1, 10)


@pytest.mark.parametrize(
    ("ranks", "states", "share", "middle"), [(TOT_RANKS, 29.1, 19.5, 16.7), (TSLLM_RANKS, 28.1, 12.9, 10.0)]
)
def test_the_test_sets_have_the_published_statistics(ranks, states, share, middle):
    puzzles = list_published(*ranks)
    shares = [100 * measure_difficulty(puzzle)[1] for puzzle in puzzles]
    positions = [len({after for _, after in legal_steps(make_state(puzzle))}) for puzzle in puzzles]
    assert (round(mean(positions), 1), round(mean(shares), 1), round(median(shares), 1)) == (states, share, middle)


@needs_file
def test_the_test_sets_are_those_of_the_file():
    ranking = read_ranking(PUBLISHED)
    assert ranking.name == "published"
    assert set(ranking.puzzles) == set(list_solvable())
    assert hash_ranks(ranking, *TOT_RANKS) == rankings._TOT_HASHES
    assert hash_ranks(ranking, *TSLLM_RANKS) == rankings._TSLLM_HASHES
    for first, last in (TOT_RANKS, TSLLM_RANKS):
        assert list_published(first, last) == tuple(sorted(ranking.puzzles[first - 1 : last]))
    assert [find_bucket(ranking.puzzles[rank - 1], ranking) for rank in (1, 300, 301, 900, 901, 1000, 1001, 1362)] == [
        "1-300", "1-300", "301-900", "301-900", "901-1000", "901-1000", "1001-1362", "1001-1362",
    ]  # fmt: skip


@needs_file
def test_a_download_is_checked_cached_and_found(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = tmp_path / "upstream.csv"
    source.write_bytes(Path(PUBLISHED).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    path = download_ranking(source.as_uri())
    assert path == tmp_path / "game24lab" / "24.csv"
    assert load_ranking().name == "published"
    assert load_ranking().rank((6, 4, 1, 1)) == 1
    source.unlink()
    assert download_ranking(source.as_uri()) == path  # there already


def test_a_download_of_something_else_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "other.csv").write_text(HEAD + "1,1 1 4 6,4.4,99.20%\n")
    with pytest.raises(ValueError, match=r"other\.csv: sha256 .*, the published ranking has b9f12b3e"):
        download_ranking((tmp_path / "other.csv").as_uri())
    with pytest.raises(OSError, match="No such file"):
        download_ranking((tmp_path / "none.csv").as_uri())
    assert not (tmp_path / "cache").exists()
    assert load_ranking().name == "intrinsic"


def test_the_solvers_ranking_needs_no_file():
    ranking = rank_by_solver()
    assert sorted(ranking.puzzles) == list(list_solvable())
    assert ranking.rank(ranking.puzzles[0][::-1]) == 1
    assert ranking.rank((1, 1, 1, 1)) is None
    shares = [measure_difficulty(puzzle)[1] for puzzle in ranking.puzzles]
    assert shares == sorted(shares, reverse=True)
    assert pickle.loads(pickle.dumps(ranking)) == ranking


def test_buckets_without_the_file():
    assert find_bucket((10, 6, 5, 4)) == "901-1000"
    assert find_bucket((3, 3, 8, 8)) == "1001-1362"
    assert find_bucket((1, 1, 4, 6)) == "1-900"
    assert find_bucket((1, 1, 1, 1)) is None
    assert find_bucket((4, 5, 6, 10, 1)) is None
    counts = [find_bucket(puzzle, rank_by_solver()) for puzzle in list_puzzles()]
    assert [counts.count(name) for name in ("1-900", "901-1000", "1001-1362", None)] == [900, 100, 362, 458]


def test_a_ranking_of_ones_own(tmp_path):
    file = tmp_path / "own.csv"
    file.write_text("\ufeffPuzzles,Rank\r\n6 4 1 1,1\r\n1 1 11 11,2", encoding="utf-8", newline="")
    assert load_ranking(file) == Ranking(str(file), ((1, 1, 4, 6), (1, 1, 11, 11)))


@pytest.mark.parametrize("text", [
    '"Rank","Puzzles"\n"1","6 4 1 1"\n"2","1 1 11 11"\n',
    '\ufeff"Rank","Puzzles"\r\n"1","6 4 1 1"\r\n"2","1 1 11 11"\r\n',
    '"Puzzles","AMT, seconds","Rank"\n"6 4 1 1","4,4","1"\n"1 1 11 11","5","2"\n\n',
    'Rank,"Puzzles"\n1,"6, 4, 1, 1"\n2,1 1 11 11\n\n  \n',
    'Rank, Puzzles\n1,6 4 1 1\n2,1 1 11 11',
])  # fmt: skip
def test_a_ranking_whose_cells_are_quoted_or_that_ends_in_blank_lines(tmp_path, text):
    (tmp_path / "own.csv").write_text(text, encoding="utf-8", newline="")
    assert read_ranking(tmp_path / "own.csv").puzzles == ((1, 1, 4, 6), (1, 1, 11, 11))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: columns Rank and Puzzles are needed, found ''"),
        ("Rank;Puzzles\n1;1 1 4 6\n", "line 1: columns Rank and Puzzles are needed"),
        ("<!DOCTYPE html>\n", "line 1: columns"),
        (HEAD, "no puzzles behind the head"),
        (HEAD + "1,1 1 4 6,4.4,99%\n3,1 1 11 11,4.41,99%\n", "line 3: rank '3', 2 was expected"),
        (HEAD + "one,1 1 4 6,4.4,99%\n", "line 2: rank 'one', 1 was expected"),
        (HEAD + "1,1 1 4,six,99%\n2\n", "line 2: puzzle 1 1 4 cannot make 24"),
        (HEAD + "1,1 1 4 x,4.4,99%\n", "line 2: puzzle '1 1 4 x': 'x' is no integer"),
        (HEAD + "1,1 1 1 1,4.4,99%\n", "line 2: puzzle 1 1 1 1 cannot make 24"),
        (HEAD + "1,1 1 4 6,4.4,99%\n2,6 4 1 1,4.4,99%\n", "line 3: puzzle 1 1 4 6 has rank 1 already"),
        (HEAD + "1,1 1 4 6,4.4,99%\n\n2,1 1 11 11,4.4,99%\n", "line 3: .* has 0 columns"),
        ('"Rank,Puzzles\n1,1 1 4 6\n', "line 1: .* is no line of a table"),
        (HEAD + "1\n", "line 2: '1' has 1 columns, at least 2 are needed"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, text, message):
    file = tmp_path / "24.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"24\.csv.*{message}"):
        read_ranking(file)
