"""Puzzles: the universe, and puzzles from text and files, good and bad."""

import numpy
import pytest

from game24lab.tasks.numbers.puzzles import (
    check_numbers,
    list_puzzles,
    list_solvable,
    parse_puzzle,
    parse_puzzles,
    read_puzzles,
)


def test_the_universe():
    puzzles = list_puzzles()
    assert len(puzzles) == 1820
    assert puzzles == tuple(sorted(set(puzzles)))
    assert len(list_solvable()) == 1362
    assert len(list_solvable(target=10)) == 1540
    assert len(list_solvable(3)) == 111
    assert len(list_puzzles(3)) == 455
    assert len(list_puzzles(6, 1, 4)) == 84


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((2,), "size must be 3 to 6 numbers, got 2"), ((7,), "size must be 3 to 6 numbers, got 7"),
     ((4, 0, 13), "must hold, got 0 and 13"), ((4, 5, 4), "must hold, got 5 and 4"),
     ((6, 1, 100), "at most 1000000 are listed")],
)  # fmt: skip
def test_no_universe(arguments, message):
    with pytest.raises(ValueError, match=message):
        list_puzzles(*arguments)


@pytest.mark.parametrize(
    "text",
    ["4 5 6 10", "10 6 5 4", "4,5,6,10", " 4, 5 , 6 ,10\n", "4\t5  6 10", "(4, 5, 6, 10)", "[4 5 6 10]", "4,5 6,10"],
)
def test_a_puzzle_is_read_from_text(text):
    assert parse_puzzle(text) == (4, 5, 6, 10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("four five six", "puzzle 'four five six': 'four' is no integer from 1 to 999999"),
        ("", "puzzle must have 3 to 6 numbers, got 0: ''"),
        ("4 5", "3 to 6 numbers, got 2"),
        ("1 2 3 4 5 6 7", "3 to 6 numbers, got 7"),
        ("1 2 3 0", "'0' is no integer"),
        ("1 2 3 -4", "'-4' is no integer"),
        ("1 2 3 +4", r"'\+4' is no integer"),
        ("1 2 3 4.5", r"'4\.5' is no integer"),
        ("1 2 3 4e1", "'4e1' is no integer"),
        ("1 2 3 04", "'04' is no integer"),
        ("1 2 3 1000000", "'1000000' is no integer from 1 to 999999"),
        ("1 2 3 " + "9" * 100_000, r"is no integer from 1 to 999999$"),
        ("1 2 3 ²", "'²' is no integer"),
        ("1 2 3 ٣", "'٣' is no integer"),
        ("1 2 3 ４", "'４' is no integer"),
        ("1,,2,3", "'' is no integer"),
        ("1 2 3 4,", "'' is no integer"),
        ("1 " * 100_000, "3 to 6 numbers, got 100000"),
        ("1; 2; 3; 4", "'1;' is no integer"),
    ],
)
def test_a_bad_puzzle_says_what_is_wrong(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse_puzzle(text)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


def test_numbers_are_checked_and_sorted():
    assert check_numbers([10, 4, numpy.int64(6), 5]) == (4, 5, 6, 10)
    with pytest.raises(ValueError, match=r"2\.0 is no integer"):
        check_numbers([1, 2.0, 3])


def test_files_of_puzzles(tmp_path):
    file = tmp_path / "puzzles"
    expected = ((4, 5, 6, 10), (1, 1, 4, 6), (4, 5, 6, 10))
    for text in (
        "10 4 5 6\n1,1,4,6\n\n# a comment\n4 5 6 10 # another\n",
        "[10, 4, 5, 6]\r\n[1, 1, 4, 6]\r\n[4, 5, 6, 10]",
        '{"puzzle": "10 4 5 6"}\n{"problem": [1, 1, 4, 6], "rank": 1}\n{"numbers": "4 5 6 10"}\n',
        "\ufeffRank,Puzzles,AMT (s),Solved rate\r\n1,4 5 6 10,4.4,99.20%\r\n2,1 1 4 6,5,9%\r\n3,4 5 6 10,5,9%",
        'seconds,problem\n0.5,4 5 6 10\n0.1,"1, 1, 4, 6"\n0.2,4 5 6 10\n',
        "puzzle\n10 4 5 6\n1 1 4 6\n4 5 6 10\n",
    ):
        file.write_text(text, encoding="utf-8", newline="")
        assert read_puzzles(file) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4 5 6 10\n4 5 six 10\n", "line 2: puzzle '4 5 six 10': 'six' is no integer"),
        ("\n\n4 5\n", "line 3: puzzle must have 3 to 6 numbers, got 2: '4 5'"),
        ('{"puzzle": "4 5 6 10"}\n{"numbers": 4}\n', "line 2: 4 is no list of numbers"),
        ('{"question": "4 5 6 10"}\n', "line 1: .* has none of the keys puzzle, problem, numbers"),
        ('{"puzzle": [4, 5, 6, "10"]}\n', "line 1: puzzle .* '10' is no integer"),
        ('{"puzzle": "4 5 6 10"\n', "line 1: .* is no JSON"),
        ("[" * 5_000 + "\n", "line 1: .* is no JSON"),
        ("Rank,Puzzles\n1,4 5 6 10\n2\n", "line 3: '2' has 1 columns, at least 2 are needed"),
        ('Rank,Puzzles\n1,"4 5 6 10\n', "line 2: .* is no line of a table"),
        ("Rank,Name\n1,4 5 6 10\n", "line 1: puzzle 'Rank,Name': 'Rank' is no integer"),
        ("# nothing\n\n", "must hold puzzles, one a line, such as 4 5 6 10"),
        ("puzzle\n", "must hold puzzles, .*, got none"),
        ("1 " * 100_000 + "\n", "line 1: puzzle must have 3 to 6 numbers, got 100000"),
        ("x" * 200_000 + "\n", "line 1: puzzle .* is no integer"),
        ('"' + "1" * 200_000 + '"\n', "line 1: puzzle .* is no integer"),
        ("4 5 6 10\n" + "1" * 200_000 + "\n", "line 2: puzzle .* is no integer"),
        ("puzzle\n" + "1" * 200_000 + "\n", "line 2: .* is no line of a table: field larger than"),
        ('{"puzzle": "' + "1 " * 100_000 + '"}\n', "line 1: puzzle must have 3 to 6 numbers, got 100000"),
        ("[" + "1, " * 100_000 + "1]\n", "line 1: puzzle must have 3 to 6 numbers, got 100001"),
        ("[" * 900 + "]" * 900 + "\n", "line 1: "),
        ("4 5 6 10\x00\n", "line 1: puzzle .* is no integer"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, text, message):
    file = tmp_path / "puzzles.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"puzzles\.txt.*{message}"):
        read_puzzles(file)


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_puzzles(tmp_path / "none")
    (tmp_path / "image").write_bytes(b"\x89PNG\xff")
    with pytest.raises(ValueError, match="not a UTF-8 text file"):
        read_puzzles(tmp_path / "image")


def test_a_long_line_of_json_is_read_where_it_is_right(tmp_path):
    line = '{"note": "' + "x" * 200_000 + '", "puzzle": "4 5 6 10"}'
    assert parse_puzzles([line]) == ((4, 5, 6, 10),)


@pytest.mark.parametrize("lines", [["\ufeff4 5 6 10\n"], ["\ufeffpuzzle\n", "4 5 6 10\n"], ["\ufeff[4, 5, 6, 10]"],
                                   ["\ufeff# a comment\n", "4 5 6 10"], ['\ufeff{"puzzle": "4 5 6 10"}']])  # fmt: skip
def test_a_byte_order_mark_may_begin_standard_input(lines):
    assert parse_puzzles(iter(lines), "standard input") == ((4, 5, 6, 10),)


def test_lines_of_standard_input():
    assert parse_puzzles(iter(["4 5 6 10\n", "1 1 1\n"]), "standard input") == ((4, 5, 6, 10), (1, 1, 1))
    with pytest.raises(ValueError, match="standard input, line 1"):
        parse_puzzles(["x"], "standard input")
