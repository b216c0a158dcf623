"""Tables by column specifications, and how numbers are written in them."""

import pytest

from game24lab.report.tables import count, fixed, join_sources, made, make_table, percent, points, short, text
from game24lab.views.tables import formats as fmt

ROW = {"arm": "greedy", "solved": 0.45, "low": 0.307, "high": 0.602, "tokens": 1234.4, "flops": 1.24e9, "source": "a",
       "change": {"difference": -0.0004, "low": -0.1, "high": 0.25}, "none": None}  # fmt: skip


def test_a_column_with_an_interval_has_two_columns_and_keys_lead_into_records():
    table = make_table("caption", [ROW], {
        "arm": text("arm", 1), "solved": percent("solved", "low", "high"), "tokens": count("tokens"),
        "FLOPs": short("flops"), "change": points("change.difference", "change.low", "change.high"),
        "k": fixed("tokens", 2, 0.001), "own": made(lambda row: row["arm"].upper(), align="left"),
    }, "note")  # fmt: skip
    assert table.header == ("arm", "solved", "95 %", "tokens", "FLOPs", "change", "95 %", "k", "own")
    assert table.rows == (("greedy", "45.0 %", "30.7\u2009–\u200960.2", "1,234", "1.24 G", "+0.0", "-10.0 to +25.0",
                           "1.23", "GREEDY"),)  # fmt: skip
    assert table.align == ("left", *["right"] * 7, "left")
    assert table.widths == (1, *[0] * 8)
    assert (table.source, table.note) == ("a", "note")


def test_widths_are_left_to_the_page_where_no_column_asks_for_one():
    assert make_table("c", [ROW], {"arm": text("arm")}).widths == ()


@pytest.mark.parametrize("column", [text("none"), percent("none"), points("none"), count("none"), short("none"),
                                    fixed("none")])  # fmt: skip
def test_a_missing_number_is_a_dash_and_a_missing_key_an_error(column):
    assert make_table("c", [ROW], {"x": column}).rows == (("-",),)
    with pytest.raises(KeyError):
        make_table("c", [{"source": "a"}], {"x": column})


def test_a_missing_end_of_an_interval_is_a_dash():
    table = make_table("c", [ROW | {"high": None}], {"solved": percent("solved", "low", "high")})
    assert table.rows == (("45.0 %", "-"),)


def test_sources_stand_once_and_many_are_counted():
    assert join_sources([{"source": name} for name in "aab"]) == "a; b"
    assert join_sources([{"source": name} for name in "abcd"]) == "the records of 4 runs, see Origin"


def test_long_lists_are_cut_and_say_by_how_much():
    assert fmt.some(["a", "b"], 2) == "a, b"
    assert fmt.some(["a", "b", "c"], 2) == "a, b and 1 more"
