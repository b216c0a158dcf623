"""Claims: answers are believed, then judged; choosers that nobody helps."""

import pandas as pd

from game24lab.evaluation.claims import ENDS, compare_choices, read_claims, tabulate_ends
from game24lab.tasks.numbers.task import Game24

RIGHT = "10 - 4 = 6 (left: 5 6 6)\n6 * 5 = 30 (left: 6 30)\n30 - 6 = 24 (left: 24)"
LIE = "10 - 4 = 6 (left: 6 4)\n6 * 4 = 24 (left: 24)"
SUM = "10 - 4 = 6 (left: 5 6 6)\n6 + 5 = 12 (left: 6 12)\n12 * 6 = 24 (left: 24)"
ELSE = "10 + 4 = 14 (left: 5 6 14)\n14 + 5 = 19 (left: 6 19)\n19 + 6 = 25 (left: 25)"
CUT = "10 - 4 = 6 (left: 5 6 6)\nand then"


def read(*answers):
    rows = [{"problem": "4 5 6 10", "strategy": "best_of_n", "completions": list(said)} for said in answers]
    for place, row in enumerate(rows):
        row["problem"] = " ".join(["4", "5", "6", "10"][place:] + ["4", "5", "6", "10"][:place])
    return read_claims(Game24(), rows)


def test_answers_are_believed_and_then_judged():
    claims = read([RIGHT, LIE, SUM, ELSE, CUT, ""])
    assert claims["claims"].tolist() == [True, True, True, False, False, False]
    assert claims["end"].tolist() == ["right", "left list", "calculation", "wrong value", "unfinished", "unfinished"]
    ends = tabulate_ends(claims)
    assert ends["n"].sum() == 6
    assert set(ends["end"]) <= set(ENDS)
    assert ends["end"].iloc[0] == "right"
    assert ends.set_index("end").loc["calculation", ["n", "share", "claims"]].tolist() == [1, 1 / 6, 1.0]


def test_choices_nobody_helps_with():
    claims = read([LIE, RIGHT, RIGHT, SUM], [ELSE, CUT], [RIGHT, LIE, LIE])
    found = compare_choices(claims).set_index("choice")["accuracy"]
    assert found.to_dict() == {
        "any right": 2 / 3, "first that claims the target": 1 / 3,
        "random one that claims the target": (2 / 4 + 0 + 1 / 3) / 3, "most frequent text": 1 / 3,
    }  # fmt: skip
    assert (compare_choices(claims)["problems"] == 3).all()
    assert isinstance(compare_choices(claims), pd.DataFrame)
